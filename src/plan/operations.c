/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plan_private.h"

#include <math.h>
#include <string.h>

bool plan_name_is_all(char *const *names, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!strcmp(names[i], "all"))
            return true;
    return false;
}

/* Resolve an operation's labels and instruments by name. */
static int select_parts(struct plan *plan, const char *key, char *const *labels, unsigned n_labels,
                        char *const *instruments, unsigned n_instruments, struct selection *ret_selection,
                        struct error *err)
{
    struct selection *selection = ret_selection;
    char path[128];
    int r = 0;

    text_format(path, sizeof(path), "operations.%s.labels", key);
    if (plan_name_is_all(labels, n_labels))
        for (size_t l = 0; l < plan->program.n_label; l++)
            selection->i_label[selection->n_label++] = l;
    else
        for (unsigned i = 0; !r && i < n_labels; i++) {
            size_t l = 0;

            r = plan_at_key(plan, emission_label_find(&plan->program, labels[i], &l, err), path, err);
            selection->i_label[selection->n_label++] = l;
        }
    selection->i_instrument = plan_array(plan, plan->n_instrument, sizeof(size_t), &r, err);
    for (size_t i = 0; !r && i < plan->n_instrument; i++)
        for (unsigned j = 0; j < n_instruments; j++)
            if (!strcmp(instruments[j], "all") || !strcmp(instruments[j], plan->instrument[i].label)) {
                selection->i_instrument[selection->n_instrument++] = i;
                selection->n_filter += plan->instrument[i].n_filter;
                break;
            }
    plan->needs_light = true;
    return r;
}

/* ---- images and filters ---------------------------------------------------------------------- */

/* Pixels across the field of one galaxy; 0 with an error when there are none or too many. */
static int count_pixels_at(struct plan *plan, const char *key, const struct image_plan *images,
                           const struct instrument *instrument, double redshift, size_t *ret_n,
                           struct error *err)
{
    double fov_arcsec = images->fov_arcsec;
    struct distances distances;
    int r;

    if (images->fov_kpc > 0) {
        r = cosmology_distances(&plan->cosmology, redshift, &distances, err);
        if (r)
            return r;
        fov_arcsec = images->fov_kpc * distances.arcsec_per_kpc;
    }
    *ret_n = observe_pixel_count(fov_arcsec, instrument->resolution_arcsec);
    if (*ret_n)
        return 0;
    return job_error(
        plan->job, err, key,
        "a field of %g arcsec at redshift %g (0 is 10 pc) is not 1 to 65535 pixels of %g arcsec of instrument '%s'%s",
        fov_arcsec, redshift, instrument->resolution_arcsec, instrument->label,
        redshift == 0 && images->fov_kpc > 0
            ? "; give fov_arcsec instead, or 'redshift' to observe it from afar"
            : "");
}

/* All galaxies must have images of the same size: a field in kpc at different redshifts is not. Without any
 * galaxy it has no pixels, unless the job says at which redshift it is. */
static int count_pixels(struct plan *plan, const char *key, struct image_plan *images, size_t i_selected,
                        struct error *err)
{
    const struct instrument *instrument = &plan->instrument[images->selection.i_instrument[i_selected]];
    size_t *n_pixel = &images->n_pixel[i_selected];
    double first = 0.0, last = -1.0;
    char path[96];
    int r = 0;

    text_format(path, sizeof(path), "operations.%s.%s", key, images->fov_kpc > 0 ? "fov_kpc" : "fov_arcsec");
    if (plan->catalogue->n_galaxy == 0 && (plan->redshift_is_given || images->fov_arcsec > 0))
        return count_pixels_at(plan, path, images, instrument, plan->redshift, n_pixel, err);
    for (size_t row = 0; !r && row < plan->catalogue->n_galaxy; row++) {
        double redshift = plan_redshift(plan, row);
        size_t n = 0;

        if (redshift == last || !plan_redshift_is_valid(plan, row) || (*n_pixel && !(images->fov_kpc > 0)))
            continue;
        last = redshift;
        r = count_pixels_at(plan, path, images, instrument, redshift, &n, err);
        if (!r && *n_pixel == 0) {
            *n_pixel = n;
            first = redshift;
        }
        if (!r && n != *n_pixel)
            return job_error(
                plan->job, err, path,
                "is %zu pixels at redshift %g but %zu at %g; give fov_arcsec instead, or one redshift",
                *n_pixel, first, n, redshift);
    }
    return r;
}

static int plan_images(struct plan *plan, const char *key, const struct job_images *job,
                       struct image_plan *images, struct error *err)
{
    char path[64];
    int r;

    if (!job)
        return 0;
    images->is_wanted = true;
    images->fov_kpc = job->fov_kpc ? *job->fov_kpc : 0.0;
    images->fov_arcsec = job->fov_arcsec ? *job->fov_arcsec : 0.0;
    plan->needs_observer = true; /* the angular scale */
    r = select_parts(plan, key, job->labels, job->n_labels, job->instruments, job->n_instruments,
                     &images->selection, err);
    images->n_pixel = plan_array(plan, images->selection.n_instrument, sizeof(size_t), &r, err);
    for (size_t i = 0; !r && i < images->selection.n_instrument; i++)
        r = count_pixels(plan, key, images, i, err);
    if (r || *job->type == JOB_IMAGE_HISTOGRAM)
        return r;
    images->sampling = *job->sampling == JOB_SAMPLING_EXACT ? DEPOSIT_EXACT : DEPOSIT_PEER;
    text_format(path, sizeof(path), "operations.%s.kernel", key);
    r = plan_at_key(plan, sph_kernel_find(job->kernel, &images->kernel, err), path, err);
    return r ? r : kernel_table_open(images->kernel, &images->table, err);
}

