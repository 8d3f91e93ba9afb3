/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A line of text as fields, and fields as numbers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define FIELD_MAX    64            /* columns that are looked at */
#define FIELD_BLANKS " \t\f\v\x1a" /* the last ended files of MS-DOS */

struct field {
    const char *text; /* [n], borrowed from the line */
    size_t n;
};

bool field_is_blank(char c);
/* Fields between blanks, commas and semicolons, of which two in a row are an empty field. Quotes around a
 * field are dropped. Returns how many there are, at most FIELD_MAX. */
size_t fields_split(const char *text, struct field field[FIELD_MAX]);
/* A whole field as a number: 1.5, 1.5e3, Fortran's 1.5D+03 and 1.5+103, nan. */
bool field_number(const struct field *field, double *ret_value);
/* How many of the first fields are numbers, without a gap. */
size_t fields_count_numbers(size_t n, const struct field *field);
