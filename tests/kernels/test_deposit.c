/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/deposit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

#include "polyphony/isa.h"

#include "../../src/kernels/deposit_ref.h"

static struct kernel_table *table;

static int open_table(void **state)
{
    struct error err = { 0 };

    (void)state;
    return kernel_table_open(SPH_ANARCHY, &table, &err);
}

static int close_table(void **state)
{
    (void)state;
    kernel_table_free(table);
    return 0;
}

static void assert_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("got %.17g, expected %.17g, off by %.3g, allowed %.3g", got, expected, got - expected,
                 tolerance);
}

static double uniform(uint64_t *state, double low, double high)
{
    /* Knuth's MMIX generator: the same inputs on every machine. */
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(*state >> 11) * 0x1p-53;
}

static struct pixel_grid grid_of(size_t n_x, size_t n_y, double pixel_width)
{
    return (struct pixel_grid) { n_x, n_y, (double)n_x * pixel_width, (double)n_y * pixel_width,
                                 pixel_width };
}

static double sum_of(const double *values, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum;
}

/* Images that lie one after the other. */
enum { N_CHANNEL_MAX = 40 };
struct images {
    double *of_channel[N_CHANNEL_MAX];
};

static struct images images_of(const struct pixel_grid *grid, size_t n_channel, double *first)
{
    struct images images = { { NULL } };

    assert_true(n_channel <= N_CHANNEL_MAX);
    for (size_t c = 0; c < n_channel; c++)
        images.of_channel[c] = first + c * grid->n_x * grid->n_y;
    return images;
}

/* Image of the reference, whose bits all instruction sets must have; the caller frees it. */
static double *deposit_twice(const struct pixel_grid *grid, size_t n, const double *x, const double *y,
                             const double *h, size_t n_channel, const double *value)
{
    size_t n_image = n_channel * grid->n_x * grid->n_y;
    double *image = mem_array(n_image, sizeof(double)), *expected = mem_array(n_image, sizeof(double));
    struct images images = images_of(grid, n_channel, image);
    struct images expected_images = images_of(grid, n_channel, expected);
    struct arena arena = { 0 };
    struct error err = { 0 };
    enum isa best = isa_in_use();

    assert_true(image);
    assert_true(expected);
    deposit_smoothed_ref(table, grid, n, x, y, h, n_channel, value, expected_images.of_channel);
    for (int isa = 0; isa < ISA_N; isa++) {
        if (!isa_use((enum isa)isa))
            continue;
        memset(image, 0, n_image * sizeof(*image));
        assert_int_equal(
            deposit_smoothed(table, grid, n, x, y, h, n_channel, value, images.of_channel, &arena, &err), 0);
        for (size_t i = 0; i < n_image; i++)
            if (memcmp(&image[i], &expected[i], sizeof(double)) != 0)
                fail_msg("%s: element %zu of %zu: %.17g, the reference has %.17g", isa_names[isa], i, n_image,
                         image[i], expected[i]);
        assert_int_equal(arena.used_bytes, 0);
    }
    isa_use(best);
    arena_free(&arena);
    free(expected);
    return image;
}

/* The particles of test_vectors.json, imaging, in pixels from the corner of an image of 4 x 5. */
enum { N_PEER = 6 };
static const double peer_x[N_PEER] = { 1.23, 0.5, 3.999, -0.3, 2.5, 4.2 };
static const double peer_y[N_PEER] = { 2.34, 0.5, 0.01, 2.0, 2.5, 4.2 };
static const double peer_h[N_PEER] = { 0.9, 0.2, 0.5, 1.1, 2.3, 0.05 };
static const double peer_value[N_PEER][2] = {
    { 1, 10 }, { 2, 20 }, { 3, 30 }, { 4, 40 }, { 5, 50 }, { 6, 60 }
};

static double *deposit_peer(const struct pixel_grid *grid)
{
    double x[N_PEER], y[N_PEER];

    for (size_t i = 0; i < N_PEER; i++) {
        x[i] = peer_x[i] - 2.0;
        y[i] = peer_y[i] - 2.5;
    }
    return deposit_twice(grid, N_PEER, x, y, peer_h, 2, peer_value[0]);
}

