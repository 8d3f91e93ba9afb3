/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "catalogue_private.h"

#include <math.h>

static bool is_within(enum bound bound, double value)
{
    return isfinite(value) && (bound == ANY_FINITE || value > 0 || (bound == NOT_NEGATIVE && value == 0));
}

/* What a message says a value must be; in the order of enum bound. */
static const char *const needed[] = { "finite", "> 0 and finite", ">= 0 and finite" };

/* The first value out of bounds sets the galaxy aside, and is named. */
static int check_values(const struct catalogue *catalogue, uint64_t row, const char *path, enum bound bound,
                        size_t n, size_t width, const double *value, struct error *err)
{
    for (size_t i = 0; i < n * width; i++)
        if (!is_within(bound, value[i]))
            return error_set(err, POLYPHONY_SET_ASIDE,
                             "'%s': galaxy %lld: dataset '%s' particle %zu is %g, must be %s",
                             io_file_path(catalogue->reader->file), (long long)catalogue->id[row], path,
                             i / width, value[i], needed[bound]);
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

/* Read one field of a galaxy and turn it into our unit. */
static int read_field(struct catalogue *catalogue, enum field_id id, uint64_t row, uint64_t first, size_t n,
                      struct arena *arena, double **ret_value, struct error *err)
{
    const struct field *field = &catalogue_fields[id];
    const struct catalogue_reader *reader = catalogue->reader;
    size_t width = (size_t)field->width;
    double *value = arena_array(arena, n * width, sizeof(*value));
    int r;

    if (!value)
        return out_of_memory(catalogue, row, err);
    r = io_read_rows_f64(reader->file, field->path, first, n, value, err);
    if (!r)
        r = check_values(catalogue, row, field->path, field->bound, n, width, value, err);
    for (size_t i = 0; !r && i < n * width; i++)
        value[i] *= reader->factor[id];
    *ret_value = value;
    return r;
}

/* Vectors of the file to one array a coordinate. */
static int read_coordinates(struct catalogue *catalogue, enum field_id id, uint64_t row, uint64_t first,
                            size_t n, struct arena *arena, const double *ret_xyz_kpc[3], struct error *err)
{
    double *vector = NULL, *xyz[3];
    int r = read_field(catalogue, id, row, first, n, arena, &vector, err);

    for (int axis = 0; !r && axis < 3; axis++) {
        xyz[axis] = arena_array(arena, n, sizeof(double));
        if (!xyz[axis])
            return out_of_memory(catalogue, row, err);
        for (size_t i = 0; i < n; i++)
            xyz[axis][i] = vector[3 * i + (size_t)axis];
        ret_xyz_kpc[axis] = xyz[axis];
    }
    return r;
}

static int read_stars(struct catalogue *catalogue, uint64_t row, struct arena *arena, struct galaxy *galaxy,
                      struct error *err)
{
    uint64_t first = catalogue->star_offset[row];
    size_t n = catalogue->n_star[row];
    double *mass, *age, *metallicity, *h = NULL;
    const double *xyz[3];
    int r = read_field(catalogue, STAR_MASS, row, first, n, arena, &mass, err);

    if (!r)
        r = read_field(catalogue, STAR_AGE, row, first, n, arena, &age, err);
    if (!r)
        r = read_field(catalogue, STAR_METALLICITY, row, first, n, arena, &metallicity, err);
    if (!r)
        r = read_coordinates(catalogue, STAR_COORDINATES, row, first, n, arena, xyz, err);
    if (!r && catalogue->reader->is_read[STAR_SMOOTHING])
        r = read_field(catalogue, STAR_SMOOTHING, row, first, n, arena, &h, err);
    if (r)
        return r;
    for (size_t i = 0; i < n; i++)
        metallicity[i] = fmax(metallicity[i], CATALOGUE_METALLICITY_FLOOR);
    galaxy->n_star = n;
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
static int read_dust(struct catalogue *catalogue, uint64_t row, uint64_t first, size_t n, struct arena *arena,
                     const double **ret_dust_mass_msun, struct error *err)
{
    const struct catalogue_reader *reader = catalogue->reader;
    double *mass, *metallicity, *ratio = NULL;
    double ratio_all =
        reader->galaxy_dust_ratio ? reader->galaxy_dust_ratio[row] : reader->needs.dust_to_metal_ratio;
    int r;

    if (reader->is_read[GAS_DUST_MASS]) {
        r = read_field(catalogue, GAS_DUST_MASS, row, first, n, arena, &mass, err);
        *ret_dust_mass_msun = mass;
        return r;
    }
    r = check_galaxy_value(catalogue, row, "Galaxies/dust_to_metal_ratio", NOT_NEGATIVE, ratio_all, err);
    if (!r)
        r = read_field(catalogue, GAS_MASS, row, first, n, arena, &mass, err);
    if (!r)
        r = read_field(catalogue, GAS_METALLICITY, row, first, n, arena, &metallicity, err);
    if (!r && reader->is_read[GAS_DUST_RATIO])
        r = read_field(catalogue, GAS_DUST_RATIO, row, first, n, arena, &ratio, err);
    for (size_t i = 0; !r && i < n; i++)
        mass[i] *= fmax(metallicity[i], CATALOGUE_METALLICITY_FLOOR) * (ratio ? ratio[i] : ratio_all);
    *ret_dust_mass_msun = mass;
    return r;
}

static int read_gas(struct catalogue *catalogue, uint64_t row, struct arena *arena, struct galaxy *galaxy,
                    struct error *err)
{
    uint64_t first = catalogue->gas_offset[row];
    size_t n = catalogue->n_gas[row];
    const double *xyz[3], *dust = NULL;
    double *h;
    int r = read_coordinates(catalogue, GAS_COORDINATES, row, first, n, arena, xyz, err);

    if (!r)
        r = read_field(catalogue, GAS_SMOOTHING, row, first, n, arena, &h, err);
    if (!r)
        r = read_dust(catalogue, row, first, n, arena, &dust, err);
    if (r)
        return r;
    galaxy->n_gas = n;
    galaxy->gas_x_kpc = xyz[0];
    galaxy->gas_y_kpc = xyz[1];
    galaxy->gas_z_kpc = xyz[2];
    galaxy->gas_h_kpc = h;
    galaxy->gas_dust_mass_msun = dust;
    return 0;
}

static int read_parameters(struct catalogue *catalogue, uint64_t row, struct arena *arena,
                           struct galaxy *galaxy, struct error *err)
{
    const struct catalogue_reader *reader = catalogue->reader;
    int r = 0;

    for (size_t i = 0; !r && i < reader->needs.n_parameter; i++) {
        double *value;

        if (!catalogue->parameter_is_per_particle[i]) {
            char path[IO_NAME_MAX];

            text_format(path, sizeof(path), "Galaxies/%s", reader->needs.parameter[i]);
            galaxy->parameter[i] = reader->galaxy_parameter[i][row];
            r = check_galaxy_value(catalogue, row, path, ANY_FINITE, galaxy->parameter[i], err);
            continue;
        }
        value = arena_array(arena, galaxy->n_star, sizeof(*value));
        if (!value)
            return out_of_memory(catalogue, row, err);
        r = io_read_rows_f64(reader->file, reader->star_parameter_path[i], catalogue->star_offset[row],
                             galaxy->n_star, value, err);
        if (!r)
            r = check_values(catalogue, row, reader->star_parameter_path[i], ANY_FINITE, galaxy->n_star, 1,
                             value, err);
        galaxy->star_parameter[i] = value;
    }
    return r;
}

/* The given centre, or the unweighted mean of the stars' coordinates. */
static int set_centre(const struct catalogue *catalogue, uint64_t row, struct galaxy *galaxy,
                      struct error *err)
{
    const double *xyz[3] = { galaxy->star_x_kpc, galaxy->star_y_kpc, galaxy->star_z_kpc };
    const double *given = catalogue->reader->centre_kpc;
    int r = 0;

    for (int axis = 0; !r && axis < 3; axis++) {
        double sum = 0.0;

        for (size_t i = 0; !given && i < galaxy->n_star; i++)
            sum += xyz[axis][i];
        galaxy->centre_kpc[axis] = given            ? given[3 * row + (size_t)axis]
                                   : galaxy->n_star ? sum / (double)galaxy->n_star
                                                    : 0.0;
        r = check_galaxy_value(catalogue, row, "Galaxies/centre", ANY_FINITE, galaxy->centre_kpc[axis], err);
    }
    return r;
}

int catalogue_read(struct catalogue *catalogue, uint64_t row, struct arena *arena, struct galaxy *ret_galaxy,
                   struct error *err)
{
    const struct catalogue_reader *reader = catalogue->reader;
    struct galaxy galaxy = { .row = row, .id = catalogue->id[row], .redshift = catalogue->redshift[row] };
    const double *xyz[3];
    int r = check_galaxy_value(catalogue, row, "Galaxies/redshift", NOT_NEGATIVE, galaxy.redshift, err);

    if (!r)
        r = read_stars(catalogue, row, arena, &galaxy, err);
    if (!r && reader->is_read[GAS_COORDINATES])
        r = read_gas(catalogue, row, arena, &galaxy, err);
    if (!r && reader->is_read[BLACK_HOLE_COORDINATES]) {
        galaxy.n_black_hole = catalogue->n_black_hole[row];
        r = read_coordinates(catalogue, BLACK_HOLE_COORDINATES, row, catalogue->black_hole_offset[row],
                             galaxy.n_black_hole, arena, xyz, err);
        if (!r) {
            galaxy.black_hole_x_kpc = xyz[0];
            galaxy.black_hole_y_kpc = xyz[1];
            galaxy.black_hole_z_kpc = xyz[2];
        }
    }
    if (!r)
        r = read_parameters(catalogue, row, arena, &galaxy, err);
    if (!r)
        r = set_centre(catalogue, row, &galaxy, err);
    if (r)
        return r;
    *ret_galaxy = galaxy;
    return 0;
}
