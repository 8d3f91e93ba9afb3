/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The axes of a grid, of this and older generations, to ours: ages [yr] and metallicities, ascending. What
 * they hold must look like it: no unit tells ages in Gyr that are called yr.
 */
#include "grid_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum role { ROLE_AGE, ROLE_METALLICITY, ROLE_OTHER };

/* What a name says; one with log10 in it holds logarithms. */
static enum role role_of(const char *name, bool *ret_holds_log)
{
    static const char *const prefixes[] = { "log10_", "log10", "log_", "log" };
    static const char *const ages[] = { "age", "ages", "stellar_age", "stellar_ages" };
    static const char *const metallicities[] = { "metallicity", "metallicities", "stellar_metallicity",
                                                 "stellar_metallicities" };

    *ret_holds_log = false;
    for (size_t i = 0; i < 4 && !*ret_holds_log; i++)
        if (!strncasecmp(name, prefixes[i], strlen(prefixes[i]))) {
            *ret_holds_log = true;
            name += strlen(prefixes[i]);
        }
    for (size_t i = 0; i < 4; i++) {
        if (!strcasecmp(name, ages[i]))
            return ROLE_AGE;
        if (!strcasecmp(name, metallicities[i]))
            return ROLE_METALLICITY;
    }
    return !strcmp(name, "Z") || !strcmp(name, "Zs") ? ROLE_METALLICITY : ROLE_OTHER;
}

/* ---- one population axis ----------------------------------------------------------------------- */

/* An axis between the file and our coordinates. */
struct population_axis {
    struct reading *reading;
    const char *path;
    enum units_kind kind;
    bool holds_log; /* the numbers of the file are logarithms */
    bool is_log;    /* logarithms are interpolated */
    bool descends;
    size_t n;
    double *value, *log10_value; /* ascending, in yr or as mass fractions */
};

#define OLDEST_LEAST_YR   1e5  /* less is Gyr, Myr or logarithms of years that are called yr */
#define OLDEST_MOST_YR    2e12 /* more is years that are called Myr or Gyr; BPASS ends at 1e11 */
#define OLDEST_USUAL_YR   1e8
#define YOUNGEST_USUAL_YR 1e8

static bool is_within(const struct population_axis *axis, double low, double high, double log10_factor)
{
    for (size_t i = 0; i < axis->n; i++)
        if (!(axis->value[i] + log10_factor >= low && axis->value[i] + log10_factor <= high))
            return false;
    return true;
}

/* A name or unit says log10: do the numbers? Where they cannot be logarithms, and can be what they are the
 * logarithms of, they are that. */
static bool holds_logarithms(const struct population_axis *axis, double factor)
{
    double oldest = axis->value[axis->n - 1], shift = log10(factor);

    if (axis->kind != UNITS_TIME)
        return is_within(axis, -HUGE_VAL, 0.0, shift) || !is_within(axis, 0.0, 1.0, 0.0);
    return is_within(axis, -HUGE_VAL, log10(OLDEST_MOST_YR), shift) || axis->value[0] < 0 ||
           oldest * factor < OLDEST_LEAST_YR || oldest * factor > OLDEST_MOST_YR;
}

static int read_log_axis(struct population_axis *axis, struct error *err)
{
    struct reading *reading = axis->reading;
    const char *of = axis->kind == UNITS_TIME ? "yr" : "mass fractions", *file = io_file_path(reading->file);
    double factor = 1.0;
    bool is_of_numbers = false;
    int r = grid_read_list(reading->file, axis->path, 1.0, &axis->n, &axis->value, err);

    if (!r)
        r = grid_log_unit_factor(reading, axis->path, axis->kind, &factor, &is_of_numbers, err);
    if (!r)
        r = grid_order_list(reading->file, axis->path, axis->n, axis->value, &axis->descends, err);
    if (r)
        return r;
    axis->holds_log = holds_logarithms(axis, factor);
    if (!axis->holds_log)
        warnings_add(
            &reading->grid->warnings,
            "'%s': dataset '%s' is said to hold logarithms, but holds %g to %g: taken as %s, not as their logarithms",
            file, axis->path, axis->value[0], axis->value[axis->n - 1], of);
    else if (is_of_numbers)
        warnings_add(
            &reading->grid->warnings,
            "'%s': dataset '%s' has the unit of %s, but holds %g to %g: taken as their logarithms to base 10, as its name says",
            file, axis->path, of, axis->value[0], axis->value[axis->n - 1]);
    for (size_t i = 0; i < axis->n && factor != 1.0; i++)
        axis->value[i] = axis->holds_log ? axis->value[i] + log10(factor) : axis->value[i] * factor;
    return 0;
}

