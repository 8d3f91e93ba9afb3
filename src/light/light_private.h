/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/light.h"

/* The product of a term's galaxy-wide factors at every column, ret_factor[columns->n]. */
void observe_term_factor(const struct stellar_light *light, const struct observe_columns *columns,
                         const struct emission_term *term, double *ret_factor);
