/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * This process: what it may use and wants, and its threads put where the plan says.
 */
#include "placement_private.h"

#include <errno.h>
#include <hwloc.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define N_THREAD_MAX 4096 /* as in the job file */

/* ---- the request ----------------------------------------------------------------------------- */

static void find_cpuset(const struct machine *machine, struct cpuset *ret_set)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();

    if (set && machine->topology && !hwloc_get_cpubind(machine->topology, set, HWLOC_CPUBIND_PROCESS))
        for (int cpu = 0; cpu < CPUSET_MAX; cpu++)
            if (hwloc_bitmap_isset(set, (unsigned)cpu))
                cpuset_add(ret_set, cpu);
    hwloc_bitmap_free(set);
}

/* libgomp binds the first thread before main(), so that the process seems to have one cpu: its places tell. */
static void find_places(struct cpuset *ret_set)
{
    for (int place = 0; place < omp_get_num_places(); place++) {
        int n = omp_get_place_num_procs(place);
        int *cpu = mem_small((size_t)n, sizeof(*cpu));

        omp_get_place_proc_ids(place, cpu);
        for (int i = 0; i < n; i++)
            cpuset_add(ret_set, cpu[i]);
        free(cpu);
    }
}

/* 0 when it is not set or makes no sense. Of a list, "8,2", the first is the outermost region's. */
static int threads_from_environment(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    long n;

    if (!text)
        return 0;
    errno = 0;
    n = strtol(text, &end, 10);
    return end > text && (*end == '\0' || *end == ',') && !errno && n > 0 && n <= N_THREAD_MAX ? (int)n : 0;
}

/* SLURM's cpus may be hardware threads: a core that has several of them gets one thread. */
static int threads_from_slurm(const struct machine *machine, const struct cpuset *allowed, int n_slurm)
{
    int n_core = 0;

    if (cpuset_count(allowed) < n_slurm)
        return n_slurm;
    for (int i = 0; i < machine->n_core; i++) {
        bool is_allowed = false;

        for (int k = 0; k < machine->core[i].n_cpu; k++)
            is_allowed |= cpuset_has(allowed, machine->core[i].cpu[k]);
        n_core += is_allowed;
    }
    return n_core > 0 && n_core < n_slurm ? n_core : n_slurm;
}

static int count_siblings(const struct machine *machine)
{
    int n = 1;

    for (int i = 0; i < machine->n_core; i++)
        n = machine->core[i].n_cpu > n ? machine->core[i].n_cpu : n;
    return n;
}

static void compare_sources(const struct machine *machine, int n_job, int n_omp, int n_slurm,
                            struct placement_request *request)
{
    int n = request->n_thread;
    bool is_slurm_alike = n_slurm == 0 || n_slurm == n || n_slurm == n * count_siblings(machine);
    char job[32] = "", omp[32] = "", slurm[40] = "";

    if (request->source == PLACEMENT_SLURM || ((n_omp == 0 || n_omp == n) && is_slurm_alike))
        return;
    if (n_job)
        text_format(job, sizeof(job), "threads: %d in the job file, ", n_job);
    if (n_omp)
        text_format(omp, sizeof(omp), "OMP_NUM_THREADS=%d, ", n_omp);
    if (n_slurm)
        text_format(slurm, sizeof(slurm), "SLURM_CPUS_PER_TASK=%d, ", n_slurm);
    text_format(request->warning, sizeof(request->warning), "%s%s%sthese disagree: %s counts", job, omp,
                slurm, n_job ? "the job file" : "OMP_NUM_THREADS");
}

void placement_request_make(const struct machine *machine, int n_thread_job, bool deals_only,
                            struct placement_request *ret_request)
{
    struct placement_request request = { .deals_only = deals_only };
    int n_omp = threads_from_environment("OMP_NUM_THREADS");
    int n_slurm = threads_from_environment("SLURM_CPUS_PER_TASK");

    request.is_left_alone = getenv("OMP_PROC_BIND") || omp_get_proc_bind() != omp_proc_bind_false;
    if (request.is_left_alone)
        find_places(&request.allowed);
    if (cpuset_count(&request.allowed) == 0)
        find_cpuset(machine, &request.allowed);
    if (n_thread_job > 0) {
        request.n_thread = n_thread_job;
        request.source = PLACEMENT_JOB;
    } else if (n_omp > 0) {
        request.n_thread = n_omp;
        request.source = PLACEMENT_OMP;
    } else if (n_slurm > 0) {
        request.n_thread = threads_from_slurm(machine, &request.allowed, n_slurm);
        request.source = PLACEMENT_SLURM;
    }
    compare_sources(machine, n_thread_job > 0 ? n_thread_job : 0, n_omp, n_slurm, &request);
    *ret_request = request;
}

