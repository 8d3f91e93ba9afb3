/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/dust_curve.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N_LAMBDA 10

/* The reference's own vectors are float64 through a dozen operations; polynomials cancel a digit or two. */
#define TOLERANCE 1e-13

static const double lambda_angstrom[N_LAMBDA] = {
    912, 1216, 1500, 2175, 3000, 4500, 5500, 8000, 12000, 22000
};

static void assert_close(double value, double expected, double relative)
{
    if (!(fabs(value - expected) <= relative * fabs(expected)))
        fail_msg("%.17g, expected %.17g, relative difference %.3g", value, expected, value / expected - 1);
}

static struct dust_curve curve_of(const char *name, double slope)
{
    struct error err = { "" };
    struct dust_curve curve = { 0 };

    if (dust_curve_find(name, &curve, &err) ||
        (!isnan(slope) && dust_curve_set(&curve, "slope", slope, &err)))
        fail_msg("%s", err.text);
    return curve;
}

static double k_at(const struct dust_curve *curve, double lambda_rest_angstrom)
{
    double k;

    dust_curve_k(curve, 1, &lambda_rest_angstrom, &k);
    return k;
}

static void assert_curve(const struct dust_curve *curve, const double *expected)
{
    for (size_t i = 0; i < N_LAMBDA; i++)
        assert_close(k_at(curve, lambda_angstrom[i]), expected[i], TOLERANCE);
}

static void power_laws_agree_with_the_reference(void **state)
{
    (void)state;
    static const double steep[N_LAMBDA] = { 6.030701754385965,
                                            4.5230263157894735,
                                            3.666666666666667,
                                            2.528735632183908,
                                            1.8333333333333335,
                                            1.222222222222222,
                                            1.0,
                                            0.6875,
                                            0.45833333333333337,
                                            0.25 };
    static const double shallow[N_LAMBDA] = { 3.517689446381212,
                                              2.8760761466377907,
                                              2.483075937173838,
                                              1.9143987398971891,
                                              1.5285125339813816,
                                              1.1508139640395105,
                                              1.0,
                                              0.7692914253594119,
                                              0.579197942468592,
                                              0.37892914162759955 };
    struct dust_curve by_default = curve_of("power_law", NAN), given = curve_of("power_law", -0.7);

    assert_curve(&by_default, steep);
    assert_curve(&given, shallow);
    assert_true(k_at(&given, 5500) == 1);
}

static void calzetti_agrees_with_the_reference(void **state)
{
    (void)state;
    static const double expected[N_LAMBDA] = { 3.646968311508784,  2.9585409175326607, 2.5529128542407653,
                                               2.0945829802822242, 1.7108819685939067, 1.2240388858221725,
                                               1.000000030799016,  0.6346360229939116, 0.3499856886459878,
                                               0.0912126536393804 };
    struct dust_curve curve = curve_of("calzetti2000", NAN);

    assert_curve(&curve, expected);
}

static void calzetti_with_bump_and_tilt_agrees_with_the_reference(void **state)
{
    (void)state;
    static const double expected[N_LAMBDA] = { 6.257982355028805,   4.665800474247893,  3.8010721329502077,
                                               3.4193641092082587,  2.0858719349442953, 1.3053402855918677,
                                               1.002795545556085,   0.5681444926840038, 0.2773074004390787,
                                               0.060262028151907336 };
    struct dust_curve curve = curve_of("calzetti2000", -0.3);

    assert_int_equal(dust_curve_set(&curve, "bump_amplitude", 2, NULL), 0);
    assert_curve(&curve, expected);
}

static void calzetti_is_constant_outside_its_table(void **state)
{
    (void)state;
    struct dust_curve curve = curve_of("calzetti2000", NAN);

    assert_close(k_at(&curve, 50), 5.487999759947513, TOLERANCE);
    assert_close(k_at(&curve, 1e6), 0.008405283609799193, TOLERANCE);
    assert_true(k_at(&curve, 100) == k_at(&curve, 1e-3));
    assert_true(k_at(&curve, 30000) == k_at(&curve, 1e30));
}

static void calzetti_is_a_chain_of_straight_lines(void **state)
{
    (void)state;
    struct dust_curve curve = curve_of("calzetti2000", -0.3);
    const double step_angstrom = 29900.0 / 9999;

    assert_int_equal(dust_curve_set(&curve, "bump_amplitude", 2, NULL), 0);
    /* In every interval of the table, the last included, the middle is the mean of the ends. 1e-12: rounding
     * of the slope over 3 angstrom. The curve itself bends by more than that between nodes. */
    for (int i = 0; i < 9999; i++) {
        double below = k_at(&curve, 100 + i * step_angstrom);
        double middle = k_at(&curve, 100 + (i + 0.5) * step_angstrom);
        double above = k_at(&curve, 100 + (i + 1) * step_angstrom);

        assert_close(middle, 0.5 * (below + above), 1e-12);
    }
}

