/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dealing.h"

#include <stdlib.h>
#include <string.h>

#include "polyphony/results.h"
#include "polyphony/trace_file.h"

/* No galaxy takes a year: such seconds in a ledger are damage. */
#define LONGEST_S 3e7

/* What the command line asks for. */
struct wanted {
    int64_t *id; /* [n_id] ascending, NULL: all */
    bool *is_found;
    size_t n_id;
};

struct choosing {
    struct dealing *dealing;
    const struct plan *plan;
    struct results *results;
    const struct run_options *options;
    struct wanted wanted;
    struct dealer_item *item; /* [n_galaxy] to be dealt, from the front */
    uint32_t *suspect;        /* rows that may have ended their rank before */
    size_t n_suspect, n_suspect_room;
    bool has_reopened;
};

static int compare_id(const void *key, const void *member)
{
    int64_t left = *(const int64_t *)key, right = *(const int64_t *)member;

    return (left > right) - (left < right);
}

static bool is_wanted(struct wanted *wanted, int64_t id)
{
    const int64_t *found;

    if (!wanted->id)
        return true;
    found = bsearch(&id, wanted->id, wanted->n_id, sizeof(id), compare_id);
    if (found)
        wanted->is_found[found - wanted->id] = true;
    return found != NULL;
}

struct dealer_item dealing_item(const struct plan *plan, uint64_t row)
{
    struct dealer_item item = { .row = (uint32_t)row,
                                .bytes = (float)catalogue_galaxy_bytes(plan->catalogue, row) };
    double term[COST_N_TERM];

    plan_cost_terms(plan, row, term);
    for (size_t t = 1; t < COST_N_TERM; t++)
        item.term[t - 1] = (float)term[t];
    return item;
}

static int choose_row(void *context, uint64_t row, int64_t id, const struct ledger_entry *entry,
                      struct error *err)
{
    struct choosing *choosing = context;
    struct dealing *dealing = choosing->dealing;
    bool is_full = choosing->options->max_galaxies >= 0 &&
                   dealing->n_now + choosing->n_suspect >= (size_t)choosing->options->max_galaxies;
    bool is_asked = is_wanted(&choosing->wanted, choosing->plan->catalogue->id[row]) && !is_full;
    bool is_again = is_asked && choosing->options->retry_failed && entry->status == ROW_SET_ASIDE;
    double term[COST_N_TERM];

    (void)id; /* of rows that are left it is not in the file */
    /* An entry lies across two pages: in a copy, or after a power cut, the mark can be of another time. */
    if (is_again || (entry->status == ROW_LEFT && entry->is_on_disk)) {
        choosing->has_reopened = true;
        if (results_reopen_row(choosing->results, row, err))
            return POLYPHONY_OUTPUT;
    }
    if (entry->status == ROW_DONE && entry->seconds < LONGEST_S) {
        plan_cost_terms(choosing->plan, row, term);
        cost_model_add(&dealing->costs, term, entry->seconds);
        dealing->n_measured++;
    }
    dealing->n_done += entry->status == ROW_DONE;
    dealing->n_set_aside += entry->status == ROW_SET_ASIDE && !is_again;
    if (!is_asked || (entry->status != ROW_LEFT && !is_again))
        return 0;
    if (entry->n_crash > 0 || entry->n_vanish > 0) {
        choosing->suspect = mem_grow(choosing->suspect, choosing->n_suspect, &choosing->n_suspect_room,
                                     sizeof(*choosing->suspect));
        choosing->suspect[choosing->n_suspect++] = (uint32_t)row;
    } else
        choosing->item[dealing->n_now++] = dealing_item(choosing->plan, row);
    return 0;
}

static int read_wanted(struct wanted *wanted, const struct run_options *options, struct error *err)
{
    int r = 0;

    *wanted = (struct wanted) { 0 };
    if (options->galaxy_ids)
        r = options_read_ids(options->galaxy_ids, &wanted->id, &wanted->n_id, err);
    wanted->is_found = mem_small(wanted->n_id, sizeof(*wanted->is_found));
    return r;
}

static void free_wanted(struct wanted *wanted)
{
    free(wanted->id);
    free(wanted->is_found);
}

