/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The columns are cut into segments in which the dust curve varies little. In a segment the weights of cells
 * are smooth functions of k; they are summed at its nodes (stars are read once a segment), interpolated to
 * its columns, and multiplied by the cells' rows.
 */
#include "polyphony/mix.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "polyphony/rows.h"

#include "fast/attenuate.h"
#include "mix_ref.h"
#include "segments.h"

/* Columns of a tile of the definition. */
#define TILE 128

void mix_range_add(struct mix_range *range, size_t n, const double *mass, const double *tau)
{
    for (size_t i = 0; i < n; i++)
        if (mass[i] > 0.0) {
            range->tau_min = fmin(range->tau_min, tau[i]);
            range->tau_max = fmax(range->tau_max, tau[i]);
            range->n++;
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
            const size_t n_corner = in->weights->n_corner;
            const uint32_t *cell = in->weights->cell + i * n_corner;
            const double *share = in->weights->share + i * n_corner;
            double transmitted[TILE];

            for (size_t j = 0; j < n; j++)
                transmitted[j] = in->mass[i] * (in->tau ? exp(-in->tau[i] * in->k[first + j]) : 1.0);
            for (size_t t = 0; t < in->n_table; t++)
                for (size_t corner = 0; corner < n_corner; corner++) {
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

/* ---- one segment ----------------------------------------------------------------------------- */

static struct screen_particles particles_of(const struct mix_screened *in)
{
    return (struct screen_particles) { .n = in->n_particle,
                                       .n_corner = in->weights->n_corner,
                                       .mass = in->mass,
                                       .tau = in->tau,
                                       .cell = in->weights->cell,
                                       .share = in->weights->share };
}

/* A_cell(k_m) += sum over particles, in order, of mass * share * exp(-(tau - tau_min) k_m), for n_node nodes. */
static void add_segment(const struct attenuate_fast *fast, const struct mix_screened *in,
                        const struct mix_rules *rules, const struct mix_segment *segment, size_t first_node,
                        size_t n_node, double *weight)
{
    struct screen_particles particles = particles_of(in);
    double tau_black = segment->k_min > 0.0 ? rules->black / segment->k_min : (double)INFINITY;
    double node[SCREEN_NODE_MAX];

    segment_nodes(in, rules, segment, node);
    fast->add_nodes(&particles, segments_least_tau(in), tau_black, in->slot, n_node, segment->n_node,
                    node + first_node, weight + first_node);
}

/* ---- a tile of grains: interpolated and summed ----------------------------------------------- */

/* Grains together: rows are read in runs of 768 bytes. */
#define N_GRAIN 4

struct grain {
    size_t first, n; /* columns */
    size_t n_node;
    const double *weight; /* [cell][node] */
    double basis[SCREEN_NODE_MAX][SCREEN_GRAIN];
    double sum[MIX_TABLE_MAX][SCREEN_GRAIN];
};

static void begin_grain(const struct attenuate_fast *fast, const struct mix_screened *in,
                        const struct mix_rules *rules, const struct mix_segment *segment, size_t i_grain,
                        const double *weight, struct grain *ret_grain)
{
    double node[SCREEN_NODE_MAX], k[SCREEN_GRAIN];
    size_t first = i_grain * SCREEN_GRAIN, left = in->n_column - first;

    ret_grain->first = first;
    ret_grain->n = left < SCREEN_GRAIN ? left : SCREEN_GRAIN;
    ret_grain->n_node = segment->n_node;
    ret_grain->weight = weight;
    memset(ret_grain->sum, 0, in->n_table * sizeof(*ret_grain->sum));
    if (segment->nodes_are_columns) {
        memset(ret_grain->basis, 0, sizeof(ret_grain->basis));
        for (size_t m = 0; m < SCREEN_GRAIN; m++)
            ret_grain->basis[m][m] = 1.0;
        return;
    }
    for (size_t j = 0; j < SCREEN_GRAIN; j++)
        k[j] = in->k[first + (j < ret_grain->n ? j : 0)];
    segment_nodes(in, rules, segment, node);
    fast->make_basis(segment->n_node, node, rules->w[segment->n_node / 8 - 1], k, ret_grain->basis);
}

/* Some cells of a grain. The last grain may have fewer columns: its rows are copied. */
static void add_cells(const struct attenuate_fast *fast, const struct mix_screened *in, size_t first_cell,
                      size_t n_cell, struct grain *grain)
{
    const double *row[MIX_TABLE_MAX][SCREEN_CELLS];
    double copy[SCREEN_CELLS][SCREEN_GRAIN];
    const double *weight = grain->weight + first_cell * grain->n_node;
    const double(*basis)[SCREEN_GRAIN] = (const double(*)[SCREEN_GRAIN])grain->basis;

    for (size_t t = 0; t < in->n_table; t++)
        for (size_t c = 0; c < n_cell; c++)
            row[t][c] = in->value[t] + in->cells.cell[first_cell + c] * in->n_column + grain->first;
    if (grain->n == SCREEN_GRAIN) {
        fast->add_columns(n_cell, grain->n_node, weight, basis, in->n_table,
                          (const double *const(*)[SCREEN_CELLS])row, grain->sum);
        return;
    }
    memset(copy, 0, sizeof(copy));
    for (size_t t = 0; t < in->n_table; t++) {
        for (size_t c = 0; c < n_cell; c++) {
            memcpy(copy[c], row[t][c], grain->n * sizeof(double));
            row[t][c] = copy[c];
        }
        fast->add_columns(n_cell, grain->n_node, weight, basis, 1,
                          (const double *const(*)[SCREEN_CELLS])row[t], &grain->sum[t]);
    }
}

/* Put back the screen that all particles share. */
static void end_grain(const struct mix_screened *in, const struct grain *grain, double *const *ret_sum)
{
    double transmitted[SCREEN_GRAIN];

    rows_exp(grain->n, -segments_least_tau(in), in->k + grain->first, transmitted);
    for (size_t t = 0; t < in->n_table; t++)
        rows_multiply(grain->n, transmitted, grain->sum[t], ret_sum[t] + grain->first);
}

/* Grains i_grain to end of the round; i_segment is the one of the first. */
static void sum_grains(const struct attenuate_fast *fast, const struct mix_screened *in,
                       const struct mix_nodal *nodal, size_t i_grain, size_t end, double *const *ret_sum)
{
    struct grain grain[N_GRAIN];
    size_t n = end - i_grain < N_GRAIN ? end - i_grain : N_GRAIN, s = nodal->begin;

    for (size_t g = 0; g < n; g++) {
        while (nodal->segment[s].first_grain + nodal->segment[s].n_grain <= i_grain + g)
            s++;
        begin_grain(fast, in, nodal->rules, &nodal->segment[s], i_grain + g,
                    nodal->weight + (nodal->first[s] - nodal->first[nodal->begin]), &grain[g]);
    }
    for (size_t c = 0; c < in->cells.n; c += SCREEN_CELLS)
        for (size_t g = 0; g < n; g++)
            add_cells(fast, in, c, in->cells.n - c < SCREEN_CELLS ? in->cells.n - c : SCREEN_CELLS,
                      &grain[g]);
    for (size_t g = 0; g < n; g++)
        end_grain(in, &grain[g], ret_sum);
}

/* ---- rounds of segments ---------------------------------------------------------------------- */

static int no_memory(const struct mix_screened *in, struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "no memory for attenuated sums over %zu cells", in->cells.n);
}

/* Segments, and grains while they are chosen; with the arena's rounding, of five pieces. */
static uint64_t list_bytes(size_t n_column)
{
    return sizeof(struct mix_rules) + 2 * segments_count_grains(n_column) * sizeof(struct mix_segment) +
           (segments_count_grains(n_column) + 1) * sizeof(size_t) + 5 * (uint64_t)64;
}

uint64_t mix_nodal_least_bytes(size_t n_cell, size_t n_column)
{
    return (uint64_t)n_cell * SCREEN_NODE_MAX * sizeof(double) + list_bytes(n_column);
}

uint64_t mix_nodal_most_bytes(size_t n_cell, size_t n_column)
{
    return (uint64_t)n_cell * segments_count_grains(n_column) * SCREEN_NODE_MAX * sizeof(double) +
           list_bytes(n_column);
}

/* From `begin` on as many segments as there is room for, zeroed. */
static void begin_round(struct mix_nodal *nodal)
{
    const size_t *first = nodal->first;

    nodal->end = nodal->begin;
    if (nodal->is_direct) {
        nodal->end = nodal->n_segment;
        return;
    }
    while (nodal->end < nodal->n_segment && first[nodal->end + 1] - first[nodal->begin] <= nodal->n_room)
        nodal->end++;
    memset(nodal->weight, 0, (first[nodal->end] - first[nodal->begin]) * sizeof(*nodal->weight));
}

int mix_nodal_open(const struct mix_screened *in, uint64_t room_bytes, struct mix_nodal *ret_nodal,
                   struct arena *arena, struct error *err)
{
    size_t n_grain = segments_count_grains(in->n_column), largest = 0;
    uint64_t least = mix_nodal_least_bytes(in->cells.n, in->n_column);
    struct mix_rules *rules = arena_array(arena, 1, sizeof(*rules));
    struct mix_nodal nodal = { .rules = rules,
                               .segment = arena_array(arena, n_grain, sizeof(*nodal.segment)),
                               .first = arena_array(arena, n_grain + 1, sizeof(*nodal.first)) };
    struct mix_segment *grain = arena_array(arena, n_grain, sizeof(*grain));

    if (!rules || !nodal.segment || !nodal.first || !grain)
        return no_memory(in, err);
    rules_make(in->tolerance, rules);
    nodal.n_segment = segments_choose(in, rules, grain, nodal.segment);
    nodal.is_direct = nodal.n_segment == 0;
    nodal.first[0] = 0;
    for (size_t i = 0; i < nodal.n_segment; i++) {
        size_t n = in->cells.n * nodal.segment[i].n_node;

        nodal.first[i + 1] = nodal.first[i] + n;
        largest = n > largest ? n : largest;
    }
    /* Beyond the least, which is one segment; not more than there is. */
    nodal.n_room = largest + (room_bytes > least ? (room_bytes - least) / sizeof(double) : 0);
    if (nodal.n_room > nodal.first[nodal.n_segment])
        nodal.n_room = nodal.first[nodal.n_segment];
    nodal.weight = arena_array(arena, nodal.n_room, sizeof(*nodal.weight));
    if (!nodal.weight)
        return no_memory(in, err);
    nodal.n_segment += nodal.is_direct;
    begin_round(&nodal);
    *ret_nodal = nodal;
    return 0;
}

static void add_direct(const struct mix_screened *in, double *const *sum)
{
    const struct attenuate_fast *fast = FAST_TABLE(attenuate_fast);
    size_t n_column = in->n_column;

#pragma omp parallel for schedule(dynamic) default(none) shared(fast, in, sum, n_column)
    for (size_t first = 0; first < n_column; first += SCREEN_DIRECT) {
        size_t left = n_column - first;
        struct screen_particles particles = particles_of(in);
        const double *value[MIX_TABLE_MAX];
        double *own[MIX_TABLE_MAX];

        for (size_t t = 0; t < in->n_table; t++) {
            value[t] = in->value[t] + first;
            own[t] = sum[t] + first;
        }
        fast->add_direct(&particles, left < SCREEN_DIRECT ? left : SCREEN_DIRECT, in->k + first, in->n_table,
                         value, in->n_column, own);
    }
}

void mix_nodal_add(const struct mix_screened *in, struct mix_nodal *nodal, double *const *sum)
{
    const struct attenuate_fast *fast = FAST_TABLE(attenuate_fast);
    const size_t n_thread = omp_in_parallel() ? 1 : (size_t)omp_get_max_threads();
    /* Few segments are not enough for all threads: then each takes eight nodes, and meets all particles. */
    const bool is_split = n_thread > 1 && nodal->end - nodal->begin < 2 * n_thread;

    if (nodal->is_direct) {
        if (nodal->begin < nodal->end)
            add_direct(in, sum);
        return;
    }
#pragma omp parallel for collapse(2) schedule(dynamic) default(none) shared(fast, in, nodal, is_split)
    for (size_t i = nodal->begin; i < nodal->end; i++)
        for (size_t part = 0; part < N_RULE; part++) {
            const struct mix_segment *segment = &nodal->segment[i];
            double *weight = nodal->weight + nodal->first[i] - nodal->first[nodal->begin];

            if (is_split && 8 * part < segment->n_node)
                add_segment(fast, in, nodal->rules, segment, 8 * part, 8, weight);
            else if (!is_split && part == 0)
                add_segment(fast, in, nodal->rules, segment, 0, segment->n_node, weight);
        }
}

void mix_nodal_close(const struct mix_screened *in, struct mix_nodal *nodal, double *const *sum)
{
    const struct attenuate_fast *fast = FAST_TABLE(attenuate_fast);

    if (!nodal->is_direct && nodal->begin < nodal->end) {
        const struct mix_segment *last = &nodal->segment[nodal->end - 1];
        size_t first = nodal->segment[nodal->begin].first_grain, end = last->first_grain + last->n_grain;

#pragma omp parallel for schedule(dynamic) default(none) shared(fast, in, nodal, sum, first, end)
        for (size_t i_grain = first; i_grain < end; i_grain += N_GRAIN)
            sum_grains(fast, in, nodal, i_grain, end, sum);
    }
    nodal->begin = nodal->end;
    begin_round(nodal);
}

/* ---- all particles at once ------------------------------------------------------------------- */

/* Nodes of which the weights are kept together. */
#define NODES_KEPT 512

static uint64_t room_of(size_t n_cell, size_t n_column)
{
    uint64_t kept = (uint64_t)n_cell * NODES_KEPT * sizeof(double) + list_bytes(n_column);
    uint64_t most = mix_nodal_most_bytes(n_cell, n_column);

    return kept < most ? kept : most;
}

uint64_t mix_scratch_bytes(size_t n_cell, size_t n_column)
{
    return room_of(n_cell, n_column);
}

int mix_screened_segments(const struct mix_screened *in, double *const *ret_sum, struct arena *arena,
                          struct error *err)
{
    struct arena_mark mark = arena_mark(arena);
    struct mix_nodal nodal;
    int r = mix_nodal_open(in, room_of(in->cells.n, in->n_column), &nodal, arena, err);

    for (size_t t = 0; t < in->n_table; t++)
        memset(ret_sum[t], 0, in->n_column * sizeof(double));
    while (!r && nodal.begin < nodal.end) {
        mix_nodal_add(in, &nodal, ret_sum);
        mix_nodal_close(in, &nodal, ret_sum);
    }
    arena_release(arena, mark);
    return r;
}
