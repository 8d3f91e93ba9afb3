/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/light.h"

#include <math.h>

/*
 * Stars placed at once, so that no array of all of them is needed. Blocks are placed by all threads and added
 * in order, so that the bits are those of one thread. Few blocks are not worth more threads.
 */
enum { BLOCK = 512, BLOCKS_SERIAL = 8 };

static size_t block_size(const struct particles *stars, size_t first)
{
    return stars->n - first < BLOCK ? stars->n - first : BLOCK;
}

static double coordinate(const struct grid *grid, int i_axis, double value)
{
    return grid->history_is_log[i_axis] ? log10(value) : value;
}

void observe_sfh(const struct grid *grid, enum weights_scheme scheme, const struct particles *stars,
                 double *sfh_msun)
{
    const struct axis_nodes axis = grid->history_axis[0];

#pragma omp parallel for ordered schedule(static, 1) if (stars->n > BLOCKS_SERIAL * BLOCK)
    for (size_t first = 0; first < stars->n; first += BLOCK) {
        size_t n = block_size(stars, first);
        double age[BLOCK];

        for (size_t i = 0; i < n; i++)
            age[i] = coordinate(grid, 0, stars->field[FIELD_AGE_YR][first + i]);
#pragma omp ordered
        weights_histogram_axis(&axis, scheme, n, age, stars->field[FIELD_INITIAL_MASS_MSUN] + first,
                               sfh_msun);
    }
}

void observe_sfzh(const struct grid *grid, enum weights_scheme scheme, const struct particles *stars,
                  double *sfzh_msun)
{
#pragma omp parallel for ordered schedule(static, 1) if (stars->n > BLOCKS_SERIAL * BLOCK)
    for (size_t first = 0; first < stars->n; first += BLOCK) {
        size_t n = block_size(stars, first);
        double age[BLOCK], metallicity[BLOCK];
        uint32_t cell[4 * BLOCK];
        double share[4 * BLOCK];
        struct weights weights = { .cell = cell, .share = share };

        for (size_t i = 0; i < n; i++) {
            age[i] = coordinate(grid, 0, stars->field[FIELD_AGE_YR][first + i]);
            metallicity[i] = coordinate(grid, 1, stars->field[FIELD_METALLICITY][first + i]);
        }
        weights_assign(2, grid->history_axis, scheme, n, (const double *const[]) { age, metallicity },
                       &weights);
#pragma omp ordered
        weights_histogram(&weights, stars->field[FIELD_INITIAL_MASS_MSUN] + first, sfzh_msun);
    }
}
