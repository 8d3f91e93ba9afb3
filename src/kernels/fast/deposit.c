/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Particles onto one tile of pixels, in three steps that are repeated while there are particles.
 *
 * 1. Pixels under a disc become entries, in the order of the particles, and go to one of three lists, by how
 *    their share is found: inside (3 x 3 samples), edge (4 x 4), narrow (discs smaller than a pixel).
 * 2. Shares are computed for eight pixels of a list at a time, whichever particles they belong to. Samples of
 *    a pixel are added in the order of the reference: one pixel is one lane.
 * 3. Entries are sorted by pixel (counting sort, which keeps the particles' order). A pixel's channels are in
 *    registers while its particles are added: no stores but one for each pixel and channel. Images lie by
 *    channel, so eight pixels by eight channels are transposed on the way in and out.
 */
#include "deposit.h"

#include "deposit_exact.h"
#include "deposit_images.h"
#include "deposit_shares.h"
#include "deposit_work.h"

/* 4 x 4 samples suffice from h = 1/2 on; beyond 3/4 no rounding can fit the disc into a pixel [pixel]. */
static const double wide_min_pixel = 0.75;

static size_t work_bytes(size_t n_channel)
{
    return sizeof(struct deposit_work) + (N_LOCAL + 8) * stride_of(n_channel) * sizeof(double);
}

/* ---- entries --------------------------------------------------------------------------------- */

static inline void append(struct list *list, unsigned mask, eight x, eight y, double node_per_length,
                          double factor, eight entry)
{
    eight_store(list->x + list->n, x);
    eight_pack(list->y + list->n, mask, y);
    eight_store(list->node_per_length + list->n, eight_all(node_per_length));
    eight_store(list->factor + list->n, eight_all(factor));
    eight_pack(list->entry + list->n, mask, entry);
    list->n += (size_t)__builtin_popcount(mask);
}

/* Parts in y of a particle, by column of the tile. */
struct parts {
    eight corner, near2, far2;
};

static inline struct parts parts_of(const struct splat *splat, size_t j)
{
    static const double count[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    eight first = eight_add(eight_all((double)j), eight_load(count)), y = eight_all(splat->y);
    eight pixel = eight_all(splat->pixel), low = eight_mul(first, pixel);
    eight high = eight_mul(eight_add(first, eight_all(1.0)), pixel);
    eight below = eight_sub(low, y), above = eight_sub(y, high);
    eight nearest = eight_max(eight_max(below, above), eight_all(0.0));
    eight farthest = eight_max(eight_sub(y, low), eight_sub(high, y));

    return (struct parts) { below, eight_mul(nearest, nearest), eight_mul(farthest, farthest) };
}

/* The pixels under a disc are neighbours within a row, so entries count them one by one. */
static inline void list_row(const struct tile *tile, const struct splat *splat, size_t i,
                            const struct parts *parts, const unsigned *in_reach, size_t i_local)
{
    static const double count[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    struct deposit_work *work = tile->work;
    struct reach reach = reach_of(splat, splat->x, i);
    eight corner = eight_all((double)i * splat->pixel - splat->x), h2 = eight_all(splat->h2);

    for (size_t block = 0; block < TILE / 8; block++) {
        if (!in_reach[block])
            continue;

        eight near2 = eight_add(eight_all(reach.near2), parts[block].near2);
        eight far2 = eight_add(eight_all(reach.far2), parts[block].far2);
        unsigned under = eight_less(near2, h2) & in_reach[block], inside = eight_less(far2, h2) & under;
        unsigned first = under ? (unsigned)__builtin_ctz(under) : 0;
        size_t pixel = (i - tile->i) * TILE + 8 * block + first, n = work->n_entry;
        eight entry = eight_add(eight_all((double)n - first), eight_load(count));

        append(&work->inside, inside, corner, parts[block].corner, splat->node_per_length,
               splat->inside_factor, entry);
        append(&work->edge, under & ~inside, corner, parts[block].corner, splat->node_per_length,
               splat->edge_factor, entry);
        for (size_t k = 0; k < 8; k++) {
            work->i_pixel[n + k] = (uint16_t)(pixel + k);
            work->i_local[n + k] = (uint16_t)i_local;
        }
        work->n_entry += (size_t)__builtin_popcount(under);
    }
}

/* Pixel (i, j) and a narrow disc, by the rules. */
static void list_narrow(const struct tile *tile, const struct splat *splat, size_t i, size_t j,
                        size_t i_local)
{
    struct deposit_work *work = tile->work;
    struct narrow *narrow = &work->narrow;
    struct reach reach_x = reach_of(splat, splat->x, i), reach_y = reach_of(splat, splat->y, j);
    size_t entry = work->n_entry;
    double d2[2][N_EDGE_MAX] = { { 0.0 } };
    int n_x = N_INSIDE, n_y = N_INSIDE;

    work->i_pixel[entry] = (uint16_t)((i - tile->i) * TILE + j - tile->j);
    work->i_local[entry] = (uint16_t)i_local;
    if (reach_x.inside && reach_y.inside) {
        work->share[entry] = 1.0;
        work->n_entry++;
        return;
    }
    if (splat->h == 0.0 || reach_x.near2 + reach_y.near2 >= splat->h2)
        return;
    work->n_entry++;
    narrow->factor[narrow->n] = splat->edge_factor;
    if (reach_x.far2 + reach_y.far2 < splat->h2) {
        narrow->factor[narrow->n] = splat->inside_factor;
        for (int k = 0; k < N_INSIDE; k++) {
            d2[0][k] = sample2(splat, splat->x, i, k, splat->pixel / N_INSIDE);
            d2[1][k] = sample2(splat, splat->y, j, k, splat->pixel / N_INSIDE);
        }
    } else {
        n_x = edge_samples(splat, splat->x, i, d2[0]);
        n_y = edge_samples(splat, splat->y, j, d2[1]);
    }
    /* A distance beyond every disc adds zero. */
    for (int k = 0; k < N_EDGE_MAX; k++) {
        narrow->dx2[k][narrow->n] = k < n_x ? d2[0][k] : (double)INFINITY;
        narrow->dy2[k][narrow->n] = k < n_y ? d2[1][k] : (double)INFINITY;
    }
    narrow->n_x = n_x > narrow->n_x ? n_x : narrow->n_x;
    narrow->n_y = n_y > narrow->n_y ? n_y : narrow->n_y;
    narrow->node_per_length[narrow->n] = splat->node_per_length;
    narrow->entry[narrow->n++] = entry;
    if (narrow->n == 8)
        compute_narrow(tile);
}

/* Pixels of the tile that the disc may touch along one axis; rounding is far below the margin. */
static size_t first_touched(double x, double h, double pixel, size_t begin, size_t n)
{
    double first = floor((x - h) / pixel - 0x1p-20 - 0x1p-48 * (fabs(x) + h) / pixel) - (double)begin;

    return !(first > 0.0) ? begin : first < (double)n ? begin + (size_t)first : begin + n;
}

static size_t end_touched(double x, double h, double pixel, size_t begin, size_t n)
{
    double last = floor((x + h) / pixel + 0x1p-20 + 0x1p-48 * (fabs(x) + h) / pixel) - (double)begin;

    return !(last >= 0.0) ? begin : last < (double)n ? begin + (size_t)last + 1 : begin + n;
}

static void list_exact(const struct tile *tile, const struct splat *splat, size_t i, size_t end,
                       size_t i_local)
{
    struct deposit_work *work = tile->work;
    size_t j = first_touched(splat->y, splat->h, splat->pixel, tile->j, tile->n_j);
    size_t j_end = end_touched(splat->y, splat->h, splat->pixel, tile->j, tile->n_j);
    double share[TILE][TILE];

    if (i >= end || j >= j_end)
        return;
    exact_shares(tile->deposit->table, splat, i, end - i, j, j_end - j, &work->exact, share);
    for (size_t k = 0; k < end - i; k++)
        for (size_t l = 0; l < j_end - j; l++) {
            work->share[work->n_entry] = share[k][l];
            work->i_pixel[work->n_entry] = (uint16_t)((i + k - tile->i) * TILE + j + l - tile->j);
            work->i_local[work->n_entry] = (uint16_t)i_local;
            /* Errors of the edges may leave -1e-12 where there is no light. */
            work->n_entry += share[k][l] > 0.0;
        }
}

static void list_particle(const struct tile *tile, uint32_t particle)
{
    const struct deposit *deposit = tile->deposit;
    struct deposit_work *work = tile->work;
    struct splat splat =
        splat_of(deposit->grid, deposit->x[particle], deposit->y[particle], deposit->h[particle]);
    size_t begin = first_touched(splat.x, splat.h, splat.pixel, tile->i, tile->n_i);
    size_t end = end_touched(splat.x, splat.h, splat.pixel, tile->i, tile->n_i);
    size_t i_local = work->n_local;

    work->local[work->n_local++] = particle;
    if (deposit->sampling == DEPOSIT_EXACT) {
        list_exact(tile, &splat, begin, end, i_local);
        return;
    }
    if (splat.h > wide_min_pixel * splat.pixel) {
        struct parts parts[TILE / 8];
        unsigned in_reach[TILE / 8];

        for (size_t block = 0; block < TILE / 8; block++) {
            size_t n = tile->n_j > 8 * block ? tile->n_j - 8 * block : 0;

            parts[block] = parts_of(&splat, tile->j + 8 * block);
            in_reach[block] =
                eight_less(parts[block].near2, eight_all(splat.h2)) & (n < 8 ? (1U << n) - 1 : 255);
        }
        for (size_t i = begin; i < end; i++)
            list_row(tile, &splat, i, parts, in_reach, i_local);
        return;
    }
    size_t j_begin = first_touched(splat.y, splat.h, splat.pixel, tile->j, tile->n_j);
    size_t j_end = end_touched(splat.y, splat.h, splat.pixel, tile->j, tile->n_j);

    for (size_t i = begin; i < end; i++)
        for (size_t j = j_begin; j < j_end; j++)
            list_narrow(tile, &splat, i, j, i_local);
}

/* ---- tiles ----------------------------------------------------------------------------------- */

static void flush(const struct tile *tile)
{
    struct deposit_work *work = tile->work;
    size_t stride = stride_of(tile->deposit->n_channel), n_y = tile->deposit->grid->n_y;
    double *sum = work->row + N_LOCAL * stride;

    compute_list(tile, &work->inside, N_INSIDE);
    compute_list(tile, &work->edge, N_EDGE_MIN);
    if (work->narrow.n)
        compute_narrow(tile);
    sort_entries(work);
    copy_values(tile->deposit, work, stride);
    for (size_t i = 0; i < tile->n_i; i++)
        for (size_t j = 0; j < tile->n_j; j += 8) {
            size_t n = tile->n_j - j < 8 ? tile->n_j - j : 8, pixel = i * TILE + j;
            size_t place = (tile->i + i) * n_y + tile->j + j;

            if (work->begin[pixel] == work->begin[pixel + n])
                continue;
            move_pixels(tile->deposit, place, n, stride, sum, false);
            for (size_t k = 0; k < n; k++)
                add_pixel(work, pixel + k, stride, sum + k * stride);
            move_pixels(tile->deposit, place, n, stride, sum, true);
        }
    work->n_entry = work->n_local = 0;
}

static void deposit_tile(const struct deposit *deposit, size_t i, size_t n_i, size_t j, size_t n,
                         const uint32_t *particle, struct deposit_work *work)
{
    const struct pixel_grid *grid = deposit->grid;
    struct tile tile = {
        deposit, i, j, grid->n_x - i < n_i ? grid->n_x - i : n_i, grid->n_y - j < TILE ? grid->n_y - j : TILE,
        work
    };

    work->n_entry = work->n_local = work->inside.n = work->edge.n = work->exact.list.n = 0;
    work->narrow = (struct narrow) { 0 };
    for (size_t k = 0; k < n; k++) {
        if (work->n_entry + N_PIXEL > N_ENTRY || work->n_local == N_LOCAL)
            flush(&tile);
        if (work->inside.n > N_LIST)
            compute_list(&tile, &work->inside, N_INSIDE);
        if (work->edge.n > N_LIST)
            compute_list(&tile, &work->edge, N_EDGE_MIN);
        list_particle(&tile, particle[k]);
    }
    flush(&tile);
}

const struct deposit_fast FAST(deposit_fast) = { .work_bytes = work_bytes, .tile = deposit_tile };
