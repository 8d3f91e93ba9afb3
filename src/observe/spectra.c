/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Spectra of galaxies, at rest and observed. */
#include "polyphony/job_schema.h"
#include "polyphony/work.h"

/* Lists of names: never empty, no name twice; the name "all" stands for every one there is. */
struct job_spectra {
    char **labels;
    unsigned n_labels;
};

static const cyaml_schema_field_t fields[] = { SCHEMA_NAMES(struct job_spectra, labels), CYAML_FIELD_END };

static struct named_parts parts_of(const void *options)
{
    const struct job_spectra *job = options;

    return (struct named_parts) { .label = job->labels, .n_label = job->n_labels };
}

static const struct product_kind luminosities = {
    .path = "Galaxies/%c/Spectra/SpectralLuminosityDensities/%l",
    .units = "erg/(Hz*s)",
    .description = "Rest-frame spectral luminosity density at Wavelengths/Rest",
    .axis = { AXIS_LAMBDA },
    .precision = PRECISION_SPECTRA
};
static const struct product_kind fluxes = {
    .path = "Galaxies/%c/Spectra/SpectralFluxDensities/%l",
    .units = "nJy",
    .description = "Observed flux density at Wavelengths/Rest times (1 + Galaxies/Redshift)",
    .axis = { AXIS_LAMBDA },
    .precision = PRECISION_SPECTRA
};

/* ---- at rest: also for all that is made from spectra ------------------------------------------------- */

static bool are_needed(const struct plan *plan)
{
    return plan->needs_spectra;
}

static const struct observe_columns *columns_of(const struct plan *plan, size_t i_sums)
{
    (void)i_sums;
    return &plan->spectra;
}

/* Labels whose spectra are a product, or needed for one. */
static void mark_spectra(const struct plan *plan, const struct emitter *emitter, bool *is_wanted)
{
    for (size_t i = 0; i < plan->n_step; i++)
        if (plan->step[i].emitter == emitter &&
            (plan->step[i].operation->needs & (NEEDS_SPECTRA | NEEDS_BANDS)) && !plan->step[i].images)
            sums_mark_labels(&plan->step[i].selection, is_wanted);
}

/* Spectra that are not products, and one that is seen through filters. */
static void take(const struct plan *plan, const struct step *step, uint64_t row, struct parts *parts)
{
    (void)row;
    parts->fixed +=
        (plan->program.n_label - step->selection.n_label + 1) * (uint64_t)plan->spectra.n * sizeof(double);
}

/* Spectra go straight to the row where they are products; where only photometry needs them, to scratch. */
static int place_spectra(struct work *w, const struct step *step, const bool *is_wanted, struct error *err)
{
    double **lnu = w->label_lnu[step->emitter->i];

    for (size_t l = 0; l < w->plan->program.n_label; l++) {
        lnu[l] = is_wanted[l] ? work_place(w, step, &luminosities, l) : NULL;
        if (is_wanted[l] && !lnu[l])
            lnu[l] = arena_zeros(w->arena, w->plan->spectra.n, sizeof(double));
        if (is_wanted[l] && !lnu[l])
            return work_no_memory(w, err);
    }
    return 0;
}

static int spectra_all(struct work *w, const struct step *step, struct error *err)
{
    bool is_wanted[EMISSION_LABEL_MAX] = { false };
    int r;

    mark_spectra(w->plan, step->emitter, is_wanted);
    r = w->is_grouped ? 0 : place_spectra(w, step, is_wanted, err);
    work_keep_mark(w);
    return r ? r : sums_begin(w, step, 0, is_wanted, err);
}

static int spectra_again(struct work *w, const struct step *step, struct error *err)
{
    return work_is_direct(w) ? direct_spectra(w, step, err)
                             : sums_add(w, step, 0, w->label_lnu[step->emitter->i], err);
}

static int spectra_end(struct work *w, const struct step *step, struct error *err)
{
    bool is_wanted[EMISSION_LABEL_MAX] = { false };
    int r;

    mark_spectra(w->plan, step->emitter, is_wanted);
    r = w->is_grouped ? place_spectra(w, step, is_wanted, err) : 0; /* a group's rows are there only now */
    if (!r)
        r = sums_end(w, step, 0, w->label_lnu[step->emitter->i], err);
    work_return_to_mark(w);
    return r;
}

const struct operation operation_spectra = {
    .job = {
    .key = "spectra",
    .fields = fields,
    .size = sizeof(struct job_spectra),
    .template_lines =
        "  spectra:                    # rest-frame luminosity densities [erg/s/Hz]\n"
        "    labels: [all]             # spectra of the emission model, e.g. [intrinsic, emergent]\n",
    },
    .title = "rest-frame spectra",
    .stage = "Lnu Spectra",
    .needs = NEEDS_LIGHT | NEEDS_SPECTRA,
    .parts = parts_of,
    .kind = { &luminosities },
    .runs = are_needed,
    .n_sums = 1,
    .sums_columns = columns_of,
    .take = take,
    .run = { NULL, spectra_all, spectra_again, spectra_end },
};

/* ---- observed ---------------------------------------------------------------------------------------- */

static int observed_spectra_end(struct work *w, const struct step *step, struct error *err)
{
    const struct selection *selection = &step->selection;

    (void)err;
    for (size_t l = 0; l < selection->n_label; l++)
        observer_fnu(&w->frame->observer, w->plan->spectra.n,
                     w->label_lnu[step->emitter->i][selection->i_label[l]],
                     work_place(w, step, &fluxes, selection->i_label[l]));
    return 0;
}

const struct operation operation_observed_spectra = {
    .job = {
    .key = "observed_spectra",
    .fields = fields,
    .size = sizeof(struct job_spectra),
    .template_lines = "  observed_spectra:           # flux densities [nJy] at the galaxy's redshift\n"
                      "    labels: [all]\n",
    },
    .title = "observed spectra",
    .stage = "Fnu Spectra",
    .frame = BAND_OBSERVED,
    .needs = NEEDS_LIGHT | NEEDS_SPECTRA,
    .parts = parts_of,
    .kind = { &fluxes },
    .run = { NULL, NULL, NULL, observed_spectra_end },
};
