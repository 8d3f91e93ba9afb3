/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/instrument.h"

#include <stdlib.h>
#include <string.h>

struct half_power {
    const char *code;
    double lambda_min_micron, lambda_max_micron;
};

/* Blue and red half-power wavelengths: JWST User Documentation, "NIRCam Filters", table 1 (post-flight,
 * 2022). */
static const struct half_power nircam_wide[] = {
    { "JWST/NIRCam.F070W", 0.624, 0.781 }, { "JWST/NIRCam.F090W", 0.795, 1.005 },
    { "JWST/NIRCam.F115W", 1.013, 1.282 }, { "JWST/NIRCam.F150W", 1.331, 1.668 },
    { "JWST/NIRCam.F200W", 1.755, 2.227 }, { "JWST/NIRCam.F277W", 2.423, 3.132 },
    { "JWST/NIRCam.F356W", 3.135, 3.981 }, { "JWST/NIRCam.F444W", 3.881, 4.982 },
};

#define ANGSTROM_PER_MICRON 1e4

static const char *const builtin_names[] = { "JWST/NIRCam.Wide" };

int instrument_builtin(const char *name, const char *label, double resolution_arcsec,
                       struct instrument *ret_instrument, struct error *err)
{
    const size_t n = sizeof(nircam_wide) / sizeof(*nircam_wide);
    struct instrument instrument = { .n_filter = n, .resolution_arcsec = resolution_arcsec };
    int r = 0;

    if (strcmp(name, builtin_names[0]))
        return error_set(err, POLYPHONY_USAGE, "unknown built-in instrument '%s'; known: %s", name,
                         builtin_names[0]);
    if (!text_format(instrument.label, sizeof(instrument.label), "%s", label))
        return error_set(err, POLYPHONY_USAGE, "instrument label '%s' is longer than %d bytes", label,
                         INSTRUMENT_NAME_MAX - 1);
    instrument.filter = mem_small(n, sizeof(*instrument.filter));
    text_format(instrument.source, sizeof(instrument.source),
                "top hats between the published half-power wavelengths (JWST User Documentation)");
    for (size_t i = 0; !r && i < n; i++)
        r = filter_top_hat(nircam_wide[i].code, nircam_wide[i].lambda_min_micron * ANGSTROM_PER_MICRON,
                           nircam_wide[i].lambda_max_micron * ANGSTROM_PER_MICRON, &instrument.filter[i],
                           err);
    if (r) {
        instrument_free(&instrument);
        return r;
    }
    *ret_instrument = instrument;
    return 0;
}

void instrument_free(struct instrument *instrument)
{
    for (size_t i = 0; i < instrument->n_filter; i++)
        filter_free(&instrument->filter[i]);
    free(instrument->filter);
    *instrument = (struct instrument) { 0 };
}
