/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All axes of a grid: which of them the tables keep, and where a cell's rows are in the file.
 *
 * Axes of one value are cut away, and so are those for which the job has a value: the row of that node is
 * taken, or, between two nodes, the rows of both, interpolated as a particle of that value would be. So of f
 * such axes a cell is made of 2^f rows, with the same weights for all cells.
 */
#include "grid_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A fixed value so near to a node, of the distance to the next one, is that node: float32 makes 1e-7. */
#define NEAR_A_NODE 1e-6

/* The axes as the file has them. */
struct file_axes {
    struct reading *reading;
    size_t n;
    struct file_axis axis[GRID_AXIS_MAX];
    size_t stride[GRID_AXIS_MAX];              /* rows */
    const struct grid_fix *fix[GRID_AXIS_MAX]; /* NULL: not fixed */
    size_t lower[GRID_AXIS_MAX];               /* node of a fixed axis, and how far it is to the next one */
    double fraction[GRID_AXIS_MAX];
};

/* ---- in the file ------------------------------------------------------------------------------- */

/* "metallicities, ages" */
static void list_names(const char (*names)[IO_NAME_MAX], size_t n, char *ret_list, size_t size)
{
    *ret_list = '\0';
    for (size_t i = 0; i < n; i++) {
        strncat(ret_list, i ? ", " : "", size - strlen(ret_list) - 1);
        strncat(ret_list, names[i], size - strlen(ret_list) - 1);
    }
}

static int describe_axis(struct reading *reading, const char *name, struct error *err)
{
    struct grid_file_axis *axis = &reading->grid->file_axis[reading->grid->n_file_axis];
    char path[IO_NAME_MAX];
    double *value = NULL;
    int r;

    if (!text_format(axis->name, sizeof(axis->name), "%s", name) ||
        !text_format(path, sizeof(path), "axes/%s", name))
        return error_set(err, POLYPHONY_INPUT, "'%s': axis '%s' has too long a name",
                         io_file_path(reading->file), name);
    r = grid_read_list(reading->file, path, 1.0, &axis->n, &value, err);
    if (r)
        return r;
    axis->first = value[0];
    axis->last = value[axis->n - 1];
    free(value);
    reading->grid->n_file_axis++;
    return grid_unit_text(reading->file, path, axis->unit, sizeof(axis->unit), err);
}

/* Ages or metallicities at least: the grid is of stars. */
static int check_quantities(const char *file, const char (*names)[IO_NAME_MAX], size_t n, const char *list,
                            struct error *err)
{
    size_t n_found[3] = { 0 };

    for (size_t i = 0; i < n; i++) {
        bool ignored;
        enum grid_quantity quantity = grid_quantity_of(names[i], &ignored);

        if (quantity != GRID_OTHER && n_found[quantity]++)
            return error_set(err, POLYPHONY_INPUT, "'%s': the grid has two axes of %s: %s", file,
                             quantity == GRID_AGE ? "ages" : "metallicities", list);
    }
    if (!n_found[GRID_AGE] && !n_found[GRID_METALLICITY])
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': not a stellar population grid: of ages and metallicities it has neither, its axes are (%s); grids of black holes and of dust are not read so far",
            file, list);
    return 0;
}

static int read_file_axes(struct file_axes *axes, const char (*names)[IO_NAME_MAX], size_t n,
                          struct error *err)
{
    struct reading *reading = axes->reading;
    char list[256];
    int r;

    list_names(names, n, list, sizeof(list));
    if (n > GRID_AXIS_MAX)
        return error_set(err, POLYPHONY_INPUT, "'%s': the grid has %zu axes, at most %d are understood",
                         io_file_path(reading->file), n, GRID_AXIS_MAX);
    r = check_quantities(io_file_path(reading->file), names, n, list, err);
    for (size_t i = 0; !r && i < n; i++) {
        r = describe_axis(reading, names[i], err);
        axes->n++;
        if (!r)
            r = grid_read_axis(reading, names[i], &axes->axis[i], err);
    }
    return r;
}

/* ---- fixed by the job -------------------------------------------------------------------------- */

