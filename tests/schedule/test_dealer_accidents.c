/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dealer, driven by made-up workers: no MPI, no galaxies, no clock. Whatever can happen to messages and
 * workers is a sequence of calls; sequences are drawn at random with fixed seeds, so every run of the test is
 * the same, and each answer of the dealer is compared with a book kept here. How soon all is done is in
 * test_dealer.c.
 */
#include "polyphony/dealer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support.h"

static const enum dealer_mode modes[] = { DEALER_DYNAMIC, DEALER_STATIC_BLOCK, DEALER_STATIC_CYCLIC,
                                          DEALER_STATIC_LPT };
#define N_MODE (sizeof(modes) / sizeof(*modes))

static size_t below(uint64_t *state, size_t n)
{
    return (size_t)uniform(state, 0.0, (double)n);
}

static bool happens(uint64_t *state, double probability)
{
    return uniform(state, 0.0, 1.0) < probability;
}

/* ---- rows and the book ----------------------------------------------------------------------------- */

enum state { UNDEALT, HELD, DONE };

/* A batch as the worker knows it, and whether it is still its to the dealer. */
struct batch {
    uint64_t number;
    bool is_held;
    size_t n, n_worked;
    uint64_t *row;
    struct batch *next;
};

struct worker {
    struct batch *hand, *sent; /* to be worked on; reports on their way; both oldest first */
    size_t n_held;
    bool is_lost, is_dead; /* to the dealer; in truth */
};

/* Rows of a catalogue with holes, as after a restart: item i is row 3 i + 1, and the items are not sorted. */
struct world {
    uint64_t seed;
    struct dealer *dealer;
    struct dealer_settings settings;
    size_t n, n_done, n_undealt_regular, n_live, n_call;
    struct dealer_item *item; /* [n] by row; the dealer has a shuffled copy */
    double *cost_s;           /* [n] as predicted now */
    enum state *state;        /* [n] */
    double undealt_s, left_s, scale_s;
    struct worker *worker;
    uint64_t last_number, *row;
    double lose, partial, refine, withdraw; /* probabilities of each step */
    bool is_stopped;
};

static void predict(struct world *world)
{
    world->undealt_s = world->left_s = world->scale_s = 0.0;
    for (size_t i = 0; i < world->n; i++) {
        double sum = world->settings.cost_s[0];

        for (size_t t = 1; t < COST_N_TERM; t++)
            sum += world->settings.cost_s[t] * (double)world->item[i].term[t - 1];
        world->cost_s[i] = (double)(float)sum; /* kept in single precision */
        world->scale_s += world->cost_s[i];
        world->left_s += world->state[i] == DONE ? 0.0 : world->cost_s[i];
        world->undealt_s += world->state[i] == UNDEALT ? world->cost_s[i] : 0.0;
    }
}

/* Suspects are the last items, and the last rows. */
static bool is_suspect(const struct world *world, size_t i)
{
    return i >= world->n - world->settings.n_last;
}

static void make_items(struct world *world)
{
    bool is_heavy_tailed = happens(&world->seed, 0.5);

    for (size_t i = 0; i < world->n; i++) {
        double u = uniform(&world->seed, 0.0, 1.0);

        world->item[i].row = (uint32_t)(3 * i + 1);
        /* Pareto with exponent 1.2: a few galaxies dominate, as in a simulated volume. */
        world->item[i].term[0] = (float)(is_heavy_tailed ? pow(1.0 - u, -1.0 / 1.2) : floor(3.0 * u));
        world->item[i].term[1] = (float)uniform(&world->seed, 0.0, 4.0);
        world->item[i].bytes = (float)floor(uniform(&world->seed, 0.0, 100.0));
    }
}

static void draw_costs(struct world *world)
{
    for (size_t t = 0; t < COST_N_TERM; t++)
        world->settings.cost_s[t] = happens(&world->seed, 0.2) ? 0.0 : uniform(&world->seed, 0.0, 2.0);
}

