/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Emission models as data.
 *
 * A model is a graph of nodes: extract a spectrum of the grid, combine nodes, or transform a node by a
 * parameter. Every operation is linear in the grid's spectra, so a graph is compiled into terms:
 *
 *     label(lambda) = sum over terms of  grid spectrum(lambda) * product of factors
 *
 * Factors whose parameter is one number for the galaxy are applied to sums over particles. Factors whose
 * parameter differs from particle to particle go into the sums; the terms with the same such factors share
 * one set of particle weights, a channel. Nothing here knows particles, files or threads.
 */
#pragma once

#include "polyphony/base.h"

#define EMISSION_FACTOR_MAX  6
#define EMISSION_TERM_MAX    16
#define EMISSION_LABEL_MAX   24
#define EMISSION_CHANNEL_MAX 16
#define EMISSION_EXTRACT_MAX 8

/** Parameters of the models that exist. */
enum emission_parameter { EMISSION_TAU_V, EMISSION_FESC, EMISSION_FESC_LY_ALPHA, EMISSION_N_PARAMETER };
extern const char *const emission_parameter_names[EMISSION_N_PARAMETER];

enum emission_op { EMISSION_EXTRACT, EMISSION_COMBINE, EMISSION_TRANSFORM };

/** What a transform multiplies by, p being its parameter. */
enum emission_transform {
    EMISSION_ESCAPED,   /* p                        the part that escapes */
    EMISSION_PROCESSED, /* 1 - p                    the part that does not */
    EMISSION_LY_ALPHA,  /* p at Lyman alpha, else 1 */
    EMISSION_ATTENUATE, /* exp(-p k(lambda))        a dust screen */
};

struct emission_node {
    const char *label;
    bool is_saved;
    enum emission_op op;
    const char *of[3]; /* extract: grid spectrum; combine: members; transform: what it applies to */
    enum emission_transform transform;
    enum emission_parameter parameter;
};

struct emission_model {
    const char *name;
    const char *description;
    const char *root; /* the saved nodes it is made of are the labels; NULL: all saved nodes of the graph */
    size_t n_node;
    const struct emission_node *node; /* labels appear in this order */
};

/** A preset by name; POLYPHONY_USAGE with the nearest name otherwise. */
int emission_model_find(const char *name, const struct emission_model **ret_model, struct error *err);
size_t emission_model_count(void);
const struct emission_model *emission_model_at(size_t i);
const struct emission_node *emission_node_find(const struct emission_model *model, const char *label);

/* ---- compiled ---------------------------------------------------------------------------------- */

struct emission_factor {
    enum emission_transform transform;
    enum emission_parameter parameter;
};

struct emission_factors {
    size_t n;
    struct emission_factor factor[EMISSION_FACTOR_MAX]; /* sorted */
};

struct emission_term {
    size_t i_extract;
    size_t i_channel;          /* outside Lyman alpha */
    size_t i_channel_ly_alpha; /* at Lyman alpha; the same unless fesc_ly_alpha differs between particles */
    struct emission_factors galaxy; /* one number a galaxy, or exp(-p k) with one p */
};

/** Particle weights shared by terms: mass * product of `particle`. The plain mass is channel 0 where used. */
struct emission_channel {
    struct emission_factors
        particle; /* ESCAPED, PROCESSED, LY_ALPHA (a plain factor here), at most one ATTENUATE */
    bool is_attenuated;
    enum emission_parameter tau; /* if is_attenuated */
    bool extract_is_used[EMISSION_EXTRACT_MAX];
};

struct emission_label {
    const char *name;
    size_t n_term;
    struct emission_term term[EMISSION_TERM_MAX];
};

struct emission_program {
    size_t n_extract;
    const char *extract[EMISSION_EXTRACT_MAX]; /* grid spectra, in order of first use */
    size_t n_channel;
    struct emission_channel channel[EMISSION_CHANNEL_MAX];
    size_t n_label;
    struct emission_label label[EMISSION_LABEL_MAX]; /* saved labels, in the graph's order */
    bool parameter_is_used[EMISSION_N_PARAMETER];
};

/**
 * Expand a model into terms for its saved labels.
 *
 * @param is_per_particle  which parameters differ from particle to particle
 * Return: 0; POLYPHONY_USAGE for a graph that refers to a missing node, contains itself, or needs more than
 * the limits above; for two particle-wise screens in a row, too.
 */
int emission_compile(const struct emission_model *model, const bool is_per_particle[EMISSION_N_PARAMETER],
                     struct emission_program *ret_program, struct error *err);

/** Index of a saved label; POLYPHONY_USAGE with the nearest one otherwise. */
int emission_label_find(const struct emission_program *program, const char *label, size_t *ret_label,
                        struct error *err);

/**
 * Which columns are Lyman alpha. Of a spectrum: the wavelength closest to 1216 angstrom and both neighbours;
 * of lines: those whose left neighbour among the grid's wavelengths is one of these (docs/physics.md 3).
 */
void emission_ly_alpha_pixels(size_t n_lambda, const double *lambda_rest_angstrom, bool *ret_is_ly_alpha);
void emission_ly_alpha_lines(size_t n_lambda, const double *lambda_rest_angstrom, size_t n_line,
                             const double *line_lambda_rest_angstrom, bool *ret_is_ly_alpha);
