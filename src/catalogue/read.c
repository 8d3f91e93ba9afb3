/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Particles of several galaxies at a time, field by field: what lies near each other in the file is read in
 * one request into a window, and goes from there, checked and in our units, to the arrays of each galaxy. One
 * galaxy, or a tile of one, is a batch of one.
 *
 * A galaxy that fails is left out from then on, so that it has the text of its first failure, whoever is read
 * along with it.
 */
#include "catalogue_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_PART    64                /* galaxies read together */
#define GAP_BYTES ((size_t)1 << 16) /* read over, rather than asking twice */
#define N_VECTOR  3

/* One galaxy of the batch, and its particles of the kind that is being read. */
struct part {
    uint64_t row;
    uint64_t first_star; /* of the tile */
    size_t n_star;
    struct galaxy galaxy;
    int status;
    struct error *err;

    uint64_t begin; /* in the file */
    uint64_t first; /* in the galaxy, for messages */
    size_t n;
    double *to[N_VECTOR]; /* [n] each */
};

struct batch {
    struct catalogue *catalogue;
    struct arena *around, *stars; /* the first may be NULL */
    size_t n;
    struct part part[N_PART];
    struct part *in_file[N_PART]; /* in the order of their places there */
};

/* A dataset to read from. */
struct source {
    const char *path;
    const struct io_direct *direct; /* NULL: by HDF5 */
    size_t width;
    enum bound bound;
    double rounding, factor; /* the former in the file's unit */
};

/* Rows of the dataset that are in the reader's window. */
struct window {
    uint64_t first, n;
};

/* ---- what is wrong with it --------------------------------------------------------------------- */

/* A value out of bounds sets the galaxy aside, and is named: particle i of it. */
static int name_bad_value(const struct catalogue *catalogue, const struct part *part,
                          const struct source *source, uint64_t i, double value)
{
    return error_set(part->err, POLYPHONY_SET_ASIDE,
                     "'%s': galaxy %lld: dataset '%s' particle %llu is %g, must be %s",
                     io_file_path(catalogue->reader->file), (long long)catalogue->id[part->row], source->path,
                     (unsigned long long)i, value, value_needed(source->bound));
}

/* The same for a number that the galaxy has once. */
static int check_galaxy_value(const struct catalogue *catalogue, uint64_t row, const char *path,
                              enum bound bound, double value, struct error *err)
{
    if (value_is_within(bound, value))
        return 0;
    return error_set(err, POLYPHONY_SET_ASIDE, "'%s': galaxy %lld: dataset '%s' row %llu is %g, must be %s",
                     io_file_path(catalogue->reader->file), (long long)catalogue->id[row], path,
                     (unsigned long long)row, value, value_needed(bound));
}

/* The same for a number of order one, which rounding may have taken below 0: then it is 0, and counts once,
 * however many tiles there are. */
static int take_galaxy_number(const struct batch *batch, struct part *part, const char *path,
                              enum bound bound, double *value)
{
    bool is_rounded = value_round(ROUNDING_FRACTION, value);

    part->galaxy.n_rounded += is_rounded && batch->around;
    return check_galaxy_value(batch->catalogue, part->row, path, bound, *value, part->err);
}

/* ---- reading one dataset ----------------------------------------------------------------------- */

static void take_room(struct batch *batch, struct arena *arena, size_t width)
{
    for (struct part *part = batch->part; part < batch->part + batch->n; part++)
        for (size_t axis = 0; !part->status && axis < width; axis++) {
            part->to[axis] = arena_array(arena, part->n, sizeof(double));
            if (!part->to[axis])
                part->status = error_set(
                    part->err, POLYPHONY_INTERNAL, "galaxy %lld: no memory for its particles (%llu bytes)",
                    (long long)batch->catalogue->id[part->row],
                    (unsigned long long)catalogue_galaxy_bytes(batch->catalogue, part->row));
        }
}

