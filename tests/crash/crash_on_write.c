/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * To be preloaded: a process that writes to a certain place of a certain file dies of a signal instead.
 *
 * CRASH_PATH    how the name of the file ends
 * CRASH_OFFSET  first byte of a number (double) there; a write that covers it is the one, unless of NaN: so
 * are values of galaxies that are set aside, which is no part of their computation CRASH_SIGNAL  number of
 * the signal
 */
#include <dlfcn.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef ssize_t pwrite_function(int fd, const void *data, size_t n, off64_t offset);

static bool is_the_one(int fd, const char *data, size_t n, int64_t offset)
{
    const char *end = getenv("CRASH_PATH"), *place = getenv("CRASH_OFFSET");
    char link[64], path[4096];
    ssize_t length;
    int64_t crash_offset;
    double value;

    if (!end || !place)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof(path) - 1);
    if (length < (ssize_t)strlen(end) || strncmp(path + length - strlen(end), end, strlen(end)))
        return false;
    crash_offset = strtoll(place, NULL, 10);
    if (offset > crash_offset || crash_offset + (int64_t)sizeof(value) > offset + (int64_t)n)
        return false;
    memcpy(&value, data + (crash_offset - offset), sizeof(value));
    return !isnan(value);
}

static ssize_t write_or_die(const char *name, int fd, const void *data, size_t n, int64_t offset)
{
    const char *number = getenv("CRASH_SIGNAL");
    pwrite_function *next;

    if (is_the_one(fd, data, n, offset))
        kill(getpid(), number ? atoi(number) : SIGSEGV);
    *(void **)&next = dlsym(RTLD_NEXT, name);
    return next(fd, data, n, offset);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
    return write_or_die("pwrite", fd, data, n, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset)
{
    return write_or_die("pwrite64", fd, data, n, offset);
}
