/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Images: particles of a demo galaxy (positions crowded about the centre) on 235 x 235 pixels, images one
 * after the other. A pixel sample is a look-up of the projected kernel: 9 for a pixel under the disc, n x n
 * for one across its edge. What limits them is a square root and the load of a pair of numbers each, from a
 * table of 160 kB; "limit" does nothing else, in one thread.
 */
#include "bench.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/deposit.h"
#include "polyphony/isa.h"

#include "../../src/kernels/deposit_ref.h"

#if defined(FAST_HAS_AVX512)
#include <immintrin.h>
#endif

enum { N_SIDE = 235, N_CHANNEL_MAX = 88 };

struct race {
    struct pixel_grid grid;
    struct kernel_table *table;
    size_t n, n_channel;
    double *x, *y, *h, *value, *image[N_CHANNEL_MAX];
    struct arena arena;
    double n_sample, n_pixel; /* all particles */
};

static double *array(size_t n)
{
    double *values = mem_array(n, sizeof(*values));

    if (!values)
        abort();
    return values;
}

static void run_plain(void *context)
{
    struct race *race = context;

    deposit_smoothed_ref(race->table, &race->grid, race->n, race->x, race->y, race->h, race->n_channel,
                         race->value, race->image);
}

static void run_fast(void *context)
{
    struct race *race = context;

    if (deposit_smoothed(race->table, &race->grid, race->n, race->x, race->y, race->h, race->n_channel,
                         race->value, race->image, &race->arena, NULL))
        abort();
}

static void run_exact(void *context)
{
    struct race *race = context;

    if (deposit_exact(race->table, &race->grid, race->n, race->x, race->y, race->h, race->n_channel,
                      race->value, race->image, &race->arena, NULL))
        abort();
}

static void run_histogram(void *context)
{
    struct race *race = context;

    deposit_histogram(&race->grid, race->n, race->x, race->y, race->n_channel, race->value, race->image);
}

/* Pixels under the disc, of width 1, and what samples the rules ask for: none where it is within a pixel. */
static void count(struct race *race, double x, double y, double h)
{
    double n_edge = fmax(4.0, ceil(2.0 / h));

    x += 0.5 * N_SIDE;
    y += 0.5 * N_SIDE;
    if (floor(x - h) == floor(x + h) && floor(y - h) == floor(y + h)) {
        race->n_pixel += 1.0;
        return;
    }
    for (int i = (int)floor(x - h); i <= (int)floor(x + h); i++)
        for (int j = (int)floor(y - h); j <= (int)floor(y + h); j++) {
            double near_x = fmax(fmax(i - x, x - i - 1), 0.0), near_y = fmax(fmax(j - y, y - j - 1), 0.0);
            double far_x = fmax(x - i, i + 1 - x), far_y = fmax(y - j, j + 1 - y);

            if (i < 0 || i >= N_SIDE || j < 0 || j >= N_SIDE || hypot(near_x, near_y) >= h)
                continue;
            race->n_pixel += 1.0;
            race->n_sample += hypot(far_x, far_y) < h ? 9.0 : n_edge * n_edge;
        }
}

static void fill(struct bench *bench, struct race *race, double h_low, double h_high)
{
    race->n_sample = race->n_pixel = 0.0;
    for (size_t i = 0; i < race->n; i++) {
        double r = 0.25 * N_SIDE * bench_random(bench), angle = 2.0 * M_PI * bench_random(bench);

        race->x[i] = r * cos(angle);
        race->y[i] = r * sin(angle);
        race->h[i] = h_low + (h_high - h_low) * bench_random(bench);
        count(race, race->x[i], race->y[i], race->h[i]);
    }
    for (size_t i = 0; i < race->n * race->n_channel; i++)
        race->value[i] = bench_random(bench);
}

static void race_size(struct bench *bench, struct race *race, double h_low, double h_high)
{
    /* A sample: square root, 3 products, 4 sums; a pixel of a channel: product and sum. An image's pixels
     * come and go once for each particle at worst; here once for a call, which is the least. */
    double touched = fmin(race->n_pixel, (double)N_SIDE * N_SIDE * M_PI / 16.0);
    struct bench_work work = { race->n_sample, "pixel samples",
                               8.0 * race->n_sample + 2.0 * race->n_pixel * (double)race->n_channel,
                               8.0 * (double)race->n_channel * ((double)race->n + 2.0 * touched) };
    enum isa best = isa_in_use();
    char size[96];
    double seconds;

    snprintf(size, sizeof(size), "%zu particles, h %g-%g px, %zu channels", race->n, h_low, h_high,
             race->n_channel);
    bench_add(bench, "deposit", "plain", size, bench_time(bench, run_plain, race), &work);
    for (int isa = 0; isa < ISA_N; isa++)
        if (isa_use((enum isa)isa)) {
            omp_set_num_threads(1);
            seconds = bench_time(bench, run_fast, race);
            omp_set_num_threads(bench_threads(bench));
            bench_add(bench, "deposit", isa_names[isa], size, seconds, &work);
        }
    isa_use(best);
    bench_add(bench, "deposit", "all threads", size, bench_time(bench, run_fast, race), &work);
    bench_add(bench, "deposit", "exact", size, bench_time(bench, run_exact, race), &work);
    work = (struct bench_work) { (double)race->n, "particles", 0.0, 0.0 };
    bench_add(bench, "deposit", "histogram", size, bench_time(bench, run_histogram, race), &work);
}

