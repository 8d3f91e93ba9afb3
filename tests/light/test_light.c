/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/light.h"
#include "polyphony/observer.h"

#include <omp.h>

#include "made_galaxy.h"
#include "pacman_vectors.h"

/* Sums of a few hundred products, in another order than the reference: a few 1e-15 of the largest; with
 * screens of their own, the interpolation's tolerance is 1e-10 (made_galaxy.h). */
#define SUM_TOLERANCE 1e-13

/* Every label of every table against the plain loop over stars. */
static void expect_plain_sums(struct scene *scene)
{
    double tolerance = SUM_TOLERANCE + (scene->method == OBSERVE_DIRECT ? 0.0 : scene->light.tolerance);

    for (size_t t = 0; t < 3; t++) {
        size_t n = scene->columns[t].n;
        const double *got = sum_all(scene, (enum table)t);
        double *star = arena_array(&scene->arena, n, sizeof(double));

        for (size_t l = 0; l < scene->program.n_label; l++) {
            double *expected = arena_zeros(&scene->arena, n, sizeof(double));

            for (size_t i = 0; i < scene->galaxy.particles[STARS].n; i++) {
                plain_star(&scene->galaxy, i, &scene->program, &scene->columns[t], scene->parameter,
                           scene->program.label[l].name, star);
                for (size_t j = 0; j < n; j++)
                    expected[j] += star[j];
            }
            assert_all_near(scene->program.label[l].name, n, got + l * n, expected, tolerance);
        }
    }
}

/* ---- sums over stars ------------------------------------------------------------------------- */

static void sums_are_those_of_the_reference(void **state)
{
    const double quarter[] = { 0.25, 0.25, 0.25, 0.25, 0.25, 0.25 };
    const double value[] = { 0, 0, pacman_fesc_ly_alpha };

    (void)state;
    for (int method = OBSERVE_FAST; method <= OBSERVE_DIRECT; method++)
        for (int as_array = 0; as_array < 2; as_array++) {
            const double *particle[] = { pacman_tau_v, pacman_fesc, as_array ? quarter : NULL };
            struct scene scene = mini_scene();
            const double *sum[3];

            scene_light(&scene, (enum observe_method)method, value, particle);
            for (size_t t = 0; t < 3; t++)
                sum[t] = sum_all(&scene, (enum table)t);
            assert_int_equal(scene.program.n_label, N_PACMAN_LABEL);
            for (size_t l = 0; l < N_PACMAN_LABEL; l++) {
                const struct pacman_vector *vector = &pacman_vectors[l];

                assert_string_equal(scene.program.label[l].name, vector->label);
                assert_all_near(vector->label, 12, sum[SPECTRA] + 12 * l, vector->lnu, SUM_TOLERANCE);
                assert_all_near(vector->label, 3, sum[LINE_LUMINOSITY] + 3 * l, vector->line_luminosity,
                                SUM_TOLERANCE);
                assert_all_near(vector->label, 3, sum[LINE_CONTINUUM] + 3 * l, vector->line_continuum,
                                SUM_TOLERANCE);
            }
            scene_close(&scene);
        }
}

static void any_mix_of_numbers_and_arrays_is_the_plain_loop(void **state)
{
    const double value[] = { 0.7, 0.3, 0.25 };

    (void)state;
    for (int method = OBSERVE_FAST; method <= OBSERVE_DIRECT; method++)
        for (unsigned varies = 0; varies < 8; varies++) {
            struct scene scene = wide_scene(60);
            const double *particle[3];
            uint64_t seed = varies + 1;

            for (size_t p = 0; p < 3; p++)
                particle[p] =
                    varies >> p & 1 ? made_uniform(60, &seed, 0, p == 0 ? 5 : 1, &scene.arena) : NULL;
            scene_light(&scene, (enum observe_method)method, value, particle);
            expect_plain_sums(&scene);
            scene_close(&scene);
        }
}

