/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All operations there are: src/observe/operations.def. */
#pragma once

#include "polyphony/census.h"
#include "polyphony/plan.h"

/** In the order in which they run; ends with NULL. */
extern const struct operation *const operation_list[];
/** The same without stages that have no key, for job_parse(). */
extern const struct job_operation *const job_operation_list[];

/** Limits of the census; false where the list of operations of the job has none. */
bool census_limits_of(const struct job *job, struct census_limits *ret_limits);
/** The figures of a galaxy that plan_look() has looked at; instead of the share of light outside images that of stellar
 * mass. */
void census_look(const struct plan *plan, const struct look *look, struct census_figures *ret_figures);
