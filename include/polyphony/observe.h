/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One galaxy's observables, one function each.
 *
 * Scratch comes from the caller's arena and stays valid until the caller resets it. Threads share the work
 * inside a galaxy; the bits do not depend on their number. No function stores particles times wavelengths.
 *
 * Functions return 0 or POLYPHONY_INTERNAL (no memory); those that can meet unfit values say so.
 */
#pragma once

#include "polyphony/catalogue.h"
#include "polyphony/cosmology.h"
#include "polyphony/deposit.h"
#include "polyphony/emission.h"
#include "polyphony/grid.h"
#include "polyphony/igm.h"
#include "polyphony/instrument.h"
#include "polyphony/mix.h"

/* ---- optical depths ------------------------------------------------------------------------------ */

/**
 * V-band dust optical depth from the observer (at z = -infinity) to each point:
 *     tau_v = kappa * column of dust in front,   docs/physics.md 9
 * @param kappa_pc2_msun  dust opacity [pc^2 / Msun]
 * @param ret_tau_v       [n]
 */
int observe_optical_depths(enum sph_kernel kernel, double kappa_pc2_msun, const struct galaxy *galaxy,
                           size_t n, const double *x_kpc, const double *y_kpc, const double *z_kpc,
                           double *ret_tau_v, struct arena *arena, struct error *err);

/* ---- histories ----------------------------------------------------------------------------------- */

/** Stellar mass formed by age [Msun], [n_age]: always over log10 age. */
int observe_sfh(const struct grid *grid, enum weights_scheme scheme, const struct galaxy *galaxy,
                double *ret_sfh_msun, struct arena *arena, struct error *err);
/** By age and metallicity [Msun], [n_age][n_metallicity]: over log10 age and log10 metallicity. */
int observe_sfzh(const struct grid *grid, enum weights_scheme scheme, const struct galaxy *galaxy,
                 double *ret_sfzh_msun, struct arena *arena, struct error *err);

/* ---- emission ------------------------------------------------------------------------------------ */

enum observe_method {
    OBSERVE_FAST,  /* histograms, Chebyshev tiles and band tables */
    OBSERVE_DIRECT /* a spectrum for every particle: the definition, slow */
};

/** A model parameter of one galaxy: one number, or one a particle. */
struct observe_parameter {
    double value;
    const double *particle; /* [n_star], or NULL */
    const char *source;     /* the job's word for it, for messages; NULL: none */
};

/** Columns that emission is computed in: wavelengths, line luminosities or line continua. */
struct observe_columns {
    size_t n;
    const double *k;                           /* [n] dust curve, relative to V */
    const bool *is_ly_alpha;                   /* [n] */
    const double *value[EMISSION_EXTRACT_MAX]; /* [n_cell][n] by extract of the program; NULL: all 0 */
};

/** A galaxy's stars placed on the grid and weighted by the model's parameters. */
struct stellar_light {
    const struct emission_program *program;
    const struct galaxy *galaxy;
    enum observe_method method;
    struct observe_parameter parameter[EMISSION_N_PARAMETER];
    struct weights weights;
    struct mix_cells cells;                   /* cells with stars; mass is the plain histogram */
    uint32_t *slot;                           /* [n_cell] position of a cell in `cells` */
    const double *mass[EMISSION_CHANNEL_MAX]; /* [n_star] mass times the particle-wise fractions */
};

/**
 * Place the stars and weight them. POLYPHONY_SET_ASIDE, with particle and value, when a used parameter is out
 * of its bounds: fesc and fesc_ly_alpha within 0 to 1, tau_v >= 0.
 */
int observe_light(const struct emission_program *program, const struct grid *grid, enum weights_scheme scheme,
                  enum observe_method method, const struct galaxy *galaxy,
                  const struct observe_parameter parameter[EMISSION_N_PARAMETER],
                  struct stellar_light *ret_light, struct arena *arena, struct error *err);

/** Sum over all stars: ret_label[i][columns->n] for each label of the program, NULL where not wanted. */
int observe_sum(const struct stellar_light *light, const struct observe_columns *columns,
                double *const *ret_label, struct arena *arena, struct error *err);

/* ---- the observer's frame -------------------------------------------------------------------------- */

/** Flux density from luminosity density: fnu = lnu * scale * transmission(lambda). */
struct observe_frame {
    struct distances distances;
    double fnu_scale;             /* 1e32 (1 + z) / (4 pi d_L^2) [nJy / (erg/s/Hz)], Hogg 1999 sec. 6 */
    double line_flux_scale;       /* 1 / (4 pi d_L^2) [cm^-2] */
    double *transmission;         /* [n_lambda] of the intergalactic medium */
    double *line_transmission;    /* [n_line] */
    double *line_lambda_angstrom; /* [n_line] observed */
};

/** Rest-frame wavelengths that are observed: of spectra, and of lines. */
struct observe_wavelengths {
    size_t n_lambda, n_line;
    const double *lambda_rest_angstrom, *line_lambda_rest_angstrom;
};

/** Arrays are taken from the arena. At redshift 0 the galaxy is at 10 pc and nothing is absorbed. */
int observe_frame_make(const struct cosmology *cosmology, enum igm_model igm,
                       const struct observe_wavelengths *wavelengths, double redshift,
                       struct observe_frame *ret_frame, struct arena *arena, struct error *err);

void observe_fnu(const struct observe_frame *frame, size_t n, const double *lnu, double *ret_fnu_njy);
/** Line fluxes [erg/s/cm^2] from luminosities [erg/s]; the output may be the input. */
void observe_line_flux(const struct observe_frame *frame, size_t n_line, const double *luminosity,
                       double *ret_flux);

/* ---- photometry ------------------------------------------------------------------------------------ */

/** ret_value[n_band]: band averages of a spectrum. */
void observe_bands(size_t n_band, const struct band *band, const double *spectrum, double *ret_value);

/**
 * Band averages particle by particle: ret_value[n_star][n_label][n_band], from tables of the bands over the
 * grid, never from spectra (unless the method is direct).
 *
 * @param i_label  [n_label] labels of the program
 * @param screen   [n_lambda] factor on the spectrum before the bands, e.g. fnu scale times transmission
 */
int observe_particle_bands(const struct stellar_light *light, const struct observe_columns *columns,
                           size_t n_label, const size_t *i_label, size_t n_band, const struct band *band,
                           const double *screen, double *ret_value, struct arena *arena, struct error *err);

/* ---- images ---------------------------------------------------------------------------------------- */

/** Number of pixels across a field: round(fov / resolution), docs/physics.md 11. 0 if it does not fit 1 to
 * 65535. */
size_t observe_pixel_count(double fov_arcsec, double resolution_arcsec);

/**
 * Images of the stars' light: ret_image[n_channel][n_pixel][n_pixel], x slow, set here.
 *
 * @param table    projected kernel, or NULL for a histogram
 * @param value    [n_star][n_channel]
 */
int observe_images(const struct kernel_table *table, const struct galaxy *galaxy, double arcsec_per_kpc,
                   size_t n_pixel, double resolution_arcsec, size_t n_channel, const double *value,
                   double *ret_image, struct arena *arena, struct error *err);
