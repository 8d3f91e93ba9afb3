/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is said to be on disk, when, and which rows are looked at because nobody has said so.
 */
#include "session.h"

#include <fcntl.h>
#include <time.h>

#define LONGEST_S 60 /* until a thread has done what it does within milliseconds */

static void write_row(struct session *s, uint64_t row)
{
    struct pipeline_row out = { 0 };
    struct error err = { "" };

    EXPECT_OK(pipeline_run(s->pipeline, row, &out, &err), err);
    EXPECT_OK(write_one_row(s->results, &out, 2, 0.5, &err), err);
}

static void sync_rows(struct session *s)
{
    struct error err = { "" };

    EXPECT_OK(results_sync(s->results, &err), err);
}

static int is_on_disk(const struct session *s, uint64_t row)
{
    return see_ledger(s->job->output).entry[row].is_on_disk;
}

static void await_mark(const struct session *s, uint64_t row)
{
    int64_t begin_ns = clock_ns();

    while (!is_on_disk(s, row)) {
        if ((double)(clock_ns() - begin_ns) * 1e-9 > LONGEST_S)
            fail_msg("row %d is not marked after %d s", (int)row, LONGEST_S);
        nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
    }
}

/* ---- marks --------------------------------------------------------------------------------------- */

static void rows_are_marked_by_the_sync_that_follows_them(void **state)
{
    struct session s = open_session();
    struct error err = { "" };
    struct seen_ledger seen;

    (void)state;
    write_row(&s, 0);
    EXPECT_OK(results_set_aside(s.results, 1, 2, 0.0, "Reading", "a reason", &err), err);
    assert_int_equal(see_ledger(s.job->output).counts.n_unsynced, 2);
    sync_rows(&s);
    write_row(&s, 2);
    seen = see_ledger(s.job->output);
    assert_true(seen.entry[0].is_on_disk == 1);
    assert_true(seen.entry[1].is_on_disk == 1);
    assert_true(seen.entry[2].is_on_disk == 0);
    assert_true(seen.entry[3].is_on_disk == 0);
    assert_int_equal(seen.counts.n_unsynced, 1);
    assert_string_equal(seen.entry[1].reason, "a reason"); /* nothing else of an entry changes */
    assert_int_equal(seen.entry[1].status, ROW_SET_ASIDE);
    sync_rows(&s);
    assert_int_equal(is_on_disk(&s, 2), 1);
    assert_int_equal(is_on_disk(&s, 3), 0); /* left */
    close_session(&s);
}

static void a_row_that_is_done_again_is_not_on_disk_any_more(void **state)
{
    struct session s = open_session();
    struct error err = { "" };

    (void)state;
    write_row(&s, 0);
    sync_rows(&s);
    EXPECT_OK(results_reopen_row(s.results, 0, &err), err);
    assert_int_equal(is_on_disk(&s, 0), 0);
    write_row(&s, 0);
    assert_int_equal(is_on_disk(&s, 0), 0);
    sync_rows(&s);
    assert_int_equal(is_on_disk(&s, 0), 1);
    close_session(&s);
}

static void the_thread_marks_rows_by_itself(void **state)
{
    struct session s = open_session();
    struct error err = { "" };

    (void)state;
    EXPECT_OK(results_sync_every(s.results, 0.001, &err), err);
    for (uint64_t row = 0; row < MADE_N_GALAXY; row++) {
        write_row(&s, row);
        await_mark(&s, row);
    }
    close_session(&s);
}

static void many_rows_do_not_wait_for_the_interval(void **state)
{
    (void)state;
    for (int interval_s = 0; interval_s <= JOB_SYNC_S_MAX; interval_s += JOB_SYNC_S_MAX) {
        struct session s = open_session();
        struct error err = { "" };

        EXPECT_OK(results_sync_every(s.results, interval_s, &err), err);
        write_row(&s, 1);
        for (int i = 1; i < RESULTS_UNSYNCED_MAX / 2; i++)
            EXPECT_OK(results_note_row(s.results, 1, &err), err);
        await_mark(&s, 1);
        close_session(&s);
    }
}

static void without_a_thread_who_fills_the_list_syncs(void **state)
{
    struct session s = open_session();
    struct error err = { "" };

    (void)state;
    write_row(&s, 0);
    for (int i = 1; i < RESULTS_UNSYNCED_MAX; i++)
        EXPECT_OK(results_note_row(s.results, 0, &err), err);
    assert_int_equal(is_on_disk(&s, 0), 0);
    EXPECT_OK(results_note_row(s.results, 0, &err), err);
    assert_int_equal(is_on_disk(&s, 0), 1);
    close_session(&s);
}

static void a_sync_that_fails_is_an_error_and_marks_nothing(void **state)
{
    struct session s = open_session();
    struct error err = { "" };
    int fd = s.results->fd, ends[2];

    (void)state;
    write_row(&s, 0);
    assert_int_equal(pipe(ends), 0);
    s.results->fd = ends[1]; /* what cannot be synced */
    assert_int_equal(results_sync(s.results, &err), POLYPHONY_OUTPUT);
    EXPECT_PARTS(err.text, "results.hdf5", "could not be brought to disk", "continues later");
    s.results->fd = fd;
    assert_int_equal(is_on_disk(&s, 0), 0);
    assert_int_equal(results_note_row(s.results, 1, &err), POLYPHONY_OUTPUT); /* the run must end */
    assert_int_equal(results_sync(s.results, &err), POLYPHONY_OUTPUT);        /* what was lost remains so */
    assert_int_equal(is_on_disk(&s, 0), 0);
    close(ends[0]);
    close(ends[1]);
    close_session(&s);
}

