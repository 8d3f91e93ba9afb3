/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables of bands: of the photometry of each step that takes any, by its number, and from then on of sets of images. */
#include "polyphony/work.h"

#include <string.h>

static size_t count_tables(const struct plan *plan)
{
    return plan->n_step + plan->n_image_set;
}

/* Whose time they count as. */
static const struct step *step_of_tables(const struct plan *plan, size_t i_tables)
{
    return i_tables < plan->n_step ? &plan->step[i_tables]
                                   : plan->image_set[i_tables - plan->n_step].member[0].step;
}

static bool is_observed(const struct step *step)
{
    return step->operation->frame == BAND_OBSERVED;
}

const struct band *bands_of(const struct work *w, const struct step *step, size_t i_instrument)
{
    return (is_observed(step) ? w->frame->band : w->common->rest_band) +
           w->common->first_filter[i_instrument];
}

static struct observe_request request_of(const struct work *w, const struct step *step, size_t n_band,
                                         const struct band *band)
{
    return (struct observe_request) { .n_label = step->selection.n_label,
                                      .i_label = step->selection.i_label,
                                      .n_band = n_band,
                                      .band = band,
                                      .screen = is_observed(step) ? w->frame->screen : NULL };
}

/* All instruments of an operation; their bands are gathered in the arena. */
static int request_photometry(const struct work *w, const struct step *step,
                              struct observe_request *ret_request, struct arena *arena, struct error *err)
{
    const struct selection *selection = &step->selection;
    struct band *band = arena_array(arena, selection->n_filter, sizeof(*band));
    size_t n = 0;

    if (!band)
        return work_no_memory(w, err);
    for (size_t i = 0; i < selection->n_instrument; i++) {
        size_t instrument = selection->i_instrument[i], n_filter = w->plan->instrument[instrument].n_filter;

        memcpy(band + n, bands_of(w, step, instrument), n_filter * sizeof(*band));
        n += n_filter;
    }
    *ret_request = request_of(w, step, n, band);
    return 0;
}

static void request_images(const struct work *w, const struct image_set *set,
                           struct observe_request *ret_request)
{
    for (size_t m = 0; m < set->n; m++) {
        const struct step *step = set->member[m].step;
        size_t instrument = step->selection.i_instrument[set->member[m].i_selected];

        ret_request[m] =
            request_of(w, step, w->plan->instrument[instrument].n_filter, bands_of(w, step, instrument));
    }
}

/* Luminosities alone do not depend on redshift. */
static double redshift_of_tables(const struct work *w, size_t i_tables)
{
    const struct step *step = step_of_tables(w->plan, i_tables);

    if (i_tables >= w->plan->n_step) {
        const struct image_set *set = &w->plan->image_set[i_tables - w->plan->n_step];

        step = set->member[set->n - 1].step;
    }
    return is_observed(step) ? w->galaxy.redshift : 0.0;
}

static int take_tables(const struct work *w, size_t i_tables, const struct observe_tables **ret_tables,
                       struct arena *arena, struct error *err)
{
    const struct plan *plan = w->plan;
    struct observe_request request[OBSERVE_REQUEST_MAX];
    struct arena_mark mark = arena_mark(arena);
    size_t n_request = 1;
    int r = 0;

    if (i_tables < plan->n_step)
        r = request_photometry(w, &plan->step[i_tables], request, arena, err);
    else {
        n_request = plan->image_set[i_tables - plan->n_step].n;
        request_images(w, &plan->image_set[i_tables - plan->n_step], request);
    }
    if (!r)
        r = observe_cache_take(w->common->cache, i_tables, redshift_of_tables(w, i_tables),
                               &w->light[step_of_tables(plan, i_tables)->emitter->i], &plan->spectra,
                               n_request, request, ret_tables, err);
    arena_release(arena, mark);
    return r;
}

static bool is_used(const struct plan *plan, size_t i_tables)
{
    const struct step *step = step_of_tables(plan, i_tables);

    if (plan->method == OBSERVE_DIRECT)
        return false;
    if (i_tables >= plan->n_step)
        return true;
    return !plan->needs_spectra && step->options && !step->images && (step->operation->needs & NEEDS_BANDS);
}

bool tables_are_used(const struct plan *plan, const struct step *step)
{
    for (size_t t = 0; t < count_tables(plan); t++)
        if (step_of_tables(plan, t) == step && is_used(plan, t))
            return true;
    return false;
}

int tables_prepare(struct common *common, size_t n, const struct work *const *works, const struct step *step,
                   struct arena *arena, struct error *err)
{
    int r = 0;

    for (size_t t = 0; t < count_tables(common->plan); t++) {
        if (step_of_tables(common->plan, t) != step || !is_used(common->plan, t))
            continue;
        for (size_t i = 0; !r && i < n; i++) {
            const struct observe_tables *tables = NULL;

            if (works[i]->light[step->emitter->i].cells.n == 0)
                continue;
            /* Where each galaxy has its own, they would be gone before they are used. */
            if (observe_cache_bytes(common->cache) > PLAN_TABLES_KEPT_BYTES)
                return 0;
            r = take_tables(works[i], t, &tables, arena, err);
            observe_cache_return(common->cache, tables);
        }
    }
    return r;
}

static int need_tables(struct work *w, size_t i_tables, const struct observe_tables **ret_tables,
                       struct error *err)
{
    int r = 0;

    if (!w->tables)
        w->tables = arena_zeros(w->arena, count_tables(w->plan), sizeof(struct observe_tables *));
    if (!w->tables)
        return work_no_memory(w, err);
    if (!w->tables[i_tables])
        r = take_tables(w, i_tables, &w->tables[i_tables], w->arena, err);
    *ret_tables = w->tables[i_tables];
    return r;
}

int tables_of_photometry(struct work *w, const struct step *step, const struct observe_tables **ret_tables,
                         struct error *err)
{
    return need_tables(w, step->i, ret_tables, err);
}

int tables_of_images(struct work *w, size_t i_set, const struct observe_tables **ret_tables,
                     struct error *err)
{
    return need_tables(w, w->plan->n_step + i_set, ret_tables, err);
}

void tables_return(struct work *w)
{
    for (size_t t = 0; w->tables && t < count_tables(w->plan); t++)
        observe_cache_return(w->common->cache, w->tables[t]);
    w->tables = NULL;
}
