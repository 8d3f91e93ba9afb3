/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * HDF5 in our idioms. The only room that includes hdf5.h.
 *
 * Reading uses the plain (serial) driver on each rank: measured to be faster than MPI-IO for inputs.
 * Serial writing makes a file under a temporary name and renames it into place when it is complete.
 * Files of many processes are laid out first (io_layout_*), every dataset contiguous and allocated early, so
 * that rows can afterwards be written at known file offsets without HDF5, MPI or any other rank.
 *
 * HDF5 as built by Debian is not thread-safe: call these functions from one thread at a time, all but
 * io_direct_read().
 * Every size read from a file is checked against the file before anything is allocated from it.
 */
#pragma once

#include "polyphony/base.h"

#include <mpi.h>

#define IO_RANK_MAX 8
#define IO_NAME_MAX 256

struct io_file;

/* ---- reading ------------------------------------------------------------------------------- */

/** Open for reading. POLYPHONY_INPUT says what it is instead: missing, a directory, empty, of another format,
 * truncated, open for writing, or never closed. No lock is needed where the file system has none. */
int io_file_open(const char *path, struct io_file **ret_file, struct error *err);
/** Close. NULL is fine. A file under construction that was not committed is removed. */
void io_file_close(struct io_file *file);
const char *io_file_path(const struct io_file *file);

/** Is there an object of this name? Every group on the way may be missing. A link that leads nowhere is
 * there: opening it says what is missing. */
bool io_has(struct io_file *file, const char *path);

enum io_class { IO_FLOAT, IO_INTEGER, IO_STRING, IO_OTHER };

struct io_info {
    enum io_class class;
    int rank;
    uint64_t dims[IO_RANK_MAX];
    uint64_t n; /* product of dims */
    size_t type_bytes;
};

/**
 * Shape and type class of a dataset, all of whose bytes are there: its files and those of links, sources of
 * virtual datasets and external raw files exist and are long enough, it was written completely, sources fit,
 * and filters are installed; else POLYPHONY_INPUT says what is missing. Looked at once a dataset and open
 * file.
 */
int io_dataset_info(struct io_file *file, const char *path, struct io_info *ret_info, struct error *err);

/**
 * The same, and it must be numeric with this rank and these extents; an extent given as 0 is free.
 */
int io_dataset_expect(struct io_file *file, const char *path, int rank, const uint64_t *dims,
                      struct io_info *ret_info, struct error *err);

/** All other files that the bytes of the datasets looked at so far come from, or that links on the way lie
 * in; free with text_list_free(). */
struct text_list io_source_files(const struct io_file *file);

/** Rows [row0, row0 + n_row) along the first axis, converted to double or int64. Integers are never rounded
 * or clamped: of floating-point data whole numbers up to 2^53 (2^24 in 4 bytes) are taken, of unsigned ones
 * those below 2^63; any other value is refused with its place. */
int io_read_rows_f64(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row, double *ret_data,
                     struct error *err);
int io_read_rows_i64(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row, int64_t *ret_data,
                     struct error *err);
/** The same, but -1 where io_read_rows_i64() refuses a number as too large, or as none: 2^64 - 1 and NaN are
 * usual for "nowhere". */
int io_read_rows_i64_or_none(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row,
                             int64_t *ret_data, struct error *err);

/** All of a one-dimensional string dataset, fixed or variable length, as names of at most IO_NAME_MAX - 1
 * bytes. */
int io_read_names(struct io_file *file, const char *path, uint64_t n, char (*ret_names)[IO_NAME_MAX],
                  struct error *err);

/** Names of the members of a group; *ret_names is the caller's, to be freed with free(). */
int io_list(struct io_file *file, const char *group, char (**ret_names)[IO_NAME_MAX], size_t *ret_n,
            struct error *err);

bool io_attr_has(struct io_file *file, const char *object, const char *name);
int io_attr_read_text(struct io_file *file, const char *object, const char *name, char *ret_text, size_t size,
                      struct error *err);
