/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/schedule.h"

#include <stdlib.h>

struct item {
    uint64_t row;
    double cost;
};

/*
 * Dynamic: `item` in order of falling cost, `next` the first not dealt. Static: `item` sorted by owner,
 * worker w owning [begin[w], begin[w + 1]) and having been dealt up to taken[w].
 */
struct dealer {
    size_t n, n_worker, n_max_batch;
    enum dealer_mode mode;
    struct item *item;
    size_t next;
    size_t *begin, *taken;
    double cost_total, cost_left;
    bool is_stopped;
};

/* Large first; equal costs by row, so that every run deals alike. */
static int compare_items(const void *a, const void *b)
{
    const struct item *left = a, *right = b;

    if (left->cost != right->cost)
        return left->cost < right->cost ? 1 : -1;
    return (left->row > right->row) - (left->row < right->row);
}

static size_t least_loaded(size_t n_worker, const double *load)
{
    size_t least = 0;

    for (size_t w = 1; w < n_worker; w++)
        if (load[w] < load[least])
            least = w;
    return least;
}

/* Fix every item's owner, and sort the items by owner keeping their order. */
static int assign(struct dealer *dealer)
{
    size_t *owner = mem_array(dealer->n, sizeof(*owner));
    double *load = mem_array(dealer->n_worker, sizeof(*load));
    struct item *sorted = mem_array(dealer->n, sizeof(*sorted));
    int r = owner && load && sorted ? 0 : -1;

    for (size_t i = 0; !r && i < dealer->n; i++) {
        owner[i] = dealer->mode == DEALER_STATIC_BLOCK    ? i * dealer->n_worker / dealer->n
                   : dealer->mode == DEALER_STATIC_CYCLIC ? i % dealer->n_worker
                                                          : least_loaded(dealer->n_worker, load);
        load[owner[i]] += dealer->item[i].cost;
        dealer->begin[owner[i] + 1]++;
    }
    for (size_t w = 0; !r && w < dealer->n_worker; w++) {
        dealer->begin[w + 1] += dealer->begin[w];
        dealer->taken[w] = dealer->begin[w];
    }
    for (size_t i = 0; !r && i < dealer->n; i++)
        sorted[dealer->taken[owner[i]]++] = dealer->item[i];
    for (size_t w = 0; !r && w < dealer->n_worker; w++)
        dealer->taken[w] = dealer->begin[w];
    if (!r) {
        free(dealer->item);
        dealer->item = sorted;
        sorted = NULL;
    }
    free(owner);
    free(load);
    free(sorted);
    return r;
}

int dealer_open(size_t n, const uint64_t *row, const double *cost, size_t n_worker, enum dealer_mode mode,
                size_t n_max_batch, struct dealer **ret_dealer, struct error *err)
{
    struct dealer *dealer = mem_array(1, sizeof(*dealer));

    if (dealer) {
        dealer->n = n;
        dealer->n_worker = n_worker;
        dealer->n_max_batch = n_max_batch < DEALER_BATCH_MAX ? n_max_batch : DEALER_BATCH_MAX;
        dealer->mode = mode;
        dealer->item = mem_array(n, sizeof(*dealer->item));
        dealer->begin = mem_array(n_worker + 1, sizeof(*dealer->begin));
        dealer->taken = mem_array(n_worker, sizeof(*dealer->taken));
    }
    if (!dealer || !dealer->item || !dealer->begin || !dealer->taken) {
        dealer_close(dealer);
        return error_set(err, POLYPHONY_INTERNAL, "no memory to deal %zu galaxies", n);
    }
    for (size_t i = 0; i < n; i++) {
        dealer->item[i] = (struct item) { row[i], cost[i] };
        dealer->cost_total += cost[i];
    }
    dealer->cost_left = dealer->cost_total;
    if (mode == DEALER_DYNAMIC || mode == DEALER_STATIC_LPT)
        qsort(dealer->item, n, sizeof(*dealer->item), compare_items);
    if (mode != DEALER_DYNAMIC && assign(dealer)) {
        dealer_close(dealer);
        return error_set(err, POLYPHONY_INTERNAL, "no memory to deal %zu galaxies", n);
    }
    *ret_dealer = dealer;
    return 0;
}

void dealer_close(struct dealer *dealer)
{
    if (!dealer)
        return;
    free(dealer->item);
    free(dealer->begin);
    free(dealer->taken);
    free(dealer);
}

size_t dealer_next(struct dealer *dealer, size_t i_worker, uint64_t *ret_row)
{
    bool is_dynamic = dealer->mode == DEALER_DYNAMIC;
    size_t *next = is_dynamic ? &dealer->next : &dealer->taken[i_worker];
    size_t end = is_dynamic ? dealer->n : dealer->begin[i_worker + 1];
    double target = is_dynamic ? dealer->cost_left / (2.0 * (double)dealer->n_worker) : dealer->cost_total;
    double cost = 0.0;
    size_t n = 0;

    while (!dealer->is_stopped && *next < end && n < dealer->n_max_batch) {
        const struct item *item = &dealer->item[*next];

        if (n > 0 && cost + item->cost > target)
            break;
        ret_row[n++] = item->row;
        cost += item->cost;
        ++*next;
    }
    dealer->cost_left -= cost;
    return n;
}

void dealer_stop(struct dealer *dealer)
{
    dealer->is_stopped = true;
}

double dealer_cost_left(const struct dealer *dealer)
{
    return dealer->cost_left;
}

double dealer_cost_total(const struct dealer *dealer)
{
    return dealer->cost_total;
}
