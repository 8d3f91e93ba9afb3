/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalogue of Synthesizer's benchmark from counted random numbers. What a component
 * has is a table; every dataset is written by rows of a fixed block, whatever the number of galaxies.
 */
#include "polyphony/demo.h"

#include "demo_private.h"

#include "polyphony/io.h"

#include <stdlib.h>

/* Numbers in memory at a time, and so the largest write [rows]. */
#define BLOCK_ROWS     65536u
#define N_PARTICLE_MAX (UINT64_C(1) << 40)

enum distribution { UNIFORM, NORMAL };

struct demo_field {
    const char *path, *units, *description;
    int n_column; /* 1, or 3 for vectors */
    enum distribution distribution;
    double a, b; /* UNIFORM from a to b; NORMAL mean a, standard deviation b */
};

/* The place of a field in its table is part of the counter: add new ones at the end. */
static const struct demo_field star_fields[] = {
    { "Stars/initial_masses", "Msun", "mass of stars formed", 1, UNIFORM, 1e4, 1e6 },
    { "Stars/ages", "yr", "time since formation", 1, UNIFORM, 1e6, 1e10 },
    { "Stars/metallicities", "dimensionless", "mass fraction of metals", 1, UNIFORM, 0.001, 0.02 },
    { "Stars/coordinates", "kpc", "position, galaxy centred on 0", 3, NORMAL, 0.0, 10.0 },
    { "Stars/velocities", "km/s", "velocity, galaxy at rest", 3, NORMAL, 0.0, 100.0 },
    { "Stars/smoothing_lengths", "kpc", "radius of the kernel", 1, UNIFORM, 0.1, 1.0 },
};
static const struct demo_field gas_fields[] = {
    { "Gas/masses", "Msun", "mass of gas", 1, UNIFORM, 1e5, 1e7 },
    { "Gas/metallicities", "dimensionless", "mass fraction of metals", 1, UNIFORM, 0.001, 0.02 },
    { "Gas/coordinates", "kpc", "position, galaxy centred on 0", 3, NORMAL, 0.0, 10.0 },
    { "Gas/velocities", "km/s", "velocity, galaxy at rest", 3, NORMAL, 0.0, 100.0 },
    { "Gas/smoothing_lengths", "kpc", "radius of the kernel", 1, UNIFORM, 0.1, 1.0 },
};
static const struct demo_field black_hole_fields[] = {
    { "BlackHoles/masses", "Msun", "mass", 1, UNIFORM, 1e6, 1e8 },
    { "BlackHoles/accretion_rates", "Msun/Myr", "accretion rate", 1, UNIFORM, 0.1, 10.0 },
    { "BlackHoles/coordinates", "kpc", "position, galaxy centred on 0", 3, NORMAL, 0.0, 5.0 },
    { "BlackHoles/velocities", "km/s", "velocity, galaxy at rest", 3, NORMAL, 0.0, 100.0 },
    { "BlackHoles/smoothing_lengths", "kpc", "radius of the kernel", 1, UNIFORM, 0.1, 0.5 },
};

