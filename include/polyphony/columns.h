/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Columns of dust along lines of sight.
 *
 * The observer is at z = -infinity: in front of a target lies gas of smaller z. A target (x, y, z) sees of
 * gas j, whose kernel has radius h_j, the column
 *
 *     mass_j/h_j^2 integral of W(sqrt(b^2 + s^2)) ds over s from -infinity to (z - z_j)/h_j,
 *     b = |(x, y) - (x_j, y_j)|/h_j,
 *
 * nothing where b >= 1 (docs/physics.md 9). Coordinates are used as given: not centred, not
 * periodic. All numbers are finite. Gas with h <= 0, or so small that h^2 is
 * no normal number (1e-154), has no extent and covers nothing.
 */
#pragma once

#include <stddef.h>

#include "polyphony/base.h"
#include "polyphony/sph_kernel.h"

/** Gas of one galaxy, borrowed: n values in each array. */
struct column_gas {
    size_t n;
    const double *x_kpc, *y_kpc, *z_kpc;
    const double *h_kpc;
    const double *dust_mass_msun;
};

/** Gas sorted for the search below. Immutable: threads share one. */
struct columns_index;

/**
 * Sort the gas, in time O(gas.n). The index belongs to the arena and does not refer to `gas`.
 *
 * Return: 0; POLYPHONY_INTERNAL when memory is short.
 */
int columns_index_make(enum sph_kernel kernel, const struct column_gas *gas, struct arena *arena,
                       struct columns_index **ret_index, struct error *err);
/** Most that making an index of n_gas particles takes of the arena [bytes]; here and below but for its
 * rounding of a few pieces to cache lines. */
size_t columns_index_bytes(size_t n_gas);

/** What a search did: pairs of target and gas. */
struct columns_work {
    size_t n_tested; /* distances computed */
    size_t n_whole;  /* columns through whole kernels */
    size_t n_cut;    /* columns through kernels that the target is inside of */
};

/**
 * The sum over all gas (columns_ref.h) in time O(columns that overlap), with OpenMP over targets. Its error is below
 * 1e-12 of a target's column plus 2e-14 of what the column would be if the line of sight met each kernel that
 * it meets in the middle: columns near a rim are small differences of large numbers, here and in the
 * definition, whose error is twice as large. A target's bits depend on the gas only: not on the number of
 * threads, the instruction set, nor which other targets are asked for.
 *
 * @param arena    scratch, given back on return: columns_search_bytes()
 * @param ret_work may be NULL
 *
 * Return: 0; POLYPHONY_INTERNAL when memory is short.
 */
int columns_search(const struct columns_index *index, size_t n_target, const double *x, const double *y,
                   const double *z, struct arena *arena, double *ret_column_msun_kpc2,
                   struct columns_work *ret_work, struct error *err);
size_t columns_search_bytes(size_t n_target);
