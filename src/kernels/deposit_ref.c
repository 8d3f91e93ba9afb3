/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "deposit_ref.h"

#include "deposit_share.h"

/* Sum of the projected kernel over the samples dx2[n_x] x dy2[n_y]; those not under the disc add zero. */
static inline double sum_samples(const struct kernel_table *table, double node_per_length, int n_x,
                                 const double *dx2, int n_y, const double *dy2)
{
    double sum = 0.0;

    for (int i = 0; i < n_x; i++)
        for (int j = 0; j < n_y; j++)
            sum += kernel_table_at_node(table, sqrt(dx2[i] + dy2[j]) * node_per_length);
    return sum;
}

/* The share of pixel (i, j): the four rules as they stand. */
static double pixel_share(const struct kernel_table *table, const struct splat *splat, size_t i, size_t j)
{
    struct reach reach_x = reach_of(splat, splat->x, i), reach_y = reach_of(splat, splat->y, j);
    double dx2[N_EDGE_MAX], dy2[N_EDGE_MAX];

    if (reach_x.inside && reach_y.inside)
        return 1.0;
    if (splat->h == 0.0 || reach_x.near2 + reach_y.near2 >= splat->h2)
        return 0.0;
    if (reach_x.far2 + reach_y.far2 < splat->h2) {
        for (int k = 0; k < N_INSIDE; k++) {
            dx2[k] = sample2(splat, splat->x, i, k, splat->pixel / N_INSIDE);
            dy2[k] = sample2(splat, splat->y, j, k, splat->pixel / N_INSIDE);
        }
        return splat->inside_factor *
               sum_samples(table, splat->node_per_length, N_INSIDE, dx2, N_INSIDE, dy2);
    }
    int n_x = edge_samples(splat, splat->x, i, dx2);
    int n_y = edge_samples(splat, splat->y, j, dy2);

    return splat->edge_factor * sum_samples(table, splat->node_per_length, n_x, dx2, n_y, dy2);
}

/* Pixels within reach of a disc along an axis, and two more on each side: [0] up to [1]. */
static void pixels_near(double x, double h, double pixel, size_t n, size_t *ret_pixel)
{
    ret_pixel[0] = (size_t)fmin(fmax(floor((x - h) / pixel) - 2.0, 0.0), (double)n);
    ret_pixel[1] = (size_t)fmin(fmax(floor((x + h) / pixel) + 3.0, 0.0), (double)n);
}

void deposit_smoothed_ref(const struct kernel_table *table, const struct pixel_grid *grid, size_t n_particle,
                          const double *x, const double *y, const double *h, size_t n_channel,
                          const double *value, double *const *image)
{
    for (size_t i_particle = 0; i_particle < n_particle; i_particle++) {
        struct splat splat = splat_of(grid, x[i_particle], y[i_particle], h[i_particle]);
        size_t rows[2], columns[2];

        pixels_near(splat.x, splat.h, splat.pixel, grid->n_x, rows);
        pixels_near(splat.y, splat.h, splat.pixel, grid->n_y, columns);
        for (size_t i = rows[0]; i < rows[1]; i++) {
            for (size_t j = columns[0]; j < columns[1]; j++) {
                double share = pixel_share(table, &splat, i, j);

                for (size_t i_channel = 0; i_channel < n_channel; i_channel++)
                    image[i_channel][i * grid->n_y + j] += value[i_particle * n_channel + i_channel] * share;
            }
        }
    }
}
