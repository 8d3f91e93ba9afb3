/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * May a results file be continued by this job? Refused by the name of what differs, in both directions.
 */
#include "session.h"

/* ---- continuing ------------------------------------------------------------------------------ */

/* The job with `from` replaced by `to` is refused, by a text with this part. */
static void expect_refused(const char *from, const char *to, const char *part)
{
    struct session s = open_plan(from, to);
    struct error err = { "" };
    int r = results_check(temp_path("results.hdf5"), s.plan, &s.provenance, &err);

    if (r != POLYPHONY_USAGE || !strstr(err.text, part))
        fail_msg("with '%s' for '%s': %d, '%s', expected a refusal that names '%s'", to, from ? from : "", r,
                 err.text, part);
    close_session(&s);
}

static void expect_accepted(const char *from, const char *to)
{
    struct session s = open_plan(from, to);
    struct error err = { "" };

    EXPECT_OK(results_check(temp_path("results.hdf5"), s.plan, &s.provenance, &err), err);
    close_session(&s);
}

static void another_job_is_refused_by_the_name_of_its_key(void **state)
{
    struct session s = open_session();

    (void)state;
    close_session(&s);
    expect_refused("tau_v: los", "tau_v: 0.3", "emission.tau_v");
    expect_refused("fesc: 0.1", "fesc: 0.10000000000000002", "emission.fesc");
    expect_refused("threads: 1", "redshift: 0.5", "redshift");
    expect_refused("threads: 1", "igm: inoue14", "igm");
    expect_refused("threads: 1", "cosmology: {name: WMAP9}", "cosmology.name");
    expect_refused("threads: 1", "output_types: {spectra: float32}", "output_types.spectra: float64");
    expect_refused("threads: 1", "output_types: {images: float32}", "output_types.images: float64");
    expect_refused("label: cam", "label: Cam", "instruments[0].label");
    expect_refused("code: cam/A", "code: cam/a", "instruments[0].filters[0].code");
    expect_refused("fov_arcsec: 0.8", "fov_arcsec: 0.9", "operations.images_flux.fov_arcsec");
    expect_refused("type: smoothed", "type: histogram", "operations.images_flux.type");
    expect_refused("  spectra: {labels: [intrinsic, emergent]}", "  spectra: {labels: [emergent, intrinsic]}",
                   "operations.spectra.labels");
}

static void operations_added_or_removed_are_refused(void **state)
{
    struct session s = open_session();

    (void)state;
    close_session(&s);
    expect_refused("  sfh: {}\n", "  sfh: {}\n  sfzh: {}\n", "operations.sfzh");
    expect_refused("  sfh: {}\n", "", "operations.sfh");
    expect_refused("  images_flux: {labels: [emergent], fov_arcsec: 0.8, type: smoothed}\n", "",
                   "operations.images_flux");
}

static void a_difference_far_into_a_long_list_is_seen(void **state)
{
    struct session s = open_session();
    char last[24], other[24];

    (void)state;
    close_session(&s);
    snprintf(last, sizeof(last), "%09.3fA", 1000.0 + 321.0 * (MADE_N_LINE - 3));
    snprintf(other, sizeof(other), "%09.3fA", 1000.0 + 321.0 * (MADE_N_LINE - 1));
    expect_refused(last, other, "operations.lines.ids");
}

/* The job reads `other` in place of `input`. */
static void expect_refused_file(const char *input, const char *other, const char *part)
{
    char from[300], to[300];

    snprintf(from, sizeof(from), "%s", temp_path(input));
    snprintf(to, sizeof(to), "%s", temp_path(other));
    expect_refused(from, to, part);
}

static void other_contents_of_the_inputs_are_refused(void **state)
{
    const struct made_inputs changed = { 1.0 + 1e-12, 1.0 + 1e-12, false };
    struct session s = open_session();

    (void)state;
    close_session(&s);
    made_catalogue(temp_path("other_catalogue.hdf5"), &changed);
    expect_refused_file("catalogue.hdf5", "other_catalogue.hdf5", "catalogue_hash");
    made_grid(temp_path("other_grid.hdf5"), &changed);
    expect_refused_file("grid.hdf5", "other_grid.hdf5", "grid_hash");
    made_filter(temp_path("other.txt"), 3000.0, 0.50001);
    expect_refused_file("a.txt", "other.txt", "filters_hash");
}

