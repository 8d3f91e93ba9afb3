/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What depends on redshift only: distances, transmission, observed bands. */
#pragma once

#include "polyphony/plan_memory.h"

struct pipeline;

struct frame {
    double redshift;
    uint64_t last_use; /* by the clock of the pipeline; 0: never */
    int status;        /* 0, or why it could not be made, with a text */
    struct error err;
    struct arena arena;
    struct observer_frame observer;
    double *screen;    /* [n_lambda] fnu scale times transmission */
    struct band *band; /* [n_filter of all instruments] observed; in the order of instruments and filters */
};

/* Make the frames of these redshifts, at most PLAN_FRAMES_MAX distinct ones, unless they are there. Those of the call
 * before may go. Of a frame that cannot be made frame_find() returns why; any thread may call that. */
void frame_prepare(struct pipeline *p, size_t n, const double *redshift);
int frame_find(struct pipeline *p, double redshift, const struct frame **ret_frame, struct error *err);
/* Give all their memory back: they are made anew. */
void frame_forget(struct pipeline *p);
