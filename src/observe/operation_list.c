/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/operations.h"

#define OPERATION(name) extern const struct operation operation_##name;
#define STAGE(name)     OPERATION(name)
#include "operations.def"
#undef OPERATION
#undef STAGE

#define OPERATION(name) &operation_##name,
#define STAGE(name)     &operation_##name,
const struct operation *const operation_list[] = {
#include "operations.def"
    NULL
};
#undef OPERATION
#undef STAGE

#define OPERATION(name) &operation_##name.job,
#define STAGE(name)
const struct job_operation *const job_operation_list[] = {
#include "operations.def"
    NULL
};
