/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tables of bands: accuracy with all dust curves, galaxies as a whole, and tables that are kept. That
 * particles are spectra through filters is tested in test_particles.c.
 */
#include "polyphony/light.h"

#include <omp.h>

#include "made_galaxy.h"

enum { N_BAND = 4, N_LABEL = 11, N_VALUE = N_LABEL * N_BAND };

/* Bands of which one is all of the grid. */
struct asked {
    struct band band[N_BAND];
    double weight[N_WIDE], screen[N_WIDE];
    size_t i_label[N_LABEL];
    struct observe_request request[2]; /* rest frame and observed */
};

static void asked_make(struct asked *asked)
{
    static const size_t first[N_BAND] = { 300, 0, 100, 640 }, n[N_BAND] = { 90, N_WIDE, 60, 60 };

    for (size_t j = 0; j < N_WIDE; j++) {
        asked->weight[j] = 1.0 / (100.0 + (double)(j % 37));
        asked->screen[j] = j % 50 == 0 ? 0.0 : 1e-30 * (1.0 + (double)(j % 11));
    }
    for (size_t b = 0; b < N_BAND; b++)
        asked->band[b] = (struct band) { first[b], n[b], asked->weight + first[b] };
    for (size_t l = 0; l < N_LABEL; l++)
        asked->i_label[l] = l;
    for (size_t q = 0; q < 2; q++)
        asked->request[q] = (struct observe_request) { N_LABEL, asked->i_label, N_BAND, asked->band,
                                                       q ? asked->screen : NULL };
}

static struct observe_tables *made_tables(const struct scene *scene, const struct asked *asked,
                                          struct arena *arena)
{
    struct observe_tables *tables = NULL;
    struct error err = { "" };

    if (observe_tables_make(&scene->light, &scene->columns[SPECTRA], 2, asked->request, &tables, arena, &err))
        fail_msg("%s", err.text);
    observe_tables_fill(tables, &scene->light);
    assert_int_equal(observe_tables_outputs(tables), 2 * N_VALUE);
    return tables;
}

static double *made_values(struct scene *scene, const struct observe_tables *tables)
{
    size_t n_star = scene->galaxy.particles[STARS].n;
    double *value = arena_array(&scene->arena, n_star * 2 * N_VALUE, sizeof(*value));

    memset(value, 0xff, n_star * 2 * N_VALUE * sizeof(*value));
    observe_particle_bands(tables, &scene->light, 0, n_star, value);
    return value;
}

/* Each star's spectrum through the bands, against the tables; allowed: 1e-10 of the largest of the star. */
static void expect_spectra_through_bands(struct scene *scene, const struct asked *asked, const char *what)
{
    const struct observe_columns *columns = &scene->columns[SPECTRA];
    const double *value = made_values(scene, made_tables(scene, asked, &scene->arena));

    for (size_t i = 0; i < scene->galaxy.particles[STARS].n; i++)
        for (size_t q = 0; q < 2; q++) {
            double expected[N_VALUE], spectrum[N_WIDE];

            for (size_t l = 0; l < N_LABEL; l++) {
                plain_star(&scene->galaxy, i, &scene->program, columns, scene->parameter,
                           scene->program.label[l].name, spectrum);
                for (size_t j = 0; q == 1 && j < N_WIDE; j++)
                    spectrum[j] *= asked->screen[j];
                observe_bands(N_BAND, asked->band, spectrum, expected + l * N_BAND);
            }
            assert_all_near(what, N_VALUE, value + (i * 2 + q) * N_VALUE, expected, 1e-10);
        }
}

static void all_curves_and_depths_are_within_the_tolerance(void **state)
{
    static const double tau_max[] = { 0.1, 1, 10, 100 };
    const double value[3] = { 0, 0.1, 0.5 };
    struct asked asked;

    (void)state;
    asked_make(&asked);
    for (const struct dust_curve_row *const *row = dust_curve_rows; *row; row++)
        for (size_t t = 0; t < 4; t++) {
            struct scene scene = wide_scene(30);
            const double *particle[3] = { NULL };
            struct dust_curve curve;
            uint64_t seed = 1;
            double *k;

            assert_int_equal(dust_curve_find((*row)->name, &curve, NULL), 0);
            particle[0] = made_uniform(30, &seed, 0, tau_max[t], &scene.arena);
            scene_light(&scene, OBSERVE_FAST, value, particle);
            k = arena_array(&scene.arena, N_WIDE, sizeof(*k));
            dust_curve_k(&curve, N_WIDE, scene.grid->lambda_rest_angstrom, k);
            scene.columns[SPECTRA].k[0] = k;
            expect_spectra_through_bands(&scene, &asked, (*row)->name);
            scene_close(&scene);
        }
}