/* The set whose pixels these images share, or a new one. */
static struct image_set *find_image_set(struct plan *plan, const struct image_plan *images, size_t i_selected,
                                        double resolution_arcsec)
{
    struct image_set *set = plan->image_set;

    for (; set < plan->image_set + plan->n_image_set; set++) {
        const struct image_plan *other = &plan->images[set->member[0].kind];

        if (set->n < OBSERVE_REQUEST_MAX && set->pixels.n_pixel == images->n_pixel[i_selected] &&
            set->pixels.resolution_arcsec == resolution_arcsec && !other->table == !images->table &&
            (!images->table || (other->kernel == images->kernel && other->sampling == images->sampling)))
            return set;
    }
    plan->n_image_set++;
    *set = (struct image_set) { .pixels = { .table = images->table,
                                            .sampling = images->sampling,
                                            .n_pixel = images->n_pixel[i_selected],
                                            .resolution_arcsec = resolution_arcsec } };
    return set;
}

static int plan_image_sets(struct plan *plan, struct error *err)
{
    int r = 0;

    plan->image_set = plan_array(plan, N_IMAGE_KIND * plan->n_instrument, sizeof(*plan->image_set), &r, err);
    for (int kind = 0; !r && kind < N_IMAGE_KIND; kind++) {
        const struct image_plan *images = &plan->images[kind];

        for (size_t i = 0; images->is_wanted && i < images->selection.n_instrument; i++) {
            const struct instrument *instrument = &plan->instrument[images->selection.i_instrument[i]];
            struct image_set *set = find_image_set(plan, images, i, instrument->resolution_arcsec);

            set->member[set->n].kind = (enum image_kind)kind;
            set->member[set->n++].i_selected = i;
            set->n_channel += images->selection.n_label * instrument->n_filter;
        }
    }
    return r;
}

/* ---- all operations -------------------------------------------------------------------------------- */

int plan_operations(struct plan *plan, struct error *err)
{
    const struct job_operations wanted = job_operations_of(plan->job), *ops = &wanted;
    char all_text[] = "all", *all[] = { all_text };
    int r = 0;

    if (ops->spectra)
        r = select_parts(plan, "spectra", ops->spectra->labels, ops->spectra->n_labels, NULL, 0, &plan->lnu,
                         err);
    if (!r && ops->observed_spectra)
        r = select_parts(plan, "observed_spectra", ops->observed_spectra->labels,
                         ops->observed_spectra->n_labels, NULL, 0, &plan->fnu, err);
    if (!r && ops->photometry_luminosities) {
        const struct job_photometry *job = ops->photometry_luminosities;

        r = select_parts(plan, "photometry_luminosities", job->labels, job->n_labels, job->instruments,
                         job->n_instruments, &plan->luminosities, err);
        if (!r)
            r = plan_check_filters(plan, &plan->luminosities, BAND_REST, err);
    }
    if (!r && ops->photometry_fluxes) {
        const struct job_photometry *job = ops->photometry_fluxes;

        r = select_parts(plan, "photometry_fluxes", job->labels, job->n_labels, job->instruments,
                         job->n_instruments, &plan->fluxes, err);
        if (!r)
            r = plan_check_filters(plan, &plan->fluxes, BAND_OBSERVED, err);
    }
    if (!r && ops->lines)
        r = select_parts(plan, "lines", ops->lines->labels, ops->lines->n_labels, all, 0, &plan->lines, err);
    if (!r && ops->observed_lines)
        r = select_parts(plan, "observed_lines", ops->observed_lines->labels, ops->observed_lines->n_labels,
                         all, 0, &plan->line_fluxes, err);
    if (!r && (ops->lines || ops->observed_lines))
        r = plan_line_columns(plan, err);
    if (!r)
        r = plan_images(plan, "images_luminosity", ops->images_luminosity, &plan->images[0], err);
    if (!r)
        r = plan_images(plan, "images_flux", ops->images_flux, &plan->images[1], err);
    if (!r && plan->images[0].is_wanted)
        r = plan_check_filters(plan, &plan->images[0].selection, BAND_REST, err);
    if (!r && plan->images[1].is_wanted)
        r = plan_check_filters(plan, &plan->images[1].selection, BAND_OBSERVED, err);
    if (!r)
        r = plan_image_sets(plan, err);
    plan->needs_spectra =
        ops->spectra || ops->observed_spectra ||
        (plan->method == OBSERVE_DIRECT && (ops->photometry_luminosities || ops->photometry_fluxes ||
                                            ops->images_luminosity || ops->images_flux));
    plan->needs_observer |= ops->observed_spectra || ops->photometry_fluxes || ops->observed_lines;
    return r;
}
