/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One copy of a grid for the ranks of a node, for any number of ranks:
 *     mpirun -n 3 test_grid_share_mpi
 */
#include "polyphony/grid.h"
#include "polyphony/node_share.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "polyphony/demo.h"
#include "polyphony/io.h"

#include "../ranks.h"

static char good_path[256], bad_path[256], turned_path[256];

static const struct grid_needs needs = { .n_spectrum = 3,
                                         .spectrum = { "transmitted", "linecont", "nebular_continuum" },
                                         .lines = true };
static const struct grid_needs needs_of_bad = { .n_spectrum = 1,
                                                .spectrum = { "transmitted" },
                                                .lines = false };

/* Rank 0 makes a small grid, and a copy of which one number is no number. */
static void make_grids(void)
{
    struct demo_grid_options options = demo_grid_defaults(good_path);
    struct error err = { "" };
    struct io_file *file = NULL;
    const uint64_t dims[3] = { 5, 4, 300 };
    double *spoilt = mem_array(5 * 4 * 300, sizeof(*spoilt));

    text_format(good_path, sizeof(good_path), "/tmp/polyphony-share-%ld-good.hdf5", (long)getpid());
    text_format(bad_path, sizeof(bad_path), "/tmp/polyphony-share-%ld-bad.hdf5", (long)getpid());
    options.n_age = 5;
    options.n_metallicity = 4;
    options.n_lambda = 300;
    check(spoilt && demo_grid_write(&options, &err) == 0, err.text);
    /* The spoilt one has what is read of it. */
    if (spoilt) {
        const double age[] = { 1e6, 1e7, 1e8, 1e9, 1e10 }, metallicity[] = { 1e-4, 1e-3, 1e-2, 2e-2 };
        const char *const axes[] = { "ages", "metallicities" };
        const uint64_t n_age = 5, n_metallicity = 4, n_lambda = 300;
        double lambda[300];

        for (size_t i = 0; i < 300; i++)
            lambda[i] = 100.0 + (double)i;
        spoilt[1234] = (double)NAN;
        check(!io_file_create(bad_path, &file, &err) &&
                  !io_attr_write_texts(file, "/", "axes", 2, axes, &err) &&
                  !io_write_f64(file, "axes/ages", 1, &n_age, age, "yr", "", &err) &&
                  !io_write_f64(file, "axes/metallicities", 1, &n_metallicity, metallicity, "dimensionless",
                                "", &err) &&
                  !io_write_f64(file, "spectra/wavelength", 1, &n_lambda, lambda, "angstrom", "", &err) &&
                  !io_write_f64(file, "spectra/transmitted", 3, dims, spoilt, "erg/(Hz*s)", "", &err) &&
                  !io_file_commit(file, &err),
              err.text);
        io_file_close(file);
        free(spoilt);
    }
}

