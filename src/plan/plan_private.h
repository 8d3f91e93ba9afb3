/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/plan.h"

/* grid.c: fields of the catalogue that the grid's further axes need, and then the grid. */
#define ADVICE_SIZE 512
int plan_grid_fields(struct plan *plan, const struct node_share *share, struct catalogue_needs *needs,
                     struct error *err);
int plan_grid_open(struct plan *plan, struct grid_needs *needs, const struct node_share *share,
                   struct error *err);

/* The operations of the list, with their options. */
int plan_list_steps(struct plan *plan, const struct operation *const *operations, struct error *err);
/* What an operation that is asked for needs (enum need); 0 where it is not. */
unsigned step_needs(const struct step *step);
struct named_parts step_parts(const struct step *step);
/* What every operation works on, and which stages run; filters are checked against the grid. */
int plan_operations(struct plan *plan, struct error *err);

/* Each filter must see the grid at the redshifts of all galaxies; where the grid's end cuts it, that is a
 * warning with what is left out. */
int plan_check_filters(struct plan *plan, const struct selection *selection, enum band_frame frame,
                       struct error *err);

/* Columns for spectra. */
int plan_spectra_columns(struct plan *plan, struct error *err);

/* plan_unused.c: parameters of the model that the catalogue may have and the job does not name; afterwards, a
 * warning of those that it has. */
void plan_list_defaulted(const struct plan *plan, struct catalogue_needs *needs);
void plan_warn_unused_data(struct plan *plan);

/* List what a row holds and where. */
int plan_products(struct plan *plan, struct error *err);
