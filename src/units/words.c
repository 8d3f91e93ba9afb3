/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The words of unit expressions: a small table of units, the prefixes each takes, and what else people call
 * them. Upper and lower case matter where two units differ in nothing else (Mpc and mpc); elsewhere KPC is
 * kpc.
 */
#include "units_private.h"

#include <string.h>
#include <strings.h>

#define WORD_MAX 48

struct unit {
    const char *names;    /* each between spaces */
    const char *prefixes; /* symbols of those it takes */
    long double number;   /* 0: 1 */
    signed char power[N_BASE];
    bool is_exact;     /* letter by letter only */
    bool doubts_milli; /* who writes mpc or myr nearly always means the million */
};

#define ERG [BASE_G] = 1, [BASE_CM] = 2

/* Suns and angstroms that were signs are words by now, and the micro sign is a u (expression.c). */
static const struct unit units[] = {
    { " pc parsec parsecs ", "mkMG", 0, .power = { [BASE_KPC] = 1, [BASE_TEN] = -3 }, .doubts_milli = true },
    { " m meter meters metre metres ", "fpnumckMGT", 0, .power = { [BASE_CM] = 1, [BASE_TEN] = 2 } },
    { " angstrom angstroms AA Ang ", "", 0, .power = { [BASE_CM] = 1, [BASE_TEN] = -8 } },
    { " micron microns ", "", 0, .power = { [BASE_CM] = 1, [BASE_TEN] = -4 } },
    { " au ", "", 1.495978707L, .power = { [BASE_CM] = 1, [BASE_TEN] = 13 } }, /* IAU 2012 B2, exact */
    { " ly lyr lightyear lightyears ", "kMG", 2.99792458L,
      .power = { [BASE_CM] = 1, [BASE_S] = -1, [BASE_YR] = 1, [BASE_TEN] = 10 } },

    { " Msun M_sun Msol M_sol solMass sol_mass Msolar M_solar solar_mass solar_masses sunmass ", "", 0,
      .power = { [BASE_MSUN] = 1 } },
    { " g gm gram grams gramme grammes ", "umkMG", 0, .power = { [BASE_G] = 1 } },

    { " yr yrs year years annum ", "mkMGT", 0, .power = { [BASE_YR] = 1 }, .doubts_milli = true },
    { " ka ", "", 0, .power = { [BASE_YR] = 1, [BASE_TEN] = 3 }, .is_exact = true },
    { " Ma ", "", 0, .power = { [BASE_YR] = 1, [BASE_TEN] = 6 }, .is_exact = true },
    { " Ga ", "", 0, .power = { [BASE_YR] = 1, [BASE_TEN] = 9 }, .is_exact = true },
    { " s S sec secs second seconds ", "fpnumkMG", 0, .power = { [BASE_S] = 1 } },
    { " min minute minutes ", "", 60, .power = { [BASE_S] = 1 } },
    { " hr hrs hour hours ", "", 3600, .power = { [BASE_S] = 1 } },
    { " d day days ", "", 86400, .power = { [BASE_S] = 1 } },

    { " Hz hertz ", "mkMGT", 0, .power = { [BASE_HZ] = 1 } },
    { " erg ergs ", "", 0, .power = { ERG, [BASE_S] = -2 } },
    { " J joule joules ", "mkMG", 0, .power = { ERG, [BASE_S] = -2, [BASE_TEN] = 7 } },
    { " W watt watts ", "mkMG", 0, .power = { ERG, [BASE_S] = -3, [BASE_TEN] = 7 } },
    { " eV electronvolt electronvolts ", "mkMGT", 0, .power = { [BASE_EV] = 1 } },
    { " Lsun L_sun Lsol L_sol solLum sol_lum Lsolar L_solar solar_luminosity solar_luminosities ", "", 0,
      .power = { [BASE_LSUN] = 1 } },
    { " Jy jansky janskys janskies ", "numkM", 0,
      .power = { [BASE_G] = 1, [BASE_S] = -3, [BASE_HZ] = -1, [BASE_TEN] = -23 } },

    { " arcsec arcsecs arcsecond arcseconds ", "um", 0, .power = { [BASE_ARCSEC] = 1 } },
    { " mas ", "", 0, .power = { [BASE_ARCSEC] = 1, [BASE_TEN] = -3 } },
    { " uas ", "", 0, .power = { [BASE_ARCSEC] = 1, [BASE_TEN] = -6 } },
    { " arcmin arcmins arcminute arcminutes ", "", 60, .power = { [BASE_ARCSEC] = 1 } },
    { " deg degs degree degrees ", "", 3600, .power = { [BASE_ARCSEC] = 1 } },
    { " rad radian radians ", "um", 0, .power = { [BASE_RAD] = 1 } },
    { " K kelvin kelvins ", "mkM", 0, .power = { [BASE_KELVIN] = 1 } },
    { " percent per_cent ", "", 0, .power = { [BASE_TEN] = -2 } },

    { " a aexp a_exp scale_factor scalefactor ", "", 0, .power = { [BASE_SCALE_FACTOR] = 1 },
      .is_exact = true },
    { " h little_h littleh ", "", 0, .power = { [BASE_HUBBLE] = 1 }, .is_exact = true },
    /* Said of lengths and of years: no factors. */
    { " proper physical phys julian ", "", 0, .power = { 0 } },
};
#define N_UNIT (sizeof(units) / sizeof(*units))

