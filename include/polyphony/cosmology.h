/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flat universes with a cosmological constant, photons and neutrinos: redshift to distances.
 *
 * The numbers are those of astropy 5.2.1's FlatLambdaCDM, neutrinos after Komatsu et al. 2011 (ApJS 192, 18)
 * sec. 3.3. Everything is a value: nothing to free, nothing cached.
 */
#pragma once

#include "polyphony/base.h"

struct cosmology {
    double h0_km_s_mpc; /* Hubble constant [km s^-1 Mpc^-1] */
    double omega_m;     /* matter without neutrinos, over the critical density, today [-] */
    double t_cmb_k;     /* microwave background today [K]; 0 for a universe without radiation */
    double n_eff;       /* effective number of neutrinos, shared equally by the three species [-] */
    double m_nu_ev[3];  /* neutrino masses [eV] */
};

extern const struct cosmology COSMOLOGY_PLANCK18; /* Planck Collaboration 2020, A&A 641, A6, table 2 */
extern const struct cosmology COSMOLOGY_PLANCK15; /* Planck Collaboration 2016, A&A 594, A13, table 4 */
extern const struct cosmology COSMOLOGY_WMAP9;    /* Hinshaw et al. 2013, ApJS 208, 19, table 4 */

#define COSMOLOGY_N_NAMES 3
/** Beyond it (recombination is at 1090) there are no galaxies, and a redshift is a mistake. */
#define COSMOLOGY_REDSHIFT_MAX 1000
/** Nearer than it (the 10 pc at which 0 is put are at 2e-9) a redshift is a rounding of 0: headers of
 * snapshots at z = 0 say 2.2e-16. */
#define COSMOLOGY_REDSHIFT_ZERO 1e-8
extern const char *const COSMOLOGY_NAMES[COSMOLOGY_N_NAMES];

/**
 * A cosmology by astropy's name ("Planck18"; upper and lower case are the same).
 * Return: 0; POLYPHONY_USAGE for an unknown name, with the nearest known one.
 */
int cosmology_find(const char *name, struct cosmology *ret_cosmology, struct error *err);

/**
 * Bounds of parameters that a user gave.
 * Return: 0; POLYPHONY_USAGE, with parameter, value and bounds.
 */
int cosmology_check(const struct cosmology *cosmology, struct error *err);

struct distances {
    double redshift; /* [-] */
    double luminosity_distance_cm;
    double luminosity_distance_mpc;
    double angular_diameter_distance_mpc;
    double arcsec_per_kpc; /* proper kpc */
};

/** The redshift that is meant: 0 for roundings of it, also negative ones. The job's and the catalogue's
 * redshifts go through it before anyone else sees them. */
double cosmology_redshift(double redshift);

/**
 * Distances to a redshift, relative error 1e-12.
 *
 *     d_C = c/H0 int_0^z dz'/E(z'),  d_L = (1+z) d_C,  d_A = d_C/(1+z)      Hogg 1999, astro-ph/9905116
 *
 * At exactly z = 0 both distances are 10 pc, so that fluxes there are absolute magnitudes.
 *
 * Allocates and frees a workspace: call it once per distinct redshift. Any thread. (GSL's error handler is
 * turned off when the program starts, for all.)
 *
 * Return: 0; POLYPHONY_INPUT if the redshift is negative or not finite, or the quadrature fails for it;
 * POLYPHONY_USAGE as cosmology_check(); POLYPHONY_INTERNAL if memory is short. The output is written on
 * success only.
 */
int cosmology_distances(const struct cosmology *cosmology, double redshift, struct distances *ret_distances,
                        struct error *err);
