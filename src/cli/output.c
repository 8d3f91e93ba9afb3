/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "output.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "state.h"
#include "version.h"

/* Where a galaxy was set aside that ended its rank. */
#define CRASH_STAGE "Crash"

/* ---- galaxies that end their ranks --------------------------------------------------------------- */

/* Count it, and set the galaxy aside if that is once too often. */
static int blame(struct output *output, const struct hands_blame *blame, bool *ret_is_aside,
                 struct error *err)
{
    long long id;
    char reason[256], what[64];
    int r;

    *ret_is_aside = false;
    if (blame->row >= output->plan->catalogue->n_galaxy) /* of another catalogue */
        return 0;
    id = (long long)output->plan->catalogue->id[blame->row];
    r = results_blame(output->results, blame->row, blame->is_crash, ret_is_aside, err);
    if (r)
        return r;
    if (blame->is_crash)
        text_format(what, sizeof(what), "crashed (signal %d, %s)", blame->signal, strsignal(blame->signal));
    else
        text_format(what, sizeof(what), "vanished (killed, or out of memory?)");
    text_format(reason, sizeof(reason), "galaxy %lld: rank %d on %.60s %s while it had this galaxy in hand",
                id, blame->rank, blame->host, what);
    fprintf(stderr, "warning: %s%s\n", reason,
            *ret_is_aside ? "; that was once too often: it is set aside" : "; it is dealt last");
    if (*ret_is_aside)
        r = results_set_aside(output->results, blame->row, blame->rank, 0.0, CRASH_STAGE, reason, err);
    return r;
}

static int blame_earlier(void *context, const struct hands_blame *earlier, struct error *err)
{
    bool is_aside;

    return blame(context, earlier, &is_aside, err);
}

bool output_blame_lost(struct output *output, int rank, uint64_t *ret_row)
{
    struct hands_blame lost;
    struct error err = { 0 };
    bool is_aside = false;

    if (!hands_judge_lost(output->hands, rank, &lost))
        return false;
    *ret_row = lost.row;
    if (blame(output, &lost, &is_aside, &err))
        fprintf(stderr, "warning: %s\n", err.text); /* the row is dealt again: whoever has it will say more */
    return is_aside;
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
        r = results_delete(job->output, err);
        if (r)
            error_prefix(err, r, "--overwrite deletes results files only");
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
    output->hands = NULL;
    output->results = NULL;
}
