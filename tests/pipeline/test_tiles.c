/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Galaxies in tiles of their stars: the same bits whatever the tiles, and as much memory as was said.
 */
#include "polyphony/pipeline.h"

#include <fcntl.h>
#include <unistd.h>

#include "made_jobs.h"

static void expect_same_rows(const char *text, const struct pipeline_settings *settings)
{
    struct run *whole = run_open(text), *tiled = run_open_with(text, settings);

    for (uint64_t row = 0; row < N_MADE_GALAXY; row++) {
        size_t n_whole, n_tiled;
        double *of_whole, *of_tiled;

        if (row == ROW_BAD)
            continue;
        of_whole = row_of(whole, row, &n_whole);
        of_tiled = row_of(tiled, row, &n_tiled);
        assert_int_equal(n_tiled, n_whole);
        assert_same_bits("row", n_whole, of_tiled, of_whole);
        free(of_whole);
        free(of_tiled);
    }
    run_close(whole);
    run_close(tiled);
}

static void tiles_of_any_size_give_the_same_bits(void **state)
{
    static const size_t n_star[2][2] = { { 1, 299 }, { 7, 64 } };

    (void)state;
    for (size_t e = 0; e < sizeof(emissions) / sizeof(*emissions); e++)
        for (size_t i = 0; i < 2; i++) {
            const struct pipeline_settings settings = { .n_star_tile = n_star[e % 2][i],
                                                        .reads_ahead = i == 1 };
            char text[2048];

            assert_true(text_format(text, sizeof(text), "%s%semission: {%s}\n%s", INPUTS, INSTRUMENTS,
                                    emissions[e], OPERATIONS));
            expect_same_rows(text, &settings);
        }
}

static void operations_alone_give_the_same_bits_in_tiles(void **state)
{
    static const char *const operations[] = {
        "{sfh: {}, los_optical_depths: {write_particles: yes}}",
        "{lines: {labels: [emergent]}, los_optical_depths: {write_particles: yes}}",
        "{photometry_fluxes: {labels: [emergent]}, los_optical_depths: {write_particles: yes}}",
        "{images_flux: {fov_arcsec: 3, labels: [escaped]}, los_optical_depths: {write_particles: yes}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
        const struct pipeline_settings settings = { .n_star_tile = 11, .reads_ahead = true };
        char text[2048];

        assert_true(text_format(text, sizeof(text), "%s%semission: {%s}\noperations: %s\n", INPUTS,
                                INSTRUMENTS, emissions[0], operations[i]));
        expect_same_rows(text, &settings);
    }
}

static void a_bad_star_is_named_as_in_the_whole_galaxy(void **state)
{
    char text[2048];

    (void)state;
    assert_true(text_format(text, sizeof(text), "%s%semission: {%s}\n%s", INPUTS, INSTRUMENTS, emissions[0],
                            OPERATIONS));
    for (size_t n_star = 1; n_star <= 30; n_star++) {
        const struct pipeline_settings settings = { .n_star_tile = n_star, .reads_ahead = n_star % 2 };
        struct run *run = run_open_with(text, &settings);
        struct pipeline_row row = { 0 };
        struct error err = { "" };
        size_t n;

        assert_int_equal(pipeline_run(run->pipeline, ROW_BAD, &row, &err), POLYPHONY_SET_ASIDE);
        assert_string_equal(row.stage, "Grid weights");
        assert_text_has(err.text, "of particle 5 is 1.2, must be within 0 to 1");
        free(row_of(run, ROW_SECOND, &n)); /* and the next one is computed */
        run_close(run);
    }
}

