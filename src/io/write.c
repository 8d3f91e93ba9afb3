/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "io_private.h"

#include <stdlib.h>
#include <string.h>

/* Property list that creates the groups on the way. */
static hid_t link_creation(void)
{
    hid_t creation = H5Pcreate(H5P_LINK_CREATE);

    H5Pset_create_intermediate_group(creation, 1);
    return creation;
}

static int create(struct io_file *file, const char *path, hid_t type, hid_t space, hid_t creation,
                  const char *units, const char *description, hid_t *ret_id)
{
    hssize_t n = H5Sget_simple_extent_npoints(space);
    bool is_view = creation != H5P_DEFAULT && H5Pget_layout(creation) == H5D_VIRTUAL;
    int r =
        file->status ? file->status : io_promise(file, path, is_view ? 0 : (uint64_t)n * H5Tget_size(type));
    hid_t link, id;

    if (r)
        return r;
    link = link_creation();
    id = H5Dcreate2(file->id, path, type, space, link, creation, H5P_DEFAULT);
    H5Pclose(link);
    if (id < 0)
        return error_set(&file->failure, POLYPHONY_OUTPUT, "'%s': dataset '%s' cannot be created", file->path,
                         path);
    r = io_label(file, id, path, units, description);
    if (r || !ret_id)
        H5Dclose(id);
    if (!r && ret_id)
        *ret_id = id;
    return r;
}

static hid_t space_of(int rank, const uint64_t *dims)
{
    hsize_t extent[IO_RANK_MAX];

    for (int i = 0; i < rank; i++)
        extent[i] = dims[i];
    return rank ? H5Screate_simple(rank, extent, NULL) : H5Screate(H5S_SCALAR);
}

/* What the one rank that wrote says, on all ranks: they leave together, or go on together. */
static int share_status(struct io_file *file, const char *path, herr_t status)
{
    int failed = status < 0;

    if (file->comm != MPI_COMM_NULL)
        MPI_Bcast(&failed, 1, MPI_INT, 0, file->comm);
    return failed ? error_set(&file->failure, POLYPHONY_OUTPUT, "'%s': dataset '%s' cannot be written (%s)",
                              file->path, path, io_why_not_written(file))
                  : 0;
}

static int write_whole(struct io_file *file, const char *path, int rank, const uint64_t *dims, hid_t type,
                       const void *data, const char *units, const char *description, struct error *err)
{
    hid_t space = space_of(rank, dims), id = H5I_INVALID_HID;
    int r = create(file, path, type, space, H5P_DEFAULT, units, description, data ? &id : NULL);

    /* Every rank would write the same bytes: one does. */
    if (!r && data)
        r = share_status(file, path,
                         file->comm_rank == 0 ? H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) : 0);
    if (id >= 0)
        H5Dclose(id);
    H5Sclose(space);
    return io_written(file, r, err);
}

int io_write_f64(struct io_file *file, const char *path, int rank, const uint64_t *dims, const double *data,
                 const char *units, const char *description, struct error *err)
{
    return write_whole(file, path, rank, dims, H5T_NATIVE_DOUBLE, data, units, description, err);
}

int io_write_i64(struct io_file *file, const char *path, int rank, const uint64_t *dims, const int64_t *data,
                 const char *units, const char *description, struct error *err)
{
    return write_whole(file, path, rank, dims, H5T_NATIVE_INT64, data, units, description, err);
}

int io_create_f64(struct io_file *file, const char *path, int rank, const uint64_t *dims, const char *units,
                  const char *description, struct error *err)
{
    return write_whole(file, path, rank, dims, H5T_NATIVE_DOUBLE, NULL, units, description, err);
}

int io_create_i64(struct io_file *file, const char *path, int rank, const uint64_t *dims, const char *units,
                  const char *description, struct error *err)
{
    return write_whole(file, path, rank, dims, H5T_NATIVE_INT64, NULL, units, description, err);
}

int io_write_strings(struct io_file *file, const char *path, size_t n, const char *const *text,
                     const char *description, struct error *err)
{
    hsize_t dim = n;
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &dim, NULL), id = H5I_INVALID_HID;
    int r;

    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    r = create(file, path, type, space, H5P_DEFAULT, NULL, description, &id);
    if (!r && H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0)
        r = error_set(&file->failure, POLYPHONY_OUTPUT, "'%s': dataset '%s' cannot be written (%s)",
                      file->path, path, io_why_not_written(file));
    if (id >= 0)
        H5Dclose(id);
    H5Sclose(space);
    H5Tclose(type);
    return io_written(file, r, err);
}

