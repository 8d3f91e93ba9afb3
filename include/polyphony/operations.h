/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All operations there are: src/observe/operations.def. */
#pragma once

#include "polyphony/plan.h"

/** In the order in which they run; ends with NULL. */
extern const struct operation *const operation_list[];
/** The same without stages that have no key, for job_parse(). */
extern const struct job_operation *const job_operation_list[];
