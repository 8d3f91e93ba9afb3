/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "json.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- out --------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character that begins here, 0 if none does (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *c)
{
    size_t n = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;

    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    /* Too long a form, half of a UTF-16 pair, beyond Unicode. */
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
        (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return n;
}

void json_print_text(FILE *out, const char *text)
{
    const unsigned char *c = (const unsigned char *)text;

    if (!text) {
        fputs("null", out);
        return;
    }
    fputc('"', out);
    while (*c) {
        size_t n = utf8_length(c);

        if (n == 0)
            fputs("\\ufffd", out);
        else if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(out, "\\u%04x", *c);
        else
            fwrite(c, 1, n, out);
        c += n ? n : 1;
    }
    fputc('"', out);
}

void json_print_number(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, "%.9g", value);
    else
        fputs("null", out);
}

/* ---- in ------------------------------------------------------------------------------------------ */

static char *skip_space(char *c)
{
    return c + strspn(c, " \t\r\n");
}

/* Four hexadecimal digits; -1 if they are not. */
static long read_hex4(const char *c)
{
    char digits[5] = "";

    if (strspn(c, "0123456789abcdefABCDEF") < 4)
        return -1;
    memcpy(digits, c, 4);
    return strtol(digits, NULL, 16);
}

static char *put_utf8(char *to, long code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

/* The text behind the quote at c, in place: it only gets shorter. Its end, or NULL. */
static char *read_text(char *c, char **ret_text)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char *to = c + 1;

    *ret_text = to;
    for (c++; *c && *c != '"'; c++) {
        const char *name;
        long code;

        if (*c != '\\') {
            *to++ = *c;
            continue;
        }
        c++;
        if (*c == 'u') {
            code = read_hex4(c + 1);
            if (code <= 0)
                return NULL;
            to = put_utf8(to, code);
            c += 4;
            continue;
        }
        name = *c ? strchr(names, *c) : NULL;
        if (!name)
            return NULL;
        *to++ = values[name - names];
    }
    if (!*c)
        return NULL;
    *to = '\0';
    return c + 1;
}

static char *read_value(char *c, char **ret_text, double *ret_number)
{
    static const char *const words[] = { "null", "true", "false" };
    char *end;

    *ret_text = NULL;
    *ret_number = (double)NAN;
    if (*c == '"')
        return read_text(c, ret_text);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (!strncmp(c, words[i], strlen(words[i])))
            return c + strlen(words[i]);
    *ret_number = strtod(c, &end);
    return end == c ? NULL : end;
}

bool json_read_flat(char *json, json_visit visit, void *context)
{
    char *c = skip_space(json), *key, *text;
    double number;

    if (*c != '{')
        return false;
    for (c = skip_space(c + 1); *c != '}'; c = skip_space(c + 1)) {
        char after;

        c = *c == '"' ? read_text(c, &key) : NULL;
        c = c ? skip_space(c) : NULL;
        if (!c || *c != ':')
            return false;
        c = read_value(skip_space(c + 1), &text, &number);
        if (!c)
            return false;
        c = skip_space(c);
        after = *c;
        visit(context, key, text, number);
        if (after == '}')
            return true;
        if (after != ',')
            return false;
    }
    return true;
}
