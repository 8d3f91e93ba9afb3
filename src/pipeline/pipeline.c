/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stages, in order. Each is a line in the tables at the end: its function, its name in traces, and
 * whether the job needs it.
 *
 * What only depends on redshift (distances, transmission, observed bands) is kept from galaxy to galaxy while
 * the redshift stays the same.
 */
#include "polyphony/pipeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bands of all filters of an operation, or of one instrument. */
struct band_set {
    struct band *rest;     /* [n_filter of all instruments] in the order of instruments and filters */
    struct band *observed; /* the same at the redshift in hand */
};

struct pipeline {
    struct plan *plan;
    struct trace_thread *trace;
    struct arena arena;       /* of the galaxy in hand */
    struct arena frame_arena; /* of the redshift in hand */
    double frame_redshift;    /* NAN before the first */
    struct observe_frame frame;
    double *screen; /* [n_lambda] fnu scale times transmission */
    struct band_set bands;
    size_t *first_filter; /* [n_instrument] index of its first filter in the bands */
    double *value;        /* [plan->n_value] */
    size_t peak_bytes;
    bool is_wanted[TRACE_STAGE_MAX];

    /* The galaxy in hand. */
    struct galaxy galaxy;
    struct stellar_light light;
    double *star_tau, *black_hole_tau;
    double *label_lnu[EMISSION_LABEL_MAX]; /* [n_lambda] or NULL where not needed */
};

static int no_memory(const struct pipeline *p, struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "galaxy %lld: no memory for its stages",
                     (long long)p->galaxy.id);
}

/* The product of a kind (and label), or NULL when the job does not ask for it. */
static const struct product *find_product(const struct plan *plan, enum product_kind kind, size_t i_label)
{
    for (size_t i = 0; i < plan->n_product; i++)
        if (plan->product[i].kind == kind && plan->product[i].i_label == i_label)
            return &plan->product[i];
    return NULL;
}

static double *value_of(struct pipeline *p, enum product_kind kind, size_t i_label)
{
    const struct product *product = find_product(p->plan, kind, i_label);

    return product ? p->value + product->offset : NULL;
}

static void set_integer(struct pipeline *p, enum product_kind kind, int64_t value)
{
    memcpy(value_of(p, kind, 0), &value, sizeof(value));
}

/* ---- the stages ------------------------------------------------------------------------------------------
 */

static int stage_load(struct pipeline *p, struct error *err)
{
    int r = catalogue_read(p->plan->catalogue, p->galaxy.row, &p->arena, &p->galaxy, err);

    if (r)
        return r;
    p->galaxy.redshift = plan_redshift(p->plan, p->galaxy.row);
    set_integer(p, PRODUCT_ID, p->galaxy.id);
    set_integer(p, PRODUCT_N_STAR, (int64_t)p->galaxy.n_star);
    set_integer(p, PRODUCT_N_GAS, (int64_t)p->plan->catalogue->n_gas[p->galaxy.row]);
    set_integer(p, PRODUCT_N_BLACK_HOLE, (int64_t)p->plan->catalogue->n_black_hole[p->galaxy.row]);
    *value_of(p, PRODUCT_REDSHIFT, 0) = p->galaxy.redshift;
    return 0;
}

static int compare_double(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* Mean (weighted, if there are weights), median and maximum; zeros of nothing. */
static int summarise(struct pipeline *p, size_t n, const double *tau, const double *weight,
                     double ret_summary[3], struct error *err)
{
    double *sorted = arena_array(&p->arena, n, sizeof(*sorted));
    double sum = 0.0, total = 0.0;

    if (!sorted)
        return no_memory(p, err);
    if (n == 0)
        return 0;
    memcpy(sorted, tau, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_double);
    for (size_t i = 0; i < n; i++) {
        sum += tau[i] * (weight ? weight[i] : 1.0);
        total += weight ? weight[i] : 1.0;
    }
    ret_summary[0] = total > 0 ? sum / total : 0.0;
    ret_summary[1] = 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]);
    ret_summary[2] = sorted[n - 1];
    return 0;
}

