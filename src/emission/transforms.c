/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of transforms, and nothing else: a program that links a longer one has more of them. */
#include "polyphony/emission.h"

#define TRANSFORM(name) extern const struct emission_transform emission_transform_##name;
#include "transforms.def"
#undef TRANSFORM

#define TRANSFORM(name) &emission_transform_##name,
const struct emission_transform *const emission_transforms[] = {
#include "transforms.def"
    NULL
};
