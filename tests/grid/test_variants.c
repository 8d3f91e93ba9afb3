/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One grid in all the forms that people have it in: of other axis orders and directions, with further axes of
 * one value, under old names, with its lines in groups. Each must be read to the same bits as the plain one.
 */
#include "polyphony/grid.h"

#include <hdf5.h>
#include <math.h>
#include <omp.h>

#include "polyphony/io.h"

#include "../files.h"

#define N_AGE    7
#define N_METAL  3
#define N_LAMBDA 10007 /* not a multiple of a piece, and several of them in all */
#define N_LINE   5
#define N_CELL   ((size_t)N_AGE * N_METAL)

static const double ages[N_AGE] = { 1e6, 1e7, 2e7, 1e8, 2e8, 1e9, 1e10 };
static const double metallicities[N_METAL] = { 1e-3, 1e-2, 2e-2 };
static const char *const ids[N_LINE] = { "H 1 1215.67A", "C 4 1548.19A", "H 1 4861.32A", "O 3 5006.84A",
                                         "H 1 6562.80A" };
static const double line_lambda[N_LINE] = { 1215.67, 1548.19, 4861.32, 5006.84, 6562.8 };

/* What is different. */
struct variant {
    bool metallicity_first, age_descends, metallicity_descends, lambda_descends;
    int i_third;     /* 1 + place of a third axis of one value among the axes; 0: none */
    int n_inserted;  /* axes of length one before the columns of which 'axes' knows nothing */
    hid_t type;      /* of spectra; 0: float64 */
    bool is_packed;  /* spectra are chunked and compressed */
    bool drops_ones; /* axes of length one are left out of the tables */
    size_t n_metal;  /* the first of the metallicities only; 0: all */
    bool has_line_groups;
};

/* ---- writing ----------------------------------------------------------------------------------- */

/* Of table `which` at our indices: whole, and exact in four bytes. */
static double number(int which, size_t i, size_t j, size_t k)
{
    return (double)((which + 1) * 4096 + (int)(i * 512 + j * 128 + k % 101));
}

static void write_text(hid_t object, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), id;

    H5Tset_size(type, strlen(text) + 1);
    id = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(id, type, text) >= 0);
    H5Aclose(id);
    H5Sclose(space);
    H5Tclose(type);
}

static void write_number(hid_t object, const char *name, double value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t id = H5Acreate2(object, name, H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT);

    assert_true(H5Awrite(id, H5T_NATIVE_DOUBLE, &value) >= 0);
    H5Aclose(id);
    H5Sclose(space);
}

static size_t n_metal_of(const struct variant *v)
{
    return v->n_metal ? v->n_metal : N_METAL;
}

/* Axes of a table of this variant; their number. */
static int table_dims(const struct variant *v, size_t n_column, hsize_t *dims)
{
    const hsize_t pair[2] = { v->metallicity_first ? n_metal_of(v) : N_AGE,
                              v->metallicity_first ? N_AGE : n_metal_of(v) };
    int n = 0;

    for (int i = 0; i < 2; i++) {
        if (v->i_third == i + 1 && !v->drops_ones)
            dims[n++] = 1;
        if (pair[i] > 1 || !v->drops_ones)
            dims[n++] = pair[i];
    }
    if (v->i_third == 3 && !v->drops_ones)
        dims[n++] = 1;
    for (int i = 0; i < v->n_inserted; i++)
        dims[n++] = 1;
    if (n_column)
        dims[n++] = n_column;
    return n;
}

/* The table as the variant has it; of column k0 alone if n_column is 0. */
static double *arrange(const struct variant *v, int which, size_t n_column, size_t k0, bool column_descends)
{
    size_t n_metal = n_metal_of(v), n = n_column ? n_column : 1;
    double *value = mem_array(N_AGE * n_metal * n, sizeof(*value));

    assert_non_null(value);
    for (size_t i = 0; i < N_AGE; i++)
        for (size_t j = 0; j < n_metal; j++)
            for (size_t k = 0; k < n; k++) {
                size_t at_i = v->age_descends ? N_AGE - 1 - i : i;
                size_t at_j = v->metallicity_descends ? n_metal - 1 - j : j;
                size_t row = v->metallicity_first ? at_j * N_AGE + at_i : at_i * n_metal + at_j;

                value[row * n + (column_descends ? n - 1 - k : k)] = number(which, i, j, k0 + k);
            }
    return value;
}

