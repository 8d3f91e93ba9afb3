/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Physical constants, and the units that files may carry.
 *
 * Inside the program every quantity is in one system: kpc, Msun, yr, km/s, Msun/yr, angstrom, Hz, erg/s,
 * erg/s/Hz, nJy, erg/s/cm^2, arcsec. Readers multiply by units_factor() once; nothing else converts.
 */
#pragma once

#include "polyphony/base.h"

/*
 * The values are those of the reference package (unyt 3.0.4), older than today's CODATA, because users
 * compare numbers. Distances are the exception: made with CODATA 2018, as astropy makes them (cosmology.h).
 */
#define UNITS_LIGHT_SPEED_CM_S       2.99792458e10         /* [cm s^-1] SI, exact */
#define UNITS_LIGHT_SPEED_KM_S       2.99792458e5          /* [km s^-1] SI, exact */
#define UNITS_LIGHT_SPEED_ANGSTROM_S 2.99792458e18         /* [angstrom s^-1] SI, exact */
#define UNITS_PLANCK_ERG_S           6.62606957e-27        /* [erg s] CODATA 2010 */
#define UNITS_BOLTZMANN_ERG_K        1.3806488e-16         /* [erg K^-1] CODATA 2010 */
#define UNITS_GRAVITY_CGS            6.67408e-8            /* [cm^3 g^-1 s^-2] CODATA 2014 */
#define UNITS_MSUN_G                 1.98841586e33         /* [g] unyt */
#define UNITS_LSUN_ERG_S             3.827e33              /* [erg s^-1] unyt; IAU 2015 B3 has 3.828e33 */
#define UNITS_PARSEC_CM              3.0856775809623245e18 /* [cm] unyt; IAU 2015 B2 is 1.7e-10 larger */
#define UNITS_KPC_CM                 3.0856775809623245e21 /* [cm] 1e3 parsec */
#define UNITS_MPC_CM                 3.0856775809623245e24 /* [cm] 1e6 parsec */
#define UNITS_YEAR_S                 3.15576e7             /* [s] Julian year, 365.25 d */
#define UNITS_AMU_G                  1.660538921e-24       /* [g] CODATA 2010 */
#define UNITS_EV_ERG                 1.602176562e-12       /* [erg] unyt; CODATA 2010 ends in 565 */
#define UNITS_NJY_CGS                1e-32                 /* [erg s^-1 cm^-2 Hz^-1] exact */
#define UNITS_ARCSEC_RAD             4.84813681109536e-6   /* [rad] pi / 648000 */

/** What a number measures; the comment is the internal unit, whose factor is 1. */
enum units_kind {
    UNITS_DIMENSIONLESS, /* [-] */
    UNITS_LENGTH,        /* kpc, proper */
    UNITS_MASS,          /* Msun */
    UNITS_TIME,          /* yr */
    UNITS_VELOCITY,      /* km/s */
    UNITS_MASS_RATE,     /* Msun/yr */
    UNITS_WAVELENGTH,    /* angstrom */
    UNITS_FREQUENCY,     /* Hz */
    UNITS_ENERGY_RATE,   /* erg/s */
    UNITS_LNU,           /* erg/s/Hz */
    UNITS_FLUX,          /* erg/s/cm^2 */
    UNITS_FNU,           /* nJy */
    UNITS_ANGLE,         /* arcsec */
};

/*
 * A unit is an expression: numbers, words and powers, multiplied and divided (docs/formats.md), in the
 * spellings of unyt, astropy, FITS and h5py users: "1e10*Msun", "erg s^-1 Hz^-1", "kiloparsec", "0.1 nm",
 * "M\u2609", "ckpc/h". What it measures must be the kind that is expected; Hz counts as something else than
 * 1/s, so that an energy is no luminosity density. An empty text is a pure number and nothing else.
 */

/** What a file says of its frame; scale factor a = 1/(1+z), h = H0 / (100 km/s/Mpc). */
struct units_frame {
    bool has_a, has_h;
    double a, h; /* [-] */
};

/** A unit is factor * a^a_power * h^h_power of ours. */
struct units_reading {
    double factor;
    double a_power, h_power;
};

/**
 * Factor that turns a value in `unit` into our internal unit of `kind`; rounded once.
 *
 * @param unit       the text of the file's attribute, not NULL
 * @param frame      what a and h are, or NULL: then a unit with them is refused, with what to do
 * @param ret_factor [internal unit / unit], > 0 and finite, written on success only
 *
 * Any thread, allocates nothing.
 * Return: 0; POLYPHONY_INPUT for a word that is not known (the text has the nearest one), a unit of another
 * kind ("is a length, expected a mass"), one with two readings (mpc, "kpc / a h"), code units, solar
 * metallicities, logarithms. Callers prefix file and dataset.
 */
int units_factor(const char *unit, enum units_kind kind, const struct units_frame *frame, double *ret_factor,
                 struct error *err);

/** Our unit of a kind, in the spelling of the list above. */
const char *units_name(enum units_kind kind);

/** The two halves of it: does a unit need a or h? */
int units_read(const char *unit, enum units_kind kind, struct units_reading *ret_reading, struct error *err);
int units_apply(const char *unit, const struct units_reading *reading, const struct units_frame *frame,
                double *ret_factor, struct error *err);

/**
 * The same for numbers that are decimal logarithms: our value is factor * 10^number. "dex(Myr)", "log10(yr)",
 * "yr" (old grids); without a unit or with that of a pure number the logarithm is of our unit.
 */
int units_factor_log10(const char *unit, enum units_kind kind, double *ret_factor, struct error *err);
