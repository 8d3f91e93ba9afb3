/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/plan.h"

void plan_parameters(const struct plan *plan, const struct galaxy *galaxy, const double *star_tau,
                     struct observe_parameter ret_parameter[PARAMETER_MAX])
{
    for (size_t i = 0; i < parameter_count(); i++) {
        struct observe_parameter *parameter = &ret_parameter[i];
        size_t c = plan->parameter[i].i_catalogue;

        *parameter = (struct observe_parameter) { .value = plan->parameter[i].value,
                                                  .source = plan->job->emission.parameter[i] };
        if (plan->parameter[i].is_los && star_tau)
            parameter->particle = star_tau + galaxy->particles[STARS].first;
        if (plan->parameter[i].is_catalogue) {
            parameter->value = galaxy->parameter[c];
            parameter->particle = galaxy->particles[STARS].field[FIELD_PARAMETER + c];
        }
    }
}
