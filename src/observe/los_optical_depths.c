/* SPDX-License-Identifier: GPL-3.0-or-later */
/* V-band optical depths of stars and black holes, from the gas in front of them. */
#include "polyphony/job_schema.h"
#include "polyphony/work.h"

struct job_optical_depths {
    char *kernel;
    double *kappa_pc2_msun; /* > 0 */
    bool *write_particles;
};

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_STRING_PTR("kernel", SCHEMA_OPTIONAL, struct job_optical_depths, kernel, 1, CYAML_UNLIMITED),
    CYAML_FIELD_FLOAT_PTR("kappa_pc2_msun", SCHEMA_OPTIONAL, struct job_optical_depths, kappa_pc2_msun),
    CYAML_FIELD_BOOL_PTR("write_particles", SCHEMA_OPTIONAL, struct job_optical_depths, write_particles),
    CYAML_FIELD_END,
};

static int check(const struct job *job, const char *key, const void *options, struct error *err)
{
    const struct job_optical_depths *depths = options;

    enum sph_kernel kernel;
    int r = sph_kernel_find(depths->kernel, &kernel, err);

    (void)key;
    if (r)
        return job_at_key(job, r, "operations.los_optical_depths.kernel", err);
    return job_check_positive(job, "operations.los_optical_depths.kappa_pc2_msun", *depths->kappa_pc2_msun,
                              err);
}

#define UNWEIGHTED                                                                                           \
    "V-band optical depth towards the particles, unweighted, observer at z = -infinity; 0 without particles"

static bool has_black_holes(const struct plan *plan, const struct step *step)
{
    (void)step;
    return plan->catalogue->n_particle_all[BLACK_HOLES] > 0;
}

static const struct product_kind star_depths = {
    .path = "Storage/OpticalDepths/%c",
    .units = "dimensionless",
    .description =
        "V-band optical depths of stars from the line of sight: mass-weighted mean, median, maximum",
    .axis = { AXIS_VALUE },
    .n_value = 3,
    .view = { { "Galaxies/%c/OpticalDepths/MassWeightedMean",
                "Mass-weighted mean V-band optical depth towards the particles, observer at z = -infinity; 0 without particles" },
              { "Galaxies/%c/OpticalDepths/Median", UNWEIGHTED },
              { "Galaxies/%c/OpticalDepths/Maximum", UNWEIGHTED } },
};
static const struct product_kind black_hole_depths = {
    .path = "Storage/OpticalDepths/%c",
    .units = "dimensionless",
    .description = "V-band optical depths of black holes from the line of sight: mean, median, maximum",
    .axis = { AXIS_VALUE },
    .n_value = 3,
    .component = BLACK_HOLES,
    .view = { { "Galaxies/%c/OpticalDepths/Mean", UNWEIGHTED },
              { "Galaxies/%c/OpticalDepths/Median", UNWEIGHTED },
              { "Galaxies/%c/OpticalDepths/Maximum", UNWEIGHTED } },
    .is_wanted = has_black_holes,
};

static int declare(struct plan *plan, struct step *step, struct error *err)
{
    const struct job_optical_depths *job = step->options;

    plan->writes_depths = *job->write_particles;
    if (plan->catalogue->n_particle_all[GAS] == 0)
        warnings_add(&plan->warnings, "'%s' has no gas: all optical depths from the line of sight are 0",
                     plan->job->catalogue);
    return sph_kernel_find(job->kernel, &plan->los_kernel, err);
}

/* Particles that may lie behind gas. */
static const enum component behind[] = { STARS, BLACK_HOLES };
enum { N_BEHIND = sizeof(behind) / sizeof(*behind) };

static void take(const struct plan *plan, const struct step *step, uint64_t row, struct parts *parts)
{
    (void)step;
    parts->fixed += columns_index_bytes(plan->catalogue->n_particle[GAS][row]);
    for (size_t i = 0; i < N_BEHIND; i++) {
        uint64_t n = plan->catalogue->n_particle[behind[i]][row];

        if (behind[i] == plan->tiled) {
            parts->tile_star += columns_search_bytes(1);
            parts->star += sizeof(double);
        } else
            parts->fixed += n * sizeof(double) + columns_search_bytes(n);
    }
}

/* The sorted gas, and sums over particles. */
struct own {
    struct columns_index *gas;
    struct observe_depths depths[N_COMPONENT];
};

static int sort_gas(struct work *w, const struct step *step, struct error *err)
{
    struct own *own = w->own[step->i] = arena_zeros(w->arena, 1, sizeof(*own));

    arena_reset(w->gas_arena); /* the sorted gas outlives the stage only where there are more tiles to come */
    if (!own)
        return work_no_memory(w, err);
    for (size_t i = 0; i < N_BEHIND; i++) {
        w->tau[behind[i]] =
            arena_array(w->arena, w->plan->catalogue->n_particle[behind[i]][w->galaxy.row], sizeof(double));
        if (!w->tau[behind[i]])
            return work_no_memory(w, err);
    }
    return observe_gas_index(w->plan->los_kernel, &w->galaxy.particles[GAS], &own->gas, w->gas_arena, err);
}

static int depths_tile(struct work *w, const struct step *step, struct error *err)
{
    const struct job_optical_depths *job = step->options;
    int r = w->i_tile == 0 ? sort_gas(w, step, err) : 0;

    for (size_t i = 0; !r && i < N_BEHIND; i++) {
        const struct particles *particles = &w->galaxy.particles[behind[i]];
        struct own *own = w->own[step->i];
        double *tau = w->tau[behind[i]] + particles->first;

        r = observe_optical_depths(own->gas, *job->kappa_pc2_msun, particles, w->gas_arena, tau, err);
        if (!r)
            observe_depths_add(&own->depths[behind[i]], particles->n, tau,
                               behind[i] == STARS ? particles->field[FIELD_INITIAL_MASS_MSUN] : NULL);
    }
    return r;
}

static int depths_all(struct work *w, const struct step *step, struct error *err)
{
    const struct own *own = w->own[step->i];

    (void)err;
    for (size_t i = 0; i < N_BEHIND; i++) {
        size_t n = w->plan->catalogue->n_particle[behind[i]][w->galaxy.row];
        double *summary = work_place(w, step, behind[i] == STARS ? &star_depths : &black_hole_depths, 0);

        if (summary)
            observe_depths_summary(&own->depths[behind[i]], n, w->tau[behind[i]], summary);
    }
    return 0;
}

const struct operation operation_los_optical_depths = {
    .job = {
    .key = "los_optical_depths",
    .fields = fields,
    .size = sizeof(struct job_optical_depths),
    .check = check,
    .template_lines =
        "  # V-band optical depth towards each star, from the gas in front of it.\n"
        "  los_optical_depths:\n"
        "    kernel: sph_anarchy       # uniform | sph_anarchy | gadget_2 | cubic | quartic | quintic\n"
        "    kappa_pc2_msun: 0.0795    # dust opacity: tau = kappa x dust column [pc^2/Msun], > 0\n"
        "    write_particles: no       # yes = also write the depth of every star\n",
    },
    .title = "LOS optical depths",
    .stage = "LOS optical depths",
    .needs = NEEDS_DEPTHS,
    .part = ROW_EARLY,
    .kind = { &star_depths, &black_hole_depths },
    .declare = declare,
    .take = take,
    .run = { depths_tile, depths_all, NULL, NULL },
};
