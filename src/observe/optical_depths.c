/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/observe.h"

#include "polyphony/columns.h"

#define PC2_PER_KPC2 1e6

int observe_optical_depths(enum sph_kernel kernel, double kappa_pc2_msun, const struct galaxy *galaxy,
                           size_t n, const double *x_kpc, const double *y_kpc, const double *z_kpc,
                           double *ret_tau_v, struct arena *arena, struct error *err)
{
    const struct column_gas gas = { galaxy->n_gas,     galaxy->gas_x_kpc, galaxy->gas_y_kpc,
                                    galaxy->gas_z_kpc, galaxy->gas_h_kpc, galaxy->gas_dust_mass_msun };
    int r = columns_search(kernel, &gas, n, x_kpc, y_kpc, z_kpc, ret_tau_v, arena, err);

    for (size_t i = 0; !r && i < n; i++)
        ret_tau_v[i] *= kappa_pc2_msun / PC2_PER_KPC2;
    return r;
}
