/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Events in order of time, kept in a heap: a message arrives, a worker may begin its next rows, it has done
 * them, a worker is gone, it is missed. Without a disk nothing happens between the rows of a batch, and they
 * are one event.
 */
#include "polyphony/simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* To predict anew [s a row], and to sort what is not dealt [s a row and doubling of rows]: 0.16 s for 10^6 on
 * a Xeon of 2.5 GHz. */
#define PREDICT_S 5e-9
#define SORT_S    8e-9

enum kind { DEAL_ARRIVES, ROWS_BEGIN, ROWS_END, REPORT_ARRIVES, WORKER_GOES, WORKER_IS_MISSED };

struct event {
    double at_s;
    uint64_t order; /* of events at the same time: as they were made */
    uint32_t i_worker;
    uint32_t kind;
    uint64_t number; /* REPORT_ARRIVES: of the batch, and the seconds it took */
    double seconds;
    size_t n;
};

struct hand {
    uint64_t number;
    size_t n;
    uint32_t *row; /* [n] */
    double seconds;
};

struct simulated_worker {
    struct hand hand[DEALER_HOLD_MAX]; /* oldest first */
    size_t n_dealt, n_here;            /* on their way or here; here */
    size_t i_row;                      /* of the oldest: what it computes, or will */
    bool is_computing, is_gone, is_missed;
    bool is_next_read; /* the row after that, or that one while it waits for it, has been asked for, */
    double read_s;     /* and is here from then on */
    double has_s;      /* has had a row to do since */
    double free_s;     /* has computed nothing since; while computing, when it began */
};

struct simulation {
    const struct simulate_settings *settings;
    const struct dealer_item *item;
    const float *seconds;
    size_t n;
    struct dealer *dealer;
    struct cost_model costs;
    struct simulated_worker *worker; /* [n_worker] */
    struct event *heap;              /* [n_event], room for n_heap */
    size_t n_event, n_heap;
    size_t n_dealt; /* rows; those of lost workers twice */
    uint64_t n_order;
    double dealer_free_s, dealer_busy_s, disk_free_s, disk_busy_s;
    uint64_t *row; /* [DEALER_BATCH_MAX] */
    struct simulate_outcome outcome;
};

/* ---- the heap ---------------------------------------------------------------------------------- */

static bool is_earlier(const struct event *a, const struct event *b)
{
    return a->at_s < b->at_s || (a->at_s == b->at_s && a->order < b->order);
}

