/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A run, from job file to summary. Every rank opens its inputs by itself; ranks agree after each step that
 * can fail on one of them, so that none is left waiting in a collective call.
 */
#include "cli.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "polyphony/node_share.h"
#include "polyphony/operations.h"
#include "polyphony/ranks.h"
#include "polyphony/schedule.h"

#include "mpi_start.h"
#include "census.h"
#include "dealing.h"
#include "heal.h"
#include "memory.h"
#include "options.h"
#include "output.h"
#include "place.h"
#include "report.h"
#include "state.h"
#include "stopping.h"
#include "tracing.h"
#include "version.h"

/* With --survive, the longest that opening the inputs may take. */
#define START_UP_S 900
/* How often the status file is replaced. */
#define STATE_NS 2000000000

struct run {
    struct run_options options;
    MPI_Comm comm;
    int rank, n_rank;
    struct job *job;
    struct plan *plan;
    struct place place;
    cpu_set_t allowed; /* to this rank, before its threads were pinned */
    struct output output;
    struct pipeline *pipeline;
    struct tracing tracing;
    struct dealing dealing; /* rank 0 */
    struct stopping stopping;
    struct report report;
    struct run_state state; /* rank 0 */
    int64_t state_ns;
    size_t n_set_aside; /* of the galaxies in hand */
    bool is_expelled;
};

/* What a signal handler can reach. */
static struct hands *hands_in_use;

static void on_signal(int number)
{
    if (hands_in_use)
        hands_note_signal(hands_in_use, number);
}

/* ---- agreeing -------------------------------------------------------------------------------- */

/* The worst status of all ranks; the first rank that has it and can say why keeps its text, the others stay
 * silent. */
static int agree(const struct run *run, int r, struct error *err)
{
    int worst = ranks_agree(run->comm, r);
    int candidate = r == worst && err->text[0] ? run->rank : run->n_rank, speaker = 0;

    MPI_Allreduce(&candidate, &speaker, 1, MPI_INT, MPI_MIN, run->comm);
    if (worst < 0 && speaker != run->rank)
        err->text[0] = '\0';
    return worst;
}

_Static_assert(PLAN_GROUP_MAX <= HANDS_ROW_MAX, "what a rank has in hand can be noted");

/* ---- some galaxies --------------------------------------------------------------------------- */

static int set_aside(struct run *run, const struct pipeline_row *row, const char *stage,
                     const struct error *why, struct error *err)
{
#pragma omp critical(set_aside)
    {
        run->n_set_aside++;
        report_set_aside(&run->report, stage, why->text);
    }
    return results_set_aside(run->output.results, row->row, run->rank, row->seconds, stage, why->text, err);
}

/* Rows go to the file together; whatever cannot be a result is set aside. By any thread. */
static int run_take(void *context, size_t n, const struct pipeline_row *row, struct error *err)
{
    struct run *run = context;
    struct pipeline_row good[PLAN_GROUP_MAX] = { 0 };
    struct error why[PLAN_GROUP_MAX];
    double seconds[PLAN_GROUP_MAX] = { 0 };
    int status[PLAN_GROUP_MAX], r;
    size_t n_good = 0;

    for (size_t i = 0; i < n; i++)
        if (!row[i].status) {
            good[n_good] = row[i];
            seconds[n_good++] = row[i].seconds;
        }
    r = results_write_many(run->output.results, n_good, good, seconds, run->rank, status, why, err);
    for (size_t i = 0; !r && i < n_good; i++)
        if (status[i])
            r = set_aside(run, &good[i], OPERATION_STAGE_WRITING, &why[i], err);
    for (size_t i = 0; !r && i < n; i++)
        if (row[i].status)
            r = set_aside(run, &row[i], row[i].stage, row[i].why, err);
    return r;
}

static int run_work(void *context, size_t n, const uint64_t *row, size_t *ret_n, size_t *ret_n_set_aside,
                    struct error *err)
{
    struct run *run = context;
    const struct pipeline_sink sink = { run_take, run };
    int r;

