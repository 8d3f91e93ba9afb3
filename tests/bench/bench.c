/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Races of the kernels, and what the machine does, in one run: scripts/bench.sh calls it.
 */
#include "bench.h"

#include <getopt.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "polyphony/base.h"
#include "polyphony/isa.h"

static const struct {
    const char *name;
    void (*run)(struct bench *bench);
} races[] = {
    { "attenuate", bench_attenuate }, { "bands", bench_bands }, { "columns", bench_columns },
    { "deposit", bench_deposit },     { "mix", bench_mix },     { "reading", bench_reading },
    { "writing", bench_writing },
};

#define N_RACE (sizeof(races) / sizeof(*races))

struct bench {
    bool is_quick;
    int n_thread; /* races may set fewer for a while */
    uint64_t random;
    struct machine machine;
    FILE *json;     /* NULL: none */
    size_t n_entry; /* of the list that is being written */
};

static const char usage[] =
    "Usage: bench_kernels [--quick] [--threads N] [--only NAME,...] [--folder DIR] [--json FILE]\n"
    "\n"
    "Measures the machine, then races the variants of each kernel.\n"
    "  --quick        small sizes, few repeats: to see that it runs\n"
    "  --threads N    OpenMP threads (default: OMP_NUM_THREADS, or all cores)\n"
    "  --only NAMES   these kernels, with commas between them; 'machine': none (default: all)\n"
    "  --folder DIR   also measure a file there, 512 MiB of it (default: do not)\n"
    "  --json FILE    the figures, in SI units (default: none)\n";

int bench_threads(const struct bench *bench)
{
    return bench->n_thread;
}

bool bench_is_quick(const struct bench *bench)
{
    return bench->is_quick;
}

double bench_random(struct bench *bench)
{
    bench->random = bench->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(bench->random >> 11) * 0x1p-53;
}

