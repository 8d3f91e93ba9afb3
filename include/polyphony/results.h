/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The results file: laid out once by rank 0, then written by rows, by whoever has computed one.
 *
 * Every dataset is contiguous and has its place before the first galaxy is dealt (docs/formats.md). From
 * then on a row is written with pwrite() at known offsets: no HDF5, no MPI, no metadata, so that a killed job
 * leaves a readable file and a dead rank hangs nobody. A row counts as done when its ledger entry, written
 * after its data, says so.
 */
#pragma once

#include "polyphony/census.h"
#include "polyphony/pipeline.h"

/** Changes when the same inputs would give other numbers; a file of another version is not continued. */
#define RESULTS_NUMERICS_VERSION 3

/** Changes when the file's layout does; a file of another version is neither read nor continued. */
#define RESULTS_FILE_VERSION 3

/** A galaxy with which its rank crashed this often is set aside. Once could be the machine's fault. */
#define RESULTS_CRASH_MAX 2
/** The same where the rank vanished (out of memory, kill -9), which may have another cause: once more. */
#define RESULTS_VANISH_MAX 3

enum row_status { ROW_LEFT = 0, ROW_DONE = 1, ROW_SET_ASIDE = 2 };

/** /Run/Ledger, one entry of 256 bytes a galaxy. */
struct ledger_entry {
    int32_t status; /* enum row_status */
    int32_t rank;
    uint64_t checksum; /* XXH3 of the row's values as written, then of its particles' */
    double seconds;    /* to read and compute */
    char stage[32];    /* where it was set aside */
    char reason[184];
    int32_t n_rounded; /* values of the catalogue slightly below 0 that were taken as 0 */
    /* 1: an fsync() that began after its values were written has ended, so they outlive a power cut; 0: not
     * yet, or nobody knows: the next run looks at them. */
    int32_t is_on_disk;
    int32_t n_crash, n_vanish; /* ranks that ended with it in hand; 0 again once it is done */
};

#define PROVENANCE_COMMAND_MAX 584

/** What made the numbers, recorded and compared on resuming. */
struct provenance {
    const char *program_version, *compiler, *flags;
    const char *commit, *source_hash; /* "unknown" without git; of the sources of the build */
    const char *command;              /* as given to this process, quoted */
    char date_utc[24], host[64];
    struct job_echo echo;
    uint64_t catalogue_hash, grid_hash, filters_hash;
    char *catalogue_sources, *grid_sources; /* other files that their bytes come from: "hash name" lines */
    int n_rank, n_thread;
    bool accepts_build; /* another build of the same numerics version may continue the file */
};

/** Hash the inputs and echo the job; the build and the numbers are the caller's to say. Free with
 * provenance_free(). */
int provenance_make(const struct plan *plan, struct provenance *ret_provenance, struct error *err);
void provenance_free(struct provenance *provenance);

/** What a galaxy takes in the file, without its ledger entry and particles. */
uint64_t results_row_bytes(const struct plan *plan);

struct results;

/** Lay out a new file at `path`; one process does it, before the others open it. */
int results_create(const char *path, const struct plan *plan, const struct provenance *provenance,
                   struct error *err);

/**
 * May this file be continued by this job? One process asks. POLYPHONY_USAGE names the key that differs, or
 * what does of the build; POLYPHONY_INPUT when the file is no results file, or is not laid out as the job's:
 * then it names the dataset. Nothing is written.
 */
int results_check(const char *path, const struct plan *plan, const struct provenance *provenance,
                  struct error *err);

/** A run that wrote into the file, as /Run/Sessions has it: 1024 bytes. Texts end with 0; longer ones are
 * cut. */
struct results_session {
    uint64_t checksum;                       /* XXH3 of all that follows: 0 and others are no entries */
    int32_t n_run, n_rank, n_thread, unused; /* n_run: how many runs it stands for */
    char date_utc[24], host[64], version[24], commit[56], source_hash[24], compiler[64], flags[160];
    char command[PROVENANCE_COMMAND_MAX];
};
#define RESULTS_SESSION_MAX 32

