/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of parameters, and nothing else: a program that links a longer one has more of them. */
#include "polyphony/parameters.h"

#include <float.h>

#define PARAMETER(name, ...) static const struct parameter_row parameter_##name = { #name, __VA_ARGS__ };
#include "parameters.def"
#undef PARAMETER

#define PARAMETER(name, ...) &parameter_##name,
const struct parameter_row *const parameter_rows[] = {
#include "parameters.def"
    NULL
};