/* Where a window from row `at` of this part on ends: it goes on to the next parts while they are near. */
static uint64_t window_end(const struct batch *batch, size_t i_in_file, size_t width, uint64_t at)
{
    const struct part *part = batch->in_file[i_in_file];
    uint64_t most = at + CATALOGUE_WINDOW_BYTES / sizeof(double) / width, end = part->begin + part->n;

    for (size_t i = i_in_file + 1; end < most && i < batch->n; i++) {
        const struct part *next = batch->in_file[i];

        if (next->status || next->n == 0)
            continue;
        if (next->begin - end > GAP_BYTES / sizeof(double) / width)
            break;
        end = next->begin + next->n;
    }
    return end < most ? end : most;
}

static int load_rows(struct catalogue_reader *reader, const struct source *source,
                     const struct window *window, struct error *err)
{
    return source->direct
               ? io_direct_read(source->direct, window->first * source->width, window->n * source->width,
                                reader->window, err)
               : io_read_rows_f64(reader->file, source->path, window->first, window->n, reader->window, err);
}

/* What cannot be read of another part is no failure of this one. */
static int load(struct batch *batch, const struct source *source, size_t i_in_file, uint64_t at,
                struct window *window)
{
    struct catalogue_reader *reader = batch->catalogue->reader;
    const struct part *part = batch->in_file[i_in_file];
    uint64_t left = part->begin + part->n - at;
    int r;

    *window = (struct window) { at, window_end(batch, i_in_file, source->width, at) - at };
    r = load_rows(reader, source, window, part->err);
    if (r && window->n > left) {
        window->n = left;
        r = load_rows(reader, source, window, part->err);
    }
    return r;
}

/* n values from the window to the part, from its i_first on. */
static int take_values(const struct catalogue *catalogue, const struct source *source, struct part *part,
                       uint64_t i_first, size_t n, double *from)
{
    double factor = source->factor;
    size_t i_bad = values_check(source->bound, source->rounding, factor, from, n * source->width,
                                &part->galaxy.n_rounded);

    if (i_bad < n * source->width)
        return name_bad_value(catalogue, part, source, part->first + i_first + i_bad / source->width,
                              source->bound == MASS_FRACTION ? from[i_bad] * factor : from[i_bad]);
    if (source->width == 1)
        for (size_t i = 0; i < n; i++)
            part->to[0][i_first + i] = from[i] * factor;
    else
        for (size_t axis = 0; axis < N_VECTOR; axis++)
            for (size_t i = 0; i < n; i++)
                part->to[axis][i_first + i] = from[N_VECTOR * i + axis] * factor;
    return 0;
}

static void read_dataset(struct batch *batch, const struct source *source, struct arena *arena)
{
    double *values = batch->catalogue->reader->window;
    struct window window = { 0 };

    take_room(batch, arena, source->width);
    for (size_t k = 0; k < batch->n; k++) {
        struct part *part = batch->in_file[k];

        for (uint64_t i = 0, n; !part->status && i < part->n; i += n) {
            uint64_t at = part->begin + i, left = part->n - i;

            if (at < window.first || at - window.first >= window.n)
                part->status = load(batch, source, k, at, &window);
            if (part->status) {
                error_prefix(part->err, part->status, "galaxy %lld",
                             (long long)batch->catalogue->id[part->row]);
                window.n = 0; /* the next one tries for itself */
                break;
            }
            n = window.first + window.n - at;
            n = n < left ? n : left;
            part->status = take_values(batch->catalogue, source, part, i, n,
                                       values + (at - window.first) * source->width);
        }
    }
}

/* ---- particles --------------------------------------------------------------------------------- */

