/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a file holds, dataset by dataset, for people who want to write a job: units as they are read, and
 * ranges. Of datasets of more than 262144 rows so many are looked at, in blocks evenly from the first to the
 * last.
 */
#include "catalogue_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_BLOCK     64
#define BLOCK_ROWS  ((uint64_t)1 << 12)
#define SAMPLE_ROWS (N_BLOCK * BLOCK_ROWS)
#define WIDTH_MAX   3 /* of a row that is looked at */

/* ---- what it is -------------------------------------------------------------------------------- */

static bool has_end(const char *path, const char *end)
{
    size_t n_path = strlen(path), n_end = strlen(end);

    return n_path > n_end && !strcmp(path + n_path - n_end, end);
}

/* The field of the format that a path is. */
static const struct field_kind *find_field(const struct catalogue_reader *reader, const char *path)
{
    for (size_t c = 0; c < N_COMPONENT; c++)
        for (size_t f = 0; f < FIELD_PARAMETER; f++)
            if (field_kind((enum field)f)->components >> c & 1 && !strcmp(path, reader->source[c][f].path))
                return field_kind((enum field)f);
    return NULL;
}

/* Its place in the format, and what it measures; false for what the format does not know. */
static bool find_kind(const struct catalogue_reader *reader, const char *path, enum units_kind *ret_kind)
{
    static const struct {
        const char *path;
        enum units_kind kind;
    } numbers[] = { { "Galaxies/redshift", UNITS_DIMENSIONLESS },
                    { "Galaxies/dust_to_metal_ratio", UNITS_DIMENSIONLESS },
                    { "Galaxies/centre", UNITS_LENGTH } };
    const struct field_kind *field = find_field(reader, path);

    if (field)
        *ret_kind = field->kind;
    for (size_t i = 0; !field && i < sizeof(numbers) / sizeof(*numbers); i++)
        if (!strcmp(path, numbers[i].path)) {
            *ret_kind = numbers[i].kind;
            return true;
        }
    return field;
}

static void find_use(struct catalogue *catalogue, const struct io_info *info,
                     struct catalogue_dataset *dataset)
{
    struct error err = { "" };
    enum units_kind kind;

    if (!strcmp(dataset->path, "Galaxies/id") || has_end(dataset->path, "/offset") ||
        has_end(dataset->path, "/length"))
        dataset->use = CATALOGUE_READ;
    else if (find_kind(catalogue->reader, dataset->path, &kind)) {
        dataset->use = CATALOGUE_READ;
        dataset->ours = units_name(kind);
        if (catalogue_unit(catalogue, dataset->path, kind, &dataset->factor, &err)) {
            memcpy(dataset->problem, err.text, sizeof(dataset->problem));
            dataset->ours = NULL;
        }
    } else if ((!strncmp(dataset->path, "Galaxies/", 9) || !strncmp(dataset->path, "Stars/", 6)) &&
               (info->rank == 1 || (info->rank == 2 && info->dims[1] == 1)) &&
               !catalogue_unit(catalogue, dataset->path, UNITS_DIMENSIONLESS, &dataset->factor, NULL)) {
        dataset->use = CATALOGUE_PARAMETER;
        dataset->ours = units_name(UNITS_DIMENSIONLESS);
    }
}

/* ---- how large it is --------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;

    return (one > other) - (one < other);
}

/* Block i of evenly spaced ones, the first at the first row, the last at the last; all rows where they are
 * few. */
static uint64_t block_begin(uint64_t n_row, uint64_t n_block, uint64_t i)
{
    return n_block > 1 ? (uint64_t)((double)(n_row - BLOCK_ROWS) * (double)i / (double)(n_block - 1)) : 0;
}

static int read_sample(struct io_file *file, const char *path, uint64_t n_row, size_t width, double *value,
                       uint64_t *ret_n, struct error *err)
{
    uint64_t n = 0;
    int r = 0;

    if (n_row <= SAMPLE_ROWS) {
        *ret_n = n_row;
        return io_read_rows_f64(file, path, 0, n_row, value, err);
    }
    for (uint64_t i = 0; !r && i < N_BLOCK; i++, n += BLOCK_ROWS)
        r = io_read_rows_f64(file, path, block_begin(n_row, N_BLOCK, i), BLOCK_ROWS, value + n * width, err);
    *ret_n = n;
    return r;
}

/* Numbers that are not finite are counted, and left out of the range. */
static void find_range(double *value, uint64_t n, struct catalogue_dataset *dataset)
{
    uint64_t n_good = 0;

    for (uint64_t i = 0; i < n; i++)
        if (isfinite(value[i]))
            value[n_good++] = value[i] * dataset->factor;
    dataset->n_bad = n - n_good;
    dataset->has_range = n_good > 0;
    if (!n_good)
        return;
    qsort(value, n_good, sizeof(*value), by_value);
    dataset->least = value[0];
    dataset->most = value[n_good - 1];
    dataset->median = n_good % 2 ? value[n_good / 2] : 0.5 * value[n_good / 2 - 1] + 0.5 * value[n_good / 2];
}

