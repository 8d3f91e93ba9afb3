/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/columns.h"

#include <math.h>

#include "columns_index.h"

enum {
    /* Fewer groups are not worth waking threads for. */
    GROUPS_SERIAL = 16,
};

struct targets {
    const double *x, *y, *z;
    const struct columns_key *keys; /* [n], in the order to take them in */
    double *ret_column;
};

static void sum_group(const struct columns_fast *fast, const struct columns_index *index,
                      const struct targets *targets, size_t begin, size_t n, size_t *ret_work)
{
    double x[COLUMNS_GROUP_MAX] = { 0 }, y[COLUMNS_GROUP_MAX] = { 0 }, z[COLUMNS_GROUP_MAX] = { 0 };
    double column[COLUMNS_GROUP_MAX];

    for (size_t i = 0; i < n; i++) {
        size_t j = targets->keys[begin + i].i;

        x[i] = targets->x[j];
        y[i] = targets->y[j];
        z[i] = targets->z[j];
    }
    fast->sum_group(&index->tree, n, x, y, z, column, ret_work);
    for (size_t i = 0; i < n; i++)
        targets->ret_column[targets->keys[begin + i].i] = column[i];
}

int columns_search(const struct columns_index *index, size_t n_target, const double *x, const double *y,
                   const double *z, struct arena *arena, double *ret_column_msun_kpc2,
                   struct columns_work *ret_work, struct error *err)
{
    const struct columns_fast *fast = FAST_TABLE(columns_fast);
    struct arena_mark mark = arena_mark(arena);
    struct columns_key *keys = arena_array(arena, n_target, sizeof(*keys));
    struct columns_key *scratch = arena_array(arena, n_target, sizeof(*scratch));
    const struct targets targets = { x, y, z, keys, ret_column_msun_kpc2 };
    size_t n_group = (n_target + COLUMNS_GROUP_MAX - 1) / COLUMNS_GROUP_MAX;
    size_t n_tested = 0, n_whole = 0, n_cut = 0;

    if (!keys || !scratch) {
        arena_release(arena, mark);
        return error_set(err, POLYPHONY_INTERNAL, "dust columns: no memory to sort %zu targets", n_target);
    }
#pragma omp parallel for schedule(static) if (n_group > GROUPS_SERIAL)
    for (size_t i = 0; i < n_target; i += COLUMNS_PLACES_MAX) {
        size_t n = n_target - i < COLUMNS_PLACES_MAX ? n_target - i : COLUMNS_PLACES_MAX;
        uint32_t place[COLUMNS_PLACES_MAX];

        fast->places(&index->frame, n, x + i, y + i, place);
        for (size_t j = 0; j < n; j++)
            keys[i + j] = (struct columns_key) { place[j], i + j };
    }
    columns_sort(n_target, 32, keys, scratch);
#pragma omp parallel for schedule(dynamic, 4) if (n_group > GROUPS_SERIAL) \
    reduction(+ : n_tested, n_whole, n_cut)
    for (size_t i = 0; i < n_group; i++) {
        size_t begin = i * COLUMNS_GROUP_MAX, left = n_target - begin, work[3] = { 0 };

        sum_group(fast, index, &targets, begin, left < COLUMNS_GROUP_MAX ? left : COLUMNS_GROUP_MAX, work);
        n_tested += work[0];
        n_whole += work[1];
        n_cut += work[2];
    }
    arena_release(arena, mark);
    if (ret_work)
        *ret_work = (struct columns_work) { n_tested, n_whole, n_cut };
    return 0;
}

size_t columns_search_bytes(size_t n_target)
{
    return 2 * n_target * sizeof(struct columns_key);
}