/* Where a dataset goes: to a field of its component, or to one for each axis. */
static const enum field members[N_SOURCE] = {
    [STAR_MASS] = FIELD_INITIAL_MASS_MSUN,        [STAR_AGE] = FIELD_AGE_YR,
    [STAR_METALLICITY] = FIELD_METALLICITY,       [STAR_COORDINATES] = FIELD_X_KPC,
    [STAR_SMOOTHING] = FIELD_SMOOTHING_KPC,       [GAS_MASS] = FIELD_DUST_MASS_MSUN, /* becomes that */
    [GAS_METALLICITY] = FIELD_METALLICITY,        [GAS_COORDINATES] = FIELD_X_KPC,
    [GAS_SMOOTHING] = FIELD_SMOOTHING_KPC,        [GAS_DUST_MASS] = FIELD_DUST_MASS_MSUN,
    [GAS_DUST_RATIO] = FIELD_DUST_TO_METAL_RATIO, [BLACK_HOLE_COORDINATES] = FIELD_X_KPC,
};

/* The first part, or the one after this, that has not failed; NULL after the last. */
static struct part *next_part(struct batch *batch, struct part *part)
{
    part = part ? part + 1 : batch->part;
    while (part < batch->part + batch->n && part->status)
        part++;
    return part < batch->part + batch->n ? part : NULL;
}

static void read_field(struct batch *batch, enum source_id id, struct arena *arena)
{
    const struct catalogue_reader *reader = batch->catalogue->reader;
    const struct source_kind *field = &catalogue_sources[id];
    const struct source source = { field->path,
                                   reader->direct[id].n ? &reader->direct[id] : NULL,
                                   (size_t)field->width,
                                   field->bound,
                                   field->rounding / reader->factor[id],
                                   reader->factor[id] };

    read_dataset(batch, &source, arena);
    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part))
        for (size_t axis = 0; axis < source.width; axis++)
            part->galaxy.particles[field->component].field[members[id] + axis] = part->to[axis];
}

/* By insertion: they are few, and mostly in order already. */
static void sort_by_place(struct batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct part *part = &batch->part[i];
        size_t j = i;

        for (; j > 0 && batch->in_file[j - 1]->begin > part->begin; j--)
            batch->in_file[j] = batch->in_file[j - 1];
        batch->in_file[j] = part;
    }
}

/* What is read from now on. */
static void choose(struct batch *batch, enum component component)
{
    const struct catalogue *catalogue = batch->catalogue;

    for (struct part *part = batch->part; part < batch->part + batch->n; part++) {
        uint64_t row = part->row;

        part->first = component == STARS ? part->first_star : 0;
        part->n = component == STARS ? part->n_star : catalogue->n_particle[component][row];
        part->begin = catalogue->offset[component][row] + part->first;
    }
    sort_by_place(batch);
}

static void read_stars(struct batch *batch)
{
    const struct catalogue_reader *reader = batch->catalogue->reader;

    choose(batch, STARS);
    read_field(batch, STAR_MASS, batch->stars);
    read_field(batch, STAR_AGE, batch->stars);
    read_field(batch, STAR_METALLICITY, batch->stars);
    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part))
        for (size_t i = 0; i < part->n; i++)
            part->to[0][i] = fmax(part->to[0][i], CATALOGUE_METALLICITY_FLOOR);
    if (reader->is_read[STAR_COORDINATES])
        read_field(batch, STAR_COORDINATES, batch->stars);
    if (reader->is_read[STAR_SMOOTHING])
        read_field(batch, STAR_SMOOTHING, batch->stars);
    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part)) {
        part->galaxy.particles[STARS].first = part->first_star;
        part->galaxy.particles[STARS].n = part->n_star;
    }
}

static double dust_ratio_of(const struct catalogue *catalogue, uint64_t row)
{
    const struct catalogue_reader *reader = catalogue->reader;

    return reader->galaxy_dust_ratio ? reader->galaxy_dust_ratio[row] : reader->needs.dust_to_metal_ratio;
}

