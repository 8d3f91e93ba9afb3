/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "json.h"

#define UTC_FORMAT      "%Y-%m-%dT%H:%M:%SZ"
#define STATE_BYTES_MAX 65536 /* far more than we write */
#define BLOCK_BYTES     4096  /* file systems have no smaller blocks, or none that matter */

bool state_path(const char *output, char *ret_path, size_t size)
{
    return text_format(ret_path, size, "%s.status.json", output);
}

/* ---- writing ------------------------------------------------------------------------------------ */

static void format_now(char *ret_utc, size_t size)
{
    time_t now = time(NULL);
    struct tm utc;

    gmtime_r(&now, &utc);
    if (!strftime(ret_utc, size, UTC_FORMAT, &utc))
        ret_utc[0] = '\0';
}

void state_begin(struct run_state *state)
{
    state->begin_ns = clock_ns();
    state->eta_s = state->largest_left_s = -1.0;
    format_now(state->started_utc, sizeof(state->started_utc));
    if (gethostname(state->host, sizeof(state->host) - 1))
        state->host[0] = '\0';
}

static void print_text(FILE *out, const char *key, const char *text)
{
    fprintf(out, "  \"%s\": ", key);
    json_print_text(out, text);
    fputs(",\n", out);
}

static void print_count(FILE *out, const char *key, size_t n)
{
    fprintf(out, "  \"%s\": %zu,\n", key, n);
}

static void print_number(FILE *out, const char *key, double value)
{
    fprintf(out, "  \"%s\": ", key);
    json_print_number(out, value);
    fputs(",\n", out);
}

static double or_unknown(double seconds)
{
    return seconds < 0.0 ? (double)NAN : seconds;
}

static void print_state(FILE *out, const struct run_state *state)
{
    char updated_utc[32];

    format_now(updated_utc, sizeof(updated_utc));
    fputs("{\n", out);
    print_text(out, "state", state->state);
    print_number(out, "exit_code", state->has_exit_code ? state->exit_code : (double)NAN);
    print_text(out, "reason", state->reason);
    print_text(out, "results", state->results);
    print_text(out, "job", state->job);
    print_count(out, "n_galaxy", state->n_galaxy);
    print_count(out, "n_done", state->n_done);
    print_count(out, "n_set_aside", state->n_set_aside);
    print_count(out, "n_left", state->n_galaxy - state->n_done - state->n_set_aside);
    print_count(out, "n_done_now", state->n_done_now);
    print_number(out, "galaxies_per_s", state->galaxies_per_s);
    print_number(out, "eta_s", or_unknown(state->eta_s));
    print_text(out, "started_utc", state->started_utc[0] ? state->started_utc : NULL);
    print_text(out, "updated_utc", updated_utc);
    print_number(out, "elapsed_s", state->begin_ns ? (double)(clock_ns() - state->begin_ns) * 1e-9 : 0.0);
    print_count(out, "n_rank", (size_t)state->n_rank);
    print_count(out, "n_lost", state->n_lost);
    print_text(out, "host", state->host);
    print_count(out, "pid", (size_t)getpid());
    print_text(out, "slurm_job_id", getenv("SLURM_JOB_ID"));
    print_text(out, "launch", getenv(STATE_LAUNCH_VARIABLE));
    fputs("  \"largest_left_s\": ", out);
    json_print_number(out, or_unknown(state->largest_left_s));
    fputs("\n}\n", out);
}

/* Write beside, then replace: who reads sees the old one or the new one, whole. */
static bool replace(const char *path, const struct run_state *state)
{
    char partial[4096 + 8];
    bool is_written, fits = text_format(partial, sizeof(partial), "%s.tmp", path);
    FILE *out;
    int kept_errno, fd;

    if (!fits)
        return false;
    unlink(partial); /* of a run that was killed; a link that somebody put there is not written through */
    fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out)
        return false;
    print_state(out, state);
    is_written = !ferror(out);
    is_written = !fclose(out) && is_written && !rename(partial, path);
    if (!is_written) {
        kept_errno = errno;
        unlink(partial);
        errno = kept_errno;
    }
    return is_written;
}

