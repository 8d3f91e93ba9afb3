/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dealer: which galaxies a worker gets next.
 *
 * Plain functions over a struct: rows and what they will cost, no galaxies, no messages, no clocks. The same
 * dealer is driven by ranks (schedule.h), by the simulator (simulate.h) and by its tests.
 *
 * Dynamic: largest first, what is small beside a worker's share by row. A worker's share is what is not dealt
 * yet / (2 n_worker), so that batches shrink towards the end (guided self-scheduling, Polychronopoulos & Kuck
 * 1987, IEEE Trans. Comp. C-36, 1425). A batch holds up to half a share, or one galaxy if that costs more. A
 * second batch is dealt in advance only while both halves stay within their share: nobody sits on work that
 * others wait for. Static: the rows of a worker are fixed beforehand, in blocks of rows, every n-th row, or
 * largest first to the least loaded (Graham 1969, SIAM J. Appl. Math. 17, 416).
 *
 * Every row is done exactly once, whatever becomes of workers: a batch has a number, only its holder can
 * report it, and what a lost worker held is dealt again.
 */
#pragma once

#include "polyphony/base.h"

enum dealer_mode { DEALER_DYNAMIC, DEALER_STATIC_BLOCK, DEALER_STATIC_CYCLIC, DEALER_STATIC_LPT };

/** No batch is larger, whatever is asked for: messages have this much room. */
#define DEALER_BATCH_MAX 4096
/** Batches a worker may hold: one in hand, one in advance. */
#define DEALER_HOLD_MAX 2
/** A row to be done. 16 bytes, as there may be 10^7. */
struct dealer_item {
    uint32_t row;
    float bytes;                 /* to be read for it */
    float term[COST_N_TERM - 1]; /* what its cost is linear in, besides 1 */
};

struct dealer_settings {
    enum dealer_mode mode;
    size_t n_worker;
    size_t n_max_batch;         /* rows, 1 to DEALER_BATCH_MAX */
    double max_batch_bytes;     /* > 0; a single row may have more */
    double cost_s[COST_N_TERM]; /* seconds a row, and for each unit of a term; >= 0 */
    bool is_guessed;            /* the costs are a guess: shares are a quarter until dealer_refine() */
    bool is_alone; /* the only worker deals to itself: nobody waits, batches are as large as they may be */
    size_t n_last; /* the last so many items are dealt after all others, one at a time: suspects */
};

struct dealer;

struct dealer_batch {
    uint64_t number; /* never used again, > 0 */
    size_t n;        /* rows */
    uint64_t first_row;
    double cost_s;            /* predicted */
    double term[COST_N_TERM]; /* summed over its rows; term[0] = n */
};

/**
 * @param item  [n] from malloc() or mem_array(); the dealer's from now on, unless this fails. Rows are
 * distinct. POLYPHONY_INTERNAL without memory: 8 bytes a row beside the item, and 4 more while they are
 * sorted.
 */
int dealer_open(const struct dealer_settings *settings, size_t n, struct dealer_item *item,
                struct dealer **ret_dealer, struct error *err);
void dealer_close(struct dealer *dealer); /* NULL is fine */

/**
 * The next batch for a worker: its rows, in the order in which they are to be done, into
 * ret_row[n_max_batch]. false: nothing for it now; ask again when it has reported, or anybody has been lost.
 * A lost worker that asks takes part again.
 */
bool dealer_next(struct dealer *dealer, size_t i_worker, struct dealer_batch *ret_batch, uint64_t *ret_row);

/**
 * A worker reports a batch: it has worked on the first n_worked rows, and will not on the rest. *ret_batch is
 * what these rows were predicted to cost. false: it does not hold this batch (any more); what it has done is
 * not counted.
 */
bool dealer_done(struct dealer *dealer, size_t i_worker, uint64_t number, size_t n_worked,
                 struct dealer_batch *ret_batch);

/** A worker is lost: what it holds, and what was fixed to be its own, will be dealt to others. Returns the
 * number of rows it held. */
size_t dealer_lose(struct dealer *dealer, size_t i_worker);

/** A row that a lost worker held is dealt after all others, alone, as it may be why. false: as above. */
bool dealer_suspect(struct dealer *dealer, uint64_t row);

/** Deal nothing more. */
void dealer_stop(struct dealer *dealer);

/** A row that a lost worker held is done by the caller in some other way: it is not dealt again. false:
 * nobody has given it back. */
bool dealer_withdraw(struct dealer *dealer, uint64_t row);

/** Nobody holds anything, and nothing is left to deal. */
bool dealer_is_over(const struct dealer *dealer);
/** Batches a worker holds. */
size_t dealer_n_held(const struct dealer *dealer, size_t i_worker);
size_t dealer_n_done(const struct dealer *dealer);
/** Predicted cost [s] of all rows, and of those not reported yet. Of one worker, divided by how many there
 * are it is a time. */
double dealer_cost_all_s(const struct dealer *dealer);
double dealer_cost_left_s(const struct dealer *dealer);
/** Predicted cost of the largest row [s]; 0 without rows. */
double dealer_cost_largest_s(const struct dealer *dealer);

/**
 * Costs are known better now: predict those of all rows again, and (dynamic) sort what has not been dealt.
 * O(n log n).
 */
void dealer_refine(struct dealer *dealer, const double cost_s[COST_N_TERM]);

/* ---- what rows cost ---------------------------------------------------------------------------------- */

/**
 * Costs learnt from reports: least squares of seconds = sum of coefficient times term, none negative, each
 * report weighted by one over what was predicted, and drawn a little to the first guess (times the machine's
 * speed).
 */
struct cost_model {
    double guess_s[COST_N_TERM];
    /* Normal equations for factors on the guess. */
    double aa[COST_N_TERM][COST_N_TERM], ab[COST_N_TERM];
    double predicted_s, measured_s; /* sums */
    size_t n_report, n_next;
};

void cost_model_begin(struct cost_model *model, const double guess_s[COST_N_TERM], size_t n_worker);
/**
 * Is it time to refine the dealer's costs? When each worker may have reported once (short batches come back
 * first, and would make all look cheap), and then whenever reports have doubled: some twenty times in all.
 */
bool cost_model_is_due(struct cost_model *model);
/** A report: rows with these terms in sum took so long. */
void cost_model_add(struct cost_model *model, const double term[COST_N_TERM], double seconds);
/** The best coefficients so far; the guess before any report. */
void cost_model_fit(const struct cost_model *model, double ret_cost_s[COST_N_TERM]);
