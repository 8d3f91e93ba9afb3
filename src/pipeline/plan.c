/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plan_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *plan_array(struct plan *plan, size_t n, size_t size, int *r, struct error *err)
{
    void *array = *r ? NULL : arena_zeros(&plan->arena, n, size);

    if (!*r && !array)
        *r = error_set(err, POLYPHONY_INTERNAL, "no memory for the plan of the job");
    return array;
}

void plan_warn(struct plan *plan, const char *format, ...)
{
    va_list args;
    struct error text;

    if (plan->n_warning == PLAN_WARNING_MAX)
        return;
    va_start(args, format);
    vsnprintf(text.text, sizeof(text.text), format, args);
    va_end(args);
    text_format(plan->warning[plan->n_warning++], sizeof(plan->warning[0]), "%s", text.text);
}

/* ---- names of the job to things ------------------------------------------------------------------------ */

/* A room reported an unknown name: say at which line of the job. */
static int at_key(const struct plan *plan, int r, const char *key, struct error *err)
{
    char text[sizeof(err->text)];

    if (!r || !err)
        return r;
    memcpy(text, err->text, sizeof(text));
    job_error(plan->job, err, key, "%s", text);
    return r;
}

static int resolve_cosmology(struct plan *plan, struct error *err)
{
    const struct job_cosmology *job = &plan->job->cosmology;
    int r;

    if (strcmp(job->name, "custom"))
        return at_key(plan, cosmology_find(job->name, &plan->cosmology, err), "cosmology.name", err);
    plan->cosmology = (struct cosmology){ .h0_km_s_mpc = *job->h0_km_s_mpc, .omega_m = *job->omega_m,
                                          .t_cmb_k = *job->t_cmb_k, .n_eff = *job->n_eff };
    for (unsigned i = 0; i < 3 && i < job->n_m_nu_ev; i++)
        plan->cosmology.m_nu_ev[i] = job->m_nu_ev[i];
    r = cosmology_check(&plan->cosmology, err);
    return at_key(plan, r, "cosmology", err);
}

static int resolve_names(struct plan *plan, struct error *err)
{
    const struct job *job = plan->job;
    const struct job_operations *ops = &job->operations;
    /* A slope that was not given is the curve's own. */
    double slope = job_given(job, "emission.dust_slope") ? *job->emission.dust_slope : (double)NAN;
    int r = resolve_cosmology(plan, err);

    if (!r)
        r = at_key(plan, igm_find(job->igm, &plan->igm, err), "igm", err);
    if (!r)
        r = at_key(plan, dust_curve_find(job->emission.dust_curve, slope, &plan->curve, err), "emission.dust_curve",
                   err);
    if (!r)
        r = at_key(plan, emission_model_find(job->emission.model, &plan->model, err), "emission.model", err);
    if (!r && ops->los_optical_depths)
        r = at_key(plan, sph_kernel_find(ops->los_optical_depths->kernel, &plan->los_kernel, err),
                   "operations.los_optical_depths.kernel", err);
    plan->scheme = *job->emission.grid_assignment == JOB_ASSIGN_NGP ? WEIGHTS_NGP : WEIGHTS_CIC;
    plan->method = *job->emission.method == JOB_METHOD_DIRECT ? OBSERVE_DIRECT : OBSERVE_FAST;
    plan->redshift_is_given = job_is_number(job->redshift, &plan->redshift);
    return r;
}

/* Parameters: a number, "los", or a name in the catalogue (listed in needs). */
static void resolve_parameters(struct plan *plan, struct catalogue_needs *needs)
{
    const struct job_emission *job = &plan->job->emission;
    const char *const text[EMISSION_N_PARAMETER] = { job->tau_v, job->fesc, job->fesc_ly_alpha };

    for (size_t p = 0; p < EMISSION_N_PARAMETER; p++) {
        if (job_is_number(text[p], &plan->parameter[p].value))
            continue;
        if (p == EMISSION_TAU_V && !strcmp(text[p], "los")) {
            plan->parameter[p].is_los = true;
            continue;
        }
        plan->parameter[p].is_catalogue = true;
        plan->parameter[p].i_catalogue = needs->n_parameter;
        needs->parameter[needs->n_parameter++] = text[p];
    }
}

