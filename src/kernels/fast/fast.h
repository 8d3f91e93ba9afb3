/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files of this folder are compiled once for each instruction set, with FAST_ISA its name. Each defines one
 * table of functions, FAST(<kernel>_fast), which <kernel>.h declares with FAST_DECLARE and the room's other
 * files pick from with FAST_TABLE. Functions here run in one thread: sharing out work is their callers'
 * business.
 *
 * For the same bits everywhere: fma() where it is meant (compilers may not fuse, -ffp-contract=off), sums in
 * an order that does not depend on the width of vectors.
 */
#pragma once

#include "polyphony/isa.h"

#define FAST_JOIN_(name, isa) name##_##isa
#define FAST_JOIN(name, isa)  FAST_JOIN_(name, isa)
#define FAST(name)            FAST_JOIN(name, FAST_ISA)

#define FAST_DECLARE(type, name) extern const type name##_baseline, name##_avx2, name##_avx512

/* The table in use. */
#if defined(FAST_HAS_AVX512)
#define FAST_TABLE(name)                                                                                     \
    (isa_in_use() == ISA_AVX512 ? &name##_avx512 : isa_in_use() == ISA_AVX2 ? &name##_avx2 : &name##_baseline)
#elif defined(FAST_HAS_AVX2)
#define FAST_TABLE(name) (isa_in_use() == ISA_AVX2 ? &name##_avx2 : &name##_baseline)
#else
#define FAST_TABLE(name) (&name##_baseline)
#endif
