/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fields of particles: what files call them, what their values must be, and which a job needs. */
#include "catalogue_private.h"

#include <stdlib.h>
#include <string.h>

const char *const component_names[N_COMPONENT] = { "Stars", "Gas", "BlackHoles" };

#define OF(component) (1U << (component))

static const struct field_kind kinds[FIELD_PARAMETER] = {
    [FIELD_INITIAL_MASS_MSUN] = { .name = "initial_masses",
                                  .components = OF(STARS),
                                  .width = 1,
                                  .kind = UNITS_MASS,
                                  .bound = NOT_NEGATIVE,
                                  .rounding = ROUNDING_MASS_MSUN },
    [FIELD_MASS_MSUN] = { .name = "masses",
                          .components = OF(GAS),
                          .width = 1,
                          .kind = UNITS_MASS,
                          .bound = NOT_NEGATIVE,
                          .rounding = ROUNDING_MASS_MSUN },
    /* Simulations write 0 for stars of the last step: they are as young as the grid goes. */
    [FIELD_AGE_YR] = { .name = "ages",
                       .components = OF(STARS),
                       .width = 1,
                       .kind = UNITS_TIME,
                       .bound = NOT_NEGATIVE,
                       .rounding = ROUNDING_AGE_YR },
    [FIELD_METALLICITY] = { .name = "metallicities",
                            .components = OF(STARS) | OF(GAS),
                            .width = 1,
                            .kind = UNITS_DIMENSIONLESS,
                            .bound = MASS_FRACTION,
                            .rounding = ROUNDING_FRACTION,
                            .floor = CATALOGUE_METALLICITY_FLOOR },
    [FIELD_X_KPC] = { .name = "coordinates",
                      .components = OF(STARS) | OF(GAS) | OF(BLACK_HOLES),
                      .width = 3,
                      .kind = UNITS_LENGTH,
                      .bound = ANY_FINITE },
    [FIELD_SMOOTHING_KPC] = { .name = "smoothing_lengths",
                              .components = OF(STARS) | OF(GAS),
                              .width = 1,
                              .kind = UNITS_LENGTH,
                              .bound = POSITIVE,
                              .hint = "images of 'type: histogram' do without" },
    [FIELD_DUST_MASS_MSUN] = { .name = "dust_masses",
                               .components = OF(GAS),
                               .width = 1,
                               .kind = UNITS_MASS,
                               .bound = NOT_NEGATIVE,
                               .rounding = ROUNDING_MASS_MSUN },
    [FIELD_DUST_TO_METAL_RATIO] = { .name = "dust_to_metal_ratio",
                                    .components = OF(GAS),
                                    .width = 1,
                                    .kind = UNITS_DIMENSIONLESS,
                                    .bound = NOT_NEGATIVE,
                                    .rounding = ROUNDING_FRACTION },
};
static const struct field_kind parameter_kind = {
    .width = 1, .kind = UNITS_DIMENSIONLESS, .bound = ANY_FINITE, .rounding = ROUNDING_FRACTION
};

const struct field_kind *field_kind(enum field field)
{
    return field < FIELD_PARAMETER ? &kinds[field] : &parameter_kind;
}

void fields_name(struct catalogue_reader *reader)
{
    for (size_t c = 0; c < N_COMPONENT; c++)
        for (size_t f = 0; f < N_FIELD; f++) {
            const char *name =
                f < FIELD_PARAMETER ? kinds[f].name : reader->needs.parameter[f - FIELD_PARAMETER];

            if (name)
                text_format(reader->source[c][f].path, IO_NAME_MAX, "%s/%s", component_names[c], name);
        }
}

/* ---- those that the job needs ------------------------------------------------------------------ */

static int no_field(const struct catalogue_reader *reader, const char *path, const char *operation,
                    const char *hint, struct error *err)
{
    return error_set(err, POLYPHONY_INPUT, "'%s': no dataset '%s'; operation '%s' needs it%s%s",
                     io_file_path(reader->file), path, operation, hint ? "; " : "", hint ? hint : "");
}

/* `operation`: what needs it; "": every job. */
static int find_field(struct catalogue *catalogue, enum component component, enum field field,
                      const char *operation, struct error *err)
{
    struct catalogue_reader *reader = catalogue->reader;
    struct source *source = &reader->source[component][field];
    const struct field_kind *kind = field_kind(field);
    int r;

    if (*operation && !io_has(reader->file, source->path))
        return no_field(reader, source->path, operation, component == STARS ? kind->hint : NULL, err);
    r = shape_expect(reader->file, source->path, catalogue->n_particle_all[component], kind->width, err);
    if (!r && field >= FIELD_PARAMETER)
        r = catalogue_parameter_unit(catalogue, field - FIELD_PARAMETER, source->path, &source->factor, err);
    else if (!r)
        r = catalogue_unit(catalogue, source->path, kind->kind, &source->factor, err);
    catalogue->has_field[component][field] = true;
    return r;
}

/* Galaxies without black holes, or without gas, have no group of them. */
static bool has_component(const struct catalogue *catalogue, size_t component)
{
    return component == STARS || io_has(catalogue->reader->file, component_names[component]);
}

