/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Dust attenuation curves: how the optical depth depends on wavelength.
 *
 * T(lambda) = exp(-tau_v k(lambda)), where k is relative to the V band, 5500 angstrom. k(5500) is exactly 1
 * for the power law only: the others miss it by 3e-8 to 2e-4, more with a bump, as in the
 * reference package.
 *
 * A curve is a row of a table: a struct dust_curve_row in a file of its own, named in
 * src/emission/dust_curves.def. Messages, template and provenance follow the table.
 */
#pragma once

#include "polyphony/base.h"

#define DUST_CURVE_PARAMETER_MAX 4

struct dust_curve;

/** A number that a curve has. */
struct dust_curve_parameter {
    const char *name;
    double value;       /* where none is given */
    double least, most; /* finite, both allowed */
};

/** One curve of the table. */
struct dust_curve_row {
    const char *name;         /* as in job files */
    const char *source;       /* in the literature */
    double range_angstrom[2]; /* where the source has it; beyond, k goes on as it says */
    size_t n_parameter;
    struct dust_curve_parameter parameter[DUST_CURVE_PARAMETER_MAX];
    const double *constant; /* numbers that rows with one function differ in */
    /** ret_k[n] at wavelengths > 0; any thread, allocates nothing. */
    void (*k)(const struct dust_curve *curve, size_t n, const double *lambda_rest_angstrom, double *ret_k);
};

extern const struct dust_curve_row *const dust_curve_rows[]; /* ends with NULL */

/** A value: copy it freely, nothing to free. */
struct dust_curve {
    const struct dust_curve_row *row;
    double parameter[DUST_CURVE_PARAMETER_MAX]; /* in the order of the row */
};

/**
 * A curve by name, with its own parameters.
 * Return: 0; POLYPHONY_USAGE for an unknown name (with the nearest known one).
 */
int dust_curve_find(const char *name, struct dust_curve *ret_curve, struct error *err);
/**
 * Give a curve another value of a parameter.
 * Return: 0; POLYPHONY_USAGE for a parameter it has not (with the curves that have it), or out of bounds.
 */
int dust_curve_set(struct dust_curve *curve, const char *parameter, double value, struct error *err);

bool dust_curves_are_equal(const struct dust_curve *a, const struct dust_curve *b);

/**
 * Optical depths over that in the V band, ret_k[n] [-].
 * @param lambda_rest_angstrom [n], > 0. calzetti2000 is constant below 100 and above 30000 angstrom.
 * Any thread, allocates nothing.
 */
void dust_curve_k(const struct dust_curve *curve, size_t n, const double *lambda_rest_angstrom,
                  double *ret_k);
