/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Targets that are near each other share one walk down the tree, which lists the gas that may cover any of
 * them, in the order of the index, a piece at a time. Each target then tests the list, eight at a time, and
 * packs what covers it: u = b^2 and surface of gas wholly in front, and z besides of gas cut by its plane.
 * Packed gas is evaluated eight at a time. The n-th gas that covers a target goes to sum n mod 8: bits depend
 * on the order of the index alone, not on the list, which depends on the other targets.
 *
 * Gas is listed roughly by z, so for each target the list has a beginning that is wholly in front, and an end
 * that is wholly behind and is not touched.
 *
 * What bounds it, for AVX-512: whole columns cost a square root (18 cycles of the divider for eight) and two
 * logarithms with some 45 operations on two ports; cut ones two of each. A test costs 20 operations.
 */
#include "columns.h"

#include <stdbool.h>

#include "log.h"

enum {
    LIST_MAX = 512,
    ROOM = LIST_MAX + 16, /* what is left over from before, and what a pack writes too far; eights */
};

#define ALIGNED __attribute__((aligned(64)))

/* Arrays come first: they begin where cache lines do. */
struct list {
    double x[ROOM], y[ROOM], z[ROOM], h[ROOM];
    double h_squared[ROOM], h_inverse[ROOM], surface[ROOM];
    /* By eights: from this eight on, gas covers nothing up to least_front; up to it, gas is wholly in front
     * of most_back and of all behind. */
    double least_front[ROOM / 8], most_back[ROOM / 8];
    size_t n;
} ALIGNED;

struct packed {
    double whole_u[ROOM], whole_surface[ROOM];
    double cut_u[ROOM], cut_z[ROOM], cut_surface[ROOM];
} ALIGNED;

/* Sums of one target, and what it has packed but not yet evaluated. */
struct state {
    double whole_u[8], whole_surface[8], whole_sum[8];
    double cut_u[8], cut_z[8], cut_surface[8], cut_sum[8];
    size_t n_whole, n_cut; /* < 8 */
} ALIGNED;

/* ---- places ---------------------------------------------------------------------------------- */

static void find_places(const struct columns_frame *frame, size_t n, const double *x, const double *y,
                        uint32_t ret_place[COLUMNS_PLACES_MAX])
{
    uint32_t i_x[COLUMNS_PLACES_MAX], i_y[COLUMNS_PLACES_MAX];

    for (size_t i = 0; i < n; i++) {
        i_x[i] = columns_step(x[i], frame->x_low, frame->x_scale, COLUMNS_PLACE_BITS);
        i_y[i] = columns_step(y[i], frame->y_low, frame->y_scale, COLUMNS_PLACE_BITS);
        ret_place[i] = 0;
    }
    /* Each quarter of a square holds the curve turned, so that it enters where it left the last. */
    for (uint32_t bit = COLUMNS_PLACE_BITS; bit-- > 0;) {
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
            uint32_t in_x = i_x[i] >> bit & 1, in_y = i_y[i] >> bit & 1;
            uint32_t flip = -(in_x & (in_y ^ 1));
            uint32_t flipped_x = i_x[i] ^ flip, flipped_y = i_y[i] ^ flip;
            uint32_t swap = (flipped_x ^ flipped_y) & (in_y - 1);

            ret_place[i] = ret_place[i] << 2 | ((in_x * 3) ^ in_y);
            i_x[i] = flipped_x ^ swap;
            i_y[i] = flipped_y ^ swap;
        }
    }
}

/* ---- the walk -------------------------------------------------------------------------------- */

struct group_box {
    double x_low, x_high, y_low, y_high, z_high;
};

struct walk {
    const struct columns_tree *tree;
    struct group_box box;
    size_t level;
    size_t node[COLUMNS_LEVEL_MAX];
    unsigned left[COLUMNS_LEVEL_MAX]; /* children to visit */
};

static unsigned children_near(const struct columns_boxes *boxes, const struct group_box *box)
{
    return ~(eight_less(eight_all(box->x_high), eight_load(boxes->x_low)) |
             eight_less(eight_load(boxes->x_high), eight_all(box->x_low)) |
             eight_less(eight_all(box->y_high), eight_load(boxes->y_low)) |
             eight_less(eight_load(boxes->y_high), eight_all(box->y_low)) |
             eight_less(eight_all(box->z_high), eight_load(boxes->front))) &
           0xff;
}

