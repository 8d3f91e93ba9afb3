/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/instrument.h"

#include <math.h>
#include <string.h>

#include "polyphony/units.h"

/* Transmission at x, a wavelength [angstrom] or a frequency [Hz], in which it is linear between the curve's
 * points; 0 outside. */
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
    if (x_low == x_high) /* a step at the curve's end */
        return filter->transmission[high];
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

/* ---- integrals over the nodes of both ------------------------------------------------------------ */

/* Gauss-Legendre points of [0, 1]. S T is quadratic over a piece; with 1 / lambda, two points are right to
 * 1e-9 where its ends are less than NARROW apart, four to 1e-6 where they differ by a factor of two. */
static const struct rule {
    size_t n;
    double point[4], weight[4];
} two_points = { 2, { 0.21132486540518712, 0.78867513459481288 }, { 0.5, 0.5 } },
  four_points = { 4,
                  { 0.069431844202973712, 0.33000947820757187, 0.66999052179242813, 0.93056815579702629 },
                  { 0.17392742256872693, 0.32607257743127307, 0.32607257743127307, 0.17392742256872693 } };
#define NARROW 0.05

/* A line between two wavelengths. */
struct cell {
    double low, high, per_width;
};

static struct cell cell_at(const double *lambda, size_t i)
{
    return (struct cell) { lambda[i], lambda[i + 1], 1.0 / (lambda[i + 1] - lambda[i]) };
}

/* Add int S T dlambda / lambda over [from, to], where S is linear in `grid` and T, with t[2] at its ends, in
 * `curve`: in wavelength, or in frequency. */
static void add_piece(const struct cell *grid, const struct cell *curve, const double t[2], bool in_frequency,
                      double from, double to, double weight[2])
{
    const struct rule *rule = to - from < NARROW * from ? &two_points : &four_points;
    double lower = 0.0, upper = 0.0;

    for (size_t k = 0; k < rule->n; k++) {
        double x = from + (to - from) * rule->point[k], per_x = 1.0 / x;
        double way = (x - curve->low) * curve->per_width * (in_frequency ? curve->high * per_x : 1.0);
        double share = rule->weight[k] * (t[0] + (t[1] - t[0]) * way) * per_x;
        double fraction = (x - grid->low) * grid->per_width;

        lower += share * (1.0 - fraction);
        upper += share * fraction;
    }
    weight[0] += (to - from) * lower;
    weight[1] += (to - from) * upper;
}

/* The weight of each of the grid's wavelengths, as seen through the filter, in int S T dlambda / lambda for a
 * spectrum that is linear between them. weight[n_lambda] sums to 1, or is 0 where filter and grid do not
 * overlap. */
static void integrate(const struct filter *filter, enum band_frame frame, size_t n_lambda,
                      const double *lambda, double *weight)
{
    const double *curve = filter->lambda_angstrom, *t = filter->transmission;
    double at = fmax(lambda[0], curve[0]), end = fmin(lambda[n_lambda - 1], curve[filter->n - 1]);
    struct cell of_grid = cell_at(lambda, 0), of_curve = cell_at(curve, 0);
    size_t i = 0, j = 0;
    double total = 0.0;

    memset(weight, 0, n_lambda * sizeof(*weight));
    while (at < end) {
        double to;

        if (curve[i + 1] <= at) {
            while (curve[i + 1] <= at)
                i++;
            of_curve = cell_at(curve, i);
        }
        if (lambda[j + 1] <= at) {
            while (lambda[j + 1] <= at)
                j++;
            of_grid = cell_at(lambda, j);
        }
        to = fmin(t[i] == 0.0 && t[i + 1] == 0.0 ? of_curve.high : fmin(of_curve.high, of_grid.high), end);
        if (t[i] != 0.0 || t[i + 1] != 0.0)
            add_piece(&of_grid, &of_curve, &t[i], frame == BAND_OBSERVED, at, to, &weight[j]);
        at = to;
    }
    for (size_t k = 0; k < n_lambda; k++)
        total += weight[k];
    for (size_t k = 0; total > 0 && k < n_lambda; k++)
        weight[k] /= total;
}

/* ---- trapezoids over the grid's nodes ------------------------------------------------------------ */

/*
 * Trapezoids in frequency, of T / nu, from the first to the last of the grid's wavelengths where T is not 0;
 * half a cell on either side of each wavelength. weight[n_lambda], of which the others are 0, sums to 1, or
 * is 0 where fewer than two see the curve.
 */
