/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/dust_curve.h"

#include <float.h>
#include <math.h>

#include "emission_private.h"

/*
 * The reference package tabulates Calzetti's curve and interpolates linearly. We take the same table, but
 * evaluate only the two nodes we stand between.
 */
#define CALZETTI_FIRST_UM 0.01
#define CALZETTI_LAST_UM  3.0
#define CALZETTI_N_NODE   10000
#define CALZETTI_R_V      4.05 /* Calzetti et al. 2000, eq. 5 */

enum { SLOPE, BUMP_AMPLITUDE, BUMP_CENTRE, BUMP_WIDTH, N_PARAMETER };

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
    double centre_um = curve->parameter[BUMP_CENTRE] / ANGSTROM_PER_UM;
    double product_um2 = lambda_um * (curve->parameter[BUMP_WIDTH] / ANGSTROM_PER_UM);
    double offset_um2 = lambda_um * lambda_um - centre_um * centre_um;
    double bump = curve->parameter[BUMP_AMPLITUDE] * product_um2 * product_um2 /
                  (offset_um2 * offset_um2 + product_um2 * product_um2);

    return (calzetti_kappa(lambda_um) + bump) / calzetti_kappa(V_BAND_UM) *
           pow(lambda_um / V_BAND_UM, curve->parameter[SLOPE]);
}

static double calzetti_at(const struct dust_curve *curve, double lambda_um)
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

static void calzetti_k(const struct dust_curve *curve, size_t n, const double *lambda_rest_angstrom,
                       double *ret_k)
{
    for (size_t i = 0; i < n; i++)
        ret_k[i] = calzetti_at(curve, lambda_rest_angstrom[i] / ANGSTROM_PER_UM);
}

/* Without a bump unless its amplitude is given. */
const struct dust_curve_row dust_curve_calzetti2000 = {
    .name = "calzetti2000",
    .source = "Calzetti et al. 2000, ApJ 533, 682; bump, tilt: Noll et al. 2009, A&A 507, 1793",
    .range_angstrom = { 1200, 22000 },
    .n_parameter = N_PARAMETER,
    .parameter = { [SLOPE] = { "slope", 0, -DBL_MAX, DBL_MAX }, /* of a factor (lambda/5500)^slope */
                   [BUMP_AMPLITUDE] = { "bump_amplitude", 0, -DBL_MAX, DBL_MAX },
                   [BUMP_CENTRE] = { "bump_centre_angstrom", 2175, DBL_MIN, DBL_MAX },
                   [BUMP_WIDTH] = { "bump_width_angstrom", 350, DBL_MIN, DBL_MAX } },
    .k = calzetti_k,
};
