/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/mix.h"

#include <float.h>
#include <omp.h>
#include <stdlib.h>

#include "polyphony/isa.h"

#include "../../src/kernels/mix_ref.h"
#include "../../src/kernels/segments.h"
#include "../support.h"

/*
 * What the fast method may differ from the definition by, in units of what the column would be if all its
 * terms were positive: the truncation that is asked for, and rounding. Within a segment transmissions vary by
 * up to exp(2 a) = 5e4 with a the spread of 24 nodes at 1e-10, and what is opaque is interpolated from nodes
 * where it is that much clearer: a few epsilon times 5e4.
 */
#define ROUNDING 5e-11
/* And where all is black but for a clear particle, in units of the bare sum: exp(-MIX_BLACK) * tolerance. */
#define BLACK 1e-27

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

static struct sky sky_open_of(size_t n_corner, size_t n_particle, size_t n_cell, size_t n_column)
{
    struct sky sky = {
        .n_cell = n_cell,
        .n_column = n_column,
        .mass = filled(n_particle, sizeof(double)),
        .tau = filled(n_particle, sizeof(double)),
        .k = filled(n_column, sizeof(double)),
        .value = { filled(n_cell * n_column, sizeof(double)), filled(n_cell * n_column, sizeof(double)) },
        .weights = { n_particle, n_corner, filled(n_particle, n_corner * sizeof(*sky.weights.cell)),
                     filled(n_particle, n_corner * sizeof(*sky.weights.share)) },
        .cell = filled(n_cell, sizeof(uint32_t)),
        .slot = filled(n_cell, sizeof(uint32_t))
    };
    bool *has_mass = filled(n_cell, sizeof(*has_mass));
    uint64_t seed = 7 * n_particle + n_column;
    size_t n = 0;

