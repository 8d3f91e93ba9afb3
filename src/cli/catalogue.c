/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `polyphony catalogue`: what a catalogue holds, and what a job can ask of it.
 */
#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "polyphony/catalogue.h"
#include "polyphony/parameters.h"

#define COLUMN_MAX 32 /* wider texts push what is beside them */

static const struct catalogue_dataset *find(const struct catalogue_contents *contents, const char *path)
{
    return catalogue_contents_find(contents, path);
}

/* ---- the table --------------------------------------------------------------------------------- */

/* Letters that a terminal shows of a text in UTF-8. */
static int n_shown(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_column(const char *text, int width)
{
    printf("%s%*s", text, width > n_shown(text) ? width - n_shown(text) : 0, "");
}

static int widest(const struct catalogue_contents *contents, size_t offset, int least)
{
    for (size_t i = 0; i < contents->n; i++) {
        int n = n_shown((const char *)&contents->dataset[i] + offset);

        least = n > least && n <= COLUMN_MAX ? n : least;
    }
    return least;
}

static const char *unit_of(const struct catalogue_dataset *dataset)
{
    return !dataset->has_unit ? "-" : *dataset->unit ? dataset->unit : "''";
}

static void print_numbers(const struct catalogue_dataset *dataset)
{
    char text[3][24] = { "", "", "" };
    const double value[3] = { dataset->least, dataset->median, dataset->most };

    for (size_t i = 0; dataset->has_range && i < 3; i++)
        text_format(text[i], sizeof(text[i]), "%.5g", value[i]);
    printf("  %12s %12s %12s  ", text[0], text[1], text[2]);
}

static void print_dataset(const struct catalogue_dataset *dataset, const int width[3])
{
    static const char *const uses[] = {
        [CATALOGUE_UNUSED] = "not used", [CATALOGUE_READ] = "", [CATALOGUE_PARAMETER] = "parameter"
    };
    char ours[40] = "";

    print_column(dataset->path, width[0] + 2);
    print_column(dataset->shape, width[1] + 2);
    print_column(unit_of(dataset), width[2]);
    print_numbers(dataset);
    if (*dataset->problem)
        text_format(ours, sizeof(ours), "cannot be read, see below");
    else if (dataset->ours && dataset->factor != 1)
        text_format(ours, sizeof(ours), "%s (x %.6g)", dataset->ours, dataset->factor);
    else if (dataset->ours && strcmp(dataset->ours, "dimensionless"))
        text_format(ours, sizeof(ours), "%s", dataset->ours);
    printf("%s%s%s\n", ours, *ours && *uses[dataset->use] ? ", " : "", uses[dataset->use]);
}

static void print_table(const struct catalogue_contents *contents)
{
    const int width[3] = { widest(contents, offsetof(struct catalogue_dataset, path), 7),
                           widest(contents, offsetof(struct catalogue_dataset, shape), 5),
                           widest(contents, offsetof(struct catalogue_dataset, unit), 4) };

    if (!contents->n)
        return;
    print_column("dataset", width[0] + 2);
    print_column("shape", width[1] + 2);
    print_column("unit", width[2]);
    printf("  %12s %12s %12s  %s\n", "least", "median", "most", "in unit, use");
    for (size_t i = 0; i < contents->n; i++)
        print_dataset(&contents->dataset[i], width);
    putchar('\n');
}

/* ---- what a job should know -------------------------------------------------------------------- */

static void print_redshifts(const struct catalogue_contents *contents)
{
    const struct catalogue_dataset *redshift = find(contents, "Galaxies/redshift");

    if (!redshift)
        puts("redshift    none: observed quantities need 'redshift' in the job");
    else if (redshift->has_range && redshift->least == redshift->most)
        printf("redshift    %.6g%s: images may have fields in kpc or arcsec\n", redshift->least,
               redshift->n_row > 1 ? " of all galaxies" : "");
    else if (redshift->has_range)
        printf("redshift    %.6g to %.6g: images need fields in arcsec\n", redshift->least, redshift->most);
}

static void print_frame(const struct catalogue_contents *contents)
{
    if (contents->scale_factor > 0)
        printf("frame       a = %.8g, for comoving units\n", contents->scale_factor);
    if (contents->hubble > 0)
        printf("frame       h = %.6g, for units with h\n", contents->hubble);
}

static void print_parameters(const struct catalogue_contents *contents)
{
    for (size_t i = 0; i < contents->n; i++) {
        const struct catalogue_dataset *dataset = &contents->dataset[i];
        const char *name = strchr(dataset->path, '/') + 1;
        if (dataset->use != CATALOGUE_PARAMETER)
            continue;
        if (parameter_find(name) < PARAMETER_MAX)
            printf("parameter   %s: emission {%s: %s}, or a number for all\n", dataset->path, name, name);
        else
            printf("parameter   %s, if the job names it: emission {%s: %s}\n", dataset->path,
                   parameter_rows[0]->name, name);
    }
}

static void print_missing(const struct catalogue_contents *contents)
{
    bool gas_has_mass = find(contents, "Gas/masses") && find(contents, "Gas/metallicities");

    if (!find(contents, "Stars/coordinates"))
        puts("missing     Stars/coordinates: no images, no optical depths");
    else if (!find(contents, "Stars/smoothing_lengths"))
        puts("missing     Stars/smoothing_lengths: images need 'type: histogram'");
    if (!find(contents, "Gas/offset")) {
        puts("missing     Gas: optical depths from the line of sight are 0");
        return;
    }
    if (!find(contents, "Gas/coordinates") || !find(contents, "Gas/smoothing_lengths"))
        puts("missing     Gas/coordinates, Gas/smoothing_lengths: no optical depths");
    if (find(contents, "Gas/dust_masses"))
        return;
    if (!gas_has_mass)
        puts("missing     Gas/dust_masses, or Gas/masses and Gas/metallicities: no optical depths");
    else if (!find(contents, "Gas/dust_to_metal_ratio") && !find(contents, "Galaxies/dust_to_metal_ratio"))
        puts("missing     dust masses of the gas, and their ratio to metals: the job's dust_to_metal_ratio");
}

/* ---- what is doubtful -------------------------------------------------------------------------- */

static void doubt_values(const struct catalogue_dataset *dataset, const struct error *err,
                         struct warnings *warnings)
{
    if (*dataset->problem && strncmp(dataset->problem, err->text, sizeof(dataset->problem) - 1))
        warnings_add(warnings, "%.300s", dataset->problem);
    if (dataset->n_bad)
        warnings_add(warnings, "'%.100s' has %llu values that are not finite numbers", dataset->path,
                     (unsigned long long)dataset->n_bad);
    if (dataset->n_row_seen && dataset->n_row_seen < dataset->n_row)
        warnings_add(warnings, "ranges of datasets with more than %llu rows are of a sample of so many",
                     (unsigned long long)dataset->n_row_seen);
}

/* But for what is said as the error. */
static void print_warnings(const struct catalogue_contents *contents, const struct catalogue *catalogue,
                           const struct error *err)
{
    struct warnings warnings = { 0 };

    for (size_t i = 0; i < contents->n; i++)
        doubt_values(&contents->dataset[i], err, &warnings);
    if (catalogue)
        warnings_gather(&warnings, &catalogue->warnings);
    for (size_t i = 0; i < warnings.n; i++)
        printf("warning     %s\n", warnings.text[i]);
}

/* As a job opens it that wants all that the file has. */
static int open_all(const char *path, const struct catalogue_contents *contents,
                    struct catalogue **ret_catalogue, struct error *err)
{
    bool has_dust = find(contents, "Gas/dust_masses") ||
                    (find(contents, "Gas/masses") && find(contents, "Gas/metallicities"));
    bool has_gas = find(contents, "Gas/coordinates") && find(contents, "Gas/smoothing_lengths") && has_dust;
    const struct {
        enum component component;
        enum field field;
        bool is_there;
    } fields[] = {
        { STARS, FIELD_INITIAL_MASS_MSUN, true },
        { STARS, FIELD_AGE_YR, true },
        { STARS, FIELD_METALLICITY, true },
        { STARS, FIELD_X_KPC, find(contents, "Stars/coordinates") },
        { STARS, FIELD_SMOOTHING_KPC, find(contents, "Stars/smoothing_lengths") },
        { GAS, FIELD_X_KPC, has_gas },
        { GAS, FIELD_SMOOTHING_KPC, has_gas },
        { GAS, FIELD_DUST_MASS_MSUN, has_gas },
        { BLACK_HOLES, FIELD_X_KPC, find(contents, "BlackHoles/coordinates") },
    };
    struct catalogue_needs needs = { .redshift = find(contents, "Galaxies/redshift"),
                                     .centre = find(contents, "Stars/coordinates") };

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (fields[i].is_there)
            needs.field[fields[i].component][fields[i].field] = "";
    return catalogue_open(path, &needs, NULL, ret_catalogue, err);
}

int cli_catalogue(int argc, char **argv, struct error *err)
{
    const char *path = cli_parse_path(
        argc, argv, "FILE", "catalogue",
        "What a galaxy catalogue holds, as a job needs to know it: galaxies and particles; every dataset with its shape, unit and range (in the unit of the last column: the file's numbers times the factor there); redshifts, model parameters, what is missing for which operation, and what is doubtful. Of large datasets a sample is looked at.\vExit codes: 0 a job can read it; 2 usage; 3 it cannot be read as it is, and why.");
    struct catalogue_contents contents = { 0 };
    struct catalogue *catalogue = NULL;
    int r = catalogue_list(path, &contents, err);

    if (r)
        return r;
    r = open_all(path, &contents, &catalogue, err);
    print_table(&contents);
    if (catalogue)
        printf("catalogue   %s: %zu galaxies, %llu stars, %llu gas, %llu black holes\n", path,
               catalogue->n_galaxy, (unsigned long long)catalogue->n_particle_all[STARS],
               (unsigned long long)catalogue->n_particle_all[GAS],
               (unsigned long long)catalogue->n_particle_all[BLACK_HOLES]);
    if (contents.n) {
        print_redshifts(&contents);
        print_frame(&contents);
        print_parameters(&contents);
        print_missing(&contents);
    }
    print_warnings(&contents, catalogue, err);
    catalogue_close(catalogue);
    catalogue_contents_free(&contents);
    if (fflush(stdout) && !r)
        r = error_set(err, POLYPHONY_OUTPUT, "standard output cannot be written");
    return r;
}
