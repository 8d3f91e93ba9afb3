/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The order of the gas: first slabs in z, by where a particle begins to cover anything, of equal numbers;
 * then factors of four of h; then the place in (x, y) on a curve that stays near itself. Eight consecutive
 * particles are then about as high as wide, of like h, and boxes around them are tight; and what is in front
 * comes first. The order is a matter of speed alone: boxes hold what they hold however large and wherever it
 * is.
 */
#include "columns_index.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    GAS_UNSORTED_MAX = 64, /* not worth sorting */
    FRONT_BITS = 10,       /* slabs are told apart in so many steps */
    SLAB_BITS_MAX = 6,
    LEVEL_BITS = 6,
    GAS_PLACE_BITS = 24, /* the first of both coordinates together: cells enough for gas */
    GAS_SERIAL = 4096,   /* less is not worth waking threads for */
};

bool columns_h_counts(double h_kpc)
{
    return h_kpc > 0.0 && h_kpc * h_kpc >= DBL_MIN;
}

/* ---- sorting --------------------------------------------------------------------------------- */

void columns_sort(size_t n, unsigned n_bit, struct columns_key *keys, struct columns_key *scratch)
{
    struct columns_key *from = keys, *to = scratch;

    for (unsigned shift = 0; shift < n_bit; shift += 8) {
        size_t begin[257] = { 0 };
        struct columns_key *was_from = from;

        for (size_t i = 0; i < n; i++)
            begin[(from[i].key >> shift & 255) + 1]++;
        for (size_t digit = 0; digit < 256; digit++)
            begin[digit + 1] += begin[digit];
        for (size_t i = 0; i < n; i++)
            to[begin[from[i].key >> shift & 255]++] = from[i];
        from = to;
        to = was_from;
    }
    if (from != keys)
        memcpy(keys, from, n * sizeof(*keys));
}

static double scale_of(double low, double high, unsigned n_bit)
{
    return high > low ? (double)(1u << n_bit) / (high - low) : 0.0;
}

static uint64_t level_of(double h_kpc)
{
    int power = ilogb(h_kpc) / 2 + (1 << LEVEL_BITS) / 2;

    return power < 0 ? 0 : power >= 1 << LEVEL_BITS ? (1 << LEVEL_BITS) - 1 : (uint64_t)power;
}

/* About as many slabs as make eight gas particles of a slab as wide as it is high. */
static unsigned slab_bits(size_t n_gas)
{
    unsigned n_bit = 0;

    while (n_bit < SLAB_BITS_MAX && n_gas >> (3 * n_bit + 12) > 0)
        n_bit++;
    return n_bit;
}

struct extent {
    double x_high, y_high, front_low, front_high;
};

static size_t measure(struct columns_index *index, const struct column_gas *gas, struct columns_key *keys,
                      struct extent *ret)
{
    struct extent extent = { -INFINITY, -INFINITY, INFINITY, -INFINITY };
    size_t n = 0;

    index->frame.x_low = index->frame.y_low = INFINITY;
    for (size_t i = 0; i < gas->n; i++) {
        double x = gas->x_kpc[i], y = gas->y_kpc[i], front = gas->z_kpc[i] - gas->h_kpc[i];

        if (!columns_h_counts(gas->h_kpc[i]))
            continue;
        keys[n++].i = i;
        index->frame.x_low = x < index->frame.x_low ? x : index->frame.x_low;
        index->frame.y_low = y < index->frame.y_low ? y : index->frame.y_low;
        extent.x_high = x > extent.x_high ? x : extent.x_high;
        extent.y_high = y > extent.y_high ? y : extent.y_high;
        extent.front_low = front < extent.front_low ? front : extent.front_low;
        extent.front_high = front > extent.front_high ? front : extent.front_high;
    }
    index->frame.x_scale = scale_of(index->frame.x_low, extent.x_high, COLUMNS_PLACE_BITS);
    index->frame.y_scale = scale_of(index->frame.y_low, extent.y_high, COLUMNS_PLACE_BITS);
    *ret = extent;
    return n;
}

static void order(const struct columns_index *index, const struct column_gas *gas,
                  const struct extent *extent, size_t n, struct columns_key *keys,
                  struct columns_key *scratch)
{
    const struct columns_fast *fast = FAST_TABLE(columns_fast);
    const unsigned n_bit = slab_bits(n);
    const double scale = scale_of(extent->front_low, extent->front_high, FRONT_BITS);
    size_t up_to[1 << FRONT_BITS] = { 0 };

