/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stages, in order. Each is a line in the table at the end: what it does in each phase.
 *
 * What only depends on redshift (distances, transmission, observed bands) is kept from galaxy to galaxy while
 * the redshift stays the same. Sums over stars go straight to the row, or to the arena of the galaxy, and go
 * on from tile to tile; what a stage needs of one tile only is handed back.
 */
#include "pipeline_private.h"

#include <math.h>
#include <string.h>

static int no_memory(const struct pipeline *p, struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "galaxy %lld: no memory for its stages",
                     (long long)p->galaxy.id);
}

static bool is_in_tiles(const struct pipeline *p)
{
    return p->tiling.n_tile > 1;
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

/* ---- reading --------------------------------------------------------------------------------- */

static int load_tile(struct pipeline *p, struct error *err)
{
    int r = pipeline_take_tile(p, err);

    if (r)
        return r;
    catalogue_add_centre(&p->galaxy, p->centre_sum_kpc);
    return 0;
}

static int load_all(struct pipeline *p, struct error *err)
{
    const struct catalogue *catalogue = p->plan->catalogue;
    uint64_t row = p->galaxy.row;

    set_integer(p, PRODUCT_ID, p->galaxy.id);
    set_integer(p, PRODUCT_N_STAR, (int64_t)catalogue->n_star[row]);
    set_integer(p, PRODUCT_N_GAS, (int64_t)catalogue->n_gas[row]);
    set_integer(p, PRODUCT_N_BLACK_HOLE, (int64_t)catalogue->n_black_hole[row]);
    *value_of(p, PRODUCT_REDSHIFT, 0) = p->galaxy.redshift;
    return catalogue_set_centre(catalogue, p->centre_sum_kpc, &p->galaxy, err);
}

static int load_again(struct pipeline *p, struct error *err)
{
    return is_in_tiles(p) ? pipeline_take_tile(p, err) : 0;
}

/* ---- optical depths -------------------------------------------------------------------------- */

/* The gas, and the black holes behind it. */
static int sort_gas(struct pipeline *p, double kappa_pc2_msun, struct error *err)
{
    const struct galaxy *galaxy = &p->galaxy;
    int r;

    arena_reset(&p->gas_arena);
    p->depths = (struct observe_depths) { 0 };
    p->star_tau = arena_array(&p->arena, p->plan->catalogue->n_star[galaxy->row], sizeof(double));
    p->black_hole_tau = arena_array(&p->arena, galaxy->n_black_hole, sizeof(double));
    if (!p->star_tau || !p->black_hole_tau)
        return no_memory(p, err);
    r = observe_gas_index(p->plan->los_kernel, galaxy, &p->gas, &p->gas_arena, err);
    if (!r)
        observe_optical_depths(p->gas, kappa_pc2_msun, galaxy->n_black_hole, galaxy->black_hole_x_kpc,
                               galaxy->black_hole_y_kpc, galaxy->black_hole_z_kpc, p->black_hole_tau);
    return r;
}

static int depths_tile(struct pipeline *p, struct error *err)
{
    double kappa_pc2_msun = *p->plan->job->operations.los_optical_depths->kappa_pc2_msun;
    const struct galaxy *galaxy = &p->galaxy;
    double *tau;
    int r = p->i_tile == 0 ? sort_gas(p, kappa_pc2_msun, err) : 0;

    if (r)
        return r;
    tau = p->star_tau + galaxy->first_star;
    observe_optical_depths(p->gas, kappa_pc2_msun, galaxy->n_star, galaxy->star_x_kpc, galaxy->star_y_kpc,
                           galaxy->star_z_kpc, tau);
    observe_depths_add(&p->depths, galaxy->n_star, tau, galaxy->star_mass_msun);
    return 0;
}

static int depths_all(struct pipeline *p, struct error *err)
{
    struct observe_depths depths = { 0 };
    size_t n = p->galaxy.n_black_hole;

    (void)err;
    observe_depths_summary(&p->depths, p->plan->catalogue->n_star[p->galaxy.row], p->star_tau,
                           value_of(p, PRODUCT_STAR_TAU, 0));
    observe_depths_add(&depths, n, p->black_hole_tau, NULL);
    if (n)
        observe_depths_summary(&depths, n, p->black_hole_tau, value_of(p, PRODUCT_BLACK_HOLE_TAU, 0));
    return 0;
}

/* ---- histories ------------------------------------------------------------------------------- */

static int sfzh_tile(struct pipeline *p, struct error *err)
{
    (void)err;
    observe_sfzh(p->plan->grid, p->plan->scheme, &p->galaxy, value_of(p, PRODUCT_SFZH, 0));
    return 0;
}

static int sfh_tile(struct pipeline *p, struct error *err)
{
    (void)err;
    observe_sfh(p->plan->grid, p->plan->scheme, &p->galaxy, value_of(p, PRODUCT_SFH, 0));
    return 0;
}

/* ---- light ----------------------------------------------------------------------------------- */

static int place_stars(struct pipeline *p, struct error *err)
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
            parameter[i].particle = p->star_tau + p->galaxy.first_star;
        if (plan->parameter[i].is_catalogue) {
            parameter[i].value = p->galaxy.parameter[c];
            parameter[i].particle = p->galaxy.star_parameter[c];
        }
    }
    arena_reset(&p->tile_arena);
    return observe_light_place(&p->light, &p->galaxy, parameter, &p->tile_arena, err);
}

