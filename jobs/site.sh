# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What is special about your cluster; the only file here to edit. The jobs source it. Where nothing is special, leave
# it alone.
#
# sbatch itself reads the first group from its environment, so source this file once before submitting:
#
#     . jobs/site.sh
#     sbatch jobs/production.sbatch job.yaml
#
# A variable that is already set is left alone: `SRUN_MPI=pmix_v3 sbatch …` is for one job.

# ---- read by sbatch: where jobs go and who pays --------------------------------------------------------------------

# export SBATCH_PARTITION=compute
# export SBATCH_ACCOUNT=project
# export SBATCH_QOS=normal
# export SBATCH_CONSTRAINT=rome

# ---- software ------------------------------------------------------------------------------------------------------

# Modules with the Open MPI and HDF5 that polyphony was built with.
site_modules() {
    : # module purge && module load gcc/12 openmpi/4.1 hdf5/1.10-mpi hwloc gsl
}

POLYPHONY=${POLYPHONY:-build/polyphony}

# ---- how ranks are started -----------------------------------------------------------------------------------------

# srun, or mpirun where SLURM has no PMIx ('srun --mpi=list' says what there is).
LAUNCHER=${LAUNCHER:-srun}
SRUN_MPI=${SRUN_MPI:-pmix}

# yes: the other ranks go on when a rank or a node is lost (not rank 0's). Takes mpirun, and `sbatch --no-kill`, or
# SLURM ends the job with the node. no: the job ends, and continues by itself from the file; costs a minute and the
# galaxies in hand.
SURVIVE=${SURVIVE:-no}

# TCP between nodes, if mpirun or ranks cannot find each other: the network they share.
# export OMPI_MCA_oob_tcp_if_include=ib0 OMPI_MCA_btl_tcp_if_include=ib0

# ---- cores ---------------------------------------------------------------------------------------------------------

# Threads of a rank and computing ranks of a node; empty: eight threads or a little more or less, so that they fill
# the cores of a node. Fewer ranks where memory is short ('polyphony check' says how much they need).
THREADS=${THREADS:-}
WORKERS_PER_NODE=${WORKERS_PER_NODE:-}

# ---- files and patience --------------------------------------------------------------------------------------------

# Where the smoke test puts its files: on a file system that all nodes see.
SCRATCH=${SCRATCH:-demo}

# Seconds between the end of a run that was killed from outside and the next try in the same job, for each try in a
# row that finished no galaxy; after the last the job gives up. Together more than SLURM needs to notice a dead node
# (usually 300 s).
RETRY_PAUSES_S=${RETRY_PAUSES_S:-10 60 300}

# Where galaxies in hand take longer than the time SLURM leaves us, so many seconds before its limit they are given up
# (they are computed again) and the job is requeued.
REQUEUE_MARGIN_S=${REQUEUE_MARGIN_S:-30}
