/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Many galaxies at a time: from whatever layout, in whatever order, each as if it were alone. */
#include "polyphony/catalogue.h"

#include <hdf5.h>
#include <math.h>

#include "polyphony/io.h"

#include "../files.h"

#define N_GALAXY     180 /* more than are read together */
#define N_ROW        200000
#define N_MADE_FIELD 9
#define COORDINATE   3 /* of the fields below */

/* Particles of one kind: as they are put into the file. */
struct made_field {
    const char *path, *unit;
    int width;
    bool is_gas;
};
static const struct made_field fields[N_MADE_FIELD] = {
    { "Stars/initial_masses", "Msun", 1, false },         { "Stars/ages", "Myr", 1, false },
    { "Stars/metallicities", "dimensionless", 1, false }, { "Stars/coordinates", "kpc", 3, false },
    { "Stars/smoothing_lengths", "kpc", 1, false },       { "Gas/masses", "Msun", 1, true },
    { "Gas/metallicities", "dimensionless", 1, true },    { "Gas/coordinates", "kpc", 3, true },
    { "Gas/smoothing_lengths", "kpc", 1, true },
};

struct made {
    int64_t offset[2][N_GALAXY], length[2][N_GALAXY]; /* stars, gas */
    double *value[N_MADE_FIELD];                      /* [N_ROW][width] */
};

static struct made made;

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % n;
}

/* Sizes from none to more than a window; slices that touch, that are near, and that are far from each other. */
static void make(void)
{
    random_state = 1;
    for (size_t kind = 0; kind < 2; kind++) {
        int64_t end = 0;

        for (size_t i = 0; i < N_GALAXY; i++) {
            static const uint64_t gap[] = { 0, 0, 0, 3, 40, 100 };
            static const uint64_t most[] = { 1, 2, 50, 400 };

            made.offset[kind][i] = end + (i % 60 == 30 ? 12000 : (int64_t)gap[random_below(6)]);
            made.length[kind][i] = i == 90 ? 140000 : (int64_t)random_below(most[random_below(4)]);
            end = made.offset[kind][i] + made.length[kind][i];
            assert_true(end <= N_ROW);
        }
    }
    for (size_t f = 0; f < N_MADE_FIELD; f++) {
        made.value[f] = calloc(N_ROW * (size_t)fields[f].width, sizeof(double));
        assert_non_null(made.value[f]);
        /* Exact in four bytes; metallicities between the floor and 1. */
        for (size_t i = 0; i < N_ROW * (size_t)fields[f].width; i++)
            made.value[f][i] =
                (double)(16 + random_below(1000000)) / (strstr(fields[f].path, "metal") ? 0x1p20 : 1024.0);
    }
}

static void write_field(hid_t file, size_t f, hid_t type, hid_t creation)
{
    const hsize_t dims[2] = { N_ROW, 3 };
    hid_t space = H5Screate_simple(fields[f].width > 1 ? 2 : 1, dims, NULL), text = H5Tcopy(H5T_C_S1);
    hid_t id = H5Dcreate2(file, fields[f].path, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    hid_t scalar = H5Screate(H5S_SCALAR), attribute;

    assert_true(H5Dwrite(id, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, made.value[f]) >= 0);
    H5Tset_size(text, strlen(fields[f].unit));
    attribute = H5Acreate2(id, "Units", text, scalar, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, text, fields[f].unit) >= 0);
    H5Aclose(attribute);
    H5Sclose(scalar);
    H5Dclose(id);
    H5Tclose(text);
    H5Sclose(space);
}

