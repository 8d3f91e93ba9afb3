/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A band average is linear in the spectrum, so it is taken of the grid once instead of each particle:
 *
 *     L_band(i) = sum_channels mass_i sum_corners share  sum_lambda g(lambda) S_cell(lambda) exp(-tau_i k)
 *
 * with g the band's weights times the galaxy-wide factors of a label's terms. Each channel without a screen
 * is one table, from all requests; each channel behind a screen one for each request, as the bands of a
 * request are cut into lanes together (bands.h). Labels that see the same behind a screen share a part of
 * such a table.
 */
#include "light_private.h"

#include <math.h>
#include <string.h>

#include "photometry.h"

/* What tables are made from. */
struct making {
    const struct emission_program *program;
    const struct stellar_light *light;
    const struct observe_columns *columns;
    size_t n_request;
    const struct observe_request *request;
    struct arena *arena;
    size_t n_longest; /* columns of the widest band */
    double *factor;   /* [n_longest] scratch */
    double *sum;      /* [n_longest] scratch */
};

double observe_tables_tau(double tau_max)
{
    int exponent;
    double fraction = frexp(tau_max, &exponent); /* within [0.5, 1) */

    /* Two steps an octave: galaxies of about the same depth share their tables. */
    return isfinite(tau_max) ? ldexp(ceil(4.0 * fraction) / 4.0, exponent) : tau_max;
}

static bool uses_channel(const struct making *making, const struct emission_term *term, size_t i_channel)
{
    return making->columns->value[term->i_extract] &&
           (term->i_channel == i_channel || term->i_channel_ly_alpha == i_channel);
}

static const struct emission_label *label_of(const struct making *making,
                                             const struct observe_request *request, size_t l)
{
    return &making->program->label[request->i_label[l]];
}

/* How many terms of a label go through a channel. */
static size_t count_terms(const struct making *making, const struct emission_label *label, size_t i_channel)
{
    size_t n = 0;

    for (size_t t = 0; t < label->n_term; t++)
        n += uses_channel(making, &label->term[t], i_channel);
    return n;
}

/*
 * ret_g[n]: by what an extract is weighted in a label through a channel, over some columns; true if it is
 * anywhere.
 */
static bool weigh_extract(struct making *making, const struct emission_label *label, size_t i_channel,
                          size_t i_extract, size_t first, size_t n, double *ret_g)
{
    const struct observe_columns *columns = making->columns;
    const bool *is_ly_alpha = columns->is_ly_alpha + first;
    struct observe_columns some = { .n = n, .is_ly_alpha = is_ly_alpha };
    bool is_used = false;

    for (size_t c = 0; c < making->program->n_curve; c++)
        some.k[c] = columns->k[c] + first;
    memset(ret_g, 0, n * sizeof(*ret_g));
    for (size_t t = 0; t < label->n_term; t++) {
        const struct emission_term *term = &label->term[t];

        if (term->i_extract != i_extract || !uses_channel(making, term, i_channel))
            continue;
        observe_term_factor(making->light, &some, term, making->factor);
        for (size_t j = 0; j < n; j++)
            if ((is_ly_alpha[j] ? term->i_channel_ly_alpha : term->i_channel) == i_channel) {
                ret_g[j] += making->factor[j];
                is_used = true;
            }
    }
    return is_used;
}

/* The same through a band. */
static bool weigh_band(struct making *making, const struct observe_request *request,
                       const struct emission_label *label, size_t i_channel, size_t i_extract,
                       const struct band *band, const struct bands_columns *within, double *ret_g)
{
    const double *weight = band->weight + (within->first - band->first);

    if (!weigh_extract(making, label, i_channel, i_extract, within->first, within->n, ret_g))
        return false;
    for (size_t j = 0; j < within->n; j++)
        ret_g[j] *= weight[j] * (request->screen ? request->screen[within->first + j] : 1.0);
    return true;
}

/* A dot whose factor is still to be written; NULL without memory. */
static double *add_dot(struct making *making, struct table_source *source, size_t i_extract,
                       const struct bands_columns *within, size_t i_to)
{
    double *factor = arena_array(making->arena, within->n, sizeof(*factor));

    source->dot[source->n_dot++] = (struct bands_dot) { .value = making->columns->value[i_extract],
                                                        .first = within->first,
                                                        .n = within->n,
                                                        .factor = factor,
                                                        .i_to = i_to };
    return factor;
}

