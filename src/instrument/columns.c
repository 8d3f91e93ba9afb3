/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Text with columns: what telescopes' pages, sedpy, kcorrect, speclite and spreadsheets write. Lines of
 * numbers are data, wherever they begin; what stands before and between them is prose that may name columns
 * and units.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "curve.h"
#include "fields.h"

#define LINE_MAX_BYTES ((size_t)64 << 10)
#define NAME_MAX_BYTES 48

/* Names of columns, and what the header says of the unit of each. */
struct names {
    size_t n, line;
    char name[FIELD_MAX][NAME_MAX_BYTES];
    char unit[FIELD_MAX][NAME_MAX_BYTES];
};

struct columns {
    const struct curve_file *file;
    struct curve_table *table;
    size_t line;
    size_t n_column; /* numbers in the first row; 0: none was read */
    size_t i_lambda, i_transmission;
    bool is_ecsv, is_typedef;    /* inside the comments of an ECSV file, a struct of a .par file */
    struct names header;         /* the last line of names before the first row */
    struct names declared;       /* by the comments of ECSV, or by a struct */
    char prefix[NAME_MAX_BYTES]; /* first word of each row, as .par files have it */
    size_t n_per_cent;           /* rows that say "50 %" */
    double lone;                 /* number in a line of its own before the rows: how many, or a wavelength */
    size_t lone_line;            /* 0: none */
};

/* ---- names ----------------------------------------------------------------------------------------- */

static void set_name(char dst[NAME_MAX_BYTES], const char *text, size_t n)
{
    if (n >= NAME_MAX_BYTES)
        n = NAME_MAX_BYTES - 1;
    memcpy(dst, text, n);
    dst[n] = '\0';
}

/* A line as names: brackets belong to the name they follow. A comment must look the part: prose has words
 * like "wavelength", too. A line of units belongs to the names above it. */
static void keep_names(struct columns *c, const char *text, bool is_comment)
{
    struct field field[FIELD_MAX];
    size_t n = fields_split(text, field);
    struct names names = { .line = c->line };
    bool has[COLUMN_TRANSMISSION + 1] = { false }, has_unit = false;

    for (size_t i = 0; i < n; i++)
        if (names.n == 0 || !field[i].n || !strchr("([{", *field[i].text))
            set_name(names.name[names.n++], field[i].text, field[i].n);
    for (size_t i = 0; i < names.n; i++) {
        if (curve_is_of_whole(names.name[i]))
            return;
        has[curve_column_of(names.name[i])] = true;
        has_unit |= curve_unit_angstrom(names.name[i], false) > 0;
    }
    if (has[COLUMN_WAVELENGTH]
            ? !is_comment || has[COLUMN_TRANSMISSION] || curve_column_of(names.name[0]) == COLUMN_WAVELENGTH
            : !is_comment && (has[COLUMN_FREQUENCY] || (has_unit && c->header.n != names.n)))
        c->header = names;
    else if (!is_comment && has_unit && c->header.n == names.n)
        memcpy(c->header.unit, names.name, sizeof(names.name));
}

/* Which columns to read, by their names. false: these names do not say. */
static bool choose_by_names(struct columns *c, const struct names *names)
{
    size_t i_lambda = SIZE_MAX, i_transmission = SIZE_MAX;

    if (names->n < c->n_column)
        return false;
    for (size_t i = 0; i < c->n_column; i++) {
        enum curve_column column = curve_column_of(names->name[i]);

        if (column == COLUMN_WAVELENGTH && i_lambda == SIZE_MAX)
            i_lambda = i;
        if (column == COLUMN_TRANSMISSION &&
            (i_transmission == SIZE_MAX ||
             curve_column_rank(names->name[i]) < curve_column_rank(names->name[i_transmission])))
            i_transmission = i;
    }
    if (i_lambda == SIZE_MAX || (names->n > c->n_column && names != &c->declared))
        return false;
    if (i_transmission == SIZE_MAX)
        i_transmission = i_lambda == 0 ? 1 : 0;
    c->i_lambda = i_lambda;
    c->i_transmission = i_transmission;
    return true;
}

