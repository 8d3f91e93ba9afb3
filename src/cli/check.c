/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <argp.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "polyphony/operations.h"
#include "polyphony/results.h"

#include "census.h"
#include "output.h"
#include "needs.h"
#include "sample.h"
#include "tracing.h"

static void print_operations(const struct plan *plan)
{
    const char *separator = "";

    printf("operations  ");
    for (size_t i = 0; i < plan->n_step; i++)
        if (plan->step[i].options) {
            printf("%s%s", separator, plan->step[i].operation->title);
            separator = ", ";
        }
    putchar('\n');
}

static void print_costliest(const struct catalogue *catalogue, uint64_t row)
{
    char particles[24];

    cli_format_bytes((double)catalogue_galaxy_bytes(catalogue, row), particles);
    printf("            costliest: galaxy %lld with %llu stars, %llu gas (%s of particles)\n",
           (long long)catalogue->id[row], (unsigned long long)catalogue->n_particle[STARS][row],
           (unsigned long long)catalogue->n_particle[GAS][row], particles);
}

/* "51 ages x 13 metallicities x 4 ionisation_parameters x " */
static void print_axes(const struct grid *grid)
{
    static const char *const names[] = { [GRID_AGE] = "ages", [GRID_METALLICITY] = "metallicities" };

    for (enum grid_quantity quantity = GRID_AGE; quantity <= GRID_OTHER; quantity++)
        for (size_t a = 0; a < grid->n_axis_all; a++) {
            const struct grid_axis *axis = &grid->axis[a];

            if (axis->quantity == quantity && (quantity != GRID_OTHER || axis->n > 1))
                printf("%zu %s x ", axis->n, quantity == GRID_OTHER ? axis->name : names[quantity]);
        }
}

static void print_fixed(const struct grid *grid)
{
    for (size_t a = grid->n_axis; a < grid->n_axis_all; a++) {
        const struct grid_axis *axis = &grid->axis[a];

        if (axis->is_fixed && axis->below == axis->above)
            printf("            fixed: %s %g, a node\n", axis->name, axis->node[0]);
        else if (axis->is_fixed)
            printf("            fixed: %s %g, interpolated %s between its nodes %g and %g\n", axis->name,
                   axis->node[0], axis->is_log ? "in log10" : "linearly", axis->below, axis->above);
    }
}

static void print_plan(const struct plan *plan)
{
    const struct catalogue *catalogue = plan->catalogue;
    char row[24], all[24], grid[24];

    cli_format_bytes((double)results_row_bytes(plan), row);
    cli_format_bytes((double)results_row_bytes(plan) * (double)catalogue->n_galaxy, all);
    cli_format_bytes((double)grid_bytes(plan->grid), grid);
    printf("catalogue   %s: %zu galaxies, %llu stars, %llu gas, %llu black holes\n", plan->job->catalogue,
           catalogue->n_galaxy, (unsigned long long)catalogue->n_particle_all[STARS],
           (unsigned long long)catalogue->n_particle_all[GAS],
           (unsigned long long)catalogue->n_particle_all[BLACK_HOLES]);
    if (catalogue->n_galaxy)
        print_costliest(catalogue, sample_costliest(plan));
    printf("grid        %s: ", plan->job->grid);
    print_axes(plan->grid);
    printf("%zu wavelengths, %zu lines (%s in memory, each node)\n", plan->grid->n_lambda, plan->grid->n_line,
           grid);
    print_fixed(plan->grid);
    printf("model       %s: %zu labels from %zu grid spectra through %zu sets of particle weights\n",
           plan->model->name, plan->program.n_label, plan->program.n_extract, plan->program.n_channel);
    print_operations(plan);
    census_print_filters(plan);
    printf("output      %s: %s a galaxy, %s in all\n", plan->job->output, row, all);
    for (size_t i = 0; i < plan->warnings.n; i++)
        printf("warning     %s\n", plan->warnings.text[i]);
}

