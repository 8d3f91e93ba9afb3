/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/job_schema.h"
#include "polyphony/options.h"

static const cyaml_schema_field_t fields[] = { SCHEMA_NAMES(struct job_spectra, labels), CYAML_FIELD_END };

const struct job_operation operation_spectra = {
    .key = "spectra",
    .fields = fields,
    .size = sizeof(struct job_spectra),
    .template_lines =
        "  spectra:                    # rest-frame luminosity densities [erg/s/Hz]\n"
        "    labels: [all]             # spectra of the emission model, e.g. [intrinsic, emergent]\n",
};

const struct job_operation operation_observed_spectra = {
    .key = "observed_spectra",
    .fields = fields,
    .size = sizeof(struct job_spectra),
    .template_lines = "  observed_spectra:           # flux densities [nJy] at the galaxy's redshift\n"
                      "    labels: [all]\n",
};
