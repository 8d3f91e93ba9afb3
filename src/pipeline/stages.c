/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stages, in order. Each is a line in the table at the end: what it does in each phase.
 *
 * Sums over stars go straight to the row, or to the arena of the galaxy, and go on from tile to tile; what a
 * stage needs of one tile only is handed back.
 */
#include "pipeline_private.h"
#include "tables.h"

#include <math.h>
#include <string.h>

int work_no_memory(const struct work *w, struct error *err)
{
    return error_set(err, POLYPHONY_INTERNAL, "galaxy %lld: no memory for its stages",
                     (long long)w->galaxy.id);
}

static bool is_in_tiles(const struct work *w)
{
    return w->tiling.n_tile > 1;
}

/* The product of a kind (and label), or NULL when the job does not ask for it. */
static const struct product *find_product(const struct plan *plan, enum product_kind kind, size_t i_label)
{
    for (size_t i = 0; i < plan->n_product; i++)
        if (plan->product[i].kind == kind && plan->product[i].i_label == i_label)
            return &plan->product[i];
    return NULL;
}

double *work_value(struct work *w, enum product_kind kind, size_t i_label)
{
    const struct product *product = find_product(w->plan, kind, i_label);

    return product ? w->value + product->offset : NULL;
}

static void set_integer(struct work *w, enum product_kind kind, int64_t value)
{
    memcpy(work_value(w, kind, 0), &value, sizeof(value));
}

/* ---- reading --------------------------------------------------------------------------------- */

static int load_tile(struct work *w, struct error *err)
{
    int r = w->is_grouped ? 0 : pipeline_take_tile(w, err);

    if (r)
        return r;
    catalogue_add_centre(&w->galaxy, w->centre_sum_kpc);
    w->n_rounded += w->galaxy.n_rounded;
    return 0;
}

static int load_all(struct work *w, struct error *err)
{
    const struct catalogue *catalogue = w->plan->catalogue;
    uint64_t row = w->galaxy.row;

    set_integer(w, PRODUCT_ID, w->galaxy.id);
    set_integer(w, PRODUCT_N_STAR, (int64_t)catalogue->n_particle[STARS][row]);
    set_integer(w, PRODUCT_N_GAS, (int64_t)catalogue->n_particle[GAS][row]);
    set_integer(w, PRODUCT_N_BLACK_HOLE, (int64_t)catalogue->n_particle[BLACK_HOLES][row]);
    *work_value(w, PRODUCT_REDSHIFT, 0) = w->galaxy.redshift;
    return catalogue_set_centre(catalogue, w->centre_sum_kpc, &w->galaxy, err);
}

static int load_again(struct work *w, struct error *err)
{
    return is_in_tiles(w) ? pipeline_take_tile(w, err) : 0;
}

/* ---- optical depths -------------------------------------------------------------------------- */

/* The gas, and the black holes behind it. */
static int sort_gas(struct work *w, double kappa_pc2_msun, struct error *err)
{
    const struct galaxy *galaxy = &w->galaxy;
    int r;

    arena_reset(w->gas_arena); /* the sorted gas outlives the stage only where there are more tiles to come */
    w->depths = (struct observe_depths) { 0 };
    w->star_tau = arena_array(w->arena, w->plan->catalogue->n_particle[STARS][galaxy->row], sizeof(double));
    w->black_hole_tau = arena_array(w->arena, galaxy->particles[BLACK_HOLES].n, sizeof(double));
    if (!w->star_tau || !w->black_hole_tau)
        return work_no_memory(w, err);
    r = observe_gas_index(w->plan->los_kernel, &galaxy->particles[GAS], &w->gas, w->gas_arena, err);
    if (!r)
        r = observe_optical_depths(w->gas, kappa_pc2_msun, &galaxy->particles[BLACK_HOLES], w->gas_arena,
                                   w->black_hole_tau, err);
    return r;
}

static int depths_tile(struct work *w, struct error *err)
{
    const struct job_optical_depths *job = job_options(w->plan->job, "los_optical_depths");
    double kappa_pc2_msun = *job->kappa_pc2_msun;
    const struct particles *stars = &w->galaxy.particles[STARS];
    double *tau;
    int r = w->i_tile == 0 ? sort_gas(w, kappa_pc2_msun, err) : 0;

    if (r)
        return r;
    tau = w->star_tau + stars->first;
    r = observe_optical_depths(w->gas, kappa_pc2_msun, stars, w->gas_arena, tau, err);
    if (!r)
        observe_depths_add(&w->depths, stars->n, tau, stars->field[FIELD_INITIAL_MASS_MSUN]);
    return r;
}

