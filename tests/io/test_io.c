/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * HDF5 in and out. What the room writes it must read back to the bit, so comparisons are exact. Inputs that
 * other programs write (other types, chunks, paddings) are made here with the HDF5 library itself.
 */
#include "polyphony/io.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "foreign.h"

static struct io_file *create_well(const char *path)
{
    struct io_file *file = NULL;
    struct error err = { "" };

    EXPECT_OK(io_file_create(path, &file, &err), err);
    return file;
}

static void finish_well(struct io_file *file)
{
    struct error err = { "" };

    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
}

static struct io_file *open_well(const char *path)
{
    struct io_file *file = NULL;
    struct error err = { "" };

    EXPECT_OK(io_file_open(path, &file, &err), err);
    return file;
}

/* ---- round trips ------------------------------------------------------------------------------- */

static void numbers_come_back_to_the_bit(void **state)
{
    const char *path = temp_path("numbers.hdf5");
    const double f64[2][3] = { { 0.1, -1e300, 5e-324 }, { 0.0, 3, -0.0 } };
    const int64_t i64[4] = { INT64_MIN, -1, 0, INT64_MAX };
    const uint64_t dims[2] = { 2, 3 }, n = 4;
    struct io_file *file = create_well(path);
    struct error err = { "" };
    struct io_info info;
    double back[2][3];
    int64_t back_i64[4];
    char units[16];

    (void)state;
    EXPECT_OK(io_write_f64(file, "a/b/f64", 2, dims, f64[0], "kpc", "numbers", &err), err);
    EXPECT_OK(io_write_i64(file, "a/i64", 1, &n, i64, NULL, "integers", &err), err);
    finish_well(file);
    file = open_well(path);
    assert_string_equal(io_file_path(file), path);
    assert_true(io_has(file, "a/b/f64"));
    assert_true(io_has(file, "a/b"));
    assert_false(io_has(file, "a/c/f64"));
    assert_false(io_has(file, "a/b/f65"));
    EXPECT_OK(io_dataset_info(file, "a/b/f64", &info, &err), err);
    assert_true(info.class == IO_FLOAT);
    assert_true(info.rank == 2);
    assert_true(info.dims[0] == 2);
    assert_true(info.dims[1] == 3);
    assert_true(info.n == 6);
    EXPECT_OK(io_read_rows_f64(file, "a/b/f64", 0, 2, back[0], &err), err);
    assert_memory_equal(back, f64, sizeof(f64));
    EXPECT_OK(io_read_rows_i64(file, "a/i64", 0, 4, back_i64, &err), err);
    assert_memory_equal(back_i64, i64, sizeof(i64));
    EXPECT_OK(io_read_rows_f64(file, "a/i64", 1, 2, back[0], &err), err); /* integers as numbers are fine */
    assert_true(back[0][0] == -1);
    assert_true(back[0][1] == 0);
    EXPECT_OK(io_attr_read_text(file, "a/b/f64", "Units", units, sizeof(units), &err), err);
    assert_string_equal(units, "kpc");
    assert_false(io_attr_has(file, "a/i64", "Units"));
    assert_true(io_attr_has(file, "a/i64", "Description"));
    io_file_close(file);
}

static void rows_are_written_and_read_piece_by_piece(void **state)
{
    const char *path = temp_path("rows.hdf5");
    const uint64_t dims[2] = { 5, 2 }, n = 5;
    struct io_file *file = create_well(path);
    struct error err = { "" };
    double back[10];
    int64_t back_i64[5];

    (void)state;
    EXPECT_OK(io_create_f64(file, "f", 2, dims, "yr", "pieces", &err), err);
    EXPECT_OK(io_create_i64(file, "i", 1, &n, NULL, "pieces", &err), err);
    for (uint64_t row = 5; row-- > 0;) {
        double pair[2] = { (double)row, (double)row + 0.5 };
        int64_t integer = -(int64_t)row;

        EXPECT_OK(io_write_rows_f64(file, "f", row, 1, pair, &err), err);
        EXPECT_OK(io_write_rows_i64(file, "i", row, 1, &integer, &err), err);
    }
    finish_well(file);
    file = open_well(path);
    EXPECT_OK(io_read_rows_f64(file, "f", 1, 3, back, &err), err);
    for (int i = 0; i < 6; i++)
        assert_true(back[i] == 1 + i / 2 + 0.5 * (i % 2));
    EXPECT_OK(io_read_rows_i64(file, "i", 0, 5, back_i64, &err), err);
    for (int64_t i = 0; i < 5; i++)
        assert_int_equal(back_i64[i], -i);
    EXPECT_OK(io_read_rows_f64(file, "f", 5, 0, NULL, &err), err); /* nothing, at the end */
    io_file_close(file);
}

