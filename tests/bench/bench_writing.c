/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows to the page cache of the directory that the benchmark is run in: piece by piece as they were written
 * once, and together; 32 rows of 120 datasets. What is reached is compared with a copy of the same bytes in
 * memory, and with a copy to pages that the process has not touched: the page cache has to find its pages
 * too.
 */
#include "bench.h"

#include "../../src/results/results_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define N_PRODUCT 120
#define N_ROW     320
#define N_TURN    7

/* A file, and rows as the pipeline hands them over. */
struct writing {
    struct plan plan;
    struct catalogue catalogue;
    struct results results;
    size_t n_group, n_row;    /* rows at once, rows in all */
    struct pipeline_row *row; /* [n_row] in the order in which they are computed */
    double *value, *seconds;  /* [n_group * n_value], [n_group] */
    int *status;
    char *memory; /* copies go here */
};

static const char path[] = "bench_writing.tmp";

/* Datasets of n values, one after the other, the ledger first. */
static void lay_out(struct writing *w, size_t n, bool is_shuffled, unsigned *seed)
{
    struct plan *plan = &w->plan;
    struct results *results = &w->results;

    w->catalogue.n_galaxy = w->n_row;
    w->catalogue.offset[STARS] = w->catalogue.offset[BLACK_HOLES] = mem_array(w->n_row, sizeof(uint64_t));
    plan->catalogue = &w->catalogue;
    plan->n_product = N_PRODUCT;
    plan->product = mem_array(N_PRODUCT, sizeof(*plan->product));
    plan->n_value = N_PRODUCT * n;
    *results = (struct results) { .plan = plan, .path = (char *)path, .fd = -1 };
    results->column = mem_array(N_PRODUCT, sizeof(*results->column));
    results->ledger_offset = 4096;
    for (size_t i = 0; i < N_PRODUCT; i++) {
        plan->product[i] = (struct product) { .rank = 1, .dims = { n }, .n = n, .offset = i * n };
        results->column[i] = (struct results_column) {
            .offset = 4096 + w->n_row * (sizeof(struct ledger_entry) + i * n * sizeof(double)),
            .row_bytes = n * sizeof(double)
        };
    }
    results_find_spans(results);
    results_unsynced_open(results);
    w->row = mem_array(w->n_row, sizeof(*w->row));
    for (size_t i = 0; i < w->n_row; i++)
        w->row[i] = (struct pipeline_row) { .row = i, .value = w->value + i % w->n_group * plan->n_value };
    for (size_t i = w->n_row - 1; is_shuffled && i > 0; i--) {
        size_t k = (size_t)rand_r(seed) % (i + 1);
        uint64_t other = w->row[k].row;

        w->row[k].row = w->row[i].row;
        w->row[i].row = other;
    }
}

static void writing_close(struct writing *w)
{
    free((void *)w->catalogue.offset[STARS]);
    free(w->plan.product);
    results_unsynced_close(&w->results);
    free(w->results.column);
    free(w->results.span);
    free(w->row);
    close(w->results.fd);
    unlink(path);
}

/* A new file each time: pages that are there already cost less. */
static void new_file(struct writing *w)
{
    if (w->results.fd >= 0)
        close(w->results.fd);
    unlink(path);
    w->results.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (w->results.fd < 0) {
        perror(path);
        exit(1);
    }
}

static void write_together(void *context)
{
    struct writing *w = context;

    for (size_t i = 0; i < w->n_row; i += w->n_group)
        results_write_many(&w->results, w->n_group, w->row + i, w->seconds, 0, w->status, NULL, NULL);
}

static void write_one_by_one(void *context)
{
    struct writing *w = context;

    for (size_t i = 0; i < w->n_row; i++)
        results_write_many(&w->results, 1, &w->row[i], &w->seconds[i], 0, w->status, NULL, NULL);
}

