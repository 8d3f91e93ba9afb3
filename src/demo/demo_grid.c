/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/demo.h"

#include "demo_private.h"

#include "polyphony/io.h"

#include <math.h>
#include <stdlib.h>

/* ---- wavelengths ---------------------------------------------------------------------------- */

/* Where pixels lie: logarithmic between edges, densest where filters and lines are. */
static const struct {
    double from_angstrom, to_angstrom;
    double share; /* of all pixels; they sum to 1 */
} segments[] = {
    { 1.0, 100.0, 0.010 },
    { 100.0, DEMO_HEII_LIMIT_ANGSTROM, 0.025 },
    { DEMO_HEII_LIMIT_ANGSTROM, DEMO_HEI_LIMIT_ANGSTROM, 0.045 },
    { DEMO_HEI_LIMIT_ANGSTROM, DEMO_LYMAN_LIMIT_ANGSTROM, 0.045 },
    { DEMO_LYMAN_LIMIT_ANGSTROM, 3000.0, 0.260 }, /* 0.5 to 1.5 angstrom of 9244 */
    { 3000.0, 1e4, 0.340 },                       /* 1.2 to 3.8 angstrom */
    { 1e4, 5e4, 0.160 },
    { 5e4, 1e6, 0.095 },
    { 1e6, 1e7, 0.020 },
};
enum { n_segment = sizeof(segments) / sizeof(segments[0]) };

void wavelengths_fill(size_t n_lambda, double *ret_lambda_angstrom)
{
    double share = 0.0;
    size_t first = 0;

    for (int i = 0; i < n_segment; i++) {
        share += segments[i].share;
        size_t end = i == n_segment - 1 ? n_lambda : (size_t)lround(share * (double)n_lambda);
        double ratio = segments[i].to_angstrom / segments[i].from_angstrom;

        /* Pixel centres, so that the edge between two segments is an edge between pixels. */
        for (size_t k = first; k < end; k++)
            ret_lambda_angstrom[k] =
                segments[i].from_angstrom * pow(ratio, ((double)(k - first) + 0.5) / (double)(end - first));
        first = end;
    }
}

double photon_rate(size_t n_lambda, const double *lambda_angstrom, const double *lnu, double edge_angstrom)
{
    double sum = 0.0; /* integral of lnu / (h nu) d nu = integral of lnu / (h lambda) d lambda */

    for (size_t k = 0; k < n_lambda && lambda_angstrom[k] < edge_angstrom; k++) {
        bool last = k + 1 == n_lambda || lambda_angstrom[k + 1] >= edge_angstrom;
        double below = k > 0 ? 0.5 * (lambda_angstrom[k] - lambda_angstrom[k - 1]) : 0.0;
        double above =
            last ? edge_angstrom - lambda_angstrom[k] : 0.5 * (lambda_angstrom[k + 1] - lambda_angstrom[k]);

        sum += lnu[k] / lambda_angstrom[k] * (below + above);
    }
    return sum / DEMO_H_ERG_S;
}

/* ---- options --------------------------------------------------------------------------------- */

struct demo_grid_options demo_grid_defaults(const char *path)
{
    return (struct demo_grid_options) { .path = path,
                                        .n_age = 51,
                                        .n_metallicity = 13,
                                        .n_lambda = 9244,
                                        .age_min_yr = 1e6,
                                        .age_max_yr = 1e11,
                                        .metallicity_min = 1e-5,
                                        .metallicity_max = 0.04 };
}

static int check_count(const char *name, size_t n, size_t min, size_t max, struct error *err)
{
    if (n >= min && n <= max)
        return 0;
    return error_set(err, POLYPHONY_USAGE, "demo grid: %s is %zu, must be %zu to %zu", name, n, min, max);
}

/* Bounds keep the fits finite; written so that NaN fails. */
static int check_range(const char *name, double low, double high, double min, double max, struct error *err)
{
    if (low >= min && high <= max && low < high)
        return 0;
    return error_set(err, POLYPHONY_USAGE,
                     "demo grid: %s runs from %g to %g, must rise and lie within %g to %g", name, low, high,
                     min, max);
}

