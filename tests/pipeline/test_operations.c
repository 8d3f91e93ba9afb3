/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a list of operations may have besides ours: a plan and a pipeline take any. */
#include "polyphony/job_schema.h"
#include "polyphony/pipeline.h"
#include "polyphony/work.h"

#include <unistd.h>

#include "made_run.h"

#define INPUTS "catalogue: c.hdf5\ngrid: g.hdf5\n"

struct options {
    char unused;
};

static const cyaml_schema_field_t fields[] = { CYAML_FIELD_END };

static const struct product_kind kept = { .path = "Galaxies/%c/Kept",
                                          .units = "1",
                                          .description = "Is filled" };
static const struct product_kind forgotten = { .path = "Galaxies/%c/Forgotten/%l",
                                               .units = "1",
                                               .description = "Is not filled where there are stars",
                                               .axis = { AXIS_LAMBDA } };
static char intrinsic[] = "intrinsic", *labels[] = { intrinsic };

static struct named_parts parts_of(const void *options)
{
    (void)options;
    return (struct named_parts) { .label = labels, .n_label = 1 };
}

static int fill(struct work *w, const struct step *step, struct error *err)
{
    (void)err;
    *work_place(w, step, &kept, 0) = 7;
    if (w->galaxy.particles[STARS].n == 0)
        work_place_all(w, step);
    return 0;
}

static const struct operation forgetful = {
    .job = { .key = "forgetful",
             .fields = fields,
             .size = sizeof(struct options),
             .template_lines = "  forgetful: {}\n" },
    .title = "forgetful",
    .stage = "Forgetting",
    .needs = NEEDS_LIGHT,
    .parts = parts_of,
    .kind = { &kept, &forgotten },
    .run = { NULL, NULL, NULL, fill },
};

/* Ours, and the forgetful one. */
static struct run *open_forgetful(bool groups)
{
    static const struct operation *operations[PLAN_STEPS_MAX + 1];
    static const struct job_operation *job_operations[JOB_OPERATIONS_MAX + 1];
    const struct pipeline_settings settings = { .groups = groups };
    struct run *run = made_array(1, sizeof(*run));
    struct error err = { "" };
    size_t n = operation_count(operation_list), n_job = 0;

    memcpy(operations, operation_list, n * sizeof(*operations));
    operations[n] = &forgetful;
    for (; job_operation_list[n_job]; n_job++)
        job_operations[n_job] = job_operation_list[n_job];
    job_operations[n_job] = &forgetful.job;
    if (job_parse("job.yaml", INPUTS "operations: {sfh: {}, forgetful: {}}\n", job_operations, &run->job,
                  &err) ||
        plan_open(run->job, operations, NULL, &run->plan, &err) ||
        pipeline_open(run->plan, &settings, &run->pipeline, &err))
        fail_msg("%s", err.text);
    return run;
}

static void what_no_stage_fills_is_an_error_with_its_path(void **state)
{
    struct run *run = open_forgetful(false);
    struct error err = { "" };
    struct pipeline_row row;

    (void)state;
    assert_int_equal(pipeline_run(run->pipeline, ROW_FIRST, &row, &err), POLYPHONY_INTERNAL);
    assert_text_has(err.text,
                    "the operation 'forgetful' did not compute 'Galaxies/Stars/Forgotten/intrinsic'");
    err.text[0] = '\0';
    if (pipeline_run(run->pipeline, ROW_NO_STARS, &row, &err))
        fail_msg("%s", err.text);
    assert_true(row.value[product_of(run, "Galaxies/%c/Kept", NULL)->offset] == 7);
    run_close(run);
}

static int take_none(void *context, size_t n, const struct pipeline_row *row, struct error *err)
{
    (void)context;
    (void)n;
    (void)row;
    (void)err;
    return 0;
}

static void so_it_is_in_groups(void **state)
{
    static const uint64_t rows[] = { ROW_FIRST, ROW_SECOND };
    const struct pipeline_sink sink = { .take = take_none };
    struct run *run = open_forgetful(true);
    struct error err = { "" };

    (void)state;
    assert_int_equal(pipeline_group(run->pipeline, 2, rows), 2);
    assert_int_equal(pipeline_run_group(run->pipeline, 2, rows, &sink, &err), POLYPHONY_INTERNAL);
    assert_text_has(err.text, "did not compute 'Galaxies/Stars/Forgotten/intrinsic'");
    run_close(run);
}

static int enter_inputs(void **state)
{
    static char directory[] = "/tmp/test_operations_XXXXXX";

    if (!mkdtemp(directory) || chdir(directory))
        return -1;
    made_grid_write("g.hdf5");
    made_catalogue_write("c.hdf5", true);
    *state = directory;
    return 0;
}

static int leave_inputs(void **state)
{
    return unlink("g.hdf5") || unlink("c.hdf5") || chdir("/") || rmdir(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_stage_fills_is_an_error_with_its_path),
        cmocka_unit_test(so_it_is_in_groups),
    };

    return cmocka_run_group_tests_name("operations", tests, enter_inputs, leave_inputs);
}
