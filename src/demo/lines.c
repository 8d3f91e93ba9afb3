/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The nebula around a population: every ionising photon is absorbed and comes out as case B.
 *
 * Hydrogen and ionised helium: Rydberg wavelengths, intensities from the capture-cascade equations.
 * Neutral helium and metals: a table of observed lines with typical intensities of H II regions, scaled
 * with metallicity and with the hardness of the light. Absolute scale: H-beta and He II 1640 per photon.
 */
#include "demo_private.h"

#include <gsl/gsl_sf_expint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NEBULA_TEMPERATURE_K 1.0e4
#define RYDBERG_ERG          2.1798741e-11 /* ionisation energy of H, infinite nuclear mass */
#define FINE_STRUCTURE       7.2973526e-3

/* Osterbrock & Ferland 2006, case B at 1e4 K. */
#define ALPHA_B_CM3_S        2.59e-13
#define HBETA_ERG_PER_PHOTON 4.76e-13
/* Schaerer 2003 (A&A 397, 527): He II 1640 per photon shortward of 228 angstrom, 3e4 K. */
#define HEII_1640_ERG_PER_PHOTON 5.67e-12
/* Lyman alpha photons per recombination; the rest passes through 2s. Osterbrock & Ferland 2006. */
#define LYMAN_ALPHA_SHARE 0.68
/* Share of photons shortward of 504 angstrom in the light that the metal table is for. */
#define REFERENCE_HARDNESS 0.2

/* ---- hydrogen and ionised helium ------------------------------------------------------------- */

/*
 * Level energy below the continuum [cm^-1]: Rydberg with the nucleus' reduced mass, and the fine
 * structure averaged over the 2 n^2 states of a level, <1/(j + 1/2)> = (2n - 1)/n^2. With it the lines
 * fall on Cloudy's wavelengths within 0.01 angstrom in the optical.
 */
static double level_per_cm(int charge, int n)
{
    double rydberg_per_cm = charge == 1 ? 109677.5834 : 109722.2734;
    double az2 = FINE_STRUCTURE * FINE_STRUCTURE * charge * charge;
    double mean = (2.0 * n - 1.0) / ((double)n * n);

    return rydberg_per_cm * charge * charge / ((double)n * n) * (1.0 + az2 / n * (mean - 0.75 / n));
}

/* Vacuum up to 2000 angstrom and air beyond, as Cloudy (docs/physics.md 8). */
static double line_wavelength_angstrom(int charge, int n_upper, int n_lower)
{
    double l = 1e8 / (level_per_cm(charge, n_lower) - level_per_cm(charge, n_upper));

    if (l <= 2000.0)
        return l;
    double l2 = l * l;

    return l / (1.0 + 2.735182e-4 + 131.4182 / l2 + 2.76249e8 / (l2 * l2));
}

/*
 * Rate of decay from n to m, to a factor that all share: Kramers' with the bound-bound Gaunt factor to
 * first order (Menzel & Pekeris 1935, MNRAS 96, 77). Within 2 % of the exact averages over l for 3-2 and 4-2.
 */
static double decay_rate(int n, int m)
{
    double u = (double)m * m / ((double)n * n);
    double gaunt = 1.0 - 0.1728 * (1.0 + u) / pow(m * (1.0 - u), 2.0 / 3.0);

    return gaunt / ((double)n * n * n * m * ((double)n * n - (double)m * m));
}

/*
 * Capture and cascade in case B with l-states mixed (Seaton 1959, MNRAS 119, 90): level n gains by
 * recombination, alpha_n ~ n^-3 exp(x_n) E1(x_n), x_n = I_n/kT, and by decays from above, and loses to
 * levels 2 and up.
 */
enum { n_level_max = 100 };

static void cascade_fill(int charge, double ret_population[n_level_max + 1])
{
    for (int n = n_level_max; n >= 3; n--) {
        double x = charge * charge * RYDBERG_ERG / ((double)n * n * DEMO_KB_ERG_K * NEBULA_TEMPERATURE_K);
        double gain = gsl_sf_expint_E1_scaled(x) / ((double)n * n * n);
        double loss = 0.0;

        for (int k = n + 1; k <= n_level_max; k++)
            gain += ret_population[k] * decay_rate(k, n);
        for (int m = 2; m < n; m++)
            loss += decay_rate(n, m);
        ret_population[n] = gain / loss;
    }
}

