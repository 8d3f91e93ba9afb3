/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dealer, driven by made-up workers on a made-up clock: no MPI, no galaxies. Costs are random with fixed
 * seeds, so every run of the test deals alike.
 */
#include "polyphony/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const enum dealer_mode modes[] = { DEALER_DYNAMIC, DEALER_STATIC_BLOCK, DEALER_STATIC_CYCLIC,
                                          DEALER_STATIC_LPT };
#define N_MODE (sizeof(modes) / sizeof(*modes))

/* xorshift64*, Vigna 2016: good enough to shuffle. */
static double uniform(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * UINT64_C(2685821657736338717)) >> 11) * 0x1p-53;
}

static size_t below(uint64_t *state, size_t n)
{
    return (size_t)(uniform(state) * (double)n);
}

/* Rows of a catalogue with holes, as after a restart: row[i] = 3 i + 1. */
struct work {
    size_t n;
    uint64_t *row;
    double *cost;
    double total, largest;
};

static struct work make_work(size_t n, uint64_t seed, bool is_heavy_tailed)
{
    struct work work = { .n = n,
                         .row = calloc(n + 1, sizeof(uint64_t)),
                         .cost = calloc(n + 1, sizeof(double)) };

    for (size_t i = 0; i < n; i++) {
        double u = uniform(&seed);

        work.row[i] = 3 * i + 1;
        /* Pareto with exponent 1.2: a few galaxies dominate, as in a simulated volume. */
        work.cost[i] = is_heavy_tailed ? pow(1.0 - u, -1.0 / 1.2) : 0.5 + u;
        work.total += work.cost[i];
        work.largest = fmax(work.largest, work.cost[i]);
    }
    return work;
}

static void free_work(struct work *work)
{
    free(work->row);
    free(work->cost);
}

static struct dealer *open_dealer(const struct work *work, size_t n_worker, enum dealer_mode mode,
                                  size_t n_max_batch)
{
    struct dealer *dealer = NULL;
    struct error err = { "" };

    if (dealer_open(work->n, work->row, work->cost, n_worker, mode, n_max_batch, &dealer, &err))
        fail_msg("%s", err.text);
    return dealer;
}

static double cost_of(const struct work *work, uint64_t row)
{
    return work->cost[(row - 1) / 3];
}

/* ---- everything once ------------------------------------------------------------------------------- */

/* Workers ask in random order until each has been told once that nothing is left. */
static void deal_all(const struct work *work, size_t n_worker, enum dealer_mode mode, size_t n_max_batch)
{
    struct dealer *dealer = open_dealer(work, n_worker, mode, n_max_batch);
    uint64_t *batch = calloc(n_max_batch + 1, sizeof(*batch)), seed = 77 + n_worker;
    size_t *n_seen = calloc(work->n + 1, sizeof(*n_seen)), *asking = calloc(n_worker, sizeof(*asking));
    size_t n_asking = n_worker, n_deal = 0;

    for (size_t w = 0; w < n_worker; w++)
        asking[w] = w;
    while (n_asking > 0) {
        size_t i = below(&seed, n_asking), n;

        batch[n_max_batch] = UINT64_MAX;
        n = dealer_next(dealer, asking[i], batch);
        if (n > n_max_batch || batch[n_max_batch] != UINT64_MAX)
            fail_msg("mode %d, %zu workers: a batch of %zu, at most %zu are allowed", mode, n_worker, n,
                     n_max_batch);
        for (size_t k = 0; k < n; k++) {
            if (batch[k] % 3 != 1 || batch[k] > 3 * work->n)
                fail_msg("mode %d dealt row %llu, which was never given", mode, (unsigned long long)batch[k]);
            n_seen[(batch[k] - 1) / 3]++;
        }
        if (n == 0)
            asking[i] = asking[--n_asking];
        if (n_deal++ > work->n + n_worker)
            fail_msg("mode %d, %zu workers: no end after %zu deals", mode, n_worker, n_deal);
    }
    for (size_t i = 0; i < work->n; i++)
        if (n_seen[i] != 1)
            fail_msg("mode %d, %zu workers, batches of %zu: row %zu was dealt %zu times", mode, n_worker,
                     n_max_batch, 3 * i + 1, n_seen[i]);
    /* A difference of sums of up to 1000 terms in another order: 1000 roundings of the total. */
    if (fabs(dealer_cost_left(dealer)) > 1000 * 0x1p-52 * work->total)
        fail_msg("mode %d: cost %g left of %g when all is dealt", mode, dealer_cost_left(dealer),
                 work->total);
    free(batch);
    free(n_seen);
    free(asking);
    dealer_close(dealer);
}

