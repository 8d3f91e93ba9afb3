/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The transforms: fractions of light, and the dust screen. */
#include "polyphony/emission.h"

static void multiply(size_t n, const double *fraction, double *value)
{
    for (size_t i = 0; i < n; i++)
        value[i] *= fraction[i];
}

static void multiply_rest(size_t n, const double *fraction, double *value)
{
    for (size_t i = 0; i < n; i++)
        value[i] *= 1.0 - fraction[i];
}

const struct emission_transform emission_transform_escaped = { .name = "EscapedFraction",
                                                               .multiply = multiply };
const struct emission_transform emission_transform_processed = { .name = "ProcessedFraction",
                                                                 .multiply = multiply_rest };
const struct emission_transform emission_transform_ly_alpha = { .name = "EscapedFraction of Lyman alpha",
                                                                .multiply = multiply,
                                                                .is_ly_alpha = true };
const struct emission_transform emission_transform_screen = { .name = "DustAttenuation" };
