/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What bands_fill() and bands_particles() are compared with in tests and benchmarks. */
#pragma once

#include "polyphony/bands.h"

/** The definition of bands_fill(): plain loops, the same bits. */
void bands_fill_ref(size_t n_dot, const struct bands_dot *dot, size_t n_column, size_t n_cell,
                    const uint32_t *cell, struct bands_table *table);

/** The definition of bands_particles(): plain loops with libm's exp; without screens the same bits. */
void bands_particles_ref(const struct weights *weights, size_t first, size_t n, size_t n_source,
                         const struct bands_source *source, size_t n_output, double *ret_value);
