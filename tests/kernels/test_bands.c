/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/bands.h"

#include <float.h>
#include <omp.h>
#include <stdlib.h>

#include "../../src/kernels/bands_ref.h"
#include "../support.h"
#include "polyphony/isa.h"
#include "polyphony/mix.h"

enum { N_CELL = 60, N_COLUMN = 203 };

static void *made(size_t n, size_t size)
{
    void *array = mem_array(n, size);

    assert_non_null(array);
    return array;
}

static double *made_values(size_t n, uint64_t *seed, double low, double high)
{
    double *value = made(n, sizeof(*value));

    for (size_t i = 0; i < n; i++)
        value[i] = uniform(seed, low, high);
    return value;
}

/* ---- cutting ----------------------------------------------------------------------------------- */

/* A curve that falls, with a bump and a flat piece, a half of which is flat but for rounding. */
static void curve(size_t n, double *k)
{
    for (size_t j = 0; j < n; j++) {
        double x = (double)j / (double)n;

        k[j] = 4.0 * exp(-3.0 * x) + 1.5 * exp(-300.0 * (x - 0.4) * (x - 0.4));
        if (j > 3 * n / 4)
            k[j] = j > 7 * n / 8 ? 0.7 * (1.0 + 1e-16 * (double)(j % 3 - 1.0)) : 0.7;
    }
}

static const struct bands_columns some_bands[] = { { 10, 40 }, { 0, N_COLUMN }, { 70, 30 }, { 150, 1 },
                                                   { 5, 0 },   { 160, 43 },     { 50, 2 },  { 185, 15 } };
enum { N_BAND = sizeof(some_bands) / sizeof(*some_bands) };

/* Lanes cover their bands in order, without gaps, and know the range of k in them. */
static void expect_cover(const double *k, const struct bands_cut *cut, const struct bands_lane *lane)
{
    size_t i = 0;

    for (size_t b = 0; b < N_BAND; b++) {
        size_t at = some_bands[b].first;

        for (; i < cut->n_lane && lane[i].i_band == b; i++) {
            double k_min = HUGE_VAL, k_max = -HUGE_VAL;

            assert_int_equal(lane[i].first, at);
            assert_true(lane[i].n > 0);
            for (size_t j = at; j < at + lane[i].n; j++) {
                k_min = fmin(k_min, k[j]);
                k_max = fmax(k_max, k[j]);
            }
            assert_true(lane[i].k_min == k_min);
            assert_true(lane[i].k_max == k_max);
            assert_true(k_max - k_min <= cut->range);
            at += lane[i].n;
        }
        assert_int_equal(at, some_bands[b].first + some_bands[b].n);
    }
    assert_int_equal(i, cut->n_lane);
}

/* The interpolant of exp(-tau k) in a lane, against exp itself. */
static void expect_accurate(const double *k, const struct bands_lane *lane, size_t n_node, double tau,
                            double tolerance)
{
    double *basis = made(n_node * lane->n, sizeof(*basis)), node[BANDS_NODE_MAX];

    bands_make_nodes(lane, n_node, node);
    mix_basis(n_node, node, lane->n, k + lane->first, basis);
    for (size_t j = 0; j < lane->n; j++) {
        double sum = 0.0, error;

        for (size_t m = 0; m < n_node; m++)
            sum += basis[m * lane->n + j] * exp(-tau * node[m]);
        error = fabs(sum - exp(-tau * k[lane->first + j]));
        /* Rounding: k is good to half an epsilon of itself, exponents therefore to 4 tau epsilon. */
        if (!(error <= exp(-tau * lane->k_min) * (tolerance + (20.0 + 8.0 * tau) * DBL_EPSILON)))
            fail_msg("tau %g, %zu nodes, columns %zu+%zu: off by %.3g", tau, n_node, lane->first, lane->n,
                     error);
    }
    free(basis);
}

static void lanes_cover_their_bands_and_are_accurate(void **state)
{
    static const double tau_max[] = { 0, 1e-12, 1e-3, 0.1, 1, 3, 10, 30, 100, 1e4, 1e300 };
    struct bands_lane lane[500];
    double k[N_COLUMN];

    (void)state;
    curve(N_COLUMN, k);
    for (size_t i = 0; i < 4 * sizeof(tau_max) / sizeof(*tau_max); i++) {
        double tau = tau_max[i / 4], tolerance = pow(10.0, -4.0 - 3.0 * (double)(i % 4));
        struct bands_cut cut = bands_choose_cut(tau, tolerance, k, N_BAND, some_bands);

        assert_in_range(cut.n_lane, 7, 332); /* one a band with columns, to one a column */
        assert_in_range(cut.n_node, 1, BANDS_NODE_MAX);
        assert_true((cut.n_lane + 7) / 8 * cut.n_node <= 40); /* 332 columns of their own */
        bands_make_lanes(&cut, k, N_BAND, some_bands, lane);
        expect_cover(k, &cut, lane);
        for (size_t l = 0; l < cut.n_lane && tau < 1e5; l++)
            for (double part = 1.0; part > 0.1; part *= 0.6)
                expect_accurate(k, &lane[l], cut.n_node, part * tau, tolerance);
    }
}

