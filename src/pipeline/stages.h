/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The stages of a galaxy, in order, and the phases in which they run. */
#pragma once

#include "polyphony/base.h"

/*
 * What a stage has to do, and when: with each tile of stars as it is read for the first time; when all stars
 * are known; with each tile once more, for what needs to know of all stars; when that is done, too.
 */
enum phase { PHASE_TILE, PHASE_ALL, PHASE_AGAIN, PHASE_END, N_PHASE };

struct work;
typedef int (*stage_function)(struct work *w, struct error *err);
struct stage {
    stage_function run[N_PHASE]; /* NULL: nothing */
};

enum stage_index {
    STAGE_READING,
    STAGE_OPTICAL_DEPTHS,
    STAGE_SFZH,
    STAGE_SFH,
    STAGE_WEIGHTS,
    STAGE_SPECTRA,
    STAGE_FRAME,
    STAGE_OBSERVED_SPECTRA,
    STAGE_LUMINOSITIES,
    STAGE_FLUXES,
    STAGE_LINES,
    STAGE_LINE_FLUXES,
    STAGE_LUMINOSITY_IMAGES,
    STAGE_FLUX_IMAGES,
    N_STAGE,
    STAGE_WRITING = N_STAGE /* not a function of the table */
};
extern const struct stage pipeline_stages[N_STAGE]; /* in the order of pipeline_stage_names */
