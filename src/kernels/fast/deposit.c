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

#include "../deposit_share.h"
#include "deposit_exact.h"
#include "eight.h"

enum {
    TILE = DEPOSIT_TILE,
    N_PIXEL = TILE * TILE,
    N_ENTRY = 4096,  /* between two visits of the images */
    N_LOCAL = 256,   /* particles between two visits */
    N_LIST = 512,    /* entries of a list before they are computed */
    N_CHUNK = 4 * 8, /* channels in registers */
};

/* 4 x 4 samples suffice from h = 1/2 on; beyond 3/4 no rounding can fit the disc into a pixel [pixel]. */
static const double wide_min_pixel = 0.75;

/* Pixels whose shares are to be computed; room for a tile, and for stores of eight. */
struct list {
    size_t n;
    double x[N_LIST + N_PIXEL + 8], y[N_LIST + N_PIXEL + 8]; /* of the pixel's corner, from the particle */
    double node_per_length[N_LIST + N_PIXEL + 8];
    double factor[N_LIST + N_PIXEL + 8];
    double entry[N_LIST + N_PIXEL + 8];
};

/* Eight pixels of narrow discs: squared distances of their samples along each axis, beyond all where a pixel
 * has fewer. */
struct narrow {
    size_t n;
    int n_x, n_y;
    double dx2[N_EDGE_MAX][8], dy2[N_EDGE_MAX][8];
    double node_per_length[8], factor[8];
    size_t entry[8];
};

struct deposit_work {
    struct list inside, edge;
    struct narrow narrow;
    struct exact_work exact;
    size_t n_entry, n_local;
    uint32_t local[N_LOCAL]; /* particles */
    double share[N_ENTRY + 8];
    uint16_t i_local[N_ENTRY + 8], i_pixel[N_ENTRY + 8];
    double sorted_share[N_ENTRY];
    uint16_t sorted_local[N_ENTRY];
    uint32_t begin[N_PIXEL + 2];
    double row[]; /* [N_LOCAL][stride] values, then [8][stride] pixels in hand */
};

/* The tile in hand. */
struct tile {
    const struct deposit *deposit;
    size_t i, j, n_i, n_j; /* first pixel, pixels */
    struct deposit_work *work;
};

static size_t stride_of(size_t n_channel)
{
    return (n_channel + 7) / 8 * 8;
}

static size_t work_bytes(size_t n_channel)
{
    return sizeof(struct deposit_work) + (N_LOCAL + 8) * stride_of(n_channel) * sizeof(double);
}

/* ---- shares ---------------------------------------------------------------------------------- */

/* kernel_table_at_node() of the distance whose square is d2. */
static inline eight column_at(const double (*column)[2], eight d2, eight node_per_length)
{
    eight node = eight_min(eight_mul(eight_sqrt(d2), node_per_length), eight_all(KERNEL_TABLE_N));
    int32_t place[8] __attribute__((aligned(32)));
    eight whole = eight_truncate(node, place), below, step;

    eight_pairs(column, place, &below, &step);
    return eight_add(below, eight_mul(eight_sub(node, whole), step));
}

/* Squared distances of samples `first`, first + 1, ... of n a side, along one axis. */
static inline eight sample2_of(eight corner, int k, double cell)
{
    eight distance = eight_add(corner, eight_all((k + 0.5) * cell));

    return eight_mul(distance, distance);
}