static void images_are_those_of_the_peer(void **state)
{
    /* test_vectors.json, imaging.thr1 */
    static const double expected[4][5] = {
        { 2.000000000000009, 0.2978464822462092, 0.4463195447384629, 0.002348535445326641,
          8.830175099197959e-15 },
        { 0.0023475735377324236, 0.2524679475024291, 1.3908599518451135, 0.19680916209162266,
          0.0023475735377324236 },
        { 0.012266121819368921, 0.602759190847668, 1.7389097199238202, 0.6027591908476683,
          0.012266121819368921 },
        { 0.8004294258794301, 0.196646704326319, 0.602759190847668, 0.1966467043263191,
          0.0023475735377324236 },
    };
    struct pixel_grid grid = grid_of(4, 5, 1.0);
    double *image = deposit_peer(&grid);

    (void)state;
    /* Synthesizer's projected kernel has 256 trapezoids instead of the integral: 3.5e-10 at most; values up
     * to 5, and (pixel/h)^2 up to 4 (golden/README.md finds 7e-9 of scale). */
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 5; j++) {
            assert_near(image[5 * i + j], expected[i][j], 7e-9);
            assert_near(image[20 + 5 * i + j], 10.0 * expected[i][j], 7e-8);
        }
    }
    assert_near(sum_of(image + 20, 20), 93.5913671512001, 7e-8);
    free(image);
}

static void images_of_small_pixels_are_those_of_the_peer(void **state)
{
    struct pixel_grid grid = grid_of(40, 50, 0.1);
    double *image = deposit_peer(&grid);

    (void)state;
    /* test_vectors.json, imaging.res0p1_*; tolerance as above */
    assert_near(sum_of(image, 2000), 9.39042631215668, 7e-9);
    assert_near(image[12 * 50 + 23], 0.029715086108009107, 7e-9);
    assert_near(image[0 * 50 + 20], 0.03654284416258222, 7e-9);
    assert_near(image[39 * 50 + 0], 0.2301757243269505, 7e-9);
    free(image);
}

static void one_wide_particle_is_that_of_the_peer(void **state)
{
    /* test_vectors.json, imaging.single_h3_at_10.2_9.7: row 10, columns 5 to 13 */
    static const double expected[] = { 0.0,
                                       8.025285437711629e-07,
                                       0.005808451088918807,
                                       0.07924871478124512,
                                       0.20219876790534563,
                                       0.13554901321223145,
                                       0.02180295140250609,
                                       0.00021118148822995566,
                                       0.0 };
    struct pixel_grid grid = grid_of(20, 20, 1.0);
    double x = 0.2, y = -0.3, h = 3.0, value = 1.0;
    double *image = deposit_twice(&grid, 1, &x, &y, &h, 1, &value);

    (void)state;
    for (size_t j = 0; j < 9; j++)
        assert_near(image[10 * 20 + 5 + j], expected[j], 1e-10); /* 3.5e-10 (pixel/h)^2 */
    assert_near(sum_of(image, 400), 1.0001956103095546, 1e-9);
    free(image);
}

static void flux_is_conserved_to_a_thousandth(void **state)
{
    uint64_t seed = 1;
    struct pixel_grid grid = grid_of(40, 40, 0.7);

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        double x = uniform(&seed, -3.0, 3.0), y = uniform(&seed, -3.0, 3.0), value = 1.0;
        double h = 0.7 * uniform(&seed, 3.0, 10.0);
        double *image = deposit_twice(&grid, 1, &x, &y, &h, 1, &value);

        assert_near(sum_of(image, 1600), 1.0,
                    1e-3); /* 9 or 16 samples a pixel: 5e-4 off at worst (measured) */
        free(image);
    }
}

static void a_small_disc_within_a_pixel_stays_there(void **state)
{
    struct pixel_grid grid = grid_of(3, 3, 2.0);
    double x = 0.3, y = -1.6, h = 0.3, value = 5.0;
    double *image = deposit_twice(&grid, 1, &x, &y, &h, 1, &value);

    (void)state;
    assert_true(image[3 * 1 + 0] == 5.0);
    assert_true(sum_of(image, 9) == 5.0);
    free(image);
}

