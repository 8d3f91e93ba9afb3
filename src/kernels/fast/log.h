/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log() of eight numbers, the same bits in all instruction sets.
 *
 * x = 2^e m with m in [1, 2); the first four bits of m choose the middle c of a sixteenth of [1, 2), and
 * rho = m/c - 1 is within 1/32 of 0:
 *
 *     log(x) = e log(2) + log(c) + log(1 + rho).
 *
 * log(1 + rho) is rho times a polynomial of degree 7 through the Chebyshev points, 2.5e-17 from the truth;
 * tabulated are 1/c, rounded, and -log of that, so that it is exact. Error below 2^-53 max(1, |log(x)|) times
 * 2; relative to small log(x) it is not small.
 */
#pragma once

#include "eight.h"
#include "fast.h"

static const double log_inverse[16] __attribute__((aligned(64))) = {
    0x1.f07c1f07c1f08p-1, 0x1.d41d41d41d41dp-1, 0x1.bacf914c1bad0p-1, 0x1.a41a41a41a41ap-1,
    0x1.8f9c18f9c18fap-1, 0x1.7d05f417d05f4p-1, 0x1.6c16c16c16c17p-1, 0x1.5c9882b931057p-1,
    0x1.4e5e0a72f0539p-1, 0x1.4141414141414p-1, 0x1.3521cfb2b78c1p-1, 0x1.29e4129e4129ep-1,
    0x1.1f7047dc11f70p-1, 0x1.15b1e5f75270dp-1, 0x1.0c9714fbcda3bp-1, 0x1.0410410410410p-1,
};
static const double log_middle[16] __attribute__((aligned(64))) = {
    0x1.f829b0e7832f8p-6, 0x1.6f0d28ae56b4ep-4, 0x1.29552f81ff521p-3, 0x1.9525a9cf456b6p-3,
    0x1.fb9186d5e3e29p-3, 0x1.2e8e2bae11d31p-2, 0x1.5d1bdbf5809cap-2, 0x1.89a3386c1425bp-2,
    0x1.b44f77bcc8f64p-2, 0x1.dd46a04c1c4a1p-2, 0x1.02552a5a5d0ffp-1, 0x1.154c3d2f4d5eap-1,
    0x1.2795e1289b11bp-1, 0x1.393e0d3562a1ap-1, 0x1.4a4f85db03ebbp-1, 0x1.5ad404c359f2dp-1,
};

/* x: normal numbers > 0. */
static inline eight eight_log(eight x)
{
    eight rho = eight_fma(eight_mantissa(x), eight_look_up(log_inverse, x), eight_all(-1.0));
    eight rest = eight_fma(eight_exponent(x), eight_all(0x1.62e42fefa39efp-1), eight_look_up(log_middle, x));
    eight sum = eight_all(-0x1.0073696706731p-3);

    sum = eight_fma(sum, rho, eight_all(0x1.250431505c56ap-3));
    sum = eight_fma(sum, rho, eight_all(-0x1.55553fabb52b7p-3));
    sum = eight_fma(sum, rho, eight_all(0x1.999987cb90338p-3));
    sum = eight_fma(sum, rho, eight_all(-0x1.00000000c0bcbp-2));
    sum = eight_fma(sum, rho, eight_all(0x1.55555555c74eap-2));
    sum = eight_fma(sum, rho, eight_all(-0x1.fffffffffffc6p-2));
    sum = eight_fma(sum, rho, eight_all(0x1.ffffffffffff9p-1));
    return eight_fma(sum, rho, rest);
}

struct log_fast {
    /* ret[i] = log(x[i]), eight of them, for tests */
    void (*all)(const double *x, double *ret);
};
FAST_DECLARE(struct log_fast, log_fast);
