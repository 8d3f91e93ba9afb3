/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/observe.h"

#include <math.h>

/*
 * Stars placed at once, so that no array of all of them is needed. Blocks are placed by all threads and added
 * in order, so that the bits are those of one thread. Few blocks are not worth more threads.
 */
enum { BLOCK = 512, BLOCKS_SERIAL = 8 };

static size_t block_size(const struct galaxy *galaxy, size_t first)
{
    return galaxy->n_star - first < BLOCK ? galaxy->n_star - first : BLOCK;
}

void observe_sfh(const struct grid *grid, enum weights_scheme scheme, const struct galaxy *galaxy,
                 double *sfh_msun)
{
    const struct axis_nodes axis = { grid->n_age, grid->log10_age };

#pragma omp parallel for ordered schedule(static, 1) if (galaxy->n_star > BLOCKS_SERIAL * BLOCK)
    for (size_t first = 0; first < galaxy->n_star; first += BLOCK) {
        size_t n = block_size(galaxy, first);
        double age[BLOCK];

        for (size_t i = 0; i < n; i++)
            age[i] = log10(galaxy->star_age_yr[first + i]);
#pragma omp ordered
        weights_histogram_axis(&axis, scheme, n, age, galaxy->star_mass_msun + first, sfh_msun);
    }
}

void observe_sfzh(const struct grid *grid, enum weights_scheme scheme, const struct galaxy *galaxy,
                  double *sfzh_msun)
{
    const struct axis_nodes axes[2] = { { grid->n_age, grid->log10_age },
                                        { grid->n_metallicity, grid->log10_metallicity } };

#pragma omp parallel for ordered schedule(static, 1) if (galaxy->n_star > BLOCKS_SERIAL * BLOCK)
    for (size_t first = 0; first < galaxy->n_star; first += BLOCK) {
        size_t n = block_size(galaxy, first);
        double age[BLOCK], metallicity[BLOCK];
        uint32_t cell[BLOCK][WEIGHTS_N_CORNER];
        double share[BLOCK][WEIGHTS_N_CORNER];
        struct weights weights = { n, cell, share };

        for (size_t i = 0; i < n; i++) {
            age[i] = log10(galaxy->star_age_yr[first + i]);
            metallicity[i] = log10(galaxy->star_metallicity[first + i]);
        }
        weights_assign(axes, scheme, n, age, metallicity, &weights);
#pragma omp ordered
        weights_histogram(&weights, galaxy->star_mass_msun + first, sfzh_msun);
    }
}
