/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dealer: in which order rows go, what refinement changes, and how soon all is done by workers that need
 * for each row what was predicted. Costs are random with fixed seeds. What happens when workers and messages
 * get lost is in test_dealer_accidents.c.
 */
#include "polyphony/dealer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support.h"

static const enum dealer_mode modes[] = { DEALER_DYNAMIC, DEALER_STATIC_BLOCK, DEALER_STATIC_CYCLIC,
                                          DEALER_STATIC_LPT };
#define N_MODE (sizeof(modes) / sizeof(*modes))

/* Rows 0 to n - 1, and what each costs: in single precision, as the dealer keeps it. */
struct work {
    size_t n;
    float *cost_s;
};

static struct work make_work(size_t n, uint64_t seed, bool is_heavy_tailed)
{
    struct work work = { .n = n, .cost_s = calloc(n + 1, sizeof(*work.cost_s)) };

    for (size_t i = 0; i < n; i++) {
        double u = uniform(&seed, 0.0, 1.0);

        /* Pareto with exponent 1.2: a few galaxies dominate, as in a simulated volume. */
        work.cost_s[i] = (float)(is_heavy_tailed ? pow(1.0 - u, -1.0 / 1.2) : 0.5 + u);
    }
    return work;
}

static double total_s(const struct work *work)
{
    double sum = 0.0;

    for (size_t i = 0; i < work->n; i++)
        sum += (double)work->cost_s[i];
    return sum;
}

static double largest_s(const struct work *work)
{
    double largest = 0.0;

    for (size_t i = 0; i < work->n; i++)
        largest = fmax(largest, (double)work->cost_s[i]);
    return largest;
}

/* Its first term is the cost; the second the row. */
static struct dealer *open_dealer(const struct work *work, size_t n_worker, enum dealer_mode mode,
                                  size_t n_max_batch)
{
    const struct dealer_settings settings = { .mode = mode,
                                              .n_worker = n_worker,
                                              .n_max_batch = n_max_batch,
                                              .max_batch_bytes = 1e30,
                                              .cost_s = { 0.0, 1.0, 0.0 } };
    struct dealer_item *item = calloc(work->n + 1, sizeof(*item));
    struct dealer *dealer = NULL;
    struct error err = { "" };

    for (size_t i = 0; i < work->n; i++)
        item[i] = (struct dealer_item) { (uint32_t)i, 1.0F, { work->cost_s[i], (float)i } };
    if (dealer_open(&settings, work->n, item, &dealer, &err))
        fail_msg("%s", err.text);
    return dealer;
}

/* Deal the next batch to a worker that does it at once; rows dealt. */
static size_t deal(struct dealer *dealer, size_t w, uint64_t *ret_row)
{
    struct dealer_batch batch, done;

    if (!dealer_next(dealer, w, &batch, ret_row))
        return 0;
    assert_true(dealer_done(dealer, w, batch.number, batch.n, &done));
    return batch.n;
}

/* ---- in which order -------------------------------------------------------------------------------- */

static void no_rows_are_dealt_to_nobody(void **state)
{
    struct work work = make_work(0, 1, false);

    (void)state;
    for (size_t m = 0; m < N_MODE; m++) {
        struct dealer *dealer = open_dealer(&work, 5, modes[m], 8);
        uint64_t row[8];

        for (size_t w = 0; w < 5; w++)
            assert_int_equal(deal(dealer, w, row), 0);
        assert_true(dealer_is_over(dealer));
        assert_true(dealer_cost_all_s(dealer) == 0.0);
        assert_true(dealer_cost_left_s(dealer) == 0.0);
        assert_true(dealer_cost_largest_s(dealer) == 0.0);
        dealer_close(dealer);
    }
    free(work.cost_s);
    dealer_close(NULL);
}

static void no_batch_is_larger_than_a_message(void **state)
{
    struct work work = make_work(30 * DEALER_BATCH_MAX, 9, false);
    uint64_t *row = calloc(work.n, sizeof(*row));

    (void)state;
    for (size_t m = 0; m < N_MODE; m++) {
        /* The user may ask for any number; buffers of messages hold DEALER_BATCH_MAX. */
        struct dealer *dealer = open_dealer(&work, 1, modes[m], SIZE_MAX);
        size_t n_dealt = 0, largest = 0;

        for (size_t n; (n = deal(dealer, 0, row)) > 0; n_dealt += n)
            largest = n > largest ? n : largest;
        assert_int_equal(largest, DEALER_BATCH_MAX);
        assert_int_equal(n_dealt, work.n);
        dealer_close(dealer);
    }
    free(row);
    free(work.cost_s);
}

