/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists of numbers of a grid, which ascend or descend; wavelengths are one. */
#include "grid_private.h"

#include <math.h>
#include <stdlib.h>

int grid_read_list(struct io_file *file, const char *path, double factor, size_t *ret_n, double **ret_value,
                   struct error *err)
{
    const uint64_t any = 0;
    struct io_info info;
    double *value = NULL;
    int r = io_dataset_info(file, path, &info, err);

    /* A column, (n, 1), is a list. */
    if (!r && !(info.rank == 2 && (info.dims[0] == 1 || info.dims[1] == 1)))
        r = io_dataset_expect(file, path, 1, &any, &info, err);
    if (!r && info.n == 0)
        r = error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' is empty", io_file_path(file), path);
    if (r)
        return r;
    value = mem_array(info.n, sizeof(*value));
    if (!value)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for '%s'", io_file_path(file), path);
    r = io_read_rows_f64(file, path, 0, info.dims[0], value, err);
    for (size_t i = 0; !r && i < info.n; i++) {
        value[i] *= factor;
        if (!isfinite(value[i]))
            r = error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' index %zu is %g, not a finite number",
                          io_file_path(file), path, i, value[i]);
    }
    if (r) {
        free(value);
        return r;
    }
    *ret_n = info.n;
    *ret_value = value;
    return 0;
}

void grid_turn_round(size_t n, double *value)
{
    for (size_t i = 0; i < n / 2; i++) {
        double kept = value[i];

        value[i] = value[n - 1 - i];
        value[n - 1 - i] = kept;
    }
}

int grid_order_list(struct io_file *file, const char *path, size_t n, double *value, bool *ret_descends,
                    struct error *err)
{
    bool descends = n > 1 && value[1] < value[0];

    for (size_t i = 1; i < n; i++) {
        if (value[i] == value[i - 1])
            return error_set(
                err, POLYPHONY_INPUT,
                "'%s': dataset '%s' index %zu is %.17g, as index %zu is; each value must be there once",
                io_file_path(file), path, i, value[i], i - 1);
        if ((value[i] < value[i - 1]) != descends)
            return error_set(
                err, POLYPHONY_INPUT,
                "'%s': dataset '%s' must ascend or descend throughout, but index %zu is %g after %g",
                io_file_path(file), path, i, value[i], value[i - 1]);
    }
    if (descends)
        grid_turn_round(n, value);
    *ret_descends = descends;
    return 0;
}

size_t grid_index_in_file(size_t i, size_t n, bool descends)
{
    return descends ? n - 1 - i : i;
}

int grid_read_wavelengths(struct reading *reading, struct error *err)
{
    static const char path[] = "spectra/wavelength";
    struct grid *grid = reading->grid;
    const char *file = io_file_path(reading->file);
    bool *descends = &reading->arrangement.wavelength_descends;
    double factor = 1.0;
    int r = grid_unit_factor(reading, path, UNITS_WAVELENGTH, &factor, err);

    if (!r)
        r = grid_read_list(reading->file, path, factor, &grid->n_lambda, &grid->lambda_rest_angstrom, err);
    if (!r)
        r = grid_order_list(reading->file, path, grid->n_lambda, grid->lambda_rest_angstrom, descends, err);
    if (!r && grid->n_lambda < 2)
        r = error_set(err, POLYPHONY_INPUT, "'%s': '%s' has one wavelength, a spectrum needs two", file,
                      path);
    if (!r && !(grid->lambda_rest_angstrom[0] > 0))
        r = error_set(
            err, POLYPHONY_INPUT,
            "'%s': '%s' index %zu is %g angstrom, must be > 0; leave that column out, there and in all spectra",
            file, path, grid_index_in_file(0, grid->n_lambda, *descends), grid->lambda_rest_angstrom[0]);
    if (!r && (grid->lambda_rest_angstrom[grid->n_lambda - 1] < 1e3 || grid->lambda_rest_angstrom[0] > 1e6))
        warnings_add(
            &grid->warnings,
            "'%s': the grid's wavelengths are %g to %g angstrom, where stars shine little; is the unit right?",
            file, grid->lambda_rest_angstrom[0], grid->lambda_rest_angstrom[grid->n_lambda - 1]);
    return r;
}
