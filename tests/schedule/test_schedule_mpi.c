/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The schedule over MPI with made-up work, for any number of ranks:
 *     mpirun -n 4 test_schedule_mpi
 * Exit code 0 if every case holds on every rank. A hang ends by SIGALRM and is a failure.
 */
#include "polyphony/schedule.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define N_ROW  500
#define HANG_S 60

/* What one rank is told to do, and what it has done. */
struct bench {
    int rank, n_rank;
    int fail_code;       /* of a row in failing[] */
    const char *failing; /* [N_ROW] 'x': this row fails; NULL: none does */
    int n_before_stop;   /* rows until this rank is asked to stop; -1: never */
    int stop_rank;       /* -1: all are asked */
    int n_work;
    int n_times[N_ROW]; /* how often a row was done here */
    size_t n_seen;      /* progress watched, rank 0 */
    bool is_falling;    /* progress went back */
};

static struct bench bench;
static int n_failed;

static void check(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "FAILED on rank %d of %d: %s\n", bench.rank, bench.n_rank, what);
        n_failed++;
    }
}

static int work(void *context, uint64_t row, struct error *err)
{
    struct bench *b = context;

    b->n_work++;
    if (row >= N_ROW)
        return error_set(err, POLYPHONY_INTERNAL, "row %llu was never given", (unsigned long long)row);
    if (b->failing && b->failing[row] == 'x')
        return error_set(err, b->fail_code, "row %llu is rotten", (unsigned long long)row);
    b->n_times[row]++;
    return row % 7 == 3 ? POLYPHONY_SET_ASIDE : 0;
}

static void watch(void *context, const struct schedule_progress *progress)
{
    struct bench *b = context;
    size_t n = progress->n_done + progress->n_set_aside;

    b->is_falling |=
        n < b->n_seen || n > progress->n_total || progress->cost_done > 1.001 * progress->cost_total;
    b->n_seen = n;
}

static bool is_stopping(void *context)
{
    const struct bench *b = context;

    return b->n_before_stop >= 0 && (b->stop_rank < 0 || b->stop_rank == b->rank) &&
           b->n_work >= b->n_before_stop;
}

/* One run of N_ROW rows or fewer; the result must be the same on all ranks. */
static int run(size_t n, enum dealer_mode mode, size_t n_max_batch, struct schedule_progress *ret_progress,
               struct error *err)
{
    struct schedule schedule = { .comm = MPI_COMM_WORLD,
                                 .n_total = n,
                                 .work = work,
                                 .watch = watch,
                                 .is_stopping = is_stopping,
                                 .context = &bench };
    uint64_t row[N_ROW];
    double cost[N_ROW];
    int r, lowest, highest;

