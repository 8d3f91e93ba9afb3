/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which n units lie best together?
 *
 * Down the tree, the same at each level: if one child holds all, that one in which the units lie in the
 * fewest zones, then L3 domains, on the fastest cores, and of those the emptiest, so that ranks spread.
 * Otherwise the fullest children whole, and for the rest the child that it fits most tightly, so that large
 * holes stay for others.
 */
#include "placement_private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tree -------------------------------------------------------------------------------- */

/* Domain of a core on a level, as numbered by the machine; compared from the root down. */
static int domain_key(const struct machine_core *core, enum level level)
{
    switch (level) {
    case LEVEL_PACKAGE:
        return core->package;
    case LEVEL_ZONE:
        return core->numa;
    case LEVEL_L3:
        return core->l3;
    default:
        return 0;
    }
}

static int compare_cores(const void *a, const void *b, void *context)
{
    const struct machine_core *cores = context;
    int i = *(const int *)a, j = *(const int *)b;

    for (enum level level = LEVEL_PACKAGE; level <= LEVEL_L3; level++) {
        int key_i = domain_key(&cores[i], level), key_j = domain_key(&cores[j], level);

        if (key_i != key_j)
            return key_i < key_j ? -1 : 1;
    }
    return (i > j) - (i < j);
}

/* A new domain of `level` inside the last one of the level above. */
static void add_domain(struct tree *tree, enum level level)
{
    struct tree_level *self = &tree->level[level];
    int i = self->n_domain++;

    if (level > LEVEL_MACHINE) {
        self->parent[i] = tree->level[level - 1].n_domain - 1;
        tree->level[level - 1].first_child[self->parent[i] + 1] = i + 1;
    }
    if (level < LEVEL_CORE)
        self->first_child[i] = tree->level[level + 1].n_domain;
}

static void grow_tree(struct tree *tree)
{
    const struct machine_core *cores = tree->machine->core, *last = NULL;

    qsort_r(tree->core, (size_t)tree->machine->n_core, sizeof(*tree->core), compare_cores,
            (void *)tree->machine->core);
    add_domain(tree, LEVEL_MACHINE);
    for (int i = 0; i < tree->machine->n_core; i++) {
        const struct machine_core *core = &cores[tree->core[i]];
        bool is_new = !last;

        for (enum level level = LEVEL_PACKAGE; level <= LEVEL_L3; level++) {
            is_new |= last && domain_key(core, level) != domain_key(last, level);
            if (is_new)
                add_domain(tree, level);
        }
        add_domain(tree, LEVEL_CORE);
        tree->place_of[tree->core[i]] = i;
        last = core;
    }
}

struct tree tree_open(const struct machine *machine)
{
    struct tree tree = { .machine = machine };
    size_t n_core = (size_t)machine->n_core;

    tree.core = mem_small(n_core, sizeof(*tree.core));
    tree.place_of = mem_small(n_core, sizeof(*tree.place_of));
    tree.picked = mem_small(n_core * MACHINE_SMT_MAX, sizeof(*tree.picked));
    for (int l = 0; l < N_LEVEL; l++) {
        struct tree_level *level = &tree.level[l];

        level->parent = mem_small(n_core, sizeof(*level->parent));
        level->first_child = mem_small(n_core + 1, sizeof(*level->first_child));
        level->n_free = mem_small(n_core, sizeof(*level->n_free));
    }
    for (int i = 0; i < machine->n_core; i++)
        tree.core[i] = i;
    grow_tree(&tree);
    return tree;
}

void tree_close(struct tree *tree)
{
    for (int l = 0; l < N_LEVEL; l++) {
        free(tree->level[l].parent);
        free(tree->level[l].first_child);
        free(tree->level[l].n_free);
    }
    free(tree->core);
    free(tree->place_of);
    free(tree->picked);
}

/* Units of a core come back (n > 0) or go (n < 0), on all levels. */
static void count_units(struct tree *tree, int place, int n)
{
    for (int l = LEVEL_CORE, i = place; l >= LEVEL_MACHINE; i = tree->level[l].parent[i], l--)
        tree->level[l].n_free[i] += n;
}

