/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the time and the memory of a rank went.
 *
 * A span is a stage of a galaxy, or something else a rank does (waiting, opening a file): begin, end, and the
 * largest resident set in between. A thread of its own reads the resident set at a fixed frequency. Rank 0
 * also keeps what was dealt. trace_file.h writes all of it to one file.
 *
 * Memory is fixed when a trace is opened, and touched then, so that tracing neither allocates nor grows. What
 * does not fit is coarsened, never dropped: when a table is full its rows are merged in pairs, and from then
 * on each new row stands for twice as many. Sums by stage stay exact.
 *
 * Each thread records to a struct trace_thread of its own, without locks.
 */
#pragma once

#include "polyphony/base.h"

#define TRACE_STAGE_MAX 24
#define TRACE_HZ_MAX    5000 /* beyond, the sampler costs more than a tenth of a core */

enum trace_mode {
    TRACE_OFF,     /* sums by stage for the summary, no file */
    TRACE_SUMMARY, /* the same and a file: ranks, sums by stage, batches */
    TRACE_SPANS,   /* all of it */
};

struct trace_settings {
    enum trace_mode mode;
    int sample_hz;                 /* reads of the resident set a second, 0 (none) to TRACE_HZ_MAX */
    int64_t begin_ns;              /* of the process, clock_ns() */
    size_t n_stage;                /* at most TRACE_STAGE_MAX */
    const char *const *stage_name; /* [n_stage], borrowed */
    size_t n_thread;               /* that record */
    /* Rows kept, at least 2; 0: the default of one rank of n_rank, so that a file stays below some GB. */
    size_t n_span_max, n_sample_max, n_batch_max;
    int n_rank;
    bool is_dealer; /* keeps batches */
};

struct trace;
struct trace_thread;

/** Open a trace and start its sampler, which may run wherever this thread may now. */
int trace_open(const struct trace_settings *settings, struct trace **ret_trace, struct error *err);
void trace_close(struct trace *trace); /* NULL is fine */
/** End sampling; what was recorded can now be read. More than once is fine. */
void trace_stop(struct trace *trace);
struct trace_thread *trace_thread(struct trace *trace, size_t i_thread);

/* ---- recording, by one thread; without a thread (NULL) nothing is recorded --------------------- */

/** From now on spans belong to this galaxy. Returns now, where its first stage may begin. */
int64_t trace_begin_galaxy(struct trace_thread *thread, uint64_t row, uint64_t n_particle);
/** The same for n galaxies that are computed together: a stage's span is then the group's. */
int64_t trace_begin_group(struct trace_thread *thread, size_t n, const uint64_t *row, uint64_t n_particle);
/** The galaxy that was begun has ended, or the group. */
void trace_end_galaxy(struct trace_thread *thread);
/** A stage lasted from begin_ns to end_ns (clock_ns()). Stages of a thread do not overlap. */
void trace_span(struct trace_thread *thread, size_t i_stage, int64_t begin_ns, int64_t end_ns);
/** The same for a part of a stage, whose end, or another part, is still to come: it is not counted as one. */
void trace_part(struct trace_thread *thread, size_t i_stage, int64_t begin_ns, int64_t end_ns);
/** A stage that began at begin_ns has ended now. Returns now, where the next may begin. */
int64_t trace_end(struct trace_thread *thread, size_t i_stage, int64_t begin_ns);

/** What was dealt and came back. */
struct trace_batch {
    int32_t rank, n_galaxy;
    int32_t n_batch; /* 1; more when merged */
    int64_t first_row;
    double predicted_s; /* by the dealer; `predicted_cost` in the file */
    double measured_s;  /* in galaxies */
    int64_t dealt_ns, done_ns;
};
void trace_add_batch(struct trace *trace, const struct trace_batch *batch);

/* ---- reading, after trace_stop() or by the thread that records ---------------------------------- */

struct trace_sums {
    int64_t ns[TRACE_STAGE_MAX]; /* exclusive: stages do not nest */
    uint64_t count[TRACE_STAGE_MAX];
    uint64_t peak_rss_bytes[TRACE_STAGE_MAX]; /* 0: unknown */
    int64_t busy_ns;                          /* in galaxies, measured around each */
    uint64_t n_galaxy;
};
/** Sums over all threads. */
void trace_sum(const struct trace *trace, struct trace_sums *ret_sums);
const char *trace_stage_name(const struct trace *trace, size_t i_stage);

/**
 * Largest resident set of this process so far [bytes]. Ask here while a trace is open: in mode spans the
 * kernel's own mark (VmHWM, ru_maxrss) is set back at the end of every stage.
 */
uint64_t trace_peak_rss_bytes(struct trace *trace);

/** A line of /Spans; n_merged spans in one where the table was full. */
struct trace_span_row {
    int32_t rank, thread;
    int32_t stage;               /* -1: merged from several */
    int32_t n_merged;            /* spans it stands for */
    int64_t galaxy, last_galaxy; /* rows in the catalogue of the first and the last, -1: none */
    int64_t n_galaxy;            /* that it has a part of */
    int64_t last_group;          /* first row and size of its last group, or its last galaxy and 1; */
    int64_t n_last_group;        /* ... for merging, not in the file */
    uint64_t n_particle;         /* stars of the galaxy, summed over merged spans */
    int64_t begin_ns, end_ns;
    int64_t busy_ns;         /* end - begin, less what lies between merged spans */
    uint64_t peak_rss_bytes; /* 0: unknown */
};
/** Spans of a thread in order of time; borrowed. *ret_n_merge: each stands for up to so many. */
const struct trace_span_row *trace_spans(const struct trace_thread *thread, size_t *ret_n,
                                         uint32_t *ret_n_merge);

struct trace_sample {
    int64_t time_ns;
    uint64_t rss_bytes;
};
/** Samples in order of time; borrowed. Each is the largest of *ret_n_merge reads, of *ret_n_read in all. */
const struct trace_sample *trace_samples(const struct trace *trace, size_t *ret_n, uint32_t *ret_n_merge,
                                         uint64_t *ret_n_read);

/** Ranks are numbered anew, as some were lost: rank i is new_rank[i], or -1, and then its batches go. No
 * batch is added afterwards. */
void trace_renumber_batches(struct trace *trace, const int *new_rank);
const struct trace_batch *trace_batches(const struct trace *trace, size_t *ret_n);
/**
 * Least squares of measured_s = per_galaxy n_galaxy + per_cost predicted_s over all batches; NAN where
 * they do not determine it (one batch, or costs proportional to the number of galaxies).
 */
void trace_fit_costs(const struct trace *trace, double *ret_seconds_per_galaxy, double *ret_seconds_per_cost);
