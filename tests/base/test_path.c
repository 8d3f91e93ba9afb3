/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a link leads. */
#include "polyphony/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../files.h"

/* A link of this name, in the test's directory, with this target. */
static void make_link(const char *name, const char *target)
{
    assert_int_equal(symlink(target, temp_path(name)), 0);
}

/* Following the path `name` gives `expected`; both in the test's directory, unless they begin with "/". */
static void expect_place(const char *name, const char *expected)
{
    struct error err = { "" };
    char path[600], want[600];
    char *place;

    snprintf(path, sizeof(path), "%s", temp_path(name));
    snprintf(want, sizeof(want), "%s", *expected == '/' ? expected : temp_path(expected));
    place = path_follow(path, &err);
    if (!place || strcmp(place, want))
        fail_msg("'%s' gave '%s' (%s), expected '%s'", path, place ? place : "nothing", err.text, want);
    free(place);
}

static void a_link_is_followed_to_its_end_whether_a_file_is_there_or_not(void **state)
{
    (void)state;
    assert_int_equal(mkdir(temp_path("far"), 0700), 0);
    make_link("first", "far/second");
    make_link("far/second", "third");
    make_link("far/up", "../nothing");
    make_link("absolute", "/nowhere/at/all");
    expect_place("first", "far/third");
    expect_place("far/up", "far/../nothing");
    expect_place("absolute", "/nowhere/at/all");
    fclose(fopen(temp_path("far/third"), "w"));
    expect_place("first", "far/third");
}

static void a_path_that_is_no_link_stays_as_it_is(void **state)
{
    struct error err = { "" };
    char *place = path_follow("./not//there.hdf5", &err);

    (void)state;
    assert_string_equal(place, "./not//there.hdf5");
    free(place);
    expect_place("far", "far");
}

static void links_in_a_circle_lead_nowhere(void **state)
{
    struct error err = { "" };
    char long_path[2 * PATH_BYTES_MAX];

    (void)state;
    make_link("a", "b");
    make_link("b", "a");
    assert_null(path_follow(temp_path("a"), &err));
    EXPECT_PARTS(err.text, "/a", strerror(ELOOP));
    memset(long_path, 'x', sizeof(long_path));
    long_path[sizeof(long_path) - 1] = '\0';
    assert_null(path_follow(long_path, &err));
    EXPECT_PARTS(err.text, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_is_followed_to_its_end_whether_a_file_is_there_or_not),
        cmocka_unit_test(a_path_that_is_no_link_stays_as_it_is),
        cmocka_unit_test(links_in_a_circle_lead_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
