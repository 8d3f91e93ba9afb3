#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Build polyphony and its tests. Says what it does.
#
#     scripts/build.sh [DIR [OPTION...]]
#
# DIR: build directory, default build. OPTION: of meson, such as -Dwerror=true; stays until it is set otherwise.
set -euo pipefail

case ${1:-} in
-*)
    sed -n '4,8s/^# \{0,1\}//p' "$0"
    [ "$1" = --help ] && exit 0
    exit 2
    ;;
esac

cd "$(dirname "$0")/.."
root=$(pwd -P)
build=${1:-build}
options=("${@:2}")
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
    echo "Configuring $build"
    meson setup "$build" "$root" "${options[@]}" >"$log" 2>&1 || fail 'Configuring'
elif [ ${#options[@]} -gt 0 ]; then
    meson configure "$build" "${options[@]}" >"$log" 2>&1 || fail 'Configuring'
fi

# Ninja's lines to the log, and how far it is to a terminal.
follow() {
    local line
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        if [ -t 1 ] && [[ $line =~ ^\[([0-9]+/[0-9]+)\] ]]; then
            printf '\r  %s ' "${BASH_REMATCH[1]}"
        fi
    done
    [ ! -t 1 ] || printf '\r\033[K'
}

: >"$log"
echo "Building in $build, a minute or two the first time (log: $log)"
ninja -C "$build" 2>&1 | follow || fail 'Building'
