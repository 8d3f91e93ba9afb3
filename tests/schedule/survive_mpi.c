/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A run in which ranks are lost; started by test_survive.py:
 *     mpirun --enable-recovery -n 4 survive_mpi SCENARIO FILE
 * Who does which row is written into FILE, shared memory of all ranks, which outlives them. Rank 0 looks at
 * it at the end and prints "SCENARIO: all as it should be", or what is not. mpirun's exit code says nothing
 * here.
 */
#include "polyphony/schedule.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define N_ROW     300
#define N_RANK    4
#define N_BATCH   4 /* rows at most */
#define SILENCE_S 1.5
#define HANG_S    50

enum deed { NOTHING, EXIT, KILL, STOP, SUSPEND_ALL };

/* What happens to whom, when it has done ten rows. */
struct scenario {
    const char *name;
    enum deed deed;
    const char *victims; /* ranks */
    double row_s;        /* what a row takes */
    bool sets_aside;     /* the row that was in hand */
    int status;          /* of the run */
    bool has_many;       /* in hand: all it was dealt and has not reported */
};

static const struct scenario scenarios[] = {
    { "nothing", NOTHING, "", 0.005, false, 0, false },
    { "exit", EXIT, "2", 0.005, false, 0, false },
    { "kill", KILL, "2", 0.005, false, 0, false },
    { "kill-early", KILL, "2", 0.08, false, 0, false }, /* long enough for the others to miss rank 0 */
    { "kill-and-set-aside", KILL, "2", 0.005, true, 0, false },
    { "kill-with-many", KILL, "2", 0.005, false, 0, true },
    { "kill-two", KILL, "13", 0.005, false, 0, false },
    { "kill-all-workers", KILL, "123", 0.005, false, POLYPHONY_STOPPED, false },
    { "kill-dealer", KILL, "0", 0.02, false, 0, false },
    { "stop", STOP, "2", 0.05, false, 0, false },  /* it wakes while the others work */
    { "late", STOP, "2", 0.005, false, 0, false }, /* it wakes when they have done its rows */
    { "suspend-all", SUSPEND_ALL, "2", 0.02, false, 0, false },
};

/* Shared by all ranks, also when they are gone. */
struct book {
    pid_t pid[N_RANK];
    atomic_int times[N_RANK][N_ROW];       /* done */
    atomic_int in_hand[N_RANK];            /* row + 1 */
    atomic_int batch[N_RANK][2 * N_BATCH]; /* row + 1, the last that were announced */
    atomic_int n_after_waking[N_RANK];
    atomic_bool is_expelled[N_RANK];
};

static const struct scenario *scenario;
static struct book *book;
static int rank, n_rank, n_work, n_failed, n_in_batches, n_announced;
static bool is_suspect[N_ROW];
static bool has_woken;

static void check(bool holds, const char *what)
{
    if (!holds)
        printf("FAILED on rank %d: %s\n", rank, what);
    n_failed += !holds;
}

static void sleep_s(double seconds)
{
    struct timespec pause = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

    while (nanosleep(&pause, &pause)) /* interrupted: the rest */
        ;
}

static bool is_victim(int who)
{
    return strchr(scenario->victims, '0' + who) != NULL;
}

/* ---- what happens ---------------------------------------------------------------------------------- */

static void signal_ranks(int signal)
{
    for (int i = 0; i < n_rank; i++)
        if (scenario->deed == SUSPEND_ALL || i == rank)
            kill(book->pid[i], signal);
}

/* Stops this rank, or all, for three times the silence: by somebody else, since who is stopped cannot go on. */
static void fall_asleep(void)
{
    int64_t last_ns = clock_ns(), now_ns = last_ns;

    if (fork() == 0) {
        signal_ranks(SIGSTOP);
        sleep_s(3.0 * SILENCE_S);
        signal_ranks(SIGCONT);
        _exit(0);
    }
    for (; (double)(now_ns - last_ns) * 1e-9 < SILENCE_S; now_ns = clock_ns()) { /* until time is missing */
        last_ns = now_ns;
        sleep_s(0.001);
    }
    has_woken = true;
}

static void meet_fate(void)
{
    if (scenario->deed == EXIT)
        _exit(3);
    if (scenario->deed == KILL)
        raise(SIGKILL);
    if (scenario->deed == STOP || scenario->deed == SUSPEND_ALL)
        fall_asleep();
}

/* ---- the run --------------------------------------------------------------------------------------- */

static int work(void *context, size_t n, const uint64_t *row, size_t *ret_n, size_t *ret_n_set_aside,
                struct error *err)
{
    (void)context, (void)err, (void)n;
    *ret_n = 1;
    *ret_n_set_aside = 0;
    book->in_hand[rank] = (int)*row + 1;
    book->n_after_waking[rank] += has_woken;
    if (is_victim(rank) && n_work++ == 10)
        meet_fate();
    sleep_s(scenario->row_s);
    book->times[rank][*row]++;
    return 0;
}

static void watch(void *context, const struct schedule_progress *progress)
{
    (void)context;
    if (rank == 0 && is_victim(0) && progress->n_done > 50)
        meet_fate();
}

static void expect(void *context, size_t n, const uint64_t *row)
{
    (void)context;
    for (size_t i = 0; i < n; i++)
        book->batch[rank][n_announced++ % (2 * N_BATCH)] = (int)row[i] + 1;
}

static void batch_done(void *context, const struct schedule_batch *batch)
{
    (void)context;
    check(!is_suspect[batch->first_row] || batch->n_galaxy == 1, "a suspect is dealt alone");
    n_in_batches += (int)batch->n_galaxy;
}

