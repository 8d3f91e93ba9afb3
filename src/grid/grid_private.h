/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/grid.h"
#include "polyphony/io.h"
#include "polyphony/units.h"

/* Where numbers of a table come from. */
struct table_source {
    char path[IO_NAME_MAX]; /* empty: nowhere */
    double factor;          /* file unit to ours */
    struct io_direct direct;
};

/* A table that has memory, and is to be filled: a dataset, less another one. */
struct filling {
    double *table;
    size_t n_column;
    struct table_source plus, minus;
    const struct filling *subtracted; /* the table that holds `minus`, if one before this does */
    bool is_direct;                   /* all ranks read a stripe without HDF5; else one reads it with */
    bool fills;                       /* that one is this rank */
    size_t first, n;                  /* the stripe of this rank */
};

/* A grid being read: tables are taken first, so that they can then be filled together. */
struct reading {
    struct grid *grid;
    struct io_file *file;
    const struct node_group *group; /* ranks that read it together; NULL: this one alone */
    size_t n_filling;
    struct filling filling[3 * GRID_SPECTRUM_MAX];
    bool fills_continuum[GRID_SPECTRUM_MAX]; /* this rank makes it of the spectrum, afterwards */
};

/* ---- tables.c ---------------------------------------------------------------------------------- */

/* Check a table of (n_age, n_metallicity, n_column), and another one to be subtracted from it unless NULL;
 * take memory, which the grid owns. Collective; *ret_table is NULL where no tables are wanted. */
int grid_take_table(struct reading *reading, const char *path, const char *minus_path, size_t n_column,
                    enum units_kind kind, const double **ret_table, struct error *err);
/* Memory for n numbers; the grid owns it. `*ret_fills`: this rank is to fill it, and then all agree. */
int grid_add_table(struct reading *reading, size_t n, double **ret_table, bool *ret_fills, struct error *err);
/* Collective: read all that were taken, by all threads of all ranks where the file permits. */
int grid_fill_tables(const struct reading *reading, struct error *err);

/* ---- grid.c ------------------------------------------------------------------------------------ */

/* Factor from the dataset's Units attribute to ours. */
int grid_unit_factor(struct io_file *file, const char *path, enum units_kind kind,
                     const char *unit_if_missing, double *ret_factor, struct error *err);
/* A finite axis in our unit, of any length. Lines need not ascend: blends share a wavelength. */
int grid_read_axis(struct io_file *file, const char *path, enum units_kind kind, const char *unit_if_missing,
                   bool is_ascending, size_t *ret_n, double **ret_value, struct error *err);

/* ---- lines.c ----------------------------------------------------------------------------------- */

/* Lines, and their tables for each spectrum of the grid. */
int grid_take_lines(struct reading *reading, struct error *err);
/* Collective, when all is filled: the continuum at the lines where the file has none. */
int grid_make_continua(const struct reading *reading, struct error *err);
