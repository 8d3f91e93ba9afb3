/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "observe_private.h"

#include <math.h>
#include <string.h>

/*
 * A band average is linear in the spectrum, so it is taken of the grid once instead of each particle:
 *
 *     L_band(i) = sum_parts mass_i sum_corners share  sum_lambda g(lambda) S_cell(lambda) exp(-tau_i
 * k(lambda))
 *
 * with g the band's weights times the term's galaxy-wide factors. Without a particle-wise screen the inner
 * sum is one number a cell. With one, exp(-tau_i k) is expanded over the band in the Lagrange basis of a few
 * Chebyshev nodes k_m, which leaves n_node numbers a cell. A band too wide or too opaque for that
 * has its own wavelengths as nodes, and is then exact.
 *
 * Terms of a label that share particle weights are added in the table, before any particle is touched.
 */

/* Beyond this many nodes the wavelengths themselves are used. */
#define BAND_NODE_MAX 48

void observe_bands(size_t n_band, const struct band *band, const double *spectrum, double *ret_value)
{
    for (size_t b = 0; b < n_band; b++) {
        double sum = 0.0;

        for (size_t j = 0; j < band[b].n; j++)
            sum += band[b].weight[j] * spectrum[band[b].first + j];
        ret_value[b] = sum;
    }
}

/* One label in one band through one channel. */
struct part {
    size_t i_channel;
    size_t n_node;
    const double *k_node; /* [n_node], NULL without a screen */
    double *table;        /* [cells][n_node] */
};

struct band_job {
    const struct stellar_light *light;
    const struct observe_columns *columns;
    const struct band *band;
    const double *screen;
    struct arena *arena;
    struct error *err;
};

static int no_memory(const struct band_job *job)
{
    return error_set(job->err, POLYPHONY_INTERNAL, "galaxy %lld: no memory for the photometry of %zu stars",
                     (long long)job->light->galaxy->id, job->light->galaxy->n_star);
}

/* Nodes in k for one band, and the Lagrange basis [n_node][band->n]; NULL basis when nodes are wavelengths.
 */
static int choose_nodes(const struct band_job *job, size_t i_channel, size_t *ret_n_node, double **ret_node,
                        double **ret_basis)
{
    const double *k = job->columns->k + job->band->first;
    double k_min = k[0], k_max = k[0];
    size_t n = job->band->n, limit = n < BAND_NODE_MAX ? n : BAND_NODE_MAX;

    for (size_t j = 1; j < n; j++) {
        k_min = fmin(k_min, k[j]);
        k_max = fmax(k_max, k[j]);
    }
    *ret_basis = NULL;
    *ret_n_node = mix_node_count(job->light->tau_max[i_channel], 0.5 * (k_max - k_min), limit);
    if (*ret_n_node == limit || job->light->method == OBSERVE_DIRECT)
        *ret_n_node = n;
    *ret_node = arena_array(job->arena, *ret_n_node, sizeof(double));
    if (!*ret_node)
        return no_memory(job);
    if (*ret_n_node == n) {
        memcpy(*ret_node, k, n * sizeof(double));
        return 0;
    }
    *ret_basis = arena_array(job->arena, *ret_n_node * n, sizeof(double));
    if (!*ret_basis)
        return no_memory(job);
    mix_nodes(0.5 * (k_min + k_max), 0.5 * (k_max - k_min), *ret_n_node, *ret_node);
    mix_basis(*ret_n_node, *ret_node, n, k, *ret_basis);
    return 0;
}

/* Add one extract, weighted by g over the band, to the table: every cell of it is one thread's. */
static void add_to_table(const struct band_job *job, const double *value, const double *g,
                         const double *basis, struct part *part)
{
    const struct mix_cells *cells = &job->light->cells;
    size_t n = job->band->n, n_column = job->columns->n, first = job->band->first;
    size_t n_node = part->n_node;
    double *table = part->table;
    bool is_screened = part->k_node != NULL;

#pragma omp parallel for schedule(static) default(none)                                                      \
    shared(cells, value, g, basis, table, n, n_column, first, n_node, is_screened)
    for (size_t c = 0; c < cells->n; c++) {
        const double *row = value + (size_t)cells->cell[c] * n_column + first;
        double *at_node = table + c * n_node;

        for (size_t m = 0; m < n_node; m++) {
            double sum = 0.0;

            if (is_screened && !basis) {
                at_node[m] += g[m] * row[m]; /* nodes are wavelengths */
                continue;
            }
            for (size_t j = 0; j < n; j++)
                sum += (basis ? g[j] * basis[m * n + j] : g[j]) * row[j];
            at_node[m] += sum;
        }
    }
}

