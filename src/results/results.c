/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "results_private.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct results {
    const struct plan *plan;
    char *path;
    int fd;
    uint64_t *offset; /* [n_product] of the datasets in the file */
    uint64_t ledger_offset, star_tau_offset, black_hole_tau_offset;
    struct hash hash;
    double *nan_row; /* [n_value] */
};

/* ---- the life of a file ------------------------------------------------------------------------ */

/*
 * Not by all ranks together: that costs thousands of messages, seconds where ranks wait for each other's
 * cores, and gains nothing, since what is laid out is headers only. Rows are written by all.
 */
int results_create(const char *path, const struct plan *plan, const struct provenance *provenance,
                   struct error *err)
{
    struct io_file *file = NULL;
    int r = io_layout_create(path, MPI_COMM_SELF, &file, err);

    if (!r)
        r = results_layout_rows(file, plan, err);
    if (!r)
        r = results_write_constants(file, plan, err);
    if (!r)
        r = results_write_provenance(file, provenance, err);
    if (!r)
        r = io_layout_commit(file, err);
    io_file_close(file);
    return r;
}

/* ---- writing rows ---------------------------------------------------------------------------- */

static int find_offsets(struct results *results, struct io_file *file, struct error *err)
{
    const struct plan *plan = results->plan;
    const struct job_optical_depths *los = plan->job->operations.los_optical_depths;
    char path[RESULTS_PATH_MAX];
    int r = io_dataset_offset(file, LEDGER_PATH, &results->ledger_offset, err);

    for (size_t i = 0; !r && i < plan->n_product; i++) {
        results_product_path(plan, &plan->product[i], path, sizeof(path));
        r = io_dataset_offset(file, path, &results->offset[i], err);
    }
    if (!r && los && *los->write_particles && plan->catalogue->n_star_all)
        r = io_dataset_offset(file, STAR_TAU_PATH, &results->star_tau_offset, err);
    if (!r && los && *los->write_particles && plan->catalogue->n_black_hole_all)
        r = io_dataset_offset(file, BLACK_HOLE_TAU_PATH, &results->black_hole_tau_offset, err);
    return r;
}

