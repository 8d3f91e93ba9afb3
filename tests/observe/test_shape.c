/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Job files of a shape that no job has are refused at once. libyaml takes minutes to hours for those here
 * that are nested 300,000 deep: such a test would run into its time limit.
 */
#include "polyphony/operations.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "catalogue: c.hdf5\ngrid: g.hdf5\noperations: {sfh: {}}\n"
#define DEEP 300000

/* HEAD, `before`, `piece` n times, `after`; to be freed. */
static char *text_of(const char *before, const char *piece, size_t n, const char *after)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    fprintf(out, HEAD "%s", before);
    for (size_t i = 0; i < n; i++)
        fputs(piece, out);
    fputs(after, out);
    fclose(out);
    return text;
}

static void expect(int code, const char *before, const char *piece, size_t n, const char *after,
                   const char *part)
{
    char *text = text_of(before, piece, n, after);
    struct error err = { "" };
    struct job *job = NULL;
    int r = job_parse("job.yaml", text, job_operation_list, &job, &err);

    if (r != code || !strstr(err.text, part))
        fail_msg("'%s' and %zu '%s': %d, '%s', expected %d, '%s'", before, n, piece, r, err.text, code, part);
    job_free(job);
    free(text);
}

static void what_is_nested_too_deep_is_refused_at_once(void **state)
{
    const char *deep = "job.yaml:4: lists and mappings are nested more than 16 deep";

    (void)state;
    expect(POLYPHONY_USAGE, "redshift: ", "[", DEEP, "", deep);
    expect(POLYPHONY_USAGE, "redshift: ", "{a: ", DEEP, "", deep);
    expect(POLYPHONY_USAGE, "redshift: ", "[{a: ", DEEP, "", deep);
    expect(POLYPHONY_USAGE, "redshift: ", "&a [", DEEP, "", deep);
    expect(POLYPHONY_USAGE, "", "? ", DEEP, "", deep);
    expect(POLYPHONY_USAGE, "---\n", "[", DEEP, "",
           ":5: lists and mappings are nested"); /* a second document */
    expect(POLYPHONY_USAGE, "redshift:\n", "- ", DEEP, "1", ":5: lists and mappings are nested");
    expect(POLYPHONY_USAGE, "redshift: ", "[", 16, "]]]]]]]]]]]]]]]]",
           deep); /* with the document's own, 17 */
    expect(POLYPHONY_USAGE, "redshift: ", "[", 15, "]]]]]]]]]]]]]]]", "redshift: expected a single value");
}

static void brackets_in_texts_and_comments_are_no_nesting(void **state)
{
    (void)state;
    expect(0, "# ", "[", DEEP, "", "");
    expect(0, "output: \"", "[", DEEP, "\"", "");
    expect(0, "output: '", "{a: ", DEEP, "'", "");
    expect(0, "output: |\n  ", "- [", DEEP, "", "");
    expect(0, "output: a", "[", DEEP, "", "");
}

static void many_anchors_are_refused_at_once(void **state)
{
    (void)state;
    expect(POLYPHONY_USAGE, "redshift: [", "&a x,", 150000, "]", ":4: more than 256 anchors");
    expect(0, "output: &name o.hdf5\n", "", 0, "trace_output: t.hdf5", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_nested_too_deep_is_refused_at_once),
        cmocka_unit_test(brackets_in_texts_and_comments_are_no_nesting),
        cmocka_unit_test(many_anchors_are_refused_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
