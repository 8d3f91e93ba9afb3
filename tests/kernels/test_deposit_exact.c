/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * deposit_exact() against another method: the share of a pixel is the integral over rings of the column times
 * the angle of the ring that is in the pixel, by adaptive quadrature.
 */
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
#include <omp.h>

#include "polyphony/deposit.h"
#include "polyphony/isa.h"

enum { N_WORKSPACE = 1000, N_KERNEL = 6 };
static const enum sph_kernel kernels[N_KERNEL] = { SPH_UNIFORM, SPH_ANARCHY, SPH_GADGET_2,
                                                   SPH_CUBIC,   SPH_QUARTIC, SPH_QUINTIC };
static struct kernel_table *tables[N_KERNEL];

/* What the header promises, and what a rounded position means for a disc: 4e-15 across 40 pixels of 1. */
static const double tolerance = 1e-10, position_error = 8e-15;

static int open_tables(void **state)
{
    (void)state;
    gsl_set_error_handler_off(); /* roundoff warnings at tolerances near the last bit */
    for (size_t k = 0; k < N_KERNEL; k++)
        if (kernel_table_open(kernels[k], &tables[k], NULL))
            return -1;
    return 0;
}

static int close_tables(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_KERNEL; k++)
        kernel_table_free(tables[k]);
    return 0;
}

static double uniform(uint64_t *state, double low, double high)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(*state >> 11) * 0x1p-53;
}

/* ---- the other method ------------------------------------------------------------------------ */

/* A pixel and a kernel, in units of h, with the particle at the origin. */
struct pixel {
    enum sph_kernel kernel;
    double x[2], y[2];
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Angle of the circle of radius r in the pixel: it is cut where it crosses an edge's line. */
static double angle_inside(const struct pixel *pixel, double r)
{
    double cut[10], angle = 0.0;
    size_t n = 0;

    cut[n++] = -M_PI;
    for (int i = 0; i < 2; i++) {
        if (fabs(pixel->x[i]) < r) {
            cut[n++] = acos(pixel->x[i] / r);
            cut[n++] = -acos(pixel->x[i] / r);
        }
        if (fabs(pixel->y[i]) < r) {
            double low = asin(pixel->y[i] / r);

            cut[n++] = low;
            cut[n++] = low > 0.0 ? M_PI - low : -M_PI - low;
        }
    }
    cut[n++] = M_PI;
    qsort(cut, n, sizeof(*cut), compare);
    for (size_t i = 0; i + 1 < n; i++) {
        double middle = 0.5 * (cut[i] + cut[i + 1]), x = r * cos(middle), y = r * sin(middle);

        if (x > pixel->x[0] && x < pixel->x[1] && y > pixel->y[0] && y < pixel->y[1])
            angle += cut[i + 1] - cut[i];
    }
    return angle;
}

static double ring_inside(double r, void *data)
{
    const struct pixel *pixel = data;

    return r * sph_kernel_column_whole(pixel->kernel, r) * angle_inside(pixel, r);
}

/* Of a kernel that integrates to `total`. */
static double share_by_quadrature(const struct pixel *pixel, double total)
{
    gsl_integration_workspace *workspace = gsl_integration_workspace_alloc(N_WORKSPACE);
    gsl_function function = { ring_inside, (void *)pixel };
    double at[32], sum = 0.0;
    size_t n = 0;

    /* Where the angle or the column has a kink. */
    at[n++] = 0.0;
    at[n++] = 0.2;
    at[n++] = 1.0 / 3.0;
    at[n++] = 0.5;
    at[n++] = 0.6;
    at[n++] = 2.0 / 3.0;
    at[n++] = 1.0;
    for (int i = 0; i < 2; i++) {
        at[n++] = fabs(pixel->x[i]);
        at[n++] = fabs(pixel->y[i]);
        at[n++] = hypot(pixel->x[i], pixel->y[0]);
        at[n++] = hypot(pixel->x[i], pixel->y[1]);
    }
    qsort(at, n, sizeof(*at), compare);
    for (size_t i = 0; i + 1 < n && at[i] < 1.0; i++) {
        double part, error;

        if (at[i + 1] - at[i] < 1e-15)
            continue;
        gsl_integration_qags(&function, at[i], fmin(at[i + 1], 1.0), 1e-14, 1e-12, N_WORKSPACE, workspace,
                             &part, &error);
        sum += part;
    }
    gsl_integration_workspace_free(workspace);
    return sum / total;
}

static double total_of(enum sph_kernel kernel)
{
    const struct pixel all = { kernel, { -2.0, 2.0 }, { -2.0, 2.0 } };

    return share_by_quadrature(&all, 1.0);
}

/* ---- comparisons ----------------------------------------------------------------------------- */

static struct pixel_grid grid_of(size_t n_x, size_t n_y, double pixel_width)
{
    return (struct pixel_grid) { n_x, n_y, (double)n_x * pixel_width, (double)n_y * pixel_width,
                                 pixel_width };
}

/* x and y are from the centre. */
static void deposit_one(size_t i_kernel, const struct pixel_grid *grid, double x, double y, double h,
                        double *ret_image)
{
    struct arena arena = { 0 };
    double one = 1.0;

    memset(ret_image, 0, grid->n_x * grid->n_y * sizeof(*ret_image));
    assert_int_equal(deposit_exact(tables[i_kernel], grid, 1, &x, &y, &h, 1, &one, &ret_image, &arena, NULL),
                     0);
    assert_int_equal(arena.used_bytes, 0);
    arena_free(&arena);
}

static double sum_of(size_t n, const double *value)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += value[i];
    return sum;
}

