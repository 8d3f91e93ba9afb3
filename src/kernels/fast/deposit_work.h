/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Scratch of a thread that deposits on an image tile: deposit.c says what comes after what. */
#pragma once

#include "../deposit_share.h"
#include "deposit.h"
#include "deposit_exact.h"
#include "eight.h"

enum {
    TILE = DEPOSIT_TILE,
    N_PIXEL = TILE * TILE,
    N_ENTRY = 4096,  /* between two visits of the images */
    N_LOCAL = 256,   /* particles between two visits */
    N_LIST = 512,    /* entries of a list before they are computed */
    N_CHUNK = 4 * 8, /* channels in registers */
};

/* Pixels whose shares are to be computed; room for a tile, and for stores of eight. */
struct list {
    size_t n;
    double x[N_LIST + N_PIXEL + 8], y[N_LIST + N_PIXEL + 8]; /* of the pixel's corner, from the particle */
    double node_per_length[N_LIST + N_PIXEL + 8];
    double factor[N_LIST + N_PIXEL + 8];
    double entry[N_LIST + N_PIXEL + 8];
};

/* Eight pixels of narrow discs: squared distances of their samples along each axis, beyond all where a pixel
 * has fewer. */
struct narrow {
    size_t n;
    int n_x, n_y;
    double dx2[N_EDGE_MAX][8], dy2[N_EDGE_MAX][8];
    double node_per_length[8], factor[8];
    size_t entry[8];
};

struct deposit_work {
    struct list inside, edge;
    struct narrow narrow;
    struct exact_work exact;
    size_t n_entry, n_local;
    uint32_t local[N_LOCAL]; /* particles */
    double share[N_ENTRY + 8];
    uint16_t i_local[N_ENTRY + 8], i_pixel[N_ENTRY + 8];
    double sorted_share[N_ENTRY];
    uint16_t sorted_local[N_ENTRY];
    uint32_t begin[N_PIXEL + 2];
    double row[]; /* [N_LOCAL][stride] values, then [8][stride] pixels in hand */
};

/* The tile in hand. */
struct tile {
    const struct deposit *deposit;
    size_t i, j, n_i, n_j; /* first pixel, pixels */
    struct deposit_work *work;
};

static inline size_t stride_of(size_t n_channel)
{
    return (n_channel + 7) / 8 * 8;
}
