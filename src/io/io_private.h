/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/io.h"

#include <hdf5.h>
#include <sys/stat.h>
#include <sys/types.h>

struct io_file {
    hid_t id;
    MPI_Comm comm;           /* MPI_COMM_NULL when one process has the file to itself */
    int comm_rank;           /* 0 when one process owns the file */
    off_t size_bytes;        /* when it was opened for reading; 0 otherwise */
    char *path;              /* its name when complete */
    char *partial_path;      /* its name under construction; NULL when reading or committed */
    uint64_t promised_bytes; /* of all datasets of a file under construction */
    int room_fd;             /* holds disk space back until the file is closed, or -1; see room_hold() */
    int lock_fd;             /* keeps those who would write to it off while it is read, or -1 */
    int status;              /* of the first write that failed; then nothing more is written */
    struct error failure;    /* its text */
    struct io_known *known;  /* what was found out of its datasets; NULL: nothing */
};

/** Dataset id, or a negative number with `err` set. */
hid_t io_dataset_open(struct io_file *file, const char *path, struct error *err);

/** n strings of `type`, of a dataset or attribute, as names of fixed room; false where they cannot be read. */
bool io_strings_read(hid_t id, bool is_attribute, hid_t type, hid_t space, uint64_t n,
                     char (*ret_names)[IO_NAME_MAX]);

/** The object stays open with its attribute: behind a link into another file its texts can be read only as
 * long as something there is open. */
struct io_attribute {
    hid_t object, id;
};
int io_attr_open(struct io_file *file, const char *object, const char *name, struct io_attribute *ret,
                 struct error *err);
void io_attr_close(struct io_attribute *attribute);

/** What a writer returns: keeps the first failure (r, with its text in file->failure), and hands it out. */
int io_written(struct io_file *file, int r, struct error *err);
/** Write the Units (unless NULL) and Description attributes of an open object. */
int io_label(struct io_file *file, hid_t object, const char *path, const char *units,
             const char *description);

/** Type of the values of a dataset, to be closed. */
hid_t io_shape_type(const struct io_shape *shape);

/** Before anything else of HDF5: how it locks, and that it says nothing. More than once is fine. */
void io_hdf5_begin(void);
/** The descriptor by which HDF5 reads an open file; -1 without. Good until the file is closed. */
int io_descriptor_of(hid_t file);

/* ---- opening to read (open.c) -------------------------------------------------------------------- */

/**
 * Open an HDF5 file to read, by HDF5. POLYPHONY_INPUT says what it is instead: missing, a directory, empty,
 * of another format, truncated, open for writing. *ret_lock_fd, unless NULL, keeps off those who would write.
 */
int io_hdf5_open(const char *path, hid_t *ret_id, int *ret_lock_fd, struct error *err);

/* ---- links (link.c) -------------------------------------------------------------------------------- */

enum io_prefix { IO_PREFIX_LINK, IO_PREFIX_VIEW };

/** Told of every other file on the way. A negative code ends the way. */
typedef int (*io_visit_file)(void *context, const char *path, struct error *err);

/**
 * Open the file that `name` means to HDF5 in a link or view of an object of `file`: it is looked for in
 * several places. *ret_path: where it was, to be freed.
 */
int io_find_file(hid_t file, const char *name, enum io_prefix prefix, hid_t *ret_id, char **ret_path,
                 struct error *err);
/** Is there a file of that name in one of these places? */
bool io_can_find_file(hid_t file, const char *name, enum io_prefix prefix);

/** Open a dataset, link by link, so that what is missing on the way can be named; `visit` may be NULL. */
int io_follow(hid_t file, const char *path, io_visit_file visit, void *context, hid_t *ret_dataset,
              struct error *err);

/* ---- what datasets consist of (source.c, storage.c, view.c, boxes.c, filter.c) -------------- */

/** Rank, extents and size; `n` is 0 without a dataspace. */
struct io_extent {
    int rank;
    uint64_t dims[IO_RANK_MAX], n, n_byte;
    size_t type_bytes;
};
int io_extent_of(hid_t dataset, struct io_extent *ret_shape, struct error *err);