static void equal_arrays_give_what_the_numbers_give(void **state)
{
    const double value[] = { 0.7, 0.3, 0.25 }, nothing[3] = { 0 };

    (void)state;
    for (int method = OBSERVE_FAST; method <= OBSERVE_DIRECT; method++) {
        struct scene numbers = mini_scene(), arrays = mini_scene();
        double array[3][6];
        const double *const particle[] = { array[0], array[1], array[2] }, *const none[3] = { 0 };

        for (size_t p = 0; p < 3; p++)
            for (size_t i = 0; i < 6; i++)
                array[p][i] = value[p];
        scene_light(&numbers, (enum observe_method)method, value, none);
        scene_light(&arrays, (enum observe_method)method, nothing, particle);
        expect_plain_sums(&numbers);
        for (size_t t = 0; t < 3; t++) {
            const double *one = sum_all(&numbers, (enum table)t), *other = sum_all(&arrays, (enum table)t);

            for (size_t l = 0; l < numbers.program.n_label; l++)
                assert_all_near(numbers.program.label[l].name, numbers.columns[t].n,
                                other + l * numbers.columns[t].n, one + l * numbers.columns[t].n,
                                SUM_TOLERANCE);
        }
        scene_close(&numbers);
        scene_close(&arrays);
    }
}

static void unwanted_labels_are_left_alone_and_change_nothing(void **state)
{
    struct scene scene = mini_scene();
    const double value[] = { 0, 0, 0.25 }, *particle[] = { pacman_tau_v, pacman_fesc, NULL };
    double *label[EMISSION_LABEL_MAX] = { 0 }, alone[12];
    const double *all;
    size_t emergent;

    (void)state;
    scene_light(&scene, OBSERVE_FAST, value, particle);
    emergent = label_index(&scene, "emergent");
    all = sum_all(&scene, SPECTRA);
    label[emergent] = alone;
    assert_int_equal(sums_all(&scene.light, &scene.columns[SPECTRA], label, &scene.arena, NULL), 0);
    assert_same_bits("emergent", 12, alone, all + 12 * emergent);
    scene_close(&scene);
}

static void a_galaxy_without_stars_is_dark(void **state)
{
    const double value[3] = { 0.5, 0.1, 1.0 }, nothing[1] = { 0 };

    (void)state;
    for (int method = OBSERVE_FAST; method <= OBSERVE_DIRECT; method++)
        for (int varies = 0; varies < 2; varies++) {
            struct scene scene = wide_scene(0);
            const double *array = varies ? nothing : NULL, *particle[3] = { array, array, array };

            scene_light(&scene, (enum observe_method)method, value, particle);
            for (size_t t = 0; t < 3; t++)
                assert_true(largest_of(scene.columns[t].n * N_PACMAN_LABEL, sum_all(&scene, (enum table)t)) ==
                            0.0);
            scene_close(&scene);
        }
}

static void parameters_out_of_bounds_set_the_galaxy_aside(void **state)
{
    static const struct {
        size_t parameter;
        double value;
        const char *bound;
    } cases[] = {
        { FESC, 1.2, "within 0 to 1" },          { FESC, -0.1, "within 0 to 1" },
        { FESC_LY_ALPHA, 1.5, "within 0 to 1" }, { TAU_V, -0.5, ">= 0" },
        { TAU_V, (double)NAN, ">= 0" },          { TAU_V, (double)INFINITY, ">= 0" },
        { FESC, (double)NAN, "within 0 to 1" },
    };
    struct scene scene = mini_scene();
    const double value[3] = { 0.5, 0.5, 0.5 }, *none[3] = { 0 };

    (void)state;
    scene_light(&scene, OBSERVE_FAST, value, none);
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++)
        for (int as_array = 0; as_array < 2; as_array++) {
            struct observe_parameter parameter[PARAMETER_MAX] = { { .value = 0.5 },
                                                                  { .value = 0.5 },
                                                                  { .value = 0.5 } };
            const double array[] = { 0.5, 0.5, 0.5, cases[c].value, 0.5, 0.5 };
            struct stellar_light light = { .program = &scene.program, .grid = scene.grid };
            struct error err = { "" };
            char number[32];

            parameter[cases[c].parameter] =
                (struct observe_parameter) { cases[c].value, as_array ? array : NULL, NULL };
            assert_int_equal(light_all(&light, &scene.galaxy, parameter, &scene.arena, &err),
                             POLYPHONY_SET_ASIDE);
            text_format(number, sizeof(number), "is %g,", cases[c].value);
            assert_text_has(err.text, "galaxy 42:");
            assert_text_has(err.text, parameter_rows[cases[c].parameter]->name);
            assert_text_has(err.text, as_array ? "of particle 3" : "in row 4");
            assert_text_has(err.text, number);
            assert_text_has(err.text, cases[c].bound);
        }
    scene_close(&scene);
}

