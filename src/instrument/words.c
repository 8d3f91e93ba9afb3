/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What names, units and comments of filter files say. Comments are prose: "pivot wavelength 1.15 micron" is
 * not the unit of a column, "wavelength in nm" is.
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
#define N_WORDS(words) (sizeof(words) / sizeof(*(words)))

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

static bool is_one_of(const char *word, const char *const *words, size_t n)
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

    return is_one_of(word, words, N_WORDS(words));
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

/* ---- sentences -------------------------------------------------------------------------------------- */

/* A word of a line, and what stands around it. */
struct token {
    char text[32];
    char left;  /* the character before it, or 0 */
    char right; /* and behind it */
    bool is_number, is_per_cent;
};

static bool is_word_byte(char c)
{
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* The next word, number or '%' at or after *text; false at the end. */
static bool next_token(const char **text, const char *begin, struct token *ret_token)
{
    const char *at = *text, *end;

    while (*at && !isalnum((unsigned char)*at) && !is_word_byte(*at) && *at != '%')
        at++;
    if (!*at)
        return false;
    *ret_token = (struct token) { .is_number = isdigit((unsigned char)*at), .is_per_cent = *at == '%' };
    for (end = at + 1; !ret_token->is_per_cent && *end; end++)
        if (ret_token->is_number ? !isdigit((unsigned char)*end) && *end != '.' : !is_word_byte(*end))
            break;
    text_format(ret_token->text, sizeof(ret_token->text), "%.*s", (int)(end - at < 31 ? end - at : 31), at);
    ret_token->left = at > begin ? at[-1] : '\0';
    ret_token->right = *end == '-' && !isdigit((unsigned char)end[1]) ? ' ' : *end;
    *text = end;
    return true;
}

/* Words that are a column's name in a header, and anything in a sentence. */
static bool is_vague(const char *word)
{
    static const char *const words[] = { "t",  "r",     "tr",  "eff",  "energy",
                                         "nu", "total", "tot", "pass", "trans" };

    return is_one_of(word, words, N_WORDS(words));
}

/* "units", "xunit". */
static bool says_units(const char *word)
{
    const char *unit = strcasestr(word, "unit");

    return unit && (!unit[4] || !strcasecmp(unit + 4, "s"));
}

static bool is_per_cent(const struct token *token, const struct token *before)
{
    if (before->is_number) /* "at 50 % of the peak" */
        return false;
    return token->is_per_cent || !strcasecmp(token->text, "percent") ||
           !strcasecmp(token->text, "percentage") ||
           (!strcasecmp(token->text, "cent") && !strcasecmp(before->text, "per"));
}

/* The unit at the end of "wavelengthnm" [angstrom]; 0: none. */
static double unit_at_end(const char *word)
{
    static const char *const names[] = { "wavelengths", "wavelength", "lambda" };

    for (size_t i = 0; i < N_WORDS(names); i++) {
        size_t n = strlen(names[i]);

        if (!strncasecmp(word, names[i], n) && strlen(word + n) > 1)
            return curve_unit_angstrom(word + n, true);
    }
    return 0.0;
}

/* "0.1 nm]", "10^-10 m)", "pm]": a power of ten of a unit, to the closing bracket [angstrom]; 0: none. */
static double unit_in_brackets(const char *text, char ret_unit[32])
{
    double angstrom, power;

    text_format(ret_unit, 32, "%.*s", (int)strcspn(text, "])}"), text);
    if (units_factor(ret_unit, UNITS_WAVELENGTH, NULL, &angstrom, NULL))
        return 0.0;
    power = log10(angstrom); /* "(500 nm)" is a wavelength, not a unit of some */
    return fabs(power - rint(power)) < 1e-9 ? angstrom : 0.0;
}

static bool is_logarithm(const char *word)
{
    static const char *const words[] = { "dB", "mag", "mags", "magnitude", "magnitudes" };

    return is_one_of(word, words, N_WORDS(words));
}

/* "wavelength [10 nm]": what is in the brackets of which this is the first word. It ends at `end`. */
static double read_brackets(struct curve_table *table, const char *end, struct token *token)
{
    static const char *const frames[] = { "air", "vac", "vacuum", "rest", "observed", "obs", "in" };
    bool is_word =
        !token->is_number && !token->is_per_cent && !is_one_of(token->text, frames, N_WORDS(frames));
    char word[32];
    double angstrom;

    memcpy(word, token->text, sizeof(word));
    angstrom = unit_in_brackets(end - strlen(token->text), token->text);
    if (angstrom > 0)
        return angstrom;
    memcpy(token->text, word, sizeof(word));
    if (is_word && (token->right == ']' || token->right == ')') && curve_column_of(word) == COLUMN_OTHER)
        (void)curve_quote(word, strlen(word), table->no_unit);
    return 0.0;
}

/* Directly behind a bracket, or joined to "wavelength_". */
static bool is_bracketed(const struct token *token, const struct token *before)
{
    return token->left == '[' || token->left == '(' || token->left == '{' ||
           (token->left == '_' && curve_column_of(before->text) == COLUMN_WAVELENGTH);
}

/* Is a unit here the unit of a number, or part of another unit? */
static bool is_elsewhere(const struct token *token, const struct token *before)
{
    return before->is_number || !strcasecmp(before->text, "per") || !strcasecmp(before->text, "from") ||
           (token->left == '/' && curve_column_of(before->text) != COLUMN_WAVELENGTH) ||
           token->right == '^' || token->right == '*' || token->right == '-' ||
           isdigit((unsigned char)token->right);
}

/* "[THz]", "frequency in GHz", "(cm-1)", "# GHz transmission": a unit of what is not a wavelength. */
static bool is_inverse(const struct token *token, const struct token *before, bool is_named)
{
    static const char *const words[] = { "Hz", "MHz", "GHz", "THz", "eV", "keV" };
    bool is_wavenumber = !strcasecmp(token->text, "cm") && (token->right == '-' || token->right == '^');
    bool is_first = before->text[0] == '\0';

    if (before->is_number || token->left == '/' || !(is_named || is_first || is_bracketed(token, before)))
        return false;
    return is_wavenumber ||
           (token->right != '-' && token->right != '^' && is_one_of(token->text, words, N_WORDS(words)));
}

void curve_read_claims(struct curve_table *table, const char *text, size_t line)
{
    enum curve_column subject = COLUMN_OTHER;
    const char *at = text;
    struct token token, before = { .is_number = false };
    bool is_of_columns = false, is_of_curve = false, is_of_wavelengths = false;

    table->is_energy_counter |= strcasestr(text, "energy count") || strcasestr(text, "energy-count") ||
                                !strcasecmp(text, "energy"); /* CIGALE's second line */
    for (; next_token(&at, text, &token); before = token) {
        enum curve_column column = curve_column_of(token.text);
        bool is_set_off = is_bracketed(&token, &before);
        double angstrom = curve_unit_angstrom(token.text, is_set_off), joined = unit_at_end(token.text);

        is_of_curve |= curve_is_of_whole(token.text);
        is_of_wavelengths |= column == COLUMN_WAVELENGTH;
        is_of_columns |= is_of_wavelengths || says_units(token.text);
        table->is_per_cent |= is_per_cent(&token, &before);
        if (is_set_off && token.left != '_' && angstrom == 0.0 && !is_of_curve &&
            curve_column_of(before.text) == COLUMN_WAVELENGTH)
            joined = read_brackets(table, at, &token);
        if (is_set_off && is_logarithm(token.text) && curve_column_of(before.text) == COLUMN_TRANSMISSION)
            table->logarithm_place = line;
        if (joined > 0)
            curve_claim(table, CURVE_DECLARES, token.text, joined, line);
        else if (angstrom > 0 && !is_of_curve && !is_elsewhere(&token, &before))
            curve_claim(table,
                        !is_set_off && !is_of_columns                ? CURVE_MENTION
                        : is_set_off && subject == COLUMN_WAVELENGTH ? CURVE_DECLARES
                                                                     : CURVE_SAYS,
                        token.text, angstrom, line);
        else if (!is_of_wavelengths && !is_of_curve &&
                 is_inverse(&token, &before, is_of_columns || subject == COLUMN_FREQUENCY))
            table->inverse_place = line;
        else if (column != COLUMN_OTHER && !is_vague(token.text))
            subject = column;
    }
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
