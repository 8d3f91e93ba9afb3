/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the time of a rank went: seconds and counts by stage, kept by the thread that runs the stages.
 */
#pragma once

#include "polyphony/base.h"

#define TRACE_STAGE_MAX 24

struct trace {
    size_t n_stage;
    const char *const *name;     /* [n_stage] */
    int64_t ns[TRACE_STAGE_MAX]; /* exclusive: stages do not nest */
    uint64_t count[TRACE_STAGE_MAX];
};

/** n_stage at most TRACE_STAGE_MAX; names are borrowed. */
void trace_init(struct trace *trace, size_t n_stage, const char *const *name);
/** A stage that began at clock_ns() = begin_ns has ended now. Returns now, where the next may begin. */
int64_t trace_end(struct trace *trace, size_t i_stage, int64_t begin_ns);
int64_t trace_total_ns(const struct trace *trace);
