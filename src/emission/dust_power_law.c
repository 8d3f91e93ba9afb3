/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/dust_curve.h"

#include <float.h>
#include <math.h>

#include "emission_private.h"

static void power_law_k(const struct dust_curve *curve, size_t n, const double *lambda_rest_angstrom,
                        double *ret_k)
{
    for (size_t i = 0; i < n; i++)
        ret_k[i] = pow(lambda_rest_angstrom[i] / V_BAND_ANGSTROM, curve->parameter[0]);
}

const struct dust_curve_row dust_curve_power_law = {
    .name = "power_law",
    .source = "Charlot & Fall 2000, ApJ 539, 718",
    .range_angstrom = { 0, INFINITY },
    .n_parameter = 1,
    .parameter = { { "slope", -1, -DBL_MAX, DBL_MAX } },
    .k = power_law_k,
};
