/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/base.h"

#include <stdlib.h>
#include <string.h>

int text_list_add(struct text_list *list, const char *text, struct error *err)
{
    size_t n = strlen(text) + 1;
    char *longer = realloc(list->text, list->n_byte + n);

    if (!longer)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for a list of texts");
    memcpy(longer + list->n_byte, text, n);
    list->text = longer;
    list->n_byte += n;
    list->n++;
    return 0;
}

const char *text_list_next(const struct text_list *list, const char *text)
{
    const char *next = text ? text + strlen(text) + 1 : list->text;

    return next && next < list->text + list->n_byte ? next : NULL;
}

void text_list_free(struct text_list *list)
{
    free(list->text);
    *list = (struct text_list) { 0 };
}
