/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The census of one galaxy. */
#include "polyphony/census.h"

#include <math.h>

/* Nodes and float32 of catalogues are rounded. */
#define ROUNDING 1e-6

struct census_axes census_axes_of(const struct grid *grid, const size_t *axis_parameter)
{
    struct census_axes axes = { .n = grid->n_axis };

    for (size_t a = 0; a < axes.n; a++) {
        const struct grid_axis *axis = &grid->axis[a];
        double first = axis->node[0], last = axis->node[axis->n - 1];

        axes.name[a] = axis->quantity == GRID_AGE           ? "ages"
                       : axis->quantity == GRID_METALLICITY ? "metallicities"
                                                            : axis->name;
        axes.field[a] = axis->quantity == GRID_AGE ? FIELD_AGE_YR
                        : axis->quantity == GRID_METALLICITY
                            ? FIELD_METALLICITY
                            : FIELD_PARAMETER + (enum field)axis_parameter[a];
        axes.least[a] = first - ROUNDING * fabs(first);
        axes.most[a] = last + ROUNDING * fabs(last);
    }
    return axes;
}

/* ---- sums over stars ----------------------------------------------------------------------------- */

size_t census_places(uint64_t n_star)
{
    return n_star < CENSUS_PLACES_MAX ? (size_t)n_star : CENSUS_PLACES_MAX;
}

void census_begin(struct census *census, const struct census_axes *axes, uint64_t n_star, double *place_kpc)
{
    *census =
        (struct census) { .axes = axes, .n_star = n_star, .z_least_kpc = INFINITY, .z_most_kpc = -INFINITY };
    for (size_t d = 0; place_kpc && d < 3; d++)
        census->place_kpc[d] = place_kpc + d * census_places(n_star);
}

/* Along one axis. */
static void add_beyond(struct census *census, size_t a, const struct galaxy *galaxy)
{
    const struct particles *stars = &galaxy->particles[STARS];
    enum field field = census->axes->field[a];
    const double *mass = stars->field[FIELD_INITIAL_MASS_MSUN], *value = stars->field[field];
    double number = !value && field >= FIELD_PARAMETER ? galaxy->parameter[field - FIELD_PARAMETER] : 0.0;
    double least = census->axes->least[a], most = census->axes->most[a];
    double below = census->below_msun[a], above = census->above_msun[a];

    for (size_t i = 0; i < stars->n; i++) {
        double x = value ? value[i] : number;

        below += x < least ? mass[i] : 0.0;
        above += x > most ? mass[i] : 0.0;
    }
    census->below_msun[a] = below;
    census->above_msun[a] = above;
}

/* The k-th place that is kept is that of star k * n_star / n_places. */
static void keep_places(struct census *census, const struct particles *stars)
{
    uint64_t n_places = census_places(census->n_star);

    for (; census->n_place < n_places; census->n_place++) {
        uint64_t star = census->n_place * census->n_star / n_places;

        if (star >= stars->first + stars->n)
            return;
        for (size_t d = 0; d < 3; d++)
            census->place_kpc[d][census->n_place] = stars->field[FIELD_X_KPC + d][star - stars->first];
    }
}

void census_add(struct census *census, const struct galaxy *galaxy)
{
    const struct particles *stars = &galaxy->particles[STARS];
    const double *mass = stars->field[FIELD_INITIAL_MASS_MSUN], *z = stars->field[FIELD_Z_KPC];

    for (size_t i = 0; i < stars->n; i++) {
        census->mass_msun += mass[i];
        census->n_without_light += mass[i] == 0.0;
    }
    census->n_seen += stars->n;
    for (size_t a = 0; a < census->axes->n; a++)
        add_beyond(census, a, galaxy);
    if (!census->place_kpc[0] || !z)
        return;
    keep_places(census, stars);
    for (size_t i = 0; i < stars->n; i++) {
        census->z_least_kpc = fmin(census->z_least_kpc, z[i]);
        census->z_most_kpc = fmax(census->z_most_kpc, z[i]);
    }
}

/* ---- figures ------------------------------------------------------------------------------------- */

/* Brings the k-th smallest to its place, smaller ones before it (Hoare's selection). */
static void select_smallest(double *value, size_t n, size_t k)
{
    size_t begin = 0, end = n - 1;

    while (begin < end) {
        double pivot = value[begin + (end - begin) / 2];
        size_t i = begin, j = end;

        for (;;) {
            while (value[i] < pivot)
                i++;
            while (value[j] > pivot)
                j--;
            if (i >= j)
                break;
            double swap = value[i];
            value[i++] = value[j];
            value[j--] = swap;
        }
        if (k <= j)
            end = j;
        else
            begin = j + 1;
    }
}

