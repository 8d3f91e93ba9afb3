/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "io_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Deflate, the densest filter HDF5 brings, cannot shrink data by more than 1032 (zlib documentation). A
 * dataset that claims more than that of its storage has an extent that was never written, or a lie. */
#define IO_FILTER_RATIO_MAX 1032

hid_t io_dataset_open(struct io_file *file, const char *path, struct error *err)
{
    hid_t id = io_has(file, path) ? H5Dopen2(file->id, path, H5P_DEFAULT) : H5I_INVALID_HID;

    if (id < 0)
        error_set(err, POLYPHONY_INPUT, "'%s': no dataset '%s'", file->path, path);
    return id;
}

static enum io_class class_of(hid_t type)
{
    switch (H5Tget_class(type)) {
    case H5T_FLOAT:
        return IO_FLOAT;
    case H5T_INTEGER:
    case H5T_ENUM:
        return IO_INTEGER;
    case H5T_STRING:
        return IO_STRING;
    default:
        return IO_OTHER;
    }
}

/* A view of other datasets (HDF5 virtual dataset) stores nothing itself: its size has no storage to be
 * compared with. */
static bool is_view(hid_t dataset)
{
    hid_t creation = H5Dget_create_plist(dataset);
    bool answer = H5Pget_layout(creation) == H5D_VIRTUAL;

    H5Pclose(creation);
    return answer;
}

static int dataset_shape(struct io_file *file, hid_t id, const char *path, struct io_info *ret_info,
                         struct error *err)
{
    hsize_t dims[H5S_MAX_RANK];
    hid_t space = H5Dget_space(id), type = H5Dget_type(id);
    int rank = H5Sget_simple_extent_ndims(space);
    uint64_t bytes = H5Tget_size(type);
    int r = 0;

    if (rank < 0 || rank > IO_RANK_MAX || bytes == 0) {
        r = error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' has %d axes, at most %d are understood",
                      file->path, path, rank, IO_RANK_MAX);
        goto out;
    }
    H5Sget_simple_extent_dims(space, dims, NULL);
    *ret_info = (struct io_info) { .class = class_of(type), .rank = rank, .n = 1, .type_bytes = bytes };
    for (int i = 0; i < rank; i++) {
        ret_info->dims[i] = dims[i];
        if (__builtin_mul_overflow(ret_info->n, dims[i], &ret_info->n))
            ret_info->n = UINT64_MAX;
    }
    if (__builtin_mul_overflow(bytes, ret_info->n, &bytes) ||
        (bytes / IO_FILTER_RATIO_MAX > H5Dget_storage_size(id) && !is_view(id)))
        r = error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s' claims %llu values but holds only %llu bytes (truncated or never written)",
            file->path, path, (unsigned long long)ret_info->n, (unsigned long long)H5Dget_storage_size(id));
out:
    H5Tclose(type);
    H5Sclose(space);
    return r;
}

int io_dataset_info(struct io_file *file, const char *path, struct io_info *ret_info, struct error *err)
{
    hid_t id = io_dataset_open(file, path, err);
    int r;

    if (id < 0)
        return POLYPHONY_INPUT;
    r = dataset_shape(file, id, path, ret_info, err);
    H5Dclose(id);
    return r;
}

static void format_shape(char *dst, size_t size, int rank, const uint64_t *dims)
{
    char text[24];

    *dst = '\0';
    for (int i = 0; i < rank; i++) {
        if (dims[i])
            text_format(text, sizeof(text), "%llu", (unsigned long long)dims[i]);
        else
            text_format(text, sizeof(text), "*");
        strncat(dst, i ? " x " : "", size - strlen(dst) - 1);
        strncat(dst, text, size - strlen(dst) - 1);
    }
    if (rank == 0)
        text_format(dst, size, "a single value");
}

int io_dataset_expect(struct io_file *file, const char *path, int rank, const uint64_t *dims,
                      struct io_info *ret_info, struct error *err)
{
    struct io_info info;
    char want[128], have[128];
    int r = io_dataset_info(file, path, &info, err);
    bool fits;

    if (r)
        return r;
    if (info.class != IO_FLOAT && info.class != IO_INTEGER)
        return error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' is not numeric", file->path, path);
    fits = info.rank == rank;
    for (int i = 0; fits && i < rank; i++)
        fits = dims[i] == 0 || dims[i] == info.dims[i];
    if (!fits) {
        format_shape(want, sizeof(want), rank, dims);
        format_shape(have, sizeof(have), info.rank, info.dims);
        return error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' has shape %s, expected %s", file->path,
                         path, have, want);
    }
    if (ret_info)
        *ret_info = info;
    return 0;
}

