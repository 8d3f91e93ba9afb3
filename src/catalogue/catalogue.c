/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "catalogue_private.h"

#include <stdlib.h>
#include <string.h>

/* The version is 1, however it was written: an integer, 1.0, or the text "1". */
static int read_version(struct io_file *file, double *ret_version, struct error *err)
{
    int64_t integer;
    char text[64];
    int r = io_attr_read_i64(file, "/", "version", &integer, err);

    if (!r)
        *ret_version = (double)integer;
    else if (!io_attr_read_f64(file, "/", "version", ret_version, NULL))
        r = 0;
    else if (!io_attr_read_text(file, "/", "version", text, sizeof(text), NULL))
        r = text_to_double(text, ret_version)
                ? 0
                : error_set(err, POLYPHONY_INPUT, "'%s': attribute 'version' of '/' is '%s', expected 1",
                            io_file_path(file), text);
    return r;
}

static int check_format(struct io_file *file, struct error *err)
{
    char format[64] = "";
    double version = 0;
    int r = io_attr_read_text(file, "/", "format", format, sizeof(format), err);

    if (!r)
        r = read_version(file, &version, err);
    if (!r && (strcmp(format, "polyphony-catalogue") || version != 1.0))
        r = error_set(err, POLYPHONY_INPUT,
                      "'%s': format '%s' version %g, expected 'polyphony-catalogue' version 1",
                      io_file_path(file), format, version);
    return r ? error_prefix(err, r, "not a galaxy catalogue") : 0;
}

/* ---- opening ----------------------------------------------------------------------------------- */

/* Everything about the file but the values in it. */
static int find_parts(struct catalogue *catalogue, const char *path, struct error *err)
{
    struct catalogue_reader *reader = catalogue->reader;
    int r = io_file_open(path, &reader->file, err);

    if (!r)
        r = check_format(reader->file, err);
    if (!r)
        r = index_find(catalogue, err);
    if (!r)
        r = fields_find(catalogue, err);
    if (!r)
        catalogue_find_unused(catalogue);
    if (!r)
        catalogue->sources = io_source_files(reader->file);
    return r;
}

/* A list of one rank to the others. */
static int broadcast_sources(struct catalogue *catalogue, const struct node_group *group, struct error *err)
{
    struct text_list *sources = &catalogue->sources;
    int r = 0;

    node_broadcast(group, &sources->n, sizeof(sources->n));
    node_broadcast(group, &sources->n_byte, sizeof(sources->n_byte));
    if (!node_is_first(group) && sources->n) {
        sources->text = malloc(sources->n_byte);
        if (!sources->text)
            r = error_set(err, POLYPHONY_INTERNAL, "no memory for the files of the catalogue");
    }
    r = node_agree(group, r);
    if (!r && sources->n)
        node_broadcast(group, sources->text, sources->n_byte);
    return r;
}

/* What one rank has found is true for all. */
static void broadcast_parts(struct catalogue *catalogue, const struct node_group *group)
{
    struct catalogue_reader *reader = catalogue->reader;
    const struct {
        void *data;
        size_t n_byte;
    } parts[] = {
        { &catalogue->n_galaxy, sizeof(catalogue->n_galaxy) },
        { catalogue->n_particle_all, sizeof(catalogue->n_particle_all) },
        { catalogue->has_field, sizeof(catalogue->has_field) },
        { catalogue->unused, sizeof(catalogue->unused) },
        { &catalogue->has_dust, sizeof(catalogue->has_dust) },
        { reader->source, sizeof(reader->source) },
        { reader->has_column, sizeof(reader->has_column) },
        { reader->column_factor, sizeof(reader->column_factor) },
        { &reader->frame, sizeof(reader->frame) },
        { &reader->uses_scale_factor, sizeof(reader->uses_scale_factor) },
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        node_broadcast(group, parts[i].data, parts[i].n_byte);
}

static struct catalogue *catalogue_new(const struct catalogue_needs *needs)
{
    struct catalogue *catalogue = mem_array(1, sizeof(*catalogue));

    if (catalogue)
        catalogue->reader = mem_array(1, sizeof(*catalogue->reader));
    if (!catalogue || !catalogue->reader) {
        free(catalogue);
        return NULL;
    }
    catalogue->reader->needs = *needs;
    fields_name(catalogue->reader);
    return catalogue;
}

/* Where the particles are, and the memory through which they go. */
static int prepare_reading(struct catalogue *catalogue, struct error *err)
{
    struct catalogue_reader *reader = catalogue->reader;

    for (size_t c = 0; c < N_COMPONENT; c++)
        for (size_t f = 0; f < N_FIELD; f++) {
            struct source *source = &reader->source[c][f];

            if (catalogue->has_field[c][f] && !io_direct_find(reader->file, source->path, &source->direct))
                source->direct.n = 0;
        }
    reader->window = malloc(CATALOGUE_WINDOW_BYTES);
    return reader->window ? 0 : error_set(err, POLYPHONY_INTERNAL, "no memory to read galaxies");
}

int catalogue_open(const char *path, const struct catalogue_needs *needs, const struct node_share *share,
                   struct catalogue **ret_catalogue, struct error *err)
{
    const struct node_group *group = node_share_all(share);
    bool computes = node_share_computes(share), fills = false;
    struct catalogue *catalogue = catalogue_new(needs);
    int r = catalogue ? 0 : error_set(err, POLYPHONY_INTERNAL, "'%s': no memory", path);

    if (!r && node_is_first(group))
        r = find_parts(catalogue, path, err);
    r = node_agree(group, r);
    if (!r) {
        broadcast_parts(catalogue, group);
        r = broadcast_sources(catalogue, group, err);
    }
    if (!r)
        r = index_take(catalogue, group, &fills, err);
    if (!r && (fills || computes) && !catalogue->reader->file)
        r = io_file_open(path, &catalogue->reader->file, err);
    if (!r && fills)
        r = index_fill(catalogue, err);
    if (!r && computes)
        r = prepare_reading(catalogue, err);
    r = node_agree(group, r);
    if (r) {
        catalogue_close(catalogue);
        return r;
    }
    node_broadcast(group, &catalogue->warnings, sizeof(catalogue->warnings));
    node_table_seal(&catalogue->reader->index);
    if (!computes) {
        io_file_close(catalogue->reader->file);
        catalogue->reader->file = NULL;
    }
    *ret_catalogue = catalogue;
    return 0;
}

void catalogue_close(struct catalogue *catalogue)
{
    if (!catalogue)
        return;
    io_file_close(catalogue->reader->file);
    index_release(catalogue);
    free(catalogue->reader->window);
    free(catalogue->reader);
    text_list_free(&catalogue->sources);
    free(catalogue);
}

void catalogue_drop_pages(const struct catalogue *catalogue)
{
    node_table_drop_pages(&catalogue->reader->index);
}

void catalogue_touch_pages(const struct catalogue *catalogue)
{
    node_table_touch_pages(&catalogue->reader->index);
}
