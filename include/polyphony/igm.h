/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What hydrogen between a galaxy and us leaves of its light: the mean transmission over many sight lines.
 */
#pragma once

#include "polyphony/base.h"

/** One model: a row of the table in src/emission/igms.def. */
struct igm_row {
    const char *name;   /* as in job files */
    const char *source; /* in the literature */
    /** As igm_transmission(), at redshift > 0. */
    void (*transmission)(double redshift, size_t n, const double *lambda_observed_angstrom,
                         double *ret_transmission);
};

extern const struct igm_row *const igm_rows[]; /* ends with NULL */

/**
 * A model by name; upper and lower case are the same.
 * Return: 0; POLYPHONY_USAGE for an unknown name, with the nearest known one.
 */
int igm_find(const char *name, const struct igm_row **ret_igm, struct error *err);

/**
 * Transmission towards a source.
 *
 * It is 0 to 1 for Inoue. Madau's fit exceeds 1, by up to 0.051, below 31 angstrom in the rest frame at z <
 * 0.64: left so, as in the reference package.
 *
 * @param redshift                 of the source, >= 0 [-]; 0 gives 1 everywhere
 * @param lambda_observed_angstrom in, [n], > 0, any order
 * @param ret_transmission         out, [n] [-], not aliasing
 *
 * O(n), some 10 powers per wavelength: call it once per distinct redshift. Allocates nothing, any thread.
 */
void igm_transmission(const struct igm_row *igm, double redshift, size_t n,
                      const double *lambda_observed_angstrom, double *ret_transmission);
