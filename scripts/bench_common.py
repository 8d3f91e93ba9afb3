# SPDX-License-Identifier: GPL-3.0-or-later
"""What bench_small.py, bench_modes.py and bench_sync.py share: jobs that are run and timed, and numbers for people and for scripts.

A module, not a program.
"""

import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

from profiling import ROOT, USAGE, ProfilingError, read_trace

IN_ENV = ["bash", "-c", '. "$0" && exec "$@"', str(ROOT / "scripts/env.sh")]
LOG_LINES = 15  # shown of a run that failed


def positive(text):
    """A whole number > 0."""
    value = int(text)
    if value <= 0:
        raise ValueError
    return value


positive.__name__ = "number > 0"


def add_common_arguments(parser, out):
    """--polyphony, --out, --json, --keep and --seed."""
    parser.add_argument("--polyphony", type=Path, default=ROOT / "build/polyphony", metavar="FILE",
                        help="the program (default: build/polyphony)")
    parser.add_argument("--out", type=Path, default=ROOT / out, metavar="DIR",
                        help=f"where inputs, job files, logs and traces go (default: {out})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go (default: DIR/figures.json)")
    parser.add_argument("--keep", action="store_true", help="keep inputs and results (default: delete both)")
    parser.add_argument("--seed", type=int, default=42, help="of the galaxies (default: %(default)s)")


def prepare(args):
    """The directory and the program are there."""
    if not os.access(args.polyphony, os.X_OK) or args.polyphony.is_dir():
        raise ProfilingError(f"--polyphony '{args.polyphony}' is no program; build it with scripts/build.sh", USAGE)
    args.polyphony, args.out = args.polyphony.resolve(), args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    args.json = args.json or args.out / "figures.json"


def call(args, *command):
    """A subcommand that must succeed."""
    done = subprocess.run([str(args.polyphony), *map(str, command)], cwd=args.out, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise ProfilingError(f"'polyphony {command[0]}' ended with code {done.returncode}: {done.stdout.strip()}")


def write_job(args, name, text, **values):
    """Job file <name>.yaml of a run that writes <name>.hdf5 and <name>.trace.hdf5, one thread a rank unless given."""
    keys = {"catalogue": "catalogue.hdf5", "grid": "grid.hdf5", "output": f"{name}.hdf5",
            "trace_output": f"{name}.trace.hdf5", "threads": 1} | values
    head = "".join(f"{key}: {value}\n" for key, value in keys.items())
    (args.out / f"{name}.yaml").write_text(f"{head}progress: no\n{text}", encoding="utf-8")


def start_job(args, name, n_rank, cpu=None):
    """Start a run of <name>.yaml from the beginning; on one core only if cpu is given.

    Also one rank by mpirun: it makes each rank a session of its own, and Linux shares busy cores out by session.
    """
    command = [str(args.polyphony), "run", "--overwrite", f"{name}.yaml"]
    command = ["mpirun", "-n", str(n_rank), *command]
    if cpu is not None:
        command = ["taskset", "-c", str(cpu), *command]
    (args.out / f"{name}.hdf5").unlink(missing_ok=True)
    with open(args.out / f"{name}.log", "w", encoding="utf-8") as log:
        return subprocess.Popen(IN_ENV + command, cwd=args.out, stdin=subprocess.DEVNULL, stdout=log,
                                stderr=subprocess.STDOUT)


def finish_job(args, name, process):
    """Wait for a run; its trace, and the processor seconds of all its processes, start-up included [s]."""
    log = args.out / f"{name}.log"
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = "\n    ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
        raise ProfilingError(f"{name} ended with code {process.returncode}; the end of '{log}':\n    {tail}")
    return read_trace(args.out / f"{name}.trace.hdf5"), usage.ru_utime + usage.ru_stime


def run_job(args, name, n_rank, watch=None):
    """A run from beginning to end: its trace, its processor seconds and its wall seconds, start-up included [s].

    watch(process) is called when it has started.
    """
    begin_s = time.monotonic()
    process = start_job(args, name, n_rank)
    if watch:
        watch(process)
    trace, processor_s = finish_job(args, name, process)
    return trace, processor_s, time.monotonic() - begin_s


def find_phase_ns(trace):
    """When the first batch was dealt and the last one done [ns]."""
    return int(trace.schedule["dealt_ns"].min()), int(trace.schedule["done_ns"].max())


def measure_phase_s(trace):
    """Length of the galaxies' phase, without start-up and closing [s]."""
    begin_ns, end_ns = find_phase_ns(trace)
    return (end_ns - begin_ns) * 1e-9


def measure_idle(trace):
    """Share of the galaxies' phase in which computing ranks had no galaxy in work, their mean [-]."""
    n_worker = int((trace.ranks["deals_only"] == 0).sum())
    return 1 - float(trace.schedule["measured_s"].sum()) / n_worker / measure_phase_s(trace)


def find_quartiles(values):
    """(lower, median, upper); of one value, itself."""
    return tuple(statistics.quantiles(values, n=4, method="inclusive")) if len(values) > 1 else (values[0],) * 3


def format_quartiles(values, digits=3):
    """Median, and the quartiles in brackets."""
    low, middle, high = find_quartiles(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def describe_machine():
    """What figures depend on."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {"host": platform.node(), "cpu": model, "cores": len(os.sched_getaffinity(0)),
            "load_1min": os.getloadavg()[0]}


def write_figures(args, figures):
    """The figures as JSON."""
    args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {args.json}")


def clean_up(args, *names):
    """Delete what is large, unless it is to be kept."""
    if not args.keep:
        for name in names:
            (args.out / name).unlink(missing_ok=True)