static void open_world(struct world *world, enum dealer_mode mode, size_t n, size_t n_worker, uint64_t seed)
{
    struct dealer_item *shuffled = malloc((n + 1) * sizeof(*shuffled));
    struct error err = { "" };
    size_t n_regular;

    *world = (struct world) { .seed = seed, .n = n, .n_live = n_worker };
    world->settings = (struct dealer_settings) {
        .mode = mode,
        .n_worker = n_worker,
        .n_max_batch = happens(&world->seed, 0.3) ? 1 : 1 + below(&world->seed, 100),
        .max_batch_bytes = happens(&world->seed, 0.5) ? 1e12 : 120.0,
        .n_last = happens(&world->seed, 0.5) ? 0 : below(&world->seed, n < 20 ? n + 1 : 20),
    };
    draw_costs(world);
    n_regular = n - world->settings.n_last;
    world->n_undealt_regular = n_regular;
    world->item = calloc(n + 1, sizeof(*world->item));
    world->cost_s = calloc(n + 1, sizeof(*world->cost_s));
    world->state = calloc(n + 1, sizeof(*world->state));
    world->worker = calloc(n_worker, sizeof(*world->worker));
    world->row = calloc(DEALER_BATCH_MAX + 1, sizeof(*world->row));
    make_items(world);
    predict(world);
    memcpy(shuffled, world->item, n * sizeof(*shuffled));
    for (size_t i = 1; i < n_regular; i++) {
        size_t k = below(&world->seed, i + 1);
        struct dealer_item item = shuffled[i];

        shuffled[i] = shuffled[k];
        shuffled[k] = item;
    }
    if (dealer_open(&world->settings, n, shuffled, &world->dealer, &err))
        fail_msg("%s", err.text);
}

static void append(struct batch **list, struct batch *batch)
{
    while (*list)
        list = &(*list)->next;
    batch->next = NULL;
    *list = batch;
}

static struct batch *take_first(struct batch **list)
{
    struct batch *first = *list;

    *list = first->next;
    return first;
}

static void forget(struct batch *batch)
{
    free(batch->row);
    free(batch);
}

static void close_world(struct world *world)
{
    for (size_t w = 0; w < world->settings.n_worker; w++) {
        while (world->worker[w].hand)
            forget(take_first(&world->worker[w].hand));
        while (world->worker[w].sent)
            forget(take_first(&world->worker[w].sent));
    }
    dealer_close(world->dealer);
    free(world->item);
    free(world->cost_s);
    free(world->state);
    free(world->worker);
    free(world->row);
}

/* A row in the book goes from one state to another. */
static void move_row(struct world *world, uint64_t row, enum state from, enum state to)
{
    size_t i = (size_t)(row - 1) / 3;

    if (row % 3 != 1 || i >= world->n)
        fail_msg("row %llu was never given", (unsigned long long)row);
    if (world->state[i] != from)
        fail_msg("row %llu is to go from %d to %d, but is %d", (unsigned long long)row, from, to,
                 world->state[i]);
    world->state[i] = to;
    world->n_done += to == DONE;
    world->left_s -= to == DONE ? world->cost_s[i] : 0.0;
    if (from == UNDEALT || to == UNDEALT) {
        world->undealt_s += to == UNDEALT ? world->cost_s[i] : -world->cost_s[i];
        world->n_undealt_regular += !is_suspect(world, i) && to == UNDEALT;
        world->n_undealt_regular -= !is_suspect(world, i) && from == UNDEALT;
    }
}

/*
 * Roundings of sums of world->n costs and of as many differences as there were calls, each a batch of up to
 * 100: no more than all that times half a unit in the last place of the total.
 */
static double tolerance_s(const struct world *world)
{
    return (double)(world->n + 1 + 100 * world->n_call) * 0x1p-53 * world->scale_s;
}

static void check_book(const struct world *world)
{
    double tolerance = tolerance_s(world);
    size_t n_held = 0;

    assert_int_equal(dealer_n_done(world->dealer), world->n_done);
    assert_near(dealer_cost_left_s(world->dealer), world->left_s, tolerance);
    assert_near(dealer_cost_all_s(world->dealer), world->scale_s, tolerance);
    for (size_t w = 0; w < world->settings.n_worker; w++) {
        assert_int_equal(dealer_n_held(world->dealer, w), world->worker[w].n_held);
        n_held += world->worker[w].n_held;
    }
    assert_true(dealer_is_over(world->dealer) ==
                (n_held == 0 && (world->is_stopped || world->n_done == world->n)));
}

/* ---- what a batch must be -------------------------------------------------------------------------- */

static double batch_cost_s(const struct world *world, size_t n, const uint64_t *row)
{
    double sum = 0.0;

    for (size_t k = 0; k < n; k++)
        sum += world->cost_s[(row[k] - 1) / 3];
    return sum;
}

