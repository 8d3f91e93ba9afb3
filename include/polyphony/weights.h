/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where particles sit between the nodes of a grid with up to six axes.
 *
 * A particle shares its weight among the nodes around it, two along each axis (cloud in cell), or gives it to
 * the nearest one (nearest grid point). Outside the grid it is clamped to the edge, never dropped.
 * docs/physics.md 2.
 */
#pragma once

#include "polyphony/base.h"

#define WEIGHTS_AXIS_MAX   6
#define WEIGHTS_CORNER_MAX 64 /* 2^6 */

/** Nodes along one axis, ascending, in the coordinate that is interpolated (often log10). */
struct axis_nodes {
    size_t n;
    const double *coordinate; /* [n] */
};

enum weights_scheme { WEIGHTS_CIC, WEIGHTS_NGP };

/**
 * Shares of each particle: node cell[i][corner] gets share[i][corner] of it; shares of a particle sum to 1.
 * Of k axes there are 2^k corners; the first axis is the highest bit of a corner, set for the upper node.
 */
struct weights {
    size_t n, n_corner;
    uint32_t *cell; /* [n][n_corner] row-major over the axes, the last one fastest */
    double *share;  /* [n][n_corner] */
};

/** Lower node and fraction towards the next one of a coordinate on one axis. Of a single node: 0 and 0. */
void weights_bracket(const struct axis_nodes *axis, enum weights_scheme scheme, double x, size_t *ret_lower,
                     double *ret_fraction);

/** Corners of so many axes. */
static inline size_t weights_corners(size_t n_axis)
{
    return (size_t)1 << n_axis;
}

/**
 * @param n_axis       at most WEIGHTS_AXIS_MAX; without axes all particles are in cell 0
 * @param axis         [n_axis]
 * @param x            [n_axis] of [n]: the particles' coordinates on each axis
 * @param ret_weights  arrays of n times the corners, by the caller
 */
void weights_assign(size_t n_axis, const struct axis_nodes *axis, enum weights_scheme scheme, size_t n,
                    const double *const *x, struct weights *ret_weights);

/**
 * Add `mass` to a histogram over the nodes, histogram[n_cell], in particle order: particles that come in
 * several calls give the same bits as in one. The caller zeroes it first.
 */
void weights_histogram(const struct weights *weights, const double *mass, double *histogram);

/** The same along a single axis: histogram[axis->n]. */
void weights_histogram_axis(const struct axis_nodes *axis, enum weights_scheme scheme, size_t n,
                            const double *x, const double *mass, double *histogram);
