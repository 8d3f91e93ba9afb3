/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The planner: who sits where, on machines of all kinds. */
#include "scene.h"

/* ---- machines of the issue ------------------------------------------------------------------- */

static void a_rank_of_8_takes_two_whole_l3_domains_of_an_epyc_7542(void **state)
{
    (void)state;
    set_scene(EPYC_7542_NPS1, 8, 8);
    make_plan();
    expect_a_core_each();
    expect_domains(1, 1, 2);
    expect_no_warning();
    expect_text(0, "deals, on core 56 (cpu 56)");
    expect_text(1, "8 threads on cores 0-7 (cpus 0-7; 2 L3 domains, NUMA node 0)");
    expect_text(2, "8 threads on cores 32-39 (cpus 32-39; 2 L3 domains, NUMA node 1)");
}

static void eight_workers_fill_it_and_the_dealer_sits_beside_one(void **state)
{
    (void)state;
    set_scene(EPYC_7542_NPS1, 9, 0);
    make_plan();
    expect_a_core_each();
    expect_domains(1, 1, 2);
    expect_no_warning();
    expect_text(0, "deals, on an idle hardware thread of core 0 (cpu 64)");
}

static void each_quarter_of_a_socket_gets_a_rank_with_nps4(void **state)
{
    struct cpuset numa = { 0 };

    (void)state;
    set_scene(EPYC_7542_NPS4, 9, 8);
    make_plan();
    expect_a_core_each();
    expect_domains(1, 1, 2);
    for (int i = 1; i < 9; i++)
        cpuset_add(&numa, scene.plan.rank[i].numa);
    assert_int_equal(cpuset_count(&numa), 8);
}

static void a_rank_larger_than_a_numa_node_stays_in_its_package(void **state)
{
    (void)state;
    set_scene(EPYC_7542_NPS4, 1, 12);
    make_plan();
    expect_text(0, "12 threads on cores 0-11 (cpus 0-11; 3 L3 domains, 2 NUMA nodes)");
    set_scene(EPYC_7542_NPS4, 3, 24);
    make_plan();
    expect_a_core_each();
    expect_domains(1, 3, 6);
    for (int t = 0; t < 24; t++) {
        assert_int_equal(scene.machine->core[core_of(scene.plan.rank[1].cpu[t])].package, 0);
        assert_int_equal(scene.machine->core[core_of(scene.plan.rank[2].cpu[t])].package, 1);
    }
    set_scene(EPYC_7542_NPS4, 1, 40);
    make_plan();
    expect_domains(0, 5, 10);
}

static void a_rank_of_8_takes_one_l3_domain_of_an_epyc_9654(void **state)
{
    (void)state;
    set_scene(EPYC_9654, 13, 0);
    make_plan();
    expect_a_core_each();
    expect_domains(1, 1, 1);
    expect_text(12, "8 threads on cores 88-95 (cpus 88-95; 1 L3 domain)");
    expect_text(0, "deals, on an idle hardware thread of core 0 (cpu 96)");
}

/* Six fast cores of two threads, cpus 0-11, and eight slow ones, cpus 12-19, behind one L3. */
static struct machine *make_hybrid(void)
{
    struct machine *machine = mem_array(1, sizeof(*machine));

    assert_non_null(machine);
    *machine = (struct machine) { .n_core = 14, .n_package = 1, .n_numa = 1, .n_l3 = 1, .has_l3 = true };
    machine->core = mem_array(14, sizeof(*machine->core));
    machine->numa_bytes = mem_array(1, sizeof(*machine->numa_bytes));
    assert_true(machine->core);
    assert_true(machine->numa_bytes);
    for (int i = 0; i < 6; i++)
        machine->core[i] = (struct machine_core) { .speed = 1, .n_cpu = 2, .cpu = { 2 * i, 2 * i + 1 } };
    for (int i = 6; i < 14; i++)
        machine->core[i] = (struct machine_core) { .n_cpu = 1, .cpu = { 6 + i } };
    return machine;
}

