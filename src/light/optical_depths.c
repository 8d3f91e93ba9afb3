/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/light.h"

#include <string.h>

#define PC2_PER_KPC2 1e6

int observe_gas_index(enum sph_kernel kernel, const struct particles *gas, struct columns_index **ret_index,
                      struct arena *arena, struct error *err)
{
    const struct column_gas columns = { gas->n,
                                        gas->field[FIELD_X_KPC],
                                        gas->field[FIELD_Y_KPC],
                                        gas->field[FIELD_Z_KPC],
                                        gas->field[FIELD_SMOOTHING_KPC],
                                        gas->field[FIELD_DUST_MASS_MSUN] };

    return columns_index_make(kernel, &columns, arena, ret_index, err);
}

int observe_optical_depths(const struct columns_index *gas, double kappa_pc2_msun,
                           const struct particles *particles, struct arena *arena, double *ret_tau_v,
                           struct error *err)
{
    const double *const *field = particles->field;
    int r = columns_search(gas, particles->n, field[FIELD_X_KPC], field[FIELD_Y_KPC], field[FIELD_Z_KPC],
                           arena, ret_tau_v, NULL, err);

    for (size_t i = 0; !r && i < particles->n; i++)
        ret_tau_v[i] *= kappa_pc2_msun / PC2_PER_KPC2;
    return r;
}

/* ---- what they are like ---------------------------------------------------------------------- */

void observe_depths_add(struct observe_depths *depths, size_t n, const double *tau_v, const double *weight)
{
    for (size_t i = 0; i < n; i++) {
        depths->sum += tau_v[i] * (weight ? weight[i] : 1.0);
        depths->total += weight ? weight[i] : 1.0;
    }
}

/*
 * The value that would be at `place` of n values >= 0 if they were sorted. Their bit patterns are in their
 * order, so it is found 8 bits at a time, from the highest, by counting: without a copy of the values.
 */
static double value_at_place(size_t n, const double *value, size_t place)
{
    enum { BITS = 8, N_DIGIT = 1 << BITS };
    uint64_t found = 0, known = 0; /* the bits found so far, and which these are */
    double ret;

    for (int shift = 64 - BITS; shift >= 0; shift -= BITS) {
        size_t count[N_DIGIT] = { 0 }, digit = 0;

        for (size_t i = 0; i < n; i++) {
            uint64_t bits;

            memcpy(&bits, &value[i], sizeof(bits));
            count[bits >> shift & (N_DIGIT - 1)] += (bits & known) == found;
        }
        while (place >= count[digit])
            place -= count[digit++];
        found |= (uint64_t)digit << shift;
        known |= (uint64_t)(N_DIGIT - 1) << shift;
    }
    memcpy(&ret, &found, sizeof(ret));
    return ret;
}

void observe_depths_summary(const struct observe_depths *depths, size_t n, const double *tau_v,
                            double ret_summary[3])
{
    if (n == 0)
        return;
    ret_summary[0] = depths->total > 0 ? depths->sum / depths->total : 0.0;
    ret_summary[1] = 0.5 * (value_at_place(n, tau_v, (n - 1) / 2) + value_at_place(n, tau_v, n / 2));
    ret_summary[2] = value_at_place(n, tau_v, n - 1);
}
