/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The galaxy in hand. */
#pragma once

#include "polyphony/pipeline.h"
#include "polyphony/plan_memory.h"

#include "frame.h"
#include "stages.h"

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
/* What came of it. */
void work_describe(const struct work *w, struct pipeline_row *ret_row);
