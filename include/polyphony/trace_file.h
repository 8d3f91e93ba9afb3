/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The trace file: time and memory of all ranks, written by all of them together when they stop
 * (docs/formats.md has its layout).
 */
#pragma once

#include "polyphony/trace.h"

#include <mpi.h>

/** Root attribute `format` of a trace file. */
#define TRACE_FORMAT "polyphony-trace"

/** Where a rank is, and how its clock stands to rank 0's. */
struct trace_host {
    char name[64];
    int32_t node, local_rank; /* index of its host, rank on it */
    int64_t clock_offset_ns;  /* add to clock_ns() to get rank 0's */
    int64_t clock_error_ns;   /* at most so far off */
};

/**
 * Collective: find the hosts, and the clock of each. The clocks of two hosts began when they were booted; one
 * rank a host asks rank 0 for the time and takes it to have been read half-way (Cristian 1989, Distributed
 * Computing 3, 146), the best of several tries.
 */
int trace_find_host(MPI_Comm comm, struct trace_host *ret_host, struct error *err);

/** What a rank says of itself. */
struct trace_rank {
    struct trace_host host;
    int n_thread;
    bool deals_only, is_pinned;
    const char *cpuset; /* cpus the launcher allowed, "0-7" */
    const char *cpus;   /* cpus the threads are pinned to, in order */
    const char *placement;
};

/** The same on all ranks. */
struct trace_run {
    double cost_s[COST_N_TERM]; /* what a galaxy, a star and a pair cost, as learnt; rank 0's counts */
    const char *program_version, *results_path, *catalogue_path, *schedule_mode;
    size_t n_galaxy_stage; /* stages below this one belong to galaxies */
    bool is_stopped_early;
};

/**
 * Collective, after trace_stop() on all ranks: write `path` (under `path`.partial, renamed when complete).
 * Return, the same on all ranks: 0, POLYPHONY_OUTPUT, POLYPHONY_INTERNAL.
 */
int trace_write(struct trace *trace, const struct trace_rank *rank, const struct trace_run *run,
                MPI_Comm comm, const char *path, struct error *err);

/** What an earlier run has learnt [s]: of a galaxy, a star, a pair. POLYPHONY_INPUT when the file has no such
 * numbers, or they are not >= 0. */
int trace_read_costs(const char *path, double ret_cost_s[COST_N_TERM], struct error *err);
