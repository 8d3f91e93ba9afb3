/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kinds of products, as tests name them: by their paths. */
#pragma once

#include <string.h>

#include "polyphony/plan.h"

#define PRODUCT_ID               "Galaxies/ID"
#define PRODUCT_REDSHIFT         "Galaxies/Redshift"
#define PRODUCT_N_STAR           "Galaxies/NStars"
#define PRODUCT_N_GAS            "Galaxies/NGas"
#define PRODUCT_N_BLACK_HOLE     "Galaxies/NBlackHoles"
#define PRODUCT_SFH              "Galaxies/%c/SFH"
#define PRODUCT_SFZH             "Galaxies/%c/SFZH"
#define PRODUCT_LNU              "Galaxies/%c/Spectra/SpectralLuminosityDensities/%l"
#define PRODUCT_FNU              "Galaxies/%c/Spectra/SpectralFluxDensities/%l"
#define PRODUCT_LUMINOSITIES     "Storage/%ePhotometry/Luminosities"
#define PRODUCT_FLUXES           "Storage/%ePhotometry/Fluxes"
#define PRODUCT_LINE_LUMINOSITY  "Galaxies/%c/Lines/Luminosity/%l"
#define PRODUCT_LINE_CONTINUUM   "Galaxies/%c/Lines/Continuum/%l"
#define PRODUCT_LINE_FLUX        "Galaxies/%c/Lines/Flux/%l"
#define PRODUCT_LINE_LAMBDA      "Galaxies/Lines/ObservedWavelengths"
#define PRODUCT_IMAGE_LUMINOSITY "Galaxies/%c/Images/Luminosity/%i/%l/%f"
#define PRODUCT_IMAGE_FLUX       "Galaxies/%c/Images/Flux/%i/%l/%f"
#define PRODUCT_STAR_TAU         "Storage/OpticalDepths/Stars"
#define PRODUCT_BLACK_HOLE_TAU   "Storage/OpticalDepths/BlackHoles"

/* Is a product of this kind? Depths have their component in it. */
static inline bool is_kind(const struct product *product, const char *kind)
{
    static const char depths[] = "Storage/OpticalDepths/";
    size_t n = sizeof(depths) - 1;

    if (!strncmp(kind, depths, n) && !strncmp(product->kind->path, depths, n))
        return (product->kind->component == BLACK_HOLES) == !strcmp(kind, PRODUCT_BLACK_HOLE_TAU);
    return !strcmp(product->kind->path, kind);
}
