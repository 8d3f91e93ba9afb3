/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/emission.h"

/*
 * The presets are roots in one graph, that of Synthesizer's PacmanEmission with an escape fraction
 * (docs/physics.md 3): a model named after a node saves what that node is made of, and pacman saves all.
 *
 *     emergent   = attenuated + escaped          intrinsic   = reprocessed + escaped
 *     attenuated = reprocessed behind dust       reprocessed = nebular + transmitted
 *
 * As there, nebular emission is not reduced by fesc. The order is that of Synthesizer's saved labels.
 */
static const struct emission_node nodes[] = {
    { .label = "emergent", .is_saved = true, .op = EMISSION_COMBINE, .of = { "attenuated", "escaped" } },
    { .label = "attenuated",
      .is_saved = true,
      .op = EMISSION_TRANSFORM,
      .of = { "reprocessed" },
      .transform = "DustAttenuation",
      .parameter = "tau_v" },
    { .label = "reprocessed", .is_saved = true, .op = EMISSION_COMBINE, .of = { "nebular", "transmitted" } },
    { .label = "transmitted",
      .is_saved = true,
      .op = EMISSION_TRANSFORM,
      .of = { "full_transmitted" },
      .transform = "ProcessedFraction",
      .parameter = "fesc" },
    { .label = "full_transmitted", .is_saved = true, .op = EMISSION_EXTRACT, .of = { "transmitted" } },
    { .label = "nebular",
      .is_saved = true,
      .op = EMISSION_COMBINE,
      .of = { "nebular_line", "nebular_continuum" } },
    { .label = "nebular_continuum", .is_saved = true, .op = EMISSION_EXTRACT, .of = { "nebular_continuum" } },
    { .label = "nebular_line",
      .is_saved = true,
      .op = EMISSION_TRANSFORM,
      .of = { "_nebular_line_no_fesc" },
      .transform = "EscapedFraction of Lyman alpha",
      .parameter = "fesc_ly_alpha" },
    { .label = "_nebular_line_no_fesc", .op = EMISSION_EXTRACT, .of = { "linecont" } },
    { .label = "escaped",
      .is_saved = true,
      .op = EMISSION_TRANSFORM,
      .of = { "incident" },
      .transform = "EscapedFraction",
      .parameter = "fesc" },
    { .label = "incident", .is_saved = true, .op = EMISSION_EXTRACT, .of = { "incident" } },
    { .label = "intrinsic", .is_saved = true, .op = EMISSION_COMBINE, .of = { "reprocessed", "escaped" } },
};

#define N_NODE (sizeof(nodes) / sizeof(*nodes))

/* A model named `of` whose labels are what the node `top` is made of. */
#define PRESET(of, top, what)                                                                                \
    const struct emission_model emission_model_##of = { #of, what, top, N_NODE, nodes }

PRESET(pacman, NULL, "escape and one dust screen: all of the graph (Synthesizer's PacmanEmission)");
PRESET(incident, "incident", "stars alone");
PRESET(transmitted, "transmitted", "stars seen through their nebula");
PRESET(nebular, "nebular", "lines and nebular continuum");
PRESET(reprocessed, "reprocessed", "nebular and transmitted light");
PRESET(intrinsic, "intrinsic", "reprocessed and escaping light, no dust");
PRESET(emergent, "emergent", "dust-attenuated and escaping light, and what they are made of");
