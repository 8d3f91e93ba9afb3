/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a file says of its units and its frame: units of datasets, the scale factor and h that comoving
 * lengths and /h need, and redshifts that are 0 but for a rounding.
 */
#include "catalogue_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/cosmology.h"

#define BLOCK_ROWS ((uint64_t)1 << 18)

/* Two attributes may say the same thing, in float32 or to six digits. */
#define SAME_VALUE 1e-5

/* A galaxy's own 1/(1+z) over the file's scale factor: peculiar velocities move it by less than a per cent. */
#define SCALE_FACTOR_DOUBT  1e-4
#define SCALE_FACTOR_REFUSE 1e-2

/* ---- a and h ----------------------------------------------------------------------------------- */

enum meaning { SCALE_FACTOR, REDSHIFT, HUBBLE, HUBBLE_CONSTANT };

/* Attributes as simulations and their users call them; those that say the same follow each other. */
static const struct {
    const char *name;
    enum meaning meaning;
} attributes[] = {
    { "a", SCALE_FACTOR },
    { "scale_factor", SCALE_FACTOR },
    { "ScaleFactor", SCALE_FACTOR },
    { "Scale-factor", SCALE_FACTOR },
    { "ExpansionFactor", SCALE_FACTOR },
    { "aexp", SCALE_FACTOR },
    { "Redshift", REDSHIFT },
    { "redshift", REDSHIFT },
    { "z", REDSHIFT },
    { "h", HUBBLE },
    { "little_h", HUBBLE },
    { "HubbleParam", HUBBLE },
    { "hubble_parameter", HUBBLE },
    { "H0", HUBBLE_CONSTANT },
};
static const char *const places[] = { "/", "Header", "Cosmology" };

static int attribute_value(struct io_file *file, const char *place, const char *name, double *ret_value,
                           struct error *err)
{
    int64_t whole;

    if (!io_attr_read_f64(file, place, name, ret_value, NULL))
        return 0;
    if (io_attr_read_i64(file, place, name, &whole, err))
        return error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' is not one number",
                         io_file_path(file), name, place);
    *ret_value = (double)whole;
    return 0;
}

/* As scale factor or h; false where it cannot be one. */
static bool to_frame(enum meaning meaning, double value, double *ret_value)
{
    if (meaning == REDSHIFT)
        value = 1 / (1 + cosmology_redshift(value));
    if (meaning == HUBBLE_CONSTANT)
        value /= 100;
    *ret_value = value;
    return meaning == SCALE_FACTOR || meaning == REDSHIFT ? value > 0 && value <= 1
                                                          : value >= 0.1 && value <= 2;
}

static int note(struct io_file *file, const char *place, size_t i, struct units_frame *frame,
                struct error *err)
{
    static const char *const bounds[] = {
        [SCALE_FACTOR] = "a scale factor is > 0 and <= 1",
        [REDSHIFT] = "a redshift is >= 0",
        [HUBBLE] = "h = H0/(100 km/s/Mpc) is within 0.1 to 2",
        [HUBBLE_CONSTANT] = "H0 is within 10 to 200 km/s/Mpc",
    };
    enum meaning meaning = attributes[i].meaning;
    bool is_a = meaning == SCALE_FACTOR || meaning == REDSHIFT;
    bool *has = is_a ? &frame->has_a : &frame->has_h;
    double *known = is_a ? &frame->a : &frame->h, value = 0;
    int r = attribute_value(file, place, attributes[i].name, &value, err);

    if (r)
        return r;
    if (!to_frame(meaning, value, &value)) {
        attribute_value(file, place, attributes[i].name, &value, NULL);
        return error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' is %g, but %s",
                         io_file_path(file), attributes[i].name, place, value, bounds[meaning]);
    }
    if (*has && !(fabs(value / *known - 1) < SAME_VALUE))
        return error_set(err, POLYPHONY_INPUT,
                         "'%s': attribute '%s' of '%s' makes %s %.9g, another attribute %.9g: correct one",
                         io_file_path(file), attributes[i].name, place, is_a ? "the scale factor" : "h",
                         value, *known);
    if (!*has)
        *known = value;
    *has = true;
    return 0;
}

