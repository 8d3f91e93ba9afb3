/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/operations.h"

/* Tests have lists of their own, with operations that are not among the sources (tests/toys). */
#ifndef OPERATIONS_DEF
#define OPERATIONS_DEF "operations.def"
#endif

#define OPERATION(name) extern const struct operation operation_##name;
#define STAGE(name)     OPERATION(name)
#include OPERATIONS_DEF
#undef OPERATION
#undef STAGE

#define OPERATION(name) &operation_##name,
#define STAGE(name)     &operation_##name,
const struct operation *const operation_list[] = {
#include OPERATIONS_DEF
    NULL
};
#undef OPERATION
#undef STAGE

#define OPERATION(name) &operation_##name.job,
#define STAGE(name)
const struct job_operation *const job_operation_list[] = {
#include OPERATIONS_DEF
    NULL
};
