/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Dealing galaxies to workers.
 *
 * The dealer is plain functions over a struct: rows and costs, no galaxies, no MPI. One file moves messages
 * between it and the workers.
 */
#pragma once

#include "polyphony/base.h"

#include <mpi.h>

enum dealer_mode { DEALER_DYNAMIC, DEALER_STATIC_BLOCK, DEALER_STATIC_CYCLIC, DEALER_STATIC_LPT };

/** No batch is larger, whatever is asked for: messages have this much room. */
#define DEALER_BATCH_MAX 4096

struct dealer;

/**
 * @param row, cost   [n] what is to be done, costs > 0; copied
 * @param n_max_batch most rows dealt at once, taken as DEALER_BATCH_MAX if larger
 *
 * Dynamic: largest first, batches of about remaining cost / (2 n_worker). The static modes fix each
 * worker's rows beforehand: blocks of rows, every n-th row, or largest to the least loaded.
 */
int dealer_open(size_t n, const uint64_t *row, const double *cost, size_t n_worker, enum dealer_mode mode,
                size_t n_max_batch, struct dealer **ret_dealer, struct error *err);
void dealer_close(struct dealer *dealer); /* NULL is fine */

/** The next batch of a worker: at most n_max_batch rows into ret_row. Returns how many; 0: none are left for
 * it. */
size_t dealer_next(struct dealer *dealer, size_t i_worker, uint64_t *ret_row);
/** Deal nothing more. */
void dealer_stop(struct dealer *dealer);
/** Cost not dealt yet, and of everything. */
double dealer_cost_left(const struct dealer *dealer);
double dealer_cost_total(const struct dealer *dealer);

/* ---- running it over MPI --------------------------------------------------------------------------------
 */

/** Seen by the one who watches: after each galaxy or batch, and now and then. */
struct schedule_progress {
    size_t n_total, n_done, n_set_aside;
    double cost_total, cost_done;
};

/** A batch that has come back. */
struct schedule_batch {
    int rank;
    size_t n_galaxy;
    uint64_t first_row;
    double predicted_cost;     /* as given to the dealer */
    double measured_s;         /* inside schedule.work */
    int64_t dealt_ns, done_ns; /* clock_ns() of rank 0 */
};

struct schedule {
    MPI_Comm comm;
    struct dealer *dealer; /* rank 0 */
    size_t n_total;        /* rows to do, rank 0 */
    /** Compute and store one row. 0, POLYPHONY_SET_ASIDE (recorded by the callee), or negative to end the
     * run. */
    int (*work)(void *context, uint64_t row, struct error *err);
    /** Rank 0, often; may print. NULL is fine. */
    void (*watch)(void *context, const struct schedule_progress *progress);
    /** Has somebody asked to stop? Called between galaxies and while waiting. NULL is fine. */
    bool (*is_stopping)(void *context);
    /** Rank 0: a batch has come back. NULL is fine. */
    void (*batch_done)(void *context, const struct schedule_batch *batch);
    /** This rank has waited for another one, from begin_ns to end_ns (clock_ns()). NULL is fine. */
    void (*waited)(void *context, int64_t begin_ns, int64_t end_ns);
    void *context;
    struct schedule_progress progress; /* rank 0: where it ended */
};

/**
 * Run until everything is done, a stop is asked for, or a rank fails. Collective: with one rank there are no
 * messages; with more, rank 0 only deals.
 *
 * Messages: a worker sends REPORT (what it has done; or its failure) and waits for DEAL (rows, or none: go
 * home). When the run must end early, the dealer sends the empty DEAL out of turn; a worker looks for it
 * between galaxies, and its next REPORT is its last and is not answered. Either way each worker gets one
 * empty DEAL and the dealer one REPORT after its last work, so nothing is left over, and the dealer returns
 * when all have been heard.
 *
 * Return, the same on all ranks: 0; POLYPHONY_STOPPED; the worst failure otherwise, its text in err on rank 0
 * and on the rank it happened on.
 */
int schedule_run(struct schedule *schedule, struct error *err);

/** Worst (most negative) status of all ranks; collective. */
int schedule_agree(MPI_Comm comm, int status);
