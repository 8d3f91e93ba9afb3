/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "results_private.h"

#include "polyphony/census.h"

#include <stdlib.h>
#include <string.h>

static int write_axis(struct io_file *file, const char *path, size_t n, const double *value,
                      const char *units, const char *description, struct error *err)
{
    uint64_t dim = n;

    return io_write_f64(file, path, 1, &dim, value, units, description, err);
}

static int write_lines(struct io_file *file, const struct plan *plan, struct error *err)
{
    const struct grid *grid = plan->grid;
    double *lambda = mem_small(plan->n_line, sizeof(*lambda));
    const char **id = mem_small(plan->n_line, sizeof(*id));
    int r;

    for (size_t i = 0; i < plan->n_line; i++) {
        lambda[i] = grid->line_lambda_rest_angstrom[plan->i_line[i]];
        id[i] = grid->line_id[plan->i_line[i]];
    }
    r = write_axis(file, "Lines/Wavelengths", plan->n_line, lambda, "angstrom", "Rest-frame wavelengths",
                   err);
    if (!r)
        r = io_write_names(file, "Lines/IDs", plan->n_line, id, "Line ids of the grid", err);
    free(lambda);
    free(id);
    return r;
}

/* Where it lies, and what of it lies off the grid. */
static int write_filter_range(struct io_file *file, const struct filter_look *look, const char *base,
                              struct error *err)
{
    static const char *const names[] = {
        [BAND_REST] = "share_off_grid_rest", [BAND_OBSERVED] = "share_off_grid_observed"
    };
    int r = io_attr_write_f64(file, base, "pivot_wavelength_angstrom", look->pivot_angstrom, err);

    if (!r)
        r = io_attr_write_f64(file, base, "lowest_wavelength_angstrom", look->low_angstrom, err);
    if (!r)
        r = io_attr_write_f64(file, base, "highest_wavelength_angstrom", look->high_angstrom, err);
    for (size_t i = 0; !r && i < 2; i++)
        if (look->is_used[i])
            r = io_attr_write_f64(file, base, names[i], look->off_grid[i], err);
    return r;
}

/* A filter under Synthesizer's path, where "/" in its code becomes ".". */
static int write_filter(struct io_file *file, const struct plan *plan, const char *group, size_t i_instrument,
                        size_t i_filter, double *scratch, struct error *err)
{
    const struct filter *filter = &plan->instrument[i_instrument].filter[i_filter];
    char name[INSTRUMENT_NAME_MAX], base[RESULTS_PATH_MAX], path[RESULTS_PATH_MAX];
    struct filter_look look;
    int r;

    text_format(name, sizeof(name), "%s", filter->code);
    for (char *c = name; *c; c++)
        if (*c == '/')
            *c = '.';
    filter_on_grid(filter, BAND_REST, 0.0, plan->grid->n_lambda, plan->grid->lambda_rest_angstrom, scratch);
    text_format(base, sizeof(base), "%s/Filters/%s", group, name);
    text_format(path, sizeof(path), "%s/Transmission", base);
    r = write_axis(file, path, plan->grid->n_lambda, scratch, "dimensionless",
                   "Transmission at the grid's wavelengths (Filters/Header/Wavelengths)", err);
    text_format(path, sizeof(path), "%s/Original_Wavelength", base);
    if (!r)
        r = write_axis(file, path, filter->n, filter->lambda_angstrom, "angstrom",
                       "Wavelengths of the curve as read", err);
    text_format(path, sizeof(path), "%s/Original_Transmission", base);
    if (!r)
        r = write_axis(file, path, filter->n, filter->transmission, "dimensionless", "The curve as read",
                       err);
    if (!r)
        r = io_attr_write_text(file, base, "filter_code", filter->code, err);
    plan_look_at_filter(plan, i_instrument, i_filter, &look);
    return r ? r : write_filter_range(file, &look, base, err);
}

static int write_instrument(struct io_file *file, const struct plan *plan, size_t i_instrument,
                            struct error *err)
{
    const struct instrument *instrument = &plan->instrument[i_instrument];
    double *scratch = mem_small(plan->grid->n_lambda, sizeof(*scratch));
    char group[RESULTS_PATH_MAX], path[RESULTS_PATH_MAX];
    int r;

    text_format(group, sizeof(group), "Instruments/%s", instrument->label);
    r = io_make_group(file, group, err);
    if (!r)
        r = io_attr_write_text(file, group, "label", instrument->label, err);
    if (!r)
        r = io_attr_write_text(file, group, "source", instrument->source, err);
    text_format(path, sizeof(path), "%s/Resolution", group);
    if (!r && instrument->resolution_arcsec > 0)
        r = io_write_f64(file, path, 0, NULL, &instrument->resolution_arcsec, "arcsec", "Pixel width", err);
    if (!r && instrument->resolution_arcsec > 0)
        r = io_attr_write_text(file, path, "units", "arcsec", err);
    text_format(path, sizeof(path), "%s/Filters/Header/Wavelengths", group);
    if (!r)
        r = write_axis(file, path, plan->grid->n_lambda, plan->grid->lambda_rest_angstrom, "angstrom",
                       "The grid's wavelengths", err);
    for (size_t f = 0; !r && f < instrument->n_filter; f++)
        r = write_filter(file, plan, group, i_instrument, f, scratch, err);
    free(scratch);
    return r;
}

