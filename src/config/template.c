/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The commented job file: what `polyphony init` prints, and the only source of default values. Keys whose
 * value is an example and not a default are marked SCHEMA_NO_DEFAULT in the schema, or are required there. The
 * lines of parameters and operations come in the places that template.yaml has for them.
 */
#include "polyphony/config.h"

#include <stdio.h>
#include <string.h>

#include "template_yaml.h"

/* Where comments begin. */
#define COMMENT_COLUMN 28

/* "  key: value   # comment", whose further lines stand below. */
static void print_parameter(FILE *out, const struct parameter_row *row)
{
    const char *line = row->description;
    int begun = fprintf(out, "  %s: %s", row->name, row->fallback);

    for (; *line; begun = 0) {
        size_t n = strcspn(line, "\n");

        fprintf(out, "%*s# %.*s\n", COMMENT_COLUMN - begun, "", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

/* From `text` to a place that it has; what follows the place. */
static const char *print_until(FILE *out, const char *text, const char *place)
{
    const char *at = strstr(text, place);

    fwrite(text, 1, (size_t)(at - text), out);
    return at + strlen(place);
}

char *job_template(const struct job_operation *const *operations)
{
    const char *rest = template_yaml;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    rest = print_until(out, rest, "  # <parameters>\n");
    for (size_t p = 0; p < parameter_count(); p++)
        print_parameter(out, parameter_rows[p]);
    rest = print_until(out, rest, "  # <operations>\n");
    for (size_t i = 0; operations[i]; i++)
        fputs(operations[i]->template_lines, out);
    fputs(rest, out);
    return fclose(out) ? NULL : text;
}
