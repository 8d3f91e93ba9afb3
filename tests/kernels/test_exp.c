/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "../../src/kernels/fast/exp.h"

#include <float.h>
#include <stdlib.h>

#include "../support.h"

/* Stated in exp.h, with room for the rounding of expl(). */
#define ULP_ALLOWED 1.11

/* Distance from the truth, in units of the last place of the result (of the least number, for denormals). */
static double ulp_error(double x, double got)
{
    long double truth = expl((long double)x);
    int exponent;

    (void)frexpl(truth, &exponent);
    exponent = exponent < DBL_MIN_EXP ? DBL_MIN_EXP : exponent;
    return (double)fabsl(((long double)got - truth) / ldexpl(1.0L, exponent - DBL_MANT_DIG));
}

static const struct exp_fast *const table[] = { &exp_fast_baseline,
#ifdef FAST_HAS_AVX2
                                                &exp_fast_avx2,
#endif
#ifdef FAST_HAS_AVX512
                                                &exp_fast_avx512
#endif
};

/* All instruction sets give the bits of the plain function; its largest error. */
static double expect_same_bits(size_t n, const double *x)
{
    double *expected = malloc((n + 1) * sizeof(*expected)), *got = malloc((n + 1) * sizeof(*got)),
           worst = 0.0;

    assert_non_null(expected);
    assert_non_null(got);
    for (size_t i = 0; i < n; i++) {
        expected[i] = fast_exp(x[i]);
        worst = fmax(worst, x[i] < 709.78 ? ulp_error(x[i], expected[i]) : 0.0);
    }
    for (size_t isa = 0; isa < sizeof(table) / sizeof(*table); isa++) {
        if (!isa_is_there((enum isa)isa))
            continue;
        got[n] = -7.0;
        table[isa]->all(n, x, got);
        assert_same_bits(isa_names[isa], n, got, expected);
        assert_true(got[n] == -7.0);
    }
    free(expected);
    free(got);
    return worst;
}

static void random_arguments_are_good_to_an_ulp(void **state)
{
    enum { N = 200000 };
    static const double range[][2] = { { -1.0, 0.0 }, { -40.0, 0.0 }, { -746.0, 709.7 }, { -746.0, -700.0 } };
    double *x = malloc(N * sizeof(*x));
    uint64_t seed = 11;

    (void)state;
    assert_non_null(x);
    for (size_t r = 0; r < sizeof(range) / sizeof(*range); r++) {
        double worst;

        for (size_t i = 0; i < N; i++)
            x[i] = uniform(&seed, range[r][0], range[r][1]);
        worst = expect_same_bits(N, x);
        if (!(worst <= ULP_ALLOWED))
            fail_msg("arguments from %g to %g: %.4f ulp", range[r][0], range[r][1], worst);
    }
    free(x);
}

static void small_arguments_are_good_to_an_ulp(void **state)
{
    double x[2200];
    size_t n = 0;

    (void)state;
    for (int e = -1074; e <= 2; e++) {
        x[n++] = ldexp(1.0, e);
        x[n++] = -ldexp(1.0, e);
    }
    assert_true(expect_same_bits(n, x) <= ULP_ALLOWED);
}

static void halves_of_ln_2_are_good_to_an_ulp(void **state)
{
    double x[3 * 3582];
    size_t n = 0;

    (void)state;
    for (int i = -2150; i < 1430; i++) { /* where n changes */
        double at = 0.5 * M_LN2 * i;

        x[n++] = nextafter(at, -1e9);
        x[n++] = at;
        x[n++] = nextafter(at, 1e9);
    }
    assert_true(expect_same_bits(n, x) <= ULP_ALLOWED);
}

static void the_ends_are_those_of_exp(void **state)
{
    static const double x[] = { 0.0,     -0.0,     1e-300, -1e-320, 709.78,   709.79, 710.0,    1e3,
                                1e300,   -708.0,   -708.5, -745.13, -745.14,  -746.0, -1e3,     -DBL_MAX,
                                DBL_MAX, -740.123, 1.0,    -1.0,    -20000.0, 2e4,    0x1p-1022 };

    (void)state;
    (void)expect_same_bits(sizeof(x) / sizeof(*x), x);
    assert_true(fast_exp(0.0) == 1.0);
    assert_true(fast_exp(-0.0) == 1.0);
    assert_true(fast_exp(1e-320) == 1.0);
    assert_true(fast_exp(-(double)INFINITY) == 0.0);
    assert_true(fast_exp(-DBL_MAX) == 0.0);
    assert_true(fast_exp(-745.14) == 0.0);
    assert_true(!signbit(fast_exp(-(double)INFINITY)));
    assert_true(fast_exp((double)INFINITY) == (double)INFINITY);
    assert_true(fast_exp(709.79) == (double)INFINITY);
    assert_true(isfinite(fast_exp(709.782)));
    assert_true(fast_exp(-745.13) > 0.0);
    assert_true(isnan(fast_exp((double)NAN)));
    assert_true(isnan(fast_exp(-(double)NAN)));
}

static void special_values_stay_in_their_lane(void **state)
{
    double x[67], got[67];

    (void)state;
    for (size_t n = 0; n <= 33; n++) /* all lengths about the widths of vectors, aligned or not */
        for (size_t offset = 0; offset < 3; offset++) {
            for (size_t i = 0; i < n; i++)
                x[offset + i] = (i + offset) % 4 == 0   ? (double)NAN
                                : (i + offset) % 4 == 1 ? -(double)INFINITY
                                : (i + offset) % 4 == 2 ? (double)INFINITY
                                                        : -0.1 * (double)i;
            for (size_t isa = 0; isa < sizeof(table) / sizeof(*table); isa++) {
                if (!isa_is_there((enum isa)isa))
                    continue;
                table[isa]->all(n, x + offset, got + offset);
                for (size_t i = offset; i < offset + n; i++)
                    assert_true(isnan(x[i]) ? isnan(got[i]) : got[i] == fast_exp(x[i]));
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_arguments_are_good_to_an_ulp),
        cmocka_unit_test(small_arguments_are_good_to_an_ulp),
        cmocka_unit_test(halves_of_ln_2_are_good_to_an_ulp),
        cmocka_unit_test(the_ends_are_those_of_exp),
        cmocka_unit_test(special_values_stay_in_their_lane),
    };

    return cmocka_run_group_tests_name("exp", tests, NULL, NULL);
}
