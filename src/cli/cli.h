/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Subcommands. Each parses its own arguments (argp), does its work and returns 0 or a negative code with its
 * text in err; main() turns that into the exit code.
 */
#pragma once

#include <argp.h>

#include "polyphony/base.h"

/** Closes every --help. */
#define CLI_EXIT_CODES                                                                                       \
    "Exit codes: 0 all galaxies done; 1 finished, some galaxies set aside; 2 usage or job file; 3 "          \
    "unreadable or "                                                                                         \
    "invalid input; 4 stopped early, run again to continue; 5 output error; 6 internal."

int cli_init(int argc, char **argv, struct error *err);
int cli_check(int argc, char **argv, struct error *err);
int cli_operations(int argc, char **argv, struct error *err);
int cli_run(int argc, char **argv, struct error *err);
int cli_catalogue(int argc, char **argv, struct error *err);
int cli_status(int argc, char **argv, struct error *err);
int cli_verify(int argc, char **argv, struct error *err);
int cli_grid(int argc, char **argv, struct error *err);
int cli_simulate(int argc, char **argv, struct error *err);
int cli_topology(int argc, char **argv, struct error *err);
int cli_demo_grid(int argc, char **argv, struct error *err);
int cli_demo_catalogue(int argc, char **argv, struct error *err);

/** A number of bytes for people: "1.5 GB". ret_text of at least 24 bytes. */
void cli_format_bytes(double bytes, char *ret_text);

/** Print the text of a failure, unless it has none or was printed already. */
void cli_print_error(struct error *err);

/** argp_parse() that exits with our usage code. What it prints (--help, or what is wrong) one rank prints alone. */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/** The rest of an argp parser: the one argument of a command, into *path. `what` names it in messages. */
error_t cli_parse_argument(int key, char *arg, struct argp_state *state, const char **path, const char *what);
/** Of a command with one argument and no options: the argument. `what` names it in messages. */
const char *cli_parse_path(int argc, char **argv, const char *args_doc, const char *what, const char *doc);
