/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Data that a dataset has of its own: in chunks, in one piece, or in external raw files. Is all of it there?
 */
#include "io_private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Deflate, the densest filter of the usual ones, cannot shrink data by more than 1032 (zlib documentation). A
 * dataset that claims more than that of its storage has an extent that is a lie, and no memory is taken for
 * it. Others can do better with constant numbers. */
#define DEFLATE_RATIO_MAX 1032
#define OTHER_RATIO_MAX   (1 << 20)

/* ---- chunks --------------------------------------------------------------------------------- */

static bool chunk_is_there(hid_t dataset, const hsize_t *place)
{
    hsize_t n_byte = 0;

    return H5Dget_chunk_storage_size(dataset, place, &n_byte) >= 0 && n_byte > 0;
}

/* Go through the chunks of a box, the last axis fastest, to the first that is not there. */
static bool find_missing_chunk(hid_t dataset, int rank, const hsize_t *chunk, const struct io_box *part,
                               uint64_t ret_place[IO_RANK_MAX])
{
    hsize_t place[IO_RANK_MAX] = { 0 };
    int axis = 0;

    for (int i = 0; i < rank; i++) {
        place[i] = part->begin[i] / chunk[i] * chunk[i];
        if (part->begin[i] >= part->end[i])
            return false;
    }
    while (axis >= 0) {
        if (!chunk_is_there(dataset, place)) {
            for (int i = 0; i < rank; i++)
                ret_place[i] = place[i];
            return true;
        }
        for (axis = rank - 1; axis >= 0; axis--) {
            place[axis] += chunk[axis];
            if (place[axis] < part->end[axis])
                break;
            place[axis] = part->begin[axis] / chunk[axis] * chunk[axis];
        }
    }
    return false;
}

/* Has it no filter but gzip and those that do not compress? */
static bool is_plainly_compressed(hid_t creation)
{
    bool answer = true;
    int n = H5Pget_nfilters(creation);

    for (int i = 0; i < n; i++) {
        unsigned flags = 0, config = 0;
        size_t n_value = 0;
        H5Z_filter_t id = H5Pget_filter2(creation, (unsigned)i, &flags, &n_value, NULL, 0, NULL, &config);

        answer &= id == H5Z_FILTER_DEFLATE || id == H5Z_FILTER_SHUFFLE || id == H5Z_FILTER_FLETCHER32;
    }
    return answer;
}

static int check_claim(hid_t dataset, hid_t creation, const struct io_extent *shape, struct error *err)
{
    uint64_t n_byte = H5Dget_storage_size(dataset),
             ratio = is_plainly_compressed(creation) ? DEFLATE_RATIO_MAX : OTHER_RATIO_MAX;

    if (shape->n != UINT64_MAX && shape->n_byte / ratio <= n_byte)
        return 0;
    return error_set(err, POLYPHONY_INPUT,
                     "claims %llu values but holds only %llu bytes (truncated or never written)",
                     (unsigned long long)shape->n, (unsigned long long)n_byte);
}

static uint64_t count_chunks(const struct io_extent *shape, const hsize_t *chunk)
{
    uint64_t n = 1;

    for (int i = 0; i < shape->rank; i++)
        if (__builtin_mul_overflow(n, shape->dims[i] / chunk[i] + (shape->dims[i] % chunk[i] != 0), &n))
            return UINT64_MAX;
    return n;
}

static int check_chunks(hid_t dataset, hid_t creation, const struct io_extent *shape,
                        const struct io_box *part, bool *ret_is_whole, struct error *err)
{
    hsize_t chunk[H5S_MAX_RANK] = { 0 }, n = 0;
    uint64_t n_all, place[IO_RANK_MAX] = { 0 };
    char where[128];
    hid_t space;
    int r = 0;

    if (H5Pget_chunk(creation, H5S_MAX_RANK, chunk) != shape->rank)
        return error_set(err, POLYPHONY_INPUT, "cannot be understood (damaged file?)");
    n_all = count_chunks(shape, chunk);
    space = H5Dget_space(dataset);
    if (H5Dget_num_chunks(dataset, space, &n) < 0)
        r = error_set(err, POLYPHONY_INPUT, "has chunks that cannot be listed (damaged file?)");
    H5Sclose(space);
    *ret_is_whole = n >= n_all;
    if (r || *ret_is_whole || !find_missing_chunk(dataset, shape->rank, chunk, part, place))
        return r ? r : check_claim(dataset, creation, shape, err);
    io_place_format(shape->rank, place, where, sizeof(where));
    return error_set(
        err, POLYPHONY_INPUT,
        "was never written completely: %llu of its %llu chunks are missing, one of them at %s; HDF5 would read fill values there",
        (unsigned long long)(n_all - n), (unsigned long long)n_all, where);
}

/* ---- in one piece --------------------------------------------------------------------------- */

