/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a galaxy takes, from the numbers of its particles, before it is read; and how its stars are cut into
 * tiles so that it takes no more than it may.
 *
 * Everything here is an upper bound: where it depends on the data (cells with stars, nodes, pixels under a
 * star) the most is assumed. What grows with the number of stars is exact, so the bound is close where it
 * matters.
 */
#include "polyphony/plan_memory.h"

#include <math.h>
#include <omp.h>

/* Stars in the smallest tile that is chosen: enough to be read and shared out without loss. */
#define TILE_STARS_MIN ((uint64_t)65536)
/* Tiles are multiples of this, so that messages and traces have round numbers. */
#define TILE_STARS_STEP ((uint64_t)4096)
/* Rounding of some dozens of pieces of an arena to cache lines. */
#define ROUNDING_BYTES ((uint64_t)16384)

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Wavelengths of the grid in a filter seen at a redshift, and one more on either side. */
static size_t band_width(const struct plan *plan, const struct filter *filter, double stretch)
{
    const struct axis_nodes lambda = { plan->grid->n_lambda, plan->grid->lambda_rest_angstrom };
    size_t lower, upper;
    double fraction;

    weights_bracket(&lambda, WEIGHTS_CIC, filter->lambda_angstrom[0] / stretch, &lower, &fraction);
    weights_bracket(&lambda, WEIGHTS_CIC, filter->lambda_angstrom[filter->n - 1] / stretch, &upper,
                    &fraction);
    return upper - lower + 3 < lambda.n ? upper - lower + 3 : lambda.n;
}

/* Tables of an operation's bands. */
static uint64_t request_bytes(const struct plan *plan, const struct step *step, double stretch)
{
    const struct selection *selection = &step->selection;
    uint64_t bytes = 0;

    for (size_t i = 0; i < selection->n_instrument; i++) {
        const struct instrument *instrument = &plan->instrument[selection->i_instrument[i]];

        /* One by one they take more than together. */
        for (size_t f = 0; f < instrument->n_filter; f++) {
            const struct band band = { .n = band_width(plan, &instrument->filter[f], stretch) };
            const struct observe_request request = { selection->n_label, selection->i_label, 1, &band, NULL };

            bytes +=
                observe_tables_bytes(step->emitter->program, &plan->spectra, plan->grid->n_cell, 1, &request);
        }
    }
    return bytes;
}

/* All tables that a galaxy uses. */
static uint64_t tables_bytes(const struct plan *plan, double stretch)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < plan->n_step && plan->method != OBSERVE_DIRECT; i++) {
        const struct step *step = &plan->step[i];

        if (step->images || !plan->needs_spectra)
            bytes += request_bytes(plan, step, step->operation->frame == BAND_REST ? 1.0 : stretch);
    }
    return bytes;
}

/* Scratch of photometry and images, of which one set is made after the other. */
static uint64_t images_bytes(const struct plan *plan, uint64_t n_star, int n_thread)
{
    uint64_t bytes = 0, n_most = n_star < PLAN_IMAGE_STARS ? n_star : PLAN_IMAGE_STARS;

    for (size_t i = 0; i < plan->n_image_set; i++) {
        const struct image_set *set = &plan->image_set[i];

        bytes = larger(bytes, set->n_channel * (n_most + 4) * sizeof(double) +
                                  observe_images_bytes(&set->pixels, set->n_channel, n_thread));
    }
    for (size_t i = 0; i < plan->n_step && !plan->needs_spectra; i++) {
        const struct selection *selection = &plan->step[i].selection;

        if (!plan->step[i].images)
            bytes = larger(bytes, observe_total_bands_bytes(selection->n_label * selection->n_filter));
    }
    return bytes;
}

/* Transmission and bands at a redshift. */
static uint64_t frame_bytes(const struct plan *plan)
{
    uint64_t n_lambda = plan->grid->n_lambda, n_filter = 0;

    for (size_t i = 0; i < plan->n_instrument; i++)
        n_filter += plan->instrument[i].n_filter;
    /* band_make() keeps an array a filter, and takes four more while it works. */
    return plan->needs_observer ? ((3 + n_filter + 4) * n_lambda + 2 * plan->n_line) * sizeof(double) : 0;
}

/* Sums over an emitter's particles. */
static void count_sums(const struct plan *plan, const struct emitter *emitter, size_t n_cell, uint64_t n,
                       struct parts *parts)
{
    for (size_t i = 0; i < plan->n_step; i++)
        for (size_t k = 0; plan->step[i].emitter == emitter && k < plan->step[i].operation->n_sums; k++) {
            const struct observe_columns *columns = plan->step[i].operation->sums_columns(plan, k);
            uint64_t sums, least, most;

            if (plan->method == OBSERVE_DIRECT && columns->n)
                parts->sums = larger(parts->sums, observe_direct_bytes(emitter->program, columns->n, n,
                                                                       omp_get_max_threads()));
            if (!plan->step[i].runs || plan->method == OBSERVE_DIRECT)
                continue;
            observe_sums_bytes(emitter->program, columns, n_cell, &sums, &least, &most);
            parts->sums += sums;
            parts->sums_least += least;
            parts->sums_most += most;
        }
    parts->mix = larger(parts->mix, mix_scratch_bytes(n_cell, plan->spectra.n));
}

