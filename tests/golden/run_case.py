#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one golden case with polyphony and compare the results with the reference outputs.

The cases are those of the reference folder's golden/README.md, and two small ones that are kept beside this script
(shipped/README.md), so that everyone has some. Bars are those of compare.py, and 5e-6 for
what is attenuated with optical depths of our own.

Exit codes: 0 agrees, 1 differs or the run failed, 2 usage, 77 skipped because the reference is not there.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = 77
FILTERS = ("F070W", "F090W", "F115W", "F150W", "F200W", "F277W", "F356W", "F444W")
SHIPPED = Path(__file__).resolve().parent / "shipped"
LONGEST_RUN_S = 600


@dataclass(frozen=True)
class Case:
    """What differs between the cases."""

    field: str
    fesc: str
    fesc_ly_alpha: str
    tau_v: str = "los"
    igm: str = "none"
    kernel_los: str = "sph_anarchy"
    images: str = "smoothed"
    labels: str = "intrinsic"
    without: tuple = ()
    bars: tuple = ()
    is_shipped: bool = False

    def folder(self, name, shared):
        """Where catalogue and reference are."""
        return SHIPPED / name.removeprefix("shipped_") if self.is_shipped else shared / "golden" / name

    def grid(self, shared):
        """The stellar population grid."""
        return SHIPPED / "grid.hdf5" if self.is_shipped else shared / "data/grids/bc03_byler17-ref_reduced.hdf5"

    def curves(self, shared):
        """The folder of filter curves."""
        return SHIPPED / "filters" if self.is_shipped else shared / "data/filters/JWST_NIRCam"


# fesc comes from the catalogue where it is not plain, so that both ways of giving it are used.
CASES = {
    "los": Case("fov_kpc: 12", "fesc", "fesc_ly_alpha"),
    "mission": Case("fov_kpc: 60", "0.1", "1.0", tau_v="0.5", labels="intrinsic, emergent"),
    "redshifts": Case("fov_arcsec: 1.5", "0.0", "1.0", igm="inoue14"),
    "hist": Case("fov_kpc: 12", "fesc", "fesc_ly_alpha", kernel_los="cubic", images="histogram"),
    "peer_benchmark": Case("fov_kpc: 60", "0.0", "1.0"),
    # Synthesizer put a black hole into each galaxy to have one; the catalogue has none.
    "camels": Case("fov_arcsec: 4", "0.0", "1.0", without=("Galaxies/BlackHoles/*",)),
    # The larger of the two black holes' depths, 1.29e-5, is of gas behind it of which only the kernel's edge lies before
    # it: there Synthesizer's table is off by 1.2e-9, 2.6e-7 of the stars' depths. Quadrature gives ours to 1e-14.
    "shipped_screen": Case("fov_kpc: 6", "0.1", "fesc_ly_alpha", tau_v="0.5", labels="intrinsic, emergent",
                           bars=("Galaxies/BlackHoles/OpticalDepths/Particles=2e-4",), is_shipped=True),
    "shipped_los": Case("fov_arcsec: 0.8", "0.2", "fesc_ly_alpha", igm="inoue14", labels="intrinsic, attenuated",
                        is_shipped=True),
}


def make_job(case, tau_v, shared, catalogue, output, threads):
    """Text of the job file. Paths are quoted as JSON strings, which are YAML strings too."""
    curves = case.curves(shared)
    filters = "\n".join(
        f"      - {{code: JWST/NIRCam.{name}, file: {json.dumps(str(curves / f'NIRCam.{name}.txt'))}}}"
        for name in FILTERS)
    images = f"{{labels: [{case.labels}], {case.field}, type: {case.images}"
    images += ", kernel: sph_anarchy}" if case.images == "smoothed" else "}"
    return f"""\
catalogue: {json.dumps(str(catalogue))}
grid: {json.dumps(str(case.grid(shared)))}
output: {json.dumps(str(output))}
threads: {threads}
cosmology: {{name: Planck18}}
redshift: catalogue
dust_to_metal_ratio: 0.3
igm: {case.igm}
emission:
  model: pacman
  tau_v: {tau_v}
  fesc: {case.fesc}
  fesc_ly_alpha: {case.fesc_ly_alpha}
  dust_curve: power_law
  dust_slope: -1.0
  grid_assignment: cic
  method: fast
instruments:
  - label: JWST.NIRCam.Wide
    resolution_arcsec: 0.031
    filters:
{filters}
operations:
  los_optical_depths: {{kernel: {case.kernel_los}, kappa_pc2_msun: 0.0795, write_particles: yes}}
  sfzh: {{}}
  sfh: {{}}
  spectra: {{labels: [all]}}
  observed_spectra: {{}}
  photometry_luminosities: {{}}
  photometry_fluxes: {{}}
  lines: {{}}
  observed_lines: {{}}
  images_luminosity: {images}
  images_flux: {images}
"""


