/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the two sides of a run say to each other.
 */
#pragma once

#include "polyphony/schedule.h"

enum tag {
    TAG_DEAL = 1, /* 0 to worker: number of a batch and its rows; number 0: go home, 1 after it: expelled */
    TAG_REPORT,   /* worker to 0: struct batch_report */
    TAG_FAREWELL, /* worker to 0: struct batch_report, the last one */
    TAG_END,      /* 0 to worker, when ranks can be lost: those that are */
    TAG_BEAT,     /* both ways, when ranks can be lost: empty */
};

/* A worker on one of its batches. The text is sent with failures only. */
struct batch_report {
    uint64_t number;
    int32_t status; /* 0, or the negative code that ended its work */
    uint32_t n_worked, n_set_aside;
    uint32_t reserved;
    double measured_s; /* inside schedule.work */
    char text[sizeof(((struct error *)0)->text)];
};

/* Waiting is looking now and then: a blocking receive would burn a core that a thread could use. */
#define POLL_NS 50000
void schedule_pause(void);
/* Rank 0, whose answers are waited for only at the end, looks less often the longer nothing comes. */
#define POLL_MAX_NS 400000
void schedule_pause_longer(int *n_idle);

static inline bool schedule_is_stopping(const struct schedule *schedule)
{
    return schedule->is_stopping && schedule->is_stopping(schedule->context);
}

void schedule_note_wait(struct schedule *schedule, int64_t begin_ns);
/* A batch has come back: for the traces and for the costs. */
void schedule_note_batch(struct schedule *schedule, const struct dealer_batch *batch, int rank,
                         double measured_s, int64_t dealt_ns);
void schedule_watch(struct schedule *schedule);

/* From here on ranks wait for each other, and no longer notice when one is lost: not for ever. */
void schedule_guard_end(const struct schedule *schedule);
/* Of the ranks left; collective over them. */
MPI_Comm schedule_survivors(MPI_Comm comm, int n_lost, const int *lost);

struct beats;

/* Rank 0 of several: deal until all workers have gone home. `beats`: NULL if nobody can be lost. */
int desk_run(struct schedule *schedule, struct beats *beats, struct error *err);
/* Another rank: work until called home. */
int worker_run(struct schedule *schedule, struct error *err);

/* ---- signs of life ------------------------------------------------------------------------------- */

/* A thread that tells all others (rank 0) or rank 0 (others) that this one lives, and ends the process when
 * rank 0 does not any more. */
int beats_begin(MPI_Comm comm, double silence_s, struct beats **ret_beats, struct error *err);
/* Rank 0: this one is lost. It must be told no more: what a dead rank does not take in fills the memory that
 * MPI has for short messages, and after some hundred no rank can be told anything. */
void beats_leave(struct beats *beats, int rank);
void beats_end(struct beats *beats); /* NULL is fine */
