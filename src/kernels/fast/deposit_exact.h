/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The share of a pixel, exactly: docs/physics.md 11.
 *
 * In units of h, with the particle at the origin and M(r) the fraction of the kernel within a cylinder of
 * radius r, the vector field u = -(1 - M(r)) (x, y) / (2 pi r^2) has the kernel, minus a point at the origin,
 * as its divergence, and is zero beyond r = 1. So a share is what flows out of the pixel, and one if the
 * particle is in it. Each edge is computed once for the pixels on either side: shares of a disc add up to one
 * whatever the errors of the edges. The flow through a part from y = p to y = q of the line x = a is
 *
 *     -1/(2 pi) (angle under which it is seen from the origin - a integral M(r)/r^2 dy).
 *
 * by Gauss-Legendre with eight nodes on parts no longer than 0.16, or four where pixels are less than half of
 * that: 3e-11 of a share for all kernels. Only for the uniform kernel is M not smooth enough at r = 1: there
 * the variable is u with y = 2 c u/(1 + u^2), c = sqrt(1 - a^2), in which sqrt(1 - r^2) =
 * c (1 - u^2)/(1 + u^2) is.
 */
#pragma once

#include "../deposit_share.h"
#include "deposit.h"
#include "eight.h"

enum {
    EXACT_N_LIST = 512,
    EXACT_N_ROOM = EXACT_N_LIST + 8,
    EXACT_N_LINE = DEPOSIT_TILE + 1,
};

/* Parts of edges. */
struct exact_list {
    size_t n;
    int n_node;                                    /* of each, 4 or 8 */
    double a[EXACT_N_ROOM], c[EXACT_N_ROOM];       /* its line, half of its chord */
    double begin[EXACT_N_ROOM], end[EXACT_N_ROOM]; /* y */
    double u_begin[EXACT_N_ROOM], u_end[EXACT_N_ROOM];
    uint32_t edge[EXACT_N_LIST];
};

struct exact_work {
    struct exact_list list;
    /* Flow through edge [line][along], of lines in x and in y. */
    double flow[2][EXACT_N_LINE][DEPOSIT_TILE];
};

/* Longest part of an edge. */
static const double exact_part_max = 0.16;

/* M(r)/r^2 of the uniform kernel, root = sqrt(1 - r^2): (1 - root^3)/(1 - root^2). */
static inline eight exact_uniform(eight root)
{
    eight one = eight_all(1.0);

    return eight_divide(eight_fma(root, eight_add(one, root), one), eight_add(one, root));
}

/* M(r)/r^2 of the others at r <= 1. */
static inline eight exact_enclosed(const struct kernel_table *table, eight r)
{
    const double *cubic = table->enclosed[0];
    eight place =
        eight_min(eight_mul(r, eight_all(KERNEL_ENCLOSED_N)), eight_all(KERNEL_ENCLOSED_N - 0x1p-20));
    eight whole, of[4];

    for (int i = 0; i < N_LANES; i++) {
        lanes_places cell = lanes_truncate(place.of[i]);

        whole.of[i] = lanes_of_places(cell);
        for (int power = 0; power < 4; power++)
            of[power].of[i] = lanes_gather(cubic + power, 4 * cell);
    }
    eight x = eight_sub(place, whole), sum = of[3];

    for (int power = 3; power-- > 0;)
        sum = eight_fma(sum, x, of[power]);
    return sum;
}

/* Angle in [0, pi] of the direction (dot, cross), cross >= 0, to 1e-15: halved three times, then the series. */
static inline eight exact_angle(eight dot, eight cross)
{
    eight zero = eight_all(0.0), one = eight_all(1.0), size = eight_abs(dot);
    unsigned is_obtuse = eight_less(dot, zero);
    eight t = eight_divide(cross, eight_add(size, eight_sqrt(eight_fma(cross, cross, eight_mul(dot, dot)))));
    eight sum = zero, t2;

    for (int k = 0; k < 2; k++)
        t = eight_divide(t, eight_add(one, eight_sqrt(eight_fma(t, t, one))));
    t2 = eight_mul(t, t); /* below tan^2(pi/16) = 0.04: twelve terms */
    for (int k = 12; k-- > 0;)
        sum = eight_fma(eight_sub(zero, sum), t2, eight_all(8.0 / (2 * k + 1)));
    sum = eight_mul(sum, t);
    return eight_choose(is_obtuse, eight_sub(eight_all(M_PI), sum), sum);
}

