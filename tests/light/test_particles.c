/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/light.h"

#include <omp.h>

#include "made_galaxy.h"

/*
 * Bands over the wide grid: narrow, wide with three decades of opacity, around Lyman alpha, of two
 * wavelengths, of none. Weights are uneven, so that a shifted index shows.
 */
enum { N_BAND = 5, N_LABEL = 4 };
static const char *const band_labels[N_LABEL] = { "emergent", "attenuated", "intrinsic", "nebular_line" };

struct bands {
    struct band band[N_BAND];
    double weight[N_WIDE];
};

static void bands_make(struct bands *bands)
{
    static const size_t first[N_BAND] = { 300, 0, 120, 500, 0 }, n[N_BAND] = { 90, N_WIDE, 60, 2, 0 };

    for (size_t j = 0; j < N_WIDE; j++)
        bands->weight[j] = 1.0 / (100.0 + (double)(j % 37));
    for (size_t b = 0; b < N_BAND; b++)
        bands->band[b] = (struct band) { first[b], n[b], bands->weight + first[b] };
}

/* The direct method's are [N_LABEL][n_star][N_BAND]. */
static void direct_bands(struct scene *scene, const size_t *i_label, const struct bands *bands,
                         const double *screen, double *ret_value)
{
    size_t n_star = scene->galaxy.particles[STARS].n;
    double *label[EMISSION_LABEL_MAX] = { 0 };
    double *value = arena_array(&scene->arena, n_star * N_LABEL * N_BAND, sizeof(*value));
    const struct observe_star_bands asked = { N_LABEL, i_label, N_BAND, bands->band, screen, value };
    struct error err = { "" };

    if (observe_direct(&scene->light, &scene->columns[SPECTRA], label, 1, &asked, &scene->arena, &err))
        fail_msg("%s", err.text);
    for (size_t l = 0; l < N_LABEL; l++)
        for (size_t i = 0; i < n_star; i++)
            memcpy(ret_value + (i * N_LABEL + l) * N_BAND, value + (l * n_star + i) * N_BAND,
                   N_BAND * sizeof(*value));
}

/* ret_value[n_star][N_LABEL][N_BAND] */
static double *particle_bands(struct scene *scene, const struct bands *bands, const double *screen)
{
    double *value =
        arena_array(&scene->arena, scene->galaxy.particles[STARS].n * N_LABEL * N_BAND, sizeof(*value));
    size_t i_label[N_LABEL];
    const struct observe_request request = { N_LABEL, i_label, N_BAND, bands->band, screen };
    struct observe_tables *tables = NULL;
    struct error err = { "" };

    for (size_t l = 0; l < N_LABEL; l++)
        i_label[l] = label_index(scene, band_labels[l]);
    if (scene->method == OBSERVE_DIRECT) {
        direct_bands(scene, i_label, bands, screen, value);
        return value;
    }
    if (observe_tables_make(&scene->light, &scene->columns[SPECTRA], 1, &request, &tables, &scene->arena,
                            &err))
        fail_msg("%s", err.text);
    observe_tables_fill(tables, &scene->light);
    assert_int_equal(observe_tables_outputs(tables), N_LABEL * N_BAND);
    observe_particle_bands(tables, &scene->light, 0, scene->galaxy.particles[STARS].n, value);
    return value;
}

