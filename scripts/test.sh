#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Install what is needed, build, and run all tests; without arguments, the unit tests with the sanitizers as well, beside
# the others, in what time these leave. The exit code is that of the tests.
#
#     scripts/test.sh [arguments of meson test, e.g. --suite unit, or names of tests]
set -euo pipefail

if [ "${1:-}" = --help ]; then
    sed -n '4,7s/^# \{0,1\}//p' "$0"
    exit 0
fi

cd "$(dirname "$0")/.."
scripts/install.sh --tests
. scripts/env.sh
scripts/build.sh build
if [ $# -gt 0 ]; then
    exec meson test -C build --no-rebuild --print-errorlogs "$@"
fi

log=build/sanitized.log
nice -n 19 scripts/sanitize.sh >$log 2>&1 &
sanitized=$!
trap 'kill $sanitized 2>/dev/null || true' EXIT
code=0
echo "Testing: $(meson test -C build --no-rebuild --list 2>/dev/null | wc -l) tests, some twenty minutes on two cores;" \
    'beside them, at low priority, the unit tests with sanitizers (log: '"$log)"
meson test -C build --no-rebuild --print-errorlogs || code=$?
echo 'Waiting for the tests with sanitizers'
wait $sanitized || code=$?
trap - EXIT
cat $log
exit $code
