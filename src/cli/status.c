/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `polyphony status`: what the ledger and the last word of the run say. Reads only, at any time.
 */
#include "cli.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "polyphony/results.h"

#include "census.h"
#include "json.h"
#include "state.h"

#define N_SHOWN 20
/* A run writes its state every 2 s; a dealer that computes, or a slow file system, less often. */
#define ALIVE_S 60.0

struct status {
    const char *path;
    bool shows_all, is_json;
    struct ledger_counts counts;
    size_t n_left;
    bool has_state;
    struct state_seen state;
    size_t n_aside, n_blamed, n_damaged, n_unsynced; /* seen while galaxies are listed */
    struct results_session session[RESULTS_SESSION_MAX];
    size_t n_session;
};

/* On its own host a run that was killed can be told at once. */
static bool is_gone(const struct state_seen *state)
{
    char host[sizeof(state->host)] = "";

    return !gethostname(host, sizeof(host) - 1) && !strcmp(host, state->host) && state->pid > 0.0 &&
           kill((pid_t)state->pid, 0) && errno == ESRCH;
}

static bool is_alive(const struct status *status)
{
    const char *state = status->state.state;

    return status->has_state && status->state.age_s < ALIVE_S && !is_gone(&status->state) &&
           (!strcmp(state, "running") || !strcmp(state, "starting"));
}

static bool is_shown(const struct status *status, size_t n_before)
{
    return status->shows_all || n_before < N_SHOWN;
}

/* ---- for people ---------------------------------------------------------------------------------- */

static void format_time(double seconds, char ret_text[32])
{
    if (seconds < 0.0)
        text_format(ret_text, 32, "unknown");
    else if (seconds < 100.0)
        text_format(ret_text, 32, "%.0f s", seconds);
    else if (seconds < 6000.0)
        text_format(ret_text, 32, "%.0f min", seconds / 60.0);
    else
        text_format(ret_text, 32, "%.1f h", seconds / 3600.0);
}

static void print_run(const struct status *status)
{
    const struct state_seen *state = &status->state;
    char left[32], ago[32];

    format_time(state->eta_s, left);
    format_time(state->age_s, ago);
    if (is_alive(status)) {
        printf("  %s on %s (%.0f ranks", state->state, state->host, state->n_rank);
        if (state->n_lost > 0.0)
            printf(", %.0f lost", state->n_lost);
        printf("): %.3g galaxies/s, time left: %s\n", state->galaxies_per_s, left);
    } else if (!strcmp(state->state, "running") || !strcmp(state->state, "starting")) {
        printf("  the run on %s ended without a word (killed?), last seen %s ago\n", state->host, ago);
    } else {
        printf("  the last run: %s", state->state);
        printf(state->reason[0] ? " (%s)" : "%s", state->reason);
        printf(", exit code %.0f, %s ago\n", state->exit_code, ago);
    }
}

static bool is_same_build(const struct results_session *a, const struct results_session *b)
{
    return !strcmp(a->source_hash, b->source_hash) && !strcmp(a->compiler, b->compiler) &&
           !strcmp(a->flags, b->flags);
}

static void print_session(const struct status *status, const struct results_session *session)
{
    printf("  written by %s (commit %.16s%s, sources %s, %s) on %s, %d ranks of %d threads, %s: %s",
           session->version, session->commit, strstr(session->commit, "-dirty") ? "…-dirty" : "",
           session->source_hash, session->compiler, session->host, session->n_rank, session->n_thread,
           session->date_utc, session->command);
    if (session->n_run > 1)
        printf(" (and %d runs before it)", session->n_run - 1);
    puts(is_same_build(session, &status->session[0]) ? "" : " (another build, with --accept-build)");
}

/* The first run, and the last; all of them where builds differ, or where they are asked for. */
static void print_sessions(const struct status *status)
{
    bool shows_all = status->shows_all;

    for (size_t i = 1; i < status->n_session; i++)
        shows_all |= !is_same_build(&status->session[i], &status->session[0]);
    for (size_t i = 0; i < status->n_session; i++)
        if (shows_all || i == 0 || i + 1 == status->n_session)
            print_session(status, &status->session[i]);
        else if (i == 1)
            printf("  … and by %zu runs more of the same build (--all lists them)\n", status->n_session - 2);
}

static void print_how_to_continue(const struct status *status)
{
    bool has_job = status->has_state && status->state.job[0];

    printf("  to continue: polyphony run %s%s\n", has_job ? status->state.job : "JOB",
           status->has_state && status->state.n_rank <= 1.0 ? "" : ", under mpirun or srun as before");
}

/* It was written by a run that ended before it could say that it is on disk. */
static bool is_in_doubt(const struct status *status, const struct ledger_entry *entry)
{
    return entry->status != ROW_LEFT && !entry->is_on_disk && !is_alive(status);
}

static int print_galaxy(void *context, uint64_t row, int64_t id, const struct ledger_entry *entry,
                        struct error *err)
{
    struct status *status = context;
    bool is_blamed = entry->status == ROW_LEFT && (entry->n_crash > 0 || entry->n_vanish > 0);

