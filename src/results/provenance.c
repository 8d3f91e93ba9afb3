/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What made the numbers: recorded when a file is begun, compared when it is continued.
 */
#include "results_private.h"

#include <stdlib.h>
#include <string.h>

#include "polyphony/isa.h"

static void hash_filters(const struct plan *plan, struct hash *hash)
{
    for (size_t i = 0; i < plan->n_instrument; i++)
        for (size_t f = 0; f < plan->instrument[i].n_filter; f++) {
            const struct filter *filter = &plan->instrument[i].filter[f];

            hash_add(hash, filter->lambda_angstrom, filter->n * sizeof(double));
            hash_add(hash, filter->transmission, filter->n * sizeof(double));
        }
}

/* ---- files behind an input ------------------------------------------------------------------------ */

#define HASH_DIGITS 16

/* As seen from the input's directory, so that it stays the same wherever a run is started. */
static const char *name_of_source(const char *input, const char *source)
{
    const char *slash = strrchr(input, '/');
    size_t n = slash ? (size_t)(slash - input) + 1 : 0;

    return n && !strncmp(input, source, n) ? source + n : source;
}

/* One line a file: its hash in hexadecimal digits, a space, its name. */
static int hash_sources(const char *input, const struct text_list *sources, char **ret_text,
                        struct error *err)
{
    size_t size = sources->n_byte + sources->n * (HASH_DIGITS + 2) + 1, n = 0;
    char *text = mem_small(size, 1);
    int r = 0;

    for (const char *source = NULL; !r && (source = text_list_next(sources, source)); n += strlen(text + n)) {
        uint64_t hash = 0;

        r = hash_file(source, &hash, err);
        text_format(text + n, size - n, "%016llx %s\n", (unsigned long long)hash,
                    name_of_source(input, source));
    }
    *ret_text = text;
    return r;
}

int provenance_make(const struct plan *plan, struct provenance *ret_provenance, struct error *err)
{
    struct hash hash;
    int r = hash_file(plan->job->catalogue, &ret_provenance->catalogue_hash, err);

    if (!r)
        r = hash_sources(plan->job->catalogue, &plan->catalogue->sources, &ret_provenance->catalogue_sources,
                         err);
    if (!r)
        r = hash_file(plan->job->grid, &ret_provenance->grid_hash, err);
    if (!r)
        r = hash_sources(plan->job->grid, &plan->grid->sources, &ret_provenance->grid_sources, err);
    if (r)
        return r;
    hash_begin(&hash);
    hash_filters(plan, &hash);
    ret_provenance->filters_hash = hash_value(&hash);
    return job_echo(plan->job, &ret_provenance->echo, err);
}

void provenance_free(struct provenance *provenance)
{
    job_echo_free(&provenance->echo);
    free(provenance->catalogue_sources);
    free(provenance->grid_sources);
    provenance->catalogue_sources = provenance->grid_sources = NULL;
}

/* The hashes as named text, as recorded and as compared. */
#define N_HASH 3
struct named_hash {
    const char *name, *what;
    char text[20];
};

static void name_hashes(const struct provenance *provenance, struct named_hash ret_hashes[N_HASH])
{
    const uint64_t value[N_HASH] = { provenance->catalogue_hash, provenance->grid_hash,
                                     provenance->filters_hash };
    static const char *const name[N_HASH] = { "catalogue_hash", "grid_hash", "filters_hash" };
    static const char *const what[N_HASH] = { "the catalogue", "the grid", "the filter curves" };

    for (size_t i = 0; i < N_HASH; i++) {
        ret_hashes[i].name = name[i];
        ret_hashes[i].what = what[i];
        text_format(ret_hashes[i].text, sizeof(ret_hashes[i].text), "%016llx", (unsigned long long)value[i]);
    }
}

/* Inputs that are one file each leave no trace of this. */
static void write_sources(struct io_file *file, const char *name, const char *text)
{
    if (*text)
        io_attr_write_text(file, "Run", name, text, NULL);
}

/* The program, and where and how it was called. */
static void write_texts(struct io_file *file, const struct provenance *provenance)
{
    char hdf5[64], mpi[128];
    const struct {
        const char *name, *value;
    } texts[] = {
        { "program_version", provenance->program_version },
        { "compiler", provenance->compiler },
        { "flags", provenance->flags },
        { "commit", provenance->commit },
        { "source_hash", provenance->source_hash },
        { "instruction_set", isa_names[isa_in_use()] },
        { "hdf5", hdf5 },
        { "mpi", mpi },
        { "date_utc", provenance->date_utc },
        { "host", provenance->host },
        { "command", provenance->command },
    };

    io_versions(hdf5, mpi, sizeof(hdf5));
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        io_attr_write_text(file, "Run", texts[i].name, texts[i].value, NULL);
}