/* Gas mass times metallicity times the dust-to-metal ratio of the particle, its galaxy, or the job. */
static void make_dust_masses(struct batch *batch)
{
    const struct catalogue_reader *reader = batch->catalogue->reader;
    double *mass[N_PART], *metallicity[N_PART], ratio[N_PART];
    struct arena_mark mark;

    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part)) {
        ratio[part - batch->part] = dust_ratio_of(batch->catalogue, part->row);
        part->status = take_galaxy_number(batch, part, "Galaxies/dust_to_metal_ratio", NOT_NEGATIVE,
                                          &ratio[part - batch->part]);
    }
    read_field(batch, GAS_MASS, batch->around);
    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part))
        mass[part - batch->part] = part->to[0];
    mark = arena_mark(batch->around);
    read_field(batch, GAS_METALLICITY, batch->around);
    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part))
        metallicity[part - batch->part] = part->to[0];
    if (reader->is_read[GAS_DUST_RATIO])
        read_field(batch, GAS_DUST_RATIO, batch->around);
    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part)) {
        double *dust = mass[part - batch->part], *z = metallicity[part - batch->part];
        double ratio_all = ratio[part - batch->part];

        for (size_t i = 0; i < part->n; i++)
            dust[i] *= fmax(z[i], CATALOGUE_METALLICITY_FLOOR) *
                       (reader->is_read[GAS_DUST_RATIO] ? part->to[0][i] : ratio_all);
    }
    arena_release(batch->around, mark);
    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part)) {
        part->galaxy.particles[GAS].field[FIELD_METALLICITY] = NULL;
        part->galaxy.particles[GAS].field[FIELD_DUST_TO_METAL_RATIO] = NULL;
    }
}

static void read_gas(struct batch *batch)
{
    choose(batch, GAS);
    read_field(batch, GAS_COORDINATES, batch->around);
    read_field(batch, GAS_SMOOTHING, batch->around);
    if (batch->catalogue->reader->is_read[GAS_DUST_MASS])
        read_field(batch, GAS_DUST_MASS, batch->around);
    else
        make_dust_masses(batch);
    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part))
        part->galaxy.particles[GAS].n = part->n;
}

static void read_black_holes(struct batch *batch)
{
    choose(batch, BLACK_HOLES);
    read_field(batch, BLACK_HOLE_COORDINATES, batch->around);
    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part))
        part->galaxy.particles[BLACK_HOLES].n = part->n;
}

static void read_parameter(struct batch *batch, size_t i)
{
    const struct catalogue_reader *reader = batch->catalogue->reader;
    const struct source source = { reader->star_parameter_path[i],
                                   reader->star_parameter_direct[i].n ? &reader->star_parameter_direct[i]
                                                                      : NULL,
                                   1,
                                   ANY_FINITE,
                                   ROUNDING_FRACTION,
                                   reader->star_parameter_factor[i] };
    char path[IO_NAME_MAX];

    if (batch->catalogue->parameter_is_per_particle[i]) {
        read_dataset(batch, &source, batch->stars);
        for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part))
            part->galaxy.particles[STARS].field[FIELD_PARAMETER + i] = part->to[0];
        return;
    }
    text_format(path, sizeof(path), "Galaxies/%s", reader->needs.parameter[i]);
    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part)) {
        part->galaxy.parameter[i] = reader->galaxy_parameter[i][part->row];
        part->status = take_galaxy_number(batch, part, path, ANY_FINITE, &part->galaxy.parameter[i]);
    }
}

/* ---- a batch ----------------------------------------------------------------------------------- */

static void read_batch(struct batch *batch)
{
    const struct catalogue_reader *reader = batch->catalogue->reader;

    for (struct part *part = next_part(batch, NULL); part; part = next_part(batch, part))
        if (batch->around)
            part->status = check_galaxy_value(batch->catalogue, part->row, "Galaxies/redshift", OF_REDSHIFT,
                                              part->galaxy.redshift, part->err);
    read_stars(batch);
    if (batch->around && reader->is_read[GAS_COORDINATES])
        read_gas(batch);
    if (batch->around && reader->is_read[BLACK_HOLE_COORDINATES])
        read_black_holes(batch);
    choose(batch, STARS);
    for (size_t i = 0; i < reader->needs.n_parameter; i++)
        read_parameter(batch, i);
}

