/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "light_private.h"

#include <string.h>

static int no_memory(struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "no memory for sums over the stars");
}

/*
 * How a channel is summed: from its histogram over the grid's cells, without the stars; or, behind screens of
 * single stars, by the weights of cells at nodes, which are kept where the stars come in tiles.
 */
static bool is_screened(const struct stellar_light *light, size_t c)
{
    return light->program->channel[c].is_attenuated;
}

static bool is_nodal(const struct stellar_light *light, const struct observe_sums *sums, size_t c)
{
    return sums->is_tiled && is_screened(light, c);
}

/* The sums of a channel, and their tables: those of the extracts that have columns. */
struct channel_tables {
    const double *value[EMISSION_EXTRACT_MAX];
    double *sum[EMISSION_EXTRACT_MAX];
};

static struct mix_screened screened_of(const struct stellar_light *light, const struct observe_sums *sums,
                                       size_t c, struct channel_tables *ret_tables)
{
    const struct emission_channel *channel = &light->program->channel[c];
    size_t i_curve = channel->is_attenuated ? light->program->screen[channel->i_screen].i_curve : 0;
    struct mix_screened in = { .n_particle = light->particles->n,
                               .mass = light->mass[c],
                               .tau = channel->is_attenuated ? light->tau[channel->i_screen] : NULL,
                               .range = light->range[c],
                               .weights = &light->weights,
                               .cells = light->cells,
                               .slot = light->slot,
                               .n_column = sums->columns->n,
                               .k = sums->columns->k[i_curve],
                               .value = ret_tables->value,
                               .tolerance = light->tolerance };

    for (size_t e = 0; e < light->program->n_extract; e++)
        if (sums->sum[c][e]) {
            ret_tables->value[in.n_table] = sums->columns->value[e];
            ret_tables->sum[in.n_table++] = sums->sum[c][e];
        }
    return in;
}

/* Which channels the wanted labels need. */
static void mark_channels(const struct emission_program *program, const bool *is_wanted,
                          struct observe_sums *sums)
{
    for (size_t l = 0; l < program->n_label; l++)
        for (size_t t = 0; is_wanted[l] && t < program->label[l].n_term; t++) {
            sums->is_needed[program->label[l].term[t].i_channel] = true;
            sums->is_needed[program->label[l].term[t].i_channel_ly_alpha] = true;
        }
}

static int begin_channel(const struct stellar_light *light, struct observe_sums *sums, size_t c, double room,
                         struct arena *arena, struct error *err)
{
    const struct emission_channel *channel = &light->program->channel[c];
    size_t n = sums->columns->n, n_table = 0;
    uint64_t least = mix_nodal_least_bytes(light->cells.n, n);
    uint64_t most = mix_nodal_most_bytes(light->cells.n, n);
    struct channel_tables tables;
    struct mix_screened in;

    for (size_t e = 0; e < light->program->n_extract; e++) {
        if (!channel->extract_is_used[e] || !sums->columns->value[e])
            continue;
        sums->sum[c][e] = arena_zeros(arena, n, sizeof(double));
        if (!sums->sum[c][e])
            return no_memory(err);
        n_table++;
    }
    sums->is_needed[c] = n_table > 0;
    sums->is_done &= n_table == 0 || !is_screened(light, c);
    if (n_table == 0 || !is_nodal(light, sums, c))
        return 0;
    in = screened_of(light, sums, c, &tables);
    return mix_nodal_open(&in, least + (uint64_t)(room * (double)(most - least)), &sums->nodal[c], arena,
                          err);
}

int observe_sums_begin(const struct stellar_light *light, const struct observe_columns *columns,
                       const bool *is_wanted, double room, struct observe_sums *ret_sums, struct arena *arena,
                       struct error *err)
{
    int r = 0;

    *ret_sums = (struct observe_sums) { .columns = columns, .is_tiled = room > 0, .is_done = true };
    mark_channels(light->program, is_wanted, ret_sums);
    for (size_t c = 0; !r && c < light->program->n_channel; c++)
        if (ret_sums->is_needed[c])
            r = begin_channel(light, ret_sums, c, room, arena, err);
    return r;
}

int observe_sums_add(const struct stellar_light *light, struct observe_sums *sums, struct arena *arena,
                     struct error *err)
{
    int r = 0;

    for (size_t c = 0; !r && !sums->is_done && c < light->program->n_channel; c++) {
        struct channel_tables tables;
        struct mix_screened in;

        if (!sums->is_needed[c] || !is_screened(light, c))
            continue;
        in = screened_of(light, sums, c, &tables);
        if (sums->is_tiled)
            mix_nodal_add(&in, &sums->nodal[c], tables.sum);
        else
            r = mix_screened_segments(&in, tables.sum, arena, err);
    }
    return r;
}