static int depths_all(struct work *w, struct error *err)
{
    struct observe_depths depths = { 0 };
    size_t n = w->galaxy.particles[BLACK_HOLES].n;

    (void)err;
    observe_depths_summary(&w->depths, w->plan->catalogue->n_particle[STARS][w->galaxy.row], w->star_tau,
                           work_value(w, PRODUCT_STAR_TAU, 0));
    observe_depths_add(&depths, n, w->black_hole_tau, NULL);
    if (n)
        observe_depths_summary(&depths, n, w->black_hole_tau, work_value(w, PRODUCT_BLACK_HOLE_TAU, 0));
    return 0;
}

/* ---- histories ------------------------------------------------------------------------------- */

static int sfzh_tile(struct work *w, struct error *err)
{
    (void)err;
    observe_sfzh(w->plan->grid, w->plan->scheme, &w->galaxy.particles[STARS], work_value(w, PRODUCT_SFZH, 0));
    return 0;
}

static int sfh_tile(struct work *w, struct error *err)
{
    (void)err;
    observe_sfh(w->plan->grid, w->plan->scheme, &w->galaxy.particles[STARS], work_value(w, PRODUCT_SFH, 0));
    return 0;
}

/* ---- light ----------------------------------------------------------------------------------- */

static int place_stars(struct work *w, struct error *err)
{
    struct observe_parameter parameter[PARAMETER_MAX];

    plan_parameters(w->plan, &w->galaxy, w->star_tau, parameter);
    if (!w->is_grouped)
        arena_reset(w->tile_arena);
    return observe_light_place(&w->light, &w->galaxy, parameter, w->tile_arena, err);
}

static int weights_tile(struct work *w, struct error *err)
{
    const struct plan *plan = w->plan;
    int r = 0;

    if (w->i_tile == 0) {
        w->light = (struct stellar_light) { .program = &plan->program,
                                            .grid = plan->grid,
                                            .scheme = plan->scheme,
                                            .tolerance = plan->dust_tolerance };
        memcpy(w->light.axis_parameter, plan->axis_parameter, sizeof(plan->axis_parameter));
        r = observe_light_begin(&w->light, w->arena, err);
    }
    if (!r)
        r = place_stars(w, err);
    if (!r)
        observe_light_add(&w->light);
    return r;
}

static int weights_all(struct work *w, struct error *err)
{
    return observe_light_end(&w->light, w->arena, err);
}

static int weights_again(struct work *w, struct error *err)
{
    return is_in_tiles(w) ? place_stars(w, err) : 0;
}

/* ---- sums: spectra and lines ----------------------------------------------------------------- */

/* The direct method adds stars to the labels themselves, which are zero at first. */
static bool is_direct(const struct work *w)
{
    return w->plan->method == OBSERVE_DIRECT;
}

static int begin_sums(struct work *w, enum sums_of which, const struct observe_columns *columns,
                      const bool *is_wanted, struct error *err)
{
    if (is_direct(w))
        return 0;
    return observe_sums_begin(&w->light, columns, is_wanted, w->tiling.room, &w->sums[which], w->arena, err);
}

static int add_sums(struct work *w, enum sums_of which, double *const *label, struct error *err)
{
    const struct observe_columns *columns[N_SUMS] = { &w->plan->spectra, &w->plan->line_luminosity,
                                                      &w->plan->line_continuum, &w->plan->line_luminosity };
    struct observe_sums *sums = &w->sums[which];
    int r;

    if (is_direct(w))
        return observe_direct(&w->light, columns[which], label, 0, NULL, w->arena, err);
    r = observe_sums_add(&w->light, sums, w->arena, err);
    if (!r && w->i_tile + 1 == w->tiling.n_tile)
        observe_sums_next(&w->light, sums);
    return r;
}

/* Galaxies of a group have been mixed together by now. */
static int end_sums(struct work *w, enum sums_of which, double *const *label, struct error *err)
{
    const struct stellar_light *light = &w->light;
    struct observe_sums *sums = &w->sums[which];
    int r;

    if (is_direct(w))
        return 0;
    r = w->is_grouped ? 0 : observe_sums_mix(1, &light, &sums, w->arena, err);
    return r ? r : observe_sums_end(light, sums, label, w->arena, err);
}

/* Of a galaxy alone, in one tile, a stage is done before the next begins, and hands its scratch back. */
static void keep_mark(struct work *w)
{
    w->sums_mark = arena_mark(w->arena);
}

static void return_to_mark(struct work *w)
{
    if (!is_in_tiles(w) && !w->is_grouped)
        arena_release(w->arena, w->sums_mark);
}

