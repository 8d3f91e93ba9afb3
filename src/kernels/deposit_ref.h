/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What deposit_smoothed() is compared with in tests and benchmarks. */
#pragma once

#include "polyphony/deposit.h"

/** The definition of deposit_smoothed: a particle meets each pixel in its reach. Same bits, one thread. */
void deposit_smoothed_ref(const struct kernel_table *table, const struct pixel_grid *grid, size_t n_particle,
                          const double *x, const double *y, const double *h, size_t n_channel,
                          const double *value, double *const *image);
