#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""All benchmarks: the machine, kernels, whole runs and how they grow; docs/performance.md says what they mean.

    scripts/bench.sh                      everything, in under 15 minutes
    scripts/bench.sh --only runs --table  one part, and its tables in Markdown
    scripts/bench.sh --stored --table     tables of what was measured before

Parts: machine, kernels (with the machine), runs, growth. Figures go to OUT/<part>.json. A busy machine makes them worse:
its load is recorded beside them.

Exit codes: 0 done, 2 usage, 3 a command failed, 5 output error.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench_common import describe_machine, positive
from bench_runs import measure_growth, measure_runs
from bench_tables import make_tables
from profiling import BAD_INPUT, ROOT, USAGE, ProfilingError, run_script

PARTS = ("machine", "kernels", "runs", "growth")
FILES = ("machine", "kernels", "runs", "growth")


def say(text):
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def list_parts(text):
    """Parts with commas between."""
    parts = text.split(",")
    for part in parts:
        if part not in PARTS:
            raise argparse.ArgumentTypeError(f"'{part}' is no part; there are {', '.join(PARTS)}")
    return parts


def parse_arguments():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     prog=os.environ.get("BENCH_NAME"))
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs: under 2 minutes")
    parser.add_argument("--only", type=list_parts, default=list(PARTS), metavar="PART,...",
                        help="parts, with commas between (default: all)")
    parser.add_argument("--table", action="store_true", help="print tables in Markdown")
    parser.add_argument("--stored", action="store_true", help="measure nothing: use the figures of OUT")
    parser.add_argument("--threads", type=positive, default=len(os.sched_getaffinity(0)), metavar="T",
                        help="OpenMP threads (default: all cores)")
    parser.add_argument("--repeat", type=positive, default=3, metavar="K",
                        help="runs of each job; the shortest counts (default: %(default)s)")
    parser.add_argument("--polyphony", type=Path, default=ROOT / "build/polyphony", metavar="FILE",
                        help="the program (default: build/polyphony); bench_kernels is beside it")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench", metavar="DIR",
                        help="where figures, inputs and results go, 1 GB at times (default: build/bench)")
    args = parser.parse_args()
    if args.stored:
        args.table = True
    elif not os.access(args.polyphony, os.X_OK):
        raise ProfilingError(f"--polyphony '{args.polyphony}' is no program; build it with scripts/build.sh", USAGE)
    args.polyphony, args.out = args.polyphony.resolve(), args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def ask(command):
    """First line of what a command says; empty if it fails or is not installed."""
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else ""


def describe_run(args):
    """What figures depend on."""
    commit = ask(["git", "rev-parse", "--short=12", "HEAD"]) or "unknown"
    if ask(["git", "status", "--porcelain", "--untracked-files=no"]):
        commit += " and changes"
    return describe_machine() | {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "commit": commit,
        "program": ask([str(args.polyphony), "--version"]), "kernel": os.uname().release, "threads": args.threads,
        "quick": args.quick}


def measure_kernels(args):
    """bench_kernels; only the machine if that is all that is asked for."""
    program = args.polyphony.with_name("bench_kernels")
    if not program.is_file():
        raise ProfilingError(f"there is no '{program}': it is built with the tests", USAGE)
    path = args.out / "races.json"
    command = [str(program), "--threads", str(args.threads), "--folder", str(args.out), "--json", str(path)]
    command += ["--quick"] * args.quick + ["--only", "machine"] * ("kernels" not in args.only)
    done = subprocess.run(command, stdout=sys.stderr, env=os.environ | {"OMP_PROC_BIND": "true"}, check=False)
    if done.returncode:
        raise ProfilingError(f"'{' '.join(command)}' ended with code {done.returncode}")
    figures = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return figures


def store(args, name, figures):
    """A part's figures."""
    path = args.out / f"{name}.json"
    path.write_text(json.dumps({"run": describe_run(args), **figures}, indent=1) + "\n", encoding="utf-8")
    say(f"wrote {path}")


def measure(args):
    """The parts asked for."""
    if "machine" in args.only or "kernels" in args.only:
        store(args, "kernels" if "kernels" in args.only else "machine", measure_kernels(args))
    if "runs" in args.only:
        store(args, "runs", {"runs": measure_runs(args, say)})
    if "growth" in args.only:
        store(args, "growth", measure_growth(args, say))
    for path in args.out.glob("*.hdf5"):
        path.unlink()


def main():
    """Measure, and print."""
    args = parse_arguments()
    if not args.stored:
        measure(args)
    if args.table:
        # That of the kernels has the machine, too.
        wanted = [name for name in FILES if name in args.only and (name != "machine" or "kernels" not in args.only)]
        paths = [args.out / f"{name}.json" for name in wanted]
        figures = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()}
        if not figures:
            raise ProfilingError(f"no figures in '{args.out}'; measure first", BAD_INPUT)
        print(make_tables(figures))
    return 0


if __name__ == "__main__":
    run_script(main)