static int weights_tile(struct pipeline *p, struct error *err)
{
    const struct plan *plan = p->plan;
    int r = 0;

    if (p->i_tile == 0) {
        p->light = (struct stellar_light) {
            .program = &plan->program, .grid = plan->grid, .scheme = plan->scheme, .method = plan->method
        };
        r = observe_light_begin(&p->light, &p->arena, err);
    }
    if (!r)
        r = place_stars(p, err);
    if (!r)
        observe_light_add(&p->light);
    return r;
}

static int weights_all(struct pipeline *p, struct error *err)
{
    return observe_light_end(&p->light, &p->arena, err);
}

static int weights_again(struct pipeline *p, struct error *err)
{
    return is_in_tiles(p) ? place_stars(p, err) : 0;
}

/* ---- sums: spectra and lines ----------------------------------------------------------------- */

static int begin_sums(struct pipeline *p, enum sums_of which, const struct observe_columns *columns,
                      double *const *label, struct error *err)
{
    return observe_sums_begin(&p->light, columns, label, p->tiling.room, &p->sums[which], &p->arena, err);
}

static int add_sums(struct pipeline *p, enum sums_of which, struct error *err)
{
    struct observe_sums *sums = &p->sums[which];
    int r = observe_sums_add(&p->light, sums, &p->arena, err);

    return !r && p->i_tile + 1 == p->tiling.n_tile ? observe_sums_next(&p->light, sums, &p->arena, err) : r;
}

static int end_sums(struct pipeline *p, enum sums_of which, struct error *err)
{
    return observe_sums_end(&p->light, &p->sums[which], &p->arena, err);
}

/* Of a galaxy in one tile a stage is done before the next begins, and hands its scratch back. */
static void keep_mark(struct pipeline *p)
{
    p->sums_mark = arena_mark(&p->arena);
}

