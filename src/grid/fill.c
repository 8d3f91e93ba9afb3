/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tables of a grid, a few hundred MB, at the speed of the page cache or the disk: threads of all ranks of
 * a node read pieces straight to where they stay, and scale and check them while they are in cache.
 *
 * A piece of each table is read before the next piece of any: what is subtracted from a table is then in
 * cache too, and is not read a second time where it is a table itself.
 *
 * Where the file has its axes in another order, or one descends, a piece is read row by row (a row: the
 * columns of a cell) from where these lie; and where the job fixes an axis between two nodes, from the rows of
 * both.
 */
#include "grid_private.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_N ((size_t)1 << 16) /* numbers: two pieces fit the cache of a core */
#define SLAB_N                                                                                               \
    ((size_t)1 << 17) /* numbers that HDF5 reads at a time, where they do not go straight to a table */

#define PLACE_SIZE 600 /* of the text that names a number of a table */

/* A spectrum less another one, both rounded to float32 perhaps, may come out this much of it below 0. */
#define ROUNDING_OF_DIFFERENCE 1e-6

/* ---- places ------------------------------------------------------------------------------------ */

/* Do numbers lie in the file as they shall in memory? */
static bool is_in_order(const struct reading *reading, const struct filling *filling)
{
    return reading->arrangement.is_ours && !filling->column_descends && !filling->line_member;
}

/* ---- values ------------------------------------------------------------------------------------ */

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static bool has_sign(uint64_t bits)
{
    return bits >> 63;
}

/* To our unit; false if one is not a finite number: those are all that less themselves is not 0, of which no
 * bit is set. Signs are gathered too, which costs next to nothing, and looked at only where there is one: it
 * may be that of -0. */
static bool scale(double factor, size_t n, double *value, bool *is_negative)
{
    uint64_t bad = 0, signs = 0;

    for (size_t i = 0; factor != 1.0 && i < n; i++)
        value[i] *= factor;
    for (size_t i = 0; i < n; i++) {
        bad |= bits_of(value[i] - value[i]);
        signs |= bits_of(value[i]);
    }
    for (size_t i = 0; has_sign(signs) && i < n; i++)
        *is_negative |= value[i] < 0.0;
    return bad == 0;
}

static void subtract(size_t n, const double *minus, double *value, bool *is_negative)
{
    uint64_t signs = 0;

    for (size_t i = 0; i < n; i++) {
        value[i] -= minus[i];
        signs |= bits_of(value[i]);
    }
    for (size_t i = 0; has_sign(signs) && i < n; i++)
        *is_negative |= value[i] < -ROUNDING_OF_DIFFERENCE * minus[i];
}

static void weigh(size_t n, double weight, double *value)
{
    for (size_t i = 0; i < n; i++)
        value[i] *= weight;
}

static void add_weighted(size_t n, double weight, const double *value, double *sum)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += weight * value[i];
}

/* "age 2, metallicity 1, column 7 (1e8 yr, 0.02, 1216 angstrom)": indices are the file's. */
static void format_place(const struct reading *reading, const struct filling *filling, size_t cell,
                         size_t column, char *ret_text, size_t size)
{
    const struct grid *grid = reading->grid;
    bool is_spectrum = !strncmp(filling->plus.path, "spectra/", 8);
    char indices[PLACE_SIZE / 3], values[PLACE_SIZE / 3];

    grid_format_cell(reading, cell, indices, values, sizeof(indices));
    text_format(ret_text, size, "%s%scolumn %zu (%s%s%g angstrom)", indices, *indices ? ", " : "",
                grid_index_in_file(column, filling->n_column, filling->column_descends), values,
                *values ? ", " : "",
                (is_spectrum ? grid->lambda_rest_angstrom : grid->line_lambda_rest_angstrom)[column]);
}

static int name_bad_value(const struct reading *reading, const struct filling *filling, const char *path,
                          size_t cell, size_t column, double value, struct error *err)
{
    char place[PLACE_SIZE];

    format_place(reading, filling, cell, column, place, sizeof(place));
    return error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' at %s is %g, not a finite number",
                     io_file_path(reading->file), path, place, value);
}

