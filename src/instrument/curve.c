/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One curve of what stands in a file.
 *
 * Band averages do not depend on the scale of T, so a curve in other units (per cent, an effective area) is
 * scaled, and not refused. They do depend on the unit of wavelength, so where a file does not say it, the
 * numbers must look like angstrom.
 */
#include "curve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/units.h"

/* Wavelengths of what is seen through filters [angstrom]: from the extreme ultraviolet to 2 mm. Below
 * DOUBT_ANGSTROM numbers may as well be nm. */
#define PIVOT_MIN_ANGSTROM   100.0
#define PIVOT_DOUBT_ANGSTROM 2000.0
#define PIVOT_MAX_ANGSTROM   2e7

/* How far transmissions may leave 0 ... 1, as measured and smoothed curves do. */
#define EXCURSION_MAX 0.05
/* Below this nothing can be averaged. */
#define TRANSMISSION_MIN 1e-30

int curve_add(const struct curve_file *file, struct curve_table *table, double lambda, double transmission,
              size_t place, struct error *err)
{
    if (table->n == CURVE_N_MAX)
        return error_set(err, POLYPHONY_INPUT, "'%s' %s %zu: a filter curve has %d rows at most", file->path,
                         table->place_word, place, CURVE_N_MAX);
    table->row = mem_grow(table->row, table->n, &table->capacity, sizeof(*table->row));
    table->row[table->n++] = (struct curve_row) { lambda, transmission, place };
    return 0;
}

void curve_free(struct curve_table *table)
{
    free(table->row);
    *table = (struct curve_table) { 0 };
}

static int say_place(const struct curve_file *file, const struct curve_table *table, size_t i,
                     const char *what, double value, const char *must, struct error *err)
{
    return error_set(err, POLYPHONY_INPUT, "'%s' %s %zu: %s %.10g must be %s", file->path, table->place_word,
                     table->row[i].place, what, value, must);
}

/* ---- wavelengths ------------------------------------------------------------------------------------ */

/* The first row goes. */
static void drop_first(struct curve_table *table)
{
    memmove(table->row, table->row + 1, --table->n * sizeof(*table->row));
}

/* A wavelength of 0 where T is 0 is a way of saying that there is no light on that side. */
static void drop_zero(const struct curve_file *file, struct curve_table *table)
{
    size_t last = table->n - 1;

    if (table->n > 2 && table->row[last].lambda == 0.0 && table->row[last].transmission == 0.0)
        table->n--;
    else if (table->n > 2 && table->row[0].lambda == 0.0 && table->row[0].transmission == 0.0)
        drop_first(table);
    else
        return;
    warnings_add(
        table->warnings,
        "filter '%s' ('%s'): the row of wavelength 0 and transmission 0 is left out: the curve begins with the one beside it",
        file->code, file->path);
}

static void reverse(struct curve_table *table)
{
    for (size_t i = 0, j = table->n - 1; i < j; i++, j--) {
        struct curve_row row = table->row[i];

        table->row[i] = table->row[j];
        table->row[j] = row;
    }
}

/* Ascending; a wavelength that is repeated with one transmission is one row, with two it is a step. */
static int order(const struct curve_file *file, struct curve_table *table, struct error *err)
{
    struct curve_row *row = table->row;
    bool descends = row[table->n - 1].lambda < row[0].lambda;
    size_t n = 0;

    for (size_t i = 1; i < table->n; i++)
        if (descends ? row[i].lambda > row[i - 1].lambda : row[i].lambda < row[i - 1].lambda)
            return error_set(
                err, POLYPHONY_INPUT,
                "'%s' %s %zu: wavelengths must ascend or descend, but %.10g follows %.10g and the curve goes from %.10g to %.10g",
                file->path, table->place_word, row[i].place, row[i].lambda, row[i - 1].lambda, row[0].lambda,
                row[table->n - 1].lambda);
    if (descends)
        reverse(table);
    for (size_t i = 0; i < table->n; i++) {
        if (n > 0 && row[i].lambda == row[n - 1].lambda && row[i].transmission == row[n - 1].transmission)
            continue;
        if (n > 1 && row[i].lambda == row[n - 2].lambda)
            return error_set(err, POLYPHONY_INPUT,
                             "'%s' %s %zu: wavelength %.10g has more than two transmissions; two are a step",
                             file->path, table->place_word, row[i].place, row[i].lambda);
        row[n++] = row[i];
    }
    table->n = n;
    return 0;
}

static int check_numbers(const struct curve_file *file, const struct curve_table *table, struct error *err)
{
    for (size_t i = 0; i < table->n; i++) {
        if (!isfinite(table->row[i].lambda) || table->row[i].lambda <= 0)
            return say_place(file, table, i, "wavelength", table->row[i].lambda, "> 0", err);
        if (!isfinite(table->row[i].transmission))
            return say_place(file, table, i, "transmission", table->row[i].transmission,
                             "a number within 0 to 1", err);
    }
    return 0;
}

