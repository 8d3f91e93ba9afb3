/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * exp() for loops that are vectorised: arithmetic only, and the same bits in all instruction sets.
 *
 * exp(x) = 2^n exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2. ln 2 is split so that n times its upper
 * part is exact (Cody & Waite 1980); exp(r) = 1 + r + r^2 q(r), q of degree 9 through the Chebyshev points of
 * the interval, 1.6e-17 from the truth. Error below 1.1 ulp, and below 1.1 of the least number where results
 * are denormal. 2^n is multiplied in as two powers that are numbers for every n: only the second product
 * rounds, to denormals and to 0 below -745.14, and overflows above 709.79.
 * exp(-inf) is 0, exp(inf) is inf, NaN stays NaN.
 */
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fast.h"

static inline double exp_from_bits(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

static inline double fast_exp(double x)
{
    /* Added to n, its last bits are n + 2046: twice the bias of an exponent, so that halves are not below 0. */
    const double round = 0x1.8p52 + 2046.0;
    double shifted, n, r, r2, r4, q, p;
    uint64_t bits, upper, lower;

    x = x > 710.0 ? 710.0 : x;
    x = x < -746.0 ? -746.0 : x;
    shifted = fma(x, 0x1.71547652b82fep+0, round);
    n = shifted - round;
    r = fma(-n, 0x1.62e42fefa3800p-1, x);
    r = fma(-n, 0x1.ef35793c76730p-45, r);
    r2 = r * r;
    r4 = r2 * r2;
    q = fma(r2, fma(r, 0x1.11111111109b3p-7, 0x1.5555555553d63p-5),
            fma(r, 0x1.5555555555556p-3, 0x1.0000000000001p-1));
    p = fma(r2, fma(r, 0x1.71de0dae63bb3p-19, 0x1.a019b90d2ae7ap-16),
            fma(r, 0x1.a01a01a7c41d5p-13, 0x1.6c16c1788bd90p-10));
    p = fma(r4, fma(r, 0x1.af38a9b0ec855p-26, 0x1.289185613a3d6p-22), p);
    q = fma(r4, p, q);
    p = 1.0 + fma(r2, q, r);
    memcpy(&bits, &shifted, sizeof(bits));
    bits &= 0xfff;
    upper = bits >> 1;
    lower = bits - upper;
    return p * exp_from_bits(upper << 52) * exp_from_bits(lower << 52);
}

struct exp_fast {
    /* ret[i] = fast_exp(x[i]), for tests and benchmarks */
    void (*all)(size_t n, const double *x, double *ret);
};
FAST_DECLARE(struct exp_fast, exp_fast);