static int no_such_axis(const struct file_axes *axes, const char *name, struct error *err)
{
    const char *names[GRID_AXIS_MAX], *nearest;
    char list[256] = "";

    for (size_t i = 0; i < axes->n; i++) {
        names[i] = axes->axis[i].name;
        strncat(list, i ? ", " : "", sizeof(list) - strlen(list) - 1);
        strncat(list, names[i], sizeof(list) - strlen(list) - 1);
    }
    nearest = text_nearest(name, names, axes->n);
    return error_set(err, POLYPHONY_USAGE, "the grid '%s' has no axis '%.60s'%s%s%s (its axes: %s)",
                     io_file_path(axes->reading->file), name, nearest ? "; did you mean '" : "",
                     nearest ? nearest : "", nearest ? "'?" : "", list);
}

/* Between which nodes. */
static int place_fixed(struct file_axes *axes, size_t i, enum weights_scheme scheme, struct error *err)
{
    const struct file_axis *axis = &axes->axis[i];
    double value = axes->fix[i]->value, least = axis->value[0], most = axis->value[axis->n - 1];
    const struct axis_nodes nodes = { axis->n, axis->is_log ? axis->log10_value : axis->value };
    double x = axis->is_log ? log10(value) : value, fraction;

    /* To the same nearness: 0.1 as float32 is beyond 0.1. */
    if (!(value >= least - NEAR_A_NODE * fabs(least) && value <= most + NEAR_A_NODE * fabs(most)))
        return error_set(err, POLYPHONY_USAGE,
                         "%.17g is beyond the axis '%s' of the grid '%s', which is from %.17g to %.17g%s",
                         value, axis->name, io_file_path(axes->reading->file), least, most,
                         axis->quantity == GRID_AGE ? " yr" : "");
    weights_bracket(&nodes, scheme, x, &axes->lower[i], &fraction);
    if (fraction < NEAR_A_NODE)
        fraction = 0.0;
    if (fraction > 1.0 - NEAR_A_NODE)
        fraction = 1.0;
    /* A single row, where one is enough. */
    axes->lower[i] += fraction == 1.0;
    axes->fraction[i] = fraction == 1.0 ? 0.0 : fraction;
    return 0;
}

static int find_fixed(struct file_axes *axes, size_t n_fix, const struct grid_fix *fix,
                      enum weights_scheme scheme, struct error *err)
{
    int r = 0;

    for (size_t f = 0; !r && f < n_fix; f++) {
        size_t i = 0;

        while (i < axes->n && strcmp(axes->axis[i].name, fix[f].axis))
            i++;
        if (i == axes->n)
            return no_such_axis(axes, fix[f].axis, err);
        axes->fix[i] = &fix[f];
        r = place_fixed(axes, i, scheme, err);
    }
    return r;
}

/* The axis becomes one of a single value, between two nodes or on one. */
static void cut_away(const struct file_axes *axes, size_t i, struct grid_axis *axis)
{
    size_t lower = axes->lower[i];
    bool is_node = axes->fraction[i] == 0.0;

    axis->is_fixed = true;
    axis->below = axis->node[lower];
    axis->above = axis->node[is_node ? lower : lower + 1];
    axis->node[0] = is_node ? axis->below : axes->fix[i]->value;
    axis->log10_node[0] = is_node ? axis->log10_node[lower] : log10(axis->node[0]);
    axis->n = 1;
}

/* ---- to ours ----------------------------------------------------------------------------------- */

/* The file's axis becomes the grid's next one. */
static void keep_axis(struct file_axes *axes, size_t i)
{
    struct reading *reading = axes->reading;
    struct grid *grid = reading->grid;
    struct file_axis *from = &axes->axis[i];
    struct grid_axis *axis = &grid->axis[grid->n_axis_all];

    *axis = (struct grid_axis) { .quantity = from->quantity,
                                 .is_log = from->is_log,
                                 .n = from->n,
                                 .node = from->value,
                                 .log10_node = from->log10_value };
    memcpy(axis->name, from->name, sizeof(axis->name));
    memcpy(axis->unit, from->unit, sizeof(axis->unit));
    from->value = from->log10_value = NULL;
    if (axes->fix[i])
        cut_away(axes, i, axis);
    reading->arrangement.axis[grid->n_axis_all].n = from->n;
    reading->arrangement.axis[grid->n_axis_all].stride = axes->stride[i];
    reading->arrangement.axis[grid->n_axis_all].descends = from->descends;
    grid->n_axis_all++;
}

