/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "trace_private.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Rows of a rank: what one process may need, and of all ranks together, which bounds the file (1.4 GB of
 * spans, 0.8 GB of samples). A rank has at least the least. */
#define SPAN_MAX       (1 << 16)
#define SPAN_ALL_MAX   (1 << 24)
#define SAMPLE_MAX     (1 << 16)
#define SAMPLE_ALL_MAX (1 << 25)
#define ROW_LEAST      (1 << 12)
#define BATCH_MAX      (1 << 14)

static size_t rows_of_rank(size_t wanted, size_t most, size_t most_of_all, int n_rank)
{
    size_t share = most_of_all / (size_t)(n_rank > 0 ? n_rank : 1);

    if (wanted)
        return wanted > 2 ? wanted : 2;
    share = share < most ? share : most;
    return share > ROW_LEAST ? share : ROW_LEAST;
}

static int open_threads(struct trace *trace, struct error *err)
{
    const struct trace_settings *settings = &trace->settings;
    /* A rank that only deals has a span a batch, not fifteen a galaxy. */
    size_t most = settings->is_dealer && settings->n_rank > 1 ? ROW_LEAST : SPAN_MAX;
    size_t n_span = settings->mode == TRACE_SPANS
                        ? rows_of_rank(settings->n_span_max, most, SPAN_ALL_MAX, settings->n_rank)
                        : 0;

    trace->thread = mem_small(settings->n_thread, sizeof(*trace->thread));
    for (size_t t = 0; t < settings->n_thread; t++) {
        struct trace_thread *thread = &trace->thread[t];

        *thread = (struct trace_thread) {
            .trace = trace, .i_thread = (int32_t)t, .row = -1, .last_row = -1, .n_merge = 1
        };
        thread->n_span_max = n_span / settings->n_thread > 2 ? n_span / settings->n_thread : 2;
        thread->span = n_span ? mem_touched(thread->n_span_max, sizeof(*thread->span)) : NULL;
        if (n_span && !thread->span)
            return mem_short(err, "for a trace of %zu spans", n_span);
    }
    return 0;
}

static void note_start(struct trace *trace)
{
    time_t now = time(NULL);
    struct tm utc;

    gmtime_r(&now, &utc);
    strftime(trace->started_utc, sizeof(trace->started_utc), "%Y-%m-%dT%H:%M:%SZ", &utc);
}

int trace_open(const struct trace_settings *settings, struct trace **ret_trace, struct error *err)
{
    struct trace *trace = mem_small(1, sizeof(*trace));
    bool has_spans = settings->mode == TRACE_SPANS;
    int r;

    assert(settings->n_stage <= TRACE_STAGE_MAX && settings->n_thread > 0);
    assert(settings->sample_hz >= 0 && settings->sample_hz <= TRACE_HZ_MAX);
    trace->settings = *settings;
    note_start(trace);
    /* With several threads at work a mark set back by one would be missed by the others. */
    peak_open(&trace->peak, has_spans && settings->n_thread == 1);
    r = open_threads(trace, err);
    if (!r && settings->is_dealer && settings->mode != TRACE_OFF)
        r = batches_open(settings->n_batch_max ? settings->n_batch_max : BATCH_MAX, settings->n_rank,
                         &trace->batches, err);
    if (!r && has_spans && settings->sample_hz > 0)
        r = sampler_open(settings->sample_hz,
                         rows_of_rank(settings->n_sample_max, SAMPLE_MAX, SAMPLE_ALL_MAX, settings->n_rank),
                         &trace->sampler, err);
    if (r) {
        trace_close(trace);
        return r;
    }
    *ret_trace = trace;
    return 0;
}

void trace_stop(struct trace *trace)
{
    sampler_stop(trace->sampler);
}

void trace_close(struct trace *trace)
{
    if (!trace)
        return;
    sampler_close(trace->sampler);
    batches_close(trace->batches);
    for (size_t t = 0; trace->thread && t < trace->settings.n_thread; t++)
        free(trace->thread[t].span);
    free(trace->thread);
    peak_close(&trace->peak);
    free(trace);
}