    for (size_t i = 0; i < n; i++) {
        row[i] = i;
        cost[i] = 1.0 + (double)(i * i % 17);
    }
    if (bench.rank == 0)
        check(!dealer_open(n, row, cost, (size_t)(bench.n_rank > 1 ? bench.n_rank - 1 : 1), mode, n_max_batch,
                           &schedule.dealer, err),
              "the dealer opens");
    bench.n_work = 0;
    bench.n_seen = 0;
    bench.is_falling = false;
    memset(bench.n_times, 0, sizeof(bench.n_times));
    err->text[0] = '\0';
    r = schedule_run(&schedule, err);
    dealer_close(schedule.dealer);
    MPI_Allreduce(&r, &lowest, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    MPI_Allreduce(&r, &highest, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    check(lowest == highest, "all ranks return the same");
    check(!bench.is_falling, "progress goes up, and not beyond the total");
    *ret_progress = schedule.progress;
    return r;
}

/* On rank 0: how many rows were done in all, once each. */
static size_t count_rows(size_t n)
{
    int times[N_ROW];
    size_t n_done = 0;

    MPI_Reduce(bench.n_times, times, N_ROW, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    for (size_t i = 0; bench.rank == 0 && i < N_ROW; i++) {
        check(times[i] <= (i < n), "no row is done twice");
        n_done += times[i] > 0;
    }
    return n_done;
}

static void begin(const char *name)
{
    bench.failing = NULL;
    bench.n_before_stop = -1;
    bench.stop_rank = -1;
    if (bench.rank == 0)
        fprintf(stderr, "%s\n", name);
    MPI_Barrier(MPI_COMM_WORLD);
}

/* ---- cases ------------------------------------------------------------------------------------------------
 */

static void all_rows_are_done_once_and_set_aside_ones_counted(void)
{
    static const size_t n_row[] = { 0, 1, 2, 40, N_ROW }, n_batch[] = { 1, 16, 100000 };
    struct schedule_progress progress;
    struct error err;

    begin(__func__);
    for (int mode = DEALER_DYNAMIC; mode <= DEALER_STATIC_LPT; mode++)
        for (size_t i = 0; i < 5; i++)
            for (size_t b = 0; b < 3; b++) {
                size_t n = n_row[i], n_aside = (n + 3) / 7, n_done; /* rows 3, 10, 17, ... */

                check(run(n, (enum dealer_mode)mode, n_batch[b], &progress, &err) == 0,
                      "a whole run returns 0");
                n_done = count_rows(n);
                if (bench.rank == 0) {
                    check(n_done == n, "every row is done");
                    check(progress.n_set_aside == n_aside, "rows set aside are counted");
                    check(progress.n_done == n - n_aside && progress.n_total == n, "rows done are counted");
                    check(n == 0 || bench.n_seen == n, "the last thing watched is the end");
                }
            }
    check(bench.rank > 0 || bench.n_rank == 1 || bench.n_work == 0, "the dealer does no row itself");
}

static void a_failure_ends_all_ranks_with_its_code_and_text(void)
{
    static const int codes[] = { POLYPHONY_INPUT, POLYPHONY_OUTPUT, POLYPHONY_INTERNAL };
    char failing[N_ROW] = "";
    struct schedule_progress progress;
    struct error err;

    begin(__func__);
    for (size_t row = 0; row < N_ROW; row += 83) {
        memset(failing, ' ', sizeof(failing));
        failing[row] = 'x';
        bench.failing = failing;
        bench.fail_code = codes[row % 3];
        check(run(N_ROW, DEALER_DYNAMIC, 4, &progress, &err) == bench.fail_code,
              "the code is that of the failure");
        check(count_rows(N_ROW) < N_ROW, "the row that failed is not done");
        if (bench.rank == 0) {
            char text[64];

            text_format(text, sizeof(text), "row %zu is rotten", row);
            check(strstr(err.text, text) != NULL, "rank 0 has the text of the failure");
            check(bench.n_rank == 1 || !strncmp(err.text, "rank ", 5), "and says which rank it was");
        }
    }
}

static void many_failures_at_once_end_all_ranks_too(void)
{
    char failing[N_ROW];
    struct schedule_progress progress;
    struct error err;

    begin(__func__);
    memset(failing, 'x', sizeof(failing));
    bench.failing = failing;
    bench.fail_code = POLYPHONY_INPUT;
    check(run(N_ROW, DEALER_STATIC_CYCLIC, 8, &progress, &err) == POLYPHONY_INPUT,
          "the code is that of the failures");
    check(count_rows(N_ROW) == 0, "nothing is done");
    check(bench.n_work <= 1, "a worker that failed works no more");
    check(bench.rank > 0 || strstr(err.text, "is rotten"), "rank 0 has a text");
}

static void a_stop_asked_of_everybody_ends_early(void)
{
    struct schedule_progress progress;
    struct error err;

    begin(__func__);
    for (int n_before = 0; n_before <= 20; n_before += 10) {
        size_t n_done;

        bench.n_before_stop = n_before;
        check(run(N_ROW, DEALER_DYNAMIC, 8, &progress, &err) == POLYPHONY_STOPPED,
              "an early end is POLYPHONY_STOPPED");
        n_done = count_rows(N_ROW);
        check(bench.n_work <= n_before, "no row is begun after the request");
        if (bench.rank == 0) {
            check(progress.n_done + progress.n_set_aside == n_done,
                  "what was done before the stop is counted");
            check(n_done < N_ROW, "something is left");
        }
    }
}

static void a_stop_asked_of_rank_0_only_ends_early(void)
{
    struct schedule_progress progress;
    struct error err;

    begin(__func__);
    bench.n_before_stop = 0;
    bench.stop_rank = 0;
    check(run(N_ROW, DEALER_DYNAMIC, 8, &progress, &err) == POLYPHONY_STOPPED,
          "an early end is POLYPHONY_STOPPED");
    check(count_rows(N_ROW) == 0, "nothing is dealt after the request");
}

static void a_stop_asked_of_one_worker_only_ends_early(void)
{
    struct schedule_progress progress;
    struct error err;
    size_t n_done;

    begin(__func__);
    bench.n_before_stop = 1;
    bench.stop_rank = bench.n_rank - 1;
    /* Static: what this worker leaves, nobody else does. */
    check(run(N_ROW, DEALER_STATIC_BLOCK, 4, &progress, &err) == POLYPHONY_STOPPED,
          "an early end is POLYPHONY_STOPPED");
    n_done = count_rows(N_ROW);
    check(bench.rank > 0 ||
              (n_done > 0 && n_done < N_ROW && progress.n_done + progress.n_set_aside == n_done),
          "what was done before the stop is counted");
}

static void a_stop_does_not_hide_a_failure(void)
{
    char failing[N_ROW];
    struct schedule_progress progress;
    struct error err;

    begin(__func__);
    if (bench.n_rank < 3)
        return; /* needs a worker that stops and one that fails */
    memset(failing, ' ', sizeof(failing));
    failing[0] = 'x'; /* the first row of rank 1 */
    bench.failing = failing;
    bench.fail_code = POLYPHONY_INPUT;
    bench.n_before_stop = 0;
    bench.stop_rank = bench.n_rank - 1;
    for (int i = 0; i < 20; i++) { /* whichever reports first */
        int r = run(N_ROW, DEALER_STATIC_BLOCK, 4, &progress, &err);

        /* Rank 1 may be sent home before it has begun. */
        count_rows(N_ROW);
        check(r == POLYPHONY_INPUT || r == POLYPHONY_STOPPED, "the code is one of the two");
        check(bench.rank != 1 || r == (bench.n_work ? POLYPHONY_INPUT : POLYPHONY_STOPPED),
              "a failure counts more than a stop");
        check(bench.rank > 0 || r != POLYPHONY_INPUT || strstr(err.text, "is rotten"),
              "and its text is there");
    }
}

static void ranks_agree_on_the_worst(void)
{
    begin(__func__);
    check(schedule_agree(MPI_COMM_WORLD, 0) == 0, "0 when nothing is wrong");
    check(schedule_agree(MPI_COMM_WORLD, bench.rank == bench.n_rank - 1 ? POLYPHONY_OUTPUT : 0) ==
              POLYPHONY_OUTPUT,
          "one failure is everybody's");
    check(schedule_agree(MPI_COMM_WORLD, -bench.rank) == -(bench.n_rank - 1), "the most negative wins");
}

int main(int argc, char **argv)
{
    int n_failed_all = 0;

    alarm(HANG_S);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &bench.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &bench.n_rank);
    all_rows_are_done_once_and_set_aside_ones_counted();
    a_failure_ends_all_ranks_with_its_code_and_text();
    many_failures_at_once_end_all_ranks_too();
    a_stop_asked_of_everybody_ends_early();
    a_stop_asked_of_rank_0_only_ends_early();
    a_stop_asked_of_one_worker_only_ends_early();
    a_stop_does_not_hide_a_failure();
    ranks_agree_on_the_worst();
    MPI_Allreduce(&n_failed, &n_failed_all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (bench.rank == 0)
        fprintf(stderr, "%d ranks: %s\n", bench.n_rank, n_failed_all ? "FAILED" : "all cases hold");
    MPI_Finalize();
    return n_failed_all > 0;
}
