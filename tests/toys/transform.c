/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A transform that the program does not have, 1 - p^2, and a model that uses it. */
#include "polyphony/emission.h"

static void multiply_uncovered(size_t n, const double *cover, double *value)
{
    for (size_t i = 0; i < n; i++)
        value[i] *= 1.0 - cover[i] * cover[i];
}

const struct emission_transform toy_transform = { .name = "ToyUncovered", .multiply = multiply_uncovered };

static const struct emission_node nodes[] = {
    { .label = "uncovered",
      .is_saved = true,
      .op = EMISSION_TRANSFORM,
      .of = { "incident" },
      .transform = "ToyUncovered",
      .parameter = "toy_cover" },
    { .label = "incident", .is_saved = true, .op = EMISSION_EXTRACT, .of = { "incident" } },
};

const struct emission_model toy_transform_model = { "toy_transform", "stars beside clouds", NULL, 2, nodes };
