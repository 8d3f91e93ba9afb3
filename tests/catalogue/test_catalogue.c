/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The galaxy catalogue: a small made file, of which every case changes one thing. Values are chosen so that
 * unit factors round as in the code under test, which multiplies once: comparisons are exact.
 */
#include "polyphony/catalogue.h"

#include <math.h>

#include "made_catalogue.h"

static const struct catalogue_needs everything = {
    .redshift = true,
    .field[STARS] = { [FIELD_INITIAL_MASS_MSUN] = "",
                      [FIELD_AGE_YR] = "",
                      [FIELD_METALLICITY] = "",
                      [FIELD_X_KPC] = "images_flux",
                      [FIELD_SMOOTHING_KPC] = "images_flux",
                      [FIELD_PARAMETER] = "",
                      [FIELD_PARAMETER + 1] = "" },
    .centre = true,
    .field[GAS] = { [FIELD_X_KPC] = "los_optical_depths",
                    [FIELD_SMOOTHING_KPC] = "los_optical_depths",
                    [FIELD_DUST_MASS_MSUN] = "los_optical_depths" },
    .field[BLACK_HOLES][FIELD_X_KPC] = "los_optical_depths",
    .dust_to_metal_ratio = 0.3,
    .n_parameter = 2,
    .parameter = { "tau", "fesc" },
};

static struct catalogue *open_well(const struct made *made, const struct catalogue_needs *needs)
{
    struct catalogue *catalogue = NULL;
    struct error err = { "" };

    EXPECT_OK(catalogue_open(write_made(made), needs, NULL, &catalogue, &err), err);
    return catalogue;
}

/* Opening fails, and says so with all the parts. */
static void expect_refused(const struct made *made, const struct catalogue_needs *needs,
                           const char *const *part)
{
    struct catalogue *catalogue = NULL;
    struct error err = { "" };

    assert_int_equal(catalogue_open(write_made(made), needs, NULL, &catalogue, &err), POLYPHONY_INPUT);
    assert_null(catalogue);
    EXPECT_PARTS(err.text, "made.hdf5");
    for (; *part; part++)
        EXPECT_PARTS(err.text, *part);
}
#define EXPECT_REFUSED(made, ...)                                                                            \
    expect_refused(made, &everything, (const char *const[]) { __VA_ARGS__, NULL })

static struct galaxy read_well(struct catalogue *catalogue, uint64_t row, struct arena *arena)
{
    struct galaxy galaxy = { 0 };
    struct error err = { "" };

    EXPECT_OK(catalogue_read(catalogue, row, arena, &galaxy, &err), err);
    return galaxy;
}

/* ---- what is read ------------------------------------------------------------------------------ */

static void galaxies_are_the_slices_of_the_file(void **state)
{
    struct made made = ordinary;
    struct catalogue *catalogue = open_well(&made, &everything);
    struct arena arena = { 0 };
    struct galaxy galaxy = read_well(catalogue, 2, &arena);

    (void)state;
    assert_int_equal(catalogue->n_galaxy, 3);
    assert_true(catalogue->n_particle_all[STARS] == 5);
    assert_true(catalogue->n_particle_all[GAS] == 3);
    assert_true(catalogue->n_particle_all[BLACK_HOLES] == 1);
    assert_true(galaxy.row == 2);
    assert_true(galaxy.id == 309);
    assert_true(galaxy.redshift == 7);
    assert_true(galaxy.particles[STARS].n == 3);
    assert_true(galaxy.particles[GAS].n == 2);
    assert_true(galaxy.particles[BLACK_HOLES].n == 1);
    assert_true(galaxy.particles[STARS].field[FIELD_INITIAL_MASS_MSUN][0] == 3e6);
    assert_true(galaxy.particles[STARS].field[FIELD_INITIAL_MASS_MSUN][2] == 0);
    assert_true(galaxy.particles[STARS].field[FIELD_AGE_YR][1] == 4e9);
    assert_true(galaxy.particles[STARS].field[FIELD_X_KPC][1] == -1);
    assert_true(galaxy.particles[STARS].field[FIELD_Y_KPC][1] == -2);
    assert_true(galaxy.particles[STARS].field[FIELD_Z_KPC][1] == -3);
    assert_true(galaxy.particles[STARS].field[FIELD_SMOOTHING_KPC][2] == 0.5);
    assert_true(galaxy.particles[GAS].field[FIELD_X_KPC][1] == 3);
    assert_true(galaxy.particles[GAS].field[FIELD_Y_KPC][1] == 4);
    assert_true(galaxy.particles[GAS].field[FIELD_Z_KPC][1] == 5);
    assert_true(galaxy.particles[GAS].field[FIELD_SMOOTHING_KPC][0] == 2);
    assert_true(galaxy.particles[BLACK_HOLES].field[FIELD_X_KPC][0] == 9);
    assert_true(galaxy.particles[BLACK_HOLES].field[FIELD_Z_KPC][0] == 7);
    galaxy = read_well(catalogue, 0, &arena);
    assert_true(galaxy.id == 101);
    assert_true(galaxy.particles[STARS].n == 2);
    assert_true(galaxy.particles[STARS].field[FIELD_AGE_YR][1] == 2e7);
    assert_true(galaxy.particles[BLACK_HOLES].n == 0);
    /* 2 stars of mass, age, metallicity, h, xyz, tau; 1 gas of mass, metallicity, h, xyz */
    assert_int_equal(catalogue_galaxy_bytes(catalogue, 0), 8 * (2 * 8 + 1 * 6));
    catalogue_close(catalogue);
    catalogue_close(NULL);
    arena_free(&arena);
}