static void check_description(const struct world *world, const struct dealer_batch *batch,
                              const uint64_t *row)
{
    double bytes = 0.0, term[COST_N_TERM] = { (double)batch->n };

    for (size_t k = 0; k < batch->n; k++) {
        const struct dealer_item *item = &world->item[(row[k] - 1) / 3];

        bytes += (double)item->bytes;
        for (size_t t = 1; t < COST_N_TERM; t++)
            term[t] += (double)item->term[t - 1];
    }
    assert_true(batch->n == 0 || batch->first_row == row[0]);
    assert_true(batch->n <= 1 || bytes <= world->settings.max_batch_bytes);
    assert_near(batch->cost_s, batch_cost_s(world, batch->n, row), tolerance_s(world));
    for (size_t t = 0; t < COST_N_TERM; t++) /* summed in the same order: the same bits */
        assert_true(batch->term[t] == term[t]);
}

static double held_cost_s(const struct world *world, const struct batch *batch)
{
    double sum = 0.0;

    for (; batch; batch = batch->next)
        sum += batch->is_held ? batch_cost_s(world, batch->n, batch->row) : 0.0;
    return sum;
}

/* Dynamic: half a share a batch, a share in all; or a single row. Before this deal `undealt_s` was left. */
static void check_share(const struct world *world, const struct worker *worker,
                        const struct dealer_batch *batch, double undealt_s)
{
    double share_s = undealt_s / (2.0 * (double)world->n_live), tolerance = tolerance_s(world);
    double held_s = held_cost_s(world, worker->hand) + held_cost_s(world, worker->sent);

    if (worker->n_held == 1 && batch->n == 1)
        return;
    if (batch->cost_s > 0.5 * share_s + tolerance)
        fail_msg("a batch of %zu costs %g, a share is %g", batch->n, batch->cost_s, share_s);
    if (held_s + batch->cost_s > share_s + tolerance)
        fail_msg("a worker holds %g + %g, a share is %g", held_s, batch->cost_s, share_s);
}

static void check_suspects(const struct world *world, const struct worker *worker, size_t n,
                           const uint64_t *row, size_t n_undealt_regular)
{
    for (size_t k = 0; k < n; k++)
        if (is_suspect(world, (size_t)(row[k] - 1) / 3))
            if (n != 1 || worker->n_held != 1 || n_undealt_regular != 0)
                fail_msg("suspect %llu in a batch of %zu, the worker's %zu., %zu regular rows are not dealt",
                         (unsigned long long)row[k], n, worker->n_held, n_undealt_regular);
}

static bool deal_one(struct world *world, size_t w)
{
    struct worker *worker = &world->worker[w];
    double undealt_s = world->undealt_s;
    size_t n_undealt_regular = world->n_undealt_regular, n_most = world->settings.n_max_batch;
    struct dealer_batch dealt;
    struct batch *batch;

    world->n_live += worker->is_lost;
    worker->is_lost = false;
    world->n_call++;
    world->row[n_most] = UINT64_MAX;
    if (!dealer_next(world->dealer, w, &dealt, world->row))
        return false;
    assert_false(world->is_stopped);
    assert_true(dealt.n >= 1);
    assert_true(dealt.n <= n_most);
    assert_true(world->row[n_most] == UINT64_MAX);
    assert_true(dealt.number > world->last_number);
    world->last_number = dealt.number;
    assert_true(worker->n_held < DEALER_HOLD_MAX);
    worker->n_held++;
    check_description(world, &dealt, world->row);
    check_suspects(world, worker, dealt.n, world->row, n_undealt_regular);
    if (world->settings.mode == DEALER_DYNAMIC)
        check_share(world, worker, &dealt, undealt_s);
    batch = calloc(1, sizeof(*batch));
    *batch = (struct batch) { dealt.number, true, dealt.n, 0, calloc(dealt.n, sizeof(uint64_t)), NULL };
    memcpy(batch->row, world->row, dealt.n * sizeof(uint64_t));
    for (size_t k = 0; k < dealt.n; k++)
        move_row(world, batch->row[k], UNDEALT, HELD);
    append(&worker->hand, batch);
    return true;
}

static void serve(struct world *world, size_t w)
{
    while (deal_one(world, w))
        ;
}

/* ---- what happens ---------------------------------------------------------------------------------- */

