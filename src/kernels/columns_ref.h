/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What columns_search() is compared with in tests and benchmarks. */
#pragma once

#include "polyphony/columns.h"

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
