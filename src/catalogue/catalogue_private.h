/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <float.h>

#include "polyphony/catalogue.h"
#include "polyphony/io.h"
#include "polyphony/node_table.h"
#include "polyphony/units.h"

/* What a value must satisfy to be used; in the order of values.c's tables. */
enum bound { ANY_FINITE, POSITIVE, NOT_NEGATIVE, OF_REDSHIFT, MASS_FRACTION };

/* What a field is called in files, and what its values must be. */
struct field_kind {
    const char *name;    /* of its dataset in the component's group; NULL: the job says it */
    unsigned components; /* that have it according to docs/formats.md, as bits */
    size_t width;        /* 1, or 3 for vectors; 0: an axis of the vector before it */
    enum units_kind kind;
    enum bound bound;
    double rounding;  /* so much below 0 counts as 0, in our unit; 0: nothing does */
    double floor;     /* values below are raised to it; 0: none are */
    const char *hint; /* what else can be done where there is none, for messages; or NULL */
};

/* Where a field of a component is in the file. */
struct source {
    char path[IO_NAME_MAX];
    double factor;           /* file unit to ours */
    struct io_direct direct; /* where HDF5 is not needed; n = 0 where it is */
};

/*
 * What rounding makes of a 0. Mass fractions, ratios and other numbers of order one: some units of float32's
 * last place (1.2e-7), as of 1 - X - Y. Ages: that of a difference of two times of the universe's age.
 * Masses: nothing in a simulation weighs as little.
 */
#define ROUNDING_FRACTION  1e-6                         /* [-] */
#define ROUNDING_AGE_YR    (14e9 * (double)FLT_EPSILON) /* [yr] 1.7e3 */
#define ROUNDING_MASS_MSUN 1e-6                         /* [Msun] */

/* Columns of the index; those of a component are in the order of enum component. */
enum index_column {
    INDEX_ID,
    INDEX_REDSHIFT,
    INDEX_OFFSET, /* [N_COMPONENT] columns */
    INDEX_COUNT = INDEX_OFFSET + N_COMPONENT,
    INDEX_CENTRE = INDEX_COUNT + N_COMPONENT,
    INDEX_DUST_RATIO,
    INDEX_PARAMETER, /* [CATALOGUE_PARAMETER_MAX] columns */
    N_INDEX_COLUMN = INDEX_PARAMETER + CATALOGUE_PARAMETER_MAX
};

/* What is read at a time: large enough for any file system, small enough to stay in cache until it is used. */
#define CATALOGUE_WINDOW_BYTES ((size_t)1 << 20)

struct catalogue_reader {
    struct io_file *file; /* NULL on a rank that does not compute */
    struct catalogue_needs needs;
    struct source source[N_COMPONENT][N_FIELD];
    double *window; /* [CATALOGUE_WINDOW_BYTES], NULL on a rank that does not compute */

    bool has_column[N_INDEX_COLUMN];
    double column_factor[N_INDEX_COLUMN];
    struct node_table index;                                 /* the columns, one after the other */
    void *zeros;                                             /* [n_galaxy] of what the file does not have */
    const double *centre_kpc;                                /* [n_galaxy][3], or NULL */
    const double *galaxy_dust_ratio;                         /* [n_galaxy], or NULL */
    const double *galaxy_parameter[CATALOGUE_PARAMETER_MAX]; /* [n_galaxy], or NULL */

    struct units_frame frame; /* as attributes of the file say, looked for when a unit needs it */
    bool has_frame, uses_scale_factor;
};

/* ---- fields.c: particles' datasets -------------------------------------------------------------- */

const struct field_kind *field_kind(enum field field);
/* Paths of all fields, with the job's names of parameters. */
void fields_name(struct catalogue_reader *reader);
/* Those that the job needs: are they there, of the right shape and unit? */
int fields_find(struct catalogue *catalogue, struct error *err);
/* Are dust masses of the gas made of others, as the file has none? */
bool fields_make_dust(const struct catalogue *catalogue);

/* ---- units.c: units, scale factor and h, redshifts that are 0 ---------------------------------- */

/* Factor from the dataset's Units attribute (or units, Unit, unit) to ours. Without one numbers are pure; for
 * anything else a missing unit is an error, and so is an unfit one. */
int catalogue_unit(struct catalogue *catalogue, const char *path, enum units_kind kind, double *ret_factor,
                   struct error *err);
/* The same of parameter i of the needs. */
int catalogue_parameter_unit(struct catalogue *catalogue, size_t i, const char *path, double *ret_factor,
                             struct error *err);
/* The text of its unit; *ret_found is false without any. */
int catalogue_unit_text(struct io_file *file, const char *path, char ret_unit[IO_NAME_MAX], bool *ret_found,
                        struct error *err);
/* a and h from the attributes of the file, once. */
int catalogue_find_frame(struct catalogue_reader *reader, struct error *err);
/* redshift[n_galaxy]: roundings of 0 become 0, and a warning. */
void catalogue_settle_redshifts(struct catalogue *catalogue, double *redshift);
/* unused.c: what the file has of parameters that are left at their defaults. */
void catalogue_find_unused(struct catalogue *catalogue);
/* doubts.c: warnings of numbers that can hardly be in the unit they are said to be. Slices are known. */
void catalogue_find_doubts(struct catalogue *catalogue);
/* Where a unit is comoving: is each galaxy at the redshift of the file's scale factor? */
int catalogue_check_scale_factor(struct catalogue *catalogue, struct error *err);

/* ---- shape.c: rows of one number or three ------------------------------------------------------- */

/* How many rows of `width` numbers a dataset has: (N,), (N,1) or (N,3). */
int shape_count(struct io_file *file, const char *path, size_t width, uint64_t *ret_n, struct error *err);
/* It must have n rows. */
int shape_expect(struct io_file *file, const char *path, uint64_t n, size_t width, struct error *err);

/* ---- values.c: what a value must be ------------------------------------------------------------- */

bool value_is_within(enum bound bound, double value);
/* What a message says it must be. */
const char *value_needed(enum bound bound);
/* A value below 0 by no more than `rounding` becomes 0: did this one? */
bool value_round(double rounding, double *value);
/* The first value that is out of bounds, or n. On the way those that rounding has taken below 0 become 0, and
 * are added to *n_rounded. Values and `rounding` are in the file's unit, `factor` takes them to ours, which
 * the bounds are in: what has no room there is out of bounds, too. */
size_t values_check(enum bound bound, double rounding, double factor, double *value, size_t n,
                    uint64_t *n_rounded);

/* ---- index.c: what is known of every galaxy ---------------------------------------------------- */

/* Number of galaxies, slices, ids and redshifts: which columns there are, and their shapes. */
int index_find(struct catalogue *catalogue, struct error *err);
/* Does the file have the dataset of this column of Galaxies? */
bool index_is_in_file(const struct catalogue *catalogue, size_t i_column);
/* There is also this column of numbers: check its shape and unit. */
int index_add(struct catalogue *catalogue, size_t i_column, struct error *err);
/* Collective over the group: memory for the columns that there are, and whether this rank is to fill it. */
int index_take(struct catalogue *catalogue, const struct node_group *group, bool *ret_fills,
               struct error *err);
/* Read and validate the values. */
int index_fill(struct catalogue *catalogue, struct error *err);
void index_release(struct catalogue *catalogue);
