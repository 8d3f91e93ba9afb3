/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/bands.h"

#include <math.h>
#include <string.h>

#include "bands_ref.h"
#include "fast/bands.h"
#include "polyphony/mix.h"

/* ---- cutting bands ----------------------------------------------------------------------------- */

/*
 * Largest error of interpolating exp(-a x), |x| <= 1, at n Chebyshev points, over exp(a): its coefficients
 * are 2 I_m(a), those from n on count twice, and I_(m+1) < I_m a / (2 (m + 1)).
 */
static double interpolation_error(double a, size_t n_node)
{
    double ratio = 0.5 * a / ((double)n_node + 1.0), term = 1.0, bessel = 1.0; /* of (a/2)^n / n! */

    for (size_t i = 1; term > 1e-3 * bessel; i++) {
        term *= 0.25 * a * a / ((double)i * (double)(n_node + i));
        bessel += term;
    }
    bessel *= 1.01; /* the terms left out */
    for (size_t m = 1; m <= n_node; m++)
        bessel *= 0.5 * a / (double)m;
    return ratio < 1.0 ? 4.0 * exp(-a) * bessel / (1.0 - ratio) : 1.0;
}

/* The largest tau half_range for which so many nodes are enough. */
static double node_reach(size_t n_node, double tolerance)
{
    double enough = 0.0, too_much = 2.0 * (double)n_node + 2.0;

    for (int i = 0; i < 24; i++) {
        double a = 0.5 * (enough + too_much);

        if (interpolation_error(a, n_node) <= tolerance)
            enough = a;
        else
            too_much = a;
    }
    return enough;
}

/* Lanes as long as their k stays within a range: as few as possible. */
static size_t cut_by_range(double range_max, const double *k, size_t n_band, const struct bands_columns *band,
                           struct bands_lane *ret_lane)
{
    size_t n_lane = 0;

    for (size_t b = 0; b < n_band; b++) {
        struct bands_lane lane = { .i_band = b, .first = band[b].first };

        for (size_t j = band[b].first; j < band[b].first + band[b].n; j++) {
            double k_min = lane.n ? fmin(lane.k_min, k[j]) : k[j];
            double k_max = lane.n ? fmax(lane.k_max, k[j]) : k[j];

            if (lane.n && !(k_max - k_min <= range_max)) {
                if (ret_lane)
                    ret_lane[n_lane] = lane;
                n_lane++;
                lane = (struct bands_lane) { .i_band = b, .first = j };
                k_min = k_max = k[j];
            }
            lane.k_min = k_min;
            lane.k_max = k_max;
            lane.n++;
        }
        if (lane.n && ret_lane)
            ret_lane[n_lane] = lane;
        n_lane += lane.n > 0;
    }
    return n_lane;
}

struct bands_cut bands_choose_cut(double tau_max, double tolerance, const double *k, size_t n_band,
                                  const struct bands_columns *band)
{
    struct bands_cut best = { 0 };
    size_t least = SIZE_MAX;

    for (size_t n_node = 1; n_node <= BANDS_NODE_MAX && n_node < least; n_node++) {
        struct bands_cut cut = { .n_node = n_node, .range = (double)INFINITY };
        size_t cost;

        if (tau_max > 0.0)
            cut.range = 2.0 * node_reach(n_node, tolerance) / tau_max;
        cut.n_lane = cut_by_range(cut.range, k, n_band, band, NULL);
        cost = (cut.n_lane + BANDS_LANES - 1) / BANDS_LANES * n_node;
        if (cost < least) {
            least = cost;
            best = cut;
        }
    }
    return best;
}

void bands_make_lanes(const struct bands_cut *cut, const double *k, size_t n_band,
                      const struct bands_columns *band, struct bands_lane *ret_lane)
{
    cut_by_range(cut->range, k, n_band, band, ret_lane);
}

void bands_make_nodes(const struct bands_lane *lane, size_t n_node, double *ret_node)
{
    mix_nodes(0.5 * (lane->k_min + lane->k_max),
              lane->k_max > lane->k_min ? mix_half_range(lane->k_min, lane->k_max) : 0.0, n_node, ret_node);
}

