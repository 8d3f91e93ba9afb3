/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "observe_private.h"

#include <float.h>
#include <math.h>
#include <string.h>

static int no_memory(const struct galaxy *galaxy, struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "galaxy %lld: no memory for the light of %zu stars",
                     (long long)galaxy->id, galaxy->n_star);
}

/* ---- placing and weighting the stars ---------------------------------------------------------------- */

/* One parameter of a galaxy, in all its values. */
static int check_parameter(const struct galaxy *galaxy, enum emission_parameter p,
                           const struct observe_parameter *parameter, struct error *err)
{
    double highest = p == EMISSION_TAU_V ? DBL_MAX : 1.0;
    const double *value = parameter->particle ? parameter->particle : &parameter->value;
    size_t n = parameter->particle ? galaxy->n_star : 1;

    for (size_t i = 0; i < n; i++)
        if (!(value[i] >= 0.0 && value[i] <= highest))
            return error_set(err, POLYPHONY_SET_ASIDE,
                             "galaxy %lld: model parameter '%s' (%s)%s %zu is %g, must be %s",
                             (long long)galaxy->id, emission_parameter_names[p],
                             parameter->source ? parameter->source : "given",
                             parameter->particle ? " of particle" : " in row",
                             parameter->particle ? i : (size_t)galaxy->row, value[i],
                             p == EMISSION_TAU_V ? ">= 0" : "within 0 to 1");
    return 0;
}

static int check_parameters(const struct emission_program *program, const struct galaxy *galaxy,
                            const struct observe_parameter *parameter, struct error *err)
{
    int r = 0;

    for (size_t p = 0; !r && p < EMISSION_N_PARAMETER; p++)
        if (program->parameter_is_used[p])
            r = check_parameter(galaxy, (enum emission_parameter)p, &parameter[p], err);
    return r;
}

/* Particle coordinates on the grid's axes. */
static int place_stars(const struct grid *grid, enum weights_scheme scheme, struct stellar_light *light,
                       struct arena *arena, struct error *err)
{
    const struct galaxy *galaxy = light->galaxy;
    size_t n = galaxy->n_star;
    double *age = arena_array(arena, n, sizeof(*age)),
           *metallicity = arena_array(arena, n, sizeof(*metallicity));

    light->weights.cell = arena_array(arena, n, sizeof(*light->weights.cell));
    light->weights.share = arena_array(arena, n, sizeof(*light->weights.share));
    if (!age || !metallicity || !light->weights.cell || !light->weights.share)
        return no_memory(galaxy, err);
    for (size_t i = 0; i < n; i++) {
        age[i] = grid->axis_is_log[0] ? log10(galaxy->star_age_yr[i]) : galaxy->star_age_yr[i];
        metallicity[i] =
            grid->axis_is_log[1] ? log10(galaxy->star_metallicity[i]) : galaxy->star_metallicity[i];
    }
    weights_assign(grid->axis, scheme, n, age, metallicity, &light->weights);
    return 0;
}

/* The cells that hold stars with mass, in order, and where to find them. */
static int find_cells(const struct grid *grid, struct stellar_light *light, struct arena *arena,
                      struct error *err)
{
    const struct weights *weights = &light->weights;
    double *mass = arena_array(arena, grid->n_cell, sizeof(*mass));
    uint32_t *cell = arena_array(arena, grid->n_cell, sizeof(*cell));
    bool *is_occupied = arena_zeros(arena, grid->n_cell, sizeof(*is_occupied));
    size_t n = 0;

    light->slot = arena_zeros(arena, grid->n_cell, sizeof(*light->slot));
    if (!mass || !cell || !is_occupied || !light->slot)
        return no_memory(light->galaxy, err);
    weights_histogram(weights, light->galaxy->star_mass_msun, grid->n_cell, mass);
    /* Not mass > 0: mass times share of a tiny mass may be 0, and each such corner needs its slot all the
     * same. */
    for (size_t i = 0; i < weights->n; i++)
        for (size_t corner = 0; corner < WEIGHTS_N_CORNER; corner++)
            if (light->galaxy->star_mass_msun[i] > 0.0 && weights->share[i][corner] > 0.0)
                is_occupied[weights->cell[i][corner]] = true;
    for (size_t c = 0; c < grid->n_cell; c++)
        if (is_occupied[c]) {
            light->slot[c] = (uint32_t)n;
            cell[n] = (uint32_t)c;
            mass[n++] = mass[c];
        }
    light->cells = (struct mix_cells) { n, cell, mass };
    return 0;
}

