/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The schedule over MPI with made-up work, for any number of ranks:
 *     mpirun -n 4 test_schedule_mpi
 * Exit code 0 if every case holds on every rank. A hang ends by SIGALRM and is a failure.
 */
#include "polyphony/ranks.h"
#include "polyphony/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define N_ROW  500
#define HANG_S 60

/* What one rank is told to do, and what it has done. */
struct bench {
    int rank, n_rank;
    int fail_code;       /* of a row in failing[] */
    const char *failing; /* [N_ROW] 'x': this row fails; NULL: none does */
    int finish_code;     /* of finish() on the last rank */
    int n_before_stop;   /* rows until this rank is asked to stop; -1: never */
    int stop_rank;       /* -1: all are asked */
    double silence_s;
    double cost_s[COST_N_TERM]; /* what work() takes */
    struct cost_model *costs;
    int n_work, n_finish;
    int n_times[N_ROW]; /* how often a row was done here */
    uint64_t expected[N_ROW];
    size_t n_expected;
    size_t n_seen;   /* progress watched, rank 0 */
    bool is_falling; /* progress went back */
    size_t n_batch, n_in_batches;
    double in_batches_s;
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

/* The terms of a row are small integers. */
static double term_of(uint64_t row, size_t i_term)
{
    return i_term == 1 ? (double)(row * row % 5) : (double)(row % 3);
}

static void sleep_s(double seconds)
{
    const struct timespec pause = { .tv_nsec = (long)(seconds * 1e9) };

    nanosleep(&pause, NULL);
}

static int work_row(void *context, uint64_t row, struct error *err)
{
    struct bench *b = context;
    double seconds = b->cost_s[0] + b->cost_s[1] * term_of(row, 1) + b->cost_s[2] * term_of(row, 2);

    check((size_t)b->n_work < b->n_expected && b->expected[b->n_work] == row,
          "rows were announced, in the order in which they are worked on");
    b->n_work++;
    if (row >= N_ROW)
        return error_set(err, POLYPHONY_INTERNAL, "row %llu was never given", (unsigned long long)row);
    if (b->failing && b->failing[row] == 'x')
        return error_set(err, b->fail_code, "row %llu is rotten", (unsigned long long)row);
    if (seconds > 0)
        sleep_s(seconds);
    b->n_times[row]++;
    return row % 7 == 3 ? POLYPHONY_SET_ASIDE : 0;
}

/* Up to three rows at once, unless rows are counted that come after a stop was asked for. */
static int work(void *context, size_t n, const uint64_t *row, size_t *ret_n, size_t *ret_n_set_aside,
                struct error *err)
{
    const struct bench *b = context;
    size_t n_most = b->n_before_stop >= 0 ? 1 : 3;
    int r = 0;

    *ret_n = *ret_n_set_aside = 0;
    for (size_t i = 0; r >= 0 && i < n && i < n_most; i++) {
        r = work_row(context, row[i], err);
        *ret_n += r >= 0;
        *ret_n_set_aside += r > 0;
    }
    return r < 0 ? r : 0;
}

static void expect(void *context, size_t n, const uint64_t *row)
{
    struct bench *b = context;

    check(n > 0 && b->n_expected + n <= N_ROW, "no more rows are announced than there are");
    for (size_t i = 0; i < n && b->n_expected < N_ROW; i++)
        b->expected[b->n_expected++] = row[i];
}

static int finish(void *context, struct error *err)
{
    struct bench *b = context;

    b->n_finish++;
    if (b->finish_code && b->rank == b->n_rank - 1)
        return error_set(err, b->finish_code, "the harvest is not in");
    return 0;
}

static void watch(void *context, const struct schedule_progress *progress)
{
    struct bench *b = context;
    size_t n = progress->n_done + progress->n_set_aside;

    /* Sums in single and double precision of at most N_ROW costs: */
    b->is_falling |= n < b->n_seen || n > progress->n_total || progress->n_lost != 0 ||
                     progress->cost_left_s > progress->cost_all_s * (1.0 + N_ROW * 0x1p-52);
    b->n_seen = n;
}

static void batch_done(void *context, const struct schedule_batch *batch)
{
    struct bench *b = context;

    check(batch->n_galaxy > 0 && batch->first_row < N_ROW, "a batch has rows");
    check(batch->rank > 0 ? batch->rank < b->n_rank : b->n_rank == 1, "a batch comes from a worker");
    check(batch->done_ns >= batch->dealt_ns && batch->dealt_ns > 0, "a batch is dealt before it is done");
    check((double)(batch->done_ns - batch->dealt_ns) * 1e-9 >= batch->measured_s,
          "a batch is worked on after it is dealt, and before it is done");
    b->n_batch++;
    b->n_in_batches += batch->n_galaxy;
    b->in_batches_s += batch->measured_s;
}

static void waited(void *context, int64_t begin_ns, int64_t end_ns)
{
    (void)context;
    check(begin_ns > 0 && end_ns >= begin_ns, "waiting ends after it has begun");
}

static bool is_stopping(void *context)
{
    const struct bench *b = context;

    return b->n_before_stop >= 0 && (b->stop_rank < 0 || b->stop_rank == b->rank) &&
           b->n_work >= b->n_before_stop;
}

static struct dealer *open_dealer(size_t n, enum dealer_mode mode, size_t n_max_batch)
{
    struct dealer_settings settings = { .mode = mode,
                                        .n_worker = (size_t)(bench.n_rank > 1 ? bench.n_rank - 1 : 1),
                                        .n_max_batch = n_max_batch,
                                        .max_batch_bytes = 1e12,
                                        .cost_s = { 1.0, 1.0, 0.0 } };
    struct dealer_item *item = calloc(n + 1, sizeof(*item));
    struct dealer *dealer = NULL;
    struct error err;

