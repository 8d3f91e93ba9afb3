#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What profile_timing.py and profile_memory.py share: their arguments, the inputs and the run that is profiled.

A module, not a program.
"""

import json
import os
import re
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from profiling import ROOT, USAGE, ProfilingError, add_format_argument, read_trace

IN_ENV = ["bash", "-c", '. "$0" && exec "$@"', str(ROOT / "scripts/env.sh")]
JOB = ROOT / "jobs/mission.yaml"
OBSERVER_FRAME = ("observed_spectra", "photometry_fluxes", "observed_lines", "images_flux")
PRINTED_LINES = 20  # of a run that failed
DISTURBED_SHARE = 0.1  # of our cores' time, used by others: measured runs are then slower by about as much


def add_run_arguments(parser):
    """The arguments of the peer's scripts, and where our program and its grid are."""
    parser.add_argument("--basename", default="", metavar="NAME",
                        help="name of this run: files are called NAME_…; default: no prefix")
    parser.add_argument("--nparticles", type=int, default=1000, metavar="N",
                        help="stars of each galaxy; it has N/5 gas particles too (default: %(default)s)")
    parser.add_argument("--ngalaxies", type=int, default=10, metavar="G", help="galaxies (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="of the random galaxies (default: %(default)s)")
    parser.add_argument("--fov-kpc", type=float, default=60.0, metavar="KPC",
                        help="width of the images [proper kpc] (default: %(default)g)")
    parser.add_argument("--include-observer-frame", action="store_true",
                        help="also observed spectra, fluxes, line fluxes and flux images (default: rest frame only)")
    parser.add_argument("--nthreads", type=int, default=8, metavar="T",
                        help="OpenMP threads of each rank (default: %(default)s)")
    parser.add_argument("--ranks", type=int, default=1, metavar="R",
                        help="MPI processes; of several, rank 0 only deals (default: %(default)s)")
    parser.add_argument("--out_dir", "--out-dir", type=Path, default=Path("."), metavar="DIR",
                        help="where files are written; made if missing (default: the current directory)")
    parser.add_argument("--grid", type=Path, default=ROOT / "demo/grid.hdf5", metavar="FILE",
                        help="stellar population grid; made by 'polyphony demo-grid' if missing "
                             "(default: demo/grid.hdf5 of the repository)")
    parser.add_argument("--polyphony", type=Path, default=ROOT / "build/polyphony", metavar="FILE",
                        help="the program (default: build/polyphony of the repository)")
    add_format_argument(parser)


def check_run_arguments(args):
    """Numbers in range, the program there; notes on stderr what would spoil the figures."""
    for name, low in (("nparticles", 1), ("ngalaxies", 1), ("seed", 0), ("nthreads", 1), ("ranks", 1)):
        if getattr(args, name) < low:
            raise ProfilingError(f"--{name} is {getattr(args, name)}, expected at least {low}", USAGE)
    if not 0 < args.fov_kpc < float("inf"):
        raise ProfilingError(f"--fov-kpc is {args.fov_kpc:g}, expected a width in kpc, > 0", USAGE)
    if "/" in args.basename:
        raise ProfilingError(f"--basename '{args.basename}' has a '/': name the directory with --out_dir", USAGE)
    if not args.polyphony.is_file():
        raise ProfilingError(f"there is no program '{args.polyphony}': run scripts/build.sh, or give --polyphony",
                             USAGE)


def note_crowding(args):
    """A line if threads will share cores: the figures are then not those of that many threads."""
    n_core = len(os.sched_getaffinity(0))
    n_worker = max(args.ranks - 1, 1)
    if n_worker * args.nthreads > n_core:
        return (f"note: {n_worker} x {args.nthreads} threads share {n_core} cores; "
                f"--nthreads {max(n_core // n_worker, 1)} would not\n")
    return ""


@dataclass(frozen=True)
class Files:
    """Files of one profiled run."""

    catalogue: Path
    job: Path
    output: Path
    trace: Path
    log: Path


def name_file(args, name):
    """A file of this run in the output directory."""
    return args.out_dir / (f"{args.basename}_{name}" if args.basename else name)


def call(args, command, log_path, ranks=1):
    """Run the program to its end, in the environment of the scripts, its words in a log."""
    words = (["mpirun", "-n", str(ranks)] if ranks > 1 else []) + [str(args.polyphony.resolve())]
    words += [str(word) for word in command]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with open(log_path, "w", encoding="utf-8") as log:
        code = subprocess.run(IN_ENV + words, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              env=environment, check=False).returncode
    if code:
        end = log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-PRINTED_LINES:]
        raise ProfilingError("\n".join([f"'{' '.join(words)}' ended with code {code}:", *end]), max(code, 1))


