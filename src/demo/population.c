/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A simple stellar population from textbook relations: who is alive, how bright and how hot, and what
 * light a star of that temperature gives. Crude on purpose; what it keeps is the energy budget (a main
 * sequence by mass and luminosity, giants by the fuel they burn).
 *
 * Compared with Bruzual & Charlot 2003 (Z 0.0004 to 0.02, 1 Myr to 13 Gyr): bolometric luminosity within a
 * factor of 1.5 everywhere; 4400 and 5500 angstrom 1.3 times theirs in the middle, 3 at worst; 2.2 micron up
 * to 13 times theirs (too many red supergiants near 10 Myr); 1500 angstrom from 1/25 (old) to 8 times theirs;
 * ionising photons right in the middle, 60 times theirs at worst (100 Myr).
 *
 * Formulas with a citation are the published ones. Numbers without one were set by hand to come near that
 * grid.
 */
#include "demo_private.h"

#include <math.h>
#include <stdlib.h>

#define MASS_MIN_MSUN          0.1
#define MASS_MAX_MSUN          100.0
#define SOLAR_TEFF_K           5772.0
#define TEMPERATURE_MIN_K      2000.0
#define TEMPERATURE_MAX_K      150000.0
#define POST_AGB_TEMPERATURE_K 1.0e5

/* Last tenth of a life is spent after the main sequence, at all masses (core helium burning and giants). */
#define GIANT_SHARE_OF_LIFE 0.1
/* Luminosity of the fuel of 1 Msun burnt in 1 yr [Lsun]: Renzini & Buzzoni 1986. */
#define FUEL_LSUN_YR_PER_MSUN 9.75e10

/* Chabrier 2003 (PASP 115, 763), table 1, disc single stars; xi(log m), to a factor. */
static double imf_shape(double mass_msun)
{
    if (mass_msun < MASS_MIN_MSUN || mass_msun > MASS_MAX_MSUN)
        return 0.0;
    double x = (log10(mass_msun) - log10(0.079)) / 0.69;

    if (mass_msun <= 1.0)
        return 0.158 * exp(-0.5 * x * x);
    double x_joint = -log10(0.079) / 0.69;

    return 0.158 * exp(-0.5 * x_joint * x_joint) * pow(mass_msun, -1.3);
}

double imf_density(double mass_msun)
{
    /* Integral of xi(log m) m d log m from 0.1 to 100 Msun; the test of this room integrates again. */
    static const double mass_formed_msun = 0.0804943836;

    return imf_shape(mass_msun) / (mass_formed_msun * mass_msun * log(10.0));
}

/*
 * Raiteri, Villata & Navarro 1996 (A&A 315, 105), eq. 3: lifetimes of the Padova tracks, hydrogen and
 * helium burning, fitted for Z from 7e-5 to 0.03; held outside.
 */
double star_lifetime_yr(double mass_msun, double metallicity)
{
    double z = log10(fmin(fmax(metallicity, 7e-5), 0.03));
    double a0 = 10.13 + 0.07547 * z - 0.008084 * z * z;
    double a1 = -4.424 - 0.7939 * z - 0.1187 * z * z;
    double a2 = 1.262 + 0.3385 * z + 0.05417 * z * z;
    double log_mass = log10(mass_msun);

    return pow(10.0, a0 + a1 * log_mass + a2 * log_mass * log_mass);
}

/* The mass whose lifetime is lifetime_yr; lifetimes fall with mass over the whole range. */
static double mass_of_lifetime(double lifetime_yr, double metallicity)
{
    double low = MASS_MIN_MSUN, high = MASS_MAX_MSUN;

    if (lifetime_yr <= star_lifetime_yr(high, metallicity))
        return high;
    if (lifetime_yr >= star_lifetime_yr(low, metallicity))
        return low;
    for (int i = 0; i < 50; i++) {
        double middle = sqrt(low * high);

        if (star_lifetime_yr(middle, metallicity) > lifetime_yr)
            low = middle;
        else
            high = middle;
    }
    return sqrt(low * high);
}

