/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The demo catalogue: its random numbers, its file. */
#include "polyphony/demo.h"

#include "demo_support.h"

/* First normals of galaxy 0, star 0, field 3 (coordinates) for seed 42. */
#define NORMAL_0 -0.83116079622305761
#define NORMAL_1 0.46708208356162373
#define NORMAL_2 0.11015508898043669

/* ---- random numbers -------------------------------------------------------------------------- */

static void philox_gives_the_numbers_of_its_authors(void **state)
{
    (void)state;
    struct random_place place = { 0 };
    double u[3];

    /* Random123's kat_vectors, philox4x64 of 10 rounds, counter and key 0: 16554d9eca36314c,
     * db20fe9d672d0fdc, d7e772cee186176b. */
    random_uniforms(&place, u);
    assert_true(u[0] == (double)(UINT64_C(0x16554d9eca36314c) >> 11) * 0x1p-53);
    assert_true(u[1] == (double)(UINT64_C(0xdb20fe9d672d0fdc) >> 11) * 0x1p-53);
    assert_true(u[2] == (double)(UINT64_C(0xd7e772cee186176b) >> 11) * 0x1p-53);
}

static void seed_42_begins_with_the_same_bits_everywhere(void **state)
{
    (void)state;
    struct random_place place = { .seed = 42 };
    double u[3], x[3];

    random_uniforms(&place, u);
    assert_true(u[0] == 0.65393818477312704);
    assert_true(u[1] == 0.29821924389970111);
    place.field = 3;
    random_normals(&place, x);
    assert_true(x[0] == NORMAL_0);
    assert_true(x[1] == NORMAL_1);
    assert_true(x[2] == NORMAL_2);
}

static void each_part_of_the_place_changes_the_number(void **state)
{
    (void)state;
    struct random_place places[6] = { 0 };
    double u[6][3];

    places[1].seed = places[2].galaxy = places[3].component = places[4].particle = places[5].field = 1;
    for (int i = 0; i < 6; i++) {
        random_uniforms(&places[i], u[i]);
        for (int j = 0; j < i; j++)
            assert_true(u[i][0] != u[j][0]);
    }
}

static void logarithm_agrees_with_libm(void **state)
{
    (void)state;
    for (int i = 1; i < 200000; i++) {
        double x = i % 2 ? i * 1e-5 : exp(-0.003 * i);

        /* 2 ulp of our series and 1 of libm's, of 2.2e-16 each; near 1 the logarithm itself is exact to an
         * ulp. */
        if (x > 0.0 && x != 1.0)
            assert_near(random_log(x), log(x), 7e-16);
    }
    assert_true(random_log(1.0) == 0.0);
}

static void normal_quantiles_are_the_known_ones(void **state)
{
    (void)state;
    /* Values of CPython's statistics.NormalDist().inv_cdf, one per branch and more; AS 241 claims 1e-16. */
    static const double known[][2] = {
        { 0.3, -0.52440051270804067 },  { 0.925, 1.4395314709384559 },  { 0.93, 1.4757910281791708 },
        { 0.975, 1.9599639845400536 },  { 0.999, 3.0902323061678132 },  { 1e-5, -4.2648907939228256 },
        { 1e-12, -7.0344838253011321 }, { 1e-16, -8.2220822161304348 }, { 1e-30, -11.464024688443617 },
    };

    assert_true(normal_quantile(0.5) == 0.0);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_near(normal_quantile(known[i][0]), known[i][1], 4e-16); /* two ulp */
    assert_near(0.5 * erfc(-normal_quantile(0.01) / sqrt(2.0)), 0.01,
                1e-14); /* independent: erfc loses digits */
}

static void moments_are_those_of_the_distributions(void **state)
{
    (void)state;
    enum { n = 200000 };
    double mean_u = 0.0, square_u = 0.0, mean_x = 0.0, square_x = 0.0, fourth_x = 0.0, cross = 0.0;

    for (uint64_t i = 0; i < n; i++) {
        struct random_place place = { .seed = 42, .galaxy = i % 10, .particle = i / 10, .field = 3 };
        double u[3], x[3];

        random_uniforms(&place, u);
        random_normals(&place, x);
        assert_true(u[0] >= 0.0);
        assert_true(u[0] < 1.0);
        mean_u += u[0] / n;
        square_u += (u[0] - 0.5) * (u[0] - 0.5) / n;
        mean_x += x[1] / n;
        square_x += x[1] * x[1] / n;
        fourth_x += x[1] * x[1] * x[1] * x[1] / n;
        cross += x[0] * x[1] / n;
    }
    /* Five standard errors: sqrt(1/12 / n), sqrt(1/180 / n), 1/sqrt(n), sqrt(2/n), sqrt(96/n), 1/sqrt(n). */
    assert_true(fabs(mean_u - 0.5) < 5.0 * sqrt(1.0 / 12.0 / n));
    assert_true(fabs(square_u - 1.0 / 12.0) < 5.0 * sqrt(1.0 / 180.0 / n));
    assert_true(fabs(mean_x) < 5.0 / sqrt(n));
    assert_true(fabs(square_x - 1.0) < 5.0 * sqrt(2.0 / n));
    assert_true(fabs(fourth_x - 3.0) < 5.0 * sqrt(96.0 / n));
    assert_true(fabs(cross) < 5.0 / sqrt(n));
}

