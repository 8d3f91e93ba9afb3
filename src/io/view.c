/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Views of other datasets (HDF5 virtual datasets): is all of a view mapped to sources, and are they there?
 *
 * A view is a list of mappings, each from a selection of the view to one of a source. Selections become boxes
 * here. A mapping without a bound along an axis goes on as far as its source does; one whose names have %b in
 * them goes on from source to source, numbered from 0, until the first that is not there. HDF5 asks sources
 * for the view's extents, so that these are not known before all sources were looked at.
 */
#include "io_private.h"

#include <stdlib.h>
#include <string.h>

#define N_BEYOND     16 /* numbered sources that are looked for behind one that is missing */
#define N_NUMBER_MAX 100000
#define NAME_ROOM    4096

struct mapping {
    hid_t view, view_space, source_space;
    struct io_regular of_view, of_source; /* i_unlimited is -1 also where they are not regular */
    hssize_t n_of_view;                   /* values of the view that a source is to have */
    hsize_t n_unlimited;                  /* of the source, along its axis without an end */
};

/* ---- do source and view fit? ------------------------------------------------------------------------- */

static bool is_number(H5T_class_t class)
{
    return class == H5T_FLOAT || class == H5T_INTEGER || class == H5T_ENUM;
}

/* Of an enumeration, what it is made of. */
static hid_t integer_type(hid_t type)
{
    return H5Tget_class(type) == H5T_ENUM ? H5Tget_super(type) : H5Tcopy(type);
}

/* Can every value of one integer type be had in the other? */
static bool integers_fit(hid_t source, hid_t view)
{
    hid_t from = integer_type(source), to = integer_type(view);
    bool from_sign = H5Tget_sign(from) != H5T_SGN_NONE, to_sign = H5Tget_sign(to) != H5T_SGN_NONE;
    size_t n_from = H5Tget_precision(from), n_to = H5Tget_precision(to);
    bool answer = from_sign == to_sign ? n_from <= n_to : !from_sign && n_from < n_to;

    H5Tclose(from);
    H5Tclose(to);
    return answer;
}

static int check_types(hid_t source, hid_t view, struct error *err)
{
    hid_t from = H5Dget_type(source), to = H5Dget_type(view);
    H5T_class_t is = H5Tget_class(from), wanted = H5Tget_class(to);
    bool fits = is == wanted || (is_number(is) && is_number(wanted));
    int r = 0;

    if (fits && wanted == H5T_STRING)
        fits = H5Tis_variable_str(from) == H5Tis_variable_str(to) &&
               (H5Tis_variable_str(from) > 0 || H5Tget_size(from) <= H5Tget_size(to));
    if (!fits)
        r = error_set(err, POLYPHONY_INPUT, "is of another type than the virtual dataset over it");
    else if (wanted != H5T_FLOAT && is == H5T_FLOAT)
        r = error_set(
            err, POLYPHONY_INPUT,
            "is of floating-point numbers, and the virtual dataset over it of integers: they would be cut off");
    else if (wanted != H5T_FLOAT && is_number(wanted) && !integers_fit(from, to))
        r = error_set(
            err, POLYPHONY_INPUT,
            "is of integers that do not all fit those of the virtual dataset over it: HDF5 would clamp them; give both the same type");
    H5Tclose(from);
    H5Tclose(to);
    return r;
}

static void bounds_of_source(const struct mapping *mapping, const struct io_extent *shape, hsize_t *ret_low,
                             hsize_t *ret_high)
{
    const struct io_regular *regular = &mapping->of_source;

    if (regular->i_unlimited < 0) {
        if (H5Sget_select_npoints(mapping->source_space) > 0 &&
            H5Sget_select_bounds(mapping->source_space, ret_low, ret_high) >= 0)
            for (int i = 0; i < shape->rank; i++)
                ret_high[i]++;
        return;
    }
    for (int i = 0; i < shape->rank; i++) {
        ret_low[i] = regular->start[i];
        ret_high[i] =
            i == regular->i_unlimited
                ? shape->dims[i]
                : regular->start[i] + (regular->count[i] - 1) * regular->stride[i] + regular->block[i];
        if (ret_low[i] > ret_high[i])
            ret_low[i] = ret_high[i];
    }
}