static void the_largest_go_first_when_dealt_dynamically(void **state)
{
    struct work work = make_work(500, 3, true);
    struct dealer *dealer = open_dealer(&work, 7, DEALER_DYNAMIC, 16);
    double last_s = (double)INFINITY;
    size_t n_batch = 0, n_row = 0;
    uint64_t row[16];

    (void)state;
    assert_true(dealer_cost_largest_s(dealer) == largest_s(&work));
    for (size_t w = 0, n; (n = deal(dealer, w, row)) > 0; w = (w + 1) % 7, n_batch++, n_row += n)
        for (size_t k = 0; k < n; k++) {
            assert_true((double)work.cost_s[row[k]] <= last_s);
            last_s = (double)work.cost_s[row[k]];
        }
    assert_int_equal(n_row, 500);
    assert_true(n_batch < 250); /* batches had several rows */
    dealer_close(dealer);
    free(work.cost_s);
}

/* Two workers, 100 large rows and many that are each below a thousandth of half of all. */
static void what_is_small_is_dealt_in_the_order_of_the_file(void **state)
{
    enum { N = 20000 };
    const struct dealer_settings settings = { .mode = DEALER_DYNAMIC,
                                              .n_worker = 2,
                                              .n_max_batch = 64,
                                              .max_batch_bytes = 1e9,
                                              .cost_s = { 0.0, 1.0, 0.0 } };
    struct dealer_item *item = mem_array(N, sizeof(*item));
    struct dealer *dealer = NULL;
    struct error err = { "" };
    uint64_t row[64];
    double last_s = (double)INFINITY;
    int64_t last_row = -1;

    (void)state;
    for (uint32_t i = 0; i < N; i++)
        item[i] =
            (struct dealer_item) { i, 1.0F, { i % 200 == 0 ? 1000.0F + (float)i : (float)(1 + i % 7), 0 } };
    assert_int_equal(dealer_open(&settings, N, item, &dealer, &err), 0);
    for (size_t n; (n = deal(dealer, 0, row)) > 0;)
        for (size_t k = 0; k < n; k++) {
            bool is_large = row[k] % 200 == 0;

            assert_true(!is_large || (last_row < 0 && 1000.0 + (double)row[k] <= last_s));
            assert_true(is_large || (int64_t)row[k] > last_row);
            last_s = is_large ? 1000.0 + (double)row[k] : last_s;
            last_row = is_large ? last_row : (int64_t)row[k];
        }
    assert_int_equal(last_row, N - 1);
    dealer_close(dealer);
}

static void equal_costs_are_dealt_by_row(void **state)
{
    static const uint32_t row[] = { 9, 4, 7, 1, 30, 2 };
    static const uint64_t sorted[] = { 1, 2, 4, 7, 9, 30 };
    const struct dealer_settings settings = { .mode = DEALER_DYNAMIC,
                                              .n_worker = 2,
                                              .n_max_batch = 1,
                                              .max_batch_bytes = 1.0,
                                              .cost_s = { 2.0, 0.0, 0.0 } };
    struct dealer_item *item = calloc(6, sizeof(*item));
    struct dealer *dealer = NULL;

    (void)state;
    for (size_t i = 0; i < 6; i++)
        item[i] = (struct dealer_item) { .row = row[i], .bytes = 100.0F }; /* too many, but alone */
    assert_int_equal(dealer_open(&settings, 6, item, &dealer, NULL), 0);
    for (size_t i = 0; i < 6; i++) {
        uint64_t got;

        assert_int_equal(deal(dealer, i % 2, &got), 1);
        assert_int_equal(got, sorted[i]);
    }
    dealer_close(dealer);
}