void results_write_provenance(struct io_file *file, const struct provenance *provenance)
{
    struct named_hash hashes[N_HASH];

    name_hashes(provenance, hashes);
    io_make_group(file, "Run/Job", NULL);
    io_make_group(file, "Run/JobDefaulted", NULL);
    for (size_t i = 0; i < provenance->echo.n; i++) {
        const struct job_echo_entry *entry = &provenance->echo.entries[i];

        io_attr_write_text(file, entry->given ? "Run/Job" : "Run/JobDefaulted", entry->key_path, entry->value,
                           NULL);
    }
    for (size_t i = 0; i < N_HASH; i++)
        io_attr_write_text(file, "Run", hashes[i].name, hashes[i].text, NULL);
    write_sources(file, "catalogue_sources", provenance->catalogue_sources);
    write_sources(file, "grid_sources", provenance->grid_sources);
    io_attr_write_i64(file, "Run", "numerics_version", RESULTS_NUMERICS_VERSION, NULL);
    write_texts(file, provenance);
    io_attr_write_i64(file, "Run", "ranks", provenance->n_rank, NULL);
    io_attr_write_i64(file, "Run", "threads_per_rank", provenance->n_thread, NULL);
    io_attr_write_text(file, "/", "format", RESULTS_FORMAT, NULL);
    io_attr_write_i64(file, "/", "version", RESULTS_FILE_VERSION, NULL);
}

/* ---- continuing ------------------------------------------------------------------------------ */

static int check_key(struct io_file *file, const struct job_echo_entry *entry, struct error *err)
{
    const char *group = io_attr_has(file, "Run/Job", entry->key_path) ? "Run/Job" : "Run/JobDefaulted";
    char *value = NULL;
    int r;

    if (!io_attr_has(file, group, entry->key_path))
        return error_set(
            err, POLYPHONY_USAGE,
            "'%s' was made without '%s', the job has it (%s); give another 'output', or use --overwrite",
            io_file_path(file), entry->key_path, entry->value);
    r = io_attr_copy_text(file, group, entry->key_path, &value, err);
    if (!r && strcmp(value, entry->value))
        r = error_set(
            err, POLYPHONY_USAGE,
            "'%s' was made with %s: %.300s, the job has %.300s; give another 'output', or use --overwrite",
            io_file_path(file), entry->key_path, value, entry->value);
    free(value);
    return r;
}

/* The other direction: a key of the file that the job has no longer. */
static int check_no_key_is_gone(struct io_file *file, const char *group, const struct job_echo *echo,
                                struct error *err)
{
    char(*names)[IO_NAME_MAX] = NULL;
    size_t n_name = 0;
    int r = io_attr_list(file, group, &names, &n_name, err);

    for (size_t i = 0; !r && i < n_name; i++) {
        size_t k = 0;

        if (!job_key_determines_numbers(names[i]))
            continue;

        while (k < echo->n && strcmp(echo->entries[k].key_path, names[i]))
            k++;
        if (k == echo->n)
            r = error_set(
                err, POLYPHONY_USAGE,
                "'%s' was made with '%s', the job lacks it; give another 'output', or use --overwrite",
                io_file_path(file), names[i]);
    }
    free(names);
    return r;
}

static int check_numerics(struct io_file *file, struct error *err)
{
    int64_t numerics = 0;
    int r = io_attr_read_i64(file, "Run", "numerics_version", &numerics, err);

    if (!r && numerics != RESULTS_NUMERICS_VERSION)
        r = error_set(
            err, POLYPHONY_USAGE,
            "'%s' was made by a version of the program with other numbers (numerics_version %lld, this is %d); continue it with that one, give another 'output', or use --overwrite",
            io_file_path(file), (long long)numerics, RESULTS_NUMERICS_VERSION);
    return r;
}

static int check_hashes(struct io_file *file, const struct provenance *provenance, struct error *err)
{
    struct named_hash hashes[N_HASH];
    char text[20];
    int r = 0;

    name_hashes(provenance, hashes);
    for (size_t i = 0; !r && i < N_HASH; i++) {
        r = io_attr_read_text(file, "Run", hashes[i].name, text, sizeof(text), err);
        if (!r && strcmp(text, hashes[i].text))
            r = error_set(
                err, POLYPHONY_USAGE,
                "'%s' was made from other contents of %s (%s differs); give another 'output', or use --overwrite",
                io_file_path(file), hashes[i].what, hashes[i].name);
    }
    return r;
}

