#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tracing costs: the same job without a trace, and with spans at several sampling frequencies.

All variants run in turn, again and again, so that a busy machine disturbs all of them alike. The figure is the ratio
to the run without a trace in the same turn: its median, and the quartiles as a measure of the noise. Wall time is
that of the whole process; processor time is user and system time of all threads, and is the less noisy of the two.
Inputs are made in demo/ where they are missing.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMITS = {100: 1.01, 1000: 1.03}  # what we promise (docs/formats.md)


def call(command):
    """Wall and processor seconds of a command; its output if it fails."""
    begin = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(map(str, command))} failed:\n{output}")
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime


def make_jobs(args, folder):
    """A job file for each variant, by name: off, then a frequency in Hz each."""
    grid, catalogue = ROOT / "demo/grid.hdf5", folder / "bench-trace.hdf5"
    if not grid.exists():
        call([args.polyphony, "demo-grid", "--output", grid])
    call([args.polyphony, "demo-catalogue", "--output", catalogue, "--nparticles", args.nparticles, "--ngalaxies",
          args.ngalaxies, "--seed", 42])
    text = (ROOT / "jobs/mission.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^(catalogue|output): .*$", "", text)
    jobs = {}
    for hz in [None, *args.frequencies]:
        mode = "trace: off" if hz is None else f"trace: spans\ntrace_frequency_hz: {hz}"
        jobs[hz] = folder / f"bench-trace-{hz}.yaml"
        jobs[hz].write_text(f"catalogue: {catalogue}\noutput: {folder / 'bench-trace-results.hdf5'}\nthreads: "
                            f"{args.threads}\nprogress: no\n{mode}\n{text}", encoding="utf-8")
    return jobs


def print_table(times):
    """times[variant] = [(wall s, processor s), …], turn by turn."""
    print("| trace | wall s | wall ratio (quartiles) | processor s | processor ratio (quartiles) | promised |")
    print("|---|---|---|---|---|---|")
    for hz, runs in times.items():
        cells = []
        for kind in (0, 1):
            ratios = [run[kind] / base[kind] for run, base in zip(runs, times[None])]
            low, middle, high = statistics.quantiles(ratios, n=4)
            cells += [f"{statistics.median(run[kind] for run in runs):.3f}",
                      "1" if hz is None else f"{middle:.4f} ({low:.4f} to {high:.4f})"]
        name = "off" if hz is None else f"spans, {hz} Hz"
        print(f"| {name} | {' | '.join(cells)} | {f'< {LIMITS[hz]}' if hz in LIMITS else ''} |")


def main():
    """Run all variants in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--polyphony", default="build/polyphony", help="program (default: %(default)s)")
    parser.add_argument("--nparticles", type=int, default=10000, help="stars a galaxy (default: %(default)s)")
    parser.add_argument("--ngalaxies", type=int, default=40, help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="OpenMP threads (default: all cores)")
    parser.add_argument("--frequencies", type=int, nargs="+", default=[0, 100, 1000, 5000], metavar="HZ",
                        help="sampling frequencies [Hz] (default: 0 100 1000 5000)")
    parser.add_argument("--turns", type=int, default=15, help="runs of each variant, at least 2 (default: %(default)s)")
    args = parser.parse_args()
    if args.turns < 2:
        parser.error("--turns must be at least 2")
    folder = ROOT / "demo"
    folder.mkdir(exist_ok=True)
    jobs = make_jobs(args, folder)
    times = {hz: [] for hz in jobs}
    for turn in range(args.turns):
        order = list(jobs) if turn % 2 == 0 else list(reversed(list(jobs)))
        for hz in order:
            times[hz].append(call([args.polyphony, "run", "--overwrite", jobs[hz]]))
    print(f"{args.ngalaxies} galaxies of {args.nparticles} stars, {args.threads} threads, {args.turns} turns\n")
    print_table(times)
    for path in folder.glob("bench-trace*"):
        path.unlink()


if __name__ == "__main__":
    main()
