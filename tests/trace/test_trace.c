/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recording: sums, spans and their merging, samples of memory, batches and the fit of costs. */
#include "polyphony/trace.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include <time.h>

#include <cmocka.h>

static const char *const names[] = { "load", "emit", "write" };
static const struct trace_settings plain = {
    .mode = TRACE_SPANS, .n_stage = 3, .stage_name = names, .n_thread = 1, .n_rank = 1
};

static struct trace *open_trace(struct trace_settings settings)
{
    struct trace *trace = NULL;
    struct error err = { "" };

    if (trace_open(&settings, &trace, &err))
        fail_msg("%s", err.text);
    return trace;
}

static void sleep_ns(long ns)
{
    struct timespec pause = { .tv_nsec = ns };

    nanosleep(&pause, NULL);
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void a_new_trace_is_empty(void **state)
{
    struct trace *trace = open_trace(plain);
    struct trace_sums sums;
    size_t n = 1;
    uint32_t n_merge = 0;

    (void)state;
    trace_sum(trace, &sums);
    assert_string_equal(trace_stage_name(trace, 1), "emit");
    for (size_t s = 0; s < TRACE_STAGE_MAX; s++)
        assert_true(sums.ns[s] == 0 && sums.count[s] == 0 && sums.peak_rss_bytes[s] == 0);
    assert_true(sums.busy_ns == 0);
    assert_true(sums.n_galaxy == 0);
    trace_spans(trace_thread(trace, 0), &n, &n_merge);
    assert_int_equal(n, 0);
    assert_int_equal(n_merge, 1);
    trace_close(trace);
}

static void stages_that_follow_each_other_add_up_to_the_galaxy(void **state)
{
    struct trace *trace = open_trace(plain);
    struct trace_thread *thread = trace_thread(trace, 0);
    int64_t begin = trace_begin_galaxy(thread, 5, 100), now = begin;
    struct trace_sums sums;

    (void)state;
    for (size_t s = 0; s < 3; s++) {
        sleep_ns(1000000);
        now = trace_end(thread, s, now);
    }
    trace_end_galaxy(thread);
    trace_sum(trace, &sums);
    assert_true(sums.ns[0] + sums.ns[1] + sums.ns[2] == now - begin);
    for (size_t s = 0; s < 3; s++)
        assert_true(sums.ns[s] >= 1000000 && sums.count[s] == 1);
    assert_int_equal(sums.n_galaxy, 1);
    /* Measured around the whole: more by the time of the last call only, which is no millisecond. */
    assert_true(sums.busy_ns >= now - begin);
    assert_true(sums.busy_ns < now - begin + 1000000);
    trace_close(trace);
}

static void sums_are_over_all_threads(void **state)
{
    struct trace_settings settings = plain;
    struct trace *trace;
    struct trace_sums sums;

    (void)state;
    settings.n_thread = 3;
    trace = open_trace(settings);
    for (size_t t = 0; t < 3; t++)
        trace_span(trace_thread(trace, t), 1, 1000, 1000 + (int64_t)(t + 1));
    trace_sum(trace, &sums);
    assert_int_equal(sums.ns[1], 6);
    assert_int_equal(sums.count[1], 3);
    trace_close(trace);
}

static void without_a_thread_nothing_is_recorded(void **state)
{
    int64_t before = clock_ns(), begin = trace_begin_galaxy(NULL, 1, 2), end = trace_end(NULL, 0, begin);

    (void)state;
    trace_span(NULL, 0, 1, 2);
    trace_end_galaxy(NULL);
    assert_true(before <= begin);
    assert_true(begin <= end);
}

/* ---- spans ------------------------------------------------------------------------------------ */

static void a_span_says_what_when_and_for_whom(void **state)
{
    struct trace *trace = open_trace(plain);
    struct trace_thread *thread = trace_thread(trace, 0);
    const struct trace_span_row *span;
    size_t n = 0;
    uint32_t n_merge = 0;

    (void)state;
    trace_span(thread, 2, 10, 30);
    trace_begin_galaxy(thread, 7, 1234);
    trace_span(thread, 0, 30, 35);
    trace_end_galaxy(thread);
    trace_span(thread, 1, 40, 50);
    span = trace_spans(thread, &n, &n_merge);
    assert_int_equal(n, 3);
    assert_true(span[0].stage == 2);
    assert_true(span[0].galaxy == -1);
    assert_true(span[0].n_galaxy == 0);
    assert_true(span[0].n_particle == 0);
    assert_true(span[1].stage == 0);
    assert_true(span[1].galaxy == 7);
    assert_true(span[1].last_galaxy == 7);
    assert_true(span[1].n_galaxy == 1);
    assert_true(span[1].n_particle == 1234);
    assert_true(span[1].begin_ns == 30);
    assert_true(span[1].end_ns == 35);
    assert_true(span[1].busy_ns == 5);
    assert_true(span[1].n_merged == 1);
    assert_true(span[1].thread == 0);
    assert_true(span[2].galaxy == -1);
    assert_true(span[2].begin_ns == 40);
    trace_close(trace);
}

/* Three stages a galaxy of 10 ns each and 10 ns between galaxies, into a table of 8 rows. */
static void a_full_table_is_merged_and_loses_nothing(void **state)
{
    enum { N_GALAXY = 1000 };
    struct trace_settings settings = plain;
    struct trace *trace;
    struct trace_thread *thread;
    const struct trace_span_row *span;
    int64_t now = 0, n_merged = 0, busy = 0, n_galaxy = 0, goes_on = 0;
    uint64_t n_particle = 0;
    size_t n = 0;
    uint32_t n_merge = 0;
    struct trace_sums sums;

    (void)state;
    settings.n_span_max = 8;
    trace = open_trace(settings);
    thread = trace_thread(trace, 0);
    for (uint64_t g = 0; g < N_GALAXY; g++, now += 10) {
        trace_begin_galaxy(thread, g, 100);
        for (size_t s = 0; s < 3; s++, now += 10)
            trace_span(thread, s, now, now + 10);
        trace_end_galaxy(thread);
    }
    span = trace_spans(thread, &n, &n_merge);
    assert_true(n > 2);
    assert_true(n <= 8);
    assert_true(n_merge == 512); /* 3000 spans into 8 rows: 375, in powers of two */
    for (size_t i = 0; i < n; i++) {
        assert_true(span[i].n_merged <= (int32_t)n_merge);
        assert_true(span[i].stage == -1);
        assert_true(i == 0 || span[i].begin_ns >= span[i - 1].end_ns);
        n_merged += span[i].n_merged;
        busy += span[i].busy_ns;
        n_galaxy += span[i].n_galaxy;
        n_particle += span[i].n_particle;
        goes_on += i > 0 && span[i].galaxy == span[i - 1].last_galaxy;
        assert_true(span[i].n_galaxy == span[i].last_galaxy - span[i].galaxy + 1);
    }
    assert_int_equal(n_merged, 3 * N_GALAXY);
    assert_int_equal(busy, 30 * N_GALAXY);
    assert_int_equal(n_particle, 300 * N_GALAXY);
    assert_int_equal(n_galaxy - goes_on, N_GALAXY);
    assert_true(span[0].begin_ns == 0);
    assert_true(span[n - 1].end_ns == now - 10);
    trace_sum(trace, &sums);
    assert_true(sums.ns[1] == 10 * N_GALAXY);
    assert_true(sums.count[1] == N_GALAXY);
    trace_close(trace);
}

/* Groups of five, in two stages, of which the first comes in two parts. */
static void groups_are_counted_galaxy_by_galaxy(void **state)
{
    enum { N_GROUP = 400, N = 5 };
    struct trace_settings settings = plain;
    struct trace *trace;
    struct trace_thread *thread;
    const struct trace_span_row *span;
    int64_t now = 0, n_galaxy = 0, goes_on = 0;
    size_t n = 0;
    uint32_t n_merge = 0;
    struct trace_sums sums;

    (void)state;
    settings.n_span_max = 8;
    trace = open_trace(settings);
    thread = trace_thread(trace, 0);
    for (uint64_t g = 0; g < N_GROUP; g++, now += 30) {
        const uint64_t row[N] = { 5 * g, 5 * g + 1, 5 * g + 2, 5 * g + 3, 5 * g + 4 };

        trace_begin_group(thread, N, row, 100);
        trace_part(thread, 0, now, now + 10);
        trace_span(thread, 1, now + 10, now + 20);
        trace_span(thread, 0, now + 20, now + 30);
        trace_end_galaxy(thread);
    }
    span = trace_spans(thread, &n, &n_merge);
    for (size_t i = 0; i < n; i++) {
        assert_true(span[i].n_galaxy == span[i].last_galaxy - span[i].galaxy + 1);
        n_galaxy += span[i].n_galaxy;
        goes_on += i > 0 && span[i].galaxy <= span[i - 1].last_galaxy ? N : 0;
    }
    assert_int_equal(n_galaxy - goes_on, N_GROUP * N);
    trace_sum(trace, &sums);
    assert_true(sums.ns[0] == 20 * N_GROUP);
    assert_true(sums.count[0] == N_GROUP * N);
    assert_true(sums.count[1] == N_GROUP * N);
    assert_true(sums.n_galaxy == N_GROUP * N);
    trace_close(trace);
}

static void a_thread_has_rows_however_few_there_are(void **state)
{
    struct trace_settings settings = plain;
    struct trace *trace;
    const struct trace_span_row *span;
    size_t n = 0;
    uint32_t n_merge = 0;
    int64_t n_merged = 0;

    (void)state;
    settings.n_thread = 3;
    settings.n_span_max = 2;
    trace = open_trace(settings);
    for (int64_t i = 0; i < 100; i++)
        trace_span(trace_thread(trace, 2), 0, i, i + 1);
    span = trace_spans(trace_thread(trace, 2), &n, &n_merge);
    assert_true(n >= 1);
    assert_true(n <= 2);
    for (size_t i = 0; i < n; i++)
        n_merged += span[i].n_merged;
    assert_int_equal(n_merged, 100);
    trace_close(trace);
}

static void spans_of_one_stage_keep_it_when_merged(void **state)
{
    struct trace_settings settings = plain;
    struct trace *trace;
    const struct trace_span_row *span;
    size_t n = 0;
    uint32_t n_merge = 0;

    (void)state;
    settings.n_span_max = 2;
    trace = open_trace(settings);
    for (int64_t i = 0; i < 5; i++)
        trace_span(trace_thread(trace, 0), 1, 2 * i, 2 * i + 1);
    span = trace_spans(trace_thread(trace, 0), &n, &n_merge);
    assert_int_equal(n, 2);
    assert_int_equal(n_merge, 4);
    assert_true(span[0].stage == 1);
    assert_true(span[0].n_merged == 4);
    assert_true(span[0].busy_ns == 4);
    assert_true(span[0].end_ns == 7);
    assert_true(span[0].galaxy == -1);
    assert_true(span[0].n_galaxy == 0);
    trace_close(trace);
}

static void only_the_mode_spans_keeps_spans_and_samples(void **state)
{
    static const enum trace_mode modes[] = { TRACE_OFF, TRACE_SUMMARY };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct trace_settings settings = plain;
        struct trace *trace;
        struct trace_sums sums;
        size_t n = 1;
        uint32_t n_merge;
        uint64_t n_read;

        settings.mode = modes[i];
        settings.sample_hz = 1000;
        trace = open_trace(settings);
        trace_span(trace_thread(trace, 0), 1, 0, 10);
        assert_null(trace_spans(trace_thread(trace, 0), &n, &n_merge));
        assert_int_equal(n, 0);
        assert_null(trace_samples(trace, &n, &n_merge, &n_read));
        assert_int_equal(n, 0);
        trace_sum(trace, &sums);
        assert_int_equal(sums.ns[1], 10);
        trace_close(trace);
    }
}

