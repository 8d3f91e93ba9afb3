#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strong or weak scaling study: makes inputs, runs one job with several numbers of ranks, analyses the traces.

    scripts/scaling_study.py --kind strong --workers 1 2 4 --threads 2 --tail
    scripts/scaling_study.py --kind weak --ranks 1 2 3 5 --out demo/weak

Rank 0 of several ranks only deals, so W workers are W + 1 ranks; with --ranks 1 the one rank computes itself. Strong:
all runs do the same galaxies. Weak: --ngalaxies galaxies a worker, of the same sizes for every worker. The directory
gets a job file, log and trace for each run, and the report of analyse_scaling.py in report/. A run that fails is left
out of the report, and the exit code says so.

Exit codes: 0 done, 1 some runs failed, 2 usage, 3 unreadable input, 5 output error.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from profiling import ROOT, USAGE, ProfilingError, add_format_argument, run_script
from scaling_catalogue import list_tail, merge_catalogues

IN_ENV = ["bash", "-c", '. "$0" && exec "$@"', str(ROOT / "scripts/env.sh")]
LOG_LINES = 15  # shown of a run that failed


@dataclass(frozen=True)
class Point:
    """One run of the study."""

    name: str
    n_rank: int
    n_worker: int
    catalogue: Path


def positive(text):
    """A whole number > 0."""
    value = int(text)
    if value <= 0:
        raise ValueError
    return value


positive.__name__ = "number > 0"


