/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Images. Those whose pixels are the same are made together, whatever they show: those of a set have their particles'
 * values from one table, and are deposited at once. Time for sets that hold luminosities and fluxes counts as that of
 * luminosity images.
 */
#include "polyphony/bands.h"
#include "polyphony/job_schema.h"
#include "polyphony/work.h"

#include <math.h>
#include <string.h>

enum job_image_type { JOB_IMAGE_SMOOTHED, JOB_IMAGE_HISTOGRAM };
enum job_sampling { JOB_SAMPLING_PEER, JOB_SAMPLING_EXACT };

struct job_images {
    char **instruments;
    unsigned n_instruments;
    char **labels;
    unsigned n_labels;
    double *fov_kpc;    /* width of the field, > 0, or NULL: */
    double *fov_arcsec; /* exactly one of the two is given */
    enum job_image_type *type;
    char *kernel;
    enum job_sampling *sampling;
};

static const cyaml_strval_t types[] = {
    { "smoothed", JOB_IMAGE_SMOOTHED },
    { "histogram", JOB_IMAGE_HISTOGRAM },
};
static const cyaml_strval_t samplings[] = {
    { "peer", JOB_SAMPLING_PEER },
    { "exact", JOB_SAMPLING_EXACT },
};

static const cyaml_schema_field_t fields[] = {
    SCHEMA_NAMES(struct job_images, instruments),
    SCHEMA_NAMES(struct job_images, labels),
    CYAML_FIELD_FLOAT_PTR("fov_kpc", SCHEMA_OPTIONAL | SCHEMA_NO_DEFAULT, struct job_images, fov_kpc),
    CYAML_FIELD_FLOAT_PTR("fov_arcsec", SCHEMA_OPTIONAL | SCHEMA_NO_DEFAULT, struct job_images, fov_arcsec),
    CYAML_FIELD_ENUM_PTR("type", SCHEMA_CHOICE, struct job_images, type, types, SCHEMA_N_OF(types)),
    CYAML_FIELD_STRING_PTR("kernel", SCHEMA_OPTIONAL, struct job_images, kernel, 1, CYAML_UNLIMITED),
    CYAML_FIELD_ENUM_PTR("sampling", SCHEMA_CHOICE, struct job_images, sampling, samplings,
                         SCHEMA_N_OF(samplings)),
    CYAML_FIELD_END,
};

static int check(const struct job *job, const char *key, const void *options, struct error *err)
{
    const struct job_images *images = options;
    char path[128];
    int r;

    text_format(path, sizeof(path), "operations.%s", key);
    if (!images->fov_kpc == !images->fov_arcsec)
        return job_error(job, err, path, "give the width of the image, either fov_kpc or fov_arcsec%s",
                         images->fov_kpc ? ", not both" : "");
    text_format(path, sizeof(path), "operations.%s.%s", key, images->fov_kpc ? "fov_kpc" : "fov_arcsec");
    r = job_check_positive(job, path, images->fov_kpc ? *images->fov_kpc : *images->fov_arcsec, err);
    if (r)
        return r;
    return job_check_instruments(job, key, images->instruments, images->n_instruments, true, err);
}

/* New jobs begin with what the template says; older ones, that do not say, get what they always got. */
static void amend_defaults(void *options)
{
    struct job_images *images = options;

    *images->sampling = JOB_SAMPLING_PEER;
}

static struct named_parts parts_of(const void *options)
{
    const struct job_images *job = options;

    return (struct named_parts) { job->labels, job->n_labels, job->instruments, job->n_instruments };
}

static unsigned needs_of(const void *options)
{
    const struct job_images *job = options;

    return *job->type == JOB_IMAGE_SMOOTHED ? NEEDS_SMOOTHING_LENGTHS : 0;
}

/* The angular scale comes from the observer, of luminosities too. */
#define NEEDS_IMAGES                                                                                         \
    (NEEDS_LIGHT | NEEDS_BANDS | NEEDS_OBSERVER | NEEDS_CENTRE | NEEDS_COORDINATES | NEEDS_STARS_AGAIN)

