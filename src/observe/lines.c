/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Emission lines: luminosities and continua at rest, fluxes observed. Both work on the same lines of the grid. */
#include "polyphony/job_schema.h"
#include "polyphony/work.h"

#include <string.h>

struct job_lines {
    char **ids;
    unsigned n_ids;
    char **labels;
    unsigned n_labels;
};

static const cyaml_schema_field_t fields[] = { SCHEMA_NAMES(struct job_lines, ids),
                                               SCHEMA_NAMES(struct job_lines, labels), CYAML_FIELD_END };

static struct named_parts parts_of(const void *options)
{
    const struct job_lines *job = options;

    return (struct named_parts) { .label = job->labels, .n_label = job->n_labels };
}

/* ---- which lines ------------------------------------------------------------------------------------- */

/* Which lines may be meant, and where they are listed. */
static int tell_no_line(const struct plan *plan, const char *key, const char *id, struct error *err)
{
    const struct grid *grid = plan->grid;
    size_t near[3], n = grid_find_lines(grid, id, 3, near);
    struct line_meant meant;
    char what[128] = "", list[4 * GRID_NAME_MAX] = "";

    if (grid_read_line_name(id, &meant) && meant.is_known)
        text_format(what, sizeof(what), " (%s at %.1f angstrom in vacuum, %.1f in air)", meant.ion,
                    meant.lambda_angstrom, grid_air_wavelength(meant.lambda_angstrom));
    for (size_t i = 0; i < n; i++)
        text_format(list + strlen(list), sizeof(list) - strlen(list), "%s'%s'%s",
                    i == 0   ? "; did you mean "
                    : i == 1 ? " Near it are "
                             : ", ",
                    grid->line_id[near[i]], i == 0 ? "?" : "");
    return job_error(plan->job, err, key,
                     "the grid has no line '%s'%s%s; 'polyphony grid %s --lines' lists all", id, what, list,
                     plan->job->grid);
}

static int find_line(struct plan *plan, const char *key, const char *id, size_t *ret_line, struct error *err)
{
    const struct grid *grid = plan->grid;
    size_t n = 0;

    for (size_t i = 0; i < grid->n_line; i++)
        if (!strcmp(grid->line_id[i], id)) {
            *ret_line = n++ ? *ret_line : i;
            if (n > 1)
                warnings_add(
                    &plan->warnings,
                    "the grid has more than one line '%s': that at %.8g angstrom is taken, not that at %.8g",
                    id, grid->line_lambda_rest_angstrom[*ret_line], grid->line_lambda_rest_angstrom[i]);
        }
    return n ? 0 : tell_no_line(plan, key, id, err);
}

static bool ids_are_equal(const struct job_lines *a, const struct job_lines *b)
{
    for (unsigned i = 0; i < a->n_ids && a->n_ids == b->n_ids; i++)
        if (strcmp(a->ids[i], b->ids[i]))
            return false;
    return a->n_ids == b->n_ids;
}

/* The lines of both line operations: those asked for, in the order of the list, or all in grid order. */
static int select_lines(struct plan *plan, const char *key, const struct job_lines *job, struct error *err)
{
    size_t n = plan_name_is_all(job->ids, job->n_ids) ? plan->grid->n_line : job->n_ids, *i_line;
    char path[64];
    int r = 0;

    text_format(path, sizeof(path), "operations.%s.ids", key);
    i_line = plan_array(plan, n, sizeof(*i_line), &r, err);
    for (size_t i = 0; !r && i < n; i++) {
        i_line[i] = i;
        if (!plan_name_is_all(job->ids, job->n_ids))
            r = find_line(plan, path, job->ids[i], &i_line[i], err);
    }
    return r ? r : plan_set_lines(plan, n, i_line, err);
}

/* One list serves both operations: that of the one which gives it. */
static int declare(struct plan *plan, struct step *step, struct error *err)
{
    const struct job_lines *lines = job_options(plan->job, "lines");
    const struct job_lines *observed = job_options(plan->job, "observed_lines");
    bool is_given = lines && job_given(plan->job, "operations.lines.ids");
    bool is_given_observed = observed && job_given(plan->job, "operations.observed_lines.ids");

    (void)step;
    if (is_given && is_given_observed && !ids_are_equal(lines, observed))
        return job_error(plan->job, err, "operations.observed_lines.ids",
                         "must be the same list as operations.lines.ids");
    if (plan->i_line)
        return 0; /* done for the other one */
    if (!lines || (is_given_observed && !is_given))
        return select_lines(plan, "observed_lines", observed, err);
    return select_lines(plan, "lines", lines, err);
}

/* ---- at rest ----------------------------------------------------------------------------------------- */

static const struct product_kind luminosities = { .path = "Galaxies/%c/Lines/Luminosity/%l",
                                                  .units = "erg/s",
                                                  .description = "Line luminosities of Lines/IDs",
                                                  .axis = { AXIS_LINE } };
