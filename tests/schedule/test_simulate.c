/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Simulated runs: against what can be said without simulating. Costs are made by counters, so every run of
 * the test is the same.
 */
#include "polyphony/simulate.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

#include "../support.h"

/* Seconds are summed in float per row, and thousands of times in double: */
#define SMALL 1e-6

static const enum dealer_mode modes[] = { DEALER_DYNAMIC, DEALER_STATIC_BLOCK, DEALER_STATIC_CYCLIC,
                                          DEALER_STATIC_LPT };
#define N_MODE (sizeof(modes) / sizeof(*modes))

/* What rows take, and the dealer knows it exactly unless `scatter` is asked for. */
struct rows {
    size_t n;
    struct dealer_item *item;
    float *seconds;
};

static struct rows make_rows(size_t n)
{
    struct rows rows = { .n = n,
                         .item = calloc(n + 1, sizeof(*rows.item)),
                         .seconds = calloc(n + 1, sizeof(*rows.seconds)) };

    assert_non_null(rows.item);
    assert_non_null(rows.seconds);
    return rows;
}

static void set_row(struct rows *rows, size_t i, double predicted_s, double seconds)
{
    rows->item[i] =
        (struct dealer_item) { .row = (uint32_t)i, .bytes = 1e6F, .term = { (float)predicted_s } };
    rows->seconds[i] = (float)seconds;
}

static struct rows make_equal_rows(size_t n, double seconds)
{
    struct rows rows = make_rows(n);

    for (size_t i = 0; i < n; i++)
        set_row(&rows, i, seconds, seconds);
    return rows;
}

/* 10 ms a galaxy and 10 us a star of 10^6 Msun: some three times jobs/mission.yaml with 2 threads. */
static struct rows make_galaxies(size_t n, double scatter)
{
    struct rows rows = make_rows(n);

    for (size_t i = 0; i < n; i++) {
        double predicted_s = 1e-2 + 1e-5 * simulate_mass_msun(1, i) / 1e6;

        set_row(&rows, i, predicted_s, predicted_s * simulate_scatter(2, i, scatter));
    }
    return rows;
}

static void free_rows(struct rows *rows)
{
    free(rows->item);
    free(rows->seconds);
}

static struct simulate_settings settings_for(enum dealer_mode mode, size_t n_worker)
{
    return (struct simulate_settings) { .dealer = { .mode = mode,
                                                    .n_worker = n_worker,
                                                    .n_max_batch = 64,
                                                    .max_batch_bytes = 1e12,
                                                    .cost_s = { 0.0, 1.0, 0.0 } } };
}

/* What holds for every run is tested for every run. */
static struct simulate_outcome simulate(const struct simulate_settings *settings, const struct rows *rows)
{
    struct simulate_outcome out = { 0 };
    struct error err = { 0 };
    double n_worker = (double)settings->dealer.n_worker, sum_s;

    assert_int_equal(simulate_run(settings, rows->n, rows->item, rows->seconds, &out, &err), 0);
    assert_int_equal(out.n_row, rows->n);
    assert_true(out.wall_s >= (out.bound_s + settings->start_up_s) * (1.0 - SMALL));
    assert_true(out.efficiency <= 1.0 + SMALL);
    assert_true(out.dealer_load <= 1.0 + SMALL);
    assert_true(out.disk_load <= 1.0 + SMALL);
    sum_s = out.busy_s + out.start_up_s + out.wait_deal_s + out.wait_disk_s + out.tail_s + out.lost_s;
    assert_near(sum_s / (n_worker * out.wall_s), 1.0, SMALL);
    return out;
}

/* ---- limits that can be worked out ------------------------------------------------------------------- */

static void one_worker_takes_the_sum_in_every_mode(void **state)
{
    struct rows rows = make_galaxies(1000, 0.3);

    (void)state;
    for (size_t m = 0; m < N_MODE; m++) {
        struct simulate_settings settings = settings_for(modes[m], 1);
        struct simulate_outcome out = simulate(&settings, &rows);

        assert_near(out.wall_s, out.total_s, SMALL * out.total_s);
        assert_int_equal(simulate_find_limit(&out), SIMULATE_WORK);
    }
    free_rows(&rows);
}

