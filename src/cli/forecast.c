/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "polyphony/io.h"
#include "polyphony/placement.h"
#include "polyphony/results.h"
#include "polyphony/simulate.h"
#include "polyphony/trace_file.h"

#include "dealing.h"

/* Of --schechter. */
#define STAR_MSUN 1e6
#define SEED      1

/* ---- predictions ------------------------------------------------------------------------------- */

static int allocate(struct forecast *forecast, const struct plan *plan, int n_thread, size_t n,
                    struct error *err)
{
    *forecast = (struct forecast) { .n = n,
                                    .item = mem_array(n, sizeof(*forecast->item)),
                                    .seconds = mem_array(n, sizeof(*forecast->seconds)) };
    if (!forecast->item || !forecast->seconds) {
        forecast_close(forecast);
        return mem_short(err, "for the costs of %zu galaxies", n);
    }
    plan_cost_guess(plan, n_thread, forecast->guess_s);
    memcpy(forecast->cost_s, forecast->guess_s, sizeof(forecast->cost_s));
    text_format(forecast->source, sizeof(forecast->source), "a guess for %d thread%s", n_thread,
                n_thread == 1 ? "" : "s");
    return 0;
}

static void sum_up(struct forecast *forecast)
{
    forecast->total_s = forecast->largest_s = forecast->read_bytes = 0.0;
    for (size_t i = 0; i < forecast->n; i++) {
        forecast->total_s += (double)forecast->seconds[i];
        forecast->read_bytes += (double)forecast->item[i].bytes;
        if ((double)forecast->seconds[i] > forecast->largest_s) {
            forecast->largest_s = (double)forecast->seconds[i];
            forecast->i_largest = i;
        }
    }
}

static void predict(struct forecast *forecast)
{
    for (size_t i = 0; i < forecast->n; i++) {
        double seconds = forecast->cost_s[0];

        for (size_t t = 1; t < COST_N_TERM; t++)
            seconds += forecast->cost_s[t] * (double)forecast->item[i].term[t - 1];
        forecast->seconds[i] = (float)seconds;
    }
    sum_up(forecast);
}

int forecast_open(const struct plan *plan, int n_thread, struct forecast *ret_forecast, struct error *err)
{
    int r = allocate(ret_forecast, plan, n_thread, plan->catalogue->n_galaxy, err);

    if (r)
        return r;
    for (size_t i = 0; i < ret_forecast->n; i++)
        ret_forecast->item[i] = dealing_item(plan, i);
    predict(ret_forecast);
    return 0;
}

/* Terms of a star, and its bytes, averaged over the catalogue. */
int forecast_open_schechter(const struct plan *plan, int n_thread, size_t n, struct forecast *ret_forecast,
                            struct error *err)
{
    double sum[COST_N_TERM] = { 0 }, bytes = 0.0;
    int r = allocate(ret_forecast, plan, n_thread, n, err);

    if (r)
        return r;
    for (size_t i = 0; i < plan->catalogue->n_galaxy; i++) {
        double term[COST_N_TERM];

        plan_cost_terms(plan, i, term);
        bytes += (double)catalogue_galaxy_bytes(plan->catalogue, i);
        for (size_t t = 1; t < COST_N_TERM; t++)
            sum[t] += term[t];
    }
    if (!(sum[1] > 0.0)) {
        forecast_close(ret_forecast);
        return error_set(err, POLYPHONY_INPUT, "--schechter: catalogue '%s' has no stars to go by",
                         plan->job->catalogue);
    }
    for (size_t i = 0; i < n; i++) {
        struct dealer_item *item = &ret_forecast->item[i];
        double n_star = simulate_mass_msun(SEED, i) / STAR_MSUN;

        *item = (struct dealer_item) { .row = (uint32_t)i, .bytes = (float)(n_star * bytes / sum[1]) };
        for (size_t t = 1; t < COST_N_TERM; t++)
            item->term[t - 1] = (float)(n_star * sum[t] / sum[1]);
    }
    ret_forecast->is_made_up = true;
    predict(ret_forecast);
    return 0;
}

void forecast_close(struct forecast *forecast)
{
    free(forecast->item);
    free(forecast->seconds);
    *forecast = (struct forecast) { 0 };
}

void forecast_scatter(struct forecast *forecast, double sigma)
{
    for (size_t i = 0; i < forecast->n; i++)
        forecast->seconds[i] *= (float)simulate_scatter(SEED, i, sigma);
    sum_up(forecast);
}

/* ---- measurements ------------------------------------------------------------------------------ */

struct measuring {
    struct forecast *forecast;
    const struct plan *plan;
    struct cost_model model;
    bool is_fitted; /* second visit */
};

static int visit_entry(void *context, uint64_t row, int64_t id, const struct ledger_entry *entry,
                       struct error *err)
{
    struct measuring *measuring = context;
    struct forecast *forecast = measuring->forecast;
    double term[COST_N_TERM];

    (void)err;
    if (entry->status != ROW_DONE || row >= forecast->n || id != measuring->plan->catalogue->id[row])
        return 0;
    if (measuring->is_fitted) {
        forecast->seconds[row] = (float)entry->seconds;
        forecast->n_measured++;
    } else {
        plan_cost_terms(measuring->plan, row, term);
        cost_model_add(&measuring->model, term, entry->seconds);
    }
    return 0;
}

