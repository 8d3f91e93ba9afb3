/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/pipeline.h"

#include <omp.h>
#include <unistd.h>

#include "made_run.h"

#define INPUTS "catalogue: c.hdf5\ngrid: g.hdf5\n"
#define INSTRUMENTS                                                                                          \
    "instruments:\n"                                                                                         \
    "  - label: cam\n"                                                                                       \
    "    resolution_arcsec: 0.1\n"                                                                           \
    "    filters: [{code: A, file: a.txt}, {code: sub/B, file: b.txt}]\n"                                    \
    "  - {label: eye, resolution_arcsec: 0.2, filters: [{code: C, file: b.txt}]}\n"
/* Everything that differs between particles does. */
#define EMISSION "emission: {tau_v: tau_star, fesc: fesc_star, fesc_ly_alpha: fesc_ly_alpha}\n"
#define ALL                                                                                                  \
    INPUTS INSTRUMENTS                                                                                       \
        "emission: {tau_v: los, fesc: fesc_star, fesc_ly_alpha: fesc_ly_alpha}\n"                            \
        "igm: inoue14\n"                                                                                     \
        "operations:\n"                                                                                      \
        "  los_optical_depths: {write_particles: yes}\n"                                                     \
        "  sfzh: {}\n"                                                                                       \
        "  sfh: {}\n"                                                                                        \
        "  spectra: {}\n"                                                                                    \
        "  observed_spectra: {labels: [emergent]}\n"                                                         \
        "  photometry_luminosities: {}\n"                                                                    \
        "  photometry_fluxes: {labels: [intrinsic, emergent]}\n"                                             \
        "  lines: {}\n"                                                                                      \
        "  observed_lines: {labels: [nebular]}\n"                                                            \
        "  images_luminosity: {labels: [intrinsic, emergent], fov_arcsec: 3, type: smoothed}\n"              \
        "  images_flux: {instruments: [cam], labels: [emergent], fov_arcsec: 4, type: histogram}\n"

/* ---- the row --------------------------------------------------------------------------------- */

static void products_fill_the_row_without_a_gap(void **state)
{
    struct run *run = run_open(ALL);
    const struct plan *plan = run->plan;
    static const struct {
        const char *kind;
        size_t n;
    } expected[] = { { PRODUCT_ID, 1 },
                     { PRODUCT_REDSHIFT, 1 },
                     { PRODUCT_N_STAR, 1 },
                     { PRODUCT_N_GAS, 1 },
                     { PRODUCT_N_BLACK_HOLE, 1 },
                     { "Galaxies/Census/StellarMass", 1 },
                     { "Galaxies/Census/StarsWithoutLight", 1 },
                     { "Galaxies/Census/MassBelowGrid", 1 },
                     { "Galaxies/Census/MassAboveGrid", 1 },
                     { "Galaxies/Census/Extent", 1 },
                     { "Galaxies/Census/CentreDistance", 1 },
                     { "Galaxies/Census/GasBefore", 1 },
                     { "Galaxies/Census/GasBehind", 1 },
                     { "Storage/%eCensus/LuminosityOutside", 1 },
                     { "Storage/%eCensus/FluxOutside", 1 },
                     { PRODUCT_STAR_TAU, 1 },
                     { PRODUCT_BLACK_HOLE_TAU, 1 },
                     { PRODUCT_SFH, 1 },
                     { PRODUCT_SFZH, 1 },
                     { PRODUCT_LNU, 11 },
                     { PRODUCT_FNU, 1 },
                     { PRODUCT_LUMINOSITIES, 1 },
                     { PRODUCT_FLUXES, 1 },
                     { PRODUCT_LINE_LUMINOSITY, 11 },
                     { PRODUCT_LINE_CONTINUUM, 11 },
                     { PRODUCT_LINE_FLUX, 1 },
                     { PRODUCT_LINE_LAMBDA, 1 },
                     { PRODUCT_IMAGE_LUMINOSITY, 6 },
                     { PRODUCT_IMAGE_FLUX, 2 } };
    size_t end = 0, n_known = 0;

    (void)state;
    for (size_t i = 0; i < plan->n_product; i++) {
        const struct product *product = &plan->product[i];
        size_t n = 1;

        for (int axis = 0; axis < product->rank; axis++)
            n *= product->dims[axis];
        assert_int_equal(product->offset, end);
        assert_int_equal(product->n, n);
        assert_true(n > 0);
        assert_true(product->is_integer ==
                    (is_kind(product, PRODUCT_ID) || is_kind(product, PRODUCT_N_STAR) ||
                     is_kind(product, PRODUCT_N_GAS) || is_kind(product, PRODUCT_N_BLACK_HOLE)));
        end += n;
    }
    assert_int_equal(end, plan->n_value);
    for (size_t kind = 0; kind < sizeof(expected) / sizeof(*expected); kind++) {
        size_t n = 0;

        for (size_t i = 0; i < plan->n_product; i++)
            n += is_kind(&plan->product[i], expected[kind].kind);
        assert_int_equal(n, expected[kind].n);
        n_known += n;
    }
    assert_int_equal(n_known, plan->n_product);
    assert_int_equal(product_of(run, PRODUCT_FLUXES, NULL)->dims[0], 2);
    assert_int_equal(product_of(run, PRODUCT_FLUXES, NULL)->dims[1], 3);
    assert_int_equal(product_of(run, PRODUCT_IMAGE_FLUX, NULL)->dims[0], 40);
    run_close(run);
}

