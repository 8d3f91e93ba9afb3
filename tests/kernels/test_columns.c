/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/columns.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <float.h>
#include <omp.h>

#include "polyphony/isa.h"

#include "../../src/kernels/columns_ref.h"

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

struct cloud {
    size_t n;
    double *x, *y, *z, *h, *mass;
};

static struct cloud cloud_open(size_t n)
{
    struct cloud cloud = { n,
                           mem_array(n, sizeof(double)),
                           mem_array(n, sizeof(double)),
                           mem_array(n, sizeof(double)),
                           mem_array(n, sizeof(double)),
                           mem_array(n, sizeof(double)) };

    assert_true(cloud.x);
    assert_true(cloud.y);
    assert_true(cloud.z);
    assert_true(cloud.h);
    assert_true(cloud.mass);
    return cloud;
}

static void cloud_free(struct cloud *cloud)
{
    free(cloud->x);
    free(cloud->y);
    free(cloud->z);
    free(cloud->h);
    free(cloud->mass);
}

static struct column_gas gas_of(const struct cloud *cloud)
{
    return (struct column_gas) { cloud->n, cloud->x, cloud->y, cloud->z, cloud->h, cloud->mass };
}

/* Sort the gas and look through it. Nothing is taken beyond what was announced. */
static int search(enum sph_kernel kernel, const struct column_gas *gas, size_t n, const double *x,
                  const double *y, const double *z, double *ret, struct arena *arena, struct error *err)
{
    struct arena_mark mark = arena_mark(arena);
    struct columns_index *index = NULL;
    int r = columns_index_make(kernel, gas, arena, &index, err);

    if (!r) {
        struct arena_mark searching = arena_mark(arena);

        /* Up to a cache line each for the pieces of an index. */
        assert_true(arena->used_bytes - mark.used_bytes <= columns_index_bytes(gas->n) + 8 * 64);
        r = columns_search(index, n, x, y, z, arena, ret, NULL, err);
        assert_int_equal(arena->used_bytes, searching.used_bytes);
    }
    arena_release(arena, mark);
    return r;
}

/* Clumps of all sizes from 1e-3 to 1 `scale`, about a centre; h log-uniform over `h_decades` below scale/3. */
static void cloud_fill(struct cloud *cloud, uint64_t seed, double centre, double scale, double h_decades)
{
    double x = 0.0, y = 0.0, z = 0.0, size = 0.0;

    for (size_t i = 0; i < cloud->n; i++) {
        if (i % 20 == 0) {
            x = centre + uniform(&seed, -scale, scale);
            y = centre + uniform(&seed, -scale, scale);
            z = centre + uniform(&seed, -scale, scale);
            size = scale * pow(10.0, uniform(&seed, -3.0, 0.0));
        }
        cloud->x[i] = x + uniform(&seed, -size, size);
        cloud->y[i] = y + uniform(&seed, -size, size);
        cloud->z[i] = z + uniform(&seed, -size, size);
        cloud->h[i] = scale / 3.0 * pow(10.0, uniform(&seed, -h_decades, 0.0));
        cloud->mass[i] = uniform(&seed, 1.0, 10.0) * cloud->h[i] * cloud->h[i];
    }
}

/*
 * What a column may be off by. Both methods sum the same terms in another order, from logarithms and roots
 * rounded elsewhere: 1e-12 of the column is many roundings. Each term is a difference of numbers as large as
 * the kernel's central column times some 10 to 500, the coefficients of its polynomials: against long double
 * the definition is off by up to 4e-14 of central columns and the search by 2e-14, both for the quintic. And
 * b itself is known to a few roundings only, which matters where the kernel has an edge.
 */
static double tolerance_at(enum sph_kernel kernel, const struct column_gas *gas, double x, double y, double z,
                           double column)
{
    double sum = 1e-12 * column;

    for (size_t i = 0; i < gas->n; i++) {
        double h = gas->h_kpc[i], b = hypot(x - gas->x_kpc[i], y - gas->y_kpc[i]) / h;
        double surface = gas->dust_mass_msun[i] / (h * h);

        if (h * h >= DBL_MIN && b < 1.0 + 1e-12 && z > gas->z_kpc[i] - h)
            sum += surface * (1e-13 * sph_kernel_column_whole(kernel, 0.0) +
                              sph_kernel_column_whole(kernel, b * (1.0 - 4.0 * DBL_EPSILON)) -
                              sph_kernel_column_whole(kernel, fmin(b * (1.0 + 4.0 * DBL_EPSILON), 1.0)));
    }
    return sum;
}

/* Columns of both methods agree at targets spread like the gas, and at the gas itself, on its rim and far
 * away. */