static void equal_costs_are_shared_evenly_in_every_mode(void **state)
{
    struct rows rows = make_equal_rows(7 * 100, 0.25);

    (void)state;
    for (size_t m = 0; m < N_MODE; m++) {
        struct simulate_settings settings = settings_for(modes[m], 7);
        struct simulate_outcome out = simulate(&settings, &rows);

        /* Guided batches need not come out even: one row too many at most. */
        double slack_s = modes[m] == DEALER_DYNAMIC ? 0.25 : 0.0;

        assert_true(out.wall_s <= 25.0 + slack_s + SMALL);
        assert_true(out.idle_tail_s <= slack_s + SMALL);
    }
    free_rows(&rows);
}

static void no_rows_take_the_start_up_only(void **state)
{
    struct rows rows = make_rows(0);

    (void)state;
    for (size_t m = 0; m < N_MODE; m++) {
        struct simulate_settings settings = settings_for(modes[m], 5);
        struct simulate_outcome out;

        settings.start_up_s = 3.0;
        out = simulate(&settings, &rows);
        assert_true(out.wall_s == 3.0);
        assert_int_equal(out.n_batch, 0);
    }
    free_rows(&rows);
}

static void the_largest_row_limits_many_workers(void **state)
{
    struct rows rows = make_equal_rows(1000, 0.001);
    struct simulate_settings settings = settings_for(DEALER_DYNAMIC, 100);
    struct simulate_outcome out;

    (void)state;
    set_row(&rows, 567, 2.0, 2.0);
    out = simulate(&settings, &rows);
    assert_near(out.wall_s, 2.0, SMALL);
    assert_int_equal(simulate_find_limit(&out), SIMULATE_LARGEST);
    free_rows(&rows);
}

static void blocks_of_unequal_rows_are_limited_by_their_shares(void **state)
{
    struct rows rows = make_equal_rows(1000, 0.001);
    struct simulate_settings settings = settings_for(DEALER_STATIC_BLOCK, 10);
    struct simulate_outcome out;

    (void)state;
    for (size_t i = 0; i < 100; i++) /* the first worker's */
        set_row(&rows, i, 0.1, 0.1);
    out = simulate(&settings, &rows);
    assert_near(out.wall_s, 10.0, 10.0 * SMALL);
    assert_near(out.idle_tail_s, 9.9, 10.0 * SMALL);
    assert_int_equal(simulate_find_limit(&out), SIMULATE_SHARES);
    settings.dealer.mode = DEALER_STATIC_CYCLIC;
    out = simulate(&settings, &rows);
    assert_near(out.wall_s, 1.09, SMALL);
    free_rows(&rows);
}

/* ---- messages ------------------------------------------------------------------------------------------ */

/* One worker, one row a batch, no advance (the second batch is dealt in advance, so two are on their way): a
 * row of no seconds takes one round trip for two. */
static void messages_take_their_time_both_ways(void **state)
{
    struct rows rows = make_equal_rows(1, 1.0);
    struct simulate_settings settings = settings_for(DEALER_DYNAMIC, 1);
    struct simulate_outcome out;

    (void)state;
    settings.latency_s = 0.125;
    settings.service_s = 0.03125;
    settings.start_up_s = 0.5;
    out = simulate(&settings, &rows);
    /* Dealt and sent, on its way, computed, on its way, taken in: all sums of powers of two. */
    assert_true(out.wall_s == 0.5 + 0.03125 + 0.125 + 1.0 + 0.125 + 0.03125);
    assert_true(out.wait_deal_s == 0.03125 + 0.125);
    assert_true(out.tail_s == 0.125 + 0.03125);
    assert_true(out.dealer_load == 0.0625 / out.wall_s);
    free_rows(&rows);
}

static void batches_dealt_in_advance_hide_the_latency(void **state)
{
    struct rows rows = make_equal_rows(4000, 0.01);
    struct simulate_settings settings = settings_for(DEALER_DYNAMIC, 4);
    struct simulate_outcome out;

    (void)state;
    settings.latency_s =
        0.002; /* a fifth of a row: four of a thousand rows of a worker are dealt one by one */
    out = simulate(&settings, &rows);
    assert_true(out.efficiency > 0.995);
    free_rows(&rows);
}