static bool name_is_all(char *const *names, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!strcmp(names[i], "all"))
            return true;
    return false;
}

int plan_select(struct plan *plan, const char *key, char *const *labels, unsigned n_labels,
                char *const *instruments, unsigned n_instruments, struct selection *ret_selection,
                struct error *err)
{
    struct selection *selection = ret_selection;
    char path[128];
    int r = 0;

    text_format(path, sizeof(path), "operations.%s.labels", key);
    if (name_is_all(labels, n_labels))
        for (size_t l = 0; l < plan->program.n_label; l++)
            selection->i_label[selection->n_label++] = l;
    else
        for (unsigned i = 0; !r && i < n_labels; i++) {
            size_t l = 0;

            r = at_key(plan, emission_label_find(&plan->program, labels[i], &l, err), path, err);
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

/* ---- inputs ------------------------------------------------------------------------------------------------ */

static int open_instruments(struct plan *plan, struct error *err)
{
    const struct job *job = plan->job;
    int r = 0;

    plan->instrument = plan_array(plan, job->n_instruments, sizeof(*plan->instrument), &r, err);
    for (unsigned i = 0; !r && i < job->n_instruments; i++) {
        const struct job_instrument *given = &job->instruments[i];
        struct instrument *instrument = &plan->instrument[i];
        double resolution = given->resolution_arcsec ? *given->resolution_arcsec : 0.0;
        char key[64];

        text_format(key, sizeof(key), "instruments[%u].%s", i, given->builtin ? "builtin" : "filters");
        plan->n_instrument++;
        if (given->builtin) {
            r = at_key(plan, instrument_builtin(given->builtin, given->label, resolution, instrument, err), key, err);
            continue;
        }
        if (!text_format(instrument->label, sizeof(instrument->label), "%s", given->label))
            return job_error(job, err, key, "label '%s' is longer than %d bytes", given->label, INSTRUMENT_NAME_MAX - 1);
        text_format(instrument->source, sizeof(instrument->source), "filter curves from files");
        instrument->resolution_arcsec = resolution;
        instrument->filter = mem_array(given->n_filters, sizeof(*instrument->filter));
        if (!instrument->filter)
            return error_set(err, POLYPHONY_INTERNAL, "no memory for filters");
        for (unsigned f = 0; !r && f < given->n_filters; f++) {
            r = filter_read(given->filters[f].file, given->filters[f].code, &instrument->filter[f], err);
            instrument->n_filter += r ? 0 : 1;
        }
    }
    return r;
}

/* The same filter code in two instruments would be one path in the results. */
static int check_filter_codes(const struct plan *plan, struct error *err)
{
    for (size_t i = 0; i < plan->n_instrument; i++)
        for (size_t j = 0; j < i; j++)
            for (size_t f = 0; f < plan->instrument[i].n_filter; f++)
                for (size_t g = 0; g < plan->instrument[j].n_filter; g++)
                    if (!strcmp(plan->instrument[i].filter[f].code, plan->instrument[j].filter[g].code))
                        return job_error(plan->job, err, "instruments",
                                         "filter '%s' is in '%s' and in '%s'; give one of them another code",
                                         plan->instrument[i].filter[f].code, plan->instrument[j].label,
                                         plan->instrument[i].label);
    return 0;
}

static bool wants_smoothed(const struct job_images *images)
{
    return images && *images->type == JOB_IMAGE_SMOOTHED;
}

static int open_inputs(struct plan *plan, struct error *err)
{
    const struct job_operations *ops = &plan->job->operations;
    struct catalogue_needs needs = { .redshift = !plan->redshift_is_given,
                                     .star_smoothing_lengths =
                                             wants_smoothed(ops->images_luminosity) || wants_smoothed(ops->images_flux),
                                     .gas = ops->los_optical_depths,
                                     .black_holes = ops->los_optical_depths,
                                     .dust_to_metal_ratio = *plan->job->dust_to_metal_ratio };
    struct grid_needs grid_needs = { .lines = ops->lines || ops->observed_lines };
    bool is_per_particle[EMISSION_N_PARAMETER];
    int r;

    resolve_parameters(plan, &needs);
    r = catalogue_open(plan->job->catalogue, &needs, &plan->catalogue, err);
    if (r)
        return r;
    for (size_t p = 0; p < EMISSION_N_PARAMETER; p++)
        is_per_particle[p] = plan->parameter[p].is_los ||
                             (plan->parameter[p].is_catalogue &&
                              plan->catalogue->parameter_is_per_particle[plan->parameter[p].i_catalogue]);
    r = at_key(plan, emission_compile(plan->model, is_per_particle, &plan->program, err), "emission.model", err);
    if (r)
        return r;
    grid_needs.n_spectrum = plan->program.n_extract;
    memcpy(grid_needs.spectrum, plan->program.extract, sizeof(grid_needs.spectrum));
    r = grid_open(plan->job->grid, &grid_needs, &plan->grid, err);
    if (!r)
        r = open_instruments(plan, err);
    return r ? r : check_filter_codes(plan, err);
}

/* ---- columns ------------------------------------------------------------------------------------------------ */

static int make_spectra_columns(struct plan *plan, struct error *err)
{
    const struct grid *grid = plan->grid;
    int r = 0;
    double *k = plan_array(plan, grid->n_lambda, sizeof(*k), &r, err);
    bool *is_ly_alpha = plan_array(plan, grid->n_lambda, sizeof(*is_ly_alpha), &r, err);

    if (r)
        return r;
    for (size_t j = 0; j < grid->n_lambda; j++)
        k[j] = dust_curve_k(&plan->curve, grid->lambda_rest_angstrom[j]);
    emission_ly_alpha_pixels(grid->n_lambda, grid->lambda_rest_angstrom, is_ly_alpha);
    plan->spectra = (struct observe_columns){ .n = grid->n_lambda, .k = k, .is_ly_alpha = is_ly_alpha };
    for (size_t e = 0; e < grid->n_spectrum; e++)
        plan->spectra.value[e] = grid->spectrum[e].lnu;
    return 0;
}

static int find_line(const struct plan *plan, const char *key, const char *id, size_t *ret_line, struct error *err)
{
    const struct grid *grid = plan->grid;
    const char *nearest = NULL;

    for (size_t i = 0; i < grid->n_line; i++) {
        const char *name = grid->line_id[i];

        if (!strcmp(name, id)) {
            *ret_line = i;
            return 0;
        }
        if (text_nearest(id, &name, 1) && !nearest)
            nearest = name;
    }
    return job_error(plan->job, err, key, "the grid has no line '%s'%s%s%s", id, nearest ? "; there is '" : "",
                     nearest ? nearest : "", nearest ? "', for one" : "");
}

/* The lines of both line operations: those asked for, in the order of the list, or all in grid order. */
static int select_lines(struct plan *plan, const char *key, const struct job_lines *job, struct error *err)
{
    char path[64];
    int r = 0;

    text_format(path, sizeof(path), "operations.%s.ids", key);
    plan->n_line = name_is_all(job->ids, job->n_ids) ? plan->grid->n_line : job->n_ids;
    plan->i_line = plan_array(plan, plan->n_line, sizeof(*plan->i_line), &r, err);
    for (size_t i = 0; !r && i < plan->n_line; i++) {
        plan->i_line[i] = i;
        if (!name_is_all(job->ids, job->n_ids))
            r = find_line(plan, path, job->ids[i], &plan->i_line[i], err);
    }
    return r;
}

/* A table with the wanted columns only. */
static const double *pick_columns(struct plan *plan, const double *value, int *r, struct error *err)
{
    const struct grid *grid = plan->grid;
    double *picked;

    if (!value)
        return NULL;
    picked = plan_array(plan, grid->n_cell * plan->n_line, sizeof(*picked), r, err);
    for (size_t c = 0; !*r && c < grid->n_cell; c++)
        for (size_t i = 0; i < plan->n_line; i++)
            picked[c * plan->n_line + i] = value[c * grid->n_line + plan->i_line[i]];
    return picked;
}

static bool ids_are_equal(const struct job_lines *a, const struct job_lines *b)
{
    for (unsigned i = 0; i < a->n_ids && a->n_ids == b->n_ids; i++)
        if (strcmp(a->ids[i], b->ids[i]))
            return false;
    return a->n_ids == b->n_ids;
}

static int make_line_columns(struct plan *plan, struct error *err)
{
    const struct job_operations *ops = &plan->job->operations;
    const struct grid *grid = plan->grid;
    double *k, *lambda;
    bool *is_ly_alpha;
    int r = 0;

    if (ops->lines && ops->observed_lines && !ids_are_equal(ops->lines, ops->observed_lines))
        return job_error(plan->job, err, "operations.observed_lines.ids",
                         "must be the same list as operations.lines.ids");
    r = ops->lines ? select_lines(plan, "lines", ops->lines, err) :
                     select_lines(plan, "observed_lines", ops->observed_lines, err);
    k = plan_array(plan, plan->n_line, sizeof(*k), &r, err);
    lambda = plan_array(plan, plan->n_line, sizeof(*lambda), &r, err);
    is_ly_alpha = plan_array(plan, plan->n_line, sizeof(*is_ly_alpha), &r, err);
    if (r)
        return r;
    for (size_t i = 0; i < plan->n_line; i++) {
        lambda[i] = grid->line_lambda_rest_angstrom[plan->i_line[i]];
        k[i] = dust_curve_k(&plan->curve, lambda[i]);
    }
    emission_ly_alpha_lines(grid->n_lambda, grid->lambda_rest_angstrom, plan->n_line, lambda, is_ly_alpha);
    plan->line_luminosity = (struct observe_columns){ .n = plan->n_line, .k = k, .is_ly_alpha = is_ly_alpha };
    plan->line_continuum = plan->line_luminosity;
    for (size_t e = 0; !r && e < grid->n_spectrum; e++) {
        plan->line_luminosity.value[e] = pick_columns(plan, grid->spectrum[e].line_luminosity, &r, err);
        plan->line_continuum.value[e] = pick_columns(plan, grid->spectrum[e].line_continuum, &r, err);
    }
    return r;
}

/* ---- images and filters ---------------------------------------------------------------------------------------- */

/* All galaxies must have images of the same size: a field in kpc at different redshifts is not. */
static int count_pixels(struct plan *plan, const char *key, struct image_plan *images, size_t i_selected,
                        struct error *err)
{
    const struct instrument *instrument = &plan->instrument[images->selection.i_instrument[i_selected]];
    size_t n_galaxy = plan->redshift_is_given ? 1 : plan->catalogue->n_galaxy;
    double first = plan_redshift(plan, 0), last = -1.0;
    char path[96];
    int r = 0;

    text_format(path, sizeof(path), "operations.%s.%s", key, images->fov_kpc > 0 ? "fov_kpc" : "fov_arcsec");
    for (size_t row = 0; !r && row < n_galaxy; row++) {
        double redshift = plan_redshift(plan, row), fov_arcsec = images->fov_arcsec;
        struct distances distances;
        size_t n;

        if (redshift == last || (row > 0 && !(images->fov_kpc > 0)))
            continue;
        last = redshift;
        if (images->fov_kpc > 0) {
            r = cosmology_distances(&plan->cosmology, redshift, &distances, err);
            fov_arcsec = r ? 0 : images->fov_kpc * distances.arcsec_per_kpc;
        }
        n = observe_pixel_count(fov_arcsec, instrument->resolution_arcsec);
        if (!r && n == 0)
            return job_error(plan->job, err, path,
                             "a field of %g arcsec at redshift %g is not 1 to 65535 pixels of %g arcsec of instrument '%s'",
                             fov_arcsec, redshift, instrument->resolution_arcsec, instrument->label);
        if (row == 0)
            images->n_pixel[i_selected] = n;
        else if (!r && n != images->n_pixel[i_selected])
            return job_error(plan->job, err, path,
                             "is %zu pixels at redshift %g but %zu at %g; give fov_arcsec instead, or one redshift",
                             images->n_pixel[i_selected], first, n, redshift);
    }
    return r;
}

static int plan_images(struct plan *plan, const char *key, const struct job_images *job, struct image_plan *images,
                       struct error *err)
{
    enum sph_kernel kernel;
    char path[64];
    int r;

    if (!job)
        return 0;
    images->is_wanted = true;
    images->fov_kpc = job->fov_kpc ? *job->fov_kpc : 0.0;
    images->fov_arcsec = job->fov_arcsec ? *job->fov_arcsec : 0.0;
    plan->needs_observer = true; /* the angular scale */
    r = plan_select(plan, key, job->labels, job->n_labels, job->instruments, job->n_instruments, &images->selection,
                    err);
    images->n_pixel = plan_array(plan, images->selection.n_instrument, sizeof(size_t), &r, err);
    for (size_t i = 0; !r && i < images->selection.n_instrument; i++)
        r = count_pixels(plan, key, images, i, err);
    if (r || *job->type == JOB_IMAGE_HISTOGRAM)
        return r;
    text_format(path, sizeof(path), "operations.%s.kernel", key);
    r = at_key(plan, sph_kernel_find(job->kernel, &kernel, err), path, err);
    return r ? r : kernel_table_open(kernel, &images->table, err);
}

/* Does the filter see any of the grid at this redshift, and all of it? */
static int check_filter(struct plan *plan, const struct filter *filter, enum band_frame frame, double redshift,
                        struct error *err)
{
    const struct grid *grid = plan->grid;
    double *t = arena_array(&plan->arena, grid->n_lambda, sizeof(*t));
    double stretch = frame == BAND_REST ? 1.0 : 1.0 + redshift;
    double low = grid->lambda_rest_angstrom[0] * stretch, high = grid->lambda_rest_angstrom[grid->n_lambda - 1] * stretch;
    double curve_low = 0.0, curve_high = 0.0;
    size_t n_positive = 0;

    if (!t)
        return error_set(err, POLYPHONY_INTERNAL, "no memory to check filters");
    filter_on_grid(filter, frame, redshift, grid->n_lambda, grid->lambda_rest_angstrom, t);
    for (size_t j = 0; j < grid->n_lambda; j++)
        n_positive += t[j] > 0;
    for (size_t i = filter->n; i-- > 0;)
        if (filter->transmission[i] > 0) {
            curve_low = filter->lambda_angstrom[i];
            curve_high = fmax(curve_high, filter->lambda_angstrom[i]);
        }
    if (n_positive < 2)
        return error_set(err, POLYPHONY_INPUT,
                         "filter '%s' (%g to %g angstrom) is outside the grid '%s', which covers %g to %g angstrom%s; "
                         "leave the filter out, or use another grid",
                         filter->code, curve_low, curve_high, plan->job->grid, low, high,
                         frame == BAND_REST ? " in the rest frame" : " at the redshift of the galaxies");
    if (curve_low < low || curve_high > high)
        plan_warn(plan, "filter '%s' (%g to %g angstrom) is cut off by the grid, which covers %g to %g angstrom",
                  filter->code, curve_low, curve_high, low, high);
    return 0;
}

static int check_filters(struct plan *plan, const struct selection *selection, enum band_frame frame,
                         struct error *err)
{
    double low = plan_redshift(plan, 0), high = low;
    int r = 0;

    for (size_t row = 0; row < plan->catalogue->n_galaxy; row++) {
        low = fmin(low, plan_redshift(plan, row));
        high = fmax(high, plan_redshift(plan, row));
    }
    for (size_t i = 0; i < selection->n_instrument; i++) {
        const struct instrument *instrument = &plan->instrument[selection->i_instrument[i]];

        for (size_t f = 0; !r && f < instrument->n_filter; f++) {
            r = check_filter(plan, &instrument->filter[f], frame, low, err);
            if (!r && frame == BAND_OBSERVED && high > low)
                r = check_filter(plan, &instrument->filter[f], frame, high, err);
        }
    }
    return r;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

static int plan_operations(struct plan *plan, struct error *err)
{
    const struct job_operations *ops = &plan->job->operations;
    char all_text[] = "all", *all[] = { all_text };
    int r = 0;

    if (ops->spectra)
        r = plan_select(plan, "spectra", ops->spectra->labels, ops->spectra->n_labels, NULL, 0, &plan->lnu, err);
    if (!r && ops->observed_spectra)
        r = plan_select(plan, "observed_spectra", ops->observed_spectra->labels, ops->observed_spectra->n_labels, NULL,
                        0, &plan->fnu, err);
    if (!r && ops->photometry_luminosities) {
        const struct job_photometry *job = ops->photometry_luminosities;

        r = plan_select(plan, "photometry_luminosities", job->labels, job->n_labels, job->instruments,
                        job->n_instruments, &plan->luminosities, err);
        if (!r)
            r = check_filters(plan, &plan->luminosities, BAND_REST, err);
    }
    if (!r && ops->photometry_fluxes) {
        const struct job_photometry *job = ops->photometry_fluxes;

        r = plan_select(plan, "photometry_fluxes", job->labels, job->n_labels, job->instruments, job->n_instruments,
                        &plan->fluxes, err);
        if (!r)
            r = check_filters(plan, &plan->fluxes, BAND_OBSERVED, err);
    }
    if (!r && ops->lines)
        r = plan_select(plan, "lines", ops->lines->labels, ops->lines->n_labels, all, 0, &plan->lines, err);
    if (!r && ops->observed_lines)
        r = plan_select(plan, "observed_lines", ops->observed_lines->labels, ops->observed_lines->n_labels, all, 0,
                        &plan->line_fluxes, err);
    if (!r && (ops->lines || ops->observed_lines))
        r = make_line_columns(plan, err);
    if (!r)
        r = plan_images(plan, "images_luminosity", ops->images_luminosity, &plan->images[0], err);
    if (!r)
        r = plan_images(plan, "images_flux", ops->images_flux, &plan->images[1], err);
    if (!r && plan->images[0].is_wanted)
        r = check_filters(plan, &plan->images[0].selection, BAND_REST, err);
    if (!r && plan->images[1].is_wanted)
        r = check_filters(plan, &plan->images[1].selection, BAND_OBSERVED, err);
    plan->needs_observer |= ops->observed_spectra || ops->photometry_fluxes || ops->observed_lines;
    return r;
}

int plan_open(const struct job *job, struct plan **ret_plan, struct error *err)
{
    struct plan *plan = mem_array(1, sizeof(*plan));
    int r;

    if (!plan)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for the plan of the job");
    plan->job = job;
    r = resolve_names(plan, err);
    if (!r)
        r = open_inputs(plan, err);
    if (!r)
        r = make_spectra_columns(plan, err);
    if (!r)
        r = plan_operations(plan, err);
    if (!r)
        r = plan_products(plan, err);
    if (!r && job->operations.los_optical_depths && plan->catalogue->n_gas_all == 0)
        plan_warn(plan, "'%s' has no gas: all optical depths from the line of sight are 0", job->catalogue);
    if (r) {
        plan_close(plan);
        return r;
    }
    *ret_plan = plan;
    return 0;
}

void plan_close(struct plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->n_instrument; i++)
        instrument_free(&plan->instrument[i]);
    for (size_t i = 0; i < 2; i++)
        kernel_table_free(plan->images[i].table);
    catalogue_close(plan->catalogue);
    grid_free(plan->grid);
    arena_free(&plan->arena);
    free(plan);
}

double plan_redshift(const struct plan *plan, uint64_t row)
{
    return plan->redshift_is_given ? plan->redshift : plan->catalogue->redshift[row];
}
