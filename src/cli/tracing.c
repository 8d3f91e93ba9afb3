/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tracing.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "polyphony/io.h"
#include "polyphony/operations.h"

#include "version.h"

static const char *const rank_stage_names[] = {
    [STAGE_START_UP] = "Start-up", [STAGE_INPUTS] = "Opening inputs", [STAGE_OUTPUT] = "Opening output",
    [STAGE_WAITING] = "Waiting",   [STAGE_DEALING] = "Dealing",       [STAGE_CLOSING] = "Closing",
};

_Static_assert(JOB_TRACE_HZ_MAX <= TRACE_HZ_MAX, "a job may ask for more samples than a trace takes");

#define N_RANK_STAGE (sizeof(rank_stage_names) / sizeof(*rank_stage_names))

/* Stages of galaxies, then those of the rank. */
static const char *stage_names[TRACE_STAGE_MAX];

size_t tracing_galaxy_stages(void)
{
    return operation_count(operation_list) + 1;
}

int tracing_open(struct tracing *tracing, const struct job *job, MPI_Comm comm, int64_t begin_ns,
                 struct error *err)
{
    static const enum trace_mode modes[] = {
        [JOB_TRACE_OFF] = TRACE_OFF, [JOB_TRACE_SUMMARY] = TRACE_SUMMARY, [JOB_TRACE_SPANS] = TRACE_SPANS
    };
    struct trace_settings settings = { .mode = modes[*job->trace],
                                       .sample_hz = *job->trace_frequency_hz,
                                       .begin_ns = begin_ns,
                                       .n_stage = tracing_galaxy_stages() + N_RANK_STAGE,
                                       .stage_name = stage_names,
                                       .n_thread = 1 };
    int rank, r;

    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &settings.n_rank);
    settings.is_dealer = rank == 0;
    operation_stage_names(operation_list, stage_names);
    for (size_t s = 0; s < N_RANK_STAGE; s++)
        stage_names[tracing_galaxy_stages() + s] = rank_stage_names[s];
    r = trace_find_host(comm, &tracing->host, err);
    if (!r)
        r = trace_open(&settings, &tracing->trace, err);
    if (r)
        return r;
    tracing->thread = trace_thread(tracing->trace, 0);
    tracing->now_ns = begin_ns;
    return 0;
}

void tracing_close(struct tracing *tracing)
{
    trace_close(tracing->trace);
}

void tracing_end(struct tracing *tracing, enum rank_stage stage)
{
    tracing->now_ns = trace_end(tracing->thread, tracing_galaxy_stages() + stage, tracing->now_ns);
}

void tracing_waited(struct tracing *tracing, bool is_dealer, int64_t begin_ns, int64_t end_ns)
{
    if (is_dealer)
        trace_span(tracing->thread, tracing_galaxy_stages() + STAGE_DEALING, tracing->now_ns, begin_ns);
    trace_span(tracing->thread, tracing_galaxy_stages() + STAGE_WAITING, begin_ns, end_ns);
    tracing->now_ns = end_ns;
}

void tracing_batch(struct tracing *tracing, const struct schedule_batch *batch)
{
    const struct trace_batch row = { .rank = batch->rank,
                                     .n_galaxy = (int32_t)batch->n_galaxy,
                                     .n_batch = 1,
                                     .first_row = (int64_t)batch->first_row,
                                     .predicted_s = batch->predicted_s,
                                     .measured_s = batch->measured_s,
                                     .dealt_ns = batch->dealt_ns,
                                     .done_ns = batch->done_ns };

    trace_add_batch(tracing->trace, &row);
}

/* ---- the file --------------------------------------------------------------------------------- */

/* Length of a path without ".hdf5" or ".h5" at its end. */
static size_t stem_length(const char *path)
{
    static const char *const endings[] = { ".hdf5", ".h5" };
    size_t n = strlen(path);

    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
        size_t n_end = strlen(endings[i]);

        if (n > n_end && !strcmp(path + n - n_end, endings[i]))
            return n - n_end;
    }
    return n;
}

/* A trace file, of these results if they are given (else NULL). */
static bool is_trace_file(const char *path, const char *results_path)
{
    struct error err = { 0 };
    struct io_file *file = NULL;
    char format[32] = "", results[sizeof(((struct tracing *)0)->path)] = "";

    if (io_file_open(path, &file, &err))
        return false;
    if (io_attr_has(file, "/", "format"))
        io_attr_read_text(file, "/", "format", format, sizeof(format), &err);
    if (io_attr_has(file, "/", "results"))
        io_attr_read_text(file, "/", "results", results, sizeof(results), &err);
    io_file_close(file);
    return !strcmp(format, TRACE_FORMAT) && (!results_path || !strcmp(results, results_path));
}

/* The same name in the same directory, whether a file is there or not. */
static bool is_same_path(const char *a, const char *b)
{
    char *copy_a = mem_text(a), *copy_b = mem_text(b);
    struct stat in_a, in_b;
    bool is_same = !strcmp(path_file_name(a), path_file_name(b)) && !stat(dirname(copy_a), &in_a) &&
                   !stat(dirname(copy_b), &in_b) && in_a.st_dev == in_b.st_dev && in_a.st_ino == in_b.st_ino;

    free(copy_a);
    free(copy_b);
    return is_same;
}

