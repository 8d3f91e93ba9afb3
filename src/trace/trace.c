/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/trace.h"

#include <assert.h>

void trace_init(struct trace *trace, size_t n_stage, const char *const *name)
{
    assert(n_stage <= TRACE_STAGE_MAX);
    *trace = (struct trace) { .n_stage = n_stage, .name = name };
}

int64_t trace_end(struct trace *trace, size_t i_stage, int64_t begin_ns)
{
    int64_t now = clock_ns();

    trace->ns[i_stage] += now - begin_ns;
    trace->count[i_stage]++;
    return now;
}

int64_t trace_total_ns(const struct trace *trace)
{
    int64_t total = 0;

    for (size_t i = 0; i < trace->n_stage; i++)
        total += trace->ns[i];
    return total;
}
