/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Filter files in all the forms that people have them in, and what is said of those that hold no curve. */
#include "polyphony/instrument.h"

#include <math.h>
#include <sys/stat.h>

#include "polyphony/io.h"

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
    assert_true(filter.lambda_angstrom[4999] == 5000.5 && filter.transmission[4999] == 1);
    filter_free(&filter);
}

static void a_wavelength_with_two_transmissions_is_a_step(void **state)
{
    struct filter filter = { 0 };
    struct error err = { "" };

    (void)state;
    EXPECT_OK(filter_read(write_curve("4000 0\n4000 1\n5000 1\n5000 0\n"), "box", NULL, &filter, &err), err);
    assert_int_equal(filter.n, 4);
    assert_true(filter.lambda_angstrom[0] == 4000 && filter.lambda_angstrom[1] == 4000);
    assert_true(filter.transmission[0] == 0 && filter.transmission[1] == 1 && filter.transmission[3] == 0);
    filter_free(&filter);
    /* and descending, the other way round */
    EXPECT_OK(filter_read(write_curve("5000 0.5\n4000 0.5\n4000 0\n3000 0\n"), "edge", NULL, &filter, &err),
              err);
    assert_true(filter.lambda_angstrom[1] == 4000 && filter.transmission[1] == 0);
    assert_true(filter.lambda_angstrom[2] == 4000 && filter.transmission[2] == 0.5);
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
    assert_true(filter.transmission[1] == 1 && filter.transmission[2] == 0.5);
    assert_int_equal(warnings.n, 1);
    EXPECT_PARTS(warnings.text[0], "reach 50 (line 2)", "divided by that");
    filter_free(&filter);
    warnings.n = 0;
    EXPECT_OK(filter_read(write_curve("4000 0\n5000 1.004\n6000 0.25\n"), "F", &warnings, &filter, &err),
              err);
    assert_true(filter.transmission[1] == 1 && filter.transmission[2] == 0.25);
    EXPECT_PARTS(warnings.text[0], "up to 1.004, line 2");
    filter_free(&filter);
    warnings.n = 0;
    EXPECT_OK(filter_read(write_curve("0 0\n5000 1\n6000 0.25\n"), "F", &warnings, &filter, &err), err);
    assert_true(filter.n == 2 && filter.lambda_angstrom[0] == 5000);
    EXPECT_PARTS(warnings.text[0], "wavelength 0");
    filter_free(&filter);
}

/* ---- other formats ------------------------------------------------------------------------------- */

#define VOTABLE(field, row)                                                                                  \
    "<?xml version='1.0'?>\n<VOTABLE><RESOURCE><TABLE><PARAM name='WavelengthUnit' value='nm'/>"             \
    "<PARAM name='DetectorType' value='1'/>" field "<DATA><TABLEDATA>" row                                   \
    "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>\n"
#define FIELDS                                                                                               \
    "<FIELD name='Wavelength' ucd='em.wl' unit='Angstrom'/><FIELD name='Transmission' "                      \
    "ucd='phys.transmission'/>"
#define ROWS                                                                                                 \
    "<TR><TD>4000</TD><TD>0</TD></TR><TR><TD>5000</TD><TD>0.5</TD></TR><TR>\n<TD> 6000 "                     \
    "</TD><TD>0.25</TD></TR>"

static void votables_are_read(void **state)
{
    (void)state;
    expect_read(VOTABLE(FIELDS, ROWS), 0, NULL);
    expect_read("\xef\xbb\xbf" VOTABLE(FIELDS, ROWS), 0, NULL);
    /* other columns, another order, the unit of the file, namespaces */
    expect_read(
        "<v:VOTABLE xmlns:v='x'><v:TABLE><v:PARAM name='WavelengthUnit' value='nm'/><v:FIELD name='n'/>"
        "<v:FIELD name='pass'/><v:FIELD name='x' ucd='em.wl'/><v:DATA><v:TABLEDATA>"
        "<v:TR><v:TD>1</v:TD><v:TD>0</v:TD><v:TD>400</v:TD></v:TR>"
        "<v:TR><v:TD>2</v:TD><v:TD>0.5</v:TD><v:TD>500</v:TD></v:TR>"
        "<v:TR><v:TD/><v:TD>0.25</v:TD><v:TD>600</v:TD></v:TR>"
        "</v:TABLEDATA></v:DATA></v:TABLE></v:VOTABLE>",
        0, NULL);
    /* behind tables of something else */
    expect_read("<VOTABLE><TABLE><FIELD name='Key'/><FIELD name='Value'/><DATA><TABLEDATA>"
                "<TR><TD>Pivot</TD><TD>5000</TD></TR></TABLEDATA></DATA></TABLE><TABLE><FIELD name='a'/>"
                "<DATA><BINARY><STREAM>AA==</STREAM></BINARY></DATA></TABLE><TABLE>" FIELDS
                "<DATA><TABLEDATA>" ROWS "</TABLEDATA></DATA></TABLE></VOTABLE>",
                0, NULL);
    expect_read("<VOTABLE><TABLE><PARAM name='DetectorType' value='0'/>" FIELDS "<DATA><TABLEDATA>" ROWS
                "</TABLEDATA></DATA></TABLE></VOTABLE>",
                1, "counts energy");
}

