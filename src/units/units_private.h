/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/units.h"

/*
 * What units are made of. A unit is a product of powers of these and a number, and stays one until the end:
 * so kpc/kpc is exactly 1, and a factor is rounded once. The scale factor and h are among them, until the
 * file says what they are.
 */
enum base {
    BASE_TEN,
    BASE_CM,
    BASE_KPC,
    BASE_G,
    BASE_MSUN,
    BASE_S,
    BASE_YR,
    BASE_LSUN,
    BASE_EV,
    BASE_HZ, /* on its own, so that an energy is no luminosity density */
    BASE_RAD,
    BASE_ARCSEC,
    BASE_KELVIN,
    BASE_SCALE_FACTOR,
    BASE_HUBBLE,
    N_BASE
};

enum dimension { LENGTH, MASS, TIME, FREQUENCY, ANGLE, TEMPERATURE, N_DIMENSION };

struct quantity {
    long double number;   /* > 0 */
    double power[N_BASE]; /* [-] */
    bool is_comoving;     /* by a word for it: then it is a length */
};

/* ---- quantity.c -------------------------------------------------------------------------------- */

/* By multiplying where that is exact or nearly so. */
long double quantity_power_of(long double value, double exponent);
/* quantity *= factor^power */
void quantity_multiply(struct quantity *quantity, const struct quantity *factor, double power);
/* Exponents of its dimensions. */
void quantity_dimensions(const struct quantity *quantity, double ret_dimension[N_DIMENSION]);
/* The number in cgs, without scale factor and h; 0, infinite or NaN where out of range. */
double quantity_value(const struct quantity *quantity);

/* ---- words.c ----------------------------------------------------------------------------------- */

/* The unit that a word means, to any spelling in use. `kind` is what is expected: it decides what an A is. */
int unit_word(const char *word, enum units_kind kind, struct quantity *ret_quantity, struct error *err);

/* ---- expression.c ------------------------------------------------------------------------------ */

/* Bytes of an expression in ASCII, with its end: fewer than io reads of an attribute, so that none is cut off
 * unseen. */
#define EXPRESSION_MAX 200

/* UTF-8 and the spellings of operators to ASCII, without space around it; false if it is too long. */
bool expression_to_ascii(const char *text, char ret_ascii[EXPRESSION_MAX]);

/*
 * Read it. Where a product without a sign comes after a division ("erg / s Hz") people mean one thing or the
 * other: `is_tight` has such products bind tighter; *ret_is_doubtful says that it matters.
 */
int expression_read(const char *ascii, enum units_kind kind, bool is_tight, struct quantity *ret_quantity,
                    bool *ret_is_doubtful, struct error *err);
