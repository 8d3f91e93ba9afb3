/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "schedule_private.h"

#include <stdlib.h>

#include "polyphony/ranks.h"

/* ---- one rank: no messages ----------------------------------------------------------------------- */

struct held {
    struct dealer_batch batch;
    int64_t dealt_ns;
    uint64_t row[DEALER_BATCH_MAX];
};

static size_t refill(struct schedule *schedule, struct held *held, size_t n_held)
{
    while (n_held < DEALER_HOLD_MAX &&
           dealer_next(schedule->dealer, 0, &held[n_held].batch, held[n_held].row)) {
        held[n_held].dealt_ns = clock_ns();
        if (schedule->expect)
            schedule->expect(schedule->context, held[n_held].batch.n, held[n_held].row);
        n_held++;
    }
    return n_held;
}

static int work_alone(struct schedule *schedule, const struct held *held, struct error *err)
{
    struct dealer_batch worked;
    double measured_s = 0.0;
    size_t n = 0;
    int r = 0;

    while (n < held->batch.n) {
        int64_t begin_ns = clock_ns();
        size_t n_now = 0, n_set_aside = 0;

        r = schedule_is_stopping(schedule) ? POLYPHONY_STOPPED
                                           : schedule->work(schedule->context, held->batch.n - n,
                                                            held->row + n, &n_now, &n_set_aside, err);
        if (r < 0)
            break;
        measured_s += (double)(clock_ns() - begin_ns) * 1e-9;
        schedule->progress.n_done += n_now - n_set_aside;
        schedule->progress.n_set_aside += n_set_aside;
        n += n_now;
        schedule_watch(schedule);
    }
    if (dealer_done(schedule->dealer, 0, held->batch.number, n, &worked))
        schedule_note_batch(schedule, &worked, 0, measured_s, held->dealt_ns);
    return r;
}

/* The status so far, unless finishing fails: that is worse. */
static int finish_well(struct schedule *schedule, int r, struct error *err)
{
    struct error finish_err = { 0 };
    int finished = schedule->finish(schedule->context, &finish_err);

    if (finished)
        *err = finish_err;
    return finished ? finished : r;
}

static int run_alone(struct schedule *schedule, struct error *err)
{
    struct held *held = mem_small(DEALER_HOLD_MAX, sizeof(*held));
    size_t n_held = 0;
    int r = 0;

    while (!r && (n_held = refill(schedule, held, n_held)) > 0) {
        r = work_alone(schedule, held, err);
        held[0] = held[1];
        n_held--;
    }
    free(held);
    return schedule->finish && (!r || r == POLYPHONY_STOPPED) ? finish_well(schedule, r, err) : r;
}

/* ---- any number of ranks --------------------------------------------------------------------------- */

static int run_rank_0(struct schedule *schedule, int n_rank, struct beats *beats, struct error *err)
{
    struct schedule_progress *progress = &schedule->progress;
    int r;

    *progress = (struct schedule_progress) { .n_total = schedule->n_total,
                                             .cost_all_s = dealer_cost_all_s(schedule->dealer),
                                             .cost_left_s = dealer_cost_left_s(schedule->dealer),
                                             .cost_largest_s = dealer_cost_largest_s(schedule->dealer) };
    r = n_rank == 1 ? run_alone(schedule, err) : desk_run(schedule, beats, err);
    if (n_rank > 1 && schedule->finish && (!r || r == POLYPHONY_STOPPED))
        r = finish_well(schedule, r, err);
    if (r == 0 && progress->n_done + progress->n_set_aside < schedule->n_total)
        r = POLYPHONY_STOPPED;
    schedule_watch(schedule);
    return r;
}

int schedule_run(struct schedule *schedule, struct error *err)
{
    struct beats *beats = NULL;
    int n_rank, rank, r = 0;
    int64_t begin_ns;

    MPI_Comm_size(schedule->comm, &n_rank);
    MPI_Comm_rank(schedule->comm, &rank);
    if (schedule->silence_s > 0 && n_rank > 1) {
        r = ranks_agree(schedule->comm, beats_begin(schedule->comm, schedule->silence_s, &beats, err));
        if (r) {
            beats_end(beats);
            if (rank == 0 && !err->text[0])
                error_set(err, r, "another rank could not begin to give signs of life");
            return r;
        }
    }
    r = rank == 0 ? run_rank_0(schedule, n_rank, beats, err) : worker_run(schedule, err);
    beats_end(beats);
    if (schedule->is_expelled)
        return POLYPHONY_STOPPED;
    /* Rank 0 has had every farewell; a worker that went home early waits here for the others. */
    begin_ns = clock_ns();
    MPI_Bcast(&r, 1, MPI_INT, 0, schedule->comm);
    if (rank > 0)
        schedule_note_wait(schedule, begin_ns);
    return r;
}
