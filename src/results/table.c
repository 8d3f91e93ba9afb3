/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The results file as a table: for each kind of product its path, unit and description, declared once.
 * Synthesizer's paths come first, so that scripts written for its files read ours.
 */
#include "results_private.h"

#include <stdlib.h>
#include <string.h>

/* In paths: %l a model label, %i an instrument, %f a filter code (its "/" makes a level). */
struct product_text {
    const char *path, *units, *description;
};

static const struct product_text fields[PRODUCT_N_KIND] = {
    [PRODUCT_ID] = { ID_PATH, "dimensionless", "Galaxy id of the catalogue" },
    [PRODUCT_REDSHIFT] = { REDSHIFT_PATH, "dimensionless", "Redshift at which the galaxy is observed" },
    [PRODUCT_N_STAR] = { N_STAR_PATH, "dimensionless", "Number of star particles" },
    [PRODUCT_N_GAS] = { "Galaxies/NGas", "dimensionless", "Number of gas particles" },
    [PRODUCT_N_BLACK_HOLE] = { N_BLACK_HOLE_PATH, "dimensionless", "Number of black holes" },
    [PRODUCT_STAR_TAU] = { "Storage/OpticalDepths/Stars", "dimensionless",
                           "V-band optical depths of stars from the line of sight: mass-weighted mean, median, maximum" },
    [PRODUCT_BLACK_HOLE_TAU] = { "Storage/OpticalDepths/BlackHoles", "dimensionless",
                                 "V-band optical depths of black holes from the line of sight: mean, median, maximum" },
    [PRODUCT_SFH] = { "Galaxies/Stars/SFH", "Msun", "Stellar mass formed, by age (Axes/Ages)" },
    [PRODUCT_SFZH] = { "Galaxies/Stars/SFZH", "Msun",
                       "Stellar mass formed, by age and metallicity (Axes/Ages, Axes/Metallicities)" },
    [PRODUCT_LNU] = { "Galaxies/Stars/Spectra/SpectralLuminosityDensities/%l", "erg/(Hz*s)",
                      "Rest-frame spectral luminosity density at Wavelengths/Rest" },
    [PRODUCT_FNU] = { "Galaxies/Stars/Spectra/SpectralFluxDensities/%l", "nJy",
                      "Observed flux density at Wavelengths/Rest times (1 + Galaxies/Redshift)" },
    [PRODUCT_LUMINOSITIES] = { "Storage/Photometry/Luminosities", "erg/(Hz*s)",
                               "Rest-frame band luminosities, (galaxy, label, filter): storage of Galaxies/Stars/Photometry/Luminosities" },
    [PRODUCT_FLUXES] = { "Storage/Photometry/Fluxes", "nJy",
                         "Observed band fluxes, (galaxy, label, filter): storage of Galaxies/Stars/Photometry/Fluxes" },
    [PRODUCT_LINE_LUMINOSITY] = { "Galaxies/Stars/Lines/Luminosity/%l", "erg/s",
                                  "Line luminosities of Lines/IDs" },
    [PRODUCT_LINE_CONTINUUM] = { "Galaxies/Stars/Lines/Continuum/%l", "erg/(Hz*s)",
                                 "Rest-frame continuum at the lines of Lines/IDs" },
    [PRODUCT_LINE_FLUX] = { "Galaxies/Stars/Lines/Flux/%l", "erg/(cm**2*s)",
                            "Observed line fluxes of Lines/IDs" },
    [PRODUCT_LINE_LAMBDA] = { "Galaxies/Lines/ObservedWavelengths", "angstrom",
                              "Observed wavelengths of Lines/IDs, by galaxy" },
    [PRODUCT_IMAGE_LUMINOSITY] = { "Galaxies/Stars/Images/Luminosity/%i/%l/%f", "erg/(Hz*s)",
                                   "Rest-frame luminosity density in each pixel, (galaxy, x, y)" },
    [PRODUCT_IMAGE_FLUX] = { "Galaxies/Stars/Images/Flux/%i/%l/%f", "nJy",
                             "Observed flux density in each pixel, (galaxy, x, y)" },
};

static const char *label_of(const struct plan *plan, size_t i_label)
{
    return plan->program.label[i_label].name;
}

void results_product_path(const struct plan *plan, const struct product *product, char *ret_path, size_t size)
{
    size_t n = 0;

    ret_path[0] = '\0';
    for (const char *c = fields[product->kind].path; *c && n + 1 < size; c++) {
        const struct instrument *instrument = &plan->instrument[product->i_instrument];

        if (*c != '%') {
            ret_path[n++] = *c;
            ret_path[n] = '\0';
            continue;
        }
        c++;
        text_format(ret_path + n, size - n, "%s",
                    *c == 'l'   ? label_of(plan, product->i_label)
                    : *c == 'i' ? instrument->label
                                : instrument->filter[product->i_filter].code);
        n = strlen(ret_path);
    }
}

