/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/plan.h"

/* A room reported what is wrong with a value (r < 0): say at which line of the job. Returns r. */
int plan_at_key(const struct plan *plan, int r, const char *key, struct error *err);

/* Does a list of names say "all"? */
bool plan_name_is_all(char *const *names, unsigned n);

/* grid.c: fields of the catalogue that the grid's further axes need, and then the grid. */
#define ADVICE_SIZE 512
int plan_grid_fields(struct plan *plan, const struct node_share *share, struct catalogue_needs *needs,
                     struct error *err);
int plan_grid_open(struct plan *plan, struct grid_needs *needs, const struct node_share *share,
                   struct error *err);

/* What every operation works on: labels, instruments, lines, pixels, kernels; filters are checked against the
 * grid. */
int plan_operations(struct plan *plan, struct error *err);

/* Each filter must see the grid at the redshifts of all galaxies; where the grid's end cuts it, that is a
 * warning with what is left out. */
int plan_check_filters(struct plan *plan, const struct selection *selection, enum band_frame frame,
                       struct error *err);

/* Columns for spectra, and for the lines that are wanted. */
int plan_spectra_columns(struct plan *plan, struct error *err);
int plan_line_columns(struct plan *plan, struct error *err);

/* Can this galaxy be observed, as far as its redshift goes? */
bool plan_redshift_is_valid(const struct plan *plan, uint64_t row);

/* plan_unused.c: parameters of the model that the catalogue may have and the job does not name; afterwards, a
 * warning of those that it has. */
void plan_list_defaulted(const struct plan *plan, struct catalogue_needs *needs);
void plan_warn_unused_data(struct plan *plan);

/* List what a row holds and where. */
int plan_products(struct plan *plan, struct error *err);

/* Memory of the plan, or an error. */
void *plan_array(struct plan *plan, size_t n, size_t size, int *r, struct error *err);