/** A one-dimensional array of strings; *ret_names is the caller's, to be freed with free(). */
int io_attr_read_texts(struct io_file *file, const char *object, const char *name,
                       char (**ret_names)[IO_NAME_MAX], size_t *ret_n, struct error *err);
int io_attr_read_i64(struct io_file *file, const char *object, const char *name, int64_t *ret_value,
                     struct error *err);
int io_attr_read_f64(struct io_file *file, const char *object, const char *name, double *ret_value,
                     struct error *err);

/** Names of all attributes of an object; *ret_names is the caller's, to be freed with free(). */
int io_attr_list(struct io_file *file, const char *object, char (**ret_names)[IO_NAME_MAX], size_t *ret_n,
                 struct error *err);
/** A text as io_attr_write_text() writes it, whatever its length; *ret_text is the caller's, to be freed with
 * free(). */
int io_attr_copy_text(struct io_file *file, const char *object, const char *name, char **ret_text,
                      struct error *err);

/* ---- reading numbers without HDF5, by any thread ---------------------------------------------- */

/** Numbers that lie in one piece in the file, as this machine holds them. */
struct io_direct {
    int fd;           /* the file's: good until it is closed */
    const char *path; /* of the file, borrowed from it */
    char dataset[96]; /* for messages; a longer path is cut off */
    uint64_t offset;  /* of the first [bytes] */
    uint64_t n;       /* how many */
    size_t type_bytes;
};

/** Can this dataset be read directly? Contiguous, native float64 or float32, and whole in the file. */
bool io_direct_find(struct io_file *file, const char *path, struct io_direct *ret_direct);
/**
 * Numbers [first, first + n) in the order of the file, as doubles. Any thread may call it at any time.
 * POLYPHONY_INPUT where the file fails to be read, or has become shorter; *ret_value then is undefined.
 */
int io_direct_read(const struct io_direct *direct, uint64_t first, uint64_t n, double *ret_value,
                   struct error *err);

/* ---- writing a file by one process ---------------------------------------------------------- */

/*
 * The first write that fails stays with its file: what is written afterwards does nothing and returns the same, and so does the
 * commit, with the same text. So a long row of writes may leave all looking at the status to the commit, and give no `err`.
 */
/** Of this process: 0, or the code of the first write that failed, and its text. */
int io_file_status(struct io_file *file, struct error *err);

/** Begin `path` under the name `path`.partial. POLYPHONY_OUTPUT also where less than 8 MiB are free. */
int io_file_create(const char *path, struct io_file **ret_file, struct error *err);
/** The file is complete: flush it to disk and give it its name. */
int io_file_commit(struct io_file *file, struct error *err);

/** Write a dataset whole; groups on the way are created. units NULL: no Units attribute. */
int io_write_f64(struct io_file *file, const char *path, int rank, const uint64_t *dims, const double *data,
                 const char *units, const char *description, struct error *err);
int io_write_i64(struct io_file *file, const char *path, int rank, const uint64_t *dims, const int64_t *data,
                 const char *units, const char *description, struct error *err);
/** n variable-length UTF-8 strings. */
int io_write_strings(struct io_file *file, const char *path, size_t n, const char *const *text,
                     const char *description, struct error *err);
/** n fixed-length strings, as long as the longest: the kind that a file of all ranks can hold. */
int io_write_names(struct io_file *file, const char *path, size_t n, const char *const *text,
                   const char *description, struct error *err);
/** Create without data, then write rows of the first axis piece by piece. */
int io_create_f64(struct io_file *file, const char *path, int rank, const uint64_t *dims, const char *units,
                  const char *description, struct error *err);
int io_create_i64(struct io_file *file, const char *path, int rank, const uint64_t *dims, const char *units,
                  const char *description, struct error *err);
int io_write_rows_f64(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row,
                      const double *data, struct error *err);
int io_write_rows_i64(struct io_file *file, const char *path, uint64_t row0, uint64_t n_row,
                      const int64_t *data, struct error *err);

int io_make_group(struct io_file *file, const char *path, struct error *err);
int io_attr_write_text(struct io_file *file, const char *object, const char *name, const char *text,
                       struct error *err);
