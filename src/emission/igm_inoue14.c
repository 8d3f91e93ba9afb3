/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The Lyman alpha forest (LAF) and the damped systems (DLA) absorb in 39 lines and beyond the limit.
 * The power of lambda_obs/lambda_j is split into (lambda_obs/lambda_L)^p, computed once per wavelength, and
 * (lambda_L/lambda_j)^p, once per call: five powers per wavelength in place of 39 to 78.
 */
#include "polyphony/igm.h"

#include <math.h>

#define INOUE_N_LINE         39
#define INOUE_LIMIT_ANGSTROM 911.8
#define INOUE_N_LAF          3
#define INOUE_N_DLA          2

/* Inoue et al. 2014, table 2: Lyman alpha first. */
static const struct lyman_line {
    double lambda_rest_angstrom;
    double laf[INOUE_N_LAF]; /* A_j,1 to A_j,3 of eq. 21 */
    double dla[INOUE_N_DLA]; /* A_j,1 and A_j,2 of eq. 22 */
} inoue_lines[INOUE_N_LINE] = {
    { 1215.67, { 0.0168976, 0.00235379, 0.000102611 }, { 0.000161698, 5.38995e-05 } },
    { 1025.72, { 0.00469229, 0.000653625, 2.8494e-05 }, { 0.000154539, 5.15129e-05 } },
    { 972.537, { 0.00223898, 0.000311884, 1.35962e-05 }, { 0.000149767, 4.99222e-05 } },
    { 949.743, { 0.00131901, 0.000183735, 8.00974e-06 }, { 0.000146031, 4.86769e-05 } },
    { 937.803, { 0.000870656, 0.00012128, 5.28707e-06 }, { 0.000142893, 4.76312e-05 } },
    { 930.748, { 0.000617843, 8.6064e-05, 3.75186e-06 }, { 0.000140159, 4.67196e-05 } },
    { 926.226, { 0.000460924, 6.42055e-05, 2.79897e-06 }, { 0.000137714, 4.59048e-05 } },
    { 923.15, { 0.000356887, 4.97135e-05, 2.1672e-06 }, { 0.000135495, 4.5165e-05 } },
    { 920.963, { 0.000284278, 3.95992e-05, 1.72628e-06 }, { 0.000133452, 4.44841e-05 } },
    { 919.352, { 0.000231771, 3.22851e-05, 1.40743e-06 }, { 0.000131561, 4.38536e-05 } },
    { 918.129, { 0.000192348, 2.67936e-05, 1.16804e-06 }, { 0.000129785, 4.32617e-05 } },
    { 917.181, { 0.000162155, 2.25878e-05, 9.84689e-07 }, { 0.000128117, 4.27056e-05 } },
    { 916.429, { 0.000138498, 1.92925e-05, 8.41033e-07 }, { 0.00012654, 4.21799e-05 } },
    { 915.824, { 0.000119611, 1.66615e-05, 7.2634e-07 }, { 0.000125041, 4.16804e-05 } },
    { 915.329, { 0.000104314, 1.45306e-05, 6.33446e-07 }, { 0.000123614, 4.12046e-05 } },
    { 914.919, { 9.17397e-05, 1.27791e-05, 5.57091e-07 }, { 0.000122248, 4.07494e-05 } },
    { 914.576, { 8.12784e-05, 1.13219e-05, 4.93564e-07 }, { 0.000120938, 4.03127e-05 } },
    { 914.286, { 7.25069e-05, 1.01e-05, 4.40299e-07 }, { 0.000119681, 3.98938e-05 } },
    { 914.039, { 6.50549e-05, 9.06198e-06, 3.95047e-07 }, { 0.000118469, 3.94896e-05 } },
    { 913.826, { 5.86816e-05, 8.17421e-06, 3.56345e-07 }, { 0.000117298, 3.90995e-05 } },
    { 913.641, { 5.31918e-05, 7.40949e-06, 3.23008e-07 }, { 0.000116167, 3.87225e-05 } },
    { 913.48, { 4.84261e-05, 6.74563e-06, 2.94068e-07 }, { 0.000115071, 3.83572e-05 } },
    { 913.339, { 4.4274e-05, 6.16726e-06, 2.68854e-07 }, { 0.000114011, 3.80037e-05 } },
    { 913.215, { 4.06311e-05, 5.65981e-06, 2.46733e-07 }, { 0.000112983, 3.76609e-05 } },
    { 913.104, { 3.73821e-05, 5.20723e-06, 2.27003e-07 }, { 0.000111972, 3.73241e-05 } },
    { 913.006, { 3.45377e-05, 4.81102e-06, 2.09731e-07 }, { 0.000111002, 3.70005e-05 } },
    { 912.918, { 3.19891e-05, 4.45601e-06, 1.94255e-07 }, { 0.000110051, 3.66836e-05 } },
    { 912.839, { 2.9711e-05, 4.13867e-06, 1.80421e-07 }, { 0.000109125, 3.63749e-05 } },
    { 912.768, { 2.76635e-05, 3.85346e-06, 1.67987e-07 }, { 0.00010822, 3.60734e-05 } },
    { 912.703, { 2.58178e-05, 3.59636e-06, 1.56779e-07 }, { 0.000107337, 3.57789e-05 } },
    { 912.645, { 2.41479e-05, 3.36374e-06, 1.46638e-07 }, { 0.000106473, 3.54909e-05 } },
    { 912.592, { 2.26347e-05, 3.15296e-06, 1.3745e-07 }, { 0.000105629, 3.52096e-05 } },
    { 912.543, { 2.12567e-05, 2.961e-06, 1.29081e-07 }, { 0.000104802, 3.4934e-05 } },
    { 912.499, { 1.99967e-05, 2.78549e-06, 1.2143e-07 }, { 0.000103991, 3.46636e-05 } },
    { 912.458, { 1.88476e-05, 2.62543e-06, 1.14452e-07 }, { 0.000103198, 3.43994e-05 } },
    { 912.42, { 1.77928e-05, 2.4785e-06, 1.08047e-07 }, { 0.00010242, 3.41402e-05 } },
    { 912.385, { 1.68222e-05, 2.3433e-06, 1.02153e-07 }, { 0.000101657, 3.38856e-05 } },
    { 912.353, { 1.59286e-05, 2.21882e-06, 9.67268e-08 }, { 0.000100908, 3.36359e-05 } },
    { 912.324, { 1.50996e-05, 2.10334e-06, 9.16925e-08 }, { 0.000100168, 3.33895e-05 } },
};

