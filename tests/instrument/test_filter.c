/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Filter curves and band averages: the two conventions of interpolation, and the reference values of
 * test_vectors.json, key photometry (spectrum and curves are rebuilt from their formulae).
 */
#include "polyphony/instrument.h"

#include <math.h>

#include "polyphony/cosmology.h"
#include "polyphony/units.h"

#include "../files.h"

enum { N_LAMBDA = 241 };

static void assert_close(double got, double expected, double relative)
{
    if (!(fabs(got - expected) <= relative * fabs(expected)))
        fail_msg("got %.17g, expected %.17g: %.3g apart, %.3g allowed", got, expected, got / expected - 1,
                 relative);
}

/* ---- top hats and pivots ----------------------------------------------------------------------- */

static struct filter make_top_hat(double low, double high)
{
    struct filter filter = { 0 };
    struct error err = { "" };

    EXPECT_OK(filter_top_hat("TH", low, high, &filter, &err), err);
    return filter;
}

static void a_top_hat_is_one_inside_and_zero_outside(void **state)
{
    struct filter filter = make_top_hat(5000, 6000);
    size_t n_open = 0;

    (void)state;
    /* test_vectors.json, photometry.tophat_original_grid: first, last, points, points with T = 1 */
    assert_true(filter.lambda_angstrom[0] == 4000);
    assert_true(filter.lambda_angstrom[999] == 7000);
    assert_true(filter.n == 1000);
    for (size_t i = 0; i < filter.n; i++) {
        double lambda = filter.lambda_angstrom[i];

        assert_true(filter.transmission[i] == (lambda > 5000 && lambda <= 6000 ? 1 : 0));
        n_open += filter.transmission[i] > 0;
    }
    assert_int_equal(n_open, 333);
    filter_free(&filter);
    filter = make_top_hat(500, 800); /* the margin ends at 0 */
    assert_true(filter.lambda_angstrom[0] == 0);
    assert_true(filter.lambda_angstrom[999] == 1800);
    filter_free(&filter);
}

static struct filter make_gauss(void)
{
    struct filter filter = { .code = "gen", .n = 21 };

    filter.lambda_angstrom = mem_array(filter.n, sizeof(double));
    filter.transmission = mem_array(filter.n, sizeof(double));
    for (size_t i = 0; i < filter.n; i++) {
        double lambda = 4000 + 100 * (double)i;

        filter.lambda_angstrom[i] = lambda;
        filter.transmission[i] = i > 0 && i + 1 < filter.n ? exp(-0.5 * pow((lambda - 5000) / 300, 2)) : 0;
    }
    return filter;
}

static void pivots_agree_with_the_reference_and_with_the_integral(void **state)
{
    struct filter top_hat = make_top_hat(5000, 6000), gauss = make_gauss();
    double low = 20000, high = 30000, step = (high - low + 2000) / 999;
    struct filter wide = make_top_hat(low, high);

    (void)state;
    /* test_vectors.json, photometry.props_TH.pivot and props_gen.pivot; 1000 additions round to ~1e-14 */
    assert_close(filter_pivot_angstrom(&top_hat), 5493.905882393952, 1e-13);
    assert_close(filter_pivot_angstrom(&gauss), 4991.078667699553, 1e-13);
    /* int lambda / int 1/lambda of a box; its edges are sampled, so each may be off by one step */
    assert_close(filter_pivot_angstrom(&wide), sqrt((high * high - low * low) / 2 / log(high / low)),
                 step / low);
    filter_free(&top_hat);
    filter_free(&gauss);
    filter_free(&wide);
}

/* ---- band averages ----------------------------------------------------------------------------- */

static void make_spectrum(double lambda[N_LAMBDA], double lnu[N_LAMBDA])
{
    for (size_t i = 0; i < N_LAMBDA; i++) {
        lambda[i] = 3000 + 25 * (double)i;
        lnu[i] = 1e28 * (1 + 0.3 * sin(lambda[i] / 500)) / (lambda[i] / 5000);
    }
}