/* Can the results go where the job says? */
static int check_output(const struct plan *plan, struct error *err)
{
    const char *path = plan->job->output;
    struct provenance provenance = { 0 };
    char *copy = mem_text(path);
    int r;

    if (access(dirname(copy), W_OK | X_OK))
        r = error_set(err, POLYPHONY_OUTPUT, "output '%s': its directory cannot be written: %s", path,
                      strerror(errno));
    else if (access(path, F_OK))
        r = 0;
    else {
        r = output_provenance(plan, 0, 0, &provenance, err);
        if (!r)
            r = results_check(path, plan, &provenance, err);
        if (!r)
            printf("            exists, made by the same job: 'run' continues it\n");
        provenance_free(&provenance);
    }
    free(copy);
    return r;
}

/* And the trace beside them? */
static int check_trace(const struct job *job, struct error *err)
{
    static struct tracing tracing;
    int r;

    if (*job->trace == JOB_TRACE_OFF)
        return 0;
    r = tracing_choose_path(&tracing, job, access(job->output, F_OK) == 0, err);
    if (!r && *job->trace == JOB_TRACE_SUMMARY)
        printf("trace       %s: sums by stage\n", tracing.path);
    else if (!r && *job->trace_frequency_hz == 0)
        printf("trace       %s: every stage of every galaxy\n", tracing.path);
    else if (!r)
        printf("trace       %s: every stage of every galaxy, memory %d times a second\n", tracing.path,
               *job->trace_frequency_hz);
    return r;
}

struct check_options {
    const char *job_path;
    bool is_only_path, is_all;
    struct needs_options needs;
};

enum { OPTION_OUTPUT_PATH = 256 };

static const struct argp_option argp_options[] = {
    { "output-path", OPTION_OUTPUT_PATH, NULL, 0,
      "only print the path of the results file, for scripts: links are followed, and all that is named after the results (.status.json, .lock, .stop) has this name",
      0 },
    { "all", 'a', NULL, 0, "look at all galaxies, with all their particles, not only at some", 0 },
    { "workers", 'w', "LIST", 0, "predict the time of so many ranks that compute (default: 1,8,64,512,4096)",
      0 },
    { "ranks-per-node", 'r', "R", 0, "for the memory: ranks on a node, rank 0 among them (default: 8)", 0 },
    { 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct check_options *options = state->input;
    int64_t value = 0;

    switch (key) {
    case 'a':
        options->is_all = true;
        return 0;
    case 'w':
        options->needs.workers = arg;
        return 0;
    case 'r':
        if (!text_to_int64(arg, &value) || value < 1 || value > 4096)
            argp_error(state, "--ranks-per-node: '%s' is not a whole number from 1 to 4096", arg);
        options->needs.n_rank = (int)value;
        return 0;
    case OPTION_OUTPUT_PATH:
        options->is_only_path = true;
        return 0;
    default:
        return cli_parse_argument(key, arg, state, &options->job_path, "job file");
    }
}

static int check_all(const struct job *job, const struct needs_options *needs, bool is_all,
                     struct plan **ret_plan, struct error *err)
{
    int r = plan_open(job, operation_list, NULL, ret_plan, err);

    if (!r)
        print_plan(*ret_plan);
    if (!r)
        r = sample_check(*ret_plan, is_all, err);
    if (!r)
        r = check_output(*ret_plan, err);
    if (!r)
        r = check_trace(job, err);
    return r ? r : needs_print(*ret_plan, needs, err);
}

int cli_check(int argc, char **argv, struct error *err)
{
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "JOB",
        .doc =
            "Validate a job file and all its inputs, say what the run will read and write, and what it will take: time for any number of ranks, memory of a rank and a node, disk. A job that cannot fit is refused.\vTimes are measured where the job's results file has some galaxies already; else those of the trace that the job names; else a guess. They are of computing: 'polyphony simulate' counts messages and files too.\n\n" CLI_EXIT_CODES
    };
    struct check_options options = { .needs = { .workers = "1,8,64,512,4096", .n_rank = 8 } };
    struct job *job = NULL;
    struct plan *plan = NULL;
    int r;

    cli_parse(&argp, argc, argv, &options);
    r = job_load(options.job_path, job_operation_list, &job, err);
    if (!r && options.is_only_path)
        puts(job->output);
    else if (!r)
        r = check_all(job, &options.needs, options.is_all, &plan, err);
    if (!r && fflush(stdout))
        r = error_set(err, POLYPHONY_OUTPUT, "standard output cannot be written");
    plan_close(plan);
    job_free(job);
    return r;
}
