/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/light.h"

#include <math.h>

#define PIXEL_COUNT_MAX 65535

/* Particles deposited at once: their places and lists then need little memory. */
enum { BLOCK = 16384 };

size_t observe_pixel_count(double fov_arcsec, double resolution_arcsec)
{
    /* The nudge makes a field of 7.285 / 0.031 = 235 pixels 235 pixels (docs/physics.md 11). */
    double n = rint(fov_arcsec / resolution_arcsec + 1e-10);

    return n >= 1 && n <= PIXEL_COUNT_MAX ? (size_t)n : 0;
}

static struct pixel_grid grid_of(const struct image_pixels *pixels)
{
    double width = (double)pixels->n_pixel * pixels->resolution_arcsec;

    return (struct pixel_grid) { pixels->n_pixel, pixels->n_pixel, width, width, pixels->resolution_arcsec };
}

uint64_t observe_images_bytes(const struct image_pixels *pixels, size_t n_channel, int n_thread)
{
    struct pixel_grid grid = grid_of(pixels);

    return 3 * BLOCK * sizeof(double) +
           (pixels->table ? deposit_scratch_bytes(&grid, BLOCK, n_channel, n_thread) : 0);
}

int observe_images(const struct image_pixels *pixels, const struct particles *particles,
                   const double centre_kpc[3], double arcsec_per_kpc, size_t n_channel, const double *value,
                   double *const *image, struct arena *arena, struct error *err)
{
    const struct pixel_grid grid = grid_of(pixels);
    const struct kernel_table *table = pixels->table;
    struct arena_mark mark = arena_mark(arena);
    double *x = arena_array(arena, BLOCK, sizeof(*x)), *y = arena_array(arena, BLOCK, sizeof(*y));
    double *h = arena_array(arena, BLOCK, sizeof(*h));
    int r = 0;

    if (!x || !y || !h)
        r = error_set(err, POLYPHONY_INTERNAL, "no memory for images of %zu particles", particles->n);
    for (size_t first = 0; !r && first < particles->n; first += BLOCK) {
        size_t n = particles->n - first < BLOCK ? particles->n - first : BLOCK;
        const double *of_block = value + first * n_channel;

        for (size_t i = 0; i < n; i++) {
            x[i] = (particles->field[FIELD_X_KPC][first + i] - centre_kpc[0]) * arcsec_per_kpc;
            y[i] = (particles->field[FIELD_Y_KPC][first + i] - centre_kpc[1]) * arcsec_per_kpc;
            h[i] = table ? particles->field[FIELD_SMOOTHING_KPC][first + i] * arcsec_per_kpc : 0.0;
        }
        if (!table)
            deposit_histogram(&grid, n, x, y, n_channel, of_block, image);
        else if (pixels->sampling == DEPOSIT_EXACT)
            r = deposit_exact(table, &grid, n, x, y, h, n_channel, of_block, image, arena, err);
        else
            r = deposit_smoothed(table, &grid, n, x, y, h, n_channel, of_block, image, arena, err);
    }
    arena_release(arena, mark);
    return r;
}