/* Powers of x = lambda_obs / lambda_L that the fits are made of. */
struct limit_powers {
    double p12, p21, p37, p55, m03;
};

/* Forest, beyond the Lyman limit: eq. 25 to 27; x < stretch = 1 + z. */
static double inoue_limit_laf(double redshift, double x, const struct limit_powers *x_to)
{
    double stretch = 1 + redshift;
    double near; /* the factor of x^2.1 that the absorbers nearest the source set */

    if (redshift < 1.2)
        return 0.3248 * (x_to->p12 - pow(stretch, -0.9) * x_to->p21);
    if (redshift < 4.7) {
        near = 0.02545 * pow(stretch, 1.6);
        if (x < 2.2)
            return near * x_to->p21 + 0.3248 * x_to->p12 - 0.2496 * x_to->p21;
        return near * x_to->p21 - 0.02545 * x_to->p37;
    }
    near = 5.221e-4 * pow(stretch, 3.4);
    if (x < 2.2)
        return near * x_to->p21 + 0.3248 * x_to->p12 - 0.03140 * x_to->p21;
    if (x < 5.7)
        return near * x_to->p21 + 0.2182 * x_to->p21 - 0.02545 * x_to->p37;
    return near * x_to->p21 - 5.221e-4 * x_to->p55;
}