/* A report arrives: counted if the worker still holds the batch, or else without any effect. */
static void hear(struct world *world, size_t w)
{
    struct worker *worker = &world->worker[w];
    struct batch *batch = take_first(&worker->sent);
    struct dealer_batch done;

    world->n_call++;
    assert_false(dealer_done(world->dealer, w, batch->number, batch->n + 1, &done));
    assert_false(dealer_done(world->dealer, w, world->last_number + 1, 0, &done));
    if (dealer_done(world->dealer, w, batch->number, batch->n_worked, &done) != batch->is_held)
        fail_msg("batch %llu is %sheld by worker %zu", (unsigned long long)batch->number,
                 batch->is_held ? "" : "not ", w);
    assert_false(dealer_done(world->dealer, w, batch->number, 0, &done));
    for (size_t k = 0; batch->is_held && k < batch->n; k++)
        move_row(world, batch->row[k], HELD, k < batch->n_worked ? DONE : UNDEALT);
    if (batch->is_held) {
        assert_int_equal(done.n, batch->n_worked);
        assert_true(done.number == batch->number);
        check_description(world, &done, batch->row);
        worker->n_held--;
    }
    forget(batch);
    if (!worker->is_lost || happens(&world->seed, 0.3)) /* a lost one that is heard may come back */
        serve(world, w);
}

/* The worker does its oldest batch, or only a part of it, and says so. */
static void work(struct world *world, size_t w)
{
    struct batch *batch = take_first(&world->worker[w].hand);

    batch->n_worked = happens(&world->seed, world->partial) ? below(&world->seed, batch->n + 1) : batch->n;
    append(&world->worker[w].sent, batch);
}

static void withdraw_some(struct world *world, const struct batch *batch)
{
    for (size_t k = 0; batch && k < batch->n; k++)
        if (happens(&world->seed, world->withdraw)) {
            bool is_given_back = world->state[(batch->row[k] - 1) / 3] == UNDEALT;

            world->n_call++;
            assert_true(dealer_withdraw(world->dealer, batch->row[k]) == is_given_back);
            if (is_given_back)
                move_row(world, batch->row[k], UNDEALT, DONE);
        }
    assert_false(dealer_withdraw(world->dealer, 0)); /* no such row */
}

static size_t lose_batches(struct world *world, struct batch *batch)
{
    size_t n = 0;

    for (; batch; batch = batch->next) {
        for (size_t k = 0; batch->is_held && k < batch->n; k++, n++)
            move_row(world, batch->row[k], HELD, UNDEALT);
        batch->is_held = false;
    }
    return n;
}

/* The dealer hears that a worker is lost. It may be dead, and its reports arrive all the same if they were on
 * their way; or only slow, and go on with what others do now. */
static void lose(struct world *world, size_t w)
{
    struct worker *worker = &world->worker[w];
    size_t n = lose_batches(world, worker->hand) + lose_batches(world, worker->sent);

    worker->n_held = 0;
    world->n_live -= !worker->is_lost;
    worker->is_lost = true;
    worker->is_dead |= happens(&world->seed, 0.5);
    world->n_call++;
    assert_int_equal(dealer_lose(world->dealer, w), n);
    assert_int_equal(dealer_lose(world->dealer, w), 0);
    withdraw_some(world, worker->hand);
    for (size_t v = 0; v < world->settings.n_worker; v++)
        if (!world->worker[v].is_lost)
            serve(world, v);
}

static void refine(struct world *world)
{
    draw_costs(world);
    predict(world);
    world->n_call = 0; /* all sums are new */
    dealer_refine(world->dealer, world->settings.cost_s);
}

/* Can the worker do anything, or anything arrive from it? */
static bool is_active(const struct worker *worker)
{
    return worker->sent || (worker->hand && !worker->is_dead);
}

static void step(struct world *world, size_t w)
{
    struct worker *worker = &world->worker[w];
    bool hears = worker->sent && (!worker->hand || worker->is_dead || happens(&world->seed, 0.5));

    if (happens(&world->seed, world->lose))
        lose(world, below(&world->seed, world->settings.n_worker));
    else if (happens(&world->seed, world->refine))
        refine(world);
    else if (hears)
        hear(world, w);
    else
        work(world, w);
}

/* One worker that can still do something, chosen evenly from a random start. */
static size_t choose_active(struct world *world)
{
    size_t n_worker = world->settings.n_worker, begin = below(&world->seed, n_worker);

    for (size_t k = 0; k < n_worker; k++)
        if (is_active(&world->worker[(begin + k) % n_worker]))
            return (begin + k) % n_worker;
    return n_worker;
}

