/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "signature.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv, struct error *err);
    const char *help;
};

static const struct command commands[] = {
    { "init", cli_init, "print a commented job file to start from" },
    { "check", cli_check, "validate a job and its inputs, and say what it will write" },
    { "operations", cli_operations, "what a job can ask for, and the datasets that come of it" },
    { "run", cli_run, "run a job (under mpirun or srun for many ranks); again to continue" },
    { "catalogue", cli_catalogue, "what a galaxy catalogue holds, and what a job can ask of it" },
    { "status", cli_status, "what of a results file is done, set aside, left" },
    { "verify", cli_verify, "are the numbers in a results file those that were computed" },
    { "grid", cli_grid, "what a stellar population grid holds, and the ids of its lines" },
    { "simulate", cli_simulate, "how long a job would take on any number of ranks, and what would limit it" },
    { "topology", cli_topology, "which thread of which rank sits on which core, here or elsewhere" },
    { "demo-grid", cli_demo_grid, "make a stellar population grid from nothing" },
    { "demo-catalogue", cli_demo_catalogue, "make a catalogue of random galaxies" },
};

#define N_COMMAND (sizeof(commands) / sizeof(*commands))

static void print_help(void)
{
    puts("Usage: polyphony COMMAND [OPTION...]\n"
         "What telescopes would see of simulated galaxies: optical depths, histories, spectra, photometry,\n"
         "emission lines and images, for catalogues of any size.\n");
    for (size_t i = 0; i < N_COMMAND; i++)
        printf("  %-15s %s\n", commands[i].name, commands[i].help);
    puts(
        "\n  polyphony init > job.yaml\n"
        "  polyphony check job.yaml\n"
        "  mpirun --bind-to none -n 3 polyphony run job.yaml      rank 0 deals galaxies, the other 2 compute\n\n"
        "'polyphony COMMAND --help' has the options, with units and defaults.\n");
    puts(
        "Exit codes: 0 all galaxies done; 1 finished, some galaxies set aside; 2 usage or job file;\n"
        "3 unreadable or invalid input; 4 stopped early, run again to continue; 5 output error; 6 internal.");
}

static int unknown_command(const char *name, struct error *err)
{
    const char *names[N_COMMAND];

    for (size_t i = 0; i < N_COMMAND; i++)
        names[i] = commands[i].name;
    return error_set(err, POLYPHONY_USAGE, "unknown command '%s'%s; see 'polyphony --help'", name,
                     text_meant(name, names, N_COMMAND).text);
}

int main(int argc, char **argv)
{
    struct error err = { 0 };
    int r = 0;

    signature_keep_command(argc, argv);
    argp_err_exit_status = -POLYPHONY_USAGE;
    signal(SIGXFSZ, SIG_IGN); /* beyond a limit of the file size writing fails, and whoever writes says so */
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_help();
        return argc < 2 ? -POLYPHONY_USAGE : 0;
    }
    if (!strcmp(argv[1], "--version")) {
        signature_print();
        return 0;
    }
    r = POLYPHONY_USAGE;
    for (size_t i = 0; i < N_COMMAND; i++)
        if (!strcmp(argv[1], commands[i].name)) {
            char name[64];

            text_format(name, sizeof(name), "polyphony %s", argv[1]);
            argv[1] = name; /* argp prints it as the program's name */
            r = commands[i].run(argc - 1, argv + 1, &err);
            if (r < 0)
                cli_print_error(&err);
            return r < 0 ? -r : r;
        }
    unknown_command(argv[1], &err);
    cli_print_error(&err);
    return -r;
}
