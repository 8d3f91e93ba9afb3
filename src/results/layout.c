/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The layout of rows, gone through twice: when it is made, and whenever a file is opened for writing.
 *
 * What is written later goes to places in the file, past HDF5. So these places are those of the datasets that
 * the job lays out, of their type and shape, and those that were noted in Run/Layout when the file was made:
 * one changed bit in an address of HDF5's would have rows written over others. They overlap neither each
 * other nor the superblock.
 */
#include "results_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes of an HDF5 superblock of version 0 ("HDF5 File Format Specification" 3.0, II.A). */
#define SUPERBLOCK_BYTES 96

struct layout_part {
    char path[RESULTS_PATH_MAX];
    struct io_place place;
};

/* A record of Run/Layout: a place, then the path in as many bytes as the longest needs. */
static const size_t path_offset = sizeof(struct io_place);

void layout_free(struct layout *layout)
{
    free(layout->part);
    layout->part = NULL;
    layout->n = layout->capacity = 0;
}

static void add_part(struct layout *layout, const char *path, const struct io_place *place)
{
    layout->part = mem_grow(layout->part, layout->n, &layout->capacity, sizeof(*layout->part));
    text_format(layout->part[layout->n].path, RESULTS_PATH_MAX, "%s", path);
    layout->part[layout->n++].place = *place;
}

int layout_dataset(struct layout *layout, const char *path, const struct io_shape *shape, const char *units,
                   const char *description, struct error *err)
{
    int r = 0;

    if (layout->is_new)
        r = shape->type == IO_RECORD
                ? io_layout_records(layout->file, path, shape->dims[0], shape->record_bytes, shape->member,
                                    shape->n_member, description, err)
                : io_layout_dataset(layout->file, path, shape->type, shape->rank, shape->dims, units,
                                    description, err);
    return r ? r : layout_note(layout, path, shape, err);
}

int layout_note(struct layout *layout, const char *path, const struct io_shape *shape, struct error *err)
{
    struct io_place place;
    int r = io_layout_expect(layout->file, path, shape, &place, err);

    if (!r)
        add_part(layout, path, &place);
    return r;
}

int layout_view(struct layout *layout, const char *path, const char *source, int rank, const uint64_t *column,
                const char *units, const char *description, struct error *err)
{
    if (layout->is_new)
        return io_layout_column_view(layout->file, path, source, column, units, description, err);
    /* Of no galaxies it is an empty dataset of its own. */
    return layout->has_views && layout->n_galaxy
               ? io_view_expect(layout->file, path, source, rank, column, layout->n_galaxy, err)
               : 0;
}

uint64_t layout_offset(struct layout *layout, const char *path)
{
    /* Asked for in the order in which they were laid out, the next one is it. */
    for (size_t i = 0; i < layout->n; i++) {
        size_t k = (layout->next + i) % layout->n;

        if (!strcmp(layout->part[k].path, path)) {
            layout->next = k + 1;
            return layout->part[k].place.offset;
        }
    }
    return 0;
}

/* ---- Run/Layout --------------------------------------------------------------------------------- */

/* Members and size of its records, for these parts. */
static void describe_record(const struct layout *layout, struct io_member ret_member[3],
                            struct io_shape *ret_shape)
{
    size_t n_text = 1;

    for (size_t i = 0; i < layout->n; i++)
        n_text = strlen(layout->part[i].path) > n_text ? strlen(layout->part[i].path) : n_text;
    n_text = (n_text + 8) / 8 * 8; /* with a zero at its end */
    ret_member[0] = (struct io_member) { "offset", IO_U64, offsetof(struct io_place, offset), 0 };
    ret_member[1] = (struct io_member) { "bytes", IO_U64, offsetof(struct io_place, n_byte), 0 };
    ret_member[2] = (struct io_member) { "path", IO_I32, path_offset, n_text };
    *ret_shape = (struct io_shape) { .type = IO_RECORD,
                                     .rank = 1,
                                     .dims = { layout->n },
                                     .record_bytes = path_offset + n_text,
                                     .member = ret_member,
                                     .n_member = 3 };
}

