/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What filter files say of their units. Comments are prose: "pivot wavelength 1.15 micron" is not the unit of a
 * column, "wavelength in nm" is.
 */
#include "curve.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "polyphony/units.h"

void curve_claim(struct curve_table *table, enum curve_surety claim, const char *unit, double angstrom,
                 size_t place)
{
    if (claim < table->claim || (claim == table->claim && angstrom == table->angstrom))
        return;
    if (claim == table->claim) {
        text_format(table->rival, sizeof(table->rival), "%s", unit);
        table->rival_place = place;
        return;
    }
    table->claim = claim;
    table->angstrom = angstrom;
    table->unit_place = place;
    table->rival[0] = '\0';
    text_format(table->unit, sizeof(table->unit), "%.20s", unit);
}

int curve_declare(const struct curve_file *file, struct curve_table *table, const char *unit, size_t place,
                  struct error *err)
{
    double angstrom = curve_unit_angstrom(unit, true), factor;

    if (!*unit || !strcmp(unit, "None") || !strcmp(unit, "-"))
        return 0;
    if (!(angstrom > 0) && !units_factor(unit, UNITS_WAVELENGTH, NULL, &factor, NULL))
        angstrom = factor;
    if (angstrom > 0) {
        curve_claim(table, CURVE_DECLARES, unit, angstrom, place);
        return 0;
    }
    return error_set(
        err, POLYPHONY_INPUT,
        "'%s': the unit '%.40s' of the wavelengths is not understood; use angstrom, nm, micron, mm, cm or m",
        file->path, unit);
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

    return curve_is_one_of(word, words, N_WORDS(words));
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

    return curve_is_one_of(word, words, N_WORDS(words));
}

/* "wavelength [10 nm]": what is in the brackets of which this is the first word. It ends at `end`. */
static double read_brackets(struct curve_table *table, const char *end, struct token *token)
{
    static const char *const frames[] = { "air", "vac", "vacuum", "rest", "observed", "obs", "in" };
    bool is_word =
        !token->is_number && !token->is_per_cent && !curve_is_one_of(token->text, frames, N_WORDS(frames));
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
    return is_wavenumber || (token->right != '-' && token->right != '^' &&
                             curve_is_one_of(token->text, words, N_WORDS(words)));
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