static size_t pad(size_t n)
{
    return (n + BANDS_LANES - 1) / BANDS_LANES * BANDS_LANES;
}

static bool allocate_rows(struct making *making, struct bands_table *table, size_t n_row)
{
    table->n_row = pad(n_row);
    table->row = arena_zeros(making->arena, making->light->grid->n_cell * table->n_row, sizeof(double));
    return table->row;
}

/* ---- without a screen ------------------------------------------------------------------------- */

/* Dots of a request, whose label l has its row's entries from from[l] on; false: no memory. */
static bool add_bare_dots(struct making *making, const struct observe_request *request, const size_t *from,
                          struct table_source *source)
{
    for (size_t b = 0; b < request->n_band; b++)
        for (size_t e = 0; e < making->program->n_extract; e++)
            for (size_t l = 0; l < request->n_label; l++) {
                const struct bands_columns all = { request->band[b].first, request->band[b].n };
                double *factor;

                if (!weigh_band(making, request, label_of(making, request, l), source->i_channel, e,
                                &request->band[b], &all, making->sum))
                    continue;
                factor = add_dot(making, source, e, &all, from[l] + b);
                if (!factor)
                    return false;
                memcpy(factor, making->sum, all.n * sizeof(*factor));
            }
    return true;
}

/* Entries of the row for a label: appended to the last run where that continues in the outputs, too. */
static void add_run(struct bands_run *run, size_t *n_run, size_t *n_row, size_t to, size_t n)
{
    struct bands_run *last = *n_run ? &run[*n_run - 1] : NULL;

    if (last && last->to + last->n == to)
        last->n += n;
    else
        run[(*n_run)++] = (struct bands_run) { .from = *n_row, .to = to, .n = n };
    *n_row += n;
}

static bool make_bare(struct making *making, size_t i_channel, struct table_source *source)
{
    size_t from[OBSERVE_REQUEST_MAX][EMISSION_LABEL_MAX], n_row = 0, n_dot = 0, output = 0;
    struct bands_run *run = arena_array(making->arena, making->n_request * EMISSION_LABEL_MAX, sizeof(*run));

    *source = (struct table_source) { .i_channel = i_channel, .table.run = run };
    for (size_t q = 0; run && q < making->n_request; q++) {
        const struct observe_request *request = &making->request[q];

        for (size_t l = 0; l < request->n_label; l++, output += request->n_band) {
            from[q][l] = n_row;
            if (!count_terms(making, label_of(making, request, l), i_channel))
                continue;
            n_dot += request->n_band * label_of(making, request, l)->n_term;
            add_run(run, &source->table.n_run, &n_row, output, request->n_band);
        }
    }
    source->dot = arena_array(making->arena, n_dot, sizeof(*source->dot));
    if (!run || !source->dot || !allocate_rows(making, &source->table, n_row))
        return false;
    for (size_t q = 0; q < making->n_request; q++)
        if (!add_bare_dots(making, &making->request[q], from[q], source))
            return false;
    return true;
}

/* ---- behind screens ----------------------------------------------------------------------------- */

/* Labels of a request that see the same through a channel. */
struct parts {
    size_t n;
    size_t first_label[EMISSION_LABEL_MAX]; /* [n] one that stands for the part */
    size_t of_label[EMISSION_LABEL_MAX];    /* [n_label], SIZE_MAX: does not use the channel */
};

static bool terms_are_equal(const struct emission_term *a, const struct emission_term *b, size_t i_channel)
{
    return a->i_extract == b->i_extract && (a->i_channel == i_channel) == (b->i_channel == i_channel) &&
           (a->i_channel_ly_alpha == i_channel) == (b->i_channel_ly_alpha == i_channel) &&
           emission_factors_are_equal(&a->galaxy, &b->galaxy);
}

static const struct emission_term *next_term(const struct making *making, const struct emission_label *label,
                                             size_t i_channel, size_t *t)
{
    while (*t < label->n_term && !uses_channel(making, &label->term[*t], i_channel))
        ++*t;
    return *t < label->n_term ? &label->term[(*t)++] : NULL;
}

