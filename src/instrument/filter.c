/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/instrument.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/units.h"

/* A curve longer than this is not a filter curve. */
#define FILTER_N_MAX            1000000
#define TOP_HAT_N               1000
#define TOP_HAT_MARGIN_ANGSTROM 1000.0

static int filter_append(struct filter *filter, size_t *capacity, double lambda, double transmission)
{
    if (filter->n == *capacity) {
        size_t more = *capacity ? 2 * *capacity : 256;
        double *grown = reallocarray(filter->lambda_angstrom, more, sizeof(double));

        if (grown)
            filter->lambda_angstrom = grown;
        grown = grown ? reallocarray(filter->transmission, more, sizeof(double)) : NULL;
        if (!grown)
            return -1;
        filter->transmission = grown;
        *capacity = more;
    }
    filter->lambda_angstrom[filter->n] = lambda;
    filter->transmission[filter->n++] = transmission;
    return 0;
}

/* One line of the file; blank and comment lines add nothing. */
static int read_line(struct filter *filter, size_t *capacity, const char *path, size_t line, char *text,
                     struct error *err)
{
    double lambda, transmission;
    int end = 0;

    text[strcspn(text, "#\r\n")] = '\0';
    if (text[strspn(text, " \t,")] == '\0')
        return 0;
    for (char *c = text; *c; c++)
        if (*c == ',')
            *c = ' ';
    if (sscanf(text, "%lf %lf %n", &lambda, &transmission, &end) != 2 || text[end])
        return error_set(err, POLYPHONY_INPUT,
                         "'%s' line %zu: '%.60s' is not 'wavelength[angstrom] transmission'", path, line,
                         text);
    if (!isfinite(lambda) || lambda <= 0)
        return error_set(err, POLYPHONY_INPUT, "'%s' line %zu: wavelength %g must be > 0 angstrom", path,
                         line, lambda);
    if (!(transmission >= 0 && transmission <= 1))
        return error_set(err, POLYPHONY_INPUT, "'%s' line %zu: transmission %g must be within 0 to 1", path,
                         line, transmission);
    if (filter->n && !(lambda > filter->lambda_angstrom[filter->n - 1]))
        return error_set(err, POLYPHONY_INPUT, "'%s' line %zu: wavelengths must ascend, but %g follows %g",
                         path, line, lambda, filter->lambda_angstrom[filter->n - 1]);
    if (filter->n >= FILTER_N_MAX || filter_append(filter, capacity, lambda, transmission))
        return error_set(err, POLYPHONY_INPUT, "'%s' line %zu: the curve is too long", path, line);
    return 0;
}

int filter_read(const char *path, const char *code, struct filter *ret_filter, struct error *err)
{
    struct filter filter = { 0 };
    char *text = NULL;
    size_t capacity = 0, line = 0, room = 0;
    double area = 0.0;
    FILE *file = fopen(path, "r");
    int r = 0;

    if (!file)
        return error_set(err, POLYPHONY_INPUT, "filter '%s': '%s': %s", code, path, strerror(errno));
    if (!text_format(filter.code, sizeof(filter.code), "%s", code))
        r = error_set(err, POLYPHONY_INPUT, "filter code '%s' is longer than %d bytes", code,
                      INSTRUMENT_NAME_MAX - 1);
    while (!r && getline(&text, &room, file) >= 0)
        r = read_line(&filter, &capacity, path, ++line, text, err);
    if (!r && ferror(file))
        r = error_set(err, POLYPHONY_INPUT, "filter '%s': '%s': %s", code, path, strerror(errno));
    fclose(file);
    free(text);
    for (size_t i = 0; i < filter.n; i++)
        area += filter.transmission[i];
    if (!r && (filter.n < 2 || !(area > 0)))
        r = error_set(err, POLYPHONY_INPUT, "filter '%s': '%s' lets no light through (%zu points)", code,
                      path, filter.n);
    if (r) {
        filter_free(&filter);
        return r;
    }
    *ret_filter = filter;
    return 0;
}

int filter_top_hat(const char *code, double lambda_min_angstrom, double lambda_max_angstrom,
                   struct filter *ret_filter, struct error *err)
{
    double low = fmax(0.0, lambda_min_angstrom - TOP_HAT_MARGIN_ANGSTROM);
    double high = lambda_max_angstrom + TOP_HAT_MARGIN_ANGSTROM;
    struct filter filter = { .n = TOP_HAT_N };

