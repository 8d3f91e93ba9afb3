/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The index: what is known of every galaxy without its particles. Its columns lie in one table of the node,
 * one after the other; at 10^7 galaxies a column is 80 MB, so nothing here holds a second one for long.
 */
#include "catalogue_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "polyphony/cosmology.h"

#define LENGTH_ROWS  ((uint64_t)1 << 18) /* lengths read at a time: 2 MiB */
#define COLUMN_ALIGN 64
#define N_GALAXY_MAX (SIZE_MAX / 1024) /* so that sizes of tables do not overflow */

/* ---- columns ----------------------------------------------------------------------------------- */

static size_t column_width(size_t i_column)
{
    return i_column == INDEX_CENTRE ? 3 : 1;
}

static size_t column_bytes(const struct catalogue *catalogue, size_t i_column)
{
    bool is_count = i_column >= INDEX_COUNT && i_column < INDEX_COUNT + N_COMPONENT;
    size_t n = catalogue->n_galaxy * column_width(i_column) * (is_count ? sizeof(uint32_t) : sizeof(double));

    return catalogue->reader->has_column[i_column] ? (n + COLUMN_ALIGN - 1) / COLUMN_ALIGN * COLUMN_ALIGN : 0;
}

/* NULL without this column. */
static void *column_of(const struct catalogue *catalogue, size_t i_column)
{
    char *column = catalogue->reader->index.value;

    if (!catalogue->reader->has_column[i_column])
        return NULL;
    for (size_t i = 0; i < i_column; i++)
        column += column_bytes(catalogue, i);
    return column;
}

static const void *column_or_zeros(const struct catalogue *catalogue, size_t i_column)
{
    const void *column = column_of(catalogue, i_column);

    return column ? column : catalogue->reader->zeros;
}

static void column_path(const struct catalogue *catalogue, size_t i_column, char ret_path[IO_NAME_MAX])
{
    const char *name = i_column == INDEX_ID           ? "id"
                       : i_column == INDEX_REDSHIFT   ? "redshift"
                       : i_column == INDEX_CENTRE     ? "centre"
                       : i_column == INDEX_DUST_RATIO ? "dust_to_metal_ratio"
                                                      : "";

    if (i_column >= INDEX_PARAMETER)
        name = catalogue->reader->needs.parameter[i_column - INDEX_PARAMETER];
    text_format(ret_path, IO_NAME_MAX, "Galaxies/%s", name);
}

/* ---- which there are --------------------------------------------------------------------------- */

bool index_is_in_file(const struct catalogue *catalogue, size_t i_column)
{
    char path[IO_NAME_MAX];

    column_path(catalogue, i_column, path);
    return io_has(catalogue->reader->file, path);
}

int index_add(struct catalogue *catalogue, size_t i_column, struct error *err)
{
    struct catalogue_reader *reader = catalogue->reader;
    enum units_kind kind = i_column == INDEX_CENTRE ? UNITS_LENGTH : UNITS_DIMENSIONLESS;
    char path[IO_NAME_MAX];
    int r;

    column_path(catalogue, i_column, path);
    r = shape_expect(reader->file, path, catalogue->n_galaxy, column_width(i_column), err);
    if (!r && i_column >= INDEX_PARAMETER)
        r = catalogue_parameter_unit(catalogue, i_column - INDEX_PARAMETER, path,
                                     &reader->column_factor[i_column], err);
    else if (!r)
        r = catalogue_unit(catalogue, path, kind, &reader->column_factor[i_column], err);
    reader->has_column[i_column] = true;
    return r;
}

static bool is_needed(const struct catalogue *catalogue, size_t component)
{
    bool is_needed = component == STARS;

    for (size_t f = 0; f < N_FIELD; f++)
        is_needed |= catalogue->reader->needs.field[component][f] != NULL;
    return is_needed;
}

/* The first dataset of particles of this component that the file has, by which they are counted; FIELD_PARAMETER
 * without any. */
static size_t find_counted(const struct catalogue *catalogue, size_t component)
{
    const struct catalogue_reader *reader = catalogue->reader;
    size_t f = 0;

    while (f < FIELD_PARAMETER && (!((field_kind((enum field)f)->components >> component & 1) ||
                                     reader->needs.field[component][f]) ||
                                   !io_has(reader->file, reader->source[component][f].path)))
        f++;
    return f;
}

