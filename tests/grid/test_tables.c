/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables of several pieces, of whatever layout, read by any number of threads. */
#include "polyphony/grid.h"

#include <hdf5.h>
#include <math.h>
#include <omp.h>

#include "polyphony/io.h"

#include "../files.h"

#define N_AGE    7
#define N_METAL  3
#define N_LAMBDA 10007 /* not a multiple of a piece, and several of them in all */
#define N_TABLE  ((size_t)N_AGE * N_METAL * N_LAMBDA)

static double nebular[N_TABLE], linecont[N_TABLE], incident[N_TABLE];

/* How one dataset is stored. */
struct layout {
    hid_t type;
    hsize_t chunk; /* 0: contiguous */
};

static void write_table(hid_t file, const char *path, const double *value, const struct layout *layout)
{
    const hsize_t dims[3] = { N_AGE, N_METAL, N_LAMBDA }, chunk[3] = { 2, 2, layout->chunk };
    hid_t space = H5Screate_simple(3, dims, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);
    hid_t text = H5Tcopy(H5T_C_S1), scalar = H5Screate(H5S_SCALAR), id, attribute;

    if (layout->chunk) {
        H5Pset_chunk(creation, 3, chunk);
        H5Pset_deflate(creation, 1);
    }
    id = H5Dcreate2(file, path, layout->type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(H5Dwrite(id, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    H5Tset_size(text, 10);
    attribute = H5Acreate2(id, "Units", text, scalar, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, text, "erg/(Hz*s)") >= 0);
    H5Aclose(attribute);
    H5Sclose(scalar);
    H5Tclose(text);
    H5Dclose(id);
    H5Pclose(creation);
    H5Sclose(space);
}

static const char *write_grid(const struct layout *of_nebular, const struct layout *of_linecont)
{
    const char *path = temp_path("tables.hdf5");
    static const char *const axes[] = { "ages", "metallicities" };
    static const double age[N_AGE] = { 1e6, 1e7, 2e7, 1e8, 2e8, 1e9, 1e10 },
                        metal[N_METAL] = { 1e-3, 1e-2, 2e-2 };
    const uint64_t n_age = N_AGE, n_metal = N_METAL, n_lambda = N_LAMBDA;
    struct io_file *file = NULL;
    struct error err = { "" };
    double *lambda = mem_array(N_LAMBDA, sizeof(*lambda));
    hid_t id;

    assert_non_null(lambda);
    for (size_t i = 0; i < N_LAMBDA; i++)
        lambda[i] = 100.0 + (double)i;
    EXPECT_OK(io_file_create(path, &file, &err), err);
    EXPECT_OK(io_attr_write_texts(file, "/", "axes", 2, axes, &err), err);
    EXPECT_OK(io_write_f64(file, "axes/ages", 1, &n_age, age, "yr", "", &err), err);
    EXPECT_OK(io_write_f64(file, "axes/metallicities", 1, &n_metal, metal, "dimensionless", "", &err), err);
    EXPECT_OK(io_write_f64(file, "spectra/wavelength", 1, &n_lambda, lambda, "angstrom", "", &err), err);
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    free(lambda);
    id = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    write_table(id, "spectra/nebular", nebular, of_nebular);
    write_table(id, "spectra/linecont", linecont, of_linecont);
    write_table(id, "spectra/incident", incident, of_nebular);
    assert_true(H5Fclose(id) >= 0);
    return path;
}

static void make(void)
{
    for (size_t i = 0; i < N_TABLE; i++) {
        nebular[i] = (double)(i % 99991) / 64.0; /* exact in four bytes */
        linecont[i] = (double)(i % 9973) / 128.0;
        incident[i] = (double)i;
    }
}

/* The grid of these needs, by one, two and three threads. */
static void expect_tables(const char *path, const struct grid_needs *needs)
{
    int n_thread = omp_get_max_threads();

    for (int n = 1; n <= 3; n++) {
        struct grid *grid = NULL;
        struct error err = { "" };

        omp_set_num_threads(n);
        EXPECT_OK(grid_open(path, needs, NULL, &grid, &err), err);
        for (size_t s = 0; s < needs->n_spectrum; s++)
            for (size_t i = 0; i < N_TABLE; i++) {
                double expected = !strcmp(needs->spectrum[s], "incident")   ? incident[i]
                                  : !strcmp(needs->spectrum[s], "linecont") ? linecont[i]
                                                                            : nebular[i] - linecont[i];

                if (grid->spectrum[s].lnu[i] != expected)
                    fail_msg("%s[%zu] is %g, not %g", needs->spectrum[s], i, grid->spectrum[s].lnu[i],
                             expected);
            }
        grid_free(grid);
    }
    omp_set_num_threads(n_thread);
}

/* What is subtracted is a table before, after, or none. */
static void tables_of_any_layout_are_read(void **state)
{
    static const struct grid_needs needs[] = {
        { .n_spectrum = 3, .spectrum = { "incident", "linecont", "nebular_continuum" }, .lines = false },
        { .n_spectrum = 2, .spectrum = { "nebular_continuum", "linecont" }, .lines = false },
        { .n_spectrum = 1, .spectrum = { "nebular_continuum" }, .lines = false }
    };
    const struct layout plain = { H5T_IEEE_F64LE, 0 }, narrow = { H5T_IEEE_F32LE, 0 },
                        other_end = { H5T_IEEE_F64BE, 0 }, packed = { H5T_IEEE_F32LE, 1000 };
    const struct layout *const pairs[][2] = { { &plain, &plain },
                                              { &narrow, &plain },
                                              { &plain, &packed },
                                              { &other_end, &narrow },
                                              { &packed, &packed } };

    (void)state;
    make();
    for (size_t p = 0; p < sizeof(pairs) / sizeof(*pairs); p++) {
        const char *path = write_grid(pairs[p][0], pairs[p][1]);

        for (size_t n = 0; n < sizeof(needs) / sizeof(*needs); n++)
            expect_tables(path, &needs[n]);
    }
}

/* Of several, by whichever thread: that of the first table, and there the first. */
static void the_first_value_that_is_not_finite_is_told(void **state)
{
    static const struct grid_needs needs = { .n_spectrum = 2,
                                             .spectrum = { "incident", "nebular_continuum" },
                                             .lines = false };
    const struct layout layouts[] = { { H5T_IEEE_F64LE, 0 }, { H5T_IEEE_F64LE, 1000 } };

    (void)state;
    make();
    nebular[3] = (double)NAN;
    linecont[2] = (double)INFINITY;
    incident[N_TABLE - 1] = (double)NAN;
    incident[4 * N_METAL * N_LAMBDA + 2 * N_LAMBDA + 77] = -(double)INFINITY;
    for (size_t l = 0; l < 2; l++) {
        const char *path = write_grid(&layouts[l], &layouts[l]);

        for (int repeat = 0; repeat < 5; repeat++) {
            struct grid *grid = NULL;
            struct error err = { "" };

            assert_int_equal(grid_open(path, &needs, NULL, &grid, &err), POLYPHONY_INPUT);
            EXPECT_PARTS(err.text, "tables.hdf5", "'spectra/incident'", "age 4, metallicity 2, column 77",
                         "is -inf", "not a finite number");
            assert_null(grid);
        }
    }
}

static void what_is_subtracted_must_be_finite_too(void **state)
{
    static const struct grid_needs needs = { .n_spectrum = 1,
                                             .spectrum = { "nebular_continuum" },
                                             .lines = false };
    const struct layout layouts[] = { { H5T_IEEE_F64LE, 0 }, { H5T_IEEE_F64LE, 1000 } };

    (void)state;
    make();
    linecont[N_LAMBDA + 5] = (double)NAN;
    for (size_t l = 0; l < 2; l++) {
        struct grid *grid = NULL;
        struct error err = { "" };

        assert_int_equal(grid_open(write_grid(&layouts[l], &layouts[l]), &needs, NULL, &grid, &err),
                         POLYPHONY_INPUT);
        EXPECT_PARTS(err.text, "'spectra/linecont'", "age 0, metallicity 1, column 5");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_of_any_layout_are_read),
        cmocka_unit_test(the_first_value_that_is_not_finite_is_told),
        cmocka_unit_test(what_is_subtracted_must_be_finite_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