/* A lane three times as long in k is not accurate any more: not many more nodes are taken than needed. */
static void lanes_are_not_shorter_than_needed(void **state)
{
    double k[N_COLUMN];
    const struct bands_columns all = { 0, N_COLUMN };

    (void)state;
    for (size_t j = 0; j < N_COLUMN; j++)
        k[j] = 1.0 + (double)j / N_COLUMN;
    for (double tau = 4.0; tau < 200.0; tau *= 1.7) {
        struct bands_cut cut = bands_choose_cut(tau, 1e-10, k, 1, &all);
        double basis[BANDS_NODE_MAX * N_COLUMN], node[BANDS_NODE_MAX], worst = 0.0;
        double half_range = 1.5 * cut.range;

        if (cut.n_lane == N_COLUMN || 3.0 * cut.range > k[N_COLUMN - 1] - k[0])
            continue;
        mix_nodes(k[0] + half_range, half_range, cut.n_node, node);
        mix_basis(cut.n_node, node, N_COLUMN, k, basis);
        for (size_t j = 0; j < N_COLUMN && k[j] <= k[0] + 2.0 * half_range; j++) {
            double sum = 0.0;

            for (size_t m = 0; m < cut.n_node; m++)
                sum += basis[m * N_COLUMN + j] * exp(-tau * (node[m] - k[0]));
            worst = fmax(worst, fabs(sum - exp(-tau * (k[j] - k[0]))));
        }
        if (!(worst > 1e-10))
            fail_msg("tau %g: %zu nodes, %zu lanes over %g: still %.3g", tau, cut.n_node, cut.n_lane,
                     cut.range, worst);
    }
}

static void without_depth_a_band_is_a_lane(void **state)
{
    double k[N_COLUMN];
    struct bands_cut cut;

    (void)state;
    curve(N_COLUMN, k);
    cut = bands_choose_cut(0.0, 1e-10, k, N_BAND, some_bands);
    assert_int_equal(cut.n_lane, 7);
    assert_int_equal(cut.n_node, 1);
    assert_int_equal(bands_choose_cut(5.0, 1e-10, k, 0, some_bands).n_lane, 0);
}

/* ---- rows ---------------------------------------------------------------------------------------- */

enum { N_DOT = 40, N_ROW = 16 };

/* Dots of all lengths around a vector's width, long ones, none; some to the same entry. */
struct dots {
    double *value, *factor;
    struct bands_dot dot[N_DOT];
};

static struct dots dots_make(void)
{
    uint64_t seed = 3;
    struct dots dots = { .value = made_values(N_CELL * N_COLUMN, &seed, -1, 1),
                         .factor = made_values(N_DOT * N_COLUMN, &seed, -1, 1) };

    dots.value[0] = 5e-324;
    dots.value[1] = -0.0;
    dots.value[2] = 1e300;
    for (size_t d = 0; d < N_DOT; d++) {
        size_t n = d < 20 ? d : 23 + 9 * (d - 20);

        dots.dot[d] = (struct bands_dot) { .value = dots.value,
                                           .first = d % 3 ? N_COLUMN - n : d % 2, /* to the very end, too */
                                           .n = n - (n == N_COLUMN ? d % 2 : 0),
                                           .factor = dots.factor + d * N_COLUMN + d % 2,
                                           .i_to = d * 7 % N_ROW };
    }
    return dots;
}

static void dots_free(struct dots *dots)
{
    free(dots->value);
    free(dots->factor);
}

