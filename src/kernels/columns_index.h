/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/columns.h"

#include "fast/columns.h"

struct columns_index {
    struct columns_tree tree;
    double x_low, y_low;     /* of the gas */
    double x_scale, y_scale; /* to its width in steps of columns_place() */
};

/* Gas counts where h^2 is a normal number. */
bool columns_h_counts(double h_kpc);

/* Places of up to COLUMNS_PLACES_MAX points on a curve through the whole plane that stays near itself
 * (Hilbert 1891). */
enum { COLUMNS_PLACES_MAX = 64 };
void columns_places(const struct columns_index *index, size_t n, const double *x, const double *y,
                    uint32_t ret_place[COLUMNS_PLACES_MAX]);

struct columns_key {
    uint64_t key;
    size_t i;
};
/* Sort by the first n_bit bits of the keys, stable. Result in `keys`; O(n n_bit/8). */
void columns_sort(size_t n, unsigned n_bit, struct columns_key *keys, struct columns_key *scratch);
