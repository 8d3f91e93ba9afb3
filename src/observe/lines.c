/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/job_schema.h"
#include "polyphony/options.h"

static const cyaml_schema_field_t fields[] = { SCHEMA_NAMES(struct job_lines, ids),
                                               SCHEMA_NAMES(struct job_lines, labels), CYAML_FIELD_END };

const struct job_operation operation_lines = {
    .key = "lines",
    .fields = fields,
    .size = sizeof(struct job_lines),
    .template_lines =
        "  lines:                      # luminosities [erg/s] and continua [erg/s/Hz] of emission lines\n"
        "    ids: [all]                # line ids of the grid, e.g. ['H 1 6562.80A']; serves observed_lines too\n"
        "    labels: [all]\n",
};

const struct job_operation operation_observed_lines = {
    .key = "observed_lines",
    .fields = fields,
    .size = sizeof(struct job_lines),
    .template_lines = "  observed_lines:             # fluxes [erg/s/cm^2] and observed wavelengths\n"
                      "    ids: [all]\n"
                      "    labels: [all]\n",
};
