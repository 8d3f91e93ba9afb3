/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_list(const char *read, const char *written, int n_cpu)
{
    struct cpuset set = { 0 };
    char text[64];

    if (!cpuset_parse(read, &set))
        fail_msg("'%s' is not read", read);
    cpuset_format(&set, text, sizeof(text));
    assert_string_equal(text, written);
    assert_int_equal(cpuset_count(&set), n_cpu);
}

static void lists_are_read_and_written(void **state)
{
    (void)state;
    expect_list("0", "0", 1);
    expect_list("0-7,64-71", "0-7,64-71", 16);
    expect_list("3,1,2", "1-3", 3);
    expect_list("1-9:2", "1,3,5,7,9", 5);
    expect_list("63-64", "63-64", 2);
    expect_list("8191", "8191", 1);
    expect_list("0-8191", "0-8191", CPUSET_MAX);
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const texts[] = { "",
                                         ",",
                                         "1,",
                                         ",1",
                                         "a",
                                         "-1",
                                         "1-",
                                         "3-1",
                                         "1-3:0",
                                         "1-3:",
                                         "1:2",
                                         "8192",
                                         "99999999999999999999",
                                         "1 2",
                                         "1-2-3" };
    struct cpuset set = { .word = { 5 } };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (cpuset_parse(texts[i], &set))
            fail_msg("'%s' is read as a list", texts[i]);
    assert_int_equal(set.word[0], 5); /* untouched */
}

static void a_long_list_ends_in_dots_at_any_length(void **state)
{
    struct cpuset set = { 0 };
    char whole[64], text[64];

    (void)state;
    assert_true(cpuset_parse("1-31:2", &set));
    cpuset_format(&set, whole, sizeof(whole));
    assert_string_equal(whole, "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31");
    for (size_t size = 4; size <= strlen(whole); size++) {
        size_t length;

        memset(text, '#', sizeof(text));
        cpuset_format(&set, text, size);
        length = strlen(text);
        assert_true(length < size);
        assert_true(length >= 3);
        assert_string_equal(text + length - 3, "...");
        assert_memory_equal(text, whole, length - 3); /* whole numbers only */
        assert_true(length == 3 || text[length - 4] == ',');
    }
}

static void numbers_out_of_range_are_in_no_set(void **state)
{
    struct cpuset set = { 0 };

    (void)state;
    cpuset_add(&set, -1);
    cpuset_add(&set, CPUSET_MAX);
    assert_int_equal(cpuset_count(&set), 0);
    assert_false(cpuset_has(&set, -1));
    assert_false(cpuset_has(&set, CPUSET_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_and_written),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(a_long_list_ends_in_dots_at_any_length),
        cmocka_unit_test(numbers_out_of_range_are_in_no_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
