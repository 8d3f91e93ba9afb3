/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Grids of three and four axes, in any order and direction of the file, however it is stored: tables are a
 * formula of the nodes. Axes that are fixed, at a node or between two.
 */
#include <hdf5.h>
#include <math.h>

#include "polyphony/grid.h"
#include "polyphony/io.h"

#include "../files.h"

enum { N_AXIS = 4, N_LAMBDA = 5 };

/* The axes by what they are: ages, metallicities, and two others, of which one is logarithmic. */
static const char *const names[N_AXIS] = { "ages", "metallicities", "ionisation_parameters", "alpha" };
static const size_t length[N_AXIS] = { 4, 3, 3, 2 };
static const double nodes[N_AXIS][4] = {
    { 1e6, 1e7, 1e8, 1e9 }, { 0.001, 0.004, 0.02 }, { 1e-4, 1e-3, 1e-2 }, { 0.1, 0.3 }
};
static const bool is_log[N_AXIS] = { true, true, true, false };

struct made {
    size_t n_axis, axis[N_AXIS]; /* which, in the file's order */
    bool descends[N_AXIS];       /* by axis */
    bool is_chunked;
};

/* Along each axis what is interpolated is linear: products of them are too. */
static double coordinate(size_t axis, double value)
{
    return 2.0 + (is_log[axis] ? log10(value) / 16 : value);
}

static double formula(const double value[N_AXIS], size_t column)
{
    double product = 1e20 * (1.0 + (double)column);

    for (size_t a = 0; a < N_AXIS; a++)
        product *= coordinate(a, value[a]);
    return product;
}

static double node_in_file(const struct made *made, size_t axis, size_t i)
{
    return nodes[axis][made->descends[axis] ? length[axis] - 1 - i : i];
}

static void write_axis(struct io_file *file, const struct made *made, size_t axis)
{
    const uint64_t n = length[axis];
    double value[4];
    char path[64];
    struct error err = { "" };

    snprintf(path, sizeof(path), "axes/%s", names[axis]);
    for (size_t i = 0; i < n; i++)
        value[i] = node_in_file(made, axis, i);
    EXPECT_OK(io_write_f64(file, path, 1, &n, value, axis ? "dimensionless" : "yr", "made", &err), err);
    EXPECT_OK(io_attr_write_bool(file, path, "log_on_read", is_log[axis], &err), err);
}

/* The table as it lies in the file; axes that it does not have are at their first node. */
static size_t make_table(const struct made *made, uint64_t *dims, double *value)
{
    size_t n_row = 1;

    for (size_t a = 0; a < made->n_axis; a++)
        n_row *= dims[a] = length[made->axis[a]];
    dims[made->n_axis] = N_LAMBDA;
    for (size_t row = 0; row < n_row; row++) {
        double at[N_AXIS];
        size_t rest = row;

        for (size_t a = 0; a < N_AXIS; a++)
            at[a] = nodes[a][0];
        for (size_t a = made->n_axis; a-- > 0; rest /= dims[a])
            at[made->axis[a]] = node_in_file(made, made->axis[a], rest % dims[a]);
        for (size_t j = 0; j < N_LAMBDA; j++)
            value[row * N_LAMBDA + j] = formula(at, j);
    }
    return n_row;
}

/* In chunks it is read by HDF5, otherwise directly. */
static void write_chunked(const char *path, int rank, const uint64_t *dims, const double *value)
{
    hsize_t chunk[N_AXIS + 1], extent[N_AXIS + 1];
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), list = H5Pcreate(H5P_DATASET_CREATE), space,
          dataset;

    for (int i = 0; i < rank; i++) {
        extent[i] = dims[i];
        chunk[i] = 2;
    }
    space = H5Screate_simple(rank, extent, NULL);
    H5Pset_chunk(list, rank, chunk);
    dataset = H5Dcreate2(file, "spectra/incident", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, list, H5P_DEFAULT);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Pclose(list);
    H5Fclose(file);
}

static const char *write_made(const struct made *made)
{
    static const double lambda[N_LAMBDA] = { 1000, 2000, 3000, 4000, 5000 };
    const char *path = temp_path("axes.grid.hdf5"), *list[N_AXIS];
    const uint64_t n_lambda = N_LAMBDA;
    uint64_t dims[N_AXIS + 1];
    double value[4 * 3 * 3 * 2 * N_LAMBDA];
    struct io_file *file = NULL;
    struct error err = { "" };

    make_table(made, dims, value);
    EXPECT_OK(io_file_create(path, &file, &err), err);
    for (size_t a = 0; a < made->n_axis; a++) {
        list[a] = names[made->axis[a]];
        write_axis(file, made, made->axis[a]);
    }
    EXPECT_OK(io_attr_write_texts(file, "/", "axes", made->n_axis, list, &err), err);
    EXPECT_OK(io_attr_write_text(file, "/", "WeightVariable", "initial_masses", &err), err);
    EXPECT_OK(io_write_f64(file, "spectra/wavelength", 1, &n_lambda, lambda, "angstrom", "made", &err), err);
    if (!made->is_chunked)
        EXPECT_OK(io_write_f64(file, "spectra/incident", (int)made->n_axis + 1, dims, value, "erg/s/Hz",
                               "made", &err),
                  err);
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    if (made->is_chunked)
        write_chunked(path, (int)made->n_axis + 1, dims, value);
    return path;
}

