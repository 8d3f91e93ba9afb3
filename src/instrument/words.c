/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the names of columns and units in filter files mean.
 */
#include "curve.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "polyphony/units.h"

/* ---- names of columns ------------------------------------------------------------------------------- */

struct word {
    const char *text;
    bool is_whole; /* or only the beginning of what is meant */
};

/* In lower case. "wl" is a word, "wave" begins "wavelength_nm". */
static const struct word wavelength_words[] = {
    { "wave", false }, { "lambda", false }, { "lam", true },
    { "wl", true },    { "wvl", true },     { "\u03bb", false },
};
static const struct word frequency_words[] = {
    { "freq", false },
    { "nu", true },
    { "wavenum", false },
    { "energy", true },
};
/* The likelier first. */
static const struct word transmission_words[] = {
    { "transmission", false },
    { "transmittance", false },
    { "throughput", false },
    { "response", false },
    { "trans", false },
    { "thr", false },
    { "resp", false },
    { "pass", false },
    { "total", false },
    { "tot", true },
    { "sens", false },
    { "efficiency", false },
    { "eff", true },
    { "pce", true },
    { "qe", true },
    { "t", true },
    { "tr", true },
    { "r", true },
};

/* Which of the words a name is or begins with; n for none. */
static size_t find_word(const struct word *words, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strncasecmp(name, words[i].text, strlen(words[i].text)) &&
            (!words[i].is_whole || !isalpha((unsigned char)name[strlen(words[i].text)])))
            return i;
    return n;
}

/* "wavenumber" begins as "wavelength" does. */
enum curve_column curve_column_of(const char *name)
{
    if (find_word(frequency_words, N_WORDS(frequency_words), name) < N_WORDS(frequency_words))
        return COLUMN_FREQUENCY;
    if (find_word(wavelength_words, N_WORDS(wavelength_words), name) < N_WORDS(wavelength_words))
        return COLUMN_WAVELENGTH;
    if (find_word(transmission_words, N_WORDS(transmission_words), name) < N_WORDS(transmission_words))
        return COLUMN_TRANSMISSION;
    return COLUMN_OTHER;
}

size_t curve_column_rank(const char *name)
{
    size_t i = find_word(transmission_words, N_WORDS(transmission_words), name);

    /* "pass" is meant where "pass_1_0" is there, too. */
    return 2 * i + (i < N_WORDS(transmission_words) && strcasecmp(name, transmission_words[i].text));
}

bool curve_is_one_of(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(word, words[i]))
            return true;
    return false;
}

bool curve_is_of_whole(const char *word)
{
    static const char *const words[] = { "pivot",     "eff",        "effective", "mean",  "central",
                                         "centre",    "center",     "peak",      "fwhm",  "width",
                                         "bandwidth", "resolution", "cutoff",    "cuton", "shift",
                                         "ref",       "reference",  "step",      "range" };

    return curve_is_one_of(word, words, N_WORDS(words));
}

/* ---- units ------------------------------------------------------------------------------------------ */

static const struct {
    const char *word;
    bool is_exact; /* letter by letter in a sentence, or in a column of its own as well */
    bool is_alone; /* too short to be known in a sentence */
    double angstrom;
} unit_words[] = {
    { "angstrom", false, false, 1 },
    { "angstroms", false, false, 1 },
    { "\u00e5ngstr\u00f6m", false, false, 1 },
    { "\u00c5ngstr\u00f6m", false, false, 1 },
    { "angstroem", false, false, 1 },
    { "ang", false, false, 1 },
    { "AA", true, false, 1 },
    { "\u00c5", false, false, 1 },
    { "\u212b", false, false, 1 },
    { "A\u030a", false, false, 1 },
    { "\xc5", false, false, 1 }, /* Latin-1 */
    { "A", true, true, 1 },
    { "nm", true, false, 10 },
    { "nanometer", false, false, 10 },
    { "nanometers", false, false, 10 },
    { "nanometre", false, false, 10 },
    { "nanometres", false, false, 10 },
    { "um", true, false, 1e4 },
    { "\u00b5m", false, false, 1e4 },
    { "\u03bcm", false, false, 1e4 },
    { "\xb5m", false, false, 1e4 },
    { "micron", false, false, 1e4 },
    { "microns", false, false, 1e4 },
    { "micrometer", false, false, 1e4 },
    { "micrometers", false, false, 1e4 },
    { "micrometre", false, false, 1e4 },
    { "micrometres", false, false, 1e4 },
    { "mum", false, true, 1e4 },
    { "mm", false, true, 1e7 },
    { "millimeter", false, false, 1e7 },
    { "millimetre", false, false, 1e7 },
    { "cm", false, true, 1e8 },
    { "m", false, true, 1e10 },
    { "meter", false, true, 1e10 },
    { "metre", false, true, 1e10 },
};

double curve_unit_angstrom(const char *word, bool is_alone)
{
    for (size_t i = 0; i < sizeof(unit_words) / sizeof(*unit_words); i++) {
        bool is_exact = unit_words[i].is_exact && (!is_alone || word[1] == '\0');

        if ((is_alone || !unit_words[i].is_alone) &&
            !(is_exact ? strcmp : strcasecmp)(word, unit_words[i].word))
            return unit_words[i].angstrom;
    }
    return 0.0;
}

/* ---- messages --------------------------------------------------------------------------------------- */

const char *curve_quote(const char *text, size_t n, char ret_quote[CURVE_QUOTE_MAX])
{
    size_t i;

    for (i = 0; i < n && i + 1 < CURVE_QUOTE_MAX; i++)
        ret_quote[i] = isprint((unsigned char)text[i]) ? text[i] : text[i] == '\t' ? ' ' : '?';
    ret_quote[i] = '\0';
    return ret_quote;
}
