/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MB 1048576u
/* Part of a node that is left to jobs where nobody says how much. */
#define NODE_SHARE 0.8
/* Limits above this are none: version 1 of cgroups says 2^63 rounded down to pages. */
#define NO_LIMIT (UINT64_C(1) << 60)

/* ---- what a rank gets -------------------------------------------------------------------------- */

static uint64_t smaller(uint64_t limit, uint64_t bytes)
{
    return limit > 0 && limit < bytes ? limit : bytes;
}

size_t memory_of_rank(const struct memory_facts *facts, const char **ret_source)
{
    const uint64_t n_rank = (uint64_t)facts->n_rank;
    const struct {
        const char *source;
        uint64_t bytes;
    } choices[] = {
        { "SLURM's memory per cpu", facts->slurm_task_bytes },
        { "SLURM's memory per node", facts->slurm_node_bytes / n_rank },
        { "the cgroup's limit", facts->cgroup_bytes / n_rank },
        { "80 % of the node's memory", (uint64_t)(NODE_SHARE * (double)facts->physical_bytes) / n_rank },
    };

    if (facts->asked_bytes > 0) {
        *ret_source = "memory_mb";
        return facts->asked_bytes;
    }
    for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++)
        if (choices[i].bytes > 0) {
            *ret_source = choices[i].source;
            return smaller(facts->cgroup_bytes / n_rank,
                           smaller(facts->physical_bytes / n_rank, choices[i].bytes));
        }
    *ret_source = "nothing";
    return SIZE_MAX;
}

/* ---- what is known ----------------------------------------------------------------------------- */

/* SLURM's numbers are MB of 2^20; 0 stands for all there is. */
static uint64_t read_number(const char *name)
{
    const char *text = getenv(name);
    int64_t value = 0;

    return text && text_to_int64(text, &value) && value > 0 ? (uint64_t)value : 0;
}

uint64_t memory_read_limit(const char *path)
{
    FILE *file = fopen(path, "r");
    unsigned long long value = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%llu", &value) != 1) /* "max" */
        value = 0;
    fclose(file);
    return value < NO_LIMIT ? value : 0;
}

/* The smallest limit of a cgroup and those it is in. A container may see only the innermost of them, at the
 * root. */
static uint64_t climb(const char *root, char *group, const char *name)
{
    char path[4352];
    uint64_t least = 0;
    char *slash;

    do {
        uint64_t limit =
            text_format(path, sizeof(path), "%s%s/%s", root, group, name) ? memory_read_limit(path) : 0;

        least = least == 0 ? limit : smaller(limit, least);
        slash = strrchr(group, '/');
        if (slash)
            *slash = '\0';
    } while (slash);
    return least;
}

/* Lines are "0::/path" (version 2) and "N:memory:/path" (version 1). */
static uint64_t find_cgroup_limit(void)
{
    FILE *file = fopen("/proc/self/cgroup", "r");
    char line[4096];
    uint64_t least = 0;

    while (file && fgets(line, sizeof(line), file)) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        uint64_t limit = 0;

        if (!group)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        if (controllers[1] == '\0')
            limit = climb("/sys/fs/cgroup", group, "memory.max");
        else if (strstr(controllers + 1, "memory"))
            limit = climb("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
        least = least == 0 ? limit : smaller(limit, least);
    }
    if (file)
        fclose(file);
    return least;
}

void memory_find_facts(int memory_mb, int n_rank, struct memory_facts *ret_facts)
{
    long n_page = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t n_cpu = read_number("SLURM_CPUS_PER_TASK");

    *ret_facts = (struct memory_facts) {
        .asked_bytes = memory_mb > 0 ? (uint64_t)memory_mb * MB : 0,
        .slurm_node_bytes = read_number("SLURM_MEM_PER_NODE") * MB,
        .slurm_task_bytes = read_number("SLURM_MEM_PER_CPU") * (n_cpu > 0 ? n_cpu : 1) * MB,
        .cgroup_bytes = find_cgroup_limit(),
        .physical_bytes = n_page > 0 && page_bytes > 0 ? (uint64_t)n_page * (uint64_t)page_bytes : 0,
        .n_rank = n_rank,
    };
}

size_t memory_for_rank(MPI_Comm comm, int memory_mb)
{
    struct memory_facts facts;
    const char *source;
    MPI_Comm node;
    int n_rank = 1;

    MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &n_rank);
    MPI_Comm_free(&node);
    memory_find_facts(memory_mb, n_rank, &facts);
    return memory_of_rank(&facts, &source);
}
