/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small galaxies, several at once. One thread takes a galaxy through a chain of stages, beside others that do
 * the same with other galaxies:
 *
 *     first chain:  from its stars to histograms, depths, and what their sums need
 *     mixing:       spectra of all galaxies together, so that a tile of the grid is read once for all
 *     last chain:   from the mixed spectra to the row, and the row to where it goes
 *
 * The functions are those of a galaxy alone, and so are the bits. What the first chain leaves is kept by the
 * thread that has made it; scratch of the last chain, and large rows, belong to the thread that runs it.
 * Small rows are all there at once, and go together.
 */
#include "pipeline_private.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

struct member {
    struct work work;
    int status;
    struct error err;
    size_t i_stage;                       /* where it is, or was set aside */
    int64_t stage_ns[PLAN_STEPS_MAX + 1]; /* of its thread, in the chain in hand */
    double share_ns;                      /* of the rank's time, of all that has ended */
};

struct thread {
    struct arena kept, scratch;
    double *row; /* [n_value], where rows are large; of the group's memory */
};

struct group {
    size_t n;
    struct member member[PLAN_GROUP_MAX];
    size_t n_thread;
    struct thread *thread;
    struct arena rows;
    double *value; /* [n][n_value], or [n][group_row_stride()] where rows are large; of the rows' memory */
    struct pipeline_row row[PLAN_GROUP_MAX];
    const struct pipeline_sink *sink;
};

size_t pipeline_group(const struct pipeline *p, size_t n, const uint64_t *row)
{
    uint64_t bytes;

    return p->group ? group_choose(p->plan, &p->bound, n, row, &bytes) : 1;
}

/* ---- opening and closing ------------------------------------------------------------------------ */

static int no_memory(struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "no memory for groups of galaxies");
}

int group_open(struct pipeline *p, struct error *err)
{
    struct group *group = mem_array(1, sizeof(*group));

    if (group) {
        p->group = group;
        group->n_thread = (size_t)omp_get_max_threads();
        group->thread = mem_array(group->n_thread, sizeof(*group->thread));
    }
    p->common.n_frame = PLAN_FRAMES_MAX;
    return group && group->thread ? 0 : no_memory(err);
}

void group_free_kept(struct group *group)
{
    if (!group || !group->thread)
        return;
    arena_free(&group->rows);
    for (size_t t = 0; t < group->n_thread; t++) {
        arena_free(&group->thread[t].kept);
        arena_free(&group->thread[t].scratch);
    }
}

void group_close(struct group *group)
{
    if (!group)
        return;
    group_free_kept(group);
    free(group->thread);
    free(group);
}

uint64_t group_kept_bytes(const struct group *group)
{
    uint64_t bytes = group ? group->rows.peak_bytes : 0;

    for (size_t t = 0; group && t < group->n_thread; t++)
        bytes += group->thread[t].kept.peak_bytes + group->thread[t].scratch.peak_bytes;
    return bytes;
}

/* ---- chains of stages ---------------------------------------------------------------------------- */

static void run_phase(struct member *member, enum phase phase)
{
    struct work *w = &member->work;

    w->phase = phase;
    for (size_t s = 0; !member->status && s < w->plan->n_step; s++) {
        const struct step *step = &w->plan->step[s];
        int64_t begin_ns;

        if (!step->runs || !step->operation->run[phase])
            continue;
        begin_ns = clock_ns();
        member->i_stage = s;
        member->status = step->operation->run[phase](w, step, &member->err);
        member->stage_ns[step->i_operation] += clock_ns() - begin_ns;
    }
}

static void run_first_chain(struct member *member, struct thread *thread)
{
    struct work *w = &member->work;

    w->arena = w->tile_arena = &thread->kept;
    w->gas_arena = &thread->scratch;
    run_phase(member, PHASE_TILE);
    run_phase(member, PHASE_ALL);
}

static void describe(struct member *member, struct pipeline_row *ret_row)
{
    pipeline_describe(&member->work, ret_row);
    ret_row->status = member->status;
    ret_row->why = &member->err;
    if (member->status)
        ret_row->stage = member->work.plan->step[member->i_stage].operation->stage;
}

/* Of one thread in the chain in hand, without writing. */
static int64_t chain_ns(const struct member *member)
{
    int64_t ns = 0;

    for (size_t s = 0; s < member->work.plan->n_operation; s++)
        ns += member->stage_ns[s];
    return ns;
}

