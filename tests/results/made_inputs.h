/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small inputs for tests of results: a catalogue of 4 galaxies, a grid of 3 ages x 2 metallicities x 60
 * wavelengths x 24 lines, and two filter curves. Values are chosen to be different from each other, not to be
 * likely.
 */
#pragma once

#include "polyphony/io.h"

#include "../files.h"

#include <math.h>

#define MADE_N_GALAXY     4
#define MADE_N_STAR       10
#define MADE_N_GAS        4
#define MADE_N_BLACK_HOLE 3
#define MADE_N_LINE       24

/** What can be changed without changing a path. */
struct made_inputs {
    double star_mass_factor, grid_factor; /* 1 as made first */
    bool is_second_galaxy_bad;            /* one of its stars has a negative mass */
};

static inline void made_numbers(struct io_file *file, const char *path, uint64_t n, uint64_t n_column,
                                double (*value)(uint64_t i), double factor, const char *units)
{
    const uint64_t dims[2] = { n, n_column };
    double data[64];
    struct error err = { "" };

    for (uint64_t i = 0; i < n * n_column; i++)
        data[i] = factor * value(i);
    EXPECT_OK(io_write_f64(file, path, n_column > 1 ? 2 : 1, dims, data, units, "made for a test", &err),
              err);
}

static inline void made_integers(struct io_file *file, const char *path, const int64_t *data)
{
    const uint64_t n = MADE_N_GALAXY;
    struct error err = { "" };

    EXPECT_OK(io_write_i64(file, path, 1, &n, data, "dimensionless", "made for a test", &err), err);
}

static inline double made_mass(uint64_t i)
{
    return 1e5 * (1.0 + (double)i);
}
static inline double made_bad_mass(uint64_t i)
{
    return i == 4 ? -1.0 : made_mass(i);
}
static inline double made_age(uint64_t i)
{
    return 2e6 * pow(1.9, (double)i);
}
static inline double made_metallicity(uint64_t i)
{
    return 0.002 + 0.001 * (double)i;
}
static inline double made_place(uint64_t i)
{
    return sin(12.9898 * (double)i);
} /* within 1 kpc */
static inline double made_length(uint64_t i)
{
    return 0.4 + 0.05 * (double)i;
}
static inline double made_gas_mass(uint64_t i)
{
    return 3e7 * (1.0 + (double)i);
}
static inline double made_redshift(uint64_t i)
{
    return 0.3 + 0.1 * (double)i;
}

static inline void made_catalogue(const char *path, const struct made_inputs *made)
{
    static const int64_t id[] = { 70, 10, 30, 20 }, star[] = { 0, 3, 7, 9 }, n_star[] = { 3, 4, 2, 1 };
    static const int64_t gas[] = { 0, 3, 4, 4 }, n_gas[] = { 3, 1, 0, 0 };
    static const int64_t hole[] = { 0, 1, 1, 1 }, n_hole[] = { 1, 0, 2, 0 };
    struct io_file *file = NULL;
    struct error err = { "" };

    EXPECT_OK(io_file_create(path, &file, &err), err);
    EXPECT_OK(io_attr_write_text(file, "/", "format", "polyphony-catalogue", &err), err);
    EXPECT_OK(io_attr_write_i64(file, "/", "version", 1, &err), err);
    made_integers(file, "Galaxies/id", id);
    made_numbers(file, "Galaxies/redshift", MADE_N_GALAXY, 1, made_redshift, 1.0, "dimensionless");
    made_integers(file, "Stars/offset", star);
    made_integers(file, "Stars/length", n_star);
    made_numbers(file, "Stars/initial_masses", MADE_N_STAR, 1,
                 made->is_second_galaxy_bad ? made_bad_mass : made_mass, made->star_mass_factor, "Msun");
    made_numbers(file, "Stars/ages", MADE_N_STAR, 1, made_age, 1.0, "yr");
    made_numbers(file, "Stars/metallicities", MADE_N_STAR, 1, made_metallicity, 1.0, "dimensionless");
    made_numbers(file, "Stars/coordinates", MADE_N_STAR, 3, made_place, 1.0, "kpc");
    made_numbers(file, "Stars/smoothing_lengths", MADE_N_STAR, 1, made_length, 1.0, "kpc");
    made_integers(file, "Gas/offset", gas);
    made_integers(file, "Gas/length", n_gas);
    made_numbers(file, "Gas/masses", MADE_N_GAS, 1, made_gas_mass, 1.0, "Msun");
    made_numbers(file, "Gas/metallicities", MADE_N_GAS, 1, made_metallicity, 1.0, "dimensionless");
    made_numbers(file, "Gas/coordinates", MADE_N_GAS, 3, made_place, 1.0, "kpc");
    made_numbers(file, "Gas/smoothing_lengths", MADE_N_GAS, 1, made_length, 4.0, "kpc");
    made_integers(file, "BlackHoles/offset", hole);
    made_integers(file, "BlackHoles/length", n_hole);
    made_numbers(file, "BlackHoles/coordinates", MADE_N_BLACK_HOLE, 3, made_place, 0.5, "kpc");
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
}

/* [3][2][n] of positive values that differ. */
static inline void made_table(struct io_file *file, const char *path, uint64_t n, double scale,
                              const char *units)
{
    const uint64_t dims[3] = { 3, 2, n };
    double data[3 * 2 * 64];
    struct error err = { "" };

    for (uint64_t i = 0; i < 6 * n; i++)
        data[i] = scale * (2.0 + sin(0.37 * (double)i) + (double)(i / n));
    EXPECT_OK(io_write_f64(file, path, 3, dims, data, units, "made for a test", &err), err);
}