/* Over what is there, in one request, with blanks where that is longer: a full disk has no room for another
 * file, but this one's first block is its own. */
static bool overwrite(const char *path, const struct run_state *state)
{
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char *text = NULL;
    size_t n = 0;
    FILE *out = fd >= 0 ? open_memstream(&text, &n) : NULL;
    bool is_written = false;
    struct stat st;
    long end;

    if (out) {
        print_state(out, state);
        end = ftell(out);
        if (!fstat(fd, &st) && st.st_size > end && st.st_size <= STATE_BYTES_MAX)
            fprintf(out, "%*s", (int)(st.st_size - end), "\n");
        if (!fclose(out) && n <= BLOCK_BYTES)
            is_written = pwrite(fd, text, n, 0) == (ssize_t)n;
        free(text);
    }
    if (fd >= 0)
        is_written = !close(fd) && is_written;
    return is_written;
}

void state_write(const char *path, const struct run_state *state)
{
    static bool has_warned;
    int why;

    if (!path[0] || replace(path, state))
        return;
    why = errno;
    if (overwrite(path, state) || has_warned)
        return;
    fprintf(stderr, "warning: '%s' cannot be written: %s; the run goes on\n", path, strerror(why));
    has_warned = true;
}

/* ---- reading ------------------------------------------------------------------------------------ */

static void see_text(struct state_seen *seen, const char *key, const char *text)
{
    struct tm utc = { 0 };

    if (!strcmp(key, "state"))
        text_format(seen->state, sizeof(seen->state), "%s", text);
    else if (!strcmp(key, "reason"))
        text_format(seen->reason, sizeof(seen->reason), "%s", text);
    else if (!strcmp(key, "results"))
        text_format(seen->results, sizeof(seen->results), "%s", text);
    else if (!strcmp(key, "job"))
        text_format(seen->job, sizeof(seen->job), "%s", text);
    else if (!strcmp(key, "host"))
        text_format(seen->host, sizeof(seen->host), "%s", text);
    else if (!strcmp(key, "updated_utc") && strptime(text, UTC_FORMAT, &utc))
        seen->age_s = difftime(time(NULL), timegm(&utc));
}

static void see_member(void *context, const char *key, const char *text, double number)
{
    struct state_seen *seen = context;
    const struct {
        const char *key;
        double *ret_number;
    } numbers[] = { { "exit_code", &seen->exit_code },
                    { "galaxies_per_s", &seen->galaxies_per_s },
                    { "eta_s", &seen->eta_s },
                    { "n_done_now", &seen->n_done_now },
                    { "n_rank", &seen->n_rank },
                    { "n_lost", &seen->n_lost },
                    { "pid", &seen->pid } };

    if (text) {
        see_text(seen, key, text);
        return;
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (!strcmp(key, numbers[i].key) && !isnan(number))
            *numbers[i].ret_number = number;
}

bool state_read(const char *output, struct state_seen *ret_seen)
{
    char path[PATH_BYTES_MAX];
    struct state_seen seen = { .exit_code = -1.0,
                               .galaxies_per_s = -1.0,
                               .eta_s = -1.0,
                               .n_done_now = -1.0,
                               .n_rank = -1.0,
                               .n_lost = -1.0,
                               .pid = -1.0,
                               .age_s = (double)INFINITY };
    char *json = mem_small(STATE_BYTES_MAX, 1);
    FILE *in = state_path(output, path, sizeof(path)) ? fopen(path, "re") : NULL;
    bool is_read = false;

    if (in) {
        size_t n = fread(json, 1, STATE_BYTES_MAX - 1, in);

        json[n] = '\0';
        is_read = json_read_flat(json, see_member, &seen) && seen.state[0] &&
                  !strcmp(path_file_name(seen.results), path_file_name(output));
    }
    if (in)
        fclose(in);
    free(json);
    if (is_read)
        *ret_seen = seen;
    return is_read;
}
