/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small grids and galaxies in memory, and what they must look like: a plain loop over stars and wavelengths,
 * written from docs/physics.md 2 and 3 alone.
 */
#pragma once

#include "polyphony/dust_curve.h"
#include "polyphony/light.h"

#include <stdlib.h>

#include "../support.h"

/* Places of parameters in their table. */
enum { TAU_V, FESC, FESC_LY_ALPHA };

enum spectrum { INCIDENT, TRANSMITTED, LINECONT, NEBULAR_CONTINUUM, N_SPECTRUM };
static const char *const spectrum_names[N_SPECTRUM] = { "incident", "transmitted", "linecont",
                                                        "nebular_continuum" };

static const double node_age_yr[] = { 1e6, 1e7, 1e8, 1e9 }, node_metallicity[] = { 0.001, 0.004, 0.02 };
static const double mini_lambda[] = {
    500, 900, 1100, 1200, 1216, 1230, 1500, 3000, 5500, 8000, 12000, 20000
};
static const double line_lambda[] = { 1215.67, 4861.32, 6562.8 };

/* The reference package's mini grid: values by age i, metallicity j and wavelength k. */
static inline double mini_lnu(enum spectrum spectrum, double i, double j, double k, double lambda)
{
    double incident = 1e20 * (1 + i) * (1 + 0.5 * j) * (1 + 0.1 * k);

    (void)lambda;
    switch (spectrum) {
    case INCIDENT:
        return incident;
    case TRANSMITTED:
        return k >= 2 ? 0.6 * incident : 0.0;
    case LINECONT:
        return 1e18 * (4 - i) * (1 + j) * (k == 4 ? 50 : 1);
    default:
        return 1e17 * (4 - i) * (1 + k);
    }
}

/* A grid of many wavelengths, wavy, opaque below the Lyman limit, with a line at Lyman alpha. */
static inline double wide_lnu(enum spectrum spectrum, double i, double j, double k, double lambda)
{
    double incident =
        1e20 * (1 + i) * (1 + 0.5 * j) * pow(lambda / 5000, 1 - i) * (1 + 0.3 * sin(lambda / 70));

    (void)k;
    switch (spectrum) {
    case INCIDENT:
        return incident;
    case TRANSMITTED:
        return lambda >= 912 ? 0.6 * incident : 0.0;
    case LINECONT:
        return 1e18 * (4 - i) * (1 + j) * (fabs(lambda - 1216) < 10 ? 50 : 1);
    default:
        return 1e17 * (4 - i) * (1 + lambda / 3000);
    }
}

static inline void *made_array(size_t n, size_t size)
{
    void *array = mem_array(n, size);

    assert_non_null(array);
    return array;
}

static inline double *made_log10(size_t n, const double *value)
{
    double *log10_value = made_array(n, sizeof(double));

    for (size_t i = 0; i < n; i++)
        log10_value[i] = log10(value[i]);
    return log10_value;
}

static inline double *made_copy(size_t n, const double *value)
{
    double *copy = made_array(n, sizeof(double));

    memcpy(copy, value, n * sizeof(double));
    return copy;
}

/* A table that grid_free() frees. */
static inline double *made_table(struct grid *grid, size_t n)
{
    double *table = made_array(n, sizeof(double));

    grid->table[grid->n_table++] = (struct node_table) { .value = table, .n_byte = n * sizeof(double) };
    return table;
}

static inline void made_lines(struct grid *grid, struct grid_spectrum *spectrum, enum spectrum which)
{
    size_t n = grid->n_line;
    double *table = made_table(grid, grid->n_cell * n);

    if (which == LINECONT)
        spectrum->line_luminosity = table;
    else
        spectrum->line_continuum = table;
    for (size_t c = 0; c < grid->n_cell; c++)
        for (size_t l = 0; l < n; l++) {
            double i = (double)(c / 3), j = (double)(c % 3), k = (double)l;
            const double *lambda = grid->lambda_rest_angstrom;
            size_t at = 0;

            while (lambda[at + 1] <= line_lambda[l])
                at++;
            if (which == LINECONT)
                table[c * n + l] = 1e33 * (4 - i) * (1 + j) * (1 + k);
            else if (which == NEBULAR_CONTINUUM)
                table[c * n + l] = 1e17 * (4 - i) * (2 + k);
            else if (which == TRANSMITTED)
                table[c * n + l] = 0.5e20 * (1 + i) * (1 + k);
            else
                table[c * n + l] =
                    spectrum->lnu[c * grid->n_lambda + at] +
                    (spectrum->lnu[c * grid->n_lambda + at + 1] - spectrum->lnu[c * grid->n_lambda + at]) *
                        (line_lambda[l] - lambda[at]) / (lambda[at + 1] - lambda[at]);
        }
}

