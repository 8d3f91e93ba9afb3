/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "../../src/kernels/fast/log.h"

#include <float.h>

#include "../support.h"

static const struct log_fast *const table[] = { &log_fast_baseline,
#ifdef FAST_HAS_AVX2
                                                &log_fast_avx2,
#endif
#ifdef FAST_HAS_AVX512
                                                &log_fast_avx512
#endif
};

static void logarithms_are_right_to_two_roundings_and_the_same_everywhere(void **state)
{
    uint64_t seed = 3;
    double x[8], expected[8], got[8];

    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        for (size_t j = 0; j < 8; j++)
            x[j] = i % 2 ? uniform(&seed, 0.9, 1.1) : pow(10.0, uniform(&seed, -300.0, 300.0));
        x[0] = i < 2000 ? ldexp(1.0 + (double)(i % 16) / 16.0, (int)(i / 16) - 60) : x[0];
        log_fast_baseline.all(x, expected);
        for (size_t j = 0; j < 8; j++)
            if (!(fabs(expected[j] - log(x[j])) <= DBL_EPSILON * fmax(1.0, fabs(log(x[j])))))
                fail_msg("log(%.17g): got %.17g", x[j], expected[j]);
        for (size_t isa = 1; isa < sizeof(table) / sizeof(*table); isa++) {
            if (!isa_is_there((enum isa)isa))
                continue;
            table[isa]->all(x, got);
            assert_same_bits(isa_names[isa], 8, got, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logarithms_are_right_to_two_roundings_and_the_same_everywhere),
    };

    return cmocka_run_group_tests_name("kernels/log", tests, NULL, NULL);
}
