/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "machine.h"

#include <fcntl.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "polyphony/base.h"
#include "polyphony/isa.h"

/* ---- arithmetic ------------------------------------------------------------------------------------- */

/*
 * Each loop keeps N_CHAIN vectors in registers, enough to hide the latency of an operation on two ports, and
 * does `n` rounds of one operation on each. Numbers stay near 1.
 */
#define N_CHAIN 12

#if defined(__x86_64__)

/* `step`: what becomes of a vector x. */
#define ARITHMETIC(name, attribute, vector, mm, begin, step)                                                 \
    attribute static double name(size_t n)                                                                   \
    {                                                                                                        \
        const vector factor = mm##_set1_pd(0.999999999), term = mm##_set1_pd(1e-9);                          \
        const vector by = mm##_set1_pd(1.000000001);                                                         \
        vector a[N_CHAIN];                                                                                   \
                                                                                                             \
        (void)factor, (void)term, (void)by;                                                                  \
        for (int c = 0; c < N_CHAIN; c++)                                                                    \
            a[c] = mm##_set1_pd(begin + c);                                                                  \
        for (size_t i = 0; i < n; i++)                                                                       \
            _Pragma("GCC unroll 12") for (int c = 0; c < N_CHAIN; c++)                                       \
            {                                                                                                \
                vector x = a[c];                                                                             \
                                                                                                             \
                a[c] = step;                                                                                 \
            }                                                                                                \
        for (int c = 1; c < N_CHAIN; c++)                                                                    \
            a[0] = mm##_add_pd(a[0], a[c]);                                                                  \
        return mm##_cvtsd_f64(a[0]);                                                                         \
    }
#define AVX2     __attribute__((target("avx2")))
#define AVX2_FMA __attribute__((target("avx2,fma")))
#define AVX512   __attribute__((target("avx512f")))

ARITHMETIC(run_sse2_mul_add, , __m128d, _mm, 1.0, _mm_add_pd(_mm_mul_pd(x, factor), term))
ARITHMETIC(run_avx2_fma, AVX2_FMA, __m256d, _mm256, 1.0, _mm256_fmadd_pd(x, factor, term))
ARITHMETIC(run_avx2_mul_add, AVX2, __m256d, _mm256, 1.0, _mm256_add_pd(_mm256_mul_pd(x, factor), term))
ARITHMETIC(run_avx512_fma, AVX512, __m512d, _mm512, 1.0, _mm512_fmadd_pd(x, factor, term))
ARITHMETIC(run_avx512_mul_add, AVX512, __m512d, _mm512, 1.0, _mm512_add_pd(_mm512_mul_pd(x, factor), term))
ARITHMETIC(run_avx512_sqrt, AVX512, __m512d, _mm512, 2.0, _mm512_sqrt_pd(x))
ARITHMETIC(run_avx512_div, AVX512, __m512d, _mm512, 2.0, _mm512_div_pd(x, by))

/* Eight numbers each from a table of 16 KiB, in the first-level cache. */
__attribute__((target("avx512f"))) static double run_avx512_gather(size_t n)
{
    enum { N_TABLE = 2048 };
    double table[N_TABLE];
    __m512i where[N_CHAIN], step = _mm512_set1_epi64(8 * N_CHAIN + 1), mask = _mm512_set1_epi64(N_TABLE - 1);
    __m512d sum = _mm512_setzero_pd();

    for (int j = 0; j < N_TABLE; j++)
        table[j] = j;
    for (int c = 0; c < N_CHAIN; c++)
        where[c] = _mm512_set_epi64(7 + c, 306 + c, 5 + c, 204 + c, 1003 + c, 2 + c, 701 + c, c);
    for (size_t i = 0; i < n; i++)
#pragma GCC unroll 12
        for (int c = 0; c < N_CHAIN; c++) {
            sum = _mm512_add_pd(sum, _mm512_i64gather_pd(where[c], table, 8));
            where[c] = _mm512_and_si512(_mm512_add_epi64(where[c], step), mask);
        }
    return _mm512_reduce_add_pd(sum);
}

