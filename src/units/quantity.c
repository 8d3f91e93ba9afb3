/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Products of powers of base units.
 */
#include "units_private.h"

#include <math.h>

static const struct {
    long double value; /* cgs */
    signed char dimension[N_DIMENSION];
} bases[N_BASE] = {
    [BASE_TEN] = { 10, { 0 } },
    [BASE_CM] = { 1, { [LENGTH] = 1 } },
    [BASE_KPC] = { UNITS_KPC_CM, { [LENGTH] = 1 } },
    [BASE_G] = { 1, { [MASS] = 1 } },
    [BASE_MSUN] = { UNITS_MSUN_G, { [MASS] = 1 } },
    [BASE_S] = { 1, { [TIME] = 1 } },
    [BASE_YR] = { UNITS_YEAR_S, { [TIME] = 1 } },
    [BASE_LSUN] = { UNITS_LSUN_ERG_S, { [MASS] = 1, [LENGTH] = 2, [TIME] = -3 } },
    [BASE_EV] = { UNITS_EV_ERG, { [MASS] = 1, [LENGTH] = 2, [TIME] = -2 } },
    [BASE_HZ] = { 1, { [FREQUENCY] = 1 } },
    [BASE_RAD] = { 1, { [ANGLE] = 1 } },
    [BASE_ARCSEC] = { UNITS_ARCSEC_RAD, { [ANGLE] = 1 } },
    [BASE_KELVIN] = { 1, { [TEMPERATURE] = 1 } },
    [BASE_SCALE_FACTOR] = { 1, { 0 } },
    [BASE_HUBBLE] = { 1, { 0 } },
};

long double quantity_power_of(long double value, double exponent)
{
    long double power = 1;

    if (exponent != rint(exponent) || exponent > 1024)
        return powl(value, (long double)exponent);
    for (int i = 0; i < (int)exponent; i++)
        power *= value;
    return power;
}

void quantity_multiply(struct quantity *quantity, const struct quantity *factor, double power)
{
    for (size_t i = 0; i < N_BASE; i++)
        quantity->power[i] += power * factor->power[i];
    if (power < 0)
        quantity->number /= quantity_power_of(factor->number, -power);
    else
        quantity->number *= quantity_power_of(factor->number, power);
    quantity->is_comoving |= factor->is_comoving;
}

void quantity_dimensions(const struct quantity *quantity, double ret_dimension[N_DIMENSION])
{
    for (size_t d = 0; d < N_DIMENSION; d++) {
        ret_dimension[d] = 0;
        for (size_t i = 0; i < N_BASE; i++)
            ret_dimension[d] += quantity->power[i] * bases[i].dimension[d];
    }
}

double quantity_value(const struct quantity *quantity)
{
    long double above = quantity->number, below = 1;

    for (size_t i = 0; i < N_BASE; i++)
        if (quantity->power[i] > 0)
            above *= quantity_power_of(bases[i].value, quantity->power[i]);
        else if (quantity->power[i] < 0)
            below *= quantity_power_of(bases[i].value, -quantity->power[i]);
    return (double)(above / below);
}
