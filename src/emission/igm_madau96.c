/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/igm.h"

#include <math.h>

/*
 * Footnote 3 and eq. 15 of the paper, with the reference package's departures, kept because users compare
 * numbers: its fourth line (950 angstrom) never absorbs; the continuum is counted from 950, not 912 angstrom;
 * nothing is let through at and below 950 (1+z) - 1500 angstrom.
 */
#define MADAU_N_LINE             3
#define MADAU_CONTINUUM_ANGSTROM 950.0
#define MADAU_OPAQUE_ANGSTROM    1500.0

static const double madau_lambda_angstrom[MADAU_N_LINE] = { 1216, 1026, 973 };
static const double madau_coefficient[MADAU_N_LINE] = { 0.0036, 0.0017, 0.0012 };

static double madau_depth(double stretch, double lambda_observed_angstrom)
{
    double tau = 0;
    double y = lambda_observed_angstrom / MADAU_CONTINUUM_ANGSTROM;

    for (int i = 0; i < MADAU_N_LINE; i++) {
        if (lambda_observed_angstrom <= madau_lambda_angstrom[i] * stretch)
            tau += madau_coefficient[i] * pow(lambda_observed_angstrom / madau_lambda_angstrom[i], 3.46);
    }
    if (lambda_observed_angstrom <= MADAU_CONTINUUM_ANGSTROM * stretch) {
        tau += 0.25 * y * y * y * (pow(stretch, 0.46) - pow(y, 0.46));
        tau += 9.4 * y * sqrt(y) * (pow(stretch, 0.18) - pow(y, 0.18));
        tau -= 0.7 * y * y * y * (pow(y, -1.32) - pow(stretch, -1.32));
        tau += 0.023 * (pow(y, 1.68) - pow(stretch, 1.68));
    }
    return tau;
}

static void madau_transmission(double redshift, size_t n, const double *lambda_observed_angstrom,
                               double *ret_transmission)
{
    double stretch = 1 + redshift;
    double opaque_angstrom = MADAU_CONTINUUM_ANGSTROM * stretch - MADAU_OPAQUE_ANGSTROM;

    for (size_t i = 0; i < n; i++) {
        if (lambda_observed_angstrom[i] <= opaque_angstrom)
            ret_transmission[i] = 0;
        else
            ret_transmission[i] = exp(-madau_depth(stretch, lambda_observed_angstrom[i]));
    }
}

const struct igm_row igm_row_madau96 = { .name = "madau96",
                                         .source = "Madau 1995, ApJ 441, 18",
                                         .transmission = madau_transmission };
