/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/cosmology.h"
#include "polyphony/units.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <gsl/gsl_errno.h>

#include <cmocka.h>

/* Quadrature is asked for 1e-12 and does better; astropy's own is good to about 1e-14 here. */
#define TOLERANCE 1e-12

static void assert_close(double value, double expected, double relative)
{
    if (!(fabs(value - expected) <= relative * fabs(expected)))
        fail_msg("%.17g, expected %.17g, relative difference %.3g", value, expected, value / expected - 1);
}

static struct distances distances_to(const struct cosmology *cosmology, double redshift)
{
    struct error err = { "" };
    struct distances distances = { 0 };

    if (cosmology_distances(cosmology, redshift, &distances, &err))
        fail_msg("z = %g: %s", redshift, err.text);
    return distances;
}

static void planck18_distances_are_those_of_astropy(void **state)
{
    (void)state;
    /* astropy 5.2.1, Planck18: z, d_L [Mpc], d_A [Mpc], arcsec per proper kpc */
    static const double rows[][4] = {
        { 0.1, 475.8222675121877, 393.2415433985022, 0.5245244550321384 },
        { 0.5, 2919.6249521806776, 1297.611089858079, 0.1589573392669261 },
        { 1, 6791.2689423031325, 1697.8172355757831, 0.12148822731037096 },
        { 2, 15924.566651659155, 1769.396294628795, 0.11657354933614182 },
        { 5, 47677.760421995015, 1324.3822339443059, 0.15574416581593195 },
        { 7, 70492.486360843, 1101.445099388172, 0.1872674419829657 },
        { 10, 105999.13587403279, 876.0259163143205, 0.23545514168679912 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct distances distances = distances_to(&COSMOLOGY_PLANCK18, rows[i][0]);

        assert_true(distances.redshift == rows[i][0]);
        assert_close(distances.luminosity_distance_mpc, rows[i][1], TOLERANCE);
        assert_close(distances.luminosity_distance_cm, rows[i][1] * 3.085677580962325e24, TOLERANCE);
        assert_close(distances.angular_diameter_distance_mpc, rows[i][2], TOLERANCE);
        assert_close(distances.arcsec_per_kpc, rows[i][3], TOLERANCE);
    }
}

static void an_einstein_de_sitter_universe_has_its_closed_form(void **state)
{
    (void)state;
    /* Without radiation the neutrinos count for nothing, whatever their mass: as in astropy. */
    const struct cosmology cosmology = { 70, 1, 0, 3.046, { 0, 0, 1 } };
    const double redshifts[] = { 1e-3, 0.3, 1, 6, 30, 1100 };

    for (size_t i = 0; i < sizeof(redshifts) / sizeof(redshifts[0]); i++) {
        double stretch = 1 + redshifts[i];
        double comoving_mpc = 2 * 299792.458 / 70 * (1 - 1 / sqrt(stretch));

        assert_close(distances_to(&cosmology, redshifts[i]).luminosity_distance_mpc, stretch * comoving_mpc,
                     TOLERANCE);
    }
}

static void an_empty_de_sitter_universe_has_its_closed_form(void **state)
{
    (void)state;
    const struct cosmology cosmology = { .h0_km_s_mpc = 50 };
    struct distances distances = distances_to(&cosmology, 3);

    assert_close(distances.angular_diameter_distance_mpc, 299792.458 / 50 * 3 / 4, TOLERANCE);
}

static void massless_neutrinos_and_photons_have_their_closed_form(void **state)
{
    (void)state;
    /* Matter and radiation that close the universe: d_C = c/H0 2/Om (sqrt(Om + Or) - sqrt(Om a + Or)).
     * Omega of the photons as astropy has it for this H0 and temperature; 0.2271… per massless species. */
    const double omega_r = 5.402015137139352e-05 * (1 + 0.22710731766 * 3.046);
    const struct cosmology cosmology = { 67.66, 1 - omega_r, 2.7255, 3.046, { 0, 0, 0 } };
    const double redshifts[] = { 0.3, 6, 1100 };

    for (size_t i = 0; i < sizeof(redshifts) / sizeof(redshifts[0]); i++) {
        double stretch = 1 + redshifts[i], omega_m = cosmology.omega_m;
        double comoving_mpc = 299792.458 / 67.66 * 2 / omega_m * (1 - sqrt(omega_m / stretch + omega_r));

        assert_close(distances_to(&cosmology, redshifts[i]).angular_diameter_distance_mpc,
                     comoving_mpc / stretch, TOLERANCE);
    }
}

static void heavy_neutrinos_count_as_matter(void **state)
{
    (void)state;
    /* Omega_nu h^2 = m / 94.07 eV for three species at (4/11)^(1/3) of 2.7255 K; 1e-4 is what its four digits
     * are good for, and a hundredth of the mass would show. */
    const double h = 0.7, mass_ev = 10;
    const struct cosmology heavy = { 100 * h, 0.2, 2.7255, 3, { mass_ev, 0, 0 } };
    const struct cosmology matter = { 100 * h, 0.2 + mass_ev / 94.07 / (h * h), 2.7255, 2, { 0, 0, 0 } };

    assert_close(distances_to(&heavy, 2).luminosity_distance_mpc,
                 distances_to(&matter, 2).luminosity_distance_mpc, 1e-4);
}

static void redshift_zero_is_ten_parsec_away(void **state)
{
    (void)state;
    struct distances distances = distances_to(&COSMOLOGY_PLANCK18, 0);

    assert_true(distances.luminosity_distance_mpc == 1e-5);
    assert_true(distances.angular_diameter_distance_mpc == 1e-5);
    /* 1e-15: a rounding or two of the reference's 20626480.624709636 */
    assert_close(distances.luminosity_distance_cm, 10 * UNITS_PARSEC_CM, 1e-15);
    assert_close(distances.arcsec_per_kpc, 20626480.624709636, 1e-15);
}

static void the_nearest_galaxies_follow_hubbles_law(void **state)
{
    (void)state;
    const double redshifts[] = { 1e-12, 1e-8, 1e-6 };

    for (size_t i = 0; i < sizeof(redshifts) / sizeof(redshifts[0]); i++) {
        struct distances distances = distances_to(&COSMOLOGY_WMAP9, redshifts[i]);

        /* The next term of the expansion is below z; 1e-12 for the quadrature. */
        assert_close(distances.luminosity_distance_mpc, 299792.458 / 69.32 * redshifts[i],
                     redshifts[i] + TOLERANCE);
    }
}

static void every_redshift_up_to_a_million_integrates(void **state)
{
    (void)state;
    double before_mpc = 0;

    for (double redshift = 1e-6; redshift < 1e6; redshift *= 1.3) {
        struct distances distances = distances_to(&COSMOLOGY_PLANCK15, redshift);
        double stretch = 1 + redshift;

        /* Etherington's relation; 1e-15: four roundings. */
        assert_close(distances.luminosity_distance_mpc,
                     distances.angular_diameter_distance_mpc * stretch * stretch, 1e-15);
        assert_true(distances.luminosity_distance_mpc > before_mpc);
        before_mpc = distances.luminosity_distance_mpc;
    }
}

static void an_impossible_redshift_is_refused(void **state)
{
    (void)state;
    const double redshifts[] = { -1e-9, -1, NAN, INFINITY, -INFINITY };

    for (size_t i = 0; i < sizeof(redshifts) / sizeof(redshifts[0]); i++) {
        struct error err = { "" };
        struct distances distances = { .redshift = -7 };

        assert_int_equal(cosmology_distances(&COSMOLOGY_PLANCK18, redshifts[i], &distances, &err),
                         POLYPHONY_INPUT);
        assert_non_null(strstr(err.text, "redshift"));
        assert_true(distances.redshift == -7);
    }
}

/* In several threads at once: GSL's error handler, which would abort, is not touched meanwhile. */
static void quadratures_that_fail_are_told_in_any_thread(void **state)
{
    /* Allowed by cosmology_check(); its quadrature meets roundoff at such a redshift. */
    struct cosmology cosmology = COSMOLOGY_PLANCK18;
    const double redshifts[] = { 1.0, 2.3913073472975362e-11, 5e-324 };
    int n_bad = 0;

    (void)state;
    cosmology.h0_km_s_mpc = 54.3772;
    cosmology.omega_m = 0.271191;
    cosmology.t_cmb_k = 70.0183;
    cosmology.n_eff = 18.6723;
    cosmology.m_nu_ev[2] = 31.6656;
#pragma omp parallel for reduction(+ : n_bad) schedule(static, 1)
    for (int i = 0; i < 3000; i++) {
        struct error err = { "" };
        struct distances distances;
        int r = cosmology_distances(&cosmology, redshifts[i % 3], &distances, &err);

        n_bad += r != 0 && (r != POLYPHONY_INPUT || !strstr(err.text, "redshift"));
        n_bad += i % 3 == 0 && r != 0;
        n_bad += i % 3 == 2 && r == 0;
    }
    assert_int_equal(n_bad, 0);
}

static void cosmologies_are_found_by_name_in_any_case(void **state)
{
    (void)state;
    const char *const names[] = { "Planck18", "planck15", "wmap9" };
    const double h0_km_s_mpc[] = { 67.66, 67.74, 69.32 }; /* astropy's */

    for (size_t i = 0; i < 3; i++) {
        struct error err = { "" };
        struct cosmology cosmology;

        assert_int_equal(cosmology_find(names[i], &cosmology, &err), 0);
        assert_true(cosmology.h0_km_s_mpc == h0_km_s_mpc[i]);
        assert_int_equal(cosmology_check(&cosmology, &err), 0);
    }
}

static void an_unknown_cosmology_gets_the_nearest_and_all_names(void **state)
{
    (void)state;
    struct error err = { "" };
    struct cosmology cosmology;

    assert_int_equal(cosmology_find("Plank15", &cosmology, &err), POLYPHONY_USAGE);
    assert_non_null(strstr(err.text, "did you mean 'Planck15'"));
    for (size_t i = 0; i < COSMOLOGY_N_NAMES; i++)
        assert_non_null(strstr(err.text, COSMOLOGY_NAMES[i]));
    assert_int_equal(cosmology_find("a quite different word", &cosmology, &err), POLYPHONY_USAGE);
    assert_null(strstr(err.text, "did you mean"));
}

static void parameters_out_of_bounds_are_named(void **state)
{
    (void)state;
    const struct {
        const char *name;
        struct cosmology cosmology;
    } cases[] = {
        { "h0_km_s_mpc", { 0.6766, 0.3, 2.7, 3, { 0 } } }, /* h in place of H0 */
        { "h0_km_s_mpc", { NAN, 0.3, 2.7, 3, { 0 } } },
        { "omega_m", { 70, -0.1, 2.7, 3, { 0 } } },
        { "omega_m", { 70, 30, 2.7, 3, { 0 } } }, /* a percentage */
        { "t_cmb_k", { 70, 0.3, INFINITY, 3, { 0 } } },
        { "n_eff", { 70, 0.3, 2.7, -1, { 0 } } },
        { "m_nu_ev[2]", { 70, 0.3, 2.7, 3, { 0, 0, -0.06 } } },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = { "" };
        struct distances distances;

        assert_int_equal(cosmology_check(&cases[i].cosmology, &err), POLYPHONY_USAGE);
        assert_non_null(strstr(err.text, cases[i].name));
        assert_int_equal(cosmology_distances(&cases[i].cosmology, 1, &distances, &err), POLYPHONY_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planck18_distances_are_those_of_astropy),
        cmocka_unit_test(an_einstein_de_sitter_universe_has_its_closed_form),
        cmocka_unit_test(an_empty_de_sitter_universe_has_its_closed_form),
        cmocka_unit_test(massless_neutrinos_and_photons_have_their_closed_form),
        cmocka_unit_test(heavy_neutrinos_count_as_matter),
        cmocka_unit_test(redshift_zero_is_ten_parsec_away),
        cmocka_unit_test(the_nearest_galaxies_follow_hubbles_law),
        cmocka_unit_test(every_redshift_up_to_a_million_integrates),
        cmocka_unit_test(an_impossible_redshift_is_refused),
        cmocka_unit_test(quadratures_that_fail_are_told_in_any_thread),
        cmocka_unit_test(cosmologies_are_found_by_name_in_any_case),
        cmocka_unit_test(an_unknown_cosmology_gets_the_nearest_and_all_names),
        cmocka_unit_test(parameters_out_of_bounds_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
