/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plan_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/node_table.h"

void *plan_array(struct plan *plan, size_t n, size_t size, int *r, struct error *err)
{
    void *array = *r ? NULL : arena_zeros(&plan->arena, n, size);

    if (!*r && !array)
        *r = error_set(err, POLYPHONY_INTERNAL, "no memory for the plan of the job");
    return array;
}

/* ---- names of the job to things ------------------------------------------------------------------------ */

int plan_at_key(const struct plan *plan, int r, const char *key, struct error *err)
{
    return job_at_key(plan->job, r, key, err);
}

static int resolve_cosmology(struct plan *plan, struct error *err)
{
    const struct job_cosmology *job = &plan->job->cosmology;
    int r;

    if (strcmp(job->name, "custom"))
        return plan_at_key(plan, cosmology_find(job->name, &plan->cosmology, err), "cosmology.name", err);
    plan->cosmology = (struct cosmology) { .h0_km_s_mpc = *job->h0_km_s_mpc,
                                           .omega_m = *job->omega_m,
                                           .t_cmb_k = *job->t_cmb_k,
                                           .n_eff = *job->n_eff };
    for (unsigned i = 0; i < 3 && i < job->n_m_nu_ev; i++)
        plan->cosmology.m_nu_ev[i] = job->m_nu_ev[i];
    r = cosmology_check(&plan->cosmology, err);
    return plan_at_key(plan, r, "cosmology", err);
}

static void resolve_redshift(struct plan *plan)
{
    double given = 0;

    plan->redshift_is_given = job_is_number(plan->job->redshift, &given);
    plan->redshift = cosmology_redshift(given);
    if (plan->redshift != given)
        warnings_add(&plan->warnings, "the job's redshift %g is a rounding of 0 and taken as 0", given);
}

static int resolve_names(struct plan *plan, struct error *err)
{
    const struct job *job = plan->job;
    int r = resolve_cosmology(plan, err);

    if (!r)
        r = plan_at_key(plan, igm_find(job->igm, &plan->igm, err), "igm", err);
    if (!r)
        r = plan_at_key(plan, dust_curve_find(job->emission.dust_curve, &plan->curve, err),
                        "emission.dust_curve", err);
    if (!r && job->emission.dust_slope)
        r = plan_at_key(plan, dust_curve_set(&plan->curve, "slope", *job->emission.dust_slope, err),
                        "emission.dust_slope", err);
    if (!r)
        r = plan_at_key(plan, emission_model_find(job->emission.model, &plan->model, err), "emission.model",
                        err);
    plan->scheme = *job->emission.grid_assignment == JOB_ASSIGN_NGP ? WEIGHTS_NGP : WEIGHTS_CIC;
    plan->dust_tolerance = *job->emission.dust_tolerance;
    plan->method = *job->emission.method == JOB_METHOD_DIRECT ? OBSERVE_DIRECT : OBSERVE_FAST;
    resolve_redshift(plan);
    return r;
}

/* Parameters: a number, "los", or a name in the catalogue (listed in needs). */
static void resolve_parameters(struct plan *plan, struct catalogue_needs *needs)
{
    for (size_t p = 0; p < parameter_count(); p++) {
        const char *text = plan->job->emission.parameter[p];

        if (job_is_number(text, &plan->parameter[p].value))
            continue;
        if (parameter_rows[p]->has_los && !strcmp(text, "los")) {
            plan->parameter[p].is_los = true;
            continue;
        }
        plan->parameter[p].is_catalogue = true;
        plan->parameter[p].i_catalogue = needs->n_parameter;
        needs->parameter[needs->n_parameter++] = text;
    }
}