static void points_on_edges_count_in_every_pixel_they_touch(void **state)
{
    struct pixel_grid grid = grid_of(4, 4, 1.0);
    static const double x[] = { 0.0, 1.0, -2.0, 0.5 }, y[] = { 0.0, 0.5, 0.5, 0.5 };
    static const double h[] = { 0.0, 0.0, 1e-30, 0.5 }; /* the last is tangent to all edges of its pixel */
    static const double value[] = { 1.0, 10.0, 100.0, 1000.0 };
    double *image = deposit_twice(&grid, 4, x, y, h, 1, value);

    (void)state;
    assert_true(image[4 * 1 + 1] == 1.0);
    assert_true(image[4 * 1 + 2] == 1.0);
    assert_true(image[4 * 2 + 1] == 1.0);
    assert_true(image[4 * 2 + 2] == 1011.0);
    assert_true(image[4 * 3 + 2] == 10.0);
    assert_true(image[4 * 0 + 2] == 100.0);
    assert_true(sum_of(image, 16) == 1.0 * 4 + 10.0 * 2 + 100.0 + 1000.0);
    free(image);
}

static void a_tiny_disc_across_an_edge_is_shared(void **state)
{
    struct pixel_grid grid = grid_of(4, 4, 1.0);
    double x = 0.0, y = 0.5, h = 1e-7, value = 1.0;
    double *image = deposit_twice(&grid, 1, &x, &y, &h, 1, &value);

    (void)state;
    /* 4 samples across the disc each way; both sides see the same. The offset of the image's corner leaves
     * 1e-16/h of asymmetry. 2e-2: deposit.h. */
    assert_near(image[4 * 1 + 2], image[4 * 2 + 2], 1e-8);
    assert_near(sum_of(image, 16), 1.0, 2e-2);
    free(image);
}

/* All n x n samples of pixel (i, j), whether under the disc or not. x and y count pixels from the corner. */
static double mean_of_all_samples(double x, double y, double h, size_t i, size_t j)
{
    int n = (int)fmax(4.0, ceil(2.0 / h));
    double sum = 0.0;

    for (int k = 0; k < n; k++)
        for (int l = 0; l < n; l++)
            sum += kernel_table_at(table,
                                   hypot((double)i + (k + 0.5) / n - x, (double)j + (l + 0.5) / n - y) / h);
    return sum / (n * n) / (h * h);
}

static void discs_across_edges_have_the_mean_of_all_samples(void **state)
{
    struct pixel_grid grid = grid_of(2, 2, 1.0);
    uint64_t seed = 3;

    (void)state;
    for (int i_trial = 0; i_trial < 300; i_trial++) {
        double h = pow(10.0, uniform(&seed, -2.0, 0.0)), value = 1.0;
        /* About the corner that the four pixels share. */
        double x = uniform(&seed, -0.9, 0.9) * h, y = uniform(&seed, -0.9, 0.9) * h;
        double *image = deposit_twice(&grid, 1, &x, &y, &h, 1, &value);

        for (size_t i = 0; i < 2; i++)
            for (size_t j = 0; j < 2; j++)
                if (hypot(x + 1.0 - 2.0 * (double)i, y + 1.0 - 2.0 * (double)j) >= h) /* rule 4, not 3 */
                    /* Distances are rounded to 1e-16/h of a kernel that is up to 2.2, its slope up to 4. */
                    assert_near(image[2 * i + j], mean_of_all_samples(x + 1.0, y + 1.0, h, i, j), 1e-12);
        free(image);
    }
}

/* A field with everything in it: points, discs of all sizes, edges, corners, particles near and far outside. */
static void fill_field(const struct pixel_grid *grid, uint64_t seed, size_t n, double *x, double *y,
                       double *h)
{
    for (size_t i = 0; i < n; i++) {
        double pixel = grid->pixel_width;

        x[i] = uniform(&seed, -0.8, 0.8) * grid->width_x;
        y[i] = uniform(&seed, -0.8, 0.8) * grid->width_y;
        h[i] = pixel * pow(10.0, uniform(&seed, -2.0, 1.0));
        if (i % 5 == 1)
            x[i] = round(x[i] / pixel) * pixel;
        if (i % 7 == 1)
            y[i] = round(y[i] / pixel) * pixel;
        if (i % 6 == 1)
            h[i] = pixel * (double)(i % 4) * 0.5;
        if (i % 11 == 1)
            h[i] = pixel * pow(10.0, uniform(&seed, -14.0, -2.0));
        if (i % 31 == 1)
            h[i] = 3.0 * grid->width_x;
        if (i % 37 == 1)
            x[i] *= 1e300;
        if (i % 41 == 1)
            y[i] *= 1e18;
    }
}

