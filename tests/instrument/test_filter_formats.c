/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Filters in VOTables and in HDF5, and files that hold no curve. */
#include "curves.h"

#include <sys/stat.h>

#include "polyphony/io.h"

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
                           temp_path("collection.hdf5"), temp_path("unit.hdf5") };
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

    EXPECT_OK(io_file_create(path[4], &file, &err), err);
    EXPECT_OK(io_write_f64(file, "wavelength", 1, &(uint64_t) { 3 }, (double[]) { 400, 500, 600 }, NULL, NULL,
                           &err),
              err);
    EXPECT_OK(io_write_f64(file, "transmission", 1, &(uint64_t) { 3 }, (double[]) { 0, 0.5, 0.25 }, NULL,
                           NULL, &err),
              err);
    EXPECT_OK(io_attr_write_text(file, "/", "wavelength_unit", "nm", &err), err);
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
    EXPECT_OK(filter_read(path[4], "F", NULL, &filter, &err), err);
    expect_curve("unit of the file", &filter);
    filter_free(&filter);
    assert_int_equal(filter_read(path[2], "F", NULL, &filter, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "none.hdf5", "without a filter", "Original_Wavelength");
}

/* ---- no curves ------------------------------------------------------------------------------------- */

static void files_that_are_no_curve_are_named_for_what_they_are(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *part;
    } cases[] = {
        { "SIMPLE  =                    T", 30, "a FITS file" },
        { "\x1f\x8b\x08\x00\x01", 5, "gzip" },
        { "\3757zXZ\0\0", 7, "xz" },
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
        cmocka_unit_test(votables_are_read),
        cmocka_unit_test(votables_without_a_curve_say_why),
        cmocka_unit_test(caches_and_instruments_of_synthesizer_are_read),
        cmocka_unit_test(files_that_are_no_curve_are_named_for_what_they_are),
        cmocka_unit_test(devices_pipes_and_endless_lines_take_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
