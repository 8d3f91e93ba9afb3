/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Galaxies, whole or in tiles: which fields are read, in which order. */
#include "batch.h"

#include "dust.h"

static void read_field(struct batch *batch, enum field field)
{
    batch_read(batch, field);
    for (struct part *part = batch_next(batch, NULL); part; part = batch_next(batch, part))
        for (size_t axis = 0; axis < field_kind(field)->width; axis++)
            part->galaxy.particles[batch->component].field[field + axis] = part->to[axis];
}

/* All but parameters. */
static void read_component(struct batch *batch, enum component component)
{
    const struct catalogue *catalogue = batch->catalogue;
    const char *const *needs = catalogue->reader->needs.field[component];
    bool is_read = false;

    batch_choose(batch, component);
    for (size_t f = 0; f < FIELD_PARAMETER; f++) {
        is_read |= catalogue->has_field[component][f];
        if (needs[f] && catalogue->has_field[component][f])
            read_field(batch, (enum field)f);
    }
    if (component == GAS && fields_make_dust(catalogue))
        dust_make(batch);
    for (struct part *part = batch_next(batch, NULL); is_read && part; part = batch_next(batch, part)) {
        part->galaxy.particles[component].first = part->first;
        part->galaxy.particles[component].n = part->n;
    }
}

/* Of the galaxy, for particles that have none. */
static void take_parameter(struct batch *batch, size_t i)
{
    const struct catalogue_reader *reader = batch->catalogue->reader;
    char path[IO_NAME_MAX];

    text_format(path, sizeof(path), "Galaxies/%s", reader->needs.parameter[i]);
    for (struct part *part = batch_next(batch, NULL); part; part = batch_next(batch, part)) {
        part->galaxy.parameter[i] = reader->galaxy_parameter[i][part->row];
        part->status = batch_take_number(batch, part, path, ANY_FINITE, &part->galaxy.parameter[i]);
    }
}

static bool is_wanted(const struct batch *batch, size_t component)
{
    return batch->around || component == (size_t)batch->tiled;
}

static void read_parameters(struct batch *batch)
{
    const struct catalogue *catalogue = batch->catalogue;

    for (size_t i = 0; i < catalogue->reader->needs.n_parameter; i++) {
        for (size_t c = 0; c < N_COMPONENT; c++)
            if (is_wanted(batch, c) && catalogue->has_field[c][FIELD_PARAMETER + i]) {
                batch_choose(batch, (enum component)c);
                read_field(batch, (enum field)(FIELD_PARAMETER + i));
            }
        if (catalogue->reader->galaxy_parameter[i])
            take_parameter(batch, i);
    }
}

/* ---- a batch ----------------------------------------------------------------------------------- */

static void read_batch(struct batch *batch)
{
    for (struct part *part = batch_next(batch, NULL); part; part = batch_next(batch, part))
        if (batch->around)
            part->status = batch_check_number(batch->catalogue, part->row, "Galaxies/redshift", OF_REDSHIFT,
                                              part->galaxy.redshift, part->err);
    for (size_t c = 0; c < N_COMPONENT; c++)
        if (is_wanted(batch, c))
            read_component(batch, (enum component)c);
    read_parameters(batch);
}

static struct galaxy galaxy_of_row(const struct catalogue *catalogue, uint64_t row)
{
    return (struct galaxy) { .row = row, .id = catalogue->id[row], .redshift = catalogue->redshift[row] };
}

int catalogue_read_tile(struct catalogue *catalogue, uint64_t row, enum component component, uint64_t first,
                        size_t n, struct arena *around, struct arena *tile, struct galaxy *galaxy,
                        struct error *err)
{
    struct batch batch;

    if (around)
        *galaxy = galaxy_of_row(catalogue, row);
    galaxy->n_rounded = 0;
    batch_begin(&batch, catalogue, component, around, tile);
    batch.n = 1;
    batch.part[0] =
        (struct part) { .row = row, .first_tile = first, .n_tile = n, .galaxy = *galaxy, .err = err };
    read_batch(&batch);
    if (!batch.part[0].status)
        *galaxy = batch.part[0].galaxy;
    return batch.part[0].status;
}

/* Up to BATCH_MAX galaxies; `order`: where they are in the caller's arrays. */
static void read_some(struct catalogue *catalogue, size_t n, const size_t *order, const uint64_t *row,
                      struct arena *arena, struct galaxy *ret_galaxy, int *ret_status,
                      struct error *ret_error)
{
    struct batch batch;

    batch_begin(&batch, catalogue, STARS, arena, arena);
    batch.n = n;
    for (size_t i = 0; i < n; i++) {
        uint64_t at = row[order[i]];

        batch.part[i] = (struct part) { .row = at,
                                        .n_tile = catalogue->n_particle[batch.tiled][at],
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
    for (size_t first = 0; first < n; first += BATCH_MAX) {
        size_t order[BATCH_MAX], n_some = n - first < BATCH_MAX ? n - first : BATCH_MAX;

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
        r = batch_check_number(catalogue, galaxy->row, "Galaxies/centre", ANY_FINITE,
                               galaxy->centre_kpc[axis], err);
    }
    return r;
}

int catalogue_read(struct catalogue *catalogue, uint64_t row, struct arena *arena, struct galaxy *ret_galaxy,
                   struct error *err)
{
    struct galaxy galaxy;
    double sum_kpc[3] = { 0 };
    int r = catalogue_read_tile(catalogue, row, STARS, 0, catalogue->n_particle[STARS][row], arena, arena,
                                &galaxy, err);

    if (r)
        return r;
    catalogue_add_centre(&galaxy, sum_kpc);
    r = catalogue_set_centre(catalogue, sum_kpc, &galaxy, err);
    if (!r)
        *ret_galaxy = galaxy;
    return r;
}