static double band_apply(const struct band *band, const double *spectrum)
{
    double sum = 0.0;

    for (size_t j = 0; j < band->n; j++)
        sum += band->weight[j] * spectrum[band->first + j];
    return sum;
}

/* The integral of T dnu / nu that the weights were divided by, from the weight of one inner wavelength. */
static double denominator(const struct filter *filter, enum band_frame frame, double redshift,
                          const double *lambda, const struct band *band)
{
    size_t j = band->n / 2, i = band->first + j;
    double t[N_LAMBDA], nu[3];

    filter_on_grid(filter, frame, redshift, N_LAMBDA, lambda, t);
    for (size_t k = 0; k < 3; k++)
        nu[k] = 1 / lambda[i + k - 1]; /* any unit: it cancels */
    return 0.5 * (nu[0] - nu[2]) * t[i] / nu[1] / band->weight[j];
}

static void bands_agree_with_the_reference_in_the_rest_frame(void **state)
{
    /* test_vectors.json, photometry: rest_photo_lnu_float64_equivalent, denominators, starts, ends */
    static const double expected[2] = { 6.795575343093693e+27, 8.86094858228892e+27 };
    static const double expected_denominator[2] = { -0.17733463117627726, -0.15071352890559664 };
    static const size_t first[2] = { 81, 41 }, last[2] = { 120, 119 };
    struct filter filter[2] = { make_top_hat(5000, 6000), make_gauss() };
    double lambda[N_LAMBDA], lnu[N_LAMBDA];
    struct arena arena = { 0 };

    (void)state;
    make_spectrum(lambda, lnu);
    for (size_t f = 0; f < 2; f++) {
        struct error err = { "" };
        struct band band;

        EXPECT_OK(band_make(&filter[f], BAND_REST, 0, N_LAMBDA, lambda, &arena, &band, &err), err);
        assert_int_equal(band.first, first[f]);
        assert_int_equal(band.first + band.n - 1, last[f]);
        /* sums of less than 100 terms in another order: ~1e-15 */
        assert_close(band_apply(&band, lnu), expected[f], 1e-14);
        /* the reference integrates over descending frequencies, hence its sign */
        assert_close(denominator(&filter[f], BAND_REST, 0, lambda, &band), -expected_denominator[f], 1e-13);
        filter_free(&filter[f]);
    }
    arena_free(&arena);
}

static void bands_agree_with_the_reference_in_the_observed_frame(void **state)
{
    /* test_vectors.json, photometry: obs_photo_fnu_float64_equivalent [nJy], obs_denominators, z */
    static const double expected[2] = { 124783.31818223334, 174382.1693276951 };
    static const double expected_denominator[2] = { -0.1770728821413896, -0.15073832165624612 };
    const double redshift = 0.05;
    struct filter filter[2] = { make_top_hat(5000, 6000), make_gauss() };
    double lambda[N_LAMBDA], lnu[N_LAMBDA], d_l_cm, njy;
    struct cosmology cosmology;
    struct distances distances;
    struct arena arena = { 0 };
    struct error err = { "" };

    (void)state;
    make_spectrum(lambda, lnu);
    EXPECT_OK(cosmology_find("Planck18", &cosmology, &err), err);
    EXPECT_OK(cosmology_distances(&cosmology, redshift, &distances, &err), err);
    d_l_cm = distances.luminosity_distance_cm;
    njy = (1 + redshift) / (4 * M_PI * d_l_cm * d_l_cm) * 1e32; /* 1 erg/s/cm^2/Hz = 1e32 nJy */
    for (size_t f = 0; f < 2; f++) {
        struct band band;

        EXPECT_OK(band_make(&filter[f], BAND_OBSERVED, redshift, N_LAMBDA, lambda, &arena, &band, &err), err);
        /* twice the error of the distance, 1e-12 (cosmology.h), and sums of 100 terms */
        assert_close(band_apply(&band, lnu) * njy, expected[f], 3e-12);
        assert_close(denominator(&filter[f], BAND_OBSERVED, redshift, lambda, &band),
                     -expected_denominator[f], 1e-13);
        filter_free(&filter[f]);
    }
    arena_free(&arena);
}

