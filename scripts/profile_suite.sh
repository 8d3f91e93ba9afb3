#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Time and memory of the pipeline from 100 to 100,000 stars a galaxy, with plots and tables in one report.
#
#     scripts/profile_suite.sh [options]
#
#     --out DIR           where everything goes (default: demo/profile); the report is DIR/report.md
#     --nparticles 'N …'  stars of each of ten galaxies (default: 100 500 1000 5000 10000 100000)
#     --nthreads T        OpenMP threads of a rank (default: 8, or all cores if there are fewer)
#     --ranks R           MPI processes; of several, rank 0 only deals (default: 1)
#     --format F          of plots: png, pdf or svg (default: png)
#     --quick             a try-out: three galaxies of 100 and 500 stars on a small grid
#     --keep              keep results and catalogues, some 90 MB a run (default: delete)
#
# Each size is run twice: for time, with memory sampled at 100 Hz, and for memory, with 5000 Hz (small galaxies) down to
# 500 Hz (large ones). Installs and builds what is missing. Exit codes: 0, 2 usage, otherwise that of what failed.
set -euo pipefail

usage() {
    sed -n '4,18s/^# \{0,1\}//p' "$0"
}

fail_usage() {
    echo "profile_suite.sh: $1" >&2
    usage >&2
    exit 2
}

out='' particles='100 500 1000 5000 10000 100000' threads='' ranks=1 format=png quick='' keep=''
while [ $# -gt 0 ]; do
    case $1 in
    --help)
        usage
        exit 0
        ;;
    --quick) quick=yes ;;
    --keep) keep=yes ;;
    --out | --nparticles | --nthreads | --ranks | --format)
        [ -n "${2:-}" ] || fail_usage "$1 needs a value"
        case $1 in
        --out) out=$(realpath -m "$2") ;;
        --nparticles) particles=$2 ;;
        --nthreads) threads=$2 ;;
        --ranks) ranks=$2 ;;
        --format) format=$2 ;;
        esac
        shift
        ;;
    *) fail_usage "unknown argument '$1'" ;;
    esac
    shift
done
for n in $particles; do
    [[ $n =~ ^[1-9][0-9]*$ ]] || fail_usage "--nparticles: '$n' is no number of stars"
done

cd "$(dirname "$0")/.."
scripts/install.sh
. scripts/env.sh
echo 'Building'
scripts/build.sh build
: "${out:=$PWD/demo/profile}"
mkdir -p "$out" demo

if [ -z "$threads" ]; then
    threads=$(env -u OMP_NUM_THREADS nproc)
    [ "$threads" -le 8 ] || threads=8
fi
common=(--nthreads "$threads" --ranks "$ranks" --include-observer-frame --format "$format")
if [ -n "$quick" ]; then
    particles='100 500'
    build/polyphony demo-grid --nages 8 --nmetallicities 5 --nwavelengths 1200 --output "$out/grid.hdf5" >/dev/null
    common+=(--ngalaxies 3 --grid "$out/grid.hdf5")
fi

# sampling_hz STARS: small galaxies are over soon, and need more samples a second
sampling_hz() {
    if [ "$1" -le 500 ]; then
        echo 5000
    elif [ "$1" -le 1000 ]; then
        echo 2000
    elif [ "$1" -le 10000 ]; then
        echo 1000
    else
        echo 500
    fi
}

# profile KIND STARS OPTIONS…: one run in a directory of its own, its words in a log
profile() {
    local kind=$1 n=$2 dir=$out/$1-$2
    shift 2
    mkdir -p "$dir"
    "$PYTHON" "scripts/profile_$kind.py" --nparticles "$n" --out_dir "$dir" "${common[@]}" "$@" >"$dir/profile.log"
    grep -h ' stars, \|^peak' "$dir/profile.log"
    build/polyphony check "$dir/job.yaml" >"$dir/check.log"
    if [ -z "$keep" ]; then
        rm -f "$dir/output.hdf5" "$dir/catalogue.hdf5"
    fi
}

timings=() memories=()
for n in $particles; do
    profile timing "$n"
    profile memory "$n" --sample-freq "$(sampling_hz "$n")"
    timings+=("$out/timing-$n/timing.csv")
    memories+=("$out/memory-$n/memory.csv")
done

analyse() {
    local script=$1
    shift
    # shellcheck disable=SC2086 # several numbers
    "$PYTHON" "scripts/$script" --labels $particles --output-dir "$out" --format "$format" --inputs "$@" >/dev/null
}
analyse analyse_timing.py "${timings[@]}"
analyse analyse_timing_scaling.py "${timings[@]}"
analyse analyse_memory.py "${memories[@]}"
analyse analyse_memory_scaling.py "${memories[@]}"
# shellcheck disable=SC2086
"$PYTHON" scripts/profile_report.py --dir "$out" --nparticles $particles --format "$format"
