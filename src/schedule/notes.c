/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What both sides of a run do beside dealing and working: wait, report on how far it is, leave lost ranks behind.
 */
#include "schedule_private.h"

#include <time.h>
#include <unistd.h>

/* Time for the end of a run in which ranks can be lost: traces of thousands of ranks are written in it. */
#define GUARD_S 120

void schedule_pause(void)
{
    static const struct timespec pause = { .tv_nsec = POLL_NS };

    nanosleep(&pause, NULL);
}

void schedule_pause_longer(int *n_idle)
{
    int64_t ns = (int64_t)POLL_NS << (*n_idle < 3 ? *n_idle : 3);
    const struct timespec pause = { .tv_nsec = ns < POLL_MAX_NS ? ns : POLL_MAX_NS };

    ++*n_idle;
    nanosleep(&pause, NULL);
}

void schedule_watch(struct schedule *schedule)
{
    schedule->progress.cost_left_s = dealer_cost_left_s(schedule->dealer);
    if (schedule->watch)
        schedule->watch(schedule->context, &schedule->progress);
}

void schedule_note_wait(struct schedule *schedule, int64_t begin_ns)
{
    if (schedule->waited)
        schedule->waited(schedule->context, begin_ns, clock_ns());
}

static void refine(struct schedule *schedule)
{
    double cost_s[COST_N_TERM];

    if (!cost_model_is_due(schedule->costs))
        return;
    cost_model_fit(schedule->costs, cost_s);
    dealer_refine(schedule->dealer, cost_s);
    schedule->progress.cost_all_s = dealer_cost_all_s(schedule->dealer);
    schedule->progress.cost_largest_s = dealer_cost_largest_s(schedule->dealer);
}

void schedule_note_batch(struct schedule *schedule, const struct dealer_batch *batch, int rank,
                         double measured_s, int64_t dealt_ns)
{
    const struct schedule_batch done = { .rank = rank,
                                         .n_galaxy = batch->n,
                                         .first_row = batch->first_row,
                                         .predicted_s = batch->cost_s,
                                         .measured_s = measured_s,
                                         .dealt_ns = dealt_ns,
                                         .done_ns = clock_ns() };

    if (batch->n == 0)
        return;
    if (schedule->batch_done)
        schedule->batch_done(schedule->context, &done);
    if (schedule->costs) {
        cost_model_add(schedule->costs, batch->term, measured_s);
        refine(schedule);
    }
}

/* The alarm ends the process. Rows are safe by now; what is left to do takes seconds. */
void schedule_guard_end(const struct schedule *schedule)
{
    alarm(GUARD_S + 6 * (unsigned)schedule->silence_s);
}

MPI_Comm schedule_survivors(MPI_Comm comm, int n_lost, const int *lost)
{
    MPI_Comm survivors;
    MPI_Group all, left;

    MPI_Comm_group(comm, &all);
    MPI_Group_excl(all, n_lost, lost, &left);
    MPI_Comm_create_group(comm, left, TAG_END, &survivors);
    MPI_Group_free(&all);
    MPI_Group_free(&left);
    return survivors;
}
