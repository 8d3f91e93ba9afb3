/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random numbers for made-up rows. Philox 4x64 (Salmon et al. 2011, SC'11) gives any of them without those
 * before it.
 */
#include "polyphony/simulate.h"

#include <math.h>

#include <Random123/philox.h>

enum field { FIELD_SCATTER, FIELD_MASS };

#define ALPHA     (-1.4)
#define MASS_STAR 5.011872336272722e10 /* 10^10.7 Msun */
#define MASS_MIN  1e8
#define MASS_MAX  1e12

/* Two numbers in (0, 1]. */
static void make_uniforms(uint64_t seed, uint64_t i, enum field field, uint64_t attempt, double ret_u[2])
{
    philox4x64_ctr_t counter = { { i, (uint64_t)field, attempt, 0 } };
    philox4x64_key_t key = { { seed, 0 } };
    philox4x64_ctr_t words = philox4x64(counter, key);

    for (int k = 0; k < 2; k++)
        ret_u[k] = (double)((words.v[k] >> 11) + 1) * 0x1p-53;
}

/* Box & Muller 1958, Ann. Math. Stat. 29, 610. */
double simulate_scatter(uint64_t seed, uint64_t i, double sigma)
{
    double u[2], normal;

    make_uniforms(seed, i, FIELD_SCATTER, 0, u);
    normal = sqrt(-2.0 * log(u[0])) * cos(2.0 * M_PI * u[1]);
    return exp(sigma * normal - 0.5 * sigma * sigma);
}

/* From the power law by its inverse, kept with the probability exp(-M/M*). */
double simulate_mass_msun(uint64_t seed, uint64_t i)
{
    const double power = ALPHA + 1.0, low = pow(MASS_MIN, power), high = pow(MASS_MAX, power);
    double u[2], mass_msun;
    uint64_t attempt = 0;

    do {
        make_uniforms(seed, i, FIELD_MASS, attempt++, u);
        mass_msun = pow(low + (high - low) * u[0], 1.0 / power);
    } while (u[1] > exp(-mass_msun / MASS_STAR));
    return mass_msun;
}
