/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The runs that wrote into a file.
 */
#include "session.h"

#include <fcntl.h>

struct seen {
    struct results_session session[RESULTS_SESSION_MAX];
    size_t n;
};

static void note(struct session *s, const char *source_hash, const char *command)
{
    struct error err = { "" };

    s->provenance.source_hash = source_hash;
    s->provenance.command = command;
    EXPECT_OK(results_note_session(s->results, &s->provenance, &err), err);
}

static struct seen see(const struct session *s)
{
    struct seen seen = { 0 };
    struct error err = { "" };

    EXPECT_OK(results_read_sessions(s->job->output, seen.session, &seen.n, &err), err);
    return seen;
}

/* Change a byte of an entry. */
static void tear(const struct session *s, size_t i)
{
    int fd = open(s->job->output, O_RDWR);
    off_t offset = (off_t)(s->results->sessions_offset + i * sizeof(struct results_session) +
                           offsetof(struct results_session, host));

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "#", 1, offset), 1);
    close(fd);
}

static void runs_are_listed_in_their_order(void **state)
{
    struct session s = open_session();
    struct seen seen = see(&s);

    (void)state;
    assert_int_equal(seen.n, 0);
    note(&s, "one", "polyphony run 'a b.yaml'");
    note(&s, "two", "polyphony run --accept-build job.yaml");
    seen = see(&s);
    assert_int_equal(seen.n, 2);
    assert_string_equal(seen.session[0].source_hash, "one");
    assert_string_equal(seen.session[0].command, "polyphony run 'a b.yaml'");
    assert_string_equal(seen.session[1].source_hash, "two");
    assert_int_equal(seen.session[1].n_run, 1);
    close_session(&s);
}

static void a_text_that_is_too_long_is_cut_visibly(void **state)
{
    struct session s = open_session();
    char command[2 * PROVENANCE_COMMAND_MAX];
    struct seen seen;

    (void)state;
    memset(command, 'x', sizeof(command));
    command[sizeof(command) - 1] = '\0';
    note(&s, "0123456789012345678901234567890123456789", command);
    seen = see(&s);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.session[0].source_hash, "01234567890123456789...");
    assert_int_equal(strlen(seen.session[0].command), PROVENANCE_COMMAND_MAX - 1);
    assert_string_equal(seen.session[0].command + PROVENANCE_COMMAND_MAX - 4, "...");
    close_session(&s);
}

static void an_entry_that_is_torn_is_none_and_its_place_is_taken_again(void **state)
{
    struct session s = open_session();
    struct seen seen;

    (void)state;
    for (int i = 0; i < 3; i++)
        note(&s, "same", "run");
    tear(&s, 1);
    assert_int_equal(see(&s).n, 1);
    note(&s, "same", "again");
    seen = see(&s);
    assert_int_equal(seen.n, 3);
    assert_string_equal(seen.session[1].command, "again");
    close_session(&s);
}

static void more_runs_than_places_are_counted_and_no_build_is_forgotten(void **state)
{
    struct session s = open_session();
    struct seen seen;
    int32_t n_run = 0;
    bool has_other = false;

    (void)state;
    for (size_t i = 0; i + 1 < RESULTS_SESSION_MAX; i++)
        note(&s, "first", "run");
    note(&s, "other", "the only one of its build");
    for (int i = 0; i < 5; i++)
        note(&s, "first", "late");
    seen = see(&s);
    assert_int_equal(seen.n, RESULTS_SESSION_MAX);
    for (size_t i = 0; i < seen.n; i++) {
        n_run += seen.session[i].n_run;
        has_other |= !strcmp(seen.session[i].source_hash, "other");
    }
    assert_int_equal(n_run, RESULTS_SESSION_MAX + 5);
    assert_true(has_other);
    assert_string_equal(seen.session[RESULTS_SESSION_MAX - 2].command, "late");
    close_session(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_listed_in_their_order),
        cmocka_unit_test(a_text_that_is_too_long_is_cut_visibly),
        cmocka_unit_test(an_entry_that_is_torn_is_none_and_its_place_is_taken_again),
        cmocka_unit_test(more_runs_than_places_are_counted_and_no_build_is_forgotten),
    };
    int n_failed;

    MPI_Init(&argc, &argv);
    n_failed = cmocka_run_group_tests(tests, write_inputs, NULL);
    MPI_Finalize();
    return n_failed;
}