/* ---- rows ------------------------------------------------------------------------------------------ */

/* Factors that are used for all cells before the next ones are: 128 KiB, to stay in a second-level cache. */
#define FILL_COLUMNS ((size_t)16384)

/* The end of a chunk of dots that begins here. */
static size_t chunk_end(size_t n_dot, const struct bands_dot *dot, size_t begin)
{
    size_t n_column = 0, end = begin;

    while (end < n_dot && (end == begin || n_column + dot[end].n <= FILL_COLUMNS))
        n_column += dot[end++].n;
    return end;
}

/* Some dots for up to BANDS_DOT_ROWS cells; where there are fewer the first is computed again, for nothing. */
static void fill_cells(const struct bands_fast *fast, size_t n_dot, const struct bands_dot *dot,
                       size_t n_column, size_t n_cell, const uint32_t *cell, struct bands_table *table)
{
    for (size_t d = 0; d < n_dot; d++) {
        const double *row[BANDS_DOT_ROWS];
        double sum[BANDS_DOT_ROWS];

        for (size_t r = 0; r < BANDS_DOT_ROWS; r++)
            row[r] = dot[d].value + (size_t)cell[r < n_cell ? r : 0] * n_column + dot[d].first;
        fast->dot(dot[d].n, dot[d].factor, row, sum);
        for (size_t r = 0; r < n_cell; r++)
            table->row[(size_t)cell[r] * table->n_row + dot[d].i_to] += sum[r];
    }
}

void bands_fill(size_t n_dot, const struct bands_dot *dot, size_t n_column, size_t n_cell,
                const uint32_t *cell, struct bands_table *table)
{
    const struct bands_fast *fast = FAST_TABLE(bands_fast);
    size_t n_block = (n_cell + BANDS_DOT_ROWS - 1) / BANDS_DOT_ROWS;

#pragma omp parallel default(none) shared(fast, n_dot, dot, n_column, n_cell, cell, table, n_block)
    for (size_t begin = 0, end; begin < n_dot; begin = end) {
        end = chunk_end(n_dot, dot, begin);
        /* The same blocks go to the same thread in each chunk: nobody waits. */
#pragma omp for schedule(static) nowait
        for (size_t b = 0; b < n_block; b++) {
            size_t first = b * BANDS_DOT_ROWS, left = n_cell - first;

            fill_cells(fast, end - begin, dot + begin, n_column,
                       left < BANDS_DOT_ROWS ? left : BANDS_DOT_ROWS, cell + first, table);
        }
    }
}

void bands_fill_ref(size_t n_dot, const struct bands_dot *dot, size_t n_column, size_t n_cell,
                    const uint32_t *cell, struct bands_table *table)
{
    for (size_t c = 0; c < n_cell; c++)
        for (size_t d = 0; d < n_dot; d++) {
            const double *row = dot[d].value + (size_t)cell[c] * n_column + dot[d].first;
            double x[BANDS_LANES] = { 0 };

            for (size_t j = 0; j < dot[d].n; j++)
                x[j % BANDS_LANES] = fma(dot[d].factor[j], row[j], x[j % BANDS_LANES]);
            table->row[(size_t)cell[c] * table->n_row + dot[d].i_to] +=
                ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
        }
}

/* ---- particles --------------------------------------------------------------------------------------- */

/* Values of a block of particles: 16 KiB, so that they stay in the first-level cache from table to table. */
#define BLOCK_VALUES ((size_t)2048)

static struct bands_block block_of(const struct weights *weights, const struct bands_source *source,
                                   size_t first, size_t n)
{
    return (struct bands_block) { .n = n,
                                  .n_corner = weights->n_corner,
                                  .cell = weights->cell + first * weights->n_corner,
                                  .share = weights->share + first * weights->n_corner,
                                  .mass = source->mass + first,
                                  .tau = source->tau ? source->tau + first : NULL };
}

