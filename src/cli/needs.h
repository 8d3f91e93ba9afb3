/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a run of a job will take: time, memory, disk. The last lines of `polyphony check`.
 */
#pragma once

#include "polyphony/plan_memory.h"

struct needs_options {
    const char *workers; /* list of numbers of ranks that compute */
    int n_rank;          /* of a node, rank 0 among them */
};

/**
 * Print them. POLYPHONY_USAGE when a galaxy does not fit into the memory of a rank, POLYPHONY_OUTPUT when the
 * results do not fit on their file system; each says what would do.
 */
int needs_print(const struct plan *plan, const struct needs_options *options, struct error *err);
