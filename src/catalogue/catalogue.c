/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "catalogue_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const groups[N_COMPONENT] = { "Stars", "Gas", "BlackHoles" };

const struct field catalogue_fields[N_FIELD] = {
    [STAR_MASS] = { "Stars/initial_masses", STARS, 1, UNITS_MASS, NOT_NEGATIVE },
    /* Simulations write 0 for stars of the last step: they are as young as the grid goes. */
    [STAR_AGE] = { "Stars/ages", STARS, 1, UNITS_TIME, NOT_NEGATIVE },
    [STAR_METALLICITY] = { "Stars/metallicities", STARS, 1, UNITS_DIMENSIONLESS, NOT_NEGATIVE },
    [STAR_COORDINATES] = { "Stars/coordinates", STARS, 3, UNITS_LENGTH, ANY_FINITE },
    [STAR_SMOOTHING] = { "Stars/smoothing_lengths", STARS, 1, UNITS_LENGTH, POSITIVE },
    [GAS_MASS] = { "Gas/masses", GAS, 1, UNITS_MASS, NOT_NEGATIVE },
    [GAS_METALLICITY] = { "Gas/metallicities", GAS, 1, UNITS_DIMENSIONLESS, NOT_NEGATIVE },
    [GAS_COORDINATES] = { "Gas/coordinates", GAS, 3, UNITS_LENGTH, ANY_FINITE },
    [GAS_SMOOTHING] = { "Gas/smoothing_lengths", GAS, 1, UNITS_LENGTH, POSITIVE },
    [GAS_DUST_MASS] = { "Gas/dust_masses", GAS, 1, UNITS_MASS, NOT_NEGATIVE },
    [GAS_DUST_RATIO] = { "Gas/dust_to_metal_ratio", GAS, 1, UNITS_DIMENSIONLESS, NOT_NEGATIVE },
    [BLACK_HOLE_COORDINATES] = { "BlackHoles/coordinates", BLACK_HOLES, 3, UNITS_LENGTH, ANY_FINITE },
};

int catalogue_unit(struct io_file *file, const char *path, enum units_kind kind, double *ret_factor,
                   struct error *err)
{
    char unit[64];
    int r;

    if (!io_attr_has(file, path, "Units"))
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s' has no 'Units' attribute; add one (kpc, Msun, yr, dimensionless, ...)",
            io_file_path(file), path);
    r = io_attr_read_text(file, path, "Units", unit, sizeof(unit), err);
    if (!r)
        r = units_factor(unit, kind, ret_factor, err);
    return r ? error_prefix(err, r, "'%s': dataset '%s'", io_file_path(file), path) : 0;
}

static int check_format(struct io_file *file, struct error *err)
{
    char format[64] = "";
    int64_t version = 0;
    int r = io_attr_read_text(file, "/", "format", format, sizeof(format), err);

    if (!r)
        r = io_attr_read_i64(file, "/", "version", &version, err);
    if (!r && (strcmp(format, "polyphony-catalogue") || version != 1))
        r = error_set(err, POLYPHONY_INPUT,
                      "'%s': format '%s' version %lld, expected 'polyphony-catalogue' version 1",
                      io_file_path(file), format, (long long)version);
    return r ? error_prefix(err, r, "not a galaxy catalogue") : 0;
}

/* ---- the index: slices, ids, redshifts --------------------------------------------------------- */

static int read_index(struct io_file *file, const char *path, size_t n, int64_t **ret_data, struct error *err)
{
    uint64_t dim = n;
    int64_t *data = NULL;
    int r = io_dataset_expect(file, path, 1, &dim, NULL, err);

    if (r)
        return r;
    data = mem_array(n, sizeof(*data));
    if (!data)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for '%s'", io_file_path(file), path);
    r = io_read_rows_i64(file, path, 0, n, data, err);
    if (r) {
        free(data);
        return r;
    }
    *ret_data = data;
    return 0;
}

