#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# From an empty machine to a results file and two pictures: installs what is needed, builds, makes a stellar
# population grid and a catalogue of ten galaxies, observes them with JWST on all cores, and draws one.
#
#     scripts/demo.sh [--dir DIR]     DIR: where all files go, default demo
#     scripts/demo.sh --help
#
# Run again: inputs that exist are kept, galaxies that are done are not done again, pictures are redrawn.
set -euo pipefail

usage() {
    sed -n '4,10s/^# \{0,1\}//p' "$0"
}

dir=''
while [ $# -gt 0 ]; do
    case $1 in
    --help)
        usage
        exit 0
        ;;
    --dir)
        [ -n "${2:-}" ] || { usage >&2 && exit 2; }
        dir=$(realpath -m "$2")
        shift 2
        ;;
    *)
        echo "demo.sh: unknown argument '$1'" >&2
        usage >&2
        exit 2
        ;;
    esac
done

cd "$(dirname "$0")/.."
if [ -z "$dir" ] || [ "$dir" = "$PWD/demo" ]; then
    dir=demo
fi

scripts/install.sh
. scripts/env.sh
scripts/build.sh build
polyphony=build/polyphony
mkdir -p "$dir"

# make_input FILE COMMAND…: unless it is there. A file gets its name when it is complete.
make_input() {
    local file=$1
    shift
    if [ ! -f "$file" ]; then
        "$polyphony" "$@" --output "$file"
    fi
}
make_input "$dir/grid.hdf5" demo-grid
make_input "$dir/catalogue.hdf5" demo-catalogue --nparticles 10000 --ngalaxies 10 --seed 42

# The job names its files in demo/; another directory gets a job file of its own.
job=jobs/demo.yaml
if [ "$dir" != demo ]; then
    job=$dir/demo.yaml
    escaped=$(printf '%s' "$dir" | sed 's/[&|\\]/\\&/g')
    sed -E "s|^( *(catalogue\|grid\|output): *)demo/|\\1$escaped/|" jobs/demo.yaml >"$job"
fi

# Rank 0 deals and the others work: several workers of 8 threads on a large machine, else one on all cores.
n_core=$(env -u OMP_NUM_THREADS nproc)
n_thread=$n_core
n_rank=2
if [ "$n_core" -ge 16 ]; then
    n_thread=8
    n_rank=$((1 + n_core / n_thread))
fi
echo "Observing: $n_rank ranks (one deals), $n_thread threads each"
status=0
OMP_NUM_THREADS=$n_thread mpirun -n "$n_rank" "$polyphony" run "$job" || status=$?
if [ "$status" -ne 0 ]; then
    echo "The run ended with code $status. Run this script again to continue;" \
        "to start afresh, first remove '$dir/results.hdf5'." >&2
    exit "$status"
fi

echo
"$polyphony" status "$dir/results.hdf5"
"$PYTHON" scripts/plot_galaxy.py "$dir/results.hdf5" --out "$dir"

cat <<END

What is where:
    $dir/spectra.png     spectra, filters and photometry of the galaxy with the most stars
    $dir/images.png      its images in every filter, and in colour
    $dir/results.hdf5    all observables of all galaxies (h5ls -r, h5py)
    $dir/grid.hdf5, $dir/catalogue.hdf5    the inputs
    $job       the job
END