/* The table of one label through one channel, from all terms (or their Lyman alpha pixels) that use it. */
static int make_part(const struct band_job *job, const struct emission_label *label, size_t i_channel,
                     struct part *ret_part, bool *ret_is_used)
{
    const struct emission_program *program = job->light->program;
    struct part part = { .i_channel = i_channel, .n_node = 1 };
    double *node = NULL, *basis = NULL;
    double *factor = arena_array(job->arena, job->columns->n, sizeof(*factor));
    int r = factor ? 0 : no_memory(job);

    *ret_is_used = false;
    if (!r && program->channel[i_channel].is_attenuated) {
        r = choose_nodes(job, i_channel, &part.n_node, &node, &basis);
        part.k_node = node;
    }
    if (r)
        return r;
    part.table = arena_zeros(job->arena, job->light->cells.n * part.n_node, sizeof(double));
    if (!part.table)
        return no_memory(job);
    for (size_t t = 0; t < label->n_term; t++) {
        const struct emission_term *term = &label->term[t];
        double *g = factor + job->band->first;

        if ((term->i_channel != i_channel && term->i_channel_ly_alpha != i_channel) ||
            !job->columns->value[term->i_extract])
            continue;
        observe_term_factor(job->light, job->columns, term, factor);
        for (size_t j = 0; j < job->band->n; j++) {
            size_t column = job->band->first + j;
            size_t wanted = job->columns->is_ly_alpha[column] ? term->i_channel_ly_alpha : term->i_channel;

            g[j] *=
                wanted == i_channel ? job->band->weight[j] * (job->screen ? job->screen[column] : 1.0) : 0.0;
        }
        add_to_table(job, job->columns->value[term->i_extract], g, basis, &part);
        *ret_is_used = true;
    }
    *ret_part = part;
    return 0;
}

/* Add a part to the particles' values, ret_value[i * stride]: each particle is one thread's. */
static void add_to_particles(const struct stellar_light *light, const struct part *part, double *ret_value,
                             size_t stride)
{
    const struct emission_channel *channel = &light->program->channel[part->i_channel];
    const double *tau = part->k_node ? light->parameter[channel->tau].particle : NULL;
    const double *mass = light->mass[part->i_channel];
    size_t n_star = light->galaxy->n_star;

#pragma omp parallel for schedule(static) default(none)                                                      \
    shared(light, part, ret_value, stride, tau, mass, n_star)
    for (size_t i = 0; i < n_star; i++) {
        double sum = 0.0;

        if (light->galaxy->star_mass_msun[i] == 0.0)
            continue; /* its cells may not be in the table */
        for (size_t m = 0; m < part->n_node; m++) {
            double at_node = 0.0;

            for (size_t corner = 0; corner < WEIGHTS_N_CORNER; corner++) {
                size_t slot = light->slot[light->weights.cell[i][corner]];

                at_node += light->weights.share[i][corner] * part->table[slot * part->n_node + m];
            }
            sum += tau ? at_node * exp(-tau[i] * part->k_node[m]) : at_node;
        }
        ret_value[i * stride] += mass[i] * sum;
    }
}

int observe_particle_bands(const struct stellar_light *light, const struct observe_columns *columns,
                           size_t n_label, const size_t *i_label, size_t n_band, const struct band *band,
                           const double *screen, double *ret_value, struct arena *arena, struct error *err)
{
    const struct emission_program *program = light->program;
    int r = 0;

    memset(ret_value, 0, light->galaxy->n_star * n_label * n_band * sizeof(*ret_value));
    for (size_t l = 0; l < n_label; l++)
        for (size_t b = 0; b < n_band; b++)
            for (size_t c = 0; !r && c < program->n_channel; c++) {
                const struct band_job job = { light, columns, &band[b], screen, arena, err };
                struct arena_mark mark = arena_mark(arena);
                struct part part;
                bool is_used = false;

                if (band[b].n == 0)
                    continue;
                r = make_part(&job, &program->label[i_label[l]], c, &part, &is_used);
                if (!r && is_used)
                    add_to_particles(light, &part, ret_value + l * n_band + b, n_label * n_band);
                arena_release(arena, mark);
            }
    return r;
}

uint64_t observe_particle_bands_bytes(size_t n_cell, size_t n_column, size_t n_band_lambda)
{
    /* Factors over the columns; nodes; a basis, unless the band's wavelengths are the nodes; the table. */
    return (n_column + n_band_lambda + BAND_NODE_MAX * (uint64_t)n_band_lambda +
            (uint64_t)n_cell * n_band_lambda) *
           sizeof(double);
}
