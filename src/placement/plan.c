/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The plan of a node, from flat arrays to flat arrays.
 *
 * Computing ranks whose allowed cores overlap, directly or through others, form a group and share one fate: a
 * core for each thread, else a hardware thread for each, else none of them is pinned. Were some pinned and
 * others not, the free ones would crowd the pinned ones' cores.
 */
#include "placement_private.h"

#include <stdlib.h>
#include <string.h>

enum core_state { CORE_FREE, CORE_OWNED, CORE_FLOATED_OVER };

/* Ways to place a group, tried in this order. */
enum way { WAY_CORES, WAY_SHARE_OF_CORES, WAY_HARDWARE_THREADS, N_WAY };

/* What is known of a rank besides its request and its placement. */
struct asker {
    struct cpuset core; /* indices of the cores that it may use */
    int n_wanted;       /* threads */
    bool is_capped;     /* only PLACEMENT_THREAD_DEFAULT kept it from more */
    int i_group;        /* first rank of its group; -1 for dealers and for ranks without cores */
    enum fate fate;
};

struct planner {
    const struct machine *machine;
    const struct placement_request *request;
    struct placement_plan *plan;
    struct tree tree;
    struct asker *asker;      /* [n_rank] */
    struct rank_group *group; /* [n_rank], those of first ranks are used */
    int *order;               /* [n_rank] ranks as they choose */
    enum core_state *state;   /* [n_core] */
    enum core_state *state_before;
    int *n_unit;         /* [n_core] scratch */
    struct cpuset taken; /* cpus */
    int n_cpu;           /* of plan->cpu in use */
};

/* ---- who may use what ------------------------------------------------------------------------ */

static bool is_empty(const struct cpuset *set)
{
    return cpuset_count(set) == 0;
}

static bool cpuset_overlaps(const struct cpuset *a, const struct cpuset *b)
{
    for (size_t i = 0; i < CPUSET_MAX / 64; i++)
        if (a->word[i] & b->word[i])
            return true;
    return false;
}

static void find_allowed(struct planner *planner, int rank)
{
    const struct machine *machine = planner->machine;
    struct placement *placement = &planner->plan->rank[rank];
    struct cpuset allowed = planner->request[rank].allowed;

    if (is_empty(&allowed))
        machine_cpus(machine, &allowed);
    for (int i = 0; i < machine->n_core; i++)
        for (int k = 0; k < machine->core[i].n_cpu; k++)
            if (cpuset_has(&allowed, machine->core[i].cpu[k])) {
                cpuset_add(&placement->allowed, machine->core[i].cpu[k]);
                cpuset_add(&planner->asker[rank].core, i);
            }
    placement->n_core = cpuset_count(&planner->asker[rank].core);
    placement->deals_only = planner->request[rank].deals_only;
}

static bool is_computing(const struct planner *planner, int rank)
{
    return !planner->request[rank].deals_only && planner->plan->rank[rank].n_core > 0;
}

static void count_threads(struct planner *planner, int rank)
{
    struct asker *asker = &planner->asker[rank];
    int n_sharing = 0, share;

    for (int i = 0; i < planner->plan->n_rank; i++)
        n_sharing += is_computing(planner, i) && cpuset_overlaps(&asker->core, &planner->asker[i].core);
    share = planner->plan->rank[rank].n_core / (n_sharing > 0 ? n_sharing : 1);
    if (planner->request[rank].deals_only)
        asker->n_wanted = 1;
    else if (planner->request[rank].n_thread > 0)
        asker->n_wanted = planner->request[rank].n_thread;
    else {
        asker->is_capped = share > PLACEMENT_THREAD_DEFAULT;
        asker->n_wanted = asker->is_capped ? PLACEMENT_THREAD_DEFAULT : share > 1 ? share : 1;
    }
    planner->plan->rank[rank].n_thread = asker->n_wanted;
}

/* Ranks that share a core join their groups; the first rank is the group's name. */
static void find_groups(struct planner *planner)
{
    int n_rank = planner->plan->n_rank;

    for (int i = 0; i < n_rank; i++) {
        planner->asker[i].i_group = is_computing(planner, i) ? i : -1;
        for (int j = 0; j < i && planner->asker[i].i_group >= 0; j++) {
            int mine = planner->asker[i].i_group, other = planner->asker[j].i_group;

            if (other < 0 || other == mine ||
                !cpuset_overlaps(&planner->asker[i].core, &planner->asker[j].core))
                continue;
            for (int k = 0; k <= i; k++)
                if (planner->asker[k].i_group == (mine > other ? mine : other))
                    planner->asker[k].i_group = mine < other ? mine : other;
        }
    }
}

