/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One particle and the pixels: the four rules of deposit_smoothed(), for its plain and its fast form. */
#pragma once

#include <math.h>
#include <stdbool.h>

#include "polyphony/deposit.h"

/* A pixel wholly under the kernel has N_INSIDE samples a side, one partly under it N_EDGE_MIN or more. Of
 * these at most 2 h/(pixel/n) + 1, plus a margin of 4, can be under a disc: below N_EDGE_MAX, as
 * n < 2 pixel/h + 1 where n > N_EDGE_MIN. */
enum {
    N_INSIDE = 3,
    N_EDGE_MIN = 4,
    N_EDGE_MAX = 16,
};

/* A disc that is smaller is a point [pixel]. */
#define POINT_MAX_PIXEL 0x1p-40

struct splat {
    double x, y; /* from the corner of the image */
    double h, h2;
    double pixel;
    double node_per_length; /* of the kernel table */
    double n_edge;          /* samples a side of a pixel partly under the kernel */
    double inside_factor;   /* (pixel/h)^2 over the number of samples */
    double edge_factor;
};

/* One particle and one axis of a pixel: how far its nearest and farthest points are. */
struct reach {
    double near2, far2;
    bool inside; /* the disc does not stick out of the closed pixel along this axis */
};

static inline struct splat splat_of(const struct pixel_grid *grid, double x, double y, double h)
{
    double pixel_per_h = grid->pixel_width / h;
    double n_edge = fmax(N_EDGE_MIN, ceil(2.0 * grid->pixel_width / h));

    return (struct splat) {
        .x = x + 0.5 * grid->width_x,
        .y = y + 0.5 * grid->width_y,
        .h = h > POINT_MAX_PIXEL * grid->pixel_width ? h : 0.0,
        .h2 = h * h,
        .pixel = grid->pixel_width,
        .node_per_length = KERNEL_TABLE_N / h,
        .n_edge = n_edge,
        .inside_factor = pixel_per_h * pixel_per_h / (N_INSIDE * N_INSIDE),
        .edge_factor = pixel_per_h * pixel_per_h / (n_edge * n_edge),
    };
}

static inline struct reach reach_of(const struct splat *splat, double x, size_t i_pixel)
{
    double low = (double)i_pixel * splat->pixel, high = (double)(i_pixel + 1) * splat->pixel;
    double nearest = x < low ? low - x : x > high ? x - high : 0.0;
    double farthest = x - low > high - x ? x - low : high - x;

    return (struct reach) { .near2 = nearest * nearest,
                            .far2 = farthest * farthest,
                            .inside = x - splat->h >= low && x + splat->h <= high };
}

/* Squared distance along an axis of the centre of sub-cell k of pixel i; `cell` is its width. */
static inline double sample2(const struct splat *splat, double x, size_t i_pixel, double k, double cell)
{
    double distance = (double)i_pixel * splat->pixel - x + (k + 0.5) * cell;

    return distance * distance;
}

/* The samples of an axis that can be under the disc; returns how many. */
static inline int edge_samples(const struct splat *splat, double x, size_t i_pixel, double *ret_d2)
{
    double cell = splat->pixel / splat->n_edge;
    double offset = (double)i_pixel * splat->pixel - x;
    double k = fmax(0.0, floor((-splat->h - offset) / cell) - 1.0);
    double k_last = fmin(splat->n_edge - 1.0, ceil((splat->h - offset) / cell) + 1.0);
    int n = 0;

    for (; k <= k_last && n < N_EDGE_MAX; k += 1.0)
        ret_d2[n++] = sample2(splat, x, i_pixel, k, cell);
    return n;
}
