/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The census: what of a galaxy fits neither the grid nor its own centre (docs/physics.md 14). Always there, as it costs
 * nothing and needs nothing: positions, the centre and gas are looked at where other operations have them read. Images say
 * themselves how much of their light falls outside (images.c).
 */
#include "polyphony/census.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/job_schema.h"
#include "polyphony/operations.h"
#include "polyphony/work.h"

struct job_census {
    int *stars;
    double *off_grid, *off_field, *off_centre, *extent_least_kpc, *extent_most_kpc, *extent_early_kpc,
        *gas_apart, *without_light, *filter_angstrom;
};

/* Limits of warnings: no number of the results depends on them. */
#define LIMIT (SCHEMA_OPTIONAL | SCHEMA_NOT_NUMERIC)

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_INT_PTR("stars", LIMIT, struct job_census, stars),
    CYAML_FIELD_FLOAT_PTR("off_grid", LIMIT, struct job_census, off_grid),
    CYAML_FIELD_FLOAT_PTR("off_field", LIMIT, struct job_census, off_field),
    CYAML_FIELD_FLOAT_PTR("off_centre", LIMIT, struct job_census, off_centre),
    CYAML_FIELD_FLOAT_PTR("extent_least_kpc", LIMIT, struct job_census, extent_least_kpc),
    CYAML_FIELD_FLOAT_PTR("extent_most_kpc", LIMIT, struct job_census, extent_most_kpc),
    CYAML_FIELD_FLOAT_PTR("extent_early_kpc", LIMIT, struct job_census, extent_early_kpc),
    CYAML_FIELD_FLOAT_PTR("gas_apart", LIMIT, struct job_census, gas_apart),
    CYAML_FIELD_FLOAT_PTR("without_light", LIMIT, struct job_census, without_light),
    CYAML_FIELD_FLOAT_PTR("filter_angstrom", LIMIT, struct job_census, filter_angstrom),
    CYAML_FIELD_END,
};

bool census_limits_of(const struct job *job, struct census_limits *ret_limits)
{
    const struct job_census *options = job_options(job, "census");

    if (!options)
        return false;
    *ret_limits = (struct census_limits) {
        .stars = *options->stars,
        .off_grid = *options->off_grid,
        .off_field = *options->off_field,
        .off_centre = *options->off_centre,
        .extent_least_kpc = *options->extent_least_kpc,
        .extent_most_kpc = *options->extent_most_kpc,
        .extent_early_kpc = *options->extent_early_kpc,
        .gas_apart = *options->gas_apart,
        .without_light = *options->without_light,
        .filter_angstrom = *options->filter_angstrom,
    };
    return true;
}

/* ---- products ------------------------------------------------------------------------------------ */

static bool has_places(const struct plan *plan, const struct step *step)
{
    (void)step;
    return plan_who_needs(plan, NEEDS_COORDINATES | NEEDS_DEPTHS) != NULL;
}

static bool has_centre(const struct plan *plan, const struct step *step)
{
    (void)step;
    return plan_who_needs(plan, NEEDS_CENTRE) != NULL;
}

static bool has_gas(const struct plan *plan, const struct step *step)
{
    return has_places(plan, step) && plan_who_needs(plan, NEEDS_DEPTHS);
}

static const struct product_kind masses = { .path = "Galaxies/Census/StellarMass",
                                            .units = "Msun",
                                            .description = "Stellar mass formed, of all stars" };
static const struct product_kind dark = { .path = "Galaxies/Census/StarsWithoutLight",
                                          .units = "dimensionless",
                                          .description = "Share of the stars that have no mass" };
static const struct product_kind below = {
    .path = "Galaxies/Census/MassBelowGrid",
    .units = "dimensionless",
    .description = "Share of StellarMass in stars below the first node of an axis (Axes/Names)",
    .axis = { AXIS_GRID }
};
static const struct product_kind above = {
    .path = "Galaxies/Census/MassAboveGrid",
    .units = "dimensionless",
    .description = "Share of StellarMass in stars above the last node of an axis (Axes/Names)",
    .axis = { AXIS_GRID }
};
static const struct product_kind extents = {
    .path = "Galaxies/Census/Extent",
    .units = "kpc",
    .description = "Median distance of the stars from their median position; of at most 256 of them",
    .is_wanted = has_places
};
static const struct product_kind centres = {
    .path = "Galaxies/Census/CentreDistance",
    .units = "dimensionless",
    .description = "Distance of the stars' median position from the centre, in units of Extent",
    .is_wanted = has_centre
};
static const struct product_kind gas_before = {
    .path = "Galaxies/Census/GasBefore",
    .units = "dimensionless",
    .description = "Share of the dust that is nearer to the observer than all stars",
    .is_wanted = has_gas
};
static const struct product_kind gas_behind = { .path = "Galaxies/Census/GasBehind",
                                                .units = "dimensionless",
                                                .description = "Share of the dust that is behind all stars",
                                                .is_wanted = has_gas };

