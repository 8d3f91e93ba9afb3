/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The job file: one YAML document that says what to compute.
 *
 * Read once, checked, completed with defaults, then read-only: any thread may read a job without locks. One
 * schema (libcyaml) drives parsing, messages, defaults and the echo; one commented document
 * (job_template()) is both what `polyphony init` prints and the only source of default values. Both are completed
 * with the operations that are handed in, as a list that ends with NULL.
 *
 * After loading no pointer below is NULL, except
 *   - the options of an operation that is not wanted;
 *   - keys without default: schedule.costs, trace_output, emission.dust_slope (the curve's own), cosmology
 * parameters (given exactly when the name is custom), fov_kpc and fov_arcsec (exactly one is given per image
 * operation), and inside an instrument `builtin` (or `filters`, n_filters = 0) and resolution_arcsec. Names
 * of models, labels, curves, kernels, IGM laws, cosmologies and lines stay text here: the rooms that know
 * them resolve them, and report through job_error() so that the user sees the line. Everything is owned by
 * the job. Relative paths count from the directory the program is run in.
 */
#pragma once

#include "polyphony/base.h"
#include "polyphony/parameters.h"

enum job_grid_assignment { JOB_ASSIGN_CIC, JOB_ASSIGN_NGP };
enum job_method { JOB_METHOD_FAST, JOB_METHOD_DIRECT };
enum job_output_type { JOB_FLOAT64, JOB_FLOAT32 };
enum job_trace { JOB_TRACE_OFF, JOB_TRACE_SUMMARY, JOB_TRACE_SPANS };
enum job_schedule_mode { JOB_DYNAMIC, JOB_STATIC_BLOCK, JOB_STATIC_CYCLIC, JOB_STATIC_LPT };

/** Most samples of memory a second: beyond, the sampler costs more than a tenth of a core. */
#define JOB_TRACE_HZ_MAX 5000
/** Longest interval at which rows are brought to disk [s]: a day. */
#define JOB_SYNC_S_MAX 86400

/** All parameters are NULL (and n_m_nu_ev 0) unless name is "custom", which needs each of them. */
struct job_cosmology {
    char *name;
    double *h0_km_s_mpc;
    double *omega_m; /* [-] at z = 0 */
    double *t_cmb_k; /* at z = 0 */
    double *n_eff;   /* [-] effective number of neutrino species */
    double *m_nu_ev; /* [n_m_nu_ev], three masses */
    unsigned n_m_nu_ev;
};

/** "number or name": see job_is_number(). */
struct job_emission {
    char *model;
    char *parameter[PARAMETER_MAX]; /* [parameter_count()] number in bounds, catalogue parameter, or "los" */
    char *dust_curve;
    double *dust_slope;
    double *dust_tolerance; /* > 0, at most 1e-3 */
    enum job_grid_assignment *grid_assignment;
    enum job_method *method;
};

struct job_filter {
    char *code; /* unique within its instrument, e.g. "JWST/NIRCam.F200W" */
    char *file;
};

struct job_instrument {
    char *label;                /* unique; without '/' as it becomes one level of a path in the results */
    char *builtin;              /* NULL: see filters */
    struct job_filter *filters; /* [n_filters]; none: see builtin */
    unsigned n_filters;
    double *resolution_arcsec; /* pixel size, > 0; NULL where no image needs it */
};

/** Types of numbers in the results; what is not here is float64, or an integer. */
struct job_output_types {
    enum job_output_type *spectra; /* of spectra and observed_spectra */
    enum job_output_type *images;
};

struct job_schedule {
    enum job_schedule_mode *mode;
    int *max_batch_galaxies; /* >= 1 */
    char *costs;             /* trace of an earlier run, or NULL */
};

struct job;
struct cyaml_schema_field;

/** Most operations there may be. */
#define JOB_OPERATIONS_MAX 64

/** An operation, as far as the job file goes: what it is called there, and its options (job_schema.h). */
struct job_operation {
    const char *key;
    const struct cyaml_schema_field
        *fields;                /* every option by pointer, so that one that is missing is seen */
    size_t size;                /* of the struct of its options */
    bool is_always;             /* done also in jobs that do not name it */
    const char *template_lines; /* commented, indented by two blanks, with a value for every default */
    /** What takes several keys or a range to say; NULL: nothing. The options are complete. */
    int (*check)(const struct job *job, const char *key, const void *options, struct error *err);
    /** Where jobs that leave an option out get another value than the template has; NULL: nowhere. */
    void (*amend_defaults)(void *options);
};

/** An axis of the grid that has one value. */
#define JOB_FIX_MAX 7
struct job_fix {
    char *name;
    double value;
};

struct job {
    char *catalogue;
    char *grid;
    struct job_fix *grid_fix; /* [n_grid_fix] each axis once */
    unsigned n_grid_fix;
    char *output; /* of job_load(): where a symbolic link leads */
    int *threads; /* >= 0; 0: all cores this rank may use */
    struct job_cosmology cosmology;
    char *redshift; /* "catalogue" or a number >= 0 */
    struct job_emission emission;
    double *dust_to_metal_ratio; /* >= 0 */
    char *igm;
    struct job_instrument *instruments; /* [n_instruments] */
    unsigned n_instruments;
    struct {
        void *of[JOB_OPERATIONS_MAX];
    } options; /* of the operations, in the order of the list; NULL: not wanted. See job_options() */
    struct job_output_types output_types;
    struct job_schedule schedule;
    int *memory_mb;          /* of a rank, for galaxies [MB of 2^20], >= 0; 0: its part of the node's */
    double *sync_interval_s; /* 0 (at the end) ... JOB_SYNC_S_MAX */
    enum job_trace *trace;
    int *trace_frequency_hz; /* 0 (no samples) ... 5000 */
    char *trace_output;      /* NULL: beside the results */
    bool *progress;
    char *output_link;         /* `output` as the job names it, where that is a symbolic link; else NULL */
    struct job_survey *survey; /* name of the file and line of each key: see job_line() */
    struct job_schema *schema; /* what the file may hold */
};

/**
 * Read, check and complete a job file (at most 1 MiB).
 * Return: 0, job owned by the caller; POLYPHONY_USAGE with file, line, key, value and what is expected;
 * POLYPHONY_INTERNAL without memory. On failure *ret_job is untouched.
 */
int job_load(const char *path, const struct job_operation *const *operations, struct job **ret_job,
             struct error *err);
/** The same from text; `name` stands for the file in messages. */
int job_parse(const char *name, const char *text, const struct job_operation *const *operations,
              struct job **ret_job, struct error *err);
void job_free(struct job *job); /* NULL is fine */

/** The options of an operation; NULL: it is not wanted, or none is called so. */
const void *job_options(const struct job *job, const char *key);

/** The commented template, the caller's to free. NULL without memory. Marks @models@, @dust_curves@ and @igm@ in
 * its comments stand for the names that other rooms know. */
char *job_template(const struct job_operation *const *operations);

/** Line of a key such as "emission.tau_v" or "instruments[0].label"; 0 if defaulted. */
int job_line(const struct job *job, const char *key_path);
bool job_given(const struct job *job, const char *key_path);

/**
 * Report what is wrong with the value of a key:
 *     job.yaml:12: emission.tau_v: …
 * or, if it was not given,
 *     job.yaml: emission.tau_v (default): …
 * Return: POLYPHONY_USAGE.
 */
int job_error(const struct job *job, struct error *err, const char *key_path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** A room reported what is wrong with a value (r < 0): say at which line of the job. Returns r. */
int job_at_key(const struct job *job, int r, const char *key_path, struct error *err);

/** Whether a "number or name" value is a number (finite, whole text). *ret_value is written only then. */
bool job_is_number(const char *text, double *ret_value);

/** One key of the resolved job. A list of names or numbers is one entry: "[a, b]". */
struct job_echo_entry {
    char *key_path;
    char *value;             /* numbers in the shortest form that reads back to the same bits */
    bool given;              /* false: a default */
    bool determines_numbers; /* false: paths (hash the contents instead), threads, schedule, progress */
};

struct job_echo {
    size_t n;
    struct job_echo_entry *entries;
};

/**
 * The resolved job as a flat list in the order of the schema, for provenance and for comparing with the echo
 * in a results file. Keys that are NULL have no entry; a wanted operation without options is "{}".
 * Return: 0, list owned by the caller; POLYPHONY_INTERNAL without memory.
 */
int job_echo(const struct job *job, struct job_echo *ret_echo, struct error *err);
/** May results change with this key? As `determines_numbers`; true for keys there are not. */
bool job_key_determines_numbers(const char *key_path);
void job_echo_free(struct job_echo *echo); /* leaves an empty list */
