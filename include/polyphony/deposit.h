/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Particles onto the pixels of images.
 *
 * Images are image[n_channel], each [n_x][n_y], x slow; pixel (i, j) spans [i, i + 1) x [j, j + 1) pixel
 * widths from the corner (-width_x/2, -width_y/2). Positions are centred on the field; positions, smoothing
 * lengths and widths share one unit of length, any. Values are value[n_particle][n_channel] in any unit,
 * which is that of the pixels. The caller zeroes the image; deposits are added to it in the order of the
 * particles.
 */
#pragma once

#include <stddef.h>

#include "polyphony/base.h"
#include "polyphony/sph_kernel.h"

/** How the share of a pixel is found. */
enum deposit_sampling {
    DEPOSIT_PEER,  /* by sub-pixel samples, as Synthesizer does: deposit_smoothed() */
    DEPOSIT_EXACT, /* by integration over the pixel: deposit_exact() */
};

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
 * Shares of a particle add up to one within 6e-4 for h of 3 pixels or more, within 2e-2 for smaller discs (the
 * quintic kernel 3.1e-2; the uniform one 5e-3 and 0.12).
 * Particles outside the field reach into it. A disc smaller than 2^-40 of a pixel is a point; h = 0 is
 * valid.
 *
 * OpenMP over tiles of the image; each pixel is summed in particle order, whatever the threads.
 *
 * @param x, y, h in, [n_particle], h >= 0
 * @param value   in, [n_particle][n_channel]
 * @param image   in and out, [n_channel] pointers to [n_x][n_y], not aliasing
 * @param arena   scratch, deposit_scratch_bytes()
 *
 * Return: 0; POLYPHONY_INTERNAL when memory is short, image untouched.
 */
int deposit_smoothed(const struct kernel_table *table, const struct pixel_grid *grid, size_t n_particle,
                     const double *x, const double *y, const double *h, size_t n_channel, const double *value,
                     double *const *image, struct arena *arena, struct error *err);

/**
 * The same, the share of a pixel being the integral of the projected kernel over it, to 1e-10 of the
 * particle (and the rounding of positions: 2e-16 of the field's width, over h); shares of a disc within the
 * image add up to one within 1e-10. A point belongs to the pixel it is in, edges to the pixel above.
 * docs/physics.md 11.
 */
int deposit_exact(const struct kernel_table *table, const struct pixel_grid *grid, size_t n_particle,
                  const double *x, const double *y, const double *h, size_t n_channel, const double *value,
                  double *const *image, struct arena *arena, struct error *err);

/** Most of the arena that deposit_smoothed() or deposit_exact() takes [bytes], but for its rounding of five
 * pieces to cache lines. */
uint64_t deposit_scratch_bytes(const struct pixel_grid *grid, size_t n_particle, size_t n_channel,
                               int n_thread);

/**
 * Add each particle to the pixel it is in (docs/physics.md 11). The upper edges of the field belong to its
 * last pixels; particles outside are dropped. O(n_particle n_channel), one thread, allocates nothing.
 */
void deposit_histogram(const struct pixel_grid *grid, size_t n_particle, const double *x, const double *y,
                       size_t n_channel, const double *value, double *const *image);
