/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "output.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "signature.h"
#include "state.h"

/* Where a galaxy was set aside that ended its rank. */
#define CRASH_STAGE "Crash"
#define N_TOLD      4 /* galaxies that a warning names */

_Static_assert(HANDS_ROW_MAX <= SCHEDULE_HAND_MAX, "what a lost rank had in hand can be dealt again");

/* ---- galaxies that end their ranks --------------------------------------------------------------- */

/* To be done when nobody else writes any more. */
struct output_aside {
    uint64_t row;
    int rank;
    char reason[sizeof(((struct ledger_entry *)0)->reason)];
};

/* `row` [n]: those of the blame that were not done by then. */
static void describe(const struct plan *plan, const struct hands_blame *blame, size_t n, const uint64_t *row,
                     char *ret_reason, size_t size)
{
    char what[64] = "vanished (killed, or out of memory?)", ids[N_TOLD * 24] = "", others[40] = "";
    size_t n_told = n > N_TOLD ? N_TOLD : n;

    if (blame->is_crash)
        text_format(what, sizeof(what), "crashed (signal %d, %.30s)", blame->signal,
                    strsignal(blame->signal));
    for (size_t i = 0, end = 0; i < n_told; i++, end = strlen(ids))
        text_format(ids + end, sizeof(ids) - end, "%s%lld", i ? ", " : "",
                    (long long)plan->catalogue->id[row[i]]);
    if (n > n_told)
        text_format(others, sizeof(others), " and %zu other%s", n - n_told, n - n_told > 1 ? "s" : "");
    text_format(ret_reason, size, "galax%s %s%s: rank %d on %.60s %s with %s in hand", n > 1 ? "ies" : "y",
                ids, others, blame->rank, blame->host, what, n > 1 ? "these" : "it");
}

static void warn_of(const struct plan *plan, const struct hands_blame *blame, size_t n, const uint64_t *row,
                    bool is_enough)
{
    char reason[256];

    if (n == 0)
        return;
    describe(plan, blame, n, row, reason, sizeof(reason));
    fprintf(stderr, "warning: %s; %s\n", reason,
            is_enough ? "that was once too often: it is set aside"
            : n > 1   ? "they are dealt last, one at a time"
                      : "it is dealt last");
}

/* The rows that are neither done nor set aside by now, which count one more end of a rank if they are blamed.
 * Enough may be only what was in hand alone. */
static int count_blame(struct output *output, const struct hands_blame *blame, bool is_blamed,
                       uint64_t ret_row[HANDS_ROW_MAX], size_t *ret_n, bool *ret_is_enough, struct error *err)
{
    int r = 0;

    *ret_n = 0;
    *ret_is_enough = false;
    for (size_t i = 0; i < blame->n_row; i++) {
        uint64_t row = blame->row[i];
        enum row_status status = ROW_LEFT;

        if (row >= output->plan->catalogue->n_galaxy) /* of another catalogue */
            continue;
        if (!r)
            r = results_row_status(output->results, row, &status, err);
        if (status != ROW_LEFT)
            continue;
        if (!r && is_blamed)
            r = results_blame(output->results, row, blame->is_crash, blame->n_row == 1, ret_is_enough, err);
        ret_row[(*ret_n)++] = row;
    }
    return r;
}

/* Nobody else writes yet: a galaxy that has ended its rank once too often is set aside at once. */
static int blame_earlier(void *context, const struct hands_blame *blame, struct error *err)
{
    struct output *output = context;
    uint64_t row[HANDS_ROW_MAX];
    bool is_enough;
    char reason[sizeof(((struct ledger_entry *)0)->reason)];
    size_t n;
    int r = count_blame(output, blame, true, row, &n, &is_enough, err);

    if (r)
        return r;
    warn_of(output->plan, blame, n, row, is_enough);
    if (!is_enough)
        return 0;
    describe(output->plan, blame, n, row, reason, sizeof(reason));
    return results_set_aside(output->results, *row, blame->rank, 0.0, CRASH_STAGE, reason, err);
}

static void remember_aside(struct output *output, const struct hands_blame *blame)
{
    struct output_aside *aside;

    output->aside = mem_sure(reallocarray(output->aside, output->n_aside + 1, sizeof(*aside)));
    aside = &output->aside[output->n_aside++];
    *aside = (struct output_aside) { .row = *blame->row, .rank = blame->rank };
    describe(output->plan, blame, 1, blame->row, aside->reason, sizeof(aside->reason));
}