static int stage_optical_depths(struct pipeline *p, struct error *err)
{
    const struct job_optical_depths *job = p->plan->job->operations.los_optical_depths;
    const struct galaxy *galaxy = &p->galaxy;
    int r;

    p->star_tau = arena_array(&p->arena, galaxy->n_star, sizeof(double));
    p->black_hole_tau = arena_array(&p->arena, galaxy->n_black_hole, sizeof(double));
    if (!p->star_tau || !p->black_hole_tau)
        return no_memory(p, err);
    r = observe_optical_depths(p->plan->los_kernel, *job->kappa_pc2_msun, galaxy, galaxy->n_star,
                               galaxy->star_x_kpc, galaxy->star_y_kpc, galaxy->star_z_kpc, p->star_tau,
                               &p->arena, err);
    if (!r && galaxy->n_black_hole)
        r = observe_optical_depths(p->plan->los_kernel, *job->kappa_pc2_msun, galaxy, galaxy->n_black_hole,
                                   galaxy->black_hole_x_kpc, galaxy->black_hole_y_kpc,
                                   galaxy->black_hole_z_kpc, p->black_hole_tau, &p->arena, err);
    if (!r)
        r = summarise(p, galaxy->n_star, p->star_tau, galaxy->star_mass_msun,
                      value_of(p, PRODUCT_STAR_TAU, 0), err);
    if (!r && galaxy->n_black_hole)
        r = summarise(p, galaxy->n_black_hole, p->black_hole_tau, NULL,
                      value_of(p, PRODUCT_BLACK_HOLE_TAU, 0), err);
    return r;
}

static int stage_sfzh(struct pipeline *p, struct error *err)
{
    double *sfzh = value_of(p, PRODUCT_SFZH, 0);

    return observe_sfzh(p->plan->grid, p->plan->scheme, &p->galaxy, sfzh, &p->arena, err);
}

static int stage_sfh(struct pipeline *p, struct error *err)
{
    double *sfh = value_of(p, PRODUCT_SFH, 0);

    return observe_sfh(p->plan->grid, p->plan->scheme, &p->galaxy, sfh, &p->arena, err);
}

static int stage_weights(struct pipeline *p, struct error *err)
{
    const struct plan *plan = p->plan;
    const struct job_emission *job = &plan->job->emission;
    const char *const source[EMISSION_N_PARAMETER] = { job->tau_v, job->fesc, job->fesc_ly_alpha };
    struct observe_parameter parameter[EMISSION_N_PARAMETER] = { 0 };

    for (size_t i = 0; i < EMISSION_N_PARAMETER; i++) {
        size_t c = plan->parameter[i].i_catalogue;

        parameter[i].value = plan->parameter[i].value;
        parameter[i].source = source[i];
        if (plan->parameter[i].is_los)
            parameter[i].particle = p->star_tau;
        if (plan->parameter[i].is_catalogue) {
            parameter[i].value = p->galaxy.parameter[c];
            parameter[i].particle = p->galaxy.star_parameter[c];
        }
    }
    return observe_light(&plan->program, plan->grid, plan->scheme, plan->method, &p->galaxy, parameter,
                         &p->light, &p->arena, err);
}

/* Spectra go straight to the row where they are products; where only photometry needs them, to scratch. */
static int need_spectra(struct pipeline *p, const struct selection *selection, struct error *err)
{
    for (size_t l = 0; l < selection->n_label; l++) {
        size_t i = selection->i_label[l];

        if (p->label_lnu[i])
            continue;
        p->label_lnu[i] = value_of(p, PRODUCT_LNU, i);
        if (!p->label_lnu[i])
            p->label_lnu[i] = arena_array(&p->arena, p->plan->spectra.n, sizeof(double));
        if (!p->label_lnu[i])
            return no_memory(p, err);
    }
    return 0;
}

static int stage_spectra(struct pipeline *p, struct error *err)
{
    const struct plan *plan = p->plan;
    const struct selection *users[] = { &plan->lnu, &plan->fnu, &plan->luminosities, &plan->fluxes };
    int r = 0;

    memset(p->label_lnu, 0, sizeof(p->label_lnu));
    for (size_t u = 0; !r && u < sizeof(users) / sizeof(*users); u++)
        r = need_spectra(p, users[u], err);
    return r ? r : observe_sum(&p->light, &plan->spectra, p->label_lnu, &p->arena, err);
}

