/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pinning. It stays with a process for its life, so each case forks; the parent never enters an OpenMP
 * region. Bindings are read back with sched_getaffinity(), which knows nothing of hwloc.
 */
#include "polyphony/placement.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <omp.h>

#define N_THREAD_MAX 256

/* What a child asks for, and what it found. */
struct trial {
    int n_thread_wanted, i_worker, n_worker;
    const char *omp_num_threads; /* NULL: not set */
    int only_cpu;                /* -1: as given */
    struct placement placement;
    uint64_t hash;
    int n_team;
    cpu_set_t set[N_THREAD_MAX];
};

static cpu_set_t allowed;
static struct trial *shared; /* memory that the child writes and the parent reads */

static int open_shared(void **state)
{
    (void)state;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED || sched_getaffinity(0, sizeof(allowed), &allowed);
}

static int close_shared(void **state)
{
    (void)state;
    return munmap(shared, sizeof(*shared));
}

static void measure(void)
{
    cpu_set_t one;

    alarm(60); /* a hang is a failure */
    if (shared->omp_num_threads)
        setenv("OMP_NUM_THREADS", shared->omp_num_threads, 1);
    else
        unsetenv("OMP_NUM_THREADS");
    if (shared->only_cpu >= 0) {
        CPU_ZERO(&one);
        CPU_SET((size_t)shared->only_cpu, &one);
        if (sched_setaffinity(0, sizeof(one), &one))
            _exit(1);
    }
    shared->hash = placement_cpuset_hash();
    placement_apply(shared->n_thread_wanted, shared->i_worker, shared->n_worker, &shared->placement);
#pragma omp parallel default(none) shared(shared)
    {
        int t = omp_get_thread_num();

        if (t == 0)
            shared->n_team = omp_get_num_threads();
        if (t < N_THREAD_MAX)
            sched_getaffinity(0, sizeof(shared->set[t]), &shared->set[t]);
    }
    _exit(0);
}

static const struct trial *try_placement(struct trial trial)
{
    int status = -1;
    pid_t child;

    *shared = trial;
    child = fork();
    if (child == 0)
        measure();
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    if (status != 0)
        fail_msg("the child ended with status %x", (unsigned)status);
    assert_int_equal(shared->n_team, shared->placement.n_thread);
    return shared;
}

/* Pinned to one processing unit each, inside the set allowed, no two on the same. */
static void expect_pinned(const struct trial *trial, cpu_set_t *taken)
{
    if (!trial->placement.is_pinned)
        fail_msg("not pinned: %s", trial->placement.text);
    for (int t = 0; t < trial->n_team && t < N_THREAD_MAX; t++) {
        cpu_set_t set;

        if (CPU_COUNT(&trial->set[t]) != 1)
            fail_msg("thread %d may run on %d processing units", t, CPU_COUNT(&trial->set[t]));
        CPU_AND(&set, &trial->set[t], &allowed);
        if (CPU_COUNT(&set) != 1)
            fail_msg("thread %d is pinned outside the set allowed", t);
        CPU_AND(&set, &trial->set[t], taken);
        if (CPU_COUNT(&set))
            fail_msg("thread %d shares a processing unit with another thread", t);
        CPU_OR(taken, taken, &trial->set[t]);
    }
}

static void expect_not_pinned(const struct trial *trial, const char *why)
{
    if (trial->placement.is_pinned || !strstr(trial->placement.text, "not pinned") ||
        !strstr(trial->placement.text, why))
        fail_msg("'%s' does not say 'not pinned' and '%s'", trial->placement.text, why);
}

static int any_allowed_cpu(void)
{
    for (int c = CPU_SETSIZE - 1; c >= 0; c--)
        if (CPU_ISSET((size_t)c, &allowed))
            return c;
    return -1;
}

/* ---- cases ------------------------------------------------------------------------------------------- */

static void one_worker_gets_all_cores_a_thread_on_each(void **state)
{
    const struct trial *trial = try_placement((struct trial) { .n_worker = 1, .only_cpu = -1 });
    cpu_set_t taken;

    (void)state;
    CPU_ZERO(&taken);
    assert_true(trial->placement.n_core >= 1 && trial->placement.n_core <= CPU_COUNT(&allowed));
    assert_int_equal(trial->placement.n_thread, trial->placement.n_core);
    expect_pinned(trial, &taken);
}

static void workers_share_out_the_cores(void **state)
{
    cpu_set_t taken;
    int n_core = try_placement((struct trial) { .n_worker = 1, .only_cpu = -1 })->placement.n_core;
    int n_worker = n_core < 4 ? n_core : 4;

    (void)state;
    CPU_ZERO(&taken);
    for (int w = 0; w < n_worker; w++) {
        const struct trial *trial =
            try_placement((struct trial) { .i_worker = w, .n_worker = n_worker, .only_cpu = -1 });

        assert_int_equal(trial->placement.n_thread, n_core / n_worker);
        expect_pinned(trial, &taken);
    }
    assert_int_equal(CPU_COUNT(&taken), n_core / n_worker * n_worker);
}

static void fewer_threads_than_cores_are_still_pinned(void **state)
{
    const struct trial *trial =
        try_placement((struct trial) { .n_thread_wanted = 1, .n_worker = 1, .only_cpu = -1 });
    cpu_set_t taken;

    (void)state;
    CPU_ZERO(&taken);
    assert_int_equal(trial->placement.n_thread, 1);
    expect_pinned(trial, &taken);
}

