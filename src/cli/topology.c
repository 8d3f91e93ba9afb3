/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `polyphony topology`: where the threads of a run would sit, on this machine or on any other.
 */
#include "cli.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

#include "polyphony/placement.h"

enum { KEY_SYNTHETIC = 256, KEY_XML, KEY_CPUS };

struct topology_options {
    const char *synthetic, *xml, *cpus;
    int n_rank, n_thread; /* 0: automatic */
};

static const struct argp_option argp_options[] = {
    { "synthetic", KEY_SYNTHETIC, "DESC", 0, "a machine in hwloc's words instead of this one", 0 },
    { "xml", KEY_XML, "FILE", 0, "a machine that 'lstopo --of xml FILE' wrote down, instead of this one", 0 },
    { "ranks", 'n', "N", 0,
      "ranks on this node, with rank 0, which only deals if N > 1 (default: enough to give every core work)",
      0 },
    { "threads", 't', "T", 0, "of each rank, as 'threads' in the job file (default: 0, automatic, at most 8)",
      0 },
    { "cpus", KEY_CPUS, "LIST", 0,
      "all that the ranks may use, as a cgroup or taskset would allow, such as 0-7,64-71 or 1-63:2", 0 },
    { 0 }
};

/* ---- the command line ------------------------------------------------------------------------ */

