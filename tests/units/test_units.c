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

/* What a file says of itself, where it does. */
static const struct units_frame frame = { .has_a = true, .has_h = true, .a = 0.25, .h = 0.6774 };

static double factor_of(const char *unit, enum units_kind kind)
{
    struct error err = { "" };
    double factor = NAN;

    if (units_factor(unit, kind, &frame, &factor, &err))
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

static void refused(const char *unit, enum units_kind kind, const struct units_frame *given,
                    const char *reason)
{
    struct error err = { "" };
    double factor = -7;

    if (units_factor(unit, kind, given, &factor, &err) != POLYPHONY_INPUT)
        fail_msg("'%.100s' was read as %g", unit, factor);
    if (!strstr(err.text, reason))
        fail_msg("'%.100s': '%s' does not say '%s'", unit, err.text, reason);
    assert_true(factor == -7);
    assert_int_equal(units_factor(unit, kind, given, &factor, NULL), POLYPHONY_INPUT);
}

struct case_of_unit {
    const char *unit;
    enum units_kind kind;
    double factor;
};

/* Before there were expressions this table was all: its factors are in results that exist, to the bit. */
static const struct case_of_unit plain[] = {
    { "dimensionless", UNITS_DIMENSIONLESS, 1 },
    { "kpc", UNITS_LENGTH, 1 },
    { "pc", UNITS_LENGTH, 1e-3 },
    { "Mpc", UNITS_LENGTH, 1e3 },
    { "Gpc", UNITS_LENGTH, 1e6 },
    { "cm", UNITS_LENGTH, 1 / UNITS_KPC_CM },
    { "m", UNITS_LENGTH, 1e2 / UNITS_KPC_CM },
    { "km", UNITS_LENGTH, 1e5 / UNITS_KPC_CM },
    { "Msun", UNITS_MASS, 1 },
    { "solMass", UNITS_MASS, 1 },
    { "g", UNITS_MASS, 1 / UNITS_MSUN_G },
    { "kg", UNITS_MASS, 1e3 / UNITS_MSUN_G },
    { "yr", UNITS_TIME, 1 },
    { "kyr", UNITS_TIME, 1e3 },
    { "Myr", UNITS_TIME, 1e6 },
    { "Gyr", UNITS_TIME, 1e9 },
    { "s", UNITS_TIME, 1 / UNITS_YEAR_S },
    { "km/s", UNITS_VELOCITY, 1 },
    { "m/s", UNITS_VELOCITY, 1e-3 },
    { "cm/s", UNITS_VELOCITY, 1e-5 },
    { "Msun/yr", UNITS_MASS_RATE, 1 },
    { "Msun/Myr", UNITS_MASS_RATE, 1e-6 },
    { "Msun/Gyr", UNITS_MASS_RATE, 1e-9 },
    { "g/s", UNITS_MASS_RATE, UNITS_YEAR_S / UNITS_MSUN_G },
    { "angstrom", UNITS_WAVELENGTH, 1 },
    { "Angstrom", UNITS_WAVELENGTH, 1 },
    { "AA", UNITS_WAVELENGTH, 1 },
    { "\u00c5", UNITS_WAVELENGTH, 1 },
    { "\u212b", UNITS_WAVELENGTH, 1 },
    { "nm", UNITS_WAVELENGTH, 1e1 },
    { "um", UNITS_WAVELENGTH, 1e4 },
    { "\u00b5m", UNITS_WAVELENGTH, 1e4 },
    { "\u03bcm", UNITS_WAVELENGTH, 1e4 },
    { "micron", UNITS_WAVELENGTH, 1e4 },
    { "mm", UNITS_WAVELENGTH, 1e7 },
    { "cm", UNITS_WAVELENGTH, 1e8 },
    { "m", UNITS_WAVELENGTH, 1e10 },
    { "Hz", UNITS_FREQUENCY, 1 },
    { "GHz", UNITS_FREQUENCY, 1e9 },
    { "erg/s", UNITS_ENERGY_RATE, 1 },
    { "W", UNITS_ENERGY_RATE, 1e7 },
    { "Lsun", UNITS_ENERGY_RATE, UNITS_LSUN_ERG_S },
    { "erg/s/Hz", UNITS_LNU, 1 },
    { "erg/Hz/s", UNITS_LNU, 1 },
    { "erg/(Hz*s)", UNITS_LNU, 1 },
    { "erg/(s*Hz)", UNITS_LNU, 1 },
    { "W/Hz", UNITS_LNU, 1e7 },
    { "erg/s/cm**2", UNITS_FLUX, 1 },
    { "erg/s/cm^2", UNITS_FLUX, 1 },
    { "erg/(cm**2*s)", UNITS_FLUX, 1 },
    { "erg/(s*cm**2)", UNITS_FLUX, 1 },
    { "nJy", UNITS_FNU, 1 },
    { "uJy", UNITS_FNU, 1e3 },
    { "mJy", UNITS_FNU, 1e6 },
    { "Jy", UNITS_FNU, 1e9 },
    { "arcsec", UNITS_ANGLE, 1 },
    { "mas", UNITS_ANGLE, 1e-3 },
    { "arcmin", UNITS_ANGLE, 60 },
    { "degree", UNITS_ANGLE, 3600 },
    { "deg", UNITS_ANGLE, 3600 },
    { "rad", UNITS_ANGLE, 1 / UNITS_ARCSEC_RAD },
};

static void plain_units_have_the_factors_they_always_had(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        if (factor_of(plain[i].unit, plain[i].kind) != plain[i].factor)
            fail_msg("'%s': %.17g, was %.17g", plain[i].unit, factor_of(plain[i].unit, plain[i].kind),
                     plain[i].factor);
}

/* The numbers are those of unyt 3.0.4's constants, worked out with Python's fractions and rounded once. */
static const struct case_of_unit expressions[] = {
    { "M_sun", UNITS_MASS, 1 },
    { "msun", UNITS_MASS, 1 },
    { "Msol", UNITS_MASS, 1 },
    { "Msun_", UNITS_MASS, 1 },
    { "MSUN", UNITS_MASS, 1 },
    { " Msun\n", UNITS_MASS, 1 },
    { "[Msun]", UNITS_MASS, 1 },
    { "M\u2609", UNITS_MASS, 1 },
    { "$M_\\odot$", UNITS_MASS, 1 },
    { "10^{10} M_{\\odot}", UNITS_MASS, 1e10 },
    { "M_\u2299", UNITS_MASS, 1 },
    { "solar mass", UNITS_MASS, 1 },
    { "solar masses", UNITS_MASS, 1 },
    { "1e10*Msun", UNITS_MASS, 1e10 },
    { "1e10 Msun", UNITS_MASS, 1e10 },
    { "1e10Msun", UNITS_MASS, 1e10 },
    { "1e+10 Msun", UNITS_MASS, 1e10 },
    { "1.0D10 Msun", UNITS_MASS, 1e10 },
    { "10000000000.0*Msun", UNITS_MASS, 1e10 },
    { "10**10 Msun", UNITS_MASS, 1e10 },
    { "10^10 M_sun", UNITS_MASS, 1e10 },
    { "10^{10} M_sun", UNITS_MASS, 1e10 },
    { "10\u00b9\u2070 M\u2609", UNITS_MASS, 1e10 },
    { "gm", UNITS_MASS, 5.029129067598566e-34 },
    { "1e10*Msun/h", UNITS_MASS, 1e10 / 0.6774 },
    { "1e10 Msun h^-1", UNITS_MASS, 1e10 / 0.6774 },
    { "10^10 h^{-1} Msun", UNITS_MASS, 1e10 / 0.6774 },
    { "Msun*h**-1", UNITS_MASS, 1 / 0.6774 },
    { "Msun*h", UNITS_MASS, 0.6774 },

    { "KPC", UNITS_LENGTH, 1 },
    { "Kpc", UNITS_LENGTH, 1 },
    { "kiloparsec", UNITS_LENGTH, 1 },
    { "kiloparsecs", UNITS_LENGTH, 1 },
    { "kparsec", UNITS_LENGTH, 1 },
    { "megaparsec", UNITS_LENGTH, 1e3 },
    { "milliparsec", UNITS_LENGTH, 1e-6 },
    { "pkpc", UNITS_LENGTH, 1 },
    { "pMpc", UNITS_LENGTH, 1e3 },
    { "proper kpc", UNITS_LENGTH, 1 },
    { "kpc_proper", UNITS_LENGTH, 1 },
    { "kpc (physical)", UNITS_LENGTH, 1 },
    { "1e-3 pc", UNITS_LENGTH, 1e-6 },
    { "sqrt(kpc^2)", UNITS_LENGTH, 1 },
    { "pc^(1/2)*pc^0.5", UNITS_LENGTH, 1e-3 },
    { "km/s*Myr", UNITS_LENGTH, 0.00102271216522104 },
    { "kpc/h", UNITS_LENGTH, 1 / 0.6774 },
    { "kpc h^-1", UNITS_LENGTH, 1 / 0.6774 },
    { "kpc h-1", UNITS_LENGTH, 1 / 0.6774 },
    { "h-1 kpc", UNITS_LENGTH, 1 / 0.6774 },
    { "ckpc", UNITS_LENGTH, 0.25 },
    { "cMpc", UNITS_LENGTH, 250 },
    { "kpccm", UNITS_LENGTH, 0.25 },
    { "Mpccm", UNITS_LENGTH, 250 },
    { "a kpc", UNITS_LENGTH, 0.25 },
    { "a*kpc", UNITS_LENGTH, 0.25 },
    { "kpc a", UNITS_LENGTH, 0.25 },
    { "kpc_comoving", UNITS_LENGTH, 0.25 },
    { "comoving kpc", UNITS_LENGTH, 0.25 },
    { "kpc (comoving)", UNITS_LENGTH, 0.25 },
    { "ckpc/h", UNITS_LENGTH, 0.25 / 0.6774 },
    { "kpccm/h", UNITS_LENGTH, 0.25 / 0.6774 },
    { "comoving Mpc h^-1", UNITS_LENGTH, 250 / 0.6774 },
    { "Mpc/h comoving", UNITS_LENGTH, 250 / 0.6774 },
    { "kpc/h (comoving)", UNITS_LENGTH, 0.25 / 0.6774 },
    { "kpc/h physical", UNITS_LENGTH, 1 / 0.6774 },
    { "kpc*a/h", UNITS_LENGTH, 0.25 / 0.6774 },

    { "year", UNITS_TIME, 1 },
    { "years", UNITS_TIME, 1 },
    { "Julian year", UNITS_TIME, 1 },
    { "a", UNITS_TIME, 1 },
    { "Ga", UNITS_TIME, 1e9 },
    { "gigayear", UNITS_TIME, 1e9 },
    { "Gigayears", UNITS_TIME, 1e9 },
    { "GYR", UNITS_TIME, 1e9 },
    { "Gyrs", UNITS_TIME, 1e9 },
    { "Gyr/h", UNITS_TIME, 1e9 / 0.6774 },
    { "1e9*yr", UNITS_TIME, 1e9 },
    { "day", UNITS_TIME, 1 / 365.25 },
    { "hour", UNITS_TIME, 1 / 8766.0 },

    { "km s^-1", UNITS_VELOCITY, 1 },
    { "km s-1", UNITS_VELOCITY, 1 },
    { "km.s-1", UNITS_VELOCITY, 1 },
    { "KM/S", UNITS_VELOCITY, 1 },
    { "km\u00b7s\u207b\u00b9", UNITS_VELOCITY, 1 },
    { "a^0.5 km/s", UNITS_VELOCITY, 0.5 },
    { "a^(1/2) km/s", UNITS_VELOCITY, 0.5 },
    { "sqrt(a)*km/s", UNITS_VELOCITY, 0.5 },
    { "km/h", UNITS_VELOCITY, -1 }, /* h is no hour: a length */
    { "kpc/Gyr", UNITS_VELOCITY, 0.9777922215131457 },
    { "Msun yr^-1", UNITS_MASS_RATE, 1 },
    { "solar masses per year", UNITS_MASS_RATE, 1 },

    { "A", UNITS_WAVELENGTH, 1 },
    { "Angstroms", UNITS_WAVELENGTH, 1 },
    { "ANGSTROM", UNITS_WAVELENGTH, 1 },
    { "A\u030a", UNITS_WAVELENGTH, 1 },
    { "0.1 nm", UNITS_WAVELENGTH, 1 },
    { "1e-10 m", UNITS_WAVELENGTH, 1 },
    { "nanometers", UNITS_WAVELENGTH, 10 },
    { "micrometre", UNITS_WAVELENGTH, 1e4 },

    { "erg s^-1 Hz^-1", UNITS_LNU, 1 },
    { "erg*s**-1*Hz**-1", UNITS_LNU, 1 },
    { "erg / (Hz s)", UNITS_LNU, 1 },
    { "erg / Hz s", UNITS_LNU, 1 },
    { "erg / s / Hz", UNITS_LNU, 1 },
    { "erg s\u207b\u00b9 Hz\u207b\u00b9", UNITS_LNU, 1 },
    { "W Hz-1", UNITS_LNU, 1e7 },
    { "g*cm**2/s**3/Hz", UNITS_LNU, 1 },
    { "solLum/Hz", UNITS_LNU, 3.827e33 },
    { "erg s^-1", UNITS_ENERGY_RATE, 1 },
    { "L\u2609", UNITS_ENERGY_RATE, 3.827e33 },
    { "eV/s", UNITS_ENERGY_RATE, 1.602176562e-12 },
    { "W/m^2", UNITS_FLUX, 1e3 },
    { "erg s-1 cm-2", UNITS_FLUX, 1 },
    { "erg/s/cm^2/Hz", UNITS_FNU, 1e32 },
    { "W m^-2 Hz^-1", UNITS_FNU, 1e35 },
    { "millijansky", UNITS_FNU, 1e6 },
    { "\u00b5Jy", UNITS_FNU, 1e3 },
    { "MJy", UNITS_FNU, 1e15 },
    { "MHz", UNITS_FREQUENCY, 1e6 },
    { "\u00b0", UNITS_ANGLE, 3600 },
    { "uas", UNITS_ANGLE, 1e-6 },

    { "", UNITS_DIMENSIONLESS, 1 },
    { "1", UNITS_DIMENSIONLESS, 1 },
    { "None", UNITS_DIMENSIONLESS, 1 },
    { "unitless", UNITS_DIMENSIONLESS, 1 },
    { "-", UNITS_DIMENSIONLESS, 1 },
    { "[-]", UNITS_DIMENSIONLESS, 1 },
    { "[]", UNITS_DIMENSIONLESS, 1 },
    { "%", UNITS_DIMENSIONLESS, 1e-2 },
    { "per cent", UNITS_DIMENSIONLESS, 1e-2 },
    { "0.0134", UNITS_DIMENSIONLESS, 0.0134 },
    { "Msun/Msun", UNITS_DIMENSIONLESS, 1 },
    { "Msun/g", UNITS_DIMENSIONLESS, 1.98841586e33 },
};

static void expressions_have_their_factors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
        const struct case_of_unit *one = &expressions[i];

        if (one->factor < 0)
            refused(one->unit, one->kind, &frame, "is a length");
        else if (!(fabs(factor_of(one->unit, one->kind) - one->factor) <= 2.3e-16 * one->factor))
            /* 2.3e-16: one rounding, of the expected value where it is a quotient. */
            fail_msg("'%s': %.17g, expected %.17g", one->unit, factor_of(one->unit, one->kind), one->factor);
    }
}