/* ---- the file ----------------------------------------------------------------------------------- */

static void catalogue_keeps_to_its_distributions_and_slices(void **state)
{
    (void)state;
    char path[256], text[32];
    struct error err = { 0 };
    struct io_file *file = NULL;
    uint64_t n;
    int64_t offset[30], length[30];

    make_path(path, sizeof(path), "catalogue");
    struct demo_catalogue_options options = demo_catalogue_defaults(path);

    options.n_galaxy = 30;
    options.n_star_per_galaxy = 5000; /* more rows than a block of 65536 */
    options.ages_in_myr = true;
    if (demo_catalogue_write(&options, &err) || io_file_open(path, &file, &err))
        fail_msg("%s", err.text);
    assert_int_equal(io_read_rows_i64(file, "Gas/offset", 0, 30, offset, &err), 0);
    assert_int_equal(io_read_rows_i64(file, "Gas/length", 0, 30, length, &err), 0);
    for (int i = 0; i < 30; i++)
        assert_true(length[i] == 1000 && offset[i] == 1000 * i);
    assert_int_equal(io_read_rows_i64(file, "BlackHoles/length", 0, 30, length, &err), 0);
    assert_int_equal(length[0], 100);
    assert_int_equal(io_attr_read_text(file, "Stars/ages", "Units", text, sizeof(text), &err), 0);
    assert_string_equal(text, "Myr");
    double *ages = read_all(file, "Stars/ages", &n);
    double mean = 0.0;

    assert_int_equal(n, 150000);
    for (uint64_t i = 0; i < n; i++) {
        assert_true(ages[i] >= 1e6);
        assert_true(ages[i] < 1e10);
        mean += ages[i] / (double)n;
    }
    assert_near(mean, 5.0005e9, 0.01); /* seven standard errors: 0.577/sqrt(150000) */
    /* The last particle of the last galaxy is where its place says. */
    struct random_place place = { .seed = 42, .galaxy = 29, .particle = 4999, .field = 1 };
    double u[3];

    random_uniforms(&place, u);
    assert_true(ages[n - 1] == 1e6 + (1e10 - 1e6) * u[0]);
    free(ages);
    double *coordinates = read_all(file, "Stars/coordinates", &n);

    assert_true(coordinates[0] == 10.0 * NORMAL_0);
    assert_true(coordinates[1] == 10.0 * NORMAL_1);
    free(coordinates);
    io_file_close(file);
    unlink(path);
}

static void catalogue_options_out_of_bounds_are_usage_errors(void **state)
{
    (void)state;
    struct error err = { 0 };
    struct demo_catalogue_options catalogue = demo_catalogue_defaults("/tmp/polyphony_never_written.hdf5");

    catalogue.fesc = 1.5;
    assert_int_equal(demo_catalogue_write(&catalogue, &err), POLYPHONY_USAGE);
    catalogue.fesc = 0.1;
    catalogue.n_galaxy = UINT64_C(1) << 60;
    assert_int_equal(demo_catalogue_write(&catalogue, &err), POLYPHONY_USAGE);
    catalogue.n_galaxy = 0;
    assert_int_equal(demo_catalogue_write(&catalogue, &err), POLYPHONY_USAGE);
    assert_int_equal(access("/tmp/polyphony_never_written.hdf5", F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_numbers_of_its_authors),
        cmocka_unit_test(seed_42_begins_with_the_same_bits_everywhere),
        cmocka_unit_test(each_part_of_the_place_changes_the_number),
        cmocka_unit_test(logarithm_agrees_with_libm),
        cmocka_unit_test(normal_quantiles_are_the_known_ones),
        cmocka_unit_test(moments_are_those_of_the_distributions),
        cmocka_unit_test(catalogue_keeps_to_its_distributions_and_slices),
        cmocka_unit_test(catalogue_options_out_of_bounds_are_usage_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
