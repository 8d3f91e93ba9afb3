/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which datasets can be read without HDF5, and that the numbers are those that HDF5 reads. */
#include "polyphony/io.h"

#include <omp.h>

#include "foreign.h"

#define N 100000 /* numbers */

static struct io_file *open_well(const char *path)
{
    struct io_file *file = NULL;
    struct error err = { "" };

    EXPECT_OK(io_file_open(path, &file, &err), err);
    return file;
}

static void expect_numbers(const struct io_direct *direct, uint64_t first, uint64_t n)
{
    double *value = mem_array(n + 1, sizeof(*value));
    struct error err = { "" };

    assert_non_null(value);
    value[n] = -1.0;
    EXPECT_OK(io_direct_read(direct, first, n, value, &err), err);
    for (uint64_t i = 0; i < n; i++)
        assert_true(value[i] == (double)(first + i) + 0.5); /* exact in four bytes below 2^23 */
    assert_true(value[n] == -1.0);
    free(value);
}

static void native_contiguous_numbers_are_read_directly(void **state)
{
    static const char *const paths[] = { "f4", "f8" };
    const char *path = temp_path("direct.hdf5");
    hid_t creation = H5Pcreate(H5P_FILE_CREATE), id;
    struct io_file *file;

    (void)state;
    H5Pset_userblock(creation, 4096); /* places are those in the file, not in what HDF5 sees of it */
    id = H5Fcreate(path, H5F_ACC_TRUNC, creation, H5P_DEFAULT);
    write_as(id, "f4", H5T_IEEE_F32LE, H5P_DEFAULT, N);
    write_as(id, "f8", H5T_IEEE_F64LE, H5P_DEFAULT, N);
    H5Pclose(creation);
    H5Fclose(id);
    file = open_well(path);
    for (size_t i = 0; i < 2; i++) {
        static const uint64_t n[] = { 0, 1, 2, 511, 512, 513, 1025, N - 7 };
        struct io_direct direct;

        assert_true(io_direct_find(file, paths[i], &direct));
        assert_int_equal(direct.n, N);
        for (size_t k = 0; k < sizeof(n) / sizeof(*n); k++)
            expect_numbers(&direct, 7, n[k]);
        expect_numbers(&direct, N, 0);
#pragma omp parallel for num_threads(4)
        for (int k = 0; k < 100; k++) {
            double value[1000];
            struct error err = { "" };

            if (io_direct_read(&direct, 1000 * (uint64_t)k, 1000, value, &err) ||
                value[999] != 1000.0 * k + 999.5)
                abort();
        }
    }
    io_file_close(file);
}

static void all_else_is_left_to_hdf5(void **state)
{
    static const char *const paths[] = { "f4be",    "f8be",     "i8",    "chunked",
                                         "compact", "external", "never", "none" };
    const char *path = temp_path("others.hdf5");
    const hsize_t chunk = 1000;
    hid_t id = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t chunked = H5Pcreate(H5P_DATASET_CREATE), compact = H5Pcreate(H5P_DATASET_CREATE),
          external = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &chunk, NULL);
    struct io_direct direct;
    struct io_file *file;

    (void)state;
    H5Pset_chunk(chunked, 1, &chunk);
    H5Pset_layout(compact, H5D_COMPACT);
    H5Pset_external(external, temp_path("external.bin"), 0, N * sizeof(double));
    write_as(id, "f4be", H5T_IEEE_F32BE, H5P_DEFAULT, N);
    write_as(id, "f8be", H5T_IEEE_F64BE, H5P_DEFAULT, N);
    write_as(id, "i8", H5T_STD_I64LE, H5P_DEFAULT, N);
    write_as(id, "chunked", H5T_IEEE_F64LE, chunked, N);
    write_as(id, "compact", H5T_IEEE_F64LE, compact, 100);
    write_as(id, "external", H5T_IEEE_F64LE, external, N);
    H5Dclose(H5Dcreate2(id, "never", H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(chunked);
    H5Pclose(compact);
    H5Pclose(external);
    H5Fclose(id);
    file = open_well(path);
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        if (io_direct_find(file, paths[i], &direct))
            fail_msg("'%s' is said to be readable directly", paths[i]);
    io_file_close(file);
}

static void links_are_followed_only_within_the_file(void **state)
{
    const char *path = temp_path("links.hdf5"), *elsewhere = temp_path("elsewhere.hdf5");
    hid_t id = H5Fcreate(elsewhere, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    struct io_direct direct;
    struct io_file *file;

    (void)state;
    write_as(id, "f8", H5T_IEEE_F64LE, H5P_DEFAULT, N);
    H5Fclose(id);
    id = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    write_as(id, "f8", H5T_IEEE_F64LE, H5P_DEFAULT, N);
    assert_true(H5Lcreate_soft("/f8", id, "soft", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_external(elsewhere, "f8", id, "linked", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(id);
    file = open_well(path);
    assert_true(io_direct_find(file, "soft", &direct));
    expect_numbers(&direct, 0, N);
    assert_false(io_direct_find(file, "linked", &direct)); /* offsets are those of the other file */
    io_file_close(file);
}

static void what_is_not_there_is_refused(void **state)
{
    const char *path = temp_path("short.hdf5");
    hid_t id = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    struct io_file *file;
    struct io_direct direct;
    struct error err = { "" };
    double value[8];
    char place[80];

    (void)state;
    write_as(id, "f8", H5T_IEEE_F64LE, H5P_DEFAULT, N);
    H5Fclose(id);
    file = open_well(path);
    assert_true(io_direct_find(file, "f8", &direct));
    assert_int_equal(io_direct_read(&direct, N - 7, 8, value, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "short.hdf5", "99993 to 100001 of 100000");
    assert_int_equal(io_direct_read(&direct, UINT64_MAX, 2, value, &err), POLYPHONY_INPUT);
    assert_int_equal(truncate(path, (off_t)(direct.offset + 50 * sizeof(double))), 0);
    EXPECT_OK(io_direct_read(&direct, 42, 8, value, &err), err);
    assert_int_equal(io_direct_read(&direct, 43, 8, value, &err), POLYPHONY_INPUT);
    text_format(place, sizeof(place), "64 bytes from %llu on, of which 56 were read",
                (unsigned long long)direct.offset + 43 * sizeof(double));
    EXPECT_PARTS(err.text, "short.hdf5", "dataset 'f8'", "was truncated", place);
    direct.fd = -1; /* stands for a disk that fails */
    assert_int_equal(io_direct_read(&direct, 0, 8, value, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "short.hdf5", "dataset 'f8'", "of which 0 were read: Bad file descriptor");
    assert_false(io_direct_find(file, "f8", &direct)); /* it would not be whole any more */
    io_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(native_contiguous_numbers_are_read_directly),
        cmocka_unit_test(all_else_is_left_to_hdf5),
        cmocka_unit_test(links_are_followed_only_within_the_file),
        cmocka_unit_test(what_is_not_there_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
