/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The image is cut into strips of rows, and each strip has the list of the particles that touch it, in
 * particle order. A thread takes a strip and deposits its list, so pixels have one owner and one order of
 * summation. Strips depend on the image only.
 *
 * A pixel's share is a mean over sub-cells, and the squared distance of a sub-cell is a part in x plus a
 * part in y. For discs wider than a pixel ("wide") the parts in y are made once per strip, for all columns;
 * every pixel then has 3 x 3 or 4 x 4 samples. Smaller discs touch few pixels, and those take the path of
 * the reference.
 */
#include "polyphony/deposit.h"

#include <math.h>
#include <omp.h>

/* A pixel wholly under the kernel has N_INSIDE samples a side, one partly under it N_EDGE_MIN or more. Of
 * these at most 2 h/(pixel/n) + 1, plus a margin of 4, can be under a disc: below N_EDGE_MAX, as
 * n < 2 pixel/h + 1 where n > N_EDGE_MIN. */
enum {
    N_INSIDE = 3,
    N_EDGE_MIN = 4,
    N_EDGE_MAX = 16,
    N_STRIP_MAX = 64,
    N_COLUMN_BUFFER = 10, /* doubles per column of the image: see struct columns */
};

/* In pixels. 4 x 4 samples suffice from h = 1/2 on; beyond 3/4 no rounding can fit the disc into a pixel. */
static const double wide_min_pixel = 0.75;
static const double point_max_pixel = 0x1p-40;

struct splat {
    double x, y; /* from the corner of the image */
    double h, h2;
    double pixel;
    double node_per_length; /* of the kernel table */
    double n_edge;          /* samples a side of a pixel partly under the kernel */
    double inside_factor;   /* (pixel/h)^2 over the number of samples */
    double edge_factor;
};

/* One particle and one axis of a pixel: how far its nearest and farthest points are. */
struct reach {
    double near2, far2;
    bool inside; /* the disc does not stick out of the closed pixel along this axis */
};

/* Parts in y, by column of the image. */
struct columns {
    double *near2, *far2; /* [n_y] */
    double *inside2;      /* [n_y][N_INSIDE] */
    double *edge2;        /* [n_y][N_EDGE_MIN] */
    double *share;        /* [n_y], of the row at hand */
};

struct range {
    size_t begin, end;
};

static struct splat splat_of(const struct pixel_grid *grid, double x, double y, double h)
{
    double pixel_per_h = grid->pixel_width / h;
    double n_edge = fmax(N_EDGE_MIN, ceil(2.0 * grid->pixel_width / h));

    return (struct splat) {
        .x = x + 0.5 * grid->width_x,
        .y = y + 0.5 * grid->width_y,
        .h = h > point_max_pixel * grid->pixel_width ? h : 0.0,
        .h2 = h * h,
        .pixel = grid->pixel_width,
        .node_per_length = KERNEL_TABLE_N / h,
        .n_edge = n_edge,
        .inside_factor = pixel_per_h * pixel_per_h / (N_INSIDE * N_INSIDE),
        .edge_factor = pixel_per_h * pixel_per_h / (n_edge * n_edge),
    };
}

static inline struct reach reach_of(const struct splat *splat, double x, size_t i_pixel)
{
    double low = (double)i_pixel * splat->pixel, high = (double)(i_pixel + 1) * splat->pixel;
    double nearest = x < low ? low - x : x > high ? x - high : 0.0;
    double farthest = x - low > high - x ? x - low : high - x;

    return (struct reach) { .near2 = nearest * nearest,
                            .far2 = farthest * farthest,
                            .inside = x - splat->h >= low && x + splat->h <= high };
}

/* Squared distance along an axis of the centre of sub-cell k of pixel i; `cell` is its width. */
static inline double sample2(const struct splat *splat, double x, size_t i_pixel, double k, double cell)
{
    double distance = (double)i_pixel * splat->pixel - x + (k + 0.5) * cell;

    return distance * distance;
}

/* Sum of the projected kernel over the samples dx2[n_x] x dy2[n_y]; those not under the disc add zero. */
static inline double sum_samples(const struct kernel_table *table, double node_per_length, int n_x,
                                 const double *dx2, int n_y, const double *dy2)
{
    double sum = 0.0;

    for (int i = 0; i < n_x; i++)
        for (int j = 0; j < n_y; j++)
            sum += kernel_table_at_node(table, sqrt(dx2[i] + dy2[j]) * node_per_length);
    return sum;
}