/* Spectra go straight to the row where they are products; where only photometry needs them, to scratch. */
static int place_spectra(struct work *w, const bool *is_wanted, struct error *err)
{
    for (size_t l = 0; l < w->plan->program.n_label; l++) {
        w->label_lnu[l] = is_wanted[l] ? work_value(w, PRODUCT_LNU, l) : NULL;
        if (is_wanted[l] && !w->label_lnu[l])
            w->label_lnu[l] = arena_zeros(w->arena, w->plan->spectra.n, sizeof(double));
        if (is_wanted[l] && !w->label_lnu[l])
            return work_no_memory(w, err);
    }
    return 0;
}

static void mark_labels(const struct selection *selection, bool *is_wanted)
{
    for (size_t l = 0; l < selection->n_label; l++)
        is_wanted[selection->i_label[l]] = true;
}

/* Labels whose spectra are a product, or needed for one. */
static void mark_spectra(const struct plan *plan, bool *is_wanted)
{
    const struct selection *users[] = { &plan->lnu, &plan->fnu, &plan->luminosities, &plan->fluxes };

    for (size_t u = 0; plan->needs_spectra && u < sizeof(users) / sizeof(*users); u++)
        mark_labels(users[u], is_wanted);
}

static int spectra_all(struct work *w, struct error *err)
{
    bool is_wanted[EMISSION_LABEL_MAX] = { false };
    int r;

    mark_spectra(w->plan, is_wanted);
    r = w->is_grouped ? 0 : place_spectra(w, is_wanted, err);
    keep_mark(w);
    return r ? r : begin_sums(w, SUMS_SPECTRA, &w->plan->spectra, is_wanted, err);
}

static int spectra_again(struct work *w, struct error *err)
{
    return is_direct(w) ? direct_spectra(w, err) : add_sums(w, SUMS_SPECTRA, w->label_lnu, err);
}

static int spectra_end(struct work *w, struct error *err)
{
    bool is_wanted[EMISSION_LABEL_MAX] = { false };
    int r;

    mark_spectra(w->plan, is_wanted);
    r = w->is_grouped ? place_spectra(w, is_wanted, err) : 0; /* a group's rows are there only now */
    if (!r)
        r = end_sums(w, SUMS_SPECTRA, w->label_lnu, err);
    return_to_mark(w);
    return r;
}

static int lines_all(struct work *w, struct error *err)
{
    const struct plan *plan = w->plan;
    bool is_wanted[EMISSION_LABEL_MAX] = { false };
    int r;

    mark_labels(&plan->lines, is_wanted);
    keep_mark(w);
    r = begin_sums(w, SUMS_LINE_LUMINOSITY, &plan->line_luminosity, is_wanted, err);
    return r ? r : begin_sums(w, SUMS_LINE_CONTINUUM, &plan->line_continuum, is_wanted, err);
}

/* Where each label of a selection goes; the products are of the kind. */
static void place_labels(struct work *w, const struct selection *selection, enum product_kind kind,
                         double **ret_label)
{
    for (size_t l = 0; l < selection->n_label; l++)
        ret_label[selection->i_label[l]] = work_value(w, kind, selection->i_label[l]);
}

static int lines_again(struct work *w, struct error *err)
{
    double *luminosity[EMISSION_LABEL_MAX] = { 0 }, *continuum[EMISSION_LABEL_MAX] = { 0 };
    int r;

    place_labels(w, &w->plan->lines, PRODUCT_LINE_LUMINOSITY, luminosity);
    place_labels(w, &w->plan->lines, PRODUCT_LINE_CONTINUUM, continuum);
    r = add_sums(w, SUMS_LINE_LUMINOSITY, luminosity, err);
    return r ? r : add_sums(w, SUMS_LINE_CONTINUUM, continuum, err);
}

static int lines_end(struct work *w, struct error *err)
{
    double *luminosity[EMISSION_LABEL_MAX] = { 0 }, *continuum[EMISSION_LABEL_MAX] = { 0 };
    int r;

    place_labels(w, &w->plan->lines, PRODUCT_LINE_LUMINOSITY, luminosity);
    place_labels(w, &w->plan->lines, PRODUCT_LINE_CONTINUUM, continuum);
    r = end_sums(w, SUMS_LINE_LUMINOSITY, luminosity, err);
    if (!r)
        r = end_sums(w, SUMS_LINE_CONTINUUM, continuum, err);
    return_to_mark(w);
    return r;
}

