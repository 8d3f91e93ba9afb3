/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "light_private.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "polyphony/rows.h"

static int no_memory(struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "no memory for the light of particles");
}

/* ---- parameters ------------------------------------------------------------------------------ */

/* One parameter of a galaxy, in all its values. */
static int check_parameter(const struct galaxy *galaxy, enum component component,
                           const struct parameter_row *row, const struct observe_parameter *parameter,
                           struct error *err)
{
    const double *value = parameter->particle ? parameter->particle : &parameter->value;
    size_t n = parameter->particle ? galaxy->particles[component].n : 1;
    char bounds[64];

    text_format(bounds, sizeof(bounds), row->most < DBL_MAX ? "within %g to %g" : ">= %g", row->least,
                row->most);
    for (size_t i = 0; i < n; i++)
        if (!(value[i] >= row->least && value[i] <= row->most))
            return error_set(
                err, POLYPHONY_SET_ASIDE, "galaxy %lld: model parameter '%s' (%s)%s %zu is %.10g, must be %s",
                (long long)galaxy->id, row->name, parameter->source ? parameter->source : "given",
                parameter->particle ? " of particle" : " in row",
                parameter->particle ? (size_t)galaxy->particles[component].first + i : (size_t)galaxy->row,
                value[i], bounds);
    return 0;
}

int observe_parameters_check(const struct emission_program *program, const struct galaxy *galaxy,
                             enum component component,
                             const struct observe_parameter parameter[PARAMETER_MAX], struct error *err)
{
    int r = 0;

    for (size_t p = 0; !r && p < parameter_count(); p++)
        if (program->parameter_is_used[p])
            r = check_parameter(galaxy, component, parameter_rows[p], &parameter[p], err);
    return r;
}

/* ---- all stars ------------------------------------------------------------------------------- */

/* Do weights differ from masses, apart from a screen? */
static bool has_weights(const struct emission_channel *channel)
{
    if (channel->mask.n)
        return true;
    for (size_t f = 0; f < channel->particle.n; f++)
        if (emission_transforms[channel->particle.factor[f].i_transform]->multiply)
            return true;
    return false;
}

int observe_light_begin(struct stellar_light *light, struct arena *arena, struct error *err)
{
    size_t n_cell = light->grid->n_cell;

    light->histogram = arena_zeros(arena, n_cell, sizeof(*light->histogram));
    light->is_occupied = arena_zeros(arena, n_cell, sizeof(*light->is_occupied));
    light->slot = arena_zeros(arena, n_cell, sizeof(*light->slot));
    if (!light->histogram || !light->is_occupied || !light->slot)
        return no_memory(err);
    for (size_t c = 0; c < light->program->n_channel; c++) {
        const struct emission_channel *channel = &light->program->channel[c];

        light->range[c] = MIX_RANGE_NONE;
        light->tau_max[c] = 0.0;
        light->channel_histogram[c] = NULL;
        if (!has_weights(channel) || channel->is_attenuated)
            continue;
        light->channel_histogram[c] = arena_zeros(arena, n_cell, sizeof(double));
        if (!light->channel_histogram[c])
            return no_memory(err);
    }
    return 0;
}

/* The stars in hand, one channel. */
static void add_channel(struct stellar_light *light, size_t c)
{
    const struct emission_channel *channel = &light->program->channel[c];
    const double *tau = channel->is_attenuated ? light->tau[channel->i_screen] : NULL;
    size_t n = light->particles->n;

    if (tau)
        mix_range_add(&light->range[c], n, light->mass[c], tau);
    for (size_t i = 0; tau && i < n; i++)
        light->tau_max[c] = fmax(light->tau_max[c], tau[i]);
    if (light->channel_histogram[c])
        weights_histogram(&light->weights, light->mass[c], light->channel_histogram[c]);
}

void observe_light_add(struct stellar_light *light)
{
    const struct weights *weights = &light->weights;

    weights_histogram(weights, light->particles->field[light->weight], light->histogram);
    /* Not mass > 0: mass times share of a tiny mass may be 0, and each such corner needs its slot all the
     * same. */
    for (size_t i = 0, at = 0; i < weights->n; i++)
        for (size_t corner = 0; corner < weights->n_corner; corner++, at++)
            if (light->particles->field[light->weight][i] > 0.0 && weights->share[at] > 0.0)
                light->is_occupied[weights->cell[at]] = true;
    for (size_t c = 0; c < light->program->n_channel; c++)
        add_channel(light, c);
}

/* The cells that hold stars with mass, in order, and where to find them; histograms keep these cells only. */
int observe_light_end(struct stellar_light *light, struct arena *arena, struct error *err)
{
    uint32_t *cell = arena_array(arena, light->grid->n_cell, sizeof(*cell));
    size_t n = 0;

    if (!cell)
        return no_memory(err);
    for (size_t c = 0; c < light->grid->n_cell; c++) {
        if (!light->is_occupied[c])
            continue;
        light->slot[c] = (uint32_t)n;
        cell[n] = (uint32_t)c;
        light->histogram[n] = light->histogram[c];
        for (size_t i = 0; i < light->program->n_channel; i++)
            if (light->channel_histogram[i])
                light->channel_histogram[i][n] = light->channel_histogram[i][c];
        n++;
    }
    light->cells = (struct mix_cells) { n, cell, light->histogram };
    return 0;
}