static void the_fast_path_has_the_bits_of_the_definition(void **state)
{
    enum { N = 600, N_CHANNEL = 3 };
    static const struct {
        size_t n_x, n_y;
        double pixel_width;
    } fields[] = { { 50, 37, 0.1 }, { 1, 1, 1.0 }, { 200, 5, 3.0 }, { 64, 64, 1.0 / 3.0 }, { 65, 9, 1e-6 } };
    double x[N], y[N], h[N], value[N * N_CHANNEL];
    uint64_t seed = 7;

    (void)state;
    for (size_t i = 0; i < N * N_CHANNEL; i++)
        value[i] = uniform(&seed, -1.0, 1.0);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct pixel_grid grid = grid_of(fields[i].n_x, fields[i].n_y, fields[i].pixel_width);
        double *image;

        fill_field(&grid, 100 + i, N, x, y, h);
        image = deposit_twice(&grid, N, x, y, h, N_CHANNEL, value);
        assert_true(image[0] != 0.0);
        free(image);
    }
}

static void any_number_of_channels_has_the_bits_of_the_definition(void **state)
{
    enum { N = 1500 };
    static const size_t n_channel[] = { 1, 7, 8, 9, 16, 23, 31, 32, 33, 40 };
    static double x[N], y[N], h[N], value[N * N_CHANNEL_MAX];
    struct pixel_grid grid = grid_of(33, 21, 1.0); /* the last tiles and rows are partly filled */
    uint64_t seed = 17;

    (void)state;
    fill_field(&grid, 18, N, x, y, h);
    for (size_t i = 0; i < N * N_CHANNEL_MAX; i++)
        value[i] = uniform(&seed, -1.0, 1.0) * pow(10.0, uniform(&seed, -300.0, 30.0));
    for (size_t i = 0; i < sizeof(n_channel) / sizeof(n_channel[0]); i++)
        free(deposit_twice(&grid, N, x, y, h, n_channel[i], value));
}

static void discs_that_cover_all_tiles_fit_in_the_lists(void **state)
{
    enum { N = 60 };
    double x[N], y[N], h[N], value[N];
    struct pixel_grid grid = grid_of(100, 100, 1.0);
    uint64_t seed = 19;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        x[i] = uniform(&seed, -50.0, 50.0);
        y[i] = uniform(&seed, -50.0, 50.0);
        h[i] = i % 3 ? 300.0 : 0.4;
        value[i] = uniform(&seed, -1.0, 1.0);
    }
    free(deposit_twice(&grid, N, x, y, h, 1, value));
}

static void images_do_not_depend_on_threads(void **state)
{
    enum { N = 2000, N_IMAGE = 2 * 90 * 70 };
    struct pixel_grid grid = grid_of(90, 70, 1.0);
    static double x[N], y[N], h[N], value[2 * N], one[N_IMAGE], many[N_IMAGE];
    struct arena arena = { 0 };
    struct error err = { 0 };
    int n_thread = omp_get_max_threads();
    uint64_t seed = 9;

    (void)state;
    fill_field(&grid, 8, N, x, y, h);
    for (size_t i = 0; i < 2 * N; i++)
        value[i] = uniform(&seed, 0.0, 1.0);
    omp_set_num_threads(1);
    assert_int_equal(deposit_smoothed(table, &grid, N, x, y, h, 2, value, images_of(&grid, 2, one).of_channel,
                                      &arena, &err),
                     0);
    omp_set_num_threads(5);
    assert_int_equal(deposit_smoothed(table, &grid, N, x, y, h, 2, value,
                                      images_of(&grid, 2, many).of_channel, &arena, &err),
                     0);
    omp_set_num_threads(n_thread);
    assert_memory_equal(one, many, sizeof(one));
    arena_free(&arena);
}

/* A tile that most particles are in is cut into strips when there are threads for them. */
static void a_crowded_tile_has_the_bits_of_the_definition(void **state)
{
    enum { N = 3000, N_CHANNEL = 3 };
    const struct pixel_grid grid = grid_of(43, 37, 1.0);
    double x[N], y[N], h[N], *value = mem_array(N * N_CHANNEL, sizeof(*value));
    uint64_t seed = 21;
    int n_thread = omp_get_max_threads();

    (void)state;
    assert_non_null(value);
    for (size_t i = 0; i < N; i++) {
        x[i] = uniform(&seed, -3.0, 3.0) * (i % 50 ? 1.0 : 7.0);
        y[i] = uniform(&seed, -3.0, 3.0) * (i % 50 ? 1.0 : 7.0);
        h[i] = uniform(&seed, 0.0, 4.0);
        for (size_t c = 0; c < N_CHANNEL; c++)
            value[N_CHANNEL * i + c] = uniform(&seed, -1.0, 1.0);
    }
    for (int n = 1; n <= 64; n *= 2) {
        omp_set_num_threads(n);
        free(deposit_twice(&grid, N, x, y, h, N_CHANNEL, value));
    }
    omp_set_num_threads(n_thread);
    free(value);
}

