#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much sooner a catalogue of very different galaxies is done when they are dealt by cost.

    scripts/bench_modes.py --turns 7

The same galaxies on the same ranks under each schedule.mode, all modes in turn, again and again, so that a busy machine
disturbs all alike. The figure is the length of the galaxies' phase relative to that of 'dynamic' in the same turn. The
bound is the larger of all galaxies' seconds divided by the workers and the seconds of the largest galaxy: nothing can
be faster.

Exit codes: 0 done, 2 usage, 3 unreadable input or a run that failed, 5 output error.
"""

import argparse

import h5py

from bench_common import (add_common_arguments, call, clean_up, describe_machine, find_quartiles, format_quartiles,
                          measure_idle, measure_phase_s, positive, prepare, run_job, write_figures, write_job)
from profiling import format_markdown, run_script
from scaling_catalogue import list_tail, merge_catalogues

MODES = ("dynamic", "static-block", "static-cyclic", "static-lpt")
JOB = """\
emission: {{model: pacman, tau_v: los, fesc: 0.1}}
trace: spans
schedule: {{mode: {mode}, max_batch_galaxies: {max_batch}}}
operations:
  los_optical_depths: {{}}
  sfzh: {{}}
  spectra: {{labels: [intrinsic, emergent]}}
  photometry_fluxes: {{labels: [emergent]}}
"""


def make_inputs(args):
    """A grid, and galaxies of differing size in a random order."""
    call(args, "demo-grid", "--output", "grid.hdf5")
    parts = []
    for i, (n_particle, n_galaxy) in enumerate(list_tail(args.ngalaxies, args.nparticles, args.tail)):
        parts.append(args.out / f"part{i}.hdf5")
        call(args, "demo-catalogue", "--ngalaxies", n_galaxy, "--nparticles", n_particle, "--seed", args.seed + i,
             "--output", parts[-1])
        print(f"{n_galaxy} galaxies of {n_particle} stars", flush=True)
    merge_catalogues(parts, args.out / "catalogue.hdf5", args.seed)
    for part in parts:
        part.unlink()


def find_bound_s(args, name):
    """What no schedule can beat, from the seconds that each galaxy took [s]."""
    with h5py.File(args.out / f"{name}.hdf5", "r") as file:
        seconds = file["Run/Ledger"]["seconds"]
    return max(float(seconds.sum()) / args.workers, float(seconds.max()))


def take_turns(args):
    """phase [s], idle share [-] and bound [s] of each mode, turn by turn."""
    turns = {mode: [] for mode in args.modes}
    for i_turn in range(args.turns):
        for mode in args.modes if i_turn % 2 == 0 else args.modes[::-1]:
            trace, _, wall_s = run_job(args, mode, args.workers + 1)
            turns[mode].append({"phase_s": measure_phase_s(trace), "wall_s": wall_s, "idle": measure_idle(trace),
                                "bound_s": find_bound_s(args, mode)})
            clean_up(args, f"{mode}.hdf5")
        print(f"turn {i_turn + 1}: " + ", ".join(f"{mode} {runs[-1]['phase_s']:.2f} s" for mode, runs in turns.items()),
              flush=True)
    return turns


def print_table(turns):
    """One row a mode."""
    rows = []
    for mode, runs in turns.items():
        ratios = [run["phase_s"] / base["phase_s"] for run, base in zip(runs, turns["dynamic"])]
        rows.append([mode, format_quartiles([run["phase_s"] for run in runs], 2),
                     "1" if mode == "dynamic" else format_quartiles(ratios),
                     f"{find_quartiles([run['phase_s'] / run['bound_s'] for run in runs])[1]:.3f}",
                     f"{100 * find_quartiles([run['idle'] for run in runs])[1]:.1f}"])
    print(format_markdown(["mode", "galaxies' phase [s] (quartiles)", "relative to dynamic (quartiles)",
                           "relative to the bound", "workers idle [%]"], rows))


def main():
    """Inputs, runs, table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ngalaxies", type=positive, default=400, metavar="G", help="(default: %(default)s)")
    parser.add_argument("--nparticles", type=positive, default=1000, metavar="N",
                        help="stars of the smallest galaxies (default: %(default)s)")
    parser.add_argument("--tail", type=positive, default=300, metavar="F",
                        help="the largest have F x N stars; about as many stars in each half decade of size "
                        "(default: %(default)s)")
    parser.add_argument("--workers", type=positive, default=2, metavar="W",
                        help="ranks that compute, one thread each; the dealer comes on top (default: %(default)s)")
    parser.add_argument("--max-batch", type=positive, default=64, metavar="B",
                        help="schedule.max_batch_galaxies (default: %(default)s)")
    parser.add_argument("--turns", type=positive, default=5, metavar="K",
                        help="runs of each mode (default: %(default)s)")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES, metavar="MODE",
                        help=f"dynamic and others (default: {' '.join(MODES)})")
    add_common_arguments(parser, "demo/bench-modes")
    args = parser.parse_args()
    args.modes = ("dynamic", *dict.fromkeys(mode for mode in args.modes if mode != "dynamic"))
    prepare(args)
    make_inputs(args)
    for mode in args.modes:
        write_job(args, mode, JOB.format(mode=mode, max_batch=args.max_batch))
    turns = take_turns(args)
    keys = ("ngalaxies", "nparticles", "tail", "workers", "max_batch", "seed")
    write_figures(args, {"machine": describe_machine()} | {key: getattr(args, key) for key in keys} | {"turns": turns})
    print(f"\n{args.ngalaxies} galaxies of {args.nparticles} to {args.tail * args.nparticles} stars, {args.workers} "
          f"workers and a dealer, median of {args.turns} turns\n")
    print_table(turns)
    clean_up(args, "grid.hdf5", "catalogue.hdf5")
    return 0


if __name__ == "__main__":
    run_script(main)
