/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What ranks do together before anything that all must take part in.
 */
#pragma once

#include <mpi.h>

/** Collective: the worst (most negative) status of all ranks, so that none waits for one that has failed. */
int ranks_agree(MPI_Comm comm, int status);