    for (size_t i = 0; i < n_particle; i++) {
        double left = 1.0;

        sky.mass[i] = uniform(&seed, 0.1, 1.0);
        sky.tau[i] = uniform(&seed, 0.0, 3.0);
        for (size_t corner = 0; corner < n_corner; corner++) {
            size_t at = i * n_corner + corner;

            sky.weights.cell[at] = (uint32_t)uniform(&seed, 0, (double)n_cell);
            sky.weights.share[at] = corner + 1 < n_corner ? uniform(&seed, 0, left) : left;
            left -= sky.weights.share[at];
            has_mass[sky.weights.cell[at]] = true;
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
                                     .n_table = 2,
                                     .tolerance = MIX_TOLERANCE_DEFAULT };
    return sky;
}

static struct sky sky_open(size_t n_particle, size_t n_cell, size_t n_column)
{
    return sky_open_of(4, n_particle, n_cell, n_column);
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

/* The definition with all values positive: behind the screens, or without them. */
static void positive_sums(const struct sky *sky, bool is_bare, double *const *ret_sum)
{
    size_t n = sky->n_cell * sky->n_column;
    double *value[2] = { filled(n, sizeof(double)), filled(n, sizeof(double)) };
    const double *tables[2] = { value[0], value[1] };
    struct mix_screened in = sky->in;

    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < n; i++)
            value[t][i] = fabs(sky->value[t][i]);
    in.value = tables;
    in.tau = is_bare ? NULL : in.tau;
    mix_screened_direct(&in, ret_sum);
    free(value[0]);
    free(value[1]);
}

/* Every column within the tolerance. */
static void expect_close(const char *what, const struct sky *sky, double *const *fast, double *const *direct)
{
    double *positive[2], *bare[2];

    for (size_t t = 0; t < 2; t++) {
        positive[t] = filled(sky->n_column, sizeof(double));
        bare[t] = filled(sky->n_column, sizeof(double));
    }
    positive_sums(sky, false, positive);
    positive_sums(sky, true, bare);
    for (size_t t = 0; t < 2; t++) {
        for (size_t j = 0; j < sky->n_column; j++) {
            double allowed = (sky->in.tolerance + ROUNDING) * positive[t][j] + BLACK * bare[t][j];

            if (!(fabs(fast[t][j] - direct[t][j]) <= allowed))
                fail_msg("%s: table %zu column %zu is %.17g, expected %.17g, off by %.3g, allowed %.3g", what,
                         t, j, fast[t][j], direct[t][j], fast[t][j] - direct[t][j], allowed);
        }
        free(positive[t]);
        free(bare[t]);
    }
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
    ret->weights = (struct weights) { ret->in.n_particle, sky->weights.n_corner,
                                      sky->weights.cell + first * sky->weights.n_corner,
                                      sky->weights.share + first * sky->weights.n_corner };
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

    assert_int_equal(
        mix_nodal_open(&sky->in, least + (uint64_t)(room * (double)(most - least)), &nodal, &arena, &err), 0);
    assert_true(arena.used_bytes <= least + (uint64_t)(room * (double)(most - least)));
    for (; nodal.begin < nodal.end; n_round++) {
        for (size_t first = 0; first < sky->in.n_particle; first += n_part) {
            struct part part;

            part_of(sky, first, n_part, &part);
            mix_nodal_add(&part.in, &nodal, sum);
        }
        mix_nodal_close(&sky->in, &nodal, sum);
    }
    assert_int_equal(nodal.end, nodal.n_segment);
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
    assert_int_equal(mix_screened_segments(&sky->in, fast, &arena, &err), 0);
    assert_int_equal(arena.used_bytes, 0); /* scratch was given back */
    expect_close(what, sky, fast, direct);
    for (size_t i = 0; i < sizeof(n_thread) / sizeof(*n_thread); i++) {
        omp_set_num_threads(n_thread[i]);
        assert_int_equal(mix_screened_segments(&sky->in, again, &arena, &err), 0);
        assert_same_bits(what, sky->n_column, again[0], fast[0]);
        assert_same_bits(what, sky->n_column, again[1], fast[1]);
        memset(again[0], 0, sky->n_column * sizeof(double));
        memset(again[1], 0, sky->n_column * sizeof(double));
        mix_screened_direct(&sky->in, again);
        assert_same_bits(what, sky->n_column, again[0], direct[0]);
        assert_same_bits(what, sky->n_column, again[1], direct[1]);
    }
    for (int isa = 0; isa < ISA_N; isa++) {
        enum isa best = isa_in_use();

        if (!isa_use((enum isa)isa))
            continue;
        assert_int_equal(mix_screened_segments(&sky->in, again, &arena, &err), 0);
        assert_same_bits(what, sky->n_column, again[0], fast[0]);
        assert_same_bits(what, sky->n_column, again[1], fast[1]);
        isa_use(best);
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
                expected[j] = fma(cells.mass[c], sky.value[1][cells.cell[c] * n_column[s] + j], expected[j]);
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

/* Galaxies over one table, some of them sparse. */
struct crowd {
    size_t n_galaxy, n_cell, n_column;
    double *value, *mass, *expected, *got;
    uint32_t *cell;
    struct mix_cells *galaxy;
    double **ret_sum;
};

/* Values and masses over all magnitudes where `is_wild`: products vanish, and leave zeros of either sign. */
static struct crowd crowd_open(size_t n_galaxy, size_t n_cell, size_t n_column, double occupied, bool is_wild)
{
    struct crowd crowd = { n_galaxy,
                           n_cell,
                           n_column,
                           filled(n_cell * n_column, sizeof(double)),
                           filled(n_galaxy * n_cell, sizeof(double)),
                           filled(n_galaxy * n_column, sizeof(double)),
                           filled(n_galaxy * n_column, sizeof(double)),
                           filled(n_galaxy * n_cell, sizeof(uint32_t)),
                           filled(n_galaxy, sizeof(struct mix_cells)),
                           filled(n_galaxy, sizeof(double *)) };
    uint64_t seed = 3 * n_galaxy + n_column;

    for (size_t i = 0; i < n_cell * n_column; i++) {
        crowd.value[i] = uniform(&seed, -1.0, 1.0);
        if (is_wild)
            crowd.value[i] *= pow(10.0, uniform(&seed, -320.0, -160.0));
        if (uniform(&seed, 0.0, 1.0) < 0.05)
            crowd.value[i] = uniform(&seed, -1.0, 1.0) < 0.0 ? -0.0 : 0.0;
    }
    for (size_t g = 0; g < n_galaxy; g++) {
        double *mass = crowd.mass + g * n_cell;
        uint32_t *cell = crowd.cell + g * n_cell;
        size_t n = 0;

        for (size_t c = 0; c < n_cell; c++) {
            double m = uniform(&seed, 0.0, 1.0) < occupied ? uniform(&seed, 0.0, 1e6) : 0.0;

            if (is_wild)
                m *= pow(10.0, uniform(&seed, -200.0, -100.0));
            if (g % 3 == 0 && n_column % 2 == 0)
                mass[n++] = m; /* a histogram over all cells */
            else if (m > 0.0 || c % 7 == 0) {
                cell[n] = (uint32_t)c; /* a list, with some that are empty */
                mass[n++] = m;
            }
        }
        crowd.galaxy[g] = (struct mix_cells) { n, g % 3 == 0 && n_column % 2 == 0 ? NULL : cell, mass };
        crowd.ret_sum[g] = crowd.got + g * n_column;
        mix_ref(&crowd.galaxy[g], n_column, crowd.value, crowd.expected + g * n_column);
    }
    return crowd;
}

static void crowd_free(struct crowd *crowd)
{
    free(crowd->value);
    free(crowd->mass);
    free(crowd->expected);
    free(crowd->got);
    free(crowd->cell);
    free(crowd->galaxy);
    free(crowd->ret_sum);
}

static void expect_reference_bits(struct crowd *crowd)
{
    size_t n = crowd->n_galaxy * crowd->n_column;
    struct arena arena = { 0 };
    enum isa best = isa_in_use();

    for (int isa = 0; isa < ISA_N; isa++)
        for (int n_thread = 1; isa_use((enum isa)isa) && n_thread <= 3; n_thread += 2) {
            omp_set_num_threads(n_thread);
            memset(crowd->got, 0xff, n * sizeof(double));
            assert_int_equal(mix_batch(crowd->n_galaxy, crowd->galaxy, crowd->n_column, crowd->value,
                                       crowd->ret_sum, &arena, NULL),
                             0);
            assert_same_bits(isa_names[isa], n, crowd->got, crowd->expected);
            assert_int_equal(arena.used_bytes, 0); /* scratch was given back */
            memset(crowd->got, 0xff, n * sizeof(double));
            for (size_t g = 0; g < crowd->n_galaxy; g++)
                mix_plain(&crowd->galaxy[g], crowd->n_column, crowd->value, crowd->ret_sum[g]);
            assert_same_bits(isa_names[isa], n, crowd->got, crowd->expected);
        }
    isa_use(best);
    assert_true(arena.peak_bytes <= mix_batch_bytes(crowd->n_galaxy, crowd->n_cell, 3));
    arena_free(&arena);
}

static void batches_have_the_bits_of_each_galaxy_alone(void **state)
{
    static const size_t n_galaxy[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 33 };
    static const size_t n_column[] = { 1, 2, 23, 24, 25, 95, 96, 97, 200 };
    static const double occupied[] = { 0.0, 0.05, 0.5, 1.0 };
    size_t i = 0;

    (void)state;
    for (size_t g = 0; g < sizeof(n_galaxy) / sizeof(*n_galaxy); g++)
        for (size_t c = 0; c < sizeof(n_column) / sizeof(*n_column); c++, i++) {
            struct crowd crowd =
                crowd_open(n_galaxy[g], 130 + 31 * (i % 5), n_column[c], occupied[i % 4], false);

            expect_reference_bits(&crowd);
            crowd_free(&crowd);
        }
}

static void batches_have_the_same_zeros(void **state)
{
    static const double occupied[] = { 0.01, 0.3, 1.0 };
    size_t n_zero = 0;

    (void)state;
    for (size_t o = 0; o < sizeof(occupied) / sizeof(*occupied); o++) {
        struct crowd crowd = crowd_open(11, 140, 50, occupied[o], true);

        expect_reference_bits(&crowd);
        for (size_t i = 0; i < 11 * 50; i++) {
            assert_true(crowd.got[i] != 0.0 || !signbit(crowd.got[i]));
            n_zero += crowd.got[i] == 0.0;
        }
        crowd_free(&crowd);
    }
    assert_true(n_zero > 100); /* of values that are not 0: the case is there */
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
            for (size_t at = 4 * i; at < 4 * (i + 1); at++)
                for (size_t j = 0; j < 130; j++)
                    expected[t][j] += sky.mass[i] * sky.weights.share[at] * exp(-sky.tau[i] * sky.k[j]) *
                                      value[t][sky.weights.cell[at] * 130 + j];
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

/* From no axes to six. */
static void any_number_of_corners_agrees(void **state)
{
    (void)state;
    for (size_t n_corner = 1; n_corner <= WEIGHTS_CORNER_MAX; n_corner *= 2) {
        struct sky few = sky_open_of(n_corner, 3, 30, 100), sky = sky_open_of(n_corner, 200, 30, 300);

        expect_methods_agree("few", &few);
        expect_methods_agree("many", &sky);
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
    assert_int_equal(mix_screened_segments(&sky.in, ret, &arena, NULL), 0);
    assert_all_near("clear", 300, screened, bare, 1e-14); /* exp(0) is 1: the same sums */
    arena_free(&arena);
    sky_free(&sky);
}

/* ---- the interpolation itself ---------------------------------------------------------------- */

/* Largest error of n_node nodes for exp(-a x), -1 <= x <= 1, over its least value, exp(-a). */
static double interpolation_error(double a, size_t n_node)
{
    enum { N_K = 401 };
    double node[SCREEN_NODE_MAX], k[N_K], worst = 0.0;
    double *basis = filled(n_node * N_K, sizeof(*basis));

    for (size_t j = 0; j < N_K; j++)
        k[j] = 2.0 * (double)j / (N_K - 1) - 1.0;
    mix_nodes(0.0, 1.0, n_node, node);
    mix_basis(n_node, node, N_K, k, basis);
    for (size_t j = 0; j < N_K; j++) {
        double sum = 0.0, of_one = 0.0;

        for (size_t m = 0; m < n_node; m++) {
            sum += basis[m * N_K + j] * exp(-a * node[m]);
            of_one += basis[m * N_K + j];
        }
        assert_near(of_one, 1.0, 1e-13); /* constants are reproduced */
        worst = fmax(worst, fabs(sum - exp(-a * k[j])) * exp(a));
    }
    free(basis);
    return worst;
}

static void rules_keep_their_promise_and_waste_little(void **state)
{
    struct mix_rules rules;

    (void)state;
    for (double tolerance = 1e-14; tolerance < 2e-3; tolerance *= 10.0) {
        rules_make(tolerance, &rules);
        for (size_t i = 0; i < N_RULE; i++) {
            size_t n_node = 8 * (i + 1);
            double a = rules.a[i], rounding = 20.0 * DBL_EPSILON * exp(2.0 * a);

            assert_true(i == 0 || a > rules.a[i - 1]);
            assert_true(a < 0.5 * (double)n_node);            /* where the bound holds */
            for (double part = 1.0; part > 0.01; part *= 0.6) /* and for clearer screens */
                assert_true(interpolation_error(part * a, n_node) <= tolerance + rounding);
            /* A third more is too much: the bound is not far from the truth. */
            assert_true(interpolation_error(1.35 * a, n_node) > tolerance);
        }
    }
}

static void the_cheapest_way_is_chosen(void **state)
{
    struct sky sky = sky_open(2000, 30, 2400);
    struct mix_segment *grain = filled(100, sizeof(*grain)), *segment = filled(100, sizeof(*segment));
    struct mix_rules rules;
    size_t n_last = 100;

    (void)state;
    sky.in.range = MIX_RANGE_NONE;
    mix_range_add(&sky.in.range, 2000, sky.mass, sky.tau);
    assert_int_equal(sky.in.range.n, 2000);
    rules_make(MIX_TOLERANCE_DEFAULT, &rules);
    for (uint64_t n = 1; n <= 100000; n *= 10) { /* only the number of particles counts, not who is in hand */
        size_t n_segment, n_grain = 0;

        sky.in.range.n = n;
        n_segment = segments_choose(&sky.in, &rules, grain, segment);
        assert_true(n > 1 || n_segment == 0);                            /* one particle: directly */
        assert_true(n < 1000 || (n_segment > 0 && n_segment <= n_last)); /* more particles: fewer nodes */
        for (size_t i = 0; i < n_segment; n_grain += segment[i++].n_grain)
            assert_int_equal(segment[i].first_grain, n_grain);
        assert_int_equal(n_grain, n_segment ? 100 : 0); /* all columns, each once */
        n_last = n_segment ? n_segment : n_last;
    }
    free(grain);
    free(segment);
    sky_free(&sky);
}

static void the_basis_is_one_at_its_own_node(void **state)
{
    double node[7], basis[49];

    (void)state;
    mix_nodes(2.0, 1.5, 7, node);
    mix_basis(7, node, 7, node, basis);
    for (size_t m = 0; m < 7; m++) {
        assert_true(node[m] > 0.5);
        assert_true(node[m] < 3.5);
        for (size_t j = 0; j < 7; j++)
            assert_true(basis[m * 7 + j] == (m == j ? 1.0 : 0.0));
    }
}

static void the_vectorised_basis_is_the_plain_one(void **state)
{
    double node[SCREEN_NODE_MAX], k[SCREEN_GRAIN], expected[SCREEN_NODE_MAX * SCREEN_GRAIN];
    double got[SCREEN_NODE_MAX][SCREEN_GRAIN];
    struct mix_rules rules;
    enum isa best = isa_in_use();

    (void)state;
    rules_make(MIX_TOLERANCE_DEFAULT, &rules);
    for (size_t i = 0; i < N_RULE; i++) {
        size_t n_node = 8 * (i + 1);

        mix_nodes(2.0, 1.5, n_node, node);
        for (size_t j = 0; j < SCREEN_GRAIN; j++) /* some columns are at nodes */
            k[j] = j % 3 == 0 ? node[j % n_node] : 0.5 + 3.0 * (double)j / SCREEN_GRAIN;
        mix_basis(n_node, node, SCREEN_GRAIN, k, expected);
        for (int isa = 0; isa < ISA_N; isa++) {
            if (!isa_use((enum isa)isa))
                continue;
            FAST_TABLE(attenuate_fast)->make_basis(n_node, node, rules.w[i], k, got);
            assert_same_bits(isa_names[isa], n_node * SCREEN_GRAIN, got[0], expected);
        }
    }
    isa_use(best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_sums_are_the_double_loop),
        cmocka_unit_test(batches_have_the_bits_of_each_galaxy_alone),
        cmocka_unit_test(batches_have_the_same_zeros),
        cmocka_unit_test(the_definition_is_the_double_loop),
        cmocka_unit_test(random_screens_agree),
        cmocka_unit_test(any_number_of_corners_agrees),
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
        cmocka_unit_test(rules_keep_their_promise_and_waste_little),
        cmocka_unit_test(the_cheapest_way_is_chosen),
        cmocka_unit_test(the_basis_is_one_at_its_own_node),
        cmocka_unit_test(the_vectorised_basis_is_the_plain_one),
    };

    return cmocka_run_group_tests_name("mix", tests, NULL, NULL);
}
