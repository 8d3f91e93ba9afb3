/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unit expressions, as unyt, astropy, FITS and people write them:
 *
 *     expression := power { ("*" | "." | "/" | "per" | nothing) power }
 *     power      := base [ ("^" | "**") exponent ]       s^-1, cm**2, a^(1/2)
 *     base       := number | word [exponent] | "(" expression ")" | "sqrt" "(" expression ")"
 *
 * Words are followed directly by their exponent in FITS ("erg s-1"). From left to right, as in Python.
 */
#include "units_private.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX    16  /* of brackets */
#define EXPONENT_MAX 400 /* of anything, 10 among it: beyond that no number has room */

/* ---- to ASCII ---------------------------------------------------------------------------------- */

static const struct {
    const char *from, *to;
} signs[] = {
    { "**", "^" },
    { "{\\odot}", "sun" }, /* as of labels of plots: $M_\odot$ */
    { "{", "(" },
    { "}", ")" },
    { "\u00b7", "*" },
    { "\u22c5", "*" },
    { "\u2219", "*" },
    { "\u00d7", "*" },
    { "\u2212", "-" },
    { "\u00a0", " " },
    { "\u2009", " " },
    { "\u202f", " " },
    { "\u2609", "sun" },
    { "\u2299", "sun" },
    { "\\odot", "sun" },
    { "$", "" },
    { "\u00c5", "angstrom" },  /* the letter */
    { "\u212b", "angstrom" },  /* the sign */
    { "A\u030a", "angstrom" }, /* in two parts */
    { "\u00b5", "u" },         /* the micro sign */
    { "\u03bc", "u" },         /* the Greek letter */
    { "\u00b0", "deg" },
    { "%", "percent" },
    { "per cent", "percent" },
};

static const struct {
    const char *from;
    char to;
} superscripts[] = {
    { "\u207b", '-' }, { "\u207a", '+' }, { "\u2070", '0' }, { "\u00b9", '1' },
    { "\u00b2", '2' }, { "\u00b3", '3' }, { "\u2074", '4' }, { "\u2075", '5' },
    { "\u2076", '6' }, { "\u2077", '7' }, { "\u2078", '8' }, { "\u2079", '9' },
};

struct ascii {
    char *text;
    size_t n;
    bool is_whole; /* nothing was left out */
};

static void put(struct ascii *to, const char *text)
{
    size_t n = strlen(text);

    if (to->n + n >= EXPRESSION_MAX) {
        to->is_whole = false;
        return;
    }
    memcpy(to->text + to->n, text, n + 1);
    to->n += n;
}

/* One sign of `text`; how many bytes it has, or 0. */
static size_t put_sign(struct ascii *to, const char *text, bool *is_raised)
{
    for (size_t i = 0; i < sizeof(superscripts) / sizeof(*superscripts); i++) {
        size_t n = strlen(superscripts[i].from);

        if (strncmp(text, superscripts[i].from, n))
            continue;
        if (!*is_raised)
            put(to, "^");
        *is_raised = true;
        put(to, (char[]) { superscripts[i].to, '\0' });
        return n;
    }
    /* What is raised ends where the next word or number begins. */
    if (*is_raised)
        put(to, " ");
    *is_raised = false;
    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
        size_t n = strlen(signs[i].from);

        if (!strncmp(text, signs[i].from, n)) {
            put(to, signs[i].to);
            return n;
        }
    }
    return 0;
}

bool expression_to_ascii(const char *text, char ret_ascii[EXPRESSION_MAX])
{
    struct ascii to = { .text = ret_ascii, .is_whole = true };
    bool is_raised = false;

    *ret_ascii = '\0';
    text += strspn(text, " \t\r\n\v\f");
    while (*text && to.is_whole) {
        size_t n = put_sign(&to, text, &is_raised);
        char c = (char)(isspace((unsigned char)*text) ? ' ' : isprint((unsigned char)*text) ? *text : '?');

        if (!n)
            put(&to, (char[]) { c, '\0' });
        text += n ? n : 1;
    }
    while (to.n && ret_ascii[to.n - 1] == ' ')
        ret_ascii[--to.n] = '\0';
    return to.is_whole;
}

/* ---- reading ----------------------------------------------------------------------------------- */

struct expression_reader {
    const char *at;
    enum units_kind kind;
    bool is_tight;
    bool is_doubtful;
    int depth;
    int status;
    struct error *err;
};

static int read_product(struct expression_reader *reader, struct quantity *ret_quantity);

static void skip_space(struct expression_reader *reader)
{
    reader->at += strspn(reader->at, " ");
}

static bool is_word_letter(char c)
{
    return isalpha((unsigned char)c) || c == '_' || c == '?';
}

