/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdbool.h>

/** Environment variables by which a launched process is known, NULL behind the last. */
extern const char *const mpi_start_launchers[];

/** Did something start this process as one of several, or could it have (mpirun, srun, another launcher)? */
bool mpi_start_is_launched(void);

/**
 * Before MPI_Init(): a process that nothing launched is told so, in the words of Open MPI (others do not
 * look). What the user has set stays. Without a launcher Open MPI 4.1 would start one (orted), and ask all
 * network libraries whether there is a network, for peers that do not exist: 0.33 s of 0.36 s that MPI takes.
 */
void mpi_start_prepare(void);