/* Slices must be in order, inside the flat arrays, and must not overlap. */
static int check_slices(const char *path, const char *group, size_t n, const int64_t *offset,
                        const int64_t *length, uint64_t n_all, struct error *err)
{
    uint64_t end = 0;

    for (size_t i = 0; i < n; i++) {
        if (length[i] < 0 || offset[i] < 0)
            return error_set(err, POLYPHONY_INPUT,
                             "'%s': '%s' row %zu: offset %lld, length %lld must not be negative", path, group,
                             i, (long long)offset[i], (long long)length[i]);
        if (length[i] == 0)
            continue;
        if ((uint64_t)offset[i] < end)
            return error_set(
                err, POLYPHONY_INPUT,
                "'%s': '%s/offset' row %zu is %lld, before the end of the galaxies above it (%llu)", path,
                group, i, (long long)offset[i], (unsigned long long)end);
        end = (uint64_t)offset[i] + (uint64_t)length[i];
        if (end > n_all)
            return error_set(
                err, POLYPHONY_INPUT,
                "'%s': '%s' row %zu: offset %lld + length %lld is past the end of the particles (%llu)", path,
                group, i, (long long)offset[i], (long long)length[i], (unsigned long long)n_all);
    }
    return 0;
}

/* Slices of one component; all empty when the file does not have it. */
static int read_slices(struct catalogue *catalogue, enum component component, const char *counted,
                       uint64_t **ret_offset, uint64_t **ret_n, uint64_t *ret_n_all, struct error *err)
{
    struct io_file *file = catalogue->reader->file;
    const char *group = groups[component];
    int64_t *offset = NULL, *length = NULL;
    struct io_info info = { 0 };
    char path[IO_NAME_MAX];
    int r;

    if (!io_has(file, group) && component != STARS) {
        *ret_offset = mem_array(catalogue->n_galaxy, sizeof(**ret_offset));
        *ret_n = mem_array(catalogue->n_galaxy, sizeof(**ret_n));
        return *ret_offset && *ret_n
                   ? 0
                   : error_set(err, POLYPHONY_INTERNAL, "no memory for the catalogue's index");
    }
    text_format(path, sizeof(path), "%s/offset", group);
    r = read_index(file, path, catalogue->n_galaxy, &offset, err);
    text_format(path, sizeof(path), "%s/length", group);
    if (!r)
        r = read_index(file, path, catalogue->n_galaxy, &length, err);
    if (!r)
        r = io_dataset_info(file, counted, &info, err);
    if (!r)
        r = check_slices(io_file_path(file), group, catalogue->n_galaxy, offset, length, info.dims[0], err);
    if (r) {
        free(offset);
        free(length);
        return r;
    }
    *ret_offset = (uint64_t *)offset; /* checked to be >= 0 */
    *ret_n = (uint64_t *)length;
    *ret_n_all = info.dims[0];
    return 0;
}