struct trace_thread *trace_thread(struct trace *trace, size_t i_thread)
{
    assert(i_thread < trace->settings.n_thread);
    return &trace->thread[i_thread];
}

/* ---- spans ------------------------------------------------------------------------------------ */

/* `later` goes into `row`, which it follows in time. */
static void merge_spans(struct trace_span_row *row, const struct trace_span_row *later)
{
    bool goes_on = later->galaxy >= 0 && later->galaxy == row->last_group;

    if (row->stage != later->stage)
        row->stage = -1;
    row->n_merged += later->n_merged;
    row->n_galaxy += later->n_galaxy - (goes_on ? row->n_last_group : 0);
    if (row->galaxy < 0)
        row->galaxy = later->galaxy;
    if (later->last_galaxy >= 0) {
        row->last_galaxy = later->last_galaxy;
        row->last_group = later->last_group;
        row->n_last_group = later->n_last_group;
    }
    row->n_particle += later->n_particle;
    row->end_ns = later->end_ns;
    row->busy_ns += later->busy_ns;
    if (later->peak_rss_bytes > row->peak_rss_bytes)
        row->peak_rss_bytes = later->peak_rss_bytes;
}

/* Rows 2i and 2i + 1 become row i, and an odd one at the end stays, half full. */
static void coarsen(struct trace_thread *thread)
{
    size_t n = thread->n_span;

    for (size_t i = 0; i < n; i += 2) {
        thread->span[i / 2] = thread->span[i];
        if (i + 1 < n)
            merge_spans(&thread->span[i / 2], &thread->span[i + 1]);
    }
    thread->n_span = (n + 1) / 2;
    thread->n_merge *= 2;
}

static void add_span(struct trace_thread *thread, const struct trace_span_row *span)
{
    struct trace_span_row *last = thread->n_span ? &thread->span[thread->n_span - 1] : NULL;

    if (last && last->n_merged < (int32_t)thread->n_merge) {
        merge_spans(last, span);
        return;
    }
    if (thread->n_span == thread->n_span_max)
        coarsen(thread);
    thread->span[thread->n_span++] = *span;
}

int64_t trace_begin_group(struct trace_thread *thread, size_t n, const uint64_t *row, uint64_t n_particle)
{
    int64_t now_ns = clock_ns();

    if (thread) {
        thread->row = (int64_t)row[0];
        thread->last_row = (int64_t)row[n - 1];
        thread->n_galaxy = (int64_t)n;
        thread->n_particle = n_particle;
        thread->galaxy_begin_ns = now_ns;
    }
    return now_ns;
}

int64_t trace_begin_galaxy(struct trace_thread *thread, uint64_t row, uint64_t n_particle)
{
    return trace_begin_group(thread, 1, &row, n_particle);
}

void trace_end_galaxy(struct trace_thread *thread)
{
    if (!thread)
        return;
    thread->sums.busy_ns += clock_ns() - thread->galaxy_begin_ns;
    thread->sums.n_galaxy += (uint64_t)thread->n_galaxy;
    thread->row = thread->last_row = -1;
    thread->n_galaxy = 0;
    thread->n_particle = 0;
}

