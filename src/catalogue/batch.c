/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "batch.h"

#include <math.h>

#define GAP_BYTES ((size_t)1 << 16) /* read over, rather than asking twice */

/* A field of a component, as it is read. */
struct dataset {
    const struct source *source;
    const struct field_kind *kind;
    double rounding; /* in the file's unit */
};

/* Rows of the dataset that are in the reader's window. */
struct window {
    uint64_t first, n;
};

/* ---- what is wrong with it --------------------------------------------------------------------- */

/* A value out of bounds sets the galaxy aside, and is named: particle i of it. */
static int name_bad_value(const struct catalogue *catalogue, const struct part *part,
                          const struct dataset *dataset, uint64_t i, double value)
{
    return error_set(part->err, POLYPHONY_SET_ASIDE,
                     "'%s': galaxy %lld: dataset '%s' particle %llu is %g, must be %s",
                     io_file_path(catalogue->reader->file), (long long)catalogue->id[part->row],
                     dataset->source->path, (unsigned long long)i, value, value_needed(dataset->kind->bound));
}

int batch_check_number(const struct catalogue *catalogue, uint64_t row, const char *path, enum bound bound,
                       double value, struct error *err)
{
    if (value_is_within(bound, value))
        return 0;
    return error_set(err, POLYPHONY_SET_ASIDE, "'%s': galaxy %lld: dataset '%s' row %llu is %g, must be %s",
                     io_file_path(catalogue->reader->file), (long long)catalogue->id[row], path,
                     (unsigned long long)row, value, value_needed(bound));
}

int batch_take_number(const struct batch *batch, struct part *part, const char *path, enum bound bound,
                      double *value)
{
    bool is_rounded = value_round(ROUNDING_FRACTION, value);

    part->galaxy.n_rounded += is_rounded && batch->around;
    return batch_check_number(batch->catalogue, part->row, path, bound, *value, part->err);
}

/* ---- reading one dataset ----------------------------------------------------------------------- */

static void take_room(struct batch *batch, size_t width)
{
    for (struct part *part = batch->part; part < batch->part + batch->n; part++)
        for (size_t axis = 0; !part->status && axis < width; axis++) {
            part->to[axis] = arena_array(batch->arena, part->n, sizeof(double));
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

static int load_rows(struct catalogue_reader *reader, const struct dataset *dataset,
                     const struct window *window, struct error *err)
{
    return dataset->source->direct.n
               ? io_direct_read(&dataset->source->direct, window->first * dataset->kind->width,
                                window->n * dataset->kind->width, reader->window, err)
               : io_read_rows_f64(reader->file, dataset->source->path, window->first, window->n,
                                  reader->window, err);
}

/* What cannot be read of another part is no failure of this one. */
static int load(struct batch *batch, const struct dataset *dataset, size_t i_in_file, uint64_t at,
                struct window *window)
{
    struct catalogue_reader *reader = batch->catalogue->reader;
    const struct part *part = batch->in_file[i_in_file];
    uint64_t left = part->begin + part->n - at;
    int r;

    *window = (struct window) { at, window_end(batch, i_in_file, dataset->kind->width, at) - at };
    r = load_rows(reader, dataset, window, part->err);
    if (r && window->n > left) {
        window->n = left;
        r = load_rows(reader, dataset, window, part->err);
    }
    return r;
}

/* n values from the window to the part, from its i_first on. */
static int take_values(const struct catalogue *catalogue, const struct dataset *dataset, struct part *part,
                       uint64_t i_first, size_t n, double *from)
{
    double factor = dataset->source->factor;
    size_t i_bad = values_check(dataset->kind->bound, dataset->rounding, factor, from,
                                n * dataset->kind->width, &part->galaxy.n_rounded);

    if (i_bad < n * dataset->kind->width)
        return name_bad_value(catalogue, part, dataset, part->first + i_first + i_bad / dataset->kind->width,
                              dataset->kind->bound == MASS_FRACTION ? from[i_bad] * factor : from[i_bad]);
    if (dataset->kind->width == 1)
        for (size_t i = 0; i < n; i++)
            part->to[0][i_first + i] = from[i] * factor;
    else
        for (size_t axis = 0; axis < N_VECTOR; axis++)
            for (size_t i = 0; i < n; i++)
                part->to[axis][i_first + i] = from[N_VECTOR * i + axis] * factor;
    return 0;
}

static void read_dataset(struct batch *batch, const struct dataset *dataset)
{
    double *values = batch->catalogue->reader->window;
    struct window window = { 0 };

    take_room(batch, dataset->kind->width);
    for (size_t k = 0; k < batch->n; k++) {
        struct part *part = batch->in_file[k];

        for (uint64_t i = 0, n; !part->status && i < part->n; i += n) {
            uint64_t at = part->begin + i, left = part->n - i;

            if (at < window.first || at - window.first >= window.n)
                part->status = load(batch, dataset, k, at, &window);
            if (part->status) {
                error_prefix(part->err, part->status, "galaxy %lld",
                             (long long)batch->catalogue->id[part->row]);
                window.n = 0; /* the next one tries for itself */
                break;
            }
            n = window.first + window.n - at;
            n = n < left ? n : left;
            part->status = take_values(batch->catalogue, dataset, part, i, n,
                                       values + (at - window.first) * dataset->kind->width);
        }
    }
}

static void raise_to(double floor, struct part *part)
{
    for (size_t i = 0; i < part->n; i++)
        part->to[0][i] = fmax(part->to[0][i], floor);
}

void batch_read(struct batch *batch, enum field field)
{
    const struct source *source = &batch->catalogue->reader->source[batch->component][field];
    const struct field_kind *kind = field_kind(field);
    const struct dataset dataset = { source, kind, kind->rounding / source->factor };

    read_dataset(batch, &dataset);
    for (struct part *part = batch_next(batch, NULL); kind->floor > 0 && part; part = batch_next(batch, part))
        raise_to(kind->floor, part);
}

/* ---- the galaxies of a batch ------------------------------------------------------------------- */

void batch_begin(struct batch *batch, struct catalogue *catalogue, enum component tiled, struct arena *around,
                 struct arena *tile)
{
    batch->catalogue = catalogue;
    batch->tiled = tiled;
    batch->around = around;
    batch->tile = tile;
    batch->n = 0;
}

struct part *batch_next(struct batch *batch, struct part *part)
{
    part = part ? part + 1 : batch->part;
    while (part < batch->part + batch->n && part->status)
        part++;
    return part < batch->part + batch->n ? part : NULL;
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

void batch_choose(struct batch *batch, enum component component)
{
    const struct catalogue *catalogue = batch->catalogue;
    bool is_tile = component == batch->tiled;

    batch->component = component;
    batch->arena = is_tile ? batch->tile : batch->around;
    for (struct part *part = batch->part; part < batch->part + batch->n; part++) {
        part->first = is_tile ? part->first_tile : 0;
        part->n = is_tile ? part->n_tile : catalogue->n_particle[component][part->row];
        part->begin = catalogue->offset[component][part->row] + part->first;
    }
    sort_by_place(batch);
}
