/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * HDF5 files of Synthesizer: the cache of one filter (wavelength, transmission), instruments and results
 * (Filters/<code>/Original_Wavelength, Original_Transmission), collections of filters (the same at the root
 * of a file), and results of our own. What Synthesizer made of two wavelengths (a top hat) has no Original_…,
 * only its Transmission on Header/Wavelengths.
 */
#include <stdlib.h>
#include <string.h>

#include "curve.h"
#include "polyphony/io.h"

#define PATH_MAX_BYTES 600

/* Where a curve lies in a file. */
struct curve_place {
    char lambda[PATH_MAX_BYTES], transmission[PATH_MAX_BYTES];
    char units_at[PATH_MAX_BYTES]; /* object with an attribute of their unit, or "" */
};

static bool find_pair(struct io_file *file, const char *group, const char *lambda, const char *transmission,
                      struct curve_place *ret_place)
{
    text_format(ret_place->lambda, PATH_MAX_BYTES, "%s%s", group, lambda);
    text_format(ret_place->transmission, PATH_MAX_BYTES, "%s%s", group, transmission);
    return io_has(file, ret_place->lambda) && io_has(file, ret_place->transmission);
}

/* One filter's datasets at the root of the file. */
static bool find_single(struct io_file *file, struct curve_place *ret_place)
{
    static const char *const names[][2] = { { "wavelength", "transmission" },
                                            { "Wavelength", "Transmission" },
                                            { "wavelengths", "transmission" },
                                            { "lambda", "transmission" },
                                            { "wavelength", "throughput" },
                                            { "wavelength", "response" },
                                            { "Original_Wavelength", "Original_Transmission" } };

    ret_place->units_at[0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (find_pair(file, "", names[i][0], names[i][1], ret_place))
            return true;
    return false;
}

/* "JWST/NIRCam.F200W" is a group "JWST.NIRCam.F200W". */
static bool is_code(const char *code, const char *group)
{
    for (; *code && *group; code++, group++)
        if (*code != *group && !(strchr("/.", *code) && strchr("/.", *group)))
            return false;
    return *code == *group;
}

/* The transmission on the wavelengths of all filters of the group. */
static bool find_sampled(struct io_file *file, const char *header, const char *group,
                         struct curve_place *ret_place)
{
    text_format(ret_place->lambda, PATH_MAX_BYTES, "%s/Wavelengths", header);
    text_format(ret_place->transmission, PATH_MAX_BYTES, "%sTransmission", group);
    return io_has(file, ret_place->lambda) && io_has(file, ret_place->transmission);
}

/* Look among the filters of one group "…/Filters", or of the file's root (""): count them, list them, and
 * find the one that is asked for, or the only one. */
struct search {
    const char *code;
    size_t n;
    bool is_found;
    struct curve_place place; /* of what was found, or of the last */
    char known[400];
};

static int look_in(struct io_file *file, const char *filters, struct search *search, struct error *err)
{
    char(*name)[IO_NAME_MAX] = NULL;
    size_t n = 0;
    int r = io_list(file, *filters ? filters : "/", &name, &n, err);
    const char *slash = *filters ? "/" : "";

    for (size_t i = 0; !r && i < n; i++) {
        char group[PATH_MAX_BYTES], code[IO_NAME_MAX];
        struct curve_place place = { .lambda = "" };

        text_format(group, sizeof(group), "%s%s%s/", filters, slash, name[i]);
        text_format(place.units_at, PATH_MAX_BYTES, "%s%sHeader", filters, slash);
        if (!strcmp(name[i], "Header") ||
            (!find_pair(file, group, "Original_Wavelength", "Original_Transmission", &place) &&
             !find_sampled(file, place.units_at, group, &place)))
            continue;
        group[strlen(group) - 1] = '\0';
        if (!io_attr_has(file, group, "filter_code") ||
            io_attr_read_text(file, group, "filter_code", code, sizeof(code), NULL))
            text_format(code, sizeof(code), "%s", name[i]);
        if (!search->is_found)
            search->place = place;
        search->is_found |= is_code(search->code, code) || is_code(search->code, name[i]);
        if (strlen(search->known) + strlen(code) + 3 < sizeof(search->known)) {
            strcat(search->known, search->n ? ", " : "");
            strcat(search->known, code);
        }
        search->n++;
    }
    free(name);
    return r;
}

static int find_one_of_many(const struct curve_file *curve, struct io_file *file,
                            struct curve_place *ret_place, struct error *err)
{
    struct search search = { .code = curve->code };
    char(*name)[IO_NAME_MAX] = NULL, path[PATH_MAX_BYTES];
    size_t n = 0;
    int r = 0;

    if (io_has(file, "Filters"))
        r = look_in(file, "Filters", &search, err);
    else if (io_has(file, "Header/Wavelengths"))
        r = look_in(file, "", &search, err);
    if (!r && io_has(file, "Instruments"))
        r = io_list(file, "Instruments", &name, &n, err);
    for (size_t i = 0; !r && i < n; i++) {
        text_format(path, sizeof(path), "Instruments/%s/Filters", name[i]);
        if (io_has(file, path))
            r = look_in(file, path, &search, err);
    }
    free(name);
    if (r)
        return r;
    if (search.n == 0)
        return error_set(
            err, POLYPHONY_INPUT,
            "filter '%s': '%s' is an HDF5 file without a filter: neither 'wavelength' and 'transmission' nor 'Filters/<code>/Original_Wavelength' are in it",
            curve->code, curve->path);
    if (!search.is_found && search.n > 1)
        return error_set(
            err, POLYPHONY_INPUT,
            "filter '%s': '%s' has %zu filters, and none of that code; give one of these codes: %s",
            curve->code, curve->path, search.n, search.known);
    *ret_place = search.place;
    return 0;
}

/* The first of these attributes that an object has; "" if it has none of them. */
static int find_text(struct io_file *file, const char *object, size_t n, const char *const *names,
                     char ret_text[64], struct error *err)
{
    ret_text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        if (io_attr_has(file, object, names[i]))
            return io_attr_read_text(file, object, names[i], ret_text, 64, err);
    return 0;
}

/* The unit of wavelengths: of the dataset, of the filters, of the file. Without any it must look like
 * angstrom, which Synthesizer's are. */
static int read_unit(const struct curve_file *curve, struct io_file *file, const struct curve_place *place,
                     struct curve_table *table, struct error *err)
{
    static const char *const names[] = { "Wavelength_units",
                                         "wavelength_units",
                                         "Wavelength_unit",
                                         "wavelength_unit",
                                         "Units",
                                         "units",
                                         "Unit",
                                         "unit" };
    const size_t n = sizeof(names) / sizeof(*names);
    char unit[64] = "";
    int r = find_text(file, place->lambda, n, names, unit, err);

    if (!r && !unit[0] && place->units_at[0] && io_has(file, place->units_at))
        r = find_text(file, place->units_at, n, names, unit, err);
    if (!r && !unit[0])
        r = find_text(file, "/", n, names, unit, err);
    return r ? r : curve_declare(curve, table, unit, 0, err);
}

static int read_pair(const struct curve_file *curve, struct io_file *file, const struct curve_place *place,
                     struct curve_table *table, struct error *err)
{
    struct io_info info = { 0 };
    double *lambda = NULL, *transmission = NULL;
    uint64_t dim = 0;
    int r = io_dataset_info(file, place->lambda, &info, err);

    if (!r && info.rank != 1)
        r = error_set(err, POLYPHONY_INPUT, "'%s': '%s' has %d axes; one list of numbers is needed",
                      curve->path, place->lambda, info.rank);
    if (!r)
        r = io_dataset_expect(file, place->lambda, 1, &dim, &info, err);
    if (!r && info.n > CURVE_N_MAX)
        r = error_set(err, POLYPHONY_INPUT, "'%s': '%s' has %llu values; a filter curve has %d at most",
                      curve->path, place->lambda, (unsigned long long)info.n, CURVE_N_MAX);
    dim = r ? 0 : info.n;
    if (!r && dim > 0)
        r = io_dataset_expect(file, place->transmission, 1, &dim, &info, err);
    lambda = mem_small(dim, sizeof(*lambda));
    transmission = mem_small(dim, sizeof(*transmission));
    if (!r && dim > 0)
        r = io_read_rows_f64(file, place->lambda, 0, dim, lambda, err);
    if (!r && dim > 0)
        r = io_read_rows_f64(file, place->transmission, 0, dim, transmission, err);
    for (uint64_t i = 0; !r && i < dim; i++)
        r = curve_add(curve, table, lambda[i], transmission[i], i, err);
    free(lambda);
    free(transmission);
    return r;
}

int curve_read_cache(const struct curve_file *curve, struct curve_table *table, struct error *err)
{
    struct io_file *file = NULL;
    struct curve_place place;
    int r = io_file_open(curve->path, &file, err);

    if (r)
        return error_prefix(err, r, "filter '%s'", curve->code);
    table->place_word = "index";
    if (!find_single(file, &place))
        r = find_one_of_many(curve, file, &place, err);
    if (!r)
        r = read_unit(curve, file, &place, table, err);
    if (!r)
        r = read_pair(curve, file, &place, table, err);
    io_file_close(file);
    return r;
}
