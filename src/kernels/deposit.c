/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The image is cut into square tiles, and each tile has the list of the particles that may touch it, in
 * particle order. A thread takes a tile, or some rows of a crowded one, and deposits its list
 * (fast/deposit.c), so pixels have one owner and one order of summation.
 */
#include "polyphony/deposit.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "deposit_share.h"
#include "fast/deposit.h"

/* Tiles along an axis that a disc may touch. */
struct range {
    uint16_t begin, end;
};

struct tile_ranges {
    struct range x, y;
};

/* The margin is for rounding. */
static struct range range_touched(double x, double h, double pixel, size_t n)
{
    double margin = 0x1p-20 + 0x1p-48 * (fabs(x) + h) / pixel, n_tile = ceil((double)n / DEPOSIT_TILE);
    double first = floor(((x - h) / pixel - margin) / DEPOSIT_TILE);
    double last = floor(((x + h) / pixel + margin) / DEPOSIT_TILE);

    if (!(last >= 0.0 && first < n_tile))
        return (struct range) { 0, 0 };
    return (struct range) { first > 0.0 ? (uint16_t)first : 0,
                            last < n_tile - 1.0 ? (uint16_t)(last + 1.0) : (uint16_t)n_tile };
}

/* Tiles and who touches them: the particles of tile t are particle[k], begin[t] <= k < begin[t + 1]. */
struct tiles {
    size_t n_x, n_y, n;
    struct tile_ranges *ranges; /* [n_particle] */
    size_t *begin;              /* [n + 2] */
    uint32_t *particle;         /* [n_list] */
    size_t n_list;
};

static struct tiles tiles_of(const struct pixel_grid *grid, size_t n_particle)
{
    size_t n_x = (grid->n_x + DEPOSIT_TILE - 1) / DEPOSIT_TILE;
    size_t n_y = (grid->n_y + DEPOSIT_TILE - 1) / DEPOSIT_TILE;

    /* Room for four tiles a particle, and for one particle in all tiles. */
    return (struct tiles) { .n_x = n_x, .n_y = n_y, .n = n_x * n_y, .n_list = 4 * n_particle + n_x * n_y };
}

static void tiles_find(struct tiles *tiles, const struct deposit *deposit, size_t n_particle, int n_thread)
{
    const struct pixel_grid *grid = deposit->grid;

#pragma omp parallel for schedule(static) num_threads(n_thread)
    for (size_t i = 0; i < n_particle; i++) {
        double x = deposit->x[i] + 0.5 * grid->width_x, y = deposit->y[i] + 0.5 * grid->width_y;

        tiles->ranges[i] = (struct tile_ranges) {
            range_touched(x, deposit->h[i], grid->pixel_width, grid->n_x),
            range_touched(y, deposit->h[i], grid->pixel_width, grid->n_y),
        };
    }
}

/* List the particles from `first` on, as far as there is room; returns the first that is not listed. */
static size_t tiles_fill(struct tiles *tiles, size_t first, size_t n_particle)
{
    size_t n_list = 0, end = first;

    /* Counting sort; counts go two places up: begin[t + 1] then moves from the begin of t to its end. */
    memset(tiles->begin, 0, (tiles->n + 2) * sizeof(*tiles->begin));
    for (; end < n_particle; end++) {
        struct range x = tiles->ranges[end].x, y = tiles->ranges[end].y;

        n_list += (size_t)(x.end - x.begin) * (size_t)(y.end - y.begin);
        if (n_list > tiles->n_list)
            break;
        for (size_t t_x = x.begin; t_x < x.end; t_x++)
            for (size_t t_y = y.begin; t_y < y.end; t_y++)
                tiles->begin[t_x * tiles->n_y + t_y + 2]++;
    }
    for (size_t t = 2; t < tiles->n + 2; t++)
        tiles->begin[t] += tiles->begin[t - 1];
    for (size_t i = first; i < end; i++)
        for (size_t t_x = tiles->ranges[i].x.begin; t_x < tiles->ranges[i].x.end; t_x++)
            for (size_t t_y = tiles->ranges[i].y.begin; t_y < tiles->ranges[i].y.end; t_y++)
                tiles->particle[tiles->begin[t_x * tiles->n_y + t_y + 1]++] = (uint32_t)i;
    return end;
}

/* What a thread does at once: rows of a tile. */
struct task {
    uint32_t tile;
    uint8_t first, n;
};

/* A galaxy may be a single tile to most of its particles: tiles with more than a quarter of a thread's part
 * are cut into up to TILE strips of rows. There are at most four more tasks than tiles for each thread. */
static size_t count_tasks_most(const struct tiles *tiles, int n_thread)
{
    return tiles->n + 4 * (size_t)n_thread;
}

static size_t count_strips(size_t n_list, size_t n_all, int n_thread)
{
    size_t n = 1 + 4 * (size_t)(n_thread - 1) * n_list / n_all, n_strip = 1;

    while (2 * n_strip <= n && n_strip < DEPOSIT_TILE)
        n_strip *= 2;
    return n_strip;
}

/* The number of tasks. */
static size_t tasks_make(const struct tiles *tiles, int n_thread, struct task *tasks)
{
    size_t n_all = tiles->begin[tiles->n], n_task = 0;

    for (size_t t = 0; t < tiles->n; t++) {
        size_t n_list = tiles->begin[t + 1] - tiles->begin[t];
        size_t n_strip = n_list ? count_strips(n_list, n_all, n_thread) : 0;

        for (size_t s = 0; s < n_strip; s++)
            tasks[n_task++] = (struct task) { .tile = (uint32_t)t,
                                              .first = (uint8_t)(s * (DEPOSIT_TILE / n_strip)),
                                              .n = (uint8_t)(DEPOSIT_TILE / n_strip) };
    }
    return n_task;
}

