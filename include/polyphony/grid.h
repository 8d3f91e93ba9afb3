/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stellar population grid: spectra and lines of simple stellar populations by age, metallicity, and what else
 * they may depend on.
 *
 * Tables are [n_cell][n_column], row-major, per solar mass of stars formed; cells are row-major over the axes:
 * ages, metallicities, then the others in the file's order. Immutable once opened: threads of a rank share
 * one grid, and ranks of a node share its tables (node_share.h).
 *
 * The file is Synthesizer's (docs/formats.md). nebular_continuum is derived as nebular - linecont. What the
 * lines of a spectrum are (docs/physics.md 8):
 *
 *     spectrum            luminosity          continuum at the line
 *     nebular             lines/luminosity    lines/nebular_continuum
 *     linecont            lines/luminosity    0
 *     nebular_continuum   0                   lines/nebular_continuum
 *     transmitted         0                   lines/transmitted
 *     any other           0                   the spectrum, linearly interpolated in wavelength
 */
#pragma once

#include "polyphony/node_table.h"
#include "polyphony/weights.h"

#define GRID_SPECTRUM_MAX 8
#define GRID_NAME_MAX     64
#define GRID_AXIS_MAX     7

/** An axis for which the job has one value: in the axis' unit; ages in yr, metallicities as mass fractions. */
struct grid_fix {
    const char *axis; /* its name in the file */
    double value;
};

/** The spectra a job extracts, whether it wants lines, and for which values of some axes. */
struct grid_needs {
    size_t n_spectrum;
    const char
        *spectrum[GRID_SPECTRUM_MAX]; /* "incident", "transmitted", "linecont", "nebular_continuum", ... */
    bool lines;
    size_t n_fix;
    const struct grid_fix *fix;
    /* Of a fixed value between two nodes: interpolate the tables, or take those of the nearest node. */
    enum weights_scheme scheme;
};

struct grid_spectrum {
    char name[GRID_NAME_MAX];
    const double *lnu;             /* [n_cell][n_lambda] erg/s/Hz/Msun */
    const double *line_luminosity; /* [n_cell][n_line] erg/s/Msun, NULL: none */
    const double *line_continuum;  /* [n_cell][n_line] erg/s/Hz/Msun, NULL: none */
};

/** An axis as the file has it. */
struct grid_file_axis {
    char name[GRID_NAME_MAX];
    char unit[GRID_NAME_MAX]; /* empty: none is given */
    size_t n;
    double first, last; /* in that unit */
};

/** What the nodes of an axis are, and so by which field of a particle they are looked up. */
enum grid_quantity {
    GRID_AGE,         /* [yr] */
    GRID_METALLICITY, /* mass fraction of metals */
    GRID_OTHER,       /* in the file's unit; looked up by the field that has the axis' name */
};

struct grid_axis {
    char name[GRID_NAME_MAX]; /* as the file has it */
    char unit[GRID_NAME_MAX]; /* of the file; empty: none is given */
    enum grid_quantity quantity;
    bool is_log; /* log10_node is interpolated (log_on_read of the file), else node */
    size_t n;
    double *node, *log10_node; /* [n] ascending; logarithms of what is not > 0 are not to be used */
    bool is_fixed;             /* by the job: `node` is its value, that lies between these two of the file */
    double below, above;
};

struct grid {
    char name[GRID_NAME_MAX]; /* file name without directory and extension */
    size_t n_axis;            /* that the tables depend on */
    size_t n_axis_all;        /* and those after them, of one value: in the file, or as the job fixes it */
    struct grid_axis axis[GRID_AXIS_MAX];
    struct axis_nodes nodes[WEIGHTS_AXIS_MAX]; /* [n_axis] as they are interpolated */
    size_t n_cell;
    size_t n_file_axis;
    struct grid_file_axis file_axis[GRID_AXIS_MAX]; /* in the file's order, those of length one too */
    size_t n_lambda;
    double *lambda_rest_angstrom; /* [n_lambda] ascending */
    size_t n_line;                /* 0 unless lines are needed */
    char (*line_id)[GRID_NAME_MAX];
    double *line_lambda_rest_angstrom; /* [n_line] */
    size_t n_spectrum;
    struct grid_spectrum spectrum[GRID_SPECTRUM_MAX]; /* in the order of the needs */
    size_t n_table;
    struct node_table table[3 * GRID_SPECTRUM_MAX]; /* what the spectra point to */
    struct text_list sources;                       /* other files that its bytes come from */
    struct warnings warnings;
};

