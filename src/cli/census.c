/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "census.h"

#include <math.h>
#include <string.h>

#include "polyphony/results.h"

void census_print(const struct census_sum *sum, const char *const axis_name[CENSUS_AXES_MAX],
                  const char *indent, const char *warning, FILE *to)
{
    char text[CENSUS_TEXT_MAX];

    for (size_t i = 0; i < CENSUS_N_FIGURE; i++)
        if (census_describe(sum, axis_name, (enum census_figure)i, text))
            printf("%s%s\n", indent, text);
    if (sum->n_empty)
        printf("%s%llu galaxies without stars\n", indent, (unsigned long long)sum->n_empty);
    fflush(stdout);
    for (size_t i = 0; census_warn(sum, axis_name, i, text); i++)
        fprintf(to, "%s%s\n", warning, text);
}

void census_print_results(const char *path, const struct job *job, FILE *to)
{
    struct census_limits limits;
    struct results_census census;
    struct error err = { "" };
    bool has_limits = job && census_limits_of(job, &limits);

    if (results_sum_census(path, has_limits ? &limits : NULL, &census, &err)) {
        fprintf(to, "warning: the census cannot be read: %s\n", err.text);
        return;
    }
    if (!census.is_there || census.sum.n_galaxy == 0)
        return;
    printf("census of the %llu galaxies that are done\n", (unsigned long long)census.sum.n_galaxy);
    census_print(&census.sum, census.axis, "  ", "warning: ", to);
}

void census_print_filters(const struct plan *plan)
{
    const char *title = "filters     ";

    for (size_t i = 0; i < plan->n_instrument; i++)
        for (size_t f = 0; f < plan->instrument[i].n_filter; f++) {
            struct filter_look look;

            if (!plan_look_at_filter(plan, i, f, &look))
                continue;
            printf("%s%s: pivot %.5g, %.5g to %.5g angstrom, %.3g %% of it off the grid\n", title,
                   plan->instrument[i].filter[f].code, look.pivot_angstrom, look.low_angstrom,
                   look.high_angstrom, 100.0 * fmax(look.off_grid[BAND_REST], look.off_grid[BAND_OBSERVED]));
            title = "            ";
        }
}