static void nothing_is_deposited_without_particles_or_pixels(void **state)
{
    struct pixel_grid grid = grid_of(2, 2, 1.0), none = grid_of(0, 2, 1.0);
    double image[4] = { 0.0 }, zero = 0.0;
    struct arena arena = { 0 };
    struct error err = { 0 };

    (void)state;
    assert_int_equal(deposit_smoothed(table, &grid, 0, NULL, NULL, NULL, 1, NULL,
                                      images_of(&grid, 1, image).of_channel, &arena, &err),
                     0);
    assert_int_equal(deposit_smoothed(table, &none, 1, &zero, &zero, &zero, 1, &zero,
                                      images_of(&grid, 1, image).of_channel, &arena, &err),
                     0);
    deposit_histogram(&none, 1, &zero, &zero, 1, &zero, images_of(&grid, 1, image).of_channel);
    assert_true(sum_of(image, 4) == 0.0);
    arena_free(&arena);
}

static void histograms_are_those_of_the_peer(void **state)
{
    /* test_vectors.json, imaging.hist; a second channel has ten times the values. */
    static const double x[] = { -2.0, 2.0, 0.0, 1.0, 2.0001, 0.5 }, y[] = { 0.0, 1.5, 0.0, -1.0, 0.0, 0.5 };
    static const double value[] = { 1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60 };
    static const double expected[] = { 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 4, 0, 2 };
    struct pixel_grid grid = grid_of(4, 4, 1.0);
    double image[32] = { 0.0 };

    (void)state;
    deposit_histogram(&grid, 6, x, y, 2, value, images_of(&grid, 2, image).of_channel);
    for (size_t i = 0; i < 16; i++) {
        assert_true(image[i] == expected[i]);
        assert_true(image[16 + i] == 10.0 * expected[i]);
    }
}

static void histograms_drop_what_is_far_away(void **state)
{
    static const double x[] = { 1e300, -1e300, 0.0, 2.0 }, y[] = { 0.0, 0.0, 1e30, 2.0 };
    static const double value[] = { 1.0, 1.0, 1.0, 7.0 };
    struct pixel_grid grid = grid_of(4, 4, 1.0);
    double image[16] = { 0.0 };

    (void)state;
    deposit_histogram(&grid, 4, x, y, 1, value, images_of(&grid, 1, image).of_channel);
    assert_true(image[15] == 7.0); /* on the closed corner of the field */
    assert_true(sum_of(image, 16) == 7.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_those_of_the_peer),
        cmocka_unit_test(images_of_small_pixels_are_those_of_the_peer),
        cmocka_unit_test(one_wide_particle_is_that_of_the_peer),
        cmocka_unit_test(flux_is_conserved_to_a_thousandth),
        cmocka_unit_test(a_small_disc_within_a_pixel_stays_there),
        cmocka_unit_test(points_on_edges_count_in_every_pixel_they_touch),
        cmocka_unit_test(a_tiny_disc_across_an_edge_is_shared),
        cmocka_unit_test(discs_across_edges_have_the_mean_of_all_samples),
        cmocka_unit_test(the_fast_path_has_the_bits_of_the_definition),
        cmocka_unit_test(any_number_of_channels_has_the_bits_of_the_definition),
        cmocka_unit_test(discs_that_cover_all_tiles_fit_in_the_lists),
        cmocka_unit_test(images_do_not_depend_on_threads),
        cmocka_unit_test(a_crowded_tile_has_the_bits_of_the_definition),
        cmocka_unit_test(nothing_is_deposited_without_particles_or_pixels),
        cmocka_unit_test(histograms_are_those_of_the_peer),
        cmocka_unit_test(histograms_drop_what_is_far_away),
    };

    return cmocka_run_group_tests_name("kernels/deposit", tests, open_table, close_table);
}
