#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Build polyphony and its tests. Quiet unless it fails.
#
#     scripts/build.sh [DIR]      DIR: build directory, default build
set -euo pipefail

case ${1:-} in
-*)
    sed -n '4,6s/^# \{0,1\}//p' "$0"
    [ "$1" = --help ] && exit 0
    exit 2
    ;;
esac

cd "$(dirname "$0")/.."
root=$(pwd -P)
build=${1:-build}
log=$build/build.log

fail() {
    echo "$1 failed, the end of $log:" >&2
    tail -n 40 "$log" >&2
    exit 1
}

# A repository that was moved or copied with its build directory: absolute paths in there are wrong.
if [ -f "$build/meson-info/meson-info.json" ] &&
    ! grep -qF "\"$root\"" "$build/meson-info/meson-info.json"; then
    rm -rf "$build"
fi
mkdir -p "$build"
if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$root" >"$log" 2>&1 || fail 'Configuring'
fi
ninja -C "$build" >"$log" 2>&1 || fail 'Building'