enum { N_SIDE = 40 };

static void expect_shares(size_t i_kernel, double x, double y, double h, double total)
{
    static double image[N_SIDE * N_SIDE];
    struct pixel_grid grid = grid_of(N_SIDE, N_SIDE, 1.0);

    deposit_one(i_kernel, &grid, x, y, h, image);
    if (!(fabs(sum_of(N_SIDE * N_SIDE, image) - 1.0) <= tolerance))
        fail_msg("kernel %zu at (%.17g, %.17g), h %.17g: shares add up to 1 + %.3g", i_kernel, x, y, h,
                 sum_of(N_SIDE * N_SIDE, image) - 1.0);
    for (size_t i = 0; i < N_SIDE; i++)
        for (size_t j = 0; j < N_SIDE; j++) {
            double low_x = (double)i - 0.5 * N_SIDE - x, low_y = (double)j - 0.5 * N_SIDE - y, error;
            struct pixel pixel = { kernels[i_kernel],
                                   { low_x / h, (low_x + 1.0) / h },
                                   { low_y / h, (low_y + 1.0) / h } };

            /* Of wide discs every seventh pixel. */
            if (h > 3.0 && (i * N_SIDE + j) % 7)
                continue;
            error = image[i * N_SIDE + j] - share_by_quadrature(&pixel, total);
            if (!(fabs(error) <= tolerance + position_error / h))
                fail_msg("kernel %zu at (%.17g, %.17g), h %.17g, pixel %zu, %zu: %.17g is off by %.3g",
                         i_kernel, x, y, h, i, j, image[i * N_SIDE + j], error);
        }
}

static void shares_are_those_of_quadrature(void **state)
{
    static const double h[] = {
        1e-9, 0.01, 0.3, 0.7, 1.0, 1.9, 4.3, 12.51, 15.0
    }; /* from 12.5 on fewer nodes */

    (void)state;
    for (size_t k = 0; k < N_KERNEL; k++) {
        double total = total_of(kernels[k]);
        uint64_t seed = 5 + k;

        for (size_t i = 0; i < sizeof(h) / sizeof(h[0]); i++)
            for (int trial = 0; trial < 3; trial++)
                expect_shares(k, uniform(&seed, -4.0, 4.0), uniform(&seed, -4.0, 4.0), h[i], total);
    }
}

static void particles_on_edges_and_corners_are_shared(void **state)
{
    /* From a corner of pixels, which is also one of tiles for the second. */
    static const double place[][2] = {
        { 0.0, 0.0 },    { -4.0, -4.0 },    { 1.0, 0.3 }, { 0.25, -2.0 },
        { 1e-9, -1e-9 }, { -1e-14, 1e-17 }, { 0.5, 0.5 }, { 0.5, 1.0 - 1e-7 }
    };
    static const double h[] = { 1e-7, 0.2, 0.5, 1.0, 2.0, 2.5 };

    (void)state;
    for (size_t k = 0; k < N_KERNEL; k++) {
        double total = total_of(kernels[k]);

        for (size_t i = 0; i < sizeof(place) / sizeof(place[0]); i++)
            expect_shares(k, place[i][0], place[i][1], h[(i + k) % 6], total);
    }
}

