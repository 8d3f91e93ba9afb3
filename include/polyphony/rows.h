/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows of numbers: the loops that the direct method, a spectrum for every star, is made of. One thread,
 * vectorised, the same bits in all instruction sets. Rows do not overlap.
 */
#pragma once

#include <stddef.h>

/** ret[j] = sum over rows, in order, of weight[r] * row[r][j]; n_row >= 1. */
void rows_mix(size_t n, size_t n_row, const double *weight, const double *const *row, double *ret);
/** ret[j] = exp(factor * x[j]), within 1.1 ulp. */
void rows_exp(size_t n, double factor, const double *x, double *ret);
/** ret[j] = a[j] * b[j] */
void rows_multiply(size_t n, const double *a, const double *b, double *ret);
/** sum[j] += row[j] */
void rows_add(size_t n, const double *row, double *sum);
/** sum[j] += weight * a[j] * b[j], and with a third row. */
void rows_add_product(size_t n, double weight, const double *a, const double *b, double *sum);
void rows_add_product3(size_t n, double weight, const double *a, const double *b, const double *c,
                       double *sum);
/** Sum of a[j] * b[j]: of each eighth j first, then of these eight. */
double rows_dot(size_t n, const double *a, const double *b);