static bool labels_are_equal(const struct making *making, const struct emission_label *a,
                             const struct emission_label *b, size_t i_channel)
{
    size_t i = 0, j = 0;

    for (;;) {
        const struct emission_term *of_a = next_term(making, a, i_channel, &i);
        const struct emission_term *of_b = next_term(making, b, i_channel, &j);

        if (!of_a || !of_b)
            return !of_a && !of_b;
        if (!terms_are_equal(of_a, of_b, i_channel))
            return false;
    }
}

static struct parts find_parts(const struct making *making, const struct observe_request *request,
                               size_t i_channel)
{
    struct parts parts = { 0 };

    for (size_t l = 0; l < request->n_label; l++) {
        const struct emission_label *label = label_of(making, request, l);
        size_t p = 0;

        parts.of_label[l] = SIZE_MAX;
        if (!count_terms(making, label, i_channel))
            continue;
        while (p < parts.n &&
               !labels_are_equal(making, label, label_of(making, request, parts.first_label[p]), i_channel))
            p++;
        if (p == parts.n)
            parts.first_label[parts.n++] = l;
        parts.of_label[l] = p;
    }
    return parts;
}

/* Where lanes go to. */
static bool make_targets(struct making *making, const struct observe_request *request, size_t first_output,
                         const struct parts *parts, size_t n_lane, const struct bands_lane *lane,
                         struct bands_table *table)
{
    size_t n_list = table->n_group * table->n_part, n = 0;
    size_t *begin = arena_array(making->arena, n_list + 1, sizeof(*begin));
    struct bands_to *to = arena_array(making->arena, n_lane * request->n_label, sizeof(*to));

    if (!begin || !to)
        return false;
    for (size_t i = 0; i < n_list; i++) {
        size_t g = i / table->n_part;

        begin[i] = n;
        for (size_t x = 0; x < BANDS_LANES && g * BANDS_LANES + x < n_lane; x++)
            for (size_t l = 0; l < request->n_label; l++)
                if (parts->of_label[l] == i % table->n_part)
                    to[n++] = (struct bands_to) { (uint32_t)x, (uint32_t)(first_output + l * request->n_band +
                                                                          lane[g * BANDS_LANES + x].i_band) };
    }
    begin[n_list] = n;
    table->to_begin = begin;
    table->to = to;
    return true;
}

/* Dots of a lane: by extract, part and node. */
static bool add_lane_dots(struct making *making, const struct observe_request *request,
                          const struct parts *parts, size_t i_lane, const struct bands_lane *lane,
                          const double *basis, struct table_source *source)
{
    const struct bands_columns within = { lane->first, lane->n };
    size_t n_node = source->table.n_node, g = i_lane / BANDS_LANES;

    for (size_t e = 0; e < making->program->n_extract; e++)
        for (size_t p = 0; p < parts->n; p++) {
            const struct emission_label *label = label_of(making, request, parts->first_label[p]);

            if (!weigh_band(making, request, label, source->i_channel, e, &request->band[lane->i_band],
                            &within, making->sum))
                continue;
            for (size_t m = 0; m < n_node; m++) {
                size_t to = ((g * parts->n + p) * n_node + m) * BANDS_LANES + i_lane % BANDS_LANES;
                double *factor = add_dot(making, source, e, &within, to);

                if (!factor)
                    return false;
                for (size_t j = 0; j < lane->n; j++)
                    factor[j] = making->sum[j] * basis[m * lane->n + j];
            }
        }
    return true;
}

/* The dust curve of a channel's screen. */
static const double *k_behind(const struct making *making, size_t i_channel)
{
    const struct emission_program *program = making->program;

    return making->columns->k[program->screen[program->channel[i_channel].i_screen].i_curve];
}

/* Nodes of the lanes, and what is to be summed at them. */
static bool make_lanes(struct making *making, const struct observe_request *request,
                       const struct parts *parts, size_t n_lane, const struct bands_lane *lane,
                       struct table_source *source)
{
    const double *curve_k = k_behind(making, source->i_channel);
    size_t n_node = source->table.n_node;
    double *basis = arena_array(making->arena, n_node * making->n_longest, sizeof(*basis));
    double *k = arena_zeros(making->arena, source->table.n_group * n_node * BANDS_LANES, sizeof(*k));

