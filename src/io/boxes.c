/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Selections of dataspaces as boxes, and whether boxes leave a hole.
 */
#include "io_private.h"

#include <stdlib.h>
#include <string.h>

#define N_PIECE_MAX (1 << 20) /* boxes of a view: beyond that checking takes too long */

/* ---- shapes and places ---------------------------------------------------------------------------- */

int io_extent_of(hid_t dataset, struct io_extent *ret_shape, struct error *err)
{
    hsize_t dims[H5S_MAX_RANK] = { 0 };
    hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    int rank = H5Sget_simple_extent_ndims(space);
    struct io_extent shape = { .rank = rank,
                               .n = H5Sget_simple_extent_type(space) != H5S_NULL,
                               .type_bytes = H5Tget_size(type) };
    int r = 0;

    if (rank < 0 || shape.type_bytes == 0)
        r = error_set(err, POLYPHONY_INPUT, "cannot be understood (damaged file?)");
    else if (rank > IO_RANK_MAX)
        r = error_set(err, POLYPHONY_INPUT, "has %d axes, at most %d are understood", rank, IO_RANK_MAX);
    else
        H5Sget_simple_extent_dims(space, dims, NULL);
    for (int i = 0; !r && i < rank; i++) {
        shape.dims[i] = dims[i];
        if (__builtin_mul_overflow(shape.n, dims[i], &shape.n))
            shape.n = UINT64_MAX;
    }
    if (__builtin_mul_overflow(shape.n, shape.type_bytes, &shape.n_byte))
        shape.n_byte = UINT64_MAX;
    H5Tclose(type);
    H5Sclose(space);
    if (!r)
        *ret_shape = shape;
    return r;
}

void io_place_format(int rank, const uint64_t *place, char *dst, size_t size)
{
    char text[24];

    text_format(dst, size, rank > 1 ? "index (" : "index ");
    for (int i = 0; i < rank; i++) {
        text_format(text, sizeof(text), "%s%llu", i ? ", " : "", (unsigned long long)place[i]);
        strncat(dst, text, size - strlen(dst) - 1);
    }
    strncat(dst, rank > 1 ? ")" : "", size - strlen(dst) - 1);
}

void io_whole_box(const struct io_extent *shape, struct io_box *ret_box)
{
    for (int i = 0; i < IO_RANK_MAX; i++) {
        ret_box->begin[i] = 0;
        ret_box->end[i] = i < shape->rank ? shape->dims[i] : 1;
    }
}

/* ---- boxes ---------------------------------------------------------------------------------------- */

static int add_box(struct io_boxes *boxes, const struct io_box *box, struct error *err)
{
    if (boxes->n == N_PIECE_MAX)
        return error_set(
            err, POLYPHONY_INPUT,
            "is a virtual dataset of more than %d pieces, too many to see whether it is complete; map fewer and larger ones",
            N_PIECE_MAX);
    boxes->box = mem_grow(boxes->box, boxes->n, &boxes->capacity, sizeof(*box));
    boxes->box[boxes->n++] = *box;
    return 0;
}

static int compare_boxes(const void *a, const void *b, void *context)
{
    const struct io_box *left = *(const struct io_box *const *)a, *right = *(const struct io_box *const *)b;
    int axis = *(const int *)context;

    return (left->begin[axis] > right->begin[axis]) - (left->begin[axis] < right->begin[axis]);
}

