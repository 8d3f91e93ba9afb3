/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stellar population grid: the small grid of the reference vectors, given by formulae, of which every
 * case changes one thing.
 */
#include "polyphony/grid.h"

#include <hdf5.h>
#include <math.h>

#include "polyphony/io.h"

#include "../files.h"

enum { N_AGE = 4, N_METALLICITY = 3, N_LAMBDA = 12, N_LINE = 3 };

struct made {
    const char *axis[3];
    size_t n_axis;
    const char *weight; /* NULL: no WeightVariable */
    const char *age_unit, *lnu_unit, *lambda_unit;
    int age_is_log, metallicity_is_log; /* log_on_read; -1: no attribute */
    double age[N_AGE], metallicity[N_METALLICITY], lambda[N_LAMBDA];
    const char *absent;     /* a dataset that is left out */
    const char *misshapen;  /* a table with one column less */
    const char *poisoned;   /* a table with a NaN at age 2, metallicity 1, column 1 */
    const char *additional; /* a spectrum beyond the usual, all 7 */
    bool third_is_there;    /* values of the third axis */
};

static const struct made ordinary = {
    .axis = { "ages", "metallicities", "third" },
    .n_axis = 2,
    .weight = "initial_masses",
    .age_unit = "yr",
    .lnu_unit = "erg/s/Hz",
    .lambda_unit = "angstrom",
    .age_is_log = 1,
    .metallicity_is_log = 1,
    .age = { 1e6, 1e7, 1e8, 1e9 },
    .metallicity = { 0.001, 0.004, 0.02 },
    .lambda = { 500, 900, 1100, 1200, 1216, 1230, 1500, 3000, 5500, 8000, 12000, 20000 },
};

static const char *const line_ids[N_LINE] = { "H 1 1215.67A", "H 1 4861.32A", "H 1 6562.80A" };
static const double line_lambda[N_LINE] = { 1215.67, 4861.32, 6562.8 };

/* ---- the formulae ------------------------------------------------------------------------------ */

static double incident(double i, double j, double k)
{
    return 1e20 * (1 + i) * (1 + 0.5 * j) * (1 + 0.1 * k);
}

static double transmitted(double i, double j, double k)
{
    return k >= 2 ? 0.6 * incident(i, j, k) : 0;
}

static double linecont(double i, double j, double k)
{
    return 1e18 * (4 - i) * (1 + j) * (k == 4 ? 50 : 1);
}

static double nebular(double i, double j, double k)
{
    return linecont(i, j, k) + 1e17 * (4 - i) * (1 + k);
}

static double line_luminosity(double i, double j, double k)
{
    return 1e33 * (4 - i) * (1 + j) * (1 + k);
}

static double line_nebular_continuum(double i, double j, double k)
{
    (void)j;
    return 1e17 * (4 - i) * (2 + k);
}

static double line_transmitted(double i, double j, double k)
{
    (void)j;
    return 0.5e20 * (1 + i) * (1 + k);
}

