/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text with columns in all the forms that people have it in, and what is said of lines that are wrong. */
#include "curves.h"

/* ---- columns ------------------------------------------------------------------------------------ */

static void columns_are_read_however_they_are_parted(void **state)
{
    static const char *const texts[] = {
        "4000 0\n5000 0.5\n6000 0.25\n",
        "4000 0\r\n5000 0.5\r\n6000 0.25\r\n",
        "4000 0\r5000 0.5\r6000 0.25",
        "\xef\xbb\xbf"
        "4000 0\n5000 0.5\n6000 0.25\n",
        "4000,0\n5000,0.5\n6000,0.25\n",
        "4000;0\n5000;0.5;\n6000;0.25\n",
        "4000\t0\n5000\t0.5\n\t6000\t,\t0.25\n ,\n\n",
        "\"4000\",\"0\"\n\"5000\",\"0.5\"\n\"6000\",\"0.25\"\n",
        "4000,0;0,0\n5000,0;0,5\n6000,0;0,25\n",
        "4000,0 0,0\n5000,0 0,5\n6000,0 0,25\n",
        "4.0D+03 0.0D0\n5.0d3 5.0D-01\n6000 0.25d0\n",
        "4.0+003 0\n5.0+003 5.0-001\n6000 .25\n",
        "4000 0 # half\n5000 0.5 ! c\n6000 0.25 // c\n\x1a",
        "6000 0.25\n5000 0.5\n4000 0\n",
        "4000 0\n5000 0.5\n5000 0.5\n5000 0.5\n6000 0.25\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        expect_read(texts[i], 0, NULL);
}

static void comments_and_titles_of_all_kinds_are_skipped(void **state)
{
    static const char *const texts[] = {
        "# a b c\n4000 0\n#5000 1\n5000 0.5\n6000 0.25\n",
        "! a 1 2\n% b\n// c\n; d\n-- e\n\\ f\n| g\n4000 0\n5000 0.5\n6000 0.25\n",
        "wavelength transmission\n4000 0\n5000 0.5\n6000 0.25\n",
        "\"Wavelength\",\"Transmission\"\n4000,0\n5000,0.5\n6000,0.25\n",
        "KURUCZ 1\n4000 0\n5000 0.5\n6000 0.25\n",
        "Filter 17 of 30\n4000 0\n5000 0.5\n6000 0.25\n",
        "Filter 17 30\n4000 0\n5000 0.5\n6000 0.25\n",
        "nanoscale coating\n4000 0\n5000 0.5\n6000 0.25\n",
        "typedef struct {\n  double lambda;\n  double pass;\n} KCFILTER;\n\nKCFILTER 4000 0\nKCFILTER 5000 "
        "0.5\n"
        "KCFILTER 6000 0.25\n",
        "3\n4000 0\n5000 0.5\n6000 0.25\n",
        "KURUCZ 4000 0\nKURUCZ 5000 0.5\nKURUCZ 6000 0.25\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        expect_read(texts[i], 0, NULL);
}

static void columns_are_chosen_by_their_names(void **state)
{
    (void)state;
    expect_read("transmission wavelength\n0 4000\n0.5 5000\n0.25 6000\n", 0, NULL);
    expect_read("n,lambda,T\n1,4000,0\n2,5000,0.5\n3,6000,0.25\n", 1, "from number 2 (lambda)");
    expect_read("# wave glass total\n4000 1 0\n5000 1 0.5\n6000 1 0.25\n", 1, "from number 3 (total)");
    expect_read("4000 0 9\n5000 0.5 8\n6000 0.25 7\n", 1, "of 3 columns");
    expect_read("4000 0 first\n5000 0.5 second row\n6000 0.25\n", 0, NULL);
    expect_read("typedef struct {\n double lambda;\n double pass_1_0;\n double pass;\n} K;\nK 4000 1 0\nK "
                "5000 1 0.5\n"
                "K 6000 1 0.25\n",
                1, "from number 3 (pass)");
}

static void a_first_column_of_words_has_its_name_in_ecsv(void **state)
{
    (void)state;
    expect_read("# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: band, datatype: string}\n"
                "# - {name: wave, unit: nm, datatype: float64}\n# - {name: trans, datatype: float64}\n"
                "band,wave,trans\nJ,400,0\nJ,500,0.5\nJ,600,0.25\n",
                0, NULL);
}

static void long_curves_are_read_whole(void **state)
{
    const char *path = temp_path("long.txt");
    FILE *file = fopen(path, "w");
    struct filter filter = { 0 };
    struct error err = { "" };

    (void)state;
    for (int i = 1; i <= 5000; i++)
        fprintf(file, "%d.5 %g\n", i, i / 5000.0);
    fclose(file);
    EXPECT_OK(filter_read(path, "long", NULL, &filter, &err), err);
    assert_int_equal(filter.n, 5000);
    assert_true(filter.lambda_angstrom[4999] == 5000.5);
    assert_true(filter.transmission[4999] == 1);
    filter_free(&filter);
}

static void a_wavelength_with_two_transmissions_is_a_step(void **state)
{
    struct filter filter = { 0 };
    struct error err = { "" };

    (void)state;
    EXPECT_OK(filter_read(write_curve("4000 0\n4000 1\n5000 1\n5000 0\n"), "box", NULL, &filter, &err), err);
    assert_int_equal(filter.n, 4);
    assert_true(filter.lambda_angstrom[0] == 4000);
    assert_true(filter.lambda_angstrom[1] == 4000);
    assert_true(filter.transmission[0] == 0);
    assert_true(filter.transmission[1] == 1);
    assert_true(filter.transmission[3] == 0);
    filter_free(&filter);
    /* and descending, the other way round */
    EXPECT_OK(filter_read(write_curve("5000 0.5\n4000 0.5\n4000 0\n3000 0\n"), "edge", NULL, &filter, &err),
              err);
    assert_true(filter.lambda_angstrom[1] == 4000);
    assert_true(filter.transmission[1] == 0);
    assert_true(filter.lambda_angstrom[2] == 4000);
    assert_true(filter.transmission[2] == 0.5);
    filter_free(&filter);
}

/* ---- units --------------------------------------------------------------------------------------- */

static void units_are_those_that_the_file_says(void **state)
{
    static const char *const nm[] = {
        "# wavelength [nm] transmission\n",
        "# Wavelength (nm), Transmission\n",
        "wavelength_nm,transmission\n",
        "nm,throughput\n",
        "# lambda in nm\n",
        "# Units: nm\n",
        "# wavelength in nanometers; the pivot wavelength is 0.51 micron\n",
        "! WAVELENGTH (NM)\n",
        "wavelength transmission\nnm -\n",
        "Wavelength [nm]\tTransmission\n",
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: wavelength, unit: nm, datatype: float64}\n"
        "# - {name: response, datatype: float64}\n# meta: {note: from a table in Angstrom}\nwavelength "
        "response\n",
        "# %ECSV 1.0\n# ---\n# datatype:\n# - name: wavelength\n#   unit: nm\n# - name: response\nwavelength "
        "response\n",
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: x, unit: nm}\n# - {name: y}\nx y\n",
        "wavelengthnm T\n",
        "# wavelength [10^-9 m] T\n",
    };
    static const char *const micron[] = {
        "# wavelength (micron)\n",          "wave_um thr\n",
        "# wavelength/\xc2\xb5m  T\n",      "# Wavelength is in microns, converted from Angstrom\n",
        "# wavelength [\xce\xbcm] T [-]\n", "micron trans\n",
        "# xref: 2.0 nm\n# xunit: um\n",    "// lambda(um) transmission(0-1)\n",
    };
    char text[600];

    (void)state;
    for (size_t i = 0; i < sizeof(nm) / sizeof(*nm); i++) {
        snprintf(text, sizeof(text), "%s400 0\n500 0.5\n600 0.25\n", nm[i]);
        expect_read(text, 0, NULL);
    }
    for (size_t i = 0; i < sizeof(micron) / sizeof(*micron); i++) {
        snprintf(text, sizeof(text), "%s0.4 0\n0.5 0.5\n0.6 0.25\n", micron[i]);
        expect_read(text, 0, NULL);
    }
    expect_read("# wavelength in AA, flux in erg/s/cm2/nm\n4000 0\n5000 0.5\n6000 0.25\n", 0, NULL);
    expect_read("# nm, fraction\n400 0\n500 0.5\n600 0.25\n", 1, "taken as 'nm', which line 1 mentions");
    expect_read("# Wavelength [A], flux per Hz, noise [Hz]\n4000 0\n5000 0.5\n6000 0.25\n", 0, NULL);
    expect_read("wavelength T\n# in AA\n4000 0\n5000 0.5\n6000 0.25\n", 0, NULL);
    expect_read("# lambda T\n# noise (Hz)\n4000 0\n5000 0.5\n6000 0.25\n", 0, NULL);
    expect_read("# lambda in nm\n# effective wavelength\n503.5\n400 0\n500 0.5\n600 0.25\n", 1,
                "line 3 holds one number, 503.5,");
    expect_read("# x\n# energy\n4000 0\n5000 0.5\n6000 0.25\n", 1, "counts energy");
    expect_read("# Units: lambda/Angstroem, throughput/au\n4000 0\n5000 0.5\n6000 0.25\n", 0, NULL);
    expect_read("# wavelength [pm] T\n400000 0\n500000 0.5\n600000 0.25\n", 0, NULL);
    expect_read("# wavelength [vacuum] T\n4000 0\n5000 0.5\n6000 0.25\n", 0, NULL);
    expect_read("# wavelength [foot] T\n4000 0\n5000 0.5\n6000 0.25\n", 1, "'foot' behind the wavelengths");
    expect_read("# wavelength [0.1 nm]\n4000 0\n5000 0.5\n6000 0.25\n", 0, NULL);
    expect_read("# wavelength (10 nm)\n40 0\n50 0.5\n60 0.25\n", 0, NULL);
    expect_read("# wavelength (500 nm)\n4000 0\n5000 0.5\n6000 0.25\n", 0, NULL); /* not a unit */
    expect_read("-- 4000 of them\n4000 0\n5000 0.5\n6000 0.25\n", 0, NULL);
    expect_read("# 10 nm wide, seen from 3 m\n4000 0\n5000 0.5\n6000 0.25\n", 0, NULL);
}

