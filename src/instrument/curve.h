/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a file to a filter curve. A reader of one format (columns.c, votable.c, cache.c) fills a table with
 * what stands in the file; curve_finish() makes one curve of it, whatever the format: units, order, range.
 */
#pragma once

#include "polyphony/instrument.h"

/* A curve longer than this is not a filter curve. */
#define CURVE_N_MAX 1000000
/* A file longer than this is not read into memory [bytes]. */
#define CURVE_FILE_MAX ((size_t)64 << 20)

/* A file in memory. */
struct curve_file {
    const char *path, *code;
    size_t n;
    char *bytes; /* [n + 1], of which the last is 0 */
};

/* How sure a file is of its unit. */
enum curve_surety {
    CURVE_SILENT,  /* says nothing */
    CURVE_MENTION, /* a unit is mentioned */
    CURVE_SAYS,    /* "wavelength in nm" */
    CURVE_DECLARES /* a column's own unit, in brackets behind its name for example */
};

/* Bytes of a piece of a file in a message. */
#define CURVE_QUOTE_MAX 64

struct curve_row {
    double lambda, transmission; /* in the file's units */
    size_t place;                /* line, or row, of the file */
};

struct curve_table {
    size_t n, capacity;
    struct curve_row *row;  /* [n], in the file's order */
    const char *place_word; /* "line" or "row" */

    enum curve_surety claim;
    double angstrom;   /* a unit of lambda, where claimed */
    char unit[32];     /* as the file spells it */
    size_t unit_place; /* line of the claim */
    char rival[32];    /* another unit, claimed as surely; "": none */
    size_t rival_place;
    char no_unit[CURVE_QUOTE_MAX]; /* in brackets behind "wavelength", and no unit; "": nothing */
    size_t logarithm_place;        /* line that says dB or magnitudes; 0: none */
    size_t inverse_place;          /* line that says frequencies, energies or wave numbers; 0: none */
    bool is_per_cent;              /* transmission */
    bool is_columns_guessed;       /* nothing names them, and there are more than two */
    bool is_energy_counter;
    struct warnings *warnings;
};

/* Add a row. POLYPHONY_INPUT where there are too many. */
int curve_add(const struct curve_file *file, struct curve_table *table, double lambda, double transmission,
              size_t place, struct error *err);
/* Claim a unit, unless a surer claim was made. One that is as sure and differs is kept as its rival. */
void curve_claim(struct curve_table *table, enum curve_surety claim, const char *unit, double angstrom,
                 size_t place);
/* The unit that a column or attribute carries; empty or "None" is no claim. */
int curve_declare(const struct curve_file *file, struct curve_table *table, const char *unit, size_t place,
                  struct error *err);
void curve_free(struct curve_table *table);
/* One curve, in angstrom, ascending, 0 to 1. */
int curve_finish(const struct curve_file *file, struct curve_table *table, struct filter *ret_filter,
                 struct error *err);

#define N_WORDS(words) (sizeof(words) / sizeof(*(words)))
bool curve_is_one_of(const char *word, const char *const *words, size_t n);
/* What a column's name says it holds. */
enum curve_column { COLUMN_OTHER, COLUMN_WAVELENGTH, COLUMN_FREQUENCY, COLUMN_TRANSMISSION };
enum curve_column curve_column_of(const char *name);
/* "effective", "pivot", "width": a word of numbers that a curve has once, not of a column. */
bool curve_is_of_whole(const char *word);
/* The likelier of two names of transmission has the smaller number. */
size_t curve_column_rank(const char *name);
/* A unit of wavelength as people write it [angstrom]; 0: none. `is_alone` also allows what is a word of its
 * own elsewhere: m, A. */
double curve_unit_angstrom(const char *word, bool is_alone);

/* Text as messages can show it: what is not printable is '?', what is long is cut. */
const char *curve_quote(const char *text, size_t n, char ret_quote[CURVE_QUOTE_MAX]);

/* What a line of comment or header says of units. */
void curve_read_claims(struct curve_table *table, const char *text, size_t line);

int curve_read_columns(const struct curve_file *file, struct curve_table *table, struct error *err);
int curve_read_votable(const struct curve_file *file, struct curve_table *table, struct error *err);
int curve_read_cache(const struct curve_file *file, struct curve_table *table, struct error *err);
