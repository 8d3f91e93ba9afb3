/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Jobs that ask for everything, in all mixtures of what differs between stars; and all that comes out of a
 * row.
 */
#pragma once

#include "made_run.h"

#define INPUTS "catalogue: c.hdf5\ngrid: g.hdf5\n"
#define INSTRUMENTS                                                                                          \
    "instruments:\n"                                                                                         \
    "  - label: cam\n"                                                                                       \
    "    resolution_arcsec: 0.1\n"                                                                           \
    "    filters: [{code: A, file: a.txt}, {code: sub/B, file: b.txt}]\n"                                    \
    "  - {label: eye, resolution_arcsec: 0.2, filters: [{code: C, file: b.txt}]}\n"
#define OPERATIONS                                                                                           \
    "igm: inoue14\n"                                                                                         \
    "operations:\n"                                                                                          \
    "  los_optical_depths: {write_particles: yes}\n"                                                         \
    "  sfzh: {}\n"                                                                                           \
    "  sfh: {}\n"                                                                                            \
    "  spectra: {}\n"                                                                                        \
    "  observed_spectra: {labels: [emergent]}\n"                                                             \
    "  photometry_luminosities: {}\n"                                                                        \
    "  photometry_fluxes: {labels: [intrinsic, emergent]}\n"                                                 \
    "  lines: {}\n"                                                                                          \
    "  observed_lines: {labels: [nebular, emergent]}\n"                                                      \
    "  images_luminosity: {labels: [intrinsic, emergent], fov_arcsec: 3, type: smoothed}\n"                  \
    "  images_flux: {instruments: [cam], labels: [emergent], fov_arcsec: 4, type: histogram}\n"

/* What differs between stars: everything, nothing, and mixtures; by both methods. */
#define N_EMISSION (sizeof(emissions) / sizeof(*emissions))
static const char *const emissions[] = {
    "tau_v: los, fesc: fesc_star, fesc_ly_alpha: fesc_ly_alpha",
    "tau_v: tau_star, fesc: fesc_star, fesc_ly_alpha: fesc_star",
    "tau_v: tau_star, fesc: 0.1",
    "tau_v: 0.7, fesc: fesc_star",
    "tau_v: 0.7, fesc: 0.1",
    "tau_v: los, fesc: fesc_star, fesc_ly_alpha: fesc_ly_alpha, method: direct",
    "tau_v: 0.7, fesc: 0.1, method: direct",
};

/* All of a row; taus behind the values. The caller's to free. */
static inline double *copy_of_row(const struct run *run, const struct pipeline_row *row, size_t *ret_n)
{
    size_t n = run->plan->n_value;
    double *all;

    *ret_n = n + row->n_star + row->n_black_hole;
    all = made_array(*ret_n, sizeof(*all));
    memcpy(all, row->value, n * sizeof(*all));
    if (row->n_star)
        memcpy(all + n, row->star_tau, row->n_star * sizeof(*all));
    if (row->n_black_hole)
        memcpy(all + n + row->n_star, row->black_hole_tau, row->n_black_hole * sizeof(*all));
    return all;
}

static inline double *row_of(struct run *run, uint64_t row, size_t *ret_n)
{
    struct pipeline_row out;
    struct error err = { "" };

    if (pipeline_run(run->pipeline, row, &out, &err))
        fail_msg("%s", err.text);
    return copy_of_row(run, &out, ret_n);
}
