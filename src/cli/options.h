/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command line of `polyphony run`.
 */
#pragma once

#include "polyphony/base.h"

#include <argp.h>

/** Silence after which a rank counts as lost, unless --survive says otherwise [s]. */
#define OPTIONS_SILENCE_S 10.0

struct run_options {
    const char *job_path;
    bool overwrite, retry_failed, repair, accept_build;
    double max_runtime_s;   /* 0: none */
    int64_t max_fails;      /* -1: any number */
    int64_t max_galaxies;   /* -1: all */
    const char *galaxy_ids; /* a list, or the name of a file; NULL: all */
    double silence_s;       /* --survive; 0: not */
};

/** Exits with the usage code when the command line is wrong. */
void options_parse(int argc, char **argv, struct run_options *ret_options);

/** "90", "90s", "30m", "2h", "1:30", "1:30:00" or "1-12:00:00" to seconds; false if it is none of these, or
 * not > 0. */
bool options_duration(const char *text, double *ret_seconds);

/**
 * The ids of --galaxy-ids, in ascending order: "3,5,9", or a file of ids between white space, commas or lines
 * ("#" begins a comment). To be freed. POLYPHONY_USAGE with the word that is no id, or an id given twice.
 */
int options_read_ids(const char *list, int64_t **ret_id, size_t *ret_n, struct error *err);
