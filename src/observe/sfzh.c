/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stellar mass formed, by age and metallicity. */
#include "polyphony/job_schema.h"
#include "polyphony/work.h"

/* No options. */
struct options {
    char unused;
};

static const cyaml_schema_field_t fields[] = { CYAML_FIELD_END };

static const struct product_kind histories = {
    .path = "Galaxies/%c/SFZH",
    .units = "Msun",
    .description = "Stellar mass formed, by age and metallicity (Axes/Ages, Axes/Metallicities)",
    .axis = { AXIS_AGE, AXIS_METALLICITY }
};

static int add_tile(struct work *w, const struct step *step, struct error *err)
{
    (void)err;
    observe_sfzh(w->plan->grid, w->plan->scheme, &w->galaxy.particles[STARS],
                 work_place(w, step, &histories, 0));
    return 0;
}

const struct operation operation_sfzh = {
    .job = {
    .key = "sfzh",
    .fields = fields,
    .size = sizeof(struct options),
    .template_lines =
        "  sfzh: {}                    # stellar mass formed, by age and metallicity of the grid\n",
    },
    .title = "SFZH",
    .stage = "SFZH",
    .part = ROW_EARLY_LAST,
    .kind = { &histories },
    .run = { add_tile, NULL, NULL, NULL },
};
