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

#include "polyphony/pipeline.h"

/** Changes when the same inputs would give other numbers; a file of another version is not continued. */
#define RESULTS_NUMERICS_VERSION 1

enum row_status { ROW_LEFT = 0, ROW_DONE = 1, ROW_SET_ASIDE = 2 };

/** /Run/Ledger, one entry a galaxy. */
struct ledger_entry {
    int32_t status; /* enum row_status */
    int32_t rank;
    uint64_t checksum; /* XXH3 of the row's values as computed, then of its particles' */
    double seconds;    /* to read and compute */
    char stage[32];    /* where it was set aside */
    char reason[200];
};

/** What made the numbers, recorded and compared on resuming. */
struct provenance {
    const char *program_version, *compiler, *flags;
    struct job_echo echo;
    uint64_t catalogue_hash, grid_hash, filters_hash;
    int n_rank, n_thread;
};

/** Hash the inputs and echo the job. Free with provenance_free(). */
int provenance_make(const struct plan *plan, struct provenance *ret_provenance, struct error *err);
void provenance_free(struct provenance *provenance);

struct results;

/** Lay out a new file at `path`; one process does it, before the others open it. */
int results_create(const char *path, const struct plan *plan, const struct provenance *provenance,
                   struct error *err);

/**
 * May this file be continued by this job? One process asks. POLYPHONY_USAGE names the key that differs;
 * POLYPHONY_INPUT when the file is no results file.
 */
int results_check(const char *path, const struct plan *plan, const struct provenance *provenance,
                  struct error *err);

/** Open a laid-out file for writing rows; each rank on its own. */
int results_open(const char *path, const struct plan *plan, struct results **ret_results, struct error *err);
void results_close(struct results *results); /* NULL is fine */

/**
 * Write a row, then its ledger entry. POLYPHONY_OUTPUT on failure (disk full, file gone);
 * POLYPHONY_SET_ASIDE, and nothing is written, when a value is not finite.
 *
 * The order holds for whatever ends the process. Against the loss of power of the machine that holds the
 * file, only results_sync() at the end of a run protects.
 */
int results_write(struct results *results, const struct pipeline_row *row, int rank, double seconds,
                  struct error *err);
/** Record that a galaxy was set aside: its values become NaN, and its entry says why. */
int results_set_aside(struct results *results, uint64_t row, int rank, double seconds, const char *stage,
                      const char *reason, struct error *err);
/** All bytes written by this process are on disk. */
int results_sync(struct results *results, struct error *err);

/* ---- the ledger, for dealing and for `polyphony status` ------------------------------------------------ */

struct ledger {
    size_t n_galaxy;
    struct ledger_entry *entry; /* [n_galaxy] */
    int64_t *id;                /* [n_galaxy], true for rows that are not left */
    size_t n_done, n_set_aside;
};

/** Read at any time, also while a job writes the file or after it was killed. */
int ledger_read(const char *path, struct ledger *ret_ledger, struct error *err);
void ledger_free(struct ledger *ledger);