static void write_pieces(void *context)
{
    struct writing *w = context;
    struct ledger_entry entry = { .status = ROW_DONE };

    for (size_t i = 0; i < w->n_row; i++) {
        for (size_t p = 0; p < N_PRODUCT; p++)
            results_write_at(
                &w->results, w->results.column[p].offset + w->row[i].row * w->results.column[p].row_bytes,
                w->row[i].value + w->plan.product[p].offset, w->results.column[p].row_bytes, NULL);
        entry.checksum = hash_bytes(w->row[i].value, w->plan.n_value * sizeof(double));
        results_write_at(&w->results, w->results.ledger_offset + w->row[i].row * sizeof(entry), &entry,
                         sizeof(entry), NULL);
    }
}

static void copy(void *context)
{
    struct writing *w = context;

    for (size_t i = 0; i < w->n_row; i++)
        memcpy(w->memory, w->row[i].value, w->plan.n_value * sizeof(double));
}

static void copy_to_new_pages(void *context)
{
    struct writing *w = context;
    size_t n = w->plan.n_value * sizeof(double), n_all = w->n_row * n;
    char *pages = mmap(NULL, n_all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        abort();
    for (size_t i = 0; i < w->n_row; i++)
        memcpy(pages + i * n, w->row[i].value, n);
    munmap(pages, n_all);
}

/* Without the making and the deleting of the file, which the writing has not to answer for. */
static double least_s(struct writing *w, void (*run)(void *context), double *ret_sync_s)
{
    double least = 1e30;

    *ret_sync_s = 1e30;
    for (int turn = 0; turn < N_TURN; turn++) {
        int64_t begin_ns, end_ns, synced_ns;

        new_file(w);
        begin_ns = clock_ns();
        run(w);
        end_ns = clock_ns();
        fsync(w->results.fd);
        synced_ns = clock_ns();
        least = (double)(end_ns - begin_ns) * 1e-9 < least ? (double)(end_ns - begin_ns) * 1e-9 : least;
        *ret_sync_s = (double)(synced_ns - end_ns) * 1e-9 < *ret_sync_s ? (double)(synced_ns - end_ns) * 1e-9
                                                                        : *ret_sync_s;
    }
    return least;
}

static void race(struct bench *bench, size_t n, size_t n_group, bool is_shuffled)
{
    static const struct {
        const char *name;
        void (*run)(void *context);
    } variants[] = { { "piece by piece", write_pieces },
                     { "row by row", write_one_by_one },
                     { "together", write_together },
                     { "copy in memory", copy },
                     { "copy to new pages", copy_to_new_pages } };
    struct writing w = { .n_group = n_group, .n_row = n_group > 1 ? N_ROW : 10 };
    unsigned seed = 1;
    struct bench_work work;
    char size[100];

    if (bench_is_quick(bench))
        w.n_row = 2 * n_group;
    w.value = mem_array(n_group * N_PRODUCT * n, sizeof(double));
    w.seconds = mem_array(n_group, sizeof(double));
    w.status = mem_array(n_group, sizeof(int));
    for (size_t i = 0; i < n_group * N_PRODUCT * n; i++)
        w.value[i] = bench_random(bench);
    lay_out(&w, n, is_shuffled, &seed);
    w.memory = mem_array(w.plan.n_value, sizeof(double));
    memset(w.memory, 1, w.plan.n_value * sizeof(double));
    work = (struct bench_work) { .n = (double)w.n_row,
                                 .unit = "rows",
                                 .bytes = (double)(w.n_row * w.plan.n_value * sizeof(double)) };
    snprintf(size, sizeof(size), "%d datasets x %zu B a row, %zu rows at once%s", N_PRODUCT,
             n * sizeof(double), n_group, is_shuffled ? ", shuffled" : "");
    for (size_t v = 0; v < sizeof(variants) / sizeof(*variants); v++) {
        double sync_s, s = least_s(&w, variants[v].run, &sync_s);

        bench_add(bench, "writing", variants[v].name, size, s, &work);
        if (variants[v].run == write_together)
            bench_add(bench, "writing", "fsync after it", size, sync_s, &work);
    }
    writing_close(&w);
    free(w.value);
    free(w.seconds);
    free(w.status);
    free(w.memory);
}

void bench_writing(struct bench *bench)
{
    race(bench, 1, 32, false);
    race(bench, 12, 32, false);
    race(bench, 12, 32, true);
    race(bench, 125, 32, false);
    race(bench, 625, 32, false);
    race(bench, 9244, 1, false);
}