/* The line of a file in a list of hash_sources(); NULL: it has none. */
static const char *find_source(const char *list, const char *name, size_t n)
{
    for (const char *line = list; *line; line += strcspn(line, "\n") + 1) {
        size_t n_line = strcspn(line, "\n");

        if (n_line == HASH_DIGITS + 1 + n && !strncmp(line + HASH_DIGITS + 1, name, n))
            return line;
    }
    return NULL;
}

/* Every file of one list must be in the other, with the same contents. */
static int compare_sources(const char *list, const char *other, const char *missing, const char *path,
                           const char *what, struct error *err)
{
    for (const char *line = list; *line; line += strcspn(line, "\n") + 1) {
        const char *name = line + HASH_DIGITS + 1;
        size_t n = strcspn(line, "\n") - HASH_DIGITS - 1;
        const char *same = find_source(other, name, n);

        if (!same || strncmp(line, same, HASH_DIGITS))
            return error_set(
                err, POLYPHONY_USAGE,
                "'%s' was made from other contents of %s: '%.*s' %s; give another 'output', or use --overwrite",
                path, what, (int)n, name, same ? "differs" : missing);
    }
    return 0;
}

static int check_sources(struct io_file *file, const char *name, const char *text, const char *what,
                         struct error *err)
{
    char *before = NULL;
    bool has_any = io_attr_has(file, "Run", name);
    int r = has_any ? io_attr_copy_text(file, "Run", name, &before, err) : 0;

    /* Whatever lines a damaged file has, they are as long as ours or not found. */
    for (const char *line = before; !r && line && *line; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") < HASH_DIGITS + 2 || !strchr(line, '\n'))
            r = error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of 'Run' is damaged",
                          io_file_path(file), name);
    if (!r)
        r = compare_sources(text, before ? before : "", "is new", io_file_path(file), what, err);
    if (!r && before)
        r = compare_sources(before, text, "is no longer one of its files", io_file_path(file), what, err);
    free(before);
    return r;
}

/* Another compiler rounds otherwise, and so may other sources: a file has the bits of one build. */
static int check_build(struct io_file *file, const struct provenance *provenance, struct error *err)
{
    const char *const name[] = { "source_hash", "program_version", "compiler", "flags" };
    const char *const value[] = { provenance->source_hash, provenance->program_version, provenance->compiler,
                                  provenance->flags };
    char *text = NULL, *commit = NULL;
    int r = io_attr_copy_text(file, "Run", "commit", &commit, err);

    for (size_t i = 0; !r && i < sizeof(name) / sizeof(*name); i++) {
        r = io_attr_copy_text(file, "Run", name[i], &text, err);
        if (!r && strcmp(text, value[i]) && !provenance->accepts_build)
            r = error_set(
                err, POLYPHONY_USAGE,
                "'%s' was made by another build of the program (%s: %.200s, this one: %.200s; its commit: %.60s, this one: %.60s): continue it with that build, or with 'run --accept-build' if both compute the same; else give another 'output', or use --overwrite",
                io_file_path(file), name[i], text, value[i], commit, provenance->commit);
        free(text);
        text = NULL;
    }
    free(commit);
    return r;
}

int results_check(const char *path, const struct plan *plan, const struct provenance *provenance,
                  struct error *err)
{
    struct layout layout = { .has_views = true };
    struct io_file *file = NULL;
    uint64_t n_galaxy = plan->catalogue->n_galaxy;
    struct io_info info;
    int r = results_file_open(path, &file, err);

    if (!r)
        r = check_numerics(file, err);
    if (!r)
        r = check_build(file, provenance, err);
    if (!r)
        r = check_hashes(file, provenance, err);
    if (!r)
        r = check_sources(file, "catalogue_sources", provenance->catalogue_sources, "the catalogue", err);
    if (!r)
        r = check_sources(file, "grid_sources", provenance->grid_sources, "the grid", err);
    for (size_t i = 0; !r && i < provenance->echo.n; i++)
        if (provenance->echo.entries[i].determines_numbers)
            r = check_key(file, &provenance->echo.entries[i], err);
    if (!r)
        r = check_no_key_is_gone(file, "Run/Job", &provenance->echo, err);
    if (!r)
        r = check_no_key_is_gone(file, "Run/JobDefaulted", &provenance->echo, err);
    if (!r)
        r = io_dataset_info(file, LEDGER_PATH, &info, err);
    if (!r && info.n != n_galaxy)
        r = error_set(err, POLYPHONY_USAGE, "'%s' has %llu galaxies, the catalogue %llu", path,
                      (unsigned long long)info.n, (unsigned long long)n_galaxy);
    layout.file = file;
    if (!r)
        r = results_layout_rows(&layout, plan, err);
    layout_free(&layout);
    io_file_close(file);
    return r;
}