/* HDF5 reads zeros beyond the end of a file that shrinks while it is open: notice, and say so. */
static int check_whole(struct io_file *file, struct error *err)
{
    struct stat st;

    if (file->size_bytes == 0 || (!stat(file->path, &st) && st.st_size >= file->size_bytes))
        return 0;
    return error_set(err, POLYPHONY_INPUT, "'%s': was truncated or removed while it was being read",
                     file->path);
}

static int read_rows(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row, hid_t memory_type,
                     enum io_class class, void *ret_data, struct error *err)
{
    struct io_info info = { 0 };
    hsize_t start[IO_RANK_MAX] = { 0 }, count[IO_RANK_MAX];
    hid_t id = io_dataset_open(file, path, err), space, memory;
    int r;

    if (id < 0)
        return POLYPHONY_INPUT;
    r = dataset_shape(file, id, path, &info, err);
    if (!r)
        r = check_whole(file, err);
    if (!r && info.class != class && !(info.class == IO_INTEGER && class == IO_FLOAT))
        r = error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' is not of %s numbers", file->path, path,
                      class == IO_INTEGER ? "integer" : "floating-point");
    if (!r && (info.rank < 1 || row0 > info.dims[0] || n_row > info.dims[0] - row0))
        r = error_set(err, POLYPHONY_INPUT,
                      "'%s': dataset '%s' has %llu rows, rows %llu to %llu were asked for", file->path, path,
                      (unsigned long long)info.dims[0], (unsigned long long)row0,
                      (unsigned long long)(row0 + n_row));
    if (r || n_row == 0)
        goto out;
    for (int i = 0; i < info.rank; i++)
        count[i] = info.dims[i];
    start[0] = row0;
    count[0] = n_row;
    space = H5Dget_space(id);
    memory = H5Screate_simple(info.rank, count, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    if (H5Dread(id, memory_type, memory, space, H5P_DEFAULT, ret_data) < 0)
        r = error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' cannot be read (damaged file?)", file->path,
                      path);
    H5Sclose(memory);
    H5Sclose(space);
out:
    H5Dclose(id);
    return r;
}

int io_read_rows_f64(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row, double *ret_data,
                     struct error *err)
{
    return read_rows(file, path, row0, n_row, H5T_NATIVE_DOUBLE, IO_FLOAT, ret_data, err);
}

int io_read_rows_i64(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row, int64_t *ret_data,
                     struct error *err)
{
    return read_rows(file, path, row0, n_row, H5T_NATIVE_INT64, IO_INTEGER, ret_data, err);
}

/* n strings of `type`, read by `read`, to names of fixed room. */
static bool read_strings(hid_t id, bool is_attribute, hid_t type, hid_t space, uint64_t n,
                         char (*ret_names)[IO_NAME_MAX])
{
    bool is_variable = H5Tis_variable_str(type) > 0;
    size_t size = is_variable ? sizeof(char *) : H5Tget_size(type);
    char *raw = mem_array(n, size);
    bool ok = raw != NULL;

    ok = ok &&
         (is_attribute ? H5Aread(id, type, raw) : H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw)) >= 0;
    for (uint64_t i = 0; ok && i < n; i++) {
        const char *text = is_variable ? ((char **)raw)[i] : raw + i * size;
        size_t room = is_variable ? IO_NAME_MAX - 1 : (size < IO_NAME_MAX - 1 ? size : IO_NAME_MAX - 1);

        memset(ret_names[i], 0, IO_NAME_MAX);
        strncpy(ret_names[i], text ? text : "", room);
        for (size_t end = strlen(ret_names[i]); end > 0 && ret_names[i][end - 1] == ' '; end--)
            ret_names[i][end - 1] = '\0'; /* space padding of Fortran strings */
    }
    if (ok && is_variable)
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw);
    free(raw);
    return ok;
}

int io_read_names(struct io_file *file, const char *path, uint64_t n, char (*ret_names)[IO_NAME_MAX],
                  struct error *err)
{
    struct io_info info;
    hid_t id = io_dataset_open(file, path, err), type, space;
    int r;