static void measure_group(struct planner *planner, int i_group)
{
    struct rank_group *group = &planner->group[i_group];
    struct cpuset cores = { 0 }, cpus = { 0 };

    *group = (struct rank_group) { .first_rank = i_group };
    for (int i = 0; i < planner->plan->n_rank; i++) {
        if (planner->asker[i].i_group != i_group)
            continue;
        group->n_rank++;
        group->n_thread += planner->asker[i].n_wanted;
        for (size_t w = 0; w < CPUSET_MAX / 64; w++) {
            cores.word[w] |= planner->asker[i].core.word[w];
            cpus.word[w] |= planner->plan->rank[i].allowed.word[w];
        }
    }
    group->n_core = cpuset_count(&cores);
    group->n_cpu = cpuset_count(&cpus);
}

static int compare_ranks(const void *a, const void *b, void *context)
{
    const struct placement *rank = context;
    int i = *(const int *)a, j = *(const int *)b;

    if (rank[i].n_core != rank[j].n_core)
        return rank[i].n_core < rank[j].n_core ? -1 : 1;
    return (i > j) - (i < j);
}

/* ---- placing a group ------------------------------------------------------------------------- */

static void offer_units(struct planner *planner, int rank, enum way way)
{
    const struct machine *machine = planner->machine;

    for (int i = 0; i < machine->n_core; i++) {
        planner->n_unit[i] = 0;
        if (way != WAY_HARDWARE_THREADS)
            planner->n_unit[i] = cpuset_has(&planner->asker[rank].core, i) && planner->state[i] == CORE_FREE;
        else
            for (int k = 0; k < machine->core[i].n_cpu; k++)
                planner->n_unit[i] +=
                    cpuset_has(&planner->plan->rank[rank].allowed, machine->core[i].cpu[k]) &&
                    !cpuset_has(&planner->taken, machine->core[i].cpu[k]);
    }
    tree_offer(&planner->tree, planner->n_unit);
}

/* Cores for a rank that gets fewer than it has threads: in proportion to its threads. */
static int share_of_cores(const struct planner *planner, int rank)
{
    const struct rank_group *group = &planner->group[planner->asker[rank].i_group];
    int64_t n_thread = planner->asker[rank].n_wanted, n = group->n_core * n_thread / group->n_thread;

    return (int)(n < n_thread ? n : n_thread);
}

/* The first allowed cpu of a core that nobody took; -1 if there is none. */
static int next_cpu(const struct planner *planner, int rank, int i_core)
{
    const struct machine_core *core = &planner->machine->core[i_core];

    for (int k = 0; k < core->n_cpu; k++)
        if (cpuset_has(&planner->plan->rank[rank].allowed, core->cpu[k]) &&
            !cpuset_has(&planner->taken, core->cpu[k]))
            return core->cpu[k];
    return -1;
}

/* Threads onto the cores picked, a cpu each, round by round. */
static bool seat_threads(struct planner *planner, int rank, int n_thread)
{
    const struct tree *tree = &planner->tree;
    struct placement *placement = &planner->plan->rank[rank];
    int n_seated = 0, n_before = -1;

    placement->cpu = planner->plan->cpu + planner->n_cpu;
    while (n_seated < n_thread && n_seated > n_before) {
        n_before = n_seated;
        for (int i = 0; i < tree->n_picked && n_seated < n_thread; i++) {
            int cpu = next_cpu(planner, rank, tree->picked[i]);

            if (cpu < 0)
                continue;
            placement->cpu[n_seated++] = cpu;
            cpuset_add(&planner->taken, cpu);
            planner->state[tree->picked[i]] = CORE_OWNED;
        }
    }
    placement->n_thread = n_seated;
    planner->n_cpu += n_seated;
    return n_seated == n_thread;
}

static bool place_rank(struct planner *planner, int rank, enum way way)
{
    int n_thread = planner->asker[rank].n_wanted, n_unit, n_free;

    offer_units(planner, rank, way);
    n_free = tree_count_free(&planner->tree);
    /* Of a set that overlaps others there may be less left than the share counted on. */
    if (way == WAY_CORES && planner->request[rank].n_thread <= 0 && n_free > 0 && n_free < n_thread)
        n_thread = n_free;
    n_unit = way == WAY_SHARE_OF_CORES ? share_of_cores(planner, rank) : n_thread;
    if (n_unit > n_free)
        return false;
    tree_pick(&planner->tree, n_unit);
    planner->plan->rank[rank].is_pinned = seat_threads(planner, rank, n_thread);
    return planner->plan->rank[rank].is_pinned;
}

