/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A vector register of LANES doubles, of the instruction set that the file is compiled for, as compilers know vectors:
 * + - * / are elementwise. Functions here are what has no operator; the bodies for two lanes are plain C, for
 * SSE2, NEON, and whatever else.
 *
 * Masks are bits, bit i for element i.
 */
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>
#define LANES 8
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define LANES 4
#else
#define LANES 2
#endif

typedef double lanes __attribute__((vector_size(8 * LANES)));
/* Where doubles are: not aligned. (memcpy() becomes two halves that are put together.) */
typedef double lanes_anywhere __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef uint64_t lanes_bits __attribute__((vector_size(8 * LANES)));
typedef int32_t lanes_places __attribute__((vector_size(4 * LANES)));

static inline lanes lanes_load(const double *x)
{
    return *(const lanes_anywhere *)x;
}
static inline void lanes_store(double *x, lanes a)
{
    *(lanes_anywhere *)x = a;
}
static inline lanes lanes_all(double x)
{
#if LANES == 8
    return (lanes) { x, x, x, x, x, x, x, x };
#elif LANES == 4
    return (lanes) { x, x, x, x };
#else
    return (lanes) { x, x };
#endif
}
#if LANES >= 4
/* Loads of pairs are quicker than two gathers. */
static inline void four_pairs(const double (*pair)[2], const int32_t *place, __m256d *ret_first,
                              __m256d *ret_second)
{
    __m256d even = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_load_pd(pair[place[0]])),
                                        _mm_load_pd(pair[place[2]]), 1);
    __m256d odd = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_load_pd(pair[place[1]])),
                                       _mm_load_pd(pair[place[3]]), 1);

    *ret_first = _mm256_unpacklo_pd(even, odd);
    *ret_second = _mm256_unpackhi_pd(even, odd);
}
#endif

#if LANES == 8

static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm512_fmadd_pd(a, b, c);
}
/* a < b ? a : b */
static inline lanes lanes_min(lanes a, lanes b)
{
    return _mm512_min_pd(a, b);
}
/* a > b ? a : b */
static inline lanes lanes_max(lanes a, lanes b)
{
    return _mm512_max_pd(a, b);
}
static inline lanes lanes_sqrt(lanes a)
{
    return _mm512_sqrt_pd(a);
}
/* a < b */
static inline unsigned lanes_less(lanes a, lanes b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
}
/* a where the mask is set, b elsewhere */
static inline lanes lanes_choose(unsigned mask, lanes a, lanes b)
{
    return _mm512_mask_mov_pd(b, (__mmask8)mask, a);
}
/* Elements of the mask go to x, in order, wherever it is; LANES are written. */
static inline void lanes_pack(double *x, unsigned mask, lanes a)
{
    _mm512_storeu_pd(x, _mm512_maskz_compress_pd((__mmask8)mask, a));
}
/* Towards zero, |a| < 2^31, and back. */
static inline lanes_places lanes_truncate(lanes a)
{
    return (lanes_places)_mm512_cvttpd_epi32(a);
}
static inline lanes lanes_of_places(lanes_places a)
{
    return _mm512_cvtepi32_pd((__m256i)a);
}
/* from[place] */
static inline lanes lanes_gather(const double *from, lanes_places place)
{
    return _mm512_i32gather_pd((__m256i)place, from, 8);
}
/* pair[place][0], and pair[place][1]; pairs are aligned. */
static inline void lanes_pairs(const double (*pair)[2], const int32_t *place, lanes *ret_first,
                               lanes *ret_second)
{
    __m256d part[4];

    four_pairs(pair, place, &part[0], &part[1]);
    four_pairs(pair, place + 4, &part[2], &part[3]);
    *ret_first = _mm512_insertf64x4(_mm512_castpd256_pd512(part[0]), part[2], 1);
    *ret_second = _mm512_insertf64x4(_mm512_castpd256_pd512(part[1]), part[3], 1);
}
/* a = mantissa 2^exponent with mantissa in [1, 2), for normal a > 0 */
static inline lanes lanes_exponent(lanes a)
{
    return _mm512_getexp_pd(a);
}
static inline lanes lanes_mantissa(lanes a)
{
    return _mm512_getmant_pd(a, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
}
/* table[last four bits of a], all of a table of 16, aligned */
static inline lanes lanes_look_up(const double *table, lanes_bits a)
{
    return _mm512_permutex2var_pd(_mm512_load_pd(table), (__m512i)a, _mm512_load_pd(table + 8));
}

#elif LANES == 4

static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm256_fmadd_pd(a, b, c);
}
static inline lanes lanes_min(lanes a, lanes b)
{
    return _mm256_min_pd(a, b);
}
static inline lanes lanes_max(lanes a, lanes b)
{
    return _mm256_max_pd(a, b);
}
static inline lanes lanes_sqrt(lanes a)
{
    return _mm256_sqrt_pd(a);
}
static inline unsigned lanes_less(lanes a, lanes b)
{
    return (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(a, b, _CMP_LT_OQ));
}
static inline lanes lanes_choose(unsigned mask, lanes a, lanes b)
{
    const lanes_bits bit = { 1, 2, 4, 8 };

    return _mm256_blendv_pd(b, a, (__m256d)(((uint64_t)mask & bit) == bit));
}
static inline void lanes_pack(double *x, unsigned mask, lanes a)
{
    /* Halves of the doubles to keep, four bits each, first half last. */
    static const uint32_t halves[16] = { 0x0,    0x10,     0x32,     0x3210,    0x54,   0x5410,
                                         0x5432, 0x543210, 0x76,     0x7610,    0x7632, 0x763210,
                                         0x7654, 0x765410, 0x765432, 0x76543210 };
    const __m256i shift = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    __m256i order = _mm256_srlv_epi32(_mm256_set1_epi32((int)halves[mask]), shift);

    lanes_store(x, (lanes)_mm256_permutevar8x32_ps((__m256)a, _mm256_and_si256(order, _mm256_set1_epi32(7))));
}
static inline lanes_places lanes_truncate(lanes a)
{
    return (lanes_places)_mm256_cvttpd_epi32(a);
}
static inline lanes lanes_of_places(lanes_places a)
{
    return _mm256_cvtepi32_pd((__m128i)a);
}
static inline lanes lanes_gather(const double *from, lanes_places place)
{
    return _mm256_i32gather_pd(from, (__m128i)place, 8);
}
static inline void lanes_pairs(const double (*pair)[2], const int32_t *place, lanes *ret_first,
                               lanes *ret_second)
{
    four_pairs(pair, place, (__m256d *)ret_first, (__m256d *)ret_second);
}
static inline lanes lanes_look_up(const double *table, lanes_bits a)
{
    return _mm256_i64gather_pd(table, (__m256i)(a & 15), 8);
}