/* The catalogue with its particles stored as `type`, in chunks if `chunk` > 0. */
static const char *write_made(hid_t type, hsize_t chunk)
{
    const char *path = temp_path("many.hdf5");
    static const char *const groups[2] = { "Stars", "Gas" };
    const uint64_t n = N_GALAXY;
    struct io_file *file = NULL;
    struct error err = { "" };
    hid_t id, creation = H5Pcreate(H5P_DATASET_CREATE);
    double redshift[N_GALAXY];

    for (size_t i = 0; i < N_GALAXY; i++)
        redshift[i] = (double)i / 8.0;
    EXPECT_OK(io_file_create(path, &file, &err), err);
    EXPECT_OK(io_attr_write_text(file, "/", "format", "polyphony-catalogue", &err), err);
    EXPECT_OK(io_attr_write_i64(file, "/", "version", 1, &err), err);
    EXPECT_OK(io_write_f64(file, "Galaxies/redshift", 1, &n, redshift, "dimensionless", "", &err), err);
    for (size_t kind = 0; kind < 2; kind++) {
        char name[32];

        snprintf(name, sizeof(name), "%s/offset", groups[kind]);
        EXPECT_OK(io_write_i64(file, name, 1, &n, made.offset[kind], NULL, "", &err), err);
        snprintf(name, sizeof(name), "%s/length", groups[kind]);
        EXPECT_OK(io_write_i64(file, name, 1, &n, made.length[kind], NULL, "", &err), err);
    }
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    id = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    for (size_t f = 0; f < N_MADE_FIELD; f++) {
        const hsize_t chunks[2] = { chunk, 2 };

        if (chunk) {
            H5Pset_chunk(creation, fields[f].width > 1 ? 2 : 1, chunks);
            H5Pset_deflate(creation, 1);
        }
        write_field(id, f, type, creation);
    }
    H5Pclose(creation);
    assert_true(H5Fclose(id) >= 0);
    return path;
}

static struct catalogue *open_made(const char *path)
{
    const struct catalogue_needs needs = { .redshift = true,
    .field[STARS] = { [FIELD_INITIAL_MASS_MSUN] = "",
                      [FIELD_AGE_YR] = "",
                      [FIELD_METALLICITY] = "",
                      [FIELD_X_KPC] = "images_flux",
                      [FIELD_SMOOTHING_KPC] = "images_flux",
},
    .centre = true,
    .field[GAS] = { [FIELD_X_KPC] = "los_optical_depths",
                    [FIELD_SMOOTHING_KPC] = "los_optical_depths",
                    [FIELD_DUST_MASS_MSUN] = "los_optical_depths" },
                                           .dust_to_metal_ratio = 0.25 };
    struct catalogue *catalogue = NULL;
    struct error err = { "" };

    EXPECT_OK(catalogue_open(path, &needs, NULL, &catalogue, &err), err);
    return catalogue;
}

static void expect_values(size_t f, size_t row, size_t axis, double factor, const double *got)
{
    size_t width = (size_t)fields[f].width, first = (size_t)made.offset[fields[f].is_gas][row];

    for (size_t i = 0; i < (size_t)made.length[fields[f].is_gas][row]; i++)
        if (got[i] != made.value[f][(first + i) * width + axis] * factor)
            fail_msg("%s of galaxy %zu, particle %zu: %.17g", fields[f].path, row, i, got[i]);
}

static void expect_galaxy(size_t row, const struct galaxy *galaxy)
{
    size_t first = (size_t)made.offset[1][row];

    assert_int_equal(galaxy->row, row);
    assert_true(galaxy->redshift == (double)row / 8.0);
    assert_int_equal(galaxy->particles[STARS].n, made.length[0][row]);
    assert_int_equal(galaxy->particles[GAS].n, made.length[1][row]);
    assert_int_equal(galaxy->particles[STARS].first, 0);
    assert_int_equal(galaxy->particles[BLACK_HOLES].n, 0);
    expect_values(0, row, 0, 1.0, galaxy->particles[STARS].field[FIELD_INITIAL_MASS_MSUN]);
    expect_values(1, row, 0, 1e6, galaxy->particles[STARS].field[FIELD_AGE_YR]);
    expect_values(2, row, 0, 1.0,
                  galaxy->particles[STARS].field[FIELD_METALLICITY]); /* all are above the floor */
    expect_values(COORDINATE, row, 0, 1.0, galaxy->particles[STARS].field[FIELD_X_KPC]);
    expect_values(COORDINATE, row, 1, 1.0, galaxy->particles[STARS].field[FIELD_Y_KPC]);
    expect_values(COORDINATE, row, 2, 1.0, galaxy->particles[STARS].field[FIELD_Z_KPC]);
    expect_values(4, row, 0, 1.0, galaxy->particles[STARS].field[FIELD_SMOOTHING_KPC]);
    expect_values(7, row, 0, 1.0, galaxy->particles[GAS].field[FIELD_X_KPC]);
    expect_values(7, row, 1, 1.0, galaxy->particles[GAS].field[FIELD_Y_KPC]);
    expect_values(7, row, 2, 1.0, galaxy->particles[GAS].field[FIELD_Z_KPC]);
    expect_values(8, row, 0, 1.0, galaxy->particles[GAS].field[FIELD_SMOOTHING_KPC]);
    for (size_t i = 0; i < galaxy->particles[GAS].n; i++)
        assert_true(galaxy->particles[GAS].field[FIELD_DUST_MASS_MSUN][i] ==
                    made.value[5][first + i] * (made.value[6][first + i] * 0.25));
}