static int look_at_values(struct io_file *file, const struct io_info *info, struct catalogue_dataset *dataset,
                          struct error *err)
{
    size_t width = info->rank == 2 ? (size_t)info->dims[1] : 1;
    uint64_t n_row = info->dims[0] < SAMPLE_ROWS ? info->dims[0] : SAMPLE_ROWS, n = 0;
    double *value = mem_array(n_row * width + 1, sizeof(*value));
    struct error why = { "" };

    if (!value)
        return error_set(err, POLYPHONY_INTERNAL, "no memory to look at '%s'", dataset->path);
    if (read_sample(file, dataset->path, info->dims[0], width, value, &n, &why))
        memcpy(dataset->problem, why.text, sizeof(dataset->problem));
    else
        find_range(value, n * width, dataset);
    dataset->n_row_seen = n;
    free(value);
    return 0;
}

/* ---- the list ---------------------------------------------------------------------------------- */

static void format_shape(const struct io_info *info, char *ret_text, size_t size)
{
    *ret_text = '\0';
    for (int i = 0; i < info->rank; i++)
        text_format(ret_text + strlen(ret_text), size - strlen(ret_text), "%s%llu", i ? " x " : "",
                    (unsigned long long)info->dims[i]);
}

static int look_at(struct catalogue *catalogue, const char *path, struct catalogue_dataset *dataset,
                   struct error *err)
{
    struct io_file *file = catalogue->reader->file;
    struct error why = { "" };
    struct io_info info;
    bool found;

    *dataset = (struct catalogue_dataset) { .factor = 1, .use = CATALOGUE_UNUSED };
    text_format(dataset->path, sizeof(dataset->path), "%s", path);
    if (io_dataset_info(file, path, &info, &why)) {
        memcpy(dataset->problem, why.text, sizeof(dataset->problem));
        return 0;
    }
    format_shape(&info, dataset->shape, sizeof(dataset->shape));
    if (catalogue_unit_text(file, path, dataset->unit, &found, &why))
        memcpy(dataset->problem, why.text, sizeof(dataset->problem));
    dataset->has_unit = found;
    dataset->n_row = info.rank ? info.dims[0] : 1;
    if (info.class != IO_FLOAT && info.class != IO_INTEGER)
        return 0;
    find_use(catalogue, &info, dataset);
    if (info.rank < 1 || info.rank > 2 || (info.rank == 2 && info.dims[1] > WIDTH_MAX))
        return 0;
    return look_at_values(file, &info, dataset, err);
}

static int list_group(struct catalogue *catalogue, const char *group, struct catalogue_contents *contents,
                      struct error *err)
{
    char(*names)[IO_NAME_MAX] = NULL;
    struct catalogue_dataset *grown;
    char path[IO_NAME_MAX];
    size_t n = 0;
    int r;

    if (!io_has(catalogue->reader->file, group))
        return 0;
    r = io_list(catalogue->reader->file, group, &names, &n, err);
    if (r)
        return r;
    grown = reallocarray(contents->dataset, contents->n + n + 1, sizeof(*grown));
    if (!grown)
        r = error_set(err, POLYPHONY_INTERNAL, "no memory to list '%s'", group);
    else
        contents->dataset = grown;
    for (size_t i = 0; !r && i < n; i++)
        if (text_format(path, sizeof(path), "%s/%s", group, names[i])) {
            r = look_at(catalogue, path, &contents->dataset[contents->n], err);
            contents->n += !r;
        }
    free(names);
    return r;
}

int catalogue_list(const char *path, struct catalogue_contents *ret_contents, struct error *err)
{
    struct catalogue_reader reader = { 0 };
    struct catalogue catalogue = { .reader = &reader };
    struct catalogue_contents contents = { 0 };
    int r = io_file_open(path, &reader.file, err);

    fields_name(&reader);
    if (!r)
        r = list_group(&catalogue, "Galaxies", &contents, err);
    for (size_t c = 0; !r && c < N_COMPONENT; c++)
        r = list_group(&catalogue, component_names[c], &contents, err);
    if (!r && !catalogue_find_frame(&reader, NULL)) {
        contents.scale_factor = reader.frame.has_a ? reader.frame.a : 0;
        contents.hubble = reader.frame.has_h ? reader.frame.h : 0;
    }
    io_file_close(reader.file);
    if (r)
        catalogue_contents_free(&contents);
    else
        *ret_contents = contents;
    return r;
}

void catalogue_contents_free(struct catalogue_contents *contents)
{
    free(contents->dataset);
    *contents = (struct catalogue_contents) { 0 };
}

const struct catalogue_dataset *catalogue_contents_find(const struct catalogue_contents *contents,
                                                        const char *path)
{
    for (size_t i = 0; i < contents->n; i++)
        if (!strcmp(contents->dataset[i].path, path))
            return &contents->dataset[i];
    return NULL;
}
