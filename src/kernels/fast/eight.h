/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Eight doubles at a time, whatever the width of the registers: arithmetic that is written once with these is
 * the same, bit by bit, in all instruction sets. Masks are eight bits, bit i for element i.
 */
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EIGHT ((size_t)8)

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include <immintrin.h>

typedef __m512d eight;

static inline eight eight_load(const double *x)
{
    return _mm512_loadu_pd(x);
}
static inline void eight_store(double *x, eight a)
{
    _mm512_storeu_pd(x, a);
}
static inline eight eight_all(double x)
{
    return _mm512_set1_pd(x);
}
static inline eight eight_add(eight a, eight b)
{
    return _mm512_add_pd(a, b);
}
static inline eight eight_sub(eight a, eight b)
{
    return _mm512_sub_pd(a, b);
}
static inline eight eight_mul(eight a, eight b)
{
    return _mm512_mul_pd(a, b);
}
static inline eight eight_fma(eight a, eight b, eight c)
{
    return _mm512_fmadd_pd(a, b, c);
}
static inline eight eight_min(eight a, eight b)
{
    return _mm512_min_pd(a, b);
}
static inline eight eight_max(eight a, eight b)
{
    return _mm512_max_pd(a, b);
}
static inline eight eight_divide(eight a, eight b)
{
    return _mm512_div_pd(a, b);
}
static inline eight eight_sqrt(eight a)
{
    return _mm512_sqrt_pd(a);
}
/* a < b */
static inline unsigned eight_less(eight a, eight b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
}
/* a where the mask is set, b elsewhere */
static inline eight eight_choose(unsigned mask, eight a, eight b)
{
    return _mm512_mask_mov_pd(b, (__mmask8)mask, a);
}
/* Elements of the mask go to x, in order, wherever it is; eight are written. */
static inline void eight_pack(double *x, unsigned mask, eight a)
{
    _mm512_storeu_pd(x, _mm512_maskz_compress_pd((__mmask8)mask, a));
}
/* a = mantissa 2^exponent with mantissa in [1, 2), for normal a > 0 */
static inline eight eight_exponent(eight a)
{
    return _mm512_getexp_pd(a);
}
static inline eight eight_mantissa(eight a)
{
    return _mm512_getmant_pd(a, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
}
/* table[first four bits of the mantissa of a] */
static inline eight eight_look_up(const double *table, eight a)
{
    return _mm512_permutex2var_pd(_mm512_load_pd(table), _mm512_srli_epi64(_mm512_castpd_si512(a), 48),
                                  _mm512_load_pd(table + 8));
}
static inline double eight_greatest(eight a)
{
    return _mm512_reduce_max_pd(a);
}

#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

typedef struct {
    __m256d low, high;
} eight;

static inline eight eight_load(const double *x)
{
    return (eight) { _mm256_loadu_pd(x), _mm256_loadu_pd(x + 4) };
}
static inline void eight_store(double *x, eight a)
{
    _mm256_storeu_pd(x, a.low);
    _mm256_storeu_pd(x + 4, a.high);
}
static inline eight eight_all(double x)
{
    return (eight) { _mm256_set1_pd(x), _mm256_set1_pd(x) };
}
static inline eight eight_add(eight a, eight b)
{
    return (eight) { _mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high) };
}
static inline eight eight_sub(eight a, eight b)
{
    return (eight) { _mm256_sub_pd(a.low, b.low), _mm256_sub_pd(a.high, b.high) };
}
static inline eight eight_mul(eight a, eight b)
{
    return (eight) { _mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high) };
}
static inline eight eight_fma(eight a, eight b, eight c)
{
    return (eight) { _mm256_fmadd_pd(a.low, b.low, c.low), _mm256_fmadd_pd(a.high, b.high, c.high) };
}
static inline eight eight_min(eight a, eight b)
{
    return (eight) { _mm256_min_pd(a.low, b.low), _mm256_min_pd(a.high, b.high) };
}
static inline eight eight_max(eight a, eight b)
{
    return (eight) { _mm256_max_pd(a.low, b.low), _mm256_max_pd(a.high, b.high) };
}
static inline eight eight_divide(eight a, eight b)
{
    return (eight) { _mm256_div_pd(a.low, b.low), _mm256_div_pd(a.high, b.high) };
}
static inline eight eight_sqrt(eight a)
{
    return (eight) { _mm256_sqrt_pd(a.low), _mm256_sqrt_pd(a.high) };
}
static inline unsigned eight_less(eight a, eight b)
{
    return (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(a.low, b.low, _CMP_LT_OQ)) |
           (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(a.high, b.high, _CMP_LT_OQ)) << 4;
}
static inline __m256d four_of_mask(unsigned mask)
{
    const __m256i bit = _mm256_setr_epi64x(1, 2, 4, 8);
    __m256i all = _mm256_and_si256(_mm256_set1_epi64x((long long)mask), bit);

    return _mm256_castsi256_pd(_mm256_cmpeq_epi64(all, bit));
}
static inline eight eight_choose(unsigned mask, eight a, eight b)
{
    return (eight) { _mm256_blendv_pd(b.low, a.low, four_of_mask(mask)),
                     _mm256_blendv_pd(b.high, a.high, four_of_mask(mask >> 4)) };
}
static inline void four_pack(double *x, unsigned mask, __m256d a)
{
    /* Halves of the doubles to keep, four bits each, first half last. */
    static const uint32_t halves[16] = { 0x0,    0x10,     0x32,     0x3210,    0x54,   0x5410,
                                         0x5432, 0x543210, 0x76,     0x7610,    0x7632, 0x763210,
                                         0x7654, 0x765410, 0x765432, 0x76543210 };
    const __m256i shift = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    __m256i order = _mm256_srlv_epi32(_mm256_set1_epi32((int)halves[mask]), shift);

    _mm256_storeu_pd(x, _mm256_castps_pd(_mm256_permutevar8x32_ps(
                            _mm256_castpd_ps(a), _mm256_and_si256(order, _mm256_set1_epi32(7)))));
}
static inline void eight_pack(double *x, unsigned mask, eight a)
{
    four_pack(x, mask & 15, a.low);
    four_pack(x + __builtin_popcount(mask & 15), mask >> 4, a.high);
}
static inline __m256d four_exponent(__m256d a)
{
    /* As the last bits of 2^52 + exponent + bias. */
    __m256i biased = _mm256_or_si256(_mm256_srli_epi64(_mm256_castpd_si256(a), 52),
                                     _mm256_castpd_si256(_mm256_set1_pd(0x1p52)));

    return _mm256_sub_pd(_mm256_castsi256_pd(biased), _mm256_set1_pd(0x1p52 + 1023.0));
}
static inline eight eight_exponent(eight a)
{
    return (eight) { four_exponent(a.low), four_exponent(a.high) };
}
static inline __m256d four_mantissa(__m256d a)
{
    __m256i digits = _mm256_and_si256(_mm256_castpd_si256(a), _mm256_set1_epi64x(0x000fffffffffffff));

    return _mm256_castsi256_pd(_mm256_or_si256(digits, _mm256_castpd_si256(_mm256_set1_pd(1.0))));
}
static inline eight eight_mantissa(eight a)
{
    return (eight) { four_mantissa(a.low), four_mantissa(a.high) };
}
static inline __m256d four_look_up(const double *table, __m256d a)
{
    __m256i place = _mm256_and_si256(_mm256_srli_epi64(_mm256_castpd_si256(a), 48), _mm256_set1_epi64x(15));

    return _mm256_i64gather_pd(table, place, 8);
}
static inline eight eight_look_up(const double *table, eight a)
{
    return (eight) { four_look_up(table, a.low), four_look_up(table, a.high) };
}
static inline double eight_greatest(eight a)
{
    __m256d four = _mm256_max_pd(a.low, a.high);
    __m128d two = _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));

    return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}

