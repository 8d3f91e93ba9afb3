/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "attenuate.h"

#include "exp.h"
#include "lanes.h"

/* ---- weights at nodes ------------------------------------------------------------------------ */

/* n_node is a constant of each call, and n_corner of most. */
__attribute__((always_inline)) static inline void
add_nodes_of(const struct screen_particles *particles, size_t n_corner, double tau_min, double tau_black,
             const uint32_t *slot, size_t n_node, size_t stride, const double *restrict node,
             double *restrict weight)
{
    for (size_t i = 0; i < particles->n; i++) {
        double mass = particles->mass[i], tau = particles->tau[i] - tau_min;
        double transmitted[SCREEN_NODE_MAX];

        if (mass == 0.0 || tau > tau_black)
            continue;
#pragma omp simd
        for (size_t m = 0; m < n_node; m++)
            transmitted[m] = mass * fast_exp(-tau * node[m]);
        for (size_t corner = 0; corner < n_corner; corner++) {
            double share = particles->share[i * n_corner + corner];
            double *at_node = weight + (size_t)slot[particles->cell[i * n_corner + corner]] * stride;

            if (share == 0.0)
                continue;
#pragma omp simd
            for (size_t m = 0; m < n_node; m++)
                at_node[m] = fma(share, transmitted[m], at_node[m]);
        }
    }
}

/* n_corner is a constant of most calls. */
__attribute__((always_inline)) static inline void
add_nodes_any(const struct screen_particles *particles, size_t n_corner, double tau_min, double tau_black,
              const uint32_t *slot, size_t n_node, size_t stride, const double *node, double *weight)
{
    if (n_node == 8)
        add_nodes_of(particles, n_corner, tau_min, tau_black, slot, 8, stride, node, weight);
    else if (n_node == 16)
        add_nodes_of(particles, n_corner, tau_min, tau_black, slot, 16, stride, node, weight);
    else
        add_nodes_of(particles, n_corner, tau_min, tau_black, slot, 24, stride, node, weight);
}

static void add_nodes(const struct screen_particles *particles, double tau_min, double tau_black,
                      const uint32_t *slot, size_t n_node, size_t stride, const double *node, double *weight)
{
    if (particles->n_corner == 4)
        add_nodes_any(particles, 4, tau_min, tau_black, slot, n_node, stride, node, weight);
    else
        add_nodes_any(particles, particles->n_corner, tau_min, tau_black, slot, n_node, stride, node, weight);
}

/* ---- columns --------------------------------------------------------------------------------- */

#define N_VECTOR 3
#define N_COLUMN (N_VECTOR * LANES)
#if LANES == 8
#define N_CELL_MOST 8 /* 24 of 32 registers */
#else
#define N_CELL_MOST 4 /* 12 of 16 */
#endif

/* n_cell is a constant of each call, so that its loops unroll. */
__attribute__((always_inline)) static inline void
add_registers(size_t n_cell, size_t first, size_t n_node, const double *weight,
              const double (*basis)[SCREEN_GRAIN], size_t n_table, const double *const (*row)[SCREEN_CELLS],
              double (*sum)[SCREEN_GRAIN], size_t column)
{
    lanes a[N_CELL_MOST][N_VECTOR];

#pragma GCC unroll 8
    for (size_t c = 0; c < n_cell; c++)
#pragma GCC unroll 3
        for (size_t v = 0; v < N_VECTOR; v++)
            a[c][v] = lanes_all(0.0);
    for (size_t m = 0; m < n_node; m++) {
        lanes x[N_VECTOR];

#pragma GCC unroll 3
        for (size_t v = 0; v < N_VECTOR; v++)
            x[v] = lanes_load(basis[m] + column + v * LANES);
#pragma GCC unroll 8
        for (size_t c = 0; c < n_cell; c++) {
            lanes factor = lanes_all(weight[(first + c) * n_node + m]);

#pragma GCC unroll 3
            for (size_t v = 0; v < N_VECTOR; v++)
                a[c][v] = lanes_fma(factor, x[v], a[c][v]);
        }
    }
    for (size_t t = 0; t < n_table; t++)
#pragma GCC unroll 3
        for (size_t v = 0; v < N_VECTOR; v++) {
            lanes s = lanes_load(sum[t] + column + v * LANES);

#pragma GCC unroll 8
            for (size_t c = 0; c < n_cell; c++)
                s = lanes_fma(a[c][v], lanes_load(row[t][first + c] + column + v * LANES), s);
            lanes_store(sum[t] + column + v * LANES, s);
        }
}

static void add_columns(size_t n_cell, size_t n_node, const double *weight,
                        const double (*basis)[SCREEN_GRAIN], size_t n_table,
                        const double *const (*row)[SCREEN_CELLS], double (*sum)[SCREEN_GRAIN])
{
    for (size_t column = 0; column < SCREEN_GRAIN; column += N_COLUMN) {
        size_t first = 0;

        for (; n_cell - first >= N_CELL_MOST; first += N_CELL_MOST)
            add_registers(N_CELL_MOST, first, n_node, weight, basis, n_table, row, sum, column);
        if (n_cell - first >= 4) {
            add_registers(4, first, n_node, weight, basis, n_table, row, sum, column);
            first += 4;
        }
        for (; first < n_cell; first++)
            add_registers(1, first, n_node, weight, basis, n_table, row, sum, column);
    }
}

