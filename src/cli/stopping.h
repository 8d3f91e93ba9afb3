/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Why a run ends early: a signal, its time, a stop file, too many galaxies set aside.
 */
#pragma once

#include "polyphony/base.h"

/** Beside the results, and beside the link to them that the job names. */
#define STOPPING_N_FILE 2

struct stopping {
    int64_t end_ns; /* of --max-runtime, clock_ns(); INT64_MAX: none */
    int64_t looked_ns;
    char stop_file[STOPPING_N_FILE][PATH_BYTES_MAX]; /* rank 0; "": none is looked for */
    int64_t max_fails;                               /* -1: any number */
    int64_t n_set_aside;                             /* of the whole file so far; kept by the caller */
    bool is_output_gone;                             /* set by the caller */
    bool is_stopping;
    char reason[128]; /* once it is */
};

/**
 * Catch SIGTERM, SIGINT and SIGUSR1 from now on. `on_signal` is called inside the handler (and must be
 * async-signal-safe): also for signals that end the process.
 */
void stopping_catch_signals(void (*on_signal)(int number));

/** Every rank calls this between galaxies: cheap. */
bool stopping_now(struct stopping *stopping);

/** Was it because of --max-fails? */
bool stopping_is_failure(const struct stopping *stopping);
