/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rank 0's side of a run: it deals, listens, and never waits for a single worker.
 */
#include "schedule_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often silence is looked for. */
#define ROLL_CALL_NS 100000000

/* What the desk knows of a worker. */
struct seat {
    bool is_called; /* home */
    bool is_gone;   /* has said farewell, or is lost */
    bool is_lost;
    int64_t heard_ns;
    struct {
        uint64_t number;
        int64_t dealt_ns;
    } dealt[DEALER_HOLD_MAX];
};

/* A message on its way. Sends are never waited for: a worker that computes takes in a long message only
 * between galaxies, and one that is lost never. */
struct sending {
    MPI_Request request;
    struct sending *next;
    char bytes[];
};

struct desk {
    struct schedule *schedule;
    struct beats *beats; /* NULL: nobody can be lost */
    int n_rank, n_gone, n_lost;
    bool is_calling; /* all home */
    int64_t roll_call_ns;
    struct seat *seat; /* [n_rank] */
    struct sending *sending;
    int n_sending;
    int worst;
    struct error *err;
};

/* ---- sending ----------------------------------------------------------------------------------- */

static void send_bytes(struct desk *desk, int rank, enum tag tag, size_t n, const void *bytes)
{
    struct sending *sending = malloc(sizeof(*sending) + n);

    if (!sending) /* the worker waits for an answer that cannot be given */
        MPI_Abort(desk->schedule->comm, -POLYPHONY_INTERNAL);
    memcpy(sending->bytes, bytes, n);
    MPI_Isend(sending->bytes, (int)n, MPI_BYTE, rank, tag, desk->schedule->comm, &sending->request);
    sending->next = desk->sending;
    desk->sending = sending;
    desk->n_sending++;
}

/* Forget messages that have arrived. */
static void collect_sent(struct desk *desk)
{
    struct sending **link = &desk->sending;
    int is_sent;

    while (*link) {
        struct sending *sending = *link;

        MPI_Test(&sending->request, &is_sent, MPI_STATUS_IGNORE);
        if (!is_sent) {
            link = &sending->next;
            continue;
        }
        *link = sending->next;
        free(sending);
        desk->n_sending--;
    }
}

static void call_home(struct desk *desk, int rank, bool is_expelled)
{
    const uint64_t word[2] = { 0, is_expelled };

    send_bytes(desk, rank, TAG_DEAL, sizeof(word), word);
    desk->seat[rank].is_called = true;
}

static void call_all_home(struct desk *desk)
{
    desk->is_calling = true;
    for (int rank = 1; rank < desk->n_rank; rank++)
        if (!desk->seat[rank].is_called && !desk->seat[rank].is_lost)
            call_home(desk, rank, false);
}

/* Nothing more is dealt, and workers hear of it before their next galaxy. */
static void stop(struct desk *desk)
{
    dealer_stop(desk->schedule->dealer);
    if (!desk->is_calling)
        call_all_home(desk);
}

/* As many batches as a worker may hold now. */
static void serve(struct desk *desk, int rank)
{
    struct seat *seat = &desk->seat[rank];
    uint64_t word[1 + DEALER_BATCH_MAX];
    struct dealer_batch batch;

    while (!seat->is_called && !seat->is_lost &&
           dealer_next(desk->schedule->dealer, (size_t)rank - 1, &batch, word + 1)) {
        size_t slot = seat->dealt[0].number ? 1 : 0;

        word[0] = batch.number;
        send_bytes(desk, rank, TAG_DEAL, (1 + batch.n) * sizeof(*word), word);
        seat->dealt[slot].number = batch.number;
        seat->dealt[slot].dealt_ns = clock_ns();
    }
}

static void serve_all(struct desk *desk)
{
    for (int rank = 1; rank < desk->n_rank; rank++)
        serve(desk, rank);
}

/* ---- listening --------------------------------------------------------------------------------- */

