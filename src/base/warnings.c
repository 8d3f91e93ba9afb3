/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/base.h"

#include <stdio.h>
#include <string.h>

void warnings_add(struct warnings *warnings, const char *format, ...)
{
    char text[sizeof(warnings->text[0])];
    va_list args;

    if (!warnings || warnings->n == WARNINGS_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (size_t i = 0; i < warnings->n; i++)
        if (!strcmp(warnings->text[i], text))
            return;
    memcpy(warnings->text[warnings->n++], text, sizeof(text));
}

void warnings_gather(struct warnings *warnings, const struct warnings *more)
{
    for (size_t i = 0; i < more->n; i++)
        warnings_add(warnings, "%s", more->text[i]);
}
