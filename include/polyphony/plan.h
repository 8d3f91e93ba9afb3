/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The plan of a job: job + catalogue index + grid + instruments -> what is computed, and where it goes. Shared by
 * all threads, read-only once open. Knows no threads and no MPI.
 *
 * For each galaxy there is a row of values: one array of 8-byte values, in which each product of the job has its
 * place.
 */
#pragma once

#include "polyphony/catalogue.h"
#include "polyphony/config.h"
#include "polyphony/options.h"
#include "polyphony/dust_curve.h"
#include "polyphony/light.h"
#include "polyphony/observer.h"

/* ---- products ------------------------------------------------------------------------------------ */

enum product_kind {
    PRODUCT_ID,
    PRODUCT_REDSHIFT,
    PRODUCT_N_STAR,
    PRODUCT_N_GAS,
    PRODUCT_N_BLACK_HOLE,
    PRODUCT_STAR_TAU,         /* mass-weighted mean, median, maximum: [3] */
    PRODUCT_BLACK_HOLE_TAU,   /* mean, median, maximum: [3] */
    PRODUCT_SFH,              /* [n_age] */
    PRODUCT_SFZH,             /* [n_age][n_metallicity] */
    PRODUCT_LNU,              /* [n_lambda], by label */
    PRODUCT_FNU,              /* [n_lambda], by label */
    PRODUCT_LUMINOSITIES,     /* [n_label][n_filter] of the operation */
    PRODUCT_FLUXES,           /* [n_label][n_filter] of the operation */
    PRODUCT_LINE_LUMINOSITY,  /* [n_line], by label */
    PRODUCT_LINE_CONTINUUM,   /* [n_line], by label */
    PRODUCT_LINE_FLUX,        /* [n_line], by label */
    PRODUCT_LINE_LAMBDA,      /* [n_line] observed */
    PRODUCT_IMAGE_LUMINOSITY, /* [n_pixel][n_pixel], by instrument, label and filter */
    PRODUCT_IMAGE_FLUX,
    PRODUCT_N_KIND
};

struct product {
    enum product_kind kind;
    size_t i_label, i_instrument, i_filter; /* where the kind has them */
    int rank;                               /* axes after the galaxy axis */
    uint64_t dims[2];
    size_t n;      /* values in a row */
    size_t offset; /* of its first value in the row */
    bool is_integer;
};

/* ---- the plan -------------------------------------------------------------------------------------- */

/** Labels and instruments an operation works on. */
struct selection {
    size_t n_label, i_label[EMISSION_LABEL_MAX];
    size_t n_instrument, *i_instrument;
    size_t n_filter; /* of all its instruments */
};

struct image_plan {
    bool is_wanted;
    struct selection selection;
    enum sph_kernel kernel;
    struct kernel_table *table;     /* NULL: histogram */
    enum deposit_sampling sampling; /* where there is a table */
    size_t *n_pixel;                /* [selection.n_instrument] */
    double fov_kpc, fov_arcsec;     /* one of them is 0 */
};

enum image_kind { IMAGES_LUMINOSITY, IMAGES_FLUX, N_IMAGE_KIND };

/** Images on the same pixels, which are made together; luminosities come first. */
struct image_set {
    size_t n;
    struct {
        enum image_kind kind;
        size_t i_selected; /* instrument of the selection */
    } member[OBSERVE_REQUEST_MAX];
    struct image_pixels pixels;
    size_t n_channel; /* images */
};

struct plan {
    const struct job *job;
    struct catalogue *catalogue;
    struct grid *grid;
    size_t n_fix;
    struct grid_fix fix[GRID_AXIS_MAX]; /* axes that the job fixes */
    struct grid_fields fields;          /* of its further axes, whose first is parameter i_first_field */
    size_t i_first_field;
    size_t axis_parameter[WEIGHTS_AXIS_MAX]; /* the catalogue's parameter that such an axis is looked up by */
    size_t n_instrument;
    struct instrument *instrument;