enum io_type results_product_type(const struct plan *plan, const struct product *product)
{
    const struct job_output_types *types = &plan->job->output_types;
    bool is_spectrum = product->kind == PRODUCT_LNU || product->kind == PRODUCT_FNU;
    bool is_image = product->kind == PRODUCT_IMAGE_LUMINOSITY || product->kind == PRODUCT_IMAGE_FLUX;

    if (product->is_integer)
        return IO_I64;
    return (is_spectrum && *types->spectra == JOB_FLOAT32) || (is_image && *types->images == JOB_FLOAT32)
               ? IO_F32
               : IO_F64;
}

uint64_t results_row_bytes(const struct plan *plan)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < plan->n_product; i++)
        bytes += plan->product[i].n *
                 (results_product_type(plan, &plan->product[i]) == IO_F32 ? sizeof(float) : sizeof(double));
    return bytes;
}

/* Photometry under Synthesizer's path, one number a galaxy by label and filter: views of the packed storage. */
static int layout_photometry_views(struct layout *layout, const struct plan *plan, enum product_kind kind,
                                   const struct selection *selection, const char *group, struct error *err)
{
    char path[RESULTS_PATH_MAX];
    int r = 0;

    for (size_t l = 0; l < selection->n_label; l++) {
        uint64_t column[2] = { l, 0 };

        for (size_t i = 0; i < selection->n_instrument; i++) {
            const struct instrument *instrument = &plan->instrument[selection->i_instrument[i]];

            for (size_t f = 0; !r && f < instrument->n_filter; f++, column[1]++) {
                text_format(path, sizeof(path), "Galaxies/Stars/Photometry/%s/%s/%s", group,
                            label_of(plan, selection->i_label[l]), instrument->filter[f].code);
                r = layout_view(layout, path, fields[kind].path, 3, column, fields[kind].units,
                                kind == PRODUCT_FLUXES ? "Observed flux density through the filter"
                                                       : "Rest-frame luminosity density through the filter",
                                err);
            }
        }
    }
    return r;
}

static int layout_tau_views(struct layout *layout, enum product_kind kind, const char *component,
                            const char *mean, struct error *err)
{
    const char *const names[3] = { mean, "Median", "Maximum" };
    char path[RESULTS_PATH_MAX];
    int r = 0;

    for (uint64_t i = 0; !r && i < 3; i++) {
        text_format(path, sizeof(path), "Galaxies/%s/OpticalDepths/%s", component, names[i]);
        r = layout_view(
            layout, path, fields[kind].path, 2, &i, "dimensionless",
            kind == PRODUCT_STAR_TAU && i == 0
                ? "Mass-weighted mean V-band optical depth towards the particles, observer at z = -infinity; 0 without particles"
                : "V-band optical depth towards the particles, unweighted, observer at z = -infinity; 0 without particles",
            err);
    }
    return r;
}

/* Optical depths of particles, and where each galaxy's begin. The latter is in the catalogue too, but so a
 * results file can be read, and verified, without it. */
static int layout_particles(struct layout *layout, const char *path, const char *first_path, uint64_t n,
                            const uint64_t *first, struct error *err)
{
    const struct io_shape shape = { .type = IO_F64, .rank = 1, .dims = { n } };
    const struct io_shape first_shape = { .type = IO_I64, .rank = 1, .dims = { layout->n_galaxy } };
    int r;

    r = layout_dataset(layout, path, &shape, "dimensionless",
                       "V-band optical depth from the line of sight of each particle, in catalogue order",
                       err);
    if (!r && layout->is_new)
        r = io_write_i64(layout->file, first_path, 1, &layout->n_galaxy, (const int64_t *)first,
                         "dimensionless",
                         "Index in Particles of the galaxy's first; it has NStars or NBlackHoles", err);
    return r ? r : layout_note(layout, first_path, &first_shape, err);
}

/* The order in which the values of a row are in its checksum. */
static int compare_rows_list(struct io_file *file, size_t n, const char *const *name, struct error *err)
{
    char(*found)[IO_NAME_MAX];
    struct io_info info;
    int r = io_dataset_info(file, ROWS_PATH, &info, err);

    if (!r && (info.class != IO_STRING || info.rank != 1 || info.n != n))
        return io_expect_fail(file, ROWS_PATH, "does not list the datasets of this job", err);
    if (r)
        return r;
    found = mem_small(n, sizeof(*found));
    r = io_read_names(file, ROWS_PATH, n, found, err);
    for (size_t i = 0; !r && i < n; i++)
        if (strncmp(found[i], name[i], IO_NAME_MAX - 1))
            r = io_expect_fail(file, ROWS_PATH, "does not list the datasets of this job", err);
    free(found);
    return r;
}

