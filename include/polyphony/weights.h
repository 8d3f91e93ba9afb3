/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where particles sit between the nodes of a grid with two axes.
 *
 * A particle shares its weight among the four nodes around it (cloud in cell), or gives it to the nearest one
 * (nearest grid point). Outside the grid it is clamped to the edge, never dropped. docs/physics.md 2.
 */
#pragma once

#include "polyphony/base.h"

#define WEIGHTS_N_CORNER 4

/** Nodes along one axis, ascending, in the coordinate that is interpolated (often log10). */
struct axis_nodes {
    size_t n;
    const double *coordinate; /* [n] */
};

enum weights_scheme { WEIGHTS_CIC, WEIGHTS_NGP };

/** Shares of each particle: node cell[i][corner] gets share[i][corner] of it; shares of a particle sum to 1. */
struct weights {
    size_t n;
    uint32_t (*cell)[WEIGHTS_N_CORNER]; /* i_0 * axis[1].n + i_1 */
    double (*share)[WEIGHTS_N_CORNER];
};

/** Lower node and fraction towards the next one of a coordinate on one axis. Of a single node: 0 and 0. */
void weights_bracket(const struct axis_nodes *axis, enum weights_scheme scheme, double x, size_t *ret_lower,
                     double *ret_fraction);

/**
 * @param x0, x1       particle coordinates on the two axes, [n]
 * @param ret_weights  arrays of n, by the caller
 */
void weights_assign(const struct axis_nodes axis[2], enum weights_scheme scheme, size_t n, const double *x0,
                    const double *x1, struct weights *ret_weights);

/**
 * Add `mass` to a histogram over the nodes, histogram[n_cell], in particle order: particles that come in
 * several calls give the same bits as in one. The caller zeroes it first.
 */
void weights_histogram(const struct weights *weights, const double *mass, double *histogram);

/** The same along a single axis: histogram[axis->n]. */
void weights_histogram_axis(const struct axis_nodes *axis, enum weights_scheme scheme, size_t n,
                            const double *x, const double *mass, double *histogram);