struct demo_star {
    double luminosity_lsun;
    double temperature_k;
};

/*
 * Zero-age main sequence: Tout et al. 1996 (MNRAS 281, 257), eqs 1 and 2 with their solar coefficients.
 * Their metallicity terms are replaced by power laws set by hand: metal-poor stars are hotter, and below some
 * solar masses brighter.
 */
static struct demo_star star_birth(double m, double metallicity)
{
    double z = metallicity / DEMO_SOLAR_METALLICITY;
    double m3 = m * m * m;
    double m5 = m3 * m * m;
    double luminosity = (0.3970417 * m5 * sqrt(m) + 8.527626 * m5 * m5 * m) /
                        (0.00025546 + m3 + 5.432889 * m5 + 5.563579 * m5 * m * m + 0.7886606 * m5 * m3 +
                         0.00586685 * m5 * m3 * m * sqrt(m));
    double radius = (1.715359 * m * m * sqrt(m) + 6.597788 * m5 * m * sqrt(m) + 10.08855 * m5 * m5 * m +
                     1.012495 * pow(m, 19.0) + 0.07490166 * pow(m, 19.5)) /
                    (0.01077422 + 3.082234 * m * m + 17.84778 * m5 * m3 * sqrt(m) + pow(m, 18.5) +
                     0.00022582 * pow(m, 19.5));

    return (struct demo_star) { .luminosity_lsun = luminosity * pow(z, -0.15 / (1.0 + m * m / 25.0)),
                                .temperature_k = SOLAR_TEFF_K * pow(luminosity / (radius * radius), 0.25) *
                                                 pow(z, -0.045) };
}

/* 0 below a, 1 above b, in between without a kink. */
static double rise_smoothly(double x, double a, double b)
{
    double t = fmin(fmax((x - a) / (b - a), 0.0), 1.0);

    return t * t * (3.0 - 2.0 * t);
}

/*
 * On the main sequence, `progress` from 0 to 1: brighter by 0.3 dex; cooler at the end, by a little for
 * the Sun and 0.2 dex at 40 Msun (set by hand).
 */
static struct demo_star star_on_main_sequence(double mass_msun, double metallicity, double progress)
{
    struct demo_star star = star_birth(mass_msun, metallicity);
    double cooling_dex = 0.2 * fmin(1.0, fmax(0.0, log10(mass_msun) / 1.6)) + 0.02;

    star.luminosity_lsun *= pow(10.0, 0.3 * progress);
    star.temperature_k *= pow(10.0, -cooling_dex * progress * progress);
    return star;
}

/*
 * Fuel burnt after the main sequence in hydrogen equivalents [Msun]: the same for stars that end as white
 * dwarfs, rising with the helium core of massive ones (set by hand).
 */
static double giant_fuel_msun(double mass_msun)
{
    return 0.40 + 0.055 * fmax(0.0, mass_msun - 6.0);
}

/* Light of a population in the making; the templates of the two nearest temperatures share a star's. */
static void deposit(struct population *population, double luminosity_lsun, double temperature_k)
{
    double position = log(temperature_k / TEMPERATURE_MIN_K) / log(TEMPERATURE_MAX_K / TEMPERATURE_MIN_K) *
                      (DEMO_N_TEMPERATURE - 1);

    position = fmin(fmax(position, 0.0), DEMO_N_TEMPERATURE - 1.0);
    int i = (int)fmin(position, DEMO_N_TEMPERATURE - 2.0);
    double fraction = position - i;

    population->luminosity_lsun[i] += (1.0 - fraction) * luminosity_lsun;
    population->luminosity_lsun[i + 1] += fraction * luminosity_lsun;
}

