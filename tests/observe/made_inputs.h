/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small inputs in files: a grid of 150 wavelengths and three lines, a catalogue of seven galaxies of all
 * sorts, filter curves. Written into the working directory.
 */
#pragma once

#include <stdio.h>

#include "polyphony/io.h"
#include "polyphony/plan.h"

#include "../light/made_galaxy.h"

static const char *const made_line_ids[] = { "H 1 1215.67A", "H 1 4861.32A", "H 1 6562.80A" };

enum { N_MADE_LAMBDA = 150, N_MADE_GALAXY = 7 };

/* The galaxies: an ordinary one, none of stars, one star without gas, one with a bad star, others. */
enum made_row { ROW_FIRST, ROW_NO_STARS, ROW_ONE_STAR, ROW_BAD, ROW_FAR, ROW_SECOND, ROW_LARGE };
static const int64_t made_n_star[N_MADE_GALAXY] = { 40, 0, 1, 30, 25, 40, 300 };
static const int64_t made_n_gas[N_MADE_GALAXY] = { 12, 5, 0, 8, 6, 12, 80 };
static const int64_t made_n_black_hole[N_MADE_GALAXY] = { 2, 0, 1, 0, 0, 3, 5 };
static const double made_redshift[N_MADE_GALAXY] = { 1, 1, 1, 1, 2, 1, 1 };
#define BAD_STAR 5 /* of ROW_BAD: its fesc_star is 1.2 */

/* A file under construction: the first failure ends the test. */
struct made_file {
    struct io_file *file;
    struct error err;
};

static inline void made_ok(const struct made_file *made, int r)
{
    if (r)
        fail_msg("%s", made->err.text);
}

static inline void made_f64(struct made_file *made, const char *path, int rank, const uint64_t *dims,
                            const double *value, const char *units)
{
    made_ok(made, io_write_f64(made->file, path, rank, dims, value, units, "made by a test", &made->err));
}

static inline void made_grid_table(struct made_file *made, const char *path, size_t n, const double *value,
                                   const double *more, const char *units)
{
    const uint64_t dims[3] = { 4, 3, n };
    double *sum = made_copy(12 * n, value);

    for (size_t i = 0; more && i < 12 * n; i++)
        sum[i] += more[i];
    made_f64(made, path, 3, dims, sum, units);
    free(sum);
}

static inline void made_grid_write(const char *path)
{
    static const char *const axes[] = { "ages", "metallicities" };
    struct made_file made = { 0 };
    double lambda[N_MADE_LAMBDA];
    const uint64_t n[] = { 4, 3, N_MADE_LAMBDA, 3 };
    struct grid *grid;

    for (size_t j = 0; j < N_MADE_LAMBDA; j++)
        lambda[j] = 600.0 * pow(30.0, (double)j / (N_MADE_LAMBDA - 1));
    grid = made_grid(N_MADE_LAMBDA, lambda, wide_lnu);
    made_ok(&made, io_file_create(path, &made.file, &made.err));
    made_ok(&made, io_attr_write_texts(made.file, "/", "axes", 2, axes, &made.err));
    made_ok(&made, io_attr_write_text(made.file, "/", "WeightVariable", "initial_masses", &made.err));
    made_f64(&made, "axes/ages", 1, &n[0], grid->axis[0].node, "yr");
    made_f64(&made, "axes/metallicities", 1, &n[1], grid->axis[1].node, "dimensionless");
    made_ok(&made, io_attr_write_bool(made.file, "axes/ages", "log_on_read", true, &made.err));
    made_ok(&made, io_attr_write_bool(made.file, "axes/metallicities", "log_on_read", true, &made.err));
    made_f64(&made, "spectra/wavelength", 1, &n[2], lambda, "angstrom");
    made_grid_table(&made, "spectra/incident", N_MADE_LAMBDA, grid->spectrum[INCIDENT].lnu, NULL, "erg/s/Hz");
    made_grid_table(&made, "spectra/transmitted", N_MADE_LAMBDA, grid->spectrum[TRANSMITTED].lnu, NULL,
                    "erg/s/Hz");
    made_grid_table(&made, "spectra/linecont", N_MADE_LAMBDA, grid->spectrum[LINECONT].lnu, NULL, "erg/s/Hz");
    made_grid_table(&made, "spectra/nebular", N_MADE_LAMBDA, grid->spectrum[NEBULAR_CONTINUUM].lnu,
                    grid->spectrum[LINECONT].lnu, "erg/s/Hz");
    made_ok(&made, io_write_strings(made.file, "lines/id", 3, made_line_ids, "line ids", &made.err));
    made_f64(&made, "lines/wavelength", 1, &n[3], line_lambda, "angstrom");
    made_grid_table(&made, "lines/luminosity", 3, grid->spectrum[LINECONT].line_luminosity, NULL, "erg/s");
    made_grid_table(&made, "lines/nebular_continuum", 3, grid->spectrum[NEBULAR_CONTINUUM].line_continuum,
                    NULL, "erg/s/Hz");
    made_grid_table(&made, "lines/transmitted", 3, grid->spectrum[TRANSMITTED].line_continuum, NULL,
                    "erg/s/Hz");
    made_ok(&made, io_file_commit(made.file, &made.err));
    io_file_close(made.file);
    grid_free(grid);
}