static void assert_search_agrees(enum sph_kernel kernel, const struct cloud *cloud, uint64_t seed,
                                 double centre, double scale, double h_decades)
{
    struct column_gas gas = gas_of(cloud);
    struct cloud targets = cloud_open(1500);
    double *expected = mem_array(targets.n, sizeof(double)), *got = mem_array(targets.n, sizeof(double));
    struct arena arena = { 0 };
    struct error err = { 0 };
    size_t n_covered = 0;

    cloud_fill(&targets, seed, centre, scale, h_decades);
    for (size_t i = 0; i < 300; i++) {
        size_t j = i * 7 % cloud->n;

        targets.x[i] = cloud->x[j] + (double)(i % 3) * cloud->h[j] * 0.5;
        targets.y[i] = cloud->y[j];
        targets.z[i] = cloud->z[j] + (double)(i % 4) * cloud->h[j] * 0.5;
    }
    targets.x[300] = 1e9;
    targets.y[301] = -1e9;
    targets.z[302] = 1e9;
    columns_ref(kernel, &gas, targets.n, targets.x, targets.y, targets.z, expected);
    assert_int_equal(search(kernel, &gas, targets.n, targets.x, targets.y, targets.z, got, &arena, &err), 0);
    for (size_t i = 0; i < targets.n; i++) {
        assert_near(got[i], expected[i],
                    tolerance_at(kernel, &gas, targets.x[i], targets.y[i], targets.z[i], expected[i]));
        n_covered += expected[i] > 0.0;
    }
    assert_true(n_covered > 200);
    assert_true(got[300] == 0.0);
    assert_true(got[301] == 0.0);
    assert_int_equal(arena.used_bytes, 0);
    arena_free(&arena);
    free(expected);
    free(got);
    cloud_free(&targets);
}

static void columns_are_those_of_the_peer(void **state)
{
    /* test_vectors.json, los.loop: threshold 1 */
    static const double x[] = { 0.0, 0.3, 0.5, -0.4, 0.05 }, y[] = { 0.0, 0.1, 0.5, 0.2, -0.05 };
    static const double z[] = { 0.0, -1.0, 0.5, 2.0, 0.4 }, h[] = { 1.0, 0.8, 0.5, 2.0, 0.3 };
    static const double target_x[] = { 0.1, 0.1, 0.0, 0.6, 5.0, 0.1, -0.4, -0.4 };
    static const double target_y[] = { 0.0, 0.0, 0.0, 0.4, 5.0, 0.0, 0.2, 0.2 };
    static const double target_z[] = { 3.0, 0.2, -0.5, 0.7, 5.0, -3.0, 4.0, 3.9999 };
    static const double expected[] = {
        91.90740576985688,  6.023224823931245, 2.4955904098268435, 15.51884035324546, 0.0, 0.0,
        2.8114446479765443, 2.8114446477349695
    };
    double mass[5], got[8];
    struct column_gas gas = { 5, x, y, z, h, mass };

    (void)state;
    for (size_t i = 0; i < 5; i++)
        mass[i] = (double)(i + 1);
    columns_ref(SPH_ANARCHY, &gas, 8, target_x, target_y, target_z, got);
    /* Synthesizer's table of cut kernels is off by up to 1.6e-6 of a kernel's central column
     * (golden/README.md), which is up to 124 here: 2e-4. That of whole ones, linear in steps of 1e-4, is off
     * by up to 2e-8. */
    for (size_t i = 0; i < 8; i++)
        assert_near(got[i], expected[i], fmin(1e-5 * expected[i], 2e-4));
    assert_near(got[0], expected[0], 2e-8 * expected[0]);
    assert_near(got[6], expected[6], 2e-8 * expected[6]);
}

static void optical_depths_are_those_of_the_peer(void **state)
{
    /* test_vectors.json, los.galaxy_tau_v */
    static const double x[] = { 0.0, 0.1 }, y[] = { 0.0, 0.1 }, z[] = { 0.0, -0.5 }, h[] = { 0.5, 0.6 };
    static const double mass[] = { 30000.0, 120000.0 };
    static const double target_x[] = { 0.0, 0.2, 0.0 }, target_y[] = { 0.0, 0.0, 0.1 },
                        target_z[] = { 1.0, 0.0, -1.0 };
    static const double expected[] = { 0.061528213984724536, 0.0438968064449176, 6.203023224837523e-06 };
    const double kappa_kpc2_msun = 0.0795e-6;
    struct column_gas gas = { 2, x, y, z, h, mass };
    double got[3];

    (void)state;
    columns_ref(SPH_ANARCHY, &gas, 3, target_x, target_y, target_z, got);
    for (size_t i = 0; i < 3; i++)
        assert_near(kappa_kpc2_msun * got[i], expected[i], 5e-6 * expected[0]); /* as above, of scale */
}

