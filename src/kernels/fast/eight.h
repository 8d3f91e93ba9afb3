/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Eight doubles at a time, whatever the width of the registers (lanes.h): arithmetic that is written once
 * with these is the same, bit by bit, in all instruction sets. Masks are eight bits, bit i for element i.
 */
#pragma once

#include "lanes.h"

#define EIGHT   ((size_t)8)
#define N_LANES (8 / LANES)

typedef struct {
    lanes of[N_LANES];
} eight;

/* The same for each register, whose number i is a constant: a loop, which compilers unroll late, costs up to 40 %. */
#define EIGHT_PART(k, ...)                                                                                   \
    {                                                                                                        \
        enum { i = k };                                                                                      \
        __VA_ARGS__;                                                                                         \
    }
#if N_LANES == 1
#define EIGHT_EACH(...) EIGHT_PART(0, __VA_ARGS__)
#elif N_LANES == 2
#define EIGHT_EACH(...) EIGHT_PART(0, __VA_ARGS__) EIGHT_PART(1, __VA_ARGS__)
#else
#define EIGHT_EACH(...)                                                                                      \
    EIGHT_PART(0, __VA_ARGS__)                                                                               \
    EIGHT_PART(1, __VA_ARGS__) EIGHT_PART(2, __VA_ARGS__) EIGHT_PART(3, __VA_ARGS__)
#endif
#define EIGHT_RETURN(expression)                                                                             \
    eight ret;                                                                                               \
    EIGHT_EACH(ret.of[i] = expression)                                                                       \
    return ret

static inline eight eight_load(const double *x)
{
    EIGHT_RETURN(lanes_load(x + i * LANES));
}
static inline void eight_store(double *x, eight a)
{
    EIGHT_EACH(lanes_store(x + i * LANES, a.of[i]))
}
static inline eight eight_all(double x)
{
    EIGHT_RETURN(lanes_all(x));
}
static inline eight eight_add(eight a, eight b)
{
    EIGHT_RETURN(a.of[i] + b.of[i]);
}
static inline eight eight_sub(eight a, eight b)
{
    EIGHT_RETURN(a.of[i] - b.of[i]);
}
static inline eight eight_mul(eight a, eight b)
{
    EIGHT_RETURN(a.of[i] * b.of[i]);
}
static inline eight eight_divide(eight a, eight b)
{
    EIGHT_RETURN(a.of[i] / b.of[i]);
}
static inline eight eight_fma(eight a, eight b, eight c)
{
    EIGHT_RETURN(lanes_fma(a.of[i], b.of[i], c.of[i]));
}
/* a < b ? a : b, and so on */
static inline eight eight_min(eight a, eight b)
{
    EIGHT_RETURN(lanes_min(a.of[i], b.of[i]));
}
static inline eight eight_max(eight a, eight b)
{
    EIGHT_RETURN(lanes_max(a.of[i], b.of[i]));
}
static inline eight eight_sqrt(eight a)
{
    EIGHT_RETURN(lanes_sqrt(a.of[i]));
}
static inline eight eight_abs(eight a)
{
    EIGHT_RETURN(lanes_max(a.of[i], 0.0 - a.of[i]));
}
/* a < b */
static inline unsigned eight_less(eight a, eight b)
{
    unsigned mask = 0;

    EIGHT_EACH(mask |= lanes_less(a.of[i], b.of[i]) << i * LANES)
    return mask;
}
/* a where the mask is set, b elsewhere */
static inline eight eight_choose(unsigned mask, eight a, eight b)
{
    EIGHT_RETURN(lanes_choose(mask >> i * LANES, a.of[i], b.of[i]));
}
/* Elements of the mask go to x, in order, wherever it is; eight may be written. */
static inline void eight_pack(double *x, unsigned mask, eight a)
{
    EIGHT_EACH(unsigned below = mask & ((1U << i * LANES) - 1),
               part = mask >> i * LANES & ((1U << LANES) - 1);
               lanes_pack(x + __builtin_popcount(below), part, a.of[i]))
}
/* a = mantissa 2^exponent with mantissa in [1, 2), for normal a > 0 */
static inline eight eight_exponent(eight a)
{
    EIGHT_RETURN(lanes_exponent(a.of[i]));
}
static inline eight eight_mantissa(eight a)
{
    EIGHT_RETURN(lanes_mantissa(a.of[i]));
}
/* table[first four bits of the mantissa of a] */
static inline eight eight_look_up(const double *table, eight a)
{
    EIGHT_RETURN(lanes_look_up(table, (lanes_bits)a.of[i] >> 48));
}
/* Towards zero, |a| < 2^31. Places go by way of memory: else compilers take the register apart, at two
 * operations each. */
static inline eight eight_truncate(eight a, int32_t ret_place[8])
{
    eight ret;

    EIGHT_EACH(lanes_places place = lanes_truncate(a.of[i]); ret.of[i] = lanes_of_places(place);
               memcpy(ret_place + i * LANES, &place, sizeof(place)))
    __asm__("" : "+m"(*(int32_t(*)[8])ret_place));
    return ret;
}
/* pair[place][0], and pair[place][1]; pairs are aligned. */
static inline void eight_pairs(const double (*pair)[2], const int32_t place[8], eight *ret_first,
                               eight *ret_second)
{
    EIGHT_EACH(lanes_pairs(pair, place + i * LANES, &ret_first->of[i], &ret_second->of[i]))
}

/* Sum of the elements, always in this order. */
static inline double eight_sum(eight a)
{
    double of[8] __attribute__((aligned(64)));

    eight_store(of, a);
    return ((of[0] + of[4]) + (of[2] + of[6])) + ((of[1] + of[5]) + (of[3] + of[7]));
}
static inline double eight_greatest(eight a)
{
    double of[8] __attribute__((aligned(64))), greatest;

    eight_store(of, a);
    greatest = of[0];
    for (int i = 1; i < 8; i++)
        greatest = of[i] > greatest ? of[i] : greatest;
    return greatest;
}
