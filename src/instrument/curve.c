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
    if (table->n == table->capacity) {
        size_t more = table->capacity ? 2 * table->capacity : 256;
        double *a = reallocarray(table->lambda, more, sizeof(*a));
        double *b = a ? reallocarray(table->transmission, more, sizeof(*b)) : NULL;
        size_t *c = b ? reallocarray(table->place, more, sizeof(*c)) : NULL;

        table->lambda = a ? a : table->lambda;
        table->transmission = b ? b : table->transmission;
        if (!c)
            return error_set(err, POLYPHONY_INTERNAL, "no memory for filter '%s'", file->code);
        table->place = c;
        table->capacity = more;
    }
    if (table->n == CURVE_N_MAX)
        return error_set(err, POLYPHONY_INPUT, "'%s' %s %zu: a filter curve has %d rows at most", file->path,
                         table->place_word, place, CURVE_N_MAX);
    table->lambda[table->n] = lambda;
    table->transmission[table->n] = transmission;
    table->place[table->n++] = place;
    return 0;
}

void curve_free(struct curve_table *table)
{
    free(table->lambda);
    free(table->transmission);
    free(table->place);
    *table = (struct curve_table) { 0 };
}

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

static int say_place(const struct curve_file *file, const struct curve_table *table, size_t i,
                     const char *what, double value, const char *must, struct error *err)
{
    return error_set(err, POLYPHONY_INPUT, "'%s' %s %zu: %s %.10g must be %s", file->path, table->place_word,
                     table->place[i], what, value, must);
}

/* ---- wavelengths ------------------------------------------------------------------------------------ */

/* The first row goes. */
static void drop_first(struct curve_table *table)
{
    table->n--;
    memmove(table->lambda, table->lambda + 1, table->n * sizeof(*table->lambda));
    memmove(table->transmission, table->transmission + 1, table->n * sizeof(*table->transmission));
    memmove(table->place, table->place + 1, table->n * sizeof(*table->place));
}

/* A wavelength of 0 where T is 0 is a way of saying that there is no light on that side. */
static void drop_zero(const struct curve_file *file, struct curve_table *table)
{
    size_t last = table->n - 1;

    if (table->n > 2 && table->lambda[last] == 0.0 && table->transmission[last] == 0.0)
        table->n--;
    else if (table->n > 2 && table->lambda[0] == 0.0 && table->transmission[0] == 0.0)
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
        double lambda = table->lambda[i], transmission = table->transmission[i];
        size_t place = table->place[i];

        table->lambda[i] = table->lambda[j];
        table->transmission[i] = table->transmission[j];
        table->place[i] = table->place[j];
        table->lambda[j] = lambda;
        table->transmission[j] = transmission;
        table->place[j] = place;
    }
}

/* Ascending; a wavelength that is repeated with one transmission is one row, with two it is a step. */
static int order(const struct curve_file *file, struct curve_table *table, struct error *err)
{
    double *lambda = table->lambda, *t = table->transmission;
    bool descends = lambda[table->n - 1] < lambda[0];
    size_t n = 0;

    for (size_t i = 1; i < table->n; i++)
        if (descends ? lambda[i] > lambda[i - 1] : lambda[i] < lambda[i - 1])
            return error_set(
                err, POLYPHONY_INPUT,
                "'%s' %s %zu: wavelengths must ascend or descend, but %.10g follows %.10g and the curve goes from %.10g to %.10g",
                file->path, table->place_word, table->place[i], lambda[i], lambda[i - 1], lambda[0],
                lambda[table->n - 1]);
    if (descends)
        reverse(table);
    for (size_t i = 0; i < table->n; i++) {
        if (n > 0 && lambda[i] == lambda[n - 1] && t[i] == t[n - 1])
            continue;
        if (n > 1 && lambda[i] == lambda[n - 2])
            return error_set(err, POLYPHONY_INPUT,
                             "'%s' %s %zu: wavelength %.10g has more than two transmissions; two are a step",
                             file->path, table->place_word, table->place[i], lambda[i]);
        lambda[n] = lambda[i];
        t[n] = t[i];
        table->place[n++] = table->place[i];
    }
    table->n = n;
    return 0;
}

static int check_numbers(const struct curve_file *file, const struct curve_table *table, struct error *err)
{
    for (size_t i = 0; i < table->n; i++) {
        if (!isfinite(table->lambda[i]) || table->lambda[i] <= 0)
            return say_place(file, table, i, "wavelength", table->lambda[i], "> 0", err);
        if (!isfinite(table->transmission[i]))
            return say_place(file, table, i, "transmission", table->transmission[i], "a number within 0 to 1",
                             err);
    }
    return 0;
}