static int options_check(const struct demo_grid_options *o, struct error *err)
{
    int r;

    if (!o->path || !o->path[0])
        return error_set(err, POLYPHONY_USAGE, "demo grid: no path to write to was given");
    if ((r = check_count("number of ages", o->n_age, 2, 1000, err)) ||
        (r = check_count("number of metallicities", o->n_metallicity, 2, 100, err)) ||
        (r = check_count("number of wavelengths", o->n_lambda, 100, 100000, err)) ||
        (r = check_range("age [yr]", o->age_min_yr, o->age_max_yr, 1e4, 1e12, err)))
        return r;
    return check_range("metallicity", o->metallicity_min, o->metallicity_max, 1e-7, 0.1, err);
}

/* ---- one age at a time ------------------------------------------------------------------------ */

enum spectrum { INCIDENT, TRANSMITTED, NEBULAR, LINECONT, n_spectrum };
enum line_table { LUMINOSITY, LINE_NEBULAR, LINE_TRANSMITTED, LINE_INCIDENT, LINE_TOTAL, n_line_table };
enum scalar { Q_HI, Q_HEII, STAR_FRACTION, n_scalar };

/* What the datasets are called, in the order of the enums. */
struct dataset {
    const char *path, *units, *description;
};
static const struct dataset spectrum_datasets[n_spectrum] = {
    { "spectra/incident", "erg/(Hz*s)", "light of the stars, per Msun formed" },
    { "spectra/transmitted", "erg/(Hz*s)", "light of the stars that leaves the nebula, per Msun formed" },
    { "spectra/nebular", "erg/(Hz*s)", "continuum and lines of the nebula, per Msun formed" },
    { "spectra/linecont", "erg/(Hz*s)", "lines of the nebula, on their two nearest pixels, per Msun formed" },
};
static const struct dataset line_datasets[n_line_table] = {
    { "lines/luminosity", "erg/s", "line luminosity, per Msun formed" },
    { "lines/nebular_continuum", "erg/(Hz*s)", "continuum of the nebula at the line, per Msun formed" },
    { "lines/transmitted", "erg/(Hz*s)", "transmitted light at the line, per Msun formed" },
    { "lines/incident", "erg/(Hz*s)", "incident light at the line, per Msun formed" },
    { "lines/total_continuum", "erg/(Hz*s)",
      "transmitted and nebular continuum at the line, per Msun formed" },
};
static const struct dataset scalar_datasets[n_scalar] = {
    { "log10_specific_ionising_luminosity/HI", "dimensionless",
      "log10 of photons per second shortward of 912 angstrom, per Msun formed" },
    { "log10_specific_ionising_luminosity/HeII", "dimensionless",
      "log10 of photons per second shortward of 228 angstrom, per Msun formed" },
    { "star_fraction", "dimensionless", "mass in living stars, per mass formed" },
};

/* Where a line falls among the pixels: (1 - fraction) on `pixel`, fraction on the next. */
struct line_site {
    size_t pixel;
    double fraction;
};

struct grid_maker {
    /* axes */
    size_t n_age, n_metallicity, n_lambda, n_line;
    double *ages_yr;         /* [n_age] */
    double *metallicities;   /* [n_metallicity] */
    double *lambda_angstrom; /* [n_lambda] */
    struct line *lines;      /* [n_line] */
    /* tables for all ages */
    struct templates templates;
    double *width_hz;           /* [n_lambda] */
    double *nebular_per_photon; /* [n_lambda] */
    struct line_site *sites;    /* [n_line] */
    /* rows of one age */
    struct population *populations; /* [n_metallicity] */
    double *lnu[n_spectrum];        /* [n_metallicity][n_lambda] */
    double *at_line[n_line_table];  /* [n_metallicity][n_line] */
    double *scalars[n_scalar];      /* [n_metallicity] */
};

static void maker_free(struct grid_maker *maker)
{
    void *const pieces[] = { maker->ages_yr, maker->metallicities, maker->lambda_angstrom,
                             maker->lines,   maker->width_hz,      maker->nebular_per_photon,
                             maker->sites,   maker->populations };

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        free(pieces[i]);
    templates_free(&maker->templates);
    for (int i = 0; i < n_spectrum; i++)
        free(maker->lnu[i]);
    for (int i = 0; i < n_line_table; i++)
        free(maker->at_line[i]);
    for (int i = 0; i < n_scalar; i++)
        free(maker->scalars[i]);
}

