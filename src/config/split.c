/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Values that the job file may have in two forms, and libcyaml in one: the parsed document is changed to that.
 *
 *     grid: {file: g.hdf5, fix: {alpha: 0.2}}   as written
 *     grid: g.hdf5, grid.fix: {alpha: 0.2}      as the survey sees it
 *     grid.fix: [{name: alpha, value: 0.2}]     as libcyaml does
 */
#include "config_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nodes of a document have numbers from 1 on; the first is the root. */
#define ROOT 1

static bool is_text(const yaml_node_t *node, const char *text)
{
    return node->type == YAML_SCALAR_NODE && !strcmp((const char *)node->data.scalar.value, text);
}

static size_t n_pair(const yaml_node_t *mapping)
{
    return (size_t)(mapping->data.mapping.pairs.top - mapping->data.mapping.pairs.start);
}

/* Pair i of a mapping: nodes move when others are added, so it is looked up each time. */
static yaml_node_pair_t *pair_of(yaml_document_t *document, int mapping, size_t i)
{
    return &yaml_document_get_node(document, mapping)->data.mapping.pairs.start[i];
}

/* A word, as if written where `at` is; 0 without memory. */
static int add_word(yaml_document_t *document, const char *word, yaml_mark_t at)
{
    int id = yaml_document_add_scalar(document, NULL, (const yaml_char_t *)word, (int)strlen(word),
                                      YAML_ANY_SCALAR_STYLE);

    if (id)
        yaml_document_get_node(document, id)->start_mark = at;
    return id;
}

/* "key: {file: …, other: …}" to "key: …" and "key.other: …". */
static bool split_pair(yaml_document_t *document, size_t i_pair, const char *key)
{
    int mapping = pair_of(document, ROOT, i_pair)->value;
    size_t n = n_pair(yaml_document_get_node(document, mapping));

    for (size_t i = 0; i < n; i++) {
        const yaml_node_pair_t pair = *pair_of(document, mapping, i);
        const yaml_node_t *name = yaml_document_get_node(document, pair.key);
        char word[KEY_PATH_MAX];
        int id;

        if (is_text(name, "file") && pair_of(document, ROOT, i_pair)->value == mapping) {
            pair_of(document, ROOT, i_pair)->value = pair.value;
            continue;
        }
        text_format(word, sizeof(word), "%s.%.80s", key,
                    name->type == YAML_SCALAR_NODE ? (const char *)name->data.scalar.value : "?");
        id = add_word(document, word, name->start_mark);
        if (!id || !yaml_document_append_mapping_pair(document, ROOT, id, pair.value))
            return false;
    }
    return true;
}

bool document_split(yaml_document_t *document, bool *ret_is_split)
{
    const yaml_node_t *root = yaml_document_get_root_node(document);
    size_t n = root && root->type == YAML_MAPPING_NODE ? n_pair(root) : 0;

    *ret_is_split = false;
    for (size_t i = 0; i < n; i++) {
        const yaml_node_pair_t *pair = pair_of(document, ROOT, i);

        if (!is_text(yaml_document_get_node(document, pair->key), "grid") ||
            yaml_document_get_node(document, pair->value)->type != YAML_MAPPING_NODE)
            continue;
        *ret_is_split = true;
        if (!split_pair(document, i, "grid"))
            return false;
    }
    return true;
}

/* {a: 1, b: 2} to [{name: a, value: 1}, {name: b, value: 2}]; 0 without memory. */
static int list_named(yaml_document_t *document, int mapping)
{
    int list = yaml_document_add_sequence(document, NULL, YAML_ANY_SEQUENCE_STYLE);
    size_t n = n_pair(yaml_document_get_node(document, mapping));

    for (size_t i = 0; list && i < n; i++) {
        const yaml_node_pair_t pair = *pair_of(document, mapping, i);
        int entry = yaml_document_add_mapping(document, NULL, YAML_ANY_MAPPING_STYLE);
        int name = add_word(document, "name", (yaml_mark_t) { 0 });
        int value = add_word(document, "value", (yaml_mark_t) { 0 });

        if (!entry || !name || !value ||
            !yaml_document_append_mapping_pair(document, entry, name, pair.key) ||
            !yaml_document_append_mapping_pair(document, entry, value, pair.value) ||
            !yaml_document_append_sequence_item(document, list, entry))
            return 0;
    }
    return list;
}

static bool list_all_named(yaml_document_t *document, const cyaml_schema_field_t *fields)
{
    size_t n = n_pair(yaml_document_get_root_node(document));

    for (const cyaml_schema_field_t *field = fields; field->key; field++)
        for (size_t i = 0; field->value.flags & SCHEMA_NAMED && i < n; i++) {
            const yaml_node_pair_t *pair = pair_of(document, ROOT, i);
            int list;

            if (!is_text(yaml_document_get_node(document, pair->key), field->key))
                continue;
            list = list_named(document, pair->value);
            if (!list)
                return false;
            pair_of(document, ROOT, i)->value = list;
        }
    return true;
}

/* As one long line a value: what is broken could be read differently. */
static bool write_document(yaml_document_t *document, FILE *out)
{
    yaml_emitter_t emitter;
    bool is_written;

    if (!yaml_emitter_initialize(&emitter)) {
        yaml_document_delete(document);
        return false;
    }
    yaml_emitter_set_output_file(&emitter, out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    is_written = yaml_emitter_open(&emitter);
    if (!is_written)
        yaml_document_delete(document);
    is_written = is_written && yaml_emitter_dump(&emitter, document) && yaml_emitter_close(&emitter);
    yaml_emitter_delete(&emitter);
    return is_written;
}

char *document_text(yaml_document_t *document, const cyaml_schema_field_t *fields)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = list_all_named(document, fields) ? open_memstream(&text, &size) : NULL;
    bool is_written;

    if (!out) {
        yaml_document_delete(document);
        return NULL;
    }
    is_written = write_document(document, out);
    if (fclose(out) || !is_written) {
        free(text);
        return NULL;
    }
    return text;
}