static const struct product_kind luminosities = {
    .path = "Galaxies/%c/Images/Luminosity/%i/%l/%f",
    .units = "erg/(Hz*s)",
    .description = "Rest-frame luminosity density in each pixel, (galaxy, x, y)",
    .axis = { AXIS_PIXEL, AXIS_PIXEL },
    .precision = PRECISION_IMAGES,
    .steps_per_star = 100,
};
static const struct product_kind fluxes = {
    .path = "Galaxies/%c/Images/Flux/%i/%l/%f",
    .units = "nJy",
    .description = "Observed flux density in each pixel, (galaxy, x, y)",
    .axis = { AXIS_PIXEL, AXIS_PIXEL },
    .precision = PRECISION_IMAGES,
    .steps_per_star = 100,
};

/* A part of the census, of what is there for images. */
static bool has_census(const struct plan *plan, const struct step *step)
{
    (void)step;
    return plan_find_step(plan, "census") != NULL;
}

#define OUTSIDE "Share of the light that falls outside the field of the image"

static const struct product_kind luminosity_outside = {
    .path = "Storage/%eCensus/LuminosityOutside",
    .units = "dimensionless",
    .description = OUTSIDE ", (galaxy, label, filter)",
    .axis = { AXIS_LABEL, AXIS_FILTER },
    .view = { { "Galaxies/%eCensus/LightOutside/Luminosity/%i/%l/%f", OUTSIDE } },
    .is_wanted = has_census,
};
static const struct product_kind flux_outside = {
    .path = "Storage/%eCensus/FluxOutside",
    .units = "dimensionless",
    .description = OUTSIDE ", (galaxy, label, filter)",
    .axis = { AXIS_LABEL, AXIS_FILTER },
    .view = { { "Galaxies/%eCensus/LightOutside/Flux/%i/%l/%f", OUTSIDE } },
    .is_wanted = has_census,
};

