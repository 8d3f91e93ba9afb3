/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/mix.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* Columns of a tile: few enough that k varies little within, many enough to pay for the nodes. */
#define TILE 128
/* Beyond this many nodes the columns themselves are as cheap. */
#define NODE_MAX 48

void mix_screened_direct(const struct mix_screened *in, double *const *ret_sum)
{
    size_t n_tile = (in->n_column + TILE - 1) / TILE;

#pragma omp parallel for schedule(dynamic) default(none) shared(in, ret_sum, n_tile)
    for (size_t i_tile = 0; i_tile < n_tile; i_tile++) {
        size_t first = i_tile * TILE;
        size_t n = in->n_column - first < TILE ? in->n_column - first : TILE;

        for (size_t t = 0; t < in->n_table; t++)
            memset(ret_sum[t] + first, 0, n * sizeof(double));
        for (size_t i = 0; i < in->n_particle; i++) {
            const uint32_t *cell = in->weights->cell[i];
            const double *share = in->weights->share[i];
            double transmitted[TILE];

            for (size_t j = 0; j < n; j++)
                transmitted[j] = in->mass[i] * exp(-in->tau[i] * in->k[first + j]);
            for (size_t t = 0; t < in->n_table; t++)
                for (size_t corner = 0; corner < WEIGHTS_N_CORNER; corner++) {
                    const double *row = in->value[t] + (size_t)cell[corner] * in->n_column + first;
                    double *sum = ret_sum[t] + first;

                    if (share[corner] == 0.0)
                        continue;
                    for (size_t j = 0; j < n; j++)
                        sum[j] += share[corner] * row[j] * transmitted[j];
                }
        }
    }
}

/* Scratch of one thread. */
struct tile_scratch {
    double *weight;                /* [cells][n_node] A_cell at the nodes */
    double basis[NODE_MAX * TILE]; /* [n_node][columns] */
    double node[TILE];
};

/* A_cell(k_m) = sum over particles, in order, of mass * share * exp(-(tau - tau_min) k_m). */
static void tile_weights(const struct mix_screened *in, double tau_min, size_t n_node, const double *node,
                         double *weight)
{
    memset(weight, 0, in->cells.n * n_node * sizeof(*weight));
    for (size_t i = 0; i < in->n_particle; i++) {
        double transmitted[TILE];

        if (in->mass[i] == 0.0)
            continue;
        for (size_t m = 0; m < n_node; m++)
            transmitted[m] = in->mass[i] * exp(-(in->tau[i] - tau_min) * node[m]);
        for (size_t corner = 0; corner < WEIGHTS_N_CORNER; corner++) {
            double share = in->weights->share[i][corner];
            double *cell_weight = weight + (size_t)in->slot[in->weights->cell[i][corner]] * n_node;

            if (share == 0.0)
                continue;
            for (size_t m = 0; m < n_node; m++)
                cell_weight[m] += share * transmitted[m];
        }
    }
}

/* Add the cells' rows, each with its weight interpolated to the columns (or as it is, when nodes are
 * columns). */
static void tile_sum(const struct mix_screened *in, size_t first, size_t n, size_t n_node,
                     const struct tile_scratch *scratch, bool nodes_are_columns, double *const *ret_sum)
{
    for (size_t t = 0; t < in->n_table; t++)
        memset(ret_sum[t] + first, 0, n * sizeof(double));
    for (size_t c = 0; c < in->cells.n; c++) {
        const double *at_node = scratch->weight + c * n_node;
        double at_column[TILE] = { 0 };

        if (nodes_are_columns)
            memcpy(at_column, at_node, n * sizeof(*at_column));
        for (size_t m = 0; m < n_node && !nodes_are_columns; m++)
#pragma omp simd
            for (size_t j = 0; j < n; j++)
                at_column[j] += at_node[m] * scratch->basis[m * n + j];
        for (size_t t = 0; t < in->n_table; t++) {
            const double *row = in->value[t] + (size_t)in->cells.cell[c] * in->n_column + first;
            double *sum = ret_sum[t] + first;

#pragma omp simd
            for (size_t j = 0; j < n; j++)
                sum[j] += at_column[j] * row[j];
        }
    }
}

/* The screen that all particles share. */
static void tile_dim(const struct mix_screened *in, double tau_min, size_t first, size_t n,
                     double *const *ret_sum)
{
    for (size_t j = first; j < first + n; j++) {
        double transmitted = exp(-tau_min * in->k[j]);

        for (size_t t = 0; t < in->n_table; t++)
            ret_sum[t][j] *= transmitted;
    }
}

static void tile_run(const struct mix_screened *in, double tau_min, double tau_max, size_t first,
                     struct tile_scratch *scratch, double *const *ret_sum)
{
    size_t n = in->n_column - first < TILE ? in->n_column - first : TILE;
    const double *k = in->k + first;
    double k_min = k[0], k_max = k[0];
    size_t n_node, n_limit = n < NODE_MAX ? n : NODE_MAX;
    bool nodes_are_columns;

    for (size_t j = 1; j < n; j++) {
        k_min = fmin(k_min, k[j]);
        k_max = fmax(k_max, k[j]);
    }
    n_node = mix_node_count(tau_max - tau_min, 0.5 * (k_max - k_min), n_limit);
    nodes_are_columns = n_node == n_limit;
    if (nodes_are_columns) {
        n_node = n;
        memcpy(scratch->node, k, n * sizeof(*k));
    } else {
        mix_nodes(0.5 * (k_min + k_max), 0.5 * (k_max - k_min), n_node, scratch->node);
        mix_basis(n_node, scratch->node, n, k, scratch->basis);
    }
    tile_weights(in, tau_min, n_node, scratch->node, scratch->weight);
    tile_sum(in, first, n, n_node, scratch, nodes_are_columns, ret_sum);
    tile_dim(in, tau_min, first, n, ret_sum);
}

int mix_screened_tiles(const struct mix_screened *in, double *const *ret_sum, struct arena *arena,
                       struct error *err)
{
    size_t n_tile = (in->n_column + TILE - 1) / TILE;
    size_t n_thread = (size_t)omp_get_max_threads();
    struct arena_mark mark = arena_mark(arena);
    struct tile_scratch *scratch = arena_array(arena, n_thread, sizeof(*scratch));
    double *weight = arena_array(arena, n_thread * in->cells.n * TILE, sizeof(*weight));
    double tau_min = HUGE_VAL, tau_max = 0.0;

    if (!scratch || !weight)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for attenuated sums over %zu cells",
                         in->cells.n);
    for (size_t i = 0; i < in->n_particle; i++)
        if (in->mass[i] > 0.0) {
            tau_min = fmin(tau_min, in->tau[i]);
            tau_max = fmax(tau_max, in->tau[i]);
        }
    tau_min = fmin(tau_min, tau_max); /* no particle has mass: 0 */
#pragma omp parallel for schedule(dynamic) default(none)                                                     \
    shared(in, ret_sum, n_tile, scratch, weight, tau_min, tau_max)
    for (size_t i_tile = 0; i_tile < n_tile; i_tile++) {
        size_t thread = (size_t)omp_get_thread_num();

        scratch[thread].weight = weight + thread * in->cells.n * TILE;
        tile_run(in, tau_min, tau_max, i_tile * TILE, &scratch[thread], ret_sum);
    }
    arena_release(arena, mark);
    return 0;
}
