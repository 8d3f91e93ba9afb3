# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Sourced by the other scripts: how MPI programs start on any machine, and which Python to use.
# A variable that is already set is left alone.

# mpirun refuses root unless told twice; in a container one is nothing else.
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# Rank 0 only deals, so there is always one rank more than cores at work.
export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"

# Open MPI would put all threads of a rank on one core; polyphony pins its threads itself.
export OMPI_MCA_hwloc_base_binding_policy="${OMPI_MCA_hwloc_base_binding_policy:-none}"

# Containers often forbid process_vm_readv; copying through shared memory is as fast for our small messages.
export OMPI_MCA_btl_vader_single_copy_mechanism="${OMPI_MCA_btl_vader_single_copy_mechanism:-none}"

# On one machine TCP to its own outer address may be blocked, lo never is. Under a batch system there may be
# more machines, and lo would separate them.
if [ -e /sys/class/net/lo ] && [ -z "${SLURM_JOB_ID:-}${PBS_JOBID:-}${LSB_JOBID:-}${PE_HOSTFILE:-}" ] &&
    [ -z "${OMPI_MCA_orte_default_hostfile:-}" ]; then
    export OMPI_MCA_btl_tcp_if_include="${OMPI_MCA_btl_tcp_if_include:-lo}"
    export OMPI_MCA_oob_tcp_if_include="${OMPI_MCA_oob_tcp_if_include:-lo}"
fi

# Open MPI looks up the machine's own name at each start. Where no file has it (a bare chroot) and no name server answers
# that takes ten seconds; one is enough.
if [ -z "${RES_OPTIONS:-}${SLURM_JOB_ID:-}${PBS_JOBID:-}${LSB_JOBID:-}${PE_HOSTFILE:-}" ] &&
    ! getent -s files hosts "$(uname -n)" >/dev/null 2>&1; then
    export RES_OPTIONS='timeout:1 attempts:1'
fi

# Debian puts h5py beside /usr/bin/python3; another python3 that comes first on PATH may lack it.
if [ -z "${PYTHON:-}" ]; then
    PYTHON=/usr/bin/python3
    for candidate in /usr/bin/python3 python3; do
        if "$candidate" -c 'import importlib.util as u; exit(not u.find_spec("h5py"))' 2>/dev/null; then
            PYTHON="$candidate"
            break
        fi
    done
    unset candidate
fi
export PYTHON
