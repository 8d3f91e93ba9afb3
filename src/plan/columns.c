/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plan_private.h"

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

int plan_set_lines(struct plan *plan, size_t n, size_t *i_line, struct error *err)
{
    const struct grid *grid = plan->grid;
    double *lambda;
    bool *is_ly_alpha;
    int r = 0;

    plan->n_line = n;
    plan->i_line = i_line;
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
