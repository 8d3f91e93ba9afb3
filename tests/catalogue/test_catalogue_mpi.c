/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One index of a catalogue for the ranks of a node, for any number of ranks:
 *     mpirun -n 3 test_catalogue_mpi
 */
#include "polyphony/catalogue.h"

#include "made_catalogue.h"
#include "polyphony/node_share.h"

#include <math.h>

#include "../ranks.h"

static const struct catalogue_needs everything = {
    .redshift = true,
    .field[STARS] = { [FIELD_INITIAL_MASS_MSUN] = "",
                      [FIELD_AGE_YR] = "",
                      [FIELD_METALLICITY] = "",
                      [FIELD_X_KPC] = "images_flux",
                      [FIELD_SMOOTHING_KPC] = "images_flux",
                      [FIELD_PARAMETER] = "",
                      [FIELD_PARAMETER + 1] = "" },
    .centre = true,
    .field[GAS] = { [FIELD_X_KPC] = "los_optical_depths",
                    [FIELD_SMOOTHING_KPC] = "los_optical_depths",
                    [FIELD_DUST_MASS_MSUN] = "los_optical_depths" },
    .field[BLACK_HOLES][FIELD_X_KPC] = "los_optical_depths",
    .dust_to_metal_ratio = 0.3,
    .n_parameter = 2,
    .parameter = { "tau", "fesc" },
};

static const char *const nowhere = "/nowhere/c.hdf5";

/* Rank 0 writes, all have the path. */
static const char *write_for_all(const struct made *made)
{
    static char path[256];

    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        text_format(path, sizeof(path), "%s", write_made(made));
    MPI_Bcast(path, sizeof(path), MPI_CHAR, 0, MPI_COMM_WORLD);
    return path;
}

static struct node_share *open_share(bool computes)
{
    struct node_share *share = NULL;

    share = node_share_open(MPI_COMM_WORLD, computes);
    return share;
}

static bool has_open(const char *path)
{
    char link[64], target[256];

    for (int fd = 0; fd < 1024; fd++) {
        ssize_t n;

        text_format(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, target, sizeof(target) - 1);
        if (n > 0 && (size_t)n == strlen(path) && !strncmp(target, path, (size_t)n))
            return true;
    }
    return false;
}

static bool is_same_index(const struct catalogue *a, const struct catalogue *b)
{
    size_t n = b->n_galaxy;

    return a->n_galaxy == n && a->n_particle_all[STARS] == b->n_particle_all[STARS] &&
           a->n_particle_all[GAS] == b->n_particle_all[GAS] &&
           a->n_particle_all[BLACK_HOLES] == b->n_particle_all[BLACK_HOLES] &&
           !memcmp(a->id, b->id, n * sizeof(*a->id)) &&
           !memcmp(a->redshift, b->redshift, n * sizeof(*a->redshift)) &&
           !memcmp(a->offset[STARS], b->offset[STARS], n * sizeof(*a->offset[STARS])) &&
           !memcmp(a->offset[GAS], b->offset[GAS], n * sizeof(*a->offset[GAS])) &&
           !memcmp(a->offset[BLACK_HOLES], b->offset[BLACK_HOLES], n * sizeof(*a->offset[BLACK_HOLES])) &&
           !memcmp(a->n_particle[STARS], b->n_particle[STARS], n * sizeof(*a->n_particle[STARS])) &&
           !memcmp(a->n_particle[GAS], b->n_particle[GAS], n * sizeof(*a->n_particle[GAS])) &&
           !memcmp(a->n_particle[BLACK_HOLES], b->n_particle[BLACK_HOLES],
                   n * sizeof(*a->n_particle[BLACK_HOLES])) &&
           a->has_field[STARS][FIELD_PARAMETER] == b->has_field[STARS][FIELD_PARAMETER] &&
           catalogue_galaxy_bytes(a, 2) == catalogue_galaxy_bytes(b, 2);
}

/* What stands in the index of one galaxy and what is read of it, of several kinds. */
static bool is_same_galaxy(struct catalogue *a, struct catalogue *b, uint64_t row)
{
    struct arena arena = { 0 };
    struct galaxy of_a = { 0 }, of_b = { 0 };
    struct error err = { "" };
    bool same =
        catalogue_read(a, row, &arena, &of_a, &err) == 0 &&
        catalogue_read(b, row, &arena, &of_b, &err) == 0 &&
        of_a.particles[STARS].n == of_b.particles[STARS].n && of_a.parameter[1] == of_b.parameter[1] &&
        !memcmp(of_a.centre_kpc, of_b.centre_kpc, sizeof(of_a.centre_kpc)) &&
        !memcmp(of_a.particles[STARS].field[FIELD_SMOOTHING_KPC],
                of_b.particles[STARS].field[FIELD_SMOOTHING_KPC], of_a.particles[STARS].n * sizeof(double)) &&
        !memcmp(of_a.particles[STARS].field[FIELD_PARAMETER], of_b.particles[STARS].field[FIELD_PARAMETER],
                of_a.particles[STARS].n * sizeof(double)) &&
        !memcmp(of_a.particles[GAS].field[FIELD_DUST_MASS_MSUN],
                of_b.particles[GAS].field[FIELD_DUST_MASS_MSUN], of_a.particles[GAS].n * sizeof(double));

    check(!*err.text, err.text);
    arena_free(&arena);
    return same;
}