/* ---- a tile of stars ------------------------------------------------------------------------- */

/* Stars placed at once: their coordinates on the grid's axes are not kept. Few blocks are not worth more
 * threads. */
enum { BLOCK = 512, BLOCKS_SERIAL = 8 };

/* What the stars are looked up by along an axis of the grid: a field of theirs, or, NULL, one number. */
static const double *axis_field(const struct stellar_light *light, size_t i_axis, double *ret_number)
{
    const struct grid_axis *axis = &light->grid->axis[i_axis];
    size_t i_parameter = light->axis_parameter[i_axis];

    if (axis->quantity == GRID_AGE)
        return light->particles->field[FIELD_AGE_YR];
    if (axis->quantity == GRID_METALLICITY)
        return light->particles->field[FIELD_METALLICITY];
    *ret_number = light->galaxy->parameter[i_parameter];
    return light->particles->field[FIELD_PARAMETER + i_parameter];
}

/* Numbers of which logarithms are taken; ages and metallicities have been checked when they were read. */
static int check_axis_field(const struct stellar_light *light, size_t i_axis, struct error *err)
{
    const struct grid_axis *axis = &light->grid->axis[i_axis];
    const struct particles *particles = light->particles;
    double number = 0;
    const double *value = axis_field(light, i_axis, &number);
    size_t n = value ? particles->n : 1;

    if (axis->quantity != GRID_OTHER || !axis->is_log)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (!((value ? value[i] : number) >= 0.0))
            return error_set(
                err, POLYPHONY_SET_ASIDE,
                "galaxy %lld: '%s'%s %zu is %.10g, must be >= 0: the grid's axis is interpolated in its logarithm",
                (long long)light->galaxy->id, axis->name, value ? " of particle" : " in row",
                value ? (size_t)particles->first + i : (size_t)light->galaxy->row, value ? value[i] : number);
    return 0;
}

static void place_block(const struct stellar_light *light, size_t first, size_t n)
{
    const struct grid *grid = light->grid;
    const struct weights *weights = &light->weights;
    struct weights block = { .cell = weights->cell + first * weights->n_corner,
                             .share = weights->share + first * weights->n_corner };
    double x[WEIGHTS_AXIS_MAX][BLOCK];
    const double *coordinate[WEIGHTS_AXIS_MAX];

    for (size_t a = 0; a < grid->n_axis; a++) {
        double number = 0;
        const double *value = axis_field(light, a, &number);

        for (size_t i = 0; i < n; i++)
            x[a][i] = value ? value[first + i] : number;
        for (size_t i = 0; i < n && grid->axis[a].is_log; i++)
            x[a][i] = log10(x[a][i]);
        coordinate[a] = x[a];
    }
    weights_assign(grid->n_axis, grid->nodes, light->scheme, n, coordinate, &block);
}

static int place_stars(struct stellar_light *light, struct arena *arena, struct error *err)
{
    const struct particles *particles = light->particles;
    struct weights *weights = &light->weights;
    int r = 0;

    for (size_t a = 0; !r && a < light->grid->n_axis; a++)
        r = check_axis_field(light, a, err);
    if (r)
        return r;
    weights->n = particles->n;
    weights->n_corner = weights_corners(light->grid->n_axis);
    weights->cell = arena_array(arena, particles->n, weights->n_corner * sizeof(*weights->cell));
    weights->share = arena_array(arena, particles->n, weights->n_corner * sizeof(*weights->share));
    if (!weights->cell || !weights->share)
        return no_memory(err);
#pragma omp parallel for schedule(static) if (particles->n > BLOCKS_SERIAL * BLOCK)
    for (size_t first = 0; first < particles->n; first += BLOCK)
        place_block(light, first, particles->n - first < BLOCK ? particles->n - first : BLOCK);
    return 0;
}

static void apply_condition(const struct stellar_light *light, const struct emission_condition *condition,
                            double *weight)
{
    const double *value = light->particles->field[condition->field];
    size_t stride = 1;

    if (condition->i_parameter < PARAMETER_MAX) {
        const struct observe_parameter *parameter = &light->parameter[condition->i_parameter];

        stride = parameter->particle ? 1 : 0;
        value = parameter->particle ? parameter->particle : &parameter->value;
    }
    emission_condition_apply(condition, light->particles->n, value, stride, weight);
}

