/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum {
    OPTION_MAX_RUNTIME = 256,
    OPTION_MAX_FAILS,
    OPTION_MAX_GALAXIES,
    OPTION_GALAXY_IDS,
    OPTION_SURVIVE,
    OPTION_REPAIR,
    OPTION_ACCEPT_BUILD
};

/* Longest time that can be asked for: ten years. */
#define LONGEST_S (3650.0 * 86400.0)

/* ---- words ------------------------------------------------------------------------------------- */

/* Parts of "d-h:m:s" from the right: each is worth so many seconds. */
static bool clock_to_seconds(const char *text, double *ret_seconds)
{
    static const double worth_s[] = { 1.0, 60.0, 3600.0 };
    const char *dash = strchr(text, '-'), *rest = dash ? dash + 1 : text;
    double part[3], seconds = 0.0;
    size_t n = 0;
    char *end;

    if (dash) {
        seconds = 86400.0 * strtod(text, &end);
        if (end != dash || end == text)
            return false;
    }
    for (;; rest = end + 1) {
        if (n == 3 || *rest < '0' || *rest > '9')
            return false;
        part[n++] = strtod(rest, &end);
        if (*end != ':')
            break;
    }
    if (*end || n < 2)
        return false;
    for (size_t i = 0; i < n; i++)
        seconds += part[i] * worth_s[n - 1 - i];
    *ret_seconds = seconds;
    return true;
}

bool options_duration(const char *text, double *ret_seconds)
{
    double seconds;
    char *end;

    if (!clock_to_seconds(text, &seconds)) {
        seconds = strtod(text, &end);
        if (end == text || (*end && end[1]))
            return false;
        if (*end && !strchr("smhd", *end))
            return false;
        seconds *= *end == 'm' ? 60.0 : *end == 'h' ? 3600.0 : *end == 'd' ? 86400.0 : 1.0;
    }
    if (!(seconds > 0.0 && seconds <= LONGEST_S))
        return false;
    *ret_seconds = seconds;
    return true;
}

/* ---- lists of ids -------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* Words of `text` (which is taken apart) as ids. */
static int split_ids(const char *source, char *text, int64_t **ret_id, size_t *ret_n, struct error *err)
{
    size_t n = 0, n_max = strlen(text) / 2 + 1;
    int64_t *id = mem_small(n_max, sizeof(*id));
    char *rest = NULL;

    for (char *word = strtok_r(text, ", \t\r\n", &rest); word; word = strtok_r(NULL, ", \t\r\n", &rest))
        if (!text_to_int64(word, &id[n++])) {
            free(id);
            return error_set(err, POLYPHONY_USAGE, "--galaxy-ids: '%.60s' in %.200s is no galaxy id", word,
                             source);
        }
    qsort(id, n, sizeof(*id), compare_ids);
    for (size_t i = 1; i < n; i++)
        if (id[i] == id[i - 1]) {
            int r = error_set(err, POLYPHONY_USAGE, "--galaxy-ids: %lld is given twice", (long long)id[i]);

            free(id);
            return r;
        }
    *ret_id = id;
    *ret_n = n;
    return 0;
}

/* All of a file, with comments blanked. */
static char *read_text(FILE *file)
{
    char *text = NULL;
    size_t size = 0;
    bool is_comment = false;

    if (getdelim(&text, &size, '\0', file) < 0) {
        free(text);
        return mem_text("");
    }
    for (char *c = text; *c; c++) {
        is_comment = *c == '#' || (is_comment && *c != '\n');
        if (is_comment)
            *c = ' ';
    }
    return text;
}

int options_read_ids(const char *list, int64_t **ret_id, size_t *ret_n, struct error *err)
{
    bool is_list = list[strspn(list, "0123456789, -+")] == '\0';
    char source[256], *text;
    FILE *file = is_list ? NULL : fopen(list, "re");
    int r;

    if (!is_list && !file)
        return error_set(err, POLYPHONY_USAGE, "--galaxy-ids: '%s' is neither a list of ids nor a file: %s",
                         list, strerror(errno));
    text = is_list ? mem_text(list) : read_text(file);
    if (file)
        fclose(file);
    text_format(source, sizeof(source), is_list ? "the list" : "'%s'", list);
    r = split_ids(source, text, ret_id, ret_n, err);
    free(text);
    if (!r && *ret_n == 0) {
        free(*ret_id);
        *ret_id = NULL;
        r = error_set(err, POLYPHONY_USAGE, "--galaxy-ids: no ids in %s", source);
    }
    return r;
}

/* ---- the command line ------------------------------------------------------------------------------ */

static int64_t parse_count(struct argp_state *state, const char *name, const char *arg, int64_t least)
{
    int64_t n;

    if (!text_to_int64(arg, &n) || n < least)
        argp_error(state, "--%s: '%s' must be a number >= %lld", name, arg, (long long)least);
    return n;
}