static void write_table(hid_t file, const struct variant *v, const char *path, int which, size_t n_column,
                        size_t k0, bool is_spectrum, const char *unit)
{
    hsize_t dims[8], chunk[8];
    int rank = table_dims(v, n_column, dims);
    hid_t space = H5Screate_simple(rank, dims, NULL), creation = H5Pcreate(H5P_DATASET_CREATE),
          links = H5Pcreate(H5P_LINK_CREATE), id;
    double *value = arrange(v, which, n_column, k0, is_spectrum && v->lambda_descends);

    H5Pset_create_intermediate_group(links, 1);
    for (int i = 0; i < rank; i++)
        chunk[i] = dims[i] > 1000 ? 1000 : dims[i] > 2 ? 2 : dims[i];
    if (is_spectrum && v->is_packed) {
        H5Pset_chunk(creation, rank, chunk);
        H5Pset_deflate(creation, 1);
    }
    id = H5Dcreate2(file, path, is_spectrum && v->type ? v->type : H5T_IEEE_F64LE, space, links, creation,
                    H5P_DEFAULT);
    assert_true(H5Dwrite(id, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    if (unit)
        write_text(id, "Units", unit);
    H5Dclose(id);
    H5Pclose(links);
    H5Pclose(creation);
    H5Sclose(space);
    free(value);
}

static void write_list(struct io_file *file, const char *path, size_t n, const double *value, bool descends,
                       const char *unit)
{
    struct error err = { "" };
    double *list = mem_array(n, sizeof(*list));
    uint64_t dim = n;

    assert_non_null(list);
    for (size_t i = 0; i < n; i++)
        list[i] = value[descends ? n - 1 - i : i];
    EXPECT_OK(io_write_f64(file, path, 1, &dim, list, unit, "", &err), err);
    free(list);
}

static void write_axes(struct io_file *file, const struct variant *v)
{
    const char *names[3] = { "ages", "metallicities", "ionisation_parameters" };
    const char *order[3];
    struct error err = { "" };
    double *lambda = mem_array(N_LAMBDA, sizeof(*lambda)), third = 0.01;
    size_t n = 0;

    assert_non_null(lambda);
    for (size_t i = 0; i < N_LAMBDA; i++)
        lambda[i] = 100.0 + (double)i;
    for (int i = 0; i < 2; i++) {
        if (v->i_third == i + 1)
            order[n++] = names[2];
        order[n++] = names[v->metallicity_first ? 1 - i : i];
    }
    if (v->i_third == 3)
        order[n++] = names[2];
    EXPECT_OK(io_attr_write_texts(file, "/", "axes", n, order, &err), err);
    EXPECT_OK(io_attr_write_text(file, "/", "WeightVariable", "initial_masses", &err), err);
    write_list(file, "axes/ages", N_AGE, ages, v->age_descends, "yr");
    write_list(file, "axes/metallicities", n_metal_of(v), metallicities, v->metallicity_descends,
               "dimensionless");
    if (v->i_third)
        write_list(file, "axes/ionisation_parameters", 1, &third, false, "dimensionless");
    write_list(file, "spectra/wavelength", N_LAMBDA, lambda, v->lambda_descends, "angstrom");
    EXPECT_OK(io_attr_write_bool(file, "axes/ages", "log_on_read", true, &err), err);
    EXPECT_OK(io_attr_write_bool(file, "axes/metallicities", "log_on_read", true, &err), err);
    free(lambda);
}

static void write_line_groups(hid_t file, const struct variant *v)
{
    for (size_t k = 0; k < N_LINE; k++) {
        char path[128];
        hid_t group;

        snprintf(path, sizeof(path), "lines/%s/luminosity", ids[k]);
        write_table(file, v, path, 4, 0, k, false, NULL);
        snprintf(path, sizeof(path), "lines/%s/nebular_continuum", ids[k]);
        write_table(file, v, path, 5, 0, k, false, NULL);
        snprintf(path, sizeof(path), "lines/%s/stellar_continuum", ids[k]);
        write_table(file, v, path, 6, 0, k, false, NULL);
        snprintf(path, sizeof(path), "lines/%s", ids[k]);
        group = H5Gopen2(file, path, H5P_DEFAULT);
        write_number(group, "wavelength", line_lambda[k]);
        H5Gclose(group);
    }
}

static const char *write_variant(const struct variant *v)
{
    static const char *const spectra[] = { "spectra/incident", "spectra/transmitted", "spectra/nebular",
                                           "spectra/linecont" };
    static const char *const lines[] = { "lines/luminosity", "lines/nebular_continuum", "lines/transmitted" };
    static const char *const line_units[] = { "erg/s", "erg/(Hz*s)", "erg/(Hz*s)" };
    const char *path = temp_path("variant.hdf5");
    struct io_file *file = NULL;
    struct error err = { "" };
    hid_t id;

    EXPECT_OK(io_file_create(path, &file, &err), err);
    write_axes(file, v);
    if (!v->has_line_groups) {
        EXPECT_OK(io_write_strings(file, "lines/id", N_LINE, ids, "", &err), err);
        write_list(file, "lines/wavelength", N_LINE, line_lambda, false, "angstrom");
    }
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    id = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    for (int i = 0; i < 4; i++)
        write_table(id, v, spectra[i], i, N_LAMBDA, 0, true, "erg/(Hz*s)");
    for (int i = 0; i < 3 && !v->has_line_groups; i++)
        write_table(id, v, lines[i], 4 + i, N_LINE, 0, false, line_units[i]);
    if (v->has_line_groups)
        write_line_groups(id, v);
    assert_true(H5Fclose(id) >= 0);
    return path;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static const struct grid_needs everything = {
    .n_spectrum = 5,
    .spectrum = { "incident", "transmitted", "nebular_continuum", "linecont", "nebular" },
    .lines = true,
};

static void expect_table(const double *table, size_t n_metal, size_t n_column, int which, int less,
                         const char *what)
{
    for (size_t i = 0; i < N_AGE; i++)
        for (size_t j = 0; j < n_metal; j++)
            for (size_t k = 0; k < n_column; k++) {
                double got = table[(i * n_metal + j) * n_column + k];
                double expected = number(which, i, j, k) - (less >= 0 ? number(less, i, j, k) : 0.0);

                if (got != expected)
                    fail_msg("%s: age %zu, metallicity %zu, column %zu is %g, not %g", what, i, j, k, got,
                             expected);
            }
}

/* The plain grid's numbers, by one thread and by three. */
static void expect_read(const struct variant *v, size_t n_warning, const char *what)
{
    const char *path = write_variant(v);
    size_t n_metal = n_metal_of(v);
    int n_thread = omp_get_max_threads();

    for (int n = 1; n <= 3; n += 2) {
        struct grid *grid = NULL;
        struct error err = { "" };
        const struct grid_spectrum *s;
        const struct grid_axis *age, *metallicity;

        omp_set_num_threads(n);
        EXPECT_OK(grid_open(path, &everything, NULL, &grid, &err), err);
        s = grid->spectrum;
        age = grid_find_axis(grid, GRID_AGE);
        metallicity = grid_find_axis(grid, GRID_METALLICITY);
        assert_true(age->n == N_AGE);
        assert_true(metallicity->n == n_metal);
        assert_true(grid->n_lambda == N_LAMBDA);
        assert_memory_equal(age->node, ages, sizeof(ages));
        assert_memory_equal(metallicity->node, metallicities, n_metal * sizeof(double));
        for (size_t k = 0; k < N_LAMBDA; k++)
            assert_true(grid->lambda_rest_angstrom[k] == 100.0 + (double)k);
        expect_table(s[0].lnu, n_metal, N_LAMBDA, 0, -1, what);
        expect_table(s[1].lnu, n_metal, N_LAMBDA, 1, -1, what);
        expect_table(s[2].lnu, n_metal, N_LAMBDA, 2, 3, what);
        expect_table(s[3].lnu, n_metal, N_LAMBDA, 3, -1, what);
        expect_table(s[4].lnu, n_metal, N_LAMBDA, 2, -1, what);
        for (size_t k = 0; k < N_LINE; k++) {
            assert_string_equal(grid->line_id[k], ids[k]);
            assert_true(grid->line_lambda_rest_angstrom[k] == line_lambda[k]);
        }
        expect_table(s[4].line_luminosity, n_metal, N_LINE, 4, -1, what);
        expect_table(s[4].line_continuum, n_metal, N_LINE, 5, -1, what);
        expect_table(s[1].line_continuum, n_metal, N_LINE, 6, -1, what);
        if (grid->warnings.n != n_warning)
            fail_msg("%s: %zu warnings, not %zu, the first: %s", what, grid->warnings.n, n_warning,
                     grid->warnings.text[0]);
        grid_free(grid);
    }
    omp_set_num_threads(n_thread);
}

/* nebular less linecont is negative by these numbers' making. */
#define IS_NEGATIVE 1

static void axes_of_any_order_and_direction_give_the_same_bits(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        struct variant v = { .metallicity_first = i & 1,
                             .age_descends = i & 2,
                             .metallicity_descends = i & 4,
                             .lambda_descends = i & 8 };
        char what[32];

        snprintf(what, sizeof(what), "arrangement %d", i);
        expect_read(&v, IS_NEGATIVE, what);
    }
}

static void so_do_tables_that_hdf5_must_read(void **state)
{
    const struct variant variants[] = {
        { .metallicity_first = true, .lambda_descends = true, .is_packed = true },
        { .age_descends = true, .type = H5T_IEEE_F64BE },
        { .metallicity_first = true, .metallicity_descends = true, .i_third = 1, .is_packed = true },
        { .lambda_descends = true, .type = H5T_IEEE_F32BE, .i_third = 1 },
        { .type = H5T_IEEE_F32LE, .metallicity_first = true },
        { .type = H5T_STD_I32BE, .metallicity_descends = true, .i_third = 2 },
        { .is_packed = true, .i_third = 3 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(variants) / sizeof(*variants); i++) {
        char what[32];

        snprintf(what, sizeof(what), "layout %zu", i);
        expect_read(&variants[i], IS_NEGATIVE, what);
    }
}

static void axes_of_one_value_are_cut_away_wherever_they_are(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++) {
        expect_read(&(struct variant) { .i_third = i }, IS_NEGATIVE, "a third axis");
        expect_read(&(struct variant) { .i_third = i, .metallicity_first = true, .n_inserted = 1 },
                    IS_NEGATIVE, "a third axis, and one that is not named");
        expect_read(&(struct variant) { .i_third = i, .drops_ones = true }, IS_NEGATIVE,
                    "a third axis that the tables do not have");
    }
    expect_read(&(struct variant) { .n_inserted = 2 }, IS_NEGATIVE, "two that are not named");
    expect_read(&(struct variant) { .n_metal = 1 }, IS_NEGATIVE, "one metallicity");
    expect_read(&(struct variant) { .n_metal = 1, .drops_ones = true, .age_descends = true }, IS_NEGATIVE,
                "one metallicity that the tables do not have");
}

static void lines_in_groups_are_lines(void **state)
{
    /* that they are, and no units of two kinds */
    size_t n_warning = IS_NEGATIVE + 3;

    (void)state;
    expect_read(&(struct variant) { .has_line_groups = true }, n_warning, "groups");
    expect_read(
        &(struct variant) { .has_line_groups = true, .metallicity_first = true, .age_descends = true },
        n_warning, "groups in another order");
    expect_read(&(struct variant) { .has_line_groups = true, .i_third = 1 }, n_warning,
                "groups of three axes");
}

/* ---- what is found there ----------------------------------------------------------------------- */

static void put_number(const char *path, const char *dataset, size_t at, double value)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), id = H5Dopen2(file, dataset, H5P_DEFAULT);
    hid_t space = H5Dget_space(id);
    size_t n = (size_t)H5Sget_simple_extent_npoints(space);
    double *all = mem_array(n, sizeof(*all));

    assert_true(all);
    assert_true(at < n);
    assert_true(H5Dread(id, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, all) >= 0);
    all[at] = value;
    assert_true(H5Dwrite(id, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, all) >= 0);
    free(all);
    H5Sclose(space);
    H5Dclose(id);
    H5Fclose(file);
}