/** Part of a dataset: [begin, end) along each axis. */
struct io_box {
    uint64_t begin[IO_RANK_MAX], end[IO_RANK_MAX];
};
struct io_boxes {
    struct io_box *box;
    size_t n, capacity;
};
/** A selection that has a start, strides, counts and blocks. */
struct io_regular {
    int rank, i_unlimited; /* the axis that has no end, or -1 */
    hsize_t start[H5S_MAX_RANK], stride[H5S_MAX_RANK], count[H5S_MAX_RANK], block[H5S_MAX_RANK];
};
bool io_regular_of(hid_t space, struct io_regular *ret_regular);
/** How many of the places along an axis of `extent` an unlimited one has. */
hsize_t io_regular_n(const struct io_regular *regular, hsize_t extent);
int io_boxes_add_regular(struct io_boxes *boxes, const struct io_regular *regular, struct error *err);
/** The first n places along its axis of an unlimited one. */
int io_boxes_add_unlimited(struct io_boxes *boxes, const struct io_regular *regular, hsize_t n,
                           struct error *err);
/** All of a selection that has its bounds. */
int io_boxes_add_selection(struct io_boxes *boxes, hid_t space, struct error *err);
/** Does every place of `whole` lie in one of the boxes? If not, *ret_hole is one that does not. */
bool io_boxes_cover(struct io_boxes *boxes, int rank, const struct io_box *whole,
                    uint64_t ret_hole[IO_RANK_MAX]);
/** One of them, in words: "index 3", "index (3, 0)". */
void io_place_format(int rank, const uint64_t *place, char *dst, size_t size);

/** A dataset, whatever it is called. */
struct io_identity {
    dev_t device;
    ino_t inode;
    haddr_t address;
};

#define IO_NESTING_MAX 8

/** The way from the dataset that was asked for to where bytes are. */
struct io_look {
    struct io_file *file; /* the input */
    size_t i_dataset;     /* of those known */
    struct io_identity chain[IO_NESTING_MAX];
    size_t n_chain;
    uint64_t row_begin, row_end; /* rows of the dataset asked for that are being followed */
};

/** The part of a dataset that is needed; asked for when its shape may be. */
typedef int (*io_find_part)(void *context, hid_t dataset, struct io_box *ret_part, struct error *err);

/** Is this part of a dataset (NULL: all) there? Follows views. */
int io_look_at(struct io_look *look, hid_t dataset, io_find_part find_part, void *context, struct error *err);
void io_whole_box(const struct io_extent *shape, struct io_box *ret_box);
/** As io_visit_file: bytes of these rows come from that file; the context is the look. */
int io_look_remember(void *look, const char *path, struct error *err);

/** The same for one that has data of its own. *ret_is_whole: is all of it there? */
int io_check_storage(struct io_look *look, hid_t dataset, hid_t creation, io_find_part find_part,
                     void *context, bool *ret_is_whole, struct error *err);
/** Are the filters there that a dataset needs? */
int io_check_filters(hid_t creation, struct error *err);

/* ---- what is known of the datasets looked at so far (known.c) ------------------------------------- */

/** A dataset is looked at: what is remembered from now on is of it. */
struct io_look io_known_begin(struct io_file *file, const char *path);
/** Of the one begun last, which is not whole, nothing is kept but the files. */
void io_known_forget(struct io_known *known);
bool io_known_has(const struct io_file *file, const char *path);
bool io_identity_is_same(const struct io_identity *a, const struct io_identity *b);
/** Datasets, of any file, that are there from end to end. */
bool io_known_is_whole(const struct io_known *known, const struct io_identity *identity);
void io_known_keep_whole(struct io_known *known, const struct io_identity *identity);

/** Look at a dataset that was just opened, unless it was looked at before; views: before its shape is asked
 * for. */
int io_know(struct io_file *file, const char *path, hid_t dataset, struct error *err);
/** How many rows from row0 on, of n, can be read in one go: few enough files are opened for them. */
uint64_t io_known_rows(const struct io_file *file, const char *path, uint64_t row0, uint64_t n);
/** Just read: are the files from which these rows came as they were when they were looked at? HDF5 reads
 * zeros where they are not. */
int io_known_unchanged(const struct io_file *file, const char *path, uint64_t row0, uint64_t n,
                       struct error *err);
void io_known_free(struct io_known *known);
/**
 * Collective: a dataset of so many bytes is about to be created. POLYPHONY_OUTPUT where the file would be
 * longer than this process, or the file system, allows: HDF5 1.10 gives a file its length when it is closed,
 * and crashes at the end of the program where that fails.
 */
int io_promise(struct io_file *file, const char *path, uint64_t n_byte);

/** Why HDF5 could not write, as well as can be told: a limit of the file size, or "disk full?". */
const char *io_why_not_written(struct io_file *file);