/*
 * Intensity to a factor that all share. Real l-states are not mixed below n = 20: captures land in high l,
 * which can only step down slowly, so high lines are weaker and low-frequency series stronger. `unmixed`
 * is our fit of Storey & Hummer 1995 (MNRAS 272, 41; 1e4 K, 100 cm^-3) over the plain cascade: within 2 %
 * for H-alpha to H-epsilon, about 8 % for the strong lines of Paschen, Brackett and Pfund.
 */
static double cascade_intensity(const double population[n_level_max + 1], int n, int m)
{
    double unmixed = (0.64 + 1.0 / (1.93 + 0.0575 * n * n)) * pow(m / 2.0, 0.48);

    return unmixed * population[n] * decay_rate(n, m) * (1.0 / ((double)m * m) - 1.0 / ((double)n * n));
}

double caseb_ratio(int charge, int n_upper, int n_lower)
{
    double population[n_level_max + 1] = { 0 };

    cascade_fill(charge, population);
    return cascade_intensity(population, n_upper, n_lower) / cascade_intensity(population, 4, 2);
}

/* ---- helium and metals ------------------------------------------------------------------------ */

struct table_line {
    const char *ion;
    double lambda_angstrom;
    double per_hbeta, peak_metallicity, hardness_power;
};

/*
 * Wavelengths: laboratory values, vacuum up to 2000 angstrom, air beyond. Intensities: round numbers set by
 * hand to what H II regions and metal-poor galaxies show; not a fit to any published table, and good to a
 * factor of a few. Doublets whose ratio is atomic keep it. Optical and UV lines peak where the nebula cools
 * through them: low metallicity for high ionisation. All metals weaken in soft light, which heats less: a
 * nebula cannot radiate more than it absorbs.
 */
