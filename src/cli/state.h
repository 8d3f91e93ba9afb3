/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How far a run is, for programs: <output>.status.json, one flat JSON object, replaced atomically.
 */
#pragma once

#include "polyphony/base.h"

#define STATE_TEXT_MAX 1024

struct run_state {
    const char *state; /* "starting", "running", "done", "stopped", "failed" */
    bool has_exit_code;
    int exit_code;
    char reason[STATE_TEXT_MAX];          /* why stopped or failed; "" */
    const char *results, *job;            /* paths, borrowed */
    size_t n_galaxy, n_done, n_set_aside; /* of the whole file */
    size_t n_done_now;                    /* in this run, set aside included */
    double galaxies_per_s;
    double eta_s;          /* < 0: unknown */
    double largest_left_s; /* predicted seconds of the largest galaxy left, < 0: unknown */
    int n_rank;
    size_t n_lost;
    /* by state_begin() */
    char started_utc[32], host[256];
    int64_t begin_ns;
};

/** results.hdf5 -> results.hdf5.status.json. false: too long. */
bool state_path(const char *output, char *ret_path, size_t size);

/** How a launcher calls the run that it starts, to tell it from others: "launch" in the file. */
#define STATE_LAUNCH_VARIABLE "POLYPHONY_LAUNCH"

/** The run begins now, on this host; eta_s and largest_left_s are unknown. */
void state_begin(struct run_state *state);

/** Write `path`.tmp and rename it; where that fails (a full disk), write over the file that is there, padded
 * with blanks. A failure of both is a warning, once, and never the end of a run. path "": nothing. */
void state_write(const char *path, const struct run_state *state);

/** What `polyphony status` wants to know of such a file. */
struct state_seen {
    char state[16], reason[STATE_TEXT_MAX], results[PATH_BYTES_MAX], job[STATE_TEXT_MAX], host[256];
    double exit_code, galaxies_per_s, eta_s, n_done_now, n_rank, n_lost, pid; /* -1: null, or not there */
    double age_s;                                                             /* since it was written */
};

/** false: there is none, it is not one of ours, or not of a file of the name of `output`. */
bool state_read(const char *output, struct state_seen *ret_seen);