static void maker_allocate(struct grid_maker *m)
{
    size_t n_z = m->n_metallicity;

    m->ages_yr = mem_small(m->n_age, sizeof(double));
    m->metallicities = mem_small(n_z, sizeof(double));
    m->lambda_angstrom = mem_small(m->n_lambda, sizeof(double));
    m->width_hz = mem_small(m->n_lambda, sizeof(double));
    m->nebular_per_photon = mem_small(m->n_lambda, sizeof(double));
    m->sites = mem_small(m->n_line, sizeof(*m->sites));
    m->populations = mem_small(n_z, sizeof(*m->populations));
    for (int i = 0; i < n_spectrum; i++)
        m->lnu[i] = mem_small(n_z * m->n_lambda, sizeof(double));
    for (int i = 0; i < n_line_table; i++)
        m->at_line[i] = mem_small(n_z * m->n_line, sizeof(double));
    for (int i = 0; i < n_scalar; i++)
        m->scalars[i] = mem_small(n_z, sizeof(double));
}

static void logarithmic_fill(size_t n, double first, double last, double *ret_values)
{
    for (size_t i = 0; i < n; i++)
        ret_values[i] = first * pow(last / first, (double)i / (double)(n - 1));
    ret_values[n - 1] = last;
}

static void sites_fill(struct grid_maker *maker)
{
    size_t k = 0; /* lines ascend, so one walk along the pixels finds all of them */

    for (size_t i = 0; i < maker->n_line; i++) {
        double lambda = maker->lines[i].lambda_angstrom;

        while (k + 2 < maker->n_lambda && maker->lambda_angstrom[k + 1] <= lambda)
            k++;
        maker->sites[i] = (struct line_site) {
            .pixel = k,
            .fraction = (lambda - maker->lambda_angstrom[k]) /
                        (maker->lambda_angstrom[k + 1] - maker->lambda_angstrom[k]),
        };
    }
}

static void maker_open(const struct demo_grid_options *o, struct grid_maker *maker)
{
    maker->lines = lines_create(&maker->n_line);
    maker->n_age = o->n_age;
    maker->n_metallicity = o->n_metallicity;
    maker->n_lambda = o->n_lambda;
    maker_allocate(maker);
    logarithmic_fill(o->n_age, o->age_min_yr, o->age_max_yr, maker->ages_yr);
    logarithmic_fill(o->n_metallicity, o->metallicity_min, o->metallicity_max, maker->metallicities);
    wavelengths_fill(o->n_lambda, maker->lambda_angstrom);
    frequency_widths_fill(o->n_lambda, maker->lambda_angstrom, maker->width_hz);
    for (size_t k = 0; k < o->n_lambda; k++)
        maker->nebular_per_photon[k] = nebular_continuum(maker->lambda_angstrom[k]);
    sites_fill(maker);
    maker->templates = templates_create(o->n_lambda, maker->lambda_angstrom);
}

static double site_interpolate(const struct line_site *site, const double *lnu)
{
    return (1.0 - site->fraction) * lnu[site->pixel] + site->fraction * lnu[site->pixel + 1];
}

