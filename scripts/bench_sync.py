#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to bring results to disk while they are written (job key 'sync_interval_s').

    scripts/bench_sync.py --turns 5

The same galaxies on the same ranks with each interval, all intervals in turn, again and again, so that a busy machine
disturbs all alike. Two figures, relative to interval 0 (all at the end) in the same turn: the length of the galaxies'
phase, and of the whole run, in whose end all that is left is brought to disk. Results go to --out: it matters on which
disk that is.

Exit codes: 0 done, 2 usage, 3 unreadable input or a run that failed, 5 output error.
"""

import argparse
import os

from bench_common import (add_common_arguments, call, clean_up, describe_machine, format_quartiles, measure_phase_s,
                          positive, prepare, run_job, write_figures, write_job)
from profiling import format_markdown, run_script

JOB = """\
emission: {{model: pacman, tau_v: 0.5, fesc: 0.1}}
trace: spans
sync_interval_s: {interval}
operations:
  sfzh: {{}}
  spectra: {{labels: [all]}}
  observed_spectra: {{labels: [all]}}
  lines: {{ids: [all]}}
"""


def take_turns(args):
    """phase and run [s] of each interval, turn by turn; bytes of the results."""
    turns, n_byte = {interval: [] for interval in args.intervals}, 0
    for i_turn in range(args.turns):
        for interval in args.intervals if i_turn % 2 == 0 else args.intervals[::-1]:
            os.sync()  # what others and the run before have left is not this one's
            trace, processor_s, wall_s = run_job(args, f"sync{interval:g}", args.workers + 1)
            turns[interval].append({"phase_s": measure_phase_s(trace), "wall_s": wall_s, "processor_s": processor_s})
            n_byte = (args.out / f"sync{interval:g}.hdf5").stat().st_size
            clean_up(args, f"sync{interval:g}.hdf5")
        print(f"turn {i_turn + 1}: " + ", ".join(f"{interval:g} s: {runs[-1]['phase_s']:.2f} s, {runs[-1]['wall_s']:.2f} s"
                                                 for interval, runs in turns.items()), flush=True)
    return turns, n_byte


def print_table(turns):
    """One row an interval."""
    rows = []
    for interval, runs in turns.items():
        row = [f"{interval:g} s" if interval else "0 (at the end)"]
        for key in ("phase_s", "wall_s", "processor_s"):
            row.append(format_quartiles([run[key] for run in runs], 2))
            row.append(format_quartiles([run[key] / base[key] for run, base in zip(runs, turns[0])]))
        rows.append(row)
    print(format_markdown(["sync_interval_s", "galaxies' phase [s]", "relative", "whole run [s]", "relative",
                           "processor [s]", "relative"], rows))


def main():
    """Inputs, runs, table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ngalaxies", type=positive, default=1000, metavar="G", help="(default: %(default)s)")
    parser.add_argument("--nparticles", type=positive, default=300, metavar="N", help="stars of a galaxy (default: %(default)s)")
    parser.add_argument("--workers", type=positive, default=2, metavar="W",
                        help="ranks that compute, one thread each; the dealer comes on top (default: %(default)s)")
    parser.add_argument("--intervals", type=float, nargs="+", default=[1.0, 60.0], metavar="S",
                        help="beside 0 [s] (default: 1 60)")
    parser.add_argument("--turns", type=positive, default=5, metavar="K", help="runs of each (default: %(default)s)")
    add_common_arguments(parser, "demo/bench-sync")
    args = parser.parse_args()
    args.intervals = [0.0, *dict.fromkeys(interval for interval in args.intervals if interval)]
    prepare(args)
    call(args, "demo-grid", "--output", "grid.hdf5")
    call(args, "demo-catalogue", "--ngalaxies", args.ngalaxies, "--nparticles", args.nparticles, "--seed", args.seed,
         "--output", "catalogue.hdf5")
    for interval in args.intervals:
        write_job(args, f"sync{interval:g}", JOB.format(interval=interval))
    turns, n_byte = take_turns(args)
    keys = ("ngalaxies", "nparticles", "workers", "seed")
    write_figures(args, {"machine": describe_machine(), "results_bytes": n_byte} |
                  {key: getattr(args, key) for key in keys} | {"turns": {f"{key:g}": runs for key, runs in turns.items()}})
    print(f"\n{args.ngalaxies} galaxies of {args.nparticles} stars, {n_byte * 1e-9:.2f} GB of results, {args.workers} workers "
          f"and a dealer, median (quartiles) of {args.turns} turns\n")
    print_table(turns)
    clean_up(args, "grid.hdf5", "catalogue.hdf5")
    return 0


if __name__ == "__main__":
    run_script(main)
