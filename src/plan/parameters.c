/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/plan.h"

void plan_parameters(const struct plan *plan, const struct emitter *emitter, const struct galaxy *galaxy,
                     const double *tau, struct observe_parameter ret_parameter[PARAMETER_MAX])
{
    const struct particles *particles = &galaxy->particles[emitter->component];

    for (size_t i = 0; i < parameter_count(); i++) {
        struct observe_parameter *parameter = &ret_parameter[i];
        size_t c = plan->parameter[i].i_catalogue;

        *parameter = (struct observe_parameter) { .value = plan->parameter[i].value,
                                                  .source = plan->job->emission.parameter[i] };
        if (plan->parameter[i].is_los && tau)
            parameter->particle = tau + particles->first;
        if (plan->parameter[i].is_catalogue) {
            parameter->value = galaxy->parameter[c];
            parameter->particle = particles->field[FIELD_PARAMETER + c];
        }
    }
}

uint64_t plan_count_shining(const struct plan *plan, uint64_t row)
{
    uint64_t n = 0;

    for (size_t e = 0; e < plan->n_emitter; e++)
        n += plan->catalogue->n_particle[plan->emitter[e].component][row];
    return n;
}
