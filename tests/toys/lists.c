/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tables of the program with the toys' rows, which stand for those of the rooms: nothing else knows of the toys.
 */
#include <float.h>

#include "polyphony/dust_curve.h"
#include "polyphony/emission.h"

/* ---- parameters ------------------------------------------------------------------------------ */

#define PARAMETER(name, ...) static const struct parameter_row parameter_##name = { #name, __VA_ARGS__ };
#include "../../src/config/parameters.def"
#undef PARAMETER

static const struct parameter_row toy_cover = { "toy_cover", "0.25", 0,
                                                1,           false,  "part covered by clouds, 0 to 1" };
static const struct parameter_row toy_tau = { "toy_tau", "0.0", 0,
                                              DBL_MAX,   true,  "depth of clouds, >= 0, or los" };

#define PARAMETER(name, ...) &parameter_##name,
const struct parameter_row *const parameter_rows[] = {
#include "../../src/config/parameters.def"
    &toy_cover, &toy_tau, NULL
};

/* ---- transforms ------------------------------------------------------------------------------ */

#define TRANSFORM(name) extern const struct emission_transform emission_transform_##name;
#include "../../src/emission/transforms.def"
#undef TRANSFORM

extern const struct emission_transform toy_transform;

#define TRANSFORM(name) &emission_transform_##name,
const struct emission_transform *const emission_transforms[] = {
#include "../../src/emission/transforms.def"
    &toy_transform, NULL
};

/* ---- dust curves ----------------------------------------------------------------------------- */

#define DUST_CURVE(name) extern const struct dust_curve_row dust_curve_##name;
#include "../../src/emission/dust_curves.def"
#undef DUST_CURVE

extern const struct dust_curve_row toy_dust_curve;

#define DUST_CURVE(name) &dust_curve_##name,
const struct dust_curve_row *const dust_curve_rows[] = {
#include "../../src/emission/dust_curves.def"
    &toy_dust_curve, NULL
};

/* ---- models ---------------------------------------------------------------------------------- */

#define MODEL(name) extern const struct emission_model emission_model_##name;
#include "../../src/emission/models.def"
#undef MODEL

extern const struct emission_model toy_masks_model, toy_screens_model, toy_transform_model;

#define MODEL(name) &emission_model_##name,
const struct emission_model *const emission_models[] = {
#include "../../src/emission/models.def"
    &toy_masks_model, &toy_screens_model, &toy_transform_model, NULL
};

/* ---- operations ------------------------------------------------------------------------------ */

#define OPERATIONS_DEF "../../tests/toys/operations.def"
#include "../../src/observe/operation_list.c"
