/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A galaxy's way through the stages.
 *
 * In one tile, stage after stage does all it has to do. In several, phase after phase: all stages with the
 * first tile, with the second, and so on; then each stage once; then all stages with each tile again, in as
 * many rounds as sums over stars need; then each stage once more. Both orders call the same functions with
 * the same stars in the same order.
 */
#include "pipeline_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t pipeline_stage_count(void)
{
    return N_STAGE + 1;
}

size_t pipeline_stage_write(void)
{
    return N_STAGE;
}

/* ---- what is read, and what comes next --------------------------------------------------------- */

static struct reader_piece piece_of(const struct plan *plan, uint64_t row, const struct tiling *tiling,
                                    size_t i_tile, bool is_first_time)
{
    uint64_t first = (uint64_t)i_tile * tiling->n_star, left = plan->catalogue->n_star[row] - first;

    return (struct reader_piece) { .row = row,
                                   .first = first,
                                   .n = left < tiling->n_star ? left : tiling->n_star,
                                   .with_around = i_tile == 0 && is_first_time };
}

/* The first galaxy that is expected, if there is room for it beside what is taken. */
static void begin_expected(struct pipeline *p)
{
    struct tiling tiling;
    struct reader_piece piece;
    uint64_t row;

    if (p->n_expected == 0)
        return;
    row = p->expected[p->i_expected];
    if (tiling_choose(p->plan, &p->settings, row, &tiling, NULL))
        return;
    if (p->settings.memory_bytes &&
        p->taken_bytes + tiling_read_bytes(p->plan, row, &tiling) > p->settings.memory_bytes)
        return;
    piece = piece_of(p->plan, row, &tiling, 0, true);
    reader_begin(p->reader, &piece);
}

/* Is this the last time that the galaxy's tiles come? */
static bool is_last_round(const struct pipeline *p)
{
    if (p->phase == PHASE_TILE)
        return p->tiling.n_tile == 1 || !p->needs_again;
    for (size_t i = 0; i < N_SUMS; i++)
        if (!observe_sums_is_last_round(&p->sums[i]))
            return false;
    return true;
}

/* Once a tile is in hand: the next one, the first one again, or another galaxy. */
static void begin_next(struct pipeline *p)
{
    bool is_last_tile = p->i_tile + 1 == p->tiling.n_tile;
    struct reader_piece piece;

    if (!p->settings.reads_ahead)
        return;
    if (is_last_tile && is_last_round(p)) {
        begin_expected(p);
        return;
    }
    if (!p->tiling.reads_ahead)
        return;
    piece = piece_of(p->plan, p->galaxy.row, &p->tiling, is_last_tile ? 0 : p->i_tile + 1, false);
    reader_begin(p->reader, &piece);
}

int pipeline_take_tile(struct pipeline *p, struct error *err)
{
    struct reader_piece piece =
        piece_of(p->plan, p->galaxy.row, &p->tiling, p->i_tile, p->phase == PHASE_TILE);
    struct galaxy galaxy;
    int r = reader_take(p->reader, &piece, &galaxy, err);

    if (r)
        return r;
    galaxy.redshift = plan_redshift(p->plan, galaxy.row);
    memcpy(galaxy.centre_kpc, p->galaxy.centre_kpc, sizeof(galaxy.centre_kpc));
    p->galaxy = galaxy;
    begin_next(p);
    return 0;
}

void pipeline_expect(struct pipeline *p, size_t n, const uint64_t *row)
{
    for (size_t i = 0; i < n && p->n_expected < EXPECT_MAX; i++)
        p->expected[(p->i_expected + p->n_expected++) % EXPECT_MAX] = row[i];
    if (p->settings.reads_ahead)
        begin_expected(p);
}

void pipeline_rest(struct pipeline *p)
{
    if (!p)
        return;
    p->n_expected = 0;
    reader_drop(p->reader);
}

