/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/mix.h"

#include <float.h>
#include <omp.h>
#include <stdlib.h>

#include "../support.h"

/*
 * What the fast method may differ from the definition by, in units of the largest contribution of a tile
 * (stated in mix.h): its truncation, and rounding. Exponents tau k that matter are below about 40, good to 40
 * epsilon = 1e-14; 1e4 terms added in another order cost about 1e-14 more, the Lagrange basis a few 1e-15.
 */
#define SCREEN_TOLERANCE (MIX_TOLERANCE + 1e-13)
#define TILE             128 /* columns that the fast method interpolates together */

/* ---- random inputs --------------------------------------------------------------------------- */

struct sky {
    size_t n_cell, n_column;
    double *mass, *tau, *k;
    double *value[2]; /* the second table changes sign */
    struct weights weights;
    uint32_t *cell, *slot;
    struct mix_screened in;
};

static void *filled(size_t n, size_t size)
{
    void *array = mem_array(n, size);

    assert_non_null(array);
    return array;
}

static struct sky sky_open(size_t n_particle, size_t n_cell, size_t n_column)
{
    struct sky sky = { .n_cell = n_cell,
                       .n_column = n_column,
                       .mass = filled(n_particle, sizeof(double)),
                       .tau = filled(n_particle, sizeof(double)),
                       .k = filled(n_column, sizeof(double)),
                       .value = { filled(n_cell * n_column, sizeof(double)),
                                  filled(n_cell * n_column, sizeof(double)) },
                       .weights = { n_particle, filled(n_particle, sizeof(*sky.weights.cell)),
                                    filled(n_particle, sizeof(*sky.weights.share)) },
                       .cell = filled(n_cell, sizeof(uint32_t)),
                       .slot = filled(n_cell, sizeof(uint32_t)) };
    bool *has_mass = filled(n_cell, sizeof(*has_mass));
    uint64_t seed = 7 * n_particle + n_column;
    size_t n = 0;

    for (size_t i = 0; i < n_particle; i++) {
        double left = 1.0;

        sky.mass[i] = uniform(&seed, 0.1, 1.0);
        sky.tau[i] = uniform(&seed, 0.0, 3.0);
        for (size_t corner = 0; corner < WEIGHTS_N_CORNER; corner++) {
            sky.weights.cell[i][corner] = (uint32_t)uniform(&seed, 0, (double)n_cell);
            sky.weights.share[i][corner] = corner < 3 ? uniform(&seed, 0, left) : left;
            left -= sky.weights.share[i][corner];
            has_mass[sky.weights.cell[i][corner]] = true;
        }
    }
    for (size_t j = 0; j < n_column; j++)
        sky.k[j] = 5.5 - 5.0 * (double)j / (double)n_column;
    for (size_t c = 0; c < n_cell * n_column; c++) {
        sky.value[0][c] = uniform(&seed, 0.5, 1.5);
        sky.value[1][c] = uniform(&seed, -1.0, 1.0);
    }
    for (size_t c = 0; c < n_cell; c++)
        if (has_mass[c]) {
            sky.slot[c] = (uint32_t)n;
            sky.cell[n++] = (uint32_t)c;
        }
    free(has_mass);
    sky.in = (struct mix_screened) { .n_particle = n_particle,
                                     .mass = sky.mass,
                                     .tau = sky.tau,
                                     .cells = { n, sky.cell, NULL },
                                     .slot = sky.slot,
                                     .n_column = n_column,
                                     .k = sky.k,
                                     .n_table = 2 };
    return sky;
}

static void sky_free(struct sky *sky)
{
    free(sky->mass);
    free(sky->tau);
    free(sky->k);
    free(sky->value[0]);
    free(sky->value[1]);
    free(sky->weights.cell);
    free(sky->weights.share);
    free(sky->cell);
    free(sky->slot);
}

