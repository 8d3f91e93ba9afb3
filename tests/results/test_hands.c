/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What ranks have in hand, and who is blamed when they end. Ranks are processes here that end as real ones
 * do.
 */
#include "polyphony/hands.h"

#include "../files.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define N_RANK 4

struct verdict {
    size_t n;
    struct hands_blame blame[N_RANK];
};

static int keep_blame(void *context, const struct hands_blame *blame, struct error *err)
{
    struct verdict *verdict = context;

    (void)err;
    assert_true(verdict->n < N_RANK);
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

/* number 0: it crashes by itself. */
static void end_rank(pid_t pid, int number)
{
    int status;

    kill(pid, number);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == (number ? number : SIGSEGV));
}

/* Another thread of a rank reads rows from this one on, and then crashes if it is told to. */
struct read_ahead {
    uint64_t row;
    size_t n;
    bool is_over; /* before the end comes */
    pthread_barrier_t begun, end;
};

static void *read_rows(void *data)
{
    struct read_ahead *ahead = data;
    uint64_t rows[HANDS_ROW_MAX];

    for (size_t i = 0; i < ahead->n; i++)
        rows[i] = ahead->row + i;
    hands_read(mine, ahead->n, rows);
    if (ahead->is_over)
        hands_read(mine, 0, NULL);
    pthread_barrier_wait(&ahead->begun);
    pthread_barrier_wait(&ahead->end);
    raise(SIGSEGV);
    return NULL;
}

/* A rank that computes row 5 and reads others ahead; which of its two threads crashes? */
static void be_rank_that_reads_ahead(uint64_t row, size_t n, bool is_over, bool reader_crashes)
{
    const struct sigaction crash = { .sa_handler = note_and_die, .sa_flags = SA_RESETHAND };
    struct read_ahead ahead = { .row = row, .n = n, .is_over = is_over };
    struct error err = { "" };
    pthread_t thread;

    if (hands_open(output(), 2, &mine, &err))
        _exit(1);
    sigaction(SIGSEGV, &crash, NULL);
    pthread_barrier_init(&ahead.begun, NULL, 2);
    pthread_barrier_init(&ahead.end, NULL, 2);
    pthread_create(&thread, NULL, read_rows, &ahead);
    pthread_barrier_wait(&ahead.begun);
    hands_take(mine, 1, &(uint64_t) { 5 });
    if (!reader_crashes)
        raise(SIGSEGV);
    pthread_barrier_wait(&ahead.end);
    pthread_join(thread, NULL);
    _exit(1);
}

static void run_rank_that_reads_ahead(uint64_t row, size_t n, bool is_over, bool reader_crashes)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        be_rank_that_reads_ahead(row, n, is_over, reader_crashes);
    end_rank(pid, 0);
}

/* What a rank does: n rows from `row` on in hand unless that is negative, then it waits for its end. The
 * other end of the pipe hears when it is so far. */