static void return_to_mark(struct pipeline *p)
{
    if (!is_in_tiles(p))
        arena_release(&p->arena, p->sums_mark);
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

static int spectra_all(struct pipeline *p, struct error *err)
{
    const struct plan *plan = p->plan;
    const struct selection *users[] = { &plan->lnu, &plan->fnu, &plan->luminosities, &plan->fluxes };
    int r = 0;

    memset(p->label_lnu, 0, sizeof(p->label_lnu));
    for (size_t u = 0; !r && u < sizeof(users) / sizeof(*users); u++)
        r = need_spectra(p, users[u], err);
    keep_mark(p);
    return r ? r : begin_sums(p, SUMS_SPECTRA, &plan->spectra, p->label_lnu, err);
}

static int spectra_again(struct pipeline *p, struct error *err)
{
    return add_sums(p, SUMS_SPECTRA, err);
}

static int spectra_end(struct pipeline *p, struct error *err)
{
    int r = end_sums(p, SUMS_SPECTRA, err);

    return_to_mark(p);
    return r;
}

static int lines_all(struct pipeline *p, struct error *err)
{
    const struct plan *plan = p->plan;
    const struct selection *selection = &plan->lines;
    double *luminosity[EMISSION_LABEL_MAX] = { 0 }, *continuum[EMISSION_LABEL_MAX] = { 0 };
    int r;

    for (size_t l = 0; l < selection->n_label; l++) {
        luminosity[selection->i_label[l]] = value_of(p, PRODUCT_LINE_LUMINOSITY, selection->i_label[l]);
        continuum[selection->i_label[l]] = value_of(p, PRODUCT_LINE_CONTINUUM, selection->i_label[l]);
    }
    keep_mark(p);
    r = begin_sums(p, SUMS_LINE_LUMINOSITY, &plan->line_luminosity, luminosity, err);
    return r ? r : begin_sums(p, SUMS_LINE_CONTINUUM, &plan->line_continuum, continuum, err);
}

static int lines_again(struct pipeline *p, struct error *err)
{
    int r = add_sums(p, SUMS_LINE_LUMINOSITY, err);

    return r ? r : add_sums(p, SUMS_LINE_CONTINUUM, err);
}

static int lines_end(struct pipeline *p, struct error *err)
{
    int r = end_sums(p, SUMS_LINE_LUMINOSITY, err);

    if (!r)
        r = end_sums(p, SUMS_LINE_CONTINUUM, err);
    return_to_mark(p);
    return r;
}

static int line_fluxes_all(struct pipeline *p, struct error *err)
{
    const struct plan *plan = p->plan;
    const struct selection *selection = &plan->line_fluxes;
    double *flux[EMISSION_LABEL_MAX] = { 0 };

    for (size_t l = 0; l < selection->n_label; l++)
        flux[selection->i_label[l]] = value_of(p, PRODUCT_LINE_FLUX, selection->i_label[l]);
    keep_mark(p);
    return begin_sums(p, SUMS_LINE_FLUX, &plan->line_luminosity, flux, err);
}

static int line_fluxes_again(struct pipeline *p, struct error *err)
{
    return add_sums(p, SUMS_LINE_FLUX, err);
}

static int line_fluxes_end(struct pipeline *p, struct error *err)
{
    const struct plan *plan = p->plan;
    int r = end_sums(p, SUMS_LINE_FLUX, err);

    return_to_mark(p);
    for (size_t l = 0; !r && l < plan->line_fluxes.n_label; l++) {
        double *flux = value_of(p, PRODUCT_LINE_FLUX, plan->line_fluxes.i_label[l]);

        observe_line_flux(&p->frame, plan->n_line, flux, flux);
    }
    if (plan->line_fluxes.n_label)
        memcpy(value_of(p, PRODUCT_LINE_LAMBDA, 0), p->frame.line_lambda_angstrom,
               plan->n_line * sizeof(double));
    return r;
}

/* ---- the observer's frame, and what follows from spectra --------------------------------------- */

/* Distances, transmission and bands of the galaxy's redshift, unless they are those in hand. */
static int frame_all(struct pipeline *p, struct error *err)
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

static int observed_spectra_end(struct pipeline *p, struct error *err)
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

static int luminosities_end(struct pipeline *p, struct error *err)
{
    double *value = value_of(p, PRODUCT_LUMINOSITIES, 0);

    return value ? integrate(p, &p->plan->luminosities, p->bands.rest, false, value, err) : 0;
}

static int fluxes_end(struct pipeline *p, struct error *err)
{
    double *value = value_of(p, PRODUCT_FLUXES, 0);

    return value ? integrate(p, &p->plan->fluxes, p->bands.observed, true, value, err) : 0;
}

/* ---- images ---------------------------------------------------------------------------------- */

/* The light of the tile in hand, by instrument; the row's images are zero at first. */
static int add_to_images(struct pipeline *p, const struct image_plan *images, enum product_kind kind,
                         const struct band *bands, const double *screen, struct error *err)
{
    const struct plan *plan = p->plan;
    const struct selection *selection = &images->selection;
    const struct product *product = plan->product;
    int r = 0;

    if (p->i_round > 0)
        return 0; /* they have all stars */
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

static int luminosity_images_again(struct pipeline *p, struct error *err)
{
    return add_to_images(p, &p->plan->images[0], PRODUCT_IMAGE_LUMINOSITY, p->bands.rest, NULL, err);
}

static int flux_images_again(struct pipeline *p, struct error *err)
{
    return add_to_images(p, &p->plan->images[1], PRODUCT_IMAGE_FLUX, p->bands.observed, p->screen, err);
}

/* ---- the table ------------------------------------------------------------------------------- */

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

const struct stage pipeline_stages[N_STAGE] = {
    { { load_tile, load_all, load_again, NULL } },
    { { depths_tile, depths_all, NULL, NULL } },
    { { sfzh_tile, NULL, NULL, NULL } },
    { { sfh_tile, NULL, NULL, NULL } },
    { { weights_tile, weights_all, weights_again, NULL } },
    { { NULL, spectra_all, spectra_again, spectra_end } },
    { { NULL, frame_all, NULL, NULL } },
    { { NULL, NULL, NULL, observed_spectra_end } },
    { { NULL, NULL, NULL, luminosities_end } },
    { { NULL, NULL, NULL, fluxes_end } },
    { { NULL, lines_all, lines_again, lines_end } },
    { { NULL, line_fluxes_all, line_fluxes_again, line_fluxes_end } },
    { { NULL, NULL, luminosity_images_again, NULL } },
    { { NULL, NULL, flux_images_again, NULL } },
};
