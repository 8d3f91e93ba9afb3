/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `polyphony simulate`: a job on machines that are not here.
 */
#include "cli.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/operations.h"
#include "polyphony/simulate.h"

#include "dealing.h"
#include "forecast.h"

enum {
    KEY_MODES = 256,
    KEY_LATENCY,
    KEY_SERVICE,
    KEY_BANDWIDTH,
    KEY_START_UP,
    KEY_COSTS,
    KEY_GUESS,
    KEY_SCATTER,
    KEY_SCHECHTER,
    KEY_CSV
};

static const char *const mode_names[] = { [DEALER_DYNAMIC] = "dynamic",
                                          [DEALER_STATIC_BLOCK] = "static-block",
                                          [DEALER_STATIC_CYCLIC] = "static-cyclic",
                                          [DEALER_STATIC_LPT] = "static-lpt" };
#define N_MODE (sizeof(mode_names) / sizeof(*mode_names))

static const char *const limit_names[] = { [SIMULATE_WORK] = "work",
                                           [SIMULATE_LARGEST] = "largest galaxy",
                                           [SIMULATE_DEALING] = "dealing",
                                           [SIMULATE_DISK] = "reading+writing",
                                           [SIMULATE_SHARES] = "uneven shares",
                                           [SIMULATE_WAITING] = "messages" };

struct simulate_options {
    const char *job_path, *workers, *modes, *costs, *csv;
    double latency_s, service_s, bytes_per_s, start_up_s, scatter;
    bool is_guessing;    /* the dealer, at first */
    int n_thread;        /* 0: as the job says */
    int64_t n_schechter; /* 0: the catalogue */
};

static const struct argp_option argp_options[] = {
    { "workers", 'w', "LIST", 0, "how many ranks compute; rank 0 deals besides (default: 8,64,512,4096)", 0 },
    { "modes", KEY_MODES, "LIST", 0,
      "of dynamic, static-block, static-cyclic, static-lpt, or 'all' (default: as the job says)", 0 },
    { "threads", 't', "N", 0, "of each rank, for the guess (default: as the job says, or 8)", 0 },
    { "costs", KEY_COSTS, "FILE", 0,
      "take seconds from a results file of this catalogue, or costs from the trace of a run on this kind of machine (default: the job's results file if it is there, else a guess)",
      0 },
    { "guess", KEY_GUESS, NULL, 0,
      "let the dealer begin with a guess although seconds are measured, as in a first run", 0 },
    { "scatter", KEY_SCATTER, "SIGMA", 0,
      "galaxies take longer or shorter than the dealer thinks: log-normal, in units of ln (default: 0)", 0 },
    { "schechter", KEY_SCHECHTER, "N", 0,
      "instead of the catalogue's galaxies N with stellar masses from a Schechter function (M* = 10^10.7 Msun, slope -1.4, 10^8 to 10^12 Msun) and 10^6 Msun a star; gas and bytes a star as in the catalogue, which may be a small sample",
      0 },
    { "latency-us", KEY_LATENCY, "US", 0,
      "of a message each way [us]: the network's, and half of the 50 us between two looks of a rank that waits (default: 30)",
      0 },
    { "service-us", KEY_SERVICE, "US", 0, "that rank 0 takes for a message, in or out [us] (default: 2)", 0 },
    { "bandwidth-gb-s", KEY_BANDWIDTH, "GB/S", 0,
      "of the file system, reading and writing, all ranks together [10^9 bytes/s]; 0: no limit (default: 10)",
      0 },
    { "start-up-s", KEY_START_UP, "S", 0, "before the first galaxy is dealt [s] (default: 0)", 0 },
    { "csv", KEY_CSV, "FILE", 0, "write the table there too, for scripts/plot_simulation.py", 0 },
    { 0 }
};

/* ---- the command line ------------------------------------------------------------------------ */

static double parse_number(const char *text, const char *option, struct argp_state *state)
{
    double value = 0.0;

    if (!text_to_double(text, &value) || value < 0.0)
        argp_error(state, "--%s: '%s' is not a number >= 0", option, text);
    return value;
}

