/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Datasets as other programs write them, made with the HDF5 library itself. */
#pragma once

#include <hdf5.h>

#include "polyphony/base.h"

#include "../files.h"

/* A dataset of n doubles 0.5, 1.5, …, stored as `type` and laid out by `creation`. */
static inline void write_as(hid_t file, const char *path, hid_t type, hid_t creation, hsize_t n)
{
    hid_t space = H5Screate_simple(1, &n, NULL);
    hid_t id = H5Dcreate2(file, path, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    double *value = mem_array(n, sizeof(*value));

    for (hsize_t i = 0; i < n; i++)
        value[i] = (double)i + 0.5;
    assert_true(H5Dwrite(id, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    free(value);
    H5Dclose(id);
    H5Sclose(space);
}

static inline void write_fixed(hid_t file, const char *name, H5T_str_t padding, const char *bytes,
                               size_t size, bool is_attr)
{
    hsize_t n = 2;
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &n, NULL), id;

    H5Tset_size(type, size);
    H5Tset_strpad(type, padding);
    if (is_attr) {
        id = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(H5Awrite(id, type, bytes) >= 0);
        H5Aclose(id);
    } else {
        id = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) >= 0);
        H5Dclose(id);
    }
    H5Tclose(type);
    H5Sclose(space);
}
