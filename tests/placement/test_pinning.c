/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pinning of real threads. It stays with a process for its life, so each rank is a fork; the parent never
 * enters an OpenMP region. Ranks of a trial run at once, exchange their requests and plan, as in `run`.
 * Bindings are read back with sched_getaffinity(), which knows nothing of hwloc.
 */
#include "polyphony/placement.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <omp.h>

#define N_RANK_MAX   8
#define N_THREAD_MAX 64

/* linux/mempolicy.h, which not every system has */
#define MPOL_DEFAULT        0
#define MPOL_PREFERRED      1
#define MPOL_INTERLEAVE     3
#define MPOL_PREFERRED_MANY 5

/* What the ranks of a trial are started with. */
struct trial {
    int n_rank, n_thread_job;
    bool has_dealer;
    const char *omp_num_threads, *slurm_cpus_per_task, *synthetic; /* NULL: not set */
    bool is_thissystem;                                            /* hwloc is told that synthetic is here */
    const char *allowed;                                           /* instead of what hwloc finds */
    int only_cpu;                                                  /* -1: as given */
    int memory_policy;                                             /* MPOL_ */
};

/* What a rank found. */
struct found {
    struct placement_request request;
    struct placement placement;
    int n_team, memory_policy;
    cpu_set_t set[N_THREAD_MAX];
};

static cpu_set_t allowed;
static struct {
    pthread_barrier_t barrier;
    struct found rank[N_RANK_MAX];
} * shared; /* memory that the ranks write and the parent reads */

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

/* ---- a rank ---------------------------------------------------------------------------------- */