static int64_t parse_count(const char *text, const char *option, int64_t most, struct argp_state *state)
{
    int64_t value = 0;

    if (!text_to_int64(text, &value) || value < 1 || value > most)
        argp_error(state, "--%s: '%s' is not a whole number from 1 to %lld", option, text, (long long)most);
    return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct simulate_options *options = state->input;

    switch (key) {
    case 'w':
        options->workers = arg;
        return 0;
    case 't':
        options->n_thread = (int)parse_count(arg, "threads", 1024, state);
        return 0;
    case KEY_MODES:
        options->modes = arg;
        return 0;
    case KEY_LATENCY:
        options->latency_s = 1e-6 * parse_number(arg, "latency-us", state);
        return 0;
    case KEY_SERVICE:
        options->service_s = 1e-6 * parse_number(arg, "service-us", state);
        return 0;
    case KEY_BANDWIDTH:
        options->bytes_per_s = 1e9 * parse_number(arg, "bandwidth-gb-s", state);
        return 0;
    case KEY_START_UP:
        options->start_up_s = parse_number(arg, "start-up-s", state);
        return 0;
    case KEY_COSTS:
        options->costs = arg;
        return 0;
    case KEY_GUESS:
        options->is_guessing = true;
        return 0;
    case KEY_SCATTER:
        options->scatter = parse_number(arg, "scatter", state);
        return 0;
    case KEY_SCHECHTER:
        options->n_schechter = parse_count(arg, "schechter", 100000000, state);
        return 0;
    case KEY_CSV:
        options->csv = arg;
        return 0;
    default:
        return cli_parse_argument(key, arg, state, &options->job_path, "job file");
    }
}

static int parse_modes(const char *list, bool ret_is_wanted[N_MODE], struct error *err)
{
    char *copy = mem_text(list), *rest = copy, *word;
    int r = 0;

    while (!r && (word = strsep(&rest, ","))) {
        bool is_all = strcmp(word, "all") == 0, is_known = is_all;

        for (size_t m = 0; m < N_MODE; m++)
            if (is_all || strcmp(word, mode_names[m]) == 0)
                is_known = ret_is_wanted[m] = true;
        if (!is_known)
            r = error_set(err, POLYPHONY_USAGE,
                          "--modes: '%s' is none of dynamic, static-block, static-cyclic, static-lpt, all",
                          word);
    }
    free(copy);
    return r;
}

/* ---- the runs -------------------------------------------------------------------------------- */

struct simulated {
    enum dealer_mode mode;
    size_t n_worker;
    struct simulate_outcome outcome;
};

static int simulate_one(const struct simulate_options *options, const struct plan *plan,
                        const struct forecast *forecast, struct simulated *simulated, struct error *err)
{
    struct simulate_settings settings = { .dealer = { .mode = simulated->mode,
                                                      .n_worker = simulated->n_worker,
                                                      .n_max_batch =
                                                          (size_t)*plan->job->schedule.max_batch_galaxies,
                                                      .max_batch_bytes = DEALING_BATCH_BYTES_MAX },
                                          .refines = true,
                                          .start_up_s = options->start_up_s,
                                          .latency_s = options->latency_s,
                                          .service_s = options->service_s,
                                          .bytes_per_s = options->bytes_per_s,
                                          .written_bytes = (double)results_row_bytes(plan) };

    settings.dealer.is_guessed = options->is_guessing;
    memcpy(settings.dealer.cost_s, options->is_guessing ? forecast->guess_s : forecast->cost_s,
           sizeof(settings.dealer.cost_s));
    return simulate_run(&settings, forecast->n, forecast->item, forecast->seconds, &simulated->outcome, err);
}

static int open_forecast(const struct simulate_options *options, const struct plan *plan,
                         struct forecast *ret_forecast, struct error *err)
{
    int n_thread = options->n_thread > 0 ? options->n_thread : forecast_threads(plan->job), r;

