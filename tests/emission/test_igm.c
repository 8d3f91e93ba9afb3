/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/igm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

extern const struct igm_row igm_row_none, igm_row_inoue14, igm_row_madau96;

#define N_LAMBDA 11

/* Optical depths reach 26 in the vectors: some roundings of 26 in the exponent are 1e-14 of the result. */
#define TOLERANCE 1e-13

static const double lambda_rest_angstrom[N_LAMBDA] = { 500,  700,  900,  911,    930, 960,
                                                       1000, 1100, 1215, 1216.5, 1300 };

static void assert_close(double value, double expected, double relative)
{
    if (!(fabs(value - expected) <= relative * fabs(expected)))
        fail_msg("%.17g, expected %.17g, relative difference %.3g", value, expected, value / expected - 1);
}

static double transmission_at(const struct igm_row *model, double redshift, double lambda_observed_angstrom)
{
    double transmission = NAN;

    igm_transmission(model, redshift, 1, &lambda_observed_angstrom, &transmission);
    return transmission;
}

static void assert_transmission(const struct igm_row *model, double redshift, const double *expected)
{
    double lambda_observed_angstrom[N_LAMBDA], transmission[N_LAMBDA];

    for (size_t i = 0; i < N_LAMBDA; i++)
        lambda_observed_angstrom[i] = lambda_rest_angstrom[i] * (1 + redshift);
    igm_transmission(model, redshift, N_LAMBDA, lambda_observed_angstrom, transmission);
    for (size_t i = 0; i < N_LAMBDA; i++)
        assert_close(transmission[i], expected[i], TOLERANCE);
}

