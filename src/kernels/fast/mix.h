/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fast.h"

/*
 * A block of a batch: up to 8 galaxies, 24 columns and 128 cells. The sums of a block are 24 vectors of 8, in
 * registers; its values, 24 KiB, stay in the first-level cache while all galaxies of the batch use them.
 */
#define MIX_GALAXIES 8
#define MIX_COLUMNS  24
#define MIX_CELLS    128
/*
 * Where few cells are occupied: columns of a galaxy that are summed in registers, and rows, 36 KiB of them,
 * that stay in the first-level cache.
 */
#define MIX_WIDTH  96
#define MIX_FEW    48
#define MIX_PANELS (MIX_WIDTH / MIX_COLUMNS)
/* Rows ahead that are called for: they lie pages apart, where processors do not guess the next one. */
#define MIX_AHEAD 8

struct mix_cells;

/* Rows that are called for while others are added: those of the next block of cells, MIX_COLUMNS of them. */
struct mix_next {
    size_t n;
    const uint32_t *cell; /* [n] */
    const double *value;  /* the first column of row 0 */
    size_t n_column;
};

struct mix_fast {
    /* sum[j] = fma(factor[3], row[3][j], ... fma(factor[0], row[0][j], sum[j])) */
    void (*add_rows)(size_t n, const double factor[4], const double *const row[4], double *sum);
    /* sum[j] = fma(factor, row[j], sum[j]) */
    void (*add_row)(size_t n, double factor, const double *row, double *sum);
    /* sum[j] = fma(mass[i], value[(cell[i] - first_row) * stride + j], sum[j]), i ascending, j < MIX_WIDTH. */
    void (*add_cells)(const struct mix_cells *cells, size_t first_row, const double *value, size_t stride,
                      double *sum);
    /* panel[c][j] = value[cell[c] * n_column + j], MIX_PANELS panels side by side. */
    void (*pack)(size_t n_cell, const uint32_t *cell, const double *value, size_t n_column,
                 double (*panel)[MIX_CELLS][MIX_COLUMNS]);
    /*
     * sum[g][j] = fma(mass[i][g], panel[row[i]][j], sum[g][j]), i ascending, j < MIX_COLUMNS, for the first
     * n_galaxy <= MIX_GALAXIES of the block.
     */
    void (*add_block)(size_t n_galaxy, size_t n, const uint16_t *row, const double (*mass)[MIX_GALAXIES],
                      const double (*panel)[MIX_COLUMNS], const struct mix_next *next,
                      double (*sum)[MIX_WIDTH]);
};
FAST_DECLARE(struct mix_fast, mix_fast);
