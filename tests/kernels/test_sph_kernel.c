/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/sph_kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_integration.h>

enum { N_KERNEL = 6, N_RADIUS = 11, N_BREAK = 6, N_WORKSPACE = 2000 };

static const enum sph_kernel kernels[N_KERNEL] = { SPH_UNIFORM, SPH_ANARCHY, SPH_GADGET_2,
                                                   SPH_CUBIC,   SPH_QUARTIC, SPH_QUINTIC };

/* Where some kernel changes its polynomial. */
static const double breaks[N_BREAK] = { 0.2, 0.333333333, 0.5, 0.6, 0.666666667, 1.0 };

static void assert_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("got %.17g, expected %.17g, off by %.3g, allowed %.3g", got, expected, got - expected,
                 tolerance);
}

struct line {
    enum sph_kernel kernel;
    double b;
};

static double density_along(double s, void *data)
{
    const struct line *line = data;

    return sph_kernel_density(line->kernel, sqrt(line->b * line->b + s * s));
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* Column by quadrature, cut where the polynomials change and, for small b, where the line passes the centre. */
static double column_by_quadrature(enum sph_kernel kernel, double b, double z)
{
    struct line line = { kernel, b };
    gsl_function function = { density_along, &line };
    gsl_integration_workspace *workspace = gsl_integration_workspace_alloc(N_WORKSPACE);
    double points[2 * N_BREAK + 3] = { -1e-3, 0.0, 1e-3 }, column = 0.0;
    size_t n = 3;

    for (size_t i = 0; i < N_BREAK; i++) {
        if (breaks[i] > b) {
            points[n++] = sqrt((breaks[i] - b) * (breaks[i] + b));
            points[n] = -points[n - 1];
            n++;
        }
    }
    qsort(points, n, sizeof(points[0]), compare_doubles);
    for (size_t i = 0; i + 1 < n && points[i] < z; i++) {
        double part, error;

        gsl_integration_qag(&function, points[i], fmin(points[i + 1], z), 1e-15, 1e-13, N_WORKSPACE,
                            GSL_INTEG_GAUSS31, workspace, &part, &error);
        column += part;
    }
    gsl_integration_workspace_free(workspace);
    return column;
}

static void names_find_their_kernels(void **state)
{
    static const char *const names[N_KERNEL] = { "uniform", "sph_anarchy", "gadget_2",
                                                 "cubic",   "quartic",     "quintic" };
    enum sph_kernel kernel;
    struct error err = { 0 };

    (void)state;
    for (size_t i = 0; i < N_KERNEL; i++) {
        assert_int_equal(sph_kernel_find(names[i], &kernel, &err), 0);
        assert_int_equal(kernel, kernels[i]);
    }
}

static void an_unknown_name_is_refused_with_the_nearest_one(void **state)
{
    enum sph_kernel kernel = SPH_QUINTIC;
    struct error err = { 0 };

    (void)state;
    assert_int_equal(sph_kernel_find("gadget2", &kernel, &err), POLYPHONY_USAGE);
    assert_int_equal(kernel, SPH_QUINTIC);
    assert_non_null(strstr(err.text, "'gadget2'"));
    assert_non_null(strstr(err.text, "did you mean 'gadget_2'?"));
    assert_int_equal(sph_kernel_find("", &kernel, &err), POLYPHONY_USAGE);
    assert_null(strstr(err.text, "did you mean"));
}

static void densities_are_those_of_the_peer(void **state)
{
    static const double r[N_RADIUS] = { 0.0,  0.1, 0.25, 0.3333333333333333,
                                        0.4,  0.5, 0.6,  0.6666666666666666,
                                        0.75, 0.9, 1.0 };
    /* test_vectors.json, kernels.*.W */
    static const double expected[N_KERNEL][N_RADIUS] = {
        { 0.23873241463784303, 0.23873241463784303, 0.23873241463784303, 0.23873241463784303,
          0.23873241463784303, 0.23873241463784303, 0.23873241463784303, 0.23873241463784303,
          0.23873241463784303, 0.23873241463784303, 0.0 },
        { 3.3422538049298023, 3.0699938099802204, 2.1150199859321406, 1.5404626590622963, 1.126205842109146,
          0.6266725884243379, 0.29090977118109007, 0.15129543972933268, 0.05222271570202816,
          0.0015374367502677072, 0.0 },
        { 2.5464790894703255, 2.4089692186389278, 1.8302818455567964, 1.414710605261292, 1.0797071339354178,
          0.6366197723675814, 0.32594932345220173, 0.18862808070150566, 0.07957747154594767,
          0.005092958178940647, 0.0 },
        { 2.54647908947, 2.408969218638602, 1.8302818455564687, 1.414710605260963, 1.0797071339350877,
          0.636619772367625, 0.3259493234522241, 0.1886280807015186, 0.07957747154595313,
          0.005092958178940997, 0.0 },
        { 3.5747692296031177, 3.3474605340250934, 2.3447280510745996, 1.673214583045582, 1.1812280932601606,
          0.6022709028135688, 0.24867959858108646, 0.11992650394535426, 0.03794549538895973,
          0.000971404681957369, 0.0 },
        { 4.72690188, 4.355818598736, 2.8196070510937497, 1.862112864822223, 1.2124933411680037,
          0.5304336948000097, 0.1780754775120054, 0.07161999311111297, 0.016995696328125,
          0.00017403593040306805, 0.0 },
    };

    (void)state;
    /* Powers of r with alternating signs add up to 560 at most, for quintic: 560 x 1.1e-16 and a few
     * roundings. */
    for (size_t i = 0; i < N_KERNEL; i++)
        for (size_t j = 0; j < N_RADIUS; j++)
            assert_near(sph_kernel_density(kernels[i], r[j]), expected[i][j], 2e-13);
}

static void columns_are_integrals_of_the_density(void **state)
{
    static const double b[] = { 0.0,         1e-200, 1e-12,       1e-5,     0.01, 0.1, 0.199999,
                                0.2,         0.3,    0.333333333, 0.34,     0.5,  0.6, 0.65,
                                0.666666667, 0.8,    0.99,        0.999999, 1.0 };
    static const double extra_z[] = { -2.0, -0.999, -1e-7, 0.0, 1e-9, 0.05, 0.47, 0.95, 2.0 };

    (void)state;
    gsl_set_error_handler_off(); /* roundoff warnings at tolerances near the last bit */
    for (size_t i = 0; i < N_KERNEL; i++) {
        /* The promise of the header. Quadrature of the same density is good to about 1e-14. */
        double tolerance = 1e-12 * sph_kernel_column_whole(kernels[i], 0.0);

        for (size_t j = 0; j < sizeof(b) / sizeof(b[0]); j++) {
            for (size_t k = 0; k < sizeof(extra_z) / sizeof(extra_z[0]); k++)
                assert_near(sph_kernel_column(kernels[i], b[j], extra_z[k]),
                            column_by_quadrature(kernels[i], b[j], extra_z[k]), tolerance);
            for (size_t k = 0; k < N_BREAK; k++) {
                double z = breaks[k] > b[j] ? sqrt(breaks[k] * breaks[k] - b[j] * b[j]) : breaks[k];

                assert_near(sph_kernel_column(kernels[i], b[j], z), column_by_quadrature(kernels[i], b[j], z),
                            tolerance);
                assert_near(sph_kernel_column(kernels[i], b[j], -z),
                            column_by_quadrature(kernels[i], b[j], -z), tolerance);
            }
        }
    }
}

static void columns_beyond_the_kernel_are_whole_or_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KERNEL; i++) {
        for (double b = 0.0; b < 1.2; b += 0.05) {
            assert_true(sph_kernel_column(kernels[i], b, 1.0) == sph_kernel_column_whole(kernels[i], b));
            assert_true(sph_kernel_column(kernels[i], b, INFINITY) == sph_kernel_column_whole(kernels[i], b));
            assert_true(sph_kernel_column(kernels[i], b, -1.0) == 0.0);
        }
        assert_true(sph_kernel_column_whole(kernels[i], 1.0) == 0.0);
        assert_true(sph_kernel_column_whole(kernels[i], nextafter(1.0, 0.0)) >= 0.0);
    }
}

