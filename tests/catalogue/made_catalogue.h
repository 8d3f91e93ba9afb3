/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small catalogue as a table of its datasets, of which a test changes what it is about before it is
 * written. */
#pragma once

#include "polyphony/io.h"

#include "../files.h"

#define N_VALUE  15
#define N_COLUMN 32

/* One dataset of the file; those at the front of the group decide nothing, names do. */
struct column {
    const char *path;
    const char *unit; /* NULL: no Units attribute */
    int width;
    uint64_t n;
    bool is_integer, is_absent;
    double value[N_VALUE]; /* [n][width] */
    int other_rank;        /* 2: as (n, 1); 3: as (width, n), transposed; -1: the first value alone */
};

struct made {
    const char *format;
    int64_t version;
    struct column column[N_COLUMN];
};

/* Galaxy 101 has two stars, one gas particle; 205 has nothing; 309 has three stars, two gas, one black hole. */
static const struct made ordinary = {
    .format = "polyphony-catalogue",
    .version = 1,
    .column = {
        { "Galaxies/id", NULL, 1, 3, true, false, { 101, 205, 309 } },
        { "Galaxies/redshift", "dimensionless", 1, 3, false, false, { 0, 1.5, 7 } },
        { "Galaxies/tau_v", "dimensionless", 1, 3, false, false, { 0.5, 0.6, 0.7 } },
        { "Galaxies/fesc", "dimensionless", 1, 3, false, false, { 0.1, 0.2, 0.3 } },
        { "Stars/offset", NULL, 1, 3, true, false, { 0, 2, 2 } },
        { "Stars/length", NULL, 1, 3, true, false, { 2, 0, 3 } },
        { "Stars/initial_masses", "Msun", 1, 5, false, false, { 1e6, 2e6, 3e6, 4e6, 0 } },
        { "Stars/ages", "yr", 1, 5, false, false, { 1e6, 2e7, 3e8, 4e9, 5e9 } },
        { "Stars/metallicities", "dimensionless", 1, 5, false, false, { 0.02, 0, 1e-6, 0.01, 1e-5 } },
        { "Stars/smoothing_lengths", "kpc", 1, 5, false, false, { 0.1, 0.2, 0.3, 0.4, 0.5 } },
        { "Stars/coordinates", "kpc", 3, 5, false, false, { 1, 2, 3, 3, 4, 5, 7, 8, 9, -1, -2, -3, 6, 6, 6 } },
        { "Stars/tau", "dimensionless", 1, 5, false, false, { 0, 1, 2, 3, 4 } },
        { "Gas/offset", NULL, 1, 3, true, false, { 0, 0, 1 } },
        { "Gas/length", NULL, 1, 3, true, false, { 1, 0, 2 } },
        { "Gas/masses", "Msun", 1, 3, false, false, { 1e5, 2e5, 3e5 } },
        { "Gas/metallicities", "dimensionless", 1, 3, false, false, { 0.01, 0, 0.03 } },
        { "Gas/smoothing_lengths", "kpc", 1, 3, false, false, { 1, 2, 3 } },
        { "Gas/coordinates", "kpc", 3, 3, false, false, { 1, 1, 1, 2, 2, 2, 3, 4, 5 } },
        { "BlackHoles/offset", NULL, 1, 3, true, false, { 0, 0, 0 } },
        { "BlackHoles/length", NULL, 1, 3, true, false, { 0, 0, 1 } },
        { "BlackHoles/coordinates", "kpc", 3, 1, false, false, { 9, 8, 7 } },
        /* for cases that ask for them */
        { "Galaxies/centre", "kpc", 3, 3, false, true, { 1, 2, 3, 4, 5, 6, 7, 8, 9 } },
        { "Galaxies/dust_to_metal_ratio", "dimensionless", 1, 3, false, true, { 0.1, 0.2, 0.4 } },
        { "Gas/dust_masses", "Msun", 1, 3, false, true, { 11, 22, 33 } },
        { "Gas/dust_to_metal_ratio", "dimensionless", 1, 3, false, true, { 0.5, 0.25, 0.125 } },
    },
};

static inline struct column *column_of(struct made *made, const char *path)
{
    for (size_t i = 0; i < N_COLUMN && made->column[i].path; i++)
        if (!strcmp(made->column[i].path, path))
            return &made->column[i];
    fail_msg("the test has no column '%s'", path);
    return NULL;
}

static inline void write_column(struct io_file *file, const struct column *column)
{
    bool is_transposed = column->other_rank == 3;
    const uint64_t width = (uint64_t)column->width;
    const uint64_t dims[2] = { is_transposed ? width : column->n, is_transposed ? column->n : width };
    int rank = column->other_rank < 0 ? 0 : column->other_rank || column->width > 1 ? 2 : 1;
    struct error err = { "" };
    int64_t integer[N_VALUE];

    for (size_t i = 0; i < N_VALUE; i++)
        integer[i] = column->is_integer ? (int64_t)column->value[i] : 0;
    if (column->is_integer)
        EXPECT_OK(io_write_i64(file, column->path, rank, dims, integer, column->unit, "made", &err), err);
    else
        EXPECT_OK(io_write_f64(file, column->path, rank, dims, column->value, column->unit, "made", &err),
                  err);
}

static inline const char *write_made(const struct made *made)
{
    const char *path = temp_path("made.hdf5");
    struct io_file *file = NULL;
    struct error err = { "" };

    EXPECT_OK(io_file_create(path, &file, &err), err);
    EXPECT_OK(io_attr_write_text(file, "/", "format", made->format, &err), err);
    EXPECT_OK(io_attr_write_i64(file, "/", "version", made->version, &err), err);
    for (size_t i = 0; i < N_COLUMN && made->column[i].path; i++)
        if (!made->column[i].is_absent)
            write_column(file, &made->column[i]);
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    return path;
}
