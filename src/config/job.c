/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the text of a job file to a complete, checked struct job:
 *
 *     survey (lines; keys, kinds, types) → libcyaml (values) → defaults from the template → checks
 *
 * The checks here need several keys or a range; what a single key may look like is the survey's part.
 */
#include "polyphony/config.h"

#include "config_private.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/cosmology.h"

/* Far above any job; keeps a wrong path (a grid, a device) from being read whole. */
#define FILE_BYTES_MAX ((size_t)1 << 20)

/* ---- reporting ---------------------------------------------------------------------------- */

int job_line(const struct job *job, const char *key_path)
{
    return survey_line(job->survey, key_path);
}

bool job_given(const struct job *job, const char *key_path)
{
    return job_line(job, key_path) > 0;
}

int job_error(const struct job *job, struct error *err, const char *key_path, const char *format, ...)
{
    char text[768];
    int line = job_line(job, key_path);
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (line)
        return error_set(err, POLYPHONY_USAGE, "%s:%d: %s: %s", survey_name(job->survey), line, key_path,
                         text);
    return error_set(err, POLYPHONY_USAGE, "%s: %s (default): %s", survey_name(job->survey), key_path, text);
}

int job_at_key(const struct job *job, int r, const char *key_path, struct error *err)
{
    char text[sizeof(err->text)];

    if (!r || !err)
        return r;
    memcpy(text, err->text, sizeof(text));
    job_error(job, err, key_path, "%s", text);
    return r;
}

bool job_is_number(const char *text, double *ret_value)
{
    return text_to_double(text, ret_value);
}

/* ---- checks ------------------------------------------------------------------------------- */

struct range {
    double least;
    bool above; /* least itself is not allowed */
    double most;
};

static const struct range positive = { 0, true, INFINITY };
static const struct range not_negative = { 0, false, INFINITY };
static const struct range of_redshift = { 0, false, COSMOLOGY_REDSHIFT_MAX }; /* roundings of 0 aside */
/* No node has more cores; the schedule packs no more rows into a message. */
static const struct range thread_count = { 0, false, 4096 };
static const struct range batch_size = { 1, false, 4096 };
static const struct range megabytes = { 0, false, 1 << 30 };
static const struct range frequency_hz = { 0, false, JOB_TRACE_HZ_MAX };
static const struct range sync_seconds = { 0, false, JOB_SYNC_S_MAX };
/* Beyond, what is computed would not be what was asked for. */
static const struct range tolerance = { 0, true, 1e-3 };

static int check_number(const struct job *job, struct error *err, const char *key_path, double value,
                        const struct range *range)
{
    if (value < range->least || (range->above && value == range->least))
        return job_error(job, err, key_path, "%g is too small; it must be %s %g", value,
                         range->above ? ">" : ">=", range->least);
    if (value > range->most)
        return job_error(job, err, key_path, "%g is too large; it must be <= %g", value, range->most);
    return 0;
}

static int check_numbers(const struct job *job, struct error *err)
{
    const struct {
        const char *key_path;
        double value;
        const struct range *range;
    } checks[] = {
        { "threads", *job->threads, &thread_count },
        { "memory_mb", *job->memory_mb, &megabytes },
        { "sync_interval_s", *job->sync_interval_s, &sync_seconds },
        { "trace_frequency_hz", *job->trace_frequency_hz, &frequency_hz },
        { "dust_to_metal_ratio", *job->dust_to_metal_ratio, &not_negative },
        { "emission.dust_tolerance", *job->emission.dust_tolerance, &tolerance },
        { "schedule.max_batch_galaxies", *job->schedule.max_batch_galaxies, &batch_size },
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && !r; i++)
        r = check_number(job, err, checks[i].key_path, checks[i].value, checks[i].range);
    return r;
}

/* Names of catalogue parameters are names of datasets: a letter, then letters, digits and '_'. */
static bool is_parameter_name(const char *text)
{
    static const char characters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

    return *text && !strchr("0123456789", *text) && !text[strspn(text, characters)];
}

static int check_number_or_name(const struct job *job, struct error *err, const char *key_path,
                                const char *text, const struct range *range)
{
    double value;

    if (job_is_number(text, &value))
        return check_number(job, err, key_path, value, range);
    if (!is_parameter_name(text))
        return job_error(job, err, key_path,
                         "'%.80s' is neither a number nor the name of a catalogue parameter", text);
    return 0;
}

