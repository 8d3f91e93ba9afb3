/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Photometry and images, from tables of bands or from a spectrum for every star. */
#pragma once

#include "work.h"

/* Does a stage of this job use tables? */
bool tables_are_used(const struct plan *plan, enum stage_index stage);
/* Tables that galaxies will need in a stage are made and filled, with all threads, as far as they can be
 * kept. */
int tables_prepare(struct pipeline *p, size_t n, const struct work *const *works, enum stage_index stage,
                   struct arena *arena, struct error *err);
/* The galaxy is done with its tables. */
void tables_return(struct work *w);

int luminosities_again(struct work *w, struct error *err);
int luminosities_end(struct work *w, struct error *err);
int fluxes_again(struct work *w, struct error *err);
int fluxes_end(struct work *w, struct error *err);
int luminosity_images_again(struct work *w, struct error *err);
int flux_images_again(struct work *w, struct error *err);

/* ---- a spectrum for every star (direct.c) -------------------------------------------------------- */

/* Spectra of the tile in hand, added to those of the galaxy; on the way the photometry that images need. */
int direct_spectra(struct work *w, struct error *err);
/* The tile onto images of a kind. */
int direct_images(struct work *w, enum image_kind kind, struct error *err);
