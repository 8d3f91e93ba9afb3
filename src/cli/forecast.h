/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the galaxies of a job will take, for `polyphony check` and `polyphony simulate`.
 */
#pragma once

#include "polyphony/dealer.h"
#include "polyphony/plan.h"

struct forecast {
    size_t n;
    struct dealer_item *item;    /* [n] item[i].row is i */
    float *seconds;              /* [n] of a rank: predicted, or measured where they are */
    double cost_s[COST_N_TERM];  /* what the dealer would predict them from */
    double guess_s[COST_N_TERM]; /* without anything measured */
    double total_s, largest_s;
    double read_bytes;
    size_t i_largest;
    size_t n_measured;
    bool is_made_up;   /* galaxies that no catalogue has */
    char source[4352]; /* of the seconds, in words */
};

/** Guess from the plan, for ranks of n_thread threads. */
int forecast_open(const struct plan *plan, int n_thread, struct forecast *ret_forecast, struct error *err);

/**
 * The same for n galaxies with stellar masses from a Schechter function (simulate.h) and stars of 10^6 Msun.
 * What gas is in front of a star and what it takes on disk is as in the job's catalogue.
 */
int forecast_open_schechter(const struct plan *plan, int n_thread, size_t n, struct forecast *ret_forecast,
                            struct error *err);
void forecast_close(struct forecast *forecast);

/**
 * Take seconds from what was measured: those in the ledger of a results file of the same catalogue, and for
 * galaxies that it has not done predictions fitted to them; or predictions with the costs of a trace file.
 * POLYPHONY_INPUT when it is neither, or of another catalogue.
 */
int forecast_measure(struct forecast *forecast, const struct plan *plan, const char *path, struct error *err);

/** What a run would know: the job's results file if it is there, else the trace that it names, else the
 * guess. */
int forecast_learn(struct forecast *forecast, const struct plan *plan, struct error *err);

/** Let seconds miss the predictions by factors of mean 1 (simulate_scatter()). */
void forecast_scatter(struct forecast *forecast, double sigma);

/** No dealing to so many workers is faster. *ret_is_largest: because of the largest galaxy. */
double forecast_bound_s(const struct forecast *forecast, double n_worker, bool *ret_is_largest);
/** Workers beyond which more buy nothing: the largest galaxy takes as long as the rest. */
double forecast_useful_workers(const struct forecast *forecast);

/** "galaxy 17", or what stands for it. ret_text of at least 48 bytes. */
void forecast_name_largest(const struct forecast *forecast, const struct plan *plan, char *ret_text);

/** A time for people: "3.2 ms", "42 s", "1.5 h", "12 d". ret_text of at least 24 bytes. */
void forecast_format_time(double seconds, char *ret_text);

/** Numbers of workers: "8,64,512". POLYPHONY_USAGE names what is no whole number from 1 to 10^6. */
#define FORECAST_WORKERS_MAX 64
int forecast_parse_workers(const char *list, size_t ret_n_worker[FORECAST_WORKERS_MAX], size_t *ret_n,
                           struct error *err);

/** Threads of a rank: as the job says, else as a run would use at most. */
int forecast_threads(const struct job *job);