static void sum_trapezoids(size_t n_lambda, const double *nu, const double *t, double *weight)
{
    size_t first = 0, last = 0, n_positive = 0;
    double total = 0.0;

    memset(weight, 0, n_lambda * sizeof(*weight));
    for (size_t i = 0; i < n_lambda; i++)
        if (t[i] != 0.0) {
            first = n_positive++ ? first : i;
            last = i;
        }
    if (n_positive < 2)
        return;
    for (size_t i = first; i <= last; i++) {
        double width = 0.5 * ((i < last ? nu[i] - nu[i + 1] : 0.0) + (i > first ? nu[i - 1] - nu[i] : 0.0));

        weight[i] = width * t[i] / nu[i];
        total += weight[i];
    }
    for (size_t i = first; i <= last; i++)
        weight[i] /= total;
}

/* ---- which of the two ------------------------------------------------------------------------------ */

/*
 * The grid resolves a curve where NODES_MIN of its wavelengths see it, TOP_MIN of them at more than half of
 * its largest transmission (a leak that many see is not the curve), and where the weights of trapezoids and
 * integral are no more than APART_MAX apart in sum: then averages differ by at most half of that times the
 * range of the spectrum within the band. Wide bands of JWST on the 440 wavelengths of BC03 are just resolved.
 */
#define NODES_MIN 7
#define TOP_MIN   4
#define APART_MAX 0.2

static bool is_resolved(const struct filter *filter, size_t n, const double *t, const double *trapezoids,
                        const double *integral)
{
    size_t n_seeing = 0, n_top = 0;
    double largest = 0.0, apart = 0.0;

    for (size_t i = 0; i < filter->n; i++)
        largest = fmax(largest, filter->transmission[i]);
    for (size_t i = 0; i < n; i++) {
        n_seeing += t[i] != 0.0;
        n_top += t[i] > 0.5 * largest;
        apart += fabs(trapezoids[i] - integral[i]);
    }
    return n_seeing >= NODES_MIN && n_top >= TOP_MIN && apart <= APART_MAX;
}

/* Keep what is not 0 at either end. */
static void trim(size_t n, double *weight, struct band *ret_band)
{
    size_t first = 0;

    while (first < n && weight[first] == 0.0)
        first++;
    while (n > first && weight[n - 1] == 0.0)
        n--;
    *ret_band = (struct band) { .first = first, .n = n - first, .weight = weight + first };
    if (n == first)
        *ret_band = (struct band) { 0 };
}

/* The grid's wavelengths that a curve reaches, and two on either side: [*ret_first, + *ret_n). */
static void find_window(const struct filter *filter, double stretch, size_t n_lambda,
                        const double *lambda_rest_angstrom, size_t *ret_first, size_t *ret_n)
{
    double edge[2] = { filter->lambda_angstrom[0], filter->lambda_angstrom[filter->n - 1] };
    size_t at[2];

    for (size_t e = 0; e < 2; e++) {
        size_t low = 0, high = n_lambda; /* the first beyond the edge */

        while (low < high) {
            size_t middle = low + (high - low) / 2;

            if (lambda_rest_angstrom[middle] * stretch <= edge[e])
                low = middle + 1;
            else
                high = middle;
        }
        at[e] = low;
    }
    *ret_first = at[0] > 2 ? at[0] - 2 : 0;
    *ret_n = (at[1] + 2 < n_lambda ? at[1] + 2 : n_lambda) - *ret_first;
}

int band_make(const struct filter *filter, enum band_frame frame, double redshift, size_t n_lambda,
              const double *lambda_rest_angstrom, struct arena *arena, struct band *ret_band,
              struct error *err)
{
    double stretch = frame == BAND_REST ? 1.0 : 1.0 + redshift;
    double *weight, *t, *nu, *lambda, *integral;
    struct arena_mark mark;
    size_t first, n;

    find_window(filter, stretch, n_lambda, lambda_rest_angstrom, &first, &n);
    weight = arena_array(arena, n, sizeof(*weight));
    mark = arena_mark(arena);
    t = arena_array(arena, n, sizeof(*t));
    nu = arena_array(arena, n, sizeof(*nu));
    lambda = arena_array(arena, n, sizeof(*lambda));
    integral = arena_array(arena, n, sizeof(*integral));
    if (!weight || !t || !nu || !lambda || !integral)
        return mem_short(err, "for filter '%s' on the grid", filter->code);
    lambda_rest_angstrom += first;
    filter_on_grid(filter, frame, redshift, n, lambda_rest_angstrom, t);
    for (size_t i = 0; i < n; i++) {
        nu[i] = UNITS_LIGHT_SPEED_ANGSTROM_S / lambda_rest_angstrom[i] / stretch;
        lambda[i] = lambda_rest_angstrom[i] * stretch;
    }
    integrate(filter, frame, n, lambda, integral);
    sum_trapezoids(n, nu, t, weight);
    if (!is_resolved(filter, n, t, weight, integral))
        memcpy(weight, integral, n * sizeof(*weight));
    arena_release(arena, mark);
    trim(n, weight, ret_band);
    ret_band->first += ret_band->n ? first : 0;
    return 0;
}