static void walk_to(struct walk *walk, size_t level, size_t node)
{
    walk->level = level;
    walk->node[level] = node;
    walk->left[level] = children_near(&walk->tree->levels[level][node], &walk->box);
}

static struct group_box box_around(size_t n, const double *x, const double *y, const double *z)
{
    struct group_box box = { x[0], x[0], y[0], y[0], z[0] };

    for (size_t i = 1; i < n; i++) {
        box.x_low = x[i] < box.x_low ? x[i] : box.x_low;
        box.x_high = x[i] > box.x_high ? x[i] : box.x_high;
        box.y_low = y[i] < box.y_low ? y[i] : box.y_low;
        box.y_high = y[i] > box.y_high ? y[i] : box.y_high;
        box.z_high = z[i] > box.z_high ? z[i] : box.z_high;
    }
    return box;
}

static void walk_begin(struct walk *walk, const struct columns_tree *tree, size_t n, const double *x,
                       const double *y, const double *z)
{
    walk->tree = tree;
    walk->box = box_around(n, x, y, z);
    walk->level = 0;
    if (tree->n_level > 0)
        walk_to(walk, tree->n_level - 1, 0);
}

/* The next block that may cover something in the box; false: there is none. */
static bool walk_next(struct walk *walk, size_t *ret_block)
{
    while (walk->level < walk->tree->n_level) {
        unsigned *left = &walk->left[walk->level];
        size_t child = walk->node[walk->level] * 8 + (*left ? (size_t)__builtin_ctz(*left) : 0);

        if (*left == 0) {
            walk->level++;
            continue;
        }
        *left &= *left - 1;
        if (walk->level == 0) {
            *ret_block = child;
            return true;
        }
        walk_to(walk, walk->level - 1, child);
    }
    return false;
}

/* Distance of x from [low, high]; in rounded arithmetic, too, no target between is nearer. */
static eight distance(eight x, double low, double high)
{
    return eight_max(eight_max(eight_sub(eight_all(low), x), eight_sub(x, eight_all(high))), eight_all(0.0));
}

/* How far from its z gas covers anything, at most. */
static eight depth_of(eight z, eight h)
{
    return eight_fma(h, eight_all(COLUMNS_H_MARGIN), eight_mul(eight_abs(z), eight_all(COLUMNS_X_MARGIN)));
}

static void list_block(struct list *list, const struct columns_block *block, const struct group_box *box)
{
    eight x = eight_load(block->x), y = eight_load(block->y), z = eight_load(block->z);
    eight h = eight_load(block->h);
    eight dx = distance(x, box->x_low, box->x_high), dy = distance(y, box->y_low, box->y_high);
    unsigned mask = eight_less(eight_add(eight_mul(dx, dx), eight_mul(dy, dy)), eight_mul(h, h)) &
                    eight_less(eight_sub(z, depth_of(z, h)), eight_all(box->z_high));
    size_t n = list->n;

    eight_pack(list->x + n, mask, x);
    eight_pack(list->y + n, mask, y);
    eight_pack(list->z + n, mask, z);
    eight_pack(list->h + n, mask, h);
    eight_pack(list->h_inverse + n, mask, eight_load(block->h_inverse));
    eight_pack(list->surface + n, mask, eight_load(block->surface));
    list->n = n + (size_t)__builtin_popcount(mask);
}

/* Fill the last eight with gas that covers nothing, and see how z runs. */
static void list_finish(struct list *list)
{
    size_t n_eight = (list->n + 7) / 8;
    eight most = eight_all(-INFINITY), least = eight_all(INFINITY);

    for (size_t i = list->n; i < n_eight * 8; i++) {
        list->x[i] = list->y[i] = list->h[i] = list->h_inverse[i] = list->surface[i] = 0.0;
        list->z[i] = list->z[list->n - 1];
    }
    for (size_t i = 0; i < n_eight; i++) {
        eight z = eight_load(list->z + 8 * i), h = eight_load(list->h + 8 * i);

        eight_store(list->h_squared + 8 * i, eight_mul(h, h));
        most = eight_max(most, eight_add(z, depth_of(z, h)));
        list->most_back[i] = eight_greatest(most);
    }
    for (size_t i = n_eight; i-- > 0;) {
        eight z = eight_load(list->z + 8 * i), h = eight_load(list->h + 8 * i);

        least = eight_min(least, eight_sub(z, depth_of(z, h)));
        list->least_front[i] = -eight_greatest(eight_sub(eight_all(0.0), least));
    }
}

