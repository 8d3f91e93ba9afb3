/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How much memory a rank may use: who is asked in which order, on made-up nodes, and limits read from files.
 */
#include "../../src/cli/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../support.h"

#define GB (UINT64_C(1) << 30)

static size_t of_rank(struct memory_facts facts)
{
    const char *source = NULL;
    size_t bytes = memory_of_rank(&facts, &source);

    assert_non_null(source);
    return bytes;
}

static void what_the_job_asks_for_counts_whatever_there_is(void **state)
{
    (void)state;
    assert_int_equal(of_rank((struct memory_facts) { .asked_bytes = 3 * GB,
                                                     .slurm_node_bytes = GB,
                                                     .cgroup_bytes = GB,
                                                     .physical_bytes = GB,
                                                     .n_rank = 8 }),
                     3 * GB);
}

static void slurm_is_asked_before_the_node(void **state)
{
    struct memory_facts facts = { .slurm_node_bytes = 240 * GB, .physical_bytes = 256 * GB, .n_rank = 8 };

    (void)state;
    assert_int_equal(of_rank(facts), 30 * GB);
    facts.slurm_task_bytes = 16 * GB; /* is of a rank already */
    assert_int_equal(of_rank(facts), 16 * GB);
}

static void without_a_batch_system_the_cgroup_and_then_the_node_are_shared_out(void **state)
{
    struct memory_facts facts = { .cgroup_bytes = 64 * GB, .physical_bytes = 250 * GB, .n_rank = 4 };

    (void)state;
    assert_int_equal(of_rank(facts), 16 * GB);
    facts.cgroup_bytes = 0;
    assert_int_equal(of_rank(facts), 50 * GB);
    facts.physical_bytes = 0;
    assert_true(of_rank(facts) == SIZE_MAX);
}

/* SLURM may promise what a container does not let through, or a node does not have. */
static void no_rank_gets_more_than_its_part_of_what_there_is(void **state)
{
    struct memory_facts facts = {
        .slurm_task_bytes = 100 * GB, .cgroup_bytes = 40 * GB, .physical_bytes = 80 * GB, .n_rank = 2
    };

    (void)state;
    assert_int_equal(of_rank(facts), 20 * GB);
    facts.cgroup_bytes = 0;
    assert_int_equal(of_rank(facts), 40 * GB);
}

static uint64_t limit_in_file(const char *text)
{
    char path[] = "/tmp/polyphony-limit-XXXXXX";
    int fd = mkstemp(path);
    uint64_t limit;

    assert_true(fd >= 0);
    assert_int_equal(dprintf(fd, "%s", text), (int)strlen(text));
    close(fd);
    limit = memory_read_limit(path);
    unlink(path);
    return limit;
}

static void limits_of_both_versions_of_cgroups_are_understood(void **state)
{
    (void)state;
    assert_int_equal(limit_in_file("1073741824\n"), GB);
    assert_int_equal(limit_in_file("max\n"), 0);
    assert_int_equal(limit_in_file("9223372036854771712\n"), 0);
    assert_int_equal(limit_in_file(""), 0);
    assert_int_equal(memory_read_limit("/no/such/file"), 0);
}

static void the_environment_of_slurm_is_read(void **state)
{
    struct memory_facts facts;

    (void)state;
    setenv("SLURM_MEM_PER_NODE", "0", 1); /* all of it */
    setenv("SLURM_MEM_PER_CPU", "2000", 1);
    setenv("SLURM_CPUS_PER_TASK", "8", 1);
    memory_find_facts(0, 3, &facts);
    assert_int_equal(facts.slurm_node_bytes, 0);
    assert_int_equal(facts.slurm_task_bytes, UINT64_C(16000) << 20);
    assert_int_equal(facts.asked_bytes, 0);
    assert_true(facts.physical_bytes > 0);
    unsetenv("SLURM_CPUS_PER_TASK");
    setenv("SLURM_MEM_PER_NODE", "191000", 1);
    memory_find_facts(512, 3, &facts);
    assert_int_equal(facts.slurm_node_bytes, UINT64_C(191000) << 20);
    assert_int_equal(facts.slurm_task_bytes, UINT64_C(2000) << 20);
    assert_int_equal(facts.asked_bytes, GB / 2);
    setenv("SLURM_MEM_PER_NODE", "much", 1);
    unsetenv("SLURM_MEM_PER_CPU");
    memory_find_facts(0, 3, &facts);
    assert_int_equal(facts.slurm_node_bytes, 0);
    assert_int_equal(facts.slurm_task_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_job_asks_for_counts_whatever_there_is),
        cmocka_unit_test(slurm_is_asked_before_the_node),
        cmocka_unit_test(without_a_batch_system_the_cgroup_and_then_the_node_are_shared_out),
        cmocka_unit_test(no_rank_gets_more_than_its_part_of_what_there_is),
        cmocka_unit_test(limits_of_both_versions_of_cgroups_are_understood),
        cmocka_unit_test(the_environment_of_slurm_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
