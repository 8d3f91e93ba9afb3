/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bench.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/isa.h"
#include "polyphony/mix.h"

/* As the fast method does it where it is cheaper: the race is with its own direct loop too. */
#include "../../src/kernels/mix_ref.h"
#include "../../src/kernels/fast/attenuate.h"
#include "../../src/kernels/segments.h"

/* The mission's benchmark: 51 ages, 13 metallicities; tables of stars and of nebulae. */
enum {
    N_AGE = 51,
    N_METALLICITY = 13,
    N_CELL = N_AGE * N_METALLICITY,
    N_COLUMN = 9244,
    N_TABLE = 2,
    N_CORNER = 4
};

struct sky {
    double *mass, *tau, *k, *value[N_TABLE], *sum[N_TABLE];
    struct weights weights;
    uint32_t cell[N_CELL], slot[N_CELL];
    struct mix_screened in;
    struct arena arena;
};

static void *filled(size_t n, size_t size)
{
    void *array = mem_array(n, size);

    if (!array) {
        fprintf(stderr, "bench_attenuate: no memory\n");
        exit(1);
    }
    return array;
}

/* Logarithmic from 100 angstrom to 100 micrometres, most of it from 912 angstrom to 5 micrometres. */
static double lambda_angstrom(size_t j)
{
    static const double from[] = { 100, 912, 50000, 1e6 }, share[] = { 0.0, 0.12, 0.95, 1.0 };
    double x = (double)j / N_COLUMN;
    size_t s = x < share[1] ? 0 : x < share[2] ? 1 : 2;

    return from[s] * pow(from[s + 1] / from[s], (x - share[s]) / (share[s + 1] - share[s]));
}

static struct sky *sky_open(struct bench *bench, size_t n_particle)
{
    struct sky *sky = filled(1, sizeof(*sky));
    bool is_used[N_CELL] = { false };
    size_t n = 0;

    sky->mass = filled(n_particle, sizeof(double));
    sky->tau = filled(n_particle, sizeof(double));
    sky->k = filled(N_COLUMN, sizeof(double));
    sky->weights =
        (struct weights) { n_particle, N_CORNER, filled(n_particle, N_CORNER * sizeof(*sky->weights.cell)),
                           filled(n_particle, N_CORNER * sizeof(*sky->weights.share)) };
    for (size_t i = 0; i < n_particle; i++) {
        /* Old stars are more than young ones; metallicities lie within four bins of the middle. */
        double age = (N_AGE - 1.001) * sqrt(bench_random(bench));
        double metallicity = 4.0 + 4.0 * (bench_random(bench) + bench_random(bench)) / 2.0;
        uint32_t corner = (uint32_t)age * N_METALLICITY + (uint32_t)metallicity;
        double f = age - floor(age), g = metallicity - floor(metallicity);

        sky->mass[i] = 1e5 * (0.5 + bench_random(bench));
        for (uint32_t c = 0; c < N_CORNER; c++) {
            size_t at = i * N_CORNER + c;

            sky->weights.cell[at] = corner + (c >> 1) * N_METALLICITY + (c & 1);
            sky->weights.share[at] = (c >> 1 ? f : 1.0 - f) * (c & 1 ? g : 1.0 - g);
            is_used[sky->weights.cell[at]] = true;
        }
    }
    for (size_t j = 0; j < N_COLUMN; j++)
        sky->k[j] = 5500.0 / lambda_angstrom(j); /* power_law of slope -1 */
    for (size_t t = 0; t < N_TABLE; t++) {
        sky->value[t] = filled((size_t)N_CELL * N_COLUMN, sizeof(double));
        sky->sum[t] = filled(N_COLUMN, sizeof(double));
        for (size_t i = 0; i < (size_t)N_CELL * N_COLUMN; i++)
            sky->value[t][i] = bench_random(bench);
    }
    for (size_t c = 0; c < N_CELL; c++)
        if (is_used[c]) {
            sky->slot[c] = (uint32_t)n;
            sky->cell[n++] = (uint32_t)c;
        }
    sky->in = (struct mix_screened) { .n_particle = n_particle,
                                      .mass = sky->mass,
                                      .tau = sky->tau,
                                      .weights = &sky->weights,
                                      .cells = { n, sky->cell, NULL },
                                      .slot = sky->slot,
                                      .n_column = N_COLUMN,
                                      .k = sky->k,
                                      .n_table = N_TABLE,
                                      .value = (const double *const *)sky->value,
                                      .tolerance = MIX_TOLERANCE_DEFAULT };
    return sky;
}

/* Squared uniform: many clear, some deep in the dust. */
static void draw_tau(struct bench *bench, struct sky *sky, double tau_max)
{
    for (size_t i = 0; i < sky->in.n_particle; i++) {
        double x = bench_random(bench);

        sky->tau[i] = tau_max * x * x;
    }
    sky->in.range = MIX_RANGE_NONE;
    mix_range_add(&sky->in.range, sky->in.n_particle, sky->mass, sky->tau);
}