static void rows_have_the_bits_of_their_definition(void **state)
{
    struct dots dots = dots_make();
    struct bands_table table = { .n_row = N_ROW, .row = made(N_CELL * N_ROW, sizeof(double)) };
    struct bands_table ref = { .n_row = N_ROW, .row = made(N_CELL * N_ROW, sizeof(double)) };
    enum isa before = isa_in_use();
    uint32_t cell[N_CELL];

    (void)state;
    for (uint32_t c = 0; c < N_CELL; c++)
        cell[c] = (c * 7 + 3) % N_CELL;
    for (int isa = 0; isa < ISA_N; isa++)
        for (size_t n_cell = 0; n_cell <= 20 && isa_use((enum isa)isa); n_cell++)
            for (int n_thread = 1; n_thread <= 3; n_thread++) {
                omp_set_num_threads(n_thread);
                memset(table.row, 0, N_CELL * N_ROW * sizeof(double));
                memset(ref.row, 0, N_CELL * N_ROW * sizeof(double));
                bands_fill(N_DOT, dots.dot, N_COLUMN, n_cell, cell, &table);
                bands_fill_ref(N_DOT, dots.dot, N_COLUMN, n_cell, cell, &ref);
                assert_same_bits(isa_names[isa], (size_t)N_CELL * N_ROW, table.row, ref.row);
            }
    isa_use(before);
    free(table.row);
    free(ref.row);
    dots_free(&dots);
}

/* Against a sum in long double; and one cell at a time, in any order, gives what all at once give. */
static void rows_are_sums_over_columns(void **state)
{
    struct dots dots = dots_make();
    struct bands_table table = { .n_row = N_ROW, .row = made(N_CELL * N_ROW, sizeof(double)) };

    (void)state;
    for (uint32_t c = N_CELL; c-- > 0;)
        bands_fill(N_DOT, dots.dot, N_COLUMN, 1, &c, &table);
    for (size_t c = 1; c < N_CELL; c++) { /* not the cell with 1e300 */
        long double sum[N_ROW] = { 0 };

        for (size_t d = 0; d < N_DOT; d++)
            for (size_t j = 0; j < dots.dot[d].n; j++)
                sum[dots.dot[d].i_to] +=
                    (long double)dots.dot[d].factor[j] * dots.value[c * N_COLUMN + dots.dot[d].first + j];
        for (size_t i = 0; i < N_ROW; i++) /* some 500 addends of up to 1 */
            assert_near(table.row[c * N_ROW + i], (double)sum[i], 1e-13);
    }
    free(table.row);
    dots_free(&dots);
}

/* ---- particles ------------------------------------------------------------------------------------- */

enum { N_PARTICLE = 150, N_OUTPUT_MAX = 45, N_NODE = 5, N_PART = 2 };

/* Two tables without screens, of which one has gaps, and one with, of two groups; outputs 0 ... n_output. */
struct scene {
    size_t n_output;
    struct weights weights;
    double *mass[2], *tau, *k;
    struct bands_table table[3];
    struct bands_run run[3];
    size_t to_begin[2 * N_PART + 1];
    struct bands_to to[2 * N_PART * 10];
};

static void make_screened_table(struct scene *scene, uint64_t *seed)
{
    struct bands_table *table = &scene->table[2];
    size_t n = 0;

    *table = (struct bands_table) { .n_row = 2 * N_PART * N_NODE * BANDS_LANES,
                                    .n_group = 2,
                                    .n_part = N_PART,
                                    .n_node = N_NODE,
                                    .to_begin = scene->to_begin,
                                    .to = scene->to };
    table->row = made_values(N_CELL * table->n_row, seed, 0, 1e25);
    scene->k = made_values(2 * N_NODE * BANDS_LANES, seed, 0.0, 5);
    table->k = scene->k;
    for (size_t p = 0; p < 2 * N_PART; p++) {
        scene->to_begin[p] = n;
        for (uint32_t l = 0; l < 10 - p; l++) /* lanes of the same output, and outputs of the same lane */
            scene->to[n++] = (struct bands_to) { l % 7, (uint32_t)((p * 5 + l) % scene->n_output) };
    }
    scene->to_begin[2 * N_PART] = n;
}