/* Only when a unit asks for it: what attributes of that name mean in other files is their affair. */
int catalogue_find_frame(struct catalogue_reader *reader, struct error *err)
{
    int r = 0;

    if (reader->has_frame)
        return 0;
    for (size_t p = 0; p < sizeof(places) / sizeof(*places); p++)
        for (size_t i = 0; !r && i < sizeof(attributes) / sizeof(*attributes); i++)
            if ((!strcmp(places[p], "/") || io_has(reader->file, places[p])) &&
                io_attr_has(reader->file, places[p], attributes[i].name))
                r = note(reader->file, places[p], i, &reader->frame, err);
    reader->has_frame = !r;
    return r;
}

/* ---- units of datasets ------------------------------------------------------------------------- */

int catalogue_unit_text(struct io_file *file, const char *path, char ret_unit[IO_NAME_MAX], bool *ret_found,
                        struct error *err)
{
    static const char *const names[] = { "Units", "units", "Unit", "unit" };
    char unit[IO_NAME_MAX];
    int r = 0;

    *ret_found = false;
    *ret_unit = '\0';
    for (size_t i = 0; !r && i < sizeof(names) / sizeof(*names); i++) {
        if (!io_attr_has(file, path, names[i]))
            continue;
        r = io_attr_read_text(file, path, names[i], unit, sizeof(unit), err);
        if (r)
            return r;
        if (*ret_found && strcmp(unit, ret_unit))
            r = error_set(
                err, POLYPHONY_INPUT,
                "'%s': dataset '%s' has the unit '%.80s' and, in attribute '%s', '%.80s': leave one",
                io_file_path(file), path, ret_unit, names[i], unit);
        memcpy(ret_unit, unit, sizeof(unit));
        *ret_found = true;
    }
    return r;
}

int catalogue_unit(struct catalogue *catalogue, const char *path, enum units_kind kind, double *ret_factor,
                   struct error *err)
{
    struct catalogue_reader *reader = catalogue->reader;
    struct units_reading reading;
    char unit[IO_NAME_MAX];
    bool found;
    int r = catalogue_unit_text(reader->file, path, unit, &found, err);

    if (r)
        return r;
    if (!found && kind == UNITS_DIMENSIONLESS) {
        *ret_factor = 1;
        return 0;
    }
    if (!found)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s' has no 'Units' attribute; add one (kpc, Msun, yr, 1e10*Msun, ckpc/h, ...)",
            io_file_path(reader->file), path);
    r = units_read(unit, kind, &reading, err);
    if (!r && (reading.a_power != 0 || reading.h_power != 0)) {
        r = catalogue_find_frame(reader, err);
        if (r)
            return r;
        reader->uses_scale_factor |= reading.a_power != 0;
    }
    if (!r)
        r = units_apply(unit, &reading, &reader->frame, ret_factor, err);
    return r ? error_prefix(err, r, "'%s': dataset '%s'", io_file_path(reader->file), path) : 0;
}

int catalogue_parameter_unit(struct catalogue *catalogue, size_t i, const char *path, double *ret_factor,
                             struct error *err)
{
    const char *wanted = catalogue->reader->needs.parameter_unit[i];
    char unit[IO_NAME_MAX];
    bool found;
    int r;

    if (!wanted || !*wanted || !units_factor(wanted, UNITS_DIMENSIONLESS, NULL, ret_factor, NULL))
        return catalogue_unit(catalogue, path, UNITS_DIMENSIONLESS, ret_factor, err);
    r = catalogue_unit_text(catalogue->reader->file, path, unit, &found, err);
    *ret_factor = 1;
    if (!r && found && strcmp(unit, wanted))
        r = error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s' has the unit '%.80s', the grid's axis of that name '%.80s'; give it in that",
            io_file_path(catalogue->reader->file), path, unit, wanted);
    return r;
}

