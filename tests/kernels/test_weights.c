/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/weights.h"

#include <float.h>
#include <stdlib.h>

#include "../support.h"

/* The reference package's mini grid and its six stars, two of them outside the grid on some side. */
enum { N_AGE = 4, N_METALLICITY = 3, N_CELL = N_AGE * N_METALLICITY, N_STAR = 6 };
static const double node_age_yr[N_AGE] = { 1e6, 1e7, 1e8, 1e9 };
static const double node_metallicity[N_METALLICITY] = { 0.001, 0.004, 0.02 };
static const double star_age_yr[N_STAR] = { 3e6, 1e7, 5e8, 2e5, 5e10, 9.99e8 };
static const double star_metallicity[N_STAR] = { 0.002, 0.004, 0.015, 0.0001, 0.05, 0.0010000001 };
static const double star_mass_msun[N_STAR] = { 1e5, 2e5, 3e5, 4e5, 5e5, 6e5 };

/* Sums of six products of logarithms: a few roundings of the largest value. */
#define VECTOR_TOLERANCE 1e-14

/* Weights over arrays of fixed size. */
enum { N_MAX = 20000 };
struct table {
    struct weights weights;
    double x0[N_MAX], x1[N_MAX], mass[N_MAX];
    uint32_t cell[N_MAX][4];
    double share[N_MAX][4];
};

static struct table *table_open(void)
{
    struct table *table = calloc(1, sizeof(*table));

    assert_non_null(table);
    table->weights.cell = table->cell[0];
    table->weights.share = table->share[0];
    return table;
}

static void assign(const struct axis_nodes axis[2], enum weights_scheme scheme, size_t n, const double *x0,
                   const double *x1, struct weights *ret_weights)
{
    weights_assign(2, axis, scheme, n, (const double *const[]) { x0, x1 }, ret_weights);
}

static void log10_all(size_t n, const double *value, double *ret_log10)
{
    for (size_t i = 0; i < n; i++)
        ret_log10[i] = log10(value[i]);
}

/* Histograms are added to: these begin with nothing. */
static void histogram_of(const struct weights *weights, const double *mass, size_t n_cell,
                         double *ret_histogram)
{
    memset(ret_histogram, 0, n_cell * sizeof(*ret_histogram));
    weights_histogram(weights, mass, ret_histogram);
}

static void histogram_along(const struct axis_nodes *axis, enum weights_scheme scheme, size_t n,
                            const double *x, const double *mass, double *ret_histogram)
{
    memset(ret_histogram, 0, axis->n * sizeof(*ret_histogram));
    weights_histogram_axis(axis, scheme, n, x, mass, ret_histogram);
}

static void mini_histogram(enum weights_scheme scheme, double *ret_histogram)
{
    double age[N_AGE], metallicity[N_METALLICITY];
    const struct axis_nodes axis[2] = { { N_AGE, age }, { N_METALLICITY, metallicity } };
    struct table *table = table_open();

    log10_all(N_AGE, node_age_yr, age);
    log10_all(N_METALLICITY, node_metallicity, metallicity);
    log10_all(N_STAR, star_age_yr, table->x0);
    log10_all(N_STAR, star_metallicity, table->x1);
    assign(axis, scheme, N_STAR, table->x0, table->x1, &table->weights);
    histogram_of(&table->weights, star_mass_msun, N_CELL, ret_histogram);
    free(table);
}

static void mini_history(enum weights_scheme scheme, double *ret_histogram)
{
    double age[N_AGE], x[N_STAR];
    const struct axis_nodes axis = { N_AGE, age };

    log10_all(N_AGE, node_age_yr, age);
    log10_all(N_STAR, star_age_yr, x);
    histogram_along(&axis, scheme, N_STAR, x, star_mass_msun, ret_histogram);
}

/* ---- the reference package's numbers --------------------------------------------------------- */

static void cloud_in_cell_is_that_of_the_reference(void **state)
{
    static const double sfzh[N_CELL] = { 426143.93726401695, 26143.937264016873, 0.0,
                                         23856.062735983134, 223856.06273598317, 0.0,
                                         260.70704560428766, 16142.455534556326, 74166.5431834441,
                                         599739.249673547,   37481.664244532876, 672209.3803183157 };
    static const double sfh[N_AGE] = { 452287.8745280338, 247712.12547196628, 90569.70576360471,
                                       1309430.2942363955 };
    double got[N_CELL];

    (void)state;
    mini_histogram(WEIGHTS_CIC, got);
    assert_all_near("sfzh", N_CELL, got, sfzh, VECTOR_TOLERANCE);
    mini_history(WEIGHTS_CIC, got);
    assert_all_near("sfh", N_AGE, got, sfh, VECTOR_TOLERANCE);
}

