/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A run by hand, as the program does it: what the tests of results share. */
#pragma once

#include "polyphony/operations.h"

#include "../../src/results/results_private.h"
#include "../kinds.h"
#include "made_inputs.h"

static const struct made_inputs as_made = { 1.0, 1.0, false };

struct session {
    struct job *job;
    struct plan *plan;
    struct provenance provenance;
    struct pipeline *pipeline;
    struct results *results;
};

/* Job to plan; nothing is written. */
static inline struct session open_plan_of(const char *text)
{
    struct session s = { 0 };
    struct error err = { "" };

    EXPECT_OK(job_parse("job.yaml", text, job_operation_list, &s.job, &err), err);
    EXPECT_OK(plan_open(s.job, operation_list, NULL, &s.plan, &err), err);
    EXPECT_OK(provenance_make(s.plan, &s.provenance, &err), err);
    s.provenance.program_version = s.provenance.compiler = s.provenance.flags = "test";
    s.provenance.commit = s.provenance.source_hash = s.provenance.command = "test";
    s.provenance.n_rank = s.provenance.n_thread = 1;
    return s;
}

/* `from` in the job is replaced by `to`. */
static inline struct session open_plan(const char *from, const char *to)
{
    char *text = made_job(from, to);
    struct session s = open_plan_of(text);

    free(text);
    return s;
}

/* And a new file, ready for rows. */
static inline struct session open_session_of(const char *from, const char *to)
{
    struct session s = open_plan(from, to);
    struct error err = { "" };

    EXPECT_OK(results_create(s.job->output, s.plan, &s.provenance, &err), err);
    EXPECT_OK(results_open(s.job->output, s.plan, &s.results, &err), err);
    EXPECT_OK(pipeline_open(s.plan, NULL, &s.pipeline, &err), err);
    return s;
}

static inline struct session open_session(void)
{
    return open_session_of(NULL, NULL);
}

static inline void close_session(struct session *s)
{
    pipeline_close(s->pipeline);
    results_close(s->results);
    provenance_free(&s->provenance);
    plan_close(s->plan);
    job_free(s->job);
}

static inline int write_inputs(void **state)
{
    (void)state;
    made_inputs_write(&as_made);
    return 0;
}

/* ---- the ledger ---------------------------------------------------------------------------------- */

/* As a scan shows it. */
struct seen_ledger {
    struct ledger_counts counts;
    struct ledger_entry entry[MADE_N_GALAXY];
    int64_t id[MADE_N_GALAXY];
};

/* One row; POLYPHONY_SET_ASIDE where a value is not finite. */
static inline int write_one_row(struct results *results, const struct pipeline_row *row, int rank,
                                double seconds, struct error *err)
{
    int status = 0, r = results_write_many(results, 1, row, &seconds, rank, &status, err, err);

    return r ? r : status;
}

static inline int see_entry(void *context, uint64_t row, int64_t id, const struct ledger_entry *entry,
                            struct error *err)
{
    struct seen_ledger *seen = context;

    (void)err;
    assert_true(row < MADE_N_GALAXY);
    seen->entry[row] = *entry;
    seen->id[row] = id;
    return 0;
}

static inline struct seen_ledger see_ledger(const char *path)
{
    struct seen_ledger seen = { 0 };
    struct error err = { "" };

    EXPECT_OK(ledger_scan(path, see_entry, &seen, &seen.counts, &err), err);
    return seen;
}
