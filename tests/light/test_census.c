/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The census of one galaxy and of all. Expected numbers are worked out by hand; where sums of masses are compared exactly
 * the masses are small whole numbers.
 */
#include "polyphony/census.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 8

static const double mass[N] = { 1, 2, 3, 4, 5, 6, 7, 0 };
static const double age[N] = { 1e5, 1e6, 1e6 * (1 - 1e-7), 1e7, 1e9, 1e9 * (1 + 1e-7), 2e9, 5 };
static const double metallicity[N] = { 1e-5, 0.001, 0.01, 0.02, 0.02, 0.5, 0.01, 0.01 };
static const double x[N] = { 1, 2, 3, 4, 5, 6, 7, 8 }, y[N] = { 0 }, z[N] = { 9, 9, 9, 9, 9, 9, 9, 9 };

static struct census_axes axes(void)
{
    static double ages[] = { 1e6, 1e9 }, metallicities[] = { 0.001, 0.02 }, others[] = { -3, -1 };
    static const size_t parameter[3] = { 9, 9, 1 };
    static const struct grid grid = {
        .n_axis = 3,
        .axis = { { .quantity = GRID_AGE, .n = 2, .node = ages },
                  { .quantity = GRID_METALLICITY, .n = 2, .node = metallicities },
                  { .name = "ionisation", .quantity = GRID_OTHER, .n = 2, .node = others } }
    };

    return census_axes_of(&grid, parameter);
}

static struct particles stars(size_t first, size_t n, bool has_places)
{
    struct particles particles = { .first = first, .n = n };

    particles.field[FIELD_INITIAL_MASS_MSUN] = mass + first;
    particles.field[FIELD_AGE_YR] = age + first;
    particles.field[FIELD_METALLICITY] = metallicity + first;
    if (has_places) {
        particles.field[FIELD_X_KPC] = x + first;
        particles.field[FIELD_Y_KPC] = y + first;
        particles.field[FIELD_Z_KPC] = z + first;
    }
    return particles;
}

static struct census_figures count(size_t n_tile, const struct particles *gas, const double *centre_kpc)
{
    const struct census_axes all = axes();
    struct census_figures figures = { .id = 3 };
    double place_kpc[3 * N];
    struct census census;

    census_begin(&census, &all, N, place_kpc);
    for (size_t first = 0; first < N; first += n_tile) {
        struct galaxy tile = { .particles[STARS] =
                                   stars(first, N - first < n_tile ? N - first : n_tile, true) };

        census_add(&census, &tile);
    }
    census_end(&census, gas, centre_kpc, &figures);
    return figures;
}

static void mass_beyond_the_ends_of_axes_is_counted_and_rounding_is_not(void **state)
{
    struct census_figures figures = count(N, NULL, NULL);

    (void)state;
    assert_true(figures.mass_msun == 28.0);
    assert_true(figures.value[CENSUS_BELOW] == 1.0 / 28.0);
    assert_true(figures.value[CENSUS_ABOVE] == 7.0 / 28.0);
    assert_true(figures.value[CENSUS_BELOW + 1] == 1.0 / 28.0);
    assert_true(figures.value[CENSUS_ABOVE + 1] == 6.0 / 28.0);
    assert_true(figures.value[CENSUS_WITHOUT_LIGHT] == 1.0 / 8.0);
    assert_true(isnan(figures.value[CENSUS_BELOW + 3]));
}

static void what_stars_do_not_have_is_a_number_of_the_galaxy(void **state)
{
    const struct census_axes all = axes();

    (void)state;
    assert_string_equal(all.name[0], "ages");
    assert_string_equal(all.name[2], "ionisation");
    for (int i = -4; i <= 0; i++) {
        struct galaxy galaxy = { .particles[STARS] = stars(0, N, false), .parameter = { 0, i } };
        struct census_figures figures;
        struct census census;

        census_begin(&census, &all, N, NULL);
        census_add(&census, &galaxy);
        census_end(&census, NULL, NULL, &figures);
        assert_true(figures.value[CENSUS_BELOW + 2] == (i < -3));
        assert_true(figures.value[CENSUS_ABOVE + 2] == (i > -1));
        assert_true(isnan(figures.value[CENSUS_EXTENT]) && isnan(figures.value[CENSUS_CENTRE]));
    }
}

/* Eight stars in a row: their median is at 4.5, their distances from it 0.5 (twice), 1.5, 2.5 and 3.5. */
static void extents_are_median_distances_from_the_median(void **state)
{
    const double centre_kpc[3] = { 4.5, 3.0, 5.0 };
    struct census_figures figures = count(N, NULL, centre_kpc);

    (void)state;
    assert_true(figures.value[CENSUS_EXTENT] == 2.0);
    assert_true(figures.value[CENSUS_CENTRE] == 5.0 / 2.0);
    assert_true(isnan(figures.value[CENSUS_GAS_BEFORE]));
}

