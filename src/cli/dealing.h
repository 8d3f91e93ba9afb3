/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is to be done: rows of the ledger that are left, chosen by the command line, with their costs.
 */
#pragma once

#include "polyphony/dealer.h"
#include "polyphony/plan.h"
#include "polyphony/results.h"

#include "options.h"

/** Most bytes of a batch; a batch is lost with its rank, so no more than some seconds of reading. */
#define DEALING_BATCH_BYTES_MAX (1024.0 * 1024.0 * 1024.0)

/** A row as the dealer wants it. */
struct dealer_item dealing_item(const struct plan *plan, uint64_t row);

struct dealing {
    struct dealer *dealer;
    struct cost_model costs;
    size_t n_galaxy;            /* of the file */
    size_t n_done, n_set_aside; /* before this run; those that are tried again do not count */
    size_t n_now;               /* dealt in this run */
    size_t n_measured;          /* rows done before whose times the costs are fitted to */
};

/**
 * Before anything is written: are the ids of --galaxy-ids the catalogue's, and can the costs be read?
 * POLYPHONY_USAGE, POLYPHONY_INPUT.
 */
int dealing_check(const struct plan *plan, const struct run_options *options, struct error *err);

/**
 * Rank 0. Rows that are tried again are left in the ledger from now on. Costs are first guessed from the
 * plan, then fitted to the seconds in the ledger, or else taken from the trace that the job names.
 */
int dealing_open(struct dealing *dealing, const struct plan *plan, struct results *results,
                 const struct run_options *options, int n_rank, int n_thread, struct error *err);
void dealing_close(struct dealing *dealing);