static int check_redshift(const struct job *job, struct error *err)
{
    double redshift;

    if (job_is_number(job->redshift, &redshift))
        return check_number(job, err, "redshift", cosmology_redshift(redshift), &of_redshift);
    if (strcmp(job->redshift, "catalogue"))
        return job_error(job, err, "redshift", "'%.80s' is neither 'catalogue' nor a number", job->redshift);
    return 0;
}

static int check_emission(const struct job *job, struct error *err)
{
    int r = 0;

    for (size_t p = 0; !r && p < parameter_count(); p++) {
        const struct parameter_row *row = parameter_rows[p];
        const struct range range = { row->least, false, row->most };
        const char *text = job->emission.parameter[p];
        char path[KEY_PATH_MAX];

        text_format(path, sizeof(path), "emission.%s", row->name);
        r = check_number_or_name(job, err, path, text, &range);
        if (!r && row->has_los && !strcmp(text, "los") && !job_options(job, "los_optical_depths"))
            r = job_error(
                job, err, path,
                "'los' needs the operation los_optical_depths; add 'los_optical_depths: {}' to operations");
    }
    return r;
}

static int check_cosmology(const struct job *job, struct error *err)
{
    const struct job_cosmology *cosmology = &job->cosmology;
    const bool custom = !strcmp(cosmology->name, "custom");
    const struct {
        const char *key_path;
        const double *values;
        unsigned n;
        const struct range *range;
    } parameters[] = {
        { "cosmology.h0_km_s_mpc", cosmology->h0_km_s_mpc, 1, &positive },
        { "cosmology.omega_m", cosmology->omega_m, 1, &positive },
        { "cosmology.t_cmb_k", cosmology->t_cmb_k, 1, &not_negative },
        { "cosmology.n_eff", cosmology->n_eff, 1, &not_negative },
        { "cosmology.m_nu_ev", cosmology->m_nu_ev, cosmology->n_m_nu_ev, &not_negative },
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]) && !r; i++) {
        if (custom && !parameters[i].values)
            return job_error(job, err, "cosmology.name", "'custom' needs the key %s too",
                             parameters[i].key_path);
        if (!custom && parameters[i].values)
            return job_error(job, err, parameters[i].key_path,
                             "only with 'name: custom'; the name here is '%.80s'", cosmology->name);
        for (unsigned j = 0; custom && j < parameters[i].n && !r; j++)
            r = check_number(job, err, parameters[i].key_path, parameters[i].values[j], parameters[i].range);
    }
    return r;
}

static int check_filters(const struct job *job, struct error *err, unsigned i_instrument)
{
    const struct job_instrument *instrument = &job->instruments[i_instrument];
    char path[KEY_PATH_MAX];

    for (unsigned i = 0; i < instrument->n_filters; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(instrument->filters[i].code, instrument->filters[j].code))
                continue;
            text_format(path, sizeof(path), "instruments[%u].filters[%u].code", i_instrument, i);
            return job_error(job, err, path,
                             "'%.80s' is given twice in instrument '%.80s'; codes must be unique",
                             instrument->filters[i].code, instrument->label);
        }
    }
    return 0;
}

static int check_label(const struct job *job, struct error *err, unsigned i_instrument)
{
    const char *label = job->instruments[i_instrument].label;
    char path[KEY_PATH_MAX];

    text_format(path, sizeof(path), "instruments[%u].label", i_instrument);
    if (strchr(label, '/') || !strcmp(label, "all") || !strcmp(label, "."))
        return job_error(
            job, err, path,
            "'%.80s' cannot be a label: it names a group in the results, so no '/', not '.', and 'all' means all instruments",
            label);
    for (unsigned j = 0; j < i_instrument; j++)
        if (!strcmp(label, job->instruments[j].label))
            return job_error(job, err, path, "'%.80s' is the label of two instruments; labels must be unique",
                             label);
    return 0;
}

static int check_instruments(const struct job *job, struct error *err)
{
    char path[KEY_PATH_MAX];
    int r = 0;

    for (unsigned i = 0; i < job->n_instruments && !r; i++) {
        const struct job_instrument *instrument = &job->instruments[i];

        r = check_label(job, err, i);
        text_format(path, sizeof(path), "instruments[%u]", i);
        if (!r && !instrument->builtin == !instrument->n_filters)
            r = job_error(job, err, path,
                          "instrument '%.80s' needs either 'builtin' or 'filters', and not both",
                          instrument->label);
        if (!r)
            r = check_filters(job, err, i);
        if (!r && instrument->resolution_arcsec) {
            text_format(path, sizeof(path), "instruments[%u].resolution_arcsec", i);
            r = check_number(job, err, path, *instrument->resolution_arcsec, &positive);
        }
    }
    return r;
}