static int open_fixed(const struct made *made, size_t n_fix, const struct grid_fix *fix,
                      enum weights_scheme scheme, struct grid **ret_grid, struct error *err)
{
    const struct grid_needs needs = {
        .n_spectrum = 1, .spectrum = { "incident" }, .n_fix = n_fix, .fix = fix, .scheme = scheme
    };

    return grid_open(write_made(made), &needs, NULL, ret_grid, err);
}

static size_t which(const char *name)
{
    size_t a = 0;

    while (strcmp(names[a], name))
        a++;
    return a;
}

/* All numbers are the formula's; `at` has the values of axes that are cut away. */
static void expect_table(const struct grid *grid, double at[N_AXIS], double tolerance)
{
    for (size_t cell = 0; cell < grid->n_cell; cell++) {
        size_t rest = cell;

        for (size_t a = grid->n_axis; a-- > 0; rest /= grid->axis[a].n)
            at[which(grid->axis[a].name)] = grid->axis[a].node[rest % grid->axis[a].n];
        for (size_t j = 0; j < N_LAMBDA; j++) {
            double expected = formula(at, j);

            if (!(fabs(grid->spectrum[0].lnu[cell * N_LAMBDA + j] - expected) <= tolerance * expected))
                fail_msg("cell %zu column %zu is %.17g, expected %.17g", cell, j,
                         grid->spectrum[0].lnu[cell * N_LAMBDA + j], expected);
        }
    }
}

static void axes_may_come_in_any_order_and_direction(void **state)
{
    (void)state;
    for (size_t code = 0; code < 4 * 4 * 4 * 4 * 2; code++) {
        struct made made = { .n_axis = N_AXIS,
                             .axis = { code % 4, code / 4 % 4, code / 16 % 4, code / 64 % 4 },
                             .is_chunked = code / 256 };
        size_t seen = 0;
        struct grid *grid = NULL;
        struct error err = { "" };
        double at[N_AXIS];

        for (size_t a = 0; a < N_AXIS; a++)
            seen |= (size_t)1 << made.axis[a];
        if (seen != 15)
            continue;
        for (size_t a = 0; a < N_AXIS; a++)
            made.descends[a] = (code * 7 >> a) & 1;
        EXPECT_OK(open_fixed(&made, 0, NULL, WEIGHTS_CIC, &grid, &err), err);
        assert_int_equal(grid->n_axis, 4);
        assert_int_equal(grid->n_cell, 4 * 3 * 3 * 2);
        assert_string_equal(grid->axis[0].name, "ages");
        assert_string_equal(grid->axis[1].name, "metallicities");
        assert_int_equal(grid->nodes[2].n, grid->axis[2].n);
        expect_table(grid, at, 0);
        grid_free(grid);
    }
}

static void a_fixed_axis_is_cut_away(void **state)
{
    static const struct {
        const char *name;
        double value, below, above, tolerance;
    } cases[] = {
        { "ionisation_parameters", 1e-3, 1e-3, 1e-3, 0 },
        { "ionisation_parameters", (double)1e-3f, 1e-3, 1e-3, 0 },
        { "ionisation_parameters", 2e-3, 1e-3, 1e-2, 2e-15 }, /* two products and a sum */
        { "alpha", 0.3, 0.3, 0.3, 0 },
        { "alpha", 0.15, 0.1, 0.3, 2e-15 },
        { "ages", 1e8, 1e8, 1e8, 0 },
        { "metallicities", 0.003, 0.001, 0.004, 2e-15 },
    };

    (void)state;
    for (size_t i = 0; i < 4 * sizeof(cases) / sizeof(*cases); i++) {
        size_t c = i / 4, axis = which(cases[c].name);
        struct made made = { .n_axis = N_AXIS, .axis = { 2, 0, 3, 1 }, .is_chunked = i & 1 };
        struct grid_fix fix = { cases[c].name, cases[c].value };
        struct grid *grid = NULL;
        struct error err = { "" };
        double at[N_AXIS];

        made.descends[axis] = i & 2;
        EXPECT_OK(open_fixed(&made, 1, &fix, WEIGHTS_CIC, &grid, &err), err);
        assert_int_equal(grid->n_axis, 3);
        assert_int_equal(grid->n_axis_all, 4);
        assert_true(grid->axis[3].is_fixed);
        assert_true(grid->axis[3].n == 1);
        assert_string_equal(grid->axis[3].name, cases[c].name);
        assert_true(grid->axis[3].below == cases[c].below);
        assert_true(grid->axis[3].above == cases[c].above);
        at[axis] = cases[c].tolerance > 0 ? cases[c].value : cases[c].below;
        assert_true(grid->axis[3].node[0] == at[axis]);
        expect_table(grid, at, cases[c].tolerance);
        grid_free(grid);
    }
}

