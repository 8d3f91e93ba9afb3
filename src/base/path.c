/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_LINK_MAX 40 /* as Linux follows */

/* Where a relative target of the link at `path` counts from: "a/b" and "c" give "a/c". */
static bool beside(const char *path, const char *target, char *ret_path, size_t size)
{
    const char *slash = *target == '/' ? NULL : strrchr(path, '/');
    int n = slash ? (int)(slash + 1 - path) : 0;

    return text_format(ret_path, size, "%.*s%s", n, path, target);
}

char *path_follow(const char *path, struct error *err)
{
    char here[PATH_BYTES_MAX], next[PATH_BYTES_MAX], target[PATH_BYTES_MAX];
    ssize_t n;

    if (!text_format(here, sizeof(here), "%s", path)) {
        error_set(err, POLYPHONY_OUTPUT, "'%.200s…': path too long", path);
        return NULL;
    }
    for (int i = 0; i < N_LINK_MAX; i++) {
        n = readlink(here, target, sizeof(target) - 1);
        if (n < 0) /* no link, or nothing there yet */
            return mem_text(here);
        target[n] = '\0';
        if ((size_t)n == sizeof(target) - 1 || !beside(here, target, next, sizeof(next))) {
            error_set(err, POLYPHONY_OUTPUT, "'%s': the link leads to a path that is too long", path);
            return NULL;
        }
        memcpy(here, next, sizeof(here));
    }
    error_set(err, POLYPHONY_OUTPUT, "'%s': %s", path, strerror(ELOOP));
    return NULL;
}

const char *path_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

const char *failure_text(int number)
{
    if (number == EFBIG)
        return "File too large (ulimit -f, or more than this file system can hold)";
    return strerror(number);
}