static void rows_are_led_by_the_galaxy(void **state)
{
    struct run *run = run_open(INPUTS "redshift: 3\noperations: {sfh: {}, los_optical_depths: {}}\n");
    double *value = run_row(run, ROW_FAR), total = 0.0, cost_s[COST_N_TERM];
    const double *sfh = value + product_of(run, PRODUCT_SFH, NULL)->offset;

    (void)state;
    assert_int_equal(integer_at(&value[product_of(run, PRODUCT_ID, NULL)->offset]), 104);
    assert_int_equal(integer_at(&value[product_of(run, PRODUCT_N_STAR, NULL)->offset]), 25);
    assert_int_equal(integer_at(&value[product_of(run, PRODUCT_N_GAS, NULL)->offset]), 6);
    assert_int_equal(integer_at(&value[product_of(run, PRODUCT_N_BLACK_HOLE, NULL)->offset]), 0);
    assert_true(value[product_of(run, PRODUCT_REDSHIFT, NULL)->offset] ==
                3.0); /* that of the job, not the file */
    for (size_t i = 0; i < 4; i++)
        total += sfh[i];
    assert_true(total > 25 * 1e4);
    assert_true(total < 25 * 1e6);
    plan_cost_guess(run->plan, 2, cost_s);
    assert_true(plan_cost_s(run->plan, ROW_LARGE, cost_s) > plan_cost_s(run->plan, ROW_FAR, cost_s));
    assert_true(plan_cost_s(run->plan, ROW_NO_STARS, cost_s) > 0);
    free(value);
    run_close(run);
}

static void each_stage_that_is_wanted_is_traced_once_a_galaxy(void **state)
{
    const char *stage_name[PLAN_STEPS_MAX + 1];
    const size_t n_stage = made_stages(stage_name);
    const struct trace_settings settings = {
        .mode = TRACE_OFF, .n_stage = n_stage, .stage_name = stage_name, .n_thread = 1, .n_rank = 1
    };
    struct run *run = run_open(INPUTS "redshift: 3\noperations: {sfh: {}, los_optical_depths: {}}\n");
    struct pipeline_settings with_trace = { 0 };
    struct pipeline *pipeline = NULL;
    struct pipeline_row row;
    struct trace *trace = NULL;
    struct trace_sums sums;
    struct error err = { "" };

    (void)state;
    assert_int_equal(trace_open(&settings, &trace, &err), 0);
    with_trace.trace = trace_thread(trace, 0);
    assert_int_equal(pipeline_open(run->plan, &with_trace, &pipeline, &err), 0);
    assert_int_equal(pipeline_run(pipeline, ROW_FAR, &row, &err), 0);
    trace_end_galaxy(trace_thread(trace, 0));
    trace_sum(trace, &sums);
    for (size_t s = 0; s < n_stage; s++) {
        bool is_wanted = !strcmp(stage_name[s], "Reading") || !strcmp(stage_name[s], "Census") ||
                         !strcmp(stage_name[s], "LOS optical depths") || !strcmp(stage_name[s], "SFH");

        assert_int_equal(sums.count[s], is_wanted);
    }
    assert_int_equal(sums.n_galaxy, 1);
    pipeline_close(pipeline);
    trace_close(trace);
    run_close(run);
}

