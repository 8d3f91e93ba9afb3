/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the dealer dealt and got back, in the order in which it came back.
 *
 * A row takes up to n_merge batches of one rank. When the table is full n_merge doubles and the rows are put
 * in again: n rows become at most n / 2 and one odd row a rank, so a table of four rows a rank and more never
 * stays full.
 */
#include "trace_private.h"

#include <math.h>
#include <stdlib.h>

struct batches {
    struct trace_batch *row;
    size_t n, n_max;
    int32_t n_merge;
    int n_rank;
    int64_t *last; /* [n_rank] row that a rank's next batch may go to, or -1 */
    /* Sums over all batches ever added, for the fit. */
    double n_n, n_c, c_c, n_t, c_t;
};

int batches_open(size_t n_max, int n_rank, struct batches **ret_batches, struct error *err)
{
    struct batches *batches = mem_small(1, sizeof(*batches));

    batches->n_max = n_max > 4 * (size_t)n_rank ? n_max : 4 * (size_t)n_rank;
    batches->n_merge = 1;
    batches->n_rank = n_rank;
    batches->row = mem_touched(batches->n_max, sizeof(*batches->row));
    batches->last = mem_small((size_t)n_rank, sizeof(*batches->last));
    if (!batches->row) {
        batches_close(batches);
        return mem_short(err, "for a trace of %zu batches", n_max);
    }
    for (int r = 0; r < n_rank; r++)
        batches->last[r] = -1;
    *ret_batches = batches;
    return 0;
}

void batches_close(struct batches *batches)
{
    if (!batches)
        return;
    free(batches->row);
    free(batches->last);
    free(batches);
}

/* Into the rank's last row; false if that is complete. */
static bool merge(struct batches *batches, const struct trace_batch *batch)
{
    int64_t i = batches->last[batch->rank];
    struct trace_batch *row;

    if (i < 0 || batches->row[i].n_batch + batch->n_batch > batches->n_merge)
        return false;
    row = &batches->row[i];
    row->n_galaxy += batch->n_galaxy;
    row->n_batch += batch->n_batch;
    row->predicted_s += batch->predicted_s;
    row->measured_s += batch->measured_s;
    row->done_ns = batch->done_ns;
    return true;
}

static void append(struct batches *batches, const struct trace_batch *batch)
{
    batches->last[batch->rank] = (int64_t)batches->n;
    batches->row[batches->n++] = *batch;
}

static void coarsen(struct batches *batches)
{
    size_t n = batches->n;

    batches->n_merge *= 2;
    batches->n = 0;
    for (int r = 0; r < batches->n_rank; r++)
        batches->last[r] = -1;
    for (size_t i = 0; i < n; i++) {
        struct trace_batch batch = batches->row[i];

        if (!merge(batches, &batch))
            append(batches, &batch);
    }
}

void batches_add(struct batches *batches, const struct trace_batch *batch)
{
    double n = batch->n_galaxy;

    batches->n_n += n * n;
    batches->n_c += n * batch->predicted_s;
    batches->c_c += batch->predicted_s * batch->predicted_s;
    batches->n_t += n * batch->measured_s;
    batches->c_t += batch->predicted_s * batch->measured_s;
    if (merge(batches, batch))
        return;
    if (batches->n == batches->n_max)
        coarsen(batches);
    if (!merge(batches, batch))
        append(batches, batch);
}

void batches_renumber(struct batches *batches, const int *new_rank)
{
    size_t n = batches->n;

    batches->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct trace_batch row = batches->row[i];

        row.rank = new_rank[row.rank];
        if (row.rank >= 0)
            batches->row[batches->n++] = row;
    }
}

const struct trace_batch *batches_get(const struct batches *batches, size_t *ret_n)
{
    *ret_n = batches->n;
    return batches->row;
}

/* Normal equations of two unknowns; singular when every batch has the same cost a galaxy. */
void batches_fit(const struct batches *b, double *ret_seconds_per_galaxy, double *ret_seconds_per_cost)
{
    double determinant = b->n_n * b->c_c - b->n_c * b->n_c;
    bool is_singular = !(determinant > 1e-12 * b->n_n * b->c_c); /* sums of 10^6 terms are good to that */

    *ret_seconds_per_galaxy = is_singular ? (double)NAN : (b->n_t * b->c_c - b->c_t * b->n_c) / determinant;
    *ret_seconds_per_cost = is_singular ? (double)NAN : (b->c_t * b->n_n - b->n_t * b->n_c) / determinant;
}
