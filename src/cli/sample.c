/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sample.h"

#include <stdio.h>

#include "census.h"
#include "cli.h"

#define N_SAMPLE     64
#define SAMPLE_BYTES ((uint64_t)64 << 20) /* of all */
#define GALAXY_BYTES ((uint64_t)16 << 20) /* of one: of a larger one the first of its particles */
#define N_SHOWN      4

uint64_t sample_costliest(const struct plan *plan)
{
    double cost_s[COST_N_TERM];
    uint64_t largest = 0;

    plan_cost_guess(plan, 1, cost_s);
    for (uint64_t row = 1; row < plan->catalogue->n_galaxy; row++)
        if (plan_cost_s(plan, row, cost_s) > plan_cost_s(plan, largest, cost_s))
            largest = row;
    return largest;
}

struct sample {
    const struct plan *plan;
    struct arena arena;
    uint64_t n_byte, n_rounded;
    size_t n, n_aside, n_rounded_galaxy;
    bool is_all;
    bool has_census;
    struct census_sum census;
};

/* 0 also where the galaxy would be set aside. */
static int look_at(struct sample *sample, uint64_t row, struct error *err)
{
    uint64_t left = sample->is_all ? UINT64_MAX : SAMPLE_BYTES - sample->n_byte;
    uint64_t most = sample->is_all || left < GALAXY_BYTES ? left : GALAXY_BYTES;
    struct census_figures figures;
    struct look look = { 0 };
    struct error why = { "" };
    int r;

    arena_reset(&sample->arena);
    r = plan_look(sample->plan, row, most, &sample->arena, &look, &why);
    if (r < 0) {
        *err = why;
        return r;
    }
    sample->n++;
    sample->n_byte += look.n_byte < left ? look.n_byte : left;
    sample->n_rounded += r ? 0 : look.n_rounded;
    sample->n_rounded_galaxy += !r && look.n_rounded > 0;
    if (!r && sample->has_census) {
        census_look(sample->plan, &look, &figures);
        census_sum_add(&sample->census, &figures);
    }
    if (r && sample->n_aside++ < N_SHOWN)
        printf("warning     a galaxy would be set aside: %s\n", why.text);
    return 0;
}

static void print_census(const struct sample *sample)
{
    const struct plan *plan = sample->plan;
    const struct census_axes axes = census_axes_of(plan->grid, plan->axis_parameter);

    if (!sample->has_census || sample->census.n_galaxy == 0)
        return;
    printf("census      of the %llu galaxies looked at that are well%s\n",
           (unsigned long long)sample->census.n_galaxy,
           sample->is_all || sample->n == plan->catalogue->n_galaxy ? "" : " (--all looks at all of them)");
    census_print(&sample->census, axes.name, "            ", "warning     ", stdout);
}

static void print_sum(const struct sample *sample)
{
    char bytes[24];

    if (sample->n_aside > N_SHOWN)
        printf("warning     and %zu more of those that were looked at\n", sample->n_aside - N_SHOWN);
    if (sample->n_rounded)
        printf("warning     %llu values of %zu galaxies looked at are slightly below 0 and are taken as 0\n",
               (unsigned long long)sample->n_rounded, sample->n_rounded_galaxy);
    cli_format_bytes((double)sample->n_byte, bytes);
    printf("looked at   %zu of %zu galaxies (%s of particles): %zu would be set aside\n", sample->n,
           sample->plan->catalogue->n_galaxy, bytes, sample->n_aside);
}

int sample_check(const struct plan *plan, bool is_all, struct error *err)
{
    struct sample sample = { .plan = plan, .is_all = is_all };
    uint64_t n_galaxy = plan->catalogue->n_galaxy, costliest;
    uint64_t n = n_galaxy < N_SAMPLE || is_all ? n_galaxy : N_SAMPLE;
    struct census_limits limits = { 0 };
    int r;

    if (n_galaxy == 0)
        return 0;
    sample.has_census = census_limits_of(plan->job, &limits);
    census_sum_begin(&sample.census, &limits, !plan->redshift_is_given);
    sample.census.is_look = true;
    costliest = sample_costliest(plan);
    r = look_at(&sample, costliest, err);
    for (uint64_t k = 0; !r && k < n && (is_all || sample.n_byte < SAMPLE_BYTES); k++) {
        uint64_t i = (k + n - 1) % n; /* the last is the first of them */
        uint64_t row = n > 1 ? i * ((n_galaxy - 1) / (n - 1)) + i * ((n_galaxy - 1) % (n - 1)) / (n - 1) : 0;

        if (row != costliest)
            r = look_at(&sample, row, err);
    }
    arena_free(&sample.arena);
    if (!r) {
        print_sum(&sample);
        print_census(&sample);
    }
    return r;
}