    n = pipeline_group(run->pipeline, n, row);
    run->n_set_aside = 0;
    hands_take(run->output.hands, n, row);
    r = pipeline_run_group(run->pipeline, n, row, &sink, err);
    hands_put(run->output.hands);
    *ret_n = n;
    *ret_n_set_aside = run->n_set_aside;
    return r;
}

static void run_expect(void *context, size_t n, const uint64_t *row)
{
    struct run *run = context;

    pipeline_expect(run->pipeline, n, row);
}

static void run_reads(void *context, size_t n, const uint64_t *row)
{
    struct run *run = context;

    hands_read(run->output.hands, n, row);
}

static int run_finish_rows(void *context, struct error *err)
{
    struct run *run = context;
    int r;

    pipeline_rest(run->pipeline); /* HDF5 is the trace's from now on */
    run->tracing.now_ns = clock_ns();
    r = results_sync(run->output.results, err);
    tracing_end(&run->tracing, STAGE_CLOSING);
    return r;
}

static bool run_is_stopping(void *context)
{
    struct run *run = context;

    return stopping_now(&run->stopping);
}

static void run_batch_done(void *context, const struct schedule_batch *batch)
{
    struct run *run = context;

    tracing_batch(&run->tracing, batch);
}

static void run_waited(void *context, int64_t begin_ns, int64_t end_ns)
{
    struct run *run = context;

    tracing_waited(&run->tracing, run->rank == 0 && run->n_rank > 1, begin_ns, end_ns);
}

/* What it had in hand may be why: then it is tried last, or no more. */
static enum schedule_blame run_lost(void *context, int rank, size_t *ret_n, uint64_t *ret_row)
{
    struct run *run = context;

    return output_blame_lost(&run->output, rank, run->options.silence_s, ret_n, ret_row);
}

/* ---- how far it is --------------------------------------------------------------------------- */

static void fill_state(struct run *run, const struct schedule_progress *progress)
{
    struct run_state *state = &run->state;
    double seconds = (double)(clock_ns() - run->report.begin_ns) * 1e-9;
    size_t n_now = progress->n_done + progress->n_set_aside;

    state->n_done = run->dealing.n_done + progress->n_done;
    state->n_set_aside = run->dealing.n_set_aside + progress->n_set_aside;
    state->n_done_now = n_now;
    state->n_lost = (size_t)progress->n_lost;
    state->galaxies_per_s = seconds > 0.0 ? (double)n_now / seconds : 0.0;
    state->eta_s = report_left_s(&run->report, progress);
    state->largest_left_s = n_now < progress->n_total ? progress->cost_largest_s : 0.0;
}

static void write_state(struct run *run)
{
    state_write(run->output.state_path, &run->state);
    run->stopping.is_output_gone = run->output.results && !results_is_there(run->output.results);
    run->state_ns = clock_ns();
}

static void run_watch(void *context, const struct schedule_progress *progress)
{
    struct run *run = context;

    run->stopping.n_set_aside = (int64_t)(run->dealing.n_set_aside + progress->n_set_aside);
    report_progress(&run->report, progress);
    if (clock_ns() - run->state_ns >= STATE_NS) {
        fill_state(run, progress);
        write_state(run);
    }
}