static bool is_selected(const struct plan *plan, size_t i_instrument)
{
    for (size_t s = 0; s < plan->n_step; s++) {
        const struct selection *selection = &plan->step[s].selection;

        for (size_t i = 0; i < selection->n_instrument; i++)
            if (selection->i_instrument[i] == i_instrument)
                return true;
    }
    return false;
}

/* Those that some operation works with: the job may list more. */
static int write_instruments(struct io_file *file, const struct plan *plan, struct error *err)
{
    int64_t n_written = 0;
    int r = io_make_group(file, "Instruments", err);

    for (size_t i = 0; !r && i < plan->n_instrument; i++) {
        if (!is_selected(plan, i))
            continue;
        r = write_instrument(file, plan, i, err);
        n_written++;
    }
    return r ? r : io_attr_write_i64(file, "Instruments", "ninstruments", n_written, err);
}

static int write_node(struct io_file *file, const struct plan *plan, const struct emission_node *node,
                      struct error *err)
{
    static const char *const types[] = { "extraction", "combination", "transformation" };
    static const char *const keys[] = { "extract", "combine", "apply_to" };
    char path[RESULTS_PATH_MAX], of[RESULTS_PATH_MAX] = "", mask[RESULTS_PATH_MAX] = "";
    int r;

    text_format(path, sizeof(path), "EmissionModel/%s", node->label);
    for (size_t i = 0; i < sizeof(node->of) / sizeof(*node->of) && node->of[i]; i++) {
        strncat(of, i ? " " : "", sizeof(of) - strlen(of) - 1);
        strncat(of, node->of[i], sizeof(of) - strlen(of) - 1);
    }
    r = io_make_group(file, path, err);
    if (!r)
        r = io_attr_write_text(file, path, "label", node->label, err);
    if (!r)
        r = io_attr_write_text(file, path, "type", types[node->op], err);
    if (!r)
        r = io_attr_write_text(file, path, "emitter", "stellar", err);
    if (!r)
        r = io_attr_write_bool(file, path, "save", node->is_saved, err);
    if (!r)
        r = io_attr_write_text(file, path, keys[node->op], of, err);
    for (size_t i = 0; i < EMISSION_CONDITION_MAX && node->mask[i].attribute; i++) {
        size_t n = strlen(mask);

        text_format(mask + n, sizeof(mask) - n, "%s%s %s %.17g", i ? " and " : "", node->mask[i].attribute,
                    node->mask[i].comparison, node->mask[i].value);
    }
    if (!r && *mask)
        r = io_attr_write_text(file, path, "mask", mask, err);
    if (!r && node->op == EMISSION_EXTRACT)
        r = io_attr_write_text(file, path, "grid", plan->grid->name, err);
    if (!r && node->op == EMISSION_TRANSFORM) {
        r = io_attr_write_text(file, path, "transformer", node->transform, err);
        if (!r)
            r = io_attr_write_text(file, path, "parameter", node->parameter, err);
        if (!r && node->curve)
            r = io_attr_write_text(file, path, "dust_curve", node->curve, err);
    }
    return r;
}

static int write_grid_axis(struct io_file *file, const struct grid_axis *axis, struct error *err)
{
    char path[RESULTS_PATH_MAX];

    if (axis->quantity == GRID_AGE)
        return write_axis(file, "Axes/Ages", axis->n, axis->node, "yr", "Ages of the grid", err);
    if (axis->quantity == GRID_METALLICITY)
        return write_axis(file, "Axes/Metallicities", axis->n, axis->node, "dimensionless",
                          "Metallicities of the grid (mass fraction of metals)", err);
    text_format(path, sizeof(path), "Axes/%s", axis->name);
    return write_axis(file, path, axis->n, axis->node, *axis->unit ? axis->unit : "dimensionless",
                      axis->is_fixed ? "The value of this axis of the grid that the job fixes"
                                     : "Nodes of this axis of the grid",
                      err);
}

int results_write_constants(struct io_file *file, const struct plan *plan, struct error *err)
{
    const struct grid *grid = plan->grid;
    const struct census_axes axes = census_axes_of(grid, plan->axis_parameter);
    int r = write_axis(file, "Wavelengths/Rest", grid->n_lambda, grid->lambda_rest_angstrom, "angstrom",
                       "Rest-frame wavelengths of all spectra", err);

    for (size_t a = 0; !r && a < grid->n_axis_all; a++)
        r = write_grid_axis(file, &grid->axis[a], err);
    if (!r)
        r = io_write_names(file, AXES_NAMES_PATH, axes.n, axes.name,
                           "Axes of the grid that particles are looked up by, as in Galaxies/Census", err);
    if (!r && plan->n_line)
        r = write_lines(file, plan, err);
    if (!r)
        r = write_instruments(file, plan, err);
    for (size_t i = 0; !r && i < plan->model->n_node; i++)
        r = write_node(file, plan, &plan->model->node[i], err);
    return r;
}