/* ---- inputs ---------------------------------------------------------------------------------- */

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
            r = plan_at_key(plan,
                            instrument_builtin(given->builtin, given->label, resolution, instrument, err),
                            key, err);
            continue;
        }
        if (!text_format(instrument->label, sizeof(instrument->label), "%s", given->label))
            return job_error(job, err, key, "label '%s' is longer than %d bytes", given->label,
                             INSTRUMENT_NAME_MAX - 1);
        text_format(instrument->source, sizeof(instrument->source), "filter curves from files");
        instrument->resolution_arcsec = resolution;
        instrument->filter = mem_array(given->n_filters, sizeof(*instrument->filter));
        if (!instrument->filter)
            return error_set(err, POLYPHONY_INTERNAL, "no memory for filters");
        for (unsigned f = 0; !r && f < given->n_filters; f++) {
            r = filter_read(given->filters[f].file, given->filters[f].code, &plan->warnings,
                            &instrument->filter[f], err);
            instrument->n_filter += r ? 0 : 1;
        }
    }
    return r;
}

/* Filter codes become paths: no empty part, none that is "." or "..". */
static bool code_is_path(const char *code)
{
    for (const char *part = code;; part++) {
        size_t n = strcspn(part, "/");

        if (n == 0 || (n <= 2 && !strncmp(part, "..", n)))
            return false;
        part += n;
        if (!*part)
            return true;
    }
}

/* Would one code be another's group, or the same dataset? */
static bool codes_collide(const char *a, const char *b)
{
    size_t n = strlen(a) < strlen(b) ? strlen(a) : strlen(b);

    return !strncmp(a, b, n) && (a[n] == '\0' || a[n] == '/') && (b[n] == '\0' || b[n] == '/');
}

/* Over all instruments, as photometry is written by label and filter only. */
static int check_filter_codes(const struct plan *plan, struct error *err)
{
    for (size_t i = 0; i < plan->n_instrument; i++)
        for (size_t f = 0; f < plan->instrument[i].n_filter; f++) {
            const char *code = plan->instrument[i].filter[f].code;

            if (!code_is_path(code))
                return job_error(plan->job, err, "instruments",
                                 "filter code '%s' cannot be a path in the results", code);
            for (size_t j = 0; j <= i; j++)
                for (size_t g = 0; g < (j < i ? plan->instrument[j].n_filter : f); g++)
                    if (codes_collide(plan->instrument[j].filter[g].code, code))
                        return job_error(
                            plan->job, err, "instruments",
                            "filters '%s' of '%s' and '%s' of '%s' would have one path in the results; give one of them another code",
                            plan->instrument[j].filter[g].code, plan->instrument[j].label, code,
                            plan->instrument[i].label);
        }
    return 0;
}

static void mark_term(struct plan *plan, const struct emission_term *term)
{
    const struct emission_channel *channel = &plan->program.channel[term->i_channel];

    plan->extract_is_used[term->i_extract] = true;
    if (channel->is_attenuated)
        plan->job_curve_is_wanted |= plan->program.screen[channel->i_screen].i_curve == 0;
    for (size_t f = 0; f < term->galaxy.n; f++) {
        struct emission_factor factor = term->galaxy.factor[f];

        plan->parameter_is_wanted[factor.i_parameter] = true;
        plan->job_curve_is_wanted |=
            !emission_transforms[factor.i_transform]->multiply && factor.i_curve == 0;
    }
}

static void mark_extracts_of(struct plan *plan, char *const *labels, unsigned n_labels)
{
    for (size_t l = 0; l < plan->program.n_label; l++) {
        const struct emission_label *label = &plan->program.label[l];
        bool is_named = plan_name_is_all(labels, n_labels);

        for (unsigned i = 0; i < n_labels; i++)
            is_named |= !strcmp(labels[i], label->name);
        for (size_t t = 0; is_named && t < label->n_term; t++)
            mark_term(plan, &label->term[t]);
    }
}

/* Which spectra of the grid the wanted labels are made of: a grid may be 10 GB, and one spectrum a quarter of
 * it. */
static void mark_extracts(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_step; i++) {
        struct named_parts parts = step_parts(&plan->step[i]);

        mark_extracts_of(plan, parts.label, parts.n_label);
    }
}

static void warn_unused_key(struct plan *plan, const char *name)
{
    char key[64];

    text_format(key, sizeof(key), "emission.%s", name);
    if (job_given(plan->job, key))
        warnings_add(&plan->warnings, "%s is given, but the emission model '%s' does not use it", key,
                     plan->model->name);
}

