/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "needs.h"

#include <errno.h>
#include <libgen.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "polyphony/results.h"

#include "cli.h"
#include "forecast.h"
#include "memory.h"

#define MB 1048576.0
/* Program, libraries and the tables of its trace: measured of ranks that compute galaxies of 100 stars, and
 * of rank 0 of three (OpenMPI 4.1, x86-64). */
#define WORKER_BYTES (48.0 * MB)
#define DEALER_BYTES (32.0 * MB)
/* Of the dealer for each galaxy: item, cost and place (dealer.h), and one more place while they are sorted. */
#define DEALER_ROW_BYTES (16.0 + 8.0 + 4.0)
/* Of the catalogue's index: id, redshift, three offsets and lengths. */
#define INDEX_ROW_BYTES (2.0 * 8.0 + 3.0 * (8.0 + 4.0))

/* ---- time -------------------------------------------------------------------------------------- */

/* Decades of seconds, from 1 us on; what is shorter or longer goes to the first and last. */
#define N_DECADE   12
#define DECADE_0   (-6)
#define BAR_LENGTH 40

static void print_histogram(const struct forecast *forecast)
{
    size_t n[N_DECADE] = { 0 };
    double sum_s[N_DECADE] = { 0 };
    char low[24], high[24];

    for (size_t i = 0; i < forecast->n; i++) {
        double seconds = (double)forecast->seconds[i];
        double decade = fmin(fmax(floor(log10(fmax(seconds, 1e-300))) - DECADE_0, 0.0), N_DECADE - 1.0);

        n[(size_t)decade]++;
        sum_s[(size_t)decade] += seconds;
    }
    for (int d = 0; d < N_DECADE; d++) {
        double share = forecast->total_s > 0.0 ? sum_s[d] / forecast->total_s : 0.0;

        if (n[d] == 0)
            continue;
        forecast_format_time(pow(10.0, d + DECADE_0), low);
        forecast_format_time(pow(10.0, d + DECADE_0 + 1), high);
        printf("            %8s to %-8s %10zu galaxies  %5.1f %% of the time  %.*s\n", low, high, n[d],
               100.0 * share, (int)rint(share * BAR_LENGTH), "########################################");
    }
}

static int print_time(const struct plan *plan, const struct forecast *forecast, const char *list,
                      struct error *err)
{
    size_t n_worker[FORECAST_WORKERS_MAX], n = 0;
    char total[24], largest[24], name[48], wall[24];
    int r = forecast_parse_workers(list, n_worker, &n, err);

    if (r || forecast->n == 0)
        return r;
    forecast_format_time(forecast->total_s, total);
    forecast_format_time(forecast->largest_s, largest);
    forecast_name_largest(forecast, plan, name);
    printf("time        %s of one rank, %s alone takes %s (%s)\n", total, name, largest, forecast->source);
    print_histogram(forecast);
    for (size_t i = 0; i < n; i++) {
        bool is_largest;

        forecast_format_time(forecast_bound_s(forecast, (double)n_worker[i], &is_largest), wall);
        printf("            %zu worker%s: %s%s\n", n_worker[i], n_worker[i] == 1 ? "" : "s", wall,
               is_largest ? ", for the largest galaxy alone" : "");
    }
    printf("            more than %.0f workers are useless; 'polyphony simulate' says more\n",
           forecast_useful_workers(forecast));
    return 0;
}

/* ---- memory ------------------------------------------------------------------------------------ */

struct galaxy_memory {
    double most_bytes;  /* of any galaxy, whole */
    double least_bytes; /* of any galaxy, in the smallest tiles */
    size_t i_least;
};

static struct galaxy_memory find_galaxy_memory(const struct plan *plan)
{
    struct galaxy_memory memory = { 0 };

    for (size_t i = 0; i < plan->catalogue->n_galaxy; i++) {
        double least_bytes = (double)plan_galaxy_least_bytes(plan, i);

        memory.most_bytes = fmax(memory.most_bytes, (double)plan_galaxy_bytes(plan, i));
        if (least_bytes > memory.least_bytes) {
            memory.least_bytes = least_bytes;
            memory.i_least = i;
        }
    }
    return memory;
}

