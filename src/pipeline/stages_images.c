/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Photometry of galaxies, and images.
 *
 * Photometry is taken of the galaxy's spectra where the job has these for other reasons, and from tables of
 * bands where it does not. Images whose pixels are the same are made together, whatever they show: those of a
 * set have their particles' values from one table, and are deposited at once. Time for sets that hold
 * luminosities and fluxes counts as that of luminosity images.
 */
#include "pipeline_private.h"
#include "tables.h"

#include <string.h>

/* ---- tables ------------------------------------------------------------------------------------ */

/* Sets of tables: of photometry, and from then on of sets of images. */
enum { TABLES_LUMINOSITIES, TABLES_FLUXES, TABLES_IMAGES };

static size_t count_tables(const struct plan *plan)
{
    return TABLES_IMAGES + plan->n_image_set;
}

static bool set_has_luminosities(const struct image_set *set)
{
    return set->member[0].kind == IMAGES_LUMINOSITY;
}

static enum stage_index stage_of_tables(const struct plan *plan, size_t i_tables)
{
    if (i_tables == TABLES_LUMINOSITIES)
        return STAGE_LUMINOSITIES;
    if (i_tables == TABLES_FLUXES)
        return STAGE_FLUXES;
    return set_has_luminosities(&plan->image_set[i_tables - TABLES_IMAGES]) ? STAGE_LUMINOSITY_IMAGES
                                                                            : STAGE_FLUX_IMAGES;
}

/* Bands of all filters in one frame. */
static const struct band *bands_of(const struct work *w, bool is_observed)
{
    return is_observed ? w->frame->band : w->pipeline->rest_band;
}

static struct observe_request request_of(const struct work *w, const struct selection *selection,
                                         bool is_observed, size_t n_band, const struct band *band)
{
    return (struct observe_request) { .n_label = selection->n_label,
                                      .i_label = selection->i_label,
                                      .n_band = n_band,
                                      .band = band,
                                      .screen = is_observed ? w->frame->screen : NULL };
}

/* All instruments of an operation; their bands are gathered in the arena. */
static int request_photometry(const struct work *w, const struct selection *selection, bool is_observed,
                              struct observe_request *ret_request, struct arena *arena, struct error *err)
{
    struct band *band = arena_array(arena, selection->n_filter, sizeof(*band));
    size_t n = 0;

    if (!band)
        return work_no_memory(w, err);
    for (size_t i = 0; i < selection->n_instrument; i++) {
        size_t instrument = selection->i_instrument[i], n_filter = w->plan->instrument[instrument].n_filter;

        memcpy(band + n, bands_of(w, is_observed) + w->pipeline->first_filter[instrument],
               n_filter * sizeof(*band));
        n += n_filter;
    }
    *ret_request = request_of(w, selection, is_observed, n, band);
    return 0;
}

static void request_images(const struct work *w, const struct image_set *set,
                           struct observe_request *ret_request)
{
    for (size_t m = 0; m < set->n; m++) {
        const struct selection *selection = &w->plan->images[set->member[m].kind].selection;
        size_t instrument = selection->i_instrument[set->member[m].i_selected];
        bool is_observed = set->member[m].kind == IMAGES_FLUX;

        ret_request[m] = request_of(w, selection, is_observed, w->plan->instrument[instrument].n_filter,
                                    bands_of(w, is_observed) + w->pipeline->first_filter[instrument]);
    }
}

/* Luminosities alone do not depend on redshift. */
static double redshift_of_tables(const struct work *w, size_t i_tables)
{
    bool is_observed = i_tables == TABLES_FLUXES;

    if (i_tables >= TABLES_IMAGES) {
        const struct image_set *set = &w->plan->image_set[i_tables - TABLES_IMAGES];

        is_observed = set->member[set->n - 1].kind == IMAGES_FLUX;
    }
    return is_observed ? w->galaxy.redshift : 0.0;
}

static int take_tables(const struct work *w, size_t i_tables, const struct observe_tables **ret_tables,
                       struct arena *arena, struct error *err)
{
    const struct plan *plan = w->plan;
    struct observe_request request[OBSERVE_REQUEST_MAX];
    struct arena_mark mark = arena_mark(arena);
    size_t n_request = 1;
    int r = 0;

