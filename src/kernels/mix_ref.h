/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What mix_batch() and mix_screened_segments() are compared with in tests and benchmarks. */
#pragma once

#include "polyphony/mix.h"

/**
 * The definition:
 *     ret_sum[column] = 0.0 + sum over cells, ascending, by fma, of mass * value[cell][column]
 * Values are finite, so that cells of mass 0 do not matter: their products are +0.0 or -0.0, which added
 * change at most the sign of a zero; and a sum that is -0.0 in the end (all its products may have vanished
 * below the least number) becomes 0.0. mix_batch() leaves such cells out, or has more of them, and gives
 * the same bits.
 */
void mix_ref(const struct mix_cells *cells, size_t n_column, const double *value, double *ret_sum);

/**
 * The same for one galaxy, as mix_batch() takes it when it is alone. O(cells * columns).
 */
void mix_plain(const struct mix_cells *cells, size_t n_column, const double *value, double *ret_sum);

/**
 * The definition, and the reference: a spectrum for every particle, dimmed and added.
 *     sum[t][column] += sum_i mass_i exp(-tau_i k_column) sum_corners share value_t[cell][column]
 * O(particles * columns) exponentials. The caller zeroes the sums; particles that come in several calls give
 * the same bits as in one.
 */
void mix_screened_direct(const struct mix_screened *in, double *const *sum);