static void texts_come_back_whole(void **state)
{
    static const char *const texts[] = { "H 1 6562.80A", "", "\xc3\x85ngstr\xc3\xb6m" };
    const char *path = temp_path("texts.hdf5");
    struct io_file *file = create_well(path);
    struct error err = { "" };
    char names[3][IO_NAME_MAX], short_text[4], (*attr)[IO_NAME_MAX] = NULL;
    int64_t integer = 0;
    size_t n = 0;

    (void)state;
    EXPECT_OK(io_write_strings(file, "s/variable", 3, texts, "texts", &err), err);
    EXPECT_OK(io_write_names(file, "s/fixed", 3, texts, "texts", &err), err);
    EXPECT_OK(io_make_group(file, "g", &err), err);
    EXPECT_OK(io_make_group(file, "g", &err), err); /* again is fine */
    EXPECT_OK(io_attr_write_text(file, "g", "text", "pacman", &err), err);
    EXPECT_OK(io_attr_write_texts(file, "g", "texts", 3, texts, &err), err);
    EXPECT_OK(io_attr_write_bool(file, "g", "yes", true, &err), err);
    EXPECT_OK(io_attr_write_bool(file, "g", "no", false, &err), err);
    EXPECT_OK(io_attr_write_i64(file, "g", "i", -5, &err), err);
    EXPECT_OK(io_attr_write_f64(file, "g", "f", 0.1, &err), err);
    finish_well(file);
    file = open_well(path);
    EXPECT_OK(io_read_names(file, "s/variable", 3, names, &err), err);
    for (int i = 0; i < 3; i++)
        assert_string_equal(names[i], texts[i]);
    EXPECT_OK(io_read_names(file, "s/fixed", 3, names, &err), err);
    for (int i = 0; i < 3; i++)
        assert_string_equal(names[i], texts[i]);
    EXPECT_OK(io_attr_read_texts(file, "g", "texts", &attr, &n, &err), err);
    assert_int_equal(n, 3);
    assert_string_equal(attr[2], texts[2]);
    free(attr);
    EXPECT_OK(io_attr_read_i64(file, "g", "yes", &integer, &err), err);
    assert_int_equal(integer, 1);
    EXPECT_OK(io_attr_read_i64(file, "g", "no", &integer, &err), err);
    assert_int_equal(integer, 0);
    EXPECT_OK(io_attr_read_i64(file, "g", "i", &integer, &err), err);
    assert_int_equal(integer, -5);
    assert_int_equal(io_attr_read_i64(file, "g", "f", &integer, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "texts.hdf5", "'f'", "'g'", "integer");
    assert_int_equal(io_attr_read_i64(file, "g", "text", &integer, &err), POLYPHONY_INPUT);
    assert_int_equal(io_attr_read_text(file, "g", "i", short_text, 4, &err), POLYPHONY_INPUT);
    assert_int_equal(io_attr_read_text(file, "g", "text", short_text, 4, &err),
                     POLYPHONY_INPUT); /* too long */
    assert_int_equal(io_attr_read_text(file, "g", "none", short_text, 4, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "texts.hdf5", "'none'", "'g'");
    io_file_close(file);
}

static void members_of_a_group_are_listed(void **state)
{
    const char *path = temp_path("list.hdf5");
    struct io_file *file = create_well(path);
    struct error err = { "" };
    char(*names)[IO_NAME_MAX] = NULL;
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 40; i++) {
        char name[16];

        text_format(name, sizeof(name), "g/n%02d", i);
        EXPECT_OK(io_make_group(file, name, &err), err);
    }
    finish_well(file);
    file = open_well(path);
    EXPECT_OK(io_list(file, "g", &names, &n, &err), err);
    assert_int_equal(n, 40);
    assert_string_equal(names[0], "n00");
    assert_string_equal(names[39], "n39");
    free(names);
    assert_int_equal(io_list(file, "h", &names, &n, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "list.hdf5", "'h'");
    io_file_close(file);
}

/* ---- inputs as others write them --------------------------------------------------------------- */

static void any_width_byte_order_and_layout_is_read(void **state)
{
    static const char *const paths[] = { "f4", "f4be", "f8be", "gzip" };
    const char *path = temp_path("foreign.hdf5");
    const hsize_t n = 100000, chunk = 1000;
    hid_t id = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
          creation = H5Pcreate(H5P_DATASET_CREATE);
    struct io_file *file;
    struct error err = { "" };
    double value[3];

    (void)state;
    H5Pset_chunk(creation, 1, &chunk);
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 9);
    write_as(id, "f4", H5T_IEEE_F32LE, H5P_DEFAULT, n);
    write_as(id, "f4be", H5T_IEEE_F32BE, H5P_DEFAULT, n);
    write_as(id, "f8be", H5T_IEEE_F64BE, H5P_DEFAULT, n);
    write_as(id, "gzip", H5T_IEEE_F64LE, creation, n);
    write_as(id, "i4be", H5T_STD_I32BE, H5P_DEFAULT, n);
    H5Pclose(creation);
    H5Fclose(id);
    file = open_well(path);
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        EXPECT_OK(io_read_rows_f64(file, paths[i], 99990, 3, value, &err), err);
        /* i + 0.5 below 2^23 is exact in four bytes */
        assert_true(value[0] == 99990.5);
        assert_true(value[1] == 99991.5);
        assert_true(value[2] == 99992.5);
    }
    EXPECT_OK(io_read_rows_f64(file, "i4be", 7, 1, value, &err), err);
    assert_true(value[0] == 7);
    io_file_close(file);
}