/* A large row is one thread's until it is where it goes. */
static void run_last_chain(struct pipeline *p, struct member *member, struct thread *thread,
                           struct pipeline_row *row)
{
    const struct group *group = p->group;
    const size_t n_early = group_row_stride(p->plan);
    struct work *w = &member->work;
    int64_t begin_ns;
    int r;

    w->arena = &thread->scratch;
    arena_reset(&thread->scratch);
    if (thread->row) {
        memcpy(thread->row, w->value, n_early * sizeof(double));
        memset(thread->row + n_early, 0, (p->plan->n_value - n_early) * sizeof(double));
        w->value = thread->row;
    }
    run_phase(member, PHASE_AGAIN);
    run_phase(member, PHASE_END);
    tables_return(w);
    if (!member->status)
        member->status = work_check(w, &member->err);
    describe(member, row);
    if (!thread->row || member->status < 0)
        return;
    /* Before the chain ends, so without what threads will have waited for its last galaxy. */
    row->seconds = (member->share_ns + (double)chain_ns(member) / (double)group->n_thread) * 1e-9;
    begin_ns = clock_ns();
    r = group->sink->take(group->sink->context, 1, row, &member->err);
    if (r < 0)
        member->status = r;
    member->stage_ns[p->plan->n_operation] += clock_ns() - begin_ns;
}

/* ---- the time of a group ------------------------------------------------------------------------- */

/* A galaxy's seconds are those of the rank: what galaxies had together is theirs by their particles. */
static void share_by_particles(struct pipeline *p, int64_t ns)
{
    const struct catalogue *catalogue = p->plan->catalogue;
    struct group *group = p->group;
    double part[PLAN_GROUP_MAX], all = 0;

    for (size_t i = 0; i < group->n; i++) {
        uint64_t row = group->member[i].work.galaxy.row;

        part[i] = 1.0 + (double)(plan_count_shining(p->plan, row) + catalogue->n_particle[GAS][row]);
        all += part[i];
    }
    for (size_t i = 0; i < group->n; i++)
        group->member[i].share_ns += (double)ns * (part[i] / all);
}

/* Of a stage that all threads had together. */
static int64_t end_part(struct pipeline *p, size_t i_stage, int64_t begin_ns)
{
    int64_t now_ns = clock_ns();

    trace_part(p->settings.trace, i_stage, begin_ns, now_ns);
    share_by_particles(p, now_ns - begin_ns);
    return now_ns;
}

/* Does a stage end in the last chain? */
static bool ends_last(const struct plan *plan, size_t i_stage)
{
    bool is_last = i_stage == plan->n_operation;

    for (size_t s = 0; s < plan->n_step; s++)
        if (plan->step[s].i_operation == i_stage)
            is_last |= plan->step[s].operation->run[PHASE_AGAIN] || plan->step[s].operation->run[PHASE_END];
    return is_last;
}

/* The time of a chain, from begin_ns to now, is shared out to its stages, and to galaxies, as they took the
 * threads. */
static int64_t trace_chain(struct pipeline *p, bool is_last, int64_t begin_ns)
{
    struct group *group = p->group;
    int64_t now_ns = clock_ns(), all_ns = 0, at_ns = begin_ns, stage_ns[PLAN_STEPS_MAX + 1] = { 0 };

    for (size_t i = 0; i < group->n; i++)
        for (size_t s = 0; s <= p->plan->n_operation; s++) {
            stage_ns[s] += group->member[i].stage_ns[s];
            all_ns += group->member[i].stage_ns[s];
        }
    for (size_t i = 0; i < group->n; i++) {
        struct member *member = &group->member[i];

        if (all_ns > 0)
            member->share_ns += (double)(now_ns - begin_ns) * ((double)chain_ns(member) / (double)all_ns);
        memset(member->stage_ns, 0, sizeof(member->stage_ns));
    }
    for (size_t s = 0; all_ns > 0 && s <= p->plan->n_operation; s++) {
        int64_t end_ns =
            at_ns + (int64_t)((double)(now_ns - begin_ns) * ((double)stage_ns[s] / (double)all_ns));

        if (stage_ns[s] > 0 && is_last == ends_last(p->plan, s))
            trace_span(p->settings.trace, s, at_ns, end_ns);
        else if (stage_ns[s] > 0)
            trace_part(p->settings.trace, s, at_ns, end_ns);
        at_ns = end_ns;
    }
    return now_ns;
}

