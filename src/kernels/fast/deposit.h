/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "fast.h"
#include "polyphony/deposit.h"

/* Pixels a side of a tile; its lists then stay in the second-level cache, and there are enough tiles for many
 * threads. A multiple of eight. */
enum { DEPOSIT_TILE = 16 };

struct deposit {
    const struct kernel_table *table;
    const struct pixel_grid *grid;
    const double *x, *y, *h;
    size_t n_channel;
    const double *value;
    double *const *image;
    enum deposit_sampling sampling;
};

/* Scratch of a thread. */
struct deposit_work;

struct deposit_fast {
    /* Bytes of scratch, to be aligned to 64. */
    size_t (*work_bytes)(size_t n_channel);
    /* Deposit particle[n], in this order, on n_i rows of the tile, from row i and column j on. */
    void (*tile)(const struct deposit *deposit, size_t i, size_t n_i, size_t j, size_t n,
                 const uint32_t *particle, struct deposit_work *work);
};
FAST_DECLARE(struct deposit_fast, deposit_fast);
