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

void weights_assign(const struct axis_nodes axis[2], enum weights_scheme scheme, size_t n, const double *x0,
                    const double *x1, struct weights *ret_weights)
{
    for (size_t i = 0; i < n; i++) {
        size_t i0, i1, up0, up1;
        double f0, f1;

        weights_bracket(&axis[0], scheme, x0[i], &i0, &f0);
        weights_bracket(&axis[1], scheme, x1[i], &i1, &f1);
        up0 = axis[0].n > 1 ? 1 : 0;
        up1 = axis[1].n > 1 ? 1 : 0;
        for (size_t corner = 0; corner < WEIGHTS_N_CORNER; corner++) {
            size_t c0 = i0 + (corner >> 1 ? up0 : 0), c1 = i1 + (corner & 1 ? up1 : 0);

            ret_weights->cell[i][corner] = (uint32_t)(c0 * axis[1].n + c1);
            ret_weights->share[i][corner] = (corner >> 1 ? f0 : 1.0 - f0) * (corner & 1 ? f1 : 1.0 - f1);
        }
    }
    ret_weights->n = n;
}

void weights_histogram(const struct weights *weights, const double *mass, double *histogram)
{
    for (size_t i = 0; i < weights->n; i++)
        for (size_t corner = 0; corner < WEIGHTS_N_CORNER; corner++)
            histogram[weights->cell[i][corner]] += mass[i] * weights->share[i][corner];
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