/* What dust masses of the gas are, or are made of. */
static int find_dust(struct catalogue *catalogue, const char *operation, struct error *err)
{
    struct catalogue_reader *reader = catalogue->reader;
    int r;

    catalogue->has_dust = true;
    if (io_has(reader->file, reader->source[GAS][FIELD_DUST_MASS_MSUN].path))
        return find_field(catalogue, GAS, FIELD_DUST_MASS_MSUN, operation, err);
    r = find_field(catalogue, GAS, FIELD_MASS_MSUN, operation, err);
    if (!r)
        r = find_field(catalogue, GAS, FIELD_METALLICITY, operation, err);
    if (!r && io_has(reader->file, reader->source[GAS][FIELD_DUST_TO_METAL_RATIO].path))
        return find_field(catalogue, GAS, FIELD_DUST_TO_METAL_RATIO, operation, err);
    if (!r && index_is_in_file(catalogue, INDEX_DUST_RATIO))
        return index_add(catalogue, INDEX_DUST_RATIO, err);
    catalogue->has_dust = false;
    return r;
}

bool fields_make_dust(const struct catalogue *catalogue)
{
    return catalogue->reader->needs.field[GAS][FIELD_DUST_MASS_MSUN] &&
           catalogue->has_field[GAS][FIELD_MASS_MSUN] && !catalogue->has_field[GAS][FIELD_DUST_MASS_MSUN];
}

static int no_parameter(struct catalogue *catalogue, enum component component, size_t i_parameter,
                        struct error *err)
{
    struct io_file *file = catalogue->reader->file;
    const char *name = catalogue->reader->needs.parameter[i_parameter];
    const char *advice = catalogue->reader->needs.parameter_advice[i_parameter];
    char(*names)[IO_NAME_MAX] = NULL;
    const char *known[256], *nearest = NULL;
    size_t n = 0;

    if (advice)
        return error_set(err, POLYPHONY_INPUT, "'%s': no dataset '%s/%s' or 'Galaxies/%s': %s",
                         io_file_path(file), component_names[component], name, name, advice);
    if (!io_list(file, "Galaxies", &names, &n, NULL)) {
        n = n < 256 ? n : 256;
        for (size_t i = 0; i < n; i++)
            known[i] = names[i];
        nearest = text_nearest(name, known, n);
    }
    error_set(err, POLYPHONY_INPUT, "'%s': model parameter '%s' is neither in '%s' nor in 'Galaxies'%s%s%s",
              io_file_path(file), name, component_names[component], nearest ? "; did you mean '" : "",
              nearest ? nearest : "", nearest ? "'?" : "");
    free(names);
    return POLYPHONY_INPUT;
}

/* Where one component's particles do not have it, the galaxy must. */
static int find_parameter(struct catalogue *catalogue, size_t i, struct error *err)
{
    const struct catalogue_reader *reader = catalogue->reader;
    enum field field = (enum field)(FIELD_PARAMETER + i);
    int r = 0;

    for (size_t c = 0; !r && c < N_COMPONENT; c++) {
        if (!reader->needs.field[c][field] || !has_component(catalogue, c))
            continue;
        if (io_has(reader->file, reader->source[c][field].path))
            r = find_field(catalogue, (enum component)c, field, "", err);
        else if (!index_is_in_file(catalogue, INDEX_PARAMETER + i))
            r = no_parameter(catalogue, (enum component)c, i, err);
        else
            r = index_add(catalogue, INDEX_PARAMETER + i, err);
    }
    return r;
}

int fields_find(struct catalogue *catalogue, struct error *err)
{
    const struct catalogue_needs *needs = &catalogue->reader->needs;
    int r = 0;

    for (size_t c = 0; c < N_COMPONENT; c++)
        for (size_t f = 0; !r && f < FIELD_PARAMETER; f++) {
            if (!needs->field[c][f] || !has_component(catalogue, c))
                continue;
            r = c == GAS && f == FIELD_DUST_MASS_MSUN
                    ? find_dust(catalogue, needs->field[c][f], err)
                    : find_field(catalogue, (enum component)c, (enum field)f, needs->field[c][f], err);
        }
    for (size_t i = 0; !r && i < needs->n_parameter; i++)
        r = find_parameter(catalogue, i, err);
    return r;
}

/* ---- what they take ----------------------------------------------------------------------------- */

size_t catalogue_particle_bytes(const struct catalogue *catalogue, enum component component)
{
    size_t n = 0;

    for (size_t f = 0; f < N_FIELD; f++)
        n += catalogue->has_field[component][f] ? field_kind((enum field)f)->width : 0;
    /* Masses that dust masses are made of become these, unless they are needed, too. */
    n += component == GAS && fields_make_dust(catalogue) &&
         catalogue->reader->needs.field[GAS][FIELD_MASS_MSUN];
    return n * sizeof(double);
}

uint64_t catalogue_galaxy_bytes(const struct catalogue *catalogue, uint64_t row)
{
    uint64_t bytes = 0;

    for (size_t c = 0; c < N_COMPONENT; c++)
        bytes += catalogue->n_particle[c][row] * catalogue_particle_bytes(catalogue, (enum component)c);
    return bytes;
}

uint64_t catalogue_around_bytes(const struct catalogue *catalogue, enum component component, uint64_t row)
{
    return catalogue_galaxy_bytes(catalogue, row) -
           catalogue->n_particle[component][row] * catalogue_particle_bytes(catalogue, component);
}
