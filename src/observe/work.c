/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/work.h"

#include <stdlib.h>
#include <string.h>

/* ---- what galaxies have in common ---------------------------------------------------------------- */

int common_open(struct plan *plan, struct common *ret_common, struct error *err)
{
    struct common *common = ret_common;
    size_t n_filter = 0;
    int r = 0;

    *common = (struct common) { .plan = plan, .n_frame = 1 };
    common->first_filter = mem_array(plan->n_instrument, sizeof(*common->first_filter));
    for (size_t i = 0; common->first_filter && i < plan->n_instrument; i++) {
        common->first_filter[i] = n_filter;
        n_filter += plan->instrument[i].n_filter;
    }
    common->rest_band = mem_array(n_filter, sizeof(*common->rest_band));
    if (!common->first_filter || !common->rest_band)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for %zu filters", n_filter);
    for (size_t i = 0; i < plan->n_instrument; i++)
        for (size_t f = 0; !r && f < plan->instrument[i].n_filter; f++)
            r = band_make(&plan->instrument[i].filter[f], BAND_REST, 0.0, plan->grid->n_lambda,
                          plan->grid->lambda_rest_angstrom, &plan->arena,
                          &common->rest_band[common->first_filter[i] + f], err);
    return r ? r : observe_cache_open(PLAN_TABLES_KEPT_BYTES, &common->cache, err);
}

void common_close(struct common *common)
{
    observe_cache_close(common->cache);
    frame_forget(common);
    free(common->first_filter);
    free(common->rest_band);
}

uint64_t common_bytes(const struct common *common)
{
    uint64_t bytes = observe_cache_bytes(common->cache);

    for (size_t i = 0; i < PLAN_FRAMES_MAX; i++)
        bytes += common->frame[i].arena.peak_bytes;
    return bytes;
}

/* ---- a galaxy in hand ---------------------------------------------------------------------------- */

int work_no_memory(const struct work *w, struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "galaxy %lld: no memory for its stages",
                     (long long)w->galaxy.id);
}

bool work_is_in_tiles(const struct work *w)
{
    return w->tiling.n_tile > 1;
}

bool work_is_direct(const struct work *w)
{
    return w->plan->method == OBSERVE_DIRECT;
}

struct stellar_light *work_light(struct work *w, const struct step *step)
{
    return &w->light[step->emitter->i];
}

void work_begin(struct work *w, uint64_t row, double *value, size_t n_value)
{
    w->value = value;
    memset(value, 0, n_value * sizeof(*value));
    memset(w->is_placed, 0, w->plan->n_product * sizeof(*w->is_placed));
    memset(w->centre_sum_kpc, 0, sizeof(w->centre_sum_kpc));
    memset(w->own, 0, sizeof(w->own));
    memset(w->tau, 0, sizeof(w->tau));
    for (size_t i = 0; i < PLAN_SUMS_MAX; i++)
        w->sums[i] = (struct observe_sums) { .is_done = true };
    w->galaxy = (struct galaxy) { .row = row, .id = w->plan->catalogue->id[row] };
    w->n_rounded = 0;
    w->i_tile = w->i_round = 0;
}

double *work_place(struct work *w, const struct step *step, const struct product_kind *kind, size_t i_label)
{
    const struct product *product = w->plan->product;

    for (size_t i = 0; i < w->plan->n_product; i++)
        if (product[i].kind == kind && product[i].step == step && product[i].i_label == i_label) {
            w->is_placed[i] = true;
            return w->value + product[i].offset;
        }
    return NULL;
}

void work_place_all(struct work *w, const struct step *step)
{
    for (size_t i = 0; i < w->plan->n_product; i++)
        w->is_placed[i] |= w->plan->product[i].step == step;
}

int work_check(const struct work *w, struct error *err)
{
    char path[PLAN_PATH_MAX];

    for (size_t i = 0; i < w->plan->n_product; i++) {
        const struct product *product = &w->plan->product[i];

        if (w->is_placed[i])
            continue;
        plan_product_path(w->plan, product, product->kind->path, path);
        return error_set(err, POLYPHONY_INTERNAL, "galaxy %lld: the operation '%s' did not compute '%s'",
                         (long long)w->galaxy.id,
                         product->step->operation->job.key ? product->step->operation->job.key
                                                           : product->step->operation->stage,
                         path);
    }
    return 0;
}

void work_keep_mark(struct work *w)
{
    w->sums_mark = arena_mark(w->arena);
}

void work_return_to_mark(struct work *w)
{
    if (!work_is_in_tiles(w) && !w->is_grouped)
        arena_release(w->arena, w->sums_mark);
}
