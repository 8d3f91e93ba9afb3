/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fields.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool field_is_blank(char c)
{
    return strchr(FIELD_BLANKS, c) && c;
}

static bool is_separator(char c)
{
    return field_is_blank(c) || c == ',' || c == ';';
}

size_t fields_split(const char *text, struct field field[FIELD_MAX])
{
    size_t n = 0;

    while (n < FIELD_MAX) {
        const char *end;
        char quote = '\0';

        while (field_is_blank(*text))
            text++;
        if (!*text)
            break;
        if (*text == '"' || *text == '\'')
            quote = *text++;
        for (end = text; *end && (quote ? *end != quote : !is_separator(*end)); end++)
            ;
        field[n++] = (struct field) { text, (size_t)(end - text) };
        text = end + (quote && *end);
        while (field_is_blank(*text))
            text++;
        if (*text == ',' || *text == ';')
            text++;
    }
    while (n > 0 && field[n - 1].n == 0)
        n--;
    return n;
}

bool field_number(const struct field *field, double *ret_value)
{
    char text[64], *end;
    size_t n = 0;

    if (field->n == 0 || field->n >= sizeof(text) - 1)
        return false;
    if (field->n == 3 && (!strncasecmp(field->text, "nan", 3) || !strncasecmp(field->text, "inf", 3))) {
        *ret_value = tolower((unsigned char)*field->text) == 'n' ? (double)NAN : (double)INFINITY;
        return true;
    }
    for (size_t i = 0; i < field->n; i++) {
        char c = field->text[i];

        if (!isdigit((unsigned char)c) && !strchr("+-.eEdDqQ", c))
            return false;
        if ((c == '+' || c == '-') && n > 0 && isdigit((unsigned char)text[n - 1]))
            text[n++] = 'e'; /* an exponent of three digits leaves no room for its letter */
        text[n++] = strchr("dDqQ", c) ? 'e' : c;
        if (n + 2 >= sizeof(text))
            return false;
    }
    text[n] = '\0';
    *ret_value = strtod(text, &end);
    return !*end && end != text;
}

size_t fields_count_numbers(size_t n, const struct field *field)
{
    size_t n_number = 0;
    double value;

    while (n_number < n && field_number(&field[n_number], &value))
        n_number++;
    return n_number;
}