static void li08_curves_agree_with_the_reference(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double expected[N_LAMBDA];
    } cases[] = {
        { "li08_calzetti",
          { 3.1724781078724673, 2.9273685450342386, 2.5667183610351607, 2.095524860465623, 1.759751205789671,
            1.2547146935557307, 1.0001486013165979, 0.5936787380333871, 0.30238270127083405,
            0.09800685624655785 } },
        { "li08_smc",
          { 6.916254429019935, 5.703140760043687, 4.464700686402738, 2.761209663787808, 1.9513034863529397,
            1.2760958508449878, 1.0002112686161815, 0.5852310401267098, 0.2963788840168987,
            0.09578726131945152 } },
        { "li08_mw",
          { 5.449534841064722, 3.230649711242442, 2.6006984123748977, 3.108574150134407, 1.8489733365136927,
            1.2608521349618123, 1.0001448650686244, 0.5914201869857235, 0.3007820710907675,
            0.09741530936814374 } },
        { "li08_lmc",
          { 6.380282304582925, 4.422344934538447, 3.4326450394611054, 2.8578337839497183, 1.914283728314427,
            1.2740169135103607, 1.0002190797333854, 0.5843314642517659, 0.2950389589317514,
            0.09497631786678902 } },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dust_curve curve = curve_of(cases[i].name, NAN);

        assert_curve(&curve, cases[i].expected);
    }
}

static void every_listed_curve_is_found_and_near_one_in_the_v_band(void **state)
{
    (void)state;
    for (size_t i = 0; dust_curve_rows[i]; i++) {
        struct dust_curve curve = curve_of(dust_curve_rows[i]->name, NAN);

        assert_ptr_equal(curve.row, dust_curve_rows[i]);
        assert_true(*curve.row->source);
        assert_true(curve.row->range_angstrom[0] < 5500);
        assert_true(curve.row->range_angstrom[1] > 5500);
        /* 3e-4: the fits of Li et al. miss 1 by 2.2e-4 at most. */
        assert_close(k_at(&curve, 5500), 1, 3e-4);
        for (double lambda = 100; lambda < 1e6; lambda *= 1.01)
            assert_true(k_at(&curve, lambda) > 0);
    }
}

static void an_unknown_curve_gets_the_nearest_and_all_names(void **state)
{
    (void)state;
    struct error err = { "" };
    struct dust_curve curve = { .parameter = { -7 } };

    assert_int_equal(dust_curve_find("calzeti2000", &curve, &err), POLYPHONY_USAGE);
    assert_non_null(strstr(err.text, "did you mean 'calzetti2000'"));
    for (size_t i = 0; dust_curve_rows[i]; i++)
        assert_non_null(strstr(err.text, dust_curve_rows[i]->name));
    assert_true(curve.parameter[0] == -7);
}

static void a_slope_that_cannot_count_is_refused(void **state)
{
    (void)state;
    struct error err = { "" };
    struct dust_curve fit = curve_of("li08_mw", NAN), power_law = curve_of("power_law", NAN);

    assert_int_equal(dust_curve_set(&fit, "slope", -0.7, &err), POLYPHONY_USAGE);
    assert_non_null(strstr(err.text, "'li08_mw' has no slope"));
    assert_non_null(strstr(err.text, "use one of power_law, calzetti2000"));
    assert_int_equal(dust_curve_set(&power_law, "slope", -INFINITY, &err), POLYPHONY_USAGE);
    assert_non_null(strstr(err.text, "finite"));
    assert_true(power_law.parameter[0] == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_laws_agree_with_the_reference),
        cmocka_unit_test(calzetti_agrees_with_the_reference),
        cmocka_unit_test(calzetti_with_bump_and_tilt_agrees_with_the_reference),
        cmocka_unit_test(calzetti_is_constant_outside_its_table),
        cmocka_unit_test(calzetti_is_a_chain_of_straight_lines),
        cmocka_unit_test(li08_curves_agree_with_the_reference),
        cmocka_unit_test(every_listed_curve_is_found_and_near_one_in_the_v_band),
        cmocka_unit_test(an_unknown_curve_gets_the_nearest_and_all_names),
        cmocka_unit_test(a_slope_that_cannot_count_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
