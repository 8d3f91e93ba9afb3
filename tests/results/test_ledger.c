/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ledger: in pieces, damaged, and galaxies that end their ranks.
 */
#include "session.h"

#include <fcntl.h>

/* Write over bytes of the ledger entry of a row. */
static void spoil_entry(const struct session *s, uint64_t row, size_t place, const void *bytes, size_t n)
{
    struct io_file *file = NULL;
    struct error err = { "" };
    uint64_t offset = 0;
    int fd = open(s->job->output, O_RDWR);

    EXPECT_OK(io_file_open(s->job->output, &file, &err), err);
    EXPECT_OK(io_dataset_offset(file, LEDGER_PATH, &offset, &err), err);
    io_file_close(file);
    offset += row * sizeof(struct ledger_entry) + place;
    assert_int_equal(pwrite(fd, bytes, n, (off_t)offset), (ssize_t)n);
    close(fd);
}

static void write_row(struct session *s, uint64_t row)
{
    struct pipeline_row out = { 0 };
    struct error err = { "" };

    EXPECT_OK(pipeline_run(s->pipeline, row, &out, &err), err);
    EXPECT_OK(write_one_row(s->results, &out, 2, 0.5, &err), err);
}

/* ---- scanning ------------------------------------------------------------------------------------ */

static int stop_at_2(void *context, uint64_t row, int64_t id, const struct ledger_entry *entry,
                     struct error *err)
{
    (void)id;
    (void)entry;
    ++*(int *)context;
    return row == 2 ? error_set(err, POLYPHONY_INTERNAL, "enough") : 0;
}

static void a_visitor_can_end_the_scan(void **state)
{
    struct session s = open_session();
    struct ledger_counts counts;
    struct error err = { "" };
    int n = 0;

    (void)state;
    assert_int_equal(ledger_scan(s.job->output, stop_at_2, &n, &counts, &err), POLYPHONY_INTERNAL);
    assert_string_equal(err.text, "enough");
    assert_int_equal(n, 3);
    close_session(&s);
}

/* More entries than a piece has, without a catalogue of that length. */
#define N_LONG (2 * LEDGER_N_PIECE + 3)

static void make_long_file(const char *path)
{
    const uint64_t n = N_LONG;
    static struct ledger_entry entry[N_LONG];
    static int64_t id[N_LONG];
    struct io_file *file = NULL;
    struct error err = { "" };
    uint64_t offset[2];
    int fd;

    for (size_t i = 0; i < N_LONG; i++) {
        entry[i] =
            (struct ledger_entry) { .status = ROW_DONE, .rank = (int32_t)i, .checksum = i + 1, .seconds = 1 };
        id[i] = 7 * (int64_t)i;
    }
    EXPECT_OK(io_layout_create(path, MPI_COMM_SELF, &file, &err), err);
    EXPECT_OK(io_attr_write_text(file, "/", "format", RESULTS_FORMAT, &err), err);
    EXPECT_OK(io_attr_write_i64(file, "/", "version", RESULTS_FILE_VERSION, &err), err);
    EXPECT_OK(io_layout_records(file, LEDGER_PATH, n, sizeof(*entry),
                                &(struct io_member) { "status", IO_I32, 0, 0 }, 1, "made for a test", &err),
              err);
    EXPECT_OK(io_layout_dataset(file, ID_PATH, IO_I64, 1, &n, "dimensionless", "made for a test", &err), err);
    EXPECT_OK(io_dataset_offset(file, LEDGER_PATH, &offset[0], &err), err);
    EXPECT_OK(io_dataset_offset(file, ID_PATH, &offset[1], &err), err);
    EXPECT_OK(io_layout_commit(file, &err), err);
    io_file_close(file);
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, entry, sizeof(entry), (off_t)offset[0]), sizeof(entry));
    assert_int_equal(pwrite(fd, id, sizeof(id), (off_t)offset[1]), sizeof(id));
    close(fd);
}

static int expect_in_order(void *context, uint64_t row, int64_t id, const struct ledger_entry *entry,
                           struct error *err)
{
    uint64_t *next = context;

    (void)err;
    assert_int_equal(row, *next);
    assert_int_equal(entry->rank, row);
    assert_int_equal(id, 7 * row);
    ++*next;
    return 0;
}

