/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/base.h"

#include <stdlib.h>
#include <string.h>

void text_list_add(struct text_list *list, const char *text)
{
    for (bool is_last = false; !is_last; text++) {
        list->text = mem_grow(list->text, list->n_byte, &list->n_room, 1);
        list->text[list->n_byte++] = *text;
        is_last = !*text;
    }
    list->n++;
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