static void votables_without_a_curve_say_why(void **state)
{
    (void)state;
    expect_refused(VOTABLE(FIELDS, ""), "without a row", "may not know the filter", "'F'");
    expect_refused(VOTABLE("<FIELD name='flux'/><FIELD name='b'/>", ROWS), "line 2", "no column",
                   "wavelength");
    expect_refused(VOTABLE(FIELDS, "<TR><TD>x</TD><TD>1</TD></TR>"), "line 2", "'x' is not a number", "'F'");
    expect_refused(VOTABLE(FIELDS, "<TR><TD>4000</TD></TR>"), "line 2", "a row without", "transmission");
    expect_refused("<VOTABLE><INFO name='QUERY_STATUS' value='ERROR'>no</INFO></VOTABLE>", "failed",
                   "QUERY_STATUS", "'F'");
    expect_refused("<VOTABLE><TABLE>" FIELDS "<DATA><BINARY><STREAM/></BINARY></DATA></TABLE></VOTABLE>",
                   "BINARY", "TABLEDATA", "'F'");
    expect_refused("<VOTABLE><TABLE>", "broken XML", "line 1", "'F'");
    expect_refused("<svg></svg>", "<svg>", "not a VOTable", "'F'");
    expect_refused("<!DOCTYPE html>\n<html></html>", "HTML", "download may have failed", "'F'");
}

static void write_pair(struct io_file *file, const char *lambda, const char *transmission, const char *units)
{
    const double in_nm[] = { 400, 500, 600 }, in_angstrom[] = { 4000, 5000, 6000 }, t[] = { 0, 0.5, 0.25 };
    const uint64_t dim = 3;
    struct error err = { "" };

    EXPECT_OK(io_write_f64(file, lambda, 1, &dim, units ? in_nm : in_angstrom, units, NULL, &err), err);
    EXPECT_OK(io_write_f64(file, transmission, 1, &dim, t, NULL, NULL, &err), err);
}