static void sky_free(struct sky *sky)
{
    for (size_t t = 0; t < N_TABLE; t++) {
        free(sky->value[t]);
        free(sky->sum[t]);
    }
    free(sky->mass);
    free(sky->tau);
    free(sky->k);
    free(sky->weights.cell);
    free(sky->weights.share);
    arena_free(&sky->arena);
    free(sky);
}

static void run_definition(void *context)
{
    struct sky *sky = context;

    mix_screened_direct(&sky->in, sky->sum);
}

/* The rival: every exponential, but vectorised. */
static void run_direct(void *context)
{
    struct sky *sky = context;
    struct mix_nodal nodal = { .is_direct = true, .n_segment = 1, .begin = 0, .end = 1 };

    mix_nodal_add(&sky->in, &nodal, sky->sum);
}

static void run_nodes(void *context)
{
    struct sky *sky = context;
    struct error err;

    if (mix_screened_segments(&sky->in, sky->sum, &sky->arena, &err))
        exit(1);
}

/* An exponential, and adding it to four corners' cells. */
#define FLOP_EXP     30.0
#define FLOP_CORNERS 8.0

/* Nodes of all segments, and the operations of that way; 0 nodes: it is done directly. */
static double count_nodes(struct sky *sky, double *ret_flop)
{
    struct arena_mark mark = arena_mark(&sky->arena);
    struct mix_nodal nodal;
    struct error err;
    double n = 0.0;

    if (mix_nodal_open(&sky->in, 0, &nodal, &sky->arena, &err))
        exit(1);
    *ret_flop = 0.0;
    for (size_t i = 0; !nodal.is_direct && i < nodal.n_segment; i++) {
        double n_node = (double)(nodal.first[i + 1] - nodal.first[i]) / (double)sky->in.cells.n;

        n += n_node;
        /* Particles at nodes; then cells at columns (24 a grain), for which nodes are interpolated once. */
        *ret_flop +=
            (double)sky->in.n_particle * n_node * (FLOP_EXP + FLOP_CORNERS) +
            24.0 * (double)nodal.segment[i].n_grain * (double)sky->in.cells.n * 2.0 * (n_node + N_TABLE);
    }
    arena_release(&sky->arena, mark);
    return n;
}

/* Optical depths up to 10, one galaxy. */
static void race_particles(struct bench *bench, size_t n_particle)
{
    struct sky *sky = sky_open(bench, n_particle);
    double n = (double)n_particle * N_COLUMN;
    struct bench_work work = { .n = n,
                               .unit = "particle columns",
                               .flop = n * (FLOP_EXP + FLOP_CORNERS * N_TABLE),
                               .bytes = 8.0 * N_TABLE * N_COLUMN * (double)sky->in.cells.n };
    struct bench_work nodes_work = work;
    double n_node;
    enum isa best = isa_in_use();
    char size[96];

    draw_tau(bench, sky, 10.0);
    n_node = count_nodes(sky, &nodes_work.flop);
    if (n_node == 0.0)
        nodes_work.flop = work.flop;
    snprintf(size, sizeof(size), "%zu particles in %zu cells, %d threads", n_particle, sky->in.cells.n,
             omp_get_max_threads());
    if (n_particle <= 10000 && !bench_is_quick(bench))
        bench_add(bench, "attenuate", "definition", size, bench_time(bench, run_definition, sky), &work);
    for (int isa = ISA_AVX2; isa < ISA_N; isa++)
        if (isa_use((enum isa)isa)) {
            char variant[32];
            double direct = 0.0, nodes;

            if (n_particle <= 10000 || isa == (int)best) {
                snprintf(variant, sizeof(variant), "direct %s", isa_names[isa]);
                direct = bench_time(bench, run_direct, sky);
                bench_add(bench, "attenuate", variant, size, direct, &work);
            }
            nodes = bench_time(bench, run_nodes, sky);
            bench_add(bench, "attenuate", isa_names[isa], size, nodes, &nodes_work);
            if (direct > 0.0)
                bench_note(bench, "attenuate", "direct, vectorised, over nodes", direct / nodes, "times");
        }
    isa_use(best);
    bench_note(bench, "attenuate", "nodes for 9244 columns (0: directly)", n_node, "nodes");
    sky_free(sky);
}

void bench_attenuate(struct bench *bench)
{
    static const size_t n_particle[] = { 1, 10, 100, 1000, 10000, 100000 };
    size_t n = sizeof(n_particle) / sizeof(*n_particle) - (bench_is_quick(bench) ? 1 : 0);

    for (size_t i = 0; i < n; i++)
        race_particles(bench, n_particle[i]);
}
