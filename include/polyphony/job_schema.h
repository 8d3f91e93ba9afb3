/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For who describes a part of the job file: an operation's options. Every option is loaded through a pointer, so that one
 * that is missing is seen as NULL and completed from the template.
 */
#pragma once

#include <cyaml/cyaml.h>

#include "polyphony/config.h"

/*
 * Marks of our own in the schema's flags, in bits that libcyaml neither defines nor looks at. They apply
 * to everything below a marked mapping.
 */
#define SCHEMA_NO_DEFAULT     (1 << 24) /* the template's value is an example, not a default */
#define SCHEMA_NOT_NUMERIC    (1 << 25) /* does not determine the numbers of the results */
#define SCHEMA_NUMBER_OR_NAME (1 << 26) /* text that may be a number */
#define SCHEMA_NAMED          (1 << 27) /* a list of {name, value}, in the job a mapping of names to numbers */

#define SCHEMA_OPTIONAL CYAML_FLAG_OPTIONAL
#define SCHEMA_LIST     (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define SCHEMA_CHOICE   (CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT)
/** Far above any list that makes sense; bounds the search for names given twice. */
#define SCHEMA_LIST_MAX    10000
#define SCHEMA_N_OF(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

/** An entry of a list of names. */
extern const cyaml_schema_value_t schema_name;
/** A list of names: members `key` (char **) and n_`key` (unsigned) of a struct. */
#define SCHEMA_NAMES(type, key)                                                                              \
    CYAML_FIELD_SEQUENCE_COUNT(#key, SCHEMA_LIST, type, key, n_##key, &schema_name, 1, SCHEMA_LIST_MAX)

/** POLYPHONY_USAGE, with the key and what is wrong, unless value > 0. */
int job_check_positive(const struct job *job, const char *key_path, double value, struct error *err);
/** Are these labels of instruments, or "all"? And do those that are meant have pixels, where they need them? */
int job_check_instruments(const struct job *job, const char *operation, char *const *names, unsigned n_names,
                          bool needs_pixels, struct error *err);
