/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading from the page cache: a grid with tables as large as the mission's, and batches of galaxies. The
 * rival is what HDF5 does for the same numbers, one dataset after the other.
 */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "polyphony/catalogue.h"
#include "polyphony/demo.h"
#include "polyphony/grid.h"
#include "polyphony/io.h"

#define N_BATCH 64

static void must(int r, const struct error *err)
{
    if (!r)
        return;
    fprintf(stderr, "bench_reading: %s\n", err->text);
    exit(1);
}

struct reading {
    const char *path;
    struct grid_needs needs;
    double *table; /* one table of a grid */
    uint64_t n_age, n_table;
    struct catalogue *catalogue;
    struct arena arena;
    struct galaxy galaxy[N_BATCH];
    int status[N_BATCH];
    struct error error[N_BATCH];
};

static void open_grid(void *context)
{
    struct reading *reading = context;
    struct error err = { "" };
    struct grid *grid = NULL;

    must(grid_open(reading->path, &reading->needs, NULL, &grid, &err), &err);
    grid_free(grid);
}

/* The same bytes into fresh memory, then a pass to scale and check them. */
static void read_by_hdf5(void *context)
{
    struct reading *reading = context;
    struct error err = { "" };
    struct io_file *file = NULL;
    char path[IO_NAME_MAX];

    must(io_file_open(reading->path, &file, &err), &err);
    for (size_t s = 0; s < reading->needs.n_spectrum; s++) {
        double *table = mem_array(reading->n_table, sizeof(*table));

        text_format(path, sizeof(path), "spectra/%s", reading->needs.spectrum[s]);
        if (table)
            must(io_read_rows_f64(file, path, 0, reading->n_age, table, &err), &err);
        for (size_t i = 0; table && i < reading->n_table; i++)
            if (!isfinite(table[i]))
                abort();
        free(table);
    }
    io_file_close(file);
}

/* A name that no other process has. */
static const char *name_file(const char *what, char ret_path[64])
{
    snprintf(ret_path, 64, "/tmp/polyphony-bench-%s-%d.hdf5", what, (int)getpid());
    return ret_path;
}

static void bench_grid(struct bench *bench)
{
    char room[64];
    const char *path = name_file("grid", room);
    struct reading reading = { .path = path,
                               .needs = { 3, { "incident", "transmitted", "linecont" }, false } };
    struct demo_grid_options options = demo_grid_defaults(path);
    struct error err = { "" };
    struct bench_work work = { .unit = "numbers" };
    char size[64];

    if (bench_is_quick(bench))
        options.n_lambda = 500;
    must(demo_grid_write(&options, &err), &err);
    reading.n_age = options.n_age;
    reading.n_table = options.n_age * options.n_metallicity * options.n_lambda;
    work.n = (double)(reading.needs.n_spectrum * reading.n_table);
    work.bytes = 8.0 * work.n;
    snprintf(size, sizeof(size), "3 tables of %.1f MB, page cache", (double)reading.n_table * 8e-6);
    bench_add(bench, "grid", "HDF5", size, bench_time(bench, read_by_hdf5, &reading), &work);
    bench_add(bench, "grid", "grid_open", size, bench_time(bench, open_grid, &reading), &work);
    unlink(path);
}

static void read_each(void *context)
{
    struct reading *reading = context;
    struct error err = { "" };

    for (size_t row = 0; row < reading->catalogue->n_galaxy; row++) {
        arena_reset(&reading->arena);
        must(catalogue_read(reading->catalogue, row, &reading->arena, &reading->galaxy[0], &err), &err);
    }
}

static void read_batches(void *context)
{
    struct reading *reading = context;
    uint64_t row[N_BATCH];

    for (size_t first = 0; first < reading->catalogue->n_galaxy; first += N_BATCH) {
        size_t n = reading->catalogue->n_galaxy - first;

        n = n < N_BATCH ? n : N_BATCH;
        for (size_t i = 0; i < n; i++)
            row[i] = first + i;
        arena_reset(&reading->arena);
        catalogue_read_many(reading->catalogue, n, row, &reading->arena, reading->galaxy, reading->status,
                            reading->error);
    }
}

/* Row by row, as HDF5 reads slices: each dataset is opened, looked at and closed. */
static void read_slices_by_hdf5(void *context)
{
    static const char *const paths[] = { "Stars/initial_masses", "Stars/ages",       "Stars/metallicities",
                                         "Stars/coordinates",    "Gas/coordinates",  "Gas/smoothing_lengths",
                                         "Gas/masses",           "Gas/metallicities" };
    struct reading *reading = context;
    const struct catalogue *catalogue = reading->catalogue;
    struct error err = { "" };
    struct io_file *file = NULL;

    must(io_file_open(reading->path, &file, &err), &err);
    for (size_t row = 0; row < catalogue->n_galaxy; row++)
        for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
            bool is_gas = !strncmp(paths[i], "Gas", 3);

            must(io_read_rows_f64(
                     file, paths[i], is_gas ? catalogue->offset[GAS][row] : catalogue->offset[STARS][row],
                     is_gas ? catalogue->n_particle[GAS][row] : catalogue->n_particle[STARS][row],
                     reading->table, &err),
                 &err);
        }
    io_file_close(file);
}

static void bench_galaxies(struct bench *bench, uint64_t n_galaxy, uint64_t n_star)
{
    char room[64];
    const char *path = name_file("catalogue", room);
    struct demo_catalogue_options options = demo_catalogue_defaults(path);
    const struct catalogue_needs needs = {
        .redshift = true,
        .field[STARS] = { [FIELD_INITIAL_MASS_MSUN] = "",
                          [FIELD_AGE_YR] = "",
                          [FIELD_METALLICITY] = "",
                          [FIELD_X_KPC] = "" },
        .field[GAS] = { [FIELD_X_KPC] = "", [FIELD_SMOOTHING_KPC] = "", [FIELD_DUST_MASS_MSUN] = "" },
        .dust_to_metal_ratio = 0.3
    };
    struct reading reading = { .path = path };
    struct bench_work work = { .unit = "galaxies" };
    struct error err = { "" };
    char size[64];

    options.n_galaxy = n_galaxy;
    options.n_star_per_galaxy = n_star;
    must(demo_catalogue_write(&options, &err), &err);
    must(catalogue_open(path, &needs, NULL, &reading.catalogue, &err), &err);
    reading.table = mem_array(3 * n_star, sizeof(*reading.table));
    if (!reading.table)
        abort();
    work.n = (double)n_galaxy;
    for (uint64_t row = 0; row < n_galaxy; row++)
        work.bytes += (double)catalogue_galaxy_bytes(reading.catalogue, row);
    snprintf(size, sizeof(size), "%d galaxies of %d stars, page cache", (int)n_galaxy, (int)n_star);
    bench_add(bench, "catalogue", "HDF5", size, bench_time(bench, read_slices_by_hdf5, &reading), &work);
    bench_add(bench, "catalogue", "one by one", size, bench_time(bench, read_each, &reading), &work);
    bench_add(bench, "catalogue", "batches of 64", size, bench_time(bench, read_batches, &reading), &work);
    catalogue_close(reading.catalogue);
    arena_free(&reading.arena);
    free(reading.table);
    unlink(path);
}

void bench_reading(struct bench *bench)
{
    bench_grid(bench);
    bench_galaxies(bench, bench_is_quick(bench) ? 20 : 1000, 100);
    bench_galaxies(bench, bench_is_quick(bench) ? 2 : 100, 10000);
}
