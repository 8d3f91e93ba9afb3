/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An operation that is not among the sources: the mean of a power of the stars' ages, weighted by mass. All that there is to
 * write of it is in this file and its row in operations.def.
 */
#include <math.h>

#include "polyphony/job_schema.h"
#include "polyphony/work.h"

struct options {
    double *power;
};

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_FLOAT_PTR("power", SCHEMA_OPTIONAL, struct options, power),
    CYAML_FIELD_END,
};

static int check(const struct job *job, const char *key, const void *options, struct error *err)
{
    const struct options *given = options;

    (void)key;
    return job_check_positive(job, "operations.mean_age.power", *given->power, err);
}

static const struct product_kind ages = {
    .path = "Galaxies/%c/MeanAge",
    .units = "yr",
    .description =
        "Mean age of the stars, weighted by mass: the mean of a power of it, to one over that power",
};

/* What is kept from tile to tile. */
struct own {
    double sum, mass_msun;
};

static int add_tile(struct work *w, const struct step *step, struct error *err)
{
    const struct options *options = step->options;
    const struct particles *stars = &w->galaxy.particles[STARS];
    struct own *own = w->i_tile == 0 ? arena_zeros(w->arena, 1, sizeof(*own)) : w->own[step->i];

    if (!own)
        return work_no_memory(w, err);
    w->own[step->i] = own;
    for (size_t i = 0; i < stars->n; i++) {
        own->sum +=
            stars->field[FIELD_INITIAL_MASS_MSUN][i] * pow(stars->field[FIELD_AGE_YR][i], *options->power);
        own->mass_msun += stars->field[FIELD_INITIAL_MASS_MSUN][i];
    }
    return 0;
}

static int finish(struct work *w, const struct step *step, struct error *err)
{
    const struct options *options = step->options;
    const struct own *own = w->own[step->i];
    double *age_yr = work_place(w, step, &ages, 0);

    (void)err;
    if (own->mass_msun > 0)
        *age_yr = pow(own->sum / own->mass_msun, 1 / *options->power);
    return 0;
}

const struct operation operation_mean_age = {
    .job = {
        .key = "mean_age",
        .fields = fields,
        .size = sizeof(struct options),
        .check = check,
        .template_lines = "  mean_age:                   # mean age of the stars, weighted by mass\n"
                          "    power: 1                  # of the ages that are averaged, > 0\n",
    },
    .title = "mean ages",
    .stage = "Mean ages",
    .part = ROW_EARLY,
    .kind = { &ages },
    .run = { add_tile, finish, NULL, NULL },
};