/* A row is run: it and what should have come before it are not expected any more. */
static void drop_expected(struct pipeline *p, uint64_t row)
{
    bool is_found = false;

    while (p->n_expected > 0 && !is_found) {
        is_found = p->expected[p->i_expected] == row;
        p->i_expected = (p->i_expected + 1) % EXPECT_MAX;
        p->n_expected--;
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

static uint64_t kept_bytes(const struct pipeline *p)
{
    return p->arena.peak_bytes + p->gas_arena.peak_bytes + p->tile_arena.peak_bytes +
           p->frame_arena.peak_bytes + reader_bytes(p->reader);
}

/* Memory is kept from galaxy to galaxy, unless the next one would then not fit the bound. */
static void make_room(struct pipeline *p)
{
    struct reader_piece piece = piece_of(p->plan, p->galaxy.row, &p->tiling, 0, true);
    uint64_t bound = p->settings.memory_bytes, kept;

    if (!reader_has(p->reader, &piece))
        reader_drop(p->reader);
    kept = kept_bytes(p);
    if (bound && kept + p->tiling.bytes > bound) {
        arena_free(&p->arena);
        arena_free(&p->gas_arena);
        arena_free(&p->tile_arena);
        reader_trim(p->reader);
        kept = 0;
    }
    p->taken_bytes = kept + p->tiling.bytes;
}

/* ---- one galaxy ------------------------------------------------------------------------------ */

/* A run through the stages: where it is, for traces and messages. */
struct course {
    int64_t now_ns;
    size_t i_stage;
};

static int run_stage(struct pipeline *p, struct course *course, size_t i_stage, enum phase first,
                     enum phase last, struct error *err)
{
    const struct stage *stage = &pipeline_stages[i_stage];
    bool has_run = false;
    int r = 0;

    course->i_stage = i_stage;
    for (enum phase phase = first; !r && p->is_wanted[i_stage] && phase <= last; phase++) {
        if (!stage->run[phase])
            continue;
        p->phase = phase;
        r = stage->run[phase](p, err);
        has_run = true;
    }
    if (has_run)
        course->now_ns = trace_end(p->settings.trace, i_stage, course->now_ns);
    return r;
}

static int run_phase(struct pipeline *p, struct course *course, enum phase phase, struct error *err)
{
    int r = 0;

    for (size_t s = 0; !r && s < N_STAGE; s++)
        r = run_stage(p, course, s, phase, phase, err);
    return r;
}

static int run_tiles(struct pipeline *p, struct course *course, enum phase phase, struct error *err)
{
    int r = 0;

    for (p->i_tile = 0; !r && p->i_tile < p->tiling.n_tile; p->i_tile++)
        r = run_phase(p, course, phase, err);
    return r;
}

static bool sums_are_done(const struct pipeline *p)
{
    for (size_t i = 0; i < N_SUMS; i++)
        if (!p->sums[i].is_done)
            return false;
    return true;
}

static int run_in_tiles(struct pipeline *p, struct course *course, struct error *err)
{
    int r = run_tiles(p, course, PHASE_TILE, err);

    if (!r)
        r = run_phase(p, course, PHASE_ALL, err);
    for (p->i_round = 0; !r && p->needs_again && (p->i_round == 0 || !sums_are_done(p)); p->i_round++)
        r = run_tiles(p, course, PHASE_AGAIN, err);
    return r ? r : run_phase(p, course, PHASE_END, err);
}

static int run_whole(struct pipeline *p, struct course *course, struct error *err)
{
    int r = 0;

    p->i_tile = p->i_round = 0;
    for (size_t s = 0; !r && s < N_STAGE; s++)
        r = run_stage(p, course, s, PHASE_TILE, PHASE_END, err);
    return r;
}

static void begin_galaxy(struct pipeline *p, uint64_t row)
{
    arena_reset(&p->arena);
    memset(p->value, 0, p->plan->n_value * sizeof(*p->value));
    memset(p->centre_sum_kpc, 0, sizeof(p->centre_sum_kpc));
    for (size_t i = 0; i < N_SUMS; i++)
        p->sums[i] = (struct observe_sums) { .is_done = true };
    p->galaxy = (struct galaxy) { .row = row, .id = p->plan->catalogue->id[row] };
    drop_expected(p, row);
}

int pipeline_run(struct pipeline *p, uint64_t row, struct pipeline_row *ret_row, struct error *err)
{
    const struct job_optical_depths *job = p->plan->job->operations.los_optical_depths;
    const struct catalogue *catalogue = p->plan->catalogue;
    struct course course = { .now_ns = trace_begin_galaxy(p->settings.trace, row, catalogue->n_star[row]) };
    uint64_t kept;
    int r;

    begin_galaxy(p, row);
    r = tiling_choose(p->plan, &p->settings, row, &p->tiling, err);
    if (!r) {
        make_room(p);
        r = p->tiling.n_tile > 1 ? run_in_tiles(p, &course, err) : run_whole(p, &course, err);
    }
    kept = kept_bytes(p);
    p->peak_bytes = kept > p->peak_bytes ? kept : p->peak_bytes;
    if (r) {
        ret_row->stage = pipeline_stage_names[course.i_stage];
        return r;
    }
    *ret_row = (struct pipeline_row) { .row = row, .value = p->value, .stage = "" };
    if (job && *job->write_particles) {
        ret_row->n_star = catalogue->n_star[row];
        ret_row->n_black_hole = p->galaxy.n_black_hole;
        ret_row->star_tau = p->star_tau;
        ret_row->black_hole_tau = p->black_hole_tau;
    }
    return 0;
}

/* ---- opening and closing ----------------------------------------------------------------------- */

/* Which stages the job asks for, or another stage needs. */
static void choose_stages(struct pipeline *p)
{
    const struct plan *plan = p->plan;
    const struct job_operations *ops = &plan->job->operations;
    const bool is_wanted[N_STAGE] = {
        true, /* reading */
        ops->los_optical_depths,
        ops->sfzh,
        ops->sfh,
        plan->needs_light,
        ops->spectra || ops->observed_spectra || ops->photometry_luminosities || ops->photometry_fluxes,
        plan->needs_observer,
        ops->observed_spectra,
        ops->photometry_luminosities,
        ops->photometry_fluxes,
        ops->lines,
        ops->observed_lines,
        ops->images_luminosity,
        ops->images_flux,
    };

    memcpy(p->is_wanted, is_wanted, sizeof(is_wanted));
    p->needs_again =
        plan->needs_light && (plan->method == OBSERVE_DIRECT || ops->images_luminosity || ops->images_flux);
    for (size_t c = 0; c < plan->program.n_channel; c++)
        p->needs_again |= plan->needs_light && plan->program.channel[c].is_attenuated;
}

int pipeline_open(struct plan *plan, const struct pipeline_settings *settings, struct pipeline **ret_pipeline,
                  struct error *err)
{
    struct pipeline *p = mem_array(1, sizeof(*p));
    size_t n_filter = 0;
    int r = 0;

    if (p) {
        p->plan = plan;
        if (settings)
            p->settings = *settings;
        p->frame_redshift = (double)NAN;
        choose_stages(p);
        p->value = mem_array(plan->n_value, sizeof(*p->value));
        p->first_filter = mem_array(plan->n_instrument, sizeof(*p->first_filter));
        for (size_t i = 0; p->first_filter && i < plan->n_instrument; i++) {
            p->first_filter[i] = n_filter;
            n_filter += plan->instrument[i].n_filter;
        }
        p->bands.rest = mem_array(n_filter, sizeof(struct band));
        p->bands.observed = mem_array(n_filter, sizeof(struct band));
    }
    if (!p || !p->value || !p->first_filter || !p->bands.rest || !p->bands.observed) {
        pipeline_close(p);
        return error_set(err, POLYPHONY_INTERNAL, "no memory for a row of %zu values", plan->n_value);
    }
    for (size_t i = 0; i < plan->n_instrument; i++)
        for (size_t f = 0; !r && f < plan->instrument[i].n_filter; f++)
            r = band_make(&plan->instrument[i].filter[f], BAND_REST, 0.0, plan->grid->n_lambda,
                          plan->grid->lambda_rest_angstrom, &plan->arena,
                          &p->bands.rest[p->first_filter[i] + f], err);
    if (!r)
        r = reader_open(plan->catalogue, p->settings.reads_ahead, &p->reader, err);
    if (r) {
        pipeline_close(p);
        return r;
    }
    *ret_pipeline = p;
    return 0;
}

void pipeline_close(struct pipeline *p)
{
    if (!p)
        return;
    reader_close(p->reader);
    arena_free(&p->arena);
    arena_free(&p->gas_arena);
    arena_free(&p->tile_arena);
    arena_free(&p->frame_arena);
    free(p->value);
    free(p->first_filter);
    free(p->bands.rest);
    free(p->bands.observed);
    free(p);
}

size_t pipeline_peak_bytes(const struct pipeline *p)
{
    return p->peak_bytes;
}