/* The spectra of a row against the plain loop over the stars of the file. */
static void spectra_are_the_plain_loop_over_the_catalogue(void **state)
{
    struct run *run = run_open(INPUTS EMISSION "operations: {spectra: {}}\n");
    double *value = run_row(run, ROW_FIRST), star[N_MADE_LAMBDA];
    struct plan *plan = run->plan;
    struct arena arena = { 0 };
    struct galaxy galaxy;
    struct observe_parameter parameter[PARAMETER_MAX] = { 0 };

    (void)state;
    assert_int_equal(catalogue_read(plan->catalogue, ROW_FIRST, &arena, &galaxy, NULL), 0);
    for (size_t p = 0; p < parameter_count(); p++) {
        size_t c = plan->parameter[p].i_catalogue;

        parameter[p] =
            (struct observe_parameter) { galaxy.parameter[c],
                                         galaxy.particles[STARS].field[FIELD_PARAMETER + c], NULL };
    }
    assert_true(parameter[FESC_LY_ALPHA].value == 0.25);
    for (size_t l = 0; l < plan->program.n_label; l++) {
        const char *label = plan->program.label[l].name;
        double expected[N_MADE_LAMBDA] = { 0 };

        for (size_t i = 0; i < galaxy.particles[STARS].n; i++) {
            plain_star(&galaxy, i, &plan->program, &plan->spectra, parameter, label, star);
            for (size_t j = 0; j < N_MADE_LAMBDA; j++)
                expected[j] += star[j];
        }
        /* 40 stars in another order; nebular - linecont of the file rounds at 1e-16 of the largest, a line. */
        assert_all_near(label, N_MADE_LAMBDA, value + product_of(run, PRODUCT_LNU, label)->offset, expected,
                        1e-13);
    }
    arena_free(&arena);
    free(value);
    run_close(run);
}

static void fluxes_are_observed_spectra_through_filters(void **state)
{
    struct run *run = run_open(ALL);
    double *value = run_row(run, ROW_FAR), through[3];
    const double *fnu = value + product_of(run, PRODUCT_FNU, "emergent")->offset;
    const struct plan *plan = run->plan;
    struct arena arena = { 0 };
    struct band band[3];

    (void)state;
    for (size_t f = 0; f < 3; f++)
        assert_int_equal(band_make(f < 2 ? &plan->instrument[0].filter[f] : &plan->instrument[1].filter[0],
                                   BAND_OBSERVED, 2.0, N_MADE_LAMBDA, plan->grid->lambda_rest_angstrom,
                                   &arena, &band[f], NULL),
                         0);
    observe_bands(3, band, fnu, through);
    assert_true(through[0] > 0);
    assert_true(through[1] > 0);
    /* The labels are in the order of the list: emergent is the second row of fluxes. */
    assert_same_bits("fluxes", 3, value + product_of(run, PRODUCT_FLUXES, NULL)->offset + 3, through);
    arena_free(&arena);
    free(value);
    run_close(run);
}

