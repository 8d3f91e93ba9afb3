/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker's side of a run.
 */
#include "schedule_private.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Looking for messages can cost a turn on a core that is shared: not after each galaxy of 0.1 ms. */
#define LOOK_NS 1000000

struct batch_in_hand {
    uint64_t number;
    size_t n;
    uint64_t row[DEALER_BATCH_MAX];
};

struct worker {
    struct schedule *schedule;
    struct batch_in_hand *held; /* [DEALER_HOLD_MAX] oldest first */
    size_t n_held;
    uint64_t *message; /* [DEALER_BATCH_MAX + 2] */
    bool is_called;    /* home */
    int64_t looked_ns; /* for messages, between galaxies */
};

/* Take in what rank 0 has sent, if anything. */
static bool receive(struct worker *worker)
{
    struct schedule *schedule = worker->schedule;
    MPI_Status status;
    int is_here = 0, bytes;

    MPI_Iprobe(0, TAG_DEAL, schedule->comm, &is_here, &status);
    if (!is_here)
        return false;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    MPI_Recv(worker->message, bytes, MPI_BYTE, 0, TAG_DEAL, schedule->comm, MPI_STATUS_IGNORE);
    if (worker->message[0] == 0) {
        worker->is_called = true;
        schedule->is_expelled = worker->message[1] != 0;
    } else {
        struct batch_in_hand *batch = &worker->held[worker->n_held++];

        batch->number = worker->message[0];
        batch->n = (size_t)bytes / sizeof(uint64_t) - 1;
        memcpy(batch->row, worker->message + 1, batch->n * sizeof(*batch->row));
        if (schedule->expect)
            schedule->expect(schedule->context, batch->n, batch->row);
    }
    return true;
}

/* Until something is held, or the worker is called home. */
static void wait_for_deal(struct worker *worker)
{
    int64_t begin_ns = clock_ns();

    while (!worker->is_called && worker->n_held == 0)
        if (!receive(worker))
            schedule_pause();
    schedule_note_wait(worker->schedule, begin_ns);
}

static int work_rows(struct worker *worker, const struct batch_in_hand *batch, struct batch_report *report,
                     struct error *err)
{
    struct schedule *schedule = worker->schedule;

    for (size_t i = 0, n; i < batch->n; i += n) {
        int64_t begin_ns = clock_ns();
        size_t n_set_aside = 0;
        int r;

        n = 0;

        if (begin_ns - worker->looked_ns >= LOOK_NS) {
            worker->looked_ns = begin_ns;
            while (receive(worker))
                ;
        }
        if (worker->is_called)
            return 0;
        r = schedule_is_stopping(schedule)
                ? POLYPHONY_STOPPED
                : schedule->work(schedule->context, batch->n - i, batch->row + i, &n, &n_set_aside, err);
        if (r < 0)
            return r;
        report->measured_s += (double)(clock_ns() - begin_ns) * 1e-9;
        report->n_worked += n;
        report->n_set_aside += n_set_aside;
    }
    return 0;
}

static void send_report(const struct worker *worker, struct batch_report *report, enum tag tag,
                        const struct error *err)
{
    size_t bytes = offsetof(struct batch_report, text);

    if (report->status < 0 && report->status != POLYPHONY_STOPPED) {
        memcpy(report->text, err->text, sizeof(report->text));
        bytes = sizeof(*report);
    }
    MPI_Send(report, (int)bytes, MPI_BYTE, 0, tag, worker->schedule->comm);
}

/* The oldest batch: worked on (unless `status` says that work has ended), reported, and no longer held. */
static int finish_batch(struct worker *worker, int status, struct error *err)
{
    struct batch_report report = { .number = worker->held[0].number, .status = status };

    if (!status && !worker->is_called)
        report.status = status = work_rows(worker, &worker->held[0], &report, err);
    send_report(worker, &report, TAG_REPORT, err);
    worker->n_held--;
    memmove(worker->held, worker->held + 1, worker->n_held * sizeof(*worker->held));
    return status;
}

/* Who is lost, when nothing more can be: the communicator of the others. */
static void leave_the_lost(struct worker *worker)
{
    struct schedule *schedule = worker->schedule;
    MPI_Status status;
    int is_here = 0, n_lost, *lost;

    while (!is_here) {
        MPI_Iprobe(0, TAG_END, schedule->comm, &is_here, &status);
        receive(worker); /* expelled after all? */
        if (schedule->is_expelled)
            return;
        if (!is_here)
            schedule_pause();
    }
    schedule_guard_end(schedule);
    MPI_Get_count(&status, MPI_INT, &n_lost);
    lost = mem_small((size_t)n_lost, sizeof(*lost));
    MPI_Recv(lost, n_lost, MPI_INT, 0, TAG_END, schedule->comm, MPI_STATUS_IGNORE);
    if (n_lost)
        schedule->comm = schedule_survivors(schedule->comm, n_lost, lost);
    free(lost);
}

int worker_run(struct schedule *schedule, struct error *err)
{
    struct worker worker = { .schedule = schedule };
    struct batch_report farewell = { 0 };
    int status = 0;

    worker.held = mem_small(DEALER_HOLD_MAX, sizeof(*worker.held));
    worker.message = mem_small(DEALER_BATCH_MAX + 2, sizeof(*worker.message));
    while (!worker.is_called || worker.n_held > 0) {
        if (worker.n_held == 0)
            wait_for_deal(&worker);
        if (worker.n_held > 0)
            status = finish_batch(&worker, status, err);
    }
    if (!schedule->is_expelled) {
        if (schedule->finish && (!status || status == POLYPHONY_STOPPED))
            farewell.status = schedule->finish(schedule->context, err);
        send_report(&worker, &farewell, TAG_FAREWELL, err);
        if (schedule->silence_s > 0)
            leave_the_lost(&worker);
    }
    free(worker.held);
    free(worker.message);
    return 0;
}
