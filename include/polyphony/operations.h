/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All operations there are: src/observe/operations.def. */
#pragma once

#include "polyphony/config.h"

/** In the order of the job file; ends with NULL. */
extern const struct job_operation *const job_operation_list[];