static void several_fixed_axes_are_interpolated_together(void **state)
{
    (void)state;
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        struct made made = { .n_axis = N_AXIS, .axis = { 3, 2, 1, 0 }, .is_chunked = is_chunked };
        const struct grid_fix fix[] = { { "alpha", 0.2 }, { "ionisation_parameters", 3e-4 } };
        double at[N_AXIS] = { 0, 0, 3e-4, 0.2 };
        struct grid *grid = NULL;
        struct error err = { "" };

        made.descends[2] = true;
        EXPECT_OK(open_fixed(&made, 2, fix, WEIGHTS_CIC, &grid, &err), err);
        assert_int_equal(grid->n_axis, 2);
        expect_table(grid, at, 4e-15);
        grid_free(grid);
    }
}

static void the_nearest_node_is_taken_with_nearest_grid_point(void **state)
{
    struct made made = { .n_axis = N_AXIS, .axis = { 0, 1, 2, 3 } };
    const struct grid_fix fix = { "ionisation_parameters", 2e-3 };
    double at[N_AXIS] = { 0, 0, 1e-3, 0 };
    struct grid *grid = NULL;
    struct error err = { "" };

    (void)state;
    EXPECT_OK(open_fixed(&made, 1, &fix, WEIGHTS_NGP, &grid, &err), err);
    assert_true(grid->axis[3].node[0] == 1e-3);
    expect_table(grid, at, 0);
    grid_free(grid);
}

static void what_cannot_be_fixed_is_told(void **state)
{
    static const struct {
        struct grid_fix fix;
        const char *part;
    } cases[] = {
        { { "ionisation_parameter", 1e-3 }, "did you mean 'ionisation_parameters'?" },
        { { "spins", 1 }, "its axes: ages, metallicities, ionisation_parameters, alpha" },
        { { "ionisation_parameters", -3 }, "which is from 0.0001" },
        { { "alpha", 0.4 }, "beyond the axis 'alpha'" },
        { { "ages", 10 }, " yr" },
    };
    struct made made = { .n_axis = N_AXIS, .axis = { 0, 1, 2, 3 } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct grid *grid = NULL;
        struct error err = { "" };

        assert_int_equal(open_fixed(&made, 1, &cases[i].fix, WEIGHTS_CIC, &grid, &err), POLYPHONY_USAGE);
        EXPECT_PARTS(err.text, "axes.grid.hdf5", cases[i].part);
    }
}

static void fields_are_those_of_further_axes(void **state)
{
    struct made made = { .n_axis = N_AXIS, .axis = { 3, 0, 2, 1 } };
    const struct grid_fix fix = { "alpha", 0.1 };
    struct grid_fields fields;

    (void)state;
    grid_list_fields(write_made(&made), 0, NULL, &fields);
    assert_int_equal(fields.n, 2);
    assert_string_equal(fields.field[0].name, "alpha");
    assert_string_equal(fields.field[1].name, "ionisation_parameters");
    assert_true(fields.field[1].n_node == 3);
    assert_true(fields.field[1].first == 1e-4);
    assert_true(fields.field[1].last == 1e-2);
    grid_list_fields(write_made(&made), 1, &fix, &fields);
    assert_int_equal(fields.n, 1);
    grid_list_fields("/nowhere/grid.hdf5", 0, NULL, &fields);
    assert_int_equal(fields.n, 0);
}

static void a_grid_may_have_ages_alone(void **state)
{
    struct made made = { .n_axis = 1, .axis = { 0 } };
    double at[N_AXIS];
    struct grid *grid = NULL;
    struct error err = { "" };

    (void)state;
    for (size_t a = 0; a < N_AXIS; a++)
        at[a] = nodes[a][0];
    EXPECT_OK(open_fixed(&made, 0, NULL, WEIGHTS_CIC, &grid, &err), err);
    assert_true(grid->n_axis == 1);
    assert_true(!grid_find_axis(grid, GRID_METALLICITY));
    expect_table(grid, at, 0);
    grid_free(grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_may_come_in_any_order_and_direction),
        cmocka_unit_test(a_fixed_axis_is_cut_away),
        cmocka_unit_test(several_fixed_axes_are_interpolated_together),
        cmocka_unit_test(the_nearest_node_is_taken_with_nearest_grid_point),
        cmocka_unit_test(what_cannot_be_fixed_is_told),
        cmocka_unit_test(fields_are_those_of_further_axes),
        cmocka_unit_test(a_grid_may_have_ages_alone),
    };

    return cmocka_run_group_tests_name("axes", tests, NULL, NULL);
}