static void be_rank(int rank, int64_t row, size_t n, int ready_fd)
{
    const struct sigaction stop = { .sa_handler = note, .sa_flags = SA_RESTART };
    const struct sigaction crash = { .sa_handler = note_and_die, .sa_flags = SA_RESETHAND };
    uint64_t rows[HANDS_ROW_MAX];
    struct error err = { "" };

    for (size_t i = 0; i < HANDS_ROW_MAX; i++)
        rows[i] = (uint64_t)row + i;
    if (hands_open(output(), rank, &mine, &err))
        _exit(1);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGSEGV, &crash, NULL);
    hands_take(mine, 1, &(uint64_t) { 1000 });
    hands_put(mine);
    if (row >= 0)
        hands_take(mine, n, rows);
    if (write(ready_fd, "", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static pid_t start_rank_with(int rank, int64_t row, size_t n)
{
    int ends[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        be_rank(rank, row, n, ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

static pid_t start_rank(int rank, int64_t row)
{
    return start_rank_with(rank, row, 1);
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
    hands_take(worker, 1, &(uint64_t) { 5 });
    hands_put(worker);
    hands_take(hands, 1, &(uint64_t) { 6 }); /* rank 0 alone computes too */
    hands_put(hands);
    hands_close(worker);
    hands_close(hands);
    assert_false(is_lock_there());
}

static void how_the_last_run_ended_is_told_by_its_lock(void **state)
{
    struct hands *hands = lock();
    char boot_id[40] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY);
    ssize_t n = read(fd, boot_id, sizeof(boot_id) - 1);

    (void)state;
    close(fd);
    assert_true(n > 30);
    assert_int_equal(hands_last_end(hands), HANDS_END_ORDERLY);
    begin(hands);
    end_rank(start_rank(2, 17), SIGKILL);
    hands_close(hands);
    hands = lock();
    assert_int_equal(hands_last_end(hands), HANDS_END_KILLED);
    begin(hands);
    end_rank(start_rank(2, 17), SIGKILL);
    hands_close(hands);
    fd = open(temp_path("r.hdf5.lock"), O_RDWR);
    assert_int_equal(pread(fd, boot_id, 4, 28), 4); /* magic[24], n_rank, boot_id */
    boot_id[0] = (char)(boot_id[0] == '0' ? '1' : '0');
    assert_int_equal(pwrite(fd, boot_id, 1, 28), 1);
    close(fd);
    hands = lock();
    assert_int_equal(hands_last_end(hands), HANDS_END_OTHER_BOOT);
    begin(hands);
    hands_close(hands);
    hands = lock();
    assert_int_equal(hands_last_end(hands), HANDS_END_ORDERLY);
    hands_close(hands);
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
    assert_int_equal(verdict.blame[0].row[0], 77);
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
    assert_int_equal(verdict.blame[0].row[0], 0);
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
    hands_take(worker, 1, &(uint64_t) { 3 });
    hands_put(worker);
    hands_note_signal(worker, SIGTERM); /* between two galaxies */
    hands_take(worker, 1, &(uint64_t) { 4 });
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
    assert_true(blame.row[0] == 21);
    assert_true(!blame.is_crash);
    assert_true(blame.rank == 1);
    assert_true(blame.n_row == 1);
    assert_true(hands_judge_lost(hands, 2, &blame));
    assert_true(blame.row[0] == 22);
    assert_true(blame.is_crash);
    assert_true(blame.signal == SIGSEGV);
    assert_false(hands_judge_lost(hands, 3, &blame));
    assert_false(hands_judge_lost(hands, N_RANK, &blame));
    assert_false(hands_judge_lost(hands, -1, &blame));
    assert_false(hands_judge_lost(hands, 1, &blame));
    assert_int_equal(judge(hands).n, 0);
    hands_close(hands);
    assert_false(is_lock_there());
}

/* ---- several rows in hand -------------------------------------------------------------------------------
 */

static void expect_rows(const struct hands_blame *blame, size_t n, uint64_t first, bool is_crash)
{
    assert_int_equal(blame->n_row, n);
    assert_int_equal(blame->is_crash, is_crash);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(blame->row[i], first + i);
}

static void several_rows_in_hand_are_blamed_together(void **state)
{
    struct hands *hands = lock();
    struct verdict verdict;
    pid_t many, some;

    (void)state;
    begin(hands);
    many = start_rank_with(1, 100, HANDS_ROW_MAX);
    some = start_rank_with(2, 500, 2);
    end_rank(many, SIGSEGV);
    end_rank(some, SIGSEGV);
    verdict = judge(hands);
    assert_int_equal(verdict.n, 2);
    expect_rows(&verdict.blame[0], HANDS_ROW_MAX, 100, true);
    expect_rows(&verdict.blame[1], 2, 500, true);
    begin(hands);
    hands_close(hands);
    assert_false(is_lock_there());
}

static void a_rank_that_vanishes_alone_with_several_rows_blames_each(void **state)
{
    struct hands *hands = lock();
    struct verdict verdict;
    pid_t pid;

    (void)state;
    begin(hands);
    pid = start_rank_with(3, 7, 5);
    end_rank(pid, SIGKILL);
    verdict = judge(hands);
    assert_int_equal(verdict.n, 1);
    expect_rows(verdict.blame, 5, 7, false);
    begin(hands);
    hands_close(hands);
}

static void a_lost_rank_with_several_rows_is_judged_once(void **state)
{
    struct hands *hands = lock();
    struct hands_blame blame;
    pid_t pid;

    (void)state;
    begin(hands);
    pid = start_rank_with(2, 40, HANDS_ROW_MAX);
    end_rank(pid, SIGSEGV);
    assert_true(hands_judge_lost(hands, 2, &blame));
    expect_rows(&blame, HANDS_ROW_MAX, 40, true);
    assert_false(hands_judge_lost(hands, 2, &blame));
    assert_int_equal(judge(hands).n, 0);
    hands_close(hands);
    assert_false(is_lock_there());
}

static void fewer_rows_taken_later_are_all_there_is(void **state)
{
    struct hands *hands = lock(), *worker = NULL;
    const uint64_t many[] = { 1, 2, 3, 4 }, one = 9;
    struct verdict verdict;
    struct error err = { "" };

    (void)state;
    begin(hands);
    EXPECT_OK(hands_open(output(), 1, &worker, &err), err);
    hands_take(worker, 4, many);
    hands_take(worker, 1, &one); /* without putting the others down */
    verdict = judge(hands);
    assert_int_equal(verdict.n, 1);
    expect_rows(verdict.blame, 1, 9, false);
    hands_close(worker);
    hands_close(hands);
}

/* ---- rows that are read ----------------------------------------------------------------------------------
 */

static void a_thread_that_crashes_reading_is_blamed_on_what_it_reads(void **state)
{
    struct hands *hands = lock();
    struct hands_blame blame;
    struct verdict verdict;

    (void)state;
    begin(hands);
    run_rank_that_reads_ahead(60, 3, false, true);
    verdict = judge(hands);
    assert_int_equal(verdict.n, 1);
    expect_rows(verdict.blame, 3, 60, true); /* and not 5, which was only computed */
    assert_int_equal(verdict.blame[0].signal, SIGSEGV);
    assert_int_equal(verdict.blame[0].rank, 2);
    hands_close(hands);
    assert_true(is_lock_there());
    hands = lock();
    begin(hands);
    run_rank_that_reads_ahead(60, HANDS_ROW_MAX, false, true);
    assert_true(hands_judge_lost(hands, 2, &blame));
    expect_rows(&blame, HANDS_ROW_MAX, 60, true);
    assert_false(hands_judge_lost(hands, 2, &blame));
    hands_close(hands);
    assert_false(is_lock_there());
}

static void what_is_read_ahead_is_not_blamed_for_another_crash(void **state)
{
    struct hands *hands = lock();

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct verdict verdict;

        begin(hands);
        run_rank_that_reads_ahead(60, 3, i > 0, i > 0); /* the other thread, or when it reads no more */
        verdict = judge(hands);
        assert_int_equal(verdict.n, 1);
        expect_rows(verdict.blame, 1, 5, true);
    }
    begin(hands);
    hands_close(hands);
    hands_read(NULL, 1, &(uint64_t) { 1 });
}

/* ---- files that are no evidence ------------------------------------------------------------------------ */

static void put_file(const void *bytes, size_t n)
{
    int fd = open(temp_path("r.hdf5.lock"), O_RDWR | O_CREAT | O_TRUNC, 0644);

    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

static void torn_and_short_files_are_no_evidence_and_no_error(void **state)
{
    static char bytes[5 * 4096];
    struct hands *hands = lock();
    ssize_t n;
    int fd;

    (void)state;
    begin(hands);
    hands_take(hands, 1, &(uint64_t) { 9 });
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
    bytes[4096 + 24 + 16 + HANDS_HOST_MAX] = HANDS_ROW_MAX + 1; /* rows in the slot, more than it holds */
    put_file(bytes, sizeof(bytes));
    hands = lock();
    assert_int_equal(judge(hands).n, 0);
    hands_close(hands);
    memset(bytes, 0, sizeof(bytes)); /* as a machine that went down may leave it */
    put_file(bytes, sizeof(bytes));
    hands = lock();
    assert_int_equal(judge(hands).n, 0);
    hands_close(hands);
}

/* ---- what is not ours ------------------------------------------------------------------------------- */

static void expect_locked_out(const char *name, const char *part)
{
    struct hands *hands = NULL;
    struct error err = { "" };

    assert_int_equal(hands_lock(name, &hands, &err), POLYPHONY_OUTPUT);
    EXPECT_PARTS(err.text, part);
    assert_null(hands);
}

/* The file holds these bytes, no more. */
static void expect_bytes(const char *path, const char *bytes)
{
    char found[64] = "";
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, found, sizeof(found) - 1), (ssize_t)strlen(bytes));
    assert_string_equal(found, bytes);
    close(fd);
}

static void a_file_or_link_of_somebody_else_is_neither_written_to_nor_removed(void **state)
{
    struct hands *worker = NULL;
    struct error err = { "" };

    (void)state;
    put_file("precious", 8);
    expect_locked_out(output(), "no lock file of ours");
    assert_int_equal(hands_open(output(), 1, &worker, &err), POLYPHONY_OUTPUT);
    expect_bytes(temp_path("r.hdf5.lock"), "precious");
    assert_int_equal(rename(temp_path("r.hdf5.lock"), temp_path("victim")), 0);
    assert_int_equal(symlink("victim", temp_path("r.hdf5.lock")), 0);
    expect_locked_out(output(), "symbolic link");
    expect_bytes(temp_path("victim"), "precious");
    assert_int_equal(unlink(temp_path("r.hdf5.lock")), 0);
    assert_int_equal(symlink("nowhere", temp_path("r.hdf5.lock")), 0);
    expect_locked_out(output(), "symbolic link");
    assert_int_not_equal(access(temp_path("nowhere"), F_OK), 0);
    assert_int_equal(unlink(temp_path("r.hdf5.lock")), 0);
    assert_int_equal(mkfifo(temp_path("r.hdf5.lock"), 0600), 0);
    expect_locked_out(output(), "no lock file of ours");
    assert_int_equal(unlink(temp_path("r.hdf5.lock")), 0);
}

static void results_with_two_names_have_one_lock(void **state)
{
    struct hands *hands, *other = NULL;
    struct error err = { "" };
    char name[300];

    (void)state;
    snprintf(name, sizeof(name), "%s", temp_path("second.hdf5"));
    close(open(output(), O_RDWR | O_CREAT, 0644));
    assert_int_equal(link(output(), name), 0);
    hands = lock();
    expect_locked_out(name, "another name");
    hands_close(hands);
    EXPECT_OK(hands_lock(name, &other, &err), err);
    expect_locked_out(output(), "another name");
    hands_close(other);
    unlink(name);
    unlink(output());
}

static void an_orderly_end_with_a_galaxy_in_hand_is_no_evidence(void **state)
{
    struct hands *hands = lock(), *worker = NULL;
    struct error err = { "" };

    (void)state;
    begin(hands);
    EXPECT_OK(hands_open(output(), 1, &worker, &err), err);
    hands_take(worker, 1, &(uint64_t) { 3 });
    hands_close(worker); /* the run failed: disk full, say */
    assert_int_equal(judge(hands).n, 0);
    hands_close(hands);
    assert_false(is_lock_there());
    hands_take(NULL, 1, &(uint64_t) { 1 });
    hands_put(NULL);
    hands_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_run_is_kept_off_and_told_so),
        cmocka_unit_test(a_place_that_cannot_be_written_is_an_output_error),
        cmocka_unit_test(a_clean_run_leaves_nothing),
        cmocka_unit_test(how_the_last_run_ended_is_told_by_its_lock),
        cmocka_unit_test(a_crash_is_blamed_with_row_signal_and_rank),
        cmocka_unit_test(a_rank_that_vanishes_alone_is_blamed),
        cmocka_unit_test(ranks_that_vanish_together_are_not_blamed),
        cmocka_unit_test(whoever_was_asked_to_stop_is_not_blamed_for_later_galaxies_either),
        cmocka_unit_test(a_rank_that_is_lost_is_judged_at_once_and_once),
        cmocka_unit_test(several_rows_in_hand_are_blamed_together),
        cmocka_unit_test(a_rank_that_vanishes_alone_with_several_rows_blames_each),
        cmocka_unit_test(a_lost_rank_with_several_rows_is_judged_once),
        cmocka_unit_test(fewer_rows_taken_later_are_all_there_is),
        cmocka_unit_test(a_thread_that_crashes_reading_is_blamed_on_what_it_reads),
        cmocka_unit_test(what_is_read_ahead_is_not_blamed_for_another_crash),
        cmocka_unit_test(torn_and_short_files_are_no_evidence_and_no_error),
        cmocka_unit_test(a_file_or_link_of_somebody_else_is_neither_written_to_nor_removed),
        cmocka_unit_test(results_with_two_names_have_one_lock),
        cmocka_unit_test(an_orderly_end_with_a_galaxy_in_hand_is_no_evidence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