static void set_variable(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static int set_surroundings(const struct trial *trial)
{
    unsigned long nodes = 1;
    cpu_set_t one;

    set_variable("OMP_NUM_THREADS", trial->omp_num_threads);
    set_variable("SLURM_CPUS_PER_TASK", trial->slurm_cpus_per_task);
    set_variable("HWLOC_SYNTHETIC", trial->synthetic);
    set_variable("HWLOC_THISSYSTEM", trial->is_thissystem ? "1" : NULL);
    if (trial->memory_policy != MPOL_DEFAULT &&
        syscall(SYS_set_mempolicy, trial->memory_policy, &nodes, 8 * sizeof(nodes)))
        return 1;
    if (trial->only_cpu < 0)
        return 0;
    CPU_ZERO(&one);
    CPU_SET((size_t)trial->only_cpu, &one);
    return sched_setaffinity(0, sizeof(one), &one);
}

static void read_bindings(struct found *found)
{
#pragma omp parallel default(none) shared(found)
    {
        int t = omp_get_thread_num();

        if (t == 0)
            found->n_team = omp_get_num_threads();
        if (t < N_THREAD_MAX)
            sched_getaffinity(0, sizeof(found->set[t]), &found->set[t]);
        if (t == 0 && syscall(SYS_get_mempolicy, &found->memory_policy, NULL, 0, NULL, 0))
            found->memory_policy = -1;
    }
}

static void be_rank(const struct trial *trial, int rank)
{
    struct placement_request request[N_RANK_MAX];
    struct placement_plan plan;
    struct machine *machine = NULL;
    struct error err = { 0 };
    struct found *found = &shared->rank[rank];

    alarm(60); /* a hang is a failure */
    if (set_surroundings(trial) || machine_open(&machine, &err))
        _exit(1);
    placement_request_make(machine, trial->n_thread_job, trial->has_dealer && rank == 0, &found->request);
    if (trial->allowed && !cpuset_parse(trial->allowed, &found->request.allowed))
        _exit(2);
    pthread_barrier_wait(&shared->barrier);
    for (int i = 0; i < trial->n_rank; i++)
        request[i] = shared->rank[i].request;
    plan = placement_plan_make(machine, trial->n_rank, request);
    placement_apply(machine, &plan.rank[rank]);
    read_bindings(found);
    found->placement = plan.rank[rank];
    placement_plan_free(&plan);
    machine_close(machine);
    _exit(0);
}

static const struct found *try_placement(struct trial trial)
{
    pid_t child[N_RANK_MAX];
    pthread_barrierattr_t between_processes;

    trial.n_rank = trial.n_rank > 0 ? trial.n_rank : 1;
    memset(shared, 0, sizeof(*shared));
    pthread_barrierattr_init(&between_processes);
    pthread_barrierattr_setpshared(&between_processes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->barrier, &between_processes, (unsigned)trial.n_rank);
    for (int i = 0; i < trial.n_rank; i++) {
        child[i] = fork();
        if (child[i] == 0)
            be_rank(&trial, i);
        assert_true(child[i] > 0);
    }
    for (int i = 0; i < trial.n_rank; i++) {
        int status = -1;

        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        if (status != 0)
            fail_msg("rank %d ended with status %x", i, (unsigned)status);
        assert_int_equal(shared->rank[i].n_team, shared->rank[i].placement.n_thread);
    }
    return shared->rank;
}

/* ---- what is expected of it ------------------------------------------------------------------ */

/* Pinned to one cpu each, inside the set allowed, no two on the same. */
static void expect_pinned(const struct found *found, cpu_set_t *taken)
{
    if (!found->placement.is_pinned)
        fail_msg("not pinned: %s", found->placement.text);
    for (int t = 0; t < found->n_team && t < N_THREAD_MAX; t++) {
        cpu_set_t set;

        if (CPU_COUNT(&found->set[t]) != 1)
            fail_msg("thread %d may run on %d cpus", t, CPU_COUNT(&found->set[t]));
        CPU_AND(&set, &found->set[t], &allowed);
        if (CPU_COUNT(&set) != 1)
            fail_msg("thread %d is pinned outside the set allowed", t);
        CPU_AND(&set, &found->set[t], taken);
        if (CPU_COUNT(&set))
            fail_msg("thread %d shares a cpu with another thread", t);
        CPU_OR(taken, taken, &found->set[t]);
    }
}

static void expect_not_pinned(const struct found *found, const char *why)
{
    if (found->placement.is_pinned || !strstr(found->placement.text, "not pinned") ||
        !strstr(found->placement.text, why))
        fail_msg("'%s' does not say 'not pinned' and '%s'", found->placement.text, why);
    for (int t = 0; t < found->n_team && t < N_THREAD_MAX; t++)
        assert_true(CPU_EQUAL(&found->set[t], &allowed));
}

static void expect_warning(const struct found *found, const char *part)
{
    if (!strstr(found->placement.warning, part))
        fail_msg("'%s' does not warn of '%s'", found->placement.warning, part);
}

static int any_allowed_cpu(void)
{
    for (int c = CPU_SETSIZE - 1; c >= 0; c--)
        if (CPU_ISSET((size_t)c, &allowed))
            return c;
    return -1;
}

static int count_cores(void)
{
    return try_placement((struct trial) { .only_cpu = -1, .n_thread_job = 1 })->placement.n_core;
}

/* The first n allowed cpus as cores of a machine with a NUMA node each, in hwloc's words. */
static void describe_as_numa(char *ret_text, size_t size)
{
    int cpu[2] = { 0 }, n = 0;

    for (int c = 0; c < CPU_SETSIZE && n < 2; c++)
        if (CPU_ISSET((size_t)c, &allowed))
            cpu[n++] = c;
    if (n < 2)
        skip();
    text_format(ret_text, size, "Package:2 [NUMANode] Core:1 PU:1(indexes=%d,%d)", cpu[0], cpu[1]);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void one_rank_has_a_thread_on_each_core(void **state)
{
    const struct found *found = try_placement((struct trial) { .only_cpu = -1 });
    int n_core = found->placement.n_core;
    cpu_set_t taken;

    (void)state;
    CPU_ZERO(&taken);
    assert_in_range(n_core, 1, CPU_COUNT(&allowed));
    assert_int_equal(found->placement.n_thread,
                     n_core < PLACEMENT_THREAD_DEFAULT ? n_core : PLACEMENT_THREAD_DEFAULT);
    expect_pinned(found, &taken);
}

static void ranks_that_run_at_once_share_out_the_cores(void **state)
{
    int n_core = count_cores(), n_rank = n_core < 4 ? n_core : 4;
    const struct found *found = try_placement((struct trial) { .n_rank = n_rank, .only_cpu = -1 });
    int share = n_core / n_rank < PLACEMENT_THREAD_DEFAULT ? n_core / n_rank : PLACEMENT_THREAD_DEFAULT;
    cpu_set_t taken;

    (void)state;
    CPU_ZERO(&taken);
    for (int i = 0; i < n_rank; i++) {
        assert_int_equal(found[i].placement.n_thread, share);
        expect_pinned(&found[i], &taken);
    }
    assert_int_equal(CPU_COUNT(&taken), share * n_rank);
}

static void the_dealer_keeps_one_thread_and_off_the_others(void **state)
{
    int n_core = count_cores();
    const struct found *found =
        try_placement((struct trial) { .n_rank = 2, .has_dealer = true, .n_thread_job = 1, .only_cpu = -1 });
    cpu_set_t taken;

    (void)state;
    CPU_ZERO(&taken);
    assert_int_equal(found[0].placement.n_thread, 1);
    expect_pinned(&found[1], &taken);
    if (n_core > 1)
        expect_pinned(&found[0], &taken);
}

static void too_many_threads_keep_the_whole_set(void **state)
{
    int n = CPU_COUNT(&allowed) + 1;
    const struct found *found = try_placement((struct trial) { .n_thread_job = n, .only_cpu = -1 });

    (void)state;
    expect_not_pinned(found, "threads on");
    expect_warning(found, "threads share cores");
    assert_int_equal(found->placement.n_thread, n);
}

static void the_job_counts_before_openmp_and_openmp_before_slurm(void **state)
{
    const struct found *found;

    (void)state;
    found = try_placement((struct trial) { .omp_num_threads = "3", .only_cpu = -1 });
    assert_int_equal(found->placement.n_thread, 3);
    assert_int_equal(found->request.source, PLACEMENT_OMP);
    assert_string_equal(found->request.warning, "");
    found = try_placement((struct trial) { .omp_num_threads = "3", .n_thread_job = 2, .only_cpu = -1 });
    assert_int_equal(found->placement.n_thread, 2);
    assert_int_equal(found->request.source, PLACEMENT_JOB);
    expect_warning(found,
                   "threads: 2 in the job file, OMP_NUM_THREADS=3, these disagree: the job file counts");
    found = try_placement(
        (struct trial) { .omp_num_threads = "3,2", .slurm_cpus_per_task = "5", .only_cpu = -1 });
    assert_int_equal(found->placement.n_thread, 3);
    expect_warning(found, "OMP_NUM_THREADS=3, SLURM_CPUS_PER_TASK=5, these disagree: OMP_NUM_THREADS counts");
    found = try_placement(
        (struct trial) { .slurm_cpus_per_task = "5", .synthetic = "Package:1 Core:8 PU:2", .only_cpu = -1 });
    assert_int_equal(found->placement.n_thread, 5);
    assert_int_equal(found->request.source, PLACEMENT_SLURM);
    assert_string_equal(found->request.warning, "");
}

static void slurm_may_count_hardware_threads(void **state)
{
    const struct found *found = try_placement(
        (struct trial) { .slurm_cpus_per_task = "16", .synthetic = "Package:1 Core:8 PU:2", .only_cpu = -1 });

    (void)state;
    assert_int_equal(found->placement.n_thread, 8);
    assert_string_equal(found->request.warning, "");
    found = try_placement((struct trial) { .slurm_cpus_per_task = "16",
                                           .n_thread_job = 8,
                                           .synthetic = "Package:1 Core:8 PU:2",
                                           .only_cpu = -1 });
    assert_string_equal(found->request.warning, "");
    found = try_placement((struct trial) { .slurm_cpus_per_task = "4",
                                           .n_thread_job = 8,
                                           .synthetic = "Package:1 Core:8 PU:2",
                                           .only_cpu = -1 });
    expect_warning(found, "threads: 8 in the job file, SLURM_CPUS_PER_TASK=4, these disagree");
}

static void nonsense_in_the_environment_is_ignored(void **state)
{
    static const char *const texts[] = { "", "0", "-2", "many", "2x", "100000", "99999999999999999999" };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const struct found *found = try_placement(
            (struct trial) { .omp_num_threads = texts[i], .slurm_cpus_per_task = texts[i], .only_cpu = -1 });

        if (found->request.n_thread != 0 || found->request.source != PLACEMENT_DEFAULT)
            fail_msg("OMP_NUM_THREADS='%s' gave %d threads", texts[i], found->request.n_thread);
    }
}

static void a_process_given_one_cpu_stays_on_it(void **state)
{
    static const char hint[] = "the launcher (or taskset, or a cgroup) allows one core only";
    int cpu = any_allowed_cpu();
    const struct found *found = try_placement((struct trial) { .only_cpu = cpu });

    (void)state;
    assert_int_equal(found->placement.n_core, 1);
    assert_int_equal(found->placement.n_thread, 1);
    assert_true(found->placement.is_pinned);
    assert_true(CPU_COUNT(&found->set[0]) == 1);
    assert_true(CPU_ISSET((size_t)cpu, &found->set[0]));
    if (CPU_COUNT(&allowed) > 1)
        expect_warning(found, hint);

    found = try_placement((struct trial) { .n_thread_job = 2, .only_cpu = cpu });
    assert_false(found->placement.is_pinned);
    for (int t = 0; t < 2; t++)
        assert_true(CPU_COUNT(&found->set[t]) == 1 && CPU_ISSET((size_t)cpu, &found->set[t]));
}

static void a_machine_that_is_not_here_pins_nothing(void **state)
{
    const struct found *found =
        try_placement((struct trial) { .synthetic = "Package:2 Core:2 PU:1", .only_cpu = -1 });

    (void)state;
    expect_not_pinned(found, "the plan is for another machine");
    assert_int_equal(found->n_team, 4);
}

static void what_the_system_refuses_is_undone_and_said(void **state)
{
    const struct found *found = try_placement((struct trial) { .synthetic = "Package:1 Core:512 PU:1",
                                                               .is_thissystem = true,
                                                               .allowed = "0-1,510-511",
                                                               .only_cpu = -1 });

    (void)state;
    expect_not_pinned(found, "the system refuses: Invalid argument");
}

static void memory_of_a_rank_in_one_numa_node_is_bound_to_it(void **state)
{
    char numa[64];
    const struct found *found;

    (void)state;
    describe_as_numa(numa, sizeof(numa));
    found = try_placement((struct trial) {
        .n_rank = 2, .n_thread_job = 1, .synthetic = numa, .is_thissystem = true, .only_cpu = -1 });
    assert_true(found[0].placement.is_pinned);
    assert_true(found[1].placement.is_pinned);
    /* hwloc's binding that is not strict */
    assert_true(found[0].memory_policy == MPOL_PREFERRED || found[0].memory_policy == MPOL_PREFERRED_MANY);
    assert_int_equal(found[1].placement.numa, 1); /* which may not exist: no harm */
    found = try_placement(
        (struct trial) { .n_thread_job = 2, .synthetic = numa, .is_thissystem = true, .only_cpu = -1 });
    assert_int_equal(found->placement.n_numa, 2);
    assert_int_equal(found->memory_policy, MPOL_DEFAULT);
}

static void memory_that_somebody_placed_is_left_there(void **state)
{
    char numa[64];
    const struct found *found;

    (void)state;
    describe_as_numa(numa, sizeof(numa));
    found = try_placement((struct trial) { .n_thread_job = 1,
                                           .synthetic = numa,
                                           .is_thissystem = true,
                                           .memory_policy = MPOL_INTERLEAVE,
                                           .only_cpu = -1 });
    assert_true(found->placement.is_pinned);
    assert_int_equal(found->memory_policy, MPOL_INTERLEAVE);
}

/* ---- what libgomp reads when it is loaded: a new program is needed --------------------------- */

static int run_anew(const char *name, const char *value, const char *mode)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        setenv(name, value, 1);
        unsetenv("OMP_NUM_THREADS");
        execl("/proc/self/exe", "test_pinning", mode, (char *)NULL);
        _exit(2);
    }
    assert_true(child > 0);
    assert_true(waitpid(child, &status, 0) == child);
    return status;
}