static void a_flat_spectrum_has_its_own_value_in_any_band(void **state)
{
    static const double redshift[] = { 0, 0.3, 0.5 };
    double lambda[N_LAMBDA], lnu[N_LAMBDA];
    struct filter filter[3] = { make_top_hat(5000, 6000), make_gauss(), make_top_hat(3000, 3100) };
    struct arena arena = { 0 };

    (void)state;
    make_spectrum(lambda, lnu);
    for (size_t i = 0; i < N_LAMBDA; i++)
        lnu[i] = 42;
    for (size_t f = 0; f < 3; f++) {
        for (size_t z = 0; z < 3; z++) {
            struct error err = { "" };
            struct band band;

            EXPECT_OK(band_make(&filter[f], z ? BAND_OBSERVED : BAND_REST, redshift[z], N_LAMBDA, lambda,
                                &arena, &band, &err),
                      err);
            if (f == 2 && z) /* at 3100 angstrom and redshift 0.3 nothing of the grid is left */
                assert_true(band.n == 0 && band_apply(&band, lnu) == 0);
            else
                assert_close(band_apply(&band, lnu), 42, 1e-14); /* weights that sum to 1 */
            for (size_t j = 0; j < band.n; j++)
                assert_true(band.weight[j] >= 0);
        }
        filter_free(&filter[f]);
    }
    arena_free(&arena);
}

/* S = nu: int T dnu / int T dnu/nu of a box is (nu_high - nu_low) / ln(nu_high / nu_low). */
static void a_linear_spectrum_has_the_mean_of_the_integral(void **state)
{
    enum { N_FINE = 20001 };
    double *lambda = mem_array(N_FINE, sizeof(double)), *nu = mem_array(N_FINE, sizeof(double));
    struct filter filter = { .code = "box", .n = 2 };
    struct arena arena = { 0 };
    struct error err = { "" };
    struct band band;

    (void)state;
    for (size_t i = 0; i < N_FINE; i++) {
        lambda[i] = 4000 + 0.1 * (double)i;
        nu[i] = UNITS_LIGHT_SPEED_ANGSTROM_S / lambda[i];
    }
    filter.lambda_angstrom = (double[]) { lambda[5000], lambda[15000] };
    filter.transmission = (double[]) { 1, 1 };
    EXPECT_OK(band_make(&filter, BAND_REST, 0, N_FINE, lambda, &arena, &band, &err), err);
    assert_true(band.first == 5000);
    assert_true(band.n == 10001);
    /* trapezoids of 10^4 cells: errors of ~(0.1/5000)^2 = 4e-10 at most */
    assert_close(band_apply(&band, nu), (nu[5000] - nu[15000]) / log(nu[5000] / nu[15000]), 1e-9);
    free(lambda);
    free(nu);
    arena_free(&arena);
}

static void a_band_outside_the_grid_gives_nothing(void **state)
{
    static const double place[][2] = { { 20000, 30000 }, { 500, 1500 } };
    double lambda[N_LAMBDA], lnu[N_LAMBDA];
    struct arena arena = { 0 };

    (void)state;
    make_spectrum(lambda, lnu);
    for (size_t i = 0; i < 2; i++) {
        struct filter filter = make_top_hat(place[i][0], place[i][1]);
        struct error err = { "" };
        struct band band = { .n = 5 };

        EXPECT_OK(band_make(&filter, BAND_REST, 0, N_LAMBDA, lambda, &arena, &band, &err), err);
        assert_int_equal(band.n, 0);
        assert_true(band_apply(&band, lnu) == 0);
        filter_free(&filter);
    }
    arena_free(&arena);
}

