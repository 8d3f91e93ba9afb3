/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Photometry of particles: tables of bands against the plain way, a spectrum for every particle which is then
 * put through filters. Both have all threads, the same particles and the same outputs.
 */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/dust_curve.h"
#include "polyphony/isa.h"
#include "polyphony/light.h"

enum { N_AGE = 51, N_METALLICITY = 13, N_CELL = N_AGE * N_METALLICITY, N_BAND = 8, N_LABEL_MAX = 11 };

/* A grid of the mission's size, a galaxy, and what is asked for. */
/* Places of parameters in their table. */
enum { TAU_V, FESC, FESC_LY_ALPHA };

struct scene {
    struct grid grid;
    struct galaxy galaxy;
    struct emission_program program;
    struct observe_columns columns;
    struct observe_parameter parameter[PARAMETER_MAX];
    struct stellar_light light;
    struct band band[N_BAND];
    size_t i_label[N_LABEL_MAX];
    struct observe_request request;
    struct observe_tables *tables;
    double *factor; /* [n_label][n_term of label][n_lambda] for the plain way */
    double *value, *plain;
    struct arena arena, tables_arena;
};

static double *random_values(struct bench *bench, struct arena *arena, size_t n, double low, double high)
{
    double *value = arena_array(arena, n, sizeof(*value));

    for (size_t i = 0; value && i < n; i++)
        value[i] = low + (high - low) * bench_random(bench);
    return value;
}

static double *even_values(struct arena *arena, size_t n, double low, double high)
{
    double *value = arena_array(arena, n, sizeof(*value));

    for (size_t i = 0; value && i < n; i++)
        value[i] = low + (high - low) * (double)i / (double)(n - 1);
    return value;
}

static void make_grid(struct bench *bench, struct scene *scene, size_t n_lambda)
{
    static const char *const names[] = { "incident", "transmitted", "linecont", "nebular_continuum" };
    struct arena *arena = &scene->arena;
    struct grid *grid = &scene->grid;
    double *lambda = even_values(arena, n_lambda, 2.0, 6.0);

    for (size_t j = 0; j < n_lambda; j++)
        lambda[j] = pow(10.0, lambda[j]);
    *grid = (struct grid) { .n_axis = 2,
                            .n_cell = N_CELL,
                            .axis = { { .quantity = GRID_AGE, .is_log = true },
                                      { .quantity = GRID_METALLICITY, .is_log = true } },
                            .nodes = { { N_AGE, even_values(arena, N_AGE, 6, 10) },
                                       { N_METALLICITY, even_values(arena, N_METALLICITY, -4, -1.5) } },
                            .n_lambda = n_lambda,
                            .lambda_rest_angstrom = lambda,
                            .n_spectrum = 4 };
    for (size_t s = 0; s < 4; s++) {
        strcpy(grid->spectrum[s].name, names[s]);
        grid->spectrum[s].lnu = random_values(bench, arena, N_CELL * n_lambda, 1e18, 1e20);
    }
}

/* Tau from particle to particle, or one number. */
static void make_program(struct scene *scene, bool is_screened)
{
    const bool is_per_particle[PARAMETER_MAX] = { [TAU_V] = is_screened };
    struct dust_curve curve;
    const struct emission_model *model;
    size_t n = scene->grid.n_lambda;
    double *k = arena_array(&scene->arena, n, sizeof(*k));
    bool *is_ly_alpha = arena_array(&scene->arena, n, sizeof(*is_ly_alpha));

    if (dust_curve_find("power_law", &curve, NULL) || emission_model_find("pacman", &model, NULL) ||
        emission_compile(model, &curve, is_per_particle, &scene->program, NULL))
        exit(1);
    dust_curve_k(&curve, n, scene->grid.lambda_rest_angstrom, k);
    emission_ly_alpha_pixels(n, scene->grid.lambda_rest_angstrom, is_ly_alpha);
    scene->columns = (struct observe_columns) { .n = n, .k = { k }, .is_ly_alpha = is_ly_alpha };
    for (size_t e = 0; e < scene->program.n_extract; e++)
        for (size_t s = 0; s < 4; s++)
            if (!strcmp(scene->program.extract[e], scene->grid.spectrum[s].name))
                scene->columns.value[e] = scene->grid.spectrum[s].lnu;
}