/* Ages, metallicities, then the others; those that tables depend on first. */
static int order_axes(struct file_axes *axes, struct error *err)
{
    struct grid *grid = axes->reading->grid;

    for (int is_cut = 0; is_cut < 2; is_cut++) {
        for (enum grid_quantity quantity = GRID_AGE; quantity <= GRID_OTHER; quantity++)
            for (size_t i = 0; i < axes->n; i++)
                if (axes->axis[i].quantity == quantity && (axes->axis[i].n == 1 || axes->fix[i]) == is_cut)
                    keep_axis(axes, i);
        if (!is_cut)
            grid->n_axis = grid->n_axis_all;
    }
    if (grid->n_axis > WEIGHTS_AXIS_MAX)
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': the grid has %zu axes of several values, at most %d are understood; fix one: 'grid: {file: ..., fix: {%s: %g}}'",
            io_file_path(axes->reading->file), grid->n_axis, WEIGHTS_AXIS_MAX,
            grid->axis[grid->n_axis - 1].name, grid->axis[grid->n_axis - 1].node[0]);
    grid->n_cell = 1;
    for (size_t a = 0; a < grid->n_axis; a++) {
        const struct grid_axis *axis = &grid->axis[a];

        grid->nodes[a] = (struct axis_nodes) { axis->n, axis->is_log ? axis->log10_node : axis->node };
        grid->n_cell *= axis->n;
    }
    return 0;
}

/* The rows that a cell is made of: each fixed axis between two nodes doubles them. */
static void select_rows(const struct file_axes *axes)
{
    struct arrangement *as = &axes->reading->arrangement;
    size_t n = 1;

    as->selection[0] = (struct selection) { 0, 1.0 };
    for (size_t i = 0; i < axes->n; i++) {
        const struct file_axis *axis = &axes->axis[i];
        double fraction = axes->fraction[i];
        size_t n_before = n;

        if (!axes->fix[i])
            continue;
        for (size_t s = 0; s < n_before; s++) {
            struct selection *selection = &as->selection[s];
            size_t at = axis->descends ? axis->n - 1 - axes->lower[i] : axes->lower[i];

            if (fraction > 0.0) {
                size_t next = axis->descends ? at - 1 : at + 1;

                as->selection[n++] = (struct selection) { selection->row + next * axes->stride[i],
                                                          selection->weight * fraction };
            }
            selection->row += at * axes->stride[i];
            selection->weight *= 1.0 - fraction;
        }
    }
    /* By insertion: sums over them are in the order of the file, however it is read. */
    for (size_t i = 1; i < n; i++) {
        struct selection kept = as->selection[i];
        size_t j = i;

        for (; j > 0 && as->selection[j - 1].row > kept.row; j--)
            as->selection[j] = as->selection[j - 1];
        as->selection[j] = kept;
    }
    as->n_selection = n;
}

static void arrange(const struct file_axes *axes)
{
    struct reading *reading = axes->reading;
    struct arrangement *as = &reading->arrangement;
    size_t stride = 1;

    select_rows(axes);
    as->is_ours = reading->grid->n_cell == as->n_row;
    for (size_t a = reading->grid->n_axis; a-- > 0; stride *= as->axis[a].n)
        as->is_ours &= as->axis[a].stride == stride && !as->axis[a].descends;
}

size_t grid_row_of_cell(const struct reading *reading, size_t cell)
{
    const struct arrangement *as = &reading->arrangement;
    size_t row = 0;

    for (size_t a = reading->grid->n_axis; a-- > 0;) {
        size_t n = as->axis[a].n, i = cell % n;

        row += (as->axis[a].descends ? n - 1 - i : i) * as->axis[a].stride;
        cell /= n;
    }
    return row;
}

