/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/job_schema.h"
#include "polyphony/options.h"

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_STRING_PTR("kernel", SCHEMA_OPTIONAL, struct job_optical_depths, kernel, 1, CYAML_UNLIMITED),
    CYAML_FIELD_FLOAT_PTR("kappa_pc2_msun", SCHEMA_OPTIONAL, struct job_optical_depths, kappa_pc2_msun),
    CYAML_FIELD_BOOL_PTR("write_particles", SCHEMA_OPTIONAL, struct job_optical_depths, write_particles),
    CYAML_FIELD_END,
};

static int check(const struct job *job, const char *key, const void *options, struct error *err)
{
    const struct job_optical_depths *depths = options;

    (void)key;
    return job_check_positive(job, "operations.los_optical_depths.kappa_pc2_msun", *depths->kappa_pc2_msun,
                              err);
}

const struct job_operation operation_los_optical_depths = {
    .key = "los_optical_depths",
    .fields = fields,
    .size = sizeof(struct job_optical_depths),
    .check = check,
    .template_lines =
        "  # V-band optical depth towards each star, from the gas in front of it.\n"
        "  los_optical_depths:\n"
        "    kernel: sph_anarchy       # uniform | sph_anarchy | gadget_2 | cubic | quartic | quintic\n"
        "    kappa_pc2_msun: 0.0795    # dust opacity: tau = kappa x dust column [pc^2/Msun], > 0\n"
        "    write_particles: no       # yes = also write the depth of every star\n",
};