static const struct probe {
    const char *name, *unit;
    enum isa isa;
    double (*run)(size_t n);
    double per_round; /* units of one round */
    bool is_roof;
} probes[] = {
    { "mul + add, baseline", "flop/s", ISA_BASELINE, run_sse2_mul_add, 4.0 * N_CHAIN, true },
    { "fma, avx2", "flop/s", ISA_AVX2, run_avx2_fma, 8.0 * N_CHAIN, true },
    { "mul + add, avx2", "flop/s", ISA_AVX2, run_avx2_mul_add, 8.0 * N_CHAIN, false },
    { "fma, avx512", "flop/s", ISA_AVX512, run_avx512_fma, 16.0 * N_CHAIN, true },
    { "mul + add, avx512", "flop/s", ISA_AVX512, run_avx512_mul_add, 16.0 * N_CHAIN, false },
    { "sqrt, avx512", "sqrt/s", ISA_AVX512, run_avx512_sqrt, 8.0 * N_CHAIN, false },
    { "division, avx512", "division/s", ISA_AVX512, run_avx512_div, 8.0 * N_CHAIN, false },
    { "gather from L1, avx512", "number/s", ISA_AVX512, run_avx512_gather, 8.0 * N_CHAIN, false },
};

#else

static double run_plain_mul_add(size_t n)
{
    double a[N_CHAIN], sum = 0.0;

    for (int c = 0; c < N_CHAIN; c++)
        a[c] = 1.0 + c;
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < N_CHAIN; c++)
            a[c] = a[c] * 0.999999999 + 1e-9;
    for (int c = 0; c < N_CHAIN; c++)
        sum += a[c];
    return sum;
}

static const struct probe {
    const char *name, *unit;
    enum isa isa;
    double (*run)(size_t n);
    double per_round;
    bool is_roof;
} probes[] = { { "mul + add, baseline", "flop/s", ISA_BASELINE, run_plain_mul_add, 2.0 * N_CHAIN, true } };

#endif

struct arithmetic {
    const struct probe *probe;
    size_t n_round;
    int n_thread;
    double sink;
};

static void run_arithmetic(void *context)
{
    struct arithmetic *a = context;
    double sum = 0.0;

#pragma omp parallel num_threads(a->n_thread) reduction(+ : sum)
    sum += a->probe->run(a->n_round);
    a->sink += sum;
}

/* ---- memory ----------------------------------------------------------------------------------------- */

/* a[i] = b[i] + s c[i], as in STREAM: 24 bytes are counted, though hardware may read a[i] first. */
struct triad {
    size_t n, n_repeat; /* n: of each array, of all threads together */
    int n_thread;
    double *a, *b, *c;
};

static void triad_rows(size_t n, double *restrict a, const double *restrict b, const double *restrict c)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        a[i] = b[i] + 1.5 * c[i];
}

static void run_triad(void *context)
{
    const struct triad *t = context;

#pragma omp parallel num_threads(t->n_thread)
    {
        size_t i = (size_t)omp_get_thread_num(), n_thread = (size_t)omp_get_num_threads();
        size_t first = t->n * i / n_thread, end = t->n * (i + 1) / n_thread;

        for (size_t repeat = 0; repeat < t->n_repeat; repeat++) {
            triad_rows(end - first, t->a + first, t->b + first, t->c + first);
            __asm__ volatile("" ::: "memory"); /* each repeat is done */
        }
    }
}

static double sum_row(size_t n, const double *x)
{
    double sum[32] = { 0 };

    for (size_t i = 0; i + 32 <= n; i += 32)
#pragma omp simd
        for (size_t l = 0; l < 32; l++)
            sum[l] += x[i + l];
    for (size_t l = 1; l < 32; l++)
        sum[0] += sum[l];
    return sum[0];
}

static void run_read(void *context)
{
    struct triad *t = context;
    double sum = 0.0;

#pragma omp parallel num_threads(t->n_thread) reduction(+ : sum)
    {
        size_t i = (size_t)omp_get_thread_num(), n_thread = (size_t)omp_get_num_threads();
        size_t first = t->n * i / n_thread, end = t->n * (i + 1) / n_thread;

        sum += sum_row(end - first, t->a + first);
        sum += sum_row(end - first, t->b + first);
        sum += sum_row(end - first, t->c + first);
    }
    t->a[0] = sum;
}

/* ---- a file ----------------------------------------------------------------------------------------- */

struct file_rates {
    double cached_s, forced_s, read_s;
};

/* Written once, so that the pages are new; less than all of it: 0 seconds. */
static struct file_rates time_file(const char *folder, size_t bytes)
{
    enum { PIECE = 8 << 20 };
    struct file_rates rates = { 0 };
    char path[4096];
    char *piece = malloc(PIECE);
    int64_t begin;
    int file;