/* A spectrum of another order of axes, of which each number says where it belongs; one is below 0. */
static void make_turned(void)
{
    enum { N_AGE = 5, N_METAL = 4, N_LAMBDA = 30011 };
    const double age[N_AGE] = { 1e10, 1e9, 1e8, 1e7, 1e6 }, metallicity[N_METAL] = { 1e-4, 1e-3, 1e-2, 2e-2 };
    const char *const axes[] = { "metallicities", "ages" };
    const uint64_t n_age = N_AGE, n_metal = N_METAL, n_lambda = N_LAMBDA,
                   dims[3] = { N_METAL, N_AGE, N_LAMBDA };
    double *value = mem_array((size_t)N_AGE * N_METAL * N_LAMBDA, sizeof(*value)),
           *lambda = mem_array(N_LAMBDA, sizeof(*lambda));
    struct error err = { "" };
    struct io_file *file = NULL;

    text_format(turned_path, sizeof(turned_path), "/tmp/polyphony-share-%ld-turned.hdf5", (long)getpid());
    check(value && lambda, "no memory");
    if (!value || !lambda)
        return;
    for (size_t j = 0; j < N_METAL; j++)
        for (size_t i = 0; i < N_AGE; i++)
            for (size_t k = 0; k < N_LAMBDA; k++)
                value[(j * N_AGE + N_AGE - 1 - i) * N_LAMBDA + N_LAMBDA - 1 - k] =
                    (double)((i * N_METAL + j) * N_LAMBDA + k) - (i == 0 && j == 0 && k == 0);
    for (size_t k = 0; k < N_LAMBDA; k++)
        lambda[k] = 40000.0 - (double)k;
    check(
        !io_file_create(turned_path, &file, &err) && !io_attr_write_texts(file, "/", "axes", 2, axes, &err) &&
            !io_attr_write_text(file, "/", "WeightVariable", "initial_masses", &err) &&
            !io_write_f64(file, "axes/ages", 1, &n_age, age, "yr", "", &err) &&
            !io_write_f64(file, "axes/metallicities", 1, &n_metal, metallicity, "dimensionless", "", &err) &&
            !io_write_f64(file, "spectra/wavelength", 1, &n_lambda, lambda, "angstrom", "", &err) &&
            !io_write_f64(file, "spectra/transmitted", 3, dims, value, "erg/(Hz*s)", "", &err) &&
            !io_attr_write_bool(file, "axes/ages", "log_on_read", true, &err) &&
            !io_attr_write_bool(file, "axes/metallicities", "log_on_read", false, &err) &&
            !io_file_commit(file, &err),
        err.text);
    io_file_close(file);
    free(value);
    free(lambda);
}

static struct node_share *open_share(bool wants_tables)
{
    struct node_share *share = NULL;

    share = node_share_open(MPI_COMM_WORLD, wants_tables);
    return share;
}

static bool is_same_table(const double *a, const double *b, size_t n)
{
    return (!a && !b) || (a && b && !memcmp(a, b, n * sizeof(*a)));
}

/* A grid through `share` has the numbers of one read alone. */
static void expect_same(const struct node_share *share, const char *what, size_t *ret_n_shared)
{
    struct grid *shared = NULL, *own = NULL;
    struct error err = { "" };

    *ret_n_shared = 0;
    check(grid_open(good_path, &needs, share, &shared, &err) == 0, err.text);
    check(grid_open(good_path, &needs, NULL, &own, &err) == 0, err.text);
    for (size_t s = 0; shared && own && s < needs.n_spectrum; s++) {
        const struct grid_spectrum *a = &shared->spectrum[s], *b = &own->spectrum[s];

        check(is_same_table(a->lnu, b->lnu, own->n_cell * own->n_lambda) && a->lnu, what);
        check(is_same_table(a->line_luminosity, b->line_luminosity, own->n_cell * own->n_line), what);
        check(is_same_table(a->line_continuum, b->line_continuum, own->n_cell * own->n_line), what);
    }
    for (size_t t = 0; shared && t < shared->n_table; t++)
        *ret_n_shared += shared->table[t].is_shared;
    check(shared && own && grid_bytes(shared) == grid_bytes(own), "sizes differ");
    grid_free(shared);
    grid_free(own);
}

static void every_rank_sees_the_same_numbers(void)
{
    struct node_share *share = open_share(true);
    size_t n_shared = 0;

    expect_same(share, "a shared table differs from one read alone", &n_shared);
    check((n_shared > 0) == (n_rank > 1), "tables are not shared, or by one rank");
    node_share_close(share);
}

static void a_grid_outlives_its_share(void)
{
    struct node_share *share = open_share(true);
    struct grid *grid = NULL;
    struct error err = { "" };

    check(grid_open(good_path, &needs, share, &grid, &err) == 0, err.text);
    node_share_close(share);
    check(grid && isfinite(grid->spectrum[0].lnu[grid->n_cell * grid->n_lambda - 1]), "the table is gone");
    grid_free(grid);
}

