/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/dealer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Costs of a star and of a pair that change alike by so much leave the rows sorted. */
#define SAME_ORDER 1.05

/* Places [begin, end) of `order`. */
struct deal_range {
    size_t begin, end;
    bool is_suspect; /* a row that was regular, and has become one */
};

struct hold {
    uint64_t number;
    struct deal_range range;
    double cost_s;
};

struct holder {
    struct hold hold[DEALER_HOLD_MAX]; /* oldest first */
    size_t n_hold;
    struct deal_range own; /* static modes: fixed to be its, not dealt yet */
    bool is_lost;
};

/*
 * `order` holds indices of items in the order in which they are dealt: dynamic, [next, n_regular) is not
 * dealt yet; static, that of each worker is in its `own`. Then follow the suspects, [next_last, n). A batch
 * is a range of it, so that what a worker holds needs no list.
 */
struct dealer {
    struct dealer_settings settings;
    size_t n, n_regular;
    struct dealer_item *item; /* [n] */
    float *cost_s;            /* [n] predicted */
    float small_s;            /* below, the order is that of the file */
    uint32_t *order;          /* [n] */
    size_t next, next_last;
    struct holder *worker;
    size_t n_live, n_held;      /* workers not lost; batches held by all */
    struct deal_range *back;    /* [n_back] given back: dealt last to first, suspects lie below all others */
    size_t n_back, n_back_room; /* room for what all workers hold and own */
    double cost_all_s, cost_left_s, cost_undealt_s, cost_largest_s;
    double sorted_cost_s[COST_N_TERM]; /* by which the rows were sorted */
    size_t n_done;
    uint64_t n_batch;
    bool is_stopped;
};

/* ---- costs and order --------------------------------------------------------------------------- */

static double range_cost_s(const struct dealer *dealer, struct deal_range range)
{
    double sum = 0.0;

    for (size_t i = range.begin; i < range.end; i++)
        sum += (double)dealer->cost_s[dealer->order[i]];
    return sum;
}

static void predict(struct dealer *dealer)
{
    const double *cost_s = dealer->settings.cost_s;

    dealer->cost_all_s = 0.0;
    dealer->cost_largest_s = 0.0;
    for (size_t i = 0; i < dealer->n; i++) {
        double sum = cost_s[0];

        for (size_t t = 1; t < COST_N_TERM; t++)
            sum += cost_s[t] * (double)dealer->item[i].term[t - 1];
        dealer->cost_s[i] = (float)sum;
        dealer->cost_all_s += (double)dealer->cost_s[i];
        dealer->cost_largest_s = fmax(dealer->cost_largest_s, (double)dealer->cost_s[i]);
    }
}

/* Rows that cost less than this part of a worker's share go in the order of the file: whichever of them comes
 * last, nobody waits long for it, and neighbours are read, computed and written together. */
#define SMALL_PART (1.0 / 1024)

/* Large first; small ones, and equal costs, by row, so that every run deals alike. */
static int compare_places(const void *a, const void *b, void *context)
{
    const struct dealer *dealer = context;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;

    float cost_i = fmaxf(dealer->cost_s[i], dealer->small_s),
          cost_k = fmaxf(dealer->cost_s[k], dealer->small_s);

    if (cost_i != cost_k)
        return cost_i < cost_k ? 1 : -1;
    return (dealer->item[i].row > dealer->item[k].row) - (dealer->item[i].row < dealer->item[k].row);
}

static void sort_range(struct dealer *dealer, struct deal_range range)
{
    dealer->small_s = dealer->settings.mode == DEALER_DYNAMIC
                          ? (float)(SMALL_PART * dealer->cost_all_s / (double)dealer->settings.n_worker)
                          : 0.0F;
    qsort_r(dealer->order + range.begin, range.end - range.begin, sizeof(*dealer->order), compare_places,
            dealer);
}

/* ---- static modes: who owns what --------------------------------------------------------------- */

/* Workers as a heap with the least loaded at the root; equal loads by number. */
struct loads {
    size_t n;
    double *load_s;
    size_t *heap;
};

static bool is_less_loaded(const struct loads *loads, size_t v, size_t w)
{
    return loads->load_s[v] < loads->load_s[w] || (loads->load_s[v] == loads->load_s[w] && v < w);
}