/* ---- a group ------------------------------------------------------------------------------------- */

/* Room for the rows of the group. */
static int take_rows(struct pipeline *p, struct error *err)
{
    struct group *group = p->group;
    bool has_memory;

    arena_reset(&group->rows);
    group->value = arena_array(&group->rows, group->n * group_row_stride(p->plan), sizeof(*group->value));
    has_memory = group->value != NULL;
    for (size_t t = 0; has_memory && group_rows_are_large(p->plan) && t < group->n_thread; t++) {
        group->thread[t].row = arena_array(&group->rows, p->plan->n_value, sizeof(double));
        has_memory = group->thread[t].row != NULL;
    }
    return has_memory ? 0 : no_memory(err);
}

static void begin_member(struct pipeline *p, struct member *member, uint64_t row, size_t i)
{
    struct work *w = &member->work;
    size_t stride = group_row_stride(p->plan);

    *w = (struct work) { .common = &p->common,
                         .plan = p->plan,
                         .context = p,
                         .is_grouped = true,
                         .is_placed = p->is_placed + (i + 1) * p->plan->n_product };
    member->status = 0;
    member->err.text[0] = '\0';
    member->i_stage = 0; /* reading */
    member->share_ns = 0;
    memset(member->stage_ns, 0, sizeof(member->stage_ns));
    work_begin(w, row, p->group->value + i * stride, stride);
    w->tiling =
        (struct tiling) { .n_tile = 1, .n_star = p->plan->catalogue->n_particle[p->plan->tiled][row] };
}

/* Galaxies are read together, by the thread that reads. */
static void read_members(struct pipeline *p, const struct reader_piece *piece)
{
    struct group *group = p->group;
    struct galaxy galaxy[PLAN_GROUP_MAX];
    int status[PLAN_GROUP_MAX];
    struct error err[PLAN_GROUP_MAX];
    double redshift[PLAN_GROUP_MAX];
    size_t n_well = 0;

    reader_take_group(p->reader, piece, galaxy, status, err);
    for (size_t i = 0; i < group->n; i++) {
        struct member *member = &group->member[i];

        member->status = status[i];
        if (status[i]) {
            member->err = err[i];
            continue;
        }
        member->work.galaxy = galaxy[i];
        member->work.galaxy.redshift = redshift[n_well++] = plan_redshift(p->plan, piece->group[i]);
    }
    pipeline_begin_expected(p);
    if (p->plan->needs_observer)
        frame_prepare(&p->common, n_well, redshift);
}

/* The k-th sums of a row of sums, of all galaxies that are well. */
static int mix_sums(struct pipeline *p, const struct step *step, size_t k, struct error *err)
{
    const struct stellar_light *light[PLAN_GROUP_MAX];
    struct observe_sums *sums[PLAN_GROUP_MAX];
    struct group *group = p->group;
    size_t n = 0;

    for (size_t i = 0; i < group->n; i++) {
        struct work *w = &group->member[i].work;

        if (group->member[i].status)
            continue;
        light[n] = work_light(w, step);
        sums[n++] = &w->sums[step->i_sums + k];
    }
    if (n == 0)
        return 0;
    arena_reset(&p->arena);
    return observe_sums_mix(n, light, sums, &p->arena, err);
}

static int mix_members(struct pipeline *p, int64_t *now_ns, struct error *err)
{
    int r = 0;

    for (size_t s = 0; !r && s < p->plan->n_step; s++) {
        const struct step *step = &p->plan->step[s];

        for (size_t k = 0; !r && step->runs && k < step->operation->n_sums; k++) {
            r = mix_sums(p, step, k, err);
            *now_ns = end_part(p, p->plan->step[s].i_operation, *now_ns);
        }
    }
    return r;
}

