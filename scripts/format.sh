#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Bring all C sources into the form that .clang-format says.
#
#     scripts/format.sh [--check]     --check: change nothing, say what is not in form; exit code 1 if anything is
#
# Needs clang-format 14, Debian 12's (scripts/install.sh --ci): other versions break lines in other places.
set -euo pipefail

case ${1:-} in
'') how=(-i) ;;
--check) how=(--dry-run -Werror) ;;
*)
    sed -n '4,8s/^# \{0,1\}//p' "$0"
    [ "$1" = --help ] && exit 0
    exit 2
    ;;
esac

cd "$(dirname "$0")/.."
format=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$format" ] || ! "$format" --version | grep -q 'version 14\.'; then
    echo 'clang-format 14 is missing: scripts/install.sh --ci installs it' >&2
    exit 3
fi
find include src tests -name '*.[ch]' -print0 | xargs -0 -n 32 -P 2 "$format" "${how[@]}" || {
    echo 'Not in form: scripts/format.sh mends it' >&2
    exit 1
}
