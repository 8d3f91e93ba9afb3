/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/placement.h"

#include <hwloc.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* The machine as far as this process may use it; NULL when hwloc cannot tell. Its cores before that, too. */
static hwloc_topology_t open_topology(int *ret_n_core_machine)
{
    hwloc_topology_t topology;
    hwloc_bitmap_t set;

    if (hwloc_topology_init(&topology))
        return NULL;
    if (hwloc_topology_load(topology)) {
        hwloc_topology_destroy(topology);
        return NULL;
    }
    *ret_n_core_machine = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    set = hwloc_bitmap_alloc();
    if (set && !hwloc_get_cpubind(topology, set, HWLOC_CPUBIND_PROCESS) && !hwloc_bitmap_iszero(set))
        hwloc_topology_restrict(topology, set, 0);
    hwloc_bitmap_free(set);
    return topology;
}

uint64_t placement_cpuset_hash(void)
{
    int n_core_machine = 0;
    hwloc_topology_t topology = open_topology(&n_core_machine);
    char *text = NULL;
    uint64_t hash = 0;

    if (!topology)
        return 0;
    if (hwloc_bitmap_asprintf(&text, hwloc_topology_get_topology_cpuset(topology)) > 0)
        hash = hash_bytes(text, strlen(text));
    free(text);
    hwloc_topology_destroy(topology);
    return hash;
}

static int threads_from_environment(void)
{
    const char *text = getenv("OMP_NUM_THREADS");
    int64_t n = 0;

    return text && text_to_int64(text, &n) && n > 0 && n < 4096 ? (int)n : 0;
}

/* Bind thread t to the first processing unit of core first + t. */
static bool pin_threads(hwloc_topology_t topology, int first, int n_thread)
{
    int n_failed = 0;

#pragma omp parallel num_threads(n_thread) default(none) shared(topology, first) reduction(+ : n_failed)
    {
        hwloc_obj_t core =
            hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)(first + omp_get_thread_num()));
        hwloc_bitmap_t set = core ? hwloc_bitmap_dup(core->cpuset) : NULL;

        if (set)
            hwloc_bitmap_singlify(set);
        if (!set || hwloc_set_cpubind(topology, set, HWLOC_CPUBIND_THREAD))
            n_failed++;
        hwloc_bitmap_free(set);
    }
    return n_failed == 0;
}

void placement_apply(int n_thread_wanted, int i_worker, int n_worker, struct placement *ret_placement)
{
    int n_core_machine = 0;
    hwloc_topology_t topology = open_topology(&n_core_machine);
    struct placement placement = { .n_core =
                                       topology ? hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) : 0 };
    const char *why = "";
    int share;

    if (placement.n_core < 1)
        placement.n_core = omp_get_num_procs();
    share = placement.n_core / n_worker > 1 ? placement.n_core / n_worker : 1;
    placement.n_thread = n_thread_wanted > 0 ? n_thread_wanted : threads_from_environment();
    if (placement.n_thread == 0)
        placement.n_thread = share;
    omp_set_num_threads(placement.n_thread);
    if (!topology)
        why = "hwloc cannot read this machine";
    else if (omp_get_proc_bind() != omp_proc_bind_false)
        why = "OMP_PROC_BIND decides";
    else if (placement.n_thread > share || n_worker > placement.n_core)
        why = "more threads than cores";
    else if (!pin_threads(topology, i_worker * share, placement.n_thread))
        why = "the system refuses";
    else
        placement.is_pinned = true;
    if (placement.is_pinned && placement.n_thread == 1)
        text_format(placement.text, sizeof(placement.text), "1 thread, pinned to core %d of %d",
                    i_worker * share, placement.n_core);
    else if (placement.is_pinned)
        text_format(placement.text, sizeof(placement.text), "%d threads, pinned to cores %d to %d of %d",
                    placement.n_thread, i_worker * share, i_worker * share + placement.n_thread - 1,
                    placement.n_core);
    else
        text_format(placement.text, sizeof(placement.text),
                    "%d thread%s, not pinned (%s; %d core%s for %d rank%s)", placement.n_thread,
                    placement.n_thread > 1 ? "s" : "", why, placement.n_core, placement.n_core > 1 ? "s" : "",
                    n_worker, n_worker > 1 ? "s" : "");
    /* mpirun binds two ranks or fewer to a core each: surprising, and easily undone. */
    if (placement.n_core == 1 && n_core_machine > 1)
        strncat(placement.text, "; the launcher allows one core only, 'mpirun --bind-to none' allows all",
                sizeof(placement.text) - strlen(placement.text) - 1);
    if (topology)
        hwloc_topology_destroy(topology);
    *ret_placement = placement;
}
