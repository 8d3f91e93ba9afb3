/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "io_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int note_link(void *context, const char *path, struct error *err)
{
    bool *is_elsewhere = context;

    (void)path;
    (void)err;
    *is_elsewhere = true;
    return 0;
}

/* HDF5 does not say why it failed: go the way again, link by link. */
static int explain_missing(struct io_file *file, const char *path, struct error *err)
{
    hid_t id = H5I_INVALID_HID;
    bool is_elsewhere = false; /* behind a link into another file, which is to be named */
    int r = io_follow(file->id, path, note_link, &is_elsewhere, &id, err);

    if (r && !is_elsewhere && !io_has(file, path))
        return error_set(err, POLYPHONY_INPUT, "'%s': no dataset '%s'", file->path, path);
    if (r)
        return error_prefix(err, r, "'%s': dataset '%s'", file->path, path);
    H5Dclose(id);
    return error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' cannot be opened (damaged file?)", file->path,
                     path);
}

hid_t io_dataset_open(struct io_file *file, const char *path, struct error *err)
{
    hid_t id = H5Dopen2(file->id, path, H5P_DEFAULT);

    if (id < 0)
        explain_missing(file, path, err);
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

static int dataset_shape(struct io_file *file, hid_t id, const char *path, struct io_info *ret_info,
                         struct error *err)
{
    struct io_extent shape;
    hid_t type;
    int r = io_know(file, path, id, err);

    if (r)
        return r;
    r = io_extent_of(id, &shape, err);
    if (r)
        return error_prefix(err, r, "'%s': dataset '%s'", file->path, path);
    type = H5Dget_type(id);
    *ret_info = (struct io_info) {
        .class = class_of(type), .rank = shape.rank, .n = shape.n, .type_bytes = shape.type_bytes
    };
    memcpy(ret_info->dims, shape.dims, sizeof(shape.dims));
    H5Tclose(type);
    return 0;
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

/* Rows of an open dataset in one go; elements of 8 bytes in memory. */
static int read_piece(struct io_file *file, hid_t id, const char *path, const struct io_info *info,
                      uint64_t row0, uint64_t n_row, hid_t memory_type, void *ret_data, struct error *err)
{
    hsize_t start[IO_RANK_MAX] = { row0 }, count[IO_RANK_MAX];
    hid_t space = H5Dget_space(id), memory;
    herr_t status;

    for (int i = 0; i < info->rank; i++)
        count[i] = info->dims[i];
    count[0] = n_row;
    memory = H5Screate_simple(info->rank, count, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    status = H5Dread(id, memory_type, memory, space, H5P_DEFAULT, ret_data);
    H5Sclose(memory);
    H5Sclose(space);
    if (status < 0)
        return error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' cannot be read (damaged file?)",
                         file->path, path);
    return io_known_unchanged(file, path, row0, n_row, err);
}

/* In as many goes as the sources of a view need: HDF5 has them open as long as it has the view. */
static int read_pieces(struct io_file *file, hid_t *id, const char *path, const struct io_info *info,
                       uint64_t row0, uint64_t n_row, hid_t memory_type, void *ret_data, struct error *err)
{
    uint64_t n_of_row = info->n / info->dims[0];
    int r = 0;

    for (uint64_t done = 0, n; !r && done < n_row; done += n) {
        if (done) {
            H5Dclose(*id);
            *id = io_dataset_open(file, path, err);
            if (*id < 0)
                return POLYPHONY_INPUT;
        }
        n = io_known_rows(file, path, row0 + done, n_row - done);
        r = read_piece(file, *id, path, info, row0 + done, n, memory_type,
                       (char *)ret_data + done * n_of_row * 8, err);
    }
    return r;
}

/* How numbers come into 8 bytes each. */
struct rows_reading {
    struct io_info info;
    hid_t memory_type;
    double bound; /* of integers that come as doubles: all up to here can be told from each other */
};

/* Values of integers beyond their type would be clamped by HDF5: they come in a type that holds them, or as
 * doubles, and are looked at afterwards. */
static int choose_integers(hid_t dataset, struct rows_reading *reading, struct error *err)
{
    hid_t type = H5Dget_type(dataset),
          integer = H5Tget_class(type) == H5T_ENUM ? H5Tget_super(type) : H5Tcopy(type);
    size_t bit[5] = { 0 };
    int r = 0;

    if (reading->info.class == IO_FLOAT) {
        H5Tget_fields(type, &bit[0], &bit[1], &bit[2], &bit[3], &bit[4]);
        reading->memory_type = H5T_NATIVE_DOUBLE;
        reading->bound = ldexp(1.0, bit[4] < 52 ? (int)bit[4] + 1 : 53);
    } else if (H5Tget_precision(integer) > 64)
        r = error_set(err, POLYPHONY_INPUT, "is of integers of %zu bits, at most 64 are understood",
                      H5Tget_precision(integer));
    else
        reading->memory_type = H5Tget_sign(integer) == H5T_SGN_NONE ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64;
    H5Tclose(integer);
    H5Tclose(type);
    return r;
}

static int read_rows(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row,
                     bool wants_integers, void *ret_data, struct rows_reading *ret_reading, struct error *err)
{
    hid_t id = io_dataset_open(file, path, err);
    struct rows_reading reading = { .memory_type = H5T_NATIVE_DOUBLE };
    struct io_info *info = &reading.info;
    int r;

    if (id < 0)
        return POLYPHONY_INPUT;
    r = dataset_shape(file, id, path, info, err);
    if (!r)
        r = check_whole(file, err);
    if (!r && info->class != IO_FLOAT && info->class != IO_INTEGER)
        r = error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' is not of %s numbers", file->path, path,
                      wants_integers ? "integer" : "floating-point");
    if (!r && (info->rank < 1 || row0 > info->dims[0] || n_row > info->dims[0] - row0))
        r = error_set(err, POLYPHONY_INPUT,
                      "'%s': dataset '%s' has %llu rows, rows %llu to %llu were asked for", file->path, path,
                      (unsigned long long)info->dims[0], (unsigned long long)row0,
                      (unsigned long long)(row0 + n_row));
    if (!r && wants_integers) {
        r = choose_integers(id, &reading, err);
        if (r)
            error_prefix(err, r, "'%s': dataset '%s'", file->path, path);
    }
    if (!r && n_row && info->n)
        r = read_pieces(file, &id, path, info, row0, n_row, reading.memory_type, ret_data, err);
    if (id >= 0)
        H5Dclose(id);
    *ret_reading = reading;
    return r;
}

int io_read_rows_f64(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row, double *ret_data,
                     struct error *err)
{
    struct rows_reading reading;

    return read_rows(file, path, row0, n_row, false, ret_data, &reading, err);
}

/* Value i of what was read from row0 on. */
static int refuse_integer(const struct io_file *file, const char *path, const struct io_info *info,
                          uint64_t row0, uint64_t i, const char *value, const char *bound, struct error *err)
{
    uint64_t place[IO_RANK_MAX] = { 0 };
    char where[128];

    for (int axis = info->rank - 1; axis > 0; axis--) {
        place[axis] = i % info->dims[axis];
        i /= info->dims[axis];
    }
    place[0] = row0 + i;
    io_place_format(info->rank, place, where, sizeof(where));
    return error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' %s is %s, %s", file->path, path, where, value,
                     bound);
}