static void each_tile_is_traced(void **state)
{
    const char *stage_name[PLAN_STEPS_MAX + 1];
    const size_t n_stage = made_stages(stage_name);
    const struct trace_settings trace_settings = {
        .mode = TRACE_OFF, .n_stage = n_stage, .stage_name = stage_name, .n_thread = 1, .n_rank = 1
    };
    struct pipeline_settings settings = { .n_star_tile = 100 };
    struct trace *trace = NULL;
    struct trace_sums sums;
    struct run *run;

    (void)state;
    assert_int_equal(trace_open(&trace_settings, &trace, NULL), 0);
    settings.trace = trace_thread(trace, 0);
    run = run_open_with(INPUTS "operations: {sfh: {}, spectra: {labels: [incident]}}\n", &settings);
    free(run_row(run, ROW_LARGE)); /* 300 stars */
    trace_end_galaxy(settings.trace);
    trace_sum(trace, &sums);
    assert_int_equal(sums.n_galaxy, 1);
    for (size_t s = 0; s < n_stage; s++)
        if (!strcmp(stage_name[s], "SFH"))
            assert_int_equal(sums.count[s], 3);
    run_close(run);
    trace_close(trace);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Small tables and images, so that the stars are what counts. */
#define LARGE                                                                                                \
    "catalogue: large.hdf5\ngrid: g.hdf5\nredshift: 1\n"                                                     \
    "instruments: [{label: cam, resolution_arcsec: 0.1, filters: [{code: A, file: a.txt}]}]\n"               \
    "emission: {tau_v: los, fesc: 0.1}\n"                                                                    \
    "operations:\n"                                                                                          \
    "  los_optical_depths: {}\n"                                                                             \
    "  sfzh: {}\n"                                                                                           \
    "  spectra: {labels: [emergent]}\n"                                                                      \
    "  images_flux: {labels: [emergent, intrinsic], fov_arcsec: 2, type: smoothed}\n"

enum { LARGE_FIRST, LARGE_SMALL, LARGE_SECOND, LARGE_GAS, LARGE_BAD, N_LARGE };
static const int64_t large_n_star[N_LARGE] = { 150000, 500, 100000, 1000, 70000 };
static const int64_t large_n_gas[N_LARGE] = { 20, 30, 70, 150000, 0 };

/* Nothing may take more than was said. Beyond what the stars take it may be less by tables that were not as
 * large as they could have been: 3 MB hold all of them here; and by 4 MiB for tables of other galaxies. */
#define SLACK_BYTES 7.2e6

static void a_galaxy_takes_the_memory_that_was_predicted(void **state)
{
    struct run *run = run_open(LARGE);

    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        uint64_t row = turn ? LARGE_FIRST : LARGE_SECOND; /* the larger one last */
        double predicted = (double)plan_galaxy_bytes(run->plan, row), taken;

        free(run_row(run, row));
        taken = (double)pipeline_peak_bytes(run->pipeline);
        if (!(taken <= predicted && taken > 0.95 * predicted - SLACK_BYTES))
            fail_msg("%.0f bytes taken, %.0f predicted", taken, predicted);
    }
    assert_true(plan_galaxy_least_bytes(run->plan, LARGE_FIRST) <
                0.75 * (double)plan_galaxy_bytes(run->plan, LARGE_FIRST));
    assert_int_equal(plan_galaxy_least_bytes(run->plan, LARGE_SMALL),
                     plan_galaxy_bytes(run->plan, LARGE_SMALL));
    run_close(run);
}

