/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Dust attenuation curves: how the optical depth depends on wavelength.
 *
 * T(lambda) = exp(-tau_v k(lambda)), where k is relative to the V band, 5500 angstrom. k(5500) is exactly 1
 * for the power law only: the others miss it by 3e-8 to 2e-4, more with a bump, as in the
 * reference package.
 */
#pragma once

#include "polyphony/base.h"

enum dust_curve_kind {
    DUST_CURVE_POWER_LAW,     /* Charlot & Fall 2000, ApJ 539, 718 */
    DUST_CURVE_CALZETTI2000,  /* Calzetti et al. 2000, ApJ 533, 682; bump, tilt: Noll et al. 2009, A&A 507 */
    DUST_CURVE_LI08_CALZETTI, /* Li et al. 2008, ApJ 685, 1046, fitted to Calzetti's curve, */
    DUST_CURVE_LI08_SMC,      /* to the Small Magellanic Cloud's, */
    DUST_CURVE_LI08_MW,       /* to the Milky Way's, */
    DUST_CURVE_LI08_LMC,      /* to the Large Magellanic Cloud's */
    DUST_CURVE_N_KINDS,
};

/** A value: copy it freely, nothing to free. Only the members of its kind count. */
struct dust_curve {
    enum dust_curve_kind kind;
    double slope;                /* power law: of k; Calzetti: of the factor (lambda/5500)^slope [-] */
    double bump_amplitude;       /* Calzetti: of the 2175 angstrom feature [-] */
    double bump_centre_angstrom; /* Calzetti, > 0 */
    double bump_width_angstrom;  /* Calzetti, > 0 */
};

/** Names as in job files, in the order of the enum. */
extern const char *const DUST_CURVE_NAMES[DUST_CURVE_N_KINDS];

/**
 * A curve by name.
 *
 * @param slope NaN for the curve's own: -1 for power_law, 0 for calzetti2000. The Li curves have none: a
 *              number given with them is an error, not ignored.
 *
 * calzetti2000 comes without a bump (amplitude 0, centre 2175, width 350 angstrom): set bump_amplitude to
 * have one.
 *
 * Return: 0; POLYPHONY_USAGE for an unknown name (with the nearest known one) or an impossible slope.
 */
int dust_curve_find(const char *name, double slope, struct dust_curve *ret_curve, struct error *err);

/**
 * Optical depth at a wavelength over that in the V band [-].
 * @param lambda_rest_angstrom > 0. calzetti2000 is constant below 100 and above 30000 angstrom.
 * Any thread, allocates nothing.
 */
double dust_curve_k(const struct dust_curve *curve, double lambda_rest_angstrom);
