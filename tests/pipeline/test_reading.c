/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading ahead: nothing of it shows, whatever is expected and whenever it ends.
 */
#include "polyphony/pipeline.h"

#include <unistd.h>

#include "../../src/pipeline/pipeline_private.h"
#include "made_run.h"

#define JOB                                                                                                  \
    "catalogue: many.hdf5\ngrid: g.hdf5\nredshift: 1\n"                                                      \
    "emission: {tau_v: los, fesc: 0.1}\n"                                                                    \
    "operations: {los_optical_depths: {}, sfzh: {}, spectra: {labels: [emergent]}}\n"

enum { N_MANY = 12, ROW_BAD_STAR = 11 };
static const int64_t many_n_star[N_MANY] = { 40, 3000, 0, 1, 700, 50, 2000, 300, 8000, 1, 90, 400 };
static const int64_t many_n_gas[N_MANY] = { 10, 100, 30, 0, 200, 5, 70, 100, 1000, 100, 0, 20 };

static const struct pipeline_settings ahead = { .reads_ahead = true };

/* Every row without reading ahead; of the bad one nothing. */
struct rows {
    size_t n_value;
    double *value[N_MANY];
    struct error err; /* of the bad row */
};

static struct rows rows_open(void)
{
    struct run *run = run_open(JOB);
    struct rows rows = { .n_value = run->plan->n_value };
    struct pipeline_row out = { 0 };

    for (uint64_t row = 0; row < N_MANY; row++)
        if (row != ROW_BAD_STAR)
            rows.value[row] = run_row(run, row);
    assert_int_equal(pipeline_run(run->pipeline, ROW_BAD_STAR, &out, &rows.err), POLYPHONY_SET_ASIDE);
    run_close(run);
    return rows;
}

static void rows_free(struct rows *rows)
{
    for (size_t i = 0; i < N_MANY; i++)
        free(rows->value[i]);
}

static void expect_row(struct run *run, uint64_t row, const struct rows *rows)
{
    struct pipeline_row out = { 0 };
    struct error err = { "" };
    int r = pipeline_run(run->pipeline, row, &out, &err);

    if (row == ROW_BAD_STAR) {
        assert_int_equal(r, POLYPHONY_SET_ASIDE);
        assert_string_equal(err.text, rows->err.text);
        assert_string_equal(out.stage, "Reading");
        return;
    }
    if (r)
        fail_msg("%s", err.text);
    assert_int_equal(out.row, row);
    assert_same_bits("row", rows->n_value, out.value, rows->value[row]);
}

static void galaxies_read_ahead_have_the_same_bits(void **state)
{
    struct rows rows = rows_open();
    struct run *run = run_open_with(JOB, &ahead);
    uint64_t order[N_MANY];

    (void)state;
    for (uint64_t step = 1; step < N_MANY; step += 2) { /* another order each time, in batches of four */
        for (uint64_t i = 0; i < N_MANY; i++)
            order[i] = i * (step == 3 || step == 9 ? 7 : step) % N_MANY;
        for (size_t i = 0; i < N_MANY; i++) {
            if (i % 4 == 0)
                pipeline_expect(run->pipeline, 4, order + i);
            expect_row(run, order[i], &rows);
        }
    }
    run_close(run);
    rows_free(&rows);
}

static bool is_begun(const struct run *run, uint64_t row)
{
    const struct reader_piece piece = { .row = row, .n = (size_t)many_n_star[row], .with_around = true };

    return reader_has(run->pipeline->reader, &piece);
}

static void the_next_of_those_expected_is_begun(void **state)
{
    static const uint64_t expected[] = { 1, 8, 4, 6, 10 };
    struct rows rows = rows_open();
    struct run *run = run_open_with(JOB, &ahead), *alone = run_open(JOB);

    (void)state;
    pipeline_expect(run->pipeline, 3, expected);
    assert_true(is_begun(run, 1));
    expect_row(run, 1, &rows);
    assert_true(is_begun(run, 8));
    pipeline_expect(run->pipeline, 2, expected + 3);
    expect_row(run, 4, &rows); /* out of turn: 8 is not expected any more */
    assert_true(is_begun(run, 6));
    expect_row(run, 6, &rows);
    expect_row(run, 10, &rows);
    for (uint64_t row = 0; row < N_MANY; row++)
        assert_false(is_begun(run, row));
    pipeline_expect(alone->pipeline, 3, expected);
    assert_false(is_begun(alone, 1));
    run_close(alone);
    run_close(run);
    rows_free(&rows);
}

static void wrong_expectations_do_no_harm(void **state)
{
    struct rows rows = rows_open();
    struct run *run = run_open_with(JOB, &ahead);
    uint64_t seed = 4, expected[3];

    (void)state;
    for (size_t turn = 0; turn < 200; turn++) {
        for (size_t i = 0; i < 3; i++)
            expected[i] = (uint64_t)uniform(&seed, 0, N_MANY);
        pipeline_expect(run->pipeline, turn % 4, expected);
        /* Often one of those that are expected, seldom the next one. */
        expect_row(run, turn % 3 ? expected[turn % 2] : (uint64_t)uniform(&seed, 0, N_MANY), &rows);
        if (turn % 17 == 0)
            pipeline_rest(run->pipeline);
    }
    run_close(run);
    rows_free(&rows);
}