/* ---- the observer's frame -------------------------------------------------------------------- */

static struct observer_frame frame_at(struct scene *scene, double redshift, const char *igm)
{
    const struct grid *grid = scene->grid;
    const struct observer_wavelengths wavelengths = { grid->n_lambda, grid->n_line,
                                                      grid->lambda_rest_angstrom,
                                                      grid->line_lambda_rest_angstrom };
    struct observer_frame frame = { 0 };
    const struct igm_row *row;
    struct error err = { "" };

    if (igm_find(igm, &row, &err) ||
        observer_frame_make(&COSMOLOGY_PLANCK18, row, &wavelengths, redshift, &frame, &scene->arena, &err))
        fail_msg("%s", err.text);
    return frame;
}

static void flux_densities_are_those_of_the_reference(void **state)
{
    static const struct {
        double redshift;
        const char *igm;
        const double *fnu_njy;
    } cases[] = { { 1.0, "none", pacman_fnu_z1 },
                  { 7.0, "inoue14", pacman_fnu_z7 },
                  { 0.0, "inoue14", pacman_fnu_10pc } };
    struct scene scene = mini_scene();

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        struct observer_frame frame = frame_at(&scene, cases[c].redshift, cases[c].igm);
        double fnu[12];

        observer_fnu(&frame, 12, pacman_vectors[0].lnu, fnu);
        for (size_t j = 0; j < 12; j++) /* distances are good to 1e-12, optical depths of 25 to the same */
            assert_near(fnu[j], cases[c].fnu_njy[j], 1e-11 * cases[c].fnu_njy[j]);
    }
    scene_close(&scene);
}

static void line_fluxes_are_those_of_the_reference(void **state)
{
    struct scene scene = mini_scene();
    struct observer_frame frame = frame_at(&scene, 1.0, "none");
    double flux[3];

    (void)state;
    observer_line_flux(&frame, 3, pacman_vectors[0].line_luminosity, flux);
    assert_all_near("flux", 3, flux, pacman_line_flux_z1, 1e-12);
    assert_all_near("wavelength", 3, frame.line_lambda_angstrom, pacman_line_lambda_z1, 1e-15);
    frame.line_transmission[0] = 0.5;
    observer_line_flux(&frame, 3, pacman_vectors[0].line_luminosity, flux);
    assert_near(flux[0], 0.5 * pacman_line_flux_z1[0], 1e-12 * pacman_line_flux_z1[0]);
    scene.grid->line_lambda_rest_angstrom[1] = 1000; /* no light of this wavelength comes from redshift 7 */
    frame = frame_at(&scene, 7.0, "inoue14");
    assert_true(frame.line_transmission[1] < 0.01);
    assert_true(frame.line_transmission[2] == 1.0);
    scene_close(&scene);
}

/* ---- histories, and bits --------------------------------------------------------------------- */

static void histories_are_those_of_the_reference(void **state)
{
    static const double sfh_cic[] = { 452287.8745280338, 247712.12547196628, 90569.70576360471,
                                      1309430.2942363955 };
    static const double sfh_ngp[] = { 5e5, 2e5, 0, 1.4e6 },
                        sfzh_ngp[] = { 4e5, 1e5, 0, 0, 2e5, 0, 0, 0, 0, 6e5, 0, 8e5 };
    static const double sfzh_cic[] = { 426143.93726401695, 26143.937264016873, 0.0,
                                       23856.062735983134, 223856.06273598317, 0.0,
                                       260.70704560428766, 16142.455534556326, 74166.5431834441,
                                       599739.249673547,   37481.664244532876, 672209.3803183157 };
    struct scene scene = mini_scene();

    (void)state;
    for (int scheme = WEIGHTS_CIC; scheme <= WEIGHTS_NGP; scheme++) {
        double sfh[4] = { 0 }, sfzh[12] = { 0 };

        observe_sfh(scene.grid, (enum weights_scheme)scheme, &six_stars.particles[STARS], sfh);
        observe_sfzh(scene.grid, (enum weights_scheme)scheme, &six_stars.particles[STARS], sfzh);
        assert_all_near("sfh", 4, sfh, scheme == WEIGHTS_CIC ? sfh_cic : sfh_ngp, SUM_TOLERANCE);
        assert_all_near("sfzh", 12, sfzh, scheme == WEIGHTS_CIC ? sfzh_cic : sfzh_ngp, SUM_TOLERANCE);
    }
    scene_close(&scene);
}