static void every_entry_of_many_pieces_is_visited_once_in_order(void **state)
{
    const char *path = temp_path("long.hdf5");
    struct ledger_counts counts;
    struct error err = { "" };
    uint64_t next = 0;

    (void)state;
    make_long_file(path);
    EXPECT_OK(ledger_scan(path, expect_in_order, &next, &counts, &err), err);
    assert_int_equal(next, N_LONG);
    assert_int_equal(counts.n_galaxy, N_LONG);
    assert_int_equal(counts.n_done, N_LONG);
    assert_true(counts.seconds == (double)N_LONG); /* a sum of ones is exact */
}

/* ---- damage -------------------------------------------------------------------------------------- */

static void a_torn_entry_counts_as_left(void **state)
{
    static const int32_t done = ROW_DONE, nonsense = 77, negative = -1;
    static const double endless = INFINITY, backwards = -1.0;
    static char text[sizeof(((struct ledger_entry *)0)->reason)]; /* without an end */
    static const struct {
        size_t place;
        const void *bytes;
        size_t n;
        bool is_done_before;
    } damage[] = {
        { offsetof(struct ledger_entry, status), &done, sizeof(done),
          false }, /* the first part was written */
        { offsetof(struct ledger_entry, status), &nonsense, sizeof(nonsense), true },
        { offsetof(struct ledger_entry, rank), &negative, sizeof(negative), true },
        { offsetof(struct ledger_entry, seconds), &endless, sizeof(endless), true },
        { offsetof(struct ledger_entry, seconds), &backwards, sizeof(backwards), true },
        { offsetof(struct ledger_entry, reason), text, sizeof(text), true },
        { offsetof(struct ledger_entry, n_crash), &negative, sizeof(negative), true },
    };

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < sizeof(damage) / sizeof(*damage); i++) {
        struct session s = open_session();
        struct seen_ledger seen;

        write_row(&s, 0);
        if (damage[i].is_done_before)
            write_row(&s, 1);
        spoil_entry(&s, 1, damage[i].place, damage[i].bytes, damage[i].n);
        seen = see_ledger(s.job->output);
        assert_int_equal(seen.counts.n_galaxy, MADE_N_GALAXY);
        assert_int_equal(seen.counts.n_damaged, 1);
        assert_int_equal(seen.counts.n_done, 1);
        assert_int_equal(seen.entry[0].status, ROW_DONE);
        assert_int_equal(seen.entry[1].status, ROW_LEFT);
        write_row(&s, 1); /* it can be done again */
        seen = see_ledger(s.job->output);
        assert_int_equal(seen.counts.n_done, 2);
        assert_int_equal(seen.counts.n_damaged, 0);
        close_session(&s);
    }
}

static void a_truncated_file_is_named_with_what_is_missing(void **state)
{
    struct session s = open_session();
    struct ledger_counts counts;
    struct error err = { "" };
    struct stat st;

    (void)state;
    assert_int_equal(stat(s.job->output, &st), 0);
    assert_int_equal(truncate(s.job->output, st.st_size - 1000), 0);
    assert_int_equal(ledger_scan(s.job->output, NULL, NULL, &counts, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "results.hdf5", "truncated", "last 1000 are missing");
    close_session(&s);
}

/* ---- blame --------------------------------------------------------------------------------------- */

static bool blame_with(struct session *s, uint64_t row, bool is_crash, bool is_alone)
{
    struct error err = { "" };
    bool is_enough = true;

    EXPECT_OK(results_blame(s->results, row, is_crash, is_alone, &is_enough, &err), err);
    return is_enough;
}

static bool blame(struct session *s, uint64_t row, bool is_crash)
{
    return blame_with(s, row, is_crash, true);
}

static void blame_adds_up_and_the_row_stays_left(void **state)
{
    struct session s = open_session();
    struct seen_ledger seen;

    (void)state;
    assert_false(blame(&s, 2, true));
    assert_false(blame(&s, 2, false));
    assert_false(blame(&s, 1, false));
    seen = see_ledger(s.job->output);
    assert_int_equal(seen.entry[2].status, ROW_LEFT);
    assert_int_equal(seen.entry[2].n_crash, 1);
    assert_int_equal(seen.entry[2].n_vanish, 1);
    assert_int_equal(seen.id[2], 30); /* named, though it was never done */
    assert_int_equal(seen.entry[1].n_crash, 0);
    assert_int_equal(seen.entry[1].n_vanish, 1);
    assert_int_equal(seen.counts.n_blamed, 2);
    assert_int_equal(seen.counts.n_damaged, 0);
    assert_int_equal(seen.entry[0].n_crash + seen.entry[0].n_vanish, 0);
    close_session(&s);
}

static void a_row_that_was_set_aside_is_not_blamed_for_the_company_it_was_in(void **state)
{
    struct session s = open_session();
    struct seen_ledger seen;
    struct error err = { "" };

    (void)state;
    EXPECT_OK(results_set_aside(s.results, 1, 0, 0.5, "Reading", "a negative mass", &err), err);
    assert_false(blame_with(&s, 1, true, false));
    assert_false(blame_with(&s, 1, true, true));
    seen = see_ledger(s.job->output);
    assert_int_equal(seen.entry[1].status, ROW_SET_ASIDE);
    assert_int_equal(seen.entry[1].n_crash, 0);
    close_session(&s);
}

static void the_second_crash_and_the_third_vanishing_are_enough(void **state)
{
    struct session s = open_session();

    (void)state;
    assert_false(blame(&s, 0, true));
    assert_true(blame(&s, 0, true));
    assert_false(blame(&s, 1, false));
    assert_false(blame(&s, 1, false));
    assert_true(blame(&s, 1, false));
    close_session(&s);
}

static void company_counts_once_and_is_never_enough(void **state)
{
    struct session s = open_session();
    struct seen_ledger seen;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_false(blame_with(&s, 0, true, false));
        assert_false(blame_with(&s, 1, false, false));
    }
    seen = see_ledger(s.job->output);
    assert_true(seen.entry[0].n_crash == 1);
    assert_true(seen.entry[0].n_vanish == 0);
    assert_true(seen.entry[1].n_crash == 0);
    assert_true(seen.entry[1].n_vanish == 1);
    assert_int_equal(seen.counts.n_blamed, 2);
    assert_true(blame(&s, 0, true)); /* alone: its second crash */
    assert_false(blame(&s, 1, false));
    assert_false(blame_with(&s, 1, false, false)); /* it was 2 before, and stays so */
    assert_int_equal(see_ledger(s.job->output).entry[1].n_vanish, 2);
    assert_true(blame(&s, 1, false));
    assert_false(blame_with(&s, 1, false, false)); /* whatever it has reached */
    close_session(&s);
}

