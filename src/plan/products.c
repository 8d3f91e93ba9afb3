/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plan_private.h"

#include <stdlib.h>
#include <string.h>

/* Products are counted first and placed second: one walk serves both. */
struct placing {
    struct product *product; /* NULL while counting */
    size_t n, n_value;
};

static void place(struct placing *placing, struct product product)
{
    product.n = 1;
    for (int i = 0; i < product.rank; i++)
        product.n *= product.dims[i];
    product.offset = placing->n_value;
    placing->n_value += product.n;
    if (placing->product)
        placing->product[placing->n] = product;
    placing->n++;
}

static void place_numbers(struct placing *placing)
{
    place(placing, (struct product) { .kind = PRODUCT_ID, .is_integer = true });
    place(placing, (struct product) { .kind = PRODUCT_REDSHIFT });
    place(placing, (struct product) { .kind = PRODUCT_N_STAR, .is_integer = true });
    place(placing, (struct product) { .kind = PRODUCT_N_GAS, .is_integer = true });
    place(placing, (struct product) { .kind = PRODUCT_N_BLACK_HOLE, .is_integer = true });
}

static void place_by_label(struct placing *placing, enum product_kind kind, const struct selection *selection,
                           size_t n)
{
    for (size_t l = 0; l < selection->n_label; l++)
        place(placing,
              (struct product) { .kind = kind, .i_label = selection->i_label[l], .rank = 1, .dims = { n } });
}

static void place_photometry(struct placing *placing, enum product_kind kind,
                             const struct selection *selection)
{
    if (selection->n_label && selection->n_filter)
        place(placing, (struct product) {
                           .kind = kind, .rank = 2, .dims = { selection->n_label, selection->n_filter } });
}

/* In the order in which images are made: by instrument, then label, then filter. */
static void place_images(struct placing *placing, const struct plan *plan, enum product_kind kind,
                         const struct image_plan *images)
{
    const struct selection *selection = &images->selection;

    for (size_t i = 0; i < selection->n_instrument; i++)
        for (size_t l = 0; l < selection->n_label; l++)
            for (size_t f = 0; f < plan->instrument[selection->i_instrument[i]].n_filter; f++)
                place(placing, (struct product) { .kind = kind,
                                                  .i_label = selection->i_label[l],
                                                  .i_instrument = selection->i_instrument[i],
                                                  .i_filter = f,
                                                  .rank = 2,
                                                  .dims = { images->n_pixel[i], images->n_pixel[i] } });
}

static void place_all(struct placing *placing, const struct plan *plan)
{
    const struct job_operations wanted = job_operations_of(plan->job), *ops = &wanted;
    const struct grid *grid = plan->grid;

    place_numbers(placing);
    if (ops->los_optical_depths) {
        place(placing, (struct product) { .kind = PRODUCT_STAR_TAU, .rank = 1, .dims = { 3 } });
        if (plan->catalogue->n_particle_all[BLACK_HOLES])
            place(placing, (struct product) { .kind = PRODUCT_BLACK_HOLE_TAU, .rank = 1, .dims = { 3 } });
    }
    if (ops->sfh)
        place(placing, (struct product) {
                           .kind = PRODUCT_SFH, .rank = 1, .dims = { grid_find_axis(grid, GRID_AGE)->n } });
    if (ops->sfzh)
        place(placing, (struct product) { .kind = PRODUCT_SFZH,
                                          .rank = 2,
                                          .dims = { grid_find_axis(grid, GRID_AGE)->n,
                                                    grid_find_axis(grid, GRID_METALLICITY)->n } });
    place_by_label(placing, PRODUCT_LNU, &plan->lnu, grid->n_lambda);
    place_by_label(placing, PRODUCT_FNU, &plan->fnu, grid->n_lambda);
    place_photometry(placing, PRODUCT_LUMINOSITIES, &plan->luminosities);
    place_photometry(placing, PRODUCT_FLUXES, &plan->fluxes);
    place_by_label(placing, PRODUCT_LINE_LUMINOSITY, &plan->lines, plan->n_line);
    place_by_label(placing, PRODUCT_LINE_CONTINUUM, &plan->lines, plan->n_line);
    place_by_label(placing, PRODUCT_LINE_FLUX, &plan->line_fluxes, plan->n_line);
    if (plan->line_fluxes.n_label)
        place(placing, (struct product) { .kind = PRODUCT_LINE_LAMBDA, .rank = 1, .dims = { plan->n_line } });
    place_images(placing, plan, PRODUCT_IMAGE_LUMINOSITY, &plan->images[0]);
    place_images(placing, plan, PRODUCT_IMAGE_FLUX, &plan->images[1]);
}

int plan_products(struct plan *plan, struct error *err)
{
    struct placing placing = { 0 };
    int r = 0;

    place_all(&placing, plan);
    plan->product = plan_array(plan, placing.n, sizeof(*plan->product), &r, err);
    if (r)
        return r;
    plan->n_product = placing.n;
    plan->n_value = placing.n_value;
    placing = (struct placing) { .product = plan->product };
    place_all(&placing, plan);
    return 0;
}