/* Row 4 of the file is metallicity 0 (descending: the largest), age 4 (descending: 2e7 yr); column 9 from the
 * red end. */
static void a_bad_number_is_placed_where_the_file_has_it(void **state)
{
    const size_t at = (size_t)4 * N_LAMBDA + 9;

    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        struct variant v = { true, true, true, true, .is_packed = packed };
        const char *path = write_variant(&v);
        struct grid *grid = NULL;
        struct error err = { "" };

        put_number(path, "spectra/nebular", at, (double)NAN);
        assert_int_equal(grid_open(path, &everything, NULL, &grid, &err), POLYPHONY_INPUT);
        EXPECT_PARTS(err.text, "'spectra/nebular'", "age 4, metallicity 0, column 9",
                     "2e+07 yr, 0.02, 10097 angstrom", "is nan");
    }
}

static void negative_light_is_warned_of(void **state)
{
    const struct grid_needs needs = { .n_spectrum = 2,
                                      .spectrum = { "transmitted", "incident" },
                                      .lines = false };

    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        struct variant v = { .is_packed = packed };
        const char *path = write_variant(&v);
        struct grid *grid = NULL;
        struct error err = { "" };

        EXPECT_OK(grid_open(path, &needs, NULL, &grid, &err), err);
        assert_int_equal(grid->warnings.n, 0);
        grid_free(grid);
        put_number(path, "spectra/transmitted", (size_t)4 * N_LAMBDA + 9, -3.5);
        put_number(path, "spectra/transmitted", (size_t)8 * N_LAMBDA, -1);
        EXPECT_OK(grid_open(path, &needs, NULL, &grid, &err), err);
        assert_int_equal(grid->warnings.n, 1);
        EXPECT_PARTS(grid->warnings.text[0], "'spectra/transmitted'", "2 of 210147 values below 0",
                     "the lowest is -3.5", "age 1, metallicity 1, column 9", "109 angstrom");
        grid_free(grid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_of_any_order_and_direction_give_the_same_bits),
        cmocka_unit_test(so_do_tables_that_hdf5_must_read),
        cmocka_unit_test(axes_of_one_value_are_cut_away_wherever_they_are),
        cmocka_unit_test(lines_in_groups_are_lines),
        cmocka_unit_test(a_bad_number_is_placed_where_the_file_has_it),
        cmocka_unit_test(negative_light_is_warned_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
