/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What hydrogen between a galaxy and us leaves of its light: the mean transmission over many sight lines.
 */
#pragma once

#include "polyphony/base.h"

enum igm_model {
    IGM_NONE,    /* 1 everywhere */
    IGM_INOUE14, /* Inoue et al. 2014, MNRAS 442, 1805 */
    IGM_MADAU96, /* Madau 1995, ApJ 441, 18, as the reference package has it (igm.c says where it departs) */
    IGM_N_MODELS,
};

/** Names as in job files, in the order of the enum. */
extern const char *const IGM_NAMES[IGM_N_MODELS];

/**
 * A model by name: "none", "inoue14", "madau96"; upper and lower case are the same.
 * Return: 0; POLYPHONY_USAGE for an unknown name, with the nearest known one.
 */
int igm_find(const char *name, enum igm_model *ret_model, struct error *err);

/**
 * Transmission towards a source.
 *
 * It is 0 to 1 for Inoue. Madau's fit exceeds 1, by up to 0.051, below 31 angstrom in the rest frame at z <
 * 0.64: left so, as in the reference.
 *
 * @param redshift                 of the source, >= 0 [-]; 0 gives 1 everywhere
 * @param lambda_observed_angstrom in, [n], > 0, any order
 * @param ret_transmission         out, [n] [-], not aliasing
 *
 * O(n), some 10 powers per wavelength: call it once per distinct redshift. Allocates nothing, any thread.
 */
void igm_transmission(enum igm_model model, double redshift, size_t n, const double *lambda_observed_angstrom,
                      double *ret_transmission);
