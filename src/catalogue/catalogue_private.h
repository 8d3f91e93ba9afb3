/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/catalogue.h"
#include "polyphony/io.h"
#include "polyphony/units.h"

/* The three kinds of particles, in the file's group names. */
enum component { STARS, GAS, BLACK_HOLES, N_COMPONENT };

/* What a value must satisfy to be used. */
enum bound { ANY_FINITE, POSITIVE, NOT_NEGATIVE };

enum field_id {
    STAR_MASS,
    STAR_AGE,
    STAR_METALLICITY,
    STAR_COORDINATES,
    STAR_SMOOTHING,
    GAS_MASS,
    GAS_METALLICITY,
    GAS_COORDINATES,
    GAS_SMOOTHING,
    GAS_DUST_MASS,
    GAS_DUST_RATIO,
    BLACK_HOLE_COORDINATES,
    N_FIELD
};

/* One dataset of particles as the file has it. */
struct field {
    const char *path;
    enum component component;
    int width; /* 1, or 3 for vectors */
    enum units_kind kind;
    enum bound bound;
};

extern const struct field catalogue_fields[N_FIELD];

struct catalogue_reader {
    struct io_file *file;
    struct catalogue_needs needs;
    bool is_read[N_FIELD];
    double factor[N_FIELD];                            /* file unit to ours */
    double *centre_kpc;                                /* [n_galaxy][3], or NULL */
    double *galaxy_dust_ratio;                         /* [n_galaxy], or NULL */
    double *galaxy_parameter[CATALOGUE_PARAMETER_MAX]; /* [n_galaxy], or NULL */
    char star_parameter_path[CATALOGUE_PARAMETER_MAX][IO_NAME_MAX];
};

/* Factor from the dataset's Units attribute to ours; a missing or unfit unit is an error. */
int catalogue_unit(struct io_file *file, const char *path, enum units_kind kind, double *ret_factor,
                   struct error *err);
