#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters through the whole program: bands narrower than the grid against numpy's integrals, what is said of filters at
the grid's ends, and the curves of real sets against a reader of a few lines.

The real sets are no part of the repository: $POLYPHONY_SHARED, or ../shared beside it; that test is skipped without.
"""

import json
import os
import re
import unittest
from pathlib import Path

import h5py
import numpy as np

import runner
import small

SHARED = Path(os.environ.get("POLYPHONY_SHARED", runner.ROOT.parent / "shared")).resolve()
INPUT = small.INPUT
LABELS = ("incident", "emergent")
N_GALAXY = 24

JOB = """\
catalogue: {catalogue}
grid: grid.hdf5
output: {output}
threads: 1
emission: {{model: pacman, tau_v: {tau_v}, fesc: 0.1, method: {method}}}
instruments:
  - label: narrow
    resolution_arcsec: 0.05
    filters:
{filters}
operations:
{operations}
progress: no
trace: off
"""
EVERYTHING = """\
  spectra: {labels: [incident, emergent]}
  observed_spectra: {labels: [incident, emergent]}
  photometry_luminosities: {labels: [incident, emergent]}
  photometry_fluxes: {labels: [incident, emergent]}
  images_flux: {labels: [emergent], fov_arcsec: 20, type: histogram}
"""
FLUXES = "  photometry_fluxes: {labels: [incident]}"

# Curves in angstrom. The grid has a wavelength every 4 %: most of these fall between two of them at most redshifts.
CURVES = {
    "box": [(20000, 0), (20000, 1), (20200, 1), (20200, 0)],
    "wings": [(19990, 0), (20010, 0.9), (20190, 0.8), (20210, 0)],
    "one": [(20090, 0), (20100, 1), (20110, 0)],
    "two": [(20000, 0), (20030, 1), (20060, 0), (20900, 0), (20950, 0.5), (21000, 0)],
    "leak": [(9000, 1e-5), (20000, 1e-5), (20010, 1), (20100, 1), (20110, 1e-5), (40000, 1e-5)],
    "medium": [(19000, 0), (19500, 1), (21500, 1), (22000, 0)],
}


def trapezoids(y, x):
    """Integral of y over x."""
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))


def band_average(curve, lambda_rest, spectrum, redshift, in_frequency):
    """int S T dlambda/lambda / int T dlambda/lambda, the spectrum linear in wavelength between the grid's."""
    x_curve, t_curve = np.array(curve, float).T
    x_curve = x_curve + np.arange(len(x_curve)) * 1e-7  # np.interp wants ascending nodes: steps are 1e-7 angstrom wide
    lambda_grid = lambda_rest * (1 + redshift)
    nodes = np.union1d(x_curve, lambda_grid[(lambda_grid > x_curve[0]) & (lambda_grid < x_curve[-1])])
    # 200 cells between two nodes: S T / lambda is smooth there, and trapezoids are right to 1e-7
    x = np.unique(np.concatenate([np.linspace(a, b, 201) for a, b in zip(nodes[:-1], nodes[1:])]))
    if in_frequency:
        t = np.interp(-1 / x, -1 / x_curve, t_curve)
    else:
        t = np.interp(x, x_curve, t_curve)
    s = np.interp(x, lambda_grid, spectrum)
    return trapezoids(s * t / x, x) / trapezoids(t / x, x)


