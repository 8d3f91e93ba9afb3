/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Step 2 of deposit.c: shares of listed pixels, eight at a time. */
#pragma once

#include "deposit_work.h"

/* kernel_table_at_node() of the distance whose square is d2. */
static inline eight column_at(const double (*column)[2], eight d2, eight node_per_length)
{
    eight node = eight_min(eight_mul(eight_sqrt(d2), node_per_length), eight_all(KERNEL_TABLE_N));
    int32_t place[8] __attribute__((aligned(32)));
    eight whole = eight_truncate(node, place), below, step;

    eight_pairs(column, place, &below, &step);
    return eight_add(below, eight_mul(eight_sub(node, whole), step));
}

/* Squared distances of samples `first`, first + 1, ... of n a side, along one axis. */
static inline eight sample2_of(eight corner, int k, double cell)
{
    eight distance = eight_add(corner, eight_all((k + 0.5) * cell));

    return eight_mul(distance, distance);
}

static inline void compute_list(const struct tile *tile, struct list *list, const int n_sample)
{
    const double(*column)[2] = tile->deposit->table->column;
    double cell = tile->deposit->grid->pixel_width / n_sample;
    double *share = tile->work->share;

    /* Lanes without a pixel look up something that is there. */
    eight_store(list->x + list->n, eight_all(0.0));
    eight_store(list->y + list->n, eight_all(0.0));
    eight_store(list->node_per_length + list->n, eight_all(0.0));
    for (size_t first = 0; first < list->n; first += 8) {
        eight x = eight_load(list->x + first), y = eight_load(list->y + first);
        eight node_per_length = eight_load(list->node_per_length + first);
        eight sum = eight_all(0.0);
        size_t n = list->n - first < 8 ? list->n - first : 8;
        double of_pixel[8];

        for (int k = 0; k < n_sample; k++) {
            eight x2 = sample2_of(x, k, cell);

            for (int l = 0; l < n_sample; l++)
                sum =
                    eight_add(sum, column_at(column, eight_add(x2, sample2_of(y, l, cell)), node_per_length));
        }
        eight_store(of_pixel, eight_mul(eight_load(list->factor + first), sum));
        for (size_t k = 0; k < n; k++)
            share[(size_t)list->entry[first + k]] = of_pixel[k];
    }
    list->n = 0;
}

static inline void compute_narrow(const struct tile *tile)
{
    struct narrow *narrow = &tile->work->narrow;
    const double(*column)[2] = tile->deposit->table->column;
    eight node_per_length = eight_load(narrow->node_per_length), sum = eight_all(0.0);
    double of_pixel[8];

    for (int k = 0; k < narrow->n_x; k++)
        for (int l = 0; l < narrow->n_y; l++)
            sum = eight_add(sum, column_at(column,
                                           eight_add(eight_load(narrow->dx2[k]), eight_load(narrow->dy2[l])),
                                           node_per_length));
    eight_store(of_pixel, eight_mul(eight_load(narrow->factor), sum));
    for (size_t k = 0; k < narrow->n; k++)
        tile->work->share[narrow->entry[k]] = of_pixel[k];
    *narrow = (struct narrow) { 0 };
}