static void strings_of_any_padding_are_names(void **state)
{
    static const char *const sets[] = { "null", "space", "term" };
    const char *path = temp_path("strings.hdf5");
    hid_t id = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    struct io_file *file;
    struct error err = { "" };
    char names[2][IO_NAME_MAX], (*attr)[IO_NAME_MAX] = NULL;
    size_t n = 0;

    (void)state;
    write_fixed(id, "null", H5T_STR_NULLPAD, "fulla\0\0\0", 4, false);
    write_fixed(id, "space", H5T_STR_SPACEPAD, "fulla   ", 4, false);
    write_fixed(id, "term", H5T_STR_NULLTERM, "full\0a\0xxx", 5, false);
    write_fixed(id, "attr", H5T_STR_SPACEPAD, "fulla   ", 4, true);
    H5Fclose(id);
    file = open_well(path);
    for (size_t i = 0; i < 3; i++) {
        EXPECT_OK(io_read_names(file, sets[i], 2, names, &err), err);
        assert_string_equal(names[0], "full");
        assert_string_equal(names[1], "a");
    }
    EXPECT_OK(io_attr_read_texts(file, "/", "attr", &attr, &n, &err), err);
    assert_int_equal(n, 2);
    assert_string_equal(attr[0], "full");
    assert_string_equal(attr[1], "a");
    free(attr);
    assert_int_equal(io_read_names(file, "null", 3, names, &err), POLYPHONY_INPUT); /* two, not three */
    EXPECT_PARTS(err.text, "strings.hdf5", "'null'", "3 names");
    io_file_close(file);
}

/* ---- what is refused --------------------------------------------------------------------------- */

