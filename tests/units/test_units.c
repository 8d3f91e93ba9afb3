/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/units.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_close(double value, double expected, double relative)
{
    if (!(fabs(value - expected) <= relative * fabs(expected)))
        fail_msg("%.17g, expected %.17g, relative difference %.3g", value, expected, value / expected - 1);
}

static double factor_of(const char *unit, enum units_kind kind)
{
    struct error err = { "" };
    double factor = NAN;

    if (units_factor(unit, kind, &factor, &err))
        fail_msg("'%s': %s", unit, err.text);
    return factor;
}

static void constants_are_those_of_the_reference(void **state)
{
    (void)state;
    /* 5e-16: the reference reaches some of its values by a multiplication, one rounding away from ours. */
    const double tolerance = 5e-16;

    assert_close(UNITS_LIGHT_SPEED_CM_S, 299792458.0 * 1e2, tolerance);
    assert_close(UNITS_PLANCK_ERG_S, 6.62606957e-27, tolerance);
    assert_close(UNITS_BOLTZMANN_ERG_K, 1.3806488e-16, tolerance);
    assert_close(UNITS_GRAVITY_CGS, 6.674079999999999e-08, tolerance);
    assert_close(UNITS_MSUN_G, 1.9884158600000002e+33, tolerance);
    assert_close(UNITS_LSUN_ERG_S, 3.827e33, tolerance);
    assert_close(UNITS_PARSEC_CM, 3.0856775809623245e+18, tolerance);
    assert_close(UNITS_MPC_CM, 3.085677580962325e+24, tolerance);
    assert_close(UNITS_YEAR_S, 31557600.0, tolerance);
    assert_close(UNITS_AMU_G, 1.6605389209999996e-24, tolerance);
    assert_close(UNITS_EV_ERG, 1.602176562e-12, tolerance);
    assert_close(UNITS_NJY_CGS, 1e-32, tolerance);
    assert_close(UNITS_ARCSEC_RAD, 4.84813681109536e-06, tolerance);
}

static void one_constant_in_several_units_is_one_constant(void **state)
{
    (void)state;
    /* 5e-16: one rounding of the multiplication. */
    assert_close(UNITS_LIGHT_SPEED_KM_S * 1e5, UNITS_LIGHT_SPEED_CM_S, 5e-16);
    assert_close(UNITS_LIGHT_SPEED_ANGSTROM_S * 1e-8, UNITS_LIGHT_SPEED_CM_S, 5e-16);
    assert_close(UNITS_PARSEC_CM * 1e3, UNITS_KPC_CM, 5e-16);
    assert_close(UNITS_PARSEC_CM * 1e6, UNITS_MPC_CM, 5e-16);
    /* 1e-14: the reference gives the arcsecond to 15 digits. */
    assert_close(UNITS_ARCSEC_RAD, acos(-1.0) / 648000, 1e-14);
}

static void units_of_our_catalogues_have_exact_factors(void **state)
{
    (void)state;
    assert_true(factor_of("dimensionless", UNITS_DIMENSIONLESS) == 1);
    assert_true(factor_of("yr", UNITS_TIME) == 1);
    assert_true(factor_of("Myr", UNITS_TIME) == 1e6);
    assert_true(factor_of("Gyr", UNITS_TIME) == 1e9);
    assert_true(factor_of("pc", UNITS_LENGTH) == 1e-3);
    assert_true(factor_of("kpc", UNITS_LENGTH) == 1);
    assert_true(factor_of("Mpc", UNITS_LENGTH) == 1e3);
    assert_true(factor_of("Msun", UNITS_MASS) == 1);
    assert_true(factor_of("km/s", UNITS_VELOCITY) == 1);
    assert_true(factor_of("Msun/yr", UNITS_MASS_RATE) == 1);
    assert_true(factor_of("Msun/Myr", UNITS_MASS_RATE) == 1e-6);
}

static void every_spelling_of_a_unit_is_the_same_unit(void **state)
{
    (void)state;
    const char *const angstroms[] = { "angstrom", "Angstrom", "AA", "\xc3\x85", "\xe2\x84\xab" };
    const char *const microns[] = { "um", "micron", "\xc2\xb5m", "\xce\xbcm" };
    const char *const lnus[] = { "erg/s/Hz", "erg/Hz/s", "erg/(Hz*s)", "erg/(s*Hz)" };

    for (size_t i = 0; i < sizeof(angstroms) / sizeof(angstroms[0]); i++)
        assert_true(factor_of(angstroms[i], UNITS_WAVELENGTH) == 1);
    for (size_t i = 0; i < sizeof(microns) / sizeof(microns[0]); i++)
        assert_true(factor_of(microns[i], UNITS_WAVELENGTH) == 1e4);
    for (size_t i = 0; i < sizeof(lnus) / sizeof(lnus[0]); i++)
        assert_true(factor_of(lnus[i], UNITS_LNU) == 1);
    assert_true(factor_of("erg/(cm**2*s)", UNITS_FLUX) == 1);
    assert_true(factor_of("nJy", UNITS_FNU) == 1);
}

