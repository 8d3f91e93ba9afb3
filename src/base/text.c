/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/base.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 64

/* Levenshtein distance by one row of the usual table. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t n_a = strlen(a), n_b = strlen(b);

    if (n_a > WORD_MAX || n_b > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            size_t shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];

            diagonal = row[j];
            row[j] = replace < shorter + 1 ? replace : shorter + 1;
        }
    }
    return row[n_b];
}

const char *text_nearest(const char *word, const char *const *names, size_t n)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < n; i++) {
        size_t distance = edit_distance(word, names[i]);

        /* "inoue" is meant to be "inoue14", though "none" is as near. */
        if (strlen(word) > 2 && !strncasecmp(word, names[i], strlen(word)))
            return names[i];

        if (distance < least) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest && least <= 1 + strlen(nearest) / 3 ? nearest : NULL;
}

struct meant text_meant(const char *word, const char *const *names, size_t n)
{
    const char *nearest = text_nearest(word, names, n);
    struct meant meant = { "" };

    if (nearest)
        text_format(meant.text, sizeof(meant.text), " (did you mean '%.100s'?)", nearest);
    return meant;
}

bool text_format(char *dst, size_t size, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(dst, size, format, args);
    va_end(args);
    return n >= 0 && (size_t)n < size;
}

bool text_to_double(const char *text, double *ret_value)
{
    char *end = NULL;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return false;
    *ret_value = value;
    return true;
}

bool text_to_int64(const char *text, int64_t *ret_value)
{
    char *end = NULL;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (end == text || *end || errno)
        return false;
    *ret_value = value;
    return true;
}