def read_busy_s():
    """CPU time [s] that all programs used on the cores we may use since the machine started; 0 if unknown."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    ours = {f"cpu{i}" for i in os.sched_getaffinity(0)}
    rows = [[int(word) for word in line.split()[1:9]] for line in lines if line.split(" ", 1)[0] in ours]
    # user nice system idle iowait irq softirq steal: all but idle and iowait
    return sum(sum(row) - row[3] - row[4] for row in rows) / os.sysconf("SC_CLK_TCK")


def read_own_s():
    """CPU time [s] of the programs that we started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def note_others(busy_s, own_s, wall_s):
    """A line if other programs kept our cores busy during a run: its times are then theirs too."""
    others_s = busy_s - own_s
    if others_s <= DISTURBED_SHARE * wall_s * len(os.sched_getaffinity(0)):
        return ""
    return (f"note: other programs used {others_s:.1f} s of CPU time on these cores during the {wall_s:.1f} s of the "
            "run; its times say little, run it again when the machine is quiet\n")


def make_job(args, files, trace_hz):
    """Text of the job: jobs/mission.yaml with our files, threads and trace."""
    text = JOB.read_text(encoding="utf-8")
    names = {"catalogue": files.catalogue, "grid": args.grid, "output": files.output}
    # A path in double quotes of JSON is one of YAML too, whatever it holds.
    text = re.sub(r"(?m)^(catalogue|grid|output):.*$",
                  lambda found: f"{found[1]}: {json.dumps(str(names[found[1]].resolve()))}", text)
    text = re.sub(r"fov_kpc: [0-9.]+", f"fov_kpc: {args.fov_kpc:.17g}", text)
    if not args.include_observer_frame:
        text = re.sub(rf"(?m)^  ({'|'.join(OBSERVER_FRAME)}):.*\n", "", text)
    text = re.sub(r"\A(#.*\n)+", "# jobs/mission.yaml, for a profile\n", text)
    return (f"{text}threads: {args.nthreads}\nprogress: no\ntrace: spans\ntrace_frequency_hz: {trace_hz}\n"
            f"trace_output: {json.dumps(str(files.trace.resolve()))}\n")


def run_profiled(args, trace_hz):
    """Make the inputs, run the job, and read its trace. Returns Files, Trace."""
    args.out_dir.mkdir(parents=True, exist_ok=True)
    files = Files(*(name_file(args, name) for name in (
        "catalogue.hdf5", "job.yaml", "output.hdf5", "output.trace.hdf5", "run.log")))
    if not args.grid.is_file():
        args.grid.parent.mkdir(parents=True, exist_ok=True)
        call(args, ["demo-grid", "--output", args.grid], files.log)
    call(args, ["demo-catalogue", "--nparticles", args.nparticles, "--ngalaxies", args.ngalaxies, "--seed", args.seed,
                "--output", files.catalogue], files.log)
    files.job.write_text(make_job(args, files, trace_hz), encoding="utf-8")
    files.trace.unlink(missing_ok=True)  # never take an older run's for ours
    begin = read_busy_s(), read_own_s(), time.monotonic()
    call(args, ["run", "--overwrite", files.job], files.log, args.ranks)
    end = read_busy_s(), read_own_s(), time.monotonic()
    sys.stderr.write(note_others(*(b - a for a, b in zip(begin, end))))
    return files, read_trace(files.trace)


def describe_run(args, trace):
    """One line: what ran, and how long."""
    return (f"{args.ngalaxies} galaxies x {args.nparticles:,} stars, {args.ranks} rank{'s' * (args.ranks > 1)} x "
            f"{args.nthreads} thread{'s' * (args.nthreads > 1)}: {trace.wall_s:.3f} s")
