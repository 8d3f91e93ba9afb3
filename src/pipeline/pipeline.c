/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A galaxy's way through the stages, alone; groups have another (group.c).
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

/* ---- what is read, and what comes next --------------------------------------------------------- */

static struct reader_piece piece_of(const struct plan *plan, uint64_t row, const struct tiling *tiling,
                                    size_t i_tile, bool is_first_time)
{
    uint64_t first = (uint64_t)i_tile * tiling->n_star,
             left = plan->catalogue->n_particle[plan->tiled][row] - first;

    return (struct reader_piece) { .row = row,
                                   .component = plan->tiled,
                                   .first = first,
                                   .n = left < tiling->n_star ? left : tiling->n_star,
                                   .with_around = i_tile == 0 && is_first_time };
}

static bool has_room(const struct pipeline *p, uint64_t bytes)
{
    return !p->bound.bytes || p->taken_bytes + bytes <= p->bound.bytes;
}

/* The first galaxy that is expected. */
static void begin_expected_alone(struct pipeline *p)
{
    uint64_t row = p->expected[p->i_expected].row;
    struct reader_piece piece;
    struct tiling tiling;

    if (tiling_choose(p->plan, &p->bound, row, &tiling, NULL) ||
        !has_room(p, tiling_read_bytes(p->plan, row, &tiling)))
        return;
    piece = piece_of(p->plan, row, &tiling, 0, true);
    reader_begin(p->reader, &piece);
}

void pipeline_begin_expected(struct pipeline *p)
{
    struct reader_piece piece = { 0 };
    uint64_t bytes;
    size_t n = 0;

    if (p->n_expected == 0 || !p->bound.reads_ahead)
        return;
    while (n < p->n_expected && n < PLAN_GROUP_MAX) {
        const struct expected *expected = &p->expected[(p->i_expected + n) % EXPECT_MAX];

        piece.group[n++] = expected->row;
        if (expected->is_last)
            break;
    }
    piece.n_group = p->group ? group_choose(p->plan, &p->bound, n, piece.group, &bytes) : 1;
    if (piece.n_group == 1)
        begin_expected_alone(p);
    else if (has_room(p, bytes))
        reader_begin(p->reader, &piece);
}

static struct pipeline *pipeline_of(const struct work *w)
{
    return w->context;
}

/* Is this the last time that the galaxy's tiles come? */
static bool is_last_round(const struct work *w)
{
    if (w->phase == PHASE_TILE)
        return w->tiling.n_tile == 1 || !pipeline_of(w)->needs_again;
    for (size_t i = 0; i < w->plan->n_sums; i++)
        if (!observe_sums_is_last_round(&w->sums[i]))
            return false;
    return true;
}

/* Once a tile is in hand: the next one, the first one again, or another galaxy. */
static void begin_next(struct work *w)
{
    struct pipeline *p = pipeline_of(w);
    bool is_last_tile = w->i_tile + 1 == w->tiling.n_tile;
    struct reader_piece piece;

    if (!p->bound.reads_ahead)
        return;
    if (is_last_tile && is_last_round(w)) {
        pipeline_begin_expected(p);
        return;
    }
    if (!w->tiling.reads_ahead)
        return;
    piece = piece_of(p->plan, w->galaxy.row, &w->tiling, is_last_tile ? 0 : w->i_tile + 1, false);
    reader_begin(p->reader, &piece);
}

int pipeline_take_tile(struct work *w, struct error *err)
{
    struct reader_piece piece =
        piece_of(w->plan, w->galaxy.row, &w->tiling, w->i_tile, w->phase == PHASE_TILE);
    struct galaxy galaxy;
    int r = reader_take(pipeline_of(w)->reader, &piece, &galaxy, err);

    if (r)
        return r;
    galaxy.redshift = plan_redshift(w->plan, galaxy.row);
    memcpy(galaxy.centre_kpc, w->galaxy.centre_kpc, sizeof(galaxy.centre_kpc));
    for (size_t c = 0; c < N_COMPONENT; c++) {
        if (w->i_tile == 0)
            w->n_around[c] = galaxy.particles[c].n;
        else if (c != (size_t)w->plan->tiled)
            galaxy.particles[c].n = 0;
    }
    w->galaxy = galaxy;
    begin_next(w);
    return 0;
}