static void task_run(const struct deposit *deposit, const struct tiles *tiles, const struct task *task,
                     struct deposit_work *work)
{
    size_t i = task->tile / tiles->n_y * DEPOSIT_TILE + task->first;
    size_t j = task->tile % tiles->n_y * DEPOSIT_TILE;
    const size_t *begin = tiles->begin + task->tile;

    if (i < deposit->grid->n_x)
        FAST_TABLE(deposit_fast)
            ->tile(deposit, i, task->n, j, begin[1] - begin[0], tiles->particle + begin[0], work);
}

/* A thread's scratch, a multiple of a cache line. */
static size_t work_bytes(size_t n_channel)
{
    return (FAST_TABLE(deposit_fast)->work_bytes(n_channel) + 63) / 64 * 64;
}

uint64_t deposit_scratch_bytes(const struct pixel_grid *grid, size_t n_particle, size_t n_channel,
                               int n_thread)
{
    struct tiles tiles = tiles_of(grid, n_particle);

    return n_particle * sizeof(*tiles.ranges) + (tiles.n + 2) * sizeof(*tiles.begin) +
           tiles.n_list * sizeof(*tiles.particle) + count_tasks_most(&tiles, n_thread) * sizeof(struct task) +
           (uint64_t)n_thread * work_bytes(n_channel);
}

static int deposit_all(const struct deposit *deposit, size_t n_particle, struct arena *arena,
                       struct error *err)
{
    const struct pixel_grid *grid = deposit->grid;
    struct arena_mark mark = arena_mark(arena);
    struct tiles tiles = tiles_of(grid, n_particle);
    int n_thread = omp_in_parallel() ? 1 : omp_get_max_threads();
    size_t n_byte = work_bytes(deposit->n_channel);
    char *work = arena_array(arena, (size_t)n_thread, n_byte);
    struct task *tasks = arena_array(arena, count_tasks_most(&tiles, n_thread), sizeof(*tasks));

    tiles.ranges = arena_array(arena, n_particle, sizeof(*tiles.ranges));
    tiles.begin = arena_array(arena, tiles.n + 2, sizeof(*tiles.begin));
    tiles.particle = arena_array(arena, tiles.n_list, sizeof(*tiles.particle));
    if (!work || !tasks || !tiles.ranges || !tiles.begin || !tiles.particle || n_particle > UINT32_MAX) {
        arena_release(arena, mark);
        return error_set(
            err, POLYPHONY_INTERNAL,
            "image of %zu x %zu pixels: no memory to sort %zu particles into tiles, or more than %u of them at once",
            grid->n_x, grid->n_y, n_particle, UINT32_MAX);
    }
    tiles_find(&tiles, deposit, n_particle, n_thread);
    for (size_t first = 0; first < n_particle;) {
        size_t n_task;

        first = tiles_fill(&tiles, first, n_particle);
        n_task = tasks_make(&tiles, n_thread, tasks);
#pragma omp parallel for schedule(dynamic, 1) num_threads(n_thread)
        for (size_t t = 0; t < n_task; t++)
            task_run(deposit, &tiles, &tasks[t],
                     (struct deposit_work *)(work + (size_t)omp_get_thread_num() * n_byte));
    }
    arena_release(arena, mark);
    return 0;
}

int deposit_smoothed(const struct kernel_table *table, const struct pixel_grid *grid, size_t n_particle,
                     const double *x, const double *y, const double *h, size_t n_channel, const double *value,
                     double *const *image, struct arena *arena, struct error *err)
{
    const struct deposit deposit = { table, grid, x, y, h, n_channel, value, image, DEPOSIT_PEER };

    return deposit_all(&deposit, n_particle, arena, err);
}

int deposit_exact(const struct kernel_table *table, const struct pixel_grid *grid, size_t n_particle,
                  const double *x, const double *y, const double *h, size_t n_channel, const double *value,
                  double *const *image, struct arena *arena, struct error *err)
{
    const struct deposit deposit = { table, grid, x, y, h, n_channel, value, image, DEPOSIT_EXACT };

    return deposit_all(&deposit, n_particle, arena, err);
}

/* Pixel of a coordinate counted from the corner, or n if outside. */
static size_t pixel_of(double x, double pixel, size_t n)
{
    double place = x / pixel;

    if (!(place >= 0.0 && place <= (double)n))
        return n;
    return place < (double)n ? (size_t)place : n - 1;
}

void deposit_histogram(const struct pixel_grid *grid, size_t n_particle, const double *x, const double *y,
                       size_t n_channel, const double *value, double *const *image)
{
    if (grid->n_x == 0 || grid->n_y == 0)
        return;
    for (size_t i_particle = 0; i_particle < n_particle; i_particle++) {
        size_t i = pixel_of(x[i_particle] + 0.5 * grid->width_x, grid->pixel_width, grid->n_x);
        size_t j = pixel_of(y[i_particle] + 0.5 * grid->width_y, grid->pixel_width, grid->n_y);

        if (i == grid->n_x || j == grid->n_y)
            continue;
        for (size_t i_channel = 0; i_channel < n_channel; i_channel++)
            image[i_channel][i * grid->n_y + j] += value[i_particle * n_channel + i_channel];
    }
}