int results_open(const char *path, const struct plan *plan, struct results **ret_results, struct error *err)
{
    struct results *results = mem_array(1, sizeof(*results));
    struct io_file *file = NULL;
    int r = 0;

    if (!results)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory", path);
    results->plan = plan;
    results->fd = -1;
    results->path = mem_text(path);
    results->offset = mem_array(plan->n_product, sizeof(*results->offset));
    results->nan_row = mem_array(plan->n_value, sizeof(*results->nan_row));
    if (!results->path || !results->offset || !results->nan_row)
        r = error_set(err, POLYPHONY_INTERNAL, "'%s': no memory", path);
    if (!r)
        r = hash_open(&results->hash, err);
    if (!r)
        r = io_file_open(path, &file, err);
    if (!r)
        r = find_offsets(results, file, err);
    io_file_close(file);
    if (!r) {
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
    if (results->fd >= 0)
        close(results->fd);
    hash_close(&results->hash);
    free(results->path);
    free(results->offset);
    free(results->nan_row);
    free(results);
}

static int write_at(struct results *results, uint64_t offset, const void *bytes, size_t n, struct error *err)
{
    const char *left = bytes;

    while (n > 0) {
        ssize_t written = pwrite(results->fd, left, n, (off_t)offset);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return error_set(err, POLYPHONY_OUTPUT,
                             "'%s': cannot be written: %s; the same command continues later", results->path,
                             strerror(written ? errno : ENOSPC));
        left += written;
        offset += (uint64_t)written;
        n -= (size_t)written;
    }
    return 0;
}

/* Neighbouring products of a row lie in different datasets: one write each. */
static int write_values(struct results *results, uint64_t row, const double *value, struct error *err)
{
    const struct plan *plan = results->plan;
    int r = 0;

    for (size_t i = 0; !r && i < plan->n_product; i++) {
        size_t bytes = plan->product[i].n * sizeof(*value);

        r = write_at(results, results->offset[i] + row * bytes, value + plan->product[i].offset, bytes, err);
    }
    return r;
}

static int write_entry(struct results *results, uint64_t row, const struct ledger_entry *entry,
                       struct error *err)
{
    return write_at(results, results->ledger_offset + row * sizeof(*entry), entry, sizeof(*entry), err);
}

/* Inputs within their bounds can still overflow (a star of 1e300 Msun): what is not a number is not a result.
 */
static int check_finite(const struct plan *plan, const struct pipeline_row *row, struct error *err)
{
    char path[RESULTS_PATH_MAX];

    for (size_t i = 0; i < plan->n_product; i++) {
        const struct product *product = &plan->product[i];
        const double *value = row->value + product->offset;

        for (size_t j = 0; j < product->n && !product->is_integer; j++)
            if (!isfinite(value[j])) {
                results_product_path(plan, product, path, sizeof(path));
                return error_set(err, POLYPHONY_SET_ASIDE,
                                 "galaxy %lld: '%s' value %zu would be %g: are its inputs sane?",
                                 (long long)plan->catalogue->id[row->row], path, j, value[j]);
            }
    }
    return 0;
}

int results_write(struct results *results, const struct pipeline_row *row, int rank, double seconds,
                  struct error *err)
{
    const struct catalogue *catalogue = results->plan->catalogue;
    struct ledger_entry entry = { .status = ROW_DONE, .rank = rank, .seconds = seconds };
    int r = check_finite(results->plan, row, err);

    if (r)
        return r;
    r = write_values(results, row->row, row->value, err);

    hash_restart(&results->hash);
    hash_add(&results->hash, row->value, results->plan->n_value * sizeof(double));
    if (!r && row->n_star) {
        r = write_at(results, results->star_tau_offset + catalogue->star_offset[row->row] * sizeof(double),
                     row->star_tau, row->n_star * sizeof(double), err);
        hash_add(&results->hash, row->star_tau, row->n_star * sizeof(double));
    }
    if (!r && row->n_black_hole) {
        r = write_at(results,
                     results->black_hole_tau_offset + catalogue->black_hole_offset[row->row] * sizeof(double),
                     row->black_hole_tau, row->n_black_hole * sizeof(double), err);
        hash_add(&results->hash, row->black_hole_tau, row->n_black_hole * sizeof(double));
    }
    entry.checksum = hash_value(&results->hash);
    return r ? r : write_entry(results, row->row, &entry, err);
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

/* NaN for each particle of a set-aside galaxy. */
static int write_nan(struct results *results, uint64_t offset, uint64_t first, uint64_t n, struct error *err)
{
    double chunk[512];
    const uint64_t n_chunk = sizeof(chunk) / sizeof(*chunk);
    int r = 0;

    for (uint64_t i = 0; i < n_chunk; i++)
        chunk[i] = (double)NAN;
    for (uint64_t i = 0; !r && i < n; i += n_chunk)
        r = write_at(results, offset + (first + i) * sizeof(*chunk), chunk,
                     (n - i < n_chunk ? n - i : n_chunk) * sizeof(*chunk), err);
    return r;
}

int results_set_aside(struct results *results, uint64_t row, int rank, double seconds, const char *stage,
                      const char *reason, struct error *err)
{
    const struct plan *plan = results->plan;
    struct ledger_entry entry = { .status = ROW_SET_ASIDE, .rank = rank, .seconds = seconds }, before;
    int r = read_entry(results, row, &before, err);

    if (r)
        return r;
    entry.n_crash = before.n_crash;
    entry.n_vanish = before.n_vanish;
    for (size_t i = 0; i < plan->n_value; i++)
        results->nan_row[i] = (double)NAN;
    for (size_t i = 0; i < plan->n_product; i++) {
        const struct product *product = &plan->product[i];
        int64_t integer = product->kind == PRODUCT_ID       ? plan->catalogue->id[row]
                          : product->kind == PRODUCT_N_STAR ? (int64_t)plan->catalogue->n_star[row]
                          : product->kind == PRODUCT_N_GAS  ? (int64_t)plan->catalogue->n_gas[row]
                                                            : (int64_t)plan->catalogue->n_black_hole[row];

        if (product->is_integer)
            memcpy(results->nan_row + product->offset, &integer, sizeof(integer));
        else if (product->kind == PRODUCT_REDSHIFT)
            results->nan_row[product->offset] = plan_redshift(plan, row);
    }
    if (!text_format(entry.stage, sizeof(entry.stage), "%s", stage) ||
        !text_format(entry.reason, sizeof(entry.reason), "%s", reason))
        entry.reason[sizeof(entry.reason) - 2] = '~'; /* cut short; the log has all of it */
    r = write_values(results, row, results->nan_row, err);
    if (!r && results->star_tau_offset)
        r = write_nan(results, results->star_tau_offset, plan->catalogue->star_offset[row],
                      plan->catalogue->n_star[row], err);
    if (!r && results->black_hole_tau_offset)
        r = write_nan(results, results->black_hole_tau_offset, plan->catalogue->black_hole_offset[row],
                      plan->catalogue->n_black_hole[row], err);
    return r ? r : write_entry(results, row, &entry, err);
}

/* Rows that are left hold zeros: with its id the galaxy can be named. */
static int write_id(struct results *results, uint64_t row, struct error *err)
{
    const struct plan *plan = results->plan;
    int r = 0;

    for (size_t i = 0; !r && i < plan->n_product; i++)
        if (plan->product[i].kind == PRODUCT_ID)
            r = write_at(results, results->offset[i] + row * sizeof(int64_t), &plan->catalogue->id[row],
                         sizeof(int64_t), err);
    return r;
}

int results_blame(struct results *results, uint64_t row, bool is_crash, bool *ret_is_enough,
                  struct error *err)
{
    struct ledger_entry entry;
    int r;

    *ret_is_enough = false;
    if (row >= results->plan->catalogue->n_galaxy)
        return 0;
    r = read_entry(results, row, &entry, err);
    if (r || entry.status == ROW_DONE)
        return r;
    entry.n_crash += is_crash;
    entry.n_vanish += !is_crash;
    r = write_id(results, row, err);
    if (!r)
        r = write_entry(results, row, &entry, err);
    if (!r)
        *ret_is_enough = entry.n_crash >= RESULTS_CRASH_MAX || entry.n_vanish >= RESULTS_VANISH_MAX;
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

int results_sync(struct results *results, struct error *err)
{
    return fsync(results->fd) ? error_set(err, POLYPHONY_OUTPUT, "'%s': %s", results->path, strerror(errno))
                              : 0;
}
