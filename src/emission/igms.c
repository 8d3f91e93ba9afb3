/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of models of the intergalactic medium, and nothing else: a program that links a longer one has more. */
#include "polyphony/igm.h"

#define IGM(name) extern const struct igm_row igm_row_##name;
#include "igms.def"
#undef IGM

#define IGM(name) &igm_row_##name,
const struct igm_row *const igm_rows[] = {
#include "igms.def"
    NULL
};