static void static_modes_give_each_worker_its_rows(void **state)
{
    static float cost_s[] = { 7, 6, 5, 4, 3, 2, 1 };
    const struct work work = { 7, cost_s };
    /* Seven rows to three workers by hand: blocks (i 3 / 7), every third, and to the least loaded:
     * 7|6|5, 4 to the third (9), 3 to the second (9), 2 to the first (9), 1 to the first (the first of
     * equals). */
    static const char *const expected[] = { "012.34.56", "036.14.25", "056.14.23" };

    (void)state;
    for (size_t m = 0; m < 3; m++) {
        struct dealer *dealer = open_dealer(&work, 3, modes[m + 1], 2);
        char got[16] = "";
        size_t n_char = 0;

        for (size_t w = 0; w < 3; w++) {
            uint64_t batch[2];

            for (size_t n; (n = deal(dealer, w, batch)) > 0;)
                for (size_t k = 0; k < n; k++)
                    got[n_char++] = (char)('0' + batch[k]);
            if (w < 2)
                got[n_char++] = '.';
        }
        assert_string_equal(got, expected[m]);
        dealer_close(dealer);
    }
}

static void a_refined_cost_changes_the_order_of_what_is_left(void **state)
{
    static const double by_row[COST_N_TERM] = { 0.5, 0.0, 2.0 };
    struct work work = make_work(100, 12, false);
    struct dealer *dealer = open_dealer(&work, 3, DEALER_DYNAMIC, 4);
    double left_s = 0.0;
    bool is_done[100] = { false };
    uint64_t row[4], last = UINT64_MAX;
    size_t n = deal(dealer, 0, row);

    (void)state;
    for (size_t k = 0; k < n; k++)
        is_done[row[k]] = true;
    dealer_refine(dealer, by_row);
    for (size_t i = 0; i < 100; i++)
        left_s += is_done[i] ? 0.0 : 0.5 + 2.0 * (double)i;
    /* Halves and small integers: exact in any order. */
    assert_true(dealer_cost_all_s(dealer) == 100 * 0.5 + 2.0 * 4950.0);
    assert_true(dealer_cost_left_s(dealer) == left_s);
    assert_true(dealer_cost_largest_s(dealer) == 198.5);
    while ((n = deal(dealer, 1, row)) > 0)
        for (size_t k = 0; k < n; k++) {
            assert_true(row[k] < last);
            assert_true(!is_done[row[k]]);
            last = row[k];
        }
    assert_int_equal(dealer_n_done(dealer), 100);
    dealer_close(dealer);
    free(work.cost_s);
}

static void a_row_that_nobody_gave_back_is_not_withdrawn(void **state)
{
    struct work work = make_work(10, 2, false);
    struct dealer *dealer = open_dealer(&work, 2, DEALER_DYNAMIC, 1);
    struct dealer_batch batch;
    uint64_t row;

    (void)state;
    assert_true(dealer_next(dealer, 0, &batch, &row));
    for (uint64_t i = 0; i < 10; i++)
        assert_false(dealer_withdraw(dealer, i));
    assert_int_equal(dealer_lose(dealer, 0), 1);
    assert_true(dealer_withdraw(dealer, row));
    assert_false(dealer_withdraw(dealer, row));
    assert_int_equal(dealer_n_done(dealer), 1);
    dealer_close(dealer);
    free(work.cost_s);
}

static void a_row_under_suspicion_is_dealt_last_and_alone(void **state)
{
    struct work work = make_work(100, 3, true);
    struct dealer *dealer = open_dealer(&work, 2, DEALER_DYNAMIC, 16);
    uint64_t row[DEALER_BATCH_MAX], suspect = 0;
    struct dealer_batch batch;
    size_t n_done = 0;

    (void)state;
    assert_true(dealer_next(dealer, 0, &batch, row));
    suspect = row[batch.n - 1];
    assert_false(dealer_suspect(dealer, suspect)); /* nobody has given it back */
    dealer_lose(dealer, 0);
    assert_true(dealer_suspect(dealer, suspect));
    while (dealer_next(dealer, 1, &batch, row)) {
        for (size_t i = 0; i < batch.n; i++, n_done++)
            assert_int_equal(row[i] == suspect, n_done == 99);
        assert_true(n_done < 100 || batch.n == 1);
        assert_true(dealer_done(dealer, 1, batch.number, batch.n, &batch));
    }
    assert_int_equal(n_done, 100);
    assert_true(dealer_is_over(dealer));
    dealer_close(dealer);
    free(work.cost_s);
}