static void more_threads_than_cores_are_not_pinned(void **state)
{
    int n_core = try_placement((struct trial) { .n_worker = 1, .only_cpu = -1 })->placement.n_core;
    const struct trial *trial =
        try_placement((struct trial) { .n_thread_wanted = n_core + 1, .n_worker = 1, .only_cpu = -1 });

    (void)state;
    expect_not_pinned(trial, "more threads than cores");
    assert_int_equal(trial->placement.n_thread, n_core + 1);
    for (int t = 0; t < trial->n_team && t < N_THREAD_MAX; t++)
        assert_true(CPU_EQUAL(&trial->set[t], &allowed));
}

static void more_workers_than_cores_are_all_left_free(void **state)
{
    int n_core = try_placement((struct trial) { .n_worker = 1, .only_cpu = -1 })->placement.n_core;

    (void)state;
    /* Were the first ones pinned, the others would have to share their cores. */
    for (int w = 0; w <= n_core; w += n_core) {
        const struct trial *trial =
            try_placement((struct trial) { .i_worker = w, .n_worker = n_core + 1, .only_cpu = -1 });

        expect_not_pinned(trial, "more threads than cores");
        assert_int_equal(trial->placement.n_thread, 1);
    }
}

static void omp_num_threads_counts_unless_the_job_says_otherwise(void **state)
{
    (void)state;
    assert_int_equal(try_placement((struct trial) { .n_worker = 1, .omp_num_threads = "3", .only_cpu = -1 })
                         ->placement.n_thread,
                     3);
    assert_int_equal(
        try_placement(
            (struct trial) { .n_thread_wanted = 2, .n_worker = 1, .omp_num_threads = "3", .only_cpu = -1 })
            ->placement.n_thread,
        2);
}

static void nonsense_in_omp_num_threads_is_ignored(void **state)
{
    static const char *const texts[] = { "", "0", "-2", "many", "2,3", "100000" };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const struct trial *trial =
            try_placement((struct trial) { .n_worker = 1, .omp_num_threads = texts[i], .only_cpu = -1 });

        if (trial->placement.n_thread != trial->placement.n_core)
            fail_msg("OMP_NUM_THREADS='%s' gave %d threads", texts[i], trial->placement.n_thread);
    }
}

static void a_process_given_one_core_stays_on_it(void **state)
{
    int cpu = any_allowed_cpu();
    const struct trial *trial = try_placement((struct trial) { .n_worker = 1, .only_cpu = cpu });

    (void)state;
    assert_int_equal(trial->placement.n_core, 1);
    assert_int_equal(trial->placement.n_thread, 1);
    assert_true(trial->placement.is_pinned);
    assert_true(CPU_COUNT(&trial->set[0]) == 1 && CPU_ISSET((size_t)cpu, &trial->set[0]));

    trial = try_placement((struct trial) { .n_thread_wanted = 2, .n_worker = 1, .only_cpu = cpu });
    expect_not_pinned(trial, "more threads than cores");
    for (int t = 0; t < 2; t++)
        assert_true(CPU_COUNT(&trial->set[t]) == 1 && CPU_ISSET((size_t)cpu, &trial->set[t]));
}

static void the_fingerprint_tells_cpusets_apart(void **state)
{
    uint64_t all = try_placement((struct trial) { .n_worker = 1, .only_cpu = -1 })->hash;
    uint64_t again = try_placement((struct trial) { .n_worker = 2, .only_cpu = -1 })->hash;
    uint64_t one = try_placement((struct trial) { .n_worker = 1, .only_cpu = any_allowed_cpu() })->hash;

    (void)state;
    assert_true(all != 0 && all == again && one != 0);
    assert_true((one == all) == (CPU_COUNT(&allowed) == 1));
}

static void omp_proc_bind_is_left_to_decide(void **state)
{
    int status = -1;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        /* libgomp reads it when it is loaded: a new program is needed. */
        setenv("OMP_PROC_BIND", "true", 1);
        execl("/proc/self/exe", "test_placement", "bound", (char *)NULL);
        _exit(2);
    }
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
}

static int report_bound(void)
{
    struct placement placement;

    placement_apply(1, 0, 1, &placement);
    return placement.is_pinned || !strstr(placement.text, "OMP_PROC_BIND decides");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_worker_gets_all_cores_a_thread_on_each),
        cmocka_unit_test(workers_share_out_the_cores),
        cmocka_unit_test(fewer_threads_than_cores_are_still_pinned),
        cmocka_unit_test(more_threads_than_cores_are_not_pinned),
        cmocka_unit_test(more_workers_than_cores_are_all_left_free),
        cmocka_unit_test(omp_num_threads_counts_unless_the_job_says_otherwise),
        cmocka_unit_test(nonsense_in_omp_num_threads_is_ignored),
        cmocka_unit_test(a_process_given_one_core_stays_on_it),
        cmocka_unit_test(the_fingerprint_tells_cpusets_apart),
        cmocka_unit_test(omp_proc_bind_is_left_to_decide),
    };

    if (argc > 1 && !strcmp(argv[1], "bound"))
        return report_bound();
    if (getenv("OMP_PROC_BIND")) { /* would decide in every case */
        unsetenv("OMP_PROC_BIND");
        execv("/proc/self/exe", argv);
    }
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
