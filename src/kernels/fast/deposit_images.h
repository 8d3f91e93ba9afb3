/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Step 3 of deposit.c: entries sorted by pixel, and added to the images. */
#pragma once

#include "deposit_work.h"

/* Entries of pixel p are then sorted_*[begin[p]] to [begin[p + 1]]. */
static inline void sort_entries(struct deposit_work *work)
{
    uint32_t *begin = work->begin;

    memset(begin, 0, sizeof(work->begin));
    for (size_t e = 0; e < work->n_entry; e++)
        begin[work->i_pixel[e] + 2]++;
    for (size_t p = 2; p < N_PIXEL + 2; p++)
        begin[p] += begin[p - 1];
    for (size_t e = 0; e < work->n_entry; e++) {
        uint32_t place = begin[work->i_pixel[e] + 1]++;

        work->sorted_share[place] = work->share[e];
        work->sorted_local[place] = work->i_local[e];
    }
}

/* Rows of values, padded with zeros. */
static inline void copy_values(const struct deposit *deposit, struct deposit_work *work, size_t stride)
{
    for (size_t l = 0; l < work->n_local; l++) {
        const double *value = deposit->value + work->local[l] * deposit->n_channel;
        double *row = work->row + l * stride;

        for (size_t c = 0; c < deposit->n_channel; c++)
            row[c] = value[c];
        for (size_t c = deposit->n_channel; c < stride; c++)
            row[c] = 0.0;
    }
}

/* Add the entries of a pixel to n_eight times 8 of its channels. */
static inline void add_entries(const struct deposit_work *work, uint32_t begin, uint32_t end, size_t stride,
                               const double *value, double *sum, const int n_eight)
{
    eight of[4];

    for (int k = 0; k < n_eight; k++)
        of[k] = eight_load(sum + 8 * k);
    for (uint32_t e = begin; e < end; e++) {
        const double *row = value + work->sorted_local[e] * stride;
        eight share = eight_all(work->sorted_share[e]);

        for (int k = 0; k < n_eight; k++)
            of[k] = eight_add(of[k], eight_mul(eight_load(row + 8 * k), share));
    }
    for (int k = 0; k < n_eight; k++)
        eight_store(sum + 8 * k, of[k]);
}

static inline void add_pixel(const struct deposit_work *work, size_t pixel, size_t stride, double *sum)
{
    uint32_t begin = work->begin[pixel], end = work->begin[pixel + 1];
    size_t c = 0;

    for (; c + N_CHUNK <= stride; c += N_CHUNK)
        add_entries(work, begin, end, stride, work->row + c, sum + c, 4);
    if (c + 24 == stride)
        add_entries(work, begin, end, stride, work->row + c, sum + c, 3);
    else if (c + 16 == stride)
        add_entries(work, begin, end, stride, work->row + c, sum + c, 2);
    else if (c + 8 == stride)
        add_entries(work, begin, end, stride, work->row + c, sum + c, 1);
}

/* Eight rows of eight, transposed: from[k * from_step + l] to to[l * to_step + k]. */
#if defined(__AVX512F__) && defined(__AVX512DQ__)
static inline void transpose(const double *const from[8], double *const to[8])
{
    __m512d a[8], b[8];

    for (int k = 0; k < 8; k++)
        a[k] = _mm512_loadu_pd(from[k]);
    for (int k = 0; k < 8; k += 2) {
        b[k] = _mm512_unpacklo_pd(a[k], a[k + 1]);
        b[k + 1] = _mm512_unpackhi_pd(a[k], a[k + 1]);
    }
    for (int k = 0; k < 2; k++) {
        a[k] = _mm512_shuffle_f64x2(b[k], b[k + 2], 0x88);
        a[k + 2] = _mm512_shuffle_f64x2(b[k], b[k + 2], 0xdd);
        a[k + 4] = _mm512_shuffle_f64x2(b[k + 4], b[k + 6], 0x88);
        a[k + 6] = _mm512_shuffle_f64x2(b[k + 4], b[k + 6], 0xdd);
    }
    for (int k = 0; k < 4; k++) {
        _mm512_storeu_pd(to[k], _mm512_shuffle_f64x2(a[k], a[k + 4], 0x88));
        _mm512_storeu_pd(to[k + 4], _mm512_shuffle_f64x2(a[k], a[k + 4], 0xdd));
    }
}
#else
static inline void transpose(const double *const from[8], double *const to[8])
{
    double block[8][8];

    for (int k = 0; k < 8; k++)
        for (int l = 0; l < 8; l++)
            block[l][k] = from[k][l];
    for (int k = 0; k < 8; k++)
        memcpy(to[k], block[k], sizeof(block[k]));
}
#endif

/* Between images and sum[8][stride], for n <= 8 pixels from `place` on. */
static inline void fetch_pixels(const struct deposit *deposit, size_t place, size_t n, size_t stride,
                                double *sum)
{
    for (size_t c = 0; c < deposit->n_channel; c++) {
        const double *pixel = deposit->image[c] + place;

        for (size_t k = 0; k < n; k++)
            sum[k * stride + c] = pixel[k];
    }
}

static inline void put_pixels(const struct deposit *deposit, size_t place, size_t n, size_t stride,
                              const double *sum)
{
    for (size_t c = 0; c < deposit->n_channel; c++) {
        double *pixel = deposit->image[c] + place;

        for (size_t k = 0; k < n; k++)
            pixel[k] = sum[k * stride + c];
    }
}

/* The same for eight pixels and eight channels. */
static inline void move_eight(const struct deposit *deposit, size_t place, size_t stride, size_t c,
                              double *sum, bool is_put)
{
    double *pixel[8], *channel[8];

    for (size_t k = 0; k < 8; k++) {
        channel[k] = deposit->image[c + k] + place;
        pixel[k] = sum + k * stride + c;
    }
    if (is_put)
        transpose((const double *const *)pixel, channel);
    else
        transpose((const double *const *)channel, pixel);
}

static inline void move_pixels(const struct deposit *deposit, size_t place, size_t n, size_t stride,
                               double *sum, bool is_put)
{
    struct deposit rest = *deposit;
    size_t n_whole = n == 8 ? deposit->n_channel / 8 * 8 : 0;

    for (size_t c = 0; c < n_whole; c += 8)
        move_eight(deposit, place, stride, c, sum, is_put);
    rest.n_channel -= n_whole;
    rest.image += n_whole;
    if (is_put)
        put_pixels(&rest, place, n, stride, sum + n_whole);
    else
        fetch_pixels(&rest, place, n, stride, sum + n_whole);
}