int io_write_names(struct io_file *file, const char *path, size_t n, const char *const *text,
                   const char *description, struct error *err)
{
    hsize_t dim = n;
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &dim, NULL), id = H5I_INVALID_HID;
    size_t size = 1;
    char *packed;
    int r;

    for (size_t i = 0; i < n; i++)
        size = strlen(text[i]) > size ? strlen(text[i]) : size;
    H5Tset_size(type, size);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    packed = mem_small(n, size);
    for (size_t i = 0; i < n; i++)
        memcpy(packed + i * size, text[i], strlen(text[i]));
    r = create(file, path, type, space, H5P_DEFAULT, NULL, description, &id);
    if (!r)
        r = share_status(
            file, path, file->comm_rank == 0 ? H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, packed) : 0);
    free(packed);
    if (id >= 0)
        H5Dclose(id);
    H5Sclose(space);
    H5Tclose(type);
    return io_written(file, r, err);
}

static int write_rows(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row, hid_t type,
                      const void *data, struct error *err)
{
    hsize_t start[H5S_MAX_RANK] = { row0 }, count[H5S_MAX_RANK] = { 0 };
    hid_t id = file->status ? H5I_INVALID_HID : io_dataset_open(file, path, &file->failure), space, memory;
    herr_t status;

    if (id < 0)
        return io_written(file, POLYPHONY_OUTPUT, err);
    space = H5Dget_space(id);
    H5Sget_simple_extent_dims(space, count, NULL);
    count[0] = n_row;
    memory = H5Screate_simple(H5Sget_simple_extent_ndims(space), count, NULL);
    status = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    if (status >= 0)
        status = H5Dwrite(id, type, memory, space, H5P_DEFAULT, data);
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(id);
    if (status < 0)
        status = error_set(&file->failure, POLYPHONY_OUTPUT, "'%s': rows of '%s' cannot be written (%s)",
                           file->path, path, io_why_not_written(file));
    return io_written(file, status < 0 ? status : 0, err);
}

int io_write_rows_f64(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row,
                      const double *data, struct error *err)
{
    return write_rows(file, path, row0, n_row, H5T_NATIVE_DOUBLE, data, err);
}

int io_write_rows_i64(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row,
                      const int64_t *data, struct error *err)
{
    return write_rows(file, path, row0, n_row, H5T_NATIVE_INT64, data, err);
}

int io_make_group(struct io_file *file, const char *path, struct error *err)
{
    hid_t creation, id;

    if (file->status || io_has(file, path))
        return io_written(file, 0, err);
    creation = link_creation();
    id = H5Gcreate2(file->id, path, creation, H5P_DEFAULT, H5P_DEFAULT);
    H5Pclose(creation);
    if (id < 0)
        return io_written(file,
                          error_set(&file->failure, POLYPHONY_OUTPUT, "'%s': group '%s' cannot be created",
                                    file->path, path),
                          err);
    H5Gclose(id);
    return 0;
}

/* ---- the layout of rows at known offsets -------------------------------------------------------- */

static hid_t type_of(enum io_type type)
{
    switch (type) {
    case IO_F32:
        return H5T_NATIVE_FLOAT;
    case IO_I64:
        return H5T_NATIVE_INT64;
    case IO_I32:
        return H5T_NATIVE_INT32;
    case IO_U64:
        return H5T_NATIVE_UINT64;
    default:
        return H5T_NATIVE_DOUBLE;
    }
}

/* Contiguous, allocated at creation, never filled: the rows have fixed places in the file from now on, and a
 * file of 1 TB is laid out without writing 1 TB of zeros. */
static int layout(struct io_file *file, const char *path, hid_t type, hid_t space, const char *units,
                  const char *description, struct error *err)
{
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    int r;

    H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
    r = create(file, path, type, space, creation, units, description, NULL);
    H5Pclose(creation);
    return io_written(file, r, err);
}

int io_layout_dataset(struct io_file *file, const char *path, enum io_type type, int rank,
                      const uint64_t *dims, const char *units, const char *description, struct error *err)
{
    hid_t space = space_of(rank, dims);
    int r = layout(file, path, type_of(type), space, units, description, err);

    H5Sclose(space);
    return r;
}

hid_t io_shape_type(const struct io_shape *shape)
{
    hid_t type;

    if (shape->type != IO_RECORD)
        return H5Tcopy(type_of(shape->type));
    type = H5Tcreate(H5T_COMPOUND, shape->record_bytes);
    for (size_t i = 0; i < shape->n_member; i++) {
        const struct io_member *given = &shape->member[i];
        hid_t member = H5Tcopy(given->text_bytes ? H5T_C_S1 : type_of(given->type));

        if (given->text_bytes)
            H5Tset_size(member, given->text_bytes);
        H5Tinsert(type, given->name, given->offset, member);
        H5Tclose(member);
    }
    return type;
}