static void a_rank_that_deals_has_axes_and_no_tables(void)
{
    struct node_share *share = open_share(rank > 0);
    struct grid *grid = NULL;
    struct error err = { "" };

    check(grid_open(good_path, &needs, share, &grid, &err) == 0, err.text);
    check(grid && grid->n_lambda == 300 && grid->n_line > 0 && grid->line_id, "axes or lines are missing");
    for (size_t s = 0; grid && s < needs.n_spectrum; s++)
        check((grid->spectrum[s].lnu != NULL) == (rank > 0), "tables where none are wanted, or none");
    grid_free(grid);
    node_share_close(share);
}

/* Also the one that deals, and reads no table, hears of what is below 0. */
static void stripes_of_a_turned_grid_are_turned_and_warnings_reach_all_ranks(void)
{
    for (int deals = 0; deals < 2; deals++) {
        struct node_share *share = open_share(!deals || rank > 0);
        struct grid *grid = NULL;
        struct error err = { "" };
        bool has_all = true;

        check(grid_open(turned_path, &needs_of_bad, share, &grid, &err) == 0, err.text);
        for (size_t i = 1; grid && grid->spectrum[0].lnu && i < grid->n_cell * grid->n_lambda; i++)
            has_all &= grid->spectrum[0].lnu[i] == (double)i;
        check(has_all, "numbers are not where they belong");
        if (!deals || n_rank > 1)
            check(grid && grid->warnings.n == 1 &&
                      strstr(grid->warnings.text[0], "has 1 of 600220 values below 0") &&
                      strstr(grid->warnings.text[0], "age 4, metallicity 0, column 30010"),
                  "the warning is missing");
        grid_free(grid);
        node_share_close(share);
    }
}

static void a_bad_number_fails_on_all_ranks_and_one_says_why(void)
{
    struct node_share *share = open_share(true);
    struct grid *grid = NULL;
    struct error err = { "" };

    check(grid_open(bad_path, &needs_of_bad, share, &grid, &err) == POLYPHONY_INPUT,
          "not refused everywhere");
    check(ranks_count(strstr(err.text, "not a finite number") != NULL) >= 1, "nobody says why");
    check(!grid, "a grid in spite of the failure");
    node_share_close(share);
}

/* The last rank cannot open the file; nobody waits for it. */
static void a_rank_that_fails_alone_takes_the_others_along(void)
{
    struct node_share *share = open_share(true);
    struct grid *grid = NULL;
    struct error err = { "" };

    check(grid_open(rank == n_rank - 1 ? "/nowhere/grid.hdf5" : good_path, &needs, share, &grid, &err) ==
              POLYPHONY_INPUT,
          "one rank's failure is not everybody's");
    node_share_close(share);
}

static void without_shared_memory_every_rank_has_a_copy(void)
{
    struct node_share *share = open_share(true);
    struct rlimit before = ranks_limit_shared_memory();
    size_t n_shared = 1;

    expect_same(share, "a copy differs", &n_shared);
    setrlimit(RLIMIT_FSIZE, &before);
    check(n_shared == 0, "shared beyond the limit");
    node_share_close(share);
}

int main(int argc, char **argv)
{
    ranks_begin(&argc, &argv);
    if (rank == 0) {
        make_grids();
        make_turned();
    }
    MPI_Bcast(turned_path, sizeof(turned_path), MPI_CHAR, 0, MPI_COMM_WORLD);
    MPI_Bcast(good_path, sizeof(good_path), MPI_CHAR, 0, MPI_COMM_WORLD);
    MPI_Bcast(bad_path, sizeof(bad_path), MPI_CHAR, 0, MPI_COMM_WORLD);
    every_rank_sees_the_same_numbers();
    a_grid_outlives_its_share();
    a_rank_that_deals_has_axes_and_no_tables();
    stripes_of_a_turned_grid_are_turned_and_warnings_reach_all_ranks();
    a_bad_number_fails_on_all_ranks_and_one_says_why();
    a_rank_that_fails_alone_takes_the_others_along();
    without_shared_memory_every_rank_has_a_copy();
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        unlink(good_path);
        unlink(bad_path);
        unlink(turned_path);
    }
    return ranks_end();
}