static struct galaxy galaxy_of_row(const struct catalogue *catalogue, uint64_t row)
{
    return (struct galaxy) { .row = row, .id = catalogue->id[row], .redshift = catalogue->redshift[row] };
}

int catalogue_read_tile(struct catalogue *catalogue, uint64_t row, uint64_t first, size_t n,
                        struct arena *around, struct arena *stars, struct galaxy *galaxy, struct error *err)
{
    struct batch batch = { .catalogue = catalogue, .around = around, .stars = stars, .n = 1 };

    if (around)
        *galaxy = galaxy_of_row(catalogue, row);
    galaxy->n_rounded = 0;
    batch.part[0] =
        (struct part) { .row = row, .first_star = first, .n_star = n, .galaxy = *galaxy, .err = err };
    read_batch(&batch);
    if (!batch.part[0].status)
        *galaxy = batch.part[0].galaxy;
    return batch.part[0].status;
}

/* Up to N_PART galaxies; `order`: where they are in the caller's arrays. */
static void read_some(struct catalogue *catalogue, size_t n, const size_t *order, const uint64_t *row,
                      struct arena *arena, struct galaxy *ret_galaxy, int *ret_status,
                      struct error *ret_error)
{
    struct batch batch = { .catalogue = catalogue, .around = arena, .stars = arena, .n = n };

    for (size_t i = 0; i < n; i++) {
        uint64_t at = row[order[i]];

        batch.part[i] = (struct part) { .row = at,
                                        .n_star = catalogue->n_particle[STARS][at],
                                        .galaxy = galaxy_of_row(catalogue, at),
                                        .err = &ret_error[order[i]] };
    }
    read_batch(&batch);
    for (size_t i = 0; i < n; i++) {
        ret_status[order[i]] = batch.part[i].status;
        ret_galaxy[order[i]] =
            batch.part[i].status ? galaxy_of_row(catalogue, batch.part[i].row) : batch.part[i].galaxy;
    }
}

void catalogue_read_many(struct catalogue *catalogue, size_t n, const uint64_t *row, struct arena *arena,
                         struct galaxy *ret_galaxy, int *ret_status, struct error *ret_error)
{
    for (size_t first = 0; first < n; first += N_PART) {
        size_t order[N_PART], n_some = n - first < N_PART ? n - first : N_PART;

        /* By insertion: they are few, and in order already but for what was dealt again. */
        for (size_t i = 0; i < n_some; i++) {
            size_t j = i;

            for (; j > 0 && row[order[j - 1]] > row[first + i]; j--)
                order[j] = order[j - 1];
            order[j] = first + i;
        }
        read_some(catalogue, n_some, order, row, arena, ret_galaxy, ret_status, ret_error);
    }
}

void catalogue_add_centre(const struct galaxy *galaxy, double sum_kpc[3])
{
    const struct particles *stars = &galaxy->particles[STARS];

    for (int axis = 0; axis < 3 && stars->field[FIELD_X_KPC + axis]; axis++)
        for (size_t i = 0; i < stars->n; i++)
            sum_kpc[axis] += stars->field[FIELD_X_KPC + axis][i];
}

int catalogue_set_centre(const struct catalogue *catalogue, const double sum_kpc[3], struct galaxy *galaxy,
                         struct error *err)
{
    const double *given = catalogue->reader->centre_kpc;
    size_t n_star = catalogue->n_particle[STARS][galaxy->row];
    int r = 0;

    for (size_t axis = 0; !r && catalogue->reader->needs.centre && axis < 3; axis++) {
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
    int r =
        catalogue_read_tile(catalogue, row, 0, catalogue->n_particle[STARS][row], arena, arena, &galaxy, err);

    if (r)
        return r;
    catalogue_add_centre(&galaxy, sum_kpc);
    r = catalogue_set_centre(catalogue, sum_kpc, &galaxy, err);
    if (!r)
        *ret_galaxy = galaxy;
    return r;
}