/* All ranks of a group, or none. */
static bool try_way(struct planner *planner, int i_group, enum way way)
{
    size_t state_bytes = (size_t)planner->machine->n_core * sizeof(*planner->state);
    struct cpuset taken_before = planner->taken;
    int n_cpu_before = planner->n_cpu;
    bool is_done = true;

    memcpy(planner->state_before, planner->state, state_bytes);
    for (int i = 0; i < planner->plan->n_rank && is_done; i++)
        if (planner->asker[planner->order[i]].i_group == i_group)
            is_done = place_rank(planner, planner->order[i], way);
    if (is_done)
        return true;
    memcpy(planner->state, planner->state_before, state_bytes);
    planner->taken = taken_before;
    planner->n_cpu = n_cpu_before;
    for (int i = 0; i < planner->plan->n_rank; i++)
        if (planner->asker[i].i_group == i_group) {
            planner->plan->rank[i].is_pinned = false;
            planner->plan->rank[i].cpu = NULL;
            planner->plan->rank[i].n_thread = planner->asker[i].n_wanted;
        }
    return false;
}

static enum fate place_group(struct planner *planner, int i_group)
{
    for (int i = 0; i < planner->plan->n_rank; i++)
        if (planner->asker[i].i_group == i_group && planner->request[i].is_left_alone)
            return FATE_LEFT_ALONE;
    for (enum way way = WAY_CORES; way < N_WAY; way++)
        if (try_way(planner, i_group, way))
            return way == WAY_CORES ? FATE_CORES : FATE_SHARED;
    return FATE_CROWDED;
}

/* Nobody else has the cores that a rank floats over for itself. */
static void note_floating(struct planner *planner, int rank)
{
    for (int i = 0; i < planner->machine->n_core; i++)
        if (cpuset_has(&planner->asker[rank].core, i) && planner->state[i] == CORE_FREE)
            planner->state[i] = CORE_FLOATED_OVER;
}

static void place_groups(struct planner *planner)
{
    int n_rank = planner->plan->n_rank;

    for (int g = 0; g < n_rank; g++) {
        enum fate fate;

        if (planner->asker[g].i_group != g)
            continue;
        measure_group(planner, g);
        fate = place_group(planner, g);
        for (int i = g; i < n_rank; i++)
            if (planner->asker[i].i_group == g) {
                planner->asker[i].fate = fate;
                if (!planner->plan->rank[i].is_pinned)
                    note_floating(planner, i);
            }
    }
}

/* ---- the dealer ------------------------------------------------------------------------------ */

/* A free core: where most of an L3 is in use, so that no whole L3 is broken up; a slow one. -1: none. */
static int find_free_core(const struct planner *planner, int rank)
{
    const struct machine *machine = planner->machine;
    const struct tree *tree = &planner->tree;
    int *n_used = planner->n_unit, best = -1, best_used = 0;

    memset(n_used, 0, (size_t)machine->n_core * sizeof(*n_used));
    for (int i = 0; i < machine->n_core; i++)
        n_used[tree->level[LEVEL_CORE].parent[tree->place_of[i]]] += planner->state[i] == CORE_OWNED;
    for (int i = 0; i < machine->n_core; i++) {
        int used = n_used[tree->level[LEVEL_CORE].parent[tree->place_of[i]]];

        if (!cpuset_has(&planner->asker[rank].core, i) || planner->state[i] != CORE_FREE)
            continue;
        if (best < 0 || used > best_used ||
            (used == best_used && machine->core[i].speed < machine->core[best].speed)) {
            best = i;
            best_used = used;
        }
    }
    return best;
}

/* The first core, a slow one if they differ, that has a hardware thread to spare. -1: none. */
static int find_idle_sibling(const struct planner *planner, int rank)
{
    const struct machine_core *core = planner->machine->core;
    int best = -1;

    for (int i = 0; i < planner->machine->n_core; i++)
        if (planner->state[i] == CORE_OWNED && next_cpu(planner, rank, i) >= 0 &&
            (best < 0 || core[i].speed < core[best].speed))
            best = i;
    return best;
}

static enum fate place_dealer(struct planner *planner, int rank)
{
    struct placement *placement = &planner->plan->rank[rank];
    enum fate fate = FATE_DEALS;
    int i_core;