    source->table.k = k;
    source->dot = arena_array(making->arena, n_lane * n_node * making->program->n_extract * parts->n,
                              sizeof(*source->dot));
    if (!basis || !k || !source->dot)
        return false;
    for (size_t i = 0; i < n_lane; i++) {
        double node[BANDS_NODE_MAX];

        bands_make_nodes(&lane[i], n_node, node);
        mix_basis(n_node, node, lane[i].n, curve_k + lane[i].first, basis);
        for (size_t m = 0; m < n_node; m++)
            k[(i / BANDS_LANES * n_node + m) * BANDS_LANES + i % BANDS_LANES] = node[m];
        if (!add_lane_dots(making, request, parts, i, &lane[i], basis, source))
            return false;
    }
    return true;
}

static bool make_screened(struct making *making, const struct observe_request *request, size_t first_output,
                          size_t i_channel, struct table_source *source)
{
    const struct stellar_light *light = making->light;
    const struct parts parts = find_parts(making, request, i_channel);
    struct bands_columns *band = arena_array(making->arena, request->n_band, sizeof(*band));
    struct bands_lane *lane;
    struct bands_cut cut;

    *source = (struct table_source) { .i_channel = i_channel };
    if (!band)
        return false;
    for (size_t b = 0; b < request->n_band; b++)
        band[b] = (struct bands_columns) { request->band[b].first, request->band[b].n };
    cut = bands_choose_cut(observe_tables_tau(light->tau_max[i_channel]), light->tolerance,
                           k_behind(making, i_channel), request->n_band, band);
    source->table.n_group = (cut.n_lane + BANDS_LANES - 1) / BANDS_LANES;
    source->table.n_part = parts.n;
    source->table.n_node = cut.n_node;
    if (cut.n_lane == 0 || parts.n == 0)
        source->table.n_group = 0; /* a table of nothing, without runs */
    if (source->table.n_group == 0)
        return allocate_rows(making, &source->table, 0);
    lane = arena_array(making->arena, cut.n_lane, sizeof(*lane));
    if (!lane)
        return false;
    bands_make_lanes(&cut, k_behind(making, i_channel), request->n_band, band, lane);
    return allocate_rows(making, &source->table,
                         source->table.n_group * parts.n * cut.n_node * BANDS_LANES) &&
           make_targets(making, request, first_output, &parts, cut.n_lane, lane, &source->table) &&
           make_lanes(making, request, &parts, cut.n_lane, lane, source);
}

/* ---- all tables --------------------------------------------------------------------------------- */

/* Room for a source, in place of the last one if that gives nothing. */
static struct table_source *next_source(struct observe_tables *tables)
{
    const struct table_source *last = tables->n_source ? &tables->source[tables->n_source - 1] : NULL;

    if (last && last->table.n_run == 0 && last->table.n_group == 0)
        tables->n_source--;
    return &tables->source[tables->n_source++];
}

static bool make_sources(struct making *making, struct observe_tables *tables)
{
    const struct emission_program *program = making->program;

    for (size_t c = 0; c < program->n_channel; c++) {
        size_t first_output = 0;

        if (!program->channel[c].is_attenuated && !make_bare(making, c, next_source(tables)))
            return false;
        for (size_t q = 0; program->channel[c].is_attenuated && q < making->n_request; q++) {
            if (!make_screened(making, &making->request[q], first_output, c, next_source(tables)))
                return false;
            first_output += making->request[q].n_label * making->request[q].n_band;
        }
    }
    return true;
}

static bool make_all(struct making *making, struct observe_tables *tables)
{
    size_t n_cell = making->light->grid->n_cell;

    for (size_t q = 0; q < making->n_request; q++) {
        tables->n_output += making->request[q].n_label * making->request[q].n_band;
        for (size_t b = 0; b < making->request[q].n_band; b++)
            if (making->request[q].band[b].n > making->n_longest)
                making->n_longest = making->request[q].band[b].n;
    }
    making->factor = arena_array(making->arena, making->n_longest, sizeof(double));
    making->sum = arena_array(making->arena, making->n_longest, sizeof(double));
    tables->is_filled = arena_zeros(making->arena, n_cell, sizeof(*tables->is_filled));
    tables->missing = arena_array(making->arena, n_cell, sizeof(*tables->missing));
    return making->factor && making->sum && tables->is_filled && tables->missing &&
           make_sources(making, tables);
}

