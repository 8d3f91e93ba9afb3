/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Is this one of our files, whole, and of this version? And its raw bytes.
 */
#include "results_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The length that an HDF5 file says it has; 0 if it says none. "HDF5 File Format Specification" 3.0, II.A:
 * the end of file address of superblocks 0 to 3, with addresses of 8 bytes. */
static uint64_t stated_bytes(const unsigned char head[64])
{
    static const size_t place[] = { 40, 44, 28, 28 };
    uint64_t bytes = 0;

    if (memcmp(head, "\211HDF\r\n\032\n", 8) || head[8] > 3)
        return 0;
    for (size_t i = 8; i > 0; i--)
        bytes = bytes << 8 | head[place[head[8]] + i - 1];
    return bytes;
}

/* HDF5 only says that it cannot open such a file; say what is missing of it. */
static int explain_truncated(const char *path, int r, struct error *err)
{
    unsigned char head[64] = { 0 };
    struct stat st = { 0 };
    uint64_t bytes = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && !fstat(fd, &st) && pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head))
        bytes = stated_bytes(head);
    if (fd >= 0)
        close(fd);
    if (bytes <= (uint64_t)st.st_size)
        return r;
    return error_set(
        err, r,
        "'%s' is truncated: of its %llu bytes the last %llu are missing; put back a copy of it, or remove it and begin anew",
        path, (unsigned long long)bytes, (unsigned long long)(bytes - (uint64_t)st.st_size));
}

static int open_any_version(const char *path, struct io_file **ret_file, struct error *err)
{
    struct io_file *file = NULL;
    char format[32] = "";
    int r = io_file_open(path, &file, err);

    if (r)
        return explain_truncated(path, r, err);
    if (io_attr_has(file, "/", "format"))
        r = io_attr_read_text(file, "/", "format", format, sizeof(format), err);
    if (r || strcmp(format, RESULTS_FORMAT) || !io_has(file, LEDGER_PATH)) {
        io_file_close(file);
        return error_set(err, POLYPHONY_INPUT, "'%s' is not a results file", path);
    }
    *ret_file = file;
    return 0;
}

int results_file_open(const char *path, struct io_file **ret_file, struct error *err)
{
    struct io_file *file = NULL;
    int64_t version = 0;
    int r = open_any_version(path, &file, err);

    if (r)
        return r;
    r = io_attr_read_i64(file, "/", "version", &version, err);
    if (!r && version != RESULTS_FILE_VERSION)
        r = error_set(
            err, POLYPHONY_USAGE,
            "'%s' was made by another version of the program (file version %lld, this one has %d); use that, or give another 'output', or use --overwrite",
            path, (long long)version, RESULTS_FILE_VERSION);
    if (r) {
        io_file_close(file);
        return r;
    }
    *ret_file = file;
    return 0;
}

int results_may_be_replaced(const char *path, struct error *err)
{
    struct io_file *file = NULL;
    int r = open_any_version(path, &file, err);

    if (!r)
        io_file_close(file);
    return r;
}

int results_read_at(const char *path, int fd, uint64_t offset, void *ret_bytes, size_t n, const char *what,
                    struct error *err)
{
    char *left = ret_bytes;

    while (n > 0) {
        ssize_t got = pread(fd, left, n, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, POLYPHONY_INPUT, "'%s': '%s' cannot be read: %s", path, what,
                             strerror(errno));
        if (got == 0)
            return error_set(err, POLYPHONY_INPUT, "'%s' is truncated: it ends inside '%s', at byte %llu",
                             path, what, (unsigned long long)offset);
        left += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

int results_write_at(struct results *results, uint64_t offset, const void *bytes, size_t n, struct error *err)
{
    const char *left = bytes;

    while (n > 0) {
        ssize_t written = pwrite(results->fd, left, n, (off_t)offset);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return error_set(err, POLYPHONY_OUTPUT,
                             "'%s': cannot be written: %s; the same command continues later", results->path,
                             failure_text(written ? errno : ENOSPC));
        left += written;
        offset += (uint64_t)written;
        n -= (size_t)written;
    }
    return 0;
}