static void make_stars(struct bench *bench, struct scene *scene, size_t n, bool is_screened)
{
    struct arena *arena = &scene->arena;
    double *age = random_values(bench, arena, n, 6, 10),
           *metallicity = random_values(bench, arena, n, -4, -1.5);

    for (size_t i = 0; i < n; i++) {
        age[i] = pow(10.0, age[i]);
        metallicity[i] = pow(10.0, metallicity[i]);
    }
    scene->galaxy = (struct galaxy) { .particles[STARS].n = n,
                                      .particles[STARS].field[FIELD_INITIAL_MASS_MSUN] =
                                          random_values(bench, arena, n, 1e5, 1e6),
                                      .particles[STARS].field[FIELD_AGE_YR] = age,
                                      .particles[STARS].field[FIELD_METALLICITY] = metallicity };
    scene->parameter[TAU_V] =
        (struct observe_parameter) { .value = 0.5,
                                     .particle = is_screened ? random_values(bench, arena, n, 0, 3) : NULL };
    scene->parameter[FESC].value = 0.1;
    scene->parameter[FESC_LY_ALPHA].value = 0.5;
    scene->light = (struct stellar_light) {
        .program = &scene->program, .grid = &scene->grid, .scheme = WEIGHTS_CIC, .tolerance = 1e-10
    };
    if (observe_light_begin(&scene->light, arena, NULL) ||
        observe_light_place(&scene->light, &scene->galaxy, scene->parameter, arena, NULL))
        exit(1);
    observe_light_add(&scene->light);
    if (observe_light_end(&scene->light, arena, NULL))
        exit(1);
}

/* Eight bands side by side, of 4 % of the wavelengths each. */
static void make_request(struct bench *bench, struct scene *scene, size_t n_label)
{
    size_t n_lambda = scene->grid.n_lambda, n = n_lambda / 25, emergent;

    for (size_t b = 0; b < N_BAND; b++)
        scene->band[b] =
            (struct band) { n_lambda / 2 + b * n, n, random_values(bench, &scene->arena, n, 0, 1e-2) };
    if (emission_label_find(&scene->program, "emergent", &emergent, NULL))
        exit(1);
    for (size_t l = 0; l < n_label; l++)
        scene->i_label[l] = n_label == 1 ? emergent : l;
    scene->request = (struct observe_request) { n_label, scene->i_label, N_BAND, scene->band, NULL };
    scene->value =
        arena_array(&scene->arena, scene->galaxy.particles[STARS].n * n_label * N_BAND, sizeof(double));
    scene->plain =
        arena_array(&scene->arena, scene->galaxy.particles[STARS].n * n_label * N_BAND, sizeof(double));
}

/* ---- the plain way -------------------------------------------------------------------------------- */

/* Compiled for the instruction sets that there are, as the tables' kernels are. */
#if defined(__x86_64__)
#define EACH_ISA __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EACH_ISA
#endif

EACH_ISA static void mix_spectrum(size_t n, const double weight[4], const double *const row[4],
                                  double *restrict ret)
{
    const double *row0 = row[0], *row1 = row[1], *row2 = row[2], *row3 = row[3];

#pragma omp simd
    for (size_t j = 0; j < n; j++)
        ret[j] = weight[0] * row0[j] + weight[1] * row1[j] + weight[2] * row2[j] + weight[3] * row3[j];
}

EACH_ISA static void add_term(size_t n, const double *restrict factor, const double *restrict spectrum,
                              double *restrict sum)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        sum[j] += factor[j] * spectrum[j];
}

EACH_ISA static void add_screened_term(size_t n, const double *restrict factor,
                                       const double *restrict transmitted, const double *restrict spectrum,
                                       double *restrict sum)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        sum[j] += factor[j] * transmitted[j] * spectrum[j];
}

EACH_ISA static double integrate(size_t n, const double *restrict weight, const double *restrict spectrum)
{
    double sum = 0.0;

#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < n; j++)
        sum += weight[j] * spectrum[j];
    return sum;
}

