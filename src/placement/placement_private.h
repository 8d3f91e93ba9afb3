/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Inside the room: choosing cores that lie together, and saying what was planned.
 */
#pragma once

#include "polyphony/placement.h"

/* ---- pick.c ---------------------------------------------------------------------------------- */

/* Domains of a machine as a tree in which each level lies inside the one above: a zone is what a package and
 * a NUMA node have in common. */
enum level { LEVEL_MACHINE, LEVEL_PACKAGE, LEVEL_ZONE, LEVEL_L3, LEVEL_CORE, N_LEVEL };

struct tree_level {
    int n_domain;
    int *parent;      /* [n_domain] on the level above */
    int *first_child; /* [n_domain + 1] on the level below: children lie side by side */
    int *n_free;      /* [n_domain] units that may be taken */
};

/* Units are whole cores or hardware threads: n_free of LEVEL_CORE says how many of them a core has. */
struct tree {
    const struct machine *machine;
    struct tree_level level[N_LEVEL];
    int *core;     /* [n_core] the core of each domain of LEVEL_CORE */
    int *picked;   /* [n_picked] units picked, as domains of LEVEL_CORE */
    int n_picked;  /* at most the number of cpus */
    int *place_of; /* [n_core] the domain of LEVEL_CORE of each core */
};

struct tree tree_open(const struct machine *machine);
void tree_close(struct tree *tree);
/** Start over: n_unit[n_core] units may be taken of each core, none is picked. */
void tree_offer(struct tree *tree, const int *n_unit);
/** Units that are left. */
int tree_count_free(const struct tree *tree);
/** Take the n units that lie best together; there must be as many. picked[] then has their cores' indices,
 * rising, a core as often as units of it were taken. */
void tree_pick(struct tree *tree, int n);

/* ---- describe.c ------------------------------------------------------------------------------ */

/* Computing ranks that may use the same cores. */
struct rank_group {
    int n_rank, first_rank; /* the first speaks for all */
    int64_t n_thread;
    int n_core, n_cpu; /* that they may use together */
    int n_idle;        /* cores of these that nobody took */
};

enum fate {
    FATE_CORES,        /* a core a thread */
    FATE_SHARED,       /* a hardware thread a thread */
    FATE_CROWDED,      /* fewer hardware threads than threads */
    FATE_LEFT_ALONE,   /* OpenMP pins */
    FATE_UNKNOWN,      /* none of its cpus is known */
    FATE_DEALS,        /* on a core of its own */
    FATE_DEALS_BESIDE, /* on the idle hardware thread of a core */
    FATE_DEALS_ANYWHERE
};

/** Fill in n_l3, n_numa, numa and text of a placement whose cpus are decided. `group` is for those that
 * compute. */
void describe_placement(const struct machine *machine, enum fate fate, const struct rank_group *group,
                        struct placement *placement);
/** Say in its text that the group could use more cores. */
void describe_idle(const struct rank_group *group, struct placement *placement);
/** What is unwelcome about a group, if anything. */
void describe_group(enum fate fate, const struct rank_group *group, char *ret_text, size_t size);
/** Append to a list of sentences, "one; two"; what does not fit is cut. */
void describe_append(char *text, size_t size, const char *sentence);