static enum schedule_blame lost(void *context, int who, size_t *ret_n, uint64_t *ret_row)
{
    (void)context;
    check(is_victim(who), "nobody else is lost");
    *ret_n = 0;
    for (int i = 0; scenario->has_many && i < 2 * N_BATCH; i++)
        if (book->batch[who][i] && book->times[who][book->batch[who][i] - 1] == 0)
            ret_row[(*ret_n)++] = (uint64_t)book->batch[who][i] - 1;
    if (!scenario->has_many)
        ret_row[(*ret_n)++] = (uint64_t)book->in_hand[who] - 1;
    check(*ret_n > scenario->has_many, "it had something in hand, or several rows");
    for (size_t i = 0; i < *ret_n && !scenario->sets_aside; i++)
        is_suspect[ret_row[i]] = true;
    return scenario->sets_aside ? SCHEDULE_ASIDE : SCHEDULE_SUSPECT;
}

static struct dealer *open_dealer(void)
{
    const struct dealer_settings settings = {
        .n_worker = (size_t)n_rank - 1, .n_max_batch = N_BATCH, .max_batch_bytes = 1.0, .cost_s = { 1.0 }
    };
    struct dealer_item *item = calloc(N_ROW, sizeof(*item));
    struct dealer *dealer = NULL;

    for (size_t i = 0; i < N_ROW; i++)
        item[i].row = (uint32_t)i;
    check(dealer_open(&settings, N_ROW, item, &dealer, NULL) == 0, "the dealer opens");
    return dealer;
}

/* ---- how it must end --------------------------------------------------------------------------------- */

/* Rows are done by those that live once at most; what a lost one has done is done again only if it was not
 * reported. */
static void check_rows(const struct schedule_progress *progress)
{
    int n_missing = 0, n_again = 0, n_lost = (int)strlen(scenario->victims);

    for (size_t i = 0; i < N_ROW; i++) {
        int by_living = 0, by_lost = 0;

        for (int k = 1; k < n_rank; k++)
            *(is_victim(k) && scenario->deed != SUSPEND_ALL ? &by_lost : &by_living) += book->times[k][i];
        check(by_living <= 1, "no row is done twice by those that live");
        n_missing += by_living + by_lost == 0;
        n_again += by_living > 0 && by_lost > 0;
    }
    check(n_again <= n_lost * N_BATCH * DEALER_HOLD_MAX, "no more is done again than was held");
    if (scenario->status == 0) {
        check(n_missing == scenario->sets_aside, "every row is done");
        check((int)progress->n_set_aside == scenario->sets_aside, "the row in hand is set aside");
        check(progress->n_done + progress->n_set_aside == N_ROW, "all rows are counted");
        check(n_in_batches == (int)progress->n_done, "each in one batch");
    }
    printf("%d rows done again\n", n_again);
}

/* Those that wake up too late have begun nothing more. Theirs is the time they need to find out. */
static void check_sleepers(void)
{
    for (int k = 1; k < n_rank && scenario->deed == STOP; k++)
        for (int i = 0; is_victim(k) && i < 1000 && !book->is_expelled[k]; i++)
            sleep_s(0.01);
    for (int k = 1; k < n_rank; k++) {
        check(book->is_expelled[k] == (scenario->deed == STOP && is_victim(k)),
              "who was taken for lost is expelled");
        check(scenario->deed == SUSPEND_ALL || book->n_after_waking[k] == 0, "who is expelled begins no row");
    }
}

static void check_end(const struct schedule *schedule, int status)
{
    int n_lost = scenario->deed == SUSPEND_ALL ? 0 : (int)strlen(scenario->victims), one = 1, n_left = 0;

    check(status == scenario->status, "the run returns what it should");
    MPI_Allreduce(&one, &n_left, 1, MPI_INT, MPI_SUM, schedule->comm);
    check(n_left == n_rank - n_lost, "those that are left have a communicator");
    if (rank == 0) {
        check(schedule->progress.n_lost == n_lost, "the lost are counted");
        check_rows(&schedule->progress);
        check_sleepers();
        printf("%s: %s\n", scenario->name, n_failed ? "FAILED" : "all as it should be");
    }
    fflush(stdout);
    MPI_Barrier(schedule->comm);
}

static bool prepare(int argc, char **argv)
{
    int file = argc == 3 ? open(argv[2], O_RDWR | O_CREAT, 0600) : -1;

    for (size_t i = 0; argc == 3 && i < sizeof(scenarios) / sizeof(*scenarios); i++)
        if (!strcmp(argv[1], scenarios[i].name))
            scenario = &scenarios[i];
    if (!scenario || file < 0 || ftruncate(file, sizeof(*book)))
        return false;
    book = mmap(NULL, sizeof(*book), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return book != MAP_FAILED;
}

int main(int argc, char **argv)
{
    struct schedule schedule = { .n_total = N_ROW,
                                 .silence_s = SILENCE_S,
                                 .work = work,
                                 .expect = expect,
                                 .watch = watch,
                                 .batch_done = batch_done,
                                 .lost = lost };
    struct error err = { "" };
    int provided, status;

    if (!prepare(argc, argv))
        return 2;
    alarm(HANG_S);
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_rank);
    book->pid[rank] = getpid();
    MPI_Barrier(MPI_COMM_WORLD);
    schedule.comm = MPI_COMM_WORLD;
    schedule.dealer = rank == 0 ? open_dealer() : NULL;
    status = schedule_run(&schedule, &err);
    book->is_expelled[rank] = schedule.is_expelled;
    if (!schedule.is_expelled)
        check_end(&schedule, status);
    _exit(n_failed > 0); /* MPI_Finalize would wait for the lost */
}
