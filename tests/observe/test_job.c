/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The job file. Run with leak detection: every case also says that success and failure free everything.
 * No case compares numbers but exactly: values are read and echoed, never computed.
 */
#include "polyphony/operations.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MINIMAL "catalogue: c.hdf5\ngrid: g.hdf5\noperations: {sfh: {}}\n"

static struct job *parse_well(const char *text)
{
    struct job *job = NULL;
    struct error err = { "" };

    if (job_parse("job.yaml", text, job_operation_list, &job, &err))
        fail_msg("%s", err.text);
    return job;
}

static struct job *parse_template(void)
{
    char *template = job_template(job_operation_list);
    struct job *job = parse_well(template);

    free(template);
    return job;
}

/* Is this what the job says of a key? NULL: it says nothing. */
static void expect_echo(const struct job *job, const char *key_path, const char *value)
{
    const char *found = NULL;
    struct job_echo echo;

    assert_int_equal(job_echo(job, &echo, NULL), 0);
    for (size_t i = 0; i < echo.n; i++)
        if (!strcmp(echo.entries[i].key_path, key_path))
            found = echo.entries[i].value;
    if (!found != !value || (value && strcmp(found, value)))
        fail_msg("%s is '%s', not '%s'", key_path, found ? found : "(none)", value ? value : "(none)");
    job_echo_free(&echo);
}

struct fault {
    const char *text;
    const char *start; /* how the message begins: file, line, key */
    const char *part;  /* what else it says */
};

static void expect_faults(const struct fault *faults, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct job *job = NULL;
        struct error err = { "" };
        int r = job_parse("job.yaml", faults[i].text, job_operation_list, &job, &err);

        if (r != POLYPHONY_USAGE || job)
            fail_msg("case %zu gave %d: %s", i, r, faults[i].text);
        if (strncmp(err.text, faults[i].start, strlen(faults[i].start)) || !strstr(err.text, faults[i].part))
            fail_msg("case %zu: '%s' lacks '%s' or '%s'", i, err.text, faults[i].start, faults[i].part);
    }
}
#define EXPECT_FAULTS(faults) expect_faults(faults, sizeof(faults) / sizeof((faults)[0]))

/* ---- defaults ----------------------------------------------------------------------------- */

static void the_template_is_a_valid_job_with_every_operation(void **state)
{
    struct job *job = parse_template();

    (void)state;
    assert_string_equal(job->catalogue, "catalogue.hdf5");
    assert_string_equal(job->emission.parameter[0], "0.5");
    assert_non_null(job_options(job, "sfzh"));
    assert_non_null(job_options(job, "images_flux"));
    expect_echo(job, "operations.images_flux.fov_arcsec", "10");
    expect_echo(job, "operations.images_flux.sampling", "exact");
    assert_true(job_given(job, "operations.observed_lines.ids[0]"));
    assert_null(job->cosmology.h0_km_s_mpc);
    job_free(job);
}

static const struct job_echo_entry *echo_find(const struct job_echo *echo, const char *key_path)
{
    for (size_t i = 0; i < echo->n; i++)
        if (!strcmp(echo->entries[i].key_path, key_path))
            return &echo->entries[i];
    return NULL;
}

/* But for sampling, of which the template says another value than older jobs had. */
static void what_is_left_out_has_the_value_of_the_template(void **state)
{
    struct job *whole = parse_template();
    struct job *bare =
        parse_well("catalogue: catalogue.hdf5\ngrid: grid.hdf5\noperations:\n"
                   "  {los_optical_depths: {}, sfzh: {}, sfh: {}, spectra: {},\n"
                   "   observed_spectra: {}, photometry_luminosities: {}, photometry_fluxes: {},\n"
                   "   lines: {}, observed_lines: {}, images_luminosity: {fov_arcsec: 10,\n"
                   "   sampling: exact}, images_flux: {fov_arcsec: 10, sampling: exact}}\n");
    struct job_echo given, filled;

    (void)state;
    assert_int_equal(job_echo(whole, &given, NULL), 0);
    assert_int_equal(job_echo(bare, &filled, NULL), 0);
    assert_int_equal(given.n, filled.n);
    for (size_t i = 0; i < given.n; i++) {
        assert_string_equal(given.entries[i].key_path, filled.entries[i].key_path);
        assert_string_equal(given.entries[i].value, filled.entries[i].value);
    }
    job_echo_free(&given);
    job_echo_free(&filled);
    job_free(whole);
    job_free(bare);
}

