/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The census of all galaxies, for people. */
#pragma once

#include "polyphony/operations.h"

/** Its figures, a line each that begins with `indent`; and its warnings, with `warning` before each, to another place. */
void census_print(const struct census_sum *sum, const char *const axis_name[CENSUS_AXES_MAX],
                  const char *indent, const char *warning, FILE *to);
/** Of a results file: of this job's limits, or (NULL) of those of the file's. What cannot be read is a warning. */
void census_print_results(const char *path, const struct job *job, FILE *to);
/** Pivots and ranges of all filters that the job uses, and what of each the grid has not; with warnings of those that can
 * hardly be right. */
void census_print_filters(const struct plan *plan);