/* Two suspects and a regular row come back in any order, and one suspect is withdrawn. */
static void suspects_that_come_back_are_still_the_last(void **state)
{
    static const size_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                         { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    const struct dealer_settings settings = { .mode = DEALER_DYNAMIC,
                                              .n_worker = 3,
                                              .n_max_batch = 8,
                                              .max_batch_bytes = 1e3,
                                              .cost_s = { 1.0 },
                                              .n_last = 2 };

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        struct dealer_item *item = calloc(3, sizeof(*item));
        struct dealer *dealer = NULL;
        struct dealer_batch batch;
        uint64_t row[8];

        for (uint32_t k = 0; k < 3; k++)
            item[k].row = k;
        assert_int_equal(dealer_open(&settings, 3, item, &dealer, NULL), 0);
        for (size_t w = 0; w < 3; w++)
            assert_true(dealer_next(dealer, w, &batch, row) && batch.n == 1 && row[0] == w);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(dealer_lose(dealer, orders[i % 6][k]), 1);
        assert_true(dealer_withdraw(dealer, 1 + i % 2));
        assert_int_equal(deal(dealer, 0, row), 1);
        assert_int_equal(row[0], 0);
        assert_int_equal(deal(dealer, 1, row), 1);
        assert_int_equal(row[0], 2 - i % 2);
        assert_true(dealer_is_over(dealer));
        dealer_close(dealer);
    }
}

/* Half a share is a quarter of what is not dealt, divided by the workers that are left. */
static void shares_grow_when_workers_are_lost_and_shrink_when_they_come_back(void **state)
{
    struct work work = make_work(100, 2, false);
    struct dealer *dealer;
    uint64_t row[100];

    (void)state;
    for (size_t i = 0; i < work.n; i++)
        work.cost_s[i] = 1.0F;
    dealer = open_dealer(&work, 4, DEALER_DYNAMIC, 100);
    assert_int_equal(deal(dealer, 0, row), 6); /* 100 / 16 */
    for (size_t w = 1; w < 4; w++)
        assert_int_equal(dealer_lose(dealer, w), 0);
    assert_int_equal(deal(dealer, 0, row), 23); /* 94 / 4 */
    assert_int_equal(deal(dealer, 2, row), 8);  /* 71 / 8 */
    assert_int_equal(dealer_lose(dealer, 2), 0);
    assert_int_equal(deal(dealer, 0, row), 15); /* 63 / 4 */
    dealer_close(dealer);
    free(work.cost_s);
}

/* ---- how soon all are done --------------------------------------------------------------------------------
 */

/* A worker, and when it is done with the older of its batches. */
struct hand {
    struct dealer_batch batch[DEALER_HOLD_MAX];
    double seconds[DEALER_HOLD_MAX], done_at_s;
};

static void fill(struct dealer *dealer, const struct work *work, size_t w, struct hand *hand, double now_s,
                 uint64_t *row)
{
    for (size_t n; (n = dealer_n_held(dealer, w)) < DEALER_HOLD_MAX;) {
        if (!dealer_next(dealer, w, &hand->batch[n], row))
            break;
        hand->seconds[n] = 0.0;
        for (size_t k = 0; k < hand->batch[n].n; k++)
            hand->seconds[n] += (double)work->cost_s[row[k]];
        if (n == 0)
            hand->done_at_s = now_s + hand->seconds[0];
    }
    if (dealer_n_held(dealer, w) == 0)
        hand->done_at_s = (double)INFINITY;
}

/* When all is done by workers that ask whenever they have done a batch, and are answered at once. */
static double makespan_s(const struct work *work, size_t n_worker, enum dealer_mode mode, size_t n_max_batch)
{
    struct dealer *dealer = open_dealer(work, n_worker, mode, n_max_batch);
    struct hand *hand = calloc(n_worker, sizeof(*hand));
    uint64_t *row = calloc(n_max_batch, sizeof(*row));
    double now_s = 0.0;
    struct dealer_batch done;

    for (size_t w = 0; w < n_worker; w++)
        fill(dealer, work, w, &hand[w], 0.0, row);
    while (!dealer_is_over(dealer)) {
        size_t w = 0;

        for (size_t i = 1; i < n_worker; i++)
            if (hand[i].done_at_s < hand[w].done_at_s)
                w = i;
        now_s = hand[w].done_at_s;
        assert_true(dealer_done(dealer, w, hand[w].batch[0].number, hand[w].batch[0].n, &done));
        hand[w].batch[0] = hand[w].batch[1];
        hand[w].seconds[0] = hand[w].seconds[1];
        hand[w].done_at_s = now_s + hand[w].seconds[0];
        fill(dealer, work, w, &hand[w], now_s, row);
    }
    assert_int_equal(dealer_n_done(dealer), work->n);
    free(hand);
    free(row);
    dealer_close(dealer);
    return now_s;
}

