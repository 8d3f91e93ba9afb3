/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sums over stars of operations: spectra and lines. */
#include "polyphony/work.h"

static const struct observe_columns *columns_of(const struct work *w, const struct step *step, size_t i)
{
    return step->operation->sums_columns(w->plan, i);
}

int sums_begin(struct work *w, const struct step *step, size_t i, const bool *is_wanted, struct error *err)
{
    if (work_is_direct(w))
        return 0;
    return observe_sums_begin(work_light(w, step), columns_of(w, step, i), is_wanted, w->tiling.room,
                              &w->sums[step->i_sums + i], w->arena, err);
}

int sums_add(struct work *w, const struct step *step, size_t i, double *const *label, struct error *err)
{
    struct observe_sums *sums = &w->sums[step->i_sums + i];
    int r;

    if (work_is_direct(w))
        return observe_direct(work_light(w, step), columns_of(w, step, i), label, 0, NULL, w->arena, err);
    r = observe_sums_add(work_light(w, step), sums, w->arena, err);
    if (!r && w->i_tile + 1 == w->tiling.n_tile)
        observe_sums_next(work_light(w, step), sums);
    return r;
}

/* Galaxies of a group have been mixed together by now. */
int sums_end(struct work *w, const struct step *step, size_t i, double *const *label, struct error *err)
{
    const struct stellar_light *light = work_light(w, step);
    struct observe_sums *sums = &w->sums[step->i_sums + i];
    int r;

    if (work_is_direct(w))
        return 0;
    r = w->is_grouped ? 0 : observe_sums_mix(1, &light, &sums, w->arena, err);
    return r ? r : observe_sums_end(light, sums, label, w->arena, err);
}

void sums_mark_labels(const struct selection *selection, bool *is_wanted)
{
    for (size_t l = 0; l < selection->n_label; l++)
        is_wanted[selection->i_label[l]] = true;
}

void sums_place_labels(struct work *w, const struct step *step, const struct product_kind *kind,
                       double **ret_label)
{
    const struct selection *selection = &step->selection;

    for (size_t l = 0; l < selection->n_label; l++)
        ret_label[selection->i_label[l]] = work_place(w, step, kind, selection->i_label[l]);
}
