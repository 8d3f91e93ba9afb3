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
 * occupies, whose row is not there or is being made by another thread: it is left out. Of two axes, which
 * are the usual, it takes nothing of the row of a corner that has a share instead, so that there are always
 * four.
 */
static inline size_t find_corners(const struct bands_block *block, const struct bands_table *table, size_t i,
                                  double *ret_weight, const double **ret_row)
{
    const uint32_t *cell = block->cell + i * block->n_corner;
    const double *share = block->share + i * block->n_corner;
    size_t n = 0;

    for (size_t c = 0; c < block->n_corner; c++) {
        if (share[c] == 0.0)
            continue;
        ret_weight[n] = block->mass[i] * share[c];
        ret_row[n++] = table->row + (size_t)cell[c] * table->n_row;
    }
    return n;
}

static inline void find_four(const struct bands_block *block, const struct bands_table *table, size_t i,
                             double ret_weight[4], const double *ret_row[4])
{
    const uint32_t *cell = block->cell + 4 * i;
    const double *share = block->share + 4 * i;
    size_t some = 0;

    while (some + 1 < 4 && share[some] == 0.0)
        some++;
    for (size_t c = 0; c < 4; c++) {
        size_t from = share[c] == 0.0 ? some : c;

        ret_weight[c] = block->mass[i] * share[c];
        ret_row[c] = table->row + (size_t)cell[from] * table->n_row;
    }
}

/* ---- without screens ------------------------------------------------------------------------- */

/* to[j] += sum over corners, in order, of weight * row[j]; n_corner is a constant of each call. */
__attribute__((always_inline)) static inline void add_rows(size_t n_corner, const double *weight,
                                                           const double *const *row, size_t from, size_t n,
                                                           double *restrict to)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++) {
        double sum = to[j];

#pragma GCC unroll 8
        for (size_t c = 0; c < n_corner; c++)
            sum = fma(weight[c], row[c][from + j], sum);
        to[j] = sum;
    }
}

static void add_bare_four(const struct bands_block *block, const struct bands_table *table, size_t n_output,
                          double *value)
{
    for (size_t i = 0; i < block->n; i++) {
        double weight[4];
        const double *row[4];

        find_four(block, table, i, weight, row);
        if (block->mass[i] == 0.0)
            continue;
        for (size_t r = 0; r < table->n_run; r++)
            add_rows(4, weight, row, table->run[r].from, table->run[r].n,
                     value + i * n_output + table->run[r].to);
    }
}

/* A run from any number of corners. */
static void add_run(size_t n_corner, const double *weight, const double *const *row,
                    const struct bands_run *run, double *to)
{
    size_t c = 0;

    for (; c + 8 <= n_corner; c += 8)
        add_rows(8, weight + c, row + c, run->from, run->n, to);
    if (c + 4 <= n_corner) {
        add_rows(4, weight + c, row + c, run->from, run->n, to);
        c += 4;
    }
    if (c + 2 <= n_corner) {
        add_rows(2, weight + c, row + c, run->from, run->n, to);
        c += 2;
    }
    if (c < n_corner)
        add_rows(1, weight + c, row + c, run->from, run->n, to);
}

static void add_bare(const struct bands_block *block, const struct bands_table *table, size_t n_output,
                     double *value)
{
    if (block->n_corner == 4) {
        add_bare_four(block, table, n_output, value);
        return;
    }
    for (size_t i = 0; i < block->n; i++) {
        double weight[WEIGHTS_CORNER_MAX];
        const double *row[WEIGHTS_CORNER_MAX];
        size_t n = block->mass[i] == 0.0 ? 0 : find_corners(block, table, i, weight, row);

        for (size_t r = 0; r < table->n_run; r++)
            add_run(n, weight, row, &table->run[r], value + i * n_output + table->run[r].to);
    }
}

/* ---- behind screens -------------------------------------------------------------------------- */

/* One group of lanes of one particle: transmitted at nodes, then each part. n_corner is a constant of most
 * calls. */
__attribute__((always_inline)) static inline void add_group(size_t n_corner, const struct bands_table *table,
                                                            size_t g, const double *const *row,
                                                            const eight *weight, double tau,
                                                            double *restrict to)
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
            eight mixed = eight_mul(weight[0], eight_load(row[0] + j));

            for (size_t c = 1; c < n_corner; c++)
                mixed = eight_fma(weight[c], eight_load(row[c] + j), mixed);
            sum = eight_fma(eight_load(transmitted + m), mixed, sum);
        }
        eight_store(of_lane, sum);
        for (size_t t = table->to_begin[p]; t < table->to_begin[p + 1]; t++)
            to[table->to[t].output] += of_lane[table->to[t].lane];
    }
}

/* All groups of one particle; scratch is [n_corner]. */
__attribute__((always_inline)) static inline void add_groups(size_t n_corner, const double *weight,
                                                             const double *const *row,
                                                             const struct bands_table *table, double tau,
                                                             eight *scratch, double *to)
{
    for (size_t c = 0; c < n_corner; c++)
        scratch[c] = eight_all(weight[c]);
    for (size_t g = 0; g < table->n_group; g++)
        add_group(n_corner, table, g, row, scratch, tau, to);
}

static void add_screened_four(const struct bands_block *block, const struct bands_table *table,
                              size_t n_output, double *value)
{
    for (size_t i = 0; i < block->n; i++) {
        double weight[4];
        const double *row[4];
        eight scratch[4];

        find_four(block, table, i, weight, row);
        if (block->mass[i] != 0.0)
            add_groups(4, weight, row, table, block->tau[i], scratch, value + i * n_output);
    }
}

static void add_screened(const struct bands_block *block, const struct bands_table *table, size_t n_output,
                         double *value)
{
    if (block->n_corner == 4) {
        add_screened_four(block, table, n_output, value);
        return;
    }
    for (size_t i = 0; i < block->n; i++) {
        double weight[WEIGHTS_CORNER_MAX], *to = value + i * n_output;
        const double *row[WEIGHTS_CORNER_MAX];
        eight scratch[WEIGHTS_CORNER_MAX];
        size_t n = block->mass[i] == 0.0 ? 0 : find_corners(block, table, i, weight, row);

        if (n == 8)
            add_groups(8, weight, row, table, block->tau[i], scratch, to);
        else if (n == 2)
            add_groups(2, weight, row, table, block->tau[i], scratch, to);
        else if (n)
            add_groups(n, weight, row, table, block->tau[i], scratch, to);
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
