/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fast.h"
#include "polyphony/weights.h"

/* Columns are cut into grains; nodes come in eights, at most as many as a grain has columns. */
#define SCREEN_GRAIN    24
#define SCREEN_NODE_MAX 24
/* Columns that are summed together where every column has its exponential. */
#define SCREEN_DIRECT 48
/* Cells that are interpolated together. */
#define SCREEN_CELLS 8

/* Particles and where they are added. */
struct screen_particles {
    size_t n, n_corner;
    const double *mass, *tau; /* [n]; mass 0 does not matter */
    const uint32_t *cell;     /* [n][n_corner] */
    const double *share;      /* [n][n_corner] */
};

struct attenuate_fast {
    /*
     * weight[slot[cell] * stride + m] = fma(share, mass * exp(-(tau - tau_min) * node[m]), weight), particle
     * by particle, for n_node = 8, 16 or 24 nodes. Particles with tau - tau_min above tau_black are left out.
     */
    void (*add_nodes)(const struct screen_particles *particles, double tau_min, double tau_black,
                      const uint32_t *slot, size_t n_node, size_t stride, const double *node, double *weight);
    /*
     * Interpolated to the columns of a grain, times the cells' rows, and added to the sums in order of cells:
     *     at_column[c][j] = sum over m, by fma, of weight[c][m] * basis[m][j]
     *     sum[t][j] = fma(at_column[c][j], row[t][c][j], sum[t][j])
     * for n_cell <= SCREEN_CELLS cells. Rows of SCREEN_GRAIN columns; sum is [n_table][SCREEN_GRAIN].
     */
    void (*add_columns)(size_t n_cell, size_t n_node, const double *weight,
                        const double (*basis)[SCREEN_GRAIN], size_t n_table,
                        const double *const (*row)[SCREEN_CELLS], double (*sum)[SCREEN_GRAIN]);
    /*
     * Without nodes: for n <= SCREEN_DIRECT columns of tables with n_column
     *     sum[t][j] = fma(share * (mass * exp(-tau * k[j])), value[t][cell][j], sum[t][j])
     * over particles and corners in order.
     */
    void (*add_direct)(const struct screen_particles *particles, size_t n, const double *k, size_t n_table,
                       const double *const *value, size_t n_column, double *const *sum);
    /* Lagrange basis of nodes with barycentric weights w: ret[m][j] at k[j], SCREEN_GRAIN of them. */
    void (*make_basis)(size_t n_node, const double *node, const double *w, const double *k,
                       double (*ret_basis)[SCREEN_GRAIN]);
};
FAST_DECLARE(struct attenuate_fast, attenuate_fast);