/* A stop is continued by the same command, a failure is not: it counts more than any stop. */
static bool is_worse(int status, int worst)
{
    if (status == POLYPHONY_STOPPED || worst == POLYPHONY_STOPPED)
        return worst == 0 || (worst == POLYPHONY_STOPPED && status != POLYPHONY_STOPPED);
    return status < worst;
}

static void note_failure(struct desk *desk, int rank, const struct batch_report *report)
{
    if (report->status < 0 && is_worse(report->status, desk->worst)) {
        if (report->status == POLYPHONY_STOPPED)
            error_set(desk->err, report->status, "rank %d was asked to stop; the same command continues",
                      rank);
        else
            error_set(desk->err, report->status, "rank %d: %.900s", rank, report->text);
        desk->worst = report->status;
    }
    if (report->status < 0) /* one failure, or stop, ends the run */
        stop(desk);
}

static int64_t forget_dealt(struct seat *seat, uint64_t number)
{
    size_t slot = seat->dealt[0].number == number ? 0 : 1;
    int64_t dealt_ns = seat->dealt[slot].dealt_ns;

    if (slot == 0)
        seat->dealt[0] = seat->dealt[1];
    seat->dealt[1].number = 0;
    return dealt_ns;
}

static void hear_report(struct desk *desk, int rank, const struct batch_report *report)
{
    struct schedule *schedule = desk->schedule;
    struct seat *seat = &desk->seat[rank];
    struct dealer_batch batch;

    if (dealer_done(schedule->dealer, (size_t)rank - 1, report->number, report->n_worked, &batch)) {
        schedule_note_batch(schedule, &batch, rank, report->measured_s, forget_dealt(seat, report->number));
        schedule->progress.n_done += report->n_worked - report->n_set_aside;
        schedule->progress.n_set_aside += report->n_set_aside;
    }
    note_failure(desk, rank, report);
    serve(desk, rank);
}

static void hear_farewell(struct desk *desk, int rank, const struct batch_report *report)
{
    if (!desk->seat[rank].is_gone)
        desk->n_gone++;
    desk->seat[rank].is_gone = true;
    note_failure(desk, rank, report);
}

/* One message, if there is one. */
static bool hear(struct desk *desk)
{
    struct schedule *schedule = desk->schedule;
    struct batch_report report = { 0 };
    MPI_Status status;
    struct seat *seat;
    int is_here = 0, rank;

    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, schedule->comm, &is_here, &status);
    if (!is_here)
        return false;
    rank = status.MPI_SOURCE;
    seat = &desk->seat[rank];
    MPI_Recv(&report, sizeof(report), MPI_BYTE, rank, status.MPI_TAG, schedule->comm, MPI_STATUS_IGNORE);
    seat->heard_ns = clock_ns();
    if (seat->is_lost) /* it was only late: others do its work now, and it will find that it is expelled */
        return true;
    if (status.MPI_TAG == TAG_REPORT)
        hear_report(desk, rank, &report);
    else if (status.MPI_TAG == TAG_FAREWELL)
        hear_farewell(desk, rank, &report);
    return true;
}

/* ---- ranks that are lost ----------------------------------------------------------------------- */

static void lose(struct desk *desk, int rank)
{
    struct schedule *schedule = desk->schedule;
    struct seat *seat = &desk->seat[rank];
    size_t n = dealer_lose(schedule->dealer, (size_t)rank - 1);
    enum schedule_blame blame = SCHEDULE_NOTHING;
    uint64_t row[SCHEDULE_HAND_MAX];
    size_t n_row = 0;

    fprintf(stderr,
            "warning: rank %d has been silent for %.3g s and counts as lost; %zu galaxies are dealt again\n",
            rank, schedule->silence_s, n);
    seat->is_lost = true;
    beats_leave(desk->beats, rank);
    call_home(desk, rank, true); /* it may come back: to be found before its next galaxy */
    desk->n_gone += !seat->is_gone;
    seat->is_gone = true;
    schedule->progress.n_lost = ++desk->n_lost;
    if (schedule->lost)
        blame = schedule->lost(schedule->context, rank, &n_row, row);
    for (size_t i = 0; i < n_row; i++) {
        if (blame == SCHEDULE_ASIDE && dealer_withdraw(schedule->dealer, row[i]))
            schedule->progress.n_set_aside++;
        else if (blame == SCHEDULE_SUSPECT)
            dealer_suspect(schedule->dealer, row[i]);
    }
    if (desk->n_lost == desk->n_rank - 1 && !dealer_is_over(schedule->dealer)) {
        if (is_worse(POLYPHONY_STOPPED, desk->worst))
            desk->worst =
                error_set(desk->err, POLYPHONY_STOPPED, "all workers are lost; the same command continues");
        dealer_stop(schedule->dealer);
    }
    serve_all(desk);
}

