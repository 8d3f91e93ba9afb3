/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The survey: a walk of the parsed document beside the schema, before libcyaml sees it.
 *
 * It notes the line of every key, and refuses what the schema does not allow with a message that names
 * file, line, key, value and the way out. It has no list of keys of its own: names, kinds, choices and bounds
 * of lists all come from the schema. The schema is finite, so the depth of the walk is too, even if the
 * document refers to itself.
 */
#include "polyphony/config.h"

#include "config_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Most choices of an enum, and keys of a mapping, that messages list. */
#define CHOICES_MAX 16
#define KEYS_MAX    32
/* More levels of brackets and indentation than any job has. */
#define DEPTH_MAX 16
/* More names for parts of it, too. */
#define ANCHOR_MAX 256

struct survey_key {
    char path[KEY_PATH_MAX];
    int line;
};

struct job_survey {
    char *name;
    const struct job_schema *schema;
    struct survey_key *keys;
    size_t n_keys;
    size_t capacity;
};

struct walk {
    struct job_survey *survey;
    yaml_document_t *document;
    struct error *err;
};

/* One value of the document: what it should be, where it is, what it is called. */
struct place {
    const cyaml_schema_value_t *schema;
    yaml_node_t *node;
    const char *path; /* "emission.tau_v" */
    const char *key;  /* "tau_v", for advice */
    int line;
};

static int survey_value(struct walk *walk, const struct place *place);

static int line_of(const yaml_node_t *node)
{
    return (int)node->start_mark.line + 1;
}

