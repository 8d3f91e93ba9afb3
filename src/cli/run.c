/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `polyphony run`: open everything, let the schedule run, say how it went. Ranks agree after each step that
 * can fail on one of them, so that none is left waiting in a collective call.
 */
#include "cli.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "polyphony/grid_share.h"
#include "polyphony/results.h"
#include "polyphony/schedule.h"

#include "place.h"
#include "report.h"
#include "tracing.h"
#include "version.h"

struct options {
    const char *job_path;
    bool overwrite, retry_failed;
};

struct run {
    struct options options;
    MPI_Comm comm;
    int rank, n_rank;
    struct job *job;
    struct grid_share *share;
    struct plan *plan;
    struct place place;
    struct provenance provenance;
    struct results *results;
    struct pipeline *pipeline;
    struct tracing tracing;
    struct dealer *dealer;
    struct report report;
    size_t n_left; /* rows to do, rank 0 */
    int lock_fd;   /* rank 0, or -1 */
};

/* ---- asked to stop --------------------------------------------------------------------------- */

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
}

static bool run_is_stopping(void *context)
{
    (void)context;
    return stop_signal != 0;
}

/* ---- agreeing -------------------------------------------------------------------------------- */

/* The worst status of all ranks; the first rank that has it and can say why keeps its text, the others stay
 * silent. */
static int agree(const struct run *run, int r, struct error *err)
{
    int worst = schedule_agree(run->comm, r);
    int candidate = r == worst && err->text[0] ? run->rank : run->n_rank, speaker = 0;

    MPI_Allreduce(&candidate, &speaker, 1, MPI_INT, MPI_MIN, run->comm);
    if (worst < 0 && speaker != run->rank)
        err->text[0] = '\0';
    return worst;
}

/* ---- one galaxy ------------------------------------------------------------------------------ */

static int run_work(void *context, uint64_t row, struct error *err)
{
    struct run *run = context;
    struct pipeline_row out = { 0 };
    struct error write_err = { 0 };
    int64_t begin = clock_ns(), computed;
    int r = pipeline_run(run->pipeline, row, &out, err), w = 0;
    double seconds;

    computed = clock_ns();
    if (r < 0)
        return r;
    seconds = (double)(computed - begin) * 1e-9;
    if (r == 0) {
        out.stage = pipeline_stage_names[pipeline_stage_write()];
        r = results_write(run->results, &out, run->rank, seconds, err);
    }
    if (r == POLYPHONY_SET_ASIDE) {
        report_set_aside(&run->report, out.stage, err->text);
        w = results_set_aside(run->results, row, run->rank, seconds, out.stage, err->text, &write_err);
        if (w)
            *err = write_err;
    }
    trace_end(run->tracing.thread, pipeline_stage_write(), computed);
    trace_end_galaxy(run->tracing.thread);
    return w ? w : r;
}

static void run_watch(void *context, const struct schedule_progress *progress)
{
    struct run *run = context;

    report_progress(&run->report, progress);
}

static void run_batch_done(void *context, const struct schedule_batch *batch)
{
    struct run *run = context;

    tracing_batch(&run->tracing, batch);
}

