/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/rows.h"

#include "fast/rows.h"

void rows_mix(size_t n, size_t n_row, const double *weight, const double *const *row, double *ret)
{
    FAST_TABLE(rows_fast)->mix(n, n_row, weight, row, ret);
}

void rows_exp(size_t n, double factor, const double *x, double *ret)
{
    FAST_TABLE(rows_fast)->exp(n, factor, x, ret);
}

void rows_multiply(size_t n, const double *a, const double *b, double *ret)
{
    FAST_TABLE(rows_fast)->multiply(n, a, b, ret);
}

void rows_add(size_t n, const double *row, double *sum)
{
    FAST_TABLE(rows_fast)->add(n, row, sum);
}

void rows_add_product(size_t n, double weight, const double *a, const double *b, double *sum)
{
    FAST_TABLE(rows_fast)->add_product(n, weight, a, b, sum);
}

void rows_add_product3(size_t n, double weight, const double *a, const double *b, const double *c,
                       double *sum)
{
    FAST_TABLE(rows_fast)->add_product3(n, weight, a, b, c, sum);
}

double rows_dot(size_t n, const double *a, const double *b)
{
    return FAST_TABLE(rows_fast)->dot(n, a, b);
}
