/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signs of life, for runs that go on without ranks that are lost. MPI does not say that a rank is gone: a
 * thread of each rank says that it is not.
 */
#include "schedule_private.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Beats in the time after which a rank counts as lost: some may be late. */
#define BEATS_IN_SILENCE 8
/* Workers give rank 0 more time: without it everything ends. */
#define PATIENCE 3

struct beats {
    pthread_t thread;
    MPI_Comm comm;
    int rank, n_rank;
    int64_t silence_ns;
    atomic_bool is_ending;
    struct peer {
        MPI_Request request; /* the last beat to it */
        atomic_bool is_lost;
    } peer[]; /* [n_rank] */
};

/* Never waits: a beat to a rank that is gone may stay on its way for ever, and the others must hear theirs. */
static void tell_one(struct beats *beats, int rank)
{
    struct peer *peer = &beats->peer[rank];
    int is_sent = 0;

    if (atomic_load(&peer->is_lost))
        return;
    MPI_Test(&peer->request, &is_sent, MPI_STATUS_IGNORE);
    if (is_sent)
        MPI_Isend(NULL, 0, MPI_BYTE, rank, TAG_BEAT, beats->comm, &peer->request);
}

static void tell(struct beats *beats)
{
    for (int rank = 1; beats->rank == 0 && rank < beats->n_rank; rank++)
        tell_one(beats, rank);
    if (beats->rank > 0)
        tell_one(beats, 0);
}

static bool has_heard(const struct beats *beats)
{
    bool has_heard = false;
    int is_here = 0;

    for (;;) {
        MPI_Iprobe(0, TAG_BEAT, beats->comm, &is_here, MPI_STATUS_IGNORE);
        if (!is_here)
            return has_heard;
        MPI_Recv(NULL, 0, MPI_BYTE, 0, TAG_BEAT, beats->comm, MPI_STATUS_IGNORE);
        has_heard = true;
    }
}

static void *beat(void *context)
{
    struct beats *beats = context;
    int64_t pause_ns = beats->silence_ns / BEATS_IN_SILENCE, last_ns = clock_ns(), told_ns = 0, silent_ns = 0;
    /* Looked at more often than told, so that ending it does not take a beat. */
    const struct timespec pause = { .tv_nsec = pause_ns < 20000000 ? pause_ns : 20000000 };

    while (!atomic_load(&beats->is_ending)) {
        int64_t now_ns = clock_ns(), passed_ns = now_ns - last_ns;

        last_ns = now_ns;
        silent_ns += passed_ns < pause_ns ? passed_ns : pause_ns; /* more: it was suspended, not rank 0 */
        if (now_ns - told_ns >= pause_ns) {
            tell(beats);
            told_ns = now_ns;
        }
        if (beats->rank > 0 && has_heard(beats))
            silent_ns = 0;
        if (beats->rank > 0 && silent_ns > PATIENCE * beats->silence_ns) {
            fprintf(
                stderr,
                "polyphony: rank %d: rank 0 has been silent for %.0f s; ending (the same command continues)\n",
                beats->rank, (double)silent_ns * 1e-9);
            _exit(-POLYPHONY_STOPPED); /* nobody is left to finish with; rows that are done are in the file */
        }
        nanosleep(&pause, NULL);
    }
    return NULL;
}

int beats_begin(MPI_Comm comm, double silence_s, struct beats **ret_beats, struct error *err)
{
    struct beats *beats;
    int n_rank;

    MPI_Comm_size(comm, &n_rank);
    beats = mem_small(1, sizeof(*beats) + (size_t)n_rank * sizeof(*beats->peer));
    beats->comm = comm;
    beats->silence_ns = (int64_t)(silence_s * 1e9);
    MPI_Comm_rank(comm, &beats->rank);
    beats->n_rank = n_rank;
    for (int rank = 0; rank < n_rank; rank++)
        beats->peer[rank].request = MPI_REQUEST_NULL;
    if (pthread_create(&beats->thread, NULL, beat, beats)) {
        free(beats);
        return error_set(err, POLYPHONY_INTERNAL, "no thread for heartbeats");
    }
    *ret_beats = beats;
    return 0;
}

void beats_leave(struct beats *beats, int rank)
{
    atomic_store(&beats->peer[rank].is_lost, true);
}

void beats_end(struct beats *beats)
{
    if (!beats)
        return;
    atomic_store(&beats->is_ending, true);
    pthread_join(beats->thread, NULL);
    for (int rank = 0; rank < beats->n_rank; rank++)
        if (beats->peer[rank].request != MPI_REQUEST_NULL)
            MPI_Request_free(&beats->peer[rank].request);
    free(beats);
}
