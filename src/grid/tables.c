/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tables of a grid, a few hundred MB, at the speed of the page cache or the disk: threads of all ranks of
 * a node read pieces straight to where they stay, and scale and check them while they are in cache.
 *
 * A piece of each table is read before the next piece of any: what is subtracted from a table is then in
 * cache too, and is not read a second time where it is a table itself.
 */
#include "grid_private.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_N ((size_t)1 << 16) /* numbers: two pieces fit the cache of a core */

/* ---- taking ------------------------------------------------------------------------------------ */

int grid_add_table(struct reading *reading, size_t n, double **ret_table, bool *ret_fills, struct error *err)
{
    struct node_table *table = &reading->grid->table[reading->grid->n_table];
    int r = node_table_take(reading->group, n, sizeof(double), table, ret_fills, err);

    if (r)
        return error_prefix(err, r, "'%s'", io_file_path(reading->file));
    reading->grid->n_table++;
    *ret_table = table->value;
    return 0;
}

static int find_source(const struct reading *reading, const char *path, size_t n_column, enum units_kind kind,
                       struct table_source *source, bool *is_direct, struct error *err)
{
    const uint64_t dims[3] = { reading->grid->n_age, reading->grid->n_metallicity, n_column };
    int r = 0;

    if (!path)
        return 0;
    text_format(source->path, sizeof(source->path), "%s", path);
    r = io_dataset_expect(reading->file, path, 3, dims, NULL, err);
    if (!r)
        r = grid_unit_factor(reading->file, path, kind, NULL, &source->factor, err);
    if (!r)
        *is_direct &= io_direct_find(reading->file, path, &source->direct);
    return r;
}

/* A table filled before this one, from this dataset and nothing else, that lies as it does on all ranks. */
static const struct filling *find_subtracted(const struct reading *reading, const struct filling *filling)
{
    for (const struct filling *other = reading->filling; other < filling; other++)
        if (*filling->minus.path && !strcmp(other->plus.path, filling->minus.path) && !*other->minus.path &&
            other->is_direct && other->n == filling->n && other->first == filling->first)
            return other;
    return NULL;
}

int grid_take_table(struct reading *reading, const char *path, const char *minus_path, size_t n_column,
                    enum units_kind kind, const double **ret_table, struct error *err)
{
    struct filling *filling = &reading->filling[reading->n_filling];
    bool is_direct = true;
    int r = 0;

    *filling = (struct filling) { .n_column = n_column };
    r = find_source(reading, path, n_column, kind, &filling->plus, &is_direct, err);
    if (!r)
        r = find_source(reading, minus_path, n_column, kind, &filling->minus, &is_direct, err);
    r = node_agree(reading->group, r);
    if (r)
        return r;
    filling->is_direct = !node_agree(reading->group, is_direct ? 0 : -1);
    r = grid_add_table(reading, reading->grid->n_cell * n_column, &filling->table, &filling->fills, err);
    if (r)
        return r;
    node_table_stripe(reading->group, &reading->grid->table[reading->grid->n_table - 1], sizeof(double),
                      &filling->first, &filling->n);
    filling->subtracted = find_subtracted(reading, filling);
    *ret_table = filling->table;
    reading->n_filling++;
    return 0;
}

/* ---- values ------------------------------------------------------------------------------------ */

/* To our unit; false if one is not a finite number. Those are all that less themselves is not 0. */
static bool scale(double factor, size_t n, double *value)
{
    size_t n_bad = 0;

    for (size_t i = 0; i < n; i++) {
        value[i] *= factor;
        n_bad += !(value[i] - value[i] == 0.0);
    }
    return n_bad == 0;
}

/* `value` begins at number `first` of the table. */
static int name_bad_value(const struct reading *reading, const struct filling *filling,
                          const struct table_source *source, size_t first, const double *value,
                          struct error *err)
{
    size_t n_metallicity = reading->grid->n_metallicity, i = 0, cell;

    while (value[i] - value[i] == 0.0)
        i++;
    cell = (first + i) / filling->n_column;
    return error_set(err, POLYPHONY_INPUT,
                     "'%s': dataset '%s' at age %zu, metallicity %zu, column %zu is %g, not a finite number",
                     io_file_path(reading->file), source->path, cell / n_metallicity, cell % n_metallicity,
                     (first + i) % filling->n_column, value[i]);
}

/* Numbers [first, first + n) of a source in our unit. */
static int read_direct(const struct reading *reading, const struct filling *filling,
                       const struct table_source *source, size_t first, size_t n, double *ret_value,
                       struct error *err)
{
    int r = io_direct_read(&source->direct, first, n, ret_value, err);

