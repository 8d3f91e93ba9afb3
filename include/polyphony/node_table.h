/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One copy of a table for the ranks of a node.
 *
 * Tables lie in POSIX shared memory without a name: it is gone when the last rank is, whatever ended it. Either
 * one rank fills a table, or each rank fills a stripe of it; from then on it is read-only. Each rank allocates its stripe,
 * so that with ranks bound to NUMA nodes the pages lie evenly on these. Where shared memory is short every
 * rank holds a copy.
 *
 * There are two groups of ranks on a node: all of them, and those that compute. The first rank of a group,
 * the one that fills, is one that computes if any does. A share or group that is NULL is this rank alone.
 */
#pragma once

#include "polyphony/base.h"

struct node_share;
struct node_group;

/** Does this rank compute? */
bool node_share_computes(const struct node_share *share);
const struct node_group *node_share_all(const struct node_share *share);
/** Those that compute; on one that does not, a group of none, in which nothing is waited for. */
const struct node_group *node_share_computing(const struct node_share *share);

/**
 * Collective over the group: the worst (most negative) status of its ranks. Before whatever is done
 * together, so that none waits in it for one that has failed.
 */
int node_agree(const struct node_group *group, int status);
/** Is this the first rank of the group? */
bool node_is_first(const struct node_group *group);
/** Collective: bytes of the first rank to the others. */
void node_broadcast(const struct node_group *group, void *data, size_t n_byte);

/** Memory of a table, of this rank or of its node. */
struct node_table {
    void *value; /* NULL: released, or of a group of none */
    size_t n_byte;
    bool is_shared;
};

/**
 * Collective: memory for n elements of `size` bytes, zeroed. `*ret_fills`: this rank is to fill it, then all
 * agree: one rank of the group, or each where there is no memory to share. The same status on all of them:
 * POLYPHONY_INPUT where n * size is beyond addresses, POLYPHONY_INTERNAL without memory.
 */
int node_table_take(const struct node_group *group, size_t n, size_t size, struct node_table *ret_table,
                    bool *ret_fills, struct error *err);
/** What this rank fills where all ranks of the group do: n elements of `size` bytes (a power of 2), from
 * `first` on; all of a table that is not shared. */
void node_table_stripe(const struct node_group *group, const struct node_table *table, size_t size,
                       size_t *ret_first, size_t *ret_n);
/** Filled: a shared table cannot be written any more. */
void node_table_seal(const struct node_table *table);
/** Pages of a shared table leave this rank's resident set, until it looks at them again. A copy stays. */
void node_table_drop_pages(const struct node_table *table);
/** Pages of a shared table enter this rank's resident set now, rather than one by one. */
void node_table_touch_pages(const struct node_table *table);
void node_table_release(struct node_table *table);