static const struct job_instrument *instrument_find(const struct job *job, const char *label)
{
    for (unsigned i = 0; i < job->n_instruments; i++)
        if (!strcmp(job->instruments[i].label, label))
            return &job->instruments[i];
    return NULL;
}

static int unknown_instrument(const struct job *job, struct error *err, const char *key_path,
                              const char *label)
{
    const char **labels = mem_array(job->n_instruments, sizeof(*labels));
    const char *nearest;
    int r;

    if (!labels)
        return error_set(err, POLYPHONY_INTERNAL, "%s: no memory", key_path);
    for (unsigned i = 0; i < job->n_instruments; i++)
        labels[i] = job->instruments[i].label;
    nearest = text_nearest(label, labels, job->n_instruments);
    r = job_error(job, err, key_path, "no instrument has the label '%.80s'%s%.80s%s", label,
                  nearest ? "; did you mean '" : "; see the key instruments", nearest ? nearest : "",
                  nearest ? "'?" : "");
    free(labels);
    return r;
}

/* The instruments an operation names, and those an image operation uses have pixels. */
int job_check_instruments(const struct job *job, const char *operation, char *const *names, unsigned n_names,
                          bool needs_pixels, struct error *err)
{
    char path[KEY_PATH_MAX];
    bool all = false;

    text_format(path, sizeof(path), "operations.%s.instruments", operation);
    for (unsigned i = 0; i < n_names; i++) {
        if (!strcmp(names[i], "all"))
            all = true;
        else if (!instrument_find(job, names[i]))
            return unknown_instrument(job, err, path, names[i]);
    }
    for (unsigned i = 0; i < job->n_instruments && needs_pixels; i++) {
        bool used = all;

        for (unsigned j = 0; j < n_names; j++)
            used = used || !strcmp(names[j], job->instruments[i].label);
        if (used && !job->instruments[i].resolution_arcsec) {
            text_format(path, sizeof(path), "instruments[%u]", i);
            return job_error(job, err, path, "instrument '%.80s' needs resolution_arcsec for operations.%s",
                             job->instruments[i].label, operation);
        }
    }
    return 0;
}

int job_check_positive(const struct job *job, const char *key_path, double value, struct error *err)
{
    return check_number(job, err, key_path, value, &positive);
}

/* ---- operations --------------------------------------------------------------------------- */

const void *job_options(const struct job *job, const char *key)
{
    for (size_t i = 0; i < job->schema->n_operation; i++)
        if (!strcmp(job->schema->operation[i]->key, key))
            return job->options.of[i];
    return NULL;
}

static bool is_named(const struct job *job, size_t i_operation)
{
    char path[KEY_PATH_MAX];

    text_format(path, sizeof(path), "operations.%s", job->schema->operation[i_operation]->key);
    return job_given(job, path);
}

static int check_operations(const struct job *job, struct error *err)
{
    const struct job_schema *schema = job->schema;
    size_t n_wanted = 0;
    int r = 0;

    for (size_t i = 0; i < schema->n_operation; i++)
        n_wanted += job->options.of[i] && (!schema->operation[i]->is_always || is_named(job, i));
    if (n_wanted == 0)
        return job_error(job, err, "operations", "none is wanted; name at least one, for example 'sfh: {}'");
    for (size_t i = 0; !r && i < schema->n_operation; i++)
        if (job->options.of[i] && schema->operation[i]->check)
            r = schema->operation[i]->check(job, schema->operation[i]->key, job->options.of[i], err);
    return r;
}

static int job_check(const struct job *job, struct error *err)
{
    static int (*const checks[])(const struct job *, struct error *) = {
        check_numbers, check_cosmology, check_redshift, check_emission, check_instruments, check_operations,
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && !r; i++)
        r = checks[i](job, err);
    return r;
}

/* ---- loading ------------------------------------------------------------------------------ */

/* What libcyaml says about a failure, on one line. */
struct cyaml_words {
    char text[512];
};

static void __attribute__((format(printf, 3, 0)))
keep_words(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct cyaml_words *words = context;
    size_t used = strlen(words->text);

    (void)level;
    vsnprintf(words->text + used, sizeof(words->text) - used, format, args);
    for (char *c = words->text + used; *c; c++)
        if (*c == '\n')
            *c = ' ';
}

static const cyaml_config_t cyaml_quiet = {
    .log_fn = keep_words,
    .log_level = CYAML_LOG_ERROR,
    .mem_fn = cyaml_mem,
};

