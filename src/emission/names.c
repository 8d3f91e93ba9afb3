/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "emission_private.h"

#include <string.h>

int emission_unknown(const char *what, const char *word, const void *const *rows, struct error *err)
{
    enum { NAMES_MAX = 64 };
    const char *names[NAMES_MAX] = { NULL };
    char list[512] = "";
    size_t n = 0;

    for (; rows[n] && n < NAMES_MAX; n++) {
        size_t used = strlen(list);

        names[n] = *(const char *const *)rows[n];
        text_format(list + used, sizeof(list) - used, "%s%s", n ? ", " : "", names[n]);
    }
    return error_set(err, POLYPHONY_USAGE, "unknown %s '%.100s'%s: use one of %s", what, word,
                     text_meant(word, names, n).text, list);
}