/* Most that any column of the tile could receive: all particles at the tile's least opaque column. */
static double largest_contribution(const struct sky *sky, size_t first, size_t n, const double *value)
{
    double k_min = sky->k[first], row_max = 0.0, sum = 0.0;

    for (size_t j = first; j < first + n; j++) {
        k_min = fmin(k_min, sky->k[j]);
        for (size_t c = 0; c < sky->n_cell; c++)
            row_max = fmax(row_max, fabs(value[c * sky->n_column + j]));
    }
    for (size_t i = 0; i < sky->in.n_particle; i++)
        sum += sky->mass[i] * exp(-sky->tau[i] * k_min);
    return sum * row_max;
}

/* Some of the particles, from `first` on. */
struct part {
    struct mix_screened in;
    struct weights weights;
};

static void part_of(const struct sky *sky, size_t first, size_t n, struct part *ret)
{
    size_t left = sky->in.n_particle - first;

    ret->in = sky->in;
    ret->in.n_particle = left < n ? left : n;
    ret->in.mass = sky->mass + first;
    ret->in.tau = sky->tau + first;
    ret->weights =
        (struct weights) { ret->in.n_particle, sky->weights.cell + first, sky->weights.share + first };
    ret->in.weights = &ret->weights;
}

/* Particles in parts of n_part, with room for a part of the columns: the same bits as all at once. */
static void expect_parts_agree(const char *what, const struct sky *sky, size_t n_part, double room,
                               double *const *fast)
{
    uint64_t least = mix_nodal_least_bytes(sky->in.cells.n, sky->n_column);
    uint64_t most = mix_nodal_most_bytes(sky->in.cells.n, sky->n_column);
    double *sum[2] = { filled(sky->n_column, sizeof(double)), filled(sky->n_column, sizeof(double)) };
    struct arena arena = { 0 };
    struct mix_nodal nodal;
    struct error err = { "" };
    size_t n_round = 0;

    memset(sum[0], 0xff, sky->n_column * sizeof(double));
    memset(sum[1], 0xff, sky->n_column * sizeof(double));
    assert_int_equal(
        mix_nodal_open(&sky->in, least + (uint64_t)(room * (double)(most - least)), &nodal, &arena, &err), 0);
    /* A cache line for each of two pieces. */
    assert_true(arena.used_bytes <= least + (uint64_t)(room * (double)(most - least)) + 128);
    for (; nodal.begin < nodal.end; n_round++) {
        for (size_t first = 0; first < sky->in.n_particle; first += n_part) {
            struct part part;

            part_of(sky, first, n_part, &part);
            mix_nodal_add(&part.in, &nodal);
        }
        assert_int_equal(mix_nodal_close(&sky->in, &nodal, sum, &arena, &err), 0);
    }
    assert_int_equal(nodal.end, nodal.n_tile);
    assert_true(room < 1.0 || n_round == 1);
    for (size_t t = 0; t < 2; t++) {
        assert_same_bits(what, sky->n_column, sum[t], fast[t]);
        free(sum[t]);
    }
    arena_free(&arena);
}

/* The definition in parts: the same bits as all at once. */
static void expect_direct_parts_agree(const char *what, const struct sky *sky, size_t n_part,
                                      double *const *direct)
{
    double *sum[2] = { filled(sky->n_column, sizeof(double)), filled(sky->n_column, sizeof(double)) };

    for (size_t first = 0; first < sky->in.n_particle; first += n_part) {
        struct part part;

        part_of(sky, first, n_part, &part);
        mix_screened_direct(&part.in, sum);
    }
    for (size_t t = 0; t < 2; t++) {
        assert_same_bits(what, sky->n_column, sum[t], direct[t]);
        free(sum[t]);
    }
}

