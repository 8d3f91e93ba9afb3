/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The results file, made by one rank as the program does it: job, plan, layout, rows, and read back.
 */
#include "session.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Values of a galaxy, kept by the caller, and the checksum they should have. */
struct kept {
    double *value, star_tau[MADE_N_STAR], black_hole_tau[MADE_N_BLACK_HOLE];
    uint64_t checksum;
};

static struct kept write_row(struct session *s, uint64_t row)
{
    struct kept kept = { .value = calloc(s->plan->n_value, sizeof(double)) };
    struct pipeline_row out = { 0 };
    struct error err = { "" };
    struct hash hash;

    if (pipeline_run(s->pipeline, row, &out, &err))
        fail_msg("row %d: %s", (int)row, err.text);
    memcpy(kept.value, out.value, s->plan->n_value * sizeof(double));
    memcpy(kept.star_tau, out.star_tau, out.n_star * sizeof(double));
    memcpy(kept.black_hole_tau, out.black_hole_tau, out.n_black_hole * sizeof(double));
    hash_begin(&hash);
    hash_add(&hash, kept.value, s->plan->n_value * sizeof(double));
    hash_add(&hash, kept.star_tau, out.n_star * sizeof(double));
    hash_add(&hash, kept.black_hole_tau, out.n_black_hole * sizeof(double));
    kept.checksum = hash_value(&hash);
    EXPECT_OK(write_one_row(s->results, &out, 5, 0.25, &err), err);
    return kept;
}

static struct io_file *open_results(const struct session *s)
{
    struct io_file *file = NULL;
    struct error err = { "" };

    EXPECT_OK(results_sync(s->results, &err), err);
    EXPECT_OK(io_file_open(s->job->output, &file, &err), err);
    return file;
}

/* A row of a dataset is, bit by bit, these values. */
static void expect_row(struct io_file *file, const char *path, uint64_t row, bool is_integer, size_t n,
                       const void *expected)
{
    uint64_t *got = calloc(n, sizeof(*got));
    struct error err = { "" };

    if (is_integer)
        EXPECT_OK(io_read_rows_i64(file, path, row, 1, (int64_t *)got, &err), err);
    else
        EXPECT_OK(io_read_rows_f64(file, path, row, 1, (double *)got, &err), err);
    if (memcmp(got, expected, n * sizeof(*got)))
        fail_msg("'%s' row %d does not hold what was written", path, (int)row);
    free(got);
}

static const struct product *product_at(const struct plan *plan, const char *wanted)
{
    char path[RESULTS_PATH_MAX];

    for (size_t i = 0; i < plan->n_product; i++) {
        results_product_path(plan, &plan->product[i], path);
        if (!strcmp(path, wanted))
            return &plan->product[i];
    }
    fail_msg("no product has its place at '%s'", wanted);
    return NULL;
}

/* ---- rows -------------------------------------------------------------------------------------------------
 */

static void rows_are_read_back_from_their_datasets(void **state)
{
    static const uint64_t order[MADE_N_GALAXY] = { 2, 0, 3, 1 };
    struct session s = open_session();
    struct kept kept[MADE_N_GALAXY];
    struct seen_ledger ledger;
    struct io_file *file;

    (void)state;
    for (size_t i = 0; i < MADE_N_GALAXY; i++)
        kept[order[i]] = write_row(&s, order[i]);
    ledger = see_ledger(s.job->output);
    for (uint64_t row = 0; row < MADE_N_GALAXY; row++)
        if (ledger.entry[row].checksum != kept[row].checksum)
            fail_msg("row %d has another checksum than its values", (int)row);
    file = open_results(&s);
    for (uint64_t row = 0; row < MADE_N_GALAXY; row++)
        for (size_t i = 0; i < s.plan->n_product; i++) {
            const struct product *product = &s.plan->product[i];
            char path[RESULTS_PATH_MAX];

            results_product_path(s.plan, product, path);
            expect_row(file, path, row, product->is_integer, product->n, kept[row].value + product->offset);
        }
    io_file_close(file);
    for (size_t i = 0; i < MADE_N_GALAXY; i++)
        free(kept[i].value);
    close_session(&s);
}