void pipeline_expect(struct pipeline *p, size_t n, const uint64_t *row)
{
    for (size_t i = 0; i < n && p->n_expected < EXPECT_MAX; i++)
        p->expected[(p->i_expected + p->n_expected++) % EXPECT_MAX] =
            (struct expected) { row[i], i + 1 == n };
    pipeline_begin_expected(p);
}

void pipeline_rest(struct pipeline *p)
{
    if (!p)
        return;
    p->n_expected = 0;
    reader_drop(p->reader);
}

/* A row is run: it and what should have come before it are not expected any more. */
void pipeline_drop_expected(struct pipeline *p, uint64_t row)
{
    bool is_found = false;

    while (p->n_expected > 0 && !is_found) {
        is_found = p->expected[p->i_expected].row == row;
        p->i_expected = (p->i_expected + 1) % EXPECT_MAX;
        p->n_expected--;
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

static uint64_t kept_bytes(const struct pipeline *p)
{
    uint64_t bytes = p->plan->n_value * sizeof(*p->value) + p->arena.peak_bytes + p->gas_arena.peak_bytes +
                     p->tile_arena.peak_bytes + reader_bytes(p->reader) + group_kept_bytes(p->group);

    return bytes + common_bytes(&p->common);
}

void pipeline_make_room(struct pipeline *p, const struct reader_piece *piece, uint64_t bytes)
{
    uint64_t bound = p->bound.bytes, kept;

    if (!reader_has(p->reader, piece))
        reader_drop(p->reader);
    kept = kept_bytes(p);
    if (bound && kept + bytes > bound) {
        arena_free(&p->arena);
        arena_free(&p->gas_arena);
        arena_free(&p->tile_arena);
        group_free_kept(p->group);
        frame_forget(&p->common);
        reader_trim(p->reader);
        observe_cache_trim(p->common.cache);
        kept = 0;
    }
    p->taken_bytes = kept + bytes;
}

void pipeline_note_peak(struct pipeline *p)
{
    uint64_t kept = kept_bytes(p);

    p->peak_bytes = kept > p->peak_bytes ? kept : p->peak_bytes;
}

/* ---- one galaxy ------------------------------------------------------------------------------ */

void pipeline_describe(const struct work *w, struct pipeline_row *ret_row)
{
    *ret_row = (struct pipeline_row) {
        .row = w->galaxy.row, .value = w->value, .n_rounded = w->n_rounded, .stage = ""
    };
    if (w->plan->writes_depths) {
        ret_row->n_star = w->plan->catalogue->n_particle[STARS][w->galaxy.row];
        ret_row->n_black_hole = w->plan->catalogue->n_particle[BLACK_HOLES][w->galaxy.row];
        ret_row->star_tau = w->tau[STARS];
        ret_row->black_hole_tau = w->tau[BLACK_HOLES];
    }
}

/* A run through the stages: where it is, for traces and messages. */
struct course {
    int64_t now_ns;
    size_t i_stage;
};

static int run_stage(struct work *w, struct course *course, size_t i_stage, enum phase first, enum phase last,
                     struct error *err)
{
    const struct step *step = &w->plan->step[i_stage];
    struct pipeline *p = pipeline_of(w);
    bool has_run = false;
    int r = 0;

    course->i_stage = i_stage;
    for (enum phase phase = first; !r && step->runs && phase <= last; phase++) {
        if (!step->operation->run[phase])
            continue;
        w->phase = phase;
        r = step->operation->run[phase](w, step, err);
        has_run = true;
    }
    if (has_run)
        course->now_ns = trace_end(p->settings.trace, step->i_operation, course->now_ns);
    return r;
}

static int run_phase(struct work *w, struct course *course, enum phase phase, struct error *err)
{
    int r = 0;

    for (size_t s = 0; !r && s < w->plan->n_step; s++)
        r = run_stage(w, course, s, phase, phase, err);
    return r;
}

static int run_tiles(struct work *w, struct course *course, enum phase phase, struct error *err)
{
    int r = 0;

    for (w->i_tile = 0; !r && w->i_tile < w->tiling.n_tile; w->i_tile++)
        r = run_phase(w, course, phase, err);
    return r;
}

static bool sums_are_done(const struct work *w)
{
    for (size_t i = 0; i < w->plan->n_sums; i++)
        if (!w->sums[i].is_done)
            return false;
    return true;
}

static int run_in_tiles(struct work *w, struct course *course, struct error *err)
{
    int r = run_tiles(w, course, PHASE_TILE, err);

    for (size_t c = 0; c < N_COMPONENT; c++)
        if (c != (size_t)w->plan->tiled)
            w->galaxy.particles[c].n = w->n_around[c];
    if (!r)
        r = run_phase(w, course, PHASE_ALL, err);
    for (w->i_round = 0; !r && pipeline_of(w)->needs_again && (w->i_round == 0 || !sums_are_done(w));
         w->i_round++)
        r = run_tiles(w, course, PHASE_AGAIN, err);
    return r ? r : run_phase(w, course, PHASE_END, err);
}

static int run_whole(struct work *w, struct course *course, struct error *err)
{
    int r = 0;

    for (size_t s = 0; !r && s < w->plan->n_step; s++)
        r = run_stage(w, course, s, PHASE_TILE, PHASE_END, err);
    return r;
}

int pipeline_run(struct pipeline *p, uint64_t row, struct pipeline_row *ret_row, struct error *err)
{
    struct course course = { .now_ns = trace_begin_galaxy(p->settings.trace, row,
                                                          p->plan->catalogue->n_particle[STARS][row]) };
    struct work *w = &p->alone;
    int r;

    arena_reset(&p->arena);
    work_begin(w, row, p->value, p->plan->n_value);
    pipeline_drop_expected(p, row);
    r = tiling_choose(p->plan, &p->bound, row, &w->tiling, err);
    if (!r) {
        struct reader_piece piece = piece_of(p->plan, row, &w->tiling, 0, true);

        pipeline_make_room(p, &piece, w->tiling.bytes);
        r = w->tiling.n_tile > 1 ? run_in_tiles(w, &course, err) : run_whole(w, &course, err);
    }
    if (!r)
        r = work_check(w, err);
    pipeline_note_peak(p);
    tables_return(w);
    pipeline_describe(w, ret_row);
    if (r)
        ret_row->stage = p->plan->step[course.i_stage].operation->stage;
    return r;
}

/* ---- opening and closing ----------------------------------------------------------------------- */

/* Does any stage need the stars when all are known? */
static bool needs_again(const struct plan *plan)
{
    bool needs = plan->method == OBSERVE_DIRECT;

    for (size_t i = 0; i < plan->n_step; i++)
        needs |= plan->step[i].options && (plan->step[i].operation->needs & NEEDS_STARS_AGAIN);
    for (size_t e = 0; e < plan->n_emitter; e++)
        for (size_t c = 0; c < plan->emitter[e].program->n_channel; c++)
            needs |= plan->emitter[e].program->channel[c].is_attenuated;
    return plan->needs_light && needs;
}

int pipeline_open(struct plan *plan, const struct pipeline_settings *settings, struct pipeline **ret_pipeline,
                  struct error *err)
{
    struct pipeline *p = mem_array(1, sizeof(*p));
    int r;

    if (p) {
        p->plan = plan;
        if (settings)
            p->settings = *settings;
        p->bound = (struct memory_bound) { p->settings.memory_bytes, p->settings.n_star_tile,
                                           p->settings.reads_ahead };
        p->needs_again = needs_again(plan);
        p->value = mem_array(plan->n_value, sizeof(*p->value));
        p->is_placed = mem_array((PLAN_GROUP_MAX + 1) * plan->n_product, sizeof(*p->is_placed));
        p->alone = (struct work) { .common = &p->common,
                                   .plan = plan,
                                   .take_tile = pipeline_take_tile,
                                   .context = p,
                                   .arena = &p->arena,
                                   .gas_arena = &p->gas_arena,
                                   .tile_arena = &p->tile_arena,
                                   .is_placed = p->is_placed };
    }
    if (!p || !p->value || !p->is_placed) {
        pipeline_close(p);
        return error_set(err, POLYPHONY_INTERNAL, "no memory for a row of %zu values", plan->n_value);
    }
    r = common_open(plan, &p->common, err);
    if (!r)
        r = reader_open(plan->catalogue, &p->settings, &p->reader, err);
    if (!r && p->settings.groups && plan->method == OBSERVE_FAST)
        r = group_open(p, err);
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
    group_close(p->group);
    common_close(&p->common);
    free(p->value);
    free(p->is_placed);
    free(p);
}

size_t pipeline_peak_bytes(const struct pipeline *p)
{
    return p->peak_bytes;
}