/* Damped systems, beyond the Lyman limit: eq. 28 and 29. */
static double inoue_limit_dla(double redshift, double x, const struct limit_powers *x_to)
{
    double stretch = 1 + redshift;
    double stretch2 = stretch * stretch, stretch3 = stretch2 * stretch;

    if (redshift < 2)
        return 0.2113 * stretch2 - 0.07661 * pow(stretch, 2.3) * x_to->m03 - 0.1347 * x * x;
    if (x < 3) {
        return 0.6340 + 0.04696 * stretch3 - 0.01779 * pow(stretch, 3.3) * x_to->m03 - 0.1347 * x * x -
               0.2905 * x_to->m03;
    }
    return 0.04696 * stretch3 - 0.01779 * pow(stretch, 3.3) * x_to->m03 - 0.02916 * x * x * x;
}

/* The lines' coefficients times (lambda_L / lambda_j)^p, so that they multiply powers of x. */
static void inoue_scale_lines(struct lyman_line *ret_lines)
{
    for (int j = 0; j < INOUE_N_LINE; j++) {
        const struct lyman_line *line = &inoue_lines[j];
        double ratio = INOUE_LIMIT_ANGSTROM / line->lambda_rest_angstrom;

        ret_lines[j] = (struct lyman_line) {
            line->lambda_rest_angstrom,
            { line->laf[0] * pow(ratio, 1.2), line->laf[1] * pow(ratio, 3.7),
              line->laf[2] * pow(ratio, 5.5) },
            { line->dla[0] * ratio * ratio, line->dla[1] * ratio * ratio * ratio },
        };
    }
}

/* Optical depth of the lines: eq. 21 and 22. `lines` as inoue_scale_lines() makes them. */
static double inoue_line_depth(const struct lyman_line *lines, double redshift,
                               double lambda_observed_angstrom, double x, const struct limit_powers *x_to)
{
    double laf_powers[INOUE_N_LAF] = { x_to->p12, x_to->p37, x_to->p55 };
    double dla_powers[INOUE_N_DLA] = { x * x, x * x * x };
    double tau = 0;

    for (int j = 0; j < INOUE_N_LINE; j++) {
        double stretch_absorber = lambda_observed_angstrom / lines[j].lambda_rest_angstrom;
        int i_laf = stretch_absorber < 2.2 ? 0 : stretch_absorber < 5.7 ? 1 : 2;
        int i_dla = stretch_absorber < 3 ? 0 : 1;

        if (lambda_observed_angstrom >= lines[j].lambda_rest_angstrom * (1 + redshift))
            break; /* an absorber behind the source; the lines that follow are bluer still */
        tau += lines[j].laf[i_laf] * laf_powers[i_laf] + lines[j].dla[i_dla] * dla_powers[i_dla];
    }
    return tau;
}

static void inoue_transmission(double redshift, size_t n, const double *lambda_observed_angstrom,
                               double *ret_transmission)
{
    struct lyman_line lines[INOUE_N_LINE];

    inoue_scale_lines(lines);
    for (size_t i = 0; i < n; i++) {
        double x = lambda_observed_angstrom[i] / INOUE_LIMIT_ANGSTROM;
        struct limit_powers x_to;
        double tau, transmission;

        if (lambda_observed_angstrom[i] >= lines[0].lambda_rest_angstrom * (1 + redshift)) {
            ret_transmission[i] = 1;
            continue;
        }
        x_to = (struct limit_powers) { pow(x, 1.2), pow(x, 2.1), pow(x, 3.7), pow(x, 5.5), pow(x, -0.3) };
        tau = inoue_line_depth(lines, redshift, lambda_observed_angstrom[i], x, &x_to);
        if (x < 1 + redshift)
            tau += inoue_limit_laf(redshift, x, &x_to) + inoue_limit_dla(redshift, x, &x_to);
        transmission = exp(-tau);
        /* The fits go below zero far in the blue; what is not a number counts as opaque. */
        ret_transmission[i] = isnan(transmission) ? 0 : fmin(transmission, 1);
    }
}

const struct igm_row igm_row_inoue14 = { .name = "inoue14",
                                         .source = "Inoue et al. 2014, MNRAS 442, 1805",
                                         .transmission = inoue_transmission };