/* Spectra of the nebula of metallicity i_z, and everything at the lines, from its incident spectrum. */
static void nebula_fill(struct grid_maker *maker, size_t i_z, const struct ionising *ionising)
{
    const double *incident = maker->lnu[INCIDENT] + i_z * maker->n_lambda;
    double *transmitted = maker->lnu[TRANSMITTED] + i_z * maker->n_lambda;
    double *nebular = maker->lnu[NEBULAR] + i_z * maker->n_lambda;
    double *linecont = maker->lnu[LINECONT] + i_z * maker->n_lambda;

    for (size_t k = 0; k < maker->n_lambda; k++) {
        transmitted[k] = maker->lambda_angstrom[k] < DEMO_LYMAN_LIMIT_ANGSTROM ? 0.0 : incident[k];
        nebular[k] = ionising->q_hi * maker->nebular_per_photon[k];
        linecont[k] = 0.0;
    }
    for (size_t i = 0; i < maker->n_line; i++) {
        const struct line_site *site = &maker->sites[i];
        size_t at = i_z * maker->n_line + i;
        double luminosity = line_luminosity(&maker->lines[i], ionising, maker->metallicities[i_z]);

        maker->at_line[LUMINOSITY][at] = luminosity;
        maker->at_line[LINE_NEBULAR][at] = site_interpolate(site, nebular);
        maker->at_line[LINE_TRANSMITTED][at] = site_interpolate(site, transmitted);
        maker->at_line[LINE_INCIDENT][at] = site_interpolate(site, incident);
        maker->at_line[LINE_TOTAL][at] =
            maker->at_line[LINE_NEBULAR][at] + maker->at_line[LINE_TRANSMITTED][at];
        linecont[site->pixel] += (1.0 - site->fraction) * luminosity / maker->width_hz[site->pixel];
        linecont[site->pixel + 1] += site->fraction * luminosity / maker->width_hz[site->pixel + 1];
    }
    for (size_t k = 0; k < maker->n_lambda; k++)
        nebular[k] += linecont[k];
}

static void age_fill(struct grid_maker *maker, double age_yr)
{
    size_t n_lambda = maker->n_lambda;

    for (size_t i_z = 0; i_z < maker->n_metallicity; i_z++)
        population_evolve(age_yr, maker->metallicities[i_z], &maker->populations[i_z]);
    templates_mix(&maker->templates, maker->n_metallicity, maker->populations, maker->metallicities,
                  maker->lnu[INCIDENT]);
    for (size_t i_z = 0; i_z < maker->n_metallicity; i_z++) {
        const double *incident = maker->lnu[INCIDENT] + i_z * n_lambda;
        struct ionising ionising = {
            .q_hi = photon_rate(n_lambda, maker->lambda_angstrom, incident, DEMO_LYMAN_LIMIT_ANGSTROM),
            .q_hei = photon_rate(n_lambda, maker->lambda_angstrom, incident, DEMO_HEI_LIMIT_ANGSTROM),
            .q_heii = photon_rate(n_lambda, maker->lambda_angstrom, incident, DEMO_HEII_LIMIT_ANGSTROM),
        };

        nebula_fill(maker, i_z, &ionising);
        /* A logarithm of zero would be no number; 1 photon a second is as dark. */
        maker->scalars[Q_HI][i_z] = log10(fmax(ionising.q_hi, 1.0));
        maker->scalars[Q_HEII][i_z] = log10(fmax(ionising.q_heii, 1.0));
        maker->scalars[STAR_FRACTION][i_z] = maker->populations[i_z].star_fraction;
    }
}

/* ---- the file --------------------------------------------------------------------------------- */

static void mark(struct io_file *file, const char *path, bool log_on_read)
{
    io_attr_write_bool(file, path, "log_on_read", log_on_read, NULL);
}

static void write_axis(struct io_file *file, const char *path, size_t n, const double *values,
                       const char *units, const char *description, bool log_on_read)
{
    uint64_t dims[1] = { n };
    io_write_f64(file, path, 1, dims, values, units, description, NULL);

    mark(file, path, log_on_read);
}

/* Datasets of n sorts, [n_age][n_metallicity] and [n_last] if that is not 0, to be filled age by age. */
static void create_datasets(struct io_file *file, const struct grid_maker *maker, int n,
                            const struct dataset *datasets, size_t n_last)
{
    uint64_t dims[3] = { maker->n_age, maker->n_metallicity, n_last };

    for (int i = 0; i < n; i++) {
        io_create_f64(file, datasets[i].path, n_last ? 3 : 2, dims, datasets[i].units,
                      datasets[i].description, NULL);
        mark(file, datasets[i].path, false);
    }
}

static void write_rows(struct io_file *file, size_t i_age, int n, const struct dataset *datasets,
                       double *const *rows)
{

    for (int i = 0; i < n; i++)
        io_write_rows_f64(file, datasets[i].path, i_age, 1, rows[i], NULL);
}

