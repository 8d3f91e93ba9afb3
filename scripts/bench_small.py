#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred thousand small galaxies: does memory grow, and what does dealing them cost?

    scripts/bench_small.py --turns 3

Memory: the slope of every rank's resident set over the galaxies' phase, by least squares through the samples of the
trace after its first 5 %, when buffers have found their size; the peak of rank 0, which only deals, against 50 MB
+ 32 bytes a galaxy. Pages that the ranks of a node share (grid, index of the catalogue) count in each resident set from
when that rank first touches them; so a rank's own memory (RssAnon, looked at from outside) is shown beside it.

Dealing: the same galaxies are computed by the same number of workers without a scheduler, as one-rank runs side by side
on a part of the catalogue each, tied to a core each. They send no message and wait for nobody, so the mean length of
their galaxies' phases is what the work takes by itself; the overhead is that of the run under a dealer relative to it.
(A static mode would not do for comparison: its workers are dealt batches by the same messages.) Both take turns, and
the ratio is taken turn by turn. Two more measures do not mind a busy machine much: processor time of all processes,
the dealer's and mpirun's included, and the share of time in which workers have no galaxy in work, from the trace.

Exit codes: 0 all within their bars, 1 not, 2 usage, 3 unreadable input or a run that failed, 5 output error.
"""

import argparse
import re
import threading
import time
from pathlib import Path

import h5py
import numpy as np

from bench_common import (add_common_arguments, call, clean_up, describe_machine, find_phase_ns, find_quartiles,
                          finish_job, format_quartiles, measure_idle, measure_phase_s, positive, prepare, run_job,
                          start_job, write_figures, write_job)
from profiling import format_markdown, run_script

SLOPE_BAR_MIB, OVERHEAD_BAR = 1.0, 0.05
DEALER_BAR_MB, DEALER_BAR_BYTES = 50.0, 32.0  # + so many bytes a galaxy
SETTLED = 0.05  # share of the phase after which memory should be level
GAS_COPIES = 5  # demo-catalogue has a gas particle for five stars
LOOK_S, CLOSING_S = 0.2, 1.0  # between looks at memory from outside; before the end of a run they do not count
SHIFT_KPC = 0.1  # of a copied gas particle

OPERATIONS = {
    "small": "  los_optical_depths: {}\n  sfh: {}\n  photometry_fluxes: {labels: [intrinsic, emergent]}\n",
    "lines": "  los_optical_depths: {}\n  sfzh: {}\n  lines: {labels: [emergent]}\n"
             "  observed_lines: {labels: [emergent]}\n",
    "spectra": "  los_optical_depths: {}\n  spectra: {labels: [emergent]}\n",
}
JOB = "emission: {{model: pacman, tau_v: los, fesc: 0.1}}\ntrace: spans\noperations:\n{operations}"


# ------------------------------------------------------------------------------------------------------- inputs


def copy_attributes(source, target):
    """Units and descriptions."""
    for name, value in source.attrs.items():
        target.attrs[name] = value


def copy_gas(source, values, seed):
    """Each particle of a galaxy's gas GAS_COPIES times, of that part of the mass each, and moved a little."""
    copied = np.repeat(values, GAS_COPIES, axis=0)
    if source.name.endswith("/coordinates"):
        copied += np.random.default_rng(seed).normal(scale=SHIFT_KPC, size=copied.shape)
    elif source.name.endswith("masses"):
        copied /= GAS_COPIES
    return copied