/* ---- curves that the grid does not resolve ----------------------------------------------------------- */

/* int S T dlambda / lambda over int T dlambda / lambda by 10^5 midpoints: S linear between the grid's
 * wavelengths, T between the curve's, in wavelength or in frequency. */
static double integral_of(const struct filter *filter, enum band_frame frame, double redshift,
                          const double *lambda, const double *spectrum)
{
    enum { N_STEP = 100000 };
    double stretch = frame == BAND_REST ? 1 : 1 + redshift, above = 0, below = 0;
    double low = fmax(filter->lambda_angstrom[0], lambda[0] * stretch);
    double high = fmin(filter->lambda_angstrom[filter->n - 1], lambda[N_LAMBDA - 1] * stretch);
    size_t i = 0, j = 0;

    for (size_t k = 0; k < N_STEP; k++) {
        double x = low + (high - low) * ((double)k + 0.5) / N_STEP, t, s;

        while (filter->lambda_angstrom[i + 1] < x)
            i++;
        while (lambda[j + 1] * stretch < x)
            j++;
        t = (x - filter->lambda_angstrom[i]) / (filter->lambda_angstrom[i + 1] - filter->lambda_angstrom[i]);
        if (frame == BAND_OBSERVED)
            t *= filter->lambda_angstrom[i + 1] / x;
        t = filter->transmission[i] + (filter->transmission[i + 1] - filter->transmission[i]) * t;
        s = (x / stretch - lambda[j]) / (lambda[j + 1] - lambda[j]);
        s = spectrum[j] + (spectrum[j + 1] - spectrum[j]) * s;
        above += s * t / x;
        below += t / x;
    }
    return above / below;
}

/* 25 angstrom lie between the grid's wavelengths, and every third of them is an emission line. */
static void make_lines(double lambda[N_LAMBDA], double lnu[N_LAMBDA])
{
    make_spectrum(lambda, lnu);
    for (size_t i = 0; i < N_LAMBDA; i += 3)
        lnu[i] *= 20;
}

static void expect_integral(const struct filter *filter, enum band_frame frame, double redshift)
{
    double lambda[N_LAMBDA], lnu[N_LAMBDA];
    struct arena arena = { 0 };
    struct error err = { "" };
    struct band band;

    make_lines(lambda, lnu);
    EXPECT_OK(band_make(filter, frame, redshift, N_LAMBDA, lambda, &arena, &band, &err), err);
    /* a midpoint at a bend loses the square of a step: 1e-10 of the band, times the lines' contrast */
    assert_close(band_apply(&band, lnu), integral_of(filter, frame, redshift, lambda, lnu), 1e-6);
    arena_free(&arena);
}

static void a_band_between_two_wavelengths_is_integrated(void **state)
{
    const struct filter triangle = { .code = "narrow",
                                     .n = 3,
                                     .lambda_angstrom = (double[]) { 4990, 5000, 5010 },
                                     .transmission = (double[]) { 0, 1, 0 } };
    const struct filter box = { .code = "box",
                                .n = 4,
                                .lambda_angstrom = (double[]) { 5001, 5001, 5004, 5004 },
                                .transmission = (double[]) { 0, 0.5, 0.5, 0 } };
    const struct filter two = { .code = "two peaks",
                                .n = 7,
                                .lambda_angstrom = (double[]) { 5003, 5008, 5012, 5030, 5070, 5071, 5073 },
                                .transmission = (double[]) { 0, 1, 0, 0, 0, 0.4, 0 } };
    const struct filter *filter[] = { &triangle, &box, &two };

    (void)state;
    for (size_t f = 0; f < 3; f++) {
        expect_integral(filter[f], BAND_REST, 0);
        for (double redshift = 0; redshift < 0.02; redshift += 0.0007) /* 70 angstrom: three cells */
            expect_integral(filter[f], BAND_OBSERVED, redshift);
    }
}