/* Particles that no operation needs are counted for the results, where that can be done. */
static bool can_be_left_out(struct catalogue *catalogue, size_t component)
{
    struct io_file *file = catalogue->reader->file;
    char offset[IO_NAME_MAX], length[IO_NAME_MAX];

    text_format(offset, sizeof(offset), "%s/offset", component_names[component]);
    text_format(length, sizeof(length), "%s/length", component_names[component]);
    if (is_needed(catalogue, component) || (io_has(file, offset) && io_has(file, length) &&
                                            find_counted(catalogue, component) < FIELD_PARAMETER))
        return false;
    warnings_add(&catalogue->warnings,
                 "'%s': '%s' has no offsets, lengths and particles by which to count them: it is left out",
                 io_file_path(file), component_names[component]);
    return true;
}

/* Slices of one component; all empty when the file does not have it. */
static int find_slices(struct catalogue *catalogue, size_t component, uint64_t *ret_n_all, struct error *err)
{
    static const char *const names[] = { "offset", "length" };
    struct catalogue_reader *reader = catalogue->reader;
    size_t field = find_counted(catalogue, component);
    int r = 0;

    if (component != STARS &&
        (!io_has(reader->file, component_names[component]) || can_be_left_out(catalogue, component)))
        return 0;
    for (size_t i = 0; !r && i < 2; i++) {
        char path[IO_NAME_MAX];

        text_format(path, sizeof(path), "%s/%s", component_names[component], names[i]);
        r = shape_expect(reader->file, path, catalogue->n_galaxy, 1, err);
    }
    if (!r && field < FIELD_PARAMETER)
        r = shape_count(reader->file, reader->source[component][field].path,
                        field_kind((enum field)field)->width, ret_n_all, err);
    reader->has_column[INDEX_OFFSET + component] = true;
    reader->has_column[INDEX_COUNT + component] = true;
    return r;
}

static int find_redshifts(struct catalogue *catalogue, struct error *err)
{
    if (!catalogue->reader->needs.redshift)
        return 0;
    if (!index_is_in_file(catalogue, INDEX_REDSHIFT))
        return error_set(err, POLYPHONY_INPUT,
                         "'%s': no dataset 'Galaxies/redshift'; add it, or give 'redshift' in the job",
                         io_file_path(catalogue->reader->file));
    return index_add(catalogue, INDEX_REDSHIFT, err);
}

int index_find(struct catalogue *catalogue, struct error *err)
{
    struct io_file *file = catalogue->reader->file;
    uint64_t n = 0;
    int r = shape_count(file, "Stars/offset", 1, &n, err);

    if (r)
        return r;
    if (n > N_GALAXY_MAX)
        return error_set(err, POLYPHONY_INPUT, "'%s': the catalogue claims %llu galaxies, at most %zu fit",
                         io_file_path(file), (unsigned long long)n, N_GALAXY_MAX);
    catalogue->n_galaxy = n;
    for (size_t component = 0; !r && component < N_COMPONENT; component++)
        r = find_slices(catalogue, component, &catalogue->n_particle_all[component], err);
    catalogue->reader->has_column[INDEX_ID] = true;
    if (!r && index_is_in_file(catalogue, INDEX_ID))
        r = shape_expect(file, "Galaxies/id", n, 1, err);
    if (!r)
        r = find_redshifts(catalogue, err);
    if (!r && catalogue->reader->needs.centre && index_is_in_file(catalogue, INDEX_CENTRE))
        r = index_add(catalogue, INDEX_CENTRE, err);
    return r;
}

/* ---- their memory ------------------------------------------------------------------------------ */

