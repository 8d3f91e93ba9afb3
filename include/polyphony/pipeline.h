/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ordered stages that carry a plan out, for one galaxy or a group of them. Knows no MPI.
 */
#pragma once

#include "polyphony/plan_memory.h"
#include "polyphony/trace.h"

/* ---- one galaxy -------------------------------------------------------------------------------------- */

struct pipeline;

struct pipeline_settings {
    struct trace_thread *trace; /* records the stages; NULL: nothing does. Borrowed */
    /* For one galaxy's particles and scratch; one that takes more is computed in tiles of its stars, with the
     * same bits as a result. 0: no bound. */
    uint64_t memory_bytes;
    /* Read the next galaxy while one is computed, by a thread that may run wherever the thread may that calls
     * pipeline_open(). The other buffer is within the bound. From then on, and until pipeline_rest() or
     * pipeline_close(), no one else may call HDF5. */
    bool reads_ahead;
    /* By the thread that reads: it now reads rows [n], up to PLAN_GROUP_MAX of them; n = 0: no more. NULL
     * is fine. */
    void (*reads)(void *context, size_t n, const uint64_t *row);
    void *reads_context;
    /* Compute small galaxies in groups (below): what is expected next is then read as groups, too. */
    bool groups;
    size_t n_star_tile; /* stars in a tile, for tests and measurements; 0: as many as the bound allows */
};

/** What came out; valid until the next galaxy. */
struct pipeline_row {
    uint64_t row;
    const double *value; /* [plan->n_value]; integers lie there as int64 */
    uint64_t n_rounded;  /* values of the catalogue slightly below 0, taken as 0 */
    size_t n_star, n_black_hole;
    const double *star_tau;       /* [n_star], NULL unless particles are to be written */
    const double *black_hole_tau; /* [n_black_hole], likewise */
    const char *stage;            /* where a galaxy was set aside */
    /* Of pipeline_run_group(): */
    int status;              /* 0 or POLYPHONY_SET_ASIDE: there are no values then, but a reason */
    const struct error *why; /* valid with the row */
    double seconds;          /* of this rank */
};

/** The plan is borrowed. Settings: NULL for all zero. */
int pipeline_open(struct plan *plan, const struct pipeline_settings *settings, struct pipeline **ret_pipeline,
                  struct error *err);
void pipeline_close(struct pipeline *pipeline); /* NULL is fine */

/**
 * These rows will be run next, in this order, after those expected already. What does not fit a queue of 8192
 * is ignored; a row that is run out of turn ends all expectations before it, or all where it was not
 * expected.
 */
void pipeline_expect(struct pipeline *pipeline, size_t n, const uint64_t *row);
/** NULL is fine. Nothing is expected any more; on return nothing is being read, and HDF5 is free for others. */
void pipeline_rest(struct pipeline *pipeline);

/**
 * Run all stages for one galaxy. Return: 0; POLYPHONY_SET_ASIDE, the row is not to be used except for
 * `stage`; a negative code ends the run. The trace's galaxy is begun, and left for the caller to end. A
 * galaxy that does not fit memory_bytes in the smallest tiles is set aside.
 */
int pipeline_run(struct pipeline *pipeline, uint64_t row, struct pipeline_row *ret_row, struct error *err);

/* ---- groups of galaxies ----------------------------------------------------------------------------- */

/**
 * How many of the rows that come next are computed together, at least 1: small galaxies, whose threads then
 * work across galaxies, and whose spectra are mixed while a tile of the grid is in cache. Depends on the rows
 * and the settings only; a batch that was announced with pipeline_expect() is to be handed over whole, and
 * what is left of it after each group.
 */
size_t pipeline_group(const struct pipeline *pipeline, size_t n, const uint64_t *row);

/** Where rows go. */
struct pipeline_sink {
    /**
     * Rows that are done, or set aside; valid until it returns. Called by several threads at once, with one
     * row each, or by one with the whole group. Return: 0, or a negative code, which ends the run.
     */
    int (*take)(void *context, size_t n, const struct pipeline_row *row, struct error *err);
    void *context;
};

/**
 * Run all stages for the n rows that pipeline_group() has allowed; of one row, with all threads as
 * pipeline_run() does. The bits are the same. Return: 0, also where galaxies were set aside, which the sink
 * is told; or the negative code that ends the run.
 */
int pipeline_run_group(struct pipeline *pipeline, size_t n, const uint64_t *row,
                       const struct pipeline_sink *sink, struct error *err);

/** Most memory taken at once so far, for particles and scratch [bytes]; kept for the galaxies to come. */
size_t pipeline_peak_bytes(const struct pipeline *pipeline);
