/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What test programs of several ranks need. A case runs on all ranks; the program's exit code is 0 if every
 * check holds on every rank. A hang ends by SIGALRM and is a failure.
 */
#pragma once

#include <mpi.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define RANKS_HANG_S 60

static int rank, n_rank, ranks_n_failed;

static inline void check(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "FAILED on rank %d of %d: %s\n", rank, n_rank, what);
        ranks_n_failed++;
    }
}

/* How many ranks say yes. */
static inline int ranks_count(bool yes)
{
    int mine = yes, n = 0;

    MPI_Allreduce(&mine, &n, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    return n;
}

/* A limit on the size of files stands for a full /dev/shm; back to `before` afterwards. */
static inline struct rlimit ranks_limit_shared_memory(void)
{
    struct rlimit before;

    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    MPI_Barrier(MPI_COMM_WORLD);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit) { 16, before.rlim_max });
    return before;
}

static inline void ranks_begin(int *argc, char ***argv)
{
    alarm(RANKS_HANG_S);
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_rank);
}

static inline int ranks_end(void)
{
    int n_failed = ranks_count(ranks_n_failed > 0);

    MPI_Finalize();
    return n_failed > 0;
}
