/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bands.h"

#include <math.h>
#include <string.h>

#include "exp.h"
#include "eight.h"

static eight load_some(const double *x, size_t n)
{
    double padded[EIGHT] = { 0 };

    memcpy(padded, x, n * sizeof(*x));
    return eight_load(padded);
}

static void dot(size_t n, const double *factor, const double *const row[BANDS_DOT_ROWS],
                double ret_sum[BANDS_DOT_ROWS])
{
    eight sum[BANDS_DOT_ROWS];
    size_t j = 0;

    for (size_t r = 0; r < BANDS_DOT_ROWS; r++)
        sum[r] = eight_all(0.0);
    for (; j + EIGHT <= n; j += EIGHT) {
        eight f = eight_load(factor + j);

#pragma GCC unroll 8
        for (size_t r = 0; r < BANDS_DOT_ROWS; r++)
            sum[r] = eight_fma(f, eight_load(row[r] + j), sum[r]);
    }
    if (j < n) {
        eight f = load_some(factor + j, n - j);

        for (size_t r = 0; r < BANDS_DOT_ROWS; r++)
            sum[r] = eight_fma(f, load_some(row[r] + j, n - j), sum[r]);
    }
    for (size_t r = 0; r < BANDS_DOT_ROWS; r++)
        ret_sum[r] = eight_sum(sum[r]);
}

/*
 * What a particle takes of the rows of its cells. A corner without a share may be a cell that nobody
 * occupies, whose row is not there or is being made by another thread: it takes nothing of the row of a
 * corner that has a share.
 */
struct corners {
    double weight[WEIGHTS_N_CORNER];
    const double *row[WEIGHTS_N_CORNER];
};

static inline struct corners corners_of(const struct bands_block *block, const struct bands_table *table,
                                        size_t i)
{
    struct corners corners;
    size_t some = 0;

    while (some + 1 < WEIGHTS_N_CORNER && block->share[i][some] == 0.0)
        some++;
    for (size_t c = 0; c < WEIGHTS_N_CORNER; c++) {
        size_t from = block->share[i][c] == 0.0 ? some : c;

        corners.weight[c] = block->mass[i] * block->share[i][c];
        corners.row[c] = table->row + (size_t)block->cell[i][from] * table->n_row;
    }
    return corners;
}

static void add_bare(const struct bands_block *block, const struct bands_table *table, size_t n_output,
                     double *value)
{
    for (size_t i = 0; i < block->n; i++) {
        const struct corners at = corners_of(block, table, i);

        if (block->mass[i] == 0.0)
            continue;
        for (size_t r = 0; r < table->n_run; r++) {
            const double *row0 = at.row[0] + table->run[r].from, *row1 = at.row[1] + table->run[r].from;
            const double *row2 = at.row[2] + table->run[r].from, *row3 = at.row[3] + table->run[r].from;
            double *restrict to = value + i * n_output + table->run[r].to;
            size_t n = table->run[r].n;

#pragma omp simd
            for (size_t j = 0; j < n; j++)
                to[j] = fma(at.weight[3], row3[j],
                            fma(at.weight[2], row2[j],
                                fma(at.weight[1], row1[j], fma(at.weight[0], row0[j], to[j]))));
        }
    }
}

/* One group of lanes of one particle: transmitted at nodes, then each part. */
static inline void add_group(const struct bands_table *table, size_t g, const struct corners *at,
                             const eight weight[WEIGHTS_N_CORNER], double tau, double *restrict to)
{
    size_t n_node = table->n_node, n = n_node * EIGHT;
    const double *k = table->k + g * n;
    double transmitted[BANDS_NODE_MAX * EIGHT];

#pragma omp simd
    for (size_t j = 0; j < n; j++)
        transmitted[j] = fast_exp(-tau * k[j]);
    for (size_t p = g * table->n_part; p < (g + 1) * table->n_part; p++) {
        eight sum = eight_all(0.0);
        double of_lane[EIGHT];

        for (size_t m = 0; m < n; m += EIGHT) {
            size_t j = p * n + m;
            eight mixed = eight_mul(weight[0], eight_load(at->row[0] + j));

            for (size_t c = 1; c < WEIGHTS_N_CORNER; c++)
                mixed = eight_fma(weight[c], eight_load(at->row[c] + j), mixed);
            sum = eight_fma(eight_load(transmitted + m), mixed, sum);
        }
        eight_store(of_lane, sum);
        for (size_t t = table->to_begin[p]; t < table->to_begin[p + 1]; t++)
            to[table->to[t].output] += of_lane[table->to[t].lane];
    }
}

static void add_screened(const struct bands_block *block, const struct bands_table *table, size_t n_output,
                         double *value)
{
    for (size_t i = 0; i < block->n; i++) {
        const struct corners at = corners_of(block, table, i);
        eight weight[WEIGHTS_N_CORNER];

        if (block->mass[i] == 0.0)
            continue;
        for (size_t c = 0; c < WEIGHTS_N_CORNER; c++)
            weight[c] = eight_all(at.weight[c]);
        for (size_t g = 0; g < table->n_group; g++)
            add_group(table, g, &at, weight, block->tau[i], value + i * n_output);
    }
}

static void add_row(size_t n, double factor, const double *restrict row, double *restrict sum)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        sum[j] = fma(factor, row[j], sum[j]);
}

const struct bands_fast
    FAST(bands_fast) = { .dot = dot, .add_bare = add_bare, .add_screened = add_screened, .add_row = add_row };
