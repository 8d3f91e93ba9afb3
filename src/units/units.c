/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "units_private.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* Far above roundings of exponents such as 1/3, far below any difference that is meant. */
#define EXPONENT_ROUNDING 1e-9

/* What messages call a kind, its unit here, and what messages offer. In the order of the enum. */
static const struct {
    const char *name, *ours, *examples;
    signed char power[N_BASE];
} kinds[] = {
    [UNITS_DIMENSIONLESS] = { "a pure number", "dimensionless", "dimensionless", { 0 } },
    [UNITS_LENGTH] = { "a length", "kpc", "kpc, pc, Mpc, Gpc, cm, m, km", { [BASE_KPC] = 1 } },
    [UNITS_MASS] = { "a mass", "Msun", "Msun, 1e10*Msun, solMass, g, kg", { [BASE_MSUN] = 1 } },
    [UNITS_TIME] = { "a time", "yr", "yr, kyr, Myr, Gyr, s", { [BASE_YR] = 1 } },
    [UNITS_VELOCITY] = { "a velocity",
                         "km/s",
                         "km/s, m/s, cm/s",
                         { [BASE_CM] = 1, [BASE_S] = -1, [BASE_TEN] = 5 } },
    [UNITS_MASS_RATE] = { "a mass per time",
                          "Msun/yr",
                          "Msun/yr, Msun/Myr, Msun/Gyr, g/s",
                          { [BASE_MSUN] = 1, [BASE_YR] = -1 } },
    [UNITS_WAVELENGTH] = { "a wavelength",
                           "angstrom",
                           "angstrom, nm, um, micron, mm, cm, m",
                           { [BASE_CM] = 1, [BASE_TEN] = -8 } },
    [UNITS_FREQUENCY] = { "a frequency", "Hz", "Hz, GHz", { [BASE_HZ] = 1 } },
    [UNITS_ENERGY_RATE] = { "an energy per time",
                            "erg/s",
                            "erg/s, W, Lsun",
                            { [BASE_G] = 1, [BASE_CM] = 2, [BASE_S] = -3 } },
    [UNITS_LNU] = { "an energy per time and frequency",
                    "erg/s/Hz",
                    "erg/s/Hz, erg/(Hz*s), W/Hz",
                    { [BASE_G] = 1, [BASE_CM] = 2, [BASE_S] = -3, [BASE_HZ] = -1 } },
    [UNITS_FLUX] = { "an energy per time and area",
                     "erg/s/cm**2",
                     "erg/s/cm**2, erg/(cm**2*s)",
                     { [BASE_G] = 1, [BASE_S] = -3 } },
    [UNITS_FNU] = { "a flux density",
                    "nJy",
                    "nJy, uJy, mJy, Jy",
                    { [BASE_G] = 1, [BASE_S] = -3, [BASE_HZ] = -1, [BASE_TEN] = -32 } },
    [UNITS_ANGLE] = { "an angle", "arcsec", "arcsec, mas, arcmin, degree, rad", { [BASE_ARCSEC] = 1 } },
};
#define N_KIND ((int)(sizeof(kinds) / sizeof(*kinds)))

static struct quantity unit_of_kind(enum units_kind kind)
{
    struct quantity quantity = { .number = 1 };

    for (size_t i = 0; i < N_BASE; i++)
        quantity.power[i] = kinds[kind].power[i];
    return quantity;
}

static bool have_same_dimensions(const struct quantity *a, const struct quantity *b)
{
    double of_a[N_DIMENSION], of_b[N_DIMENSION];

    quantity_dimensions(a, of_a);
    quantity_dimensions(b, of_b);
    for (size_t d = 0; d < N_DIMENSION; d++)
        if (!(fabs(of_a[d] - of_b[d]) < EXPONENT_ROUNDING))
            return false;
    return true;
}

static bool is_of_kind(const struct quantity *quantity, enum units_kind kind)
{
    const struct quantity unit = unit_of_kind(kind);

    return have_same_dimensions(quantity, &unit);
}

/* ---- messages ---------------------------------------------------------------------------------- */

/* "length^2 mass time^-2" */
static void describe_dimensions(const struct quantity *quantity, char *ret_text, size_t size)
{
    static const char *const names[] = { "length", "mass", "time", "frequency", "angle", "temperature" };
    double dimension[N_DIMENSION];

    *ret_text = '\0';
    quantity_dimensions(quantity, dimension);
    for (size_t d = 0; d < N_DIMENSION; d++) {
        size_t used = strlen(ret_text);

        if (fabs(dimension[d]) < EXPONENT_ROUNDING)
            continue;
        if (fabs(dimension[d] - 1) < EXPONENT_ROUNDING)
            text_format(ret_text + used, size - used, "%s%s", used ? " " : "", names[d]);
        else
            text_format(ret_text + used, size - used, "%s%s^%g", used ? " " : "", names[d], dimension[d]);
    }
}

