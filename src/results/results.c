/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "results_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the life of a file ------------------------------------------------------------------------ */

/*
 * Not by all ranks together: that costs thousands of messages, seconds where ranks wait for each other's
 * cores, and gains nothing, since what is laid out is headers only. Rows are written by all.
 *
 * What is laid out is on disk before the file has its name, some milliseconds: no checksum protects axes and
 * filters, and a power cut could leave a file of which they are missing.
 */
int results_create(const char *path, const struct plan *plan, const struct provenance *provenance,
                   struct error *err)
{
    struct layout layout = { .is_new = true };
    struct io_file *file = NULL;
    int r = io_layout_create(path, MPI_COMM_SELF, &file, err);

    layout.file = file;
    if (!r)
        r = results_layout_rows(&layout, plan, err);
    layout_free(&layout);
    if (!r) {
        results_write_constants(file, plan);
        results_write_provenance(file, provenance);
        r = io_file_commit(file, err);
    }
    io_file_close(file);
    return r;
}

/* ---- opening ---------------------------------------------------------------------------- */

static int find_offsets(struct results *results, struct io_file *file, struct error *err)
{
    const struct plan *plan = results->plan;
    struct layout layout = { .file = file };
    char path[RESULTS_PATH_MAX];
    int r = results_layout_rows(&layout, plan, err);

    results->ledger_offset = layout_offset(&layout, LEDGER_PATH);
    for (size_t i = 0; !r && i < plan->n_product; i++) {
        struct results_column *column = &results->column[i];

        results_product_path(plan, &plan->product[i], path);
        column->is_single = results_product_type(plan, &plan->product[i]) == IO_F32;
        column->row_bytes = plan->product[i].n * (column->is_single ? sizeof(float) : sizeof(double));
        column->offset = layout_offset(&layout, path);
    }
    results->star_tau_offset = layout_offset(&layout, STAR_TAU_PATH);
    results->black_hole_tau_offset = layout_offset(&layout, BLACK_HOLE_TAU_PATH);
    results->sessions_offset = layout_offset(&layout, SESSIONS_PATH);
    layout_free(&layout);
    return r;
}

int results_open(const char *path, const struct plan *plan, struct results **ret_results, struct error *err)
{
    struct results *results = mem_small(1, sizeof(*results));
    struct io_file *file = NULL;
    int r;

    results->plan = plan;
    results->fd = -1;
    results->path = mem_text(path);
    results->column = mem_small(plan->n_product, sizeof(*results->column));
    r = io_file_open(path, &file, err);
    if (!r)
        r = find_offsets(results, file, err);
    io_file_close(file);
    if (!r) {
        results_find_spans(results);
        results_unsynced_open(results);
        results->fd = open(path, O_RDWR | O_CLOEXEC);
        if (results->fd < 0)
            r = error_set(err, POLYPHONY_OUTPUT, "'%s': cannot be written: %s", path, strerror(errno));
    }
    if (r) {
        results_close(results);
        return r;
    }
    *ret_results = results;
    return 0;
}

void results_close(struct results *results)
{
    if (!results)
        return;
    results_unsynced_close(results);
    if (results->fd >= 0)
        close(results->fd);
    free(results->path);
    free(results->column);
    free(results->span);
    free(results);
}

static int write_entry(struct results *results, uint64_t row, const struct ledger_entry *entry,
                       struct error *err)
{
    return results_write_at(results, results->ledger_offset + row * sizeof(*entry), entry, sizeof(*entry),
                            err);
}

/* The entry as it is in the file; one that is damaged as it is before anything happened to its galaxy. */
static int read_entry(struct results *results, uint64_t row, struct ledger_entry *ret_entry,
                      struct error *err)
{
    int r = results_read_at(results->path, results->fd, results->ledger_offset + row * sizeof(*ret_entry),
                            ret_entry, sizeof(*ret_entry), LEDGER_PATH, err);

    if (r)
        return POLYPHONY_OUTPUT; /* a file that is being written has gone bad */
    if (!ledger_entry_is_whole(ret_entry))
        *ret_entry = (struct ledger_entry) { .status = ROW_LEFT };
    return 0;
}

int results_set_aside(struct results *results, uint64_t row, int rank, double seconds, const char *stage,
                      const char *reason, struct error *err)
{
    struct ledger_entry entry = { .status = ROW_SET_ASIDE, .rank = rank, .seconds = seconds }, before;
    int r = read_entry(results, row, &before, err);

    if (r)
        return r;
    entry.n_crash = before.n_crash;
    entry.n_vanish = before.n_vanish;
    if (!text_format(entry.stage, sizeof(entry.stage), "%s", stage) ||
        !text_format(entry.reason, sizeof(entry.reason), "%s", reason))
        entry.reason[sizeof(entry.reason) - 2] = '~'; /* cut short; the log has all of it */
    r = results_write_nan_row(results, row, err);
    if (!r)
        r = write_entry(results, row, &entry, err);
    return r ? r : results_note_row(results, row, err);
}

/* Rows that are left hold zeros: with its id the galaxy can be named. */
static int write_id(struct results *results, uint64_t row, struct error *err)
{
    const struct plan *plan = results->plan;
    int r = 0;

    for (size_t i = 0; !r && i < plan->n_product; i++)
        if (!strcmp(plan->product[i].kind->path, ID_PATH))
            r = results_write_at(results, results->column[i].offset + row * sizeof(int64_t),
                                 &plan->catalogue->id[row], sizeof(int64_t), err);
    return r;
}

/* One more; but in company, where most are innocent, never more than one. */
static int32_t count_blame(int32_t n, bool is_alone)
{
    return is_alone || n == 0 ? n + 1 : n;
}

int results_blame(struct results *results, uint64_t row, bool is_crash, bool is_alone, bool *ret_is_enough,
                  struct error *err)
{
    struct ledger_entry entry;
    int r;

    *ret_is_enough = false;
    if (row >= results->plan->catalogue->n_galaxy)
        return 0;
    r = read_entry(results, row, &entry, err);
    if (r || entry.status != ROW_LEFT)
        return r;
    if (is_crash)
        entry.n_crash = count_blame(entry.n_crash, is_alone);
    else
        entry.n_vanish = count_blame(entry.n_vanish, is_alone);
    r = write_id(results, row, err);
    if (!r)
        r = write_entry(results, row, &entry, err);
    if (!r)
        *ret_is_enough =
            is_alone && (entry.n_crash >= RESULTS_CRASH_MAX || entry.n_vanish >= RESULTS_VANISH_MAX);
    return r;
}

int results_reopen_row(struct results *results, uint64_t row, struct error *err)
{
    struct ledger_entry entry, left = { 0 };
    int r = read_entry(results, row, &entry, err);

    left.n_crash = entry.n_crash;
    left.n_vanish = entry.n_vanish;
    return r ? r : write_entry(results, row, &left, err);
}

int results_row_status(struct results *results, uint64_t row, enum row_status *ret_status, struct error *err)
{
    struct ledger_entry entry;
    int r = read_entry(results, row, &entry, err);

    if (!r)
        *ret_status = (enum row_status)entry.status;
    return r;
}

bool results_is_there(const struct results *results)
{
    struct stat file;

    return fstat(results->fd, &file) || file.st_nlink > 0; /* a file system that cannot say is trusted */
}
