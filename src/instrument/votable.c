/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VOTable, as the Spanish Virtual Observatory's filter service sends it: FIELD elements name the columns, TR
 * and TD of TABLEDATA hold them. The first table whose columns are a curve's is read.
 */
#include <ctype.h>
#include <expat.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "curve.h"

#define TEXT_MAX  128
#define FIELD_MAX 64

struct votable {
    const struct curve_file *file;
    struct curve_table *table;
    XML_Parser parser;
    struct error *err;
    int r;

    char root[TEXT_MAX]; /* name of the first element */
    size_t n_field;
    size_t i_lambda, i_transmission; /* SIZE_MAX: not seen yet */
    char unit[TEXT_MAX];             /* of the column of wavelengths */
    char unit_of_file[TEXT_MAX];
    size_t unit_line;

    bool is_done;         /* the table has ended: others are not looked at */
    size_t stranger_line; /* of the first table whose columns are not a curve's; 0: none */
    const char *has_no;   /* what that one lacks */
    size_t row;
    size_t i_cell; /* of the row */
    bool is_in_cell;
    double cell[2];
    bool has_cell[2];
    char text[TEXT_MAX]; /* of the cell */
    size_t n_text;
};

static void fail(struct votable *v, int r)
{
    v->r = r;
    XML_StopParser(v->parser, XML_FALSE);
}

static const char *attribute(const XML_Char **attributes, const char *name)
{
    for (; *attributes; attributes += 2)
        if (!strcasecmp(attributes[0], name))
            return attributes[1];
    return "";
}

/* Without the prefix of its namespace. */
static const char *local_name(const char *name)
{
    const char *colon = strchr(name, ':');

    return colon ? colon + 1 : name;
}

/* ---- columns ---------------------------------------------------------------------------------------- */

static void begin_field(struct votable *v, const XML_Char **attributes)
{
    const char *name = attribute(attributes, "name"), *ucd = attribute(attributes, "ucd");
    enum curve_column column = curve_column_of(name);

    if (v->is_done || v->row > 0)
        return;
    if (v->i_lambda == SIZE_MAX && (!strncasecmp(ucd, "em.wl", 5) || column == COLUMN_WAVELENGTH)) {
        v->i_lambda = v->n_field;
        v->unit_line = XML_GetCurrentLineNumber(v->parser);
        text_format(v->unit, sizeof(v->unit), "%.100s", attribute(attributes, "unit"));
    } else if (v->i_transmission == SIZE_MAX &&
               (!strncasecmp(ucd, "phys.transmission", 17) || column == COLUMN_TRANSMISSION)) {
        v->i_transmission = v->n_field;
        v->table->is_per_cent = strchr(attribute(attributes, "unit"), '%');
    }
    v->n_field++;
}

/* What the service says of the whole curve. */
static void begin_param(struct votable *v, const XML_Char **attributes)
{
    const char *name = attribute(attributes, "name"), *value = attribute(attributes, "value");

    if (!strcasecmp(name, "WavelengthUnit"))
        text_format(v->unit_of_file, sizeof(v->unit_of_file), "%.100s", value);
    if (!strcasecmp(name, "DetectorType"))
        v->table->is_energy_counter = !strcmp(value, "0") || !strncasecmp(value, "energy", 6);
}

static void begin_info(struct votable *v, const XML_Char **attributes)
{
    if (!strcasecmp(attribute(attributes, "name"), "QUERY_STATUS") &&
        !strcasecmp(attribute(attributes, "value"), "ERROR"))
        fail(
            v,
            error_set(
                v->err, POLYPHONY_INPUT,
                "filter '%s': '%s' is the answer of a service that failed (QUERY_STATUS is ERROR), not a filter curve",
                v->file->code, v->file->path));
}

static bool has_columns(const struct votable *v)
{
    return v->i_lambda != SIZE_MAX && v->i_transmission != SIZE_MAX;
}

/* Rows of a table of something else. */
static void pass_over(struct votable *v)
{
    if (v->stranger_line)
        return;
    v->stranger_line = XML_GetCurrentLineNumber(v->parser);
    v->has_no = v->i_lambda == SIZE_MAX ? "wavelength" : "transmission";
}

static int begin_rows(struct votable *v)
{
    return curve_declare(v->file, v->table, v->unit[0] ? v->unit : v->unit_of_file, v->unit_line, v->err);
}

/* ---- rows ------------------------------------------------------------------------------------------- */

static void end_cell(struct votable *v)
{
    size_t i = v->i_cell++;
    int column = i == v->i_lambda ? 0 : i == v->i_transmission ? 1 : -1;
    char *end, quote[CURVE_QUOTE_MAX];

    v->is_in_cell = false;
    if (column < 0)
        return;
    v->text[v->n_text] = '\0';
    v->cell[column] = strtod(v->text, &end);
    v->has_cell[column] = end != v->text && end[strspn(end, " \t\r\n")] == '\0';
    if (!v->has_cell[column])
        fail(v, error_set(v->err, POLYPHONY_INPUT, "filter '%s': '%s' line %lu: '%s' is not a number",
                          v->file->code, v->file->path, XML_GetCurrentLineNumber(v->parser),
                          curve_quote(v->text, v->n_text, quote)));
}

