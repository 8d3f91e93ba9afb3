/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared inside the room `config`: the schema and the survey of where keys were written.
 *
 * Two readers see the document. The survey walks it first with libyaml and the schema, and gives messages an
 * astronomer can act on; libcyaml then fills the struct, and fails only where the survey has a gap.
 */
#pragma once

#include <yaml.h>

#include "polyphony/job_schema.h"

/* Longest "operations.photometry_luminosities.instruments[10000]" and room to spare. */
#define KEY_PATH_MAX 128

/** The whole document → struct job, with the operations there are. */
struct job_schema {
    size_t n_operation;
    const struct job_operation *const *operation;
    const cyaml_schema_field_t *job_fields;
    cyaml_schema_value_t job;
};
/** NULL without memory, or where there are more than JOB_OPERATIONS_MAX. */
struct job_schema *schema_make(const struct job_operation *const *operations);
void schema_free(struct job_schema *schema); /* NULL is fine */

/**
 * The value of a field inside the struct of its mapping: what a pointer points to, or the member itself.
 * NULL if the pointer is. `count` receives the number of elements of a list, and may be NULL.
 */
const void *schema_value(const cyaml_schema_field_t *field, const void *mapping, unsigned *ret_count);
/** Bytes from one element of a list to the next, and the element itself. */
const void *schema_element(const cyaml_schema_value_t *list, const void *elements, unsigned i);

/**
 * Fill what is missing in `mapping` from `defaults` by moving pointers, so that both stay free of sharing and
 * each can be freed as before. A mapping held by value is always completed. A mapping held by
 * pointer is an operation: completed if there, left out if not.
 */
void schema_merge(const cyaml_schema_field_t *fields, void *mapping, void *defaults);

/** Where each key was written. */
struct job_survey;
/** Walk the document; POLYPHONY_USAGE for what the schema does not allow. *ret_text: what libcyaml is to read
 * instead of the text, to be freed; NULL: the text as it is. */
int survey_read(const char *name, const char *text, const struct job_schema *schema,
                struct job_survey **ret_survey, char **ret_text, struct error *err);
const char *survey_name(const struct job_survey *survey);
int survey_line(const struct job_survey *survey, const char *key_path); /* 0 if not given */
void survey_free(struct job_survey *survey);                            /* NULL is fine */

/** split.c: a parsed document to the form that the survey walks; false without memory. */
bool document_split(yaml_document_t *document, bool *ret_is_split);
/** And then to the text that libcyaml reads; it destroys the document. NULL without memory. */
char *document_text(yaml_document_t *document, const cyaml_schema_field_t *fields);
