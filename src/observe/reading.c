/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading: the particles, and what is known of a galaxy without computing it. */
#include "polyphony/work.h"

#include <string.h>

static void know_id(const struct plan *plan, uint64_t row, void *ret_value)
{
    memcpy(ret_value, &plan->catalogue->id[row], sizeof(int64_t));
}

static void know_redshift(const struct plan *plan, uint64_t row, void *ret_value)
{
    memcpy(ret_value, &(double) { plan_redshift(plan, row) }, sizeof(double));
}

static void know_count(const struct plan *plan, enum component component, uint64_t row, void *ret_value)
{
    memcpy(ret_value, &(int64_t) { plan->catalogue->n_particle[component][row] }, sizeof(int64_t));
}

static void know_stars(const struct plan *plan, uint64_t row, void *ret_value)
{
    know_count(plan, STARS, row, ret_value);
}

static void know_gas(const struct plan *plan, uint64_t row, void *ret_value)
{
    know_count(plan, GAS, row, ret_value);
}

static void know_black_holes(const struct plan *plan, uint64_t row, void *ret_value)
{
    know_count(plan, BLACK_HOLES, row, ret_value);
}

static const struct product_kind ids = { .path = "Galaxies/ID",
                                         .units = "dimensionless",
                                         .description = "Galaxy id of the catalogue",
                                         .precision = PRECISION_INTEGER,
                                         .known = know_id };
static const struct product_kind redshifts = { .path = "Galaxies/Redshift",
                                               .units = "dimensionless",
                                               .description = "Redshift at which the galaxy is observed",
                                               .known = know_redshift };
static const struct product_kind star_counts = { .path = "Galaxies/NStars",
                                                 .units = "dimensionless",
                                                 .description = "Number of star particles",
                                                 .precision = PRECISION_INTEGER,
                                                 .known = know_stars };
static const struct product_kind gas_counts = { .path = "Galaxies/NGas",
                                                .units = "dimensionless",
                                                .description = "Number of gas particles",
                                                .precision = PRECISION_INTEGER,
                                                .known = know_gas };
static const struct product_kind black_hole_counts = { .path = "Galaxies/NBlackHoles",
                                                       .units = "dimensionless",
                                                       .description = "Number of black holes",
                                                       .precision = PRECISION_INTEGER,
                                                       .known = know_black_holes };

static bool always(const struct plan *plan)
{
    (void)plan;
    return true;
}

static int read_tile(struct work *w, const struct step *step, struct error *err)
{
    int r = w->is_grouped ? 0 : w->take_tile(w, err);

    (void)step;
    if (r)
        return r;
    catalogue_add_centre(&w->galaxy, w->centre_sum_kpc);
    w->n_rounded += w->galaxy.n_rounded;
    return 0;
}

static int read_all(struct work *w, const struct step *step, struct error *err)
{
    for (size_t k = 0; k < OPERATION_KINDS_MAX && step->operation->kind[k]; k++)
        step->operation->kind[k]->known(w->plan, w->galaxy.row,
                                        work_place(w, step, step->operation->kind[k], 0));
    return catalogue_set_centre(w->plan->catalogue, w->centre_sum_kpc, &w->galaxy, err);
}

static int read_again(struct work *w, const struct step *step, struct error *err)
{
    (void)step;
    return work_is_in_tiles(w) ? w->take_tile(w, err) : 0;
}

const struct operation operation_reading = {
    .stage = "Reading",
    .part = ROW_EARLY,
    .runs = always,
    .kind = { &ids, &redshifts, &star_counts, &gas_counts, &black_hole_counts },
    .run = { read_tile, read_all, read_again, NULL },
};