static void a_unit_may_serve_two_kinds(void **state)
{
    (void)state;
    assert_true(factor_of("cm", UNITS_WAVELENGTH) == 1e8);
    /* 1e-15: a product of two rounded numbers. */
    assert_close(factor_of("cm", UNITS_LENGTH) * UNITS_KPC_CM, 1, 1e-15);
}

static void what_the_file_does_not_say_of_its_frame_is_asked_for(void **state)
{
    (void)state;
    const struct units_frame only_a = { .has_a = true, .a = 0.5 };

    refused("ckpc", UNITS_LENGTH, NULL, "multiply the numbers by a, a = 1/(1+z)");
    refused("kpccm", UNITS_LENGTH, NULL, "multiply the numbers by a");
    refused("kpc/h", UNITS_LENGTH, NULL, "divide the numbers by h, h = H0/(100 km/s/Mpc)");
    refused("Msun h^-2", UNITS_MASS, NULL, "divide the numbers by h^2");
    refused("sqrt(a) km/s", UNITS_VELOCITY, NULL, "multiply the numbers by a^0.5");
    refused("ckpc/h", UNITS_LENGTH, &only_a, "divide the numbers by h");
    refused("kpc/a", UNITS_LENGTH, NULL, "divide the numbers by a");
}

static void the_wrong_kind_is_named(void **state)
{
    (void)state;
    refused("kpc", UNITS_MASS, NULL, "'kpc' is a length, expected a mass");
    refused("kpc", UNITS_MASS, NULL, "Msun");
    refused("yr**2", UNITS_TIME, NULL, "'yr^2' is time^2, expected a time");
    refused("", UNITS_LENGTH, NULL, "is a pure number, expected a length");
    refused("dimensionless", UNITS_MASS, NULL, "is a pure number, expected a mass");
    refused("10", UNITS_MASS, NULL, "is a pure number");
    refused("erg", UNITS_LNU, NULL, "'erg' is length^2 mass time^-2");
    refused("erg/s/angstrom", UNITS_LNU, NULL, "length mass time^-3");
    refused("km/s", UNITS_LENGTH, NULL, "is a velocity");
    refused("comoving km/s", UNITS_VELOCITY, &frame, "only lengths are called comoving");
    refused("ckpc (comoving)", UNITS_LENGTH, &frame, "once more");
    refused("a ckpc/h", UNITS_LENGTH, &frame, "once more");
    refused("comoving Mpccm", UNITS_LENGTH, &frame, "once more");
    refused("A", UNITS_LENGTH, NULL, "unknown unit 'A'");
    refused("a", UNITS_LENGTH, &frame, "is a pure number");
    refused("a", UNITS_DIMENSIONLESS, &frame, "scale factor");
}