class FilterTest(small.SmallTest):
    """A coarse grid, and galaxies at many redshifts."""

    @classmethod
    def setUpClass(cls):
        runner.ProgramTest.setUpClass.__func__(cls)
        cls.call("demo-grid", "--nages=4", "--nmetallicities=3", "--nwavelengths=300")
        cls.call("demo-catalogue", "--nparticles=12", f"--ngalaxies={N_GALAXY}", "--seed=7")
        with h5py.File(cls.dir / "catalogue.hdf5", "r+") as file:
            file["Galaxies/redshift"][:] = np.linspace(0.5, 0.62, N_GALAXY)  # 20000 angstrom move by two cells

    @classmethod
    def write_curves(cls, curves):
        """The files of curves, and the lines of a job that list them."""
        for name, rows in curves.items():
            text = "# wavelength [angstrom] transmission\n" + "".join(f"{x!r} {t!r}\n" for x, t in rows)
            (cls.dir / f"{name}.txt").write_text(text, encoding="utf-8")
        return "\n".join(f"      - {{code: N/{name}, file: {name}.txt}}" for name in curves)

    @classmethod
    def filter_job(cls, name, filters, operations, tau_v="tau_v", method="fast", catalogue="catalogue.hdf5"):
        """A job file <name>.yaml with these filters."""
        text = JOB.format(catalogue=catalogue, output=f"{name}.hdf5", tau_v=tau_v, method=method, filters=filters,
                          operations=operations)
        (cls.dir / f"{name}.yaml").write_text(text, encoding="utf-8")
        return f"{name}.yaml"

    # ---- narrow bands ------------------------------------------------------------------------------

    def check_bands(self, path):
        """All photometry of a results file against integrals of its spectra; images against fluxes."""
        with h5py.File(path) as file, h5py.File(self.dir / "catalogue.hdf5") as catalogue:
            lambda_rest = file["Wavelengths/Rest"][:]
            redshifts = catalogue["Galaxies/redshift"][:]
            stars = file["Galaxies/Stars"]
            self.assertTrue((file["Run/Ledger"]["status"] == 1).all())
            for label in LABELS:
                for kind, spectra, is_observed in (("Luminosities", "SpectralLuminosityDensities", False),
                                                   ("Fluxes", "SpectralFluxDensities", True)):
                    spectrum = stars[f"Spectra/{spectra}/{label}"][:]
                    for name, curve in CURVES.items():
                        got = stars[f"Photometry/{kind}/{label}/N/{name}"][:]
                        expected = [band_average(curve, lambda_rest, s, z * is_observed, is_observed)
                                    for s, z in zip(spectrum, redshifts)]
                        # Points of numpy's trapezoids; an emission line is a hundred times what is beside it.
                        np.testing.assert_allclose(got, expected, rtol=2e-5, err_msg=f"{kind}/{label}/{name}")
            for name in CURVES:
                flux = stars[f"Photometry/Fluxes/emergent/N/{name}"][:]
                image = stars[f"Images/Flux/narrow/emergent/N/{name}"][:]
                # All stars are within the field: the same numbers in another order, 12 stars.
                np.testing.assert_allclose(image.sum(axis=(1, 2)), flux, rtol=1e-12, err_msg=name)

    def test_bands_narrower_than_the_grid_are_integrals_of_the_spectrum(self):
        filters = self.write_curves(CURVES)
        for tau_v in ("tau_v", "los"):
            operations = EVERYTHING + ("  los_optical_depths: {}\n" if tau_v == "los" else "")
            job = self.filter_job(f"bands_{tau_v}", filters, operations, tau_v=tau_v)
            self.call("run", job)
            self.check_bands(self.dir / f"bands_{tau_v}.hdf5")

    def test_the_direct_method_sees_the_same_bands(self):
        job = self.filter_job("direct", self.write_curves(CURVES), EVERYTHING, method="direct")
        self.call("run", job)
        self.check_bands(self.dir / "direct.hdf5")

    def test_fluxes_move_little_from_one_redshift_to_the_next(self):
        """A smooth spectrum, a fine scan: no jumps, wherever the curve lies between the grid's wavelengths."""
        filters = self.write_curves({"scan": [(19700, 0), (19800, 1), (20600, 1), (20700, 0)]})
        name = self.spoil("catalogue.hdf5", "scan_in.hdf5", self.make_alike)
        self.call("run", self.filter_job("scan", filters, FLUXES + "\n  observed_spectra: {labels: [incident]}",
                                         catalogue=name))
        with h5py.File(self.dir / "scan.hdf5") as file:
            flux = file["Galaxies/Stars/Photometry/Fluxes/incident/N/scan"][:]
        # Each step moves the band by 0.35 % in wavelength; the stars' continuum is no steeper there than its 5th power.
        self.assertLess(np.abs(np.diff(np.log(flux))).max(), 0.02)

    @staticmethod
    def make_alike(file):
        """All galaxies get the stars of the first."""
        for item in file["Stars"].values():
            if item.shape[0] == 12 * N_GALAXY:
                item[:] = np.concatenate([item[:12]] * N_GALAXY)

    # ---- the grid's ends ---------------------------------------------------------------------------

    def ends(self):
        """First and last of the grid's wavelengths."""
        with h5py.File(self.dir / "grid.hdf5") as file:
            lambda_grid = file["spectra/wavelength"][:]
        return lambda_grid[0], lambda_grid[-1]

    def test_a_cut_at_the_end_of_the_grid_is_warned_of_with_its_share(self):
        _, last = self.ends()
        red = last * 1.5  # at the lowest redshift
        curve = {"cut": [(red - 3e5, 0), (red - 3e5, 1), (red + 1e5, 1), (red + 1e5, 0)]}
        output = self.call("check", self.filter_job("cut", self.write_curves(curve), FLUXES))
        self.assertIn("'N/cut'", output)
        self.assertIn("is cut off by the grid", output)
        self.assertIn("at redshift 0.5 (galaxy ", output)
        self.assertIn(": 25 % of the curve's area is left out", output)

    def test_a_filter_outside_the_grid_of_one_galaxy_is_refused_with_its_name(self):
        first, last = self.ends()
        with h5py.File(self.dir / "catalogue.hdf5") as file:
            ids, redshifts = file["Galaxies/id"][:], file["Galaxies/redshift"][:]
        for curve, row in (([(last * 1.51, 0), (last * 1.52, 1), (last * 1.53, 0)], 0),
                           ([(first * 1.5, 0), (first * 1.55, 1), (first * 1.6, 0)], N_GALAXY - 1)):
            job = self.filter_job("out", self.write_curves({"out": curve}), FLUXES)
            self.expect(INPUT, job, "filter 'N/out' (", "is outside the grid 'grid.hdf5'",
                        f"at redshift {redshifts[row]:g} (galaxy {ids[row]})", "leave the filter out")
        middle = self.filter_job("between", self.write_curves({"tiny": [(20000.1, 0), (20000.2, 1), (20000.3, 0)]}), FLUXES)
        self.assertNotIn("warning", self.call("check", middle))

    def test_a_filter_that_only_galaxies_in_between_do_not_see_is_found(self):
        """Two peaks: the nearest galaxies see the blue one, the farthest the red one."""
        first, last = self.ends()
        curve = [(first * 1.53, 0), (first * 1.54, 1), (first * 1.55, 0),
                 (last * 1.57, 0), (last * 1.58, 1), (last * 1.59, 0)]
        with h5py.File(self.dir / "catalogue.hdf5") as file:
            redshifts = file["Galaxies/redshift"][:]
        row = int(np.argmax(redshifts > 0.55))
        self.expect(INPUT, self.filter_job("gap", self.write_curves({"gap": curve}), FLUXES), "filter 'N/gap' (",
                    f"at redshift {redshifts[row]:g} (galaxy ")

    def test_doubts_about_a_file_are_said_by_check_and_run(self):
        (self.dir / "doubt.txt").write_text("19000 -0.001\n20000 1\n21000 0\n", encoding="utf-8")
        job = self.filter_job("doubt", "      - {code: N/doubt, file: doubt.txt}", FLUXES)
        for command in ("check", "run"):
            output = self.call(command, job)
            self.assertIn("filter 'N/doubt' ('doubt.txt'): transmissions below 0", output)
            self.assertIn("(down to -0.001, line 1)", output)

    # ---- real sets ---------------------------------------------------------------------------------

    @unittest.skipUnless((SHARED / "data/filter_library").is_dir(), "no ../shared with real curves")
    def test_all_real_curves_are_read(self):
        """One job with all of them: their pivot wavelengths are those of a reader of a few lines."""
        folders = ("failures/inputs/filter", "failures/inputs/filter/real", "sims/filters")
        files = [f for folder in folders for f in (SHARED / folder).glob("*") if f.suffix not in (".yaml", "")]
        files += [f for folder in ("data/filters", "data/filter_library") for f in (SHARED / folder).glob("*/*.txt")]
        files.sort()
        self.assertGreater(len(files), 200)
        code = {i: "JWST/NIRCam.F200W" if "peer_instrument" in f.name else f"f{i}" for i, f in enumerate(files)}
        filters = "\n".join(f"      - {{code: {code[i]}, file: {json.dumps(str(f))}}}" for i, f in enumerate(files))
        job = self.filter_job("real", filters, "  photometry_luminosities: {labels: [incident]}")
        self.call("run", job)
        with h5py.File(self.dir / "real.hdf5") as file:
            for i, path in enumerate(files):
                group = file[f"Instruments/narrow/Filters/{code[i].replace('/', '.')}"]
                got = group.attrs["pivot_wavelength_angstrom"]
                # Decimal numbers read and added in another order.
                self.assertLess(abs(got / pivot(*read_curve(path)) - 1), 1e-9, path)
                self.assertGreater(file[f"Galaxies/Stars/Photometry/Luminosities/incident/{code[i]}"][0], 0, path)