/* Two columns of frequency and transmission look like a filter. */
static int refuse_frequencies(struct columns *c, const struct names *names, struct error *err)
{
    bool has_wavelength = false, has_frequency = false;

    for (size_t i = 0; i < names->n; i++) {
        has_wavelength |= curve_column_of(names->name[i]) == COLUMN_WAVELENGTH;
        has_frequency |= curve_column_of(names->name[i]) == COLUMN_FREQUENCY;
    }
    if (has_wavelength || !has_frequency || names->n != c->n_column)
        return 0;
    return error_set(err, POLYPHONY_INPUT,
                     "'%s' line %zu: the columns are of '%s' and '%s'; a wavelength is needed", c->file->path,
                     names->line, names->name[0], names->name[1]);
}

/* "absorptance": beside wavelengths, and the opposite of what is needed. */
static int refuse_losses(const struct columns *c, const struct names *names, struct error *err)
{
    static const char *const words[] = { "absor", "attenuat", "extinc", "optical_d", "opticald", "loss" };
    const char *name = names->name[c->i_transmission];

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (!strncasecmp(name, words[i], strlen(words[i])))
            return error_set(
                err, POLYPHONY_INPUT,
                "'%s' line %zu: the column '%s' holds no transmissions; a filter curve needs them",
                c->file->path, names->line, name);
    return 0;
}

/* The first row is known: which of its numbers are the curve's? */
static int choose_columns(struct columns *c, struct error *err)
{
    const struct names *names = c->declared.n ? &c->declared : &c->header;
    int r = refuse_frequencies(c, names, err);
    bool is_named;

    if (r)
        return r;
    c->i_lambda = 0;
    c->i_transmission = 1;
    is_named = choose_by_names(c, names);
    if (is_named)
        c->table->inverse_place = 0; /* of another quantity */
    if (names->n >= c->n_column && names->unit[c->i_lambda][0])
        r = curve_declare(c->file, c->table, names->unit[c->i_lambda], names->line, err);
    if (!r && is_named)
        r = refuse_losses(c, names, err);
    if (is_named && strchr(names->unit[c->i_transmission], '%'))
        c->table->is_per_cent = true;
    /* "micron,throughput": the name is the unit. */
    if (!r && names->n == c->n_column && curve_unit_angstrom(names->name[c->i_lambda], false) > 0)
        r = curve_declare(c->file, c->table, names->name[c->i_lambda], names->line, err);
    c->table->is_columns_guessed = !is_named && c->n_column > 2;
    if (!r && c->n_column > 2)
        warnings_add(
            c->table->warnings,
            "filter '%s' ('%s'): of %zu columns, wavelengths are read from number %zu%s%s%s, transmissions from number %zu%s%s%s",
            c->file->code, c->file->path, c->n_column, c->i_lambda + 1, is_named ? " (" : "",
            is_named ? names->name[c->i_lambda] : "", is_named ? ")" : "", c->i_transmission + 1,
            is_named ? " (" : "", is_named ? names->name[c->i_transmission] : "", is_named ? ")" : "");
    return r;
}

/* ---- ECSV and .par --------------------------------------------------------------------------------- */

/* The value behind "key:" in YAML, to the next comma or brace. */
static bool find_value(const char *text, const char *key, char ret_value[NAME_MAX_BYTES])
{
    const char *at = strstr(text, key);
    size_t n;

    if (!at)
        return false;
    at += strlen(key);
    at += strspn(at, " \t'\"");
    n = strcspn(at, ",}'\"");
    while (n > 0 && field_is_blank(at[n - 1]))
        n--;
    set_name(ret_value, at, n);
    return n > 0;
}

