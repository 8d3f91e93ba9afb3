/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/mix.h"

#include <math.h>
#include <string.h>

/* Columns summed together: 4 KiB, so that the sums stay in the first-level cache while rows stream by. */
#define MIX_TILE 512

void mix_plain(const struct mix_cells *cells, size_t n_column, const double *value, double *ret_sum)
{
    size_t n_tile = (n_column + MIX_TILE - 1) / MIX_TILE;

#pragma omp parallel for schedule(static) default(none) shared(cells, n_column, value, ret_sum, n_tile)
    for (size_t i_tile = 0; i_tile < n_tile; i_tile++) {
        size_t first = i_tile * MIX_TILE;
        size_t n = n_column - first < MIX_TILE ? n_column - first : MIX_TILE;
        double *sum = ret_sum + first;

        memset(sum, 0, n * sizeof(*sum));
        for (size_t c = 0; c < cells->n; c++) {
            const double *row = value + (size_t)cells->cell[c] * n_column + first;
            double mass = cells->mass[c];

#pragma omp simd
            for (size_t j = 0; j < n; j++)
                sum[j] += mass * row[j];
        }
    }
}

size_t mix_node_count(double tau_max, double half_range, size_t n_max)
{
    double a = fabs(tau_max) * half_range;
    double term = exp(-a); /* bound of 4 exp(-a) I_m(a), without exp(a^2 / 4(m+1)) */

    if (!(a > 0))
        return 1;
    /* I_m(a) <= (a/2)^m / m! exp(a^2 / (4 (m + 1))): the terms fall at least as fast as those of a geometric
     * series of ratio 1/2 once m > a, so their sum is below twice the first; 4 from interpolation and the 2
     * of 2 I_m. */
    for (size_t m = 1; m < n_max; m++) {
        term *= a / (2.0 * (double)m);
        if ((double)m > a && 8.0 * term * exp(a * a / (4.0 * ((double)m + 1.0))) < MIX_TOLERANCE)
            return m;
    }
    return n_max;
}

void mix_nodes(double centre, double half_range, size_t n_node, double *ret_node)
{
    for (size_t m = 0; m < n_node; m++)
        ret_node[m] = centre + half_range * cos(M_PI * ((double)m + 0.5) / (double)n_node);
}

void mix_basis(size_t n_node, const double *node, size_t n_k, const double *k, double *ret_basis)
{
    /* Barycentric form; weights of the Chebyshev points of the first kind (Berrut & Trefethen 2004, eq. 5.3).
     */
    for (size_t j = 0; j < n_k; j++) {
        double total = 0.0;
        size_t hit = n_node;

        for (size_t m = 0; m < n_node; m++) {
            double weight = sin(M_PI * ((double)m + 0.5) / (double)n_node) * (m % 2 ? -1.0 : 1.0);
            double distance = k[j] - node[m];

            if (distance == 0.0)
                hit = m;
            ret_basis[m * n_k + j] = distance == 0.0 ? 0.0 : weight / distance;
            total += ret_basis[m * n_k + j];
        }
        for (size_t m = 0; m < n_node; m++)
            ret_basis[m * n_k + j] = hit < n_node ? (m == hit ? 1.0 : 0.0) : ret_basis[m * n_k + j] / total;
    }
}
