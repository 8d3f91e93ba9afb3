# SPDX-License-Identifier: GPL-3.0-or-later
"""What bench_all.py measures of whole runs: their stages, the direct method beside the fast one, and growth.

A module, not a program.
"""

import os
import re
import subprocess
import time

import numpy as np

from bench_common import LOG_LINES, find_phase_ns
from profiling import ROOT, ProfilingError, read_trace

MISSION = ROOT / "jobs/mission.yaml"
SIZES = (100, 1000, 10000, 100000)
N_MANY = 64  # of 100 stars: groups are full
OWN_SCREENS = "a screen for each star"
DIRECT_STARS = 100_000  # of all galaxies together, at most (a quarter of it behind screens): each takes 0.3 ms
N_FILTER, N_LAMBDA, RESOLUTION_ARCSEC = 4, 2311, 0.062  # of the job whose growth is measured
FILTER_RANGE_ANGSTROM = (8000.0, 44000.0)
BASE = {"particles": 1000, "galaxies": 10, "wavelengths": N_LAMBDA, "filters": N_FILTER, "pixels": 118 ** 2}
FACTORS = {"particles": (1, 4, 16, 64), "galaxies": (1, 2, 4, 8), "wavelengths": (1, 2, 4), "filters": (1, 2, 4, 8),
           "pixels": (1, 4, 16)}


