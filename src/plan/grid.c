/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The axes of the grid: which of them the job fixes, and by which fields of the catalogue the others are looked
 * up. Ages and metallicities are always there; what else an axis may be has a dataset of the axis' name.
 */
#include "plan_private.h"

#include <string.h>

#include "polyphony/node_table.h"

/* Histories alone do not look at the light of the grid. */
static bool wants_light(const struct job *job)
{
    const struct job_operations wanted = job_operations_of(job), *ops = &wanted;

    return ops->spectra || ops->observed_spectra || ops->photometry_luminosities || ops->photometry_fluxes ||
           ops->lines || ops->observed_lines || ops->images_luminosity || ops->images_flux;
}

/* What to do where the catalogue does not have it. */
static int advise(struct plan *plan, const struct grid_field *field, const char **ret_advice,
                  struct error *err)
{
    int r = 0;
    char *advice = plan_array(plan, 1, ADVICE_SIZE, &r, err);

    if (r)
        return r;
    text_format(
        advice, ADVICE_SIZE,
        "the grid '%.200s' has %zu values of it, %g to %g%s%.40s; either give that dataset, or take one "
        "for all stars: 'grid: {file: ..., fix: {%s: %g}}'",
        plan->job->grid, field->n_node, field->first, field->last, *field->unit ? " " : "", field->unit,
        field->name, field->first);
    *ret_advice = advice;
    return 0;
}

int plan_grid_fields(struct plan *plan, const struct node_share *share, struct catalogue_needs *needs,
                     struct error *err)
{
    struct grid_fields *fields = &plan->fields;
    int r = 0;

    if (!wants_light(plan->job))
        return 0;
    if (node_is_first(node_share_all(share)))
        grid_list_fields(plan->job->grid, plan->n_fix, plan->fix, fields);
    node_broadcast(node_share_all(share), fields, sizeof(*fields));
    for (size_t i = 0; !r && i < fields->n; i++) {
        size_t p = needs->n_parameter;

        if (p == CATALOGUE_PARAMETER_MAX)
            return error_set(err, POLYPHONY_USAGE, "'%s': axis '%s' is one field of the catalogue too many",
                             plan->job->grid, fields->field[i].name);
        needs->parameter[p] = fields->field[i].name;
        needs->parameter_unit[p] = fields->field[i].unit;
        r = advise(plan, &fields->field[i], &needs->parameter_advice[p], err);
        needs->n_parameter++;
    }
    plan->i_first_field = needs->n_parameter - fields->n;
    return r;
}

/* Further axes come in the same order in the grid as in the list of them. */
static void assign_fields(struct plan *plan)
{
    size_t i_parameter = plan->i_first_field;

    for (size_t a = 0; a < plan->grid->n_axis; a++)
        if (plan->grid->axis[a].quantity == GRID_OTHER)
            plan->axis_parameter[a] = i_parameter++;
}

static int check_history(const struct plan *plan, const char *operation, enum grid_quantity quantity,
                         struct error *err)
{
    char key[64];

    if (grid_find_axis(plan->grid, quantity))
        return 0;
    text_format(key, sizeof(key), "operations.%s", operation);
    return job_error(plan->job, err, key, "the grid '%s' has no axis of %s, over which this history is",
                     plan->job->grid, quantity == GRID_AGE ? "ages" : "metallicities");
}

int plan_grid_open(struct plan *plan, struct grid_needs *needs, const struct node_share *share,
                   struct error *err)
{
    bool is_sfh = job_options(plan->job, "sfh"), is_sfzh = job_options(plan->job, "sfzh");
    int r;

    needs->n_fix = plan->n_fix;
    needs->fix = plan->fix;
    needs->scheme = plan->scheme;
    r = grid_open(plan->job->grid, needs, share, &plan->grid, err);
    if (r)
        return r == POLYPHONY_USAGE ? plan_at_key(plan, r, "grid.fix", err) : r;
    warnings_gather(&plan->warnings, &plan->grid->warnings);
    assign_fields(plan);
    if (is_sfh || is_sfzh)
        r = check_history(plan, is_sfh ? "sfh" : "sfzh", GRID_AGE, err);
    if (!r && is_sfzh)
        r = check_history(plan, "sfzh", GRID_METALLICITY, err);
    return r;
}
