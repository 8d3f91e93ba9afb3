/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The one description of the job file, and what can be done by walking it: filling in defaults and echoing.
 *
 * Every key with a default is loaded through a pointer, so that a missing key is seen as NULL. Groups of
 * options (emission, schedule, …) are held by value: always there. Operations are held by pointer: there
 * only if wanted.
 */
#include "polyphony/config.h"

#include "config_private.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONAL    SCHEMA_OPTIONAL
#define LIST        SCHEMA_LIST
#define CHOICE      SCHEMA_CHOICE
#define LIST_MAX    SCHEMA_LIST_MAX
#define N_OF(array) SCHEMA_N_OF(array)

static const cyaml_strval_t grid_assignment_choices[] = {
    { "cic", JOB_ASSIGN_CIC },
    { "ngp", JOB_ASSIGN_NGP },
};
static const cyaml_strval_t method_choices[] = {
    { "fast", JOB_METHOD_FAST },
    { "direct", JOB_METHOD_DIRECT },
};
static const cyaml_strval_t output_type_choices[] = {
    { "float64", JOB_FLOAT64 },
    { "float32", JOB_FLOAT32 },
};
static const cyaml_strval_t trace_choices[] = {
    { "off", JOB_TRACE_OFF },
    { "summary", JOB_TRACE_SUMMARY },
    { "spans", JOB_TRACE_SPANS },
};
static const cyaml_strval_t schedule_mode_choices[] = {
    { "dynamic", JOB_DYNAMIC },
    { "static-block", JOB_STATIC_BLOCK },
    { "static-cyclic", JOB_STATIC_CYCLIC },
    { "static-lpt", JOB_STATIC_LPT },
};

const cyaml_schema_value_t schema_name = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, CYAML_UNLIMITED),
};
static const cyaml_schema_value_t number_entry = { CYAML_VALUE_FLOAT(CYAML_FLAG_DEFAULT, double) };

static const cyaml_schema_field_t fix_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_DEFAULT, struct job_fix, name, 1, CYAML_UNLIMITED),
    CYAML_FIELD_FLOAT("value", CYAML_FLAG_DEFAULT, struct job_fix, value),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t fix_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct job_fix, fix_fields),
};