/* clang-format off */
static const struct table_line table_lines[] = {
    /* He I, recombination: no metallicity */
    { "He 1", 2945.10, 0.016, 0, 0.5 }, { "He 1", 3187.74, 0.036, 0, 0.5 },
    { "He 1", 3447.59, 0.003, 0, 0.5 }, { "He 1", 3613.64, 0.005, 0, 0.5 },
    { "He 1", 3819.61, 0.011, 0, 0.5 }, { "He 1", 3888.64, 0.10, 0, 0.5 }, { "He 1", 3964.73, 0.009, 0, 0.5 },
    { "He 1", 4026.20, 0.019, 0, 0.5 }, { "He 1", 4387.93, 0.005, 0, 0.5 },
    { "He 1", 4471.49, 0.040, 0, 0.5 }, { "He 1", 4713.14, 0.006, 0, 0.5 },
    { "He 1", 4921.93, 0.011, 0, 0.5 }, { "He 1", 5015.68, 0.024, 0, 0.5 },
    { "He 1", 5047.74, 0.002, 0, 0.5 }, { "He 1", 5875.61, 0.12, 0, 0.5 }, { "He 1", 6678.15, 0.033, 0, 0.5 },
    { "He 1", 7065.18, 0.027, 0, 0.5 }, { "He 1", 7281.35, 0.007, 0, 0.5 }, { "He 1", 10830.3, 0.20, 0, 0.5 },
    { "He 1", 12784.9, 0.002, 0, 0.5 }, { "He 1", 17002.5, 0.004, 0, 0.5 },
    { "He 1", 18685.1, 0.030, 0, 0.5 }, { "He 1", 20581.3, 0.035, 0, 0.5 },
    /* metals, far ultraviolet (vacuum) */
    { "C 3", 977.020, 0.05, 0.002, 2 }, { "O 6", 1031.91, 1e-4, 0.002, 3 },
    { "O 6", 1037.61, 5e-5, 0.002, 3 }, { "N 5", 1238.82, 4e-4, 0.002, 3 },
    { "N 5", 1242.80, 2e-4, 0.002, 3 }, { "Si 2", 1260.42, 0.004, 0.005, 1 },
    { "C 2", 1335.71, 0.01, 0.005, 1 }, { "Si 4", 1393.76, 0.02, 0.003, 2 },
    { "Si 4", 1402.77, 0.01, 0.003, 2 }, { "O 4", 1401.16, 0.005, 0.002, 3 },
    { "N 4", 1483.32, 0.004, 0.002, 3 }, { "N 4", 1486.50, 0.003, 0.002, 3 },
    { "C 4", 1548.19, 0.10, 0.001, 3 }, { "C 4", 1550.77, 0.05, 0.001, 3 },
    { "O 3", 1660.81, 0.05, 0.002, 2 }, { "O 3", 1666.15, 0.12, 0.002, 2 },
    { "Al 2", 1670.79, 0.006, 0.005, 1 }, { "N 3", 1749.67, 0.02, 0.002, 2 },
    { "N 3", 1752.16, 0.01, 0.002, 2 }, { "Ne 3", 1814.56, 0.003, 0.002, 2 },
    { "Al 3", 1854.72, 0.015, 0.005, 1 }, { "Al 3", 1862.79, 0.008, 0.005, 1 },
    { "Si 3", 1882.71, 0.08, 0.003, 1 }, { "Si 3", 1892.03, 0.05, 0.003, 1 },
    { "C 3", 1906.68, 0.40, 0.0025, 1 }, { "C 3", 1908.73, 0.27, 0.0025, 1 },
    /* near ultraviolet */
    { "N 2", 2139.01, 0.004, 0.006, 1 }, { "O 3", 2320.95, 0.013, 0.002, 2 },
    { "C 2", 2324.21, 0.03, 0.006, 1 }, { "C 2", 2325.40, 0.05, 0.006, 1 },
    { "C 2", 2326.11, 0.03, 0.006, 1 }, { "Si 2", 2334.41, 0.01, 0.006, 1 },
    { "Ne 4", 2424.28, 0.001, 0.002, 3 }, { "O 2", 2470.22, 0.022, 0.006, 1 },
    { "Fe 2", 2599.40, 0.005, 0.01, 1 }, { "Al 2", 2660.35, 0.03, 0.006, 1 },
    { "Al 2", 2669.95, 0.02, 0.006, 1 }, { "Mg 2", 2795.53, 0.10, 0.006, 1 },
    { "Mg 2", 2802.71, 0.05, 0.006, 1 }, { "Ar 3", 3109.18, 0.004, 0.004, 1 },
    { "Ne 3", 3342.18, 0.002, 0.003, 2 }, { "Ne 5", 3345.83, 4e-4, 0.002, 3 },
    { "Ne 5", 3425.88, 0.001, 0.002, 3 }, { "S 3", 3721.63, 0.018, 0.006, 1 },
    /* optical */
    { "O 2", 3726.03, 0.90, 0.010, 1 }, { "O 2", 3728.81, 1.25, 0.010, 1 },
    { "Ne 3", 3868.76, 0.45, 0.004, 2 }, { "Ne 3", 3967.47, 0.135, 0.004, 2 },
    { "S 2", 4068.60, 0.015, 0.012, 1 }, { "S 2", 4076.35, 0.005, 0.012, 1 },
    { "Fe 2", 4243.97, 8e-4, 0.02, 1 }, { "O 3", 4363.21, 0.10, 0.0025, 2 },
    { "Fe 3", 4658.05, 0.010, 0.008, 1 }, { "Ar 4", 4711.26, 0.010, 0.003, 3 },
    { "Fe 3", 4701.53, 0.003, 0.008, 1 }, { "Ar 4", 4740.12, 0.008, 0.003, 3 },
    { "Fe 3", 4881.00, 0.004, 0.008, 1 }, { "O 3", 4931.23, 7e-4, 0.005, 2 },
    { "O 3", 4958.91, 1.60, 0.005, 2 }, { "O 3", 5006.84, 4.78, 0.005, 2 },
    { "Ar 3", 5191.82, 0.001, 0.005, 1 }, { "N 1", 5197.90, 0.003, 0.015, 1 },
    { "N 1", 5200.26, 0.002, 0.015, 1 }, { "Fe 3", 5270.40, 0.005, 0.008, 1 },
    { "Cl 3", 5517.71, 0.005, 0.008, 1 }, { "Cl 3", 5537.87, 0.004, 0.008, 1 },
    { "O 1", 5577.34, 5e-4, 0.010, 1 }, { "N 2", 5754.61, 0.006, 0.012, 1 },
    { "O 1", 6300.30, 0.035, 0.012, 1 }, { "S 3", 6312.06, 0.022, 0.006, 1 },
    { "O 1", 6363.78, 0.0112, 0.012, 1 }, { "N 2", 6548.05, 0.22, 0.018, 1 },
    { "N 2", 6583.45, 0.67, 0.018, 1 }, { "S 2", 6716.44, 0.30, 0.014, 1 },
    { "S 2", 6730.82, 0.22, 0.014, 1 }, { "Ar 5", 7005.83, 2e-4, 0.003, 3 },
    { "Ar 3", 7135.79, 0.12, 0.009, 1 }, { "Ar 4", 7170.50, 4e-4, 0.003, 3 },
    { "O 2", 7318.92, 0.006, 0.009, 1 }, { "O 2", 7319.99, 0.018, 0.009, 1 },
    { "O 2", 7329.67, 0.010, 0.009, 1 }, { "O 2", 7330.73, 0.010, 0.009, 1 },
    { "Ni 2", 7377.83, 0.002, 0.015, 1 }, { "Ar 3", 7751.11, 0.029, 0.009, 1 },
    { "O 1", 8446.36, 0.008, 0.012, 1 }, { "Cl 2", 8578.69, 0.003, 0.015, 1 },
    { "Fe 2", 8616.95, 0.002, 0.02, 1 }, { "C 1", 8727.13, 3e-4, 0.015, 1 },
    { "S 3", 9068.62, 0.30, 0.012, 1 }, { "Cl 2", 9123.60, 8e-4, 0.015, 1 },
    { "S 3", 9530.62, 0.75, 0.012, 1 }, { "C 1", 9824.13, 5e-4, 0.015, 1 },
    { "C 1", 9850.26, 0.001, 0.015, 1 },
    /* near infrared */
    { "S 2", 10286.7, 0.007, 0.012, 1 }, { "S 2", 10320.5, 0.010, 0.012, 1 },
    { "S 2", 10336.4, 0.007, 0.012, 1 }, { "N 1", 10397.7, 0.003, 0.015, 1 },
    { "P 2", 11882.8, 0.003, 0.02, 1 }, { "Fe 2", 12566.8, 0.006, 0.02, 1 },
    { "O 1", 13164.9, 0.003, 0.012, 1 }, { "Fe 2", 16435.5, 0.005, 0.02, 1 },
    { "Fe 3", 22178.0, 0.002, 0.01, 1 }, { "Si 6", 19624.7, 2e-5, 0.01, 3 },
    { "Ca 4", 32061.5, 3e-5, 0.01, 3 },
    /* middle and far infrared: fine structure */
    { "Mg 4", 44871.2, 1e-4, 0.02, 3 }, { "Ar 6", 45280.0, 1e-5, 0.02, 3 },
    { "Fe 2", 53388.0, 0.004, 0.03, 1 }, { "Mg 5", 56070.0, 1e-5, 0.02, 3 },
    { "Ni 2", 66341.0, 0.002, 0.03, 1 }, { "Ar 2", 69833.7, 0.15, 0.04, 1 },
    { "Ne 6", 76431.8, 1e-5, 0.02, 3 }, { "Ar 5", 78997.1, 5e-5, 0.02, 3 },
    { "Ar 3", 89889.8, 0.22, 0.03, 1 }, { "S 4", 105076.0, 0.28, 0.012, 2 },
    { "Ne 2", 128101.0, 0.60, 0.04, 1 }, { "Ar 5", 130985.0, 5e-5, 0.02, 3 },
    { "Ne 5", 143228.0, 5e-5, 0.02, 3 }, { "Cl 2", 143639.0, 0.004, 0.04, 1 },
    { "Ne 3", 155509.0, 0.60, 0.018, 2 }, { "S 3", 187078.0, 0.90, 0.03, 1 },
    { "Ar 3", 218253.0, 0.014, 0.03, 1 }, { "Fe 3", 229190.0, 0.02, 0.03, 1 },
    { "Ne 5", 242065.0, 5e-5, 0.02, 3 }, { "O 4", 258863.0, 0.002, 0.015, 3 },
    { "Fe 2", 259811.0, 0.01, 0.04, 1 }, { "S 3", 334704.0, 1.60, 0.03, 1 },
    { "Si 2", 348046.0, 0.15, 0.03, 1 }, { "Ne 3", 360036.0, 0.05, 0.018, 2 },
    { "O 3", 518004.0, 1.30, 0.015, 2 }, { "N 3", 573230.0, 0.40, 0.025, 1 },
    { "O 1", 631679.0, 0.05, 0.03, 1 }, { "O 3", 883323.0, 1.35, 0.015, 2 },
    { "N 2", 1217670.0, 0.10, 0.04, 1 }, { "O 1", 1454950.0, 0.005, 0.03, 1 },
    { "C 2", 1576360.0, 0.10, 0.03, 1 }, { "N 2", 2052440.0, 0.03, 0.04, 1 },
    { "C 1", 3702690.0, 2e-4, 0.03, 1 }, { "C 1", 6095900.0, 5e-5, 0.03, 1 },
};
/* clang-format on */
enum { n_table_line = sizeof(table_lines) / sizeof(table_lines[0]) };

