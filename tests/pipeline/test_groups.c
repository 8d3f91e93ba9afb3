/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Galaxies in groups: the same bits as one by one, whoever goes together, and nobody suffers from company.
 */
#include "polyphony/pipeline.h"

#include <omp.h>
#include <unistd.h>

#include "made_jobs.h"

#include "../../src/pipeline/pipeline_private.h"

/* Many small galaxies, the last of which has a bad star. */
enum { N_MANY = 45, N_THREAD = 2 };
static int64_t many_n_star[N_MANY], many_n_gas[N_MANY];

/* Rows as they come; the sink may be called by several threads. */
struct caught {
    const struct run *run;
    size_t n_row, n_call, n_most; /* rows, calls, most rows of a call */
    double *all[N_MANY];
    size_t n[N_MANY];
    int status[N_MANY];
    char why[N_MANY][256];
    const char *stage[N_MANY];
    int fail_with; /* what the sink returns */
};

static int catch (void *context, size_t n, const struct pipeline_row *row, struct error *err)
{
    struct caught *caught = context;
    int r = 0;

#pragma omp critical(catch)
    {
        caught->n_call++;
        caught->n_most = n > caught->n_most ? n : caught->n_most;
        for (size_t i = 0; i < n; i++) {
            uint64_t at = row[i].row;

            assert_true(at < N_MANY);
            assert_true(row[i].seconds >= 0);
            assert_true(!caught->stage[at]);
            caught->n_row++;
            caught->status[at] = row[i].status;
            caught->stage[at] = row[i].stage;
            text_format(caught->why[at], sizeof(caught->why[at]), "%s", row[i].why->text);
            if (!row[i].status)
                caught->all[at] = copy_of_row(caught->run, &row[i], &caught->n[at]);
        }
        if (caught->fail_with)
            r = error_set(err, caught->fail_with, "the disk is full");
    }
    return r;
}

static void forget(struct caught *caught)
{
    for (size_t i = 0; i < N_MANY; i++)
        free(caught->all[i]);
}

/* These rows, as one batch; returns how many groups they made. */
static size_t run_batch(struct run *run, size_t n, const uint64_t *row, const struct pipeline_sink *sink)
{
    struct error err = { "" };
    size_t n_group = 0;

    pipeline_expect(run->pipeline, n, row);
    for (size_t i = 0, n_together; i < n; i += n_together, n_group++) {
        n_together = pipeline_group(run->pipeline, n - i, row + i);
        assert_true(n_together >= 1);
        assert_true(n_together <= n - i);
        if (pipeline_run_group(run->pipeline, n_together, row + i, sink, &err))
            fail_msg("%s", err.text);
    }
    return n_group;
}

/* Rows 0 to n - 1 in batches; returns how many groups they made. */
static size_t run_rows(struct run *run, size_t n, size_t n_batch, struct caught *ret_caught)
{
    const struct pipeline_sink sink = { catch, ret_caught };
    size_t n_group = 0;

    *ret_caught = (struct caught) { .run = run };
    for (size_t first = 0; first < n; first += n_batch) {
        size_t n_now = n - first < n_batch ? n - first : n_batch;
        uint64_t row[N_MANY];

        for (size_t i = 0; i < n_now; i++)
            row[i] = first + i;
        n_group += run_batch(run, n_now, row, &sink);
    }
    assert_int_equal(ret_caught->n_row, n);
    return n_group;
}

static void expect_same_rows(const char *text, size_t n, size_t n_batch, bool reads_ahead)
{
    const struct pipeline_settings settings = { .groups = true, .reads_ahead = reads_ahead };
    struct run *alone = run_open(text), *grouped = run_open_with(text, &settings);
    struct caught caught;

    run_rows(grouped, n, n_batch, &caught);
    for (uint64_t row = 0; row < n; row++) {
        struct pipeline_row out = { 0 };
        struct error err = { "" };
        size_t n_alone;
        double *of_alone;

        if (pipeline_run(alone->pipeline, row, &out, &err)) {
            assert_int_equal(caught.status[row], POLYPHONY_SET_ASIDE);
            assert_string_equal(caught.why[row], err.text);
            assert_string_equal(caught.stage[row], out.stage);
            continue;
        }
        assert_int_equal(caught.status[row], 0);
        of_alone = copy_of_row(alone, &out, &n_alone);
        assert_int_equal(caught.n[row], n_alone);
        assert_same_bits("row", n_alone, caught.all[row], of_alone);
        free(of_alone);
    }
    forget(&caught);
    run_close(alone);
    run_close(grouped);
}

