/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of emission models, and nothing else: a program that links a longer one has more of them. */
#include "polyphony/emission.h"

#define MODEL(name) extern const struct emission_model emission_model_##name;
#include "models.def"
#undef MODEL

#define MODEL(name) &emission_model_##name,
const struct emission_model *const emission_models[] = {
#include "models.def"
    NULL
};