static void nearest_grid_point_is_that_of_the_reference(void **state)
{
    static const double sfzh[N_CELL] = { 4e5, 1e5, 0, 0, 2e5, 0, 0, 0, 0, 6e5, 0, 8e5 };
    static const double sfh[N_AGE] = { 5e5, 2e5, 0, 1.4e6 };
    double got[N_CELL];

    (void)state;
    mini_histogram(WEIGHTS_NGP, got);
    assert_all_near("sfzh", N_CELL, got, sfzh, VECTOR_TOLERANCE);
    mini_history(WEIGHTS_NGP, got);
    assert_all_near("sfh", N_AGE, got, sfh, VECTOR_TOLERANCE);
}

/* ---- one axis -------------------------------------------------------------------------------- */

static void expect_bracket(const struct axis_nodes *axis, enum weights_scheme scheme, double x, size_t lower,
                           double fraction)
{
    size_t got_lower = 99;
    double got_fraction = -1;

    weights_bracket(axis, scheme, x, &got_lower, &got_fraction);
    assert_int_equal(got_lower, lower);
    assert_true(got_fraction == fraction); /* exact: inputs are small binary fractions */
}

static void coordinates_outside_are_clamped_to_the_edge_nodes(void **state)
{
    const double node[] = { -1, 0, 2, 4 };
    const struct axis_nodes axis = { 4, node };

    (void)state;
    for (int scheme = WEIGHTS_CIC; scheme <= WEIGHTS_NGP; scheme++) {
        const double below[] = { -1, -1.5, -1e300, (double)-INFINITY },
                     above[] = { 4, 4.5, 1e300, (double)INFINITY };

        for (size_t i = 0; i < 4; i++) {
            expect_bracket(&axis, (enum weights_scheme)scheme, below[i], 0, 0.0);
            expect_bracket(&axis, (enum weights_scheme)scheme, above[i], 2, 1.0);
        }
    }
}

static void cloud_in_cell_is_linear_between_nodes(void **state)
{
    const double node[] = { -1, 0, 2, 4 };
    const struct axis_nodes axis = { 4, node };

    (void)state;
    expect_bracket(&axis, WEIGHTS_CIC, -0.75, 0, 0.25);
    expect_bracket(&axis, WEIGHTS_CIC, 0.0, 1, 0.0);
    expect_bracket(&axis, WEIGHTS_CIC, 0.5, 1, 0.25);
    expect_bracket(&axis, WEIGHTS_CIC, 3.5, 2, 0.75);
}

static void ties_between_two_nodes_go_to_the_upper_one(void **state)
{
    const double node[] = { 0, 1, 3 };
    const struct axis_nodes axis = { 3, node };

    (void)state;
    expect_bracket(&axis, WEIGHTS_NGP, 0.5, 0, 1.0);
    expect_bracket(&axis, WEIGHTS_NGP, nextafter(0.5, 0.0), 0, 0.0);
    expect_bracket(&axis, WEIGHTS_NGP, 2.0, 1, 1.0);
    expect_bracket(&axis, WEIGHTS_NGP, nextafter(2.0, 0.0), 1, 0.0);
}

static void a_single_node_takes_everything(void **state)
{
    const double one[] = { 3.0 }, two[] = { 0.0, 1.0 };
    const struct axis_nodes single = { 1, one };
    const struct axis_nodes axes[][2] = { { { 1, one }, { 2, two } },
                                          { { 2, two }, { 1, one } },
                                          { { 1, one }, { 1, one } } };
    const double mass[] = { 5.0, 7.0, 2.0 }, x[] = { -1.0, 3.0, 0.25 };
    double histogram[2];

    (void)state;
    for (int scheme = WEIGHTS_CIC; scheme <= WEIGHTS_NGP; scheme++) {
        expect_bracket(&single, (enum weights_scheme)scheme, -7.0, 0, 0.0);
        expect_bracket(&single, (enum weights_scheme)scheme, 3.0, 0, 0.0);
        expect_bracket(&single, (enum weights_scheme)scheme, 9.0, 0, 0.0);
        histogram_along(&single, (enum weights_scheme)scheme, 3, x, mass, histogram);
        assert_true(histogram[0] == 14.0);
    }
    for (size_t a = 0; a < 3; a++) {
        struct table *table = table_open();
        size_t n_cell = axes[a][0].n * axes[a][1].n;
        /* Along the axis of two nodes: 5 below, 7 above, and 2 a quarter of the way. */
        const double expected[2] = { n_cell == 1 ? 14.0 : 6.5, 7.5 };

        assign(axes[a], WEIGHTS_CIC, 3, x, x, &table->weights);
        for (size_t i = 0; i < 3; i++)
            for (size_t corner = 0; corner < 4; corner++)
                assert_true(table->cell[i][corner] < n_cell);
        histogram_of(&table->weights, mass, n_cell, histogram);
        for (size_t c = 0; c < n_cell; c++)
            assert_true(histogram[c] == expected[c]);
        free(table);
    }
}

