/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a catalogue says of the model and a job does not ask for: the user may think that it is used. */
#include "plan_private.h"

#include <math.h>
#include <string.h>

/* Keys that catalogues have values of; the first are in the order of enum emission_parameter. */
static const struct {
    const char *name, *key;
    enum emission_parameter parameter; /* without which it changes nothing */
} keys[] = {
    { "tau_v", "emission.tau_v", EMISSION_TAU_V },
    { "fesc", "emission.fesc", EMISSION_FESC },
    { "fesc_ly_alpha", "emission.fesc_ly_alpha", EMISSION_FESC_LY_ALPHA },
    { "dust_slope", "emission.dust_slope", EMISSION_TAU_V },
};
#define N_KEY (sizeof(keys) / sizeof(*keys))
_Static_assert(N_KEY <= CATALOGUE_PARAMETER_MAX, "each may be in the catalogue");

void plan_list_defaulted(const struct plan *plan, struct catalogue_needs *needs)
{
    for (size_t i = 0; i < N_KEY; i++)
        if (!job_given(plan->job, keys[i].key))
            needs->defaulted[needs->n_defaulted++] = keys[i].name;
}

static void warn_defaulted(struct plan *plan, size_t i_key, const struct catalogue_range *range)
{
    bool is_parameter = i_key < EMISSION_N_PARAMETER;
    double value = is_parameter ? plan->parameter[i_key].value : (double)NAN;
    const char *name = strchr(range->path, '/') + 1;

    if (range->least == value && range->most == value)
        return;
    if (is_parameter)
        warnings_add(
            &plan->warnings,
            "'%.100s' has '%.60s' (%g to %g), which the job does not use: %s is %g for all by default; give '%s: %.50s', or a number",
            plan->job->catalogue, range->path, range->least, range->most, keys[i_key].key, value,
            keys[i_key].name, name);
    else
        warnings_add(
            &plan->warnings,
            "'%.100s' has '%.60s' (%g to %g), which is not used: %s is one number for all galaxies, the dust curve's own by default",
            plan->job->catalogue, range->path, range->least, range->most, keys[i_key].key);
}

void plan_warn_unused_data(struct plan *plan)
{
    const struct catalogue *catalogue = plan->catalogue;
    size_t i = 0;

    for (size_t k = 0; k < N_KEY; k++) {
        const struct catalogue_range *range;

        if (job_given(plan->job, keys[k].key))
            continue;
        range = &catalogue->unused[i++]; /* in the order of plan_list_defaulted() */
        if (*range->path && plan->parameter_is_wanted[keys[k].parameter])
            warn_defaulted(plan, k, range);
    }
    if (job_given(plan->job, "dust_to_metal_ratio") && catalogue->has_dust)
        warnings_add(
            &plan->warnings,
            "dust_to_metal_ratio is given, but '%.150s' has dust masses or ratios of its own, which are used",
            plan->job->catalogue);
}