static double seven(double i, double j, double k)
{
    (void)i, (void)j, (void)k;
    return 7;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static bool is_at(const char *place, const char *path)
{
    return place && !strcmp(place, path);
}

static void write_table(struct io_file *file, const struct made *made, const char *path, uint64_t n_column,
                        const char *unit, double (*formula)(double, double, double))
{
    double value[N_AGE * N_METALLICITY * N_LAMBDA];
    struct error err = { "" };
    size_t n = 0;

    if (is_at(made->absent, path))
        return;
    n_column -= is_at(made->misshapen, path);
    for (int i = 0; i < N_AGE; i++)
        for (int j = 0; j < N_METALLICITY; j++)
            for (int k = 0; k < (int)n_column; k++)
                value[n++] = is_at(made->poisoned, path) && i == 2 && j == 1 && k == 1 ? (double)NAN
                                                                                       : formula(i, j, k);
    EXPECT_OK(io_write_f64(file, path, 3, (const uint64_t[]) { N_AGE, N_METALLICITY, n_column }, value, unit,
                           "made", &err),
              err);
}

static void write_axis(struct io_file *file, const struct made *made, const char *path, uint64_t n,
                       const double *value, const char *unit, int is_log)
{
    struct error err = { "" };

    if (is_at(made->absent, path))
        return;
    EXPECT_OK(io_write_f64(file, path, 1, &n, value, unit, "made", &err), err);
    if (is_log >= 0)
        EXPECT_OK(io_attr_write_bool(file, path, "log_on_read", is_log, &err), err);
}

static const char *write_made(const struct made *made)
{
    const char *path = temp_path("made.grid.hdf5");
    char first[64], second[64], extra[64];
    struct io_file *file = NULL;
    struct error err = { "" };

    EXPECT_OK(io_file_create(path, &file, &err), err);
    EXPECT_OK(io_attr_write_texts(file, "/", "axes", made->n_axis, made->axis, &err), err);
    if (made->weight)
        EXPECT_OK(io_attr_write_text(file, "/", "WeightVariable", made->weight, &err), err);
    snprintf(first, sizeof(first), "axes/%s", made->axis[0]);
    snprintf(second, sizeof(second), "axes/%s", made->axis[1]);
    write_axis(file, made, first, N_AGE, made->age, made->age_unit, made->age_is_log);
    write_axis(file, made, second, N_METALLICITY, made->metallicity, "dimensionless",
               made->metallicity_is_log);
    write_axis(file, made, "spectra/wavelength", N_LAMBDA, made->lambda, made->lambda_unit, -1);
    write_table(file, made, "spectra/incident", N_LAMBDA, made->lnu_unit, incident);
    write_table(file, made, "spectra/transmitted", N_LAMBDA, made->lnu_unit, transmitted);
    write_table(file, made, "spectra/linecont", N_LAMBDA, made->lnu_unit, linecont);
    write_table(file, made, "spectra/nebular", N_LAMBDA, made->lnu_unit, nebular);
    if (made->third_is_there)
        write_axis(file, made, "axes/third", 3, (const double[]) { 0.1, 0.2, 0.4 }, "dimensionless", 0);
    if (made->additional) {
        snprintf(extra, sizeof(extra), "spectra/%s", made->additional);
        write_table(file, made, extra, N_LAMBDA, made->lnu_unit, seven);
    }
    if (!is_at(made->absent, "lines")) {
        EXPECT_OK(io_write_strings(file, "lines/id", N_LINE - is_at(made->misshapen, "lines/id"), line_ids,
                                   "made", &err),
                  err);
        write_axis(file, made, "lines/wavelength", N_LINE, line_lambda, "angstrom", -1);
        write_table(file, made, "lines/luminosity", N_LINE, "erg/s", line_luminosity);
        write_table(file, made, "lines/nebular_continuum", N_LINE, "erg/s/Hz", line_nebular_continuum);
        write_table(file, made, "lines/transmitted", N_LINE, "erg/s/Hz", line_transmitted);
    }
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    return path;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static const struct grid_needs everything = {
    .n_spectrum = 5,
    .spectrum = { "incident", "transmitted", "nebular", "linecont", "nebular_continuum" },
    .lines = true,
};

static struct grid *open_well(const struct made *made, const struct grid_needs *needs)
{
    struct grid *grid = NULL;
    struct error err = { "" };

    EXPECT_OK(grid_open(write_made(made), needs, NULL, &grid, &err), err);
    return grid;
}

/* NULL: of nothing. */
static void expect_warned(const struct grid *grid, const char *part)
{
    if (!part && grid->warnings.n)
        fail_msg("warned of '%s'", grid->warnings.text[0]);
    if (part) {
        assert_int_equal(grid->warnings.n, 1);
        EXPECT_PARTS(grid->warnings.text[0], part, "made.grid.hdf5");
    }
}

static void expect_warned_and_free(struct grid *grid, const char *part)
{
    expect_warned(grid, part);
    grid_free(grid);
}

static void expect_refused(const struct made *made, const char *const *part)
{
    struct grid *grid = NULL;
    struct error err = { "" };

    assert_int_equal(grid_open(write_made(made), &everything, NULL, &grid, &err), POLYPHONY_INPUT);
    assert_null(grid);
    EXPECT_PARTS(err.text, "made.grid.hdf5");
    for (; *part; part++)
        EXPECT_PARTS(err.text, *part);
}
#define EXPECT_REFUSED(made, ...) expect_refused(made, (const char *const[]) { __VA_ARGS__, NULL })

static double at(const double *table, size_t n_column, size_t i, size_t j, size_t k)
{
    return table[(i * N_METALLICITY + j) * n_column + k];
}

/* ---- what is read ------------------------------------------------------------------------------ */

static void spectra_are_read_as_they_are(void **state)
{
    double (*const formula[])(double, double, double) = { incident, transmitted, nebular, linecont };
    struct grid *grid = open_well(&ordinary, &everything);

    (void)state;
    assert_string_equal(grid->name, "made.grid");
    assert_true(grid->n_axis == 2);
    assert_true(grid->axis[0].n == 4);
    assert_true(grid->axis[1].n == 3);
    assert_true(grid->n_cell == 12);
    assert_true(grid->n_lambda == 12);
    assert_true(grid->lambda_rest_angstrom[4] == 1216);
    assert_true(grid->n_spectrum == 5);
    for (size_t s = 0; s < 4; s++) {
        assert_string_equal(grid->spectrum[s].name, everything.spectrum[s]);
        for (size_t i = 0; i < N_AGE; i++)
            for (size_t j = 0; j < N_METALLICITY; j++)
                for (size_t k = 0; k < N_LAMBDA; k++)
                    assert_true(at(grid->spectrum[s].lnu, N_LAMBDA, i, j, k) ==
                                formula[s]((double)i, (double)j, (double)k));
    }
    /* 5 spectra of 12 wavelengths; 3 lines: luminosity of 2 of them, continuum of 4 */
    assert_int_equal(grid_bytes(grid), 12 * (5 * 12 + (2 + 4) * 3) * sizeof(double));
    grid_free(grid);
    grid_free(NULL);
}

static void nebular_continuum_is_nebular_without_lines(void **state)
{
    struct made made = ordinary;
    struct grid *grid = open_well(&made, &everything);

    (void)state;
    for (size_t i = 0; i < N_AGE; i++)
        for (size_t j = 0; j < N_METALLICITY; j++)
            for (size_t k = 0; k < N_LAMBDA; k++) {
                double expected = 1e17 * (double)(4 - i) * (double)(1 + k);

                /* a difference of numbers up to 6e20: a few of their rounding errors of 1.1e-16 */
                assert_true(fabs(at(grid->spectrum[4].lnu, N_LAMBDA, i, j, k) - expected) <= 3e-16 * 6e20);
            }
    grid_free(grid);
    made.additional = "nebular_continuum"; /* a file that has it is believed */
    grid = open_well(&made, &everything);
    assert_true(grid->spectrum[4].lnu[0] == 7);
    grid_free(grid);
}

static void each_spectrum_has_its_own_lines(void **state)
{
    /* test_vectors.json, mini_grid.derived_line_cont_incident_at_00 and …_nebular_continuum_at_12 */
    static const double incident_at_00[N_LINE] = { 1.3979375000000002e+20, 1.7744528e+20, 1.842512e+20 };
    static const double continuum_at_12[N_LINE] = { 6e17, 9e17, 1.2e18 };
    struct grid *grid = open_well(&ordinary, &everything);
    const struct grid_spectrum *s = grid->spectrum;

    (void)state;
    assert_int_equal(grid->n_line, N_LINE);
    for (size_t k = 0; k < N_LINE; k++) {
        assert_string_equal(grid->line_id[k], line_ids[k]);
        assert_true(grid->line_lambda_rest_angstrom[k] == line_lambda[k]);
        /* one interpolation: a few roundings */
        assert_true(fabs(at(s[0].line_continuum, N_LINE, 0, 0, k) / incident_at_00[k] - 1) < 1e-15);
        assert_true(at(s[4].line_continuum, N_LINE, 1, 2, k) == continuum_at_12[k]);
        assert_true(at(s[1].line_continuum, N_LINE, 3, 1, k) == line_transmitted(3, 1, (double)k));
        assert_true(at(s[2].line_continuum, N_LINE, 1, 2, k) == continuum_at_12[k]);
        assert_true(at(s[2].line_luminosity, N_LINE, 3, 2, k) == line_luminosity(3, 2, (double)k));
        assert_true(at(s[3].line_luminosity, N_LINE, 0, 1, k) == line_luminosity(0, 1, (double)k));
    }
    assert_null(s[0].line_luminosity);
    assert_null(s[1].line_luminosity);
    assert_null(s[3].line_continuum);
    assert_null(s[4].line_luminosity);
    grid_free(grid);
}

/* All cells, against the formula: the incident spectrum is linear in k between its wavelengths. */
static void the_continuum_of_a_spectrum_without_lines_is_interpolated(void **state)
{
    static const size_t below[N_LINE] = { 3, 7, 8 }; /* 1215.67 is between 1200 and 1216, … */
    struct grid *grid = open_well(&ordinary, &everything);

    (void)state;
    for (size_t i = 0; i < N_AGE; i++)
        for (size_t j = 0; j < N_METALLICITY; j++)
            for (size_t k = 0; k < N_LINE; k++) {
                double low = ordinary.lambda[below[k]], high = ordinary.lambda[below[k] + 1];
                double expected =
                    incident((double)i, (double)j, (double)below[k] + (line_lambda[k] - low) / (high - low));

                /* the same line through two points, evaluated differently: a few roundings */
                assert_true(fabs(at(grid->spectrum[0].line_continuum, N_LINE, i, j, k) / expected - 1) <
                            2e-15);
            }
    grid_free(grid);
}

static void lines_outside_the_wavelengths_have_no_continuum(void **state)
{
    struct made made = ordinary;
    struct grid *grid;

    (void)state;
    for (int k = 0; k < N_LAMBDA; k++)
        made.lambda[k] += 1000; /* the first is now beyond Lyman alpha */
    grid = open_well(&made, &everything);
    assert_true(grid->spectrum[0].line_continuum[0] == 0);
    assert_true(grid->spectrum[0].line_continuum[1] > 0);
    grid_free(grid);
}

static void lines_are_read_only_when_needed(void **state)
{
    struct grid_needs needs = everything;
    struct made made = ordinary;
    struct grid *grid;

    (void)state;
    needs.lines = false;
    made.absent = "lines";
    grid = open_well(&made, &needs);
    assert_true(grid->n_line == 0);
    assert_true(!grid->spectrum[2].line_luminosity);
    assert_true(!grid->spectrum[0].line_continuum);
    grid_free(grid);
}

static void only_the_spectra_asked_for_are_read(void **state)
{
    const struct grid_needs needs = { .n_spectrum = 1, .spectrum = { "transmitted" } };
    struct made made = ordinary;
    struct grid *grid;

    (void)state;
    made.poisoned = "spectra/incident";
    made.absent = "spectra/nebular";
    grid = open_well(&made, &needs);
    assert_true(grid->n_spectrum == 1);
    assert_true(at(grid->spectrum[0].lnu, N_LAMBDA, 1, 1, 3) == transmitted(1, 1, 3));
    grid_free(grid);
}

/* ---- axes -------------------------------------------------------------------------------------- */

static void log_on_read_chooses_the_coordinate_of_each_axis(void **state)
{
    struct made made = ordinary;
    struct grid *grid;

    (void)state;
    made.metallicity_is_log = 0;
    grid = open_well(&made, &everything);
    assert_true(grid->axis[0].is_log);
    assert_true(!grid->axis[1].is_log);
    assert_true(grid->axis[0].n == 4);
    assert_true(grid->nodes[0].coordinate[2] == 8);
    assert_true(grid->axis[1].n == 3);
    assert_true(grid->nodes[1].coordinate[2] == 0.02);
    assert_true(grid->axis[0].node[2] == 1e8);
    assert_true(grid->axis[0].log10_node[2] == 8);
    assert_true(grid->axis[1].node[0] == 0.001);
    assert_true(grid->axis[1].log10_node[0] == log10(0.001));
    grid_free(grid);
    made.age_is_log = -1; /* as numpy and h5py: no attribute is no logarithm */
    grid = open_well(&made, &everything);
    assert_true(!grid->axis[0].is_log);
    assert_true(grid->nodes[0].coordinate[2] == 1e8);
    grid_free(grid);
}

static void units_of_axes_are_honoured(void **state)
{
    struct made made = ordinary;
    struct grid *grid;

    (void)state;
    made.age_unit = "Myr";
    for (int k = 0; k < N_AGE; k++)
        made.age[k] *= 1e-6;
    made.lambda_unit = "um";
    grid = open_well(&made, &everything);
    assert_true(grid->axis[0].node[0] == 1e6);
    assert_true(grid->lambda_rest_angstrom[0] == 500 * 1e4);
    grid_free(grid);
    made = ordinary;
    made.lambda_unit = NULL; /* angstrom, as in older grids */
    grid = open_well(&made, &everything);
    assert_true(grid->lambda_rest_angstrom[0] == 500);
    expect_warned(grid, "'spectra/wavelength' has no 'Units': taken as angstrom");
    grid_free(grid);
}

static void ages_or_metallicities_are_needed(void **state)
{
    struct made made = ordinary;

    (void)state;
    made.n_axis = 3;
    EXPECT_REFUSED(&made, "no dataset 'axes/third'");
    made.third_is_there = true;
    EXPECT_REFUSED(&made, "'spectra/incident'", "4 x 3 x 12", "4 x 3 x 3 x 12");
    made = ordinary;
    made.axis[1] = "log10ages";
    EXPECT_REFUSED(&made, "two axes of ages");
    made.axis[0] = "log10T";
    made.axis[1] = "spins";
    EXPECT_REFUSED(&made, "it has neither", "(log10T, spins)", "black holes");
}

static void axes_have_a_direction_and_each_value_once(void **state)
{
    struct made made = ordinary;

    (void)state;
    made.age[2] = 1e5;
    EXPECT_REFUSED(&made, "'axes/ages'", "ascend", "index 2 is 100000 after 1e+07");
    made = ordinary;
    made.metallicity[1] = made.metallicity[0];
    EXPECT_REFUSED(&made, "'axes/metallicities'", "index 1", "as index 0 is");
    made = ordinary;
    made.metallicity[1] = nextafter(made.metallicity[0], 1); /* one logarithm */
    EXPECT_REFUSED(&made, "'axes/metallicities'", "index 1", "too near");
    made = ordinary;
    made.age[3] = (double)INFINITY;
    EXPECT_REFUSED(&made, "'axes/ages'", "index 3 is inf", "finite");
    made = ordinary;
    made.lambda[5] = 100;
    EXPECT_REFUSED(&made, "'spectra/wavelength'", "index 5 is 100 after 1216");
    made = ordinary;
    made.lambda[0] = -1;
    EXPECT_REFUSED(&made, "'spectra/wavelength'", "index 0 is -1", "> 0");
    made.lambda[0] = 0;
    EXPECT_REFUSED(&made, "'spectra/wavelength'", "index 0 is 0", "leave that column out");
}

static void zero_is_a_node_where_no_logarithm_of_it_is_needed(void **state)
{
    struct made made = ordinary;
    struct grid *grid;

    (void)state;
    made.metallicity[0] = 0;
    EXPECT_REFUSED(&made, "'axes/metallicities'", "index 0 is 0, which has no logarithm",
                   "leave that metallicity out");
    made.metallicity_is_log = 0;
    grid = open_well(&made, &everything);
    assert_true(grid->axis[1].node[0] == 0);
    assert_true(grid->nodes[1].coordinate[0] == 0);
    /* histories too then */
    assert_true(grid_history_nodes(&grid->axis[1]).coordinate == grid->axis[1].node);
    assert_true(grid_history_nodes(&grid->axis[0]).coordinate == grid->axis[0].log10_node);
    grid_free(grid);
    made = ordinary;
    made.age[0] = 0;
    EXPECT_REFUSED(&made, "'axes/ages'", "index 0 is 0", "1e4 yr", "'log_on_read' to false");
    made.age_is_log = 0;
    grid = open_well(&made, &everything);
    assert_true(grid->axis[0].node[0] == 0);
    assert_true(!grid_history_is_log(&grid->axis[0]));
    grid_free(grid);
}

/* No unit tells that the unit is wrong: the numbers do. */
static void ages_and_metallicities_look_like_what_they_are(void **state)
{
    static const struct {
        double age[N_AGE];
        const char *unit, *refused, *warned;
    } cases[] = {
        { { 1e-3, 1e-2, 1, 13 }, "yr", "ends at 13 yr", NULL },
        { { 1, 10, 100, 13000 }, "yr", "ends at 13000 yr", NULL },
        { { 6, 7, 8, 10 }, "yr", "'log10ages'", NULL },
        { { 6, 7, 8, 10 }, NULL, "ends at 10 yr", NULL },
        { { 1e6, 1e7, 1e8, 1e10 }, "Gyr", "ends at 1e+19 yr", NULL },
        { { 1e6, 1e7, 1e8, 1e10 }, "Myr", "ends at 1e+16 yr", NULL },
        { { -1, 1e7, 1e8, 1e10 }, "yr", "index 0 is -1 yr", NULL },
        { { 1e-3, 1e-2, 1, 13 }, "Myr", NULL, "oldest age is 1.3e+07 yr" },
        { { 1e9, 2e9, 3e9, 4e9 }, "yr", NULL, "youngest age is 1e+09 yr" },
        { { 1e-3, 1e-2, 1, 13 }, "Gyr", NULL, NULL },
        { { 1e6, 1e8, 1e10, 1e11 }, "yr", NULL, NULL }, /* BPASS */
    };
    struct made made;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        made = ordinary;
        memcpy(made.age, cases[i].age, sizeof(made.age));
        made.age_unit = cases[i].unit;
        if (cases[i].refused) {
            EXPECT_REFUSED(&made, "'axes/ages'", cases[i].refused);
            continue;
        }
        expect_warned_and_free(open_well(&made, &everything), cases[i].warned);
    }
    made = ordinary;
    made.metallicity[0] = -2;
    EXPECT_REFUSED(&made, "'axes/metallicities' index 0 is -2", "'log10metallicities'");
    made.metallicity[0] = 0.001;
    made.metallicity[2] = 2;
    EXPECT_REFUSED(&made, "'axes/metallicities' index 2 is 2", "the Sun's");
    made.metallicity[2] = 0.5;
    expect_warned_and_free(open_well(&made, &everything), "reach 0.5");
    made = ordinary;
    made.lambda_unit = "nm";
    for (int k = 0; k < N_LAMBDA; k++)
        made.lambda[k] *= 1e6;
    expect_warned_and_free(open_well(&made, &everything), "wavelengths are 5e+09 to");
}

/* Names and units of older grids: all are the ordinary grid. */
static void older_axes_are_read_to_the_same_nodes(void **state)
{
    static const struct {
        const char *name, *unit;
        bool is_log;
        const char *warned;
    } axes[] = {
        { "age", "yr", false, NULL },
        { "ages", "yr**2", false, "Maraston" },
        { "ages", "", false, "'axes/ages' has no 'Units': taken as yr" },
        { "ages", "dex(yr)", true, NULL },
        { "log10age", "dimensionless", true, NULL },
        { "log10ages", "dex(yr)", true, NULL },
        { "log10ages", "log10(yr)", true, NULL },
        { "log10ages", "log10(age/yr)", true, NULL },
        { "log10_ages", "dex", true, NULL },
        { "log10ages", NULL, true, "logarithms to base 10 of yr" },
        { "log10age", "yr", true, "holds 6 to 9: taken as their logarithms" },
        { "log10age", "yr", false, "taken as yr, not as their logarithms" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(axes) / sizeof(*axes); i++) {
        struct made made = ordinary;
        struct grid *grid;

        made.axis[0] = axes[i].name;
        made.age_unit = axes[i].unit;
        for (int k = 0; k < N_AGE && axes[i].is_log; k++)
            made.age[k] = 6 + k;
        grid = open_well(&made, &everything);
        for (int k = 0; k < N_AGE; k++) {
            assert_true(grid->axis[0].is_log);
            assert_true(grid->nodes[0].coordinate[k] == 6 + k);
            /* pow rounds once */
            assert_true(fabs(grid->axis[0].node[k] / ordinary.age[k] - 1) < 3e-16);
        }
        expect_warned_and_free(grid, axes[i].warned);
    }
}

static void older_metallicities_are_read_to_the_same_nodes(void **state)
{
    static const char *const names[] = { "metallicity", "Z", "log10metallicity", "log10metallicities",
                                         "log10Z" };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct made made = ordinary;
        struct grid *grid;

        made.axis[1] = names[i];
        for (int k = 0; k < N_METALLICITY && i >= 2; k++)
            made.metallicity[k] = log10(ordinary.metallicity[k]);
        grid = open_well(&made, &everything);
        for (int k = 0; k < N_METALLICITY; k++) {
            assert_true(grid->nodes[1].coordinate[k] == log10(ordinary.metallicity[k]));
            /* pow of a rounded logarithm: ln(10) * 3 * 1.1e-16 at most */
            assert_true(fabs(grid->axis[1].node[k] / ordinary.metallicity[k] - 1) < 1e-15);
        }
        expect_warned_and_free(grid, NULL);
    }
}

static void log_on_read_may_be_of_any_type(void **state)
{
    const char *path = write_made(&ordinary);
    struct error err = { "" };

    (void)state;
    for (int i = 0; i < 6; i++) {
        static const char *const words[] = { "True", "false", "1", "maybe" };
        hid_t id = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), axis = H5Dopen2(id, "axes/ages", H5P_DEFAULT);
        hid_t scalar = H5Screate(H5S_SCALAR), text = H5Tcopy(H5T_C_S1), attribute;
        hid_t type = i < 4 ? text : i == 4 ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT32;
        double one = 1;
        int32_t zero = 0;
        struct grid *grid = NULL;

        H5Tset_size(text, 8);
        H5Adelete(axis, "log_on_read");
        attribute = H5Acreate2(axis, "log_on_read", type, scalar, H5P_DEFAULT, H5P_DEFAULT);
        if (i < 4) {
            char word[8] = "";

            strcpy(word, words[i]);
            H5Awrite(attribute, type, word);
        } else
            H5Awrite(attribute, type, i == 4 ? (const void *)&one : (const void *)&zero);
        H5Aclose(attribute);
        H5Tclose(text);
        H5Sclose(scalar);
        H5Dclose(axis);
        H5Fclose(id);
        if (i == 3) {
            assert_int_equal(grid_open(path, &everything, NULL, &grid, &err), POLYPHONY_INPUT);
            EXPECT_PARTS(err.text, "'log_on_read'", "neither true nor false: maybe");
            continue;
        }
        EXPECT_OK(grid_open(path, &everything, NULL, &grid, &err), err);
        assert_true(grid->axis[0].is_log == (i == 0 || i == 2 || i == 4));
        grid_free(grid);
    }
}