/* Mass of each star times the channel's particle-wise fractions. */
static int weight_stars(struct stellar_light *light, size_t i_channel, struct arena *arena, struct error *err)
{
    const struct emission_factors *factors = &light->program->channel[i_channel].particle;
    const struct galaxy *galaxy = light->galaxy;
    double *mass = NULL;

    light->mass[i_channel] = galaxy->star_mass_msun;
    for (size_t f = 0; f < factors->n; f++) {
        const double *value = light->parameter[factors->factor[f].parameter].particle;
        bool is_complement = factors->factor[f].transform == EMISSION_PROCESSED;

        if (factors->factor[f].transform == EMISSION_ATTENUATE)
            continue;
        if (!mass) {
            mass = arena_array(arena, galaxy->n_star, sizeof(*mass));
            if (!mass)
                return no_memory(galaxy, err);
            memcpy(mass, galaxy->star_mass_msun, galaxy->n_star * sizeof(*mass));
            light->mass[i_channel] = mass;
        }
        for (size_t i = 0; i < galaxy->n_star; i++)
            mass[i] *= is_complement ? 1.0 - value[i] : value[i];
    }
    return 0;
}

int observe_light(const struct emission_program *program, const struct grid *grid, enum weights_scheme scheme,
                  enum observe_method method, const struct galaxy *galaxy,
                  const struct observe_parameter parameter[EMISSION_N_PARAMETER],
                  struct stellar_light *ret_light, struct arena *arena, struct error *err)
{
    struct stellar_light light = { .program = program, .galaxy = galaxy, .method = method };
    int r = check_parameters(program, galaxy, parameter, err);

    if (r)
        return r;
    memcpy(light.parameter, parameter, sizeof(light.parameter));
    r = place_stars(grid, scheme, &light, arena, err);
    if (!r)
        r = find_cells(grid, &light, arena, err);
    for (size_t c = 0; !r && c < program->n_channel; c++)
        r = weight_stars(&light, c, arena, err);
    if (!r)
        *ret_light = light;
    return r;
}

/* ---- sums over the stars ------------------------------------------------------------------------------ */

/* Sums of one channel for each extract that has columns: the basis from which labels are put together. */
struct channel_sums {
    double *sum[EMISSION_EXTRACT_MAX]; /* [columns] or NULL */
};

/* A histogram of its own over the same cells, where fractions differ between particles; NULL without memory.
 */
static const double *histogram_over_cells(const struct stellar_light *light, const double *mass,
                                          struct arena *arena)
{
    double *histogram = arena_zeros(arena, light->cells.n, sizeof(*histogram));

    for (size_t i = 0; histogram && i < light->galaxy->n_star; i++)
        for (size_t corner = 0; corner < WEIGHTS_N_CORNER; corner++)
            /* Only stars with mass and corners with a share are sure to have a slot. */
            if (light->weights.share[i][corner] > 0.0 && light->galaxy->star_mass_msun[i] > 0.0)
                histogram[light->slot[light->weights.cell[i][corner]]] +=
                    mass[i] * light->weights.share[i][corner];
    return histogram;
}

static int sum_channel(const struct stellar_light *light, const struct observe_columns *columns,
                       size_t i_channel, struct channel_sums *sums, struct arena *arena, struct error *err)
{
    const struct emission_channel *channel = &light->program->channel[i_channel];
    const double *value[EMISSION_EXTRACT_MAX];
    double *sum[EMISSION_EXTRACT_MAX];
    struct mix_screened in = { .n_particle = light->galaxy->n_star,
                               .mass = light->mass[i_channel],
                               .weights = &light->weights,
                               .cells = light->cells,
                               .slot = light->slot,
                               .n_column = columns->n,
                               .k = columns->k,
                               .value = value };

    for (size_t e = 0; e < light->program->n_extract; e++) {
        if (!channel->extract_is_used[e] || !columns->value[e])
            continue;
        sums->sum[e] = arena_array(arena, columns->n, sizeof(double));
        if (!sums->sum[e])
            return no_memory(light->galaxy, err);
        value[in.n_table] = columns->value[e];
        sum[in.n_table++] = sums->sum[e];
    }
    if (in.n_table == 0)
        return 0;
    if (channel->is_attenuated)
        in.tau = light->parameter[channel->tau].particle;
    if (light->method == OBSERVE_DIRECT) {
        if (!in.tau)
            in.tau = arena_zeros(arena, in.n_particle, sizeof(double));
        if (!in.tau)
            return no_memory(light->galaxy, err);
        mix_screened_direct(&in, sum);
        return 0;
    }
    if (channel->is_attenuated)
        return mix_screened_tiles(&in, sum, arena, err);
    if (light->mass[i_channel] != light->galaxy->star_mass_msun) {
        in.cells.mass = histogram_over_cells(light, in.mass, arena);
        if (!in.cells.mass)
            return no_memory(light->galaxy, err);
    }
    for (size_t t = 0; t < in.n_table; t++)
        mix_plain(&in.cells, columns->n, value[t], sum[t]);
    return 0;
}

