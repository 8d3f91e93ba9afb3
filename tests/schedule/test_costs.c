/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Costs learnt from reports. Rows are like galaxies: some milliseconds each, microseconds a particle.
 */
#include "polyphony/dealer.h"

#include <math.h>

#include "../support.h"

static const double guess_s[COST_N_TERM] = { 1e-2, 2e-6, 5e-7 };

/* The terms of a batch: rows, star and gas particles. */
static void draw_terms(uint64_t *seed, double ret_term[COST_N_TERM])
{
    ret_term[0] = floor(uniform(seed, 1.0, 20.0));
    ret_term[1] = ret_term[0] * pow(10.0, uniform(seed, 2.0, 5.0));
    ret_term[2] = ret_term[0] * pow(10.0, uniform(seed, 2.0, 5.0));
}

static double cost_of_s(const double cost_s[COST_N_TERM], const double term[COST_N_TERM])
{
    double sum = 0.0;

    for (size_t i = 0; i < COST_N_TERM; i++)
        sum += cost_s[i] * term[i];
    return sum;
}

/* n reports of a machine with these true costs, each off by a factor of up to 1 +- noise. */
static void add_reports(struct cost_model *model, const double true_s[COST_N_TERM], size_t n, double noise,
                        uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        double term[COST_N_TERM];

        draw_terms(&seed, term);
        cost_model_add(model, term, cost_of_s(true_s, term) * (1.0 + uniform(&seed, -noise, noise)));
    }
}

static void expect_costs(const struct cost_model *model, const double expected_s[COST_N_TERM],
                         double tolerance)
{
    double cost_s[COST_N_TERM];

    cost_model_fit(model, cost_s);
    for (size_t i = 0; i < COST_N_TERM; i++)
        assert_near(cost_s[i], expected_s[i], tolerance * expected_s[i]);
}

static void before_any_report_it_is_the_guess(void **state)
{
    struct cost_model model;

    (void)state;
    cost_model_begin(&model, guess_s, 1);
    expect_costs(&model, guess_s, 0.0);
}

static void exact_reports_of_the_guess_leave_it_as_it_is(void **state)
{
    struct cost_model model;

    (void)state;
    cost_model_begin(&model, guess_s, 1);
    add_reports(&model, guess_s, 100, 0.0, 1);
    /* Roundings, times how near to dependent the terms are (some ten). */
    expect_costs(&model, guess_s, 1e-12);
}

/*
 * The weakest term, gas, has 1/16 of the weight of all reports. So the guess, which counts as one report and
 * is off by a factor of two to six here, pulls by up to 16/n times that; noise averages to 0.25 / sqrt(3 n),
 * and 16 times that if it were all laid on this term.
 */
static void costs_are_recovered_from_noisy_reports(void **state)
{
    const double true_s[COST_N_TERM] = { 3e-2, 1e-6, 2e-6 };
    static const size_t n_report[] = { 100, 1000, 10000 };
    static const double noise[] = { 0.0, 0.25 };

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 2; k++)
            for (uint64_t seed = 1; seed <= 10; seed++) {
                struct cost_model model;
                double n = (double)n_report[i];

                cost_model_begin(&model, guess_s, 1);
                add_reports(&model, true_s, n_report[i], noise[k], seed);
                expect_costs(&model, true_s, 40.0 / n + 16.0 * noise[k] / sqrt(3.0 * n));
            }
}

/* Reports from a machine with nothing of a term, or noise far beyond it. */
static void no_cost_is_negative(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        const double true_s[COST_N_TERM] = { seed % 3 ? 1e-1 : 0.0, seed % 3 == 1 ? 0.0 : 1e-6, 0.0 };
        struct cost_model model;
        double cost_s[COST_N_TERM], sum = 0.0;

        cost_model_begin(&model, guess_s, 1);
        add_reports(&model, true_s, 1 + seed % 40, 0.999, seed);
        cost_model_fit(&model, cost_s);
        for (size_t i = 0; i < COST_N_TERM; i++) {
            assert_true(isfinite(cost_s[i]));
            assert_true(cost_s[i] >= 0.0);
            sum += cost_s[i];
        }
        assert_true(sum > 0.0);
    }
}

/* Seconds that fall with the number of stars: unconstrained, that coefficient is negative. Held at zero, the
 * others fit best: here all in the rows. */
static void a_cost_that_would_be_negative_is_zero_and_the_others_still_fit(void **state)
{
    struct cost_model model;
    double cost_s[COST_N_TERM];

    (void)state;
    cost_model_begin(&model, (const double[COST_N_TERM]) { 1.0, 1e-3, 0.0 }, 1);
    for (size_t i = 0; i < 1000; i++) {
        double n_star = (double)(i % 10) * 100.0;

        cost_model_add(&model, (const double[COST_N_TERM]) { 1.0, n_star, 0.0 }, 3.0 - 1e-3 * n_star);
    }
    cost_model_fit(&model, cost_s);
    assert_true(cost_s[1] == 0.0);
    /* Minimum of sum (3 - x - c)^2 / (1 + x), x = 0, 0.1 ... 0.9: sum (3 - x)/(1 + x) / sum 1/(1 + x). The
     * guess counts as one report in a thousand. */
    assert_near(cost_s[0], 2.61, 0.01);
}