    for (size_t i = 0; i < n; i++)
        item[i] = (struct dealer_item) { (uint32_t)i, 1.0F, { (float)term_of(i, 1), (float)term_of(i, 2) } };
    if (bench.costs)
        memcpy(settings.cost_s, bench.costs->guess_s, sizeof(settings.cost_s));
    check(dealer_open(&settings, n, item, &dealer, &err) == 0, "the dealer opens");
    return dealer;
}

/* One run of N_ROW rows or fewer; the result must be the same on all ranks. */
static int run(size_t n, enum dealer_mode mode, size_t n_max_batch, struct schedule_progress *ret_progress,
               struct error *err)
{
    struct schedule schedule = { .comm = MPI_COMM_WORLD,
                                 .n_total = n,
                                 .costs = bench.costs,
                                 .silence_s = bench.silence_s,
                                 .work = work,
                                 .expect = expect,
                                 .finish = finish,
                                 .watch = watch,
                                 .is_stopping = is_stopping,
                                 .batch_done = batch_done,
                                 .waited = waited,
                                 .context = &bench };
    int r, lowest, highest;

    if (bench.rank == 0)
        schedule.dealer = open_dealer(n, mode, n_max_batch);
    bench.n_work = bench.n_finish = 0;
    bench.n_seen = bench.n_expected = bench.n_batch = bench.n_in_batches = 0;
    bench.in_batches_s = 0.0;
    bench.is_falling = false;
    memset(bench.n_times, 0, sizeof(bench.n_times));
    err->text[0] = '\0';
    r = schedule_run(&schedule, err);
    dealer_close(schedule.dealer);
    MPI_Allreduce(&r, &lowest, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    MPI_Allreduce(&r, &highest, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    check(lowest == highest, "all ranks return the same");
    check(!bench.is_falling, "progress goes up, and not beyond the total");
    check(!schedule.is_expelled && schedule.comm == MPI_COMM_WORLD, "nobody is lost");
    check(bench.rank > 0 || bench.n_in_batches == schedule.progress.n_done + schedule.progress.n_set_aside,
          "batches sum to the rows done");
    *ret_progress = schedule.progress;
    return r;
}

/* Once where there is work, which is not on rank 0 unless it is alone; never after a failure. */
static bool has_finished(void)
{
    return bench.n_finish == 1;
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
    bench.finish_code = 0;
    bench.silence_s = 0.0;
    bench.costs = NULL;
    memset(bench.cost_s, 0, sizeof(bench.cost_s));
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
                check(has_finished(), "every worker brings home what it has done, once");
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
    check(bench.n_finish == (bench.n_work == 0 && (bench.rank > 0 || bench.n_rank == 1)),
          "a worker that failed brings nothing home");
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
        check(has_finished(), "what was done is brought home");
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

static void a_harvest_that_is_not_brought_home_fails_the_run(void)
{
    struct schedule_progress progress;
    struct error err;

    begin(__func__);
    bench.finish_code = POLYPHONY_OUTPUT;
    check(run(40, DEALER_DYNAMIC, 4, &progress, &err) == POLYPHONY_OUTPUT, "the code is that of finish()");
    check(has_finished() || (bench.rank == 0 && bench.n_rank > 1), "all others have brought home theirs");
    check(count_rows(40) == (bench.rank == 0 ? 40 : 0), "every row is done");
    check(bench.rank > 0 || strstr(err.text, "the harvest is not in"), "rank 0 has the text");
}

/* A row takes 0.2 ms and its first term milliseconds; on a machine that is shared nanosleep() adds up to a
 * millisecond. The guess is 20 times and half of that, 5 ms a row in sum: wrong by a factor of two even then. */
static void costs_are_learnt_from_a_wrong_guess(void)
{
    static const double guess_s[COST_N_TERM] = { 4e-3, 5e-4, 1e-4 },
                        true_s[COST_N_TERM] = { 2e-4, 1e-3, 0.0 };
    double all_s = 0.0, cost_s[COST_N_TERM];
    struct schedule_progress progress;
    struct cost_model costs;
    struct error err;

    begin(__func__);
    for (uint64_t row = 0; row < 400; row++)
        all_s += true_s[0] + true_s[1] * term_of(row, 1);
    cost_model_begin(&costs, guess_s, 1);
    bench.costs = &costs;
    memcpy(bench.cost_s, true_s, sizeof(true_s));
    check(run(400, DEALER_DYNAMIC, 4, &progress, &err) == 0, "a whole run returns 0");
    check(count_rows(400) == (bench.rank == 0 ? 400 : 0), "every row is done once though it was sorted anew");
    if (bench.rank > 0)
        return;
    cost_model_fit(&costs, cost_s);
    check(bench.n_batch >= 100 && costs.n_report == bench.n_batch, "every batch is learnt from");
    check(costs.measured_s == bench.in_batches_s && costs.measured_s >= all_s,
          "seconds are those of the work");
    check(cost_s[1] > 0.6 * true_s[1] && cost_s[0] < 0.6 * guess_s[0], "the costs are nearer to the truth");
    check(fabs(progress.cost_all_s / costs.measured_s - 1.0) < 0.4, "and so are the predictions");
    check(progress.cost_left_s < 1e-9, "nothing is left"); /* 400 roundings of a second */
}

/* All ranks live: that they also say so now changes nothing. A beat is due every quarter of a second. */
static void listening_for_signs_of_life_changes_nothing(void)
{
    struct schedule_progress progress;
    struct error err;

    begin(__func__);
    bench.silence_s = 2.0;
    bench.cost_s[0] = 2e-3;
    check(run(N_ROW, DEALER_DYNAMIC, 16, &progress, &err) == 0, "a whole run returns 0");
    check(has_finished(), "every worker brings home what it has done, once");
    check(count_rows(N_ROW) == (bench.rank == 0 ? N_ROW : 0), "every row is done");
    bench.cost_s[0] = 0.0;
    for (int mode = DEALER_DYNAMIC; mode <= DEALER_STATIC_LPT; mode++) {
        check(run(40, (enum dealer_mode)mode, 4, &progress, &err) == 0, "a short run returns 0");
        check(count_rows(40) == (bench.rank == 0 ? 40 : 0), "every row of it is done");
    }
    bench.n_before_stop = 3;
    check(run(N_ROW, DEALER_DYNAMIC, 4, &progress, &err) == POLYPHONY_STOPPED, "a stop is a stop");
    check(count_rows(N_ROW) < N_ROW, "something is left");
}

static void ranks_agree_on_the_worst(void)
{
    begin(__func__);
    check(ranks_agree(MPI_COMM_WORLD, 0) == 0, "0 when nothing is wrong");
    check(ranks_agree(MPI_COMM_WORLD, bench.rank == bench.n_rank - 1 ? POLYPHONY_OUTPUT : 0) ==
              POLYPHONY_OUTPUT,
          "one failure is everybody's");
    check(ranks_agree(MPI_COMM_WORLD, -bench.rank) == -(bench.n_rank - 1), "the most negative wins");
}

int main(int argc, char **argv)
{
    int n_failed_all = 0, provided;

    alarm(HANG_S);
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    check(provided == MPI_THREAD_MULTIPLE, "MPI allows threads");
    MPI_Comm_rank(MPI_COMM_WORLD, &bench.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &bench.n_rank);
    all_rows_are_done_once_and_set_aside_ones_counted();
    a_failure_ends_all_ranks_with_its_code_and_text();
    many_failures_at_once_end_all_ranks_too();
    a_stop_asked_of_everybody_ends_early();
    a_stop_asked_of_rank_0_only_ends_early();
    a_stop_asked_of_one_worker_only_ends_early();
    a_stop_does_not_hide_a_failure();
    a_harvest_that_is_not_brought_home_fails_the_run();
    costs_are_learnt_from_a_wrong_guess();
    listening_for_signs_of_life_changes_nothing();
    ranks_agree_on_the_worst();
    MPI_Allreduce(&n_failed, &n_failed_all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (bench.rank == 0)
        fprintf(stderr, "%d ranks: %s\n", bench.n_rank, n_failed_all ? "FAILED" : "all cases hold");
    MPI_Finalize();
    return n_failed_all > 0;
}
