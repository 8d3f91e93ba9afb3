/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `polyphony verify`: are the numbers in the file those that were computed?
 */
#include "cli.h"

#include <argp.h>
#include <stdio.h>
#include <unistd.h>

#include "polyphony/results.h"

#define N_SHOWN 20

struct asked {
    const char *path;
    bool shows_all;
};

struct progress {
    bool is_terminal, shows_all;
    int64_t shown_ns;
    size_t n_fault;
};

static const char *const fault_text[] = {
    [FAULT_DIFFERS] = "its values are not those of its checksum",
    [FAULT_NOT_NAN] = "is set aside, but has values that are not NaN",
    [FAULT_CHECKSUM] = "is left, but has a checksum",
    [FAULT_ENTRY] = "its ledger entry is damaged; counts as left",
};

static void clear_line(const struct progress *progress)
{
    if (progress->is_terminal)
        fputs("\r\033[K", stderr);
}

static int show_fault(void *context, uint64_t row, int64_t id, enum row_fault fault, struct error *err)
{
    struct progress *progress = context;

    (void)err;
    if (progress->n_fault++ >= N_SHOWN && !progress->shows_all)
        return 0;
    clear_line(progress);
    printf("  galaxy %lld (row %llu): %s\n", (long long)id, (unsigned long long)row, fault_text[fault]);
    fflush(stdout);
    return 0;
}

static int show_progress(void *context, uint64_t n_row_seen, uint64_t n_row, struct error *err)
{
    struct progress *progress = context;
    int64_t now_ns = clock_ns();

    (void)err;
    if (!progress->is_terminal || now_ns - progress->shown_ns < 200000000)
        return 0;
    progress->shown_ns = now_ns;
    fprintf(stderr, "\r%llu of %llu galaxies", (unsigned long long)n_row_seen, (unsigned long long)n_row);
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct asked *asked = state->input;

    switch (key) {
    case 'a':
        asked->shows_all = true;
        return 0;
    case ARGP_KEY_ARG:
        if (asked->path)
            argp_error(state, "one results file at a time");
        asked->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (!asked->path)
            argp_error(state, "which results file?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Exit code 0 when all rows are as they were written, 3 when any is not. */
int cli_verify(int argc, char **argv, struct error *err)
{
    static const struct argp_option options[] = {
        { "all", 'a', NULL, 0, "name every galaxy that is not as it was written, not only the first 20", 0 },
        { 0 }
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "RESULTS",
        .doc =
            "Recompute the checksums of all galaxies from the results file alone, and name those whose values are not the ones that were computed; the first 20, then a count. Galaxies that are set aside must be NaN. Reads all of the file once. For files that no run is writing. 'polyphony run --repair' computes again what is found.\vExit codes: 0 all are as written; 2 usage, or a file of another version; 3 some are not, or the file is truncated or unreadable."
    };
    struct asked asked = { 0 };
    struct progress progress = { .is_terminal = isatty(STDERR_FILENO) };
    const struct verify verify = { .fault = show_fault, .progress = show_progress, .context = &progress };
    struct verify_counts counts;
    int64_t begin_ns = clock_ns();
    char read[24];
    int r;

    cli_parse(&argp, argc, argv, &asked);
    progress.shows_all = asked.shows_all;
    r = results_verify(asked.path, &verify, &counts, err);
    clear_line(&progress);
    if (r)
        return r;
    if (counts.n_fault > N_SHOWN && !asked.shows_all)
        printf("  … and %zu more (--all lists them)\n", counts.n_fault - N_SHOWN);
    cli_format_bytes((double)counts.n_byte, read);
    printf("%s: %zu galaxies: %zu done, %zu set aside, %zu left; %s read in %.3g s\n", asked.path,
           counts.ledger.n_galaxy, counts.ledger.n_done, counts.ledger.n_set_aside,
           counts.ledger.n_galaxy - counts.ledger.n_done - counts.ledger.n_set_aside, read,
           (double)(clock_ns() - begin_ns) * 1e-9);
    if (counts.n_fault)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': %zu galaxies are not as they were written: 'polyphony run --repair JOB' computes them again",
            asked.path, counts.n_fault);
    puts("all galaxies are as they were written");
    return 0;
}