/* Tables of bands for all galaxies that are well, before threads read them. */
static int prepare_tables(struct pipeline *p, int64_t *now_ns, struct error *err)
{
    const struct work *work[PLAN_GROUP_MAX];
    struct group *group = p->group;
    size_t n = 0;
    int r = 0;

    for (size_t i = 0; i < group->n; i++)
        if (!group->member[i].status)
            work[n++] = &group->member[i].work;
    for (size_t s = 0; !r && s < p->plan->n_step; s++) {
        if (!tables_are_used(p->plan, &p->plan->step[s]))
            continue;
        r = tables_prepare(&p->common, n, work, &p->plan->step[s], &p->arena, err);
        *now_ns = end_part(p, p->plan->step[s].i_operation, *now_ns);
    }
    return r;
}

/* The first failure that ends the run, if there is one. */
static int find_failure(const struct group *group, struct error *err)
{
    for (size_t i = 0; i < group->n; i++)
        if (group->member[i].status < 0) {
            *err = group->member[i].err;
            return group->member[i].status;
        }
    return 0;
}

static int run_members(struct pipeline *p, int64_t now_ns, struct error *err)
{
    struct group *group = p->group;
    int r;

#pragma omp parallel num_threads((int)group->n_thread)
    {
        struct thread *thread = &group->thread[omp_get_thread_num()];

        omp_set_num_threads(1); /* of what this thread calls */
        arena_reset(&thread->kept);
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < group->n; i++)
            run_first_chain(&group->member[i], thread);
    }
    r = find_failure(group, err);
    now_ns = trace_chain(p, false, now_ns);
    if (!r)
        r = mix_members(p, &now_ns, err);
    if (!r)
        r = prepare_tables(p, &now_ns, err);
    if (r)
        return r;
#pragma omp parallel num_threads((int)group->n_thread)
    {
        struct thread *thread = &group->thread[omp_get_thread_num()];

        omp_set_num_threads(1);
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < group->n; i++)
            run_last_chain(p, &group->member[i], thread, &group->row[i]);
    }
    r = find_failure(group, err);
    now_ns = trace_chain(p, true, now_ns);
    if (!r && !group_rows_are_large(p->plan)) {
        for (size_t i = 0; i < group->n; i++)
            group->row[i].seconds = group->member[i].share_ns * 1e-9;
        r = group->sink->take(group->sink->context, group->n, group->row, err);
        trace_end(p->settings.trace, p->plan->n_operation, now_ns);
    }
    return r;
}

static int run_alone(struct pipeline *p, uint64_t row, const struct pipeline_sink *sink, struct error *err)
{
    struct error why = { 0 };
    int64_t begin_ns = clock_ns(), now_ns;
    struct pipeline_row out;
    int r = pipeline_run(p, row, &out, &why);

    if (r < 0) {
        *err = why;
        return r;
    }
    now_ns = clock_ns();
    out.status = r;
    out.why = &why;
    out.seconds = (double)(now_ns - begin_ns) * 1e-9;
    r = sink->take(sink->context, 1, &out, err);
    trace_end(p->settings.trace, p->plan->n_operation, now_ns);
    trace_end_galaxy(p->settings.trace);
    return r;
}

int pipeline_run_group(struct pipeline *p, size_t n, const uint64_t *row, const struct pipeline_sink *sink,
                       struct error *err)
{
    struct group *group = p->group;
    struct reader_piece piece = { .n_group = n };
    uint64_t bytes, n_star = 0;
    int64_t now_ns;
    int r;

    if (n == 1)
        return run_alone(p, row[0], sink, err);
    group->n = n;
    group->sink = sink;
    memcpy(piece.group, row, n * sizeof(*row));
    for (size_t i = 0; i < n; i++)
        n_star += p->plan->catalogue->n_particle[STARS][row[i]];
    now_ns = trace_begin_group(p->settings.trace, n, row, n_star);
    for (size_t i = 0; i < n; i++)
        pipeline_drop_expected(p, row[i]);
    group_choose(p->plan, &p->bound, n, row, &bytes);
    pipeline_make_room(p, &piece, bytes);
    /* Each thread keeps room for the most that it ever had to keep; who gets which galaxy is chance. */
    if (group_kept_bytes(group) > bytes)
        group_free_kept(group);
    r = take_rows(p, err);
    for (size_t i = 0; !r && i < n; i++)
        begin_member(p, &group->member[i], row[i], i);
    if (!r) {
        read_members(p, &piece);
        now_ns = end_part(p, 0, now_ns); /* reading */
        r = run_members(p, now_ns, err);
    }
    pipeline_note_peak(p);
    trace_end_galaxy(p->settings.trace);
    return r;
}