static void sums_have_the_same_bits_for_any_threads(void **state)
{
    static const int n_thread[] = { 2, 8 };
    struct scene scene = wide_scene(300);
    uint64_t seed = 9;
    const double value[3] = { 0 };
    const double *particle[3] = { made_uniform(300, &seed, 0, 20, &scene.arena),
                                  made_uniform(300, &seed, 0, 1, &scene.arena),
                                  made_uniform(300, &seed, 0, 1, &scene.arena) };

    (void)state;
    for (int method = OBSERVE_FAST; method <= OBSERVE_DIRECT; method++) {
        const double *one;

        omp_set_num_threads(1);
        scene_light(&scene, (enum observe_method)method, value, particle);
        one = sum_all(&scene, SPECTRA);
        for (size_t i = 0; i < 2; i++) {
            omp_set_num_threads(n_thread[i]);
            assert_same_bits("spectra", N_PACMAN_LABEL * N_WIDE, sum_all(&scene, SPECTRA), one);
        }
    }
    scene_close(&scene);
}

static void the_direct_method_takes_no_more_memory_than_predicted(void **state)
{
    static const size_t n_star[] = { 0, 1, 300 };
    const double value[3] = { 0.7, 0.3, 0.25 };

    (void)state;
    for (size_t s = 0; s < 3; s++)
        for (int n_thread = 1; n_thread <= 8; n_thread *= 8) {
            struct scene scene = wide_scene(n_star[s]);
            uint64_t seed = 1, predicted;
            const double *particle[3] = { made_uniform(n_star[s], &seed, 0, 5, &scene.arena) };
            double *label[EMISSION_LABEL_MAX] = { 0 };
            struct arena arena = { 0 };

            scene_light(&scene, OBSERVE_DIRECT, value, particle);
            for (size_t l = 0; l < scene.program.n_label; l++)
                label[l] = arena_zeros(&scene.arena, N_WIDE, sizeof(double));
            omp_set_num_threads(n_thread);
            assert_int_equal(
                observe_direct(&scene.light, &scene.columns[SPECTRA], label, 0, NULL, &arena, NULL), 0);
            predicted = observe_direct_bytes(&scene.program, N_WIDE, n_star[s], n_thread);
            if (arena.peak_bytes > predicted)
                fail_msg("%zu stars, %d threads: %zu bytes, predicted %llu", n_star[s], n_thread,
                         arena.peak_bytes, (unsigned long long)predicted);
            arena_free(&arena);
            scene_close(&scene);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_reference),
        cmocka_unit_test(any_mix_of_numbers_and_arrays_is_the_plain_loop),
        cmocka_unit_test(equal_arrays_give_what_the_numbers_give),
        cmocka_unit_test(unwanted_labels_are_left_alone_and_change_nothing),
        cmocka_unit_test(a_galaxy_without_stars_is_dark),
        cmocka_unit_test(parameters_out_of_bounds_set_the_galaxy_aside),
        cmocka_unit_test(flux_densities_are_those_of_the_reference),
        cmocka_unit_test(line_fluxes_are_those_of_the_reference),
        cmocka_unit_test(histories_are_those_of_the_reference),
        cmocka_unit_test(sums_have_the_same_bits_for_any_threads),
        cmocka_unit_test(the_direct_method_takes_no_more_memory_than_predicted),
    };

    return cmocka_run_group_tests_name("observe", tests, NULL, NULL);
}
