#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Build with the address and undefined-behaviour sanitizers in build-sanitized/ and run the tests with them.
# (Leaks excepted: the checker reports what Open MPI keeps until exit in every program linked with it.)
#
#     scripts/sanitize.sh [arguments of meson test; default: --suite unit]
set -euo pipefail

cd "$(dirname "$0")/.."
. scripts/env.sh
build='build-sanitized'
scripts/build.sh $build -Db_sanitize=address,undefined -Db_lundef=false
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
if [ $# -eq 0 ]; then
    set -- --suite unit
fi
exec meson test -C $build --no-rebuild --print-errorlogs --timeout-multiplier 4 "$@"
