/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What ranks have in hand, and who is blamed when they end. Ranks are processes here that end as real ones
 * do.
 */
#include "polyphony/hands.h"

#include "../files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define N_RANK 4

struct verdict {
    size_t n;
    struct hands_blame blame[8];
};

static int keep_blame(void *context, const struct hands_blame *blame, struct error *err)
{
    struct verdict *verdict = context;

    (void)err;
    assert_true(verdict->n < 8);
    verdict->blame[verdict->n++] = *blame;
    return 0;
}

static const char *output(void)
{
    return temp_path("r.hdf5");
}

static bool is_lock_there(void)
{
    return access(temp_path("r.hdf5.lock"), F_OK) == 0;
}

static struct hands *lock(void)
{
    struct hands *hands = NULL;
    struct error err = { "" };

    EXPECT_OK(hands_lock(output(), &hands, &err), err);
    return hands;
}

static struct verdict judge(struct hands *hands)
{
    struct verdict verdict = { 0 };
    struct error err = { "" };

    EXPECT_OK(hands_judge(hands, keep_blame, &verdict, &err), err);
    return verdict;
}

static void begin(struct hands *hands)
{
    struct error err = { "" };

    EXPECT_OK(hands_begin(hands, N_RANK, &err), err);
}

/* ---- ranks as processes ----------------------------------------------------------------------------- */

static struct hands *mine;

static void note(int number)
{
    hands_note_signal(mine, number);
}

static void note_and_die(int number)
{
    hands_note_signal(mine, number);
    raise(number);
}

/* What a rank does: `row` in hand unless negative, then it waits for its end. The other end of the pipe hears
 * when it is so far. */