static void thousandths_are_not_taken_for_millions(void **state)
{
    (void)state;
    assert_true(factor_of("mJy", UNITS_FNU) == 1e6);
    assert_true(factor_of("MJy", UNITS_FNU) == 1e15);
    assert_true(factor_of("Mm", UNITS_WAVELENGTH) == 1e16);
    assert_true(factor_of("mm", UNITS_WAVELENGTH) == 1e7);
    refused("mpc", UNITS_LENGTH, NULL, "thousandths or millions");
    refused("MPC", UNITS_LENGTH, NULL, "thousandths or millions");
    refused("cmpc", UNITS_LENGTH, &frame, "thousandths or millions");
    refused("myr", UNITS_TIME, NULL, "thousandths or millions");
    refused("MYR", UNITS_TIME, NULL, "thousandths or millions");
    refused("mhz", UNITS_FREQUENCY, NULL, "thousandths or millions");
    refused("MM", UNITS_WAVELENGTH, NULL, "thousandths or millions");
    refused("M", UNITS_LENGTH, NULL, "unknown unit 'M'");
    refused("G", UNITS_MASS, NULL, "unknown unit 'G'");
}

static void two_readings_are_refused(void **state)
{
    (void)state;
    refused("kpc / h a", UNITS_LENGTH, &frame, "two ways");
    refused("a^1/2 km/s", UNITS_VELOCITY, &frame, "two ways");
    refused("1 000 kpc", UNITS_LENGTH, NULL, "cannot be read");
}