static void images_hold_the_light_of_the_photometry(void **state)
{
    struct run *run =
        run_open(INPUTS INSTRUMENTS EMISSION
                 "operations:\n"
                 "  photometry_luminosities: {labels: [escaped, emergent]}\n"
                 "  photometry_fluxes: {labels: [escaped, emergent]}\n"
                 "  images_luminosity: {labels: [escaped, emergent], fov_kpc: 16, type: histogram}\n"
                 "  images_flux: {labels: [escaped, emergent], fov_kpc: 16, type: smoothed}\n"
                 "redshift: 1\n");
    double *value = run_row(run, ROW_FIRST);
    const double *photometry[2] = { value + product_of(run, PRODUCT_LUMINOSITIES, NULL)->offset,
                                    value + product_of(run, PRODUCT_FLUXES, NULL)->offset };
    size_t n_image = 0;

    (void)state;
    for (size_t i = 0; i < run->plan->n_product; i++) {
        const struct product *product = &run->plan->product[i];
        bool is_flux = is_kind(product, PRODUCT_IMAGE_FLUX);
        size_t label, filter;
        double sum = 0.0, expected;

        if (!is_flux && !is_kind(product, PRODUCT_IMAGE_LUMINOSITY))
            continue;
        for (size_t pixel = 0; pixel < product->n; pixel++)
            sum += value[product->offset + pixel];
        label = !strcmp(run->plan->program.label[product->i_label].name, "emergent");
        filter = product->i_instrument ? 2 : product->i_filter;
        expected = photometry[is_flux][label * 3 + filter];
        /* Every star is within 16 kpc: points exactly, discs of less than a pixel to 2e-2. */
        assert_near(sum, expected, (is_flux ? 2e-2 : 1e-12) * expected);
        n_image++;
    }
    assert_int_equal(n_image, 12);
    free(value);
    run_close(run);
}

static void exact_images_hold_the_light_of_the_photometry(void **state)
{
    struct run *run = run_open(INPUTS INSTRUMENTS EMISSION
                               "operations:\n"
                               "  photometry_fluxes: {labels: [emergent]}\n"
                               "  images_luminosity: {labels: [emergent], fov_kpc: 60}\n"
                               "  images_flux: {labels: [emergent], fov_kpc: 60, sampling: exact}\n"
                               "redshift: 1\n");
    double *value = run_row(run, ROW_FIRST);
    const double *photometry = value + product_of(run, PRODUCT_FLUXES, NULL)->offset;
    size_t n_image = 0;

    (void)state;
    assert_int_equal(run->plan->n_image_set, 4); /* two widths of pixels, two ways */
    for (size_t i = 0; i < run->plan->n_product; i++) {
        const struct product *product = &run->plan->product[i];
        double sum = 0.0, expected = photometry[product->i_instrument ? 2 : product->i_filter];

        if (!is_kind(product, PRODUCT_IMAGE_FLUX))
            continue;
        for (size_t pixel = 0; pixel < product->n; pixel++)
            sum += value[product->offset + pixel];
        assert_near(sum, expected, 1e-10 * expected); /* what docs/physics.md 11 promises */
        n_image++;
    }
    assert_int_equal(n_image, 3);
    free(value);
    run_close(run);
}

/* ---- subsets --------------------------------------------------------------------------------- */

static void a_subset_of_labels_has_the_values_of_all(void **state)
{
    struct run *all = run_open(INPUTS EMISSION "operations: {spectra: {}, lines: {}}\n");
    struct run *some =
        run_open(INPUTS EMISSION
                 "operations: {spectra: {labels: [intrinsic, escaped]}, lines: {labels: [nebular]}}\n");
    double *of_all = run_row(all, ROW_FIRST), *of_some = run_row(some, ROW_FIRST);
    static const char *const label[] = { "intrinsic", "escaped" };

    (void)state;
    assert_int_equal(some->plan->n_product, 9 + 2 + 2); /* four of the census */
    for (size_t l = 0; l < 2; l++) {
        assert_string_equal(some->plan->program.label[some->plan->product[9 + l].i_label].name, label[l]);
        assert_same_bits(label[l], N_MADE_LAMBDA, of_some + product_of(some, PRODUCT_LNU, label[l])->offset,
                         of_all + product_of(all, PRODUCT_LNU, label[l])->offset);
    }
    assert_same_bits("lines", 3, of_some + product_of(some, PRODUCT_LINE_LUMINOSITY, "nebular")->offset,
                     of_all + product_of(all, PRODUCT_LINE_LUMINOSITY, "nebular")->offset);
    free(of_all);
    free(of_some);
    run_close(all);
    run_close(some);
}