static void point_to_columns(struct catalogue *catalogue)
{
    struct catalogue_reader *reader = catalogue->reader;

    catalogue->id = column_of(catalogue, INDEX_ID);
    catalogue->redshift = column_or_zeros(catalogue, INDEX_REDSHIFT);
    for (size_t c = 0; c < N_COMPONENT; c++) {
        catalogue->offset[c] = column_or_zeros(catalogue, INDEX_OFFSET + c);
        catalogue->n_particle[c] = column_or_zeros(catalogue, INDEX_COUNT + c);
    }
    reader->centre_kpc = column_of(catalogue, INDEX_CENTRE);
    reader->galaxy_dust_ratio = column_of(catalogue, INDEX_DUST_RATIO);
    for (size_t i = 0; i < CATALOGUE_PARAMETER_MAX; i++)
        reader->galaxy_parameter[i] = column_of(catalogue, INDEX_PARAMETER + i);
}

/* There is always a page. */
static size_t zeros_bytes(const struct catalogue *catalogue)
{
    return (catalogue->n_galaxy + 1) * sizeof(double);
}

int index_take(struct catalogue *catalogue, const struct node_group *group, bool *ret_fills,
               struct error *err)
{
    struct catalogue_reader *reader = catalogue->reader;
    size_t n_byte = 0;
    void *zeros;
    int r;

    for (size_t i = 0; i < N_INDEX_COLUMN; i++)
        n_byte += column_bytes(catalogue, i);
    r = node_table_take(group, n_byte, 1, &reader->index, ret_fills, err);
    if (r)
        return error_prefix(err, r, "the index of %zu galaxies", catalogue->n_galaxy);
    /* Pages that are read and never written are all the kernel's one page of zeros. */
    zeros = mmap(NULL, zeros_bytes(catalogue), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (zeros == MAP_FAILED)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for the index of %zu galaxies",
                         catalogue->n_galaxy);
    reader->zeros = zeros;
    point_to_columns(catalogue);
    return 0;
}

void index_release(struct catalogue *catalogue)
{
    node_table_release(&catalogue->reader->index);
    if (catalogue->reader->zeros)
        munmap(catalogue->reader->zeros, zeros_bytes(catalogue));
}

/* ---- their values ------------------------------------------------------------------------------ */

/* How the slices of a component lie. */
struct slices {
    const struct catalogue *catalogue;
    const char *group;
    uint64_t n_all;
    int64_t *offset;  /* [n_galaxy] */
    uint32_t *length; /* [n_galaxy] */
    uint64_t end;     /* of those seen */
    bool ascends;     /* so far; empty ones do not matter */
};

static int refuse_slice(const struct slices *slices, uint64_t row, int64_t offset, int64_t length,
                        const char *why, struct error *err)
{
    return error_set(err, POLYPHONY_INPUT,
                     "'%s': '%s' row %llu (galaxy %lld): offset %lld, length %lld %s; there are %llu",
                     io_file_path(slices->catalogue->reader->file), slices->group, (unsigned long long)row,
                     (long long)slices->catalogue->id[row], (long long)offset, (long long)length, why,
                     (unsigned long long)slices->n_all);
}

/* Slices must be inside the flat arrays. The offset of an empty one may be anything, such as -1. */
static int take_slice(struct slices *slices, uint64_t row, int64_t length, struct error *err)
{
    int64_t *offset = &slices->offset[row];

    _Static_assert(UINT32_MAX == 4294967295, "the message says so");
    if (length < 0)
        return refuse_slice(slices, row, *offset, length, "must not be negative", err);
    if (length > UINT32_MAX)
        return refuse_slice(slices, row, *offset, length,
                            "is beyond the 4294967295 particles that a galaxy may have", err);
    slices->length[row] = (uint32_t)length;
    if (length == 0) {
        if (*offset < 0 || (uint64_t)*offset > slices->n_all)
            *offset = 0;
        return 0;
    }
    if (*offset < 0)
        return refuse_slice(slices, row, *offset, length, "must not be negative", err);
    if ((uint64_t)*offset > slices->n_all || (uint64_t)length > slices->n_all - (uint64_t)*offset)
        return refuse_slice(slices, row, *offset, length, "is past the end of the particles", err);
    slices->ascends &= (uint64_t)*offset >= slices->end;
    slices->end = (uint64_t)*offset + (uint64_t)length;
    return 0;
}

/* Where a slice that is not empty begins. */
struct place {
    int64_t offset;
    uint64_t row;
};

