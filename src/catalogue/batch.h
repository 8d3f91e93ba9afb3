/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Galaxies that are read together, field by field: what lies near each other in the file is read in one
 * request into a window, and goes from there, checked and in our units, to the arrays of each galaxy. One
 * galaxy, or a tile of one, is a batch of one.
 *
 * A galaxy that fails is left out from then on, so that it has the text of its first failure, whoever is read
 * along with it.
 */
#pragma once

#include "catalogue_private.h"

#define BATCH_MAX 64 /* galaxies read together */
#define N_VECTOR  3

/* One galaxy of the batch, and its particles of the component that is being read. */
struct part {
    uint64_t row;
    uint64_t first_tile; /* of the tile, in the galaxy */
    size_t n_tile;
    struct galaxy galaxy;
    int status;
    struct error *err;

    uint64_t begin; /* in the file */
    uint64_t first; /* in the galaxy, for messages */
    size_t n;
    double *to[N_VECTOR]; /* [n] each */
};

struct batch {
    struct catalogue *catalogue;
    enum component tiled;        /* the component of which a tile is read */
    struct arena *around, *tile; /* the first may be NULL */
    enum component component;    /* that is being read, into this arena */
    struct arena *arena;
    size_t n;
    struct part part[BATCH_MAX];
    struct part *in_file[BATCH_MAX]; /* in the order of their places there */
};

/* Begin one without parts, which are 50 kB and not cleared. */
void batch_begin(struct batch *batch, struct catalogue *catalogue, enum component tiled, struct arena *around,
                 struct arena *tile);

/* The first part, or the one after this, that has not failed; NULL after the last. */
struct part *batch_next(struct batch *batch, struct part *part);
/* What is read from now on. */
void batch_choose(struct batch *batch, enum component component);
/* Read a field of all parts: into `to` of each. */
void batch_read(struct batch *batch, enum field field);
/* Check a number that the galaxy has once; out of bounds sets it aside. */
int batch_check_number(const struct catalogue *catalogue, uint64_t row, const char *path, enum bound bound,
                       double value, struct error *err);
/* Check one of order one, which rounding may have taken below 0: then it is 0, and counts once, however many
 * tiles there are. */
int batch_take_number(const struct batch *batch, struct part *part, const char *path, enum bound bound,
                      double *value);
