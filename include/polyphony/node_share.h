/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who shares tables with whom on a node. What is shared, and how, is in node_table.h, which knows no MPI.
 */
#pragma once

#include "polyphony/node_table.h"

#include <mpi.h>

/** Collective over `comm`. */
struct node_share *node_share_open(MPI_Comm comm, bool computes);
/** Collective over the ranks of a node. Tables live on. NULL is fine. */
void node_share_close(struct node_share *share);
