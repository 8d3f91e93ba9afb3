/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Are the values in the file those that were computed?
 *
 * A row's checksum runs through all datasets, which lie one after the other in the file. So some thousands of
 * rows are hashed side by side, each with a hash state of its own: dataset by dataset, a few MB at a time,
 * then the rows' particles. The disk sees long reads in its order, and each byte once.
 */
#include "results_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_ROW   8192      /* side by side: 64 kB of a dataset of one number a row, 5 MB of hash states */
#define N_VALUE (1 << 19) /* read at once: 4 MB */
/* Of rows that are not looked at: reading so much takes no longer than a request. */
#define N_GAP_BYTES (1 << 16)

/* A dataset of rows. */
struct column {
    char path[IO_NAME_MAX];
    uint64_t offset;
    size_t n;            /* values in a row */
    size_t size;         /* bytes of a value: 8, or 4 of a float32 */
    bool is_known_aside; /* its values are not NaN where the galaxy is set aside */
};

/* Optical depths of particles. */
struct depths {
    const char *path, *first_path;
    uint64_t offset, first_offset, n_all; /* n_all 0: the file has none */
    size_t i_count;                       /* column with the number of them */
};

enum { OF_STARS, OF_BLACK_HOLES, N_PARTICLES };

struct verifier {
    const char *path;
    const struct verify *verify;
    struct ledger_reader reader;
    size_t n_column;
    struct column *column;
    struct depths particles[N_PARTICLES];
    struct verify_counts counts;

    /* The rows in hand: [N_ROW], or as many as there are. */
    uint64_t first;
    size_t n;
    struct arena arena; /* of all below */
    struct hash *hash;
    struct ledger_entry *entry;
    int64_t *id, *n_particle[N_PARTICLES], *first_particle;
    bool *is_bad, *is_wanted; /* its values are looked at */
    char *bytes;              /* [8 * N_VALUE] */
};

/* ---- opening ----------------------------------------------------------------------------------- */

static int open_column(struct io_file *file, uint64_t n_galaxy, struct column *column, struct error *err)
{
    struct io_info info;
    int r = io_dataset_info(file, column->path, &info, err);

    if (r)
        return r;
    if (info.rank < 1 || info.dims[0] != n_galaxy ||
        (info.type_bytes != sizeof(double) && (info.type_bytes != sizeof(float) || info.class != IO_FLOAT)))
        return error_set(err, POLYPHONY_INPUT,
                         "'%s': '%s' has no row of 8-byte values or of float32 for each galaxy",
                         io_file_path(file), column->path);
    column->size = info.type_bytes;
    column->n = n_galaxy ? (size_t)(info.n / n_galaxy) : 0;
    column->is_known_aside = info.class == IO_INTEGER || !strcmp(column->path, REDSHIFT_PATH);
    return column->n ? io_dataset_offset(file, column->path, &column->offset, err) : 0;
}

static int open_columns(struct verifier *v, struct io_file *file, struct error *err)
{
    char(*names)[IO_NAME_MAX] = NULL;
    struct io_info info;
    int r = io_dataset_info(file, ROWS_PATH, &info, err);

    if (r)
        return r;
    names = mem_small(info.n, sizeof(*names));
    v->column = mem_small(info.n, sizeof(*v->column));
    r = io_read_names(file, ROWS_PATH, info.n, names, err);
    for (size_t i = 0; !r && i < info.n; i++) {
        memcpy(v->column[i].path, names[i], sizeof(names[i]));
        r = open_column(file, v->reader.n_galaxy, &v->column[i], err);
    }
    v->n_column = info.n;
    free(names);
    return r;
}