/* Of an even number the mean of the two in the middle. */
static double median(double *value, size_t n)
{
    double low = -INFINITY;

    select_smallest(value, n, n / 2);
    for (size_t i = 0; n % 2 == 0 && i < n / 2; i++)
        low = fmax(low, value[i]);
    return n % 2 ? value[n / 2] : low + 0.5 * (value[n / 2] - low);
}

static double share(double part, double all)
{
    return all > 0.0 ? part / all : 0.0;
}

/* Results hold finite numbers only. */
static double finite_or_0(double value)
{
    return isfinite(value) ? value : 0.0;
}

static void measure_places(const struct census *census, const double *centre_kpc,
                           struct census_figures *figures)
{
    double middle[3], distance_kpc = 0.0, extent_kpc, *const *place = census->place_kpc;
    double far_kpc[CENSUS_PLACES_MAX], order[CENSUS_PLACES_MAX];
    size_t n = census->n_place;

    if (n == 0) {
        figures->value[CENSUS_EXTENT] = 0.0;
        figures->value[CENSUS_CENTRE] = centre_kpc ? 0.0 : (double)NAN;
        return;
    }
    for (size_t d = 0; d < 3; d++) {
        for (size_t i = 0; i < n; i++)
            order[i] = place[d][i];
        middle[d] = median(order, n);
    }
    for (size_t i = 0; i < n; i++) {
        double x = place[0][i] - middle[0], y = place[1][i] - middle[1], z = place[2][i] - middle[2];

        far_kpc[i] = sqrt(x * x + y * y + z * z);
    }
    extent_kpc = median(far_kpc, n);
    figures->value[CENSUS_EXTENT] = finite_or_0(extent_kpc);
    if (!centre_kpc)
        return;
    for (size_t d = 0; d < 3; d++)
        distance_kpc += (middle[d] - centre_kpc[d]) * (middle[d] - centre_kpc[d]);
    figures->value[CENSUS_CENTRE] = finite_or_0(share(sqrt(distance_kpc), extent_kpc));
}

static void measure_gas(const struct census *census, const struct particles *gas,
                        struct census_figures *figures)
{
    const double *dust = gas->field[FIELD_DUST_MASS_MSUN], *z = gas->field[FIELD_Z_KPC];
    double before = 0.0, behind = 0.0, all = 0.0;

    for (size_t i = 0; i < gas->n && census->n_seen; i++) {
        all += dust[i];
        before += z[i] < census->z_least_kpc ? dust[i] : 0.0;
        behind += z[i] > census->z_most_kpc ? dust[i] : 0.0;
    }
    figures->value[CENSUS_GAS_BEFORE] = share(before, all);
    figures->value[CENSUS_GAS_BEHIND] = share(behind, all);
}

void census_end(const struct census *census, const struct particles *gas, const double *centre_kpc,
                struct census_figures *ret_figures)
{
    ret_figures->n_star = census->n_seen;
    ret_figures->mass_msun = census->mass_msun;
    for (size_t i = 0; i < CENSUS_N_FIGURE; i++)
        ret_figures->value[i] = (double)NAN;
    ret_figures->value[CENSUS_WITHOUT_LIGHT] = share((double)census->n_without_light, (double)census->n_seen);
    for (size_t a = 0; a < census->axes->n; a++) {
        ret_figures->value[CENSUS_BELOW + a] = share(census->below_msun[a], census->mass_msun);
        ret_figures->value[CENSUS_ABOVE + a] = share(census->above_msun[a], census->mass_msun);
    }
    if (!census->place_kpc[0])
        return;
    measure_places(census, centre_kpc, ret_figures);
    if (gas && gas->field[FIELD_Z_KPC] && gas->field[FIELD_DUST_MASS_MSUN])
        measure_gas(census, gas, ret_figures);
}

double census_mass_outside(const struct particles *stars, const double centre_kpc[3], double half_kpc)
{
    const double *mass = stars->field[FIELD_INITIAL_MASS_MSUN];
    double outside = 0.0, all = 0.0;

    for (size_t i = 0; i < stars->n; i++) {
        double x = fabs(stars->field[FIELD_X_KPC][i] - centre_kpc[0]);
        double y = fabs(stars->field[FIELD_Y_KPC][i] - centre_kpc[1]);

        all += mass[i];
        outside += x > half_kpc || y > half_kpc ? mass[i] : 0.0;
    }
    return share(outside, all);
}