/* n x width uniform numbers, and one that is out of bounds. */
static inline void made_particles(struct made_file *made, const char *path, uint64_t n, uint64_t width,
                                  double low, double high, const char *units)
{
    const uint64_t dims[2] = { n, width };
    uint64_t seed = hash_bytes(path, strlen(path));
    double *value = made_array(n * width, sizeof(*value));

    for (uint64_t i = 0; i < n * width; i++)
        value[i] = uniform(&seed, low, high);
    if (!strcmp(path, "Stars/fesc_star"))
        value[made_n_star[ROW_FIRST] + made_n_star[ROW_NO_STARS] + made_n_star[ROW_ONE_STAR] + BAD_STAR] =
            1.2;
    made_f64(made, path, width == 1 ? 1 : 2, dims, value, units);
    free(value);
}

static inline uint64_t made_slices(struct made_file *made, const char *group, size_t n_galaxy,
                                   const int64_t *n)
{
    const uint64_t dims = n_galaxy;
    int64_t *offset = made_array(n_galaxy, sizeof(*offset)), end = 0;
    char path[64];

    for (size_t g = 0; g < n_galaxy; g++) {
        offset[g] = end;
        end += n[g];
    }
    text_format(path, sizeof(path), "%s/offset", group);
    made_ok(made, io_write_i64(made->file, path, 1, &dims, offset, "dimensionless", "first", &made->err));
    text_format(path, sizeof(path), "%s/length", group);
    made_ok(made, io_write_i64(made->file, path, 1, &dims, n, "dimensionless", "number", &made->err));
    free(offset);
    return (uint64_t)end;
}