static inline void made_grid(const char *path, const struct made_inputs *made)
{
    static const char *const axes[] = { "ages", "metallicities" };
    static const double age_yr[] = { 1e6, 1e8, 1e10 }, metallicity[] = { 0.001, 0.02 };
    const uint64_t n_age = 3, n_metallicity = 2, n_lambda = 60, n_line = MADE_N_LINE;
    const char *id[MADE_N_LINE];
    char text[MADE_N_LINE][24];
    double lambda[60], line_lambda[MADE_N_LINE];
    struct io_file *file = NULL;
    struct error err = { "" };

    for (int i = 0; i < 60; i++)
        lambda[i] = 300.0 * pow(1.07, i);
    for (int i = 0; i < MADE_N_LINE; i++) {
        line_lambda[i] = 1000.0 + 321.0 * i;
        snprintf(text[i], sizeof(text[i]), "H 1 %09.3fA", line_lambda[i]);
        id[i] = text[i];
    }
    EXPECT_OK(io_file_create(path, &file, &err), err);
    EXPECT_OK(io_attr_write_texts(file, "/", "axes", 2, axes, &err), err);
    EXPECT_OK(io_make_group(file, "CloudyParams", &err), err);
    EXPECT_OK(io_write_f64(file, "axes/ages", 1, &n_age, age_yr, "yr", "ages", &err), err);
    EXPECT_OK(
        io_write_f64(file, "axes/metallicities", 1, &n_metallicity, metallicity, "dimensionless", "Z", &err),
        err);
    EXPECT_OK(io_write_f64(file, "spectra/wavelength", 1, &n_lambda, lambda, "angstrom", "lambda", &err),
              err);
    made_table(file, "spectra/incident", n_lambda, 4e20 * made->grid_factor, "erg/(Hz*s)");
    made_table(file, "spectra/transmitted", n_lambda, 3e20, "erg/(Hz*s)");
    made_table(file, "spectra/nebular", n_lambda, 2e20, "erg/(Hz*s)");
    made_table(file, "spectra/linecont", n_lambda, 1e20, "erg/(Hz*s)");
    EXPECT_OK(io_write_strings(file, "lines/id", n_line, id, "names", &err), err);
    EXPECT_OK(io_write_f64(file, "lines/wavelength", 1, &n_line, line_lambda, "angstrom", "lambda", &err),
              err);
    made_table(file, "lines/luminosity", n_line, 1e33, "erg/s");
    made_table(file, "lines/nebular_continuum", n_line, 1e20, "erg/(Hz*s)");
    made_table(file, "lines/transmitted", n_line, 3e20, "erg/(Hz*s)");
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
}

static inline void made_filter(const char *path, double low_angstrom, double height)
{
    FILE *file = fopen(path, "w");

    if (!file)
        fail_msg("'%s' cannot be written", path);
    fprintf(file, "# made for a test\n%g 0\n%g %g\n%g %g\n%g 0\n", low_angstrom, 1.1 * low_angstrom, height,
            1.8 * low_angstrom, 0.8 * height, 2.0 * low_angstrom);
    fclose(file);
}

/** Write all inputs under their fixed names in the test's directory. */
static inline void made_inputs_write(const struct made_inputs *made)
{
    made_catalogue(temp_path("catalogue.hdf5"), made);
    made_grid(temp_path("grid.hdf5"), made);
    made_filter(temp_path("a.txt"), 3000.0, 0.5);
    made_filter(temp_path("b.txt"), 5000.0, 0.9);
}

/** The job of these inputs with `from` replaced by `to` (NULL: as it is); the caller frees it. */
static inline char *made_job(const char *from, const char *to)
{
    char *text = NULL, *changed = NULL, *place;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    fprintf(out, "catalogue: %s\ngrid: %s\n", temp_path("catalogue.hdf5"), temp_path("grid.hdf5"));
    fprintf(out, "output: %s\nthreads: 1\n", temp_path("results.hdf5"));
    fprintf(out, "emission: {model: pacman, tau_v: los, fesc: 0.1}\n");
    fprintf(out, "instruments:\n  - label: cam\n    resolution_arcsec: 0.1\n    filters:\n");
    fprintf(out, "      - {code: cam/A, file: %s}\n      - {code: cam/B, file: %s}\n", temp_path("a.txt"),
            temp_path("b.txt"));
    fprintf(out, "operations:\n  los_optical_depths: {write_particles: yes}\n  sfh: {}\n"
                 "  spectra: {labels: [intrinsic, emergent]}\n  photometry_luminosities: {labels: "
                 "[intrinsic, emergent]}\n"
                 "  photometry_fluxes: {labels: [emergent]}\n  images_flux: {labels: [emergent], fov_arcsec: "
                 "0.8, type: smoothed}\n"
                 "  lines:\n    labels: [emergent]\n    ids: [");
    for (int i = 0; i < MADE_N_LINE - 2; i++)
        fprintf(out, "%s'H 1 %09.3fA'", i ? ", " : "", 1000.0 + 321.0 * i);
    fprintf(out, "]\n");
    fclose(out);
    if (!from)
        return text;
    place = strstr(text, from);
    if (!place)
        fail_msg("the job has no '%s' to be replaced", from);
    if (asprintf(&changed, "%.*s%s%s", (int)(place - text), text, to, place + strlen(from)) < 0)
        fail_msg("no memory");
    free(text);
    return changed;
}