/* ---- transmissions ---------------------------------------------------------------------------------- */

static void scale(struct curve_table *table, double factor)
{
    for (size_t i = 0; i < table->n; i++)
        table->transmission[i] *= factor;
}

static size_t index_of_largest(const struct curve_table *table, double sign)
{
    size_t largest = 0;

    for (size_t i = 1; i < table->n; i++)
        if (sign * table->transmission[i] > sign * table->transmission[largest])
            largest = i;
    return largest;
}

/* As a column of wavelengths is, behind one of numbers. */
static bool is_monotonic(const struct curve_table *table)
{
    const double *t = table->transmission;

    for (size_t i = 1; i < table->n; i++)
        if (t[i] == t[i - 1] || (t[i] > t[i - 1]) != (t[1] > t[0]))
            return false;
    return true;
}

/* To fractions: of per cent, of an area, or of whatever the largest value is 1 of. */
static int scale_to_one(const struct curve_file *file, struct curve_table *table, struct error *err)
{
    size_t i_high = index_of_largest(table, 1.0);
    double high = table->transmission[i_high];

    if (high > 1 + EXCURSION_MAX && table->is_columns_guessed && is_monotonic(table))
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s' %s %zu: transmission %g must be within 0 to 1; the first two of the file's columns were taken, and the second ascends as wavelengths do: name them in a first line 'number wavelength transmission'",
            file->path, table->place_word, table->place[i_high], high);
    if (high > 1 && table->is_per_cent) {
        scale(table, 0.01);
        high *= 0.01;
    }
    if (high > 1 + EXCURSION_MAX) {
        scale(table, 1 / high);
        warnings_add(
            table->warnings,
            "filter '%s' ('%s'): transmissions reach %g (%s %zu), so they are not fractions (per cent, an effective area?); they are divided by that, which band averages do not depend on",
            file->code, file->path, high, table->place_word, table->place[i_high]);
    }
    return 0;
}

static int clip(const struct curve_file *file, struct curve_table *table, struct error *err)
{
    size_t i_low = index_of_largest(table, -1.0), i_high = index_of_largest(table, 1.0);
    double low = table->transmission[i_low], high = table->transmission[i_high];

    if (low < 0 && low < -EXCURSION_MAX * high)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s' %s %zu: transmission %g must be within 0 to 1; down to -%g of the largest, %g, would be taken for 0",
            file->path, table->place_word, table->place[i_low], low, EXCURSION_MAX, high);
    if (high < TRANSMISSION_MIN)
        return error_set(err, POLYPHONY_INPUT,
                         "filter '%s': '%s' lets no light through (%zu rows, transmissions of %g at most)",
                         file->code, file->path, table->n, high);
    if (low < 0)
        warnings_add(table->warnings,
                     "filter '%s' ('%s'): transmissions below 0 are taken as 0 (down to %g, %s %zu)",
                     file->code, file->path, low, table->place_word, table->place[i_low]);
    if (high > 1)
        warnings_add(table->warnings,
                     "filter '%s' ('%s'): transmissions above 1 are taken as 1 (up to %.10g, %s %zu)",
                     file->code, file->path, high, table->place_word, table->place[i_high]);
    for (size_t i = 0; i < table->n; i++)
        table->transmission[i] = fmin(fmax(table->transmission[i], 0.0), 1.0);
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
    const double *lambda = table->lambda;
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
            file->code, file->path, lambda[0] / table->angstrom, lambda[table->n - 1] / table->angstrom,
            lambda[0], lambda[table->n - 1], claim);
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
    if (!r && (table->n < 2 || table->lambda[0] == table->lambda[table->n - 1]))
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
    if (table->angstrom != 1.0)
        for (size_t i = 0; i < table->n; i++)
            table->lambda[i] *= table->angstrom;
    filter.n = table->n;
    filter.lambda_angstrom = table->lambda;
    filter.transmission = table->transmission;
    pivot = filter_pivot_angstrom(&filter);
    r = check_unit(file, table, pivot, err);
    if (r)
        return r;
    if (table->is_energy_counter)
        warnings_add(
            table->warnings,
            "filter '%s' ('%s'): the file says that it counts energy; it is used as one that counts photons, as Synthesizer does, which moves its pivot wavelength from %.6g to %.6g angstrom",
            file->code, file->path, pivot_of_energy(&filter), pivot);
    text_format(filter.code, sizeof(filter.code), "%s", file->code);
    table->lambda = table->transmission = NULL; /* the filter's now */
    *ret_filter = filter;
    return 0;
}