/* Star by star: its spectrum, screened, through the band. */
static void expect_plain_bands(struct scene *scene, const struct bands *bands, const double *screen)
{
    const struct observe_columns *columns = &scene->columns[SPECTRA];
    const double *got = particle_bands(scene, bands, screen);
    double spectrum[N_WIDE], behind_dust[N_WIDE];
    double tolerance = scene->method == OBSERVE_DIRECT ? 0.0 : scene->light.tolerance;

    for (size_t i = 0; i < scene->galaxy.particles[STARS].n * N_LABEL; i++) {
        const char *label = band_labels[i % N_LABEL];
        double tau = plain_parameter(&scene->parameter[TAU_V], i / N_LABEL);

        plain_star(&scene->galaxy, i / N_LABEL, &scene->program, columns, scene->parameter, label, spectrum);
        plain_star(&scene->galaxy, i / N_LABEL, &scene->program, columns, scene->parameter, "reprocessed",
                   behind_dust);
        for (size_t b = 0; b < N_BAND; b++) {
            const struct band *band = &bands->band[b];
            double expected = 0.0, bound = 0.0, k_min = HUGE_VAL;

            for (size_t j = band->first; j < band->first + band->n; j++) {
                double factor = bands->weight[j] * (screen ? screen[j] : 1.0);

                k_min = fmin(k_min, columns->k[0][j]);
                expected += factor * spectrum[j];
                bound += factor * behind_dust[j];
            }
            /* The interpolation in k is good to 1e-10 of what the least dimmed wavelength of the band lets
             * through, or to nothing with the direct method; rounding of 700 positive terms is less than
             * 1e-13, and so is that of exponents of up to 500. */
            bound = band->n ? tolerance * bound * exp(-tau * k_min) +
                                  3e-13 * (expected + bound * exp(-tau * k_min))
                            : 0.0;
            if (!(fabs(got[i * N_BAND + b] - expected) <= bound))
                fail_msg("star %zu %s band %zu: got %.17g, expected %.17g, allowed %.3g", i / N_LABEL, label,
                         b, got[i * N_BAND + b], expected, bound);
        }
    }
}

static void bands_of_stars_are_spectra_through_filters(void **state)
{
    const double value[] = { 0.7, 0.3, 0.25 };
    struct bands bands;

    (void)state;
    bands_make(&bands);
    for (int method = OBSERVE_FAST; method <= OBSERVE_DIRECT; method++)
        for (unsigned varies = 0; varies < 8; varies++) {
            struct scene scene = wide_scene(25);
            const double *particle[3];
            double screen[N_WIDE];
            uint64_t seed = varies + 1;

            for (size_t p = 0; p < 3; p++)
                particle[p] =
                    varies >> p & 1 ? made_uniform(25, &seed, 0, p == 0 ? 20 : 1, &scene.arena) : NULL;
            for (size_t j = 0; j < N_WIDE; j++)
                screen[j] = j % 50 == 0 ? 0.0 : 1e-30 * (1.0 + (double)(j % 11));
            scene_light(&scene, (enum observe_method)method, value, particle);
            expect_plain_bands(&scene, &bands, NULL);
            expect_plain_bands(&scene, &bands, screen);
            scene_close(&scene);
        }
}

static void clear_and_opaque_stars_share_a_band(void **state)
{
    const double value[3] = { 0, 0.1, 1.0 };
    struct bands bands;

    (void)state;
    bands_make(&bands);
    for (int method = OBSERVE_FAST; method <= OBSERVE_DIRECT; method++) {
        struct scene scene = wide_scene(9);
        const double tau[9] = { 0, 1e-8, 100, 0, 1e4, 3, 0.5, 20, 0 };
        const double *particle[3] = { tau, NULL, NULL };

        scene_light(&scene, (enum observe_method)method, value, particle);
        expect_plain_bands(&scene, &bands, NULL);
        scene_close(&scene);
    }
}

static void stars_without_mass_have_no_light(void **state)
{
    const double value[3] = { 0.5, 0.1, 1.0 }, *none[3] = { 0 };
    struct scene scene = wide_scene(9);
    double mass[9] = { 0, 1e5, 0, 2e5, 0, 0, 3e5, 0, 0 };
    struct bands bands;
    double *got;

    (void)state;
    bands_make(&bands);
    scene.galaxy.particles[STARS].field[FIELD_INITIAL_MASS_MSUN] = mass;
    scene_light(&scene, OBSERVE_FAST, value, none);
    expect_plain_bands(&scene, &bands, NULL);
    memset(mass, 0, sizeof(mass));
    scene_light(&scene, OBSERVE_FAST, value, none);
    got = particle_bands(&scene, &bands, NULL);
    for (size_t i = 0; i < (size_t)9 * N_LABEL * N_BAND; i++)
        assert_true(got[i] == 0.0);
    scene_close(&scene);
}

