/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

#include "polyphony/demo.h"

/* ---- reading option values ------------------------------------------------------------------- */

static double parse_number(const char *text, const char *option, struct argp_state *state)
{
    double value = 0.0;

    if (!text_to_double(text, &value))
        argp_error(state, "--%s: '%s' is not a number", option, text);
    return value;
}

static uint64_t parse_count(const char *text, const char *option, struct argp_state *state)
{
    int64_t value = 0;

    if (!text_to_int64(text, &value) || value < 0)
        argp_error(state, "--%s: '%s' is not a whole number >= 0", option, text);
    return (uint64_t)value;
}

/* ---- demo-grid ------------------------------------------------------------------------------- */

enum {
    KEY_N_AGE = 256,
    KEY_N_METALLICITY,
    KEY_N_LAMBDA,
    KEY_SEED,
    KEY_REDSHIFT,
    KEY_TAU_V,
    KEY_FESC,
    KEY_MYR
};

static const struct argp_option grid_options[] = {
    { "output", 'o', "FILE", 0, "where to write it (default: grid.hdf5)", 0 },
    { "nages", KEY_N_AGE, "N", 0, "ages, 1e6 to 1e11 yr, evenly in log (default: 51)", 0 },
    { "nmetallicities", KEY_N_METALLICITY, "N", 0, "metallicities, 1e-5 to 0.04, evenly in log (default: 13)",
      0 },
    { "nwavelengths", KEY_N_LAMBDA, "N", 0, "wavelengths, 1 to 1e7 angstrom (default: 9244)", 0 },
    { 0 }
};

static error_t parse_grid(int key, char *arg, struct argp_state *state)
{
    struct demo_grid_options *options = state->input;

    switch (key) {
    case 'o':
        options->path = arg;
        return 0;
    case KEY_N_AGE:
        options->n_age = parse_count(arg, "nages", state);
        return 0;
    case KEY_N_METALLICITY:
        options->n_metallicity = parse_count(arg, "nmetallicities", state);
        return 0;
    case KEY_N_LAMBDA:
        options->n_lambda = parse_count(arg, "nwavelengths", state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_demo_grid(int argc, char **argv, struct error *err)
{
    static const struct argp argp = {
        .options = grid_options,
        .parser = parse_grid,
        .doc =
            "Make a stellar population grid in Synthesizer's format from textbook physics: to try the program, not for science.\v" CLI_EXIT_CODES
    };
    struct demo_grid_options options = demo_grid_defaults("grid.hdf5");
    int r;

    cli_parse(&argp, argc, argv, &options);
    r = demo_grid_write(&options, err);
    if (!r)
        printf("%s: %zu ages x %zu metallicities x %zu wavelengths\n", options.path, options.n_age,
               options.n_metallicity, options.n_lambda);
    return r;
}

/* ---- demo-catalogue -------------------------------------------------------------------------- */

static const struct argp_option catalogue_options[] = {
    { "output", 'o', "FILE", 0, "where to write it (default: catalogue.hdf5)", 0 },
    { "nparticles", 'n', "N", 0, "stars of each galaxy; gas N/5, black holes N/50 (default: 1000)", 0 },
    { "ngalaxies", 'g', "G", 0, "galaxies (default: 10)", 0 },
    { "seed", KEY_SEED, "S", 0, "the same seed gives the same numbers on any machine (default: 42)", 0 },
    { "redshift", KEY_REDSHIFT, "Z", 0, "of all galaxies (default: 1)", 0 },
    { "tau-v", KEY_TAU_V, "TAU", 0, "V-band optical depth of all galaxies (default: 0.5)", 0 },
    { "fesc", KEY_FESC, "F", 0, "escape fraction of all galaxies, 0 to 1 (default: 0.1)", 0 },
    { "ages-in-myr", KEY_MYR, NULL, 0,
      "ages of 1e6 to 1e10 Myr instead of yr, as in the benchmark of Synthesizer: all stars are older than any grid",
      0 },
    { 0 }
};

static error_t parse_catalogue(int key, char *arg, struct argp_state *state)
{
    struct demo_catalogue_options *options = state->input;

    switch (key) {
    case 'o':
        options->path = arg;
        return 0;
    case 'n':
        options->n_star_per_galaxy = parse_count(arg, "nparticles", state);
        return 0;
    case 'g':
        options->n_galaxy = parse_count(arg, "ngalaxies", state);
        return 0;
    case KEY_SEED:
        options->seed = parse_count(arg, "seed", state);
        return 0;
    case KEY_REDSHIFT:
        options->redshift = parse_number(arg, "redshift", state);
        return 0;
    case KEY_TAU_V:
        options->tau_v = parse_number(arg, "tau-v", state);
        return 0;
    case KEY_FESC:
        options->fesc = parse_number(arg, "fesc", state);
        return 0;
    case KEY_MYR:
        options->ages_in_myr = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_demo_catalogue(int argc, char **argv, struct error *err)
{
    static const struct argp argp = {
        .options = catalogue_options,
        .parser = parse_catalogue,
        .doc =
            "Make a catalogue of random galaxies with stars, gas and black holes, the distributions of Synthesizer's benchmark.\v" CLI_EXIT_CODES
    };
    struct demo_catalogue_options options = demo_catalogue_defaults("catalogue.hdf5");
    int r;

    cli_parse(&argp, argc, argv, &options);
    r = demo_catalogue_write(&options, err);
    if (!r)
        printf("%s: %llu galaxies of %llu stars\n", options.path, (unsigned long long)options.n_galaxy,
               (unsigned long long)options.n_star_per_galaxy);
    return r;
}