static int open_particles(struct verifier *v, struct io_file *file, struct depths *particles,
                          const char *count_path, struct error *err)
{
    struct io_info info;
    int r;

    if (!io_has(file, particles->path))
        return 0;
    while (particles->i_count < v->n_column && strcmp(v->column[particles->i_count].path, count_path))
        particles->i_count++;
    if (particles->i_count == v->n_column)
        return error_set(err, POLYPHONY_INPUT, "'%s': '%s' does not name '%s'", v->path, ROWS_PATH,
                         count_path);
    r = io_dataset_expect(file, particles->path, 1, (const uint64_t[]) { 0 }, &info, err);
    if (!r)
        r = io_dataset_offset(file, particles->path, &particles->offset, err);
    particles->n_all = info.n;
    if (!r)
        r = io_dataset_expect(file, particles->first_path, 1, &v->reader.n_galaxy, NULL, err);
    return r ? r : io_dataset_offset(file, particles->first_path, &particles->first_offset, err);
}

static int make_room(struct verifier *v, struct error *err)
{
    size_t n = v->reader.n_galaxy < N_ROW ? (size_t)v->reader.n_galaxy : N_ROW;
    struct arena *arena = &v->arena;

    v->hash = arena_zeros(arena, n, sizeof(*v->hash));
    v->entry = arena_zeros(arena, n, sizeof(*v->entry));
    v->id = arena_zeros(arena, n, sizeof(*v->id));
    v->first_particle = arena_zeros(arena, n, sizeof(*v->first_particle));
    v->is_bad = arena_zeros(arena, n, sizeof(*v->is_bad));
    v->is_wanted = arena_zeros(arena, n, sizeof(*v->is_wanted));
    v->bytes = arena_zeros(arena, N_VALUE, sizeof(double));
    for (size_t p = 0; p < N_PARTICLES; p++)
        v->n_particle[p] = arena_zeros(arena, n, sizeof(*v->n_particle[p]));
    if (!v->hash || !v->entry || !v->id || !v->first_particle || !v->is_bad || !v->is_wanted || !v->bytes ||
        !v->n_particle[OF_STARS] || !v->n_particle[OF_BLACK_HOLES])
        return mem_short(err, "to verify '%s'", v->path);
    return 0;
}

static int verifier_open(struct verifier *v, struct error *err)
{
    struct io_file *file = NULL;
    int r = results_file_open(v->path, &file, err);

    if (!r)
        r = ledger_reader_open(v->path, file, &v->reader, err);
    if (!r)
        r = open_columns(v, file, err);
    if (!r)
        r = open_particles(v, file, &v->particles[OF_STARS], N_STAR_PATH, err);
    if (!r)
        r = open_particles(v, file, &v->particles[OF_BLACK_HOLES], N_BLACK_HOLE_PATH, err);
    if (!r)
        r = make_room(v, err);
    io_file_close(file);
    return r;
}

static void verifier_close(struct verifier *v)
{
    ledger_reader_close(&v->reader);
    free(v->column);
    arena_free(&v->arena);
}

/* ---- values -------------------------------------------------------------------------------------- */

static bool has_values(const struct verifier *v, size_t i)
{
    return v->entry[i].status == ROW_DONE || v->entry[i].status == ROW_SET_ASIDE;
}

/* Of all columns, and of as many particles as galaxies have on average. */
static uint64_t row_bytes(const struct verifier *v)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < v->n_column; i++)
        bytes += v->column[i].n * v->column[i].size;
    for (size_t p = 0; p < N_PARTICLES; p++)
        bytes += v->particles[p].n_all / v->reader.n_galaxy * sizeof(double);
    return bytes;
}

/* Which of the rows in hand are looked at: those that may not be on disk, and others as far as the budget
 * goes. */
static void choose_rows(struct verifier *v)
{
    uint64_t bytes = row_bytes(v), seen = v->counts.n_byte;

    for (size_t i = 0; i < v->n; i++) {
        bool is_in_budget = !v->verify->has_budget || seen + bytes <= v->verify->byte_budget;

        v->is_wanted[i] = has_values(v, i) && ledger_entry_is_whole(&v->entry[i]) &&
                          (is_in_budget || !v->entry[i].is_on_disk);
        v->counts.n_unseen += has_values(v, i) && ledger_entry_is_whole(&v->entry[i]) && !v->is_wanted[i];
        seen += v->is_wanted[i] ? bytes : 0;
    }
}