static void push(struct simulation *sim, struct event event)
{
    size_t i = sim->n_event++;

    event.order = sim->n_order++;
    for (; i > 0 && is_earlier(&event, &sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
        sim->heap[i] = sim->heap[(i - 1) / 2];
    sim->heap[i] = event;
}

static struct event pop(struct simulation *sim)
{
    struct event first = sim->heap[0], last = sim->heap[--sim->n_event];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < sim->n_event) {
        if (child + 1 < sim->n_event && is_earlier(&sim->heap[child + 1], &sim->heap[child]))
            child++;
        if (!is_earlier(&sim->heap[child], &last))
            break;
        sim->heap[i] = sim->heap[child];
        i = child;
    }
    sim->heap[i] = last;
    return first;
}

static void push_worker(struct simulation *sim, double at_s, enum kind kind, size_t i_worker)
{
    push(sim, (struct event) { .at_s = at_s, .kind = kind, .i_worker = (uint32_t)i_worker });
}

/* ---- rank 0 ------------------------------------------------------------------------------------ */

/* Rank 0 is at it from now, or from when it is free. Returns when it is done. */
static double serve_s(struct simulation *sim, double now_s, double seconds)
{
    sim->dealer_free_s = fmax(sim->dealer_free_s, now_s) + seconds;
    sim->dealer_busy_s += seconds;
    return sim->dealer_free_s;
}

static void deal(struct simulation *sim, size_t i_worker, double now_s)
{
    struct simulated_worker *worker = &sim->worker[i_worker];
    struct dealer_batch batch;

    while (!worker->is_missed && worker->n_dealt < DEALER_HOLD_MAX &&
           dealer_next(sim->dealer, i_worker, &batch, sim->row)) {
        struct hand *hand = &worker->hand[worker->n_dealt++];

        *hand = (struct hand) { .number = batch.number,
                                .n = batch.n,
                                .row = mem_small(batch.n, sizeof(*hand->row)) };
        for (size_t i = 0; i < batch.n; i++) {
            hand->row[i] = (uint32_t)sim->row[i];
            hand->seconds += (double)sim->seconds[sim->row[i]];
        }
        sim->outcome.n_batch++;
        sim->n_dealt += batch.n;
        sim->outcome.largest_batch_s = fmax(sim->outcome.largest_batch_s, hand->seconds);
        push_worker(sim, serve_s(sim, now_s, sim->settings->service_s) + sim->settings->latency_s,
                    DEAL_ARRIVES, i_worker);
    }
}

static void deal_all(struct simulation *sim, double now_s)
{
    for (size_t w = 0; w < sim->settings->dealer.n_worker; w++)
        deal(sim, w, now_s);
}

static void refine(struct simulation *sim, double now_s)
{
    double cost_s[COST_N_TERM], sort_s = 0.0;
    double n_undealt = fmax((double)sim->n - (double)sim->n_dealt, 0.0);

    if (!cost_model_is_due(&sim->costs))
        return;
    cost_model_fit(&sim->costs, cost_s);
    dealer_refine(sim->dealer, cost_s);
    if (sim->settings->dealer.mode == DEALER_DYNAMIC)
        sort_s = SORT_S * n_undealt * log2(n_undealt + 1.0);
    serve_s(sim, now_s, PREDICT_S * (double)sim->n + sort_s);
}

static void hear_report(struct simulation *sim, const struct event *event)
{
    struct dealer_batch batch;

    serve_s(sim, event->at_s, sim->settings->service_s);
    if (dealer_done(sim->dealer, event->i_worker, event->number, event->n, &batch)) {
        sim->outcome.n_row += batch.n;
        if (sim->settings->refines) {
            cost_model_add(&sim->costs, batch.term, event->seconds);
            refine(sim, event->at_s);
        }
    }
    deal(sim, event->i_worker, event->at_s);
}

/* ---- a worker ---------------------------------------------------------------------------------- */

/* Bytes on their way to or from the disk. Returns when they are there. */
static double transfer_s(struct simulation *sim, double now_s, double bytes)
{
    double seconds = sim->settings->bytes_per_s > 0.0 ? bytes / sim->settings->bytes_per_s : 0.0;

    if (!(seconds > 0.0))
        return now_s;
    sim->disk_free_s = fmax(sim->disk_free_s, now_s) + seconds;
    sim->disk_busy_s += seconds;
    return sim->disk_free_s;
}

/* Ask for the next row that is not being computed, if it is known. */
static void read_ahead(struct simulation *sim, struct simulated_worker *worker, double now_s)
{
    size_t i = worker->i_row + worker->is_computing;
    const struct hand *hand = &worker->hand[0];

    if (worker->is_next_read || worker->n_here == 0)
        return;
    if (i == hand->n) {
        if (worker->n_here < 2)
            return;
        hand++;
        i = 0;
    }
    worker->read_s = transfer_s(sim, now_s, (double)sim->item[hand->row[i]].bytes);
    worker->is_next_read = true;
}

/* A worker that does nothing has a row: it begins when that is read. */
static void prepare(struct simulation *sim, size_t i_worker, double now_s)
{
    struct simulated_worker *worker = &sim->worker[i_worker];

    read_ahead(sim, worker, now_s);
    worker->has_s = now_s;
    push_worker(sim, fmax(fmax(worker->read_s, worker->free_s), now_s), ROWS_BEGIN, i_worker);
}

static void begin_rows(struct simulation *sim, size_t i_worker, double now_s)
{
    struct simulated_worker *worker = &sim->worker[i_worker];
    const struct hand *hand = &worker->hand[0];
    double seconds = hand->seconds, has_s = fmax(worker->has_s, worker->free_s);

    sim->outcome.wait_deal_s += has_s - worker->free_s;
    sim->outcome.wait_disk_s += now_s - has_s;
    worker->is_computing = true;
    worker->is_next_read = false;
    worker->free_s = now_s;
    if (sim->settings->bytes_per_s > 0.0) {
        seconds = (double)sim->seconds[hand->row[worker->i_row]];
        read_ahead(sim, worker, now_s);
    } else
        worker->i_row = hand->n - 1;
    push_worker(sim, now_s + seconds, ROWS_END, i_worker);
}

/* The oldest batch is done, and reported when its last row is written. */
static void report(struct simulation *sim, size_t i_worker, double now_s)
{
    struct simulated_worker *worker = &sim->worker[i_worker];

    push(sim, (struct event) { .at_s = now_s + sim->settings->latency_s,
                               .kind = REPORT_ARRIVES,
                               .i_worker = (uint32_t)i_worker,
                               .number = worker->hand[0].number,
                               .seconds = worker->hand[0].seconds,
                               .n = worker->hand[0].n });
    free(worker->hand[0].row);
    worker->hand[0] = worker->hand[1];
    worker->hand[1].row = NULL;
    worker->n_dealt--;
    worker->n_here--;
    worker->i_row = 0;
}

static void end_rows(struct simulation *sim, size_t i_worker, double now_s)
{
    struct simulated_worker *worker = &sim->worker[i_worker];
    double written_s = transfer_s(sim, now_s, sim->settings->written_bytes);

    sim->outcome.busy_s += now_s - worker->free_s;
    sim->outcome.wait_disk_s += written_s - now_s;
    worker->is_computing = false;
    worker->free_s = written_s;
    worker->i_row++;
    if (worker->i_row == worker->hand[0].n)
        report(sim, i_worker, written_s);
    if (worker->n_here > 0)
        prepare(sim, i_worker, now_s);
}

static void take_deal(struct simulation *sim, size_t i_worker, double now_s)
{
    struct simulated_worker *worker = &sim->worker[i_worker];

    if (++worker->n_here == 1)
        prepare(sim, i_worker, now_s);
    else if (worker->is_computing)
        read_ahead(sim, worker, now_s);
}

static void miss(struct simulation *sim, size_t i_worker, double now_s)
{
    sim->worker[i_worker].is_missed = true;
    dealer_lose(sim->dealer, i_worker);
    deal_all(sim, now_s);
}

/* ---- the run ----------------------------------------------------------------------------------- */

static void happen(struct simulation *sim, const struct event *event)
{
    bool is_gone = sim->worker[event->i_worker].is_gone;

    switch ((enum kind)event->kind) {
    case DEAL_ARRIVES:
        if (!is_gone)
            take_deal(sim, event->i_worker, event->at_s);
        return;
    case ROWS_BEGIN:
        if (!is_gone)
            begin_rows(sim, event->i_worker, event->at_s);
        return;
    case ROWS_END:
        if (!is_gone)
            end_rows(sim, event->i_worker, event->at_s);
        return;
    case REPORT_ARRIVES:
        hear_report(sim, event);
        return;
    case WORKER_GOES:
        sim->worker[event->i_worker].is_gone = true;
        push_worker(sim, event->at_s + sim->settings->silence_s, WORKER_IS_MISSED, event->i_worker);
        return;
    case WORKER_IS_MISSED:
        miss(sim, event->i_worker, event->at_s);
        return;
    }
}

static void conclude(struct simulation *sim)
{
    struct simulate_outcome *outcome = &sim->outcome;
    size_t n_worker = sim->settings->dealer.n_worker;
    double first_idle_s;

    outcome->wall_s = fmax(sim->dealer_free_s, sim->settings->start_up_s);
    outcome->start_up_s = sim->settings->start_up_s * (double)n_worker;
    first_idle_s = outcome->wall_s;
    for (size_t w = 0; w < n_worker; w++) {
        double rest_s = outcome->wall_s - sim->worker[w].free_s;

        if (sim->worker[w].is_gone) {
            outcome->lost_s += rest_s;
            continue;
        }
        outcome->tail_s += rest_s;
        first_idle_s = fmin(first_idle_s, sim->worker[w].free_s);
    }
    outcome->idle_tail_s = outcome->wall_s - first_idle_s;
    for (size_t i = 0; i < sim->n; i++) {
        outcome->total_s += (double)sim->seconds[i];
        outcome->largest_s = fmax(outcome->largest_s, (double)sim->seconds[i]);
    }
    outcome->bound_s = fmax(outcome->total_s / (double)n_worker, outcome->largest_s);
    if (outcome->wall_s > 0.0) {
        outcome->efficiency = outcome->total_s / ((double)n_worker * outcome->wall_s);
        outcome->dealer_load = sim->dealer_busy_s / outcome->wall_s;
        outcome->disk_load = sim->disk_busy_s / outcome->wall_s;
    }
}

static int simulation_open(struct simulation *sim, struct error *err)
{
    const struct simulate_settings *settings = sim->settings;
    size_t n_worker = settings->dealer.n_worker;
    struct dealer_item *item = mem_array(sim->n, sizeof(*item)); /* the dealer's own */
    int r;

    if (!item)
        return mem_short(err, "to simulate %zu galaxies", sim->n);
    memcpy(item, sim->item, sim->n * sizeof(*item));
    r = dealer_open(&settings->dealer, sim->n, item, &sim->dealer, err);
    if (r) {
        free(item);
        return r;
    }
    /* Of a worker: two deals, two reports, what it does, and that it goes or is missed. */
    sim->n_heap = 6 * n_worker + settings->n_loss;
    sim->heap = mem_small(sim->n_heap, sizeof(*sim->heap));
    sim->worker = mem_small(n_worker, sizeof(*sim->worker));
    sim->row = mem_small(DEALER_BATCH_MAX, sizeof(*sim->row));
    cost_model_begin(&sim->costs, settings->dealer.cost_s, settings->dealer.n_worker);
    for (size_t w = 0; w < n_worker; w++)
        sim->worker[w].free_s = settings->start_up_s;
    for (size_t i = 0; i < settings->n_loss; i++)
        push_worker(sim, settings->loss[i].at_s, WORKER_GOES, settings->loss[i].i_worker);
    return 0;
}

static void simulation_close(struct simulation *sim)
{
    for (size_t w = 0; sim->worker && w < sim->settings->dealer.n_worker; w++)
        for (size_t i = 0; i < DEALER_HOLD_MAX; i++)
            free(sim->worker[w].hand[i].row);
    free(sim->worker);
    free(sim->heap);
    free(sim->row);
    dealer_close(sim->dealer);
}

int simulate_run(const struct simulate_settings *settings, size_t n, const struct dealer_item *item,
                 const float *seconds, struct simulate_outcome *ret_outcome, struct error *err)
{
    struct simulation sim = { .settings = settings, .item = item, .seconds = seconds, .n = n };
    int r = simulation_open(&sim, err);

    if (!r) {
        deal_all(&sim, settings->start_up_s);
        while (!dealer_is_over(sim.dealer) && sim.n_event > 0) {
            struct event event = pop(&sim);

            happen(&sim, &event);
        }
        conclude(&sim);
        *ret_outcome = sim.outcome;
    }
    simulation_close(&sim);
    return r;
}

/* Whatever takes nearly all of the wall time; else what workers wait for most. */
enum simulate_limit simulate_find_limit(const struct simulate_outcome *outcome)
{
    const double wall_s = outcome->wall_s, nearly = 0.8;

    if (outcome->efficiency >= nearly)
        return SIMULATE_WORK;
    if (outcome->largest_s >= nearly * wall_s)
        return SIMULATE_LARGEST;
    if (outcome->disk_load >= nearly || outcome->dealer_load >= nearly)
        return outcome->disk_load >= outcome->dealer_load ? SIMULATE_DISK : SIMULATE_DEALING;
    if (outcome->tail_s >= fmax(outcome->wait_deal_s, outcome->wait_disk_s))
        return SIMULATE_SHARES;
    return outcome->wait_disk_s >= outcome->wait_deal_s ? SIMULATE_DISK : SIMULATE_WAITING;
}