/*
 * The bound, total/W + (1 - 1/W) t_max: that of list scheduling row by row (Graham 1969), in spite of batches
 * and of those held in advance.
 * Let the batch that ends last cost b, and be dealt at time s, when U was not dealt (b included) and its
 * worker held h. A worker that holds nothing is always given something while anything is left, so none was
 * idle before s: W s <= total - U - h', h' <= h being what is left of h. It ends at s + h' + b. Either h + b
 * is within the share U/(2W), and it ends by (total - U)/W + U/(2W) <= total/W; or h = 0 and the batch is one
 * row b <= U, and it ends by (total - b)/W + b = total/W + (1 - 1/W) b.
 */
static void dynamic_dealing_ends_within_one_row_of_perfect_balance(void **state)
{
    (void)state;
    for (size_t n_worker = 1; n_worker <= 300; n_worker += n_worker < 50 ? 7 : 83)
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct work work = make_work(10 + (seed == 20 ? 5000 : 40 * seed), seed, seed % 2);
            double w = (double)n_worker;
            double bound = total_s(&work) / w + (1.0 - 1.0 / w) * largest_s(&work);
            double end = makespan_s(&work, n_worker, DEALER_DYNAMIC, 64);

            /* Sums of up to 5010 costs in another order: as many roundings. */
            if (end > bound * (1.0 + 5010 * 0x1p-52))
                fail_msg("%zu workers, seed %d: ends at %.17g, bound %.17g", n_worker, (int)seed, end, bound);
            free(work.cost_s);
        }
}

/* W bars of one length are broken at random: the optimum is no longer than the longest of the sums. */
static struct work break_bars(size_t n_worker, size_t n_piece, uint64_t seed, double *ret_optimum_s)
{
    struct work work = make_work(n_worker * n_piece, seed, false);

    *ret_optimum_s = 0.0;
    for (size_t w = 0; w < n_worker; w++) {
        float *cost_s = work.cost_s + w * n_piece;
        double sum = 0.0, rounded = 0.0;

        for (size_t i = 0; i < n_piece; i++)
            sum += (double)(cost_s[i] = (float)uniform(&seed, 1e-3, 1.0));
        for (size_t i = 0; i < n_piece; i++)
            rounded += (double)(cost_s[i] /= (float)sum);
        *ret_optimum_s = fmax(*ret_optimum_s, rounded);
    }
    return work;
}

/*
 * Graham's bound (1969) for largest first, (4/3 - 1/(3W)) of the optimum, holds with our batches too. If the
 * last batch is one row t <= optimum/3, it follows from the bound above. If t > optimum/3, nobody held two
 * rows before: their sum would exceed 2/3 of the optimum, but a share is at most half of it; so this was
 * plain LPT.
 */
static void expect_graham(const struct work *work, size_t n_worker, double optimum_s)
{
    static const enum dealer_mode lpt[] = { DEALER_DYNAMIC, DEALER_STATIC_LPT };
    double bound = (4.0 / 3.0 - 1.0 / (3.0 * (double)n_worker)) * optimum_s;

    for (size_t m = 0; m < 2; m++) {
        double end = makespan_s(work, n_worker, lpt[m], 64);

        if (end > bound * (1.0 + 1000 * 0x1p-52)) /* sums of at most 1000 */
            fail_msg("mode %d, %zu workers, %zu rows: ends at %.17g, optimum %.17g, bound %.17g", lpt[m],
                     n_worker, work->n, end, optimum_s, bound);
    }
}

static void largest_first_is_within_grahams_bound_of_broken_bars(void **state)
{
    (void)state;
    for (size_t n_worker = 1; n_worker <= 50; n_worker += 3)
        for (size_t n_piece = 1; n_piece <= 20; n_piece++) {
            double optimum_s;
            struct work work = break_bars(n_worker, n_piece, 1000 * n_worker + n_piece, &optimum_s);

            expect_graham(&work, n_worker, optimum_s);
            free(work.cost_s);
        }
}

