/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "results_private.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* ---- provenance ------------------------------------------------------------------------------ */

static void hash_filters(const struct plan *plan, struct hash *hash)
{
    for (size_t i = 0; i < plan->n_instrument; i++)
        for (size_t f = 0; f < plan->instrument[i].n_filter; f++) {
            const struct filter *filter = &plan->instrument[i].filter[f];

            hash_add(hash, filter->lambda_angstrom, filter->n * sizeof(double));
            hash_add(hash, filter->transmission, filter->n * sizeof(double));
        }
}

int provenance_make(const struct plan *plan, struct provenance *ret_provenance, struct error *err)
{
    struct hash hash;
    int r = hash_file(plan->job->catalogue, &ret_provenance->catalogue_hash, err);

    if (!r)
        r = hash_file(plan->job->grid, &ret_provenance->grid_hash, err);
    if (!r)
        r = hash_open(&hash, err);
    if (r)
        return r;
    hash_filters(plan, &hash);
    ret_provenance->filters_hash = hash_value(&hash);
    hash_close(&hash);
    return job_echo(plan->job, &ret_provenance->echo, err);
}

void provenance_free(struct provenance *provenance)
{
    job_echo_free(&provenance->echo);
}

/* The hashes as named text, as recorded and as compared. */
#define N_HASH 3
struct named_hash {
    const char *name, *what;
    char text[20];
};

static void name_hashes(const struct provenance *provenance, struct named_hash ret_hashes[N_HASH])
{
    const uint64_t value[N_HASH] = { provenance->catalogue_hash, provenance->grid_hash,
                                     provenance->filters_hash };
    static const char *const name[N_HASH] = { "catalogue_hash", "grid_hash", "filters_hash" };
    static const char *const what[N_HASH] = { "the catalogue", "the grid", "the filter curves" };

    for (size_t i = 0; i < N_HASH; i++) {
        ret_hashes[i].name = name[i];
        ret_hashes[i].what = what[i];
        text_format(ret_hashes[i].text, sizeof(ret_hashes[i].text), "%016llx", (unsigned long long)value[i]);
    }
}

static int write_provenance(struct io_file *file, const struct provenance *provenance, struct error *err)
{
    struct named_hash hashes[N_HASH];
    char hdf5[64], mpi[128];
    int r = io_make_group(file, "Run/Job", err);

    name_hashes(provenance, hashes);
    io_versions(hdf5, mpi, sizeof(hdf5));
    if (!r)
        r = io_make_group(file, "Run/JobDefaulted", err);
    for (size_t i = 0; !r && i < provenance->echo.n; i++) {
        const struct job_echo_entry *entry = &provenance->echo.entries[i];

        r = io_attr_write_text(file, entry->given ? "Run/Job" : "Run/JobDefaulted", entry->key_path,
                               entry->value, err);
    }
    for (size_t i = 0; !r && i < N_HASH; i++)
        r = io_attr_write_text(file, "Run", hashes[i].name, hashes[i].text, err);
    if (!r)
        r = io_attr_write_i64(file, "Run", "numerics_version", RESULTS_NUMERICS_VERSION, err);
    if (!r)
        r = io_attr_write_text(file, "Run", "program_version", provenance->program_version, err);
    if (!r)
        r = io_attr_write_text(file, "Run", "compiler", provenance->compiler, err);
    if (!r)
        r = io_attr_write_text(file, "Run", "flags", provenance->flags, err);
    if (!r)
        r = io_attr_write_text(file, "Run", "hdf5", hdf5, err);
    if (!r)
        r = io_attr_write_text(file, "Run", "mpi", mpi, err);
    if (!r)
        r = io_attr_write_i64(file, "Run", "ranks", provenance->n_rank, err);
    if (!r)
        r = io_attr_write_i64(file, "Run", "threads_per_rank", provenance->n_thread, err);
    if (!r)
        r = io_attr_write_text(file, "/", "format", "polyphony-results", err);
    return r ? r : io_attr_write_i64(file, "/", "version", 1, err);
}

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
        r = write_provenance(file, provenance, err);
    if (!r)
        r = io_layout_commit(file, err);
    io_file_close(file);
    return r;
}

/* ---- continuing ------------------------------------------------------------------------------ */

