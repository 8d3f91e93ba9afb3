/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "grid_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where the lines of a spectrum come from: datasets in lines/, or nothing. */
struct line_source {
    const char *spectrum;
    const char *luminosity, *continuum;
};
static const struct line_source line_sources[] = {
    { "nebular", "luminosity", "nebular_continuum" },
    { "linecont", "luminosity", NULL },
    { "nebular_continuum", NULL, "nebular_continuum" },
    { "transmitted", NULL, "transmitted" },
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

/* A table of lines: the columns of one dataset, or in old grids a dataset for each line. */
static int take_table(struct reading *reading, const char *name, enum units_kind kind,
                      const double **ret_table, struct error *err)
{
    static const char *const old_names[][2] = { { "luminosity", "luminosity" },
                                                { "nebular_continuum", "nebular_continuum" },
                                                { "transmitted", "stellar_continuum" } };
    char path[IO_NAME_MAX];

    for (size_t i = 0; reading->lines_are_groups && i < 3; i++)
        if (!strcmp(name, old_names[i][0]))
            return grid_take_lines_one_by_one(reading, old_names[i][1], kind, ret_table, err);
    text_format(path, sizeof(path), "lines/%s", name);
    return grid_take_table(reading, path, NULL, reading->grid->n_line, kind, ret_table, err);
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
            r = take_table(reading, source->luminosity, UNITS_ENERGY_RATE, &spectrum->line_luminosity, err);
        if (!r && source->continuum)
            r = take_table(reading, source->continuum, UNITS_LNU, &spectrum->line_continuum, err);
        return r;
    }
    r = grid_add_table(reading, reading->grid->n_cell * n_line, &continuum,
                       &reading->fills_continuum[i_spectrum], err);
    spectrum->line_continuum = continuum;
    return r;
}

static int keep_id(const struct reading *reading, size_t i, const char *id, struct error *err)
{
    if (!text_format(reading->grid->line_id[i], GRID_NAME_MAX, "%s", id))
        return error_set(err, POLYPHONY_INPUT, "'%s': the id of line %zu, '%.80s', is longer than %d bytes",
                         io_file_path(reading->file), i, id, GRID_NAME_MAX - 1);
    return 0;
}

static int read_ids(const struct reading *reading, struct error *err)
{
    struct grid *grid = reading->grid;
    char(*names)[IO_NAME_MAX] = mem_array(grid->n_line, sizeof(*names));
    int r;

    grid->line_id = mem_array(grid->n_line, sizeof(*grid->line_id));
    if (!names || !grid->line_id)
        r = error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for line ids", io_file_path(reading->file));
    else
        r = io_read_names(reading->file, "lines/id", grid->n_line, names, err);
    for (size_t i = 0; !r && i < grid->n_line; i++)
        r = keep_id(reading, i, names[i], err);
    free(names);
    return r;
}

/* ---- old grids: one group a line ----------------------------------------------------------------- */

struct old_line {
    double lambda_rest_angstrom;
    char id[IO_NAME_MAX];
};

static int by_wavelength(const void *a, const void *b)
{
    const struct old_line *one = a, *other = b;

    if (one->lambda_rest_angstrom != other->lambda_rest_angstrom)
        return one->lambda_rest_angstrom < other->lambda_rest_angstrom ? -1 : 1;
    return strcmp(one->id, other->id);
}

/* Is "lines/<name>" a line, as old grids have them? */
static bool is_old_line(struct io_file *file, const char *name)
{
    char path[2 * IO_NAME_MAX];

    return text_format(path, sizeof(path), "lines/%s/luminosity", name) && strlen(path) < IO_NAME_MAX &&
           io_has(file, path);
}

static int read_old_line(struct io_file *file, struct old_line *line, struct error *err)
{
    char path[2 * IO_NAME_MAX];
    int r;

    text_format(path, sizeof(path), "lines/%s", line->id);
    r = io_attr_read_f64(file, path, "wavelength", &line->lambda_rest_angstrom, err);
    if (!r && !(line->lambda_rest_angstrom > 0 && isfinite(line->lambda_rest_angstrom)))
        r = error_set(err, POLYPHONY_INPUT,
                      "'%s': attribute 'wavelength' of '%s' is %g, must be > 0 angstrom", io_file_path(file),
                      path, line->lambda_rest_angstrom);
    return r;
}