/* A slip in the job must not cost an input or the results, nor hours of work before it is noticed. */
static int check_path(const struct job *job, const char *given, struct error *err)
{
    char *path = path_follow(given, err), *copy;
    const char *directory;
    int r = 0;

    if (!path)
        return POLYPHONY_OUTPUT;
    copy = mem_text(path);
    directory = dirname(copy);
    if (is_same_path(path, job->output))
        r = job_error(job, err, "trace_output", "'%s' is the results file; give another name", path);
    else if (access(path, F_OK) == 0 && !is_trace_file(path, NULL))
        r = job_error(job, err, "trace_output",
                      "'%s' exists and is no trace file; it is not overwritten, give another name", path);
    else if (access(directory, W_OK | X_OK))
        r = error_set(err, POLYPHONY_OUTPUT, "trace_output '%s': its directory cannot be written: %s", path,
                      strerror(errno));
    free(copy);
    free(path);
    return r;
}

/* Path of the i-th trace of the same results: the first has no number. False if it does not fit. */
static bool format_path(const struct job *job, int i, char *ret_path, size_t size)
{
    const char *base = job->trace_output ? job->trace_output : job->output;
    const char *middle = job->trace_output ? "" : ".trace", *end = job->trace_output ? "" : ".hdf5";
    size_t n_stem = stem_length(base);
    char number[16] = "";

    if (base[n_stem])
        end = base + n_stem;
    if (i > 1)
        text_format(number, sizeof(number), ".%d", i);
    return text_format(ret_path, size, "%.*s%s%s%s", (int)n_stem, base, middle, number, end);
}

int tracing_choose_path(struct tracing *tracing, const struct job *job, bool is_continued, struct error *err)
{
    bool fits = format_path(job, 1, tracing->path, sizeof(tracing->path));
    int r = fits ? check_path(job, tracing->path, err) : 0;

    /* "r" and "r.hdf5" would have one name for it. */
    for (int i = 2; !r && fits && access(tracing->path, F_OK) == 0 &&
                    (is_continued || (!job->trace_output && !is_trace_file(tracing->path, job->output)));
         i++)
        fits = format_path(job, i, tracing->path, sizeof(tracing->path));
    return fits ? r : error_set(err, POLYPHONY_USAGE, "'%s': path of the trace file too long", job->output);
}

void tracing_remove_earlier(const struct job *job)
{
    char path[sizeof(((struct tracing *)0)->path)];
    bool is_removed = true;

    /* The first may be gone already; the others are without a gap. */
    for (int i = 1; (i <= 2 || is_removed) && format_path(job, i, path, sizeof(path)); i++)
        is_removed = is_trace_file(path, job->output) && !unlink(path);
}

/* The file knows only ranks that are left, under their new numbers. */
static void forget_lost_ranks(struct tracing *tracing, MPI_Comm comm)
{
    MPI_Group all, left;
    int n_rank, *old_rank, *new_rank;

    MPI_Comm_size(MPI_COMM_WORLD, &n_rank);
    old_rank = mem_small((size_t)n_rank, sizeof(*old_rank));
    new_rank = mem_small((size_t)n_rank, sizeof(*new_rank));
    MPI_Comm_group(MPI_COMM_WORLD, &all);
    MPI_Comm_group(comm, &left);
    for (int i = 0; i < n_rank; i++)
        old_rank[i] = i;
    MPI_Group_translate_ranks(all, n_rank, old_rank, left, new_rank);
    for (int i = 0; i < n_rank; i++)
        new_rank[i] = new_rank[i] == MPI_UNDEFINED ? -1 : new_rank[i];
    trace_renumber_batches(tracing->trace, new_rank);
    MPI_Group_free(&all);
    MPI_Group_free(&left);
    free(old_rank);
    free(new_rank);
}

int tracing_write(struct tracing *tracing, const struct job *job, const struct place *place,
                  const double cost_s[COST_N_TERM], MPI_Comm comm, bool is_stopped, struct error *err)
{
    static const char *const modes[] = { [JOB_DYNAMIC] = "dynamic",
                                         [JOB_STATIC_BLOCK] = "static-block",
                                         [JOB_STATIC_CYCLIC] = "static-cyclic",
                                         [JOB_STATIC_LPT] = "static-lpt" };
    const struct trace_run run = { .cost_s = { cost_s[0], cost_s[1], cost_s[2] },
                                   .program_version = POLYPHONY_VERSION,
                                   .results_path = job->output,
                                   .catalogue_path = job->catalogue,
                                   .schedule_mode = modes[*job->schedule.mode],
                                   .n_galaxy_stage = tracing_galaxy_stages(),
                                   .is_stopped_early = is_stopped };
    struct trace_rank self = { .host = tracing->host,
                               .n_thread = place->mine->n_thread,
                               .is_pinned = place->mine->is_pinned,
                               .cpuset = place->cpuset,
                               .cpus = place->cpus,
                               .placement = place->mine->text };
    int rank, n_rank, r;

    trace_stop(tracing->trace);
    if (*job->trace == JOB_TRACE_OFF)
        return 0;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &n_rank);
    if (comm != MPI_COMM_WORLD)
        forget_lost_ranks(tracing, comm);
    self.deals_only = rank == 0 && n_rank > 1;
    MPI_Bcast(tracing->path, sizeof(tracing->path), MPI_CHAR, 0, comm);
    r = trace_write(tracing->trace, &self, &run, comm, tracing->path, err);
    if (!r && rank == 0)
        printf("trace of this run: %s\n", tracing->path);
    return r;
}
