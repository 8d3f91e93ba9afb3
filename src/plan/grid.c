/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The axes of the grid: which of them the job fixes, and by which fields of the catalogue the others are looked
 * up. Ages and metallicities are always there; what else an axis may be has a dataset of the axis' name.
 */
#include "plan_private.h"

#include <string.h>

#include "polyphony/node_table.h"

_Static_assert(JOB_FIX_MAX <= GRID_AXIS_MAX, "all axes may be fixed");

/* What the job fixes. */
static void take_fixed(struct plan *plan)
{
    const struct job *job = plan->job;

    for (unsigned i = 0; i < job->n_grid_fix; i++)
        plan->fix[plan->n_fix++] = (struct grid_fix) { job->grid_fix[i].name, job->grid_fix[i].value };
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

    take_fixed(plan);
    /* Histories alone do not look at the light of the grid. */
    if (!plan_who_needs(plan, NEEDS_LIGHT))
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

/* Does the grid have the axes that the products of an operation have? */
static int check_axis(const struct plan *plan, const struct step *step, enum product_axis axis,
                      struct error *err)
{
    enum grid_quantity quantity = axis == AXIS_AGE ? GRID_AGE : GRID_METALLICITY;
    char key[64];

    if ((axis != AXIS_AGE && axis != AXIS_METALLICITY) || grid_find_axis(plan->grid, quantity))
        return 0;
    text_format(key, sizeof(key), "operations.%s", step->operation->job.key);
    return job_error(plan->job, err, key, "the grid '%s' has no axis of %s, over which this history is",
                     plan->job->grid, quantity == GRID_AGE ? "ages" : "metallicities");
}

static int check_axes(const struct plan *plan, const struct step *step, struct error *err)
{
    int r = 0;

    for (size_t k = 0; step->options && k < OPERATION_KINDS_MAX && step->operation->kind[k]; k++)
        for (size_t a = 0; !r && a < PRODUCT_AXES_MAX; a++)
            r = check_axis(plan, step, step->operation->kind[k]->axis[a], err);
    return r;
}

int plan_grid_open(struct plan *plan, struct grid_needs *needs, const struct node_share *share,
                   struct error *err)
{
    int r;

    needs->n_fix = plan->n_fix;
    needs->fix = plan->fix;
    needs->scheme = plan->scheme;
    r = grid_open(plan->job->grid, needs, share, &plan->grid, err);
    if (r)
        return r == POLYPHONY_USAGE ? plan_at_key(plan, r, "grid.fix", err) : r;
    warnings_gather(&plan->warnings, &plan->grid->warnings);
    assign_fields(plan);
    for (size_t i = 0; !r && i < plan->n_step; i++)
        r = check_axes(plan, &plan->step[i], err);
    return r;
}