static const struct product_kind continua = { .path = "Galaxies/%c/Lines/Continuum/%l",
                                              .units = "erg/(Hz*s)",
                                              .description = "Rest-frame continuum at the lines of Lines/IDs",
                                              .axis = { AXIS_LINE } };

enum { LUMINOSITY, CONTINUUM, N_LINE_SUMS };

static const struct observe_columns *columns_of(const struct plan *plan, size_t i_sums)
{
    return i_sums == CONTINUUM ? &plan->line_continuum : &plan->line_luminosity;
}

static int lines_all(struct work *w, const struct step *step, struct error *err)
{
    bool is_wanted[EMISSION_LABEL_MAX] = { false };
    int r = 0;

    sums_mark_labels(&step->selection, is_wanted);
    work_keep_mark(w);
    for (size_t i = 0; !r && i < step->operation->n_sums; i++)
        r = sums_begin(w, step, i, is_wanted, err);
    return r;
}

static int lines_again(struct work *w, const struct step *step, struct error *err)
{
    int r = 0;

    for (size_t i = 0; !r && i < step->operation->n_sums; i++) {
        double *label[EMISSION_LABEL_MAX] = { 0 };

        sums_place_labels(w, step, step->operation->kind[i], label);
        r = sums_add(w, step, i, label, err);
    }
    return r;
}

static int lines_end(struct work *w, const struct step *step, struct error *err)
{
    int r = 0;

    for (size_t i = 0; !r && i < step->operation->n_sums; i++) {
        double *label[EMISSION_LABEL_MAX] = { 0 };

        sums_place_labels(w, step, step->operation->kind[i], label);
        r = sums_end(w, step, i, label, err);
    }
    work_return_to_mark(w);
    return r;
}

const struct operation operation_lines = {
    .job = {
    .key = "lines",
    .fields = fields,
    .size = sizeof(struct job_lines),
    .template_lines =
        "  lines:                      # luminosities [erg/s] and continua [erg/s/Hz] of emission lines\n"
        "    ids: [all]                # line ids of the grid, e.g. ['H 1 6562.80A']; serves observed_lines too\n"
        "    labels: [all]\n",
    },
    .title = "line luminosities",
    .stage = "Emission Line Luminosities",
    .needs = NEEDS_LIGHT | NEEDS_LINES,
    .parts = parts_of,
    .kind = { [LUMINOSITY] = &luminosities, [CONTINUUM] = &continua },
    .declare = declare,
    .n_sums = N_LINE_SUMS,
    .sums_columns = columns_of,
    .run = { NULL, lines_all, lines_again, lines_end },
};

/* ---- observed ---------------------------------------------------------------------------------------- */

static const struct product_kind fluxes = { .path = "Galaxies/%c/Lines/Flux/%l",
                                            .units = "erg/(cm**2*s)",
                                            .description = "Observed line fluxes of Lines/IDs",
                                            .axis = { AXIS_LINE } };
/* Once for all emitters. */
static bool is_first(const struct plan *plan, const struct step *step)
{
    (void)plan;
    return step->emitter->i == 0;
}

static const struct product_kind wavelengths = { .is_wanted = is_first,
                                                 .path = "Galaxies/Lines/ObservedWavelengths",
                                                 .units = "angstrom",
                                                 .description =
                                                     "Observed wavelengths of Lines/IDs, by galaxy",
                                                 .axis = { AXIS_LINE } };

/* Fluxes are luminosities until then. */
static int observed_lines_end(struct work *w, const struct step *step, struct error *err)
{
    const struct plan *plan = w->plan;
    double *flux[EMISSION_LABEL_MAX] = { 0 };
    int r = lines_end(w, step, err);

    sums_place_labels(w, step, &fluxes, flux);
    for (size_t l = 0; !r && l < EMISSION_LABEL_MAX; l++)
        if (flux[l])
            observer_line_flux(&w->frame->observer, plan->n_line, flux[l], flux[l]);
    if (step->emitter->i == 0)
        memcpy(work_place(w, step, &wavelengths, 0), w->frame->observer.line_lambda_angstrom,
               plan->n_line * sizeof(double));
    return r;
}

const struct operation operation_observed_lines = {
    .job = {
    .key = "observed_lines",
    .fields = fields,
    .size = sizeof(struct job_lines),
    .template_lines = "  observed_lines:             # fluxes [erg/s/cm^2] and observed wavelengths\n"
                      "    ids: [all]\n"
                      "    labels: [all]\n",
    },
    .title = "line fluxes",
    .stage = "Emission Line Fluxes",
    .frame = BAND_OBSERVED,
    .needs = NEEDS_LIGHT | NEEDS_LINES,
    .parts = parts_of,
    .kind = { &fluxes, &wavelengths },
    .declare = declare,
    .n_sums = 1,
    .sums_columns = columns_of,
    .run = { NULL, lines_all, lines_again, observed_lines_end },
};