static void lines_come_in_the_order_of_their_list(void **state)
{
    static const char *const kinds[] = { PRODUCT_LINE_LUMINOSITY, PRODUCT_LINE_CONTINUUM, PRODUCT_LINE_FLUX,
                                         PRODUCT_LINE_LAMBDA };
    struct run *all = run_open(INPUTS EMISSION "operations: {lines: {}, observed_lines: {}}\n");
    struct run *two = run_open(INPUTS EMISSION "operations:\n  lines: {ids: [H 1 6562.80A, H 1 1215.67A]}\n"
                                               "  observed_lines: {ids: [H 1 6562.80A, H 1 1215.67A]}\n");
    double *of_all = run_row(all, ROW_FAR), *of_two = run_row(two, ROW_FAR);

    (void)state;
    assert_int_equal(two->plan->n_line, 2);
    for (size_t k = 0; k < 4; k++)
        for (size_t i = 0; i < two->plan->n_product; i++) {
            const struct product *product = &two->plan->product[i];
            const char *label = two->plan->program.label[product->i_label].name;
            const double *from, *to = of_two + product->offset;

            if (!is_kind(product, kinds[k]))
                continue;
            from = of_all + product_of(all, kinds[k], label)->offset;
            /* So few columns are each evaluated themselves: no interpolation, the same products and order. */
            assert_same_bits("Halpha", 1, &to[0], &from[2]);
            assert_same_bits("Lyalpha", 1, &to[1], &from[0]);
        }
    assert_near(of_two[product_of(two, PRODUCT_LINE_LAMBDA, NULL)->offset], 3 * 6562.8,
                1e-9); /* rounding of 2e4 */
    free(of_all);
    free(of_two);
    run_close(all);
    run_close(two);
}

static void line_fluxes_are_luminosities_over_the_sphere(void **state)
{
    struct run *run =
        run_open(INPUTS EMISSION "operations: {lines: {}, observed_lines: {labels: [emergent]}}\n");
    double *value = run_row(run, ROW_FAR), expected[3];
    const double *luminosity = value + product_of(run, PRODUCT_LINE_LUMINOSITY, "emergent")->offset;
    struct distances distances;

    (void)state;
    assert_int_equal(cosmology_distances(&COSMOLOGY_PLANCK18, 2.0, &distances, NULL), 0);
    for (size_t i = 0; i < 3; i++)
        expected[i] = luminosity[i] / (4 * M_PI * pow(distances.luminosity_distance_cm, 2));
    assert_true(expected[2] > 0);
    assert_all_near("flux", 3, value + product_of(run, PRODUCT_LINE_FLUX, "emergent")->offset, expected,
                    1e-14);
    free(value);
    run_close(run);
}

