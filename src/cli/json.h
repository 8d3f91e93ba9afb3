/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * As much JSON (RFC 8259) as our own files need: texts and numbers out, one flat object in.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/** A text in quotes, escaped; NULL gives null. Bytes that are not UTF-8 become U+FFFD. */
void json_print_text(FILE *out, const char *text);
/** A number; null when it is not finite. */
void json_print_number(FILE *out, double value);

/** `text` is unescaped, NULL unless the value is one; `number` is NaN unless the value is one. */
typedef void (*json_visit)(void *context, const char *key, const char *text, double number);

/** Visit the members of an object of texts, numbers, true, false and null; `json` is taken apart. false: it
 * is something else. */
bool json_read_flat(char *json, json_visit visit, void *context);
