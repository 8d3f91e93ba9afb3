/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ranks of a node share out its cores. Each of them makes the plan of all of them, and follows its row.
 */
#pragma once

#include "polyphony/placement.h"

#include <mpi.h>

struct place {
    struct machine *machine; /* NULL: hwloc cannot read it */
    struct placement_plan plan;
    struct placement *mine; /* row of the plan */
    char cpuset[256];       /* what the launcher allowed, as a list */
    char cpus[256];         /* the threads are pinned to, in their order; empty: not pinned */
};

/**
 * Collective: plan the node, and pin this rank's threads. Without hwloc or a plan the rank goes on unpinned,
 * with the job's threads or one, and says why. Before the first OpenMP region.
 */
void place_open(struct place *place, MPI_Comm comm, int n_thread_job, bool deals_only);
void place_close(struct place *place);
