/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening a file to read, and saying what it is when that fails.
 *
 * HDF5 locks files with flock() and takes it for damage where a file system cannot; it opens the sources of
 * views and links with its own defaults, and reads fill values where that fails. So HDF5 is told not to lock,
 * and this file does: a lock that cannot be had is done without, one that somebody else has is named.
 */
#include "io_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define SIGNATURE      "\211HDF\r\n\032\n"
#define SIGNATURE_N    8
#define SUPERBLOCK_N   64
#define USER_BLOCK_MAX (1 << 20) /* a signature is looked for up to here */

static bool takes_locks = true; /* unless the user says that there are none */

/* Before the library begins, which reads its environment once; what the user says goes. */
void io_hdf5_begin(void)
{
    static bool is_told;
    const char *wish = getenv("HDF5_USE_FILE_LOCKING");

    if (!is_told && wish)
        takes_locks = strcmp(wish, "FALSE") && strcmp(wish, "0");
    if (!is_told)
        setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0);
    is_told = true;
    /* Failures are reported in our words, with file and dataset. */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

int io_descriptor_of(hid_t file)
{
    hid_t access = H5Fget_access_plist(file);
    void *handle = NULL;
    int fd = -1;

    if (access >= 0 && H5Pget_driver(access) == H5FD_SEC2 && H5Fget_vfd_handle(file, access, &handle) >= 0 &&
        handle)
        fd = *(int *)handle;
    if (access >= 0)
        H5Pclose(access);
    return fd;
}

/* ---- what it is instead -------------------------------------------------------------------------- */

/* Where the superblock begins: at 0, 512, 1024 ... ("HDF5 File Format Specification" 3.0, II); -1: nowhere. */
static off_t find_signature(int fd)
{
    char head[SIGNATURE_N];

    for (off_t at = 0; at <= USER_BLOCK_MAX; at = at ? 2 * at : 512)
        if (pread(fd, head, sizeof(head), at) == (ssize_t)sizeof(head) &&
            !memcmp(head, SIGNATURE, SIGNATURE_N))
            return at;
    return -1;
}

/* The length that the superblock says the file has; 0 if it says none. Ibid., II.A: the end of file address
 * of superblocks 0 to 3, with addresses of 8 bytes. */
static uint64_t stated_bytes(const unsigned char superblock[SUPERBLOCK_N])
{
    static const size_t place[] = { 40, 44, 28, 28 };
    uint64_t bytes = 0;

    if (superblock[8] > 3)
        return 0;
    for (size_t i = 8; i > 0; i--)
        bytes = bytes << 8 | superblock[place[superblock[8]] + i - 1];
    return bytes;
}

/* Ibid.: superblock 3 has a flag for "open for writing" (bit 0) and one for SWMR (bit 2). */
static bool is_marked_open(const unsigned char superblock[SUPERBLOCK_N])
{
    return superblock[8] == 3 && (superblock[11] & 5);
}

static int name_other_format(const char *path, int fd, struct error *err)
{
    static const struct {
        const char *magic, *what;
    } formats[] = {
        { "\037\213", "a gzip archive: unpack it" },
        { "PK\003\004", "a zip archive: unpack it" },
        { "SIMPLE  =", "a FITS file" },
        { "CDF", "a netCDF classic file" },
        { "\016\003\023\001", "an HDF4 file" },
        { "\223NUMPY", "a numpy file" },
    };
    char head[16] = "";

    if (pread(fd, head, sizeof(head), 0) < 0)
        return error_set(err, POLYPHONY_INPUT, "'%s' cannot be read: %s", path, strerror(errno));
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
        if (!memcmp(head, formats[i].magic, strlen(formats[i].magic)))
            return error_set(err, POLYPHONY_INPUT, "'%s' is not an HDF5 file but %s", path, formats[i].what);
    return error_set(err, POLYPHONY_INPUT, "'%s' is not an HDF5 file (it does not begin as one)", path);
}

/* HDF5 could not open it. */
static int explain(const char *path, int fd, off_t size, struct error *err)
{
    unsigned char superblock[SUPERBLOCK_N] = { 0 };
    off_t at = find_signature(fd);
    uint64_t stated, is;

    if (at < 0)
        return name_other_format(path, fd, err);
    is = (uint64_t)(size - at);
    if (pread(fd, superblock, sizeof(superblock), at) != (ssize_t)sizeof(superblock))
        return error_set(err, POLYPHONY_INPUT, "'%s' is truncated: it ends in its first bytes", path);
    stated = stated_bytes(superblock);
    if (is_marked_open(superblock))
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s' is marked as open for writing: a program still writes it, or ended without closing it. In the second case something may be missing; 'h5clear -s %s' takes the mark off",
            path, path);
    if (stated > is)
        return error_set(err, POLYPHONY_INPUT,
                         "'%s' is truncated: of its %llu bytes the last %llu are missing", path,
                         (unsigned long long)stated, (unsigned long long)(stated - is));
    return error_set(
        err, POLYPHONY_INPUT,
        "'%s' is a damaged HDF5 file, or of a newer version than is known here (h5dump says more)", path);
}

/* ---- opening ------------------------------------------------------------------------------------- */

static int open_raw(const char *path, int *ret_fd, struct stat *ret_stat, struct error *err)
{
    int fd;

    /* Before it is opened: a pipe would wait for somebody to write into it. */
    if (stat(path, ret_stat))
        return error_set(err, POLYPHONY_INPUT, "'%s': %s", path, strerror(errno));
    if (!S_ISREG(ret_stat->st_mode))
        return error_set(err, POLYPHONY_INPUT, "'%s' is %s, not an HDF5 file", path,
                         S_ISDIR(ret_stat->st_mode) ? "a directory" : "no regular file");
    if (ret_stat->st_size == 0)
        return error_set(err, POLYPHONY_INPUT, "'%s' is empty (0 bytes)", path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, POLYPHONY_INPUT, "'%s': %s", path, strerror(errno));
    *ret_fd = fd;
    return 0;
}

int io_hdf5_open(const char *path, hid_t *ret_id, int *ret_lock_fd, struct error *err)
{
    struct stat st;
    hid_t id;
    int fd = -1, r = open_raw(path, &fd, &st, err);

    if (r)
        return r;
    if (takes_locks && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK) {
        close(fd);
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s' is open for writing: another program has locked it; wait until that has ended, or close the file there",
            path);
    }
    id = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (id < 0)
        r = explain(path, fd, st.st_size, err);
    if (!r && ret_lock_fd)
        *ret_lock_fd = fd;
    else
        close(fd);
    if (!r)
        *ret_id = id;
    return r;
}