/* Values of 8 bytes, or of 4. */
static bool all_nan(const char *bytes, size_t n, size_t size)
{
    double value;
    float single;

    for (size_t i = 0; i < n; i++) {
        if (size == sizeof(single)) {
            memcpy(&single, bytes + i * size, size);
            value = (double)single;
        } else
            memcpy(&value, bytes + i * size, size);
        if (!isnan(value))
            return false;
    }
    return true;
}

/* n values of row i, if it is looked at: into its hash, or NaN. */
static void take_values(struct verifier *v, size_t i, const char *bytes, size_t n, size_t size,
                        bool is_known_aside)
{
    if (!v->is_wanted[i])
        return;
    if (v->entry[i].status == ROW_DONE)
        hash_add(&v->hash[i], bytes, n * size);
    else if (!is_known_aside)
        v->is_bad[i] |= !all_nan(bytes, n, size);
}

static int read_values(struct verifier *v, uint64_t offset, uint64_t begin, size_t n, size_t size,
                       const char *what, struct error *err)
{
    v->counts.n_byte += n * size;
    return results_read_at(v->path, v->reader.fd, offset + begin * size, v->bytes, n * size, what, err);
}

/* Values [begin, end) of the rows in hand, counted from the first row's first; they are in `bytes`. */
static void share_out(struct verifier *v, const struct column *column, size_t begin, size_t end)
{
    size_t i_value = begin;

    while (i_value < end) {
        size_t i = i_value / column->n, row_end = (i + 1) * column->n;
        size_t n = (row_end < end ? row_end : end) - i_value;

        take_values(v, i, v->bytes + (i_value - begin) * column->size, n, column->size,
                    column->is_known_aside);
        i_value += n;
    }
}

/* The next values that are read at once, from `begin` on: those of rows that are wanted, and of as few others
 * as lie between them. false: no more. */
static bool find_values(const struct verifier *v, const struct column *column, size_t begin,
                        size_t *ret_begin, size_t *ret_end)
{
    size_t i = begin / column->n, n_gap = N_GAP_BYTES / column->size / column->n, end;

    while (i < v->n && !v->is_wanted[i])
        i++;
    if (i == v->n)
        return false;
    *ret_begin = i * column->n > begin ? i * column->n : begin;
    end = i + 1;
    for (; i < v->n && i <= end + n_gap && i * column->n < *ret_begin + N_VALUE; i++)
        if (v->is_wanted[i])
            end = i + 1;
    *ret_end = end * column->n < *ret_begin + N_VALUE ? end * column->n : *ret_begin + N_VALUE;
    return true;
}

static int read_column(struct verifier *v, size_t i_column, struct error *err)
{
    const struct column *column = &v->column[i_column];
    size_t begin = 0, end = 0;
    int r = 0;

    while (!r && column->n && find_values(v, column, end, &begin, &end)) {
        r = read_values(v, column->offset, v->first * column->n + begin, end - begin, column->size,
                        column->path, err);
        if (r)
            break;
        share_out(v, column, begin, end);
        for (size_t p = 0; p < N_PARTICLES; p++)
            if (v->particles[p].n_all && v->particles[p].i_count == i_column && column->n == 1 &&
                column->size == sizeof(*v->n_particle[p]))
                memcpy(v->n_particle[p] + begin, v->bytes, (end - begin) * sizeof(*v->n_particle[p]));
    }
    return r;
}

static int read_slice(struct verifier *v, const struct depths *particles, size_t i, uint64_t first,
                      uint64_t n, struct error *err)
{
    int r = 0;

    for (uint64_t begin = 0; !r && begin < n; begin += N_VALUE) {
        size_t n_now = n - begin < N_VALUE ? (size_t)(n - begin) : N_VALUE;

        r = read_values(v, particles->offset, first + begin, n_now, sizeof(double), particles->path, err);
        if (!r)
            take_values(v, i, v->bytes, n_now, sizeof(double), false);
    }
    return r;
}