static void units_that_cannot_be_right_are_refused_or_doubted(void **state)
{
    struct filter filter = { 0 };
    struct warnings warnings = { 0 };
    struct error err = { "" };

    (void)state;
    expect_refused("0.9 0\n1.1 1\n1.3 0\n", "0.9 to 1.3", "no unit is said",
                   "# wavelength [nm] transmission");
    expect_refused("# about microns\n9000 0\n11000 1\n13000 0\n", "9000 to 13000", "'microns'", "line 1");
    expect_refused("3e14 0\n4e14 1\n5e14 0\n", "3e+14 to 5e+14", "no unit is said", "angstrom");
    expect_refused("# frequency [THz] transmission\n3000 0\n4000 1\n5000 0\n", "line 1", "frequencies",
                   "wavelength");
    expect_refused("# units: THz\n3000 0\n4000 1\n5000 0\n", "line 1", "frequencies", "wavelength");
    expect_refused("# wavenumber (cm-1), T\n3000 0\n4000 1\n5000 0\n", "line 1", "wave numbers",
                   "wavelength");
    expect_refused("frequency transmission\n3e14 0\n4e14 1\n5e14 0\n", "line 1", "'frequency'",
                   "a wavelength is needed");
    expect_refused("# wavelength in nm\n# wavelength in angstrom\n4000 0\n5000 1\n", "'nm' by line 1",
                   "'angstrom' by line 2", "[unit]");
    expect_refused(
        "# %ECSV 1.0\n# datatype:\n# - {name: wavelength, unit: Hz}\n# - {name: t}\nwavelength t\n4000 0\n",
        "'Hz'", "not understood", "angstrom");
    EXPECT_OK(filter_read(write_curve("900 0\n1100 1\n1300 0\n"), "F", &warnings, &filter, &err), err);
    assert_int_equal(warnings.n, 1);
    EXPECT_PARTS(warnings.text[0], "no unit is said", "10", "if they are nm");
    filter_free(&filter);
}

