/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command lines of all commands: parsing, and what they print alike.
 */
#include "cli.h"

#include <argp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All ranks parse alike, before MPI begins; one of them is enough to hear from. */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    const char *rank = getenv("PMIX_RANK");
    int kept[2] = { -1, -1 };

    if (rank && strcmp(rank, "0"))
        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
            int nowhere = open("/dev/null", O_WRONLY);

            kept[fd - STDOUT_FILENO] = dup(fd);
            dup2(nowhere, fd);
            close(nowhere);
        }
    argp_parse(argp, argc, argv, 0, NULL, input);
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (kept[fd - STDOUT_FILENO] >= 0) {
            dup2(kept[fd - STDOUT_FILENO], fd);
            close(kept[fd - STDOUT_FILENO]);
        }
}

error_t cli_parse_argument(int key, char *arg, struct argp_state *state, const char **path, const char *what)
{
    switch (key) {
    case ARGP_KEY_ARG:
        if (*path)
            argp_error(state, "one %s at a time", what);
        *path = arg;
        return 0;
    case ARGP_KEY_END:
        if (!*path)
            argp_error(state, "which %s?", what);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct one_path {
    const char *path, *what;
};

static error_t parse_one_path(int key, char *arg, struct argp_state *state)
{
    struct one_path *one = state->input;

    return cli_parse_argument(key, arg, state, &one->path, one->what);
}

const char *cli_parse_path(int argc, char **argv, const char *args_doc, const char *what, const char *doc)
{
    const struct argp argp = { .parser = parse_one_path, .args_doc = args_doc, .doc = doc };
    struct one_path one = { .what = what };

    cli_parse(&argp, argc, argv, &one);
    return one.path;
}

void cli_print_error(struct error *err)
{
    if (err->text[0])
        fprintf(stderr, "polyphony: %s\n", err->text);
    err->text[0] = '\0';
}

void cli_format_bytes(double bytes, char *ret_text)
{
    static const char *const unit[] = { "B", "kB", "MB", "GB", "TB", "PB" };
    size_t i = 0;

    for (; bytes >= 1000.0 && i + 1 < sizeof(unit) / sizeof(*unit); i++)
        bytes /= 1000.0;
    text_format(ret_text, 24, "%.3g %s", bytes, unit[i]);
}