/* # - {name: wavelength, unit: nm, datatype: float64}, or the same over several lines. */
static void read_ecsv(struct columns *c, const char *text)
{
    struct names *names = &c->declared;
    char name[NAME_MAX_BYTES];

    if (strstr(text, "datatype:") == text)
        names->line = c->line;
    if (!names->line || strstr(text, "meta:") == text || strstr(text, "schema:") == text) {
        c->is_ecsv = names->line == 0; /* what follows is no column */
        return;
    }
    if (find_value(text, "name:", name) && names->n < FIELD_MAX)
        memcpy(names->name[names->n++], name, sizeof(name));
    if (names->n > 0)
        (void)find_value(text, "unit:", names->unit[names->n - 1]);
    if (names->n == 1 && find_value(text, "datatype:", name) && !strcmp(name, "string"))
        names->n = 0; /* words before the numbers: see has_prefix() */
}

/* typedef struct { double lambda; double pass; } KCFILTER; over several lines. */
static void read_typedef(struct columns *c, const char *text)
{
    struct names *names = &c->declared;

    c->is_typedef = !strchr(text, '}');
    names->line = c->line;
    for (const char *end; (end = strchr(text, ';')) && text[strspn(text, " \t")] != '}'; text = end + 1) {
        const char *begin = end;

        while (begin > text && !field_is_blank(begin[-1]) && begin[-1] != '{')
            begin--;
        if (names->n < FIELD_MAX)
            set_name(names->name[names->n++], begin, (size_t)(end - begin));
    }
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static int refuse_line(const struct columns *c, const char *text, const char *why, struct error *err)
{
    char quote[CURVE_QUOTE_MAX];

    return error_set(err, POLYPHONY_INPUT, "'%s' line %zu: '%s' is no row 'wavelength transmission'%s",
                     c->file->path, c->line, curve_quote(text, strlen(text), quote), why);
}

/*
 * "9000,5;0,5" and "9000,5 0,5" have commas for points: each stands between digits, and blanks or semicolons
 * part the numbers. They become points. In "9000.5,0.5 0.1" they may be either, which is refused.
 */
static int settle_commas(const struct columns *c, char *text, struct error *err)
{
    size_t n_comma = 0, n_word = 0, n_here = 0, n_most = 0;

    for (char *at = text; *at; at++) {
        if (field_is_blank(*at) || *at == ';')
            continue;
        if (at == text || field_is_blank(at[-1]) || at[-1] == ';') {
            n_word++;
            n_here = 0;
        }
        if (*at != ',')
            continue;
        if (at == text || !isdigit((unsigned char)at[-1]) || !isdigit((unsigned char)at[1]))
            return 0; /* "9000, 0.5" */
        n_comma++;
        n_most = ++n_here > n_most ? n_here : n_most;
    }
    if (n_comma == 0 || n_word < 2)
        return 0;
    if (n_most > 1 || strchr(text, '.'))
        return refuse_line(c, text, ": its commas may be points, or part columns", err);
    for (char *at = text; *at; at++)
        if (*at == ',')
            *at = '.';
    return 0;
}

/* "50%" or "50 %" as a transmission. */
static void count_per_cent(struct columns *c, char *text)
{
    size_t n = strlen(text);

    while (n > 0 && field_is_blank(text[n - 1]))
        n--;
    if (n > 1 && text[n - 1] == '%') {
        text[n - 1] = '\0';
        c->n_per_cent++;
    }
}

static int add_row(struct columns *c, size_t n, const struct field *field, const char *text,
                   struct error *err)
{
    size_t n_number = fields_count_numbers(n, field);
    double lambda, transmission;
    int r = 0;

    if (n == 1 && n_number == 1 && !c->n_column && !c->lone_line) {
        (void)field_number(&field[0], &c->lone);
        c->lone_line = c->line;
        return 0;
    }
    if (n_number < 2)
        return refuse_line(c, text, n < 2 ? ": one number" : "", err);
    if (!c->n_column) {
        c->n_column = n_number;
        r = choose_columns(c, err);
    }
    if (r)
        return r;
    if (n_number != c->n_column) {
        char why[80];

        text_format(why, sizeof(why), ": it has %zu numbers, the rows above have %zu", n_number, c->n_column);
        return refuse_line(c, text, why, err);
    }
    (void)field_number(&field[c->i_lambda], &lambda);
    (void)field_number(&field[c->i_transmission], &transmission);
    return curve_add(c->file, c->table, lambda, transmission, c->line, err);
}

/* ---- lines ----------------------------------------------------------------------------------------- */

/* Where a comment begins that follows numbers. */
static void cut_comment(char *text)
{
    for (char *at = text; *at; at++)
        if (*at == '#' || *at == '!' || (*at == '/' && at[1] == '/')) {
            *at = '\0';
            return;
        }
}

/* ", 0.5", "\"\" 0.5" and "-- 0.5": a table writes a value that it does not have as nothing, or as dashes. */
static bool lacks_wavelength(const char *text)
{
    struct field field[FIELD_MAX];
    bool is_dashes = !strncmp(text, "--", 2) && (field_is_blank(text[2]) || text[2] == ',' || text[2] == ';');
    size_t n = fields_split(text + 2 * is_dashes, field), n_number = 0;

    if (!is_dashes && (n == 0 || field[0].n > 0))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (field[i].n && !fields_count_numbers(1, &field[i]))
            return false;
        n_number += field[i].n > 0;
    }
    return n_number > 0;
}

