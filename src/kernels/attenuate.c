/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/mix.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* Columns of a tile: few enough that k varies little within, many enough to pay for the nodes. */
#define TILE 128
/* Beyond this many nodes the columns themselves are as cheap. */
#define NODE_MAX 48

void mix_range_add(struct mix_range *range, size_t n, const double *mass, const double *tau)
{
    for (size_t i = 0; i < n; i++)
        if (mass[i] > 0.0) {
            range->tau_min = fmin(range->tau_min, tau[i]);
            range->tau_max = fmax(range->tau_max, tau[i]);
        }
}

void mix_screened_direct(const struct mix_screened *in, double *const *sum_of_table)
{
    size_t n_tile = (in->n_column + TILE - 1) / TILE;

#pragma omp parallel for schedule(dynamic) default(none) shared(in, sum_of_table, n_tile)
    for (size_t i_tile = 0; i_tile < n_tile; i_tile++) {
        size_t first = i_tile * TILE;
        size_t n = in->n_column - first < TILE ? in->n_column - first : TILE;

        for (size_t i = 0; i < in->n_particle; i++) {
            const uint32_t *cell = in->weights->cell[i];
            const double *share = in->weights->share[i];
            double transmitted[TILE];

            for (size_t j = 0; j < n; j++)
                transmitted[j] = in->mass[i] * (in->tau ? exp(-in->tau[i] * in->k[first + j]) : 1.0);
            for (size_t t = 0; t < in->n_table; t++)
                for (size_t corner = 0; corner < WEIGHTS_N_CORNER; corner++) {
                    const double *row = in->value[t] + (size_t)cell[corner] * in->n_column + first;
                    double *sum = sum_of_table[t] + first;

                    if (share[corner] == 0.0)
                        continue;
                    for (size_t j = 0; j < n; j++)
                        sum[j] += share[corner] * row[j] * transmitted[j];
                }
        }
    }
}

/* ---- a tile of columns ----------------------------------------------------------------------- */

/* Of columns; how many nodes, and where. */
struct tile {
    size_t first, n;
    double k_min, k_max;
    size_t n_node;
    bool nodes_are_columns;
};

/* Scratch of one thread. */
struct tile_scratch {
    double basis[NODE_MAX * TILE]; /* [n_node][columns] */
    double node[TILE];
};

static size_t tile_count(size_t n_column)
{
    return (n_column + TILE - 1) / TILE;
}

/* Of no particle with mass: 0. */
static double least_tau(const struct mix_screened *in)
{
    return fmin(in->range.tau_min, in->range.tau_max);
}

static struct tile tile_of(const struct mix_screened *in, size_t i_tile)
{
    struct tile tile = { .first = i_tile * TILE };
    const double *k = in->k + tile.first;
    size_t n_limit;

    tile.n = in->n_column - tile.first < TILE ? in->n_column - tile.first : TILE;
    tile.k_min = tile.k_max = k[0];
    for (size_t j = 1; j < tile.n; j++) {
        tile.k_min = fmin(tile.k_min, k[j]);
        tile.k_max = fmax(tile.k_max, k[j]);
    }
    n_limit = tile.n < NODE_MAX ? tile.n : NODE_MAX;
    tile.n_node = mix_node_count(in->range.tau_max - least_tau(in), 0.5 * (tile.k_max - tile.k_min), n_limit);
    tile.nodes_are_columns = tile.n_node == n_limit;
    if (tile.nodes_are_columns)
        tile.n_node = tile.n;
    return tile;
}

static void tile_nodes(const struct mix_screened *in, const struct tile *tile, double *ret_node)
{
    if (tile->nodes_are_columns)
        memcpy(ret_node, in->k + tile->first, tile->n * sizeof(*ret_node));
    else
        mix_nodes(0.5 * (tile->k_min + tile->k_max), 0.5 * (tile->k_max - tile->k_min), tile->n_node,
                  ret_node);
}