static void galaxies_in_groups_have_the_bits_of_galaxies_alone(void **state)
{
    (void)state;
    for (size_t e = 0; e < N_EMISSION; e++) {
        char text[2048];

        assert_true(text_format(text, sizeof(text), "%s%semission: {%s}\n%s", INPUTS, INSTRUMENTS,
                                emissions[e], OPERATIONS));
        expect_same_rows(text, N_MADE_GALAXY, N_MADE_GALAXY, e % 2);
    }
}

#define MANY_AT(redshift)                                                                                    \
    "catalogue: many.hdf5\ngrid: g.hdf5\n" redshift INSTRUMENTS "emission: {tau_v: los, fesc: 0.1}\n"
#define MANY MANY_AT("redshift: 1\n")

static void any_batch_gives_the_same_bits(void **state)
{
    static const size_t n_batch[] = { 1, 2, 3, 7, 31, N_MANY };

    (void)state;
    for (size_t i = 0; i < sizeof(n_batch) / sizeof(*n_batch); i++)
        expect_same_rows(MANY OPERATIONS, N_MANY, n_batch[i], i % 2);
}

/* Photometry from tables, which galaxies share, or have each of their own. */
static void galaxies_in_groups_share_tables_of_bands(void **state)
{
#define PHOTOMETRY                                                                                           \
    "operations:\n"                                                                                          \
    "  los_optical_depths: {}\n"                                                                             \
    "  photometry_luminosities: {}\n"                                                                        \
    "  photometry_fluxes: {labels: [intrinsic, emergent]}\n"                                                 \
    "  images_luminosity: {labels: [intrinsic, emergent], fov_arcsec: 3, type: smoothed}\n"                  \
    "  images_flux: {labels: [emergent], fov_arcsec: 3, type: smoothed}\n"

    (void)state;
    for (int reads_ahead = 0; reads_ahead < 2; reads_ahead++)
        expect_same_rows(MANY PHOTOMETRY, N_MANY, 40, reads_ahead);
    for (size_t e = 0; e < N_EMISSION; e++) {
        char text[2048];

        assert_true(text_format(text, sizeof(text), "%s%semission: {%s}\n%s", INPUTS, INSTRUMENTS,
                                emissions[e], PHOTOMETRY));
        expect_same_rows(text, N_MADE_GALAXY, N_MADE_GALAXY, e % 2);
    }
}

#define ROWS_OF(fov_arcsec)                                                                                  \
    MANY "operations: {los_optical_depths: {write_particles: yes}, sfzh: {}, spectra: {},\n"                 \
         "  images_luminosity: {instruments: [cam], fov_arcsec: " fov_arcsec ", labels: [emergent]}}\n"
#define LARGE_ROWS ROWS_OF("25")

/* Rows of more than a quarter of a megabyte go one by one, smaller ones together. */
static void large_rows_are_handed_over_by_their_threads(void **state)
{
    const struct pipeline_settings settings = { .groups = true, .reads_ahead = true };
    struct run *run = run_open_with(LARGE_ROWS, &settings);
    struct caught caught;

    (void)state;
    assert_true(run->plan->n_value * sizeof(double) > 8u << 20 >> 5);
    run_rows(run, N_MANY, N_MANY, &caught);
    assert_int_equal(caught.n_most, 1);
    forget(&caught);
    run_close(run);
    expect_same_rows(LARGE_ROWS, N_MANY, N_MANY, true);
    run = run_open_with(MANY OPERATIONS, &settings);
    run_rows(run, N_MANY, N_MANY, &caught);
    assert_true(caught.n_most > 8);
    assert_true(caught.n_call < N_MANY / 4);
    forget(&caught);
    run_close(run);
}

