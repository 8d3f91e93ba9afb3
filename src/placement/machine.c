/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hwloc's tree as flat arrays. Walked by hardware threads, so that machines without cores, caches, packages
 * or NUMA nodes in their description need no case of their own: what is missing counts as one for all.
 */
#include "polyphony/placement.h"

#include <ctype.h>
#include <errno.h>
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- walking the tree ------------------------------------------------------------------------ */

/* The smallest NUMA node that has this cpu: memory hangs beside the tree, and a cpu may see several nodes
 * (HBM and DRAM). -1 if there is none. */
static int find_numa(hwloc_topology_t topology, unsigned os_cpu)
{
    hwloc_obj_t node = NULL, best = NULL;

    while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)))
        if (node->cpuset && hwloc_bitmap_isset(node->cpuset, os_cpu) &&
            (!best || hwloc_bitmap_weight(node->cpuset) < hwloc_bitmap_weight(best->cpuset)))
            best = node;
    return best ? (int)best->logical_index : -1;
}

static int find_above(hwloc_topology_t topology, hwloc_obj_t pu, hwloc_obj_type_t type)
{
    hwloc_obj_t above = hwloc_get_ancestor_obj_by_type(topology, type, pu);

    return above ? (int)above->logical_index : -1;
}

/* hwloc's rank of this kind of core; 0 where all are alike or it cannot tell. */
static int find_speed(hwloc_topology_t topology, hwloc_const_cpuset_t cpus)
{
#if HWLOC_API_VERSION >= 0x00020400
    int kind = hwloc_cpukinds_get_by_cpuset(topology, cpus, 0), efficiency = 0;

    if (kind >= 0 && !hwloc_cpukinds_get_info(topology, (unsigned)kind, NULL, &efficiency, NULL, NULL, 0))
        return efficiency > 0 ? efficiency : 0;
#else
    (void)topology;
    (void)cpus;
#endif
    return 0;
}

/* hwloc's numbers to ours: 0, 1, ... in the order of the cores that have them, so that domains without cores
 * vanish. */
struct numbering {
    int *ours; /* [n_hwloc], -1: not seen yet */
    int n_hwloc, n;
};

struct machine_reader {
    struct machine *machine;
    struct numbering package, numa, l3;
    hwloc_obj_t last_owner;
};

static void numbering_open(struct numbering *numbering, int n_hwloc)
{
    numbering->n_hwloc = n_hwloc;
    numbering->ours = mem_small((size_t)n_hwloc, sizeof(*numbering->ours));
    for (int i = 0; i < n_hwloc; i++)
        numbering->ours[i] = -1;
}

static int number(struct numbering *numbering, int i_hwloc)
{
    if (numbering->ours[i_hwloc] < 0)
        numbering->ours[i_hwloc] = numbering->n++;
    return numbering->ours[i_hwloc];
}

/* One more hardware thread: of the last core, or of a new one. The last number of each kind stands for
 * "none". */
static void add_cpu(struct machine_reader *reader, hwloc_obj_t pu)
{
    struct machine *machine = reader->machine;
    hwloc_topology_t topology = machine->topology;
    hwloc_obj_t owner = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, pu);
    struct machine_core *core;

    if (!owner)
        owner = pu;
    if (owner != reader->last_owner) {
        int package = find_above(topology, pu, HWLOC_OBJ_PACKAGE);
        int numa = find_numa(topology, pu->os_index), l3 = find_above(topology, pu, HWLOC_OBJ_L3CACHE);

        core = &machine->core[machine->n_core++];
        core->package = number(&reader->package, package < 0 ? reader->package.n_hwloc - 1 : package);
        core->numa = number(&reader->numa, numa < 0 ? reader->numa.n_hwloc - 1 : numa);
        core->l3 = number(&reader->l3, l3 < 0 ? reader->l3.n_hwloc - 1 - core->numa : l3);
        core->speed = find_speed(topology, pu->cpuset);
        machine->has_l3 |= l3 >= 0;
        reader->last_owner = owner;
    }
    core = &machine->core[machine->n_core - 1];
    if (core->n_cpu < MACHINE_SMT_MAX)
        core->cpu[core->n_cpu++] = (int)pu->os_index;
}

static void read_memory(struct machine_reader *reader)
{
    hwloc_obj_t node = NULL;

    while ((node = hwloc_get_next_obj_by_type(reader->machine->topology, HWLOC_OBJ_NUMANODE, node))) {
        int i = reader->numa.ours[node->logical_index];

        if (i >= 0)
            reader->machine->numa_bytes[i] = (int64_t)node->attr->numanode.local_memory;
    }
}

static int read_cpus(struct machine_reader *reader, struct error *err)
{
    struct machine *machine = reader->machine;
    hwloc_topology_t topology = machine->topology;
    int n_cpu = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
    int n_numa = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    int n_l3 = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_L3CACHE);
    int last = hwloc_bitmap_last(hwloc_topology_get_topology_cpuset(topology));

    if (n_cpu < 1)
        return error_set(err, POLYPHONY_INPUT, "%s: no cpus", machine->name);
    if (last >= CPUSET_MAX)
        return error_set(err, POLYPHONY_INPUT, "%s: cpu %d, expected numbers below %d", machine->name, last,
                         CPUSET_MAX);
    machine->core = mem_small((size_t)n_cpu, sizeof(*machine->core));
    machine->numa_bytes = mem_small((size_t)n_numa + 1, sizeof(*machine->numa_bytes));
    numbering_open(&reader->package, hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE) + 1);
    numbering_open(&reader->numa, n_numa + 1);
    numbering_open(&reader->l3, n_l3 + n_numa + 1);
    for (int i = 0; i < n_cpu; i++)
        add_cpu(reader, hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, (unsigned)i));
    read_memory(reader);
    machine->n_package = reader->package.n;
    machine->n_numa = reader->numa.n;
    machine->n_l3 = reader->l3.n;
    return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* An empty topology of hwloc's, not loaded yet. */