static int keep_old_lines(struct reading *reading, size_t n, const struct old_line *line, struct error *err)
{
    struct grid *grid = reading->grid;
    int r = 0;

    grid->n_line = n;
    grid->line_id = mem_array(n, sizeof(*grid->line_id));
    grid->line_lambda_rest_angstrom = mem_array(n, sizeof(*grid->line_lambda_rest_angstrom));
    if (!grid->line_id || !grid->line_lambda_rest_angstrom)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for line ids",
                         io_file_path(reading->file));
    for (size_t i = 0; !r && i < n; i++) {
        grid->line_lambda_rest_angstrom[i] = line[i].lambda_rest_angstrom;
        r = keep_id(reading, i, line[i].id, err);
    }
    reading->lines_are_groups = true;
    warnings_add(
        &grid->warnings,
        "'%s': the grid's %zu lines are in the old form, a group each: 'wavelength' is taken as angstrom, 'stellar_continuum' as the transmitted continuum",
        io_file_path(reading->file), n);
    return r;
}

static int read_old_lines(struct reading *reading, struct error *err)
{
    char(*names)[IO_NAME_MAX] = NULL;
    struct old_line *line = NULL;
    size_t n = 0, n_line = 0;
    int r = io_list(reading->file, "lines", &names, &n, err);

    if (r)
        return r;
    line = mem_array(n, sizeof(*line));
    if (!line)
        r = error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for line ids", io_file_path(reading->file));
    for (size_t i = 0; !r && i < n; i++)
        if (is_old_line(reading->file, names[i])) {
            memcpy(line[n_line].id, names[i], sizeof(line->id));
            r = read_old_line(reading->file, &line[n_line++], err);
        }
    if (!r) {
        qsort(line, n_line, sizeof(*line), by_wavelength);
        r = keep_old_lines(reading, n_line, line, err);
    }
    free(line);
    free(names);
    return r;
}

static bool has_old_lines(struct io_file *file)
{
    char(*names)[IO_NAME_MAX] = NULL;
    size_t n = 0;
    bool answer = false;

    if (!io_has(file, "lines") || io_list(file, "lines", &names, &n, NULL))
        return false;
    for (size_t i = 0; i < n && !answer; i++)
        answer = is_old_line(file, names[i]);
    free(names);
    return answer;
}

/* ---- lines of either form ------------------------------------------------------------------------ */

bool grid_has_lines(struct io_file *file)
{
    return io_has(file, "lines/id") || has_old_lines(file);
}

int grid_read_lines(struct reading *reading, struct error *err)
{
    struct grid *grid = reading->grid;
    double factor = 1.0;
    int r;

    if (!io_has(reading->file, "lines/id") && has_old_lines(reading->file))
        return read_old_lines(reading, err);
    if (!io_has(reading->file, "lines/id"))
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': the grid has no lines; leave out the line operations, or use a grid processed with Cloudy",
            io_file_path(reading->file));
    r = grid_unit_factor(reading, "lines/wavelength", UNITS_WAVELENGTH, &factor, err);
    if (!r)
        r = grid_read_list(reading->file, "lines/wavelength", factor, &grid->n_line,
                           &grid->line_lambda_rest_angstrom, err);
    for (size_t i = 0; !r && i < grid->n_line; i++)
        if (!(grid->line_lambda_rest_angstrom[i] > 0))
            r = error_set(err, POLYPHONY_INPUT,
                          "'%s': dataset 'lines/wavelength' index %zu is %g angstrom, must be > 0",
                          io_file_path(reading->file), i, grid->line_lambda_rest_angstrom[i]);
    return r ? r : read_ids(reading, err);
}

int grid_take_lines(struct reading *reading, struct error *err)
{
    struct grid *grid = reading->grid;
    int r = node_agree(reading->group, grid_read_lines(reading, err));

    for (size_t i = 0; !r && i < grid->n_spectrum; i++)
        r = take_tables(reading, i, err);
    return r;
}