static void stars_add_up_to_the_photometry_of_the_galaxy(void **state)
{
    const double value[3] = { 0 };
    struct bands bands;

    (void)state;
    bands_make(&bands);
    for (int method = OBSERVE_FAST; method <= OBSERVE_DIRECT; method++) {
        struct scene scene = wide_scene(200);
        uint64_t seed = 5;
        const double *particle[3] = { made_uniform(200, &seed, 0, 20, &scene.arena),
                                      made_uniform(200, &seed, 0, 1, &scene.arena),
                                      made_uniform(200, &seed, 0, 1, &scene.arena) };
        const double *star, *all;

        scene_light(&scene, (enum observe_method)method, value, particle);
        star = particle_bands(&scene, &bands, NULL);
        all = sum_all(&scene, SPECTRA);
        for (size_t l = 0; l < N_LABEL; l++) {
            double total[N_BAND] = { 0 }, expected[N_BAND];

            for (size_t i = 0; i < 200; i++)
                for (size_t b = 0; b < N_BAND; b++)
                    total[b] += star[(i * N_LABEL + l) * N_BAND + b];
            observe_bands(N_BAND, bands.band, all + label_index(&scene, band_labels[l]) * N_WIDE, expected);
            for (size_t b = 0; b < N_BAND; b++) /* truncation of both, 1e-10, and 200 roundings */
                assert_near(total[b], expected[b], 1e-10 * expected[b]);
        }
        scene_close(&scene);
    }
}

static void bands_have_the_same_bits_for_any_threads(void **state)
{
    static const int n_thread[] = { 2, 8 };
    const double value[3] = { 0, 0.3, 0.25 };
    struct scene scene = wide_scene(100);
    struct bands bands;
    uint64_t seed = 2;
    const double *particle[3] = { made_uniform(100, &seed, 0, 5, &scene.arena), NULL, NULL }, *one;

    (void)state;
    bands_make(&bands);
    for (int method = OBSERVE_FAST; method <= OBSERVE_DIRECT; method++) {
        scene_light(&scene, (enum observe_method)method, value, particle);
        omp_set_num_threads(1);
        one = particle_bands(&scene, &bands, NULL);
        for (size_t i = 0; i < 2; i++) {
            omp_set_num_threads(n_thread[i]);
            assert_same_bits("bands", (size_t)100 * N_LABEL * N_BAND, particle_bands(&scene, &bands, NULL),
                             one);
        }
    }
    scene_close(&scene);
}

/* ---- optical depths -------------------------------------------------------------------------- */

#define KAPPA 0.0795

static void depths_towards(const struct particles *gas, size_t n, const double (*at)[3],
                           enum sph_kernel kernel, double *ret_tau_v)
{
    struct arena arena = { 0 };
    struct columns_index *index = NULL;
    double x[64], y[64], z[64];
    const struct particles points = { .n = n,
                                      .field = { [FIELD_X_KPC] = x, [FIELD_Y_KPC] = y, [FIELD_Z_KPC] = z } };

    for (size_t i = 0; i < n; i++) {
        x[i] = at[i][0];
        y[i] = at[i][1];
        z[i] = at[i][2];
    }
    assert_int_equal(observe_gas_index(kernel, gas, &index, &arena, NULL), 0);
    assert_int_equal(observe_optical_depths(index, KAPPA, &points, &arena, ret_tau_v, NULL), 0);
    arena_free(&arena);
}

static void optical_depths_are_those_of_the_reference(void **state)
{
    static const double x[] = { 0, 0.1 }, y[] = { 0, 0.1 }, z[] = { 0, -0.5 }, h[] = { 0.5, 0.6 },
                        dust[] = { 3e4, 12e4 };
    static const double star[3][3] = { { 0, 0, 1 }, { 0.2, 0, 0 }, { 0, 0.1, -1 } };
    static const double expected[] = { 0.061528213984724536, 0.0438968064449176, 6.203023224837523e-06 };
    const struct particles gas = { .n = 2,
                                   .field[FIELD_X_KPC] = x,
                                   .field[FIELD_Y_KPC] = y,
                                   .field[FIELD_Z_KPC] = z,
                                   .field[FIELD_SMOOTHING_KPC] = h,
                                   .field[FIELD_DUST_MASS_MSUN] = dust };
    double tau_v[3];

    (void)state;
    depths_towards(&gas, 3, star, SPH_ANARCHY, tau_v);
    for (size_t i = 0; i < 3; i++) /* the reference interpolates in tables of 10001 by 1001 nodes: 2e-7 */
        assert_near(tau_v[i], expected[i], 2e-7 * expected[0]);
}

