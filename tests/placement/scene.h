/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ranks on a machine that is not here, for the tests of the planner. Every plan made is also held to what all
 * plans must keep (expect_lawful).
 */
#pragma once

#include "polyphony/placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Linux numbers the second hardware threads behind all cores. */
#define EPYC_7542_NPS1 "Package:2 [NUMANode(memory=274877906944)] L3:8 Core:4 PU:2(indexes=2*64:1*2)"
#define EPYC_7542_NPS4 "Package:2 Group:4 [NUMANode(memory=68719476736)] L3:2 Core:4 PU:2(indexes=2*64:1*2)"
#define EPYC_9654      "Package:1 [NUMANode(memory=412316860416)] L3:12 Core:8 PU:2(indexes=2*96:1*2)"
#define TWO_CORES      "Package:1 L3:1 Core:2 PU:1"
#define LAPTOP         "Package:1 L3:1 Core:4 PU:2(indexes=2*4:1*2)"

#define N_RANK_MAX 128

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

struct scene {
    struct machine *machine;
    int n_rank;
    struct placement_request request[N_RANK_MAX];
    struct placement_plan plan;
};

static struct scene scene;

/* ---- setting the scene ----------------------------------------------------------------------- */

static inline int open_scene(void **state)
{
    (void)state;
    scene = (struct scene) { 0 };
    return 0;
}

static inline int close_scene(void **state)
{
    (void)state;
    placement_plan_free(&scene.plan);
    machine_close(scene.machine);
    return 0;
}

/* n_rank ranks that may use everything. */
static inline void set_scene(const char *description, int n_rank, int n_thread)
{
    struct error err = { 0 };

    placement_plan_free(&scene.plan);
    machine_close(scene.machine);
    scene = (struct scene) { .n_rank = n_rank };
    if (description && machine_open_synthetic(description, &scene.machine, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < n_rank; i++)
        scene.request[i].n_thread = n_thread;
    scene.request[0].deals_only = n_rank > 1;
}

static inline void allow(int rank, const char *list)
{
    assert_true(cpuset_parse(list, &scene.request[rank].allowed));
}

static inline int core_of(int cpu)
{
    for (int i = 0; i < scene.machine->n_core; i++)
        for (int k = 0; k < scene.machine->core[i].n_cpu; k++)
            if (scene.machine->core[i].cpu[k] == cpu)
                return i;
    fail_msg("cpu %d is not in the machine", cpu);
    return -1;
}

/* Pinned inside the allowed set, as many threads as asked for, no cpu twice; else it says so. */
static inline void expect_lawful(void)
{
    struct cpuset taken = { 0 };

    for (int i = 0; i < scene.n_rank; i++) {
        const struct placement_request *request = &scene.request[i];
        const struct placement *rank = &scene.plan.rank[i];
        bool is_anywhere = cpuset_count(&request->allowed) == 0;

        if (request->deals_only)
            assert_int_equal(rank->n_thread, 1);
        else if (request->n_thread > 0)
            assert_int_equal(rank->n_thread, request->n_thread);
        else
            assert_in_range(rank->n_thread, 1, PLACEMENT_THREAD_DEFAULT);
        if (!rank->is_pinned) {
            assert_null(rank->cpu);
            if (!strstr(rank->text, "not pinned") && !strstr(rank->text, "on any core"))
                fail_msg("'%s' does not say that it is not pinned", rank->text);
            continue;
        }
        assert_false(request->is_left_alone);
        for (int t = 0; t < rank->n_thread; t++) {
            core_of(rank->cpu[t]);
            if (!is_anywhere && !cpuset_has(&request->allowed, rank->cpu[t]))
                fail_msg("rank %d thread %d sits on cpu %d, outside its set", i, t, rank->cpu[t]);
            if (cpuset_has(&taken, rank->cpu[t]))
                fail_msg("rank %d thread %d: cpu %d is taken twice", i, t, rank->cpu[t]);
            cpuset_add(&taken, rank->cpu[t]);
        }
    }
}

static inline void make_plan(void)
{
    placement_plan_free(&scene.plan);
    scene.plan = placement_plan_make(scene.machine, scene.n_rank, scene.request);
    expect_lawful();
}

static inline void expect_text(int rank, const char *text)
{
    assert_string_equal(scene.plan.rank[rank].text, text);
}

static inline void expect_warning(int rank, const char *part)
{
    if (!strstr(scene.plan.rank[rank].warning, part))
        fail_msg("'%s' does not warn of '%s'", scene.plan.rank[rank].warning, part);
}

static inline void expect_no_warning(void)
{
    for (int i = 0; i < scene.n_rank; i++)
        assert_string_equal(scene.plan.rank[i].warning, "");
}

/* No core has two threads. */
static inline void expect_a_core_each(void)
{
    struct cpuset taken = { 0 };

    for (int i = 0; i < scene.n_rank; i++) {
        const struct placement *rank = &scene.plan.rank[i];

        assert_true(rank->is_pinned || rank->deals_only);
        for (int t = 0; t < rank->n_thread && !rank->deals_only; t++) {
            int core = core_of(rank->cpu[t]);

            if (cpuset_has(&taken, core))
                fail_msg("rank %d thread %d: core %d has two threads", i, t, core);
            cpuset_add(&taken, core);
        }
    }
}

static inline void expect_domains(int first_rank, int n_numa, int n_l3)
{
    for (int i = first_rank; i < scene.n_rank; i++) {
        assert_int_equal(scene.plan.rank[i].n_numa, n_numa);
        assert_int_equal(scene.plan.rank[i].n_l3, n_l3);
    }
}