static void a_dealer_that_is_busy_limits_the_run(void **state)
{
    struct rows rows = make_equal_rows(20000, 0.001);
    struct simulate_settings settings = settings_for(DEALER_DYNAMIC, 1000);
    struct simulate_outcome out;

    (void)state;
    settings.dealer.n_max_batch = 1;
    settings.service_s = 1e-4;
    out = simulate(&settings, &rows);
    /* Two messages a row, whatever the workers do. */
    assert_near(out.wall_s, 20000 * 2e-4, 20000 * 2e-4 * 0.01);
    assert_true(out.dealer_load > 0.99);
    assert_int_equal(simulate_find_limit(&out), SIMULATE_DEALING);
    free_rows(&rows);
}

/* ---- the disk ------------------------------------------------------------------------------------------ */

static void a_slow_disk_limits_the_run_to_its_bandwidth(void **state)
{
    struct rows rows = make_equal_rows(2000, 0.001);

    (void)state;
    for (size_t m = 0; m < N_MODE; m++) {
        struct simulate_settings settings = settings_for(modes[m], 50);
        struct simulate_outcome out;
        double bytes = 2000 * (1e6 + 5e5);

        settings.bytes_per_s = 1e8;
        settings.written_bytes = 5e5;
        out = simulate(&settings, &rows);
        /* The rows of the last few batches are in transfer alone. */
        assert_near(out.wall_s, bytes / 1e8, 0.02 * bytes / 1e8);
        assert_int_equal(simulate_find_limit(&out), SIMULATE_DISK);
    }
    free_rows(&rows);
}

static void reading_ahead_hides_a_disk_that_is_fast_enough(void **state)
{
    struct rows rows = make_equal_rows(1000, 0.01);
    struct simulate_settings settings = settings_for(DEALER_DYNAMIC, 1);
    struct simulate_outcome out;

    (void)state;
    settings.bytes_per_s = 2e8; /* half of what a row takes */
    out = simulate(&settings, &rows);
    /* But for the first row, and the last three, dealt one by one when it asks. */
    assert_near(out.wall_s, 10.0 + 0.005 + 3 * 0.005, 10.0 * SMALL);
    settings.written_bytes = 4e5; /* these are waited for: 2 ms a row */
    out = simulate(&settings, &rows);
    assert_near(out.wall_s, 12.0 + 0.005 + 3 * 0.005, 12.0 * SMALL);
    settings.bytes_per_s =
        5e7; /* reading takes twice as long as computing, and the row is written in between */
    out = simulate(&settings, &rows);
    assert_near(out.disk_load, 1.0, 0.01);
    assert_near(out.wall_s, 1000 * 1.4e6 / 5e7, 0.05);
    free_rows(&rows);
}

/* ---- workers that are lost ----------------------------------------------------------------------------- */

static void lost_workers_cost_their_time_and_no_row(void **state)
{
    struct rows rows = make_galaxies(20000, 0.3);
    const struct simulate_loss loss[] = { { 3, 1.0 }, { 5, 4.0 }, { 5, 5.0 }, { 0, 1e9 }, { 7, 0.0 } };

    (void)state;
    for (size_t m = 0; m < N_MODE; m++)
        for (int has_disk = 0; has_disk < 2; has_disk++) {
            struct simulate_settings settings = settings_for(modes[m], 10);
            struct simulate_outcome whole, out;

            settings.latency_s = 1e-5;
            settings.service_s = 1e-6;
            settings.bytes_per_s = has_disk ? 1e9 : 0.0;
            whole = simulate(&settings, &rows);
            settings.silence_s = 10.0;
            settings.n_loss = sizeof(loss) / sizeof(*loss);
            settings.loss = loss;
            out = simulate(&settings, &rows); /* which asks for all rows */
            assert_true(out.wall_s > whole.wall_s);
            assert_true(out.lost_s > 0.0);
        }
    free_rows(&rows);
}

/* The other one has been idle since 1 s, and asks no more: it must be given the row when the first is missed. */
static void an_idle_worker_takes_over_what_a_lost_one_held(void **state)
{
    struct rows rows = make_equal_rows(2, 1.0);
    struct simulate_settings settings = settings_for(DEALER_DYNAMIC, 2);
    const struct simulate_loss loss = { 0, 0.5 };
    struct simulate_outcome out;

    (void)state;
    settings.silence_s = 10.0;
    settings.n_loss = 1;
    settings.loss = &loss;
    out = simulate(&settings, &rows);
    assert_true(out.wall_s == 0.5 + 10.0 + 1.0);
    assert_true(out.lost_s == 11.5);
    free_rows(&rows);
}

