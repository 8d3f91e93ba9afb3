/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which cores a rank computes on, and its OpenMP threads pinned to them, by hwloc.
 *
 * Starts from the cpuset that the launcher gave and never leaves it. When the launcher gave all ranks of a
 * node everything, the workers share it out in node-local order. Where pinning is impossible it goes on
 * without, and says so.
 */
#pragma once

#include "polyphony/base.h"

struct placement {
    int n_core;     /* physical cores this rank may use */
    int n_thread;   /* OpenMP threads it will use */
    bool is_pinned; /* each thread on a core of its own */
    char text[240]; /* what was done, in a line */
};

/** Fingerprint of the cpuset this process was given: the same on two ranks means that they share it. 0:
 * unknown. */
uint64_t placement_cpuset_hash(void);

/**
 * Choose the number of threads and pin them; call before the first OpenMP region.
 *
 * @param n_thread_wanted  0: OMP_NUM_THREADS if set, else this worker's share of the cores
 * @param i_worker, n_worker  among the computing ranks of this node that share the cpuset
 */
void placement_apply(int n_thread_wanted, int i_worker, int n_worker, struct placement *ret_placement);
