/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of dust curves, and nothing else: a program that links a longer one has more curves. */
#include "polyphony/dust_curve.h"

#define DUST_CURVE(name) extern const struct dust_curve_row dust_curve_##name;
#include "dust_curves.def"
#undef DUST_CURVE

#define DUST_CURVE(name) &dust_curve_##name,
const struct dust_curve_row *const dust_curve_rows[] = {
#include "dust_curves.def"
    NULL
};