static void every_row_is_dealt_exactly_once_in_all_modes(void **state)
{
    static const size_t n_row[] = { 1, 2, 7, 49, 1000 }, n_max_batch[] = { 1, 3, 64, 4096 };

    (void)state;
    for (size_t i = 0; i < sizeof(n_row) / sizeof(*n_row); i++) {
        struct work work = make_work(n_row[i], 11 + i, i % 2);

        for (size_t m = 0; m < N_MODE; m++)
            for (size_t n_worker = 1; n_worker <= 50; n_worker++)
                deal_all(&work, n_worker, modes[m], n_max_batch[n_worker % 4]);
        free_work(&work);
    }
}

static void no_rows_are_dealt_to_nobody(void **state)
{
    struct work work = make_work(0, 1, false);

    (void)state;
    for (size_t m = 0; m < N_MODE; m++) {
        struct dealer *dealer = open_dealer(&work, 5, modes[m], 8);
        uint64_t row[8];

        for (size_t w = 0; w < 5; w++)
            assert_int_equal(dealer_next(dealer, w, row), 0);
        assert_true(dealer_cost_total(dealer) == 0.0 && dealer_cost_left(dealer) == 0.0);
        dealer_close(dealer);
    }
    free_work(&work);
    dealer_close(NULL);
}

static void a_million_rows_are_dealt(void **state)
{
    struct work work = make_work(1000000, 5, true);

    (void)state;
    for (size_t m = 0; m < N_MODE; m++) {
        struct dealer *dealer = open_dealer(&work, 64, modes[m], 64);
        uint64_t row[64];
        size_t n_dealt = 0;

        for (size_t w = 0; w < 64; w++)
            for (size_t n; (n = dealer_next(dealer, w, row)) > 0;)
                n_dealt += n;
        assert_int_equal(n_dealt, 1000000);
        dealer_close(dealer);
    }
    free_work(&work);
}

static void no_batch_is_larger_than_a_message(void **state)
{
    struct work work = make_work(3 * DEALER_BATCH_MAX, 9, false);

    (void)state;
    for (size_t m = 0; m < N_MODE; m++) {
        /* The user may ask for any number; buffers of messages hold DEALER_BATCH_MAX. */
        struct dealer *dealer = open_dealer(&work, 1, modes[m], SIZE_MAX);
        uint64_t *row = calloc(work.n, sizeof(*row));
        size_t n_dealt = 0;

        for (size_t n; (n = dealer_next(dealer, 0, row)) > 0; n_dealt += n)
            assert_true(n <= DEALER_BATCH_MAX);
        assert_int_equal(n_dealt, work.n);
        free(row);
        dealer_close(dealer);
    }
    free_work(&work);
}

/* ---- in which order ---------------------------------------------------------------------------------- */

static void the_largest_go_first_when_dealt_dynamically(void **state)
{
    struct work work = make_work(500, 3, true);
    struct dealer *dealer = open_dealer(&work, 7, DEALER_DYNAMIC, 16);
    double last = INFINITY;
    uint64_t row[16];

    (void)state;
    for (size_t w = 0, n; (n = dealer_next(dealer, w, row)) > 0; w = (w + 1) % 7)
        for (size_t k = 0; k < n; k++) {
            assert_true(cost_of(&work, row[k]) <= last);
            last = cost_of(&work, row[k]);
        }
    dealer_close(dealer);
    free_work(&work);
}

static void a_dynamic_batch_is_one_row_or_within_its_share(void **state)
{
    struct work work = make_work(2000, 21, true);
    struct dealer *dealer = open_dealer(&work, 9, DEALER_DYNAMIC, 64);
    double left = dealer_cost_left(dealer);
    size_t n_many = 0;
    uint64_t row[64];

    (void)state;
    for (size_t n; (n = dealer_next(dealer, 0, row)) > 0; left = dealer_cost_left(dealer)) {
        double cost = 0.0;

        for (size_t k = 0; k < n; k++)
            cost += cost_of(&work, row[k]);
        n_many += n > 1;
        if (n > 1 && cost > left / (2.0 * 9.0))
            fail_msg("a batch of %zu costs %g, its share of the remaining %g is %g", n, cost, left,
                     left / 18.0);
    }
    assert_true(n_many > 10); /* the rule was tried */
    dealer_close(dealer);
    free_work(&work);
}

