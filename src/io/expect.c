/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Is a dataset still as it was laid out? Asked before anything is written at its place without HDF5: what is
 * of another type or shape, chunked, in other files, behind a link or beyond the end must not be written
 * over.
 */
#include "io_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words ------------------------------------------------------------------------------------ */

#define WORDS_MAX 160

static const char *order_of(hid_t type, size_t n_byte)
{
    return n_byte > 1 && H5Tget_order(type) != H5Tget_order(H5T_NATIVE_DOUBLE) ? "of the other byte order "
                                                                               : "";
}

/* "float64", "record of 256 bytes" and the like, then the extents. */
static void describe(hid_t type, int rank, const hsize_t *dims, char ret_words[WORDS_MAX])
{
    size_t n_byte = H5Tget_size(type), end;

    switch (H5Tget_class(type)) {
    case H5T_FLOAT:
        text_format(ret_words, WORDS_MAX, "float%zu %s", 8 * n_byte, order_of(type, n_byte));
        break;
    case H5T_INTEGER:
        text_format(ret_words, WORDS_MAX, "%sint%zu %s", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "",
                    8 * n_byte, order_of(type, n_byte));
        break;
    case H5T_COMPOUND:
        text_format(ret_words, WORDS_MAX, "records of %d members in %zu bytes ", H5Tget_nmembers(type),
                    n_byte);
        break;
    case H5T_STRING:
        text_format(ret_words, WORDS_MAX, "texts of %zu bytes ", n_byte);
        break;
    default:
        text_format(ret_words, WORDS_MAX, "of another type ");
    }
    for (int i = 0; i < rank; i++) {
        end = strlen(ret_words);
        text_format(ret_words + end, WORDS_MAX - end, "%s%llu%s", i ? " x " : "(",
                    (unsigned long long)dims[i], i == rank - 1 ? ")" : "");
    }
}

/* Where the way to a dataset is not made of plain links: the first that is not. NULL: all are. */
static const char *find_other_link(struct io_file *file, const char *path)
{
    char prefix[IO_NAME_MAX * 2];
    H5L_info_t info;

    if (!text_format(prefix, sizeof(prefix), "%s", path))
        return "is not there";
    for (size_t i = 1;; i++) {
        char kept = prefix[i];

        if (kept != '/' && kept != '\0')
            continue;
        prefix[i] = '\0';
        if (H5Lexists(file->id, prefix, H5P_DEFAULT) <= 0 ||
            H5Lget_info(file->id, prefix, &info, H5P_DEFAULT) < 0)
            return "is not there";
        if (info.type == H5L_TYPE_SOFT)
            return "is behind a soft link";
        if (info.type != H5L_TYPE_HARD)
            return "is behind an external link";
        prefix[i] = kept;
        if (!kept)
            return NULL;
    }
}

/* How its bytes are kept, where that is not in one piece in this file; NULL where it is. */
static const char *find_other_storage(hid_t id, H5D_layout_t expected)
{
    hid_t creation = H5Dget_create_plist(id);
    H5D_layout_t layout = H5Pget_layout(creation);
    int n_external = layout == H5D_CONTIGUOUS ? H5Pget_external_count(creation) : 0;

    H5Pclose(creation);
    if (n_external)
        return "has its bytes in other files";
    if (layout == expected)
        return NULL;
    switch (layout) {
    case H5D_CHUNKED:
        return "is chunked";
    case H5D_COMPACT:
        return "has its bytes in its header";
    case H5D_VIRTUAL:
        return "is a view of other datasets";
    default:
        return "is no view";
    }
}