static int compare_places(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* Along its last axis, the boxes in order of their beginnings there. */
static bool cover_last(const struct io_box **box, size_t n, int axis, const struct io_box *whole,
                       uint64_t *ret_hole)
{
    uint64_t at = whole->begin[axis];

    for (size_t i = 0; i < n && box[i]->begin[axis] <= at; i++)
        if (box[i]->end[axis] > at)
            at = box[i]->end[axis];
    ret_hole[axis] = at;
    return at >= whole->end[axis];
}

/* The ends of all boxes along an axis, and those of the whole, in order; to be freed. */
static uint64_t *sorted_ends(const struct io_box **box, size_t n, int axis, const struct io_box *whole)
{
    uint64_t *end = mem_small(2 * n + 2, sizeof(*end));

    for (size_t i = 0; i < n; i++) {
        end[2 * i] = box[i]->begin[axis];
        end[2 * i + 1] = box[i]->end[axis];
    }
    end[2 * n] = whole->begin[axis];
    end[2 * n + 1] = whole->end[axis];
    qsort(end, 2 * n + 2, sizeof(*end), compare_places);
    return end;
}

/* Do the boxes cover the axes from `axis` on? Along an axis they are the same between two neighbouring ends
 * of boxes, and there these must cover the axes that are left. */
static bool cover(const struct io_box **box, size_t n, int axis, int rank, const struct io_box *whole,
                  uint64_t *ret_hole)
{
    const struct io_box **some;
    uint64_t *end;
    bool ok = true;

    qsort_r(box, n, sizeof(*box), compare_boxes, &axis);
    if (axis == rank - 1 || axis == IO_RANK_MAX - 1)
        return cover_last(box, n, axis, whole, ret_hole);
    end = sorted_ends(box, n, axis, whole);
    some = mem_small(n + 1, sizeof(*some));
    for (size_t i = 0, first = 0; ok && i + 1 < 2 * n + 2; i++) {
        size_t n_some = 0;

        if (end[i] == end[i + 1] || end[i] < whole->begin[axis] || end[i] >= whole->end[axis])
            continue;
        while (first < n && box[first]->end[axis] <= end[i])
            first++; /* it has ended for good */
        for (size_t k = first; k < n && box[k]->begin[axis] <= end[i]; k++)
            if (box[k]->end[axis] > end[i])
                some[n_some++] = box[k];
        ret_hole[axis] = end[i];
        ok = cover(some, n_some, axis + 1, rank, whole, ret_hole);
    }
    free(end);
    free(some);
    return ok;
}

bool io_boxes_cover(struct io_boxes *boxes, int rank, const struct io_box *whole,
                    uint64_t ret_hole[IO_RANK_MAX])
{
    const struct io_box **box = mem_small(boxes->n + 1, sizeof(*box));
    bool ok;

    for (int i = 0; i < rank; i++)
        ret_hole[i] = whole->begin[i];
    for (size_t i = 0; i < boxes->n; i++)
        box[i] = &boxes->box[i];
    ok = rank == 0 ? boxes->n > 0 : cover(box, boxes->n, 0, rank, whole, ret_hole);
    free(box);
    return ok;
}

/* ---- selections ------------------------------------------------------------------------------------ */

bool io_regular_of(hid_t space, struct io_regular *ret)
{
    struct io_regular regular = { .rank = H5Sget_simple_extent_ndims(space), .i_unlimited = -1 };

    if (H5Sget_select_type(space) != H5S_SEL_HYPERSLABS || H5Sis_regular_hyperslab(space) <= 0 ||
        H5Sget_regular_hyperslab(space, regular.start, regular.stride, regular.count, regular.block) < 0)
        return false;
    for (int i = 0; i < regular.rank; i++) {
        if (regular.count[i] == H5S_UNLIMITED || regular.block[i] == H5S_UNLIMITED)
            regular.i_unlimited = i;
        if (regular.count[i] == 1)
            regular.stride[i] = regular.block[i];
    }
    *ret = regular;
    return true;
}

/* Blocks that touch are one. */
static void merge_blocks(struct io_regular *regular)
{
    for (int i = 0; i < regular->rank; i++)
        if (regular->stride[i] == regular->block[i] && regular->count[i] > 1) {
            regular->block[i] *= regular->count[i];
            regular->count[i] = 1;
        }
}

int io_boxes_add_regular(struct io_boxes *boxes, const struct io_regular *as_given, struct error *err)
{
    struct io_regular regular = *as_given;
    hsize_t at[H5S_MAX_RANK] = { 0 };
    int axis = 0, r = 0;

    merge_blocks(&regular);
    for (int i = 0; i < regular.rank; i++)
        if (regular.count[i] == 0 || regular.block[i] == 0)
            return 0;
    while (!r && axis >= 0) {
        struct io_box box = { 0 };

        for (int i = 0; i < regular.rank; i++) {
            box.begin[i] = regular.start[i] + at[i] * regular.stride[i];
            box.end[i] = box.begin[i] + regular.block[i];
        }
        r = add_box(boxes, &box, err);
        for (axis = regular.rank - 1; axis >= 0; axis--) {
            if (++at[axis] < regular.count[axis])
                break;
            at[axis] = 0;
        }
    }
    return r;
}

static int add_blocks(struct io_boxes *boxes, hid_t space, int rank, struct error *err)
{
    hssize_t n = H5Sget_select_hyper_nblocks(space);
    hsize_t *corner =
        n > 0 && n < N_PIECE_MAX ? mem_small((size_t)n, 2 * (size_t)rank * sizeof(*corner)) : NULL;
    int r = 0;

    if (!corner || H5Sget_select_hyper_blocklist(space, 0, (hsize_t)n, corner) < 0)
        r = error_set(err, POLYPHONY_INPUT,
                      "is a virtual dataset with a selection that cannot be understood");
    for (hssize_t i = 0; !r && i < n; i++) {
        const hsize_t *first = corner + 2 * (size_t)i * (size_t)rank, *last = first + rank;
        struct io_box box = { 0 };

        for (int k = 0; k < rank; k++) {
            box.begin[k] = first[k];
            box.end[k] = last[k] + 1;
        }
        r = add_box(boxes, &box, err);
    }
    free(corner);
    return r;
}

/* All of a selection that has its bounds. */
int io_boxes_add_selection(struct io_boxes *boxes, hid_t space, struct error *err)
{
    hsize_t dims[H5S_MAX_RANK] = { 0 };
    int rank = H5Sget_simple_extent_dims(space, dims, NULL);
    struct io_regular regular;
    struct io_box box = { 0 };

    switch (H5Sget_select_type(space)) {
    case H5S_SEL_NONE:
        return 0;
    case H5S_SEL_ALL:
        for (int i = 0; i < rank; i++)
            box.end[i] = dims[i];
        return add_box(boxes, &box, err);
    case H5S_SEL_HYPERSLABS:
        return io_regular_of(space, &regular) ? io_boxes_add_regular(boxes, &regular, err)
                                              : add_blocks(boxes, space, rank, err);
    default:
        return error_set(err, POLYPHONY_INPUT, "is a virtual dataset with a selection of points");
    }
}

/* How many of the places along an axis of `extent` an unlimited selection has. */
hsize_t io_regular_n(const struct io_regular *regular, hsize_t extent)
{
    int axis = regular->i_unlimited;
    hsize_t left = extent > regular->start[axis] ? extent - regular->start[axis] : 0, n_last;

    if (regular->block[axis] == H5S_UNLIMITED)
        return left;
    n_last = left % regular->stride[axis];
    return left / regular->stride[axis] * regular->block[axis] +
           (n_last < regular->block[axis] ? n_last : regular->block[axis]);
}

/* The first n places along its axis of an unlimited selection. */
int io_boxes_add_unlimited(struct io_boxes *boxes, const struct io_regular *regular, hsize_t n,
                           struct error *err)
{
    struct io_regular some = *regular;
    int axis = regular->i_unlimited, r;

    if (some.block[axis] == H5S_UNLIMITED || some.block[axis] == some.stride[axis]) {
        some.block[axis] = n;
        some.count[axis] = 1;
        return io_boxes_add_regular(boxes, &some, err);
    }
    some.count[axis] = n / some.block[axis];
    if (some.count[axis] > N_PIECE_MAX)
        some.count[axis] = N_PIECE_MAX; /* is refused */
    r = io_boxes_add_regular(boxes, &some, err);
    if (r || n % some.block[axis] == 0)
        return r;
    some.start[axis] += some.count[axis] * some.stride[axis];
    some.block[axis] = n % some.block[axis];
    some.count[axis] = 1;
    return io_boxes_add_regular(boxes, &some, err);
}
