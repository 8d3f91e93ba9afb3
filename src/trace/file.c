/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The trace file. Every table is the ranks' rows one after the other: each rank knows from an exclusive scan
 * where its own begin, and all write at once.
 */
#include "polyphony/trace_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/io.h"
#include "polyphony/ranks.h"

#include "trace_private.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
#define CPUS_TEXT   256

/* A line of /Ranks. */
struct rank_row {
    int32_t rank, node, local_rank, n_thread, deals_only, is_pinned;
    char host[64], cpuset[CPUS_TEXT], cpus[CPUS_TEXT], placement[320];
    int64_t begin_ns, end_ns, clock_offset_ns, clock_error_ns, busy_ns;
    uint64_t n_galaxy, peak_rss_bytes, first_span, n_span, first_rss, n_rss, n_read;
    int32_t spans_merged, reads_merged, catches_peaks;
};

/* A line of /RSS. */
struct rss_row {
    int32_t rank;
    int64_t time_ns;
    uint64_t rss_bytes;
};

#define INTEGER(row, field, type)                                                                            \
    {                                                                                                        \
#field, type, offsetof(struct row, field), 0                                                         \
    }
#define TEXT(row, field)                                                                                     \
    {                                                                                                        \
#field, IO_I32, offsetof(struct row, field), sizeof(((struct row *)0)->field)                        \
    }

static const struct io_member rank_members[] = {
    INTEGER(rank_row, rank, IO_I32),
    INTEGER(rank_row, node, IO_I32),
    INTEGER(rank_row, local_rank, IO_I32),
    INTEGER(rank_row, n_thread, IO_I32),
    INTEGER(rank_row, deals_only, IO_I32),
    INTEGER(rank_row, is_pinned, IO_I32),
    TEXT(rank_row, host),
    TEXT(rank_row, cpuset),
    TEXT(rank_row, cpus),
    TEXT(rank_row, placement),
    INTEGER(rank_row, begin_ns, IO_I64),
    INTEGER(rank_row, end_ns, IO_I64),
    INTEGER(rank_row, clock_offset_ns, IO_I64),
    INTEGER(rank_row, clock_error_ns, IO_I64),
    INTEGER(rank_row, busy_ns, IO_I64),
    INTEGER(rank_row, n_galaxy, IO_U64),
    INTEGER(rank_row, peak_rss_bytes, IO_U64),
    INTEGER(rank_row, first_span, IO_U64),
    INTEGER(rank_row, n_span, IO_U64),
    INTEGER(rank_row, first_rss, IO_U64),
    INTEGER(rank_row, n_rss, IO_U64),
    INTEGER(rank_row, n_read, IO_U64),
    INTEGER(rank_row, spans_merged, IO_I32),
    INTEGER(rank_row, reads_merged, IO_I32),
    INTEGER(rank_row, catches_peaks, IO_I32),
};

static const struct io_member span_members[] = {
    INTEGER(trace_span_row, rank, IO_I32),     INTEGER(trace_span_row, thread, IO_I32),
    INTEGER(trace_span_row, stage, IO_I32),    INTEGER(trace_span_row, n_merged, IO_I32),
    INTEGER(trace_span_row, galaxy, IO_I64),   INTEGER(trace_span_row, last_galaxy, IO_I64),
    INTEGER(trace_span_row, n_galaxy, IO_I64), INTEGER(trace_span_row, n_particle, IO_U64),
    INTEGER(trace_span_row, begin_ns, IO_I64), INTEGER(trace_span_row, end_ns, IO_I64),
    INTEGER(trace_span_row, busy_ns, IO_I64),  INTEGER(trace_span_row, peak_rss_bytes, IO_U64),
};

static const struct io_member rss_members[] = {
    INTEGER(rss_row, rank, IO_I32),
    INTEGER(rss_row, time_ns, IO_I64),
    INTEGER(rss_row, rss_bytes, IO_U64),
};

static const struct io_member batch_members[] = {
    INTEGER(trace_batch, rank, IO_I32),
    INTEGER(trace_batch, n_galaxy, IO_I32),
    INTEGER(trace_batch, n_batch, IO_I32),
    INTEGER(trace_batch, first_row, IO_I64),
    { "predicted_cost", IO_F64, offsetof(struct trace_batch, predicted_s), 0 },
    INTEGER(trace_batch, measured_s, IO_F64),
    INTEGER(trace_batch, dealt_ns, IO_I64),
    INTEGER(trace_batch, done_ns, IO_I64),
};

/* What this rank will write, its times counted from the common start. */
struct rank_part {
    struct trace *trace;
    const struct trace_run *run;
    MPI_Comm comm;
    int rank, n_rank;
    int64_t to_common_ns; /* add to clock_ns() */
    int64_t wall_ns;
    struct rank_row self;
    struct trace_span_row *span;
    struct rss_row *rss;
    struct trace_batch *batch;
    size_t n_batch;
    uint64_t n_span_all, n_rss_all, n_batch_all;
    struct trace_sums sums;
};