/* Dead ones that hold something are missed sooner or later; when none is left, a new one takes a place. */
static bool miss_the_dead(struct world *world)
{
    for (size_t w = 0; w < world->settings.n_worker; w++)
        if (world->worker[w].n_held > 0 && world->worker[w].is_dead) {
            lose(world, w);
            return true;
        }
    if (world->n_live > 0 || world->is_stopped)
        return false;
    world->worker[0].is_dead = false;
    serve(world, 0);
    return world->worker[0].n_held > 0;
}

/* Until nothing is on its way and nobody can do anything: then all must be done. Ends `n_before_stop` steps
 * after the beginning if that is sooner. */
static void run(struct world *world, size_t n_before_stop)
{
    /* Each step works on a batch, hears a report, or is one of the accidents, which get rarer. */
    size_t n_step = 0, n_most = 1000 + 100 * (world->n + world->settings.n_worker);

    for (size_t w = 0; w < world->settings.n_worker; w++)
        serve(world, w);
    for (;; n_step++) {
        size_t w = choose_active(world);

        if (n_step == n_before_stop) {
            dealer_stop(world->dealer);
            world->is_stopped = true;
        }
        if (w < world->settings.n_worker)
            step(world, w);
        else if (!miss_the_dead(world))
            break;
        world->lose *= 0.9999;
        world->partial *= 0.9999;
        if (n_step % 64 == 0 || world->n < 50)
            check_book(world);
        if (n_step > n_most)
            fail_msg("no end after %zu steps: %zu of %zu done", n_step, world->n_done, world->n);
    }
    check_book(world);
    assert_true(dealer_is_over(world->dealer));
    for (size_t i = 0; i < world->n; i++)
        assert_true(world->state[i] == DONE || (world->is_stopped && world->state[i] == UNDEALT));
    if (!world->is_stopped)
        assert_near(dealer_cost_left_s(world->dealer), 0.0, tolerance_s(world));
}

/* ---- every row once, whatever happens ---------------------------------------------------------------------
 */

static const size_t n_rows[] = { 0, 1, 2, 7, 49, 300, 5000 }, n_workers[] = { 1, 2, 3, 17, 64, 300 };

static void run_all(double lose_rate, double partial, double refine_rate, double withdraw, bool stops)
{
    for (size_t m = 0; m < N_MODE; m++)
        for (size_t i = 0; i < sizeof(n_rows) / sizeof(*n_rows); i++)
            for (size_t k = 0; k < sizeof(n_workers) / sizeof(*n_workers); k++)
                for (uint64_t seed = 1; seed <= (n_rows[i] < 1000 ? 10 : 2); seed++) {
                    size_t n = n_rows[i], n_worker = n_workers[k];
                    struct world world;

                    open_world(&world, modes[m], n, n_worker, 1000 * seed + 100 * m + 10 * i + k);
                    world.lose = lose_rate;
                    world.partial = partial;
                    world.refine = refine_rate;
                    world.withdraw = withdraw;
                    run(&world,
                        stops ? below(&world.seed, 2 * n / world.settings.n_max_batch + 2) : SIZE_MAX);
                    close_world(&world);
                }
}

static void every_row_is_done_once_by_workers_that_live(void **state)
{
    (void)state;
    run_all(0.0, 0.0, 0.0, 0.0, false);
}

static void every_row_is_done_once_when_batches_come_back_half_done(void **state)
{
    (void)state;
    run_all(0.0, 0.3, 0.0, 0.0, false);
}

static void every_row_is_done_once_when_workers_are_lost_and_come_back(void **state)
{
    (void)state;
    run_all(0.05, 0.0, 0.0, 0.0, false);
}

static void every_row_is_done_once_whatever_happens(void **state)
{
    (void)state;
    run_all(0.05, 0.2, 0.02, 0.1, false);
}

static void after_a_stop_what_is_held_comes_back_and_nothing_is_dealt(void **state)
{
    (void)state;
    run_all(0.0, 0.5, 0.0, 0.0, true);
    run_all(0.02, 0.2, 0.02, 0.1, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_done_once_by_workers_that_live),
        cmocka_unit_test(every_row_is_done_once_when_batches_come_back_half_done),
        cmocka_unit_test(every_row_is_done_once_when_workers_are_lost_and_come_back),
        cmocka_unit_test(every_row_is_done_once_whatever_happens),
        cmocka_unit_test(after_a_stop_what_is_held_comes_back_and_nothing_is_dealt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