static void gas_is_before_or_behind_all_stars(void **state)
{
    const double gas_z[4] = { 8.9, 9.0, 9.1, 20.0 }, dust[4] = { 1, 2, 4, 1 };
    struct particles gas = { .n = 4 };
    struct census_figures figures;

    (void)state;
    gas.field[FIELD_Z_KPC] = gas_z;
    gas.field[FIELD_DUST_MASS_MSUN] = dust;
    figures = count(N, &gas, NULL);
    assert_true(figures.value[CENSUS_GAS_BEFORE] == 1.0 / 8.0);
    assert_true(figures.value[CENSUS_GAS_BEHIND] == 5.0 / 8.0);
}

static void tiles_do_not_show(void **state)
{
    const double centre_kpc[3] = { 1, 2, 3 };
    struct census_figures whole = count(N, NULL, centre_kpc);

    (void)state;
    for (size_t n_tile = 1; n_tile < N; n_tile++) {
        struct census_figures tiled = count(n_tile, NULL, centre_kpc);

        for (size_t i = 0; i < CENSUS_N_FIGURE; i++)
            assert_true(tiled.value[i] == whole.value[i] || (isnan(tiled.value[i]) && isnan(whole.value[i])));
    }
}

static int by_value(const void *a, const void *b)
{
    double x0 = *(const double *)a, x1 = *(const double *)b;

    return (x0 > x1) - (x0 < x1);
}

/* Of 5000 stars those at k * 5000 / 256; sorted here with the C library. */
static void places_of_many_stars_are_taken_evenly(void **state)
{
    enum { MANY = 5000 };
    static double places[3][MANY], ones[MANY], kept[3 * CENSUS_PLACES_MAX], sorted[CENSUS_PLACES_MAX];
    const struct census_axes none = { .n = 0 };
    struct galaxy galaxy_of_many = { .particles[STARS].n = MANY };
    struct particles *all = &galaxy_of_many.particles[STARS];
    struct census_figures figures;
    struct census census;
    uint64_t random = 12345;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        places[0][i] = (double)(random >> 40) / 16777216.0 - 0.5;
        ones[i] = 1.0;
    }
    all->field[FIELD_INITIAL_MASS_MSUN] = ones;
    for (size_t d = 0; d < 3; d++)
        all->field[FIELD_X_KPC + d] = places[d];
    census_begin(&census, &none, MANY, kept);
    census_add(&census, &galaxy_of_many);
    census_end(&census, NULL, (const double[3]) { 0 }, &figures);
    for (size_t k = 0; k < CENSUS_PLACES_MAX; k++)
        sorted[k] = places[0][k * MANY / CENSUS_PLACES_MAX];
    qsort(sorted, CENSUS_PLACES_MAX, sizeof(double), by_value);
    double middle = 0.5 * (sorted[127] + sorted[128]);
    for (size_t k = 0; k < CENSUS_PLACES_MAX; k++)
        sorted[k] = fabs(sorted[k] - middle);
    qsort(sorted, CENSUS_PLACES_MAX, sizeof(double), by_value);
    double extent = 0.5 * (sorted[127] + sorted[128]);
    assert_true(fabs(figures.value[CENSUS_EXTENT] - extent) < 1e-14);
    assert_true(fabs(figures.value[CENSUS_CENTRE] - fabs(middle) / extent) < 1e-14);
}

static void mass_outside_a_field_is_that_beyond_a_side(void **state)
{
    struct particles all = stars(0, N, true);

    (void)state;
    assert_true(census_mass_outside(&all, (const double[3]) { 4, 0, 100 }, 2.0) == 8.0 / 28.0);
    assert_true(census_mass_outside(&all, (const double[3]) { 4, 5, 0 }, 4.0) == 1.0);
}

/* ---- all galaxies -------------------------------------------------------------------------------- */

static const struct census_limits limits = { .stars = 16,
                                             .off_grid = 0.5,
                                             .off_field = 0.5,
                                             .off_centre = 2,
                                             .extent_least_kpc = 0.05,
                                             .extent_most_kpc = 300,
                                             .extent_early_kpc = 30,
                                             .gas_apart = 0.9,
                                             .without_light = 0.1,
                                             .filter_angstrom = 912 };
static const char *const names[CENSUS_AXES_MAX] = { "ages", "metallicities", "ionisation" };

static struct census_figures galaxy(int64_t id, uint64_t n_star, enum census_figure figure, double value)
{
    struct census_figures figures = { .id = id, .n_star = n_star, .mass_msun = (double)n_star };

