/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/dealer.h"

#include <math.h>
#include <string.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>

#define N_REPORT_MIN 8
#define PRIOR_WEIGHT 0.0625 /* of the guess, beside a report */

/* Unknowns are factors on the guess, so that they are of order one whatever the units of the terms. */
void cost_model_begin(struct cost_model *model, const double guess_s[COST_N_TERM], size_t n_worker)
{
    *model = (struct cost_model) { .n_next = n_worker > N_REPORT_MIN ? n_worker : N_REPORT_MIN };
    memcpy(model->guess_s, guess_s, sizeof(model->guess_s));
}

void cost_model_add(struct cost_model *model, const double term[COST_N_TERM], double seconds)
{
    double predicted_s = 0.0;

    for (size_t i = 0; i < COST_N_TERM; i++)
        predicted_s += model->guess_s[i] * term[i];
    if (!(predicted_s > 0.0) || !(seconds >= 0.0) || !isfinite(predicted_s) || !isfinite(seconds))
        return;
    for (size_t i = 0; i < COST_N_TERM; i++) {
        for (size_t j = 0; j < COST_N_TERM; j++)
            model->aa[i][j] += model->guess_s[i] * term[i] * model->guess_s[j] * term[j] / predicted_s;
        model->ab[i] += model->guess_s[i] * term[i] * seconds / predicted_s;
    }
    model->predicted_s += predicted_s;
    model->measured_s += seconds;
    model->n_report++;
}

bool cost_model_is_due(struct cost_model *model)
{
    if (model->n_report < model->n_next)
        return false;
    model->n_next = 2 * model->n_report;
    return true;
}

/*
 * What the model is drawn to: the guess times how much slower this machine is. A guess is off by a factor of
 * two or so where a report is by a quarter, so it counts as (1/4)^2 of one.
 */
static void add_prior(const struct cost_model *model, double aa[COST_N_TERM][COST_N_TERM],
                      double ab[COST_N_TERM])
{
    double scale = model->measured_s / model->predicted_s;
    double strength = PRIOR_WEIGHT * model->predicted_s / (double)model->n_report;

    memcpy(aa, model->aa, sizeof(model->aa));
    memcpy(ab, model->ab, sizeof(model->ab));
    for (size_t i = 0; i < COST_N_TERM; i++) {
        aa[i][i] += strength;
        ab[i] += strength * scale;
    }
}

/*
 * Least squares with the factors not in `subset` held at 0. Returns the sum of squares less that of all
 * factors 0; +infinity when a factor comes out negative.
 */
static double solve_subset(double aa[COST_N_TERM][COST_N_TERM], const double ab[COST_N_TERM], unsigned subset,
                           double ret_factor[COST_N_TERM])
{
    double a[COST_N_TERM * COST_N_TERM], x[COST_N_TERM];
    size_t member[COST_N_TERM], n = 0;
    gsl_matrix_view matrix;
    gsl_vector_view vector;
    double gain = 0.0;

    for (size_t i = 0; i < COST_N_TERM; i++)
        if (subset & (1u << i))
            member[n++] = i;
    for (size_t i = 0; i < n; i++) {
        x[i] = ab[member[i]];
        for (size_t j = 0; j < n; j++)
            a[i * n + j] = aa[member[i]][member[j]];
    }
    matrix = gsl_matrix_view_array(a, n, n);
    vector = gsl_vector_view_array(x, n);
    gsl_linalg_cholesky_decomp1(&matrix.matrix); /* the prior makes it positive definite */
    gsl_linalg_cholesky_svx(&matrix.matrix, &vector.vector);
    memset(ret_factor, 0, COST_N_TERM * sizeof(*ret_factor));
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] >= 0.0))
            return (double)INFINITY;
        ret_factor[member[i]] = x[i];
        gain -= ab[member[i]] * x[i];
    }
    return gain;
}

/* With three terms every set of free ones can be tried: the best is the answer. */
void cost_model_fit(const struct cost_model *model, double ret_cost_s[COST_N_TERM])
{
    double aa[COST_N_TERM][COST_N_TERM], ab[COST_N_TERM], factor[COST_N_TERM];
    double best = (double)INFINITY;

    gsl_set_error_handler_off(); /* a matrix that is not definite gives NaN, which no comparison below takes
                                  */
    memcpy(ret_cost_s, model->guess_s, sizeof(model->guess_s));
    if (model->n_report == 0 || !(model->measured_s > 0.0))
        return;
    add_prior(model, aa, ab);
    for (unsigned subset = 1; subset < 1u << COST_N_TERM; subset++) {
        double squares = solve_subset(aa, ab, subset, factor);

        if (squares >= best)
            continue;
        best = squares;
        for (size_t i = 0; i < COST_N_TERM; i++)
            ret_cost_s[i] = factor[i] * model->guess_s[i];
    }
}
