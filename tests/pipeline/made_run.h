/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What it takes to run a job on small inputs. */
#pragma once

#include "polyphony/operations.h"
#include "polyphony/pipeline.h"

#include "../kinds.h"
#include "../observe/made_inputs.h"

struct run {
    struct job *job;
    struct plan *plan;
    struct pipeline *pipeline;
};

static inline struct run *run_open_with(const char *text, const struct pipeline_settings *settings)
{
    struct run *run = made_array(1, sizeof(*run));
    struct error err = { "" };

    if (job_parse("job.yaml", text, job_operation_list, &run->job, &err) ||
        plan_open(run->job, operation_list, NULL, &run->plan, &err) ||
        pipeline_open(run->plan, settings, &run->pipeline, &err))
        fail_msg("%s", err.text);
    return run;
}

/* Names of the stages of a trace; there are so many. */
static inline size_t made_stages(const char **ret_name)
{
    operation_stage_names(operation_list, ret_name);
    return operation_count(operation_list) + 1;
}

static inline struct run *run_open(const char *text)
{
    return run_open_with(text, NULL);
}

static inline void run_close(struct run *run)
{
    pipeline_close(run->pipeline);
    plan_close(run->plan);
    job_free(run->job);
    free(run);
}

/* The row's values, the caller's to free. */
static inline double *run_row(struct run *run, uint64_t row)
{
    struct pipeline_row got;
    struct error err = { "" };

    if (pipeline_run(run->pipeline, row, &got, &err))
        fail_msg("%s", err.text);
    assert_int_equal(got.row, row);
    return made_copy(run->plan->n_value, got.value);
}

static inline double *run_once(const char *text, uint64_t row)
{
    struct run *run = run_open(text);
    double *value = run_row(run, row);

    run_close(run);
    return value;
}

static inline const struct product *product_of(const struct run *run, const char *kind, const char *label)
{
    for (size_t i = 0; i < run->plan->n_product; i++) {
        const struct product *product = &run->plan->product[i];

        if (is_kind(product, kind) &&
            (!label || !strcmp(run->plan->program.label[product->i_label].name, label)))
            return product;
    }
    fail_msg("no product '%s' of '%s'", kind, label ? label : "any");
    return NULL;
}

static inline int64_t integer_at(const double *value)
{
    int64_t integer;

    memcpy(&integer, value, sizeof(integer));
    return integer;
}