void trace_part(struct trace_thread *thread, size_t i_stage, int64_t begin_ns, int64_t end_ns)
{
    struct trace_sums *sums;
    struct peak *peak;
    uint64_t peak_bytes = 0;

    if (!thread)
        return;
    sums = &thread->sums;
    peak = &thread->trace->peak;
    sums->ns[i_stage] += end_ns - begin_ns;
    if (peak->clear_fd >= 0)
        peak_bytes = peak_take(peak);
    if (peak_bytes > sums->peak_rss_bytes[i_stage])
        sums->peak_rss_bytes[i_stage] = peak_bytes;
    if (thread->span)
        add_span(thread, &(struct trace_span_row) { .thread = thread->i_thread,
                                                    .stage = (int32_t)i_stage,
                                                    .n_merged = 1,
                                                    .galaxy = thread->row,
                                                    .last_galaxy = thread->last_row,
                                                    .n_galaxy = thread->n_galaxy,
                                                    .last_group = thread->row,
                                                    .n_last_group = thread->n_galaxy,
                                                    .n_particle = thread->n_particle,
                                                    .begin_ns = begin_ns,
                                                    .end_ns = end_ns,
                                                    .busy_ns = end_ns - begin_ns,
                                                    .peak_rss_bytes = peak_bytes });
}

void trace_span(struct trace_thread *thread, size_t i_stage, int64_t begin_ns, int64_t end_ns)
{
    trace_part(thread, i_stage, begin_ns, end_ns);
    if (thread)
        thread->sums.count[i_stage] += thread->n_galaxy > 0 ? (uint64_t)thread->n_galaxy : 1;
}

int64_t trace_end(struct trace_thread *thread, size_t i_stage, int64_t begin_ns)
{
    int64_t now_ns = clock_ns();

    trace_span(thread, i_stage, begin_ns, now_ns);
    return now_ns;
}

void trace_add_batch(struct trace *trace, const struct trace_batch *batch)
{
    if (trace->batches)
        batches_add(trace->batches, batch);
}

/* ---- reading ---------------------------------------------------------------------------------- */

void trace_sum(const struct trace *trace, struct trace_sums *ret_sums)
{
    *ret_sums = (struct trace_sums) { 0 };
    for (size_t t = 0; t < trace->settings.n_thread; t++) {
        const struct trace_sums *sums = &trace->thread[t].sums;

        for (size_t s = 0; s < trace->settings.n_stage; s++) {
            ret_sums->ns[s] += sums->ns[s];
            ret_sums->count[s] += sums->count[s];
            if (sums->peak_rss_bytes[s] > ret_sums->peak_rss_bytes[s])
                ret_sums->peak_rss_bytes[s] = sums->peak_rss_bytes[s];
        }
        ret_sums->busy_ns += sums->busy_ns;
        ret_sums->n_galaxy += sums->n_galaxy;
    }
}

const char *trace_stage_name(const struct trace *trace, size_t i_stage)
{
    return trace->settings.stage_name[i_stage];
}

uint64_t trace_peak_rss_bytes(struct trace *trace)
{
    peak_take(&trace->peak);
    return trace->peak.peak_bytes;
}

const struct trace_span_row *trace_spans(const struct trace_thread *thread, size_t *ret_n,
                                         uint32_t *ret_n_merge)
{
    *ret_n = thread->n_span;
    *ret_n_merge = thread->n_merge;
    return thread->span;
}

const struct trace_sample *trace_samples(const struct trace *trace, size_t *ret_n, uint32_t *ret_n_merge,
                                         uint64_t *ret_n_read)
{
    *ret_n = 0;
    *ret_n_merge = 1;
    *ret_n_read = 0;
    return trace->sampler ? sampler_samples(trace->sampler, ret_n, ret_n_merge, ret_n_read) : NULL;
}

void trace_renumber_batches(struct trace *trace, const int *new_rank)
{
    if (trace->batches)
        batches_renumber(trace->batches, new_rank);
}

const struct trace_batch *trace_batches(const struct trace *trace, size_t *ret_n)
{
    *ret_n = 0;
    return trace->batches ? batches_get(trace->batches, ret_n) : NULL;
}

void trace_fit_costs(const struct trace *trace, double *ret_seconds_per_galaxy, double *ret_seconds_per_cost)
{
    *ret_seconds_per_galaxy = *ret_seconds_per_cost = (double)NAN;
    if (trace->batches)
        batches_fit(trace->batches, ret_seconds_per_galaxy, ret_seconds_per_cost);
}
