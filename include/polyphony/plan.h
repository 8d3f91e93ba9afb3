/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The plan of a job: job + catalogue index + grid + instruments -> what is computed, and where it goes. Shared by
 * all threads, read-only once open. Starts no threads: its bounds of memory ask OpenMP how many there are. Knows no
 * MPI.
 *
 * For each galaxy there is a row of values: one array of 8-byte values, in which each product of the job has its
 * place.
 */
#pragma once

#include "polyphony/catalogue.h"
#include "polyphony/config.h"
#include "polyphony/dust_curve.h"
#include "polyphony/light.h"
#include "polyphony/observer.h"

/* ---- who shines ------------------------------------------------------------------------------------ */

/** A row of emitters.def. */
struct emitter_kind {
    enum component component;
    enum field weight;
};
extern const struct emitter_kind emitter_list[]; /* ends with N_COMPONENT */

/** Particles of a component on the grid, each with a weight, by an emission model. */
struct emitter {
    size_t i;
    enum component component;
    enum field weight;
    /* Labels and extracts are the same for all emitters of a job; which parameters are one a particle is not. */
    const struct emission_program *program;
};
#define PLAN_EMITTERS_MAX 4

/* ---- products ------------------------------------------------------------------------------------ */

/** What runs along a product, after the galaxies. */
enum product_axis {
    AXIS_NONE,
    AXIS_LAMBDA, /* wavelengths of the grid */
    AXIS_AGE,
    AXIS_METALLICITY,
    AXIS_GRID,   /* axes of the grid that particles are looked up by */
    AXIS_LINE,   /* the lines wanted */
    AXIS_LABEL,  /* labels of the operation */
    AXIS_FILTER, /* filters of all its instruments */
    AXIS_PIXEL,  /* of images of the operation */
    AXIS_VALUE   /* n_value numbers, each with a view */
};

/** What decides on the type of numbers in the results (output_types). */
enum precision_class { PRECISION_FULL, PRECISION_INTEGER, PRECISION_SPECTRA, PRECISION_IMAGES };

#define PRODUCT_AXES_MAX  3
#define PRODUCT_VIEWS_MAX 4
#define PLAN_PATH_MAX     512

/** A dataset that shows one column of another. */
struct product_view {
    const char *path, *description;
};

struct plan;
struct step;

/**
 * Datasets of one sort. In paths and descriptions: %c a component, %e the same and a slash (nothing for stars), %l a
 * label, %i an instrument, %f a filter code (its "/" makes a
 * level). There is a dataset for each label, instrument and filter of the operation that the path has a place for.
 */
struct product_kind {
    const char *path, *units, *description;
    enum product_axis axis[PRODUCT_AXES_MAX];
    size_t n_value; /* along AXIS_VALUE */
    enum precision_class precision;
    enum component component; /* of an operation that is not one of each emitter */
    double steps_per_star;    /* of inner loops that each product takes, for the guess of costs */
    /* Of each number along AXIS_VALUE; or one, with %l and %f, of each along AXIS_LABEL and AXIS_FILTER. */
    struct product_view view[PRODUCT_VIEWS_MAX];
    bool (*is_wanted)(const struct plan *plan, const struct step *step); /* NULL: always */
    /* Writes the 8 bytes of what is known of a galaxy without computing it; NULL: nothing is. */
    void (*known)(const struct plan *plan, uint64_t row, void *ret_value);
};

/** What stands in a path for %c, %e, %l, %i and %f. */
struct path_names {
    const char *component, *emitter, *label, *instrument, *filter;
};
/** A path of a kind, or of a view of it, with these names in it. */
void product_path(const char *pattern, const struct path_names *names, char ret_path[PLAN_PATH_MAX]);

struct product {
    const struct product_kind *kind;
    const struct step *step;                /* whose it is */
    size_t i_label, i_instrument, i_filter; /* where the path has them */
    int rank;                               /* axes after the galaxy axis */
    uint64_t dims[PRODUCT_AXES_MAX];
    size_t n;      /* values in a row */
    size_t offset; /* of its first value in the row */
    bool is_integer;
};

/* ---- operations ----------------------------------------------------------------------------------- */

/*
 * What a stage has to do, and when: with each tile of stars as it is read for the first time; when all stars
 * are known; with each tile once more, for what needs to know of all stars; when that is done, too.
 */
enum phase { PHASE_TILE, PHASE_ALL, PHASE_AGAIN, PHASE_END, N_PHASE };

