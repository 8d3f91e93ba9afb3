/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/dust_curve.h"

#include <math.h>

#include "emission_private.h"

/* Li et al. 2008, table 1: c1 to c4 of eq. 1. */
struct li08 {
    double uv, optical, far_uv, bump;
};

/* Far-ultraviolet rise, near-infrared to optical, 2175 angstrom bump: the three terms of eq. 1. */
static double li08_at(const struct li08 *c, double lambda_um)
{
    double far_uv = pow(lambda_um / 0.08, c->optical);
    double optical = lambda_um / 0.046 * (lambda_um / 0.046);
    double bump = lambda_um / 0.2175 * (lambda_um / 0.2175);
    double at_v_band = c->uv / (pow(6.88, c->optical) + pow(0.145, c->optical) + c->far_uv);

    return c->uv / (far_uv + 1 / far_uv + c->far_uv) +
           233 * (1 - at_v_band - c->bump / 4.60) / (optical + 1 / optical + 90) +
           c->bump / (bump + 1 / bump - 1.95);
}

static void li08_k(const struct dust_curve *curve, size_t n, const double *lambda_rest_angstrom,
                   double *ret_k)
{
    const double *c = curve->row->constant;
    const struct li08 fit = { c[0], c[1], c[2], c[3] };

    for (size_t i = 0; i < n; i++)
        ret_k[i] = li08_at(&fit, lambda_rest_angstrom[i] / ANGSTROM_PER_UM);
}

/* Fits to four curves. */
#define LI08(of, ...)                                                                                        \
    const struct dust_curve_row dust_curve_li08_##of = {                                                     \
        .name = "li08_" #of,                                                                                 \
        .source = "Li et al. 2008, ApJ 685, 1046",                                                           \
        .range_angstrom = { 0, INFINITY },                                                                   \
        .constant = (const double[]) { __VA_ARGS__ },                                                        \
        .k = li08_k,                                                                                         \
    }

LI08(calzetti, 44.9, 7.56, 61.2, 0);
LI08(smc, 38.7, 3.83, 6.34, 0);
LI08(mw, 14.4, 6.52, 2.04, 0.0519);
LI08(lmc, 4.47, 2.39, -0.988, 0.0221);
