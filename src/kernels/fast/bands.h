/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/bands.h"

#include "fast.h"

/* Rows of the grid that a dot is taken of at once: enough independent sums to hide the latency of fma. */
enum { BANDS_DOT_ROWS = 8 };

/* Particles in a row, of one source. */
struct bands_block {
    size_t n, n_corner;
    const uint32_t *cell; /* [n][n_corner] */
    const double *share;  /* [n][n_corner] */
    const double *mass, *tau;
};

struct bands_fast {
    /* ret_sum[r] = sum_j factor[j] * row[r][j], in eight lanes, added as pairs of pairs of pairs. */
    void (*dot)(size_t n, const double *factor, const double *const row[BANDS_DOT_ROWS],
                double ret_sum[BANDS_DOT_ROWS]);
    /* value[n][n_output] += what the table gives. */
    void (*add_bare)(const struct bands_block *block, const struct bands_table *table, size_t n_output,
                     double *value);
    void (*add_screened)(const struct bands_block *block, const struct bands_table *table, size_t n_output,
                         double *value);
    /* sum[j] = fma(factor, row[j], sum[j]) */
    void (*add_row)(size_t n, double factor, const double *row, double *sum);
};
FAST_DECLARE(struct bands_fast, bands_fast);
