/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/config.h"
#include "polyphony/dust_curve.h"
#include "polyphony/emission.h"
#include "polyphony/igm.h"
#include "polyphony/operations.h"

/* Where comments begin, and the most columns that their lists of names take. */
enum { COMMENT_COLUMN = 28, WIDTH = 104 };

/* "a | b | c", of a table whose rows begin with their names. */
static void print_names(const void *const *rows)
{
    size_t column = COMMENT_COLUMN + 2;

    for (; *rows; rows++) {
        const char *name = *(const char *const *)*rows, *separator = rows[1] ? " |" : "";
        size_t n = strlen(name) + strlen(separator);

        if (column + n > WIDTH) {
            printf("\n%*s# ", COMMENT_COLUMN, "");
            column = COMMENT_COLUMN + 2;
        }
        printf("%s%s%s", column > COMMENT_COLUMN + 2 ? " " : "", name, separator);
        column += n + 1;
    }
}

int cli_init(int argc, char **argv, struct error *err)
{
    static const struct argp argp = {
        .doc =
            "Print a commented job file, with all keys and their defaults, to standard output.\v" CLI_EXIT_CODES
    };
    static const struct {
        const char *mark;
        const void *const *rows;
    } lists[] = { { "@models@", (const void *const *)emission_models },
                  { "@dust_curves@", (const void *const *)dust_curve_rows },
                  { "@igm@", (const void *const *)igm_rows } };
    char *template;
    const char *text, *end;
    int r = 0;

    cli_parse(&argp, argc, argv, NULL);
    text = template = job_template(job_operation_list);
    if (!text)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for the template");
    for (; (end = strchr(text, '@')); text = end) {
        printf("%.*s", (int)(end - text), text);
        for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
            if (!strncmp(end, lists[i].mark, strlen(lists[i].mark))) {
                print_names(lists[i].rows);
                end += strlen(lists[i].mark);
            }
    }
    if (fputs(text, stdout) == EOF || fflush(stdout))
        r = error_set(err, POLYPHONY_OUTPUT, "standard output cannot be written");
    free(template);
    return r;
}
