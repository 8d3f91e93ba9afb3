/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "grid_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int take_spectrum(struct reading *reading, const char *name, struct error *err)
{
    struct grid *grid = reading->grid;
    struct grid_spectrum *spectrum = &grid->spectrum[grid->n_spectrum++];
    char path[IO_NAME_MAX];

    text_format(spectrum->name, sizeof(spectrum->name), "%s", name);
    text_format(path, sizeof(path), "spectra/%s", name);
    /* nebular_continuum is what of the nebular emission is not in the lines. */
    if (!strcmp(name, "nebular_continuum") && !io_has(reading->file, path))
        return grid_take_table(reading, "spectra/nebular", "spectra/linecont", grid->n_lambda, UNITS_LNU,
                               &spectrum->lnu, err);
    return grid_take_table(reading, path, NULL, grid->n_lambda, UNITS_LNU, &spectrum->lnu, err);
}

static void name_from_path(const char *path, char *ret_name, size_t size)
{
    const char *slash = strrchr(path, '/');
    char *dot;

    text_format(ret_name, size, "%s", slash ? slash + 1 : path);
    dot = strrchr(ret_name, '.');
    if (dot && dot != ret_name)
        *dot = '\0';
}

/* Warnings of the ranks that read tables to all of the node. */
static int share_warnings(struct reading *reading, const struct node_share *share, int r)
{
    r = node_agree(node_share_all(share), r);
    if (!r)
        node_broadcast(node_share_all(share), &reading->grid->warnings, sizeof(reading->grid->warnings));
    return r;
}

static int open_reading(const char *path, const struct grid_needs *needs, struct reading *reading,
                        struct error *err)
{
    int r = 0;

    reading->grid = mem_array(1, sizeof(*reading->grid));
    if (!reading->grid)
        return error_set(err, POLYPHONY_INTERNAL, "'%s': no memory", path);
    name_from_path(path, reading->grid->name, sizeof(reading->grid->name));
    r = io_file_open(path, &reading->file, err);
    if (!r)
        r = grid_read_axes(reading, needs->n_fix, needs->fix, needs->scheme, err);
    return r ? r : grid_read_wavelengths(reading, err);
}

int grid_open(const char *path, const struct grid_needs *needs, const struct node_share *share,
              struct grid **ret_grid, struct error *err)
{
    struct reading reading = { .group = node_share_computing(share) };
    int r = node_agree(reading.group, open_reading(path, needs, &reading, err));

    for (size_t i = 0; !r && i < needs->n_spectrum; i++)
        r = take_spectrum(&reading, needs->spectrum[i], err);
    if (!r && needs->lines)
        r = grid_take_lines(&reading, err);
    if (!r)
        r = grid_fill_tables(&reading, err);
    if (!r && needs->lines)
        r = grid_make_continua(&reading, err);
    if (!r)
        reading.grid->sources = io_source_files(reading.file);
    if (!r)
        grid_warn_unitless(&reading);
    r = share_warnings(&reading, share, r);
    io_file_close(reading.file);
    if (r) {
        grid_free(reading.grid);
        return r;
    }
    for (size_t i = 0; i < reading.grid->n_table; i++)
        node_table_seal(&reading.grid->table[i]);
    *ret_grid = reading.grid;
    return 0;
}

void grid_free(struct grid *grid)
{
    if (!grid)
        return;
    for (size_t i = 0; i < grid->n_table; i++)
        node_table_release(&grid->table[i]);
    for (size_t a = 0; a < grid->n_axis_all; a++) {
        free(grid->axis[a].node);
        free(grid->axis[a].log10_node);
    }
    free(grid->lambda_rest_angstrom);
    free(grid->line_lambda_rest_angstrom);
    free(grid->line_id);
    text_list_free(&grid->sources);
    free(grid);
}

size_t grid_bytes(const struct grid *grid)
{
    size_t n = 0;

    for (size_t i = 0; i < grid->n_table; i++)
        n += grid->table[i].n_byte;
    return n;
}

const struct grid_axis *grid_find_axis(const struct grid *grid, enum grid_quantity quantity)
{
    for (size_t a = 0; a < grid->n_axis_all; a++)
        if (grid->axis[a].quantity == quantity)
            return &grid->axis[a];
    return NULL;
}

bool grid_history_is_log(const struct grid_axis *axis)
{
    return axis->n == 1 || axis->node[0] > 0;
}

struct axis_nodes grid_history_nodes(const struct grid_axis *axis)
{
    return (struct axis_nodes) { axis->n, grid_history_is_log(axis) ? axis->log10_node : axis->node };
}
