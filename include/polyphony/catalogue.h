/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Galaxies in: the catalogue file (docs/formats.md) to structures of arrays, one or some galaxies at a time.
 *
 * Opening checks the whole layout (presence, shapes, units, slices, ids) and reads the index of sizes, ids
 * and redshifts, which the ranks of a node hold in common (node_table.h); particles are read when a galaxy
 * is. What is wrong with the file ends the run (POLYPHONY_INPUT); what is wrong with the data of one galaxy
 * sets that galaxy aside (POLYPHONY_SET_ASIDE).
 *
 * Everything handed out is in kpc, Msun and yr, in the frame of the file. Not thread-safe: one thread reads.
 */
#pragma once

#include "polyphony/base.h"

struct node_share;

#define CATALOGUE_PARAMETER_MAX 12

/** Metallicities below this are raised to it, as Synthesizer does (docs/physics.md 2) [-]. */
#define CATALOGUE_METALLICITY_FLOOR 1e-5

/** What a galaxy consists of. */
enum component { STARS, GAS, BLACK_HOLES, N_COMPONENT };
/** In files, the user's and ours: "Stars", "Gas", "BlackHoles". */
extern const char *const component_names[N_COMPONENT];

/** What a particle may have: one number each, in our unit; a vector is three fields. */
enum field {
    FIELD_INITIAL_MASS_MSUN,
    FIELD_MASS_MSUN,
    FIELD_AGE_YR,
    FIELD_METALLICITY, /* mass fraction [-] */
    FIELD_X_KPC,
    FIELD_Y_KPC,
    FIELD_Z_KPC,
    FIELD_SMOOTHING_KPC, /* compact support of the kernel */
    FIELD_DUST_MASS_MSUN,
    FIELD_DUST_TO_METAL_RATIO, /* [-] */
    FIELD_PARAMETER,           /* [CATALOGUE_PARAMETER_MAX] of the model, in the order of the needs [-] */
    N_FIELD = FIELD_PARAMETER + CATALOGUE_PARAMETER_MAX
};

/** What a job will read, so that only this is checked and read. */
struct catalogue_needs {
    bool redshift; /* false: the job overrides it */
    bool centre;   /* from the file, or from the stars' coordinates, which then are needed too */
    /* The operation that needs a field of a component, for messages; "": every job; NULL: none. Coordinates
     * are needed together: x stands for them. Without a group of the component (but stars) there is none. */
    const char *field[N_COMPONENT][N_FIELD];
    double dust_to_metal_ratio; /* where the file gives neither dust masses nor a ratio [-] */
    /* Model parameters by name, for the components that need FIELD_PARAMETER + i: <component>/<name> (per
     * particle) if there, else Galaxies/<name>. */
    size_t n_parameter;
    const char *parameter[CATALOGUE_PARAMETER_MAX];
    /* Of what is no parameter of the model: its unit, taken as it is (NULL or "": a pure number), and what to
     * do where the file does not have it (NULL: of the model). */
    const char *parameter_unit[CATALOGUE_PARAMETER_MAX];
    const char *parameter_advice[CATALOGUE_PARAMETER_MAX];
    /* Parameters that the job leaves at their defaults: what the file has of them is to be said. */
    size_t n_defaulted;
    const char *defaulted[CATALOGUE_PARAMETER_MAX];
};

/** A dataset that is there and not asked for; path "" if it is not there. */
struct catalogue_range {
    char path[96];
    double least, most; /* of its first million numbers */
};

/** No galaxies at all are a catalogue, too. The index may be shared memory: read-only. What the file does not
 * have is all zeros, and takes none. */
struct catalogue {
    size_t n_galaxy;
    const int64_t *id;      /* [n_galaxy] unique */
    const double *redshift; /* [n_galaxy] as in the file, zeros unless needed */
    /* [n_galaxy] slices of each component begin, in any order; of empty ones anywhere inside; ... */
    const uint64_t *offset[N_COMPONENT];
    const uint32_t *n_particle[N_COMPONENT]; /* [n_galaxy] ... and how long they are */
    uint64_t n_particle_all[N_COMPONENT];    /* lengths of the flat arrays */
    /* Fields that are read, if only to make others of them; of coordinates x. */
    bool has_field[N_COMPONENT][N_FIELD];
    struct catalogue_range unused[CATALOGUE_PARAMETER_MAX]; /* [needs.n_defaulted] */
    bool has_dust;            /* gas is needed, and its dust is the file's, not needs.dust_to_metal_ratio */
    struct text_list sources; /* other files that its bytes come from */
    struct warnings warnings;
    struct catalogue_reader *reader;
};

/** Particles of one component of a galaxy: all of them, or a tile. */
struct particles {
    uint64_t first; /* of them, in the galaxy */
    size_t n;
    const double *field[N_FIELD]; /* [n], or NULL: not needed, or not of this component */
};

/** One galaxy; every array belongs to the arenas it was read into. */
struct galaxy {
    uint64_t row;
    int64_t id;
    double redshift;
    double centre_kpc[3];                      /* zeros unless needed */
    uint64_t n_rounded;                        /* values slightly below 0 that were read, and taken as 0 */
    double parameter[CATALOGUE_PARAMETER_MAX]; /* of the whole galaxy, or 0 where the file has none */
    struct particles particles[N_COMPONENT];
};

