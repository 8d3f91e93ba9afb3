/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An axis of a grid, of this and older generations, to ours: ages [yr], metallicities, or anything else as it
 * is, ascending. Ages and metallicities must look like it: no unit tells ages in Gyr that are called yr.
 */
#include "grid_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum grid_quantity grid_quantity_of(const char *name, bool *ret_holds_log)
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
            return GRID_AGE;
        if (!strcasecmp(name, metallicities[i]))
            return GRID_METALLICITY;
    }
    return !strcmp(name, "Z") || !strcmp(name, "Zs") ? GRID_METALLICITY : GRID_OTHER;
}

#define OLDEST_LEAST_YR   1e5  /* less is Gyr, Myr or logarithms of years that are called yr */
#define OLDEST_MOST_YR    2e12 /* more is years that are called Myr or Gyr; BPASS ends at 1e11 */
#define OLDEST_USUAL_YR   1e8
#define YOUNGEST_USUAL_YR 1e8

static enum units_kind kind_of(const struct file_axis *axis)
{
    return axis->quantity == GRID_AGE ? UNITS_TIME : UNITS_DIMENSIONLESS;
}

static bool is_within(const struct file_axis *axis, double low, double high, double log10_factor)
{
    for (size_t i = 0; i < axis->n; i++)
        if (!(axis->value[i] + log10_factor >= low && axis->value[i] + log10_factor <= high))
            return false;
    return true;
}

/* A name or unit says log10: do the numbers? Where they cannot be logarithms, and can be what they are the
 * logarithms of, they are that. */
static bool holds_logarithms(const struct file_axis *axis, double factor)
{
    double oldest = axis->value[axis->n - 1], shift = log10(factor);

    if (axis->quantity != GRID_AGE)
        return is_within(axis, -HUGE_VAL, 0.0, shift) || !is_within(axis, 0.0, 1.0, 0.0);
    return is_within(axis, -HUGE_VAL, log10(OLDEST_MOST_YR), shift) || axis->value[0] < 0 ||
           oldest * factor < OLDEST_LEAST_YR || oldest * factor > OLDEST_MOST_YR;
}

static int read_log_axis(struct file_axis *axis, struct error *err)
{
    struct reading *reading = axis->reading;
    const char *of = axis->quantity == GRID_AGE ? "yr" : "mass fractions",
               *file = io_file_path(reading->file);
    double factor = 1.0;
    bool is_of_numbers = false;
    int r = grid_read_list(reading->file, axis->path, 1.0, &axis->n, &axis->value, err);

    if (!r)
        r = grid_log_unit_factor(reading, axis->path, kind_of(axis), &factor, &is_of_numbers, err);
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

static int read_plain_axis(struct file_axis *axis, struct error *err)
{
    struct reading *reading = axis->reading;
    double factor = 1.0;
    int r = 0;

    if (axis->quantity != GRID_OTHER)
        r = grid_unit_factor(reading, axis->path, kind_of(axis), &factor, err);
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

static int choose_coordinate(struct file_axis *axis, bool is_named_log, struct error *err)
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

static int check_ages(const struct file_axis *axis, struct error *err)
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

static int check_metallicities(const struct file_axis *axis, struct error *err)
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
static int check_coordinates(const struct file_axis *axis, struct error *err)
{
    static const char *const remedies[] = { [GRID_AGE] = "give that node a small age, such as 1e4 yr",
                                            [GRID_METALLICITY] = "leave that metallicity out",
                                            [GRID_OTHER] = "leave that value out" };
    const double *x = axis->is_log ? axis->log10_value : axis->value;
    const char *file = io_file_path(axis->reading->file);

    if (axis->n > 1 && axis->is_log && !(axis->value[0] > 0))
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s' index %zu is %g, which has no logarithm, and logarithms are to be interpolated: %s, or set its 'log_on_read' to false",
            file, axis->path, grid_index_in_file(0, axis->n, axis->descends), axis->value[0],
            remedies[axis->quantity]);
    for (size_t i = 1; i < axis->n; i++)
        if (!(x[i] > x[i - 1]))
            return error_set(err, POLYPHONY_INPUT,
                             "'%s': dataset '%s' index %zu is %.17g, too near to %.17g to tell them apart",
                             file, axis->path, grid_index_in_file(i, axis->n, axis->descends), axis->value[i],
                             axis->value[i - 1]);
    return 0;
}

static int check_axis(const struct file_axis *axis, struct error *err)
{
    int r = 0;

    if (axis->quantity == GRID_AGE)
        r = check_ages(axis, err);
    else if (axis->quantity == GRID_METALLICITY)
        r = check_metallicities(axis, err);
    return r ? r : check_coordinates(axis, err);
}

/* The nodes and their logarithms, of either of which the file has one. */
static int make_both(struct file_axis *axis, struct error *err)
{
    axis->log10_value = mem_array(axis->n, sizeof(*axis->log10_value));
    if (!axis->log10_value)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for '%s'",
                         io_file_path(axis->reading->file), axis->path);
    for (size_t i = 0; i < axis->n; i++) {
        axis->log10_value[i] = axis->holds_log ? axis->value[i] : log10(axis->value[i]);
        axis->value[i] = axis->holds_log ? pow(10.0, axis->value[i]) : axis->value[i];
    }
    return 0;
}

int grid_read_axis(struct reading *reading, const char *name, struct file_axis *axis, struct error *err)
{
    bool is_named_log;
    int r;

    *axis = (struct file_axis) { .reading = reading, .quantity = grid_quantity_of(name, &is_named_log) };
    if (!text_format(axis->name, sizeof(axis->name), "%s", name) ||
        !text_format(axis->path, sizeof(axis->path), "axes/%s", name))
        return error_set(err, POLYPHONY_INPUT, "'%s': axis '%s' has too long a name",
                         io_file_path(reading->file), name);
    r = grid_unit_text(reading->file, axis->path, axis->unit, sizeof(axis->unit), err);
    /* Of what is neither, the numbers are what they are. */
    is_named_log = axis->quantity != GRID_OTHER && (is_named_log || grid_unit_is_logarithm(axis->unit));
    if (!r)
        r = is_named_log ? read_log_axis(axis, err) : read_plain_axis(axis, err);
    if (!r)
        r = choose_coordinate(axis, is_named_log, err);
    if (!r)
        r = make_both(axis, err);
    return r ? r : check_axis(axis, err);
}
