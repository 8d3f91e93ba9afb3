/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stddef.h>

#include "fast.h"

/* include/polyphony/rows.h */
struct rows_fast {
    void (*mix)(size_t n, size_t n_row, const double *weight, const double *const *row, double *ret);
    void (*exp)(size_t n, double factor, const double *x, double *ret);
    void (*multiply)(size_t n, const double *a, const double *b, double *ret);
    void (*add)(size_t n, const double *row, double *sum);
    void (*add_product)(size_t n, double weight, const double *a, const double *b, double *sum);
    void (*add_product3)(size_t n, double weight, const double *a, const double *b, const double *c,
                         double *sum);
    double (*dot)(size_t n, const double *a, const double *b);
};
FAST_DECLARE(struct rows_fast, rows_fast);