    if (i_tables == TABLES_LUMINOSITIES)
        r = request_photometry(w, &plan->luminosities, false, request, arena, err);
    else if (i_tables == TABLES_FLUXES)
        r = request_photometry(w, &plan->fluxes, true, request, arena, err);
    else {
        n_request = plan->image_set[i_tables - TABLES_IMAGES].n;
        request_images(w, &plan->image_set[i_tables - TABLES_IMAGES], request);
    }
    if (!r)
        r = observe_cache_take(w->pipeline->cache, i_tables, redshift_of_tables(w, i_tables), &w->light,
                               &plan->spectra, n_request, request, ret_tables, err);
    arena_release(arena, mark);
    return r;
}

static bool is_used(const struct plan *plan, size_t i_tables)
{
    if (plan->method == OBSERVE_DIRECT)
        return false;
    if (i_tables >= TABLES_IMAGES)
        return true;
    return !plan->needs_spectra &&
           (i_tables == TABLES_FLUXES ? plan->fluxes.n_label : plan->luminosities.n_label) > 0;
}

bool tables_are_used(const struct plan *plan, enum stage_index stage)
{
    for (size_t t = 0; t < count_tables(plan); t++)
        if (stage_of_tables(plan, t) == stage && is_used(plan, t))
            return true;
    return false;
}

int tables_prepare(struct pipeline *p, size_t n, const struct work *const *works, enum stage_index stage,
                   struct arena *arena, struct error *err)
{
    int r = 0;

    for (size_t t = 0; t < count_tables(p->plan); t++) {
        if (stage_of_tables(p->plan, t) != stage || !is_used(p->plan, t))
            continue;
        for (size_t i = 0; !r && i < n; i++) {
            const struct observe_tables *tables = NULL;

            if (works[i]->light.cells.n == 0)
                continue;
            /* Where each galaxy has its own, they would be gone before they are used. */
            if (observe_cache_bytes(p->cache) > PLAN_TABLES_KEPT_BYTES)
                return 0;
            r = take_tables(works[i], t, &tables, arena, err);
            observe_cache_return(p->cache, tables);
        }
    }
    return r;
}

/* The tables of the galaxy in hand, which keeps them until it is done. */
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

void tables_return(struct work *w)
{
    for (size_t t = 0; w->tables && t < count_tables(w->plan); t++)
        observe_cache_return(w->pipeline->cache, w->tables[t]);
    w->tables = NULL;
}

/* ---- photometry -------------------------------------------------------------------------------- */

/* ret_value[n_label][n_filter] from spectra that are there, through bands in the order of the selection. */
static int integrate(struct work *w, const struct selection *selection, bool is_observed, double *ret_value,
                     struct error *err)
{
    size_t n = w->plan->spectra.n;
    double *fnu = is_observed ? arena_array(w->arena, n, sizeof(*fnu)) : NULL;

    if (is_observed && !fnu)
        return work_no_memory(w, err);
    for (size_t l = 0; l < selection->n_label; l++) {
        const double *spectrum = w->label_lnu[selection->i_label[l]];

        if (is_observed)
            observer_fnu(&w->frame->observer, n, spectrum, fnu);
        for (size_t i = 0; i < selection->n_instrument; i++) {
            size_t instrument = selection->i_instrument[i];

            observe_bands(w->plan->instrument[instrument].n_filter,
                          bands_of(w, is_observed) + w->pipeline->first_filter[instrument],
                          is_observed ? fnu : spectrum, ret_value);
            ret_value += w->plan->instrument[instrument].n_filter;
        }
    }
    return 0;
}

/* Stars that have screens of their own; others are counted by cells, at the end. */
static int add_photometry(struct work *w, size_t i_tables, double *value, struct error *err)
{
    const struct observe_tables *tables = NULL;
    int r;

    if (!value || w->plan->needs_spectra || w->i_round > 0 || w->light.cells.n == 0)
        return 0;
    r = need_tables(w, i_tables, &tables, err);
    return r ? r : observe_total_bands_add(tables, &w->light, value, w->arena, err);
}

static int end_photometry(struct work *w, size_t i_tables, const struct selection *selection, double *value,
                          struct error *err)
{
    const struct observe_tables *tables = NULL;
    int r;

    if (!value)
        return 0;
    if (w->plan->needs_spectra)
        return integrate(w, selection, i_tables == TABLES_FLUXES, value, err);
    if (w->light.cells.n == 0)
        return 0;
    r = need_tables(w, i_tables, &tables, err);
    if (!r)
        observe_total_bands_end(tables, &w->light, value);
    return r;
}