/* Where HDF5 looks for an external raw file: HDF5_EXTFILE_PREFIX, else as named, from the working directory. */
static bool raw_path(hid_t dataset, const char *name, char *ret_path, size_t size, bool is_beside)
{
    static const char origin[] = "${ORIGIN}";
    const char *prefix = is_beside ? origin : getenv("HDF5_EXTFILE_PREFIX");
    char parent[PATH_MAX] = "", *slash;

    if (*name == '/' || !prefix || !*prefix || !strcmp(prefix, "."))
        return text_format(ret_path, size, "%s", name);
    if (strncmp(prefix, origin, strlen(origin)))
        return text_format(ret_path, size, "%s/%s", prefix, name);
    if (H5Fget_name(dataset, parent, sizeof(parent)) < 0)
        return false;
    slash = strrchr(parent, '/');
    if (slash)
        slash[0] = '\0';
    return text_format(ret_path, size, "%s%s/%s", slash ? parent : ".", prefix + strlen(origin), name);
}

static int check_raw_file(struct io_look *look, hid_t dataset, const char *name, uint64_t n_needed,
                          struct error *err)
{
    char path[PATH_MAX], beside[PATH_MAX];
    struct stat st;

    if (!raw_path(dataset, name, path, sizeof(path), false))
        return error_set(err, POLYPHONY_INPUT, "has an external raw file of too long a name, '%.200s'", name);
    if (stat(path, &st)) {
        int why = errno;
        bool is_beside = raw_path(dataset, name, beside, sizeof(beside), true) && !stat(beside, &st);

        return error_set(
            err, POLYPHONY_INPUT, "its external raw file '%s': %s%s", path, strerror(why),
            is_beside
                ? "; it lies beside the HDF5 file: start in that directory, or set HDF5_EXTFILE_PREFIX='${ORIGIN}'"
                : "");
    }
    if (!S_ISREG(st.st_mode))
        return error_set(err, POLYPHONY_INPUT, "its external raw file '%s' is no regular file", path);
    if ((uint64_t)st.st_size < n_needed)
        return error_set(
            err, POLYPHONY_INPUT,
            "its external raw file '%s' is too short: it has %llu bytes, %llu are needed (truncated, or never written completely)",
            path, (unsigned long long)st.st_size, (unsigned long long)n_needed);
    return io_look_remember(look, path, err);
}

static int check_raw_files(struct io_look *look, hid_t dataset, hid_t creation, const struct io_extent *shape,
                           struct error *err)
{
    uint64_t left = shape->n_byte, n_needed;
    int n = H5Pget_external_count(creation), r = 0;

    for (int i = 0; !r && left && i < n; i++) {
        char name[PATH_MAX] = "";
        off_t offset = 0;
        hsize_t size = 0;

        if (H5Pget_external(creation, (unsigned)i, sizeof(name) - 1, name, &offset, &size) < 0)
            return error_set(err, POLYPHONY_INPUT, "its external raw files cannot be listed (damaged file?)");
        size = size > left ? left : size; /* also H5F_UNLIMITED */
        if (__builtin_add_overflow((uint64_t)offset, size, &n_needed))
            n_needed = UINT64_MAX;
        r = check_raw_file(look, dataset, name, n_needed, err);
        left -= size;
    }
    if (!r && left)
        r = error_set(err, POLYPHONY_INPUT, "its external raw files have no room for its last %llu bytes",
                      (unsigned long long)left);
    return r;
}

static int check_contiguous(hid_t dataset, const struct io_extent *shape, struct error *err)
{
    haddr_t offset = H5Dget_offset(dataset);
    hid_t file = H5Iget_file_id(dataset);
    struct stat st;
    int r = 0;

    if (offset == HADDR_UNDEF)
        r = error_set(
            err, POLYPHONY_INPUT,
            "was never written completely: none of its %llu values is in the file; HDF5 would read fill values",
            (unsigned long long)shape->n);
    else if (!fstat(io_descriptor_of(file), &st) &&
             ((uint64_t)st.st_size < offset || (uint64_t)st.st_size - offset < shape->n_byte))
        r = error_set(
            err, POLYPHONY_INPUT,
            "claims %llu values, %llu bytes from %llu on, but the file has only %llu bytes (truncated or never written)",
            (unsigned long long)shape->n, (unsigned long long)shape->n_byte, (unsigned long long)offset,
            (unsigned long long)st.st_size);
    H5Fclose(file);
    return r;
}

int io_check_storage(struct io_look *look, hid_t dataset, hid_t creation, io_find_part find_part,
                     void *context, bool *ret_is_whole, struct error *err)
{
    struct io_extent shape;
    struct io_box part;
    int r = io_extent_of(dataset, &shape, err);

    if (r)
        return r;
    io_whole_box(&shape, &part);
    if (find_part)
        r = find_part(context, dataset, &part, err);
    if (r || shape.n == 0)
        return r;
    *ret_is_whole = true;
    r = io_check_filters(creation, err);
    if (r)
        return r;
    switch (H5Pget_layout(creation)) {
    case H5D_COMPACT: /* in the object's header, which was read */
        return 0;
    case H5D_CONTIGUOUS:
        return H5Pget_external_count(creation) > 0 ? check_raw_files(look, dataset, creation, &shape, err)
                                                   : check_contiguous(dataset, &shape, err);
    case H5D_CHUNKED:
        return check_chunks(dataset, creation, &shape, &part, ret_is_whole, err);
    default:
        return error_set(err, POLYPHONY_INPUT, "has a layout that is not understood");
    }
}
