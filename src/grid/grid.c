/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "grid_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Axis names of this and older generations of grids; a name with log10 holds logarithms. */
struct axis_name {
    const char *name;
    bool holds_log10;
};
static const struct axis_name age_names[] = {
    { "ages", false }, { "age", false }, { "log10ages", true }, { "log10age", true }
};
static const struct axis_name metallicity_names[] = { { "metallicities", false },
                                                      { "metallicity", false },
                                                      { "log10metallicities", true },
                                                      { "log10metallicity", true } };

int grid_unit_factor(struct io_file *file, const char *path, enum units_kind kind,
                     const char *unit_if_missing, double *ret_factor, struct error *err)
{
    char unit[64];
    int r = 0;

    if (unit_if_missing && !io_attr_has(file, path, "Units"))
        text_format(unit, sizeof(unit), "%s", unit_if_missing);
    else
        r = io_attr_read_text(file, path, "Units", unit, sizeof(unit), err);
    if (!r)
        r = units_factor(unit, kind, NULL, ret_factor, err);
    return r ? error_prefix(err, r, "'%s': dataset '%s'", io_file_path(file), path) : 0;
}

int grid_read_axis(struct io_file *file, const char *path, enum units_kind kind, const char *unit_if_missing,
                   bool is_ascending, size_t *ret_n, double **ret_value, struct error *err)
{
    uint64_t any = 0;
    struct io_info info;
    double factor = 1.0, *value = NULL;
    int r = io_dataset_expect(file, path, 1, &any, &info, err);

    if (!r && info.n == 0)
        r = error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' is empty", io_file_path(file), path);
    if (!r)
        r = grid_unit_factor(file, path, kind, unit_if_missing, &factor, err);
    if (r)
        return r;
    value = mem_array(info.n, sizeof(*value));
    if (!value)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for '%s'", io_file_path(file), path);
    r = io_read_rows_f64(file, path, 0, info.n, value, err);
    for (size_t i = 0; !r && i < info.n; i++) {
        value[i] *= factor;
        if (!isfinite(value[i]))
            r = error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' index %zu is %g, not a finite number",
                          io_file_path(file), path, i, value[i]);
        else if (is_ascending && i && !(value[i] > value[i - 1]))
            r = error_set(err, POLYPHONY_INPUT,
                          "'%s': dataset '%s' must ascend, but index %zu is %g after %g", io_file_path(file),
                          path, i, value[i], value[i - 1]);
    }
    if (r) {
        free(value);
        return r;
    }
    *ret_n = info.n;
    *ret_value = value;
    return 0;
}

/* One population axis: the nodes as they are, their logarithms, and which of both is interpolated. */
static int read_population_axis(struct grid *grid, struct io_file *file, const char *name,
                                const struct axis_name *names, size_t n_name, int i_axis, struct error *err)
{
    enum units_kind kind = i_axis == 0 ? UNITS_TIME : UNITS_DIMENSIONLESS;
    const struct axis_name *known = NULL;
    char path[IO_NAME_MAX];
    double *value = NULL, *log10_value;
    size_t n = 0;
    int64_t is_log = 0;
    int r;

    for (size_t i = 0; i < n_name && !known; i++)
        if (!strcmp(name, names[i].name))
            known = &names[i];
    if (!known)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': axis %d of the grid is '%s'; only (ages, metallicities), in this order, are understood",
            io_file_path(file), i_axis + 1, name);
    text_format(path, sizeof(path), "axes/%s", name);
    r = grid_read_axis(file, path, known->holds_log10 ? UNITS_DIMENSIONLESS : kind,
                       known->holds_log10 ? "dimensionless" : NULL, true, &n, &value, err);
    if (r)
        return r;
    log10_value = mem_array(n, sizeof(*log10_value));
    *(i_axis ? &grid->metallicity : &grid->age_yr) = value;
    *(i_axis ? &grid->log10_metallicity : &grid->log10_age) = log10_value;
    *(i_axis ? &grid->n_metallicity : &grid->n_age) = n;
    if (!log10_value)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for '%s'", io_file_path(file), path);
    for (size_t i = 0; i < n; i++) {
        log10_value[i] = known->holds_log10 ? value[i] : log10(value[i]);
        value[i] = known->holds_log10 ? pow(10.0, value[i]) : value[i];
        if (!(value[i] > 0) || !isfinite(value[i]))
            return error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' index %zu is %g, must be > 0",
                             io_file_path(file), path, i, value[i]);
    }
    if (!known->holds_log10 && io_attr_has(file, path, "log_on_read"))
        r = io_attr_read_i64(file, path, "log_on_read", &is_log, err);
    grid->axis_is_log[i_axis] = known->holds_log10 || is_log;
    grid->axis[i_axis] = (struct axis_nodes) { n, grid->axis_is_log[i_axis] ? log10_value : value };
    return r;
}