/* Every way to share few rows, which is a number of n digits in base W. */
static double find_optimum_s(const struct work *work, size_t n_worker)
{
    double best_s = (double)INFINITY;
    size_t n_way = (size_t)llround(pow((double)n_worker, (double)work->n));

    for (size_t way = 0; way < n_way; way++) {
        double load_s[3] = { 0.0 };

        for (size_t i = 0, rest = way; i < work->n; i++, rest /= n_worker)
            load_s[rest % n_worker] += (double)work->cost_s[i];
        best_s = fmin(best_s, fmax(load_s[0], fmax(load_s[1], load_s[2])));
    }
    return best_s;
}

static void largest_first_is_within_grahams_bound_of_the_best_of_all_ways(void **state)
{
    (void)state;
    for (size_t n_worker = 2; n_worker <= 3; n_worker++)
        for (uint64_t seed = 1; seed <= 100; seed++) {
            struct work work = make_work(4 + seed % 5, seed, false);

            for (size_t i = 0; i < work.n; i++) /* integers between W and 2 W, like the worst case below */
                work.cost_s[i] = floorf((float)n_worker * (1.0F + (work.cost_s[i] - 0.5F)) + 0.5F);
            expect_graham(&work, n_worker, find_optimum_s(&work, n_worker));
            free(work.cost_s);
        }
}

static void grahams_worst_case_is_met_exactly(void **state)
{
    /* Graham 1969: 2W-1, 2W-1, 2W-2, 2W-2, ... W+1, W+1, W, W, W on W workers ends at 4W-1, optimum 3W. */
    static float worst_s[] = { 5, 5, 4, 4, 3, 3, 3 };
    const struct work work = { 7, worst_s };

    (void)state;
    assert_true(find_optimum_s(&work, 3) == 9.0);
    assert_true(makespan_s(&work, 3, DEALER_STATIC_LPT, 1) == 11.0);
    assert_true(makespan_s(&work, 3, DEALER_DYNAMIC, 64) == 11.0);
}

static void dynamic_dealing_beats_blocks_of_rows_when_costs_are_sorted(void **state)
{
    struct work work = make_work(400, 8, false);

    (void)state;
    for (size_t i = 0; i < work.n; i++)
        work.cost_s[i] = (float)(i + 1);
    /* The last eighth of an arithmetic series holds 15/64 of it: 1.875 times a fair share. */
    assert_true(makespan_s(&work, 8, DEALER_STATIC_BLOCK, 64) > 1.8 * 80200.0 / 8.0);
    /* The bound above is 1.035 of it, less than 400 of 10025. */
    assert_true(makespan_s(&work, 8, DEALER_DYNAMIC, 64) < 1.035 * 80200.0 / 8.0);
    free(work.cost_s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rows_are_dealt_to_nobody),
        cmocka_unit_test(no_batch_is_larger_than_a_message),
        cmocka_unit_test(the_largest_go_first_when_dealt_dynamically),
        cmocka_unit_test(what_is_small_is_dealt_in_the_order_of_the_file),
        cmocka_unit_test(equal_costs_are_dealt_by_row),
        cmocka_unit_test(static_modes_give_each_worker_its_rows),
        cmocka_unit_test(a_refined_cost_changes_the_order_of_what_is_left),
        cmocka_unit_test(a_row_that_nobody_gave_back_is_not_withdrawn),
        cmocka_unit_test(a_row_under_suspicion_is_dealt_last_and_alone),
        cmocka_unit_test(suspects_that_come_back_are_still_the_last),
        cmocka_unit_test(shares_grow_when_workers_are_lost_and_shrink_when_they_come_back),
        cmocka_unit_test(dynamic_dealing_ends_within_one_row_of_perfect_balance),
        cmocka_unit_test(largest_first_is_within_grahams_bound_of_broken_bars),
        cmocka_unit_test(largest_first_is_within_grahams_bound_of_the_best_of_all_ways),
        cmocka_unit_test(grahams_worst_case_is_met_exactly),
        cmocka_unit_test(dynamic_dealing_beats_blocks_of_rows_when_costs_are_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
