/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The direct method: Synthesizer's algorithm, and the definition of what the fast methods compute.
 *
 * Each star has a spectrum of its own for each label. Stars are taken in blocks, whose spectra stay in the
 * caches (BLOCK_BYTES of them a thread); a thread forms the spectra of a star, dims them by the star's own
 * screen and integrates them through the filters; then each thread adds the block's spectra up, in the order
 * of the stars, in columns of its own. So neither blocks nor threads show in the bits. (In blocks of 256 MiB,
 * which go through memory as the peer's arrays do, it takes 1.9 times as long.)
 */
#include "light_private.h"

#include <omp.h>

#include "polyphony/rows.h"

/* Spectra that are there at once, a thread. */
#define BLOCK_BYTES ((size_t)2 << 20)
/* Columns that are formed together, and summed together: what they need stays in the first-level cache. */
enum { TILE = 512 };
/* Of a piece of the arena, at most [bytes]. */
enum { ROUNDING = 128 };

struct term {
    size_t i_extract, i_channel, i_channel_ly_alpha;
    double *factor; /* [columns] what is the same for all stars */
};

struct direct_label {
    size_t n_term;
    struct term term[EMISSION_TERM_MAX];
    double *sum;      /* NULL: not asked for */
    double *spectrum; /* [n_block][columns] */
};

struct direct {
    const struct stellar_light *light;
    const struct observe_columns *columns;
    struct arena *arena;
    struct direct_label label[EMISSION_LABEL_MAX];
    bool is_formed[EMISSION_LABEL_MAX];
    bool extract_is_used[EMISSION_EXTRACT_MAX];
    bool screen_is_used[EMISSION_SCREEN_MAX], has_ly_alpha;
    size_t n_block;
};

/* Of a star, in its thread. */
struct star {
    double extract[EMISSION_EXTRACT_MAX][TILE];    /* bare spectra of the grid */
    double transmitted[EMISSION_SCREEN_MAX][TILE]; /* by its screens */
    double *observed;                              /* [columns] a spectrum in the observer's frame */
};

/* Some columns. */
struct part {
    size_t first, n;
};

static int no_memory(struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "no memory for the spectra of stars");
}

static int prepare_label(struct direct *d, size_t l, struct error *err)
{
    const struct emission_label *label = &d->light->program->label[l];

    for (size_t t = 0; t < label->n_term; t++) {
        const struct emission_term *term = &label->term[t];
        const struct emission_channel *channel = &d->light->program->channel[term->i_channel];
        struct term *own = &d->label[l].term[d->label[l].n_term];

        if (!d->columns->value[term->i_extract])
            continue; /* no columns of this extract: no luminosity in lines, say */
        own->i_extract = term->i_extract;
        own->i_channel = term->i_channel;
        own->i_channel_ly_alpha = term->i_channel_ly_alpha;
        own->factor = arena_array(d->arena, d->columns->n, sizeof(double));
        if (!own->factor)
            return no_memory(err);
        observe_term_factor(d->light, d->columns, term, own->factor);
        d->label[l].n_term++;
        d->extract_is_used[term->i_extract] = true;
        d->has_ly_alpha |= term->i_channel != term->i_channel_ly_alpha;
        if (channel->is_attenuated)
            d->screen_is_used[channel->i_screen] = true;
    }
    return 0;
}

/* ---- a star --------------------------------------------------------------------------------------- */

/* Its light in the grid's spectra, for one solar mass, and its screens. */
static void extract(const struct direct *d, size_t i, struct part part, struct star *star)
{
    const struct weights *weights = &d->light->weights;

    for (size_t e = 0; e < d->light->program->n_extract; e++) {
        const double *row[WEIGHTS_CORNER_MAX];
        double share[WEIGHTS_CORNER_MAX];
        size_t n_row = 0;

        if (!d->extract_is_used[e])
            continue;
        for (size_t at = i * weights->n_corner; at < (i + 1) * weights->n_corner; at++)
            if (weights->share[at] > 0.0) {
                row[n_row] = d->columns->value[e] + (size_t)weights->cell[at] * d->columns->n + part.first;
                share[n_row++] = weights->share[at];
            }
        rows_mix(part.n, n_row, share, row, star->extract[e]);
    }
    for (size_t s = 0; s < d->light->program->n_screen; s++)
        if (d->screen_is_used[s])
            rows_exp(part.n, -d->light->tau[s][i],
                     d->columns->k[d->light->program->screen[s].i_curve] + part.first, star->transmitted[s]);
}