/* ---- transmissions ------------------------------------------------------------------------------- */

static void transmissions_outside_0_to_1_are_clipped_or_scaled_and_said(void **state)
{
    struct filter filter = { 0 };
    struct warnings warnings = { 0 };
    struct error err = { "" };

    (void)state;
    expect_read("4000 -0.001\n5000 0.5\n6000 0.25\n", 1, "(down to -0.001, line 1)");
    expect_read("# wavelength transmission (%)\n4000 0\n5000 50\n6000 25\n", 0, NULL);
    expect_read("# transmission in per cent\n4000 0\n5000 50\n6000 25\n", 0, NULL);
    expect_read("4000 0 %\n5000 50 %\n6000 25%\n", 0, NULL);
    expect_read("# 50 % at the edge\n4000 0\n5000 0.5\n6000 0.25\n", 0, NULL);
    EXPECT_OK(filter_read(write_curve("4000 0\n5000 50\n6000 25\n"), "F", &warnings, &filter, &err), err);
    assert_true(filter.transmission[1] == 1);
    assert_true(filter.transmission[2] == 0.5);
    assert_int_equal(warnings.n, 1);
    EXPECT_PARTS(warnings.text[0], "reach 50 (line 2)", "divided by that");
    filter_free(&filter);
    warnings.n = 0;
    EXPECT_OK(filter_read(write_curve("4000 0\n5000 1.004\n6000 0.25\n"), "F", &warnings, &filter, &err),
              err);
    assert_true(filter.transmission[1] == 1);
    assert_true(filter.transmission[2] == 0.25);
    EXPECT_PARTS(warnings.text[0], "up to 1.004, line 2");
    filter_free(&filter);
    warnings.n = 0;
    EXPECT_OK(filter_read(write_curve("0 0\n5000 1\n6000 0.25\n"), "F", &warnings, &filter, &err), err);
    assert_true(filter.n == 2);
    assert_true(filter.lambda_angstrom[0] == 5000);
    EXPECT_PARTS(warnings.text[0], "wavelength 0");
    filter_free(&filter);
}