static const struct prefix {
    const char *symbol, *word;
    int exponent;
} prefixes[] = {
    { "", "", 0 },        { "f", "femto", -15 }, { "p", "pico", -12 }, { "n", "nano", -9 },
    { "u", "micro", -6 }, { "m", "milli", -3 },  { "c", "centi", -2 }, { "k", "kilo", 3 },
    { "M", "mega", 6 },   { "G", "giga", 9 },    { "T", "tera", 12 },
};
#define N_PREFIX (sizeof(prefixes) / sizeof(*prefixes))

/* What a message may suggest; the reader knows more. */
static const char *const known[] = {
    "pc",     "kpc",    "Mpc",      "Gpc", "parsec", "kiloparsec", "megaparsec", "cm",       "m",
    "km",     "Msun",   "solMass",  "g",   "kg",     "yr",         "kyr",        "Myr",      "Gyr",
    "year",   "s",      "angstrom", "nm",  "um",     "micron",     "mm",         "Hz",       "GHz",
    "erg",    "W",      "Lsun",     "nJy", "uJy",    "mJy",        "Jy",         "arcsec",   "mas",
    "arcmin", "degree", "rad",      "K",   "keV",    "ckpc",       "cMpc",       "comoving", "dimensionless",
};

static struct quantity quantity_of(const struct unit *unit, int exponent)
{
    struct quantity quantity = { .number = unit->number != 0 ? unit->number : 1 };

    for (size_t i = 0; i < N_BASE; i++)
        quantity.power[i] = unit->power[i];
    quantity.power[BASE_TEN] += exponent;
    return quantity;
}

static bool is_same(const struct quantity *a, const struct quantity *b)
{
    return a->number == b->number && !memcmp(a->power, b->power, sizeof(a->power));
}

/* Is this name (of n bytes, from `name` on) what the word says after the prefix? */
static bool says(const char *word, const char *prefix, const char *name, size_t n, bool folds)
{
    size_t n_prefix = strlen(prefix);

    if (strlen(word) != n_prefix + n)
        return false;
    return folds ? !strncasecmp(word, prefix, n_prefix) && !strncasecmp(word + n_prefix, name, n)
                 : !strncmp(word, prefix, n_prefix) && !strncmp(word + n_prefix, name, n);
}

/* Words take both kinds of prefix (kiloparsec, kparsec), symbols take symbols (kpc). */
static bool unit_says(const struct unit *unit, const struct prefix *prefix, const char *word, bool folds)
{
    bool is_taken = !*prefix->symbol || strchr(unit->prefixes, *prefix->symbol);

    for (const char *name = unit->names + 1; is_taken && *name; name += strcspn(name, " ") + 1) {
        size_t n = strcspn(name, " ");

        if (says(word, prefix->symbol, name, n, folds) || (n > 3 && says(word, prefix->word, name, n, folds)))
            return true;
    }
    return false;
}

/* How many different units a word may mean; the last of them. */
static int find(const char *word, bool folds, struct quantity *ret_quantity)
{
    int n = 0;

    for (size_t u = 0; u < N_UNIT; u++)
        for (size_t p = 0; p < N_PREFIX; p++) {
            struct quantity quantity;

            if ((folds && units[u].is_exact) || !unit_says(&units[u], &prefixes[p], word, folds))
                continue;
            quantity = quantity_of(&units[u], prefixes[p].exponent);
            if (n && is_same(&quantity, ret_quantity))
                continue;
            *ret_quantity = quantity;
            n += 1 + (units[u].doubts_milli && *prefixes[p].symbol == 'm' && strncasecmp(word, "milli", 5));
        }
    return n;
}

static int find_any_case(const char *word, struct quantity *ret_quantity)
{
    int n = find(word, false, ret_quantity);

    return n || strlen(word) < 2 ? n : find(word, true, ret_quantity);
}