static void datasets_have_the_paths_that_scripts_read(void **state)
{
    static const char *const paths[] = {
        "Galaxies/ID",
        "Galaxies/Redshift",
        "Galaxies/NStars",
        "Galaxies/NGas",
        "Galaxies/NBlackHoles",
        "Galaxies/Stars/SFH",
        "Galaxies/Stars/Spectra/SpectralLuminosityDensities/intrinsic",
        "Galaxies/Stars/Spectra/SpectralLuminosityDensities/emergent",
        "Galaxies/Stars/Photometry/Luminosities/intrinsic/cam/A",
        "Galaxies/Stars/Photometry/Fluxes/emergent/cam/B",
        "Galaxies/Stars/Lines/Luminosity/emergent",
        "Galaxies/Stars/Lines/Continuum/emergent",
        "Galaxies/Stars/Images/Flux/cam/emergent/cam/A",
        "Galaxies/Stars/OpticalDepths/MassWeightedMean",
        "Galaxies/Stars/OpticalDepths/Particles",
        "Galaxies/BlackHoles/OpticalDepths/Mean",
        "Wavelengths/Rest",
        "Lines/IDs",
        "Lines/Wavelengths",
        "Axes/Ages",
        "Axes/Metallicities",
        "EmissionModel/emergent",
        "Instruments/cam/Filters/cam.A/Transmission",
        "Run/Ledger",
    };
    struct session s = open_session();
    struct io_file *file = open_results(&s);
    struct error err = { "" };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        if (!io_has(file, paths[i]))
            fail_msg("no '%s'", paths[i]);
    for (size_t i = 0; i < s.plan->n_product; i++) {
        char path[RESULTS_PATH_MAX], text[256];

        results_product_path(s.plan, &s.plan->product[i], path);
        EXPECT_OK(io_attr_read_text(file, path, "Units", text, sizeof(text), &err), err);
        EXPECT_OK(io_attr_read_text(file, path, "Description", text, sizeof(text), &err), err);
        assert_true(*text);
    }
    io_file_close(file);
    close_session(&s);
}

/* The job lists two instruments, and photometry with one of them is all that is wanted. */
static void nothing_is_written_that_nobody_asked_for(void **state)
{
    static const char *const absent[] = { "Instruments/other",      "Lines",
                                          "Galaxies/Stars/Spectra", "Galaxies/Lines",
                                          "Storage/OpticalDepths",  "Galaxies/Stars/Images",
                                          "Galaxies/Stars/SFH",     "Galaxies/Stars/OpticalDepths" };
    struct session s;
    struct io_file *file = NULL;
    struct error err = { "" };
    char text[2000];
    int64_t n = 0;

    (void)state;
    snprintf(text, sizeof(text),
             "catalogue: %s\ngrid: %s\noutput: %s\ninstruments:\n"
             "  - {label: cam, filters: [{code: cam/A, file: %s}]}\n"
             "  - {label: other, filters: [{code: cam/B, file: %s}]}\n"
             "operations:\n  photometry_fluxes: {instruments: [cam]}\n",
             temp_path("catalogue.hdf5"), temp_path("grid.hdf5"), temp_path("results.hdf5"),
             temp_path("a.txt"), temp_path("b.txt"));
    s = open_plan_of(text);
    EXPECT_OK(results_create(s.job->output, s.plan, &s.provenance, &err), err);
    EXPECT_OK(io_file_open(s.job->output, &file, &err), err);
    assert_true(io_has(file, "Instruments/cam/Filters/cam.A/Transmission"));
    EXPECT_OK(io_attr_read_i64(file, "Instruments", "ninstruments", &n, &err), err);
    assert_int_equal(n, 1);
    for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++)
        if (io_has(file, absent[i]))
            fail_msg("'%s' is there", absent[i]);
    io_file_close(file);
    close_session(&s);
}

