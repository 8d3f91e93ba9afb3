/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "catalogue_private.h"

#include <math.h>

static bool is_within(enum bound bound, double value)
{
    return isfinite(value) && (bound == ANY_FINITE || value > 0 || (bound == NOT_NEGATIVE && value == 0));
}

/* What a message says a value must be; in the order of enum bound. */
static const char *const needed[] = { "finite", "> 0 and finite", ">= 0 and finite" };

/* Some particles of a galaxy: n from `first` on, where the first of the galaxy is `begin` in the file. */
struct slice {
    uint64_t row;
    uint64_t begin, first;
    size_t n;
};

/* The first value out of bounds sets the galaxy aside, and is named. */
static int check_values(const struct catalogue *catalogue, const struct slice *slice, const char *path,
                        enum bound bound, size_t width, const double *value, struct error *err)
{
    for (size_t i = 0; i < slice->n * width; i++)
        if (!is_within(bound, value[i]))
            return error_set(err, POLYPHONY_SET_ASIDE,
                             "'%s': galaxy %lld: dataset '%s' particle %llu is %g, must be %s",
                             io_file_path(catalogue->reader->file), (long long)catalogue->id[slice->row],
                             path, (unsigned long long)(slice->first + i / width), value[i], needed[bound]);
    return 0;
}

/* The same for a number that the galaxy has once. */
static int check_galaxy_value(const struct catalogue *catalogue, uint64_t row, const char *path,
                              enum bound bound, double value, struct error *err)
{
    if (is_within(bound, value))
        return 0;
    return error_set(err, POLYPHONY_SET_ASIDE, "'%s': galaxy %lld: dataset '%s' row %llu is %g, must be %s",
                     io_file_path(catalogue->reader->file), (long long)catalogue->id[row], path,
                     (unsigned long long)row, value, needed[bound]);
}

static int out_of_memory(const struct catalogue *catalogue, uint64_t row, struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "galaxy %lld: no memory for its particles (%llu bytes)",
                     (long long)catalogue->id[row],
                     (unsigned long long)catalogue_galaxy_bytes(catalogue, row));
}

/* Read one field of some particles and turn it into our unit. */
static int read_field(struct catalogue *catalogue, enum field_id id, const struct slice *slice,
                      struct arena *arena, double **ret_value, struct error *err)
{
    const struct field *field = &catalogue_fields[id];
    const struct catalogue_reader *reader = catalogue->reader;
    size_t width = (size_t)field->width;
    double *value = arena_array(arena, slice->n * width, sizeof(*value));
    int r;

    if (!value)
        return out_of_memory(catalogue, slice->row, err);
    r = io_read_rows_f64(reader->file, field->path, slice->begin + slice->first, slice->n, value, err);
    if (!r)
        r = check_values(catalogue, slice, field->path, field->bound, width, value, err);
    for (size_t i = 0; !r && i < slice->n * width; i++)
        value[i] *= reader->factor[id];
    *ret_value = value;
    return r;
}

/* Vectors of the file to one array a coordinate. */
static int read_coordinates(struct catalogue *catalogue, enum field_id id, const struct slice *slice,
                            struct arena *arena, const double *ret_xyz_kpc[3], struct error *err)
{
    double *vector = NULL, *xyz[3];
    struct arena_mark mark;
    int r;

    for (int axis = 0; axis < 3; axis++) {
        ret_xyz_kpc[axis] = xyz[axis] = arena_array(arena, slice->n, sizeof(double));
        if (!xyz[axis])
            return out_of_memory(catalogue, slice->row, err);
    }
    mark = arena_mark(arena);
    r = read_field(catalogue, id, slice, arena, &vector, err);
    for (size_t i = 0; !r && i < slice->n; i++)
        for (size_t axis = 0; axis < 3; axis++)
            xyz[axis][i] = vector[3 * i + axis];
    arena_release(arena, mark);
    return r;
}

static int read_stars(struct catalogue *catalogue, const struct slice *slice, struct arena *arena,
                      struct galaxy *galaxy, struct error *err)
{
    double *mass, *age, *metallicity, *h = NULL;
    const double *xyz[3];
    int r = read_field(catalogue, STAR_MASS, slice, arena, &mass, err);

