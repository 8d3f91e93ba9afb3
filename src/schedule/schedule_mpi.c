/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages between the dealer on rank 0 and the workers. Decisions are the dealer's (dealer.c).
 *
 * The dealer waits with MPI_Iprobe and short sleeps: an idle MPI_Recv would burn a core that a worker
 * could use.
 */
#include "polyphony/schedule.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum tag { TAG_REPORT = 1, TAG_DEAL };

/* What a worker has done since its last report. */
struct report {
    int32_t status; /* 0, or the negative code that ended its work */
    uint32_t n_done, n_set_aside;
    uint32_t reserved;
    double measured_s; /* inside schedule.work */
    char text[sizeof(((struct error *)0)->text)];
};

#define POLL_NS 100000

int schedule_agree(MPI_Comm comm, int status)
{
    int worst = status;

    MPI_Allreduce(&status, &worst, 1, MPI_INT, MPI_MIN, comm);
    return worst;
}

static bool is_stopping(const struct schedule *schedule)
{
    return schedule->is_stopping && schedule->is_stopping(schedule->context);
}

static void watch(struct schedule *schedule)
{
    /* Cost dealt stands in for cost done; the difference is one batch a worker. */
    schedule->progress.cost_done = schedule->progress.cost_total - dealer_cost_left(schedule->dealer);
    if (schedule->watch)
        schedule->watch(schedule->context, &schedule->progress);
}

/* The next batch of a worker, and what is known of it so far. */
static size_t next_batch(struct dealer *dealer, int rank, uint64_t *ret_row, struct schedule_batch *ret_batch)
{
    double before = dealer_cost_left(dealer);
    size_t n = dealer_next(dealer, (size_t)(rank > 0 ? rank - 1 : 0), ret_row);

    *ret_batch = (struct schedule_batch) { .rank = rank,
                                           .n_galaxy = n,
                                           .first_row = n ? ret_row[0] : 0,
                                           .predicted_cost = before - dealer_cost_left(dealer),
                                           .dealt_ns = clock_ns() };
    return n;
}

/* n_galaxy says how many of its galaxies were worked on: fewer than dealt when the run is stopped. */
static void note_batch(struct schedule *schedule, struct schedule_batch *batch, size_t n_galaxy,
                       double measured_s)
{
    if (n_galaxy > 0 && schedule->batch_done) {
        batch->predicted_cost *= (double)n_galaxy / (double)batch->n_galaxy;
        batch->n_galaxy = n_galaxy;
        batch->measured_s = measured_s;
        batch->done_ns = clock_ns();
        schedule->batch_done(schedule->context, batch);
    }
    batch->n_galaxy = 0;
}

static void note_wait(struct schedule *schedule, int64_t begin_ns)
{
    if (schedule->waited)
        schedule->waited(schedule->context, begin_ns, clock_ns());
}

/* ---- one rank: no messages -------------------------------------------------------------------------------
 */

static int run_alone(struct schedule *schedule, struct error *err)
{
    uint64_t row[DEALER_BATCH_MAX];
    struct schedule_batch batch;
    int r = 0;

    while (!r && next_batch(schedule->dealer, 0, row, &batch) > 0) {
        size_t i = 0;
        double measured_s = 0.0;

        for (; i < batch.n_galaxy; i++) {
            int64_t begin_ns = clock_ns();

            r = is_stopping(schedule) ? POLYPHONY_STOPPED : schedule->work(schedule->context, row[i], err);
            if (r < 0)
                break;
            measured_s += (double)(clock_ns() - begin_ns) * 1e-9;
            schedule->progress.n_done += r == 0;
            schedule->progress.n_set_aside += r > 0;
            r = 0;
            watch(schedule);
        }
        note_batch(schedule, &batch, i, measured_s);
    }
    return r;
}

/* ---- the dealer's side ----------------------------------------------------------------------- */

/* The dealer's knowledge of its workers. */
struct desk {
    struct schedule *schedule;
    int n_rank, n_home;
    bool is_stopped;
    bool *is_called;              /* [n_rank] has been sent home, in answer to a report or out of turn */
    struct schedule_batch *batch; /* [n_rank] in hand */
};

static void deal(struct desk *desk, int rank, size_t n, const uint64_t *row)
{
    MPI_Send(row, (int)(n * sizeof(*row)), MPI_BYTE, rank, TAG_DEAL, desk->schedule->comm);
    desk->is_called[rank] = n == 0;
}

/* Nothing more is dealt, and workers in the middle of a batch hear of it before their next galaxy. */
static void stop(struct desk *desk)
{
    if (desk->is_stopped)
        return;
    desk->is_stopped = true;
    dealer_stop(desk->schedule->dealer);
    for (int rank = 1; rank < desk->n_rank; rank++)
        if (!desk->is_called[rank])
            deal(desk, rank, 0, NULL);
}

static int wait_for_report(struct desk *desk, struct report *ret_report)
{
    static const struct timespec pause = { .tv_nsec = POLL_NS };
    struct schedule *schedule = desk->schedule;
    int64_t begin_ns = clock_ns();
    MPI_Status status;
    int is_here = 0;

    for (;;) {
        if (is_stopping(schedule))
            stop(desk);
        MPI_Iprobe(MPI_ANY_SOURCE, TAG_REPORT, schedule->comm, &is_here, &status);
        if (is_here)
            break;
        watch(schedule);
        nanosleep(&pause, NULL);
    }
    MPI_Recv(ret_report, sizeof(*ret_report), MPI_BYTE, status.MPI_SOURCE, TAG_REPORT, schedule->comm,
             MPI_STATUS_IGNORE);
    note_wait(schedule, begin_ns);
    return status.MPI_SOURCE;
}

