/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "polyphony/isa.h"

#include "cli.h"
#include "tracing.h"

/* How often a progress line appears: on a terminal it replaces itself, in a log it adds up. */
#define SHOW_TERMINAL_NS 200000000
#define SHOW_LOG_NS      10000000000

void report_init(struct report *report, int rank, bool shows_progress)
{
    *report = (struct report) { .rank = rank,
                                .shows_progress = shows_progress,
                                .is_terminal = isatty(STDERR_FILENO),
                                .begin_ns = clock_ns() };
}

void report_begin(struct report *report, const struct plan *plan, const struct dealing *dealing)
{
    size_t n_before = dealing->n_done + dealing->n_set_aside;
    size_t n_other = dealing->n_galaxy - n_before - dealing->n_now;

    for (size_t i = 0; i < plan->warnings.n; i++)
        fprintf(stderr, "warning: %s\n", plan->warnings.text[i]);
    if (n_before)
        fprintf(stderr, "continuing '%s': %zu galaxies were finished, %zu are left\n", plan->job->output,
                n_before, dealing->n_now + n_other);
    else
        fprintf(stderr, "%zu galaxies to do into '%s'\n", dealing->n_now + n_other, plan->job->output);
    if (n_other)
        fprintf(stderr, "%zu of them now, as asked\n", dealing->n_now);
    report->begin_ns = report->shown_ns = clock_ns();
}

/* A line a rank, and each warning once, with the ranks it is of. */
static void print_placements(int n_rank, const struct placement *all)
{
    const char *missing = isa_asked_but_missing();

    for (int i = 0; i < n_rank; i++)
        fprintf(stderr, "rank %d: %s\n", i, all[i].text);
    fprintf(stderr, "instruction set: %s\n", isa_names[isa_in_use()]);
    if (missing) {
        fprintf(stderr, "warning: POLYPHONY_ISA asks for '%s'; there are", missing);
        for (int isa = 0; isa < ISA_N; isa++)
            if (isa_is_there((enum isa)isa))
                fprintf(stderr, " %s", isa_names[isa]);
        fputs("\n", stderr);
    }
    for (int i = 0; i < n_rank; i++) {
        int n_more = 0;
        bool is_said = false;

        for (int k = 0; k < n_rank; k++) {
            bool is_same = !strcmp(all[i].warning, all[k].warning);

            is_said |= is_same && k < i;
            n_more += is_same && k > i;
        }
        if (!all[i].warning[0] || is_said)
            continue;
        fprintf(stderr, "warning: rank %d", i);
        if (n_more)
            fprintf(stderr, " and %d more", n_more);
        fprintf(stderr, ": %s\n", all[i].warning);
    }
}

void report_placement(struct report *report, MPI_Comm comm, const struct placement *placement)
{
    struct placement *all = NULL;
    int n_rank;

    MPI_Comm_size(comm, &n_rank);
    if (report->rank == 0)
        all = mem_small((size_t)n_rank, sizeof(*all));
    MPI_Gather(placement, sizeof(*placement), MPI_BYTE, all, sizeof(*all), MPI_BYTE, 0, comm);
    if (report->rank == 0)
        print_placements(n_rank, all);
    free(all);
}