/* ---- which rows are looked at ---------------------------------------------------------------------- */

struct found {
    bool is_fault[MADE_N_GALAXY], is_unsynced[MADE_N_GALAXY];
    struct verify_counts counts;
};

static int keep_fault(void *context, uint64_t row, int64_t id, enum row_fault fault, struct error *err)
{
    (void)id, (void)fault, (void)err;
    ((struct found *)context)->is_fault[row] = true;
    return 0;
}

static int keep_unsynced(void *context, uint64_t row, struct error *err)
{
    (void)err;
    ((struct found *)context)->is_unsynced[row] = true;
    return 0;
}

static struct found verify_within(const struct session *s, uint64_t byte_budget)
{
    struct found found = { 0 };
    const struct verify verify = { .fault = keep_fault,
                                   .unsynced = keep_unsynced,
                                   .context = &found,
                                   .has_budget = true,
                                   .byte_budget = byte_budget };
    struct error err = { "" };

    EXPECT_OK(results_verify(s->job->output, &verify, &found.counts, &err), err);
    return found;
}

/* Zeros in the place of a row's last dataset, as where a page never reached the disk. */
static void lose_row(const struct session *s, uint64_t row)
{
    const struct results_column *column = &s->results->column[s->plan->n_product - 1];
    char *zero = calloc(column->row_bytes, 1);
    int fd = open(s->job->output, O_RDWR);

    assert_int_equal(pwrite(fd, zero, column->row_bytes, (off_t)(column->offset + row * column->row_bytes)),
                     column->row_bytes);
    close(fd);
    free(zero);
}

static void rows_in_doubt_are_always_looked_at(void **state)
{
    struct session s = open_session();
    struct found found;

    (void)state;
    write_row(&s, 0);
    write_row(&s, 1);
    sync_rows(&s);
    write_row(&s, 2);
    write_row(&s, 3);
    lose_row(&s, 1);
    lose_row(&s, 2);
    found = verify_within(&s, 0);
    assert_true(!found.is_fault[0]);
    assert_true(!found.is_fault[1]);
    assert_true(found.is_fault[2]);
    assert_true(!found.is_fault[3]);
    assert_true(!found.is_unsynced[0]);
    assert_true(!found.is_unsynced[1]);
    assert_true(!found.is_unsynced[2]);
    assert_true(found.is_unsynced[3]);
    assert_int_equal(found.counts.n_unseen, 2);
    assert_int_equal(found.counts.n_fault, 1);
    close_session(&s);
}

static void others_are_looked_at_as_far_as_the_budget_goes(void **state)
{
    struct session s = open_session();
    uint64_t row_bytes =
        results_row_bytes(s.plan) + (s.plan->catalogue->n_particle_all[STARS] / MADE_N_GALAXY +
                                     s.plan->catalogue->n_particle_all[BLACK_HOLES] / MADE_N_GALAXY) *
                                        sizeof(double);

    (void)state;
    for (uint64_t row = 0; row < MADE_N_GALAXY; row++)
        write_row(&s, row);
    sync_rows(&s);
    for (uint64_t row = 0; row < MADE_N_GALAXY; row++)
        lose_row(&s, row);
    for (uint64_t n = 0; n <= MADE_N_GALAXY; n++)
        for (int more = 0; more < 2; more++) {
            struct found found = verify_within(&s, n * row_bytes + (more ? row_bytes - 1 : 0));

            assert_int_equal(found.counts.n_fault, n);
            assert_int_equal(found.counts.n_unseen, MADE_N_GALAXY - n);
            assert_true(n == 0 || found.is_fault[n - 1]);
        }
    close_session(&s);
}

static int stop(void *context, uint64_t row, int64_t id, enum row_fault fault, struct error *err)
{
    (void)id, (void)fault;
    *(uint64_t *)context = row;
    return error_set(err, POLYPHONY_STOPPED, "enough");
}

static void a_visitor_can_end_it(void **state)
{
    struct session s = open_session();
    uint64_t row = UINT64_MAX;
    const struct verify verify = { .fault = stop, .context = &row };
    struct verify_counts counts;
    struct error err = { "" };

    (void)state;
    for (uint64_t i = 0; i < MADE_N_GALAXY; i++) {
        write_row(&s, i);
        lose_row(&s, i);
    }
    assert_int_equal(results_verify(s.job->output, &verify, &counts, &err), POLYPHONY_STOPPED);
    assert_string_equal(err.text, "enough");
    assert_int_equal(row, 0);
    close_session(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_marked_by_the_sync_that_follows_them),
        cmocka_unit_test(a_row_that_is_done_again_is_not_on_disk_any_more),
        cmocka_unit_test(the_thread_marks_rows_by_itself),
        cmocka_unit_test(many_rows_do_not_wait_for_the_interval),
        cmocka_unit_test(without_a_thread_who_fills_the_list_syncs),
        cmocka_unit_test(a_sync_that_fails_is_an_error_and_marks_nothing),
        cmocka_unit_test(rows_in_doubt_are_always_looked_at),
        cmocka_unit_test(others_are_looked_at_as_far_as_the_budget_goes),
        cmocka_unit_test(a_visitor_can_end_it),
    };
    int n_failed;

    MPI_Init(&argc, &argv);
    n_failed = cmocka_run_group_tests(tests, write_inputs, NULL);
    MPI_Finalize();
    return n_failed;
}