double bench_time(struct bench *bench, void (*run)(void *context), void *context)
{
    const int n_max = bench->is_quick ? 2 : 50;
    const int64_t enough_ns = 1000000000;
    int64_t total = 0, least = INT64_MAX;

    run(context);
    for (int i = 0; i < n_max && total < enough_ns; i++) {
        int64_t begin = clock_ns(), took;

        run(context);
        took = clock_ns() - begin;
        total += took;
        least = took < least ? took : least;
    }
    return (double)least * 1e-9;
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static void begin_entry(struct bench *bench)
{
    fprintf(bench->json, "%s\n    {", bench->n_entry++ ? "," : "");
}

static void put_text(struct bench *bench, const char *key, const char *text)
{
    fprintf(bench->json, "\"%s\": \"", key);
    for (; *text; text++)
        fprintf(bench->json, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    fprintf(bench->json, "\", ");
}

static void write_machine(struct bench *bench)
{
    const struct machine *machine = &bench->machine;

    fprintf(bench->json, "{\n  \"threads\": %d,\n  \"instruction_set\": \"%s\",\n  \"quick\": %s,\n",
            bench_threads(bench), isa_names[isa_in_use()], bench->is_quick ? "true" : "false");
    fprintf(bench->json, "  \"machine\": [");
    for (size_t i = 0; i < machine->n; i++) {
        begin_entry(bench);
        put_text(bench, "what", machine->rate[i].name);
        put_text(bench, "unit", machine->rate[i].unit);
        fprintf(bench->json, "\"one_thread\": %.6g, \"all_threads\": %.6g}", machine->rate[i].one,
                machine->rate[i].all);
    }
    fprintf(bench->json, "\n  ],\n  \"kernels\": [");
    bench->n_entry = 0;
}

/* ---- what races report ------------------------------------------------------------------------------ */

/* Least seconds that the machine needs for the work, with as many threads as run now; 0: nothing was counted. */
static double find_bound(const struct bench *bench, const struct bench_work *work, const char **ret_by)
{
    bool is_all = omp_get_max_threads() > 1;
    double flop_s = work->flop / bench->machine.flop_s[is_all];
    double byte_s = work->bytes / bench->machine.byte_s[is_all];

    *ret_by = flop_s >= byte_s ? "arithmetic" : "memory";
    return flop_s >= byte_s ? flop_s : byte_s;
}

void bench_add(struct bench *bench, const char *kernel, const char *variant, const char *size, double seconds,
               const struct bench_work *work)
{
    const char *by;
    double bound = find_bound(bench, work, &by);

    printf("%-10s %-16s %-48s %10.3e s  %9.3e %s/s  %6.2f Gflop/s  %6.2f GB/s", kernel, variant, size,
           seconds, work->n / seconds, work->unit, work->flop / seconds * 1e-9, work->bytes / seconds * 1e-9);
    if (bound > 0)
        printf("  %3.0f %% of the roof (%s)", 100.0 * bound / seconds, by);
    printf("\n");
    fflush(stdout);
    if (!bench->json)
        return;
    begin_entry(bench);
    put_text(bench, "kernel", kernel);
    put_text(bench, "variant", variant);
    put_text(bench, "size", size);
    put_text(bench, "unit", work->unit);
    put_text(bench, "bound", bound > 0 ? by : "");
    fprintf(bench->json,
            "\"threads\": %d, \"seconds\": %.6g, \"n\": %.6g, \"flop\": %.6g, \"bytes\": %.6g, \"of_roof\": "
            "%.4g}",
            omp_get_max_threads(), seconds, work->n, work->flop, work->bytes, bound / seconds);
}

void bench_note(struct bench *bench, const char *kernel, const char *what, double value, const char *unit)
{
    printf("%-10s %s: %.4g %s\n", kernel, what, value, unit);
    if (!bench->json)
        return;
    begin_entry(bench);
    put_text(bench, "kernel", kernel);
    put_text(bench, "note", what);
    put_text(bench, "unit", unit);
    fprintf(bench->json, "\"value\": %.6g}", value);
}

/* ---- the command ------------------------------------------------------------------------------------ */

/* Is the name in a list with commas between? */
static bool has_name(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (!strncmp(at, name, n) && (at[n] == ',' || !at[n]))
            return true;
    return false;
}

/* Each name of the list is a race, or the machine. */
static bool names_exist(const char *list)
{
    for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t n = strcspn(at, ",");
        bool is_found = n == strlen("machine") && !strncmp(at, "machine", n);

        for (size_t i = 0; i < N_RACE; i++)
            is_found |= n == strlen(races[i].name) && !strncmp(at, races[i].name, n);
        if (!is_found) {
            fprintf(stderr, "bench_kernels: there is no kernel '%.*s'\n", (int)n, at);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "quick", no_argument, NULL, 'q' },
                                             { "threads", required_argument, NULL, 't' },
                                             { "only", required_argument, NULL, 'o' },
                                             { "folder", required_argument, NULL, 'f' },
                                             { "json", required_argument, NULL, 'j' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    const char *only = NULL, *folder = NULL, *json = NULL;
    struct bench bench = { 0 };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'q':
            bench.is_quick = true;
            break;
        case 't':
            if (atoi(optarg) < 1) {
                fprintf(stderr, "bench_kernels: --threads is '%s', expected 1 or more\n", optarg);
                return 2;
            }
            omp_set_num_threads(atoi(optarg));
            break;
        case 'o':
            only = optarg;
            break;
        case 'f':
            folder = optarg;
            break;
        case 'j':
            json = optarg;
            break;
        default:
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    if (!names_exist(only))
        return 2;
    bench.n_thread = omp_get_max_threads();
    if (json && !(bench.json = fopen(json, "w"))) {
        fprintf(stderr, "bench_kernels: cannot write '%s'\n", json);
        return 5;
    }
    machine_measure(&bench, folder, &bench.machine);
    if (bench.json)
        write_machine(&bench);
    for (size_t i = 0; i < N_RACE; i++)
        if (!only || has_name(only, races[i].name))
            races[i].run(&bench);
    if (bench.json) {
        fprintf(bench.json, "\n  ]\n}\n");
        fclose(bench.json);
    }
    return 0;
}