int luminosities_again(struct work *w, struct error *err)
{
    return add_photometry(w, TABLES_LUMINOSITIES, work_value(w, PRODUCT_LUMINOSITIES, 0), err);
}

int luminosities_end(struct work *w, struct error *err)
{
    return end_photometry(w, TABLES_LUMINOSITIES, &w->plan->luminosities,
                          work_value(w, PRODUCT_LUMINOSITIES, 0), err);
}

int fluxes_again(struct work *w, struct error *err)
{
    return add_photometry(w, TABLES_FLUXES, work_value(w, PRODUCT_FLUXES, 0), err);
}

int fluxes_end(struct work *w, struct error *err)
{
    return end_photometry(w, TABLES_FLUXES, &w->plan->fluxes, work_value(w, PRODUCT_FLUXES, 0), err);
}

/* ---- images ------------------------------------------------------------------------------------ */

/* Where the images of a set are in the row, in the order of the tables' outputs. */
static double **place_images(struct work *w, const struct image_set *set)
{
    const struct plan *plan = w->plan;
    double **image = arena_array(w->arena, set->n_channel, sizeof(*image));
    size_t n = 0;

    for (size_t m = 0; image && m < set->n; m++) {
        const struct selection *selection = &plan->images[set->member[m].kind].selection;
        size_t instrument = selection->i_instrument[set->member[m].i_selected];
        enum product_kind kind =
            set->member[m].kind == IMAGES_FLUX ? PRODUCT_IMAGE_FLUX : PRODUCT_IMAGE_LUMINOSITY;

        /* Products of an instrument come by label and filter, as outputs do. */
        for (size_t i = 0; i < plan->n_product; i++)
            if (plan->product[i].kind == kind && plan->product[i].i_instrument == instrument)
                image[n++] = w->value + plan->product[i].offset;
    }
    return image;
}

/* Particles whose values are there at once. */
static struct particles some_of(const struct particles *particles, size_t first)
{
    struct particles some = *particles;
    size_t left = particles->n - first;

    some.n = left < PLAN_IMAGE_STARS ? left : PLAN_IMAGE_STARS;
    for (size_t f = 0; f < N_FIELD; f++)
        some.field[f] += some.field[f] ? first : 0;
    return some;
}

/* The tile in hand onto the images of a set, which are zero at first. */
static int add_images(struct work *w, size_t i_set, struct error *err)
{
    const struct image_set *set = &w->plan->image_set[i_set];
    const struct particles *stars = &w->galaxy.particles[STARS];
    const struct observe_tables *tables = NULL;
    int r = need_tables(w, TABLES_IMAGES + i_set, &tables, err);
    struct arena_mark mark = arena_mark(w->arena);
    size_t n_most = stars->n < PLAN_IMAGE_STARS ? stars->n : PLAN_IMAGE_STARS;
    double **image = place_images(w, set);
    double *value = arena_array(w->arena, n_most * set->n_channel, sizeof(*value));

    if (!r && (!image || !value))
        r = work_no_memory(w, err);
    for (size_t first = 0; !r && first < stars->n; first += PLAN_IMAGE_STARS) {
        const struct particles some = some_of(stars, first);

        observe_particle_bands(tables, &w->light, first, some.n, value);
        r = observe_images(&set->pixels, &some, w->galaxy.centre_kpc,
                           w->frame->observer.distances.arcsec_per_kpc, set->n_channel, value, image,
                           w->arena, err);
    }
    arena_release(w->arena, mark);
    return r;
}

static int add_all_images(struct work *w, enum stage_index stage, struct error *err)
{
    int r = 0;

    if (w->i_round > 0 || w->light.cells.n == 0)
        return 0; /* they have all stars, or there are none */
    for (size_t i = 0; !r && i < w->plan->n_image_set; i++)
        if (stage_of_tables(w->plan, TABLES_IMAGES + i) == stage)
            r = add_images(w, i, err);
    return r;
}

int luminosity_images_again(struct work *w, struct error *err)
{
    return w->plan->method == OBSERVE_DIRECT ? direct_images(w, IMAGES_LUMINOSITY, err)
                                             : add_all_images(w, STAGE_LUMINOSITY_IMAGES, err);
}

int flux_images_again(struct work *w, struct error *err)
{
    return w->plan->method == OBSERVE_DIRECT ? direct_images(w, IMAGES_FLUX, err)
                                             : add_all_images(w, STAGE_FLUX_IMAGES, err);
}
