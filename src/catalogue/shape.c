/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shapes of the catalogue's datasets: a row for each galaxy or particle, of one number or three. Tables of
 * some programs are columns, (N,1) for (N): that is the same. Three rows of N are not: which of them belongs
 * to whom would be a guess where N is 3.
 */
#include "catalogue_private.h"

#include <string.h>

static void format_shape(const struct io_info *info, char *ret_text, size_t size)
{
    size_t n = 0;

    text_format(ret_text, size, "a single value");
    for (int i = 0; i < info->rank && n < size; i++, n = strlen(ret_text))
        text_format(ret_text + n, size - n, "%s%llu", i ? " x " : "shape ",
                    (unsigned long long)info->dims[i]);
}

static bool is_numeric(const struct io_info *info)
{
    return info->class == IO_FLOAT || info->class == IO_INTEGER;
}

/* Rows of `width` numbers? */
static bool is_table(const struct io_info *info, size_t width)
{
    return (info->rank == 1 && width == 1) || (info->rank == 2 && info->dims[1] == width);
}

static int refuse(struct io_file *file, const char *path, const struct io_info *info, const char *expected,
                  size_t width, struct error *err)
{
    bool is_transposed = info->rank == 2 && info->dims[0] == width && info->dims[1] != width;
    char have[128];

    format_shape(info, have, sizeof(have));
    return error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' %s %s, expected %s%s%s", io_file_path(file),
                     path, info->rank ? "has" : "is", have, expected, width > 1 ? " x 3" : "",
                     is_transposed ? ": it is transposed, write it with rows and columns exchanged" : "");
}

int shape_count(struct io_file *file, const char *path, size_t width, uint64_t *ret_n, struct error *err)
{
    struct io_info info = { 0 };
    int r = io_dataset_info(file, path, &info, err);

    if (r)
        return r;
    if (!is_numeric(&info))
        return error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' is %s; numbers are expected",
                         io_file_path(file), path, info.class == IO_STRING ? "text" : "not numeric");
    if (!is_table(&info, width))
        return refuse(file, path, &info, "N", width, err);
    *ret_n = info.dims[0];
    return 0;
}

int shape_expect(struct io_file *file, const char *path, uint64_t n, size_t width, struct error *err)
{
    struct io_info info = { 0 };
    char expected[24];
    uint64_t n_row = 0;
    int r = io_dataset_info(file, path, &info, err);

    text_format(expected, sizeof(expected), "%llu", (unsigned long long)n);
    if (!r && is_numeric(&info) && (!is_table(&info, width) || info.dims[0] != n))
        return refuse(file, path, &info, expected, width, err);
    return r ? r : shape_count(file, path, width, &n_row, err);
}