def run_polyphony(polyphony, job, ranks, threads):
    """Exit code of the run, in the MPI environment of the scripts."""
    with_env = ["bash", "-c", '. "$0" && exec "$@"', str(ROOT / "scripts/env.sh")]
    command = ["mpirun", "-n", str(ranks), str(polyphony), "run", str(job)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(with_env + command, env=environment, timeout=LONGEST_RUN_S, check=False)
    except subprocess.TimeoutExpired:
        print(f"run_case.py: no end after {LONGEST_RUN_S} s")
        return 1
    return done.returncode


def compare_results(output, reference, case, tau_v):
    """Exit code of compare.py with the bars of this case."""
    command = [sys.executable, str(Path(__file__).with_name("compare.py")), str(output), str(reference)]
    if tau_v == "los":
        # Photometry and images of these labels inherit what Synthesizer's table of optical depths loses.
        for label in ("attenuated", "emergent"):
            command += ["--bar", f"Galaxies/Stars/*/{label}=5e-6"]
            command += ["--bar", f"Galaxies/Stars/*/{label}/*=5e-6"]
            # Light is dimmed by exp(-k tau): the table's error is multiplied by k, which is 4.5 at Lyman alpha,
            # and a line is not averaged over wavelengths as photometry is. With Synthesizer's own depths the same
            # lines agree to 1e-9, and our columns agree with quadrature to 1e-12 (tests/kernels).
            command += ["--bar", f"Galaxies/Stars/Lines/*/{label}=1e-5"]
    for bar in case.bars:
        command += ["--bar", bar]
    for pattern in case.without:
        command += ["--without", pattern]
    return subprocess.run(command, check=False).returncode


def run_case(args, workdir):
    """Write the job, run it, compare. Exit code."""
    case = CASES[args.case]
    reference = case.folder(args.case, args.shared) / "reference.hdf5"
    catalogue = reference.with_name("catalogue.hdf5")
    output = workdir / "results.hdf5"
    job = workdir / "job.yaml"
    tau_v = "tau_v_peer" if args.tau == "peer" and case.tau_v == "los" else case.tau_v
    output.unlink(missing_ok=True)  # a run on an existing file would have nothing left to do
    job.write_text(make_job(case, tau_v, args.shared, catalogue, output, args.threads), encoding="utf-8")
    code = run_polyphony(args.polyphony.resolve(), job, args.ranks, args.threads)
    if code:
        print(f"run_case.py: polyphony ended with code {code} on this job:")
        print(job.read_text(encoding="utf-8"))
        return 1
    return compare_results(output, reference, case, tau_v)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--polyphony", type=Path, required=True, metavar="BIN")
    parser.add_argument("--shared", type=Path, metavar="DIR",
                        default=Path(os.environ.get("POLYPHONY_SHARED", ROOT.parent / "shared")),
                        help="has golden/ and data/ ($POLYPHONY_SHARED, else ../shared of the repository)")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tau", choices=("own", "peer"), required=True,
                        help="attenuate with our own line-of-sight optical depths or with Synthesizer's")
    parser.add_argument("--workdir", type=Path, help="kept afterwards; default a temporary directory")
    args = parser.parse_args()

    args.shared = args.shared.resolve()
    folder = CASES[args.case].folder(args.case, args.shared)
    if not (folder / "reference.hdf5").is_file():
        print(f"skipped: no reference outputs in '{folder}'")
        return SKIPPED
    if not shutil.which("mpirun") or not args.polyphony.is_file():
        parser.error(f"mpirun is not on PATH, or there is no program '{args.polyphony}'")
    if args.workdir:
        args.workdir.mkdir(parents=True, exist_ok=True)
        return run_case(args, args.workdir.resolve())
    with tempfile.TemporaryDirectory(prefix="polyphony-golden-") as workdir:
        return run_case(args, Path(workdir))


if __name__ == "__main__":
    sys.exit(main())