/* ---- the list ---------------------------------------------------------------------------------- */

/* Cloudy's label: two decimals up to 1e4 angstrom, then six digits in micron. */
static void line_set(struct line *line, const char *ion, double lambda_angstrom)
{
    double micron = lambda_angstrom * 1e-4;

    if (lambda_angstrom < 1e4)
        snprintf(line->id, sizeof(line->id), "%s %.2fA", ion, lambda_angstrom);
    else
        snprintf(line->id, sizeof(line->id), "%s %.*fm", ion,
                 micron < 10.0    ? 5
                 : micron < 100.0 ? 4
                                  : 3,
                 micron);
    line->lambda_angstrom = lambda_angstrom;
}

/* The series that end on level n_lower, lines from n_lower + 1 to n_upper_max. */
struct series {
    int charge, n_lower, n_upper_max;
};
static const struct series series_listed[] = {
    { 1, 2, 25 }, { 1, 3, 22 }, { 1, 4, 20 }, { 1, 5, 20 }, { 1, 6, 20 }, { 1, 7, 16 },
    { 2, 2, 8 },  { 2, 3, 10 }, { 2, 4, 13 }, { 2, 5, 12 }, { 2, 6, 12 },
};
enum { n_series = sizeof(series_listed) / sizeof(series_listed[0]) };

