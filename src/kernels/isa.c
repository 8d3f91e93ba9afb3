/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/isa.h"

#include <stdlib.h>
#include <string.h>

#include "fast/fast.h"

#ifdef FAST_HAS_AVX2
#include <cpuid.h>
#endif

const char *const isa_names[ISA_N] = { "baseline", "avx2", "avx512" };

static enum isa in_use = ISA_BASELINE;

#ifdef FAST_HAS_AVX2
/* What compilers may use beside AVX2, FMA and BMI in code for x86-64-v3, and do not all have a name for. */
static bool has_rest_of_v3(void)
{
    enum { MOVBE = 1 << 22, F16C = 1 << 29, LZCNT = 1 << 5 };
    unsigned a, b, c, d, c_extended;

    return __get_cpuid(1, &a, &b, &c, &d) && __get_cpuid(0x80000001, &a, &b, &c_extended, &d) &&
           (c & MOVBE) && (c & F16C) && (c_extended & LZCNT);
}
#endif

bool isa_is_there(enum isa isa)
{
    switch (isa) {
    case ISA_BASELINE:
        return true;
#ifdef FAST_HAS_AVX2
    case ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && has_rest_of_v3();
#endif
#ifdef FAST_HAS_AVX512
    case ISA_AVX512:
        return isa_is_there(ISA_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
#endif
    default:
        return false;
    }
}

enum isa isa_in_use(void)
{
    return in_use;
}

bool isa_use(enum isa isa)
{
    if (!isa_is_there(isa))
        return false;
    in_use = isa;
    return true;
}

const char *isa_asked_but_missing(void)
{
    const char *wanted = getenv("POLYPHONY_ISA");

    return wanted && strcmp(wanted, isa_names[in_use]) ? wanted : NULL;
}

/* Before main(), so that no thread can see it change. */
__attribute__((constructor)) static void choose(void)
{
    const char *wanted = getenv("POLYPHONY_ISA");

    for (int isa = 0; isa < ISA_N; isa++)
        isa_use((enum isa)isa);
    for (int isa = 0; wanted && isa < ISA_N; isa++)
        if (!strcmp(wanted, isa_names[isa]))
            isa_use((enum isa)isa);
}
