/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <stdio.h>

#include "polyphony/results.h"

/* Exit code 0 when all is done, 1 with galaxies set aside, 4 with galaxies left. */
int cli_status(int argc, char **argv, struct error *err)
{
    const char *path =
        cli_parse_path(argc, argv, "RESULTS", "results file",
                       "Say what of a results file is done, set aside (and why) and left; at any "
                       "time, also while a job writes it or after it was killed.\v" CLI_EXIT_CODES);
    struct ledger ledger;
    double seconds = 0.0;
    size_t n_left;
    int r;

    r = ledger_read(path, &ledger, err);
    if (r)
        return r;
    n_left = ledger.n_galaxy - ledger.n_done - ledger.n_set_aside;
    for (size_t i = 0; i < ledger.n_galaxy; i++)
        seconds += ledger.entry[i].seconds;
    printf("%s: %zu galaxies: %zu done, %zu set aside, %zu left; %.3g s of computing\n", path,
           ledger.n_galaxy, ledger.n_done, ledger.n_set_aside, n_left, seconds);
    for (size_t i = 0; i < ledger.n_galaxy; i++)
        if (ledger.entry[i].status == ROW_SET_ASIDE)
            printf("  set aside: galaxy %lld (row %zu, %s): %s\n", (long long)ledger.id[i], i,
                   ledger.entry[i].stage, ledger.entry[i].reason);
    r = n_left ? POLYPHONY_STOPPED : ledger.n_set_aside ? POLYPHONY_SET_ASIDE : 0;
    ledger_free(&ledger);
    return r;
}