static void gas_in_front_counts_half_at_its_centre_and_none_behind(void **state)
{
    static const double nought[] = { 0 }, h[] = { 0.5 }, dust[] = { 1e5 };
    static const double star[5][3] = {
        { 0, 0, 2 }, { 0, 0, 0 }, { 0, 0, -0.5 }, { 0, 0, -2 }, { 0.5, 0, 2 }
    };
    const struct particles gas = { .n = 1,
                                   .field[FIELD_X_KPC] = nought,
                                   .field[FIELD_Y_KPC] = nought,
                                   .field[FIELD_Z_KPC] = nought,
                                   .field[FIELD_SMOOTHING_KPC] = h,
                                   .field[FIELD_DUST_MASS_MSUN] = dust };
    double tau_v[5];

    (void)state;
    for (int kernel = SPH_UNIFORM; kernel <= SPH_QUINTIC; kernel++) {
        double whole = KAPPA * 1e5 / (500.0 * 500.0) * sph_kernel_column_whole((enum sph_kernel)kernel, 0.0);

        depths_towards(&gas, 5, star, (enum sph_kernel)kernel, tau_v);
        assert_near(tau_v[0], whole, 1e-12 * whole); /* closed forms, good to 1e-12 */
        assert_near(tau_v[1], 0.5 * whole, 1e-12 * whole);
        assert_true(tau_v[2] == 0.0); /* gas begins right behind it */
        assert_true(tau_v[3] == 0.0);
        assert_true(tau_v[4] == 0.0); /* passes by */
    }
}

/* A slab of gas on a lattice, 1 kpc thick from z = 0: its depth is that of a uniform slab. */
static void a_uniform_slab_has_its_analytic_depth(void **state)
{
    enum { N = 40, N_DEEP = 20, N_GAS = N * N * N_DEEP };
    const double spacing = 0.05, dust_msun = 50.0, h_kpc = 0.25;
    /* In front of it, a quarter, half, three quarters through, and behind. */
    const double star[5][3] = {
        { 0, 0, -0.3 }, { 0.01, 0.02, 0.25 }, { 0, 0.03, 0.5 }, { -0.02, 0, 0.75 }, { 0, 0, 1.5 }
    };
    const double part[5] = { 0, 0.25, 0.5, 0.75, 1 };
    struct arena arena = { 0 };
    double *x = arena_array(&arena, N_GAS, sizeof(double)), *y = arena_array(&arena, N_GAS, sizeof(double));
    double *z = arena_array(&arena, N_GAS, sizeof(double)), *h = arena_array(&arena, N_GAS, sizeof(double));
    double *dust = arena_array(&arena, N_GAS, sizeof(double)), tau_v[5];
    const struct particles gas = { .n = N_GAS,
                                   .field[FIELD_X_KPC] = x,
                                   .field[FIELD_Y_KPC] = y,
                                   .field[FIELD_Z_KPC] = z,
                                   .field[FIELD_SMOOTHING_KPC] = h,
                                   .field[FIELD_DUST_MASS_MSUN] = dust };
    double whole = KAPPA * N_DEEP * dust_msun / (1e6 * spacing * spacing);

    (void)state;
    for (size_t i = 0; i < N_GAS; i++) {
        x[i] = ((double)(i % N) - 0.5 * (N - 1)) * spacing;
        y[i] = ((double)(i / N % N) - 0.5 * (N - 1)) * spacing;
        z[i] = ((double)(i / N / N) + 0.5) * spacing;
        h[i] = h_kpc;
        dust[i] = dust_msun;
    }
    depths_towards(&gas, 5, star, SPH_ANARCHY, tau_v);
    assert_true(tau_v[0] == 0.0);
    for (size_t i = 1; i < 5; i++) /* a lattice of kernels five spacings wide is uniform to 1e-4 */
        assert_near(tau_v[i], part[i] * whole, 1e-4 * whole);
    arena_free(&arena);
}

