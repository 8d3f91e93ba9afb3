/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The planner: ranks fill machines without leaving holes, and whatever is asked, the plan is lawful. */
#include "scene.h"

/* ---- packing --------------------------------------------------------------------------------- */

/* As many ranks of T threads as the domains hold, each domain by itself, lie inside one domain each. */
static void equal_ranks_are_never_fragmented(void **state)
{
    static const struct {
        const char *description;
        int n_numa, n_core_numa, n_l3, n_core_l3;
    } machines[] = { { EPYC_7542_NPS1, 2, 32, 16, 4 },
                     { EPYC_7542_NPS4, 8, 8, 16, 4 },
                     { EPYC_9654, 1, 96, 12, 8 },
                     { "Package:3 [NUMANode] L3:5 Core:7 PU:1", 3, 35, 15, 7 } };

    (void)state;
    for (size_t m = 0; m < sizeof(machines) / sizeof(*machines); m++)
        for (int n_thread = 1; n_thread <= machines[m].n_core_numa; n_thread++) {
            int n_in_numa = machines[m].n_numa * (machines[m].n_core_numa / n_thread);
            int n_in_l3 = machines[m].n_l3 * (machines[m].n_core_l3 / n_thread);

            set_scene(machines[m].description, n_in_numa, n_thread);
            scene.request[0].deals_only = false;
            make_plan();
            expect_a_core_each();
            for (int i = 0; i < n_in_numa; i++) {
                if (scene.plan.rank[i].n_numa != 1 || (i < n_in_l3 && scene.plan.rank[i].n_l3 != 1))
                    fail_msg("%s, rank %d of %d: %s", machines[m].description, i, n_in_numa,
                             scene.plan.rank[i].text);
            }
        }
}

/* Of holes of all sizes: fewest NUMA nodes, then fewest L3 domains, and only then where most is free. */
static void a_rank_avoids_being_split_where_holes_differ(void **state)
{
    static const char machine[] = "Package:2 Group:2 [NUMANode] L3:3 Core:4 PU:1";

    (void)state;
    set_scene(machine, 1, 4); /* two free in each of four L3, or one whole L3 */
    allow(0, "0-1,4-5,8-9,12-13,24-27");
    make_plan();
    expect_text(0, "4 threads on cores 24-27 (cpus 24-27; 1 L3 domain, NUMA node 2)");
    set_scene(machine, 1, 6); /* two L3 of two nodes, or three L3 of one */
    allow(0, "0-2,12-14,24-25,28-29,32-33");
    make_plan();
    expect_text(0,
                "6 threads on cores 24-25,28-29,32-33 (cpus 24-25,28-29,32-33; 3 L3 domains, NUMA node 2)");
    set_scene(machine, 1, 7); /* holes of 2, 4 and 3 */
    allow(0, "0-1,4-7,8-10");
    make_plan();
    expect_text(0, "7 threads on cores 4-10 (cpus 4-10; 2 L3 domains, NUMA node 0)");
}

static void of_domains_that_hold_a_rank_the_fast_one_is_taken(void **state)
{
    (void)state;
    set_scene("Package:1 L3:2 Core:6 PU:1", 1, 4);
    for (int i = 6; i < 10; i++) /* four fast and two slow, or six slow */
        scene.machine->core[i].speed = 1;
    make_plan();
    expect_text(0, "4 threads on cores 6-9 (cpus 6-9; 1 L3 domain)");
}

static void what_is_left_of_a_rank_goes_where_it_fits_tightly(void **state)
{
    (void)state;
    set_scene("Package:1 L3:4 Core:4 PU:1", 2, 6);
    scene.request[0].deals_only = false;
    make_plan();
    /* 4 + 2, and the other 4 + 2 in the L3 that was broken already */
    expect_text(0, "6 threads on cores 0-5 (cpus 0-5; 2 L3 domains)");
    expect_text(1, "6 threads on cores 6-11 (cpus 6-11; 2 L3 domains)");
}

static void the_dealer_does_not_break_up_an_l3(void **state)
{
    (void)state;
    set_scene("Package:1 L3:3 Core:4 PU:1", 3, 3);
    make_plan();
    expect_text(0, "deals, on core 3 (cpu 3)");
}

/* ---- anything -------------------------------------------------------------------------------- */

static int random_below(int n)
{
    return (int)(random() % n);
}

static void random_requests(int n_cpu)
{
    bool are_alike = random_below(2);

    for (int i = 0; i < scene.n_rank; i++) {
        struct placement_request *request = &scene.request[i];
        int first = random_below(n_cpu), length = 1 + random_below(n_cpu), step = 1 + random_below(3);

        *request = are_alike && i > 0 ? scene.request[0] : (struct placement_request) { 0 };
        request->deals_only = i == 0 && random_below(2);
        if (are_alike && i > 0)
            continue;
        request->n_thread = random_below(3) ? random_below(12) : 0;
        request->is_left_alone = random_below(30) == 0;
        for (int cpu = first; cpu < first + length && random_below(8); cpu += step)
            cpuset_add(&request->allowed, cpu % n_cpu);
    }
}

/* Cores for all, if all may use the same. */
static bool has_enough_cores(void)
{
    int n_thread = 0;

    for (int i = 0; i < scene.n_rank; i++) {
        if (memcmp(&scene.request[i].allowed, &scene.request[0].allowed, sizeof(scene.request[0].allowed)) ||
            scene.request[i].is_left_alone)
            return false;
        n_thread += scene.request[i].deals_only ? 0 : scene.plan.rank[i].n_thread;
    }
    return n_thread <= scene.plan.rank[0].n_core;
}

static void any_plan_is_lawful_and_made_alike_by_all_ranks(void **state)
{
    static const char *const machines[] = { EPYC_7542_NPS4, LAPTOP, TWO_CORES, "PU:5",
                                            "Package:2 [NUMANode] L3:3 Core:3 PU:4" };
    int n_enough = 0, n_floating = 0;

    (void)state;
    srandom(20240601);
    for (int i = 0; i < 3000; i++) {
        struct placement_plan first;
        struct cpuset cpus;

        set_scene(machines[random_below(5)], 1 + random_below(12), 0);
        machine_cpus(scene.machine, &cpus);
        random_requests(cpuset_count(&cpus));
        make_plan();
        if (has_enough_cores()) {
            expect_a_core_each();
            n_enough++;
        }
        first = scene.plan;
        scene.plan = (struct placement_plan) { 0 };
        make_plan();
        for (int rank = 0; rank < scene.n_rank; rank++) {
            const struct placement *a = &first.rank[rank], *b = &scene.plan.rank[rank];

            assert_string_equal(a->text, b->text);
            assert_string_equal(a->warning, b->warning);
            assert_int_equal(a->is_pinned, b->is_pinned);
            if (a->is_pinned)
                assert_memory_equal(a->cpu, b->cpu, (size_t)a->n_thread * sizeof(*a->cpu));
            n_floating += !a->is_pinned && !a->deals_only;
        }
        placement_plan_free(&first);
    }
    assert_true(n_enough > 100);
    assert_true(n_floating > 100); /* both kinds were tried */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(equal_ranks_are_never_fragmented),
        SCENE_TEST(a_rank_avoids_being_split_where_holes_differ),
        SCENE_TEST(of_domains_that_hold_a_rank_the_fast_one_is_taken),
        SCENE_TEST(what_is_left_of_a_rank_goes_where_it_fits_tightly),
        SCENE_TEST(the_dealer_does_not_break_up_an_l3),
        SCENE_TEST(any_plan_is_lawful_and_made_alike_by_all_ranks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