static int read_particles(struct verifier *v, size_t p, struct error *err)
{
    const struct depths *particles = &v->particles[p];
    int r = results_read_at(v->path, v->reader.fd, particles->first_offset + v->first * sizeof(int64_t),
                            v->first_particle, v->n * sizeof(int64_t), particles->first_path, err);

    for (size_t i = 0; !r && i < v->n; i++) {
        uint64_t first = (uint64_t)v->first_particle[i], n = (uint64_t)v->n_particle[p][i];

        if (!v->is_wanted[i])
            continue;
        if (n == 0) /* wherever it would be */
            continue;
        if (n > particles->n_all || first > particles->n_all - n)
            v->is_bad[i] = true; /* such a number of particles was never written */
        else
            r = read_slice(v, particles, i, first, n, err);
    }
    return r;
}

/* ---- judging ------------------------------------------------------------------------------------- */

static enum row_fault judge(const struct verifier *v, size_t i)
{
    const struct ledger_entry *entry = &v->entry[i];

    if (!ledger_entry_is_whole(entry))
        return FAULT_ENTRY;
    if (entry->status == ROW_LEFT)
        return entry->checksum ? FAULT_CHECKSUM : 0;
    if (!v->is_wanted[i])
        return 0;
    if (entry->status == ROW_DONE)
        return v->is_bad[i] || hash_value(&v->hash[i]) != entry->checksum ? FAULT_DIFFERS : 0;
    return v->is_bad[i] ? FAULT_NOT_NAN : 0;
}

static bool any_is_wanted(const struct verifier *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->is_wanted[i])
            return true;
    return false;
}

static int tell(struct verifier *v, size_t i, struct error *err)
{
    const struct verify *verify = v->verify;
    enum row_fault fault = judge(v, i);

    ledger_count(&v->counts.ledger, &v->entry[i]);
    v->counts.n_fault += fault != 0;
    if (fault)
        return verify->fault ? verify->fault(verify->context, v->first + i, v->id[i], fault, err) : 0;
    return v->is_wanted[i] && !v->entry[i].is_on_disk && verify->unsynced
               ? verify->unsynced(verify->context, v->first + i, err)
               : 0;
}

static int verify_rows(struct verifier *v, struct error *err)
{
    int r = ledger_read_piece(&v->reader, v->first, v->n, v->entry, v->id, err);

    if (r)
        return r;
    choose_rows(v);
    for (size_t i = 0; i < v->n; i++) {
        hash_begin(&v->hash[i]);
        v->is_bad[i] = false;
    }
    for (size_t i = 0; !r && i < v->n_column; i++)
        r = read_column(v, i, err);
    for (size_t p = 0; !r && p < N_PARTICLES; p++)
        if (v->particles[p].n_all && any_is_wanted(v))
            r = read_particles(v, p, err);
    for (size_t i = 0; !r && i < v->n; i++)
        r = tell(v, i, err);
    return r;
}

int results_verify(const char *path, const struct verify *verify, struct verify_counts *ret_counts,
                   struct error *err)
{
    struct verifier v = { .path = path,
                          .verify = verify,
                          .reader = { .fd = -1 },
                          .particles = {
                              [OF_STARS] = { .path = STAR_TAU_PATH, .first_path = STAR_FIRST_PATH },
                              [OF_BLACK_HOLES] = { .path = BLACK_HOLE_TAU_PATH,
                                                   .first_path = BLACK_HOLE_FIRST_PATH } } };
    int r = verifier_open(&v, err);

    for (; !r && v.first < v.reader.n_galaxy; v.first += N_ROW) {
        uint64_t rest = v.reader.n_galaxy - v.first;

        v.n = rest < N_ROW ? (size_t)rest : N_ROW;
        r = verify_rows(&v, err);
        if (!r && verify->progress)
            r = verify->progress(verify->context, v.first + v.n, v.reader.n_galaxy, err);
    }
    if (!r)
        *ret_counts = v.counts;
    verifier_close(&v);
    return r;
}