/* ---- without nodes --------------------------------------------------------------------------- */

/* The corners that a particle has a share in. */
struct corners {
    size_t n;
    double share[WEIGHTS_CORNER_MAX];
    size_t first[WEIGHTS_CORNER_MAX]; /* of the cell's row */
};

static inline void find_corners(const struct screen_particles *particles, size_t i, size_t n_column,
                                struct corners *ret_corners)
{
    const size_t n_corner = particles->n_corner;
    const uint32_t *cell = particles->cell + i * n_corner;
    const double *share = particles->share + i * n_corner;
    size_t n = 0;

    for (size_t corner = 0; corner < n_corner; corner++)
        if (share[corner] != 0.0) {
            ret_corners->share[n] = share[corner];
            ret_corners->first[n++] = cell[corner] * n_column;
        }
    ret_corners->n = n;
}

/* n_corner is a constant of each call, and n of most: corners from `begin` on. */
__attribute__((always_inline)) static inline void
add_corners(size_t n_corner, const struct corners *corners, size_t begin, size_t n,
            const double *restrict transmitted, const double *restrict value, double *restrict sum)
{
    double share[4];
    const double *row[4];

    for (size_t corner = 0; corner < n_corner; corner++) {
        share[corner] = corners->share[begin + corner];
        row[corner] = value + corners->first[begin + corner];
    }
#pragma omp simd
    for (size_t j = 0; j < n; j++) {
        double s = sum[j];

#pragma GCC unroll 4
        for (size_t corner = 0; corner < n_corner; corner++)
            s = fma(share[corner] * transmitted[j], row[corner][j], s);
        sum[j] = s;
    }
}

__attribute__((always_inline)) static inline void add_direct_to(const struct screen_particles *particles,
                                                                size_t n, const double *restrict k,
                                                                size_t n_table, const double *const *value,
                                                                size_t n_column, double *const *sum)
{
    for (size_t i = 0; i < particles->n; i++) {
        double mass = particles->mass[i], tau = particles->tau[i];
        struct corners corners;
        double transmitted[SCREEN_DIRECT];

        if (mass == 0.0)
            continue;
        find_corners(particles, i, n_column, &corners);
#pragma omp simd
        for (size_t j = 0; j < n; j++)
            transmitted[j] = mass * fast_exp(-tau * k[j]);
        for (size_t t = 0; t < n_table; t++) {
            size_t begin = 0;

            for (; begin + 4 <= corners.n; begin += 4)
                add_corners(4, &corners, begin, n, transmitted, value[t], sum[t]);
            if (corners.n - begin == 3)
                add_corners(3, &corners, begin, n, transmitted, value[t], sum[t]);
            else if (corners.n - begin == 2)
                add_corners(2, &corners, begin, n, transmitted, value[t], sum[t]);
            else if (corners.n - begin == 1)
                add_corners(1, &corners, begin, n, transmitted, value[t], sum[t]);
        }
    }
}

static void add_direct(const struct screen_particles *particles, size_t n, const double *k, size_t n_table,
                       const double *const *value, size_t n_column, double *const *sum)
{
    if (n == SCREEN_DIRECT)
        add_direct_to(particles, SCREEN_DIRECT, k, n_table, value, n_column, sum);
    else
        add_direct_to(particles, n, k, n_table, value, n_column, sum);
}

/* ---- the basis ------------------------------------------------------------------------------- */

static void make_basis(size_t n_node, const double *node, const double *w, const double *restrict k,
                       double (*restrict ret_basis)[SCREEN_GRAIN])
{
    double total[SCREEN_GRAIN] = { 0 };
    double hit[SCREEN_GRAIN] = { 0 }; /* is the column at a node? */

    for (size_t m = 0; m < n_node; m++)
#pragma omp simd
        for (size_t j = 0; j < SCREEN_GRAIN; j++) {
            double distance = k[j] - node[m];
            double term = w[m] / (distance == 0.0 ? 1.0 : distance);

            ret_basis[m][j] = term;
            total[j] += term;
            hit[j] = distance == 0.0 ? 1.0 : hit[j];
        }
    for (size_t m = 0; m < n_node; m++)
#pragma omp simd
        for (size_t j = 0; j < SCREEN_GRAIN; j++) {
            double at_node = k[j] == node[m] ? 1.0 : 0.0;

            ret_basis[m][j] = hit[j] > 0.0 ? at_node : ret_basis[m][j] / total[j];
        }
}

const struct attenuate_fast FAST(attenuate_fast) = {
    .add_nodes = add_nodes, .add_columns = add_columns, .add_direct = add_direct, .make_basis = make_basis
};