def write_part(path, whole_path, first, n_galaxy, seed):
    """Galaxies first to first + n_galaxy of a demo catalogue, all of one size, with as much gas as stars."""
    with h5py.File(whole_path, "r") as whole, h5py.File(path, "w") as part:
        copy_attributes(whole, part)
        for kind in whole:
            n_all = len(whole["Galaxies/id"])
            for name, data in whole[kind].items():
                per_galaxy = len(data) // n_all
                values = data[first * per_galaxy:(first + n_galaxy) * per_galaxy]
                if kind != "Galaxies" and name in ("offset", "length"):
                    length = whole[kind]["length"][first:first + n_galaxy] * (GAS_COPIES if kind == "Gas" else 1)
                    values = length if name == "length" else np.concatenate([[0], np.cumsum(length)[:-1]])
                elif kind == "Gas":
                    values = copy_gas(data, values, [seed, first])
                copy_attributes(data, part.create_dataset(f"{kind}/{name}", data=values))


def make_inputs(args):
    """A grid, the catalogue, and a part of it for each worker."""
    bounds = np.linspace(0, args.ngalaxies, args.workers + 1).astype(int)
    parts = [(f"part{i}", int(first), int(last - first)) for i, (first, last) in enumerate(zip(bounds, bounds[1:]))]
    call(args, "demo-grid", f"--nwavelengths={args.nwavelengths}", "--output", "grid.hdf5")
    call(args, "demo-catalogue", "--ngalaxies", args.ngalaxies, "--nparticles", args.nparticles, "--seed", args.seed,
         "--output", "demo.hdf5")
    for name, first, n_galaxy in [("catalogue", 0, args.ngalaxies), *parts]:
        print(f"making {name}.hdf5: {n_galaxy} galaxies", flush=True)
        write_part(args.out / f"{name}.hdf5", args.out / "demo.hdf5", first, n_galaxy, args.seed)
    (args.out / "demo.hdf5").unlink()
    return [name for name, _, _ in parts]


# ----------------------------------------------------------------------------------------------------- measuring


class OwnMemory(threading.Thread):
    """Looks at RssAnon of the ranks of a run, from outside, until there are none."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.pid, self.samples = process.pid, {}  # of mpirun; {rank: [(s, bytes)]}
        self.start()

    def run(self):
        """Until mpirun is gone."""
        while Path(f"/proc/{self.pid}/task").exists():
            try:
                children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
            except OSError:
                return
            for child in children:
                self.look(Path("/proc") / child)
            time.sleep(LOOK_S)

    def look(self, folder):
        """One sample, if it is a rank and still there."""
        try:
            rank = re.search(rb"(?:^|\0)OMPI_COMM_WORLD_RANK=(\d+)", (folder / "environ").read_bytes())
            own = re.search(rb"RssAnon:\s*(\d+) kB", (folder / "status").read_bytes())
        except OSError:
            return
        if rank and own:
            self.samples.setdefault(int(rank[1]), []).append((time.monotonic(), 1024 * int(own[1])))

    def fit_slope_mib(self, rank, phase_s):
        """Growth over the galaxies' phase, of this length before the end [s], by least squares [MiB]; NaN if short."""
        samples = np.array(self.samples.get(rank) or np.empty((0, 2)))
        before_end_s = samples[-1:, 0] - samples[:, 0]
        samples = samples[(before_end_s < (1 - SETTLED) * phase_s) & (before_end_s > CLOSING_S)]
        if len(samples) < 3:
            return float("nan")
        return float(np.polyfit((samples[:, 0] - samples[0, 0]) / phase_s, samples[:, 1] / 2**20, 1)[0])


def fit_slope_mib(trace, i_rank):
    """Growth of a rank's resident set over the galaxies' phase, by least squares [MiB]; NaN without samples."""
    begin_ns, end_ns = find_phase_ns(trace)
    rss = trace.rss_of(i_rank)
    rss = rss[(rss["time_ns"] >= begin_ns + SETTLED * (end_ns - begin_ns)) & (rss["time_ns"] <= end_ns)]
    if len(rss) < 3:
        return float("nan")
    time = (rss["time_ns"] - begin_ns) / (end_ns - begin_ns)
    return float(np.polyfit(time, rss["rss_bytes"] / 2**20, 1)[0])