/* The samples of an axis that can be under the disc; returns how many. */
static int edge_samples(const struct splat *splat, double x, size_t i_pixel, double *ret_d2)
{
    double cell = splat->pixel / splat->n_edge;
    double offset = (double)i_pixel * splat->pixel - x;
    double k = fmax(0.0, floor((-splat->h - offset) / cell) - 1.0);
    double k_last = fmin(splat->n_edge - 1.0, ceil((splat->h - offset) / cell) + 1.0);
    int n = 0;

    for (; k <= k_last && n < N_EDGE_MAX; k += 1.0)
        ret_d2[n++] = sample2(splat, x, i_pixel, k, cell);
    return n;
}

/* The share of pixel (i, j): the four rules as they stand. */
static double pixel_share(const struct kernel_table *table, const struct splat *splat, size_t i, size_t j)
{
    struct reach reach_x = reach_of(splat, splat->x, i), reach_y = reach_of(splat, splat->y, j);
    double dx2[N_EDGE_MAX], dy2[N_EDGE_MAX];

    if (reach_x.inside && reach_y.inside)
        return 1.0;
    if (splat->h == 0.0 || reach_x.near2 + reach_y.near2 >= splat->h2)
        return 0.0;
    if (reach_x.far2 + reach_y.far2 < splat->h2) {
        for (int k = 0; k < N_INSIDE; k++) {
            dx2[k] = sample2(splat, splat->x, i, k, splat->pixel / N_INSIDE);
            dy2[k] = sample2(splat, splat->y, j, k, splat->pixel / N_INSIDE);
        }
        return splat->inside_factor *
               sum_samples(table, splat->node_per_length, N_INSIDE, dx2, N_INSIDE, dy2);
    }
    int n_x = edge_samples(splat, splat->x, i, dx2);
    int n_y = edge_samples(splat, splat->y, j, dy2);

    return splat->edge_factor * sum_samples(table, splat->node_per_length, n_x, dx2, n_y, dy2);
}

/* Pixels of one axis that the disc may touch, and one more each side for rounding; empty if outside the
 * image. */
static struct range range_touched(double x, double h, double pixel, size_t n)
{
    double first = floor((x - h) / pixel) - 1.0, last = floor((x + h) / pixel) + 1.0;

    if (!(last >= 0.0 && first < (double)n))
        return (struct range) { 0, 0 };
    return (struct range) { first > 0.0 ? (size_t)first : 0, last < (double)n - 1.0 ? (size_t)last + 1 : n };
}

static void columns_set(struct columns *columns, const struct splat *splat, struct range range)
{
    for (size_t j = range.begin; j < range.end; j++) {
        struct reach reach = reach_of(splat, splat->y, j);

        columns->near2[j] = reach.near2;
        columns->far2[j] = reach.far2;
        for (int k = 0; k < N_INSIDE; k++)
            columns->inside2[N_INSIDE * j + (size_t)k] =
                sample2(splat, splat->y, j, k, splat->pixel / N_INSIDE);
        for (int k = 0; k < N_EDGE_MIN; k++)
            columns->edge2[N_EDGE_MIN * j + (size_t)k] =
                sample2(splat, splat->y, j, k, splat->pixel / N_EDGE_MIN);
    }
}

/* Shares of row i under a wide disc; returns the columns that have some. */
static struct range shares_wide(const struct kernel_table *table, const struct splat *splat, size_t i,
                                struct range range, struct columns *columns)
{
    struct reach reach = reach_of(splat, splat->x, i);
    double inside2[N_INSIDE], edge2[N_EDGE_MIN];