/* All four spectra and three lines; free with grid_free(). */
static inline struct grid *made_grid(size_t n_lambda, const double *lambda,
                                     double (*lnu)(enum spectrum, double, double, double, double))
{
    struct grid *grid = made_array(1, sizeof(*grid));

    *grid = (struct grid) { .name = "made",
                            .n_axis = 2,
                            .n_axis_all = 2,
                            .axis = { { .quantity = GRID_AGE, .n = 4 },
                                      { .quantity = GRID_METALLICITY, .n = 3 } },
                            .n_cell = 12,
                            .n_lambda = n_lambda,
                            .n_line = 3,
                            .n_spectrum = N_SPECTRUM };
    for (size_t a = 0; a < 2; a++) {
        struct grid_axis *axis = &grid->axis[a];
        const double *node = a ? node_metallicity : node_age_yr;

        axis->is_log = true;
        axis->node = made_copy(axis->n, node);
        axis->log10_node = made_log10(axis->n, node);
        grid->nodes[a] = (struct axis_nodes) { axis->n, axis->log10_node };
    }
    grid->lambda_rest_angstrom = made_copy(n_lambda, lambda);
    grid->line_lambda_rest_angstrom = made_copy(3, line_lambda);
    grid->line_id = made_array(3, sizeof(*grid->line_id));
    for (size_t s = 0; s < N_SPECTRUM; s++) {
        struct grid_spectrum *spectrum = &grid->spectrum[s];
        double *table = made_table(grid, 12 * n_lambda);

        strcpy(spectrum->name, spectrum_names[s]);
        spectrum->lnu = table;
        for (size_t c = 0; c < 12; c++)
            for (size_t k = 0; k < n_lambda; k++)
                table[c * n_lambda + k] =
                    lnu((enum spectrum)s, (double)(c / 3), (double)(c % 3), (double)k, lambda[k]);
        made_lines(grid, spectrum, (enum spectrum)s);
    }
    return grid;
}

/* ---- columns of a program -------------------------------------------------------------------- */

enum table { SPECTRA, LINE_LUMINOSITY, LINE_CONTINUUM };

/* k and is_ly_alpha are of the arena. */
static inline struct observe_columns made_columns(const struct grid *grid,
                                                  const struct emission_program *program, enum table table,
                                                  struct arena *arena)
{
    struct dust_curve power_law;
    size_t n = table == SPECTRA ? grid->n_lambda : grid->n_line;
    const double *lambda = table == SPECTRA ? grid->lambda_rest_angstrom : grid->line_lambda_rest_angstrom;
    double *k = arena_array(arena, n, sizeof(*k));
    bool *is_ly_alpha = arena_array(arena, n, sizeof(*is_ly_alpha));
    struct observe_columns columns = { .n = n, .k = { k }, .is_ly_alpha = is_ly_alpha };

    assert_int_equal(dust_curve_find("power_law", &power_law, NULL), 0);
    dust_curve_k(&power_law, n, lambda, k);
    if (table == SPECTRA)
        emission_ly_alpha_pixels(n, lambda, is_ly_alpha);
    else
        emission_ly_alpha_lines(grid->n_lambda, grid->lambda_rest_angstrom, n, lambda, is_ly_alpha);
    for (size_t e = 0; e < program->n_extract; e++)
        for (size_t s = 0; s < N_SPECTRUM; s++)
            if (!strcmp(program->extract[e], spectrum_names[s]))
                columns.value[e] = table == SPECTRA           ? grid->spectrum[s].lnu
                                   : table == LINE_LUMINOSITY ? grid->spectrum[s].line_luminosity
                                                              : grid->spectrum[s].line_continuum;
    return columns;
}

