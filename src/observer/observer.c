/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/observer.h"

#include <math.h>

#include "polyphony/units.h"

int observer_frame_make(const struct cosmology *cosmology, const struct igm_row *igm,
                        const struct observer_wavelengths *wavelengths, double redshift,
                        struct observer_frame *ret_frame, struct arena *arena, struct error *err)
{
    size_t n = wavelengths->n_lambda, n_line = wavelengths->n_line;
    double *lambda = arena_array(arena, n, sizeof(*lambda));
    struct observer_frame frame = { .transmission = arena_array(arena, n, sizeof(double)),
                                    .line_transmission = arena_array(arena, n_line, sizeof(double)),
                                    .line_lambda_angstrom = arena_array(arena, n_line, sizeof(double)) };
    double d_l_cm;
    int r;

    if (!lambda || !frame.transmission || !frame.line_transmission || !frame.line_lambda_angstrom)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for the observer's frame");
    r = cosmology_distances(cosmology, redshift, &frame.distances, err);
    if (r)
        return r;
    d_l_cm = frame.distances.luminosity_distance_cm;
    frame.line_flux_scale = 1.0 / (4.0 * M_PI * d_l_cm * d_l_cm);
    frame.fnu_scale = (1.0 + redshift) * frame.line_flux_scale / UNITS_NJY_CGS;
    for (size_t i = 0; i < n; i++)
        lambda[i] = wavelengths->lambda_rest_angstrom[i] * (1.0 + redshift);
    for (size_t i = 0; i < n_line; i++)
        frame.line_lambda_angstrom[i] = wavelengths->line_lambda_rest_angstrom[i] * (1.0 + redshift);
    igm_transmission(igm, redshift, n, lambda, frame.transmission);
    igm_transmission(igm, redshift, n_line, frame.line_lambda_angstrom, frame.line_transmission);
    *ret_frame = frame;
    return 0;
}

void observer_fnu(const struct observer_frame *frame, size_t n, const double *lnu, double *ret_fnu_njy)
{
    for (size_t i = 0; i < n; i++)
        ret_fnu_njy[i] = lnu[i] * frame->fnu_scale * frame->transmission[i];
}

void observer_line_flux(const struct observer_frame *frame, size_t n_line, const double *luminosity,
                        double *ret_flux)
{
    for (size_t i = 0; i < n_line; i++)
        ret_flux[i] = luminosity[i] * frame->line_flux_scale * frame->line_transmission[i];
}
