/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "catalogue_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/cosmology.h"

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

bool catalogue_redshift_is_valid(const struct catalogue *catalogue, uint64_t row)
{
    return catalogue->redshift[row] >= 0 && catalogue->redshift[row] <= COSMOLOGY_REDSHIFT_MAX;
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
        r = catalogue_unit(catalogue, field->path, field->kind, &reader->factor[id], err);
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
        else if (!r && index_is_in_file(catalogue, INDEX_DUST_RATIO))
            r = index_add(catalogue, INDEX_DUST_RATIO, err);
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
            r = catalogue_unit(catalogue, path, UNITS_DIMENSIONLESS, &factor, err);
        memcpy(reader->star_parameter_path[i], path, sizeof(path));
        catalogue->parameter_is_per_particle[i] = true;
        return r;
    }
    if (!index_is_in_file(catalogue, INDEX_PARAMETER + i))
        return no_parameter(catalogue, name, err);
    return index_add(catalogue, INDEX_PARAMETER + i, err);
}

/* ---- opening ----------------------------------------------------------------------------------- */

/* Everything about the file but the values in it. */
static int find_parts(struct catalogue *catalogue, const char *path, struct error *err)
{
    struct catalogue_reader *reader = catalogue->reader;
    int r = io_file_open(path, &reader->file, err);

    if (!r)
        r = check_format(reader->file, err);
    if (!r)
        r = index_find(catalogue, err);
    if (!r)
        r = check_fields(catalogue, err);
    if (!r && reader->needs.black_holes && io_has(reader->file, "BlackHoles"))
        r = check_field(catalogue, BLACK_HOLE_COORDINATES, err);
    for (size_t i = 0; !r && i < reader->needs.n_parameter; i++)
        r = find_parameter(catalogue, i, err);
    if (!r) {
        catalogue_find_unused(catalogue);
        catalogue->has_dust = reader->is_read[GAS_DUST_MASS] || reader->is_read[GAS_DUST_RATIO] ||
                              reader->has_column[INDEX_DUST_RATIO];
    }
    return r;
}

/* What one rank has found is true for all. */
static void broadcast_parts(struct catalogue *catalogue, const struct node_group *group)
{
    struct catalogue_reader *reader = catalogue->reader;
    const struct {
        void *data;
        size_t n_byte;
    } parts[] = {
        { &catalogue->n_galaxy, sizeof(catalogue->n_galaxy) },
        { &catalogue->n_star_all, sizeof(catalogue->n_star_all) },
        { &catalogue->n_gas_all, sizeof(catalogue->n_gas_all) },
        { &catalogue->n_black_hole_all, sizeof(catalogue->n_black_hole_all) },
        { catalogue->parameter_is_per_particle, sizeof(catalogue->parameter_is_per_particle) },
        { catalogue->unused, sizeof(catalogue->unused) },
        { &catalogue->has_dust, sizeof(catalogue->has_dust) },
        { reader->is_read, sizeof(reader->is_read) },
        { reader->factor, sizeof(reader->factor) },
        { reader->star_parameter_path, sizeof(reader->star_parameter_path) },
        { reader->has_column, sizeof(reader->has_column) },
        { reader->column_factor, sizeof(reader->column_factor) },
        { &reader->frame, sizeof(reader->frame) },
        { &reader->uses_scale_factor, sizeof(reader->uses_scale_factor) },
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        node_broadcast(group, parts[i].data, parts[i].n_byte);
}

static struct catalogue *catalogue_new(const struct catalogue_needs *needs)
{
    struct catalogue *catalogue = mem_array(1, sizeof(*catalogue));

    if (catalogue)
        catalogue->reader = mem_array(1, sizeof(*catalogue->reader));
    if (!catalogue || !catalogue->reader) {
        free(catalogue);
        return NULL;
    }
    catalogue->reader->needs = *needs;
    return catalogue;
}

/* Where the particles are, and the memory through which they go. */
static int prepare_reading(struct catalogue *catalogue, struct error *err)
{
    struct catalogue_reader *reader = catalogue->reader;

    for (size_t i = 0; i < N_FIELD; i++)
        if (reader->is_read[i] && !io_direct_find(reader->file, catalogue_fields[i].path, &reader->direct[i]))
            reader->direct[i].n = 0;
    for (size_t i = 0; i < reader->needs.n_parameter; i++)
        if (catalogue->parameter_is_per_particle[i] &&
            !io_direct_find(reader->file, reader->star_parameter_path[i], &reader->star_parameter_direct[i]))
            reader->star_parameter_direct[i].n = 0;
    reader->window = malloc(CATALOGUE_WINDOW_BYTES);
    return reader->window ? 0 : error_set(err, POLYPHONY_INTERNAL, "no memory to read galaxies");
}

int catalogue_open(const char *path, const struct catalogue_needs *needs, const struct node_share *share,
                   struct catalogue **ret_catalogue, struct error *err)
{
    const struct node_group *group = node_share_all(share);
    bool computes = node_share_computes(share), fills = false;
    struct catalogue *catalogue = catalogue_new(needs);
    int r = catalogue ? 0 : error_set(err, POLYPHONY_INTERNAL, "'%s': no memory", path);

    if (!r && node_is_first(group))
        r = find_parts(catalogue, path, err);
    r = node_agree(group, r);
    if (!r) {
        broadcast_parts(catalogue, group);
        r = index_take(catalogue, group, &fills, err);
    }
    if (!r && (fills || computes) && !catalogue->reader->file)
        r = io_file_open(path, &catalogue->reader->file, err);
    if (!r && fills)
        r = index_fill(catalogue, err);
    if (!r && computes)
        r = prepare_reading(catalogue, err);
    r = node_agree(group, r);
    if (r) {
        catalogue_close(catalogue);
        return r;
    }
    node_broadcast(group, &catalogue->warnings, sizeof(catalogue->warnings));
    node_table_seal(&catalogue->reader->index);
    if (!computes) {
        io_file_close(catalogue->reader->file);
        catalogue->reader->file = NULL;
    }
    *ret_catalogue = catalogue;
    return 0;
}

void catalogue_close(struct catalogue *catalogue)
{
    if (!catalogue)
        return;
    io_file_close(catalogue->reader->file);
    index_release(catalogue);
    free(catalogue->reader->window);
    free(catalogue->reader);
    free(catalogue);
}

void catalogue_drop_pages(const struct catalogue *catalogue)
{
    node_table_drop_pages(&catalogue->reader->index);
}

void catalogue_touch_pages(const struct catalogue *catalogue)
{
    node_table_touch_pages(&catalogue->reader->index);
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