static void format_duration(double seconds, char *ret_text, size_t size)
{
    long s = (long)(seconds + 0.5);

    if (s < 3600)
        text_format(ret_text, size, "%ld:%02ld", s / 60, s % 60);
    else
        text_format(ret_text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

double report_left_s(const struct report *report, const struct schedule_progress *progress)
{
    double seconds = (double)(clock_ns() - report->begin_ns) * 1e-9;
    double part = progress->cost_all_s > 0.0 ? 1.0 - progress->cost_left_s / progress->cost_all_s : 1.0;

    return part > 0.0 ? seconds * (1.0 - part) / part : -1.0;
}

void report_progress(struct report *report, const struct schedule_progress *progress)
{
    int64_t now = clock_ns();
    size_t n = progress->n_done + progress->n_set_aside;
    double seconds = (double)(now - report->begin_ns) * 1e-9;
    char left[32] = "?";
    double left_s = report_left_s(report, progress);

    if (!report->shows_progress || n == 0 ||
        (now - report->shown_ns < (report->is_terminal ? SHOW_TERMINAL_NS : SHOW_LOG_NS) &&
         !(n == progress->n_total && report->is_terminal)))
        return;
    report->shown_ns = now;
    if (left_s >= 0.0)
        format_duration(left_s, left, sizeof(left));
    fprintf(stderr, "%s%zu of %zu galaxies, %.3g a second, %zu set aside, %s left %s",
            report->is_terminal ? "\r" : "", n, progress->n_total, (double)n / seconds, progress->n_set_aside,
            left, report->is_terminal ? (n == progress->n_total ? "\n" : "   ") : "\n");
}

void report_set_aside(struct report *report, const char *stage, const char *reason)
{
    fprintf(stderr, "%srank %d: set aside (%s): %s\n", report->is_terminal ? "\n" : "", report->rank, stage,
            reason);
}

static void print_stages(const struct trace *trace, const struct trace_sums *all)
{
    int64_t total_ns = 0;

    /* What a rank does besides galaxies is in the trace file. */
    for (size_t i = 0; i < tracing_galaxy_stages(); i++)
        total_ns += all->ns[i];
    printf("%-28s %10s %7s %10s\n", "stage", "seconds", "share", "galaxies");
    for (size_t i = 0; i < tracing_galaxy_stages(); i++)
        if (all->count[i] > 0)
            printf("%-28s %10.4f %6.1f%% %10llu\n", trace_stage_name(trace, i), (double)all->ns[i] * 1e-9,
                   100.0 * (double)all->ns[i] / (double)total_ns, (unsigned long long)all->count[i]);
    printf("%-28s %10.4f   (sum over computing ranks)\n", "all stages", (double)total_ns * 1e-9);
}

void report_summary(struct report *report, MPI_Comm comm, struct trace *trace, bool is_dealer)
{
    struct trace_sums mine, all;
    uint64_t peak = trace_peak_rss_bytes(trace);
    uint64_t rss[2] = { is_dealer ? peak : 0, is_dealer ? 0 : peak }, peaks[2];
    char text[2][24];

    trace_sum(trace, &mine);
    all = mine;
    MPI_Reduce(mine.ns, all.ns, TRACE_STAGE_MAX, MPI_INT64_T, MPI_SUM, 0, comm);
    MPI_Reduce(mine.count, all.count, TRACE_STAGE_MAX, MPI_UINT64_T, MPI_SUM, 0, comm);
    MPI_Reduce(rss, peaks, 2, MPI_UINT64_T, MPI_MAX, 0, comm);
    if (report->rank > 0)
        return;
    print_stages(trace, &all);
    cli_format_bytes((double)peaks[0], text[0]);
    cli_format_bytes((double)peaks[1], text[1]);
    printf("%-28s %10.4f\n", "wall clock, galaxies only", (double)(clock_ns() - report->begin_ns) * 1e-9);
    printf("%-28s %10s   of a computing rank", "peak memory", text[1]);
    printf(peaks[0] ? ", %s of the dealer\n" : "\n", text[0]);
}

void report_end(const char *path, const struct ledger_counts *counts)
{
    size_t n_left = counts->n_galaxy - counts->n_done - counts->n_set_aside;

    printf("%s: %zu galaxies done, %zu set aside", path, counts->n_done, counts->n_set_aside);
    printf(n_left ? ", %zu left for later\n" : "\n", n_left);
    if (counts->n_rounded)
        printf("%llu values of %zu galaxies were slightly below 0 and are taken as 0\n",
               (unsigned long long)counts->n_rounded, counts->n_rounded_galaxy);
    if (counts->n_set_aside)
        printf("'polyphony status %s' says why\n", path);
}
