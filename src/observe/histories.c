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

static double coordinate(const struct grid *grid, int i_axis, double value)
{
    return grid->history_is_log[i_axis] ? log10(value) : value;
}

void observe_sfh(const struct grid *grid, enum weights_scheme scheme, const struct galaxy *galaxy,
                 double *sfh_msun)
{
    const struct axis_nodes axis = grid->history_axis[0];

#pragma omp parallel for ordered schedule(static, 1) if (galaxy->n_star > BLOCKS_SERIAL * BLOCK)
    for (size_t first = 0; first < galaxy->n_star; first += BLOCK) {
        size_t n = block_size(galaxy, first);
        double age[BLOCK];

        for (size_t i = 0; i < n; i++)
            age[i] = coordinate(grid, 0, galaxy->star_age_yr[first + i]);
#pragma omp ordered
        weights_histogram_axis(&axis, scheme, n, age, galaxy->star_mass_msun + first, sfh_msun);
    }
}

void observe_sfzh(const struct grid *grid, enum weights_scheme scheme, const struct galaxy *galaxy,
                  double *sfzh_msun)
{
#pragma omp parallel for ordered schedule(static, 1) if (galaxy->n_star > BLOCKS_SERIAL * BLOCK)
    for (size_t first = 0; first < galaxy->n_star; first += BLOCK) {
        size_t n = block_size(galaxy, first);
        double age[BLOCK], metallicity[BLOCK];
        uint32_t cell[BLOCK][WEIGHTS_N_CORNER];
        double share[BLOCK][WEIGHTS_N_CORNER];
        struct weights weights = { n, cell, share };

        for (size_t i = 0; i < n; i++) {
            age[i] = coordinate(grid, 0, galaxy->star_age_yr[first + i]);
            metallicity[i] = coordinate(grid, 1, galaxy->star_metallicity[first + i]);
        }
        weights_assign(grid->history_axis, scheme, n, age, metallicity, &weights);
#pragma omp ordered
        weights_histogram(&weights, galaxy->star_mass_msun + first, sfzh_msun);
    }
}