def parse_arguments():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("strong", "weak"), required=True)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--workers", type=positive, nargs="+", metavar="W",
                       help="ranks that compute, one run each; the dealer comes on top (default: 1 2 4)")
    which.add_argument("--ranks", type=positive, nargs="+", metavar="R", help="instead: ranks, the dealer among them")
    parser.add_argument("--threads", type=positive, default=1, metavar="T",
                        help="OpenMP threads of a worker (default: %(default)s)")
    parser.add_argument("--ngalaxies", type=positive, default=40, metavar="G",
                        help="galaxies; for weak scaling, galaxies a worker (default: %(default)s)")
    parser.add_argument("--nparticles", type=positive, default=10_000, metavar="N",
                        help="stars of a galaxy; with --tail, of the smallest (default: %(default)s)")
    parser.add_argument("--tail", type=positive, nargs="?", const=30, metavar="F",
                        help="galaxies of differing size, up to F x N stars, about as many stars in each decade "
                        "(default: all of N stars; F if not given: %(const)s)")
    parser.add_argument("--repeat", type=positive, default=1, metavar="K",
                        help="runs of each number of ranks, in turn; the fastest counts (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="of the galaxies (default: %(default)s)")
    parser.add_argument("--launcher", default="mpirun -n {ranks}", metavar="COMMAND",
                        help="starts {ranks} processes; {nodes} is the number of nodes that --ranks-per-node makes of "
                        "them (default: %(default)s)")
    parser.add_argument("--ranks-per-node", type=positive, metavar="R", help="for {nodes} (default: all on one)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where all files go (default: demo/<kind>-scaling)")
    parser.add_argument("--polyphony", type=Path, default=ROOT / "build/polyphony", metavar="FILE",
                        help="the program (default: build/polyphony)")
    parser.add_argument("--grid", type=Path, metavar="FILE", help="stellar population grid (default: demo-grid's)")
    parser.add_argument("--catalogue", type=Path, metavar="FILE",
                        help="galaxies to compute, strong scaling only (default: demo-catalogue's)")
    parser.add_argument("--job", type=Path, default=ROOT / "jobs/mission.yaml", metavar="FILE",
                        help="job file whose operations are run; its inputs and outputs are replaced "
                        "(default: jobs/mission.yaml)")
    parser.add_argument("--trace-hz", type=int, default=100, metavar="HZ",
                        help="reads of the resident memory a second (default: %(default)s)")
    parser.add_argument("--keep-results", action="store_true", help="keep the results files (default: delete each)")
    add_format_argument(parser)
    return parser.parse_args()


def check_arguments(args):
    """Usage errors that argparse does not know."""
    if args.kind == "weak" and args.catalogue:
        raise ProfilingError("--catalogue: weak scaling needs a catalogue for each number of workers, made here; "
                             "leave it out", USAGE)
    if not os.access(args.polyphony, os.X_OK):
        raise ProfilingError(f"--polyphony '{args.polyphony}' is no program; build it with scripts/build.sh", USAGE)
    for name in ("grid", "catalogue", "job"):
        path = getattr(args, name)
        if path and not path.is_file():
            raise ProfilingError(f"--{name} '{path}': there is no such file")
    try:
        args.launcher.format(ranks=1, nodes=1)
    except (KeyError, IndexError, ValueError):
        raise ProfilingError(f"--launcher '{args.launcher}': only {{ranks}} and {{nodes}} can stand in braces",
                             USAGE) from None


def call(args, *command):
    """Run a subcommand of the program that makes an input; ProfilingError if it fails."""
    done = subprocess.run(IN_ENV + [str(args.polyphony.resolve()), *map(str, command)], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise ProfilingError(f"'polyphony {command[0]}' ended with code {done.returncode}: {done.stdout.strip()}")


def make_catalogue(args, n_worker, path):
    """Galaxies of a run with so many workers; of one size, or of several that are merged."""
    n_copy = n_worker if args.kind == "weak" else 1
    parts = []
    sizes = list_tail(args.ngalaxies, args.nparticles, args.tail or 1)
    for i, (n_particle, n_galaxy) in enumerate(sizes):
        part = path.with_name(f"{path.stem}.part{i}.hdf5")
        call(args, "demo-catalogue", "--ngalaxies", n_galaxy * n_copy, "--nparticles", n_particle, "--seed",
             args.seed + i, "--output", part)
        parts.append(part)
    merge_catalogues(parts, path, args.seed)
    for part in parts:
        part.unlink()


def list_points(args):
    """The runs, each with its catalogue, which is made."""
    ranks = args.ranks or [1 + n for n in args.workers or (1, 2, 4)]
    points = []
    for n_rank in dict.fromkeys(ranks):
        n_worker = max(n_rank - 1, 1)
        catalogue = args.catalogue or args.out / ("catalogue.hdf5" if args.kind == "strong" else
                                                  f"catalogue-{n_worker}.hdf5")
        if not args.catalogue and not any(point.catalogue == catalogue for point in points):
            print(f"making {catalogue}", flush=True)
            make_catalogue(args, n_worker, catalogue)
        points.append(Point(f"{args.kind}-r{n_rank:03d}", n_rank, n_worker, catalogue))
    # One after the other, so that a disturbance does not hit all runs of a number of ranks.
    return points + [replace(point, name=f"{point.name}-{i}") for i in range(2, args.repeat + 1) for point in points]


def write_job(args, point):
    """Job file of a run: that of --job with our files, threads and trace."""
    path = args.out / f"{point.name}.yaml"
    values = {"catalogue": point.catalogue, "grid": args.grid, "output": args.out / f"{point.name}.hdf5",
              "trace_output": args.out / f"{point.name}.trace.hdf5"}
    # A string of JSON is one of YAML, whatever is in the path.
    lines = [f"{key}: {json.dumps(str(value.resolve()))}" for key, value in values.items()]
    lines += [f"threads: {args.threads}", "trace: spans", f"trace_frequency_hz: {args.trace_hz}", "progress: no"]
    text = args.job.read_text(encoding="utf-8")
    replaced = "|".join([*values, "threads", "trace", "trace_frequency_hz", "progress"])
    text = re.sub(rf"(?m)^({replaced})\s*:.*\n?", "", text)
    path.write_text(text.rstrip("\n") + "\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def run_point(args, point):
    """Run the job; its trace, or None if it failed, which is said."""
    job = write_job(args, point)
    trace, results, log = (args.out / f"{point.name}{end}" for end in (".trace.hdf5", ".hdf5", ".log"))
    trace.unlink(missing_ok=True)
    n_node = -(-point.n_rank // args.ranks_per_node) if args.ranks_per_node else 1
    command = shlex.split(args.launcher.format(ranks=point.n_rank, nodes=n_node))
    command += [str(args.polyphony.resolve()), "run", "--overwrite", str(job)]
    environment = os.environ | {"OMP_NUM_THREADS": str(args.threads)}
    begin_s = time.monotonic()
    try:
        with open(log, "w", encoding="utf-8") as file:
            code = subprocess.run(IN_ENV + command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                  env=environment, check=False).returncode
    finally:
        if not args.keep_results:
            results.unlink(missing_ok=True)
    print(f"{point.name}: {point.n_rank} rank{'s' * (point.n_rank > 1)}, {time.monotonic() - begin_s:.1f} s "
          "with start-up", flush=True)
    if code or not trace.is_file():
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        reason = f"ended with code {code}" if code else f"wrote no trace '{trace}'"
        print(f"scaling_study.py: {point.name} {reason}; the end of '{log}':", *tail, sep="\n    ", file=sys.stderr)
        return None
    return trace


def main():
    """Inputs, runs, report."""
    args = parse_arguments()
    check_arguments(args)
    args.out = args.out or ROOT / f"demo/{args.kind}-scaling"
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.grid:
        args.grid = args.out / "grid.hdf5"
        if not args.grid.is_file():
            call(args, "demo-grid", "--output", args.grid)
    points = list_points(args)
    traces = [(point, run_point(args, point)) for point in points]
    found = [(point, trace) for point, trace in traces if trace]
    if not found:
        return 1
    command = [sys.executable, str(ROOT / "scripts/analyse_scaling.py"), *(str(trace) for _, trace in found), "--kind",
               args.kind, "--output-dir", str(args.out / "report"), "--format", args.format]
    code = subprocess.run(command, check=False).returncode
    return code or (1 if len(found) < len(points) else 0)


if __name__ == "__main__":
    run_script(main)