static void views_show_what_their_storage_holds(void **state)
{
    static const char *const labels[] = { "intrinsic", "emergent" }, *const filters[] = { "A", "B" };
    static const char *const summaries[] = { "MassWeightedMean", "Median", "Maximum" };
    struct session s = open_session();
    struct kept kept[MADE_N_GALAXY];
    struct io_file *file;

    (void)state;
    for (uint64_t row = 0; row < MADE_N_GALAXY; row++)
        kept[row] = write_row(&s, row);
    file = open_results(&s);
    for (uint64_t row = 0; row < MADE_N_GALAXY; row++) {
        const double *luminosity =
            kept[row].value + product_at(s.plan, "Storage/Photometry/Luminosities")->offset;
        const double *tau = kept[row].value + product_at(s.plan, "Storage/OpticalDepths/Stars")->offset;
        char path[RESULTS_PATH_MAX];

        for (size_t l = 0; l < 2; l++)
            for (size_t f = 0; f < 2; f++) {
                text_format(path, sizeof(path), "Galaxies/Stars/Photometry/Luminosities/%s/cam/%s", labels[l],
                            filters[f]);
                assert_true(luminosity[2 * l + f] > 0.0);
                expect_row(file, path, row, false, 1, &luminosity[2 * l + f]);
            }
        for (size_t i = 0; i < 3; i++) {
            text_format(path, sizeof(path), "Galaxies/Stars/OpticalDepths/%s", summaries[i]);
            expect_row(file, path, row, false, 1, &tau[i]);
        }
    }
    io_file_close(file);
    for (size_t i = 0; i < MADE_N_GALAXY; i++)
        free(kept[i].value);
    close_session(&s);
}

static void particles_lie_where_the_catalogue_has_them(void **state)
{
    static const uint64_t star[] = { 0, 3, 7, 9 }, n_star[] = { 3, 4, 2, 1 }, hole[] = { 0, 1, 1, 1 },
                          n_hole[] = { 1, 0, 2, 0 };
    struct session s = open_session();
    struct kept kept[MADE_N_GALAXY];
    struct io_file *file;
    double largest = 0.0;

    (void)state;
    for (uint64_t row = 0; row < MADE_N_GALAXY; row++)
        kept[row] = write_row(&s, row);
    file = open_results(&s);
    for (uint64_t row = 0; row < MADE_N_GALAXY; row++) {
        for (uint64_t i = 0; i < n_star[row]; i++) {
            expect_row(file, STAR_TAU_PATH, star[row] + i, false, 1, &kept[row].star_tau[i]);
            largest = fmax(largest, kept[row].star_tau[i]);
        }
        for (uint64_t i = 0; i < n_hole[row]; i++)
            expect_row(file, BLACK_HOLE_TAU_PATH, hole[row] + i, false, 1, &kept[row].black_hole_tau[i]);
        free(kept[row].value);
    }
    assert_true(largest > 0.0); /* there was something to compare */
    io_file_close(file);
    close_session(&s);
}

/* ---- the ledger ------------------------------------------------------------------------------ */

static void the_ledger_tells_done_set_aside_and_left(void **state)
{
    struct session s = open_session();
    struct kept kept = write_row(&s, 2);
    struct seen_ledger ledger;
    struct error err = { "" };

    (void)state;
    EXPECT_OK(results_set_aside(s.results, 1, 3, 0.5, "Reading", "mass -1 of star 4", &err), err);
    ledger = see_ledger(s.job->output);
    assert_int_equal(ledger.counts.n_galaxy, MADE_N_GALAXY);
    assert_int_equal(ledger.counts.n_done, 1);
    assert_int_equal(ledger.counts.n_set_aside, 1);
    assert_int_equal(ledger.entry[0].status, ROW_LEFT);
    assert_int_equal(ledger.entry[3].status, ROW_LEFT);
    assert_int_equal(ledger.entry[2].status, ROW_DONE);
    assert_true(ledger.entry[2].rank == 5);
    assert_true(ledger.entry[2].seconds == 0.25);
    assert_true(ledger.entry[2].checksum == kept.checksum);
    assert_int_equal(ledger.id[2], 30);
    assert_int_equal(ledger.entry[1].status, ROW_SET_ASIDE);
    assert_true(ledger.entry[1].rank == 3);
    assert_true(ledger.entry[1].seconds == 0.5);
    assert_string_equal(ledger.entry[1].stage, "Reading");
    assert_string_equal(ledger.entry[1].reason, "mass -1 of star 4");
    assert_int_equal(ledger.id[1], 10);
    free(kept.value);
    close_session(&s);
}