/**
 * POLYPHONY_INPUT when the file cannot be read or is wrong, naming dataset, row, value and bound; also for a
 * galaxy of more than 2^32 - 1 particles of a kind.
 *
 * With a share (NULL: none) collective over the ranks of the node, which agree on the status; only ranks that
 * know why have a text. One of them reads and checks the index. A rank that does not compute has the index
 * and no file: it must not read galaxies.
 */
int catalogue_open(const char *path, const struct catalogue_needs *needs, const struct node_share *share,
                   struct catalogue **ret_catalogue, struct error *err);
void catalogue_close(struct catalogue *catalogue); /* NULL is fine */

/** Pages of a shared index leave this rank's resident set until it looks at them again: for a rank that has
 * gone through all of it, and will look at a few galaxies only. */
void catalogue_drop_pages(const struct catalogue *catalogue);
/** The opposite, for ranks that will look at all of them sooner or later: their memory does not grow then. */
void catalogue_touch_pages(const struct catalogue *catalogue);

/** A galaxy whose redshift is not within 0 and COSMOLOGY_REDSHIFT_MAX is set aside when it is read. */
bool catalogue_redshift_is_valid(const struct catalogue *catalogue, uint64_t row);

/**
 * Read and validate one galaxy. Checked: redshift >= 0 and <= 1000; finite coordinates; masses, ages,
 * metallicities and dust-to-metal ratios finite and >= 0 (a star of age 0 counts as the youngest of the
 * grid); smoothing lengths > 0; parameters finite. What rounding has taken below 0 is 0: more than -1.7e3 yr,
 * -1e-6 of a metallicity, ratio or parameter, -1e-6 Msun. The text of a failure names file, galaxy, dataset,
 * index, value and bound.
 *
 * Return: 0; POLYPHONY_SET_ASIDE; POLYPHONY_INPUT when the file cannot be read; POLYPHONY_INTERNAL.
 */
int catalogue_read(struct catalogue *catalogue, uint64_t row, struct arena *arena, struct galaxy *ret_galaxy,
                   struct error *err);

/**
 * The same for a galaxy of which one component is read in tiles: n of its particles from `first` on, into
 * `tile`. With `around` also all the rest; without (NULL) that stays as it is in *galaxy. The centre is left
 * out.
 */
int catalogue_read_tile(struct catalogue *catalogue, uint64_t row, enum component component, uint64_t first,
                        size_t n, struct arena *around, struct arena *tile, struct galaxy *galaxy,
                        struct error *err);

/**
 * Read n whole galaxies into one arena, in few large requests: those of neighbours in the file are one. Each
 * has a status of its own: 0, or what catalogue_read_tile() would return, with a text in ret_error[i]. Then
 * its arrays are undefined, but not its row and id. Centres are not set. Any order of rows is right, and of
 * their places in the file.
 */
void catalogue_read_many(struct catalogue *catalogue, size_t n, const uint64_t *row, struct arena *arena,
                         struct galaxy *ret_galaxy, int *ret_status, struct error *ret_error);
/** Add the coordinates of a tile of stars to sum_kpc[3], for the centre; without them nothing. */
void catalogue_add_centre(const struct galaxy *galaxy, double sum_kpc[3]);
/** Set the centre where it is needed: as the file has it, or the mean of all stars. POLYPHONY_SET_ASIDE when
 * not finite. */
int catalogue_set_centre(const struct catalogue *catalogue, const double sum_kpc[3], struct galaxy *galaxy,
                         struct error *err);

/** Most that reading takes of the arenas for each particle of a component [bytes]. */
size_t catalogue_particle_bytes(const struct catalogue *catalogue, enum component component);
/** ... and for all the rest of a galaxy of which this component is in tiles [bytes]. */
uint64_t catalogue_around_bytes(const struct catalogue *catalogue, enum component component, uint64_t row);

/** Bytes that reading this galaxy takes, for costs and memory plans. */
uint64_t catalogue_galaxy_bytes(const struct catalogue *catalogue, uint64_t row);

/* ---- what a file holds, for people -------------------------------------------------------------- */

enum catalogue_use {
    CATALOGUE_UNUSED,    /* nothing reads it */
    CATALOGUE_READ,      /* part of the format */
    CATALOGUE_PARAMETER, /* may be named in the job */
};

struct catalogue_dataset {
    char path[128], shape[64], unit[256]; /* as the file has it */
    bool has_unit, has_range;
    enum catalogue_use use;
    const char *ours; /* unit of the range; NULL: the file's */
    double factor;    /* from the file's unit to that */
    double least, median, most;
    uint64_t n_row, n_row_seen;
    uint64_t n_bad;    /* not finite, among those seen */
    char problem[512]; /* why it cannot be read, or "" */
};

struct catalogue_contents {
    size_t n;
    struct catalogue_dataset *dataset; /* [n] group by group, by name */
    double scale_factor, hubble;       /* 0: the file does not say */
};

/**
 * Look at all datasets of the four groups, in bounded memory: of more than 262144 rows so many are looked at,
 * evenly. What is wrong with a dataset is its `problem`.
 * Return: 0; POLYPHONY_INPUT when the file cannot be read; POLYPHONY_INTERNAL. The caller's, to be freed by
 * catalogue_contents_free().
 */
int catalogue_list(const char *path, struct catalogue_contents *ret_contents, struct error *err);
void catalogue_contents_free(struct catalogue_contents *contents);
/** NULL if there is none. */
const struct catalogue_dataset *catalogue_contents_find(const struct catalogue_contents *contents,
                                                        const char *path);