/* What is no int64 is an error, or -1. */
static int read_integers(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row,
                         bool allows_none, int64_t *ret_data, struct error *err)
{
    struct rows_reading reading;
    int r = read_rows(file, path, row0, n_row, true, ret_data, &reading, err);
    uint64_t n = r || reading.info.dims[0] == 0 ? 0 : n_row * (reading.info.n / reading.info.dims[0]);
    char text[40], bound[80];

    for (uint64_t i = 0; i < n && reading.memory_type == H5T_NATIVE_UINT64; i++)
        if (ret_data[i] < 0 && allows_none)
            ret_data[i] = -1;
        else if (ret_data[i] < 0) {
            text_format(text, sizeof(text), "%llu", (unsigned long long)(uint64_t)ret_data[i]);
            return refuse_integer(file, path, &reading.info, row0, i, text,
                                  "must be at most 9223372036854775807 (2^63 - 1)", err);
        }
    for (uint64_t i = 0; i < n && reading.bound > 0; i++) {
        double value;

        memcpy(&value, &ret_data[i], sizeof(value));
        if (allows_none && !(fabs(value) <= reading.bound))
            value = -1.0;
        if (!(fabs(value) <= reading.bound) || value != trunc(value)) {
            text_format(text, sizeof(text), "%.17g", value);
            text_format(bound, sizeof(bound),
                        "must be a whole number of at most %.0f: it is of floating-point numbers",
                        reading.bound);
            return refuse_integer(file, path, &reading.info, row0, i, text, bound, err);
        }
        ret_data[i] = (int64_t)value;
    }
    return r;
}

int io_read_rows_i64(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row, int64_t *ret_data,
                     struct error *err)
{
    return read_integers(file, path, row0, n_row, false, ret_data, err);
}

int io_read_rows_i64_or_none(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row,
                             int64_t *ret_data, struct error *err)
{
    return read_integers(file, path, row0, n_row, true, ret_data, err);
}

/* n strings of `type`, read by `read`, to names of fixed room. */
bool io_strings_read(hid_t id, bool is_attribute, hid_t type, hid_t space, uint64_t n,
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
    struct io_info info = { 0 };
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
    if (!r && !io_strings_read(id, false, type, space, n, ret_names))
        r = error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' cannot be read", file->path, path);
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(id);
    return r;
}