static const char *text_of(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

static int __attribute__((format(printf, 3, 4))) refuse(struct walk *walk, int line, const char *format, ...)
{
    char text[768];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(walk->err, POLYPHONY_USAGE, "%s:%d: %s", walk->survey->name, line, text);
}

/* "; did you mean 'tau_v'?", or nothing where no name is near. */
static void suggest(char *text, size_t size, const char *word, const char *const *names, size_t n)
{
    const char *nearest = text_nearest(word, names, n);

    *text = '\0';
    if (nearest)
        text_format(text, size, "; did you mean '%s'?", nearest);
}

static int note_key(struct walk *walk, const char *path, int line)
{
    struct job_survey *survey = walk->survey;
    struct survey_key *key;

    if (survey->n_keys == survey->capacity) {
        size_t capacity = survey->capacity ? 2 * survey->capacity : 64;
        struct survey_key *grown = realloc(survey->keys, capacity * sizeof(*grown));

        if (!grown)
            return error_set(walk->err, POLYPHONY_INTERNAL, "%s: no memory", survey->name);
        survey->keys = grown;
        survey->capacity = capacity;
    }
    key = &survey->keys[survey->n_keys];
    key->line = line;
    if (!text_format(key->path, sizeof(key->path), "%s", path))
        return error_set(walk->err, POLYPHONY_INTERNAL, "%s:%d: key path too long", survey->name, line);
    survey->n_keys++;
    return 0;
}

/* ---- scalars ------------------------------------------------------------------------------ */

static bool is_bool(const char *text)
{
    /* libcyaml takes every word it does not know for true, so the words are settled here. */
    static const char *const words[] = { "yes", "no", "true", "false" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcmp(text, words[i]))
            return true;
    return false;
}

static bool is_int(const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');
    int64_t value;

    /* libcyaml reads 010 as eight: no leading zeros. */
    if (digits[0] == '0' && digits[1])
        return false;
    return text_to_int64(text, &value) && value >= INT_MIN && value <= INT_MAX;
}

static int wrong_choice(struct walk *walk, const struct place *place, const char *text)
{
    const cyaml_strval_t *strings = place->schema->enumeration.strings;
    const char *names[CHOICES_MAX];
    char known[256] = "", suggestion[KEY_PATH_MAX];
    size_t n = 0;

    for (; n < place->schema->enumeration.count && n < CHOICES_MAX; n++) {
        size_t used = strlen(known);

        names[n] = strings[n].str;
        text_format(known + used, sizeof(known) - used, "%s%s", n ? ", " : "", names[n]);
    }
    suggest(suggestion, sizeof(suggestion), text, names, n);
    return refuse(walk, place->line, "%s: '%.80s' is not a choice%s (choices: %s)", place->path, text,
                  suggestion, known);
}

static bool is_nothing(const yaml_node_t *scalar)
{
    const char *text = text_of(scalar);

    return !*text || (scalar->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                      (!strcmp(text, "~") || !strcmp(text, "null")));
}

static int survey_scalar(struct walk *walk, const struct place *place)
{
    const cyaml_schema_value_t *schema = place->schema;
    const char *text = text_of(place->node);
    const char *expected = NULL;
    double number;

    if (strlen(text) != place->node->data.scalar.length)
        return refuse(walk, place->line, "%s: the text contains a null character", place->path);
    if (is_nothing(place->node))
        return refuse(walk, place->line, "%s: has no value; give one%s", place->path,
                      schema->flags & CYAML_FLAG_OPTIONAL ? ", or leave the key out" : "");
    switch (schema->type) {
    case CYAML_INT:
        expected = is_int(text) ? NULL : "an integer";
        break;
    case CYAML_FLOAT:
        expected = text_to_double(text, &number) ? NULL : "a finite number";
        break;
    case CYAML_BOOL:
        expected = is_bool(text) ? NULL : "yes or no";
        break;
    case CYAML_ENUM:
        for (uint32_t i = 0; i < schema->enumeration.count; i++)
            if (!strcmp(text, schema->enumeration.strings[i].str))
                return 0;
        return wrong_choice(walk, place, text);
    default:
        break;
    }
    if (expected)
        return refuse(walk, place->line, "%s: '%.80s' is not %s", place->path, text, expected);
    return 0;
}

/* ---- lists -------------------------------------------------------------------------------- */

static int check_list_size(struct walk *walk, const struct place *place, size_t n)
{
    uint32_t least = place->schema->sequence.min, most = place->schema->sequence.max;

    if (!n)
        return refuse(walk, place->line, "%s: the list is empty; name at least one, or leave the key out",
                      place->path);
    if (n < least || n > most)
        return refuse(walk, place->line, "%s: the list has %zu values, expected %s%u", place->path, n,
                      least == most ? "" : "at most ", most);
    return 0;
}

/* Names in a list choose things: choosing one twice is a slip that would write it twice. */
static int check_name_is_new(struct walk *walk, const struct place *place, const yaml_node_item_t *items,
                             size_t i)
{
    const char *text = text_of(place->node);

    for (size_t j = 0; j < i; j++)
        if (!strcmp(text_of(yaml_document_get_node(walk->document, items[j])), text))
            return refuse(walk, place->line, "%s: '%.80s' is in the list twice", place->path, text);
    return 0;
}

static int survey_list(struct walk *walk, const struct place *place)
{
    const yaml_node_item_t *items = place->node->data.sequence.items.start;
    size_t n = (size_t)(place->node->data.sequence.items.top - items);
    const cyaml_schema_value_t *entry = place->schema->sequence.entry;
    int r = check_list_size(walk, place, n);

    for (size_t i = 0; i < n && !r; i++) {
        yaml_node_t *node = yaml_document_get_node(walk->document, items[i]);
        char path[KEY_PATH_MAX];
        struct place element = {
            .schema = entry, .node = node, .path = path, .key = place->key, .line = line_of(node)
        };

        text_format(path, sizeof(path), "%s[%zu]", place->path, i);
        r = note_key(walk, path, element.line);
        if (!r)
            r = survey_value(walk, &element);
        if (!r && entry->type == CYAML_STRING)
            r = check_name_is_new(walk, &element, items, i);
    }
    return r;
}

/* ---- mappings ----------------------------------------------------------------------------- */

/* Names of the keys of a mapping, as one text for messages. */
static void list_keys(const cyaml_schema_field_t *fields, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (const cyaml_schema_field_t *field = fields; field->key && used < size; field++) {
        text_format(text + used, size - used, "%s%s", used ? ", " : "", field->key);
        used = strlen(text);
    }
}

static int unknown_key(struct walk *walk, const struct place *place, const char *key, int line)
{
    const cyaml_schema_field_t *fields = place->schema->mapping.fields;
    const char *names[KEYS_MAX];
    char known[400], suggestion[KEY_PATH_MAX], where[KEY_PATH_MAX + 16] = "at the top level";
    size_t n = 0;

    for (; fields[n].key && n < KEYS_MAX; n++)
        names[n] = fields[n].key;
    list_keys(fields, known, sizeof(known));
    suggest(suggestion, sizeof(suggestion), key, names, n);
    if (*place->path)
        text_format(where, sizeof(where), "in '%s'", place->path);
    return refuse(walk, line, "unknown key '%.80s' %s%s (%s%s)", key, where, suggestion,
                  n ? "known here: " : "it has no options", known);
}

static int survey_pair(struct walk *walk, const struct place *place, const yaml_node_pair_t *pair,
                       uint64_t *seen)
{
    const cyaml_schema_field_t *fields = place->schema->mapping.fields;
    const yaml_node_t *key = yaml_document_get_node(walk->document, pair->key);
    char path[KEY_PATH_MAX];
    struct place value = { .node = yaml_document_get_node(walk->document, pair->value),
                           .path = path,
                           .line = line_of(key) };
    size_t i = 0;
    int r;

    if (key->type != YAML_SCALAR_NODE)
        return refuse(walk, value.line, "a key must be a word, not a list or mapping");
    while (fields[i].key && strcmp(fields[i].key, text_of(key)))
        i++;
    if (!fields[i].key)
        return unknown_key(walk, place, text_of(key), value.line);
    text_format(path, sizeof(path), "%s%s%s", place->path, *place->path ? "." : "", fields[i].key);
    if (*seen & UINT64_C(1) << i)
        return refuse(walk, value.line, "key '%s' is given twice, first on line %d; remove one", path,
                      survey_line(walk->survey, path));
    *seen |= UINT64_C(1) << i;
    r = note_key(walk, path, value.line);
    if (r)
        return r;
    value.schema = &fields[i].value;
    value.key = fields[i].key;
    return survey_value(walk, &value);
}

static int survey_mapping(struct walk *walk, const struct place *place)
{
    const cyaml_schema_field_t *fields = place->schema->mapping.fields;
    uint64_t seen = 0; /* one bit a field */
    int r = 0;

    for (const yaml_node_pair_t *pair = place->node->data.mapping.pairs.start;
         pair < place->node->data.mapping.pairs.top && !r; pair++)
        r = survey_pair(walk, place, pair, &seen);
    for (size_t i = 0; fields[i].key && !r; i++)
        if (!(fields[i].value.flags & CYAML_FLAG_OPTIONAL) && !(seen & UINT64_C(1) << i))
            r = refuse(walk, place->line, "%s%skey '%s' is missing; 'polyphony init' prints a template",
                       place->path, *place->path ? ": " : "", fields[i].key);
    return r;
}

/* ---- the wrong kind ----------------------------------------------------------------------- */

static const char *kind_of(const yaml_node_t *node)
{
    if (node->type == YAML_MAPPING_NODE)
        return "a mapping";
    return node->type == YAML_SEQUENCE_NODE ? "a list" : "a single value";
}

static int wrong_kind(struct walk *walk, const struct place *place, const char *expected)
{
    const cyaml_schema_value_t *schema = place->schema;
    const char *text = place->node->type == YAML_SCALAR_NODE ? text_of(place->node) : NULL;
    const bool names = schema->type == CYAML_SEQUENCE && schema->sequence.entry->type == CYAML_STRING;
    char advice[420] = "";

    if (schema->type == CYAML_MAPPING && text && !*text) {
        text_format(advice, sizeof(advice), "; write '%s: {}' for its defaults", place->key);
    } else if (schema->type == CYAML_MAPPING) {
        char known[360];

        list_keys(schema->mapping.fields, known, sizeof(known));
        text_format(advice, sizeof(advice), " (known here: %s)", known);
    } else if (names && text && *text) {
        text_format(advice, sizeof(advice), "; write '%s: [%.80s]'", place->key, text);
    }
    return refuse(walk, place->line, "%s%sexpected %s, not %s%s", place->path, *place->path ? ": " : "",
                  expected, text && !*text ? "nothing" : kind_of(place->node), advice);
}

/* ---- numbers by name ---------------------------------------------------------------------- */

/* Longest name of an axis. */
#define NAME_MAX_BYTES 63

static int survey_named_pair(struct walk *walk, const struct place *place, const yaml_node_pair_t *pair)
{
    const yaml_node_t *key = yaml_document_get_node(walk->document, pair->key);
    char path[KEY_PATH_MAX];
    struct place value = { .schema = &place->schema->sequence.entry->mapping.fields[1].value,
                           .node = yaml_document_get_node(walk->document, pair->value),
                           .path = path,
                           .line = line_of(key) };

    if (key->type != YAML_SCALAR_NODE || !*text_of(key) || strlen(text_of(key)) > NAME_MAX_BYTES)
        return refuse(walk, value.line, "%s: a key must be a name of at most %d bytes", place->path,
                      NAME_MAX_BYTES);
    value.key = text_of(key);
    text_format(path, sizeof(path), "%s.%s", place->path, text_of(key));
    if (survey_line(walk->survey, path))
        return refuse(walk, value.line, "key '%s' is given twice, first on line %d; remove one", path,
                      survey_line(walk->survey, path));
    return note_key(walk, path, value.line) ? POLYPHONY_INTERNAL : survey_value(walk, &value);
}

static int survey_named(struct walk *walk, const struct place *place)
{
    const yaml_node_t *node = place->node;
    size_t n;
    int r;

    if (node->type != YAML_MAPPING_NODE)
        return wrong_kind(walk, place, "a mapping of 'name: number'");
    n = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    r = check_list_size(walk, place, n);
    for (size_t i = 0; i < n && !r; i++)
        r = survey_named_pair(walk, place, &node->data.mapping.pairs.start[i]);
    return r;
}

/* ---- a value of any kind -------------------------------------------------------------------- */

static int survey_value(struct walk *walk, const struct place *place)
{
    switch (place->schema->type) {
    case CYAML_MAPPING:
        if (place->node->type != YAML_MAPPING_NODE)
            return wrong_kind(walk, place, "a mapping of 'key: value'");
        return survey_mapping(walk, place);
    case CYAML_SEQUENCE:
        if (place->schema->flags & SCHEMA_NAMED)
            return survey_named(walk, place);
        if (place->node->type != YAML_SEQUENCE_NODE)
            return wrong_kind(walk, place, "a list, '[a, b]' or lines with '- '");
        return survey_list(walk, place);
    default:
        if (place->node->type == YAML_MAPPING_NODE && !strcmp(place->path, "grid"))
            return refuse(walk, place->line, "grid: key 'file' is missing, the grid itself");
        if (place->node->type != YAML_SCALAR_NODE)
            return wrong_kind(walk, place, "a single value");
        return survey_scalar(walk, place);
    }
}

/* ---- the document ------------------------------------------------------------------------- */

static int parser_error(const struct job_survey *survey, const yaml_parser_t *parser, struct error *err)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return error_set(err, POLYPHONY_INTERNAL, "%s: no memory", survey->name);
    if (parser->error == YAML_READER_ERROR)
        return error_set(err, POLYPHONY_USAGE, "%s: not UTF-8 text: %s at byte %zu", survey->name,
                         parser->problem, parser->problem_offset);
    return error_set(err, POLYPHONY_USAGE, "%s:%zu: not YAML: %s%s%s; check indentation, colons and brackets",
                     survey->name, parser->problem_mark.line + 1, parser->context ? parser->context : "",
                     parser->context ? ", " : "", parser->problem);
}