static int print_memory(const struct plan *plan, int n_rank, struct error *err)
{
    const double n_galaxy = (double)plan->catalogue->n_galaxy;
    const double n_worker = n_rank > 1 ? n_rank - 1.0 : 1.0;
    struct galaxy_memory galaxy;
    struct memory_facts facts;
    const char *source;
    double budget_bytes, group_bytes, worker_bytes, dealer_bytes, shared_bytes, node_bytes;
    char worker[24], dealer[24], shared[24], node[24], budget[24], least[24];

    omp_set_num_threads(forecast_threads(plan->job)); /* as the run will have them */
    galaxy = find_galaxy_memory(plan);
    memory_find_facts(*plan->job->memory_mb, n_rank, &facts);
    budget_bytes = (double)memory_of_rank(&facts, &source);
    group_bytes = (double)plan_group_bytes(plan, (uint64_t)fmin(budget_bytes, 0x1p63));
    worker_bytes =
        WORKER_BYTES + fmin(fmax(galaxy.most_bytes, group_bytes), fmax(budget_bytes, galaxy.least_bytes));
    dealer_bytes = DEALER_BYTES + DEALER_ROW_BYTES * n_galaxy;
    shared_bytes = (double)grid_bytes(plan->grid) + INDEX_ROW_BYTES * n_galaxy;
    cli_format_bytes(worker_bytes, worker);
    cli_format_bytes(dealer_bytes, dealer);
    cli_format_bytes(shared_bytes, shared);
    node_bytes = shared_bytes + n_worker * worker_bytes + (n_rank > 1 ? dealer_bytes : 0.0);
    cli_format_bytes(node_bytes, node);
    cli_format_bytes(budget_bytes, budget);
    printf(
        "memory      %s a node of %d rank%s: %s shared (grid, index), %s a rank that computes, %s rank 0\n",
        node, n_rank, n_rank == 1 ? "" : "s", shared, worker, dealer);
    printf("            a rank may use %s here (%s)%s\n", budget, source,
           galaxy.most_bytes > budget_bytes ? ": larger galaxies are computed in tiles" : "");
    if (node_bytes > (double)facts.physical_bytes)
        printf("warning     this machine has less: %d ranks need another node, or a smaller memory_mb\n",
               n_rank);
    if (galaxy.least_bytes <= budget_bytes)
        return 0;
    cli_format_bytes(galaxy.least_bytes, least);
    return error_set(
        err, POLYPHONY_USAGE,
        "galaxy %lld needs %s of memory in the smallest tiles, a rank may use %s (%s): give memory_mb of %.0f at least%s",
        (long long)plan->catalogue->id[galaxy.i_least], least, budget, source, ceil(galaxy.least_bytes / MB),
        n_rank > 1 ? ", with fewer ranks on a node if it has not as much" : "");
}

/* ---- disk -------------------------------------------------------------------------------------- */

static double results_bytes(const struct plan *plan)
{
    const struct catalogue *catalogue = plan->catalogue;
    double bytes =
        (double)catalogue->n_galaxy * ((double)results_row_bytes(plan) + (double)sizeof(struct ledger_entry));

    if (plan->writes_depths)
        bytes += 8.0 * (double)(catalogue->n_particle_all[STARS] + catalogue->n_particle_all[BLACK_HOLES]);
    return bytes;
}

static int print_disk(const struct plan *plan, struct error *err)
{
    const char *path = plan->job->output;
    double needed_bytes = results_bytes(plan), free_bytes;
    char *copy = mem_text(path), needed[24], available[24], missing[24];
    struct statvfs disk;
    int r;

    r = statvfs(dirname(copy), &disk);
    free(copy);
    if (r)
        return error_set(err, POLYPHONY_OUTPUT, "output '%s': its file system says nothing: %s", path,
                         strerror(errno));
    free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
    cli_format_bytes(needed_bytes, needed);
    cli_format_bytes(free_bytes, available);
    cli_format_bytes(needed_bytes - free_bytes, missing);
    printf("disk        %s for the results, %s free\n", needed, available);
    if (needed_bytes <= free_bytes || access(path, F_OK) == 0)
        return 0;
    return error_set(
        err, POLYPHONY_OUTPUT,
        "output '%s': the results need %s, its file system has %s free: free another %s, write elsewhere, or ask for fewer labels and filters",
        path, needed, available, missing);
}

/* ---- all of it --------------------------------------------------------------------------------- */

int needs_print(const struct plan *plan, const struct needs_options *options, struct error *err)
{
    struct forecast forecast = { 0 };
    int r = forecast_open(plan, forecast_threads(plan->job), &forecast, err);

    if (!r)
        r = forecast_learn(&forecast, plan, err);
    if (!r)
        r = print_time(plan, &forecast, options->workers, err);
    if (!r)
        r = print_memory(plan, options->n_rank, err);
    if (!r)
        r = print_disk(plan, err);
    forecast_close(&forecast);
    return r;
}
