/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/observe.h"

#include <math.h>

/* log10 of n values, in the arena. */
static const double *log10_of(size_t n, const double *value, struct arena *arena, struct error *err)
{
    double *log10_value = arena_array(arena, n, sizeof(*log10_value));

    if (!log10_value) {
        error_set(err, POLYPHONY_INTERNAL, "no memory for the histories of %zu stars", n);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        log10_value[i] = log10(value[i]);
    return log10_value;
}

int observe_sfh(const struct grid *grid, enum weights_scheme scheme, const struct galaxy *galaxy,
                double *ret_sfh_msun, struct arena *arena, struct error *err)
{
    const struct axis_nodes axis = { grid->n_age, grid->log10_age };
    struct arena_mark mark = arena_mark(arena);
    const double *age = log10_of(galaxy->n_star, galaxy->star_age_yr, arena, err);

    if (!age)
        return POLYPHONY_INTERNAL;
    weights_histogram_axis(&axis, scheme, galaxy->n_star, age, galaxy->star_mass_msun, ret_sfh_msun);
    arena_release(arena, mark);
    return 0;
}

int observe_sfzh(const struct grid *grid, enum weights_scheme scheme, const struct galaxy *galaxy,
                 double *ret_sfzh_msun, struct arena *arena, struct error *err)
{
    const struct axis_nodes axes[2] = { { grid->n_age, grid->log10_age },
                                        { grid->n_metallicity, grid->log10_metallicity } };
    struct arena_mark mark = arena_mark(arena);
    const double *age = log10_of(galaxy->n_star, galaxy->star_age_yr, arena, err);
    const double *metallicity = age ? log10_of(galaxy->n_star, galaxy->star_metallicity, arena, err) : NULL;
    struct weights weights = { .cell = arena_array(arena, galaxy->n_star, sizeof(*weights.cell)),
                               .share = arena_array(arena, galaxy->n_star, sizeof(*weights.share)) };

    if (!metallicity || !weights.cell || !weights.share)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for the histories of %zu stars", galaxy->n_star);
    weights_assign(axes, scheme, galaxy->n_star, age, metallicity, &weights);
    weights_histogram(&weights, galaxy->star_mass_msun, grid->n_cell, ret_sfzh_msun);
    arena_release(arena, mark);
    return 0;
}