    if (options->n_schechter > 0)
        r = forecast_open_schechter(plan, n_thread, (size_t)options->n_schechter, ret_forecast, err);
    else
        r = forecast_open(plan, n_thread, ret_forecast, err);
    if (r)
        return r;
    if (options->costs)
        r = forecast_measure(ret_forecast, plan, options->costs, err);
    else
        r = forecast_learn(ret_forecast, plan, err);
    forecast_scatter(ret_forecast, options->scatter);
    return r;
}

/* ---- what came out --------------------------------------------------------------------------- */

static void print_head(const struct simulate_options *options, const struct plan *plan,
                       const struct forecast *forecast)
{
    char name[48], total[24], largest[24], read[24], written[24], bandwidth[24];

    forecast_name_largest(forecast, plan, name);
    forecast_format_time(forecast->total_s, total);
    forecast_format_time(forecast->largest_s, largest);
    cli_format_bytes(forecast->read_bytes, read);
    cli_format_bytes((double)results_row_bytes(plan) * (double)forecast->n, written);
    cli_format_bytes(options->bytes_per_s, bandwidth);
    printf("galaxies    %zu: %s of one rank, %s alone takes %s (%s)\n", forecast->n, total, name, largest,
           forecast->source);
    printf("messages    %g us each way, rank 0 takes %g us for each\n", 1e6 * options->latency_s,
           1e6 * options->service_s);
    if (options->bytes_per_s > 0.0)
        printf("files       %s read, %s written, %s/s for all ranks together\n\n", read, written, bandwidth);
    else
        printf("files       %s read, %s written, in no time\n\n", read, written);
    printf("workers  mode                wall  efficiency  rank 0 busy  idle tail  limited by\n");
}

static void print_one(const struct simulated *simulated)
{
    const struct simulate_outcome *outcome = &simulated->outcome;
    char wall[24], tail[24];

    forecast_format_time(outcome->wall_s, wall);
    forecast_format_time(outcome->idle_tail_s, tail);
    printf("%7zu  %-13s %10s %9.1f %% %10.1f %% %10s  %s\n", simulated->n_worker, mode_names[simulated->mode],
           wall, 100.0 * outcome->efficiency, 100.0 * outcome->dealer_load, tail,
           limit_names[simulate_find_limit(outcome)]);
    fflush(stdout); /* each may take seconds */
}

static void print_advice(const struct simulate_options *options, const struct plan *plan,
                         const struct forecast *forecast)
{
    double bytes = forecast->read_bytes + (double)results_row_bytes(plan) * (double)forecast->n;
    double useful = forecast_useful_workers(forecast);
    char name[48], largest[24], files[24];

    forecast_name_largest(forecast, plan, name);
    forecast_format_time(forecast->largest_s, largest);
    printf("\nMore than %.0f workers buy nothing: %s alone takes %s.\n", useful, name, largest);
    if (options->bytes_per_s > 0.0 && bytes / options->bytes_per_s > forecast->largest_s) {
        forecast_format_time(bytes / options->bytes_per_s, files);
        printf("From %.0f on they wait for files: reading and writing alone take %s.\n",
               ceil(forecast->total_s * options->bytes_per_s / bytes), files);
    }
}

static void write_csv_line(FILE *file, const struct simulated *simulated)
{
    const struct simulate_outcome *o = &simulated->outcome;
    double all_s = (double)simulated->n_worker * o->wall_s;

    fprintf(file, "%zu,%s,%.9g,%.9g,%.9g,%.9g,%.6g,%.6g,%.6g,%.9g,%.6g,%.6g,%.6g,%.6g,%zu,%.9g,%s\n",
            simulated->n_worker, mode_names[simulated->mode], o->wall_s, o->bound_s, o->total_s, o->largest_s,
            o->efficiency, o->dealer_load, o->disk_load, o->idle_tail_s, o->busy_s / all_s,
            o->wait_deal_s / all_s, o->wait_disk_s / all_s, o->tail_s / all_s, o->n_batch, o->largest_batch_s,
            limit_names[simulate_find_limit(o)]);
}

