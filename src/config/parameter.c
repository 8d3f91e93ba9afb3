/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/parameters.h"

#include <string.h>

size_t parameter_count(void)
{
    size_t n = 0;

    while (parameter_rows[n])
        n++;
    return n;
}

size_t parameter_find(const char *name)
{
    for (size_t p = 0; parameter_rows[p]; p++)
        if (!strcmp(parameter_rows[p]->name, name))
            return p;
    return PARAMETER_MAX;
}
