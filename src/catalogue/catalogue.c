/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "catalogue_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/cosmology.h"

const struct source_kind catalogue_sources[N_SOURCE] = {
    [STAR_MASS] = { "Stars/initial_masses", STARS, 1, UNITS_MASS, NOT_NEGATIVE, ROUNDING_MASS_MSUN },
    /* Simulations write 0 for stars of the last step: they are as young as the grid goes. */
    [STAR_AGE] = { "Stars/ages", STARS, 1, UNITS_TIME, NOT_NEGATIVE, ROUNDING_AGE_YR },
    [STAR_METALLICITY] = { "Stars/metallicities", STARS, 1, UNITS_DIMENSIONLESS, MASS_FRACTION,
                           ROUNDING_FRACTION },
    [STAR_COORDINATES] = { "Stars/coordinates", STARS, 3, UNITS_LENGTH, ANY_FINITE, 0 },
    [STAR_SMOOTHING] = { "Stars/smoothing_lengths", STARS, 1, UNITS_LENGTH, POSITIVE, 0 },
    [GAS_MASS] = { "Gas/masses", GAS, 1, UNITS_MASS, NOT_NEGATIVE, ROUNDING_MASS_MSUN },
    [GAS_METALLICITY] = { "Gas/metallicities", GAS, 1, UNITS_DIMENSIONLESS, MASS_FRACTION,
                          ROUNDING_FRACTION },
    [GAS_COORDINATES] = { "Gas/coordinates", GAS, 3, UNITS_LENGTH, ANY_FINITE, 0 },
    [GAS_SMOOTHING] = { "Gas/smoothing_lengths", GAS, 1, UNITS_LENGTH, POSITIVE, 0 },
    [GAS_DUST_MASS] = { "Gas/dust_masses", GAS, 1, UNITS_MASS, NOT_NEGATIVE, ROUNDING_MASS_MSUN },
    [GAS_DUST_RATIO] = { "Gas/dust_to_metal_ratio", GAS, 1, UNITS_DIMENSIONLESS, NOT_NEGATIVE,
                         ROUNDING_FRACTION },
    [BLACK_HOLE_COORDINATES] = { "BlackHoles/coordinates", BLACK_HOLES, 3, UNITS_LENGTH, ANY_FINITE, 0 },
};

/* The version is 1, however it was written: an integer, 1.0, or the text "1". */
static int read_version(struct io_file *file, double *ret_version, struct error *err)
{
    int64_t integer;
    char text[64];
    int r = io_attr_read_i64(file, "/", "version", &integer, err);

    if (!r)
        *ret_version = (double)integer;
    else if (!io_attr_read_f64(file, "/", "version", ret_version, NULL))
        r = 0;
    else if (!io_attr_read_text(file, "/", "version", text, sizeof(text), NULL))
        r = text_to_double(text, ret_version)
                ? 0
                : error_set(err, POLYPHONY_INPUT, "'%s': attribute 'version' of '/' is '%s', expected 1",
                            io_file_path(file), text);
    return r;
}

static int check_format(struct io_file *file, struct error *err)
{
    char format[64] = "";
    double version = 0;
    int r = io_attr_read_text(file, "/", "format", format, sizeof(format), err);

    if (!r)
        r = read_version(file, &version, err);
    if (!r && (strcmp(format, "polyphony-catalogue") || version != 1.0))
        r = error_set(err, POLYPHONY_INPUT,
                      "'%s': format '%s' version %g, expected 'polyphony-catalogue' version 1",
                      io_file_path(file), format, version);
    return r ? error_prefix(err, r, "not a galaxy catalogue") : 0;
}

bool catalogue_redshift_is_valid(const struct catalogue *catalogue, uint64_t row)
{
    return catalogue->redshift[row] >= 0 && catalogue->redshift[row] <= COSMOLOGY_REDSHIFT_MAX;
}

/* ---- particle fields and parameters ------------------------------------------------------------ */

/* `operation`: what needs it; NULL: every job. */
static int check_field(struct catalogue *catalogue, enum source_id id, const char *operation,
                       struct error *err)
{
    const struct source_kind *field = &catalogue_sources[id];
    struct catalogue_reader *reader = catalogue->reader;
    int r;

