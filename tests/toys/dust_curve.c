/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A dust curve that the program does not have: a power law with a parameter, grey in the red. */
#include "polyphony/dust_curve.h"

#include <math.h>

static void toy_k(const struct dust_curve *curve, size_t n, const double *lambda_rest_angstrom, double *ret_k)
{
    for (size_t i = 0; i < n; i++)
        ret_k[i] = pow(fmin(lambda_rest_angstrom[i], 1e4) / 5500, curve->parameter[0]);
}

const struct dust_curve_row toy_dust_curve = {
    .name = "toy",
    .source = "tests/toys",
    .range_angstrom = { 0, INFINITY },
    .n_parameter = 1,
    .parameter = { { "slope", -0.5, -3, 0 } },
    .k = toy_k,
};