static void equal_costs_are_dealt_by_row(void **state)
{
    static const uint64_t row[] = { 9, 4, 7, 1, 30, 2 };
    static const uint64_t sorted[] = { 1, 2, 4, 7, 9, 30 };
    static const double cost[] = { 2, 2, 2, 2, 2, 2 };
    struct dealer *dealer = NULL;

    (void)state;
    assert_int_equal(dealer_open(6, row, cost, 2, DEALER_DYNAMIC, 1, &dealer, NULL), 0);
    for (size_t i = 0; i < 6; i++) {
        uint64_t got;

        assert_int_equal(dealer_next(dealer, i % 2, &got), 1);
        assert_int_equal(got, sorted[i]);
    }
    dealer_close(dealer);
}

static void static_modes_give_each_worker_its_rows(void **state)
{
    static const uint64_t row[] = { 0, 1, 2, 3, 4, 5, 6 };
    static const double cost[] = { 7, 6, 5, 4, 3, 2, 1 };
    /* Seven rows to three workers by hand: blocks (i 3 / 7), every third, and to the least loaded:
     * 7|6|5, 4 to the third (9), 3 to the second (9), 2 to the first (9), 1 to the first (the first of
     * equals). */
    static const char *const expected[] = { "012.34.56", "036.14.25", "056.14.23" };

    (void)state;
    for (size_t m = 0; m < 3; m++) {
        struct dealer *dealer = NULL;
        char got[16] = "";
        size_t n_char = 0;

        assert_int_equal(dealer_open(7, row, cost, 3, modes[m + 1], 2, &dealer, NULL), 0);
        for (size_t w = 0; w < 3; w++) {
            uint64_t batch[2];

            for (size_t n; (n = dealer_next(dealer, w, batch)) > 0;)
                for (size_t k = 0; k < n; k++)
                    got[n_char++] = (char)('0' + batch[k]);
            if (w < 2)
                got[n_char++] = '.';
        }
        assert_string_equal(got, expected[m]);
        dealer_close(dealer);
    }
}

/* ---- how soon all are done ------------------------------------------------------------------------------
 */

/* Time until all is done when whoever is idle asks. */
static double simulate(const struct work *work, size_t n_worker, enum dealer_mode mode, size_t n_max_batch)
{
    struct dealer *dealer = open_dealer(work, n_worker, mode, n_max_batch);
    double *idle_at = calloc(n_worker, sizeof(*idle_at)), end = 0.0;
    uint64_t *row = calloc(n_max_batch, sizeof(*row));

    for (;;) {
        size_t w = 0, n;

        for (size_t i = 1; i < n_worker; i++)
            if (idle_at[i] < idle_at[w])
                w = i;
        if (isinf(idle_at[w]))
            break;
        n = dealer_next(dealer, w, row);
        for (size_t k = 0; k < n; k++)
            idle_at[w] += cost_of(work, row[k]);
        end = fmax(end, idle_at[w]);
        if (n == 0)
            idle_at[w] = INFINITY;
    }
    free(idle_at);
    free(row);
    dealer_close(dealer);
    return end;
}

/*
 * What can be proven of batches. Let the batch that ends last be dealt at time s, when the cost R was left.
 * Nobody was idle before s, so s <= (total - R)/W. Either the batch is within its share, <= R/(2W), and all
 * ends by total/W; or it is one row of cost t <= R, and all ends by (total - t)/W + t.
 */
static void dynamic_dealing_ends_within_one_row_of_perfect_balance(void **state)
{
    (void)state;
    for (size_t n_worker = 1; n_worker <= 50; n_worker += 7)
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct work work = make_work(10 + 40 * seed, seed, seed % 2);
            double w = (double)n_worker, bound = work.total / w + (1.0 - 1.0 / w) * work.largest;
            double end = simulate(&work, n_worker, DEALER_DYNAMIC, 64);

            /* Sums of up to 810 costs in another order: 810 roundings. */
            if (end > bound * (1.0 + 810 * 0x1p-52))
                fail_msg("%zu workers, seed %d: ends at %.17g, bound %.17g", n_worker, (int)seed, end, bound);
            free_work(&work);
        }
}

/*
 * Graham's bound (1969) for largest first, (4/3 - 1/(3W)) of the optimum, holds with our batches too: if the
 * last batch is one row t <= optimum/3 it follows from the bound above. If t > optimum/3, no batch before it
 * had two rows (their sum would exceed 2/3 of the optimum, a share is at most 1/2 of it), so that it was
 * plain LPT. The optimum is known here: W bars of length 1 are broken at random.
 */
static struct work break_bars(size_t n_worker, size_t n_piece, uint64_t seed)
{
    struct work work = make_work(n_worker * n_piece, seed, false);