static struct galaxy galaxies[N_GALAXY];
static struct error errors[N_GALAXY];
static int status[N_GALAXY];

static void read_well(struct catalogue *catalogue, size_t n, const uint64_t *row)
{
    struct arena arena = { 0 };

    catalogue_read_many(catalogue, n, row, &arena, galaxies, status, errors);
    for (size_t i = 0; i < n; i++) {
        if (status[i])
            fail_msg("galaxy %d: %s", (int)row[i], errors[i].text);
        expect_galaxy(row[i], &galaxies[i]);
    }
    arena_free(&arena);
}

/* All of them, backwards, some at random without repeating, one, none. */
static void expect_all_orders(const char *path)
{
    struct catalogue *catalogue = open_made(path);
    uint64_t row[N_GALAXY];

    for (size_t i = 0; i < N_GALAXY; i++)
        row[i] = i;
    read_well(catalogue, N_GALAXY, row);
    for (size_t i = 0; i < N_GALAXY; i++)
        row[i] = N_GALAXY - 1 - i;
    read_well(catalogue, N_GALAXY, row);
    for (size_t i = N_GALAXY - 1; i > 0; i--) {
        size_t j = random_below(i + 1);
        uint64_t other = row[i];

        row[i] = row[j];
        row[j] = other;
    }
    read_well(catalogue, 77, row);
    read_well(catalogue, 1, row);
    read_well(catalogue, 0, row);
    catalogue_close(catalogue);
}

static void each_galaxy_of_a_batch_is_as_in_the_file(void **state)
{
    (void)state;
    expect_all_orders(write_made(H5T_IEEE_F64LE, 0));
}

static void floats_are_widened(void **state)
{
    (void)state;
    expect_all_orders(write_made(H5T_IEEE_F32LE, 0));
}

static void other_byte_orders_and_compressed_chunks_are_read_by_hdf5(void **state)
{
    (void)state;
    expect_all_orders(write_made(H5T_IEEE_F64BE, 0));
    expect_all_orders(write_made(H5T_IEEE_F32LE, 1000));
}

/* Galaxy i gets the slice of row[i], of this kind of particles. */
static void move_slices(size_t kind, const size_t row[N_GALAXY])
{
    int64_t offset[N_GALAXY], length[N_GALAXY];

    memcpy(offset, made.offset[kind], sizeof(offset));
    memcpy(length, made.length[kind], sizeof(length));
    for (size_t i = 0; i < N_GALAXY; i++) {
        made.offset[kind][i] = offset[row[i]];
        made.length[kind][i] = length[row[i]];
    }
}

/* Group catalogues sort galaxies by mass, and leave particles where they are. */
static void slices_may_lie_in_any_order(void **state)
{
    const struct made before = made;
    size_t row[N_GALAXY];

    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < N_GALAXY; i++)
            row[i] = i;
        for (size_t i = N_GALAXY - 1; i > 0; i--) {
            size_t j = random_below(i + 1), other = row[i];

            row[i] = row[j];
            row[j] = other;
        }
        move_slices(kind, row); /* stars and gas in different orders */
    }
    expect_all_orders(write_made(H5T_IEEE_F64LE, 0));
    expect_all_orders(write_made(H5T_IEEE_F32LE, 1000));
    made = before;
}