static void a_row_set_aside_holds_nan_and_what_is_known(void **state)
{
    struct session s = open_session();
    const int64_t id = 10, n_star = 4, n_gas = 1, n_black_hole = 0;
    const double redshift = 0.4;
    struct io_file *file;
    struct error err = { "" };

    (void)state;
    free(write_row(&s, 1).value); /* good values, then the verdict: nothing of them may stay */
    EXPECT_OK(results_set_aside(s.results, 1, 0, 0.0, "Reading", "a reason", &err), err);
    file = open_results(&s);
    expect_row(file, "Galaxies/ID", 1, true, 1, &id);
    expect_row(file, "Galaxies/NStars", 1, true, 1, &n_star);
    expect_row(file, "Galaxies/NGas", 1, true, 1, &n_gas);
    expect_row(file, "Galaxies/NBlackHoles", 1, true, 1, &n_black_hole);
    expect_row(file, "Galaxies/Redshift", 1, false, 1, &redshift);
    for (size_t i = 0; i < s.plan->n_product; i++) {
        const struct product *product = &s.plan->product[i];
        double *got = calloc(product->n, sizeof(*got));
        char path[RESULTS_PATH_MAX];

        results_product_path(s.plan, product, path);
        if (!product->is_integer && !is_kind(product, PRODUCT_REDSHIFT)) {
            EXPECT_OK(io_read_rows_f64(file, path, 1, 1, got, &err), err);
            for (size_t k = 0; k < product->n; k++)
                if (!isnan(got[k]))
                    fail_msg("'%s' [%zu] of a galaxy set aside is %g", path, k, got[k]);
        }
        free(got);
    }
    io_file_close(file);
    close_session(&s);
}

static void a_long_reason_is_cut_and_marked(void **state)
{
    struct session s = open_session();
    struct seen_ledger ledger;
    struct error err = { "" };
    char reason[400];

    (void)state;
    memset(reason, 'r', sizeof(reason));
    reason[sizeof(reason) - 1] = '\0';
    EXPECT_OK(results_set_aside(s.results, 0, 0, 0.0, "Reading", reason, &err), err);
    ledger = see_ledger(s.job->output);
    assert_int_equal(strlen(ledger.entry[0].reason), sizeof(ledger.entry[0].reason) - 1);
    assert_int_equal(ledger.entry[0].reason[sizeof(ledger.entry[0].reason) - 2], '~');
    close_session(&s);
}