/* ---- refused ----------------------------------------------------------------------------------- */

static void a_value_that_is_not_finite_is_placed(void **state)
{
    static const char *const paths[] = { "spectra/incident",        "spectra/nebular",  "spectra/linecont",
                                         "lines/nebular_continuum", "lines/luminosity", "lines/transmitted" };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        struct made made = ordinary;

        made.poisoned = paths[i];
        EXPECT_REFUSED(&made, paths[i], "age 2, metallicity 1, column 1 (1e+08 yr, 0.004,", "is nan");
    }
}

static void a_missing_dataset_is_named(void **state)
{
    static const char *const paths[] = { "axes/ages",        "axes/metallicities",      "spectra/wavelength",
                                         "spectra/incident", "spectra/linecont",        "lines/wavelength",
                                         "lines/luminosity", "lines/nebular_continuum", "lines/transmitted" };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        struct made made = ordinary;

        made.absent = paths[i];
        EXPECT_REFUSED(&made, "no dataset", paths[i]);
    }
}

static void a_grid_without_lines_says_what_to_do(void **state)
{
    struct made made = ordinary;

    (void)state;
    made.absent = "lines";
    EXPECT_REFUSED(&made, "no lines", "leave out the line operations");
}

static void tables_must_have_the_shape_of_the_axes(void **state)
{
    struct made made = ordinary;

    (void)state;
    made.misshapen = "spectra/transmitted";
    EXPECT_REFUSED(&made, "'spectra/transmitted'", "4 x 3 x 11", "4 x 3 x 12");
    made.misshapen = "lines/luminosity";
    EXPECT_REFUSED(&made, "'lines/luminosity'", "4 x 3 x 2", "4 x 3 x 3");
    made.misshapen = "lines/id";
    EXPECT_REFUSED(&made, "'lines/id'", "3 names");
}

