/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a galaxy will cost, before any has been computed. Reports correct it while the job runs (dealer.h).
 */
#include "polyphony/plan.h"

#include <math.h>

/* Gas in front of a star: more of it lies beside its line of sight. */
#define OVERLAP_MAX 300.0

void plan_cost_terms(const struct plan *plan, uint64_t row, double ret_term[COST_N_TERM])
{
    double n_star = (double)plan_count_shining(plan, row);
    double n_gas = (double)plan->catalogue->n_particle[GAS][row];

    ret_term[0] = 1.0;
    ret_term[1] = n_star;
    ret_term[2] = n_star * fmin(n_gas, OVERLAP_MAX);
}

/*
 * Steps of the inner loops, each some 0.4 ns on one core of the machine this was fitted on (scripts/bench.sh:
 * 4 ms a galaxy and 0.9 us a star for jobs/mission.yaml with 2 threads, and 0.4 us more with a screen for
 * each star): sums over the occupied cells and the writing of the row; nodes of the particle-wise screen and
 * pixels under a star; overlaps of stars and gas.
 */
void plan_cost_guess(const struct plan *plan, int n_thread, double ret_cost_s[COST_N_TERM])
{
    double s_per_step = 0.43e-9 * (n_thread > 1 ? 1.1 : 1.0) / (n_thread > 1 ? (double)n_thread : 1.0);
    double steps_per_star = 0.0, n_tau_node = 0.0;

    for (size_t i = 0; i < plan->n_product; i++)
        steps_per_star += plan->product[i].kind->steps_per_star;
    for (size_t c = 0; c < plan->program.n_channel; c++)
        n_tau_node += plan->program.channel[c].is_attenuated ? (double)plan->spectra.n / 10.0 : 0.0;
    ret_cost_s[0] =
        s_per_step * (1e5 + 10.0 * (double)plan->n_value +
                      (double)plan->program.n_channel * (double)plan->spectra.n * (double)plan->grid->n_cell);
    ret_cost_s[1] = s_per_step * (500.0 + 1.6 * n_tau_node + steps_per_star);
    ret_cost_s[2] = s_per_step * 5.0;
}

double plan_cost_s(const struct plan *plan, uint64_t row, const double cost_s[COST_N_TERM])
{
    double term[COST_N_TERM], sum = 0.0;

    plan_cost_terms(plan, row, term);
    for (size_t t = 0; t < COST_N_TERM; t++)
        sum += cost_s[t] * term[t];
    return sum;
}
