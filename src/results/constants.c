/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "results_private.h"

#include "polyphony/census.h"

#include <stdlib.h>
#include <string.h>

static void write_axis(struct io_file *file, const char *path, size_t n, const double *value,
                       const char *units, const char *description)
{
    uint64_t dim = n;

    io_write_f64(file, path, 1, &dim, value, units, description, NULL);
}

static void write_lines(struct io_file *file, const struct plan *plan)
{
    const struct grid *grid = plan->grid;
    double *lambda = mem_small(plan->n_line, sizeof(*lambda));
    const char **id = mem_small(plan->n_line, sizeof(*id));

    for (size_t i = 0; i < plan->n_line; i++) {
        lambda[i] = grid->line_lambda_rest_angstrom[plan->i_line[i]];
        id[i] = grid->line_id[plan->i_line[i]];
    }
    write_axis(file, "Lines/Wavelengths", plan->n_line, lambda, "angstrom", "Rest-frame wavelengths");
    io_write_names(file, "Lines/IDs", plan->n_line, id, "Line ids of the grid", NULL);
    free(lambda);
    free(id);
}

/* Where it lies, and what of it lies off the grid. */
static void write_filter_range(struct io_file *file, const struct filter_look *look, const char *base)
{
    static const char *const names[] = {
        [BAND_REST] = "share_off_grid_rest", [BAND_OBSERVED] = "share_off_grid_observed"
    };

    io_attr_write_f64(file, base, "pivot_wavelength_angstrom", look->pivot_angstrom, NULL);
    io_attr_write_f64(file, base, "lowest_wavelength_angstrom", look->low_angstrom, NULL);
    io_attr_write_f64(file, base, "highest_wavelength_angstrom", look->high_angstrom, NULL);
    for (size_t i = 0; i < 2; i++)
        if (look->is_used[i])
            io_attr_write_f64(file, base, names[i], look->off_grid[i], NULL);
}

/* A filter under Synthesizer's path, where "/" in its code becomes ".". */
static void write_filter(struct io_file *file, const struct plan *plan, const char *group,
                         size_t i_instrument, size_t i_filter, double *scratch)
{
    const struct filter *filter = &plan->instrument[i_instrument].filter[i_filter];
    char name[INSTRUMENT_NAME_MAX], base[RESULTS_PATH_MAX], path[RESULTS_PATH_MAX];
    struct filter_look look;

    text_format(name, sizeof(name), "%s", filter->code);
    for (char *c = name; *c; c++)
        if (*c == '/')
            *c = '.';
    filter_on_grid(filter, BAND_REST, 0.0, plan->grid->n_lambda, plan->grid->lambda_rest_angstrom, scratch);
    text_format(base, sizeof(base), "%s/Filters/%s", group, name);
    text_format(path, sizeof(path), "%s/Transmission", base);
    write_axis(file, path, plan->grid->n_lambda, scratch, "dimensionless",
               "Transmission at the grid's wavelengths (Filters/Header/Wavelengths)");
    text_format(path, sizeof(path), "%s/Original_Wavelength", base);
    write_axis(file, path, filter->n, filter->lambda_angstrom, "angstrom",
               "Wavelengths of the curve as read");
    text_format(path, sizeof(path), "%s/Original_Transmission", base);
    write_axis(file, path, filter->n, filter->transmission, "dimensionless", "The curve as read");
    io_attr_write_text(file, base, "filter_code", filter->code, NULL);
    plan_look_at_filter(plan, i_instrument, i_filter, &look);
    write_filter_range(file, &look, base);
}