static int refuse(struct io_file *file, const char *path, struct error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int refuse(struct io_file *file, const char *path, struct error *err, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(
        err, POLYPHONY_INPUT,
        "'%s' is not as it was laid out: '%s' %s; nothing was written. Put back a copy of the file, give another 'output', or use --overwrite",
        file->path, path, text);
}

int io_expect_fail(struct io_file *file, const char *path, const char *what, struct error *err)
{
    return refuse(file, path, err, "%s", what);
}

/* ---- datasets ---------------------------------------------------------------------------------- */

static int open_expected(struct io_file *file, const char *path, H5D_layout_t layout, hid_t *ret_id,
                         struct error *err)
{
    const char *what = find_other_link(file, path);
    hid_t id;

    if (what)
        return refuse(file, path, err, "%s", what);
    id = H5Dopen2(file->id, path, H5P_DEFAULT);
    if (id < 0)
        return refuse(file, path, err, "is no dataset, or cannot be read");
    what = find_other_storage(id, layout);
    if (what) {
        H5Dclose(id);
        return refuse(file, path, err, "%s", what);
    }
    *ret_id = id;
    return 0;
}

static int check_shape(struct io_file *file, hid_t id, const char *path, hid_t type, int rank,
                       const uint64_t *dims, struct error *err)
{
    hsize_t have[H5S_MAX_RANK] = { 0 }, want[IO_RANK_MAX] = { 0 };
    hid_t space = H5Dget_space(id), have_type = H5Dget_type(id);
    int have_rank = H5Sget_simple_extent_dims(space, have, NULL), r = 0;
    bool is_same = have_type >= 0 && H5Tequal(have_type, type) > 0 && have_rank == rank;
    char found[WORDS_MAX], expected[WORDS_MAX];

    for (int i = 0; i < rank; i++) {
        want[i] = dims[i];
        is_same = is_same && have[i] == want[i];
    }
    if (!is_same) {
        describe(have_type, have_rank, have, found);
        describe(type, rank, want, expected);
        r = refuse(file, path, err,
                   strcmp(found, expected) ? "is %s, expected %s" : "has members other than expected: %s",
                   found, expected);
    }
    H5Tclose(have_type);
    H5Sclose(space);
    return r;
}

static int check_place(struct io_file *file, hid_t id, const char *path, uint64_t n_byte,
                       struct io_place *ret_place, struct error *err)
{
    haddr_t offset = n_byte ? H5Dget_offset(id) : 0;
    uint64_t size = file->partial_path ? UINT64_MAX : (uint64_t)file->size_bytes; /* still growing */

    if (offset == HADDR_UNDEF)
        return refuse(file, path, err, "has no place in the file");
    if (n_byte && H5Dget_storage_size(id) != n_byte)
        return refuse(file, path, err, "has %llu bytes, expected %llu",
                      (unsigned long long)H5Dget_storage_size(id), (unsigned long long)n_byte);
    if (offset > size || n_byte > size - offset)
        return refuse(file, path, err, "lies at bytes %llu to %llu, of a file of %llu",
                      (unsigned long long)offset, (unsigned long long)(offset + n_byte),
                      (unsigned long long)size);
    *ret_place = (struct io_place) { .offset = offset, .n_byte = n_byte };
    return 0;
}

int io_layout_expect(struct io_file *file, const char *path, const struct io_shape *shape,
                     struct io_place *ret_place, struct error *err)
{
    hid_t type = io_shape_type(shape), id;
    uint64_t n_byte = H5Tget_size(type);
    int r = open_expected(file, path, H5D_CONTIGUOUS, &id, err);

    for (int i = 0; i < shape->rank; i++)
        n_byte *= shape->dims[i]; /* of a dataset that was laid out: no overflow */
    if (!r) {
        r = check_shape(file, id, path, type, shape->rank, shape->dims, err);
        if (!r)
            r = check_place(file, id, path, n_byte, ret_place, err);
        H5Dclose(id);
    }
    H5Tclose(type);
    return r;
}

/* ---- views --------------------------------------------------------------------------------------- */

/* The one mapping of a view: this file's `source`, at the column. */
static bool shows_column(hid_t creation, const char *source, int rank, const uint64_t *column, uint64_t n)
{
    char name[IO_NAME_MAX * 2] = "";
    hsize_t first[H5S_MAX_RANK] = { 0 }, last[H5S_MAX_RANK] = { 0 };
    size_t n_mapping = 0;
    hid_t space;
    bool is_same;

    if (H5Pget_virtual_count(creation, &n_mapping) < 0 || n_mapping != 1 ||
        H5Pget_virtual_filename(creation, 0, name, sizeof(name)) < 0 || strcmp(name, ".") ||
        H5Pget_virtual_dsetname(creation, 0, name, sizeof(name)) < 0 || strcmp(name, source))
        return false;
    space = H5Pget_virtual_srcspace(creation, 0);
    is_same = space >= 0 && H5Sget_simple_extent_ndims(space) == rank &&
              H5Sget_select_npoints(space) == (hssize_t)n && H5Sget_select_bounds(space, first, last) >= 0 &&
              first[0] == 0 && last[0] == n - 1;
    for (int i = 1; i < rank && is_same; i++)
        is_same = first[i] == column[i - 1] && last[i] == column[i - 1];
    H5Sclose(space);
    return is_same;
}

int io_view_expect(struct io_file *file, const char *path, const char *source, int rank,
                   const uint64_t *column, uint64_t n, struct error *err)
{
    hid_t id, creation;
    int r = open_expected(file, path, H5D_VIRTUAL, &id, err);

    if (r)
        return r;
    r = check_shape(file, id, path, H5T_NATIVE_DOUBLE, 1, &n, err);
    creation = H5Dget_create_plist(id);
    if (!r && n && !shows_column(creation, source, rank, column, n))
        r = refuse(file, path, err, "is a view of something else than its column of '%s'", source);
    H5Pclose(creation);
    H5Dclose(id);
    return r;
}