/* Where all of a source is taken, the file does not say how many values that are: as many as of the view. */
static int check_count(const struct mapping *mapping, const struct io_extent *shape, struct error *err)
{
    hssize_t n = mapping->n_of_view;

    if (n >= 0 && (uint64_t)n == shape->n)
        return 0;
    return error_set(err, POLYPHONY_INPUT, "has %llu values, the virtual dataset over it takes %lld",
                     (unsigned long long)shape->n, (long long)n);
}

/* The part of the source that the mapping takes (an io_find_part). */
static int take_part(void *context, hid_t source, struct io_box *ret_part, struct error *err)
{
    struct mapping *mapping = context;
    hsize_t low[H5S_MAX_RANK] = { 0 }, high[H5S_MAX_RANK] = { 0 };
    int rank = H5Sget_simple_extent_ndims(mapping->source_space);
    struct io_extent shape;
    int r = io_extent_of(source, &shape, err);

    if (r)
        return r;
    if (H5Sget_select_type(mapping->source_space) == H5S_SEL_ALL) {
        io_whole_box(&shape, ret_part);
        return check_count(mapping, &shape, err);
    }
    if (shape.rank != rank)
        return error_set(err, POLYPHONY_INPUT, "has %d axes, the virtual dataset over it expects %d",
                         shape.rank, rank);
    if (mapping->of_source.i_unlimited >= 0)
        mapping->n_unlimited = io_regular_n(&mapping->of_source, shape.dims[mapping->of_source.i_unlimited]);
    bounds_of_source(mapping, &shape, low, high);
    *ret_part = (struct io_box) { 0 };
    for (int i = 0; i < rank; i++) {
        if (high[i] > shape.dims[i])
            return error_set(err, POLYPHONY_INPUT,
                             "has %llu values along axis %d, the virtual dataset over it takes %llu",
                             (unsigned long long)shape.dims[i], i + 1, (unsigned long long)high[i]);
        ret_part->begin[i] = low[i];
        ret_part->end[i] = high[i];
    }
    return 0;
}

/* ---- sources ------------------------------------------------------------------------------------------ */

/* A name with its number: %b is the number, %% is %. *ret_is_numbered: has it one? */
static bool name_source(const char *pattern, uint64_t number, char ret_name[NAME_ROOM], bool *ret_is_numbered)
{
    size_t n = 0;

    for (const char *c = pattern; *c; c++) {
        if (n + 24 > NAME_ROOM)
            return false;
        if (c[0] == '%' && c[1] == 'b') {
            text_format(ret_name + n, NAME_ROOM - n, "%llu", (unsigned long long)number);
            n = strlen(ret_name);
            *ret_is_numbered = true;
            c++;
        } else {
            ret_name[n++] = *c;
            c += c[0] == '%' && c[1] == '%';
        }
        ret_name[n] = '\0';
    }
    ret_name[n] = '\0';
    return true;
}

static int open_source(struct io_look *look, hid_t view, const char *file_name, const char *dataset_name,
                       hid_t *ret_source, struct error *err)
{
    hid_t file = H5Iget_file_id(view), source_file = H5I_INVALID_HID;
    bool is_same_file = !strcmp(file_name, ".");
    char *path = NULL;
    int r = 0;

    if (!is_same_file)
        r = io_find_file(file, file_name, IO_PREFIX_VIEW, &source_file, &path, err);
    if (!r && !is_same_file)
        r = io_look_remember(look, path, err);
    if (!r)
        r = io_follow(is_same_file ? file : source_file, dataset_name, io_look_remember, look, ret_source,
                      err);
    if (r)
        error_prefix(err, r, "its source '%s' of '%s'", dataset_name,
                     is_same_file ? "the same file" : file_name);
    if (source_file >= 0)
        H5Fclose(source_file);
    H5Fclose(file);
    free(path);
    return r;
}