static void inoue_agrees_with_the_reference(void **state)
{
    (void)state;
    static const struct {
        double redshift;
        double expected[N_LAMBDA];
    } cases[] = {
        { 1,
          { 0.6066727700989211, 0.6967108882516119, 0.9115749416736353, 0.9286339119162439,
            0.9492548059748455, 0.9552410526467044, 0.9586858242534996, 0.9656432080795145,
            0.9613267697478189, 1, 1 } },
        { 3,
          { 0.10720721442759405, 0.1402199914410839, 0.5463457765470981, 0.6177411564156935,
            0.7062611156636714, 0.7334192520032098, 0.7419478676115051, 0.7579250407577429, 0.670198134044177,
            1, 1 } },
        { 6,
          { 7.375876634999089e-07, 6.191295853147627e-07, 0.005582362292474357, 0.01545277928684139,
            0.041836123022796885, 0.06086042174725823, 0.06807220949796507, 0.07090403341576156,
            0.010384291866177682, 1, 1 } },
        { 7,
          { 4.3786473821489323e-11, 4.391160726007991e-12, 4.687187386389376e-05, 0.00031605427861079765,
            0.0018241949930483314, 0.003471257931043293, 0.0037534836568325117, 0.004055059237402101,
            7.41855354975048e-05, 1, 1 } },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_transmission(&igm_row_inoue14, cases[i].redshift, cases[i].expected);
}

static void madau_agrees_with_the_reference(void **state)
{
    (void)state;
    static const struct {
        double redshift;
        double expected[N_LAMBDA];
    } cases[] = {
        { 1,
          { 0.41582873119302816, 0.4950018211811642, 0.8066076653706499, 0.8361846237189233,
            0.891894274910063, 0.9560432808794722, 0.9634307558400099, 0.9723848071762734, 0.9612670737374581,
            1, 1 } },
        { 3,
          { 0, 0.030322995809662728, 0.24236664684755707, 0.2931264372005403, 0.41610155789995457,
            0.6097733906090733, 0.6636749693717949, 0.7347965278607602, 0.6474561647882312, 1, 1 } },
        { 6,
          { 0, 0, 0.0002964513490698072, 0.0007650296854427374, 0.004550733818443549, 0.032404531783130165,
            0.05829673111289409, 0.1180747078767435, 0.049107778085764366, 1, 1 } },
        { 7,
          { 0, 0, 3.5106539063239914e-06, 1.4699079585083049e-05, 0.00021945660418643873,
            0.004324361159542733, 0.010983432384122945, 0.03367114967913715, 0.008365574227392463, 1, 1 } },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_transmission(&igm_row_madau96, cases[i].redshift, cases[i].expected);
}

static void no_model_and_no_redshift_let_everything_through(void **state)
{
    (void)state;
    for (double lambda = 10; lambda < 1e5; lambda *= 1.1) {
        assert_true(transmission_at(&igm_row_none, 7, lambda) == 1);
        assert_true(transmission_at(&igm_row_inoue14, 0, lambda) == 1);
        assert_true(transmission_at(&igm_row_madau96, 0, lambda) == 1);
    }
}

static void nothing_absorbs_redward_of_lyman_alpha(void **state)
{
    (void)state;
    for (double redshift = 0.01; redshift < 15; redshift += 0.37) {
        double inoue_angstrom = 1215.67 * (1 + redshift), madau_angstrom = 1216 * (1 + redshift);

        assert_true(transmission_at(&igm_row_inoue14, redshift, inoue_angstrom) == 1);
        assert_true(transmission_at(&igm_row_inoue14, redshift, inoue_angstrom * (1 - 1e-9)) < 1);
        assert_true(transmission_at(&igm_row_madau96, redshift, madau_angstrom * (1 + 1e-9)) == 1);
        assert_true(transmission_at(&igm_row_madau96, redshift, madau_angstrom) < 1);
    }
}

static void inoue_stays_between_zero_and_one(void **state)
{
    (void)state;
    for (double redshift = 0.01; redshift < 20; redshift += 0.13) {
        for (double lambda = 1; lambda < 3e4; lambda *= 1.05) {
            double transmission = transmission_at(&igm_row_inoue14, redshift, lambda);

            assert_true(transmission >= 0);
            assert_true(transmission <= 1);
        }
    }
    assert_true(transmission_at(&igm_row_inoue14, 3, NAN) == 0);
}

static void inoue_lyman_alpha_forest_has_the_published_depth(void **state)
{
    (void)state;
    /* Between Lyman beta and alpha only the first line of table 2 counts: one rest wavelength, 1100 angstrom,
     * in each piece of the fit. 1e-14: the power is split in two. */
    const double redshifts[] = { 1, 2, 2.2, 4, 6 };

    for (size_t i = 0; i < sizeof(redshifts) / sizeof(redshifts[0]); i++) {
        double r = 1100 * (1 + redshifts[i]) / 1215.67;
        double laf = r < 2.2   ? 0.0168976 * pow(r, 1.2)
                     : r < 5.7 ? 0.00235379 * pow(r, 3.7)
                               : 0.000102611 * pow(r, 5.5);
        double dla = r < 3 ? 0.000161698 * r * r : 5.38995e-05 * r * r * r;

        assert_close(transmission_at(&igm_row_inoue14, redshifts[i], 1100 * (1 + redshifts[i])),
                     exp(-laf - dla), 1e-14);
    }
}

static void inoue_continuum_begins_from_nothing_at_the_lyman_limit(void **state)
{
    (void)state;
    /* At the limit the fits cancel but for the rounding of their coefficients, 5e-6 each in three terms that
     * grow as (1+z)^3 at most. */
    const double redshifts[] = { 0.5, 1.1, 1.3, 1.9, 2.1, 4.6, 4.8, 7 };

    for (size_t i = 0; i < sizeof(redshifts) / sizeof(redshifts[0]); i++) {
        double limit_angstrom = 911.8 * (1 + redshifts[i]);
        double red = transmission_at(&igm_row_inoue14, redshifts[i], limit_angstrom);
        double blue = transmission_at(&igm_row_inoue14, redshifts[i], limit_angstrom * (1 - 1e-9));

        assert_close(blue, red, 1.5e-5 * pow(1 + redshifts[i], 3));
    }
}

static void madau_lets_nothing_through_far_below_the_limit(void **state)
{
    (void)state;
    assert_true(transmission_at(&igm_row_madau96, 3, 950 * 4 - 1500) == 0);
    assert_true(transmission_at(&igm_row_madau96, 3, 950 * 4 - 1500 + 1e-6) > 0);
}

static void a_wavelength_gets_the_same_bits_alone_or_among_others(void **state)
{
    (void)state;
    double lambda[200], transmission[200];

    for (const struct igm_row *const *row = igm_rows; *row; row++) {
        for (size_t i = 0; i < 200; i++)
            lambda[i] = 400 + 61.7 * (double)((i * 73) % 200);
        igm_transmission(*row, 5, 200, lambda, transmission);
        for (size_t i = 0; i < 200; i++)
            assert_true(transmission[i] == transmission_at(*row, 5, lambda[i]));
    }
}

static void models_are_found_by_name_in_any_case(void **state)
{
    (void)state;
    const char *const names[] = { "none", "Inoue14", "MADAU96" };

    for (size_t i = 0; igm_rows[i]; i++) {
        const struct igm_row *model;
        struct error err = { "" };

        assert_int_equal(igm_find(names[i], &model, &err), 0);
        assert_ptr_equal(model, igm_rows[i]);
        assert_int_equal(igm_find(igm_rows[i]->name, &model, &err), 0);
        assert_ptr_equal(model, igm_rows[i]);
    }
}

static void an_unknown_model_gets_the_nearest_and_all_names(void **state)
{
    (void)state;
    struct error err = { "" };
    const struct igm_row *model;

    assert_int_equal(igm_find("inuoe14", &model, &err), POLYPHONY_USAGE);
    assert_non_null(strstr(err.text, "did you mean 'inoue14'"));
    for (size_t i = 0; igm_rows[i]; i++)
        assert_non_null(strstr(err.text, igm_rows[i]->name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inoue_agrees_with_the_reference),
        cmocka_unit_test(madau_agrees_with_the_reference),
        cmocka_unit_test(no_model_and_no_redshift_let_everything_through),
        cmocka_unit_test(nothing_absorbs_redward_of_lyman_alpha),
        cmocka_unit_test(inoue_stays_between_zero_and_one),
        cmocka_unit_test(inoue_lyman_alpha_forest_has_the_published_depth),
        cmocka_unit_test(inoue_continuum_begins_from_nothing_at_the_lyman_limit),
        cmocka_unit_test(madau_lets_nothing_through_far_below_the_limit),
        cmocka_unit_test(a_wavelength_gets_the_same_bits_alone_or_among_others),
        cmocka_unit_test(models_are_found_by_name_in_any_case),
        cmocka_unit_test(an_unknown_model_gets_the_nearest_and_all_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