static void fast_cores_go_first_and_the_dealer_takes_a_slow_one(void **state)
{
    (void)state;
    set_scene(NULL, 2, 6);
    scene.machine = make_hybrid();
    make_plan();
    expect_text(1, "6 threads on cores 0-5 (cpus 0,2,4,6,8,10)");
    expect_text(0, "deals, on core 6 (cpu 12)");
    scene.request[1].n_thread = 4; /* two fast ones are free */
    make_plan();
    expect_text(0, "deals, on core 6 (cpu 12)");
    scene.request[1].n_thread = 8;
    make_plan();
    expect_text(1, "8 threads on cores 0-7 (cpus 0,2,4,6,8,10,12-13)");
    scene.request[1].n_thread = 18; /* 20 hardware threads */
    make_plan();
    assert_true(scene.plan.rank[1].is_pinned);
    expect_warning(1, "threads share cores: 18 threads on 14 cores with 20 hardware threads");
}

static void two_cores_are_shared_by_two_ranks_and_the_dealer_floats(void **state)
{
    (void)state;
    set_scene(TWO_CORES, 1, 0);
    make_plan();
    expect_text(0, "2 threads on cores 0-1 (cpus 0-1)");
    set_scene(TWO_CORES, 3, 0);
    make_plan();
    expect_text(0, "deals, on any core: none is left to it");
    expect_text(1, "1 thread on core 0 (cpu 0)");
    expect_text(2, "1 thread on core 1 (cpu 1)");
    expect_no_warning();
}

static void a_cgroup_of_odd_cores_is_not_left(void **state)
{
    (void)state;
    set_scene(EPYC_7542_NPS1, 5, 0);
    for (int i = 0; i < 5; i++)
        allow(i, "1-63:2,65-127:2");
    make_plan();
    expect_a_core_each();
    expect_domains(1, 1, 4);
    expect_text(1,
                "8 threads on cores 1,3,5,7,9,11,13,15 (cpus 1,3,5,7,9,11,13,15; 4 L3 domains, NUMA node 0)");
    assert_int_equal(scene.plan.rank[1].n_core, 32);
}

/* ---- what the launcher gave ------------------------------------------------------------------ */

static void ranks_bound_apart_by_the_launcher_stay_where_they_are(void **state)
{
    (void)state;
    set_scene(EPYC_7542_NPS1, 4, 0);
    allow(0, "0-15");
    allow(1, "16-31");
    allow(2, "32-35");
    allow(3, "48-63,112-127");
    make_plan();
    expect_text(0, "deals, on core 0 (cpu 0)");
    expect_text(
        1, "8 threads on cores 16-23 (cpus 16-23; 2 L3 domains, NUMA node 0); 8 cores are idle: more ranks "
           "would use them");
    expect_text(2, "4 threads on cores 32-35 (cpus 32-35; 1 L3 domain, NUMA node 1)");
    assert_int_equal(scene.plan.rank[3].n_core, 16);
}

static void of_overlapping_sets_the_smallest_chooses_first(void **state)
{
    (void)state;
    set_scene(EPYC_7542_NPS1, 3, 8);
    scene.request[0].deals_only = false;
    allow(0, "0-31");
    allow(1, "0-7");
    allow(2, "4-19");
    make_plan();
    expect_a_core_each();
    expect_text(1, "8 threads on cores 0-7 (cpus 0-7; 2 L3 domains, NUMA node 0)");
    expect_text(2, "8 threads on cores 8-15 (cpus 8-15; 2 L3 domains, NUMA node 0)");
    expect_text(0, "8 threads on cores 16-23 (cpus 16-23; 2 L3 domains, NUMA node 0)");
}

static void an_automatic_rank_makes_do_with_what_overlapping_sets_leave(void **state)
{
    (void)state;
    set_scene("Package:1 L3:1 Core:10 PU:1", 3, 0);
    scene.request[0].deals_only = false;
    allow(0, "0-3"); /* 4 / 2 ranks = 2 */
    allow(1, "2-6"); /* 5 / 3 ranks = 1 */
    allow(2, "4-9"); /* 6 / 2 ranks = 3 */
    make_plan();
    expect_a_core_each();
    assert_int_equal(scene.plan.rank[0].n_thread, 2);
    assert_int_equal(scene.plan.rank[1].n_thread, 1);
    assert_int_equal(scene.plan.rank[2].n_thread, 3);
    set_scene("Package:1 L3:1 Core:4 PU:1", 3, 0);
    scene.request[0].deals_only = false;
    allow(0, "0-1");
    allow(1, "0-1");
    allow(2, "0-3"); /* 4 / 3 ranks = 1 */
    make_plan();
    expect_a_core_each();
}