static int line_fluxes_all(struct work *w, struct error *err)
{
    bool is_wanted[EMISSION_LABEL_MAX] = { false };

    mark_labels(&w->plan->line_fluxes, is_wanted);
    keep_mark(w);
    return begin_sums(w, SUMS_LINE_FLUX, &w->plan->line_luminosity, is_wanted, err);
}

static int line_fluxes_again(struct work *w, struct error *err)
{
    double *flux[EMISSION_LABEL_MAX] = { 0 };

    place_labels(w, &w->plan->line_fluxes, PRODUCT_LINE_FLUX, flux);
    return add_sums(w, SUMS_LINE_FLUX, flux, err);
}

static int line_fluxes_end(struct work *w, struct error *err)
{
    const struct plan *plan = w->plan;
    double *flux[EMISSION_LABEL_MAX] = { 0 };
    int r;

    place_labels(w, &plan->line_fluxes, PRODUCT_LINE_FLUX, flux);
    r = end_sums(w, SUMS_LINE_FLUX, flux, err);
    return_to_mark(w);
    for (size_t l = 0; !r && l < EMISSION_LABEL_MAX; l++)
        if (flux[l])
            observer_line_flux(&w->frame->observer, plan->n_line, flux[l], flux[l]);
    if (plan->line_fluxes.n_label)
        memcpy(work_value(w, PRODUCT_LINE_LAMBDA, 0), w->frame->observer.line_lambda_angstrom,
               plan->n_line * sizeof(double));
    return r;
}

/* ---- the observer's frame --------------------------------------- */

static int frame_all(struct work *w, struct error *err)
{
    if (!w->is_grouped)
        frame_prepare(w->pipeline, 1, &w->galaxy.redshift);
    return frame_find(w->pipeline, w->galaxy.redshift, &w->frame, err);
}

static int observed_spectra_end(struct work *w, struct error *err)
{
    const struct selection *selection = &w->plan->fnu;

    (void)err;
    for (size_t l = 0; l < selection->n_label; l++)
        observer_fnu(&w->frame->observer, w->plan->spectra.n, w->label_lnu[selection->i_label[l]],
                     work_value(w, PRODUCT_FNU, selection->i_label[l]));
    return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

const char *const pipeline_stage_names[N_STAGE + 1] = {
    [STAGE_READING] = "Reading",
    [STAGE_OPTICAL_DEPTHS] = "LOS optical depths",
    [STAGE_SFZH] = "SFZH",
    [STAGE_SFH] = "SFH",
    [STAGE_WEIGHTS] = "Grid weights",
    [STAGE_SPECTRA] = "Lnu Spectra",
    [STAGE_FRAME] = "Observer frame",
    [STAGE_OBSERVED_SPECTRA] = "Fnu Spectra",
    [STAGE_LUMINOSITIES] = "Luminosities",
    [STAGE_FLUXES] = "Fluxes",
    [STAGE_LINES] = "Emission Line Luminosities",
    [STAGE_LINE_FLUXES] = "Emission Line Fluxes",
    [STAGE_LUMINOSITY_IMAGES] = "Luminosity Images",
    [STAGE_FLUX_IMAGES] = "Flux Images",
    [STAGE_WRITING] = "Writing",
};

const struct stage pipeline_stages[N_STAGE] = {
    [STAGE_READING] = { { load_tile, load_all, load_again, NULL } },
    [STAGE_OPTICAL_DEPTHS] = { { depths_tile, depths_all, NULL, NULL } },
    [STAGE_SFZH] = { { sfzh_tile, NULL, NULL, NULL } },
    [STAGE_SFH] = { { sfh_tile, NULL, NULL, NULL } },
    [STAGE_WEIGHTS] = { { weights_tile, weights_all, weights_again, NULL } },
    [STAGE_SPECTRA] = { { NULL, spectra_all, spectra_again, spectra_end } },
    [STAGE_FRAME] = { { NULL, frame_all, NULL, NULL } },
    [STAGE_OBSERVED_SPECTRA] = { { NULL, NULL, NULL, observed_spectra_end } },
    [STAGE_LUMINOSITIES] = { { NULL, NULL, luminosities_again, luminosities_end } },
    [STAGE_FLUXES] = { { NULL, NULL, fluxes_again, fluxes_end } },
    [STAGE_LINES] = { { NULL, lines_all, lines_again, lines_end } },
    [STAGE_LINE_FLUXES] = { { NULL, line_fluxes_all, line_fluxes_again, line_fluxes_end } },
    [STAGE_LUMINOSITY_IMAGES] = { { NULL, NULL, luminosity_images_again, NULL } },
    [STAGE_FLUX_IMAGES] = { { NULL, NULL, flux_images_again, NULL } },
};