static int read_plain_axis(struct population_axis *axis, struct error *err)
{
    struct reading *reading = axis->reading;
    double factor = 1.0;
    int r = grid_unit_factor(reading, axis->path, axis->kind, &factor, err);

    if (!r)
        r = grid_read_list(reading->file, axis->path, factor, &axis->n, &axis->value, err);
    return r ? r : grid_order_list(reading->file, axis->path, axis->n, axis->value, &axis->descends, err);
}

/* A truth value of any type: h5py's bool, a number, or a word. */
static int read_truth(struct io_file *file, const char *path, const char *name, bool *ret_value,
                      struct error *err)
{
    static const char *const words[] = { "false", "true", "no", "yes", "f", "t", "0", "1" };
    int64_t whole = -1;
    double number = -1;
    char word[32] = "";

    if (!io_attr_read_i64(file, path, name, &whole, NULL))
        number = (double)whole;
    else if (io_attr_read_f64(file, path, name, &number, NULL) &&
             !io_attr_read_text(file, path, name, word, sizeof(word), NULL))
        for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
            if (!strcasecmp(word, words[i]))
                number = (double)(i & 1);
    if (number != 0.0 && number != 1.0)
        return error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' is neither true nor false%s%s",
                         io_file_path(file), name, path, *word ? ": " : "", word);
    *ret_value = number == 1.0;
    return 0;
}

static int choose_coordinate(struct population_axis *axis, bool is_named_log, struct error *err)
{
    struct reading *reading = axis->reading;
    const char *file = io_file_path(reading->file);
    int r = 0;

    axis->is_log = is_named_log;
    if (is_named_log)
        return 0;
    if (io_attr_has(reading->file, axis->path, "log_on_read"))
        r = read_truth(reading->file, axis->path, "log_on_read", &axis->is_log, err);
    else if (axis->n > 1)
        warnings_add(&reading->grid->warnings,
                     "'%s': dataset '%s' has no 'log_on_read': interpolated linearly, not in its logarithm",
                     file, axis->path);
    return r;
}

/* ---- plausible? -------------------------------------------------------------------------------- */

static int check_ages(const struct population_axis *axis, struct error *err)
{
    struct warnings *warnings = &axis->reading->grid->warnings;
    const char *file = io_file_path(axis->reading->file);
    double youngest = axis->value[0], oldest = axis->value[axis->n - 1];

    if (youngest < 0)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s' index %zu is %g yr, must be >= 0; logarithms belong to an axis 'log10ages'",
            file, axis->path, grid_index_in_file(0, axis->n, axis->descends), youngest);
    if (oldest < OLDEST_LEAST_YR)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s' ends at %g yr, after which no population fades: are these Gyr, Myr or logarithms of years? Correct 'Units', or call the axis 'log10ages'",
            file, axis->path, oldest);
    if (oldest > OLDEST_MOST_YR)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s' ends at %g yr, far beyond the age of the universe: are these years? Correct 'Units'",
            file, axis->path, oldest);
    if (oldest < OLDEST_USUAL_YR)
        warnings_add(warnings,
                     "'%s': the grid's oldest age is %g yr; stars beyond it shine as if of that age", file,
                     oldest);
    if (youngest > YOUNGEST_USUAL_YR)
        warnings_add(warnings,
                     "'%s': the grid's youngest age is %g yr; stars below it shine as if of that age", file,
                     youngest);
    return 0;
}

static int check_metallicities(const struct population_axis *axis, struct error *err)
{
    const char *file = io_file_path(axis->reading->file);
    double least = axis->value[0], most = axis->value[axis->n - 1];

    if (least < 0)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s' index %zu is %g, but a mass fraction of metals is >= 0; logarithms belong to an axis 'log10metallicities'",
            file, axis->path, grid_index_in_file(0, axis->n, axis->descends), least);
    if (most > 1)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s' index %zu is %g, but a mass fraction of metals is at most 1; multiply what is in units of the Sun's by that",
            file, axis->path, grid_index_in_file(axis->n - 1, axis->n, axis->descends), most);
    if (most > 0.2)
        warnings_add(&axis->reading->grid->warnings,
                     "'%s': the grid's metallicities reach %g, which is much for a mass fraction of metals",
                     file, most);
    return 0;
}

/* Logarithms, where there are any; 0 has none, which matters where something is interpolated in them. */
static int check_coordinates(const struct population_axis *axis, struct error *err)
{
    const double *x = axis->is_log ? axis->log10_value : axis->value;
    const char *file = io_file_path(axis->reading->file);

    if (axis->n > 1 && axis->is_log && !(axis->value[0] > 0))
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s' index %zu is 0, which has no logarithm, and logarithms are to be interpolated: %s, or set its 'log_on_read' to false",
            file, axis->path, grid_index_in_file(0, axis->n, axis->descends),
            axis->kind == UNITS_TIME ? "give that node a small age, such as 1e4 yr"
                                     : "leave that metallicity out");
    for (size_t i = 1; i < axis->n; i++)
        if (!(x[i] > x[i - 1]))
            return error_set(err, POLYPHONY_INPUT,
                             "'%s': dataset '%s' index %zu is %.17g, too near to %.17g to tell them apart",
                             file, axis->path, grid_index_in_file(i, axis->n, axis->descends), axis->value[i],
                             axis->value[i - 1]);
    return 0;
}