#else

static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return (lanes) { fma(a[0], b[0], c[0]), fma(a[1], b[1], c[1]) };
}
static inline lanes lanes_min(lanes a, lanes b)
{
    return (lanes) { a[0] < b[0] ? a[0] : b[0], a[1] < b[1] ? a[1] : b[1] };
}
static inline lanes lanes_max(lanes a, lanes b)
{
    return (lanes) { a[0] > b[0] ? a[0] : b[0], a[1] > b[1] ? a[1] : b[1] };
}
static inline lanes lanes_sqrt(lanes a)
{
    return (lanes) { sqrt(a[0]), sqrt(a[1]) };
}
static inline unsigned lanes_less(lanes a, lanes b)
{
    lanes_bits is_less = (lanes_bits)(a < b);

    return (unsigned)(is_less[0] & 1) | (unsigned)(is_less[1] & 2);
}
static inline lanes lanes_choose(unsigned mask, lanes a, lanes b)
{
    return (lanes) { mask & 1 ? a[0] : b[0], mask & 2 ? a[1] : b[1] };
}
static inline void lanes_pack(double *x, unsigned mask, lanes a)
{
    x[0] = a[mask == 2];
    x[1] = a[1];
}
static inline lanes_places lanes_truncate(lanes a)
{
    return (lanes_places) { (int32_t)a[0], (int32_t)a[1] };
}
static inline lanes lanes_of_places(lanes_places a)
{
    return (lanes) { a[0], a[1] };
}
static inline lanes lanes_gather(const double *from, lanes_places place)
{
    return (lanes) { from[place[0]], from[place[1]] };
}
static inline void lanes_pairs(const double (*pair)[2], const int32_t *place, lanes *ret_first,
                               lanes *ret_second)
{
    *ret_first = (lanes) { pair[place[0]][0], pair[place[1]][0] };
    *ret_second = (lanes) { pair[place[0]][1], pair[place[1]][1] };
}
static inline lanes lanes_look_up(const double *table, lanes_bits a)
{
    return (lanes) { table[a[0] & 15], table[a[1] & 15] };
}

#endif

#if LANES < 8
/* As the last bits of 2^52 + exponent + bias. */
static inline lanes lanes_exponent(lanes a)
{
    return (lanes)(((lanes_bits)a >> 52) | (lanes_bits)lanes_all(0x1p52)) - lanes_all(0x1p52 + 1023.0);
}
static inline lanes lanes_mantissa(lanes a)
{
    return (lanes)(((lanes_bits)a & 0x000fffffffffffff) | (lanes_bits)lanes_all(1.0));
}
#endif