static int place_alone(struct placement_request *ret_request, struct placement *ret_placement)
{
    struct placement_plan plan;
    struct machine *machine = NULL;
    struct error err = { 0 };

    if (machine_open(&machine, &err))
        return 1;
    placement_request_make(machine, 0, false, ret_request);
    plan = placement_plan_make(machine, 1, ret_request);
    placement_apply(machine, &plan.rank[0]);
    *ret_placement = plan.rank[0];
    placement_plan_free(&plan);
    machine_close(machine);
    return 0;
}

/* The first thread is bound to one cpu before main(), and yet all are counted. */
static int report_bound(void)
{
    struct placement_request request;
    struct placement placement;

    return place_alone(&request, &placement) || placement.is_pinned ||
           !strstr(placement.text, "OMP_PROC_BIND decides") || placement.n_core != atoi(getenv("N_CORE"));
}

static int report_limited(void)
{
    struct placement_request request;
    struct placement placement;

    return place_alone(&request, &placement) || placement.n_thread != 1 ||
           strncmp(placement.text, "1 thread on", 11) != 0 ||
           (placement.n_core > 1 && !strstr(placement.warning, "OpenMP gives 1 of"));
}

static void omp_proc_bind_is_left_to_decide(void **state)
{
    char n_core[16];

    (void)state;
    text_format(n_core, sizeof(n_core), "%d", count_cores());
    setenv("N_CORE", n_core, 1);
    assert_int_equal(run_anew("OMP_PROC_BIND", "true", "bound"), 0);
    assert_int_equal(run_anew("OMP_PROC_BIND", "false", "bound"), 0);
    assert_int_equal(run_anew("OMP_PLACES", "cores", "bound"), 0);
}