static inline void compute_list(const struct tile *tile, struct list *list, const int n_sample)
{
    const double(*column)[2] = tile->deposit->table->column;
    double cell = tile->deposit->grid->pixel_width / n_sample;
    double *share = tile->work->share;

    /* Lanes without a pixel look up something that is there. */
    eight_store(list->x + list->n, eight_all(0.0));
    eight_store(list->y + list->n, eight_all(0.0));
    eight_store(list->node_per_length + list->n, eight_all(0.0));
    for (size_t first = 0; first < list->n; first += 8) {
        eight x = eight_load(list->x + first), y = eight_load(list->y + first);
        eight node_per_length = eight_load(list->node_per_length + first);
        eight sum = eight_all(0.0);
        size_t n = list->n - first < 8 ? list->n - first : 8;
        double of_pixel[8];

        for (int k = 0; k < n_sample; k++) {
            eight x2 = sample2_of(x, k, cell);

            for (int l = 0; l < n_sample; l++)
                sum =
                    eight_add(sum, column_at(column, eight_add(x2, sample2_of(y, l, cell)), node_per_length));
        }
        eight_store(of_pixel, eight_mul(eight_load(list->factor + first), sum));
        for (size_t k = 0; k < n; k++)
            share[(size_t)list->entry[first + k]] = of_pixel[k];
    }
    list->n = 0;
}

