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
static void interpolate_continuum(const struct grid *grid, const double *spectrum_lnu, double *continuum)
{
    const double *lambda = grid->lambda_rest_angstrom;
    struct axis_nodes axis = { grid->n_lambda, lambda };

    for (size_t i = 0; i < grid->n_line; i++) {
        double at = grid->line_lambda_rest_angstrom[i], fraction;
        bool is_outside = at < lambda[0] || at > lambda[grid->n_lambda - 1];
        size_t lower = 0;

        if (!is_outside)
            weights_bracket(&axis, WEIGHTS_CIC, at, &lower, &fraction);
        for (size_t cell = 0; cell < grid->n_cell; cell++) {
            const double *lnu = spectrum_lnu + cell * grid->n_lambda + lower;

            continuum[cell * grid->n_line + i] = is_outside ? 0.0 : lnu[0] + fraction * (lnu[1] - lnu[0]);
        }
    }
}

static int make_continuum(const struct reading *reading, struct grid_spectrum *spectrum, struct error *err)
{
    const struct grid *grid = reading->grid;
    double *continuum = NULL;
    bool fills = false;
    int r = grid_add_table(reading, grid->n_cell * grid->n_line, &continuum, &fills, err);

    if (r)
        return r;
    if (fills)
        interpolate_continuum(grid, spectrum->lnu, continuum);
    spectrum->line_continuum = continuum;
    return node_agree(reading->group, 0);
}

static int read_tables(const struct reading *reading, struct grid_spectrum *spectrum, struct error *err)
{
    size_t n_line = reading->grid->n_line;
    int r = 0;

    for (size_t i = 0; i < sizeof(line_sources) / sizeof(*line_sources); i++) {
        const struct line_source *source = &line_sources[i];

        if (strcmp(source->spectrum, spectrum->name))
            continue;
        if (source->luminosity)
            r = grid_read_table(reading, source->luminosity, n_line, UNITS_ENERGY_RATE,
                                &spectrum->line_luminosity, err);
        if (!r && source->continuum)
            r = grid_read_table(reading, source->continuum, n_line, UNITS_LNU, &spectrum->line_continuum,
                                err);
        return r;
    }
    return make_continuum(reading, spectrum, err);
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

/* What every rank reads for itself. */
static int read_names(struct grid *grid, struct io_file *file, struct error *err)
{
    int r;

    if (!io_has(file, "lines/id"))
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': the grid has no lines; leave out the line operations, or use a grid processed with Cloudy",
            io_file_path(file));
    r = grid_read_axis(file, "lines/wavelength", UNITS_WAVELENGTH, NULL, false, &grid->n_line,
                       &grid->line_lambda_rest_angstrom, err);
    return r ? r : read_ids(grid, file, err);
}

int grid_read_lines(const struct reading *reading, struct error *err)
{
    struct grid *grid = reading->grid;
    int r = node_agree(reading->group, read_names(grid, reading->file, err));

    for (size_t i = 0; !r && i < grid->n_spectrum; i++)
        r = read_tables(reading, &grid->spectrum[i], err);
    return r;
}