/* The last word, and the mark by which launchers know that all is over. */
static void end_state(struct run *run, int r, const struct error *err)
{
    bool is_told =
        run->stopping.is_stopping && (r == POLYPHONY_STOPPED || stopping_is_failure(&run->stopping));

    if (run->rank > 0 || !run->state.state)
        return;
    run->state.state = r >= 0 ? "done" : r == POLYPHONY_STOPPED ? "stopped" : "failed";
    run->state.has_exit_code = true;
    run->state.exit_code = r < 0 ? -r : r;
    text_format(run->state.reason, sizeof(run->state.reason), "%s",
                is_told ? run->stopping.reason
                : r < 0 ? err->text
                        : "");
    write_state(run);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* From here on the file of an earlier run would be a lie. */
static void begin_state(struct run *run)
{
    run->state = (struct run_state) { .state = "starting",
                                      .results = run->job->output,
                                      .job = run->options.job_path,
                                      .n_galaxy = run->plan->catalogue->n_galaxy,
                                      .n_rank = run->n_rank };
    state_begin(&run->state);
    write_state(run);
}

/* Rank 0: what is left to do. */
static int open_dealing(struct run *run, int n_thread, struct error *err)
{
    int r = dealing_open(&run->dealing, run->plan, run->output.results, &run->options, run->n_rank, n_thread,
                         err);

    if (!r)
        r = output_note_run(&run->output, run->dealing.n_now, err);
    if (r)
        return r;
    if (run->n_rank > 1) /* nothing of the index is looked at again, but by chance */
        catalogue_drop_pages(run->plan->catalogue);
    run->stopping.n_set_aside = (int64_t)run->dealing.n_set_aside;
    report_begin(&run->report, run->plan, &run->dealing);
    run->state.state = "running";
    fill_state(run, &(struct schedule_progress) { .n_total = run->dealing.n_now });
    write_state(run);
    return 0;
}

static void open_stopping(struct run *run, int64_t begin_ns)
{
    const char *const place[STOPPING_N_FILE] = { run->job->output, run->job->output_link };
    double runtime_s = run->options.max_runtime_s;

    run->stopping =
        (struct stopping) { .end_ns = runtime_s > 0.0 ? begin_ns + (int64_t)(runtime_s * 1e9) : INT64_MAX,
                            .max_fails = run->rank == 0 ? run->options.max_fails : -1 };
    for (int i = 0; run->rank == 0 && i < STOPPING_N_FILE; i++)
        if (!place[i] ||
            !text_format(run->stopping.stop_file[i], sizeof(run->stopping.stop_file[i]), "%s.stop", place[i]))
            run->stopping.stop_file[i][0] = '\0'; /* such a path cannot be created either */
}

static int open_inputs(struct run *run, struct error *err)
{
    bool computes = run->rank > 0 || run->n_rank == 1;
    struct node_share *share = node_share_open(run->comm, computes);
    int r = agree(run, plan_open(run->job, operation_list, share, &run->plan, err), err);

    node_share_close(share); /* what is shared lives on; closing is collective, and ranks may be lost later */
    return r;
}

static int open_pipeline(struct run *run, uint64_t memory_bytes, struct error *err)
{
    const struct pipeline_settings settings = { .trace = run->tracing.thread,
                                                .memory_bytes = memory_bytes,
                                                .reads_ahead = true,
                                                .reads = run_reads,
                                                .reads_context = run,
                                                .groups = true };
    cpu_set_t pinned;
    int r;

    if (run->rank == 0 && run->n_rank > 1)
        return 0;
    /* The threads that read and that sync inherit where this one may run: anywhere that the rank may, not on
     * its first core. */
    sched_getaffinity(0, sizeof(pinned), &pinned);
    sched_setaffinity(0, sizeof(run->allowed), &run->allowed);
    r = pipeline_open(run->plan, &settings, &run->pipeline, err);
    if (!r)
        r = results_sync_every(run->output.results, *run->job->sync_interval_s, err);
    sched_setaffinity(0, sizeof(pinned), &pinned);
    return r;
}

/* Rank 0. What is wrong with the command must come before the file is touched. */
static int open_output(struct run *run, int n_thread, struct error *err)
{
    int r = dealing_check(run->plan, &run->options, err);

    if (!r)
        r = output_prepare(&run->output, run->plan, &run->options, &run->tracing, run->n_rank, n_thread, err);
    if (!r)
        begin_state(run);
    if (!r && !run->output.is_new)
        r = heal(&run->output, run->options.repair, &run->stopping, err);
    return r;
}

static int run_open(struct run *run, int64_t begin_ns, struct error *err)
{
    uint64_t memory_bytes;
    int n_thread, r = agree(run, job_load(run->options.job_path, job_operation_list, &run->job, err), err);

    if (r)
        return r;
    report_init(&run->report, run->rank, *run->job->progress);
    open_stopping(run, begin_ns);
    r = agree(run, tracing_open(&run->tracing, run->job, run->comm, begin_ns, err), err);
    if (r)
        return r;
    sched_getaffinity(0, sizeof(run->allowed), &run->allowed);
    place_open(&run->place, run->comm, *run->job->threads, run->rank == 0 && run->n_rank > 1);
    n_thread = run->place.mine->n_thread;
    MPI_Bcast(&n_thread, 1, MPI_INT, run->n_rank - 1, run->comm); /* the last rank computes */
    tracing_end(&run->tracing, STAGE_START_UP);
    r = open_inputs(run, err);
    tracing_end(&run->tracing, STAGE_INPUTS);
    if (!r)
        r = agree(run, run->rank == 0 ? open_output(run, n_thread, err) : 0, err);
    if (!r)
        r = agree(run, output_open(&run->output, run->plan, run->rank, err), err);
    hands_in_use = run->output.hands;
    memory_bytes = memory_for_rank(run->comm, *run->job->memory_mb);
    if (!r)
        r = agree(run, open_pipeline(run, memory_bytes, err), err);
    if (!r) {
        report_placement(&run->report, run->comm, run->place.mine);
        r = agree(run, run->rank == 0 ? open_dealing(run, n_thread, err) : 0, err);
    }
    tracing_end(&run->tracing, STAGE_OUTPUT);
    return r;
}

static void run_close(struct run *run)
{
    hands_in_use = NULL;
    dealing_close(&run->dealing);
    pipeline_close(run->pipeline);
    output_close(&run->output);
    plan_close(run->plan);
    tracing_close(&run->tracing);
    place_close(&run->place);
    job_free(run->job);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Results that are complete are not spoilt by a trace that cannot be written: that is said, and is no
 * failure. */
static void write_trace(struct run *run, bool is_stopped)
{
    struct error err = { 0 };
    double cost_s[COST_N_TERM] = { 0 };
    int r;

    if (run->rank == 0)
        cost_model_fit(&run->dealing.costs, cost_s);
    r = agree(run, tracing_write(&run->tracing, run->job, &run->place, cost_s, run->comm, is_stopped, &err),
              &err);
    if (r && err.text[0])
        fprintf(stderr, "warning: the trace of this run could not be written: %s\n", err.text);
}

/* What the code and its text are, in view of the whole file. */
static int judge_end(struct run *run, const struct ledger_counts *counts, int r, struct error *err)
{
    const char *how = run->options.overwrite ? "the same command without --overwrite continues"
                                             : "the same command continues";

    if (run->options.max_fails >= 0 && (int64_t)counts->n_set_aside > run->options.max_fails)
        return error_set(
            err, POLYPHONY_INPUT,
            "%zu galaxies are set aside, more than --max-fails allows: 'polyphony status %s' says why",
            counts->n_set_aside, run->job->output);
    /* More rows may be left than were asked for: what was asked for is done. */
    if (r == 0)
        return counts->n_set_aside > 0 ? POLYPHONY_SET_ASIDE : 0;
    if (run->stopping.is_stopping)
        return error_set(err, r, "stopped early (%s); %s", run->stopping.reason, how);
    return err->text[0] ? r : error_set(err, r, "stopped early; %s", how);
}

/* Rank 0, after the schedule: what the file says, now and from earlier runs, as the code to end with. */
static int conclude(struct run *run, const struct schedule *schedule, int r, struct error *err)
{
    struct ledger_counts counts = { 0 };
    bool is_whole = r == 0 || r == POLYPHONY_STOPPED;
    int settled = is_whole ? output_settle(&run->output, err) : 0;
    size_t n_gone = 0;

    if (is_whole && !settled && schedule->progress.n_lost > 0)
        settled = heal_lost(&run->output, &n_gone, err);
    fill_state(run, &schedule->progress);
    if (is_whole && !results_is_there(run->output.results))
        settled = error_set(err, POLYPHONY_OUTPUT,
                            "'%s' was deleted while it was written: this run's galaxies are lost",
                            run->job->output);
    if (is_whole && !settled)
        settled = ledger_scan(run->job->output, NULL, NULL, &counts, err);
    if (settled)
        r = settled;
    else if (is_whole) {
        run->state.n_done = counts.n_done;
        run->state.n_set_aside = counts.n_set_aside;
        r = judge_end(run, &counts, r, err);
        if (r >= 0 && n_gone > 0)
            r = error_set(
                err, POLYPHONY_STOPPED,
                "%zu galaxies that lost ranks had done did not reach the file; the same command continues",
                n_gone);
    }
    end_state(run, r, err);
    if (r >= 0) {
        report_end(run->job->output, &counts);
        census_print_results(run->job->output, run->job, stderr);
    }
    return r;
}

static int run_finish(struct run *run, const struct schedule *schedule, int r, struct error *err)
{
    bool is_complete = r == 0 || r == POLYPHONY_STOPPED, is_stopped = r == POLYPHONY_STOPPED;

    run->tracing.now_ns = clock_ns();
    if (run->rank == 0)
        r = conclude(run, schedule, r, err);
    tracing_end(&run->tracing, STAGE_CLOSING);
    MPI_Bcast(&r, 1, MPI_INT, 0, run->comm);
    if (is_complete) {
        report_summary(&run->report, run->comm, run->tracing.trace, run->rank == 0 && run->n_rank > 1);
        write_trace(run, is_stopped);
    }
    return r;
}

static int run_schedule(struct run *run, struct error *err)
{
    struct schedule schedule = { .comm = run->comm,
                                 .dealer = run->dealing.dealer,
                                 .costs = &run->dealing.costs,
                                 .n_total = run->dealing.n_now,
                                 .silence_s = run->options.silence_s,
                                 .work = run_work,
                                 .expect = run_expect,
                                 .finish = run_finish_rows,
                                 .watch = run_watch,
                                 .is_stopping = run_is_stopping,
                                 .batch_done = run_batch_done,
                                 .lost = run_lost,
                                 .waited = run_waited,
                                 .context = run };
    int r = schedule_run(&schedule, err);

    run->is_expelled = schedule.is_expelled;
    if (run->is_expelled)
        return r;
    if (run->rank > 0)
        err->text[0] = '\0'; /* rank 0 has it, with this rank's number */
    run->comm = schedule.comm;
    return run_finish(run, &schedule, r, err);
}

/*
 * When ranks were lost MPI_Finalize() would wait for them, and so would mpirun: the results are safe and
 * the status file says so, so end it the hard way. (Abort ends the caller, and mpirun, on Open MPI 4.1.)
 */
static void end_without_the_lost(struct run *run, int r)
{
    output_close(&run->output);
    fflush(NULL);
    MPI_Barrier(run->comm);
    if (run->rank == 0)
        MPI_Abort(MPI_COMM_WORLD, r < 0 ? -r : r);
    _exit(0);
}

int cli_run(int argc, char **argv, struct error *err)
{
    struct run run = { .comm = MPI_COMM_WORLD };
    int64_t begin_ns = clock_ns();
    int provided, r = 0;

    options_parse(argc, argv, &run.options);
    mpi_start_prepare();
    MPI_Init_thread(NULL, NULL, run.options.silence_s > 0 ? MPI_THREAD_MULTIPLE : MPI_THREAD_FUNNELED,
                    &provided);
    MPI_Comm_rank(run.comm, &run.rank);
    MPI_Comm_size(run.comm, &run.n_rank);
    stopping_catch_signals(on_signal);
    if (run.options.silence_s > 0 && provided < MPI_THREAD_MULTIPLE)
        r = error_set(err, POLYPHONY_USAGE,
                      "--survive needs an MPI with MPI_THREAD_MULTIPLE, this one has not");
    /* Until signs of life are given a rank that dies would leave the others waiting for ever. To verify a
     * whole file may take longer. */
    if (run.options.silence_s > 0 && !run.options.repair)
        alarm(START_UP_S);
    if (!r)
        r = run_open(&run, begin_ns, err);
    alarm(0);
    if (r)
        end_state(&run, r, err);
    else
        r = run_schedule(&run, err);
    if (run.is_expelled) {
        fprintf(stderr, "rank %d was silent for too long; others do its galaxies, it ends\n", run.rank);
        _exit(0);
    }
    /* A rank that ends with an error makes mpirun kill the others: say why before, and let rank 0 alone say
     * so. */
    if (r < 0)
        cli_print_error(err);
    if (run.comm != MPI_COMM_WORLD)
        end_without_the_lost(&run, r);
    run_close(&run);
    MPI_Finalize();
    return run.rank == 0 ? r : 0;
}