/* The next piece of the list; false: all is listed. */
static bool list_fill(struct list *list, struct walk *walk)
{
    size_t i_block;

    list->n = 0;
    while (list->n + 8 <= LIST_MAX && walk_next(walk, &i_block))
        list_block(list, &walk->tree->blocks[i_block], &walk->box);
    list_finish(list);
    return list->n > 0;
}

/* ---- columns --------------------------------------------------------------------------------- */

static inline eight polynomial_2(const double factor[3], eight u)
{
    return eight_fma(eight_fma(eight_all(factor[2]), u, eight_all(factor[1])), u, eight_all(factor[0]));
}

static inline eight polynomial_1(const double factor[2], eight u)
{
    return eight_fma(eight_all(factor[1]), u, eight_all(factor[0]));
}

/* u = 0 has no logarithm; u log(u) is 0 there. */
static inline eight log_of(eight u)
{
    return eight_log(eight_max(u, eight_all(0x1p-1000)));
}

/* Whole kernels: twice the sum of G_k(s_k). */
static inline eight column_whole(const struct columns_form *form, size_t n_end, eight u)
{
    eight sum = eight_all(0.0), log_b = eight_mul(log_of(u), eight_all(0.5));

    for (size_t k = 0; k < n_end; k++) {
        const struct columns_end *end = &form->ends[k];
        eight s_squared = eight_sub(eight_all(end->r_squared), u);
        eight s = eight_sqrt(eight_max(s_squared, eight_all(0.0)));
        eight p_1 = eight_mul(u, polynomial_2(end->p_1, u));
        eight turn = eight_sub(eight_log(eight_add(s, eight_all(end->r))), log_b);
        eight part = eight_fma(p_1, turn, eight_mul(s, polynomial_2(end->whole, u)));

        if (n_end > 1)
            part = eight_choose(eight_less(eight_all(0.0), s_squared), part, eight_all(0.0));
        sum = eight_add(sum, part);
    }
    return eight_max(eight_add(sum, sum), eight_all(0.0)); /* rounding may leave less on the rim */
}

/* Kernels cut at z: the sum of G_k(s_k) + G_k(z), G_k being odd. */
static inline eight column_cut(const struct columns_form *form, size_t n_end, eight u, eight z)
{
    eight sum = eight_all(0.0), zero = eight_all(0.0), one = eight_all(1.0);
    eight depth = eight_abs(z), r_z = eight_sqrt(eight_fma(z, z, u));
    unsigned is_behind = eight_less(zero, z);

    for (size_t k = 0; k < n_end; k++) {
        const struct columns_end *end = &form->ends[k];
        eight s_squared = eight_sub(eight_all(end->r_squared), u);
        eight s_end = eight_sqrt(eight_max(s_squared, zero));
        eight s = eight_min(depth, s_end), r = eight_min(r_z, eight_all(end->r));
        eight s_signed = eight_choose(is_behind, s, eight_sub(zero, s));
        eight p_1 = polynomial_2(end->p_1, u), p = eight_all(end->p_5);
        /* Both logarithms in one: a product behind the middle, a ratio before it. */
        eight turn_end = eight_add(s_end, eight_all(end->r)), turn = eight_add(s, r);
        eight over = eight_mul(turn_end, eight_choose(is_behind, turn, one));
        eight under = eight_choose(is_behind, u, turn);
        eight part;

        p = eight_fma(p, r, eight_all(end->p_4));
        p = eight_fma(p, r, polynomial_1(end->p_3, u));
        p = eight_fma(p, r, polynomial_1(end->p_2, u));
        p = eight_fma(p, r, p_1);
        p = eight_fma(p, r, polynomial_2(end->p_0, u));
        part = eight_fma(s_signed, p, eight_mul(s_end, polynomial_2(end->whole, u)));
        part = eight_fma(eight_mul(u, p_1), eight_sub(log_of(over), log_of(under)), part);
        if (n_end > 1)
            part = eight_choose(eight_less(zero, s_squared), part, zero);
        sum = eight_add(sum, part);
    }
    return eight_max(sum, zero);
}