/* Flow through eight parts. */
static inline eight exact_flow(const struct kernel_table *table, const struct exact_list *list, size_t first)
{
    static const double nodes[2][4] = { { 0.33998104358485626, 0.8611363115940526 },
                                        { 0.18343464249564978, 0.525532409916329, 0.7966664774136267,
                                          0.9602898564975362 } };
    static const double weights[2][4] = { { 0.6521451548625462, 0.34785484513745385 },
                                          { 0.36268378337836177, 0.31370664587788705, 0.22238103445337434,
                                            0.10122853629037669 } };
    const double *node = nodes[list->n_node == 8], *weight = weights[list->n_node == 8];
    const bool is_uniform = table->kernel == SPH_UNIFORM;
    eight a = eight_load(list->a + first), c = eight_load(list->c + first), one = eight_all(1.0);
    eight begin = eight_load(list->begin + first), end = eight_load(list->end + first);
    eight u_begin = is_uniform ? eight_load(list->u_begin + first) : begin;
    eight u_end = is_uniform ? eight_load(list->u_end + first) : end;
    eight middle = eight_mul(eight_all(0.5), eight_add(u_begin, u_end));
    eight half = eight_mul(eight_all(0.5), eight_sub(u_end, u_begin));
    eight sum = eight_all(0.0), a2 = eight_mul(a, a), angle;

    for (int k = 0; k < list->n_node; k++) {
        eight u = eight_fma(half, eight_all(k % 2 ? node[k / 2] : -node[k / 2]), middle);

        if (is_uniform) {
            eight u2 = eight_mul(u, u), q = eight_divide(one, eight_add(one, u2));
            eight root = eight_mul(eight_mul(c, q), eight_sub(one, u2)); /* dy = 2 root/(1 + u^2) du */

            sum = eight_fma(eight_mul(eight_all(2.0 * weight[k / 2]), exact_uniform(root)),
                            eight_mul(root, q), sum);
        } else
            sum = eight_fma(eight_all(weight[k / 2]), exact_enclosed(table, eight_sqrt(eight_fma(u, u, a2))),
                            sum);
    }
    angle = exact_angle(eight_fma(begin, end, a2), eight_mul(eight_abs(a), eight_sub(end, begin)));
    angle = eight_choose(eight_less(a, eight_all(0.0)), eight_sub(eight_all(0.0), angle), angle);
    return eight_mul(eight_all(0.5 * M_1_PI), eight_sub(eight_mul(eight_mul(a, half), sum), angle));
}

static inline void exact_compute(const struct kernel_table *table, struct exact_work *work)
{
    struct exact_list *list = &work->list;
    double *flow = work->flow[0][0], of_part[8];

    /* Lanes without a part look up something that is there. */
    for (size_t k = list->n; k < list->n + 8; k++)
        list->a[k] = list->c[k] = list->begin[k] = list->end[k] = list->u_begin[k] = list->u_end[k] = 0.0;
    for (size_t first = 0; first < list->n; first += 8) {
        size_t n = list->n - first < 8 ? list->n - first : 8;

        eight_store(of_part, exact_flow(table, list, first));
        for (size_t k = 0; k < n; k++)
            flow[list->edge[first + k]] += of_part[k];
    }
    list->n = 0;
}