/* Parameters that differ between particles, in all mixtures. */
static void vary(struct scene *scene, unsigned varies, const double **particle)
{
    uint64_t seed = varies + 1;

    for (size_t p = 0; p < 3; p++)
        particle[p] = varies >> p & 1 ? made_uniform(scene->galaxy.particles[STARS].n, &seed, 0,
                                                     p == 0 ? 20 : 1, &scene->arena)
                                      : NULL;
}

/* The same tables, star by star, through the spectra, and through the spectra of all. */
static void galaxies_are_the_sum_of_their_spectra(void **state)
{
    const double value[3] = { 0.7, 0.3, 0.25 };
    struct asked asked;

    (void)state;
    asked_make(&asked);
    for (unsigned varies = 0; varies < 8; varies++) {
        struct scene scene = wide_scene(2100); /* more than a block */
        const double *particle[3], *all;
        double total[2 * N_VALUE] = { 0 }, expected[2 * N_VALUE], fnu[N_WIDE];
        struct observe_tables *tables;

        vary(&scene, varies, particle);
        scene_light(&scene, OBSERVE_FAST, value, particle);
        scene.light.tolerance = 1e-13; /* so that truncation does not count */
        tables = made_tables(&scene, &asked, &scene.arena);
        assert_int_equal(observe_total_bands_add(tables, &scene.light, total, &scene.arena, NULL), 0);
        observe_total_bands_end(tables, &scene.light, total);
        /* By the definition where screens differ: sums of the fast method have a truncation of their own. */
        scene.method = varies & 1 ? OBSERVE_DIRECT : OBSERVE_FAST;
        all = sum_all(&scene, SPECTRA);
        for (size_t l = 0; l < N_LABEL; l++) {
            observe_bands(N_BAND, asked.band, all + l * N_WIDE, expected + l * N_BAND);
            for (size_t j = 0; j < N_WIDE; j++)
                fnu[j] = all[l * N_WIDE + j] * asked.screen[j];
            observe_bands(N_BAND, asked.band, fnu, expected + N_VALUE + l * N_BAND);
        }
        for (size_t i = 0; i < 2 * N_VALUE; i++) /* 2100 x 700 positive terms in another order */
            assert_near(total[i], expected[i], 1e-12 * expected[i]);
        scene_close(&scene);
    }
}

/* In one piece, and in pieces of any size, in any number of threads. */
static void totals_have_the_same_bits_for_any_tiles(void **state)
{
    enum { N_STAR = 2100 };
    static const size_t step[] = { 1024, 700, 1, N_STAR };
    const double value[3] = { 0.7, 0.3, 0.25 };
    struct asked asked;
    double expected[2 * N_VALUE];

    (void)state;
    asked_make(&asked);
    for (size_t s = 4; s-- > 0;) {
        struct scene scene = wide_scene(N_STAR);
        double total[2 * N_VALUE] = { 0 };
        struct observe_parameter parameter[PARAMETER_MAX];
        const double *particle[3];
        struct observe_tables *tables;

        vary(&scene, 7, particle);
        scene_light(&scene, OBSERVE_FAST, value, particle);
        omp_set_num_threads(s % 2 ? 1 : 5);
        tables = made_tables(&scene, &asked, &scene.arena);
        for (size_t first = 0; first < N_STAR; first += step[s]) {
            struct galaxy tile = scene.galaxy;
            struct arena arena = { 0 };

            tile.particles[STARS].n = N_STAR - first < step[s] ? N_STAR - first : step[s];
            tile.particles[STARS].field[FIELD_INITIAL_MASS_MSUN] += first;
            tile.particles[STARS].field[FIELD_AGE_YR] += first;
            tile.particles[STARS].field[FIELD_METALLICITY] += first;
            memcpy(parameter, scene.parameter, sizeof(parameter));
            for (size_t p = 0; p < 3; p++)
                parameter[p].particle += first;
            assert_int_equal(observe_light_place(&scene.light, &tile, parameter, &arena, NULL), 0);
            assert_int_equal(observe_total_bands_add(tables, &scene.light, total, &arena, NULL), 0);
            arena_free(&arena);
        }
        observe_total_bands_end(tables, &scene.light, total);
        if (step[s] == N_STAR)
            memcpy(expected, total, sizeof(expected));
        assert_same_bits("total", 2 * N_VALUE, total, expected);
        scene_close(&scene);
    }
}