/* n: a multiple of 8; n_end: of the form, known where it is 1. */
static inline void add_whole(const struct columns_form *form, size_t n_end, size_t n, const double *u,
                             const double *surface, double *sum)
{
    eight all = eight_load(sum);

    for (size_t i = 0; i < n; i += 8)
        all = eight_fma(eight_load(surface + i),
                        column_whole(form, n_end, eight_min(eight_load(u + i), eight_all(1.0))), all);
    eight_store(sum, all);
}

static inline void add_cut(const struct columns_form *form, size_t n_end, size_t n, const double *u,
                           const double *z, const double *surface, double *sum)
{
    eight all = eight_load(sum);

    for (size_t i = 0; i < n; i += 8)
        all = eight_fma(
            eight_load(surface + i),
            column_cut(form, n_end, eight_min(eight_load(u + i), eight_all(1.0)), eight_load(z + i)), all);
    eight_store(sum, all);
}

static void evaluate(const struct columns_form *form, size_t n_whole, size_t n_cut,
                     const struct packed *packed, struct state *state)
{
    if (form->n_end == 1) {
        add_whole(form, 1, n_whole, packed->whole_u, packed->whole_surface, state->whole_sum);
        add_cut(form, 1, n_cut, packed->cut_u, packed->cut_z, packed->cut_surface, state->cut_sum);
    } else {
        add_whole(form, form->n_end, n_whole, packed->whole_u, packed->whole_surface, state->whole_sum);
        add_cut(form, form->n_end, n_cut, packed->cut_u, packed->cut_z, packed->cut_surface, state->cut_sum);
    }
}

/* ---- one target ------------------------------------------------------------------------------ */

/* How many values are at most `bound`; they rise. */
static size_t count_below(const double *value, size_t n, double bound)
{
    size_t low = 0;

    while (n > 0) {
        size_t half = n / 2;
        bool is_below = value[low + half] <= bound;

        low = is_below ? low + half + 1 : low;
        n = is_below ? n - half - 1 : half;
    }
    return low;
}

static void move_eight(double *to, const double *from)
{
    eight_store(to, eight_load(from));
}

static void unpack_state(const struct state *state, struct packed *packed)
{
    move_eight(packed->whole_u, state->whole_u);
    move_eight(packed->whole_surface, state->whole_surface);
    move_eight(packed->cut_u, state->cut_u);
    move_eight(packed->cut_z, state->cut_z);
    move_eight(packed->cut_surface, state->cut_surface);
}

static void keep_rest(const struct packed *packed, size_t n_whole, size_t n_cut, struct state *state)
{
    size_t whole = n_whole & ~(size_t)7, cut = n_cut & ~(size_t)7;

    move_eight(state->whole_u, packed->whole_u + whole);
    move_eight(state->whole_surface, packed->whole_surface + whole);
    move_eight(state->cut_u, packed->cut_u + cut);
    move_eight(state->cut_z, packed->cut_z + cut);
    move_eight(state->cut_surface, packed->cut_surface + cut);
    state->n_whole = n_whole & 7;
    state->n_cut = n_cut & 7;
}

/* Test the list against one target, and evaluate what covers it. */
static void meet(const struct columns_form *form, const struct list *list, double x, double y, double z,
                 struct state *state, struct packed *packed, size_t work[3])
{
    size_t n_eight = (list->n + 7) / 8;
    size_t end = 8 * count_below(list->least_front, n_eight, z);
    size_t end_front = 8 * count_below(list->most_back, end / 8, z);
    size_t n_whole = state->n_whole, n_cut = state->n_cut;
    size_t i = 0;