    (void)err;
    if (entry->rank < 0 && is_shown(status, status->n_damaged++))
        printf("  damaged: galaxy %lld (row %llu)\n", (long long)id, (unsigned long long)row);
    if (is_in_doubt(status, entry) && is_shown(status, status->n_unsynced++))
        printf("  in doubt: galaxy %lld (row %llu)\n", (long long)id, (unsigned long long)row);
    if (entry->status == ROW_SET_ASIDE && is_shown(status, status->n_aside++))
        printf("  set aside: galaxy %lld (row %llu, %s): %s\n", (long long)id, (unsigned long long)row,
               entry->stage, entry->reason);
    if (is_blamed && is_shown(status, status->n_blamed++))
        printf(
            "  suspect: galaxy %lld (row %llu): with it in hand a rank crashed %d times, vanished %d times; set aside at %d, %d\n",
            (long long)id, (unsigned long long)row, entry->n_crash, entry->n_vanish, RESULTS_CRASH_MAX,
            RESULTS_VANISH_MAX);
    return 0;
}

/* Of a run that is alive the last rows always wait for a sync: they are in no doubt. */
static bool lists_galaxies(const struct status *status)
{
    const struct ledger_counts *counts = &status->counts;

    return counts->n_set_aside || counts->n_blamed || counts->n_damaged ||
           (counts->n_unsynced && !is_alive(status));
}

static void print_rest(size_t n, const char *what)
{
    if (n > N_SHOWN)
        printf("  … and %zu more %s (--all lists them)\n", n - N_SHOWN, what);
}

static int print_status(struct status *status, struct error *err)
{
    const struct ledger_counts *counts = &status->counts;
    struct ledger_counts again;
    int r = 0;

    printf("%s: %zu galaxies: %zu done, %zu set aside, %zu left; %.3g s of computing\n", status->path,
           counts->n_galaxy, counts->n_done, counts->n_set_aside, status->n_left, counts->seconds);
    print_sessions(status);
    if (status->has_state)
        print_run(status);
    if (status->n_left && !is_alive(status))
        print_how_to_continue(status);
    if (counts->n_rounded)
        printf("  %llu values of %zu galaxies were slightly below 0 and are taken as 0\n",
               (unsigned long long)counts->n_rounded, counts->n_rounded_galaxy);
    if (counts->n_damaged)
        printf("  %zu ledger entries are damaged; their galaxies count as left and are computed again\n",
               counts->n_damaged);
    if (counts->n_unsynced)
        printf("  %zu done or set aside are not yet known to be on disk%s\n", counts->n_unsynced,
               is_alive(status)
                   ? ""
                   : "; the same 'run' command verifies them first, and computes again what was lost");
    if (lists_galaxies(status))
        r = ledger_scan(status->path, print_galaxy, status, &again, err);
    if (!r && !status->shows_all) {
        print_rest(status->n_aside, "set aside");
        print_rest(status->n_blamed, "suspect");
        print_rest(status->n_damaged, "damaged");
        print_rest(status->n_unsynced, "in doubt");
    }
    return r;
}

/* ---- for programs ---------------------------------------------------------------------------------- */

static void print_json_run(const struct status *status)
{
    const struct state_seen *state = &status->state;
    bool alive = is_alive(status);

    if (!status->has_state) {
        fputs("null", stdout);
        return;
    }
    printf("{\"is_alive\": %s, \"state\": ", alive ? "true" : "false");
    json_print_text(stdout, state->state);
    fputs(", \"reason\": ", stdout);
    json_print_text(stdout, state->reason);
    fputs(", \"exit_code\": ", stdout);
    json_print_number(stdout, state->exit_code < 0.0 ? (double)NAN : state->exit_code);
    fputs(", \"age_s\": ", stdout);
    json_print_number(stdout, state->age_s);
    fputs(", \"galaxies_per_s\": ", stdout);
    json_print_number(stdout, alive ? state->galaxies_per_s : (double)NAN);
    fputs(", \"eta_s\": ", stdout);
    json_print_number(stdout, alive && state->eta_s >= 0.0 ? state->eta_s : (double)NAN);
    fputs(", \"job\": ", stdout);
    json_print_text(stdout, state->job[0] ? state->job : NULL);
    fputs("}", stdout);
}

static void print_json_text(const char *key, const char *text)
{
    printf("\"%s\": ", key);
    json_print_text(stdout, text);
    fputs(", ", stdout);
}

static void print_json_sessions(const struct status *status)
{
    fputs(", \"sessions\": [", stdout);
    for (size_t i = 0; i < status->n_session; i++) {
        const struct results_session *session = &status->session[i];

        fputs(i ? ", {" : "{", stdout);
        print_json_text("date_utc", session->date_utc);
        print_json_text("host", session->host);
        print_json_text("version", session->version);
        print_json_text("commit", session->commit);
        print_json_text("source_hash", session->source_hash);
        print_json_text("compiler", session->compiler);
        print_json_text("flags", session->flags);
        print_json_text("command", session->command);
        printf("\"n_rank\": %d, \"n_thread\": %d, \"n_run\": %d}", session->n_rank, session->n_thread,
               session->n_run);
    }
    fputs("]", stdout);
}