/* Distances, transmission and bands of the galaxy's redshift, unless they are those in hand. */
static int stage_frame(struct pipeline *p, struct error *err)
{
    const struct plan *plan = p->plan;
    const struct grid *grid = plan->grid;
    const struct observe_wavelengths wavelengths = { grid->n_lambda, plan->n_line, grid->lambda_rest_angstrom,
                                                     plan->line_lambda_rest_angstrom };
    int r;

    if (p->galaxy.redshift == p->frame_redshift)
        return 0;
    p->frame_redshift = (double)NAN;
    arena_reset(&p->frame_arena);
    r = observe_frame_make(&plan->cosmology, plan->igm, &wavelengths, p->galaxy.redshift, &p->frame,
                           &p->frame_arena, err);
    p->screen = arena_array(&p->frame_arena, grid->n_lambda, sizeof(double));
    if (!r && !p->screen)
        r = no_memory(p, err);
    for (size_t j = 0; !r && j < grid->n_lambda; j++)
        p->screen[j] = p->frame.fnu_scale * p->frame.transmission[j];
    for (size_t i = 0; i < plan->n_instrument; i++)
        for (size_t f = 0; !r && f < plan->instrument[i].n_filter; f++)
            r = band_make(&plan->instrument[i].filter[f], BAND_OBSERVED, p->galaxy.redshift, grid->n_lambda,
                          grid->lambda_rest_angstrom, &p->frame_arena,
                          &p->bands.observed[p->first_filter[i] + f], err);
    if (!r)
        p->frame_redshift = p->galaxy.redshift;
    return r;
}

static int stage_observed_spectra(struct pipeline *p, struct error *err)
{
    const struct selection *selection = &p->plan->fnu;

    (void)err;
    for (size_t l = 0; l < selection->n_label; l++)
        observe_fnu(&p->frame, p->plan->spectra.n, p->label_lnu[selection->i_label[l]],
                    value_of(p, PRODUCT_FNU, selection->i_label[l]));
    return 0;
}

/* ret_value[n_label][n_filter] from spectra that are there, through bands in the order of the selection. */
static int integrate(struct pipeline *p, const struct selection *selection, const struct band *bands,
                     bool is_observed, double *ret_value, struct error *err)
{
    size_t n = p->plan->spectra.n;
    double *fnu = is_observed ? arena_array(&p->arena, n, sizeof(*fnu)) : NULL;

    if (is_observed && !fnu)
        return no_memory(p, err);
    for (size_t l = 0; l < selection->n_label; l++) {
        const double *spectrum = p->label_lnu[selection->i_label[l]];

        if (is_observed)
            observe_fnu(&p->frame, n, spectrum, fnu);
        for (size_t i = 0; i < selection->n_instrument; i++) {
            size_t instrument = selection->i_instrument[i];

            observe_bands(p->plan->instrument[instrument].n_filter, bands + p->first_filter[instrument],
                          is_observed ? fnu : spectrum, ret_value);
            ret_value += p->plan->instrument[instrument].n_filter;
        }
    }
    return 0;
}

static int stage_luminosities(struct pipeline *p, struct error *err)
{
    double *value = value_of(p, PRODUCT_LUMINOSITIES, 0);

    return value ? integrate(p, &p->plan->luminosities, p->bands.rest, false, value, err) : 0;
}

static int stage_fluxes(struct pipeline *p, struct error *err)
{
    double *value = value_of(p, PRODUCT_FLUXES, 0);

    return value ? integrate(p, &p->plan->fluxes, p->bands.observed, true, value, err) : 0;
}

static int stage_lines(struct pipeline *p, struct error *err)
{
    const struct plan *plan = p->plan;
    const struct selection *selection = &plan->lines;
    double *luminosity[EMISSION_LABEL_MAX] = { 0 }, *continuum[EMISSION_LABEL_MAX] = { 0 };
    int r;

    if (!selection->n_label)
        return 0;
    for (size_t l = 0; l < selection->n_label; l++) {
        luminosity[selection->i_label[l]] = value_of(p, PRODUCT_LINE_LUMINOSITY, selection->i_label[l]);
        continuum[selection->i_label[l]] = value_of(p, PRODUCT_LINE_CONTINUUM, selection->i_label[l]);
    }
    r = observe_sum(&p->light, &plan->line_luminosity, luminosity, &p->arena, err);
    return r ? r : observe_sum(&p->light, &plan->line_continuum, continuum, &p->arena, err);
}

