/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "columns_ref.h"

#include <math.h>

#include "columns_index.h"

/* Kernel column seen from dx, dy, dz = target - gas, which overlap. */
static double column_through(enum sph_kernel kernel, double dx, double dy, double dz, double h)
{
    double b = sqrt(dx * dx + dy * dy) / h;

    return dz < h ? sph_kernel_column(kernel, b, dz / h) : sph_kernel_column_whole(kernel, b);
}

static double column_plain(enum sph_kernel kernel, const struct column_gas *gas, double x, double y, double z)
{
    double sum = 0.0;

    for (size_t i = 0; i < gas->n; i++) {
        double dx = x - gas->x_kpc[i], dy = y - gas->y_kpc[i], dz = z - gas->z_kpc[i], h = gas->h_kpc[i];

        if (columns_h_counts(h) && dx * dx + dy * dy < h * h && dz > -h)
            sum += gas->dust_mass_msun[i] / (h * h) * column_through(kernel, dx, dy, dz, h);
    }
    return sum;
}

void columns_ref(enum sph_kernel kernel, const struct column_gas *gas, size_t n_target, const double *x,
                 const double *y, const double *z, double *ret_column_msun_kpc2)
{
    for (size_t i = 0; i < n_target; i++)
        ret_column_msun_kpc2[i] = column_plain(kernel, gas, x[i], y[i], z[i]);
}
