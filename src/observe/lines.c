/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/observe.h"

void observe_line_flux(const struct observe_frame *frame, size_t n_line, const double *luminosity,
                       double *ret_flux)
{
    for (size_t i = 0; i < n_line; i++)
        ret_flux[i] = luminosity[i] * frame->line_flux_scale * frame->line_transmission[i];
}