/* ---- memory ----------------------------------------------------------------------------------- */

#define MIB ((size_t)1 << 20)

/* Pages that come and go at once. */
static void *take_pages(size_t n)
{
    char *pages = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(pages != MAP_FAILED);
    memset(pages, 1, n);
    return pages;
}

static void a_peak_belongs_to_the_stage_it_was_in(void **state)
{
    struct trace *trace = open_trace(plain);
    struct trace_thread *thread = trace_thread(trace, 0);
    struct trace_sums sums;
    uint64_t before = trace_peak_rss_bytes(trace);
    int64_t now = clock_ns();

    (void)state;
    now = trace_end(thread, 0, now);
    munmap(take_pages(64 * MIB), 64 * MIB);
    now = trace_end(thread, 1, now);
    trace_end(thread, 2, now);
    trace_sum(trace, &sums);
    if (!sums.peak_rss_bytes[0]) {
        trace_close(trace);
        print_message("the kernel does not set VmHWM back here\n");
        skip();
    }
    /* The kernel's counters lag by some pages a core. */
    assert_true(sums.peak_rss_bytes[1] > sums.peak_rss_bytes[0] + 63 * MIB);
    assert_true(sums.peak_rss_bytes[2] < sums.peak_rss_bytes[1] - 63 * MIB);
    assert_true(trace_peak_rss_bytes(trace) >= sums.peak_rss_bytes[1]);
    assert_true(before < sums.peak_rss_bytes[1]);
    trace_close(trace);
}