/* Leaks that many of the grid's wavelengths see, and a band that none does. */
static void a_leak_does_not_hide_that_the_band_is_missed(void **state)
{
    const struct filter filter = { .code = "leak",
                                   .n = 6,
                                   .lambda_angstrom = (double[]) { 4000, 5007, 5009, 5016, 5018, 7000 },
                                   .transmission = (double[]) { 1e-6, 1e-6, 1, 1, 1e-6, 1e-6 } };

    (void)state;
    expect_integral(&filter, BAND_REST, 0);
    expect_integral(&filter, BAND_OBSERVED, 0.0001);
}

static void a_band_at_the_edge_is_that_of_the_part_within(void **state)
{
    const struct filter filter = { .code = "edge",
                                   .n = 4,
                                   .lambda_angstrom = (double[]) { 2980, 2985, 3010, 3015 },
                                   .transmission = (double[]) { 0, 1, 1, 0 } };

    (void)state;
    expect_integral(&filter, BAND_REST, 0);
    expect_integral(&filter, BAND_OBSERVED, 0.001);
    assert_close(filter_share_within(&filter, 3000, 9000), 12.5 / 30, 1e-14);
    assert_true(filter_share_within(&filter, 1000, 2980) == 0);
    assert_true(filter_share_within(&filter, 0, 9000) == 1);
}

/* Seven wavelengths are where trapezoids begin: whatever the width, the two ways agree for a smooth spectrum. */
static void wider_bands_go_over_smoothly_to_trapezoids(void **state)
{
    double lambda[N_LAMBDA], lnu[N_LAMBDA];
    struct arena arena = { 0 };

    (void)state;
    make_spectrum(lambda, lnu);
    for (double width = 20; width < 600; width *= 1.03) {
        const struct filter filter = { .code = "widening",
                                       .n = 4,
                                       .lambda_angstrom = (double[]) { 5003, 5003 + 0.1 * width, 5003 + width,
                                                                       5003 + 1.1 * width },
                                       .transmission = (double[]) { 0, 1, 1, 0 } };
        struct error err = { "" };
        struct band band;

        EXPECT_OK(band_make(&filter, BAND_REST, 0, N_LAMBDA, lambda, &arena, &band, &err), err);
        /* half of the 0.2 that weights may be apart, times the spectrum's 4 % over seven wavelengths */
        assert_close(band_apply(&band, lnu), integral_of(&filter, BAND_REST, 0, lambda, lnu), 4e-3);
    }
    arena_free(&arena);
}

/* Half way in wavelength is not half way in frequency: at 4 of 3 to 5 the fraction is (1/4 - 1/3) / (1/5 -
 * 1/3). */
static void curves_are_interpolated_in_wavelength_or_frequency(void **state)
{
    const struct filter filter = { .code = "slope",
                                   .n = 2,
                                   .lambda_angstrom = (double[]) { 3000, 5000 },
                                   .transmission = (double[]) { 0, 1 } };
    const double lambda[5] = { 2999, 3000, 4000, 5000, 5001 }, rest[5] = { 0, 0, 0.5, 1, 0 };
    const double at_redshift_1[5] = { 1400, 1500, 2000, 2500, 2600 };
    double t[5];

    (void)state;
    filter_on_grid(&filter, BAND_REST, 0, 5, lambda, t);
    for (size_t i = 0; i < 5; i++)
        assert_true(t[i] == rest[i]);
    filter_on_grid(&filter, BAND_OBSERVED, 1, 5, at_redshift_1, t);
    assert_true(t[0] == 0);
    assert_true(t[4] == 0);
    assert_close(t[2], (1 / 4.0 - 1 / 3.0) / (1 / 5.0 - 1 / 3.0), 1e-14); /* a few roundings */
}

/* ---- built-in instruments ---------------------------------------------------------------------- */

