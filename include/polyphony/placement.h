/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which thread of which rank sits on which core.
 *
 * A machine, this one or any other, is read with hwloc into flat arrays (struct machine). The plan for all
 * ranks of a node is a plain function of the machine and of what each rank may use and wants: every rank
 * works out the same plan and takes its own row, and `polyphony topology` prints it for machines that are not
 * here. Only placement_apply() touches the system.
 *
 * "cpu" is the operating system's number of a hardware thread (hwloc: PU), as in taskset and /proc.
 */
#pragma once

#include "polyphony/base.h"

/* ---- a set of cpus -------------------------------------------------------------------------- */

#define CPUSET_MAX 8192 /* Linux' largest CONFIG_NR_CPUS */

/** Fixed size, so that it travels in a message. */
struct cpuset {
    uint64_t word[CPUSET_MAX / 64];
};

bool cpuset_has(const struct cpuset *set, int cpu);
void cpuset_add(struct cpuset *set, int cpu);
int cpuset_count(const struct cpuset *set);
/** As a list, "0-7,64-71"; "..." at the end where it does not fit. */
void cpuset_format(const struct cpuset *set, char *ret_text, size_t size);
/** Read such a list, also with steps as taskset has them ("1-63:2" is the odd ones); false if it is none, or
 * has a number of CPUSET_MAX or more. */
bool cpuset_parse(const char *text, struct cpuset *ret_set);

/* ---- a machine ------------------------------------------------------------------------------ */

#define MACHINE_SMT_MAX 8 /* hardware threads of a core that are looked at */

/** One physical core. Indices count from 0 in hwloc's logical order, in which neighbours are near. */
struct machine_core {
    int package, numa,
        l3;    /* which it belongs to; cores of a NUMA node that have no L3 form a domain together */
    int speed; /* hwloc's efficiency rank of its kind of core, larger is faster; 0 if all are alike */
    int n_cpu; /* >= 1 */
    int cpu[MACHINE_SMT_MAX];
};

struct machine {
    int n_core, n_package, n_numa, n_l3; /* all >= 1 */
    bool has_l3;                         /* false: none is known, l3 counts NUMA nodes */
    struct machine_core *core;           /* [n_core] */
    int64_t *numa_bytes;                 /* [n_numa] memory; 0 where unknown */
    bool is_this;                        /* threads can be pinned here */
    char name[128];                      /* processor's name, or where the description came from */
    struct hwloc_topology *topology;     /* for placement_apply(); NULL for a machine made by hand */
};

/**
 * This machine, all of it, whatever this process may use, so that all ranks of a node see the same; offline
 * cpus are left out. HWLOC_SYNTHETIC and HWLOC_XMLFILE in the environment stand in for it, and is_this is
 * false then. POLYPHONY_INTERNAL when hwloc cannot read it or it has cpus of number CPUSET_MAX or more.
 */
int machine_open(struct machine **ret_machine, struct error *err);
/** From hwloc's one-line description, "Package:2 L3:8 Core:4 PU:2". POLYPHONY_USAGE when it is none. */
int machine_open_synthetic(const char *description, struct machine **ret_machine, struct error *err);
/** From a file of `lstopo --of xml`. POLYPHONY_INPUT when it cannot be read. */
int machine_open_xml(const char *path, struct machine **ret_machine, struct error *err);
void machine_close(struct machine *machine); /* NULL is fine */
/** All its cpus. */
void machine_cpus(const struct machine *machine, struct cpuset *ret_set);

/* ---- the plan ------------------------------------------------------------------------------- */

#define PLACEMENT_THREAD_DEFAULT 8 /* threads of a rank where nobody says otherwise */
#define PLACEMENT_TEXT           320

/** Who decided on the number of threads. */
enum placement_source { PLACEMENT_DEFAULT, PLACEMENT_JOB, PLACEMENT_OMP, PLACEMENT_SLURM };

/** What one rank of a node may use and wants. */
struct placement_request {
    struct cpuset allowed; /* what the launcher gave; empty: unknown, taken as everything */
    int32_t n_thread;   /* <= 0: PLACEMENT_THREAD_DEFAULT, or fewer when the cores do not suffice for all */
    int32_t source;     /* enum placement_source */
    bool deals_only;    /* rank 0 of several: one core, which may sleep */
    bool is_left_alone; /* OMP_PROC_BIND or OMP_PLACES decides: plan threads, pin nothing */
    char warning[200];  /* disagreement between job file and environment; empty: none */
};

/** What one rank does. */
struct placement {
    struct cpuset allowed; /* what it may use of this machine */
    int n_thread;
    int n_core;      /* physical cores allowed to this rank */
    bool deals_only; /* as requested */
    bool is_pinned;  /* cpu[] holds */
    int *cpu;        /* [n_thread], thread t sits on cpu[t]; belongs to the plan; NULL if not pinned */
    int n_l3, n_numa,
        numa; /* domains its threads touch, the first of its NUMA nodes; 0, 0, -1 if not pinned */
    char text[PLACEMENT_TEXT];    /* what was done, in a line without a full stop */
    char warning[PLACEMENT_TEXT]; /* what its user should know; empty: nothing, or an earlier rank says it */
};

struct placement_plan {
    int n_rank;
    struct placement *rank; /* [n_rank] */
    int *cpu;               /* storage of rank[].cpu */
};

/**
 * Plan a node.
 *
 * Never leaves a rank's allowed set. Each core goes to one thread as long as there are enough: then hardware
 * threads are shared out (with a warning), and where these do not suffice either, or a rank asks to be left
 * alone, it is not pinned. A rank's cores lie in as few NUMA nodes, then L3 domains as possible, fast cores
 * first, and ranks are spread over packages, NUMA nodes and L3 domains, since memory bandwidth and cache are
 * what they compete for. Ranks with few cores choose first, otherwise in their order: equal sets are shared
 * out, disjoint ones kept, and of overlapping ones each rank takes what is left. A rank that only deals is
 * placed last, on a core of its own if one is left, else on an idle hardware thread, else it floats.
 *
 * Plain function, the same on all ranks of a node.
 */
struct placement_plan placement_plan_make(const struct machine *machine, int n_rank,
                                          const struct placement_request *request);
void placement_plan_free(struct placement_plan *plan);

/** Draw a plan: domains with a cell a core, marked with the rank that owns it, then a line a rank and its
 * warnings. At most about 100 columns wide. To be freed. */
char *placement_draw(const struct machine *machine, const struct placement_plan *plan);

/* ---- this process --------------------------------------------------------------------------- */

/**
 * What this process may use and wants: cpuset of the process, and the number of threads from `n_thread_job`
 * (0: not given), else OMP_NUM_THREADS, else SLURM_CPUS_PER_TASK; a warning where they disagree. SLURM may
 * count hardware threads: its number is held to the cores of the process if they have that many cpus. Where
 * OpenMP binds threads by itself, the process counts as allowed on all OpenMP places. Call before the first
 * OpenMP region.
 */
void placement_request_make(const struct machine *machine, int n_thread_job, bool deals_only,
                            struct placement_request *ret_request);

/**
 * Set the number of OpenMP threads and pin them; memory of a rank inside one NUMA node is bound to it, unless
 * somebody (numactl) set a policy. What the system refuses is written to text and warning, is_pinned says how
 * it ended. Call before the first OpenMP region. Threads made later inherit the binding of the thread that
 * makes them.
 */
void placement_apply(const struct machine *machine, struct placement *placement);