static void be_rank(int rank, int64_t row, int ready_fd)
{
    const struct sigaction stop = { .sa_handler = note, .sa_flags = SA_RESTART };
    const struct sigaction crash = { .sa_handler = note_and_die, .sa_flags = SA_RESETHAND };
    struct error err = { "" };

    if (hands_open(output(), rank, &mine, &err))
        _exit(1);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGSEGV, &crash, NULL);
    hands_take(mine, 1000);
    hands_put(mine);
    if (row >= 0)
        hands_take(mine, (uint64_t)row);
    if (write(ready_fd, "", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static pid_t start_rank(int rank, int64_t row)
{
    int ends[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        be_rank(rank, row, ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

static void end_rank(pid_t pid, int number)
{
    int status;

    kill(pid, number);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == number);
}

/* ---- locking ---------------------------------------------------------------------------------------- */

static void a_second_run_is_kept_off_and_told_so(void **state)
{
    struct hands *first = lock(), *second = NULL;
    struct error err = { "" };

    (void)state;
    assert_int_equal(hands_lock(output(), &second, &err), POLYPHONY_OUTPUT);
    EXPECT_PARTS(err.text, "r.hdf5", "being written by another run", "r.hdf5.lock");
    assert_true(is_lock_there()); /* the second one took nothing away */
    hands_close(first);
    assert_false(is_lock_there());
    second = lock();
    hands_close(second);
}

static void a_place_that_cannot_be_written_is_an_output_error(void **state)
{
    struct hands *hands = NULL;
    struct error err = { "" };

    (void)state;
    assert_int_equal(hands_lock(temp_path("no/such/r.hdf5"), &hands, &err), POLYPHONY_OUTPUT);
    EXPECT_PARTS(err.text, "no/such/r.hdf5");
    assert_int_equal(hands_open(temp_path("no/such/r.hdf5"), 1, &hands, &err), POLYPHONY_OUTPUT);
    assert_null(hands);
}

/* ---- judging ---------------------------------------------------------------------------------------- */

static void a_clean_run_leaves_nothing(void **state)
{
    struct hands *hands = lock(), *worker = NULL;
    struct error err = { "" };

    (void)state;
    assert_int_equal(judge(hands).n, 0);
    begin(hands);
    EXPECT_OK(hands_open(output(), 2, &worker, &err), err);
    hands_take(worker, 5);
    hands_put(worker);
    hands_take(hands, 6); /* rank 0 alone computes too */
    hands_put(hands);
    hands_close(worker);
    hands_close(hands);
    assert_false(is_lock_there());
}

static void a_crash_is_blamed_with_row_signal_and_rank(void **state)
{
    struct hands *hands = lock();
    struct verdict verdict;
    pid_t pid, other;

    (void)state;
    begin(hands);
    pid = start_rank(1, 77);
    other = start_rank(3, 78);
    end_rank(pid, SIGSEGV);
    end_rank(other, SIGKILL); /* mpirun cleans up: not this galaxy's fault */
    hands_close(hands);
    assert_true(is_lock_there()); /* the next run is to judge */
    hands = lock();
    verdict = judge(hands);
    assert_int_equal(verdict.n, 1);
    assert_int_equal(verdict.blame[0].row, 77);
    assert_true(verdict.blame[0].is_crash);
    assert_int_equal(verdict.blame[0].signal, SIGSEGV);
    assert_int_equal(verdict.blame[0].rank, 1);
    assert_int_equal(verdict.blame[0].pid, pid);
    assert_true(verdict.blame[0].host[0]);
    begin(hands);
    assert_int_equal(judge(hands).n, 0); /* once */
    hands_close(hands);
    assert_false(is_lock_there());
}

static void a_rank_that_vanishes_alone_is_blamed(void **state)
{
    struct hands *hands = lock();
    struct verdict verdict;
    pid_t pid, stopped, idle;

    (void)state;
    begin(hands);
    pid = start_rank(1, 0);
    stopped = start_rank(2, 11);
    idle = start_rank(3, -1);
    end_rank(pid, SIGKILL);
    kill(stopped, SIGTERM); /* as mpirun does with the others */
    usleep(100000);
    end_rank(stopped, SIGKILL);
    end_rank(idle, SIGKILL);
    verdict = judge(hands);
    assert_int_equal(verdict.n, 1);
    assert_int_equal(verdict.blame[0].row, 0);
    assert_false(verdict.blame[0].is_crash);
    assert_int_equal(verdict.blame[0].rank, 1);
    begin(hands);
    hands_close(hands);
}

static void ranks_that_vanish_together_are_not_blamed(void **state)
{
    struct hands *hands = lock();
    pid_t first, second;

    (void)state;
    begin(hands);
    first = start_rank(1, 10);
    second = start_rank(2, 11);
    end_rank(first, SIGKILL);
    end_rank(second, SIGKILL);
    assert_int_equal(judge(hands).n, 0);
    begin(hands);
    hands_close(hands);
}

static void whoever_was_asked_to_stop_is_not_blamed_for_later_galaxies_either(void **state)
{
    struct hands *hands = lock(), *worker = NULL;
    struct error err = { "" };

    (void)state;
    begin(hands);
    EXPECT_OK(hands_open(output(), 1, &worker, &err), err);
    hands_take(worker, 3);
    hands_put(worker);
    hands_note_signal(worker, SIGTERM); /* between two galaxies */
    hands_take(worker, 4);
    assert_int_equal(judge(hands).n, 0);
    hands_close(worker);
    hands_close(hands);
    assert_false(is_lock_there());
}

static void a_rank_that_is_lost_is_judged_at_once_and_once(void **state)
{
    struct hands *hands = lock();
    struct hands_blame blame;
    pid_t vanished, crashed, idle;

    (void)state;
    begin(hands);
    vanished = start_rank(1, 21);
    crashed = start_rank(2, 22);
    idle = start_rank(3, -1);
    end_rank(vanished, SIGKILL);
    end_rank(crashed, SIGSEGV);
    end_rank(idle, SIGKILL);
    assert_true(hands_judge_lost(hands, 1, &blame));
    assert_true(blame.row == 21 && !blame.is_crash && blame.rank == 1);
    assert_true(hands_judge_lost(hands, 2, &blame));
    assert_true(blame.row == 22 && blame.is_crash && blame.signal == SIGSEGV);
    assert_false(hands_judge_lost(hands, 3, &blame));
    assert_false(hands_judge_lost(hands, N_RANK, &blame));
    assert_false(hands_judge_lost(hands, -1, &blame));
    assert_false(hands_judge_lost(hands, 1, &blame));
    assert_int_equal(judge(hands).n, 0);
    hands_close(hands);
    assert_false(is_lock_there());
}

/* ---- files that are no evidence ------------------------------------------------------------------------ */

static void put_file(const void *bytes, size_t n)
{
    int fd = open(temp_path("r.hdf5.lock"), O_RDWR | O_CREAT | O_TRUNC, 0644);

    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

static void torn_short_and_foreign_files_are_no_evidence_and_no_error(void **state)
{
    static char bytes[5 * 4096];
    struct hands *hands = lock();
    ssize_t n;
    int fd;

    (void)state;
    begin(hands);
    hands_take(hands, 9);
    fd = open(temp_path("r.hdf5.lock"), O_RDONLY);
    n = pread(fd, bytes, sizeof(bytes), 0);
    close(fd);
    assert_int_equal(n, sizeof(bytes));
    assert_int_equal(judge(hands).n, 1); /* whole, it is evidence */
    hands_close(hands);
    for (size_t length = 0; length <= 4096 + 256; length += 256) { /* cut inside the head and the slot */
        put_file(bytes, length);
        hands = lock();
        assert_int_equal(judge(hands).n, 0);
        hands_close(hands);
        assert_false(is_lock_there());
    }
    memset(bytes, 'x', sizeof(bytes));
    put_file(bytes, sizeof(bytes));
    hands = lock();
    assert_int_equal(judge(hands).n, 0);
    hands_close(hands);
}

static void an_orderly_end_with_a_galaxy_in_hand_is_no_evidence(void **state)
{
    struct hands *hands = lock(), *worker = NULL;
    struct error err = { "" };

    (void)state;
    begin(hands);
    EXPECT_OK(hands_open(output(), 1, &worker, &err), err);
    hands_take(worker, 3);
    hands_close(worker); /* the run failed: disk full, say */
    assert_int_equal(judge(hands).n, 0);
    hands_close(hands);
    assert_false(is_lock_there());
    hands_take(NULL, 1);
    hands_put(NULL);
    hands_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_run_is_kept_off_and_told_so),
        cmocka_unit_test(a_place_that_cannot_be_written_is_an_output_error),
        cmocka_unit_test(a_clean_run_leaves_nothing),
        cmocka_unit_test(a_crash_is_blamed_with_row_signal_and_rank),
        cmocka_unit_test(a_rank_that_vanishes_alone_is_blamed),
        cmocka_unit_test(ranks_that_vanish_together_are_not_blamed),
        cmocka_unit_test(whoever_was_asked_to_stop_is_not_blamed_for_later_galaxies_either),
        cmocka_unit_test(a_rank_that_is_lost_is_judged_at_once_and_once),
        cmocka_unit_test(torn_short_and_foreign_files_are_no_evidence_and_no_error),
        cmocka_unit_test(an_orderly_end_with_a_galaxy_in_hand_is_no_evidence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
