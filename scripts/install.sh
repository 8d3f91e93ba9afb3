#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Install what is missing to build, test and run polyphony. Asks nothing, and says nothing when all is there.
#
#     scripts/install.sh [--tests | --bench | --ci] [--help]
#
# --tests: also what some tests need and skip without: a SLURM of their own, hosts as network namespaces, valgrind.
# --bench: also what some benchmarks need and do without: a BLAS to race, valgrind to count instructions.
# --ci: also what .ci/run needs and must have: the formatter, and a second compiler with its OpenMP.
#
# Debian and Ubuntu: apt-get, as root or through sudo. Elsewhere: prints what is missing.
# Exit codes: 0 all is there, 2 usage, 3 something is missing and could not be installed.
set -euo pipefail

# package | how to see that it is there without dpkg | what for
needs='
meson                | command meson        | build system
ninja-build          | command ninja        | runs the build
pkg-config           | command pkg-config   | finds libraries
gcc                  | command gcc          | C compiler, C17 with OpenMP
libc6-dev            | header stdio.h       | C library headers
libopenmpi-dev       | command mpicc        | MPI headers and library
openmpi-bin          | command mpirun       | starts MPI programs
libhdf5-openmpi-dev  | hdf5 parallel        | HDF5 built with MPI: inputs and results
libhwloc-dev         | module hwloc         | cores, caches and pinning
libcmocka-dev        | module cmocka        | unit tests
libcyaml-dev         | module libcyaml      | job files
libyaml-dev          | module yaml-0.1      | job files, line numbers in messages
libgsl-dev           | module gsl           | integrals and root finding of the cosmology
libxxhash-dev        | module libxxhash     | checksums
libexpat1-dev        | module expat         | filter curves in VOTable
librandom123-dev     | header Random123/philox.h | random numbers that are the same everywhere
python3              | command python3      | pictures and the comparison with reference outputs
python3-h5py         | python h5py          | the same
python3-numpy        | python numpy         | the same
python3-matplotlib   | python matplotlib    | pictures
'
needs_of_tests='
slurm-wlm            | command slurmctld    | tests of the jobs for SLURM
slurm-client         | command sbatch       | the same
munge                | command munged       | the same
iproute2             | command ip           | tests with several hosts
util-linux           | command unshare      | the same
valgrind             | command valgrind     | counts of instructions
'
needs_of_benchmarks='
libopenblas-serial-dev | module openblas      | a rival for the mixing of spectra
valgrind             | command valgrind     | counts of instructions
'
needs_of_ci='
clang-format-14      | command clang-format-14 | the form of C sources
clang                | command clang        | the second compiler
libomp-dev           | openmp clang         | its OpenMP
'

if [ "${1:-}" = --tests ] || [ "${1:-}" = --bench ]; then
    "$0" # what everything needs comes first, and must be there
    is_optional=tests
    needs=$needs_of_tests
    if [ "$1" = --bench ]; then
        is_optional=benchmarks
        needs=$needs_of_benchmarks
    fi
    shift
elif [ "${1:-}" = --ci ]; then
    "$0"
    needs=$needs_of_ci
    shift
fi
if [ $# -gt 0 ]; then
    sed -n '4,13s/^# \{0,1\}//p' "$0"
    [ "$1" = --help ] && exit 0
    exit 2
fi

here=$(cd "$(dirname "$0")" && pwd)
missing=()
purposes=''

header_found() {
    echo "#include <$1>" | "${CC:-cc}" -E -xc - >/dev/null 2>&1
}

parallel_hdf5_found() {
    local dir
    pkg-config --exists hdf5-openmpi 2>/dev/null && return 0
    dir=$(pkg-config --variable=includedir hdf5 2>/dev/null) &&
        grep -qs 'define H5_HAVE_PARALLEL 1' "$dir/H5pubconf.h" && return 0
    # HDF5 that was built from source or by Spack may have no .pc file; its compiler wrapper is what Meson asks then.
    "${HDF5_CC:-h5pcc}" -showconfig 2>/dev/null | grep -q 'Parallel HDF5: *yes'
}

found_without_dpkg() {
    case $1 in
    command) command -v "$2" ;;
    module) pkg-config --exists "$2" ;;
    header) header_found "$2" ;;
    hdf5) parallel_hdf5_found ;;
    openmp) echo 'int main(void) { return 0; }' | "$2" -fopenmp -xc - -o /dev/null ;;
    python) "$PYTHON" -c "import $2" ;;
    esac >/dev/null 2>&1
}

find_missing() {
    local installed='' package kind name purpose
    missing=()
    purposes=''
    if command -v dpkg-query >/dev/null; then
        installed=$(dpkg-query -W -f '${Package}=${db:Status-Status}\n' | sed -n 's/=installed$//p')
    fi
    while IFS='|' read -r package kind purpose; do
        read -r package <<<"$package"
        read -r kind name <<<"$kind"
        [ -n "$package" ] || continue
        grep -qx -- "$package" <<<"$installed" && continue
        # shellcheck source=scripts/env.sh
        [ -n "${PYTHON:-}" ] || . "$here/env.sh"
        found_without_dpkg "$kind" "$name" && continue
        missing+=("$package")
        purposes+=$(printf '    %-22s%s' "$package" "${purpose# }")$'\n'
    done <<<"$needs"
}

# Words that run a command as root, one a line; nothing when that is not possible.
root_words() {
    if [ "$(id -u)" -eq 0 ]; then
        echo env
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        printf '%s\n' sudo -n env
    elif command -v sudo >/dev/null && [ -t 0 ]; then
        printf '%s\n' sudo env
    fi
}

# Runs with the log as its output, and says on the terminal how far it is.
apt_install() {
    echo '  fetching the lists of packages' >&3
    "${as_root[@]}" apt-get update -q || return
    echo '  fetching and unpacking packages, with what these need' >&3
    "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
        -o DPkg::Lock::Timeout=120 "${missing[@]}"
}

install_missing() {
    local log
    log=$(mktemp "${TMPDIR:-/tmp}/polyphony-install.XXXXXX")
    echo "Installing ${#missing[@]} packages, a minute or two (log: $log):"
    fold -s -w 100 <<<"${missing[*]}" | sed 's/^/  /'
    exec 3>&1
    # A mirror may be out of step, or another apt may hold the lists: once more usually helps.
    if apt_install </dev/null >"$log" 2>&1 || { sleep 5 && apt_install </dev/null >>"$log" 2>&1; }; then
        rm -f "$log"
    else
        echo "Installing failed, the end of $log:" >&2
        tail -n 20 "$log" >&2
    fi
}

find_missing
[ ${#missing[@]} -eq 0 ] && exit 0

mapfile -t as_root < <(root_words)
if command -v apt-get >/dev/null && [ ${#as_root[@]} -gt 0 ]; then
    install_missing
    unset PYTHON # another Python may be the right one now
    find_missing
    [ ${#missing[@]} -eq 0 ] && exit 0
fi

if [ -n "${is_optional:-}" ]; then
    echo "Not installed: ${missing[*]}; the $is_optional that need them will be skipped"
    exit 0
fi
{
    echo 'Missing, and not installed (no apt-get, no permission, or it failed).'
    echo 'Please install (Debian names):'
    printf '%s' "$purposes"
    echo 'On Debian and Ubuntu, as root:'
    echo "    apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    echo 'Then run the same command again.'
} >&2
exit 3