/* ---- stars ----------------------------------------------------------------------------------- */

/* The reference package's six stars. */
static const double six_mass_msun[] = { 1e5, 2e5, 3e5, 4e5, 5e5, 6e5 };
static const double six_age_yr[] = { 3e6, 1e7, 5e8, 2e5, 5e10, 9.99e8 };
static const double six_metallicity[] = { 0.002, 0.004, 0.015, 0.0001, 0.05, 0.0010000001 };
static const double six_x_kpc[] = { 0.1, -1.0, 0.7, -0.3, 1.2, -0.7 };
static const double six_y_kpc[] = { -0.2, 0.5, 0.9, -0.8, -0.1, -0.3 };
static const double six_z_kpc[] = { 0.3, -0.4, 1.1, -1.2, 0.05, 0.15 };
static const double six_h_kpc[] = { 0.2, 0.3, 0.25, 0.5, 0.1, 0.8 };

static const struct galaxy six_stars = { .row = 4,
                                         .id = 42,
                                         .redshift = 1.0,
                                         .particles[STARS].n = 6,
                                         .particles[STARS].field[FIELD_INITIAL_MASS_MSUN] = six_mass_msun,
                                         .particles[STARS].field[FIELD_AGE_YR] = six_age_yr,
                                         .particles[STARS].field[FIELD_METALLICITY] = six_metallicity,
                                         .particles[STARS].field[FIELD_X_KPC] = six_x_kpc,
                                         .particles[STARS].field[FIELD_Y_KPC] = six_y_kpc,
                                         .particles[STARS].field[FIELD_Z_KPC] = six_z_kpc,
                                         .particles[STARS].field[FIELD_SMOOTHING_KPC] = six_h_kpc };

static inline double *made_uniform(size_t n, uint64_t *seed, double low, double high, struct arena *arena)
{
    double *value = arena_array(arena, n, sizeof(*value));

    for (size_t i = 0; i < n; i++)
        value[i] = uniform(seed, low, high);
    return value;
}

/* n stars all over the grid and beyond, within 5 kpc; arrays are of the arena. */
static inline struct galaxy made_stars(size_t n, struct arena *arena)
{
    uint64_t seed = n + 1;
    double *age = made_uniform(n, &seed, 5.5, 9.5, arena),
           *metallicity = made_uniform(n, &seed, -3.5, -1.5, arena);
    struct galaxy galaxy = { .row = 3, .id = 1000, .redshift = 1.0, .particles[STARS].n = n };

    for (size_t i = 0; i < n; i++) {
        age[i] = pow(10.0, age[i]);
        metallicity[i] = pow(10.0, metallicity[i]);
    }
    galaxy.particles[STARS].field[FIELD_AGE_YR] = age;
    galaxy.particles[STARS].field[FIELD_METALLICITY] = metallicity;
    galaxy.particles[STARS].field[FIELD_INITIAL_MASS_MSUN] = made_uniform(n, &seed, 1e4, 1e6, arena);
    galaxy.particles[STARS].field[FIELD_X_KPC] = made_uniform(n, &seed, -5, 5, arena);
    galaxy.particles[STARS].field[FIELD_Y_KPC] = made_uniform(n, &seed, -5, 5, arena);
    galaxy.particles[STARS].field[FIELD_Z_KPC] = made_uniform(n, &seed, -5, 5, arena);
    galaxy.particles[STARS].field[FIELD_SMOOTHING_KPC] = made_uniform(n, &seed, 0.1, 1.0, arena);
    return galaxy;
}

/* ---- the plain loop -------------------------------------------------------------------------- */

/* Cloud in cell on one logarithmic axis. */
static inline void plain_bracket(size_t n, const double *node, double x, size_t *ret_lower,
                                 double *ret_fraction)
{
    double at = log10(x);

    *ret_lower = 0;
    while (*ret_lower + 2 < n && at >= log10(node[*ret_lower + 1]))
        ++*ret_lower;
    *ret_fraction = (at - log10(node[*ret_lower])) / (log10(node[*ret_lower + 1]) - log10(node[*ret_lower]));
    *ret_fraction = fmin(fmax(*ret_fraction, 0.0), 1.0);
}

