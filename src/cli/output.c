/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "output.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state.h"
#include "version.h"

/* Where a galaxy was set aside that ended its rank. */
#define CRASH_STAGE "Crash"

/* ---- galaxies that end their ranks --------------------------------------------------------------- */

/* To be done when nobody else writes any more. */
struct output_aside {
    uint64_t row;
    int rank;
    char reason[192];
};

static void describe(const struct plan *plan, const struct hands_blame *blame, char *ret_reason, size_t size)
{
    char what[64] = "vanished (killed, or out of memory?)";

    if (blame->is_crash)
        text_format(what, sizeof(what), "crashed (signal %d, %.30s)", blame->signal,
                    strsignal(blame->signal));
    text_format(ret_reason, size, "galaxy %lld: rank %d on %.60s %s while it had this galaxy in hand",
                (long long)plan->catalogue->id[blame->row], blame->rank, blame->host, what);
}

/* Nobody else writes yet: a galaxy that has ended its rank once too often is set aside at once. */
static int blame_earlier(void *context, const struct hands_blame *blame, struct error *err)
{
    struct output *output = context;
    bool is_enough = false;
    char reason[192];
    int r;

    if (blame->row >= output->plan->catalogue->n_galaxy) /* of another catalogue */
        return 0;
    r = results_blame(output->results, blame->row, blame->is_crash, &is_enough, err);
    if (r)
        return r;
    describe(output->plan, blame, reason, sizeof(reason));
    fprintf(stderr, "warning: %s; %s\n", reason,
            is_enough ? "that was once too often: it is set aside" : "it is dealt last");
    return is_enough
               ? results_set_aside(output->results, blame->row, blame->rank, 0.0, CRASH_STAGE, reason, err)
               : 0;
}

static int remember_aside(struct output *output, const struct hands_blame *blame, struct error *err)
{
    struct output_aside *aside = realloc(output->aside, (output->n_aside + 1) * sizeof(*aside));

    if (!aside)
        return error_set(err, POLYPHONY_INTERNAL, "no memory to set a galaxy aside");
    output->aside = aside;
    aside += output->n_aside++;
    *aside = (struct output_aside) { .row = blame->row, .rank = blame->rank };
    describe(output->plan, blame, aside->reason, sizeof(aside->reason));
    return 0;
}

enum schedule_blame output_blame_lost(struct output *output, int rank, double alone_s, uint64_t *ret_row)
{
    int64_t now_ns = clock_ns();
    bool is_alone = (double)(now_ns - output->lost_ns) * 1e-9 > alone_s, is_enough = false;
    struct hands_blame blame;
    struct error err = { 0 };
    char reason[192];
    int r = 0;

    output->lost_ns = now_ns;
    if (!hands_judge_lost(output->hands, rank, &blame) || blame.row >= output->plan->catalogue->n_galaxy)
        return SCHEDULE_NOTHING;
    *ret_row = blame.row;
    describe(output->plan, &blame, reason, sizeof(reason));
    if (blame.is_crash || is_alone)
        r = results_blame(output->results, blame.row, blame.is_crash, &is_enough, &err);
    if (!r && is_enough)
        r = remember_aside(output, &blame, &err);
    if (r) /* the row is dealt again: whoever has it will say more */
        fprintf(stderr, "warning: %s\n", err.text);
    fprintf(stderr, "warning: %s; %s\n", reason,
            !r && is_enough ? "that was once too often: it is set aside" : "it is dealt last");
    return !r && is_enough ? SCHEDULE_ASIDE : SCHEDULE_SUSPECT;
}

int output_settle(struct output *output, struct error *err)
{
    int r = 0;

    for (size_t i = 0; !r && i < output->n_aside; i++) {
        const struct output_aside *aside = &output->aside[i];
        enum row_status status;

        r = results_row_status(output->results, aside->row, &status, err);
        if (!r && status != ROW_DONE)
            r = results_set_aside(output->results, aside->row, aside->rank, 0.0, CRASH_STAGE, aside->reason,
                                  err);
    }
    return r;
}

/* ---- opening ----------------------------------------------------------------------------------------- */

int output_provenance(const struct plan *plan, int n_rank, int n_thread, struct provenance *ret_provenance,
                      struct error *err)
{
    *ret_provenance = (struct provenance) { .program_version = POLYPHONY_VERSION,
                                            .compiler = POLYPHONY_COMPILER,
                                            .flags = POLYPHONY_FLAGS,
                                            .n_rank = n_rank,
                                            .n_thread = n_thread };
    return provenance_make(plan, ret_provenance, err);
}

/* Make the file, or see that this job may continue it. */
static int create_or_check(struct output *output, const struct run_options *options, struct tracing *tracing,
                           int n_rank, int n_thread, bool *ret_is_new, struct error *err)
{
    const struct job *job = output->plan->job;
    bool has_trace = *job->trace != JOB_TRACE_OFF, is_there = access(job->output, F_OK) == 0;
    bool creates = !is_there || options->overwrite;
    struct provenance provenance = { 0 };
    int r = has_trace ? tracing_choose_path(tracing, job, !creates, err) : 0;

    if (!r && is_there && options->overwrite) {
        r = results_may_be_replaced(job->output, err);
        if (r)
            error_prefix(err, r, "--overwrite replaces results files only");
    }
    if (!r && creates && has_trace)
        tracing_remove_earlier(job);
    if (!r)
        r = output_provenance(output->plan, n_rank, n_thread, &provenance, err);
    if (!r)
        r = creates ? results_create(job->output, output->plan, &provenance, err)
                    : results_check(job->output, output->plan, &provenance, err);
    provenance_free(&provenance);
    *ret_is_new = creates;
    return r;
}

int output_prepare(struct output *output, struct plan *plan, const struct run_options *options,
                   struct tracing *tracing, int n_rank, int n_thread, struct error *err)
{
    bool is_new = true;
    int r = hands_lock(plan->job->output, &output->hands, err);

    output->plan = plan;
    output->lost_ns = INT64_MIN / 2; /* long ago */
    if (!r && !state_path(plan->job->output, output->state_path, sizeof(output->state_path)))
        output->state_path[0] = '\0';
    if (!r)
        r = create_or_check(output, options, tracing, n_rank, n_thread, &is_new, err);
    if (!r)
        r = results_open(plan->job->output, plan, &output->results, err);
    if (!r && !is_new)
        r = hands_judge(output->hands, blame_earlier, output, err);
    return r ? r : hands_begin(output->hands, n_rank, err);
}

int output_open(struct output *output, struct plan *plan, int rank, struct error *err)
{
    int r;

    if (rank == 0)
        return 0;
    output->plan = plan;
    r = results_open(plan->job->output, plan, &output->results, err);
    return r ? r : hands_open(plan->job->output, rank, &output->hands, err);
}

void output_close(struct output *output)
{
    hands_close(output->hands);
    results_close(output->results);
    free(output->aside);
    output->aside = NULL;
    output->hands = NULL;
    output->results = NULL;
}