static size_t find_bad(const double *value)
{
    size_t i = 0;

    while (value[i] - value[i] == 0.0)
        i++;
    return i;
}

/* ---- without HDF5 ------------------------------------------------------------------------------ */

/* Numbers [first, first + n) of a table that lies otherwise in the file, row by row; rows of the file are
 * `row0` after the first ones of their cells. */
static int read_rows(const struct reading *reading, const struct filling *filling,
                     const struct table_source *source, size_t row0, size_t first, size_t n,
                     double *ret_value, struct error *err)
{
    size_t n_column = filling->n_column;
    int r = 0;

    for (size_t i = 0, n_here; !r && i < n; i += n_here) {
        size_t column = (first + i) % n_column, at;

        n_here = n - i < n_column - column ? n - i : n_column - column;
        at = (row0 + grid_row_of_cell(reading, (first + i) / n_column)) * n_column;
        at += filling->column_descends ? n_column - column - n_here : column;
        r = io_direct_read(&source->direct, at, n_here, ret_value + i, err);
        if (!r && filling->column_descends)
            grid_turn_round(n_here, ret_value + i);
    }
    return r;
}

/* Numbers [first, first + n) of a table in our unit, of one of the rows of each cell. */
static int read_selected(const struct reading *reading, const struct filling *filling,
                         const struct table_source *source, size_t row0, size_t first, size_t n,
                         double *ret_value, bool *is_negative, struct error *err)
{
    int r = is_in_order(reading, filling)
                ? io_direct_read(&source->direct, first, n, ret_value, err)
                : read_rows(reading, filling, source, row0, first, n, ret_value, err);

    if (!r && !scale(source->factor, n, ret_value, is_negative)) {
        size_t i = find_bad(ret_value);

        r = name_bad_value(reading, filling, source->path, (first + i) / filling->n_column,
                           (first + i) % filling->n_column, ret_value[i], err);
    }
    return r;
}

/* The same of all rows of the cells; `scratch` is as long as a piece. */
static int read_direct(const struct reading *reading, const struct filling *filling,
                       const struct table_source *source, size_t first, size_t n, double *ret_value,
                       double *scratch, bool *is_negative, struct error *err)
{
    const struct arrangement *as = &reading->arrangement;
    int r =
        read_selected(reading, filling, source, as->selection[0].row, first, n, ret_value, is_negative, err);

    if (as->n_selection == 1)
        return r;
    weigh(n, as->selection[0].weight, ret_value);
    for (size_t s = 1; !r && s < as->n_selection; s++) {
        r = read_selected(reading, filling, source, as->selection[s].row, first, n, scratch, is_negative,
                          err);
        add_weighted(n, as->selection[s].weight, scratch, ret_value);
    }
    return r;
}

/* The piece of a table; `scratch` is as long as two pieces. */
static int fill_piece(const struct reading *reading, const struct filling *filling, size_t i_piece,
                      double *scratch, bool *is_negative, struct error *err)
{
    size_t begin = i_piece * PIECE_N, n, first = filling->first + begin;
    const double *minus = scratch;
    int r;

    if (!filling->is_direct || !filling->table || begin >= filling->n)
        return 0;
    n = filling->n - begin < PIECE_N ? filling->n - begin : PIECE_N;
    r = read_direct(reading, filling, &filling->plus, first, n, filling->table + first, scratch, is_negative,
                    err);
    if (r || !*filling->minus.path)
        return r;
    if (filling->subtracted)
        minus = filling->subtracted->table + first;
    else
        r = read_direct(reading, filling, &filling->minus, first, n, scratch, scratch + PIECE_N, is_negative,
                        err);
    if (!r)
        subtract(n, minus, filling->table + first, is_negative);
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

static int fill_directly(struct reading *reading, struct error *err)
{
    size_t n_piece = 0, n_thread = (size_t)omp_get_max_threads();
    double *scratch = mem_array(n_thread, 2 * PIECE_N * sizeof(*scratch));
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
            bool is_negative = false;

            mine.status =
                fill_piece(reading, &reading->filling[t], i,
                           scratch + (size_t)omp_get_thread_num() * 2 * PIECE_N, &is_negative, &mine.why);
            if (mine.status)
                keep_first(&failure, &mine);
            if (is_negative) {
#pragma omp atomic write
                reading->is_negative[t] = true;
            }
        }
    free(scratch);
    return failure.status ? error_set(err, failure.status, "%s", failure.why.text) : 0;
}