/* `has_gas` false: a catalogue of the same stars alone. */
static inline void made_catalogue_write(const char *path, bool has_gas)
{
    static const int64_t id[N_MADE_GALAXY] = { 100, 101, 102, 103, 104, 105, 106 };
    static const double fesc_ly_alpha[N_MADE_GALAXY] = { 0.25, 0.5, 0.75, 0.25, 1.0, 0.0, 0.5 };
    const uint64_t dims = N_MADE_GALAXY;
    struct made_file made = { 0 };
    uint64_t n;

    made_ok(&made, io_file_create(path, &made.file, &made.err));
    made_ok(&made, io_attr_write_text(made.file, "/", "format", "polyphony-catalogue", &made.err));
    made_ok(&made, io_attr_write_i64(made.file, "/", "version", 1, &made.err));
    made_ok(&made, io_write_i64(made.file, "Galaxies/id", 1, &dims, id, "dimensionless", "id", &made.err));
    made_f64(&made, "Galaxies/redshift", 1, &dims, made_redshift, "dimensionless");
    made_f64(&made, "Galaxies/fesc_ly_alpha", 1, &dims, fesc_ly_alpha, "dimensionless");
    n = made_slices(&made, "Stars", N_MADE_GALAXY, made_n_star);
    made_particles(&made, "Stars/initial_masses", n, 1, 1e4, 1e6, "Msun");
    made_particles(&made, "Stars/ages", n, 1, 1e6, 1e9, "yr");
    made_particles(&made, "Stars/metallicities", n, 1, 0.0005, 0.03, "dimensionless");
    made_particles(&made, "Stars/coordinates", n, 3, -5, 5, "kpc");
    made_particles(&made, "Stars/smoothing_lengths", n, 1, 0.5, 1, "kpc");
    made_particles(&made, "Stars/fesc_star", n, 1, 0, 1, "dimensionless");
    made_particles(&made, "Stars/tau_star", n, 1, 0, 3, "dimensionless");
    if (has_gas) {
        n = made_slices(&made, "Gas", N_MADE_GALAXY, made_n_gas);
        made_particles(&made, "Gas/masses", n, 1, 1e7, 1e8, "Msun");
        made_particles(&made, "Gas/metallicities", n, 1, 0.001, 0.02, "dimensionless");
        made_particles(&made, "Gas/coordinates", n, 3, -5, 5, "kpc");
        made_particles(&made, "Gas/smoothing_lengths", n, 1, 1, 3, "kpc");
        n = made_slices(&made, "BlackHoles", N_MADE_GALAXY, made_n_black_hole);
        made_particles(&made, "BlackHoles/masses", n, 1, 1e6, 1e8, "Msun");
        made_particles(&made, "BlackHoles/coordinates", n, 3, -5, 5, "kpc");
    }
    made_ok(&made, io_file_commit(made.file, &made.err));
    io_file_close(made.file);
}

/* Galaxies of the same region, at eight redshifts, with so many stars and gas particles each; the last star
 * of all has a mass of -1. */
static inline void made_galaxies_write(const char *path, size_t n_galaxy, const int64_t *n_star,
                                       const int64_t *n_gas)
{
    struct made_file made = { 0 };
    uint64_t n, seed = 1;
    double *mass, *redshift;

    made_ok(&made, io_file_create(path, &made.file, &made.err));
    made_ok(&made, io_attr_write_text(made.file, "/", "format", "polyphony-catalogue", &made.err));
    made_ok(&made, io_attr_write_i64(made.file, "/", "version", 1, &made.err));
    n = made_slices(&made, "Stars", n_galaxy, n_star);
    mass = made_array(n, sizeof(*mass));
    for (uint64_t i = 0; i < n; i++)
        mass[i] = i + 1 < n ? uniform(&seed, 1e4, 1e6) : -1;
    made_f64(&made, "Stars/initial_masses", 1, &n, mass, "Msun");
    made_particles(&made, "Stars/ages", n, 1, 1e6, 1e9, "yr");
    made_particles(&made, "Stars/metallicities", n, 1, 0.0005, 0.03, "dimensionless");
    made_particles(&made, "Stars/coordinates", n, 3, -5, 5, "kpc");
    made_particles(&made, "Stars/smoothing_lengths", n, 1, 0.05, 0.1, "kpc");
    n = made_slices(&made, "Gas", n_galaxy, n_gas);
    made_particles(&made, "Gas/dust_masses", n, 1, 1e4, 1e5, "Msun");
    made_particles(&made, "Gas/coordinates", n, 3, -5, 5, "kpc");
    made_particles(&made, "Gas/smoothing_lengths", n, 1, 0.02, 0.1, "kpc");
    redshift = made_array(n_galaxy, sizeof(*redshift));
    for (size_t i = 0; i < n_galaxy; i++)
        redshift[i] = 0.5 + 0.25 * (double)(i % 8);
    n = n_galaxy;
    made_f64(&made, "Galaxies/redshift", 1, &n, redshift, "dimensionless");
    made_ok(&made, io_file_commit(made.file, &made.err));
    io_file_close(made.file);
    free(mass);
    free(redshift);
}

/* A triangle between two wavelengths [angstrom]. */
static inline void made_filter_write(const char *path, double low, double high)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file, "# made by a test\n");
    for (int i = 0; i <= 20; i++)
        fprintf(file, "%.17g %.17g\n", low + (high - low) * i / 20,
                i < 12 ? 0.8 * i / 12 : 0.8 * (20 - i) / 8);
    assert_int_equal(fclose(file), 0);
}
