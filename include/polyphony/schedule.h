/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A run: the dealer on rank 0, messages, and workers on all other ranks.
 */
#pragma once

#include "polyphony/dealer.h"

#include <mpi.h>

/** Seen by the one who watches: after each galaxy or batch, and now and then. */
struct schedule_progress {
    size_t n_total, n_done, n_set_aside;
    double cost_all_s, cost_left_s; /* predicted, of one worker */
    double cost_largest_s;
    int n_lost; /* ranks */
};

/** A batch that has come back. */
struct schedule_batch {
    int rank;
    size_t n_galaxy;
    uint64_t first_row;
    double predicted_s;
    double measured_s;         /* inside schedule.work */
    int64_t dealt_ns, done_ns; /* clock_ns() of rank 0 */
};

/** Rows that a rank may have in hand at once. */
#define SCHEDULE_HAND_MAX 32

/** What becomes of the rows that a lost rank had in hand. */
enum schedule_blame {
    SCHEDULE_NOTHING,
    SCHEDULE_SUSPECT, /* one of them may be why: each is dealt last, alone */
    SCHEDULE_ASIDE,   /* the callee sees to them: are dealt no more */
};

struct schedule {
    MPI_Comm
        comm; /* when ranks were lost, afterwards that of those that are left; to be freed by the caller */
    struct dealer *dealer;    /* rank 0: a dealer of max(1, ranks - 1) workers */
    struct cost_model *costs; /* rank 0: learns from reports, and refines the dealer's. NULL: fixed */
    size_t n_total;           /* rows to do, rank 0 */
    /**
     * > 0: go on without ranks that are silent for so long [s]. MPI must have been initialised with
     * MPI_THREAD_MULTIPLE, and its launcher must let the others live.
     */
    double silence_s;

    /**
     * Compute and store the first of these n rows, and as many more as go with it: *ret_n of them, at least
     * one, of which *ret_n_set_aside were set aside (recorded by the callee). 0, or negative to end the run.
     */
    int (*work)(void *context, size_t n, const uint64_t *row, size_t *ret_n, size_t *ret_n_set_aside,
                struct error *err);
    /** These rows will be worked on after those announced before, in this order. NULL is fine. */
    void (*expect)(void *context, size_t n, const uint64_t *row);
    /** After the last row, on every rank: bring what was stored to safety. NULL is fine. */
    int (*finish)(void *context, struct error *err);
    /** Rank 0, often; may print. NULL is fine. */
    void (*watch)(void *context, const struct schedule_progress *progress);
    /** Has somebody asked to stop? Called between calls of work and while waiting. NULL is fine. */
    bool (*is_stopping)(void *context);
    /** Rank 0: a batch has come back. NULL is fine. */
    void (*batch_done)(void *context, const struct schedule_batch *batch);
    /** Rank 0: a rank is lost; ret_row[*ret_n] is what it had in hand, if anything. NULL is fine. */
    enum schedule_blame (*lost)(void *context, int rank, size_t *ret_n, uint64_t ret_row[SCHEDULE_HAND_MAX]);
    /** This rank has waited for another one, from begin_ns to end_ns (clock_ns()). NULL is fine. */
    void (*waited)(void *context, int64_t begin_ns, int64_t end_ns);
    void *context;

    struct schedule_progress progress; /* rank 0: where it ended */
    bool is_expelled; /* this rank was taken for lost, and others do its work: it must end without a word */
};

/**
 * Run until everything is done, a stop is asked for, or a rank fails. Collective: with one rank there are no
 * messages; with more, rank 0 only deals.
 *
 * Messages: DEAL gives a worker a batch, at the beginning and in answer to reports; it has up to
 * DEALER_HOLD_MAX. REPORT answers each, done or not. HOME, sent once to each when everything is done or the
 * run must end early, is noticed between galaxies: what the worker still holds it reports as not worked on,
 * calls `finish`, and sends FAREWELL, its last. So nothing is left over, and the dealer returns when all have
 * been heard. With silence_s, BEAT goes both ways from threads of their own.
 *
 * Return, the same on all ranks: 0; POLYPHONY_STOPPED; the worst failure otherwise, its text in err on rank 0
 * and on the rank it happened on.
 */
int schedule_run(struct schedule *schedule, struct error *err);