int io_layout_records(struct io_file *file, const char *path, uint64_t n, size_t size,
                      const struct io_member *members, size_t n_member, const char *description,
                      struct error *err)
{
    const struct io_shape shape = {
        .type = IO_RECORD, .record_bytes = size, .member = members, .n_member = n_member
    };
    hid_t type = io_shape_type(&shape), space = space_of(1, &n);
    int r = layout(file, path, type, space, NULL, description, err);

    H5Sclose(space);
    H5Tclose(type);
    return r;
}

/* Each rank for itself: when a rank fails in a collective transfer (disk full), Open MPI 4.1 leaves the
 * others waiting for it. Blocks are in one piece, or small. */
int io_layout_write_block(struct io_file *file, const char *path, const uint64_t *start,
                          const uint64_t *count, const void *data, struct error *err)
{
    hsize_t first[IO_RANK_MAX] = { 0 }, extent[IO_RANK_MAX] = { 0 };
    hid_t id = file->status ? H5I_INVALID_HID : io_dataset_open(file, path, &file->failure), type, space,
          memory;
    int rank, failed = 0, any_failed;
    bool is_empty = false;

    if (id < 0) /* the same on all ranks: they laid it out together */
        return io_written(file, POLYPHONY_OUTPUT, err);
    space = H5Dget_space(id);
    rank = H5Sget_simple_extent_ndims(space);
    for (int i = 0; i < rank; i++) {
        first[i] = start[i];
        extent[i] = count[i];
        is_empty |= count[i] == 0;
    }
    memory = H5Screate_simple(rank, extent, NULL);
    type = H5Dget_type(id); /* as laid out, which is native */
    if (!is_empty)
        failed = H5Sselect_hyperslab(space, H5S_SELECT_SET, first, NULL, extent, NULL) < 0 ||
                 H5Dwrite(id, type, memory, space, H5P_DEFAULT, data) < 0;
    H5Tclose(type);
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(id);
    any_failed = failed;
    if (file->comm != MPI_COMM_NULL)
        MPI_Allreduce(&failed, &any_failed, 1, MPI_INT, MPI_MAX, file->comm);
    if (any_failed)
        error_set(&file->failure, POLYPHONY_OUTPUT, "'%s': dataset '%s' cannot be written (%s)", file->path,
                  path, io_why_not_written(file));
    return io_written(file, any_failed ? POLYPHONY_OUTPUT : 0, err);
}

int io_layout_column_view(struct io_file *file, const char *path, const char *source, const uint64_t *column,
                          const char *units, const char *description, struct error *err)
{
    hsize_t dims[IO_RANK_MAX], start[IO_RANK_MAX] = { 0 }, count[IO_RANK_MAX];
    hid_t source_id = file->status ? H5I_INVALID_HID : io_dataset_open(file, source, &file->failure);
    hid_t source_space, space, creation;
    int rank, r = 0;

    if (source_id < 0)
        return io_written(file, POLYPHONY_OUTPUT, err);
    source_space = H5Dget_space(source_id);
    rank = H5Sget_simple_extent_dims(source_space, dims, NULL);
    for (int i = 0; i < rank; i++) {
        start[i] = i ? column[i - 1] : 0;
        count[i] = i ? 1 : dims[0];
    }
    space = H5Screate_simple(1, dims, NULL);
    creation = H5Pcreate(H5P_DATASET_CREATE);
    if (dims[0] > 0) /* a view of nothing is a dataset of nothing */
        H5Sselect_hyperslab(source_space, H5S_SELECT_SET, start, NULL, count, NULL);
    if (dims[0] > 0 && H5Pset_virtual(creation, space, ".", source, source_space) < 0)
        r = error_set(&file->failure, POLYPHONY_OUTPUT, "'%s': '%s' cannot be a view of '%s'", file->path,
                      path, source);
    if (!r)
        r = create(file, path, H5T_NATIVE_DOUBLE, space, creation, units, description, NULL);
    H5Pclose(creation);
    H5Sclose(space);
    H5Sclose(source_space);
    H5Dclose(source_id);
    return io_written(file, r, err);
}

int io_dataset_offset(struct io_file *file, const char *path, uint64_t *ret_offset, struct error *err)
{
    hid_t id = io_dataset_open(file, path, err), space;
    haddr_t offset;
    bool is_empty;

    if (id < 0)
        return POLYPHONY_INPUT;
    offset = H5Dget_offset(id);
    space = H5Dget_space(id);
    is_empty = H5Sget_simple_extent_npoints(space) == 0;
    H5Sclose(space);
    H5Dclose(id);
    if (is_empty)
        offset = 0;
    if (offset == HADDR_UNDEF)
        return error_set(err, POLYPHONY_INPUT, "'%s': dataset '%s' has no fixed place in the file",
                         file->path, path);
    *ret_offset = offset;
    return 0;
}