/* ---- identities ------------------------------------------------------------------------------ */

static const double uneven[] = { -3, -2.5, -1, 0.1, 4 }, even[] = { 0, 1, 2 };
static const struct axis_nodes uneven_axes[2] = { { 5, uneven }, { 3, even } };

/* Particles in and around the axes above. */
static struct table *random_particles(enum weights_scheme scheme, double margin)
{
    struct table *table = table_open();
    uint64_t seed = 1;

    for (size_t i = 0; i < N_MAX; i++) {
        table->x0[i] = uniform(&seed, -3 - margin, 4 + margin);
        table->x1[i] = uniform(&seed, 0 - margin, 2 + margin);
        table->mass[i] = uniform(&seed, 0, 1);
    }
    assign(uneven_axes, scheme, N_MAX, table->x0, table->x1, &table->weights);
    assert_int_equal(table->weights.n, N_MAX);
    return table;
}

static void shares_of_a_particle_sum_to_one(void **state)
{
    (void)state;
    for (int scheme = WEIGHTS_CIC; scheme <= WEIGHTS_NGP; scheme++) {
        struct table *table = random_particles((enum weights_scheme)scheme, 1.0);

        for (size_t i = 0; i < N_MAX; i++) {
            double sum = 0.0;

            for (size_t corner = 0; corner < 4; corner++) {
                assert_true(table->share[i][corner] >= 0.0);
                sum += table->share[i][corner];
            }
            assert_near(sum, 1.0, 4 * DBL_EPSILON); /* four products and three sums */
        }
        free(table);
    }
}

static void cloud_in_cell_keeps_the_centre_of_mass(void **state)
{
    struct table *table = random_particles(WEIGHTS_CIC, 0.0);

    (void)state;
    for (size_t i = 0; i < N_MAX; i++) {
        double at0 = 0.0, at1 = 0.0;

        for (size_t corner = 0; corner < 4; corner++) {
            at0 += table->share[i][corner] * uneven[table->cell[i][corner] / 3];
            at1 += table->share[i][corner] * even[table->cell[i][corner] % 3];
        }
        /* Linear interpolation reproduces the coordinate, to the rounding of numbers up to 4. */
        assert_near(at0, table->x0[i], 16 * DBL_EPSILON);
        assert_near(at1, table->x1[i], 16 * DBL_EPSILON);
    }
    free(table);
}

static void a_nearest_node_is_never_farther_than_its_neighbours(void **state)
{
    struct table *table = random_particles(WEIGHTS_NGP, 1.0);

    (void)state;
    for (size_t i = 0; i < N_MAX; i++)
        for (size_t corner = 0; corner < 4; corner++) {
            double distance = fabs(table->x0[i] - uneven[table->cell[i][corner] / 3]);

            if (table->share[i][corner] == 0.0)
                continue;
            assert_true(table->share[i][corner] == 1.0);
            for (size_t node = 0; node < 5; node++)
                assert_true(distance <= fabs(table->x0[i] - uneven[node]));
        }
    free(table);
}

static void histograms_conserve_mass(void **state)
{
    (void)state;
    for (int scheme = WEIGHTS_CIC; scheme <= WEIGHTS_NGP; scheme++) {
        struct table *table = random_particles((enum weights_scheme)scheme, 1.0);
        double histogram[15], total = 0.0, all = 0.0, along_axis = 0.0;

        for (size_t i = 0; i < N_MAX; i++)
            total += table->mass[i];
        histogram_of(&table->weights, table->mass, 15, histogram);
        for (size_t c = 0; c < 15; c++)
            all += histogram[c];
        histogram_along(&uneven_axes[0], (enum weights_scheme)scheme, N_MAX, table->x0, table->mass,
                        histogram);
        for (size_t c = 0; c < 5; c++)
            along_axis += histogram[c];
        /* Random rounding of 20000 sums: sqrt(20000) epsilon is 3e-14. */
        assert_near(all, total, 3e-13 * total);
        assert_near(along_axis, total, 3e-13 * total);
        free(table);
    }
}

static void both_schemes_agree_on_nodes(void **state)
{
    struct table *cic = table_open(), *ngp = table_open();
    double from_cic[15], from_ngp[15];

    (void)state;
    for (size_t c = 0; c < 15; c++) {
        cic->x0[c] = uneven[c / 3];
        cic->x1[c] = even[c % 3];
        cic->mass[c] = 1.0 + (double)c;
    }
    assign(uneven_axes, WEIGHTS_CIC, 15, cic->x0, cic->x1, &cic->weights);
    assign(uneven_axes, WEIGHTS_NGP, 15, cic->x0, cic->x1, &ngp->weights);
    histogram_of(&cic->weights, cic->mass, 15, from_cic);
    histogram_of(&ngp->weights, cic->mass, 15, from_ngp);
    assert_same_bits("cic", 15, from_cic, cic->mass); /* each particle on a node of its own */
    assert_same_bits("ngp", 15, from_ngp, cic->mass);
    free(cic);
    free(ngp);
}

