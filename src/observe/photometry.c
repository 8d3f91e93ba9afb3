/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/job_schema.h"
#include "polyphony/options.h"

static const cyaml_schema_field_t fields[] = { SCHEMA_NAMES(struct job_photometry, instruments),
                                               SCHEMA_NAMES(struct job_photometry, labels), CYAML_FIELD_END };

static int check(const struct job *job, const char *key, const void *options, struct error *err)
{
    const struct job_photometry *photometry = options;

    return job_check_instruments(job, key, photometry->instruments, photometry->n_instruments, false, err);
}

const struct job_operation operation_photometry_luminosities = {
    .key = "photometry_luminosities",
    .fields = fields,
    .size = sizeof(struct job_photometry),
    .check = check,
    .template_lines =
        "  photometry_luminosities:    # rest-frame luminosity densities through filters [erg/s/Hz]\n"
        "    instruments: [all]        # labels of instruments above\n"
        "    labels: [all]\n",
};

const struct job_operation operation_photometry_fluxes = {
    .key = "photometry_fluxes",
    .fields = fields,
    .size = sizeof(struct job_photometry),
    .check = check,
    .template_lines = "  photometry_fluxes:          # flux densities through filters [nJy]\n"
                      "    instruments: [all]\n"
                      "    labels: [all]\n",
};