/* An emitter's particles on the grid; those that do not come in tiles are there as a whole. */
static void count_light(const struct plan *plan, const struct emitter *emitter, uint64_t row,
                        struct parts *parts)
{
    uint64_t n = plan->catalogue->n_particle[emitter->component][row];
    uint64_t n_most = n * weights_corners(plan->grid->n_axis);
    size_t n_cell = n_most < plan->grid->n_cell ? n_most : plan->grid->n_cell;
    uint64_t of_particle = observe_light_star_bytes(emitter->program, plan->grid);

    for (size_t i = 0; i < plan->n_image_set && plan->method == OBSERVE_DIRECT; i++)
        if (plan->image_set[i].member[0].step->emitter == emitter) /* all photometry is there at once */
            of_particle += plan->image_set[i].n_channel * sizeof(double);
    parts->fixed += observe_light_bytes(emitter->program, plan->grid->n_cell);
    if (emitter->component == plan->tiled)
        parts->tile_star += of_particle;
    else
        parts->fixed += n * of_particle;
    count_sums(plan, emitter, n_cell, n, parts);
}

/* With so many threads working on it. */
static struct parts parts_of(const struct plan *plan, uint64_t row, int n_thread)
{
    const struct catalogue *catalogue = plan->catalogue;
    struct parts parts = { .read_star = catalogue_particle_bytes(catalogue, plan->tiled),
                           .row = plan->n_value * sizeof(double) };

    parts.fixed = ROUNDING_BYTES + catalogue_around_bytes(catalogue, plan->tiled, row) + frame_bytes(plan);
    parts.tile_star = parts.read_star;
    for (size_t i = 0; i < plan->n_step; i++)
        if (plan->step[i].runs && plan->step[i].operation->take)
            plan->step[i].operation->take(plan, &plan->step[i], row, &parts);
    for (size_t e = 0; plan->needs_light && e < plan->n_emitter; e++)
        count_light(plan, &plan->emitter[e], row, &parts);
    parts.images = images_bytes(plan, plan_count_shining(plan, row), n_thread);
    parts.tables = tables_bytes(plan, 1.0 + fmax(plan_redshift(plan, row), 0.0));
    return parts;
}

static size_t channels_most(const struct plan *plan)
{
    size_t n = 0;

    for (size_t e = 0; e < plan->n_emitter; e++)
        n = plan->emitter[e].program->n_channel > n ? plan->emitter[e].program->n_channel : n;
    return n;
}

static struct parts parts_of_alone(const struct plan *plan, uint64_t row)
{
    struct parts parts = parts_of(plan, row, omp_get_max_threads());

    if (plan->needs_light)
        parts.mix += mix_batch_bytes(channels_most(plan), plan->grid->n_cell, omp_get_max_threads());
    return parts;
}

/* With those that are kept for other galaxies. */
static uint64_t kept_tables_bytes(const struct parts *parts)
{
    return parts->tables ? parts->tables + PLAN_TABLES_KEPT_BYTES : 0;
}

static uint64_t whole_bytes(const struct parts *parts, uint64_t n_star)
{
    /* One stage after the other hands its scratch back. */
    return parts->fixed + parts->row + kept_tables_bytes(parts) +
           larger(parts->sums + parts->mix, parts->images) + n_star * (parts->star + parts->tile_star);
}

/* In tiles of n_tile stars, without room for sums beyond the least. */
static uint64_t tiled_bytes(const struct parts *parts, uint64_t n_star, uint64_t n_tile)
{
    return parts->fixed + parts->row + kept_tables_bytes(parts) + parts->sums + parts->mix + parts->images +
           parts->sums_least + n_star * parts->star + n_tile * parts->tile_star;
}

uint64_t plan_galaxy_bytes(const struct plan *plan, uint64_t row)
{
    struct parts parts = parts_of_alone(plan, row);

    return whole_bytes(&parts, plan->catalogue->n_particle[plan->tiled][row]);
}

uint64_t plan_galaxy_least_bytes(const struct plan *plan, uint64_t row)
{
    struct parts parts = parts_of_alone(plan, row);
    uint64_t n_star = plan->catalogue->n_particle[plan->tiled][row];
    uint64_t whole = whole_bytes(&parts, n_star), tiled = tiled_bytes(&parts, n_star, TILE_STARS_MIN);

    return n_star <= TILE_STARS_MIN || whole < tiled ? whole : tiled;
}