static void particles_in_parts_have_the_bits_of_all(void **state)
{
    static const size_t part[] = { 1, 7, 4096, N_MAX };
    struct table *table = random_particles(WEIGHTS_CIC, 1.0);
    double all[15], along[5], in_parts[15], along_in_parts[5];

    (void)state;
    histogram_of(&table->weights, table->mass, 15, all);
    histogram_along(&uneven_axes[0], WEIGHTS_CIC, N_MAX, table->x0, table->mass, along);
    for (size_t p = 0; p < sizeof(part) / sizeof(*part); p++) {
        memset(in_parts, 0, sizeof(in_parts));
        memset(along_in_parts, 0, sizeof(along_in_parts));
        for (size_t first = 0; first < N_MAX; first += part[p]) {
            size_t n = N_MAX - first < part[p] ? N_MAX - first : part[p];
            const struct weights some = { n, 4, table->cell[first], table->share[first] };

            weights_histogram(&some, table->mass + first, in_parts);
            weights_histogram_axis(&uneven_axes[0], WEIGHTS_CIC, n, table->x0 + first, table->mass + first,
                                   along_in_parts);
        }
        assert_same_bits("histogram", 15, in_parts, all);
        assert_same_bits("along an axis", 5, along_in_parts, along);
    }
    free(table);
}

/* ---- other numbers of axes ------------------------------------------------------------------- */

/* sum over corners of share * f(node), for f linear along each axis: f of the particle itself. */
static void corners_of_one_to_six_axes_interpolate_what_is_linear(void **state)
{
    static const double node[WEIGHTS_AXIS_MAX][3] = { { 0, 1, 3 }, { -2, 0, 1 }, { 5, 6, 9 },
                                                      { 0, 2, 3 }, { -1, 1, 2 }, { 1, 2, 4 } };
    uint64_t seed = 3;

    (void)state;
    for (size_t n_axis = 0; n_axis <= WEIGHTS_AXIS_MAX; n_axis++) {
        struct axis_nodes axis[WEIGHTS_AXIS_MAX];
        double x[WEIGHTS_AXIS_MAX], expected = 1.0, got = 0.0, share[WEIGHTS_CORNER_MAX];
        const double *coordinates[WEIGHTS_AXIS_MAX];
        uint32_t cell[WEIGHTS_CORNER_MAX];
        struct weights weights = { .cell = cell, .share = share };

        for (size_t a = 0; a < n_axis; a++) {
            axis[a] = (struct axis_nodes) { 3, node[a] };
            x[a] = uniform(&seed, node[a][0], node[a][2]);
            coordinates[a] = &x[a];
            expected *= 1.5 + x[a];
        }
        weights_assign(n_axis, axis, WEIGHTS_CIC, 1, coordinates, &weights);
        assert_int_equal(weights.n, 1);
        assert_int_equal(weights.n_corner, weights_corners(n_axis));
        for (size_t c = 0; c < weights.n_corner; c++) {
            double f = share[c];
            size_t rest = cell[c];

            for (size_t a = n_axis; a-- > 0; rest /= 3)
                f *= 1.5 + node[a][rest % 3];
            assert_int_equal(rest, 0);
            got += f;
        }
        assert_near(got, expected, 1e-14 * 1e4); /* factors up to 10, six of them, with signs */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cloud_in_cell_is_that_of_the_reference),
        cmocka_unit_test(nearest_grid_point_is_that_of_the_reference),
        cmocka_unit_test(coordinates_outside_are_clamped_to_the_edge_nodes),
        cmocka_unit_test(cloud_in_cell_is_linear_between_nodes),
        cmocka_unit_test(ties_between_two_nodes_go_to_the_upper_one),
        cmocka_unit_test(a_single_node_takes_everything),
        cmocka_unit_test(shares_of_a_particle_sum_to_one),
        cmocka_unit_test(cloud_in_cell_keeps_the_centre_of_mass),
        cmocka_unit_test(a_nearest_node_is_never_farther_than_its_neighbours),
        cmocka_unit_test(histograms_conserve_mass),
        cmocka_unit_test(both_schemes_agree_on_nodes),
        cmocka_unit_test(particles_in_parts_have_the_bits_of_all),
        cmocka_unit_test(corners_of_one_to_six_axes_interpolate_what_is_linear),
    };

    return cmocka_run_group_tests_name("weights", tests, NULL, NULL);
}