static void parse_silence(struct argp_state *state, const char *arg, struct run_options *options)
{
    options->silence_s = OPTIONS_SILENCE_S;
    if (arg && (!options_duration(arg, &options->silence_s) || options->silence_s < 0.5 ||
                options->silence_s > 86400.0))
        argp_error(state, "--survive: '%s' must be a time between 0.5s and 24h", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct run_options *options = state->input;

    switch (key) {
    case 'f':
        options->overwrite = true;
        return 0;
    case 'r':
        options->retry_failed = true;
        return 0;
    case OPTION_REPAIR:
        options->repair = true;
        return 0;
    case OPTION_MAX_RUNTIME:
        if (!options_duration(arg, &options->max_runtime_s))
            argp_error(state, "--max-runtime: '%s' must be a time > 0, e.g. 90s, 30m, 2h or 1:30:00", arg);
        return 0;
    case OPTION_MAX_FAILS:
        options->max_fails = parse_count(state, "max-fails", arg, 0);
        return 0;
    case OPTION_MAX_GALAXIES:
        options->max_galaxies = parse_count(state, "max-galaxies", arg, 1);
        return 0;
    case OPTION_GALAXY_IDS:
        options->galaxy_ids = arg;
        return 0;
    case OPTION_ACCEPT_BUILD:
        options->accept_build = true;
        return 0;
    case OPTION_SURVIVE:
        parse_silence(state, arg, options);
        return 0;
    default:
        if (key == ARGP_KEY_END && !options->job_path)
            argp_error(state, "which job file? ('polyphony init' prints one to start from)");
        if (key == ARGP_KEY_END && options->repair && options->overwrite)
            argp_error(state, "--repair keeps what is right in a file, --overwrite keeps nothing");
        return cli_parse_argument(key, arg, state, &options->job_path, "job file");
    }
}

static const struct argp_option argp_options[] = {
    { "overwrite", 'f', NULL, 0, "begin anew: delete an existing results file instead of continuing it", 0 },
    { "retry-failed", 'r', NULL, 0, "when continuing, try the galaxies again that were set aside", 0 },
    { "repair", OPTION_REPAIR, NULL, 0,
      "verify all galaxies of an existing results file first, whatever its size, and compute again those whose values were lost (by a power cut, say). Without, those that may not be on disk are verified, and of the others 4 GiB",
      0 },
    { "accept-build", OPTION_ACCEPT_BUILD, NULL, 0,
      "continue a file that another build of the program has made (other sources, compiler or flags), if its numerics version is the same; the file records both, 'polyphony status' names them",
      0 },
    { "galaxy-ids", OPTION_GALAXY_IDS, "LIST|FILE", 0,
      "do only these galaxies now: ids between commas (3,5,9), or a file of ids (default: all)", 0 },
    { "max-galaxies", OPTION_MAX_GALAXIES, "N", 0,
      "do at most the first N galaxies that are left (default: all)", 0 },
    { "max-runtime", OPTION_MAX_RUNTIME, "TIME", 0,
      "begin no galaxy after so long; 90s, 30m, 2h, 1:30:00 (default: no limit). Exit code 4", 0 },
    { "max-fails", OPTION_MAX_FAILS, "N", 0,
      "end with exit code 3 when more than N galaxies of the file are set aside (default: any number may be)",
      0 },
    { "survive", OPTION_SURVIVE, "TIME", OPTION_ARG_OPTIONAL,
      "go on without ranks that die or are silent for TIME (default 10s); their galaxies are dealt again. Needs 'mpirun --enable-recovery': scripts/launch.sh does all of it. Without, one rank that dies ends the run, and the same command continues it",
      0 },
    { 0 }
};

void options_parse(int argc, char **argv, struct run_options *ret_options)
{
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "JOB",
        .doc =
            "Run a job. Alone it uses one rank; under 'mpirun -n N' or srun rank 0 deals galaxies and the other ranks compute, 8 threads each or as the job file, OMP_NUM_THREADS or SLURM say ('polyphony topology' shows where). An existing results file of the same job is continued.\n\n"
            "SIGTERM, SIGINT or SIGUSR1 (to mpirun: SIGUSR1) or a file OUTPUT.stop stop it after the galaxies in hand, with exit code 4; killed or stopped in any way, the same command continues it to the same bits. OUTPUT.status.json says every 2 s how far it is. Where OUTPUT is a symbolic link, all of this is where it leads.\v" CLI_EXIT_CODES
    };

    *ret_options = (struct run_options) { .max_fails = -1, .max_galaxies = -1 };
    cli_parse(&argp, argc, argv, ret_options);
}