static int wrong_kind(const char *unit, const struct quantity *quantity, enum units_kind kind,
                      struct error *err)
{
    char text[160];

    for (int other = 0; other < N_KIND; other++)
        if (is_of_kind(quantity, (enum units_kind)other))
            return error_set(err, POLYPHONY_INPUT, "unit '%.80s' is %s, expected %s: use one of %s", unit,
                             kinds[other].name, kinds[kind].name, kinds[kind].examples);
    describe_dimensions(quantity, text, sizeof(text));
    return error_set(err, POLYPHONY_INPUT, "unit '%.80s' is %s, expected %s: use one of %s", unit, text,
                     kinds[kind].name, kinds[kind].examples);
}

/* The reader's reason becomes a message. What a word needs it says itself; elsewhere examples help. */
static int unreadable(const char *unit, enum units_kind kind, struct error *err)
{
    char reason[sizeof(err->text)];

    if (!err)
        return POLYPHONY_INPUT;
    memcpy(reason, err->text, sizeof(reason));
    if (*reason == '\'')
        return error_set(err, POLYPHONY_INPUT, "unit %s", reason);
    if (strncmp(reason, "unknown", strlen("unknown")))
        error_set(err, POLYPHONY_INPUT, "unit '%.80s' %s", unit, reason);
    else if (!strstr(reason, unit))
        error_set(err, POLYPHONY_INPUT, "%s in '%.80s'", reason, unit);
    memcpy(reason, err->text, sizeof(reason));
    return error_set(
        err, POLYPHONY_INPUT,
        "%s, expected %s: use one of %s, or an expression of numbers, units and powers (1e10*Msun, erg s^-1 Hz^-1)",
        reason, kinds[kind].name, kinds[kind].examples);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static bool is_pure_number(const char *text)
{
    static const char *const spellings[] = { "",         "1",    "-",        "dimensionless",
                                             "unitless", "none", "no units", "no unit",
                                             "--",       "n/a",  "na",       "(dimensionless)" };

    for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++)
        if (!strcasecmp(text, spellings[i]))
            return true;
    return false;
}

/* "[kpc]" is kpc. */
static void strip_brackets(char *text)
{
    size_t n = strlen(text), first;

    if (n < 2 || text[0] != '[' || text[n - 1] != ']')
        return;
    text[n - 1] = '\0';
    first = 1 + strspn(text + 1, " ");
    memmove(text, text + first, strlen(text + first) + 1);
    for (n = strlen(text); n > 0 && text[n - 1] == ' '; n--)
        text[n - 1] = '\0';
}

/* Of the two readings of "erg / s Hz", the one that is of this kind. */
static int read_expression(const char *unit, enum units_kind kind, struct quantity *ret_quantity,
                           struct error *err)
{
    struct quantity tight;
    bool is_doubtful;
    int r = expression_read(unit, kind, false, ret_quantity, &is_doubtful, err);

    if (r || !is_doubtful)
        return r;
    r = expression_read(unit, kind, true, &tight, &is_doubtful, err);
    if (r || !is_of_kind(&tight, kind))
        return r;
    if (is_of_kind(ret_quantity, kind) && memcmp(ret_quantity->power, tight.power, sizeof(tight.power)))
        return error_set(err, POLYPHONY_INPUT,
                         "can be read in two ways: write * after the division, or brackets");
    *ret_quantity = tight;
    return 0;
}