/* ---- by HDF5, by one rank ---------------------------------------------------------------------- */

/* What becomes of numbers that were read. */
struct target {
    const struct filling *filling;
    size_t n_column;    /* of a row of the dataset */
    size_t i_column;    /* where the row begins in ours */
    bool is_subtracted; /* taken from what is there */
};

/* Row `row` of the file to its place in the table, checked. Rows that no cell is made of do not matter. */
static int put_row(const struct reading *reading, const struct target *target,
                   const struct table_source *source, size_t row, double *value, bool *is_negative,
                   struct error *err)
{
    const struct filling *filling = target->filling;
    size_t n = target->n_column, cell;
    double weight, *to;

    if (!grid_cell_of_row(reading, row, &cell, &weight))
        return 0;
    if (!scale(source->factor, n, value, is_negative)) {
        size_t i = find_bad(value);

        return name_bad_value(reading, filling, source->path, cell,
                              target->i_column + grid_index_in_file(i, n, filling->column_descends), value[i],
                              err);
    }
    if (filling->column_descends)
        grid_turn_round(n, value);
    to = filling->table + cell * filling->n_column + target->i_column;
    if (weight != 1.0)
        weigh(n, weight, value);
    if (target->is_subtracted)
        subtract(n, value, to, is_negative);
    else if (weight != 1.0)
        add_weighted(n, 1.0, value, to);
    else
        memcpy(to, value, n * sizeof(*to));
    return 0;
}

/* A dataset, slab by slab, to its place. */
static int put_source(const struct reading *reading, const struct target *target,
                      const struct table_source *source, bool *is_negative, struct error *err)
{
    size_t n = reading->arrangement.n_row * target->n_column, n_in_row = n / source->n_row, n_row = 1;
    double *slab;
    int r = 0;

    /* A slab is of whole rows of ours; of all, where only a column has the first axis. */
    if (n_in_row % target->n_column)
        n_row = source->n_row;
    else if (n_in_row < SLAB_N)
        n_row = SLAB_N / n_in_row < source->n_row ? SLAB_N / n_in_row : source->n_row;
    slab = mem_array(n_row * n_in_row, sizeof(*slab));
    if (!slab)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for '%s'", io_file_path(reading->file),
                         source->path);
    for (size_t row0 = 0; !r && row0 < source->n_row; row0 += n_row) {
        size_t n_here = source->n_row - row0 < n_row ? source->n_row - row0 : n_row;

        r = io_read_rows_f64(reading->file, source->path, row0, n_here, slab, err);
        for (size_t i = 0; !r && i < n_here * n_in_row; i += target->n_column)
            r = put_row(reading, target, source, (row0 * n_in_row + i) / target->n_column, slab + i,
                        is_negative, err);
    }
    free(slab);
    return r;
}

/* A dataset that lies as the table does, at once. */
static int put_whole(const struct reading *reading, const struct filling *filling, bool *is_negative,
                     struct error *err)
{
    const struct table_source *source = &filling->plus;
    size_t n = reading->grid->n_cell * filling->n_column;
    int r = io_read_rows_f64(reading->file, source->path, 0, source->n_row, filling->table, err);

    if (!r && !scale(source->factor, n, filling->table, is_negative)) {
        size_t i = find_bad(filling->table);

        r = name_bad_value(reading, filling, source->path, i / filling->n_column, i % filling->n_column,
                           filling->table[i], err);
    }
    return r;
}

static int put_lines_one_by_one(const struct reading *reading, const struct filling *filling,
                                bool *is_negative, struct error *err)
{
    struct table_source source = filling->plus;
    int r = 0;

    for (size_t i = 0; !r && i < filling->n_column; i++) {
        struct target target = { .filling = filling, .n_column = 1, .i_column = i };
        struct io_info info;

        text_format(source.path, sizeof(source.path), "lines/%s/%s", reading->grid->line_id[i],
                    filling->line_member);
        r = grid_expect_shape(reading, source.path, 0, &info, err);
        source.n_row = r ? 0 : info.rank ? info.dims[0] : 1;
        if (!r)
            r = put_source(reading, &target, &source, is_negative, err);
    }
    return r;
}