/* Read requests of this process so far, or 0 where the kernel does not count them. */
static long count_requests(void)
{
    FILE *file = fopen("/proc/self/io", "r");
    char line[80];
    long n = 0;

    while (file && fgets(line, sizeof(line), file))
        sscanf(line, "syscr: %ld", &n);
    if (file)
        fclose(file);
    return n;
}

static void neighbours_in_the_file_are_read_together_in_any_order(void **state)
{
    const struct made before = made;
    long n_request[2];

    (void)state;
    for (size_t reversed = 0; reversed < 2; reversed++) {
        struct catalogue *catalogue;
        size_t row[N_GALAXY];
        uint64_t some[60];
        long n_before;

        for (size_t i = 0; i < N_GALAXY; i++)
            row[i] = N_GALAXY - 1 - i;
        if (reversed)
            for (size_t kind = 0; kind < 2; kind++)
                move_slices(kind, row);
        for (size_t i = 0; i < 60; i++) /* the same slices */
            some[i] = reversed ? N_GALAXY - 1 - i : i;
        catalogue = open_made(write_made(H5T_IEEE_F64LE, 0));
        n_before = count_requests();
        read_well(catalogue, 60, some);
        n_request[reversed] = count_requests() - n_before;
        catalogue_close(catalogue);
    }
    made = before;
    assert_int_equal(n_request[0], n_request[1]);
}

static void a_tile_has_the_values_of_its_part_of_the_galaxy(void **state)
{
    struct catalogue *catalogue = open_made(write_made(H5T_IEEE_F64LE, 0));
    struct arena around = { 0 }, stars = { 0 };
    struct galaxy galaxy;
    struct error err = { "" };
    const double *gas;
    size_t first = 139000;

    (void)state;
    EXPECT_OK(catalogue_read_tile(catalogue, 90, STARS, 0, 1000, &around, &stars, &galaxy, &err), err);
    gas = galaxy.particles[GAS].field[FIELD_X_KPC];
    arena_reset(&stars);
    EXPECT_OK(catalogue_read_tile(catalogue, 90, STARS, first, 1000, NULL, &stars, &galaxy, &err), err);
    assert_int_equal(galaxy.particles[STARS].first, first);
    assert_int_equal(galaxy.particles[STARS].n, 1000);
    assert_ptr_equal(galaxy.particles[GAS].field[FIELD_X_KPC], gas);
    for (size_t i = 0; i < 1000; i++)
        assert_true(galaxy.particles[STARS].field[FIELD_Y_KPC][i] ==
                    made.value[COORDINATE][((size_t)made.offset[0][90] + first + i) * 3 + 1]);
    arena_free(&around);
    arena_free(&stars);
    catalogue_close(catalogue);
}

/* Some row with stars, after `row`. */
static size_t row_with_stars(size_t row)
{
    while (made.length[0][row] < 2)
        row++;
    return row;
}

static void a_bad_value_sets_its_own_galaxy_aside(void **state)
{
    size_t bad = row_with_stars(40), at = (size_t)made.offset[0][bad] + 1;
    double before = made.value[1][at];
    struct catalogue *catalogue;
    struct arena arena = { 0 };
    struct error err = { "" };
    struct galaxy galaxy;
    uint64_t row[N_GALAXY];

    (void)state;
    made.value[1][at] = -1.0;
    catalogue = open_made(write_made(H5T_IEEE_F64LE, 0));
    made.value[1][at] = before;
    for (size_t i = 0; i < N_GALAXY; i++)
        row[i] = i;
    catalogue_read_many(catalogue, N_GALAXY, row, &arena, galaxies, status, errors);
    for (size_t i = 0; i < N_GALAXY; i++)
        if (i != bad) {
            assert_int_equal(status[i], 0);
            expect_galaxy(i, &galaxies[i]);
        }
    assert_int_equal(status[bad], POLYPHONY_SET_ASIDE);
    assert_int_equal(galaxies[bad].row, bad);
    EXPECT_PARTS(errors[bad].text, "many.hdf5", "Stars/ages", "particle 1 is -1", ">= 0");
    assert_int_equal(catalogue_read(catalogue, bad, &arena, &galaxy, &err), POLYPHONY_SET_ASIDE);
    assert_string_equal(errors[bad].text, err.text);
    arena_free(&arena);
    catalogue_close(catalogue);
}

