/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers that lie in the file as this machine holds them need no HDF5: they are read where they are, by as
 * many threads as like. Whatever is chunked, compressed, of another byte order, or in another file is left to
 * HDF5.
 *
 * They are copied, not mapped. Pages of a mapped file would be there for nothing (a third of the time for a
 * grid in the page cache), but a file that is cut short or a server that is gone would kill the process
 * instead of failing a read, one that is written to would change numbers that were checked, and tables in
 * small pages of a slow file system may have to be read again whenever memory is short.
 */
#include "io_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WIDEN_N 512 /* numbers of 4 bytes widened at a time */

/* Bytes of a number that can be taken as it is, or 0. */
static size_t native_bytes(hid_t type)
{
    if (H5Tequal(type, H5T_NATIVE_DOUBLE) > 0)
        return sizeof(double);
    return H5Tequal(type, H5T_NATIVE_FLOAT) > 0 ? sizeof(float) : 0;
}

/* A link may lead to a dataset of another file. */
static bool is_within(hid_t dataset, int fd)
{
    hid_t file = H5Iget_file_id(dataset);
    bool answer = file >= 0 && io_descriptor_of(file) == fd;

    if (file >= 0)
        H5Fclose(file);
    return answer;
}

static bool is_plain(hid_t dataset)
{
    hid_t creation = H5Dget_create_plist(dataset);
    bool answer = H5Pget_layout(creation) == H5D_CONTIGUOUS && H5Pget_external_count(creation) == 0;

    H5Pclose(creation);
    return answer;
}

bool io_direct_find(struct io_file *file, const char *path, struct io_direct *ret_direct)
{
    struct io_direct direct = { .fd = io_descriptor_of(file->id), .path = file->path };
    hid_t id = direct.fd >= 0 ? io_dataset_open(file, path, NULL) : H5I_INVALID_HID, space, type;
    hsize_t dims[H5S_MAX_RANK] = { 0 };
    haddr_t offset;
    uint64_t n_byte;
    struct stat st;
    int rank;

    if (id < 0)
        return false;
    space = H5Dget_space(id);
    type = H5Dget_type(id);
    rank = H5Sget_simple_extent_dims(space, dims, NULL);
    direct.n = 1;
    for (int i = 0; i < rank; i++)
        if (__builtin_mul_overflow(direct.n, dims[i], &direct.n))
            direct.n = UINT64_MAX;
    direct.type_bytes = is_plain(id) && is_within(id, direct.fd) && rank > 0 ? native_bytes(type) : 0;
    offset = H5Dget_offset(id);
    direct.offset = offset;
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(id);
    if (direct.type_bytes == 0 || offset == HADDR_UNDEF ||
        __builtin_mul_overflow(direct.n, direct.type_bytes, &n_byte) || fstat(direct.fd, &st) ||
        (uint64_t)st.st_size < offset || (uint64_t)st.st_size - offset < n_byte)
        return false;
    snprintf(direct.dataset, sizeof(direct.dataset), "%s", path);
    *ret_direct = direct;
    return true;
}

static int read_bytes(const struct io_direct *direct, uint64_t offset, char *to, size_t n, struct error *err)
{
    for (size_t n_got = 0; n_got < n;) {
        ssize_t got = pread(direct->fd, to + n_got, n - n_got, (off_t)(offset + n_got));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_set(err, POLYPHONY_INPUT,
                             "'%s': dataset '%s', %zu bytes from %llu on, of which %zu were read: %s",
                             direct->path, direct->dataset, n, (unsigned long long)offset, n_got,
                             got ? strerror(errno) : "the file was truncated while it was being read");
        n_got += (size_t)got;
    }
    return 0;
}

/* n floats that lie at the end of the room of n doubles to doubles, from the front: what is overwritten was
 * widened before. */
static void widen(double *value, size_t n)
{
    const char *from = (const char *)value + n * sizeof(float);
    float some[WIDEN_N];

    for (size_t i = 0; i < n; i += WIDEN_N) {
        size_t n_some = n - i < WIDEN_N ? n - i : WIDEN_N;

        memcpy(some, from + i * sizeof(*some), n_some * sizeof(*some));
        for (size_t j = 0; j < n_some; j++)
            value[i + j] = (double)some[j];
    }
}

int io_direct_read(const struct io_direct *direct, uint64_t first, uint64_t n, double *ret_value,
                   struct error *err)
{
    bool is_float = direct->type_bytes == sizeof(float);
    int r;

    if (first > direct->n || n > direct->n - first)
        return error_set(err, POLYPHONY_INPUT,
                         "'%s': dataset '%s': numbers %llu to %llu of %llu were asked for", direct->path,
                         direct->dataset, (unsigned long long)first, (unsigned long long)(first + n),
                         (unsigned long long)direct->n);
    r = read_bytes(direct, direct->offset + first * direct->type_bytes,
                   (char *)ret_value + (is_float ? n * sizeof(float) : 0), n * direct->type_bytes, err);
    if (!r && is_float)
        widen(ret_value, n);
    return r;
}