static int stage_line_fluxes(struct pipeline *p, struct error *err)
{
    const struct plan *plan = p->plan;
    const struct selection *selection = &plan->line_fluxes;
    double *flux[EMISSION_LABEL_MAX] = { 0 }, *lambda = value_of(p, PRODUCT_LINE_LAMBDA, 0);
    int r;

    if (!selection->n_label)
        return 0;
    for (size_t l = 0; l < selection->n_label; l++)
        flux[selection->i_label[l]] = value_of(p, PRODUCT_LINE_FLUX, selection->i_label[l]);
    memcpy(lambda, p->frame.line_lambda_angstrom, plan->n_line * sizeof(*lambda));
    r = observe_sum(&p->light, &plan->line_luminosity, flux, &p->arena, err);
    for (size_t l = 0; !r && l < selection->n_label; l++)
        observe_line_flux(&p->frame, plan->n_line, flux[selection->i_label[l]], flux[selection->i_label[l]]);
    return r;
}

static int make_images(struct pipeline *p, const struct image_plan *images, enum product_kind kind,
                       const struct band *bands, const double *screen, struct error *err)
{
    const struct plan *plan = p->plan;
    const struct selection *selection = &images->selection;
    const struct product *product = plan->product;
    int r = 0;

    while (images->is_wanted && product->kind != kind)
        product++;
    for (size_t i = 0; images->is_wanted && !r && i < selection->n_instrument; i++) {
        const struct instrument *instrument = &plan->instrument[selection->i_instrument[i]];
        size_t n_channel = selection->n_label * instrument->n_filter;
        struct arena_mark mark = arena_mark(&p->arena);
        double *value = arena_array(&p->arena, p->galaxy.n_star * n_channel, sizeof(*value));

        if (!value)
            return no_memory(p, err);
        r = observe_particle_bands(&p->light, &plan->spectra, selection->n_label, selection->i_label,
                                   instrument->n_filter, bands + p->first_filter[selection->i_instrument[i]],
                                   screen, value, &p->arena, err);
        if (!r)
            r = observe_images(images->table, &p->galaxy, p->frame.distances.arcsec_per_kpc,
                               images->n_pixel[i], instrument->resolution_arcsec, n_channel, value,
                               p->value + product->offset, &p->arena, err);
        product += n_channel;
        arena_release(&p->arena, mark);
    }
    return r;
}

static int stage_luminosity_images(struct pipeline *p, struct error *err)
{
    return make_images(p, &p->plan->images[0], PRODUCT_IMAGE_LUMINOSITY, p->bands.rest, NULL, err);
}

static int stage_flux_images(struct pipeline *p, struct error *err)
{
    return make_images(p, &p->plan->images[1], PRODUCT_IMAGE_FLUX, p->bands.observed, p->screen, err);
}

/* ---- the table, and the run through it --------------------------------------------------------------------
 */

typedef int (*stage_function)(struct pipeline *p, struct error *err);

static const stage_function stages[] = {
    stage_load,
    stage_optical_depths,
    stage_sfzh,
    stage_sfh,
    stage_weights,
    stage_spectra,
    stage_frame,
    stage_observed_spectra,
    stage_luminosities,
    stage_fluxes,
    stage_lines,
    stage_line_fluxes,
    stage_luminosity_images,
    stage_flux_images,
};

#define N_STAGE (sizeof(stages) / sizeof(*stages))

const char *const pipeline_stage_names[N_STAGE + 1] = {
    "Reading",
    "LOS optical depths",
    "SFZH",
    "SFH",
    "Grid weights",
    "Lnu Spectra",
    "Observer frame",
    "Fnu Spectra",
    "Luminosities",
    "Fluxes",
    "Emission Line Luminosities",
    "Emission Line Fluxes",
    "Luminosity Images",
    "Flux Images",
    "Writing",
};

size_t pipeline_stage_count(void)
{
    return N_STAGE + 1;
}

size_t pipeline_stage_write(void)
{
    return N_STAGE;
}

