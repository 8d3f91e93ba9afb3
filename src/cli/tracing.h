/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The trace of a run: what its stages are called, where its file goes, and who writes what into it.
 */
#pragma once

#include "polyphony/config.h"
#include "polyphony/schedule.h"
#include "polyphony/trace_file.h"

#include "place.h"

/** What a rank does besides the stages of galaxies. */
enum rank_stage { STAGE_START_UP, STAGE_INPUTS, STAGE_OUTPUT, STAGE_WAITING, STAGE_DEALING, STAGE_CLOSING };

struct tracing {
    struct trace *trace;
    struct trace_thread *thread; /* of the thread that runs the stages */
    struct trace_host host;
    int64_t now_ns;  /* when the last of the stages above ended */
    char path[4096]; /* of the file, rank 0 */
};

/** Stages of galaxies in a trace; those of the rank follow. */
size_t tracing_galaxy_stages(void);

/** Collective. Its sampler may then run on any core this process may use: call it before threads are pinned. */
int tracing_open(struct tracing *tracing, const struct job *job, MPI_Comm comm, int64_t begin_ns,
                 struct error *err);
void tracing_close(struct tracing *tracing);
/** One of a rank's own stages has ended now. It began when the last of them ended. */
void tracing_end(struct tracing *tracing, enum rank_stage stage);
/** The rank has waited; what the dealer does between waits is dealing. */
void tracing_waited(struct tracing *tracing, bool is_dealer, int64_t begin_ns, int64_t end_ns);
void tracing_batch(struct tracing *tracing, const struct schedule_batch *batch);

/**
 * Rank 0: choose where the file goes, as the job says or beside the results. When results are continued,
 * files of earlier runs are kept, and this one is the first `….N.hdf5` that is free. POLYPHONY_USAGE when it
 * is the results file or another kind of file is there, POLYPHONY_OUTPUT when it cannot be written.
 */
int tracing_choose_path(struct tracing *tracing, const struct job *job, bool is_continued, struct error *err);
/** Rank 0, when results are begun anew: remove the traces of the earlier ones, even if this run leaves none. */
void tracing_remove_earlier(const struct job *job);

/** Collective: write the file, if the job wants one, to rank 0's path, with the costs rank 0 has learnt. */
int tracing_write(struct tracing *tracing, const struct job *job, const struct place *place,
                  const double cost_s[COST_N_TERM], MPI_Comm comm, bool is_stopped, struct error *err);