static void one_particle_is_seen_whole_half_or_not_at_all(void **state)
{
    static const double zero = 0.0, h = 2.0, mass = 12.0;
    static const double target_x[] = { 0.5, 0.5, 0.5, 2.0, 0.5 }, target_y[] = { 0.0, 0.0, 0.0, 0.0, 0.0 };
    static const double target_z[] = { 5.0, 0.0, -2.0, 5.0, 2.0 };
    struct column_gas gas = { 1, &zero, &zero, &zero, &h, &mass };
    double whole = mass / (h * h) * sph_kernel_column_whole(SPH_CUBIC, 0.25), got[5];

    (void)state;
    columns_ref(SPH_CUBIC, &gas, 5, target_x, target_y, target_z, got);
    assert_true(got[0] == whole);
    assert_near(got[1], 0.5 * whole, 1e-15 * whole); /* one rounding */
    assert_true(got[2] == 0.0);
    assert_true(got[3] == 0.0);
    assert_true(got[4] == whole);
}

static void searched_columns_are_those_of_the_double_loop(void **state)
{
    static const enum sph_kernel kernels[] = { SPH_UNIFORM, SPH_ANARCHY, SPH_GADGET_2,
                                               SPH_CUBIC,   SPH_QUARTIC, SPH_QUINTIC };
    struct cloud cloud = cloud_open(3000);

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        cloud_fill(&cloud, 10 + i, 3.0, 10.0, 2.0);
        assert_search_agrees(kernels[i], &cloud, 20 + i, 3.0, 10.0, 2.0);
    }
    cloud_free(&cloud);
}

static void searching_survives_extreme_sizes_and_distances(void **state)
{
    struct cloud cloud = cloud_open(3000);

    (void)state;
    cloud_fill(&cloud, 1, 1e6, 5.0, 6.0); /* far from the origin, h over six decades */
    assert_search_agrees(SPH_ANARCHY, &cloud, 2, 1e6, 5.0, 6.0);
    cloud_fill(&cloud, 3, 0.0, 1e6, 6.0); /* as wide as can be */
    assert_search_agrees(SPH_ANARCHY, &cloud, 4, 0.0, 1e6, 6.0);
    cloud_fill(&cloud, 5, 0.0, 1.0, 1.0);
    for (size_t i = 0; i < cloud.n; i += 10) {
        cloud.h[i] = i % 20 ? 1e-300 : 1e-12; /* cells of this size would not fit into an integer */
        cloud.mass[i] = 0.0;
    }
    cloud.h[0] = cloud.h[1] = 0.0;
    cloud.x[2] = 1e6;
    assert_search_agrees(SPH_ANARCHY, &cloud, 6, 0.0, 1.0, 1.0);
    for (size_t i = 0; i < cloud.n; i++) /* on one line, cell boundaries and tangents included */
        cloud.x[i] = (double)(i % 30), cloud.y[i] = 0.0, cloud.h[i] = 1.0;
    assert_search_agrees(SPH_UNIFORM, &cloud, 7, 15.0, 15.0, 1.0);
    cloud_free(&cloud);
}

static void bits_do_not_depend_on_threads_or_on_other_targets(void **state)
{
    struct cloud cloud = cloud_open(5000);
    struct column_gas gas = gas_of(&cloud);
    struct arena arena = { 0 };
    struct error err = { 0 };
    int n_thread = omp_get_max_threads();
    double *one = mem_array(cloud.n, sizeof(double)), *many = mem_array(cloud.n, sizeof(double));

    (void)state;
    cloud_fill(&cloud, 8, 0.0, 10.0, 2.0);
    omp_set_num_threads(1);
    assert_int_equal(search(SPH_ANARCHY, &gas, cloud.n, cloud.x, cloud.y, cloud.z, one, &arena, &err), 0);
    omp_set_num_threads(5);
    assert_int_equal(search(SPH_ANARCHY, &gas, cloud.n, cloud.x, cloud.y, cloud.z, many, &arena, &err), 0);
    omp_set_num_threads(n_thread);
    assert_memory_equal(one, many, cloud.n * sizeof(double));
    for (size_t i = 0; i < cloud.n; i += 500) {
        assert_int_equal(
            search(SPH_ANARCHY, &gas, 3, cloud.x + i, cloud.y + i, cloud.z + i, many, &arena, &err), 0);
        assert_memory_equal(one + i, many, 3 * sizeof(double));
    }
    arena_free(&arena);
    free(one);
    free(many);
    cloud_free(&cloud);
}

