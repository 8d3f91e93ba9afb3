/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "segments.h"

#include <float.h>
#include <math.h>

/* ---- nodes ----------------------------------------------------------------------------------- */

/*
 * The expansion of exp(-a x) over -1 <= x <= 1 has coefficients 2 I_m(a); interpolation errs by at most twice
 * the sum of those from m = n_node on. With I_m(a) <= (a/2)^m / m! exp(a^2 / (4 (m + 1))), and terms that
 * fall at least as fast as 1/2^m where m > a, that is 8 (a/2)^m / m! exp(a^2 / (4 (m + 1))); relative to the
 * least value, exp(-a).
 */
static double truncation(double a, size_t n_node, double log_factorial)
{
    double m = (double)n_node;

    return 8.0 * exp(m * log(0.5 * a) - log_factorial + a * a / (4.0 * (m + 1.0)) + a);
}

static double largest_a(size_t n_node, double tolerance)
{
    double low = 0.0, high = 0.5 * (double)n_node, log_factorial = 0.0;

    for (size_t m = 2; m <= n_node; m++)
        log_factorial += log((double)m);
    for (int i = 0; i < 20; i++) {
        double middle = 0.5 * (low + high);

        if (truncation(middle, n_node, log_factorial) <= tolerance)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void rules_make(double tolerance, struct mix_rules *ret_rules)
{
    tolerance = fmax(tolerance, MIX_TOLERANCE_LEAST);
    ret_rules->black = MIX_BLACK - log(tolerance);
    for (size_t i = 0; i < N_RULE; i++) {
        size_t n_node = 8 * (i + 1);

        ret_rules->a[i] = largest_a(n_node, tolerance);
        mix_nodes(0.0, 1.0, n_node, ret_rules->x[i]);
        for (size_t m = 0; m < n_node; m++) /* Berrut & Trefethen 2004, eq. 5.3 */
            ret_rules->w[i][m] = sin(M_PI * ((double)m + 0.5) / (double)n_node) * (m % 2 ? -1.0 : 1.0);
    }
}

void segment_nodes(const struct mix_screened *in, const struct mix_rules *rules,
                   const struct mix_segment *segment, double *ret_node)
{
    const double *x = rules->x[segment->n_node / 8 - 1];
    double centre = 0.5 * (segment->k_min + segment->k_max);
    double half_range = mix_half_range(segment->k_min, segment->k_max);
    size_t first = segment->first_grain * SCREEN_GRAIN;

    for (size_t m = 0; m < segment->n_node; m++)
        ret_node[m] = centre + half_range * x[m];
    for (size_t m = 0; segment->nodes_are_columns && m < segment->n_node; m++)
        ret_node[m] = in->k[first + m < in->n_column ? first + m : in->n_column - 1];
}

/* ---- segments -------------------------------------------------------------------------------- */

size_t segments_count_grains(size_t n_column)
{
    return (n_column + SCREEN_GRAIN - 1) / SCREEN_GRAIN;
}

double segments_least_tau(const struct mix_screened *in)
{
    return fmin(in->range.tau_min, in->range.tau_max);
}

static struct mix_segment grain_of(const struct mix_screened *in, size_t i_grain)
{
    struct mix_segment grain = { .first_grain = i_grain, .n_grain = 1 };
    size_t first = i_grain * SCREEN_GRAIN, left = in->n_column - first;
    double k_min = in->k[first], k_max = in->k[first];

    for (size_t j = 1; j < SCREEN_GRAIN && j < left; j++) {
        k_min = in->k[first + j] < k_min ? in->k[first + j] : k_min;
        k_max = in->k[first + j] > k_max ? in->k[first + j] : k_max;
    }
    grain.k_min = k_min;
    grain.k_max = k_max;
    return grain;
}

/* a, of the particles that are not black all over the segment. */
static double spread_of(const struct mix_screened *in, const struct mix_rules *rules,
                        const struct mix_segment *segment)
{
    double tau = in->range.tau_max - segments_least_tau(in);

    if (tau * segment->k_min > rules->black)
        tau = rules->black / segment->k_min;
    return 0.5 * tau * (segment->k_max - segment->k_min);
}

/* The longest segment from `first` on with an a up to that of the rule; one grain at least. */
static struct mix_segment segment_from(const struct mix_screened *in, const struct mix_rules *rules,
                                       const struct mix_segment *grain, size_t first, size_t i_rule)
{
    size_t n_grain = segments_count_grains(in->n_column), i = 0;
    struct mix_segment segment = grain[first];
    double a = spread_of(in, rules, &segment);

    while (first + segment.n_grain < n_grain) {
        const struct mix_segment *next = &grain[first + segment.n_grain];
        struct mix_segment longer = segment;
        double longer_a;

        longer.n_grain++;
        longer.k_min = next->k_min < segment.k_min ? next->k_min : segment.k_min;
        longer.k_max = next->k_max > segment.k_max ? next->k_max : segment.k_max;
        longer_a = spread_of(in, rules, &longer);
        if (!(longer_a <= rules->a[i_rule]))
            break;
        segment = longer;
        a = longer_a;
    }
    while (i < N_RULE && !(a <= rules->a[i]))
        i++;
    segment.nodes_are_columns = i == N_RULE;
    segment.n_node = segment.nodes_are_columns ? SCREEN_GRAIN : 8 * (i + 1);
    return segment;
}

/* ---- what they cost -------------------------------------------------------------------------- */

/*
 * In floating-point operations, weighted as they were measured: what vectors do in registers counts once. The
 * choice rests on the job and the galaxy alone, not on processors, threads or tiles of particles.
 */
#define COST_EXP      40.0  /* of a node or column of a particle */
#define COST_CORNERS  16.0  /* of that, to weights or a table: four products, read and written */
#define COST_PARTICLE 300.0 /* to look at one: scalars */
#define COST_BASIS    40.0  /* of a node and column: divisions */
#define COST_ROW      4.0   /* of a cell, table and column: read, from far away */

static double cost_of(const struct mix_screened *in, const struct mix_segment *segment)
{
    double n_column = (double)(segment->n_grain * SCREEN_GRAIN), n_node = (double)segment->n_node;
    double of_cell = 2.0 * n_node + COST_ROW * (double)in->n_table;

    return (double)in->range.n * (COST_PARTICLE + n_node * (COST_EXP + COST_CORNERS)) +
           n_column * ((double)in->cells.n * of_cell + n_node * COST_BASIS);
}

/* Less than any nodes cost. */
static double least_cost(const struct mix_screened *in)
{
    struct mix_segment all = { .n_grain = segments_count_grains(in->n_column), .n_node = 8 };

    return cost_of(in, &all);
}

static double direct_cost(const struct mix_screened *in)
{
    double of_column = COST_EXP + COST_CORNERS * (double)in->n_table;

    return (double)in->range.n * (double)in->n_column * (COST_PARTICLE / SCREEN_DIRECT + of_column);
}

/* Segments of at most the rule's nodes; returns how many there are. ret_segment: [grains], or NULL. */
static size_t cut(const struct mix_screened *in, const struct mix_rules *rules,
                  const struct mix_segment *grain, size_t i_rule, struct mix_segment *ret_segment,
                  double *ret_cost)
{
    size_t n_grain = segments_count_grains(in->n_column), n = 0;

    *ret_cost = 0.0;
    for (size_t first = 0; first < n_grain; n++) {
        struct mix_segment segment = segment_from(in, rules, grain, first, i_rule);

        if (ret_segment)
            ret_segment[n] = segment;
        *ret_cost += cost_of(in, &segment);
        first += segment.n_grain;
    }
    return n;
}

size_t segments_choose(const struct mix_screened *in, const struct mix_rules *rules,
                       struct mix_segment *grain, struct mix_segment *ret_segment)
{
    double least = direct_cost(in), cost;
    size_t best = N_RULE;

    if (least <= least_cost(in))
        return 0;
    for (size_t i = 0; i < segments_count_grains(in->n_column); i++)
        grain[i] = grain_of(in, i);
    for (size_t i = 0; i < N_RULE; i++) {
        cut(in, rules, grain, i, NULL, &cost);
        if (cost < least) {
            least = cost;
            best = i;
        }
    }
    return best < N_RULE ? cut(in, rules, grain, best, ret_segment, &cost) : 0;
}