    if (operation && !io_has(reader->file, field->path))
        return error_set(err, POLYPHONY_INPUT, "'%s': no dataset '%s'; operation '%s' needs it",
                         io_file_path(reader->file), field->path, operation);
    r = shape_expect(reader->file, field->path, catalogue->n_particle_all[field->component],
                     (size_t)field->width, err);
    if (!r)
        r = catalogue_unit(catalogue, field->path, field->kind, &reader->factor[id], err);
    reader->is_read[id] = true;
    return r;
}

static int check_stars(struct catalogue *catalogue, struct error *err)
{
    static const enum source_id always[] = { STAR_MASS, STAR_AGE, STAR_METALLICITY };
    const struct catalogue_reader *reader = catalogue->reader;
    int r = 0;

    for (size_t i = 0; !r && i < sizeof(always) / sizeof(*always); i++)
        r = check_field(catalogue, always[i], NULL, err);
    if (!r && reader->needs.star_coordinates)
        r = check_field(catalogue, STAR_COORDINATES, reader->needs.star_coordinates, err);
    if (!r && reader->needs.star_smoothing_lengths) {
        if (!io_has(reader->file, catalogue_sources[STAR_SMOOTHING].path))
            return error_set(err, POLYPHONY_INPUT,
                             "'%s': no dataset '%s'; smoothed images need it, 'type: histogram' does without",
                             io_file_path(reader->file), catalogue_sources[STAR_SMOOTHING].path);
        r = check_field(catalogue, STAR_SMOOTHING, NULL, err);
    }
    return r;
}

static int check_gas(struct catalogue *catalogue, struct error *err)
{
    const struct catalogue_reader *reader = catalogue->reader;
    const char *operation = reader->needs.gas;
    int r = check_field(catalogue, GAS_COORDINATES, operation, err);

    if (!r)
        r = check_field(catalogue, GAS_SMOOTHING, operation, err);
    if (!r && io_has(reader->file, "Gas/dust_masses"))
        return check_field(catalogue, GAS_DUST_MASS, operation, err);
    if (!r)
        r = check_field(catalogue, GAS_MASS, operation, err);
    if (!r)
        r = check_field(catalogue, GAS_METALLICITY, operation, err);
    if (!r && io_has(reader->file, "Gas/dust_to_metal_ratio"))
        r = check_field(catalogue, GAS_DUST_RATIO, operation, err);
    else if (!r && index_is_in_file(catalogue, INDEX_DUST_RATIO))
        r = index_add(catalogue, INDEX_DUST_RATIO, err);
    return r;
}

static int check_fields(struct catalogue *catalogue, struct error *err)
{
    const struct catalogue_reader *reader = catalogue->reader;
    int r = check_stars(catalogue, err);

    if (!r && reader->needs.gas && io_has(reader->file, "Gas"))
        r = check_gas(catalogue, err);
    if (!r && reader->needs.black_holes && io_has(reader->file, "BlackHoles"))
        r = check_field(catalogue, BLACK_HOLE_COORDINATES, reader->needs.black_holes, err);
    return r;
}

static int no_parameter(struct catalogue *catalogue, size_t i_parameter, struct error *err)
{
    struct io_file *file = catalogue->reader->file;
    const char *name = catalogue->reader->needs.parameter[i_parameter];
    const char *advice = catalogue->reader->needs.parameter_advice[i_parameter];
    char(*names)[IO_NAME_MAX] = NULL;
    const char *known[256], *nearest = NULL;
    size_t n = 0;

    if (advice)
        return error_set(err, POLYPHONY_INPUT, "'%s': no dataset 'Stars/%s' or 'Galaxies/%s': %s",
                         io_file_path(file), name, name, advice);
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
    char path[IO_NAME_MAX];
    int r;

    text_format(path, sizeof(path), "Stars/%s", name);
    if (io_has(reader->file, path)) {
        r = shape_expect(reader->file, path, catalogue->n_particle_all[STARS], 1, err);
        if (!r)
            r = catalogue_parameter_unit(catalogue, i, path, &reader->star_parameter_factor[i], err);
        memcpy(reader->star_parameter_path[i], path, sizeof(path));
        catalogue->parameter_is_per_particle[i] = true;
        return r;
    }
    if (!index_is_in_file(catalogue, INDEX_PARAMETER + i))
        return no_parameter(catalogue, i, err);
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
    for (size_t i = 0; !r && i < reader->needs.n_parameter; i++)
        r = find_parameter(catalogue, i, err);
    if (!r) {
        catalogue_find_unused(catalogue);
        catalogue->has_dust = reader->is_read[GAS_DUST_MASS] || reader->is_read[GAS_DUST_RATIO] ||
                              reader->has_column[INDEX_DUST_RATIO];
    }
    if (!r)
        catalogue->sources = io_source_files(reader->file);
    return r;
}

