/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/dust_curve.h"

#include <math.h>
#include <string.h>

#define V_BAND_ANGSTROM 5500.0
#define V_BAND_UM       0.55
#define ANGSTROM_PER_UM 1e4

/*
 * The reference package tabulates Calzetti's curve and interpolates linearly. We take the same table, but
 * evaluate only the two nodes we stand between.
 */
#define CALZETTI_FIRST_UM 0.01
#define CALZETTI_LAST_UM  3.0
#define CALZETTI_N_NODE   10000
#define CALZETTI_R_V      4.05 /* Calzetti et al. 2000, eq. 5 */

const char *const DUST_CURVE_NAMES[DUST_CURVE_N_KINDS] = {
    [DUST_CURVE_POWER_LAW] = "power_law",
    [DUST_CURVE_CALZETTI2000] = "calzetti2000",
    [DUST_CURVE_LI08_CALZETTI] = "li08_calzetti",
    [DUST_CURVE_LI08_SMC] = "li08_smc",
    [DUST_CURVE_LI08_MW] = "li08_mw",
    [DUST_CURVE_LI08_LMC] = "li08_lmc",
};

int dust_curve_find(const char *name, double slope, struct dust_curve *ret_curve, struct error *err)
{
    struct dust_curve curve = { .bump_centre_angstrom = 2175, .bump_width_angstrom = 350 };
    const char *nearest;

    if (isinf(slope)) {
        return error_set(err, POLYPHONY_USAGE,
                         "dust curve '%.100s': the slope is infinite: give a finite one", name);
    }
    for (int i = 0; i < DUST_CURVE_N_KINDS; i++) {
        if (strcmp(name, DUST_CURVE_NAMES[i]))
            continue;
        curve.kind = (enum dust_curve_kind)i;
        if (curve.kind == DUST_CURVE_POWER_LAW) {
            curve.slope = isnan(slope) ? -1 : slope;
        } else if (curve.kind == DUST_CURVE_CALZETTI2000) {
            curve.slope = isnan(slope) ? 0 : slope;
        } else if (!isnan(slope)) {
            return error_set(err, POLYPHONY_USAGE,
                             "dust curve '%s' has no slope, but %g was given: leave it out or use power_law",
                             name, slope);
        }
        *ret_curve = curve;
        return 0;
    }
    nearest = text_nearest(name, DUST_CURVE_NAMES, DUST_CURVE_N_KINDS);
    return error_set(
        err, POLYPHONY_USAGE,
        "unknown dust curve '%.100s'%s%s%s: use one of power_law, calzetti2000, li08_calzetti, li08_smc, li08_mw, li08_lmc",
        name, nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
}

/* ---- Calzetti -------------------------------------------------------------------------------- */

/* Calzetti et al. 2000, eq. 4, without 2.659 and R_V; the ultraviolet half is valid from 0.12 um. */
static double calzetti_polynomial(double lambda_um)
{
    double x = 1 / lambda_um;

    if (lambda_um < 0.63)
        return -2.156 + x * (1.509 + x * (-0.198 + x * 0.011));
    return -1.857 + 1.040 * x;
}

static double calzetti_node_um(int i_node)
{
    return CALZETTI_FIRST_UM + i_node * ((CALZETTI_LAST_UM - CALZETTI_FIRST_UM) / (CALZETTI_N_NODE - 1));
}

/* Total extinction k'(lambda); below 0.12 um on the line through the first two nodes above. */
static double calzetti_kappa(double lambda_um)
{
    const int i_first = 368; /* the first node from 0.12 um on */
    double q;

    if (lambda_um < 0.12) {
        double a_um = calzetti_node_um(i_first), b_um = calzetti_node_um(i_first + 1);
        double q_a = calzetti_polynomial(a_um), q_b = calzetti_polynomial(b_um);

        q = q_a + (q_b - q_a) / (b_um - a_um) * (lambda_um - a_um);
    } else {
        q = calzetti_polynomial(lambda_um);
    }
    return CALZETTI_R_V + 2.659 * q;
}

/* k at a node of the table: with the bump, a Drude profile, and tilted, as Noll et al. 2009. */
static double calzetti_node_k(const struct dust_curve *curve, int i_node)
{
    double lambda_um = calzetti_node_um(i_node);
    double centre_um = curve->bump_centre_angstrom / ANGSTROM_PER_UM;
    double product_um2 = lambda_um * (curve->bump_width_angstrom / ANGSTROM_PER_UM);
    double offset_um2 = lambda_um * lambda_um - centre_um * centre_um;
    double bump = curve->bump_amplitude * product_um2 * product_um2 /
                  (offset_um2 * offset_um2 + product_um2 * product_um2);

    return (calzetti_kappa(lambda_um) + bump) / calzetti_kappa(V_BAND_UM) *
           pow(lambda_um / V_BAND_UM, curve->slope);
}

static double calzetti_k(const struct dust_curve *curve, double lambda_um)
{
    int i_node;
    double below_um, above_um, k_below, k_above;

    if (lambda_um <= CALZETTI_FIRST_UM)
        return calzetti_node_k(curve, 0);
    if (lambda_um >= CALZETTI_LAST_UM)
        return calzetti_node_k(curve, CALZETTI_N_NODE - 1);
    /* Rounding may pick the neighbouring interval, where the line gives the same value. */
    i_node = (int)((lambda_um - CALZETTI_FIRST_UM) / (CALZETTI_LAST_UM - CALZETTI_FIRST_UM) *
                   (CALZETTI_N_NODE - 1));
    if (i_node > CALZETTI_N_NODE - 2)
        i_node = CALZETTI_N_NODE - 2;
    below_um = calzetti_node_um(i_node);
    above_um = calzetti_node_um(i_node + 1);
    k_below = calzetti_node_k(curve, i_node);
    k_above = calzetti_node_k(curve, i_node + 1);
    return k_below + (k_above - k_below) / (above_um - below_um) * (lambda_um - below_um);
}

/* ---- Li et al. 2008 -------------------------------------------------------------------------- */

/* Li et al. 2008, table 1: c1 to c4 of eq. 1. */
struct li08 {
    double uv, optical, far_uv, bump;
};

static const struct li08 li08_parameters[DUST_CURVE_N_KINDS] = {
    [DUST_CURVE_LI08_CALZETTI] = { 44.9, 7.56, 61.2, 0 },
    [DUST_CURVE_LI08_SMC] = { 38.7, 3.83, 6.34, 0 },
    [DUST_CURVE_LI08_MW] = { 14.4, 6.52, 2.04, 0.0519 },
    [DUST_CURVE_LI08_LMC] = { 4.47, 2.39, -0.988, 0.0221 },
};

/* Far-ultraviolet rise, near-infrared to optical, 2175 angstrom bump: the three terms of eq. 1. */
static double li08_k(const struct li08 *c, double lambda_um)
{
    double far_uv = pow(lambda_um / 0.08, c->optical);
    double optical = lambda_um / 0.046 * (lambda_um / 0.046);
    double bump = lambda_um / 0.2175 * (lambda_um / 0.2175);
    double at_v_band = c->uv / (pow(6.88, c->optical) + pow(0.145, c->optical) + c->far_uv);

    return c->uv / (far_uv + 1 / far_uv + c->far_uv) +
           233 * (1 - at_v_band - c->bump / 4.60) / (optical + 1 / optical + 90) +
           c->bump / (bump + 1 / bump - 1.95);
}

double dust_curve_k(const struct dust_curve *curve, double lambda_rest_angstrom)
{
    switch (curve->kind) {
    case DUST_CURVE_POWER_LAW:
        return pow(lambda_rest_angstrom / V_BAND_ANGSTROM, curve->slope);
    case DUST_CURVE_CALZETTI2000:
        return calzetti_k(curve, lambda_rest_angstrom / ANGSTROM_PER_UM);
    default:
        return li08_k(&li08_parameters[curve->kind], lambda_rest_angstrom / ANGSTROM_PER_UM);
    }
}
