/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One galaxy's observables, one function each.
 *
 * Scratch comes from the caller's arena and stays valid until the caller resets it. Threads share the work
 * inside a galaxy; the bits do not depend on their number. No function stores particles times wavelengths.
 *
 * The stars of a large galaxy come in tiles: a struct galaxy then holds some of them, in order. Whatever adds
 * stars up does so in their order and begins with what is there, so that the tiles do not show in the bits.
 *
 * Functions return 0 or POLYPHONY_INTERNAL (no memory); those that can meet unfit values say so.
 */
#pragma once

#include "polyphony/catalogue.h"
#include "polyphony/columns.h"
#include "polyphony/deposit.h"
#include "polyphony/emission.h"
#include "polyphony/grid.h"
#include "polyphony/instrument.h"
#include "polyphony/mix.h"

/* ---- optical depths ------------------------------------------------------------------------------ */

/** The gas of a galaxy, sorted. */
int observe_gas_index(enum sph_kernel kernel, const struct particles *gas, struct columns_index **ret_index,
                      struct arena *arena, struct error *err);
/**
 * V-band dust optical depth from the observer (at z = -infinity) to each particle:
 *     tau_v = kappa * column of dust in front,   docs/physics.md 9
 * @param kappa_pc2_msun  dust opacity [pc^2 / Msun]
 * @param arena           scratch, given back on return: columns_search_bytes()
 * @param ret_tau_v       [particles->n]
 * Return: 0; POLYPHONY_INTERNAL when memory is short.
 */
int observe_optical_depths(const struct columns_index *gas, double kappa_pc2_msun,
                           const struct particles *particles, struct arena *arena, double *ret_tau_v,
                           struct error *err);

/** Running sums of optical depths; zeroed before the first particle. */
struct observe_depths {
    double sum, total; /* of weight times depth, and of weights */
};
/** Without weights (NULL) all count the same. */
void observe_depths_add(struct observe_depths *depths, size_t n, const double *tau_v, const double *weight);
/** Weighted mean, median and maximum of all n particles, tau_v >= 0; left alone where there are none. */
void observe_depths_summary(const struct observe_depths *depths, size_t n, const double *tau_v,
                            double ret_summary[3]);

/* ---- histories ----------------------------------------------------------------------------------- */

/** Add the stellar mass formed by age [Msun], [ages of the grid]: over log10 age, unless one is 0. */
void observe_sfh(const struct grid *grid, enum weights_scheme scheme, const struct particles *stars,
                 double *sfh_msun);
/** By age and metallicity [Msun], [ages][metallicities] of a grid that has both: over their logarithms. */
void observe_sfzh(const struct grid *grid, enum weights_scheme scheme, const struct particles *stars,
                  double *sfzh_msun);

/* ---- emission ------------------------------------------------------------------------------------ */

enum observe_method {
    OBSERVE_FAST,  /* histograms, Chebyshev tiles and band tables */
    OBSERVE_DIRECT /* a spectrum for every particle: the definition, slow */
};

/** A model parameter of one galaxy: one number, or one a particle. */
struct observe_parameter {
    double value;
    const double *particle; /* [n] of the tile in hand, or NULL */
    const char *source;     /* the job's word for it, for messages; NULL: none */
};

/** Columns that emission is computed in: wavelengths, line luminosities or line continua. */
struct observe_columns {
    size_t n;
    const double *k[EMISSION_CURVE_MAX];       /* [n] the program's dust curves, relative to V */
    const bool *is_ly_alpha;                   /* [n] */
    const double *value[EMISSION_EXTRACT_MAX]; /* [n_cell][n] by extract of the program; NULL: all 0 */
};

/**
 * A galaxy's particles of one component placed on the grid and weighted by the model's parameters. Order of
 * calls: begin, place and add each tile, end; then place each tile again for what needs the particles
 * themselves. Of a galaxy in one tile they are still there after the end.
 */
struct stellar_light {
    /* Set by the caller of observe_light_begin(). */
    enum component component;
    enum field weight; /* of a particle: the grid's spectra are of one unit of it. "Mass" below */
    const struct emission_program *program;
    const struct grid *grid;
    size_t
        axis_parameter[WEIGHTS_AXIS_MAX]; /* of a GRID_OTHER axis: the catalogue's that it is looked up by */
    enum weights_scheme scheme;
    double tolerance; /* truncation error allowed where a screen differs from star to star, relative to the
                         largest value of a sum */

    /* The tile in hand. */
    const struct galaxy *galaxy;
    const struct particles *particles; /* of the galaxy */
    struct observe_parameter parameter[PARAMETER_MAX];
    struct weights weights;
    const double *mass[EMISSION_CHANNEL_MAX]; /* [n_star] mass times fractions, 0 outside the mask */
    const double *tau[EMISSION_SCREEN_MAX];   /* [n_star] depths of the program's screens */

