/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model of masked extractions and of a screen before some of the stars. */
#include "polyphony/emission.h"

#define INCIDENT(name, ...)                                                                                  \
    {                                                                                                        \
        .label = name, .is_saved = true, .op = EMISSION_EXTRACT, .of = { "incident" }, .mask = {             \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }
#define YOUNG                                                                                                \
    {                                                                                                        \
        "log10ages", "<", 9.3                                                                                \
    }
#define RICH                                                                                                 \
    {                                                                                                        \
        "metallicities", ">=", 0.01                                                                          \
    }

static const struct emission_node nodes[] = {
    { .label = "all", .is_saved = true, .op = EMISSION_COMBINE, .of = { "young", "old" } },
    { .label = "dimmed",
      .is_saved = true,
      .op = EMISSION_TRANSFORM,
      .of = { "all" },
      .transform = "DustAttenuation",
      .parameter = "tau_v",
      .mask = { YOUNG, RICH } },
    INCIDENT("young", YOUNG),
    INCIDENT("old", { "log10ages", ">=", 9.3 }),
    INCIDENT("covered", { "toy_cover", ">", 0.5 }, RICH),
};

const struct emission_model toy_masks_model = { "toy_masks", "stars by age and metallicity", NULL,
                                                sizeof(nodes) / sizeof(*nodes), nodes };
