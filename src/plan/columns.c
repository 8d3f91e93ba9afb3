/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plan_private.h"

#include <string.h>

/* The program's dust curves at the columns' wavelengths. */
static int add_curves(struct plan *plan, const double *lambda_rest_angstrom, struct observe_columns *columns,
                      struct error *err)
{
    int r = 0;

    for (size_t c = 0; !r && c < plan->program.n_curve; c++) {
        double *k = plan_array(plan, columns->n, sizeof(*k), &r, err);

        if (!r)
            dust_curve_k(&plan->program.curve[c], columns->n, lambda_rest_angstrom, k);
        columns->k[c] = k;
    }
    return r;
}

int plan_spectra_columns(struct plan *plan, struct error *err)
{
    const struct grid *grid = plan->grid;
    int r = 0;
    bool *is_ly_alpha = plan_array(plan, grid->n_lambda, sizeof(*is_ly_alpha), &r, err);

    if (r)
        return r;
    emission_ly_alpha_pixels(grid->n_lambda, grid->lambda_rest_angstrom, is_ly_alpha);
    plan->spectra = (struct observe_columns) { .n = grid->n_lambda, .is_ly_alpha = is_ly_alpha };
    r = add_curves(plan, grid->lambda_rest_angstrom, &plan->spectra, err);
    for (size_t e = 0, s = 0; e < plan->program.n_extract; e++)
        if (plan->extract_is_used[e])
            plan->spectra.value[e] = grid->spectrum[s++].lnu;
    return 0;
}

/* Which lines may be meant, and where they are listed. */
static int tell_no_line(const struct plan *plan, const char *key, const char *id, struct error *err)
{
    const struct grid *grid = plan->grid;
    size_t near[3], n = grid_find_lines(grid, id, 3, near);
    struct line_meant meant;
    char what[128] = "", list[4 * GRID_NAME_MAX] = "";

    if (grid_read_line_name(id, &meant) && meant.is_known)
        text_format(what, sizeof(what), " (%s at %.1f angstrom in vacuum, %.1f in air)", meant.ion,
                    meant.lambda_angstrom, grid_air_wavelength(meant.lambda_angstrom));
    for (size_t i = 0; i < n; i++)
        text_format(list + strlen(list), sizeof(list) - strlen(list), "%s'%s'%s",
                    i == 0   ? "; did you mean "
                    : i == 1 ? " Near it are "
                             : ", ",
                    grid->line_id[near[i]], i == 0 ? "?" : "");
    return job_error(plan->job, err, key,
                     "the grid has no line '%s'%s%s; 'polyphony grid %s --lines' lists all", id, what, list,
                     plan->job->grid);
}

static int find_line(struct plan *plan, const char *key, const char *id, size_t *ret_line, struct error *err)
{
    const struct grid *grid = plan->grid;
    size_t n = 0;

    for (size_t i = 0; i < grid->n_line; i++)
        if (!strcmp(grid->line_id[i], id)) {
            *ret_line = n++ ? *ret_line : i;
            if (n > 1)
                warnings_add(
                    &plan->warnings,
                    "the grid has more than one line '%s': that at %.8g angstrom is taken, not that at %.8g",
                    id, grid->line_lambda_rest_angstrom[*ret_line], grid->line_lambda_rest_angstrom[i]);
        }
    return n ? 0 : tell_no_line(plan, key, id, err);
}

/* The lines of both line operations: those asked for, in the order of the list, or all in grid order. */
static int select_lines(struct plan *plan, const char *key, const struct job_lines *job, struct error *err)
{
    char path[64];
    int r = 0;

    text_format(path, sizeof(path), "operations.%s.ids", key);
    plan->n_line = plan_name_is_all(job->ids, job->n_ids) ? plan->grid->n_line : job->n_ids;
    plan->i_line = plan_array(plan, plan->n_line, sizeof(*plan->i_line), &r, err);
    for (size_t i = 0; !r && i < plan->n_line; i++) {
        plan->i_line[i] = i;
        if (!plan_name_is_all(job->ids, job->n_ids))
            r = find_line(plan, path, job->ids[i], &plan->i_line[i], err);
    }
    return r;
}

static bool is_whole(const struct plan *plan)
{
    for (size_t i = 0; i < plan->n_line; i++)
        if (plan->i_line[i] != i)
            return false;
    return plan->n_line == plan->grid->n_line;
}

/* A table with the wanted columns only; the grid's own where these are all. */
static const double *pick_columns(struct plan *plan, const double *value, int *r, struct error *err)
{
    const struct grid *grid = plan->grid;
    double *picked;

    if (!value || is_whole(plan))
        return value;
    picked = plan_array(plan, grid->n_cell * plan->n_line, sizeof(*picked), r, err);
    for (size_t c = 0; !*r && c < grid->n_cell; c++)
        for (size_t i = 0; i < plan->n_line; i++)
            picked[c * plan->n_line + i] = value[c * grid->n_line + plan->i_line[i]];
    return picked;
}

static bool ids_are_equal(const struct job_lines *a, const struct job_lines *b)
{
    for (unsigned i = 0; i < a->n_ids && a->n_ids == b->n_ids; i++)
        if (strcmp(a->ids[i], b->ids[i]))
            return false;
    return a->n_ids == b->n_ids;
}

/* One list serves both operations: that of the one which gives it. */
static int choose_lines(struct plan *plan, struct error *err)
{
    const struct job_operations wanted = job_operations_of(plan->job), *ops = &wanted;
    bool is_given = ops->lines && job_given(plan->job, "operations.lines.ids");
    bool is_given_observed = ops->observed_lines && job_given(plan->job, "operations.observed_lines.ids");

    if (is_given && is_given_observed && !ids_are_equal(ops->lines, ops->observed_lines))
        return job_error(plan->job, err, "operations.observed_lines.ids",
                         "must be the same list as operations.lines.ids");
    if (!ops->lines || (is_given_observed && !is_given))
        return select_lines(plan, "observed_lines", ops->observed_lines, err);
    return select_lines(plan, "lines", ops->lines, err);
}

int plan_line_columns(struct plan *plan, struct error *err)
{
    const struct grid *grid = plan->grid;
    double *lambda;
    bool *is_ly_alpha;
    int r = choose_lines(plan, err);

    lambda = plan_array(plan, plan->n_line, sizeof(*lambda), &r, err);
    is_ly_alpha = plan_array(plan, plan->n_line, sizeof(*is_ly_alpha), &r, err);
    if (r)
        return r;
    for (size_t i = 0; i < plan->n_line; i++)
        lambda[i] = grid->line_lambda_rest_angstrom[plan->i_line[i]];
    plan->line_lambda_rest_angstrom = lambda;
    emission_ly_alpha_lines(grid->n_lambda, grid->lambda_rest_angstrom, plan->n_line, lambda, is_ly_alpha);
    plan->line_luminosity = (struct observe_columns) { .n = plan->n_line, .is_ly_alpha = is_ly_alpha };
    r = add_curves(plan, lambda, &plan->line_luminosity, err);
    plan->line_continuum = plan->line_luminosity;
    for (size_t e = 0, s = 0; !r && e < plan->program.n_extract; e++)
        if (plan->extract_is_used[e]) {
            plan->line_luminosity.value[e] = pick_columns(plan, grid->spectrum[s].line_luminosity, &r, err);
            plan->line_continuum.value[e] = pick_columns(plan, grid->spectrum[s++].line_continuum, &r, err);
        }
    return r;
}