static const cyaml_schema_field_t cosmology_fields[] = {
    CYAML_FIELD_STRING_PTR("name", OPTIONAL, struct job_cosmology, name, 1, CYAML_UNLIMITED),
    CYAML_FIELD_FLOAT_PTR("h0_km_s_mpc", OPTIONAL | SCHEMA_NO_DEFAULT, struct job_cosmology, h0_km_s_mpc),
    CYAML_FIELD_FLOAT_PTR("omega_m", OPTIONAL | SCHEMA_NO_DEFAULT, struct job_cosmology, omega_m),
    CYAML_FIELD_FLOAT_PTR("t_cmb_k", OPTIONAL | SCHEMA_NO_DEFAULT, struct job_cosmology, t_cmb_k),
    CYAML_FIELD_FLOAT_PTR("n_eff", OPTIONAL | SCHEMA_NO_DEFAULT, struct job_cosmology, n_eff),
    CYAML_FIELD_SEQUENCE_COUNT("m_nu_ev", LIST | SCHEMA_NO_DEFAULT, struct job_cosmology, m_nu_ev, n_m_nu_ev,
                               &number_entry, 3, 3),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t emission_first[] = {
    CYAML_FIELD_STRING_PTR("model", OPTIONAL, struct job_emission, model, 1, CYAML_UNLIMITED),
};
static const cyaml_schema_field_t emission_last[] = {
    CYAML_FIELD_STRING_PTR("dust_curve", OPTIONAL, struct job_emission, dust_curve, 1, CYAML_UNLIMITED),
    CYAML_FIELD_FLOAT_PTR("dust_slope", OPTIONAL | SCHEMA_NO_DEFAULT, struct job_emission, dust_slope),
    CYAML_FIELD_FLOAT_PTR("dust_tolerance", OPTIONAL, struct job_emission, dust_tolerance),
    CYAML_FIELD_ENUM_PTR("grid_assignment", CHOICE, struct job_emission, grid_assignment,
                         grid_assignment_choices, N_OF(grid_assignment_choices)),
    CYAML_FIELD_ENUM_PTR("method", CHOICE, struct job_emission, method, method_choices, N_OF(method_choices)),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t filter_fields[] = {
    CYAML_FIELD_STRING_PTR("code", CYAML_FLAG_DEFAULT, struct job_filter, code, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("file", SCHEMA_NOT_NUMERIC, struct job_filter, file, 1, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t filter_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct job_filter, filter_fields),
};

static const cyaml_schema_field_t instrument_fields[] = {
    CYAML_FIELD_STRING_PTR("label", CYAML_FLAG_DEFAULT, struct job_instrument, label, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("builtin", OPTIONAL, struct job_instrument, builtin, 1, CYAML_UNLIMITED),
    CYAML_FIELD_SEQUENCE_COUNT("filters", LIST, struct job_instrument, filters, n_filters, &filter_entry, 1,
                               LIST_MAX),
    CYAML_FIELD_FLOAT_PTR("resolution_arcsec", OPTIONAL, struct job_instrument, resolution_arcsec),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t instrument_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct job_instrument, instrument_fields),
};

static const cyaml_schema_field_t no_fields[] = { CYAML_FIELD_END };

static const cyaml_schema_field_t output_type_fields[] = {
    CYAML_FIELD_ENUM_PTR("spectra", CHOICE, struct job_output_types, spectra, output_type_choices,
                         N_OF(output_type_choices)),
    CYAML_FIELD_ENUM_PTR("images", CHOICE, struct job_output_types, images, output_type_choices,
                         N_OF(output_type_choices)),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t schedule_fields[] = {
    CYAML_FIELD_ENUM_PTR("mode", CHOICE, struct job_schedule, mode, schedule_mode_choices,
                         N_OF(schedule_mode_choices)),
    CYAML_FIELD_INT_PTR("max_batch_galaxies", OPTIONAL, struct job_schedule, max_batch_galaxies),
    CYAML_FIELD_STRING_PTR("costs", OPTIONAL | SCHEMA_NO_DEFAULT, struct job_schedule, costs, 1,
                           CYAML_UNLIMITED),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t job_fields[] = {
    CYAML_FIELD_STRING_PTR("catalogue", SCHEMA_NOT_NUMERIC, struct job, catalogue, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("grid", SCHEMA_NOT_NUMERIC, struct job, grid, 1, CYAML_UNLIMITED),
    /* In the job it is in the mapping `grid`: split.c. */
    CYAML_FIELD_SEQUENCE_COUNT("grid.fix", LIST | SCHEMA_NO_DEFAULT | SCHEMA_NAMED, struct job, grid_fix,
                               n_grid_fix, &fix_entry, 1, JOB_FIX_MAX),
    CYAML_FIELD_STRING_PTR("output", OPTIONAL | SCHEMA_NOT_NUMERIC, struct job, output, 1, CYAML_UNLIMITED),
    CYAML_FIELD_INT_PTR("threads", OPTIONAL | SCHEMA_NOT_NUMERIC, struct job, threads),
    CYAML_FIELD_MAPPING("cosmology", OPTIONAL, struct job, cosmology, cosmology_fields),
    CYAML_FIELD_STRING_PTR("redshift", OPTIONAL | SCHEMA_NUMBER_OR_NAME, struct job, redshift, 1,
                           CYAML_UNLIMITED),
    CYAML_FIELD_MAPPING("emission", OPTIONAL, struct job, emission, no_fields), /* see schema_make() */
    CYAML_FIELD_FLOAT_PTR("dust_to_metal_ratio", OPTIONAL, struct job, dust_to_metal_ratio),
    CYAML_FIELD_STRING_PTR("igm", OPTIONAL, struct job, igm, 1, CYAML_UNLIMITED),
    CYAML_FIELD_SEQUENCE_COUNT("instruments", LIST, struct job, instruments, n_instruments, &instrument_entry,
                               1, LIST_MAX),
    CYAML_FIELD_MAPPING("operations", CYAML_FLAG_DEFAULT, struct job, options,
                        no_fields), /* see schema_make() */
    CYAML_FIELD_MAPPING("output_types", OPTIONAL, struct job, output_types, output_type_fields),
    CYAML_FIELD_MAPPING("schedule", OPTIONAL | SCHEMA_NOT_NUMERIC, struct job, schedule, schedule_fields),
    CYAML_FIELD_INT_PTR("memory_mb", OPTIONAL | SCHEMA_NOT_NUMERIC, struct job, memory_mb),
    CYAML_FIELD_FLOAT_PTR("sync_interval_s", OPTIONAL | SCHEMA_NOT_NUMERIC, struct job, sync_interval_s),
    CYAML_FIELD_ENUM_PTR("trace", CHOICE | SCHEMA_NOT_NUMERIC, struct job, trace, trace_choices,
                         N_OF(trace_choices)),
    CYAML_FIELD_INT_PTR("trace_frequency_hz", OPTIONAL | SCHEMA_NOT_NUMERIC, struct job, trace_frequency_hz),
    CYAML_FIELD_STRING_PTR("trace_output", OPTIONAL | SCHEMA_NOT_NUMERIC | SCHEMA_NO_DEFAULT, struct job,
                           trace_output, 1, CYAML_UNLIMITED),
    CYAML_FIELD_BOOL_PTR("progress", OPTIONAL | SCHEMA_NOT_NUMERIC, struct job, progress),
    CYAML_FIELD_END,
};

/* ---- what other tables hold --------------------------------------------------------------- */

/* emission_first, the keys of all parameters, emission_last. */
static void list_emission(cyaml_schema_field_t *field)
{
    memcpy(field, emission_first, sizeof(emission_first));
    field += N_OF(emission_first);
    for (size_t p = 0; p < parameter_count(); p++)
        *field++ = (cyaml_schema_field_t) {
            .key = parameter_rows[p]->name,
            .value = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER | OPTIONAL | SCHEMA_NUMBER_OR_NAME, char, 1,
                                          CYAML_UNLIMITED) },
            .data_offset = (uint32_t)(offsetof(struct job_emission, parameter) + p * sizeof(char *)),
        };
    memcpy(field, emission_last, sizeof(emission_last));
}

/* A mapping behind a pointer of job->options. */
static cyaml_schema_field_t field_of(const struct job_operation *operation, size_t i)
{
    return (cyaml_schema_field_t) { .key = operation->key,
                                    .data_offset = (uint32_t)(i * sizeof(void *)),
                                    .value = { .type = CYAML_MAPPING,
                                               .flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                                               .data_size = (uint32_t)operation->size,
                                               .mapping = { .fields = operation->fields } } };
}

struct job_schema *schema_make(const struct job_operation *const *operations)
{
    struct {
        struct job_schema schema;
        cyaml_schema_field_t job[N_OF(job_fields)];
        cyaml_schema_field_t emission[N_OF(emission_first) + PARAMETER_MAX + N_OF(emission_last)];
        cyaml_schema_field_t operation[JOB_OPERATIONS_MAX + 1];
    } *made = calloc(1, sizeof(*made));
    size_t n = 0;

    while (operations[n])
        n++;
    if (!made || n > JOB_OPERATIONS_MAX) {
        free(made);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        made->operation[i] = field_of(operations[i], i);
    list_emission(made->emission);
    memcpy(made->job, job_fields, sizeof(job_fields));
    for (cyaml_schema_field_t *field = made->job; field->key; field++) {
        if (!strcmp(field->key, "operations"))
            field->value.mapping.fields = made->operation;
        if (!strcmp(field->key, "emission"))
            field->value.mapping.fields = made->emission;
    }
    made->schema = (struct job_schema) {
        .n_operation = n,
        .operation = operations,
        .job_fields = made->job,
        .job = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct job, made->job) },
    };
    return &made->schema;
}

void schema_free(struct job_schema *schema)
{
    free(schema);
}

/* ---- values by schema --------------------------------------------------------------------- */

const void *schema_value(const cyaml_schema_field_t *field, const void *mapping, unsigned *ret_count)
{
    const char *member = (const char *)mapping + field->data_offset;
    const void *target = member;

    if (field->value.flags & CYAML_FLAG_POINTER)
        memcpy(&target, member, sizeof(target));
    if (ret_count) {
        *ret_count = 0;
        if (field->value.type == CYAML_SEQUENCE)
            memcpy(ret_count, (const char *)mapping + field->count_offset, sizeof(*ret_count));
    }
    return target;
}

const void *schema_element(const cyaml_schema_value_t *list, const void *elements, unsigned i)
{
    const char *element = (const char *)elements + (size_t)i * list->data_size;
    const void *target = element;

    if (list->sequence.entry->flags & CYAML_FLAG_POINTER)
        memcpy(&target, element, sizeof(target));
    return target;
}

/* ---- defaults ----------------------------------------------------------------------------- */

static void move_member(const cyaml_schema_field_t *field, char *mapping, char *defaults)
{
    memcpy(mapping + field->data_offset, defaults + field->data_offset, sizeof(void *));
    memset(defaults + field->data_offset, 0, sizeof(void *));
    if (field->value.type == CYAML_SEQUENCE) {
        memcpy(mapping + field->count_offset, defaults + field->count_offset, field->count_size);
        memset(defaults + field->count_offset, 0, field->count_size);
    }
}

void schema_merge(const cyaml_schema_field_t *fields, void *mapping, void *defaults)
{
    for (const cyaml_schema_field_t *field = fields; field->key; field++) {
        void *value = (void *)schema_value(field, mapping, NULL);
        void *fallback = (void *)schema_value(field, defaults, NULL);

        if (!fallback || (field->value.flags & SCHEMA_NO_DEFAULT))
            continue;
        if (field->value.type == CYAML_MAPPING) {
            if (value)
                schema_merge(field->value.mapping.fields, value, fallback);
        } else if (!value) {
            move_member(field, mapping, defaults);
        }
    }
}

/* ---- echo --------------------------------------------------------------------------------- */

struct echo_walk {
    const struct job *job;
    struct job_echo *echo;
    size_t capacity;
};

/* 15 digits suffice for most decimal input, 17 for every double. */
static void write_number(FILE *out, double number)
{
    char text[40];
    double back;

    for (int n_digit = 15; n_digit <= 17; n_digit++) {
        snprintf(text, sizeof(text), "%.*g", n_digit, number);
        if (text_to_double(text, &back) && back == number)
            break;
    }
    fputs(text, out);
}

/* Inside a list a name that could be taken for something else is quoted, so that lists compare as text. */
static void write_name(FILE *out, const char *name, bool in_list)
{
    if (!in_list || !strpbrk(name, ",[]{}\"\\:#")) {
        fputs(name, out);
        return;
    }
    fputc('"', out);
    for (; *name; name++) {
        if (*name == '"' || *name == '\\')
            fputc('\\', out);
        fputc(*name, out);
    }
    fputc('"', out);
}

static const char *choice_text(const cyaml_schema_value_t *schema, unsigned value)
{
    for (uint32_t i = 0; i < schema->enumeration.count; i++)
        if (schema->enumeration.strings[i].val == value)
            return schema->enumeration.strings[i].str;
    return "?";
}

static void write_scalar(FILE *out, const cyaml_schema_value_t *schema, const void *value, bool in_list)
{
    double number;

    switch (schema->type) {
    case CYAML_INT:
        fprintf(out, "%d", *(const int *)value);
        break;
    case CYAML_BOOL:
        fputs(*(const bool *)value ? "yes" : "no", out);
        break;
    case CYAML_ENUM:
        fputs(choice_text(schema, *(const unsigned *)value), out);
        break;
    case CYAML_FLOAT:
        write_number(out, *(const double *)value);
        break;
    default:
        if ((schema->flags & SCHEMA_NUMBER_OR_NAME) && job_is_number(value, &number))
            write_number(out, number);
        else
            write_name(out, value, in_list);
    }
}

static char *value_text(const cyaml_schema_value_t *schema, const void *value, unsigned n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    if (schema->type == CYAML_MAPPING) {
        fputs("{}", out);
    } else if (schema->type == CYAML_SEQUENCE) {
        for (unsigned i = 0; i < n; i++) {
            fputs(i ? ", " : "[", out);
            write_scalar(out, schema->sequence.entry, schema_element(schema, value, i), true);
        }
        fputc(']', out);
    } else {
        write_scalar(out, schema, value, false);
    }
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}

static int echo_add(struct echo_walk *walk, const char *key_path, char *value, bool numeric)
{
    struct job_echo *echo = walk->echo;
    struct job_echo_entry *entry;

    if (echo->n == walk->capacity) {
        size_t capacity = walk->capacity ? 2 * walk->capacity : 64;
        struct job_echo_entry *grown = realloc(echo->entries, capacity * sizeof(*grown));

        if (!grown)
            goto no_memory;
        echo->entries = grown;
        walk->capacity = capacity;
    }
    entry = &echo->entries[echo->n];
    *entry = (struct job_echo_entry) { .key_path = mem_text(key_path),
                                       .value = value,
                                       .given = job_given(walk->job, key_path),
                                       .determines_numbers = numeric };
    if (!value || !entry->key_path) {
        free(entry->key_path);
        goto no_memory;
    }
    echo->n++;
    return 0;
no_memory:
    free(value);
    return POLYPHONY_INTERNAL;
}

/* "grid.fix.alpha_enhancement" */
static int echo_named(struct echo_walk *walk, const char *path, const cyaml_schema_value_t *schema,
                      const void *value, unsigned n, bool numeric)
{
    const cyaml_schema_field_t *fields = schema->sequence.entry->mapping.fields; /* name, value */
    int r = 0;

    for (unsigned i = 0; i < n && !r; i++) {
        const void *element = schema_element(schema, value, i);
        char element_path[2 * KEY_PATH_MAX];

        text_format(element_path, sizeof(element_path), "%s.%s", path,
                    (const char *)schema_value(&fields[0], element, NULL));
        r = echo_add(walk, element_path,
                     value_text(&fields[1].value, schema_value(&fields[1], element, NULL), 1), numeric);
    }
    return r;
}

static int echo_mapping(struct echo_walk *walk, const cyaml_schema_field_t *fields, const void *mapping,
                        const char *path, bool numeric)
{
    int r = 0;

    for (const cyaml_schema_field_t *field = fields; field->key && !r; field++) {
        const cyaml_schema_value_t *schema = &field->value;
        bool field_numeric = numeric && !(schema->flags & SCHEMA_NOT_NUMERIC);
        char field_path[KEY_PATH_MAX];
        unsigned n;
        const void *value = schema_value(field, mapping, &n);

        if (!value)
            continue;
        text_format(field_path, sizeof(field_path), "%s%s%s", path, *path ? "." : "", field->key);
        if (schema->flags & SCHEMA_NAMED) {
            r = echo_named(walk, field_path, schema, value, n, field_numeric);
        } else if (schema->type == CYAML_MAPPING && schema->mapping.fields->key) {
            r = echo_mapping(walk, schema->mapping.fields, value, field_path, field_numeric);
        } else if (schema->type == CYAML_SEQUENCE && schema->sequence.entry->type == CYAML_MAPPING) {
            for (unsigned i = 0; i < n && !r; i++) {
                char element_path[KEY_PATH_MAX + 16];

                text_format(element_path, sizeof(element_path), "%s[%u]", field_path, i);
                r = echo_mapping(walk, schema->sequence.entry->mapping.fields,
                                 schema_element(schema, value, i), element_path, field_numeric);
            }
        } else {
            r = echo_add(walk, field_path, value_text(schema, value, n), field_numeric);
        }
    }
    return r;
}

int job_echo(const struct job *job, struct job_echo *ret_echo, struct error *err)
{
    struct job_echo echo = { 0 };
    struct echo_walk walk = { .job = job, .echo = &echo };

    if (echo_mapping(&walk, job->schema->job_fields, job, "", true)) {
        job_echo_free(&echo);
        return error_set(err, POLYPHONY_INTERNAL, "echo of the job: no memory");
    }
    *ret_echo = echo;
    return 0;
}

bool job_key_determines_numbers(const char *key_path)
{
    size_t longest = 0; /* "grid.fix" rather than "grid" */
    bool answer = true;

    for (const cyaml_schema_field_t *field = job_fields; field->key; field++) {
        size_t n = strlen(field->key);

        if (n <= longest || strncmp(field->key, key_path, n) || (key_path[n] && !strchr(".[", key_path[n])))
            continue;
        longest = n;
        answer = !(field->value.flags & SCHEMA_NOT_NUMERIC);
    }
    return answer;
}

void job_echo_free(struct job_echo *echo)
{
    for (size_t i = 0; i < echo->n; i++) {
        free(echo->entries[i].key_path);
        free(echo->entries[i].value);
    }
    free(echo->entries);
    *echo = (struct job_echo) { 0 };
}