/* exp() by a power of 2 and a series, within 1e-14: a vectorised library would not do it faster. */
EACH_ISA static void transmit(size_t n, double tau, const double *restrict k, double *restrict ret)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++) {
        double x = -tau * k[j] < -700.0 ? -700.0 : -tau * k[j];
        double shifted = x * 0x1.71547652b82fep+0 + 0x1.8p52, r, p = 1.0 / 39916800.0;
        int64_t bits;
        double power;

        memcpy(&bits, &shifted, sizeof(bits));
        r = x - (shifted - 0x1.8p52) * 0x1.62e42fefa39efp-1;
        p = p * r + 1.0 / 3628800.0;
        p = p * r + 1.0 / 362880.0;
        p = p * r + 1.0 / 40320.0;
        p = p * r + 1.0 / 5040.0;
        p = p * r + 1.0 / 720.0;
        p = p * r + 1.0 / 120.0;
        p = p * r + 1.0 / 24.0;
        p = p * r + 1.0 / 6.0;
        p = p * r + 0.5;
        p = p * r * r + r + 1.0;
        bits = (int64_t)((uint64_t)(bits + 1023) << 52);
        memcpy(&power, &bits, sizeof(power));
        ret[j] = p * power;
    }
}

/* The galaxy-wide factors of all terms, made once; Lyman alpha has no channel of its own here. */
static void make_factors(struct scene *scene)
{
    size_t n = scene->grid.n_lambda, at = 0;

    scene->factor = arena_array(&scene->arena, N_LABEL_MAX * EMISSION_TERM_MAX * n, sizeof(double));
    for (size_t l = 0; l < scene->request.n_label; l++) {
        const struct emission_label *label = &scene->program.label[scene->i_label[l]];

        for (size_t t = 0; t < label->n_term; t++, at++)
            for (size_t j = 0; j < n; j++) {
                double factor = 1.0;

                for (size_t f = 0; f < label->term[t].galaxy.n; f++) {
                    struct emission_factor own = label->term[t].galaxy.factor[f];
                    const struct emission_transform *transform = emission_transforms[own.i_transform];
                    double p = scene->parameter[own.i_parameter].value;

                    if (!transform->multiply)
                        factor *= exp(-p * scene->columns.k[0][j]);
                    else if (!transform->is_ly_alpha || scene->columns.is_ly_alpha[j])
                        transform->multiply(1, &p, &factor);
                }
                scene->factor[at * n + j] = factor;
            }
    }
}

static void make_plain_star(struct scene *scene, size_t i, double *scratch, double *ret_value)
{
    size_t n = scene->grid.n_lambda, n_extract = scene->program.n_extract, at = 0;
    const struct weights *weights = &scene->light.weights;
    double *label_spectrum = scratch + n_extract * n, *transmitted = label_spectrum + n;
    const double *tau = scene->parameter[TAU_V].particle;

    for (size_t e = 0; e < n_extract; e++) {
        double weight[4];
        const double *row[4];

        for (size_t c = 0; c < 4; c++) {
            weight[c] =
                scene->galaxy.particles[STARS].field[FIELD_INITIAL_MASS_MSUN][i] * weights->share[4 * i + c];
            row[c] = scene->columns.value[e] + weights->cell[4 * i + c] * n;
        }
        mix_spectrum(n, weight, row, scratch + e * n);
    }
    if (tau)
        transmit(n, tau[i], scene->columns.k[0], transmitted);
    for (size_t l = 0; l < scene->request.n_label; l++) {
        const struct emission_label *label = &scene->program.label[scene->i_label[l]];

        memset(label_spectrum, 0, n * sizeof(double));
        for (size_t t = 0; t < label->n_term; t++, at++) {
            const double *factor = scene->factor + at * n, *spectrum = scratch + label->term[t].i_extract * n;

            if (scene->program.channel[label->term[t].i_channel].is_attenuated)
                add_screened_term(n, factor, transmitted, spectrum, label_spectrum);
            else
                add_term(n, factor, spectrum, label_spectrum);
        }
        for (size_t b = 0; b < N_BAND; b++)
            ret_value[l * N_BAND + b] =
                integrate(scene->band[b].n, scene->band[b].weight, label_spectrum + scene->band[b].first);
    }
}

/* The plain way takes long: of many particles some are enough for a rate. */
enum { N_PLAIN_MAX = 1000 };

static size_t count_plain(const struct scene *scene)
{
    return scene->galaxy.particles[STARS].n < N_PLAIN_MAX ? scene->galaxy.particles[STARS].n : N_PLAIN_MAX;
}

static void run_plain(void *context)
{
    struct scene *scene = context;
    size_t n_plain = count_plain(scene), n_value = scene->request.n_label * N_BAND;

#pragma omp parallel default(none) shared(scene, n_plain, n_value)
    {
        double *scratch = mem_array((scene->program.n_extract + 2) * scene->grid.n_lambda, sizeof(double));

#pragma omp for schedule(static)
        for (size_t i = 0; i < n_plain; i++)
            make_plain_star(scene, i, scratch, scene->plain + i * n_value);
        free(scratch);
    }
}