/* The root has got more: let it sink. */
static void sink_root(struct loads *loads)
{
    size_t place = 0, child;

    while ((child = 2 * place + 1) < loads->n) {
        size_t moving = loads->heap[place];

        if (child + 1 < loads->n && is_less_loaded(loads, loads->heap[child + 1], loads->heap[child]))
            child++;
        if (!is_less_loaded(loads, loads->heap[child], moving))
            return;
        loads->heap[place] = loads->heap[child];
        loads->heap[child] = moving;
        place = child;
    }
}

static size_t choose_owner(const struct dealer *dealer, struct loads *loads, size_t i)
{
    size_t n_worker = dealer->settings.n_worker, owner;

    if (dealer->settings.mode == DEALER_STATIC_BLOCK)
        return i * n_worker / dealer->n_regular;
    if (dealer->settings.mode == DEALER_STATIC_CYCLIC)
        return i % n_worker;
    owner = loads->heap[0];
    loads->load_s[owner] += (double)dealer->cost_s[dealer->order[i]];
    sink_root(loads);
    return owner;
}

/* Fix every item's owner, and sort the items by owner keeping their order. */
static int assign(struct dealer *dealer)
{
    size_t n_worker = dealer->settings.n_worker, begin = 0;
    struct loads loads = { .n = n_worker,
                           .load_s = mem_small(n_worker, sizeof(double)),
                           .heap = mem_small(n_worker, sizeof(size_t)) };
    uint32_t *owner = mem_array(dealer->n_regular, sizeof(*owner));
    uint32_t *sorted = mem_array(dealer->n_regular, sizeof(*sorted));
    int r = owner && sorted ? 0 : -1;

    for (size_t w = 0; !r && w < n_worker; w++)
        loads.heap[w] = w;
    for (size_t i = 0; !r && i < dealer->n_regular; i++) {
        owner[i] = (uint32_t)choose_owner(dealer, &loads, i);
        dealer->worker[owner[i]].own.end++;
    }
    for (size_t w = 0; !r && w < n_worker; w++) {
        size_t n_own = dealer->worker[w].own.end;

        dealer->worker[w].own = (struct deal_range) { begin, begin, false };
        begin += n_own;
    }
    for (size_t i = 0; !r && i < dealer->n_regular; i++)
        sorted[dealer->worker[owner[i]].own.end++] = dealer->order[i];
    if (!r)
        memcpy(dealer->order, sorted, dealer->n_regular * sizeof(*sorted));
    dealer->next = dealer->n_regular;
    free(loads.load_s);
    free(loads.heap);
    free(owner);
    free(sorted);
    return r;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static struct dealer *allocate(const struct dealer_settings *settings, size_t n)
{
    struct dealer *dealer = mem_small(1, sizeof(*dealer));

    dealer->n = n;
    dealer->settings = *settings;
    dealer->n_back_room = (DEALER_HOLD_MAX + 1) * settings->n_worker + 1;
    dealer->cost_s = mem_array(n, sizeof(*dealer->cost_s));
    dealer->order = mem_array(n, sizeof(*dealer->order));
    dealer->worker = mem_small(settings->n_worker, sizeof(*dealer->worker));
    dealer->back = mem_small(dealer->n_back_room, sizeof(*dealer->back));
    if (!dealer->cost_s || !dealer->order) {
        dealer_close(dealer);
        return NULL;
    }
    return dealer;
}

int dealer_open(const struct dealer_settings *settings, size_t n, struct dealer_item *item,
                struct dealer **ret_dealer, struct error *err)
{
    struct dealer *dealer = n <= UINT32_MAX ? allocate(settings, n) : NULL;
    enum dealer_mode mode = settings->mode;

    if (!dealer)
        return mem_short(err, "to deal %zu galaxies", n);
    if (dealer->settings.n_max_batch > DEALER_BATCH_MAX)
        dealer->settings.n_max_batch = DEALER_BATCH_MAX;
    dealer->n_regular = n - settings->n_last;
    dealer->next_last = dealer->n_regular;
    dealer->n_live = settings->n_worker;
    dealer->item = item;
    for (size_t i = 0; i < n; i++)
        dealer->order[i] = (uint32_t)i;
    predict(dealer);
    memcpy(dealer->sorted_cost_s, settings->cost_s, sizeof(dealer->sorted_cost_s));
    dealer->cost_left_s = dealer->cost_undealt_s = dealer->cost_all_s;
    if (mode == DEALER_DYNAMIC || mode == DEALER_STATIC_LPT)
        sort_range(dealer, (struct deal_range) { 0, dealer->n_regular, false });
    if (mode != DEALER_DYNAMIC && assign(dealer)) {
        dealer->item = NULL;
        dealer_close(dealer);
        return mem_short(err, "to deal %zu galaxies", n);
    }
    *ret_dealer = dealer;
    return 0;
}

void dealer_close(struct dealer *dealer)
{
    if (!dealer)
        return;
    free(dealer->item);
    free(dealer->cost_s);
    free(dealer->order);
    free(dealer->worker);
    free(dealer->back);
    free(dealer);
}

/* ---- dealing ----------------------------------------------------------------------------------- */

static double held_cost_s(const struct holder *worker)
{
    double sum = 0.0;

    for (size_t i = 0; i < worker->n_hold; i++)
        sum += worker->hold[i].cost_s;
    return sum;
}

/* Most that a worker should get now, in cost and rows, and whether it may be a row that costs more. */
struct limit {
    double cost_s;
    size_t n;
    bool takes_one;
};

static struct limit find_limit(const struct dealer *dealer, const struct holder *worker, bool is_shared)
{
    double part = dealer->settings.is_guessed ? 8.0 : 2.0;
    double share_s = dealer->cost_undealt_s / (part * (double)dealer->n_live);
    struct limit limit = { .cost_s = fmin(0.5 * share_s, share_s - held_cost_s(worker)),
                           .n = dealer->settings.n_max_batch,
                           .takes_one = worker->n_hold == 0 };

    if (!is_shared || dealer->settings.is_alone)
        limit = (struct limit) { (double)INFINITY, dealer->settings.n_max_batch, true };
    return limit;
}

/* Rows from the beginning of a range, up to the limit. */
static size_t count_rows(const struct dealer *dealer, struct deal_range range, struct limit limit)
{
    double cost_s = 0.0, bytes = 0.0;
    size_t n = 0;

    for (; range.begin + n < range.end && n < limit.n; n++) {
        uint32_t i = dealer->order[range.begin + n];

        cost_s += (double)dealer->cost_s[i];
        bytes += (double)dealer->item[i].bytes;
        if (cost_s > limit.cost_s && !(n == 0 && limit.takes_one))
            break;
        if (bytes > dealer->settings.max_batch_bytes && n > 0)
            break;
    }
    return n;
}

static bool has_suspects(const struct dealer *dealer, const struct deal_range *range)
{
    return range->is_suspect || range->begin >= dealer->n_regular;
}

/* Static modes: does anybody still have rows of its own? */
static bool is_owned(const struct dealer *dealer)
{
    size_t w = 0;

    while (w < dealer->settings.n_worker && dealer->worker[w].own.begin == dealer->worker[w].own.end)
        w++;
    return w < dealer->settings.n_worker;
}

/*
 * The range that the worker's next rows come from: what was given back, its own, what is anybody's. When
 * nobody has any of these, and the worker holds nothing that a suspect could take with it: suspects.
 */
static struct deal_range *find_source(struct dealer *dealer, struct holder *worker, struct deal_range *common)
{
    struct deal_range *back = dealer->n_back > 0 ? &dealer->back[dealer->n_back - 1] : NULL;

    if (back && !has_suspects(dealer, back))
        return back;
    if (worker->own.begin < worker->own.end)
        return &worker->own;
    *common = (struct deal_range) { dealer->next, dealer->n_regular, false };
    if (common->begin < common->end || worker->n_hold > 0 || is_owned(dealer))
        return common;
    if (back)
        return back;
    *common = (struct deal_range) { dealer->next_last, dealer->n, false };
    return common;
}

static void describe(const struct dealer *dealer, struct deal_range range, struct dealer_batch *ret_batch)
{
    *ret_batch = (struct dealer_batch) { .n = range.end - range.begin };
    for (size_t i = range.begin; i < range.end; i++) {
        const struct dealer_item *item = &dealer->item[dealer->order[i]];

        if (i == range.begin)
            ret_batch->first_row = item->row;
        ret_batch->cost_s += (double)dealer->cost_s[dealer->order[i]];
        ret_batch->term[0] += 1.0;
        for (size_t t = 1; t < COST_N_TERM; t++)
            ret_batch->term[t] += (double)item->term[t - 1];
    }
}

static void take(struct dealer *dealer, struct holder *worker, struct deal_range range,
                 struct dealer_batch *ret_batch, uint64_t *ret_row)
{
    describe(dealer, range, ret_batch);
    ret_batch->number = ++dealer->n_batch;
    for (size_t i = range.begin; i < range.end; i++)
        ret_row[i - range.begin] = dealer->item[dealer->order[i]].row;
    worker->hold[worker->n_hold++] = (struct hold) { ret_batch->number, range, ret_batch->cost_s };
    dealer->n_held++;
    dealer->cost_undealt_s -= ret_batch->cost_s;
}

/* Room to give back whatever is held and owned, one batch more than now: so that giving back cannot fail. */
static bool reserve(struct dealer *dealer)
{
    size_t n_needed = dealer->n_back + dealer->n_held + 1 + dealer->settings.n_worker;
    struct deal_range *back;

    if (n_needed <= dealer->n_back_room)
        return true;
    back = realloc(dealer->back, 2 * n_needed * sizeof(*back));
    if (!back)
        return false;
    dealer->back = back;
    dealer->n_back_room = 2 * n_needed;
    return true;
}

bool dealer_next(struct dealer *dealer, size_t i_worker, struct dealer_batch *ret_batch, uint64_t *ret_row)
{
    struct holder *worker = &dealer->worker[i_worker];
    struct deal_range common, *source, taken;
    struct limit limit;

    if (worker->is_lost) {
        worker->is_lost = false;
        dealer->n_live++;
    }
    if (dealer->is_stopped || worker->n_hold == DEALER_HOLD_MAX || !reserve(dealer))
        return false;
    source = find_source(dealer, worker, &common);
    limit = find_limit(dealer, worker, source != &worker->own);
    if (has_suspects(dealer, source)) /* alone */
        limit.n = 1;
    taken = (struct deal_range) { source->begin, source->begin + count_rows(dealer, *source, limit),
                                  source->is_suspect };
    if (taken.begin == taken.end)
        return false;
    source->begin = taken.end;
    if (source == &common && taken.begin >= dealer->n_regular)
        dealer->next_last = taken.end;
    else if (source == &common)
        dealer->next = taken.end;
    else if (source != &worker->own && source->begin == source->end)
        dealer->n_back--;
    take(dealer, worker, taken, ret_batch, ret_row);
    return true;
}

static void give_back(struct dealer *dealer, struct deal_range range)
{
    size_t place = has_suspects(dealer, &range) ? 0 : dealer->n_back;

    if (range.begin == range.end)
        return;
    dealer->cost_undealt_s += range_cost_s(dealer, range);
    memmove(dealer->back + place + 1, dealer->back + place, (dealer->n_back - place) * sizeof(range));
    dealer->back[place] = range;
    dealer->n_back++;
}

bool dealer_done(struct dealer *dealer, size_t i_worker, uint64_t number, size_t n_worked,
                 struct dealer_batch *ret_batch)
{
    struct holder *worker = &dealer->worker[i_worker];
    struct deal_range worked;
    size_t i = 0;

    while (i < worker->n_hold && worker->hold[i].number != number)
        i++;
    if (i == worker->n_hold || n_worked > worker->hold[i].range.end - worker->hold[i].range.begin)
        return false;
    worked = worker->hold[i].range;
    worked.end = worked.begin + n_worked;
    describe(dealer, worked, ret_batch);
    ret_batch->number = number;
    give_back(dealer, (struct deal_range) { worked.end, worker->hold[i].range.end,
                                            worker->hold[i].range.is_suspect });
    memmove(worker->hold + i, worker->hold + i + 1, (worker->n_hold - i - 1) * sizeof(*worker->hold));
    worker->n_hold--;
    dealer->n_held--;
    dealer->cost_left_s -= ret_batch->cost_s;
    dealer->n_done += n_worked;
    return true;
}

size_t dealer_lose(struct dealer *dealer, size_t i_worker)
{
    struct holder *worker = &dealer->worker[i_worker];
    size_t n = 0;

    if (worker->is_lost)
        return 0;
    worker->is_lost = true;
    dealer->n_live--;
    if (worker->own.begin < worker->own.end)
        dealer->back[dealer->n_back++] = worker->own; /* was never dealt: its cost has not been taken off */
    worker->own = (struct deal_range) { 0 };
    for (size_t i = 0; i < worker->n_hold; i++) {
        n += worker->hold[i].range.end - worker->hold[i].range.begin;
        give_back(dealer, worker->hold[i].range);
    }
    dealer->n_held -= worker->n_hold;
    worker->n_hold = 0;
    return n;
}

/* Take a row out of what was given back: swapped to the end of its range, which then ends before it. */
static bool take_back(struct dealer *dealer, uint64_t row, size_t *ret_place)
{
    for (size_t b = 0; b < dealer->n_back; b++) {
        struct deal_range *range = &dealer->back[b];

        for (size_t i = range->begin; i < range->end; i++) {
            uint32_t found = dealer->order[i];

            if (dealer->item[found].row != row)
                continue;
            dealer->order[i] = dealer->order[range->end - 1];
            dealer->order[--range->end] = found;
            *ret_place = range->end;
            if (range->begin == range->end)
                memmove(range, range + 1, (--dealer->n_back - b) * sizeof(*range));
            dealer->cost_undealt_s -= (double)dealer->cost_s[found];
            return true;
        }
    }
    return false;
}

bool dealer_withdraw(struct dealer *dealer, uint64_t row)
{
    size_t place;

    if (!take_back(dealer, row, &place))
        return false;
    dealer->cost_left_s -= (double)dealer->cost_s[dealer->order[place]];
    dealer->n_done++;
    return true;
}

bool dealer_suspect(struct dealer *dealer, uint64_t row)
{
    size_t place;

    if (!reserve(dealer) || !take_back(dealer, row, &place))
        return false;
    give_back(dealer, (struct deal_range) { place, place + 1, true });
    return true;
}

void dealer_stop(struct dealer *dealer)
{
    dealer->is_stopped = true;
}

/* ---- where it stands --------------------------------------------------------------------------- */

bool dealer_is_over(const struct dealer *dealer)
{
    return dealer->n_held == 0 && (dealer->is_stopped || dealer->n_done == dealer->n);
}

size_t dealer_n_held(const struct dealer *dealer, size_t i_worker)
{
    return dealer->worker[i_worker].n_hold;
}

size_t dealer_n_done(const struct dealer *dealer)
{
    return dealer->n_done;
}

double dealer_cost_all_s(const struct dealer *dealer)
{
    return dealer->cost_all_s;
}

double dealer_cost_left_s(const struct dealer *dealer)
{
    return fmax(dealer->cost_left_s, 0.0); /* sums and differences of many numbers */
}

double dealer_cost_largest_s(const struct dealer *dealer)
{
    return dealer->cost_largest_s;
}

/* Do costs keep their order, nearly, when these are the new ones? Then sorting again, seconds for 10^7 rows,
 * is not worth it. */
static bool are_in_proportion(const double cost_s[COST_N_TERM], const double new_cost_s[COST_N_TERM])
{
    double least = (double)INFINITY, most = 0.0;

    for (size_t t = 1; t < COST_N_TERM; t++) { /* what all rows have alike does not order them */
        if (cost_s[t] <= 0.0 && new_cost_s[t] <= 0.0)
            continue;
        if (cost_s[t] <= 0.0 || new_cost_s[t] <= 0.0)
            return false;
        least = fmin(least, new_cost_s[t] / cost_s[t]);
        most = fmax(most, new_cost_s[t] / cost_s[t]);
    }
    return most <= SAME_ORDER * least;
}

void dealer_refine(struct dealer *dealer, const double cost_s[COST_N_TERM])
{
    bool is_same_order = are_in_proportion(dealer->sorted_cost_s, cost_s);

    memcpy(dealer->settings.cost_s, cost_s, sizeof(dealer->settings.cost_s));
    dealer->settings.is_guessed = false;
    predict(dealer);
    if (dealer->settings.mode == DEALER_DYNAMIC && !is_same_order) {
        memcpy(dealer->sorted_cost_s, cost_s, sizeof(dealer->sorted_cost_s));
        sort_range(dealer, (struct deal_range) { dealer->next, dealer->n_regular, false });
    }
    dealer->cost_undealt_s =
        range_cost_s(dealer, (struct deal_range) { dealer->next, dealer->n_regular, false }) +
        range_cost_s(dealer, (struct deal_range) { dealer->next_last, dealer->n, false });
    for (size_t b = 0; b < dealer->n_back; b++)
        dealer->cost_undealt_s += range_cost_s(dealer, dealer->back[b]);
    dealer->cost_left_s = 0.0;
    for (size_t w = 0; w < dealer->settings.n_worker; w++) {
        struct holder *worker = &dealer->worker[w];

        dealer->cost_undealt_s += range_cost_s(dealer, worker->own);
        for (size_t i = 0; i < worker->n_hold; i++) {
            worker->hold[i].cost_s = range_cost_s(dealer, worker->hold[i].range);
            dealer->cost_left_s += worker->hold[i].cost_s;
        }
    }
    dealer->cost_left_s += dealer->cost_undealt_s;
}