/* Through a share there is what is there without; a rank that deals has no particles. */
static void expect_same(const char *path, bool computes)
{
    struct node_share *share = open_share(computes);
    struct catalogue *shared = NULL, *own = NULL;
    struct error err = { "" };

    check(catalogue_open(path, &everything, share, &shared, &err) == 0, err.text);
    node_share_close(share);
    check(has_open(path) == computes, "a rank that deals keeps the file open, or one that computes does not");
    check(catalogue_open(path, &everything, NULL, &own, &err) == 0, err.text);
    if (shared && own) {
        check(is_same_index(shared, own), "a shared index differs from one read alone");
        catalogue_drop_pages(shared);
        catalogue_drop_pages(own);
        check(is_same_index(shared, own), "an index differs once its pages were dropped");
        for (uint64_t row = 0; computes && row < own->n_galaxy; row++)
            check(is_same_galaxy(shared, own, row), "a galaxy read through a shared index differs");
    }
    catalogue_close(shared);
    catalogue_close(own);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void every_rank_sees_the_same_index_and_galaxies(void)
{
    struct made made = ordinary;

    expect_same(write_for_all(&made), true);
    expect_same(write_for_all(&made), rank > 0 || n_rank == 1);
    expect_same(write_for_all(&made), false); /* a dealer alone on its node reads for itself */
    for (size_t i = 0; i < N_COLUMN && made.column[i].path; i++) {
        const char *path = made.column[i].path;

        made.column[i].is_absent = *path == 'B' || !strcmp(path, "Galaxies/id");
        if (!strcmp(path, "Galaxies/centre") || !strcmp(path, "Galaxies/dust_to_metal_ratio"))
            made.column[i].is_absent = false;
    }
    expect_same(write_for_all(&made), rank > 0 || n_rank == 1);
}

static void without_shared_memory_every_rank_reads_for_itself(void)
{
    struct made made = ordinary;
    const char *path = write_for_all(&made);
    struct rlimit before = ranks_limit_shared_memory();

    expect_same(path, rank > 0 || n_rank == 1);
    setrlimit(RLIMIT_FSIZE, &before);
}

/* All ranks end with POLYPHONY_INPUT, and at least one has the text. */
static void expect_refused(const char *path, bool computes, const char *part)
{
    struct node_share *share = open_share(computes);
    struct catalogue *catalogue = NULL;
    struct error err = { "" };

    check(catalogue_open(path, &everything, share, &catalogue, &err) == POLYPHONY_INPUT,
          "not refused on every rank");
    check(!catalogue, "a catalogue in spite of the failure");
    check(ranks_count(strstr(err.text, part) != NULL) >= 1, part);
    check(!has_open(path), "the file is left open");
    node_share_close(share);
}

/* Both what is found before memory is taken, and after. */
static void what_is_wrong_with_a_file_is_known_to_all_ranks(void)
{
    static const struct {
        const char *path;
        double value; /* of the last row; NaN where the dataset is absent */
        const char *part;
    } cases[] = {
        { "Stars/ages", (double)NAN, "no dataset 'Stars/ages'" },
        { "Galaxies/fesc", (double)NAN, "did you mean" },
        { "Galaxies/id", 101, "occurs more than once" },
        { "Stars/length", 5e9, "beyond the 4294967295 particles" },
        { "BlackHoles/offset", 1, "past the end" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct made made = ordinary;
        struct column *column = column_of(&made, cases[i].path);

        column->is_absent = isnan(cases[i].value);
        column->value[2] = cases[i].value;
        column_of(&made, "Galaxies/tau_v")->path = "Galaxies/fesc_"; /* near enough to be meant */
        expect_refused(write_for_all(&made), rank > 0 || n_rank == 1, cases[i].part);
    }
}

static void a_rank_that_cannot_read_takes_the_others_along(void)
{
    struct made made = ordinary;
    const char *path = write_for_all(&made);
    struct rlimit before;

    expect_refused(rank == 0 ? nowhere : path, true, nowhere);
    expect_refused(rank == n_rank - 1 ? nowhere : path, true, nowhere);
    before = ranks_limit_shared_memory();
    expect_refused(rank == 0 ? nowhere : path, rank > 0 || n_rank == 1, nowhere);
    setrlimit(RLIMIT_FSIZE, &before);
}

int main(int argc, char **argv)
{
    ranks_begin(&argc, &argv);
    every_rank_sees_the_same_index_and_galaxies();
    without_shared_memory_every_rank_reads_for_itself();
    what_is_wrong_with_a_file_is_known_to_all_ranks();
    a_rank_that_cannot_read_takes_the_others_along();
    return ranks_end();
}