/** What an operation needs (bits). */
enum need {
    NEEDS_COORDINATES = 1,       /* of the component that shines */
    NEEDS_SMOOTHING_LENGTHS = 2, /* likewise */
    NEEDS_CENTRE = 4,
    NEEDS_DEPTHS = 8,    /* dust of the gas, and what may lie behind it */
    NEEDS_LIGHT = 32,    /* the emission model: it is done for each emitter */
    NEEDS_LINES = 64,    /* of the grid */
    NEEDS_SPECTRA = 128, /* of galaxies */
    NEEDS_BANDS = 256,   /* labels through filters: from tables, or, by the direct method, from spectra */
    NEEDS_OBSERVER = 512,
    NEEDS_STARS_AGAIN = 1024 /* when all are known, even where no star has a screen of its own */
};

/**
 * Products that are complete when all stars are known, before PHASE_AGAIN, lie first in a row, so that a group need not keep
 * more until then.
 */
enum row_part {
    ROW_LATE,
    ROW_EARLY,
    ROW_EARLY_LAST, /* behind other early ones, as files have it */
};

/** Names of labels and instruments that the options of an operation have. */
struct named_parts {
    char *const *label;
    unsigned n_label;
    char *const *instrument;
    unsigned n_instrument;
};

struct work;
struct parts;
typedef int (*stage_function)(struct work *w, const struct step *step, struct error *err);

#define OPERATION_KINDS_MAX 8
#define OPERATION_SUMS_MAX  2

/** An operation; or, without a key, a stage that operations need. */
struct operation {
    struct job_operation job;
    const char *title; /* in words, for `check` */
    const char *stage; /* its name in traces, as Synthesizer calls it */
    enum band_frame frame;
    unsigned needs;                              /* enum need */
    unsigned (*needs_more)(const void *options); /* NULL: nothing */
    struct named_parts (*parts)(const void *options);
    const struct product_kind *kind[OPERATION_KINDS_MAX]; /* in the order in which they lie in a row */
    enum row_part part;                                   /* of the row, in which its products lie */
    /* Where it runs although the job does not ask for it, or the other way round; NULL: where it is asked for. */
    bool (*runs)(const struct plan *plan);
    /* What takes code to plan, once labels and instruments are selected; NULL: nothing. plan_array(), plan_at_key() */
    int (*declare)(struct plan *plan, struct step *step, struct error *err);
    /* Sums over stars that it takes, and columns of each. */
    size_t n_sums;
    const struct observe_columns *(*sums_columns)(const struct plan *plan, size_t i_sums);
    /* Adds what it takes of memory beyond sums, tables and images, at most (plan_memory.h); NULL: nothing to speak of. */
    void (*take)(const struct plan *plan, const struct step *step, uint64_t row, struct parts *parts);
    stage_function run[N_PHASE]; /* NULL: nothing */
};

/** Labels and instruments an operation works on. */
struct selection {
    size_t n_label, i_label[EMISSION_LABEL_MAX];
    size_t n_instrument, *i_instrument;
    size_t n_filter; /* of all its instruments */
};

struct image_plan {
    enum sph_kernel kernel;
    struct kernel_table *table;     /* NULL: histogram */
    enum deposit_sampling sampling; /* where there is a table */
    size_t *n_pixel;                /* [selection.n_instrument] */
    double fov_kpc, fov_arcsec;     /* one of them is 0 */
};

/** An operation of the list, in a job; where it is of light, of one emitter. */
struct step {
    const struct operation *operation;
    size_t i, i_operation;         /* among the steps; of the operation, in the list */
    const struct emitter *emitter; /* NULL: it is of no light */
    const void *options;           /* NULL: the job does not ask for it */
    bool runs;
    struct selection selection;
    struct image_plan *images; /* NULL: it makes none */
    size_t i_sums;             /* its first sums, among those of all */
};

/** Most steps, and sums over stars of all of them. */
#define PLAN_STEPS_MAX (2 * JOB_OPERATIONS_MAX)
#define PLAN_SUMS_MAX  16

/** Operations of a list that ends with NULL. */
size_t operation_count(const struct operation *const *operations);
/** Stages of galaxies in traces: those of the list, and the writing of rows; ret_name[operation_count() + 1]. */
void operation_stage_names(const struct operation *const *operations, const char **ret_name);
#define OPERATION_STAGE_WRITING "Writing"

/* ---- the plan -------------------------------------------------------------------------------------- */

/** Images on the same pixels, which are made together; luminosities come first. */
struct image_set {
    size_t n;
    struct {
        const struct step *step;
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
    struct emission_program program; /* of the first emitter; for labels and extracts, of all */
    size_t n_emitter;
    struct emitter emitter[PLAN_EMITTERS_MAX];
    enum component tiled;                       /* that comes in tiles: the first emitter's */
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
    size_t n_operation;                      /* of the list: stages of traces */
    size_t n_step;
    struct step step[PLAN_STEPS_MAX]; /* in the order of the list, and for each operation of the emitters */
    size_t n_sums;
    size_t n_image_set;
    struct image_set *image_set;
    bool needs_observer; /* anything in the observer's frame */
    bool needs_light;    /* anything from the emission model */
    bool needs_spectra;  /* of galaxies; otherwise their photometry is from tables of bands */

