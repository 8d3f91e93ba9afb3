/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Values and ledger of a row can part: by a power cut, which keeps what of both had reached the disk, or in a
 * copy that was made while the file was written. The checksum tells. What was on disk before a power cut is
 * known from the entries (results/sync.c); of a copy nothing is known, so that small files are looked at as a
 * whole each time they are continued.
 */
#include "heal.h"

#include <stdio.h>

#include "cli.h"

#define N_TOLD 20 /* rows that are named */

struct healing {
    struct output *output;
    struct stopping *stopping;
    size_t n_lost, n_unsynced;
};

static const char *const lost_text[] = {
    [FAULT_DIFFERS] = "its values are not those that were computed",
    [FAULT_NOT_NAN] = "it was set aside, and has values",
    [FAULT_CHECKSUM] = "it is left, and had a checksum",
    [FAULT_ENTRY] = "its ledger entry was damaged",
};

static int reopen(void *context, uint64_t row, int64_t id, enum row_fault fault, struct error *err)
{
    struct healing *healing = context;

    (void)id; /* may be lost, too */
    if (healing->n_lost++ < N_TOLD)
        fprintf(stderr, "warning: galaxy %lld (row %llu): %s; it is left, to be computed again\n",
                (long long)healing->output->plan->catalogue->id[row], (unsigned long long)row,
                lost_text[fault]);
    return results_reopen_row(healing->output->results, row, err);
}

static int note(void *context, uint64_t row, struct error *err)
{
    struct healing *healing = context;

    healing->n_unsynced++;
    return results_note_row(healing->output->results, row, err);
}

static int go_on(void *context, uint64_t n_row_seen, uint64_t n_row, struct error *err)
{
    struct healing *healing = context;

    return n_row_seen < n_row && stopping_now(healing->stopping)
               ? error_set(
                     err, POLYPHONY_STOPPED,
                     "stopped early (%s) while rows were verified, %llu of %llu; the same command continues",
                     healing->stopping->reason, (unsigned long long)n_row_seen, (unsigned long long)n_row)
               : 0;
}

static void tell(const struct healing *healing, const struct verify_counts *counts, enum hands_end end,
                 bool is_all, double seconds)
{
    size_t n_written = counts->ledger.n_done + counts->ledger.n_set_aside;
    char read[24];

    cli_format_bytes((double)counts->n_byte, read);
    if (healing->n_lost > N_TOLD)
        fprintf(stderr, "warning: … and %zu more\n", healing->n_lost - N_TOLD);
    if (is_all)
        fprintf(stderr,
                "repair: %zu galaxies looked at (%s in %.3g s), %zu of them are to be computed again\n",
                n_written, read, seconds, healing->n_lost);
    else if (healing->n_lost)
        fprintf(
            stderr,
            "warning: %zu galaxies were lost (a power cut? a copy of a file that was being written?); %s\n",
            healing->n_lost,
            counts->n_unseen ? "not all others were looked at: 'polyphony run --repair' does"
                             : "all others are as they were written");
    else if (counts->n_unseen)
        fprintf(
            stderr,
            "%s%zu galaxies that were known to be on disk were not verified (more than %.3g GB): if the file is a copy that was made while it was written, 'polyphony run --repair' does\n",
            end == HANDS_END_OTHER_BOOT
                ? "the last run ended with its machine: all that may have been lost was verified; "
                : "",
            counts->n_unseen, (double)HEAL_BUDGET_BYTES * 1e-9);
}

/* Also when it is stopped: entries of rows that are left must be on disk before their values are written, or
 * a power cut could leave these behind the entry of before. */
static int settle(const struct healing *healing, int r, struct error *err)
{
    struct error sync_err = { 0 };
    int synced = 0;

    if ((healing->n_lost || healing->n_unsynced) && (!r || r == POLYPHONY_STOPPED))
        synced = results_sync(healing->output->results, &sync_err);
    if (synced)
        *err = sync_err;
    return synced ? synced : r;
}

int heal_lost(struct output *output, size_t *ret_n_lost, struct error *err)
{
    struct healing healing = { .output = output };
    /* No byte of what is marked. */
    const struct verify verify = {
        .fault = reopen, .unsynced = note, .context = &healing, .has_budget = true, .byte_budget = 0
    };
    struct verify_counts counts;
    int r = results_verify(output->plan->job->output, &verify, &counts, err);

    r = settle(&healing, r, err);
    *ret_n_lost = healing.n_lost;
    return r;
}

int heal(struct output *output, bool is_all, struct stopping *stopping, struct error *err)
{
    struct healing healing = { .output = output, .stopping = stopping };
    const struct verify verify = { .fault = reopen,
                                   .unsynced = note,
                                   .progress = go_on,
                                   .context = &healing,
                                   .has_budget = !is_all,
                                   .byte_budget = HEAL_BUDGET_BYTES };
    struct verify_counts counts;
    int64_t begin_ns = clock_ns();
    int r = results_verify(output->plan->job->output, &verify, &counts, err);

    r = settle(&healing, r, err);
    if (r)
        return r;
    tell(&healing, &counts, hands_last_end(output->hands), is_all, (double)(clock_ns() - begin_ns) * 1e-9);
    return 0;
}
