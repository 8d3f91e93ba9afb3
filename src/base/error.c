/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/base.h"

#include <stdio.h>
#include <string.h>

int error_set(struct error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;

        va_start(args, format);
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
    }
    return code;
}

int error_prefix(struct error *err, int code, const char *format, ...)
{
    if (err) {
        char text[sizeof(err->text)];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (n > 0 && (size_t)n < sizeof(text) - 2)
            snprintf(text + n, sizeof(text) - (size_t)n, ": %.*s", (int)(sizeof(text) - (size_t)n - 3),
                     err->text);
        memcpy(err->text, text, sizeof(text));
    }
    return code;
}