/* Once to fit the costs, by which the rest is predicted, once for the measured seconds. */
static int measure_ledger(struct forecast *forecast, const struct plan *plan, const char *path,
                          struct error *err)
{
    struct measuring measuring = { .forecast = forecast, .plan = plan };
    struct ledger_counts counts;
    int r;

    cost_model_begin(&measuring.model, forecast->cost_s, 1);
    r = ledger_scan(path, visit_entry, &measuring, &counts, err);
    if (r)
        return r;
    if (counts.n_galaxy != forecast->n)
        return error_set(err, POLYPHONY_INPUT, "'%s' has %zu galaxies, catalogue '%s' has %zu: not the same",
                         path, counts.n_galaxy, plan->job->catalogue, forecast->n);
    cost_model_fit(&measuring.model, forecast->cost_s);
    predict(forecast);
    measuring.is_fitted = true;
    r = ledger_scan(path, visit_entry, &measuring, &counts, err);
    if (!r && forecast->n_measured > 0)
        text_format(forecast->source, sizeof(forecast->source), "measured for %zu galaxies of '%s'",
                    forecast->n_measured, path);
    sum_up(forecast);
    return r;
}

int forecast_measure(struct forecast *forecast, const struct plan *plan, const char *path, struct error *err)
{
    struct io_file *file = NULL;
    bool is_trace = false;
    char format[64] = "";
    int r = io_file_open(path, &file, err);

    if (r)
        return r;
    if (io_attr_has(file, "/", "format"))
        r = io_attr_read_text(file, "/", "format", format, sizeof(format), err);
    is_trace = strcmp(format, TRACE_FORMAT) == 0;
    io_file_close(file);
    if (!r && !is_trace && forecast->is_made_up)
        r = error_set(err, POLYPHONY_USAGE,
                      "'%s' is no trace file: galaxies that are made up have no measured seconds", path);
    if (!r && !is_trace)
        r = measure_ledger(forecast, plan, path, err);
    if (!r && is_trace)
        r = trace_read_costs(path, forecast->cost_s, err);
    if (!r && is_trace) {
        predict(forecast);
        text_format(forecast->source, sizeof(forecast->source), "the costs of the run of '%s'", path);
    }
    return r;
}

int forecast_learn(struct forecast *forecast, const struct plan *plan, struct error *err)
{
    const char *trace = plan->job->schedule.costs;

    if (!forecast->is_made_up && access(plan->job->output, F_OK) == 0) {
        int r = forecast_measure(forecast, plan, plan->job->output, err);

        if (r || forecast->n_measured > 0)
            return r;
    }
    return trace ? forecast_measure(forecast, plan, trace, err) : 0;
}

/* ---- what follows ------------------------------------------------------------------------------ */

double forecast_bound_s(const struct forecast *forecast, double n_worker, bool *ret_is_largest)
{
    double share_s = forecast->total_s / n_worker;

    *ret_is_largest = forecast->largest_s > share_s;
    return fmax(share_s, forecast->largest_s);
}

double forecast_useful_workers(const struct forecast *forecast)
{
    return forecast->largest_s > 0.0 ? ceil(forecast->total_s / forecast->largest_s) : 1.0;
}

int forecast_threads(const struct job *job)
{
    return *job->threads > 0 ? *job->threads : PLACEMENT_THREAD_DEFAULT;
}

/* ---- words ------------------------------------------------------------------------------------- */

void forecast_name_largest(const struct forecast *forecast, const struct plan *plan, char *ret_text)
{
    if (forecast->is_made_up)
        text_format(ret_text, 48, "the largest galaxy");
    else
        text_format(ret_text, 48, "galaxy %lld", (long long)plan->catalogue->id[forecast->i_largest]);
}

void forecast_format_time(double seconds, char *ret_text)
{
    static const struct {
        const char *name;
        double seconds, below_s;
    } units[] = { { "us", 1e-6, 1e-3 },    { "ms", 1e-3, 1.0 },       { "s", 1.0, 300.0 },
                  { "min", 60.0, 7200.0 }, { "h", 3600.0, 172800.0 }, { "d", 86400.0, (double)INFINITY } };
    size_t i = 0;

    while (seconds >= units[i].below_s)
        i++;
    text_format(ret_text, 24, "%.3g %s", seconds / units[i].seconds, units[i].name);
}

int forecast_parse_workers(const char *list, size_t ret_n_worker[FORECAST_WORKERS_MAX], size_t *ret_n,
                           struct error *err)
{
    char *copy = mem_text(list), *rest = copy, *word;
    int r = 0;

    *ret_n = 0;
    while (!r && (word = strsep(&rest, ","))) {
        int64_t value = 0;

        if (!text_to_int64(word, &value) || value < 1 || value > 1000000)
            r = error_set(
                err, POLYPHONY_USAGE,
                "--workers: '%s' is not a whole number from 1 to 1000000 (expected a list such as 8,64,512)",
                word);
        else if (*ret_n == FORECAST_WORKERS_MAX)
            r = error_set(err, POLYPHONY_USAGE, "--workers: at most %d numbers", FORECAST_WORKERS_MAX);
        else
            ret_n_worker[(*ret_n)++] = (size_t)value;
    }
    free(copy);
    return r;
}