/* Frames are kept once; tables of bands are used by one galaxy a thread at a time. */
uint64_t group_member_bytes(const struct plan *plan, uint64_t row)
{
    struct parts parts = parts_of(plan, row, 1);

    return parts.fixed - frame_bytes(plan) + parts.sums + group_row_stride(plan) * sizeof(double) +
           plan->catalogue->n_particle[plan->tiled][row] * (parts.star + parts.tile_star);
}

uint64_t group_thread_bytes(const struct plan *plan, uint64_t row)
{
    struct parts parts = parts_of(plan, row, 1);

    return larger(parts.mix, parts.images) + parts.tables + (group_rows_are_large(plan) ? parts.row : 0);
}

/* The row of galaxies alone is there, too. */
uint64_t group_shared_bytes(const struct plan *plan)
{
    return plan->n_value * sizeof(double) + PLAN_FRAMES_MAX * frame_bytes(plan) + PLAN_TABLES_KEPT_BYTES +
           mix_batch_bytes(PLAN_GROUP_MAX * channels_most(plan), plan->grid->n_cell, omp_get_max_threads());
}

/* ---- tiles ----------------------------------------------------------------------------------- */

static struct tiling tiling_of(const struct parts *parts, uint64_t n_star, uint64_t n_tile, uint64_t sums)
{
    struct tiling tiling = { .n_tile = (n_star + n_tile - 1) / n_tile, .n_star = n_tile };
    double range = (double)(parts->sums_most - parts->sums_least);

    /* Room is never 0 in tiles, however little there is. */
    tiling.room = range > 0 ? fmax((double)sums / range, 1e-9) : 1.0;
    tiling.bytes = tiled_bytes(parts, n_star, n_tile) + sums;
    return tiling;
}

/* What is left beyond the least goes in halves to sums, as far as they have use for it, and to larger tiles. */
static struct tiling spread(const struct parts *parts, uint64_t n_star, uint64_t left, bool reads_ahead)
{
    uint64_t sums = parts->sums_most - parts->sums_least;
    uint64_t ahead = reads_ahead ? parts->read_star : 0;
    uint64_t n_tile = TILE_STARS_MIN;
    struct tiling tiling;

    sums = left / 2 < sums ? left / 2 : sums;
    left -= sums;
    if (left < ahead * n_tile)
        ahead = 0;
    left -= ahead * n_tile;
    n_tile += left / (parts->tile_star + ahead) / TILE_STARS_STEP * TILE_STARS_STEP;
    tiling = tiling_of(parts, n_star, n_tile, sums);
    tiling.reads_ahead = ahead > 0;
    tiling.bytes += ahead * n_tile;
    return tiling;
}

static int does_not_fit(const struct plan *plan, const struct memory_bound *bound, uint64_t row,
                        uint64_t least, struct error *err)
{
    const struct catalogue *catalogue = plan->catalogue;
    const double mb = 1048576.0; /* as the key counts */

    return error_set(
        err, POLYPHONY_SET_ASIDE,
        "galaxy %lld: %llu stars and %llu gas particles need at least %.0f MB, 'memory_mb' allows %.0f; memory_mb: %.0f would do",
        (long long)catalogue->id[row], (unsigned long long)catalogue->n_particle[STARS][row],
        (unsigned long long)catalogue->n_particle[GAS][row], ceil((double)least / mb),
        (double)bound->bytes / mb, ceil((double)least / mb));
}

int tiling_choose(const struct plan *plan, const struct memory_bound *bound, uint64_t row,
                  struct tiling *ret_tiling, struct error *err)
{
    struct parts parts = parts_of_alone(plan, row);
    uint64_t n_star = plan->catalogue->n_particle[plan->tiled][row], most = bound->bytes, least;
    uint64_t whole = whole_bytes(&parts, n_star);

    if (bound->n_star_tile && bound->n_star_tile < n_star) {
        *ret_tiling = tiling_of(&parts, n_star, bound->n_star_tile, 0);
        ret_tiling->reads_ahead = true;
        return 0;
    }
    if (!most || whole <= most) {
        *ret_tiling = (struct tiling) { .n_tile = 1, .n_star = n_star, .bytes = whole };
        return 0;
    }
    least = tiled_bytes(&parts, n_star, TILE_STARS_MIN);
    if (n_star <= TILE_STARS_MIN || least > most)
        return does_not_fit(plan, bound, row, plan_galaxy_least_bytes(plan, row), err);
    *ret_tiling = spread(&parts, n_star, most - least, bound->reads_ahead);
    return 0;
}

uint64_t tiling_read_bytes(const struct plan *plan, uint64_t row, const struct tiling *tiling)
{
    return catalogue_around_bytes(plan->catalogue, plan->tiled, row) +
           tiling->n_star * catalogue_particle_bytes(plan->catalogue, plan->tiled);
}