/* One source, from its name to its bytes. */
static int look_at_source(struct io_look *look, struct mapping *mapping, const char *file_name,
                          const char *dataset_name, struct error *err)
{
    hid_t source = H5I_INVALID_HID;
    int r = open_source(look, mapping->view, file_name, dataset_name, &source, err);

    if (r)
        return r;
    r = io_look_at(look, source, take_part, mapping, err);
    if (!r)
        r = check_types(source, mapping->view, err);
    H5Dclose(source);
    return r ? error_prefix(err, r, "its source '%s' of '%s'", dataset_name,
                            strcmp(file_name, ".") ? file_name : "the same file")
             : 0;
}

/* ---- mappings ----------------------------------------------------------------------------------------- */

static bool is_there(const struct mapping *mapping, const char *file_name, const char *dataset_name)
{
    hid_t file = H5Iget_file_id(mapping->view), source_file = H5I_INVALID_HID, source = H5I_INVALID_HID;
    bool is_same_file = !strcmp(file_name, ".");
    char *path = NULL;
    bool answer =
        (is_same_file || !io_find_file(file, file_name, IO_PREFIX_VIEW, &source_file, &path, NULL)) &&
        !io_follow(is_same_file ? file : source_file, dataset_name, NULL, NULL, &source, NULL);

    if (source >= 0)
        H5Dclose(source);
    if (source_file >= 0)
        H5Fclose(source_file);
    H5Fclose(file);
    free(path);
    return answer;
}

/* Rows of the dataset that was asked for; of views below it all are those of the mapping above. */
static void set_rows(struct io_look *look, uint64_t begin, uint64_t end)
{
    if (look->n_chain > 1)
        return;
    look->row_begin = begin;
    look->row_end = end;
}

static int look_at_plain(struct io_look *look, struct mapping *mapping, const char *file_name,
                         const char *dataset_name, struct io_boxes *boxes, struct error *err)
{
    const struct io_regular *view = &mapping->of_view;
    hsize_t low[H5S_MAX_RANK] = { 0 }, high[H5S_MAX_RANK] = { 0 };
    int r;

    if (view->i_unlimited == 0)
        set_rows(look, view->start[0], UINT64_MAX);
    else if (view->i_unlimited > 0)
        set_rows(look, view->start[0],
                 view->start[0] + (view->count[0] - 1) * view->stride[0] + view->block[0]);
    else if (H5Sget_select_npoints(mapping->view_space) > 0 &&
             H5Sget_select_bounds(mapping->view_space, low, high) >= 0)
        set_rows(look, low[0], high[0] + 1);
    mapping->n_of_view = H5Sget_select_npoints(mapping->view_space);
    r = look_at_source(look, mapping, file_name, dataset_name, err);
    if (r)
        return r;
    return view->i_unlimited < 0 ? io_boxes_add_selection(boxes, mapping->view_space, err)
                                 : io_boxes_add_unlimited(boxes, view, mapping->n_unlimited, err);
}

/* Nothing has this number. Is it the end, or is one missing? */
static int check_end(const struct mapping *mapping, struct io_look *look, const char *file_pattern,
                     const char *dataset_pattern, uint64_t number, struct error *err)
{
    char file_name[NAME_ROOM], dataset_name[NAME_ROOM];
    hid_t file = H5Iget_file_id(mapping->view), source = H5I_INVALID_HID;
    bool is_numbered = false, ignored = false, is_end = number > 0;

    for (uint64_t i = number + 1; is_end && i <= number + N_BEYOND; i++)
        is_end = name_source(file_pattern, i, file_name, &is_numbered) &&
                 name_source(dataset_pattern, i, dataset_name, &ignored) &&
                 !is_there(mapping, file_name, dataset_name);
    name_source(file_pattern, number, file_name, &is_numbered);
    name_source(dataset_pattern, number, dataset_name, &ignored);
    is_end = is_end && !(is_numbered && io_can_find_file(file, file_name, IO_PREFIX_VIEW));
    H5Fclose(file);
    if (is_end)
        return 0;
    if (!open_source(look, mapping->view, file_name, dataset_name, &source, err)) {
        H5Dclose(source); /* it has come just now */
        return error_set(err, POLYPHONY_INPUT, "its source '%s' of '%s' was not there a moment ago",
                         dataset_name, file_name);
    }
    return POLYPHONY_INPUT;
}