static int parse_count(const char *text, const char *option, int64_t least, struct argp_state *state)
{
    int64_t value = 0;

    if (!text_to_int64(text, &value) || value < least || value > CPUSET_MAX)
        argp_error(state, "--%s: '%s' is not a whole number from %d to %d", option, text, (int)least,
                   CPUSET_MAX);
    return (int)value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct topology_options *options = state->input;

    switch (key) {
    case KEY_SYNTHETIC:
        options->synthetic = arg;
        return 0;
    case KEY_XML:
        options->xml = arg;
        return 0;
    case 'n':
        options->n_rank = parse_count(arg, "ranks", 1, state);
        return 0;
    case 't':
        options->n_thread = parse_count(arg, "threads", 0, state);
        return 0;
    case KEY_CPUS:
        options->cpus = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        if (options->synthetic && options->xml)
            argp_error(state, "--synthetic or --xml, not both");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int open_machine(const struct topology_options *options, struct machine **ret_machine,
                        struct error *err)
{
    if (options->synthetic)
        return machine_open_synthetic(options->synthetic, ret_machine, err);
    if (options->xml)
        return machine_open_xml(options->xml, ret_machine, err);
    return machine_open(ret_machine, err);
}

/* ---- the ranks ------------------------------------------------------------------------------- */

static int count_cores(const struct machine *machine, const struct cpuset *allowed)
{
    int n = 0;

    for (int i = 0; i < machine->n_core; i++) {
        bool is_allowed = false;

        for (int k = 0; k < machine->core[i].n_cpu; k++)
            is_allowed |= cpuset_has(allowed, machine->core[i].cpu[k]);
        n += is_allowed;
    }
    return n;
}

/* What any of the ranks may use and wants; of this machine, as `run` would find it. */
static int make_request(const struct topology_options *options, const struct machine *machine,
                        struct placement_request *ret_request, struct error *err)
{
    struct cpuset listed, own;

    *ret_request = (struct placement_request) { .n_thread = options->n_thread };
    if (options->synthetic || options->xml)
        machine_cpus(machine, &ret_request->allowed);
    else
        placement_request_make(machine, options->n_thread, false, ret_request);
    if (!options->cpus)
        return 0;
    if (!cpuset_parse(options->cpus, &listed))
        return error_set(err, POLYPHONY_USAGE,
                         "--cpus: '%s' is no list of cpus below %d, such as 0-7,64-71 or 1-63:2",
                         options->cpus, CPUSET_MAX);
    own = ret_request->allowed;
    for (size_t i = 0; i < CPUSET_MAX / 64; i++)
        ret_request->allowed.word[i] &= listed.word[i];
    if (count_cores(machine, &ret_request->allowed) == 0) {
        char text[128];

        cpuset_format(&own, text, sizeof(text));
        return error_set(err, POLYPHONY_USAGE, "--cpus: none of '%s' may be used here, expected some of %s",
                         options->cpus, text);
    }
    return 0;
}

/* Computing ranks that leave no core without work, if possible, and the dealer. Fewer than four threads a
 * rank are not worth the memory of one more grid. */
static int choose_ranks(int n_core, int n_thread)
{
    int n_least = (n_core + PLACEMENT_THREAD_DEFAULT - 1) / PLACEMENT_THREAD_DEFAULT, n_worker = n_least;

    if (n_thread > 0)
        n_worker = n_core / n_thread;
    else
        while (n_core % n_worker && n_core / (n_worker + 1) >= 4)
            n_worker++;
    if (n_thread <= 0 && n_core % n_worker)
        n_worker = n_least;
    return n_worker > 1 ? n_worker + 1 : 1;
}

/* ---- the command ----------------------------------------------------------------------------- */

static void print_machine(const struct machine *machine, const struct placement_request *request)
{
    struct cpuset all;
    char allowed[76];
    int n_cpu;

    machine_cpus(machine, &all);
    n_cpu = cpuset_count(&all);
    printf("%s\n%d core%s", machine->name, machine->n_core, machine->n_core == 1 ? "" : "s");
    if (n_cpu != machine->n_core)
        printf(" (%d hardware threads)", n_cpu);
    printf(", %d package%s, %d NUMA node%s", machine->n_package, machine->n_package == 1 ? "" : "s",
           machine->n_numa, machine->n_numa == 1 ? "" : "s");
    if (machine->has_l3)
        printf(", %d L3 domain%s", machine->n_l3, machine->n_l3 == 1 ? "" : "s");
    cpuset_format(&request->allowed, allowed, sizeof(allowed));
    if (cpuset_count(&request->allowed) < n_cpu)
        printf("\nthis job may use cpus %s", allowed);
    fputs("\n\n", stdout);
}

static void print_plan(const struct machine *machine, int n_rank, const struct placement_request *request)
{
    struct placement_request *all = mem_small((size_t)n_rank, sizeof(*all));
    struct placement_plan plan;
    char *text;

    for (int i = 0; i < n_rank; i++) {
        all[i] = *request;
        all[i].deals_only = i == 0 && n_rank > 1;
    }
    plan = placement_plan_make(machine, n_rank, all);
    text = placement_draw(machine, &plan);
    fputs(text, stdout);
    free(text);
    placement_plan_free(&plan);
    free(all);
}

int cli_topology(int argc, char **argv, struct error *err)
{
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .doc =
            "Print and draw on which cores the threads of a run would sit, rank by rank, on this machine or on another. Ranks start from what this process may use, as they would under 'mpirun --bind-to none'.\vTwo EPYC 7542 (four cores share an L3), eight ranks that compute and one that deals:\n\n"
            "  polyphony topology --ranks 9 --threads 8 --synthetic \\\n"
            "    \"Package:2 [NUMANode(memory=256GiB)] L3:8 Core:4 PU:2(indexes=2*64:1*2)\"\n\n"
            "A node that is not at hand: run 'lstopo --of xml node.xml' there, and --xml node.xml here.\n\n" CLI_EXIT_CODES
    };
    struct topology_options options = { 0 };
    struct placement_request request;
    struct machine *machine = NULL;
    int r;

    cli_parse(&argp, argc, argv, &options);
    r = open_machine(&options, &machine, err);
    if (!r)
        r = make_request(&options, machine, &request, err);
    if (!r) {
        if (options.n_rank == 0)
            options.n_rank = choose_ranks(count_cores(machine, &request.allowed), request.n_thread);
        print_machine(machine, &request);
        print_plan(machine, options.n_rank, &request);
    }
    if (!r && fflush(stdout))
        r = error_set(err, POLYPHONY_OUTPUT, "standard output cannot be written");
    machine_close(machine);
    return r;
}