/* ---- comoving and proper ----------------------------------------------------------------------- */

static const struct mark {
    const char *before, *after;
    bool is_comoving;
    bool is_of_parsecs; /* only: cm is a centimetre */
} marks[] = {
    { "c", "", true, true },           { "p", "", false, true },         { "", "cm", true, true },
    { "comoving_", "", true, false },  { "", "_comoving", true, false }, { "co_moving_", "", true, false },
    { "proper_", "", false, false },   { "", "_proper", false, false },  { "physical_", "", false, false },
    { "", "_physical", false, false }, { "", "_phys", false, false },    { "", "_com", true, false },
};

static int find_marked(const char *word, struct quantity *ret_quantity)
{
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        const struct mark *mark = &marks[i];
        size_t n_before = strlen(mark->before), n_after = strlen(mark->after), n_word = strlen(word);
        char stem[WORD_MAX];
        int n;

        if (n_word <= n_before + n_after || strncmp(word, mark->before, n_before) ||
            strcmp(word + n_word - n_after, mark->after))
            continue;
        text_format(stem, sizeof(stem), "%.*s", (int)(n_word - n_before - n_after), word + n_before);
        n = find_any_case(stem, ret_quantity);
        if (!n || (mark->is_of_parsecs && ret_quantity->power[BASE_KPC] == 0))
            continue;
        if (mark->is_comoving)
            ret_quantity->power[BASE_SCALE_FACTOR] += 1;
        ret_quantity->is_comoving = mark->is_comoving;
        return n;
    }
    return 0;
}

/* ---- what is no unit --------------------------------------------------------------------------- */

static bool is_one_of(const char *word, const char *names)
{
    size_t n = strlen(word);

    for (const char *name = names + 1; *name; name += strcspn(name, " ") + 1)
        if (strcspn(name, " ") == n && !strncasecmp(word, name, n))
            return true;
    return false;
}

/* Words that have a meaning, but no factor; false for others. */
static bool refuse(const char *word, struct error *err)
{
    if (!strncasecmp(word, "code", 4) || !strncmp(word, "U_", 2) ||
        is_one_of(word, " unitary internal internal_units simulation_units sim_units "))
        error_set(
            err, POLYPHONY_INPUT,
            "'%s' is the simulation's own unit, and only its files say how large it is: multiply the numbers by it, and write the unit they are in then (kpc, Msun, yr, ...)",
            word);
    else if (is_one_of(word, " Zsun Z_sun Zsol Z_sol Zsolar Z_solar solar solar_metallicity sun "))
        error_set(
            err, POLYPHONY_INPUT,
            "'%s': what is solar is a choice (0.0134, 0.0142 and 0.02 are in use): multiply the numbers by the one of your simulation, so that they are mass fractions, and write 'dimensionless'",
            word);
    else if (is_one_of(word, " log lg ln log_10 dex mag mags ABmag magnitude magnitudes "))
        error_set(err, POLYPHONY_INPUT,
                  "'%s': logarithms are not read here: write the numbers themselves and their unit", word);
    else
        return false;
    return true;
}

static int unknown_word(const char *word, struct error *err)
{
    size_t n = strlen(word) > 1 ? sizeof(known) / sizeof(*known) : 0; /* all of one letter are as near */

    return error_set(err, POLYPHONY_INPUT, "unknown unit '%s'%s", word, text_meant(word, known, n).text);
}

int unit_word(const char *given, enum units_kind kind, struct quantity *ret_quantity, struct error *err)
{
    char word[WORD_MAX];
    int n;

    given += strspn(given, "_");
    if (!text_format(word, sizeof(word), "%s", given))
        return error_set(err, POLYPHONY_INPUT, "unknown unit '%.20s...'", given);
    for (size_t end = strlen(word); end > 0 && word[end - 1] == '_'; end--)
        word[end - 1] = '\0'; /* Msun_ */
    if (!strcmp(word, "A") && kind == UNITS_WAVELENGTH)
        text_format(word, sizeof(word), "AA");
    if (is_one_of(word, " comoving co_moving ")) {
        *ret_quantity =
            (struct quantity) { .number = 1, .power = { [BASE_SCALE_FACTOR] = 1 }, .is_comoving = true };
        return 0;
    }
    n = find_any_case(word, ret_quantity);
    if (!n)
        n = find_marked(word, ret_quantity);
    if (n == 1)
        return 0;
    if (n > 1)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s' may be thousandths or millions: write which, with its capital letter (Mpc, Myr, MHz, ...) or as a number (1e-3*pc)",
            word);
    return refuse(word, err) ? POLYPHONY_INPUT : unknown_word(word, err);
}