/* The edge from y = begin to end on the line x = a, in parts. */
static inline void exact_add_edge(const struct kernel_table *table, struct exact_work *work, double a,
                                  double c, double begin, double end, uint32_t edge)
{
    struct exact_list *list = &work->list;
    const bool is_uniform = table->kernel == SPH_UNIFORM;
    double u_begin, u_end, n;

    begin = begin > -c ? begin : -c;
    end = end < c ? end : c;
    if (!(begin < end))
        return;
    u_begin = is_uniform ? begin / (c + sqrt((c - begin) * (c + begin))) : begin;
    u_end = is_uniform ? end / (c + sqrt((c - end) * (c + end))) : end;
    n = (u_end - u_begin) * (1.0 / exact_part_max);
    for (double part = n > 1.0 ? ceil(n) : 1.0; part >= 1.0; part -= 1.0) {
        double u = part > 1.0 ? u_begin + (u_end - u_begin) / part : u_end;
        double to = part == 1.0 ? end : is_uniform ? 2.0 * c * u / (1.0 + u * u) : u;

        if (list->n == EXACT_N_LIST)
            exact_compute(table, work);
        list->a[list->n] = a;
        list->c[list->n] = c;
        list->begin[list->n] = begin;
        list->end[list->n] = to;
        list->u_begin[list->n] = u_begin;
        list->u_end[list->n] = u;
        list->edge[list->n++] = edge;
        begin = to;
        u_begin = u;
    }
}

/* Edges of pixels [n] along the lines [n_line + 1]; work->flow[axis][line][along]. */
static inline void exact_add_lines(const struct kernel_table *table, struct exact_work *work, int axis,
                                   size_t n_line, const double *line, size_t n, const double *corner)
{
    for (size_t i = 0; i <= n_line; i++) {
        uint32_t edge = (uint32_t)(((size_t)axis * EXACT_N_LINE + i) * DEPOSIT_TILE);

        for (size_t j = 0; j < n; j++)
            work->flow[axis][i][j] = 0.0;
        if (!(fabs(line[i]) < 1.0))
            continue;
        for (size_t j = 0; j < n; j++)
            exact_add_edge(table, work, line[i], sqrt((1.0 - line[i]) * (1.0 + line[i])), corner[j],
                           corner[j + 1], edge + (uint32_t)j);
    }
}

/* Lines between pixels, from the particle, in h. A particle on a line is beyond it, a hair away. */
static inline void exact_lines(const struct splat *splat, double x, size_t begin, size_t n, double *ret_line)
{
    /* A point meets no line within 1. */
    double scale = splat->h > 0.0 ? splat->h : POINT_MAX_PIXEL * splat->pixel;

    for (size_t i = 0; i <= n; i++) {
        double line = ((double)(begin + i) * splat->pixel - x) / scale;

        ret_line[i] = fabs(line) < 1e-150 ? (line > 0.0 ? 1e-150 : -1e-150) : line;
    }
}

/* Shares of n_x x n_y pixels from (i, j) on: ret_share[n_x][DEPOSIT_TILE]. */
static inline void exact_shares(const struct kernel_table *table, const struct splat *splat, size_t i,
                                size_t n_x, size_t j, size_t n_y, struct exact_work *work,
                                double (*ret_share)[DEPOSIT_TILE])
{
    double x[EXACT_N_LINE], y[EXACT_N_LINE];

    exact_lines(splat, splat->x, i, n_x, x);
    exact_lines(splat, splat->y, j, n_y, y);
    if (splat->h > 0.0) {
        work->list.n_node = splat->pixel < 0.5 * exact_part_max * splat->h ? 4 : 8;
        exact_add_lines(table, work, 0, n_x, x, n_y, y);
        exact_add_lines(table, work, 1, n_y, y, n_x, x);
        exact_compute(table, work);
    }
    for (size_t k = 0; k < n_x; k++)
        for (size_t l = 0; l < n_y; l++) {
            double share = x[k] < 0.0 && x[k + 1] >= 0.0 && y[l] < 0.0 && y[l + 1] >= 0.0 ? 1.0 : 0.0;

            if (splat->h > 0.0)
                share += (work->flow[0][k + 1][l] - work->flow[0][k][l]) +
                         (work->flow[1][l + 1][k] - work->flow[1][l][k]);
            ret_share[k][l] = share;
        }
}
