/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Galaxies, or tiles of their stars, from the catalogue to memory; the next one while the present is
 * computed.
 *
 * There are two buffers. The piece in hand is in one; a thread of its own, if there is one, reads the next
 * piece into the other. With a thread it alone reads the catalogue, so that HDF5 is never called by two.
 */
#pragma once

#include "polyphony/pipeline.h"

struct reader;

/** What is read at once: particles of a component of a galaxy, with all that is around them or without; or a
 * group of whole galaxies. */
struct reader_piece {
    size_t n_group;                 /* 0: a galaxy alone */
    uint64_t group[PLAN_GROUP_MAX]; /* [n_group] rows; the rest is then not used */
    uint64_t row;
    enum component component; /* whose particles come in tiles */
    uint64_t first;
    size_t n;
    bool with_around;
};

/** Of the settings: reads_ahead (there is a thread, which may run wherever this thread may now), reads. */
int reader_open(struct catalogue *catalogue, const struct pipeline_settings *settings,
                struct reader **ret_reader, struct error *err);
/** Waits for what is being read. NULL is fine. */
void reader_close(struct reader *reader);

/** This piece will be taken next: begin to read it, if there is a thread and it has nothing to do. A piece
 * without what is around its stars must be of the galaxy in hand. */
void reader_begin(struct reader *reader, const struct reader_piece *piece);
/**
 * Wait for a piece, and take it in hand in place of the one before. What was begun and is not this piece is
 * dropped. Returns and errors are those of catalogue_read_tile().
 */
int reader_take(struct reader *reader, const struct reader_piece *piece, struct galaxy *ret_galaxy,
                struct error *err);
/**
 * The same for a group: ret_galaxy[n_group], each with a status of its own (0 or POLYPHONY_SET_ASIDE, or what
 * ends the run) and, if that is not 0, a text in ret_error. All are valid until the next piece is taken.
 */
void reader_take_group(struct reader *reader, const struct reader_piece *piece, struct galaxy *ret_galaxy,
                       int *ret_status, struct error *ret_error);
/** Drop what was begun; on return nothing is being read. */
void reader_drop(struct reader *reader);

/** Is this piece what was begun? */
bool reader_has(struct reader *reader, const struct reader_piece *piece);

/** Memory of both buffers [bytes], as of the last reader_take(). */
size_t reader_bytes(const struct reader *reader);
/** What is in hand is not needed any more: give back all memory but that of the piece that was begun. */
void reader_trim(struct reader *reader);