/* ---- tables that are kept ---------------------------------------------------------------------- */

static const struct observe_tables *take(struct observe_cache *cache, size_t i_set, double redshift,
                                         const struct scene *scene, const struct asked *asked)
{
    const struct observe_tables *tables = NULL;
    struct error err = { "" };

    if (observe_cache_take(cache, i_set, redshift, &scene->light, &scene->columns[SPECTRA], 2, asked->request,
                           &tables, &err))
        fail_msg("%s", err.text);
    return tables;
}

static void kept_tables_have_the_bits_of_fresh_ones(void **state)
{
    const double value[3] = { 0.7, 0.3, 0.25 };
    struct observe_cache *cache = NULL;
    struct asked asked;

    (void)state;
    asked_make(&asked);
    for (unsigned varies = 0; varies < 8; varies++) {
        const struct observe_tables *first = NULL;
        const double *particle[3];
        struct scene scene;

        scene = wide_scene(80);
        vary(&scene, varies, particle);
        if (varies & 1) /* always about the same depth */
            ((double *)particle[0])[0] = 19.0;
        assert_int_equal(observe_cache_open(1 << 24, &cache, NULL), 0);
        for (size_t n_star = 2; n_star <= 80; n_star += 13) { /* some cells, and more each time */
            const struct observe_tables *kept;

            scene.galaxy.particles[STARS].n = n_star;
            scene_light(&scene, OBSERVE_FAST, value, particle);
            kept = take(cache, 0, 1.0, &scene, &asked);
            first = first ? first : kept;
            assert_ptr_equal(kept, first);
            assert_same_bits("values", n_star * 2 * N_VALUE, made_values(&scene, kept),
                             made_values(&scene, made_tables(&scene, &asked, &scene.arena)));
            observe_cache_return(cache, kept);
        }
        observe_cache_close(cache);
        scene_close(&scene);
    }
}

static void tables_are_kept_for_what_they_depend_on(void **state)
{
    double value[3] = { 0.7, 0.3, 0.25 };
    struct scene scene = wide_scene(20);
    const double *none[3] = { NULL }, *particle[3] = { made_array(20, sizeof(double)) };
    const struct observe_tables *tables[6];
    struct observe_cache *cache = NULL;
    struct asked asked;

    (void)state;
    asked_make(&asked);
    assert_int_equal(observe_cache_open(1 << 24, &cache, NULL), 0);
    scene_light(&scene, OBSERVE_FAST, value, none);
    tables[0] = take(cache, 0, 1.0, &scene, &asked);
    tables[1] = take(cache, 1, 1.0, &scene, &asked);
    tables[2] = take(cache, 0, 1.5, &scene, &asked);
    assert_ptr_equal(take(cache, 0, 1.0, &scene, &asked), tables[0]);
    value[0] = 0.8; /* of the galaxy */
    scene_light(&scene, OBSERVE_FAST, value, none);
    tables[3] = take(cache, 0, 1.0, &scene, &asked);
    for (size_t depth = 0; depth < 2; depth++) { /* of its stars */
        ((double *)particle[0])[3] = depth ? 6.0 : 3.0;
        scene_light(&scene, OBSERVE_FAST, value, particle);
        tables[4 + depth] = take(cache, 0, 1.0, &scene, &asked);
    }
    ((double *)particle[0])[3] = 5.9;
    scene_light(&scene, OBSERVE_FAST, value, particle);
    assert_ptr_equal(take(cache, 0, 1.0, &scene, &asked), tables[5]);
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(tables[i], tables[j]);
    observe_cache_close(cache); /* whatever is taken */
    free((double *)particle[0]);
    scene_close(&scene);
}