int dealing_check(const struct plan *plan, const struct run_options *options, struct error *err)
{
    double cost_s[COST_N_TERM];
    struct wanted wanted;
    int r = read_wanted(&wanted, options, err);

    for (size_t row = 0; !r && wanted.id && row < plan->catalogue->n_galaxy; row++)
        is_wanted(&wanted, plan->catalogue->id[row]);
    for (size_t i = 0; !r && i < wanted.n_id; i++)
        if (!wanted.is_found[i])
            r = error_set(err, POLYPHONY_USAGE, "--galaxy-ids: '%s' has no galaxy %lld", plan->job->catalogue,
                          (long long)wanted.id[i]);
    free_wanted(&wanted);
    if (!r && plan->job->schedule.costs)
        r = trace_read_costs(plan->job->schedule.costs, cost_s, err);
    return r;
}

static int choose_rows(struct choosing *choosing, struct error *err)
{
    const struct plan *plan = choosing->plan;
    struct ledger_counts counts;
    int r = read_wanted(&choosing->wanted, choosing->options, err);

    choosing->item = mem_array(plan->catalogue->n_galaxy, sizeof(*choosing->item));
    if (!r && !choosing->item)
        r = mem_short(err, "to deal %zu galaxies", plan->catalogue->n_galaxy);
    if (!r)
        r = ledger_scan(plan->job->output, choose_row, choosing, &counts, err);
    /* Before their values are written: else a power cut could leave these behind the entry of before. */
    if (!r && choosing->has_reopened)
        r = results_sync(choosing->results, err);
    for (size_t i = 0; !r && i < choosing->n_suspect; i++)
        choosing->item[choosing->dealing->n_now++] = dealing_item(plan, choosing->suspect[i]);
    free_wanted(&choosing->wanted);
    free(choosing->suspect);
    return r;
}

/* From the ledger if it has any; else from a trace of other galaxies, if the job names one. */
static int learn_costs(struct dealing *dealing, const struct plan *plan, size_t n_worker,
                       double ret_cost_s[COST_N_TERM], struct error *err)
{
    int r = 0;

    cost_model_fit(&dealing->costs, ret_cost_s);
    if (dealing->n_measured == 0 && plan->job->schedule.costs)
        r = trace_read_costs(plan->job->schedule.costs, ret_cost_s, err);
    cost_model_begin(&dealing->costs, ret_cost_s, n_worker);
    return r;
}

int dealing_open(struct dealing *dealing, const struct plan *plan, struct results *results,
                 const struct run_options *options, int n_rank, int n_thread, struct error *err)
{
    static const enum dealer_mode modes[] = { [JOB_DYNAMIC] = DEALER_DYNAMIC,
                                              [JOB_STATIC_BLOCK] = DEALER_STATIC_BLOCK,
                                              [JOB_STATIC_CYCLIC] = DEALER_STATIC_CYCLIC,
                                              [JOB_STATIC_LPT] = DEALER_STATIC_LPT };
    struct choosing choosing = { .dealing = dealing, .plan = plan, .results = results, .options = options };
    size_t n_worker = n_rank > 1 ? (size_t)n_rank - 1 : 1;
    struct dealer_settings settings = { .mode = modes[*plan->job->schedule.mode],
                                        .n_worker = n_worker,
                                        .n_max_batch = (size_t)*plan->job->schedule.max_batch_galaxies,
                                        .max_batch_bytes = DEALING_BATCH_BYTES_MAX,
                                        .is_alone = n_rank == 1 };
    double guess_s[COST_N_TERM];
    int r;

    *dealing = (struct dealing) { .n_galaxy = plan->catalogue->n_galaxy };
    plan_cost_guess(plan, n_thread, guess_s);
    cost_model_begin(&dealing->costs, guess_s, n_worker);
    r = choose_rows(&choosing, err);
    settings.n_last = choosing.n_suspect;
    settings.is_guessed = dealing->n_measured == 0 && !plan->job->schedule.costs;
    if (!r)
        r = learn_costs(dealing, plan, n_worker, settings.cost_s, err);
    if (!r)
        r = dealer_open(&settings, dealing->n_now, choosing.item, &dealing->dealer, err);
    if (r)
        free(choosing.item);
    return r;
}

void dealing_close(struct dealing *dealing)
{
    dealer_close(dealing->dealer);
    dealing->dealer = NULL;
}
