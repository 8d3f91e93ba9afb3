/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sorted gas, and the sum of its columns in front of a group of targets (columns.c).
 *
 * Gas is kept in blocks of eight, in the order of the index. Boxes around blocks make a tree: eight children
 * a node, children in order.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fast.h"
#include "../sph_profile.h"

enum {
    COLUMNS_GROUP_MAX = 16, /* targets */
    COLUMNS_LEVEL_MAX = 21, /* of boxes: 8^21 blocks are 2^66 particles */
};

/* What h is taken as where boxes must hold all that overlaps, and what is added to them for each coordinate:
 * many times the roundings in between. */
#define COLUMNS_H_MARGIN (1.0 + 0x1p-50)
#define COLUMNS_X_MARGIN 0x1p-50

/* Places without gas have h = 0, which covers nothing. */
struct columns_block {
    double x[8], y[8], z[8], h[8];
    double h_inverse[8];
    double surface[8]; /* mass/h^2 [Msun kpc^-2] */
} __attribute__((aligned(64)));

/* Of eight children. All that a child covers is in [low, high] and behind z = front; those that are not there
 * have low > high. */
struct columns_boxes {
    double x_low[8], x_high[8], y_low[8], y_high[8];
    double front[8];
} __attribute__((aligned(64)));

/*
 * One end of a piece of the kernel's polynomial. With D_k the piece that ends at r_k minus the next one,
 * zero beyond the last, a column from the plane s = 0 to s is the sum over ends of
 *
 *     G_k(s) = integral_0^min(s, s_k) D_k(sqrt(u + s^2)) ds,   u = b^2, s_k = sqrt(r_k^2 - u),
 *            = s (p_0 + p_1 r + ... + p_5 r^5) + u p_1 log((s + r)/b),   r = sqrt(u + s^2),
 *
 * where p_0 ... p_3 are polynomials in u; nothing where b >= r_k. (From the recurrence of sph_kernel.c.)
 */
struct columns_end {
    double r, r_squared;
    double p_0[3], p_1[3], p_2[2], p_3[2], p_4, p_5;
    double whole[3]; /* p_0 + p_1 r_k + ... , as a polynomial in u */
};

struct columns_form {
    size_t n_end;
    struct columns_end ends[SPH_PIECE_MAX];
};

struct columns_tree {
    struct columns_form form;
    const struct columns_block *blocks;
    size_t n_level;                                        /* 0: no gas */
    const struct columns_boxes *levels[COLUMNS_LEVEL_MAX]; /* from that around blocks to the root */
};

/* A square around the gas, in steps. */
struct columns_frame {
    double x_low, y_low, x_scale, y_scale;
};

/* Points whose places are found at once, and bits of each coordinate. */
enum { COLUMNS_PLACES_MAX = 64, COLUMNS_PLACE_BITS = 16 };

/* (x - low) scale as an integer below 2^n_bit, whatever it is. */
static inline uint32_t columns_step(double x, double low, double scale, unsigned n_bit)
{
    double step = (x - low) * scale, most = (double)((1u << n_bit) - 1);

    return step > 0.0 ? (uint32_t)(int32_t)(step < most ? step : most) : 0;
}

struct columns_fast {
    /* Places of up to COLUMNS_PLACES_MAX points on a curve through the whole plane that stays near itself
     * (Hilbert 1891). */
    void (*places)(const struct columns_frame *frame, size_t n, const double *x, const double *y,
                   uint32_t ret_place[COLUMNS_PLACES_MAX]);
    /* Columns of up to COLUMNS_GROUP_MAX targets; the nearer they are the quicker. To ret_work[3] are added
     * pairs tested, columns of whole kernels, and of cut ones. */
    void (*sum_group)(const struct columns_tree *tree, size_t n, const double *x, const double *y,
                      const double *z, double *ret_sum, size_t *ret_work);
};
FAST_DECLARE(struct columns_fast, columns_fast);