/* The text of a comment line; NULL for another. */
static const char *comment_of(const char *text)
{
    if (!strncmp(text, "//", 2) || (!strncmp(text, "--", 2) && !lacks_wavelength(text)))
        return text + 2;
    return strchr("#!%;\\|*", *text) ? text + strspn(text, FIELD_BLANKS "#!%;\\|*") : NULL;
}

static void read_comment(struct columns *c, const char *text)
{
    if (!strncmp(text, "ECSV", 4)) /* "# %ECSV 1.0" */
        c->is_ecsv = true;
    else if (c->is_ecsv)
        read_ecsv(c, text);
    else if (!c->declared.n) {
        curve_read_claims(c->table, text, c->line);
        if (!c->n_column)
            keep_names(c, text, true);
    }
}

/* The words of a header, or of a .par file's own statements. */
static int read_words(struct columns *c, const char *text, struct error *err)
{
    if (lacks_wavelength(text))
        return refuse_line(c, text, ": the first value is missing; leave the row out", err);
    if (c->n_column)
        return refuse_line(c, text, "", err);
    if (c->is_typedef || !strncasecmp(text, "typedef", 7)) {
        read_typedef(c, text);
        return 0;
    }
    if (!c->declared.n)
        curve_read_claims(c->table, text, c->line);
    keep_names(c, text, false);
    return 0;
}

/* A first word, then numbers: a row of a .par file. */
static bool has_prefix(struct columns *c, size_t n, const struct field *field)
{
    char word[NAME_MAX_BYTES];

    if (n < 3 || !isalpha((unsigned char)*field[0].text) || fields_count_numbers(n - 1, field + 1) < 2)
        return false;
    set_name(word, field[0].text, field[0].n);
    if (!c->n_column)
        memcpy(c->prefix, word, sizeof(word));
    return c->prefix[0] && !strcasecmp(word, c->prefix);
}

/* Rows that begin with a number, after one that began with a word: that was a title. */
static int drop_prefix(struct columns *c, const char *text, struct error *err)
{
    if (c->table->n > 1)
        return refuse_line(c, text, ": rows above begin with a word", err);
    c->table->n = 0;
    c->n_column = 0;
    c->prefix[0] = '\0';
    return 0;
}

