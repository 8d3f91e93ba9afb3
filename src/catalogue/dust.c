/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dust.h"

static double dust_ratio_of(const struct catalogue *catalogue, uint64_t row)
{
    const struct catalogue_reader *reader = catalogue->reader;

    return reader->galaxy_dust_ratio ? reader->galaxy_dust_ratio[row] : reader->needs.dust_to_metal_ratio;
}

/* A field that is read already if the job needs it. */
static void find_values(struct batch *batch, enum field field, const double *ret_value[BATCH_MAX])
{
    bool is_read = batch->catalogue->reader->needs.field[GAS][field];

    if (!is_read)
        batch_read(batch, field);
    for (struct part *part = batch_next(batch, NULL); part; part = batch_next(batch, part))
        ret_value[part - batch->part] = is_read ? part->galaxy.particles[GAS].field[field] : part->to[0];
}

void dust_make(struct batch *batch)
{
    bool has_ratio = batch->catalogue->has_field[GAS][FIELD_DUST_TO_METAL_RATIO];
    const double *metallicity[BATCH_MAX], *ratio[BATCH_MAX];
    double *mass[BATCH_MAX], ratio_all[BATCH_MAX];
    struct arena_mark mark;

    for (struct part *part = batch_next(batch, NULL); part; part = batch_next(batch, part)) {
        ratio_all[part - batch->part] = dust_ratio_of(batch->catalogue, part->row);
        part->status = batch_take_number(batch, part, "Galaxies/dust_to_metal_ratio", NOT_NEGATIVE,
                                         &ratio_all[part - batch->part]);
    }
    batch_read(batch, FIELD_MASS_MSUN);
    for (struct part *part = batch_next(batch, NULL); part; part = batch_next(batch, part))
        mass[part - batch->part] = part->to[0];
    mark = arena_mark(batch->arena);
    find_values(batch, FIELD_METALLICITY, metallicity);
    if (has_ratio)
        find_values(batch, FIELD_DUST_TO_METAL_RATIO, ratio);
    for (struct part *part = batch_next(batch, NULL); part; part = batch_next(batch, part)) {
        size_t p = (size_t)(part - batch->part);

        for (size_t i = 0; i < part->n; i++)
            mass[p][i] *= metallicity[p][i] * (has_ratio ? ratio[p][i] : ratio_all[p]);
        part->galaxy.particles[GAS].field[FIELD_DUST_MASS_MSUN] = mass[p];
    }
    arena_release(batch->arena, mark);
}
