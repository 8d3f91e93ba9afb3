/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How much memory a rank may use.
 */
#pragma once

#include "polyphony/base.h"

#include <mpi.h>

/** What is known of a node and a job [bytes]; 0: not known, or no limit. */
struct memory_facts {
    uint64_t asked_bytes;      /* of a rank, by the job's memory_mb */
    uint64_t slurm_node_bytes; /* of the job on this node: SLURM_MEM_PER_NODE */
    uint64_t slurm_task_bytes; /* of a rank: SLURM_MEM_PER_CPU x SLURM_CPUS_PER_TASK */
    uint64_t cgroup_bytes;     /* of all processes of the job or container */
    uint64_t physical_bytes;
    int n_rank; /* on this node, >= 1 */
};

/**
 * What a rank may use [bytes], and what it was taken from: asked_bytes; else what SLURM gives the rank, or
 * its part of what SLURM gives the node; else of the cgroup's limit; else of 80 % of what the node has, the
 * rest being the system's. Never more than its part of the cgroup's limit or of what there is, unless it was
 * asked for. SIZE_MAX when nothing is known.
 */
size_t memory_of_rank(const struct memory_facts *facts, const char **ret_source);

/** Read them: environment, /proc, /sys. memory_mb as in the job file [MB of 2^20], 0: automatic. */
void memory_find_facts(int memory_mb, int n_rank, struct memory_facts *ret_facts);

/** Collective: the same for a rank of `comm`, with the ranks of its node counted. */
size_t memory_for_rank(MPI_Comm comm, int memory_mb);

/**
 * The limit that a cgroup file holds: a number of bytes, or "max" (version 2) or a number near 2^63 (version
 * 1) for none. 0: none, or no such file.
 */
uint64_t memory_read_limit(const char *path);
