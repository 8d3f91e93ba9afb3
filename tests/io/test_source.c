/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the bytes of a dataset are. The files are made with the HDF5 library itself; what the program makes
 * of them from outside is in tests/cli/test_bytes.py.
 */
#include "polyphony/io.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../src/io/io_private.h"
#include "../support.h"
#include "foreign.h"

#define N_ROW 12 /* of a source */

static struct io_file *open_well(const char *path)
{
    struct io_file *file = NULL;
    struct error err = { "" };

    EXPECT_OK(io_file_open(path, &file, &err), err);
    return file;
}

/* x: N_ROW numbers from `first` on. */
static void write_source(const char *path, double first)
{
    hid_t id = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), space, dataset;
    hsize_t n = N_ROW;
    double value[N_ROW];

    for (int i = 0; i < N_ROW; i++)
        value[i] = first + i;
    space = H5Screate_simple(1, &n, NULL);
    dataset = H5Dcreate2(id, "x", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Fclose(id);
}

static const char *source_name(int i)
{
    static char name[32];

    text_format(name, sizeof(name), "s%d.hdf5", i);
    return name;
}

/* v: a view of n sources, one after the other, which are written too. */
static const char *write_view(int n)
{
    const char *path = temp_path("view.hdf5");
    hid_t id = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hsize_t n_all = (hsize_t)n * N_ROW, n_row = N_ROW;
    hid_t space = H5Screate_simple(1, &n_all, NULL), of_source = H5Screate_simple(1, &n_row, NULL),
          creation = H5Pcreate(H5P_DATASET_CREATE);

    for (int i = 0; i < n; i++) {
        hsize_t start = (hsize_t)i * N_ROW;

        write_source(temp_path(source_name(i)), i * N_ROW);
        H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &n_row, NULL);
        H5Pset_virtual(creation, space, source_name(i), "x", of_source);
    }
    H5Dclose(H5Dcreate2(id, "v", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Pclose(creation);
    H5Sclose(of_source);
    H5Sclose(space);
    H5Fclose(id);
    return temp_path("view.hdf5");
}

static void the_files_behind_a_view_are_listed(void **state)
{
    struct io_file *file = open_well(write_view(3));
    struct text_list paths = { 0 };
    struct error err = { "" };
    struct io_info info;
    const char *path = NULL;

    (void)state;
    paths = io_source_files(file);
    assert_int_equal(paths.n, 0); /* nothing was looked at yet */
    EXPECT_OK(io_dataset_info(file, "v", &info, &err), err);
    EXPECT_OK(io_dataset_info(file, "v", &info, &err), err);
    assert_int_equal(info.n, 3 * N_ROW);
    paths = io_source_files(file);
    assert_int_equal(paths.n, 3);
    for (int i = 0; i < 3; i++) {
        path = text_list_next(&paths, path);
        assert_string_equal(path, temp_path(source_name(i)));
    }
    assert_null(text_list_next(&paths, path));
    text_list_free(&paths);
    io_file_close(file);
}

/* HDF5 itself reads fill values. */
static void a_source_that_goes_while_it_is_read_is_noticed(void **state)
{
    struct io_file *file = open_well(write_view(3));
    struct error err = { "" };
    double value[3 * N_ROW];

    (void)state;
    EXPECT_OK(io_read_rows_f64(file, "v", 0, 3 * N_ROW, value, &err), err);
    for (int i = 0; i < 3 * N_ROW; i++)
        assert_true(value[i] == i);
    assert_int_equal(unlink(temp_path(source_name(1))), 0);
    assert_int_equal(io_read_rows_f64(file, "v", N_ROW - 1, 2, value, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "view.hdf5", "'v'", "s1.hdf5", "changed or removed");
    EXPECT_OK(io_read_rows_f64(file, "v", 0, N_ROW, value, &err), err); /* the others are as they were */
    EXPECT_OK(io_read_rows_f64(file, "v", 2 * N_ROW, N_ROW, value, &err), err);
    write_source(temp_path(source_name(1)), 100);
    assert_int_equal(io_read_rows_f64(file, "v", N_ROW, 1, value, &err), POLYPHONY_INPUT);
    io_file_close(file);
}

/* HDF5 opens all sources that a read meets, and reads fill values where it may open no more. */
static void more_sources_than_open_files_are_read(void **state)
{
    const int n = 150;
    struct io_file *file = open_well(write_view(n));
    struct rlimit before, few;
    struct error err = { "" };
    double *value = mem_array((size_t)n * N_ROW, sizeof(*value)),
           *other = mem_array(60 * N_ROW, sizeof(*other));

    (void)state;
    assert_true(value);
    assert_true(other);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit) { .rlim_cur = 120, .rlim_max = before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    EXPECT_OK(io_read_rows_f64(file, "v", 0, (uint64_t)n * N_ROW, value, &err), err);
    few.rlim_cur = 40;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(io_read_rows_f64(file, "v", 0, 60 * N_ROW, other, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "view.hdf5", "'v'", "ulimit -n");
    setrlimit(RLIMIT_NOFILE, &before);
    free(other);
    for (int i = 0; i < n * N_ROW; i++)
        assert_true(value[i] == i);
    free(value);
    io_file_close(file);
}

static void random_boxes_cover_what_a_count_of_places_says(void **state)
{
    enum { SIDE = 5, N_BOX_MAX = 9 };
    uint64_t random = 7, hole[IO_RANK_MAX];
    int n_covered = 0;

    (void)state;
    for (int trial = 0; trial < 3000; trial++) {
        int rank = 1 + trial % 3, n_missing = 0;
        struct io_box box[N_BOX_MAX] = { 0 }, whole = { 0 };
        struct io_boxes boxes = { box, 1 + (size_t)(uniform(&random, 0, N_BOX_MAX)), N_BOX_MAX };
        bool is_covered[SIDE * SIDE * SIDE] = { false }, answer;

        for (int i = 0; i < IO_RANK_MAX; i++)
            whole.end[i] = i < rank ? SIDE : 1;
        for (size_t b = 0; b < boxes.n; b++)
            for (int i = 0; i < IO_RANK_MAX; i++) {
                box[b].begin[i] = i < rank ? (uint64_t)uniform(&random, 0, 2.5) : 0;
                box[b].end[i] = i < rank ? box[b].begin[i] + 1 + (uint64_t)uniform(&random, 0, SIDE) : 1;
            }
        for (int place = 0; place < SIDE * SIDE * SIDE; place++) {
            const uint64_t at[3] = { (uint64_t)(place % SIDE), (uint64_t)(place / SIDE % SIDE),
                                     (uint64_t)(place / SIDE / SIDE) };
            bool is_in_whole = (rank > 1 || at[1] == 0) && (rank > 2 || at[2] == 0);

            for (size_t b = 0; b < boxes.n; b++) {
                bool is_in = true;

                for (int i = 0; i < rank; i++)
                    is_in &= at[i] >= box[b].begin[i] && at[i] < box[b].end[i];
                is_covered[place] |= is_in;
            }
            n_missing += is_in_whole && !is_covered[place];
        }
        answer = io_boxes_cover(&boxes, rank, &whole, hole);
        assert_int_equal(answer, n_missing == 0);
        n_covered += answer;
        if (!answer)
            assert_false(is_covered[hole[0] + (rank > 1 ? SIDE * hole[1] : 0) +
                                    (rank > 2 ? SIDE * SIDE * hole[2] : 0)]);
    }
    assert_true(n_covered > 100);
    assert_true(n_covered < 2900); /* both answers were tried */
}

/* The part of a view that is read may be there, though another one is not. */
static void chunks_are_looked_for_one_by_one(void **state)
{
    const char *path = temp_path("chunks.hdf5");
    hid_t id = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
          creation = H5Pcreate(H5P_DATASET_CREATE), space, dataset, memory;
    const hsize_t dims[2] = { 1000, 7 }, chunk[2] = { 10, 3 }, start[2] = { 0, 0 }, count[2] = { 1000, 6 };
    double *value = mem_array(7000, sizeof(*value));
    struct error err = { "" };
    struct io_file *file;
    struct io_info info;

    (void)state;
    assert_non_null(value);
    space = H5Screate_simple(2, dims, NULL);
    memory = H5Screate_simple(2, count, NULL);
    H5Pset_chunk(creation, 2, chunk);
    dataset = H5Dcreate2(id, "partly", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    H5Dwrite(dataset, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, value);
    H5Dclose(dataset);
    dataset = H5Dcreate2(id, "whole", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value);
    H5Dclose(dataset);
    H5Pclose(creation);
    H5Sclose(memory);
    H5Sclose(space);
    H5Fclose(id);
    free(value);
    file = open_well(path);
    EXPECT_OK(io_dataset_info(file, "whole", &info, &err), err);
    assert_int_equal(io_dataset_info(file, "partly", &info, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "'partly'", "100 of its 300 chunks", "index (0, 6)");
    io_file_close(file);
}

static void nothing_is_whole(void **state)
{
    const char *path = temp_path("nothing.hdf5");
    hid_t id = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), space, null = H5Screate(H5S_NULL),
          creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t none = 0, chunk = 5, endless = H5S_UNLIMITED;
    struct error err = { "" };
    struct io_file *file;
    struct io_info info;

    (void)state;
    space = H5Screate_simple(1, &none, NULL);
    H5Dclose(H5Dcreate2(id, "none", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    space = H5Screate_simple(1, &none, &endless);
    H5Pset_chunk(creation, 1, &chunk);
    H5Dclose(H5Dcreate2(id, "later", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Dclose(H5Dcreate2(id, "null", H5T_NATIVE_DOUBLE, null, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Pclose(creation);
    H5Sclose(space);
    H5Sclose(null);
    H5Fclose(id);
    file = open_well(path);
    EXPECT_OK(io_dataset_info(file, "none", &info, &err), err);
    EXPECT_OK(io_dataset_info(file, "later", &info, &err), err);
    assert_int_equal(info.n, 0);
    EXPECT_OK(io_read_rows_f64(file, "later", 0, 0, NULL, &err), err);
    EXPECT_OK(io_dataset_info(file, "null", &info, &err), err);
    assert_int_equal(info.n, 0);
    io_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_behind_a_view_are_listed),
        cmocka_unit_test(a_source_that_goes_while_it_is_read_is_noticed),
        cmocka_unit_test(more_sources_than_open_files_are_read),
        cmocka_unit_test(random_boxes_cover_what_a_count_of_places_says),
        cmocka_unit_test(chunks_are_looked_for_one_by_one),
        cmocka_unit_test(nothing_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
