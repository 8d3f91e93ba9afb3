/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * To be preloaded: rows of a results file take longer to write, and from a certain one on they wait for a file to
 * appear. A row is here what is written as its entry in Run/Ledger, whose values are in the file by then.
 *
 * HOLD_PATH    how the name of the results file ends
 * HOLD_AFTER   a process writes so many rows, then no further one until
 * HOLD_UNTIL   a file of this name exists; without these two it waits for nothing. While it waits there is a file with
 *              .<pid> behind that name
 * HOLD_ROW_S   seconds that each row takes more, of those after HOLD_AFTER
 */
#include <dlfcn.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_S 0.005

typedef ssize_t pwrite_function(int fd, const void *data, size_t n, off64_t offset);

/* struct ledger_entry of polyphony/results.h. */
struct entry {
    int32_t status, rank;
    uint64_t checksum;
    double seconds;
    char stage[32], reason[184];
    int32_t number[4];
};

static atomic_llong n_written; /* rows, by this process */

static bool is_the_file(int fd)
{
    const char *end = getenv("HOLD_PATH");
    char link[64], path[4096];
    ssize_t length;

    if (!end)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof(path) - 1);
    return length >= (ssize_t)strlen(end) && !strncmp(path + length - strlen(end), end, strlen(end));
}

/* Entries of rows that are done or set aside. */
static bool is_entries(const void *data, size_t n)
{
    static const char nothing[sizeof(((struct entry *)0)->reason)];
    struct entry entry;

    if (n == 0 || n % sizeof(entry))
        return false;
    memcpy(&entry, data, sizeof(entry));
    if (entry.rank < 0 || entry.rank > 10000 || !isfinite(entry.seconds) || entry.seconds < 0.0)
        return false;
    return entry.status == 2 ||
           (entry.status == 1 && entry.checksum && !memcmp(entry.reason, nothing, sizeof(nothing)) &&
            !memcmp(entry.stage, nothing, sizeof(entry.stage)));
}

static void sleep_s(double seconds)
{
    struct timespec pause = { (time_t)seconds, (long)((seconds - floor(seconds)) * 1e9) };

    while (nanosleep(&pause, &pause)) /* interrupted by a signal: the rest */
        ;
}

static void say_held(const char *until)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s.%d", until, (int)getpid());
    file = fopen(path, "w");
    if (file)
        fclose(file);
}

static void hold(size_t n_row)
{
    const char *row_s = getenv("HOLD_ROW_S"), *after = getenv("HOLD_AFTER"), *until = getenv("HOLD_UNTIL");
    bool is_free = after && until && atomic_load(&n_written) + (long long)n_row <= atoll(after);

    if (after && until && !is_free && access(until, F_OK)) {
        say_held(until);
        while (access(until, F_OK))
            sleep_s(POLL_S);
    }
    if (row_s && !is_free)
        sleep_s(atof(row_s) * (double)n_row);
    atomic_fetch_add(&n_written, (long long)n_row);
}

static ssize_t write_held(const char *name, int fd, const void *data, size_t n, int64_t offset)
{
    pwrite_function *next;

    *(void **)&next = dlsym(RTLD_NEXT, name);
    if (is_entries(data, n) && is_the_file(fd))
        hold(n / sizeof(struct entry));
    return next(fd, data, n, offset);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
    return write_held("pwrite", fd, data, n, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset)
{
    return write_held("pwrite64", fd, data, n, offset);
}
