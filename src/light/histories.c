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

/* Coordinates of some stars along an axis of a history. */
static void coordinates(const struct grid_axis *axis, size_t n, const double *value, double *ret_x)
{
    bool is_log = grid_history_is_log(axis);

    for (size_t i = 0; i < n; i++)
        ret_x[i] = is_log ? log10(value[i]) : value[i];
}

void observe_sfh(const struct grid *grid, enum weights_scheme scheme, const struct particles *stars,
                 double *sfh_msun)
{
    const struct grid_axis *ages = grid_find_axis(grid, GRID_AGE);
    const struct axis_nodes nodes = grid_history_nodes(ages);

#pragma omp parallel for ordered schedule(static, 1) if (stars->n > BLOCKS_SERIAL * BLOCK)
    for (size_t first = 0; first < stars->n; first += BLOCK) {
        size_t n = block_size(stars, first);
        double age[BLOCK];

        coordinates(ages, n, stars->field[FIELD_AGE_YR] + first, age);
#pragma omp ordered
        weights_histogram_axis(&nodes, scheme, n, age, stars->field[FIELD_INITIAL_MASS_MSUN] + first,
                               sfh_msun);
    }
}

void observe_sfzh(const struct grid *grid, enum weights_scheme scheme, const struct particles *stars,
                  double *sfzh_msun)
{
    const struct grid_axis *ages = grid_find_axis(grid, GRID_AGE);
    const struct grid_axis *metallicities = grid_find_axis(grid, GRID_METALLICITY);
    const struct axis_nodes nodes[2] = { grid_history_nodes(ages), grid_history_nodes(metallicities) };

#pragma omp parallel for ordered schedule(static, 1) if (stars->n > BLOCKS_SERIAL * BLOCK)
    for (size_t first = 0; first < stars->n; first += BLOCK) {
        size_t n = block_size(stars, first);
        double age[BLOCK], metallicity[BLOCK], share[4 * BLOCK];
        const double *const x[2] = { age, metallicity };
        uint32_t cell[4 * BLOCK];
        struct weights weights = { .cell = cell, .share = share };

        coordinates(ages, n, stars->field[FIELD_AGE_YR] + first, age);
        coordinates(metallicities, n, stars->field[FIELD_METALLICITY] + first, metallicity);
        weights_assign(2, nodes, scheme, n, x, &weights);
#pragma omp ordered
        weights_histogram(&weights, stars->field[FIELD_INITIAL_MASS_MSUN] + first, sfzh_msun);
    }
}