    for (size_t i = 0; i < n; i++) {
        size_t j = keys[i].i;

        keys[i].key = columns_step(gas->z_kpc[j] - gas->h_kpc[j], extent->front_low, scale, FRONT_BITS);
        up_to[keys[i].key]++;
    }
    /* Slab of a step: by how much gas is before it. */
    for (size_t step = 0, before = 0; step < 1 << FRONT_BITS; step++) {
        size_t here = up_to[step];

        up_to[step] = (size_t)(((double)before + 0.5 * (double)here) / (double)n * (double)(1u << n_bit));
        before += here;
    }
#pragma omp parallel for schedule(static) if (n > GAS_SERIAL)
    for (size_t first = 0; first < n; first += COLUMNS_PLACES_MAX) {
        size_t n_here = n - first < COLUMNS_PLACES_MAX ? n - first : COLUMNS_PLACES_MAX;
        double x[COLUMNS_PLACES_MAX], y[COLUMNS_PLACES_MAX];
        uint32_t place[COLUMNS_PLACES_MAX];

        for (size_t i = 0; i < n_here; i++) {
            x[i] = gas->x_kpc[keys[first + i].i];
            y[i] = gas->y_kpc[keys[first + i].i];
        }
        fast->places(&index->frame, n_here, x, y, place);
        for (size_t i = 0; i < n_here; i++) {
            struct columns_key *key = &keys[first + i];
            uint64_t slab = up_to[key->key];

            key->key = (slab << LEVEL_BITS | level_of(gas->h_kpc[key->i])) << GAS_PLACE_BITS |
                       place[i] >> (2 * COLUMNS_PLACE_BITS - GAS_PLACE_BITS);
        }
    }
    columns_sort(n, GAS_PLACE_BITS + LEVEL_BITS + n_bit, keys, scratch);
}

/* ---- blocks and boxes ------------------------------------------------------------------------ */

static void fill_block(const struct column_gas *gas, const struct columns_key *keys, size_t n,
                       struct columns_block *ret)
{
    struct columns_block block = { 0 };

    for (size_t i = 0; i < n; i++) {
        size_t j = keys[i].i;
        double h = gas->h_kpc[j];

        block.x[i] = gas->x_kpc[j];
        block.y[i] = gas->y_kpc[j];
        block.z[i] = gas->z_kpc[j];
        block.h[i] = h;
        block.h_inverse[i] = 1.0 / h;
        block.surface[i] = gas->dust_mass_msun[j] / (h * h);
    }
    *ret = block;
}

static const struct columns_boxes nothing = {
    .x_low = { INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY },
    .y_low = { INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY },
    .x_high = { -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY },
    .y_high = { -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY },
    .front = { INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY },
};

static inline void widen(struct columns_boxes *boxes, size_t i, double x_low, double x_high, double y_low,
                         double y_high, double front)
{
    boxes->x_low[i] = x_low < boxes->x_low[i] ? x_low : boxes->x_low[i];
    boxes->x_high[i] = x_high > boxes->x_high[i] ? x_high : boxes->x_high[i];
    boxes->y_low[i] = y_low < boxes->y_low[i] ? y_low : boxes->y_low[i];
    boxes->y_high[i] = y_high > boxes->y_high[i] ? y_high : boxes->y_high[i];
    boxes->front[i] = front < boxes->front[i] ? front : boxes->front[i];
}

static void box_gas(const struct columns_block *block, struct columns_boxes *boxes, size_t i)
{
    for (size_t j = 0; j < 8; j++) {
        double h = block->h[j] * COLUMNS_H_MARGIN;
        double x = h + fabs(block->x[j]) * COLUMNS_X_MARGIN, y = h + fabs(block->y[j]) * COLUMNS_X_MARGIN;
        double z = h + fabs(block->z[j]) * COLUMNS_X_MARGIN;

        if (h > 0.0)
            widen(boxes, i, block->x[j] - x, block->x[j] + x, block->y[j] - y, block->y[j] + y,
                  block->z[j] - z);
    }
}

static void box_boxes(const struct columns_boxes *inner, struct columns_boxes *boxes, size_t i)
{
    for (size_t j = 0; j < 8; j++)
        widen(boxes, i, inner->x_low[j], inner->x_high[j], inner->y_low[j], inner->y_high[j],
              inner->front[j]);
}

static void make_tree(struct columns_tree *tree, const struct column_gas *gas, size_t n,
                      const struct columns_key *keys, struct columns_block *blocks,
                      struct columns_boxes *boxes)
{
    const size_t n_block = (n + 7) / 8;
    size_t n_node = (n_block + 7) / 8;