/* From tables of bands where no spectra are wanted, from the spectra where they are. */
static void photometry_does_not_depend_on_what_else_is_asked_for(void **state)
{
#define PHOTOMETRY                                                                                           \
    "operations:\n"                                                                                          \
    "  photometry_luminosities: {labels: [emergent, nebular_line, intrinsic]}\n"                             \
    "  photometry_fluxes: {labels: [transmitted, emergent]}\n"
    static const char *const kinds[] = { PRODUCT_LUMINOSITIES, PRODUCT_FLUXES };
    static const char *const emission[] = { EMISSION, "emission: {tau_v: tau_star, fesc: 0.2}\n",
                                            "emission: {tau_v: 0.7, fesc: fesc_star}\nigm: inoue14\n",
                                            "emission: {tau_v: 0.7, fesc: 0.1, fesc_ly_alpha: 0.3}\n" };

    (void)state;
    for (size_t e = 0; e < sizeof(emission) / sizeof(*emission); e++) {
        char job[2048], job_with[2048];
        struct run *alone, *with;
        double *of_alone, *of_with;

        text_format(job, sizeof(job), INPUTS INSTRUMENTS "%s" PHOTOMETRY, emission[e]);
        text_format(job_with, sizeof(job_with),
                    INPUTS INSTRUMENTS "%s" PHOTOMETRY "  spectra: {}\n  observed_spectra: {}\n  lines: {}\n",
                    emission[e]);
        alone = run_open(job);
        with = run_open(job_with);
        of_alone = run_row(alone, ROW_FIRST);
        of_with = run_row(with, ROW_FIRST);
        for (size_t k = 0; k < 2; k++) {
            const struct product *product = product_of(alone, kinds[k], NULL);
            const double *value = of_alone + product->offset;
            const double *expected = of_with + product_of(with, kinds[k], NULL)->offset;

            assert_int_equal(product->n, (k ? 2 : 3) * 3);
            for (size_t i = 0; i < product->n; i++) { /* sums of the same positive terms in another order */
                assert_true(value[i] > 0 || expected[i] == 0.0);
                assert_near(value[i], expected[i], 1e-12 * expected[i]);
            }
        }
        free(of_alone);
        free(of_with);
        run_close(alone);
        run_close(with);
    }
}

/* Luminosities and fluxes on the same pixels are made together; the bits are those of each alone. */
static void images_do_not_depend_on_what_else_is_asked_for(void **state)
{
#define LUMINOSITY_IMAGES                                                                                    \
    "  images_luminosity: {labels: [intrinsic, emergent], fov_arcsec: 3, type: smoothed}\n"
#define FLUX_IMAGES "  images_flux: {labels: [nebular, emergent], fov_arcsec: 3, type: smoothed}\n"
    struct run *both = run_open(INPUTS INSTRUMENTS EMISSION "operations:\n" LUMINOSITY_IMAGES FLUX_IMAGES);
    struct run *alone[] = { run_open(INPUTS INSTRUMENTS EMISSION "operations:\n" LUMINOSITY_IMAGES),
                            run_open(INPUTS INSTRUMENTS EMISSION "operations:\n" FLUX_IMAGES) };
    double *of_both = run_row(both, ROW_FIRST);

    (void)state;
    assert_int_equal(both->plan->n_image_set, 2); /* two widths of pixels */
    for (size_t k = 0; k < 2; k++) {
        double *of_alone = run_row(alone[k], ROW_FIRST);
        const struct product *of_kind =
            product_of(both, k ? PRODUCT_IMAGE_FLUX : PRODUCT_IMAGE_LUMINOSITY, NULL);
        const struct product *other =
            product_of(alone[k], k ? PRODUCT_IMAGE_FLUX : PRODUCT_IMAGE_LUMINOSITY, NULL);
        size_t n = alone[k]->plan->n_value - other->offset;

        assert_true(largest_of(n, of_alone + other->offset) > 0);
        assert_same_bits("images", n, of_both + of_kind->offset, of_alone + other->offset);
        free(of_alone);
        run_close(alone[k]);
    }
    free(of_both);
    run_close(both);
}

/* ---- galaxies of all sorts ------------------------------------------------------------------- */

static void a_galaxy_without_stars_is_a_row_of_zeros(void **state)
{
    struct run *run = run_open(ALL);
    double *value = run_row(run, ROW_NO_STARS);

    (void)state;
    for (size_t i = 0; i < run->plan->n_product; i++) {
        const struct product *product = &run->plan->product[i];
        bool is_about_it = product->is_integer || is_kind(product, PRODUCT_REDSHIFT) ||
                           is_kind(product, PRODUCT_LINE_LAMBDA);

        for (size_t j = 0; !is_about_it && j < product->n; j++)
            assert_true(value[product->offset + j] == 0.0);
    }
    assert_int_equal(integer_at(value + product_of(run, PRODUCT_N_GAS, NULL)->offset), 5);
    free(value);
    run_close(run);
}