static inline double plain_parameter(const struct observe_parameter *parameter, size_t i)
{
    return parameter->particle ? parameter->particle[i] : parameter->value;
}

/* One star under one label, ret_value[columns->n] (docs/physics.md 3). */
static inline void plain_star(const struct galaxy *galaxy, size_t i, const struct emission_program *program,
                              const struct observe_columns *columns,
                              const struct observe_parameter *parameter, const char *label, double *ret_value)
{
    double tau = plain_parameter(&parameter[TAU_V], i), fesc = plain_parameter(&parameter[FESC], i);
    double fesc_ly_alpha = plain_parameter(&parameter[FESC_LY_ALPHA], i), f0, f1;
    size_t i0, i1;

    plain_bracket(4, node_age_yr, galaxy->particles[STARS].field[FIELD_AGE_YR][i], &i0, &f0);
    plain_bracket(3, node_metallicity, galaxy->particles[STARS].field[FIELD_METALLICITY][i], &i1, &f1);
    for (size_t j = 0; j < columns->n; j++) {
        double s[N_SPECTRUM] = { 0 }, line, nebular, transmitted, escaped, reprocessed, attenuated;

        for (size_t e = 0; e < program->n_extract; e++)
            for (size_t which = 0; which < N_SPECTRUM; which++) {
                const double *value = columns->value[e];

                if (!value || strcmp(program->extract[e], spectrum_names[which]))
                    continue;
                s[which] = galaxy->particles[STARS].field[FIELD_INITIAL_MASS_MSUN][i] *
                           ((1 - f0) * ((1 - f1) * value[(i0 * 3 + i1) * columns->n + j] +
                                        f1 * value[(i0 * 3 + i1 + 1) * columns->n + j]) +
                            f0 * ((1 - f1) * value[((i0 + 1) * 3 + i1) * columns->n + j] +
                                  f1 * value[((i0 + 1) * 3 + i1 + 1) * columns->n + j]));
            }
        line = s[LINECONT] * (columns->is_ly_alpha[j] ? fesc_ly_alpha : 1.0);
        nebular = line + s[NEBULAR_CONTINUUM];
        transmitted = s[TRANSMITTED] * (1.0 - fesc);
        escaped = s[INCIDENT] * fesc;
        reprocessed = nebular + transmitted;
        attenuated = reprocessed * exp(-tau * columns->k[0][j]);
        ret_value[j] = !strcmp(label, "emergent")            ? attenuated + escaped
                       : !strcmp(label, "attenuated")        ? attenuated
                       : !strcmp(label, "reprocessed")       ? reprocessed
                       : !strcmp(label, "transmitted")       ? transmitted
                       : !strcmp(label, "full_transmitted")  ? s[TRANSMITTED]
                       : !strcmp(label, "nebular")           ? nebular
                       : !strcmp(label, "nebular_continuum") ? s[NEBULAR_CONTINUUM]
                       : !strcmp(label, "nebular_line")      ? line
                       : !strcmp(label, "escaped")           ? escaped
                       : !strcmp(label, "incident")          ? s[INCIDENT]
                       : !strcmp(label, "intrinsic")         ? reprocessed + escaped
                                                             : (double)NAN;
    }
}

/* ---- a scene --------------------------------------------------------------------------------- */

enum { N_WIDE = 700 };

/* A grid, a galaxy and a model in hand; everything but the grid is of the arena. */
struct scene {
    struct grid *grid;
    struct galaxy galaxy;
    struct emission_program program;
    struct observe_columns columns[3]; /* by enum table */
    struct observe_parameter parameter[PARAMETER_MAX];
    struct stellar_light light;
    enum observe_method method;
    struct arena arena;
};

/* A galaxy in one tile, from the beginning to the end. */
static inline int light_all(struct stellar_light *light, const struct galaxy *galaxy,
                            const struct observe_parameter *parameter, struct arena *arena, struct error *err)
{
    int r = observe_light_begin(light, arena, err);

    if (!r)
        r = observe_light_place(light, galaxy, parameter, arena, err);
    if (r)
        return r;
    observe_light_add(light);
    return observe_light_end(light, arena, err);
}