/* Keys that were given and change nothing: the user may think they do. */
static void warn_unused(struct plan *plan)
{
    static const char *const of_curve[] = { "dust_curve", "dust_slope" };

    for (size_t p = 0; p < parameter_count(); p++)
        if (!plan->program.parameter_is_used[p])
            warn_unused_key(plan, parameter_rows[p]->name);
    for (size_t i = 0; !plan->program.uses_job_curve && i < sizeof(of_curve) / sizeof(*of_curve); i++)
        warn_unused_key(plan, of_curve[i]);
}

/* 40 kpc. Float32 makes 6e-8 of a scale factor that was 1. */
#define REDSHIFT_NEAR 1e-5

/* A galaxy at redshift 0 is put at 10 pc (docs/physics.md 1), one that is not quite at as little: rarely what
 * an image is wanted of. */
static void warn_near(struct plan *plan)
{
    const struct catalogue *catalogue = plan->catalogue;
    bool is_zero_said = false, is_near_said = false;

    for (size_t row = 0; plan->needs_observer && row < catalogue->n_galaxy; row++) {
        double z = plan_redshift(plan, row);
        struct distances distances;

        if (z == 0.0 && !is_zero_said)
            warnings_add(
                &plan->warnings,
                "galaxy %lld is at redshift 0 and is put at 10 pc; give 'redshift' to observe it from afar",
                (long long)catalogue->id[row]);
        is_zero_said |= z == 0.0;
        if (is_near_said || !(z > 0.0 && z < REDSHIFT_NEAR) ||
            cosmology_distances(&plan->cosmology, z, &distances, NULL))
            continue;
        warnings_add(
            &plan->warnings,
            "galaxy %lld is at redshift %g, only %.3g kpc away: is that a rounding of 0? Give 'redshift' to observe it from afar",
            (long long)catalogue->id[row], z, 1e3 * distances.luminosity_distance_mpc);
        is_near_said = true;
    }
}

static void need(struct catalogue_needs *needs, enum component component, enum field field,
                 const char *operation)
{
    if (!needs->field[component][field])
        needs->field[component][field] = operation;
}

/* Which fields a step needs; the first that needs one is named where it is missing. */
static void need_fields(const struct step *step, struct catalogue_needs *needs)
{
    const char *key = step->operation->job.key;
    unsigned needed = step_needs(step);

    if (needed & NEEDS_CENTRE) {
        needs->centre = true;
        need(needs, STARS, FIELD_X_KPC, key); /* where the file gives no centre */
    }
    if (needed & NEEDS_COORDINATES)
        need(needs, step->emitter->component, FIELD_X_KPC, key);
    if (needed & NEEDS_SMOOTHING_LENGTHS)
        need(needs, step->emitter->component, FIELD_SMOOTHING_KPC, key);
    for (size_t c = 0; needed & NEEDS_DEPTHS && c < N_COMPONENT; c++)
        need(needs, (enum component)c, FIELD_X_KPC, key);
    if (needed & NEEDS_DEPTHS) {
        need(needs, GAS, FIELD_SMOOTHING_KPC, key);
        need(needs, GAS, FIELD_DUST_MASS_MSUN, key);
    }
}

/* Stars are read for every job; all emitters are placed on the grid. */
static void need_light(const struct plan *plan, struct catalogue_needs *needs)
{
    need(needs, STARS, FIELD_INITIAL_MASS_MSUN, "");
    for (size_t e = 0; e < plan->n_emitter; e++) {
        enum component component = plan->emitter[e].component;

        need(needs, component, plan->emitter[e].weight, "");
        need(needs, component, FIELD_AGE_YR, "");
        need(needs, component, FIELD_METALLICITY, "");
        for (size_t i = 0; i < needs->n_parameter; i++)
            need(needs, component, (enum field)(FIELD_PARAMETER + i), "");
    }
}

