/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "io_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ------------------------------------------------------------------------------------ */

bool io_attr_has(struct io_file *file, const char *object, const char *name)
{
    return H5Aexists_by_name(file->id, object, name, H5P_DEFAULT) > 0;
}

int io_attr_open(struct io_file *file, const char *object, const char *name, struct io_attribute *ret,
                 struct error *err)
{
    ret->object = H5Oopen(file->id, object, H5P_DEFAULT);
    ret->id = ret->object >= 0 && H5Aexists(ret->object, name) > 0 ? H5Aopen(ret->object, name, H5P_DEFAULT)
                                                                   : H5I_INVALID_HID;
    if (ret->id >= 0)
        return 0;
    if (ret->object >= 0)
        H5Oclose(ret->object);
    return error_set(err, POLYPHONY_INPUT, "'%s': '%s' has no attribute '%s'", file->path, object, name);
}

void io_attr_close(struct io_attribute *attribute)
{
    H5Aclose(attribute->id);
    H5Oclose(attribute->object);
}

int io_attr_read_texts(struct io_file *file, const char *object, const char *name,
                       char (**ret_names)[IO_NAME_MAX], size_t *ret_n, struct error *err)
{
    struct io_attribute attribute;
    hid_t id, type, space;
    char(*names)[IO_NAME_MAX] = NULL;
    hssize_t n;
    int r = 0;

    if (io_attr_open(file, object, name, &attribute, err))
        return POLYPHONY_INPUT;
    id = attribute.id;
    type = H5Aget_type(id);
    space = H5Aget_space(id);
    n = H5Sget_simple_extent_npoints(space);
    /* HDF5 holds attributes in the object header: 64 KiB at most. */
    if (H5Tget_class(type) != H5T_STRING || n < 1 || n > 65536) {
        r = error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' is not text", file->path, name,
                      object);
        goto out;
    }
    names = mem_small((size_t)n, sizeof(*names));
    if (!io_strings_read(id, true, type, space, (uint64_t)n, names)) {
        r = error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' cannot be read", file->path, name,
                      object);
        goto out;
    }
    *ret_names = names;
    *ret_n = (size_t)n;
    names = NULL;
out:
    free(names);
    H5Sclose(space);
    H5Tclose(type);
    io_attr_close(&attribute);
    return r;
}

int io_attr_read_text(struct io_file *file, const char *object, const char *name, char *ret_text, size_t size,
                      struct error *err)
{
    char(*names)[IO_NAME_MAX] = NULL;
    size_t n = 0;
    int r = io_attr_read_texts(file, object, name, &names, &n, err);

    if (r)
        return r;
    if (n != 1 || !text_format(ret_text, size, "%s", names[0]))
        r = error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' is not one short text", file->path,
                      name, object);
    free(names);
    return r;
}

int io_attr_read_i64(struct io_file *file, const char *object, const char *name, int64_t *ret_value,
                     struct error *err)
{
    struct io_attribute attribute;
    hid_t id, type, space;
    int8_t flag = 0;
    int r = 0;

    if (io_attr_open(file, object, name, &attribute, err))
        return POLYPHONY_INPUT;
    id = attribute.id;
    type = H5Aget_type(id);
    space = H5Aget_space(id);
    if (H5Sget_simple_extent_npoints(space) != 1)
        r = -1;
    else if (H5Tget_class(type) == H5T_INTEGER)
        r = H5Aread(id, H5T_NATIVE_INT64, ret_value);
    else if (H5Tget_class(type) == H5T_ENUM && H5Tget_size(type) == 1) {
        /* h5py's booleans: an enumeration of one byte */
        r = H5Aread(id, type, &flag);
        *ret_value = flag;
    } else
        r = -1;
    H5Sclose(space);
    H5Tclose(type);
    io_attr_close(&attribute);
    return r < 0 ? error_set(err, POLYPHONY_INPUT,
                             "'%s': attribute '%s' of '%s' is not one integer or truth value", file->path,
                             name, object)
                 : 0;
}

int io_attr_read_f64(struct io_file *file, const char *object, const char *name, double *ret_value,
                     struct error *err)
{
    struct io_attribute attribute;
    hid_t id, type, space;
    int r = -1;

    if (io_attr_open(file, object, name, &attribute, err))
        return POLYPHONY_INPUT;
    id = attribute.id;
    type = H5Aget_type(id);
    space = H5Aget_space(id);
    if (H5Sget_simple_extent_npoints(space) == 1 && H5Tget_class(type) == H5T_FLOAT)
        r = H5Aread(id, H5T_NATIVE_DOUBLE, ret_value);
    H5Sclose(space);
    H5Tclose(type);
    io_attr_close(&attribute);
    return r < 0 ? error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' is not one number",
                             file->path, name, object)
                 : 0;
}

/* ---- writing ------------------------------------------------------------------------------------ */

static int attr_write(struct io_file *file, hid_t object, const char *path, const char *name, hid_t type,
                      hid_t space, const void *data)
{
    hid_t id = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t status = id < 0 ? -1 : H5Awrite(id, type, data);

    if (id >= 0)
        H5Aclose(id);
    return status < 0 ? error_set(&file->failure, POLYPHONY_OUTPUT,
                                  "'%s': attribute '%s' of '%s' cannot be written", file->path, name, path)
                      : 0;
}