static int look_at_numbered(struct io_look *look, struct mapping *mapping, const char *file_pattern,
                            const char *dataset_pattern, struct io_boxes *boxes, struct error *err)
{
    char file_name[NAME_ROOM], dataset_name[NAME_ROOM];
    struct io_regular block = mapping->of_view;
    int axis = block.i_unlimited, r = 0;
    bool ignored = false;

    block.count[axis] = 1;
    mapping->n_of_view = 1;
    for (int i = 0; i < block.rank; i++)
        mapping->n_of_view *= (hssize_t)(block.count[i] * block.block[i]);
    for (uint64_t i = 0; !r; i++) {
        if (i == N_NUMBER_MAX)
            return error_set(err, POLYPHONY_INPUT, "has more than %d numbered sources", N_NUMBER_MAX);
        block.start[axis] = mapping->of_view.start[axis] + i * mapping->of_view.stride[axis];
        if (axis == 0)
            set_rows(look, block.start[0], block.start[0] + block.block[0]);
        if (!name_source(file_pattern, i, file_name, &ignored) ||
            !name_source(dataset_pattern, i, dataset_name, &ignored))
            return error_set(err, POLYPHONY_INPUT, "has a source of too long a name");
        if (!is_there(mapping, file_name, dataset_name))
            return check_end(mapping, look, file_pattern, dataset_pattern, i, err);
        r = look_at_source(look, mapping, file_name, dataset_name, err);
        if (!r)
            r = io_boxes_add_regular(boxes, &block, err);
    }
    return r;
}

static int look_at_mapping(struct io_look *look, hid_t view, hid_t creation, size_t i, struct io_boxes *boxes,
                           struct error *err)
{
    struct mapping mapping = { .view = view,
                               .view_space = H5Pget_virtual_vspace(creation, i),
                               .source_space = H5Pget_virtual_srcspace(creation, i) };
    char file_name[NAME_ROOM], dataset_name[NAME_ROOM], file_pattern[NAME_ROOM], dataset_pattern[NAME_ROOM];
    ssize_t n_file = H5Pget_virtual_filename(creation, i, file_pattern, sizeof(file_pattern)),
            n_dataset = H5Pget_virtual_dsetname(creation, i, dataset_pattern, sizeof(dataset_pattern));
    bool is_numbered = false;
    int r = 0;

    if (!io_regular_of(mapping.view_space, &mapping.of_view))
        mapping.of_view.i_unlimited = -1;
    if (!io_regular_of(mapping.source_space, &mapping.of_source))
        mapping.of_source.i_unlimited = -1;
    if (n_file < 0 || n_file >= NAME_ROOM || n_dataset < 0 || n_dataset >= NAME_ROOM ||
        !name_source(file_pattern, 0, file_name, &is_numbered) ||
        !name_source(dataset_pattern, 0, dataset_name, &is_numbered) ||
        (mapping.of_view.i_unlimited >= 0 && !is_numbered && mapping.of_source.i_unlimited < 0))
        r = error_set(err, POLYPHONY_INPUT, "is a virtual dataset whose sources cannot be understood");
    else if (H5Sget_simple_extent_ndims(mapping.view_space) > IO_RANK_MAX)
        r = error_set(err, POLYPHONY_INPUT, "has %d axes, at most %d are understood",
                      H5Sget_simple_extent_ndims(mapping.view_space), IO_RANK_MAX);
    else if (is_numbered && mapping.of_view.i_unlimited >= 0)
        r = look_at_numbered(look, &mapping, file_pattern, dataset_pattern, boxes, err);
    else
        r = look_at_plain(look, &mapping, file_name, dataset_name, boxes, err);
    H5Sclose(mapping.view_space);
    H5Sclose(mapping.source_space);
    return r;
}