static void no_more_is_kept_than_asked(void **state)
{
    const double value[3] = { 0.7, 0.3, 0.25 }, *none[3] = { NULL };
    struct scene scene = wide_scene(20);
    const struct observe_tables *taken;
    struct observe_cache *cache = NULL;
    struct asked asked;
    uint64_t one;

    (void)state;
    asked_make(&asked);
    scene_light(&scene, OBSERVE_FAST, value, none);
    assert_int_equal(observe_cache_open(0, &cache, NULL), 0);
    taken = take(cache, 0, 1.0, &scene, &asked);
    one = observe_cache_bytes(cache);
    assert_true(one > 1000);
    for (int z = 2; z < 5; z++)
        observe_cache_return(cache, take(cache, 0, z, &scene, &asked));
    assert_int_equal(observe_cache_bytes(cache), 2 * one); /* what is taken, and the last one */
    assert_ptr_equal(take(cache, 0, 1.0, &scene, &asked), taken);
    observe_cache_return(cache, taken);
    observe_cache_trim(cache);
    assert_int_equal(observe_cache_bytes(cache), one); /* taken twice, returned once */
    observe_cache_return(cache, taken);
    observe_cache_trim(cache);
    assert_int_equal(observe_cache_bytes(cache), 0);
    observe_cache_close(cache);
    assert_int_equal(observe_cache_open(3 * one, &cache, NULL), 0);
    for (int z = 1; z < 9; z++)
        observe_cache_return(cache, take(cache, 0, z, &scene, &asked));
    assert_true(observe_cache_bytes(cache) <= 4 * one);
    assert_true(observe_cache_bytes(cache) > 2 * one);
    observe_cache_close(cache);
    observe_cache_close(NULL);
    scene_close(&scene);
}

/* Many threads, few tables, hardly any room. */
static void any_thread_may_take_tables(void **state)
{
    enum { N_GALAXY = 40 };
    const double value[3] = { 0.7, 0.3, 0.25 };
    static struct scene scene[N_GALAXY];
    const double *expected[N_GALAXY], *particle[3];
    bool is_right[N_GALAXY];
    struct observe_cache *cache = NULL;
    struct asked asked;

    (void)state;
    asked_make(&asked);
    assert_int_equal(observe_cache_open(100000, &cache, NULL), 0);
    for (size_t g = 0; g < N_GALAXY; g++) {
        scene[g] = wide_scene(3 + g);
        vary(&scene[g], 1, particle);
        scene_light(&scene[g], OBSERVE_FAST, value, particle);
        expected[g] = made_values(&scene[g], made_tables(&scene[g], &asked, &scene[g].arena));
    }
#pragma omp parallel for schedule(dynamic) num_threads(8)
    for (size_t g = 0; g < N_GALAXY; g++) {
        const struct observe_tables *tables = take(cache, g % 3, (double)(g % 2), &scene[g], &asked);
        const double *got = made_values(&scene[g], tables);

        observe_cache_return(cache, tables);
        is_right[g] = !memcmp(got, expected[g], (3 + g) * 2 * N_VALUE * sizeof(double));
    }
    for (size_t g = 0; g < N_GALAXY; g++) {
        assert_true(is_right[g]);
        scene_close(&scene[g]);
    }
    observe_cache_close(cache);
}

static void tables_take_no_more_memory_than_predicted(void **state)
{
    static const double tau_max[] = { 0, 0.1, 3, 100, 1e6 };
    const double value[3] = { 0.7, 0.3, 0.25 };
    struct asked asked;

    (void)state;
    asked_make(&asked);
    for (unsigned varies = 0; varies < 8; varies++)
        for (size_t t = 0; t < 5; t++) {
            struct scene scene = wide_scene(10);
            struct arena arena = { 0 };
            const double *particle[3];
            uint64_t predicted;

            vary(&scene, varies, particle);
            for (size_t i = 0; particle[0] && i < 10; i++)
                ((double *)particle[0])[i] *= tau_max[t] / 20.0;
            scene_light(&scene, OBSERVE_FAST, value, particle);
            made_tables(&scene, &asked, &arena);
            predicted = observe_tables_bytes(&scene.program, &scene.columns[SPECTRA], 12, 2, asked.request);
            if (arena.peak_bytes > predicted)
                fail_msg("mixture %u, depth %g: %zu bytes, predicted %llu", varies, tau_max[t],
                         arena.peak_bytes, (unsigned long long)predicted);
            arena_free(&arena);
            scene_close(&scene);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_curves_and_depths_are_within_the_tolerance),
        cmocka_unit_test(galaxies_are_the_sum_of_their_spectra),
        cmocka_unit_test(totals_have_the_same_bits_for_any_tiles),
        cmocka_unit_test(kept_tables_have_the_bits_of_fresh_ones),
        cmocka_unit_test(tables_are_kept_for_what_they_depend_on),
        cmocka_unit_test(no_more_is_kept_than_asked),
        cmocka_unit_test(any_thread_may_take_tables),
        cmocka_unit_test(tables_take_no_more_memory_than_predicted),
    };

    return cmocka_run_group_tests_name("photometry", tests, NULL, NULL);
}
