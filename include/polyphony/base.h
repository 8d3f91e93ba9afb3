/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What every room stands on: errors with context, memory, hashing, clocks, words.
 *
 * Return codes. 0 is done. A positive code means "this galaxy is set aside" and is recorded with its
 * row. A negative code ends the run; its magnitude is the exit code of the program, so that it can
 * travel untouched from where the fact is known to main().
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum polyphony_code {
    POLYPHONY_OK = 0,
    POLYPHONY_SET_ASIDE = 1, /* one galaxy cannot be processed; exit code 1 if any was */
    POLYPHONY_USAGE = -2,    /* command line or job file */
    POLYPHONY_INPUT = -3,    /* unreadable or invalid input */
    POLYPHONY_STOPPED = -4,  /* stopped early, the same command continues */
    POLYPHONY_OUTPUT = -5,   /* results cannot be written */
    POLYPHONY_INTERNAL = -6, /* out of memory, broken invariant, MPI failure */
};

/** Terms that the predicted cost of a galaxy is a sum of, the first of which is 1 (plan_cost_terms()): learnt, dealt by, traced. */
#define COST_N_TERM 3

/** Text of one failure, owned by the caller. Empty text means nothing was reported. */
struct error {
    char text[1024];
};

/**
 * Record a failure and return `code`, so that failing is one line:
 *     return error_set(err, POLYPHONY_INPUT, "grid '%s': no axis", path);
 * The first text wins only if the caller leaves `err` alone; a later call replaces it. `err` may be NULL.
 */