static void samples_follow_the_resident_set(void **state)
{
    struct trace_settings settings = plain;
    struct trace *trace;
    const struct trace_sample *sample;
    int64_t grown, shrunk;
    uint64_t low = UINT64_MAX, high = 0, after = 0;
    size_t n = 0;
    uint32_t n_merge;
    uint64_t n_read;
    void *pages;

    (void)state;
    settings.sample_hz = 1000;
    trace = open_trace(settings);
    sleep_ns(50000000);
    pages = take_pages(64 * MIB);
    grown = clock_ns();
    sleep_ns(50000000);
    shrunk = clock_ns();
    munmap(pages, 64 * MIB);
    sleep_ns(50000000);
    trace_stop(trace);
    sample = trace_samples(trace, &n, &n_merge, &n_read);
    assert_true(n > 10);
    assert_true(n_merge == 1);
    assert_true(n_read == n); /* 150 on an idle machine */
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || sample[i].time_ns > sample[i - 1].time_ns);
        if (sample[i].time_ns < grown)
            low = sample[i].rss_bytes < low ? sample[i].rss_bytes : low;
        else if (sample[i].time_ns < shrunk)
            high = sample[i].rss_bytes > high ? sample[i].rss_bytes : high;
        after = sample[i].rss_bytes;
    }
    assert_true(high > low + 63 * MIB);
    assert_true(after < high - 63 * MIB);
    trace_close(trace);
}