bool observe_sums_is_last_round(const struct observe_sums *sums)
{
    for (size_t c = 0; c < EMISSION_CHANNEL_MAX; c++)
        if (sums->nodal[c].end < sums->nodal[c].n_segment)
            return false;
    return true;
}

void observe_sums_next(const struct stellar_light *light, struct observe_sums *sums)
{
    if (sums->is_done)
        return;
    sums->is_done = observe_sums_is_last_round(sums);
    for (size_t c = 0; c < light->program->n_channel; c++) {
        struct channel_tables tables;
        struct mix_screened in;

        if (!sums->is_needed[c] || !is_nodal(light, sums, c))
            continue;
        in = screened_of(light, sums, c, &tables);
        mix_nodal_close(&in, &sums->nodal[c], tables.sum);
    }
}

/* Sums of one extract that need no stars, of all galaxies and channels: the cells they are mixed from. */
static size_t gather(size_t n, const struct stellar_light *const *light, struct observe_sums *const *sums,
                     size_t e, struct mix_cells *ret_cells, double **ret_sum)
{
    size_t n_sum = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < light[i]->program->n_channel; c++) {
            if (!sums[i]->sum[c][e] || !sums[i]->is_needed[c] || is_screened(light[i], c))
                continue;
            ret_cells[n_sum] = light[i]->cells;
            if (light[i]->channel_histogram[c])
                ret_cells[n_sum].mass = light[i]->channel_histogram[c];
            ret_sum[n_sum++] = sums[i]->sum[c][e];
        }
    return n_sum;
}

int observe_sums_mix(size_t n, const struct stellar_light *const *light, struct observe_sums *const *sums,
                     struct arena *arena, struct error *err)
{
    const struct observe_columns *columns = n ? sums[0]->columns : NULL;
    struct arena_mark mark = arena_mark(arena);
    size_t n_most = n * EMISSION_CHANNEL_MAX;
    struct mix_cells *cells = arena_array(arena, n_most, sizeof(*cells));
    double **sum = arena_array(arena, n_most, sizeof(*sum));
    int r = cells && sum ? 0 : no_memory(err);

    for (size_t e = 0; n && !r && e < light[0]->program->n_extract; e++) {
        size_t n_sum = gather(n, light, sums, e, cells, sum);

        if (n_sum)
            r = mix_batch(n_sum, cells, columns->n, columns->value[e], sum, arena, err);
    }
    arena_release(arena, mark);
    return r;
}

/* A label from the sums it is made of. */
static void add_terms(const struct stellar_light *light, const struct observe_sums *sums, size_t l,
                      double *factor, double *value)
{
    const struct emission_label *label = &light->program->label[l];
    const struct observe_columns *columns = sums->columns;

    memset(value, 0, columns->n * sizeof(*value));
    for (size_t t = 0; t < label->n_term; t++) {
        const struct emission_term *term = &label->term[t];
        const double *outside = sums->sum[term->i_channel][term->i_extract];
        const double *inside = sums->sum[term->i_channel_ly_alpha][term->i_extract];

        if (!outside)
            continue; /* no columns of this extract: no luminosity in lines, say */
        observe_term_factor(light, columns, term, factor);
        for (size_t j = 0; j < columns->n; j++)
            value[j] += factor[j] * (columns->is_ly_alpha[j] ? inside[j] : outside[j]);
    }
}

int observe_sums_end(const struct stellar_light *light, const struct observe_sums *sums,
                     double *const *ret_label, struct arena *arena, struct error *err)
{
    struct arena_mark mark = arena_mark(arena);
    double *factor = arena_array(arena, sums->columns->n, sizeof(*factor));

    for (size_t l = 0; factor && l < light->program->n_label; l++)
        if (ret_label[l])
            add_terms(light, sums, l, factor, ret_label[l]);
    arena_release(arena, mark);
    return factor ? 0 : no_memory(err);
}

void observe_sums_bytes(const struct emission_program *program, const struct observe_columns *columns,
                        size_t n_cell, uint64_t *ret_sums, uint64_t *ret_least, uint64_t *ret_most)
{
    uint64_t n_sum = 1; /* the factor of a term */

    *ret_least = *ret_most = 0;
    for (size_t c = 0; c < program->n_channel; c++) {
        for (size_t e = 0; e < program->n_extract; e++)
            n_sum += program->channel[c].extract_is_used[e] && columns->value[e];
        if (program->channel[c].is_attenuated) {
            *ret_least += mix_nodal_least_bytes(n_cell, columns->n);
            *ret_most += mix_nodal_most_bytes(n_cell, columns->n);
        }
    }
    *ret_sums = n_sum * columns->n * sizeof(double);
}