/* ---- collecting ------------------------------------------------------------------------------- */

/* From the first process that began to the last that comes here. */
static void find_common_start(struct rank_part *part, const struct trace_host *host)
{
    int64_t begin_ns = part->trace->settings.begin_ns + host->clock_offset_ns;
    int64_t end_ns = clock_ns() + host->clock_offset_ns;
    int64_t mine[2] = { begin_ns, -end_ns }, first[2];

    MPI_Allreduce(mine, first, 2, MPI_INT64_T, MPI_MIN, part->comm);
    part->to_common_ns = host->clock_offset_ns - first[0];
    part->wall_ns = -first[1] - first[0];
    part->self.begin_ns = begin_ns - first[0];
    part->self.end_ns = end_ns - first[0];
}

static int collect_spans(struct rank_part *part, struct error *err)
{
    const struct trace *trace = part->trace;
    uint32_t n_merge = 1;
    size_t n = 0, n_all = 0;

    for (size_t t = 0; t < trace->settings.n_thread; t++) {
        trace_spans(&trace->thread[t], &n, &n_merge);
        n_all += n;
        if ((int32_t)n_merge > part->self.spans_merged)
            part->self.spans_merged = (int32_t)n_merge;
    }
    part->span = mem_array(n_all, sizeof(*part->span));
    if (!part->span)
        return mem_short(err, "to write a trace of %zu spans", n_all);
    for (size_t t = 0; t < trace->settings.n_thread; t++) {
        const struct trace_span_row *span = trace_spans(&trace->thread[t], &n, &n_merge);

        for (size_t i = 0; i < n; i++) {
            struct trace_span_row *row = &part->span[part->self.n_span++];

            *row = span[i];
            row->rank = part->rank;
            row->begin_ns += part->to_common_ns;
            row->end_ns += part->to_common_ns;
        }
    }
    return 0;
}

static int collect_samples(struct rank_part *part, struct error *err)
{
    size_t n = 0;
    uint32_t n_merge = 1;
    const struct trace_sample *sample = trace_samples(part->trace, &n, &n_merge, &part->self.n_read);

    part->rss = mem_array(n, sizeof(*part->rss));
    if (!part->rss)
        return mem_short(err, "to write a trace of %zu samples", n);
    for (size_t i = 0; i < n; i++)
        part->rss[i] =
            (struct rss_row) { part->rank, sample[i].time_ns + part->to_common_ns, sample[i].rss_bytes };
    part->self.n_rss = n;
    part->self.reads_merged = (int32_t)n_merge;
    return 0;
}

static int collect_batches(struct rank_part *part, struct error *err)
{
    const struct trace_batch *batch = trace_batches(part->trace, &part->n_batch);

    part->batch = mem_array(part->n_batch, sizeof(*part->batch));
    if (!part->batch)
        return mem_short(err, "to write a trace of %zu batches", part->n_batch);
    for (size_t i = 0; i < part->n_batch; i++) {
        part->batch[i] = batch[i];
        part->batch[i].dealt_ns += part->to_common_ns;
        part->batch[i].done_ns += part->to_common_ns;
    }
    return 0;
}

/* As much as fits, with the end cut off visibly. */
static void copy_text(char *ret_text, size_t size, const char *text)
{
    if (!text_format(ret_text, size, "%s", text))
        memcpy(ret_text + size - 4, "...", 4);
}

static void describe_rank(struct rank_part *part, const struct trace_rank *rank)
{
    struct rank_row *self = &part->self;

    self->rank = part->rank;
    self->node = rank->host.node;
    self->local_rank = rank->host.local_rank;
    self->n_thread = rank->n_thread;
    self->deals_only = rank->deals_only;
    self->is_pinned = rank->is_pinned;
    copy_text(self->host, sizeof(self->host), rank->host.name);
    copy_text(self->cpuset, sizeof(self->cpuset), rank->cpuset);
    copy_text(self->cpus, sizeof(self->cpus), rank->cpus);
    copy_text(self->placement, sizeof(self->placement), rank->placement);
    self->clock_offset_ns = rank->host.clock_offset_ns;
    self->clock_error_ns = rank->host.clock_error_ns;
    self->busy_ns = part->sums.busy_ns;
    self->n_galaxy = part->sums.n_galaxy;
    self->peak_rss_bytes = trace_peak_rss_bytes(part->trace);
    self->catches_peaks = part->trace->peak.clear_fd >= 0;
}