/* Not to be copied: tables point into the scene. */
static void scene_make_of(struct scene *scene, size_t n_corner, size_t n_output)
{
    uint64_t seed = n_output;
    size_t half = n_output / 2;

    *scene = (struct scene) { .n_output = n_output, .weights = { .n = N_PARTICLE, .n_corner = n_corner } };
    scene->weights.cell = made(N_PARTICLE, n_corner * sizeof(*scene->weights.cell));
    scene->weights.share = made(N_PARTICLE, n_corner * sizeof(*scene->weights.share));
    for (size_t i = 0; i < N_PARTICLE; i++)
        for (size_t c = 0; c < n_corner; c++) {
            scene->weights.cell[i * n_corner + c] = (uint32_t)uniform(&seed, 0, N_CELL);
            scene->weights.share[i * n_corner + c] = i % 5 == 0 ? (c == n_corner / 2) : uniform(&seed, 0, 1);
        }
    for (size_t m = 0; m < 2; m++) {
        scene->mass[m] = made_values(N_PARTICLE, &seed, 1e3, 1e6);
        scene->mass[m][3] = scene->mass[m][N_PARTICLE - 1] = 0.0;
        scene->mass[m][4] = 5e-324;
        scene->mass[m][5] = 1e280;
    }
    scene->tau = made_values(N_PARTICLE, &seed, 0, 20);
    scene->tau[0] = 0.0;
    scene->tau[1] = 1e308;
    scene->tau[2] = 5e-324;
    scene->tau[6] = 140.0; /* exp() is denormal at some nodes */
    scene->run[0] = (struct bands_run) { 0, 0, n_output };
    scene->run[1] = (struct bands_run) { 0, half, n_output - half };
    scene->run[2] = (struct bands_run) { n_output - half, 0, half };
    for (size_t t = 0; t < 2; t++) {
        struct bands_table *table = &scene->table[t];

        *table =
            (struct bands_table) { .n_row = (n_output + 7) / 8 * 8, .n_run = 1 + t, .run = scene->run + t };
        table->row = made_values(N_CELL * table->n_row, &seed, 0, 1e25);
    }
    make_screened_table(scene, &seed);
}

static void scene_make(struct scene *scene, size_t n_output)
{
    scene_make_of(scene, 4, n_output);
}

static void scene_free(struct scene *scene)
{
    free(scene->weights.cell);
    free(scene->weights.share);
    for (size_t t = 0; t < 3; t++)
        free(scene->table[t].row);
    free(scene->mass[0]);
    free(scene->mass[1]);
    free(scene->tau);
    free(scene->k);
}

static void scene_sources(const struct scene *scene, struct bands_source *ret_source)
{
    ret_source[0] = (struct bands_source) { &scene->table[0], scene->mass[0], NULL };
    ret_source[1] = (struct bands_source) { &scene->table[1], scene->mass[1], NULL };
    ret_source[2] = (struct bands_source) { &scene->table[2], scene->mass[0], scene->tau };
}

static double fast_value[N_PARTICLE * N_OUTPUT_MAX], ref_value[N_PARTICLE * N_OUTPUT_MAX];

static void bare_values_have_the_bits_of_their_definition(void **state)
{
    enum isa before = isa_in_use();

    (void)state;
    for (size_t n_output = 1; n_output <= N_OUTPUT_MAX; n_output++) {
        struct scene scene;
        struct bands_source source[3];

        scene_make_of(&scene, n_output % 3 ? 4 : (size_t)1 << n_output / 3 % 7, n_output);
        scene_sources(&scene, source);
        bands_particles_ref(&scene.weights, 0, N_PARTICLE, 2, source, n_output, ref_value);
        for (int isa = 0; isa < ISA_N; isa++) {
            if (!isa_use((enum isa)isa))
                continue;
            memset(fast_value, 0xff, sizeof(fast_value));
            bands_particles(&scene.weights, 0, N_PARTICLE, 2, source, n_output, fast_value);
            assert_same_bits(isa_names[isa], N_PARTICLE * n_output, fast_value, ref_value);
        }
        isa_use(before);
        scene_free(&scene);
    }
}

static void screened_values_are_those_of_their_definition(void **state)
{
    (void)state;
    for (size_t n_output = 1; n_output <= N_OUTPUT_MAX; n_output += 4) {
        struct scene scene;
        struct bands_source source[3];

        scene_make_of(&scene, (size_t)1 << n_output / 4 % 7, n_output);
        scene_sources(&scene, source);
        bands_particles_ref(&scene.weights, 0, N_PARTICLE, 3, source, n_output, ref_value);
        bands_particles(&scene.weights, 0, N_PARTICLE, 3, source, n_output, fast_value);
        for (size_t i = 0; i < N_PARTICLE * n_output; i++) /* exp to some ulp, some dozen positive terms */
            assert_near(fast_value[i], ref_value[i], 1e-14 * ref_value[i]);
        scene_free(&scene);
    }
}

