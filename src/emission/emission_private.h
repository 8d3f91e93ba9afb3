/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the tables of the room. */
#pragma once

#include "polyphony/emission.h"

#define V_BAND_ANGSTROM 5500.0
#define V_BAND_UM       0.55
#define ANGSTROM_PER_UM 1e4

/*
 * "unknown <what> '<word>' (did you mean …?): use one of …" of a table that ends with NULL, whose rows begin
 * with their names. Returns POLYPHONY_USAGE.
 */
int emission_unknown(const char *what, const char *word, const void *const *rows, struct error *err);

/* The mask of a node; POLYPHONY_USAGE for a comparison or an attribute that there is not. */
int emission_mask_read(const struct emission_node *node, struct emission_mask *ret_mask, struct error *err);
/* One condition more; false: there is no room. Is no particle left, as the opposite is asked for, too? */
bool emission_mask_add(struct emission_mask *mask, const struct emission_condition *condition,
                       bool *ret_is_empty);
struct emission_condition emission_condition_opposite(const struct emission_condition *condition);
bool emission_masks_are_equal(const struct emission_mask *a, const struct emission_mask *b);