/* Lines whose last digit differs in Cloudy, and so in every user's script: [charge, upper, lower]. */
static const struct {
    int charge, n_upper, n_lower;
    double lambda_angstrom;
} as_cloudy[] = { { 1, 3, 2, 6562.80 }, { 2, 3, 2, 1640.41 }, { 2, 4, 3, 4685.68 } };

static size_t series_list(const struct series *series, struct line *ret_lines)
{
    double population[n_level_max + 1] = { 0 };
    bool is_heii = series->charge == 2;
    size_t n = 0;

    cascade_fill(series->charge, population);
    double unit = cascade_intensity(population, is_heii ? 3 : 4, 2); /* He II 1640 or H-beta */

    for (int n_upper = series->n_lower + 1; n_upper <= series->n_upper_max; n_upper++) {
        double lambda_angstrom = line_wavelength_angstrom(series->charge, n_upper, series->n_lower);

        for (size_t i = 0; i < sizeof(as_cloudy) / sizeof(as_cloudy[0]); i++)
            if (as_cloudy[i].charge == series->charge && as_cloudy[i].n_upper == n_upper &&
                as_cloudy[i].n_lower == series->n_lower)
                lambda_angstrom = as_cloudy[i].lambda_angstrom;
        ret_lines[n] =
            (struct line) { .per_hbeta = cascade_intensity(population, n_upper, series->n_lower) / unit,
                            .from_heii = is_heii };
        line_set(&ret_lines[n], is_heii ? "He 2" : "H 1", lambda_angstrom);
        n++;
    }
    return n;
}

static int compare_lines(const void *left, const void *right)
{
    double a = ((const struct line *)left)->lambda_angstrom;
    double b = ((const struct line *)right)->lambda_angstrom;

    return (a > b) - (a < b);
}

struct line *lines_create(size_t *ret_n)
{
    size_t n_max = n_table_line + 1, n = 0;

    for (int i = 0; i < n_series; i++)
        n_max += (size_t)(series_listed[i].n_upper_max - series_listed[i].n_lower);
    struct line *lines = mem_small(n_max, sizeof(*lines));
    double lyman_alpha_angstrom = line_wavelength_angstrom(1, 2, 1);
    double lyman_alpha_erg = DEMO_H_ERG_S * DEMO_C_ANGSTROM_S / lyman_alpha_angstrom;