static int write_csv(const char *path, size_t n, const struct simulated *simulated, struct error *err)
{
    FILE *file = fopen(path, "w");
    bool is_wrong;

    if (!file)
        return error_set(err, POLYPHONY_OUTPUT, "--csv: '%s' cannot be written: %s", path, strerror(errno));
    fputs(
        "workers,mode,wall_s,bound_s,total_s,largest_s,efficiency,rank_0_load,disk_load,idle_tail_s,busy_share,wait_deal_share,wait_disk_share,tail_share,n_batch,largest_batch_s,limited_by\n",
        file);
    for (size_t i = 0; i < n; i++)
        write_csv_line(file, &simulated[i]);
    is_wrong = ferror(file) != 0;
    if (fclose(file) || is_wrong)
        return error_set(err, POLYPHONY_OUTPUT, "--csv: '%s' cannot be written", path);
    return 0;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int simulate_all(const struct simulate_options *options, const struct plan *plan,
                        const struct forecast *forecast, const bool is_wanted[N_MODE], struct error *err)
{
    size_t n_worker[FORECAST_WORKERS_MAX], n = 0, n_list;
    struct simulated *simulated = mem_small(FORECAST_WORKERS_MAX * N_MODE, sizeof(*simulated));
    int r = forecast_parse_workers(options->workers, n_worker, &n_list, err);

    if (!r)
        print_head(options, plan, forecast);
    for (size_t i = 0; !r && i < n_list; i++)
        for (size_t m = 0; !r && m < N_MODE; m++) {
            if (!is_wanted[m])
                continue;
            simulated[n] = (struct simulated) { .mode = (enum dealer_mode)m, .n_worker = n_worker[i] };
            r = simulate_one(options, plan, forecast, &simulated[n], err);
            if (!r)
                print_one(&simulated[n++]);
        }
    if (!r)
        print_advice(options, plan, forecast);
    if (!r && options->csv)
        r = write_csv(options->csv, n, simulated, err);
    free(simulated);
    return r;
}

int cli_simulate(int argc, char **argv, struct error *err)
{
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "JOB",
        .doc =
            "Say how long a job would take on any number of ranks, and what would limit it: the real dealer, with workers, messages and a file system that are numbers.\vA file system is one server that serves requests in turn; a rank reads the next galaxy while it computes one, and waits until a galaxy is written. 'work' under 'limited by' means that more workers help; 'uneven shares' that some have much more to do than others.\n\n" CLI_EXIT_CODES
    };
    static const enum dealer_mode modes[] = { [JOB_DYNAMIC] = DEALER_DYNAMIC,
                                              [JOB_STATIC_BLOCK] = DEALER_STATIC_BLOCK,
                                              [JOB_STATIC_CYCLIC] = DEALER_STATIC_CYCLIC,
                                              [JOB_STATIC_LPT] = DEALER_STATIC_LPT };
    struct simulate_options options = {
        .workers = "8,64,512,4096", .latency_s = 30e-6, .service_s = 2e-6, .bytes_per_s = 1e10
    };
    bool is_wanted[N_MODE] = { false };
    struct forecast forecast = { 0 };
    struct plan *plan = NULL;
    struct job *job = NULL;
    int r;

    cli_parse(&argp, argc, argv, &options);
    r = job_load(options.job_path, job_operation_list, &job, err);
    if (!r && options.modes)
        r = parse_modes(options.modes, is_wanted, err);
    else if (!r)
        is_wanted[modes[*job->schedule.mode]] = true;
    if (!r)
        r = plan_open(job, operation_list, NULL, &plan, err);
    if (!r)
        r = open_forecast(&options, plan, &forecast, err);
    if (!r && forecast.n == 0)
        printf("'%s' has no galaxies: there is nothing to simulate\n", job->catalogue);
    else if (!r)
        r = simulate_all(&options, plan, &forecast, is_wanted, err);
    if (!r && fflush(stdout))
        r = error_set(err, POLYPHONY_OUTPUT, "standard output cannot be written");
    forecast_close(&forecast);
    plan_close(plan);
    job_free(job);
    return r;
}
