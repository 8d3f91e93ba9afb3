/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stellar population grid: spectra and lines of simple stellar populations by age and metallicity.
 *
 * Tables are [n_cell][n_column], row-major, cell = i_age * n_metallicity + i_metallicity, per solar mass of
 * stars formed. Immutable once opened: threads of a rank share one grid, and ranks of a node share its tables
 * (node_share.h).
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

/** The spectra a job extracts, and whether it wants lines. */
struct grid_needs {
    size_t n_spectrum;
    const char
        *spectrum[GRID_SPECTRUM_MAX]; /* "incident", "transmitted", "linecont", "nebular_continuum", ... */
    bool lines;
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

struct grid {
    char name[GRID_NAME_MAX]; /* file name without directory and extension */
    size_t n_age, n_metallicity, n_cell;
    double *age_yr, *metallicity; /* the nodes as they are */
    double *log10_age, *log10_metallicity;
    bool axis_is_log[2];       /* interpolate in log10? (log_on_read of the file) */
    struct axis_nodes axis[2]; /* the coordinates that are interpolated: age, metallicity */
    /* The coordinates of histories: log10, whatever the spectra have, but where a node is 0. */
    bool history_is_log[2];
    struct axis_nodes history_axis[2];
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
 * of the wrong shape or unit, neither ascending nor descending, or not finite; also for more than one value
 * on a further axis. What is taken although it can be doubted is in `warnings`.
 *
 * With a share (NULL: none), collective over the ranks of the node, which agree on the status; only ranks
 * that know why have a text. A rank that does not compute has a grid of which all tables are NULL.
 */
int grid_open(const char *path, const struct grid_needs *needs, const struct node_share *share,
              struct grid **ret_grid, struct error *err);
void grid_free(struct grid *grid); /* NULL is fine */

/** Bytes of the tables. */
size_t grid_bytes(const struct grid *grid);

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
