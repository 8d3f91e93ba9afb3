/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which instruction set the fast kernels use. Each file of src/kernels/fast is compiled once for each; which
 * of these runs is chosen once, when the program starts.
 *
 * The bits do not depend on it: kernels use fma() where they say so and nowhere else, it is exact by
 * definition whether the processor has an instruction for it or not, and a sum is split into lanes the same
 * way for all. Exponentials of screens are our own (src/kernels/fast/exp.h).
 *
 * This holds on one processor, and on processors of one kind. Outside these kernels functions are those of
 * the C library, and glibc has two versions of them, for processors with and without FMA, whose last bits may
 * differ: log10 of ages and metallicities; pow in dust curves, in the intergalactic medium (with exp) and in
 * distances; log in tables of SPH kernels; cos and sin in Chebyshev nodes, and exp and log in how far apart
 * these may be. POLYPHONY_ISA does not choose among them. So nodes of one kind with the same C library give
 * the same bits; other mixtures agree to rounding.
 */
#pragma once

#include <stdbool.h>

enum isa {
    ISA_BASELINE, /* what every processor of the architecture has */
    ISA_AVX2,     /* x86-64-v3: AVX2 and FMA (Intel from 2013, AMD from 2015 on) */
    ISA_AVX512,   /* x86-64-v4 */
    ISA_N
};

/** "baseline", "avx2", "avx512". */
extern const char *const isa_names[ISA_N];

/** Can this program, on this processor, use it? */
bool isa_is_there(enum isa isa);
/** The one in use: the best that is there, or what the environment's POLYPHONY_ISA names, if that is there. */
enum isa isa_in_use(void);
/** What POLYPHONY_ISA asks for if that is not the one in use: it is unknown, or not there. NULL: nothing. */
const char *isa_asked_but_missing(void);
/** Use another one from now on, in tests and benchmarks; not while kernels run. false: it is not there. */
bool isa_use(enum isa isa);