int io_attr_write_texts(struct io_file *file, const char *object, const char *name, size_t n,
                        const char *const *texts, struct error *err);
int io_attr_write_bool(struct io_file *file, const char *object, const char *name, bool value,
                       struct error *err);
int io_attr_write_i64(struct io_file *file, const char *object, const char *name, int64_t value,
                      struct error *err);
int io_attr_write_f64(struct io_file *file, const char *object, const char *name, double value,
                      struct error *err);

/* ---- laying out a file by all ranks, for rows at known offsets -------------------------------- */

enum io_type { IO_F64, IO_F32, IO_I64, IO_I32, IO_U64, IO_RECORD };

/** One member of a record (compound type): a number or a fixed-length string. */
struct io_member {
    const char *name;
    enum io_type type;
    size_t offset;
    size_t text_bytes; /* > 0: a string of this many bytes; type is ignored */
};

/** Collective: begin `path`.partial on every rank of `comm`. All the writers above then work, called alike by
 * all ranks. */
int io_layout_create(const char *path, MPI_Comm comm, struct io_file **ret_file, struct error *err);

/** Create a dataset, contiguous, allocated now, not filled (reads as zeros until written). */
int io_layout_dataset(struct io_file *file, const char *path, enum io_type type, int rank,
                      const uint64_t *dims, const char *units, const char *description, struct error *err);
/** A one-dimensional dataset of records of `size` bytes. */
int io_layout_records(struct io_file *file, const char *path, uint64_t n, size_t size,
                      const struct io_member *members, size_t n_member, const char *description,
                      struct error *err);
/**
 * A dataset that shows a column of another one in the same file: view[g] = source[g, column...].
 * No data of its own (HDF5 virtual dataset), so writing the source writes the view.
 */
int io_layout_column_view(struct io_file *file, const char *path, const char *source, const uint64_t *column,
                          const char *units, const char *description, struct error *err);
/**
 * Collective: each rank writes a block of its own of a dataset of the layout, `count` values along each axis
 * from `start` on, in the dataset's type. Where any count is 0 the rank writes nothing, but takes part. The
 * same status on all ranks.
 */
int io_layout_write_block(struct io_file *file, const char *path, const uint64_t *start,
                          const uint64_t *count, const void *data, struct error *err);
/** Collective: the layout is complete, and the file has its name; it is on disk when the system pleases
 * (io_file_commit(): now). Close it afterwards. */
int io_layout_commit(struct io_file *file, struct error *err);

/** Where the bytes of a contiguous dataset begin in the file; 0 for one of no values. */
int io_dataset_offset(struct io_file *file, const char *path, uint64_t *ret_offset, struct error *err);

/* ---- is a layout still what it was? --------------------------------------------------------------- */

/** What a dataset was laid out as. */
struct io_shape {
    enum io_type type;
    int rank;
    uint64_t dims[IO_RANK_MAX];
    size_t record_bytes; /* and the two below: of IO_RECORD */
    const struct io_member *member;
    size_t n_member;
};

/** Where its bytes are in the file. */
struct io_place {
    uint64_t offset, n_byte; /* offset 0 where there are none */
};

/**
 * A dataset that is to be written without HDF5 is one of this file itself, with no soft or external link on
 * the way, of this type, byte order and extents, in one piece that lies within the file. POLYPHONY_INPUT
 * with the dataset, what was found and what was expected.
 */
int io_layout_expect(struct io_file *file, const char *path, const struct io_shape *shape,
                     struct io_place *ret_place, struct error *err);
/** The same for a view of io_layout_column_view(): of n numbers, of a `source` of `rank` axes. */
int io_view_expect(struct io_file *file, const char *path, const char *source, int rank,
                   const uint64_t *column, uint64_t n, struct error *err);
/** The message of both, with what is wrong with the dataset. */
int io_expect_fail(struct io_file *file, const char *path, const char *what, struct error *err);

/** Names of the libraries for the provenance: "HDF5 1.10.8", "Open MPI v4.1.4". */
void io_versions(char *ret_hdf5, char *ret_mpi, size_t size);