/* Which stages the job asks for, or another stage needs. */
static void choose_stages(struct pipeline *p)
{
    const struct plan *plan = p->plan;
    const struct job_operations *ops = &plan->job->operations;
    const bool is_wanted[N_STAGE] = {
        true, /* reading */
        ops->los_optical_depths,
        ops->sfzh,
        ops->sfh,
        plan->needs_light,
        ops->spectra || ops->observed_spectra || ops->photometry_luminosities || ops->photometry_fluxes,
        plan->needs_observer,
        ops->observed_spectra,
        ops->photometry_luminosities,
        ops->photometry_fluxes,
        ops->lines,
        ops->observed_lines,
        ops->images_luminosity,
        ops->images_flux,
    };

    memcpy(p->is_wanted, is_wanted, sizeof(is_wanted));
}

int pipeline_run(struct pipeline *p, uint64_t row, struct pipeline_row *ret_row, struct error *err)
{
    const struct job_optical_depths *job = p->plan->job->operations.los_optical_depths;
    int64_t now = trace_begin_galaxy(p->trace, row, p->plan->catalogue->n_star[row]);
    int r = 0;

    arena_reset(&p->arena);
    memset(p->value, 0, p->plan->n_value * sizeof(*p->value));
    p->galaxy = (struct galaxy) { .row = row, .id = p->plan->catalogue->id[row] };
    for (size_t s = 0; !r && s < N_STAGE; s++) {
        if (!p->is_wanted[s])
            continue;
        r = stages[s](p, err);
        now = trace_end(p->trace, s, now);
        ret_row->stage = pipeline_stage_names[s];
    }
    p->peak_bytes = p->arena.peak_bytes + p->frame_arena.peak_bytes;
    if (r)
        return r;
    *ret_row = (struct pipeline_row) { .row = row, .value = p->value, .stage = "" };
    if (job && *job->write_particles) {
        ret_row->n_star = p->galaxy.n_star;
        ret_row->n_black_hole = p->galaxy.n_black_hole;
        ret_row->star_tau = p->star_tau;
        ret_row->black_hole_tau = p->black_hole_tau;
    }
    return 0;
}

int pipeline_open(struct plan *plan, struct trace_thread *trace, struct pipeline **ret_pipeline,
                  struct error *err)
{
    struct pipeline *p = mem_array(1, sizeof(*p));
    size_t n_filter = 0;
    int r = 0;

    if (p) {
        p->plan = plan;
        p->trace = trace;
        p->frame_redshift = (double)NAN;
        choose_stages(p);
        p->value = mem_array(plan->n_value, sizeof(*p->value));
        p->first_filter = mem_array(plan->n_instrument, sizeof(*p->first_filter));
        for (size_t i = 0; p->first_filter && i < plan->n_instrument; i++) {
            p->first_filter[i] = n_filter;
            n_filter += plan->instrument[i].n_filter;
        }
        p->bands.rest = mem_array(n_filter, sizeof(struct band));
        p->bands.observed = mem_array(n_filter, sizeof(struct band));
    }
    if (!p || !p->value || !p->first_filter || !p->bands.rest || !p->bands.observed) {
        pipeline_close(p);
        return error_set(err, POLYPHONY_INTERNAL, "no memory for a row of %zu values", plan->n_value);
    }
    for (size_t i = 0; i < plan->n_instrument; i++)
        for (size_t f = 0; !r && f < plan->instrument[i].n_filter; f++)
            r = band_make(&plan->instrument[i].filter[f], BAND_REST, 0.0, plan->grid->n_lambda,
                          plan->grid->lambda_rest_angstrom, &plan->arena,
                          &p->bands.rest[p->first_filter[i] + f], err);
    if (r) {
        pipeline_close(p);
        return r;
    }
    *ret_pipeline = p;
    return 0;
}

void pipeline_close(struct pipeline *p)
{
    if (!p)
        return;
    arena_free(&p->arena);
    arena_free(&p->frame_arena);
    free(p->value);
    free(p->first_filter);
    free(p->bands.rest);
    free(p->bands.observed);
    free(p);
}

size_t pipeline_peak_bytes(const struct pipeline *p)
{
    return p->peak_bytes;
}
