/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What depends on redshift only: distances, transmission, observed bands. A few redshifts are kept, as
 * galaxies of a snapshot share one, and those of a group may differ.
 */
#include "polyphony/work.h"

#include <stdlib.h>

static int no_memory(struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "no memory for what depends on redshift");
}

static int make(const struct common *common, double redshift, struct frame *frame, struct error *err)
{
    const struct plan *plan = common->plan;
    const struct grid *grid = plan->grid;
    const struct observer_wavelengths wavelengths = { grid->n_lambda, plan->n_line,
                                                      grid->lambda_rest_angstrom,
                                                      plan->line_lambda_rest_angstrom };
    size_t n_filter = 0;
    int r;

    arena_reset(&frame->arena);
    for (size_t i = 0; i < plan->n_instrument; i++)
        n_filter += plan->instrument[i].n_filter;
    frame->band = arena_array(&frame->arena, n_filter, sizeof(*frame->band));
    frame->screen = arena_array(&frame->arena, grid->n_lambda, sizeof(*frame->screen));
    if (!frame->band || !frame->screen)
        return no_memory(err);
    r = observer_frame_make(&plan->cosmology, plan->igm, &wavelengths, redshift, &frame->observer,
                            &frame->arena, err);
    if (r == POLYPHONY_INPUT) /* a redshift without a distance: its galaxies' own affair */
        r = POLYPHONY_SET_ASIDE;
    for (size_t j = 0; !r && j < grid->n_lambda; j++)
        frame->screen[j] = frame->observer.fnu_scale * frame->observer.transmission[j];
    for (size_t i = 0; i < plan->n_instrument; i++)
        for (size_t f = 0; !r && f < plan->instrument[i].n_filter; f++)
            r = band_make(&plan->instrument[i].filter[f], BAND_OBSERVED, redshift, grid->n_lambda,
                          grid->lambda_rest_angstrom, &frame->arena,
                          &frame->band[common->first_filter[i] + f], err);
    return r;
}

static struct frame *look_up(struct common *common, double redshift)
{
    for (size_t i = 0; i < PLAN_FRAMES_MAX; i++)
        if (common->frame[i].last_use && common->frame[i].redshift == redshift)
            return &common->frame[i];
    return NULL;
}

/* One by one, galaxies need no more than one. */
static struct frame *oldest(struct common *common)
{
    struct frame *frame = &common->frame[0];

    for (size_t i = 1; i < common->n_frame; i++)
        if (common->frame[i].last_use < frame->last_use)
            frame = &common->frame[i];
    return frame;
}

void frame_prepare(struct common *common, size_t n, const double *redshift)
{
    struct frame *to_make[PLAN_FRAMES_MAX];
    double missing[PLAN_FRAMES_MAX];
    size_t n_missing = 0;

    common->frame_clock++;
    for (size_t i = 0; i < n; i++) {
        struct frame *frame = look_up(common, redshift[i]);

        if (frame)
            frame->last_use = common->frame_clock;
    }
    for (size_t i = 0; i < n && n_missing < PLAN_FRAMES_MAX; i++) {
        struct frame *frame = look_up(common, redshift[i]);

        if (frame)
            continue;
        frame = oldest(common);
        if (frame->last_use == common->frame_clock)
            break;
        frame->last_use = common->frame_clock;
        frame->redshift = redshift[i]; /* from now on it is there, and is made once */
        missing[n_missing] = redshift[i];
        to_make[n_missing++] = frame;
    }
    if (n_missing == 0)
        return;
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < n_missing; i++) {
        to_make[i]->err = (struct error) { 0 };
        to_make[i]->status = make(common, missing[i], to_make[i], &to_make[i]->err);
    }
}

int frame_find(struct common *common, double redshift, const struct frame **ret_frame, struct error *err)
{
    const struct frame *frame = look_up(common, redshift);

    if (!frame)
        return error_set(err, POLYPHONY_INTERNAL, "nothing was prepared for redshift %.17g", redshift);
    if (frame->status) {
        *err = frame->err;
        return frame->status;
    }
    *ret_frame = frame;
    return 0;
}

void frame_forget(struct common *common)
{
    for (size_t i = 0; i < PLAN_FRAMES_MAX; i++) {
        arena_free(&common->frame[i].arena);
        common->frame[i].last_use = 0;
    }
}

/* ---- the stage ----------------------------------------------------------------------------------- */

static bool is_needed(const struct plan *plan)
{
    return plan->needs_observer;
}

static int find_all(struct work *w, const struct step *step, struct error *err)
{
    (void)step;
    if (!w->is_grouped)
        frame_prepare(w->common, 1, &w->galaxy.redshift);
    return frame_find(w->common, w->galaxy.redshift, &w->frame, err);
}

const struct operation operation_observer_frame = {
    .stage = "Observer frame",
    .runs = is_needed,
    .run = { NULL, find_all, NULL, NULL },
};
