/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the machine can do, measured by loops that do nothing else: the roof that kernels are held against.
 */
#pragma once

#include "bench.h"

/** One probe, by one thread and by all. */
struct machine_rate {
    const char *name, *unit;
    double one, all; /* [unit]; 0: not measured */
};

enum { MACHINE_RATE_MAX = 24 };

struct machine {
    size_t n;
    struct machine_rate rate[MACHINE_RATE_MAX];
    double flop_s[2], byte_s[2]; /* the roof: most floating-point operations and bytes from memory a second,
                                    of one thread and of all */
};

/** Rates of processor and memory; with a folder (or NULL) those of a file in it, written, forced to the disk
 * and read, too. Takes up to 800 MB of memory and 512 MB of disk, a quarter of it when quick. */
void machine_measure(struct bench *bench, const char *folder, struct machine *ret_machine);
