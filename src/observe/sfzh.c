/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/job_schema.h"
#include "polyphony/options.h"

static const cyaml_schema_field_t fields[] = { CYAML_FIELD_END };

const struct job_operation operation_sfzh = {
    .key = "sfzh",
    .fields = fields,
    .size = sizeof(struct job_plain),
    .template_lines =
        "  sfzh: {}                    # stellar mass formed, by age and metallicity of the grid\n",
};