static void what_does_not_change_numbers_is_accepted(void **state)
{
    struct session s = open_session();
    char from[300], to[300];

    (void)state;
    close_session(&s);
    expect_accepted(NULL, NULL);
    expect_accepted("threads: 1", "threads: 8");
    expect_accepted("threads: 1", "schedule: {mode: static-lpt, max_batch_galaxies: 3}\nprogress: no");
    expect_accepted("threads: 1", "igm: none"); /* the default, now given */
    expect_accepted("threads: 1", "output_types: {spectra: float64, images: float64}");
    expect_accepted("output: ", "output: ./");
    /* The same contents in another place. */
    assert_int_equal(link(temp_path("catalogue.hdf5"), temp_path("moved.hdf5")), 0);
    snprintf(from, sizeof(from), "%s", temp_path("catalogue.hdf5"));
    snprintf(to, sizeof(to), "%s", temp_path("moved.hdf5"));
    expect_accepted(from, to);
}

static void files_of_another_kind_are_refused(void **state)
{
    struct session s = open_plan(NULL, NULL);
    struct ledger_counts counts;
    struct error err = { "" };
    FILE *file = fopen(temp_path("text.hdf5"), "w");

    (void)state;
    fputs("not HDF5\n", file);
    fclose(file);
    assert_int_equal(results_check(temp_path("grid.hdf5"), s.plan, &s.provenance, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "grid.hdf5", "not a results file");
    assert_int_equal(results_check(temp_path("text.hdf5"), s.plan, &s.provenance, &err), POLYPHONY_INPUT);
    assert_int_equal(ledger_scan(temp_path("grid.hdf5"), NULL, NULL, &counts, &err), POLYPHONY_INPUT);
    assert_int_equal(ledger_scan(temp_path("text.hdf5"), NULL, NULL, &counts, &err), POLYPHONY_INPUT);
    assert_int_equal(ledger_scan(temp_path("nowhere.hdf5"), NULL, NULL, &counts, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "nowhere.hdf5");
    close_session(&s);
}

static void another_version_of_the_file_is_refused_by_name(void **state)
{
    const char *path = temp_path("earlier.hdf5");
    const int64_t entry = 0;
    const uint64_t n = 1;
    struct session s = open_plan(NULL, NULL);
    struct ledger_counts counts;
    struct io_file *file = NULL;
    struct error err = { "" };

    (void)state;
    EXPECT_OK(io_file_create(path, &file, &err), err);
    EXPECT_OK(io_attr_write_text(file, "/", "format", RESULTS_FORMAT, &err), err);
    EXPECT_OK(io_attr_write_i64(file, "/", "version", RESULTS_FILE_VERSION - 1, &err), err);
    EXPECT_OK(io_write_i64(file, LEDGER_PATH, 1, &n, &entry, NULL, "made for a test", &err), err);
    EXPECT_OK(io_file_commit(file, &err), err);
    io_file_close(file);
    assert_int_equal(results_check(path, s.plan, &s.provenance, &err), POLYPHONY_USAGE);
    EXPECT_PARTS(err.text, "earlier.hdf5", "another version of the program", "file version 2", "--overwrite");
    assert_int_equal(ledger_scan(path, NULL, NULL, &counts, &err), POLYPHONY_USAGE);
    EXPECT_OK(results_may_be_replaced(path, &err), err); /* which is what --overwrite does */
    close_session(&s);
}

static void only_results_files_are_replaced(void **state)
{
    struct session s = open_session();
    struct error err = { "" };

    (void)state;
    assert_int_equal(results_may_be_replaced(temp_path("catalogue.hdf5"), &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "catalogue.hdf5", "not a results file");
    assert_int_equal(access(temp_path("catalogue.hdf5"), F_OK), 0);
    assert_int_equal(results_may_be_replaced(temp_path("nowhere.hdf5"), &err), POLYPHONY_INPUT);
    EXPECT_OK(results_may_be_replaced(s.job->output, &err), err);
    close_session(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_job_is_refused_by_the_name_of_its_key),
        cmocka_unit_test(operations_added_or_removed_are_refused),
        cmocka_unit_test(a_difference_far_into_a_long_list_is_seen),
        cmocka_unit_test(other_contents_of_the_inputs_are_refused),
        cmocka_unit_test(what_does_not_change_numbers_is_accepted),
        cmocka_unit_test(files_of_another_kind_are_refused),
        cmocka_unit_test(another_version_of_the_file_is_refused_by_name),
        cmocka_unit_test(only_results_files_are_replaced),
    };
    int n_failed;

    MPI_Init(&argc, &argv);
    n_failed = cmocka_run_group_tests(tests, write_inputs, NULL);
    MPI_Finalize();
    return n_failed;
}
