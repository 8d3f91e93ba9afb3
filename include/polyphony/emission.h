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

#include "polyphony/catalogue.h"
#include "polyphony/dust_curve.h"
#include "polyphony/parameters.h"

#define EMISSION_FACTOR_MAX    6
#define EMISSION_TERM_MAX      16
#define EMISSION_LABEL_MAX     24
#define EMISSION_CHANNEL_MAX   16
#define EMISSION_EXTRACT_MAX   8
#define EMISSION_CURVE_MAX     4
#define EMISSION_SCREEN_MAX    8
#define EMISSION_CONDITION_MAX 6

enum emission_op { EMISSION_EXTRACT, EMISSION_COMBINE, EMISSION_TRANSFORM };

/** What a transform multiplies by: a row of the table in src/emission/transforms.def. */
struct emission_transform {
    const char *name; /* in models and results */
    /** value[i] *= factor(p[i]), [n], p being its parameter; any thread. NULL: a dust screen, exp(-p k(lambda)) */
    void (*multiply)(size_t n, const double *p, double *value);
    bool is_ly_alpha; /* at Lyman alpha only; 1 elsewhere */
};

extern const struct emission_transform *const emission_transforms[]; /* ends with NULL */

struct emission_node {
    const char *label;
    bool is_saved;
    enum emission_op op;
    const char *of[3]; /* extract: grid spectrum; combine: members; transform: what it applies to */
    const char *transform, *parameter; /* their names */
    const char *curve;                 /* of a screen: its name, or NULL for the job's */
    /* Which particles, of an extraction or a transform; all of the conditions that are given hold. An attribute
     * is ages [yr], metallicities, initial_masses [Msun] or a parameter; log10ages and so on are logarithms. */
    struct {
        const char *attribute, *comparison; /* "<", "<=", ">", ">=", "==", "!=" */
        double value;
    } mask[EMISSION_CONDITION_MAX];
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
extern const struct emission_model *const emission_models[]; /* src/emission/models.def; ends with NULL */
const struct emission_node *emission_node_find(const struct emission_model *model, const char *label);

/* ---- compiled ---------------------------------------------------------------------------------- */

struct emission_factor {
    size_t i_transform, i_parameter; /* in their tables */
    size_t i_curve;                  /* of a screen: in the program */
};

struct emission_factors {
    size_t n;
    struct emission_factor factor[EMISSION_FACTOR_MAX]; /* sorted */
};

bool emission_factors_are_equal(const struct emission_factors *a, const struct emission_factors *b);

struct emission_term {
    size_t i_extract;
    size_t i_channel;          /* outside Lyman alpha */
    size_t i_channel_ly_alpha; /* at Lyman alpha; the same unless fesc_ly_alpha differs between particles */
    struct emission_factors galaxy; /* one number a galaxy, or exp(-p k) with one p */
};

/** A screen that differs from particle to particle: exp(-tau k), tau the sum of the particle's parameters. */
struct emission_screen {
    size_t n_parameter, i_parameter[EMISSION_FACTOR_MAX];
    size_t i_curve;
};

/** Pairs of opposites. */
enum emission_comparison {
    EMISSION_LESS,
    EMISSION_NOT_LESS,
    EMISSION_GREATER,
    EMISSION_NOT_GREATER,
    EMISSION_EQUAL,
    EMISSION_NOT_EQUAL
};

/** What a mask asks of a particle. */
struct emission_condition {
    size_t i_parameter; /* PARAMETER_MAX: the field */
    enum field field;
    bool is_log10;
    enum emission_comparison comparison;
    double value;
};

/** All of them hold; none: all particles. */
struct emission_mask {
    size_t n;
    struct emission_condition condition[EMISSION_CONDITION_MAX];
};

/** weight[n] of particles for which it does not hold becomes 0; value[i * stride] is the attribute. */
void emission_condition_apply(const struct emission_condition *condition, size_t n, const double *value,
                              size_t stride, double *weight);

/** Particle weights shared by terms: mass * product of `particle`, 0 outside the mask. The plain mass is channel 0 where used. */
struct emission_channel {
    struct emission_factors particle; /* those of Lyman alpha are plain here */
    struct emission_mask mask;
    bool is_attenuated;
    size_t i_screen; /* what its screens make together, if is_attenuated */
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
    size_t n_curve;
    struct dust_curve curve[EMISSION_CURVE_MAX]; /* the job's comes first, used or not */
    size_t n_screen;
    struct emission_screen screen[EMISSION_SCREEN_MAX];
    size_t n_channel;
    struct emission_channel channel[EMISSION_CHANNEL_MAX];
    size_t n_label;
    struct emission_label label[EMISSION_LABEL_MAX]; /* saved labels, in the graph's order */
    bool parameter_is_used[PARAMETER_MAX];
    bool uses_job_curve;
};

/**
 * Expand a model into terms for its saved labels.
 *
 * @param curve            the job's, of screens that name none
 * @param is_per_particle  which parameters differ from particle to particle
 * Return: 0; POLYPHONY_USAGE for a graph that refers to a missing node, transform or parameter, contains
 * itself, or needs more than the limits above; for two particle-wise screens of different curves in a row, too.
 */
int emission_compile(const struct emission_model *model, const struct dust_curve *curve,
                     const bool is_per_particle[PARAMETER_MAX], struct emission_program *ret_program,
                     struct error *err);

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
