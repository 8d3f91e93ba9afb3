/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/job_schema.h"
#include "polyphony/options.h"

static const cyaml_strval_t types[] = {
    { "smoothed", JOB_IMAGE_SMOOTHED },
    { "histogram", JOB_IMAGE_HISTOGRAM },
};
static const cyaml_strval_t samplings[] = {
    { "peer", JOB_SAMPLING_PEER },
    { "exact", JOB_SAMPLING_EXACT },
};

static const cyaml_schema_field_t fields[] = {
    SCHEMA_NAMES(struct job_images, instruments),
    SCHEMA_NAMES(struct job_images, labels),
    CYAML_FIELD_FLOAT_PTR("fov_kpc", SCHEMA_OPTIONAL | SCHEMA_NO_DEFAULT, struct job_images, fov_kpc),
    CYAML_FIELD_FLOAT_PTR("fov_arcsec", SCHEMA_OPTIONAL | SCHEMA_NO_DEFAULT, struct job_images, fov_arcsec),
    CYAML_FIELD_ENUM_PTR("type", SCHEMA_CHOICE, struct job_images, type, types, SCHEMA_N_OF(types)),
    CYAML_FIELD_STRING_PTR("kernel", SCHEMA_OPTIONAL, struct job_images, kernel, 1, CYAML_UNLIMITED),
    CYAML_FIELD_ENUM_PTR("sampling", SCHEMA_CHOICE, struct job_images, sampling, samplings,
                         SCHEMA_N_OF(samplings)),
    CYAML_FIELD_END,
};

static int check(const struct job *job, const char *key, const void *options, struct error *err)
{
    const struct job_images *images = options;
    char path[128];
    int r;

    text_format(path, sizeof(path), "operations.%s", key);
    if (!images->fov_kpc == !images->fov_arcsec)
        return job_error(job, err, path, "give the width of the image, either fov_kpc or fov_arcsec%s",
                         images->fov_kpc ? ", not both" : "");
    text_format(path, sizeof(path), "operations.%s.%s", key, images->fov_kpc ? "fov_kpc" : "fov_arcsec");
    r = job_check_positive(job, path, images->fov_kpc ? *images->fov_kpc : *images->fov_arcsec, err);
    if (r)
        return r;
    return job_check_instruments(job, key, images->instruments, images->n_instruments, true, err);
}

/* New jobs begin with what the template says; older ones, that do not say, get what they always got. */
static void amend_defaults(void *options)
{
    struct job_images *images = options;

    *images->sampling = JOB_SAMPLING_PEER;
}

const struct job_operation operation_images_luminosity = {
    .key = "images_luminosity",
    .fields = fields,
    .size = sizeof(struct job_images),
    .check = check,
    .amend_defaults = amend_defaults,
    .template_lines =
        "  images_luminosity:          # rest-frame luminosity density in each pixel [erg/s/Hz]\n"
        "    instruments: [all]        # each needs resolution_arcsec\n"
        "    labels: [intrinsic]\n"
        "    fov_arcsec: 10            # width of the image [arcsec], > 0; or else fov_kpc [proper kpc], for\n"
        "                              # galaxies of one redshift: all images have the same number of pixels.\n"
        "                              # Exactly one of the two must be given (no default)\n"
        "    type: smoothed            # smoothed = over the stars' smoothing lengths | histogram = points\n"
        "    kernel: sph_anarchy       # shape of a smoothed star, choices as above\n"
        "    sampling: exact           # of a smoothed star: exact = integral over each pixel, flux kept to 1e-10\n"
        "                              # | peer = samples in each pixel, as Synthesizer: flux kept to 1e-3, and a\n"
        "                              # point on a pixel's edge counted twice. Left out it is peer, not exact\n",
};

const struct job_operation operation_images_flux = {
    .key = "images_flux",
    .fields = fields,
    .size = sizeof(struct job_images),
    .check = check,
    .amend_defaults = amend_defaults,
    .template_lines =
        "  images_flux:                # flux density in each pixel [nJy]; options as for images_luminosity\n"
        "    instruments: [all]\n"
        "    labels: [intrinsic]\n"
        "    fov_arcsec: 10\n"
        "    type: smoothed\n"
        "    kernel: sph_anarchy\n"
        "    sampling: exact\n",
};
