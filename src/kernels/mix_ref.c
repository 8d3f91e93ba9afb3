/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mix_ref.h"

#include <math.h>

void mix_ref(const struct mix_cells *cells, size_t n_column, const double *value, double *ret_sum)
{
    for (size_t j = 0; j < n_column; j++) {
        double sum = 0.0;

        for (size_t i = 0; i < cells->n; i++) {
            size_t cell = cells->cell ? cells->cell[i] : i;

            sum = fma(cells->mass[i], value[cell * n_column + j], sum);
        }
        ret_sum[j] = sum + 0.0;
    }
}