static void bits_do_not_depend_on_the_instruction_set(void **state)
{
    static const size_t sizes[] = { 0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 71, 511, 513, 3000 };
    struct cloud cloud = cloud_open(3000), targets = cloud_open(400);
    struct arena arena = { 0 };
    struct error err = { 0 };
    const enum isa before = isa_in_use();
    double *plain = mem_array(targets.n, sizeof(double)), *fast = mem_array(targets.n, sizeof(double));

    (void)state;
    cloud_fill(&cloud, 12, 0.0, 10.0, 2.0);
    cloud_fill(&targets, 12, 0.0, 10.0, 2.0); /* the same seed: in the midst of the first gas */
    for (size_t i = 0; i < targets.n; i += 7)
        targets.z[i] += cloud.h[i];
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) * 6; i++) {
        enum sph_kernel kernel = (enum sph_kernel)(i % 6);
        struct column_gas gas = gas_of(&cloud);

        gas.n = sizes[i / 6];
        assert_true(isa_use(ISA_BASELINE));
        assert_int_equal(
            search(kernel, &gas, targets.n, targets.x, targets.y, targets.z, plain, &arena, &err), 0);
        for (int isa = ISA_BASELINE + 1; isa < ISA_N; isa++) {
            if (!isa_use((enum isa)isa))
                continue;
            assert_int_equal(
                search(kernel, &gas, targets.n, targets.x, targets.y, targets.z, fast, &arena, &err), 0);
            assert_memory_equal(plain, fast, targets.n * sizeof(double));
        }
    }
    isa_use(before);
    arena_free(&arena);
    free(plain);
    free(fast);
    cloud_free(&targets);
    cloud_free(&cloud);
}

/* Coordinates so small that their products vanish: gas on top of its targets, and denormally near. */
static void bits_do_not_depend_on_the_instruction_set_where_numbers_are_denormal(void **state)
{
    static const double tiny[] = { 0.0, 5e-324, -5e-324, 1.9e-322, -1e-308, 1e-308, 1e-160, -1e-155 };
    enum { N_TINY = sizeof(tiny) / sizeof(tiny[0]), N = 64 };
    struct cloud cloud = cloud_open(N), targets = cloud_open(N);
    struct arena arena = { 0 };
    struct error err = { 0 };
    const enum isa before = isa_in_use();
    const struct column_gas gas = gas_of(&cloud);
    double expected[N], got[N];
    uint64_t seed = 5;

    (void)state;
    for (size_t round = 0; round < 600; round++) {
        const enum sph_kernel kernel = (enum sph_kernel)(round % 6);

        for (size_t i = 0; i < N; i++) {
            cloud.x[i] = tiny[(size_t)uniform(&seed, 0, N_TINY)],
            targets.x[i] = tiny[(size_t)uniform(&seed, 0, N_TINY)];
            cloud.y[i] = tiny[(size_t)uniform(&seed, 0, N_TINY)],
            targets.y[i] = tiny[(size_t)uniform(&seed, 0, N_TINY)];
            cloud.z[i] = tiny[(size_t)uniform(&seed, 0, N_TINY)],
            targets.z[i] = tiny[(size_t)uniform(&seed, 0, N_TINY)];
            cloud.h[i] = pow(10.0, uniform(&seed, -3.0, 3.0));
            cloud.mass[i] = 1.0;
        }
        columns_ref(kernel, &gas, N, targets.x, targets.y, targets.z, expected);
        for (int isa = ISA_BASELINE; isa < ISA_N; isa++) {
            if (!isa_use((enum isa)isa))
                continue;
            assert_int_equal(search(kernel, &gas, N, targets.x, targets.y, targets.z, got, &arena, &err), 0);
            for (size_t i = 0; i < N; i++) /* all are met in the middle, so the sum is the scale */
                assert_near(got[i], expected[i], 1e-12 * expected[i]);
        }
    }
    isa_use(before);
    arena_free(&arena);
    cloud_free(&targets);
    cloud_free(&cloud);
}