static void without_workers_the_simulation_ends_and_says_what_is_done(void **state)
{
    struct rows rows = make_equal_rows(100, 1.0);
    struct simulate_settings settings = settings_for(DEALER_DYNAMIC, 2);
    const struct simulate_loss loss[] = { { 0, 10.5 }, { 1, 20.5 } };
    struct simulate_outcome out;
    struct error err = { 0 };

    (void)state;
    settings.n_loss = 2;
    settings.loss = loss;
    settings.dealer.n_max_batch = 1;
    assert_int_equal(simulate_run(&settings, rows.n, rows.item, rows.seconds, &out, &err), 0);
    assert_int_equal(out.n_row, 10 + 20);
    free_rows(&rows);
}

/* ---- large runs ---------------------------------------------------------------------------------------- */

static void a_million_galaxies_on_4096_workers_come_within_two_percent_of_the_bound(void **state)
{
    struct rows rows = make_galaxies(1000000, 0.0);

    (void)state;
    for (size_t n_worker = 8; n_worker <= 4096; n_worker *= 8) {
        struct simulate_settings settings = settings_for(DEALER_DYNAMIC, n_worker);
        struct simulate_outcome out;

        settings.latency_s = 3e-5;
        settings.service_s = 2e-6;
        out = simulate(&settings, &rows);
        assert_true(out.wall_s <= 1.02 * out.bound_s);
        print_message(
            "  %5zu workers: bound %.4g s, wall %.4g s (%+.2f %%), rank 0 busy %.2f %%, %zu batches\n",
            n_worker, out.bound_s, out.wall_s, 100.0 * (out.wall_s / out.bound_s - 1.0),
            100.0 * out.dealer_load, out.n_batch);
    }
    free_rows(&rows);
}

/* The dealer cannot know what it is not told. Messages take no time here: what is left is what it does not
 * know. */
static void costs_missed_by_a_third_cost_a_few_percent(void **state)
{
    struct rows rows = make_galaxies(1000000, 0.3);
    struct simulate_settings settings = settings_for(DEALER_DYNAMIC, 4096);
    struct simulate_outcome out, known;

    (void)state;
    out = simulate(&settings, &rows);
    for (size_t i = 0; i < rows.n; i++)
        rows.item[i].term[0] = rows.seconds[i];
    known = simulate(&settings, &rows);
    print_message("  scatter 0.3: bound %.4g s, wall %.4g s (%+.2f %%); known exactly %.4g s\n", out.bound_s,
                  out.wall_s, 100.0 * (out.wall_s / out.bound_s - 1.0), known.wall_s);
    assert_true(known.wall_s <= 1.01 * known.bound_s);
    assert_true(out.wall_s <= 1.05 * out.bound_s);
    assert_true(known.wall_s <= out.wall_s);
    free_rows(&rows);
}

/* A guess that rates stars too high does not matter. One that rates them too low does: the first batches, of
 * large galaxies, are too long, and no report comes before they are dealt. Refining must not make it worse. */
static void a_wrong_guess_matters_in_the_first_batches_only(void **state)
{
    struct rows rows = make_galaxies(20000, 0.1);
    struct simulate_settings settings = settings_for(DEALER_DYNAMIC, 64);
    struct simulate_outcome high, low, refined;

    (void)state;
    for (size_t i = 0; i < rows.n; i++)
        rows.item[i].term[0] = (rows.item[i].term[0] - 1e-2F) / 1e-5F;
    settings.refines = true;
    settings.dealer.cost_s[0] = 1e-2 / 3.0;
    settings.dealer.cost_s[1] = 3e-5;
    high = simulate(&settings, &rows);
    settings.dealer.cost_s[0] = 3e-2;
    settings.dealer.cost_s[1] = 1e-5 / 3.0;
    refined = simulate(&settings, &rows);
    settings.refines = false;
    low = simulate(&settings, &rows);
    print_message("  bound %.4g s; stars rated high: %.4g s, low: %.4g s, low and refined: %.4g s\n",
                  high.bound_s, high.wall_s, low.wall_s, refined.wall_s);
    assert_true(high.wall_s <= 1.02 * high.bound_s);
    assert_true(refined.wall_s <= 1.01 * low.wall_s);
    free_rows(&rows);
}

