/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The observer's frame: distances, and what lies between a galaxy and its observer.
 */
#pragma once

#include "polyphony/cosmology.h"
#include "polyphony/igm.h"

/** Flux density from luminosity density: fnu = lnu * scale * transmission(lambda). */
struct observer_frame {
    struct distances distances;
    double fnu_scale;             /* 1e32 (1 + z) / (4 pi d_L^2) [nJy / (erg/s/Hz)], Hogg 1999 sec. 6 */
    double line_flux_scale;       /* 1 / (4 pi d_L^2) [cm^-2] */
    double *transmission;         /* [n_lambda] of the intergalactic medium */
    double *line_transmission;    /* [n_line] */
    double *line_lambda_angstrom; /* [n_line] observed */
};

/** Rest-frame wavelengths that are observed: of spectra, and of lines. */
struct observer_wavelengths {
    size_t n_lambda, n_line;
    const double *lambda_rest_angstrom, *line_lambda_rest_angstrom;
};

/** Arrays are taken from the arena. At redshift 0 the galaxy is at 10 pc and nothing is absorbed. */
int observer_frame_make(const struct cosmology *cosmology, const struct igm_row *igm,
                        const struct observer_wavelengths *wavelengths, double redshift,
                        struct observer_frame *ret_frame, struct arena *arena, struct error *err);

void observer_fnu(const struct observer_frame *frame, size_t n, const double *lnu, double *ret_fnu_njy);
/** Line fluxes [erg/s/cm^2] from luminosities [erg/s]; the output may be the input. */
void observer_line_flux(const struct observer_frame *frame, size_t n_line, const double *luminosity,
                        double *ret_flux);