void observe_term_factor(const struct stellar_light *light, const struct observe_columns *columns,
                         const struct emission_term *term, double *ret_factor)
{
    const struct emission_factors *factors = &term->galaxy;

    for (size_t j = 0; j < columns->n; j++)
        ret_factor[j] = 1.0;
    for (size_t f = 0; f < factors->n; f++) {
        double p = light->parameter[factors->factor[f].parameter].value;

        switch (factors->factor[f].transform) {
        case EMISSION_ESCAPED:
            for (size_t j = 0; j < columns->n; j++)
                ret_factor[j] *= p;
            break;
        case EMISSION_PROCESSED:
            for (size_t j = 0; j < columns->n; j++)
                ret_factor[j] *= 1.0 - p;
            break;
        case EMISSION_LY_ALPHA:
            for (size_t j = 0; j < columns->n; j++)
                ret_factor[j] *= columns->is_ly_alpha[j] ? p : 1.0;
            break;
        case EMISSION_ATTENUATE:
            for (size_t j = 0; j < columns->n; j++)
                ret_factor[j] *= exp(-p * columns->k[j]);
            break;
        }
    }
}

/* Which channels the wanted labels need. */
static void mark_channels(const struct emission_program *program, double *const *ret_label,
                          bool ret_is_needed[EMISSION_CHANNEL_MAX])
{
    memset(ret_is_needed, 0, EMISSION_CHANNEL_MAX * sizeof(*ret_is_needed));
    for (size_t l = 0; l < program->n_label; l++)
        for (size_t t = 0; ret_label[l] && t < program->label[l].n_term; t++) {
            ret_is_needed[program->label[l].term[t].i_channel] = true;
            ret_is_needed[program->label[l].term[t].i_channel_ly_alpha] = true;
        }
}

int observe_sum(const struct stellar_light *light, const struct observe_columns *columns,
                double *const *ret_label, struct arena *arena, struct error *err)
{
    const struct emission_program *program = light->program;
    struct channel_sums sums[EMISSION_CHANNEL_MAX] = { 0 };
    bool is_needed[EMISSION_CHANNEL_MAX];
    struct arena_mark mark = arena_mark(arena);
    double *factor = arena_array(arena, columns->n, sizeof(*factor));
    int r = factor ? 0 : no_memory(light->galaxy, err);

    mark_channels(program, ret_label, is_needed);
    for (size_t c = 0; !r && c < program->n_channel; c++)
        if (is_needed[c])
            r = sum_channel(light, columns, c, &sums[c], arena, err);
    for (size_t l = 0; !r && l < program->n_label; l++) {
        double *label = ret_label[l];

        if (!label)
            continue;
        memset(label, 0, columns->n * sizeof(*label));
        for (size_t t = 0; t < program->label[l].n_term; t++) {
            const struct emission_term *term = &program->label[l].term[t];
            const double *outside = sums[term->i_channel].sum[term->i_extract];
            const double *inside = sums[term->i_channel_ly_alpha].sum[term->i_extract];

            if (!outside)
                continue; /* no columns of this extract: no luminosity in lines, say */
            observe_term_factor(light, columns, term, factor);
            for (size_t j = 0; j < columns->n; j++)
                label[j] += factor[j] * (columns->is_ly_alpha[j] ? inside[j] : outside[j]);
        }
    }
    arena_release(arena, mark);
    return r;
}