static void other_weights_and_units_are_refused(void **state)
{
    struct made made = ordinary;

    (void)state;
    made.weight = "bolometric_luminosity";
    EXPECT_REFUSED(&made, "'bolometric_luminosity'", "'initial_masses'");
    made.weight = NULL; /* older grids do not say */
    expect_warned_and_free(open_well(&made, &everything), "per solar mass");
    made.weight = "None";
    expect_warned_and_free(open_well(&made, &everything), "per solar mass");
    made.age_unit = "kpc";
    EXPECT_REFUSED(&made, "'axes/ages'", "unit 'kpc' is a length", "expected a time");
    made = ordinary;
    made.lnu_unit = NULL;
    expect_warned_and_free(open_well(&made, &everything),
                           "'spectra/incident' has no 'Units' (nor have 5 more): taken as erg/s/Hz");
    made.lnu_unit = "nJy";
    EXPECT_REFUSED(&made, "'spectra/incident'", "unit 'nJy' is a flux density");
    made = ordinary;
    made.lambda_unit = "parsnip";
    EXPECT_REFUSED(&made, "'spectra/wavelength'", "unknown unit 'parsnip'");
}

static void files_that_are_no_grids_are_refused(void **state)
{
    const char *path = write_made(&ordinary), *other = temp_path("other.hdf5");
    struct io_file *file = NULL;
    struct grid *grid = NULL;
    struct error err = { "" };

    (void)state;
    assert_int_equal(truncate(path, 4000), 0);
    assert_int_equal(grid_open(path, &everything, NULL, &grid, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "made.grid.hdf5", "truncated");
    assert_int_equal(grid_open("/nowhere/g.hdf5", &everything, NULL, &grid, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "/nowhere/g.hdf5", "No such file");
    EXPECT_OK(io_file_create(other, &file, &err), err);
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    assert_int_equal(grid_open(other, &everything, NULL, &grid, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "other.hdf5", "not a stellar population grid", "'axes'");
    assert_null(grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spectra_are_read_as_they_are),
        cmocka_unit_test(nebular_continuum_is_nebular_without_lines),
        cmocka_unit_test(each_spectrum_has_its_own_lines),
        cmocka_unit_test(the_continuum_of_a_spectrum_without_lines_is_interpolated),
        cmocka_unit_test(lines_outside_the_wavelengths_have_no_continuum),
        cmocka_unit_test(lines_are_read_only_when_needed),
        cmocka_unit_test(only_the_spectra_asked_for_are_read),
        cmocka_unit_test(log_on_read_chooses_the_coordinate_of_each_axis),
        cmocka_unit_test(older_axes_are_read_to_the_same_nodes),
        cmocka_unit_test(older_metallicities_are_read_to_the_same_nodes),
        cmocka_unit_test(log_on_read_may_be_of_any_type),
        cmocka_unit_test(units_of_axes_are_honoured),
        cmocka_unit_test(ages_or_metallicities_are_needed),
        cmocka_unit_test(axes_have_a_direction_and_each_value_once),
        cmocka_unit_test(zero_is_a_node_where_no_logarithm_of_it_is_needed),
        cmocka_unit_test(ages_and_metallicities_look_like_what_they_are),
        cmocka_unit_test(a_value_that_is_not_finite_is_placed),
        cmocka_unit_test(a_missing_dataset_is_named),
        cmocka_unit_test(a_grid_without_lines_says_what_to_do),
        cmocka_unit_test(tables_must_have_the_shape_of_the_axes),
        cmocka_unit_test(other_weights_and_units_are_refused),
        cmocka_unit_test(files_that_are_no_grids_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