static void the_same_run_twice_is_the_same(void **state)
{
    struct rows rows = make_galaxies(50000, 0.5);

    (void)state;
    for (size_t m = 0; m < N_MODE; m++) {
        struct simulate_settings settings = settings_for(modes[m], 33);
        struct simulate_outcome a, b;

        settings.latency_s = 1e-5;
        settings.service_s = 1e-6;
        settings.bytes_per_s = 1e10;
        a = simulate(&settings, &rows);
        b = simulate(&settings, &rows);
        assert_memory_equal(&a, &b, sizeof(a));
    }
    free_rows(&rows);
}

/* ---- made-up numbers ----------------------------------------------------------------------------------- */

static void scatter_has_mean_one_and_its_width(void **state)
{
    const size_t n = 1000000;
    double sum = 0.0, logs = 0.0, squares = 0.0;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        double factor = simulate_scatter(9, i, 0.3);

        sum += factor;
        logs += log(factor);
        squares += log(factor) * log(factor);
    }
    logs /= (double)n;
    /* Five standard errors of 10^6 numbers. */
    assert_near(sum / (double)n, 1.0, 5.0 * 0.31 / 1000.0);
    assert_near(logs, -0.045, 5.0 * 0.3 / 1000.0);
    assert_near(sqrt(squares / (double)n - logs * logs), 0.3, 5.0 * 0.3 / 1414.0);
    assert_true(simulate_scatter(9, 5, 0.0) == 1.0);
}

/* Numbers in two ranges of mass stand in the ratio of the function's integrals (trapezia in log M). */
static void masses_follow_the_schechter_function(void **state)
{
    const size_t n = 1000000, n_step = 10000;
    const double star = pow(10.0, 10.7);
    double part[2] = { 0 }, n_high = 0.0;

    (void)state;
    for (size_t k = 0; k < n_step; k++) {
        double mass = 1e8 * pow(1e4, ((double)k + 0.5) / (double)n_step);

        part[mass > 1e10] += pow(mass / star, -0.4) * exp(-mass / star);
    }
    for (size_t i = 0; i < n; i++) {
        double mass = simulate_mass_msun(4, i);

        assert_true(mass >= 0.999999e8);
        assert_true(mass <= 1e12);
        n_high += mass > 1e10;
    }
    /* Five standard errors of a share of about a tenth. */
    assert_near(n_high / (double)n, part[1] / (part[0] + part[1]), 5.0 * 0.3 / 1000.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_worker_takes_the_sum_in_every_mode),
        cmocka_unit_test(equal_costs_are_shared_evenly_in_every_mode),
        cmocka_unit_test(no_rows_take_the_start_up_only),
        cmocka_unit_test(the_largest_row_limits_many_workers),
        cmocka_unit_test(blocks_of_unequal_rows_are_limited_by_their_shares),
        cmocka_unit_test(messages_take_their_time_both_ways),
        cmocka_unit_test(batches_dealt_in_advance_hide_the_latency),
        cmocka_unit_test(a_dealer_that_is_busy_limits_the_run),
        cmocka_unit_test(a_slow_disk_limits_the_run_to_its_bandwidth),
        cmocka_unit_test(reading_ahead_hides_a_disk_that_is_fast_enough),
        cmocka_unit_test(lost_workers_cost_their_time_and_no_row),
        cmocka_unit_test(an_idle_worker_takes_over_what_a_lost_one_held),
        cmocka_unit_test(without_workers_the_simulation_ends_and_says_what_is_done),
        cmocka_unit_test(a_million_galaxies_on_4096_workers_come_within_two_percent_of_the_bound),
        cmocka_unit_test(costs_missed_by_a_third_cost_a_few_percent),
        cmocka_unit_test(a_wrong_guess_matters_in_the_first_batches_only),
        cmocka_unit_test(the_same_run_twice_is_the_same),
        cmocka_unit_test(scatter_has_mean_one_and_its_width),
        cmocka_unit_test(masses_follow_the_schechter_function),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