/** Before a run writes its first row: add it to /Run/Sessions, in one piece. One process does it. When all
 * places are taken one is written over, of a build that others name, and counts. POLYPHONY_OUTPUT. */
int results_note_session(struct results *results, const struct provenance *provenance, struct error *err);
/** The runs that wrote. For `polyphony status`. */
int results_read_sessions(const char *path, struct results_session ret_session[RESULTS_SESSION_MAX],
                          size_t *ret_n, struct error *err);

/** Open a laid-out file for writing rows; each rank on its own. */
int results_open(const char *path, const struct plan *plan, struct results **ret_results, struct error *err);
void results_close(struct results *results); /* NULL is fine */

/**
 * Write rows[n], which were computed in seconds[n], each with its ledger entry: checked and hashed by all threads,
 * in few large requests where rows are neighbours in the file, and all their values before any entry. A row that
 * is not finite is left out: ret_status[i] is 0 or POLYPHONY_SET_ASIDE, then with a text in ret_error[i] (NULL:
 * none is wanted). Any number of rows, each once, in any order; allocates nothing.
 *
 * The order holds for whatever ends the process. Against the loss of power protects results_sync(), and the
 * thread of results_sync_every().
 *
 * Threads may call this at the same time, for different rows; inside a parallel region the calling thread does
 * all of it.
 *
 * Return: 0; POLYPHONY_OUTPUT (disk full, file gone), then none of the rows counts as done before its entry is in
 * the file.
 */
int results_write_many(struct results *results, size_t n, const struct pipeline_row *rows,
                       const double *seconds, int rank, int *ret_status, struct error *ret_error,
                       struct error *err);
/** Record that a galaxy was set aside: its values become NaN, and its entry says why. n_crash and n_vanish
 * stay. */
int results_set_aside(struct results *results, uint64_t row, int rank, double seconds, const char *stage,
                      const char *reason, struct error *err);
/**
 * A rank crashed, or vanished, with this row in hand: count that in its entry, and give the row its id. A row
 * that is done or set aside by now, or is not in the file, is not blamed. A row that was in hand with others
 * counts as blamed once, however often that happens: it will be dealt alone, and only what happens then can
 * be too much. *ret_is_enough: it was alone, and has reached one of the limits above; setting it aside is the
 * caller's.
 */
int results_blame(struct results *results, uint64_t row, bool is_crash, bool is_alone, bool *ret_is_enough,
                  struct error *err);
/** A row that was set aside is to be done again: it is left, with its n_crash and n_vanish. */
int results_reopen_row(struct results *results, uint64_t row, struct error *err);
int results_row_status(struct results *results, uint64_t row, enum row_status *ret_status, struct error *err);
/** false: somebody has deleted the file; what is written goes nowhere. */
bool results_is_there(const struct results *results);

/**
 * From now on a thread of this rank's brings to disk, every `interval_s`, what the rank has written, and then
 * says so in the entries of these rows; earlier when RESULTS_UNSYNCED_MAX / 2 rows wait. 0: only then. When a
 * sync fails the next write does. The thread may run where the calling thread may. POLYPHONY_INTERNAL.
 */
int results_sync_every(struct results *results, double interval_s, struct error *err);
/** Rows written by a process that may wait for a sync; whoever writes more waits for the disk, too. */
#define RESULTS_UNSYNCED_MAX (1 << 17)
/** All bytes written by this process are on disk, and the entries of its rows say so. POLYPHONY_OUTPUT, also
 * when the thread's sync had failed. */
int results_sync(struct results *results, struct error *err);
/** The values of a row have been seen to be right: it is as if this process had written it. */
int results_note_row(struct results *results, uint64_t row, struct error *err);