/* With rows that are kept together, or a thread its own; from what is enough for a galaxy alone to plenty. */
static void groups_hold_no_more_than_the_memory_allows(void **state)
{
    static const char *const texts[] = { MANY OPERATIONS, LARGE_ROWS, MANY_AT("") OPERATIONS };

    (void)state;
    for (size_t t = 0; t < 3; t++) {
        struct run *free_run = run_open(texts[t]);
        uint64_t alone = plan_galaxy_bytes(free_run->plan, N_MANY - 1);
        size_t n_row_bytes = free_run->plan->n_value * sizeof(double);
        bool some_went_together = false;

        for (unsigned eighths = 10; eighths < 800; eighths *= 2) {
            uint64_t bound = alone * eighths / 8;
            const struct pipeline_settings settings = { .groups = true,
                                                        .reads_ahead = true,
                                                        .memory_bytes = bound };
            struct run *run = run_open_with(texts[t], &settings);
            struct caught caught;
            size_t n_group = run_rows(run, N_MANY, N_MANY, &caught),
                   peak = pipeline_peak_bytes(run->pipeline);
            uint64_t predicted = plan_group_bytes(run->plan, bound);

            if (peak > bound)
                fail_msg("%zu bytes were taken, allowed were %llu", peak, (unsigned long long)bound);
            assert_true(peak > n_row_bytes * (n_group < N_MANY ? 1 + N_THREAD : 1));
            assert_true(n_group == N_MANY || predicted > 0);
            assert_true(predicted <= bound);
            some_went_together |= n_group < N_MANY;
            forget(&caught);
            run_close(run);
        }
        assert_true(some_went_together);
        run_close(free_run);
    }
}

/* Without a bound they take no more than is said before. Rows are so large, together or one a thread, that
 * they stand out of what the prediction has to spare (some MB, of tables and scratch). */
static void groups_take_no_more_than_was_predicted(void **state)
{
    static const char *const texts[] = { MANY OPERATIONS, ROWS_OF("12"), ROWS_OF("90"),
                                         MANY_AT("") OPERATIONS };
    const struct pipeline_settings settings = { .groups = true };

    (void)state;
    for (int n_thread = 1; n_thread <= 8; n_thread *= 2)
        for (size_t t = 0; t < 4; t++) {
            struct run *run;
            struct caught caught;
            uint64_t predicted, peak, alone;

            omp_set_num_threads(n_thread);
            run = run_open_with(texts[t], &settings);
            predicted = plan_group_bytes(run->plan, 0);
            alone = plan_galaxy_bytes(run->plan, N_MANY - 2);
            run_rows(run, 32, 32, &caught);
            peak = pipeline_peak_bytes(run->pipeline);
            if (peak > (predicted > alone ? predicted : alone))
                fail_msg("%d threads took %zu bytes, predicted were %zu", n_thread, peak, predicted);
            forget(&caught);
            run_close(run);
        }
    omp_set_num_threads(N_THREAD);
}

static void all_that_is_kept_goes_where_there_is_no_room(void **state)
{
    const struct pipeline_settings settings = { .groups = true };
    struct run *run = run_open_with(MANY_AT("") OPERATIONS, &settings);
    struct pipeline *p = run->pipeline;
    const struct reader_piece piece = { .row = 0, .n = 1 };
    struct caught caught;

    (void)state;
    run_rows(run, 32, 32, &caught);
    for (size_t i = 0; i < PLAN_FRAMES_MAX; i++) /* one for each redshift */
        assert_true(p->common.frame[i].arena.block_bytes > 0);
    assert_true(group_kept_bytes(p->group) > 0);
    p->bound.bytes = 1;
    pipeline_make_room(p, &piece, 1);
    for (size_t i = 0; i < PLAN_FRAMES_MAX; i++)
        assert_true(p->common.frame[i].arena.block_bytes == 0 && p->common.frame[i].last_use == 0);
    assert_int_equal(group_kept_bytes(p->group), 0);
    p->bound.bytes = 0;
    forget(&caught);
    run_rows(run, 32, 32, &caught); /* and is made anew */
    forget(&caught);
    run_close(run);
}

