/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Particles that shine placed on the grid and weighted by the emission model, for all operations that need light. */
#include "polyphony/work.h"

#include <string.h>

static bool is_needed(const struct plan *plan)
{
    return plan->needs_light;
}

/* Of the first emitter: the tile before is not needed any more. */
static int place_particles(struct work *w, const struct step *step, struct error *err)
{
    struct observe_parameter parameter[PARAMETER_MAX];

    plan_parameters(w->plan, step->emitter, &w->galaxy, w->tau[step->emitter->component], parameter);
    if (!w->is_grouped && step->emitter->i == 0)
        arena_reset(w->tile_arena);
    return observe_light_place(work_light(w, step), &w->galaxy, parameter, w->tile_arena, err);
}

static int weigh_tile(struct work *w, const struct step *step, struct error *err)
{
    const struct plan *plan = w->plan;
    struct stellar_light *light = work_light(w, step);
    int r = 0;

    if (w->i_tile == 0) {
        *light = (struct stellar_light) { .component = step->emitter->component,
                                          .weight = step->emitter->weight,
                                          .program = step->emitter->program,
                                          .grid = plan->grid,
                                          .scheme = plan->scheme,
                                          .tolerance = plan->dust_tolerance };
        memcpy(light->axis_parameter, plan->axis_parameter, sizeof(plan->axis_parameter));
        r = observe_light_begin(light, w->arena, err);
    }
    if (!r)
        r = place_particles(w, step, err);
    if (!r)
        observe_light_add(light);
    return r;
}

static int weigh_all(struct work *w, const struct step *step, struct error *err)
{
    return observe_light_end(work_light(w, step), w->arena, err);
}

static int weigh_again(struct work *w, const struct step *step, struct error *err)
{
    return work_is_in_tiles(w) ? place_particles(w, step, err) : 0;
}

const struct operation operation_grid_weights = {
    .stage = "Grid weights",
    .needs = NEEDS_LIGHT,
    .runs = is_needed,
    .run = { weigh_tile, weigh_all, weigh_again, NULL },
};
