/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What each rank has in hand, in the lock file of the results, `<output>.lock`: so that the next run knows
 * which galaxy a rank was at when it crashed or vanished.
 *
 * One page of the file a rank (file systems lock and cache pages: ranks of two nodes on one page would wait
 * for each other), of which two slots of 512 bytes are used, a sector each: what is computed, and what was
 * being read when reading crashed. Slots are written with pwrite(): what was written survives the process,
 * though not always its machine. Where the file is torn or short it is no evidence and no error; a link, or a
 * file that is no lock of ours, at its name is an error, and is not touched.
 *
 * Rank 0: hands_lock, hands_judge, hands_begin; then every computing rank: hands_open; for each galaxy
 * hands_take, hands_put, and, where it is read, which may be by another thread and before, hands_read. Rank
 * 0's own hands (its slots are the first) work alike after hands_begin().
 */
#pragma once

#include "polyphony/base.h"

#define HANDS_HOST_MAX 64
/** Rows that a rank may have in hand at once. */
#define HANDS_ROW_MAX 32

struct hands;

/**
 * Keep other runs off `output`, which is no link (path_follow()); also off its other names, where it is there
 * and has several. POLYPHONY_OUTPUT when another run has it. Where the file system has no locks, on trust.
 */
int hands_lock(const char *output, struct hands **ret_hands, struct error *err);
/** Why the file system gave no lock, so that other runs are not kept off; NULL: it gave one. */
const char *hands_no_lock(const struct hands *hands);

/** How the last run that wrote the file ended, as far as its lock file tells. */
enum hands_end {
    HANDS_END_ORDERLY,    /* no lock was left: also by a copy */
    HANDS_END_KILLED,     /* a lock was left, on this machine since it was started */
    HANDS_END_OTHER_BOOT, /* a lock was left, of a machine that was started again since, or of another one */
};
/** Of hands_lock(). */
enum hands_end hands_last_end(const struct hands *hands);

/** Who ended with what in hand. */
struct hands_blame {
    size_t n_row; /* at least one; of several, each may be why */
    uint64_t row[HANDS_ROW_MAX];
    bool is_crash; /* it caught a fatal signal; false: it vanished */
    int signal;    /* of a crash */
    int rank;
    int64_t pid;
    char host[HANDS_HOST_MAX];
};
typedef int (*hands_visit)(void *context, const struct hands_blame *blame, struct error *err);

/**
 * What the last run left in hand, before hands_begin(). A rank that crashed is blamed on the galaxies of the
 * thread that did, computed or read, in one visit; one that vanished on those it computed, but only if no
 * other rank did: when several vanished at once, or another one crashed, they were ended from outside (a
 * launcher that cleans up, a power cut). A rank that had been asked to stop is not.
 */
int hands_judge(struct hands *hands, hands_visit visit, void *context, struct error *err);

/** Clear the slots, for n_rank ranks. POLYPHONY_OUTPUT. */
int hands_begin(struct hands *hands, int n_rank, struct error *err);

/** During a run (--survive): the rows that a lost rank had in hand, whether it crashed or vanished. Its slots
 * are cleared, so that it is not judged twice. false: none. */
bool hands_judge_lost(struct hands *hands, int rank, struct hands_blame *ret_blame);

/** A computing rank's own slot, after hands_begin() on rank 0. POLYPHONY_OUTPUT. */
int hands_open(const char *output, int rank, struct hands **ret_hands, struct error *err);

/** Rows [n], 1 to HANDS_ROW_MAX of them, in place of those before; NULL hands are fine. Failures to write are
 * not reported: a galaxy then goes without an accuser. */
void hands_take(struct hands *hands, size_t n, const uint64_t *rows);
void hands_put(struct hands *hands);

/**
 * The calling thread, always the same, now reads rows [n] (up to HANDS_ROW_MAX), or, with n = 0, no more: if
 * it crashes meanwhile, then because of these, whatever is in hand. Writes nothing before that happens; NULL
 * hands are fine.
 */
void hands_read(struct hands *hands, size_t n, const uint64_t *rows);

/**
 * Async-signal-safe, for handlers: SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT are noted as a crash of the
 * calling thread, others as being asked to stop, which also holds for galaxies taken later.
 */
void hands_note_signal(struct hands *hands, int number);

/** Any rank, NULL is fine. Of the rank that locked: the file goes, unless it holds something that the next
 * run should judge. */
void hands_close(struct hands *hands);