/* Where this rank's rows begin, and how many there are of all ranks. */
static void scan_rows(struct rank_part *part)
{
    uint64_t mine[3] = { part->self.n_span, part->self.n_rss, part->n_batch };
    uint64_t before[3] = { 0 }, all[3];

    MPI_Exscan(mine, before, 3, MPI_UINT64_T, MPI_SUM, part->comm);
    if (part->rank == 0) /* the standard leaves it undefined there */
        memset(before, 0, sizeof(before));
    MPI_Allreduce(mine, all, 3, MPI_UINT64_T, MPI_SUM, part->comm);
    part->self.first_span = before[0];
    part->self.first_rss = before[1];
    part->n_span_all = all[0];
    part->n_rss_all = all[1];
    part->n_batch_all = all[2];
}

/* ---- writing ---------------------------------------------------------------------------------- */

static void write_head(const struct rank_part *part, struct io_file *file)
{
    const struct trace_settings *settings = &part->trace->settings;
    const struct trace_run *run = part->run;
    char started_utc[32];
    const struct {
        const char *name, *value;
    } texts[] = {
        { "format", TRACE_FORMAT },
        { "program_version", run->program_version },
        { "started_utc", started_utc },
        { "mode", settings->mode == TRACE_SPANS ? "spans" : "summary" },
        { "results", run->results_path },
        { "catalogue", run->catalogue_path },
        { "schedule_mode", run->schedule_mode },
    };
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        { "version", 1 },
        { "sample_hz", settings->mode == TRACE_SPANS ? settings->sample_hz : 0 },
        { "n_rank", part->n_rank },
        { "n_galaxy_stage", (int64_t)run->n_galaxy_stage },
        { "wall_ns", part->wall_ns },
    };

    memcpy(started_utc, part->trace->started_utc, sizeof(started_utc));
    MPI_Bcast(started_utc, sizeof(started_utc), MPI_CHAR, 0, part->comm); /* attributes are written alike */
    for (size_t i = 0; i < N_OF(texts); i++)
        io_attr_write_text(file, "/", texts[i].name, texts[i].value, NULL);
    for (size_t i = 0; i < N_OF(numbers); i++)
        io_attr_write_i64(file, "/", numbers[i].name, numbers[i].value, NULL);
    io_attr_write_bool(file, "/", "stopped_early", run->is_stopped_early, NULL);
    io_write_names(file, "Stages", settings->n_stage, settings->stage_name,
                   "Names of the stages, in the order of Spans.stage and of Operations", NULL);
}

static void lay_out_tables(const struct rank_part *part, struct io_file *file)
{
    const uint64_t operations[2] = { part->trace->settings.n_stage, (uint64_t)part->n_rank };

    io_layout_records(file, "Ranks", (uint64_t)part->n_rank, sizeof(struct rank_row), rank_members,
                      N_OF(rank_members), "One row a rank; times in ns since the first process began", NULL);
    io_layout_records(file, "Spans", part->n_span_all, sizeof(struct trace_span_row), span_members,
                      N_OF(span_members), "What each thread did, rank after rank", NULL);
    io_layout_records(file, "RSS", part->n_rss_all, sizeof(struct rss_row), rss_members, N_OF(rss_members),
                      "Resident set of each process, rank after rank", NULL);
    io_layout_records(file, "Schedule", part->n_batch_all, sizeof(struct trace_batch), batch_members,
                      N_OF(batch_members), "Batches dealt, in the order in which they came back", NULL);
    io_layout_dataset(file, "Operations/Seconds", IO_F64, 2, operations, "s", "Exclusive time, (stage, rank)",
                      NULL);
    io_layout_dataset(file, "Operations/Count", IO_U64, 2, operations, "dimensionless",
                      "Calls, (stage, rank)", NULL);
    io_layout_dataset(file, "Operations/PeakRSS", IO_U64, 2, operations, "byte",
                      "Largest resident set, (stage, rank); 0: unknown", NULL);
}

/* What a galaxy's cost is made of, as attributes of /Schedule. */
static const char *const cost_names[COST_N_TERM] = { "cost_s_per_galaxy", "cost_s_per_star",
                                                     "cost_s_per_pair" };

int trace_read_costs(const char *path, double ret_cost_s[COST_N_TERM], struct error *err)
{
    struct io_file *file = NULL;
    int r = io_file_open(path, &file, err);

    if (!r && (!io_has(file, "Schedule") || !io_attr_has(file, "Schedule", cost_names[0])))
        r = error_set(err, POLYPHONY_INPUT,
                      "'%s' has no costs: it is no trace of this version of the program", path);
    for (size_t i = 0; !r && i < COST_N_TERM; i++) {
        r = io_attr_read_f64(file, "Schedule", cost_names[i], &ret_cost_s[i], err);
        if (!r && !(ret_cost_s[i] >= 0.0 && isfinite(ret_cost_s[i])))
            r = error_set(err, POLYPHONY_INPUT, "'%s': attribute '%s' of 'Schedule' is %g, must be >= 0",
                          path, cost_names[i], ret_cost_s[i]);
    }
    io_file_close(file);
    return r;
}