static void keep_axis(const struct population_axis *axis, int i_axis)
{
    struct grid *grid = axis->reading->grid;
    bool history_is_log = axis->n == 1 || axis->value[0] > 0;

    *(i_axis ? &grid->metallicity : &grid->age_yr) = axis->value;
    *(i_axis ? &grid->log10_metallicity : &grid->log10_age) = axis->log10_value;
    *(i_axis ? &grid->n_metallicity : &grid->n_age) = axis->n;
    grid->axis_is_log[i_axis] = axis->is_log;
    grid->axis[i_axis] = (struct axis_nodes) { axis->n, axis->is_log ? axis->log10_value : axis->value };
    grid->history_is_log[i_axis] = history_is_log;
    grid->history_axis[i_axis] =
        (struct axis_nodes) { axis->n, history_is_log ? axis->log10_value : axis->value };
    *(i_axis ? &axis->reading->arrangement.metallicity_descends : &axis->reading->arrangement.age_descends) =
        axis->descends;
}

/* One population axis: the nodes as they are, their logarithms, and which of both is interpolated. */
static int read_population_axis(struct reading *reading, const char *path, bool is_named_log, int i_axis,
                                struct error *err)
{
    struct population_axis axis = { .reading = reading,
                                    .path = path,
                                    .kind = i_axis == 0 ? UNITS_TIME : UNITS_DIMENSIONLESS };
    char unit[GRID_NAME_MAX] = "";
    int r = grid_unit_text(reading->file, path, unit, sizeof(unit), err);

    is_named_log |= grid_unit_is_logarithm(unit);
    if (!r)
        r = is_named_log ? read_log_axis(&axis, err) : read_plain_axis(&axis, err);
    if (!r)
        r = choose_coordinate(&axis, is_named_log, err);
    axis.log10_value = r ? NULL : mem_array(axis.n, sizeof(*axis.log10_value));
    if (!r && !axis.log10_value)
        r = error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for '%s'", io_file_path(reading->file), path);
    for (size_t i = 0; !r && i < axis.n; i++) {
        axis.log10_value[i] = axis.holds_log ? axis.value[i] : log10(axis.value[i]);
        axis.value[i] = axis.holds_log ? pow(10.0, axis.value[i]) : axis.value[i];
    }
    if (!r)
        r = i_axis == 0 ? check_ages(&axis, err) : check_metallicities(&axis, err);
    if (!r)
        r = check_coordinates(&axis, err);
    if (r) {
        free(axis.value);
        free(axis.log10_value);
        return r;
    }
    keep_axis(&axis, i_axis);
    return 0;
}

/* ---- all axes ---------------------------------------------------------------------------------- */

/* "metallicities, ages" */
static void list_names(const char (*names)[IO_NAME_MAX], size_t n, char *ret_list, size_t size)
{
    *ret_list = '\0';
    for (size_t i = 0; i < n; i++) {
        strncat(ret_list, i ? ", " : "", size - strlen(ret_list) - 1);
        strncat(ret_list, names[i], size - strlen(ret_list) - 1);
    }
}

static int describe_axis(struct reading *reading, const char *name, struct error *err)
{
    struct grid_file_axis *axis = &reading->grid->file_axis[reading->grid->n_file_axis];
    char path[IO_NAME_MAX];
    double *value = NULL;
    int r;

    if (!text_format(axis->name, sizeof(axis->name), "%s", name) ||
        !text_format(path, sizeof(path), "axes/%s", name))
        return error_set(err, POLYPHONY_INPUT, "'%s': axis '%s' has too long a name",
                         io_file_path(reading->file), name);
    r = grid_read_list(reading->file, path, 1.0, &axis->n, &value, err);
    if (r)
        return r;
    axis->first = value[0];
    axis->last = value[axis->n - 1];
    free(value);
    reading->grid->n_file_axis++;
    return grid_unit_text(reading->file, path, axis->unit, sizeof(axis->unit), err);
}