/**
 * Read what is needed of a grid. POLYPHONY_INPUT, naming file, dataset, index and value, when it is missing,
 * of the wrong shape or unit, neither ascending nor descending, or not finite; also for more than
 * WEIGHTS_AXIS_MAX axes of several values. POLYPHONY_USAGE for a fixed axis that there is not, or a value
 * beyond its nodes. What is taken although it can be doubted is in `warnings`.
 *
 * With a share (NULL: none), collective over the ranks of the node, which agree on the status; only ranks
 * that know why have a text. A rank that does not compute has a grid of which all tables are NULL.
 */
int grid_open(const char *path, const struct grid_needs *needs, const struct node_share *share,
              struct grid **ret_grid, struct error *err);
void grid_free(struct grid *grid); /* NULL is fine */

/** Bytes of the tables. */
size_t grid_bytes(const struct grid *grid);

/** NULL if there is none; one of a single value is one. */
const struct grid_axis *grid_find_axis(const struct grid *grid, enum grid_quantity quantity);
/** Are histories along an axis over the logarithms of its nodes? Whatever the spectra are, unless a node is 0. */
bool grid_history_is_log(const struct grid_axis *axis);
struct axis_nodes grid_history_nodes(const struct grid_axis *axis);

/* ---- what a grid holds, without its tables -------------------------------------------------------- */

#define GRID_FACT_MAX 16

struct grid_look_spectrum {
    char name[GRID_NAME_MAX];
    char unit[GRID_NAME_MAX]; /* as the file has it; empty: none */
    bool is_usable;
    char problem[256]; /* why it is not */
};

/** What the file says of itself: its attribute of that name, as text. */
struct grid_fact {
    char name[GRID_NAME_MAX];
    char text[128];
};

struct grid_look {
    struct grid *grid; /* axes, wavelengths and lines (none where the file has none); no spectra */
    size_t n_spectrum;
    struct grid_look_spectrum *spectrum;
    size_t n_fact;
    struct grid_fact fact[GRID_FACT_MAX];
};

/**
 * Axes of several values that nobody fixes and that are neither ages nor metallicities: particles need fields
 * of these names. None of a file that cannot be read: grid_open() says why.
 */
struct grid_fields {
    size_t n;
    struct grid_field {
        char name[GRID_NAME_MAX], unit[GRID_NAME_MAX];
        size_t n_node;
        double first, last;
    } field[GRID_AXIS_MAX];
};
void grid_list_fields(const char *path, size_t n_fix, const struct grid_fix *fix,
                      struct grid_fields *ret_fields);

/** POLYPHONY_INPUT as grid_open(). */
int grid_look(const char *path, struct grid_look **ret_look, struct error *err);
void grid_look_free(struct grid_look *look); /* NULL is fine */
/** Can a job extract this spectrum? */
bool grid_look_has(const struct grid_look *look, const char *spectrum);

/* ---- names of lines --------------------------------------------------------------------------------- */

/** What a user may mean: "Halpha", "[OIII]5007", "CIV", "O 3 88.33m", "5007". */
struct line_meant {
    char ion[8];            /* "O 3"; empty: not said */
    double lambda_angstrom; /* 0: not said */
    bool is_known;          /* a line with a name of its own: the wavelength is ours, in vacuum */
    bool is_any_of_ion;     /* only the ion was named; the wavelength is that of its best known line */
};
/** False where it is nothing of the kind. */
bool grid_read_line_name(const char *word, struct line_meant *ret_meant);
/** Of a vacuum wavelength; the same below 2000 angstrom, as is usual for names of lines. */
double grid_air_wavelength(double vacuum_angstrom);
/** Lines of the grid that may be meant, the likeliest first, at most n_max; how many. */
size_t grid_find_lines(const struct grid *grid, const char *word, size_t n_max, size_t *ret_line);