/* Both methods, compared; their bits for any number of threads and in parts. Frees the sky. */
static void expect_methods_agree(const char *what, struct sky *sky)
{
    const double *value[] = { sky->value[0], sky->value[1] };
    double *direct[2], *fast[2], *again[2];
    static const int n_thread[] = { 2, 5, 8 };
    static const size_t n_part[] = { 7, 100, 100000 };
    struct arena arena = { 0 };
    struct error err = { "" };

    sky->in.weights = &sky->weights;
    sky->in.value = value;
    sky->in.range = MIX_RANGE_NONE;
    mix_range_add(&sky->in.range, sky->in.n_particle, sky->mass, sky->tau);
    for (size_t t = 0; t < 2; t++) {
        direct[t] = filled(sky->n_column, sizeof(double));
        fast[t] = filled(sky->n_column, sizeof(double));
        again[t] = filled(sky->n_column, sizeof(double));
        memset(fast[t], 0xff, sky->n_column * sizeof(double));
    }
    omp_set_num_threads(1);
    mix_screened_direct(&sky->in, direct);
    assert_int_equal(mix_screened_tiles(&sky->in, fast, &arena, &err), 0);
    assert_int_equal(arena.used_bytes, 0); /* scratch was given back */
    for (size_t t = 0; t < 2; t++)
        for (size_t first = 0; first < sky->n_column; first += TILE) {
            size_t n = sky->n_column - first < TILE ? sky->n_column - first : TILE;
            double allowed = SCREEN_TOLERANCE * largest_contribution(sky, first, n, value[t]);

            for (size_t j = first; j < first + n; j++)
                if (!(fabs(fast[t][j] - direct[t][j]) <= allowed))
                    fail_msg("%s: table %zu column %zu is %.17g, expected %.17g, allowed %.3g", what, t, j,
                             fast[t][j], direct[t][j], allowed);
        }
    for (size_t i = 0; i < sizeof(n_thread) / sizeof(*n_thread); i++) {
        omp_set_num_threads(n_thread[i]);
        assert_int_equal(mix_screened_tiles(&sky->in, again, &arena, &err), 0);
        assert_same_bits(what, sky->n_column, again[0], fast[0]);
        assert_same_bits(what, sky->n_column, again[1], fast[1]);
        memset(again[0], 0, sky->n_column * sizeof(double));
        memset(again[1], 0, sky->n_column * sizeof(double));
        mix_screened_direct(&sky->in, again);
        assert_same_bits(what, sky->n_column, again[0], direct[0]);
        assert_same_bits(what, sky->n_column, again[1], direct[1]);
    }
    for (size_t i = 0; i < sizeof(n_part) / sizeof(*n_part); i++) {
        expect_direct_parts_agree(what, sky, n_part[i], direct);
        for (double room = 0.0; room <= 1.0; room += 0.25)
            expect_parts_agree(what, sky, n_part[i], room, fast);
    }
    for (size_t t = 0; t < 2; t++) {
        free(direct[t]);
        free(fast[t]);
        free(again[t]);
    }
    arena_free(&arena);
    sky_free(sky);
}

/* ---- bare sums ------------------------------------------------------------------------------- */

static void bare_sums_are_the_double_loop(void **state)
{
    static const size_t n_column[] = { 1, 2, 511, 512, 513, 1500 };

    (void)state;
    for (size_t s = 0; s < sizeof(n_column) / sizeof(*n_column); s++) {
        struct sky sky = sky_open(50, 20, n_column[s]);
        double *sum = filled(n_column[s], sizeof(double)), *expected = filled(n_column[s], sizeof(double));
        struct mix_cells cells = { sky.in.cells.n, sky.cell, sky.mass };

        memset(sum, 0xff, n_column[s] * sizeof(double));
        for (size_t c = 0; c < cells.n; c++)
            for (size_t j = 0; j < n_column[s]; j++)
                expected[j] += cells.mass[c] * sky.value[1][cells.cell[c] * n_column[s] + j];
        for (int n_thread = 1; n_thread <= 8; n_thread++) {
            omp_set_num_threads(n_thread);
            mix_plain(&cells, n_column[s], sky.value[1], sum);
            assert_same_bits("sum", n_column[s], sum, expected); /* cells in order is part of the contract */
        }
        cells.n = 0;
        mix_plain(&cells, n_column[s], sky.value[1], sum);
        assert_true(largest_of(n_column[s], sum) == 0.0);
        free(sum);
        free(expected);
        sky_free(&sky);
    }
}