    bool redshift_is_given; /* by the job, for all galaxies */
    double redshift;
    struct cosmology cosmology;
    const struct igm_row *igm;
    struct dust_curve curve;
    enum weights_scheme scheme;
    enum observe_method method;
    double dust_tolerance;
    enum sph_kernel los_kernel;

    const struct emission_model *model;
    struct emission_program program;
    bool extract_is_used[EMISSION_EXTRACT_MAX]; /* by the labels that the job names */
    bool parameter_is_wanted[PARAMETER_MAX];    /* a number for all, by a label that is wanted */
    bool job_curve_is_wanted;                   /* by a label that is wanted */
    /* Where a parameter comes from: a number, a catalogue parameter, or the line of sight. */
    struct {
        double value;
        bool is_los;
        bool is_catalogue;
        size_t i_catalogue;
    } parameter[PARAMETER_MAX];

    struct observe_columns spectra;         /* wavelengths */
    struct observe_columns line_luminosity; /* the lines wanted */
    struct observe_columns line_continuum;
    size_t n_line;                           /* wanted */
    size_t *i_line;                          /* [n_line] in the grid */
    const double *line_lambda_rest_angstrom; /* [n_line] */
    struct selection lnu, fnu, luminosities, fluxes, lines, line_fluxes;
    struct image_plan images[N_IMAGE_KIND];
    size_t n_image_set;
    struct image_set *image_set;
    bool needs_observer; /* anything in the observer's frame */
    bool needs_light;    /* anything from the emission model */
    bool needs_spectra;  /* of galaxies; otherwise their photometry is from tables of bands */

    size_t n_product;
    struct product *product;
    size_t n_value; /* 8-byte values in a row */

    struct warnings warnings;

    struct arena arena; /* of all tables above */
};

/**
 * Open the inputs of a job and work out all that does not depend on a galaxy.
 * POLYPHONY_USAGE when the job asks for what does not exist or cannot be combined, with its line;
 * POLYPHONY_INPUT when an input is missing or wrong. With a share (NULL: none) collective over the
 * ranks of the node; what fails on one fails on those it reads with, and only ranks that know why have a
 * text.
 */
int plan_open(const struct job *job, const struct node_share *share, struct plan **ret_plan,
              struct error *err);
void plan_close(struct plan *plan); /* NULL is fine */

/** Redshift at which a galaxy is observed. */
double plan_redshift(const struct plan *plan, uint64_t row);

/** The model's parameters of a galaxy, or of the tile of its stars that is in the arrays. star_tau[]: of all
 * its stars, where they are known; NULL: a line of sight then counts as 0. */
void plan_parameters(const struct plan *plan, const struct galaxy *galaxy, const double *star_tau,
                     struct observe_parameter ret_parameter[PARAMETER_MAX]);

/** The cost of a galaxy is linear in 1, its stars, and its pairs of a star and gas that may lie before it. */
#define PLAN_N_COST_TERM 3
void plan_cost_terms(const struct plan *plan, uint64_t row, double ret_term[PLAN_N_COST_TERM]);
/** A guess of the seconds that each unit of these terms takes a rank of n_thread threads. */
void plan_cost_guess(const struct plan *plan, int n_thread, double ret_cost_s[PLAN_N_COST_TERM]);
/** The cost of a galaxy [s], with seconds for each unit of the terms. */
double plan_cost_s(const struct plan *plan, uint64_t row, const double cost_s[PLAN_N_COST_TERM]);

/* ---- a look at a galaxy ----------------------------------------------------------------------------- */

struct look {
    uint64_t n_byte;    /* that were read */
    uint64_t n_rounded; /* values slightly below 0 */
};

/**
 * What a run would say of a galaxy before it computes anything: of its redshift, particles and parameters, or
 * of the first of its particles where all of them are more than n_byte_most. Takes as much of the arena.
 * Return: 0; POLYPHONY_SET_ASIDE, with the reason; POLYPHONY_INPUT when the file cannot be read.
 */
int plan_look(const struct plan *plan, uint64_t row, uint64_t n_byte_most, struct arena *arena,
              struct look *ret_look, struct error *err);