static void a_minimal_job_is_complete(void **state)
{
    struct job *job = parse_well(MINIMAL);

    (void)state;
    assert_string_equal(job->output, "results.hdf5");
    assert_int_equal(*job->threads, 0);
    assert_string_equal(job->cosmology.name, "Planck18");
    assert_string_equal(job->redshift, "catalogue");
    assert_string_equal(job->emission.model, "pacman");
    assert_null(job->emission.dust_slope);
    assert_int_equal(*job->emission.grid_assignment, JOB_ASSIGN_CIC);
    assert_true(*job->emission.dust_tolerance == 1e-10);
    assert_int_equal(*job->emission.method, JOB_METHOD_FAST);
    assert_true(*job->dust_to_metal_ratio == 0.3);
    assert_int_equal(job->n_instruments, 1);
    assert_string_equal(job->instruments[0].builtin, "JWST/NIRCam.Wide");
    assert_true(*job->instruments[0].resolution_arcsec == 0.031);
    assert_int_equal(*job->schedule.max_batch_galaxies, 64);
    assert_true(*job->progress);
    assert_non_null(job_options(job, "sfh"));
    assert_null(job_options(job, "sfzh"));
    assert_null(job_options(job, "images_flux"));
    job_free(job);
}

static void examples_without_default_are_not_filled_in(void **state)
{
    struct job *job = parse_well("catalogue: c\ngrid: g\noperations: {images_flux: {fov_arcsec: 2.5}}\n");

    (void)state;
    expect_echo(job, "operations.images_flux.sampling", "peer");
    expect_echo(job, "operations.images_flux.fov_arcsec", "2.5");
    expect_echo(job, "operations.images_flux.fov_kpc", NULL);
    expect_echo(job, "operations.images_flux.labels", "[intrinsic]");
    job_free(job);
}

static void values_given_replace_defaults(void **state)
{
    struct job *job = parse_well(
        MINIMAL "progress: no\n"
                "cosmology: {name: custom, h0_km_s_mpc: 70, omega_m: 0.3, t_cmb_k: 2.7, n_eff: 3,\n"
                "            m_nu_ev: [0, 0.01, 6e-2]}\n"
                "emission: {tau_v: tau_v, grid_assignment: ngp, method: direct}\n"
                "schedule: {mode: static-lpt}\n"
                "instruments:\n"
                "- {label: a, filters: [{code: x/y, file: f1}, {code: x/z, file: f2}]}\n"
                "- {label: b, builtin: JWST/NIRCam.Wide}\n");

    (void)state;
    assert_false(*job->progress);
    assert_int_equal(job->cosmology.n_m_nu_ev, 3);
    assert_true(job->cosmology.m_nu_ev[2] == 6e-2);
    assert_string_equal(job->emission.parameter[0], "tau_v");
    assert_string_equal(job->emission.parameter[1], "0.0");
    assert_int_equal(*job->emission.grid_assignment, JOB_ASSIGN_NGP);
    assert_int_equal(*job->emission.method, JOB_METHOD_DIRECT);
    assert_int_equal(*job->schedule.mode, JOB_STATIC_LPT);
    assert_int_equal(*job->schedule.max_batch_galaxies, 64);
    assert_int_equal(job->n_instruments, 2);
    assert_int_equal(job->instruments[0].n_filters, 2);
    assert_string_equal(job->instruments[0].filters[1].file, "f2");
    assert_null(job->instruments[1].filters);
    assert_null(job->instruments[1].resolution_arcsec);
    job_free(job);
}

static void anchors_and_aliases_are_followed(void **state)
{
    struct job *job =
        parse_well("catalogue: c\ngrid: g\noperations:\n  spectra: {labels: &l [emergent, intrinsic]}\n"
                   "  lines: {labels: *l}\n");

    (void)state;
    expect_echo(job, "operations.lines.labels", "[emergent, intrinsic]");
    job_free(job);
}