/* ---- sums behind screens --------------------------------------------------------------------- */

static void the_definition_is_the_double_loop(void **state)
{
    struct sky sky = sky_open(40, 6, 130);
    const double *value[] = { sky.value[0], sky.value[1] };
    double got[2][130] = { { 0 } }, expected[2][130] = { { 0 } };
    double *ret[2] = { got[0], got[1] };

    (void)state;
    sky.in.weights = &sky.weights;
    sky.in.value = value;
    mix_screened_direct(&sky.in, ret);
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < 40; i++)
            for (size_t corner = 0; corner < WEIGHTS_N_CORNER; corner++)
                for (size_t j = 0; j < 130; j++)
                    expected[t][j] += sky.mass[i] * sky.weights.share[i][corner] *
                                      exp(-sky.tau[i] * sky.k[j]) *
                                      value[t][sky.weights.cell[i][corner] * 130 + j];
    /* The same 160 products in the same order, multiplied in another one. */
    assert_all_near("positive", 130, got[0], expected[0], 1e-14);
    assert_all_near("mixed signs", 130, got[1], expected[1], 1e-13);
    sky_free(&sky);
}

static void random_screens_agree(void **state)
{
    static const size_t n_column[] = { 1, 2, 5, 127, 128, 129, 300, 1000 };

    (void)state;
    for (size_t s = 0; s < sizeof(n_column) / sizeof(*n_column); s++) {
        struct sky sky = sky_open(200, 30, n_column[s]);

        expect_methods_agree("random", &sky);
    }
}

static void opaque_screens_agree(void **state)
{
    struct sky sky = sky_open(300, 30, 1000);
    uint64_t seed = 3;

    (void)state;
    for (size_t i = 0; i < 300; i++)
        sky.tau[i] = uniform(&seed, 0, 100);
    expect_methods_agree("tau to 100", &sky);
}

static void clear_and_black_screens_agree_when_mixed(void **state)
{
    struct sky sky = sky_open(300, 30, 700);

    (void)state;
    for (size_t i = 0; i < 300; i++)
        sky.tau[i] = i % 3 == 0 ? 0.0 : i % 3 == 1 ? 1e4 : 1e-3;
    expect_methods_agree("clear and black", &sky);
}

static void only_black_screens_agree(void **state)
{
    struct sky sky = sky_open(50, 10, 400);

    (void)state;
    for (size_t i = 0; i < 50; i++)
        sky.tau[i] = 1e3 * (double)(i + 1);
    expect_methods_agree("black", &sky);
}

static void a_tile_over_seven_decades_of_opacity_agrees(void **state)
{
    static const size_t n_column[] = { 128, 100, 30 };

    (void)state;
    for (size_t s = 0; s < sizeof(n_column) / sizeof(*n_column); s++) {
        struct sky sky = sky_open(100, 20, n_column[s]);

        for (size_t j = 0; j < n_column[s]; j++)
            sky.k[j] = pow(10.0, -4.0 + 7.0 * (double)j / (double)(n_column[s] - 1));
        expect_methods_agree("k from 1e-4 to 1e3", &sky);
    }
}

static void narrow_and_wide_tiles_agree_side_by_side(void **state)
{
    struct sky sky = sky_open(100, 20, 512);

    (void)state;
    for (size_t j = 0; j < 512; j++) /* a constant tile, a narrow one, a wide one, an ordinary one */
        sky.k[j] = j < 128   ? 2.0
                   : j < 256 ? 2.0 + 1e-9 * (double)j
                   : j < 384 ? 0.01 * (double)(j * j % 50000)
                             : 1.0 + 1e-3 * (double)j;
    expect_methods_agree("narrow and wide", &sky);
}

