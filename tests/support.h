/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What several tests need: comparisons that say what they saw, and random numbers that are the same
 * everywhere.
 */
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static inline void assert_near(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("got %.17g, expected %.17g, off by %.3g, allowed %.3g", got, expected, got - expected,
                 tolerance);
}

static inline double largest_of(size_t n, const double *value)
{
    double largest = 0.0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(value[i]));
    return largest;
}

/* Every value within `tolerance` of the largest expected one. */
static inline void assert_all_near(const char *what, size_t n, const double *got, const double *expected,
                                   double tolerance)
{
    double scale = largest_of(n, expected);

    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - expected[i]) <= tolerance * scale))
            fail_msg("%s[%zu]: got %.17g, expected %.17g, off by %.3g of the largest, allowed %.3g", what, i,
                     got[i], expected[i], fabs(got[i] - expected[i]) / scale, tolerance);
}

static inline void assert_same_bits(const char *what, size_t n, const double *got, const double *expected)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], &expected[i], sizeof(double)))
            fail_msg("%s[%zu]: got %.17g (%a), expected the bits of %.17g (%a)", what, i, got[i], got[i],
                     expected[i], expected[i]);
}

static inline void assert_text_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' does not say '%s'", text, part);
}

/* Knuth's MMIX generator: the same inputs on every machine. */
static inline double uniform(uint64_t *state, double low, double high)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(*state >> 11) * 0x1p-53;
}