    tree->blocks = blocks;
    if (n == 0)
        return;
#pragma omp parallel for schedule(static) if (n > GAS_SERIAL)
    for (size_t i = 0; i < n_node; i++) {
        boxes[i] = nothing;
        for (size_t j = 8 * i; j < 8 * i + 8 && j < n_block; j++) {
            fill_block(gas, keys + 8 * j, n - 8 * j < 8 ? n - 8 * j : 8, &blocks[j]);
            box_gas(&blocks[j], &boxes[i], j - 8 * i);
        }
    }
    tree->levels[tree->n_level++] = boxes;
    while (n_node > 1) {
        const struct columns_boxes *inner = boxes;
        size_t n_inner = n_node;

        boxes += n_inner;
        n_node = (n_inner + 7) / 8;
        for (size_t i = 0; i < n_node; i++) {
            boxes[i] = nothing;
            for (size_t j = 8 * i; j < 8 * i + 8 && j < n_inner; j++)
                box_boxes(&inner[j], &boxes[i], j - 8 * i);
        }
        tree->levels[tree->n_level++] = boxes;
    }
}

/* ---- the kernel ------------------------------------------------------------------------------ */

/* Coefficients of struct columns_end from those of D, by the recurrence of sph_kernel.c written out. */
static void make_end(double r, const double d[SPH_POWER_N], struct columns_end *ret)
{
    struct columns_end end = {
        .r = r,
        .r_squared = r * r,
        .p_0 = { d[0], 2.0 / 3.0 * d[2], 8.0 / 15.0 * d[4] },
        .p_1 = { 0.5 * d[1], 0.375 * d[3], 0.3125 * d[5] },
        .p_2 = { d[2] / 3.0, 4.0 / 15.0 * d[4] },
        .p_3 = { 0.25 * d[3], 5.0 / 24.0 * d[5] },
        .p_4 = 0.2 * d[4],
        .p_5 = d[5] / 6.0,
    };

    end.whole[0] =
        end.p_0[0] + r * (end.p_1[0] + r * (end.p_2[0] + r * (end.p_3[0] + r * (end.p_4 + r * end.p_5))));
    end.whole[1] = end.p_0[1] + r * (end.p_1[1] + r * (end.p_2[1] + r * end.p_3[1]));
    end.whole[2] = end.p_0[2] + r * end.p_1[2];
    *ret = end;
}

static void make_form(enum sph_kernel kernel, struct columns_form *form)
{
    const struct sph_profile *profile = sph_profile_of(kernel);

    form->n_end = profile->n_piece;
    for (size_t k = 0; k < profile->n_piece; k++) {
        double d[SPH_POWER_N];

        for (size_t i = 0; i < SPH_POWER_N; i++)
            d[i] = profile->scale * (profile->pieces[k].factor[i] -
                                     (k + 1 < profile->n_piece ? profile->pieces[k + 1].factor[i] : 0.0));
        make_end(profile->pieces[k].r_end, d, &form->ends[k]);
    }
}

/* Of the arena: what stays, and what is released again. */
static size_t n_blocks(size_t n_gas)
{
    return n_gas / 8 + (n_gas % 8 > 0);
}

static size_t n_boxes(size_t n_gas)
{
    size_t n = n_blocks(n_gas), sum = 0;

    do {
        n = n / 8 + (n % 8 > 0);
        sum += n;
    } while (n > 1);
    return sum;
}

int columns_index_make(enum sph_kernel kernel, const struct column_gas *gas, struct arena *arena,
                       struct columns_index **ret_index, struct error *err)
{
    struct arena_mark begin = arena_mark(arena);
    struct columns_index *index = arena_zeros(arena, 1, sizeof(*index));
    struct columns_block *blocks = arena_array(arena, n_blocks(gas->n), sizeof(*blocks));
    struct columns_boxes *boxes = arena_array(arena, n_boxes(gas->n), sizeof(*boxes));
    struct arena_mark mark = arena_mark(arena);
    struct columns_key *keys = arena_array(arena, gas->n, sizeof(*keys));
    struct columns_key *scratch = arena_array(arena, gas->n, sizeof(*scratch));
    struct extent extent;
    size_t n;

    if (!index || !blocks || !boxes || !keys || !scratch) {
        arena_release(arena, begin);
        return error_set(err, POLYPHONY_INTERNAL, "dust columns: no memory to index %zu gas particles",
                         gas->n);
    }
    make_form(kernel, &index->tree.form);
    n = measure(index, gas, keys, &extent);
    if (n > GAS_UNSORTED_MAX)
        order(index, gas, &extent, n, keys, scratch);
    make_tree(&index->tree, gas, n, keys, blocks, boxes);
    arena_release(arena, mark);
    *ret_index = index;
    return 0;
}

size_t columns_index_bytes(size_t n_gas)
{
    return sizeof(struct columns_index) + n_blocks(n_gas) * sizeof(struct columns_block) +
           n_boxes(n_gas) * sizeof(struct columns_boxes) + 2 * n_gas * sizeof(struct columns_key);
}