static void without_gas_there_is_no_depth(void **state)
{
    static const double star[2][3] = { { 0, 0, 2 }, { 0, 0, 0 } }, nothing[1] = { 0 };
    const struct particles gas = { .field[FIELD_X_KPC] = nothing,
                                   .field[FIELD_Y_KPC] = nothing,
                                   .field[FIELD_Z_KPC] = nothing,
                                   .field[FIELD_SMOOTHING_KPC] = nothing,
                                   .field[FIELD_DUST_MASS_MSUN] = nothing };
    double tau_v[2] = { 1, 1 };

    (void)state;
    depths_towards(&gas, 2, star, SPH_ANARCHY, tau_v);
    assert_true(tau_v[0] == 0.0);
    assert_true(tau_v[1] == 0.0);
    depths_towards(&gas, 0, star, SPH_ANARCHY, tau_v);
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void depths_are_summarised_as_if_they_were_sorted(void **state)
{
    enum { N_MAX = 40 };
    uint64_t seed = 11;

    (void)state;
    for (size_t n = 1; n <= N_MAX; n++)
        for (int sort_of = 0; sort_of < 4; sort_of++) {
            double tau[N_MAX], mass[N_MAX], sorted[N_MAX], summary[3], sum = 0.0, total = 0.0;
            struct observe_depths depths = { 0 };

            for (size_t i = 0; i < n; i++) {
                double even = uniform(&seed, 0, 1);

                /* Ordinary; over all magnitudes; hardly any different; next to each other. */
                tau[i] = sort_of == 0   ? 3.0 * even
                         : sort_of == 1 ? pow(10.0, 600.0 * even - 308.0)
                         : sort_of == 2 ? (even < 0.7 ? 0.0 : 0.5)
                                        : 1.0 + floor(4.0 * even) * 0x1p-52;
                mass[i] = uniform(&seed, 0, 1);
                sum += tau[i] * mass[i];
                total += mass[i];
            }
            memcpy(sorted, tau, sizeof(sorted));
            qsort(sorted, n, sizeof(*sorted), compare_doubles);
            observe_depths_add(&depths, n / 3, tau, mass);
            observe_depths_add(&depths, n - n / 3, tau + n / 3, mass + n / 3);
            observe_depths_summary(&depths, n, tau, summary);
            assert_true(summary[0] == sum / total);
            assert_true(summary[1] == 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]));
            assert_true(summary[2] == sorted[n - 1]);
        }
}

/* Without weight, and without particles. */
static void depths_of_nothing_are_nothing(void **state)
{
    static const double tau[] = { 1, 2 }, massless[2] = { 0 };
    struct observe_depths depths = { 0 };
    double summary[3] = { 7, 7, 7 };

    (void)state;
    observe_depths_summary(&depths, 0, NULL, summary);
    assert_true(summary[0] == 7);
    assert_true(summary[1] == 7);
    assert_true(summary[2] == 7);
    observe_depths_add(&depths, 2, tau, massless);
    observe_depths_summary(&depths, 2, tau, summary);
    assert_true(summary[0] == 0.0);
    assert_true(summary[1] == 1.5);
    assert_true(summary[2] == 2.0);
}

/* ---- images ---------------------------------------------------------------------------------- */

/* Images are added to: these begin dark. */
static int images_of(const struct kernel_table *table, const struct galaxy *galaxy, double arcsec_per_kpc,
                     size_t n_pixel, double resolution_arcsec, size_t n_channel, const double *value,
                     double *ret_image, struct arena *arena, struct error *err)
{
    const struct image_pixels pixels = { table, DEPOSIT_PEER, n_pixel, resolution_arcsec };
    double *image[2];

    assert_true(n_channel <= 2);
    for (size_t c = 0; c < n_channel; c++)
        image[c] = ret_image + c * n_pixel * n_pixel;
    memset(ret_image, 0, n_channel * n_pixel * n_pixel * sizeof(*ret_image));
    return observe_images(&pixels, &galaxy->particles[STARS], galaxy->centre_kpc, arcsec_per_kpc, n_channel,
                          value, image, arena, err);
}

