/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Filter files made from nothing, and what is expected of them. */
#pragma once

#include "polyphony/instrument.h"

#include <math.h>

#include "../files.h"

static const char *write_bytes(const char *name, const char *bytes, size_t n)
{
    const char *path = temp_path(name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    return path;
}

static const char *write_curve(const char *text)
{
    return write_bytes("curve.txt", text, strlen(text));
}

/* The curve that most files here hold: 4000, 5000, 6000 angstrom with 0, 0.5, 0.25. */
static void expect_curve(const char *what, const struct filter *filter)
{
    static const double lambda[] = { 4000, 5000, 6000 }, transmission[] = { 0, 0.5, 0.25 };

    if (filter->n != 3)
        fail_msg("%s: %zu rows", what, filter->n);
    for (size_t i = 0; i < 3; i++)
        /* a unit is one multiplication */
        if (fabs(filter->lambda_angstrom[i] / lambda[i] - 1) > 1e-15 ||
            fabs(filter->transmission[i] - transmission[i]) > 1e-16)
            fail_msg("%s: row %zu is %.17g %.17g", what, i, filter->lambda_angstrom[i],
                     filter->transmission[i]);
}

/* Read as that curve, with this many warnings, the first of which has a part. */
static void expect_read(const char *text, size_t n_warning, const char *part)
{
    struct filter filter = { 0 };
    struct warnings warnings = { 0 };
    struct error err = { "" };

    if (filter_read(write_curve(text), "A/B.C", &warnings, &filter, &err))
        fail_msg("'%s': %s", text, err.text);
    expect_curve(text, &filter);
    assert_string_equal(filter.code, "A/B.C");
    if (warnings.n != n_warning)
        fail_msg("'%s': %zu warnings: %s", text, warnings.n, warnings.n ? warnings.text[0] : "");
    if (part)
        EXPECT_PARTS(warnings.text[0], part, "curve.txt", "'A/B.C'");
    filter_free(&filter);
    filter_free(&filter); /* twice is fine */
}

static void expect_refused(const char *text, const char *first, const char *second, const char *third)
{
    struct filter filter = { .n = 77 };
    struct error err = { "" };
    int r = filter_read(write_curve(text), "F", NULL, &filter, &err);

    if (r != POLYPHONY_INPUT)
        fail_msg("'%s': %d", text, r);
    EXPECT_PARTS(err.text, "curve.txt", first, second, third);
    assert_int_equal(filter.n, 77);
}