static void light_is_kept_whatever_the_size(void **state)
{
    enum { N = 300 };
    static double image[N * N];
    struct pixel_grid grid = grid_of(N, N, 0.031);
    uint64_t seed = 11;

    (void)state;
    for (int trial = 0; trial < 300; trial++) {
        double h = 0.031 * pow(10.0, uniform(&seed, -13.0, 2.0));
        double x = uniform(&seed, -1.0, 1.0), y = uniform(&seed, -1.0, 1.0);

        if (trial % 3 == 0)
            x = round(x / 0.031) * 0.031;
        deposit_one((size_t)trial % N_KERNEL, &grid, x, y, h, image);
        if (!(fabs(sum_of(N * N, image) - 1.0) <= tolerance))
            fail_msg("h %.17g at (%.17g, %.17g): 1 + %.3g", h, x, y, sum_of(N * N, image) - 1.0);
        for (size_t i = 0; i < (size_t)N * N; i++)
            assert_true(image[i] >= 0.0);
    }
}

static void points_are_in_one_pixel(void **state)
{
    static const double place[][2] = { { 0.0, 0.0 }, { -0.25, 1.0 }, { 1.0 - 1e-16, -2.0 } };
    struct pixel_grid grid = grid_of(4, 4, 1.0);

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (int small = 0; small < 2; small++) {
            double image[16];
            size_t pixel = (size_t)floor(place[i][0] + 2.0) * 4 + (size_t)floor(place[i][1] + 2.0);

            deposit_one(1, &grid, place[i][0], place[i][1], small * 1e-14, image);
            assert_true(image[pixel] == 1.0);
            assert_true(sum_of(16, image) == 1.0);
        }
}

static void discs_reach_into_the_field_and_out_of_it(void **state)
{
    static double whole[N_SIDE * N_SIDE];
    struct pixel_grid large = grid_of(N_SIDE, N_SIDE, 1.0), small = grid_of(6, 20, 1.0);
    double part[6 * 20];

    (void)state;
    for (int trial = 0; trial < 20; trial++) {
        uint64_t seed = 20 + (uint64_t)trial;
        double x = uniform(&seed, -5.0, 5.0), y = uniform(&seed, -12.0, 12.0);
        double h = uniform(&seed, 0.5, 6.0);

        deposit_one(2, &large, x, y, h, whole);
        deposit_one(2, &small, x, y, h, part);
        for (size_t i = 0; i < 6; i++)
            for (size_t j = 0; j < 20; j++)
                /* The corner of the image moves by whole pixels: rounding of positions, 4e-15 over h = 0.5. */
                assert_true(fabs(part[20 * i + j] - whole[(17 + i) * N_SIDE + 10 + j]) <= 1e-13);
    }
}

static void bits_depend_neither_on_threads_nor_on_the_instruction_set(void **state)
{
    enum { N = 700, N_X = 70, N_Y = 45, N_CHANNEL = 11, N_IMAGE = N_X * N_Y * N_CHANNEL };
    static double x[N], y[N], h[N], value[N * N_CHANNEL], first[N_IMAGE], other[N_IMAGE];
    struct pixel_grid grid = grid_of(N_X, N_Y, 0.3);
    struct arena arena = { 0 };
    enum isa best = isa_in_use();
    int n_thread = omp_get_max_threads();
    uint64_t seed = 31;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        x[i] = uniform(&seed, -0.6, 0.6) * grid.width_x;
        y[i] = uniform(&seed, -0.6, 0.6) * grid.width_y;
        h[i] = 0.3 * pow(10.0, uniform(&seed, -2.0, 1.0));
    }
    for (size_t i = 0; i < N * N_CHANNEL; i++)
        value[i] = uniform(&seed, -1.0, 1.0);
    for (size_t k = 0; k < N_KERNEL; k++)
        for (int isa = 0; isa < ISA_N; isa++) {
            double *image = isa ? other : first, *channel[N_CHANNEL];

            if (!isa_use((enum isa)isa))
                continue;
            for (size_t c = 0; c < N_CHANNEL; c++)
                channel[c] = image + c * N_X * N_Y;
            memset(image, 0, sizeof(first));
            omp_set_num_threads(1 + isa);
            assert_int_equal(
                deposit_exact(tables[k], &grid, N, x, y, h, N_CHANNEL, value, channel, &arena, NULL), 0);
            if (isa)
                assert_memory_equal(first, other, sizeof(first));
        }
    omp_set_num_threads(n_thread);
    isa_use(best);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_those_of_quadrature),
        cmocka_unit_test(particles_on_edges_and_corners_are_shared),
        cmocka_unit_test(light_is_kept_whatever_the_size),
        cmocka_unit_test(points_are_in_one_pixel),
        cmocka_unit_test(discs_reach_into_the_field_and_out_of_it),
        cmocka_unit_test(bits_depend_neither_on_threads_nor_on_the_instruction_set),
    };

    return cmocka_run_group_tests_name("kernels/deposit_exact", tests, open_tables, close_tables);
}
