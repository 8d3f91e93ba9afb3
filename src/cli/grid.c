/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `polyphony grid`: what a grid holds, and what a job can ask of it.
 */
#include "cli.h"

#include <argp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "polyphony/emission.h"
#include "polyphony/grid.h"

#define N_LIKELY 8 /* lines that a name may mean */

struct grid_options {
    const char *path, *word;
    bool wants_lines;
};

static const struct argp_option argp_options[] = {
    { "lines", 'l', "WORD", OPTION_ARG_OPTIONAL,
      "list lines that WORD may mean (Halpha, [OIII]5007, 'O 3', 5007), with ids and wavelengths; without WORD all (default: their number and range only)",
      0 },
    { 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct grid_options *options = state->input;

    switch (key) {
    case 'l':
        options->wants_lines = true;
        options->word = arg ? arg : options->word;
        return 0;
    case ARGP_KEY_ARG:
        if (!options->path)
            options->path = arg;
        else if (!options->word)
            options->word = arg; /* `grid FILE --lines WORD` */
        else
            argp_error(state, "one grid, and one word, at a time");
        return 0;
    case ARGP_KEY_END:
        if (!options->path)
            argp_error(state, "which grid?");
        if (options->word && !options->wants_lines)
            argp_error(state, "one grid at a time (lines are looked for with --lines)");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* `grid --lines WORD FILE`: argp hands both over as they come. */
static void settle(struct grid_options *options)
{
    if (options->word && access(options->path, F_OK) && !access(options->word, F_OK)) {
        const char *word = options->path;

        options->path = options->word;
        options->word = word;
    }
}

/* ---- what there is ----------------------------------------------------------------------------- */

/* What becomes of an axis. */
static void print_axis(const struct grid_axis *axis)
{
    const char *how = axis->is_log ? "in log10" : "linearly";
    double first = axis->node[0], last = axis->node[axis->n - 1];

    if (axis->quantity == GRID_AGE)
        printf("ages        %zu, %g to %g yr, interpolated %s\n", axis->n, first, last, how);
    else if (axis->quantity == GRID_METALLICITY)
        printf("metals      %zu, %g to %g, interpolated %s\n", axis->n, first, last, how);
    else if (axis->n > 1)
        printf(
            "further     %s: interpolated %s, by 'Stars/%s' or 'Galaxies/%s' of the catalogue, or fixed: 'grid: {file: ..., fix: {%s: %g}}'\n",
            axis->name, how, axis->name, axis->name, axis->name, first);
}

static void print_axes(const struct grid *grid)
{
    for (size_t i = 0; i < grid->n_file_axis; i++) {
        const struct grid_file_axis *axis = &grid->file_axis[i];

        printf("axis        %s: %zu value%s, %g to %g, unit %s\n", axis->name, axis->n,
               axis->n > 1 ? "s" : "", axis->first, axis->last, *axis->unit ? axis->unit : "not given");
    }
    for (size_t a = 0; a < grid->n_axis_all; a++)
        print_axis(&grid->axis[a]);
}

static int by_value(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;

    return (one > other) - (one < other);
}

/* Median of lambda over the distance to the next wavelength. */
static double resolution(const struct grid *grid)
{
    size_t n = grid->n_lambda - 1;
    const double *lambda = grid->lambda_rest_angstrom;
    double *power = mem_small(n, sizeof(*power)), median;

    for (size_t i = 0; i < n; i++)
        power[i] = lambda[i] / (lambda[i + 1] - lambda[i]);
    qsort(power, n, sizeof(*power), by_value);
    median = power[n / 2];
    free(power);
    return median;
}

static void print_spectra(const struct grid_look *look)
{
    const struct grid *grid = look->grid;

    printf("wavelengths %zu, %g to %g angstrom, R = %.3g (median of lambda/step)\n", grid->n_lambda,
           grid->lambda_rest_angstrom[0], grid->lambda_rest_angstrom[grid->n_lambda - 1], resolution(grid));
    for (size_t i = 0; i < look->n_spectrum; i++) {
        const struct grid_look_spectrum *spectrum = &look->spectrum[i];

        if (spectrum->is_usable)
            printf("spectrum    %s, unit %s\n", spectrum->name,
                   *spectrum->unit ? spectrum->unit : "not given");
        else
            printf("spectrum    %s cannot be used: %s\n", spectrum->name, spectrum->problem);
    }
}

static void print_models(const struct grid_look *look)
{
    const bool is_per_particle[PARAMETER_MAX] = { false };

    for (size_t i = 0; emission_models[i]; i++) {
        const struct emission_model *model = emission_models[i];
        const struct dust_curve curve = { 0 }; /* does not matter */
        struct emission_program program;
        const char *separator = " needs ";

        if (emission_compile(model, &curve, is_per_particle, &program, NULL))
            continue;
        printf("model       %-12s", model->name);
        for (size_t e = 0; e < program.n_extract; e++)
            if (!grid_look_has(look, program.extract[e])) {
                printf("%s%s", separator, program.extract[e]);
                separator = ", ";
            }
        puts(*separator == ',' ? ", which the grid has not" : " can be made of this grid");
    }
}

/* ---- lines ------------------------------------------------------------------------------------- */

static void print_line(const struct grid *grid, size_t i)
{
    printf("  %-24s %14.8g angstrom\n", grid->line_id[i], grid->line_lambda_rest_angstrom[i]);
}

static void print_lines_range(const struct grid *grid)
{
    double least = HUGE_VAL, most = 0;

    for (size_t i = 0; i < grid->n_line; i++) {
        least = fmin(least, grid->line_lambda_rest_angstrom[i]);
        most = fmax(most, grid->line_lambda_rest_angstrom[i]);
    }
    if (grid->n_line)
        printf(
            "lines       %zu, %g to %g angstrom; --lines lists them, --lines=Halpha those that this may mean\n",
            grid->n_line, least, most);
    else
        puts("lines       none");
}

static int print_lines(const struct grid *grid, const char *path, const char *word, struct error *err)
{
    struct line_meant meant;
    size_t n = 0, *found;
    bool is_one =
        word && grid_read_line_name(word, &meant) && meant.lambda_angstrom > 0 && !meant.is_any_of_ion;

    if (grid->n_line == 0)
        return error_set(err, POLYPHONY_INPUT, "'%s': the grid has no lines", path);
    found = mem_small(grid->n_line, sizeof(*found));
    if (word)
        n = grid_find_lines(grid, word, is_one ? N_LIKELY : grid->n_line, found);
    if (is_one && meant.is_known)
        printf("%s is %s at %.1f angstrom in vacuum, %.1f in air; nearest first:\n", word, meant.ion,
               meant.lambda_angstrom, grid_air_wavelength(meant.lambda_angstrom));
    for (size_t i = 0; i < (word ? n : grid->n_line); i++)
        print_line(grid, word ? found[i] : i);
    free(found);
    return word && n == 0 ? error_set(err, POLYPHONY_INPUT,
                                      "'%s': none of the grid's %zu lines is like '%s'; --lines lists them",
                                      path, grid->n_line, word)
                          : 0;
}

static void print_all(const struct grid_look *look, const char *path)
{
    printf("grid        %s\n", path);
    print_axes(look->grid);
    print_spectra(look);
    print_lines_range(look->grid);
    print_models(look);
    for (size_t i = 0; i < look->n_fact; i++)
        printf("%-11s %s: %s\n", i ? "" : "says", look->fact[i].name, look->fact[i].text);
}

int cli_grid(int argc, char **argv, struct error *err)
{
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "FILE",
        .doc =
            "Say what a stellar population grid holds: axes, wavelengths, spectra and the emission models that can be made of them, lines, what it was made of, and what is doubtful about it. Tables are not read: 'check' does that.\v" CLI_EXIT_CODES
    };
    struct grid_options options = { 0 };
    struct grid_look *look = NULL;
    int r;

    cli_parse(&argp, argc, argv, &options);
    settle(&options);
    r = grid_look(options.path, &look, err);
    if (!r && options.wants_lines)
        r = print_lines(look->grid, options.path, options.word, err);
    else if (!r)
        print_all(look, options.path);
    for (size_t i = 0; !r && i < look->grid->warnings.n; i++)
        fprintf(options.wants_lines ? stderr : stdout, "warning     %s\n", look->grid->warnings.text[i]);
    if (!r && fflush(stdout))
        r = error_set(err, POLYPHONY_OUTPUT, "standard output cannot be written");
    grid_look_free(look);
    return r;
}