/* ---- transmissions ---------------------------------------------------------------------------------- */

static void scale(struct curve_table *table, double factor)
{
    for (size_t i = 0; i < table->n; i++)
        table->row[i].transmission *= factor;
}

static size_t index_of_largest(const struct curve_table *table, double sign)
{
    size_t largest = 0;

    for (size_t i = 1; i < table->n; i++)
        if (sign * table->row[i].transmission > sign * table->row[largest].transmission)
            largest = i;
    return largest;
}

/* As a column of wavelengths is, behind one of numbers. */
static bool is_monotonic(const struct curve_table *table)
{
    const struct curve_row *row = table->row;

    for (size_t i = 1; i < table->n; i++)
        if (row[i].transmission == row[i - 1].transmission ||
            (row[i].transmission > row[i - 1].transmission) != (row[1].transmission > row[0].transmission))
            return false;
    return true;
}

/* To fractions: of per cent, of an area, or of whatever the largest value is 1 of. */
static int scale_to_one(const struct curve_file *file, struct curve_table *table, struct error *err)
{
    size_t i_high = index_of_largest(table, 1.0);
    double high = table->row[i_high].transmission;

    if (high > 1 + EXCURSION_MAX && table->is_columns_guessed && is_monotonic(table))
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s' %s %zu: transmission %g must be within 0 to 1; the first two of the file's columns were taken, and the second ascends as wavelengths do: name them in a first line 'number wavelength transmission'",
            file->path, table->place_word, table->row[i_high].place, high);
    if (high > 1 && table->is_per_cent) {
        scale(table, 0.01);
        high *= 0.01;
    }
    if (high > 1 + EXCURSION_MAX) {
        scale(table, 1 / high);
        warnings_add(
            table->warnings,
            "filter '%s' ('%s'): transmissions reach %g (%s %zu), so they are not fractions (per cent, an effective area?); they are divided by that, which band averages do not depend on",
            file->code, file->path, high, table->place_word, table->row[i_high].place);
    }
    return 0;
}

static int clip(const struct curve_file *file, struct curve_table *table, struct error *err)
{
    size_t i_low = index_of_largest(table, -1.0), i_high = index_of_largest(table, 1.0);
    double low = table->row[i_low].transmission, high = table->row[i_high].transmission;

    if (low < 0 && low < -EXCURSION_MAX * high)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s' %s %zu: transmission %g must be within 0 to 1; down to -%g of the largest, %g, would be taken for 0",
            file->path, table->place_word, table->row[i_low].place, low, EXCURSION_MAX, high);
    if (high < TRANSMISSION_MIN)
        return error_set(err, POLYPHONY_INPUT,
                         "filter '%s': '%s' lets no light through (%zu rows, transmissions of %g at most)",
                         file->code, file->path, table->n, high);
    if (low < 0)
        warnings_add(table->warnings,
                     "filter '%s' ('%s'): transmissions below 0 are taken as 0 (down to %g, %s %zu)",
                     file->code, file->path, low, table->place_word, table->row[i_low].place);
    if (high > 1)
        warnings_add(table->warnings,
                     "filter '%s' ('%s'): transmissions above 1 are taken as 1 (up to %.10g, %s %zu)",
                     file->code, file->path, high, table->place_word, table->row[i_high].place);
    for (size_t i = 0; i < table->n; i++)
        table->row[i].transmission = fmin(fmax(table->row[i].transmission, 0.0), 1.0);
    return 0;
}

/* ---- units ------------------------------------------------------------------------------------------ */

/* What was decided and might be otherwise. `odd_claim`: what the file says of a unit that looks wrong, or
 * NULL. */
static void warn_of_unit(const struct curve_file *file, const struct curve_table *table, double pivot,
                         const char *odd_claim)
{
    if (odd_claim)
        warnings_add(table->warnings, "filter '%s' ('%s'): its pivot wavelength is %.6g angstrom (%s)",
                     file->code, file->path, pivot, odd_claim);
    else if (table->claim == CURVE_MENTION && table->angstrom != 1.0)
        warnings_add(
            table->warnings,
            "filter '%s' ('%s'): wavelengths are taken as '%s', which line %zu mentions: the pivot wavelength is %.6g angstrom; say '# wavelength [unit] transmission' in the file's first line",
            file->code, file->path, table->unit, table->unit_place, pivot);
    else if (!table->claim && table->no_unit[0])
        warnings_add(
            table->warnings,
            "filter '%s' ('%s'): '%s' behind the wavelengths is no unit that is known; they are taken as angstrom, and the pivot wavelength is %.6g; say '# wavelength [unit] transmission'",
            file->code, file->path, table->no_unit, pivot);
    else if (!table->claim && pivot < PIVOT_DOUBT_ANGSTROM)
        warnings_add(
            table->warnings,
            "filter '%s' ('%s'): no unit is said, so wavelengths are angstrom, and the pivot wavelength %.6g; if they are nm, say '# wavelength [nm] transmission' in the file's first line",
            file->code, file->path, pivot);
}