#if defined(FAST_HAS_AVX512)
enum { N_LIMIT = 1024 };
struct limit {
    const double (*column)[2];
    double d2[N_LIMIT], sum;
};

/* Four pairs, taken apart. */
__attribute__((target("avx512f,avx512dq"))) static inline __m256d sum_four(const double (*column)[2],
                                                                           const int32_t *place)
{
    __m256d even = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_load_pd(column[place[0]])),
                                        _mm_load_pd(column[place[2]]), 1);
    __m256d odd = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_load_pd(column[place[1]])),
                                       _mm_load_pd(column[place[3]]), 1);

    return _mm256_add_pd(_mm256_unpacklo_pd(even, odd), _mm256_unpackhi_pd(even, odd));
}

__attribute__((target("avx512f,avx512dq"))) static void run_limit(void *context)
{
    struct limit *limit = context;
    __m512d scale = _mm512_set1_pd(KERNEL_TABLE_N);
    __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
    int32_t place[8] __attribute__((aligned(32)));

    for (int repeat = 0; repeat < 100; repeat++)
        for (int i = 0; i < N_LIMIT; i += 8) {
            __m512d node = _mm512_mul_pd(_mm512_sqrt_pd(_mm512_loadu_pd(limit->d2 + i)), scale);

            _mm256_store_si256((__m256i *)place, _mm512_cvttpd_epi32(node));
            __asm__("" : "+m"(place)); /* else compilers take the register apart */
            low = _mm256_add_pd(low, sum_four(limit->column, place));
            high = _mm256_add_pd(high, sum_four(limit->column, place + 4));
        }
    limit->sum = _mm256_cvtsd_f64(_mm256_add_pd(low, high));
}

static void measure_limit(struct bench *bench, const struct kernel_table *table)
{
    struct limit *limit = mem_array(1, sizeof(*limit));
    struct bench_work work = { 100.0 * N_LIMIT, "pixel samples", 0.0, 0.0 };

    if (!limit || !isa_is_there(ISA_AVX512))
        return;
    limit->column = table->column;
    for (int i = 0; i < N_LIMIT; i++)
        limit->d2[i] = bench_random(bench);
    bench_add(bench, "deposit", "limit avx512", "square roots and loads of pairs, one thread",
              bench_time(bench, run_limit, limit), &work);
    free(limit);
}
#else
static void measure_limit(struct bench *bench, const struct kernel_table *table)
{
    (void)bench;
    (void)table;
}
#endif

void bench_deposit(struct bench *bench)
{
    static const size_t n_particle[] = { 100, 10000, 100000 }, n_channel[] = { 1, 8, 88 };
    static const struct {
        double low, high;
    } h[] = { { 0.3, 0.3 }, { 0.4, 4.0 }, { 3.0, 3.0 }, { 30.0, 30.0 } };
    const size_t n_most = 100000;
    struct race race = { .grid = { N_SIDE, N_SIDE, N_SIDE, N_SIDE, 1.0 } };

    if (kernel_table_open(SPH_ANARCHY, &race.table, NULL))
        abort();
    measure_limit(bench, race.table);
    race.x = array(n_most);
    race.y = array(n_most);
    race.h = array(n_most);
    race.value = array(n_most * N_CHANNEL_MAX);
    race.image[0] = array((size_t)N_SIDE * N_SIDE * N_CHANNEL_MAX);
    for (size_t c = 1; c < N_CHANNEL_MAX; c++)
        race.image[c] = race.image[c - 1] + (size_t)N_SIDE * N_SIDE;
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 4; j++)
            for (size_t k = 0; k < 3; k++) {
                /* Other sizes behave as those do. */
                if ((n_particle[i] > 10000 && (h[j].low != 0.4 || bench_is_quick(bench))) ||
                    (n_particle[i] == 100 && k == 1) || (h[j].high > 10 && n_particle[i] > 100))
                    continue;
                race.n = n_particle[i];
                race.n_channel = n_channel[k];
                fill(bench, &race, h[j].low, h[j].high);
                race_size(bench, &race, h[j].low, h[j].high);
            }
    free(race.image[0]);
    free(race.value);
    free(race.x);
    free(race.y);
    free(race.h);
    arena_free(&race.arena);
    kernel_table_free(race.table);
}
