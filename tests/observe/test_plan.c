/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/operations.h"
#include "polyphony/plan.h"

#include <unistd.h>

#include "made_inputs.h"

/* The first two lines of every job. */
#define INPUTS "catalogue: c.hdf5\ngrid: g.hdf5\n"
#define CAMERA "instruments: [{label: cam, resolution_arcsec: 0.1, filters: [{code: A, file: a.txt}]}]\n"

/* A job, and what is wrong with it. */
struct fault {
    const char *text; /* after INPUTS, so from line 3 */
    const char *start;
    const char *parts[3];
};

static int open_plan(const char *text, struct job **ret_job, struct plan **ret_plan, struct error *err)
{
    char whole[2048];
    int r;

    assert_true(text_format(whole, sizeof(whole), "%s%s", INPUTS, text));
    r = job_parse("job.yaml", whole, job_operation_list, ret_job, err);
    return r ? r : plan_open(*ret_job, operation_list, NULL, ret_plan, err);
}

static void expect_fault(const struct fault *fault, int code)
{
    struct job *job = NULL;
    struct plan *plan = NULL;
    struct error err = { "" };
    int r = open_plan(fault->text, &job, &plan, &err);

    if (r != code || plan)
        fail_msg("gave %d (%s): %s", r, err.text, fault->text);
    if (strncmp(err.text, fault->start, strlen(fault->start)))
        fail_msg("'%s' does not begin with '%s'", err.text, fault->start);
    for (size_t i = 0; i < 3 && fault->parts[i]; i++)
        assert_text_has(err.text, fault->parts[i]);
    job_free(job);
}

