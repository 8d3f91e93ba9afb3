/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/plan.h"

#define EMITTER(component, weight) { component, weight },
const struct emitter_kind emitter_list[] = {
#include "emitters.def"
    { N_COMPONENT, N_FIELD }
};
