/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The census: what of a galaxy does not fit the grid, its own centre, or its images; and what all galaxies
 * together say of it. Figures are plain numbers; beyond their limits each has a likely cause, which is named
 * (docs/physics.md 14).
 */
#pragma once

#include "polyphony/catalogue.h"
#include "polyphony/grid.h"

#define CENSUS_AXES_MAX 6
/** Stars whose positions are kept for medians: of more, so many evenly in their order. */
#define CENSUS_PLACES_MAX ((size_t)256)

/** Figures of a galaxy. NaN: not measured. */
enum census_figure {
    CENSUS_WITHOUT_LIGHT,  /* share of stars of no mass, by number */
    CENSUS_EXTENT,         /* median distance of stars from their median position [kpc] */
    CENSUS_CENTRE,         /* distance of that position from the centre, in extents */
    CENSUS_GAS_BEFORE,     /* share of the dust nearer to the observer than all stars */
    CENSUS_GAS_BEHIND,     /* ... and farther */
    CENSUS_FIELD_REST,     /* share of light outside the field of images of luminosities, the most of them */
    CENSUS_FIELD_OBSERVED, /* ... and of fluxes */
    CENSUS_BELOW,          /* [CENSUS_AXES_MAX] share of stellar mass below the first node of an axis */
    CENSUS_ABOVE = CENSUS_BELOW + CENSUS_AXES_MAX, /* ... and above the last */
    CENSUS_N_FIGURE = CENSUS_ABOVE + CENSUS_AXES_MAX
};

struct census_figures {
    int64_t id;
    uint64_t n_star;
    double mass_msun; /* stellar mass formed */
    double redshift;
    double value[CENSUS_N_FIGURE];
};

/* ---- one galaxy ---------------------------------------------------------------------------------- */

/** Axes of a grid that stars are looked up by. */
struct census_axes {
    size_t n;
    const char *name[CENSUS_AXES_MAX];
    /* Of each star; or, where a galaxy has no such field, one number: its parameter. */
    enum field field[CENSUS_AXES_MAX];
    /* Beyond these by more than rounding (1e-6) a star is off the grid */
    double least[CENSUS_AXES_MAX], most[CENSUS_AXES_MAX];
};

/** @param axis_parameter  [grid->n_axis] which parameter of the catalogue those are that are no ages or metallicities */
struct census_axes census_axes_of(const struct grid *grid, const size_t *axis_parameter);

/** Sums over the stars of a galaxy, which may come in tiles: in their order, so tiles do not show. */
struct census {
    const struct census_axes *axes;
    uint64_t n_star, n_without_light, n_seen;
    double mass_msun, below_msun[CENSUS_AXES_MAX], above_msun[CENSUS_AXES_MAX];
    double z_least_kpc, z_most_kpc;
    size_t n_place;
    double *place_kpc[3]; /* [n_place] each, or NULL */
};

/** Positions that are kept of a galaxy of so many stars. */
size_t census_places(uint64_t n_star);
/** @param place_kpc  [3 * census_places(n_star)], of the caller; NULL: stars have no positions */
void census_begin(struct census *census, const struct census_axes *axes, uint64_t n_star, double *place_kpc);
/** A galaxy, or the tile of its stars that is in the arrays. */
void census_add(struct census *census, const struct galaxy *galaxy);
/**
 * The figures, but for fields, which are not measured here.
 * @param gas         all of it, or NULL
 * @param centre_kpc  NULL: there is none
 */
void census_end(const struct census *census, const struct particles *gas, const double *centre_kpc,
                struct census_figures *ret_figures);
/** Share of stellar mass outside a square field about the centre, of so many kpc from the centre to a side. */
double census_mass_outside(const struct particles *stars, const double centre_kpc[3], double half_kpc);

/* ---- all galaxies -------------------------------------------------------------------------------- */

/** Options of the operation. */
struct census_limits {
    int stars;         /* galaxies of fewer are not judged */
    double off_grid;   /* share of stellar mass beyond an end of an axis */
    double off_field;  /* share of an image's light */
    double off_centre; /* [extents] */
    double extent_least_kpc, extent_most_kpc;
    double extent_early_kpc; /* times 1 + z, from redshift 2 on */
    double gas_apart;        /* share of the dust before, or behind, all stars */
    double without_light;    /* share of stars */
    double filter_angstrom;  /* pivot at rest */
};
#define CENSUS_EARLY_REDSHIFT 2.0

/** What one figure is in all galaxies. */
struct census_total {
    uint64_t n;         /* galaxies it is measured of */
    double sum, weight; /* mean: by stellar mass, by stars, or by galaxy */
    double least, most;
    int64_t id_least, id_most;
    /* Judged, and beyond a limit: how many, and the worst. */
    uint64_t n_low, n_high, n_early;
    int64_t id_low, id_high, id_early;
    double low, high, early;
};

struct census_sum {
    struct census_limits limits;
    bool is_look;         /* of galaxies that were looked at: fields are of mass, not of light */
    bool judges_redshift; /* redshifts are those of the galaxies, not the job's */
    uint64_t n_galaxy, n_empty, n_judged; /* n_empty: without stars */
    double mass_msun;
    struct census_total figure[CENSUS_N_FIGURE];
};

void census_sum_begin(struct census_sum *sum, const struct census_limits *limits, bool judges_redshift);
void census_sum_add(struct census_sum *sum, const struct census_figures *figures);

#define CENSUS_TEXT_MAX 512
/** A line for people on a figure in all galaxies; false where it was not measured. */
bool census_describe(const struct census_sum *sum, const char *const axis_name[CENSUS_AXES_MAX],
                     enum census_figure figure, char ret_text[CENSUS_TEXT_MAX]);
/** The i-th warning, from 0 on, with the likely cause; false when there is none left. */
bool census_warn(const struct census_sum *sum, const char *const axis_name[CENSUS_AXES_MAX], size_t i,
                 char ret_text[CENSUS_TEXT_MAX]);
