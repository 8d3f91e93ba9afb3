/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/instrument.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOP_HAT_N               1000
#define TOP_HAT_MARGIN_ANGSTROM 1000.0

int filter_top_hat(const char *code, double lambda_min_angstrom, double lambda_max_angstrom,
                   struct filter *ret_filter, struct error *err)
{
    double low = fmax(0.0, lambda_min_angstrom - TOP_HAT_MARGIN_ANGSTROM);
    double high = lambda_max_angstrom + TOP_HAT_MARGIN_ANGSTROM;
    struct filter filter = { .n = TOP_HAT_N };

    if (!text_format(filter.code, sizeof(filter.code), "%s", code))
        return error_set(err, POLYPHONY_USAGE, "filter code '%.100s' is longer than %d bytes", code,
                         INSTRUMENT_NAME_MAX - 1);
    filter.lambda_angstrom = mem_small(TOP_HAT_N, sizeof(double));
    filter.transmission = mem_small(TOP_HAT_N, sizeof(double));
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

/* int T dlambda from the curve's beginning to `end` [angstrom]. */
static double area_until(const struct filter *filter, double end)
{
    const double *lambda = filter->lambda_angstrom, *t = filter->transmission;
    double area = 0.0;

    for (size_t i = 1; i < filter->n && lambda[i - 1] < end; i++) {
        double to = fmin(lambda[i], end), width = to - lambda[i - 1];

        if (width > 0)
            area += width * (t[i - 1] + 0.5 * (t[i] - t[i - 1]) * (width / (lambda[i] - lambda[i - 1])));
    }
    return area;
}

double filter_share_within(const struct filter *filter, double low_angstrom, double high_angstrom)
{
    double before = area_until(filter, low_angstrom), until = area_until(filter, high_angstrom);

    return until > before ? (until - before) / area_until(filter, HUGE_VAL) : 0.0;
}

void filter_range(const struct filter *filter, double *ret_low_angstrom, double *ret_high_angstrom)
{
    size_t first = 0, last = filter->n - 1;

    while (first < last && filter->transmission[first] <= 0.0)
        first++;
    while (last > first && filter->transmission[last] <= 0.0)
        last--;
    *ret_low_angstrom = filter->lambda_angstrom[first > 0 ? first - 1 : first];
    *ret_high_angstrom = filter->lambda_angstrom[last + 1 < filter->n ? last + 1 : last];
}
