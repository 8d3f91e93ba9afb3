/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/grid.h"
#include "polyphony/io.h"
#include "polyphony/units.h"

#define GRID_FILLING_MAX (3 * GRID_SPECTRUM_MAX)
#define GRID_KIND_MAX    (UNITS_ANGLE + 1)

/* Rows of a file that a cell is made of, from its first one on: more than one where the job fixes an axis
 * between two nodes. */
struct selection {
    size_t row;
    double weight;
};

/*
 * How the file's cells lie. A row is a cell of the file: row-major over its axes, in its order and direction.
 * Ours are row-major over grid->axis, all ascending; index i of axis a is `stride` rows after the one before,
 * or before it.
 */
struct arrangement {
    struct {
        size_t n, stride; /* in the file */
        bool descends;
    } axis[GRID_AXIS_MAX]; /* of grid->axis */
    size_t n_row;
    size_t n_selection;
    struct selection selection[1 << GRID_AXIS_MAX]; /* in the order of rows */
    bool is_ours;                                   /* row i is cell i */
    bool wavelength_descends;
};

/* Where numbers of a table come from. */
struct table_source {
    char path[IO_NAME_MAX]; /* empty: nowhere */
    double factor;          /* file unit to ours */
    uint64_t n_row;         /* extent of its first axis */
    struct io_direct direct;
};

/* A table that has memory, and is to be filled: a dataset, less another one. */
struct filling {
    double *table;
    size_t n_column;
    bool column_descends; /* in the file */
    struct table_source plus, minus;
    const char *line_member;          /* each column is a dataset of its own: lines/<id>/<line_member> */
    const struct filling *subtracted; /* the table that holds `minus`, if one before this does */
    bool is_direct;                   /* all ranks read a stripe without HDF5; else one reads it with */
    bool fills;                       /* that one is this rank */
    size_t first, n;                  /* the stripe of this rank */
};

/* Datasets that have no unit where it is plain what it must be. */
struct unitless {
    size_t n;
    char first[IO_NAME_MAX];
};

/* A grid being read: tables are taken first, so that they can then be filled together. */
struct reading {
    struct grid *grid;
    struct io_file *file;
    const struct node_group *group; /* ranks that read it together; NULL: this one alone */
    struct arrangement arrangement;
    struct unitless unitless[GRID_KIND_MAX];
    bool lines_are_groups; /* in the old form: lines/<id>/luminosity */
    size_t n_filling;
    struct filling filling[GRID_FILLING_MAX];
    bool is_negative[GRID_FILLING_MAX];      /* this rank met numbers below 0, beyond rounding */
    bool fills_continuum[GRID_SPECTRUM_MAX]; /* this rank makes it of the spectrum, afterwards */
};

/* ---- unit.c ------------------------------------------------------------------------------------ */

/* The dataset's unit as it is written there; empty where there is none. */
int grid_unit_text(struct io_file *file, const char *path, char *ret_text, size_t size, struct error *err);
/* Factor from that unit to ours. One that is missing is the usual one, and noted. */
int grid_unit_factor(struct reading *reading, const char *path, enum units_kind kind, double *ret_factor,
                     struct error *err);
/* The same of an axis of logarithms, such as "dex(yr)". `*ret_is_of_numbers`: the unit is that of plain
 * numbers, "yr" say. */
int grid_log_unit_factor(struct reading *reading, const char *path, enum units_kind kind, double *ret_factor,
                         bool *ret_is_of_numbers, struct error *err);
/* Does a unit say that numbers are logarithms? */
bool grid_unit_is_logarithm(const char *text);
/* Warnings for what was noted. */
void grid_warn_unitless(struct reading *reading);

/* ---- axis.c ------------------------------------------------------------------------------------ */

/* An axis between the file and ours. */
struct file_axis {
    struct reading *reading;
    char name[GRID_NAME_MAX], path[IO_NAME_MAX], unit[GRID_NAME_MAX];
    enum grid_quantity quantity;
    bool holds_log; /* the numbers of the file are logarithms */
    bool is_log;    /* logarithms are interpolated */
    bool descends;
    size_t n;
    double *value, *log10_value; /* [n] ascending, in our unit; the caller's, also after an error */
};

/* What a name says; one with log10 in it holds logarithms. */
enum grid_quantity grid_quantity_of(const char *name, bool *ret_holds_log);
/* Its nodes as they are, their logarithms, and which of both is interpolated. */
int grid_read_axis(struct reading *reading, const char *name, struct file_axis *ret_axis, struct error *err);

/* ---- axes.c ------------------------------------------------------------------------------------ */

/* All axes, which of them are fixed, and what tables are weighted by. */
int grid_read_axes(struct reading *reading, size_t n_fix, const struct grid_fix *fix,
                   enum weights_scheme scheme, struct error *err);
/* The first row of the file, of those that a cell is made of, and back: false if no cell is made of it. */
size_t grid_row_of_cell(const struct reading *reading, size_t cell);
bool grid_cell_of_row(const struct reading *reading, size_t row, size_t *ret_cell, double *ret_weight);
/* "age 2, metallicity 1 (1e8 yr, 0.02": indices are the file's; values of fixed axes are left out. */
void grid_format_cell(const struct reading *reading, size_t cell, char *ret_indices, char *ret_values,
                      size_t size);

/* ---- list.c ------------------------------------------------------------------------------------ */

/* All numbers of a list, times `factor`; finite. *ret_value is the caller's. */
int grid_read_list(struct io_file *file, const char *path, double factor, size_t *ret_n, double **ret_value,
                   struct error *err);
/* A list that ascends, or descends and is turned round. */
int grid_order_list(struct io_file *file, const char *path, size_t n, double *value, bool *ret_descends,
                    struct error *err);
/* Where the file has number i of a list of n that was ordered. */
size_t grid_index_in_file(size_t i, size_t n, bool descends);
void grid_turn_round(size_t n, double *value);
int grid_read_wavelengths(struct reading *reading, struct error *err);

/* ---- tables.c ---------------------------------------------------------------------------------- */

/* Check a table of the axes' extents and n_column, in the file's order, and another one to be subtracted
 * from it unless NULL; take memory, which the grid owns. Collective; *ret_table is NULL where no tables are
 * wanted. */
int grid_take_table(struct reading *reading, const char *path, const char *minus_path, size_t n_column,
                    enum units_kind kind, const double **ret_table, struct error *err);
/* The same of lines that have a dataset each. */
int grid_take_lines_one_by_one(struct reading *reading, const char *member, enum units_kind kind,
                               const double **ret_table, struct error *err);
/* Memory for n numbers; the grid owns it. `*ret_fills`: this rank is to fill it, and then all agree. */
int grid_add_table(struct reading *reading, size_t n, double **ret_table, bool *ret_fills, struct error *err);
/* Is a dataset of this shape, but for axes of length one? */
int grid_expect_shape(const struct reading *reading, const char *path, size_t n_column,
                      struct io_info *ret_info, struct error *err);

/* ---- fill.c ------------------------------------------------------------------------------------ */

/* Collective: read all that were taken, by all threads of all ranks where the file permits. */
int grid_fill_tables(struct reading *reading, struct error *err);

/* ---- lines.c ----------------------------------------------------------------------------------- */

bool grid_has_lines(struct io_file *file);
/* Their ids and wavelengths. */
int grid_read_lines(struct reading *reading, struct error *err);
/* Lines, and their tables for each spectrum of the grid. */
int grid_take_lines(struct reading *reading, struct error *err);
/* Collective, when all is filled: the continuum at the lines where the file has none. */
int grid_make_continua(const struct reading *reading, struct error *err);
