#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of polyphony says of itself in its status file (results.hdf5.status.json), for shell scripts.

A launcher's exit code cannot be trusted (mpirun returns 0 when a node is lost), an old status file neither. So:
'identify' before the run, 'report --before IDENTITY --launch NAME --results PATH' after it, or with --wait during it.
A run is the one that was started if its status file has NAME, which it got in POLYPHONY_LAUNCH; if it got none, if it is
another than IDENTITY and writes PATH. 'report' prints five lines:

    never | running | ended     nothing of the run that was started; it has begun; it has said how it ended
    exit code                   or -
    galaxies finished           done and set aside, in the whole file, or -
    seconds                     predicted, of the largest galaxy left, or -
    reason                      why it stopped or failed

'count' prints how many galaxies are finished, 0 where that cannot be read; path - is what 'polyphony status --json'
prints.

Exit codes: 0, 2 usage.
"""

import argparse
import json
import sys
import time

ENDED = ("done", "stopped", "failed")
POLL_S = 1.0
UNKNOWN = "-"


def read_state(path):
    """The status file; {} while there is none that can be read."""
    try:
        with open(0 if path == "-" else path, encoding="utf-8") as file:
            state = json.load(file)
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def identify(state):
    """One word that differs from run to run. No clock is compared: those of nodes differ."""
    words = (str(state.get(key)) for key in ("host", "pid", "started_utc"))
    return "/".join(words).replace(" ", "_") if state else UNKNOWN


def count_finished(state):
    """Galaxies that need no more work."""
    return state.get("n_done", 0) + state.get("n_set_aside", 0)


def is_ours(state, known):
    """Is this the run that was started? known: before, launch, results."""
    if known.launch and state.get("launch"):
        return state["launch"] == known.launch
    return bool(state) and state.get("results") == known.results and identify(state) != known.before


def find_phase(state, known):
    """How far the run has come that was started."""
    if not is_ours(state, known):
        return "never"
    return "ended" if state.get("state") in ENDED else "running"


def describe(state, known):
    """The five lines."""
    phase = find_phase(state, known)
    if phase == "never":
        return [phase, UNKNOWN, UNKNOWN, UNKNOWN, ""]
    code, left = state.get("exit_code"), state.get("largest_left_s")
    return [phase, UNKNOWN if code is None else str(code), str(count_finished(state)),
            UNKNOWN if left is None else str(left), " ".join(str(state.get("reason", "")).split())]


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("identify", "report", "count"))
    parser.add_argument("path", metavar="STATUS_JSON", help="status file; need not exist")
    parser.add_argument("--before", default=UNKNOWN, metavar="IDENTITY",
                        help="what 'identify' printed before the run (default: there was no file)")
    parser.add_argument("--launch", default="", metavar="NAME", help="what POLYPHONY_LAUNCH was for the run")
    parser.add_argument("--results", default="", metavar="PATH", help="the results file that it writes")
    parser.add_argument("--wait", action="store_true", help="until the run says how it ended")
    arguments = parser.parse_args()
    state = read_state(arguments.path)
    if arguments.verb == "identify":
        print(identify(state))
        return 0
    if arguments.verb == "count":
        print(count_finished(state))
        return 0
    while arguments.wait and find_phase(state, arguments) != "ended":
        time.sleep(POLL_S)
        state = read_state(arguments.path)
    print("\n".join(describe(state, arguments)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