static void what_has_no_factor_says_what_to_do(void **state)
{
    (void)state;
    refused("code_length", UNITS_LENGTH, &frame, "the simulation's own unit");
    refused("code_mass", UNITS_MASS, &frame, "the simulation's own unit");
    refused("a U_L", UNITS_LENGTH, &frame, "the simulation's own unit");
    refused("Zsun", UNITS_DIMENSIONLESS, &frame, "0.0134");
    refused("Zsol", UNITS_DIMENSIONLESS, &frame, "mass fractions");
    refused("Z\u2609", UNITS_DIMENSIONLESS, &frame, "mass fractions");
    refused("solar", UNITS_DIMENSIONLESS, &frame, "mass fractions");
    refused("dex", UNITS_DIMENSIONLESS, &frame, "logarithms");
    refused("log10(Msun)", UNITS_MASS, &frame, "logarithms");
    refused("parsecz", UNITS_LENGTH, NULL, "did you mean 'parsec'?");
    refused("parsecz", UNITS_LENGTH, NULL, "kpc, pc, Mpc");
    refused("kpc/h70", UNITS_LENGTH, &frame, "unknown unit 'h70'");
    refused("kpc/h0", UNITS_LENGTH, &frame, "unknown unit 'h0'");
    refused("kpc/H0", UNITS_LENGTH, &frame, "unknown unit 'H'");
    refused("furlong", UNITS_LENGTH, NULL, "unknown unit 'furlong'");
    refused("Msun*", UNITS_MASS, NULL, "not complete");
    refused("(Msun", UNITS_MASS, NULL, "not complete");
    refused("Msun)", UNITS_MASS, NULL, "from ')' on");
    refused("0 Msun", UNITS_MASS, NULL, "a number that is 0");
    refused("-1 Msun", UNITS_MASS, NULL, "from '-1 Msun' on");
    refused("1e400 Msun", UNITS_MASS, NULL, "out of range");
    refused("1e308*Gpc^2/pc", UNITS_LENGTH, NULL, "out of range");
    refused("Msun^300/g^299", UNITS_MASS, NULL, "out of range");
    refused("nan kpc", UNITS_LENGTH, NULL, "unknown unit 'nan' in 'nan kpc'");
    refused("0x10 kpc", UNITS_LENGTH, NULL, "0");
}

