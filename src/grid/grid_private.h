/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/grid.h"
#include "polyphony/io.h"
#include "polyphony/units.h"

/* A grid being read. */
struct reading {
    struct grid *grid;
    struct io_file *file;
    const struct node_group *group; /* ranks that read it together; NULL: this one alone */
};

/* Check a table of (n_age, n_metallicity, n_column) and read it; the grid owns it. NULL where no tables are
 * wanted. */
int grid_read_table(const struct reading *reading, const char *path, size_t n_column, enum units_kind kind,
                    const double **ret_table, struct error *err);
/* Memory for n numbers; the grid owns it. `*ret_fills`: this rank is to fill it, and then all agree. */
int grid_add_table(const struct reading *reading, size_t n, double **ret_table, bool *ret_fills,
                   struct error *err);

/* A finite axis in our unit, of any length. Lines need not ascend: blends share a wavelength. */
int grid_read_axis(struct io_file *file, const char *path, enum units_kind kind, const char *unit_if_missing,
                   bool is_ascending, size_t *ret_n, double **ret_value, struct error *err);

/* Line ids, wavelengths and the line tables of every spectrum that has been read. */
int grid_read_lines(const struct reading *reading, struct error *err);