/* Times are multiples of unit_ns; false: on a machine this busy there were too few samples in them. */
static bool merge_samples_keeps_the_peak(struct trace_settings settings, int64_t unit_ns)
{
    struct trace *trace = open_trace(settings);
    const struct trace_sample *sample;
    uint64_t high = 0, n_read = 0;
    size_t n = 0;
    uint32_t n_merge = 0;
    void *pages;

    /* Early, but not in the first row: its rows are merged into one, of which they are the later part. */
    sleep_ns(unit_ns);
    pages = take_pages(64 * MIB);
    sleep_ns(2 * unit_ns);
    munmap(pages, 64 * MIB);
    sleep_ns(17 * unit_ns);
    trace_stop(trace);
    trace_stop(trace);
    sample = trace_samples(trace, &n, &n_merge, &n_read);
    for (size_t i = 0; i < n; i++)
        high = sample[i].rss_bytes > high ? sample[i].rss_bytes : high;
    if (n_read > 40) {
        assert_true(n >= 2);
        assert_true(n <= 4);
        assert_true(n_merge >= 4);
        assert_true(n * n_merge >= n_read);
        assert_true((n - 1) * n_merge < n_read);
        assert_true(high > sample[n - 1].rss_bytes + 32 * MIB);
    }
    trace_close(trace);
    return n_read > 40;
}

static void merged_samples_keep_the_peak(void **state)
{
    struct trace_settings settings = plain;
    int64_t unit_ns = 10000000;

    (void)state;
    settings.sample_hz = TRACE_HZ_MAX;
    settings.n_sample_max = 5; /* rows go in pairs: no read may be lost with an odd one */
    while (!merge_samples_keeps_the_peak(settings, unit_ns)) {
        unit_ns *= 4;
        assert_true(unit_ns < 1000000000);
    }
}

static void signals_do_not_reach_the_sampler(void **state)
{
    struct trace_settings settings = plain;
    struct trace *trace;
    sigset_t set, pending;

    (void)state;
    settings.sample_hz = 10;
    trace = open_trace(settings);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR1);
    sleep_ns(20000000);
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGUSR1)); /* had the sampler taken it, the test would be dead */
    signal(SIGUSR1, SIG_IGN);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    trace_close(trace);
}

/* ---- batches ---------------------------------------------------------------------------------- */

static struct trace_batch made_batch(int rank, int64_t i)
{
    return (struct trace_batch) { .rank = rank,
                                  .n_galaxy = 2,
                                  .n_batch = 1,
                                  .first_row = i,
                                  .predicted_s = (double)i,
                                  .measured_s = 0.5,
                                  .dealt_ns = i,
                                  .done_ns = i + 1 };
}