static int read_axes(struct grid *grid, struct io_file *file, struct error *err)
{
    char(*names)[IO_NAME_MAX] = NULL;
    char weight[64] = "initial_masses";
    size_t n = 0;
    int r = io_attr_read_texts(file, "/", "axes", &names, &n, err);

    if (r)
        return error_prefix(err, r, "not a stellar population grid");
    if (n != 2)
        r = error_set(err, POLYPHONY_INPUT,
                      "'%s': the grid has %zu axes; two (ages, metallicities) are understood so far",
                      io_file_path(file), n);
    if (!r)
        r = read_population_axis(grid, file, names[0], age_names, sizeof(age_names) / sizeof(*age_names), 0,
                                 err);
    if (!r)
        r = read_population_axis(grid, file, names[1], metallicity_names,
                                 sizeof(metallicity_names) / sizeof(*metallicity_names), 1, err);
    free(names);
    if (!r && io_attr_has(file, "/", "WeightVariable"))
        r = io_attr_read_text(file, "/", "WeightVariable", weight, sizeof(weight), err);
    if (!r && strcmp(weight, "initial_masses"))
        r = error_set(err, POLYPHONY_INPUT,
                      "'%s': the grid is per '%s'; only grids per 'initial_masses' are understood",
                      io_file_path(file), weight);
    grid->n_cell = grid->n_age * grid->n_metallicity;
    return r;
}

static int take_spectrum(struct reading *reading, const char *name, struct error *err)
{
    struct grid *grid = reading->grid;
    struct grid_spectrum *spectrum = &grid->spectrum[grid->n_spectrum++];
    char path[IO_NAME_MAX];

    text_format(spectrum->name, sizeof(spectrum->name), "%s", name);
    text_format(path, sizeof(path), "spectra/%s", name);
    /* nebular_continuum is what of the nebular emission is not in the lines. */
    if (!strcmp(name, "nebular_continuum") && !io_has(reading->file, path))
        return grid_take_table(reading, "spectra/nebular", "spectra/linecont", grid->n_lambda, UNITS_LNU,
                               &spectrum->lnu, err);
    return grid_take_table(reading, path, NULL, grid->n_lambda, UNITS_LNU, &spectrum->lnu, err);
}

static void name_from_path(const char *path, char *ret_name, size_t size)
{
    const char *slash = strrchr(path, '/');
    char *dot;

    text_format(ret_name, size, "%s", slash ? slash + 1 : path);
    dot = strrchr(ret_name, '.');
    if (dot && dot != ret_name)
        *dot = '\0';
}

/* What every rank reads for itself. */
static int read_wavelengths(struct grid *grid, struct io_file *file, struct error *err)
{
    int r = grid_read_axis(file, "spectra/wavelength", UNITS_WAVELENGTH, "angstrom", true, &grid->n_lambda,
                           &grid->lambda_rest_angstrom, err);

    if (!r && (grid->n_lambda < 2 || !(grid->lambda_rest_angstrom[0] > 0)))
        r = error_set(err, POLYPHONY_INPUT, "'%s': 'spectra/wavelength' needs at least two wavelengths > 0",
                      io_file_path(file));
    return r;
}

int grid_open(const char *path, const struct grid_needs *needs, const struct node_share *share,
              struct grid **ret_grid, struct error *err)
{
    struct reading reading = { .grid = mem_array(1, sizeof(struct grid)),
                               .group = node_share_computing(share) };
    int r = reading.grid ? 0 : error_set(err, POLYPHONY_INTERNAL, "'%s': no memory", path);

    if (!r)
        name_from_path(path, reading.grid->name, sizeof(reading.grid->name));
    if (!r)
        r = io_file_open(path, &reading.file, err);
    if (!r)
        r = read_axes(reading.grid, reading.file, err);
    if (!r)
        r = read_wavelengths(reading.grid, reading.file, err);
    r = node_agree(reading.group, r);
    for (size_t i = 0; !r && i < needs->n_spectrum; i++)
        r = take_spectrum(&reading, needs->spectrum[i], err);
    if (!r && needs->lines)
        r = grid_take_lines(&reading, err);
    if (!r)
        r = grid_fill_tables(&reading, err);
    if (!r && needs->lines)
        r = grid_make_continua(&reading, err);
    io_file_close(reading.file);
    if (r) {
        grid_free(reading.grid);
        return r;
    }
    for (size_t i = 0; i < reading.grid->n_table; i++)
        node_table_seal(&reading.grid->table[i]);
    *ret_grid = reading.grid;
    return 0;
}

void grid_free(struct grid *grid)
{
    if (!grid)
        return;
    for (size_t i = 0; i < grid->n_table; i++)
        node_table_release(&grid->table[i]);
    free(grid->age_yr);
    free(grid->metallicity);
    free(grid->log10_age);
    free(grid->log10_metallicity);
    free(grid->lambda_rest_angstrom);
    free(grid->line_lambda_rest_angstrom);
    free(grid->line_id);
    free(grid);
}

size_t grid_bytes(const struct grid *grid)
{
    size_t n = 0;

    for (size_t i = 0; i < grid->n_table; i++)
        n += grid->table[i].n_byte;
    return n;
}
