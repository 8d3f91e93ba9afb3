#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what `polyphony simulate` predicts with real runs, on a catalogue of galaxies of very different size.

A job (optical depths and photometry, one thread a rank) is run on each number of ranks and in each mode of dealing. The
wall time of its galaxies, from the first deal to the last report in its trace, stands beside two predictions: one from
the seconds that its own galaxies took, writing included, which tests the simulation, and one from those of the run of
one rank, which is what a user would do. Where ranks fight for cores, with each other or with somebody else, galaxies
take longer than in that run.

Exit codes: 0 all predictions from own seconds are within --tolerance; 1 one is not; 2 usage; 3 a command failed.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

from profiling import ProfilingError
from scaling_catalogue import list_tail, merge_catalogues

ROOT = Path(__file__).resolve().parents[1]
IN_ENV = ["bash", "-c", '. "$0" && exec "$@"', str(ROOT / "scripts/env.sh")]
NS_PER_S = 1e9
# With more ranks than cores Open MPI gives up its core whenever it looks for messages, which on a machine with other
# work costs milliseconds between galaxies; our ranks sleep while they wait, and need not.
ENVIRONMENT = {"OMPI_MCA_mpi_yield_when_idle": "0"} | os.environ

JOB = """\
catalogue: catalogue.hdf5
grid: grid.hdf5
output: {name}.hdf5
threads: 1
emission: {{model: pacman, tau_v: los, fesc: 0.1}}
operations:
  los_optical_depths: {{}}
  photometry_fluxes: {{labels: [emergent]}}
schedule: {{mode: {mode}}}
progress: no
"""


def call(command, folder):
    """Run a command to its end."""
    done = subprocess.run(IN_ENV + [str(part) for part in command], cwd=folder, env=ENVIRONMENT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise ProfilingError(f"{' '.join(map(str, command))} failed with code {done.returncode}:\n{done.stdout}")


def make_inputs(program, folder, args):
    """A small grid, and a catalogue with about as many stars in galaxies of each half decade of size."""
    call([program, "demo-grid", "--nwavelengths", "1000"], folder)
    parts = []
    for n_star, n_galaxy in list_tail(args.ngalaxies, args.nparticles, args.largest):
        parts.append(folder / f"part-{n_star}.hdf5")
        call([program, "demo-catalogue", "--nparticles", n_star, "--ngalaxies", n_galaxy, "--seed", n_star,
              "--output", parts[-1]], folder)
    merge_catalogues(parts, folder / "catalogue.hdf5", seed=1)


def run_real(program, folder, mode, n_rank):
    """Run the job; the wall time of its galaxies [s] and the results file's stem."""
    name = f"{mode}-{n_rank}"
    (folder / f"{name}.yaml").write_text(JOB.format(name=name, mode=mode), encoding="utf-8")
    call(["mpirun", "--bind-to", "none", "-n", n_rank, program, "run", f"{name}.yaml"], folder)
    with h5py.File(folder / f"{name}.trace.hdf5") as file:
        batches, spans = file["Schedule"][()], file["Spans"][()]
    count_writing(folder / f"{name}.hdf5", spans)
    return (batches["done_ns"].max() - batches["dealt_ns"].min()) / NS_PER_S, name


def count_writing(path, spans):
    """Let the ledger's seconds be all that a galaxy took: the program records them before it writes the row."""
    spans = spans[spans["galaxy"] >= 0]
    if (spans["n_merged"] > 1).any():
        raise ProfilingError(f"the trace beside '{path}' has merged spans: use fewer galaxies")
    with h5py.File(path, "r+") as file:
        ledger = file["Run/Ledger"][()]
        # Spans are those of groups of galaxies, so writing goes to all in proportion.
        ledger["seconds"] *= spans["busy_ns"].sum() / NS_PER_S / ledger["seconds"].sum()
        file["Run/Ledger"][...] = ledger


def predict(program, folder, name, costs, n_rank):
    """What simulate says with the seconds of another results file [s]."""
    call([program, "simulate", f"{name}.yaml", "--workers", max(n_rank - 1, 1), "--costs", f"{costs}.hdf5",
          "--guess", "--bandwidth-gb-s", 0, "--csv", "predicted.csv"], folder)
    with open(folder / "predicted.csv", newline="", encoding="utf-8") as file:
        return float(next(csv.DictReader(file))["wall_s"])


def compare(program, folder, args):
    """Run and predict all; print a line each. The largest relative error with own seconds."""
    worst = 0.0
    print("| mode | ranks | real s | from its own seconds | from those of 1 rank |\n|---|---|---|---|---|")
    for mode in args.modes:
        alone = None
        for n_rank in sorted({1, *args.ranks}):
            real_s, name = run_real(program, folder, mode, n_rank)
            alone = alone or name
            own_s, ahead_s = (predict(program, folder, name, costs, n_rank) for costs in (name, alone))
            print(f"| {mode} | {n_rank} | {real_s:.3f} | {own_s:.3f} ({100 * (own_s / real_s - 1):+.1f} %) "
                  f"| {ahead_s:.3f} ({100 * (ahead_s / real_s - 1):+.1f} %) |", flush=True)
            worst = max(worst, abs(own_s / real_s - 1))
    return worst


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--polyphony", default="build/polyphony", help="program (default: %(default)s)")
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 3],
                        help="ranks of each run, rank 0 among them; 1 is always run (default: 2 3)")
    parser.add_argument("--modes", nargs="+", default=["dynamic", "static-block"],
                        choices=["dynamic", "static-block", "static-cyclic", "static-lpt"],
                        help="modes of dealing (default: dynamic static-block)")
    parser.add_argument("--ngalaxies", type=int, default=600, help="galaxies (default: %(default)s)")
    parser.add_argument("--nparticles", type=int, default=200, help="stars of the smallest (default: %(default)s)")
    parser.add_argument("--largest", type=float, default=300.0,
                        help="stars of the largest in units of the smallest (default: %(default)g)")
    parser.add_argument("--tolerance", type=float, default=10.0,
                        help="most that a prediction from own seconds may miss [%%] (default: %(default)g)")
    args = parser.parse_args()
    if min(args.ranks) < 1 or args.ngalaxies < 2 or args.nparticles < 1 or args.largest < 1:
        parser.error("--ranks, --nparticles and --largest must be 1 or more, --ngalaxies 2 or more")
    program = Path(args.polyphony).resolve()
    with tempfile.TemporaryDirectory(prefix="polyphony-simulation-") as folder:
        try:
            make_inputs(program, Path(folder), args)
            worst = compare(program, Path(folder), args)
        except (ProfilingError, OSError, KeyError) as error:
            print(f"bench_simulation.py: {error}", file=sys.stderr)
            return 3
    print(f"\nlargest error from own seconds: {100 * worst:.1f} %")
    return 0 if 100 * worst <= args.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