/* Does the next thing begin with a word, a number or a bracket? */
static bool is_base(const char *at)
{
    return is_word_letter(*at) || isdigit((unsigned char)*at) || *at == '(' ||
           (*at == '.' && isdigit((unsigned char)at[1]));
}

static bool is_number(const struct expression_reader *reader)
{
    const char *at = reader->at + strspn(reader->at, " ");

    return isdigit((unsigned char)*at) || *at == '.';
}

static int cannot_read(struct expression_reader *reader)
{
    return *reader->at ? error_set(reader->err, POLYPHONY_INPUT, "cannot be read from '%.20s' on", reader->at)
                       : error_set(reader->err, POLYPHONY_INPUT, "is not complete");
}

/* Digits with a point; the exponent apart, so that 1e10 is exactly that. Fortran writes D for E. */
static int read_number(struct expression_reader *reader, struct quantity *ret_quantity)
{
    size_t n = strspn(reader->at, "0123456789.");
    char digits[EXPRESSION_MAX];
    char *end;
    long exponent = 0;

    memcpy(digits, reader->at, n);
    digits[n] = '\0';
    ret_quantity->number = strtold(digits, &end);
    if (*end || !n)
        return cannot_read(reader);
    reader->at += n;
    if (*reader->at && strchr("eEdD", *reader->at)) {
        const char *digit = reader->at + 1 + (reader->at[1] == '+' || reader->at[1] == '-');

        if (isdigit((unsigned char)*digit)) {
            exponent = strtol(reader->at + 1, &end, 10);
            reader->at = end;
        }
    }
    if (!(ret_quantity->number > 0) || exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX)
        return error_set(reader->err, POLYPHONY_INPUT, "has a number that is 0 or out of range");
    if (ret_quantity->number == 10) {
        ret_quantity->number = 1;
        exponent++;
    }
    ret_quantity->power[BASE_TEN] = (double)exponent;
    return 0;
}

/* [+-] digits [. digits], to the next sign. */
static int read_signed(struct expression_reader *reader, double *ret_value)
{
    const char *digits = reader->at + (*reader->at == '-' || *reader->at == '+');
    size_t n = strspn(digits, "0123456789.");
    char text[24];
    char *end;

    if (!n || n > 20)
        return cannot_read(reader);
    text_format(text, sizeof(text), "%.*s", (int)(digits - reader->at + (ptrdiff_t)n), reader->at);
    *ret_value = strtod(text, &end);
    if (*end || fabs(*ret_value) > EXPONENT_MAX)
        return cannot_read(reader);
    reader->at = digits + n;
    return 0;
}

/* In brackets: a number or a ratio of two. */
static int read_bracketed_exponent(struct expression_reader *reader, double *ret_exponent)
{
    double below = 1;
    int r;

    reader->at++;
    skip_space(reader);
    r = read_signed(reader, ret_exponent);
    skip_space(reader);
    if (!r && *reader->at == '/') {
        reader->at++;
        skip_space(reader);
        r = read_signed(reader, &below);
        skip_space(reader);
    }
    if (r || *reader->at != ')' || below == 0)
        return r ? r : cannot_read(reader);
    reader->at++;
    *ret_exponent /= below;
    return fabs(*ret_exponent) <= EXPONENT_MAX ? 0 : cannot_read(reader);
}

/* After the sign of a power. a^1/2 is a/2 to Python and the root of a to who wrote it. */
static int read_exponent(struct expression_reader *reader, double *ret_exponent)
{
    const char *after;
    int r;

    skip_space(reader);
    if (*reader->at == '(')
        return read_bracketed_exponent(reader, ret_exponent);
    r = read_signed(reader, ret_exponent);
    after = reader->at + strspn(reader->at, " ");
    if (!r && *after == '/' && isdigit((unsigned char)after[1 + strspn(after + 1, " ")]))
        r = error_set(reader->err, POLYPHONY_INPUT,
                      "can be read in two ways: put the exponent in brackets, as in a^(1/2)");
    return r;
}

/* "solar mass" and "solar luminosity" are one word each. */
static void join_solar(struct expression_reader *reader, char *word)
{
    const char *next = reader->at + strspn(reader->at, " ");
    size_t n = 0;

    if (strcasecmp(word, "solar") || next == reader->at)
        return;
    while (is_word_letter(next[n]))
        n++;
    if ((n >= 4 && !strncasecmp(next, "mass", 4)) || (n >= 4 && !strncasecmp(next, "lumi", 4))) {
        text_format(word, EXPRESSION_MAX, "solar_%.*s", (int)n, next);
        reader->at = next + n;
    }
}