/* Could these wavelengths be what they are taken for? */
static int check_unit(const struct curve_file *file, const struct curve_table *table, double pivot,
                      struct error *err)
{
    double first = table->row[0].lambda, last = table->row[table->n - 1].lambda;
    bool is_odd = !(pivot >= PIVOT_MIN_ANGSTROM && pivot <= PIVOT_MAX_ANGSTROM);
    char claim[96] = "no unit is said";

    if (table->rival[0])
        return error_set(
            err, POLYPHONY_INPUT,
            "filter '%s': '%s': wavelengths are in '%s' by line %zu and in '%s' by line %zu; say which in one line '# wavelength [unit] transmission'",
            file->code, file->path, table->unit, table->unit_place, table->rival, table->rival_place);
    if (table->claim && table->unit_place)
        text_format(claim, sizeof(claim), "'%s' is said in line %zu", table->unit, table->unit_place);
    else if (table->claim)
        text_format(claim, sizeof(claim), "'%s' is said", table->unit);
    if (table->logarithm_place)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s' line %zu: it says dB or magnitudes; transmissions are needed as fractions, or in per cent",
            file->path, table->logarithm_place);
    if (table->inverse_place && !table->claim)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s' line %zu: it says frequencies, energies or wave numbers; a wavelength is needed",
            file->path, table->inverse_place);
    if (is_odd && table->claim < CURVE_DECLARES)
        return error_set(
            err, POLYPHONY_INPUT,
            "filter '%s': '%s': wavelengths of %.6g to %.6g would be %.6g to %.6g angstrom (%s); say the unit in the file's first line, '# wavelength [nm] transmission' (or angstrom, micron, mm)",
            file->code, file->path, first, last, first * table->angstrom, last * table->angstrom, claim);
    warn_of_unit(file, table, pivot, is_odd ? claim : NULL);
    return 0;
}

/* Pivot of a curve as energy counters use it: sqrt(int T dlambda / int T / lambda^2 dlambda), trapezoids. */
static double pivot_of_energy(const struct filter *filter)
{
    const double *lambda = filter->lambda_angstrom, *t = filter->transmission;
    double above = 0.0, below = 0.0;

    for (size_t i = 1; i < filter->n; i++) {
        double half = 0.5 * (lambda[i] - lambda[i - 1]);

        above += half * (t[i] + t[i - 1]);
        below += half * (t[i] / (lambda[i] * lambda[i]) + t[i - 1] / (lambda[i - 1] * lambda[i - 1]));
    }
    return sqrt(above / below);
}

/* ---- the whole -------------------------------------------------------------------------------------- */

static int normalise(const struct curve_file *file, struct curve_table *table, struct error *err)
{
    int r = 0;

    if (table->n)
        drop_zero(file, table);
    r = check_numbers(file, table, err);
    if (!r && table->n)
        r = order(file, table, err);
    if (!r && (table->n < 2 || table->row[0].lambda == table->row[table->n - 1].lambda))
        r = error_set(
            err, POLYPHONY_INPUT,
            "filter '%s': '%s' lets no light through (%zu rows of wavelength and transmission; two wavelengths are needed)",
            file->code, file->path, table->n);
    if (!r)
        r = scale_to_one(file, table, err);
    return r ? r : clip(file, table, err);
}

int curve_finish(const struct curve_file *file, struct curve_table *table, struct filter *ret_filter,
                 struct error *err)
{
    struct filter filter = { 0 };
    double pivot;
    int r = normalise(file, table, err);

    if (r)
        return r;
    if (!table->claim)
        table->angstrom = 1.0;
    filter.n = table->n;
    filter.lambda_angstrom = mem_small(table->n, sizeof(double));
    filter.transmission = mem_small(table->n, sizeof(double));
    for (size_t i = 0; i < table->n; i++) {
        filter.lambda_angstrom[i] = table->row[i].lambda * table->angstrom;
        filter.transmission[i] = table->row[i].transmission;
    }
    pivot = filter_pivot_angstrom(&filter);
    r = check_unit(file, table, pivot, err);
    if (r) {
        filter_free(&filter);
        return r;
    }
    if (table->is_energy_counter)
        warnings_add(
            table->warnings,
            "filter '%s' ('%s'): the file says that it counts energy; it is used as one that counts photons, as Synthesizer does, which moves its pivot wavelength from %.6g to %.6g angstrom",
            file->code, file->path, pivot_of_energy(&filter), pivot);
    text_format(filter.code, sizeof(filter.code), "%s", file->code);
    *ret_filter = filter;
    return 0;
}