static void logarithms_are_of_what_the_unit_says(void **state)
{
    (void)state;
    const struct case_of_unit cases[] = {
        { "dex(yr)", UNITS_TIME, 1 },
        { "dex(Myr)", UNITS_TIME, 1e6 },
        { "log10(yr)", UNITS_TIME, 1 },
        { "log(Gyr)", UNITS_TIME, 1e9 },
        { "log10 yr", UNITS_TIME, 1 },
        { "log10(age/yr)", UNITS_TIME, -1 },
        { "yr", UNITS_TIME, 1 },
        { "", UNITS_TIME, 1 },
        { "dex", UNITS_TIME, 1 },
        { "dimensionless", UNITS_TIME, 1 },
        { "dex()", UNITS_TIME, 1 },
        { "dex(kpc)", UNITS_TIME, -1 },
        { "log10(Z)", UNITS_DIMENSIONLESS, -1 },
        { "dex", UNITS_DIMENSIONLESS, 1 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = { "" };
        double factor = -1;

        units_factor_log10(cases[i].unit, cases[i].kind, &factor, &err);
        if (factor != cases[i].factor)
            fail_msg("'%s': %g, expected %g: %s", cases[i].unit, factor, cases[i].factor, err.text);
    }
}

/* Whatever is in an attribute: an error, and no crash (the sanitizers look on). */
static void rubbish_does_no_harm(void **state)
{
    (void)state;
    static char text[70000];
    const char letters[] = "kpcMsunerg123e+-*/^().[]{} _%hazZ\xc3\x85\xe2\x98\x89\xb2\x01";
    uint64_t random = 88172645463325252u;

    for (int i = 0; i < 3000; i++) {
        size_t n = i % 40;

        for (size_t j = 0; j < n; j++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17; /* Marsaglia 2003 */
            text[j] = letters[random % (sizeof(letters) - 1)];
        }
        text[n] = '\0';
        for (int kind = UNITS_DIMENSIONLESS; kind <= UNITS_ANGLE; kind++) {
            struct error err = { "" };
            double factor = -7;
            int r = units_factor(text, (enum units_kind)kind, &frame, &factor, &err);

            assert_true(r ? r == POLYPHONY_INPUT && err.text[0] && factor == -7
                          : factor > 0 && isfinite(factor));
        }
    }
    for (size_t c = 0; c < sizeof(letters) - 1; c++) {
        memset(text, letters[c], sizeof(text) - 1);
        if (letters[c] != ' ') /* nothing but space is no unit at all */
            refused(text, UNITS_LENGTH, &frame, "");
        text[200] = '\0';
        if (letters[c] != ' ')
            refused(text, UNITS_LENGTH, &frame, "");
    }
    refused("((((((((((((((((((((kpc))))))))))))))))))))", UNITS_LENGTH, NULL, "brackets");
    refused("kpc^(1/0)", UNITS_LENGTH, NULL, "");
    refused("kpc^1e9", UNITS_LENGTH, NULL, "");
    refused("kpc^99999999999999999999999", UNITS_LENGTH, NULL, "");
    refused("kpc^400/kpc^399*kpc^400", UNITS_LENGTH, NULL, "");
    refused("sqrt(", UNITS_LENGTH, NULL, "");
    refused("10^", UNITS_LENGTH, NULL, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_are_those_of_the_reference),
        cmocka_unit_test(one_constant_in_several_units_is_one_constant),
        cmocka_unit_test(plain_units_have_the_factors_they_always_had),
        cmocka_unit_test(expressions_have_their_factors),
        cmocka_unit_test(a_unit_may_serve_two_kinds),
        cmocka_unit_test(what_the_file_does_not_say_of_its_frame_is_asked_for),
        cmocka_unit_test(the_wrong_kind_is_named),
        cmocka_unit_test(thousandths_are_not_taken_for_millions),
        cmocka_unit_test(two_readings_are_refused),
        cmocka_unit_test(what_has_no_factor_says_what_to_do),
        cmocka_unit_test(logarithms_are_of_what_the_unit_says),
        cmocka_unit_test(rubbish_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
