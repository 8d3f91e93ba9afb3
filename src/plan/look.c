/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/plan.h"

/* As much of the galaxy as may be read. */
static int read_some(const struct plan *plan, uint64_t row, uint64_t n_byte_most, struct arena *arena,
                     struct look *look, struct error *err)
{
    struct catalogue *catalogue = plan->catalogue;
    uint64_t n_all = catalogue->n_particle[plan->tiled][row],
             around_bytes = catalogue_around_bytes(catalogue, plan->tiled, row);
    uint64_t of_particle = catalogue_particle_bytes(catalogue, plan->tiled), n_most;
    bool with_around = around_bytes <= n_byte_most / 2;
    struct galaxy *galaxy = &look->galaxy;
    double sum_kpc[3] = { 0 };
    int r;

    *galaxy = (struct galaxy) { .row = row, .id = catalogue->id[row] };
    n_most = (n_byte_most - (with_around ? around_bytes : 0)) / of_particle;
    r = catalogue_read_tile(catalogue, row, plan->tiled, 0, n_all < n_most ? n_all : n_most,
                            with_around ? arena : NULL, arena, galaxy, err);
    galaxy->redshift = plan_redshift(plan, row);
    look->n_byte = (with_around ? around_bytes : 0) + of_particle * galaxy->particles[plan->tiled].n;
    look->n_rounded = galaxy->n_rounded;
    look->has_gas = with_around;
    look->is_whole = galaxy->particles[STARS].n == catalogue->n_particle[STARS][row];
    if (r || !look->is_whole)
        return r;
    catalogue_add_centre(galaxy, sum_kpc);
    return catalogue_set_centre(catalogue, sum_kpc, galaxy, err);
}

int plan_look(const struct plan *plan, uint64_t row, uint64_t n_byte_most, struct arena *arena,
              struct look *ret_look, struct error *err)
{
    struct observe_parameter parameter[PARAMETER_MAX];
    struct distances distances;
    struct galaxy *galaxy = &ret_look->galaxy;
    int r = read_some(plan, row, n_byte_most, arena, ret_look, err);

    ret_look->arcsec_per_kpc = 0.0;
    if (!r && plan->needs_observer) {
        if (cosmology_distances(&plan->cosmology, galaxy->redshift, &distances, err))
            return error_prefix(err, POLYPHONY_SET_ASIDE, "galaxy %lld", (long long)galaxy->id);
        ret_look->arcsec_per_kpc = distances.arcsec_per_kpc;
    }
    if (r || !plan->needs_light)
        return r;
    for (size_t e = 0; !r && e < plan->n_emitter; e++) {
        plan_parameters(plan, &plan->emitter[e], galaxy, NULL, parameter);
        r = observe_parameters_check(plan->emitter[e].program, galaxy, plan->emitter[e].component, parameter,
                                     err);
    }
    return r;
}
