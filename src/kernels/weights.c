/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/weights.h"

/* Largest i with coordinate[i] <= x, for coordinate[0] < x < coordinate[n - 1]. Stars come in no order, so
 * that a processor could not guess the way: it is chosen by a value, not by a jump. */
static size_t node_below(const struct axis_nodes *axis, double x)
{
    size_t low = 0;

    for (size_t left = axis->n - 1; left > 1;) {
        size_t half = left / 2;

        low += axis->coordinate[low + half] <= x ? half : 0;
        left -= half;
    }
    return low;
}

void weights_bracket(const struct axis_nodes *axis, enum weights_scheme scheme, double x, size_t *ret_lower,
                     double *ret_fraction)
{
    const double *a = axis->coordinate;
    size_t lower;
    double fraction;

    if (axis->n == 1 || x <= a[0]) {
        *ret_lower = 0;
        *ret_fraction = 0.0;
        return;
    }
    if (x >= a[axis->n - 1]) {
        *ret_lower = axis->n - 2;
        *ret_fraction = 1.0;
        return;
    }
    lower = node_below(axis, x);
    fraction = (x - a[lower]) / (a[lower + 1] - a[lower]);
    if (scheme == WEIGHTS_NGP)
        fraction = x - a[lower] < a[lower + 1] - x ? 0.0 : 1.0; /* ties go up, as in Synthesizer */
    *ret_lower = lower;
    *ret_fraction = fraction;
}

/* n_axis is a constant of the usual call, so that its loops unroll. */
__attribute__((always_inline)) static inline void assign_axes(size_t n_axis, const struct axis_nodes *axis,
                                                              enum weights_scheme scheme, size_t n,
                                                              const double *const *x, struct weights *weights)
{
    size_t n_corner = weights_corners(n_axis);

    for (size_t i = 0; i < n; i++) {
        uint32_t *cell = weights->cell + i * n_corner;
        double *share = weights->share + i * n_corner;
        size_t lower[WEIGHTS_AXIS_MAX];
        double fraction[WEIGHTS_AXIS_MAX];

        for (size_t a = 0; a < n_axis; a++)
            weights_bracket(&axis[a], scheme, x[a][i], &lower[a], &fraction[a]);
#pragma GCC unroll 4
        for (size_t corner = 0; corner < n_corner; corner++) {
            size_t at = 0;
            double product = 1.0;

#pragma GCC unroll 2
            for (size_t a = 0; a < n_axis; a++) {
                size_t is_upper = corner >> (n_axis - 1 - a) & 1;

                at = at * axis[a].n + lower[a] + (axis[a].n > 1 ? is_upper : 0);
                product *= is_upper ? fraction[a] : 1.0 - fraction[a];
            }
            cell[corner] = (uint32_t)at;
            share[corner] = product;
        }
    }
    weights->n = n;
    weights->n_corner = n_corner;
}

void weights_assign(size_t n_axis, const struct axis_nodes *axis, enum weights_scheme scheme, size_t n,
                    const double *const *x, struct weights *ret_weights)
{
    if (n_axis == 2)
        assign_axes(2, axis, scheme, n, x, ret_weights);
    else
        assign_axes(n_axis, axis, scheme, n, x, ret_weights);
}

/* n_corner is a constant of each call. */
__attribute__((always_inline)) static inline void add_corners(size_t n_corner, const struct weights *weights,
                                                              const double *mass, double *histogram)
{
    for (size_t i = 0; i < weights->n; i++)
        for (size_t corner = 0; corner < n_corner; corner++)
            histogram[weights->cell[i * n_corner + corner]] +=
                mass[i] * weights->share[i * n_corner + corner];
}

void weights_histogram(const struct weights *weights, const double *mass, double *histogram)
{
    if (weights->n_corner == 4)
        add_corners(4, weights, mass, histogram);
    else
        add_corners(weights->n_corner, weights, mass, histogram);
}

void weights_histogram_axis(const struct axis_nodes *axis, enum weights_scheme scheme, size_t n,
                            const double *x, const double *mass, double *histogram)
{
    for (size_t i = 0; i < n; i++) {
        size_t lower;
        double fraction;

        weights_bracket(axis, scheme, x[i], &lower, &fraction);
        histogram[lower] += mass[i] * (1.0 - fraction);
        if (axis->n > 1)
            histogram[lower + 1] += mass[i] * fraction;
    }
}