int units_read(const char *unit, enum units_kind kind, struct units_reading *ret_reading, struct error *err)
{
    struct quantity quantity = { .number = 1 }, ours = unit_of_kind(kind);
    struct units_reading reading = { 0 };
    char text[EXPRESSION_MAX];
    int r = 0;

    if (!expression_to_ascii(unit, text))
        return error_set(err, POLYPHONY_INPUT, "unit '%.40s...' is longer than %d letters", text,
                         EXPRESSION_MAX - 1);
    strip_brackets(text);
    if (!strcmp(text, "a") && kind == UNITS_TIME)
        text_format(text, sizeof(text), "yr"); /* annum */
    if (!is_pure_number(text))
        r = read_expression(text, kind, &quantity, err);
    if (r)
        return unreadable(text, kind, err);
    if (!is_of_kind(&quantity, kind))
        return wrong_kind(text, &quantity, kind, err);
    if (quantity.is_comoving && kind != UNITS_LENGTH)
        return error_set(err, POLYPHONY_INPUT,
                         "unit '%.80s': only lengths are called comoving: write the power of a instead",
                         text);
    if (quantity.is_comoving && quantity.power[BASE_SCALE_FACTOR] != 1)
        return error_set(err, POLYPHONY_INPUT,
                         "unit '%.80s' is comoving and has the scale factor once more: leave one", text);
    if (kind == UNITS_DIMENSIONLESS &&
        (quantity.power[BASE_SCALE_FACTOR] != 0 || quantity.power[BASE_HUBBLE] != 0))
        return error_set(err, POLYPHONY_INPUT,
                         "unit '%.80s' is the scale factor or h, expected a pure number", text);
    reading.a_power = quantity.power[BASE_SCALE_FACTOR];
    reading.h_power = quantity.power[BASE_HUBBLE];
    quantity_multiply(&quantity, &ours, -1);
    reading.factor = quantity_value(&quantity);
    if (!(reading.factor >= DBL_MIN && reading.factor <= DBL_MAX))
        return error_set(err, POLYPHONY_INPUT, "unit '%.80s' is %g of ours: out of range", text,
                         reading.factor);
    *ret_reading = reading;
    return 0;
}

/* value^power, or what a user is to do about it. */
static int apply(const char *unit, bool is_known, const char *name, const char *what, double value,
                 double power, long double *factor, struct error *err)
{
    char how[48] = "";

    if (power == 0)
        return 0;
    if (is_known) {
        if (power < 0)
            *factor /= quantity_power_of(value, -power);
        else
            *factor *= quantity_power_of(value, power);
        return 0;
    }
    if (fabs(power) != 1)
        text_format(how, sizeof(how), "^%g", fabs(power));
    return error_set(
        err, POLYPHONY_INPUT,
        "unit '%.80s' has %s, which the file does not give: %s the numbers by %s%s, %s, and leave it out of the unit; or give it as attribute '%s' of the file",
        unit, what, power < 0 ? "divide" : "multiply", name, how,
        *name == 'a' ? "a = 1/(1+z)" : "h = H0/(100 km/s/Mpc)", name);
}

int units_apply(const char *unit, const struct units_reading *reading, const struct units_frame *frame,
                double *ret_factor, struct error *err)
{
    static const struct units_frame nothing;
    long double factor = reading->factor;
    int r;

    frame = frame ? frame : &nothing;
    r = apply(unit, frame->has_a, "a", "the scale factor (comoving)", frame->a, reading->a_power, &factor,
              err);
    if (!r)
        r = apply(unit, frame->has_h, "h", "the Hubble parameter h", frame->h, reading->h_power, &factor,
                  err);
    if (!r && !((double)factor >= DBL_MIN && (double)factor <= DBL_MAX))
        r = error_set(err, POLYPHONY_INPUT, "unit '%.80s' is %g of ours: out of range", unit, (double)factor);
    if (!r)
        *ret_factor = (double)factor;
    return r;
}

const char *units_name(enum units_kind kind)
{
    return kinds[kind].ours;
}

int units_factor(const char *unit, enum units_kind kind, const struct units_frame *frame, double *ret_factor,
                 struct error *err)
{
    struct units_reading reading;
    int r = units_read(unit, kind, &reading, err);

    return r ? r : units_apply(unit, &reading, frame, ret_factor, err);
}

int units_factor_log10(const char *unit, enum units_kind kind, double *ret_factor, struct error *err)
{
    static const char *const functions[] = { "dex", "log10", "log_10", "log", "lg" };
    const char *inner = unit + strspn(unit, " ");
    char text[EXPRESSION_MAX];

    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        size_t n = strlen(functions[i]);

        if (strncasecmp(inner, functions[i], n) || !(inner[n] == '\0' || strchr(" (/[", inner[n])))
            continue;
        inner += n;
        break;
    }
    inner += strspn(inner, " /");
    if (!expression_to_ascii(inner, text))
        return error_set(err, POLYPHONY_INPUT, "unit '%.40s...' is longer than %d letters", text,
                         EXPRESSION_MAX - 1);
    strip_brackets(text);
    if (is_pure_number(text) || !strcmp(text, "()")) {
        *ret_factor = 1;
        return 0;
    }
    return units_factor(text, kind, NULL, ret_factor, err);
}
