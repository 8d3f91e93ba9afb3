/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a catalogue says of the model and a job does not ask for: the user may think that it is used. */
#include "plan_private.h"

#include <string.h>

_Static_assert(PARAMETER_MAX + 1 <= CATALOGUE_PARAMETER_MAX, "each may be in the catalogue");

/* The keys that catalogues may have values of: parameters, and the slope of the dust curve. */
static const char *key_name(size_t i)
{
    return i < parameter_count() ? parameter_rows[i]->name : "dust_slope";
}

static bool is_given(const struct plan *plan, size_t i)
{
    char key[64];

    text_format(key, sizeof(key), "emission.%s", key_name(i));
    return job_given(plan->job, key);
}

void plan_list_defaulted(const struct plan *plan, struct catalogue_needs *needs)
{
    for (size_t i = 0; i <= parameter_count(); i++)
        if (!is_given(plan, i))
            needs->defaulted[needs->n_defaulted++] = key_name(i);
}

static void warn_parameter(struct plan *plan, size_t p, const struct catalogue_range *range)
{
    const char *key = parameter_rows[p]->name, *name = strchr(range->path, '/') + 1;
    double value = plan->parameter[p].value;

    if (!plan->parameter_is_wanted[p] || (range->least == value && range->most == value))
        return;
    warnings_add(
        &plan->warnings,
        "'%.100s' has '%.60s' (%g to %g), which the job does not use: emission.%s is %g for all by default; give '%s: %.50s', or a number",
        plan->job->catalogue, range->path, range->least, range->most, key, value, key, name);
}

static void warn_slope(struct plan *plan, const struct catalogue_range *range)
{
    if (plan->job_curve_is_wanted)
        warnings_add(
            &plan->warnings,
            "'%.100s' has '%.60s' (%g to %g), which is not used: emission.dust_slope is one number for all galaxies, the dust curve's own by default",
            plan->job->catalogue, range->path, range->least, range->most);
}

void plan_warn_unused_data(struct plan *plan)
{
    const struct catalogue *catalogue = plan->catalogue;
    size_t i = 0;

    for (size_t k = 0; k <= parameter_count(); k++) {
        const struct catalogue_range *range;

        if (is_given(plan, k))
            continue;
        range = &catalogue->unused[i++]; /* in the order of plan_list_defaulted() */
        if (*range->path && k < parameter_count())
            warn_parameter(plan, k, range);
        else if (*range->path)
            warn_slope(plan, range);
    }
    if (job_given(plan->job, "dust_to_metal_ratio") && catalogue->has_dust)
        warnings_add(
            &plan->warnings,
            "dust_to_metal_ratio is given, but '%.150s' has dust masses or ratios of its own, which are used",
            plan->job->catalogue);
}
