/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stars placed on the grid and weighted by the emission model, for all operations that need light. */
#include "polyphony/work.h"

#include <string.h>

static bool is_needed(const struct plan *plan)
{
    return plan->needs_light;
}

static int place_stars(struct work *w, struct error *err)
{
    struct observe_parameter parameter[PARAMETER_MAX];

    plan_parameters(w->plan, &w->galaxy, w->star_tau, parameter);
    if (!w->is_grouped)
        arena_reset(w->tile_arena);
    return observe_light_place(&w->light, &w->galaxy, parameter, w->tile_arena, err);
}

static int weigh_tile(struct work *w, const struct step *step, struct error *err)
{
    const struct plan *plan = w->plan;
    int r = 0;

    (void)step;
    if (w->i_tile == 0) {
        w->light = (struct stellar_light) { .program = &plan->program,
                                            .grid = plan->grid,
                                            .scheme = plan->scheme,
                                            .tolerance = plan->dust_tolerance };
        memcpy(w->light.axis_parameter, plan->axis_parameter, sizeof(plan->axis_parameter));
        r = observe_light_begin(&w->light, w->arena, err);
    }
    if (!r)
        r = place_stars(w, err);
    if (!r)
        observe_light_add(&w->light);
    return r;
}

static int weigh_all(struct work *w, const struct step *step, struct error *err)
{
    (void)step;
    return observe_light_end(&w->light, w->arena, err);
}

static int weigh_again(struct work *w, const struct step *step, struct error *err)
{
    (void)step;
    return work_is_in_tiles(w) ? place_stars(w, err) : 0;
}

const struct operation operation_grid_weights = {
    .stage = "Grid weights",
    .runs = is_needed,
    .run = { weigh_tile, weigh_all, weigh_again, NULL },
};
