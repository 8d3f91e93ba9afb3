#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Measure the machine, the kernels, whole runs and their growth; --help has the options (bench_all.py).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/env.sh
. "$here/env.sh"
BENCH_NAME=bench.sh exec "$PYTHON" "$here/bench_all.py" "$@"
