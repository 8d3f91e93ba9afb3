/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "polyphony/operations.h"

/* "(G, n_age, n_metallicity)": of galaxies first. */
static void print_shape(const struct product_kind *kind)
{
    static const char *const lengths[] = {
        [AXIS_LAMBDA] = "n_lambda", [AXIS_AGE] = "n_age",     [AXIS_METALLICITY] = "n_metallicity",
        [AXIS_GRID] = "n_axis",     [AXIS_LINE] = "n_line",   [AXIS_LABEL] = "n_label",
        [AXIS_FILTER] = "n_filter", [AXIS_PIXEL] = "n_pixel",
    };
    size_t i = 0;

    printf("(G,");
    for (; i < PRODUCT_AXES_MAX && kind->axis[i] != AXIS_NONE; i++) {
        printf("%s", i ? ", " : " ");
        if (kind->axis[i] == AXIS_VALUE)
            printf("%zu", kind->n_value);
        else
            printf("%s", lengths[kind->axis[i]]);
    }
    putchar(')');
}

static void print_row(const struct operation *operation, const struct product_kind *kind,
                      const struct product_view *view)
{
    const struct path_names names = { component_names[kind->component], "", "<label>", "<instrument>",
                                      "<filter>" };
    const char *key = operation->job.key;
    char path[PLAN_PATH_MAX], description[PLAN_PATH_MAX];

    product_path(view ? view->path : kind->path, &names, path);
    printf("| %s%s%s | `%s` | ", key ? "`" : "", key ? key : "always", key ? "`" : "", path);
    if (view)
        printf("(G,)");
    else
        print_shape(kind);
    product_path(view ? view->description : kind->description, &names, description);
    printf(" | %s | %s |\n", kind->units, description);
}

int cli_operations(int argc, char **argv, struct error *err)
{
    static const struct argp argp = {
        .doc =
            "List what a job can ask for, and the datasets that come of it, as a table: G galaxies, and a dataset for each label, instrument and filter that its path has a place for.\v" CLI_EXIT_CODES
    };

    cli_parse(&argp, argc, argv, NULL);
    puts("| operation | dataset | shape | unit | |\n|---|---|---|---|---|");
    for (const struct operation *const *operation = operation_list; *operation; operation++)
        for (size_t k = 0; k < OPERATION_KINDS_MAX && (*operation)->kind[k]; k++) {
            const struct product_kind *kind = (*operation)->kind[k];

            print_row(*operation, kind, NULL);
            for (size_t v = 0; v < PRODUCT_VIEWS_MAX && kind->view[v].path; v++)
                print_row(*operation, kind, &kind->view[v]);
        }
    return fflush(stdout) ? error_set(err, POLYPHONY_OUTPUT, "standard output cannot be written") : 0;
}