/* Galaxies fail that need what is gone, and say why; the others are there. */
static void a_file_that_is_cut_short_fails_the_galaxies_that_are_gone(void **state)
{
    static const hsize_t chunk[] = { 0, 1000 };

    (void)state;
    for (size_t layout = 0; layout < 2; layout++) {
        const char *path = write_made(H5T_IEEE_F64LE, chunk[layout]);
        struct catalogue *catalogue = open_made(path);
        hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT),
              id = H5Dopen2(file, fields[8].path, H5P_DEFAULT);
        haddr_t offset = H5Dget_offset(id); /* of the last dataset; undefined in chunks */
        struct arena arena = { 0 };
        size_t last = 120;
        uint64_t row[N_GALAXY], end;
        char name[40];

        H5Dclose(id);
        H5Fclose(file);
        while (made.length[1][last] == 0)
            last++;
        end = (uint64_t)(made.offset[1][last] + made.length[1][last]);
        assert_int_equal(truncate(path, layout ? 100000 : (off_t)(offset + end * sizeof(double))), 0);
        for (size_t i = 0; i < N_GALAXY; i++)
            row[i] = i;
        catalogue_read_many(catalogue, N_GALAXY, row, &arena, galaxies, status, errors);
        for (size_t i = 0; i < N_GALAXY; i++) {
            bool has_any = made.length[0][i] + made.length[1][i] > 0;

            if (layout ? has_any : i > last && made.length[1][i] > 0) {
                assert_int_equal(status[i], POLYPHONY_INPUT);
                text_format(name, sizeof(name), "galaxy %lld: ", (long long)catalogue->id[i]);
                EXPECT_PARTS(errors[i].text, name, "many.hdf5", "was truncated");
                if (!layout)
                    EXPECT_PARTS(errors[i].text, "dataset '", " bytes from ");
            } else {
                assert_int_equal(status[i], 0);
                expect_galaxy(i, &galaxies[i]);
            }
        }
        arena_free(&arena);
        catalogue_close(catalogue);
    }
}

/* What tiles are sized by: each array is rounded up to cache lines. */
static void reading_takes_no_more_memory_than_stated(void **state)
{
    struct catalogue *catalogue = open_made(write_made(H5T_IEEE_F64LE, 0));
    struct arena arena = { 0 };
    uint64_t row[N_GALAXY], bytes = 0;

    (void)state;
    for (size_t i = 0; i < N_GALAXY; i++) {
        row[i] = i;
        bytes += catalogue->n_particle[STARS][i] * catalogue_particle_bytes(catalogue, STARS) +
                 catalogue_around_bytes(catalogue, STARS, i) + 16 * 64;
    }
    catalogue_read_many(catalogue, N_GALAXY, row, &arena, galaxies, status, errors);
    assert_true(arena.peak_bytes <= bytes);
    assert_true(arena.peak_bytes > bytes / 2);
    arena_free(&arena);
    catalogue_close(catalogue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_galaxy_of_a_batch_is_as_in_the_file),
        cmocka_unit_test(floats_are_widened),
        cmocka_unit_test(other_byte_orders_and_compressed_chunks_are_read_by_hdf5),
        cmocka_unit_test(slices_may_lie_in_any_order),
        cmocka_unit_test(neighbours_in_the_file_are_read_together_in_any_order),
        cmocka_unit_test(a_tile_has_the_values_of_its_part_of_the_galaxy),
        cmocka_unit_test(a_bad_value_sets_its_own_galaxy_aside),
        cmocka_unit_test(a_file_that_is_cut_short_fails_the_galaxies_that_are_gone),
        cmocka_unit_test(reading_takes_no_more_memory_than_stated),
    };
    int r;

    make();
    r = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t f = 0; f < N_MADE_FIELD; f++)
        free(made.value[f]);
    return r;
}