static void metallicities_are_raised_to_the_floor(void **state)
{
    struct made made = ordinary;
    struct catalogue *catalogue = open_well(&made, &everything);
    struct arena arena = { 0 };
    struct galaxy galaxy = read_well(catalogue, 0, &arena);

    (void)state;
    assert_true(galaxy.particles[STARS].field[FIELD_METALLICITY][0] == 0.02);
    assert_true(galaxy.particles[STARS].field[FIELD_METALLICITY][1] == 1e-5);
    galaxy = read_well(catalogue, 2, &arena);
    assert_true(galaxy.particles[STARS].field[FIELD_METALLICITY][0] == 1e-5);
    assert_true(galaxy.particles[STARS].field[FIELD_METALLICITY][1] == 0.01);
    assert_true(galaxy.particles[STARS].field[FIELD_METALLICITY][2] == 1e-5);
    catalogue_close(catalogue);
    arena_free(&arena);
}

/* Snapshots hold stars born in the last step; what reads the grid takes them for its youngest. */
static void a_star_of_age_zero_is_a_star(void **state)
{
    struct made made = ordinary;
    struct catalogue *catalogue;
    struct arena arena = { 0 };

    (void)state;
    column_of(&made, "Stars/ages")->value[1] = 0;
    catalogue = open_well(&made, &everything);
    assert_true(read_well(catalogue, 0, &arena).particles[STARS].field[FIELD_AGE_YR][1] == 0);
    catalogue_close(catalogue);
    arena_free(&arena);
}

