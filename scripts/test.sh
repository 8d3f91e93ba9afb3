#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Install what is needed, build, and run all tests; without arguments, the unit tests with the sanitizers as well, beside
# the others, in what time these leave. The exit code is that of the tests.
#
#     scripts/test.sh [arguments of meson test, e.g. --suite unit, or names of tests]
#     scripts/test.sh --quick     two minutes, what is built included: the unit tests, two golden cases, the same bits on
#                                 any ranks, and killed runs that are continued
set -euo pipefail

if [ "${1:-}" = --help ]; then
    sed -n '4,9s/^# \{0,1\}//p' "$0"
    exit 0
fi

cd "$(dirname "$0")/.."
scripts/install.sh --tests
. scripts/env.sh
scripts/build.sh build
# Many tests wait most of the time, for runs that stand still or for SLURM: one more than there are cores.
run() {
    meson test -C build --no-rebuild --print-errorlogs --num-processes $(($(nproc) + 1)) "$@"
}
if [ "${1:-}" = --quick ]; then
    [ $# -eq 1 ] || {
        echo 'test.sh: --quick is all there is to say' >&2
        exit 2
    }
    run --suite unit
    run golden/shipped_screen golden/shipped_los
    "$PYTHON" tests/cli/test_identity.py build/polyphony IdentityTest.test_ranks_threads_modes_and_batches_do_not_matter
    "$PYTHON" tests/cli/test_resume.py build/polyphony ResumeTest.test_a_killed_rank_loses_nothing \
        ResumeTest.test_sigusr1_to_mpirun_stops_all_ranks_with_code_4
    exit
fi
if [ $# -gt 0 ]; then
    run "$@"
    exit
fi

log=build/sanitized.log
nice -n 19 scripts/sanitize.sh >$log 2>&1 &
sanitized=$!
trap 'kill $sanitized 2>/dev/null || true' EXIT
code=0
echo "Testing: $(meson test -C build --no-rebuild --list 2>/dev/null | wc -l) tests, some ten minutes on two cores;" \
    'beside them, at low priority, the unit tests with sanitizers (log: '"$log)"
run || code=$?
echo 'Waiting for the tests with sanitizers'
wait $sanitized || code=$?
trap - EXIT
cat $log
exit $code
