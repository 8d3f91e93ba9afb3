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
#include <stdbool.h>

#include "polyphony/weights.h"

/** Cells that may hold mass, ascending. */
struct mix_cells {
    size_t n;
    const uint32_t *cell; /* [n] rows of the tables; NULL: row i is cell i */
    const double *mass;   /* [n] finite, >= 0 */
};

/**
 * Sums of rows of a table, for several galaxies:
 *     ret_sum[column] = 0.0 + sum over cells, ascending, by fma, of mass * value[cell][column]
 * Values are finite, so that cells of mass 0 do not matter: their products are +0.0 or -0.0, which added
 * change at most the sign of a zero; and a sum that is -0.0 in the end (all its products may have vanished below the
 * least number) becomes 0.0.
 *
 * Blocks of the table stay in cache while all galaxies use them. Cells that no galaxy occupies are not read; a cell is summed for eight galaxies together if one of them occupies it.
 *
 * @param galaxy   [n_galaxy]
 * @param ret_sum  [n_galaxy] of [n_column], not overlapping
 * @param arena    scratch, at most mix_batch_bytes(), given back; n_cell is that of the table
 * Return: 0, or POLYPHONY_INTERNAL without memory for scratch.
 */
int mix_batch(size_t n_galaxy, const struct mix_cells *galaxy, size_t n_column, const double *value,
              double *const *ret_sum, struct arena *arena, struct error *err);
uint64_t mix_batch_bytes(size_t n_galaxy, size_t n_cell, int n_thread);

/** The optical depths of all particles with mass, and how many these are; of none MIX_RANGE_NONE. */
struct mix_range {
    double tau_min, tau_max;
    uint64_t n;
};
#define MIX_RANGE_NONE ((struct mix_range) { (double)INFINITY, 0.0, 0 })
/** Widen a range by n particles. */
void mix_range_add(struct mix_range *range, size_t n, const double *mass, const double *tau);

/** Tables that are summed together. */
#define MIX_TABLE_MAX 8

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
    struct mix_cells cells; /* cells.cell is needed, cells.mass is not used */
    const uint32_t *slot;   /* [all cells] position in cells.cell */
    size_t n_column;
    const double *k;            /* [n_column] optical depth relative to V */
    size_t n_table;             /* <= MIX_TABLE_MAX */
    const double *const *value; /* [n_table] tables */
    double tolerance;           /* relative, MIX_TOLERANCE_DEFAULT; not of the definition */
};

/** Truncation error of the fast method by default, and the least that may be asked for. */
#define MIX_TOLERANCE_DEFAULT 1e-10
#define MIX_TOLERANCE_LEAST   1e-14
/** Where the transmission of a particle's screen, relative to the clearest of the particles, falls below
 * exp(-MIX_BLACK) times the tolerance all over a segment, it counts as none. */
#define MIX_BLACK 40.0

/**
 * A spectrum for every particle, dimmed and added:
 *     sum[t][column] = sum_i mass_i exp(-tau_i k_column) sum_corners share value_t[cell][column]
 * with far fewer exponentials than that takes (mix_ref.h): columns are cut into segments, and in a segment
 * the total weight of a cell, A_cell(k) = sum_i mass_i share_i exp(-tau_i k), is a smooth function of k, summed at 8, 16 or 24
 * Chebyshev nodes and interpolated to the columns. The screen that all particles share, exp(-tau_min k), is
 * taken out first and put back at each column.
 *
 * Error: the transmission of each particle at each column is within the tolerance of its own value, by
 * truncation; rounding adds 5e-11 at most (in what is darkest of a segment) at a tolerance of 1e-10, and up
 * to 1e-7 at 1e-3, where segments are longer. Screens that are black (see above) are left out; so where the
 * clearest particle gives more than exp(-MIX_BLACK) = 4e-18 of the bare light, sums of one sign are within
 * the tolerance of the largest sum, and where nothing was black, of themselves.
 *
 * Cost, in particles N, columns n, cells C, nodes M of all segments: N M exponentials and 4 N M products, and
 * C n (nodes of a segment + tables) products. How long segments are is chosen for the least cost, from the
 * number of particles, cells and tables and the range of optical depths; where few particles make N n
 * exponentials cheaper they are summed as the definition says. The bits depend on nothing else.
 *
 * All particles at once; scratch is at most mix_scratch_bytes(), given back.
 * Return: 0, or POLYPHONY_INTERNAL without memory for scratch.
 */
int mix_screened_segments(const struct mix_screened *in, double *const *ret_sum, struct arena *arena,
                          struct error *err);
uint64_t mix_scratch_bytes(size_t n_cell, size_t n_column);

/**
 * The same, bit by bit, where particles come in several parts: weights at nodes are kept from part to part,
 * for as many segments of columns as there is room for. The others take another round through the particles.
 */
struct mix_nodal {
    size_t n_segment;              /* segments of columns */
    size_t begin, end;             /* those of this round */
    bool is_direct;                /* one segment, without nodes */
    const struct mix_rules *rules; /* nodes */
    struct mix_segment *segment;   /* [n_segment] */
    size_t *first;  /* [n_segment + 1] where a segment's weights begin, were all of them kept */
    double *weight; /* of this round, [segment][cells][node] */
    size_t n_room;  /* weights that can be kept */
};

/** First round. Room for one segment is taken in any case. `in` needs no particles yet. */
int mix_nodal_open(const struct mix_screened *in, uint64_t room_bytes, struct mix_nodal *ret_nodal,
                   struct arena *arena, struct error *err);
/** @param sum  [n_table] of [n_column]: zeroed before the first call, and left alone until the last close. */
void mix_nodal_add(const struct mix_screened *in, struct mix_nodal *nodal, double *const *sum);
/** After the last particle of a round: set the sums in its columns, and begin the next round; `end` is
 * `begin` when none is left. */
void mix_nodal_close(const struct mix_screened *in, struct mix_nodal *nodal, double *const *sum);
/** Least room, and the most that can be used [bytes]. */
uint64_t mix_nodal_least_bytes(size_t n_cell, size_t n_column);
uint64_t mix_nodal_most_bytes(size_t n_cell, size_t n_column);

/** Half of a range of k, or a little more where it is so short that nodes within it would not differ. */
double mix_half_range(double k_min, double k_max);
/** Chebyshev points of the first kind on [centre - half_range, centre + half_range], and ret_basis[m][j]:
 * Lagrange basis m at k[j]. */
void mix_nodes(double centre, double half_range, size_t n_node, double *ret_node);
void mix_basis(size_t n_node, const double *node, size_t n_k, const double *k, double *ret_basis);