/* ---- redshifts --------------------------------------------------------------------------------- */

void catalogue_settle_redshifts(struct catalogue *catalogue, double *redshift)
{
    size_t n = 0, first = 0;
    double was = 0;

    for (size_t i = 0; i < catalogue->n_galaxy; i++) {
        double settled = cosmology_redshift(redshift[i]);

        if (settled == redshift[i] || isnan(redshift[i]))
            continue;
        if (n++ == 0) {
            first = i;
            was = redshift[i];
        }
        redshift[i] = settled;
    }
    if (n)
        warnings_add(
            &catalogue->warnings,
            "'%.120s': 'Galaxies/redshift' of %zu of %zu galaxies is a rounding of 0 and taken as 0, first galaxy %lld with %g",
            io_file_path(catalogue->reader->file), n, catalogue->n_galaxy, (long long)catalogue->id[first],
            was);
}

/* The galaxy whose 1/(1+z) is farthest from the scale factor. */
struct farthest {
    double off, redshift;
    uint64_t row, n_doubtful;
};

static void compare(const struct catalogue *catalogue, uint64_t row0, uint64_t n, const double *redshift,
                    struct farthest *farthest)
{
    for (uint64_t i = 0; i < n; i++) {
        double off = fabs(catalogue->reader->frame.a * (1 + redshift[i]) - 1);

        if (!(redshift[i] > -SCALE_FACTOR_DOUBT && redshift[i] <= COSMOLOGY_REDSHIFT_MAX))
            continue; /* the galaxy is set aside for it */
        farthest->n_doubtful += off > SCALE_FACTOR_DOUBT;
        if (off > farthest->off)
            *farthest = (struct farthest) { off, redshift[i], row0 + i, farthest->n_doubtful };
    }
}

static int judge(struct catalogue *catalogue, const struct farthest *farthest, struct error *err)
{
    const struct catalogue_reader *reader = catalogue->reader;
    double a = reader->frame.a;

    if (farthest->off > SCALE_FACTOR_REFUSE && reader->needs.redshift)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': comoving units with scale factor %.6g (redshift %.6g), but 'Galaxies/redshift' of galaxy %lld (row %llu) is %.6g: write proper lengths, each galaxy's times its own 1/(1+z)",
            io_file_path(reader->file), a, 1 / a - 1, (long long)catalogue->id[farthest->row],
            (unsigned long long)farthest->row, farthest->redshift);
    if (farthest->n_doubtful)
        warnings_add(
            &catalogue->warnings,
            "comoving units are of scale factor %.6g (redshift %.6g), from which %llu galaxies differ, most galaxy %lld at redshift %.6g: its lengths would be %.2g%% off",
            a, 1 / a - 1, (unsigned long long)farthest->n_doubtful, (long long)catalogue->id[farthest->row],
            farthest->redshift, 100 * farthest->off);
    return 0;
}

int catalogue_check_scale_factor(struct catalogue *catalogue, struct error *err)
{
    struct io_file *file = catalogue->reader->file;
    struct farthest farthest = { 0 };
    double *block;
    int r = 0;

    if (!catalogue->reader->uses_scale_factor || !io_has(file, "Galaxies/redshift"))
        return 0;
    block = mem_array(BLOCK_ROWS, sizeof(*block));
    if (!block)
        return error_set(err, POLYPHONY_INTERNAL, "no memory to read the catalogue's index");
    for (uint64_t row = 0; !r && row < catalogue->n_galaxy; row += BLOCK_ROWS) {
        uint64_t n = catalogue->n_galaxy - row < BLOCK_ROWS ? catalogue->n_galaxy - row : BLOCK_ROWS;

        r = io_read_rows_f64(file, "Galaxies/redshift", row, n, block, err);
        if (!r)
            compare(catalogue, row, n, block, &farthest);
    }
    free(block);
    return r ? r : judge(catalogue, &farthest, err);
}
