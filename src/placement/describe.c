/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A plan in words, for people who know their job file but not the machine.
 */
#include "placement_private.h"

#include <stdio.h>
#include <string.h>

void describe_append(char *text, size_t size, const char *sentence)
{
    size_t used = strlen(text);

    text_format(text + used, size - used, "%s%s", used && sentence[0] ? "; " : "", sentence);
}

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

/* The core of a cpu; each cpu of a plan has one. */
static int find_core(const struct machine *machine, int cpu)
{
    for (int i = 0; i < machine->n_core; i++)
        for (int k = 0; k < machine->core[i].n_cpu; k++)
            if (machine->core[i].cpu[k] == cpu)
                return i;
    return -1;
}

/* Cores of a placement, and the domains they touch. */
static void count_domains(const struct machine *machine, struct placement *placement,
                          struct cpuset *ret_cores)
{
    struct cpuset l3 = { 0 }, numa = { 0 };

    for (int t = 0; t < placement->n_thread; t++) {
        int i = find_core(machine, placement->cpu[t]);

        cpuset_add(ret_cores, i);
        cpuset_add(&l3, machine->core[i].l3);
        cpuset_add(&numa, machine->core[i].numa);
    }
    placement->n_l3 = cpuset_count(&l3);
    placement->n_numa = cpuset_count(&numa);
    for (placement->numa = 0; !cpuset_has(&numa, placement->numa);)
        placement->numa++;
}

/* "cores 0-7 (cpus 0-7; 2 L3 domains, NUMA node 0)"; of domains only what the machine has several of. */
static void describe_cores(const struct machine *machine, const struct placement *placement,
                           const struct cpuset *cores, char *ret_text, size_t size)
{
    struct cpuset cpus = { 0 };
    char core_list[80], cpu_list[80], l3[32] = "", numa[32] = "";

    for (int t = 0; t < placement->n_thread; t++)
        cpuset_add(&cpus, placement->cpu[t]);
    cpuset_format(cores, core_list, sizeof(core_list));
    cpuset_format(&cpus, cpu_list, sizeof(cpu_list));
    if (machine->has_l3 && machine->n_l3 > 1 && !placement->deals_only)
        text_format(l3, sizeof(l3), "; %d L3 domain%s", placement->n_l3, plural(placement->n_l3));
    if (machine->n_numa > 1 && placement->n_numa > 1)
        text_format(numa, sizeof(numa), "%s %d NUMA nodes", l3[0] ? "," : ";", placement->n_numa);
    else if (machine->n_numa > 1 && !placement->deals_only)
        text_format(numa, sizeof(numa), "%s NUMA node %d", l3[0] ? "," : ";", placement->numa);
    text_format(ret_text, size, "core%s %s (cpu%s %s%s%s)", plural(cpuset_count(cores)), core_list,
                plural(cpuset_count(&cpus)), cpu_list, l3, numa);
}

static void describe_crowd(const struct rank_group *group, char *ret_text, size_t size)
{
    char hardware[64] = "";

    if (group->n_cpu != group->n_core)
        text_format(hardware, sizeof(hardware), " with %d hardware threads", group->n_cpu);
    text_format(ret_text, size, "%lld thread%s on %d core%s%s", (long long)group->n_thread,
                plural(group->n_thread), group->n_core, plural(group->n_core), hardware);
}

void describe_placement(const struct machine *machine, enum fate fate, const struct rank_group *group,
                        struct placement *placement)
{
    struct cpuset cores = { 0 };
    char where[256] = "", who[32];

    placement->n_l3 = placement->n_numa = 0;
    placement->numa = -1;
    if (placement->is_pinned) {
        count_domains(machine, placement, &cores);
        describe_cores(machine, placement, &cores, where, sizeof(where));
    } else if (fate == FATE_CROWDED)
        describe_crowd(group, where, sizeof(where));
    if (placement->deals_only)
        text_format(who, sizeof(who), "deals,");
    else
        text_format(who, sizeof(who), "%d thread%s%s", placement->n_thread, plural(placement->n_thread),
                    placement->is_pinned ? "" : ",");
    switch (fate) {
    case FATE_CORES:
    case FATE_SHARED:
    case FATE_DEALS:
        text_format(placement->text, sizeof(placement->text), "%s on %s", who, where);
        break;
    case FATE_DEALS_BESIDE:
        text_format(placement->text, sizeof(placement->text), "%s on an idle hardware thread of %s", who,
                    where);
        break;
    case FATE_DEALS_ANYWHERE:
        text_format(placement->text, sizeof(placement->text), "%s on any core: none is left to it", who);
        break;
    case FATE_CROWDED:
        text_format(placement->text, sizeof(placement->text), "%s not pinned: %s", who, where);
        break;
    case FATE_LEFT_ALONE:
        text_format(placement->text, sizeof(placement->text), "%s not pinned: OMP_PROC_BIND decides", who);
        break;
    case FATE_UNKNOWN:
        text_format(placement->text, sizeof(placement->text),
                    "%s not pinned: none of its cpus is in the description of this machine", who);
        break;
    }
}

void describe_idle(const struct rank_group *group, struct placement *placement)
{
    char sentence[80];

    text_format(sentence, sizeof(sentence), "%d core%s idle: more ranks would use %s", group->n_idle,
                group->n_idle == 1 ? " is" : "s are", group->n_idle == 1 ? "it" : "them");
    describe_append(placement->text, sizeof(placement->text), sentence);
}

void describe_group(enum fate fate, const struct rank_group *group, char *ret_text, size_t size)
{
    char crowd[96];
    int n_fitting = group->n_core / group->n_rank;

    ret_text[0] = '\0';
    describe_crowd(group, crowd, sizeof(crowd));
    if (fate == FATE_LEFT_ALONE && group->n_rank > 1)
        text_format(
            ret_text, size,
            "OMP_PROC_BIND knows nothing of the other ranks on these cores: where it is not set, they are shared out");
    else if ((fate == FATE_SHARED || fate == FATE_CROWDED) && n_fitting > 0)
        text_format(ret_text, size, "threads share cores: %s; %d thread%s a rank would have a core each",
                    crowd, n_fitting, plural(n_fitting));
    else if (fate == FATE_SHARED || fate == FATE_CROWDED)
        text_format(ret_text, size, "threads share cores: %s; with fewer ranks each would have its own",
                    crowd);
}