    while (range.begin < range.end && reach.near2 + columns->near2[range.begin] >= splat->h2)
        range.begin++;
    while (range.end > range.begin && reach.near2 + columns->near2[range.end - 1] >= splat->h2)
        range.end--;
    for (int k = 0; k < N_INSIDE; k++)
        inside2[k] = sample2(splat, splat->x, i, k, splat->pixel / N_INSIDE);
    for (int k = 0; k < N_EDGE_MIN; k++)
        edge2[k] = sample2(splat, splat->x, i, k, splat->pixel / N_EDGE_MIN);
    for (size_t j = range.begin; j < range.end; j++) {
        if (reach.far2 + columns->far2[j] < splat->h2)
            columns->share[j] =
                splat->inside_factor * sum_samples(table, splat->node_per_length, N_INSIDE, inside2, N_INSIDE,
                                                   columns->inside2 + N_INSIDE * j);
        else
            columns->share[j] =
                splat->edge_factor * sum_samples(table, splat->node_per_length, N_EDGE_MIN, edge2, N_EDGE_MIN,
                                                 columns->edge2 + N_EDGE_MIN * j);
    }
    return range;
}

/* What a deposit is made of, for the functions below. */
struct deposit {
    const struct kernel_table *table;
    const struct pixel_grid *grid;
    const double *x, *y, *h;
    size_t n_channel;
    const double *value;
    double *image;
};

static void deposit_particle(const struct deposit *deposit, size_t i_particle, struct range rows,
                             struct columns *columns)
{
    const struct pixel_grid *grid = deposit->grid;
    struct splat splat =
        splat_of(grid, deposit->x[i_particle], deposit->y[i_particle], deposit->h[i_particle]);
    struct range touched = range_touched(splat.y, splat.h, splat.pixel, grid->n_y);
    const double *value = deposit->value + i_particle * deposit->n_channel;
    bool wide = splat.h > wide_min_pixel * splat.pixel;

    if (wide)
        columns_set(columns, &splat, touched);
    for (size_t i = rows.begin; i < rows.end; i++) {
        struct range range = touched;

        if (wide)
            range = shares_wide(deposit->table, &splat, i, touched, columns);
        else
            for (size_t j = range.begin; j < range.end; j++)
                columns->share[j] = pixel_share(deposit->table, &splat, i, j);
        for (size_t i_channel = 0; i_channel < deposit->n_channel; i_channel++) {
            double *row = deposit->image + (i_channel * grid->n_x + i) * grid->n_y;

            for (size_t j = range.begin; j < range.end; j++)
                row[j] += value[i_channel] * columns->share[j];
        }
    }
}

/* Strips and who touches them: the particles of strip s are particle[k], begin[s] <= k < begin[s + 1]. */
struct strips {
    size_t n, n_row;    /* rows in a strip; the last may be shorter */
    struct range *rows; /* [n_particle], touched by a particle */
    size_t begin[N_STRIP_MAX + 2];
    size_t *particle;
};

static int strips_fill(struct strips *strips, const struct deposit *deposit, size_t n_particle,
                       struct arena *arena)
{
    const struct pixel_grid *grid = deposit->grid;

    strips->n_row = (grid->n_x + N_STRIP_MAX - 1) / N_STRIP_MAX;
    strips->n = (grid->n_x + strips->n_row - 1) / strips->n_row;
    strips->rows = arena_array(arena, n_particle, sizeof(*strips->rows));
    if (!strips->rows)
        return -1;
    /* Counting sort; counts go two places up: begin[s + 1] then moves from the begin of s to its end. */
    for (size_t i = 0; i < n_particle; i++) {
        struct splat splat = splat_of(grid, deposit->x[i], deposit->y[i], deposit->h[i]);
        struct range columns = range_touched(splat.y, splat.h, splat.pixel, grid->n_y);
        struct range rows = range_touched(splat.x, splat.h, splat.pixel, grid->n_x);

        strips->rows[i] = columns.begin < columns.end ? rows : (struct range) { 0, 0 };
        for (size_t s = strips->rows[i].begin / strips->n_row; s * strips->n_row < strips->rows[i].end; s++)
            strips->begin[s + 2]++;
    }
    for (size_t s = 2; s < strips->n + 2; s++)
        strips->begin[s] += strips->begin[s - 1];
    strips->particle = arena_array(arena, strips->begin[strips->n + 1], sizeof(*strips->particle));
    if (!strips->particle)
        return -1;
    for (size_t i = 0; i < n_particle; i++)
        for (size_t s = strips->rows[i].begin / strips->n_row; s * strips->n_row < strips->rows[i].end; s++)
            strips->particle[strips->begin[s + 1]++] = i;
    return 0;
}