static int check_key(struct io_file *file, const struct job_echo_entry *entry, struct error *err)
{
    const char *group = io_attr_has(file, "Run/Job", entry->key_path) ? "Run/Job" : "Run/JobDefaulted";
    char *value = NULL;
    int r;

    if (!io_attr_has(file, group, entry->key_path))
        return error_set(
            err, POLYPHONY_USAGE,
            "'%s' was made without '%s', the job has it (%s); give another 'output', or use --overwrite",
            io_file_path(file), entry->key_path, entry->value);
    r = io_attr_copy_text(file, group, entry->key_path, &value, err);
    if (!r && strcmp(value, entry->value))
        r = error_set(
            err, POLYPHONY_USAGE,
            "'%s' was made with %s: %.300s, the job has %.300s; give another 'output', or use --overwrite",
            io_file_path(file), entry->key_path, value, entry->value);
    free(value);
    return r;
}

/* The other direction: a key of the file that the job has no longer. */
static int check_no_key_is_gone(struct io_file *file, const char *group, const struct job_echo *echo,
                                struct error *err)
{
    char(*names)[IO_NAME_MAX] = NULL;
    size_t n_name = 0;
    int r = io_attr_list(file, group, &names, &n_name, err);

    for (size_t i = 0; !r && i < n_name; i++) {
        size_t k = 0;

        while (k < echo->n && strcmp(echo->entries[k].key_path, names[i]))
            k++;
        if (k == echo->n)
            r = error_set(
                err, POLYPHONY_USAGE,
                "'%s' was made with '%s', the job lacks it; give another 'output', or use --overwrite",
                io_file_path(file), names[i]);
    }
    free(names);
    return r;
}

static int check_hashes(struct io_file *file, const struct provenance *provenance, struct error *err)
{
    struct named_hash hashes[N_HASH];
    char text[20];
    int64_t numerics = 0;
    int r = io_attr_read_i64(file, "Run", "numerics_version", &numerics, err);

    if (!r && numerics != RESULTS_NUMERICS_VERSION)
        r = error_set(err, POLYPHONY_USAGE,
                      "'%s' was made by a version of the program with other numbers (numerics_version %lld, "
                      "this is %d)",
                      io_file_path(file), (long long)numerics, RESULTS_NUMERICS_VERSION);
    name_hashes(provenance, hashes);
    for (size_t i = 0; !r && i < N_HASH; i++) {
        r = io_attr_read_text(file, "Run", hashes[i].name, text, sizeof(text), err);
        if (!r && strcmp(text, hashes[i].text))
            r = error_set(err, POLYPHONY_USAGE,
                          "'%s' was made from other contents of %s (%s differs); give another 'output', or "
                          "use --overwrite",
                          io_file_path(file), hashes[i].what, hashes[i].name);
    }
    return r;
}

int results_check(const char *path, const struct plan *plan, const struct provenance *provenance,
                  struct error *err)
{
    struct io_file *file = NULL;
    uint64_t n_galaxy = plan->catalogue->n_galaxy;
    struct io_info info;
    int r = io_file_open(path, &file, err);

    if (!r && !io_has(file, LEDGER_PATH))
        r = error_set(err, POLYPHONY_INPUT, "'%s' exists and is not a results file; give another 'output'",
                      path);
    if (!r)
        r = check_hashes(file, provenance, err);
    for (size_t i = 0; !r && i < provenance->echo.n; i++)
        if (provenance->echo.entries[i].determines_numbers)
            r = check_key(file, &provenance->echo.entries[i], err);
    if (!r)
        r = check_no_key_is_gone(file, "Run/Job", &provenance->echo, err);
    if (!r)
        r = check_no_key_is_gone(file, "Run/JobDefaulted", &provenance->echo, err);
    if (!r)
        r = io_dataset_info(file, LEDGER_PATH, &info, err);
    if (!r && info.n != n_galaxy)
        r = error_set(err, POLYPHONY_USAGE, "'%s' has %llu galaxies, the catalogue %llu", path,
                      (unsigned long long)info.n, (unsigned long long)n_galaxy);
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
    struct ledger_entry entry = { .status = ROW_SET_ASIDE, .rank = rank, .seconds = seconds };
    int r;

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

int results_sync(struct results *results, struct error *err)
{
    return fsync(results->fd) ? error_set(err, POLYPHONY_OUTPUT, "'%s': %s", results->path, strerror(errno))
                              : 0;
}
