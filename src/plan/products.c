/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a row holds and where: for each operation the products of its kinds, by instrument, label and filter as their
 * paths say. Those that are complete before the stars come again lie first, so that a group need keep no more of its
 * galaxies until then.
 */
#include "plan_private.h"

#include <string.h>

/* Products are counted first and placed second: one walk serves both. */
struct placing {
    const struct plan *plan;
    struct product *product; /* NULL while counting */
    size_t n, n_value;
};

/* Has the path a place for this letter? */
static bool has_place(const struct product_kind *kind, char letter)
{
    const char place[] = { '%', letter, '\0' };

    return strstr(kind->path, place) != NULL;
}

static uint64_t axis_length(const struct plan *plan, const struct step *step, const struct product_kind *kind,
                            enum product_axis axis, size_t i_selected)
{
    switch (axis) {
    case AXIS_LAMBDA:
        return plan->grid->n_lambda;
    case AXIS_AGE:
        return grid_find_axis(plan->grid, GRID_AGE)->n;
    case AXIS_METALLICITY:
        return grid_find_axis(plan->grid, GRID_METALLICITY)->n;
    case AXIS_GRID:
        return plan->grid->n_axis;
    case AXIS_LINE:
        return plan->n_line;
    case AXIS_LABEL:
        return step->selection.n_label;
    case AXIS_FILTER:
        return step->selection.n_filter;
    case AXIS_PIXEL:
        return step->images->n_pixel[i_selected];
    case AXIS_VALUE:
        return kind->n_value;
    case AXIS_NONE:
        break;
    }
    return 0;
}

static void place(struct placing *placing, struct product product, size_t i_selected)
{
    const struct product_kind *kind = product.kind;

    product.n = 1;
    product.is_integer = kind->precision == PRECISION_INTEGER;
    while (product.rank < PRODUCT_AXES_MAX && kind->axis[product.rank] != AXIS_NONE) {
        product.dims[product.rank] =
            axis_length(placing->plan, product.step, kind, kind->axis[product.rank], i_selected);
        product.n *= product.dims[product.rank++];
    }
    product.offset = placing->n_value;
    placing->n_value += product.n;
    if (placing->product)
        placing->product[placing->n] = product;
    placing->n++;
}

/* By instrument, then label, then filter: so images are made. */
static void place_kind(struct placing *placing, const struct step *step, const struct product_kind *kind)
{
    const struct selection *selection = &step->selection;
    size_t n_instrument = has_place(kind, 'i') ? selection->n_instrument : 1;
    size_t n_label = has_place(kind, 'l') ? selection->n_label : 1;

    for (size_t i = 0; i < n_instrument; i++) {
        size_t instrument = has_place(kind, 'i') ? selection->i_instrument[i] : 0;
        size_t n_filter = has_place(kind, 'f') ? placing->plan->instrument[instrument].n_filter : 1;

        for (size_t l = 0; l < n_label; l++)
            for (size_t f = 0; f < n_filter; f++)
                place(placing,
                      (struct product) { .kind = kind,
                                         .step = step,
                                         .i_label = has_place(kind, 'l') ? selection->i_label[l] : 0,
                                         .i_instrument = instrument,
                                         .i_filter = f },
                      i);
    }
}

static void place_steps(struct placing *placing, enum row_part part)
{
    const struct plan *plan = placing->plan;

    for (size_t s = 0; s < plan->n_step; s++) {
        const struct step *step = &plan->step[s];
        const struct operation *operation = step->operation;

        if (operation->part != part || (operation->job.key && !step->options))
            continue;
        for (size_t k = 0; k < OPERATION_KINDS_MAX && operation->kind[k]; k++)
            if (!operation->kind[k]->is_wanted || operation->kind[k]->is_wanted(plan, step))
                place_kind(placing, step, operation->kind[k]);
    }
}

static void place_early(struct placing *placing)
{
    place_steps(placing, ROW_EARLY);
    place_steps(placing, ROW_EARLY_LAST);
}

int plan_products(struct plan *plan, struct error *err)
{
    struct placing placing = { .plan = plan };
    int r = 0;

    place_early(&placing);
    plan->n_early = placing.n_value;
    place_steps(&placing, ROW_LATE);
    plan->product = plan_array(plan, placing.n, sizeof(*plan->product), &r, err);
    if (r)
        return r;
    plan->n_product = placing.n;
    plan->n_value = placing.n_value;
    placing = (struct placing) { .plan = plan, .product = plan->product };
    place_early(&placing);
    place_steps(&placing, ROW_LATE);
    return 0;
}

void product_path(const char *pattern, const struct path_names *names, char ret_path[PLAN_PATH_MAX])
{
    size_t n = 0;

    ret_path[0] = '\0';
    for (const char *c = pattern; *c && n + 1 < PLAN_PATH_MAX; c++) {
        if (*c != '%') {
            ret_path[n++] = *c;
            ret_path[n] = '\0';
            continue;
        }
        c++;
        text_format(ret_path + n, PLAN_PATH_MAX - n, "%s",
                    *c == 'c'   ? names->component
                    : *c == 'e' ? names->emitter
                    : *c == 'l' ? names->label
                    : *c == 'i' ? names->instrument
                                : names->filter);
        n = strlen(ret_path);
    }
}

void plan_product_path(const struct plan *plan, const struct product *product, const char *pattern,
                       char ret_path[PLAN_PATH_MAX])
{
    const struct emitter *emitter = product->step->emitter;
    const struct instrument *instrument = &plan->instrument[product->i_instrument];
    struct path_names names = {
        .component = component_names[emitter ? emitter->component : product->kind->component]
    };
    char prefix[16] = "";

    if (emitter && emitter->component != STARS)
        text_format(prefix, sizeof(prefix), "%s/", names.component);
    names.emitter = prefix;
    if (strstr(pattern, "%l"))
        names.label = plan->program.label[product->i_label].name;
    if (strstr(pattern, "%i"))
        names.instrument = instrument->label;
    if (strstr(pattern, "%f"))
        names.filter = instrument->filter[product->i_filter].code;
    product_path(pattern, &names, ret_path);
}
