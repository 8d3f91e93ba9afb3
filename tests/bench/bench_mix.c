/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bench.h"

#include <dlfcn.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/isa.h"
#include "polyphony/mix.h"

#include "../../src/kernels/mix_ref.h"

/* The grid of the mission's benchmark: 51 ages, 13 metallicities. */
enum { N_CELL = 663, N_COLUMN = 9244, N_GALAXY_MOST = 128 };

struct race {
    size_t n_galaxy, n_column;
    double *value;     /* [N_CELL][n_column] */
    double *histogram; /* [n_galaxy][N_CELL] */
    double *sum;       /* [n_galaxy][n_column] */
    struct mix_cells cells[N_GALAXY_MOST];
    uint32_t cell[N_GALAXY_MOST][N_CELL];
    double mass[N_GALAXY_MOST][N_CELL];
    double *ret_sum[N_GALAXY_MOST];
    struct arena arena;
};

static void *filled(size_t n)
{
    double *array = aligned_alloc(64, (n * sizeof(double) + 63) / 64 * 64);

    if (!array) {
        fprintf(stderr, "bench_mix: no memory\n");
        exit(1);
    }
    memset(array, 0, n * sizeof(double));
    return array;
}

static void run_ref(void *context)
{
    struct race *race = context;

    for (size_t g = 0; g < race->n_galaxy; g++)
        mix_ref(&race->cells[g], race->n_column, race->value, race->ret_sum[g]);
}

static void run_rows(void *context)
{
    struct race *race = context;

    for (size_t g = 0; g < race->n_galaxy; g++)
        mix_plain(&race->cells[g], race->n_column, race->value, race->ret_sum[g]);
}

static void run_batch(void *context)
{
    struct race *race = context;
    struct error err;

    if (mix_batch(race->n_galaxy, race->cells, race->n_column, race->value, race->ret_sum, &race->arena,
                  &err))
        exit(1);
}

/*
 * A rival, where it is installed (Debian: libopenblas0-serial): loaded here, because it chooses its kernels
 * when it is loaded, and version 0.3.21 takes a processor that it does not know for a very old one.
 */
typedef void dgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, double alpha,
                   const double *a, int lda, const double *b, int ldb, double beta, double *c, int ldc);
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111 };

static dgemm *openblas;

static void find_openblas(struct bench *bench)
{
    void *library;

    setenv("OPENBLAS_NUM_THREADS", "1", 0); /* threads are ours */
    if (isa_is_there(ISA_AVX512))
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
    else if (isa_is_there(ISA_AVX2))
        setenv("OPENBLAS_CORETYPE", "Haswell", 0);
    library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    *(void **)&openblas = library ? dlsym(library, "cblas_dgemm") : NULL;
    bench_note(bench, "mix", "OpenBLAS is there", openblas ? 1.0 : 0.0, "(1: yes)");
}

/* Each thread a part of the columns. */
static void run_openblas(void *context)
{
    struct race *race = context;
    int n = (int)race->n_column, n_g = (int)race->n_galaxy;

#pragma omp parallel default(none) shared(race, n, n_g, openblas)
    {
        int n_thread = omp_get_num_threads(), i = omp_get_thread_num();
        int first = n * i / n_thread, end = n * (i + 1) / n_thread;

        openblas(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, n_g, end - first, N_CELL, 1.0, race->histogram,
                 N_CELL, race->value + first, n, 0.0, race->sum + first, n);
    }
}

/* Each galaxy fills a part of the cells, at random. */
static void fill_histograms(struct bench *bench, struct race *race, double occupied)
{
    for (size_t g = 0; g < race->n_galaxy; g++) {
        double *own = race->histogram + g * N_CELL;

        size_t n = 0;

        for (size_t c = 0; c < N_CELL; c++) {
            own[c] = bench_random(bench) < occupied ? 1e5 * bench_random(bench) : 0.0;
            race->cell[g][n] = (uint32_t)c;
            race->mass[g][n] = own[c];
            n += own[c] > 0.0;
        }
        race->cells[g] = (struct mix_cells) { n, race->cell[g], race->mass[g] };
        race->ret_sum[g] = race->sum + g * race->n_column;
    }
}

static void race_batch(struct bench *bench, struct race *race, size_t n_galaxy, double occupied)
{
    struct bench_work work = { .unit = "products" };
    bool is_used[N_CELL] = { false };
    double n_row = 0.0;
    enum isa best = isa_in_use();
    char size[96];

    race->n_galaxy = n_galaxy;
    fill_histograms(bench, race, occupied);
    for (size_t i = 0; i < n_galaxy * N_CELL; i++) {
        work.n += race->histogram[i] > 0.0;
        is_used[i % N_CELL] |= race->histogram[i] > 0.0;
    }
    for (size_t c = 0; c < N_CELL; c++)
        n_row += is_used[c];
    work.n *= (double)race->n_column;
    work.flop = 2.0 * work.n;
    work.bytes = 8.0 * (double)race->n_column * (n_row + (double)n_galaxy);
    snprintf(size, sizeof(size), "%zu galaxies, %.0f%% of cells, %d threads", n_galaxy, 100.0 * occupied,
             omp_get_max_threads());
    if (n_galaxy <= 8)
        bench_add(bench, "mix", "plain", size, bench_time(bench, run_ref, race), &work);
    bench_add(bench, "mix", "row by row", size, bench_time(bench, run_rows, race), &work);
    for (int isa = ISA_AVX2; isa < ISA_N; isa++) /* without an instruction for fma(), only correct */
        if (isa_use((enum isa)isa))
            bench_add(bench, "mix", isa_names[isa], size, bench_time(bench, run_batch, race), &work);
    isa_use(best);
    if (openblas)
        bench_add(bench, "mix", "OpenBLAS", size, bench_time(bench, run_openblas, race), &work);
}

void bench_mix(struct bench *bench)
{
    static const size_t n_galaxy[] = { 1, 8, 32, 128 };
    static const double occupied[] = { 1.0, 0.4, 0.1 };
    static struct race race = { .n_column = N_COLUMN };
    int n_thread = bench_threads(bench);

    race.value = filled((size_t)N_CELL * N_COLUMN);
    race.histogram = filled((size_t)N_GALAXY_MOST * N_CELL);
    race.sum = filled((size_t)N_GALAXY_MOST * N_COLUMN);
    for (size_t i = 0; i < (size_t)N_CELL * N_COLUMN; i++)
        race.value[i] = bench_random(bench);
    find_openblas(bench);
    for (size_t o = 0; o < sizeof(occupied) / sizeof(*occupied); o++)
        for (size_t i = 0; i < sizeof(n_galaxy) / sizeof(*n_galaxy); i++)
            for (int n = 1; n <= n_thread; n += n_thread > 1 ? n_thread - 1 : 1) {
                omp_set_num_threads(n);
                race_batch(bench, &race, n_galaxy[i], occupied[o]);
            }
    omp_set_num_threads(n_thread);
    arena_free(&race.arena);
    free(race.value);
    free(race.histogram);
    free(race.sum);
}