    /* The other Lyman lines are absorbed again and again until they come out in other series: case B. */
    lines[n].per_hbeta = LYMAN_ALPHA_SHARE * lyman_alpha_erg / HBETA_ERG_PER_PHOTON;
    line_set(&lines[n++], "H 1", lyman_alpha_angstrom);
    for (int i = 0; i < n_series; i++)
        n += series_list(&series_listed[i], lines + n);
    for (int i = 0; i < n_table_line; i++) {
        const struct table_line *entry = &table_lines[i];

        lines[n] = (struct line) { .per_hbeta = entry->per_hbeta,
                                   .peak_metallicity = entry->peak_metallicity,
                                   .hardness_power = entry->hardness_power };
        line_set(&lines[n++], entry->ion, entry->lambda_angstrom);
    }
    qsort(lines, n, sizeof(*lines), compare_lines);
    *ret_n = n;
    return lines;
}

double line_luminosity(const struct line *line, const struct ionising *ionising, double metallicity)
{
    if (line->from_heii)
        return HEII_1640_ERG_PER_PHOTON * ionising->q_heii * line->per_hbeta;
    double luminosity = HBETA_ERG_PER_PHOTON * ionising->q_hi * line->per_hbeta;

    if (line->hardness_power > 0.0 && ionising->q_hi > 0.0) {
        double hardness = ionising->q_hei / (REFERENCE_HARDNESS * ionising->q_hi);

        /* Bounded: harder light ionises further instead. */
        luminosity *= pow(fmin(hardness, 1.0), line->hardness_power);
    }
    if (line->peak_metallicity > 0.0) {
        double x = metallicity / line->peak_metallicity;

        luminosity *= x * exp(1.0 - x); /* in proportion when metal-poor, quenched by cooling when rich */
    }
    return luminosity;
}

/* ---- continuum ---------------------------------------------------------------------------------- */

/*
 * Free-free and free-bound of H+ at 1e4 K per electron and ion [erg cm^3 s^-1 Hz^-1]:
 *     6.8e-38 T^-1/2 exp(-h nu/kT) (g_ff + 2 (I/kT) sum_n n^-3 exp(I_n/kT))
 * Rybicki & Lightman 1979, eq. 5.14b, with g_ff of Draine 2011, eq. 10.9; the sum, over levels with
 * I_n < h nu, by Kramers' cross-sections and the Milne relation. Level 1 is left out: such photons are
 * absorbed again. Levels above 50 are an integral.
 */
static double gamma_hydrogen(double nu_hz)
{
    enum { n_max = 50 };
    double kt = DEMO_KB_ERG_K * NEBULA_TEMPERATURE_K;
    double energy = DEMO_H_ERG_S * nu_hz;
    double gaunt = log(exp(5.960 - sqrt(3.0) / M_PI * log(nu_hz * 1e-9)) + M_E);
    double sum = 0.0;

    for (int n = 2; n <= n_max; n++) {
        double binding = RYDBERG_ERG / ((double)n * n);

        if (binding < energy)
            sum += exp((binding - energy) / kt) / ((double)n * n * n);
    }
    double n_first = fmax(n_max + 0.5, sqrt(RYDBERG_ERG / energy));

    sum += exp(-energy / kt) / (2.0 * n_first * n_first);
    return 6.8e-38 / sqrt(NEBULA_TEMPERATURE_K) * (gaunt * exp(-energy / kt) + 2.0 * RYDBERG_ERG / kt * sum);
}

/*
 * Two photons of hydrogen's 2s per decay [erg Hz^-1]: h y A(y)/A, y = nu/nu(Lyman alpha), with the fit of
 * Nussbaumer & Schmutz 1984 (A&A 138, 495), A = 8.2249 s^-1.
 */
static double two_photon(double nu_hz)
{
    double y = nu_hz * 1215.67 / DEMO_C_ANGSTROM_S;

    if (y >= 1.0)
        return 0.0;
    double w = y * (1.0 - y);
    double w4 = pow(4.0 * w, 0.8);

    return DEMO_H_ERG_S * y * 202.0 / 8.2249 * (w * (1.0 - w4) + 0.88 * pow(w, 1.53) * w4);
}

double nebular_continuum(double lambda_angstrom)
{
    if (lambda_angstrom < DEMO_LYMAN_LIMIT_ANGSTROM)
        return 0.0;
    double nu_hz = DEMO_C_ANGSTROM_S / lambda_angstrom;

    /* He+ adds a tenth of ions that radiate alike. */
    return 1.1 * gamma_hydrogen(nu_hz) / ALPHA_B_CM3_S + (1.0 - LYMAN_ALPHA_SHARE) * two_photon(nu_hz);
}
