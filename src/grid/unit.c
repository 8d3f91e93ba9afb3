/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Units of a grid's datasets. Grids of years ago have none, and their numbers mean what they still do: yr,
 * angstrom, erg/s/Hz, erg/s. That is taken, and said.
 */
#include "grid_private.h"

#include <string.h>
#include <strings.h>

/* What a grid's numbers are where it does not say. */
static const char *const usual_units[GRID_KIND_MAX] = {
    [UNITS_DIMENSIONLESS] = "dimensionless", [UNITS_TIME] = "yr",      [UNITS_WAVELENGTH] = "angstrom",
    [UNITS_ENERGY_RATE] = "erg/s",           [UNITS_LNU] = "erg/s/Hz",
};

static void trim(char *text)
{
    size_t n = strlen(text), lead = strspn(text, " \t\r\n");

    while (n > lead && strchr(" \t\r\n", text[n - 1]))
        n--;
    memmove(text, text + lead, n - lead);
    text[n - lead] = '\0';
}

int grid_unit_text(struct io_file *file, const char *path, char *ret_text, size_t size, struct error *err)
{
    static const char *const names[] = { "Units", "units", "Unit", "unit" };
    int r = 0;

    *ret_text = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (io_attr_has(file, path, names[i])) {
            r = io_attr_read_text(file, path, names[i], ret_text, size, err);
            break;
        }
    trim(ret_text);
    if (!r && (!strcasecmp(ret_text, "None") || !strcasecmp(ret_text, "unknown")))
        *ret_text = '\0';
    return r;
}

static void note_unitless(struct reading *reading, const char *path, enum units_kind kind)
{
    struct unitless *unitless = &reading->unitless[kind];

    if (unitless->n++ == 0)
        text_format(unitless->first, sizeof(unitless->first), "%s", path);
}

void grid_warn_unitless(struct reading *reading)
{
    for (size_t kind = 0; kind < GRID_KIND_MAX; kind++) {
        const struct unitless *unitless = &reading->unitless[kind];
        char more[48] = "";

        if (unitless->n > 1)
            text_format(more, sizeof(more), " (nor have %zu more)", unitless->n - 1);
        if (unitless->n)
            warnings_add(&reading->grid->warnings, "'%s': dataset '%s' has no 'Units'%s: taken as %s",
                         io_file_path(reading->file), unitless->first, more, usual_units[kind]);
    }
}

/* grid-generation writes the unit of Maraston's ages twice. */
static bool is_squared_year(const char *unit)
{
    static const char *const spellings[] = { "yr**2", "yr^2", "yr2", "yr*yr", "year**2" };

    for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++)
        if (!strcmp(unit, spellings[i]))
            return true;
    return false;
}

int grid_unit_factor(struct reading *reading, const char *path, enum units_kind kind, double *ret_factor,
                     struct error *err)
{
    char unit[64];
    int r = grid_unit_text(reading->file, path, unit, sizeof(unit), err);

    if (r)
        return r;
    if (!*unit) {
        note_unitless(reading, path, kind);
        text_format(unit, sizeof(unit), "%s", usual_units[kind]);
    }
    if (kind == UNITS_TIME && is_squared_year(unit)) {
        warnings_add(&reading->grid->warnings,
                     "'%s': dataset '%s' has the unit '%s', as Maraston's grids do by a slip: taken as yr",
                     io_file_path(reading->file), path, unit);
        *ret_factor = 1.0;
        return 0;
    }
    r = units_factor(unit, kind, NULL, ret_factor, err);
    return r ? error_prefix(err, r, "'%s': dataset '%s'", io_file_path(reading->file), path) : 0;
}

bool grid_unit_is_logarithm(const char *text)
{
    static const char *const words[] = { "dex", "log10", "log_10", "log", "lg" };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        size_t n = strlen(words[i]);

        if (!strncasecmp(text, words[i], n) && (!text[n] || strchr(" (/[", text[n])))
            return true;
    }
    return false;
}

/* "log10(age/yr)" too. */
static int find_log_factor(const char *text, enum units_kind kind, double *ret_factor, struct error *err)
{
    const char *slash = strrchr(text, '/');
    char unit[64];

    if (slash) {
        text_format(unit, sizeof(unit), "%.*s", (int)strcspn(slash + 1, ")]"), slash + 1);
        if (*unit && !units_factor(unit, kind, NULL, ret_factor, NULL))
            return 0;
    }
    return units_factor_log10(text, kind, ret_factor, err);
}

int grid_log_unit_factor(struct reading *reading, const char *path, enum units_kind kind, double *ret_factor,
                         bool *ret_is_of_numbers, struct error *err)
{
    char text[64];
    double ignored;
    int r = grid_unit_text(reading->file, path, text, sizeof(text), err);

    if (r)
        return r;
    if (!*text)
        warnings_add(&reading->grid->warnings,
                     "'%s': dataset '%s' has no 'Units': taken as logarithms to base 10 of %s",
                     io_file_path(reading->file), path, kind == UNITS_TIME ? "yr" : "mass fractions");
    *ret_is_of_numbers = kind == UNITS_TIME && !units_factor(text, kind, NULL, &ignored, NULL);
    r = find_log_factor(text, kind, ret_factor, err);
    return r ? error_prefix(err, r, "'%s': dataset '%s'", io_file_path(reading->file), path) : 0;
}