    if (id < 0)
        return POLYPHONY_INPUT;
    type = H5Dget_type(id);
    space = H5Dget_space(id);
    r = dataset_shape(file, id, path, &info, err);
    if (!r && (info.class != IO_STRING || info.rank != 1 || info.n != n))
        r = error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' is not a list of %llu names", file->path,
                      path, (unsigned long long)n);
    if (!r && !read_strings(id, false, type, space, n, ret_names))
        r = error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' cannot be read", file->path, path);
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(id);
    return r;
}

/* ---- attributes ------------------------------------------------------------------------------ */

bool io_attr_has(struct io_file *file, const char *object, const char *name)
{
    return H5Aexists_by_name(file->id, object, name, H5P_DEFAULT) > 0;
}

static hid_t attr_open(struct io_file *file, const char *object, const char *name, struct error *err)
{
    hid_t id = io_attr_has(file, object, name)
                   ? H5Aopen_by_name(file->id, object, name, H5P_DEFAULT, H5P_DEFAULT)
                   : H5I_INVALID_HID;

    if (id < 0)
        error_set(err, POLYPHONY_INPUT, "'%s': '%s' has no attribute '%s'", file->path, object, name);
    return id;
}

int io_attr_read_texts(struct io_file *file, const char *object, const char *name,
                       char (**ret_names)[IO_NAME_MAX], size_t *ret_n, struct error *err)
{
    hid_t id = attr_open(file, object, name, err), type, space;
    char(*names)[IO_NAME_MAX] = NULL;
    hssize_t n;
    int r = 0;

    if (id < 0)
        return POLYPHONY_INPUT;
    type = H5Aget_type(id);
    space = H5Aget_space(id);
    n = H5Sget_simple_extent_npoints(space);
    /* HDF5 holds attributes in the object header: 64 KiB at most. */
    if (H5Tget_class(type) != H5T_STRING || n < 1 || n > 65536) {
        r = error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' is not text", file->path, name,
                      object);
        goto out;
    }
    names = mem_array((size_t)n, sizeof(*names));
    if (!names || !read_strings(id, true, type, space, (uint64_t)n, names)) {
        r = error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' cannot be read", file->path, name,
                      object);
        goto out;
    }
    *ret_names = names;
    *ret_n = (size_t)n;
    names = NULL;
out:
    free(names);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(id);
    return r;
}

int io_attr_read_text(struct io_file *file, const char *object, const char *name, char *ret_text, size_t size,
                      struct error *err)
{
    char(*names)[IO_NAME_MAX] = NULL;
    size_t n = 0;
    int r = io_attr_read_texts(file, object, name, &names, &n, err);

    if (r)
        return r;
    if (n != 1 || !text_format(ret_text, size, "%s", names[0]))
        r = error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' is not one short text", file->path,
                      name, object);
    free(names);
    return r;
}

int io_attr_read_i64(struct io_file *file, const char *object, const char *name, int64_t *ret_value,
                     struct error *err)
{
    hid_t id = attr_open(file, object, name, err), type, space;
    int8_t flag = 0;
    int r = 0;

    if (id < 0)
        return POLYPHONY_INPUT;
    type = H5Aget_type(id);
    space = H5Aget_space(id);
    if (H5Sget_simple_extent_npoints(space) != 1)
        r = -1;
    else if (H5Tget_class(type) == H5T_INTEGER)
        r = H5Aread(id, H5T_NATIVE_INT64, ret_value);
    else if (H5Tget_class(type) == H5T_ENUM && H5Tget_size(type) == 1) {
        /* h5py's booleans: an enumeration of one byte */
        r = H5Aread(id, type, &flag);
        *ret_value = flag;
    } else
        r = -1;
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(id);
    return r < 0 ? error_set(err, POLYPHONY_INPUT,
                             "'%s': attribute '%s' of '%s' is not one integer or truth value", file->path,
                             name, object)
                 : 0;
}

int io_attr_read_f64(struct io_file *file, const char *object, const char *name, double *ret_value,
                     struct error *err)
{
    hid_t id = attr_open(file, object, name, err), type, space;
    int r = -1;

    if (id < 0)
        return POLYPHONY_INPUT;
    type = H5Aget_type(id);
    space = H5Aget_space(id);
    if (H5Sget_simple_extent_npoints(space) == 1 && H5Tget_class(type) == H5T_FLOAT)
        r = H5Aread(id, H5T_NATIVE_DOUBLE, ret_value);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(id);
    return r < 0 ? error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' is not one number",
                             file->path, name, object)
                 : 0;
}