    for (size_t w = 0; w < n_worker; w++) {
        double *cost = work.cost + w * n_piece, sum = 0.0;

        for (size_t i = 0; i < n_piece; i++)
            sum += cost[i] = 1e-3 + uniform(&seed);
        for (size_t i = 0; i < n_piece; i++)
            cost[i] /= sum;
    }
    return work;
}

static void largest_first_is_within_grahams_bound_of_the_optimum(void **state)
{
    static const enum dealer_mode lpt[] = { DEALER_DYNAMIC, DEALER_STATIC_LPT };

    (void)state;
    for (size_t n_worker = 1; n_worker <= 50; n_worker += 3)
        for (size_t n_piece = 1; n_piece <= 20; n_piece++)
            for (size_t m = 0; m < 2; m++) {
                struct work work = break_bars(n_worker, n_piece, 1000 * n_worker + n_piece);
                double bound = 4.0 / 3.0 - 1.0 / (3.0 * (double)n_worker);
                double end = simulate(&work, n_worker, lpt[m], 64);

                /* 1000 roundings of sums that should be 1. */
                if (end > bound * (1.0 + 1e-12) || end < 1.0 - 1e-12)
                    fail_msg("mode %d, %zu workers, %zu pieces: ends at %.17g, bounds 1 and %.17g", lpt[m],
                             n_worker, n_piece, end, bound);
                free_work(&work);
            }
}

static void grahams_worst_case_is_met_exactly(void **state)
{
    /* Graham 1969: 2W-1, 2W-1, 2W-2, 2W-2, ... W+1, W+1, W, W, W on W workers ends at 4W-1, optimum 3W. */
    static const double worst[] = { 5, 5, 4, 4, 3, 3, 3 };
    struct work work = make_work(7, 1, false);

    (void)state;
    memcpy(work.cost, worst, sizeof(worst));
    assert_true(simulate(&work, 3, DEALER_STATIC_LPT, 1) == 11.0);
    assert_true(simulate(&work, 3, DEALER_DYNAMIC, 64) == 11.0);
    free_work(&work);
}

static void dynamic_dealing_beats_blocks_of_rows_when_costs_are_sorted(void **state)
{
    struct work work = make_work(400, 8, false);

    (void)state;
    for (size_t i = 0; i < work.n; i++)
        work.cost[i] = (double)(i + 1);
    /* The last eighth of an arithmetic series holds 15/64 of it: 1.875 times a fair share. */
    assert_true(simulate(&work, 8, DEALER_STATIC_BLOCK, 64) > 1.8 * 80200.0 / 8.0);
    assert_true(simulate(&work, 8, DEALER_DYNAMIC, 64) < 1.05 * 80200.0 / 8.0);
    free_work(&work);
}

/* ---- stopping --------------------------------------------------------------------------------------------
 */

static void nothing_is_dealt_after_a_stop(void **state)
{
    struct work work = make_work(100, 2, true);

    (void)state;
    for (size_t m = 0; m < N_MODE; m++) {
        struct dealer *dealer = open_dealer(&work, 4, modes[m], 4);
        uint64_t row[4];
        double left;

        assert_true(dealer_next(dealer, 0, row) > 0);
        assert_true(dealer_cost_left(dealer) < dealer_cost_total(dealer));
        dealer_stop(dealer);
        left = dealer_cost_left(dealer);
        for (size_t w = 0; w < 4; w++)
            assert_int_equal(dealer_next(dealer, w, row), 0);
        assert_true(left > 0.0 && dealer_cost_left(dealer) == left);
        dealer_close(dealer);
    }
    free_work(&work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_dealt_exactly_once_in_all_modes),
        cmocka_unit_test(no_rows_are_dealt_to_nobody),
        cmocka_unit_test(a_million_rows_are_dealt),
        cmocka_unit_test(no_batch_is_larger_than_a_message),
        cmocka_unit_test(the_largest_go_first_when_dealt_dynamically),
        cmocka_unit_test(a_dynamic_batch_is_one_row_or_within_its_share),
        cmocka_unit_test(equal_costs_are_dealt_by_row),
        cmocka_unit_test(static_modes_give_each_worker_its_rows),
        cmocka_unit_test(dynamic_dealing_ends_within_one_row_of_perfect_balance),
        cmocka_unit_test(largest_first_is_within_grahams_bound_of_the_optimum),
        cmocka_unit_test(grahams_worst_case_is_met_exactly),
        cmocka_unit_test(dynamic_dealing_beats_blocks_of_rows_when_costs_are_sorted),
        cmocka_unit_test(nothing_is_dealt_after_a_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