static int compare_places(const void *a, const void *b)
{
    int64_t left = ((const struct place *)a)->offset, right = ((const struct place *)b)->offset;

    return (left > right) - (left < right);
}

/* If any slices overlap, two neighbours do. */
static int refuse_overlap(const struct slices *slices, size_t n, const struct place *place, struct error *err)
{
    const int64_t *id = slices->catalogue->id;

    for (size_t i = 1; i < n; i++) {
        const struct place *a = &place[i - 1], *b = &place[i];
        unsigned long n_a = slices->length[a->row], n_b = slices->length[b->row];

        if (a->offset + (int64_t)n_a > b->offset)
            return error_set(
                err, POLYPHONY_INPUT,
                "'%s': '%s' rows %llu (galaxy %lld: offset %lld, length %lu) and %llu (galaxy %lld: offset %lld, length %lu) overlap: a particle belongs to one galaxy",
                io_file_path(slices->catalogue->reader->file), slices->group, (unsigned long long)a->row,
                (long long)id[a->row], (long long)a->offset, n_a, (unsigned long long)b->row,
                (long long)id[b->row], (long long)b->offset, n_b);
    }
    return 0;
}

/* Where they do not lie in the order of rows, neighbours are found by sorting: O(n log n), 16 bytes a row
 * meanwhile, and as much again by qsort(). */
static int check_overlap(const struct slices *slices, struct error *err)
{
    struct place *place;
    size_t n = 0;
    int r;

    if (slices->ascends)
        return 0;
    place = mem_array(slices->catalogue->n_galaxy, sizeof(*place));
    if (!place)
        return error_set(err, POLYPHONY_INTERNAL, "no memory to sort the slices of %zu galaxies",
                         slices->catalogue->n_galaxy);
    for (uint64_t row = 0; row < slices->catalogue->n_galaxy; row++)
        if (slices->length[row])
            place[n++] = (struct place) { slices->offset[row], row };
    qsort(place, n, sizeof(*place), compare_places);
    r = refuse_overlap(slices, n, place, err);
    free(place);
    return r;
}

/* Lengths pass through `block` on their way to 32 bits. */
static int fill_slices(struct catalogue *catalogue, size_t component, uint64_t n_all, int64_t *block,
                       struct error *err)
{
    struct io_file *file = catalogue->reader->file;
    struct slices slices = { .catalogue = catalogue,
                             .group = component_names[component],
                             .n_all = n_all,
                             .offset = column_of(catalogue, INDEX_OFFSET + component),
                             .length = column_of(catalogue, INDEX_COUNT + component),
                             .ascends = true };
    uint64_t n_galaxy = catalogue->n_galaxy;
    char path[IO_NAME_MAX];
    int r;

    text_format(path, sizeof(path), "%s/offset", slices.group);
    r = io_read_rows_i64_or_none(file, path, 0, n_galaxy, slices.offset, err);
    text_format(path, sizeof(path), "%s/length", slices.group);
    for (uint64_t row0 = 0; !r && row0 < n_galaxy; row0 += LENGTH_ROWS) {
        uint64_t n = n_galaxy - row0 < LENGTH_ROWS ? n_galaxy - row0 : LENGTH_ROWS;

        r = io_read_rows_i64(file, path, row0, n, block, err);
        for (uint64_t i = 0; !r && i < n; i++)
            r = take_slice(&slices, row0 + i, block[i], err);
    }
    return r ? r : check_overlap(&slices, err);
}

static int fill_slices_all(struct catalogue *catalogue, struct error *err)
{
    int64_t *block = mem_array(LENGTH_ROWS, sizeof(*block));
    int r = block ? 0 : error_set(err, POLYPHONY_INTERNAL, "no memory to read the catalogue's index");

    for (size_t component = 0; !r && component < N_COMPONENT; component++)
        if (catalogue->reader->has_column[INDEX_COUNT + component])
            r = fill_slices(catalogue, component, catalogue->n_particle_all[component], block, err);
    free(block);
    return r;
}