def pivot(x, t):
    """sqrt(int T lambda dlambda / int T/lambda dlambda), trapezoids on the curve's own points."""
    return np.sqrt(trapezoids(t * x, x) / trapezoids(t / x, x))


def read_curve(path):
    """Wavelengths [angstrom], ascending, and transmissions, to a factor."""
    if path.suffix == ".hdf5":
        with h5py.File(path) as file:
            if "wavelength" in file:
                rows = np.array([file["wavelength"][:], file["transmission"][:]]).T
            else:
                group = file["Filters/JWST.NIRCam.F200W"]
                rows = np.array([group["Original_Wavelength"][:], group["Original_Transmission"][:]]).T
    elif path.suffix == ".xml":
        cells = re.findall(r"<TD>(.*?)</TD>", path.read_text(encoding="utf-8"))
        rows = np.array(cells, float).reshape(-1, 2)
    else:
        text = path.read_text(encoding="utf-8-sig").replace("D+", "e+")
        found = [re.findall(r"^\s*([\d.eE+-]+)[\s,;]+([\d.eE+-]+)", line) for line in text.splitlines()]
        rows = np.array([row[0] for row in found if row], float)
        if path.name in ("f_header_units.txt",) or "unit: nm" in text:
            rows[:, 0] *= 10
    rows = rows[rows[:, 0] > 0]
    rows = rows[::-1] if rows[0, 0] > rows[-1, 0] else rows
    rows[:, 1] = np.clip(rows[:, 1], 0, None if rows[:, 1].max() > 1.05 else 1)
    return rows.T


if __name__ == "__main__":
    runner.main()