/* "0.001, 0.01, 0.1 Gyr"; of many the first few. */
static int list_values(const struct reading *reading, const struct grid_file_axis *axis, char *ret_list,
                       size_t size, struct error *err)
{
    char path[IO_NAME_MAX], text[32];
    double *value = NULL;
    size_t n = 0;
    int r;

    text_format(path, sizeof(path), "axes/%s", axis->name);
    r = grid_read_list(reading->file, path, 1.0, &n, &value, err);
    *ret_list = '\0';
    for (size_t i = 0; !r && i < n && i < 8; i++) {
        text_format(text, sizeof(text), "%s%g%s", i ? ", " : "", value[i], i == 7 && n > 8 ? ", ..." : "");
        strncat(ret_list, text, size - strlen(ret_list) - 1);
    }
    free(value);
    return r;
}

/* A further axis of one value is none: nothing depends on it. */
static int check_further_axis(const struct reading *reading, const struct grid_file_axis *axis,
                              struct error *err)
{
    char list[192];
    int r = axis->n > 1 ? list_values(reading, axis, list, sizeof(list), err) : 0;

    if (r || axis->n == 1)
        return r;
    return error_set(
        err, POLYPHONY_INPUT,
        "'%s': the grid has a third axis '%s' of %zu values (%s); two (ages, metallicities) are understood so far, and a third one of one value: write a grid of one of these",
        io_file_path(reading->file), axis->name, axis->n, list);
}

/* Which of the file's axes is which. */
static int assign_roles(const struct reading *reading, const char (*names)[IO_NAME_MAX], size_t n,
                        size_t ret_axis[2], bool ret_is_log[2], struct error *err)
{
    const char *file = io_file_path(reading->file);
    size_t n_found[2] = { 0, 0 };
    char list[256];

    list_names(names, n, list, sizeof(list));
    for (size_t i = 0; i < n; i++) {
        bool is_log;
        enum role role = role_of(names[i], &is_log);

        if (role == ROLE_OTHER)
            continue;
        ret_axis[role] = i;
        ret_is_log[role] = is_log;
        if (n_found[role]++)
            return error_set(err, POLYPHONY_INPUT, "'%s': the grid has two axes of %s: %s", file,
                             role == ROLE_AGE ? "ages" : "metallicities", list);
    }
    if (!n_found[0] || !n_found[1])
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': not a stellar population grid: of ages and metallicities it has %s, its axes are (%s); grids of black holes and of dust are not read so far",
            file,
            n_found[0]   ? "only ages"
            : n_found[1] ? "only metallicities"
                         : "neither",
            list);
    return 0;
}

static int read_named_axes(struct reading *reading, const char (*names)[IO_NAME_MAX], size_t n,
                           struct error *err)
{
    size_t i_axis[2] = { 0, 0 };
    bool is_log[2] = { false, false };
    int r = assign_roles(reading, names, n, i_axis, is_log, err);

    if (!r && n > GRID_AXIS_MAX)
        r = error_set(err, POLYPHONY_INPUT, "'%s': the grid has %zu axes, at most %d are understood",
                      io_file_path(reading->file), n, GRID_AXIS_MAX);
    for (size_t i = 0; !r && i < n; i++) {
        r = describe_axis(reading, names[i], err);
        if (!r && i != i_axis[0] && i != i_axis[1])
            r = check_further_axis(reading, &reading->grid->file_axis[i], err);
    }
    reading->arrangement.metallicity_is_first = i_axis[1] < i_axis[0];
    for (int i = 0; !r && i < 2; i++) {
        char path[IO_NAME_MAX];

        text_format(path, sizeof(path), "axes/%s", names[i_axis[i]]);
        r = read_population_axis(reading, path, is_log[i], i, err);
    }
    return r;
}

static int read_weight(struct reading *reading, struct error *err)
{
    const char *file = io_file_path(reading->file);
    char weight[64] = "";
    int r = 0;

    if (io_attr_has(reading->file, "/", "WeightVariable"))
        r = io_attr_read_text(reading->file, "/", "WeightVariable", weight, sizeof(weight), err);
    if (r)
        return r;
    if (!*weight || !strcasecmp(weight, "None"))
        warnings_add(
            &reading->grid->warnings,
            "'%s': the grid does not say what it is per (no 'WeightVariable'): taken as per solar mass of stars formed",
            file);
    else if (strcmp(weight, "initial_masses"))
        return error_set(err, POLYPHONY_INPUT,
                         "'%s': the grid is per '%s'; only grids per 'initial_masses' are understood", file,
                         weight);
    return 0;
}

int grid_read_axes(struct reading *reading, struct error *err)
{
    char(*names)[IO_NAME_MAX] = NULL;
    size_t n = 0;
    int r = io_attr_read_texts(reading->file, "/", "axes", &names, &n, err);

    if (r)
        return error_prefix(err, r, "not a stellar population grid");
    r = read_named_axes(reading, (const char(*)[IO_NAME_MAX])names, n, err);
    free(names);
    reading->grid->n_cell = reading->grid->n_age * reading->grid->n_metallicity;
    return r ? r : read_weight(reading, err);
}
