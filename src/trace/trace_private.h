/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/trace.h"

/* ---- peak.c: the kernel's high-water mark of the resident set ------------------------------------ */

struct peak {
    int clear_fd;         /* writing "5" to /proc/self/clear_refs sets the mark back; -1: it cannot be */
    uint64_t floor_bytes; /* ru_maxrss is no less, whatever this process does */
    uint64_t peak_bytes;  /* largest ever seen */
};
void peak_open(struct peak *peak, bool wants_reset);
void peak_close(struct peak *peak);
/** The mark; set back if it can be, for the next stage. */
uint64_t peak_take(struct peak *peak);

/* ---- sampler.c ------------------------------------------------------------------------------------ */

struct sampler;
int sampler_open(int hz, size_t n_max, struct sampler **ret_sampler, struct error *err);
void sampler_stop(struct sampler *sampler);  /* NULL is fine */
void sampler_close(struct sampler *sampler); /* NULL is fine */
const struct trace_sample *sampler_samples(const struct sampler *sampler, size_t *ret_n,
                                           uint32_t *ret_n_merge, uint64_t *ret_n_read);

/* ---- batches.c ------------------------------------------------------------------------------------ */

struct batches;
int batches_open(size_t n_max, int n_rank, struct batches **ret_batches, struct error *err);
void batches_close(struct batches *batches); /* NULL is fine */
void batches_add(struct batches *batches, const struct trace_batch *batch);
void batches_renumber(struct batches *batches, const int *new_rank);
const struct trace_batch *batches_get(const struct batches *batches, size_t *ret_n);
void batches_fit(const struct batches *batches, double *ret_seconds_per_galaxy, double *ret_seconds_per_cost);

/* ---- trace.c -------------------------------------------------------------------------------------- */

struct trace_thread {
    struct trace *trace;
    struct trace_sums sums;
    /* The galaxy in hand, or the group. */
    int64_t row, last_row; /* -1: none */
    int64_t n_galaxy;
    uint64_t n_particle;
    int64_t galaxy_begin_ns;
    /* Rows of /Spans; each takes up to n_merge spans. n_max 0: none are kept. */
    struct trace_span_row *span;
    size_t n_span, n_span_max;
    uint32_t n_merge;
    int32_t i_thread;
};

struct trace {
    struct trace_settings settings;
    struct peak peak;
    struct sampler *sampler;     /* NULL: none */
    struct batches *batches;     /* NULL: not the dealer */
    struct trace_thread *thread; /* [settings.n_thread] */
    char started_utc[32];        /* ISO 8601 */
};
