#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the mission's benchmark: wall time and peak memory of jobs/mission.yaml (or another job).

Ten galaxies with 100, 1000 and 10,000 stars each, a grid of 9244 wavelengths, one rank with all cores. The whole
process is measured, from start to exit; its peak memory is the kernel's, from the trace it writes. Inputs are made in
demo/ where they are missing.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import h5py

ROOT = Path(__file__).resolve().parents[1]


def run(command):
    """Wall seconds of a command; its output if it fails."""
    begin = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}")
    return time.monotonic() - begin


def read_peak_mb(path):
    """Peak resident set of the one rank of a trace [10^6 bytes]."""
    with h5py.File(path, "r") as file:
        return file["Ranks"]["peak_rss_bytes"][0] / 1e6


def main():
    """Make what is missing, run each size, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", default="jobs/mission.yaml", help="job file (default: %(default)s)")
    parser.add_argument("--polyphony", default="build/polyphony", help="program (default: %(default)s)")
    parser.add_argument("--nparticles", type=int, nargs="+", default=[100, 1000, 10000], help="stars a galaxy")
    parser.add_argument("--ngalaxies", type=int, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="OpenMP threads (default: all cores)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each size; the fastest counts")
    args = parser.parse_args()
    folder = ROOT / "demo"
    folder.mkdir(exist_ok=True)
    if not (folder / "grid.hdf5").exists():
        run([args.polyphony, "demo-grid", "--output", "demo/grid.hdf5"])
    text = (ROOT / args.job).read_text(encoding="utf-8")
    ages = ["--ages-in-myr"] if "peer" in Path(args.job).name else []
    print(f"{args.job}, {args.ngalaxies} galaxies, {args.threads} threads\n")
    print("| stars per galaxy | wall s | peak RSS MB |\n|---|---|---|")
    for n in args.nparticles:
        catalogue, output, trace, job = (folder / f"mission-{n}{end}" for end in (
            ".hdf5", "-results.hdf5", "-results.trace.hdf5", ".yaml"))
        run([args.polyphony, "demo-catalogue", "--output", catalogue, "--nparticles", str(n), "--ngalaxies",
             str(args.ngalaxies), "--seed", "42", *ages])
        lines = {"catalogue": catalogue, "output": output}
        job.write_text(re.sub(r"(?m)^(catalogue|output): .*$", lambda m: f"{m[1]}: {lines[m[1]]}", text)
                       + f"threads: {args.threads}\n", encoding="utf-8")
        runs = [(run([args.polyphony, "run", "--overwrite", job]), read_peak_mb(trace)) for _ in range(args.repeat)]
        print(f"| {n} | {min(wall for wall, _ in runs):.2f} | {max(peak for _, peak in runs):.0f} |", flush=True)
        for path in (catalogue, output, trace, job):
            path.unlink()


if __name__ == "__main__":
    main()
