/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = { "load", "emit", "write" };

static void a_new_trace_is_empty(void **state)
{
    struct trace trace;

    (void)state;
    memset(&trace, 0xff, sizeof(trace));
    trace_init(&trace, 3, names);
    assert_int_equal(trace.n_stage, 3);
    assert_string_equal(trace.name[1], "emit");
    for (size_t i = 0; i < TRACE_STAGE_MAX; i++)
        assert_true(trace.ns[i] == 0 && trace.count[i] == 0);
    assert_true(trace_total_ns(&trace) == 0);
}

static void a_stage_lasts_from_its_begin_to_now(void **state)
{
    struct trace trace;
    int64_t begin, before, after, end;

    (void)state;
    trace_init(&trace, 3, names);
    begin = clock_ns() - 5000000000; /* five seconds ago, without waiting for them */
    before = clock_ns();
    end = trace_end(&trace, 1, begin);
    after = clock_ns();
    assert_true(before <= end && end <= after);
    assert_true(trace.ns[1] == end - begin && trace.ns[1] >= 5000000000);
    assert_true(trace.count[1] == 1 && trace.count[0] == 0 && trace.count[2] == 0);
    assert_true(trace.ns[0] == 0 && trace.ns[2] == 0);
}

static void stages_in_turn_add_up_to_the_whole(void **state)
{
    struct trace trace;
    int64_t begin = clock_ns(), now = begin;

    (void)state;
    trace_init(&trace, 3, names);
    for (int i = 0; i < 1000; i++)
        for (size_t s = 0; s < 3; s++)
            now = trace_end(&trace, s, now);
    /* Each stage begins where the one before ended, so nothing is lost: exact in integers. */
    assert_true(trace_total_ns(&trace) == now - begin);
    for (size_t s = 0; s < 3; s++)
        assert_true(trace.count[s] == 1000 && trace.ns[s] >= 0);
}

static void as_many_stages_as_allowed_are_counted(void **state)
{
    static const char *const many[TRACE_STAGE_MAX] = { "first" };
    struct trace trace;
    int64_t now = clock_ns();

    (void)state;
    trace_init(&trace, TRACE_STAGE_MAX, many);
    trace_end(&trace, TRACE_STAGE_MAX - 1, now - 7);
    assert_true(trace.count[TRACE_STAGE_MAX - 1] == 1);
    assert_true(trace_total_ns(&trace) == trace.ns[TRACE_STAGE_MAX - 1] && trace_total_ns(&trace) >= 7);
}

static void a_total_covers_only_the_stages_named(void **state)
{
    struct trace trace;

    (void)state;
    trace_init(&trace, 2, names);
    trace.ns[0] = 3;
    trace.ns[1] = 4;
    trace.ns[2] = 1000;
    assert_true(trace_total_ns(&trace) == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_trace_is_empty),
        cmocka_unit_test(a_stage_lasts_from_its_begin_to_now),
        cmocka_unit_test(stages_in_turn_add_up_to_the_whole),
        cmocka_unit_test(as_many_stages_as_allowed_are_counted),
        cmocka_unit_test(a_total_covers_only_the_stages_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