    /* All stars, as far as they were added. */
    double *histogram;                               /* [n_cell] mass */
    bool *is_occupied;                               /* [n_cell] */
    double *channel_histogram[EMISSION_CHANNEL_MAX]; /* [n_cell] of `mass`, where it differs; or NULL */
    struct mix_range range[EMISSION_CHANNEL_MAX];    /* of optical depths, where the channel has a screen */
    double tau_max[EMISSION_CHANNEL_MAX];            /* the same, stars without mass included */

    /* From the end on. */
    struct mix_cells cells; /* cells with stars; mass is the plain histogram */
    uint32_t *slot;         /* [n_cell] position of a cell in `cells` */
};

int observe_light_begin(struct stellar_light *light, struct arena *arena, struct error *err);
/** Is a used parameter of a galaxy, or of one of its particles, out of bounds? POLYPHONY_SET_ASIDE, with particle
 * and value. */
int observe_parameters_check(const struct emission_program *program, const struct galaxy *galaxy,
                             enum component component,
                             const struct observe_parameter parameter[PARAMETER_MAX], struct error *err);
/**
 * Place a tile of particles and weight them. POLYPHONY_SET_ASIDE, with particle and value, when a used parameter
 * is out of its bounds: fesc and fesc_ly_alpha within 0 to 1, tau_v >= 0; or what a further axis of the grid,
 * interpolated in its logarithm, is looked up by is below 0.
 */
int observe_light_place(struct stellar_light *light, const struct galaxy *galaxy,
                        const struct observe_parameter parameter[PARAMETER_MAX], struct arena *arena,
                        struct error *err);
void observe_light_add(struct stellar_light *light);
int observe_light_end(struct stellar_light *light, struct arena *arena, struct error *err);
/** What the arenas are for: all stars together, and each star that is placed [bytes]. */
uint64_t observe_light_bytes(const struct emission_program *program, size_t n_cell);
size_t observe_light_star_bytes(const struct emission_program *program, const struct grid *grid);

/**
 * Sums over all stars, for some labels in some columns. After observe_light_end(): begin; add each tile; and
 * again while observe_sums_next(); mix, of any number of galaxies together; end.
 */
struct observe_sums {
    const struct observe_columns *columns;
    bool is_tiled; /* stars come in several tiles */
    bool is_done;  /* no stars are needed (any more) */
    bool is_needed[EMISSION_CHANNEL_MAX];
    double *sum[EMISSION_CHANNEL_MAX][EMISSION_EXTRACT_MAX]; /* [columns] or NULL */
    struct mix_nodal nodal[EMISSION_CHANNEL_MAX];
};

/**
 * @param is_wanted  [n_label] of the program
 * @param room       0: the stars come in one tile. Otherwise what may be kept between tiles, as a part of the
 *                   way from the least to the most that is of use, 0 < room <= 1
 */
int observe_sums_begin(const struct stellar_light *light, const struct observe_columns *columns,
                       const bool *is_wanted, double room, struct observe_sums *ret_sums, struct arena *arena,
                       struct error *err);
int observe_sums_add(const struct stellar_light *light, struct observe_sums *sums, struct arena *arena,
                     struct error *err);
/** Are more rounds through the stars needed after this one? Asked before observe_sums_next(). */
bool observe_sums_is_last_round(const struct observe_sums *sums);
/** All stars have been added: ends a round. */
void observe_sums_next(const struct stellar_light *light, struct observe_sums *sums);
/**
 * What needs no stars, only their histograms: the spectra of n galaxies are mixed together, from the same
 * columns of one program. The bits are those of each galaxy alone.
 */
int observe_sums_mix(size_t n, const struct stellar_light *const *light, struct observe_sums *const *sums,
                     struct arena *arena, struct error *err);
/** ret_label[i][columns->n] for each label of the program, NULL where it was not wanted. */
int observe_sums_end(const struct stellar_light *light, const struct observe_sums *sums,
                     double *const *ret_label, struct arena *arena, struct error *err);
/** What sums over stars in n_cell cells take [bytes]; and where the stars come in tiles, what is kept between
 * tiles, at least, and at most where there is room for it. */
void observe_sums_bytes(const struct emission_program *program, const struct observe_columns *columns,
                        size_t n_cell, uint64_t *ret_sums, uint64_t *ret_least, uint64_t *ret_most);

/* ---- a spectrum for every star ------------------------------------------------------------------- */

/** Photometry of each star, from its spectrum of each of these labels. */
struct observe_star_bands {
    size_t n_label;
    const size_t *i_label; /* [n_label] labels of the program */
    size_t n_band;
    const struct band *band;
    const double *screen; /* [columns] factor on the spectrum before the bands, e.g. fnu scale times
                             transmission; NULL: none */
    double *value;        /* [n_label][n_star][n_band] */
};

/**
 * The direct method: form the spectrum of every star of the tile in hand for each label, dimmed by the star's
 * own screen; add it to label[l][columns->n], where that is not NULL; and integrate it through bands.
 */
int observe_direct(const struct stellar_light *light, const struct observe_columns *columns,
                   double *const *label, size_t n_bands, const struct observe_star_bands *bands,
                   struct arena *arena, struct error *err);
