/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One copy of a grid's tables for all ranks of a node.
 *
 * The tables lie in POSIX shared memory without a name: it is gone when the last rank is, whatever ended it.
 * One rank reads the file and fills them, the others see them read-only. Each rank allocates a stripe, so
 * that with ranks bound to NUMA nodes the pages lie evenly on these. Where shared memory is short every rank
 * holds a copy.
 */
#pragma once

#include "polyphony/base.h"

#include <mpi.h>

struct grid_share;

/**
 * Collective over `comm`. A rank that does not want tables (it deals only) gets grids without: all of
 * their tables are NULL. POLYPHONY_INTERNAL without memory.
 */
int grid_share_open(MPI_Comm comm, bool wants_tables, struct grid_share **ret_share, struct error *err);
/**
 * Collective over the ranks of a node that want tables: the worst (most negative) status of them. Before
 * grid_open(), so that none waits in it for one that has failed; share may be NULL.
 */
int grid_share_agree(const struct grid_share *share, int status);
/** Collective. Grids opened with it may live on. NULL is fine. */
void grid_share_close(struct grid_share *share);
