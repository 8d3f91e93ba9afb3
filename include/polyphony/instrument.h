/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Instruments: filter curves, what they make of a spectrum, and pixel scales.
 */
#pragma once

#include "polyphony/base.h"

#define INSTRUMENT_NAME_MAX 64

/** A transmission curve as published; immutable once made. Linear between its points, 0 outside. */
struct filter {
    char code[INSTRUMENT_NAME_MAX]; /* e.g. "JWST/NIRCam.F200W" */
    size_t n;
    double *lambda_angstrom; /* [n] ascending, observer frame; a step is one wavelength twice */
    double *transmission;    /* [n] 0 to 1 */
};

/**
 * Read a curve from a file of any form that people keep them in: text with columns, ECSV, sedpy's and
 * kcorrect's .par, SVO's VOTable, Synthesizer's HDF5 (docs/formats.md). Which one is seen from its first
 * bytes. Of a file with several filters, the one whose code is asked for.
 *
 * @param warnings what was taken with a doubt: clipped, scaled, a guessed unit. NULL is fine
 *
 * POLYPHONY_INPUT, with file and line, for anything that cannot be understood; *ret_filter is untouched.
 */
int filter_read(const char *path, const char *code, struct warnings *warnings, struct filter *ret_filter,
                struct error *err);

/** T = 1 for lambda_min < lambda <= lambda_max, on 1000 points to 1000 angstrom beyond both (docs/physics.md
 * 6). */
int filter_top_hat(const char *code, double lambda_min_angstrom, double lambda_max_angstrom,
                   struct filter *ret_filter, struct error *err);
void filter_free(struct filter *filter); /* a zeroed filter is fine */

/** Pivot wavelength: sqrt(int T lambda dlambda / int T / lambda dlambda) [angstrom]. */
double filter_pivot_angstrom(const struct filter *filter);
/** Where T > 0: between these, not at them [angstrom]. */
void filter_range(const struct filter *filter, double *ret_low_angstrom, double *ret_high_angstrom);
/** Share of int T dlambda that lies within low ... high, 0 to 1. O(n). */
double filter_share_within(const struct filter *filter, double low_angstrom, double high_angstrom);

/** A band average as a sum over the grid's wavelengths: sum_j weight[j] * spectrum[first + j]. */
struct band {
    size_t first, n;
    double *weight; /* [n], borrowed from the arena it was made in */
};

/**
 * Photon-counting average of L_nu: int S T dnu / nu divided by int T dnu / nu (docs/physics.md 6).
 *
 * Where the grid resolves the curve, by trapezoids over the grid's wavelengths from the first to the last
 * where T is not 0. Where it does not (fewer than seven such wavelengths, or four of more than half the
 * largest T, or weights that are more than 0.2 apart in sum from the integral's) the integral itself, over
 * the wavelengths of both, of a spectrum that is linear in wavelength between the grid's. A band has n = 0,
 * and gives 0, only where filter and grid do not overlap.
 *
 * In the rest frame (redshift 0) the curve is interpolated in wavelength; in the observer frame in
 * frequency, at nu / (1 + z): Synthesizer's conventions, which differ by up to 1e-4 in T.
 *
 * Takes five arrays of at most n_lambda of the arena, and keeps one. O(wavelengths of both within the band).
 * Return: 0, or POLYPHONY_INTERNAL without memory.
 */
enum band_frame { BAND_REST, BAND_OBSERVED };
int band_make(const struct filter *filter, enum band_frame frame, double redshift, size_t n_lambda,
              const double *lambda_rest_angstrom, struct arena *arena, struct band *ret_band,
              struct error *err);

/** The curve on the grid's wavelengths, ret_transmission[n_lambda]: interpolated as above. */
void filter_on_grid(const struct filter *filter, enum band_frame frame, double redshift, size_t n_lambda,
                    const double *lambda_rest_angstrom, double *ret_transmission);

struct instrument {
    char label[INSTRUMENT_NAME_MAX];
    char source[128]; /* where its curves come from, for the results file */
    size_t n_filter;
    struct filter *filter;
    double resolution_arcsec; /* pixel width; 0: no images */
};

/** An instrument by name, from published half-power wavelengths: "JWST/NIRCam.Wide". POLYPHONY_USAGE if
 * unknown. */
int instrument_builtin(const char *name, const char *label, double resolution_arcsec,
                       struct instrument *ret_instrument, struct error *err);
void instrument_free(struct instrument *instrument); /* a zeroed instrument is fine */