    if (!piece || !text_format(path, sizeof(path), "%s/bench-machine.tmp", folder)) {
        free(piece);
        return rates;
    }
    memset(piece, 7, PIECE);
    file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    begin = clock_ns();
    for (size_t done = 0; file >= 0 && done < bytes; done += PIECE)
        if (write(file, piece, PIECE) != PIECE) {
            bytes = 0;
            break;
        }
    if (file >= 0 && bytes) {
        rates.cached_s = (double)(clock_ns() - begin) * 1e-9;
        fsync(file);
        rates.forced_s = (double)(clock_ns() - begin) * 1e-9;
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        lseek(file, 0, SEEK_SET);
        begin = clock_ns();
        while (read(file, piece, PIECE) > 0)
            ;
        rates.read_s = (double)(clock_ns() - begin) * 1e-9;
    }
    if (file >= 0)
        close(file);
    unlink(path);
    free(piece);
    return rates;
}

/* ---- all of it -------------------------------------------------------------------------------------- */

static struct machine_rate *add_rate(struct machine *machine, const char *name, const char *unit, double one,
                                     double all)
{
    struct machine_rate *rate = &machine->rate[machine->n++];

    *rate = (struct machine_rate) { name, unit, one, all };
    printf("%-32s %10.4g %-10s of one thread", name, one, unit);
    if (all > 0)
        printf(", %10.4g of all", all);
    printf("\n");
    return rate;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static void measure_arithmetic(struct bench *bench, struct machine *machine)
{
    for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
        struct arithmetic a = { .probe = &probes[i], .n_round = bench_is_quick(bench) ? 20000 : 200000 };
        double rate[2];

        if (!isa_is_there(probes[i].isa))
            continue;
        for (int all = 0; all < 2; all++) {
            a.n_thread = all ? bench_threads(bench) : 1;
            rate[all] = (double)a.n_thread * (double)a.n_round * probes[i].per_round /
                        bench_time(bench, run_arithmetic, &a);
            if (probes[i].is_roof)
                machine->flop_s[all] = larger(machine->flop_s[all], rate[all]);
        }
        add_rate(machine, probes[i].name, probes[i].unit, rate[0], rate[1]);
    }
}

static void measure_memory(struct bench *bench, struct machine *machine)
{
    const size_t n_far = ((size_t)(bench_is_quick(bench) ? 8 : 32)) << 20, n_near = (size_t)32 << 10;
    struct triad far = { .n = n_far, .n_repeat = 1 };
    double triad[2], near_rate[2], read_rate[2];

    far.a = malloc(n_far * sizeof(double));
    far.b = malloc(n_far * sizeof(double));
    far.c = malloc(n_far * sizeof(double));
    if (far.a && far.b && far.c) {
        for (size_t i = 0; i < n_far; i++)
            far.a[i] = far.b[i] = far.c[i] = (double)i;
        for (int all = 0; all < 2; all++) {
            struct triad near = far;

            far.n_thread = near.n_thread = all ? bench_threads(bench) : 1;
            /* 3 x 256 KiB a thread: beyond the first cache, within the second. */
            near.n = n_near * (size_t)near.n_thread;
            near.n_repeat = 200;
            triad[all] = 24.0 * (double)far.n / bench_time(bench, run_triad, &far);
            read_rate[all] = 24.0 * (double)far.n / bench_time(bench, run_read, &far);
            near_rate[all] = 24.0 * (double)(near.n * near.n_repeat) / bench_time(bench, run_triad, &near);
            machine->byte_s[all] = larger(triad[all], read_rate[all]);
        }
        add_rate(machine, "triad, from memory", "byte/s", triad[0], triad[1]);
        add_rate(machine, "reading, from memory", "byte/s", read_rate[0], read_rate[1]);
        add_rate(machine, "triad, within L2", "byte/s", near_rate[0], near_rate[1]);
    }
    free(far.a);
    free(far.b);
    free(far.c);
}

void machine_measure(struct bench *bench, const char *folder, struct machine *ret_machine)
{
    const size_t bytes = (size_t)(bench_is_quick(bench) ? 64 : 512) << 20;

    *ret_machine = (struct machine) { 0 };
    measure_arithmetic(bench, ret_machine);
    measure_memory(bench, ret_machine);
    if (folder) {
        const struct file_rates file = time_file(folder, bytes);

        if (file.cached_s > 0) {
            add_rate(ret_machine, "writing a file, page cache", "byte/s", (double)bytes / file.cached_s, 0.0);
            add_rate(ret_machine, "writing a file, to the disk", "byte/s", (double)bytes / file.forced_s,
                     0.0);
            add_rate(ret_machine, "reading a file", "byte/s", (double)bytes / file.read_s, 0.0);
        }
    }
}
