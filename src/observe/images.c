/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/observe.h"

#include <math.h>

#define PIXEL_COUNT_MAX 65535

/* Stars deposited at once: their places and their lists of strips then need little memory. */
enum { BLOCK = 4096 };

size_t observe_pixel_count(double fov_arcsec, double resolution_arcsec)
{
    /* The nudge makes a field of 7.285 / 0.031 = 235 pixels 235 pixels (docs/physics.md 11). */
    double n = rint(fov_arcsec / resolution_arcsec + 1e-10);

    return n >= 1 && n <= PIXEL_COUNT_MAX ? (size_t)n : 0;
}

uint64_t observe_images_bytes(bool is_smoothed, size_t n_pixel, int n_thread)
{
    return 3 * BLOCK * sizeof(double) + (is_smoothed ? deposit_scratch_bytes(BLOCK, n_pixel, n_thread) : 0);
}

int observe_images(const struct kernel_table *table, const struct galaxy *galaxy, double arcsec_per_kpc,
                   size_t n_pixel, double resolution_arcsec, size_t n_channel, const double *value,
                   double *image, struct arena *arena, struct error *err)
{
    const double width = (double)n_pixel * resolution_arcsec;
    const struct pixel_grid pixels = { n_pixel, n_pixel, width, width, resolution_arcsec };
    struct arena_mark mark = arena_mark(arena);
    double *x = arena_array(arena, BLOCK, sizeof(*x)), *y = arena_array(arena, BLOCK, sizeof(*y));
    double *h = arena_array(arena, BLOCK, sizeof(*h));
    int r = 0;

    if (!x || !y || !h)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for images of %zu stars", galaxy->n_star);
    for (size_t first = 0; !r && first < galaxy->n_star; first += BLOCK) {
        size_t n = galaxy->n_star - first < BLOCK ? galaxy->n_star - first : BLOCK;
        const double *of_block = value + first * n_channel;

        for (size_t i = 0; i < n; i++) {
            x[i] = (galaxy->star_x_kpc[first + i] - galaxy->centre_kpc[0]) * arcsec_per_kpc;
            y[i] = (galaxy->star_y_kpc[first + i] - galaxy->centre_kpc[1]) * arcsec_per_kpc;
            h[i] = table ? galaxy->star_h_kpc[first + i] * arcsec_per_kpc : 0.0;
        }
        if (table)
            r = deposit_smoothed(table, &pixels, n, x, y, h, n_channel, of_block, image, arena, err);
        else
            deposit_histogram(&pixels, n, x, y, n_channel, of_block, image);
    }
    arena_release(arena, mark);
    return r;
}