/* ---- filters --------------------------------------------------------------------------------------- */

/* What telescopes are named after in units of 10 nm. */
static const char *const named_in_10_nm[] = { "NIRCam", "NIRISS", "MIRI", "NIRSpec", "Roman", "WFI" };

/* The pivot that a name such as JWST/NIRCam.F115W says [angstrom]; 0: it says none. */
static double pivot_of_name(const char *code)
{
    const char *name = strrchr(code, '.') ? strrchr(code, '.') + 1 : code;
    size_t n_digit = strspn(name + (*name == 'F'), "0123456789");
    bool is_named = false;

    for (size_t i = 0; i < sizeof(named_in_10_nm) / sizeof(*named_in_10_nm); i++)
        is_named |= strstr(code, named_in_10_nm[i]) != NULL;
    return is_named && *name == 'F' && (n_digit == 3 || n_digit == 4) ? 100.0 * strtod(name + 1, NULL) : 0.0;
}

/* Bluer than that at rest no galaxy shines through its own hydrogen. Nearer to the infrared than this a pivot is no mistake:
 * a filter on a galaxy that is too far for it. */
#define FILTER_FAR_ANGSTROM 3000.0

static void warn_filter(struct plan *plan, const struct filter *filter, double least_angstrom,
                        double least_redshift)
{
    double pivot = filter_pivot_angstrom(filter), named = pivot_of_name(filter->code);
    double rest =
        plan->needs_observer && pivot < FILTER_FAR_ANGSTROM ? pivot / (1.0 + least_redshift) : pivot;

    if (named > 0.0 && fabs(10.0 * pivot / named - 1.0) < 0.3)
        warnings_add(
            &plan->warnings,
            "filter '%s': its pivot is %.4g angstrom, and its name says %g: are its wavelengths in nm, and called angstrom?",
            filter->code, pivot, named);
    else if (rest < least_angstrom)
        warnings_add(
            &plan->warnings,
            "filter '%s': its pivot is %.4g angstrom, %.4g in the rest frame of the nearest galaxy (filter_angstrom: %g), where no galaxy shines: are its wavelengths in nm or micron, and called angstrom?",
            filter->code, pivot, rest, least_angstrom);
}

static int declare(struct plan *plan, struct step *step, struct error *err)
{
    const struct job_census *options = step->options;
    double least_redshift = HUGE_VAL;

    (void)err;
    for (uint64_t row = 0; plan->n_instrument && row < plan->catalogue->n_galaxy; row++)
        if (plan_redshift_is_valid(plan, row))
            least_redshift = fmin(least_redshift, plan_redshift(plan, row));
    for (size_t i = 0; i < plan->n_instrument; i++)
        for (size_t f = 0; isfinite(least_redshift) && f < plan->instrument[i].n_filter; f++)
            warn_filter(plan, &plan->instrument[i].filter[f], *options->filter_angstrom, least_redshift);
    return 0;
}

/* ---- one galaxy ---------------------------------------------------------------------------------- */

struct own {
    struct census_axes axes;
    struct census census;
};

static int begin(struct work *w, const struct step *step, struct error *err)
{
    uint64_t n_star = w->plan->catalogue->n_particle[STARS][w->galaxy.row];
    struct own *own = w->own[step->i] = arena_zeros(w->arena, 1, sizeof(*own));
    double *place_kpc = NULL;

    if (own && has_places(w->plan, step)) {
        place_kpc = arena_array(w->arena, 3 * census_places(n_star), sizeof(*place_kpc));
        if (!place_kpc)
            return work_no_memory(w, err);
    }
    if (!own)
        return work_no_memory(w, err);
    own->axes = census_axes_of(w->plan->grid, w->plan->axis_parameter);
    census_begin(&own->census, &own->axes, n_star, place_kpc);
    return 0;
}

static int count_tile(struct work *w, const struct step *step, struct error *err)
{
    int r = w->i_tile == 0 ? begin(w, step, err) : 0;
    struct own *own = w->own[step->i];

    if (!r)
        census_add(&own->census, &w->galaxy);
    return r;
}

/* Where the job has the product. Of what a galaxy has nothing the share is 0. */
static void put(struct work *w, const struct step *step, const struct product_kind *kind, size_t n,
                const double *value)
{
    double *place = work_place(w, step, kind, 0);

    for (size_t i = 0; place && i < n; i++)
        place[i] = isnan(value[i]) ? 0.0 : value[i];
}

