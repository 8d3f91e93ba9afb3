/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Particles onto the pixels of images.
 *
 * Images are image[n_channel][n_x][n_y], x slow; pixel (i, j) spans [i, i + 1) x [j, j + 1) pixel widths
 * from the corner (-width_x/2, -width_y/2). Positions are centred on the field; positions, smoothing
 * lengths and widths share one unit of length, any. Values are value[n_particle][n_channel] in any unit,
 * which is that of the pixels. The caller zeroes the image; deposits are added to it in the order of the
 * particles.
 */
#pragma once

#include <stddef.h>

#include "polyphony/base.h"
#include "polyphony/sph_kernel.h"

struct pixel_grid {
    size_t n_x, n_y;
    double width_x, width_y; /* field of view, n_x pixel_width and n_y pixel_width */
    double pixel_width;
};

/**
 * Spread each particle over the pixels under its kernel, by Synthesizer's rules (docs/physics.md 11,
 * threshold 1). The share of a pixel is
 *  1. one, if the disc of radius h lies in the closed pixel (so a point on an edge counts in both pixels);
 *  2. none, if the pixel's nearest point is h away or more;
 *  3. the mean of the projected kernel at the centres of 3 x 3 sub-cells, times (pixel/h)^2,
 *     if the farthest corner is nearer than h;
 *  4. otherwise the same with n x n sub-cells, n = max(4, ceil(2 pixel/h)).
 * Shares of a particle add up to one within 5e-4 for h of 3 pixels or more, within 2e-2 for smaller discs.
 * Particles outside the field reach into it. A disc smaller than 2^-40 of a pixel is a point; h = 0 is
 * valid.
 *
 * OpenMP over strips of the image; each pixel is summed in particle order, whatever the threads.
 *
 * @param x, y, h in, [n_particle], h >= 0
 * @param value   in, [n_particle][n_channel]
 * @param image   in and out, [n_channel][n_x][n_y], not aliasing
 * @param arena   scratch, about 50 bytes per particle, 8 more for each strip of n_x/64 rows it covers
 *
 * Return: 0; POLYPHONY_INTERNAL when memory is short, image untouched.
 */
int deposit_smoothed(const struct kernel_table *table, const struct pixel_grid *grid, size_t n_particle,
                     const double *x, const double *y, const double *h, size_t n_channel, const double *value,
                     double *image, struct arena *arena, struct error *err);

/** Most of the arena that deposit_smoothed() takes [bytes]: each particle may touch every strip. */
uint64_t deposit_scratch_bytes(size_t n_particle, size_t n_y, int n_thread);

/** The definition of deposit_smoothed: every particle meets every pixel. Same bits, one thread. */
void deposit_smoothed_ref(const struct kernel_table *table, const struct pixel_grid *grid, size_t n_particle,
                          const double *x, const double *y, const double *h, size_t n_channel,
                          const double *value, double *image);

/**
 * Add each particle to the pixel it is in (docs/physics.md 11). The upper edges of the field belong to its
 * last pixels; particles outside are dropped. O(n_particle n_channel), one thread, allocates nothing.
 */
void deposit_histogram(const struct pixel_grid *grid, size_t n_particle, const double *x, const double *y,
                       size_t n_channel, const double *value, double *image);
