/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "grid_private.h"

#include <stdlib.h>
#include <string.h>

/* Where the lines of a spectrum come from: datasets of the file, or nothing. */
struct line_source {
    const char *spectrum;
    const char *luminosity, *continuum;
};
static const struct line_source line_sources[] = {
    { "nebular", "lines/luminosity", "lines/nebular_continuum" },
    { "linecont", "lines/luminosity", NULL },
    { "nebular_continuum", NULL, "lines/nebular_continuum" },
    { "transmitted", NULL, "lines/transmitted" },
};

/* continuum[cell][line]: the spectrum at the line, linear between its wavelengths; 0 outside the grid. */
static int interpolate_continuum(const struct grid *grid, struct grid_spectrum *spectrum, struct error *err)
{
    const double *lambda = grid->lambda_rest_angstrom;
    struct axis_nodes axis = { grid->n_lambda, lambda };
    double *continuum = mem_array(grid->n_cell * grid->n_line, sizeof(*continuum));

    if (!continuum)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for the continua of lines");
    spectrum->line_continuum = continuum;
    for (size_t i = 0; i < grid->n_line; i++) {
        double at = grid->line_lambda_rest_angstrom[i], fraction;
        size_t lower;

        if (at < lambda[0] || at > lambda[grid->n_lambda - 1])
            continue;
        weights_bracket(&axis, WEIGHTS_CIC, at, &lower, &fraction);
        for (size_t cell = 0; cell < grid->n_cell; cell++) {
            const double *lnu = spectrum->lnu + cell * grid->n_lambda + lower;

            continuum[cell * grid->n_line + i] = lnu[0] + fraction * (lnu[1] - lnu[0]);
        }
    }
    return 0;
}

static int read_tables(struct grid *grid, struct io_file *file, struct grid_spectrum *spectrum,
                       struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < sizeof(line_sources) / sizeof(*line_sources); i++) {
        const struct line_source *source = &line_sources[i];

        if (strcmp(source->spectrum, spectrum->name))
            continue;
        if (source->luminosity)
            r = grid_read_table(grid, file, source->luminosity, grid->n_line, UNITS_ENERGY_RATE,
                                &spectrum->line_luminosity, err);
        if (!r && source->continuum)
            r = grid_read_table(grid, file, source->continuum, grid->n_line, UNITS_LNU,
                                &spectrum->line_continuum, err);
        return r;
    }
    return interpolate_continuum(grid, spectrum, err);
}

static int read_ids(struct grid *grid, struct io_file *file, struct error *err)
{
    char(*names)[IO_NAME_MAX] = mem_array(grid->n_line, sizeof(*names));
    int r;

    grid->line_id = mem_array(grid->n_line, sizeof(*grid->line_id));
    if (!names || !grid->line_id)
        r = error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for line ids", io_file_path(file));
    else
        r = io_read_names(file, "lines/id", grid->n_line, names, err);
    for (size_t i = 0; !r && i < grid->n_line; i++)
        if (!text_format(grid->line_id[i], GRID_NAME_MAX, "%s", names[i]))
            r = error_set(err, POLYPHONY_INPUT, "'%s': 'lines/id' %zu is longer than %d bytes",
                          io_file_path(file), i, GRID_NAME_MAX - 1);
    free(names);
    return r;
}

int grid_read_lines(struct grid *grid, struct io_file *file, struct error *err)
{
    int r;

    if (!io_has(file, "lines/id"))
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': the grid has no lines; leave out the line operations, or use a grid processed with Cloudy",
            io_file_path(file));
    r = grid_read_axis(file, "lines/wavelength", UNITS_WAVELENGTH, NULL, false, &grid->n_line,
                       &grid->line_lambda_rest_angstrom, err);
    if (!r)
        r = read_ids(grid, file, err);
    for (size_t i = 0; !r && i < grid->n_spectrum; i++)
        r = read_tables(grid, file, &grid->spectrum[i], err);
    return r;
}