static void columns_from_both_sides_add_up_to_the_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KERNEL; i++)
        for (double b = 0.0; b < 1.0; b += 0.07)
            for (double z = 0.0; z < 1.0; z += 0.06)
                /* Rounding only: two evaluations, each better than 1e-13. */
                assert_near(sph_kernel_column(kernels[i], b, z) + sph_kernel_column(kernels[i], b, -z),
                            sph_kernel_column_whole(kernels[i], b), 2e-13);
}

static double ring(double b, void *data)
{
    return 2.0 * M_PI * b * sph_kernel_column_whole(*(const enum sph_kernel *)data, b);
}

static void columns_through_whole_kernels_integrate_to_one(void **state)
{
    gsl_integration_workspace *workspace = gsl_integration_workspace_alloc(N_WORKSPACE);

    (void)state;
    gsl_set_error_handler_off();
    for (size_t i = 0; i < N_KERNEL; i++) {
        enum sph_kernel kernel = kernels[i];
        gsl_function function = { ring, &kernel };
        double points[N_BREAK + 1] = { 0.0 }, one, error;

        memcpy(points + 1, breaks, sizeof(breaks));
        gsl_integration_qagp(&function, points, N_BREAK + 1, 1e-13, 1e-12, N_WORKSPACE, workspace, &one,
                             &error);
        /* Synthesizer's quintic has coefficients of eight digits and 1.7e-7 too much mass; its cubic has
         * twelve digits. */
        assert_near(one, 1.0, kernel == SPH_QUINTIC ? 2e-7 : 2e-12);
    }
    gsl_integration_workspace_free(workspace);
}

