/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bench.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "polyphony/columns.h"
#include "polyphony/isa.h"

#include "../../src/kernels/columns_ref.h"

/*
 * What is counted. Testing a pair: 12 operations on 6 numbers. A whole column through a kernel of one piece:
 * 62, of which a square root and two logarithms of 19; a cut one 84. Bytes are those of gas and targets,
 * once: all else stays in caches.
 */
#define FLOP_TEST  12.0
#define FLOP_WHOLE 62.0
#define FLOP_CUT   84.0

struct scene {
    size_t n;
    double *x, *y, *z, *h, *mass;
    double *column;
    const struct columns_index *index;
    struct arena *arena, *make_arena;
    size_t n_ref; /* targets of the reference, which would take hours for all */
    struct columns_work work;
};

/* An exponential disc of 3 kpc and 0.3 kpc height; h holds 32 neighbours at the density of the place. */
static void disc_fill(struct bench *bench, struct scene *scene)
{
    const double radius = 3.0, height = 0.3;

    for (size_t i = 0; i < scene->n; i++) {
        double r = -radius * log((1.0 - bench_random(bench)) * (1.0 - bench_random(bench)));
        double angle = 2.0 * M_PI * bench_random(bench);
        double z = -height * log(1.0 - bench_random(bench));
        double density =
            (double)scene->n * exp(-r / radius - z / height) / (4.0 * M_PI * radius * radius * height);

        scene->x[i] = r * cos(angle);
        scene->y[i] = r * sin(angle);
        scene->z[i] = bench_random(bench) < 0.5 ? z : -z;
        scene->h[i] = cbrt(32.0 / (4.0 / 3.0 * M_PI * density));
        scene->mass[i] = 1e3;
    }
}

static bool scene_open(struct bench *bench, size_t n, struct arena *arena, struct arena *make_arena,
                       struct scene *ret)
{
    struct scene scene = { .n = n, .arena = arena, .make_arena = make_arena };

    scene.x = mem_array(n, sizeof(double));
    scene.y = mem_array(n, sizeof(double));
    scene.z = mem_array(n, sizeof(double));
    scene.h = mem_array(n, sizeof(double));
    scene.mass = mem_array(n, sizeof(double));
    scene.column = mem_array(n, sizeof(double));
    *ret = scene;
    if (!scene.x || !scene.y || !scene.z || !scene.h || !scene.mass || !scene.column)
        return false;
    disc_fill(bench, ret);
    return true;
}

static void scene_free(struct scene *scene)
{
    free(scene->x);
    free(scene->y);
    free(scene->z);
    free(scene->h);
    free(scene->mass);
    free(scene->column);
}

static struct column_gas gas_of(const struct scene *scene)
{
    return (struct column_gas) { scene->n, scene->x, scene->y, scene->z, scene->h, scene->mass };
}

/* Targets are where the gas is, but not on top of it. */
static void run_ref(void *context)
{
    struct scene *scene = context;
    struct column_gas gas = gas_of(scene);

    columns_ref(SPH_ANARCHY, &gas, scene->n_ref, scene->y, scene->x, scene->z, scene->column);
}

static void run_make(void *context)
{
    struct scene *scene = context;
    struct column_gas gas = gas_of(scene);
    struct columns_index *index;

    arena_reset(scene->make_arena);
    if (columns_index_make(SPH_ANARCHY, &gas, scene->make_arena, &index, NULL))
        abort();
}

static void run_search(void *context)
{
    struct scene *scene = context;

    if (columns_search(scene->index, scene->n, scene->y, scene->x, scene->z, scene->arena, scene->column,
                       &scene->work, NULL))
        abort();
}

static void race(struct bench *bench, size_t n)
{
    struct arena arena = { 0 }, make_arena = { 0 };
    struct columns_index *index = NULL;
    struct column_gas gas;
    struct scene scene;
    const int n_thread = bench_threads(bench);
    const enum isa isa_before = isa_in_use();
    struct bench_work work = { .unit = "overlaps" };
    char size[64], variant[32];
    double seconds;

    if (!scene_open(bench, n, &arena, &make_arena, &scene))
        abort();
    gas = gas_of(&scene);
    if (columns_index_make(SPH_ANARCHY, &gas, &arena, &index, NULL))
        abort();
    scene.index = index;
    run_search(&scene);
    snprintf(size, sizeof(size), "%zu targets, %zu gas", n, n);
    bench_note(bench, "columns", "columns a target",
               (double)(scene.work.n_whole + scene.work.n_cut) / (double)n, "whole and cut");
    bench_note(bench, "columns", "of which cut", (double)scene.work.n_cut / (double)n, "");
    bench_note(bench, "columns", "tests a target", (double)scene.work.n_tested / (double)n, "");

    work.n = (double)(scene.work.n_whole + scene.work.n_cut);
    work.flop = FLOP_TEST * (double)scene.work.n_tested + FLOP_WHOLE * (double)scene.work.n_whole +
                FLOP_CUT * (double)scene.work.n_cut;
    work.bytes = (double)n * (6.0 + 4.0) * sizeof(double);
    scene.n_ref = n < 1000 ? n : (size_t)(1e7 / (double)n);
    scene.n_ref = scene.n_ref > n ? n : scene.n_ref;
    seconds = bench_time(bench, run_ref, &scene) * (double)n / (double)scene.n_ref;
    work.flop += FLOP_TEST * ((double)n * (double)n - (double)scene.work.n_tested); /* it tests all pairs */
    bench_add(bench, "columns", "plain", size, seconds, &work);
    work.flop -= FLOP_TEST * ((double)n * (double)n - (double)scene.work.n_tested);
    for (int threads = 1; threads <= n_thread; threads++) {
        omp_set_num_threads(threads);
        for (int isa = 0; isa < ISA_N; isa++) {
            if (!isa_use((enum isa)isa))
                continue;
            snprintf(variant, sizeof(variant), "%s %d thr", isa_names[isa], threads);
            bench_add(bench, "columns", variant, size, bench_time(bench, run_search, &scene), &work);
        }
        isa_use(isa_before);
    }
    work = (struct bench_work) { .n = (double)n, .unit = "gas", .bytes = (double)n * 20 * sizeof(double) };
    bench_add(bench, "columns", "index", size, bench_time(bench, run_make, &scene), &work);
    scene_free(&scene);
    arena_free(&arena);
    arena_free(&make_arena);
}

void bench_columns(struct bench *bench)
{
    race(bench, 100);
    race(bench, 1000);
    race(bench, 10000);
    if (!bench_is_quick(bench))
        race(bench, 100000);
}
