/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include "exp.h"

#define LANES 8 /* of a sum, in all instruction sets */

static void mix(size_t n, size_t n_row, const double *weight, const double *const *row, double *restrict ret)
{
    if (n_row == 4) { /* the corners of a cell of the grid */
        const double *restrict r0 = row[0], *restrict r1 = row[1];
        const double *restrict r2 = row[2], *restrict r3 = row[3];
        double w0 = weight[0], w1 = weight[1], w2 = weight[2], w3 = weight[3];

#pragma omp simd
        for (size_t j = 0; j < n; j++)
            ret[j] = fma(w3, r3[j], fma(w2, r2[j], fma(w1, r1[j], w0 * r0[j])));
        return;
    }
    for (size_t j = 0; j < n; j++)
        ret[j] = weight[0] * row[0][j];
    for (size_t r = 1; r < n_row; r++) {
        const double *restrict other = row[r];
        double w = weight[r];

#pragma omp simd
        for (size_t j = 0; j < n; j++)
            ret[j] = fma(w, other[j], ret[j]);
    }
}

static void exponential(size_t n, double factor, const double *restrict x, double *restrict ret)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        ret[j] = fast_exp(factor * x[j]);
}

static void multiply(size_t n, const double *restrict a, const double *restrict b, double *restrict ret)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        ret[j] = a[j] * b[j];
}

static void add(size_t n, const double *restrict row, double *restrict sum)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        sum[j] += row[j];
}

static void add_product(size_t n, double weight, const double *restrict a, const double *restrict b,
                        double *restrict sum)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        sum[j] = fma(weight * a[j], b[j], sum[j]);
}

static void add_product3(size_t n, double weight, const double *restrict a, const double *restrict b,
                         const double *restrict c, double *restrict sum)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        sum[j] = fma(weight * a[j] * b[j], c[j], sum[j]);
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum[LANES] = { 0 };
    size_t n_whole = n / LANES * LANES;

    for (size_t j = 0; j < n_whole; j += LANES)
#pragma omp simd
        for (size_t l = 0; l < LANES; l++)
            sum[l] = fma(a[j + l], b[j + l], sum[l]);
    for (size_t j = n_whole; j < n; j++)
        sum[j - n_whole] = fma(a[j], b[j], sum[j - n_whole]);
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

const struct rows_fast FAST(rows_fast) = {
    .mix = mix,
    .exp = exponential,
    .multiply = multiply,
    .add = add,
    .add_product = add_product,
    .add_product3 = add_product3,
    .dot = dot,
};