/* How many of n rows go together with so many threads, and no bound of memory. */
static size_t group_of(int n_thread, size_t n)
{
    const struct pipeline_settings settings = { .groups = true };
    struct run *run;
    uint64_t row[N_MANY];
    size_t n_group;

    for (size_t i = 0; i < N_MANY; i++)
        row[i] = i;
    omp_set_num_threads(n_thread);
    run = run_open_with(MANY OPERATIONS, &settings);
    n_group = pipeline_group(run->pipeline, n, row);
    run_close(run);
    omp_set_num_threads(N_THREAD);
    return n_group;
}

static void few_galaxies_for_many_threads_go_one_by_one(void **state)
{
    (void)state;
    assert_int_equal(group_of(8, 3), 1);
    assert_int_equal(group_of(8, 4), 4); /* half of the threads have something to do */
    assert_int_equal(group_of(8, 15), 8);
    assert_int_equal(group_of(64, 31), 1);
}

static void many_threads_have_full_groups(void **state)
{
    static const int n_thread[] = { 1, 2, 4, 8, 16, 24, 32, 64 };

    (void)state;
    for (size_t i = 0; i < sizeof(n_thread) / sizeof(*n_thread); i++) {
        size_t n = group_of(n_thread[i], N_MANY), n_full = n_thread[i] == 24 ? 24 : PLAN_GROUP_MAX;

        if (n != n_full)
            fail_msg("%zu galaxies go together with %d threads", n, n_thread[i]);
    }
}

static void a_sink_that_fails_ends_the_run(void **state)
{
    const struct pipeline_settings settings = { .groups = true };
    struct run *run = run_open_with(MANY OPERATIONS, &settings);
    struct caught caught = { .run = run, .fail_with = POLYPHONY_OUTPUT };
    const struct pipeline_sink sink = { catch, &caught };
    uint64_t row[8];
    struct error err = { "" };

    (void)state;
    for (size_t i = 0; i < 8; i++)
        row[i] = i;
    assert_int_equal(pipeline_run_group(run->pipeline, 8, row, &sink, &err), POLYPHONY_OUTPUT);
    assert_string_equal(err.text, "the disk is full");
    forget(&caught);
    run_close(run);
}

static int enter_inputs(void **state)
{
    static char directory[] = "/tmp/test_groups_XXXXXX";

    if (!mkdtemp(directory) || chdir(directory))
        return -1;
    for (int64_t i = 0; i < N_MANY; i++) {
        many_n_star[i] = 1 + i * 7 % 60;
        many_n_gas[i] = i * 5 % 40;
    }
    made_grid_write("g.hdf5");
    made_catalogue_write("c.hdf5", true);
    made_galaxies_write("many.hdf5", N_MANY, many_n_star, many_n_gas);
    made_filter_write("a.txt", 4000, 7000);
    made_filter_write("b.txt", 6000, 12000);
    omp_set_num_threads(N_THREAD);
    *state = directory;
    return 0;
}

static int leave_inputs(void **state)
{
    return unlink("g.hdf5") || unlink("c.hdf5") || unlink("many.hdf5") || unlink("a.txt") ||
           unlink("b.txt") || chdir("/") || rmdir(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(galaxies_in_groups_have_the_bits_of_galaxies_alone),
        cmocka_unit_test(any_batch_gives_the_same_bits),
        cmocka_unit_test(galaxies_in_groups_share_tables_of_bands),
        cmocka_unit_test(large_rows_are_handed_over_by_their_threads),
        cmocka_unit_test(groups_hold_no_more_than_the_memory_allows),
        cmocka_unit_test(groups_take_no_more_than_was_predicted),
        cmocka_unit_test(all_that_is_kept_goes_where_there_is_no_room),
        cmocka_unit_test(few_galaxies_for_many_threads_go_one_by_one),
        cmocka_unit_test(many_threads_have_full_groups),
        cmocka_unit_test(a_sink_that_fails_ends_the_run),
    };

    return cmocka_run_group_tests_name("groups", tests, enter_inputs, leave_inputs);
}
