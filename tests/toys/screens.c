/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model whose screens have parameters and curves of their own. */
#include "polyphony/emission.h"

#define SCREEN(name, what, depth, by)                                                                        \
    {                                                                                                        \
        .label = name, .is_saved = true, .op = EMISSION_TRANSFORM, .of = { what },                           \
        .transform = "DustAttenuation", .parameter = depth, .curve = by                                      \
    }

static const struct emission_node nodes[] = {
    { .label = "seen", .is_saved = true, .op = EMISSION_COMBINE, .of = { "stars", "nebula", "behind_both" } },
    SCREEN("stars", "incident", "tau_v", NULL),
    SCREEN("nebula", "nebular_continuum", "toy_tau", "li08_smc"),
    SCREEN("behind_both", "stars", "toy_tau", NULL),
    { .label = "incident", .op = EMISSION_EXTRACT, .of = { "incident" } },
    { .label = "nebular_continuum", .op = EMISSION_EXTRACT, .of = { "nebular_continuum" } },
};

const struct emission_model toy_screens_model = { "toy_screens", "screens of two curves", NULL,
                                                  sizeof(nodes) / sizeof(*nodes), nodes };