/*
 * Low and intermediate masses. The luminosity climbs by e^6 (2.6 dex, subgiant to tip) while the star
 * follows the Hayashi line; a fifth of the energy comes from the horizontal branch or clump, bluer when
 * metal-poor, and at 1 Msun three parts in a thousand from the hot core that is left (post-AGB), which is
 * what keeps old populations faintly ultraviolet. Heavier cores fade faster.
 */
static void deposit_giant(struct population *population, double n_star, double mean_lsun, double mass_msun,
                          double metallicity, double progress)
{
    const double climb = 6.0;
    double z = metallicity / DEMO_SOLAR_METALLICITY;
    double start_k = star_on_main_sequence(mass_msun, metallicity, 1.0).temperature_k;
    double luminosity = mean_lsun * climb * exp(climb * progress) / (exp(climb) - 1.0);
    double hayashi_k = 4750.0 * pow(luminosity / 50.0, -0.07) * pow(mass_msun, 0.12) * pow(z, -0.05);
    double arrival = rise_smoothly(progress, 0.0, 0.25);
    double clump_k = fmin(5000.0 * pow(z, -0.08) * pow(mass_msun, 0.05), 9000.0);

    double hot_share = 0.003 * fmin(1.0, pow(mass_msun, -1.2));

    deposit(population, (0.8 - hot_share) * n_star * luminosity,
            pow(start_k, 1.0 - arrival) * pow(fmax(hayashi_k, 2800.0), arrival));
    deposit(population, 0.2 * n_star * mean_lsun, clump_k);
    deposit(population, hot_share * n_star * mean_lsun, POST_AGB_TEMPERATURE_K);
}

/*
 * Massive stars: red supergiants, blue ones in a share that rises to low metallicity (blue loops), and
 * above about 30 Msun bare cores (Wolf-Rayet stars), sooner when metal-rich winds peel the star.
 */
static void deposit_supergiant(struct population *population, double luminosity_lsun, double mass_msun,
                               double metallicity)
{
    double log_z = log10(metallicity / DEMO_SOLAR_METALLICITY);
    double bare = rise_smoothly(mass_msun, 25.0 - 5.0 * log_z, 45.0 - 5.0 * log_z);
    double blue = (1.0 - bare) * fmin(fmax(0.3 - 0.15 * log_z, 0.1), 0.7);
    double red = 1.0 - bare - blue;

    deposit(population, bare * luminosity_lsun, 48000.0 * pow(10.0, -0.03 * log_z));
    deposit(population, blue * luminosity_lsun, 13000.0 * pow(10.0, -0.05 * log_z));
    deposit(population, red * luminosity_lsun, 3900.0 * pow(10.0, -0.05 * log_z));
}

static void evolve_main_sequence(struct population *population, double age_yr, double metallicity,
                                 double mass_leaving_msun)
{
    enum { n_mass = 160 };
    double step = log(mass_leaving_msun / MASS_MIN_MSUN) / n_mass;

    for (int i = 0; i < n_mass; i++) {
        double mass_msun = MASS_MIN_MSUN * exp((i + 0.5) * step);
        double n_star = imf_density(mass_msun) * mass_msun * step;
        double lifetime_yr = (1.0 - GIANT_SHARE_OF_LIFE) * star_lifetime_yr(mass_msun, metallicity);
        struct demo_star star =
            star_on_main_sequence(mass_msun, metallicity, fmin(age_yr / lifetime_yr, 1.0));

        deposit(population, n_star * star.luminosity_lsun, star.temperature_k);
        population->star_fraction += n_star * mass_msun;
    }
}