static int compare_i64(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* The second of two equal neighbours, or NULL; `*ret_ascends` if there are none and all are in order. */
static const int64_t *find_repeated(const int64_t *id, size_t n, bool *ret_ascends)
{
    *ret_ascends = true;
    for (size_t i = 1; i < n; i++) {
        if (id[i] == id[i - 1])
            return &id[i];
        *ret_ascends &= id[i] > id[i - 1];
    }
    return NULL;
}

static int check_ids(const struct catalogue *catalogue, const int64_t *id, struct error *err)
{
    size_t n = catalogue->n_galaxy;
    int64_t *sorted = NULL;
    bool ascends;
    const int64_t *repeated = find_repeated(id, n, &ascends);
    int r = 0;

    if (!repeated && !ascends) {
        sorted = mem_array(n, sizeof(*sorted));
        if (!sorted)
            return error_set(err, POLYPHONY_INTERNAL, "no memory to sort the ids of %zu galaxies", n);
        memcpy(sorted, id, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), compare_i64);
        repeated = find_repeated(sorted, n, &ascends);
    }
    if (repeated)
        r = error_set(err, POLYPHONY_INPUT,
                      "'%s': 'Galaxies/id' %lld occurs more than once; ids must be unique",
                      io_file_path(catalogue->reader->file), (long long)*repeated);
    free(sorted);
    return r;
}

static int fill_ids(struct catalogue *catalogue, struct error *err)
{
    int64_t *id = column_of(catalogue, INDEX_ID);
    int r;

    if (index_is_in_file(catalogue, INDEX_ID)) {
        r = io_read_rows_i64(catalogue->reader->file, "Galaxies/id", 0, catalogue->n_galaxy, id, err);
        return r ? r : check_ids(catalogue, id, err);
    }
    for (size_t i = 0; i < catalogue->n_galaxy; i++)
        id[i] = (int64_t)i;
    return 0;
}

/* Numbers of our unit; they are checked when their galaxy is read. */
static int fill_numbers(struct catalogue *catalogue, size_t i_column, struct error *err)
{
    double *value = column_of(catalogue, i_column), factor = catalogue->reader->column_factor[i_column];
    char path[IO_NAME_MAX];
    int r;

    if (!value)
        return 0;
    column_path(catalogue, i_column, path);
    r = io_read_rows_f64(catalogue->reader->file, path, 0, catalogue->n_galaxy, value, err);
    for (size_t i = 0; !r && factor != 1.0 && i < catalogue->n_galaxy * column_width(i_column); i++)
        value[i] *= factor;
    return r;
}

bool catalogue_redshift_is_valid(const struct catalogue *catalogue, uint64_t row)
{
    return catalogue->redshift[row] >= 0 && catalogue->redshift[row] <= COSMOLOGY_REDSHIFT_MAX;
}

/* A bad redshift costs its galaxy the row, when it is read; with none the run has no frame at all. */
static int check_redshifts(const struct catalogue *catalogue, struct error *err)
{
    for (size_t i = 0; i < catalogue->n_galaxy; i++)
        if (catalogue_redshift_is_valid(catalogue, i))
            return 0;
    if (catalogue->n_galaxy == 0)
        return 0;
    return error_set(
        err, POLYPHONY_INPUT,
        "'%s': no galaxy has a 'Galaxies/redshift' >= 0 and <= %d (the first is %g); give 'redshift' in the job",
        io_file_path(catalogue->reader->file), COSMOLOGY_REDSHIFT_MAX, catalogue->redshift[0]);
}

int index_fill(struct catalogue *catalogue, struct error *err)
{
    int r = fill_ids(catalogue, err); /* first: messages name galaxies */

    if (!r)
        r = fill_slices_all(catalogue, err);
    if (!r)
        r = fill_numbers(catalogue, INDEX_REDSHIFT, err);
    if (!r && catalogue->reader->has_column[INDEX_REDSHIFT])
        catalogue_settle_redshifts(catalogue, column_of(catalogue, INDEX_REDSHIFT));
    if (!r)
        r = catalogue_check_scale_factor(catalogue, err);
    for (size_t i = INDEX_CENTRE; !r && i < N_INDEX_COLUMN; i++)
        r = fill_numbers(catalogue, i, err);
    if (!r)
        catalogue_find_doubts(catalogue);
    return r ? r : check_redshifts(catalogue, err);
}
