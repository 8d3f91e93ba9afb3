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

/* ---- stages ---------------------------------------------------------------------------------- */

/*
 * What a stage has to do, and when: with each tile of stars as it is read for the first time; when all stars
 * are known; with each tile once more, for what needs to know of all stars; when that is done, too.
 */
enum phase { PHASE_TILE, PHASE_ALL, PHASE_AGAIN, PHASE_END, N_PHASE };

typedef int (*stage_function)(struct pipeline *p, struct error *err);
struct stage {
    stage_function run[N_PHASE]; /* NULL: nothing */
};

enum { N_STAGE = 14 };
extern const struct stage pipeline_stages[N_STAGE]; /* in the order of pipeline_stage_names */

/* Bands of all filters of an operation, or of one instrument. */
struct band_set {
    struct band *rest;     /* [n_filter of all instruments] in the order of instruments and filters */
    struct band *observed; /* the same at the redshift in hand */
};

enum sums_of { SUMS_SPECTRA, SUMS_LINE_LUMINOSITY, SUMS_LINE_CONTINUUM, SUMS_LINE_FLUX, N_SUMS };

enum { EXPECT_MAX = 1024 };

struct pipeline {
    struct plan *plan;
    struct pipeline_settings settings;
    struct reader *reader;
    uint64_t expected[EXPECT_MAX]; /* rows to come, a ring */
    size_t i_expected, n_expected;
    bool is_wanted[N_STAGE];
    bool needs_again; /* some stage needs the stars when all are known */
    size_t peak_bytes;

    struct arena arena;       /* of the galaxy in hand */
    struct arena gas_arena;   /* its gas, sorted */
    struct arena tile_arena;  /* its tile in hand */
    struct arena frame_arena; /* of the redshift in hand */
    double frame_redshift;    /* NAN before the first */
    struct observe_frame frame;
    double *screen; /* [n_lambda] fnu scale times transmission */
    struct band_set bands;
    size_t *first_filter; /* [n_instrument] index of its first filter in the bands */
    double *value;        /* [plan->n_value] */

    /* The galaxy in hand. */
    struct tiling tiling;
    size_t i_tile;
    enum phase phase;
    size_t i_round;       /* of PHASE_AGAIN */
    uint64_t taken_bytes; /* by this galaxy, and by what is kept of those before */
    struct galaxy galaxy; /* with a tile of its stars */
    double centre_sum_kpc[3];
    struct columns_index *gas;
    struct observe_depths depths;
    double *star_tau; /* of all stars */
    double *black_hole_tau;
    struct stellar_light light;
    struct observe_sums sums[N_SUMS];
    struct arena_mark sums_mark;
    double *label_lnu[EMISSION_LABEL_MAX]; /* [n_lambda] or NULL where not needed */
};

/* Take tile p->i_tile in hand, and say what will be read next. */
int pipeline_take_tile(struct pipeline *p, struct error *err);
