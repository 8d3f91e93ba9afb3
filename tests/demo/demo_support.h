/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of the demo inputs share. */
#pragma once

#include "../../src/demo/demo_private.h"
#include "polyphony/io.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static inline void assert_near(double value, double expected, double relative)
{
    if (!(fabs(value - expected) <= relative * fabs(expected)))
        fail_msg("%.17g is not %.17g within %g", value, expected, relative);
}

static inline void make_path(char *ret_path, size_t size, const char *name)
{
    const char *folder = getenv("TMPDIR");

    assert_true(text_format(ret_path, size, "%s/polyphony_%s_%ld.hdf5", folder ? folder : "/tmp", name,
                            (long)getpid()));
}

static inline double *read_all(struct io_file *file, const char *path, uint64_t *ret_n)
{
    struct io_info info;
    struct error err = { 0 };

    if (io_dataset_info(file, path, &info, &err))
        fail_msg("%s", err.text);
    double *data = mem_array(info.n, sizeof(*data));

    assert_non_null(data);
    assert_int_equal(io_read_rows_f64(file, path, 0, info.dims[0], data, &err), 0);
    *ret_n = info.n;
    return data;
}
