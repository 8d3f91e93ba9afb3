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
 * periodic. All numbers are finite. Gas with h <= 0 has no extent and covers nothing.
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

/**
 * The definition: every target meets every gas particle, in the order of the gas.
 *
 * @param x, y, z in,  [n_target]  [kpc]
 * @param ret_column_msun_kpc2 out, [n_target] [Msun kpc^-2]
 *
 * O(n_target gas.n), one thread, allocates nothing.
 */
void columns_ref(enum sph_kernel kernel, const struct column_gas *gas, size_t n_target, const double *x,
                 const double *y, const double *z, double *ret_column_msun_kpc2);

/**
 * The same within summation order (1e-13 relative), in time O(gas.n + columns that overlap), with OpenMP
 * over targets. A target's bits depend on the gas only, not on the number of threads nor on which other
 * targets are asked for.
 *
 * @param arena scratch, about 80 bytes per gas particle, handed back before returning
 *
 * Return: 0; POLYPHONY_INTERNAL when memory is short, output untouched.
 */
int columns_search(enum sph_kernel kernel, const struct column_gas *gas, size_t n_target, const double *x,
                   const double *y, const double *z, double *ret_column_msun_kpc2, struct arena *arena,
                   struct error *err);
