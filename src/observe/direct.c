/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The direct method forms the spectrum of each star once, so the stage of the spectra does all that needs
 * them: sums, and what images show, in both frames. Images are made label by label, as Synthesizer does,
 * with all filters of an instrument together.
 */
#include "polyphony/bands.h"
#include "polyphony/work.h"

/* What the images of a step need: adds to `bands`, one an instrument. */
static int place_star_values(struct work *w, const struct step *step, struct observe_star_bands *bands,
                             size_t *n_bands, struct error *err)
{
    const struct plan *plan = w->plan;
    const struct selection *selection = &step->selection;
    double **star_value;

    star_value = w->own[step->i] = arena_zeros(w->tile_arena, selection->n_instrument, sizeof(double *));
    if (!star_value)
        return work_no_memory(w, err);
    for (size_t i = 0; i < selection->n_instrument; i++) {
        size_t instrument = selection->i_instrument[i], n_filter = plan->instrument[instrument].n_filter;
        double *value = arena_array(
            w->tile_arena, w->galaxy.particles[step->emitter->component].n * selection->n_label * n_filter,
            sizeof(*value));

        if (!value)
            return work_no_memory(w, err);
        star_value[i] = value;
        bands[(*n_bands)++] = (struct observe_star_bands) {
            .n_label = selection->n_label,
            .i_label = selection->i_label,
            .n_band = n_filter,
            .band = bands_of(w, step, instrument),
            .screen = step->operation->frame == BAND_OBSERVED ? w->frame->screen : NULL,
            .value = value,
        };
    }
    return 0;
}

int direct_spectra(struct work *w, const struct step *of, struct error *err)
{
    const struct plan *plan = w->plan;
    struct observe_star_bands *bands =
        arena_array(w->tile_arena, plan->n_step * plan->n_instrument, sizeof(*bands));
    size_t n_bands = 0;
    int r = bands ? 0 : work_no_memory(w, err);

    for (size_t i = 0; !r && i < plan->n_step; i++) {
        const struct step *step = &plan->step[i];

        /* Of a galaxy in one tile the stage of the observer's frame comes later: it will find it made. */
        if (step->emitter != of->emitter || !step->images)
            continue;
        if (step->operation->frame == BAND_OBSERVED) {
            frame_prepare(w->common, 1, &w->galaxy.redshift);
            r = frame_find(w->common, w->galaxy.redshift, &w->frame, err);
        }
        if (!r)
            r = place_star_values(w, step, bands, &n_bands, err);
    }
    return r ? r
             : observe_direct(work_light(w, of), &plan->spectra, w->label_lnu[of->emitter->i], n_bands, bands,
                              w->arena, err);
}

int direct_images(struct work *w, const struct step *step, struct error *err)
{
    const struct image_plan *images = step->images;
    const struct selection *selection = &step->selection;
    double *const *star_value = w->own[step->i];
    const struct product *product = w->plan->product;
    struct arena_mark mark = arena_mark(w->arena);
    int r = 0;

    /* Products come by instrument, label and filter. */
    while (product->step != step || product->kind != step->operation->kind[IMAGES_KIND])
        product++;
    for (size_t i = 0; i < selection->n_instrument; i++) {
        const struct instrument *instrument = &w->plan->instrument[selection->i_instrument[i]];
        const double *value = star_value[i];
        const struct image_pixels pixels = { .table = images->table,
                                             .sampling = images->sampling,
                                             .n_pixel = images->n_pixel[i],
                                             .resolution_arcsec = instrument->resolution_arcsec };
        double **image = arena_array(w->arena, instrument->n_filter, sizeof(*image)), *light;

        for (size_t l = 0; !r && image && l < selection->n_label; l++) {
            for (size_t f = 0; f < instrument->n_filter; f++)
                image[f] = w->value + (product++)->offset;
            r = observe_images(&pixels, &w->galaxy.particles[step->emitter->component], w->galaxy.centre_kpc,
                               w->frame->observer.distances.arcsec_per_kpc, instrument->n_filter, value,
                               image, w->arena, err);
            light = images_light(w, step, l, i);
            if (light)
                bands_total(w->galaxy.particles[step->emitter->component].n, instrument->n_filter, value,
                            light);
            value += w->galaxy.particles[step->emitter->component].n * instrument->n_filter;
        }
        if (!image)
            r = work_no_memory(w, err);
    }
    arena_release(w->arena, mark);
    return r;
}
