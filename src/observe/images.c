/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/observe.h"

#include <math.h>
#include <string.h>

#define PIXEL_COUNT_MAX 65535

size_t observe_pixel_count(double fov_arcsec, double resolution_arcsec)
{
    /* The nudge makes a field of 7.285 / 0.031 = 235 pixels 235 pixels (docs/physics.md 11). */
    double n = rint(fov_arcsec / resolution_arcsec + 1e-10);

    return n >= 1 && n <= PIXEL_COUNT_MAX ? (size_t)n : 0;
}

int observe_images(const struct kernel_table *table, const struct galaxy *galaxy, double arcsec_per_kpc,
                   size_t n_pixel, double resolution_arcsec, size_t n_channel, const double *value,
                   double *ret_image, struct arena *arena, struct error *err)
{
    const double width = (double)n_pixel * resolution_arcsec;
    const struct pixel_grid pixels = { n_pixel, n_pixel, width, width, resolution_arcsec };
    size_t n = galaxy->n_star;
    struct arena_mark mark = arena_mark(arena);
    double *x = arena_array(arena, n, sizeof(*x)), *y = arena_array(arena, n, sizeof(*y));
    double *h = arena_array(arena, n, sizeof(*h));
    int r = 0;

    if (!x || !y || !h)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for images of %zu stars", n);
    for (size_t i = 0; i < n; i++) {
        x[i] = (galaxy->star_x_kpc[i] - galaxy->centre_kpc[0]) * arcsec_per_kpc;
        y[i] = (galaxy->star_y_kpc[i] - galaxy->centre_kpc[1]) * arcsec_per_kpc;
        h[i] = table ? galaxy->star_h_kpc[i] * arcsec_per_kpc : 0.0;
    }
    memset(ret_image, 0, n_channel * n_pixel * n_pixel * sizeof(*ret_image));
    if (table)
        r = deposit_smoothed(table, &pixels, n, x, y, h, n_channel, value, ret_image, arena, err);
    else
        deposit_histogram(&pixels, n, x, y, n_channel, value, ret_image);
    arena_release(arena, mark);
    return r;
}
