/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/io.h"
#include "polyphony/results.h"

#define RESULTS_PATH_MAX    512
#define LEDGER_PATH         "Run/Ledger"
#define STAR_TAU_PATH       "Galaxies/Stars/OpticalDepths/Particles"
#define BLACK_HOLE_TAU_PATH "Galaxies/BlackHoles/OpticalDepths/Particles"

/* Path of a product's dataset. */
void results_product_path(const struct plan *plan, const struct product *product, char *ret_path,
                          size_t size);

/* All datasets of rows, and the views of them. */
int results_layout_rows(struct io_file *file, const struct plan *plan, struct error *err);

/* What is the same for all galaxies: axes, instruments, the emission model. */
int results_write_constants(struct io_file *file, const struct plan *plan, struct error *err);