    for (size_t i = 0; i < CENSUS_N_FIGURE; i++)
        figures.value[i] = (double)NAN;
    figures.value[figure] = value;
    return figures;
}

static void the_worst_galaxy_is_named_with_the_likely_cause(void **state)
{
    static const struct {
        enum census_figure figure;
        double value, worse, redshift;
        const char *says;
    } cases[] = {
        { CENSUS_BELOW, 0.6, 1.0, 0, "are ages in Gyr" },
        { CENSUS_ABOVE + 1, 0.6, 1.0, 0, "in units of the Sun's" },
        { CENSUS_ABOVE + 2, 0.6, 1.0, 0, "above the grid's ionisation" },
        { CENSUS_CENTRE, 3.0, 4.0, 0, "is the centre another galaxy's" },
        { CENSUS_EXTENT, 400, 5000, 0, "called Mpc" },
        { CENSUS_EXTENT, 0.01, 0.003, 0, "are lengths in Mpc, and called kpc" },
        { CENSUS_EXTENT, 5, 6, 6.0, "comoving" },
        { CENSUS_GAS_BEHIND, 0.95, 1.0, 0, "gas farther" },
        { CENSUS_FIELD_OBSERVED, 0.7, 0.9, 1, "outside the field" },
        { CENSUS_WITHOUT_LIGHT, 0.7, 0.9, 0, "of no mass" },
    };

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        const double value[] = { cases[c].value, cases[c].worse, cases[c].value };
        char text[CENSUS_TEXT_MAX];
        struct census_sum sum;

        census_sum_begin(&sum, &limits, true);
        for (int64_t i = 0; i < 3; i++) {
            struct census_figures figures = galaxy(40 + i, 16, cases[c].figure, value[i]);

            figures.redshift = cases[c].redshift;
            census_sum_add(&sum, &figures);
        }
        assert_true(census_warn(&sum, names, 0, text));
        if (strncmp(text, "3 of 3 galaxies: ", 17) || !strstr(text, "galaxy 41") ||
            !strstr(text, cases[c].says))
            fail_msg("case %zu: %s", c, text);
        assert_false(census_warn(&sum, names, 1, text));
        assert_true(census_describe(&sum, names, cases[c].figure, text));
        assert_non_null(strstr(text, "galaxy 41"));
    }
}

static void small_galaxies_and_redshifts_of_the_job_are_not_judged(void **state)
{
    struct census_figures few = galaxy(1, 15, CENSUS_BELOW, 1.0), early = galaxy(2, 16, CENSUS_EXTENT, 20.0);
    struct census_figures none = galaxy(3, 0, CENSUS_CENTRE, 100.0);
    char text[CENSUS_TEXT_MAX];
    struct census_sum sum;

    (void)state;
    early.redshift = 6.0;
    census_sum_begin(&sum, &limits, false);
    census_sum_add(&sum, &few);
    census_sum_add(&sum, &early);
    census_sum_add(&sum, &none);
    assert_false(census_warn(&sum, names, 0, text));
    assert_int_equal(sum.n_galaxy, 3);
    assert_int_equal(sum.n_empty, 1);
    assert_false(census_describe(&sum, names, CENSUS_CENTRE, text));
}

static void means_are_by_mass_by_stars_and_by_galaxy(void **state)
{
    static const enum census_figure figure[] = { CENSUS_BELOW, CENSUS_WITHOUT_LIGHT, CENSUS_GAS_BEFORE };
    const double expected[] = { 0.8, 0.8, 0.5 };
    struct census_sum sum;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct census_figures one = galaxy(1, 4, figure[i], 1.0), other = galaxy(2, 1, figure[i], 0.0);

        census_sum_begin(&sum, &limits, true);
        census_sum_add(&sum, &one);
        census_sum_add(&sum, &other);
        assert_true(sum.figure[figure[i]].sum / sum.figure[figure[i]].weight == expected[i]);
        assert_true(sum.figure[figure[i]].most == 1.0 && sum.figure[figure[i]].id_least == 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mass_beyond_the_ends_of_axes_is_counted_and_rounding_is_not),
        cmocka_unit_test(what_stars_do_not_have_is_a_number_of_the_galaxy),
        cmocka_unit_test(extents_are_median_distances_from_the_median),
        cmocka_unit_test(gas_is_before_or_behind_all_stars),
        cmocka_unit_test(tiles_do_not_show),
        cmocka_unit_test(places_of_many_stars_are_taken_evenly),
        cmocka_unit_test(mass_outside_a_field_is_that_beyond_a_side),
        cmocka_unit_test(the_worst_galaxy_is_named_with_the_likely_cause),
        cmocka_unit_test(small_galaxies_and_redshifts_of_the_job_are_not_judged),
        cmocka_unit_test(means_are_by_mass_by_stars_and_by_galaxy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