static void write_line_list(struct io_file *file, const struct grid_maker *maker)
{
    const char **ids = mem_small(maker->n_line, sizeof(*ids));
    double *lambda_angstrom = mem_small(maker->n_line, sizeof(*lambda_angstrom));

    for (size_t i = 0; i < maker->n_line; i++) {
        ids[i] = maker->lines[i].id;
        lambda_angstrom[i] = maker->lines[i].lambda_angstrom;
    }
    io_write_strings(file, "lines/id", maker->n_line, ids, "Cloudy's name of the line", NULL);
    mark(file, "lines/id", false);
    write_axis(file, "lines/wavelength", maker->n_line, lambda_angstrom, "angstrom",
               "wavelength, vacuum up to 2000 angstrom, air beyond", false);
    free(ids);
    free(lambda_angstrom);
}

static void write_attributes(struct io_file *file)
{
    static const struct {
        const char *object, *name, *text;
    } texts[] = {
        { "/", "WeightVariable", "initial_masses" },
        { "/", "provenance", "made by polyphony demo-grid from textbook relations: not for science" },
        { "Model", "sps_name", "polyphony-demo" },
        { "Model", "sps_variant", "black bodies on Tout 1996, Raiteri 1996, Renzini & Buzzoni 1986" },
        { "Model", "imf_type", "chabrier" },
        { "CloudyParams", "cloudy_version", "none: case B by polyphony demo-grid" },
        { "CloudyParams", "ionisation_parameter_model", "none" },
        { "CloudyParams", "grains", "None" },
    };
    static const char *const axes[] = { "ages", "metallicities" };
    static const char *const spectra[] = { "incident", "transmitted", "nebular", "linecont" };
    io_make_group(file, "Model", NULL);
    io_make_group(file, "CloudyParams", NULL);
    io_attr_write_texts(file, "/", "axes", 2, axes, NULL);
    io_attr_write_texts(file, "/", "incident_axes", 2, axes, NULL);
    io_attr_write_texts(file, "/", "spec_names", n_spectrum, spectra, NULL);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        io_attr_write_text(file, texts[i].object, texts[i].name, texts[i].text, NULL);
    io_attr_write_f64(file, "Model", "imf_mass_min_msun", 0.1, NULL);
    io_attr_write_f64(file, "Model", "imf_mass_max_msun", 100.0, NULL);
    io_attr_write_f64(file, "CloudyParams", "temperature_k", 1e4, NULL);
}

static void write_layout(struct io_file *file, const struct grid_maker *maker)
{
    write_attributes(file);
    write_axis(file, "axes/ages", maker->n_age, maker->ages_yr, "yr", "age of the population", true);
    write_axis(file, "axes/metallicities", maker->n_metallicity, maker->metallicities, "dimensionless",
               "mass fraction of metals", true);
    write_axis(file, "spectra/wavelength", maker->n_lambda, maker->lambda_angstrom, "angstrom",
               "wavelength in the rest frame", false);
    write_line_list(file, maker);
    create_datasets(file, maker, n_spectrum, spectrum_datasets, maker->n_lambda);
    create_datasets(file, maker, n_line_table, line_datasets, maker->n_line);
    create_datasets(file, maker, n_scalar, scalar_datasets, 0);
}

int demo_grid_write(const struct demo_grid_options *options, struct error *err)
{
    struct grid_maker maker = { 0 };
    struct io_file *file = NULL;
    int r = options_check(options, err);

    if (!r)
        r = io_file_create(options->path, &file, err);
    if (!r)
        maker_open(options, &maker);
    if (!r)
        write_layout(file, &maker);
    for (size_t i_age = 0; !r && i_age < maker.n_age; i_age++) {
        age_fill(&maker, maker.ages_yr[i_age]);
        write_rows(file, i_age, n_spectrum, spectrum_datasets, maker.lnu);
        write_rows(file, i_age, n_line_table, line_datasets, maker.at_line);
        write_rows(file, i_age, n_scalar, scalar_datasets, maker.scalars);
        r = io_file_status(file, err);
    }
    if (!r)
        r = io_file_commit(file, err);
    io_file_close(file);
    maker_free(&maker);
    return r;
}
