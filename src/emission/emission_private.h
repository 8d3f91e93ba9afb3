/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the tables of the room. */
#pragma once

#include "polyphony/base.h"

#define V_BAND_ANGSTROM 5500.0
#define V_BAND_UM       0.55
#define ANGSTROM_PER_UM 1e4

/*
 * "unknown <what> '<word>' (did you mean …?): use one of …" of a table that ends with NULL, whose rows begin
 * with their names. Returns POLYPHONY_USAGE.
 */
int emission_unknown(const char *what, const char *word, const void *const *rows, struct error *err);