static inline int sums_all(const struct stellar_light *light, const struct observe_columns *columns,
                           double *const *label, struct arena *arena, struct error *err)
{
    struct observe_sums sums;
    bool is_wanted[EMISSION_LABEL_MAX];
    struct observe_sums *all = &sums;
    int r;

    for (size_t l = 0; l < EMISSION_LABEL_MAX; l++)
        is_wanted[l] = label[l] != NULL;
    r = observe_sums_begin(light, columns, is_wanted, 0, &sums, arena, err);

    if (!r)
        r = observe_sums_add(light, &sums, arena, err);
    if (!r)
        observe_sums_next(light, &sums);
    assert_true(r || sums.is_done);
    if (!r)
        r = observe_sums_mix(1, &light, &all, arena, err);
    return r ? r : observe_sums_end(light, &sums, label, arena, err);
}

/* tau_v, fesc and fesc_ly_alpha as numbers; the arrays, where not NULL, star by star. */
static inline void scene_light(struct scene *scene, enum observe_method method, const double value[3],
                               const double *const particle[3])
{
    const struct emission_model *model = NULL;
    struct dust_curve curve;
    bool is_per_particle[PARAMETER_MAX];
    struct error err = { "" };

    for (size_t p = 0; p < parameter_count(); p++) {
        scene->parameter[p] = (struct observe_parameter) { value[p], particle[p], NULL };
        is_per_particle[p] = particle[p] != NULL;
    }
    if (dust_curve_find("power_law", &curve, &err) || emission_model_find("pacman", &model, &err) ||
        emission_compile(model, &curve, is_per_particle, &scene->program, &err))
        fail_msg("%s", err.text);
    for (size_t t = 0; t < 3; t++)
        scene->columns[t] = made_columns(scene->grid, &scene->program, (enum table)t, &scene->arena);
    scene->light = (struct stellar_light) {
        .program = &scene->program, .grid = scene->grid, .scheme = WEIGHTS_CIC, .tolerance = 1e-10
    };
    scene->method = method;
    if (light_all(&scene->light, &scene->galaxy, scene->parameter, &scene->arena, &err))
        fail_msg("%s", err.text);
}

static inline struct scene mini_scene(void)
{
    return (struct scene) { .grid = made_grid(12, mini_lambda, mini_lnu), .galaxy = six_stars };
}

static inline struct scene wide_scene(size_t n_star)
{
    struct scene scene = { 0 };
    double lambda[N_WIDE];

    for (size_t j = 0; j < N_WIDE; j++)
        lambda[j] = 600.0 * pow(30.0, (double)j / (N_WIDE - 1));
    scene.grid = made_grid(N_WIDE, lambda, wide_lnu);
    scene.galaxy = made_stars(n_star, &scene.arena);
    return scene;
}

static inline void scene_close(struct scene *scene)
{
    grid_free(scene->grid);
    arena_free(&scene->arena);
}

static inline size_t label_index(const struct scene *scene, const char *label)
{
    size_t i = 99;

    assert_int_equal(emission_label_find(&scene->program, label, &i, NULL), 0);
    return i;
}

/* All labels of one table, [n_label][columns]. */
static inline double *sum_all(struct scene *scene, enum table table)
{
    const struct observe_columns *columns = &scene->columns[table];
    size_t n = scene->program.n_label * columns->n;
    double *sum = arena_array(&scene->arena, n, sizeof(*sum)), *label[EMISSION_LABEL_MAX] = { 0 };
    struct error err = { "" };

    /* The direct method adds to what is there, the fast one writes. */
    memset(sum, scene->method == OBSERVE_DIRECT ? 0 : 0xff, n * sizeof(*sum));
    for (size_t l = 0; l < scene->program.n_label; l++)
        label[l] = sum + l * columns->n;
    if (scene->method == OBSERVE_DIRECT
            ? observe_direct(&scene->light, columns, label, 0, NULL, &scene->arena, &err)
            : sums_all(&scene->light, columns, label, &scene->arena, &err))
        fail_msg("%s", err.text);
    return sum;
}
