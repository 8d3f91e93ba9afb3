/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What was found out of the datasets of a file: the list of all other files (they are hashed for the results),
 * and from which of them each row comes, because such a file may also change later, while it is read.
 */
#include "io_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_OPEN_MAX 64 /* source files that HDF5 has open at a time for one read */

/* ---- what is known ------------------------------------------------------------------------------------ */

/* As it was when it was looked at. */
struct source_file {
    char *path;
    dev_t device;
    ino_t inode;
    off_t n_byte;
    struct timespec changed;
};

/* Rows of a dataset that come from a file. */
struct origin {
    uint64_t row_begin, row_end;
    size_t i_file;
};

struct known_dataset {
    char *path;
    struct origin *origin;
    size_t n_origin, origin_capacity;
};

struct io_known {
    struct source_file *file;
    size_t n_file, file_capacity;
    struct known_dataset *dataset;
    size_t n_dataset, dataset_capacity;
    struct io_identity *whole; /* datasets that are there from end to end */
    size_t n_whole, whole_capacity;
};

void io_known_free(struct io_known *known)
{
    if (!known)
        return;
    for (size_t i = 0; i < known->n_file; i++)
        free(known->file[i].path);
    for (size_t i = 0; i < known->n_dataset; i++) {
        free(known->dataset[i].path);
        free(known->dataset[i].origin);
    }
    free(known->file);
    free(known->dataset);
    free(known->whole);
    free(known);
}

/* The input itself is none of its own sources. */
static bool is_input(const struct io_file *file, const struct stat *st)
{
    struct stat own;

    return !fstat(io_descriptor_of(file->id), &own) && own.st_dev == st->st_dev && own.st_ino == st->st_ino;
}

static size_t find_or_add_file(struct io_known *known, const char *path, const struct stat *st)
{
    size_t i = 0;

    while (i < known->n_file && (known->file[i].device != st->st_dev || known->file[i].inode != st->st_ino))
        i++;
    if (i < known->n_file)
        return i;
    known->file = mem_grow(known->file, i, &known->file_capacity, sizeof(*known->file));
    known->file[known->n_file++] =
        (struct source_file) { mem_text(path), st->st_dev, st->st_ino, st->st_size, st->st_mtim };
    return i;
}

int io_look_remember(void *context, const char *path, struct error *err)
{
    struct io_look *look = context;
    struct io_known *known = look->file->known;
    struct known_dataset *dataset = &known->dataset[look->i_dataset];
    struct stat st;
    size_t i_file;

    if (stat(path, &st))
        return error_set(err, POLYPHONY_INPUT, "'%s': %s", path, strerror(errno));
    if (is_input(look->file, &st))
        return 0;
    i_file = find_or_add_file(known, path, &st);
    for (size_t i = dataset->n_origin; i > 0 && dataset->n_origin - i < 8; i--)
        if (dataset->origin[i - 1].i_file == i_file && dataset->origin[i - 1].row_begin == look->row_begin &&
            dataset->origin[i - 1].row_end == look->row_end)
            return 0;
    dataset->origin =
        mem_grow(dataset->origin, dataset->n_origin, &dataset->origin_capacity, sizeof(*dataset->origin));
    dataset->origin[dataset->n_origin++] = (struct origin) { look->row_begin, look->row_end, i_file };
    return 0;
}

static const struct known_dataset *find_known(const struct io_file *file, const char *path)
{
    const struct io_known *known = file->known;

    for (size_t i = 0; known && i < known->n_dataset; i++)
        if (!strcmp(known->dataset[i].path, path))
            return &known->dataset[i];
    return NULL;
}

struct io_look io_known_begin(struct io_file *file, const char *path)
{
    struct io_known *known = file->known ? file->known : mem_small(1, sizeof(*known));
    size_t i = known->n_dataset++;

    file->known = known;
    known->dataset = mem_grow(known->dataset, i, &known->dataset_capacity, sizeof(*known->dataset));
    known->dataset[i] = (struct known_dataset) { .path = mem_text(path) };
    return (struct io_look) { .file = file, .i_dataset = i, .row_end = UINT64_MAX };
}

void io_known_forget(struct io_known *known)
{
    struct known_dataset *dataset = &known->dataset[--known->n_dataset];

    free(dataset->path);
    free(dataset->origin);
}

bool io_identity_is_same(const struct io_identity *a, const struct io_identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->address == b->address;
}

bool io_known_is_whole(const struct io_known *known, const struct io_identity *identity)
{
    for (size_t i = known->n_whole; i > 0; i--)
        if (io_identity_is_same(&known->whole[i - 1], identity))
            return true;
    return false;
}

void io_known_keep_whole(struct io_known *known, const struct io_identity *identity)
{
    known->whole = mem_grow(known->whole, known->n_whole, &known->whole_capacity, sizeof(*known->whole));
    known->whole[known->n_whole++] = *identity;
}

bool io_known_has(const struct io_file *file, const char *path)
{
    return find_known(file, path) != NULL;
}

static bool meets(const struct origin *origin, uint64_t row0, uint64_t n)
{
    return origin->row_begin < row0 + n && origin->row_end > row0;
}

uint64_t io_known_rows(const struct io_file *file, const char *path, uint64_t row0, uint64_t n)
{
    const struct known_dataset *dataset = find_known(file, path);

    for (; dataset && dataset->n_origin > N_OPEN_MAX && n > 1; n = (n + 1) / 2) {
        size_t n_met = 0;

        for (size_t i = 0; i < dataset->n_origin; i++)
            n_met += meets(&dataset->origin[i], row0, n);
        if (n_met <= N_OPEN_MAX)
            break;
    }
    return n;
}

/* While a view is open its sources are: if one could not be opened because of too many, no other file can be. */
static bool can_open_more(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0 || (errno != EMFILE && errno != ENFILE);
}

int io_known_unchanged(const struct io_file *file, const char *path, uint64_t row0, uint64_t n,
                       struct error *err)
{
    const struct known_dataset *dataset = find_known(file, path);

    if (dataset && dataset->n_origin && !can_open_more())
        return error_set(
            err, POLYPHONY_INPUT,
            "'%s': dataset '%s': its source files cannot all be open at a time: %s; raise the limit ('ulimit -n')",
            file->path, path, strerror(errno));
    for (size_t i = 0; dataset && i < dataset->n_origin; i++) {
        const struct source_file *source = &file->known->file[dataset->origin[i].i_file];
        struct stat st;

        if (!meets(&dataset->origin[i], row0, n))
            continue;
        if (stat(source->path, &st) || st.st_ino != source->inode || st.st_dev != source->device ||
            st.st_size != source->n_byte || st.st_mtim.tv_sec != source->changed.tv_sec ||
            st.st_mtim.tv_nsec != source->changed.tv_nsec)
            return error_set(
                err, POLYPHONY_INPUT,
                "'%s': dataset '%s': its source '%s' was changed or removed while it was being read",
                file->path, path, source->path);
    }
    return 0;
}

struct text_list io_source_files(const struct io_file *file)
{
    struct text_list paths = { 0 };

    for (size_t i = 0; file->known && i < file->known->n_file; i++)
        text_list_add(&paths, file->known->file[i].path);
    return paths;
}
