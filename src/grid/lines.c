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

/* Of a line among the wavelengths. */
struct place {
    size_t lower;
    double fraction;
    bool is_outside;
};

/* continuum[cell][line]: the spectrum at the line, linear between its wavelengths; 0 outside the grid.
 * place[n_line] is zeroed scratch. */
static void interpolate_continuum(const struct grid *grid, const double *spectrum_lnu, struct place *place,
                                  double *continuum)
{
    const double *lambda = grid->lambda_rest_angstrom;
    struct axis_nodes axis = { grid->n_lambda, lambda };

    for (size_t i = 0; i < grid->n_line; i++) {
        double at = grid->line_lambda_rest_angstrom[i];

        if (at >= lambda[0] && at <= lambda[grid->n_lambda - 1])
            weights_bracket(&axis, WEIGHTS_CIC, at, &place[i].lower, &place[i].fraction);
        else
            place[i].is_outside = true;
    }
#pragma omp parallel for schedule(static)
    for (size_t cell = 0; cell < grid->n_cell; cell++)
        for (size_t i = 0; i < grid->n_line; i++) {
            const double *lnu = spectrum_lnu + cell * grid->n_lambda + place[i].lower;

            continuum[cell * grid->n_line + i] =
                place[i].is_outside ? 0.0 : lnu[0] + place[i].fraction * (lnu[1] - lnu[0]);
        }
}

static int make_continuum(const struct grid *grid, const struct grid_spectrum *spectrum, struct error *err)
{
    struct place *place = mem_array(grid->n_line, sizeof(*place));

    if (!place)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for the grid's lines");
    /* What is read-only to all others is ours to fill. */
    interpolate_continuum(grid, spectrum->lnu, place, (double *)spectrum->line_continuum);
    free(place);
    return 0;
}

int grid_make_continua(const struct reading *reading, struct error *err)
{
    const struct grid *grid = reading->grid;
    int r = 0;

    for (size_t i = 0; !r && i < grid->n_spectrum; i++)
        if (reading->fills_continuum[i])
            r = make_continuum(grid, &grid->spectrum[i], err);
    return node_agree(reading->group, r);
}

static int take_tables(struct reading *reading, size_t i_spectrum, struct error *err)
{
    struct grid_spectrum *spectrum = &reading->grid->spectrum[i_spectrum];
    size_t n_line = reading->grid->n_line;
    double *continuum = NULL;
    int r = 0;

    for (size_t i = 0; i < sizeof(line_sources) / sizeof(*line_sources); i++) {
        const struct line_source *source = &line_sources[i];

        if (strcmp(source->spectrum, spectrum->name))
            continue;
        if (source->luminosity)
            r = grid_take_table(reading, source->luminosity, NULL, n_line, UNITS_ENERGY_RATE,
                                &spectrum->line_luminosity, err);
        if (!r && source->continuum)
            r = grid_take_table(reading, source->continuum, NULL, n_line, UNITS_LNU,
                                &spectrum->line_continuum, err);
        return r;
    }
    r = grid_add_table(reading, reading->grid->n_cell * n_line, &continuum,
                       &reading->fills_continuum[i_spectrum], err);
    spectrum->line_continuum = continuum;
    return r;
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

int grid_take_lines(struct reading *reading, struct error *err)
{
    struct grid *grid = reading->grid;
    int r = node_agree(reading->group, read_names(grid, reading->file, err));

    for (size_t i = 0; !r && i < grid->n_spectrum; i++)
        r = take_tables(reading, i, err);
    return r;
}
