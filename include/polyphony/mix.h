/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sums of grid spectra, weighted by the mass in each grid cell, bare or seen through dust.
 *
 * A table is value[n_cell][n_column], row-major; a column is a wavelength (or a line). Columns are cut into
 * tiles, a thread owns a tile, and each sum runs over cells or particles in order: the bits do not depend on
 * the number of threads.
 */
#pragma once

#include <math.h>

#include "polyphony/weights.h"

/** Cells that hold mass, ascending. */
struct mix_cells {
    size_t n;
    const uint32_t *cell; /* [n] rows of the tables */
    const double *mass;   /* [n] >= 0 */
};

/**
 * ret_sum[column] = sum over cells of mass * value[cell][column]. O(cells * columns).
 */
void mix_plain(const struct mix_cells *cells, size_t n_column, const double *value, double *ret_sum);

/** The optical depths of all particles with mass; of none MIX_RANGE_NONE. */
struct mix_range {
    double tau_min, tau_max;
};
#define MIX_RANGE_NONE ((struct mix_range) { (double)INFINITY, 0.0 })
/** Widen a range by n particles. */
void mix_range_add(struct mix_range *range, size_t n, const double *mass, const double *tau);

/**
 * Particles behind screens of their own: particle i is dimmed by exp(-tau[i] * k[column]). They may be a part
 * of the particles that are summed; cells and range are those of all of them.
 */
struct mix_screened {
    size_t n_particle;
    const double *mass; /* [n_particle] >= 0 */
    const double *tau;  /* [n_particle] optical depth in V, finite, >= 0; NULL: no screens, direct only */
    struct mix_range range;
    const struct weights *weights;
    struct mix_cells cells; /* cells.mass is not used */
    const uint32_t *slot;   /* [all cells] position in cells.cell */
    size_t n_column;
    const double *k; /* [n_column] optical depth relative to V */
    size_t n_table;
    const double *const *value; /* [n_table] tables */
};

/**
 * The definition, and the reference: a spectrum for every particle, dimmed and added.
 *     sum[t][column] += sum_i mass_i exp(-tau_i k_column) sum_corners share value_t[cell][column]
 * O(particles * columns) exponentials. The caller zeroes the sums; particles that come in several calls give
 * the same bits as in one.
 */
void mix_screened_direct(const struct mix_screened *in, double *const *sum);

/**
 * The same with far fewer exponentials: in a tile of columns the total weight of a cell,
 * A_cell(k) = sum_i mass_i share_i exp(-tau_i k), is a smooth function of k, evaluated at Chebyshev nodes and
 * interpolated to the columns. The screen that all particles share, exp(-tau_min k), is taken out
 * first and put back at each column, so that deep shadows keep their relative accuracy. The number of nodes
 * makes the truncation error smaller than MIX_TOLERANCE times the largest contribution in the tile; a tile
 * that would need as many nodes as columns is evaluated at its columns instead.
 *
 * All particles at once; scratch is a tile of weights a thread, at most mix_scratch_bytes().
 * Return: 0, or POLYPHONY_INTERNAL without memory for scratch.
 */
int mix_screened_tiles(const struct mix_screened *in, double *const *ret_sum, struct arena *arena,
                       struct error *err);
uint64_t mix_scratch_bytes(size_t n_cell, int n_thread);

/**
 * The same, bit by bit, where particles come in several parts: weights at nodes are kept from part to part,
 * for as many tiles of columns as there is room for. The others take another round through the particles.
 */
struct mix_nodal {
    size_t n_tile;     /* of columns */
    size_t begin, end; /* tiles of this round */
    size_t *first;     /* [n_tile + 1] where a tile's weights begin, were all of them kept */
    double *weight;    /* of this round, [tile][cells][node] */
    size_t n_room;     /* weights that can be kept */
};

/** First round. Room for one tile is taken in any case. `in` needs no particles yet. */
int mix_nodal_open(const struct mix_screened *in, uint64_t room_bytes, struct mix_nodal *ret_nodal,
                   struct arena *arena, struct error *err);
void mix_nodal_add(const struct mix_screened *in, struct mix_nodal *nodal);
/** After the last particle of a round: set ret_sum in its columns, and begin the next round; `end` is
 * `begin` when none is left. */
int mix_nodal_close(const struct mix_screened *in, struct mix_nodal *nodal, double *const *ret_sum,
                    struct arena *arena, struct error *err);
/** Least room, and the most that can be used [bytes]. */
uint64_t mix_nodal_least_bytes(size_t n_cell, size_t n_column);
uint64_t mix_nodal_most_bytes(size_t n_cell, size_t n_column);

/** Truncation error allowed to the interpolation, relative; rounding is about 1e-15. */
#define MIX_TOLERANCE 1e-13

/**
 * Chebyshev nodes for exp(-tau k) with 0 <= tau <= tau_max and k within half_range of the centre, to
 * MIX_TOLERANCE of its largest value: the expansion of exp(-a x) has coefficients 2 I_m(a).
 * Never more than n_max, which means "not worth it".
 */
size_t mix_node_count(double tau_max, double half_range, size_t n_max);

/** The nodes on [centre - half_range, centre + half_range], and ret_basis[m][j]: Lagrange basis m at k[j]. */
void mix_nodes(double centre, double half_range, size_t n_node, double *ret_node);
void mix_basis(size_t n_node, const double *node, size_t n_k, const double *k, double *ret_basis);