/* Mass of each star times the channel's particle-wise fractions; 0 outside its mask. */
static int weight_stars(struct stellar_light *light, size_t i_channel, struct arena *arena, struct error *err)
{
    const struct emission_channel *channel = &light->program->channel[i_channel];
    const struct particles *particles = light->particles;
    double *mass;

    light->mass[i_channel] = particles->field[light->weight];
    if (!has_weights(channel))
        return 0;
    mass = arena_array(arena, particles->n, sizeof(*mass));
    if (!mass)
        return no_memory(err);
    memcpy(mass, particles->field[light->weight], particles->n * sizeof(*mass));
    light->mass[i_channel] = mass;
    for (size_t f = 0; f < channel->particle.n; f++) {
        const struct emission_factor *factor = &channel->particle.factor[f];
        const struct emission_transform *transform = emission_transforms[factor->i_transform];

        if (transform->multiply)
            transform->multiply(particles->n, light->parameter[factor->i_parameter].particle, mass);
    }
    for (size_t i = 0; i < channel->mask.n; i++)
        apply_condition(light, &channel->mask.condition[i], mass);
    return 0;
}

/* Depths of each star in a screen, the parameter's own where it is but one. */
static int add_depths(struct stellar_light *light, size_t i_screen, struct arena *arena, struct error *err)
{
    const struct emission_screen *screen = &light->program->screen[i_screen];
    size_t n = light->particles->n;
    double *tau;

    light->tau[i_screen] = light->parameter[screen->i_parameter[0]].particle;
    if (screen->n_parameter == 1)
        return 0;
    tau = arena_zeros(arena, n, sizeof(*tau));
    if (!tau)
        return no_memory(err);
    for (size_t p = 0; p < screen->n_parameter; p++)
        for (size_t i = 0; i < n; i++)
            tau[i] += light->parameter[screen->i_parameter[p]].particle[i];
    light->tau[i_screen] = tau;
    return 0;
}

uint64_t observe_light_bytes(const struct emission_program *program, size_t n_cell)
{
    const struct stellar_light *light = NULL;
    uint64_t of_cell = sizeof(*light->histogram) + sizeof(*light->is_occupied) + sizeof(*light->slot) +
                       sizeof(*light->cells.cell);

    for (size_t c = 0; c < program->n_channel; c++)
        of_cell += has_weights(&program->channel[c]) ? sizeof(double) : 0;
    return n_cell * of_cell;
}

size_t observe_light_star_bytes(const struct emission_program *program, const struct grid *grid)
{
    const struct weights *weights = NULL;
    size_t n = weights_corners(grid->n_axis) * (sizeof(*weights->cell) + sizeof(*weights->share));

    for (size_t c = 0; c < program->n_channel; c++)
        n += has_weights(&program->channel[c]) ? sizeof(double) : 0;
    for (size_t s = 0; s < program->n_screen; s++)
        n += program->screen[s].n_parameter > 1 ? sizeof(double) : 0;
    return n;
}

int observe_light_place(struct stellar_light *light, const struct galaxy *galaxy,
                        const struct observe_parameter parameter[PARAMETER_MAX], struct arena *arena,
                        struct error *err)
{
    int r = observe_parameters_check(light->program, galaxy, light->component, parameter, err);

    if (r)
        return r;
    light->galaxy = galaxy;
    light->particles = &galaxy->particles[light->component];
    memcpy(light->parameter, parameter, sizeof(light->parameter));
    r = place_stars(light, arena, err);
    for (size_t c = 0; !r && c < light->program->n_channel; c++)
        r = weight_stars(light, c, arena, err);
    for (size_t s = 0; !r && s < light->program->n_screen; s++)
        r = add_depths(light, s, arena, err);
    return r;
}

/* ---- what is the same for all stars ---------------------------------------------------------- */

/* factor[j] *= exp(-tau k[j]) */
static void dim(size_t n, double tau, const double *k, double *factor)
{
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t n_block = n - first < BLOCK ? n - first : BLOCK;
        double transmitted[BLOCK];

        rows_exp(n_block, -tau, k + first, transmitted);
        for (size_t j = 0; j < n_block; j++)
            factor[first + j] *= transmitted[j];
    }
}

void observe_term_factor(const struct stellar_light *light, const struct observe_columns *columns,
                         const struct emission_term *term, double *ret_factor)
{
    const struct emission_factors *factors = &term->galaxy;

    for (size_t j = 0; j < columns->n; j++)
        ret_factor[j] = 1.0;
    for (size_t f = 0; f < factors->n; f++) {
        const struct emission_transform *transform = emission_transforms[factors->factor[f].i_transform];
        double p = light->parameter[factors->factor[f].i_parameter].value, fraction = 1.0;

        if (!transform->multiply) {
            dim(columns->n, p, columns->k[factors->factor[f].i_curve], ret_factor);
            continue;
        }
        transform->multiply(1, &p, &fraction);
        for (size_t j = 0; j < columns->n; j++)
            ret_factor[j] *= !transform->is_ly_alpha || columns->is_ly_alpha[j] ? fraction : 1.0;
    }
}
