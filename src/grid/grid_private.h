/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/grid.h"
#include "polyphony/io.h"
#include "polyphony/units.h"

/* Check a table of (n_age, n_metallicity, n_column) and read it into the caller's care. */
int grid_read_table(const struct grid *grid, struct io_file *file, const char *path, size_t n_column,
                    enum units_kind kind, double **ret_table, struct error *err);

/* A finite axis in our unit, of any length. Lines need not ascend: blends share a wavelength. */
int grid_read_axis(struct io_file *file, const char *path, enum units_kind kind, const char *unit_if_missing,
                   bool is_ascending, size_t *ret_n, double **ret_value, struct error *err);

/* Line ids, wavelengths and the line tables of every spectrum that has been read. */
int grid_read_lines(struct grid *grid, struct io_file *file, struct error *err);