void bands_particles(const struct weights *weights, size_t first, size_t n, size_t n_source,
                     const struct bands_source *source, size_t n_output, double *ret_value)
{
    const struct bands_fast *fast = FAST_TABLE(bands_fast);
    size_t n_per_block = n_output < BLOCK_VALUES / 8 ? BLOCK_VALUES / (n_output ? n_output : 1) : 8;
    size_t n_block = (n + n_per_block - 1) / n_per_block;

#pragma omp parallel for schedule(static) default(none)                                                      \
    shared(fast, weights, first, n, n_source, source, n_output, ret_value, n_per_block, n_block)
    for (size_t b = 0; b < n_block; b++) {
        size_t begin = b * n_per_block, left = n - begin;
        size_t n_here = left < n_per_block ? left : n_per_block;
        double *value = ret_value + begin * n_output;

        memset(value, 0, n_here * n_output * sizeof(*value));
        for (size_t s = 0; s < n_source; s++) {
            const struct bands_table *table = source[s].table;
            const struct bands_block block = block_of(weights, &source[s], first + begin, n_here);

            (table->n_group ? fast->add_screened : fast->add_bare)(&block, table, n_output, value);
        }
    }
}

/* Of a particle's cells, entry j of the row. */
static double mixed_ref(const struct bands_block *block, const struct bands_table *table, size_t i, size_t j,
                        double sum)
{
    for (size_t at = i * block->n_corner; at < (i + 1) * block->n_corner; at++)
        sum = fma(block->mass[i] * block->share[at], table->row[(size_t)block->cell[at] * table->n_row + j],
                  sum);
    return sum;
}

static void add_screened_ref(const struct bands_block *block, const struct bands_table *table, size_t i,
                             double *value)
{
    size_t n_node = table->n_node;

    for (size_t p = 0; p < table->n_group * table->n_part; p++)
        for (size_t t = table->to_begin[p]; t < table->to_begin[p + 1]; t++) {
            const double *k = table->k + p / table->n_part * n_node * BANDS_LANES;
            size_t lane = table->to[t].lane;
            double sum = 0.0;

            for (size_t m = 0; m < n_node; m++)
                sum = fma(exp(-block->tau[i] * k[m * BANDS_LANES + lane]),
                          mixed_ref(block, table, i, (p * n_node + m) * BANDS_LANES + lane, 0.0), sum);
            value[table->to[t].output] += sum;
        }
}

void bands_particles_ref(const struct weights *weights, size_t first, size_t n, size_t n_source,
                         const struct bands_source *source, size_t n_output, double *ret_value)
{
    memset(ret_value, 0, n * n_output * sizeof(*ret_value));
    for (size_t s = 0; s < n_source; s++) {
        const struct bands_table *table = source[s].table;
        const struct bands_block block = block_of(weights, &source[s], first, n);

        for (size_t i = 0; i < n; i++) {
            double *value = ret_value + i * n_output;

            if (block.mass[i] == 0.0)
                continue;
            if (table->n_group)
                add_screened_ref(&block, table, i, value);
            for (size_t r = 0; r < table->n_run; r++)
                for (size_t j = 0; j < table->run[r].n; j++)
                    value[table->run[r].to + j] =
                        mixed_ref(&block, table, i, table->run[r].from + j, value[table->run[r].to + j]);
        }
    }
}

void bands_total(size_t n, size_t n_output, const double *value, double *total)
{
    for (size_t i = 0; i < n; i++)
#pragma omp simd
        for (size_t o = 0; o < n_output; o++)
            total[o] += value[i * n_output + o];
}

void bands_cells(size_t n_cell, const uint32_t *cell, const double *mass, const struct bands_table *table,
                 double *total)
{
    const struct bands_fast *fast = FAST_TABLE(bands_fast);

    for (size_t c = 0; c < n_cell; c++)
        for (size_t r = 0; r < table->n_run; r++)
            fast->add_row(table->run[r].n, mass[c],
                          table->row + (size_t)cell[c] * table->n_row + table->run[r].from,
                          total + table->run[r].to);
}