def measure_ranks(trace, own):
    """A row a rank: what it does, slopes [MiB], peak [MB of 10^6 bytes]."""
    return [{"rank": i, "deals": bool(row["deals_only"]), "galaxies": int(row["n_galaxy"]),
             "slope_mib": fit_slope_mib(trace, i), "own_slope_mib": own.fit_slope_mib(i, measure_phase_s(trace)),
             "peak_mb": float(row["peak_rss_bytes"]) * 1e-6}
            for i, row in enumerate(trace.ranks)]


def run_side_by_side(args, parts):
    """One-rank runs at the same time, a core each: mean length of the galaxies' phase, and processor seconds [s]."""
    started = [(f"alone-{name}", start_job(args, f"alone-{name}", 1, cpu=i)) for i, name in enumerate(parts)]
    try:
        ended = [finish_job(args, name, process) for name, process in started]
    finally:
        for _, process in started:
            if process.returncode is None and process.poll() is None:
                process.terminate()
    return sum(measure_phase_s(trace) for trace, _ in ended) / len(ended), sum(seconds for _, seconds in ended)


def take_turns(args, parts):
    """Dealt and side by side, again and again: figures of each turn, and the last trace under a dealer."""
    turns = []
    for i_turn in range(args.turns):
        alone = run_side_by_side(args, parts) if i_turn % 2 else None
        watchers = []
        trace, processor_s, wall_s = run_job(args, "dealt", args.workers + 1,
                                             lambda process, to=watchers: to.append(OwnMemory(process)))
        alone_s, alone_processor_s = alone or run_side_by_side(args, parts)
        dealt_s = measure_phase_s(trace)
        turns.append({"dealt_s": dealt_s, "alone_s": alone_s, "wall_s": wall_s, "overhead": dealt_s / alone_s - 1,
                      "dealt_processor_s": processor_s, "alone_processor_s": alone_processor_s,
                      "idle": measure_idle(trace), "ranks": measure_ranks(trace, watchers[0])})
        print(f"turn {i_turn + 1}: {dealt_s:.2f} s dealt, {alone_s:.2f} s side by side", flush=True)
    return turns


# ----------------------------------------------------------------------------------------------------- reporting


def judge(value, bar):
    """Whether a figure is within its bar; NaN is not."""
    return "yes" if value < bar else "NO"


def print_memory(args, title, ranks):
    """Table of ranks; whether all are within their bars."""
    dealer_bar_mb = DEALER_BAR_MB + DEALER_BAR_BYTES * args.ngalaxies * 1e-6
    rows, verdicts = [], []
    for row in ranks:
        verdicts.append(judge(row["slope_mib"], SLOPE_BAR_MIB))
        cells = [row["rank"], "deals" if row["deals"] else "computes", row["galaxies"], f"{row['slope_mib']:+.3f}",
                 f"< {SLOPE_BAR_MIB:g}: {verdicts[-1]}", f"{row['own_slope_mib']:+.3f}", f"{row['peak_mb']:.1f}", ""]
        if row["deals"]:
            verdicts.append(judge(row["peak_mb"], dealer_bar_mb))
            cells[-1] = f"< {dealer_bar_mb:.1f}: {verdicts[-1]}"
        rows.append(cells)
    print(f"\n{title}\n")
    print(format_markdown(["rank", "it", "galaxies", "slope [MiB over the run]", "bar", "own memory's slope [MiB]",
                           "peak [MB]", "bar"], rows, 2))
    return all(verdict == "yes" for verdict in verdicts)