static void write_instrument(struct io_file *file, const struct plan *plan, size_t i_instrument)
{
    const struct instrument *instrument = &plan->instrument[i_instrument];
    double *scratch = mem_small(plan->grid->n_lambda, sizeof(*scratch));
    char group[RESULTS_PATH_MAX], path[RESULTS_PATH_MAX];

    text_format(group, sizeof(group), "Instruments/%s", instrument->label);
    io_make_group(file, group, NULL);
    io_attr_write_text(file, group, "label", instrument->label, NULL);
    io_attr_write_text(file, group, "source", instrument->source, NULL);
    text_format(path, sizeof(path), "%s/Resolution", group);
    if (instrument->resolution_arcsec > 0)
        io_write_f64(file, path, 0, NULL, &instrument->resolution_arcsec, "arcsec", "Pixel width", NULL);
    if (instrument->resolution_arcsec > 0)
        io_attr_write_text(file, path, "units", "arcsec", NULL);
    text_format(path, sizeof(path), "%s/Filters/Header/Wavelengths", group);
    write_axis(file, path, plan->grid->n_lambda, plan->grid->lambda_rest_angstrom, "angstrom",
               "The grid's wavelengths");
    for (size_t f = 0; f < instrument->n_filter; f++)
        write_filter(file, plan, group, i_instrument, f, scratch);
    free(scratch);
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
static void write_instruments(struct io_file *file, const struct plan *plan)
{
    int64_t n_written = 0;

    io_make_group(file, "Instruments", NULL);
    for (size_t i = 0; i < plan->n_instrument; i++) {
        if (!is_selected(plan, i))
            continue;
        write_instrument(file, plan, i);
        n_written++;
    }
    io_attr_write_i64(file, "Instruments", "ninstruments", n_written, NULL);
}

static void write_node(struct io_file *file, const struct plan *plan, const struct emission_node *node)
{
    static const char *const types[] = { "extraction", "combination", "transformation" };
    static const char *const keys[] = { "extract", "combine", "apply_to" };
    char path[RESULTS_PATH_MAX], of[RESULTS_PATH_MAX] = "", mask[RESULTS_PATH_MAX] = "";

    text_format(path, sizeof(path), "EmissionModel/%s", node->label);
    for (size_t i = 0; i < sizeof(node->of) / sizeof(*node->of) && node->of[i]; i++) {
        strncat(of, i ? " " : "", sizeof(of) - strlen(of) - 1);
        strncat(of, node->of[i], sizeof(of) - strlen(of) - 1);
    }
    io_make_group(file, path, NULL);
    io_attr_write_text(file, path, "label", node->label, NULL);
    io_attr_write_text(file, path, "type", types[node->op], NULL);
    io_attr_write_text(file, path, "emitter", "stellar", NULL);
    io_attr_write_bool(file, path, "save", node->is_saved, NULL);
    io_attr_write_text(file, path, keys[node->op], of, NULL);
    for (size_t i = 0; i < EMISSION_CONDITION_MAX && node->mask[i].attribute; i++) {
        size_t n = strlen(mask);

        text_format(mask + n, sizeof(mask) - n, "%s%s %s %.17g", i ? " and " : "", node->mask[i].attribute,
                    node->mask[i].comparison, node->mask[i].value);
    }
    if (*mask)
        io_attr_write_text(file, path, "mask", mask, NULL);
    if (node->op == EMISSION_EXTRACT)
        io_attr_write_text(file, path, "grid", plan->grid->name, NULL);
    if (node->op == EMISSION_TRANSFORM) {
        io_attr_write_text(file, path, "transformer", node->transform, NULL);
        io_attr_write_text(file, path, "parameter", node->parameter, NULL);
        if (node->curve)
            io_attr_write_text(file, path, "dust_curve", node->curve, NULL);
    }
}

static void write_grid_axis(struct io_file *file, const struct grid_axis *axis)
{
    char path[RESULTS_PATH_MAX];

    if (axis->quantity == GRID_AGE)
        write_axis(file, "Axes/Ages", axis->n, axis->node, "yr", "Ages of the grid");
    else if (axis->quantity == GRID_METALLICITY)
        write_axis(file, "Axes/Metallicities", axis->n, axis->node, "dimensionless",
                   "Metallicities of the grid (mass fraction of metals)");
    else {
        text_format(path, sizeof(path), "Axes/%s", axis->name);
        write_axis(file, path, axis->n, axis->node, *axis->unit ? axis->unit : "dimensionless",
                   axis->is_fixed ? "The value of this axis of the grid that the job fixes"
                                  : "Nodes of this axis of the grid");
    }
}

void results_write_constants(struct io_file *file, const struct plan *plan)
{
    const struct grid *grid = plan->grid;
    const struct census_axes axes = census_axes_of(grid, plan->axis_parameter);

    write_axis(file, "Wavelengths/Rest", grid->n_lambda, grid->lambda_rest_angstrom, "angstrom",
               "Rest-frame wavelengths of all spectra");
    for (size_t a = 0; a < grid->n_axis_all; a++)
        write_grid_axis(file, &grid->axis[a]);
    io_write_names(file, AXES_NAMES_PATH, axes.n, axes.name,
                   "Axes of the grid that particles are looked up by, as in Galaxies/Census", NULL);
    if (plan->n_line)
        write_lines(file, plan);
    write_instruments(file, plan);
    for (size_t i = 0; i < plan->model->n_node; i++)
        write_node(file, plan, &plan->model->node[i]);
}