    filter.lambda_angstrom = mem_array(TOP_HAT_N, sizeof(double));
    filter.transmission = mem_array(TOP_HAT_N, sizeof(double));
    if (!filter.lambda_angstrom || !filter.transmission ||
        !text_format(filter.code, sizeof(filter.code), "%s", code)) {
        filter_free(&filter);
        return error_set(err, POLYPHONY_INTERNAL, "no memory for filter '%s'", code);
    }
    for (size_t i = 0; i < TOP_HAT_N; i++) {
        double lambda = low + (high - low) * (double)i / (TOP_HAT_N - 1);

        filter.lambda_angstrom[i] = lambda;
        filter.transmission[i] = lambda > lambda_min_angstrom && lambda <= lambda_max_angstrom;
    }
    *ret_filter = filter;
    return 0;
}

void filter_free(struct filter *filter)
{
    free(filter->lambda_angstrom);
    free(filter->transmission);
    *filter = (struct filter) { 0 };
}

double filter_pivot_angstrom(const struct filter *filter)
{
    const double *lambda = filter->lambda_angstrom, *t = filter->transmission;
    double by_lambda = 0.0, over_lambda = 0.0;

    for (size_t i = 1; i < filter->n; i++) {
        double half = 0.5 * (lambda[i] - lambda[i - 1]);

        by_lambda += half * (t[i] * lambda[i] + t[i - 1] * lambda[i - 1]);
        over_lambda +=
            half * ((t[i] > 0 ? t[i] / lambda[i] : 0) + (t[i - 1] > 0 ? t[i - 1] / lambda[i - 1] : 0));
    }
    return sqrt(by_lambda / over_lambda);
}

/* Linear interpolation at x of (coordinate, transmission), 0 outside; `sign` -1 when the coordinate descends.
 */
static double curve_at(const struct filter *filter, bool in_frequency, double x)
{
    const double *lambda = filter->lambda_angstrom;
    size_t low = 0, high = filter->n - 1;
    double x_low, x_high;
    double lambda_x = in_frequency ? UNITS_LIGHT_SPEED_ANGSTROM_S / x : x;

    if (!(lambda_x >= lambda[0] && lambda_x <= lambda[high]))
        return 0.0;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (lambda[middle] <= lambda_x)
            low = middle;
        else
            high = middle;
    }
    x_low = in_frequency ? UNITS_LIGHT_SPEED_ANGSTROM_S / lambda[low] : lambda[low];
    x_high = in_frequency ? UNITS_LIGHT_SPEED_ANGSTROM_S / lambda[high] : lambda[high];
    return filter->transmission[low] +
           (filter->transmission[high] - filter->transmission[low]) * ((x - x_low) / (x_high - x_low));
}

void filter_on_grid(const struct filter *filter, enum band_frame frame, double redshift, size_t n_lambda,
                    const double *lambda_rest_angstrom, double *ret_transmission)
{
    for (size_t i = 0; i < n_lambda; i++) {
        double nu_observed = UNITS_LIGHT_SPEED_ANGSTROM_S / lambda_rest_angstrom[i] / (1.0 + redshift);
        double t = frame == BAND_REST ? curve_at(filter, false, lambda_rest_angstrom[i])
                                      : curve_at(filter, true, nu_observed);

        ret_transmission[i] = fmin(fmax(t, 0.0), 1.0);
    }
}

int band_make(const struct filter *filter, enum band_frame frame, double redshift, size_t n_lambda,
              const double *lambda_rest_angstrom, struct arena *arena, struct band *ret_band,
              struct error *err)
{
    double *t = arena_array(arena, n_lambda, sizeof(*t));
    double *nu = arena_array(arena, n_lambda, sizeof(*nu));
    size_t first = 0, last = 0, n_positive = 0;
    double total = 0.0;

    if (!t || !nu)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for filter '%s' on the grid", filter->code);
    filter_on_grid(filter, frame, redshift, n_lambda, lambda_rest_angstrom, t);
    for (size_t i = 0; i < n_lambda; i++) {
        nu[i] = UNITS_LIGHT_SPEED_ANGSTROM_S / lambda_rest_angstrom[i] /
                (frame == BAND_REST ? 1.0 : 1.0 + redshift);
        if (t[i] != 0.0) {
            first = n_positive++ ? first : i;
            last = i;
        }
    }
    *ret_band = (struct band) { 0 };
    if (n_positive < 2)
        return 0;
    /* Trapezoids in frequency, of T / nu; half a cell on either side of each wavelength. */
    ret_band->weight = arena_array(arena, last - first + 1, sizeof(double));
    if (!ret_band->weight)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for filter '%s' on the grid", filter->code);
    for (size_t i = first; i <= last; i++) {
        double width = 0.5 * ((i < last ? nu[i] - nu[i + 1] : 0.0) + (i > first ? nu[i - 1] - nu[i] : 0.0));

        ret_band->weight[i - first] = width * t[i] / nu[i];
        total += ret_band->weight[i - first];
    }
    for (size_t i = first; i <= last; i++)
        ret_band->weight[i - first] /= total;
    ret_band->first = first;
    ret_band->n = last - first + 1;
    return 0;
}