/* Lyman alpha has fractions of its own. */
static void set_ly_alpha(const struct direct *d, const struct direct_label *label, size_t i, struct part part,
                         const struct star *star, double *spectrum)
{
    for (size_t j = 0; j < part.n; j++) {
        if (!d->columns->is_ly_alpha[part.first + j])
            continue;
        spectrum[j] = 0.0;
        for (size_t t = 0; t < label->n_term; t++) {
            const struct term *term = &label->term[t];
            const struct emission_channel *channel = &d->light->program->channel[term->i_channel];

            spectrum[j] += d->light->mass[term->i_channel_ly_alpha][i] * term->factor[part.first + j] *
                           (channel->is_attenuated ? star->transmitted[channel->i_screen][j] : 1.0) *
                           star->extract[term->i_extract][j];
        }
    }
}

static void form(const struct direct *d, const struct direct_label *label, size_t i, struct part part,
                 const struct star *star, double *spectrum)
{
    for (size_t j = 0; j < part.n; j++)
        spectrum[j] = 0.0;
    for (size_t t = 0; t < label->n_term; t++) {
        const struct term *term = &label->term[t];
        const double *factor = term->factor + part.first, *bare = star->extract[term->i_extract];
        const struct emission_channel *channel = &d->light->program->channel[term->i_channel];
        double mass = d->light->mass[term->i_channel][i];

        if (channel->is_attenuated)
            rows_add_product3(part.n, mass, factor, star->transmitted[channel->i_screen], bare, spectrum);
        else
            rows_add_product(part.n, mass, factor, bare, spectrum);
    }
    if (d->has_ly_alpha)
        set_ly_alpha(d, label, i, part, star, spectrum);
}

/* Star `i` of the tile is star `in_block` of the block. */
static void form_star(const struct direct *d, size_t i, size_t in_block, struct star *star)
{
    size_t n_column = d->columns->n;

    for (size_t first = 0; first < n_column; first += TILE) {
        struct part part = { first, n_column - first < TILE ? n_column - first : TILE };

        extract(d, i, part, star);
        for (size_t l = 0; l < d->light->program->n_label; l++)
            if (d->is_formed[l])
                form(d, &d->label[l], i, part, star, d->label[l].spectrum + in_block * n_column + first);
    }
}

static void observe_star(const struct direct *d, const struct observe_star_bands *bands, size_t i,
                         size_t in_block, const struct star *star)
{
    size_t n = d->columns->n, n_star = d->light->particles->n;

    for (size_t l = 0; l < bands->n_label; l++) {
        const double *spectrum = d->label[bands->i_label[l]].spectrum + in_block * n;
        double *value = bands->value + (l * n_star + i) * bands->n_band;

        if (bands->screen)
            rows_multiply(n, bands->screen, spectrum, star->observed);
        for (size_t b = 0; b < bands->n_band; b++)
            value[b] = rows_dot(bands->band[b].n, bands->band[b].weight,
                                (bands->screen ? star->observed : spectrum) + bands->band[b].first);
    }
}

/* ---- a block -------------------------------------------------------------------------------------- */

static void form_block(const struct direct *d, size_t first, size_t n_star, size_t n_bands,
                       const struct observe_star_bands *bands, struct star *stars)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n_star; i++) {
        struct star *star = &stars[omp_get_thread_num()];

        form_star(d, first + i, i, star);
        for (size_t b = 0; b < n_bands; b++)
            observe_star(d, &bands[b], first + i, i, star);
    }
}

