/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How fast the dealer is, in one thread:
 *     bench_dealer [ROWS ...]        default 1000000 10000000
 * A deal is dealer_next() and the dealer_done() that answers it: batches of one row, to 4096 workers in turn,
 * each with one in hand and one in advance. The bar is 10^6 a second. Exit code 1 below it, 2 usage.
 */
#include "polyphony/dealer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define N_WORKER    4096
#define N_DEAL_MOST 1000000
#define BAR_PER_S   1e6

static const char *const mode_names[] = { "dynamic", "static-block", "static-cyclic", "static-lpt" };

/* Pareto with exponent 1.2 by a multiplicative hash: a few galaxies dominate, in no order. */
static struct dealer_item *make_items(size_t n)
{
    struct dealer_item *item = mem_array(n, sizeof(*item));

    for (size_t i = 0; item && i < n; i++) {
        double u = (double)((i + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 11) * 0x1p-53;

        item[i] = (struct dealer_item) { .row = (uint32_t)i,
                                         .bytes = 1e6F,
                                         .term = { (float)pow(1.0 - u, -1.0 / 1.2), (float)u } };
    }
    return item;
}

static double seconds_since(int64_t begin_ns)
{
    return (double)(clock_ns() - begin_ns) * 1e-9;
}

/* Deals a second. */
static double deal(struct dealer *dealer, size_t n_deal)
{
    uint64_t(*number)[DEALER_HOLD_MAX] = mem_array(N_WORKER, sizeof(*number));
    struct dealer_batch batch;
    size_t n = 0;
    int64_t begin_ns;
    uint64_t row;

    if (!number)
        return 0.0;
    begin_ns = clock_ns();
    for (size_t turn = 0; n < n_deal && dealer_n_done(dealer) < n_deal; turn++) {
        size_t w = turn % N_WORKER, slot = turn / N_WORKER % DEALER_HOLD_MAX;

        if (number[w][slot])
            dealer_done(dealer, w, number[w][slot], 1, &batch);
        number[w][slot] = 0;
        if (dealer_next(dealer, w, &batch, &row)) {
            number[w][slot] = batch.number;
            n++;
        }
    }
    free(number);
    return (double)n / seconds_since(begin_ns);
}

/* Forget the peak so far (proc(5), clear_refs), and return what is resident now. */
static size_t restart_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");

    if (file) {
        fputs("5", file);
        fclose(file);
    }
    return memory_peak_rss_bytes();
}

static int measure(size_t n, enum dealer_mode mode, bool *ret_is_fast)
{
    const struct dealer_settings settings = { .mode = mode,
                                              .n_worker = N_WORKER,
                                              .n_max_batch = 1,
                                              .max_batch_bytes = 1e9,
                                              .cost_s = { 1e-2, 1.0, 1e-3 } };
    const double other_s[COST_N_TERM] = { 2e-2, 0.5, 2e-1 };
    size_t before_bytes = restart_peak();
    struct dealer_item *item = make_items(n);
    struct dealer *dealer = NULL;
    struct error err = { "" };
    double open_s, refine_s, bytes, deals_per_s;
    int64_t begin_ns = clock_ns();

    if (!item || dealer_open(&settings, n, item, &dealer, &err)) {
        fprintf(stderr, "bench_dealer: %zu rows: %s\n", n, item ? err.text : "no memory");
        free(item);
        return -1;
    }
    open_s = seconds_since(begin_ns);
    bytes = (double)(memory_peak_rss_bytes() - before_bytes) / (double)n;
    begin_ns = clock_ns();
    dealer_refine(dealer, other_s);
    refine_s = seconds_since(begin_ns);
    deals_per_s = deal(dealer, n < N_DEAL_MOST ? n : N_DEAL_MOST);
    printf("%10zu  %-13s %8.3f %8.3f %12.3g %10.1f\n", n, mode_names[mode], open_s, refine_s, deals_per_s,
           bytes);
    *ret_is_fast &= deals_per_s >= BAR_PER_S;
    dealer_close(dealer);
    return 0;
}

int main(int argc, char **argv)
{
    static char *usual[] = { "", "1000000", "10000000" };
    static const enum dealer_mode modes[] = { DEALER_DYNAMIC, DEALER_STATIC_LPT };
    char **number = argc > 1 ? argv : usual;
    bool is_fast = true;

    printf("%10s  %-13s %8s %8s %12s %10s\n", "rows", "mode", "open s", "refine s", "deals / s", "bytes/row");
    for (int i = 1; i < (argc > 1 ? argc : 3); i++)
        for (size_t m = 0; m < 2; m++) {
            int64_t n;

            if (!text_to_int64(number[i], &n) || n < 1 || n > UINT32_MAX) {
                fprintf(stderr, "usage: bench_dealer [ROWS ...]\n");
                return 2;
            }
            if (measure((size_t)n, modes[m], &is_fast))
                return 1;
        }
    return is_fast ? 0 : 1;
}
