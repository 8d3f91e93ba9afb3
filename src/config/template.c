/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The commented job file: what `polyphony init` prints, and the only source of default values. Keys whose
 * value is an example and not a default are marked SCHEMA_NO_DEFAULT in the schema, or are required there. The
 * operations' lines come in the place that template.yaml has for them.
 */
#include "polyphony/config.h"

#include <stdio.h>
#include <string.h>

#include "template_yaml.h"

#define PLACE "  # <operations>\n"

char *job_template(const struct job_operation *const *operations)
{
    const char *place = strstr(template_yaml, PLACE);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    fwrite(template_yaml, 1, (size_t)(place - template_yaml), out);
    for (size_t i = 0; operations[i]; i++)
        fputs(operations[i]->template_lines, out);
    fputs(place + strlen(PLACE), out);
    return fclose(out) ? NULL : text;
}
