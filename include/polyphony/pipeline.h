/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The plan of a job, and the ordered stages that carry it out for one galaxy. Knows no MPI.
 *
 * job + catalogue index + grid + instruments -> plan (shared, read-only) -> for each galaxy a row of values.
 * A row is one array of 8-byte values; each product of the job has its place in it.
 */
#pragma once

#include "polyphony/catalogue.h"
#include "polyphony/config.h"
#include "polyphony/dust_curve.h"
#include "polyphony/observe.h"
#include "polyphony/trace.h"

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
    size_t n_instrument;
    struct instrument *instrument;

    bool redshift_is_given; /* by the job, for all galaxies */
    double redshift;
    struct cosmology cosmology;
    enum igm_model igm;
    struct dust_curve curve;
    enum weights_scheme scheme;
    enum observe_method method;
    double dust_tolerance;
    enum sph_kernel los_kernel;

    const struct emission_model *model;
    struct emission_program program;
    bool extract_is_used[EMISSION_EXTRACT_MAX];     /* by the labels that the job names */
    bool parameter_is_wanted[EMISSION_N_PARAMETER]; /* a number for all, by a label that is wanted */
    /* Where a parameter comes from: a number, a catalogue parameter, or the line of sight. */
    struct {
        double value;
        bool is_los;
        bool is_catalogue;
        size_t i_catalogue;
    } parameter[EMISSION_N_PARAMETER];

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

/** The cost of a galaxy is linear in 1, its stars, and its pairs of a star and gas that may lie before it. */
#define PLAN_N_COST_TERM 3
void plan_cost_terms(const struct plan *plan, uint64_t row, double ret_term[PLAN_N_COST_TERM]);
/** A guess of the seconds that each unit of these terms takes a rank of n_thread threads. */
void plan_cost_guess(const struct plan *plan, int n_thread, double ret_cost_s[PLAN_N_COST_TERM]);
/** The cost of a galaxy [s], with seconds for each unit of the terms. */
double plan_cost_s(const struct plan *plan, uint64_t row, const double cost_s[PLAN_N_COST_TERM]);

/**
 * What computing a galaxy takes, its particles and all scratch with this number of OpenMP threads [bytes]:
 * all of its stars at once, and in the smallest tiles of stars. Never less than pipeline_peak_bytes() after
 * it alone, and some megabytes more for small galaxies, whose stars then do not matter. The row of values is
 * counted; the grid and the catalogue's index come on top.
 */
uint64_t plan_galaxy_bytes(const struct plan *plan, uint64_t row);
uint64_t plan_galaxy_least_bytes(const struct plan *plan, uint64_t row);
/** The same for groups of the catalogue's galaxies, where they have memory_bytes (0: no bound); 0: none are
 * formed. */
uint64_t plan_group_bytes(const struct plan *plan, uint64_t memory_bytes);

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

/* ---- one galaxy -------------------------------------------------------------------------------------- */

struct pipeline;

struct pipeline_settings {
    struct trace_thread *trace; /* records the stages; NULL: nothing does. Borrowed */
    /* For one galaxy's particles and scratch; one that takes more is computed in tiles of its stars, with the
     * same bits as a result. 0: no bound. */
    uint64_t memory_bytes;
    /* Read the next galaxy while one is computed, by a thread that may run wherever the thread may that calls
     * pipeline_open(). The other buffer is within the bound. From then on, and until pipeline_rest() or
     * pipeline_close(), no one else may call HDF5. */
    bool reads_ahead;
    /* By the thread that reads: it now reads rows [n], up to PIPELINE_GROUP_MAX of them; n = 0: no more. NULL
     * is fine. */
    void (*reads)(void *context, size_t n, const uint64_t *row);
    void *reads_context;
    /* Compute small galaxies in groups (below): what is expected next is then read as groups, too. */
    bool groups;
    size_t n_star_tile; /* stars in a tile, for tests and measurements; 0: as many as the bound allows */
};

/** What came out; valid until the next galaxy. */
struct pipeline_row {
    uint64_t row;
    const double *value; /* [plan->n_value]; integers lie there as int64 */
    uint64_t n_rounded;  /* values of the catalogue slightly below 0, taken as 0 */
    size_t n_star, n_black_hole;
    const double *star_tau;       /* [n_star], NULL unless particles are to be written */
    const double *black_hole_tau; /* [n_black_hole], likewise */
    const char *stage;            /* where a galaxy was set aside */
    /* Of pipeline_run_group(): */
    int status;              /* 0 or POLYPHONY_SET_ASIDE: there are no values then, but a reason */
    const struct error *why; /* valid with the row */
    double seconds;          /* of this rank */
};

/** The stages of a trace, as Synthesizer names its operations. */
extern const char *const pipeline_stage_names[];
size_t pipeline_stage_count(void);
/** Index of the stage in which rows are written, for the caller's use. */
size_t pipeline_stage_write(void);

/** The plan is borrowed. Settings: NULL for all zero. */
int pipeline_open(struct plan *plan, const struct pipeline_settings *settings, struct pipeline **ret_pipeline,
                  struct error *err);
void pipeline_close(struct pipeline *pipeline); /* NULL is fine */

/**
 * These rows will be run next, in this order, after those expected already. What does not fit a queue of 8192
 * is ignored; a row that is run out of turn ends all expectations before it, or all where it was not
 * expected.
 */
void pipeline_expect(struct pipeline *pipeline, size_t n, const uint64_t *row);
/** NULL is fine. Nothing is expected any more; on return nothing is being read, and HDF5 is free for others. */
void pipeline_rest(struct pipeline *pipeline);

/**
 * Run all stages for one galaxy. Return: 0; POLYPHONY_SET_ASIDE, the row is not to be used except for
 * `stage`; a negative code ends the run. The trace's galaxy is begun, and left for the caller to end. A
 * galaxy that does not fit memory_bytes in the smallest tiles is set aside.
 */
int pipeline_run(struct pipeline *pipeline, uint64_t row, struct pipeline_row *ret_row, struct error *err);

/* ---- groups of galaxies ----------------------------------------------------------------------------- */

/** Galaxies of a group, at most. */
#define PIPELINE_GROUP_MAX 32

/**
 * How many of the rows that come next are computed together, at least 1: small galaxies, whose threads then
 * work across galaxies, and whose spectra are mixed while a tile of the grid is in cache. Depends on the rows
 * and the settings only; a batch that was announced with pipeline_expect() is to be handed over whole, and
 * what is left of it after each group.
 */
size_t pipeline_group(const struct pipeline *pipeline, size_t n, const uint64_t *row);

/** Where rows go. */
struct pipeline_sink {
    /**
     * Rows that are done, or set aside; valid until it returns. Called by several threads at once, with one
     * row each, or by one with the whole group. Return: 0, or a negative code, which ends the run.
     */
    int (*take)(void *context, size_t n, const struct pipeline_row *row, struct error *err);
    void *context;
};

/**
 * Run all stages for the n rows that pipeline_group() has allowed; of one row, with all threads as
 * pipeline_run() does. The bits are the same. Return: 0, also where galaxies were set aside, which the sink
 * is told; or the negative code that ends the run.
 */
int pipeline_run_group(struct pipeline *pipeline, size_t n, const uint64_t *row,
                       const struct pipeline_sink *sink, struct error *err);

/** Most memory taken at once so far, for particles and scratch [bytes]; kept for the galaxies to come. */
size_t pipeline_peak_bytes(const struct pipeline *pipeline);
