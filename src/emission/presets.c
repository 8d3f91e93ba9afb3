/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/emission.h"

#include <string.h>

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
      .transform = EMISSION_ATTENUATE,
      .parameter = EMISSION_TAU_V },
    { .label = "reprocessed", .is_saved = true, .op = EMISSION_COMBINE, .of = { "nebular", "transmitted" } },
    { .label = "transmitted",
      .is_saved = true,
      .op = EMISSION_TRANSFORM,
      .of = { "full_transmitted" },
      .transform = EMISSION_PROCESSED,
      .parameter = EMISSION_FESC },
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
      .transform = EMISSION_LY_ALPHA,
      .parameter = EMISSION_FESC_LY_ALPHA },
    { .label = "_nebular_line_no_fesc", .op = EMISSION_EXTRACT, .of = { "linecont" } },
    { .label = "escaped",
      .is_saved = true,
      .op = EMISSION_TRANSFORM,
      .of = { "incident" },
      .transform = EMISSION_ESCAPED,
      .parameter = EMISSION_FESC },
    { .label = "incident", .is_saved = true, .op = EMISSION_EXTRACT, .of = { "incident" } },
    { .label = "intrinsic", .is_saved = true, .op = EMISSION_COMBINE, .of = { "reprocessed", "escaped" } },
};

#define N_NODE (sizeof(nodes) / sizeof(*nodes))

static const struct emission_model models[] = {
    { "pacman", "escape and one dust screen: all of the graph (Synthesizer's PacmanEmission)", NULL, N_NODE,
      nodes },
    { "incident", "stars alone", "incident", N_NODE, nodes },
    { "transmitted", "stars seen through their nebula", "transmitted", N_NODE, nodes },
    { "nebular", "lines and nebular continuum", "nebular", N_NODE, nodes },
    { "reprocessed", "nebular and transmitted light", "reprocessed", N_NODE, nodes },
    { "intrinsic", "reprocessed and escaping light, no dust", "intrinsic", N_NODE, nodes },
    { "emergent", "dust-attenuated and escaping light, and what they are made of", "emergent", N_NODE,
      nodes },
};

size_t emission_model_count(void)
{
    return sizeof(models) / sizeof(*models);
}

const struct emission_model *emission_model_at(size_t i)
{
    return &models[i];
}

int emission_model_find(const char *name, const struct emission_model **ret_model, struct error *err)
{
    const char *names[sizeof(models) / sizeof(*models)], *nearest;
    char known[256] = "";

    for (size_t i = 0; i < emission_model_count(); i++) {
        if (!strcmp(models[i].name, name)) {
            *ret_model = &models[i];
            return 0;
        }
        names[i] = models[i].name;
        strncat(known, i ? ", " : "", sizeof(known) - strlen(known) - 1);
        strncat(known, models[i].name, sizeof(known) - strlen(known) - 1);
    }
    nearest = text_nearest(name, names, emission_model_count());
    return error_set(err, POLYPHONY_USAGE, "unknown emission model '%s'%s%s%s (known: %s)", name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "", known);
}
