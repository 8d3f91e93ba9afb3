/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The galaxy in hand: what stages are given, and what they leave for each other.
 *
 * Sums over stars go straight to the row, or to the arena of the galaxy, and go on from tile to tile; what a
 * stage needs of one tile only it hands back.
 */
#pragma once

#include "polyphony/plan_memory.h"

/* ---- what galaxies have in common --------------------------------------------------------------------- */

/** What depends on redshift only: distances, transmission, observed bands. */
struct frame {
    double redshift;
    uint64_t last_use; /* by the clock; 0: never */
    int status;        /* 0, or why it could not be made, with a text */
    struct error err;
    struct arena arena;
    struct observer_frame observer;
    double *screen;    /* [n_lambda] fnu scale times transmission */
    struct band *band; /* [n_filter of all instruments] observed; in the order of instruments and filters */
};

/** Bands, frames and tables, for all galaxies of a rank. */
struct common {
    const struct plan *plan;
    size_t *first_filter;   /* [n_instrument] index of its first filter in the bands */
    struct band *rest_band; /* [n_filter of all instruments] */
    size_t n_frame;         /* kept: 1 where galaxies come one by one, PLAN_FRAMES_MAX in groups */
    struct frame frame[PLAN_FRAMES_MAX];
    uint64_t frame_clock;
    struct observe_cache *cache; /* tables of bands */
};

/** Bands at rest go to the plan's arena. On failure common_close() frees what is there. */
int common_open(struct plan *plan, struct common *ret_common, struct error *err);
void common_close(struct common *common);
/** Memory that is kept [bytes]. */
uint64_t common_bytes(const struct common *common);

/** Make the frames of these redshifts, at most PLAN_FRAMES_MAX distinct ones, unless they are there. Those of the call
 * before may go. Of a frame that cannot be made frame_find() returns why; any thread may call that. */
void frame_prepare(struct common *common, size_t n, const double *redshift);
int frame_find(struct common *common, double redshift, const struct frame **ret_frame, struct error *err);
/** Give all their memory back: they are made anew. */
void frame_forget(struct common *common);

/* ---- a galaxy in hand ---------------------------------------------------------------------------------- */

struct work {
    struct common *common;
    const struct plan *plan;
    /* Takes tile i_tile in hand, and says what will be read next. */
    int (*take_tile)(struct work *w, struct error *err);
    void *context;            /* of take_tile */
    bool is_grouped;          /* computed by one thread, beside others; in one tile */
    struct arena *arena;      /* of the galaxy; in a group's last phase, scratch of the thread */
    struct arena *gas_arena;  /* its gas, sorted */
    struct arena *tile_arena; /* its tile in hand */
    double *value;            /* [plan->n_value]; in a group's first phases only the first plan->n_early */
    bool *is_placed;          /* [plan->n_product] a stage has asked for its place */
    const struct frame *frame;

    struct tiling tiling;
    size_t i_tile;
    enum phase phase;
    size_t i_round; /* of PHASE_AGAIN */
    struct galaxy
        galaxy; /* with a tile of one component; from the second tile on without particles of others */
    double centre_sum_kpc[3];
    uint64_t n_rounded;           /* values of the catalogue that were taken as 0, of all tiles */
    size_t n_around[N_COMPONENT]; /* particles that came with the first tile */
    double *tau[N_COMPONENT];     /* optical depths of all particles; NULL: none are computed */
    struct stellar_light light[PLAN_EMITTERS_MAX];
    struct observe_sums sums[PLAN_SUMS_MAX];
    struct arena_mark sums_mark;
    double *label_lnu[PLAN_EMITTERS_MAX][EMISSION_LABEL_MAX]; /* [n_lambda] or NULL where not needed */
    const struct observe_tables **tables;                     /* that the galaxy has taken; NULL: none */
    void *own[PLAN_STEPS_MAX]; /* what a step keeps of the galaxy for its later phases; NULL at first */
};

/** A galaxy is begun with nothing but its row known; value[n_value] is zeroed. */
void work_begin(struct work *w, uint64_t row, double *value, size_t n_value);
/**
 * Where the values of a product of a step lie, zeros at first, which the stage will fill: products that no stage asked for
 * are an error. For a label where the kind has one; NULL where the job has no such product. Not for kinds by
 * instrument: work_place_all().
 */
double *work_place(struct work *w, const struct step *step, const struct product_kind *kind, size_t i_label);
/** All products of a step will be filled. */
void work_place_all(struct work *w, const struct step *step);
/** After the last stage: has each product been filled? POLYPHONY_INTERNAL, with the path of one that has not. */
int work_check(const struct work *w, struct error *err);
int work_no_memory(const struct work *w, struct error *err);
bool work_is_in_tiles(const struct work *w);
bool work_is_direct(const struct work *w);
/** The light of a step's emitter. */
struct stellar_light *work_light(struct work *w, const struct step *step);
/** Make the sums of a step known to be in hand between these two, and hand scratch back where the galaxy is alone and in one
 * tile: a stage is then done before the next begins. */
void work_keep_mark(struct work *w);
void work_return_to_mark(struct work *w);

/* ---- sums over stars (sums.c) ------------------------------------------------------------------------ */

/** The i-th sums of a step: begun in PHASE_ALL, added in PHASE_AGAIN, ended in PHASE_END. By the direct method stars are added to
 * the labels themselves, which are zero at first. label[] as for observe_sums_end(). */
int sums_begin(struct work *w, const struct step *step, size_t i, const bool *is_wanted, struct error *err);
int sums_add(struct work *w, const struct step *step, size_t i, double *const *label, struct error *err);
int sums_end(struct work *w, const struct step *step, size_t i, double *const *label, struct error *err);
/** Mark the labels of a selection. */
void sums_mark_labels(const struct selection *selection, bool *is_wanted);
/** Where each label of a step's products of a kind lies; others stay. */
void sums_place_labels(struct work *w, const struct step *step, const struct product_kind *kind,
                       double **ret_label);

/* ---- tables of bands (tables.c) ---------------------------------------------------------------------- */

/** Does this step use tables? */
bool tables_are_used(const struct plan *plan, const struct step *step);
/** Tables that galaxies will need in a step are made and filled, with all threads, as far as they can be
 * kept. */
int tables_prepare(struct common *common, size_t n, const struct work *const *works, const struct step *step,
                   struct arena *arena, struct error *err);
/** The tables of the galaxy in hand, which keeps them until it is done: of a step's photometry, or of a set of images. */
int tables_of_photometry(struct work *w, const struct step *step, const struct observe_tables **ret_tables,
                         struct error *err);
int tables_of_images(struct work *w, size_t i_set, const struct observe_tables **ret_tables,
                     struct error *err);
/** The galaxy is done with its tables. */
void tables_return(struct work *w);
/** Bands of an instrument, at rest or observed. */
const struct band *bands_of(const struct work *w, const struct step *step, size_t i_instrument);

/* ---- a spectrum for every star (direct.c) -------------------------------------------------------------- */

/** Spectra of the emitter's tile in hand, added to those of the galaxy; on the way the photometry that images need. */
int direct_spectra(struct work *w, const struct step *step, struct error *err);
/** Kinds of operations that make images. */
enum { OUTSIDE_KIND, IMAGES_KIND };
/** Where the light of all stars is added up, [n_filter], by label and instrument of the selection; NULL: it is not. */
double *images_light(struct work *w, const struct step *step, size_t i_label, size_t i_instrument);
/** The tile onto the images of a step. */
int direct_images(struct work *w, const struct step *step, struct error *err);