static void call_roll(struct desk *desk)
{
    int64_t now_ns = clock_ns(), away_ns = now_ns - desk->roll_call_ns - ROLL_CALL_NS;

    if (!(desk->schedule->silence_s > 0) || away_ns < 0)
        return;
    desk->roll_call_ns = now_ns;
    /* While this rank sorts, waits for a disk or is suspended it hears nobody: that is not their silence. */
    for (int rank = 1; rank < desk->n_rank; rank++)
        desk->seat[rank].heard_ns += away_ns;
    for (int rank = 1; rank < desk->n_rank; rank++)
        if (!desk->seat[rank].is_lost && /* also those that said farewell: the end waits for them */
            (double)(now_ns - desk->seat[rank].heard_ns) * 1e-9 > desk->schedule->silence_s)
            lose(desk, rank);
}

/* Tell those that are left who is not, and go on with them. */
static void leave_the_lost(struct desk *desk)
{
    struct schedule *schedule = desk->schedule;
    int *lost = mem_small((size_t)desk->n_rank, sizeof(*lost)), n_lost = 0;

    schedule_guard_end(schedule);
    for (int rank = 1; rank < desk->n_rank; rank++)
        if (desk->seat[rank].is_lost)
            lost[n_lost++] = rank;
    for (int rank = 1; rank < desk->n_rank; rank++)
        if (!desk->seat[rank].is_lost)
            send_bytes(desk, rank, TAG_END, (size_t)n_lost * sizeof(*lost), lost);
    if (n_lost)
        schedule->comm = schedule_survivors(schedule->comm, n_lost, lost);
    free(lost);
}

/* ---- the run ----------------------------------------------------------------------------------- */

static void listen_until_home(struct desk *desk)
{
    struct schedule *schedule = desk->schedule;
    int64_t wait_ns = clock_ns();
    int n_idle = 0;

    while (desk->n_gone < desk->n_rank - 1) {
        if (schedule_is_stopping(schedule))
            stop(desk);
        else if (!desk->is_calling && dealer_is_over(schedule->dealer))
            call_all_home(desk);
        call_roll(desk);
        if (!hear(desk)) {
            collect_sent(desk);
            schedule_watch(schedule);
            schedule_pause_longer(&n_idle);
            continue;
        }
        n_idle = 0;
        if (desk->n_sending > 4 * desk->n_rank) /* more than can be on their way */
            collect_sent(desk);
        schedule_note_wait(schedule, wait_ns);
        wait_ns = clock_ns();
        schedule_watch(schedule);
    }
}

int desk_run(struct schedule *schedule, struct beats *beats, struct error *err)
{
    struct desk desk = { .schedule = schedule, .beats = beats, .err = err, .roll_call_ns = clock_ns() };

    MPI_Comm_size(schedule->comm, &desk.n_rank);
    desk.seat = mem_small((size_t)desk.n_rank, sizeof(*desk.seat));
    for (int rank = 1; rank < desk.n_rank; rank++)
        desk.seat[rank].heard_ns = clock_ns();
    if (!schedule_is_stopping(schedule))
        serve_all(&desk);
    listen_until_home(&desk);
    if (schedule->silence_s > 0)
        leave_the_lost(&desk);
    collect_sent(&desk); /* what a lost rank never took stays: freeing it would pull it from under MPI */
    free(desk.seat);
    return desk.worst;
}