/* ---- pinning --------------------------------------------------------------------------------- */

/* Nobody, such as numactl, decided where this process' memory goes. */
static bool is_memory_free(hwloc_topology_t topology)
{
    hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
    hwloc_membind_policy_t policy = HWLOC_MEMBIND_MIXED;
    int failed =
        !nodes || hwloc_get_membind(topology, nodes, &policy, HWLOC_MEMBIND_THREAD | HWLOC_MEMBIND_BYNODESET);

    hwloc_bitmap_free(nodes);
    return !failed && (policy == HWLOC_MEMBIND_DEFAULT || policy == HWLOC_MEMBIND_FIRSTTOUCH);
}

/* errno of what the system refused, or 0. Memory that cannot be bound stays where it is first touched, which
 * is nearly as good. */
static int pin_thread(hwloc_topology_t topology, int cpu, bool bind_memory)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    int refused = 0;

    if (!set || hwloc_bitmap_only(set, (unsigned)cpu) ||
        hwloc_set_cpubind(topology, set, HWLOC_CPUBIND_THREAD))
        refused = errno ? errno : ENOMEM;
    else if (bind_memory)
        hwloc_set_membind(topology, set, HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_THREAD);
    hwloc_bitmap_free(set);
    return refused;
}

/* The worst refusal of all threads; the team may be smaller than asked for (OMP_THREAD_LIMIT). */
static int pin_threads(hwloc_topology_t topology, const struct placement *placement, bool bind_memory,
                       int *ret_n_team)
{
    int refused = 0, n_team = 0;

#pragma omp parallel num_threads(placement->n_thread) default(none) shared(topology, placement, bind_memory) \
    reduction(max                                                                                            \
              : refused, n_team)
    {
        n_team = omp_get_num_threads();
        refused = pin_thread(topology, placement->cpu[omp_get_thread_num()], bind_memory);
    }
    *ret_n_team = n_team;
    return refused;
}

static void unpin_threads(hwloc_topology_t topology, int n_thread, hwloc_const_cpuset_t before)
{
#pragma omp parallel num_threads(n_thread) default(none) shared(topology, before)
    hwloc_set_cpubind(topology, before, HWLOC_CPUBIND_THREAD);
}

static void give_up(struct placement *placement, const char *why)
{
    text_format(placement->text, sizeof(placement->text), "%d thread%s, not pinned: %s", placement->n_thread,
                placement->n_thread == 1 ? "" : "s", why);
    if (placement->deals_only)
        text_format(placement->text, sizeof(placement->text), "deals, not pinned: %s", why);
    placement->is_pinned = false;
    placement->n_l3 = placement->n_numa = 0;
    placement->numa = -1;
}

void placement_apply(const struct machine *machine, struct placement *placement)
{
    hwloc_bitmap_t before;
    char why[128];
    bool bind_memory;
    int refused, n_team = 0;

    omp_set_num_threads(placement->n_thread);
    if (!placement->is_pinned)
        return;
    if (!machine->is_this || !machine->topology) {
        give_up(placement, "the plan is for another machine (HWLOC_SYNTHETIC or HWLOC_XMLFILE is set)");
        return;
    }
    before = hwloc_bitmap_alloc();
    if (before && hwloc_get_cpubind(machine->topology, before, HWLOC_CPUBIND_PROCESS))
        hwloc_bitmap_copy(before, hwloc_topology_get_topology_cpuset(machine->topology));
    bind_memory = machine->n_numa > 1 && placement->n_numa == 1 && is_memory_free(machine->topology);
    omp_set_dynamic(0); /* OMP_DYNAMIC could leave cores idle */
    refused = pin_threads(machine->topology, placement, bind_memory, &n_team);
    if (n_team < placement->n_thread) {
        text_format(why, sizeof(why), "OpenMP gives %d of %d threads (OMP_THREAD_LIMIT?)", n_team,
                    placement->n_thread);
        describe_append(placement->warning, sizeof(placement->warning), why);
        placement->n_thread = n_team;
        omp_set_num_threads(n_team);
        describe_placement(machine, FATE_CORES, NULL, placement);
    }
    if (refused) {
        if (before)
            unpin_threads(machine->topology, n_team, before);
        text_format(why, sizeof(why), "the system refuses: %s", strerror(refused));
        give_up(placement, why);
    }
    hwloc_bitmap_free(before);
}
