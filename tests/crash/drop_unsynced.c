/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * To be preloaded: keep, beside a file that is written, what of it would be on disk if the power was cut now.
 *
 * SHADOW_OF    how the name of the file ends
 * SHADOW       another path: there is the content that the file had when the last fsync() or fdatasync() of any
 *              process began, whole; not there: it was never synced
 * SHADOW_LOCK  a file that the processes lock meanwhile, so that a later sync is not followed by an earlier one
 * SLOW_US      each request to write to the file takes so much longer
 *
 * What is written after a sync began may be on disk or not, page by page: that is for the test to draw.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef ssize_t pwrite_function(int fd, const void *data, size_t n, off64_t offset);
typedef int sync_function(int fd);

static bool is_the_file(int fd)
{
    const char *end = getenv("SHADOW_OF");
    char link[64], path[4096];
    ssize_t length;

    if (!end)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof(path) - 1);
    return length >= (ssize_t)strlen(end) && !strncmp(path + length - strlen(end), end, strlen(end));
}

/* All bytes from one file to another; false: the test has no shadow, and will see that. */
static bool copy(const char *from, const char *to)
{
    static char bytes[1 << 20];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n = in < 0 || out < 0 ? -1 : 1;

    while (n > 0 && (n = read(in, bytes, sizeof(bytes))) > 0)
        if (write(out, bytes, (size_t)n) != n)
            n = -1;
    close(in);
    close(out);
    return n == 0;
}

static int sync_or_keep(const char *name, int fd)
{
    const char *shadow = getenv("SHADOW"), *lock = getenv("SHADOW_LOCK");
    char partial[4096], link[64];
    sync_function *next;
    int lock_fd;

    *(void **)&next = dlsym(RTLD_NEXT, name);
    if (!shadow || !lock || !is_the_file(fd))
        return next(fd);
    lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    flock(lock_fd, LOCK_EX);
    snprintf(partial, sizeof(partial), "%s.partial", shadow);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (copy(link, partial))
        rename(partial, shadow);
    close(lock_fd);
    return 0;
}

int fsync(int fd)
{
    return sync_or_keep("fsync", fd);
}

int fdatasync(int fd)
{
    return sync_or_keep("fdatasync", fd);
}

static ssize_t write_slowly(const char *name, int fd, const void *data, size_t n, int64_t offset)
{
    const char *slow_us = getenv("SLOW_US");
    pwrite_function *next;

    *(void **)&next = dlsym(RTLD_NEXT, name);
    if (slow_us && is_the_file(fd))
        usleep((useconds_t)atoi(slow_us));
    return next(fd, data, n, offset);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
    return write_slowly("pwrite", fd, data, n, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset)
{
    return write_slowly("pwrite64", fd, data, n, offset);
}
