/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows on their way to the disk.
 *
 * A row that was written is in the memory of the machine until an fsync() that began later has ended; a power
 * cut before that may take its values, its ledger entry, or either alone. So a rank keeps a list of the rows
 * that it has written since it last synced, and when the next sync has ended it says `is_on_disk` in their
 * entries, four bytes each, which are on disk with the sync after that. What is not marked when a run ends
 * without order is looked at by the next one (cli/heal.c).
 *
 * A thread of its own syncs: who computes only adds to the list, under a lock that is never held over a
 * request to the file. A list that is full is the exception: then the disk takes less than is computed, and
 * who writes waits for it.
 */
#include "results_private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct unsynced {
    pthread_mutex_t lock;
    pthread_cond_t wake;  /* the thread: there is something to do */
    pthread_cond_t ended; /* a sync has */
    pthread_t thread;
    bool has_thread, is_ending;
    int64_t interval_ns, due_ns; /* interval 0: only when many rows wait */

    uint64_t *row, *under_way; /* [RESULTS_UNSYNCED_MAX] since the sync began, and before */
    size_t n;
    bool is_syncing;
    int failed; /* errno of the first sync that did: what it was to bring to disk may be lost */
};

void results_unsynced_open(struct results *results)
{
    struct unsynced *unsynced = mem_small(1, sizeof(*unsynced));
    pthread_condattr_t attributes;

    pthread_mutex_init(&unsynced->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&unsynced->wake, &attributes);
    pthread_cond_init(&unsynced->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    results->unsynced = unsynced;
    unsynced->row = mem_small(RESULTS_UNSYNCED_MAX, sizeof(*unsynced->row));
    unsynced->under_way = mem_small(RESULTS_UNSYNCED_MAX, sizeof(*unsynced->under_way));
}

void results_unsynced_close(struct results *results)
{
    struct unsynced *unsynced = results->unsynced;

    if (!unsynced)
        return;
    if (unsynced->has_thread) {
        pthread_mutex_lock(&unsynced->lock);
        unsynced->is_ending = true;
        pthread_cond_signal(&unsynced->wake);
        pthread_mutex_unlock(&unsynced->lock);
        pthread_join(unsynced->thread, NULL);
    }
    pthread_cond_destroy(&unsynced->wake);
    pthread_cond_destroy(&unsynced->ended);
    pthread_mutex_destroy(&unsynced->lock);
    free(unsynced->row);
    free(unsynced->under_way);
    free(unsynced);
    results->unsynced = NULL;
}

/* ---- syncing --------------------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* In order of rows: in another each takes up to ten times as long. Entries of one rank's rows are written by
 * nobody else while it lives; of a rank that was given up, and lives, by one that has written the same bits. */
static int mark(struct results *results, size_t n, uint64_t *row, struct error *err)
{
    static const int32_t is_on_disk = 1;
    int r = 0;

    qsort(row, n, sizeof(*row), compare_rows);
    for (size_t i = 0; !r && i < n; i++)
        r = results_write_at(results,
                             results->ledger_offset + row[i] * sizeof(struct ledger_entry) +
                                 offsetof(struct ledger_entry, is_on_disk),
                             &is_on_disk, sizeof(is_on_disk), err);
    return r;
}

/* Under the lock, which is released meanwhile. */
static void sync_now(struct results *results)
{
    struct unsynced *unsynced = results->unsynced;
    uint64_t *row = unsynced->row;
    size_t n = unsynced->n;
    struct error ignored;
    int failed;

    unsynced->row = unsynced->under_way;
    unsynced->under_way = row;
    unsynced->n = 0;
    unsynced->is_syncing = true;
    unsynced->due_ns = clock_ns() + unsynced->interval_ns;
    pthread_mutex_unlock(&unsynced->lock);
    failed = fdatasync(results->fd) ? errno : 0; /* sizes are those of the layout: nothing else is new */
    if (!failed && mark(results, n, row, &ignored))
        failed = EIO;
    pthread_mutex_lock(&unsynced->lock);
    unsynced->is_syncing = false;
    if (!unsynced->failed)
        unsynced->failed = failed;
    pthread_cond_broadcast(&unsynced->ended);
    pthread_cond_signal(&unsynced->wake);
}

/* Under the lock. */
static int say_failed(const struct results *results, struct error *err)
{
    return results->unsynced->failed
               ? error_set(err, POLYPHONY_OUTPUT,
                           "'%s': could not be brought to disk: %s; the same command continues later",
                           results->path, strerror(results->unsynced->failed))
               : 0;
}

/* Under the lock: wait until there is something to do, or the end. */
static void await_due(struct unsynced *unsynced)
{
    for (;;) {
        int64_t due_ns = unsynced->due_ns;
        struct timespec due = { .tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000 };

        if (unsynced->is_ending)
            return;
        if (!unsynced->is_syncing && (unsynced->n >= RESULTS_UNSYNCED_MAX / 2 ||
                                      (unsynced->n > 0 && unsynced->interval_ns && clock_ns() >= due_ns)))
            return;
        if (unsynced->interval_ns && unsynced->n > 0 && !unsynced->is_syncing)
            pthread_cond_timedwait(&unsynced->wake, &unsynced->lock, &due);
        else
            pthread_cond_wait(&unsynced->wake, &unsynced->lock);
    }
}

static void *run_thread(void *data)
{
    struct results *results = data;
    struct unsynced *unsynced = results->unsynced;

    pthread_mutex_lock(&unsynced->lock);
    for (await_due(unsynced); !unsynced->is_ending; await_due(unsynced))
        sync_now(results);
    pthread_mutex_unlock(&unsynced->lock);
    return NULL;
}

int results_sync_every(struct results *results, double interval_s, struct error *err)
{
    struct unsynced *unsynced = results->unsynced;
    sigset_t all, before;
    int status;

    unsynced->interval_ns = (int64_t)(interval_s * 1e9);
    unsynced->due_ns = clock_ns() + unsynced->interval_ns;
    /* Signals are for threads that can act on them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&unsynced->thread, NULL, run_thread, results);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    unsynced->has_thread = status == 0;
    return status ? error_set(err, POLYPHONY_INTERNAL,
                              "the thread that brings '%s' to disk cannot be started: %s", results->path,
                              strerror(status))
                  : 0;
}

int results_sync(struct results *results, struct error *err)
{
    struct unsynced *unsynced = results->unsynced;
    int r;

    pthread_mutex_lock(&unsynced->lock);
    while (unsynced->is_syncing)
        pthread_cond_wait(&unsynced->ended, &unsynced->lock);
    sync_now(results);
    r = say_failed(results, err);
    pthread_mutex_unlock(&unsynced->lock);
    return r;
}

/* ---- what was written -------------------------------------------------------------------------------- */

/* Under the lock. */
static void make_room(struct results *results)
{
    struct unsynced *unsynced = results->unsynced;

    while (unsynced->n == RESULTS_UNSYNCED_MAX && !unsynced->failed) {
        if (unsynced->is_syncing)
            pthread_cond_wait(&unsynced->ended, &unsynced->lock);
        else
            sync_now(results);
    }
}

int results_note_row(struct results *results, uint64_t row, struct error *err)
{
    struct unsynced *unsynced = results->unsynced;
    int r;

    pthread_mutex_lock(&unsynced->lock);
    make_room(results);
    r = say_failed(results, err);
    if (!r) {
        unsynced->row[unsynced->n++] = row;
        if (unsynced->has_thread && (unsynced->n == 1 || unsynced->n == RESULTS_UNSYNCED_MAX / 2))
            pthread_cond_signal(&unsynced->wake);
    }
    pthread_mutex_unlock(&unsynced->lock);
    return r;
}