void tree_offer(struct tree *tree, const int *n_unit)
{
    tree->n_picked = 0;
    for (int l = 0; l < N_LEVEL; l++)
        memset(tree->level[l].n_free, 0, (size_t)tree->level[l].n_domain * sizeof(int));
    for (int i = 0; i < tree->machine->n_core; i++)
        count_units(tree, tree->place_of[i], n_unit[i]);
}

int tree_count_free(const struct tree *tree)
{
    return tree->level[LEVEL_MACHINE].n_free[0];
}

/* ---- picking --------------------------------------------------------------------------------- */

/* How good a choice of a child is; smaller is better, the first entry that differs decides. */
struct score {
    int entry[4];
};

static bool is_better(const struct score *a, const struct score *b)
{
    for (size_t i = 0; i < sizeof(a->entry) / sizeof(*a->entry); i++)
        if (a->entry[i] != b->entry[i])
            return a->entry[i] < b->entry[i];
    return false;
}

static void pick_below(struct tree *tree, enum level level, int domain, int n, bool is_rest);

/* Where n units of a domain would lie: picked for a moment, looked at, put back. */
static struct score try_domain(struct tree *tree, enum level level, int domain, int n)
{
    struct score score = { .entry = { [3] = -tree->level[level].n_free[domain] } };
    int n_before = tree->n_picked, last_l3 = -1, last_zone = -1;

    pick_below(tree, level, domain, n, false);
    for (int i = n_before; i < tree->n_picked; i++) {
        int place = tree->picked[i], l3 = tree->level[LEVEL_CORE].parent[place];
        int zone = tree->level[LEVEL_L3].parent[l3];

        score.entry[0] += zone != last_zone;
        score.entry[1] += l3 != last_l3;
        score.entry[2] -= tree->machine->core[tree->core[place]].speed;
        last_zone = zone;
        last_l3 = l3;
        count_units(tree, place, 1);
    }
    tree->n_picked = n_before;
    return score;
}

static struct score score_child(struct tree *tree, enum level level, int child, int n, bool is_rest)
{
    int n_free = tree->level[level].n_free[child];
    int speed = level == LEVEL_CORE ? tree->machine->core[tree->core[child]].speed : 0;

    if (n_free < n) /* a whole one, the fullest; worse than any that holds all */
        return (struct score) { { INT_MAX, -speed, -n_free, 0 } };
    if (is_rest)
        return (struct score) { { 0, -speed, n_free, 0 } };
    if (level == LEVEL_CORE)
        return (struct score) { { 0, 0, -speed, -n_free } };
    return try_domain(tree, level, child, n);
}

/* Take n units of a domain that has them. is_rest: others of the same rank lie elsewhere already. */
static void pick_below(struct tree *tree, enum level level, int domain, int n, bool is_rest)
{
    const struct tree_level *self = &tree->level[level];

    if (level == LEVEL_CORE) {
        for (int i = 0; i < n; i++)
            tree->picked[tree->n_picked++] = domain;
        count_units(tree, domain, -n);
        return;
    }
    while (n > 0) {
        const int *n_free = tree->level[level + 1].n_free;
        struct score best = { 0 };
        int best_child = -1, n_taken;

        for (int child = self->first_child[domain]; child < self->first_child[domain + 1]; child++) {
            struct score score;

            if (n_free[child] == 0)
                continue;
            score = score_child(tree, level + 1, child, n, is_rest);
            if (best_child < 0 || is_better(&score, &best)) {
                best = score;
                best_child = child;
            }
        }
        n_taken = n < n_free[best_child] ? n : n_free[best_child];
        pick_below(tree, level + 1, best_child, n_taken, is_rest);
        n -= n_taken;
        is_rest = true;
    }
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

void tree_pick(struct tree *tree, int n)
{
    pick_below(tree, LEVEL_MACHINE, 0, n, false);
    for (int i = 0; i < tree->n_picked; i++)
        tree->picked[i] = tree->core[tree->picked[i]];
    qsort(tree->picked, (size_t)tree->n_picked, sizeof(*tree->picked), compare_ints);
}