static void end_row(struct votable *v)
{
    if (!v->has_cell[0] || !v->has_cell[1]) {
        fail(v, error_set(v->err, POLYPHONY_INPUT,
                          "filter '%s': '%s' line %lu: a row without wavelength or transmission",
                          v->file->code, v->file->path, XML_GetCurrentLineNumber(v->parser)));
        return;
    }
    v->row++;
    v->r = curve_add(v->file, v->table, v->cell[0], v->cell[1], XML_GetCurrentLineNumber(v->parser), v->err);
    if (v->r)
        fail(v, v->r);
}

static void begin_element(void *user, const XML_Char *full_name, const XML_Char **attributes)
{
    struct votable *v = user;
    const char *name = local_name(full_name);

    if (v->r)
        return;
    if (!v->root[0]) {
        text_format(v->root, sizeof(v->root), "%.100s", name);
        if (strcasecmp(name, "VOTABLE"))
            XML_StopParser(v->parser, XML_FALSE);
    } else if (!strcasecmp(name, "FIELD")) {
        begin_field(v, attributes);
    } else if (!strcasecmp(name, "PARAM")) {
        begin_param(v, attributes);
    } else if (!strcasecmp(name, "INFO")) {
        begin_info(v, attributes);
    } else if (v->is_done) {
        return;
    } else if (!has_columns(v)) {
        if (!strcasecmp(name, "TR") || !strcasecmp(name, "STREAM"))
            pass_over(v);
    } else if (!strncasecmp(name, "BINARY", 6) || !strcasecmp(name, "FITS")) {
        fail(v,
             error_set(v->err, POLYPHONY_INPUT,
                       "filter '%s': '%s' line %lu: the rows of this VOTable are %s; save it with TABLEDATA",
                       v->file->code, v->file->path, XML_GetCurrentLineNumber(v->parser), name));
    } else if (!strcasecmp(name, "TR")) {
        v->i_cell = 0;
        v->has_cell[0] = v->has_cell[1] = false;
        if (v->row == 0)
            v->r = begin_rows(v);
        if (v->r)
            fail(v, v->r);
    } else if (!strcasecmp(name, "TD")) {
        v->is_in_cell = true;
        v->n_text = 0;
    }
}

static void end_element(void *user, const XML_Char *full_name)
{
    struct votable *v = user;
    const char *name = local_name(full_name);

    if (v->r || v->is_done)
        return;
    if (!strcasecmp(name, "TD") && has_columns(v)) {
        end_cell(v);
    } else if (!strcasecmp(name, "TR") && has_columns(v)) {
        end_row(v);
    } else if (!strcasecmp(name, "TABLE")) {
        v->is_done = v->row > 0;
        if (!v->is_done) {
            v->n_field = 0;
            v->i_lambda = v->i_transmission = SIZE_MAX;
        }
    }
}

static void add_text(void *user, const XML_Char *text, int n)
{
    struct votable *v = user;

    if (!v->is_in_cell)
        return;
    for (int i = 0; i < n && v->n_text + 1 < sizeof(v->text); i++)
        v->text[v->n_text++] = text[i];
}

/* ---- the whole -------------------------------------------------------------------------------------- */

static int judge(struct votable *v, enum XML_Status status)
{
    char quote[CURVE_QUOTE_MAX];

    if (v->r)
        return v->r;
    if (v->root[0] && strcasecmp(v->root, "VOTABLE"))
        return error_set(
            v->err, POLYPHONY_INPUT,
            "filter '%s': '%s' is XML that begins with <%s>, not a VOTable; of a page of the web the download may have failed",
            v->file->code, v->file->path, curve_quote(v->root, strlen(v->root), quote));
    if (status != XML_STATUS_OK)
        return error_set(v->err, POLYPHONY_INPUT, "filter '%s': '%s' line %lu: broken XML (%s)",
                         v->file->code, v->file->path, XML_GetCurrentLineNumber(v->parser),
                         XML_ErrorString(XML_GetErrorCode(v->parser)));
    if (v->row == 0 && v->stranger_line)
        return error_set(v->err, POLYPHONY_INPUT,
                         "filter '%s': '%s' line %zu: no column of this VOTable is a %s by its name or ucd",
                         v->file->code, v->file->path, v->stranger_line, v->has_no);
    if (v->row == 0)
        return error_set(
            v->err, POLYPHONY_INPUT,
            "filter '%s': '%s' is a VOTable without a row of wavelength and transmission; the service may not know the filter",
            v->file->code, v->file->path);
    return 0;
}

int curve_read_votable(const struct curve_file *file, struct curve_table *table, struct error *err)
{
    struct votable v = {
        .file = file, .table = table, .err = err, .i_lambda = SIZE_MAX, .i_transmission = SIZE_MAX
    };
    const char *bytes = file->bytes, *end = file->bytes + file->n;
    enum XML_Status status;
    int r;

    v.parser = mem_sure(XML_ParserCreate(NULL));
    table->place_word = "line";
    XML_SetUserData(v.parser, &v);
    XML_SetElementHandler(v.parser, begin_element, end_element);
    XML_SetCharacterDataHandler(v.parser, add_text);
    while (bytes < end && isspace((unsigned char)*bytes)) /* XML allows none before its declaration */
        bytes++;
    status = XML_Parse(v.parser, bytes, (int)(end - bytes), XML_TRUE);
    r = judge(&v, status);
    XML_ParserFree(v.parser);
    return r;
}