/** Most scratch that this takes of the arena, for tiles of up to n_star [bytes]. */
uint64_t observe_direct_bytes(const struct emission_program *program, size_t n_column, uint64_t n_star,
                              int n_thread);

/* ---- photometry ------------------------------------------------------------------------------------ */

/** ret_value[n_band]: band averages of a spectrum. */
void observe_bands(size_t n_band, const struct band *band, const double *spectrum, double *ret_value);

/** Labels of the program through bands. */
struct observe_request {
    size_t n_label;
    const size_t *i_label; /* [n_label] */
    size_t n_band;
    const struct band *band; /* [n_band] */
    const double *screen; /* [n_lambda] factor before the bands, e.g. fnu scale times transmission; or NULL */
};
#define OBSERVE_REQUEST_MAX 4

/**
 * Bands averaged over the grid's cells instead of over each star's spectrum (bands.h), for some requests
 * together: their outputs are [request][label][band]. They depend on the model's parameters of the galaxy as
 * a whole and, behind screens of single stars, on their largest optical depth, rounded up; on nothing else of
 * the galaxy. Rows are filled for the cells of the galaxies that use them; from then on any number of threads
 * may read them.
 */
struct observe_tables;

/** Requests and what they refer to are needed here only; columns until the last filling. */
int observe_tables_make(const struct stellar_light *light, const struct observe_columns *columns,
                        size_t n_request, const struct observe_request *request,
                        struct observe_tables **ret_tables, struct arena *arena, struct error *err);
/** Rows of this galaxy's cells, after observe_light_end(); those that are there stay as they are. */
void observe_tables_fill(struct observe_tables *tables, const struct stellar_light *light);
size_t observe_tables_outputs(const struct observe_tables *tables);
/** Most that observe_tables_make() takes of the arena, however opaque the galaxy [bytes]. Of bands only `n`
 * is needed. */
uint64_t observe_tables_bytes(const struct emission_program *program, const struct observe_columns *columns,
                              size_t n_cell, size_t n_request, const struct observe_request *request);

/** Stars first to first + n - 1 of the tile in hand, ret_value[n][outputs]. */
void observe_particle_bands(const struct observe_tables *tables, const struct stellar_light *light,
                            size_t first, size_t n, double *ret_value);

/**
 * The same of all stars together, without any spectrum: begin with total[outputs] = 0; add each tile (which
 * costs nothing where no star has a screen of its own); end. The bits do not depend on tiles.
 */
int observe_total_bands_add(const struct observe_tables *tables, const struct stellar_light *light,
                            double *total, struct arena *arena, struct error *err);
void observe_total_bands_end(const struct observe_tables *tables, const struct stellar_light *light,
                             double *total);
/** Scratch of the arena that adding takes [bytes]. */
uint64_t observe_total_bands_bytes(size_t n_output);

/**
 * Tables that are kept from galaxy to galaxy. Any thread may take and return them.
 */
struct observe_cache;

/** Before others are made, those that are not taken are forgotten until max_bytes are left, the longest
 * unused first. */
int observe_cache_open(uint64_t max_bytes, struct observe_cache **ret_cache, struct error *err);
void observe_cache_close(struct observe_cache *cache); /* NULL is fine */
/**
 * Tables filled for a galaxy, to be returned when it is done.
 *
 * @param i_set     names the requests: those of equal names differ in redshift only
 * @param redshift  what bands and screens depend on
 */
int observe_cache_take(struct observe_cache *cache, size_t i_set, double redshift,
                       const struct stellar_light *light, const struct observe_columns *columns,
                       size_t n_request, const struct observe_request *request,
                       const struct observe_tables **ret_tables, struct error *err);
void observe_cache_return(struct observe_cache *cache, const struct observe_tables *tables);
/** Memory of all tables that are there [bytes]. */
uint64_t observe_cache_bytes(struct observe_cache *cache);
/** Forget what is not taken. */
void observe_cache_trim(struct observe_cache *cache);

/* ---- images ---------------------------------------------------------------------------------------- */

/** Number of pixels across a field: round(fov / resolution), docs/physics.md 11. 0 if it does not fit 1 to
 * 65535. */
size_t observe_pixel_count(double fov_arcsec, double resolution_arcsec);

/** How images are made, and their pixels: n_pixel x n_pixel about the galaxy's centre. */
struct image_pixels {
    const struct kernel_table *table; /* projected kernel, or NULL for a histogram */
    enum deposit_sampling sampling;   /* where there is a table */
    size_t n_pixel;
    double resolution_arcsec;
};

/**
 * Add the particles' light to images: image[n_channel], each [n_pixel][n_pixel], x slow.
 *
 * @param value    [particles->n][n_channel]
 */
int observe_images(const struct image_pixels *pixels, const struct particles *particles,
                   const double centre_kpc[3], double arcsec_per_kpc, size_t n_channel, const double *value,
                   double *const *image, struct arena *arena, struct error *err);
/** Most scratch that this takes of the arena [bytes]. */
uint64_t observe_images_bytes(const struct image_pixels *pixels, size_t n_channel, int n_thread);