static void run_waited(void *context, int64_t begin_ns, int64_t end_ns)
{
    struct run *run = context;

    tracing_waited(&run->tracing, run->rank == 0, begin_ns, end_ns);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Rank 0 keeps other runs off the output file. Where the file system has no locks, on trust. */
static int lock_output(struct run *run, struct error *err)
{
    char path[4096];

    if (!text_format(path, sizeof(path), "%s.lock", run->job->output))
        return error_set(err, POLYPHONY_USAGE, "'%s': path too long", run->job->output);
    run->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (run->lock_fd < 0)
        return error_set(err, POLYPHONY_OUTPUT, "'%s' cannot be written: '%s': %s", run->job->output, path,
                         strerror(errno));
    if (flock(run->lock_fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return error_set(err, POLYPHONY_OUTPUT, "'%s' is being written by another run (it holds '%s')",
                         run->job->output, path);
    return 0;
}

static void unlock_output(struct run *run)
{
    char path[4096];

    if (run->lock_fd < 0)
        return;
    if (text_format(path, sizeof(path), "%s.lock", run->job->output) &&
        !flock(run->lock_fd, LOCK_EX | LOCK_NB))
        unlink(path);
    close(run->lock_fd);
}

/* A slip in 'output' must not cost a catalogue: only results files are deleted. */
static int delete_output(const char *path, struct error *err)
{
    struct ledger ledger;
    int r = ledger_read(path, &ledger, err);

    if (r)
        return error_prefix(err, r, "--overwrite deletes results files only");
    ledger_free(&ledger);
    if (unlink(path))
        return error_set(err, POLYPHONY_OUTPUT, "'%s' cannot be overwritten: %s", path, strerror(errno));
    return 0;
}

/* Rank 0 decides about the output files: make them, or continue. */
static int prepare_output(struct run *run, bool *ret_create, struct error *err)
{
    const char *path = run->job->output;
    bool has_trace = *run->job->trace != JOB_TRACE_OFF, is_there;
    int r = lock_output(run, err);

    if (r)
        return r;
    is_there = access(path, F_OK) == 0;
    *ret_create = !is_there || run->options.overwrite;
    if (has_trace)
        r = tracing_choose_path(&run->tracing, run->job, !*ret_create, err);
    if (!r && is_there && run->options.overwrite)
        r = delete_output(path, err);
    if (!r && *ret_create && has_trace)
        tracing_remove_earlier(run->job);
    if (!r)
        r = provenance_make(run->plan, &run->provenance, err);
    if (!r && !*ret_create)
        r = results_check(path, run->plan, &run->provenance, err);
    return r;
}

static int open_output(struct run *run, struct error *err)
{
    bool create = false;
    int r = run->rank == 0 ? prepare_output(run, &create, err) : 0;

    r = agree(run, r, err);
    if (r)
        return r;
    run->provenance.program_version = POLYPHONY_VERSION;
    run->provenance.compiler = POLYPHONY_COMPILER;
    run->provenance.flags = POLYPHONY_FLAGS;
    run->provenance.n_rank = run->n_rank;
    run->provenance.n_thread = run->place.mine->n_thread;
    MPI_Bcast(&run->provenance.n_thread, 1, MPI_INT, run->n_rank - 1, run->comm); /* the last rank computes */
    if (create)
        r = results_create(run->job->output, run->plan, &run->provenance, err);
    r = agree(run, r, err);
    if (!r)
        r = agree(run, results_open(run->job->output, run->plan, &run->results, err), err);
    return r;
}

/* Rank 0: rows that are not done, with their predicted costs. */
static int deal_rows(struct run *run, struct error *err)
{
    static const enum dealer_mode modes[] = { [JOB_DYNAMIC] = DEALER_DYNAMIC,
                                              [JOB_STATIC_BLOCK] = DEALER_STATIC_BLOCK,
                                              [JOB_STATIC_CYCLIC] = DEALER_STATIC_CYCLIC,
                                              [JOB_STATIC_LPT] = DEALER_STATIC_LPT };
    struct ledger ledger = { 0 };
    uint64_t *row = NULL;
    double *cost = NULL;
    int r = ledger_read(run->job->output, &ledger, err);

    if (r)
        return r;
    row = mem_array(ledger.n_galaxy, sizeof(*row));
    cost = mem_array(ledger.n_galaxy, sizeof(*cost));
    if (!row || !cost)
        r = error_set(err, POLYPHONY_INTERNAL, "no memory to deal %zu galaxies", ledger.n_galaxy);
    for (size_t i = 0; !r && i < ledger.n_galaxy; i++)
        if (ledger.entry[i].status == ROW_LEFT ||
            (run->options.retry_failed && ledger.entry[i].status == ROW_SET_ASIDE)) {
            row[run->n_left] = i;
            cost[run->n_left++] = plan_cost(run->plan, i);
        }
    if (!r)
        r = dealer_open(run->n_left, row, cost, (size_t)(run->n_rank > 1 ? run->n_rank - 1 : 1),
                        modes[*run->job->schedule.mode], (size_t)*run->job->schedule.max_batch_galaxies,
                        &run->dealer, err);
    if (!r)
        report_begin(&run->report, run->plan, ledger.n_galaxy - run->n_left, run->n_left);
    free(row);
    free(cost);
    ledger_free(&ledger);
    return r;
}

static int run_open(struct run *run, int64_t begin_ns, struct error *err)
{
    int r = agree(run, job_load(run->options.job_path, &run->job, err), err);

    if (r)
        return r;
    report_init(&run->report, run->rank, *run->job->progress);
    r = agree(run, tracing_open(&run->tracing, run->job, run->comm, begin_ns, err), err);
    if (r)
        return r;
    place_open(&run->place, run->comm, *run->job->threads, run->rank == 0 && run->n_rank > 1);
    tracing_end(&run->tracing, STAGE_START_UP);
    r = agree(run, grid_share_open(run->comm, run->rank > 0 || run->n_rank == 1, &run->share, err), err);
    if (!r)
        r = agree(run, plan_open(run->job, run->share, &run->plan, err), err);
    tracing_end(&run->tracing, STAGE_INPUTS);
    if (!r)
        r = open_output(run, err);
    if (!r)
        r = agree(run, pipeline_open(run->plan, run->tracing.thread, &run->pipeline, err), err);
    if (!r) {
        report_placement(&run->report, run->comm, run->place.mine);
        r = agree(run, run->rank == 0 ? deal_rows(run, err) : 0, err);
    }
    tracing_end(&run->tracing, STAGE_OUTPUT);
    return r;
}

static void run_close(struct run *run)
{
    unlock_output(run);
    dealer_close(run->dealer);
    pipeline_close(run->pipeline);
    results_close(run->results);
    provenance_free(&run->provenance);
    plan_close(run->plan);
    grid_share_close(run->share);
    tracing_close(&run->tracing);
    place_close(&run->place);
    job_free(run->job);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Results that are complete are not spoilt by a trace that cannot be written: that is said, and is no
 * failure. */
static void write_trace(struct run *run, bool is_stopped)
{
    struct error err = { 0 };
    int r =
        agree(run, tracing_write(&run->tracing, run->job, &run->place, run->comm, is_stopped, &err), &err);

    if (r && err.text[0])
        fprintf(stderr, "warning: the trace of this run could not be written: %s\n", err.text);
}

/* After the schedule: bytes to disk, and whether anything was set aside, now or in an earlier run. */
static int run_finish(struct run *run, int r, struct error *err)
{
    struct error sync_err = { 0 };
    struct ledger ledger = { 0 };
    int synced, n_aside = 0;

    run->tracing.now_ns = clock_ns();
    synced = agree(run, results_sync(run->results, &sync_err), &sync_err);
    tracing_end(&run->tracing, STAGE_CLOSING);
    if (synced < r) {
        *err = sync_err;
        r = synced;
    }
    if (r == 0 || r == POLYPHONY_STOPPED) {
        report_summary(&run->report, run->comm, run->tracing.trace, run->rank == 0 && run->n_rank > 1);
        write_trace(run, r == POLYPHONY_STOPPED);
    }
    if (run->rank == 0 && r == 0)
        r = ledger_read(run->job->output, &ledger, err);
    if (run->rank == 0 && r == 0) {
        n_aside = ledger.n_set_aside > 0;
        report_end(run->job->output, &ledger);
        ledger_free(&ledger);
    }
    MPI_Bcast(&n_aside, 1, MPI_INT, 0, run->comm);
    MPI_Bcast(&r, 1, MPI_INT, 0, run->comm);
    if (r == POLYPHONY_STOPPED && run->rank == 0)
        error_set(err, r, "stopped early%s; the same command continues",
                  stop_signal ? " (asked by a signal)" : "");
    return r ? r : n_aside ? POLYPHONY_SET_ASIDE : 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;

    switch (key) {
    case 'f':
        options->overwrite = true;
        return 0;
    case 'r':
        options->retry_failed = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->job_path)
            argp_error(state, "one job file at a time");
        options->job_path = arg;
        return 0;
    case ARGP_KEY_END:
        if (!options->job_path)
            argp_error(state, "which job file? ('polyphony init' prints one to start from)");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option argp_options[] = {
    { "overwrite", 'f', NULL, 0, "begin anew: delete an existing results file instead of continuing it", 0 },
    { "retry-failed", 'r', NULL, 0, "when continuing, try the galaxies again that were set aside", 0 },
    { 0 }
};

int cli_run(int argc, char **argv, struct error *err)
{
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "JOB",
        .doc = "Run a job. Alone it uses one rank; under 'mpirun -n N' or srun "
               "rank 0 deals galaxies and the other ranks "
               "compute, 8 threads each or as the job file, OMP_NUM_THREADS "
               "or SLURM say ('polyphony topology' shows where). An existing results file of "
               "the same job is continued. SIGTERM, SIGINT or SIGUSR1 stop "
               "after the galaxies in hand.\v" CLI_EXIT_CODES
    };
    struct run run = { .comm = MPI_COMM_WORLD, .lock_fd = -1 };
    struct schedule schedule;
    int64_t begin_ns = clock_ns();
    int provided, r;

    cli_parse(&argp, argc, argv, &run.options);
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(run.comm, &run.rank);
    MPI_Comm_size(run.comm, &run.n_rank);
    catch_signals();
    r = run_open(&run, begin_ns, err);
    if (!r) {
        schedule = (struct schedule) { .comm = run.comm,
                                       .dealer = run.dealer,
                                       .n_total = run.n_left,
                                       .work = run_work,
                                       .watch = run_watch,
                                       .is_stopping = run_is_stopping,
                                       .batch_done = run_batch_done,
                                       .waited = run_waited,
                                       .context = &run };
        r = schedule_run(&schedule, err);
        if (run.rank > 0)
            err->text[0] = '\0'; /* rank 0 has it, with this rank's number */
        r = run_finish(&run, r, err);
    }
    run_close(&run);
    /* A rank that ends with an error makes mpirun kill the others: say why before, and let rank 0 alone say
     * so. */
    if (r < 0)
        cli_print_error(err);
    MPI_Finalize();
    return run.rank == 0 ? r : 0;
}