static void files_that_are_not_whole_hdf5_are_refused(void **state)
{
    const char *path = temp_path("whole.hdf5");
    const uint64_t n = 10000;
    double *value = mem_array(n, sizeof(*value));
    struct io_file *file = create_well(path);
    struct error err = { "" };
    FILE *text;

    (void)state;
    EXPECT_OK(io_write_f64(file, "x", 1, &n, value, NULL, "zeros", &err), err);
    free(value);
    finish_well(file);
    assert_int_equal(truncate(path, 5000), 0);
    file = NULL;
    assert_int_equal(io_file_open(path, &file, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "whole.hdf5", "truncated");
    text = fopen(path, "w");
    fputs("not HDF5\n", text);
    fclose(text);
    assert_int_equal(io_file_open(path, &file, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "whole.hdf5", "HDF5");
    assert_int_equal(io_file_open("/nowhere/x.hdf5", &file, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "/nowhere/x.hdf5", "No such file");
    assert_int_equal(io_file_open("/tmp", &file, &err), POLYPHONY_INPUT);
    assert_null(file);
}

/* HDF5 itself reads zeros beyond the end of the file, without a word. */
static void a_file_that_shrinks_while_it_is_open_is_noticed(void **state)
{
    const char *path = temp_path("shrinks.hdf5");
    const uint64_t dim = 4000;
    struct io_file *file = NULL;
    struct error err = { "" };
    double *value = calloc(dim, sizeof(*value));

    (void)state;
    assert_non_null(value);
    EXPECT_OK(io_file_create(path, &file, &err), err);
    EXPECT_OK(io_write_f64(file, "numbers", 1, &dim, value, "kpc", "Numbers", &err), err);
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    EXPECT_OK(io_file_open(path, &file, &err), err);
    EXPECT_OK(io_read_rows_f64(file, "numbers", 0, dim, value, &err), err);
    assert_int_equal(truncate(path, 20000), 0);
    assert_int_equal(io_read_rows_f64(file, "numbers", 0, dim, value, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "shrinks.hdf5", "was truncated");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(io_read_rows_f64(file, "numbers", 0, dim, value, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "removed");
    io_file_close(file);
    free(value);
}

static void wrong_rank_class_and_shape_are_named(void **state)
{
    static const char *const texts[] = { "a", "b" };
    const char *path = temp_path("shapes.hdf5");
    const uint64_t dims[2] = { 2, 3 }, as_is[2] = { 2, 0 }, other[2] = { 2, 4 },
                   nine[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    const double value[6] = { 0 };
    struct io_file *file = create_well(path);
    struct error err = { "" };
    struct io_info info;
    double back[6];
    int64_t integers[6];
    char names[2][IO_NAME_MAX];
    hid_t raw, space;

    (void)state;
    EXPECT_OK(io_write_f64(file, "f", 2, dims, value, NULL, "d", &err), err);
    EXPECT_OK(io_write_f64(file, "scalar", 0, NULL, value, NULL, "d", &err), err);
    EXPECT_OK(io_write_strings(file, "s", 2, texts, "d", &err), err);
    finish_well(file);
    raw = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    space = H5Screate_simple(9, (const hsize_t *)nine, NULL);
    H5Dclose(H5Dcreate2(raw, "nine", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    H5Fclose(raw);
    file = open_well(path);
    EXPECT_OK(io_dataset_expect(file, "f", 2, as_is, &info, &err), err);
    assert_int_equal(info.dims[1], 3);
    assert_int_equal(io_dataset_expect(file, "f", 2, other, &info, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "shapes.hdf5", "'f'", "2 x 3", "2 x 4");
    assert_int_equal(io_dataset_expect(file, "f", 1, as_is, &info, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "'f'", "2 x 3", "expected 2");
    assert_int_equal(io_dataset_expect(file, "scalar", 1, as_is, &info, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "'scalar'", "a single value");
    assert_int_equal(io_dataset_expect(file, "s", 1, as_is, &info, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "'s'", "not numeric");
    assert_int_equal(io_dataset_info(file, "nine", &info, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "'nine'", "9 axes", "at most 8");
    assert_int_equal(io_dataset_info(file, "none", &info, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "shapes.hdf5", "'none'");
    assert_int_equal(io_read_rows_i64(file, "s", 0, 2, integers, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "'s'", "integer");
    assert_int_equal(io_read_rows_f64(file, "s", 0, 2, back, &err), POLYPHONY_INPUT);
    assert_int_equal(io_read_rows_f64(file, "scalar", 0, 1, back, &err), POLYPHONY_INPUT);
    assert_int_equal(io_read_names(file, "f", 2, names, &err), POLYPHONY_INPUT);
    io_file_close(file);
}

static void rows_past_the_end_are_refused(void **state)
{
    const uint64_t range[][2] = { { 0, 4 }, { 3, 1 }, { 4, 0 }, { UINT64_MAX, 1 }, { 1, UINT64_MAX } };
    const char *path = temp_path("end.hdf5");
    const double value[3] = { 1, 2, 3 };
    const uint64_t n = 3;
    struct io_file *file = create_well(path);
    struct error err = { "" };
    double back[3] = { 7, 7, 7 };

    (void)state;
    EXPECT_OK(io_write_f64(file, "x", 1, &n, value, NULL, "d", &err), err);
    finish_well(file);
    file = open_well(path);
    for (size_t i = 0; i < sizeof(range) / sizeof(*range); i++) {
        assert_int_equal(io_read_rows_f64(file, "x", range[i][0], range[i][1], back, &err), POLYPHONY_INPUT);
        EXPECT_PARTS(err.text, "end.hdf5", "'x'", "3 rows");
    }
    assert_true(back[0] == 7);
    io_file_close(file);
}

/* A file of a few kB that says it holds 8 TB: refused before anything is allocated from its word. */
static void a_dataset_larger_than_its_file_is_refused(void **state)
{
    static const char *const paths[] = { "late", "chunked", "names" };
    const char *path = temp_path("liar.hdf5");
    const hsize_t n = 1000000000000, chunk = 1000;
    hid_t id = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
          space = H5Screate_simple(1, &n, NULL);
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE), type = H5Tcopy(H5T_C_S1);
    uint64_t any = 0;
    struct io_file *file;
    struct error err = { "" };
    struct io_info info;
    double back;
    char name[1][IO_NAME_MAX];

    (void)state;
    H5Tset_size(type, H5T_VARIABLE);
    H5Pset_chunk(creation, 1, &chunk);
    H5Dclose(H5Dcreate2(id, "late", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Dclose(H5Dcreate2(id, "chunked", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Dclose(H5Dcreate2(id, "names", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Tclose(type);
    H5Pclose(creation);
    H5Sclose(space);
    H5Fclose(id);
    file = open_well(path);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(io_dataset_info(file, paths[i], &info, &err), POLYPHONY_INPUT);
        EXPECT_PARTS(err.text, "liar.hdf5", paths[i], "was never written completely");
    }
    assert_int_equal(io_dataset_expect(file, "late", 1, &any, &info, &err), POLYPHONY_INPUT);
    assert_int_equal(io_read_rows_f64(file, "chunked", 0, 1, &back, &err), POLYPHONY_INPUT);
    assert_int_equal(io_read_names(file, "names", n, name, &err), POLYPHONY_INPUT);
    io_file_close(file);
}

/* ---- files under construction ------------------------------------------------------------------ */

static void a_file_has_its_name_only_when_complete(void **state)
{
    const char *path = temp_path("new.hdf5"), *partial = temp_path("new.hdf5.partial");
    struct io_file *file = create_well(path);
    struct error err = { "" };

    (void)state;
    assert_int_equal(access(partial, F_OK), 0);
    assert_int_equal(access(path, F_OK), -1);
    io_file_close(file); /* not committed */
    assert_int_equal(access(partial, F_OK), -1);
    assert_int_equal(access(path, F_OK), -1);
    finish_well(create_well(path));
    assert_int_equal(access(partial, F_OK), -1);
    assert_int_equal(access(path, F_OK), 0);
    io_file_close(NULL);
    file = NULL;
    assert_int_equal(io_file_create("/nowhere/new.hdf5", &file, &err), POLYPHONY_OUTPUT);
    EXPECT_PARTS(err.text, "/nowhere/new.hdf5", "cannot be created");
    assert_null(file);
}

/* ---- failures ----------------------------------------------------------------------------------- */

static int fail_to_write_rows(struct io_file *file, struct error *err)
{
    const uint64_t n = 5;

    io_create_f64(file, "f", 1, &n, "yr", "rows", NULL);
    return io_write_rows_f64(file, "f", 4, 2, (const double[]) { 1, 2 }, err); /* past the end */
}

static int fail_to_describe(struct io_file *file, struct error *err)
{
    return io_attr_write_i64(file, "f", "i", 1, err); /* there is none */
}

static int fail_to_show(struct io_file *file, struct error *err)
{
    return io_layout_column_view(file, "view", "f", NULL, "yr", "no source", err);
}

static void the_first_failure_stays_with_its_file(void **state)
{
    static int (*const fail[])(struct io_file *, struct error *) = { fail_to_write_rows, fail_to_describe,
                                                                     fail_to_show };
    const char *path = temp_path("failed.hdf5");

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct io_file *file = create_well(path);
        struct error first = { "" }, later = { "" }, last = { "" };

        assert_int_equal(io_file_status(file, &first), 0);
        assert_int_equal(fail[i](file, &first), POLYPHONY_OUTPUT);
        EXPECT_PARTS(first.text, "failed.hdf5", "'f'");
        assert_int_equal(io_make_group(file, "g", &later), POLYPHONY_OUTPUT);
        assert_string_equal(later.text, first.text);
        assert_false(io_has(file, "g"));
        assert_int_equal(io_file_commit(file, &last), POLYPHONY_OUTPUT);
        assert_string_equal(last.text, first.text);
        io_file_close(file);
        assert_int_equal(access(path, F_OK), -1);
    }
}

/* ---- rows at known offsets --------------------------------------------------------------------- */

struct record {
    int32_t status, rank;
    double seconds;
    char reason[16];
};

static void lay_out(const char *path, uint64_t n)
{
    static const struct io_member members[] = {
        { "status", IO_I32, offsetof(struct record, status), 0 },
        { "rank", IO_I32, offsetof(struct record, rank), 0 },
        { "seconds", IO_F64, offsetof(struct record, seconds), 0 },
        { "reason", IO_F64, offsetof(struct record, reason), sizeof(((struct record *)0)->reason) },
    };
    const uint64_t dims[3] = { n, 2, 3 }, column[2] = { 1, 2 };
    struct io_file *file = NULL;
    struct error err = { "" };

    EXPECT_OK(io_layout_create(path, MPI_COMM_WORLD, &file, &err), err);
    EXPECT_OK(io_layout_dataset(file, "G/table", IO_F64, 3, dims, "erg/s", "table", &err), err);
    EXPECT_OK(io_layout_dataset(file, "G/id", IO_I64, 1, dims, NULL, "ids", &err), err);
    EXPECT_OK(io_layout_records(file, "Ledger", n, sizeof(struct record), members, 4, "rows", &err), err);
    EXPECT_OK(io_layout_column_view(file, "G/view", "G/table", column, "erg/s", "a column", &err), err);
    EXPECT_OK(io_write_f64(file, "axis", 1, dims + 1, (const double[]) { 1, 2 }, "yr", "axis", &err), err);
    EXPECT_OK(io_layout_commit(file, &err), err);
    io_file_close(file);
}

static void rows_written_at_their_offsets_are_read_by_hdf5(void **state)
{
    const char *path = temp_path("layout.hdf5");
    const uint64_t n = 5;
    uint64_t table = 0, id = 0, ledger = 0;
    const struct record record = { .status = 2, .rank = 7, .seconds = 1.5, .reason = "bad star" };
    struct io_file *file;
    struct error err = { "" };
    double row[6], back[30], view[5];
    int64_t ids[5], value = 42;
    int fd;

    (void)state;
    lay_out(path, n);
    file = open_well(path);
    EXPECT_OK(io_dataset_offset(file, "G/table", &table, &err), err);
    EXPECT_OK(io_dataset_offset(file, "G/id", &id, &err), err);
    EXPECT_OK(io_dataset_offset(file, "Ledger", &ledger, &err), err);
    assert_int_equal(io_dataset_offset(file, "G/view", &table, &err),
                     POLYPHONY_INPUT); /* has no place of its own */
    assert_int_equal(io_dataset_offset(file, "G/none", &table, &err), POLYPHONY_INPUT);
    io_file_close(file);
    fd = open(path, O_RDWR);
    for (size_t g = 0; g < 5; g += 2) { /* rows 1 and 3 stay unwritten */
        for (size_t i = 0; i < 6; i++)
            row[i] = (double)(10 * g + i);
        value = (int64_t)(100 + g);
        assert_int_equal(pwrite(fd, row, sizeof(row), (off_t)(table + g * sizeof(row))), sizeof(row));
        assert_int_equal(pwrite(fd, &value, sizeof(value), (off_t)(id + g * sizeof(value))), sizeof(value));
    }
    assert_int_equal(pwrite(fd, &record, sizeof(record), (off_t)(ledger + 3 * sizeof(record))),
                     sizeof(record));
    close(fd);
    file = open_well(path);
    EXPECT_OK(io_read_rows_f64(file, "G/table", 0, n, back, &err), err);
    EXPECT_OK(io_read_rows_i64(file, "G/id", 0, n, ids, &err), err);
    EXPECT_OK(io_read_rows_f64(file, "G/view", 0, n, view, &err), err);
    for (size_t g = 0; g < 5; g++) {
        for (size_t i = 0; i < 6; i++)
            assert_true(back[6 * g + i] == (g % 2 ? 0.0 : (double)(10 * g + i)));
        assert_int_equal(ids[g], g % 2 ? 0 : 100 + g);
        assert_true(view[g] == back[6 * g + 5]); /* [g][1][2] */
    }
    io_file_close(file);
}

static void records_are_a_compound_type_with_the_members_named(void **state)
{
    const char *path = temp_path("records.hdf5");
    hid_t file, id, type;

    (void)state;
    lay_out(path, 3);
    file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    id = H5Dopen2(file, "Ledger", H5P_DEFAULT);
    type = H5Dget_type(id);
    assert_int_equal(H5Tget_class(type), H5T_COMPOUND);
    assert_int_equal(H5Tget_size(type), sizeof(struct record));
    assert_int_equal(H5Tget_member_index(type, "seconds"), 2);
    assert_int_equal(H5Tget_member_offset(type, 3), offsetof(struct record, reason));
    H5Tclose(type);
    H5Dclose(id);
    H5Fclose(file);
}

/* Views store nothing: the check of sizes against the file must not take them for a lie. */
static void a_view_of_many_rows_is_read(void **state)
{
    const char *path = temp_path("view.hdf5");
    const uint64_t n = 5000;
    double *view = mem_array(n, sizeof(*view));
    struct io_file *file;
    struct error err = { "" };

    (void)state;
    lay_out(path, n);
    file = open_well(path);
    EXPECT_OK(io_read_rows_f64(file, "G/view", 0, n, view, &err), err);
    io_file_close(file);
    free(view);
}

static void a_layout_that_is_not_committed_leaves_nothing(void **state)
{
    const char *path = temp_path("gone.hdf5"), *partial = temp_path("gone.hdf5.partial");
    struct io_file *file = NULL;
    struct error err = { "" };

    (void)state;
    EXPECT_OK(io_layout_create(path, MPI_COMM_WORLD, &file, &err), err);
    io_file_close(file);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(partial, F_OK), -1);
}

static void the_libraries_have_names(void **state)
{
    char hdf5[64], mpi[64];

    (void)state;
    io_versions(hdf5, mpi, sizeof(hdf5));
    assert_true(strlen(hdf5) >= 5);
    assert_true(strlen(mpi) > 5);
    assert_true(strlen(mpi) < sizeof(mpi));
    assert_null(strchr(mpi, '\n'));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_back_to_the_bit),
        cmocka_unit_test(rows_are_written_and_read_piece_by_piece),
        cmocka_unit_test(texts_come_back_whole),
        cmocka_unit_test(the_first_failure_stays_with_its_file),
        cmocka_unit_test(members_of_a_group_are_listed),
        cmocka_unit_test(any_width_byte_order_and_layout_is_read),
        cmocka_unit_test(strings_of_any_padding_are_names),
        cmocka_unit_test(files_that_are_not_whole_hdf5_are_refused),
        cmocka_unit_test(a_file_that_shrinks_while_it_is_open_is_noticed),
        cmocka_unit_test(wrong_rank_class_and_shape_are_named),
        cmocka_unit_test(rows_past_the_end_are_refused),
        cmocka_unit_test(a_dataset_larger_than_its_file_is_refused),
        cmocka_unit_test(a_file_has_its_name_only_when_complete),
        cmocka_unit_test(rows_written_at_their_offsets_are_read_by_hdf5),
        cmocka_unit_test(records_are_a_compound_type_with_the_members_named),
        cmocka_unit_test(a_view_of_many_rows_is_read),
        cmocka_unit_test(a_layout_that_is_not_committed_leaves_nothing),
        cmocka_unit_test(the_libraries_have_names),
    };
    int failed;

    MPI_Init(&argc, &argv); /* io_layout_* is collective; alone it is a world of one */
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    MPI_Finalize();
    return failed;
}
