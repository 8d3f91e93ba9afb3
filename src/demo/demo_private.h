/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of this room share: random numbers, the stellar population, the nebula. */
#pragma once

#include "polyphony/demo.h"

/* Constants of polyphony/units.h, CGS. */
#define DEMO_C_ANGSTROM_S 2.99792458e18
#define DEMO_H_ERG_S      6.62606957e-27
#define DEMO_KB_ERG_K     1.3806488e-16
#define DEMO_LSUN_ERG_S   3.827e33

/* Edges the spectra know about [angstrom]. */
#define DEMO_LYMAN_LIMIT_ANGSTROM 912.0
#define DEMO_HEI_LIMIT_ANGSTROM   504.0
#define DEMO_HEII_LIMIT_ANGSTROM  228.0

#define DEMO_SOLAR_METALLICITY 0.02 /* [-] of the fits used here */

/* ---- random.c ------------------------------------------------------------------------------ */

/** Where a random number stands; three numbers (x, y, z) stand in each place. */
struct random_place {
    uint64_t seed, galaxy, component, particle, field;
};

/** Uniform in [0, 1), multiples of 2^-53. */
void random_uniforms(const struct random_place *place, double ret_u[3]);
/** Standard normal. */
void random_normals(const struct random_place *place, double ret_x[3]);
/** Natural logarithm of a positive normal number, the same bits everywhere, within 2 ulp. */
double random_log(double x);
/** The x below which a standard normal falls with probability p, 0 < p < 1. */
double normal_quantile(double p);

/* ---- population.c -------------------------------------------------------------------------- */

/** Stellar templates by effective temperature, log-spaced. */
#define DEMO_N_TEMPERATURE 72

/** Stars per Msun of mass at this mass, of 1 Msun formed [Msun^-1]; 0 outside 0.1 to 100 Msun. */
double imf_density(double mass_msun);
/** Age at which a star of this mass dies [yr]. */
double star_lifetime_yr(double mass_msun, double metallicity);

/** One simple stellar population of 1 Msun formed. */
struct population {
    double luminosity_lsun[DEMO_N_TEMPERATURE]; /* bolometric, by template */
    double star_fraction;                       /* mass in living stars [-] */
};
void population_evolve(double age_yr, double metallicity, struct population *ret_population);
/** Sum of luminosity_lsun. */
double population_luminosity_lsun(const struct population *population);

/**
 * Spectra of 1 Lsun at each temperature on one wavelength grid. A spectrum is plain - b(Z) blanketed,
 * where `blanketed` is the light that metal lines could take.
 */
struct templates {
    size_t n_lambda;
    double *lnu_plain;                             /* [DEMO_N_TEMPERATURE][n_lambda] erg s^-1 Hz^-1 */
    double *lnu_blanketed;                         /* same */
    double blanketed_fraction[DEMO_N_TEMPERATURE]; /* of the luminosity, at b = 1 [-] */
};
struct templates templates_create(size_t n_lambda, const double *lambda_angstrom);
void templates_free(struct templates *templates);
/** lnu[n_population][n_lambda] of populations of these metallicities [erg s^-1 Hz^-1 Msun^-1]. */
void templates_mix(const struct templates *templates, size_t n_population,
                   const struct population *populations, const double *metallicities, double *ret_lnu);

/* ---- wavelengths, in demo_grid.c ------------------------------------------------------------ */

/** Ascending wavelengths from 1 to 1e7 angstrom, n_lambda >= 100, with cell edges at 228, 504 and 912. */
void wavelengths_fill(size_t n_lambda, double *ret_lambda_angstrom);
/** Weights of the trapezium rule in frequency [Hz]: sum of lnu * width is the integral over nu. */
void frequency_widths_fill(size_t n_lambda, const double *lambda_angstrom, double *ret_width_hz);
/** Photons per second shortward of an edge: the trapezium rule, the last value held up to the edge. */
double photon_rate(size_t n_lambda, const double *lambda_angstrom, const double *lnu, double edge_angstrom);

/* ---- lines.c: lines and continuum of the nebula ---------------------------------------------- */

#define DEMO_LINE_ID_MAX 24

struct line {
    char id[DEMO_LINE_ID_MAX]; /* as Cloudy writes it, "H 1 4861.32A" */
    double lambda_angstrom;    /* vacuum up to 2000, air beyond */
    double per_hbeta;          /* at peak_metallicity and the reference hardness; He II: per He II 1640 */
    double peak_metallicity;   /* 0: does not depend on metallicity */
    double hardness_power;     /* luminosity ~ hardness^power */
    bool from_heii;            /* driven by photons shortward of 228 angstrom */
};

/** Ionising light of one population. */
struct ionising {
    double q_hi, q_hei, q_heii; /* photons shortward of 912, 504, 228 angstrom [s^-1 Msun^-1] */
};

/** All lines, ascending in wavelength; the caller frees *ret_lines with free(). */
struct line *lines_create(size_t *ret_n);
/** Luminosity of a line, every ionising photon absorbed [erg s^-1 Msun^-1]. */
double line_luminosity(const struct line *line, const struct ionising *ionising, double metallicity);
/** Case B intensity of upper to lower over that of 4 to 2, for nuclear charge 1 or 2 at 1e4 K. */
double caseb_ratio(int charge, int n_upper, int n_lower);
/** Continuum of the nebula per ionising photon per second [erg s^-1 Hz^-1 / s^-1], 0 below 912 angstrom. */
double nebular_continuum(double lambda_angstrom);
