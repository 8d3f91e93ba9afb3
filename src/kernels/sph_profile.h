/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SPH kernels as data: polynomials in r on consecutive intervals.
 */
#pragma once

#include "polyphony/sph_kernel.h"

enum { SPH_PIECE_MAX = 3, SPH_POWER_N = 6 };

struct sph_piece {
    double r_end;               /* the piece ends before this r */
    double factor[SPH_POWER_N]; /* of r^0, r^1, ... */
};

struct sph_profile {
    double scale; /* multiplies every piece */
    size_t n_piece;
    struct sph_piece pieces[SPH_PIECE_MAX];
};

const struct sph_profile *sph_profile_of(enum sph_kernel kernel);