int error_set(struct error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Put "context: " before the text already recorded and return `code`. */
int error_prefix(struct error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/**
 * Doubts that cannot be decided: what a user should know of inputs that were taken all the same. A reader
 * collects them in what it hands out, and the plan of a job gathers them; each text is kept once.
 */
#define WARNINGS_MAX 32
struct warnings {
    size_t n;
    char text[WARNINGS_MAX][320];
};
/** Where there is no room for one more it is left out. NULL is fine. */
void warnings_add(struct warnings *warnings, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Add all of `more`. */
void warnings_gather(struct warnings *warnings, const struct warnings *more);

/* ---- memory ------------------------------------------------------------------------------- */

/*
 * Where memory is short. Small blocks are those whose size neither galaxies nor grids decide: a path, a list of datasets, what an open
 * file needs. For them nobody checks: mem_small(), mem_text() and mem_grow() end the program with one line and the exit code of
 * POLYPHONY_INTERNAL. Blocks that grow with the data come from mem_array() or an arena, which give NULL, and the caller unwinds with
 * mem_short(): a galaxy that is too large is a message, with its id, and not the end of all ranks.
 */

/** Zeroed array of n elements of `size` bytes, never NULL. n = 0 gives a valid pointer. */
void *mem_small(size_t n, size_t size) __attribute__((warn_unused_result, returns_nonnull));
/** Copy of a string, never NULL. */
char *mem_text(const char *text) __attribute__((warn_unused_result, returns_nonnull));
/** Room for one more element behind the n of a small list that grows by doubling: the list, moved or not; never NULL. */
void *mem_grow(void *list, size_t n, size_t *n_room, size_t size)
    __attribute__((warn_unused_result, returns_nonnull));

/** A small block of a library's own: the same pointer, never NULL. */
void *mem_sure(void *block) __attribute__((returns_nonnull));

/** As mem_small(), for data: NULL when n*size overflows or memory is short. */
void *mem_array(size_t n, size_t size) __attribute__((warn_unused_result));
/** The same, touched: writing to it later makes no page fault, and memory does not grow. */
void *mem_touched(size_t n, size_t size) __attribute__((warn_unused_result));
/** Record "no memory " and what for ("for 3 galaxies"), and return POLYPHONY_INTERNAL. */
int mem_short(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * Scratch memory of one thread. Pieces are handed out in turn and all taken back at once by
 * arena_reset(). Blocks are kept between galaxies, and merged to one when a galaxy needed several: after
 * the largest galaxy has been seen the per-galaxy path allocates nothing.
 */
struct arena {
    struct arena_block *blocks; /* most recent first */
    size_t peak_bytes;          /* most handed out between two resets */
    size_t used_bytes;          /* handed out since the last reset */
    size_t block_bytes;         /* of all blocks: what is held */
};

/** Uninitialised array of n elements, 64-byte aligned; NULL on overflow or short memory. */
void *arena_array(struct arena *arena, size_t n, size_t size) __attribute__((warn_unused_result));
/** The same, zeroed. */
void *arena_zeros(struct arena *arena, size_t n, size_t size) __attribute__((warn_unused_result));
/** Take everything back; pointers handed out before become invalid. */
void arena_reset(struct arena *arena);
/** A point to return to with arena_release(), for scratch inside one stage. */
struct arena_mark {
    struct arena_block *block;
    size_t block_used;
    size_t used_bytes;
};
struct arena_mark arena_mark(const struct arena *arena);
void arena_release(struct arena *arena, struct arena_mark mark);
void arena_free(struct arena *arena);

/* ---- hashing (xxHash, XXH3 64 bit) --------------------------------------------------------- */

struct hash {
    _Alignas(64) unsigned char state[640];
};
/** Begin, or start over. Nothing is to be closed. */
void hash_begin(struct hash *hash);
void hash_add(struct hash *hash, const void *bytes, size_t n);
uint64_t hash_value(const struct hash *hash);
/** Hash of one piece of memory. */
uint64_t hash_bytes(const void *bytes, size_t n);

/**
 * Fingerprint of a file: all of it up to 64 MiB; of a larger one its size, first and last MiB and 256
 * evenly spaced pieces of 64 KiB, so that a 10 GB grid costs milliseconds.
 */
int hash_file(const char *path, uint64_t *ret_hash, struct error *err);

/* ---- paths ---------------------------------------------------------------------------------- */

#define PATH_BYTES_MAX 4096

/**
 * Where a file of this name is, or would be made: symbolic links followed from link to link, also one that
 * leads to nothing yet. A path that is no link stays as it is. To be freed; NULL with `err` set where links
 * run in a circle or paths are too long.
 */
char *path_follow(const char *path, struct error *err) __attribute__((warn_unused_result));

/** The last part of a path. */
const char *path_file_name(const char *path);

/** strerror(), which for EFBIG also says what is behind it. */
const char *failure_text(int number);

/* ---- clocks -------------------------------------------------------------------------------- */

/** Nanoseconds on a clock that never goes back. */
int64_t clock_ns(void);
/** Largest resident set of this process so far [bytes]; 0 where the kernel does not say. */
size_t memory_peak_rss_bytes(void);

/* ---- words --------------------------------------------------------------------------------- */

/** The member of names[n] that `word` begins, or is nearest to (Levenshtein), or NULL if none is near enough
 * to be meant. */
const char *text_nearest(const char *word, const char *const *names, size_t n);
/** To stand behind an unknown word in a message: " (did you mean 'tau_v'?)", or "" where no name is near, as
 * text_meant(word, names, n).text */
struct meant {
    char text[128];
};
struct meant text_meant(const char *word, const char *const *names, size_t n);
/** Format into dst[size]; false if it did not fit. */
bool text_format(char *dst, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Texts one after the other, each with its closing zero, so that a list can be sent as bytes. */
struct text_list {
    size_t n, n_byte, n_room;
    char *text;
};
void text_list_add(struct text_list *list, const char *text);
/** The one after `text`, or the first after NULL; NULL: that was the last. */
const char *text_list_next(const struct text_list *list, const char *text);
void text_list_free(struct text_list *list);

/** Whole of `text` as a finite number; false otherwise. Independent of the locale's decimal point as the
 * program never sets one. */
bool text_to_double(const char *text, double *ret_value);
bool text_to_int64(const char *text, int64_t *ret_value);