static void an_automatic_rank_shrinks_before_it_shares_a_core(void **state)
{
    (void)state;
    set_scene("Package:1 L3:1 Core:6 PU:2", 3, 0);
    scene.request[0].deals_only = false;
    allow(1, "0-5"); /* 3 cores, all wanted */
    scene.request[1].n_thread = 3;
    allow(2, "6-9"); /* 2 */
    scene.request[2].n_thread = 2;
    make_plan(); /* 6 cores / 3 ranks = 2, and 1 is left */
    expect_text(0, "1 thread on core 5 (cpu 10)");
    expect_no_warning();
}

static void ranks_bound_to_the_hardware_threads_of_one_core_keep_them(void **state)
{
    (void)state;
    set_scene(LAPTOP, 2, 1);
    scene.request[0].deals_only = false;
    allow(0, "0");
    allow(1, "4");
    make_plan();
    expect_text(0, "1 thread on core 0 (cpu 0)");
    expect_text(1, "1 thread on core 0 (cpu 4)");
    expect_warning(0, "threads share cores: 2 threads on 1 core with 2 hardware threads");
}

static void a_rank_on_one_core_is_told_of_the_launcher(void **state)
{
    static const char hint[] =
        "the launcher (or taskset, or a cgroup) allows one core only; 'mpirun --bind-to none' allows all";

    (void)state;
    set_scene(EPYC_7542_NPS1, 3, 0);
    allow(0, "0,64");
    allow(1, "1,65");
    allow(2, "2,66");
    make_plan();
    expect_warning(1, hint);
    assert_string_equal(scene.plan.rank[0].warning, ""); /* it deals */
    assert_string_equal(scene.plan.rank[2].warning, ""); /* said once */
    scene.request[1].n_thread = scene.request[2].n_thread = 1;
    make_plan();
    expect_no_warning();
}

static void cpus_that_the_machine_does_not_have_pin_nothing(void **state)
{
    (void)state;
    set_scene(TWO_CORES, 2, 0);
    allow(1, "100-103");
    make_plan();
    expect_text(1, "1 thread, not pinned: none of its cpus is in the description of this machine");
}

/* ---- too many threads ------------------------------------------------------------------------ */

static void threads_share_cores_before_they_float(void **state)
{
    (void)state;
    set_scene(EPYC_7542_NPS1, 9, 16);
    make_plan();
    expect_domains(1, 1, 2); /* 16 threads on the 8 cores that are a rank's share */
    expect_text(1, "16 threads on cores 0-7 (cpus 0-7,64-71; 2 L3 domains, NUMA node 0)");
    expect_text(0, "deals, on any core: none is left to it");
    expect_warning(
        1, "threads share cores: 128 threads on 64 cores with 128 hardware threads; 8 threads a rank would "
           "have a core each");
    assert_string_equal(scene.plan.rank[2].warning, "");
    set_scene(EPYC_7542_NPS1, 3, 48); /* all cores are in use, some twice */
    make_plan();
    expect_domains(1, 1, 8);
}

static void more_ranks_than_cores_share_hardware_threads(void **state)
{
    (void)state;
    set_scene(LAPTOP, 8, 0);
    make_plan();
    for (int i = 1; i < 8; i++)
        assert_true(scene.plan.rank[i].is_pinned);
    expect_text(5, "1 thread on core 0 (cpu 4)");
    expect_warning(1,
                   "7 threads on 4 cores with 8 hardware threads; with fewer ranks each would have its own");
    expect_text(0, "deals, on an idle hardware thread of core 3 (cpu 7)");
    set_scene(LAPTOP, 3, 3); /* 3 + 3 threads do not fit whole cores: 2 cores each hold 4 */
    make_plan();
    assert_true(scene.plan.rank[1].is_pinned);
    assert_true(scene.plan.rank[2].is_pinned);
    set_scene("Package:1 L3:1 Core:2 PU:2", 3, 1);
    scene.request[1].n_thread = 3;
    make_plan();
    assert_true(scene.plan.rank[1].is_pinned);
    assert_true(scene.plan.rank[2].is_pinned);
}

static void too_many_threads_are_all_left_free(void **state)
{
    (void)state;
    set_scene("Package:1 L3:2 Core:8 PU:1", 4, 8);
    make_plan();
    for (int i = 1; i < 4; i++)
        expect_text(i, "8 threads, not pinned: 24 threads on 16 cores");
    expect_text(0, "deals, on any core: none is left to it");
    expect_warning(1, "threads share cores: 24 threads on 16 cores; 5 threads a rank would have a core each");
}