    size_t n_product;
    struct product *product; /* those that are early come first */
    size_t n_value;          /* 8-byte values in a row ... */
    size_t n_early;          /* ... of which so many are early */
    bool writes_depths;      /* of particles */

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
int plan_open(const struct job *job, const struct operation *const *operations,
              const struct node_share *share, struct plan **ret_plan, struct error *err);
void plan_close(struct plan *plan); /* NULL is fine */

/** Path of a product's dataset; or of a view of it, whose label and filter are those of its columns. */
void plan_product_path(const struct plan *plan, const struct product *product, const char *pattern,
                       char ret_path[PLAN_PATH_MAX]);
/** The step of an operation, by its key; NULL: there is none that the job asks for. */
const struct step *plan_find_step(const struct plan *plan, const char *key);

/** Redshift at which a galaxy is observed. */
double plan_redshift(const struct plan *plan, uint64_t row);

/** The model's parameters of an emitter's particles that are in the galaxy's arrays. tau[]: depths of all particles of its
 * component, where they are known; NULL: a line of sight then counts as 0. */
void plan_parameters(const struct plan *plan, const struct emitter *emitter, const struct galaxy *galaxy,
                     const double *tau, struct observe_parameter ret_parameter[PARAMETER_MAX]);
/** Particles of all emitters. */
uint64_t plan_count_shining(const struct plan *plan, uint64_t row);

/** Terms of a galaxy's cost: 1, its particles that shine, and their pairs with gas that may lie before them. */
void plan_cost_terms(const struct plan *plan, uint64_t row, double ret_term[COST_N_TERM]);
/** A guess of the seconds that each unit of these terms takes a rank of n_thread threads. */
void plan_cost_guess(const struct plan *plan, int n_thread, double ret_cost_s[COST_N_TERM]);
/** The cost of a galaxy [s], with seconds for each unit of the terms. */
double plan_cost_s(const struct plan *plan, uint64_t row, const double cost_s[COST_N_TERM]);

/** The first operation that needs something; NULL: none does. */
const char *plan_who_needs(const struct plan *plan, enum need need);

/* ---- for declare() ----------------------------------------------------------------------------------- */

/** Memory of the plan, of zeros; or *r becomes an error. */
void *plan_array(struct plan *plan, size_t n, size_t size, int *r, struct error *err);
/** A room reported what is wrong with a value (r < 0): say at which line of the job. Returns r. */
int plan_at_key(const struct plan *plan, int r, const char *key, struct error *err);
/** Does a list of names say "all"? */
bool plan_name_is_all(char *const *names, unsigned n);
/** Can this galaxy be observed, as far as its redshift goes? */
bool plan_redshift_is_valid(const struct plan *plan, uint64_t row);
/** Lines of the grid [n] that both line operations work on, in the plan's memory. */
int plan_set_lines(struct plan *plan, size_t n, size_t *i_line, struct error *err);

/* ---- a look at a filter ----------------------------------------------------------------------------- */

struct filter_look {
    double pivot_angstrom, low_angstrom, high_angstrom;
    /* By frame, BAND_REST and BAND_OBSERVED: does an operation use it, and which share of the curve's area lies off the grid,
     * at the redshift where that is most? */
    bool is_used[2];
    double off_grid[2];
    double least_redshift; /* of galaxies that can be observed */
};

/** Return: does any operation use it? Goes through all redshifts. */
bool plan_look_at_filter(const struct plan *plan, size_t i_instrument, size_t i_filter,
                         struct filter_look *ret_look);

/* ---- a look at a galaxy ----------------------------------------------------------------------------- */

struct look {
    uint64_t n_byte;        /* that were read */
    uint64_t n_rounded;     /* values slightly below 0 */
    struct galaxy galaxy;   /* as far as it was read, in the arena; its redshift is plan_redshift() */
    bool is_whole, has_gas; /* all of its stars were read, and its gas */
    double arcsec_per_kpc;  /* 0: nothing needs it */
};

/**
 * What a run would say of a galaxy before it computes anything: of its redshift, particles and parameters, or
 * of the first of its particles where all of them are more than n_byte_most. Takes as much of the arena.
 * Return: 0; POLYPHONY_SET_ASIDE, with the reason; POLYPHONY_INPUT when the file cannot be read.
 */
int plan_look(const struct plan *plan, uint64_t row, uint64_t n_byte_most, struct arena *arena,
              struct look *ret_look, struct error *err);