/* Variable-length UTF-8, which h5py reads as str: Synthesizer uses some of these texts as names. */
static int attr_write_text(struct io_file *file, hid_t object, const char *path, const char *name,
                           const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    int r;

    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    r = attr_write(file, object, path, name, type, space, &text);
    H5Sclose(space);
    H5Tclose(type);
    return r;
}

int io_label(struct io_file *file, hid_t object, const char *path, const char *units, const char *description)
{
    int r = 0;

    if (units)
        r = attr_write_text(file, object, path, "Units", units);
    if (!r)
        r = attr_write_text(file, object, path, "Description", description);
    return r;
}

/* To be described; negative also where something has failed before. */
static hid_t object_open(struct io_file *file, const char *object)
{
    hid_t id = file->status ? H5I_INVALID_HID : H5Oopen(file->id, object, H5P_DEFAULT);

    if (id < 0 && !file->status)
        error_set(&file->failure, POLYPHONY_OUTPUT, "'%s': no object '%s' to describe", file->path, object);
    return id;
}

int io_attr_write_text(struct io_file *file, const char *object, const char *name, const char *text,
                       struct error *err)
{
    hid_t id = object_open(file, object);
    int r;

    if (id < 0)
        return io_written(file, POLYPHONY_OUTPUT, err);
    r = attr_write_text(file, id, object, name, text);
    H5Oclose(id);
    return io_written(file, r, err);
}

int io_attr_write_texts(struct io_file *file, const char *object, const char *name, size_t n,
                        const char *const *texts, struct error *err)
{
    hsize_t dim = n;
    hid_t id = object_open(file, object), type, space;
    int r;

    if (id < 0)
        return io_written(file, POLYPHONY_OUTPUT, err);
    /* Variable length, as h5py writes lists of names: Synthesizer's reader compares them with str. */
    type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    space = H5Screate_simple(1, &dim, NULL);
    r = attr_write(file, id, object, name, type, space, texts);
    H5Sclose(space);
    H5Tclose(type);
    H5Oclose(id);
    return io_written(file, r, err);
}

static int attr_write_scalar(struct io_file *file, const char *object, const char *name, hid_t type,
                             const void *value, struct error *err)
{
    hid_t id = object_open(file, object), space;
    int r;

    if (id < 0)
        return io_written(file, POLYPHONY_OUTPUT, err);
    space = H5Screate(H5S_SCALAR);
    r = attr_write(file, id, object, name, type, space, value);
    H5Sclose(space);
    H5Oclose(id);
    return io_written(file, r, err);
}

int io_attr_write_i64(struct io_file *file, const char *object, const char *name, int64_t value,
                      struct error *err)
{
    return attr_write_scalar(file, object, name, H5T_NATIVE_INT64, &value, err);
}

int io_attr_write_f64(struct io_file *file, const char *object, const char *name, double value,
                      struct error *err)
{
    return attr_write_scalar(file, object, name, H5T_NATIVE_DOUBLE, &value, err);
}

/* As h5py does it: an enumeration {FALSE, TRUE} of one byte, which Python reads back as bool. */
int io_attr_write_bool(struct io_file *file, const char *object, const char *name, bool value,
                       struct error *err)
{
    hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
    int8_t no = 0, yes = 1, flag = value;
    int r;

    H5Tenum_insert(type, "FALSE", &no);
    H5Tenum_insert(type, "TRUE", &yes);
    r = attr_write_scalar(file, object, name, type, &flag, err);
    H5Tclose(type);
    return r;
}

/* ---- what is there -------------------------------------------------------------------------------- */

struct attr_list {
    char (*names)[IO_NAME_MAX];
    size_t n, n_room;
};

static herr_t attr_list_add(hid_t object, const char *name, const H5A_info_t *info, void *data)
{
    struct attr_list *list = data;

    (void)object;
    (void)info;
    list->names = mem_grow(list->names, list->n, &list->n_room, sizeof(*list->names));
    text_format(list->names[list->n++], IO_NAME_MAX, "%s", name);
    return 0;
}

int io_attr_list(struct io_file *file, const char *object, char (**ret_names)[IO_NAME_MAX], size_t *ret_n,
                 struct error *err)
{
    struct attr_list list = { 0 };

    if (H5Aiterate_by_name(file->id, object, H5_INDEX_NAME, H5_ITER_INC, NULL, attr_list_add, &list,
                           H5P_DEFAULT) < 0) {
        free(list.names);
        return error_set(err, POLYPHONY_INPUT, "'%s': the attributes of '%s' cannot be listed", file->path,
                         object);
    }
    *ret_names = list.names;
    *ret_n = list.n;
    return 0;
}

int io_attr_copy_text(struct io_file *file, const char *object, const char *name, char **ret_text,
                      struct error *err)
{
    struct io_attribute attribute;
    char *raw = NULL, *text = NULL;
    hid_t type, space;

    if (io_attr_open(file, object, name, &attribute, err))
        return POLYPHONY_INPUT;
    type = H5Aget_type(attribute.id);
    space = H5Aget_space(attribute.id);
    if (H5Tis_variable_str(type) > 0 && H5Sget_simple_extent_npoints(space) == 1 &&
        H5Aread(attribute.id, type, &raw) >= 0 && raw) {
        text = mem_text(raw);
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, &raw);
    }
    H5Sclose(space);
    H5Tclose(type);
    io_attr_close(&attribute);
    if (!text)
        return error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of '%s' cannot be read as text",
                         file->path, name, object);
    *ret_text = text;
    return 0;
}