static int write_places(struct layout *layout, struct error *err)
{
    const uint64_t start = 0, count = layout->n;
    struct io_member member[3];
    struct io_shape shape;
    char *record;
    int r;

    describe_record(layout, member, &shape);
    record = mem_small(layout->n, shape.record_bytes);
    for (size_t i = 0; i < layout->n; i++) {
        memcpy(record + i * shape.record_bytes, &layout->part[i].place, path_offset);
        memcpy(record + i * shape.record_bytes + path_offset, layout->part[i].path,
               strlen(layout->part[i].path));
    }
    r = io_layout_records(layout->file, LAYOUT_PATH, layout->n, shape.record_bytes, member, 3,
                          "Where each dataset that rows are written to lies in the file, as it was made",
                          err);
    if (!r)
        r = io_layout_write_block(layout->file, LAYOUT_PATH, &start, &count, record, err);
    free(record);
    return r;
}

/* ---- checking ------------------------------------------------------------------------------------ */

static int compare_place(struct layout *layout, const struct layout_part *part, const char *record,
                         size_t record_bytes, struct error *err)
{
    struct io_place noted;
    char what[160];

    memcpy(&noted, record, sizeof(noted));
    if (strncmp(record + path_offset, part->path, record_bytes - path_offset))
        return io_expect_fail(layout->file, LAYOUT_PATH, "does not name the datasets of this job", err);
    if (noted.offset == part->place.offset && noted.n_byte == part->place.n_byte)
        return 0;
    text_format(what, sizeof(what),
                "lies at byte %llu (%llu bytes), and was laid out at byte %llu (%llu bytes)",
                (unsigned long long)part->place.offset, (unsigned long long)part->place.n_byte,
                (unsigned long long)noted.offset, (unsigned long long)noted.n_byte);
    return io_expect_fail(layout->file, part->path, what, err);
}

static int compare_places(struct layout *layout, struct io_place *ret_place, struct error *err)
{
    const char *path = io_file_path(layout->file);
    int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
    struct io_member member[3];
    struct io_shape shape;
    char *record;

    describe_record(layout, member, &shape);
    record = mem_small(layout->n, shape.record_bytes);
    if (fd < 0)
        r = error_set(err, POLYPHONY_INPUT, "'%s': %s", path, strerror(errno));
    if (!r)
        r = io_layout_expect(layout->file, LAYOUT_PATH, &shape, ret_place, err);
    if (!r)
        r = results_read_at(path, fd, ret_place->offset, record, ret_place->n_byte, LAYOUT_PATH, err);
    for (size_t i = 0; !r && i < layout->n; i++)
        r = compare_place(layout, &layout->part[i], record + i * shape.record_bytes, shape.record_bytes, err);
    if (fd >= 0)
        close(fd);
    free(record);
    return r;
}

static int by_offset(const void *a, const void *b)
{
    uint64_t x = (*(struct layout_part *const *)a)->place.offset,
             y = (*(struct layout_part *const *)b)->place.offset;

    return (x > y) - (x < y);
}

static int check_overlaps(struct layout *layout, struct error *err)
{
    struct layout_part **sorted = mem_small(layout->n, sizeof(*sorted));
    char what[RESULTS_PATH_MAX + 64];
    uint64_t end = SUPERBLOCK_BYTES;
    const char *before = "the superblock";
    int r = 0;

    for (size_t i = 0; i < layout->n; i++)
        sorted[i] = &layout->part[i];
    qsort(sorted, layout->n, sizeof(*sorted), by_offset);
    for (size_t i = 0; !r && i < layout->n; i++) {
        const struct layout_part *part = sorted[i];

        if (part->place.n_byte == 0)
            continue;
        if (part->place.offset < end) {
            text_format(what, sizeof(what), "lies over '%s', at byte %llu", before,
                        (unsigned long long)part->place.offset);
            r = io_expect_fail(layout->file, part->path, what, err);
        }
        end = part->place.offset + part->place.n_byte;
        before = part->path;
    }
    free(sorted);
    return r;
}

int layout_finish(struct layout *layout, struct error *err)
{
    struct io_place own;
    int r;

    if (layout->is_new)
        return write_places(layout, err);
    r = compare_places(layout, &own, err);
    if (r)
        return r;
    add_part(layout, LAYOUT_PATH, &own);
    return check_overlaps(layout, err);
}