static void a_row_that_is_done_is_not_blamed(void **state)
{
    struct session s = open_session();
    struct seen_ledger seen;

    (void)state;
    write_row(&s, 0);
    assert_false(blame(&s, 0, true));
    assert_false(blame(&s, 0, true));
    assert_false(blame(&s, MADE_N_GALAXY, true)); /* nor one that is not there */
    assert_false(blame(&s, UINT64_MAX, true));
    seen = see_ledger(s.job->output);
    assert_int_equal(seen.entry[0].status, ROW_DONE);
    assert_int_equal(seen.entry[0].n_crash, 0);
    close_session(&s);
}

static void being_set_aside_keeps_the_counts_and_being_done_clears_them(void **state)
{
    struct session s = open_session();
    struct error err = { "" };
    struct seen_ledger seen;

    (void)state;
    blame(&s, 0, true);
    blame(&s, 0, false);
    EXPECT_OK(results_set_aside(s.results, 0, 1, 0.0, "Crash", "signal 11", &err), err);
    seen = see_ledger(s.job->output);
    assert_int_equal(seen.entry[0].status, ROW_SET_ASIDE);
    assert_true(seen.entry[0].n_crash == 1);
    assert_true(seen.entry[0].n_vanish == 1);
    assert_int_equal(seen.counts.n_blamed, 0); /* it has its verdict */
    write_row(&s, 0);                          /* --retry-failed */
    seen = see_ledger(s.job->output);
    assert_int_equal(seen.entry[0].status, ROW_DONE);
    assert_true(seen.entry[0].n_crash == 0);
    assert_true(seen.entry[0].n_vanish == 0);
    close_session(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_visitor_can_end_the_scan),
        cmocka_unit_test(every_entry_of_many_pieces_is_visited_once_in_order),
        cmocka_unit_test(a_torn_entry_counts_as_left),
        cmocka_unit_test(a_truncated_file_is_named_with_what_is_missing),
        cmocka_unit_test(blame_adds_up_and_the_row_stays_left),
        cmocka_unit_test(a_row_that_was_set_aside_is_not_blamed_for_the_company_it_was_in),
        cmocka_unit_test(the_second_crash_and_the_third_vanishing_are_enough),
        cmocka_unit_test(company_counts_once_and_is_never_enough),
        cmocka_unit_test(a_row_that_is_done_is_not_blamed),
        cmocka_unit_test(being_set_aside_keeps_the_counts_and_being_done_clears_them),
    };
    int n_failed;

    MPI_Init(&argc, &argv);
    n_failed = cmocka_run_group_tests(tests, write_inputs, NULL);
    MPI_Finalize();
    return n_failed;
}
