/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables of a grid: what is wanted is checked and given memory, before any of it is read (fill.c). */
#include "grid_private.h"

#include <stdlib.h>
#include <string.h>

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

/* ---- shape ------------------------------------------------------------------------------------- */

/* Axes of length one change nothing of how numbers lie. */
static int drop_ones(int rank, const uint64_t *dims, uint64_t *ret_dims)
{
    int n = 0;

    for (int i = 0; i < rank; i++)
        if (dims[i] != 1)
            ret_dims[n++] = dims[i];
    return n;
}

int grid_expect_shape(const struct reading *reading, const char *path, size_t n_column,
                      struct io_info *ret_info, struct error *err)
{
    const struct grid *grid = reading->grid;
    uint64_t want[IO_RANK_MAX], plain_want[IO_RANK_MAX], plain_have[IO_RANK_MAX];
    int rank = 0, n;
    int r = io_dataset_info(reading->file, path, ret_info, err);

    if (r)
        return r;
    for (size_t i = 0; i < grid->n_file_axis; i++)
        want[rank++] = grid->file_axis[i].n;
    if (n_column)
        want[rank++] = n_column;
    n = drop_ones(rank, want, plain_want);
    if ((ret_info->class == IO_FLOAT || ret_info->class == IO_INTEGER) &&
        drop_ones(ret_info->rank, ret_info->dims, plain_have) == n &&
        !memcmp(plain_have, plain_want, (size_t)n * sizeof(*plain_want)))
        return 0;
    r = io_dataset_expect(reading->file, path, rank, want, ret_info, err);
    return r ? r
             : error_set(err, POLYPHONY_INTERNAL, "'%s': dataset '%s'", io_file_path(reading->file), path);
}

/* ---- taking ------------------------------------------------------------------------------------ */

/* "; it has incident, transmitted" */
static void list_spectra(struct io_file *file, char *ret_list, size_t size)
{
    char(*names)[IO_NAME_MAX] = NULL;
    size_t n = 0;

    *ret_list = '\0';
    if (io_list(file, "spectra", &names, &n, NULL))
        return;
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], "wavelength") && strcmp(names[i], "normalisation")) {
            strncat(ret_list, *ret_list ? ", " : "; it has ", size - strlen(ret_list) - 1);
            strncat(ret_list, names[i], size - strlen(ret_list) - 1);
        }
    free(names);
}

/* A grid that Cloudy has not seen has the stars' light only, which is enough for some emission models. */
static int tell_missing(struct reading *reading, const char *path, struct error *err)
{
    char list[256] = "";

    if (!strncmp(path, "spectra/", 8))
        list_spectra(reading->file, list, sizeof(list));
    return error_set(err, POLYPHONY_INPUT, "'%s': no dataset '%s'%s%s", io_file_path(reading->file), path,
                     list, *list ? " ('polyphony grid' says for which emission models that is enough)" : "");
}

static int find_source(struct reading *reading, const char *path, size_t n_column, enum units_kind kind,
                       struct table_source *source, bool *is_direct, struct error *err)
{
    struct io_info info;
    int r;

    if (!path)
        return 0;
    if (!io_has(reading->file, path))
        return tell_missing(reading, path, err);
    text_format(source->path, sizeof(source->path), "%s", path);
    r = grid_expect_shape(reading, path, n_column, &info, err);
    if (!r)
        r = grid_unit_factor(reading, path, kind, &source->factor, err);
    if (r)
        return r;
    source->n_row = info.rank ? info.dims[0] : 1;
    *is_direct &= io_direct_find(reading->file, path, &source->direct);
    return 0;
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

/* Memory for a table whose sources are known. Collective. */
static int take_memory(struct reading *reading, struct filling *filling, const double **ret_table,
                       struct error *err)
{
    int r = grid_add_table(reading, reading->grid->n_cell * filling->n_column, &filling->table,
                           &filling->fills, err);

    if (r)
        return r;
    node_table_stripe(reading->group, &reading->grid->table[reading->grid->n_table - 1], sizeof(double),
                      &filling->first, &filling->n);
    filling->subtracted = find_subtracted(reading, filling);
    *ret_table = filling->table;
    reading->n_filling++;
    return 0;
}

int grid_take_table(struct reading *reading, const char *path, const char *minus_path, size_t n_column,
                    enum units_kind kind, const double **ret_table, struct error *err)
{
    struct filling *filling = &reading->filling[reading->n_filling];
    bool is_direct = true;
    int r = 0;

    *filling = (struct filling) { .n_column = n_column,
                                  .column_descends = !strncmp(path, "spectra/", 8) &&
                                                     reading->arrangement.wavelength_descends };
    r = find_source(reading, path, n_column, kind, &filling->plus, &is_direct, err);
    if (!r)
        r = find_source(reading, minus_path, n_column, kind, &filling->minus, &is_direct, err);
    r = node_agree(reading->group, r);
    if (r)
        return r;
    filling->is_direct = !node_agree(reading->group, is_direct ? 0 : -1);
    return take_memory(reading, filling, ret_table, err);
}

int grid_take_lines_one_by_one(struct reading *reading, const char *member, enum units_kind kind,
                               const double **ret_table, struct error *err)
{
    struct filling *filling = &reading->filling[reading->n_filling];
    const struct grid *grid = reading->grid;
    bool ignored = true;
    double factor = 0;
    int r = 0;

    *filling = (struct filling) { .n_column = grid->n_line, .line_member = member };
    for (size_t i = 0; !r && i < grid->n_line; i++) {
        char path[IO_NAME_MAX];

        text_format(path, sizeof(path), "lines/%s/%s", grid->line_id[i], member);
        r = find_source(reading, path, 0, kind, &filling->plus, &ignored, err);
        if (!r && i && filling->plus.factor != factor)
            r = error_set(err, POLYPHONY_INPUT,
                          "'%s': dataset '%s' has another unit than that of the line before it",
                          io_file_path(reading->file), path);
        factor = filling->plus.factor;
    }
    r = node_agree(reading->group, r);
    return r ? r : take_memory(reading, filling, ret_table, err);
}