static int print_json_galaxy(void *context, uint64_t row, int64_t id, const struct ledger_entry *entry,
                             struct error *err)
{
    struct status *status = context;
    bool is_aside = entry->status == ROW_SET_ASIDE;
    bool is_blamed = entry->status == ROW_LEFT && (entry->n_crash > 0 || entry->n_vanish > 0);
    bool is_damaged = entry->rank < 0, is_unsynced = is_in_doubt(status, entry);
    bool is_first = status->n_aside + status->n_blamed + status->n_damaged + status->n_unsynced == 0,
         is_listed;

    (void)err;
    is_listed = is_aside && is_shown(status, status->n_aside++);
    is_listed |= is_blamed && is_shown(status, status->n_blamed++);
    is_listed |= is_damaged && is_shown(status, status->n_damaged++);
    is_listed |= is_unsynced && is_shown(status, status->n_unsynced++);
    if (!is_listed)
        return 0;
    printf(
        "%s{\"id\": %lld, \"row\": %llu, \"is_set_aside\": %s, \"is_damaged\": %s, \"is_in_doubt\": %s, \"n_crash\": %d, \"n_vanish\": %d, \"stage\": ",
        is_first ? "" : ", ", (long long)id, (unsigned long long)row, is_aside ? "true" : "false",
        is_damaged ? "true" : "false", is_unsynced ? "true" : "false", entry->n_crash, entry->n_vanish);
    json_print_text(stdout, entry->stage);
    fputs(", \"reason\": ", stdout);
    json_print_text(stdout, entry->reason);
    fputs("}", stdout);
    return 0;
}

static int print_json(struct status *status, struct error *err)
{
    const struct ledger_counts *counts = &status->counts;
    struct ledger_counts again;
    int r = 0;

    fputs("{\"results\": ", stdout);
    json_print_text(stdout, status->path);
    printf(
        ", \"n_galaxy\": %zu, \"n_done\": %zu, \"n_set_aside\": %zu, \"n_left\": %zu, \"n_suspect\": %zu, \"n_damaged\": %zu, \"n_not_on_disk\": %zu, \"n_rounded\": %llu, \"n_rounded_galaxies\": %zu, \"computing_s\": ",
        counts->n_galaxy, counts->n_done, counts->n_set_aside, status->n_left, counts->n_blamed,
        counts->n_damaged, counts->n_unsynced, (unsigned long long)counts->n_rounded,
        counts->n_rounded_galaxy);
    json_print_number(stdout, counts->seconds);
    fputs(", \"run\": ", stdout);
    print_json_run(status);
    print_json_sessions(status);
    fputs(", \"galaxies\": [", stdout);
    if (lists_galaxies(status))
        r = ledger_scan(status->path, print_json_galaxy, status, &again, err);
    puts("]}");
    return r;
}

/* ---- the command ----------------------------------------------------------------------------------- */

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct status *status = state->input;

    switch (key) {
    case 'a':
        status->shows_all = true;
        return 0;
    case 'j':
        status->is_json = true;
        return 0;
    default:
        return cli_parse_argument(key, arg, state, &status->path, "results file");
    }
}

/* Exit code 0 when all is done, 1 with galaxies set aside, 4 with galaxies left. */
int cli_status(int argc, char **argv, struct error *err)
{
    static const struct argp_option options[] = {
        { "all", 'a', NULL, 0,
          "list every galaxy that is set aside, suspect, damaged or in doubt, not only the first 20 of each",
          0 },
        { "json", 'j', NULL, 0,
          "print one JSON object for scripts; times in seconds; its 'galaxies' are those that are listed",
          0 },
        { 0 }
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "RESULTS",
        .doc =
            "Say who wrote a results file, what of it is done, set aside (and why) and left, and how its run goes or ended; at any time, also while a job writes it or after it was killed. A suspect galaxy is one with which a rank crashed or vanished; it is left, and dealt again. One in doubt was written by a run that ended before it was known to be on disk: the next run verifies it first.\v" CLI_EXIT_CODES
    };
    struct status status = { 0 };
    char *place;
    int r;

    cli_parse(&argp, argc, argv, &status);
    place =
        path_follow(status.path, err); /* what a run says of itself lies beside the file, not beside a link */
    if (!place)
        return POLYPHONY_INPUT;
    status.has_state = state_read(place, &status.state);
    free(place);
    r = ledger_scan(status.path, NULL, NULL, &status.counts, err);
    if (!r)
        r = results_read_sessions(status.path, status.session, &status.n_session, err);
    if (r)
        return r;
    status.n_left = status.counts.n_galaxy - status.counts.n_done - status.counts.n_set_aside;
    r = status.is_json ? print_json(&status, err) : print_status(&status, err);
    if (!r && !status.is_json && status.counts.n_done)
        census_print_results(status.path, NULL, stdout);
    if (r)
        return r;
    return status.n_left ? POLYPHONY_STOPPED : status.counts.n_set_aside ? POLYPHONY_SET_ASIDE : 0;
}
