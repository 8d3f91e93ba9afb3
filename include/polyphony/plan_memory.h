/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What galaxies take, from the numbers of their particles, before they are read; how the stars of one that takes too
 * much are cut into tiles; and which galaxies go together. All depends on the rows and the bound only.
 */
#pragma once

#include "polyphony/plan.h"

/** Galaxies of a group, at most. */
#define PLAN_GROUP_MAX 32
/** Redshifts of which all that depends on them is kept; a group has no more. */
#define PLAN_FRAMES_MAX 8
/** Stars whose values in all images of a set are there at once. */
#define PLAN_IMAGE_STARS 16384
/** Tables of bands kept for galaxies to come, beyond those of the galaxies in hand [bytes]. */
#define PLAN_TABLES_KEPT_BYTES ((uint64_t)4 << 20)

/** What a rank may take for galaxies. */
struct memory_bound {
    uint64_t bytes;     /* for one galaxy's particles and scratch, or a group's; 0: no bound */
    size_t n_star_tile; /* stars in a tile, for tests and measurements; 0: as many as the bound allows */
    bool reads_ahead;   /* the next tile is read while one is computed */
};

/* ---- a galaxy ------------------------------------------------------------------------------------------ */

/** Parts of what a galaxy takes [bytes]; operations add theirs (take()). */
struct parts {
    uint64_t fixed;                 /* what stays: gas, histograms, spectra */
    uint64_t row;                   /* of values */
    uint64_t sums;                  /* over stars */
    uint64_t mix, images;           /* scratch of mixing one galaxy's spectra, and of images */
    uint64_t tables;                /* of bands */
    uint64_t star;                  /* for each star of the galaxy */
    uint64_t tile_star;             /* for each star of a tile */
    uint64_t read_star;             /* ... of which the reading is */
    uint64_t sums_least, sums_most; /* kept between tiles */
};

/**
 * What computing a galaxy takes, its particles and all scratch with this number of OpenMP threads [bytes]:
 * all of its stars at once, and in the smallest tiles of stars. Never less than pipeline_peak_bytes() after
 * it alone, and some megabytes more for small galaxies, whose stars then do not matter. The row of values is
 * counted; the grid and the catalogue's index come on top.
 */
uint64_t plan_galaxy_bytes(const struct plan *plan, uint64_t row);
uint64_t plan_galaxy_least_bytes(const struct plan *plan, uint64_t row);
/** The same for groups of the catalogue's galaxies, where they have memory_bytes (0: no bound); 0: none are
 * formed. */
uint64_t plan_group_bytes(const struct plan *plan, uint64_t memory_bytes);

/** How a galaxy's stars are cut into tiles. */
struct tiling {
    size_t n_tile;    /* at least 1 */
    size_t n_star;    /* of a tile; the last one has what is left */
    double room;      /* for sums between tiles, as observe_sums_begin() wants it; 0: one tile */
    uint64_t bytes;   /* what it takes */
    bool reads_ahead; /* the next tile fits, too */
};

/** Return: 0; POLYPHONY_SET_ASIDE when even the smallest tiles take more than is allowed. */
int tiling_choose(const struct plan *plan, const struct memory_bound *bound, uint64_t row,
                  struct tiling *ret_tiling, struct error *err);
/** Bytes of the first piece of a galaxy that is read: its gas and black holes, and the stars of a tile. */
uint64_t tiling_read_bytes(const struct plan *plan, uint64_t row, const struct tiling *tiling);

/* ---- groups of galaxies -------------------------------------------------------------------------------- */

/** What a group takes [bytes]: each galaxy that is in it, from its reading to its row; each thread, with the
 * galaxy that takes it most; and all of them together. */
uint64_t group_member_bytes(const struct plan *plan, uint64_t row);
uint64_t group_thread_bytes(const struct plan *plan, uint64_t row);
uint64_t group_shared_bytes(const struct plan *plan);

/** Is a row too large for all of a group to be kept? Then each thread has one. */
bool group_rows_are_large(const struct plan *plan);
/** Values of a row that are kept for each galaxy of a group. */
size_t group_row_stride(const struct plan *plan);
/** How many of these rows go together (at least 1), and what they take [bytes]. */
size_t group_choose(const struct plan *plan, const struct memory_bound *bound, size_t n, const uint64_t *row,
                    uint64_t *ret_bytes);