def call(args, *command):
    """A subcommand that must succeed."""
    done = subprocess.run([str(args.polyphony), *map(str, command)], cwd=args.out, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise ProfilingError(f"'polyphony {command[0]}' ended with code {done.returncode}: {done.stdout.strip()}")


def need_grid(args, n_lambda=None):
    """Name of a grid, made if it is not there."""
    name = f"grid-{n_lambda or 'mission'}.hdf5"
    if not (args.out / name).exists():
        call(args, "demo-grid", "--output", name, *(["--nwavelengths", n_lambda] if n_lambda else []))
    return name


def need_catalogue(args, n_star, n_galaxy):
    """Name of a catalogue, made if it is not there."""
    name = f"catalogue-{n_galaxy}x{n_star}.hdf5"
    if not (args.out / name).exists():
        call(args, "demo-catalogue", "--nparticles", n_star, "--ngalaxies", n_galaxy, "--output", name)
    return name


def write_job(args, name, catalogue, grid, threads, changes=(), instruments=""):
    """A job file from that of the mission; `changes` are pairs of regular expression and replacement."""
    text = MISSION.read_text(encoding="utf-8")
    text = re.sub(r"\A(#.*\n)+", "", text)
    values = {"catalogue": catalogue, "grid": grid, "output": f"{name}.hdf5"}
    text = re.sub(r"(?m)^(catalogue|grid|output):.*$", lambda found: f"{found[1]}: {values[found[1]]}", text)
    for pattern, replacement in changes:
        text, n = re.subn(pattern, replacement, text)
        if not n:
            raise ProfilingError(f"'{MISSION}' has nothing like '{pattern}' any more")
    (args.out / f"{name}.yaml").write_text(
        f"{text}{instruments}threads: {threads}\nprogress: no\ntrace: spans\ntrace_frequency_hz: 0\n", encoding="utf-8")


def run_once(args, name):
    """A run from beginning to end: figures [s, bytes]."""
    for end in (".hdf5", ".trace.hdf5"):
        (args.out / f"{name}{end}").unlink(missing_ok=True)
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    begin_s = time.monotonic()
    with open(args.out / f"{name}.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen([str(args.polyphony), "run", f"{name}.yaml"], cwd=args.out, env=environment,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - begin_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = "\n    ".join((args.out / f"{name}.log").read_text(errors="replace").splitlines()[-LOG_LINES:])
        raise ProfilingError(f"{name} ended with code {process.returncode}:\n    {tail}")
    trace = read_trace(args.out / f"{name}.trace.hdf5")
    begin_ns, end_ns = find_phase_ns(trace)
    seconds = [(stage, float(seconds)) for stage, seconds in zip(trace.stages, trace.seconds.sum(axis=1))]
    return {"wall_s": wall_s, "galaxies_s": (end_ns - begin_ns) * 1e-9, "start_s": begin_ns * 1e-9,
            "processor_s": usage.ru_utime + usage.ru_stime, "peak_rss_bytes": usage.ru_maxrss * 1024,
            "output_bytes": (args.out / f"{name}.hdf5").stat().st_size,
            "stages_s": dict(seconds[:trace.n_galaxy_stage]), "once_s": dict(seconds[trace.n_galaxy_stage:])}


def run_best(args, name, n_repeat):
    """The run with the shortest galaxies' phase, with the shortest start and whole process of all."""
    runs = [run_once(args, name) for _ in range(n_repeat)]
    best = min(runs, key=lambda run: run["galaxies_s"])
    best |= {name: min(run[name] for run in runs) for name in ("wall_s", "start_s")}
    best["repeats"] = n_repeat
    (args.out / f"{name}.hdf5").unlink()
    return best


def describe(run):
    """For those who wait."""
    return f"{run['galaxies_s']:.3f} s for the galaxies, {run['wall_s']:.3f} s in all"


def measure_runs(args, say):
    """Whole runs of the mission's job: fast with all threads and with one, and direct."""
    found = []
    n_few = 2 if args.quick else 10
    cases = [(n, "one screen", n_few) for n in ((100, 1000) if args.quick else SIZES)]
    cases += [] if args.quick else [(100, f"one screen, {N_MANY} galaxies", N_MANY), (10000, OWN_SCREENS, n_few)]
    for n_star, screen, n_all in cases:
        changes = [] if screen != OWN_SCREENS else [("tau_v: 0.5", "tau_v: los")]
        n_direct = max(1, min(n_all, (DIRECT_STARS if not changes else DIRECT_STARS // 4) // n_star))
        grid, tag = need_grid(args), "mission" if not changes else "los"
        for method, threads, n_galaxy in (("fast", args.threads, n_all), ("fast", 1, n_all),
                                          ("direct", args.threads, n_direct)):
            if threads == 1 and args.threads == 1 and method == "fast" and found and found[-1]["n_star"] == n_star:
                continue
            name = f"{tag}-{method}-{n_star}-{threads}"
            write_job(args, name, need_catalogue(args, n_star, n_galaxy), grid, threads,
                      [*changes, ("model: pacman", f"model: pacman\n  method: {method}")])
            n_repeat = 1 if args.quick or (method == "direct" and n_star > 1000) else args.repeat
            run = {"method": method, "n_star": n_star, "n_galaxy": n_galaxy, "threads": threads, "screen": screen,
                   **run_best(args, name, n_repeat)}
            found.append(run)
            say(f"{n_galaxy} galaxies of {n_star} stars, {screen}, {method}, {threads} threads: {describe(run)}")
        for path in args.out.glob(f"catalogue-*x{n_star}.hdf5"):
            path.unlink()
    return found


def write_filters(args, n):
    """n rectangular filters side by side; the lines of a job that name them."""
    edges = np.linspace(*FILTER_RANGE_ANGSTROM, n + 1)
    lines = ["instruments:", "  - label: bench", f"    resolution_arcsec: {RESOLUTION_ARCSEC}", "    filters:"]
    for i, (low, high) in enumerate(zip(edges, edges[1:])):
        name = f"filter-{n}-{i}.txt"
        (args.out / name).write_text("".join(f"{x:.3f} 1.0\n" for x in np.linspace(low, high, 20)), encoding="utf-8")
        lines.append(f"      - {{code: bench/F{i}, file: {name}}}")
    return "\n".join(lines) + "\n"


def fit_exponent(values, seconds):
    """Slope of log seconds over log values, by least squares."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def measure_growth(args, say):
    """Seconds of the galaxies' phase and of the whole process as one number of the job grows."""
    found = []
    for what, factors in FACTORS.items():
        factors = factors[:2] if args.quick else factors
        series = {"what": what, "values": [], "galaxies_s": [], "wall_s": []}
        for factor in factors:
            size = {**BASE, what: BASE[what] * factor}
            resolution = RESOLUTION_ARCSEC / (factor ** 0.5 if what == "pixels" else 1.0)
            instruments = write_filters(args, size["filters"]).replace(f"{RESOLUTION_ARCSEC}", f"{resolution:.6g}")
            name = f"growth-{what}-{factor}"
            write_job(args, name, need_catalogue(args, size["particles"], size["galaxies"]),
                      need_grid(args, size["wavelengths"]), args.threads, [("tau_v: 0.5", "tau_v: los")], instruments)
            run = run_best(args, name, 1 if args.quick else args.repeat)
            series["values"].append(size[what])
            series["galaxies_s"].append(run["galaxies_s"])
            series["wall_s"].append(run["wall_s"])
            say(f"{what} x {factor}: {describe(run)}")
        series["exponent"] = fit_exponent(series["values"], series["galaxies_s"])
        series["last_exponent"] = fit_exponent(series["values"][-2:], series["galaxies_s"][-2:])
        found.append(series)
    for path in args.out.glob("catalogue-*.hdf5"):
        path.unlink()
    return {"base": BASE, "series": found}