static void derived_factors_agree_with_known_magnitudes(void **state)
{
    (void)state;
    /* 1e-3: numbers everyone knows to four digits; a wrong power of ten or an inverse would miss by far. */
    assert_close(1 / factor_of("kg", UNITS_MASS), 1.988e30, 1e-3);
    assert_close(1 / factor_of("km", UNITS_LENGTH), 3.086e16, 1e-3);
    assert_close(1 / factor_of("s", UNITS_TIME), 3.156e7, 1e-3);
    assert_close(1 / factor_of("g/s", UNITS_MASS_RATE), 6.301e25, 1e-3);
    assert_close(factor_of("rad", UNITS_ANGLE), 206265, 1e-3);
    assert_close(factor_of("W/Hz", UNITS_LNU), 1e7, 1e-3);
    assert_close(factor_of("Jy", UNITS_FNU), 1e9, 1e-3);
}

static void a_unit_may_serve_two_kinds(void **state)
{
    (void)state;
    assert_true(factor_of("cm", UNITS_WAVELENGTH) == 1e8);
    /* 1e-15: a product of two rounded numbers. */
    assert_close(factor_of("cm", UNITS_LENGTH) * UNITS_KPC_CM, 1, 1e-15);
}

static void the_wrong_kind_is_named(void **state)
{
    (void)state;
    struct error err = { "" };
    double factor = -7;

    assert_int_equal(units_factor("kpc", UNITS_MASS, &factor, &err), POLYPHONY_INPUT);
    assert_non_null(strstr(err.text, "'kpc' is a length, expected a mass"));
    assert_non_null(strstr(err.text, "Msun"));
    assert_true(factor == -7);
}

static void an_unknown_unit_lists_the_known_ones(void **state)
{
    (void)state;
    struct error err = { "" };
    double factor = -7;

    assert_int_equal(units_factor("parsecs", UNITS_LENGTH, &factor, &err), POLYPHONY_INPUT);
    assert_non_null(strstr(err.text, "'parsecs'"));
    assert_non_null(strstr(err.text, "kpc, pc, Mpc"));
    assert_null(strstr(err.text, "Msun"));
    assert_true(factor == -7);
    assert_int_equal(units_factor("parsecs", UNITS_LENGTH, &factor, NULL), POLYPHONY_INPUT);
}

static void a_missing_unit_and_the_wrong_case_are_unknown(void **state)
{
    (void)state;
    struct error err = { "" };
    double factor;

    assert_int_equal(units_factor("", UNITS_DIMENSIONLESS, &factor, &err), POLYPHONY_INPUT);
    assert_int_equal(units_factor("MYR", UNITS_TIME, &factor, &err), POLYPHONY_INPUT);
    assert_int_equal(units_factor("kpc/h", UNITS_LENGTH, &factor, &err), POLYPHONY_INPUT);
}

static void lists_of_known_units_are_complete_for_every_kind(void **state)
{
    (void)state;
    /* The last unit of each kind, in the order of the enum: a list cut short would miss it. */
    const char *const last[] = { "dimensionless", "km", "kg", "s", "cm/s", "g/s", "m", "GHz", "Lsun", "W/Hz",
                                 "erg/(s*cm**2)", "Jy", "rad" };

    for (int kind = UNITS_DIMENSIONLESS; kind <= UNITS_ANGLE; kind++) {
        struct error err = { "" };
        double factor;
        size_t n_last = strlen(last[kind]);

        assert_int_equal(units_factor("furlong", (enum units_kind)kind, &factor, &err), POLYPHONY_INPUT);
        assert_true(strlen(err.text) > n_last);
        assert_string_equal(err.text + strlen(err.text) - n_last, last[kind]);
        factor_of(last[kind], (enum units_kind)kind);
    }
}

static void a_unit_of_absurd_length_does_no_harm(void **state)
{
    (void)state;
    char unit[4096];
    struct error err = { "" };
    double factor;

    memset(unit, 'x', sizeof(unit) - 1);
    unit[sizeof(unit) - 1] = '\0';
    assert_int_equal(units_factor(unit, UNITS_WAVELENGTH, &factor, &err), POLYPHONY_INPUT);
    assert_non_null(strstr(err.text, "angstrom"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_are_those_of_the_reference),
        cmocka_unit_test(one_constant_in_several_units_is_one_constant),
        cmocka_unit_test(units_of_our_catalogues_have_exact_factors),
        cmocka_unit_test(every_spelling_of_a_unit_is_the_same_unit),
        cmocka_unit_test(derived_factors_agree_with_known_magnitudes),
        cmocka_unit_test(a_unit_may_serve_two_kinds),
        cmocka_unit_test(the_wrong_kind_is_named),
        cmocka_unit_test(an_unknown_unit_lists_the_known_ones),
        cmocka_unit_test(a_missing_unit_and_the_wrong_case_are_unknown),
        cmocka_unit_test(lists_of_known_units_are_complete_for_every_kind),
        cmocka_unit_test(a_unit_of_absurd_length_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
