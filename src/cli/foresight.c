/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "foresight.h"

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

static int allocate(struct foresight *foresight, const struct plan *plan, int n_thread, size_t n,
                    struct error *err)
{
    *foresight = (struct foresight) { .n = n,
                                      .item = mem_array(n, sizeof(*foresight->item)),
                                      .seconds = mem_array(n, sizeof(*foresight->seconds)) };
    if (!foresight->item || !foresight->seconds) {
        foresight_close(foresight);
        return mem_short(err, "for the costs of %zu galaxies", n);
    }
    plan_cost_guess(plan, n_thread, foresight->guess_s);
    memcpy(foresight->cost_s, foresight->guess_s, sizeof(foresight->cost_s));
    text_format(foresight->source, sizeof(foresight->source), "a guess for %d thread%s", n_thread,
                n_thread == 1 ? "" : "s");
    return 0;
}

static void sum_up(struct foresight *foresight)
{
    foresight->total_s = foresight->largest_s = foresight->read_bytes = 0.0;
    for (size_t i = 0; i < foresight->n; i++) {
        foresight->total_s += (double)foresight->seconds[i];
        foresight->read_bytes += (double)foresight->item[i].bytes;
        if ((double)foresight->seconds[i] > foresight->largest_s) {
            foresight->largest_s = (double)foresight->seconds[i];
            foresight->i_largest = i;
        }
    }
}

static void predict(struct foresight *foresight)
{
    for (size_t i = 0; i < foresight->n; i++) {
        double seconds = foresight->cost_s[0];

        for (size_t t = 1; t < DEALER_N_TERM; t++)
            seconds += foresight->cost_s[t] * (double)foresight->item[i].term[t - 1];
        foresight->seconds[i] = (float)seconds;
    }
    sum_up(foresight);
}

int foresight_open(const struct plan *plan, int n_thread, struct foresight *ret_foresight, struct error *err)
{
    int r = allocate(ret_foresight, plan, n_thread, plan->catalogue->n_galaxy, err);

    if (r)
        return r;
    for (size_t i = 0; i < ret_foresight->n; i++)
        ret_foresight->item[i] = dealing_item(plan, i);
    predict(ret_foresight);
    return 0;
}

/* Terms of a star, and its bytes, averaged over the catalogue. */
int foresight_open_schechter(const struct plan *plan, int n_thread, size_t n, struct foresight *ret_foresight,
                             struct error *err)
{
    double sum[PLAN_N_COST_TERM] = { 0 }, bytes = 0.0;
    int r = allocate(ret_foresight, plan, n_thread, n, err);

    if (r)
        return r;
    for (size_t i = 0; i < plan->catalogue->n_galaxy; i++) {
        double term[PLAN_N_COST_TERM];

        plan_cost_terms(plan, i, term);
        bytes += (double)catalogue_galaxy_bytes(plan->catalogue, i);
        for (size_t t = 1; t < DEALER_N_TERM; t++)
            sum[t] += term[t];
    }
    if (!(sum[1] > 0.0)) {
        foresight_close(ret_foresight);
        return error_set(err, POLYPHONY_INPUT, "--schechter: catalogue '%s' has no stars to go by",
                         plan->job->catalogue);
    }
    for (size_t i = 0; i < n; i++) {
        struct dealer_item *item = &ret_foresight->item[i];
        double n_star = simulate_mass_msun(SEED, i) / STAR_MSUN;

        *item = (struct dealer_item) { .row = (uint32_t)i, .bytes = (float)(n_star * bytes / sum[1]) };
        for (size_t t = 1; t < DEALER_N_TERM; t++)
            item->term[t - 1] = (float)(n_star * sum[t] / sum[1]);
    }
    ret_foresight->is_made_up = true;
    predict(ret_foresight);
    return 0;
}

void foresight_close(struct foresight *foresight)
{
    free(foresight->item);
    free(foresight->seconds);
    *foresight = (struct foresight) { 0 };
}

void foresight_scatter(struct foresight *foresight, double sigma)
{
    for (size_t i = 0; i < foresight->n; i++)
        foresight->seconds[i] *= (float)simulate_scatter(SEED, i, sigma);
    sum_up(foresight);
}

/* ---- measurements ------------------------------------------------------------------------------ */

struct measuring {
    struct foresight *foresight;
    const struct plan *plan;
    struct cost_model model;
    bool is_fitted; /* second visit */
};