/* ---- errors --------------------------------------------------------------------------------------- */

static void what_is_wrong_with_a_curve_is_said_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *part[3];
    } cases[] = {
        { "# c\n4000 0\nhello\n", { "line 3", "'hello'", "wavelength transmission" } },
        { "4000 0\n5000 1 0.5\n", { "line 2", "'5000 1 0.5'", "has 3 numbers, the rows above have 2" } },
        { "4000 0 1\n5000 1\n", { "line 2", "'5000 1'", "has 2 numbers, the rows above have 3" } },
        { "4000\n5000\n", { "line 2", "'5000'", "one number" } },
        { "4000\n", { "no line 'wavelength transmission'", "'4000", "'F'" } },
        { "4000 0x\n", { "line 1", "'4000 0x'", "transmission" } },
        { "4000,,0.5\n", { "line 1", "'4000,,0.5'", "transmission" } },
        { "4000,5 0.5\n", { "line 1", "commas", "points" } },
        { "4000 0\n5000 1\n4500 0\n", { "line 3", "ascend or descend", "4500 follows 5000" } },
        { "4000 0\n4000 1\n4000 0.5\n5000 1\n", { "line 3", "4000", "more than two" } },
        { "4000 0\n5000 1\n6000 -0.1\n", { "line 3", "transmission -0.1", "0 to 1" } },
        { "4000 0\n5000 -99\n6000 1\n", { "line 2", "transmission -99", "0 to 1" } },
        { "4000 0\n-- 0.5\n5000 1\n", { "line 2", "'-- 0.5'", "first value is missing" } },
        { "wavelength,T\n,0.5\n4000,0\n5000,1\n", { "line 2", "',0.5'", "first value is missing" } },
        { "\"\" 0.5\n4000 0\n5000 1\n", { "line 1", "first value is missing", "leave the row out" } },
        { "4000 0\n5000 --\n", { "line 2", "'5000 --'", "transmission" } },
        { "wavelength_nm,absorptance\n400,0\n500,1\n", { "line 1", "'absorptance'", "transmissions" } },
        { "# wavelength [nm] transmission [dB]\n400 0\n500 1\n", { "line 1", "dB", "fractions" } },
        { "# GHz transmission\n4000 0\n5000 1\n", { "line 1", "frequencies", "a wavelength is needed" } },
        { "4000 0\n5000 nan\n", { "line 2", "transmission nan", "0 to 1" } },
        { "4000 0\n5000 inf\n", { "line 2", "transmission inf", "0 to 1" } },
        { "4000 0\n5000 50%\n6000 20\n", { "1 of 3 rows", "'%'", "curve" } },
        { "1 4000 0\n2 5000 1\n3 6000 0\n", { "line 3", "transmission 6000", "name them" } },
        { "nan 0\n", { "line 1", "wavelength nan", "> 0" } },
        { "inf 0\n", { "line 1", "wavelength inf", "> 0" } },
        { "0 0.5\n4000 1\n5000 0\n", { "line 1", "wavelength 0", "> 0" } },
        { "-5 0\n", { "line 1", "wavelength -5", "> 0" } },
        { "4000 0\n5000 0\n6000 0\n", { "no light", "3 rows", "'F'" } },
        { "4000 1\n", { "no light", "1 rows", "'F'" } },
        { "4000 1\n4000 0\n", { "no light", "two wavelengths are needed", "'F'" } },
        { "# nothing\n", { "no line 'wavelength transmission'", "'# nothing", "'F'" } },
        { "", { "no line 'wavelength transmission'", "begins with ''", "'F'" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        expect_refused(cases[i].text, cases[i].part[0], cases[i].part[1], cases[i].part[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_read_however_they_are_parted),
        cmocka_unit_test(comments_and_titles_of_all_kinds_are_skipped),
        cmocka_unit_test(columns_are_chosen_by_their_names),
        cmocka_unit_test(a_first_column_of_words_has_its_name_in_ecsv),
        cmocka_unit_test(long_curves_are_read_whole),
        cmocka_unit_test(a_wavelength_with_two_transmissions_is_a_step),
        cmocka_unit_test(units_are_those_that_the_file_says),
        cmocka_unit_test(units_that_cannot_be_right_are_refused_or_doubted),
        cmocka_unit_test(transmissions_outside_0_to_1_are_clipped_or_scaled_and_said),
        cmocka_unit_test(what_is_wrong_with_a_curve_is_said_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
