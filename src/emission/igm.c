/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/igm.h"

#include <strings.h>

#include "emission_private.h"

int igm_find(const char *name, const struct igm_row **ret_igm, struct error *err)
{
    for (const struct igm_row *const *row = igm_rows; *row; row++)
        if (!strcasecmp(name, (*row)->name)) {
            *ret_igm = *row;
            return 0;
        }
    return emission_unknown("model of the intergalactic medium", name, (const void *const *)igm_rows, err);
}

static void let_all_through(double redshift, size_t n, const double *lambda_observed_angstrom,
                            double *ret_transmission)
{
    (void)redshift;
    (void)lambda_observed_angstrom;
    for (size_t i = 0; i < n; i++)
        ret_transmission[i] = 1;
}

const struct igm_row igm_row_none = { .name = "none", .source = "", .transmission = let_all_through };

void igm_transmission(const struct igm_row *igm, double redshift, size_t n,
                      const double *lambda_observed_angstrom, double *ret_transmission)
{
    const struct igm_row *row = redshift > 0 ? igm : &igm_row_none;

    row->transmission(redshift, n, lambda_observed_angstrom, ret_transmission);
}