static void a_thread_limit_of_openmp_is_reported(void **state)
{
    (void)state;
    assert_int_equal(run_anew("OMP_THREAD_LIMIT", "1", "limited"), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rank_has_a_thread_on_each_core),
        cmocka_unit_test(ranks_that_run_at_once_share_out_the_cores),
        cmocka_unit_test(the_dealer_keeps_one_thread_and_off_the_others),
        cmocka_unit_test(too_many_threads_keep_the_whole_set),
        cmocka_unit_test(the_job_counts_before_openmp_and_openmp_before_slurm),
        cmocka_unit_test(slurm_may_count_hardware_threads),
        cmocka_unit_test(nonsense_in_the_environment_is_ignored),
        cmocka_unit_test(a_process_given_one_cpu_stays_on_it),
        cmocka_unit_test(a_machine_that_is_not_here_pins_nothing),
        cmocka_unit_test(what_the_system_refuses_is_undone_and_said),
        cmocka_unit_test(memory_of_a_rank_in_one_numa_node_is_bound_to_it),
        cmocka_unit_test(memory_that_somebody_placed_is_left_there),
        cmocka_unit_test(omp_proc_bind_is_left_to_decide),
        cmocka_unit_test(a_thread_limit_of_openmp_is_reported),
    };

    if (argc > 1 && !strcmp(argv[1], "bound"))
        return report_bound();
    if (argc > 1 && !strcmp(argv[1], "limited"))
        return report_limited();
    if (getenv("OMP_PROC_BIND") || getenv("OMP_PLACES")) { /* would decide in every case */
        unsetenv("OMP_PROC_BIND");
        unsetenv("OMP_PLACES");
        execv("/proc/self/exe", argv);
    }
    unsetenv("HWLOC_XMLFILE");
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
