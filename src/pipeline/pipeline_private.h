/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Carrying a plan out, and reading ahead. */
#pragma once

#include "polyphony/pipeline.h"
#include "polyphony/work.h"

#include "reader.h"

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
    struct memory_bound bound; /* of the settings */
    struct reader *reader;
    struct expected expected[EXPECT_MAX]; /* a ring */
    size_t i_expected, n_expected;
    bool needs_again; /* some stage needs the stars when all are known */
    size_t peak_bytes;

    struct common common;

    struct arena arena, gas_arena, tile_arena; /* of the galaxy alone */
    double *value;                             /* [plan->n_value] its row */
    bool *is_placed;                           /* [plan->n_product] of each member of a group, and of it */
    struct work alone;
    struct group *group;  /* NULL: galaxies are computed one by one */
    uint64_t taken_bytes; /* by what is in hand, and what is kept of what was before */
};

/* Take tile w->i_tile in hand, and say what will be read next. */
int pipeline_take_tile(struct work *w, struct error *err);
/* What came of a galaxy. */
void pipeline_describe(const struct work *w, struct pipeline_row *ret_row);
/* The first rows that are expected: begin to read them, if there is room beside what is taken. */
void pipeline_begin_expected(struct pipeline *p);
void pipeline_drop_expected(struct pipeline *p, uint64_t row);
/* Memory is kept from galaxy to galaxy, unless what comes, which takes so many bytes, would then not fit the
 * bound. */
void pipeline_make_room(struct pipeline *p, const struct reader_piece *piece, uint64_t bytes);
void pipeline_note_peak(struct pipeline *p);

/* ---- groups (group.c) ----------------------------------------------------------- */

int group_open(struct pipeline *p, struct error *err);
void group_close(struct group *group);                /* NULL is fine */
uint64_t group_kept_bytes(const struct group *group); /* NULL: 0 */
void group_free_kept(struct group *group);
