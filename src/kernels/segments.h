/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the columns of sums behind screens are cut into segments, and the nodes of these.
 */
#pragma once

#include "polyphony/mix.h"

#include "fast/attenuate.h"

/* Segments have 8, 16 or 24 nodes. */
enum { N_RULE = SCREEN_NODE_MAX / 8 };

/*
 * In a segment, exp(-(tau - tau_min) k) of every particle is interpolated from n_node Chebyshev nodes, within
 * the tolerance of its own value anywhere in the segment. a = (tau - tau_min) (k_max - k_min) / 2 says how
 * many that takes.
 */
struct mix_segment {
    size_t first_grain, n_grain;
    size_t n_node;
    double k_min, k_max;
    bool nodes_are_columns; /* of its single grain: for an a beyond all rules */
};

struct mix_rules {
    double a[N_RULE];                  /* the largest that they are enough for */
    double x[N_RULE][SCREEN_NODE_MAX]; /* Chebyshev points of the first kind, */
    double w[N_RULE][SCREEN_NODE_MAX]; /* and their barycentric weights */
    double black;                      /* no light, for larger (tau - tau_min) k */
};

void rules_make(double tolerance, struct mix_rules *ret_rules);

/** Grains of n_column columns. */
size_t segments_count_grains(size_t n_column);
/** That all particles share; of no particle with mass: 0. */
double segments_least_tau(const struct mix_screened *in);

/**
 * The cheapest segments. Their number; 0: every column had better have its exponential.
 * @param grain, ret_segment  [grains]; the first is scratch
 */
size_t segments_choose(const struct mix_screened *in, const struct mix_rules *rules,
                       struct mix_segment *grain, struct mix_segment *ret_segment);

/** ret_node: [SCREEN_NODE_MAX] */
void segment_nodes(const struct mix_screened *in, const struct mix_rules *rules,
                   const struct mix_segment *segment, double *ret_node);
