#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Run polyphony under mpirun so that it outlives the loss of ranks and hosts:
#
#     scripts/launch.sh -n RANKS [options of mpirun] -- build/polyphony run --survive JOB.yaml
#
# mpirun is told to let ranks die (--enable-recovery); then its exit code says nothing, and after the loss of another
# host it would not end. This script waits for it or for the end of the run in the status file (results.hdf5.status.json),
# whichever comes first, ends mpirun 10 s later (LAUNCH_GRACE_S), and exits with the run's own code:
#
#     0 to 6   as polyphony says
#     4        also if the run was killed before it could say how it ended, rank 0's host lost: run again to continue
#     6        also if the run did not begin, and mpirun does not say why
#
# Ctrl-C and SIGUSR1 stop the run after the galaxies in hand (exit code 4), SIGTERM and a second Ctrl-C at once.
set -euo pipefail

usage() {
    sed -n '4,17s/^# \{0,1\}//p' "$0"
}

options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    if [ "$1" = --help ]; then
        usage
        exit 0
    fi
    options+=("$1")
    shift
done
if [ $# -lt 3 ]; then
    usage >&2
    exit 2
fi
shift # --
job=${!#}
if [ ! -r "$job" ]; then
    echo "launch.sh: job file '$job' cannot be read; it must be the last argument" >&2
    exit 2
fi

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/env.sh
. "$here/env.sh"
# shellcheck source=scripts/launching.sh
. "$here/launching.sh"

n_interrupt=0
# shellcheck disable=SC2317 # called by trap
on_interrupt() {
    n_interrupt=$((n_interrupt + 1))
    if [ "$n_interrupt" -eq 1 ]; then
        launch_signal USR1
    else
        launch_signal TERM
    fi
}
trap on_interrupt INT
trap 'launch_signal USR1' USR1
trap 'launch_signal TERM' TERM

# The program reads its job file itself: if it cannot, it has said why.
results=$(job_output "$@") || exit $?
launch_run "$results" mpirun --enable-recovery -x POLYPHONY_LAUNCH "${options[@]}" "$@"
case $launch_phase in
running) echo "launch.sh: the run was killed before it could say how it ended; run again to continue" >&2 ;;
never) echo "launch.sh: the run did not begin (mpirun's exit code $launch_rc)" >&2 ;;
esac
exit "$launch_code"