/* ---- the tables ----------------------------------------------------------------------------------- */

static void run_tables(void *context)
{
    struct scene *scene = context;

    observe_particle_bands(scene->tables, &scene->light, 0, scene->galaxy.particles[STARS].n, scene->value);
}

static void run_making(void *context)
{
    struct scene *scene = context;

    arena_reset(&scene->tables_arena);
    if (observe_tables_make(&scene->light, &scene->columns, 1, &scene->request, &scene->tables,
                            &scene->tables_arena, NULL))
        exit(1);
    observe_tables_fill(scene->tables, &scene->light);
}

/* ---- a race ---------------------------------------------------------------------------------------- */

static void compare(struct bench *bench, const struct scene *scene, const char *size)
{
    size_t n_value = scene->request.n_label * N_BAND;
    char what[192];
    double worst = 0.0;

    for (size_t i = 0; i < count_plain(scene) * n_value; i++)
        worst = fmax(worst, fabs(scene->value[i] - scene->plain[i]) / fabs(scene->plain[i]));
    snprintf(what, sizeof(what), "%s: largest relative difference", size);
    bench_note(bench, "bands", what, worst, "");
}

static void race(struct bench *bench, struct scene *scene, const char *size)
{
    double n_star = (double)scene->galaxy.particles[STARS].n,
           n_value = (double)(scene->request.n_label * N_BAND);
    double n_lambda = (double)scene->grid.n_lambda, n_extract = (double)scene->program.n_extract;
    const struct bench_work plain = { .n = (double)count_plain(scene),
                                      .unit = "particles",
                                      .flop = (double)count_plain(scene) * n_lambda *
                                              (7 * n_extract + 4 * (double)scene->request.n_label) };
    /* Where there are no screens: four fma an output. Bytes: values written, weights read. */
    const struct bench_work tables = { .n = n_star,
                                       .unit = "particles",
                                       .flop = scene->parameter[TAU_V].particle ? 0 : n_star * n_value * 8,
                                       .bytes = n_star * (n_value * 8 + 56) };
    const struct bench_work making = { .n = (double)scene->light.cells.n, .unit = "cells" };
    double plain_s = bench_time(bench, run_plain, scene), making_s = bench_time(bench, run_making, scene);
    enum isa best = isa_in_use();
    char what[192];

    bench_add(bench, "bands", "plain", size, plain_s, &plain);
    bench_add(bench, "bands", "make tables", size, making_s, &making);
    for (int isa = 0; isa < ISA_N; isa++) {
        double tables_s;

        if (!isa_use((enum isa)isa))
            continue;
        tables_s = bench_time(bench, run_tables, scene);
        bench_add(bench, "bands", isa_names[isa], size, tables_s, &tables);
        if ((enum isa)isa != best)
            continue;
        plain_s *= n_star / (double)count_plain(scene);
        snprintf(what, sizeof(what), "%s: plain / tables", size);
        bench_note(bench, "bands", what, plain_s / tables_s, "times");
        snprintf(what, sizeof(what), "%s: plain / (tables and their making)", size);
        bench_note(bench, "bands", what, plain_s / (tables_s + making_s), "times");
    }
    isa_use(best);
    compare(bench, scene, size);
}

void bench_bands(struct bench *bench)
{
    static const size_t n_star[] = { 1000, 10000, 100000 }, n_label[] = { N_LABEL_MAX, 1 };
    size_t n_lambda = bench_is_quick(bench) ? 1000 : 9244;
    struct scene scene = { 0 };

    make_grid(bench, &scene, n_lambda);
    for (int is_screened = 0; is_screened < 2; is_screened++)
        for (size_t s = 0; s < (bench_is_quick(bench) ? 1 : 3); s++)
            for (size_t l = 0; l < 2; l++) {
                struct arena_mark mark = arena_mark(&scene.arena);
                char size[96];

                make_program(&scene, is_screened);
                make_stars(bench, &scene, n_star[s], is_screened);
                make_request(bench, &scene, n_label[l]);
                make_factors(&scene);
                snprintf(size, sizeof(size), "%zu particles, 8 filters x %zu labels%s", n_star[s], n_label[l],
                         is_screened ? ", own screens" : "");
                race(bench, &scene, size);
                arena_release(&scene.arena, mark);
            }
    arena_free(&scene.arena);
    arena_free(&scene.tables_arena);
}
