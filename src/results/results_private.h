/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/io.h"
#include "polyphony/results.h"

#define RESULTS_FORMAT        "polyphony-results"
#define RESULTS_PATH_MAX      PLAN_PATH_MAX
#define LEDGER_PATH           "Run/Ledger"
#define ROWS_PATH             "Run/Rows"
#define LAYOUT_PATH           "Run/Layout"
#define SESSIONS_PATH         "Run/Sessions"
#define ID_PATH               "Galaxies/ID"
#define REDSHIFT_PATH         "Galaxies/Redshift"
#define CENSUS_MASS_PATH      "Galaxies/Census/StellarMass"
#define AXES_NAMES_PATH       "Axes/Names"
#define N_STAR_PATH           "Galaxies/NStars"
#define N_BLACK_HOLE_PATH     "Galaxies/NBlackHoles"
#define STAR_TAU_PATH         "Galaxies/Stars/OpticalDepths/Particles"
#define STAR_FIRST_PATH       "Galaxies/Stars/OpticalDepths/FirstParticle"
#define BLACK_HOLE_TAU_PATH   "Galaxies/BlackHoles/OpticalDepths/Particles"
#define BLACK_HOLE_FIRST_PATH "Galaxies/BlackHoles/OpticalDepths/FirstParticle"

/* Open for reading: a whole results file, of this version. POLYPHONY_INPUT, or POLYPHONY_USAGE for another
 * version. */
int results_file_open(const char *path, struct io_file **ret_file, struct error *err);

/* Path of a product's dataset. */
void results_product_path(const struct plan *plan, const struct product *product,
                          char ret_path[RESULTS_PATH_MAX]);

/* ---- the layout: made, or checked, by the same calls ------------------------------------------------- */

struct layout_part;

struct layout {
    struct io_file *file;
    bool is_new;    /* it is made; else a file is compared with it */
    bool has_views; /* views are compared too */
    uint64_t n_galaxy;
    struct layout_part *part; /* [n] datasets and their places, in the order of the layout */
    size_t n, capacity, next;
};

/* A dataset of rows. POLYPHONY_OUTPUT, or POLYPHONY_INPUT where a file has another. */
int layout_dataset(struct layout *layout, const char *path, const struct io_shape *shape, const char *units,
                   const char *description, struct error *err);
/* The same for one that was written by the caller, if it is new. */
int layout_note(struct layout *layout, const char *path, const struct io_shape *shape, struct error *err);
int layout_view(struct layout *layout, const char *path, const char *source, int rank, const uint64_t *column,
                const char *units, const char *description, struct error *err);
/* When all are through: note their places in the file, or compare with what was noted. */
int layout_finish(struct layout *layout, struct error *err);
/* Where a dataset begins; 0 if it has no bytes, or is none of the layout. */
uint64_t layout_offset(struct layout *layout, const char *path);
void layout_free(struct layout *layout);

/* All datasets of rows, the views of them, and the list by which they can be verified. */
int results_layout_rows(struct layout *layout, const struct plan *plan, struct error *err);
int results_layout_sessions(struct layout *layout, struct error *err);

/* What is the same for all galaxies: axes, instruments, the emission model. */
void results_write_constants(struct io_file *file, const struct plan *plan);

void results_write_provenance(struct io_file *file, const struct provenance *provenance);

/* ---- the file of results_open() ------------------------------------------------------------------- */

/* A dataset of rows. */
struct results_column {
    uint64_t offset;  /* in the file */
    size_t row_bytes; /* there */
    bool is_single;   /* float32 there */
    double bound;     /* no value is larger: it would not be finite there */
};

#define RESULTS_SPAN_MAX (1 << 15)

/* Values of a row that are checked in one go. */
struct results_span {
    size_t begin, n; /* in the row; n <= RESULTS_SPAN_MAX */
    double bound;
};

struct unsynced;

/* Read-only once open, but for `unsynced`, which has a lock. */
struct results {
    const struct plan *plan;
    char *path;
    int fd;
    struct results_column *column; /* [n_product] */
    struct results_span *span;     /* [n_span] all that are no integers */
    size_t n_span;
    uint64_t ledger_offset, star_tau_offset, black_hole_tau_offset; /* 0: not in the file */
    uint64_t sessions_offset;
    struct unsynced *unsynced; /* rows that are not known to be on disk */
};

void results_unsynced_open(struct results *results);
void results_unsynced_close(struct results *results);

/* Type of a product's dataset. */
enum io_type results_product_type(const struct plan *plan, const struct product *product);

/* From the columns. POLYPHONY_INTERNAL. */
void results_find_spans(struct results *results);
/* All that a row has becomes NaN, but for what is known of it. */
int results_write_nan_row(struct results *results, uint64_t row, struct error *err);
/* POLYPHONY_OUTPUT. */
int results_write_at(struct results *results, uint64_t offset, const void *bytes, size_t n,
                     struct error *err);

/* ---- raw bytes --------------------------------------------------------------------------------- */

/* As they were written: HDF5 is not asked, so a file that is being written can be read. POLYPHONY_INPUT also
 * at the file's end; `what` names the dataset. */
int results_read_at(const char *path, int fd, uint64_t offset, void *ret_bytes, size_t n, const char *what,
                    struct error *err);

/* ---- the ledger in pieces ------------------------------------------------------------------------ */

#define LEDGER_N_PIECE 1024 /* entries: a quarter of a megabyte */

struct ledger_reader {
    const char *path; /* borrowed */
    int fd;
    uint64_t n_galaxy, ledger_offset, id_offset;
};

/* From a file of results_file_open(); close with ledger_reader_close(). */
int ledger_reader_open(const char *path, struct io_file *file, struct ledger_reader *ret_reader,
                       struct error *err);
void ledger_reader_close(struct ledger_reader *reader);
/* Entries and ids of rows [first, first + n) as they are in the file. */
int ledger_read_piece(const struct ledger_reader *reader, uint64_t first, size_t n,
                      struct ledger_entry *ret_entry, int64_t *ret_id, struct error *err);
/* Could a run have written this entry? */
bool ledger_entry_is_whole(const struct ledger_entry *entry);
/* Does it count against its galaxy? */
bool ledger_entry_is_blamed(const struct ledger_entry *entry);
void ledger_count(struct ledger_counts *counts, const struct ledger_entry *entry);