static void unknown_names_are_reported_at_their_line(void **state)
{
    static const struct fault faults[] = {
        { "cosmology:\n  name: Plank18\noperations: {sfh: {}}\n",
          "job.yaml:4: cosmology.name: ",
          { "Plank18", "Planck18" } },
        { "operations: {sfh: {}}\nigm: inoue15\n", "job.yaml:4: igm: ", { "inoue15", "inoue14" } },
        { "emission:\n  tau_v: 1\n  dust_curve: powerlaw\noperations: {sfh: {}}\n",
          "job.yaml:5: emission.dust_curve: ",
          { "'powerlaw'", "power_law" } },
        { "emission:\n  dust_slope: -0.7\n  dust_curve: li08_smc\noperations: {sfh: {}}\n",
          "job.yaml:4: emission.dust_slope: ",
          { "slope" } },
        { "emission: {model: pac-man}\noperations: {sfh: {}}\n",
          "job.yaml:3: emission.model: ",
          { "'pac-man'", "did you mean 'pacman'?" } },
        { "operations:\n  los_optical_depths:\n    kernel: quartik\n",
          "job.yaml:5: operations.los_optical_depths.kernel: ",
          { "'quartik'", "quartic" } },
        { "instruments:\n  - label: cam\n    builtin: JWST/NIRCam.Wise\noperations: {sfh: {}}\n",
          "job.yaml:5: instruments[0].builtin: ",
          { "JWST/NIRCam.Wise" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
        expect_fault(&faults[i], POLYPHONY_USAGE);
}

static void unknown_labels_are_reported_for_every_operation(void **state)
{
    static const char *const operations[] = {
        "spectra", "observed_spectra", "photometry_luminosities", "photometry_fluxes",
        "lines",   "observed_lines",   "images_luminosity",       "images_flux"
    };
    char text[512], start[128];

    (void)state;
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
        const struct fault fault = { text, start, { "no label 'emergant'", "did you mean 'emergent'?" } };

        text_format(text, sizeof(text), CAMERA "operations:\n  %s:\n    labels: [intrinsic, emergant]%s\n",
                    operations[i], strstr(operations[i], "images") ? "\n    fov_arcsec: 2" : "");
        text_format(start, sizeof(start), "job.yaml:6: operations.%s.labels: ", operations[i]);
        expect_fault(&fault, POLYPHONY_USAGE);
    }
}

static void a_label_of_another_model_is_unknown(void **state)
{
    static const struct fault fault = {
        "emission: {model: nebular}\noperations:\n  spectra: {labels: [emergent]}\n",
        "job.yaml:5: operations.spectra.labels: ",
        { "no label 'emergent'", "it has: nebular, nebular_continuum, nebular_line" }
    };

    (void)state;
    expect_fault(&fault, POLYPHONY_USAGE);
}

static void lines_that_are_not_in_the_grid_are_reported(void **state)
{
    static const struct fault faults[] = {
        { "operations:\n  lines:\n    ids: [H 1 6562.80A, H 1 4861.33A]\n",
          "job.yaml:5: operations.lines.ids: ",
          { "no line 'H 1 4861.33A'", "did you mean 'H 1 4861.32A'?" } },
        { "operations:\n  observed_lines: {ids: [C 4 1548.19A]}\n",
          "job.yaml:4: operations.observed_lines.ids: ",
          { "no line 'C 4 1548.19A'" } },
        { "operations:\n  lines: {ids: [H 1 4861.32A, H 1 6562.80A]}\n"
          "  observed_lines: {ids: [H 1 6562.80A, H 1 4861.32A]}\n",
          "job.yaml:5: operations.observed_lines.ids: ",
          { "must be the same list" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
        expect_fault(&faults[i], POLYPHONY_USAGE);
}

static void instruments_are_checked(void **state)
{
    static const struct fault usage[] = {
        { "instruments:\n"
          "  - {label: one, filters: [{code: A, file: a.txt}]}\n"
          "  - {label: two, filters: [{code: B, file: b.txt}, {code: A, file: b.txt}]}\n"
          "operations: {sfh: {}}\n",
          "job.yaml:3: instruments: ",
          { "filters 'A' of 'one' and 'A' of 'two'" } },
        { "instruments:\n  - {label: one, filters: [{code: A, file: a.txt}, {code: A/B, file: b.txt}]}\n"
          "operations: {sfh: {}}\n",
          "job.yaml:3: instruments: ",
          { "'A' of 'one' and 'A/B' of 'one' would have one path" } },
        { "instruments:\n  - {label: one, filters: [{code: A//B, file: a.txt}]}\noperations: {sfh: {}}\n",
          "job.yaml:3: instruments: ",
          { "'A//B' cannot be a path" } },
        { "instruments:\n  - {label: one, filters: [{code: ../B, file: a.txt}]}\noperations: {sfh: {}}\n",
          "job.yaml:3: instruments: ",
          { "'../B' cannot be a path" } },
        { "instruments:\n  - label: a2345678901234567890123456789012345678901234567890123456789012345\n"
          "    filters: [{code: A, file: a.txt}]\noperations: {sfh: {}}\n",
          "job.yaml:5: instruments[0].filters: ",
          { "is longer than 63 bytes" } },
    };
    static const struct fault input[] = {
        { "instruments: [{label: one, filters: [{code: A, file: missing.txt}]}]\noperations: {sfh: {}}\n",
          "filter 'A': 'missing.txt': ",
          { "No such file" } },
        { "instruments: [{label: one, filters: [{code: FIR, file: far.txt}]}]\n"
          "operations: {photometry_luminosities: {}}\n",
          "filter 'FIR' (",
          { "is outside the grid 'g.hdf5', which covers 600 to 18000", "in the rest frame" } },
        { "instruments: [{label: one, filters: [{code: EUV, file: euv.txt}]}]\nredshift: 9\n"
          "operations: {photometry_fluxes: {}}\n",
          "filter 'EUV' (",
          { "which covers 6000 to 180000", "at redshift 9" } },
        /* Seen at redshift 1, but not at 2: both ends of the catalogue are checked. */
        { "instruments: [{label: one, filters: [{code: EUV, file: euv.txt}]}]\n"
          "operations: {photometry_fluxes: {}}\n",
          "filter 'EUV' (",
          { "which covers 1800 to 54000" } },
        { "instruments: [{label: one, resolution_arcsec: 1, filters: [{code: FIR, file: far.txt}]}]\n"
          "operations: {images_luminosity: {fov_arcsec: 4}}\n",
          "filter 'FIR' (",
          { "in the rest frame" } },
        { "instruments: [{label: one, resolution_arcsec: 1, filters: [{code: EUV, file: euv.txt}]}]\n"
          "operations: {images_flux: {fov_arcsec: 4}}\n",
          "filter 'EUV' (",
          { "at redshift " } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(usage) / sizeof(*usage); i++)
        expect_fault(&usage[i], POLYPHONY_USAGE);
    for (size_t i = 0; i < sizeof(input) / sizeof(*input); i++)
        expect_fault(&input[i], POLYPHONY_INPUT);
}

static void fields_of_view_are_checked(void **state)
{
    static const struct fault faults[] = {
        { CAMERA "operations:\n  images_luminosity:\n    fov_arcsec: 0.01\n",
          "job.yaml:6: operations.images_luminosity.fov_arcsec: ",
          { "is not 1 to 65535 pixels of 0.1 arcsec", "'cam'" } },
        { CAMERA "operations:\n  images_flux:\n    fov_arcsec: 1e6\n",
          "job.yaml:6: operations.images_flux.fov_arcsec: ",
          { "is not 1 to 65535 pixels" } },
        /* 60 kpc at redshifts 1 and 2: 7.289 and 6.994 arcsec. */
        { CAMERA "operations:\n  images_flux:\n    fov_kpc: 60\n",
          "job.yaml:6: operations.images_flux.fov_kpc: ",
          { "is 73 pixels at redshift 1 but 70 at 2", "give fov_arcsec" } },
        { CAMERA "operations:\n  images_flux:\n    kernel: round\n    fov_arcsec: 2\n",
          "job.yaml:6: operations.images_flux.kernel: ",
          { "'round'" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
        expect_fault(&faults[i], POLYPHONY_USAGE);
}

static void missing_inputs_and_parameters_are_reported(void **state)
{
    static const struct fault fault = { "emission: {fesc: fesc_lyalpha}\noperations: {spectra: {}}\n",
                                        "'c.hdf5': ",
                                        { "'fesc_lyalpha' is neither in 'Stars' nor in 'Galaxies'",
                                          "'fesc_ly_alpha'" } };
    static const char *const texts[] = { "catalogue: no.hdf5\ngrid: g.hdf5\noperations: {sfh: {}}\n",
                                         "catalogue: c.hdf5\ngrid: no.hdf5\noperations: {sfh: {}}\n" };

    (void)state;
    expect_fault(&fault, POLYPHONY_INPUT);
    for (size_t i = 0; i < 2; i++) {
        struct job *job = NULL;
        struct plan *plan = NULL;
        struct error err = { "" };

        assert_int_equal(job_parse("job.yaml", texts[i], job_operation_list, &job, &err), 0);
        assert_int_equal(plan_open(job, operation_list, NULL, &plan, &err), POLYPHONY_INPUT);
        assert_text_has(err.text, "no.hdf5");
        assert_null(plan);
        job_free(job);
    }
}

static void doubts_are_warnings(void **state)
{
    struct job *job = NULL;
    struct plan *plan = NULL;
    struct error err = { "" };

    (void)state;
    assert_int_equal(open_plan("instruments: [{label: cam, filters: [{code: EDGE, file: edge.txt}]}]\n"
                               "operations: {photometry_luminosities: {labels: [incident]}}\n",
                               &job, &plan, &err),
                     0);
    assert_int_equal(plan->warnings.n, 1);
    assert_text_has(plan->warnings.text[0], "filter 'EDGE' (");
    assert_text_has(plan->warnings.text[0], "is cut off by the grid, which covers 600 to 18000 angstrom");
    plan_close(plan);
    job_free(job);
    assert_int_equal(job_parse("job.yaml",
                               "catalogue: dry.hdf5\ngrid: g.hdf5\noperations: {los_optical_depths: {}}\n",
                               job_operation_list, &job, &err),
                     0);
    assert_int_equal(plan_open(job, operation_list, NULL, &plan, &err), 0);
    assert_int_equal(plan->warnings.n, 1);
    assert_text_has(plan->warnings.text[0], "'dry.hdf5' has no gas");
    plan_close(plan);
    job_free(job);
    assert_int_equal(
        open_plan(
            CAMERA
            "emission: {fesc_ly_alpha: 1}\noperations: {los_optical_depths: {}, photometry_fluxes: {}}\n",
            &job, &plan, &err),
        0);
    assert_int_equal(plan->warnings.n, 0);
    plan_close(plan);
    job_free(job);
}

static void a_field_in_kpc_is_fine_at_one_redshift(void **state)
{
    struct job *job = NULL;
    struct plan *plan = NULL;
    struct error err = { "" };

    (void)state;
    if (open_plan(CAMERA "redshift: 1\noperations: {images_flux: {fov_kpc: 60}}\n", &job, &plan, &err))
        fail_msg("%s", err.text);
    assert_int_equal(plan_find_step(plan, "images_flux")->images->n_pixel[0], 73);
    assert_true(plan_redshift(plan, ROW_FAR) == 1.0);
    plan_close(plan);
    job_free(job);
}

static void a_custom_cosmology_is_taken_and_checked(void **state)
{
#define CUSTOM                                                                                               \
    "cosmology: {name: custom, h0_km_s_mpc: 70, omega_m: %s, t_cmb_k: 0, n_eff: 0, m_nu_ev: [0, 0, 0]}\n"    \
    "operations: {sfh: {}}\n"
    struct job *job = NULL;
    struct plan *plan = NULL;
    struct error err = { "" };
    char text[256];

    (void)state;
    text_format(text, sizeof(text), CUSTOM, "0.3");
    if (open_plan(text, &job, &plan, &err))
        fail_msg("%s", err.text);
    assert_true(plan->cosmology.h0_km_s_mpc == 70);
    assert_true(plan->cosmology.omega_m == 0.3);
    plan_close(plan);
    plan = NULL;
    job_free(job);
    text_format(text, sizeof(text), CUSTOM, "100"); /* no room for a flat universe */
    assert_int_equal(open_plan(text, &job, &plan, &err), POLYPHONY_USAGE);
    assert_text_has(err.text, "job.yaml:3: cosmology: ");
    job_free(job);
}

/* A plan, its number of wanted lines and of grid spectra read, and whether a warning says `part` (NULL: none
 * at all). */
static void expect_plan(const char *text, size_t n_line, size_t n_spectrum, const char *part)
{
    struct job *job = NULL;
    struct plan *plan = NULL;
    struct error err = { "" };
    bool is_said = false;

    if (open_plan(text, &job, &plan, &err))
        fail_msg("%s: %s", text, err.text);
    assert_int_equal(plan->n_line, n_line);
    assert_int_equal(plan->grid->n_spectrum, n_spectrum);
    for (size_t i = 0; i < plan->warnings.n; i++)
        is_said |= part && strstr(plan->warnings.text[i], part);
    if (part ? !is_said : plan->warnings.n > 0)
        fail_msg("%s: %zu warnings, none says '%s'", text, plan->warnings.n, part ? part : "");
    plan_close(plan);
    job_free(job);
}

static void a_list_of_lines_serves_both_operations(void **state)
{
    (void)state;
    expect_plan(
        "emission: {fesc_ly_alpha: 1}\noperations:\n  lines: {}\n  observed_lines: {ids: [H 1 6562.80A]}\n",
        1, 4, NULL);
    expect_plan(
        "emission: {fesc_ly_alpha: 1}\noperations:\n  lines: {ids: [H 1 6562.80A]}\n  observed_lines: {}\n",
        1, 4, NULL);
}

static void only_spectra_that_labels_are_made_of_are_read(void **state)
{
    (void)state;
    expect_plan("operations: {sfh: {}}\n", 0, 0, NULL);
    expect_plan("operations: {spectra: {labels: [incident]}}\n", 0, 1, NULL);
    expect_plan("emission: {fesc_ly_alpha: 1}\n"
                "operations: {spectra: {labels: [incident]}, observed_spectra: {labels: [nebular]}}\n",
                0, 3, NULL);
    expect_plan("emission: {fesc_ly_alpha: fesc_ly_alpha}\noperations: {spectra: {}}\n", 0, 4, NULL);
}

static void a_key_that_changes_nothing_is_warned_of(void **state)
{
    (void)state;
    expect_plan("emission: {model: incident, tau_v: 3}\noperations: {spectra: {}}\n", 0, 1, "emission.tau_v");
    expect_plan("emission: {model: nebular, fesc: 0.5}\noperations: {spectra: {}}\n", 0, 2,
                "emission.fesc is");
    expect_plan("emission: {model: intrinsic, fesc: 0.5, fesc_ly_alpha: 1}\noperations: {spectra: {}}\n", 0,
                4, NULL);
    expect_plan("operations: {spectra: {}}\n", 0, 4,
                "'Galaxies/fesc_ly_alpha' (0 to 1), which the job does not use: emission.fesc_ly_alpha is 1");
    expect_plan("redshift: 0\noperations: {observed_spectra: {}}\n", 0, 4, "10 pc");
}

static int enter_inputs(void **state)
{
    static char directory[] = "/tmp/test_plan_XXXXXX";

    if (!mkdtemp(directory) || chdir(directory))
        return -1;
    made_grid_write("g.hdf5");
    made_catalogue_write("c.hdf5", true);
    made_catalogue_write("dry.hdf5", false);
    made_filter_write("a.txt", 4000, 7000);
    made_filter_write("b.txt", 6000, 12000);
    made_filter_write("far.txt", 30000, 90000);
    made_filter_write("euv.txt", 1250, 1600);
    made_filter_write("edge.txt", 9000, 20000);
    *state = directory;
    return 0;
}

static int leave_inputs(void **state)
{
    static const char *const names[] = { "g.hdf5", "c.hdf5",  "dry.hdf5", "a.txt",
                                         "b.txt",  "far.txt", "euv.txt",  "edge.txt" };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (unlink(names[i]))
            return -1;
    return chdir("/") || rmdir(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_names_are_reported_at_their_line),
        cmocka_unit_test(unknown_labels_are_reported_for_every_operation),
        cmocka_unit_test(a_label_of_another_model_is_unknown),
        cmocka_unit_test(lines_that_are_not_in_the_grid_are_reported),
        cmocka_unit_test(instruments_are_checked),
        cmocka_unit_test(fields_of_view_are_checked),
        cmocka_unit_test(missing_inputs_and_parameters_are_reported),
        cmocka_unit_test(doubts_are_warnings),
        cmocka_unit_test(a_field_in_kpc_is_fine_at_one_redshift),
        cmocka_unit_test(a_custom_cosmology_is_taken_and_checked),
        cmocka_unit_test(a_list_of_lines_serves_both_operations),
        cmocka_unit_test(only_spectra_that_labels_are_made_of_are_read),
        cmocka_unit_test(a_key_that_changes_nothing_is_warned_of),
    };

    return cmocka_run_group_tests_name("plan", tests, enter_inputs, leave_inputs);
}
