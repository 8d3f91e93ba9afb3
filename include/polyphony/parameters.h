/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Parameters of emission models: numbers that a job gives for all galaxies, or takes from the catalogue, one a
 * galaxy or one a particle.
 *
 * They are one table, src/config/parameters.def. Keys of `emission:`, bounds, template, messages, provenance
 * and what is asked of the catalogue follow it.
 */
#pragma once

#include "polyphony/base.h"

/** Most parameters there may be. */
#define PARAMETER_MAX 7

/** A row of the table. */
struct parameter_row {
    const char *name;        /* in models, in catalogues, and the key in `emission:` */
    const char *fallback;    /* the number where the key is not given, as text */
    double least, most;      /* bounds, both allowed; DBL_MAX: any finite number */
    bool has_los;            /* may be "los": each particle's depth along the line of sight */
    const char *description; /* comment of the template, some lines */
};

extern const struct parameter_row *const parameter_rows[]; /* at most PARAMETER_MAX, and a NULL */

size_t parameter_count(void);
/** Its place in the table; PARAMETER_MAX for a name that is none. */
size_t parameter_find(const char *name);
