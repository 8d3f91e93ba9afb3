/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * To be preloaded: a process that writes to, or reads from, a certain place of a certain file dies of a
 * signal instead.
 *
 * CRASH_PATH    how the name of the file ends
 * CRASH_OFFSET  first byte of a number (double) there; a call that covers it is the one, unless it writes
 * NaN: so are values of galaxies that are set aside, which is no part of their computation CRASH_CALL
 * "write": the signal comes to the process, as from outside; "read": to the thread that reads, and SIGSEGV as
 * a fault of its own CRASH_SIGNAL  number of the signal
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

typedef ssize_t pread_function(int fd, void *data, size_t n, off64_t offset);
typedef ssize_t pwrite_function(int fd, const void *data, size_t n, off64_t offset);

/* *ret_at: where in the n bytes from `offset` on the number is. */
static bool is_the_one(const char *call, int fd, size_t n, int64_t offset, int64_t *ret_at)
{
    const char *end = getenv("CRASH_PATH"), *place = getenv("CRASH_OFFSET"), *wanted = getenv("CRASH_CALL");
    char link[64], path[4096];
    ssize_t length;

    if (!end || !place || !wanted || strcmp(wanted, call))
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof(path) - 1);
    if (length < (ssize_t)strlen(end) || strncmp(path + length - strlen(end), end, strlen(end)))
        return false;
    *ret_at = strtoll(place, NULL, 10) - offset;
    return *ret_at >= 0 && *ret_at + (int64_t)sizeof(double) <= (int64_t)n;
}

static int signal_number(void)
{
    const char *number = getenv("CRASH_SIGNAL");

    return number ? atoi(number) : SIGSEGV;
}

static ssize_t write_or_die(const char *name, int fd, const char *data, size_t n, int64_t offset)
{
    pwrite_function *next;
    double value = NAN;
    int64_t at;

    if (is_the_one("write", fd, n, offset, &at))
        memcpy(&value, data + at, sizeof(value));
    if (!isnan(value))
        kill(getpid(), signal_number());
    *(void **)&next = dlsym(RTLD_NEXT, name);
    return next(fd, data, n, offset);
}

static ssize_t read_or_die(const char *name, int fd, void *data, size_t n, int64_t offset)
{
    int *volatile nowhere = NULL;
    pread_function *next;
    int64_t at;

    if (is_the_one("read", fd, n, offset, &at)) {
        if (signal_number() == SIGSEGV)
            *nowhere = 1;
        raise(signal_number());
    }
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

ssize_t pread(int fd, void *data, size_t n, off_t offset)
{
    return read_or_die("pread", fd, data, n, offset);
}

ssize_t pread64(int fd, void *data, size_t n, off64_t offset)
{
    return read_or_die("pread64", fd, data, n, offset);
}