static int survey_document(struct job_survey *survey, yaml_document_t *document, struct error *err)
{
    struct walk walk = { .survey = survey, .document = document, .err = err };
    struct place root = {
        .schema = &survey->schema->job, .node = yaml_document_get_root_node(document), .path = "", .key = ""
    };

    if (!root.node)
        return error_set(err, POLYPHONY_USAGE, "%s: the file is empty; 'polyphony init' prints a template",
                         survey->name);
    root.line = line_of(root.node);
    return survey_value(&walk, &root);
}

/* Anything after the first document would be ignored in silence. */
static int refuse_second_document(struct job_survey *survey, yaml_parser_t *parser, struct error *err)
{
    yaml_document_t document;
    const yaml_node_t *root;
    int r = 0;

    if (!yaml_parser_load(parser, &document))
        return parser_error(survey, parser, err);
    root = yaml_document_get_root_node(&document);
    if (root)
        r = error_set(err, POLYPHONY_USAGE, "%s:%d: a second document begins here; a job is one document",
                      survey->name, line_of(root));
    yaml_document_delete(&document);
    return r;
}

/* How much deeper than before an event is. */
static int depth_of(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return 1;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return -1;
    default:
        return 0;
    }
}

static bool has_anchor(const yaml_event_t *event)
{
    return (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor) ||
           (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.anchor) ||
           (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.anchor);
}