bool grid_cell_of_row(const struct reading *reading, size_t row, size_t *ret_cell, double *ret_weight)
{
    const struct arrangement *as = &reading->arrangement;
    size_t cell = 0, first = row;

    for (size_t a = 0; a < reading->grid->n_axis; a++) {
        size_t n = as->axis[a].n, i = row / as->axis[a].stride % n;

        cell = cell * n + (as->axis[a].descends ? n - 1 - i : i);
        first -= i * as->axis[a].stride;
    }
    *ret_cell = cell;
    for (size_t s = 0; s < as->n_selection; s++)
        if (as->selection[s].row == first) {
            *ret_weight = as->selection[s].weight;
            return true;
        }
    return false;
}

void grid_format_cell(const struct reading *reading, size_t cell, char *ret_indices, char *ret_values,
                      size_t size)
{
    const struct grid *grid = reading->grid;
    size_t i_node[GRID_AXIS_MAX] = { 0 };
    const char *separator = "";

    for (size_t a = grid->n_axis; a-- > 0; cell /= grid->axis[a].n)
        i_node[a] = cell % grid->axis[a].n;
    *ret_indices = *ret_values = '\0';
    for (size_t a = 0; a < grid->n_axis_all; a++) {
        const struct grid_axis *axis = &grid->axis[a];
        size_t used = strlen(ret_indices), n = strlen(ret_values);

        if (axis->is_fixed)
            continue;
        text_format(ret_indices + used, size - used, "%s%s %zu", separator,
                    axis->quantity == GRID_AGE           ? "age"
                    : axis->quantity == GRID_METALLICITY ? "metallicity"
                                                         : axis->name,
                    grid_index_in_file(i_node[a], axis->n, reading->arrangement.axis[a].descends));
        text_format(ret_values + n, size - n, "%s%g%s", separator, axis->node[i_node[a]],
                    axis->quantity == GRID_AGE ? " yr" : "");
        separator = ", ";
    }
}

/* ---- all --------------------------------------------------------------------------------------- */

static int read_weight(struct reading *reading, struct error *err)
{
    const char *file = io_file_path(reading->file);
    char weight[64] = "";
    int r = 0;

    if (io_attr_has(reading->file, "/", "WeightVariable"))
        r = io_attr_read_text(reading->file, "/", "WeightVariable", weight, sizeof(weight), err);
    if (r)
        return r;
    if (!*weight || !strcasecmp(weight, "None"))
        warnings_add(
            &reading->grid->warnings,
            "'%s': the grid does not say what it is per (no 'WeightVariable'): taken as per solar mass of stars formed",
            file);
    else if (strcmp(weight, "initial_masses"))
        return error_set(err, POLYPHONY_INPUT,
                         "'%s': the grid is per '%s'; only grids per 'initial_masses' are understood", file,
                         weight);
    return 0;
}

static int take_axes(struct file_axes *axes, size_t n_fix, const struct grid_fix *fix,
                     enum weights_scheme scheme, struct error *err)
{
    struct arrangement *as = &axes->reading->arrangement;
    int r;

    as->n_row = 1;
    for (size_t i = axes->n; i-- > 0; as->n_row *= axes->axis[i].n)
        axes->stride[i] = as->n_row;
    r = find_fixed(axes, n_fix, fix, scheme, err);
    if (!r)
        r = order_axes(axes, err);
    if (!r)
        arrange(axes);
    return r;
}

int grid_read_axes(struct reading *reading, size_t n_fix, const struct grid_fix *fix,
                   enum weights_scheme scheme, struct error *err)
{
    struct file_axes axes = { .reading = reading };
    char(*names)[IO_NAME_MAX] = NULL;
    size_t n = 0;
    int r = io_attr_read_texts(reading->file, "/", "axes", &names, &n, err);

    if (r)
        return error_prefix(err, r, "not a stellar population grid");
    r = read_file_axes(&axes, (const char(*)[IO_NAME_MAX])names, n, err);
    free(names);
    if (!r)
        r = take_axes(&axes, n_fix, fix, scheme, err);
    for (size_t i = 0; i < axes.n; i++) {
        free(axes.axis[i].value);
        free(axes.axis[i].log10_value);
    }
    return r ? r : read_weight(reading, err);
}