static void one_crowded_group_does_not_unpin_another(void **state)
{
    (void)state;
    set_scene("Package:2 L3:1 Core:4 PU:1", 4, 4);
    scene.request[0].deals_only = false;
    allow(0, "0-3");
    allow(1, "4-7");
    allow(2, "4-7");
    allow(3, "4-7");
    make_plan();
    expect_text(0, "4 threads on cores 0-3 (cpus 0-3; 1 L3 domain)");
    expect_text(3, "4 threads, not pinned: 12 threads on 4 cores");
}

static void openmp_is_left_to_decide_if_it_wants_to(void **state)
{
    (void)state;
    set_scene(EPYC_7542_NPS1, 3, 0);
    for (int i = 0; i < 3; i++)
        scene.request[i].is_left_alone = true;
    make_plan();
    expect_text(0, "deals, not pinned: OMP_PROC_BIND decides");
    expect_text(1, "8 threads, not pinned: OMP_PROC_BIND decides");
    expect_warning(1, "OMP_PROC_BIND knows nothing of the other ranks");
}

static void a_rank_alone_on_a_large_machine_says_what_is_idle(void **state)
{
    (void)state;
    set_scene(EPYC_7542_NPS1, 1, 0);
    make_plan();
    expect_text(
        0,
        "8 threads on cores 0-7 (cpus 0-7; 2 L3 domains, NUMA node 0); 56 cores are idle: more ranks would "
        "use them");
    set_scene(EPYC_7542_NPS1, 4, 0); /* one speaks for all */
    make_plan();
    assert_non_null(strstr(scene.plan.rank[1].text, "39 cores are idle"));
    assert_null(strstr(scene.plan.rank[2].text, "idle"));
    set_scene(EPYC_7542_NPS1, 1, 8); /* it was asked for */
    make_plan();
    expect_text(0, "8 threads on cores 0-7 (cpus 0-7; 2 L3 domains, NUMA node 0)");
}

static void a_warning_of_all_ranks_is_said_once(void **state)
{
    (void)state;
    set_scene(TWO_CORES, 4, 1);
    for (int i = 0; i < 4; i++)
        text_format(scene.request[i].warning, sizeof(scene.request[i].warning), "these disagree");
    make_plan();
    assert_string_equal(scene.plan.rank[0].warning, "these disagree");
    expect_warning(1, "threads share cores: 3 threads on 2 cores");
    assert_null(strstr(scene.plan.rank[1].warning, "disagree"));
    assert_string_equal(scene.plan.rank[2].warning, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_rank_of_8_takes_two_whole_l3_domains_of_an_epyc_7542),
        SCENE_TEST(eight_workers_fill_it_and_the_dealer_sits_beside_one),
        SCENE_TEST(each_quarter_of_a_socket_gets_a_rank_with_nps4),
        SCENE_TEST(a_rank_larger_than_a_numa_node_stays_in_its_package),
        SCENE_TEST(a_rank_of_8_takes_one_l3_domain_of_an_epyc_9654),
        SCENE_TEST(fast_cores_go_first_and_the_dealer_takes_a_slow_one),
        SCENE_TEST(two_cores_are_shared_by_two_ranks_and_the_dealer_floats),
        SCENE_TEST(a_cgroup_of_odd_cores_is_not_left),
        SCENE_TEST(ranks_bound_apart_by_the_launcher_stay_where_they_are),
        SCENE_TEST(of_overlapping_sets_the_smallest_chooses_first),
        SCENE_TEST(an_automatic_rank_makes_do_with_what_overlapping_sets_leave),
        SCENE_TEST(an_automatic_rank_shrinks_before_it_shares_a_core),
        SCENE_TEST(ranks_bound_to_the_hardware_threads_of_one_core_keep_them),
        SCENE_TEST(a_rank_on_one_core_is_told_of_the_launcher),
        SCENE_TEST(cpus_that_the_machine_does_not_have_pin_nothing),
        SCENE_TEST(threads_share_cores_before_they_float),
        SCENE_TEST(more_ranks_than_cores_share_hardware_threads),
        SCENE_TEST(too_many_threads_are_all_left_free),
        SCENE_TEST(one_crowded_group_does_not_unpin_another),
        SCENE_TEST(openmp_is_left_to_decide_if_it_wants_to),
        SCENE_TEST(a_rank_alone_on_a_large_machine_says_what_is_idle),
        SCENE_TEST(a_warning_of_all_ranks_is_said_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
