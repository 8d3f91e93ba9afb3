/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "photometry.h"

void observe_bands(size_t n_band, const struct band *band, const double *spectrum, double *ret_value)
{
    for (size_t b = 0; b < n_band; b++) {
        double sum = 0.0;

        for (size_t j = 0; j < band[b].n; j++)
            sum += band[b].weight[j] * spectrum[band[b].first + j];
        ret_value[b] = sum;
    }
}

static struct bands_source source_of(const struct stellar_light *light, const struct table_source *source)
{
    const struct emission_channel *channel = &light->program->channel[source->i_channel];

    return (struct bands_source) { .table = &source->table,
                                   .mass = light->mass[source->i_channel],
                                   .tau = channel->is_attenuated ? light->tau[channel->i_screen] : NULL };
}

void observe_particle_bands(const struct observe_tables *tables, const struct stellar_light *light,
                            size_t first, size_t n, double *ret_value)
{
    struct bands_source source[EMISSION_CHANNEL_MAX * OBSERVE_REQUEST_MAX];

    for (size_t s = 0; s < tables->n_source; s++)
        source[s] = source_of(light, &tables->source[s]);
    bands_particles(&light->weights, first, n, tables->n_source, source, tables->n_output, ret_value);
}

/* ---- all stars together ------------------------------------------------------------------------- */

/* Stars whose values are held at once, before they are added up in order. */
enum { BLOCK = 1024 };

uint64_t observe_total_bands_bytes(size_t n_output)
{
    return BLOCK * (uint64_t)n_output * sizeof(double);
}

int observe_total_bands_add(const struct observe_tables *tables, const struct stellar_light *light,
                            double *total, struct arena *arena, struct error *err)
{
    struct bands_source source[EMISSION_CHANNEL_MAX * OBSERVE_REQUEST_MAX];
    size_t n_source = 0, n_star = light->particles->n;
    struct arena_mark mark = arena_mark(arena);
    double *value;

    for (size_t s = 0; s < tables->n_source; s++)
        if (tables->source[s].table.n_group)
            source[n_source++] = source_of(light, &tables->source[s]);
    if (n_source == 0)
        return 0;
    value = arena_array(arena, BLOCK * tables->n_output, sizeof(*value));
    if (!value)
        return error_set(err, POLYPHONY_INTERNAL, "galaxy %lld: no memory for the photometry of its stars",
                         (long long)light->galaxy->id);
    for (size_t first = 0; first < n_star; first += BLOCK) {
        size_t n = n_star - first < BLOCK ? n_star - first : BLOCK;

        bands_particles(&light->weights, first, n, n_source, source, tables->n_output, value);
        bands_total(n, tables->n_output, value, total);
    }
    arena_release(arena, mark);
    return 0;
}

void observe_total_bands_end(const struct observe_tables *tables, const struct stellar_light *light,
                             double *total)
{
    for (size_t s = 0; s < tables->n_source; s++) {
        const struct table_source *source = &tables->source[s];
        const double *own = light->channel_histogram[source->i_channel];

        bands_cells(light->cells.n, light->cells.cell, own ? own : light->cells.mass, &source->table, total);
    }
}