static void sum_block(const struct direct *d, size_t n_star)
{
    size_t n_column = d->columns->n, n_tile = (n_column + TILE - 1) / TILE, n_label = 0;
    const struct direct_label *label[EMISSION_LABEL_MAX];

    for (size_t l = 0; l < d->light->program->n_label; l++)
        if (d->label[l].sum)
            label[n_label++] = &d->label[l];
#pragma omp parallel for collapse(2) schedule(static)
    for (size_t l = 0; l < n_label; l++)
        for (size_t i_tile = 0; i_tile < n_tile; i_tile++) {
            size_t first = i_tile * TILE, n = n_column - first < TILE ? n_column - first : TILE;

            for (size_t i = 0; i < n_star; i++)
                rows_add(n, label[l]->spectrum + i * n_column + first, label[l]->sum + first);
        }
}

/* Stars of a block, a thread. */
static size_t block_stars(size_t n_label, size_t n_column)
{
    size_t n = BLOCK_BYTES / (n_label * n_column * sizeof(double));

    return n > 1 ? n : 1;
}

/* Which labels have to be formed, and where their spectra go. */
static int open_block(struct direct *d, double *const *label, size_t n_bands,
                      const struct observe_star_bands *bands, size_t n_thread, struct error *err)
{
    size_t n_label = 0;
    int r = 0;

    for (size_t l = 0; l < d->light->program->n_label; l++)
        d->is_formed[l] = (d->label[l].sum = label[l]) != NULL;
    for (size_t b = 0; b < n_bands; b++)
        for (size_t l = 0; l < bands[b].n_label; l++)
            d->is_formed[bands[b].i_label[l]] = true;
    for (size_t l = 0; l < d->light->program->n_label; l++)
        n_label += d->is_formed[l];
    d->n_block = n_thread * (n_label ? block_stars(n_label, d->columns->n) : 1);
    d->n_block = d->n_block < d->light->particles->n ? d->n_block : d->light->particles->n;
    for (size_t l = 0; !r && l < d->light->program->n_label; l++) {
        if (!d->is_formed[l])
            continue;
        d->label[l].spectrum = arena_array(d->arena, d->n_block * d->columns->n, sizeof(double));
        r = d->label[l].spectrum ? prepare_label(d, l, err) : no_memory(err);
    }
    return r;
}

int observe_direct(const struct stellar_light *light, const struct observe_columns *columns,
                   double *const *label, size_t n_bands, const struct observe_star_bands *bands,
                   struct arena *arena, struct error *err)
{
    struct arena_mark mark = arena_mark(arena);
    size_t n_star = light->particles->n, n_thread = (size_t)omp_get_max_threads();
    struct direct d = { .light = light, .columns = columns, .arena = arena };
    struct star *stars = arena_array(arena, n_thread, sizeof(*stars));
    int r = stars ? open_block(&d, label, n_bands, bands, n_thread, err) : no_memory(err);

    for (size_t t = 0; !r && t < n_thread; t++) {
        stars[t].observed = arena_array(arena, columns->n, sizeof(double));
        r = stars[t].observed ? 0 : no_memory(err);
    }
    for (size_t first = 0; !r && first < n_star; first += d.n_block) {
        size_t n = n_star - first < d.n_block ? n_star - first : d.n_block;

        form_block(&d, first, n, n_bands, bands, stars);
        sum_block(&d, n);
    }
    arena_release(arena, mark);
    return r;
}

uint64_t observe_direct_bytes(const struct emission_program *program, size_t n_column, uint64_t n_star,
                              int n_thread)
{
    uint64_t row = (uint64_t)n_column * sizeof(double), n_term = 0;
    /* The fewer labels are formed the more stars: never more than so many bytes, or one star a thread. */
    uint64_t spectra =
        (uint64_t)n_thread * (BLOCK_BYTES > row * program->n_label ? BLOCK_BYTES : row * program->n_label);

    for (size_t l = 0; l < program->n_label; l++)
        n_term += program->label[l].n_term;
    if (spectra > row * program->n_label * n_star)
        spectra = row * program->n_label * n_star;
    return (row + ROUNDING) * (n_term + (uint64_t)n_thread) + spectra + ROUNDING * program->n_label +
           (uint64_t)n_thread * sizeof(struct star) + ROUNDING;
}
