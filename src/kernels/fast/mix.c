/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mix.h"

#include <math.h>

#include "lanes.h"
#include "polyphony/mix.h"

static void add_row(size_t n, double factor, const double *restrict row, double *restrict sum)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        sum[j] = fma(factor, row[j], sum[j]);
}

static void add_rows(size_t n, const double factor[4], const double *const row[4], double *restrict sum)
{
    const double *r0 = row[0], *r1 = row[1], *r2 = row[2], *r3 = row[3];

#pragma omp simd
    for (size_t j = 0; j < n; j++) {
        double s = fma(factor[0], r0[j], sum[j]);

        s = fma(factor[1], r1[j], s);
        s = fma(factor[2], r2[j], s);
        sum[j] = fma(factor[3], r3[j], s);
    }
}

#define N_LONG 12

static void add_cells(const struct mix_cells *cells, size_t first_row, const double *value, size_t stride,
                      double *sum)
{
    const uint32_t *cell = cells->cell;
    const double *mass = cells->mass;

    for (size_t column = 0; column < MIX_WIDTH; column += N_LONG * LANES) {
        lanes a[N_LONG];

#pragma GCC unroll 12
        for (size_t v = 0; v < N_LONG; v++)
            a[v] = lanes_load(sum + column + v * LANES);
        for (size_t i = 0; i < cells->n; i++) {
            const double *row = value + (cell[i] - first_row) * stride + column;
            lanes factor = lanes_all(mass[i]);

#pragma GCC unroll 12
            for (size_t v = 0; v < N_LONG; v++)
                a[v] = lanes_fma(factor, lanes_load(row + v * LANES), a[v]);
        }
#pragma GCC unroll 12
        for (size_t v = 0; v < N_LONG; v++)
            lanes_store(sum + column + v * LANES, a[v]);
    }
}

static void pack(size_t n_cell, const uint32_t *cell, const double *value, size_t n_column,
                 double (*panel)[MIX_CELLS][MIX_COLUMNS])
{
    for (size_t c = 0; c < n_cell; c++) {
        const double *row = value + (size_t)cell[c] * n_column;
        const double *later = value + (size_t)cell[c + MIX_AHEAD < n_cell ? c + MIX_AHEAD : c] * n_column;

        for (size_t j = 0; j < MIX_WIDTH; j += 8)
            __builtin_prefetch(later + j);
        for (size_t p = 0; p < MIX_PANELS; p++)
#pragma GCC unroll 24
            for (size_t j = 0; j < MIX_COLUMNS; j += LANES)
                lanes_store(panel[p][c] + j, lanes_load(row + p * MIX_COLUMNS + j));
    }
}

/* Sums that are kept in registers: N_VECTOR registers of columns for each of n_g galaxies. */
#define N_VECTOR 3
#define N_COLUMN (N_VECTOR * LANES)
#if LANES == 8
#define N_G_MOST 8 /* 24 of 32 registers */
#else
#define N_G_MOST 4 /* 12 of 16 */
#endif

/* Call for columns [column, column + N_COLUMN) of the next block's row i, into the second-level cache. */
static inline void call_for(const struct mix_next *next, size_t i, size_t column)
{
    if (i < next->n)
        for (size_t j = column; j < column + N_COLUMN; j += 8)
            __builtin_prefetch(next->value + (size_t)next->cell[i] * next->n_column + j, 0, 2);
}

/* For galaxies first_g on; n_g is a constant of each call, so that its loops unroll. */
__attribute__((always_inline)) static inline void
add_registers(size_t n_g, size_t first_g, size_t n, const uint16_t *row, const double (*mass)[MIX_GALAXIES],
              const double (*panel)[MIX_COLUMNS], const struct mix_next *next, double (*sum)[MIX_WIDTH],
              size_t column)
{
    lanes a[N_G_MOST][N_VECTOR];

#pragma GCC unroll 8
    for (size_t g = 0; g < n_g; g++)
#pragma GCC unroll 3
        for (size_t v = 0; v < N_VECTOR; v++)
            a[g][v] = lanes_load(sum[first_g + g] + column + v * LANES);
    for (size_t i = 0; i < n; i++) {
        const double *value = panel[row[i]] + column;
        lanes x[N_VECTOR];

        call_for(next, i, column);
#pragma GCC unroll 3
        for (size_t v = 0; v < N_VECTOR; v++)
            x[v] = lanes_load(value + v * LANES);
#pragma GCC unroll 8
        for (size_t g = 0; g < n_g; g++) {
            lanes factor = lanes_all(mass[i][first_g + g]);

#pragma GCC unroll 3
            for (size_t v = 0; v < N_VECTOR; v++)
                a[g][v] = lanes_fma(factor, x[v], a[g][v]);
        }
    }
#pragma GCC unroll 8
    for (size_t g = 0; g < n_g; g++)
#pragma GCC unroll 3
        for (size_t v = 0; v < N_VECTOR; v++)
            lanes_store(sum[first_g + g] + column + v * LANES, a[g][v]);
}

/* Galaxies beyond n_galaxy, up to the next size that there is code for, are summed too. */
static void add_block(size_t n_galaxy, size_t n, const uint16_t *row, const double (*mass)[MIX_GALAXIES],
                      const double (*panel)[MIX_COLUMNS], const struct mix_next *next,
                      double (*sum)[MIX_WIDTH])
{
    const struct mix_next none = { 0 };

    for (size_t column = 0; column < MIX_COLUMNS; column += N_COLUMN) {
        size_t first = 0;

        for (; N_G_MOST < MIX_GALAXIES && n_galaxy - first > N_G_MOST; first += N_G_MOST)
            add_registers(N_G_MOST, first, n, row, mass, panel, first ? &none : next, sum, column);
        if (n_galaxy - first > 4)
            add_registers(N_G_MOST, first, n, row, mass, panel, first ? &none : next, sum, column);
        else if (n_galaxy - first > 2)
            add_registers(4, first, n, row, mass, panel, first ? &none : next, sum, column);
        else
            add_registers(2, first, n, row, mass, panel, first ? &none : next, sum, column);
    }
}

const struct mix_fast FAST(mix_fast) = {
    .add_row = add_row, .add_rows = add_rows, .add_cells = add_cells, .pack = pack, .add_block = add_block
};