/* ---- messages ----------------------------------------------------------------------------- */

static void unknown_keys_name_the_nearest_known_one(void **state)
{
    static const struct fault faults[] = {
        { MINIMAL "emission:\n  tauv: 1\n",
          "job.yaml:5: unknown key 'tauv' in 'emission'; did you mean 'tau_v'?",
          "(known here: model, tau_v, fesc, " },
        { "catalog: c\n", "job.yaml:1: unknown key 'catalog' at the top level; did you mean 'catalogue'?",
          "schedule" },
        { MINIMAL "instruments:\n- label: a\n  resolution: 1\n",
          "job.yaml:6: unknown key 'resolution' in 'instruments[0]'", "builtin, filters, resolution_arcsec" },
        { "operations: {sfh: {labels: [a]}}\n", "job.yaml:1: unknown key 'labels' in 'operations.sfh'",
          "it has no options" },
        { "qqqqqqqqqqqqqqqqq: 1\n",
          "job.yaml:1: unknown key 'qqqqqqqqqqqqqqqqq' at the top level (known here", "" },
        { "? [a]\n: 1\n", "job.yaml:1: a key must be a word", "" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void missing_empty_and_double_keys_are_refused(void **state)
{
    static const struct fault faults[] = {
        { "\n\ngrid: g\noperations: {sfh: {}}\n", "job.yaml:3: key 'catalogue' is missing",
          "polyphony init" },
        { "catalogue: c\ngrid: g\n", "job.yaml:1: key 'operations' is missing", "" },
        { "catalogue: c\ngrid: g\noperations: {}\n", "job.yaml:3: operations: none is wanted", "sfh: {}" },
        { MINIMAL "instruments:\n- builtin: x\n", "job.yaml:5: instruments[0]: key 'label' is missing", "" },
        { "grid: g\ngrid: h\n", "job.yaml:2: key 'grid' is given twice, first on line 1", "remove one" },
        { "operations:\n  sfh: {}\n  sfh: {}\n", "job.yaml:3: key 'operations.sfh' is given twice",
          "line 2" },
        { MINIMAL "output:\n", "job.yaml:4: output: has no value", "leave the key out" },
        { MINIMAL "igm: ~\n", "job.yaml:4: igm: has no value", "" },
        { MINIMAL "igm: ''\n", "job.yaml:4: igm: has no value", "" },
        { "", "job.yaml: the file is empty", "polyphony init" },
        { "# only words\n", "job.yaml: the file is empty", "" },
        { MINIMAL "---\nthreads: 2\n", "job.yaml:5: a second document begins here", "" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void values_of_the_wrong_kind_are_refused_with_advice(void **state)
{
    static const struct fault faults[] = {
        { "operations:\n  sfh:\n", "job.yaml:2: operations.sfh: expected a mapping", "write 'sfh: {}'" },
        { "operations: [sfh, sfzh]\n",
          "job.yaml:1: operations: expected a mapping of 'key: value', not a list",
          "known here: census, los_optical_depths, " },
        { "emission: pacman\n",
          "job.yaml:1: emission: expected a mapping of 'key: value', not a single value", "model, tau_v" },
        { "operations:\n  spectra: {labels: intrinsic}\n",
          "job.yaml:2: operations.spectra.labels: expected a list", "write 'labels: [intrinsic]'" },
        { "instruments: {label: a}\n", "job.yaml:1: instruments: expected a list", "not a mapping" },
        { "instruments: [JWST]\n", "job.yaml:1: instruments[0]: expected a mapping", "label, builtin" },
        { "grid: [a]\n", "job.yaml:1: grid: expected a single value, not a list", "" },
        { "operations: {lines: {ids: [[a]]}}\n",
          "job.yaml:1: operations.lines.ids[0]: expected a single value", "" },
        { "- a\n", "job.yaml:1: expected a mapping of 'key: value', not a list", "catalogue, grid" },
        { "a: [\n", "job.yaml:2: not YAML: ", "check indentation" },
        { "a: b: c\n", "job.yaml:1: not YAML: ", "" },
        { "a: \xff\n", "job.yaml: not UTF-8 text", "byte 3" },
        { "igm: *nowhere\n", "job.yaml:1: not YAML: ", "alias" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void values_of_the_wrong_type_are_refused(void **state)
{
    static const struct fault faults[] = {
        { "threads: many\n", "job.yaml:1: threads: 'many' is not an integer", "" },
        { "threads: 1.5\n", "job.yaml:1: threads: '1.5' is not an integer", "" },
        { "threads: 010\n", "job.yaml:1: threads: '010' is not an integer", "" },
        { "threads: 3000000000\n", "job.yaml:1: threads: '3000000000' is not an integer", "" },
        { "dust_to_metal_ratio: 0.3x\n", "job.yaml:1: dust_to_metal_ratio: '0.3x' is not a finite number",
          "" },
        { "dust_to_metal_ratio: nan\n", "job.yaml:1: dust_to_metal_ratio: 'nan' is not a finite number", "" },
        { "progress: off\n", "job.yaml:1: progress: 'off' is not yes or no", "" },
        { "emission:\n  method: fats\n",
          "job.yaml:2: emission.method: 'fats' is not a choice; did you mean 'fast'?",
          "(choices: fast, direct)" },
        { "schedule: {mode: 0}\n", "job.yaml:1: schedule.mode: '0' is not a choice", "static-lpt" },
        { "operations:\n  images_flux:\n    sampling: exakt\n",
          "job.yaml:3: operations.images_flux.sampling: 'exakt' is not a choice; did you mean 'exact'?",
          "(choices: peer, exact)" },
        { "cosmology: {m_nu_ev: [0, 1]}\n",
          "job.yaml:1: cosmology.m_nu_ev: the list has 2 values, expected 3", "" },
        { "cosmology: {m_nu_ev: [0, 1, a]}\n", "job.yaml:1: cosmology.m_nu_ev[2]: 'a' is not a finite number",
          "" },
        { "operations:\n  lines:\n    labels: []\n", "job.yaml:3: operations.lines.labels: the list is empty",
          "" },
        { "operations:\n  lines:\n    labels:\n    - a\n    - b\n    - a\n",
          "job.yaml:6: operations.lines.labels[2]: 'a' is in the list twice", "" },
        { "grid: \"a\\0b\"\n", "job.yaml:1: grid: the text contains a null character", "" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void numbers_out_of_range_are_refused(void **state)
{
    static const struct fault faults[] = {
        { MINIMAL "threads: -1\n", "job.yaml:4: threads: -1 is too small; it must be >= 0", "" },
        { MINIMAL "redshift: -0.1\n", "job.yaml:4: redshift: -0.1 is too small; it must be >= 0", "" },
        { MINIMAL "redshift: z\n", "job.yaml:4: redshift: 'z' is neither 'catalogue' nor a number", "" },
        { MINIMAL "dust_to_metal_ratio: -1\n", "job.yaml:4: dust_to_metal_ratio: -1 is too small", "" },
        { MINIMAL "schedule: {max_batch_galaxies: 0}\n", "job.yaml:4: schedule.max_batch_galaxies: 0",
          ">= 1" },
        { MINIMAL "emission:\n  fesc: 1.5\n", "job.yaml:5: emission.fesc: 1.5 is too large; it must be <= 1",
          "" },
        { MINIMAL "emission:\n  fesc_ly_alpha: -1\n", "job.yaml:5: emission.fesc_ly_alpha: -1 is too small",
          "" },
        { MINIMAL "emission: {tau_v: -2}\n", "job.yaml:4: emission.tau_v: -2 is too small", "" },
        { MINIMAL "emission: {tau_v: 0.5x}\n", "job.yaml:4: emission.tau_v: '0.5x' is neither a number nor",
          "" },
        { MINIMAL "emission: {fesc: Stars/fesc}\n", "job.yaml:4: emission.fesc: 'Stars/fesc' is neither",
          "" },
        { MINIMAL "instruments:\n- {label: a, builtin: b, resolution_arcsec: 0}\n",
          "job.yaml:5: instruments[0].resolution_arcsec: 0 is too small; it must be > 0", "" },
        { "catalogue: c\ngrid: g\noperations:\n  los_optical_depths:\n    kappa_pc2_msun: 0\n",
          "job.yaml:5: operations.los_optical_depths.kappa_pc2_msun: 0 is too small; it must be > 0", "" },
        { "catalogue: c\ngrid: g\nemission: {dust_tolerance: 0.1}\noperations: {sfh: {}}\n",
          "job.yaml:3: emission.dust_tolerance: 0.1 is too large; it must be <= 0.001", "" },
        { "catalogue: c\ngrid: g\noperations:\n  images_flux:\n    fov_kpc: -60\n",
          "job.yaml:5: operations.images_flux.fov_kpc: -60 is too small; it must be > 0", "" },
        { "catalogue: c\ngrid: g\noperations:\n  images_luminosity:\n    fov_arcsec: 0\n",
          "job.yaml:5: operations.images_luminosity.fov_arcsec: 0 is too small", "" },
        { MINIMAL
          "cosmology: {name: custom, h0_km_s_mpc: 0, omega_m: 1, t_cmb_k: 0, n_eff: 0, m_nu_ev: [0, 0, 0]}\n",
          "job.yaml:4: cosmology.h0_km_s_mpc: 0 is too small; it must be > 0", "" },
        { MINIMAL "cosmology: {name: custom, h0_km_s_mpc: 70, omega_m: 1, t_cmb_k: 0, n_eff: 0, m_nu_ev: [0, "
                  "0, -1]}\n",
          "job.yaml:4: cosmology.m_nu_ev: -1 is too small", "" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void keys_that_contradict_each_other_are_refused(void **state)
{
    static const struct fault faults[] = {
        { MINIMAL "emission:\n  tau_v: los\n", "job.yaml:5: emission.tau_v: 'los' needs",
          "los_optical_depths: {}" },
        { MINIMAL "cosmology: {h0_km_s_mpc: 70}\n",
          "job.yaml:4: cosmology.h0_km_s_mpc: only with 'name: custom'", "Planck18" },
        { MINIMAL "cosmology:\n  name: custom\n  h0_km_s_mpc: 70\n",
          "job.yaml:5: cosmology.name: 'custom' needs", "cosmology.omega_m" },
        { "catalogue: c\ngrid: g\noperations:\n  images_flux: {}\n",
          "job.yaml:4: operations.images_flux: give the width", "fov_arcsec" },
        { "catalogue: c\ngrid: g\noperations:\n  images_flux: {fov_kpc: 1, fov_arcsec: 1}\n",
          "job.yaml:4: operations.images_flux: give the width", "not both" },
        { "catalogue: c\ngrid: g\ninstruments:\n- {label: a, builtin: b}\noperations: {images_flux: "
          "{fov_kpc: 1}}\n",
          "job.yaml:4: instruments[0]: instrument 'a' needs resolution_arcsec for operations.images_flux",
          "" },
        { "catalogue: c\ngrid: g\noperations:\n  photometry_fluxes:\n    instruments: [JWST.NIRCam.wide]\n",
          "job.yaml:5: operations.photometry_fluxes.instruments: no instrument has the label "
          "'JWST.NIRCam.wide'",
          "did you mean 'JWST.NIRCam.Wide'?" },
        { MINIMAL "instruments:\n- {label: a}\n", "job.yaml:5: instruments[0]: instrument 'a' needs either",
          "" },
        { MINIMAL "instruments:\n- {label: a, builtin: b, filters: [{code: c, file: f}]}\n",
          "job.yaml:5: instruments[0]: instrument 'a' needs either", "not both" },
        { MINIMAL "instruments:\n- {label: a, builtin: b}\n- {label: a, builtin: c}\n",
          "job.yaml:6: instruments[1].label: 'a' is the label of two instruments", "" },
        { MINIMAL "instruments:\n- {label: a/b, builtin: b}\n",
          "job.yaml:5: instruments[0].label: 'a/b' cannot", "" },
        { MINIMAL "instruments:\n- label: a\n  filters:\n  - {code: c, file: f}\n  - {code: c, file: g}\n",
          "job.yaml:8: instruments[0].filters[1].code: 'c' is given twice", "" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void an_instrument_without_pixels_does_for_what_draws_no_image_with_it(void **state)
{
    struct job *job =
        parse_well("catalogue: c\ngrid: g\n"
                   "instruments: [{label: a, builtin: x}, {label: b, builtin: x, resolution_arcsec: 1}]\n"
                   "operations: {photometry_fluxes: {}, images_flux: {instruments: [b], fov_kpc: 1}}\n");

    (void)state;
    assert_null(job->instruments[0].resolution_arcsec);
    job_free(job);
}

/* ---- marks and echo ----------------------------------------------------------------------- */

/* "grid: file", and with axes that are fixed. */
static void a_grid_may_have_fixed_axes(void **state)
{
    static const struct fault faults[] = {
        { "grid:\n  fix: {a: 1}\n", "job.yaml:1: grid: key 'file' is missing", "" },
        { "grid: {file: g, fux: {a: 1}}\n", "job.yaml:1: unknown key 'grid.fux'",
          "did you mean 'grid.fix'?" },
        { "grid: {file: g, file: h}\n", "job.yaml:1: unknown key 'grid.file'", "" },
        { "grid: {file: g, fix: {}}\n", "job.yaml:1: grid.fix: the list is empty", "" },
        { "grid: {file: g, fix: 0.2}\n", "job.yaml:1: grid.fix: expected a mapping of 'name: number'", "" },
        { "grid:\n  file: g\n  fix:\n    a: 1\n    b: many\n", "job.yaml:5: grid.fix.b: 'many'",
          "a finite number" },
        { "grid: {file: g, fix: {a: 1, a: 2}}\n", "job.yaml:1: key 'grid.fix.a' is given twice", "" },
        { "grid: {file: g, fix: {a: 1}, fix: {b: 2}}\n", "job.yaml:1: key 'grid.fix' is given twice", "" },
    };
    struct job *job = parse_well("catalogue: 'c: d'\n"
                                 "operations: {sfh: {}}\n"
                                 "grid:\n"
                                 "  fix: {alpha_enhancement: 0.20, 'U, log': 1e-2}\n"
                                 "  file: \"a b, c.hdf5\"\n");
    struct job_echo echo;

    (void)state;
    assert_string_equal(job->catalogue, "c: d");
    assert_string_equal(job->grid, "a b, c.hdf5");
    assert_int_equal(job->n_grid_fix, 2);
    assert_string_equal(job->grid_fix[0].name, "alpha_enhancement");
    assert_string_equal(job->grid_fix[1].name, "U, log");
    assert_true(job->grid_fix[0].value == 0.2 && job->grid_fix[1].value == 0.01);
    assert_int_equal(job_line(job, "grid.fix.alpha_enhancement"), 4);
    assert_int_equal(job_echo(job, &echo, NULL), 0);
    assert_string_equal(echo_find(&echo, "grid.fix.alpha_enhancement")->value, "0.2");
    assert_true(echo_find(&echo, "grid.fix.alpha_enhancement")->determines_numbers);
    assert_true(!echo_find(&echo, "grid")->determines_numbers);
    assert_true(job_key_determines_numbers("grid.fix.gone") && !job_key_determines_numbers("grid"));
    job_echo_free(&echo);
    job_free(job);
    EXPECT_FAULTS(faults);
}

static void keys_are_marked_given_or_default(void **state)
{
    struct job *job =
        parse_well(MINIMAL "emission:\n  fesc: 0.1\ninstruments:\n  - label: a\n    builtin: b\n");
    struct error err;

    (void)state;
    assert_int_equal(job_line(job, "catalogue"), 1);
    assert_int_equal(job_line(job, "operations.sfh"), 3);
    assert_int_equal(job_line(job, "emission"), 4);
    assert_int_equal(job_line(job, "emission.fesc"), 5);
    assert_int_equal(job_line(job, "emission.tau_v"), 0);
    assert_int_equal(job_line(job, "instruments[0]"), 7);
    assert_int_equal(job_line(job, "instruments[0].builtin"), 8);
    assert_true(job_given(job, "emission.fesc"));
    assert_false(job_given(job, "threads"));
    assert_int_equal(job_error(job, &err, "emission.fesc", "no dataset '%s'", "x"), POLYPHONY_USAGE);
    assert_string_equal(err.text, "job.yaml:5: emission.fesc: no dataset 'x'");
    job_error(job, &err, "emission.tau_v", "too dusty");
    assert_string_equal(err.text, "job.yaml: emission.tau_v (default): too dusty");
    job_free(job);
}

static void the_echo_says_what_was_given_and_what_determines_numbers(void **state)
{
    struct job *job = parse_well("catalogue: c\ngrid: g\nredshift: 0.50\nthreads: 2\n"
                                 "dust_to_metal_ratio: 0.1\n"
                                 "instruments: [{label: '1.0', filters: [{code: x/y, file: f}]}]\n"
                                 "operations: {sfh: {}, lines: {ids: ['a, b', c d]}}\n");
    static const struct job_echo_entry expected[] = {
        { "catalogue", "c", true, false },
        { "output", "results.hdf5", false, false },
        { "threads", "2", true, false },
        { "redshift", "0.5", true, true },
        { "emission.fesc_ly_alpha", "1", false, true },
        { "emission.method", "fast", false, true },
        { "dust_to_metal_ratio", "0.1", true, true },
        { "instruments[0].label", "1.0", true, true },
        { "instruments[0].filters[0].code", "x/y", true, true },
        { "instruments[0].filters[0].file", "f", true, false },
        { "operations.sfh", "{}", true, true },
        { "operations.lines.ids", "[\"a, b\", c d]", true, true },
        { "operations.lines.labels", "[all]", false, true },
        { "schedule.mode", "dynamic", false, false },
        { "progress", "yes", false, false },
    };
    struct job_echo echo;

    (void)state;
    assert_int_equal(job_echo(job, &echo, NULL), 0);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        const struct job_echo_entry *entry = echo_find(&echo, expected[i].key_path);

        assert_non_null(entry);
        assert_string_equal(entry->value, expected[i].value);
        assert_int_equal(entry->given, expected[i].given);
        assert_int_equal(entry->determines_numbers, expected[i].determines_numbers);
    }
    assert_null(echo_find(&echo, "operations.spectra.labels"));
    assert_null(echo_find(&echo, "cosmology.omega_m"));
    job_echo_free(&echo);
    assert_int_equal(echo.n, 0);
    job_free(job);
}

/* The keys below one key, with the operations of the test below theirs: "emission: {tau_v: 0.5, }". */
static void write_group(FILE *out, const struct job_echo *echo, const char *group)
{
    size_t n = strlen(group);

    fprintf(out, "%s: {", group + (strrchr(group, '.') ? strrchr(group, '.') - group + 1 : 0));
    for (size_t i = 0; i < echo->n; i++) {
        const char *key_path = echo->entries[i].key_path;

        if (!strncmp(key_path, group, n) && key_path[n] == '.' && !strchr(key_path + n + 1, '.'))
            fprintf(out, "%s: %s, ", key_path + n + 1, echo->entries[i].value);
    }
    if (!strcmp(group, "operations")) {
        write_group(out, echo, "operations.los_optical_depths");
        fputs(", ", out);
        write_group(out, echo, "operations.lines");
        fputs(", ", out);
        write_group(out, echo, "operations.images_flux");
    }
    fputs("}", out);
}

static void the_echo_reads_back_to_the_same_job(void **state)
{
    struct job *job =
        parse_well("catalogue: c\ngrid: g\ndust_to_metal_ratio: 0.30000000000000004\n"
                   "cosmology: {name: custom, h0_km_s_mpc: 67.66, omega_m: 0.30966, t_cmb_k: 2.7255,\n"
                   "  n_eff: 3.046, m_nu_ev: [0, 1e-300, 0.06]}\n"
                   "emission: {tau_v: los, fesc: 1e-3}\n"
                   "operations: {sfh: {}, los_optical_depths: {}, images_flux: {fov_arcsec: 0.1},\n"
                   "  lines: {ids: ['H 1 6562.80A', 'a, \"b\\']}}\n");
    static const char *const top[] = { "catalogue",           "grid", "output",  "threads", "redshift",
                                       "dust_to_metal_ratio", "igm",  "progress" };
    struct job_echo before, after;
    struct job *again;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    assert_int_equal(job_echo(job, &before, NULL), 0);
    for (size_t i = 0; i < sizeof(top) / sizeof(top[0]); i++)
        fprintf(out, "%s: %s\n", top[i], echo_find(&before, top[i])->value);
    write_group(out, &before, "cosmology");
    fputs("\n", out);
    write_group(out, &before, "emission");
    fputs("\n", out);
    write_group(out, &before, "schedule");
    fputs("\n", out);
    write_group(out, &before, "operations");
    fclose(out);
    again = parse_well(text);
    assert_int_equal(job_echo(again, &after, NULL), 0);
    assert_int_equal(before.n, after.n);
    for (size_t i = 0; i < before.n; i++) {
        assert_string_equal(before.entries[i].key_path, after.entries[i].key_path);
        assert_string_equal(before.entries[i].value, after.entries[i].value);
    }
    assert_true(*again->dust_to_metal_ratio == *job->dust_to_metal_ratio);
    assert_true(again->cosmology.m_nu_ev[1] == 1e-300);
    expect_echo(again, "operations.lines.ids", "[H 1 6562.80A, \"a, \\\"b\\\\\"]");
    free(text);
    job_echo_free(&before);
    job_echo_free(&after);
    job_free(job);
    job_free(again);
}

static void numbers_and_names_are_told_apart(void **state)
{
    double value = 7;

    (void)state;
    assert_true(job_is_number("-1.5e-1", &value));
    assert_true(value == -0.15);
    assert_false(job_is_number("tau_v", &value));
    assert_false(job_is_number("1 2", &value));
    assert_false(job_is_number("inf", &value));
    assert_true(value == -0.15);
}

/* ---- files -------------------------------------------------------------------------------- */

static void files_that_are_no_jobs_are_refused(void **state)
{
    char path[] = "/tmp/polyphony_job_XXXXXX";
    struct job *job = NULL;
    struct error err;
    int descriptor = mkstemp(path);

    (void)state;
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, MINIMAL, strlen(MINIMAL)), strlen(MINIMAL));
    assert_int_equal(job_load(path, job_operation_list, &job, &err), 0);
    assert_int_equal(job_line(job, "grid"), 2);
    job_free(job);
    job = NULL;
    assert_int_equal(write(descriptor, "\0", 1), 1);
    assert_int_equal(job_load(path, job_operation_list, &job, &err), POLYPHONY_USAGE);
    assert_non_null(strstr(err.text, "not text"));
    assert_int_equal(ftruncate(descriptor, 2 << 20), 0);
    assert_int_equal(job_load(path, job_operation_list, &job, &err), POLYPHONY_USAGE);
    assert_non_null(strstr(err.text, "larger than 1 MiB"));
    close(descriptor);
    unlink(path);
    assert_int_equal(job_load(path, job_operation_list, &job, &err), POLYPHONY_USAGE);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(job_load("/tmp", job_operation_list, &job, &err), POLYPHONY_USAGE);
    assert_non_null(strstr(err.text, "directory"));
    assert_null(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_template_is_a_valid_job_with_every_operation),
        cmocka_unit_test(what_is_left_out_has_the_value_of_the_template),
        cmocka_unit_test(a_minimal_job_is_complete),
        cmocka_unit_test(examples_without_default_are_not_filled_in),
        cmocka_unit_test(values_given_replace_defaults),
        cmocka_unit_test(anchors_and_aliases_are_followed),
        cmocka_unit_test(unknown_keys_name_the_nearest_known_one),
        cmocka_unit_test(missing_empty_and_double_keys_are_refused),
        cmocka_unit_test(values_of_the_wrong_kind_are_refused_with_advice),
        cmocka_unit_test(values_of_the_wrong_type_are_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(keys_that_contradict_each_other_are_refused),
        cmocka_unit_test(an_instrument_without_pixels_does_for_what_draws_no_image_with_it),
        cmocka_unit_test(a_grid_may_have_fixed_axes),
        cmocka_unit_test(keys_are_marked_given_or_default),
        cmocka_unit_test(the_echo_says_what_was_given_and_what_determines_numbers),
        cmocka_unit_test(the_echo_reads_back_to_the_same_job),
        cmocka_unit_test(numbers_and_names_are_told_apart),
        cmocka_unit_test(files_that_are_no_jobs_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