static void one_star_without_gas_is_observed(void **state)
{
    struct run *run = run_open(ALL);
    double *value = run_row(run, ROW_ONE_STAR);
    const double *tau = value + product_of(run, PRODUCT_STAR_TAU, NULL)->offset;
    const double *intrinsic = value + product_of(run, PRODUCT_LNU, "intrinsic")->offset;

    (void)state;
    assert_true(tau[0] == 0.0);
    assert_true(tau[1] == 0.0);
    assert_true(tau[2] == 0.0);
    assert_true(intrinsic[100] > 0);
    /* No dust: emergent is intrinsic, but for the order of its sums. */
    assert_all_near("emergent", N_MADE_LAMBDA, value + product_of(run, PRODUCT_LNU, "emergent")->offset,
                    intrinsic, 1e-14);
    free(value);
    run_close(run);
}

static void optical_depths_are_summarised_and_handed_out(void **state)
{
    struct run *run = run_open(ALL);
    struct pipeline_row row;
    double sum = 0.0, most = 0.0;
    const double *star, *black_hole;

    (void)state;
    assert_int_equal(pipeline_run(run->pipeline, ROW_FIRST, &row, NULL), 0);
    assert_int_equal(row.n_star, 40);
    assert_int_equal(row.n_black_hole, 2);
    star = row.value + product_of(run, PRODUCT_STAR_TAU, NULL)->offset;
    black_hole = row.value + product_of(run, PRODUCT_BLACK_HOLE_TAU, NULL)->offset;
    for (size_t i = 0; i < 40; i++)
        most = fmax(most, row.star_tau[i]);
    for (size_t i = 0; i < 2; i++)
        sum += row.black_hole_tau[i];
    assert_true(most > 0);
    assert_true(star[2] == most);
    assert_true(star[0] > 0);
    assert_true(star[0] < most);
    assert_true(star[1] <= most);
    assert_true(black_hole[0] == sum / 2);
    assert_true(black_hole[1] == 0.5 * sum);
    assert_true(black_hole[2] == fmax(row.black_hole_tau[0], row.black_hole_tau[1]));
    run_close(run);
}

static void a_galaxy_set_aside_leaves_no_trace_on_the_next(void **state)
{
    struct run *run = run_open(ALL);
    double *fresh = run_once(ALL, ROW_SECOND), *after;
    struct pipeline_row row = { 0 };
    struct error err = { "" };

    (void)state;
    free(run_row(run, ROW_LARGE));
    assert_int_equal(pipeline_run(run->pipeline, ROW_BAD, &row, &err), POLYPHONY_SET_ASIDE);
    assert_string_equal(row.stage, "Grid weights");
    assert_text_has(
        err.text,
        "galaxy 103: model parameter 'fesc' (fesc_star) of particle 5 is 1.2, must be within 0 to 1");
    after = run_row(run, ROW_SECOND);
    assert_same_bits("row", run->plan->n_value, after, fresh);
    free(fresh);
    free(after);
    run_close(run);
}

static void another_redshift_changes_the_frame(void **state)
{
    static const enum made_row rows[] = { ROW_FIRST, ROW_FAR, ROW_SECOND, ROW_FAR };
    /* The second one has its photometry from tables that depend on nothing but redshift. */
    static const char *const jobs[] = { ALL, INPUTS INSTRUMENTS
                                        "emission: {tau_v: 0.7, fesc: 0.1}\noperations:\n"
                                        "  photometry_luminosities: {}\n"
                                        "  photometry_fluxes: {}\n"
                                        "  images_luminosity: {labels: [emergent], fov_arcsec: 3}\n"
                                        "  images_flux: {labels: [emergent], fov_arcsec: 3}\n" };

    (void)state;
    for (size_t j = 0; j < 2; j++) {
        struct run *run = run_open(jobs[j]);

        for (size_t i = 0; i < 4; i++) {
            double *fresh = run_once(jobs[j], rows[i]), *value = run_row(run, rows[i]);

            assert_same_bits("row", run->plan->n_value, value, fresh);
            free(fresh);
            free(value);
        }
        run_close(run);
    }
}