enum schedule_blame output_blame_lost(struct output *output, int rank, double alone_s, size_t *ret_n,
                                      uint64_t ret_row[HANDS_ROW_MAX])
{
    int64_t now_ns = clock_ns();
    bool is_only_one = (double)(now_ns - output->lost_ns) * 1e-9 > alone_s, is_enough;
    struct hands_blame blame;
    struct error err = { 0 };
    int r;

    output->lost_ns = now_ns;
    *ret_n = 0;
    if (!hands_judge_lost(output->hands, rank, &blame))
        return SCHEDULE_NOTHING;
    r = count_blame(output, &blame, blame.is_crash || is_only_one, ret_row, ret_n, &is_enough, &err);
    if (!r && is_enough)
        remember_aside(output, &blame);
    if (r) /* the rows are dealt again: whoever has them will say more */
        fprintf(stderr, "warning: %s\n", err.text);
    is_enough = is_enough && !r;
    warn_of(output->plan, &blame, *ret_n, ret_row, is_enough);
    return *ret_n == 0 ? SCHEDULE_NOTHING : is_enough ? SCHEDULE_ASIDE : SCHEDULE_SUSPECT;
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
    return r || output->n_aside == 0 ? r : results_sync(output->results, err);
}

/* ---- opening ----------------------------------------------------------------------------------------- */

int output_provenance(const struct plan *plan, int n_rank, int n_thread, struct provenance *ret_provenance,
                      struct error *err)
{
    *ret_provenance = (struct provenance) { .n_rank = n_rank, .n_thread = n_thread };
    signature_sign(ret_provenance);
    return provenance_make(plan, ret_provenance, err);
}

/* Make the file, or see that this job may continue it. */
static int create_or_check(struct output *output, const struct run_options *options, struct tracing *tracing,
                           int n_rank, int n_thread, struct error *err)
{
    const struct job *job = output->plan->job;
    bool has_trace = *job->trace != JOB_TRACE_OFF, is_there = access(job->output, F_OK) == 0;
    int r;

    output->is_new = !is_there || options->overwrite;
    r = has_trace ? tracing_choose_path(tracing, job, !output->is_new, err) : 0;
    if (!r && is_there && options->overwrite) {
        r = results_may_be_replaced(job->output, err);
        if (r)
            error_prefix(err, r, "--overwrite replaces results files only");
    }
    if (!r && output->is_new && has_trace)
        tracing_remove_earlier(job);
    if (!r)
        r = output_provenance(output->plan, n_rank, n_thread, &output->provenance, err);
    output->provenance.accepts_build = options->accept_build;
    if (r)
        return r;
    return output->is_new ? results_create(job->output, output->plan, &output->provenance, err)
                          : results_check(job->output, output->plan, &output->provenance, err);
}

int output_prepare(struct output *output, struct plan *plan, const struct run_options *options,
                   struct tracing *tracing, int n_rank, int n_thread, struct error *err)
{
    int r = hands_lock(plan->job->output, &output->hands, err);

    output->plan = plan;
    output->lost_ns = INT64_MIN / 2; /* long ago */
    if (!r && hands_no_lock(output->hands))
        fprintf(
            stderr,
            "warning: '%s' cannot be locked here (%s): nothing keeps a second run off it; see to it that there is none\n",
            plan->job->output, hands_no_lock(output->hands));
    if (!r && !state_path(plan->job->output, output->state_path, sizeof(output->state_path)))
        output->state_path[0] = '\0';
    if (!r)
        r = create_or_check(output, options, tracing, n_rank, n_thread, err);
    if (!r)
        r = results_open(plan->job->output, plan, &output->results, err);
    if (!r && !output->is_new)
        r = hands_judge(output->hands, blame_earlier, output, err);
    return r ? r : hands_begin(output->hands, n_rank, err);
}

/* A run that finds nothing to do changes nothing. */
int output_note_run(struct output *output, size_t n_now, struct error *err)
{
    return output->is_new || n_now ? results_note_session(output->results, &output->provenance, err) : 0;
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
    provenance_free(&output->provenance);
    free(output->aside);
    output->aside = NULL;
    output->hands = NULL;
    output->results = NULL;
}
