/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A vector register of doubles, for inner loops that must keep their sums in registers: LANES of them, of the
 * instruction set that the file is compiled for.
 */
#pragma once

#include <math.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 8
typedef __m512d lanes;
static inline lanes lanes_load(const double *x)
{
    return _mm512_loadu_pd(x);
}
static inline void lanes_store(double *x, lanes a)
{
    _mm512_storeu_pd(x, a);
}
static inline lanes lanes_all(double x)
{
    return _mm512_set1_pd(x);
}
static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm512_fmadd_pd(a, b, c);
}
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define LANES 4
typedef __m256d lanes;
static inline lanes lanes_load(const double *x)
{
    return _mm256_loadu_pd(x);
}
static inline void lanes_store(double *x, lanes a)
{
    _mm256_storeu_pd(x, a);
}
static inline lanes lanes_all(double x)
{
    return _mm256_set1_pd(x);
}
static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm256_fmadd_pd(a, b, c);
}
#else
#define LANES 1
typedef double lanes;
static inline lanes lanes_load(const double *x)
{
    return *x;
}
static inline void lanes_store(double *x, lanes a)
{
    *x = a;
}
static inline lanes lanes_all(double x)
{
    return x;
}
static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return fma(a, b, c);
}
#endif