static void memory_is_constant_after_the_largest_galaxy(void **state)
{
    struct run *run = run_open(ALL);
    size_t peak;

    (void)state;
    free(run_row(run, ROW_FAR));
    free(run_row(run, ROW_LARGE));
    peak = pipeline_peak_bytes(run->pipeline);
    assert_true(peak > 0);
    for (size_t turn = 0; turn < 3; turn++) {
        free(run_row(run, ROW_LARGE));
        free(run_row(run, ROW_FAR));
        free(run_row(run, ROW_NO_STARS));
        assert_int_equal(pipeline_peak_bytes(run->pipeline), peak);
    }
    run_close(run);
}

static void rows_have_the_same_bits_for_any_threads(void **state)
{
    static const int n_thread[] = { 2, 8 };
    size_t n_value;

    (void)state;
    for (size_t row = 0; row < N_MADE_GALAXY; row++) {
        struct run *run = run_open(ALL);
        double *one;

        n_value = run->plan->n_value;
        if (row == ROW_BAD) {
            run_close(run);
            continue;
        }
        omp_set_num_threads(1);
        one = run_row(run, row);
        for (size_t i = 0; i < 2; i++) {
            double *many;

            omp_set_num_threads(n_thread[i]);
            many = run_row(run, row);
            assert_same_bits("row", n_value, many, one);
            free(many);
        }
        free(one);
        run_close(run);
    }
}

static int enter_inputs(void **state)
{
    static char directory[] = "/tmp/test_pipeline_XXXXXX";

    if (!mkdtemp(directory) || chdir(directory))
        return -1;
    made_grid_write("g.hdf5");
    made_catalogue_write("c.hdf5", true);
    made_filter_write("a.txt", 4000, 7000);
    made_filter_write("b.txt", 6000, 12000);
    *state = directory;
    return 0;
}

static int leave_inputs(void **state)
{
    return unlink("g.hdf5") || unlink("c.hdf5") || unlink("a.txt") || unlink("b.txt") || chdir("/") ||
           rmdir(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_fill_the_row_without_a_gap),
        cmocka_unit_test(rows_are_led_by_the_galaxy),
        cmocka_unit_test(each_stage_that_is_wanted_is_traced_once_a_galaxy),
        cmocka_unit_test(spectra_are_the_plain_loop_over_the_catalogue),
        cmocka_unit_test(fluxes_are_observed_spectra_through_filters),
        cmocka_unit_test(images_hold_the_light_of_the_photometry),
        cmocka_unit_test(exact_images_hold_the_light_of_the_photometry),
        cmocka_unit_test(a_subset_of_labels_has_the_values_of_all),
        cmocka_unit_test(lines_come_in_the_order_of_their_list),
        cmocka_unit_test(line_fluxes_are_luminosities_over_the_sphere),
        cmocka_unit_test(photometry_does_not_depend_on_what_else_is_asked_for),
        cmocka_unit_test(images_do_not_depend_on_what_else_is_asked_for),
        cmocka_unit_test(a_galaxy_without_stars_is_a_row_of_zeros),
        cmocka_unit_test(one_star_without_gas_is_observed),
        cmocka_unit_test(optical_depths_are_summarised_and_handed_out),
        cmocka_unit_test(a_galaxy_set_aside_leaves_no_trace_on_the_next),
        cmocka_unit_test(another_redshift_changes_the_frame),
        cmocka_unit_test(memory_is_constant_after_the_largest_galaxy),
        cmocka_unit_test(rows_have_the_same_bits_for_any_threads),
    };

    return cmocka_run_group_tests_name("pipeline", tests, enter_inputs, leave_inputs);
}