/* A list of one rank to the others. */
static int broadcast_sources(struct catalogue *catalogue, const struct node_group *group, struct error *err)
{
    struct text_list *sources = &catalogue->sources;
    int r = 0;

    node_broadcast(group, &sources->n, sizeof(sources->n));
    node_broadcast(group, &sources->n_byte, sizeof(sources->n_byte));
    if (!node_is_first(group) && sources->n) {
        sources->text = malloc(sources->n_byte);
        if (!sources->text)
            r = error_set(err, POLYPHONY_INTERNAL, "no memory for the files of the catalogue");
    }
    r = node_agree(group, r);
    if (!r && sources->n)
        node_broadcast(group, sources->text, sources->n_byte);
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
        { catalogue->n_particle_all, sizeof(catalogue->n_particle_all) },
        { catalogue->parameter_is_per_particle, sizeof(catalogue->parameter_is_per_particle) },
        { catalogue->unused, sizeof(catalogue->unused) },
        { &catalogue->has_dust, sizeof(catalogue->has_dust) },
        { reader->is_read, sizeof(reader->is_read) },
        { reader->factor, sizeof(reader->factor) },
        { reader->star_parameter_path, sizeof(reader->star_parameter_path) },
        { reader->star_parameter_factor, sizeof(reader->star_parameter_factor) },
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

    for (size_t i = 0; i < N_SOURCE; i++)
        if (reader->is_read[i] &&
            !io_direct_find(reader->file, catalogue_sources[i].path, &reader->direct[i]))
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
        r = broadcast_sources(catalogue, group, err);
    }
    if (!r)
        r = index_take(catalogue, group, &fills, err);
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
    text_list_free(&catalogue->sources);
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
    uint64_t values = 0;

    for (size_t i = 0; i < N_SOURCE; i++)
        if (reader->is_read[i])
            values += catalogue->n_particle[catalogue_sources[i].component][row] *
                      (uint64_t)catalogue_sources[i].width;
    for (size_t i = 0; i < reader->needs.n_parameter; i++)
        values += catalogue->parameter_is_per_particle[i] ? catalogue->n_particle[STARS][row] : 0;
    return values * sizeof(double);
}

size_t catalogue_star_bytes(const struct catalogue *catalogue)
{
    const struct catalogue_reader *reader = catalogue->reader;
    size_t n = 3 + (reader->is_read[STAR_COORDINATES] ? 3 : 0) + reader->is_read[STAR_SMOOTHING];

    for (size_t i = 0; i < reader->needs.n_parameter; i++)
        n += catalogue->parameter_is_per_particle[i];
    return n * sizeof(double);
}

uint64_t catalogue_around_bytes(const struct catalogue *catalogue, uint64_t row)
{
    const struct catalogue_reader *reader = catalogue->reader;
    size_t after = 1 + (reader->is_read[GAS_DUST_MASS] ? 1 : 2) + reader->is_read[GAS_DUST_RATIO];
    uint64_t values = 0;

    if (reader->is_read[GAS_COORDINATES])
        values += (uint64_t)catalogue->n_particle[GAS][row] * (3 + after);
    if (reader->is_read[BLACK_HOLE_COORDINATES])
        values += (uint64_t)catalogue->n_particle[BLACK_HOLES][row] * 3;
    return values * sizeof(double);
}