static int count_all(struct work *w, const struct step *step, struct error *err)
{
    const struct own *own = w->own[step->i];
    struct census_figures figures = { .id = w->galaxy.id };

    (void)err;
    census_end(&own->census, &w->galaxy.particles[GAS],
               has_centre(w->plan, step) ? w->galaxy.centre_kpc : NULL, &figures);
    put(w, step, &masses, 1, &figures.mass_msun);
    put(w, step, &dark, 1, &figures.value[CENSUS_WITHOUT_LIGHT]);
    put(w, step, &below, own->axes.n, &figures.value[CENSUS_BELOW]);
    put(w, step, &above, own->axes.n, &figures.value[CENSUS_ABOVE]);
    put(w, step, &extents, 1, &figures.value[CENSUS_EXTENT]);
    put(w, step, &centres, 1, &figures.value[CENSUS_CENTRE]);
    put(w, step, &gas_before, 1, &figures.value[CENSUS_GAS_BEFORE]);
    put(w, step, &gas_behind, 1, &figures.value[CENSUS_GAS_BEHIND]);
    return 0;
}

/* ---- a look at a galaxy, before anything is computed ------------------------------------------------- */

/* The most that falls outside any image of a step. */
static double mass_outside_images(const struct plan *plan, const struct step *step, const struct look *look)
{
    double most = 0.0;

    for (size_t i = 0; i < step->selection.n_instrument; i++) {
        double resolution = plan->instrument[step->selection.i_instrument[i]].resolution_arcsec;
        double half_kpc = 0.5 * (double)step->images->n_pixel[i] * resolution / look->arcsec_per_kpc;

        most = fmax(most,
                    census_mass_outside(&look->galaxy.particles[STARS], look->galaxy.centre_kpc, half_kpc));
    }
    return most;
}

void census_look(const struct plan *plan, const struct look *look, struct census_figures *ret_figures)
{
    const struct galaxy *galaxy = &look->galaxy;
    const struct census_axes axes = census_axes_of(plan->grid, plan->axis_parameter);
    bool knows_centre = look->is_whole && plan_who_needs(plan, NEEDS_CENTRE);
    double place_kpc[3 * CENSUS_PLACES_MAX];
    struct census census;

    census_begin(&census, &axes, galaxy->particles[STARS].n,
                 plan_who_needs(plan, NEEDS_COORDINATES | NEEDS_DEPTHS) ? place_kpc : NULL);
    census_add(&census, galaxy);
    *ret_figures = (struct census_figures) { .id = galaxy->id, .redshift = galaxy->redshift };
    census_end(&census, look->has_gas ? &galaxy->particles[GAS] : NULL,
               knows_centre ? galaxy->centre_kpc : NULL, ret_figures);
    for (size_t i = 0; knows_centre && i < plan->n_step; i++) {
        const struct step *step = &plan->step[i];
        bool is_rest = step->operation->frame == BAND_REST;

        if (step->images && look->arcsec_per_kpc > 0.0)
            ret_figures->value[is_rest ? CENSUS_FIELD_REST : CENSUS_FIELD_OBSERVED] =
                mass_outside_images(plan, step, look);
    }
}

/* Places of some stars, rounded. */
static void take(const struct plan *plan, const struct step *step, uint64_t row, struct parts *parts)
{
    (void)step;
    parts->fixed += 3 * census_places(plan->catalogue->n_particle[STARS][row]) * sizeof(double);
}

const struct operation operation_census = {
    .job = {
    .key = "census",
    .fields = fields,
    .size = sizeof(struct job_census),
    .is_always = true,
    .template_lines =
        "  # What does not fit: stars off the grid, light off the images, centres off the galaxies. Always\n"
        "  # done, also if it is not named; beyond these limits 'check' and 'run' warn (docs/physics.md 14).\n"
        "  census:\n"
        "    stars: 16                 # galaxies of fewer stars are not judged\n"
        "    off_grid: 0.5             # share of stellar mass beyond one end of an axis of the grid\n"
        "    off_field: 0.9            # share of an image's light outside its field\n"
        "    off_centre: 2             # distance of the stars' median position from the centre, in extents\n"
        "    extent_least_kpc: 0.05    # extent: median distance of the stars from that position [proper kpc]\n"
        "    extent_most_kpc: 300      # [proper kpc]\n"
        "    extent_early_kpc: 30      # extent times 1 + z, of galaxies beyond redshift 2 [kpc]\n"
        "    gas_apart: 0.95           # share of the dust nearer, or farther, than all stars\n"
        "    without_light: 0.1        # share of stars that have no mass\n"
        "    filter_angstrom: 912      # pivot of a filter in the galaxies' rest frame, at least [angstrom]\n",
    },
    .title = "census",
    .stage = "Census",
    .part = ROW_EARLY_LAST,
    .declare = declare,
    .take = take,
    .kind = { &masses, &dark, &below, &above, &extents, &centres, &gas_before, &gas_behind },
    .run = { count_tile, count_all, NULL, NULL },
};
