/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/pipeline.h"

#include "reader.h"

/* ---- memory ---------------------------------------------------------------------------------- */

/* How a galaxy's stars are cut into tiles. */
struct tiling {
    size_t n_tile;    /* at least 1 */
    size_t n_star;    /* of a tile; the last one has what is left */
    double room;      /* for sums between tiles, as observe_sums_begin() wants it; 0: one tile */
    uint64_t bytes;   /* what it takes */
    bool reads_ahead; /* the next tile fits, too */
};

/* Return: 0; POLYPHONY_SET_ASIDE when even the smallest tiles take more than the settings allow. */
int tiling_choose(const struct plan *plan, const struct pipeline_settings *settings, uint64_t row,
                  struct tiling *ret_tiling, struct error *err);
/* Of the first piece that is read of a galaxy. */
uint64_t tiling_read_bytes(const struct plan *plan, uint64_t row, const struct tiling *tiling);

/* What a group takes [bytes]: each galaxy that is in it, from its reading to its row; each thread, with the
 * galaxy that takes it most; and all of them together. */
uint64_t group_member_bytes(const struct plan *plan, uint64_t row);
uint64_t group_thread_bytes(const struct plan *plan, uint64_t row);
uint64_t group_shared_bytes(const struct plan *plan);

/* ---- stages ---------------------------------------------------------------------------------- */

/*
 * What a stage has to do, and when: with each tile of stars as it is read for the first time; when all stars
 * are known; with each tile once more, for what needs to know of all stars; when that is done, too.
 */
enum phase { PHASE_TILE, PHASE_ALL, PHASE_AGAIN, PHASE_END, N_PHASE };

struct work;
typedef int (*stage_function)(struct work *w, struct error *err);
struct stage {
    stage_function run[N_PHASE]; /* NULL: nothing */
};

enum stage_index {
    STAGE_READING,
    STAGE_OPTICAL_DEPTHS,
    STAGE_SFZH,
    STAGE_SFH,
    STAGE_WEIGHTS,
    STAGE_SPECTRA,
    STAGE_FRAME,
    STAGE_OBSERVED_SPECTRA,
    STAGE_LUMINOSITIES,
    STAGE_FLUXES,
    STAGE_LINES,
    STAGE_LINE_FLUXES,
    STAGE_LUMINOSITY_IMAGES,
    STAGE_FLUX_IMAGES,
    N_STAGE,
    STAGE_WRITING = N_STAGE /* not a function of the table */
};
extern const struct stage pipeline_stages[N_STAGE]; /* in the order of pipeline_stage_names */

/* ---- what depends on redshift only (frame.c) ----------------------------------------------------- */

struct frame {
    double redshift;
    uint64_t last_use; /* by the clock of the pipeline; 0: never */
    int status;        /* 0, or why it could not be made, with a text */
    struct error err;
    struct arena arena;
    struct observe_frame observer;
    double *screen;    /* [n_lambda] fnu scale times transmission */
    struct band *band; /* [n_filter of all instruments] observed; in the order of instruments and filters */
};

/* Redshifts that are kept; a group has no more. */
enum { N_FRAME = 8 };

/* Make the frames of these redshifts, at most N_FRAME distinct ones, unless they are there. Those of the call
 * before may go. Of a frame that cannot be made frame_find() returns why; any thread may call that. */
void frame_prepare(struct pipeline *p, size_t n, const double *redshift);
int frame_find(struct pipeline *p, double redshift, const struct frame **ret_frame, struct error *err);
/* Give all their memory back: they are made anew. */
void frame_forget(struct pipeline *p);

/* ---- a galaxy in hand ---------------------------------------------------------------------------- */

enum sums_of { SUMS_SPECTRA, SUMS_LINE_LUMINOSITY, SUMS_LINE_CONTINUUM, SUMS_LINE_FLUX, N_SUMS };

struct work {
    struct pipeline *pipeline;
    const struct plan *plan;
    bool is_grouped;          /* computed by one thread, beside others; in one tile */
    struct arena *arena;      /* of the galaxy; in a group's last phase, scratch of the thread */
    struct arena *gas_arena;  /* its gas, sorted */
    struct arena *tile_arena; /* its tile in hand */
    double *value;            /* [plan->n_value]; in a group's first phase only the first p->n_early */
    const struct frame *frame;

    struct tiling tiling;
    size_t i_tile;
    enum phase phase;
    size_t i_round;       /* of PHASE_AGAIN */
    struct galaxy galaxy; /* with a tile of its stars */
    double centre_sum_kpc[3];
    uint64_t n_rounded; /* values of the catalogue that were taken as 0, of all tiles */
    struct columns_index *gas;
    struct observe_depths depths;
    double *star_tau; /* of all stars */
    double *black_hole_tau;
    struct stellar_light light;
    struct observe_sums sums[N_SUMS];
    struct arena_mark sums_mark;
    double *label_lnu[EMISSION_LABEL_MAX]; /* [n_lambda] or NULL where not needed */
    const struct observe_tables **tables;  /* that the galaxy has taken; NULL: none */
    double **star_value[N_IMAGE_KIND]; /* direct method: of the tile's stars, by instrument of the images */
};