static void a_curve_with_a_bump_agrees(void **state)
{
    struct sky sky = sky_open(200, 20, 640);

    (void)state;
    for (size_t j = 0; j < 640; j++) {
        double x = ((double)j - 200.0) / 30.0;

        sky.k[j] = 3.0 - 0.004 * (double)j + 1.5 * exp(-x * x);
    }
    expect_methods_agree("bump", &sky);
}

static void one_particle_agrees(void **state)
{
    struct sky sky = sky_open(1, 1, 500), four = sky_open(1, 40, 500);

    (void)state;
    expect_methods_agree("one particle, one cell", &sky);
    expect_methods_agree("one particle", &four);
}

static void ten_thousand_particles_agree(void **state)
{
    struct sky sky = sky_open(10000, 60, 400), crowded = sky_open(10000, 1, 150);

    (void)state;
    expect_methods_agree("many", &sky);
    expect_methods_agree("many in one cell", &crowded);
}

static void particles_without_mass_do_not_matter(void **state)
{
    struct sky sky = sky_open(100, 10, 200);

    (void)state;
    for (size_t i = 0; i < 100; i += 2) {
        sky.mass[i] = 0.0;
        sky.tau[i] = 1e6; /* would make every tile fall back */
    }
    expect_methods_agree("massless", &sky);
}

static void no_particles_give_zeros(void **state)
{
    struct sky sky = sky_open(0, 5, 200);

    (void)state;
    expect_methods_agree("nothing", &sky);
}

static void clear_screens_give_bare_sums(void **state)
{
    struct sky sky = sky_open(200, 15, 300);
    const double *value[] = { sky.value[0] };
    double screened[300], bare[300], mass[15], histogram[15] = { 0 }, *ret[] = { screened };
    struct mix_cells cells = { sky.in.cells.n, sky.cell, mass };
    struct arena arena = { 0 };

    (void)state;
    memset(sky.tau, 0, 200 * sizeof(double));
    sky.in.weights = &sky.weights;
    sky.in.value = value;
    sky.in.n_table = 1;
    mix_range_add(&sky.in.range, 200, sky.mass, sky.tau);
    weights_histogram(&sky.weights, sky.mass, histogram);
    for (size_t c = 0; c < cells.n; c++)
        mass[c] = histogram[sky.cell[c]];
    mix_plain(&cells, 300, value[0], bare);
    assert_int_equal(mix_screened_tiles(&sky.in, ret, &arena, NULL), 0);
    assert_all_near("clear", 300, screened, bare, 1e-14); /* exp(0) is 1: the same sums */
    arena_free(&arena);
    sky_free(&sky);
}

/* ---- the interpolation itself ---------------------------------------------------------------- */

static void nodes_grow_with_opacity_and_are_capped(void **state)
{
    size_t last = 0;

    (void)state;
    assert_int_equal(mix_node_count(0.0, 10.0, 48), 1);
    assert_int_equal(mix_node_count(10.0, 0.0, 48), 1);
    for (double tau = 1e-12; tau < 1e12; tau *= 1.1) {
        size_t n = mix_node_count(tau, 0.5, 48);

        assert_true(n >= last && n <= 48);
        assert_int_equal(n, mix_node_count(0.5, tau, 48)); /* only the product counts */
        last = n;
    }
    assert_int_equal(last, 48);
    assert_int_equal(mix_node_count(3.0, 0.5, 5), 5);
    assert_int_equal(mix_node_count(3.0, 0.5, 1), 1);
    assert_int_equal(mix_node_count((double)INFINITY, 1.0, 48), 48);
}