static int compare_i64(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static int read_ids(struct catalogue *catalogue, struct error *err)
{
    struct io_file *file = catalogue->reader->file;
    size_t n = catalogue->n_galaxy;
    int64_t *sorted;
    int r = 0;

    if (!io_has(file, "Galaxies/id")) {
        catalogue->id = mem_array(n, sizeof(*catalogue->id));
        for (size_t i = 0; catalogue->id && i < n; i++)
            catalogue->id[i] = (int64_t)i;
        return catalogue->id ? 0 : error_set(err, POLYPHONY_INTERNAL, "no memory for galaxy ids");
    }
    r = read_index(file, "Galaxies/id", n, &catalogue->id, err);
    if (r)
        return r;
    sorted = mem_array(n, sizeof(*sorted));
    if (!sorted)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for galaxy ids");
    memcpy(sorted, catalogue->id, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_i64);
    for (size_t i = 1; i < n && !r; i++)
        if (sorted[i] == sorted[i - 1])
            r = error_set(err, POLYPHONY_INPUT,
                          "'%s': 'Galaxies/id' %lld occurs more than once; ids must be unique",
                          io_file_path(file), (long long)sorted[i]);
    free(sorted);
    return r;
}

/* A per-galaxy number: [n_galaxy][width] in our unit, or NULL when absent and optional. */
static int read_galaxy_numbers(struct catalogue *catalogue, const char *path, int width, enum units_kind kind,
                               double **ret_data, struct error *err)
{
    struct io_file *file = catalogue->reader->file;
    uint64_t dims[2] = { catalogue->n_galaxy, (uint64_t)width };
    size_t n = catalogue->n_galaxy * (size_t)width;
    double factor = 1.0, *data;
    int r = io_dataset_expect(file, path, width > 1 ? 2 : 1, dims, NULL, err);

    if (!r)
        r = catalogue_unit(file, path, kind, &factor, err);
    if (r)
        return r;
    data = mem_array(n, sizeof(*data));
    if (!data)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for '%s'", io_file_path(file), path);
    r = io_read_rows_f64(file, path, 0, catalogue->n_galaxy, data, err);
    for (size_t i = 0; !r && i < n; i++)
        data[i] *= factor; /* checked when the galaxy is read */
    if (r) {
        free(data);
        return r;
    }
    *ret_data = data;
    return 0;
}

static int read_redshifts(struct catalogue *catalogue, struct error *err)
{
    struct io_file *file = catalogue->reader->file;
    size_t n_valid = 0;
    int r;

    if (!catalogue->reader->needs.redshift) {
        catalogue->redshift = mem_array(catalogue->n_galaxy, sizeof(*catalogue->redshift));
        return catalogue->redshift ? 0 : error_set(err, POLYPHONY_INTERNAL, "no memory for redshifts");
    }
    if (!io_has(file, "Galaxies/redshift"))
        return error_set(err, POLYPHONY_INPUT,
                         "'%s': no dataset 'Galaxies/redshift'; add it, or give 'redshift' in the job",
                         io_file_path(file));
    r = read_galaxy_numbers(catalogue, "Galaxies/redshift", 1, UNITS_DIMENSIONLESS, &catalogue->redshift,
                            err);
    for (size_t i = 0; !r && i < catalogue->n_galaxy; i++)
        n_valid += catalogue_redshift_is_valid(catalogue, i);
    /* A bad one costs its galaxy the row, when it is read; with none the run has no frame at all. */
    if (!r && n_valid == 0)
        r = error_set(err, POLYPHONY_INPUT,
                      "'%s': no galaxy has a finite 'Galaxies/redshift' >= 0 (the first is %g); give "
                      "'redshift' in the job",
                      io_file_path(file), catalogue->redshift[0]);
    return r;
}

bool catalogue_redshift_is_valid(const struct catalogue *catalogue, uint64_t row)
{
    return catalogue->redshift[row] >= 0 && isfinite(catalogue->redshift[row]);
}

/* ---- particle fields and parameters ------------------------------------------------------------ */

static uint64_t component_length(const struct catalogue *catalogue, enum component component)
{
    const uint64_t length[N_COMPONENT] = { catalogue->n_star_all, catalogue->n_gas_all,
                                           catalogue->n_black_hole_all };

    return length[component];
}

static int check_field(struct catalogue *catalogue, enum field_id id, struct error *err)
{
    const struct field *field = &catalogue_fields[id];
    struct catalogue_reader *reader = catalogue->reader;
    uint64_t dims[2] = { component_length(catalogue, field->component), (uint64_t)field->width };
    int r = io_dataset_expect(reader->file, field->path, field->width > 1 ? 2 : 1, dims, NULL, err);

    if (!r)
        r = catalogue_unit(reader->file, field->path, field->kind, &reader->factor[id], err);
    reader->is_read[id] = true;
    return r;
}

static int check_fields(struct catalogue *catalogue, struct error *err)
{
    static const enum field_id stars[] = { STAR_MASS, STAR_AGE, STAR_METALLICITY, STAR_COORDINATES };
    struct catalogue_reader *reader = catalogue->reader;
    int r = 0;

    for (size_t i = 0; !r && i < sizeof(stars) / sizeof(*stars); i++)
        r = check_field(catalogue, stars[i], err);
    if (!r && reader->needs.star_smoothing_lengths) {
        if (!io_has(reader->file, catalogue_fields[STAR_SMOOTHING].path))
            return error_set(err, POLYPHONY_INPUT,
                             "'%s': no dataset '%s'; smoothed images need it, 'type: histogram' does without",
                             io_file_path(reader->file), catalogue_fields[STAR_SMOOTHING].path);
        r = check_field(catalogue, STAR_SMOOTHING, err);
    }
    if (!r && reader->needs.gas && io_has(reader->file, "Gas")) {
        r = check_field(catalogue, GAS_COORDINATES, err);
        if (!r)
            r = check_field(catalogue, GAS_SMOOTHING, err);
        if (!r && io_has(reader->file, "Gas/dust_masses"))
            return check_field(catalogue, GAS_DUST_MASS, err);
        if (!r)
            r = check_field(catalogue, GAS_MASS, err);
        if (!r)
            r = check_field(catalogue, GAS_METALLICITY, err);
        if (!r && io_has(reader->file, "Gas/dust_to_metal_ratio"))
            r = check_field(catalogue, GAS_DUST_RATIO, err);
        else if (!r && io_has(reader->file, "Galaxies/dust_to_metal_ratio"))
            r = read_galaxy_numbers(catalogue, "Galaxies/dust_to_metal_ratio", 1, UNITS_DIMENSIONLESS,
                                    &reader->galaxy_dust_ratio, err);
    }
    return r;
}

static int no_parameter(struct catalogue *catalogue, const char *name, struct error *err)
{
    struct io_file *file = catalogue->reader->file;
    char(*names)[IO_NAME_MAX] = NULL;
    const char *known[256], *nearest = NULL;
    size_t n = 0;

    if (!io_list(file, "Galaxies", &names, &n, NULL)) {
        n = n < 256 ? n : 256;
        for (size_t i = 0; i < n; i++)
            known[i] = names[i];
        nearest = text_nearest(name, known, n);
    }
    error_set(err, POLYPHONY_INPUT,
              "'%s': model parameter '%s' is neither in 'Stars' nor in 'Galaxies'%s%s%s", io_file_path(file),
              name, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    free(names);
    return POLYPHONY_INPUT;
}

static int find_parameter(struct catalogue *catalogue, size_t i, struct error *err)
{
    struct catalogue_reader *reader = catalogue->reader;
    const char *name = reader->needs.parameter[i];
    uint64_t dim = catalogue->n_star_all;
    double factor = 1.0;
    char path[IO_NAME_MAX];
    int r;

    text_format(path, sizeof(path), "Stars/%s", name);
    if (io_has(reader->file, path)) {
        r = io_dataset_expect(reader->file, path, 1, &dim, NULL, err);
        if (!r)
            r = catalogue_unit(reader->file, path, UNITS_DIMENSIONLESS, &factor, err);
        memcpy(reader->star_parameter_path[i], path, sizeof(path));
        catalogue->parameter_is_per_particle[i] = true;
        return r;
    }
    text_format(path, sizeof(path), "Galaxies/%s", name);
    if (!io_has(reader->file, path))
        return no_parameter(catalogue, name, err);
    return read_galaxy_numbers(catalogue, path, 1, UNITS_DIMENSIONLESS, &reader->galaxy_parameter[i], err);
}

static int read_slices_all(struct catalogue *catalogue, struct error *err)
{
    int r = read_slices(catalogue, STARS, "Stars/initial_masses", &catalogue->star_offset, &catalogue->n_star,
                        &catalogue->n_star_all, err);

    if (!r)
        r = read_slices(catalogue, GAS, "Gas/coordinates", &catalogue->gas_offset, &catalogue->n_gas,
                        &catalogue->n_gas_all, err);
    if (!r)
        r = read_slices(catalogue, BLACK_HOLES, "BlackHoles/coordinates", &catalogue->black_hole_offset,
                        &catalogue->n_black_hole, &catalogue->n_black_hole_all, err);
    return r;
}

static int open_parts(struct catalogue *catalogue, struct error *err)
{
    struct catalogue_reader *reader = catalogue->reader;
    struct io_info info;
    int r = check_format(reader->file, err);

    if (!r)
        r = io_dataset_info(reader->file, "Stars/offset", &info, err);
    if (r)
        return r;
    catalogue->n_galaxy = info.dims[0];
    if (catalogue->n_galaxy == 0)
        return error_set(err, POLYPHONY_INPUT, "'%s': the catalogue has no galaxies",
                         io_file_path(reader->file));
    r = read_slices_all(catalogue, err);
    if (!r)
        r = read_ids(catalogue, err);
    if (!r)
        r = read_redshifts(catalogue, err);
    if (!r && io_has(reader->file, "Galaxies/centre"))
        r = read_galaxy_numbers(catalogue, "Galaxies/centre", 3, UNITS_LENGTH, &reader->centre_kpc, err);
    if (!r)
        r = check_fields(catalogue, err);
    if (!r && reader->needs.black_holes && io_has(reader->file, "BlackHoles"))
        r = check_field(catalogue, BLACK_HOLE_COORDINATES, err);
    for (size_t i = 0; !r && i < reader->needs.n_parameter; i++)
        r = find_parameter(catalogue, i, err);
    return r;
}

int catalogue_open(const char *path, const struct catalogue_needs *needs, struct catalogue **ret_catalogue,
                   struct error *err)
{
    struct catalogue *catalogue = mem_array(1, sizeof(*catalogue));
    int r;

    if (catalogue)
        catalogue->reader = mem_array(1, sizeof(*catalogue->reader));
    if (!catalogue || !catalogue->reader) {
        free(catalogue);
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory", path);
    }
    catalogue->reader->needs = *needs;
    r = io_file_open(path, &catalogue->reader->file, err);
    if (!r)
        r = open_parts(catalogue, err);
    if (r) {
        catalogue_close(catalogue);
        return r;
    }
    *ret_catalogue = catalogue;
    return 0;
}

void catalogue_close(struct catalogue *catalogue)
{
    struct catalogue_reader *reader;

    if (!catalogue)
        return;
    reader = catalogue->reader;
    io_file_close(reader->file);
    free(reader->centre_kpc);
    free(reader->galaxy_dust_ratio);
    for (size_t i = 0; i < CATALOGUE_PARAMETER_MAX; i++)
        free(reader->galaxy_parameter[i]);
    free(reader);
    free(catalogue->id);
    free(catalogue->redshift);
    free(catalogue->star_offset);
    free(catalogue->n_star);
    free(catalogue->gas_offset);
    free(catalogue->n_gas);
    free(catalogue->black_hole_offset);
    free(catalogue->n_black_hole);
    free(catalogue);
}

uint64_t catalogue_galaxy_bytes(const struct catalogue *catalogue, uint64_t row)
{
    const struct catalogue_reader *reader = catalogue->reader;
    const uint64_t n[N_COMPONENT] = { catalogue->n_star[row], catalogue->n_gas[row],
                                      catalogue->n_black_hole[row] };
    uint64_t values = 0;

    for (size_t i = 0; i < N_FIELD; i++)
        if (reader->is_read[i])
            values += n[catalogue_fields[i].component] * (uint64_t)catalogue_fields[i].width;
    for (size_t i = 0; i < reader->needs.n_parameter; i++)
        values += catalogue->parameter_is_per_particle[i] ? n[STARS] : 0;
    return values * sizeof(double);
}