/* In pieces, in any number of threads, with each instruction set. */
static void values_have_the_same_bits_however_they_are_made(void **state)
{
    static const size_t step[] = { 1, 7, 64, N_PARTICLE };
    enum { N_OUTPUT = 19 };
    struct scene scene;
    enum isa before = isa_in_use();
    struct bands_source source[3];

    (void)state;
    scene_make(&scene, N_OUTPUT);
    scene_sources(&scene, source);
    omp_set_num_threads(1);
    bands_particles(&scene.weights, 0, N_PARTICLE, 3, source, N_OUTPUT, ref_value);
    for (int isa = 0; isa < ISA_N; isa++)
        for (size_t s = 0; s < 4 && isa_use((enum isa)isa); s++)
            for (int n_thread = 1; n_thread <= 5; n_thread += 2) {
                omp_set_num_threads(n_thread);
                memset(fast_value, 0xff, sizeof(fast_value));
                for (size_t first = 0; first < N_PARTICLE; first += step[s])
                    bands_particles(&scene.weights, first,
                                    N_PARTICLE - first < step[s] ? N_PARTICLE - first : step[s], 3, source,
                                    N_OUTPUT, fast_value + first * N_OUTPUT);
                assert_same_bits(isa_names[isa], N_PARTICLE * N_OUTPUT, fast_value, ref_value);
            }
    isa_use(before);
    scene_free(&scene);
}

static void no_particles_and_no_outputs_are_fine(void **state)
{
    struct scene scene;
    struct bands_source source[3];
    double value = 7.0;

    (void)state;
    scene_make(&scene, 3);
    scene_sources(&scene, source);
    bands_particles(&scene.weights, 0, 0, 3, source, 3, &value);
    bands_particles(&scene.weights, 0, N_PARTICLE, 0, source, 0, &value);
    bands_total(0, 1, &value, &value);
    bands_cells(0, NULL, NULL, &scene.table[0], &value);
    assert_true(value == 7.0);
    scene_free(&scene);
}

static void particles_without_mass_give_nothing_whatever_their_rows(void **state)
{
    struct scene scene;
    struct bands_source source[3];

    (void)state;
    scene_make(&scene, 4);
    scene_sources(&scene, source);
    for (size_t t = 0; t < 3; t++)
        for (size_t i = 0; i < N_CELL * scene.table[t].n_row; i++)
            scene.table[t].row[i] = (double)NAN;
    bands_particles(&scene.weights, 3, 1, 3, source, 4, fast_value);
    for (size_t o = 0; o < 4; o++)
        assert_true(fast_value[o] == 0.0);
    scene_free(&scene);
}

/* Histogram times table is the sum of the particles. */
static void totals_are_those_of_cells(void **state)
{
    enum { N_OUTPUT = 13 };
    struct scene scene;
    double total[N_OUTPUT] = { 0 }, of_cells[N_OUTPUT] = { 0 }, histogram[N_CELL] = { 0 };
    enum isa before = isa_in_use();
    struct bands_source source[3];
    uint32_t cell[N_CELL];

    (void)state;
    scene_make(&scene, N_OUTPUT);
    scene_sources(&scene, source);
    for (uint32_t c = 0; c < N_CELL; c++)
        cell[c] = c;
    scene.mass[1][5] = 1e5;
    weights_histogram(&scene.weights, scene.mass[1], histogram);
    bands_particles(&scene.weights, 0, N_PARTICLE, 1, source + 1, N_OUTPUT, fast_value);
    bands_total(N_PARTICLE, N_OUTPUT, fast_value, total);
    bands_cells(N_CELL, cell, histogram, &scene.table[1], of_cells);
    for (size_t o = 0; o < N_OUTPUT; o++) /* 600 positive terms */
        assert_near(total[o], of_cells[o], 1e-13 * of_cells[o]);
    for (int isa = 0; isa < ISA_N; isa++) {
        double again[N_OUTPUT] = { 0 };

        if (!isa_use((enum isa)isa))
            continue;
        bands_cells(N_CELL, cell, histogram, &scene.table[1], again);
        assert_same_bits(isa_names[isa], N_OUTPUT, again, of_cells);
    }
    isa_use(before);
    scene_free(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_cover_their_bands_and_are_accurate),
        cmocka_unit_test(lanes_are_not_shorter_than_needed),
        cmocka_unit_test(without_depth_a_band_is_a_lane),
        cmocka_unit_test(rows_have_the_bits_of_their_definition),
        cmocka_unit_test(rows_are_sums_over_columns),
        cmocka_unit_test(bare_values_have_the_bits_of_their_definition),
        cmocka_unit_test(screened_values_are_those_of_their_definition),
        cmocka_unit_test(values_have_the_same_bits_however_they_are_made),
        cmocka_unit_test(no_particles_and_no_outputs_are_fine),
        cmocka_unit_test(particles_without_mass_give_nothing_whatever_their_rows),
        cmocka_unit_test(totals_are_those_of_cells),
    };

    return cmocka_run_group_tests_name("bands", tests, NULL, NULL);
}