static void a_bound_is_kept_and_does_not_show_in_the_bits(void **state)
{
    static const uint64_t order[] = { LARGE_FIRST, LARGE_SMALL, LARGE_SECOND, LARGE_FIRST };
    struct run *free_run = run_open(LARGE);
    uint64_t least = plan_galaxy_least_bytes(free_run->plan, LARGE_FIRST);
    uint64_t whole = plan_galaxy_bytes(free_run->plan, LARGE_FIRST);
    double *expected[N_LARGE] = { 0 };

    (void)state;
    for (uint64_t row = 0; row < LARGE_BAD; row++)
        expected[row] = run_row(free_run, row);
    for (unsigned variant = 0; variant < 3; variant++) {
        uint64_t bound = least + (whole - least) * variant / 3;
        const struct pipeline_settings settings = { .memory_bytes = bound, .reads_ahead = variant != 1 };
        struct run *run = run_open_with(LARGE, &settings);

        pipeline_expect(run->pipeline, 4, order);
        for (size_t i = 0; i < 4; i++) {
            double *value = run_row(run, order[i]);

            assert_same_bits("row", run->plan->n_value, value, expected[order[i]]);
            free(value);
        }
        if (pipeline_peak_bytes(run->pipeline) > bound)
            fail_msg("variant %u took %zu bytes, allowed %llu", variant, pipeline_peak_bytes(run->pipeline),
                     (unsigned long long)bound);
        run_close(run);
    }
    for (uint64_t row = 0; row < LARGE_BAD; row++)
        free(expected[row]);
    run_close(free_run);
}

/* Each fits, but the memory of one kind of galaxy must go before the other comes. */
static void memory_kept_for_other_galaxies_is_given_back(void **state)
{
    static const uint64_t order[] = { LARGE_FIRST, LARGE_GAS, LARGE_SMALL, LARGE_FIRST, LARGE_GAS };
    struct run *unbounded = run_open(LARGE);
    uint64_t stars = plan_galaxy_bytes(unbounded->plan, LARGE_FIRST);
    uint64_t gas = plan_galaxy_bytes(unbounded->plan, LARGE_GAS);

    (void)state;
    for (int reads_ahead = 0; reads_ahead < 2; reads_ahead++) {
        const struct pipeline_settings settings = { .memory_bytes = stars > gas ? stars : gas,
                                                    .reads_ahead = reads_ahead };
        struct run *run = run_open_with(LARGE, &settings);

        pipeline_expect(run->pipeline, 5, order);
        for (size_t i = 0; i < 5; i++)
            free(run_row(run, order[i]));
        assert_true(pipeline_peak_bytes(run->pipeline) <= settings.memory_bytes);
        run_close(run);
    }
    run_close(unbounded);
}

static void a_galaxy_that_cannot_fit_is_set_aside_with_what_would_do(void **state)
{
    struct run *run = run_open(LARGE);
    uint64_t least = plan_galaxy_least_bytes(run->plan, LARGE_FIRST);
    const struct pipeline_settings settings = { .memory_bytes = least - 1 };
    struct run *bounded = run_open_with(LARGE, &settings);
    struct pipeline_row row = { 0 };
    struct error err = { "" };
    char would_do[64];

    (void)state;
    assert_int_equal(pipeline_run(bounded->pipeline, LARGE_FIRST, &row, &err), POLYPHONY_SET_ASIDE);
    assert_string_equal(row.stage, "Reading");
    assert_text_has(err.text, "galaxy 0: 150000 stars and 20 gas particles need at least");
    text_format(would_do, sizeof(would_do), "memory_mb: %.0f would do", ceil((double)least / 1048576.0));
    assert_text_has(err.text, would_do);
    free(run_row(bounded, LARGE_SMALL));
    run_close(bounded);
    run_close(run);
}

static void a_bad_star_in_the_last_tile_sets_its_galaxy_aside(void **state)
{
    struct run *run = run_open(LARGE);
    const struct pipeline_settings settings = { .memory_bytes = plan_galaxy_least_bytes(run->plan, LARGE_BAD),
                                                .reads_ahead = true };
    struct run *bounded = run_open_with(LARGE, &settings);
    struct pipeline_row row = { 0 };
    struct error err = { "" }, err_whole = { "" };

    (void)state;
    assert_int_equal(pipeline_run(run->pipeline, LARGE_BAD, &row, &err_whole), POLYPHONY_SET_ASIDE);
    assert_text_has(err_whole.text, "'Stars/initial_masses' particle 69999 is -1, must be >= 0 and finite");
    assert_int_equal(pipeline_run(bounded->pipeline, LARGE_BAD, &row, &err), POLYPHONY_SET_ASIDE);
    assert_string_equal(err.text, err_whole.text);
    assert_string_equal(row.stage, "Reading");
    run_close(bounded);
    run_close(run);
}