/* Every batch alike: only the sum is determined. The proportions stay those of the guess. */
static void what_reports_do_not_determine_stays_as_guessed(void **state)
{
    static const double term[COST_N_TERM] = { 4.0, 4e3, 8e3 };
    double true_s = 2.5 * cost_of_s(guess_s, term), expected_s[COST_N_TERM];
    struct cost_model model;

    (void)state;
    for (size_t i = 0; i < COST_N_TERM; i++)
        expected_s[i] = 2.5 * guess_s[i];
    cost_model_begin(&model, guess_s, 1);
    for (size_t n = 1; n <= 100; n++) {
        cost_model_add(&model, term, true_s);
        /* The matrix has one large eigenvalue and small ones from the prior, 1/n of it: n roundings. */
        expect_costs(&model, expected_s, 1e-12);
    }
}

static void a_slower_machine_scales_all_costs(void **state)
{
    double slow_s[COST_N_TERM];
    struct cost_model model;

    (void)state;
    for (size_t i = 0; i < COST_N_TERM; i++)
        slow_s[i] = 3.0 * guess_s[i];
    for (size_t n = 1; n <= 64; n *= 4) {
        cost_model_begin(&model, guess_s, 1);
        add_reports(&model, slow_s, n, 0.0, n);
        expect_costs(&model, slow_s, 1e-12); /* also after a single report */
    }
}

static void nonsense_is_ignored(void **state)
{
    static const double seconds[] = { (double)NAN, (double)INFINITY, -1.0, -(double)INFINITY };
    const double term[COST_N_TERM] = { 1.0, 1e4, 1e4 };
    struct cost_model model;

    (void)state;
    cost_model_begin(&model, guess_s, 1);
    add_reports(&model, guess_s, 20, 0.0, 7);
    for (size_t i = 0; i < sizeof(seconds) / sizeof(*seconds); i++)
        cost_model_add(&model, term, seconds[i]);
    cost_model_add(&model, (const double[COST_N_TERM]) { 0.0, 0.0, 0.0 }, 5.0); /* seconds for nothing */
    cost_model_add(&model, (const double[COST_N_TERM]) { (double)NAN, 0.0, 0.0 }, 5.0);
    cost_model_add(&model, (const double[COST_N_TERM]) { (double)INFINITY, 0.0, 0.0 }, 5.0);
    assert_int_equal(model.n_report, 20);
    expect_costs(&model, guess_s, 1e-12);
}

static void a_clock_that_stands_still_teaches_nothing(void **state)
{
    const double term[COST_N_TERM] = { 1.0, 1e4, 1e4 };
    struct cost_model model;

    (void)state;
    cost_model_begin(&model, guess_s, 1);
    for (size_t i = 0; i < 20; i++)
        cost_model_add(&model, term, 0.0);
    expect_costs(&model, guess_s, 0.0);
}

static void a_cost_guessed_to_be_zero_stays_zero(void **state)
{
    const double without_gas_s[COST_N_TERM] = { 1e-2, 2e-6, 0.0 }, none[COST_N_TERM] = { 0.0 };
    const double slow_s[COST_N_TERM] = { 1e-2, 4e-6, 0.0 };
    struct cost_model model;

    (void)state;
    cost_model_begin(&model, without_gas_s, 1);
    add_reports(&model, slow_s, 1000, 0.0, 3);
    expect_costs(&model, slow_s, 1e-2); /* the guess counts as one report in a thousand, times ten as above */
    cost_model_begin(&model, none, 1);
    add_reports(&model, slow_s, 1000, 0.0, 3);
    expect_costs(&model, none, 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_any_report_it_is_the_guess),
        cmocka_unit_test(exact_reports_of_the_guess_leave_it_as_it_is),
        cmocka_unit_test(costs_are_recovered_from_noisy_reports),
        cmocka_unit_test(no_cost_is_negative),
        cmocka_unit_test(a_cost_that_would_be_negative_is_zero_and_the_others_still_fit),
        cmocka_unit_test(what_reports_do_not_determine_stays_as_guessed),
        cmocka_unit_test(a_slower_machine_scales_all_costs),
        cmocka_unit_test(nonsense_is_ignored),
        cmocka_unit_test(a_clock_that_stands_still_teaches_nothing),
        cmocka_unit_test(a_cost_guessed_to_be_zero_stays_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