    unpack_state(state, packed);
    for (; i < end_front; i += 8) {
        eight dx = eight_sub(eight_all(x), eight_load(list->x + i));
        eight dy = eight_sub(eight_all(y), eight_load(list->y + i));
        eight h_inverse = eight_load(list->h_inverse + i);
        eight d_squared = eight_add(eight_mul(dx, dx), eight_mul(dy, dy));
        unsigned whole = eight_less(d_squared, eight_load(list->h_squared + i));

        eight_pack(packed->whole_u + n_whole, whole, eight_mul(d_squared, eight_mul(h_inverse, h_inverse)));
        eight_pack(packed->whole_surface + n_whole, whole, eight_load(list->surface + i));
        n_whole += (size_t)__builtin_popcount(whole);
    }
    for (; i < end; i += 8) {
        eight dx = eight_sub(eight_all(x), eight_load(list->x + i));
        eight dy = eight_sub(eight_all(y), eight_load(list->y + i));
        eight dz = eight_sub(eight_all(z), eight_load(list->z + i));
        eight h_inverse = eight_load(list->h_inverse + i), h_squared = eight_load(list->h_squared + i);
        eight d_squared = eight_add(eight_mul(dx, dx), eight_mul(dy, dy));
        eight u = eight_mul(d_squared, eight_mul(h_inverse, h_inverse));
        eight surface = eight_load(list->surface + i);
        unsigned cut = eight_less(eight_add(d_squared, eight_mul(dz, dz)), h_squared);
        unsigned whole = eight_less(d_squared, h_squared) & eight_less(eight_all(0.0), dz) & ~cut;

        eight_pack(packed->whole_u + n_whole, whole, u);
        eight_pack(packed->whole_surface + n_whole, whole, surface);
        n_whole += (size_t)__builtin_popcount(whole);
        eight_pack(packed->cut_u + n_cut, cut, u);
        eight_pack(packed->cut_z + n_cut, cut, eight_mul(dz, h_inverse));
        eight_pack(packed->cut_surface + n_cut, cut, surface);
        n_cut += (size_t)__builtin_popcount(cut);
    }
    work[0] += end;
    work[1] += n_whole - state->n_whole;
    work[2] += n_cut - state->n_cut;
    evaluate(form, n_whole & ~(size_t)7, n_cut & ~(size_t)7, packed, state);
    keep_rest(packed, n_whole, n_cut, state);
}

static double finish(const struct columns_form *form, struct state *state, struct packed *packed)
{
    unpack_state(state, packed);
    for (size_t i = state->n_whole; i < 8; i++)
        packed->whole_u[i] = packed->whole_surface[i] = 0.0;
    for (size_t i = state->n_cut; i < 8; i++)
        packed->cut_u[i] = packed->cut_z[i] = packed->cut_surface[i] = 0.0;
    evaluate(form, state->n_whole ? 8 : 0, state->n_cut ? 8 : 0, packed, state);
    return eight_sum(eight_add(eight_load(state->whole_sum), eight_load(state->cut_sum)));
}

/* Is a long list mostly wasted? Of what is within h of the box each target is covered by the share that
 * kernels have of that area. */
static bool is_scattered(const struct list *list, const struct group_box *box)
{
    const double least_share = 0.2;
    double x = box->x_high - box->x_low, y = box->y_high - box->y_low;
    double near = 0.0, covered = 0.0;

    if (list->n + 8 <= LIST_MAX)
        return false;
    for (size_t i = 0; i < list->n; i++) {
        double h = list->h[i];

        near += x * y + 2.0 * h * (x + y);
        covered += M_PI * h * h;
    }
    return covered < least_share * (near + covered);
}

struct scratch {
    struct list list;
    struct packed packed;
    struct state states[COLUMNS_GROUP_MAX];
};

static void sum_targets(const struct columns_tree *tree, size_t n, const double *x, const double *y,
                        const double *z, double *ret_sum, size_t *work, struct scratch *scratch)
{
    struct list *list = &scratch->list;
    struct walk walk;
    bool is_more;

    walk_begin(&walk, tree, n, x, y, z);
    is_more = list_fill(list, &walk);
    if (is_more && n > 1 && is_scattered(list, &walk.box)) {
        size_t half = n / 2;

        sum_targets(tree, half, x, y, z, ret_sum, work, scratch);
        sum_targets(tree, n - half, x + half, y + half, z + half, ret_sum + half, work, scratch);
        return;
    }
    memset(scratch->states, 0, n * sizeof(*scratch->states));
    for (; is_more; is_more = list_fill(list, &walk)) {
        for (size_t i = 0; i < n; i++)
            meet(&tree->form, list, x[i], y[i], z[i], &scratch->states[i], &scratch->packed, work);
    }
    for (size_t i = 0; i < n; i++)
        ret_sum[i] = finish(&tree->form, &scratch->states[i], &scratch->packed);
}

static void sum_group(const struct columns_tree *tree, size_t n, const double *x, const double *y,
                      const double *z, double *ret_sum, size_t *ret_work)
{
    struct scratch scratch;

    sum_targets(tree, n, x, y, z, ret_sum, ret_work, &scratch);
}

const struct columns_fast FAST(columns_fast) = { .places = find_places, .sum_group = sum_group };