#else

typedef struct {
    double of[8];
} eight;

/* clang-format off */
#define EIGHT_EACH(expression)                                                                                    \
    eight ret;                                                                                               \
    for (int i = 0; i < 8; i++)                                                                              \
        ret.of[i] = expression;                                                                              \
    return ret
/* clang-format on */

static inline uint64_t bits_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}
static inline double mantissa_of(double x)
{
    uint64_t bits = (bits_of(x) & 0x000fffffffffffff) | bits_of(1.0);

    memcpy(&x, &bits, sizeof(x));
    return x;
}
static inline eight eight_load(const double *x)
{
    EIGHT_EACH(x[i]);
}
static inline void eight_store(double *x, eight a)
{
    memcpy(x, a.of, sizeof(a.of));
}
static inline eight eight_all(double x)
{
    EIGHT_EACH(x);
}
static inline eight eight_add(eight a, eight b)
{
    EIGHT_EACH(a.of[i] + b.of[i]);
}
static inline eight eight_sub(eight a, eight b)
{
    EIGHT_EACH(a.of[i] - b.of[i]);
}
static inline eight eight_mul(eight a, eight b)
{
    EIGHT_EACH(a.of[i] * b.of[i]);
}
static inline eight eight_fma(eight a, eight b, eight c)
{
    EIGHT_EACH(fma(a.of[i], b.of[i], c.of[i]));
}
static inline eight eight_min(eight a, eight b)
{
    EIGHT_EACH(a.of[i] < b.of[i] ? a.of[i] : b.of[i]);
}
static inline eight eight_max(eight a, eight b)
{
    EIGHT_EACH(a.of[i] > b.of[i] ? a.of[i] : b.of[i]);
}
static inline eight eight_divide(eight a, eight b)
{
    EIGHT_EACH(a.of[i] / b.of[i]);
}
static inline eight eight_sqrt(eight a)
{
    EIGHT_EACH(sqrt(a.of[i]));
}
static inline unsigned eight_less(eight a, eight b)
{
    unsigned mask = 0;

    for (int i = 0; i < 8; i++)
        mask |= (unsigned)(a.of[i] < b.of[i]) << i;
    return mask;
}
static inline eight eight_choose(unsigned mask, eight a, eight b)
{
    EIGHT_EACH(mask >> i & 1 ? a.of[i] : b.of[i]);
}
static inline void eight_pack(double *x, unsigned mask, eight a)
{
    for (; mask; mask &= mask - 1)
        *x++ = a.of[__builtin_ctz(mask)];
}
static inline eight eight_exponent(eight a)
{
    EIGHT_EACH((double)(int64_t)(bits_of(a.of[i]) >> 52) - 1023.0);
}
static inline eight eight_mantissa(eight a)
{
    EIGHT_EACH(mantissa_of(a.of[i]));
}
static inline eight eight_look_up(const double *table, eight a)
{
    EIGHT_EACH(table[bits_of(a.of[i]) >> 48 & 15]);
}
static inline double eight_greatest(eight a)
{
    double greatest = a.of[0];

    for (int i = 1; i < 8; i++)
        greatest = a.of[i] > greatest ? a.of[i] : greatest;
    return greatest;
}
#endif

static inline eight eight_abs(eight a)
{
    return eight_max(a, eight_sub(eight_all(0.0), a));
}

/* Sum of the elements, always in this order. */
static inline double eight_sum(eight a)
{
    double of[8] __attribute__((aligned(64)));

    eight_store(of, a);
    return ((of[0] + of[4]) + (of[2] + of[6])) + ((of[1] + of[5]) + (of[3] + of[7]));
}