static void the_builtin_has_the_published_half_power_wavelengths(void **state)
{
    /* micron; JWST User Documentation, "NIRCam Filters": blue and red half-power wavelengths */
    static const struct {
        const char *code;
        double low, high;
    } published[8] = {
        { "F070W", 0.624, 0.781 }, { "F090W", 0.795, 1.005 }, { "F115W", 1.013, 1.282 },
        { "F150W", 1.331, 1.668 }, { "F200W", 1.755, 2.227 }, { "F277W", 2.423, 3.132 },
        { "F356W", 3.135, 3.981 }, { "F444W", 3.881, 4.982 },
    };
    struct instrument instrument = { 0 };
    struct error err = { "" };

    (void)state;
    EXPECT_OK(instrument_builtin("JWST/NIRCam.Wide", "my camera", 0.031, &instrument, &err), err);
    assert_string_equal(instrument.label, "my camera");
    EXPECT_PARTS(instrument.source, "half-power");
    assert_true(instrument.n_filter == 8);
    assert_true(instrument.resolution_arcsec == 0.031);
    for (size_t f = 0; f < 8; f++) {
        const struct filter *filter = &instrument.filter[f];
        double step = filter->lambda_angstrom[1] - filter->lambda_angstrom[0];
        size_t first = 0, last = filter->n - 1;

        EXPECT_PARTS(filter->code, "JWST/NIRCam.", published[f].code);
        while (filter->transmission[first] < 0.5)
            first++;
        while (filter->transmission[last] < 0.5)
            last--;
        /* on a sampled curve an edge is known to one step */
        assert_true(fabs(filter->lambda_angstrom[first] - published[f].low * 1e4) <= step);
        assert_true(fabs(filter->lambda_angstrom[last] - published[f].high * 1e4) <= step);
    }
    instrument_free(&instrument);
    instrument_free(&instrument); /* twice is fine */
}

static void an_unknown_builtin_is_a_usage_error_that_lists_the_known(void **state)
{
    struct instrument instrument = { 0 };
    struct error err = { "" };
    char label[INSTRUMENT_NAME_MAX + 1];

    (void)state;
    assert_int_equal(instrument_builtin("JWST/NIRcam.Wide", "a", 1, &instrument, &err), POLYPHONY_USAGE);
    EXPECT_PARTS(err.text, "'JWST/NIRcam.Wide'", "known: JWST/NIRCam.Wide");
    memset(label, 'l', sizeof(label));
    label[sizeof(label) - 1] = '\0';
    assert_int_equal(instrument_builtin("JWST/NIRCam.Wide", label, 1, &instrument, &err), POLYPHONY_USAGE);
    EXPECT_PARTS(err.text, "longer than 63 bytes");
    assert_null(instrument.filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_top_hat_is_one_inside_and_zero_outside),
        cmocka_unit_test(pivots_agree_with_the_reference_and_with_the_integral),
        cmocka_unit_test(bands_agree_with_the_reference_in_the_rest_frame),
        cmocka_unit_test(bands_agree_with_the_reference_in_the_observed_frame),
        cmocka_unit_test(a_flat_spectrum_has_its_own_value_in_any_band),
        cmocka_unit_test(a_linear_spectrum_has_the_mean_of_the_integral),
        cmocka_unit_test(a_band_outside_the_grid_gives_nothing),
        cmocka_unit_test(a_band_between_two_wavelengths_is_integrated),
        cmocka_unit_test(a_leak_does_not_hide_that_the_band_is_missed),
        cmocka_unit_test(a_band_at_the_edge_is_that_of_the_part_within),
        cmocka_unit_test(wider_bands_go_over_smoothly_to_trapezoids),
        cmocka_unit_test(curves_are_interpolated_in_wavelength_or_frequency),
        cmocka_unit_test(the_builtin_has_the_published_half_power_wavelengths),
        cmocka_unit_test(an_unknown_builtin_is_a_usage_error_that_lists_the_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
