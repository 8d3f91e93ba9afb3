/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/columns.h"

#include "fast/columns.h"

struct columns_index {
    struct columns_tree tree;
    struct columns_frame frame;
};

/* Gas counts where h^2 is a normal number. */
bool columns_h_counts(double h_kpc);

struct columns_key {
    uint64_t key;
    size_t i;
};
/* Sort by the first n_bit bits of the keys, stable. Result in `keys`; O(n n_bit/8). */
void columns_sort(size_t n, unsigned n_bit, struct columns_key *keys, struct columns_key *scratch);