/* The emission model for each emitter, as its parameters are one a galaxy or one a particle. */
static int compile_programs(struct plan *plan, struct error *err)
{
    int r = 0;

    for (size_t e = 0; !r && e < plan->n_emitter; e++) {
        struct emission_program *program =
            e == 0 ? &plan->program : plan_array(plan, 1, sizeof(*program), &r, err);
        bool is_per_particle[PARAMETER_MAX] = { false };

        for (size_t p = 0; p < parameter_count(); p++)
            is_per_particle[p] =
                plan->parameter[p].is_los ||
                (plan->parameter[p].is_catalogue &&
                 plan->catalogue->has_field[plan->emitter[e].component]
                                           [FIELD_PARAMETER + plan->parameter[p].i_catalogue]);
        if (!r)
            r = plan_at_key(plan, emission_compile(plan->model, &plan->curve, is_per_particle, program, err),
                            "emission.model", err);
        plan->emitter[e].program = program;
    }
    return r;
}

static int open_catalogue(struct plan *plan, const struct node_share *share, struct error *err)
{
    struct catalogue_needs needs = { .redshift = !plan->redshift_is_given,
                                     .dust_to_metal_ratio = *plan->job->dust_to_metal_ratio };
    int r;

    resolve_parameters(plan, &needs);
    plan_list_defaulted(plan, &needs);
    r = plan_grid_fields(plan, share, &needs, err);
    need_light(plan, &needs);
    for (size_t i = 0; i < plan->n_step; i++)
        need_fields(&plan->step[i], &needs);
    if (!r)
        r = catalogue_open(plan->job->catalogue, &needs, share, &plan->catalogue, err);
    if (r)
        return r;
    warnings_gather(&plan->warnings, &plan->catalogue->warnings);
    r = compile_programs(plan, err);
    if (!r)
        mark_extracts(plan);
    return r;
}

static int open_grid(struct plan *plan, const struct node_share *share, struct error *err)
{
    struct grid_needs needs = { .lines = plan_who_needs(plan, NEEDS_LINES) };
    int r;

    for (size_t e = 0; e < plan->program.n_extract; e++)
        if (plan->extract_is_used[e])
            needs.spectrum[needs.n_spectrum++] = plan->program.extract[e];
    r = plan_grid_open(plan, &needs, share, err);
    if (!r)
        r = open_instruments(plan, err);
    return r ? r : check_filter_codes(plan, err);
}

/* ---- the whole ------------------------------------------------------------------------------- */

int plan_open(const struct job *job, const struct operation *const *operations,
              const struct node_share *share, struct plan **ret_plan, struct error *err)
{
    struct plan *plan = mem_array(1, sizeof(*plan));
    int r = plan ? 0 : error_set(err, POLYPHONY_INTERNAL, "no memory for the plan of the job");

    if (!r) {
        plan->job = job;
        r = plan_list_steps(plan, operations, err);
    }
    if (!r)
        r = resolve_names(plan, err);
    /* Catalogue and grid are read together: all begin, or none. */
    r = node_agree(node_share_all(share), r);
    if (!r)
        r = open_catalogue(plan, share, err);
    r = node_agree(node_share_all(share), r);
    if (!r)
        r = open_grid(plan, share, err);
    if (!r)
        r = plan_spectra_columns(plan, err);
    if (!r)
        r = plan_operations(plan, err);
    if (!r)
        r = plan_products(plan, err);
    if (!r) {
        warn_unused(plan);
        plan_warn_unused_data(plan);
        warn_near(plan);
    }
    if (r) {
        plan_close(plan);
        return r;
    }
    if (node_share_computes(share))
        catalogue_touch_pages(plan->catalogue);
    else
        catalogue_drop_pages(plan->catalogue); /* all redshifts were looked at */
    *ret_plan = plan;
    return 0;
}

void plan_close(struct plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->n_instrument; i++)
        instrument_free(&plan->instrument[i]);
    for (size_t i = 0; i < plan->n_step; i++)
        if (plan->step[i].images)
            kernel_table_free(plan->step[i].images->table);
    catalogue_close(plan->catalogue);
    grid_free(plan->grid);
    arena_free(&plan->arena);
    free(plan);
}

double plan_redshift(const struct plan *plan, uint64_t row)
{
    return plan->redshift_is_given ? plan->redshift : plan->catalogue->redshift[row];
}

bool plan_redshift_is_valid(const struct plan *plan, uint64_t row)
{
    return plan->redshift_is_given || catalogue_redshift_is_valid(plan->catalogue, row);
}