static void compute_narrow(const struct tile *tile)
{
    struct narrow *narrow = &tile->work->narrow;
    const double(*column)[2] = tile->deposit->table->column;
    eight node_per_length = eight_load(narrow->node_per_length), sum = eight_all(0.0);
    double of_pixel[8];

    for (int k = 0; k < narrow->n_x; k++)
        for (int l = 0; l < narrow->n_y; l++)
            sum = eight_add(sum, column_at(column,
                                           eight_add(eight_load(narrow->dx2[k]), eight_load(narrow->dy2[l])),
                                           node_per_length));
    eight_store(of_pixel, eight_mul(eight_load(narrow->factor), sum));
    for (size_t k = 0; k < narrow->n; k++)
        tile->work->share[narrow->entry[k]] = of_pixel[k];
    *narrow = (struct narrow) { 0 };
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

/* ---- images ---------------------------------------------------------------------------------- */

/* Entries of pixel p are then sorted_*[begin[p]] to [begin[p + 1]]. */
static void sort_entries(struct deposit_work *work)
{
    uint32_t *begin = work->begin;

    memset(begin, 0, sizeof(work->begin));
    for (size_t e = 0; e < work->n_entry; e++)
        begin[work->i_pixel[e] + 2]++;
    for (size_t p = 2; p < N_PIXEL + 2; p++)
        begin[p] += begin[p - 1];
    for (size_t e = 0; e < work->n_entry; e++) {
        uint32_t place = begin[work->i_pixel[e] + 1]++;

        work->sorted_share[place] = work->share[e];
        work->sorted_local[place] = work->i_local[e];
    }
}

/* Rows of values, padded with zeros. */
static void copy_values(const struct deposit *deposit, struct deposit_work *work, size_t stride)
{
    for (size_t l = 0; l < work->n_local; l++) {
        const double *value = deposit->value + work->local[l] * deposit->n_channel;
        double *row = work->row + l * stride;

        for (size_t c = 0; c < deposit->n_channel; c++)
            row[c] = value[c];
        for (size_t c = deposit->n_channel; c < stride; c++)
            row[c] = 0.0;
    }
}

/* Add the entries of a pixel to n_eight times 8 of its channels. */
static inline void add_entries(const struct deposit_work *work, uint32_t begin, uint32_t end, size_t stride,
                               const double *value, double *sum, const int n_eight)
{
    eight of[4];

    for (int k = 0; k < n_eight; k++)
        of[k] = eight_load(sum + 8 * k);
    for (uint32_t e = begin; e < end; e++) {
        const double *row = value + work->sorted_local[e] * stride;
        eight share = eight_all(work->sorted_share[e]);

        for (int k = 0; k < n_eight; k++)
            of[k] = eight_add(of[k], eight_mul(eight_load(row + 8 * k), share));
    }
    for (int k = 0; k < n_eight; k++)
        eight_store(sum + 8 * k, of[k]);
}

static void add_pixel(const struct deposit_work *work, size_t pixel, size_t stride, double *sum)
{
    uint32_t begin = work->begin[pixel], end = work->begin[pixel + 1];
    size_t c = 0;

    for (; c + N_CHUNK <= stride; c += N_CHUNK)
        add_entries(work, begin, end, stride, work->row + c, sum + c, 4);
    if (c + 24 == stride)
        add_entries(work, begin, end, stride, work->row + c, sum + c, 3);
    else if (c + 16 == stride)
        add_entries(work, begin, end, stride, work->row + c, sum + c, 2);
    else if (c + 8 == stride)
        add_entries(work, begin, end, stride, work->row + c, sum + c, 1);
}

/* Eight rows of eight, transposed: from[k * from_step + l] to to[l * to_step + k]. */
#if defined(__AVX512F__) && defined(__AVX512DQ__)
static inline void transpose(const double *const from[8], double *const to[8])
{
    __m512d a[8], b[8];

    for (int k = 0; k < 8; k++)
        a[k] = _mm512_loadu_pd(from[k]);
    for (int k = 0; k < 8; k += 2) {
        b[k] = _mm512_unpacklo_pd(a[k], a[k + 1]);
        b[k + 1] = _mm512_unpackhi_pd(a[k], a[k + 1]);
    }
    for (int k = 0; k < 2; k++) {
        a[k] = _mm512_shuffle_f64x2(b[k], b[k + 2], 0x88);
        a[k + 2] = _mm512_shuffle_f64x2(b[k], b[k + 2], 0xdd);
        a[k + 4] = _mm512_shuffle_f64x2(b[k + 4], b[k + 6], 0x88);
        a[k + 6] = _mm512_shuffle_f64x2(b[k + 4], b[k + 6], 0xdd);
    }
    for (int k = 0; k < 4; k++) {
        _mm512_storeu_pd(to[k], _mm512_shuffle_f64x2(a[k], a[k + 4], 0x88));
        _mm512_storeu_pd(to[k + 4], _mm512_shuffle_f64x2(a[k], a[k + 4], 0xdd));
    }
}
#else
static inline void transpose(const double *const from[8], double *const to[8])
{
    double block[8][8];

    for (int k = 0; k < 8; k++)
        for (int l = 0; l < 8; l++)
            block[l][k] = from[k][l];
    for (int k = 0; k < 8; k++)
        memcpy(to[k], block[k], sizeof(block[k]));
}
#endif

/* Between images and sum[8][stride], for n <= 8 pixels from `place` on. */
static void fetch_pixels(const struct deposit *deposit, size_t place, size_t n, size_t stride, double *sum)
{
    for (size_t c = 0; c < deposit->n_channel; c++) {
        const double *pixel = deposit->image[c] + place;

        for (size_t k = 0; k < n; k++)
            sum[k * stride + c] = pixel[k];
    }
}

static void put_pixels(const struct deposit *deposit, size_t place, size_t n, size_t stride,
                       const double *sum)
{
    for (size_t c = 0; c < deposit->n_channel; c++) {
        double *pixel = deposit->image[c] + place;

        for (size_t k = 0; k < n; k++)
            pixel[k] = sum[k * stride + c];
    }
}

/* The same for eight pixels and eight channels. */
static void move_eight(const struct deposit *deposit, size_t place, size_t stride, size_t c, double *sum,
                       bool is_put)
{
    double *pixel[8], *channel[8];

    for (size_t k = 0; k < 8; k++) {
        channel[k] = deposit->image[c + k] + place;
        pixel[k] = sum + k * stride + c;
    }
    if (is_put)
        transpose((const double *const *)pixel, channel);
    else
        transpose((const double *const *)channel, pixel);
}

static void move_pixels(const struct deposit *deposit, size_t place, size_t n, size_t stride, double *sum,
                        bool is_put)
{
    struct deposit rest = *deposit;
    size_t n_whole = n == 8 ? deposit->n_channel / 8 * 8 : 0;

    for (size_t c = 0; c < n_whole; c += 8)
        move_eight(deposit, place, stride, c, sum, is_put);
    rest.n_channel -= n_whole;
    rest.image += n_whole;
    if (is_put)
        put_pixels(&rest, place, n, stride, sum + n_whole);
    else
        fetch_pixels(&rest, place, n, stride, sum + n_whole);
}

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