/* A number of the catalogue, in its place in the file. */
static void put_number(const char *path, size_t i, double value)
{
    struct io_file *file = NULL;
    struct error err = { "" };
    uint64_t offset = 0;
    int fd;

    if (io_file_open("c.hdf5", &file, &err) || io_dataset_offset(file, path, &offset, &err))
        fail_msg("%s", err.text);
    io_file_close(file);
    fd = open("c.hdf5", O_WRONLY);
    assert_int_equal(pwrite(fd, &value, sizeof(value), (off_t)(offset + i * sizeof(value))), sizeof(value));
    close(fd);
}

/* Tiles come several times, and bring the galaxy's own numbers with them each time. */
static void rounded_values_are_counted_once(void **state)
{
    static const size_t n_star_tile[] = { 0, 7, 64 };
    size_t first = 40 + 1 + 30 + 25 + 40;
    char text[2048];

    (void)state;
    assert_true(text_format(text, sizeof(text), "%s%semission: {%s}\n%s", INPUTS, INSTRUMENTS, emissions[0],
                            OPERATIONS));
    put_number("Stars/ages", first + 3, -1.0);
    put_number("Stars/metallicities", first + 299, -1e-12);
    put_number("Galaxies/fesc_ly_alpha", ROW_LARGE, -1e-17);
    for (size_t i = 0; i < sizeof(n_star_tile) / sizeof(*n_star_tile); i++) {
        const struct pipeline_settings settings = { .n_star_tile = n_star_tile[i], .reads_ahead = i > 0 };
        struct run *run = run_open_with(text, &settings);
        struct pipeline_row row = { 0 };
        struct error err = { "" };

        if (pipeline_run(run->pipeline, ROW_LARGE, &row, &err))
            fail_msg("%s", err.text);
        assert_int_equal(row.n_rounded, 3);
        if (pipeline_run(run->pipeline, ROW_FIRST, &row, &err))
            fail_msg("%s", err.text);
        assert_int_equal(row.n_rounded, 0);
        run_close(run);
    }
    made_catalogue_write("c.hdf5", true);
}

static int enter_inputs(void **state)
{
    static char directory[] = "/tmp/test_tiles_XXXXXX";

    if (!mkdtemp(directory) || chdir(directory))
        return -1;
    made_grid_write("g.hdf5");
    made_catalogue_write("c.hdf5", true);
    made_galaxies_write("large.hdf5", N_LARGE, large_n_star, large_n_gas);
    made_filter_write("a.txt", 4000, 7000);
    made_filter_write("b.txt", 6000, 12000);
    *state = directory;
    return 0;
}

static int leave_inputs(void **state)
{
    return unlink("g.hdf5") || unlink("c.hdf5") || unlink("large.hdf5") || unlink("a.txt") ||
           unlink("b.txt") || chdir("/") || rmdir(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_of_any_size_give_the_same_bits),
        cmocka_unit_test(operations_alone_give_the_same_bits_in_tiles),
        cmocka_unit_test(a_bad_star_is_named_as_in_the_whole_galaxy),
        cmocka_unit_test(each_tile_is_traced),
        cmocka_unit_test(a_galaxy_takes_the_memory_that_was_predicted),
        cmocka_unit_test(a_bound_is_kept_and_does_not_show_in_the_bits),
        cmocka_unit_test(memory_kept_for_other_galaxies_is_given_back),
        cmocka_unit_test(a_galaxy_that_cannot_fit_is_set_aside_with_what_would_do),
        cmocka_unit_test(a_bad_star_in_the_last_tile_sets_its_galaxy_aside),
        cmocka_unit_test(rounded_values_are_counted_once),
    };

    return cmocka_run_group_tests_name("tiles", tests, enter_inputs, leave_inputs);
}