/* A galaxy is begun with nothing but its row known; value[n_value] is zeroed. */
void work_begin(struct work *w, uint64_t row, double *value, size_t n_value);
/* Where a product of a kind (and label) is; NULL when the job does not ask for it. */
double *work_value(struct work *w, enum product_kind kind, size_t i_label);
int work_no_memory(const struct work *w, struct error *err);
/* The model's parameters of a galaxy, or of the tile of its stars that is in the arrays. star_tau[]: of all
 * its stars, where they are known; NULL: a line of sight then counts as 0. */
void parameters_of(const struct plan *plan, const struct galaxy *galaxy, const double *star_tau,
                   struct observe_parameter ret_parameter[EMISSION_N_PARAMETER]);
/* What came of it. */
void work_describe(const struct work *w, struct pipeline_row *ret_row);

/* ---- photometry and images (stages_images.c) ------------------------------------------------------- */

/* Stars whose values in all images of a set are there at once. */
enum { IMAGE_STARS = 16384 };
/* Tables kept for galaxies to come, beyond those of the galaxies in hand. */
#define TABLES_KEPT_BYTES ((uint64_t)4 << 20)

/* Does a stage of this job use tables? */
bool tables_are_used(const struct plan *plan, enum stage_index stage);
/* Tables that galaxies will need in a stage are made and filled, with all threads, as far as they can be
 * kept. */
int tables_prepare(struct pipeline *p, size_t n, const struct work *const *works, enum stage_index stage,
                   struct arena *arena, struct error *err);
/* The galaxy is done with its tables. */
void tables_return(struct work *w);

int luminosities_again(struct work *w, struct error *err);
int luminosities_end(struct work *w, struct error *err);
int fluxes_again(struct work *w, struct error *err);
int fluxes_end(struct work *w, struct error *err);
int luminosity_images_again(struct work *w, struct error *err);
int flux_images_again(struct work *w, struct error *err);

/* ---- a spectrum for every star (direct.c) -------------------------------------------------------- */

/* Spectra of the tile in hand, added to those of the galaxy; on the way the photometry that images need. */
int direct_spectra(struct work *w, struct error *err);
/* The tile onto images of a kind. */
int direct_images(struct work *w, enum image_kind kind, struct error *err);

/* ---- the pipeline -------------------------------------------------------------------------------- */

/* Two batches of the largest size, as a worker may hold (dealer.h). */
enum { EXPECT_MAX = 8192 };

/* A row to come, and whether its batch ends with it: a group never goes beyond. */
struct expected {
    uint64_t row;
    bool is_last;
};

struct group;

struct pipeline {
    struct plan *plan;
    struct pipeline_settings settings;
    struct reader *reader;
    struct expected expected[EXPECT_MAX]; /* a ring */
    size_t i_expected, n_expected;
    bool is_wanted[N_STAGE];
    bool needs_again; /* some stage needs the stars when all are known */
    size_t peak_bytes;

    size_t *first_filter;   /* [n_instrument] index of its first filter in the bands */
    struct band *rest_band; /* [n_filter of all instruments] */
    struct frame frame[N_FRAME];
    uint64_t frame_clock;
    struct observe_cache *cache; /* tables of bands */

    struct arena arena, gas_arena, tile_arena; /* of the galaxy alone */
    double *value;                             /* [plan->n_value] its row */
    struct work alone;
    struct group *group;  /* NULL: galaxies are computed one by one */
    uint64_t taken_bytes; /* by what is in hand, and what is kept of what was before */
};

/* Take tile w->i_tile in hand, and say what will be read next. */
int pipeline_take_tile(struct work *w, struct error *err);
/* The first rows that are expected: begin to read them, if there is room beside what is taken. */
void pipeline_begin_expected(struct pipeline *p);
void pipeline_drop_expected(struct pipeline *p, uint64_t row);
/* Memory is kept from galaxy to galaxy, unless what comes, which takes so many bytes, would then not fit the
 * bound. */
void pipeline_make_room(struct pipeline *p, const struct reader_piece *piece, uint64_t bytes);
void pipeline_note_peak(struct pipeline *p);

/* ---- groups (group.c, grouping.c) ----------------------------------------------------------- */

/* Is a row too large for all of a group to be kept? Then each thread has one. */
bool group_rows_are_large(const struct plan *plan);
/* Values of a row that are kept for each galaxy of a group. */
size_t group_row_stride(const struct plan *plan);
int group_open(struct pipeline *p, struct error *err);
void group_close(struct group *group);                /* NULL is fine */
uint64_t group_kept_bytes(const struct group *group); /* NULL: 0 */
void group_free_kept(struct group *group);
/* How many of these rows go together (at least 1), and what they take [bytes]. */
size_t group_choose(const struct plan *plan, const struct pipeline_settings *settings, size_t n,
                    const uint64_t *row, uint64_t *ret_bytes);