static void bad_galaxies_come_with_stage_and_reason(void **state)
{
    const struct made_inputs bad = { 1.0, 1.0, true };
    struct session s;
    struct pipeline_row out = { 0 };
    struct error err = { "" };

    (void)state;
    made_inputs_write(&bad);
    s = open_session();
    assert_int_equal(pipeline_run(s.pipeline, 1, &out, &err), POLYPHONY_SET_ASIDE);
    assert_string_equal(out.stage, "Reading");
    EXPECT_PARTS(err.text, "initial_masses", "-1", "10"); /* dataset, value, galaxy id */
    free(write_row(&s, 0).value);                         /* and the next is as good as ever */
    close_session(&s);
    made_inputs_write(&as_made);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void a_layout_that_cannot_be_made_is_an_output_error(void **state)
{
    struct session s = open_plan(NULL, NULL);
    struct error err = { "" };

    (void)state;
    assert_int_equal(results_create(temp_path("no/such/directory.hdf5"), s.plan, &s.provenance, &err),
                     POLYPHONY_OUTPUT);
    EXPECT_PARTS(err.text, "no/such/directory.hdf5");
    close_session(&s);
}

/* Where the ledger ends in the file; the values of rows must lie behind it. */
static uint64_t end_of_ledger(const struct session *s)
{
    struct io_file *file = open_results(s);
    struct error err = { "" };
    uint64_t offset = 0, of_values = 0;

    EXPECT_OK(io_dataset_offset(file, LEDGER_PATH, &offset, &err), err);
    EXPECT_OK(io_dataset_offset(file, "Galaxies/Redshift", &of_values, &err), err);
    io_file_close(file);
    offset += MADE_N_GALAXY * sizeof(struct ledger_entry);
    assert_true(of_values >= offset);
    return offset;
}

static void a_full_disk_is_an_output_error_and_the_row_is_not_done(void **state)
{
    struct session s = open_session();
    struct pipeline_row out = { 0 };
    struct rlimit before, little;
    struct seen_ledger ledger;
    struct error err = { "" };
    int r;

    (void)state;
    EXPECT_OK(pipeline_run(s.pipeline, 0, &out, &err), err);
    getrlimit(RLIMIT_FSIZE, &before);
    little =
        (struct rlimit) { end_of_ledger(&s), before.rlim_max }; /* room for the entry, not for the values */
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &little);
    r = write_one_row(s.results, &out, 0, 0.0, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(r, POLYPHONY_OUTPUT);
    EXPECT_PARTS(err.text, "results.hdf5", "continues later");
    ledger = see_ledger(s.job->output);
    assert_int_equal(ledger.entry[0].status, ROW_LEFT);
    EXPECT_OK(write_one_row(s.results, &out, 0, 0.0, &err), err); /* room again: it goes on */
    close_session(&s);
}

static void a_closed_file_is_an_output_error(void **state)
{
    struct session s = open_session();
    struct pipeline_row out = { 0 };
    struct error err = { "" };

    (void)state;
    EXPECT_OK(pipeline_run(s.pipeline, 0, &out, &err), err);
    close(s.results->fd);
    assert_int_equal(write_one_row(s.results, &out, 0, 0.0, &err), POLYPHONY_OUTPUT);
    assert_int_equal(results_set_aside(s.results, 0, 0, 0.0, "Reading", "a reason", &err), POLYPHONY_OUTPUT);
    assert_int_equal(results_sync(s.results, &err), POLYPHONY_OUTPUT);
    close_session(&s);
}

static void a_read_only_file_is_an_output_error(void **state)
{
    struct session s = open_session();
    struct results *again = NULL;
    struct error err = { "" };
    bool is_root = geteuid() == 0;
    int r;

    (void)state;
    assert_int_equal(chmod(s.job->output, 0444), 0);
    assert_int_equal(chmod(files_directory, 0755), 0);
    /* Root may write everything: be nobody for a moment. */
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    r = results_open(s.job->output, s.plan, &again, &err);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(r, POLYPHONY_OUTPUT);
    EXPECT_PARTS(err.text, "results.hdf5", "ermission");
    close_session(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_back_from_their_datasets),
        cmocka_unit_test(datasets_have_the_paths_that_scripts_read),
        cmocka_unit_test(nothing_is_written_that_nobody_asked_for),
        cmocka_unit_test(views_show_what_their_storage_holds),
        cmocka_unit_test(particles_lie_where_the_catalogue_has_them),
        cmocka_unit_test(the_ledger_tells_done_set_aside_and_left),
        cmocka_unit_test(a_row_set_aside_holds_nan_and_what_is_known),
        cmocka_unit_test(a_long_reason_is_cut_and_marked),
        cmocka_unit_test(bad_galaxies_come_with_stage_and_reason),
        cmocka_unit_test(a_layout_that_cannot_be_made_is_an_output_error),
        cmocka_unit_test(a_full_disk_is_an_output_error_and_the_row_is_not_done),
        cmocka_unit_test(a_closed_file_is_an_output_error),
        cmocka_unit_test(a_read_only_file_is_an_output_error),
    };
    int n_failed;

    MPI_Init(&argc, &argv);
    n_failed = cmocka_run_group_tests(tests, write_inputs, NULL);
    MPI_Finalize();
    return n_failed;
}