static void projected_tables_are_those_of_the_peer(void **state)
{
    static const int node[] = { 0, 10, 2500, 5000, 9000, 9990, 10000 };
    /* test_vectors.json, kernels.*.projected_1000_at_idx_0_1_250_500_900_999_1000 */
    static const double expected[N_KERNEL][7] = {
        { 0.4774648292756859, 0.4774645905432118, 0.46230333304612464, 0.4134966715663443,
          0.20812209399076162, 0.02134753741599528, 0.0 },
        { 2.228169203545928, 2.2281524925141163, 1.4511941938654593, 0.4089917982444269,
          0.0005383715626064106, 6.066668440447102e-13, 0.0 },
        { 1.909859317102744, 1.9098487266604856, 1.3550135991710337, 0.44414424387900736,
          0.0019937295834501663, 2.081545985475592e-10, 0.0 },
        { 1.9098593171024283, 1.9098487266601696, 1.3550135991707608, 0.44414424387903784,
          0.0019937295834503033, 2.0815459854757349e-10, 0.0 },
        { 2.3873241463795103, 2.387307712723337, 1.5381457169253867, 0.3703894140331491,
          0.00033746314114874794, 3.529043275503047e-13, 0.0 },
        { 2.8647890967437615, 2.8647649837703044, 1.6782786514413022, 0.2957690808617299,
          5.4900245906723945e-05, 5.854519321998928e-16, 0.0 },
    };
    struct error err = { 0 };

    (void)state;
    for (size_t i = 0; i < N_KERNEL; i++) {
        struct kernel_table *table = NULL;

        assert_int_equal(kernel_table_open(kernels[i], &table, &err), 0);
        /* Synthesizer integrates with 256 trapezoids, off by up to 3.5e-10 (measured). */
        for (size_t j = 0; j < 7; j++)
            assert_near(table->column[node[j]][0], expected[i][j], 1e-9);
        kernel_table_free(table);
    }
}

static void tables_are_read_stretched_as_the_peer_does(void **state)
{
    struct kernel_table *table = NULL;
    struct error err = { 0 };
    double q = 4321.25 / KERNEL_TABLE_N;

    (void)state;
    assert_int_equal(kernel_table_open(SPH_ANARCHY, &table, &err), 0);
    assert_true(kernel_table_at(table, 0.0) == table->column[0][0]);
    /* q n is 4321.25 to 1e-12, and the table changes by 1e-4 from node to node. */
    assert_near(kernel_table_at(table, q), 0.75 * table->column[4321][0] + 0.25 * table->column[4322][0],
                1e-15);
    assert_true(kernel_table_at(table, 10000.5 / KERNEL_TABLE_N) == table->column[KERNEL_TABLE_N - 1][0]);
    assert_true(kernel_table_at(table, nextafter(1.0, 0.0)) == 0.0);
    assert_true(kernel_table_at(table, 1.0) == 0.0);
    assert_true(kernel_table_at(table, 1e300) == 0.0);
    kernel_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_find_their_kernels),
        cmocka_unit_test(an_unknown_name_is_refused_with_the_nearest_one),
        cmocka_unit_test(densities_are_those_of_the_peer),
        cmocka_unit_test(columns_are_integrals_of_the_density),
        cmocka_unit_test(columns_beyond_the_kernel_are_whole_or_nothing),
        cmocka_unit_test(columns_from_both_sides_add_up_to_the_whole),
        cmocka_unit_test(columns_through_whole_kernels_integrate_to_one),
        cmocka_unit_test(projected_tables_are_those_of_the_peer),
        cmocka_unit_test(tables_are_read_stretched_as_the_peer_does),
    };

    return cmocka_run_group_tests_name("kernels/sph_kernel", tests, NULL, NULL);
}
