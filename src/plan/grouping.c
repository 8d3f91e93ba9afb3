/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which galaxies go together, and what their group takes. It depends on the rows and the settings only, so
 * what is read ahead is what will be computed.
 */
#include "polyphony/plan_memory.h"

#include <omp.h>

/* Particles of a galaxy that all threads work on together instead: there is enough to share out. */
#define PARTICLES_MAX ((uint64_t)32768)
/* Most memory of a group's galaxies: enough for some a thread, little beside a grid; and with many threads
 * enough for one a thread. */
#define GROUP_BYTES  ((uint64_t)32 << 20)
#define THREAD_BYTES ((uint64_t)4 << 20)
/* Rows of a group that are all kept until they are written; larger ones are written one by one. */
#define ROWS_BYTES ((uint64_t)8 << 20)

/* ---- rows ---------------------------------------------------------------------------------------- */

bool group_rows_are_large(const struct plan *plan)
{
    return PLAN_GROUP_MAX * plan->n_value * sizeof(double) > ROWS_BYTES;
}

size_t group_row_stride(const struct plan *plan)
{
    return group_rows_are_large(plan) ? plan->n_early : plan->n_value;
}

/* ---- which galaxies go together ---------------------------------------------------------------- */

static size_t count_redshifts(const struct plan *plan, size_t n, const uint64_t *row)
{
    size_t n_redshift = 0;

    for (size_t i = 0; i < n; i++) {
        size_t j = 0;

        while (j < i && plan_redshift(plan, row[j]) != plan_redshift(plan, row[i]))
            j++;
        n_redshift += j == i;
    }
    return n_redshift;
}

static uint64_t count_particles(const struct plan *plan, uint64_t row)
{
    return plan_count_shining(plan, row) + plan->catalogue->n_particle[GAS][row];
}

/* What the galaxies of a group may take [bytes]. */
static uint64_t members_bound(uint64_t memory_bytes, size_t n_thread)
{
    uint64_t bound = n_thread * THREAD_BYTES > GROUP_BYTES ? n_thread * THREAD_BYTES : GROUP_BYTES;

    return memory_bytes && memory_bytes / 2 < bound ? memory_bytes / 2 : bound;
}

/* Galaxies that are worth a group: with fewer, more than half of the threads would have nothing to do. */
static size_t group_least(size_t n_thread)
{
    return n_thread > 4 ? (n_thread + 1) / 2 : 2;
}

size_t group_choose(const struct plan *plan, const struct memory_bound *bound, size_t n, const uint64_t *row,
                    uint64_t *ret_bytes)
{
    const struct catalogue *catalogue = plan->catalogue;
    size_t n_thread = (size_t)omp_get_max_threads(), n_group = 0;
    uint64_t most = members_bound(bound->bytes, n_thread), shared = group_shared_bytes(plan);
    uint64_t bytes = 0, of_thread = 0;

    *ret_bytes = 0;
    for (; n_group < n && n_group < PLAN_GROUP_MAX; n_group++) {
        uint64_t member, thread;

        if (count_particles(plan, row[n_group]) > PARTICLES_MAX ||
            (bound->n_star_tile && catalogue->n_particle[plan->tiled][row[n_group]] > bound->n_star_tile))
            break;
        member = group_member_bytes(plan, row[n_group]);
        thread = n_thread * group_thread_bytes(plan, row[n_group]);
        if (n_group > 0 && bytes + member > most)
            break;
        if (bound->bytes &&
            bytes + member + (thread > of_thread ? thread : of_thread) + shared > bound->bytes)
            break;
        bytes += member;
        of_thread = thread > of_thread ? thread : of_thread;
    }
    while (n_group > PLAN_FRAMES_MAX && count_redshifts(plan, n_group, row) > PLAN_FRAMES_MAX)
        n_group--;
    /* Few galaxies a thread: no thread should wait for the last of them. */
    if (n_group >= n_thread && n_group < 4 * n_thread)
        n_group -= n_group % n_thread;
    *ret_bytes = bytes + of_thread + shared;
    return n_group >= group_least(n_thread) ? n_group : 1;
}

uint64_t plan_group_bytes(const struct plan *plan, uint64_t memory_bytes)
{
    size_t n_thread = (size_t)omp_get_max_threads(), n = 0, n_most;
    uint64_t most[2] = { 0 }, least[2] = { UINT64_MAX, UINT64_MAX }; /* of a galaxy, of a thread */
    uint64_t bound = members_bound(memory_bytes, n_thread), shared = group_shared_bytes(plan), bytes;

    for (uint64_t row = 0; plan->method == OBSERVE_FAST && row < plan->catalogue->n_galaxy; row++) {
        uint64_t of[2];

        if (count_particles(plan, row) > PARTICLES_MAX)
            continue;
        of[0] = group_member_bytes(plan, row);
        of[1] = group_thread_bytes(plan, row);
        for (size_t i = 0; i < 2; i++) {
            most[i] = of[i] > most[i] ? of[i] : most[i];
            least[i] = of[i] < least[i] ? of[i] : least[i];
        }
        n++;
    }
    if (n < group_least(n_thread))
        return 0;
    bytes = group_least(n_thread) * least[0];
    if (bytes > bound || (memory_bytes && bytes + n_thread * least[1] + shared > memory_bytes))
        return 0;
    n_most = n < PLAN_GROUP_MAX ? n : PLAN_GROUP_MAX;
    bytes = n_most * most[0] < bound ? n_most * most[0] : bound;
    bytes += n_thread * most[1] + shared;
    return memory_bytes && memory_bytes < bytes ? memory_bytes : bytes;
}