struct component {
    const char *offset_path, *length_path;
    const struct demo_field *fields;
    size_t n_field;
    uint64_t star_share; /* one particle for so many stars, at least one */
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* As with fields, the place is part of the counter. */
static const struct component components[] = {
    { "Stars/offset", "Stars/length", star_fields, COUNT(star_fields), 1 },
    { "Gas/offset", "Gas/length", gas_fields, COUNT(gas_fields), 5 },
    { "BlackHoles/offset", "BlackHoles/length", black_hole_fields, COUNT(black_hole_fields), 50 },
};

struct demo_catalogue_options demo_catalogue_defaults(const char *path)
{
    return (struct demo_catalogue_options) { .path = path,
                                             .n_star_per_galaxy = 1000,
                                             .n_galaxy = 10,
                                             .seed = 42,
                                             .redshift = 1.0,
                                             .tau_v = 0.5,
                                             .fesc = 0.1,
                                             .ages_in_myr = false };
}

/* Comparisons are written so that NaN fails. */
static int check_value(const char *name, double value, double min, double max, struct error *err)
{
    if (value >= min && value <= max)
        return 0;
    return error_set(err, POLYPHONY_USAGE, "demo catalogue: %s is %g, must be %g to %g", name, value, min,
                     max);
}

static int options_check(const struct demo_catalogue_options *o, struct error *err)
{
    int r;

    if (!o->path || !o->path[0])
        return error_set(err, POLYPHONY_USAGE, "demo catalogue: no path to write to was given");
    if (o->n_galaxy < 1 || o->n_star_per_galaxy < 1)
        return error_set(err, POLYPHONY_USAGE,
                         "demo catalogue: %llu galaxies of %llu stars: at least 1 of each is needed",
                         (unsigned long long)o->n_galaxy, (unsigned long long)o->n_star_per_galaxy);
    if (o->n_galaxy > N_PARTICLE_MAX / o->n_star_per_galaxy)
        return error_set(err, POLYPHONY_USAGE,
                         "demo catalogue: %llu galaxies of %llu stars are more than 2^40 stars",
                         (unsigned long long)o->n_galaxy, (unsigned long long)o->n_star_per_galaxy);
    if ((r = check_value("redshift", o->redshift, 0.0, 1000.0, err)) ||
        (r = check_value("tau_v", o->tau_v, 0.0, 1e6, err)))
        return r;
    return check_value("fesc", o->fesc, 0.0, 1.0, err);
}

/* ---- rows ---------------------------------------------------------------------------------------- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t particles_per_galaxy(const struct component *component, uint64_t n_star)
{
    uint64_t n = n_star / component->star_share;

    return n > 0 ? n : 1;
}

static void field_fill(const struct demo_field *field, struct random_place place, uint64_t n_per_galaxy,
                       uint64_t row0, uint64_t n_row, double *ret_values)
{
    for (uint64_t i = 0; i < n_row; i++) {
        double x[3];

        place.galaxy = (row0 + i) / n_per_galaxy;
        place.particle = (row0 + i) % n_per_galaxy;
        if (field->distribution == UNIFORM)
            random_uniforms(&place, x);
        else
            random_normals(&place, x);
        double scale = field->distribution == UNIFORM ? field->b - field->a : field->b;

        for (int k = 0; k < field->n_column; k++)
            *ret_values++ = field->a + scale * x[k];
    }
}

static void write_field(struct io_file *file, const struct demo_field *field, const char *units,
                        struct random_place place, uint64_t n_per_galaxy, uint64_t n_galaxy, double *block)
{
    uint64_t n_row = n_per_galaxy * n_galaxy;
    uint64_t dims[2] = { n_row, (uint64_t)field->n_column };

    io_create_f64(file, field->path, field->n_column > 1 ? 2 : 1, dims, units, field->description, NULL);
    for (uint64_t row = 0; !io_file_status(file, NULL) && row < n_row; row += BLOCK_ROWS) {
        uint64_t n = min_u64(BLOCK_ROWS, n_row - row);

        field_fill(field, place, n_per_galaxy, row, n, block);
        io_write_rows_f64(file, field->path, row, n, block, NULL);
    }
}

/* One integer per galaxy: base + step * galaxy. */
static void write_integers(struct io_file *file, const char *path, uint64_t n_galaxy, uint64_t base,
                           uint64_t step, const char *description, int64_t *block)
{
    uint64_t dims[1] = { n_galaxy };
    io_create_i64(file, path, 1, dims, "dimensionless", description, NULL);

    for (uint64_t row = 0; !io_file_status(file, NULL) && row < n_galaxy; row += BLOCK_ROWS) {
        uint64_t n = min_u64(BLOCK_ROWS, n_galaxy - row);

        for (uint64_t i = 0; i < n; i++)
            block[i] = (int64_t)(base + step * (row + i));
        io_write_rows_i64(file, path, row, n, block, NULL);
    }
}

/* The same number for every galaxy. */
static void write_constant(struct io_file *file, const char *path, uint64_t n_galaxy, double value,
                           const char *description, double *block)
{
    uint64_t dims[1] = { n_galaxy };
    io_create_f64(file, path, 1, dims, "dimensionless", description, NULL);

    for (uint64_t i = 0; i < min_u64(BLOCK_ROWS, n_galaxy); i++)
        block[i] = value;
    for (uint64_t row = 0; !io_file_status(file, NULL) && row < n_galaxy; row += BLOCK_ROWS)
        io_write_rows_f64(file, path, row, min_u64(BLOCK_ROWS, n_galaxy - row), block, NULL);
}

/* ---- groups -------------------------------------------------------------------------------------- */

static void write_component(struct io_file *file, const struct demo_catalogue_options *o,
                            uint64_t i_component, double *block, int64_t *block_i64)
{
    const struct component *component = &components[i_component];
    uint64_t n = particles_per_galaxy(component, o->n_star_per_galaxy);
    write_integers(file, component->offset_path, o->n_galaxy, 0, n,
                   "first particle of the galaxy in the flat arrays", block_i64);

    write_integers(file, component->length_path, o->n_galaxy, n, 0, "particles of the galaxy", block_i64);
    for (size_t i = 0; i < component->n_field; i++) {
        const struct demo_field *field = &component->fields[i];
        struct random_place place = { .seed = o->seed, .component = i_component, .field = i };
        bool slip = o->ages_in_myr && field == &star_fields[1];

        write_field(file, field, slip ? "Myr" : field->units, place, n, o->n_galaxy, block);
    }
}

static void write_galaxies(struct io_file *file, const struct demo_catalogue_options *o, double *block,
                           int64_t *block_i64)
{
    const struct {
        const char *path;
        double value;
        const char *description;
    } constants[] = {
        { "Galaxies/redshift", o->redshift, "redshift" },
        { "Galaxies/tau_v", o->tau_v, "dust optical depth in the V band" },
        { "Galaxies/fesc", o->fesc, "escape fraction of ionising light" },
        { "Galaxies/fesc_ly_alpha", 1.0, "escape fraction of Lyman alpha" },
        { "Galaxies/dust_to_metal_ratio", 0.3, "dust mass over metal mass of the gas" },
    };

    write_integers(file, "Galaxies/id", o->n_galaxy, 0, 1, "identifier of the galaxy", block_i64);
    for (size_t i = 0; i < COUNT(constants); i++)
        write_constant(file, constants[i].path, o->n_galaxy, constants[i].value, constants[i].description,
                       block);
}

static void write_attributes(struct io_file *file, const struct demo_catalogue_options *o)
{
    io_attr_write_text(file, "/", "format", "polyphony-catalogue", NULL);
    io_attr_write_i64(file, "/", "version", 1, NULL);
    io_attr_write_text(file, "/", "provenance",
                       "made by polyphony demo-catalogue: random numbers, no physics", NULL);
    io_attr_write_i64(file, "/", "seed", (int64_t)o->seed, NULL);
}

int demo_catalogue_write(const struct demo_catalogue_options *options, struct error *err)
{
    double *block = NULL;
    int64_t *block_i64 = NULL;
    struct io_file *file = NULL;
    int r = options_check(options, err);

    if (r)
        return r;
    block = mem_small(3 * BLOCK_ROWS, sizeof(*block));
    block_i64 = mem_small(BLOCK_ROWS, sizeof(*block_i64));
    r = io_file_create(options->path, &file, err);
    if (!r) {
        write_attributes(file, options);
        write_galaxies(file, options, block, block_i64);
        for (uint64_t i = 0; i < COUNT(components); i++)
            write_component(file, options, i, block, block_i64);
        r = io_file_commit(file, err);
    }
    io_file_close(file);
    free(block);
    free(block_i64);
    return r;
}