/* ---- pixels, and images that share them ---------------------------------------------------------------- */

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
static int count_pixels(struct plan *plan, const struct step *step, size_t i_selected, struct error *err)
{
    const struct instrument *instrument = &plan->instrument[step->selection.i_instrument[i_selected]];
    const struct image_plan *images = step->images;
    size_t *n_pixel = &images->n_pixel[i_selected];
    double first = 0.0, last = -1.0;
    char path[96];
    int r = 0;

    text_format(path, sizeof(path), "operations.%s.%s", step->operation->job.key,
                images->fov_kpc > 0 ? "fov_kpc" : "fov_arcsec");
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

/* The set whose pixels these images share, or a new one. */
static struct image_set *find_image_set(struct plan *plan, const struct step *step, size_t i_selected,
                                        double resolution_arcsec)
{
    const struct image_plan *images = step->images;
    struct image_set *set = plan->image_set;

    for (; set < plan->image_set + plan->n_image_set; set++) {
        const struct image_plan *other = set->member[0].step->images;

        if (set->n < OBSERVE_REQUEST_MAX && set->member[0].step->emitter == step->emitter &&
            set->pixels.n_pixel == images->n_pixel[i_selected] &&
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

/* Sets of the operations before stay, and may get more members. */
static int add_to_sets(struct plan *plan, const struct step *step, struct error *err)
{
    const struct selection *selection = &step->selection;
    int r = 0;
    struct image_set *grown =
        plan_array(plan, plan->n_image_set + selection->n_instrument, sizeof(*grown), &r, err);

    if (r)
        return r;
    if (plan->n_image_set)
        memcpy(grown, plan->image_set, plan->n_image_set * sizeof(*grown));
    plan->image_set = grown;
    for (size_t i = 0; i < selection->n_instrument; i++) {
        const struct instrument *instrument = &plan->instrument[selection->i_instrument[i]];
        struct image_set *set = find_image_set(plan, step, i, instrument->resolution_arcsec);

        set->member[set->n].step = step;
        set->member[set->n++].i_selected = i;
        set->n_channel += selection->n_label * instrument->n_filter;
    }
    return 0;
}

static int declare(struct plan *plan, struct step *step, struct error *err)
{
    const struct job_images *job = step->options;
    const char *key = step->operation->job.key;
    struct image_plan *images;
    char path[64];
    int r = 0;

    images = step->images = plan_array(plan, 1, sizeof(*images), &r, err);
    if (r)
        return r;
    images->fov_kpc = job->fov_kpc ? *job->fov_kpc : 0.0;
    images->fov_arcsec = job->fov_arcsec ? *job->fov_arcsec : 0.0;
    images->n_pixel = plan_array(plan, step->selection.n_instrument, sizeof(size_t), &r, err);
    for (size_t i = 0; !r && i < step->selection.n_instrument; i++)
        r = count_pixels(plan, step, i, err);
    if (!r && *job->type == JOB_IMAGE_SMOOTHED) {
        images->sampling = *job->sampling == JOB_SAMPLING_EXACT ? DEPOSIT_EXACT : DEPOSIT_PEER;
        text_format(path, sizeof(path), "operations.%s.kernel", key);
        r = plan_at_key(plan, sph_kernel_find(job->kernel, &images->kernel, err), path, err);
        if (!r)
            r = kernel_table_open(images->kernel, &images->table, err);
    }
    return r ? r : add_to_sets(plan, step, err);
}

/* ---- one galaxy ---------------------------------------------------------------------------------------- */

/* Where the images of a set are in the row, in the order of the tables' outputs. */
static double **place_images(struct work *w, const struct image_set *set)
{
    const struct plan *plan = w->plan;
    double **image = arena_array(w->arena, set->n_channel, sizeof(*image));
    size_t n = 0;

    for (size_t m = 0; image && m < set->n; m++) {
        const struct step *step = set->member[m].step;
        size_t instrument = step->selection.i_instrument[set->member[m].i_selected];

        /* Products of an instrument come by label and filter, as outputs do. */
        for (size_t i = 0; i < plan->n_product; i++)
            if (plan->product[i].kind == step->operation->kind[IMAGES_KIND] &&
                plan->product[i].step == step && plan->product[i].i_instrument == instrument)
                image[n++] = w->value + plan->product[i].offset;
    }
    return image;
}

double *images_light(struct work *w, const struct step *step, size_t i_label, size_t i_instrument)
{
    const struct selection *selection = &step->selection;
    double *light = work_place(w, step, step->operation->kind[OUTSIDE_KIND], 0);

    if (!light)
        return NULL;
    light += i_label * selection->n_filter;
    for (size_t i = 0; i < i_instrument; i++)
        light += w->plan->instrument[selection->i_instrument[i]].n_filter;
    return light;
}

/* Where the light of each image of a set is added up, in the same order; until the images are complete it stands where their
 * share outside will be. Without a census, somewhere. */
static double **place_light(struct work *w, const struct image_set *set)
{
    double **light = arena_array(w->arena, set->n_channel, sizeof(*light));
    double *nowhere = arena_zeros(w->arena, set->n_channel, sizeof(*nowhere));
    size_t n = 0;

    for (size_t m = 0; light && nowhere && m < set->n; m++) {
        const struct step *step = set->member[m].step;
        size_t i = set->member[m].i_selected;
        size_t n_filter = w->plan->instrument[step->selection.i_instrument[i]].n_filter;

        for (size_t l = 0; l < step->selection.n_label; l++) {
            double *first = images_light(w, step, l, i);

            for (size_t f = 0; f < n_filter; f++, n++)
                light[n] = first ? first + f : nowhere + n;
        }
    }
    return nowhere ? light : NULL;
}

/* Add the light of n stars in the order of the stars, by image. */
static void add_light(size_t n, size_t n_channel, const double *value, double *total, double *const *light)
{
    for (size_t c = 0; c < n_channel; c++)
        total[c] = *light[c];
    bands_total(n, n_channel, value, total);
    for (size_t c = 0; c < n_channel; c++)
        *light[c] = total[c];
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
    const struct step *step = set->member[0].step;
    const struct particles *particles = &w->galaxy.particles[step->emitter->component];
    const struct observe_tables *tables = NULL;
    int r = tables_of_images(w, i_set, &tables, err);
    struct arena_mark mark = arena_mark(w->arena);
    size_t n_most = particles->n < PLAN_IMAGE_STARS ? particles->n : PLAN_IMAGE_STARS;
    double **image = place_images(w, set);
    double *value = arena_array(w->arena, n_most * set->n_channel, sizeof(*value));
    double *total = arena_array(w->arena, set->n_channel, sizeof(*total)), **light = place_light(w, set);

    if (!r && (!image || !value || !total || !light))
        r = work_no_memory(w, err);
    for (size_t first = 0; !r && first < particles->n; first += PLAN_IMAGE_STARS) {
        const struct particles some = some_of(particles, first);

        observe_particle_bands(tables, work_light(w, step), first, some.n, value);
        add_light(some.n, set->n_channel, value, total, light);
        r = observe_images(&set->pixels, &some, w->galaxy.centre_kpc,
                           w->frame->observer.distances.arcsec_per_kpc, set->n_channel, value, image,
                           w->arena, err);
    }
    arena_release(w->arena, mark);
    return r;
}

static int images_again(struct work *w, const struct step *step, struct error *err)
{
    int r = 0;

    work_place_all(w, step);
    if (work_is_direct(w))
        return direct_images(w, step, err);
    if (w->i_round > 0 || work_light(w, step)->cells.n == 0)
        return 0; /* they have all stars, or there are none */
    for (size_t i = 0; !r && i < w->plan->n_image_set; i++)
        if (w->plan->image_set[i].member[0].step == step)
            r = add_images(w, i, err);
    return r;
}

/* In eight sums, so that they need not wait for each other. */
static double sum_pixels(size_t n, const double *value)
{
    double lane[8] = { 0 }, sum = 0.0;
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++)
            lane[k] += value[i + k];
    for (; i < n; i++)
        lane[i % 8] += value[i];
    for (size_t k = 0; k < 8; k++)
        sum += lane[k];
    return sum;
}

/* Of light and image, both by label and filter, the share that is in the one only. */
static int images_end(struct work *w, const struct step *step, struct error *err)
{
    const struct plan *plan = w->plan;
    const struct selection *selection = &step->selection;
    const struct product *image = plan->product;

    (void)err;
    if (selection->n_label * selection->n_filter == 0 || !images_light(w, step, 0, 0))
        return 0;
    while (image->step != step || image->kind != step->operation->kind[IMAGES_KIND])
        image++;
    /* Products come by instrument, label and filter. */
    for (size_t i = 0; i < selection->n_instrument; i++)
        for (size_t l = 0; l < selection->n_label; l++) {
            double *light = images_light(w, step, l, i);

            for (size_t f = 0; f < plan->instrument[selection->i_instrument[i]].n_filter; f++, image++) {
                double inside = sum_pixels(image->n, w->value + image->offset);

                light[f] = light[f] > 0.0 ? fmin(fmax(1.0 - inside / light[f], 0.0), 1.0) : 0.0;
            }
        }
    return 0;
}

const struct operation operation_images_luminosity = {
    .job = {
    .key = "images_luminosity",
    .fields = fields,
    .size = sizeof(struct job_images),
    .check = check,
    .amend_defaults = amend_defaults,
    .template_lines =
        "  images_luminosity:          # rest-frame luminosity density in each pixel [erg/s/Hz]\n"
        "    instruments: [all]        # each needs resolution_arcsec\n"
        "    labels: [intrinsic]\n"
        "    fov_arcsec: 10            # width of the image [arcsec], > 0; or else fov_kpc [proper kpc], for\n"
        "                              # galaxies of one redshift: all images have the same number of pixels.\n"
        "                              # Exactly one of the two must be given (no default)\n"
        "    type: smoothed            # smoothed = over the stars' smoothing lengths | histogram = points\n"
        "    kernel: sph_anarchy       # shape of a smoothed star, choices as above\n"
        "    sampling: exact           # of a smoothed star: exact = integral over each pixel, flux kept to 1e-10\n"
        "                              # | peer = samples in each pixel, as Synthesizer: flux kept to 1e-3, and a\n"
        "                              # point on a pixel's edge counted twice. Left out it is peer, not exact\n",
    },
    .title = "luminosity images",
    .stage = "Luminosity Images",
    .needs = NEEDS_IMAGES,
    .needs_more = needs_of,
    .parts = parts_of,
    .kind = { &luminosity_outside, &luminosities },
    .declare = declare,
    .run = { NULL, NULL, images_again, images_end },
};

const struct operation operation_images_flux = {
    .job = {
    .key = "images_flux",
    .fields = fields,
    .size = sizeof(struct job_images),
    .check = check,
    .amend_defaults = amend_defaults,
    .template_lines =
        "  images_flux:                # flux density in each pixel [nJy]; options as for images_luminosity\n"
        "    instruments: [all]\n"
        "    labels: [intrinsic]\n"
        "    fov_arcsec: 10\n"
        "    type: smoothed\n"
        "    kernel: sph_anarchy\n"
        "    sampling: exact\n",
    },
    .title = "flux images",
    .stage = "Flux Images",
    .frame = BAND_OBSERVED,
    .needs = NEEDS_IMAGES,
    .needs_more = needs_of,
    .parts = parts_of,
    .kind = { &flux_outside, &fluxes },
    .declare = declare,
    .run = { NULL, NULL, images_again, images_end },
};