/* A_cell(k_m) += sum over particles, in order, of mass * share * exp(-(tau - tau_min) k_m). */
static void tile_add(const struct mix_screened *in, size_t n_node, const double *node, double *weight)
{
    double tau_min = least_tau(in);

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

/* The cells' rows, each with its weight interpolated to the columns (or as it is, when nodes are columns). */
static void tile_sum(const struct mix_screened *in, const struct tile *tile, const double *weight,
                     struct tile_scratch *scratch, double *const *ret_sum)
{
    size_t first = tile->first, n = tile->n, n_node = tile->n_node;

    if (!tile->nodes_are_columns)
        mix_basis(n_node, scratch->node, n, in->k + first, scratch->basis);
    for (size_t t = 0; t < in->n_table; t++)
        memset(ret_sum[t] + first, 0, n * sizeof(double));
    for (size_t c = 0; c < in->cells.n; c++) {
        const double *at_node = weight + c * n_node;
        double at_column[TILE] = { 0 };

        if (tile->nodes_are_columns)
            memcpy(at_column, at_node, n * sizeof(*at_column));
        for (size_t m = 0; m < n_node && !tile->nodes_are_columns; m++)
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
static void tile_dim(const struct mix_screened *in, const struct tile *tile, double *const *ret_sum)
{
    double tau_min = least_tau(in);

    for (size_t j = tile->first; j < tile->first + tile->n; j++) {
        double transmitted = exp(-tau_min * in->k[j]);

        for (size_t t = 0; t < in->n_table; t++)
            ret_sum[t][j] *= transmitted;
    }
}

/* ---- all particles at once ------------------------------------------------------------------- */

static int no_memory(const struct mix_screened *in, struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "no memory for attenuated sums over %zu cells", in->cells.n);
}

uint64_t mix_scratch_bytes(size_t n_cell, int n_thread)
{
    return (uint64_t)n_thread * (sizeof(struct tile_scratch) + n_cell * TILE * sizeof(double));
}

int mix_screened_tiles(const struct mix_screened *in, double *const *ret_sum, struct arena *arena,
                       struct error *err)
{
    size_t n_tile = tile_count(in->n_column);
    size_t n_thread = (size_t)omp_get_max_threads();
    struct arena_mark mark = arena_mark(arena);
    struct tile_scratch *scratch = arena_array(arena, n_thread, sizeof(*scratch));
    double *weight = arena_array(arena, n_thread * in->cells.n * TILE, sizeof(*weight));

    if (!scratch || !weight)
        return no_memory(in, err);
#pragma omp parallel for schedule(dynamic) default(none) shared(in, ret_sum, n_tile, scratch, weight)
    for (size_t i_tile = 0; i_tile < n_tile; i_tile++) {
        size_t thread = (size_t)omp_get_thread_num();
        double *own = weight + thread * in->cells.n * TILE;
        struct tile tile = tile_of(in, i_tile);

        memset(own, 0, in->cells.n * tile.n_node * sizeof(*own));
        tile_nodes(in, &tile, scratch[thread].node);
        tile_add(in, tile.n_node, scratch[thread].node, own);
        tile_sum(in, &tile, own, &scratch[thread], ret_sum);
        tile_dim(in, &tile, ret_sum);
    }
    arena_release(arena, mark);
    return 0;
}

/* ---- in parts -------------------------------------------------------------------------------- */

uint64_t mix_nodal_least_bytes(size_t n_cell, size_t n_column)
{
    return (uint64_t)n_cell * (n_column < TILE ? n_column : TILE) * sizeof(double) +
           (tile_count(n_column) + 1) * sizeof(size_t);
}

uint64_t mix_nodal_most_bytes(size_t n_cell, size_t n_column)
{
    return (uint64_t)n_cell * n_column * sizeof(double) + (tile_count(n_column) + 1) * sizeof(size_t);
}

/* From `begin` on as many tiles as there is room for, zeroed. */
static void begin_round(struct mix_nodal *nodal)
{
    const size_t *first = nodal->first;

    nodal->end = nodal->begin;
    while (nodal->end < nodal->n_tile && first[nodal->end + 1] - first[nodal->begin] <= nodal->n_room)
        nodal->end++;
    memset(nodal->weight, 0, (first[nodal->end] - first[nodal->begin]) * sizeof(*nodal->weight));
}

int mix_nodal_open(const struct mix_screened *in, uint64_t room_bytes, struct mix_nodal *ret_nodal,
                   struct arena *arena, struct error *err)
{
    struct mix_nodal nodal = { .n_tile = tile_count(in->n_column) };
    uint64_t least = mix_nodal_least_bytes(in->cells.n, in->n_column);
    size_t largest = 0;

    nodal.first = arena_array(arena, nodal.n_tile + 1, sizeof(*nodal.first));
    if (!nodal.first)
        return no_memory(in, err);
    nodal.first[0] = 0;
    for (size_t t = 0; t < nodal.n_tile; t++) {
        size_t n = in->cells.n * tile_of(in, t).n_node;

        nodal.first[t + 1] = nodal.first[t] + n;
        largest = n > largest ? n : largest;
    }
    /* Beyond the least, which is one tile; not more than there is. */
    nodal.n_room = largest + (room_bytes > least ? (room_bytes - least) / sizeof(double) : 0);
    if (nodal.n_room > nodal.first[nodal.n_tile])
        nodal.n_room = nodal.first[nodal.n_tile];
    nodal.weight = arena_array(arena, nodal.n_room, sizeof(*nodal.weight));
    if (!nodal.weight)
        return no_memory(in, err);
    begin_round(&nodal);
    *ret_nodal = nodal;
    return 0;
}

void mix_nodal_add(const struct mix_screened *in, struct mix_nodal *nodal)
{
#pragma omp parallel for schedule(dynamic) default(none) shared(in, nodal)
    for (size_t i_tile = nodal->begin; i_tile < nodal->end; i_tile++) {
        struct tile tile = tile_of(in, i_tile);
        double node[TILE];

        tile_nodes(in, &tile, node);
        tile_add(in, tile.n_node, node, nodal->weight + nodal->first[i_tile] - nodal->first[nodal->begin]);
    }
}

int mix_nodal_close(const struct mix_screened *in, struct mix_nodal *nodal, double *const *ret_sum,
                    struct arena *arena, struct error *err)
{
    struct arena_mark mark = arena_mark(arena);
    struct tile_scratch *scratch = arena_array(arena, (size_t)omp_get_max_threads(), sizeof(*scratch));

    if (!scratch)
        return no_memory(in, err);
#pragma omp parallel for schedule(dynamic) default(none) shared(in, nodal, ret_sum, scratch)
    for (size_t i_tile = nodal->begin; i_tile < nodal->end; i_tile++) {
        struct tile_scratch *own = &scratch[omp_get_thread_num()];
        struct tile tile = tile_of(in, i_tile);

        tile_nodes(in, &tile, own->node);
        tile_sum(in, &tile, nodal->weight + nodal->first[i_tile] - nodal->first[nodal->begin], own, ret_sum);
        tile_dim(in, &tile, ret_sum);
    }
    arena_release(arena, mark);
    nodal->begin = nodal->end;
    begin_round(nodal);
    return 0;
}
