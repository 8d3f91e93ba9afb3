/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stellar mass formed, by age. */
#include "polyphony/job_schema.h"
#include "polyphony/work.h"

/* No options. */
struct options {
    char unused;
};

static const cyaml_schema_field_t fields[] = { CYAML_FIELD_END };

static const struct product_kind histories = { .path = "Galaxies/%c/SFH",
                                               .units = "Msun",
                                               .description = "Stellar mass formed, by age (Axes/Ages)",
                                               .axis = { AXIS_AGE } };

static int add_tile(struct work *w, const struct step *step, struct error *err)
{
    (void)err;
    observe_sfh(w->plan->grid, w->plan->scheme, &w->galaxy.particles[STARS],
                work_place(w, step, &histories, 0));
    return 0;
}

const struct operation operation_sfh = {
    .job = {
    .key = "sfh",
    .fields = fields,
    .size = sizeof(struct options),
    .template_lines = "  sfh: {}                     # stellar mass formed, by age\n",
    },
    .title = "SFH",
    .stage = "SFH",
    .part = ROW_EARLY,
    .kind = { &histories },
    .run = { add_tile, NULL, NULL, NULL },
};