/* libyaml takes a time that grows with the square of the depth (its issue 107), and of the number of anchors,
 * so there must not be many. What is wrong otherwise is said by who loads the text. */
static int check_shape(const struct job_survey *survey, const char *text, struct error *err)
{
    yaml_parser_t parser;
    yaml_event_t event;
    bool is_end = false;
    int depth = 0, n_anchor = 0, r = 0;

    if (!yaml_parser_initialize(&parser))
        return error_set(err, POLYPHONY_INTERNAL, "%s: no memory", survey->name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    while (!r && !is_end && yaml_parser_parse(&parser, &event)) {
        depth += depth_of(&event);
        is_end = event.type == YAML_STREAM_END_EVENT;
        if (depth > DEPTH_MAX)
            r = error_set(err, POLYPHONY_USAGE,
                          "%s:%zu: lists and mappings are nested more than %d deep; no job needs that",
                          survey->name, event.start_mark.line + 1, DEPTH_MAX);
        n_anchor += has_anchor(&event);
        if (!r && n_anchor > ANCHOR_MAX)
            r = error_set(err, POLYPHONY_USAGE, "%s:%zu: more than %d anchors (&name); no job needs that",
                          survey->name, event.start_mark.line + 1, ANCHOR_MAX);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return r;
}

/* The document as it is, or in the form that libcyaml reads; it is destroyed. */
static int survey_either(struct job_survey *survey, yaml_document_t *document, char **ret_text,
                         struct error *err)
{
    bool is_split = false;
    int r = document_split(document, &is_split)
                ? survey_document(survey, document, err)
                : error_set(err, POLYPHONY_INTERNAL, "%s: no memory", survey->name);

    if (r || !is_split) {
        yaml_document_delete(document);
        return r;
    }
    *ret_text = document_text(document, survey->schema->job_fields);
    return *ret_text ? 0 : error_set(err, POLYPHONY_INTERNAL, "%s: no memory", survey->name);
}

static int survey_text(struct job_survey *survey, const char *text, char **ret_text, struct error *err)
{
    yaml_parser_t parser;
    yaml_document_t document;
    int r = check_shape(survey, text, err);

    if (r)
        return r;
    if (!yaml_parser_initialize(&parser))
        return error_set(err, POLYPHONY_INTERNAL, "%s: no memory", survey->name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    if (yaml_parser_load(&parser, &document)) {
        r = survey_either(survey, &document, ret_text, err);
        if (!r)
            r = refuse_second_document(survey, &parser, err);
    } else {
        r = parser_error(survey, &parser, err);
    }
    yaml_parser_delete(&parser);
    return r;
}

int survey_read(const char *name, const char *text, const struct job_schema *schema,
                struct job_survey **ret_survey, char **ret_text, struct error *err)
{
    struct job_survey *survey = calloc(1, sizeof(*survey));
    int r;

    if (!survey || !(survey->name = mem_text(name)))
        r = error_set(err, POLYPHONY_INTERNAL, "%s: no memory", name);
    else {
        survey->schema = schema;
        r = survey_text(survey, text, ret_text, err);
    }
    if (r) {
        free(*ret_text);
        *ret_text = NULL;
        survey_free(survey);
        return r;
    }
    *ret_survey = survey;
    return 0;
}

const char *survey_name(const struct job_survey *survey)
{
    return survey->name;
}

int survey_line(const struct job_survey *survey, const char *key_path)
{
    for (size_t i = 0; i < survey->n_keys; i++)
        if (!strcmp(survey->keys[i].path, key_path))
            return survey->keys[i].line;
    return 0;
}

void survey_free(struct job_survey *survey)
{
    if (!survey)
        return;
    free(survey->keys);
    free(survey->name);
    free(survey);
}
