/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Photometry of galaxies: of their spectra where the job has these for other reasons, and from tables of bands where it does
 * not.
 */
#include "polyphony/job_schema.h"
#include "polyphony/work.h"

struct job_photometry {
    char **instruments;
    unsigned n_instruments;
    char **labels;
    unsigned n_labels;
};

static const cyaml_schema_field_t fields[] = { SCHEMA_NAMES(struct job_photometry, instruments),
                                               SCHEMA_NAMES(struct job_photometry, labels), CYAML_FIELD_END };

static int check(const struct job *job, const char *key, const void *options, struct error *err)
{
    const struct job_photometry *photometry = options;

    return job_check_instruments(job, key, photometry->instruments, photometry->n_instruments, false, err);
}

static struct named_parts parts_of(const void *options)
{
    const struct job_photometry *job = options;

    return (struct named_parts) { job->labels, job->n_labels, job->instruments, job->n_instruments };
}

static const struct product_kind luminosities = {
    .path = "Storage/%ePhotometry/Luminosities",
    .units = "erg/(Hz*s)",
    .description =
        "Rest-frame band luminosities, (galaxy, label, filter): storage of Galaxies/%c/Photometry/Luminosities",
    .axis = { AXIS_LABEL, AXIS_FILTER },
    .view = { { "Galaxies/%c/Photometry/Luminosities/%l/%f",
                "Rest-frame luminosity density through the filter" } },
};
static const struct product_kind fluxes = {
    .path = "Storage/%ePhotometry/Fluxes",
    .units = "nJy",
    .description = "Observed band fluxes, (galaxy, label, filter): storage of Galaxies/%c/Photometry/Fluxes",
    .axis = { AXIS_LABEL, AXIS_FILTER },
    .view = { { "Galaxies/%c/Photometry/Fluxes/%l/%f", "Observed flux density through the filter" } },
};

/* ret_value[n_label][n_filter] from spectra that are there, through bands in the order of the selection. */
static int integrate(struct work *w, const struct step *step, double *ret_value, struct error *err)
{
    const struct selection *selection = &step->selection;
    bool is_observed = step->operation->frame == BAND_OBSERVED;
    size_t n = w->plan->spectra.n;
    double *fnu = is_observed ? arena_array(w->arena, n, sizeof(*fnu)) : NULL;

    if (is_observed && !fnu)
        return work_no_memory(w, err);
    for (size_t l = 0; l < selection->n_label; l++) {
        const double *spectrum = w->label_lnu[step->emitter->i][selection->i_label[l]];

        if (is_observed)
            observer_fnu(&w->frame->observer, n, spectrum, fnu);
        for (size_t i = 0; i < selection->n_instrument; i++) {
            size_t instrument = selection->i_instrument[i];

            observe_bands(w->plan->instrument[instrument].n_filter, bands_of(w, step, instrument),
                          is_observed ? fnu : spectrum, ret_value);
            ret_value += w->plan->instrument[instrument].n_filter;
        }
    }
    return 0;
}

/* Stars that have screens of their own; others are counted by cells, at the end. */
static int photometry_again(struct work *w, const struct step *step, struct error *err)
{
    const struct observe_tables *tables = NULL;
    double *value = work_place(w, step, step->operation->kind[0], 0);
    int r;

    if (w->plan->needs_spectra || w->i_round > 0 || work_light(w, step)->cells.n == 0)
        return 0;
    r = tables_of_photometry(w, step, &tables, err);
    return r ? r : observe_total_bands_add(tables, work_light(w, step), value, w->arena, err);
}

static int photometry_end(struct work *w, const struct step *step, struct error *err)
{
    const struct observe_tables *tables = NULL;
    double *value = work_place(w, step, step->operation->kind[0], 0);
    int r;

    if (w->plan->needs_spectra)
        return integrate(w, step, value, err);
    if (work_light(w, step)->cells.n == 0)
        return 0;
    r = tables_of_photometry(w, step, &tables, err);
    if (!r)
        observe_total_bands_end(tables, work_light(w, step), value);
    return r;
}

const struct operation operation_photometry_luminosities = {
    .job = {
    .key = "photometry_luminosities",
    .fields = fields,
    .size = sizeof(struct job_photometry),
    .check = check,
    .template_lines =
        "  photometry_luminosities:    # rest-frame luminosity densities through filters [erg/s/Hz]\n"
        "    instruments: [all]        # labels of instruments above\n"
        "    labels: [all]\n",
    },
    .title = "photometric luminosities",
    .stage = "Luminosities",
    .needs = NEEDS_LIGHT | NEEDS_BANDS,
    .parts = parts_of,
    .kind = { &luminosities },
    .run = { NULL, NULL, photometry_again, photometry_end },
};

const struct operation operation_photometry_fluxes = {
    .job = {
    .key = "photometry_fluxes",
    .fields = fields,
    .size = sizeof(struct job_photometry),
    .check = check,
    .template_lines = "  photometry_fluxes:          # flux densities through filters [nJy]\n"
                      "    instruments: [all]\n"
                      "    labels: [all]\n",
    },
    .title = "photometric fluxes",
    .stage = "Fluxes",
    .frame = BAND_OBSERVED,
    .needs = NEEDS_LIGHT | NEEDS_BANDS,
    .parts = parts_of,
    .kind = { &fluxes },
    .run = { NULL, NULL, photometry_again, photometry_end },
};
