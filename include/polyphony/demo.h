/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Inputs made from nothing: a stellar population grid and a catalogue of galaxies, to try every command
 * without a download.
 *
 * The grid is a simple stellar population of textbook physics, of the right scale and fading (bolometric
 * luminosity within a factor of 1.5 of Bruzual & Charlot 2003) with rough colours and lines. It is no
 * substitute for a published grid and says so in its attributes. The catalogue holds random galaxies whose
 * every number is a pure function of the seed.
 *
 * Both writers make path.partial and rename it into place; a failure leaves no file behind.
 * Call from one thread at a time (HDF5).
 */
#pragma once

#include "polyphony/base.h"

/** Axes are log-spaced, ends included. Start from demo_grid_defaults(). */
struct demo_grid_options {
    const char *path;                        /* borrowed */
    size_t n_age, n_metallicity, n_lambda;   /* >= 2, >= 2, >= 100; at most 1000, 100, 100000 */
    double age_min_yr, age_max_yr;           /* [yr]; 1e4 <= min < max <= 1e12 */
    double metallicity_min, metallicity_max; /* mass fraction [-]; 1e-7 <= min < max <= 0.1 */
};

/** 51 ages 1e6 to 1e11 yr, 13 metallicities 1e-5 to 0.04, 9244 wavelengths 1 to 1e7 angstrom. */
struct demo_grid_options demo_grid_defaults(const char *path);

/**
 * Write a grid in Synthesizer's format (docs/formats.md), about 200 MB and 1 second by default.
 * Holds a few tens of MB. The bytes of the data depend on libm's last bit, so compare hashes on one
 * machine only.
 *
 * Return: 0; POLYPHONY_USAGE for an option out of bounds; POLYPHONY_OUTPUT; POLYPHONY_INTERNAL.
 */
int demo_grid_write(const struct demo_grid_options *options, struct error *err);

/** Every galaxy has the same number of particles. Start from demo_catalogue_defaults(). */
struct demo_catalogue_options {
    const char *path;           /* borrowed */
    uint64_t n_star_per_galaxy; /* >= 1; gas max(1, n/5), black holes max(1, n/50) */
    uint64_t n_galaxy;          /* >= 1; n_galaxy * n_star_per_galaxy <= 2^40 */
    uint64_t seed;              /* any */
    double redshift;            /* [-], 0 to 1000 */
    double tau_v;               /* V-band optical depth of every galaxy [-], >= 0 */
    double fesc;                /* escape fraction of every galaxy [-], 0 to 1 */
    bool ages_in_myr;           /* Synthesizer's slip: the same ages, called Myr instead of yr */
};

/** 10 galaxies of 1000 stars at redshift 1, tau_v 0.5, fesc 0.1, seed 42, ages in yr. */
struct demo_catalogue_options demo_catalogue_defaults(const char *path);

/**
 * Write a catalogue (docs/formats.md) with the distributions of Synthesizer's benchmark. Memory is bounded
 * whatever the number of galaxies.
 *
 * A number depends on (seed, galaxy, component, particle, field) only and is made with + - * / and
 * square roots, so it has the same bits on any machine, and the first galaxies of a larger catalogue
 * with as many stars per galaxy are those of a smaller one.
 *
 * Return: 0; POLYPHONY_USAGE for an option out of bounds; POLYPHONY_OUTPUT; POLYPHONY_INTERNAL.
 */
int demo_catalogue_write(const struct demo_catalogue_options *options, struct error *err);