static int layout_rows_list(struct layout *layout, const struct plan *plan, struct error *err)
{
    char(*path)[RESULTS_PATH_MAX] = mem_small(plan->n_product, sizeof(*path));
    const char **name = mem_small(plan->n_product, sizeof(*name));
    int r = 0;

    for (size_t i = 0; i < plan->n_product; i++) {
        results_product_path(plan, &plan->product[i], path[i], sizeof(path[i]));
        name[i] = path[i];
    }
    if (layout->is_new)
        r = io_write_names(layout->file, ROWS_PATH, plan->n_product, name,
                           "Datasets of a row, in the order of its checksum; particles follow", err);
    else
        r = compare_rows_list(layout->file, plan->n_product, name, err);
    free(name);
    free(path);
    return r;
}

static int layout_ledger(struct layout *layout, struct error *err)
{
    static const struct io_member members[] = {
        { "status", IO_I32, offsetof(struct ledger_entry, status), 0 },
        { "rank", IO_I32, offsetof(struct ledger_entry, rank), 0 },
        { "checksum", IO_U64, offsetof(struct ledger_entry, checksum), 0 },
        { "seconds", IO_F64, offsetof(struct ledger_entry, seconds), 0 },
        { "stage", IO_F64, offsetof(struct ledger_entry, stage), sizeof(((struct ledger_entry *)0)->stage) },
        { "reason", IO_F64, offsetof(struct ledger_entry, reason),
          sizeof(((struct ledger_entry *)0)->reason) },
        { "n_rounded", IO_I32, offsetof(struct ledger_entry, n_rounded), 0 },
        { "is_on_disk", IO_I32, offsetof(struct ledger_entry, is_on_disk), 0 },
        { "n_crash", IO_I32, offsetof(struct ledger_entry, n_crash), 0 },
        { "n_vanish", IO_I32, offsetof(struct ledger_entry, n_vanish), 0 },
    };

    const struct io_shape shape = { .type = IO_RECORD,
                                    .rank = 1,
                                    .dims = { layout->n_galaxy },
                                    .record_bytes = sizeof(struct ledger_entry),
                                    .member = members,
                                    .n_member = sizeof(members) / sizeof(*members) };

    return layout_dataset(
        layout, LEDGER_PATH, &shape, NULL,
        "One entry a galaxy: status 0 left, 1 done, 2 set aside; XXH3 checksum of its row; ranks that crashed, or vanished, with it in hand",
        err);
}

/* A product's dataset: a row of its values a galaxy. */
static int layout_product(struct layout *layout, const struct plan *plan, const struct product *product,
                          struct error *err)
{
    const struct io_shape shape = { .type = results_product_type(plan, product),
                                    .rank = product->rank + 1,
                                    .dims = { layout->n_galaxy, product->dims[0], product->dims[1] } };
    char path[RESULTS_PATH_MAX];

    results_product_path(plan, product, path, sizeof(path));
    return layout_dataset(layout, path, &shape, fields[product->kind].units,
                          fields[product->kind].description, err);
}

int results_layout_rows(struct layout *layout, const struct plan *plan, struct error *err)
{
    const struct job_optical_depths *los = job_options(plan->job, "los_optical_depths");
    const struct catalogue *catalogue = plan->catalogue;
    int r;

    layout->n_galaxy = catalogue->n_galaxy;
    r = layout_ledger(layout, err);
    for (size_t i = 0; !r && i < plan->n_product; i++)
        r = layout_product(layout, plan, &plan->product[i], err);
    if (!r)
        r = layout_photometry_views(layout, plan, PRODUCT_LUMINOSITIES, &plan->luminosities, "Luminosities",
                                    err);
    if (!r)
        r = layout_photometry_views(layout, plan, PRODUCT_FLUXES, &plan->fluxes, "Fluxes", err);
    if (!r)
        r = layout_rows_list(layout, plan, err);
    if (!r && los)
        r = layout_tau_views(layout, PRODUCT_STAR_TAU, "Stars", "MassWeightedMean", err);
    if (!r && los && catalogue->n_particle_all[BLACK_HOLES])
        r = layout_tau_views(layout, PRODUCT_BLACK_HOLE_TAU, "BlackHoles", "Mean", err);
    if (!r && los && *los->write_particles)
        r = layout_particles(layout, STAR_TAU_PATH, STAR_FIRST_PATH, catalogue->n_particle_all[STARS],
                             catalogue->offset[STARS], err);
    if (!r && los && *los->write_particles && catalogue->n_particle_all[BLACK_HOLES])
        r = layout_particles(layout, BLACK_HOLE_TAU_PATH, BLACK_HOLE_FIRST_PATH,
                             catalogue->n_particle_all[BLACK_HOLES], catalogue->offset[BLACK_HOLES], err);
    if (!r)
        r = results_layout_sessions(layout, err);
    return r ? r : layout_finish(layout, err);
}
