/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What tests of files and messages need: a directory of their own that goes away when the program ends, and
 * looking for all the parts of a message at once.
 */
#pragma once

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char files_directory[64];

static inline int files_remove(const char *path, const struct stat *st, int type, struct FTW *place)
{
    (void)st;
    (void)type;
    (void)place;
    return remove(path);
}

static inline void files_clean(void)
{
    nftw(files_directory, files_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/** Path of a file in the test's own directory; good until 32 more were asked for. */
static inline const char *temp_path(const char *name)
{
    static char path[32][256];
    static unsigned i_next;
    char *next = path[i_next++ % 32];

    if (!*files_directory) {
        strcpy(files_directory, "/tmp/polyphony-test-XXXXXX");
        if (!mkdtemp(files_directory))
            fail_msg("no directory for temporary files: %s", files_directory);
        atexit(files_clean);
    }
    snprintf(next, sizeof(path[0]), "%s/%s", files_directory, name);
    return next;
}

/** `text` contains each of the parts, a list that ends with NULL. */
static inline void files_expect_parts(const char *text, ...)
{
    va_list parts;

    va_start(parts, text);
    for (const char *part = va_arg(parts, const char *); part; part = va_arg(parts, const char *))
        if (!strstr(text, part))
            fail_msg("'%s' does not say '%s'", text, part);
    va_end(parts);
}
#define EXPECT_PARTS(text, ...) files_expect_parts(text, __VA_ARGS__, (const char *)NULL)

/** Something that must not fail. */
#define EXPECT_OK(call, err)                                                                                 \
    do {                                                                                                     \
        if (call)                                                                                            \
            fail_msg("%s: %s", #call, (err).text);                                                           \
    } while (0)