/** Is there a results file, of any version, at this path? POLYPHONY_INPUT when it is something else.
 * results_create() replaces it when the new one is complete. */
int results_may_be_replaced(const char *path, struct error *err);

/* ---- the ledger, for dealing and for `polyphony status` ------------------------------------------------ */

struct ledger_counts {
    size_t n_galaxy, n_done, n_set_aside;
    size_t n_blamed;         /* neither done nor set aside, with n_crash or n_vanish > 0 */
    size_t n_rounded_galaxy; /* done, with values slightly below 0 that were taken as 0, */
    uint64_t n_rounded;      /* and how many of these */
    size_t n_damaged;        /* entries that no run writes like that; they count as left */
    size_t n_unsynced;       /* done or set aside, and not known to be on disk */
    double seconds;          /* of computing, all entries */
};

/** `id` is true for rows that are done, set aside or blamed, 0 for others. A negative code ends the scan. */
typedef int (*ledger_visit)(void *context, uint64_t row, int64_t id, const struct ledger_entry *entry,
                            struct error *err);

/**
 * Visit every entry in order of rows; `visit` may be NULL. Reads a quarter of a megabyte at a time, at any
 * time, also while a job writes the file or after it was killed. A damaged entry is shown as one that is
 * left, by rank -1. POLYPHONY_INPUT when it is no results file or is truncated, POLYPHONY_USAGE when it is of
 * another version.
 */
int ledger_scan(const char *path, ledger_visit visit, void *context, struct ledger_counts *ret_counts,
                struct error *err);

/* ---- the census of all galaxies that are done ------------------------------------------------------------ */

#define RESULTS_AXIS_NAME_MAX 256

struct results_census {
    bool is_there; /* files of older programs have none */
    struct census_sum sum;
    const char *axis[CENSUS_AXES_MAX]; /* names of the grid's axes, below */
    char axis_name[CENSUS_AXES_MAX][RESULTS_AXIS_NAME_MAX];
};

/** Sum up the rows that are done, in their order, at any time. With limits, or (NULL) with those of the file's job. */
int results_sum_census(const char *path, const struct census_limits *limits,
                       struct results_census *ret_census, struct error *err);

/* ---- are the numbers those that were computed? --------------------------------------------------------- */

enum row_fault {
    FAULT_DIFFERS = 1, /* done: its checksum is not that of its values */
    FAULT_NOT_NAN,     /* set aside: a value is not NaN */
    FAULT_CHECKSUM,    /* left: has a checksum */
    FAULT_ENTRY,       /* its ledger entry is damaged */
};

struct verify {
    /** A row that is not as it should be; rows come in order. A negative code ends it all. NULL is fine. */
    int (*fault)(void *context, uint64_t row, int64_t id, enum row_fault fault, struct error *err);
    /** A row whose values are as they should be, and which is not known to be on disk. NULL is fine. */
    int (*unsynced)(void *context, uint64_t row, struct error *err);
    /** Now and then. A negative code ends it all. NULL is fine. */
    int (*progress)(void *context, uint64_t n_row_seen, uint64_t n_row, struct error *err);
    void *context;
    /** true: values are read of the rows that are not known to be on disk, and of others, in order of rows,
     * until these were byte_budget bytes. Entries of the ledger are all looked at. */
    bool has_budget;
    uint64_t byte_budget;
};

struct verify_counts {
    struct ledger_counts ledger;
    size_t n_fault;
    size_t n_unseen; /* done or set aside, and beyond the budget */
    uint64_t n_byte; /* of values read */
};

/**
 * Recompute the checksum of every done row from the file alone. Each dataset is read once, in its order, in
 * pieces of up to a few MB; memory stays below some 20 MB whatever the file. Faults are reported, and are no
 * failure of this function. Rows that a run writes meanwhile may be reported.
 */
int results_verify(const char *path, const struct verify *verify, struct verify_counts *ret_counts,
                   struct error *err);