static void batches_are_merged_by_rank_and_none_is_lost(void **state)
{
    struct trace_settings settings = plain;
    struct trace *trace;
    const struct trace_batch *batch;
    int64_t n_batch[3] = { 0 }, n_galaxy = 0, last_done_ns = 0;
    double cost = 0.0;
    size_t n = 0;
    bool is_last_there = false;

    (void)state;
    settings.is_dealer = true;
    settings.n_rank = 3;
    settings.n_batch_max = 12;
    trace = open_trace(settings);
    for (int64_t i = 0; i < 1000; i++) {
        struct trace_batch made = made_batch(i < 100 ? 1 : i % 2 ? 1 : 2, i);

        trace_add_batch(trace, &made);
        last_done_ns = made.done_ns;
    }
    batch = trace_batches(trace, &n);
    assert_true(n > 0);
    assert_true(n <= 12);
    for (size_t i = 0; i < n; i++) {
        assert_true(batch[i].done_ns > batch[i].dealt_ns);
        n_batch[batch[i].rank] += batch[i].n_batch;
        n_galaxy += batch[i].n_galaxy;
        cost += batch[i].predicted_s;
        is_last_there |= batch[i].done_ns == last_done_ns;
    }
    assert_true(is_last_there); /* a merged row ends when the last of its batches did */
    assert_int_equal(n_batch[0], 0);
    assert_int_equal(n_batch[1], 100 + 450);
    assert_int_equal(n_batch[2], 450);
    assert_int_equal(n_galaxy, 2000);
    assert_true(cost == 999.0 * 1000.0 / 2.0); /* whole numbers: exact */
    trace_close(trace);
}

static void the_fit_finds_what_a_galaxy_and_a_unit_of_cost_take(void **state)
{
    struct trace_settings settings = plain;
    struct trace *trace;
    double per_galaxy = 0.0, per_cost = 0.0;

    (void)state;
    settings.is_dealer = true;
    trace = open_trace(settings);
    trace_fit_costs(trace, &per_galaxy, &per_cost);
    assert_true(isnan(per_galaxy));
    assert_true(isnan(per_cost));
    for (int64_t i = 1; i < 50; i++) {
        struct trace_batch made = made_batch(0, i * i);

        made.n_galaxy = (int32_t)(1 + i % 7);
        made.measured_s = 0.003 * made.n_galaxy + 2e-5 * made.predicted_s;
        trace_add_batch(trace, &made);
    }
    trace_fit_costs(trace, &per_galaxy, &per_cost);
    /* Rounding of normal equations: 1e-16 times their condition, about 1e4. */
    assert_true(fabs(per_galaxy / 0.003 - 1.0) < 1e-10);
    assert_true(fabs(per_cost / 2e-5 - 1.0) < 1e-10);
    trace_close(trace);
}

static void costs_proportional_to_galaxies_fit_nothing(void **state)
{
    struct trace_settings settings = plain;
    struct trace *trace;
    double per_galaxy = 0.0, per_cost = 0.0;

    (void)state;
    settings.is_dealer = true;
    trace = open_trace(settings);
    for (int64_t i = 1; i < 50; i++) {
        struct trace_batch made = made_batch(0, i);

        made.n_galaxy = (int32_t)i;
        trace_add_batch(trace, &made);
    }
    trace_fit_costs(trace, &per_galaxy, &per_cost);
    assert_true(isnan(per_galaxy));
    assert_true(isnan(per_cost));
    trace_close(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_trace_is_empty),
        cmocka_unit_test(stages_that_follow_each_other_add_up_to_the_galaxy),
        cmocka_unit_test(sums_are_over_all_threads),
        cmocka_unit_test(without_a_thread_nothing_is_recorded),
        cmocka_unit_test(a_span_says_what_when_and_for_whom),
        cmocka_unit_test(a_full_table_is_merged_and_loses_nothing),
        cmocka_unit_test(groups_are_counted_galaxy_by_galaxy),
        cmocka_unit_test(a_thread_has_rows_however_few_there_are),
        cmocka_unit_test(spans_of_one_stage_keep_it_when_merged),
        cmocka_unit_test(only_the_mode_spans_keeps_spans_and_samples),
        cmocka_unit_test(a_peak_belongs_to_the_stage_it_was_in),
        cmocka_unit_test(samples_follow_the_resident_set),
        cmocka_unit_test(merged_samples_keep_the_peak),
        cmocka_unit_test(signals_do_not_reach_the_sampler),
        cmocka_unit_test(batches_are_merged_by_rank_and_none_is_lost),
        cmocka_unit_test(the_fit_finds_what_a_galaxy_and_a_unit_of_cost_take),
        cmocka_unit_test(costs_proportional_to_galaxies_fit_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