static void deposit_strip(const struct deposit *deposit, const struct strips *strips, size_t s,
                          double *buffer)
{
    size_t n_y = deposit->grid->n_y;
    struct columns columns = { .near2 = buffer,
                               .far2 = buffer + n_y,
                               .inside2 = buffer + 2 * n_y,
                               .edge2 = buffer + (2 + N_INSIDE) * n_y,
                               .share = buffer + (2 + N_INSIDE + N_EDGE_MIN) * n_y };
    struct range strip = { s * strips->n_row, (s + 1) * strips->n_row };

    for (size_t k = strips->begin[s]; k < strips->begin[s + 1]; k++) {
        struct range rows = strips->rows[strips->particle[k]];

        rows.begin = rows.begin > strip.begin ? rows.begin : strip.begin;
        rows.end = rows.end < strip.end ? rows.end : strip.end;
        deposit_particle(deposit, strips->particle[k], rows, &columns);
    }
}

uint64_t deposit_scratch_bytes(size_t n_particle, size_t n_y, int n_thread)
{
    return n_particle * (sizeof(struct range) + N_STRIP_MAX * sizeof(size_t)) +
           (uint64_t)n_thread * N_COLUMN_BUFFER * n_y * sizeof(double);
}

int deposit_smoothed(const struct kernel_table *table, const struct pixel_grid *grid, size_t n_particle,
                     const double *x, const double *y, const double *h, size_t n_channel, const double *value,
                     double *image, struct arena *arena, struct error *err)
{
    struct arena_mark mark = arena_mark(arena);
    struct deposit deposit = { table, grid, x, y, h, n_channel, value, image };
    struct strips strips = { 0 };
    int n_thread = omp_in_parallel() ? 1 : omp_get_max_threads();
    size_t n_buffer = N_COLUMN_BUFFER * grid->n_y;
    double *buffers;

    if (n_particle == 0 || grid->n_x == 0 || grid->n_y == 0)
        return 0;
    buffers = arena_array(arena, (size_t)n_thread * n_buffer, sizeof(*buffers));
    if (!buffers || strips_fill(&strips, &deposit, n_particle, arena)) {
        arena_release(arena, mark);
        return error_set(err, POLYPHONY_INTERNAL,
                         "image of %zu x %zu pixels: no memory to sort %zu particles into strips", grid->n_x,
                         grid->n_y, n_particle);
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(n_thread)
    for (size_t s = 0; s < strips.n; s++)
        deposit_strip(&deposit, &strips, s, buffers + (size_t)omp_get_thread_num() * n_buffer);
    arena_release(arena, mark);
    return 0;
}

void deposit_smoothed_ref(const struct kernel_table *table, const struct pixel_grid *grid, size_t n_particle,
                          const double *x, const double *y, const double *h, size_t n_channel,
                          const double *value, double *image)
{
    for (size_t i_particle = 0; i_particle < n_particle; i_particle++) {
        struct splat splat = splat_of(grid, x[i_particle], y[i_particle], h[i_particle]);

        for (size_t i = 0; i < grid->n_x; i++) {
            for (size_t j = 0; j < grid->n_y; j++) {
                double share = pixel_share(table, &splat, i, j);

                for (size_t i_channel = 0; i_channel < n_channel; i_channel++)
                    image[(i_channel * grid->n_x + i) * grid->n_y + j] +=
                        value[i_particle * n_channel + i_channel] * share;
            }
        }
    }
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
                       size_t n_channel, const double *value, double *image)
{
    if (grid->n_x == 0 || grid->n_y == 0)
        return;
    for (size_t i_particle = 0; i_particle < n_particle; i_particle++) {
        size_t i = pixel_of(x[i_particle] + 0.5 * grid->width_x, grid->pixel_width, grid->n_x);
        size_t j = pixel_of(y[i_particle] + 0.5 * grid->width_y, grid->pixel_width, grid->n_y);

        if (i == grid->n_x || j == grid->n_y)
            continue;
        for (size_t i_channel = 0; i_channel < n_channel; i_channel++)
            image[(i_channel * grid->n_x + i) * grid->n_y + j] += value[i_particle * n_channel + i_channel];
    }
}