/* Largest error of n_node nodes for exp(-tau k), k in centre +- half_range, over its largest value. */
static double interpolation_error(double tau, double centre, double half_range, size_t n_node)
{
    enum { N_K = 401 };
    double node[200], k[N_K], worst = 0.0;
    double *basis = filled(n_node * N_K, sizeof(*basis));

    for (size_t j = 0; j < N_K; j++)
        k[j] = centre + half_range * (2.0 * (double)j / (N_K - 1) - 1.0);
    mix_nodes(centre, half_range, n_node, node);
    mix_basis(n_node, node, N_K, k, basis);
    for (size_t j = 0; j < N_K; j++) {
        double sum = 0.0, of_one = 0.0;

        for (size_t m = 0; m < n_node; m++) {
            sum += basis[m * N_K + j] * exp(-tau * (node[m] - centre + half_range));
            of_one += basis[m * N_K + j];
        }
        assert_near(of_one, 1.0, 1e-13); /* constants are reproduced */
        worst = fmax(worst, fabs(sum - exp(-tau * (k[j] - centre + half_range))));
    }
    free(basis);
    return worst;
}

static void the_node_count_keeps_its_promise(void **state)
{
    (void)state;
    for (double a = 1e-6; a < 60.0; a *= 1.17) {
        size_t n = mix_node_count(a / 0.7, 0.7, 200);

        assert_true(n < 200);
        /* Also for every screen less opaque than the most opaque one. Rounding: the nodes are good to
         * epsilon times centre, 3, so that exponents are good to 3 a epsilon. */
        for (double part = 1.0; part > 0.01; part *= 0.6) {
            double error = interpolation_error(part * a / 0.7, 3.0, 0.7, n);

            if (!(error <= MIX_TOLERANCE + (10.0 + 10.0 * a) * DBL_EPSILON))
                fail_msg("%zu nodes for a = %g, %g of it: error %.3g", n, a, part, error);
        }
    }
}

static void nodes_are_not_wasted(void **state)
{
    (void)state;
    for (double a = 0.5; a < 30.0; a *= 1.5) {
        size_t n = mix_node_count(a, 1.0, 200);

        /* Two thirds of the nodes are not enough: the count is not far from the least that would do. */
        if (!(interpolation_error(a, 3.0, 1.0, 2 * n / 3) > MIX_TOLERANCE))
            fail_msg("%zu nodes for a = %g are many more than needed", n, a);
    }
}

static void the_basis_is_one_at_its_own_node(void **state)
{
    double node[7], basis[49];

    (void)state;
    mix_nodes(2.0, 1.5, 7, node);
    mix_basis(7, node, 7, node, basis);
    for (size_t m = 0; m < 7; m++) {
        assert_true(node[m] > 0.5 && node[m] < 3.5);
        for (size_t j = 0; j < 7; j++)
            assert_true(basis[m * 7 + j] == (m == j ? 1.0 : 0.0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_sums_are_the_double_loop),
        cmocka_unit_test(the_definition_is_the_double_loop),
        cmocka_unit_test(random_screens_agree),
        cmocka_unit_test(opaque_screens_agree),
        cmocka_unit_test(clear_and_black_screens_agree_when_mixed),
        cmocka_unit_test(only_black_screens_agree),
        cmocka_unit_test(a_tile_over_seven_decades_of_opacity_agrees),
        cmocka_unit_test(narrow_and_wide_tiles_agree_side_by_side),
        cmocka_unit_test(a_curve_with_a_bump_agrees),
        cmocka_unit_test(one_particle_agrees),
        cmocka_unit_test(ten_thousand_particles_agree),
        cmocka_unit_test(particles_without_mass_do_not_matter),
        cmocka_unit_test(no_particles_give_zeros),
        cmocka_unit_test(clear_screens_give_bare_sums),
        cmocka_unit_test(nodes_grow_with_opacity_and_are_capped),
        cmocka_unit_test(the_node_count_keeps_its_promise),
        cmocka_unit_test(nodes_are_not_wasted),
        cmocka_unit_test(the_basis_is_one_at_its_own_node),
    };

    return cmocka_run_group_tests_name("mix", tests, NULL, NULL);
}