    if (planner->request[rank].is_left_alone)
        return FATE_LEFT_ALONE;
    i_core = find_free_core(planner, rank);
    if (i_core < 0) {
        i_core = find_idle_sibling(planner, rank);
        fate = FATE_DEALS_BESIDE;
    }
    if (i_core < 0)
        return FATE_DEALS_ANYWHERE;
    placement->cpu = planner->plan->cpu + planner->n_cpu++;
    placement->cpu[0] = next_cpu(planner, rank, i_core);
    placement->is_pinned = true;
    cpuset_add(&planner->taken, placement->cpu[0]);
    planner->state[i_core] = CORE_OWNED;
    return fate;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void count_idle(struct planner *planner, struct rank_group *group)
{
    group->n_idle = 0;
    for (int c = 0; c < planner->machine->n_core; c++) {
        bool is_theirs = false;

        for (int i = group->first_rank; i < planner->plan->n_rank && !is_theirs; i++)
            is_theirs =
                planner->asker[i].i_group == group->first_rank && cpuset_has(&planner->asker[i].core, c);
        group->n_idle += is_theirs && planner->state[c] == CORE_FREE;
    }
}

/* A warning that holds for many ranks is said by the first of them. */
static void warn_once(struct placement_plan *plan, int rank, const char *sentence)
{
    for (int i = 0; i < rank; i++)
        if (strstr(plan->rank[i].warning, sentence))
            return;
    describe_append(plan->rank[rank].warning, sizeof(plan->rank[rank].warning), sentence);
}

static void warn(struct planner *planner, int rank)
{
    const struct placement_request *request = &planner->request[rank];
    const struct asker *asker = &planner->asker[rank];
    char sentence[PLACEMENT_TEXT];

    warn_once(planner->plan, rank, request->warning);
    /* mpirun binds two ranks or fewer to a core each: surprising, and easily undone. */
    if (asker->i_group >= 0 && asker->fate != FATE_LEFT_ALONE && planner->plan->rank[rank].n_core == 1 &&
        planner->machine->n_core > 1 && request->n_thread != 1)
        warn_once(
            planner->plan, rank,
            "the launcher (or taskset, or a cgroup) allows one core only; 'mpirun --bind-to none' allows all");
    if (asker->i_group == rank) {
        describe_group(asker->fate, &planner->group[rank], sentence, sizeof(sentence));
        warn_once(planner->plan, rank, sentence);
    }
}

static void describe(struct planner *planner)
{
    for (int i = 0; i < planner->plan->n_rank; i++) {
        struct placement *placement = &planner->plan->rank[i];
        const struct asker *asker = &planner->asker[i];
        struct rank_group *group = asker->i_group >= 0 ? &planner->group[asker->i_group] : NULL;

        describe_placement(planner->machine, asker->fate, group, placement);
        if (asker->i_group == i && asker->is_capped && asker->fate == FATE_CORES) {
            count_idle(planner, group);
            if (group->n_idle > 0)
                describe_idle(group, placement);
        }
        warn(planner, i);
    }
}

/* ---- the plan -------------------------------------------------------------------------------- */

static void planner_close(struct planner *planner)
{
    tree_close(&planner->tree);
    free(planner->asker);
    free(planner->group);
    free(planner->order);
    free(planner->state);
    free(planner->state_before);
    free(planner->n_unit);
}

static void planner_open(struct planner *planner)
{
    size_t n_rank = (size_t)planner->plan->n_rank, n_core = (size_t)planner->machine->n_core;

    planner->tree = tree_open(planner->machine);
    planner->asker = mem_small(n_rank, sizeof(*planner->asker));
    planner->group = mem_small(n_rank, sizeof(*planner->group));
    planner->order = mem_small(n_rank, sizeof(*planner->order));
    planner->state = mem_small(n_core, sizeof(*planner->state));
    planner->state_before = mem_small(n_core, sizeof(*planner->state_before));
    planner->n_unit = mem_small(n_core, sizeof(*planner->n_unit));
    planner->plan->rank = mem_small(n_rank, sizeof(*planner->plan->rank));
    planner->plan->cpu = mem_small(n_core * MACHINE_SMT_MAX, sizeof(*planner->plan->cpu));
}

struct placement_plan placement_plan_make(const struct machine *machine, int n_rank,
                                          const struct placement_request *request)
{
    struct placement_plan plan = { .n_rank = n_rank };
    struct planner planner = { .machine = machine, .request = request, .plan = &plan };

    planner_open(&planner);
    for (int i = 0; i < n_rank; i++) {
        find_allowed(&planner, i);
        planner.order[i] = i;
    }
    for (int i = 0; i < n_rank; i++)
        count_threads(&planner, i);
    qsort_r(planner.order, (size_t)n_rank, sizeof(*planner.order), compare_ranks, plan.rank);
    find_groups(&planner);
    place_groups(&planner);
    for (int i = 0; i < n_rank; i++) {
        if (plan.rank[i].n_core == 0)
            planner.asker[i].fate = FATE_UNKNOWN;
        else if (request[i].deals_only)
            planner.asker[i].fate = place_dealer(&planner, i);
    }
    describe(&planner);
    planner_close(&planner);
    return plan;
}

void placement_plan_free(struct placement_plan *plan)
{
    free(plan->rank);
    free(plan->cpu);
    *plan = (struct placement_plan) { 0 };
}