/* All of it, or the part that is needed? */
static int check_cover(hid_t view, struct io_boxes *boxes, io_find_part find_part, void *context,
                       bool *ret_is_whole, struct error *err)
{
    uint64_t hole[IO_RANK_MAX];
    struct io_extent shape;
    struct io_box part;
    char where[128];
    int r = io_extent_of(view, &shape, err);

    if (r)
        return r;
    io_whole_box(&shape, &part);
    *ret_is_whole = shape.n == 0 || io_boxes_cover(boxes, shape.rank, &part, hole);
    if (find_part)
        r = find_part(context, view, &part, err);
    if (r || *ret_is_whole || (find_part && io_boxes_cover(boxes, shape.rank, &part, hole)))
        return r;
    io_place_format(shape.rank, hole, where, sizeof(where));
    return error_set(
        err, POLYPHONY_INPUT,
        "was never written completely: no source of the virtual dataset has its %s; HDF5 would read fill values there",
        where);
}

static int look_at_view(struct io_look *look, hid_t view, hid_t creation, io_find_part find_part,
                        void *context, bool *ret_is_whole, struct error *err)
{
    uint64_t row_begin = look->row_begin, row_end = look->row_end;
    struct io_boxes boxes = { 0 };
    size_t n = 0;
    int r = 0;

    if (H5Pget_virtual_count(creation, &n) < 0)
        r = error_set(err, POLYPHONY_INPUT,
                      "is a virtual dataset whose sources cannot be listed (damaged file?)");
    for (size_t i = 0; !r && i < n; i++)
        r = look_at_mapping(look, view, creation, i, &boxes, err);
    look->row_begin = row_begin;
    look->row_end = row_end;
    if (!r)
        r = check_cover(view, &boxes, find_part, context, ret_is_whole, err);
    free(boxes.box);
    return r;
}

/* ---- any dataset ---------------------------------------------------------------------------- */

#if H5_VERSION_GE(1, 12, 0)
typedef H5O_info1_t object_info;
#else
typedef H5O_info_t object_info;
#endif

static bool identify(hid_t dataset, struct io_identity *ret_identity)
{
    hid_t file = H5Iget_file_id(dataset);
    object_info info;
    struct stat st = { 0 };
    bool ok = H5Oget_info2(dataset, &info, H5O_INFO_BASIC) >= 0;

    if (fstat(io_descriptor_of(file), &st))
        st = (struct stat) { 0 }; /* of all ranks: it has no sources */
    H5Fclose(file);
    if (ok)
        *ret_identity = (struct io_identity) { st.st_dev, st.st_ino, info.addr };
    return ok;
}

/* A view that leads to itself would have HDF5 call itself until its stack is full. */
static int step_into_view(struct io_look *look, hid_t view, const struct io_identity *identity,
                          hid_t creation, io_find_part find_part, void *context, bool *ret_is_whole,
                          struct error *err)
{
    int r;

    for (size_t i = 0; i < look->n_chain; i++)
        if (io_identity_is_same(&look->chain[i], identity))
            return error_set(err, POLYPHONY_INPUT, "is a virtual dataset that leads to itself");
    if (look->n_chain == IO_NESTING_MAX)
        return error_set(err, POLYPHONY_INPUT, "is a virtual dataset of others, nested more than %d deep",
                         IO_NESTING_MAX);
    look->chain[look->n_chain++] = *identity;
    r = look_at_view(look, view, creation, find_part, context, ret_is_whole, err);
    look->n_chain--;
    return r;
}

int io_look_at(struct io_look *look, hid_t dataset, io_find_part find_part, void *context, struct error *err)
{
    hid_t creation = H5Dget_create_plist(dataset);
    struct io_identity identity;
    struct io_box part;
    bool is_whole = false;
    int r;

    if (creation < 0 || !identify(dataset, &identity)) {
        if (creation >= 0)
            H5Pclose(creation);
        return error_set(err, POLYPHONY_INPUT, "cannot be understood (damaged file?)");
    }
    if (look->n_chain && io_known_is_whole(look->file->known, &identity))
        r = find_part(context, dataset, &part, err);
    else if (H5Pget_layout(creation) == H5D_VIRTUAL)
        r = step_into_view(look, dataset, &identity, creation, find_part, context, &is_whole, err);
    else
        r = io_check_storage(look, dataset, creation, find_part, context, &is_whole, err);
    if (!r && is_whole)
        io_known_keep_whole(look->file->known, &identity);
    H5Pclose(creation);
    return r;
}