/* A stop is continued by the same command, a failure is not: it counts more than any stop. */
static bool is_worse(int status, int worst)
{
    if (status == POLYPHONY_STOPPED || worst == POLYPHONY_STOPPED)
        return worst == 0 || (worst == POLYPHONY_STOPPED && status != POLYPHONY_STOPPED);
    return status < worst;
}

static int run_dealer(struct schedule *schedule, struct error *err)
{
    uint64_t row[DEALER_BATCH_MAX];
    struct report report;
    struct desk desk = { .schedule = schedule };
    int worst = 0;

    MPI_Comm_size(schedule->comm, &desk.n_rank);
    desk.is_called = mem_array((size_t)desk.n_rank, sizeof(*desk.is_called));
    desk.batch = mem_array((size_t)desk.n_rank, sizeof(*desk.batch));
    if (!desk.is_called || !desk.batch) /* the workers wait for an answer that cannot be given */
        MPI_Abort(schedule->comm, -POLYPHONY_INTERNAL);
    while (desk.n_home < desk.n_rank - 1) {
        int rank = wait_for_report(&desk, &report);

        note_batch(schedule, &desk.batch[rank], report.n_done + report.n_set_aside, report.measured_s);
        schedule->progress.n_done += report.n_done;
        schedule->progress.n_set_aside += report.n_set_aside;
        if (report.status < 0 && is_worse(report.status, worst)) {
            error_set(err, report.status, "rank %d: %.900s", rank, report.text);
            worst = report.status;
        }
        /* The report of a worker that was called out of turn is its last, and is not answered. */
        desk.n_home += desk.is_called[rank];
        if (!desk.is_called[rank]) {
            size_t n = report.status < 0 ? 0 : next_batch(schedule->dealer, rank, row, &desk.batch[rank]);

            deal(&desk, rank, n, row);
            desk.n_home += desk.is_called[rank];
        }
        if (report.status < 0) /* one failure, or stop, ends the run */
            stop(&desk);
        watch(schedule);
    }
    free(desk.is_called);
    free(desk.batch);
    return worst;
}

/* ---- a worker's side ------------------------------------------------------------------------- */

/* A deal that comes while a batch is in hand can only be the call home. */
static bool is_called_home(const struct schedule *schedule)
{
    int is_here = 0;

    MPI_Iprobe(0, TAG_DEAL, schedule->comm, &is_here, MPI_STATUS_IGNORE);
    return is_here;
}

static int work_batch(struct schedule *schedule, size_t n, const uint64_t *row, struct report *report,
                      struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        int64_t begin_ns = clock_ns();
        int r = is_stopping(schedule) || is_called_home(schedule)
                    ? POLYPHONY_STOPPED
                    : schedule->work(schedule->context, row[i], err);

        if (r < 0)
            return r;
        report->measured_s += (double)(clock_ns() - begin_ns) * 1e-9;
        report->n_done += r == 0;
        report->n_set_aside += r > 0;
    }
    return 0;
}

static void run_worker(struct schedule *schedule, struct error *err)
{
    uint64_t row[DEALER_BATCH_MAX];
    size_t n = 0;
    int bytes;

    do {
        struct report report = { 0 };
        MPI_Status status;
        int64_t begin_ns;

        report.status = work_batch(schedule, n, row, &report, err);
        if (report.status && report.status != POLYPHONY_STOPPED)
            memcpy(report.text, err->text, sizeof(report.text));
        begin_ns = clock_ns();
        MPI_Send(&report, sizeof(report), MPI_BYTE, 0, TAG_REPORT, schedule->comm);
        MPI_Recv(row, sizeof(row), MPI_BYTE, 0, TAG_DEAL, schedule->comm, &status);
        MPI_Get_count(&status, MPI_BYTE, &bytes);
        note_wait(schedule, begin_ns);
        n = (size_t)bytes / sizeof(*row);
    } while (n > 0);
}

int schedule_run(struct schedule *schedule, struct error *err)
{
    int n_rank, rank, r = 0;
    int64_t begin_ns;

    MPI_Comm_size(schedule->comm, &n_rank);
    MPI_Comm_rank(schedule->comm, &rank);
    if (rank == 0) {
        schedule->progress = (struct schedule_progress) { .n_total = schedule->n_total,
                                                          .cost_total = dealer_cost_total(schedule->dealer) };
        r = n_rank == 1 ? run_alone(schedule, err) : run_dealer(schedule, err);
        if (r == 0 && schedule->progress.n_done + schedule->progress.n_set_aside < schedule->n_total)
            r = POLYPHONY_STOPPED;
    } else
        run_worker(schedule, err);
    /* Rank 0 has had every report; a worker that went home early waits here for the others. */
    begin_ns = clock_ns();
    MPI_Bcast(&r, 1, MPI_INT, 0, schedule->comm);
    if (rank > 0)
        note_wait(schedule, begin_ns);
    return r;
}
