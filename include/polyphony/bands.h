/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Photometry from tables: what a unit of mass in each cell of a grid gives in each output (a spectrum's label
 * through a band), so that a particle's photometry is four look-ups an output and never a spectrum.
 *
 * Behind a particle's own screen a table holds a few numbers an output. Bands are cut into lanes, over which
 * exp(-tau k(lambda)) is expanded in the Lagrange basis of n_node Chebyshev nodes of k (mix.h):
 *
 *     output(i) = mass_i sum_lanes sum_nodes exp(-tau_i k_node) sum_corners share row[cell][node]
 *
 * Lanes are computed eight at a time: they are cut so that all need the same number of nodes. The bits depend
 * on the tables and the particle alone: not on threads, on blocks of particles, nor on the instruction set.
 */
#pragma once

#include "polyphony/weights.h"

#define BANDS_LANES ((size_t)8)
/** Most nodes of a lane. */
#define BANDS_NODE_MAX ((size_t)16)

/* ---- tables -------------------------------------------------------------------------------------- */

/** One addend of a row: sum_j factor[j] * value[cell][first + j], in eight lanes of j. */
struct bands_dot {
    const double *value; /* [all cells][n_column] */
    size_t first, n;
    const double *factor; /* [n] */
    size_t i_to;          /* of the row, where it is added */
};

/** Entries [from, from + n) of a row without screen, which are added to outputs [to, to + n). */
struct bands_run {
    size_t from, to, n;
};

struct bands_table {
    size_t n_row; /* numbers of a row, a multiple of 8 */
    double *row;  /* [all cells][n_row] */
    /* Without screen. */
    size_t n_run;
    const struct bands_run *run;
    /* With one: rows are [n_group][n_part][n_node][8]; a part is what several labels share. */
    size_t n_group, n_part, n_node; /* n_group 0: no screen */
    const double *k;                /* [n_group][n_node][8] */
    const size_t *to_begin;         /* [n_group * n_part + 1] into `to` */
    const struct bands_to {
        uint32_t lane, output;
    } * to; /* outputs that a lane of the group is added to */
};

/**
 * Add dots, in order, to the rows of some cells. O(cells * columns of all dots); OpenMP over cells, each of
 * which gets the same bits whatever the others are.
 *
 * @param cell  [n_cell] which rows
 */
void bands_fill(size_t n_dot, const struct bands_dot *dot, size_t n_column, size_t n_cell,
                const uint32_t *cell, struct bands_table *table);
/** Columns [first, first + n) of a band. */
struct bands_columns {
    size_t first, n;
};
/** A piece of a band over which one expansion serves. */
struct bands_lane {
    size_t i_band;
    size_t first, n; /* columns */
    double k_min, k_max;
};
/** How bands are cut: lanes as long as their k stays within a range. */
struct bands_cut {
    double range;
    size_t n_node, n_lane;
};

/**
 * The cheapest way that keeps the truncation error below `tolerance` (> 0) times the largest exp(-tau k) of
 * the lane, for all 0 <= tau <= tau_max. Never more lanes times nodes than columns, but for rounding lanes up
 * to eight; where k differs from column to column and tau_max is huge, each column is a lane of its own,
 * which is exact.
 *
 * @param k  [columns]
 */
struct bands_cut bands_choose_cut(double tau_max, double tolerance, const double *k, size_t n_band,
                                  const struct bands_columns *band);
/** ret_lane[n_lane], by band and column. */
void bands_make_lanes(const struct bands_cut *cut, const double *k, size_t n_band,
                      const struct bands_columns *band, struct bands_lane *ret_lane);
/** The nodes in k of a lane [n_node], which differ unless k is constant there. */
void bands_make_nodes(const struct bands_lane *lane, size_t n_node, double *ret_node);

/* ---- particles ----------------------------------------------------------------------------------- */

/** A table, and the particles' weights and screens that go with it. */
struct bands_source {
    const struct bands_table *table;
    const double *mass; /* [all particles] >= 0; of particles with 0 rows may be missing */
    const double *tau;  /* [all particles], where the table has screens */
};

/**
 * ret_value[n][n_output] of particles first ... first + n - 1; outputs that no table gives are 0. OpenMP over
 * blocks of particles. Allocates nothing.
 *
 * O(n (4 outputs + nodes (exp + 4 parts) lanes)) fma.
 */
void bands_particles(const struct weights *weights, size_t first, size_t n, size_t n_source,
                     const struct bands_source *source, size_t n_output, double *ret_value);
/** total[output] += value[i][output], in the order of i. */
void bands_total(size_t n, size_t n_output, const double *value, double *total);
/** total[output] += sum over cells, in order, of mass * row[cell]; of a table without screen. */
void bands_cells(size_t n_cell, const uint32_t *cell, const double *mass, const struct bands_table *table,
                 double *total);