static void evolve_giants(struct population *population, double age_yr, double metallicity,
                          double mass_leaving_msun, double mass_dying_msun)
{
    enum { n_mass = 40 };
    double step = log(mass_dying_msun / mass_leaving_msun) / n_mass;

    for (int i = 0; i < n_mass && step > 0.0; i++) {
        double mass_msun = mass_leaving_msun * exp((i + 0.5) * step);
        double n_star = imf_density(mass_msun) * mass_msun * step;
        double duration_yr = GIANT_SHARE_OF_LIFE * star_lifetime_yr(mass_msun, metallicity);
        double mean_lsun = FUEL_LSUN_YR_PER_MSUN * giant_fuel_msun(mass_msun) / duration_yr;
        double progress = 1.0 - (star_lifetime_yr(mass_msun, metallicity) - age_yr) / duration_yr;
        double massive = rise_smoothly(mass_msun, 6.0, 10.0);

        progress = fmin(fmax(progress, 0.0), 1.0);
        if (massive < 1.0)
            deposit_giant(population, (1.0 - massive) * n_star, mean_lsun, mass_msun, metallicity, progress);
        if (massive > 0.0)
            deposit_supergiant(population, massive * n_star * mean_lsun, mass_msun, metallicity);
        population->star_fraction += n_star * mass_msun;
    }
}

void population_evolve(double age_yr, double metallicity, struct population *ret_population)
{
    double mass_dying_msun = mass_of_lifetime(age_yr, metallicity);
    double mass_leaving_msun = mass_of_lifetime(age_yr / (1.0 - GIANT_SHARE_OF_LIFE), metallicity);

    *ret_population = (struct population) { .star_fraction = 0.0 };
    if (mass_leaving_msun > MASS_MIN_MSUN)
        evolve_main_sequence(ret_population, age_yr, metallicity, mass_leaving_msun);
    if (mass_dying_msun > MASS_MIN_MSUN)
        evolve_giants(ret_population, age_yr, metallicity, mass_leaving_msun, mass_dying_msun);
}

double population_luminosity_lsun(const struct population *population)
{
    double sum = 0.0;

    for (int i = 0; i < DEMO_N_TEMPERATURE; i++)
        sum += population->luminosity_lsun[i];
    return sum;
}

/* ---- light of one star ---------------------------------------------------------------------- */

static double template_temperature_k(int i_temperature)
{
    return TEMPERATURE_MIN_K *
           pow(TEMPERATURE_MAX_K / TEMPERATURE_MIN_K, i_temperature / (DEMO_N_TEMPERATURE - 1.0));
}

/*
 * A black body with the three edges that matter, set by hand. Lyman and He II: what is left shortward is
 * steep in temperature, as B stars ionise nearly nothing. Balmer: deepest (0.45 dex) at 9500 K, weaker away
 * from the edge.
 */
static double lnu_shape(double lambda_angstrom, double temperature_k)
{
    double x = DEMO_H_ERG_S * DEMO_C_ANGSTROM_S / (lambda_angstrom * DEMO_KB_ERG_K * temperature_k);

    if (x > 600.0) /* nothing left, and no subnormal numbers to slow the sums */
        return 0.0;
    double lnu = 1.0 / (lambda_angstrom * lambda_angstrom * lambda_angstrom * expm1(x));

    if (lambda_angstrom < DEMO_LYMAN_LIMIT_ANGSTROM)
        lnu /= 1.0 + pow(36000.0 / temperature_k, 8.0);
    if (lambda_angstrom < DEMO_HEII_LIMIT_ANGSTROM)
        lnu /= 1.0 + pow(65000.0 / temperature_k, 8.0);
    if (lambda_angstrom < 3646.0) {
        double away = log10(temperature_k / 9500.0) / (temperature_k < 9500.0 ? 0.10 : 0.22);
        double reach = lambda_angstrom / 3646.0;

        lnu *= pow(10.0, -0.45 * exp(-0.5 * away * away) * reach * sqrt(reach));
    }
    return lnu;
}

/* Share of the light at this wavelength that metal lines could take: blue light of cool stars. */
static double blanket_shape(double lambda_angstrom, double temperature_k)
{
    double blue = lambda_angstrom / 3600.0;
    double cool = temperature_k / 7000.0;

    blue *= blue * blue;
    cool *= cool * cool;
    return 1.0 / ((1.0 + blue * blue) * (1.0 + cool));
}