static void more_may_be_expected_than_the_queue_holds(void **state)
{
    struct rows rows = rows_open();
    struct run *run = run_open_with(JOB, &ahead);
    uint64_t expected[EXPECT_MAX + 1000];

    (void)state;
    for (size_t i = 0; i < EXPECT_MAX + 1000; i++)
        expected[i] = i % N_MANY;
    pipeline_expect(run->pipeline, EXPECT_MAX + 1000, expected);
    for (size_t i = 0; i < 1500; i++) {
        if (i == 700)
            pipeline_expect(run->pipeline, EXPECT_MAX + 1000, expected);
        expect_row(run, expected[i], &rows);
    }
    run_close(run);
    rows_free(&rows);
}

/* A worker holds two batches of 4096 rows. */
static void all_that_a_worker_holds_is_read_ahead(void **state)
{
    struct rows rows = rows_open();
    struct run *run = run_open_with(JOB, &ahead);
    uint64_t expected[3000];

    (void)state;
    for (size_t i = 0; i < 3000; i++)
        expected[i] = i % 3 ? 3 : 9; /* of one star each */
    pipeline_expect(run->pipeline, 3000, expected);
    for (size_t i = 0; i < 3000; i++) {
        assert_true(is_begun(run, expected[i]));
        expect_row(run, expected[i], &rows);
    }
    run_close(run);
    rows_free(&rows);
}

static void expectations_without_reading_ahead_are_heard_and_ignored(void **state)
{
    static const uint64_t expected[] = { 3, 4, 5 };
    struct rows rows = rows_open();
    struct run *run = run_open(JOB);

    (void)state;
    pipeline_expect(run->pipeline, 3, expected);
    expect_row(run, 4, &rows);
    expect_row(run, 8, &rows);
    pipeline_rest(run->pipeline);
    run_close(run);
    rows_free(&rows);
}

/* Whatever it is doing: before it has begun, in the middle, after. */
static void closing_ends_the_reading(void **state)
{
    static const uint64_t large = 8;

    (void)state;
    for (useconds_t wait_us = 0; wait_us < 3000; wait_us += 100) {
        struct run *run = run_open_with(JOB, &ahead);

        pipeline_expect(run->pipeline, 1, &large);
        usleep(wait_us);
        run_close(run);
    }
}

/* What was begun in vain is finished or dropped, and what is read next is right. */
static void resting_leaves_nothing_behind(void **state)
{
    static const uint64_t expected[] = { 8, 1 };
    struct rows rows = rows_open();

    (void)state;
    for (useconds_t wait_us = 0; wait_us < 2000; wait_us += 200) {
        struct run *run = run_open_with(JOB, &ahead);
        struct galaxy galaxy;
        struct arena arena = { 0 };

        pipeline_expect(run->pipeline, 2, expected);
        usleep(wait_us);
        pipeline_rest(run->pipeline);
        /* HDF5 is ours now. */
        assert_int_equal(catalogue_read(run->plan->catalogue, 6, &arena, &galaxy, NULL), 0);
        assert_int_equal(galaxy.particles[STARS].n, many_n_star[6]);
        arena_free(&arena);
        expect_row(run, 1, &rows);
        run_close(run);
    }
    rows_free(&rows);
}

static void tiles_are_read_ahead_too(void **state)
{
    const struct pipeline_settings settings = { .reads_ahead = true, .n_star_tile = 500 };
    struct rows rows = rows_open();
    struct run *run = run_open_with(JOB, &settings);
    uint64_t expected[N_MANY];

    (void)state;
    for (uint64_t i = 0; i < N_MANY; i++)
        expected[i] = N_MANY - 1 - i;
    for (int turn = 0; turn < 3; turn++) {
        pipeline_expect(run->pipeline, N_MANY, expected);
        for (size_t i = 0; i < N_MANY; i++)
            expect_row(run, expected[i], &rows);
    }
    run_close(run);
    rows_free(&rows);
}

static void memory_is_constant_after_the_largest_galaxies(void **state)
{
    struct run *run = run_open_with(JOB, &ahead);
    struct rows rows = rows_open();
    uint64_t expected[] = { 8, 8, 1, 8, 8, 1 };
    size_t peak = 0;

    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        pipeline_expect(run->pipeline, 6, expected);
        for (size_t i = 0; i < 6; i++)
            expect_row(run, expected[i], &rows);
        assert_true(turn == 0 || pipeline_peak_bytes(run->pipeline) == peak);
        peak = pipeline_peak_bytes(run->pipeline);
    }
    run_close(run);
    rows_free(&rows);
}

static int enter_inputs(void **state)
{
    static char directory[] = "/tmp/test_reading_XXXXXX";

    if (!mkdtemp(directory) || chdir(directory))
        return -1;
    made_grid_write("g.hdf5");
    made_galaxies_write("many.hdf5", N_MANY, many_n_star, many_n_gas);
    *state = directory;
    return 0;
}

static int leave_inputs(void **state)
{
    return unlink("g.hdf5") || unlink("many.hdf5") || chdir("/") || rmdir(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(galaxies_read_ahead_have_the_same_bits),
        cmocka_unit_test(the_next_of_those_expected_is_begun),
        cmocka_unit_test(wrong_expectations_do_no_harm),
        cmocka_unit_test(more_may_be_expected_than_the_queue_holds),
        cmocka_unit_test(all_that_a_worker_holds_is_read_ahead),
        cmocka_unit_test(expectations_without_reading_ahead_are_heard_and_ignored),
        cmocka_unit_test(closing_ends_the_reading),
        cmocka_unit_test(resting_leaves_nothing_behind),
        cmocka_unit_test(tiles_are_read_ahead_too),
        cmocka_unit_test(memory_is_constant_after_the_largest_galaxies),
    };

    return cmocka_run_group_tests_name("reading", tests, enter_inputs, leave_inputs);
}