static double sum_of(size_t n, const double *value)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += value[i];
    return sum;
}

static void a_histogram_is_that_of_the_reference(void **state)
{
    static const double x[] = { -2, 2, 0, 1, 2.0001, 0.5 }, y[] = { 0, 1.5, 0, -1, 0, 0.5 },
                        signal[] = { 1, 2, 3, 4, 5, 6 };
    static const double expected[16] = { 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 4, 0, 2 };
    struct galaxy galaxy = { .particles[STARS].n = 6,
                             .particles[STARS].field[FIELD_X_KPC] = x,
                             .particles[STARS].field[FIELD_Y_KPC] = y };
    double shifted_x[6], shifted_y[6], image[16];
    struct arena arena = { 0 };

    (void)state;
    assert_int_equal(images_of(NULL, &galaxy, 1.0, 4, 1.0, 1, signal, image, &arena, NULL), 0);
    assert_same_bits("image", 16, image, expected);
    /* Elsewhere on the sky and at half the scale: the same image about the galaxy's centre. */
    for (size_t i = 0; i < 6; i++) {
        shifted_x[i] = 2 * x[i] + 64;
        shifted_y[i] = 2 * y[i] - 32;
    }
    galaxy = (struct galaxy) { .particles[STARS].n = 6,
                               .particles[STARS].field[FIELD_X_KPC] = shifted_x,
                               .particles[STARS].field[FIELD_Y_KPC] = shifted_y,
                               .centre_kpc = { 64, -32, 7 } };
    assert_int_equal(images_of(NULL, &galaxy, 0.5, 4, 1.0, 1, signal, image, &arena, NULL), 0);
    assert_same_bits("image", 16, image, expected);
    arena_free(&arena);
}

static void images_conserve_light(void **state)
{
    enum { N_STAR = 500, N_PIXEL = 400 };
    struct arena arena = { 0 };
    struct galaxy galaxy = made_stars(N_STAR, &arena);
    double *value = arena_array(&arena, (size_t)N_STAR * 2, sizeof(*value)), total[2] = { 0 }, inside = 0;
    double *image = arena_array(&arena, (size_t)2 * N_PIXEL * N_PIXEL, sizeof(*image));
    struct kernel_table *table = NULL;
    struct error err = { "" };

    (void)state;
    assert_int_equal(kernel_table_open(SPH_ANARCHY, &table, &err), 0);
    for (size_t i = 0; i < N_STAR; i++) {
        value[2 * i] = 1e28 * (double)(i + 1);
        value[2 * i + 1] = 1.0;
        total[0] += value[2 * i];
        total[1] += 1.0;
        inside += fabs(galaxy.particles[STARS].field[FIELD_X_KPC][i]) < 3 &&
                          fabs(galaxy.particles[STARS].field[FIELD_Y_KPC][i]) < 3
                      ? value[2 * i]
                      : 0.0;
    }
    /* 12 kpc hold all discs, of three pixels and more: light is conserved to 1e-3 (docs/physics.md 11). */
    assert_int_equal(images_of(table, &galaxy, 0.5, N_PIXEL, 0.015, 2, value, image, &arena, &err), 0);
    for (size_t c = 0; c < 2; c++)
        assert_near(sum_of(N_PIXEL * N_PIXEL, image + c * N_PIXEL * N_PIXEL), total[c], 1e-3 * total[c]);
    /* Points: all inside, and only those inside, up to the rounding of 500 sums. */
    assert_int_equal(images_of(NULL, &galaxy, 0.5, N_PIXEL, 0.015, 2, value, image, &arena, &err), 0);
    for (size_t c = 0; c < 2; c++)
        assert_near(sum_of(N_PIXEL * N_PIXEL, image + c * N_PIXEL * N_PIXEL), total[c], 1e-13 * total[c]);
    assert_int_equal(images_of(NULL, &galaxy, 0.5, N_PIXEL, 0.0075, 2, value, image, &arena, &err), 0);
    assert_near(sum_of(N_PIXEL * N_PIXEL, image), inside, 1e-13 * inside);
    kernel_table_free(table);
    arena_free(&arena);
}