static void units_are_honoured(void **state)
{
    static const struct {
        const char *path, *unit;
        double factor;
    } cases[] = {
        { "Stars/ages", "Myr", 1e6 },
        { "Stars/ages", "Gyr", 1e9 },
        { "Stars/coordinates", "Mpc", 1e3 },
        { "Stars/coordinates", "pc", 1e-3 },
        { "Gas/coordinates", "Mpc", 1e3 },
        { "BlackHoles/coordinates", "pc", 1e-3 },
        { "Gas/smoothing_lengths", "pc", 1e-3 },
        { "Stars/smoothing_lengths", "Mpc", 1e3 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct made made = ordinary;
        struct catalogue *catalogue;
        struct arena arena = { 0 };
        struct galaxy galaxy;
        double factor[4] = { 1, 1, 1, 1 };

        column_of(&made, cases[i].path)->unit = cases[i].unit;
        catalogue = open_well(&made, &everything);
        galaxy = read_well(catalogue, 2, &arena);
        factor[strstr(cases[i].path, "ages") ? 0
               : *cases[i].path == 'S'       ? 1
               : *cases[i].path == 'G'       ? 2
                                             : 3] = cases[i].factor;
        assert_true(galaxy.particles[STARS].field[FIELD_AGE_YR][0] == 3e8 * factor[0]);
        if (strstr(cases[i].path, "coordinates")) {
            assert_true(galaxy.particles[STARS].field[FIELD_Z_KPC][0] == 9 * factor[1]);
            assert_true(galaxy.particles[GAS].field[FIELD_Z_KPC][1] == 5 * factor[2]);
            assert_true(galaxy.particles[BLACK_HOLES].field[FIELD_X_KPC][0] == 9 * factor[3]);
        } else {
            assert_true(galaxy.particles[STARS].field[FIELD_SMOOTHING_KPC][2] == 0.5 * factor[1]);
            assert_true(galaxy.particles[GAS].field[FIELD_SMOOTHING_KPC][1] == 3 * factor[2]);
        }
        catalogue_close(catalogue);
        arena_free(&arena);
    }
}

static void a_galaxy_without_stars_is_a_galaxy(void **state)
{
    struct made made = ordinary;
    struct catalogue *catalogue = open_well(&made, &everything);
    struct arena arena = { 0 };
    struct galaxy galaxy = read_well(catalogue, 1, &arena);

    (void)state;
    assert_true(galaxy.id == 205);
    assert_true(galaxy.particles[STARS].n == 0);
    assert_true(galaxy.particles[GAS].n == 0);
    assert_true(galaxy.particles[BLACK_HOLES].n == 0);
    for (int axis = 0; axis < 3; axis++)
        assert_true(galaxy.centre_kpc[axis] == 0);
    assert_int_equal(catalogue_galaxy_bytes(catalogue, 1), 0);
    catalogue_close(catalogue);
    arena_free(&arena);
}

static void the_centre_is_the_mean_of_the_stars_unless_given(void **state)
{
    struct made made = ordinary;
    struct catalogue *catalogue = open_well(&made, &everything);
    struct arena arena = { 0 };
    struct galaxy galaxy = read_well(catalogue, 0, &arena);

    (void)state;
    assert_true(galaxy.centre_kpc[0] == 2);
    assert_true(galaxy.centre_kpc[1] == 3);
    assert_true(galaxy.centre_kpc[2] == 4);
    catalogue_close(catalogue);
    column_of(&made, "Galaxies/centre")->is_absent = false;
    column_of(&made, "Galaxies/centre")->unit = "Mpc";
    catalogue = open_well(&made, &everything);
    galaxy = read_well(catalogue, 2, &arena);
    assert_true(galaxy.centre_kpc[0] == 7e3);
    assert_true(galaxy.centre_kpc[1] == 8e3);
    assert_true(galaxy.centre_kpc[2] == 9e3);
    catalogue_close(catalogue);
    arena_free(&arena);
}

/* Masses, then a ratio per particle, then one per galaxy, then the job's; the metallicity floor holds for gas
 * too. */
static void dust_is_taken_from_the_most_direct_source(void **state)
{
    static const struct {
        const char *present[3];
        double dust[2]; /* of galaxy 309: 2e5 Msun at Z = 0 (floor 1e-5), 3e5 Msun at Z = 0.03 */
    } cases[] = {
        { { NULL }, { 2e5 * (1e-5 * 0.3), 3e5 * (0.03 * 0.3) } },
        { { "Galaxies/dust_to_metal_ratio" }, { 2e5 * (1e-5 * 0.4), 3e5 * (0.03 * 0.4) } },
        { { "Gas/dust_to_metal_ratio", "Galaxies/dust_to_metal_ratio" },
          { 2e5 * (1e-5 * 0.25), 3e5 * (0.03 * 0.125) } },
        { { "Gas/dust_masses", "Gas/dust_to_metal_ratio", "Galaxies/dust_to_metal_ratio" }, { 22, 33 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct made made = ordinary;
        struct catalogue *catalogue;
        struct arena arena = { 0 };
        struct galaxy galaxy;

        for (size_t j = 0; j < 3 && cases[i].present[j]; j++)
            column_of(&made, cases[i].present[j])->is_absent = false;
        catalogue = open_well(&made, &everything);
        galaxy = read_well(catalogue, 2, &arena);
        for (int j = 0; j < 2; j++)
            assert_true(galaxy.particles[GAS].field[FIELD_DUST_MASS_MSUN][j] == cases[i].dust[j]);
        catalogue_close(catalogue);
        arena_free(&arena);
    }
}

static void what_is_not_needed_is_neither_checked_nor_read(void **state)
{
    const struct catalogue_needs little = {
        .field[STARS] = { [FIELD_INITIAL_MASS_MSUN] = "", [FIELD_AGE_YR] = "", [FIELD_METALLICITY] = "" }
    };
    struct made made = ordinary;
    struct catalogue *catalogue;
    struct arena arena = { 0 };
    struct galaxy galaxy;

    (void)state;
    column_of(&made, "Galaxies/redshift")->is_absent = true;
    column_of(&made, "Stars/smoothing_lengths")->value[3] = -1;
    column_of(&made, "Gas/smoothing_lengths")->unit = NULL;
    column_of(&made, "BlackHoles/coordinates")->value[0] = (double)NAN;
    catalogue = open_well(&made, &little);
    galaxy = read_well(catalogue, 2, &arena);
    assert_true(galaxy.particles[STARS].n == 3);
    assert_true(galaxy.particles[GAS].n == 0);
    assert_true(galaxy.particles[BLACK_HOLES].n == 0);
    assert_true(galaxy.redshift == 0);
    assert_null(galaxy.particles[STARS].field[FIELD_SMOOTHING_KPC]);
    catalogue_close(catalogue);
    arena_free(&arena);
}

static void gas_black_holes_and_ids_are_optional(void **state)
{
    struct made made = ordinary;
    struct catalogue *catalogue;
    struct arena arena = { 0 };
    struct galaxy galaxy;

    (void)state;
    for (size_t i = 0; i < N_COLUMN && made.column[i].path; i++)
        if (*made.column[i].path == 'B' || !strncmp(made.column[i].path, "Gas", 3))
            made.column[i].is_absent = true;
    column_of(&made, "Galaxies/id")->is_absent = true;
    catalogue = open_well(&made, &everything);
    assert_true(catalogue->n_particle_all[GAS] == 0);
    assert_true(catalogue->n_particle_all[BLACK_HOLES] == 0);
    galaxy = read_well(catalogue, 2, &arena);
    assert_true(galaxy.id == 2);
    assert_true(galaxy.particles[STARS].n == 3);
    assert_true(galaxy.particles[GAS].n == 0);
    assert_true(galaxy.particles[BLACK_HOLES].n == 0);
    catalogue_close(catalogue);
    arena_free(&arena);
}

static void parameters_are_per_particle_or_per_galaxy(void **state)
{
    struct catalogue_needs needs = everything;
    struct made made = ordinary;
    struct catalogue *catalogue = open_well(&made, &everything);
    struct arena arena = { 0 };
    struct galaxy galaxy = read_well(catalogue, 2, &arena);

    (void)state;
    assert_true(catalogue->has_field[STARS][FIELD_PARAMETER]);
    assert_true(!catalogue->has_field[STARS][FIELD_PARAMETER + 1]);
    assert_true(galaxy.particles[STARS].field[FIELD_PARAMETER][0] == 2);
    assert_true(galaxy.particles[STARS].field[FIELD_PARAMETER][2] == 4);
    assert_true(galaxy.parameter[1] == 0.3);
    assert_null(galaxy.particles[STARS].field[FIELD_PARAMETER + 1]);
    catalogue_close(catalogue);
    column_of(&made, "Stars/tau")->path = "Stars/tau_v"; /* in both groups: the particles' own wins */
    needs.parameter[0] = "tau_v";
    catalogue = open_well(&made, &needs);
    assert_true(catalogue->has_field[STARS][FIELD_PARAMETER]);
    catalogue_close(catalogue);
    needs.parameter[0] = "tau_w";
    expect_refused(
        &made, &needs,
        (const char *const[]) { "'tau_w'", "'Stars'", "'Galaxies'", "did you mean 'tau_v'", NULL });
    arena_free(&arena);
}

/* ---- one bad value costs one galaxy ------------------------------------------------------------ */

static void a_bad_value_sets_its_galaxy_aside(void **state)
{
    static const struct {
        const char *path;
        size_t index; /* into the values of the column */
        double value;
        uint64_t row;
        const char *part[4]; /* galaxy, where, value, bound */
    } cases[] = {
        { "Stars/coordinates", 10, (double)NAN, 2, { "galaxy 309", "particle 1", "nan", "finite" } },
        { "Stars/coordinates", 0, (double)INFINITY, 0, { "galaxy 101", "particle 0", "inf", "finite" } },
        { "Stars/initial_masses", 1, -5, 0, { "galaxy 101", "particle 1", "-5", ">= 0" } },
        { "Stars/initial_masses", 4, (double)NAN, 2, { "galaxy 309", "particle 2", "nan", ">= 0" } },
        { "Stars/ages", 2, -3e3, 2, { "galaxy 309", "particle 0", "-3000", ">= 0" } },
        { "Stars/metallicities", 3, -0.5, 2, { "galaxy 309", "particle 1", "-0.5", ">= 0" } },
        { "Stars/metallicities", 0, 1.5, 0, { "galaxy 101", "particle 0", "1.5", "<= 1 (a fraction" } },
        { "Stars/smoothing_lengths", 0, 0, 0, { "galaxy 101", "particle 0", "is 0,", "> 0" } },
        { "Stars/tau", 4, (double)NAN, 2, { "galaxy 309", "particle 2", "nan", "finite" } },
        { "Gas/coordinates", 8, (double)NAN, 2, { "galaxy 309", "particle 1", "nan", "finite" } },
        { "Gas/masses", 0, -1, 0, { "galaxy 101", "particle 0", "-1", ">= 0" } },
        { "Gas/metallicities", 2, -1, 2, { "galaxy 309", "particle 1", "-1", ">= 0" } },
        { "Gas/metallicities", 1, 2, 2, { "galaxy 309", "particle 0", "is 2,", "<= 1 (a fraction" } },
        { "Gas/smoothing_lengths", 1, 0, 2, { "galaxy 309", "particle 0", "is 0,", "> 0" } },
        { "Gas/dust_masses", 1, -7, 2, { "galaxy 309", "particle 0", "-7", ">= 0" } },
        { "Gas/dust_to_metal_ratio", 1, -7, 2, { "galaxy 309", "particle 0", "-7", ">= 0" } },
        { "Galaxies/dust_to_metal_ratio", 2, -7, 2, { "galaxy 309", "row 2", "-7", ">= 0" } },
        { "Galaxies/dust_to_metal_ratio", 0, (double)NAN, 0, { "galaxy 101", "row 0", "nan", ">= 0" } },
        { "Galaxies/fesc", 0, (double)NAN, 0, { "galaxy 101", "row 0", "nan", "finite" } },
        { "Galaxies/redshift", 1, (double)NAN, 1, { "galaxy 205", "row 1", "nan", ">= 0" } },
        { "Galaxies/redshift", 0, -0.1, 0, { "galaxy 101", "row 0", "-0.1", ">= 0" } },
        { "Galaxies/redshift", 2, (double)INFINITY, 2, { "galaxy 309", "row 2", "inf", ">= 0" } },
        { "Galaxies/redshift", 2, 1e100, 2, { "galaxy 309", "row 2", "1e+100", ">= 0 and <= 1000" } },
        { "Galaxies/redshift", 0, 1000.1, 0, { "galaxy 101", "row 0", "1000.1", "<= 1000" } },
        { "Galaxies/centre", 7, (double)NAN, 2, { "galaxy 309", "row 2", "nan", "finite" } },
        { "BlackHoles/coordinates", 1, (double)NAN, 2, { "galaxy 309", "particle 0", "nan", "finite" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct made made = ordinary;
        struct catalogue *catalogue;
        struct arena arena = { 0 };
        struct galaxy galaxy;
        struct error err = { "" };

        column_of(&made, cases[i].path)->is_absent = false;
        column_of(&made, cases[i].path)->value[cases[i].index] = cases[i].value;
        catalogue = open_well(&made, &everything);
        for (uint64_t row = 0; row < 3; row++) {
            int r = catalogue_read(catalogue, row, &arena, &galaxy, &err);

            if (r != (row == cases[i].row ? POLYPHONY_SET_ASIDE : 0))
                fail_msg("%s: galaxy in row %d gave %d: %s", cases[i].path, (int)row, r, err.text);
        }
        catalogue_read(catalogue, cases[i].row, &arena, &galaxy, &err);
        EXPECT_PARTS(err.text, "made.hdf5", cases[i].path, cases[i].part[0], cases[i].part[1],
                     cases[i].part[2], cases[i].part[3]);
        catalogue_close(catalogue);
        arena_free(&arena);
    }
}

/* ---- a bad file ends the run ------------------------------------------------------------------- */

static void units_must_be_there_known_and_of_the_right_kind(void **state)
{
    static const char *const paths[] = { "Galaxies/redshift",
                                         "Galaxies/fesc",
                                         "Stars/initial_masses",
                                         "Stars/ages",
                                         "Stars/tau",
                                         "Stars/metallicities",
                                         "Stars/coordinates",
                                         "Gas/masses",
                                         "Stars/smoothing_lengths",
                                         "Gas/coordinates",
                                         "Galaxies/centre",
                                         "Gas/smoothing_lengths",
                                         "BlackHoles/coordinates",
                                         "Gas/metallicities" };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        struct made made = ordinary;
        struct column *column = column_of(&made, paths[i]);

        column->is_absent = false;
        if (!column->unit || strcmp(column->unit, "dimensionless")) {
            column->unit = NULL;
            EXPECT_REFUSED(&made, paths[i], "no 'Units' attribute");
            column->unit = "";
            EXPECT_REFUSED(&made, paths[i], "'' is a pure number");
        }
        column->unit = "furlong";
        EXPECT_REFUSED(&made, paths[i], "unknown unit 'furlong'", "use one of");
        column->unit = "km/s";
        EXPECT_REFUSED(&made, paths[i], "unit 'km/s' is a velocity", "expected a");
    }
}

static void pure_numbers_need_no_unit(void **state)
{
    static const char *const paths[] = { "Galaxies/redshift", "Galaxies/fesc", "Stars/tau",
                                         "Stars/metallicities", "Gas/metallicities" };
    struct made made = ordinary;
    struct arena arena = { 0 };
    struct galaxy galaxy;
    struct catalogue *catalogue;
    struct error err = { "" };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        column_of(&made, paths[i])->unit = i % 2 ? NULL : "";
    catalogue = open_well(&made, &everything);
    EXPECT_OK(catalogue_read(catalogue, 2, &arena, &galaxy, &err), err);
    assert_true(galaxy.redshift == 7);
    assert_true(galaxy.particles[STARS].field[FIELD_METALLICITY][1] == 0.01);
    catalogue_close(catalogue);
    arena_free(&arena);
}

/* As headers of snapshots at z = 0 have them: 1/a - 1, rounded. */
static void roundings_of_redshift_zero_are_zero_and_said(void **state)
{
    struct made made = ordinary;
    struct column *redshift = column_of(&made, "Galaxies/redshift");
    struct catalogue *catalogue;

    (void)state;
    redshift->value[0] = -2.220446049250313e-16;
    redshift->value[1] = 9e-9;
    redshift->value[2] = 1.1e-8;
    catalogue = open_well(&made, &everything);
    assert_true(catalogue->redshift[0] == 0);
    assert_true(catalogue->redshift[1] == 0);
    assert_true(catalogue->redshift[2] == 1.1e-8);
    assert_true(catalogue_redshift_is_valid(catalogue, 0));
    assert_int_equal(catalogue->warnings.n, 1);
    EXPECT_PARTS(catalogue->warnings.text[0], "'Galaxies/redshift' of 2 of 3", "galaxy 101", "-2.22045e-16");
    catalogue_close(catalogue);
}

static void slices_must_be_inside_and_not_overlap(void **state)
{
    static const struct {
        const char *path;
        size_t row;
        double value;
        const char *part[3];
    } cases[] = {
        { "Stars/length",
          2,
          4,
          { "'Stars' row 2 (galaxy 309)", "offset 2, length 4",
            "past the end of the particles; there are 5" } },
        { "Stars/offset", 2, 1000, { "'Stars' row 2", "offset 1000, length 3", "there are 5" } },
        { "Stars/offset", 2, 9.2e18, { "'Stars' row 2", "9200000000000000000", "past the end" } },
        { "Stars/offset",
          2,
          1,
          { "'Stars' rows 0 (galaxy 101: offset 0, length 2)", "2 (galaxy 309: offset 1, length 3)",
            "overlap" } },
        { "Stars/offset",
          0,
          3,
          { "'Stars' rows 2 (galaxy 309: offset 2, length 3)", "0 (galaxy 101: offset 3, length 2)",
            "overlap" } },
        { "Gas/offset", 0, 2, { "'Gas' rows 2 (galaxy 309", "0 (galaxy 101", "overlap" } },
        { "Stars/length", 0, -1, { "'Stars' row 0 (galaxy 101)", "length -1", "negative" } },
        { "Stars/offset", 0, -2, { "'Stars' row 0 (galaxy 101)", "offset -2", "negative" } },
        { "Stars/length", 2, 0x1p32, { "'Stars' row 2", "length 4294967296", "beyond the 4294967295" } },
        { "Gas/length", 2, 3, { "'Gas' row 2", "offset 1, length 3", "there are 3" } },
        { "BlackHoles/offset", 2, 1, { "'BlackHoles' row 2", "offset 1, length 1", "there are 1" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct made made = ordinary;

        column_of(&made, cases[i].path)->value[cases[i].row] = cases[i].value;
        EXPECT_REFUSED(&made, cases[i].part[0], cases[i].part[1], cases[i].part[2]);
    }
}

static void the_offset_of_an_empty_slice_does_not_matter(void **state)
{
    static const double offsets[] = { 77, -1, -9e18, 9e18, 5 };
    struct made made = ordinary;

    (void)state;
    for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
        struct catalogue *catalogue;

        column_of(&made, "Stars/offset")->value[1] = offsets[i];
        column_of(&made, "BlackHoles/offset")->value[0] = offsets[i];
        catalogue = open_well(&made, &everything);
        assert_int_equal(catalogue->n_particle[STARS][1], 0);
        assert_true(catalogue->offset[STARS][1] <= 5);
        assert_true(catalogue->offset[BLACK_HOLES][0] <= 1);
        catalogue_close(catalogue);
    }
}

/* The same galaxies, whose particles lie in the file in other orders, of which no two are alike. */
static void slices_may_lie_in_any_order(void **state)
{
    static const double stars[][3] = { { 3, 0, 0 }, { 0, 7, 2 } };
    struct arena arena = { 0 }, other_arena = { 0 };
    struct made made = ordinary, moved = ordinary;
    struct catalogue *catalogue = open_well(&made, &everything), *other;
    struct galaxy expected = read_well(catalogue, 0, &arena), got;

    (void)state;
    /* Galaxy 0's two stars come after galaxy 2's three. */
    for (size_t i = 0; i < N_COLUMN && moved.column[i].path; i++) {
        const struct column *from = column_of(&made, moved.column[i].path);

        if (strncmp(from->path, "Stars/", 6) || from->n != 5)
            continue;
        for (size_t k = 0; k < 5 * (size_t)from->width; k++)
            moved.column[i].value[k] = from->value[(k + 2 * (size_t)from->width) % (5 * (size_t)from->width)];
    }
    memcpy(column_of(&moved, "Stars/offset")->value, stars[0], sizeof(stars[0]));
    other = open_well(&moved, &everything);
    got = read_well(other, 0, &other_arena);
    assert_true(got.particles[STARS].n == 2);
    assert_true(got.id == expected.id);
    for (size_t i = 0; i < 2; i++)
        assert_true(
            got.particles[STARS].field[FIELD_INITIAL_MASS_MSUN][i] ==
                expected.particles[STARS].field[FIELD_INITIAL_MASS_MSUN][i] &&
            got.particles[STARS].field[FIELD_AGE_YR][i] == expected.particles[STARS].field[FIELD_AGE_YR][i] &&
            got.particles[STARS].field[FIELD_Z_KPC][i] == expected.particles[STARS].field[FIELD_Z_KPC][i] &&
            got.particles[STARS].field[FIELD_PARAMETER][i] ==
                expected.particles[STARS].field[FIELD_PARAMETER][i]);
    assert_true(got.centre_kpc[0] == expected.centre_kpc[0]);
    assert_true(other->offset[STARS][0] == 3);
    assert_true(other->offset[STARS][2] == 0);
    catalogue_close(other);
    catalogue_close(catalogue);
    arena_free(&arena);
    arena_free(&other_arena);
}

/* ---- rounding ---------------------------------------------------------------------------------- */

/* What a float32 difference of two times, or of mass fractions, gives where 0 is meant. */
static void values_slightly_below_zero_are_zero_and_counted(void **state)
{
    static const struct {
        const char *path, *unit;
        double least, too_little; /* in that unit */
    } cases[] = {
        { "Stars/ages", "yr", -1.6e3, -1.7e3 },
        { "Stars/ages", "Gyr", -9.5367e-7, -2e-6 }, /* a unit of float32's last place at 13.8 */
        { "Stars/metallicities", "dimensionless", -0x1p-23, -2e-6 },
        { "Stars/tau", "dimensionless", -1e-12, -(double)NAN },
        { "Stars/initial_masses", "Msun", -1e-7, -1e-3 },
        { "Gas/metallicities", "dimensionless", -1e-12, -1e-3 },
        { "Gas/masses", "Msun", -1e-9, -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct made made = ordinary;
        struct arena arena = { 0 };
        struct error err = { "" };
        struct column *column = column_of(&made, cases[i].path);
        struct catalogue *catalogue;
        struct galaxy galaxy;
        double *value = &column->value[*column->path == 'S' ? 3 : 1]; /* of galaxy 2 */

        column->unit = cases[i].unit;
        *value = cases[i].least;
        catalogue = open_well(&made, &everything);
        galaxy = read_well(catalogue, 2, &arena);
        assert_int_equal(galaxy.n_rounded, 1);
        assert_true(galaxy.particles[STARS].field[FIELD_AGE_YR][1] >= 0);
        assert_true(galaxy.particles[STARS].field[FIELD_METALLICITY][1] >= 1e-5);
        assert_true(galaxy.particles[STARS].field[FIELD_INITIAL_MASS_MSUN][1] >= 0);
        assert_true(galaxy.particles[GAS].field[FIELD_DUST_MASS_MSUN][0] >= 0);
        assert_true(galaxy.particles[STARS].field[FIELD_PARAMETER][1] >= 0);
        assert_int_equal(read_well(catalogue, 0, &arena).n_rounded, 0);
        catalogue_close(catalogue);
        *value = cases[i].too_little;
        catalogue = open_well(&made, &everything);
        assert_int_equal(catalogue_read(catalogue, 2, &arena, &galaxy, &err), POLYPHONY_SET_ASIDE);
        EXPECT_PARTS(err.text, cases[i].path, *column->path == 'S' ? "particle 1" : "particle 0");
        catalogue_close(catalogue);
        arena_free(&arena);
    }
}

static void a_number_of_a_galaxy_slightly_below_zero_is_zero_and_counted(void **state)
{
    static const char *const paths[] = { "Galaxies/fesc", "Galaxies/dust_to_metal_ratio" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct made made = ordinary;
        struct arena arena = { 0 };
        struct catalogue *catalogue;
        struct galaxy galaxy;

        column_of(&made, paths[i])->is_absent = false;
        column_of(&made, paths[i])->value[2] = -1e-17;
        catalogue = open_well(&made, &everything);
        galaxy = read_well(catalogue, 2, &arena);
        assert_int_equal(galaxy.n_rounded, 1);
        assert_true(galaxy.parameter[1] == (i ? 0.3 : 0.0));
        assert_true(i == 0 || galaxy.particles[GAS].field[FIELD_DUST_MASS_MSUN][1] == 0);
        catalogue_close(catalogue);
        arena_free(&arena);
    }
}

static void ids_must_be_unique_integers(void **state)
{
    struct made made = ordinary;

    (void)state;
    column_of(&made, "Galaxies/id")->value[2] = 101;
    EXPECT_REFUSED(&made, "'Galaxies/id'", "101", "unique");
    column_of(&made, "Galaxies/id")->value[1] = 101; /* neighbours */
    EXPECT_REFUSED(&made, "'Galaxies/id'", "101", "unique");
    column_of(&made, "Galaxies/id")->value[1] = 300; /* out of order */
    column_of(&made, "Galaxies/id")->value[2] = -7;
    catalogue_close(open_well(&made, &everything));
    column_of(&made, "Galaxies/id")->is_integer = false; /* whole numbers all the same */
    catalogue_close(open_well(&made, &everything));
    column_of(&made, "Galaxies/id")->value[2] = 7.5;
    EXPECT_REFUSED(&made, "'Galaxies/id'", "index 2", "7.5", "whole");
}

static void some_galaxy_must_have_a_redshift(void **state)
{
    struct made made = ordinary;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        column_of(&made, "Galaxies/redshift")->value[i] = (double)NAN;
    EXPECT_REFUSED(&made, "'Galaxies/redshift'", "no galaxy", "nan", ">= 0");
}

static void a_missing_dataset_is_named(void **state)
{
    static const char *const paths[] = {
        "Galaxies/redshift", "Stars/offset",         "Stars/length",
        "Stars/ages",        "Stars/initial_masses", "Stars/metallicities",
        "Stars/coordinates", "Gas/offset",           "Stars/smoothing_lengths",
        "Gas/length",        "Gas/masses",           "Gas/smoothing_lengths",
        "Gas/coordinates",   "BlackHoles/length",    "BlackHoles/coordinates"
    };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        struct made made = ordinary;

        column_of(&made, paths[i])->is_absent = true;
        EXPECT_REFUSED(&made, "no dataset", paths[i]);
    }
}

static void shapes_must_agree(void **state)
{
    static const struct {
        const char *path;
        uint64_t n;
        int width;
        const char *has, *expected;
    } cases[] = {
        { "Stars/ages", 4, 1, "has shape 4,", "expected 5" },
        { "Stars/coordinates", 5, 2, "has shape 5 x 2,", "expected 5 x 3" },
        { "Stars/coordinates", 5, 1, "has shape 5,", "expected 5 x 3" },
        { "Stars/metallicities", 5, 3, "has shape 5 x 3,", "expected 5" },
        { "Stars/tau", 3, 1, "has shape 3,", "expected 5" },
        { "Stars/length", 2, 1, "has shape 2,", "expected 3" },
        { "Galaxies/redshift", 4, 1, "has shape 4,", "expected 3" },
        { "Galaxies/fesc", 1, 1, "has shape 1,", "expected 3" },
        { "Galaxies/id", 2, 1, "has shape 2,", "expected 3" },
        { "Gas/smoothing_lengths", 2, 1, "has shape 2,", "expected 3" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct made made = ordinary;

        column_of(&made, cases[i].path)->n = cases[i].n;
        column_of(&made, cases[i].path)->width = cases[i].width;
        EXPECT_REFUSED(&made, cases[i].path, cases[i].has, cases[i].expected);
    }
}

static void a_column_is_a_list(void **state)
{
    struct made made = ordinary;
    struct arena arena = { 0 };
    struct catalogue *catalogue;
    struct galaxy galaxy;

    (void)state;
    for (size_t i = 0; i < N_COLUMN && made.column[i].path; i++)
        if (made.column[i].width == 1)
            made.column[i].other_rank = 2;
    catalogue = open_well(&made, &everything);
    galaxy = read_well(catalogue, 2, &arena);
    assert_true(catalogue->n_galaxy == 3);
    assert_true(galaxy.id == 309);
    assert_true(galaxy.redshift == 7);
    assert_true(galaxy.particles[STARS].n == 3);
    assert_true(galaxy.particles[STARS].field[FIELD_INITIAL_MASS_MSUN][1] == 4e6);
    assert_true(galaxy.particles[STARS].field[FIELD_Z_KPC][1] == -3);
    assert_true(galaxy.particles[GAS].field[FIELD_SMOOTHING_KPC][1] == 3);
    assert_true(galaxy.particles[STARS].field[FIELD_PARAMETER][2] == 4);
    assert_true(galaxy.parameter[1] == 0.3);
    catalogue_close(catalogue);
    arena_free(&arena);
}

static void transposed_tables_and_single_values_are_refused(void **state)
{
    static const struct {
        const char *path;
        int other_rank;
        const char *part[2];
    } cases[] = {
        { "Stars/coordinates", 3, { "has shape 3 x 5, expected 5 x 3", "transposed" } },
        { "Stars/ages", 3, { "has shape 1 x 5, expected 5", "transposed" } },
        { "Stars/initial_masses", 3, { "has shape 1 x 5, expected N", "transposed" } },
        { "Stars/offset", 3, { "has shape 1 x 3, expected N", "transposed" } },
        { "Galaxies/fesc", 3, { "has shape 1 x 3, expected 3", "transposed" } },
        { "Stars/ages", -1, { "is a single value, expected 5", "" } },
        { "Stars/offset", -1, { "is a single value, expected N", "" } },
        { "Stars/initial_masses", -1, { "is a single value, expected N", "" } },
        { "Galaxies/redshift", -1, { "is a single value, expected 3", "" } },
        { "BlackHoles/coordinates", -1, { "is a single value, expected N x 3", "" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct made made = ordinary;

        column_of(&made, cases[i].path)->other_rank = cases[i].other_rank;
        EXPECT_REFUSED(&made, cases[i].path, cases[i].part[0], cases[i].part[1]);
    }
}

static void only_files_of_this_format_and_version_are_read(void **state)
{
    struct made made = ordinary;
    struct catalogue *catalogue = NULL;
    struct error err = { "" };
    const char *path;

    (void)state;
    made.version = 2;
    EXPECT_REFUSED(&made, "version 2", "expected 'polyphony-catalogue' version 1");
    made = ordinary;
    made.format = "something";
    EXPECT_REFUSED(&made, "'something'", "expected 'polyphony-catalogue' version 1");
    path = write_made(&ordinary);
    assert_int_equal(truncate(path, 3000), 0);
    assert_int_equal(catalogue_open(path, &everything, NULL, &catalogue, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "made.hdf5", "truncated");
    assert_int_equal(catalogue_open("/nowhere/c.hdf5", &everything, NULL, &catalogue, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "/nowhere/c.hdf5", "No such file");
}

static void no_galaxies_at_all_are_a_catalogue(void **state)
{
    struct made made = ordinary;
    struct catalogue *catalogue;

    (void)state;
    for (size_t i = 0; i < N_COLUMN && made.column[i].path; i++)
        if (!strncmp(made.column[i].path, "Galaxies/", 9) || strstr(made.column[i].path, "/offset") ||
            strstr(made.column[i].path, "/length"))
            made.column[i].n = 0;
    catalogue = open_well(&made, &everything);
    assert_int_equal(catalogue->n_galaxy, 0);
    catalogue_touch_pages(catalogue);
    catalogue_close(catalogue);
    column_of(&made, "Galaxies/id")->n = 2;
    EXPECT_REFUSED(&made, "'Galaxies/id' has shape 2, expected 0");
}

/* A field that the format's table does not have for a component is read where it is needed, in the same unit
 * and with the same bounds. */
static void any_component_has_the_fields_that_are_needed(void **state)
{
    struct catalogue_needs needs = everything;
    struct made made = ordinary;
    struct arena around = { 0 }, tile = { 0 };
    struct catalogue *catalogue;
    struct error err = { "" };
    struct galaxy galaxy;

    (void)state;
    *column_of(&made, "Galaxies/tau_v") =
        (struct column) { "BlackHoles/masses", "1e6*Msun", 1, 1, .value = { 3 } };
    *column_of(&made, "Galaxies/dust_to_metal_ratio") =
        (struct column) { "BlackHoles/fesc", NULL, 1, 1, .value = { 0.5 } };
    needs.field[BLACK_HOLES][FIELD_MASS_MSUN] = "photometry_fluxes";
    needs.field[BLACK_HOLES][FIELD_PARAMETER + 1] = needs.field[GAS][FIELD_METALLICITY] = "";
    catalogue = open_well(&made, &needs);
    galaxy = read_well(catalogue, 2, &around);
    assert_true(galaxy.particles[BLACK_HOLES].field[FIELD_MASS_MSUN][0] == 3e6);
    assert_true(galaxy.particles[BLACK_HOLES].field[FIELD_PARAMETER + 1][0] == 0.5);
    assert_true(galaxy.parameter[1] == 0.3);
    assert_true(galaxy.particles[GAS].field[FIELD_METALLICITY][1] == 0.03);
    assert_true(galaxy.particles[GAS].field[FIELD_DUST_MASS_MSUN][1] == 3e5 * (0.03 * 0.3));
    EXPECT_OK(catalogue_read_tile(catalogue, 2, GAS, 1, 1, NULL, &tile, &galaxy, &err), err);
    assert_true(galaxy.particles[GAS].first == 1 && galaxy.particles[GAS].n == 1);
    assert_true(galaxy.particles[GAS].field[FIELD_Z_KPC][0] == 5);
    assert_true(galaxy.particles[GAS].field[FIELD_DUST_MASS_MSUN][0] == 3e5 * (0.03 * 0.3));
    assert_int_equal(galaxy.particles[STARS].n, 3);
    catalogue_close(catalogue);
    column_of(&made, "BlackHoles/masses")->value[0] = -1;
    catalogue = open_well(&made, &needs);
    assert_int_equal(catalogue_read(catalogue, 2, &around, &galaxy, &err), POLYPHONY_SET_ASIDE);
    EXPECT_PARTS(err.text, "dataset 'BlackHoles/masses' particle 0 is -1, must be >= 0");
    catalogue_close(catalogue);
    column_of(&made, "BlackHoles/masses")->is_absent = true;
    expect_refused(&made, &needs,
                   (const char *const[]) {
                       "no dataset 'BlackHoles/masses'; operation 'photometry_fluxes' needs it", NULL });
    arena_free(&around);
    arena_free(&tile);
}

/* A simulation that has no stars yet: datasets of no rows. */
static void no_stars_at_all_are_a_catalogue(void **state)
{
    struct made made = ordinary;
    struct arena arena = { 0 };
    struct catalogue *catalogue;

    (void)state;
    for (size_t i = 0; i < N_COLUMN && made.column[i].path; i++)
        if (made.column[i].n == 5)
            made.column[i].n = 0;
    memset(column_of(&made, "Stars/length")->value, 0, 3 * sizeof(double));
    catalogue = open_well(&made, &everything);
    assert_true(catalogue->n_galaxy == 3);
    assert_true(catalogue->n_particle_all[STARS] == 0);
    assert_int_equal(read_well(catalogue, 2, &arena).particles[GAS].n, 2);
    catalogue_close(catalogue);
    arena_free(&arena);
}

/* Models without places have masses, ages and metallicities only. */
static void places_are_for_those_who_need_them(void **state)
{
    struct catalogue_needs needs = {
        .redshift = true,
        .field[STARS] = { [FIELD_INITIAL_MASS_MSUN] = "", [FIELD_AGE_YR] = "", [FIELD_METALLICITY] = "" }
    };
    struct made made = ordinary;
    struct arena arena = { 0 };
    struct catalogue *catalogue;
    struct galaxy galaxy;

    (void)state;
    column_of(&made, "Stars/coordinates")->is_absent = true;
    column_of(&made, "Gas/coordinates")->is_absent = true;
    column_of(&made, "BlackHoles/coordinates")->is_absent = true;
    catalogue = open_well(&made, &needs);
    galaxy = read_well(catalogue, 2, &arena);
    assert_null(galaxy.particles[STARS].field[FIELD_X_KPC]);
    assert_true(galaxy.particles[STARS].n == 3);
    assert_true(galaxy.particles[STARS].field[FIELD_AGE_YR][1] == 4e9);
    assert_true(galaxy.centre_kpc[0] == 0);
    assert_int_equal(catalogue->n_particle[GAS][2], 2); /* counted by its masses */
    assert_int_equal(catalogue->n_particle[BLACK_HOLES][2],
                     0); /* there is nothing to count them by, and that is said */
    assert_int_equal(catalogue->warnings.n, 1);
    EXPECT_PARTS(catalogue->warnings.text[0], "'BlackHoles'", "left out");
    assert_int_equal(catalogue_particle_bytes(catalogue, STARS), 3 * sizeof(double));
    catalogue_close(catalogue);
    needs.field[STARS][FIELD_X_KPC] = "images_flux";
    expect_refused(&made, &needs,
                   (const char *const[]) { "'Stars/coordinates'", "operation 'images_flux' needs it", NULL });
    needs.field[STARS][FIELD_X_KPC] = NULL;
    needs.field[GAS][FIELD_X_KPC] = "los_optical_depths";
    expect_refused(&made, &needs,
                   (const char *const[]) { "'Gas/coordinates'", "'los_optical_depths' needs it", NULL });
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(galaxies_are_the_slices_of_the_file),
        cmocka_unit_test(metallicities_are_raised_to_the_floor),
        cmocka_unit_test(a_star_of_age_zero_is_a_star),
        cmocka_unit_test(units_are_honoured),
        cmocka_unit_test(a_galaxy_without_stars_is_a_galaxy),
        cmocka_unit_test(the_centre_is_the_mean_of_the_stars_unless_given),
        cmocka_unit_test(dust_is_taken_from_the_most_direct_source),
        cmocka_unit_test(what_is_not_needed_is_neither_checked_nor_read),
        cmocka_unit_test(gas_black_holes_and_ids_are_optional),
        cmocka_unit_test(parameters_are_per_particle_or_per_galaxy),
        cmocka_unit_test(a_bad_value_sets_its_galaxy_aside),
        cmocka_unit_test(units_must_be_there_known_and_of_the_right_kind),
        cmocka_unit_test(slices_must_be_inside_and_not_overlap),
        cmocka_unit_test(slices_may_lie_in_any_order),
        cmocka_unit_test(values_slightly_below_zero_are_zero_and_counted),
        cmocka_unit_test(a_number_of_a_galaxy_slightly_below_zero_is_zero_and_counted),
        cmocka_unit_test(a_column_is_a_list),
        cmocka_unit_test(transposed_tables_and_single_values_are_refused),
        cmocka_unit_test(the_offset_of_an_empty_slice_does_not_matter),
        cmocka_unit_test(ids_must_be_unique_integers),
        cmocka_unit_test(pure_numbers_need_no_unit),
        cmocka_unit_test(roundings_of_redshift_zero_are_zero_and_said),
        cmocka_unit_test(some_galaxy_must_have_a_redshift),
        cmocka_unit_test(a_missing_dataset_is_named),
        cmocka_unit_test(shapes_must_agree),
        cmocka_unit_test(only_files_of_this_format_and_version_are_read),
        cmocka_unit_test(no_galaxies_at_all_are_a_catalogue),
        cmocka_unit_test(any_component_has_the_fields_that_are_needed),
        cmocka_unit_test(no_stars_at_all_are_a_catalogue),
        cmocka_unit_test(places_are_for_those_who_need_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