static int fill_by_hdf5(const struct reading *reading, const struct filling *filling, bool *is_negative,
                        struct error *err)
{
    struct target target = { .filling = filling, .n_column = filling->n_column };
    int r;

    if (filling->line_member)
        return put_lines_one_by_one(reading, filling, is_negative, err);
    if (is_in_order(reading, filling))
        r = put_whole(reading, filling, is_negative, err);
    else
        r = put_source(reading, &target, &filling->plus, is_negative, err);
    if (r || !*filling->minus.path)
        return r;
    target.is_subtracted = true;
    return put_source(reading, &target, &filling->minus, is_negative, err);
}

/* ---- all --------------------------------------------------------------------------------------- */

/* Light is not negative: how far is this below 0, and where? */
static void warn_negative(struct reading *reading, const struct filling *filling)
{
    size_t n = reading->grid->n_cell * filling->n_column, n_negative = 0, lowest = 0;
    char place[PLACE_SIZE];

    for (size_t i = 0; i < n; i++) {
        n_negative += filling->table[i] < 0.0;
        lowest = filling->table[i] < filling->table[lowest] ? i : lowest;
    }
    if (n_negative == 0) { /* then what was subtracted is */
        warnings_add(&reading->grid->warnings, "'%s': dataset '%s' has values below 0",
                     io_file_path(reading->file), filling->minus.path);
        return;
    }
    format_place(reading, filling, lowest / filling->n_column, lowest % filling->n_column, place,
                 sizeof(place));
    warnings_add(&reading->grid->warnings,
                 "'%s': dataset '%s'%s%s has %zu of %zu values below 0, the lowest is %g at %s",
                 io_file_path(reading->file), filling->plus.path, *filling->minus.path ? " less " : "",
                 filling->minus.path, n_negative, n, filling->table[lowest], place);
}

#define N_VALUE_SEEN   4096
#define LOGARITHM_MOST 100 /* erg/s/Hz, or erg/s, of a solar mass: its light is 1e18 or more */
#define LOGARITHM_SOME 1

/* Light that is nowhere more than 100 erg/s/Hz of a solar mass, and often more than 1, is its logarithm. */
static void warn_logarithms(struct reading *reading, const struct filling *filling)
{
    size_t n = reading->grid->n_cell * filling->n_column, n_some = 0, n_seen = 0;
    size_t step = n / N_VALUE_SEEN | 1; /* odd: not the same few columns of each row */
    double most = 0;

    for (size_t i = 0; i < n; i += step, n_seen++) {
        most = fmax(most, filling->table[i]);
        n_some += filling->table[i] > LOGARITHM_SOME;
    }
    if (most < LOGARITHM_MOST && 2 * n_some > n_seen)
        warnings_add(
            &reading->grid->warnings,
            "'%s': dataset '%s' has values of %g at most among %zu looked at, where light of a solar mass is expected: are these logarithms? They are taken as they are",
            io_file_path(reading->file), filling->plus.path, most, n_seen);
}

int grid_fill_tables(struct reading *reading, struct error *err)
{
    int r = fill_directly(reading, err);

    for (size_t t = 0; !r && t < reading->n_filling; t++)
        if (!reading->filling[t].is_direct && reading->filling[t].fills)
            r = fill_by_hdf5(reading, &reading->filling[t], &reading->is_negative[t], err);
    r = node_agree(reading->group, r);
    /* Any rank of the node may have met them; the first one looks, and tells the others (grid.c). */
    for (size_t t = 0; !r && t < reading->n_filling; t++)
        if (node_agree(reading->group, reading->is_negative[t] ? -1 : 0) && node_is_first(reading->group) &&
            reading->filling[t].table)
            warn_negative(reading, &reading->filling[t]);
    for (size_t t = 0; !r && t < reading->n_filling && node_is_first(reading->group); t++)
        if (reading->filling[t].table)
            warn_logarithms(reading, &reading->filling[t]);
    return r;
}