static void caches_and_instruments_of_synthesizer_are_read(void **state)
{
    const char *path[] = { temp_path("cache.hdf5"), temp_path("many.hdf5"), temp_path("none.hdf5"),
                           temp_path("collection.hdf5") };
    struct filter filter = { 0 };
    struct error err = { "" };
    struct io_file *file;

    (void)state;
    EXPECT_OK(io_file_create(path[0], &file, &err), err);
    write_pair(file, "wavelength", "transmission", "nm");
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    EXPECT_OK(io_file_create(path[1], &file, &err), err);
    write_pair(file, "Filters/A.B.F1/Original_Wavelength", "Filters/A.B.F1/Original_Transmission", NULL);
    write_pair(file, "Filters/A.B.F2/Original_Wavelength", "Filters/A.B.F2/Original_Transmission", NULL);
    EXPECT_OK(io_attr_write_text(file, "Filters/A.B.F2", "filter_code", "A/B.F2", &err), err);
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    EXPECT_OK(io_file_create(path[2], &file, &err), err);
    EXPECT_OK(io_make_group(file, "Stars", &err), err);
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    EXPECT_OK(io_file_create(path[3], &file, &err), err);
    write_pair(file, "Header/Wavelengths", "Top.hat/Transmission", "nm");
    write_pair(file, "A.B.F1/Original_Wavelength", "A.B.F1/Original_Transmission", "nm");
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);

    EXPECT_OK(filter_read(path[0], "any", NULL, &filter, &err), err);
    expect_curve("cache", &filter);
    filter_free(&filter);
    EXPECT_OK(filter_read(path[1], "A/B.F2", NULL, &filter, &err), err);
    expect_curve("many", &filter);
    assert_string_equal(filter.code, "A/B.F2");
    filter_free(&filter);
    assert_int_equal(filter_read(path[1], "A/B.F3", NULL, &filter, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "2 filters", "A.B.F1, A/B.F2");
    EXPECT_OK(filter_read(path[3], "A/B.F1", NULL, &filter, &err), err);
    expect_curve("collection", &filter);
    filter_free(&filter);
    EXPECT_OK(filter_read(path[3], "Top/hat", NULL, &filter, &err), err);
    expect_curve("without a curve of its own", &filter);
    filter_free(&filter);
    assert_int_equal(filter_read(path[2], "F", NULL, &filter, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "none.hdf5", "without a filter", "Original_Wavelength");
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

static void files_that_are_no_curve_are_named_for_what_they_are(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *part;
    } cases[] = {
        { "SIMPLE  =                    T", 30, "a FITS file" },
        { "\x1f\x8b\x08\x00\x01", 5, "gzip" },
        { "PK\x03\x04\x01", 5, "a zip archive" },
        { "%PDF-1.4\n1 0 obj", 16, "a PDF document" },
        { "\x89PNG\r\n\x1a\n", 8, "a picture" },
        { "\x93NUMPY\x01\x00", 8, "numpy" },
        { "\xff\xfe"
          "4\0"
          "0\0",
          6, "UTF-16" },
        { "\x89HDF\r\n\x1a\nbroken", 14, "is truncated" },
        { "4000 0\n5000 \0 1\n", 16, "line 2 is not text" },
        { "\x7f"
          "ELF\x02\x01\x01",
          7, "line 1 is not text" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct filter filter = { 0 };
        struct error err = { "" };

        assert_int_equal(
            filter_read(write_bytes("thing", cases[i].bytes, cases[i].n), "F", NULL, &filter, &err),
            POLYPHONY_INPUT);
        EXPECT_PARTS(err.text, "thing'", "'F'", cases[i].part);
        for (const char *c = err.text; *c; c++)
            assert_true(*c >= ' ' && *c <= '~');
    }
}

static void devices_pipes_and_endless_lines_take_no_memory(void **state)
{
    const char *pipe = temp_path("pipe"), *huge = temp_path("huge.txt"), *line = temp_path("line.txt");
    struct filter filter = { 0 };
    struct error err = { "" };
    char text[INSTRUMENT_NAME_MAX + 1];
    FILE *file;

    (void)state;
    assert_int_equal(filter_read("/nowhere/f.txt", "X/Y", NULL, &filter, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "'X/Y'", "/nowhere/f.txt", "No such file");
    assert_int_equal(filter_read("/tmp", "X/Y", NULL, &filter, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "'X/Y'", "'/tmp'", "directory");
    assert_int_equal(filter_read("/dev/zero", "X/Y", NULL, &filter, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "'X/Y'", "/dev/zero", "a device or a pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(filter_read(pipe, "X/Y", NULL, &filter, &err), POLYPHONY_INPUT); /* does not wait */
    EXPECT_PARTS(err.text, "'X/Y'", "a device or a pipe");
    file = fopen(huge, "w"); /* a hole, and an end */
    fputs("4000 1\n", file);
    fseek(file, 100 << 20, SEEK_SET);
    fputc('\n', file);
    fclose(file);
    assert_int_equal(filter_read(huge, "X/Y", NULL, &filter, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "has 100 MiB", "64 at most");
    file = fopen(line, "w");
    for (size_t i = 0; i < 70000; i++)
        fputc('1', file);
    fclose(file);
    assert_int_equal(filter_read(line, "X/Y", NULL, &filter, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "line 1 is longer than 65536 bytes");
    memset(text, 'c', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(filter_read(write_curve("4000 1\n5000 1\n"), text, NULL, &filter, &err),
                     POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "longer than 63 bytes");
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
        cmocka_unit_test(votables_are_read),
        cmocka_unit_test(votables_without_a_curve_say_why),
        cmocka_unit_test(caches_and_instruments_of_synthesizer_are_read),
        cmocka_unit_test(what_is_wrong_with_a_curve_is_said_with_its_line),
        cmocka_unit_test(files_that_are_no_curve_are_named_for_what_they_are),
        cmocka_unit_test(devices_pipes_and_endless_lines_take_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