static int make_empty(const char *name, struct machine **ret_machine, struct error *err)
{
    struct machine *machine = mem_small(1, sizeof(*machine));

    if (hwloc_topology_init(&machine->topology)) {
        free(machine);
        return error_set(err, POLYPHONY_INTERNAL, "hwloc cannot begin");
    }
    text_format(machine->name, sizeof(machine->name), "%s", name);
    *ret_machine = machine;
    return 0;
}

/* With cpus that a cgroup withholds too: which they are may differ between the ranks of a node. */
static int load(struct machine *machine, struct error *err)
{
    struct machine_reader reader = { .machine = machine };
    int r;

    if (hwloc_topology_set_flags(machine->topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) ||
        hwloc_topology_load(machine->topology))
        return error_set(err, POLYPHONY_INPUT, "%s: hwloc cannot read it: %s", machine->name,
                         strerror(errno));
    r = read_cpus(&reader, err);
    free(reader.package.ours);
    free(reader.numa.ours);
    free(reader.l3.ours);
    return r;
}

static const char *find_model(hwloc_topology_t topology)
{
    hwloc_obj_t package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);

    return package ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
}

int machine_open(struct machine **ret_machine, struct error *err)
{
    struct machine *machine = NULL;
    const char *model;
    int r = make_empty("this machine", &machine, err);

    if (r)
        return r;
    if (load(machine, err)) {
        machine_close(machine);
        return POLYPHONY_INTERNAL;
    }
    model = find_model(machine->topology);
    machine->is_this = hwloc_topology_is_thissystem(machine->topology);
    if (!machine->is_this)
        text_format(machine->name, sizeof(machine->name), "the machine of HWLOC_SYNTHETIC or HWLOC_XMLFILE");
    else if (model)
        text_format(machine->name, sizeof(machine->name), "%s", model);
    *ret_machine = machine;
    return 0;
}

/* Cpus that a description asks for, at most CPUSET_MAX + 1: hwloc would build a million of them first. Sizes
 * are in parentheses and memory in brackets; what is left has a number after each colon, or alone. */
static int count_described(const char *text)
{
    int64_t n = 1;
    int depth = 0;

    for (const char *c = text; *c && n <= CPUSET_MAX; c++) {
        depth += (*c == '(' || *c == '[') - (*c == ')' || *c == ']');
        if (depth == 0 && isdigit((unsigned char)*c) && (c == text || c[-1] == ':' || c[-1] == ' ')) {
            int64_t arity = strtoll(c, NULL, 10);

            n *= arity > CPUSET_MAX ? CPUSET_MAX + 1 : arity > 0 ? arity : 1;
        }
    }
    return n > CPUSET_MAX ? CPUSET_MAX + 1 : (int)n;
}

int machine_open_synthetic(const char *description, struct machine **ret_machine, struct error *err)
{
    struct machine *machine = NULL;
    struct error reason = { 0 };
    int r;

    if (count_described(description) > CPUSET_MAX)
        return error_set(err, POLYPHONY_USAGE, "machine '%s': more than %d cpus", description, CPUSET_MAX);
    r = make_empty(description, &machine, err);
    if (r)
        return r;
    if (hwloc_topology_set_synthetic(machine->topology, description))
        r = error_set(
            err, POLYPHONY_USAGE,
            "machine '%s': no description that hwloc understands; such as 'Package:2 L3:8 Core:4 PU:2', always with PU last",
            description);
    else if (load(machine, &reason))
        r = error_set(err, POLYPHONY_USAGE, "machine %s", reason.text);
    if (r) {
        machine_close(machine);
        return r;
    }
    *ret_machine = machine;
    return 0;
}

int machine_open_xml(const char *path, struct machine **ret_machine, struct error *err)
{
    struct machine *machine = NULL;
    struct error reason = { 0 };
    const char *model;
    int r;

    if (access(path, R_OK))
        return error_set(err, POLYPHONY_INPUT, "'%s' cannot be read: %s", path, strerror(errno));
    r = make_empty(path, &machine, err);
    if (r)
        return r;
    if (hwloc_topology_set_xml(machine->topology, path))
        r = error_set(err, POLYPHONY_INPUT, "'%s': no machine in it; 'lstopo --of xml FILE' writes one",
                      path);
    else if (load(machine, &reason))
        r = error_set(err, POLYPHONY_INPUT, "%s; 'lstopo --of xml FILE' writes such files", reason.text);
    if (r) {
        machine_close(machine);
        return r;
    }
    model = find_model(machine->topology);
    if (model)
        text_format(machine->name, sizeof(machine->name), "%s (%s)", path, model);
    *ret_machine = machine;
    return 0;
}

void machine_close(struct machine *machine)
{
    if (!machine)
        return;
    if (machine->topology)
        hwloc_topology_destroy(machine->topology);
    free(machine->core);
    free(machine->numa_bytes);
    free(machine);
}

void machine_cpus(const struct machine *machine, struct cpuset *ret_set)
{
    *ret_set = (struct cpuset) { 0 };
    for (int i = 0; i < machine->n_core; i++)
        for (int k = 0; k < machine->core[i].n_cpu; k++)
            cpuset_add(ret_set, machine->core[i].cpu[k]);
}