static int visit_entry(void *context, uint64_t row, int64_t id, const struct ledger_entry *entry,
                       struct error *err)
{
    struct measuring *measuring = context;
    struct foresight *foresight = measuring->foresight;
    double term[PLAN_N_COST_TERM];

    (void)err;
    if (entry->status != ROW_DONE || row >= foresight->n || id != measuring->plan->catalogue->id[row])
        return 0;
    if (measuring->is_fitted) {
        foresight->seconds[row] = (float)entry->seconds;
        foresight->n_measured++;
    } else {
        plan_cost_terms(measuring->plan, row, term);
        cost_model_add(&measuring->model, term, entry->seconds);
    }
    return 0;
}

/* Once to fit the costs, by which the rest is predicted, once for the measured seconds. */
static int measure_ledger(struct foresight *foresight, const struct plan *plan, const char *path,
                          struct error *err)
{
    struct measuring measuring = { .foresight = foresight, .plan = plan };
    struct ledger_counts counts;
    int r;

    cost_model_begin(&measuring.model, foresight->cost_s, 1);
    r = ledger_scan(path, visit_entry, &measuring, &counts, err);
    if (r)
        return r;
    if (counts.n_galaxy != foresight->n)
        return error_set(err, POLYPHONY_INPUT, "'%s' has %zu galaxies, catalogue '%s' has %zu: not the same",
                         path, counts.n_galaxy, plan->job->catalogue, foresight->n);
    cost_model_fit(&measuring.model, foresight->cost_s);
    predict(foresight);
    measuring.is_fitted = true;
    r = ledger_scan(path, visit_entry, &measuring, &counts, err);
    if (!r && foresight->n_measured > 0)
        text_format(foresight->source, sizeof(foresight->source), "measured for %zu galaxies of '%s'",
                    foresight->n_measured, path);
    sum_up(foresight);
    return r;
}

int foresight_measure(struct foresight *foresight, const struct plan *plan, const char *path,
                      struct error *err)
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
    if (!r && !is_trace && foresight->is_made_up)
        r = error_set(err, POLYPHONY_USAGE,
                      "'%s' is no trace file: galaxies that are made up have no measured seconds", path);
    if (!r && !is_trace)
        r = measure_ledger(foresight, plan, path, err);
    if (!r && is_trace)
        r = trace_read_costs(path, foresight->cost_s, err);
    if (!r && is_trace) {
        predict(foresight);
        text_format(foresight->source, sizeof(foresight->source), "the costs of the run of '%s'", path);
    }
    return r;
}

int foresight_learn(struct foresight *foresight, const struct plan *plan, struct error *err)
{
    const char *trace = plan->job->schedule.costs;

    if (!foresight->is_made_up && access(plan->job->output, F_OK) == 0) {
        int r = foresight_measure(foresight, plan, plan->job->output, err);

        if (r || foresight->n_measured > 0)
            return r;
    }
    return trace ? foresight_measure(foresight, plan, trace, err) : 0;
}

/* ---- what follows ------------------------------------------------------------------------------ */

double foresight_bound_s(const struct foresight *foresight, double n_worker, bool *ret_is_largest)
{
    double share_s = foresight->total_s / n_worker;

    *ret_is_largest = foresight->largest_s > share_s;
    return fmax(share_s, foresight->largest_s);
}

double foresight_useful_workers(const struct foresight *foresight)
{
    return foresight->largest_s > 0.0 ? ceil(foresight->total_s / foresight->largest_s) : 1.0;
}

int foresight_threads(const struct job *job)
{
    return *job->threads > 0 ? *job->threads : PLACEMENT_THREAD_DEFAULT;
}

/* ---- words ------------------------------------------------------------------------------------- */

void foresight_name_largest(const struct foresight *foresight, const struct plan *plan, char *ret_text)
{
    if (foresight->is_made_up)
        text_format(ret_text, 48, "the largest galaxy");
    else
        text_format(ret_text, 48, "galaxy %lld", (long long)plan->catalogue->id[foresight->i_largest]);
}

void foresight_format_time(double seconds, char *ret_text)
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

int foresight_parse_workers(const char *list, size_t ret_n_worker[FORESIGHT_WORKERS_MAX], size_t *ret_n,
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
        else if (*ret_n == FORESIGHT_WORKERS_MAX)
            r = error_set(err, POLYPHONY_USAGE, "--workers: at most %d numbers", FORESIGHT_WORKERS_MAX);
        else
            ret_n_worker[(*ret_n)++] = (size_t)value;
    }
    free(copy);
    return r;
}
