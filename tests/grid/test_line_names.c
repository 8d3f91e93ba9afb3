/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What people call lines. */
#include "polyphony/grid.h"

#include <math.h>

#include "../files.h"

static char ids[][GRID_NAME_MAX] = { "H 1 1215.67A", "C 4 1548.19A", "C 4 1550.77A", "He 2 1640.41A",
                                     "O 2 3726.03A", "O 2 3728.81A", "H 1 4861.32A", "O 3 4958.91A",
                                     "O 3 5006.84A", "N 2 6548.05A", "H 1 6562.80A", "N 2 6583.45A",
                                     "S 2 6716.44A", "S 2 6730.82A", "S 3 9530.62A", "He 1 1.08303m",
                                     "H 1 1.87510m", "O 3 88.3323m", "C 2 157.636m" };
static double lambda[] = { 1215.67, 1548.19, 1550.77, 1640.41, 3726.03, 3728.81, 4861.32,
                           4958.91, 5006.84, 6548.05, 6562.8,  6583.45, 6716.44, 6730.82,
                           9530.62, 10830.3, 18751,   883323,  1576360 };
#define N_LINE (sizeof(ids) / sizeof(*ids))

static struct grid grid = { .n_line = N_LINE, .line_id = ids, .line_lambda_rest_angstrom = lambda };

static void names_lead_to_lines(void **state)
{
    static const char *const names[][2] = {
        { "Halpha", "H 1 6562.80A" },        { "H-alpha", "H 1 6562.80A" },
        { "H\u03b1", "H 1 6562.80A" },       { "ha", "H 1 6562.80A" },
        { "Ha6563", "H 1 6562.80A" },        { "H_beta", "H 1 4861.32A" },
        { "Lya", "H 1 1215.67A" },           { "Ly alpha", "H 1 1215.67A" },
        { "Paschen-alpha", "H 1 1.87510m" }, { "[OIII]5007", "O 3 5006.84A" },
        { "OIII_5007", "O 3 5006.84A" },     { "[O III] \u03bb4959", "O 3 4958.91A" },
        { "oiii", "O 3 5006.84A" },          { "O3", "O 3 5006.84A" },
        { "CIV1549", "C 4 1548.19A" },       { "CIV1551", "C 4 1550.77A" },
        { "HeII1640", "He 2 1640.41A" },     { "HeI10830", "He 1 1.08303m" },
        { "[NII]", "N 2 6583.45A" },         { "NII6548", "N 2 6548.05A" },
        { "[SII]6731", "S 2 6730.82A" },     { "siii9531", "S 3 9530.62A" },
        { "[CII]158um", "C 2 157.636m" },    { "[CII]158", "C 2 157.636m" },
        { "OIII88micron", "O 3 88.3323m" },  { "5007", "O 3 5006.84A" },
        { "6563A", "H 1 6562.80A" },         { "H 1 6562.81A", "H 1 6562.80A" },
        { "O  3  5007A", "O 3 5006.84A" },   { "[OII]3727", "O 2 3726.03A" },
        { "H 1 6562.80", "H 1 6562.80A" },   { "h 1 1215.67a", "H 1 1215.67A" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        size_t found[3], n = grid_find_lines(&grid, names[i][0], 3, found);

        if (n == 0 || strcmp(ids[found[0]], names[i][1]))
            fail_msg("'%s' is taken for '%s'", names[i][0], n ? ids[found[0]] : "nothing");
    }
}

static void an_ion_without_a_wavelength_is_all_of_its_lines(void **state)
{
    size_t found[N_LINE];

    (void)state;
    assert_int_equal(grid_find_lines(&grid, "OIII", N_LINE, found), 3);
    assert_string_equal(ids[found[0]], "O 3 5006.84A");
    assert_string_equal(ids[found[2]], "O 3 88.3323m");
    assert_int_equal(grid_find_lines(&grid, "O 2", N_LINE, found), 2);
    assert_int_equal(grid_find_lines(&grid, "O 2", 1, found), 1);
}

static void what_is_like_nothing_is_nothing(void **state)
{
    struct line_meant meant;
    size_t found[3];

    (void)state;
    assert_int_equal(grid_find_lines(&grid, "parsnip", 3, found), 0);
    assert_int_equal(grid_find_lines(&grid, "", 3, found), 0);
    assert_int_equal(grid_find_lines(&grid, "Halpha", 0, found), 0);
    assert_false(grid_read_line_name("parsnip", &meant));
    assert_false(grid_read_line_name("", &meant));
}

/* NIST ASD: H alpha 6562.79, [O III] 5006.843 and 4958.911 in air; below 2000 angstrom there is only vacuum. */
static void air_wavelengths_are_those_of_tables(void **state)
{
    (void)state;
    /* our vacuum wavelengths have two digits, and air's index is known to 1e-8: half a digit and a little */
    assert_true(fabs(grid_air_wavelength(6564.61) - 6562.79) < 0.01);
    assert_true(fabs(grid_air_wavelength(5008.24) - 5006.843) < 0.01);
    assert_true(fabs(grid_air_wavelength(4960.295) - 4958.911) < 0.01);
    assert_true(grid_air_wavelength(1215.67) == 1215.67);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_lead_to_lines),
        cmocka_unit_test(an_ion_without_a_wavelength_is_all_of_its_lines),
        cmocka_unit_test(what_is_like_nothing_is_nothing),
        cmocka_unit_test(air_wavelengths_are_those_of_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