static void images_have_the_same_bits_for_any_threads(void **state)
{
    enum { N_STAR = 400, N_PIXEL = 150 };
    static const int n_thread[] = { 2, 8 };
    struct arena arena = { 0 };
    struct galaxy galaxy = made_stars(N_STAR, &arena);
    double *one = arena_array(&arena, (size_t)N_PIXEL * N_PIXEL, sizeof(double));
    double *other = arena_array(&arena, (size_t)N_PIXEL * N_PIXEL, sizeof(double));
    struct kernel_table *table = NULL;

    (void)state;
    assert_int_equal(kernel_table_open(SPH_ANARCHY, &table, NULL), 0);
    for (int smoothed = 0; smoothed < 2; smoothed++)
        for (size_t i = 0; i < 2; i++) {
            omp_set_num_threads(1);
            assert_int_equal(images_of(smoothed ? table : NULL, &galaxy, 0.12, N_PIXEL, 0.008, 1,
                                       galaxy.particles[STARS].field[FIELD_INITIAL_MASS_MSUN], one, &arena,
                                       NULL),
                             0);
            omp_set_num_threads(n_thread[i]);
            assert_int_equal(images_of(smoothed ? table : NULL, &galaxy, 0.12, N_PIXEL, 0.008, 1,
                                       galaxy.particles[STARS].field[FIELD_INITIAL_MASS_MSUN], other, &arena,
                                       NULL),
                             0);
            assert_same_bits("image", N_PIXEL * N_PIXEL, other, one);
        }
    kernel_table_free(table);
    arena_free(&arena);
}

static void pixels_are_counted_as_in_the_reference(void **state)
{
    (void)state;
    assert_int_equal(observe_pixel_count(60 * 0.12148822731037096, 0.031), 235);
    assert_int_equal(observe_pixel_count(7.285, 0.031), 235);
    assert_int_equal(observe_pixel_count(2.4, 1.0), 2);
    assert_int_equal(observe_pixel_count(2.5, 1.0), 3); /* halves go up: the nudge */
    assert_int_equal(observe_pixel_count(3.5, 1.0), 4);
    assert_int_equal(observe_pixel_count(0.5, 1.0), 1);
    assert_int_equal(observe_pixel_count(0.4, 1.0), 0);
    assert_int_equal(observe_pixel_count(65535.0, 1.0), 65535);
    assert_int_equal(observe_pixel_count(65536.0, 1.0), 0);
    assert_int_equal(observe_pixel_count(1.0, 0.0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bands_of_stars_are_spectra_through_filters),
        cmocka_unit_test(clear_and_opaque_stars_share_a_band),
        cmocka_unit_test(stars_without_mass_have_no_light),
        cmocka_unit_test(stars_add_up_to_the_photometry_of_the_galaxy),
        cmocka_unit_test(bands_have_the_same_bits_for_any_threads),
        cmocka_unit_test(optical_depths_are_those_of_the_reference),
        cmocka_unit_test(gas_in_front_counts_half_at_its_centre_and_none_behind),
        cmocka_unit_test(a_uniform_slab_has_its_analytic_depth),
        cmocka_unit_test(without_gas_there_is_no_depth),
        cmocka_unit_test(depths_are_summarised_as_if_they_were_sorted),
        cmocka_unit_test(depths_of_nothing_are_nothing),
        cmocka_unit_test(a_histogram_is_that_of_the_reference),
        cmocka_unit_test(images_conserve_light),
        cmocka_unit_test(images_have_the_same_bits_for_any_threads),
        cmocka_unit_test(pixels_are_counted_as_in_the_reference),
    };

    return cmocka_run_group_tests_name("particles", tests, NULL, NULL);
}