static bool begins_number(const char *text)
{
    text += strspn(text, "\"'");
    if (!strncasecmp(text, "nan", 3) || !strncasecmp(text, "inf", 3))
        return !isalpha((unsigned char)text[3]);
    return isdigit((unsigned char)*text) || (strchr("+-.", *text) && *text);
}

static int read_line(struct columns *c, char *text, struct error *err)
{
    struct field field[FIELD_MAX];
    const char *comment;
    size_t n;
    int r;

    text += strspn(text, FIELD_BLANKS);
    comment = *text ? comment_of(text) : NULL;
    if (comment)
        read_comment(c, comment);
    if (comment || text[strspn(text, FIELD_BLANKS ",;")] == '\0')
        return 0;
    if (!begins_number(text) || !strncmp(text, "--", 2)) {
        cut_comment(text);
        n = fields_split(text, field);
        return has_prefix(c, n, field) ? add_row(c, n - 1, field + 1, text, err) : read_words(c, text, err);
    }
    cut_comment(text);
    count_per_cent(c, text);
    r = c->prefix[0] ? drop_prefix(c, text, err) : 0;
    if (!r)
        r = settle_commas(c, text, err);
    return r ? r : add_row(c, fields_split(text, field), field, text, err);
}

/* Text has no control characters but those of lines; nothing else is shown to anybody. */
static int check_line(const struct columns *c, const char *text, size_t n, struct error *err)
{
    if (n > LINE_MAX_BYTES)
        return error_set(err, POLYPHONY_INPUT,
                         "filter '%s': '%s' line %zu is longer than %zu bytes: not a filter curve",
                         c->file->code, c->file->path, c->line, LINE_MAX_BYTES);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' && !strchr("\t\f\v\x1a", text[i] ? text[i] : 1))
            return error_set(
                err, POLYPHONY_INPUT,
                "filter '%s': '%s' line %zu is not text (byte %d at column %zu): not a filter curve",
                c->file->code, c->file->path, c->line, text[i], i + 1);
    return 0;
}

static int finish(const struct columns *c, struct error *err)
{
    char quote[CURVE_QUOTE_MAX];

    if (c->table->n == 0)
        return error_set(err, POLYPHONY_INPUT,
                         "filter '%s': '%s' has no line 'wavelength transmission'; it begins with '%s'",
                         c->file->code, c->file->path,
                         curve_quote(c->file->bytes, strlen(c->file->bytes), quote));
    if (c->lone_line && c->lone != (double)c->table->n)
        warnings_add(c->table->warnings,
                     "filter '%s' ('%s'): line %zu holds one number, %.10g, and is left out", c->file->code,
                     c->file->path, c->lone_line, c->lone);
    if (c->n_per_cent && c->n_per_cent != c->table->n)
        return error_set(err, POLYPHONY_INPUT, "'%s': %zu of %zu rows end with '%%'", c->file->path,
                         c->n_per_cent, c->table->n);
    if (c->n_per_cent)
        c->table->is_per_cent = true;
    return 0;
}

int curve_read_columns(const struct curve_file *file, struct curve_table *table, struct error *err)
{
    struct columns *c = mem_small(1, sizeof(*c));
    char *at = file->bytes, *end = file->bytes + file->n;
    int r = 0;

    c->file = file;
    c->table = table;
    table->place_word = "line";
    if (!strncmp(at, "\xef\xbb\xbf", 3))
        at += 3;
    while (!r && at < end) {
        size_t n = 0, left = (size_t)(end - at);

        while (n < left && at[n] != '\n' && at[n] != '\r')
            n++;
        c->line++;
        r = check_line(c, at, n, err);
        if (!r) {
            bool is_pair = n + 1 < left && at[n] == '\r' && at[n + 1] == '\n';

            at[n] = '\0';
            r = read_line(c, at, err);
            at += n + 1 + is_pair;
        }
    }
    if (!r)
        r = finish(c, err);
    free(c);
    return r;
}