    if (!r && !scale(source->factor, n, ret_value))
        r = name_bad_value(reading, filling, source, first, ret_value, err);
    return r;
}

/* The same by HDF5, which reads ages: `first` and n are multiples of one. */
static int read_by_hdf5(const struct reading *reading, const struct filling *filling,
                        const struct table_source *source, size_t first, size_t n, double *ret_value,
                        struct error *err)
{
    size_t n_of_age = reading->grid->n_metallicity * filling->n_column;
    int r = io_read_rows_f64(reading->file, source->path, first / n_of_age, n / n_of_age, ret_value, err);

    if (!r && !scale(source->factor, n, ret_value))
        r = name_bad_value(reading, filling, source, first, ret_value, err);
    return r;
}

static void subtract(size_t n, const double *minus, double *value)
{
    for (size_t i = 0; i < n; i++)
        value[i] -= minus[i];
}

/* ---- filling ----------------------------------------------------------------------------------- */

/* The piece of a table; `scratch` is as long as a piece. */
static int fill_piece(const struct reading *reading, const struct filling *filling, size_t i_piece,
                      double *scratch, struct error *err)
{
    size_t begin = i_piece * PIECE_N, n, first = filling->first + begin;
    const double *minus = scratch;
    int r;

    if (!filling->is_direct || !filling->table || begin >= filling->n)
        return 0;
    n = filling->n - begin < PIECE_N ? filling->n - begin : PIECE_N;
    r = read_direct(reading, filling, &filling->plus, first, n, filling->table + first, err);
    if (r || !*filling->minus.path)
        return r;
    if (filling->subtracted)
        minus = filling->subtracted->table + first;
    else
        r = read_direct(reading, filling, &filling->minus, first, n, scratch, err);
    if (!r)
        subtract(n, minus, filling->table + first);
    return r;
}

/* The failure that is told is the one that reading in order would meet first. */
struct failure {
    int status;
    size_t i_filling, i_piece;
    struct error why;
};

static void keep_first(struct failure *kept, const struct failure *other)
{
#pragma omp critical(grid_failure)
    if (!kept->status || other->i_filling < kept->i_filling ||
        (other->i_filling == kept->i_filling && other->i_piece < kept->i_piece))
        *kept = *other;
}

static int fill_directly(const struct reading *reading, struct error *err)
{
    size_t n_piece = 0, n_thread = (size_t)omp_get_max_threads();
    double *scratch = mem_array(n_thread, PIECE_N * sizeof(*scratch));
    struct failure failure = { 0 };

    if (!scratch)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory to read it", io_file_path(reading->file));
    for (size_t t = 0; t < reading->n_filling; t++) {
        size_t n = (reading->filling[t].n + PIECE_N - 1) / PIECE_N;

        n_piece = n > n_piece ? n : n_piece;
    }
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < n_piece; i++)
        for (size_t t = 0; t < reading->n_filling; t++) {
            struct failure mine = { .i_filling = t, .i_piece = i };

            mine.status = fill_piece(reading, &reading->filling[t], i,
                                     scratch + (size_t)omp_get_thread_num() * PIECE_N, &mine.why);
            if (mine.status)
                keep_first(&failure, &mine);
        }
    free(scratch);
    return failure.status ? error_set(err, failure.status, "%s", failure.why.text) : 0;
}

/* By one rank. What is subtracted comes age by age: it is as large as the table. */
static int fill_by_hdf5(const struct reading *reading, const struct filling *filling, struct error *err)
{
    size_t n = reading->grid->n_cell * filling->n_column, n_of_age = n / reading->grid->n_age;
    double *minus = NULL;
    int r = read_by_hdf5(reading, filling, &filling->plus, 0, n, filling->table, err);

    if (r || !*filling->minus.path)
        return r;
    minus = mem_array(n_of_age, sizeof(*minus));
    if (!minus)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for '%s'", io_file_path(reading->file),
                         filling->minus.path);
    for (size_t i = 0; !r && i < n; i += n_of_age) {
        r = read_by_hdf5(reading, filling, &filling->minus, i, n_of_age, minus, err);
        if (!r)
            subtract(n_of_age, minus, filling->table + i);
    }
    free(minus);
    return r;
}

int grid_fill_tables(const struct reading *reading, struct error *err)
{
    int r = fill_directly(reading, err);

    for (size_t t = 0; !r && t < reading->n_filling; t++)
        if (!reading->filling[t].is_direct && reading->filling[t].fills)
            r = fill_by_hdf5(reading, &reading->filling[t], err);
    return node_agree(reading->group, r);
}