static void bits_do_not_depend_on_the_order_of_targets(void **state)
{
    struct cloud cloud = cloud_open(4000);
    struct column_gas gas = gas_of(&cloud);
    struct arena arena = { 0 };
    struct error err = { 0 };
    double *one = mem_array(cloud.n, sizeof(double)), *other = mem_array(cloud.n, sizeof(double));
    double *x = mem_array(cloud.n, sizeof(double)), *y = mem_array(cloud.n, sizeof(double));
    double *z = mem_array(cloud.n, sizeof(double));

    (void)state;
    cloud_fill(&cloud, 13, 0.0, 10.0, 1.0); /* lines of sight cross more gas than fits into one list */
    assert_int_equal(search(SPH_CUBIC, &gas, cloud.n, cloud.x, cloud.y, cloud.z, one, &arena, &err), 0);
    for (size_t stride = 1; stride < 4000; stride = stride * 7 + 2) {
        size_t n = (cloud.n + stride - 1) / stride;

        for (size_t i = 0; i < n; i++) {
            size_t j = (n - 1 - i) * stride;

            x[i] = cloud.x[j];
            y[i] = cloud.y[j];
            z[i] = cloud.z[j];
        }
        assert_int_equal(search(SPH_CUBIC, &gas, n, x, y, z, other, &arena, &err), 0);
        for (size_t i = 0; i < n; i++)
            assert_memory_equal(&one[(n - 1 - i) * stride], &other[i], sizeof(double));
    }
    arena_free(&arena);
    free(one);
    free(other);
    free(x);
    free(y);
    free(z);
    cloud_free(&cloud);
}

static void searching_survives_what_no_simulation_makes(void **state)
{
    struct cloud cloud = cloud_open(2000);

    (void)state;
    cloud_fill(&cloud, 14, 0.0, 10.0, 12.0); /* h over twelve decades */
    cloud.h[5] = 40.0;                       /* one covers everything */
    cloud.mass[5] = 1.0;
    assert_search_agrees(SPH_ANARCHY, &cloud, 14, 0.0, 10.0, 12.0);
    for (size_t i = 0; i < cloud.n; i++)
        cloud.z[i] = 1.0; /* all at one z, with targets there, too */
    assert_search_agrees(SPH_QUINTIC, &cloud, 15, 0.0, 10.0, 12.0);
    for (size_t i = 0; i < cloud.n; i++) /* all at one place, of one size or of two */
        cloud.x[i] = 3.0, cloud.y[i] = -2.0, cloud.z[i] = 1.0, cloud.h[i] = i < 1000 ? 4.0 : 1e-3;
    assert_search_agrees(SPH_GADGET_2, &cloud, 16, 0.0, 10.0, 2.0);
    cloud_fill(&cloud, 17, 0.0, 10.0, 2.0);
    for (size_t i = 0; i < cloud.n; i += 100) { /* so far off that steps of the order would overflow */
        cloud.x[i] = i % 200 ? 1e300 : -1e300;
        cloud.z[i] = i % 300 ? 1e300 : -1e300;
    }
    assert_search_agrees(SPH_UNIFORM, &cloud, 17, 0.0, 10.0, 2.0);
    cloud_free(&cloud);
}

static void without_gas_there_is_no_column(void **state)
{
    struct cloud cloud = cloud_open(200); /* all zero: h = 0 covers nothing */
    struct column_gas gas = gas_of(&cloud);
    struct arena arena = { 0 };
    struct error err = { 0 };
    double zero = 0.0, got = 1.0;

    (void)state;
    assert_int_equal(search(SPH_ANARCHY, &gas, 1, &zero, &zero, &zero, &got, &arena, &err), 0);
    assert_true(got == 0.0);
    got = 1.0;
    gas.n = 0;
    assert_int_equal(search(SPH_ANARCHY, &gas, 1, &zero, &zero, &zero, &got, &arena, &err), 0);
    assert_true(got == 0.0);
    assert_int_equal(search(SPH_ANARCHY, &gas, 0, NULL, NULL, NULL, NULL, &arena, &err), 0);
    arena_free(&arena);
    cloud_free(&cloud);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_those_of_the_peer),
        cmocka_unit_test(optical_depths_are_those_of_the_peer),
        cmocka_unit_test(one_particle_is_seen_whole_half_or_not_at_all),
        cmocka_unit_test(searched_columns_are_those_of_the_double_loop),
        cmocka_unit_test(searching_survives_extreme_sizes_and_distances),
        cmocka_unit_test(bits_do_not_depend_on_threads_or_on_other_targets),
        cmocka_unit_test(bits_do_not_depend_on_the_instruction_set),
        cmocka_unit_test(bits_do_not_depend_on_the_instruction_set_where_numbers_are_denormal),
        cmocka_unit_test(bits_do_not_depend_on_the_order_of_targets),
        cmocka_unit_test(searching_survives_what_no_simulation_makes),
        cmocka_unit_test(without_gas_there_is_no_column),
    };

    return cmocka_run_group_tests_name("kernels/columns", tests, NULL, NULL);
}
