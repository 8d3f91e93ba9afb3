/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A toy: black holes shine as stars do, by their masses, on the same grid. Linked into the program, this list goes before
 * that of src/plan. With BLACK_HOLES_FIRST they are also the component that comes in tiles.
 */
#include "polyphony/plan.h"

#define EMITTER(component, weight) { component, weight },
const struct emitter_kind emitter_list[] = {
#ifdef BLACK_HOLES_FIRST
    EMITTER(BLACK_HOLES, FIELD_MASS_MSUN)
#endif
#include "../../src/plan/emitters.def"
#ifndef BLACK_HOLES_FIRST
        EMITTER(BLACK_HOLES, FIELD_MASS_MSUN)
#endif
            { N_COMPONENT, N_FIELD }
};
