/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/operations.h"

#define OPERATION(name) extern const struct job_operation operation_##name;
#include "operations.def"
#undef OPERATION

#define OPERATION(name) &operation_##name,
const struct job_operation *const job_operation_list[] = {
#include "operations.def"
    NULL
};