static int read_bracket(struct expression_reader *reader, struct quantity *ret_quantity)
{
    int r;

    if (++reader->depth > DEPTH_MAX)
        return error_set(reader->err, POLYPHONY_INPUT, "has more than %d brackets in each other", DEPTH_MAX);
    reader->at++;
    r = read_product(reader, ret_quantity);
    if (!r && *reader->at != ')')
        r = cannot_read(reader);
    if (!r)
        reader->at++;
    reader->depth--;
    return r;
}

static int read_word(struct expression_reader *reader, struct quantity *ret_quantity)
{
    char word[EXPRESSION_MAX];
    size_t n = 0;
    const char *digit;
    double exponent = 1;
    struct quantity unit;
    int r;

    while (is_word_letter(reader->at[n]))
        n++;
    memcpy(word, reader->at, n);
    word[n] = '\0';
    reader->at += n;
    if (!strcmp(word, "sqrt") && *reader->at == '(') {
        r = read_bracket(reader, &unit);
        if (!r)
            quantity_multiply(ret_quantity, &unit, 0.5);
        return r;
    }
    join_solar(reader, word);
    r = unit_word(word, reader->kind, &unit, reader->err);
    digit = reader->at + (*reader->at == '-' || *reader->at == '+');
    if (!r && isdigit((unsigned char)*digit))
        r = read_signed(reader, &exponent);
    /* cm2 and s-1; but h70 and H0 are other things. */
    if (!r && (fabs(exponent) > 9 || exponent == 0))
        r = error_set(reader->err, POLYPHONY_INPUT, "unknown unit '%s%g'", word, exponent);
    if (!r)
        quantity_multiply(ret_quantity, &unit, exponent);
    return r;
}

static int read_power(struct expression_reader *reader, struct quantity *ret_quantity)
{
    struct quantity base = { .number = 1 };
    double exponent = 1;
    int r;

    skip_space(reader);
    if (*reader->at == '(')
        r = read_bracket(reader, &base);
    else if (is_word_letter(*reader->at))
        r = read_word(reader, &base);
    else
        r = read_number(reader, &base);
    if (r)
        return r;
    if (reader->at[strspn(reader->at, " ")] == '^') {
        skip_space(reader);
        reader->at++;
        r = read_exponent(reader, &exponent);
    }
    *ret_quantity = (struct quantity) { .number = 1 };
    if (!r)
        quantity_multiply(ret_quantity, &base, exponent);
    return r;
}

/* The sign between two powers, '*' where there is none; 0 at the end. */
static char read_operator(struct expression_reader *reader, bool *ret_is_silent)
{
    skip_space(reader);
    *ret_is_silent = false;
    if (*reader->at == '*' || *reader->at == '/')
        return *reader->at++;
    if (*reader->at == '.' && is_word_letter(reader->at[1])) {
        reader->at++;
        return '*';
    }
    if (!strncmp(reader->at, "per ", 4)) {
        reader->at += 4;
        return '/';
    }
    *ret_is_silent = is_base(reader->at);
    return *ret_is_silent ? '*' : 0;
}

/* "Mpc/h comoving" and "kpc/h (physical)": what is said of the whole is above the division. */
static bool is_said_of_all(const struct quantity *word)
{
    if (word->number != 1)
        return false;
    for (size_t i = 0; i < N_BASE; i++)
        if (word->power[i] != (i == BASE_SCALE_FACTOR && word->is_comoving ? 1 : 0))
            return false;
    return true;
}

static int read_product(struct expression_reader *reader, struct quantity *ret_quantity)
{
    bool is_below = false, was_number = is_number(reader);
    struct quantity power;
    int r = read_power(reader, ret_quantity);

    for (;;) {
        bool is_silent, is_doubtful;
        char sign = r ? 0 : read_operator(reader, &is_silent);

        if (!sign)
            return r;
        if (is_silent && was_number && is_number(reader))
            return cannot_read(reader); /* "1 000 kpc" */
        was_number = is_number(reader);
        is_below = is_silent ? is_below : sign == '/';
        r = read_power(reader, &power);
        if (r)
            return r;
        is_doubtful = is_silent && is_below && !is_said_of_all(&power);
        reader->is_doubtful |= is_doubtful;
        quantity_multiply(ret_quantity, &power, sign == '/' || (is_doubtful && reader->is_tight) ? -1 : 1);
    }
}

int expression_read(const char *ascii, enum units_kind kind, bool is_tight, struct quantity *ret_quantity,
                    bool *ret_is_doubtful, struct error *err)
{
    struct expression_reader reader = { .at = ascii, .kind = kind, .is_tight = is_tight, .err = err };
    int r = read_product(&reader, ret_quantity);

    if (!r && *reader.at)
        r = cannot_read(&reader);
    *ret_is_doubtful = reader.is_doubtful;
    return r;
}
