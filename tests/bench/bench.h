/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The harness of the benchmarks. Each kernel has a file bench_<kernel>.c with one function, which races the
 * kernel's variants (plain reference, every instruction set that is there, rivals) on the same data and says
 * what they did. Numbers that mean something are ratios within one run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct bench;

/** What one run of a variant does. Natural units: particles, pairs, pixel samples, ... */
struct bench_work {
    double n;
    const char *unit;   /* "pixel samples" */
    double flop, bytes; /* floating-point operations (fma: 2), and bytes that must come from or go to memory;
                           0: not counted */
};

/** Threads to run with: omp_set_num_threads() is called already. */
int bench_threads(const struct bench *bench);
/** Small sizes and few repeats: to see that it runs. */
bool bench_is_quick(const struct bench *bench);

/** Least wall seconds of run(context), of some repeats after a first that is not counted. */
double bench_time(struct bench *bench, void (*run)(void *context), void *context);

/**
 * Record a variant: `kernel` groups a race ("mix"), `variant` names who ran ("plain", "avx512", "OpenBLAS"),
 * `size` the problem ("663 cells, 9244 wavelengths, 32 galaxies"). All text is copied.
 */
void bench_add(struct bench *bench, const char *kernel, const char *variant, const char *size, double seconds,
               const struct bench_work *work);
/** Record another figure of a kernel: an error, a count. */
void bench_note(struct bench *bench, const char *kernel, const char *what, double value, const char *unit);

/** Uniform in [0, 1), the same numbers in every run. */
double bench_random(struct bench *bench);

void bench_attenuate(struct bench *bench);
void bench_bands(struct bench *bench);
void bench_columns(struct bench *bench);
void bench_deposit(struct bench *bench);
void bench_mix(struct bench *bench);
void bench_reading(struct bench *bench);
void bench_writing(struct bench *bench);