def print_dealing(args, turns, one):
    """Table of throughput and overhead; whether the overhead is within its bar."""
    overhead = [turn["overhead"] for turn in turns]
    verdict = judge(find_quartiles(overhead)[1], OVERHEAD_BAR)
    rows = [
        ["galaxies a second, 1 rank", f"{args.ngalaxies / one['phase_s']:.0f}", ""],
        [f"galaxies a second, {args.workers + 1} ranks",
         format_quartiles([args.ngalaxies / turn["dealt_s"] for turn in turns], 0), ""],
        [f"galaxies' phase, {args.workers} workers and a dealer [s]",
         format_quartiles([turn["dealt_s"] for turn in turns], 2), ""],
        [f"{args.workers} one-rank runs side by side [s]",
         format_quartiles([turn["alone_s"] for turn in turns], 2), ""],
        ["overhead of the scheduler [%]", format_quartiles([100 * value for value in overhead], 2),
         f"< {100 * OVERHEAD_BAR:g}: {verdict}"],
        ["more processor time with the scheduler [%]", format_quartiles(
            [100 * (turn["dealt_processor_s"] / turn["alone_processor_s"] - 1) for turn in turns], 2), ""],
        ["workers without a galaxy [% of the phase]", format_quartiles([100 * turn["idle"] for turn in turns], 2), ""],
    ]
    print(format_markdown(["", f"median of {len(turns)} turns (quartiles)", "bar"], rows))
    return verdict == "yes"


def main():
    """Inputs, runs, tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ngalaxies", type=positive, default=100_000, metavar="G", help="(default: %(default)s)")
    parser.add_argument("--nparticles", type=positive, default=100, metavar="N",
                        help="stars of a galaxy, and gas particles (default: %(default)s)")
    parser.add_argument("--nwavelengths", type=positive, default=1000, metavar="L",
                        help="of the grid; few make the work of a galaxy small, which is hardest on the scheduler "
                        "(default: %(default)s)")
    parser.add_argument("--workers", type=positive, default=2, metavar="W",
                        help="ranks that compute, at most as many as cores; the dealer comes on top "
                        "(default: %(default)s)")
    parser.add_argument("--turns", type=positive, default=3, metavar="K",
                        help="runs with and without the scheduler (default: %(default)s)")
    parser.add_argument("--operations", choices=OPERATIONS, default="small",
                        help="what is computed: small = photometry and histories, some 0.6 kB a galaxy; lines; "
                        "spectra = 8 L bytes a galaxy (default: %(default)s)")
    add_common_arguments(parser, "demo/bench-small")
    args = parser.parse_args()
    if args.nparticles % GAS_COPIES:
        parser.error(f"--nparticles must be a multiple of {GAS_COPIES}, to have as much gas")
    prepare(args)
    parts = make_inputs(args)
    job = JOB.format(operations=OPERATIONS[args.operations])
    for name in ("one", "dealt"):
        write_job(args, name, job)
    for name in parts:
        write_job(args, f"alone-{name}", job, catalogue=f"{name}.hdf5")
    watchers = []
    trace, _, wall_s = run_job(args, "one", 1, lambda process: watchers.append(OwnMemory(process)))
    one = {"phase_s": measure_phase_s(trace), "wall_s": wall_s, "ranks": measure_ranks(trace, watchers[0])}
    clean_up(args, "one.hdf5")
    turns = take_turns(args, parts)
    print(f"\n{args.ngalaxies} galaxies of {args.nparticles} stars and as many gas particles, '{args.operations}', "
          f"{args.nwavelengths} wavelengths")
    verdicts = [print_memory(args, "One rank", one["ranks"]),
                print_memory(args, f"{args.workers + 1} ranks, last turn", turns[-1]["ranks"]),
                print_dealing(args, turns, one)]
    keys = ("ngalaxies", "nparticles", "nwavelengths", "workers", "operations", "seed")
    write_figures(args, {"machine": describe_machine()} | {key: getattr(args, key) for key in keys}
                  | {"one_rank": one, "turns": turns})
    clean_up(args, "grid.hdf5", "catalogue.hdf5", "dealt.hdf5", *(f"{name}.hdf5" for name in parts),
             *(f"alone-{name}.hdf5" for name in parts))
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    run_script(main)
