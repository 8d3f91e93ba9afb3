/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a run says to people while it goes: standard error for what happens, standard output for the summary.
 */
#pragma once

#include "polyphony/placement.h"
#include "polyphony/results.h"
#include "polyphony/schedule.h"
#include "polyphony/trace.h"

#include "dealing.h"

struct report {
    int rank;
    bool shows_progress, is_terminal;
    int64_t begin_ns, shown_ns;
};

void report_init(struct report *report, int rank, bool shows_progress);
/** Rank 0: what there is to do. */
void report_begin(struct report *report, const struct plan *plan, const struct dealing *dealing);
/** Collective: one line a rank; its warnings after all of them, each once. */
void report_placement(struct report *report, MPI_Comm comm, const struct placement *placement);
/** Rank 0, often: prints now and then. */
void report_progress(struct report *report, const struct schedule_progress *progress);
/** Time left [s], as costs go; -1: unknown. */
double report_left_s(const struct report *report, const struct schedule_progress *progress);
/** Any rank: a galaxy was set aside. */
void report_set_aside(struct report *report, const char *stage, const char *reason);
/** Collective: time by stage over all ranks, and peak memory. */
void report_summary(struct report *report, MPI_Comm comm, struct trace *trace, bool is_dealer);
/** Rank 0: how it ended. */
void report_end(const char *path, const struct ledger_counts *counts);