    if (!r)
        r = read_field(catalogue, STAR_AGE, slice, arena, &age, err);
    if (!r)
        r = read_field(catalogue, STAR_METALLICITY, slice, arena, &metallicity, err);
    if (!r)
        r = read_coordinates(catalogue, STAR_COORDINATES, slice, arena, xyz, err);
    if (!r && catalogue->reader->is_read[STAR_SMOOTHING])
        r = read_field(catalogue, STAR_SMOOTHING, slice, arena, &h, err);
    if (r)
        return r;
    for (size_t i = 0; i < slice->n; i++)
        metallicity[i] = fmax(metallicity[i], CATALOGUE_METALLICITY_FLOOR);
    galaxy->first_star = slice->first;
    galaxy->n_star = slice->n;
    galaxy->star_mass_msun = mass;
    galaxy->star_age_yr = age;
    galaxy->star_metallicity = metallicity;
    galaxy->star_x_kpc = xyz[0];
    galaxy->star_y_kpc = xyz[1];
    galaxy->star_z_kpc = xyz[2];
    galaxy->star_h_kpc = h;
    return 0;
}

/* Dust masses as given, or gas mass times metallicity times the dust-to-metal ratio. */
static int read_dust(struct catalogue *catalogue, const struct slice *slice, struct arena *arena,
                     const double **ret_dust_mass_msun, struct error *err)
{
    const struct catalogue_reader *reader = catalogue->reader;
    double *mass, *metallicity, *ratio = NULL;
    double ratio_all =
        reader->galaxy_dust_ratio ? reader->galaxy_dust_ratio[slice->row] : reader->needs.dust_to_metal_ratio;
    struct arena_mark mark;
    int r;

    if (reader->is_read[GAS_DUST_MASS]) {
        r = read_field(catalogue, GAS_DUST_MASS, slice, arena, &mass, err);
        *ret_dust_mass_msun = mass;
        return r;
    }
    r = check_galaxy_value(catalogue, slice->row, "Galaxies/dust_to_metal_ratio", NOT_NEGATIVE, ratio_all,
                           err);
    if (!r)
        r = read_field(catalogue, GAS_MASS, slice, arena, &mass, err);
    mark = arena_mark(arena);
    if (!r)
        r = read_field(catalogue, GAS_METALLICITY, slice, arena, &metallicity, err);
    if (!r && reader->is_read[GAS_DUST_RATIO])
        r = read_field(catalogue, GAS_DUST_RATIO, slice, arena, &ratio, err);
    for (size_t i = 0; !r && i < slice->n; i++)
        mass[i] *= fmax(metallicity[i], CATALOGUE_METALLICITY_FLOOR) * (ratio ? ratio[i] : ratio_all);
    arena_release(arena, mark);
    *ret_dust_mass_msun = mass;
    return r;
}

static int read_gas(struct catalogue *catalogue, uint64_t row, struct arena *arena, struct galaxy *galaxy,
                    struct error *err)
{
    const struct slice slice = { row, catalogue->gas_offset[row], 0, catalogue->n_gas[row] };
    const double *xyz[3], *dust = NULL;
    double *h;
    int r = read_coordinates(catalogue, GAS_COORDINATES, &slice, arena, xyz, err);

    if (!r)
        r = read_field(catalogue, GAS_SMOOTHING, &slice, arena, &h, err);
    if (!r)
        r = read_dust(catalogue, &slice, arena, &dust, err);
    if (r)
        return r;
    galaxy->n_gas = slice.n;
    galaxy->gas_x_kpc = xyz[0];
    galaxy->gas_y_kpc = xyz[1];
    galaxy->gas_z_kpc = xyz[2];
    galaxy->gas_h_kpc = h;
    galaxy->gas_dust_mass_msun = dust;
    return 0;
}

static int read_black_holes(struct catalogue *catalogue, uint64_t row, struct arena *arena,
                            struct galaxy *galaxy, struct error *err)
{
    const struct slice slice = { row, catalogue->black_hole_offset[row], 0, catalogue->n_black_hole[row] };
    const double *xyz[3];
    int r = read_coordinates(catalogue, BLACK_HOLE_COORDINATES, &slice, arena, xyz, err);

    if (r)
        return r;
    galaxy->n_black_hole = slice.n;
    galaxy->black_hole_x_kpc = xyz[0];
    galaxy->black_hole_y_kpc = xyz[1];
    galaxy->black_hole_z_kpc = xyz[2];
    return 0;
}

static int read_parameters(struct catalogue *catalogue, const struct slice *stars, struct arena *arena,
                           struct galaxy *galaxy, struct error *err)
{
    const struct catalogue_reader *reader = catalogue->reader;
    int r = 0;

