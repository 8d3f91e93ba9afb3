/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The results file of a run: begun or continued, locked, and what earlier runs left in hand.
 */
#pragma once

#include "polyphony/hands.h"
#include "polyphony/results.h"
#include "polyphony/schedule.h"

#include "options.h"
#include "tracing.h"

struct output_aside;

struct output {
    struct plan *plan;
    struct hands *hands; /* rank 0 locks; ranks that compute say in it what they have in hand */
    struct results *results;
    struct provenance provenance; /* rank 0 */
    bool is_new;                  /* the file was made by this run; rank 0 */
    struct output_aside *aside;   /* [n_aside] to be set aside when the run is over */
    size_t n_aside;
    int64_t lost_ns;       /* when the last rank was lost */
    char state_path[4096]; /* of status.json, rank 0; "": none */
};

/** Who makes these numbers from what; n_rank and n_thread are only noted. Free with provenance_free(). */
int output_provenance(const struct plan *plan, int n_rank, int n_thread, struct provenance *ret_provenance,
                      struct error *err);

/**
 * Rank 0: lock the file; make it, or see that it may be continued; choose where the trace goes; record which
 * galaxies ended their rank in the last run, and set aside those that did so too often.
 * POLYPHONY_OUTPUT, POLYPHONY_USAGE, POLYPHONY_INPUT.
 */
int output_prepare(struct output *output, struct plan *plan, const struct run_options *options,
                   struct tracing *tracing, int n_rank, int n_thread, struct error *err);
/** Rank 0, when it is known how many galaxies are to be done now: the file records that this run writes. */
int output_note_run(struct output *output, size_t n_now, struct error *err);
/** Every rank, after output_prepare() on rank 0. */
int output_open(struct output *output, struct plan *plan, int rank, struct error *err);
/** The lock goes, unless ranks were lost in the middle of something. */
void output_close(struct output *output);

/**
 * Rank 0: a rank was lost, which had ret_row[*ret_n] in hand, those that are done left out. A rank that only
 * vanished blames its galaxies if no other was lost within `alone_s` before: those of a dead node had nothing
 * to do with it.
 */
enum schedule_blame output_blame_lost(struct output *output, int rank, double alone_s, size_t *ret_n,
                                      uint64_t ret_row[HANDS_ROW_MAX]);
/**
 * Rank 0, when all ranks have gone home: set aside what ended its ranks too often. Not before, as a rank that
 * was only late may have done it by then.
 */
int output_settle(struct output *output, struct error *err);