/* How much of it they take at this metallicity: 0.85 at solar, saturating. */
static double blanket_strength(double metallicity)
{
    return fmin(0.95, 0.85 * pow(metallicity / DEMO_SOLAR_METALLICITY, 0.25));
}

void frequency_widths_fill(size_t n_lambda, const double *lambda_angstrom, double *ret_width_hz)
{
    for (size_t k = 0; k < n_lambda; k++) {
        double below = lambda_angstrom[k > 0 ? k - 1 : 0];
        double above = lambda_angstrom[k + 1 < n_lambda ? k + 1 : k];

        ret_width_hz[k] = 0.5 * DEMO_C_ANGSTROM_S * (1.0 / below - 1.0 / above);
    }
}

struct templates templates_create(size_t n_lambda, const double *lambda_angstrom)
{
    struct templates t = { .n_lambda = n_lambda };
    double *width_hz = mem_small(n_lambda, sizeof(*width_hz));

    t.lnu_plain = mem_small(DEMO_N_TEMPERATURE * n_lambda, sizeof(*t.lnu_plain));
    t.lnu_blanketed = mem_small(DEMO_N_TEMPERATURE * n_lambda, sizeof(*t.lnu_blanketed));
    frequency_widths_fill(n_lambda, lambda_angstrom, width_hz);
    for (int i = 0; i < DEMO_N_TEMPERATURE; i++) {
        double *plain = t.lnu_plain + (size_t)i * n_lambda;
        double *blanketed = t.lnu_blanketed + (size_t)i * n_lambda;
        double temperature_k = template_temperature_k(i);
        double sum = 0.0, sum_blanketed = 0.0;

        for (size_t k = 0; k < n_lambda; k++) {
            plain[k] = lnu_shape(lambda_angstrom[k], temperature_k);
            blanketed[k] = plain[k] * blanket_shape(lambda_angstrom[k], temperature_k);
            sum += plain[k] * width_hz[k];
            sum_blanketed += blanketed[k] * width_hz[k];
        }
        t.blanketed_fraction[i] = sum_blanketed / sum;
        for (size_t k = 0; k < n_lambda; k++) {
            plain[k] *= DEMO_LSUN_ERG_S / sum;
            blanketed[k] *= DEMO_LSUN_ERG_S / sum;
        }
    }
    free(width_hz);
    return t;
}

void templates_free(struct templates *templates)
{
    free(templates->lnu_plain);
    free(templates->lnu_blanketed);
    *templates = (struct templates) { .n_lambda = 0 };
}

/* One population over one tile of wavelengths. The light that lines take comes out at all wavelengths. */
static void mix_tile(const struct templates *templates, const struct population *population, double strength,
                     size_t first, size_t n, double *restrict lnu)
{
    for (size_t k = 0; k < n; k++)
        lnu[k] = 0.0;
    for (int i = 0; i < DEMO_N_TEMPERATURE; i++) {
        const double *restrict plain = templates->lnu_plain + (size_t)i * templates->n_lambda + first;
        const double *restrict blanketed = templates->lnu_blanketed + (size_t)i * templates->n_lambda + first;
        double weight = population->luminosity_lsun[i] / (1.0 - strength * templates->blanketed_fraction[i]);
        double taken = strength * weight;

        if (weight == 0.0)
            continue;
        for (size_t k = 0; k < n; k++)
            lnu[k] += weight * plain[k] - taken * blanketed[k];
    }
}

void templates_mix(const struct templates *templates, size_t n_population,
                   const struct population *populations, const double *metallicities, double *ret_lnu)
{
    const size_t tile = 256; /* 2 x 72 x 256 doubles: stays in the second-level cache for all populations */

    for (size_t first = 0; first < templates->n_lambda; first += tile) {
        size_t left = templates->n_lambda - first;

        for (size_t j = 0; j < n_population; j++)
            mix_tile(templates, &populations[j], blanket_strength(metallicities[j]), first,
                     left < tile ? left : tile, ret_lnu + j * templates->n_lambda + first);
    }
}