int observe_tables_make(const struct stellar_light *light, const struct observe_columns *columns,
                        size_t n_request, const struct observe_request *request,
                        struct observe_tables **ret_tables, struct arena *arena, struct error *err)
{
    struct making making = { .program = light->program,
                             .light = light,
                             .columns = columns,
                             .n_request = n_request,
                             .request = request,
                             .arena = arena };
    struct observe_tables *tables = arena_zeros(arena, 1, sizeof(*tables));

    if (!tables || n_request > OBSERVE_REQUEST_MAX || !make_all(&making, tables))
        return error_set(err, POLYPHONY_INTERNAL, "no memory for tables of bands");
    tables->n_column = columns->n;
    *ret_tables = tables;
    return 0;
}

void observe_tables_fill(struct observe_tables *tables, const struct stellar_light *light)
{
    const struct mix_cells *cells = &light->cells;
    size_t n_missing = 0;

    for (size_t c = 0; c < cells->n; c++)
        if (!tables->is_filled[cells->cell[c]]) {
            tables->is_filled[cells->cell[c]] = true;
            tables->missing[n_missing++] = cells->cell[c];
        }
    for (size_t s = 0; s < tables->n_source && n_missing; s++)
        bands_fill(tables->source[s].n_dot, tables->source[s].dot, tables->n_column, n_missing,
                   tables->missing, &tables->source[s].table);
}

size_t observe_tables_outputs(const struct observe_tables *tables)
{
    return tables->n_output;
}

/* ---- memory --------------------------------------------------------------------------------------- */

/* A piece of the arena is rounded up to cache lines. */
#define PIECE_BYTES ((uint64_t)64)

/* Of a channel for one request: rows; dots and their factors. */
static uint64_t request_bytes(const struct making *making, const struct observe_request *request,
                              size_t i_channel, size_t n_cell)
{
    const struct parts parts = find_parts(making, request, i_channel);
    uint64_t n_lambda = 0, n_label = 0, n_term = 0, n_row, n_dot, n_factor;

    for (size_t b = 0; b < request->n_band; b++)
        n_lambda += request->band[b].n;
    for (size_t l = 0; l < request->n_label; l++) {
        size_t n = count_terms(making, label_of(making, request, l), i_channel);

        n_label += n > 0;
        n_term += n;
    }
    if (making->program->channel[i_channel].is_attenuated) {
        n_row = parts.n * (n_lambda + BANDS_LANES);
        n_dot = n_row * making->program->n_extract;
        n_factor = parts.n * making->program->n_extract * BANDS_NODE_MAX * n_lambda;
        /* Lanes, targets, nodes, a basis. */
        n_dot += n_lambda * n_label + 2 * n_lambda;
        n_factor += n_lambda * (1 + BANDS_NODE_MAX);
    } else {
        n_row = n_label * request->n_band + BANDS_LANES;
        n_dot = n_term * request->n_band;
        n_factor = n_term * n_lambda;
    }
    return n_label ? (n_row * n_cell + n_factor) * sizeof(double) +
                         n_dot * (sizeof(struct bands_dot) + 2 * PIECE_BYTES)
                   : 0;
}

uint64_t observe_tables_bytes(const struct emission_program *program, const struct observe_columns *columns,
                              size_t n_cell, size_t n_request, const struct observe_request *request)
{
    const struct making making = { .program = program, .columns = columns };
    uint64_t bytes = sizeof(struct observe_tables) + n_cell * (sizeof(bool) + sizeof(uint32_t)) +
                     16384; /* runs, and rounding of the larger pieces */

    for (size_t c = 0; c < program->n_channel; c++)
        for (size_t q = 0; q < n_request; q++)
            bytes += request_bytes(&making, &request[q], c, n_cell) +
                     EMISSION_LABEL_MAX * sizeof(struct bands_run);
    return bytes;
}