static int load_values(const char *name, const char *text, const struct job_schema *schema,
                       struct job **ret_job, struct error *err)
{
    struct cyaml_words words = { "" };
    cyaml_config_t config = cyaml_quiet;
    cyaml_data_t *data = NULL;
    cyaml_err_t result;

    config.log_ctx = &words;
    result = cyaml_load_data((const uint8_t *)text, strlen(text), &config, &schema->job, &data, NULL);
    if (result == CYAML_ERR_OOM)
        return error_set(err, POLYPHONY_INTERNAL, "%s: no memory", name);
    if (result != CYAML_OK || !data)
        return error_set(err, POLYPHONY_USAGE, "%s: %s: %s", name, cyaml_strerror(result), words.text);
    *ret_job = data;
    return 0;
}

static int fill_defaults(struct job *job, const struct job_schema *schema, struct error *err)
{
    char *template = job_template(schema->operation);
    struct job *defaults = NULL;
    int r = template ? load_values("template", template, schema, &defaults, err) : POLYPHONY_INTERNAL;

    free(template);
    if (r)
        return POLYPHONY_INTERNAL;
    for (size_t i = 0; i < schema->n_operation; i++)
        if (schema->operation[i]->amend_defaults)
            schema->operation[i]->amend_defaults(defaults->options.of[i]);
    for (size_t i = 0; i < schema->n_operation; i++)
        if (schema->operation[i]->is_always && !job->options.of[i]) {
            job->options.of[i] = defaults->options.of[i];
            defaults->options.of[i] = NULL;
        }
    schema_merge(schema->job_fields, job, defaults);
    cyaml_free(&cyaml_quiet, &schema->job, defaults, 0);
    return 0;
}

int job_parse(const char *name, const char *text, const struct job_operation *const *operations,
              struct job **ret_job, struct error *err)
{
    struct job_schema *schema = schema_make(operations);
    struct job_survey *survey = NULL;
    struct job *job = NULL;
    char *other_text = NULL;
    int r = schema ? survey_read(name, text, schema, &survey, &other_text, err)
                   : error_set(err, POLYPHONY_INTERNAL, "%s: no memory", name);

    if (!r)
        r = load_values(name, other_text ? other_text : text, schema, &job, err);
    free(other_text);
    if (r) {
        survey_free(survey);
        schema_free(schema);
        return r;
    }
    job->survey = survey;
    job->schema = schema;
    r = fill_defaults(job, schema, err);
    if (!r)
        r = job_check(job, err);
    if (r) {
        job_free(job);
        return r;
    }
    *ret_job = job;
    return 0;
}

static int read_text(const char *path, char *text, struct error *err)
{
    FILE *file = fopen(path, "re");
    size_t n;
    int r = 0;

    if (!file)
        return error_set(err, POLYPHONY_USAGE, "job file '%s': %s", path, strerror(errno));
    n = fread(text, 1, FILE_BYTES_MAX, file);
    if (ferror(file))
        r = error_set(err, POLYPHONY_USAGE, "job file '%s': %s", path, strerror(errno));
    else if (n == FILE_BYTES_MAX)
        r = error_set(err, POLYPHONY_USAGE, "job file '%s': larger than 1 MiB; is it a job file?", path);
    else if (memchr(text, '\0', n))
        r = error_set(err, POLYPHONY_USAGE, "job file '%s': not text; is it a job file?", path);
    fclose(file);
    return r;
}

/* Results lie where a link leads, and so does all that is named after them. */
static int follow_output(struct job *job, struct error *err)
{
    char *place = path_follow(job->output, err);

    if (!place)
        return job_error(job, err, "output", "'%.200s' leads nowhere", job->output);
    if (strcmp(place, job->output)) {
        job->output_link = job->output;
        job->output = place;
    } else {
        free(place);
    }
    return 0;
}

int job_load(const char *path, const struct job_operation *const *operations, struct job **ret_job,
             struct error *err)
{
    char *text = mem_array(FILE_BYTES_MAX + 1, 1);
    struct job *job = NULL;
    int r;

    if (!text)
        return error_set(err, POLYPHONY_INTERNAL, "job file '%s': no memory", path);
    r = read_text(path, text, err);
    if (!r)
        r = job_parse(path, text, operations, &job, err);
    free(text);
    if (!r)
        r = follow_output(job, err);
    if (r)
        job_free(job);
    else
        *ret_job = job;
    return r;
}

void job_free(struct job *job)
{
    struct job_schema *schema = job ? job->schema : NULL;

    if (!job)
        return;
    survey_free(job->survey);
    free(job->output_link);
    cyaml_free(&cyaml_quiet, &schema->job, job, 0);
    schema_free(schema);
}
