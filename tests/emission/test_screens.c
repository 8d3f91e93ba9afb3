/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sums behind screens, for every dust curve there is: the fast method against the definition.
 */
#include "polyphony/dust_curve.h"
#include "polyphony/mix.h"

#include <stdlib.h>

#include "../../src/kernels/mix_ref.h"
#include "../support.h"

enum { N_PARTICLE = 600, N_CELL = 24, N_COLUMN = 2400 };

/*
 * Rounding, relative to each column: within a segment transmissions vary by up to exp(11) = 6e4, and what is
 * opaque is interpolated from nodes where it is that much clearer: a few epsilon times 6e4.
 */
#define ROUNDING 5e-11

struct scene {
    double mass[N_PARTICLE], tau[N_PARTICLE];
    uint32_t cell[N_PARTICLE][4];
    double share[N_PARTICLE][4];
    uint32_t all[N_CELL];
    double lambda_angstrom[N_COLUMN], k[N_COLUMN], value[N_CELL][N_COLUMN];
    double fast[N_COLUMN], direct[N_COLUMN];
};

/* Black bodies of 3000 to 50,000 K; F_nu, arbitrary units. */
static double spectrum(size_t i_cell, double lambda_angstrom)
{
    double temperature_k = 3000.0 * pow(50.0 / 3.0, (double)i_cell / (N_CELL - 1));
    double x = 1.4387769e8 / (lambda_angstrom * temperature_k); /* h c / k in angstrom K */

    return pow(1e4 / lambda_angstrom, 3.0) / expm1(fmin(x, 600.0));
}

static void fill(struct scene *scene)
{
    uint64_t seed = 5;

    for (size_t j = 0; j < N_COLUMN; j++)
        scene->lambda_angstrom[j] = 100.0 * pow(1e5, (double)j / (N_COLUMN - 1));
    for (size_t c = 0; c < N_CELL; c++) {
        scene->all[c] = (uint32_t)c;
        for (size_t j = 0; j < N_COLUMN; j++)
            scene->value[c][j] = spectrum(c, scene->lambda_angstrom[j]);
    }
    for (size_t i = 0; i < N_PARTICLE; i++) {
        double fraction = uniform(&seed, 0.0, 1.0);

        scene->mass[i] = uniform(&seed, 1e4, 1e6);
        scene->cell[i][0] = scene->cell[i][2] = scene->cell[i][3] =
            (uint32_t)uniform(&seed, 0.0, N_CELL - 1.0);
        scene->cell[i][1] = scene->cell[i][0] + 1;
        scene->share[i][0] = fraction;
        scene->share[i][1] = 1.0 - fraction;
    }
}

/* Errors over the largest value of the sum, and, the worst of them, over the column's own. */
static void compare(struct scene *scene, double tau_max, double *ret_of_scale, double *ret_of_own)
{
    const double *value[] = { scene->value[0] };
    double *fast[] = { scene->fast }, *direct[] = { scene->direct };
    struct weights weights = { N_PARTICLE, 4, scene->cell[0], scene->share[0] };
    struct mix_screened in = { .n_particle = N_PARTICLE,
                               .mass = scene->mass,
                               .tau = scene->tau,
                               .range = MIX_RANGE_NONE,
                               .weights = &weights,
                               .cells = { N_CELL, scene->all, NULL },
                               .slot = scene->all,
                               .n_column = N_COLUMN,
                               .k = scene->k,
                               .n_table = 1,
                               .value = value,
                               .tolerance = MIX_TOLERANCE_DEFAULT };
    struct arena arena = { 0 };
    struct mix_nodal nodal;
    uint64_t seed = 9;
    double scale;

    for (size_t i = 0; i < N_PARTICLE; i++)
        scene->tau[i] = uniform(&seed, 0.0, tau_max);
    mix_range_add(&in.range, N_PARTICLE, scene->mass, scene->tau);
    memset(scene->direct, 0, sizeof(scene->direct));
    mix_screened_direct(&in, direct);
    assert_int_equal(mix_nodal_open(&in, 0, &nodal, &arena, NULL), 0);
    assert_false(nodal.is_direct); /* it is the nodes that are compared */
    assert_int_equal(mix_screened_segments(&in, fast, &arena, NULL), 0);
    scale = largest_of(N_COLUMN, scene->direct);
    *ret_of_scale = *ret_of_own = 0.0;
    for (size_t j = 0; j < N_COLUMN; j++) {
        double error = fabs(scene->fast[j] - scene->direct[j]);

        *ret_of_scale = fmax(*ret_of_scale, error / scale);
        if (scene->direct[j] > 0.0)
            *ret_of_own = fmax(*ret_of_own, error / scene->direct[j]);
    }
    arena_free(&arena);
}

static void all_curves_are_within_the_tolerance(void **state)
{
    static const double tau_max[] = { 0.1, 1.0, 10.0, 100.0 };
    struct scene *scene = calloc(1, sizeof(*scene));

    (void)state;
    assert_non_null(scene);
    fill(scene);
    print_message("error of the largest value / of the column's own, tau_v up to 0.1, 1, 10, 100\n");
    for (const struct dust_curve_row *const *row = dust_curve_rows; *row; row++)
        for (int has_bump = 0; has_bump < 2; has_bump++) {
            struct dust_curve curve;

            assert_int_equal(dust_curve_find((*row)->name, &curve, NULL), 0);
            if (has_bump && dust_curve_set(&curve, "bump_amplitude", 3.0, NULL))
                continue;
            dust_curve_k(&curve, N_COLUMN, scene->lambda_angstrom, scene->k);
            print_message("%-14s%s", (*row)->name, has_bump ? " bump" : "     ");
            for (size_t i = 0; i < sizeof(tau_max) / sizeof(*tau_max); i++) {
                double of_scale, of_own;

                compare(scene, tau_max[i], &of_scale, &of_own);
                print_message("  %.0e/%.0e", of_scale, of_own);
                assert_true(of_scale <= MIX_TOLERANCE_DEFAULT);
                assert_true(of_own <= MIX_TOLERANCE_DEFAULT + ROUNDING);
            }
            print_message("\n");
        }
    free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_curves_are_within_the_tolerance),
    };

    return cmocka_run_group_tests_name("screens", tests, NULL, NULL);
}