    for (size_t i = 0; !r && i < reader->needs.n_parameter; i++) {
        double *value;

        if (!catalogue->parameter_is_per_particle[i]) {
            char path[IO_NAME_MAX];

            text_format(path, sizeof(path), "Galaxies/%s", reader->needs.parameter[i]);
            galaxy->parameter[i] = reader->galaxy_parameter[i][stars->row];
            r = check_galaxy_value(catalogue, stars->row, path, ANY_FINITE, galaxy->parameter[i], err);
            continue;
        }
        value = arena_array(arena, stars->n, sizeof(*value));
        if (!value)
            return out_of_memory(catalogue, stars->row, err);
        r = io_read_rows_f64(reader->file, reader->star_parameter_path[i], stars->begin + stars->first,
                             stars->n, value, err);
        if (!r)
            r = check_values(catalogue, stars, reader->star_parameter_path[i], ANY_FINITE, 1, value, err);
        galaxy->star_parameter[i] = value;
    }
    return r;
}

/* ---- a galaxy, whole or in tiles --------------------------------------------------------------- */

int catalogue_read_tile(struct catalogue *catalogue, uint64_t row, uint64_t first, size_t n,
                        struct arena *around, struct arena *stars, struct galaxy *galaxy, struct error *err)
{
    const struct catalogue_reader *reader = catalogue->reader;
    const struct slice slice = { row, catalogue->star_offset[row], first, n };
    int r = 0;

    if (around) {
        *galaxy =
            (struct galaxy) { .row = row, .id = catalogue->id[row], .redshift = catalogue->redshift[row] };
        r = check_galaxy_value(catalogue, row, "Galaxies/redshift", NOT_NEGATIVE, galaxy->redshift, err);
    }
    if (!r)
        r = read_stars(catalogue, &slice, stars, galaxy, err);
    if (!r && around && reader->is_read[GAS_COORDINATES])
        r = read_gas(catalogue, row, around, galaxy, err);
    if (!r && around && reader->is_read[BLACK_HOLE_COORDINATES])
        r = read_black_holes(catalogue, row, around, galaxy, err);
    if (!r)
        r = read_parameters(catalogue, &slice, stars, galaxy, err);
    return r;
}

void catalogue_add_centre(const struct galaxy *galaxy, double sum_kpc[3])
{
    const double *xyz[3] = { galaxy->star_x_kpc, galaxy->star_y_kpc, galaxy->star_z_kpc };

    for (int axis = 0; axis < 3; axis++)
        for (size_t i = 0; i < galaxy->n_star; i++)
            sum_kpc[axis] += xyz[axis][i];
}

int catalogue_set_centre(const struct catalogue *catalogue, const double sum_kpc[3], struct galaxy *galaxy,
                         struct error *err)
{
    const double *given = catalogue->reader->centre_kpc;
    size_t n_star = catalogue->n_star[galaxy->row];
    int r = 0;

    for (size_t axis = 0; !r && axis < 3; axis++) {
        galaxy->centre_kpc[axis] = given    ? given[3 * galaxy->row + axis]
                                   : n_star ? sum_kpc[axis] / (double)n_star
                                            : 0.0;
        r = check_galaxy_value(catalogue, galaxy->row, "Galaxies/centre", ANY_FINITE,
                               galaxy->centre_kpc[axis], err);
    }
    return r;
}

int catalogue_read(struct catalogue *catalogue, uint64_t row, struct arena *arena, struct galaxy *ret_galaxy,
                   struct error *err)
{
    struct galaxy galaxy;
    double sum_kpc[3] = { 0 };
    int r = catalogue_read_tile(catalogue, row, 0, catalogue->n_star[row], arena, arena, &galaxy, err);

    if (r)
        return r;
    catalogue_add_centre(&galaxy, sum_kpc);
    r = catalogue_set_centre(catalogue, sum_kpc, &galaxy, err);
    if (!r)
        *ret_galaxy = galaxy;
    return r;
}

/* ---- memory ------------------------------------------------------------------------------------ */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* In the order of read_stars(): vectors are there twice, while nothing after them is yet. */
size_t catalogue_star_bytes(const struct catalogue *catalogue)
{
    const struct catalogue_reader *reader = catalogue->reader;
    size_t before = 6, after = reader->is_read[STAR_SMOOTHING];

    for (size_t i = 0; i < reader->needs.n_parameter; i++)
        after += catalogue->parameter_is_per_particle[i];
    return (before + larger(3, after)) * sizeof(double);
}

uint64_t catalogue_around_bytes(const struct catalogue *catalogue, uint64_t row)
{
    const struct catalogue_reader *reader = catalogue->reader;
    size_t after = 1 + (reader->is_read[GAS_DUST_MASS] ? 1 : 2) + reader->is_read[GAS_DUST_RATIO];
    uint64_t values = 0;

    if (reader->is_read[GAS_COORDINATES])
        values += (uint64_t)catalogue->n_gas[row] * (3 + larger(3, after));
    if (reader->is_read[BLACK_HOLE_COORDINATES])
        values += (uint64_t)catalogue->n_black_hole[row] * 6;
    return values * sizeof(double);
}