/* The fit and the costs are rank 0's; attributes are written alike by all. */
static void write_fit(const struct rank_part *part, struct io_file *file, const struct trace_run *run)
{
    double fit[2], cost_s[COST_N_TERM];

    memcpy(cost_s, run->cost_s, sizeof(cost_s));
    MPI_Bcast(cost_s, COST_N_TERM, MPI_DOUBLE, 0, part->comm);
    for (size_t i = 0; i < COST_N_TERM; i++)
        io_attr_write_f64(file, "Schedule", cost_names[i], cost_s[i], NULL);
    trace_fit_costs(part->trace, &fit[0], &fit[1]);
    MPI_Bcast(fit, 2, MPI_DOUBLE, 0, part->comm);
    io_attr_write_f64(file, "Schedule", "fit_seconds_per_galaxy", fit[0], NULL);
    io_attr_write_f64(file, "Schedule", "fit_seconds_per_cost", fit[1], NULL);
}

static void write_rows(struct io_file *file, const char *path, uint64_t first, uint64_t n, uint64_t n_all,
                       const void *rows)
{
    if (n_all)
        io_layout_write_block(file, path, &first, &n, rows, NULL);
}

/* A column of 8-byte numbers from each rank. Rank 0 writes them all: spread over the rows of a dataset they
 * would be a tiny write each, which parallel file systems hate. */
static void write_columns(const struct rank_part *part, struct io_file *file, const char *path,
                          const void *mine)
{
    const size_t n_stage = part->trace->settings.n_stage, n_rank = (size_t)part->n_rank, size = 8;
    const uint64_t start[2] = { 0, 0 }, count[2] = { part->rank == 0 ? n_stage : 0, n_rank };
    char *all = part->rank == 0 ? mem_small(n_stage * n_rank, size) : NULL;

    for (size_t s = 0; s < n_stage; s++)
        MPI_Gather((const char *)mine + s * size, (int)size, MPI_BYTE, all ? all + s * n_rank * size : NULL,
                   (int)size, MPI_BYTE, 0, part->comm);
    io_layout_write_block(file, path, start, count, all, NULL);
    free(all);
}

static void write_operations(const struct rank_part *part, struct io_file *file)
{
    const struct trace_sums *sums = &part->sums;
    double seconds[TRACE_STAGE_MAX];

    for (size_t s = 0; s < TRACE_STAGE_MAX; s++)
        seconds[s] = (double)sums->ns[s] * 1e-9;
    write_columns(part, file, "Operations/Seconds", seconds);
    write_columns(part, file, "Operations/Count", sums->count);
    write_columns(part, file, "Operations/PeakRSS", sums->peak_rss_bytes);
}

/* Blocks are written together: before them all ranks know whether the layout failed on one. */
static int write_file(const struct rank_part *part, struct io_file *file, struct error *err)
{
    const struct rank_row *self = &part->self;
    int r;

    write_head(part, file);
    lay_out_tables(part, file);
    write_fit(part, file, part->run);
    r = ranks_agree(part->comm, io_file_status(file, err));
    if (r)
        return r;
    write_rows(file, "Ranks", (uint64_t)part->rank, 1, 1, self);
    write_rows(file, "Spans", self->first_span, self->n_span, part->n_span_all, part->span);
    write_rows(file, "RSS", self->first_rss, self->n_rss, part->n_rss_all, part->rss);
    write_rows(file, "Schedule", 0, part->n_batch, part->n_batch_all, part->batch);
    write_operations(part, file);
    return io_layout_commit(file, err);
}

int trace_write(struct trace *trace, const struct trace_rank *rank, const struct trace_run *run,
                MPI_Comm comm, const char *path, struct error *err)
{
    struct rank_part part = { .trace = trace, .run = run, .comm = comm, .self = { .spans_merged = 1 } };
    struct io_file *file = NULL;
    int r;

    MPI_Comm_rank(comm, &part.rank);
    MPI_Comm_size(comm, &part.n_rank);
    trace_sum(trace, &part.sums);
    find_common_start(&part, &rank->host);
    describe_rank(&part, rank);
    r = collect_spans(&part, err);
    if (!r)
        r = collect_samples(&part, err);
    if (!r)
        r = collect_batches(&part, err);
    r = ranks_agree(comm, r);
    if (!r) {
        scan_rows(&part);
        r = ranks_agree(comm, io_layout_create(path, comm, &file, err));
    }
    if (!r)
        r = write_file(&part, file, err);
    io_file_close(file);
    free(part.span);
    free(part.rss);
    free(part.batch);
    return r;
}
