/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Options of the operations, as the job file gives them (job_options()). */
#pragma once

#include "polyphony/config.h"

enum job_image_type { JOB_IMAGE_SMOOTHED, JOB_IMAGE_HISTOGRAM };
enum job_sampling { JOB_SAMPLING_PEER, JOB_SAMPLING_EXACT };

/** An operation without options. */
struct job_plain {
    char unused;
};

struct job_optical_depths {
    char *kernel;
    double *kappa_pc2_msun; /* > 0 */
    bool *write_particles;
};

/* Lists of names: never empty, no name twice; the name "all" stands for every one there is. */
struct job_spectra {
    char **labels;
    unsigned n_labels;
};

struct job_photometry {
    char **instruments;
    unsigned n_instruments;
    char **labels;
    unsigned n_labels;
};

struct job_lines {
    char **ids;
    unsigned n_ids;
    char **labels;
    unsigned n_labels;
};

struct job_images {
    char **instruments;
    unsigned n_instruments;
    char **labels;
    unsigned n_labels;
    double *fov_kpc;    /* width of the field, > 0, or NULL: */
    double *fov_arcsec; /* exactly one of the two is given */
    enum job_image_type *type;
    char *kernel;
    enum job_sampling *sampling;
};

/* All of them; NULL: not wanted. */
struct job_operations {
    const struct job_optical_depths *los_optical_depths;
    const struct job_plain *sfzh, *sfh;
    const struct job_spectra *spectra, *observed_spectra;
    const struct job_photometry *photometry_luminosities, *photometry_fluxes;
    const struct job_lines *lines, *observed_lines;
    const struct job_images *images_luminosity, *images_flux;
};

static inline struct job_operations job_operations_of(const struct job *job)
{
    return (struct job_operations) { job_options(job, "los_optical_depths"),
                                     job_options(job, "sfzh"),
                                     job_options(job, "sfh"),
                                     job_options(job, "spectra"),
                                     job_options(job, "observed_spectra"),
                                     job_options(job, "photometry_luminosities"),
                                     job_options(job, "photometry_fluxes"),
                                     job_options(job, "lines"),
                                     job_options(job, "observed_lines"),
                                     job_options(job, "images_luminosity"),
                                     job_options(job, "images_flux") };
}
